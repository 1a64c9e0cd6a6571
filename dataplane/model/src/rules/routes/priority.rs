//! Which of a table's routes decide? (RT-06..RT-08, RT-19, RT-20)
//!
//! The longest prefix is for the packet to find. Here, of the routes to one destination one is chosen, and propagated
//! routes give way to the local one that contains them.

use std::cmp::Reverse;

use crate::name::{Kind, RouteTableName, kind};
use crate::resources::{Propagation, Route, RouteOrigin};

/// Marks the routes that another one decides for.
pub(super) fn settle(table: &RouteTableName, routes: &mut [Route], local_over_propagated: bool) {
    for index in 0..routes.len() {
        let route = &routes[index];
        let outranks =
            |other: &Route| other.destination == route.destination && rank(table, other) < rank(table, route);
        // RT-08, OQ-13
        let is_local = |other: &Route| {
            other.origin == RouteOrigin::CreateRouteTable && other.destination.contains(&route.destination)
        };
        let is_propagated = matches!(route.origin, RouteOrigin::EnableVgwRoutePropagation(_));
        let overridden = routes
            .iter()
            .any(|other| outranks(other) || (is_propagated && local_over_propagated && is_local(other)));
        // Of equals the first one decides.
        let has_twin = routes[..index]
            .iter()
            .any(|other| other.destination == route.destination && rank(table, other) == rank(table, route));
        routes[index].overridden = overridden || has_twin;
    }
}

/// The place of a route among those to its destination, the least decides: static, prefix list, propagated (RT-07,
/// RT-20). Among prefix lists the choice is AWS's random one, here a hash of the names, and so always the same (RT-19).
fn rank(table: &RouteTableName, route: &Route) -> (u8, Option<Propagation>, Option<Reverse<u128>>) {
    match (&route.origin, &route.prefix_list) {
        (RouteOrigin::EnableVgwRoutePropagation(from), _) => (2, Some(*from), None),
        (_, Some(list)) => {
            let lots = [kind::RouteTable::PLURAL, table.as_str(), &route.destination.to_string()].join("/");
            let lot = RouteTableName::new(format!("{lots}/{list}")).fingerprint();
            (1, None, Some(Reverse(lot)))
        }
        (RouteOrigin::CreateRouteTable | RouteOrigin::CreateRoute, None) => (0, None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ManagedPrefixListName;
    use crate::resources::{RouteState, RouteTarget};

    const LIST: &str = "list";

    fn route(destination: &str, origin: RouteOrigin, list: Option<&str>) -> Route {
        Route {
            destination: destination.parse().unwrap(),
            target: RouteTarget::Local,
            origin,
            state: RouteState::Active,
            prefix_list: list.map(ManagedPrefixListName::new),
            overridden: false,
        }
    }

    fn propagated(destination: &str, from: Propagation) -> Route {
        route(destination, RouteOrigin::EnableVgwRoutePropagation(from), None)
    }

    /// The positions of the routes that decide.
    fn in_use(mut routes: Vec<Route>, local_over_propagated: bool) -> Vec<usize> {
        settle(&RouteTableName::new("t"), &mut routes, local_over_propagated);
        routes.iter().enumerate().filter(|(_, route)| !route.overridden).map(|(index, _)| index).collect()
    }

    #[test]
    fn to_one_destination_static_goes_before_prefix_list_before_propagated() {
        let net = "192.0.2.0/24";
        let all = [
            propagated(net, Propagation::VpnBgp),
            propagated(net, Propagation::VpnStatic),
            propagated(net, Propagation::DirectConnect),
            route(net, RouteOrigin::CreateRoute, Some(LIST)),
            route(net, RouteOrigin::CreateRoute, None),
        ];
        for count in 1..=all.len() {
            assert_eq!(in_use(all[..count].to_vec(), true), [count - 1]);
            // The order in the table makes no difference.
            let turned: Vec<_> = all[..count].iter().rev().cloned().collect();
            assert_eq!(in_use(turned, true), [0]);
        }
    }

    #[test]
    fn a_local_route_goes_before_more_specific_propagated_ones_where_the_lab_says_so() {
        let routes = vec![
            route("10.0.0.0/16", RouteOrigin::CreateRouteTable, None),
            propagated("10.0.1.0/24", Propagation::DirectConnect),
            route("10.0.2.0/24", RouteOrigin::CreateRoute, None),
            propagated("10.0.0.0/8", Propagation::DirectConnect),
        ];
        assert_eq!(in_use(routes.clone(), true), [0, 2, 3]);
        assert_eq!(in_use(routes, false), [0, 1, 2, 3]);
    }

    #[test]
    fn of_two_lists_one_is_chosen_for_good_and_not_always_the_same_one() {
        let chosen = |destination: &str, lists: [&str; 2]| {
            let routes = lists.map(|list| route(destination, RouteOrigin::CreateRoute, Some(list)));
            in_use(routes.to_vec(), true)[0]
        };
        let nets: Vec<_> = (0..32).map(|third| format!("192.0.{third}.0/24")).collect();
        let of = |lists: [&str; 2]| nets.iter().map(|net| chosen(net, lists)).collect::<Vec<_>>();
        let choices = of(["one", "two"]);
        assert!(choices.contains(&0) && choices.contains(&1), "{choices:?}");
        let turned: Vec<_> = of(["two", "one"]).iter().map(|position| 1 - position).collect();
        assert_eq!(choices, turned);
    }
}
