//! Area RT: where may a written route lead?

use serde_json::{Value, json};
use vpclab_tests::packet::syn;

use crate::networks::{PEER, PEER_V6, WEB, WEB_V6, accepted, packet, refused, with};

const BAD: &str = "InvalidParameterValue";

/// The public subnet's table has this one route, in surroundings that have a gateway of each kind.
fn with_route(route: Value) -> impl FnOnce(&mut Value) {
    move |d| {
        d["transit_gateways"] = json!({ "hub": {} });
        d["transit_gateway_vpc_attachments"] =
            json!({ "att": { "transit_gateway": "hub", "vpc": "v", "subnets": ["private"] } });
        d["vpn_gateways"] = json!({ "vgw": { "vpc": "v" } });
        d["egress_only_internet_gateways"] = json!({ "eigw": { "vpc": "v" } });
        d["vpcs"]["w"] = json!({ "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:7::/56" });
        d["vpcs"]["x"] = json!({ "cidr_block": "10.5.0.0/16" });
        d["subnets"]["twin"] = json!({ "vpc": "w", "cidr_block": "10.0.9.0/24" });
        d["vpc_peering_connections"] = json!({
            "vx": { "vpc": "v", "peer_vpc": "x", "auto_accept": true },
            "wx": { "vpc": "x", "peer_vpc": "w", "auto_accept": true },
        });
        d["route_tables"]["public"]["routes"] = json!([route]);
    }
}

#[test]
fn inside_the_vpc_only_an_interface_or_a_nat_gateway_is_a_target() {
    // proves: RT-11, RT-12
    for (key, name) in [
        ("transit_gateway", "hub"),
        ("vpc_peering_connection", "vx"),
        ("gateway", "vgw"),
        ("gateway", "igw"),
        ("egress_only_gateway", "eigw"),
    ] {
        let place = format!("route_tables.public.routes[0].{key}");
        let blocks = [
            ("cidr_block", "10.0.2.0/24"),
            ("cidr_block", "10.0.0.0/16"),
            ("ipv6_cidr_block", "2001:db8:1:2::/64"),
            ("ipv6_cidr_block", "2001:db8:1::/56"),
        ];
        for (family, block) in blocks {
            refused(&place, BAD, with_route(json!({ family: block, key: name })));
        }
    }
    for (family, block) in [("cidr_block", "10.0.2.0/24"), ("ipv6_cidr_block", "2001:db8:1:2::/64")] {
        accepted(with_route(json!({ family: block, "network_interface": "peer" })));
    }
}

#[test]
fn a_block_inside_the_vpc_is_that_of_a_subnet_of_its_own() {
    // proves: RT-11
    let to = |family: &str, block: &str| with_route(json!({ family: block, "network_interface": "peer" }));
    let place = "route_tables.public.routes[0]";
    // Another VPC has such a subnet.
    refused(&format!("{place}.cidr_block"), BAD, to("cidr_block", "10.0.9.0/24"));
    for block in ["2001:db8:1:2::/65", "2001:db8:1:9::/64", "2001:db8:1:2::10/128"] {
        refused(&format!("{place}.ipv6_cidr_block"), BAD, to("ipv6_cidr_block", block));
    }
}

#[test]
fn a_connection_between_two_others_and_a_services_own_interface_are_no_targets() {
    // proves: RT-33
    let code = "InvalidVpcPeeringConnectionID.NotFound";
    let route = json!({ "cidr_block": "10.5.0.0/16", "vpc_peering_connection": "wx" });
    refused("route_tables.public.routes[0].vpc_peering_connection", code, with_route(route));
    accepted(with_route(json!({ "cidr_block": "10.5.0.0/16", "vpc_peering_connection": "vx" })));
    let route = json!({ "cidr_block": "10.5.0.0/16", "network_interface": "nat/nat" });
    refused("route_tables.public.routes[0].network_interface", BAD, |d| {
        with_route(route)(d);
        d["nat_gateways"] = json!({ "nat": { "subnet": "private", "connectivity_type": "private" } });
    });
}

#[test]
fn what_is_steered_out_of_its_own_subnet_passes_the_acl() {
    // proves: RT-42, NACL-06
    let mut net = with(|d| {
        d["instances"]["db"]["source_dest_check"] = json!(false);
        d["route_tables"]["public"]["routes"] = json!([
            { "cidr_block": "10.0.1.0/24", "network_interface": "db" },
            { "ipv6_cidr_block": "2001:db8:1:1::/64", "network_interface": "db" },
        ]);
    });
    // Neighbours are not steered; who asks the router all the same leaves the subnet.
    for (source, destination) in [(WEB, PEER), (WEB_V6, PEER_V6)] {
        net.send("web", &packet(source, destination, syn(1, 2))).arrives_at("peer");
        net.send_by_router("web", &packet(source, destination, syn(1, 2))).arrives_at("db");
    }
    net.change(|d| {
        d["network_acls"]["acl"] = json!({ "vpc": "v", "egress": [] });
        d["subnets"]["public"]["network_acl"] = json!("acl");
    });
    for (source, destination) in [(WEB, PEER), (WEB_V6, PEER_V6)] {
        net.send("web", &packet(source, destination, syn(1, 2))).arrives_at("peer");
        net.send_by_router("web", &packet(source, destination, syn(3, 4))).dies_of("network-acl");
    }
}
