//! Which routes are taken, and lead nowhere?
//!
//! A visitor in a subnet of the table sends to somebody whom each route is for. If what takes the route reaches nobody at
//! all whom it could be for, the route is a dead end: a NAT gateway whose own subnet has no way on, a peering connection
//! that is to lead further, a transit gateway without a route or without an interface in the zone, an instance that
//! refuses what is not its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_api::Finding;
use vpclab_engine::explain::{End, Explanation, anonymous_address};
use vpclab_engine::{DropReason, EniIdx, Fabric, Step};
use vpclab_model::{Route, RouteOrigin, RouteState, RouteTableName, RouteTarget, SubnetName, not_public};
use vpclab_wire::{NAT64_PREFIX, Protocol};

use super::asking::{self, SOME_SERVER};
use super::catalogue::DEAD_END_ROUTE;
use super::outside;
use super::{Lint, citing, some_of};
use crate::words;

pub(super) fn check(cx: &Lint<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let guests: Vec<EniIdx> = asking::visitors(cx).iter().filter_map(|kin| Some(kin.first()?.eni)).collect();
    for (name, table) in &cx.topology.route_tables {
        let subnets = subnets_by_zone(cx, name);
        if table.labels.not_modelled.is_some() || subnets.is_empty() {
            continue;
        }
        for route in table.routes.iter().filter(|route| is_asked_about(route)) {
            let mut dead: Vec<(Vec<&SubnetName>, End, DropReason)> = Vec::new();
            for subnets in subnets.values() {
                let asker = subnets.iter().find_map(|subnet| asking::visitor(cx, subnet));
                if let Some((end, reason)) = asker.and_then(|asker| dead_end(cx, name, route, asker, &guests))
                {
                    dead.push((subnets.clone(), end, reason));
                }
            }
            let Some((_, end, reason)) = dead.first() else { continue };
            let at: Vec<String> = dead.iter().flat_map(|(at, ..)| at).map(ToString::to_string).collect();
            let from =
                if dead.len() == subnets.len() { String::new() } else { format!(" from {}", some_of(&at)) };
            let told = words::tell(cx.fabric, reason).message;
            let to = asking::name_of(cx.fabric, *end);
            let reason_text =
                format!("nothing that takes `{}`{from} arrives; to {to}: {told}", words::route(route));
            let finding = DEAD_END_ROUTE.about(name, reason_text, remedy(reason, &route.target));
            let finding = citing(finding, facts(reason));
            found.push(Finding { rule: Some(route.destination.to_string()), ..finding });
        }
    }
    found
}

fn remedy(reason: &DropReason, target: &RouteTarget) -> String {
    match (reason, target) {
        (DropReason::SourceDestCheck { .. }, _) => {
            "switch its `source_dest_check` off, if it is to forward".to_owned()
        }
        (DropReason::NotForwarded { .. }, _) => "let the instance forward (`forwards`), or lead the route elsewhere".to_owned(),
        (DropReason::TransitZone { .. }, _) => {
            "attach a subnet of that zone to the transit gateway, or use the table in other zones only".to_owned()
        }
        (DropReason::TransitNoRoute { .. } | DropReason::TransitNotAssociated { .. }, _) => {
            "give the transit gateway's route table a route there, or take the route out".to_owned()
        }
        (DropReason::PeeringForeignDestination { .. }, _) => {
            "peering leads to the VPC at its other end and no further: peer with the VPC that is meant, use a transit \
             gateway, or take the route out"
                .to_owned()
        }
        (DropReason::NoRoute { .. }, RouteTarget::NatGateway(nat)) => {
            format!("give the subnet of {nat} a route there, such as 0.0.0.0/0 to an internet gateway")
        }
        _ => "mend what it names, lead the route elsewhere, or take it out".to_owned(),
    }
}

fn facts(reason: &DropReason) -> &'static [&'static str] {
    match reason {
        DropReason::SourceDestCheck { .. } | DropReason::NotForwarded { .. } => &["L2-12"],
        DropReason::TransitZone { .. } => &["TGW-13"],
        DropReason::TransitNoRoute { .. } => &["TGW-04"],
        DropReason::TransitNotAssociated { .. } => &["TGW-02"],
        DropReason::TransitBlackhole { .. } => &["TGW-08"],
        DropReason::PeeringForeignDestination { .. } | DropReason::PeeringForeignSource { .. } => &["PCX-07"],
        DropReason::NatForeignClient { .. } => &["NAT-45"],
        DropReason::PrivateDestination { .. } => &["IGW-06"],
        _ => &["RT-29"],
    }
}

fn is_asked_about(route: &Route) -> bool {
    let is_written = route.origin == RouteOrigin::CreateRoute && route.state == RouteState::Active;
    let is_nat64 =
        route.destination.contains(&IpAddr::V6(NAT64_PREFIX)) && route.destination.prefix_len() > 0;
    let has_way = matches!(
        route.target,
        RouteTarget::InternetGateway(_)
            | RouteTarget::EgressOnlyInternetGateway(_)
            | RouteTarget::NatGateway(_)
            | RouteTarget::NetworkInterface(_)
            | RouteTarget::VpcPeeringConnection(_)
            | RouteTarget::TransitGateway(_)
    );
    is_written && has_way && !route.overridden && !is_nat64
}

/// The subnets that a table serves, by zone: a transit gateway may be attached in some only (TGW-13).
fn subnets_by_zone<'a>(cx: &Lint<'a>, table: &RouteTableName) -> BTreeMap<&'a str, Vec<&'a SubnetName>> {
    let mut by_zone: BTreeMap<&str, Vec<&SubnetName>> = BTreeMap::new();
    for (name, subnet) in cx.topology.subnets.iter().filter(|(_, subnet)| subnet.route_table == *table) {
        by_zone.entry(&subnet.availability_zone).or_default().push(name);
    }
    by_zone
}

/// To whom nothing comes by a route, and why, if nothing comes to anybody.
fn dead_end(
    cx: &Lint<'_>,
    name: &RouteTableName,
    route: &Route,
    asker: EniIdx,
    guests: &[EniIdx],
) -> Option<(End, DropReason)> {
    let fabric = cx.fabric;
    let block = route.destination;
    let ipv6 = block.addr().is_ipv6();
    if !asking::has(fabric, asker, ipv6) {
        return None;
    }
    let mut ends = Vec::new();
    if is_of_internet(fabric, block) {
        ends.push(asking::internet(fabric, ipv6));
    }
    let is_inside = |eni: EniIdx| {
        let address = fabric.enis[eni].primary_address(ipv6);
        eni != asker && address.is_some_and(|address| block.contains(&address))
    };
    ends.extend(guests.iter().filter(|eni| is_inside(**eni)).map(|&eni| asking::interface(eni)));
    let of_customers =
        |host: &vpclab_engine::Host| host.addresses.iter().any(|address| block.contains(address));
    let customers = asking::listening_customers(cx).filter(|host| of_customers(&fabric.hosts[*host]));
    ends.extend(customers.map(End::Host));
    if ends.is_empty() {
        ends.extend(somebody_in(cx, block).into_iter().map(End::Address));
    }
    let mut dead = None;
    for end in ends {
        let told =
            asking::packet(fabric, (asking::interface(asker), end), ipv6, (Protocol::TCP, SOME_SERVER));
        // What is not known may lead somewhere.
        let told = told?;
        if !takes(&told, fabric, name, block) {
            continue;
        }
        let denials = told.blockers.iter().filter(|blocker| !blocker.on_return).map(|blocker| blocker.reason);
        match asking::lost(&told.forward, denials) {
            // The way leads on, and nobody has that address.
            None | Some(DropReason::NoSuchAddress { .. }) => return None,
            Some(reason) => dead = dead.or(Some((end, reason))),
        }
    }
    dead
}

/// Whether the request takes the route.
fn takes(told: &Explanation, fabric: &Fabric, name: &RouteTableName, block: IpNet) -> bool {
    told.forward.steps.iter().any(|step| match step {
        Step::Route { route_table, matched: Some((destination, _)) } => {
            *destination == block && fabric.route_tables[*route_table].name == *name
        }
        _ => false,
    })
}

/// Whether the internet is among those whom a block is for.
fn is_of_internet(fabric: &Fabric, block: IpNet) -> bool {
    let address = anonymous_address(fabric, block.addr().is_ipv6());
    address.map_or(block.prefix_len() == 0, |address| block.contains(&address))
}

/// Addresses of a block in which nobody is known to be, that show whether there is a way: of its own first part, and of
/// every network inside.
fn somebody_in(cx: &Lint<'_>, block: IpNet) -> BTreeSet<IpAddr> {
    const MOST: usize = 64;
    let vpcs = cx.topology.vpcs.values().flat_map(|vpc| vpc.cidr_blocks());
    let tables = cx.topology.transit_gateway_route_tables.values();
    let routes = tables.flat_map(|table| table.routes.iter().map(|route| route.destination));
    let inside = vpcs.chain(routes).filter(|network| block.contains(network));
    // The first addresses of a subnet are nobody's (ADDR-27).
    let fifth = |block: IpNet| {
        let offset = if block.max_prefix_len() - block.prefix_len() > 2 { 4 } else { 0 };
        match block.network() {
            IpAddr::V4(address) => IpAddr::V4((u32::from(address) + offset).into()),
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) + u128::from(offset)).into()),
        }
    };
    // Who is public may begin further on, as after 0.0.0.0/8.
    let of_block = Some(fifth(block)).filter(|address| not_public(*address).is_none());
    let of_block = of_block.or(outside::first_public(block)).unwrap_or_else(|| fifth(block));
    std::iter::once(of_block).chain(inside.take(MOST - 1).map(fifth)).collect()
}
