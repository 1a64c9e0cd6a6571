//! Area RT: where does a route lead?

use serde_json::{Value, json};
use vpclab_engine::Fabric;
use vpclab_model::{NotModelledKind, RouteState, RouteTarget};
use vpclab_tests::harness::{Net, mistakes, topology};
use vpclab_tests::packet::{syn, udp};

use crate::networks::{CLIENT, CLIENT_V6, DB, PEER, WEB, WEB_V6, accepted, document, packet, refused, with};

pub(crate) const BAD: &str = "InvalidParameterValue";

/// Replaces the routes of the public table.
pub(crate) fn routes(routes: Value) -> impl FnOnce(&mut Value) {
    move |d| d["route_tables"]["public"]["routes"] = routes
}

/// The target that the table `public` gives an address, in words.
pub(crate) fn lookup(net: &Net, address: &str) -> String {
    let table =
        net.fabric().route_tables.iter().find(|(_, table)| table.name.as_str() == "public").unwrap().1;
    let destination = table.lookup(address.parse().unwrap()).map(|route| route.destination);
    let declared = &net.topology.route_tables["public"].routes;
    match declared.iter().find(|route| Some(route.destination) == destination) {
        None => "none".into(),
        Some(route) => route.target.to_string(),
    }
}

/// Adds one of everything that routes lead to, called `x`, and a virtual private gateway.
fn every_target(d: &mut Value) {
    d["vpcs"]["w"] = json!({ "cidr_block": "10.5.0.0/16" });
    d["subnets"]["tgw"] = json!({ "vpc": "v", "cidr_block": "10.0.9.0/28" });
    d["egress_only_internet_gateways"] = json!({ "x": { "vpc": "v" } });
    d["nat_gateways"] = json!({ "x": { "subnet": "private", "connectivity_type": "private" } });
    d["vpn_gateways"] = json!({ "vgw": { "vpc": "v" } });
    d["vpc_peering_connections"] = json!({ "x": { "vpc": "v", "peer_vpc": "w", "auto_accept": true } });
    d["transit_gateways"] = json!({ "x": {} });
    d["transit_gateway_vpc_attachments"] =
        json!({ "x": { "transit_gateway": "x", "vpc": "v", "subnets": ["tgw"] } });
    d["vpc_endpoints"] = json!({ "x": { "vpc": "v", "vpc_endpoint_type": "GatewayLoadBalancer",
        "service_name": "com.amazonaws.vpce.us-east-1.vpce-svc-1", "subnets": ["private"] } });
    for kind in ["core_networks", "carrier_gateways", "local_gateways", "odb_networks"] {
        d[kind] = json!({ "x": {} });
    }
    d["instances"]["db"]["source_dest_check"] = json!(false);
}

#[test]
fn a_subnet_uses_its_own_table_or_the_main_one() {
    // proves: RT-02, RT-28
    let mut net = with(|_| {});
    net.send("web", &packet(WEB, CLIENT, syn(1, 2))).arrives_at("client");
    net.send("db", &packet(DB, CLIENT, syn(1, 2))).dies_of("no-route");
    // Another association breaks what the new table does not carry.
    net.change(|d| d["subnets"]["public"]["route_table"] = json!("main"));
    net.send("web", &packet(WEB, CLIENT, syn(1, 2))).dies_of("no-route");
    refused("subnets.public.route_table", BAD, |d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.5.0.0/16" });
        d["route_tables"]["foreign"] = json!({ "vpc": "w" });
        d["subnets"]["public"]["route_table"] = json!("foreign");
    });
    refused("route_tables.second.subnets[0]", "Resource.AlreadyAssociated", |d| {
        d["route_tables"]["second"] = json!({ "vpc": "v", "subnets": ["public"] });
    });
}

#[test]
fn a_new_main_table_governs_all_that_have_none_of_their_own() {
    // proves: RT-03
    let mut net = with(|d| {
        d["eips"] = json!({ "e": { "network_interface": "db" } });
        d["route_tables"]["other"] =
            json!({ "vpc": "v", "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }] });
    });
    net.send("db", &packet(DB, CLIENT, syn(1, 2))).dies_of("no-route");
    net.change(|d| {
        d["vpcs"]["v"]["main_route_table"] = json!("other");
        d["route_tables"]["public"]["routes"] = json!([]);
    });
    net.send("db", &packet(DB, CLIENT, syn(1, 2))).arrives_at("client");
    net.send("web", &packet(WEB, CLIENT, syn(1, 2))).dies_of("no-route");
}

#[test]
fn the_longest_match_decides_in_each_family() {
    // proves: RT-05, RT-09
    // VEC-01, VEC-02: with the targets there are.
    let net = with(routes(json!([
        { "cidr_block": "0.0.0.0/0", "gateway": "igw" },
        { "cidr_block": "172.31.0.0/16", "network_interface": "db" },
        { "cidr_block": "172.31.9.0/24", "network_interface": "peer" },
        { "ipv6_cidr_block": "::/0", "gateway": "igw" },
        { "ipv6_cidr_block": "2600::/16", "network_interface": "db" },
    ])));
    for (address, target) in [
        ("10.0.200.1", "local"),
        ("172.31.8.9", "db"),
        ("172.31.9.9", "peer"),
        ("8.8.8.8", "igw"),
        ("2001:db8:1:5::1", "local"),
        ("2600::1", "db"),
        ("2a00::1", "igw"),
    ] {
        assert_eq!(lookup(&net, address), target, "{address}");
    }
    assert_eq!(lookup(&with(routes(json!([]))), "8.8.8.8"), "none");
    assert_eq!(
        lookup(&with(routes(json!([{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }]))), "2600::1"),
        "none"
    );
}

#[test]
fn a_route_inside_the_vpc_is_for_a_whole_subnet_and_a_target_inside() {
    // proves: RT-11
    let to = |block: &str, target: Value| {
        let mut route = json!({ "cidr_block": block });
        route.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
        routes(json!([route]))
    };
    accepted(to("10.0.2.0/24", json!({ "network_interface": "peer" })));
    let place = "route_tables.public.routes[0]";
    for block in ["10.0.2.10/32", "10.0.2.0/25", "10.0.2.0/23", "10.0.9.0/24"] {
        refused(&format!("{place}.cidr_block"), BAD, to(block, json!({ "network_interface": "peer" })));
    }
    let targets = |attribute: &'static str, name: &'static str| {
        let route = to("10.0.2.0/24", json!({ attribute: name }));
        move |d: &mut Value| {
            every_target(d);
            route(d);
        }
    };
    for (attribute, name) in
        [("network_interface", "db"), ("instance", "db"), ("nat_gateway", "x"), ("vpc_endpoint", "x")]
    {
        accepted(targets(attribute, name));
    }
    for (attribute, name) in [
        ("gateway", "igw"),
        ("gateway", "vgw"),
        ("vpc_peering_connection", "x"),
        ("transit_gateway", "x"),
        ("core_network", "x"),
        ("carrier_gateway", "x"),
        ("local_gateway", "x"),
        ("odb_network", "x"),
    ] {
        refused(&format!("{place}.{attribute}"), BAD, targets(attribute, name));
    }
    // Outside the VPC, any block will do.
    accepted(to("172.16.0.9/32", json!({ "network_interface": "peer" })));
}

#[test]
fn a_local_route_may_be_given_another_target_and_back() {
    // proves: RT-12, RT-44
    let net = with(routes(json!([{ "cidr_block": "10.0.0.0/16", "network_interface": "db" }])));
    assert_eq!(lookup(&net, "10.0.77.1"), "db");
    assert_eq!(lookup(&net, "2001:db8:1:5::1"), "local", "each local route by itself");
    let net = with(routes(json!([{ "cidr_block": "10.0.0.0/16", "gateway": "local" }])));
    assert_eq!(lookup(&net, "10.0.77.1"), "local");
    refused(
        "route_tables.public.routes[0].gateway",
        BAD,
        routes(json!([{ "cidr_block": "10.0.2.0/24", "gateway": "local" }])),
    );
    refused(
        "route_tables.public.routes[0].gateway",
        BAD,
        routes(json!([{ "cidr_block": "10.0.0.0/16", "gateway": "igw" }])),
    );
}

#[test]
fn no_route_leads_to_link_local_services() {
    // proves: RT-13, RT-14
    for block in ["169.254.168.0/22", "169.254.169.0/24", "169.254.169.254/32"] {
        let route = json!([{ "cidr_block": block, "network_interface": "db" }]);
        refused("route_tables.public.routes[0].cidr_block", BAD, routes(route));
    }
    for block in ["fd00:ec2::/32", "fd00:ec2::254/128"] {
        let route = json!([{ "ipv6_cidr_block": block, "network_interface": "db" }]);
        refused("route_tables.public.routes[0].ipv6_cidr_block", BAD, routes(route));
    }
    // Larger ones are accepted, and do not take such packets along.
    let mut net = with(|d| {
        d["instances"]["db"]["source_dest_check"] = json!(false);
        d["route_tables"]["public"]["routes"] = json!([
            { "cidr_block": "169.254.0.0/16", "network_interface": "db" },
            { "ipv6_cidr_block": "fd00::/16", "network_interface": "db" },
        ]);
    });
    for (src, dst) in [(WEB, "169.254.168.9"), (WEB, "169.254.171.9"), (WEB_V6, "fd00:ec2::9")] {
        let fate = net.send("web", &packet(src, dst, udp(1, 2)));
        assert!(fate.delivered().is_none() && fate.sent.is_empty(), "{dst}");
    }
    net.send("web", &packet(WEB_V6, "fd00:ec3::9", udp(1, 2))).arrives_at("db");
}

#[test]
fn a_route_has_one_destination_and_one_target() {
    // proves: RT-15
    let place = "route_tables.public.routes[0]";
    for (route, problem) in [
        (json!({ "gateway": "igw" }), format!("{place}: MissingParameter")),
        (json!({ "cidr_block": "8.8.8.0/24" }), format!("{place}: MissingParameter")),
        (
            json!({ "cidr_block": "8.8.8.0/24", "ipv6_cidr_block": "2600::/16", "gateway": "igw" }),
            format!("{place}.ipv6_cidr_block: InvalidParameterCombination"),
        ),
        (
            json!({ "cidr_block": "8.8.8.0/24", "gateway": "igw", "network_interface": "db" }),
            format!("{place}: InvalidParameterCombination"),
        ),
    ] {
        let mut document = document();
        document["route_tables"]["public"]["routes"] = json!([route]);
        assert_eq!(mistakes(&document), [problem], "{route}");
    }
}

#[test]
fn a_destination_has_one_route() {
    // proves: RT-16
    let other = json!([
        { "cidr_block": "8.8.8.0/24", "gateway": "igw" },
        { "cidr_block": "8.8.8.0/24", "network_interface": "db" },
    ]);
    refused("route_tables.public.routes[1].cidr_block", "RouteAlreadyExists", routes(other));
    // OQ-28: the same again is no mistake.
    accepted(routes(json!([
        { "cidr_block": "8.8.8.0/24", "gateway": "igw" },
        { "cidr_block": "8.8.8.7/24", "gateway": "igw" },
    ])));
}

#[test]
fn an_instance_is_a_target_if_it_has_one_interface() {
    // proves: RT-17
    let route = json!([{ "cidr_block": "8.8.8.0/24", "instance": "db" }]);
    assert_eq!(lookup(&with(routes(route.clone())), "8.8.8.8"), "db");
    refused("route_tables.public.routes[0].instance", "InvalidInstanceID", |d| {
        routes(route)(d);
        d["network_interfaces"] = json!({ "second": { "subnet": "public", "attachment": { "instance": "db", "device_index": 1 } } });
    });
}

#[test]
fn a_route_whose_target_is_unplugged_is_a_black_hole_and_still_the_longest_match() {
    // proves: RT-25, RT-26, IGW-20
    let mut net = with(|d| {
        d["network_interfaces"] = json!({ "spare": { "subnet": "private" } });
        d["route_tables"]["public"]["routes"] = json!([
            { "cidr_block": "0.0.0.0/0", "gateway": "igw" },
            { "cidr_block": "198.51.100.0/24", "network_interface": "spare" },
        ]);
    });
    let states = |net: &Net| -> Vec<RouteState> {
        let routes = &net.topology.route_tables["public"].routes;
        routes.iter().filter(|route| route.target != RouteTarget::Local).map(|route| route.state).collect()
    };
    assert_eq!(states(&net), [RouteState::Active, RouteState::Blackhole]);
    net.send("web", &packet(WEB, CLIENT, syn(1, 2))).dies_of("blackhole");
    net.change(|d| {
        d["network_interfaces"]["spare"]["attachment"] = json!({ "instance": "db", "device_index": 1 });
    });
    assert_eq!(states(&net), [RouteState::Active, RouteState::Active]);
    let mut net = with(|d| d["internet_gateways"]["igw"] = json!({}));
    assert_eq!(states(&net), [RouteState::Blackhole, RouteState::Blackhole]);
    net.send("web", &packet(WEB, CLIENT, syn(1, 2))).dies_of("blackhole");
}

#[test]
fn declared_routes_and_local_ones_have_their_origins() {
    // proves: RT-27
    let net = with(|_| {});
    for route in &net.topology.route_tables["public"].routes {
        let expected = match route.target {
            RouteTarget::Local => vpclab_model::RouteOrigin::CreateRouteTable,
            _ => vpclab_model::RouteOrigin::CreateRoute,
        };
        assert_eq!(route.origin, expected);
    }
}

#[test]
fn without_a_route_a_packet_dies() {
    // proves: RT-29
    let mut net = with(routes(json!([])));
    net.send("web", &packet(WEB, CLIENT, syn(1, 2))).dies_of("no-route");
    net.send("web", &packet(WEB_V6, CLIENT_V6, syn(1, 2))).dies_of("no-route");
    net.send("web", &packet(WEB, DB, syn(1, 2))).arrives_at("db");
}

#[test]
fn a_gateway_of_another_vpc_is_no_target() {
    // proves: RT-33
    refused("route_tables.public.routes[0].gateway", "InvalidGatewayID.NotFound", |d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.5.0.0/16" });
        d["internet_gateways"]["other"] = json!({ "vpc": "w" });
        d["route_tables"]["public"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "gateway": "other" }]);
    });
    refused(
        "route_tables.public.routes[0].gateway",
        "InvalidGatewayID.NotFound",
        routes(json!([
        { "cidr_block": "0.0.0.0/0", "gateway": "nowhere" }])),
    );
    refused("route_tables.public.routes[0].network_interface", BAD, |d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.5.0.0/16" });
        d["subnets"]["w1"] = json!({ "vpc": "w", "cidr_block": "10.5.1.0/24" });
        d["instances"]["far"] = json!({ "subnet": "w1" });
        d["route_tables"]["public"]["routes"] =
            json!([{ "cidr_block": "0.0.0.0/0", "network_interface": "far" }]);
    });
}

#[test]
fn traffic_within_a_subnet_is_not_steered() {
    // proves: RT-42
    let mut net = with(|d| {
        d["instances"]["db"]["source_dest_check"] = json!(false);
        d["route_tables"]["public"]["routes"] =
            json!([{ "cidr_block": "10.0.1.0/24", "network_interface": "db" }]);
    });
    net.send("web", &packet(WEB, PEER, syn(1, 2))).arrives_at("peer");
}

#[test]
fn a_middlebox_between_two_subnets_needs_a_route_on_either_side() {
    // proves: RT-43
    let build = |both: bool| {
        with(|d| {
            d["subnets"]["middle"] = json!({ "vpc": "v", "cidr_block": "10.0.3.0/24" });
            d["instances"]["box"] = json!({ "subnet": "middle", "private_ip": "10.0.3.10",
                "source_dest_check": false, "security_groups": ["open"] });
            d["route_tables"]["public"]["routes"] =
                json!([{ "cidr_block": "10.0.2.0/24", "network_interface": "box" }]);
            if both {
                d["route_tables"]["private"] = json!({ "vpc": "v", "subnets": ["private"],
                    "routes": [{ "cidr_block": "10.0.1.0/24", "network_interface": "box" }] });
            }
        })
    };
    let (there, back) = (packet(WEB, DB, syn(1, 2)), packet(DB, WEB, syn(1, 2)));
    let mut net = build(true);
    net.send("web", &there).arrives_at("box");
    net.send("box", &there).arrives_at("db");
    net.send("db", &back).arrives_at("box");
    net.send("box", &back).arrives_at("web");
    build(false).send("db", &back).arrives_at("web");
}

#[test]
fn answers_follow_the_route_table_not_the_way_of_the_request() {
    // proves: RT-47
    let mut net = with(|_| {});
    let request = packet(CLIENT, crate::networks::WEB_PUBLIC, syn(50_000, 80));
    net.send("client", &request).arrives_at("web");
    net.change(|d| d["route_tables"]["public"]["routes"] = json!([]));
    net.send("client", &request).arrives_at("web");
    net.send("web", &packet(WEB, CLIENT, syn(80, 50_000))).dies_of("no-route");
}

#[test]
fn a_changed_route_touches_its_own_flows_only() {
    // proves: RT-50, RT-56
    let mut net = with(routes(json!([
        { "cidr_block": "0.0.0.0/0", "gateway": "igw" },
        { "cidr_block": "172.16.0.0/16", "network_interface": "db" },
    ])));
    net.change(|d| d["instances"]["db"]["source_dest_check"] = json!(false));
    let (out, aside) = (packet(WEB, CLIENT, syn(1, 2)), packet(WEB, "172.16.0.9", syn(1, 2)));
    net.send("web", &out).arrives_at("client");
    net.send("web", &aside).arrives_at("db");
    net.change(routes(json!([{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }])));
    net.send("web", &out).arrives_at("client");
    net.send("web", &aside).dies_of("private-destination");
    // Another association is atomic: one generation has the old table, the next the new one.
    let before = net.fabric().generation;
    net.change(|d| d["subnets"]["public"]["route_table"] = json!("main"));
    assert_ne!(net.fabric().generation, before);
    net.send("web", &out).dies_of("no-route");
    // All of it at once, in both families: what only the old table had is gone, and what only the new one has is there.
    net.change(|d| {
        d["route_tables"]["aside"] = json!({ "vpc": "v", "routes": [
            { "cidr_block": "172.16.0.0/16", "network_interface": "db" },
            { "ipv6_cidr_block": "2001:db8:ffff::/48", "network_interface": "db" }] });
        d["subnets"]["public"]["route_table"] = json!("public");
        d["route_tables"]["public"]["routes"] = json!([
            { "cidr_block": "0.0.0.0/0", "gateway": "igw" }, { "ipv6_cidr_block": "::/0", "gateway": "igw" }]);
    });
    let out_v6 = packet(WEB_V6, CLIENT_V6, syn(1, 2));
    net.send("web", &out).arrives_at("client");
    net.send("web", &out_v6).arrives_at("client");
    net.change(|d| d["subnets"]["public"]["route_table"] = json!("aside"));
    net.send("web", &out).dies_of("no-route");
    net.send("web", &aside).arrives_at("db");
    net.send("web", &out_v6).arrives_at("db");
}

#[test]
fn a_route_leads_to_every_documented_target_and_each_does_what_is_known_of_it() {
    // proves: RT-30
    // The attribute and the name, and why a packet that takes the route dies; none where somebody gets it.
    for (attribute, name, dies_of) in [
        ("gateway", "igw", Some("private-destination")),
        ("nat_gateway", "x", Some("no-route")),
        ("network_interface", "db", None),
        ("instance", "db", None),
        ("gateway", "vgw", Some("vpn-gateway-no-route")),
        ("vpc_peering_connection", "x", Some("peering-foreign-destination")),
        ("transit_gateway", "x", Some("transit-gateway-zone")),
        ("vpc_endpoint", "x", Some("not-modelled")),
        ("core_network", "x", Some("not-modelled")),
        ("carrier_gateway", "x", Some("not-modelled")),
        ("local_gateway", "x", Some("not-modelled")),
        ("odb_network", "x", Some("not-modelled")),
    ] {
        let mut net = with(|d| {
            every_target(d);
            d["subnets"]["public"]["availability_zone"] = json!("us-east-1b");
            d["route_tables"]["public"]["routes"] =
                json!([{ "cidr_block": "172.16.0.0/12", attribute: name }]);
        });
        let sent = net.send("web", &packet(WEB, "172.16.0.1", syn(1, 2)));
        match dies_of {
            Some(reason) => sent.dies_of(reason),
            None => drop(sent.arrives_at("db")),
        }
        // By the id that AWS would show, or not at all.
        refused(
            &format!("route_tables.public.routes[0].{attribute}"),
            match attribute {
                "gateway" => "InvalidGatewayID.NotFound",
                "nat_gateway" => "InvalidNatGatewayID.NotFound",
                "network_interface" => "InvalidNetworkInterfaceID.NotFound",
                "instance" => "InvalidInstanceID.NotFound",
                "vpc_peering_connection" => "InvalidVpcPeeringConnectionID.NotFound",
                "transit_gateway" => "InvalidTransitGatewayID.NotFound",
                "vpc_endpoint" => "InvalidVpcEndpointId.NotFound",
                other => NotModelledKind::of(&format!("{other}s")).unwrap().not_found,
            },
            |d| {
                every_target(d);
                d["route_tables"]["public"]["routes"] =
                    json!([{ "cidr_block": "172.16.0.0/12", attribute: "nobody" }]);
            },
        );
    }
    // One for IPv6 only, one for a block of the VPC only.
    let mut net = with(|d| {
        every_target(d);
        d["route_tables"]["public"]["routes"] = json!([
            { "ipv6_cidr_block": "::/0", "egress_only_gateway": "x" },
            { "cidr_block": "10.0.0.0/16", "gateway": "local" }]);
    });
    net.send("web", &packet(WEB_V6, CLIENT_V6, syn(1, 2))).arrives_at("client");
    net.send("web", &packet(WEB, DB, syn(1, 2))).arrives_at("db");
}

#[test]
fn a_table_in_use_cannot_go() {
    // proves: RT-04
    refused("subnets.public.route_table", "InvalidRouteTableID.NotFound", |d| {
        d["route_tables"].as_object_mut().unwrap().remove("public");
    });
    let mut document = document();
    document["route_tables"].as_object_mut().unwrap().remove("public");
    document["subnets"]["public"].as_object_mut().unwrap().remove("route_table");
    let declared = topology(&document, None).unwrap();
    assert!(
        Fabric::compile(&declared, None)
            .route_tables
            .iter()
            .all(|(_, table)| table.name.as_str() != "public")
    );
    assert!(declared.route_tables.contains_key("v/main"), "the main table is always there");
}

#[test]
fn a_nat_gateway_takes_ipv4_and_the_prefix_of_nat64() {
    // proves: RT-32
    let with_nat = |route: Value| {
        move |d: &mut Value| {
            d["nat_gateways"] = json!({ "nat": { "subnet": "private", "connectivity_type": "private" } });
            d["route_tables"]["public"]["routes"] = json!([route]);
        }
    };
    accepted(with_nat(json!({ "cidr_block": "0.0.0.0/0", "nat_gateway": "nat" })));
    accepted(with_nat(json!({ "ipv6_cidr_block": "64:ff9b::/96", "nat_gateway": "nat" })));
    let at = "route_tables.public.routes[0].nat_gateway";
    for block in ["::/0", "2600::/16", "64:ff9b::/64"] {
        refused(at, BAD, with_nat(json!({ "ipv6_cidr_block": block, "nat_gateway": "nat" })));
    }
}
