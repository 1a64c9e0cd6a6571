//! Which route does a packet take?

use std::net::IpAddr;

use vpclab_model::{Propagation, Route, RouteOrigin, Topology};

/// RT-05..RT-08, RT-19, RT-20: the longest of those that match, and of equals the one that goes before; RT-13 and RT-14
/// are asked before. Only where AWS throws dice is it asked how they fell.
pub(super) fn route<'a>(topology: &Topology, routes: &'a [Route], destination: IpAddr) -> Option<&'a Route> {
    let local_decides = topology.settings.local_routes_over_propagated
        && routes.iter().any(|route| is_local(route) && route.destination.contains(&destination));
    let mut best: Option<&Route> = None;
    for route in routes.iter().filter(|route| route.destination.contains(&destination)) {
        // OQ-13
        if local_decides && propagation(route).is_some() && is_inside_a_local_one(routes, route) {
            continue;
        }
        let goes_before = best.is_none_or(|best| {
            let (longer, as_long) = (
                route.destination.prefix_len() > best.destination.prefix_len(),
                route.destination.prefix_len() == best.destination.prefix_len(),
            );
            let won_the_toss = class(route) == class(best) && class(route) == 1 && !route.overridden;
            longer || (as_long && (class(route) < class(best) || won_the_toss))
        });
        if goes_before {
            best = Some(route);
        }
    }
    best
}

fn is_local(route: &Route) -> bool {
    route.origin == RouteOrigin::CreateRouteTable
}

fn is_inside_a_local_one(routes: &[Route], inner: &Route) -> bool {
    routes.iter().any(|outer| is_local(outer) && outer.destination.contains(&inner.destination))
}

/// RT-07: static, prefix list, Direct Connect, VPN static, VPN BGP.
fn class(route: &Route) -> u8 {
    match propagation(route) {
        None if route.prefix_list.is_none() => 0,
        None => 1,
        Some(Propagation::DirectConnect) => 2,
        Some(Propagation::VpnStatic) => 3,
        Some(Propagation::VpnBgp) => 4,
    }
}

fn propagation(route: &Route) -> Option<Propagation> {
    match route.origin {
        RouteOrigin::EnableVgwRoutePropagation(from) => Some(from),
        RouteOrigin::CreateRouteTable | RouteOrigin::CreateRoute => None,
    }
}
