//! How is one packet asked about?
//!
//! A connection from one port to one port, walked by the engine there and back. What always holds: an answer that rests on
//! what is not modelled is no answer.

use std::collections::BTreeSet;
use std::net::IpAddr;

use vpclab_engine::explain::{End, Explanation, Leg, TrafficQuestion, anonymous_address, ask};
use vpclab_engine::{DropReason, EniIdx, Fabric, HostIdx, Role, Side, Step};
use vpclab_model::{
    ANYBODY_V4, ANYBODY_V6, InterfaceType, RouteTable, RouteTarget, SubnetName, Topology, VpcName, not_public,
};
use vpclab_wire::Protocol;

use super::Lint;
use super::signatures::{Kin, kinds};
use crate::addresses;

/// A source port that any client may choose (NACL-19).
const SOME_CLIENT: u16 = 40_000;
/// A port that is asked where filters are nobody's concern.
pub(super) const SOME_SERVER: u16 = 443;

/// One packet to `port`, and its answer; none where there is no such question, or something unknown matters.
pub(super) fn packet(
    fabric: &Fabric,
    (from, to): (End, End),
    ipv6: bool,
    (protocol, port): (Protocol, u16),
) -> Option<Explanation> {
    told(fabric, (from, to), ipv6, some_client(protocol, port))
}

/// One packet to `port`.
pub(super) fn some_client(protocol: Protocol, port: u16) -> TrafficQuestion {
    TrafficQuestion::Ports { protocol, port: Some(port), source_port: Some(SOME_CLIENT) }
}

/// The same from every port that a client may choose.
pub(super) fn packets(
    fabric: &Fabric,
    (from, to): (End, End),
    ipv6: bool,
    (protocol, port): (Protocol, u16),
) -> Option<Explanation> {
    told(fabric, (from, to), ipv6, TrafficQuestion::Ports { protocol, port: Some(port), source_port: None })
}

/// The answer to a question; none where there is no such question, or something unknown matters.
pub(super) fn told(
    fabric: &Fabric,
    (from, to): (End, End),
    ipv6: bool,
    traffic: TrafficQuestion,
) -> Option<Explanation> {
    let told = ask(fabric, from, to, Some(ipv6), traffic).ok()?;
    (told.unmodelled.is_empty() && !told.inexhaustive).then_some(told)
}

/// An interface as an end.
pub(super) fn interface(eni: EniIdx) -> End {
    End::Interface(eni, None)
}

/// An interface as the internet sees it: an end for each address that may be public, or the first one if none is.
pub(super) fn faces(fabric: &Fabric, eni: EniIdx, ipv6: bool) -> Vec<End> {
    let interface = &fabric.enis[eni];
    let own = interface.addresses.iter().copied().filter(|address| address.is_ipv6() == ipv6);
    let public = own.filter(|address| match address {
        IpAddr::V4(address) => interface.public_address_of(*address).is_some(),
        IpAddr::V6(_) => true,
    });
    let faces: Vec<End> = public.map(|address| End::Interface(eni, Some(address))).collect();
    if faces.is_empty() { vec![End::Interface(eni, None)] } else { faces }
}

/// What an interface is called that is asked by one of its addresses: the first one goes without saying.
pub(super) fn face_name(name: &str, fabric: &Fabric, face: End) -> String {
    match face {
        End::Interface(eni, Some(address))
            if fabric.enis[eni].primary_address(address.is_ipv6()) != Some(address) =>
        {
            format!("{name} ({address})")
        }
        _ => name.to_owned(),
    }
}

/// Whether an interface has an address of a family.
pub(super) fn has(fabric: &Fabric, eni: EniIdx, ipv6: bool) -> bool {
    fabric.enis[eni].primary_address(ipv6).is_some()
}

/// One visitor for each kind of subnet that routes can tell apart. Subnets that are there for gateways and appliances alone
/// are left out: nobody sends from there, and their tables serve those who pass.
pub(super) fn visitors(cx: &Lint<'_>) -> Vec<Kin> {
    let mut served = BTreeSet::new();
    let mut inhabited = BTreeSet::new();
    for eni in cx.topology.network_interfaces.values() {
        let is_guest = eni.interface_type == InterfaceType::Interface && eni.source_dest_check;
        if is_guest { &mut inhabited } else { &mut served }.insert(&eni.subnet);
    }
    let is_for_gateways = |name: &SubnetName| served.contains(name) && !inhabited.contains(name);
    let others = cx.topology.subnets.iter().filter(|(name, _)| !is_for_gateways(name));
    // Where a VPC has no other subnets, and nobody lives anywhere yet, these are for everybody.
    let vpcs: BTreeSet<&VpcName> = others.map(|(_, subnet)| &subnet.vpc).collect();
    kinds(cx.visited, cx.fabric, false, |name, eni| {
        let vpc = cx.topology.subnets.get(&eni.subnet).map(|subnet| &subnet.vpc);
        let has_others = !inhabited.is_empty() || vpc.is_some_and(|vpc| vpcs.contains(vpc));
        cx.visitors.of(&eni.subnet) == Some(name) && !(has_others && is_for_gateways(&eni.subnet))
    })
}

/// The internet as an end: anybody whom no rule names, or somebody, where rules name everybody.
pub(super) fn internet(fabric: &Fabric, ipv6: bool) -> End {
    match anonymous_address(fabric, ipv6) {
        Some(_) => End::Internet,
        None => End::Address(anybody(ipv6)),
    }
}

fn anybody(ipv6: bool) -> IpAddr {
    if ipv6 { IpAddr::V6(ANYBODY_V6) } else { IpAddr::V4(ANYBODY_V4) }
}

/// The visitor of a subnet.
pub(super) fn visitor(cx: &Lint<'_>, subnet: &SubnetName) -> Option<EniIdx> {
    cx.fabric.enis.find(cx.visitors.of(subnet)?.as_str())
}

/// The VPCs where routes lead what stays inside through an interface, and past the ACLs of its subnet.
pub(super) fn steered_vpcs(topology: &Topology) -> BTreeSet<VpcName> {
    let steers = |table: &&RouteTable| {
        let blocks: Vec<_> =
            topology.vpcs.get(&table.vpc).into_iter().flat_map(|vpc| vpc.cidr_blocks()).collect();
        table.routes.iter().any(|route| {
            matches!(route.target, RouteTarget::NetworkInterface(_))
                && blocks.iter().any(|block| block.contains(&route.destination))
        })
    };
    topology.route_tables.values().filter(steers).map(|table| table.vpc.clone()).collect()
}

/// Whether nobody has declared this host: it stands for a range of its network.
pub(super) fn is_supposed(cx: &Lint<'_>, host: HostIdx) -> bool {
    addresses::is_supposed(cx.fabric, host)
}

/// Who may answer in customer networks: of those who are only supposed nobody knows whether they do.
pub(super) fn listening_customers<'a>(cx: &'a Lint<'_>) -> impl Iterator<Item = HostIdx> + 'a {
    cx.customers.iter().copied().filter(|host| !is_supposed(cx, *host))
}

/// Why the walk of a leg ended before anybody had the packet, or where the source/destination check refuses it; filters
/// aside.
pub(super) fn lost(leg: &Leg, denials: impl IntoIterator<Item = DropReason>) -> Option<DropReason> {
    let checked = denials.into_iter().find(|reason| matches!(reason, DropReason::SourceDestCheck { .. }));
    let ended = leg.dropped.filter(|reason| !is_filter(reason) && leg.egress.is_none());
    checked.or(ended)
}

/// Whether a filter denies, past which the walk went on.
pub(super) fn is_filter(reason: &DropReason) -> bool {
    matches!(reason, DropReason::NetworkAcl { .. } | DropReason::SecurityGroup { .. })
}

/// The gateways and private links that a way passes, each by its kind and name.
pub(super) fn passed(fabric: &Fabric, leg: &Leg) -> BTreeSet<(&'static str, String)> {
    let named = |step: &Step| match *step {
        Step::Peering { peering, .. } => {
            Some(("VPC peering connection", fabric.peerings[peering].name.to_string()))
        }
        Step::TransitGateway { from, .. } => {
            let gateway = fabric.transit_attachments[from].gateway;
            Some(("transit gateway", fabric.transit_gateways[gateway].name.to_string()))
        }
        Step::VpnGateway { gateway, .. } => {
            Some(("virtual private gateway", fabric.vpn_gateways[gateway].name.to_string()))
        }
        Step::NatGateway { gateway, .. } => {
            Some(("NAT gateway", fabric.nat_gateways[gateway].name.to_string()))
        }
        _ => None,
    };
    leg.steps.iter().filter_map(named).collect()
}

/// Of whom is only supposed, his network says who he is.
fn host_name(fabric: &Fabric, index: HostIdx) -> String {
    let host = &fabric.hosts[index];
    match (host.side, host.addresses.first()) {
        (Side::Customer(network), Some(address)) if addresses::is_supposed(fabric, index) => {
            format!("{address} of {}", fabric.customer_networks[network].name)
        }
        _ => host.name.to_string(),
    }
}

/// What an end is called in sentences.
pub(super) fn name_of(fabric: &Fabric, end: End) -> String {
    match end {
        End::Interface(eni, _) => match (fabric.enis[eni].role, fabric.enis[eni].attachment) {
            (Role::Guest, Some((instance, 0))) => fabric.instances[instance].name.to_string(),
            _ => fabric.enis[eni].name.to_string(),
        },
        End::Host(host) => host_name(fabric, host),
        End::Internet => "the internet".to_owned(),
        End::Address(address) if address == anybody(address.is_ipv6()) => "the internet".to_owned(),
        End::Address(address) if not_public(address).is_none() && fabric.host_at(address).is_none() => {
            format!("{address} on the internet")
        }
        End::Address(address) => address.to_string(),
    }
}
