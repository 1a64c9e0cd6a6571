//! Does a change take its blocker away?
//!
//! It is made in a copy of what the question meets, and asked again. What always holds: what is asked again is the same
//! question; and what denies now and did not before is a filter further on, or has its own remedy. What leads into a loop,
//! or to another end without a way on, is no remedy.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use vpclab_engine::explain::{End, Explanation, TrafficQuestion, ask, resolve};
use vpclab_engine::{Direction, DropReason, EniIdx, Fabric, Step, explain as engine};
use vpclab_model::{
    InstanceName, InstanceState, InterfaceType, NetworkAclEntry, NetworkAclName, NetworkInterfaceName, Peer,
    PeeringState, PublicIp, Route, RouteOrigin, RouteState, RouteTableName, RouteTarget, SecurityGroupName,
    SecurityGroupRule, SubnetName, Topology, Traffic, VpcPeeringConnectionName,
};

use super::remedy_at;
use crate::words;

/// A change to a topology.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Made {
    GroupRule {
        group: SecurityGroupName,
        direction: Direction,
        traffic: Traffic,
        peer: Peer,
    },
    AclEntry {
        acl: NetworkAclName,
        direction: Direction,
        entry: NetworkAclEntry,
    },
    Route {
        table: RouteTableName,
        destination: IpNet,
        target: RouteTarget,
    },
    /// The same route, for one subnet alone.
    RouteOfSubnet {
        subnet: SubnetName,
        destination: IpNet,
        target: RouteTarget,
    },
    Start(InstanceName),
    PublicAddress(NetworkInterfaceName),
    /// Both, as a stopped instance has given up its automatic address.
    StartWithAddress(InstanceName, NetworkInterfaceName),
    Accept(VpcPeeringConnectionName),
    NoCheck(NetworkInterfaceName),
}

/// What was asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) from: End,
    pub(crate) to: End,
    pub(crate) ipv6: Option<bool>,
    pub(crate) traffic: TrafficQuestion,
}

/// A blocker of an answer, which changes are tried on.
pub(super) struct Trial<'a> {
    pub(super) fabric: &'a Fabric,
    pub(super) topology: &'a Topology,
    pub(super) asked: Asked,
    pub(super) told: &'a Explanation,
    pub(super) blocker: &'a engine::Blocker,
    /// What changes are made in a copy of.
    pub(super) met: OnceCell<Topology>,
    /// How many changes have been made before.
    pub(super) depth: usize,
}

/// So many changes are looked for at most, one after the other.
const MOST_CHANGES: usize = 4;

impl Trial<'_> {
    /// Whether the blocker is gone once this is made, and nothing has come that is no better.
    pub(super) fn helps(&self, made: &Made) -> bool {
        let mut topology = self.met.get_or_init(|| self.met()).clone();
        if made.apply(&mut topology).is_none() {
            return false;
        }
        let fabric = Fabric::compile(&topology, None);
        let end = |end: End| -> Option<End> {
            Some(match end {
                End::Interface(eni, address) => {
                    End::Interface(fabric.enis.find(self.fabric.enis[eni].name.as_str())?, address)
                }
                End::Host(host) => End::Host(fabric.hosts.find(self.fabric.hosts[host].name.as_str())?),
                End::Address(_) | End::Internet => end,
            })
        };
        let (Some(from), Some(to)) = (end(self.asked.from), end(self.asked.to)) else { return false };
        let Ok(told) = ask(&fabric, from, to, self.asked.ipv6, self.asked.traffic) else { return false };
        let own = component(self.fabric, self.blocker);
        let before: BTreeSet<String> =
            self.told.blockers.iter().map(|blocker| component(self.fabric, blocker)).collect();
        let ends = resolve(&fabric, from, to, self.asked.ipv6).ok();
        let asked = Asked { from, to, ..self.asked };
        told.blockers.iter().all(|blocker| {
            let place = component(&fabric, blocker);
            let is_filter =
                matches!(blocker.reason, DropReason::SecurityGroup { .. } | DropReason::NetworkAcl { .. });
            place != own
                && (before.contains(&place)
                    || is_filter
                    || self.depth + 1 < MOST_CHANGES
                        && remedy_at(
                            self.depth + 1,
                            (&fabric, &topology),
                            ends.as_ref(),
                            asked,
                            &told,
                            blocker,
                        )
                        .is_some())
        })
    }

    /// The topology without the instances that the walks have not met.
    fn met(&self) -> Topology {
        let back = self.told.back.iter().flat_map(|leg| &leg.steps);
        let mut met: BTreeSet<EniIdx> = BTreeSet::new();
        for step in self.told.forward.steps.iter().chain(back) {
            match *step {
                Step::Leave { eni }
                | Step::Arrive { eni }
                | Step::SecurityGroup { eni, .. }
                | Step::SourceDestCheck { eni, .. } => drop(met.insert(eni)),
                Step::Forward { eni, out, .. } => met.extend([eni, out]),
                _ => {}
            }
        }
        for end in [self.asked.from, self.asked.to] {
            match end {
                End::Interface(eni, _) => drop(met.insert(eni)),
                // Whoever has the address.
                End::Address(address) => {
                    let public = self.fabric.public_mapping(address).map(|mapping| mapping.eni);
                    let owns = |(_, eni): &(EniIdx, &vpclab_engine::Eni)| eni.owns(address);
                    met.extend(
                        public.into_iter().chain(self.fabric.enis.iter().filter(owns).map(|(eni, _)| eni)),
                    );
                }
                End::Host(_) | End::Internet => {}
            }
        }
        match self.blocker.reason {
            DropReason::InstanceStopped { eni } | DropReason::NotForwarded { eni } => drop(met.insert(eni)),
            _ => {}
        }
        let instances: BTreeSet<&str> = met
            .iter()
            .filter_map(|eni| Some(self.fabric.instances[self.fabric.enis[*eni].attachment?.0].name.as_str()))
            .collect();
        let names: BTreeSet<&str> = met.iter().map(|eni| self.fabric.enis[*eni].name.as_str()).collect();
        // Others are met by routes, or forward.
        let targets: BTreeSet<&NetworkInterfaceName> = self
            .topology
            .route_tables
            .values()
            .flat_map(|table| &table.routes)
            .filter_map(|route| match &route.target {
                RouteTarget::NetworkInterface(interface) => Some(interface),
                _ => None,
            })
            .collect();
        let mut topology = self.topology.clone();
        topology.network_interfaces.retain(|name, interface| {
            let is_of_met = |name: &str| instances.contains(name);
            names.contains(name.as_str())
                || targets.contains(name)
                || !interface.source_dest_check
                || interface.interface_type != InterfaceType::Interface
                || interface.attachment.as_ref().is_some_and(|own| is_of_met(own.instance.as_str()))
        });
        let left = &topology.network_interfaces;
        topology
            .instances
            .retain(|_, instance| instance.network_interfaces.values().all(|own| left.contains_key(own)));
        // One whose interfaces are not all met keeps none.
        let instances = &topology.instances;
        topology.network_interfaces.retain(|_, interface| {
            interface.attachment.as_ref().is_none_or(|own| instances.contains_key(&own.instance))
        });
        topology
    }
}

/// Where a blocker denies: what stands in its place afterwards is no better.
fn component(fabric: &Fabric, blocker: &engine::Blocker) -> String {
    let place = match blocker.reason {
        DropReason::SecurityGroup { eni, direction, .. } => {
            format!("groups of {} {direction:?}", fabric.enis[eni].name)
        }
        DropReason::NetworkAcl { network_acl, subnet, direction, .. } => {
            let (acl, subnet) = (&fabric.network_acls[network_acl].name, &fabric.subnets[subnet].name);
            format!("acl {acl} {subnet} {direction:?}")
        }
        DropReason::NoRoute { route_table } | DropReason::Blackhole { route_table, .. } => {
            format!("table {}", fabric.route_tables[route_table].name)
        }
        DropReason::NoPublicAddress { .. }
        | DropReason::NoPublicAddressForIngress { .. }
        | DropReason::NoPublicMapping { .. } => "public address".to_owned(),
        ref reason => format!("{} {:?}", reason.code(), words::tell(fabric, reason).resource),
    };
    format!("{} {place}", blocker.on_return)
}

impl Made {
    /// Makes the change; none where there is nothing to change.
    pub(super) fn apply(&self, topology: &mut Topology) -> Option<()> {
        match self {
            Self::GroupRule { group, direction, traffic, peer } => {
                let group = topology.security_groups.get_mut(group)?;
                let list =
                    if *direction == Direction::Inbound { &mut group.ingress } else { &mut group.egress };
                let declared_at = list.iter().map(|rule| rule.declared_at + 1).max().unwrap_or(0);
                let (traffic, peer) = (*traffic, peer.clone());
                list.push(SecurityGroupRule { traffic, peer, declared_at, stale: false, description: None });
            }
            Self::AclEntry { acl, direction, entry } => {
                let acl = topology.network_acls.get_mut(acl)?;
                let list = if *direction == Direction::Inbound { &mut acl.ingress } else { &mut acl.egress };
                list.push(entry.clone());
                list.sort_by_key(|entry| entry.rule_number);
            }
            Self::Route { table, destination, target } => {
                put_route(&mut topology.route_tables.get_mut(table)?.routes, *destination, target);
            }
            Self::RouteOfSubnet { subnet, destination, target } => {
                let subnet = topology.subnets.get_mut(subnet)?;
                let mut table = topology.route_tables.get(&subnet.route_table)?.clone();
                table.main = false;
                table.gateways.clear();
                put_route(&mut table.routes, *destination, target);
                let name = RouteTableName::new(format!("{}, of one subnet", subnet.route_table));
                subnet.route_table = name.clone();
                topology.route_tables.insert(name, table);
            }
            Self::Start(instance) => topology.instances.get_mut(instance)?.state = InstanceState::Running,
            Self::PublicAddress(interface) => public_address(topology, interface)?,
            Self::StartWithAddress(instance, interface) => {
                topology.instances.get_mut(instance)?.state = InstanceState::Running;
                if topology.network_interfaces.get(interface)?.public_ips.is_empty() {
                    public_address(topology, interface)?;
                }
            }
            Self::Accept(peering) => {
                topology.vpc_peering_connections.get_mut(peering)?.state = PeeringState::Active;
                let routes = topology.route_tables.values_mut().flat_map(|table| &mut table.routes);
                let by_it = |target: &RouteTarget| matches!(target, RouteTarget::VpcPeeringConnection(own) if own == peering);
                for route in routes.filter(|route| by_it(&route.target)) {
                    route.state = RouteState::Active;
                }
            }
            Self::NoCheck(interface) => {
                topology.network_interfaces.get_mut(interface)?.source_dest_check = false;
            }
        }
        Some(())
    }
}

fn put_route(routes: &mut Vec<Route>, destination: IpNet, target: &RouteTarget) {
    routes.retain(|route| route.destination != destination);
    routes.push(Route {
        destination,
        target: target.clone(),
        origin: RouteOrigin::CreateRoute,
        state: RouteState::Active,
        prefix_list: None,
        overridden: false,
    });
}

/// Gives an interface a public address that nobody has.
fn public_address(topology: &mut Topology, interface: &NetworkInterfaceName) -> Option<()> {
    let of_hosts = topology.internet_hosts.values().filter_map(|host| host.address);
    let of_interfaces = topology
        .network_interfaces
        .values()
        .flat_map(|own| own.public_ips.values().map(|public| public.address));
    let taken: BTreeSet<Ipv4Addr> =
        topology.eips.values().map(|eip| eip.public_ip).chain(of_hosts).chain(of_interfaces).collect();
    let asked = |address: &Ipv4Addr| !taken.contains(address) && !IpAddr::V4(*address).is_unspecified();
    let address = (1..=254).rev().map(|last| Ipv4Addr::new(203, 0, 113, last)).find(asked)?;
    let own = topology.network_interfaces.get_mut(interface)?;
    own.public_ips.insert(own.private_ip?, PublicIp { address, eip: None });
    Some(())
}
