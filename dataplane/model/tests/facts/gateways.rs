//! NAT gateways, egress-only internet gateways and peering connections, and the routes to them (areas NAT, IGW, PCX).

use serde_json::{Value, json};

use crate::{check, lab, merge, mistakes};

/// A public NAT gateway `n` in subnet a with the elastic IP `e`, changed by `attributes`.
fn nat(attributes: &Value) -> Value {
    let mut patch =
        json!({"eips": {"e": {}, "f": {}}, "nat_gateways": {"n": {"subnet": "a", "allocation": "e"}}});
    merge(&mut patch, &json!({"nat_gateways": {"n": attributes}}));
    patch
}

#[test]
fn nat_gateways() {
    const SECONDARY: &str = "secondary_private_ip_address_count";
    check(vec![
        ("NAT-01", nat(&json!({})), &[]),
        ("NAT-01", nat(&json!({"allocation": null})), &["MissingParameter nat_gateways.n.allocation"]),
        (
            "NAT-17",
            nat(&json!({"allocation": "z"})),
            &["InvalidAllocationID.NotFound nat_gateways.n.allocation"],
        ),
        ("NAT-17", nat(&json!({"subnet": "z"})), &["InvalidSubnetID.NotFound nat_gateways.n.subnet"]),
        (
            "NAT-01",
            nat(&json!({"secondary_allocation_ids": ["e"]})),
            &["InvalidParameterValue nat_gateways.n.secondary_allocation_ids[0]"],
        ),
        (
            "NAT-02",
            nat(&json!({"connectivity_type": "private"})),
            &["InvalidParameterCombination nat_gateways.n.allocation"],
        ),
        ("NAT-02", nat(&json!({"connectivity_type": "private", "allocation": null})), &[]),
        (
            "NAT-02",
            nat(&json!({"connectivity_type": "secret"})),
            &["InvalidParameterValue nat_gateways.n.connectivity_type"],
        ),
        ("NAT-05", nat(&json!({"connectivity_type": "private", "allocation": null, SECONDARY: 7})), &[]),
        (
            "NAT-05",
            nat(&json!({"connectivity_type": "private", "allocation": null, SECONDARY: 8})),
            &["InvalidParameterValue nat_gateways.n.secondary_private_ip_address_count"],
        ),
        (
            "NAT-05",
            nat(&json!({SECONDARY: 1})),
            &["InvalidParameterCombination nat_gateways.n.secondary_allocations"],
        ),
        ("NAT-41", nat(&json!({"private_ip": "10.0.1.9"})), &[]),
        (
            "NAT-41",
            nat(&json!({"private_ip": "10.0.2.9"})),
            &["InvalidParameterValue nat_gateways.n.private_ip"],
        ),
        (
            "ERR-35",
            nat(&json!({"availability_mode": "regional"})),
            &["UnsupportedOperation nat_gateways.n.availability_mode"],
        ),
    ]);
}

#[test]
fn a_nat_gateway_has_an_interface_of_its_own() {
    // NAT-01, NAT-05, NAT-41
    let topology = lab(nat(&json!({"private_ip": "10.0.1.9", "secondary_allocations": ["f"]})));
    let gateway = &topology.nat_gateways["n"];
    let eni = &topology.network_interfaces[&gateway.network_interface];
    assert_eq!(json!(eni.interface_type), json!({"nat_gateway": "n"}));
    assert_eq!(
        json!([eni.private_ip, eni.secondary_private_ips, eni.source_dest_check, eni.security_groups]),
        json!(["10.0.1.9", ["10.0.1.5"], false, []])
    );
    assert_eq!(
        json!(eni.public_ips),
        json!({"10.0.1.5": {"address": "203.0.113.2", "eip": "f"}, "10.0.1.9": {"address": "203.0.113.1", "eip": "e"}})
    );
    assert_eq!(json!(gateway.state), json!("available"));
    let private = lab(nat(&json!({"connectivity_type": "private", "allocation": null})));
    assert!(private.network_interfaces["nat/n"].public_ips.is_empty());
    // NAT-07: no route names the interface of a gateway.
    let mut direct = nat(&json!({}));
    merge(
        &mut direct,
        &json!({"route_tables": {"t": {"vpc": "v", "routes": [{"cidr_block": "0.0.0.0/0", "network_interface": "nat/n"}]}}}),
    );
    assert_eq!(mistakes(&direct), ["InvalidParameterValue route_tables.t.routes[0].network_interface"]);
}

#[test]
fn a_nat_gateway_that_cannot_work_fails_and_is_no_mistake() {
    // NAT-16, NAT-17, RT-25
    let failure = |patch: Value| {
        let mut patch = patch;
        merge(
            &mut patch,
            &json!({"route_tables": {"t": {"vpc": "v", "routes": [{"cidr_block": "0.0.0.0/0", "nat_gateway": "n"}]}}}),
        );
        let topology = lab(patch);
        let route = topology.route_tables["t"].routes.last().unwrap().clone();
        assert_eq!(json!([route.target, route.state]), json!([{"nat_gateway": "n"}, "blackhole"]));
        json!(topology.nat_gateways["n"].state)["failed"]["failure_code"].clone()
    };
    let mut detached = nat(&json!({}));
    detached["internet_gateways"] = json!({"g": {"vpc": null}});
    assert_eq!(failure(detached), "Gateway.NotAttached");
    let mut taken = nat(&json!({}));
    merge(&mut taken, &json!({"eips": {"e": {"instance": "i"}}}));
    assert_eq!(failure(taken), "Resource.AlreadyAssociated");
    let mut shared = nat(&json!({}));
    merge(&mut shared, &json!({"nat_gateways": {"m": {"subnet": "a", "allocation": "e"}}}));
    assert_eq!(failure(shared), "Resource.AlreadyAssociated");
    let mut full = nat(&json!({"subnet": "tiny"}));
    merge(
        &mut full,
        &json!({
            "subnets": {"tiny": {"vpc": "v", "cidr_block": "10.0.9.0/28"}},
            "network_interfaces": {"z": {"subnet": "tiny", "private_ips": (4..=14).map(|n| format!("10.0.9.{n}")).collect::<Vec<_>>()}}
        }),
    );
    assert_eq!(failure(full), "InsufficientFreeAddressesInSubnet");
    // Declared as one that has failed, whatever else is right with it.
    assert_eq!(failure(nat(&json!({"state": "failed"}))), "InternalError");
    let available = lab(nat(&json!({"state": "available"})));
    assert_eq!(json!(available.nat_gateways["n"].state), json!("available"));
    assert_eq!(mistakes(&nat(&json!({"state": "deleting"}))), ["InvalidParameterValue nat_gateways.n.state"]);
}

#[test]
fn routes_to_gateways() {
    let route = |route: Value| {
        json!({
            "eips": {"e": {}},
            "nat_gateways": {"n": {"subnet": "a", "allocation": "e"}},
            "egress_only_internet_gateways": {"o": {"vpc": "v"}, "ow": {"vpc": "w"}},
            "vpc_peering_connections": {"p": {"vpc": "v", "peer_vpc": "w", "auto_accept": true}, "q": {"vpc": "u", "peer_vpc": "w"}},
            "vpcs": {"u": {"cidr_block": "10.2.0.0/16"}},
            "route_tables": {"t": {"vpc": "v", "routes": [route]}}
        })
    };
    const EGRESS_ONLY: &str = "InvalidParameterValue route_tables.t.routes[0].egress_only_gateway";
    const NAT: &str = "InvalidParameterValue route_tables.t.routes[0].nat_gateway";
    const PEERING: &str = "InvalidParameterValue route_tables.t.routes[0].vpc_peering_connection";
    check(vec![
        ("RT-11", route(json!({"cidr_block": "10.0.1.0/24", "nat_gateway": "n"})), &[]),
        ("RT-11", route(json!({"cidr_block": "10.0.1.0/24", "vpc_peering_connection": "p"})), &[PEERING]),
        (
            "RT-11",
            route(json!({"ipv6_cidr_block": "2001:db8:1:1::/64", "egress_only_gateway": "o"})),
            &[EGRESS_ONLY],
        ),
        ("RT-12", route(json!({"cidr_block": "10.0.0.0/16", "nat_gateway": "n"})), &[]),
        ("RT-12", route(json!({"cidr_block": "10.0.0.0/16", "vpc_peering_connection": "p"})), &[PEERING]),
        ("RT-31", route(json!({"ipv6_cidr_block": "::/0", "egress_only_gateway_id": "o"})), &[]),
        ("RT-31", route(json!({"cidr_block": "0.0.0.0/0", "egress_only_gateway": "o"})), &[EGRESS_ONLY]),
        ("RT-32", route(json!({"cidr_block": "0.0.0.0/0", "nat_gateway_id": "n"})), &[]),
        ("RT-32", route(json!({"ipv6_cidr_block": "64:ff9b::/96", "nat_gateway": "n"})), &[]),
        ("RT-32", route(json!({"ipv6_cidr_block": "::/0", "nat_gateway": "n"})), &[NAT]),
        (
            "RT-33",
            route(json!({"ipv6_cidr_block": "::/0", "egress_only_gateway": "ow"})),
            &["InvalidGatewayID.NotFound route_tables.t.routes[0].egress_only_gateway"],
        ),
        (
            "RT-33",
            route(json!({"cidr_block": "10.2.0.0/16", "vpc_peering_connection": "q"})),
            &["InvalidVpcPeeringConnectionID.NotFound route_tables.t.routes[0].vpc_peering_connection"],
        ),
        (
            "RT-33",
            json!({
                "eips": {"e": {}}, "nat_gateways": {"n": {"subnet": "a", "allocation": "e"}},
                "route_tables": {"t": {"vpc": "w", "routes": [{"cidr_block": "0.0.0.0/0", "nat_gateway": "n"}]}}
            }),
            &[NAT],
        ),
        (
            "RT-15",
            route(json!({"cidr_block": "0.0.0.0/0", "nat_gateway": "n", "vpc_peering_connection": "p"})),
            &["InvalidParameterCombination route_tables.t.routes[0]"],
        ),
    ]);
}

#[test]
fn peering_connections() {
    let peering = |attributes: Value| {
        let mut patch = json!({"vpc_peering_connections": {"p": {"vpc": "v", "peer_vpc": "w"}}});
        merge(&mut patch, &json!({"vpc_peering_connections": {"p": attributes}}));
        patch
    };
    let second = |state: &str| {
        json!({"vpc_peering_connections": {
            "p": {"vpc": "v", "peer_vpc": "w", "auto_accept": true}, "q": {"vpc": "w", "peer_vpc": "v", "state": state}
        }})
    };
    check(vec![
        ("PCX-06", second("deleted"), &[]),
        ("PCX-06", second("active"), &["VpcPeeringConnectionAlreadyExists vpc_peering_connections.q"]),
        (
            "PCX-06",
            second("pending-acceptance"),
            &["VpcPeeringConnectionAlreadyExists vpc_peering_connections.q"],
        ),
        ("PCX-02", second("failed"), &["InvalidParameterValue vpc_peering_connections.q.state"]),
        (
            "PCX-02",
            peering(json!({"peer_vpc": null})),
            &["MissingParameter vpc_peering_connections.p.peer_vpc"],
        ),
        (
            "PCX-02",
            peering(json!({"peer_vpc": "z"})),
            &["InvalidVpcID.NotFound vpc_peering_connections.p.peer_vpc"],
        ),
        (
            "PCX-02",
            peering(json!({"peer_vpc": "v"})),
            &["InvalidParameterValue vpc_peering_connections.p.peer_vpc"],
        ),
        (
            "PCX-02",
            peering(json!({"auto_accept": true, "state": "rejected"})),
            &["InvalidParameterCombination vpc_peering_connections.p.state"],
        ),
    ]);
    let route = |patch: Value| {
        let mut patch = patch;
        merge(
            &mut patch,
            &json!({"route_tables": {"t": {"vpc": "v", "routes": [{"cidr_block": "10.9.0.0/16", "vpc_peering_connection": "p"}]}}}),
        );
        let topology = lab(patch);
        let route = topology.route_tables["t"].routes.last().unwrap().state;
        (json!(topology.vpc_peering_connections["p"].state), json!(route))
    };
    // PCX-11, PCX-22
    for (attributes, state, routed) in [
        (json!({}), "pending-acceptance", "blackhole"),
        (json!({"auto_accept": false}), "pending-acceptance", "blackhole"),
        (json!({"auto_accept": true}), "active", "active"),
        (json!({"state": "active"}), "active", "active"),
        (json!({"state": "deleted"}), "deleted", "blackhole"),
        (json!({"state": "expired"}), "expired", "blackhole"),
    ] {
        assert_eq!(route(peering(attributes.clone())), (json!(state), json!(routed)), "{attributes}");
    }
    // PCX-01: any pair of blocks, of either family.
    for blocks in [
        json!({"vpcs": {"v": {"secondary_cidr_blocks": ["10.1.128.0/20"]}}}),
        json!({
            "vpcs": {"v": {"ipv6_cidr_block": "fd00:1::/56"}, "w": {"ipv6_cidr_block": "fd00:1::/56"}},
            "subnets": {"a": {"ipv6_cidr_block": "fd00:1:0:1::/64"}}
        }),
    ] {
        let mut overlapping = peering(json!({"auto_accept": true}));
        merge(&mut overlapping, &blocks);
        assert_eq!(route(overlapping), (json!("failed"), json!("blackhole")));
    }
}
