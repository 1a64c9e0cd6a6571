//! How does a topology become a fabric?
//!
//! Compilation cannot fail: a [`Topology`] is valid by construction. Given the fabric before, interfaces and hosts that
//! survive keep their slots, so that devices and connections stay attached.

mod addresses;
mod gateways;
mod hosts;
mod interfaces;
mod links;
mod not_modelled;
mod previous;
mod transit;
mod unknown;

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use vpclab_model::{self as model, Kind, Name, Topology};
use vpclab_wire::MacAddr;

use self::gateways::{VPC_ENDPOINTS, modelled_endpoints};
use self::interfaces::Policies;
use self::not_modelled::NotModelledTable;
use self::unknown::UnknownLinks;
use crate::fabric::{
    Both, Draining, EgressOnlyInternetGateway, EndpointKind, Eni, Fabric, Forwards, Host, Instance,
    InternetGateway, KeyedMap, NatGateway, NetworkAcl, NetworkAclEntry, Peering, Prefixes, Route, RouteTable,
    RouteTarget, Router, SecurityGroup, Subnet, Vpc, VpcEndpoint, eui64_link_local,
};
use crate::flow::nat::Drained;
use crate::index::{
    Arena, EgressOnlyIdx, EniIdx, HostIdx, InstanceIdx, InternetGatewayIdx, NatGatewayIdx, NetworkAclIdx,
    PeeringIdx, Position, RouteTableIdx, SecurityGroupIdx, SubnetIdx, Table, VpcEndpointIdx, VpcIdx,
    VpnGatewayIdx,
};

impl Fabric {
    /// Compiles `topology`. `previous` is the fabric that it replaces, if there is one.
    pub fn compile(topology: &Topology, previous: Option<&Fabric>) -> Fabric {
        Compiler::new(topology, previous).compile(previous)
    }

    /// The same generation without those of the addresses that NAT gateways have lost whose flows are over (NAT-21); none
    /// if it has none of `drained`. A fabric knows no time: whoever has a clock asks flow memory
    /// ([`Drains::ended`](crate::flow::nat::Drains::ended)). `topology` is what it was compiled from.
    pub fn release(&self, topology: &Topology, drained: &[Drained]) -> Option<Fabric> {
        let is_one = |drained: &Drained| {
            let Drained { gateway, address } = *drained;
            let nat = self.nat_gateways.get(gateway.index);
            let nat = nat.filter(|_| self.nat_gateways.slot(gateway.index) == gateway);
            nat.is_some_and(|nat| nat.draining.iter().any(|lost| lost.address == address))
        };
        drained.iter().any(is_one).then(|| {
            let compiler = Compiler { drained, ..Compiler::new(topology, Some(self)) };
            Fabric { generation: self.generation, ..compiler.compile(Some(self)) }
        })
    }

    /// Whether NAT gateways have lost addresses that they have flows with.
    pub fn is_draining(&self) -> bool {
        self.nat_gateways.iter().any(|(_, nat)| !nat.draining.is_empty())
    }
}

/// The indices that names stand for, known before any entry is built.
struct Compiler<'a> {
    topology: &'a Topology,
    vpcs: Numbering<'a, VpcIdx>,
    subnets: Numbering<'a, SubnetIdx>,
    route_tables: Numbering<'a, RouteTableIdx>,
    network_acls: Numbering<'a, NetworkAclIdx>,
    security_groups: Numbering<'a, SecurityGroupIdx>,
    /// At the positions that are their indices.
    declared_groups: Vec<(&'a model::SecurityGroupName, &'a model::SecurityGroup)>,
    internet_gateways: Numbering<'a, InternetGatewayIdx>,
    vpn_gateways: Numbering<'a, VpnGatewayIdx>,
    egress_only: Numbering<'a, EgressOnlyIdx>,
    transit: transit::Numbers<'a>,
    nat_gateways: Arena<NatGatewayIdx, NatGateway>,
    draining: BTreeMap<&'a model::NatGatewayName, Vec<Draining>>,
    /// What is not draining any more.
    drained: &'a [Drained],
    peerings: Arena<PeeringIdx, Peering>,
    vpc_endpoints: Arena<VpcEndpointIdx, VpcEndpoint>,
    hosts: Arena<HostIdx, Host>,
    not_modelled: NotModelledTable<'a>,
    unknown_links: UnknownLinks<'a>,
    instances: Arena<InstanceIdx, Instance>,
    enis: Arena<EniIdx, Eni>,
}

/// Positions in name order.
struct Numbering<'a, I> {
    by_name: HashMap<&'a str, I>,
}

impl<'a, I: Position> Numbering<'a, I> {
    fn new<K: Kind + 'a, T>(resources: &'a BTreeMap<Name<K>, T>) -> Self {
        let by_name = resources
            .keys()
            .enumerate()
            .map(|(position, name)| (name.as_str(), I::from_position(position)))
            .collect();
        Self { by_name }
    }

    /// The index of `name`, which validation has found to exist.
    #[allow(clippy::expect_used)]
    fn of<K: Kind>(&self, name: &Name<K>) -> I {
        *self.by_name.get(name.as_str()).expect("a validated topology has no dangling reference")
    }
}

impl<'a> Compiler<'a> {
    fn new(topology: &'a Topology, previous: Option<&Fabric>) -> Self {
        Self {
            topology,
            vpcs: Numbering::new(&topology.vpcs),
            subnets: Numbering::new(&topology.subnets),
            route_tables: Numbering::new(&topology.route_tables),
            network_acls: Numbering::new(&topology.network_acls),
            security_groups: Numbering::new(&topology.security_groups),
            declared_groups: topology.security_groups.iter().collect(),
            internet_gateways: Numbering::new(&topology.internet_gateways),
            vpn_gateways: Numbering::new(&topology.vpn_gateways),
            egress_only: Numbering::new(&topology.egress_only_internet_gateways),
            transit: transit::Numbers::of(topology),
            nat_gateways: Arena::with_names(
                previous.map(|fabric| &fabric.nat_gateways),
                topology.nat_gateways.keys().map(|name| name.as_str().into()),
            ),
            draining: BTreeMap::new(),
            drained: &[],
            peerings: Arena::with_names(
                previous.map(|fabric| &fabric.peerings),
                topology.vpc_peering_connections.keys().map(|name| name.as_str().into()),
            ),
            vpc_endpoints: Arena::with_names(
                previous.map(|fabric| &fabric.vpc_endpoints),
                modelled_endpoints(topology).map(|(name, _)| name.as_str().into()),
            ),
            hosts: hosts::compile(topology, previous),
            not_modelled: NotModelledTable::of(topology),
            unknown_links: UnknownLinks::default(),
            instances: Arena::with_names(
                previous.map(|fabric| &fabric.instances),
                topology.instances.keys().map(|name| name.as_str().into()),
            ),
            enis: Arena::with_names(
                previous.map(|fabric| &fabric.enis),
                topology.network_interfaces.keys().map(|name| name.as_str().into()),
            ),
        }
    }

    fn compile(mut self, previous: Option<&Fabric>) -> Fabric {
        if let Some(previous) = previous {
            self.renew_moved(previous);
            self.draining = self.draining(previous);
        }
        self.unknown_links = self.unknown_links();
        let mut policies = Policies::default();
        let enis: Vec<_> = self
            .topology
            .network_interfaces
            .iter()
            .map(|(name, eni)| self.eni(name, eni, &mut policies))
            .collect();
        for (name, eni) in self.topology.network_interfaces.keys().zip(enis) {
            let index = self.eni_index(name);
            self.enis.fill(index, eni);
        }
        for (name, instance) in &self.topology.instances {
            let interfaces = instance
                .network_interfaces
                .iter()
                .map(|(&device, eni)| (device, self.eni_index(eni)))
                .collect();
            let compiled = Instance {
                name: name.clone(),
                interfaces,
                forwards: match &instance.forwards {
                    model::Forwards::SameInterface => Forwards::SameInterface,
                    model::Forwards::Interface(eni) => Forwards::Interface(self.eni_index(eni)),
                    model::Forwards::Nat => Forwards::Nat,
                    model::Forwards::None => Forwards::None,
                },
            };
            self.instances.fill(self.instance_index(name), compiled);
        }
        self.fill_gateways();
        let counts_double = self
            .vpc_endpoints
            .iter()
            .any(|(_, endpoint)| matches!(endpoint.kind, EndpointKind::Gateway { dynamodb: true, .. }));
        let links =
            links::compile(self.topology, &self.vpcs, &self.transit, |name| self.unknown_vpn_gateway(name));
        let mut fabric = Fabric {
            generation: previous.map_or(1, |fabric| fabric.generation + 1),
            settings: self.topology.settings,
            vpcs: table(self.topology.vpcs.iter().map(|(name, vpc)| self.vpc(name, vpc))),
            subnets: table(self.topology.subnets.iter().map(|(name, subnet)| self.subnet(name, subnet))),
            route_tables: table(self.topology.route_tables.iter().map(|(name, t)| self.route_table(name, t))),
            network_acls: table(self.topology.network_acls.iter().map(|(name, acl)| NetworkAcl {
                unknown: self.not_modelled.unknown(name),
                ..compile_network_acl(name, acl)
            })),
            security_groups: table(self.topology.security_groups.iter().map(|(name, group)| SecurityGroup {
                name: name.clone(),
                rule_counts: Both { inbound: group.ingress.len(), outbound: group.egress.len() },
            })),
            policies: policies.table,
            internet_gateways: table(self.topology.internet_gateways.iter().map(|(name, gateway)| {
                let edge = self.edge_table(&model::EdgeGateway::InternetGateway(name.clone()));
                InternetGateway {
                    name: name.clone(),
                    vpc: gateway.vpc.as_ref().map(|vpc| self.vpcs.of(vpc)),
                    route_table: edge.map(|(table, _)| self.route_tables.of(table)),
                    pools: edge.into_iter().flat_map(|(_, table)| table.public_ipv4_pools.clone()).collect(),
                    unknown: self.not_modelled.unknown(name),
                }
            })),
            egress_only: table(self.topology.egress_only_internet_gateways.iter().map(|(name, gateway)| {
                EgressOnlyInternetGateway { name: name.clone(), vpc: self.vpcs.of(&gateway.vpc) }
            })),
            transit_gateways: self.transit_gateways(),
            transit_attachments: self.transit_attachments(),
            transit_tables: self.transit_tables(),
            nat_gateways: self.nat_gateways,
            peerings: self.peerings,
            counts_double,
            vpc_endpoints: self.vpc_endpoints,
            block_public_access: self.not_modelled.block_public_access,
            multicast: self.not_modelled.multicast,
            not_modelled: self.not_modelled.table,
            instances: self.instances,
            enis: self.enis,
            vpn_gateways: links.vpn_gateways,
            links: links.links,
            customer_networks: links.customer_networks,
            hosts: self.hosts,
            addresses: KeyedMap::default(),
            macs: KeyedMap::default(),
            public_addresses: KeyedMap::default(),
            owners_of_ipv6: KeyedMap::default(),
            delegated: KeyedMap::default(),
            delegated_public: KeyedMap::default(),
            hosts_by_address: KeyedMap::default(),
            customer_hosts: KeyedMap::default(),
            elastic_addresses: self
                .topology
                .eips
                .values()
                .map(|eip| eip.public_ip)
                .chain(
                    self.topology
                        .network_interfaces
                        .values()
                        .flat_map(|eni| eni.public_ips.values().map(|public| public.address)),
                )
                .collect(),
            seed: foldhash::fast::FixedState::default(),
        };
        addresses::index(&mut fabric);
        fabric
    }

    #[allow(clippy::expect_used)]
    fn eni_index(&self, name: &model::NetworkInterfaceName) -> EniIdx {
        self.enis.find(name.as_str()).expect("a validated topology has no dangling reference")
    }

    /// The route table of a gateway (RT-35).
    fn edge_table(
        &self,
        gateway: &model::EdgeGateway,
    ) -> Option<(&'a model::RouteTableName, &'a model::RouteTable)> {
        self.topology.route_tables.iter().find(|(_, table)| table.gateways.contains(gateway))
    }

    #[allow(clippy::expect_used)]
    fn nat_index(&self, name: &model::NatGatewayName) -> NatGatewayIdx {
        self.nat_gateways.find(name.as_str()).expect("a validated topology has no dangling reference")
    }

    #[allow(clippy::expect_used)]
    fn peering_index(&self, name: &model::VpcPeeringConnectionName) -> PeeringIdx {
        self.peerings.find(name.as_str()).expect("a validated topology has no dangling reference")
    }

    #[allow(clippy::expect_used)]
    fn instance_index(&self, name: &model::InstanceName) -> InstanceIdx {
        self.instances.find(name.as_str()).expect("a validated topology has no dangling reference")
    }

    fn vpc(&self, name: &model::VpcName, vpc: &model::Vpc) -> Vpc {
        let peerings = self.topology.vpc_peering_connections.values();
        let peers =
            peerings.filter(|peering| peering.state == model::PeeringState::Active).filter_map(|peering| {
                match (&peering.vpc, &peering.peer_vpc) {
                    (one, other) | (other, one) if one == name => Some(self.vpcs.of(other)),
                    _ => None,
                }
            });
        Vpc {
            name: name.clone(),
            home: vpc.home.clone(),
            cidr_blocks: vpc.cidr_blocks().collect(),
            peers: peers.collect(),
            resolver: plus(vpc.cidr_block, 2),
            unknown: self.unknown_inside(name),
        }
    }

    fn subnet(&self, name: &model::SubnetName, subnet: &model::Subnet) -> Subnet {
        let mac = self.router_mac(name);
        Subnet {
            name: name.clone(),
            vpc: self.vpcs.of(&subnet.vpc),
            availability_zone: subnet.availability_zone.as_str().into(),
            ipv4: subnet.cidr_block,
            ipv6: subnet.ipv6_cidr_block,
            route_table: self.route_tables.of(&subnet.route_table),
            network_acl: self.network_acls.of(&subnet.network_acl),
            router: Router {
                mac,
                ipv4: subnet.cidr_block.map(|block| plus(block, 1)),
                link_local: eui64_link_local(mac),
            },
            unknown: self.unknown_subnet(name),
        }
    }

    /// The router's hardware address on a subnet: locally administered, from the subnet's name, and no interface's.
    fn router_mac(&self, name: &model::SubnetName) -> MacAddr {
        let mut fingerprint = name.fingerprint();
        loop {
            let mac = derived_mac(0x0a, fingerprint);
            if !self.topology.network_interfaces.values().any(|eni| eni.mac_address == mac.0) {
                return mac;
            }
            fingerprint = fingerprint.wrapping_add(1);
        }
    }

    fn route_table(&self, name: &model::RouteTableName, declared: &model::RouteTable) -> RouteTable {
        // What another route decides for is shown, and no packet finds it (RT-06).
        let found = declared.routes.iter().enumerate().filter(|(_, route)| !route.overridden);
        let mut compiled = RouteTable {
            name: name.clone(),
            routes: Vec::with_capacity(declared.routes.len()),
            unknown: self.unknown_table(name, declared),
            endpoint: self.endpoint_without_blocks(name),
            prefixes: Prefixes::new(found.map(|(position, route)| (route.destination, position))),
        };
        for route in &declared.routes {
            let unknown = self.unknown_target(&route.target, &declared.vpc);
            // An interface of which not all is known answers for itself, and may be attached.
            let perhaps_attached = match &route.target {
                model::RouteTarget::NetworkInterface(name) => {
                    self.unknown_eni(name, &self.topology.network_interfaces[name]).is_some()
                }
                _ => false,
            };
            compiled.routes.push(Route {
                destination: route.destination,
                target: match &route.target {
                    _ if let Some(unknown) = unknown => RouteTarget::NotModelled(unknown),
                    model::RouteTarget::Local => RouteTarget::Local,
                    model::RouteTarget::InternetGateway(gateway) => {
                        RouteTarget::InternetGateway(self.internet_gateways.of(gateway))
                    }
                    model::RouteTarget::NetworkInterface(eni) => {
                        RouteTarget::NetworkInterface(self.eni_index(eni))
                    }
                    model::RouteTarget::EgressOnlyInternetGateway(gateway) => {
                        RouteTarget::EgressOnly(self.egress_only.of(gateway))
                    }
                    model::RouteTarget::NatGateway(gateway) => {
                        RouteTarget::NatGateway(self.nat_index(gateway))
                    }
                    model::RouteTarget::VpnGateway(gateway) => {
                        RouteTarget::VpnGateway(self.vpn_gateways.of(gateway))
                    }
                    model::RouteTarget::VpcPeeringConnection(peering) => {
                        RouteTarget::Peering(self.peering_index(peering))
                    }
                    model::RouteTarget::VpcEndpoint(endpoint) => {
                        match self.vpc_endpoints.find(endpoint.as_str()) {
                            Some(index) => RouteTarget::Endpoint(index),
                            None => RouteTarget::NotModelled(
                                self.not_modelled.of_name(VPC_ENDPOINTS, endpoint.as_str()),
                            ),
                        }
                    }
                    model::RouteTarget::NotModelled { kind, name } => {
                        RouteTarget::NotModelled(self.not_modelled.of_name(kind, name))
                    }
                    model::RouteTarget::TransitGateway(gateway) => {
                        RouteTarget::TransitGateway(self.transit.of_vpc(gateway, &declared.vpc))
                    }
                },
                // Whether it takes packets is not known either.
                state: if unknown.is_some() || perhaps_attached {
                    model::RouteState::Active
                } else {
                    route.state
                },
                origin: route.origin,
                prefix_list: route.prefix_list.clone(),
                overridden: route.overridden,
            });
        }
        compiled
    }
}

fn table<I: Position, T>(entries: impl Iterator<Item = T>) -> Table<I, T> {
    let mut table = Table::new();
    for entry in entries {
        table.push(entry);
    }
    table
}

fn compile_network_acl(name: &model::NetworkAclName, acl: &model::NetworkAcl) -> NetworkAcl {
    let compile = |entries: &[model::NetworkAclEntry]| {
        let mut compiled: Vec<_> = entries
            .iter()
            .map(|entry| NetworkAclEntry {
                rule_number: entry.rule_number,
                action: entry.action,
                traffic: entry.traffic,
                cidr: entry.cidr.into(),
            })
            .collect();
        compiled.sort_by_key(|entry| entry.rule_number);
        compiled
    };
    NetworkAcl {
        name: name.clone(),
        entries: Both { inbound: compile(&acl.ingress), outbound: compile(&acl.egress) },
        unknown: None,
    }
}

/// The address `offset` above the base of `block`.
fn plus(block: Ipv4Net, offset: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(block.network()).wrapping_add(offset))
}

/// A locally administered unicast address with first octet `first`; interfaces of instances use 0x02.
fn derived_mac(first: u8, fingerprint: u128) -> MacAddr {
    let bytes = fingerprint.to_be_bytes();
    MacAddr([first, bytes[11], bytes[12], bytes[13], bytes[14], bytes[15]])
}
