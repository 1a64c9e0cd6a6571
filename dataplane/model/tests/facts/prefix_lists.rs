//! Managed prefix lists (RT-19..RT-24, SG-15, SG-25).

use serde_json::{Value, json};
use vpclab_model::Topology;

use crate::{check, lab, patched};

fn lists(list: Value) -> Value {
    json!({"managed_prefix_lists": {"p": list}})
}

fn with_route(entries: Value, route: Value) -> Value {
    json!({
        "managed_prefix_lists": {"p": {"address_family": "IPv4", "max_entries": 5, "entries": entries}},
        "route_tables": {"t": {"vpc": "v", "routes": [route]}}
    })
}

#[test]
fn lists_and_routes_that_name_them() {
    let by_igw = json!({"destination_prefix_list": "p", "gateway": "g"});
    let by_interface = json!({"destination_prefix_list": "p", "instance": "i"});
    check(vec![
        ("RT-23", lists(json!({"address_family": "IPv4", "max_entries": 1})), &[]),
        ("RT-23", lists(json!({"address_family": "IPv6", "max_entries": 1000})), &[]),
        (
            "RT-23",
            lists(json!({"address_family": "ipv4", "max_entries": 1})),
            &["InvalidParameterValue managed_prefix_lists.p.address_family"],
        ),
        (
            "RT-23",
            lists(json!({"address_family": "IPv4", "max_entries": 1001})),
            &["InvalidParameterValue managed_prefix_lists.p.max_entries"],
        ),
        ("ERR-35", lists(json!({})), &["MissingParameter managed_prefix_lists.p.address_family"]),
        (
            "ERR-35",
            lists(json!({"address_family": "IPv4"})),
            &["MissingParameter managed_prefix_lists.p.max_entries"],
        ),
        (
            "RT-23",
            lists(
                json!({"address_family": "IPv4", "max_entries": 2, "entries": [{"cidr": "2001:db8::/32"}]}),
            ),
            &["InvalidParameterValue managed_prefix_lists.p.entries[0].cidr"],
        ),
        (
            "RT-23",
            lists(
                json!({"address_family": "IPv4", "max_entries": 1, "entries": [{"cidr": "1.0.0.0/8"}, {"cidr": "2.0.0.0/8"}]}),
            ),
            &["InvalidParameterValue managed_prefix_lists.p.max_entries"],
        ),
        (
            "RT-23",
            lists(
                json!({"address_family": "IPv4", "max_entries": 2, "entries": [{"cidr": "1.0.0.0/8"}, {"cidr": "1.2.3.4/8"}]}),
            ),
            &["InvalidParameterValue managed_prefix_lists.p.entries[1].cidr"],
        ),
        (
            "RT-22",
            json!({"managed_prefix_lists": {"com.amazonaws.us-east-1.s3": {"address_family": "IPv4", "entries": [{"cidr": "52.216.0.0/15"}]}}}),
            &[],
        ),
        ("RT-15", with_route(json!([{"cidr": "198.51.100.0/24"}]), by_igw.clone()), &[]),
        (
            "RT-15",
            with_route(
                json!([]),
                json!({"destination_prefix_list": "p", "cidr_block": "0.0.0.0/0", "gateway": "g"}),
            ),
            &["InvalidParameterCombination route_tables.t.routes[0].destination_prefix_list"],
        ),
        (
            "RT-44",
            with_route(
                json!([{"cidr": "10.0.0.0/16"}]),
                json!({"destination_prefix_list": "p", "gateway": "local"}),
            ),
            &["InvalidParameterValue route_tables.t.routes[0].gateway"],
        ),
        (
            "RT-13",
            with_route(json!([{"cidr": "169.254.168.0/24"}]), by_igw.clone()),
            &["InvalidParameterValue route_tables.t.routes[0].destination_prefix_list"],
        ),
        ("RT-11", with_route(json!([{"cidr": "10.0.1.0/24"}]), by_interface.clone()), &[]),
        (
            "RT-11",
            with_route(json!([{"cidr": "10.0.1.0/25"}]), by_interface),
            &["InvalidParameterValue route_tables.t.routes[0].destination_prefix_list"],
        ),
        (
            "RT-31",
            with_route(
                json!([{"cidr": "198.51.100.0/24"}]),
                json!({"destination_prefix_list": "p", "egress_only_gateway": "e"}),
            ),
            &["InvalidGatewayID.NotFound route_tables.t.routes[0].egress_only_gateway"],
        ),
        (
            "RT-16",
            json!({
                "managed_prefix_lists": {"p": {"address_family": "IPv4", "max_entries": 5}},
                "route_tables": {"t": {"vpc": "v", "routes": [by_igw, {"destination_prefix_list": "p", "instance": "i"}]}}
            }),
            &["RouteAlreadyExists route_tables.t.routes[1].destination_prefix_list"],
        ),
        (
            "ERR-30",
            json!({"route_tables": {"t": {"vpc": "v", "routes": [{"destination_prefix_list": "q", "gateway": "g"}]}}}),
            &["InvalidPrefixListID.NotFound route_tables.t.routes[0].destination_prefix_list"],
        ),
        (
            "RT-34",
            json!({"route_tables": {"t": {"vpc": "v", "propagating_vgws": ["nobody"]}}}),
            &["InvalidVpnGatewayID.NotFound route_tables.t.propagating_vgws[0]"],
        ),
    ]);
}

#[test]
fn a_reference_counts_with_the_most_entries_or_with_the_weight_of_aws() {
    let topology = lab(json!({"managed_prefix_lists": {
        "offices": {"address_family": "IPv4", "max_entries": 20, "entries": [{"cidr": "198.51.100.0/24"}]},
        "com.amazonaws.global.cloudfront.origin-facing": {"address_family": "IPv4", "entries": [{"cidr": "13.32.0.0/15"}]}
    }}));
    let weights: Vec<u32> = topology.managed_prefix_lists.values().map(|list| list.weight()).collect();
    assert_eq!(weights, [55, 20]);
}

#[test]
fn changed_entries_make_a_new_version_and_an_outdated_one_is_refused() {
    let list = |entries: Value, version: Value| {
        lists(json!({"address_family": "IPv4", "max_entries": 5, "entries": entries, "version": version}))
    };
    let (one, two) = (json!([{"cidr": "1.0.0.0/8"}]), json!([{"cidr": "1.0.0.0/8"}, {"cidr": "2.0.0.0/8"}]));
    let after = |previous: &Topology, patch: &Value| Topology::from_document(&patched(patch), Some(previous));
    let version = |topology: &Topology| topology.managed_prefix_lists["p"].version;
    let first = lab(list(one.clone(), Value::Null));
    assert_eq!(version(&first), 1);
    let same = after(&first, &list(one.clone(), Value::Null)).unwrap();
    assert_eq!(version(&same), 1);
    let second = after(&first, &list(two.clone(), Value::Null)).unwrap();
    assert_eq!(version(&second), 2);
    assert_eq!(version(&after(&first, &list(two.clone(), json!(2))).unwrap()), 2);
    let outdated = after(&second, &list(one, json!(2))).unwrap_err();
    assert_eq!((outdated.0.len(), outdated.0[0].code), (1, "PrefixListVersionMismatch"));
}

#[test]
fn a_static_route_goes_before_a_prefix_list_and_both_stay_visible() {
    let topology = lab(json!({
        "managed_prefix_lists": {
            "p": {"address_family": "IPv4", "max_entries": 5, "entries": [{"cidr": "198.51.100.0/24"}, {"cidr": "203.0.113.0/24"}]},
            "q": {"address_family": "IPv4", "max_entries": 5, "entries": [{"cidr": "203.0.113.0/24"}]}
        },
        "route_tables": {"t": {"vpc": "v", "routes": [
            {"destination_prefix_list": "p", "instance": "i"}, {"destination_prefix_list": "q", "gateway": "g"},
            {"cidr_block": "198.51.100.0/24", "gateway": "g"}
        ]}}
    }));
    let table = &topology.route_tables["t"];
    let to = |block: &str| -> Vec<_> {
        table.routes.iter().filter(|route| route.destination.to_string() == block).collect()
    };
    let shown: Vec<_> =
        to("198.51.100.0/24").iter().map(|route| (route.prefix_list.is_some(), route.overridden)).collect();
    assert_eq!(shown, [(true, true), (false, false)]);
    // RT-19: one of the two.
    assert_eq!(to("203.0.113.0/24").len(), 2);
    assert_eq!(to("203.0.113.0/24").iter().filter(|route| !route.overridden).count(), 1);
    let names: Vec<_> = table.prefix_lists.iter().map(|list| list.as_str()).collect();
    assert_eq!(names, ["p", "q"]);
}
