//! How does a topology become a fabric?
//!
//! Compilation cannot fail: a [`Topology`] is valid by construction. Given the fabric before, interfaces and hosts that
//! survive keep their slots, so that devices and connections stay attached.

mod links;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::Ipv4Net;
use vpclab_model::{self as model, HostName, Kind, Name, Topology};
use vpclab_wire::MacAddr;

use crate::fabric::{
    Both, EgressOnlyInternetGateway, EndpointKind, Eni, Fabric, Forwards, Host, Instance, InternetGateway,
    KeyedMap, NatGateway, NetworkAcl, NetworkAclEntry, NotModelled, Peer, Peering, Policy, PolicyRule,
    Prefixes, PublicMapping, Role, Route, RouteTable, RouteTarget, Router, SecurityGroup, Side, Subnet,
    Timeouts, Vpc, VpcEndpoint, eui64_link_local,
};
use crate::index::{
    Arena, CustomerNetworkIdx, EgressOnlyIdx, EniIdx, HostIdx, InstanceIdx, InternetGatewayIdx,
    NatGatewayIdx, NetworkAclIdx, NotModelledIdx, PeeringIdx, PolicyIdx, Position, RouteTableIdx,
    SecurityGroupIdx, SubnetIdx, Table, VpcEndpointIdx, VpcIdx, VpnGatewayIdx,
};
use crate::stop::endpoint::INTERFACE_ENDPOINT_MTU;
use crate::stop::internet::INTERNET_MTU;

mod transit;

impl Fabric {
    /// Compiles `topology`. `previous` is the fabric that it replaces, if there is one.
    pub fn compile(topology: &Topology, previous: Option<&Fabric>) -> Fabric {
        Compiler::new(topology, previous).compile(previous)
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
    internet_gateways: Numbering<'a, InternetGatewayIdx>,
    vpn_gateways: Numbering<'a, VpnGatewayIdx>,
    egress_only: Numbering<'a, EgressOnlyIdx>,
    transit: transit::Numbers<'a>,
    nat_gateways: Arena<NatGatewayIdx, NatGateway>,
    peerings: Arena<PeeringIdx, Peering>,
    vpc_endpoints: Arena<VpcEndpointIdx, VpcEndpoint>,
    hosts: Arena<HostIdx, Host>,
    not_modelled: NotModelledTable<'a>,
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
            internet_gateways: Numbering::new(&topology.internet_gateways),
            vpn_gateways: Numbering::new(&topology.vpn_gateways),
            egress_only: Numbering::new(&topology.egress_only_internet_gateways),
            transit: transit::Numbers::of(topology),
            nat_gateways: Arena::with_names(
                previous.map(|fabric| &fabric.nat_gateways),
                topology.nat_gateways.keys().map(|name| name.as_str().into()),
            ),
            peerings: Arena::with_names(
                previous.map(|fabric| &fabric.peerings),
                topology.vpc_peering_connections.keys().map(|name| name.as_str().into()),
            ),
            vpc_endpoints: Arena::with_names(
                previous.map(|fabric| &fabric.vpc_endpoints),
                modelled_endpoints(topology).map(|(name, _)| name.as_str().into()),
            ),
            hosts: compile_hosts(topology, previous),
            not_modelled: NotModelledTable::of(topology),
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
        }
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
        let links = links::compile(self.topology, &self.vpcs, &self.transit);
        let mut fabric = Fabric {
            generation: previous.map_or(1, |fabric| fabric.generation + 1),
            settings: self.topology.settings,
            vpcs: table(self.topology.vpcs.iter().map(|(name, vpc)| self.vpc(name, vpc))),
            subnets: table(self.topology.subnets.iter().map(|(name, subnet)| self.subnet(name, subnet))),
            route_tables: table(self.topology.route_tables.iter().map(|(name, t)| self.route_table(name, t))),
            network_acls: table(
                self.topology.network_acls.iter().map(|(name, acl)| compile_network_acl(name, acl)),
            ),
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
        index_addresses(&mut fabric);
        fabric
    }

    /// An interface that has moved to another subnet is another one: nothing that it remembers holds there.
    fn renew_moved(&mut self, previous: &Fabric) {
        for (name, eni) in &self.topology.network_interfaces {
            let index = self.eni_index(name);
            let moved = previous.enis.get(index).is_some_and(|before| {
                let subnet = &previous.subnets[before.subnet];
                before.name == *name
                    && (subnet.name != eni.subnet
                        || previous.vpcs[subnet.vpc].name != self.topology.subnets[&eni.subnet].vpc)
            });
            if moved {
                self.enis.renew(index);
            }
        }
        self.renew_gateways(previous);
    }

    /// A NAT gateway in another subnet, with another primary address or with another elastic IP for it is another one,
    /// which AWS makes anew and which has none of the flows (NAT-41, NAT-47); so is a connection between other VPCs.
    fn renew_gateways(&mut self, previous: &Fabric) {
        for (name, nat) in &self.topology.nat_gateways {
            let index = self.nat_index(name);
            let Some(before) = previous.nat_gateways.get(index).filter(|before| before.name == *name) else {
                continue;
            };
            let eni = &self.topology.network_interfaces[&nat.network_interface];
            let old = &previous.enis[before.eni];
            let primary = |address: Option<Ipv4Addr>| address.map(IpAddr::V4);
            let same_address = old.addresses.first().copied() == primary(eni.private_ip);
            let public_of = |address: &Ipv4Addr| eni.public_ips.get(address).map(|public| public.address);
            let same_public = eni.private_ip.as_ref().and_then(public_of)
                == eni.private_ip.and_then(|address| old.public_address_of(address));
            if previous.subnets[before.subnet].name != nat.subnet || !same_address || !same_public {
                self.nat_gateways.renew(index);
            }
        }
        for (name, peering) in &self.topology.vpc_peering_connections {
            let index = self.peering_index(name);
            let ends = |before: &Peering| before.ends.map(|end| previous.vpcs[end].name.clone());
            let before = previous.peerings.get(index).filter(|before| before.name == *name);
            if before.is_some_and(|before| ends(before) != [peering.vpc.clone(), peering.peer_vpc.clone()]) {
                self.peerings.renew(index);
            }
        }
    }

    #[allow(clippy::expect_used)]
    fn eni_index(&self, name: &model::NetworkInterfaceName) -> EniIdx {
        self.enis.find(name.as_str()).expect("a validated topology has no dangling reference")
    }

    fn fill_gateways(&mut self) {
        for (name, nat) in &self.topology.nat_gateways {
            let eni = &self.topology.network_interfaces[&nat.network_interface];
            let works = nat.state == model::NatGatewayState::Available;
            let compiled = NatGateway {
                name: name.clone(),
                subnet: self.subnets.of(&nat.subnet),
                eni: self.eni_index(&nat.network_interface),
                addresses: eni.private_ips().filter(|_| works).collect(),
            };
            self.nat_gateways.fill(self.nat_index(name), compiled);
        }
        for (name, declared, service_name) in modelled_endpoints(self.topology)
            .filter_map(|(name, endpoint)| Some((name, endpoint, endpoint.service.as_ref()?)))
        {
            let (Some(index), Some(service)) =
                (self.vpc_endpoints.find(name.as_str()), self.hosts.find(service_name.as_str()))
            else {
                continue;
            };
            let of = &self.topology.services[service_name];
            let has = |protocol| of.protocols.contains(&protocol);
            let kind = match declared.vpc_endpoint_type {
                model::VpcEndpointType::Gateway => EndpointKind::Gateway {
                    blocks: declared
                        .prefix_lists
                        .iter()
                        .filter_map(|list| self.topology.managed_prefix_lists.get(list))
                        .flat_map(model::ManagedPrefixList::blocks)
                        .collect(),
                    dynamodb: declared.service_name.ends_with(".dynamodb"),
                },
                _ => EndpointKind::Interface {
                    tcp: has(model::ServiceProtocol::Tcp),
                    udp: has(model::ServiceProtocol::Udp),
                    nodes: (of.node_address, of.node_ipv6_address),
                },
            };
            let compiled = VpcEndpoint {
                name: name.clone(),
                vpc: self.vpcs.of(&declared.vpc),
                available: declared.state == model::VpcEndpointState::Available,
                service,
                kind,
            };
            self.vpc_endpoints.fill(index, compiled);
        }
        for (name, peering) in &self.topology.vpc_peering_connections {
            let compiled = Peering {
                name: name.clone(),
                ends: [self.vpcs.of(&peering.vpc), self.vpcs.of(&peering.peer_vpc)],
                active: peering.state == model::PeeringState::Active,
                mtu: (self.topology.vpcs[&peering.vpc].home.region
                    != self.topology.vpcs[&peering.peer_vpc].home.region)
                    .then_some(self.topology.settings.inter_region_peering_mtu),
            };
            self.peerings.fill(self.peering_index(name), compiled);
        }
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
                let other = match (&peering.vpc, &peering.peer_vpc) {
                    (one, other) | (other, one) if one == name => other,
                    _ => return None,
                };
                (self.topology.vpcs[other].home.region == vpc.home.region).then(|| self.vpcs.of(other))
            });
        Vpc {
            name: name.clone(),
            home: vpc.home.clone(),
            cidr_blocks: vpc.cidr_blocks().collect(),
            peers: peers.collect(),
            resolver: plus(vpc.cidr_block, 2),
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
            prefixes: Prefixes::new(found.map(|(position, route)| (route.destination, position))),
        };
        for route in &declared.routes {
            compiled.routes.push(Route {
                destination: route.destination,
                target: match &route.target {
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
                state: route.state,
                origin: route.origin,
                prefix_list: route.prefix_list.clone(),
                overridden: route.overridden,
            });
        }
        compiled
    }

    fn eni(
        &self,
        name: &model::NetworkInterfaceName,
        eni: &model::NetworkInterface,
        policies: &mut Policies,
    ) -> Eni {
        let settings = &self.topology.settings;
        let tracking = &eni.connection_tracking;
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let mac = MacAddr(eni.mac_address);
        let mut groups: Vec<_> =
            eni.security_groups.iter().map(|group| self.security_groups.of(group)).collect();
        groups.sort_unstable();
        groups.dedup();
        Eni {
            name: name.clone(),
            attachment: eni.attachment.as_ref().map(|a| (self.instance_index(&a.instance), a.device_index)),
            running: eni.attachment.as_ref().is_none_or(|a| {
                self.topology.instances.get(&a.instance).is_none_or(|instance| instance.state.is_running())
            }),
            role: match &eni.interface_type {
                model::InterfaceType::Interface => Role::Guest,
                model::InterfaceType::NatGateway(gateway) => Role::NatGateway(self.nat_index(gateway)),
                model::InterfaceType::VpcEndpoint(endpoint) => match self
                    .vpc_endpoints
                    .find(endpoint.as_str())
                {
                    Some(index) => Role::Endpoint(index),
                    None => Role::NotModelled(self.not_modelled.of_name(VPC_ENDPOINTS, endpoint.as_str())),
                },
                model::InterfaceType::TransitGateway(attachment) => {
                    Role::TransitGateway(self.transit.of_attachment(attachment))
                }
                model::InterfaceType::NotModelled { kind, name } => {
                    Role::NotModelled(self.not_modelled.of_name(kind, name))
                }
            },
            subnet: self.subnets.of(&eni.subnet),
            vpc: self.vpcs.of(&self.topology.subnets[&eni.subnet].vpc),
            mac,
            addresses: eni
                .private_ips()
                .map(IpAddr::V4)
                .chain(eni.ipv6_addresses.iter().copied().map(IpAddr::V6))
                .collect(),
            link_local: eui64_link_local(mac),
            public_addresses: eni
                .public_ips
                .iter()
                .map(|(&private, public)| (private, public.address))
                .collect(),
            policy: policies.intern(&groups, |groups| self.policy(groups)),
            security_groups: groups,
            source_dest_check: eni.source_dest_check,
            timeouts: Timeouts {
                tcp_opening: seconds(settings.tcp_opening_timeout),
                tcp_established: seconds(tracking.tcp_established_timeout),
                tcp_closing: seconds(settings.tcp_closing_timeout),
                udp: seconds(tracking.udp_timeout),
                udp_stream: seconds(tracking.udp_stream_timeout),
                icmp: seconds(settings.icmp_timeout),
                other: Duration::from_secs(600),
            },
        }
    }

    /// The union of the groups' rules, in the order of the groups and of their declarations.
    fn policy(&self, groups: &[SecurityGroupIdx]) -> Both<Policy> {
        let mut policy = Both::<Policy>::default();
        for (name, group) in &self.topology.security_groups {
            let index = self.security_groups.of(name);
            if !groups.contains(&index) {
                continue;
            }
            let compile = |rule: &model::SecurityGroupRule| {
                let with = |peer| PolicyRule {
                    traffic: rule.traffic,
                    peer,
                    group: index,
                    declared_at: rule.declared_at,
                };
                self.peers(&rule.peer).into_iter().map(with).collect::<Vec<_>>()
            };
            policy.inbound.rules.extend(group.ingress.iter().flat_map(compile));
            policy.outbound.rules.extend(group.egress.iter().flat_map(compile));
        }
        policy
    }

    /// Whom a rule means: a prefix list stands for its entries as they are now (SG-25).
    fn peers(&self, peer: &model::Peer) -> Vec<Peer> {
        match peer {
            model::Peer::Cidr(cidr) => vec![Peer::Cidr((*cidr).into())],
            model::Peer::Group(group) => vec![Peer::Group(self.security_groups.of(group))],
            model::Peer::UnknownGroup(_) => vec![Peer::Nobody],
            model::Peer::PrefixList(list) => {
                let list = self.topology.managed_prefix_lists.get(list);
                let blocks = list.into_iter().flat_map(model::ManagedPrefixList::blocks);
                blocks.map(|block| Peer::Cidr(block.into())).collect()
            }
        }
    }
}

/// The key of VPC endpoints.
const VPC_ENDPOINTS: &str = model::kind::VpcEndpoint::PLURAL;

/// The endpoints that lead to declared services.
fn modelled_endpoints(
    topology: &Topology,
) -> impl Iterator<Item = (&model::VpcEndpointName, &model::VpcEndpoint)> {
    topology.vpc_endpoints.iter().filter(|(_, endpoint)| {
        use model::VpcEndpointType::{Gateway, Interface};
        endpoint.service.is_some() && matches!(endpoint.vpc_endpoint_type, Gateway | Interface)
    })
}

/// What is stored and not modelled, numbered.
struct NotModelledTable<'a> {
    table: Table<NotModelledIdx, NotModelled>,
    by_name: HashMap<(&'a str, &'a str), NotModelledIdx>,
    block_public_access: Option<NotModelledIdx>,
    multicast: Option<NotModelledIdx>,
}

impl<'a> NotModelledTable<'a> {
    fn of(topology: &'a Topology) -> Self {
        let mut all =
            Self { table: Table::new(), by_name: HashMap::new(), block_public_access: None, multicast: None };
        for (plural, resources) in &topology.not_modelled {
            let Some(kind) = model::NotModelledKind::of(plural) else { continue };
            for (name, resource) in resources {
                let is_balancer = kind.plural == model::LOAD_BALANCERS;
                let index = all.table.push(NotModelled {
                    kind: kind.plural,
                    name: name.as_str().into(),
                    reason: kind.reason,
                    takes: is_balancer && resource.says("load_balancer_type") != Some("gateway"),
                    sends: is_balancer || kind.plural == model::CLIENT_VPN_ENDPOINTS,
                });
                all.by_name.insert((kind.plural, name), index);
                if kind.plural == model::BLOCK_PUBLIC_ACCESS
                    && resource.says("internet_gateway_block_mode") != Some("off")
                {
                    all.block_public_access = Some(index);
                }
                if kind.plural == model::MULTICAST_DOMAINS {
                    all.multicast = Some(index);
                }
            }
        }
        for (name, endpoint) in &topology.vpc_endpoints {
            use model::VpcEndpointType::{Gateway, GatewayLoadBalancer, Interface};
            let reason = match endpoint.vpc_endpoint_type {
                Gateway | Interface if endpoint.service.is_some() => continue,
                Gateway | Interface => {
                    "its service is not declared; declare it under `services` to ask about it"
                }
                GatewayLoadBalancer => {
                    "what the appliances behind a Gateway Load Balancer endpoint let pass is not modelled"
                }
                _ => "VPC Lattice is not modelled",
            };
            let entry = NotModelled {
                kind: VPC_ENDPOINTS,
                name: name.as_str().into(),
                reason,
                takes: false,
                sends: false,
            };
            let index = all.table.push(entry);
            all.by_name.insert((VPC_ENDPOINTS, name.as_str()), index);
        }
        all
    }

    /// The index of a resource, which validation has found to exist.
    #[allow(clippy::expect_used)]
    fn of_name(&self, kind: &str, name: &str) -> NotModelledIdx {
        *self.by_name.get(&(kind, name)).expect("a validated topology has no dangling reference")
    }
}

/// Policies by their set of groups: ten thousand interfaces in one group share one.
#[derive(Default)]
struct Policies {
    table: Table<PolicyIdx, Both<Policy>>,
    by_groups: HashMap<Vec<SecurityGroupIdx>, PolicyIdx>,
}

impl Policies {
    fn intern(
        &mut self,
        groups: &[SecurityGroupIdx],
        build: impl FnOnce(&[SecurityGroupIdx]) -> Both<Policy>,
    ) -> PolicyIdx {
        if let Some(&index) = self.by_groups.get(groups) {
            return index;
        }
        let index = self.table.push(build(groups));
        self.by_groups.insert(groups.to_vec(), index);
        index
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
    }
}

/// The hosts of every side. No two of them have the same name.
fn compile_hosts(topology: &Topology, previous: Option<&Fabric>) -> Arena<crate::index::HostIdx, Host> {
    let networks: Numbering<'_, CustomerNetworkIdx> = Numbering::new(&topology.customer_networks);
    let host = |name: HostName, side, addresses, mtu| {
        let mac = derived_mac(0x06, name.fingerprint());
        Host { name, side, mac, addresses, link_local: eui64_link_local(mac), mtu }
    };
    let on_the_internet = topology.internet_hosts.iter().map(|(name, declared)| {
        let addresses = declared.address.map(IpAddr::V4).into_iter();
        let addresses = addresses.chain(declared.ipv6_address.map(IpAddr::V6)).collect();
        host(HostName::Internet(name.clone()), Side::Internet, addresses, INTERNET_MTU)
    });
    let of_customers = topology.customer_hosts.iter().map(|(name, declared)| {
        let network = networks.of(&declared.customer_network);
        let mtu = topology.customer_networks[&declared.customer_network].mtu;
        let addresses = declared.addresses().collect();
        host(HostName::Customer(name.clone()), Side::Customer(network), addresses, mtu)
    });
    let of_services = topology.services.iter().map(|(name, declared)| {
        let addresses = declared.addresses().collect();
        host(HostName::Service(name.clone()), Side::Service, addresses, INTERFACE_ENDPOINT_MTU)
    });
    let all: Vec<Host> = on_the_internet.chain(of_customers).chain(of_services).collect();
    let names = all.iter().map(|host| host.name.as_str().into());
    let mut hosts = Arena::with_names(previous.map(|fabric| &fabric.hosts), names);
    for host in all {
        let Some(index) = hosts.find(host.name.as_str()) else { continue };
        // Whoever comes back under the name of a host of another side is another host.
        let moved = previous
            .and_then(|fabric| fabric.hosts.get(index))
            .is_some_and(|before| before.name.as_str() == host.name.as_str() && before.name != host.name);
        if moved {
            hosts.renew(index);
        }
        hosts.fill(index, host);
    }
    hosts
}

/// Fills the maps from addresses to their owners.
fn index_addresses(fabric: &mut Fabric) {
    let gateway_of: HashMap<VpcIdx, InternetGatewayIdx> =
        fabric.internet_gateways.iter().filter_map(|(index, gateway)| Some((gateway.vpc?, index))).collect();
    for (index, eni) in fabric.enis.iter() {
        fabric.macs.insert((eni.subnet, eni.mac), index);
        for &address in &eni.addresses {
            fabric.addresses.insert((eni.vpc, address), index);
        }
        // EPI-14: what has an endpoint's address is nobody's on the internet.
        let faces_internet = !matches!(eni.role, Role::Endpoint(_));
        let is_public =
            |address: &&IpAddr| faces_internet && address.is_ipv6() && model::not_public(**address).is_none();
        for &address in eni.addresses.iter().filter(is_public) {
            fabric.owners_of_ipv6.insert(address, index);
        }
        // A public address of a detached interface stands for nobody (IGW-09).
        let is_in_use = eni.attachment.is_some() || eni.role != Role::Guest;
        let Some(&gateway) = gateway_of.get(&eni.vpc).filter(|_| is_in_use) else { continue };
        for &(private, public) in &eni.public_addresses {
            let mapping = PublicMapping { eni: index, private: IpAddr::V4(private), gateway };
            fabric.public_addresses.insert(IpAddr::V4(public), mapping);
        }
        // A unique local address is of no use outside (IGW-14), and several VPCs may have it.
        for &address in eni.addresses.iter().filter(is_public) {
            let mapping = PublicMapping { eni: index, private: address, gateway };
            fabric.public_addresses.insert(address, mapping);
        }
    }
    for (index, host) in fabric.hosts.iter() {
        for &address in &host.addresses {
            match host.side {
                Side::Internet => fabric.hosts_by_address.insert(address, index),
                Side::Customer(network) => fabric.customer_hosts.insert((network, address), index),
                // One with a public address is on the internet, too.
                Side::Service if model::not_public(address).is_none() => {
                    fabric.hosts_by_address.insert(address, index)
                }
                Side::Service => None,
            };
        }
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
