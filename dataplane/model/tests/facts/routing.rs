//! Route tables (area RT).

use serde_json::{Value, json};

use crate::{check, lab};

#[test]
fn routes() {
    let route = |route: Value| json!({"route_tables": {"t": {"vpc": "v", "routes": [route]}}});
    const AT_TARGET: &[&str] = &["InvalidParameterValue route_tables.t.routes[0].gateway"];
    const AT_DESTINATION: &[&str] = &["InvalidParameterValue route_tables.t.routes[0].cidr_block"];
    check(vec![
        ("RT-11", route(json!({"cidr_block": "10.0.1.0/24", "network_interface": "i"})), &[]),
        ("RT-11", route(json!({"ipv6_cidr_block": "2001:db8:1:1::/64", "network_interface": "i"})), &[]),
        ("RT-11", route(json!({"cidr_block": "10.0.1.0/24", "gateway": "g"})), AT_TARGET),
        ("RT-11", route(json!({"cidr_block": "10.0.1.4/32", "instance": "i"})), AT_DESTINATION),
        ("RT-11", route(json!({"cidr_block": "10.0.0.0/23", "instance": "i"})), AT_DESTINATION),
        ("RT-12", route(json!({"cidr_block": "10.0.0.0/16", "network_interface": "i"})), &[]),
        ("RT-12", route(json!({"cidr_block": "10.0.0.0/16", "gateway": "g"})), AT_TARGET),
        ("RT-13", route(json!({"cidr_block": "169.254.168.0/22", "gateway": "g"})), AT_DESTINATION),
        ("RT-13", route(json!({"cidr_block": "169.254.169.254/32", "gateway": "g"})), AT_DESTINATION),
        ("RT-13", route(json!({"cidr_block": "169.254.0.0/16", "gateway": "g"})), &[]),
        (
            "RT-14",
            route(json!({"ipv6_cidr_block": "fd00:ec2::254/128", "gateway": "g"})),
            &["InvalidParameterValue route_tables.t.routes[0].ipv6_cidr_block"],
        ),
        ("RT-14", route(json!({"ipv6_cidr_block": "fd00::/8", "gateway": "g"})), &[]),
        ("RT-15", route(json!({"cidr_block": "0.0.0.0/0"})), &["MissingParameter route_tables.t.routes[0]"]),
        ("RT-15", route(json!({"gateway": "g"})), &["MissingParameter route_tables.t.routes[0]"]),
        (
            "RT-15",
            route(json!({"cidr_block": "0.0.0.0/0", "gateway": "g", "instance": "i"})),
            &["InvalidParameterCombination route_tables.t.routes[0]"],
        ),
        (
            "RT-15",
            route(json!({"cidr_block": "0.0.0.0/0", "ipv6_cidr_block": "::/0", "gateway": "g"})),
            &["InvalidParameterCombination route_tables.t.routes[0].ipv6_cidr_block"],
        ),
        (
            "RT-16",
            json!({"route_tables": {"t": {"vpc": "v", "routes": [{"cidr_block": "0.0.0.0/0", "gateway": "g"}, {"cidr_block": "1.2.3.4/0", "instance": "i"}]}}}),
            &["RouteAlreadyExists route_tables.t.routes[1].cidr_block"],
        ),
        (
            "OQ-28",
            json!({"route_tables": {"t": {"vpc": "v", "routes": [{"cidr_block": "0.0.0.0/0", "gateway": "g"}, {"cidr_block": "0.0.0.0/0", "gateway": "g"}]}}}),
            &[],
        ),
        (
            "RT-17",
            json!({"route_tables": {"t": {"vpc": "v", "routes": [{"cidr_block": "0.0.0.0/0", "instance": "i"}]}}, "network_interfaces": {"e": {"subnet": "a", "attachment": {"instance": "i", "device_index": 1}}}}),
            &["InvalidInstanceID route_tables.t.routes[0].instance"],
        ),
        ("RT-31", route(json!({"ipv6_cidr_block": "::/0", "gateway": "g"})), &[]),
        (
            "RT-33",
            json!({"route_tables": {"t": {"vpc": "w", "routes": [{"cidr_block": "0.0.0.0/0", "gateway": "g"}]}}}),
            &["InvalidGatewayID.NotFound route_tables.t.routes[0].gateway"],
        ),
        (
            "RT-33",
            route(json!({"cidr_block": "0.0.0.0/0", "gateway": "h"})),
            &["InvalidGatewayID.NotFound route_tables.t.routes[0].gateway"],
        ),
        ("RT-44", route(json!({"cidr_block": "10.0.0.0/16", "gateway": "local"})), &[]),
        ("RT-44", route(json!({"cidr_block": "10.0.1.0/24", "gateway": "local"})), AT_TARGET),
        (
            "RT-30",
            route(json!({"cidr_block": "0.0.0.0/0", "nat_gateway": "n"})),
            &["InvalidNatGatewayID.NotFound route_tables.t.routes[0].nat_gateway"],
        ),
        (
            "RT-30",
            route(json!({"destination_prefix_list_id": "pl-1", "vpc_endpoint_id": "vpce-1"})),
            &[
                "InvalidPrefixListID.NotFound route_tables.t.routes[0].destination_prefix_list_id",
                "InvalidVpcEndpointId.NotFound route_tables.t.routes[0].vpc_endpoint_id",
            ],
        ),
    ]);
    // RT-01, RT-12, RT-25, RT-27: what the accepted ones become.
    let topology = lab(json!({
        "internet_gateways": {"loose": {}},
        "network_interfaces": {"e": {"subnet": "a"}},
        "route_tables": {"t": {"vpc": "v", "routes": [
            {"cidr_block": "0.0.0.0/0", "gateway": "loose"}, {"cidr_block": "10.0.0.0/16", "instance": "i"}, {"cidr_block": "10.0.1.0/24", "network_interface": "e"}
        ]}}
    }));
    assert_eq!(
        json!(topology.route_tables["t"].routes),
        json!([
            {"destination": "10.0.0.0/16", "target": {"network_interface": "i"}, "origin": "create_route_table", "state": "active"},
            {"destination": "2001:db8:1::/56", "target": "local", "origin": "create_route_table", "state": "active"},
            {"destination": "0.0.0.0/0", "target": {"internet_gateway": "loose"}, "origin": "create_route", "state": "blackhole"},
            {"destination": "10.0.1.0/24", "target": {"network_interface": "e"}, "origin": "create_route", "state": "blackhole"}
        ])
    );
}
