//! Area TGW: what is attached to a transit gateway, and where do its tables lead?

use serde_json::{Value, json};
use vpclab_model::{AttachmentState, TransitGatewayRouteSource, TransitGatewayRouteState};
use vpclab_tests::harness::{Net, topology};
use vpclab_tests::packet::{Body, Packet, ping, syn, udp};

use crate::transit_networks::{add_vpc, hub, hub_accepted, hub_refused, v4, v6, with_hub};

/// A request from one instance to another.
fn to(from: &str, to: &str) -> Packet {
    Packet::new(&v4(from), &v4(to), syn(40_000, 443))
}

/// The same in IPv6.
fn to_v6(from: &str, to: &str) -> Packet {
    Packet::new(&v6(from), &v6(to), syn(40_000, 443))
}

/// The destinations of a table's routes, each with the attachments that it leads to.
fn routes(net: &Net, table: &str) -> Vec<String> {
    let (_, table) = net.topology.find_transit_gateway_route_table(table).unwrap();
    let names = |route: &vpclab_model::TransitGatewayRoute| {
        route.attachments.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>().join(" ")
    };
    table.routes.iter().map(|route| format!("{} {}", route.destination, names(route))).collect()
}

/// A table of `hub` with these associations and routes.
fn table(associations: Value, propagations: Value, routes: Value) -> Value {
    json!({ "transit_gateway": "hub", "associations": associations, "propagations": propagations, "routes": routes })
}

#[test]
fn by_default_every_attached_vpc_reaches_every_other() {
    // proves: TGW-03
    let mut net = with_hub(|_| {});
    for (from, other) in [("a-one", "b-one"), ("b-one", "c-two"), ("c-two", "a-two")] {
        assert!(net.converses(from, &to(from, other)), "{from} {other}");
        assert!(net.converses(from, &Packet::new(&v6(from), &v6(other), ping(7))), "{from} {other}");
    }
    // Without the switches nobody joins a table.
    let mut net = with_hub(|d| {
        d["transit_gateways"]["hub"] = json!({ "default_route_table_association": "disable" });
    });
    net.send("a-one", &to("a-one", "b-one")).dies_of("transit-gateway-not-associated");
    net.change(|d| d["transit_gateways"]["hub"] = json!({ "default_route_table_propagation": false }));
    net.send("a-one", &to("a-one", "b-one")).dies_of("packets-lost-no-route");
    net.change(|d| {
        d["transit_gateways"]["hub"] = json!({ "default_route_table_association": "disable",
            "default_route_table_propagation": "disable" });
    });
    assert!(net.topology.transit_gateway_route_tables.is_empty());
}

#[test]
fn an_attachment_has_one_table_or_none_and_propagates_to_many() {
    // proves: TGW-02
    let mut net = with_hub(|d| {
        d["transit_gateway_vpc_attachments"]["a"]["transit_gateway_default_route_table_association"] =
            json!(false);
        d["transit_gateway_route_tables"] = json!({
            "x": table(json!(["c"]), json!(["a", "b"]), json!([])),
        });
    });
    net.send("a-one", &to("a-one", "b-one")).dies_of("transit-gateway-not-associated");
    net.send("a-one", &to_v6("a-one", "b-one")).dies_of("transit-gateway-not-associated");
    // It propagates all the same, to the default table and to `x`.
    net.send("b-one", &to("b-one", "a-one")).arrives_at("a-one");
    net.send("c-one", &to("c-one", "a-one")).arrives_at("a-one");
    hub_refused("transit_gateway_route_tables.y.associations[0]", "Resource.AlreadyAssociated", |d| {
        d["transit_gateway_route_tables"] = json!({
            "x": table(json!(["c"]), json!([]), json!([])), "y": table(json!(["c"]), json!([]), json!([])),
        });
    });
}

#[test]
fn the_table_of_the_attachment_that_a_packet_came_in_by_decides() {
    // proves: TGW-04, TGW-08
    let mut net = with_hub(|d| {
        d["transit_gateway_route_tables"] = json!({ "x": table(json!(["a"]), json!(["b", "c"]), json!([
            { "destination_cidr_block": "10.2.0.0/16", "blackhole": true },
            { "destination_cidr_block": "2001:db8:2::/56", "blackhole": true },
        ])) });
    });
    net.send("a-one", &to("a-one", "b-one")).dies_of("packets-lost-blackhole");
    net.send("a-one", &to_v6("a-one", "b-one")).dies_of("packets-lost-blackhole");
    // The other way round the table of b counts, which is another.
    net.send("b-one", &to("b-one", "a-one")).arrives_at("a-one");
    net.send("a-one", &to("a-one", "c-one")).arrives_at("c-one");
    let dropped: u64 = net
        .engine()
        .counters()
        .dropped
        .iter()
        .filter(|((_, name), _)| *name == "packets-lost-blackhole")
        .map(|(_, count)| count)
        .sum();
    assert_eq!(dropped, 2);
}

#[test]
fn the_longest_match_decides_then_static_then_prefix_list_then_propagated() {
    // proves: TGW-05, TGW-06
    let list = json!({ "address_family": "IPv4", "max_entries": 5, "entries": [
        { "cidr": "10.2.0.0/16" }, { "cidr": "10.3.0.0/16" }, { "cidr": "10.2.1.0/24" },
    ] });
    let mut net = with_hub(|d| {
        d["managed_prefix_lists"]["list"] = list;
        d["transit_gateway_route_tables"]["hub/default"] = json!({ "routes": [
            { "prefix_list": "list", "attachment": "a" },
            { "destination_cidr_block": "10.3.0.0/16", "attachment": "c" },
        ] });
    });
    // 10.1/16 is propagated; 10.2/16 is the list's, over b's own; 10.3/16 is static, over both.
    let ipv4: Vec<_> = routes(&net, "hub/default").into_iter().filter(|r| r.starts_with("10.")).collect();
    assert_eq!(ipv4, ["10.1.0.0/16 a", "10.2.0.0/16 a", "10.2.1.0/24 a", "10.3.0.0/16 c"]);
    net.send("b-one", &to("b-one", "c-one")).arrives_at("c-one");
    // By the list's route into a, whose attachment's subnet knows no way on.
    net.send("c-one", &to("c-one", "b-two")).dies_of("no-route");
    net.change(|d| {
        d["transit_gateway_route_tables"]["hub/default"]["routes"][0]["attachment"] = json!("b");
        d["transit_gateway_route_tables"]["hub/default"]["routes"][1] =
            json!({ "destination_cidr_block": "10.2.2.0/24", "blackhole": true });
    });
    net.send("c-one", &to("c-one", "b-one")).arrives_at("b-one");
    net.send("c-one", &to("c-one", "b-two")).dies_of("packets-lost-blackhole");
}

#[test]
fn a_prefix_list_in_a_table_is_a_route_for_each_entry() {
    // proves: TGW-43
    let list = |entries: Value| json!({ "address_family": "IPv4", "max_entries": 5, "entries": entries });
    let mut net = with_hub(|d| {
        d["managed_prefix_lists"]["list"] =
            list(json!([{ "cidr": "10.2.1.0/24" }, { "cidr": "10.3.1.0/24" }]));
        d["transit_gateway_route_tables"]["hub/default"] =
            json!({ "routes": [{ "prefix_list": "list", "blackhole": true }] });
    });
    net.send("a-one", &to("a-one", "b-one")).dies_of("packets-lost-blackhole");
    net.send("a-one", &to("a-one", "c-one")).dies_of("packets-lost-blackhole");
    net.send("a-one", &to("a-one", "b-two")).arrives_at("b-two");
    // Changes follow the list.
    net.change(|d| d["managed_prefix_lists"]["list"] = list(json!([{ "cidr": "10.2.2.0/24" }])));
    net.send("a-one", &to("a-one", "b-one")).arrives_at("b-one");
    net.send("a-one", &to("a-one", "b-two")).dies_of("packets-lost-blackhole");
    let (_, table) = net.topology.find_transit_gateway_route_table("hub/default").unwrap();
    let sources: Vec<_> = table.routes.iter().map(|route| route.source).collect();
    assert!(sources.contains(&TransitGatewayRouteSource::PrefixList), "{sources:?}");
    hub_refused(
        "transit_gateway_route_tables.hub/default.routes[0].prefix_list",
        "InvalidPrefixListID.NotFound",
        |d| {
            d["transit_gateway_route_tables"]["hub/default"] =
                json!({ "routes": [{ "prefix_list": "none", "blackhole": true }] });
        },
    );
}

#[test]
fn a_route_is_active_or_a_blackhole() {
    // proves: TGW-09
    let mut net = with_hub(|d| {
        d["transit_gateway_route_tables"]["hub/default"] = json!({ "routes": [
            { "destination_cidr_block": "10.2.1.0/24", "blackhole": true },
            { "destination_cidr_block": "10.2.2.0/24", "attachment": "b" },
        ] });
    });
    let states = |net: &Net| -> Vec<_> {
        let (_, table) = net.topology.find_transit_gateway_route_table("hub/default").unwrap();
        let in_b = table.routes.iter().filter(|route| route.destination.to_string().starts_with("10.2."));
        in_b.map(|route| (route.destination.to_string(), route.source, route.state)).collect()
    };
    let (active, blackhole) = (TransitGatewayRouteState::Active, TransitGatewayRouteState::Blackhole);
    let (declared, vpc) = (TransitGatewayRouteSource::Static, TransitGatewayRouteSource::Vpc);
    let route = |block: &str, source, state| (block.to_owned(), source, state);
    assert_eq!(
        states(&net),
        [
            route("10.2.0.0/16", vpc, active),
            route("10.2.1.0/24", declared, blackhole),
            route("10.2.2.0/24", declared, active)
        ]
    );
    net.send("a-one", &to("a-one", "b-two")).arrives_at("b-two");
    // The attachment goes: what it propagated goes with it, what was declared leads nowhere.
    net.change(|d| d["transit_gateway_vpc_attachments"]["b"]["state"] = json!("deleted"));
    assert_eq!(
        states(&net),
        [route("10.2.1.0/24", declared, blackhole), route("10.2.2.0/24", declared, blackhole)]
    );
    net.send("a-one", &to("a-one", "b-two")).dies_of("packets-lost-blackhole");
    // So do the routes of its VPC.
    net.send("b-one", &to("b-one", "a-one")).dies_of("blackhole");
}

#[test]
fn a_table_has_one_static_route_for_a_destination() {
    // proves: TGW-10
    let place = "transit_gateway_route_tables.hub/default.routes[1].destination_cidr_block";
    let two = |one: Value, other: Value| {
        move |d: &mut Value| {
            d["transit_gateway_route_tables"]["hub/default"] = json!({ "routes": [one, other] });
        }
    };
    let route = |to: &str| json!({ "destination_cidr_block": "192.168.0.0/16", "attachment": to });
    hub_refused(place, "RouteAlreadyExists", two(route("a"), route("b")));
    let hole = json!({ "destination_cidr_block": "192.168.0.0/16", "blackhole": true });
    hub_refused(place, "RouteAlreadyExists", two(route("a"), hole));
    hub_accepted(two(route("a"), route("a")));
    // Another target takes the place of the one before.
    let mut net = with_hub(two(route("a"), route("a")));
    net.change(|d| {
        d["transit_gateway_route_tables"]["hub/default"] = json!({ "routes": [route("b")] });
    });
    assert!(routes(&net, "hub/default").contains(&"192.168.0.0/16 b".to_owned()));
}

#[test]
fn blocks_that_overlap_those_of_an_attached_vpc_do_not_propagate() {
    // proves: TGW-11
    let mut net = with_hub(|d| {
        add_vpc(d, "a", 1);
        d["vpcs"]["twin"] = json!({ "cidr_block": "10.1.0.0/16", "secondary_cidr_blocks": ["10.9.0.0/16"] });
        d["subnets"]["twin"] = json!({ "vpc": "twin", "cidr_block": "10.1.1.0/24" });
        d["subnets"]["twin-far"] = json!({ "vpc": "twin", "cidr_block": "10.9.1.0/24" });
        d["security_groups"]["twin-open"] =
            json!({ "vpc": "twin", "ingress": [crate::networks::everything()] });
        d["instances"]["twin"] = json!({ "subnet": "twin", "private_ip": "10.1.1.77",
            "security_groups": ["twin-open"] });
        d["instances"]["twin-far"] = json!({ "subnet": "twin-far", "private_ip": "10.9.1.77",
            "security_groups": ["twin-open"] });
        d["transit_gateway_vpc_attachments"]["twin"] =
            json!({ "transit_gateway": "hub", "vpc": "twin", "subnets": ["twin"] });
    });
    assert_eq!(
        net.topology.find_transit_gateway_vpc_attachment("twin").unwrap().1.state,
        AttachmentState::Available
    );
    let found = routes(&net, "hub/default");
    assert!(
        found.contains(&"10.1.0.0/16 a".to_owned()) && found.contains(&"10.9.0.0/16 twin".to_owned()),
        "{found:?}"
    );
    net.send("b-one", &Packet::new(&v4("b-one"), "10.1.1.10", syn(1, 2))).arrives_at("a-one");
    net.send("b-one", &Packet::new(&v4("b-one"), "10.1.1.77", syn(1, 2))).dies_of("no-such-address");
    net.send("b-one", &Packet::new(&v4("b-one"), "10.9.1.77", syn(1, 2))).arrives_at("twin-far");
    // A static route does it.
    net.change(|d| {
        d["transit_gateway_route_tables"]["hub/default"] =
            json!({ "routes": [{ "destination_cidr_block": "10.1.1.77/32", "attachment": "twin" }] });
    });
    net.send("b-one", &Packet::new(&v4("b-one"), "10.1.1.77", syn(1, 2))).arrives_at("twin");
    // Who comes later yields, whatever its name.
    let before = topology(&hub(), None).unwrap();
    let mut document = hub();
    document["vpcs"]["0"] = json!({ "cidr_block": "10.1.0.0/16" });
    document["subnets"]["0"] = json!({ "vpc": "0", "cidr_block": "10.1.1.0/24" });
    document["transit_gateway_vpc_attachments"]["0"] =
        json!({ "transit_gateway": "hub", "vpc": "0", "subnets": ["0"] });
    let after = topology(&document, Some(&before)).unwrap();
    let withheld =
        |name: &str| after.find_transit_gateway_vpc_attachment(name).unwrap().1.not_propagated.len();
    assert_eq!((withheld("0"), withheld("a")), (1, 0));
    let again = topology(&document, Some(&after)).unwrap();
    assert_eq!(again.transit_gateway_vpc_attachments, after.transit_gateway_vpc_attachments);
}

#[test]
fn an_attachment_has_one_subnet_in_each_zone_and_takes_an_address_there() {
    // proves: TGW-12
    let attach = |subnets: Value| {
        move |d: &mut Value| {
            d["transit_gateway_vpc_attachments"]["a"]["subnets"] = subnets;
        }
    };
    let place = "transit_gateway_vpc_attachments.a.subnets";
    hub_refused(&format!("{place}[1]"), "DuplicateSubnetsInSameZone", attach(json!(["a-one", "a-door-one"])));
    hub_refused(place, "MissingParameter", attach(json!([])));
    hub_refused(&format!("{place}[0]"), "InvalidSubnetID.NotFound", attach(json!(["b-one"])));
    let net = with_hub(|d| {
        d["transit_gateway_vpc_attachments"]["a"]["ipv6_support"] = json!("disable");
    });
    let address = |attachment: &str, subnet: &str| {
        let (_, eni) = net.topology.find_interface(&format!("tgw-attach/{attachment}/{subnet}")).unwrap();
        (eni.private_ip.unwrap().to_string(), eni.ipv6_addresses.len())
    };
    assert_eq!(address("a", "a-door-one"), ("10.1.101.4".to_owned(), 0));
    assert_eq!(address("b", "b-door-two"), ("10.2.102.4".to_owned(), 1));
    // The address is taken, and nobody answers there.
    hub_refused("instances.a-one.private_ip", "InvalidIPAddress.InUse", |d| {
        d["transit_gateway_vpc_attachments"]["a"]["subnets"] = json!(["a-one"]);
        d["instances"]["a-one"]["private_ip"] = json!("10.1.1.4");
        d["instances"]["a-one"]["subnet"] = json!("a-one");
        d["network_interfaces"] = json!({ "0": { "subnet": "a-one", "private_ip": "10.1.1.4" } });
    });
    let mut net = with_hub(|_| {});
    let to_it = Packet::new(&v4("a-one"), "10.1.101.4", ping(1));
    net.send("a-one", &to_it).dies_of("transit-gateway-interface");
}

#[test]
fn subnets_of_attachments_have_ipv4_and_lie_in_availability_zones() {
    // proves: TGW-31
    let place = "transit_gateway_vpc_attachments.a.subnets[1]";
    let second = |subnet: Value| {
        move |d: &mut Value| {
            d["subnets"]["odd"] = subnet;
            d["transit_gateway_vpc_attachments"]["a"]["subnets"] = json!(["a-door-one", "odd"]);
        }
    };
    hub_refused(
        place,
        "InvalidParameterValue",
        second(json!({ "vpc": "a", "ipv6_native": true,
        "ipv6_cidr_block": "2001:db8:1:77::/64", "availability_zone": "us-east-1c" })),
    );
    hub_refused(
        place,
        "InvalidParameterValue",
        second(json!({ "vpc": "a", "cidr_block": "10.1.77.0/24",
        "ipv6_cidr_block": "2001:db8:1:77::/64", "availability_zone": "us-east-1-bos-1a" })),
    );
    hub_accepted(second(json!({ "vpc": "a", "cidr_block": "10.1.77.0/24",
        "ipv6_cidr_block": "2001:db8:1:77::/64", "availability_zone": "us-east-1c" })));
}

#[test]
fn route_tables_of_vpcs_get_no_routes_by_themselves() {
    // proves: TGW-16
    let mut net = with_hub(|d| d["route_tables"]["a"]["routes"] = json!([]));
    net.send("a-one", &to("a-one", "b-one")).dies_of("no-route");
    net.send("a-one", &to_v6("a-one", "b-one")).dies_of("no-route");
    let (_, table) = net.topology.find_route_table("a").unwrap();
    assert!(table.routes.iter().all(|route| route.target == vpclab_model::RouteTarget::Local));
}

#[test]
fn a_block_added_later_propagates_by_itself() {
    // proves: TGW-17
    let mut net = with_hub(|_| {});
    let packet = Packet::new(&v4("a-one"), "10.200.1.10", syn(1, 2));
    net.send("a-one", &packet).dies_of("packets-lost-no-route");
    net.change(|d| {
        d["vpcs"]["b"]["secondary_cidr_blocks"] = json!(["10.200.0.0/16"]);
        d["subnets"]["b-new"] = json!({ "vpc": "b", "cidr_block": "10.200.1.0/24", "route_table": "b" });
        d["instances"]["b-new"] = json!({ "subnet": "b-new", "private_ip": "10.200.1.10",
            "security_groups": ["b-open"] });
    });
    net.send("a-one", &packet).arrives_at("b-new");
}

#[test]
fn isolated_vpcs_reach_shared_services_and_not_each_other() {
    // proves: TGW-32, VEC-15
    let mut net = with_hub(|d| {
        d["transit_gateways"]["hub"] = json!({ "default_route_table_association": "disable",
            "default_route_table_propagation": "disable" });
        d["transit_gateway_route_tables"] = json!({
            "isolated": table(json!(["a", "b"]), json!(["c"]), json!([])),
            "shared": table(json!(["c"]), json!(["a", "b"]), json!([])),
        });
    });
    for (from, other) in [("a-one", "b-one"), ("b-two", "a-one")] {
        net.send(from, &to(from, other)).dies_of("packets-lost-no-route");
        net.send(from, &to_v6(from, other)).dies_of("packets-lost-no-route");
    }
    for (from, other) in [("a-one", "c-one"), ("b-two", "c-one"), ("c-two", "a-one")] {
        assert!(net.converses(from, &to(from, other)), "{from} {other}");
        assert!(net.converses(from, &to_v6(from, other)), "{from} {other}");
    }
}

#[test]
fn a_vpc_is_attached_to_a_gateway_once() {
    // proves: TGW-34, ERR-27
    let attach = |gateway: &str| json!({ "transit_gateway": gateway, "vpc": "a", "subnets": ["a-one"] });
    hub_refused("transit_gateway_vpc_attachments.again", "DuplicateTransitGatewayAttachment", |d| {
        d["transit_gateway_vpc_attachments"]["again"] = attach("hub");
    });
    hub_accepted(|d| {
        d["transit_gateways"]["other"] = json!({});
        d["transit_gateway_vpc_attachments"]["again"] = attach("other");
    });
    // One that is gone is not in the way.
    hub_accepted(|d| {
        d["transit_gateway_vpc_attachments"]["again"] = attach("hub");
        d["transit_gateway_vpc_attachments"]["again"]["state"] = json!("deleted");
    });
    hub_refused(
        "transit_gateway_vpc_attachments.again.transit_gateway",
        "InvalidTransitGatewayID.NotFound",
        |d| {
            d["transit_gateway_vpc_attachments"]["again"] = attach("none");
        },
    );
    hub_refused("route_tables.a.routes[0].transit_gateway", "InvalidTransitGatewayID.NotFound", |d| {
        d["transit_gateways"]["other"] = json!({});
        d["route_tables"]["a"]["routes"][0]["transit_gateway"] = json!("other");
    });
    hub_refused(
        "transit_gateway_route_tables.hub/default.routes[0].attachment",
        "InvalidTransitGatewayAttachmentID.NotFound",
        |d| {
            d["transit_gateway_route_tables"]["hub/default"] =
                json!({ "routes": [{ "destination_cidr_block": "10.0.0.0/8", "attachment": "none" }] });
        },
    );
    let waiting = |d: &mut Value| {
        d["transit_gateway_vpc_attachments"]["a"]["state"] = json!("pendingAcceptance");
        d["transit_gateway_route_tables"]["x"] = table(json!(["a"]), json!([]), json!([]));
    };
    hub_refused("transit_gateway_route_tables.x.associations[0]", "IncorrectState", waiting);
}

#[test]
fn a_gateway_has_the_documented_attributes_and_defaults() {
    // proves: TGW-27, TGW-39
    let net = with_hub(|_| {});
    let (_, gateway) = net.topology.find_transit_gateway("hub").unwrap();
    assert_eq!(gateway.amazon_side_asn, 64_512);
    assert!(gateway.default_route_table_association && gateway.default_route_table_propagation);
    assert!(gateway.vpn_ecmp_support && gateway.dns_support);
    assert!(!gateway.auto_accept_shared_attachments && !gateway.multicast_support);
    assert!(!gateway.security_group_referencing_support);
    for (asn, right) in [
        (64_511, false),
        (64_512, true),
        (65_534, true),
        (65_535, false),
        (4_199_999_999u32, false),
        (4_200_000_000, true),
        (4_294_967_294, true),
        (4_294_967_295, false),
    ] {
        let change = |d: &mut Value| d["transit_gateways"]["hub"]["amazon_side_asn"] = json!(asn);
        if right {
            hub_accepted(change);
        } else {
            hub_refused("transit_gateways.hub.amazon_side_asn", "InvalidParameterValue", change);
        }
    }
    let place = "transit_gateways.hub.transit_gateway_cidr_blocks";
    let blocks = |blocks: Value| {
        move |d: &mut Value| {
            d["transit_gateways"]["hub"]["transit_gateway_cidr_blocks"] = blocks;
        }
    };
    hub_accepted(blocks(json!(["192.0.2.0/24", "2001:db8:77::/64"])));
    for wrong in ["192.0.2.0/25", "2001:db8:77::/65", "169.254.10.0/24"] {
        hub_refused(&format!("{place}[0]"), "InvalidParameterValue", blocks(json!([wrong])));
    }
    let six: Vec<String> = (0..6).map(|n| format!("192.168.{n}.0/24")).collect();
    hub_refused(place, "InvalidParameterValue", blocks(json!(six)));
}

#[test]
fn an_attachment_has_the_documented_options_and_defaults() {
    // proves: TGW-28, TGW-23
    let net = with_hub(|d| {
        d["transit_gateways"]["hub"] = json!({ "security_group_referencing_support": "enable" });
        d["transit_gateway_vpc_attachments"]["a"] =
            json!({ "transit_gateway": "hub", "vpc": "a", "subnets": ["a-one"] });
    });
    let (_, attachment) = net.topology.find_transit_gateway_vpc_attachment("a").unwrap();
    assert!(attachment.dns_support && attachment.security_group_referencing_support);
    assert!(!attachment.ipv6_support && !attachment.appliance_mode_support);
    hub_refused("transit_gateway_peering_attachments.p.appliance_mode_support", "UnknownParameter", |d| {
        d["transit_gateways"]["other"] = json!({});
        d["transit_gateway_peering_attachments"]["p"] = json!({ "transit_gateway": "hub",
            "peer_transit_gateway": "other", "appliance_mode_support": "enable" });
    });
}

#[test]
fn an_attachment_of_another_account_waits_for_acceptance() {
    // proves: TGW-30
    let state = |net: &Net| net.topology.find_transit_gateway_vpc_attachment("a").unwrap().1.state;
    let mut net = with_hub(|d| d["transit_gateways"]["hub"]["owner"] = json!("210987654321"));
    assert_eq!(state(&net), AttachmentState::PendingAcceptance);
    net.send("a-one", &to("a-one", "b-one")).dies_of("blackhole");
    net.change(|d| d["transit_gateway_vpc_attachments"]["a"]["state"] = json!("rejected"));
    assert_eq!(state(&net), AttachmentState::Rejected);
    net.send("a-one", &to("a-one", "b-one")).dies_of("blackhole");
    for vpc in ["a", "b"] {
        net.change(|d| d["transit_gateway_vpc_attachments"][vpc]["state"] = json!("available"));
    }
    net.send("a-one", &to("a-one", "b-one")).arrives_at("b-one");
    let mut net = with_hub(|d| {
        d["transit_gateways"]["hub"] =
            json!({ "owner": "210987654321", "auto_accept_shared_attachments": "enable" });
    });
    net.send("a-one", &to("a-one", "b-one")).arrives_at("b-one");
    hub_refused("transit_gateway_vpc_attachments.a.state", "InvalidParameterValue", |d| {
        d["transit_gateway_vpc_attachments"]["a"]["state"] = json!("running");
    });
    // A gateway is attached to in its own region.
    let place = |vpc: &str| {
        format!("transit_gateway_vpc_attachments.{vpc}.transit_gateway: InvalidTransitGatewayID.NotFound")
    };
    let mut document = hub();
    document["transit_gateways"]["hub"]["region"] = json!("eu-west-1");
    assert_eq!(vpclab_tests::harness::mistakes(&document), [place("a"), place("b"), place("c")]);
}

#[test]
fn the_gateways_interfaces_are_its_own() {
    // proves: TGW-49
    let net = with_hub(|_| {});
    let (_, eni) = net.topology.find_interface("tgw-attach/a/a-door-one").unwrap();
    assert!(!eni.source_dest_check && eni.security_groups.is_empty());
    hub_refused("network_interfaces.tgw-attach/a/a-door-one", "InvalidParameterValue", |d| {
        d["network_interfaces"]["tgw-attach/a/a-door-one"] =
            json!({ "subnet": "a-door-one", "source_dest_check": true });
        d["transit_gateway_vpc_attachments"]["a"]["subnets"] = json!(["a-door-two"]);
    });
    hub_refused("route_tables.a.routes[0].network_interface", "InvalidParameterValue", |d| {
        d["route_tables"]["a"]["routes"] =
            json!([{ "cidr_block": "10.0.0.0/8", "network_interface": "tgw-attach/a/a-door-one" }]);
    });
}

#[test]
fn without_ipv6_support_ipv6_passes_and_does_not_propagate() {
    // proves: TGW-55
    let mut net = with_hub(|d| d["transit_gateway_vpc_attachments"]["b"]["ipv6_support"] = json!("disable"));
    net.send("a-one", &to("a-one", "b-one")).arrives_at("b-one");
    net.send("a-one", &to_v6("a-one", "b-one")).dies_of("packets-lost-no-route");
    // What is routed to the gateway enters, and a static route leads out.
    net.send("b-one", &to_v6("b-one", "a-one")).arrives_at("a-one");
    net.change(|d| {
        d["transit_gateway_route_tables"]["hub/default"] =
            json!({ "routes": [{ "destination_cidr_block": "2001:db8:2::/56", "attachment": "b" }] });
    });
    assert!(net.converses("a-one", &to_v6("a-one", "b-one")));
    let (_, eni) = net.topology.find_interface("tgw-attach/b/b-door-one").unwrap();
    assert!(eni.ipv6_addresses.is_empty());
    hub_refused("transit_gateway_vpc_attachments.a.ipv6_support", "InvalidParameterCombination", |d| {
        d["subnets"]["plain"] = json!({ "vpc": "a", "cidr_block": "10.1.77.0/24" });
        d["transit_gateway_vpc_attachments"]["a"]["subnets"] = json!(["plain"]);
    });
}

#[test]
fn gre_without_a_connect_peer_is_traffic_like_any_other() {
    // TGW-57, as far as there are no Connect peers.
    let mut net = with_hub(|_| {});
    let gre = Packet::new(&v4("a-one"), &v4("b-one"), Body::Other(47));
    net.send("a-one", &gre).arrives_at("b-one");
    net.change(|d| {
        d["transit_gateway_route_tables"]["hub/default"] =
            json!({ "routes": [{ "destination_cidr_block": "10.2.0.0/16", "blackhole": true }] });
    });
    net.send("a-one", &gre).dies_of("packets-lost-blackhole");
    net.send("a-one", &Packet::new(&v4("a-one"), &v4("c-one"), udp(1, 2))).arrives_at("c-one");
}
