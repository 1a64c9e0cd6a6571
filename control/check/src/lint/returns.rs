//! Where does a request arrive whose reply has no way back?
//!
//! Visitors in each two VPCs ask each other and the internet, hosts of customer networks ask visitors, and the internet asks
//! the interfaces that have public addresses. Filters are left aside: a way that leads there and not back is of no use for anything.
//! IPv6 from the internet is left out, as every instance has a public address there, whether or not it is to be reached.

use std::collections::BTreeMap;

use vpclab_api::Finding;
use vpclab_engine::explain::{End, Explanation};
use vpclab_engine::plan::Egress;
use vpclab_engine::{Direction, DropReason, Fabric, RouteTableIdx, Side, Step};
use vpclab_model::{Kind, kind};
use vpclab_wire::Protocol;

use super::asking::{self, SOME_SERVER};
use super::catalogue::MISSING_RETURN_ROUTE;
use super::outside::{self, Way};
use super::signatures::kinds;
use super::{Lint, and_more, citing};
use crate::words;

/// Where the way back ends, by kind and name, in which family, and to whom it was to lead.
type Where = ((&'static str, String, bool), String);
/// Who asks, who is asked, and why the reply does not return.
type Pair = (End, End, DropReason);

pub(super) fn check(cx: &Lint<'_>) -> Vec<Finding> {
    let fabric = cx.fabric;
    let visitors = asking::visitors(cx);
    let mut lost: BTreeMap<Where, Vec<Pair>> = BTreeMap::new();
    let mut look = |(from, to): (End, End), of: String, ipv6: bool| {
        let told = asking::packet(fabric, (from, to), ipv6, (Protocol::TCP, SOME_SERVER));
        if let Some(told) = told
            && !(ipv6 && is_from_internet(&told))
            && let Some(reason) = has_no_way_back(&told, to)
            && let Some((kind, name)) = place(fabric, &told, &reason)
        {
            lost.entry(((kind, name, ipv6), of)).or_default().push((from, to, reason));
        }
    };
    for ipv6 in [false, true] {
        for from in visitors.iter().filter_map(|kin| kin.first()) {
            for to in visitors.iter().filter_map(|kin| kin.first()).filter(|to| to.vpc != from.vpc) {
                if asking::has(fabric, from.eni, ipv6) && asking::has(fabric, to.eni, ipv6) {
                    let ends = (asking::interface(from.eni), asking::interface(to.eni));
                    look(ends, format!("VPC {}", from.vpc), ipv6);
                }
            }
        }
        for guest in visitors.iter().filter_map(|kin| kin.first()) {
            let inside = asking::interface(guest.eni);
            for outside in outside::everybody(cx, inside, Way::Out, ipv6) {
                look((inside, outside), format!("VPC {}", guest.vpc), ipv6);
            }
        }
        for &host in &cx.customers {
            let is_supposed = asking::is_supposed(cx, host);
            let of = match fabric.hosts[host].side {
                Side::Customer(network) if is_supposed => {
                    format!("customer network {}", fabric.customer_networks[network].name)
                }
                _ => format!("customer host {}", fabric.hosts[host].name),
            };
            for guest in visitors.iter().filter_map(|kin| kin.first()) {
                let (host, guest) = (End::Host(host), asking::interface(guest.eni));
                look((host, guest), of.clone(), ipv6);
                if !is_supposed {
                    look((guest, host), format!("VPC {}", vpc_of(fabric, guest)), ipv6);
                }
            }
        }
    }
    let public = kinds(cx.topology, fabric, false, |_, eni| !eni.public_ips.is_empty());
    for host in public.iter().filter_map(|kin| kin.first()) {
        for face in asking::faces(fabric, host.eni, false) {
            for outside in outside::everybody(cx, face, Way::In, false) {
                look((outside, face), "the internet".to_owned(), false);
            }
        }
    }
    lost.into_iter()
        .map(|(((kind, name, ipv6), to), pairs)| finding(fabric, kind, &name, &to, &pairs, ipv6))
        .collect()
}

fn finding(fabric: &Fabric, kind: &str, name: &str, to: &str, pairs: &[Pair], ipv6: bool) -> Finding {
    let (from, receiver, reason) = &pairs[0];
    let (from, receiver) = (asking::name_of(fabric, *from), asking::name_of(fabric, *receiver));
    let more = and_more(pairs.len());
    let family = if ipv6 { "over IPv6 " } else { "" };
    let told = words::tell(fabric, reason).message;
    let text = format!(
        "{family}what {from} sends to {receiver} arrives, and the reply does not return{more}: {told}"
    );
    // What leads there may serve others whose replies return: it is not for this to take away.
    let remedy = match reason {
        _ if to == "the internet" => {
            "take the public address away, or, if the internet is to reach it, lead what its subnet \
                                      sends there to the internet gateway"
                .to_owned()
        }
        DropReason::NoRoute { .. }
        | DropReason::PrivateDestination { .. }
        | DropReason::SharedDestination { .. }
        | DropReason::TransitNoRoute { .. }
        | DropReason::VpnGatewayNoRoute { .. }
        | DropReason::CustomerNoRoute { .. } => format!("give {name} a route back to {to}"),
        _ => format!("give the reply a way back to {to}"),
    };
    let finding = MISSING_RETURN_ROUTE.about_kind(kind, name, text, remedy);
    match to {
        "the internet" => citing(finding, &["IGW-05"]),
        _ => citing(finding, &["PCX-10", "RT-29"]),
    }
}

/// Why a reply ends on its way, where the request reached whom it was for.
fn has_no_way_back(told: &Explanation, to: End) -> Option<DropReason> {
    let arrives = match (told.forward.egress?, to) {
        (Egress::Interface(reached, _), End::Interface(meant, _)) => reached == meant,
        (Egress::Host(reached), End::Host(meant)) => reached == meant,
        (Egress::Internet(_) | Egress::Host(_), End::Internet | End::Address(_)) => true,
        _ => false,
    };
    let on_way = told.blockers.iter().filter(|blocker| !blocker.on_return);
    let is_let_in = on_way.into_iter().all(|blocker| asking::is_filter(&blocker.reason));
    let back = told.back.as_ref().filter(|_| arrives && is_let_in)?;
    asking::lost(back, [])
}

/// Whether a request comes in by an internet gateway.
fn is_from_internet(told: &Explanation) -> bool {
    let by_gateway =
        |step: &Step| matches!(step, Step::InternetGateway { direction: Direction::Inbound, .. });
    told.forward.steps.iter().any(by_gateway)
}

/// What a way back ends at.
fn place(fabric: &Fabric, told: &Explanation, reason: &DropReason) -> Option<(&'static str, String)> {
    match *reason {
        // The gateway is right: it is the table that leads there what is for inside.
        DropReason::PrivateDestination { .. } | DropReason::SharedDestination { .. }
            if let Some(table) = last_table(told) =>
        {
            Some((kind::RouteTable::PLURAL, fabric.route_tables[table].name.to_string()))
        }
        DropReason::NoRoute { route_table } | DropReason::Blackhole { route_table, .. } => {
            Some((kind::RouteTable::PLURAL, fabric.route_tables[route_table].name.to_string()))
        }
        DropReason::TransitNoRoute { table } | DropReason::TransitBlackhole { table, .. } => {
            Some((kind::TransitGatewayRouteTable::PLURAL, fabric.transit_tables[table].name.to_string()))
        }
        DropReason::TransitNotAssociated { attachment } | DropReason::TransitZone { attachment, .. } => {
            Some((
                kind::TransitGatewayVpcAttachment::PLURAL,
                fabric.transit_attachments[attachment].name.to_string(),
            ))
        }
        DropReason::PeeringForeignDestination { peering, .. }
        | DropReason::PeeringForeignSource { peering, .. }
        | DropReason::PeeringInactive { peering } => {
            Some((kind::VpcPeeringConnection::PLURAL, fabric.peerings[peering].name.to_string()))
        }
        DropReason::VpnGatewayNoRoute { gateway } => {
            Some((kind::VpnGateway::PLURAL, fabric.vpn_gateways[gateway].name.to_string()))
        }
        DropReason::CustomerNoRoute { network } => {
            Some((kind::CustomerNetwork::PLURAL, fabric.customer_networks[network].name.to_string()))
        }
        DropReason::NatForeignClient { gateway } | DropReason::NatNoMapping { gateway, .. } => {
            Some((kind::NatGateway::PLURAL, fabric.nat_gateways[gateway].name.to_string()))
        }
        DropReason::SpoofedSource { gateway }
        | DropReason::NoPublicAddress { gateway, .. }
        | DropReason::PrivateDestination { gateway }
        | DropReason::SharedDestination { gateway }
        | DropReason::RedirectedSubnet { gateway, .. } => {
            Some((kind::InternetGateway::PLURAL, fabric.internet_gateways[gateway].name.to_string()))
        }
        _ => None,
    }
}

/// The route table that the reply has followed last.
fn last_table(told: &Explanation) -> Option<RouteTableIdx> {
    told.back.as_ref()?.steps.iter().rev().find_map(|step| match *step {
        Step::Route { route_table, .. } => Some(route_table),
        _ => None,
    })
}

fn vpc_of(fabric: &Fabric, end: End) -> String {
    match end {
        End::Interface(eni, _) => fabric.vpcs[fabric.enis[eni].vpc].name.to_string(),
        _ => String::new(),
    }
}
