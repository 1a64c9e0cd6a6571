//! Area TGW: what do attachments put into the tables of a transit gateway?

use serde_json::{Value, json};
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Packet, syn};

use crate::networks::everything;
use crate::transit_networks::{v4, v6, with_hub};

/// Attaches a VPC of this name and blocks to `hub`.
fn attach(d: &mut Value, name: &str, block: &str, block_v6: &str) {
    d["vpcs"][name] = json!({ "cidr_block": block, "ipv6_cidr_block": block_v6 });
    let base = |block: &str| block.split_once('/').unwrap().0.to_owned();
    d["subnets"][name] = json!({ "vpc": name, "cidr_block": format!("{}/28", base(block)),
        "ipv6_cidr_block": format!("{}/64", base(block_v6)) });
    d["transit_gateway_vpc_attachments"][name] =
        json!({ "transit_gateway": "hub", "vpc": name, "subnets": [name], "ipv6_support": true });
}

/// Where the default table leads, as in `10.1.0.0/16 a`.
fn routes(net: &Net) -> Vec<String> {
    let table = net.topology.find_transit_gateway_route_table("hub/default").unwrap().1;
    let attachment = |route: &vpclab_model::TransitGatewayRoute| route.attachments[0].as_str().to_owned();
    table.routes.iter().map(|route| format!("{} {}", route.destination, attachment(route))).collect()
}

#[test]
fn a_block_inside_or_around_one_that_was_there_does_not_propagate() {
    // proves: TGW-11
    // Unique local addresses may be those of several VPCs, as private ones.
    let net = with_hub(|d| {
        attach(d, "1-large", "10.9.0.0/16", "fd00:9::/56");
        attach(d, "2-small", "10.9.1.0/24", "fd00:9::/60");
    });
    let found = routes(&net);
    assert!(found.contains(&"10.9.0.0/16 1-large".to_owned()), "{found:?}");
    assert!(found.contains(&"fd00:9::/56 1-large".to_owned()), "{found:?}");
    assert!(!found.iter().any(|route| route.ends_with(" 2-small")), "inside: {found:?}");
    // The one that was there is the smaller one.
    let mut net = with_hub(|d| {
        attach(d, "1-small", "10.9.1.0/24", "fd00:9::/60");
        attach(d, "2-large", "10.9.0.0/16", "fd00:9::/56");
    });
    let found = routes(&net);
    assert!(found.contains(&"10.9.1.0/24 1-small".to_owned()), "{found:?}");
    assert!(found.contains(&"fd00:9::/60 1-small".to_owned()), "{found:?}");
    assert!(!found.iter().any(|route| route.ends_with(" 2-large")), "around: {found:?}");
    net.change(|d| {
        d["transit_gateway_vpc_attachments"].as_object_mut().unwrap().remove("1-small");
    });
    let found = routes(&net);
    assert!(found.contains(&"10.9.0.0/16 2-large".to_owned()), "{found:?}");
}

#[test]
fn an_attachment_that_waits_keeps_nobody_from_propagating() {
    // proves: TGW-11
    for (state, takes) in [("pending-acceptance", false), ("deleted", false), ("available", true)] {
        let net = with_hub(|d| {
            attach(d, "0", "10.1.0.0/16", "fd00:1::/56");
            d["transit_gateway_vpc_attachments"]["0"]["state"] = json!(state);
        });
        let routes = routes(&net);
        assert_eq!(routes.contains(&"10.1.0.0/16 0".to_owned()), takes, "{state}: {routes:?}");
        assert_eq!(routes.contains(&"10.1.0.0/16 a".to_owned()), !takes, "{state}: {routes:?}");
    }
}

#[test]
fn an_attachment_may_be_associated_by_default_and_not_propagate() {
    // proves: TGW-02
    let mut net = with_hub(|d| {
        d["transit_gateway_vpc_attachments"]["a"]["transit_gateway_default_route_table_propagation"] =
            json!(false);
        d["security_groups"]["a-open"]["ingress"] = json!([everything()]);
    });
    net.send("a-one", &Packet::new(&v4("a-one"), &v4("b-one"), syn(1, 2))).arrives_at("b-one");
    net.send("a-one", &Packet::new(&v6("a-one"), &v6("b-one"), syn(1, 2))).arrives_at("b-one");
    net.send("b-one", &Packet::new(&v4("b-one"), &v4("a-one"), syn(1, 2))).dies_of("packets-lost-no-route");
    net.send("b-one", &Packet::new(&v6("b-one"), &v6("a-one"), syn(1, 2))).dies_of("packets-lost-no-route");
}

#[test]
fn a_route_to_a_gateway_whose_attachment_does_not_work_is_a_black_hole() {
    // proves: RT-25
    for state in ["pending-acceptance", "deleted", "failed"] {
        let mut net = with_hub(|d| d["transit_gateway_vpc_attachments"]["a"]["state"] = json!(state));
        net.send("a-one", &Packet::new(&v4("a-one"), &v4("b-one"), syn(1, 2))).dies_of("blackhole");
        net.send("a-one", &Packet::new(&v6("a-one"), &v6("b-one"), syn(1, 2))).dies_of("blackhole");
    }
}
