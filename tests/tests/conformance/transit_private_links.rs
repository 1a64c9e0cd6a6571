//! Areas VPN, DX and TGW: what do private links carry to a transit gateway?

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vpclab_engine::Outcome;
use vpclab_engine::plan::Verdict;
use vpclab_tests::frames;
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{ping, syn, udp};

use crate::networks::{everything, packet};
use crate::private_networks::{APP, APP_V6, DESK, DESK_V6, document, twin};

/// The network of private links with a transit gateway `tgw` in place of the virtual private gateway.
fn hub() -> Value {
    let mut d = document();
    d["vpn_gateways"] = json!({});
    d["transit_gateways"] = json!({ "tgw": {} });
    d["transit_gateway_vpc_attachments"] = json!({ "att": { "transit_gateway": "tgw", "vpc": "v", "subnets": ["a"], "ipv6_support": "enable" } });
    d["route_tables"]["t"] = json!({ "vpc": "v", "routes": [
        { "cidr_block": "192.168.0.0/16", "transit_gateway": "tgw" },
        { "ipv6_cidr_block": "fd12::/48", "transit_gateway": "tgw" } ] });
    d["vpn_connections"]["vpn"] = json!({ "transit_gateway": "tgw", "customer_gateway": "cgw" });
    d
}

fn with(change: impl FnOnce(&mut Value)) -> Net {
    let mut d = hub();
    change(&mut d);
    Net::new(d)
}

/// Two sites with the same addresses behind connections of the transit gateway.
fn twins(d: &mut Value) {
    twin(d);
    d["vpn_connections"]["vpn2"] = json!({ "transit_gateway": "tgw", "customer_gateway": "cgw2" });
}

/// A Direct Connect gateway with a transit virtual interface of the network `dc`, which has the desk's addresses.
fn direct_connect(d: &mut Value, name: &str) {
    d["dx_gateways"][format!("{name}-dx")] = json!({ "amazon_side_asn": 64600 });
    d["dx_gateway_associations"][format!("{name}-dxa")] = json!({ "dx_gateway": format!("{name}-dx"),
        "transit_gateway": "tgw", "allowed_prefixes": ["10.0.0.0/16"] });
    d["dx_transit_virtual_interfaces"][format!("{name}-vif")] =
        json!({ "dx_gateway": format!("{name}-dx"), "bgp_asn": 65010 });
    d["customer_networks"][name] = json!({ "cidr_blocks": ["192.168.0.0/16"], "virtual_interfaces": [format!("{name}-vif")], "mtu": 9001 });
    d["customer_hosts"][format!("{name}-host")] = json!({ "customer_network": name, "address": DESK });
}

fn receivers(net: &mut Net) -> BTreeSet<String> {
    let flows = (0..64).map(|port| packet(APP, DESK, udp(40_000 + port, 53)));
    flows.map(|flow| net.send("app", &flow).delivered().expect("delivered").0).collect()
}

fn only(name: &str) -> BTreeSet<String> {
    BTreeSet::from([name.to_owned()])
}

fn sized(net: &Net, from: &str, source: &str, destination: &str, size: usize) -> Vec<u8> {
    let request = packet(source, destination, ping(1));
    frames::frame(&request, net.mac(from), net.next_hop(from, request.dst), &vec![0; size - 28])
}

#[test]
fn a_dynamic_connection_carries_both_families_by_what_the_two_sides_announce() {
    // proves: VGW-08
    let mut net = with(|_| {});
    for (app, desk) in [(APP, DESK), (APP_V6, DESK_V6)] {
        assert!(net.converses("app", &packet(app, desk, syn(40_000, 80))));
        assert!(net.converses("desk", &packet(desk, app, syn(40_001, 80))));
    }
    // What the table of the attachment does not hold is not announced.
    net.send("desk", &packet(DESK, "10.9.0.1", udp(1, 2))).dies_of("customer-no-route");
    net.change(|d| d["vpn_connections"]["vpn"]["tunnels"] = json!(["down", "down"]));
    net.send("app", &packet(APP, DESK, udp(1, 2))).dies_of("packets-lost-no-route");
    net.send("desk", &packet(DESK, APP, udp(1, 2))).dies_of("customer-no-route");
}

#[test]
fn a_static_connection_is_routed_by_the_tables_of_both_sides() {
    // proves: VPN-10
    let mut net = with(|d| {
        d["vpn_connections"]["vpn"]["static_routes_only"] = json!(true);
    });
    net.send("app", &packet(APP, DESK, udp(1, 2))).dies_of("packets-lost-no-route");
    net.change(|d| {
        d["transit_gateway_route_tables"]["tgw/default"] = json!({ "transit_gateway": "tgw",
            "routes": [{ "destination_cidr_block": "192.168.0.0/16", "attachment": "vpn" }] });
    });
    net.send("app", &packet(APP, DESK, udp(1, 2))).arrives_at("desk");
    net.send("desk", &packet(DESK, APP, udp(1, 2))).dies_of("customer-no-route");
    net.change(|d| {
        d["customer_networks"]["office"]["routes"] = json!([{ "cidr_block": "10.0.0.0/8", "link": "vpn" }]);
    });
    assert!(net.converses("desk", &packet(DESK, APP, syn(40_000, 80))));
    // The route stays when the tunnels go down, and leads nowhere.
    net.change(|d| d["vpn_connections"]["vpn"]["tunnels"] = json!(["down", "down"]));
    net.send("app", &packet(APP, DESK, udp(3, 4))).dies_of("private-link-down");
}

#[test]
fn of_equal_prefixes_the_vpcs_then_direct_connect_then_vpn_with_the_shorter_path_then_the_lower_med() {
    // proves: TGW-05, TGW-07
    let mut net = with(|d| {
        twins(d);
        direct_connect(d, "dc");
        d["dx_transit_virtual_interfaces"]["dc-vif"]["bgp_routes"] =
            json!([{ "cidr_block": "192.168.0.0/16", "as_path": [65010, 65011, 65012] }]);
    });
    assert_eq!(receivers(&mut net), only("dc-host"), "Direct Connect, with the longest path");
    net.change(|d| d["dx_transit_virtual_interfaces"]["dc-vif"]["state"] = json!("down"));
    let mut announce = |vpn: &str, path: &[u32], med: Option<u32>| {
        net.change(|d| {
            let mut route = json!({ "cidr_block": "192.168.0.0/16", "as_path": path });
            if let Some(med) = med {
                route["med"] = json!(med);
            }
            d["vpn_connections"][vpn]["bgp_routes"] = json!([route]);
        });
        receivers(&mut net)
    };
    assert_eq!(announce("vpn", &[65001, 65003], None), only("till"), "the shorter path");
    assert_eq!(announce("vpn", &[65001], Some(99)), only("desk"), "a lower metric than 100");
    assert_eq!(announce("vpn", &[65001], Some(101)), only("till"), "a higher one");
    // Static before all of them, and a VPC's own before what is announced.
    net.change(|d| {
        d["transit_gateway_route_tables"]["tgw/default"] = json!({ "transit_gateway": "tgw",
            "routes": [{ "destination_cidr_block": "192.168.0.0/16", "attachment": "vpn" }] });
    });
    assert_eq!(receivers(&mut net), only("desk"));
    net.change(|d| {
        d["transit_gateway_route_tables"] = json!({});
        d["vpcs"]["w"] = json!({ "cidr_block": "192.168.0.0/16" });
        d["subnets"]["x"] = json!({ "vpc": "w", "cidr_block": "192.168.0.0/24" });
        d["security_groups"]["wide"] = json!({ "vpc": "w", "ingress": [everything()] });
        d["instances"]["far"] = json!({ "subnet": "x", "private_ip": DESK, "security_groups": ["wide"] });
        d["transit_gateway_vpc_attachments"]["watt"] =
            json!({ "transit_gateway": "tgw", "vpc": "w", "subnets": ["x"] });
    });
    assert_eq!(receivers(&mut net), only("far"));
}

#[test]
fn equal_dynamic_connections_share_the_flows_where_the_gateway_supports_it() {
    // proves: TGW-19, VPN-11
    let mut net = with(|d| {
        twins(d);
        d["customer_gateways"]["cgw2"]["bgp_asn"] = json!(65001);
    });
    assert_eq!(receivers(&mut net).len(), 2);
    // A flow keeps to its own.
    let first = net.send("app", &packet(APP, DESK, udp(9, 9))).delivered().unwrap().0;
    for _ in 0..8 {
        net.send("app", &packet(APP, DESK, udp(9, 9))).arrives_at(&first);
    }
    net.change(|d| d["transit_gateways"]["tgw"]["vpn_ecmp_support"] = json!("disable"));
    assert_eq!(receivers(&mut net).len(), 1, "not supported");
    net.change(|d| {
        d["transit_gateways"]["tgw"]["vpn_ecmp_support"] = json!("enable");
        d["customer_gateways"]["cgw2"]["bgp_asn"] = json!(65002);
    });
    assert_eq!(receivers(&mut net).len(), 1, "not across autonomous systems");
    // Direct Connect gateways: with exactly equal paths, and never together with VPN.
    net.change(|d| {
        direct_connect(d, "dc");
        direct_connect(d, "ec");
    });
    assert_eq!(receivers(&mut net), BTreeSet::from(["dc-host".to_owned(), "ec-host".to_owned()]));
    net.change(|d| d["dx_transit_virtual_interfaces"]["ec-vif"]["bgp_asn"] = json!(65020));
    assert_eq!(receivers(&mut net).len(), 1);
}

#[test]
fn a_vpn_attachment_carries_1500_bytes_of_which_the_tunnel_takes_its_part() {
    // proves: TGW-25, TGW-26
    let mut net = with(|_| {});
    for (from, source, destination, to) in [("app", APP, DESK, "desk"), ("desk", DESK, APP, "app")] {
        let fits = sized(&net, from, source, destination, 1446);
        net.send_frame(from, &fits).arrives_at(to);
        let in_the_tunnel = sized(&net, from, source, destination, 1500);
        net.send_frame(from, &in_the_tunnel).dies_of("mtu-exceeded");
        let opening = packet(source, destination, syn(40_000, 80));
        let frame = frames::frame(&opening, net.mac(from), net.next_hop(from, opening.dst), b"");
        let Verdict::Forward(forward) = net.plan(from, &frame).verdict else { panic!("not forwarded") };
        assert_eq!(forward.rewrite.max_segment_size, Some(1406));
    }
    // Who sends from a VPC is told of the attachment's limit; who comes over the VPN is told nothing.
    let jumbo = sized(&net, "app", APP, DESK, 1501);
    let fate = net.send_frame("app", &jumbo);
    assert!(matches!(fate.outcome, Outcome::Dropped(why) if why.name() == "packets-lost-mtu-exceeded"));
    let [(to, error)] = fate.sent.as_slice() else { panic!("{:?}", fate.sent) };
    assert_eq!((to.as_str(), frames::read(error).unwrap().mtu), ("app", Some(1500)));
    net.change(|d| d["customer_networks"]["office"]["mtu"] = json!(9001));
    let jumbo = sized(&net, "desk", DESK, APP, 1501);
    net.send_frame("desk", &jumbo).dies_of("mtu-exceeded");
}

#[test]
fn a_direct_connect_gateway_announces_exactly_the_allowed_prefixes_of_a_transit_gateway() {
    // proves: DX-07, DX-01, TGW-25
    let mut net = with(|d| {
        d["vpn_connections"] = json!({});
        direct_connect(d, "dc");
    });
    assert!(net.converses("app", &packet(APP, DESK, syn(40_000, 80))));
    for (allowed, reaches) in [("10.0.0.0/24", false), ("10.0.1.0/24", true), ("10.0.0.0/8", true)] {
        net.change(|d| d["dx_gateway_associations"]["dc-dxa"]["allowed_prefixes"] = json!([allowed]));
        let fate = net.send("dc-host", &packet(DESK, APP, udp(1, 2)));
        if reaches {
            fate.arrives_at("app");
        } else {
            fate.dies_of("customer-no-route");
        }
    }
    // What is allowed is announced, whether anything is there or not.
    net.send("dc-host", &packet(DESK, "10.9.0.1", udp(1, 2))).dies_of("packets-lost-no-route");
    // Jumbo packets where the virtual interface takes them; of one that is too large over Direct Connect nobody hears.
    for (mtu, larger) in [(1500, "mtu-exceeded"), (8500, "packets-lost-mtu-exceeded")] {
        net.change(|d| d["dx_transit_virtual_interfaces"]["dc-vif"]["mtu"] = json!(mtu));
        let fits = sized(&net, "dc-host", DESK, APP, mtu);
        net.send_frame("dc-host", &fits).arrives_at("app");
        let too_large = sized(&net, "dc-host", DESK, APP, mtu + 1);
        net.send_frame("dc-host", &too_large).dies_of("mtu-exceeded");
        let too_large = sized(&net, "app", APP, DESK, mtu + 1);
        let fate = net.send_frame("app", &too_large);
        assert!(matches!(fate.outcome, Outcome::Dropped(why) if why.name() == larger), "{:?}", fate.outcome);
    }
}

#[test]
fn virtual_interfaces_of_one_direct_connect_gateway_share_the_flows_of_a_transit_gateway() {
    // proves: DX-08
    let mut net = with(|d| {
        d["vpn_connections"] = json!({});
        direct_connect(d, "dc");
        direct_connect(d, "ec");
        d["dx_gateways"] = json!({ "dc-dx": { "amazon_side_asn": 64600 } });
        d["dx_gateway_associations"].as_object_mut().unwrap().remove("ec-dxa");
        d["dx_transit_virtual_interfaces"]["ec-vif"]["dx_gateway"] = json!("dc-dx");
        for host in ["dc", "ec"] {
            d["customer_networks"][host]["ipv6_cidr_blocks"] = json!(["fd12::/48"]);
            d["customer_hosts"][format!("{host}-host")]["ipv6_address"] = json!(DESK_V6);
        }
    });
    for (app, desk) in [(APP, DESK), (APP_V6, DESK_V6)] {
        let flow = |port: u16| packet(app, desk, udp(40_000 + port, 53));
        let mut receiver = |port: u16| net.send("app", &flow(port)).delivered().expect("delivered").0;
        let first: Vec<String> = (0..64).map(&mut receiver).collect();
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 2, "{app}");
        let again: Vec<String> = (0..64).map(&mut receiver).collect();
        assert_eq!(first, again, "a flow keeps to its own");
    }
    // The better of two alone.
    net.change(|d| {
        d["dx_transit_virtual_interfaces"]["dc-vif"]["bgp_routes"] =
            json!([{ "cidr_block": "192.168.0.0/16", "as_path": [65010, 65010] }]);
    });
    assert_eq!(receivers(&mut net), only("ec-host"));
}

#[test]
fn of_what_two_transit_gateways_announce_the_longer_prefix_leads_to_its_own() {
    // proves: DX-07
    for (wide, narrow) in [("a-wide", "b-narrow"), ("b-wide", "a-narrow")] {
        let mut net = with(|d| {
            d["vpn_connections"] = json!({});
            direct_connect(d, "dc");
            d["vpcs"]["w"] = json!({ "cidr_block": "10.1.0.0/16" });
            d["route_tables"]["w"] = json!({ "vpc": "w", "routes": [
                { "cidr_block": "192.168.0.0/16", "transit_gateway": "second" } ] });
            d["subnets"]["x"] = json!({ "vpc": "w", "cidr_block": "10.1.1.0/24", "route_table": "w" });
            d["security_groups"]["wide"] = json!({ "vpc": "w", "ingress": [everything()] });
            d["instances"]["far"] =
                json!({ "subnet": "x", "private_ip": "10.1.1.10", "security_groups": ["wide"] });
            d["transit_gateways"]["second"] = json!({});
            d["transit_gateway_vpc_attachments"]["second-w"] =
                json!({ "transit_gateway": "second", "vpc": "w", "subnets": ["x"] });
            let of = |gateway: &str, block: &str| json!({ "dx_gateway": "dc-dx", "transit_gateway": gateway, "allowed_prefixes": [block] });
            d["dx_gateway_associations"] =
                json!({ wide: of("tgw", "10.0.0.0/8"), narrow: of("second", "10.1.0.0/16") });
        });
        for (instance, address) in [("app", APP), ("far", "10.1.1.10")] {
            assert!(net.converses("dc-host", &packet(DESK, address, syn(40_000, 80))), "{wide} {instance}");
        }
    }
}

#[test]
fn over_a_transit_gateway_customers_use_the_nat_gateway_of_a_vpc() {
    // proves: NAT-15, NAT-45
    let mut net = with(|d| {
        // A second site by Direct Connect, with addresses of its own.
        direct_connect(d, "dc");
        d["customer_networks"]["dc"]["cidr_blocks"] = json!(["172.16.0.0/16"]);
        d["customer_hosts"]["dc-host"]["address"] = json!("172.16.0.7");
        d["dx_gateway_associations"]["dc-dxa"]["allowed_prefixes"] =
            json!(["10.0.0.0/16", "198.51.100.0/24"]);
        d["internet_gateways"] = json!({ "igw": { "vpc": "v" } });
        d["eips"] = json!({ "e": {} });
        d["nat_gateways"] = json!({ "nat": { "subnet": "public", "allocation": "e" } });
        d["route_tables"]["p"] = json!({ "vpc": "v", "routes": [
            { "cidr_block": "0.0.0.0/0", "gateway": "igw" },
            { "cidr_block": "172.16.0.0/16", "transit_gateway": "tgw" },
            { "cidr_block": "192.168.0.0/16", "transit_gateway": "tgw" },
            { "ipv6_cidr_block": "fd12::/48", "transit_gateway": "tgw" } ] });
        d["subnets"]["public"] = json!({ "vpc": "v", "cidr_block": "10.0.2.0/24", "route_table": "p" });
        let routes = d["route_tables"]["t"]["routes"].as_array_mut().unwrap();
        routes.push(json!({ "cidr_block": "0.0.0.0/0", "nat_gateway": "nat" }));
        routes.push(json!({ "ipv6_cidr_block": "64:ff9b::/96", "nat_gateway": "nat" }));
        d["transit_gateway_route_tables"] = json!({ "tgw/default": { "transit_gateway": "tgw",
            "routes": [{ "destination_cidr_block": "0.0.0.0/0", "attachment": "att" },
                { "destination_cidr_block": "64:ff9b::/96", "attachment": "att" }] } });
        d["internet_hosts"] = json!({ "client": { "address": "198.51.100.7" } });
    });
    for (guest, source, destination) in [
        ("desk", DESK, "198.51.100.7"),
        ("dc-host", "172.16.0.7", "198.51.100.7"),
        ("desk", DESK_V6, "64:ff9b::c633:6407"),
    ] {
        for body in [syn(40_000, 443), udp(40_000, 53), ping(7)] {
            let request = packet(source, destination, body);
            let seen = net.send(guest, &request).arrives_at("client");
            assert_ne!(seen.src, request.src, "translated");
            assert!(net.converses(guest, &request), "{request:?}");
        }
    }
}

#[test]
fn nobody_gets_to_link_local_services_by_a_transit_gateway() {
    // proves: RT-13, RT-14
    let mut net = with(|d| {
        d["transit_gateway_route_tables"] = json!({ "tgw/default": { "transit_gateway": "tgw", "routes": [
            { "destination_cidr_block": "0.0.0.0/0", "attachment": "att" },
            { "destination_cidr_block": "::/0", "attachment": "att" } ] } });
        d["instances"]["app"]["source_dest_check"] = json!(false);
        d["route_tables"]["v/main"] = json!({});
        d["route_tables"]["t"]["routes"].as_array_mut().unwrap().extend([
            json!({ "cidr_block": "0.0.0.0/0", "network_interface": "app" }),
            json!({ "ipv6_cidr_block": "::/0", "network_interface": "app" }),
        ]);
    });
    for (from, to) in [(DESK, "169.254.169.254"), (DESK_V6, "fd00:ec2::254")] {
        net.send("desk", &packet(from, to, udp(1, 2))).dies_of("reserved-destination");
    }
    for (from, to) in [(DESK, "169.254.172.1"), (DESK_V6, "fd00:ec3::254")] {
        net.send("desk", &packet(from, to, udp(1, 2))).arrives_at("app");
    }
}

#[test]
fn a_transit_gateway_announces_neither_black_holes_nor_what_leads_back() {
    // TGW-04, TGW-08: what is announced is what the attachment's table leads to.
    let mut net = with(|d| {
        d["customer_gateways"]["cgw2"] = json!({ "bgp_asn": 65002, "ip_address": "198.51.100.2" });
        d["vpn_connections"]["vpn2"] = json!({ "transit_gateway": "tgw", "customer_gateway": "cgw2",
            "bgp_routes": [{ "cidr_block": "172.17.0.0/16" }, { "ipv6_cidr_block": "fd17::/48" }] });
        d["customer_networks"]["office"]["customer_gateways"] = json!(["cgw", "cgw2"]);
        d["transit_gateway_route_tables"] = json!({ "tgw/default": { "transit_gateway": "tgw", "routes": [
            { "destination_cidr_block": "10.9.0.0/16", "blackhole": true },
            { "destination_cidr_block": "fd09::/48", "blackhole": true },
            { "destination_cidr_block": "10.8.0.0/16", "attachment": "gone" },
            { "destination_cidr_block": "fd08::/48", "attachment": "gone" } ] } });
        // Routes outlive their attachment (TGW-09).
        d["vpcs"]["w"] = json!({ "cidr_block": "10.8.0.0/16" });
        d["subnets"]["x"] = json!({ "vpc": "w", "cidr_block": "10.8.1.0/24" });
        d["transit_gateway_vpc_attachments"]["gone"] =
            json!({ "transit_gateway": "tgw", "vpc": "w", "subnets": ["x"], "state": "deleted" });
    });
    for to in ["10.9.0.1", "10.8.0.1"] {
        net.send("desk", &packet(DESK, to, udp(1, 2))).dies_of("customer-no-route");
    }
    for to in ["fd09::1", "fd08::1"] {
        net.send("desk", &packet(DESK_V6, to, udp(1, 2))).dies_of("customer-no-route");
    }
    // What the office announces is in the office.
    net.send("desk", &packet(DESK, "172.17.0.1", udp(1, 2))).dies_of("no-such-customer-host");
    net.send("desk", &packet(DESK_V6, "fd17::1", udp(1, 2))).dies_of("no-such-customer-host");
    net.send("app", &packet(APP, DESK, udp(1, 2))).arrives_at("desk");
    net.send("desk", &packet(DESK, APP, udp(1, 2))).arrives_at("app");
}
