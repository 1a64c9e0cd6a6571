//! What may a gateway route table hold, and which gateway has which? (RT-35..RT-38, RT-51)
//!
//! Such a table routes what enters a VPC by its gateway: to a middlebox, or straight to its destination. It leads nowhere
//! else, and only for whole blocks of the VPC or of its subnets.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::{IpNet, Ipv4Net};

use crate::declared::DeclaredRouteTable;
use crate::log::Place;
use crate::name::RouteTableName;
use crate::reader::Written;
use crate::register::Context;
use crate::resources::{EdgeGateway, RouteTarget};
use crate::rules::routes::{INVALID, Surroundings};
use crate::space::{not_public, overlap_v4};

/// What a table is the edge of.
#[derive(Debug, Clone, Default)]
pub(super) struct Edge {
    pub(super) gateways: BTreeSet<EdgeGateway>,
    pub(super) pools: BTreeSet<Ipv4Net>,
}

/// What each table is the edge of. A gateway has one table at most, and a pool one gateway.
pub(super) fn edges(cx: &Context<'_>) -> BTreeMap<RouteTableName, Edge> {
    let mut edges: BTreeMap<RouteTableName, Edge> = BTreeMap::new();
    let mut taken: BTreeMap<EdgeGateway, &RouteTableName> = BTreeMap::new();
    let mut pools: Vec<(Ipv4Net, &RouteTableName)> = Vec::new();
    for (name, declared) in &cx.declared.route_tables {
        let mut edge = Edge::default();
        for reference in &declared.gateways.items {
            let Some(gateway) = gateway(cx, name, reference) else { continue };
            match taken.insert(gateway.clone(), name) {
                Some(other) if other != name => cx.log.report(
                    &reference.at,
                    "Resource.AlreadyAssociated",
                    format!("the gateway {gateway} is already associated with the route table {other}"),
                    "a gateway has one: keep one of the two associations",
                ),
                _ => {}
            }
            edge.gateways.insert(gateway);
        }
        for written in &declared.public_ipv4_pools.items {
            if is_pool(cx, name, declared, written, &pools) {
                pools.push((written.value, name));
                edge.pools.insert(written.value);
            }
        }
        if let Some(reference) = declared.gateways.items.first() {
            refuse_other_uses(cx, name, declared, reference);
            edges.insert(name.clone(), edge);
        }
    }
    edges
}

/// An internet gateway or a virtual private gateway that is attached to the table's VPC.
fn gateway(cx: &Context<'_>, table: &RouteTableName, reference: &Written<String>) -> Option<EdgeGateway> {
    const NOT_FOUND: &str = "InvalidGatewayID.NotFound";
    let gateways = &cx.registers.internet_gateways;
    let here = cx.registers.route_tables.owner(table);
    if gateways.find(&reference.value).is_none()
        && let Some(name) = cx.registers.vpn_gateways.find(&reference.value)
    {
        if here.is_some() && cx.registers.vpn_gateways.owner(name) != here {
            let problem =
                format!("the virtual private gateway {name} is not attached to the VPC of the table");
            cx.log.report(&reference.at, NOT_FOUND, problem, "attach it there, or name the one that is");
            return None;
        }
        return Some(EdgeGateway::VpnGateway(name.clone()));
    }
    let name = gateways.resolve_or(cx.log, reference, NOT_FOUND)?;
    if here.is_some() && gateways.owner(&name) != here {
        let problem = format!("the internet gateway {name} is not attached to the VPC of the table");
        cx.log.report(&reference.at, NOT_FOUND, problem, "attach it there, or name the one that is");
        return None;
    }
    Some(EdgeGateway::InternetGateway(name))
}

/// A public block that no other table routes, next to an internet gateway (RT-51).
fn is_pool(
    cx: &Context<'_>,
    table: &RouteTableName,
    declared: &DeclaredRouteTable,
    written: &Written<Ipv4Net>,
    pools: &[(Ipv4Net, &RouteTableName)],
) -> bool {
    let pool = written.value;
    let overlapping = pools.iter().find(|(other, _)| overlap_v4(other, &pool));
    let (problem, remedy) = if declared.gateways.items.is_empty() && declared.gateways.complete {
        ("a pool is routed by the table of an internet gateway", "give `gateways` too".to_owned())
    } else if not_public(pool.network().into()).is_some() || not_public(pool.broadcast().into()).is_some() {
        ("the internet has no route to such addresses", "give a public block".to_owned())
    } else if let Some((other, by)) = overlapping {
        let by = if *by == table { "this table".to_owned() } else { format!("route table {by}") };
        ("pools may not overlap", format!("{by} has {other}: choose another block"))
    } else {
        return true;
    };
    cx.log.report(&written.at, INVALID, problem, remedy);
    false
}

/// RT-38
fn refuse_other_uses(
    cx: &Context<'_>,
    name: &RouteTableName,
    declared: &DeclaredRouteTable,
    first: &Written<String>,
) {
    let owner = cx.registers.route_tables.owner(name);
    if owner.is_some_and(|vpc| cx.registers.main_tables.get(vpc) == Some(name)) {
        let problem = "the main route table cannot be a gateway's";
        cx.log.report(&first.at, INVALID, problem, "make a table for the gateway");
    }
    if let Some(reference) = declared.propagating_vgws.items.first() {
        let problem = "a gateway's route table takes no propagated routes";
        cx.log.report(&reference.at, INVALID, problem, "make a table for the gateway");
    }
}

/// Whether a gateway's table may have a route for a block (RT-35, RT-37, RT-51).
pub(super) fn allowed(
    cx: &Context<'_>,
    edge: &Edge,
    destination: IpNet,
    target: &RouteTarget,
    (at, target_at): (&Place, &Place),
    around: &Surroundings<'_>,
) -> bool {
    let pool = edge.pools.iter().find(|pool| IpNet::V4(**pool).contains(&destination));
    let to_interface = matches!(target, RouteTarget::NetworkInterface(_));
    if let Some(pool) = pool {
        let fits = (23..=28).contains(&destination.prefix_len());
        if !fits {
            let problem = format!("{destination} of the pool {pool} is no block of /23 to /28");
            cx.log.report(at, INVALID, problem, "divide it, or choose a larger part of the pool");
        }
        if !to_interface {
            let problem = "a pool's addresses are routed to a network interface";
            cx.log.report(target_at, INVALID, problem, "give `network_interface`");
        }
        return fits && to_interface;
    }
    if !to_interface && *target != RouteTarget::Local {
        let problem = "a gateway's route table leads to network interfaces, or is local";
        cx.log.report(target_at, INVALID, problem, "give `network_interface`, or `gateway: local`");
        return false;
    }
    let Some((name, vpc)) = around.name.zip(around.vpc) else { return true };
    let mut subnets = around.all.subnets.values().filter(|subnet| subnet.vpc == *name);
    let whole = vpc.cidr_blocks().any(|block| block == destination)
        || subnets.any(|subnet| subnet.cidr_blocks().any(|block| block == destination));
    let unsure = cx.declared.subnets.len() != around.all.subnets.len();
    if !whole && !unsure {
        let problem = format!("{destination} is neither a block of VPC {name} nor one of its subnets");
        cx.log.report(at, INVALID, problem, "use a whole block of the VPC or of a subnet");
    }
    whole
}

/// A gateway's table has no routes for prefix lists (RT-37).
pub(super) fn refuse_list(cx: &Context<'_>, at: &Place) {
    let problem = "a gateway's route table has no routes for prefix lists";
    cx.log.report(at, INVALID, problem, "give `cidr_block` or `ipv6_cidr_block`");
}
