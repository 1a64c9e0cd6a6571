//! Which destinations may a route have, and which of them may lead where? (RT-11..RT-15, RT-31, RT-32, RT-44)

use ipnet::IpNet;

use crate::declared::DeclaredRoute;
use crate::log::Place;
use crate::name::{ManagedPrefixListName, VpcName};
use crate::not_modelled::NETWORK_FIREWALLS;
use crate::reader::Given;
use crate::register::Context;
use crate::resources::RouteTarget;
use crate::rules::prefix_lists;
use crate::rules::routes::{INVALID, Surroundings, VPC_ENDPOINTS};
use crate::space::{LINK_LOCAL_SERVICES, LINK_LOCAL_SERVICES_V6, NAT64};

/// What a written route is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// A block of addresses.
    Block(IpNet),
    /// The entries of a managed prefix list.
    List(ManagedPrefixListName),
}

/// Exactly one destination (RT-15), not among the link-local services (RT-13, RT-14).
pub(super) fn destination(
    cx: &Context<'_>,
    written: &DeclaredRoute,
    vpc: Option<&VpcName>,
) -> Option<(Destination, Place)> {
    let (v4, v6, list) = (&written.cidr_block, &written.ipv6_cidr_block, &written.prefix_list);
    let given = [!v4.is_absent(), !v6.is_absent(), !list.is_absent()];
    match given.iter().filter(|given| **given).count() {
        // What is unknown has been reported, and may be the destination.
        0 if written.has_unknown => return None,
        0 => {
            let remedy = "give `cidr_block`, `ipv6_cidr_block` or `destination_prefix_list`";
            cx.log.report(&written.at, "MissingParameter", "the route has no destination", remedy);
            return None;
        }
        1 => {}
        _ => {
            let last = list.written().map(|list| &list.at).or(v6.written().map(|block| &block.at));
            let at = last.unwrap_or(&written.at);
            let remedy = "make several routes of it";
            cx.log.report(at, "InvalidParameterCombination", "a route has one destination", remedy);
            return None;
        }
    }
    let (block, at) = match (v4, v6, list) {
        (Given::Right(block), ..) => (IpNet::V4(block.value), &block.at),
        (_, Given::Right(block), _) => (IpNet::V6(block.value), &block.at),
        (.., Given::Right(list)) => {
            let name = prefix_lists::resolve(cx, list, vpc)?;
            return Some((Destination::List(name), list.at.clone()));
        }
        _ => return None,
    };
    not_for_services(cx, block, at).then(|| (Destination::Block(block), at.clone()))
}

/// Whether no service of the link has all of `block` (RT-13, RT-14).
pub(super) fn not_for_services(cx: &Context<'_>, block: IpNet, at: &Place) -> bool {
    let services = match block {
        IpNet::V4(block) => LINK_LOCAL_SERVICES.contains(&block).then(|| LINK_LOCAL_SERVICES.to_string()),
        IpNet::V6(block) => {
            LINK_LOCAL_SERVICES_V6.contains(&block).then(|| LINK_LOCAL_SERVICES_V6.to_string())
        }
    };
    if let Some(services) = &services {
        let problem = format!("{block} lies in {services}, which AWS keeps for services");
        cx.log.report(at, INVALID, problem, "choose another destination");
    }
    services.is_none()
}

/// What may lead where: RT-11, RT-12 and RT-44.
pub(super) fn allowed(
    cx: &Context<'_>,
    destination: IpNet,
    target: &RouteTarget,
    at: &Place,
    target_at: &Place,
    around: &Surroundings<'_>,
) -> bool {
    if matches!(target, RouteTarget::EgressOnlyInternetGateway(_)) && destination.addr().is_ipv4() {
        // RT-31
        let problem =
            format!("{destination} is IPv4, and an egress-only internet gateway forwards IPv6 only");
        cx.log.report(target_at, INVALID, problem, "give `ipv6_cidr_block`, or another target");
        return false;
    }
    if matches!((target, destination), (RouteTarget::NatGateway(_), IpNet::V6(block)) if block != NAT64) {
        // RT-32, NAT-32
        let problem = format!("{destination} is IPv6, and a NAT gateway translates {NAT64} only");
        let remedy = "route IPv6 to an egress-only internet gateway, or NAT64's prefix to the NAT gateway";
        cx.log.report(target_at, INVALID, problem, remedy);
        return false;
    }
    let Some((name, vpc)) = around.name.zip(around.vpc) else { return true };
    let local = vpc.cidr_blocks().find(|block| block.contains(&destination));
    if *target == RouteTarget::Local {
        let whole = local == Some(destination);
        if !whole {
            let problem =
                format!("{destination} is not a block of VPC {name}, so that nothing there is local");
            cx.log.report(target_at, INVALID, problem, "use local for a whole block of the VPC only");
        }
        return whole;
    }
    let Some(local) = local else { return true };
    let may_be_inside = match target {
        RouteTarget::NetworkInterface(_) | RouteTarget::NatGateway(_) => true,
        RouteTarget::NotModelled { kind, .. } => matches!(*kind, VPC_ENDPOINTS | NETWORK_FIREWALLS),
        _ => false,
    };
    if !may_be_inside {
        let problem = format!("{destination} is equal to or more specific than {local} of VPC {name}");
        cx.log.report(
            target_at,
            INVALID,
            problem,
            "such a route can target a network interface, a NAT gateway or a Gateway Load Balancer endpoint only",
        );
        return false;
    }
    let subnet = around
        .all
        .subnets
        .values()
        .any(|s| s.vpc == *name && s.cidr_blocks().any(|block| block == destination));
    let unsure = cx.declared.subnets.len() != around.all.subnets.len();
    if local != destination && !subnet {
        if !unsure {
            let problem =
                format!("{destination} lies inside {local} of VPC {name} and is not the block of a subnet");
            cx.log.report(at, INVALID, problem, "use the whole block of a subnet, or the VPC's");
        }
        return false;
    }
    true
}
