//! Area RT: where does a gateway's own route table send what enters by it?

use serde_json::{Value, json};
use vpclab_engine::explain::{self, End, TrafficQuestion};
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Packet, syn};
use vpclab_wire::Protocol;

use crate::networks::{
    CLIENT, CLIENT_V6, DB, PEER, WEB, WEB_PUBLIC, WEB_V6, accepted, document, packet, refused, with,
};

const BAD: &str = "InvalidParameterValue";
const BOX: &str = "10.0.3.10";
const BOX_PUBLIC: &str = "203.0.113.30";
const BOX_V6: &str = "2001:db8:1:3::10";

/// The internet gateway's table has these routes. `box` is a middlebox in a public subnet of its own, by which the public
/// subnet sends too.
fn inspect(d: &mut Value, routes: Value) {
    d["subnets"]["middle"] = json!({ "vpc": "v", "cidr_block": "10.0.3.0/24",
        "ipv6_cidr_block": "2001:db8:1:3::/64", "route_table": "middle" });
    d["route_tables"]["middle"] = d["route_tables"]["public"].clone();
    d["route_tables"]["public"]["routes"] = json!([
        { "cidr_block": "0.0.0.0/0", "network_interface": "box" },
        { "ipv6_cidr_block": "::/0", "network_interface": "box" },
    ]);
    d["instances"]["box"] = json!({ "subnet": "middle", "private_ip": BOX, "ipv6_addresses": [BOX_V6],
        "public_ip": BOX_PUBLIC, "associate_public_ip_address": true, "source_dest_check": false,
        "security_groups": ["open"] });
    d["route_tables"]["edge"] = json!({ "vpc": "v", "gateways": ["igw"], "routes": routes });
}

/// Both families of the public subnet lead to the middlebox.
fn whole_subnet() -> Value {
    json!([
        { "cidr_block": "10.0.1.0/24", "network_interface": "box" },
        { "ipv6_cidr_block": "2001:db8:1:1::/64", "network_interface": "box" },
    ])
}

fn inspected(routes: Value) -> Net {
    with(|d| inspect(d, routes))
}

/// The codes with which an explanation denies it.
fn codes(net: &Net, from: &str, to: &str) -> Vec<&'static str> {
    let end = |name: &str| match net.fabric().enis.find(name) {
        Some(eni) => End::Interface(eni, None),
        None => End::Host(net.fabric().hosts.find(name).expect("a guest")),
    };
    let traffic =
        TrafficQuestion::Ports { protocol: Protocol::TCP, port: Some(80), source_port: Some(50_000) };
    let told = explain::ask(net.fabric(), end(from), end(to), Some(false), traffic).unwrap();
    assert_eq!(told.reachable, Some(told.blockers.is_empty()));
    told.blockers.iter().map(|blocker| blocker.reason.code()).collect()
}

fn request() -> Packet {
    packet(CLIENT, WEB_PUBLIC, syn(50_000, 80))
}

fn request_v6() -> Packet {
    packet(CLIENT_V6, WEB_V6, syn(50_000, 80))
}

#[test]
fn what_enters_is_translated_first_and_then_routed_by_the_gateways_table() {
    // proves: PIPE-07, RT-35, RT-41
    let mut net = inspected(whole_subnet());
    let seen = net.send("client", &request()).arrives_at("box");
    assert_eq!(seen.dst.to_string(), WEB, "the private destination");
    net.send("client", &request_v6()).arrives_at("box");
    // What the middlebox sends on reaches its destination, and answers go the same way.
    net.send("box", &packet(CLIENT, WEB, syn(50_000, 80))).arrives_at("web");
    net.send("web", &packet(WEB, CLIENT, syn(80, 50_000))).arrives_at("box");
    let seen = net.send("box", &packet(WEB, CLIENT, syn(80, 50_000))).arrives_at("client");
    assert_eq!(seen.src.to_string(), WEB_PUBLIC);
    // Nothing but the internet is meant.
    net.send("db", &packet(DB, WEB, syn(50_000, 80))).arrives_at("web");
    // Without an association the table is nobody's.
    net.change(|d| d["route_tables"]["edge"]["gateways"] = json!([]));
    net.send("client", &request()).arrives_at("web");
}

#[test]
fn an_edge_table_tells_subnets_apart() {
    // proves: VEC-03
    let net = || {
        let mut document = json!({
            "vpcs": { "v": { "cidr_block": "172.31.0.0/16" } },
            "internet_gateways": { "igw": { "vpc": "v" } },
            "subnets": {
                "a": { "vpc": "v", "cidr_block": "172.31.0.0/20", "route_table": "public" },
                "b": { "vpc": "v", "cidr_block": "172.31.16.0/20", "route_table": "public" },
            },
            "route_tables": {
                "public": { "vpc": "v", "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }] },
                "edge": { "vpc": "v", "gateways": ["igw"],
                    "routes": [{ "cidr_block": "172.31.0.0/20", "network_interface": "eni-a" }] },
            },
            "security_groups": { "open": { "vpc": "v", "ingress": [{ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] }] } },
            "internet_hosts": { "client": { "address": CLIENT } },
        });
        for (name, subnet, address) in
            [("first", "a", "172.31.3.4"), ("second", "b", "172.31.20.4"), ("eni-a", "b", "172.31.20.5")]
        {
            document["instances"][name] = json!({ "subnet": subnet, "private_ip": address,
                "associate_public_ip_address": true, "source_dest_check": name != "eni-a",
                "security_groups": ["open"] });
        }
        document
    };
    let public = |net: &Net, name: &str| {
        net.topology.network_interfaces[name].public_ips.values().next().unwrap().address.to_string()
    };
    let mut net_a = Net::new(net());
    let (first, second) = (public(&net_a, "first"), public(&net_a, "second"));
    net_a.send("client", &packet(CLIENT, &first, syn(1, 80))).arrives_at("eni-a");
    net_a.send("client", &packet(CLIENT, &second, syn(1, 80))).arrives_at("second");
    // proves: VEC-04
    let mut whole = net();
    whole["route_tables"]["edge"]["routes"] =
        json!([{ "cidr_block": "172.31.0.0/16", "network_interface": "eni-a" }]);
    let mut net_b = Net::new(whole);
    for address in [&first, &second] {
        net_b.send("client", &packet(CLIENT, address, syn(1, 80))).arrives_at("eni-a");
    }
}

#[test]
fn an_edge_table_leads_to_interfaces_or_is_local() {
    // proves: RT-35
    let at = "route_tables.edge.routes[0].gateway";
    refused(at, BAD, |d| inspect(d, json!([{ "cidr_block": "10.0.1.0/24", "gateway": "igw" }])));
    refused("route_tables.edge.routes[0].nat_gateway", BAD, |d| {
        inspect(d, json!([{ "cidr_block": "10.0.1.0/24", "nat_gateway": "n" }]));
        d["nat_gateways"] = json!({ "n": { "subnet": "public", "connectivity_type": "private" } });
    });
    accepted(|d| inspect(d, json!([{ "cidr_block": "10.0.0.0/16", "gateway": "local" }])));
    accepted(|d| inspect(d, json!([{ "cidr_block": "10.0.0.0/16", "network_interface": "box" }])));
}

#[test]
fn its_destinations_are_whole_blocks_of_the_vpc_or_of_a_subnet() {
    // proves: RT-37
    let at = "route_tables.edge.routes[0].cidr_block";
    for block in ["0.0.0.0/0", "10.0.0.0/8", "10.0.1.0/25", "10.0.1.10/32", "192.0.2.0/24", "10.0.0.0/23"] {
        refused(at, BAD, |d| inspect(d, json!([{ "cidr_block": block, "network_interface": "box" }])));
    }
    refused("route_tables.edge.routes[0].ipv6_cidr_block", BAD, |d| {
        inspect(d, json!([{ "ipv6_cidr_block": "::/0", "network_interface": "box" }]));
    });
    refused("route_tables.edge.routes[0].destination_prefix_list", BAD, |d| {
        inspect(d, json!([{ "destination_prefix_list": "p", "network_interface": "box" }]));
        d["managed_prefix_lists"] = json!({ "p": { "address_family": "IPv4", "max_entries": 1, "entries": [{ "cidr": "10.0.1.0/24" }] } });
    });
    accepted(|d| inspect(d, whole_subnet()));
}

#[test]
fn a_table_with_another_purpose_is_no_edge_table() {
    // proves: RT-38
    refused("route_tables.edge.gateways[0]", BAD, |d| {
        inspect(d, json!([]));
        d["vpcs"]["v"]["main_route_table"] = json!("edge");
    });
    refused("route_tables.public.routes[0].gateway", BAD, |d| {
        d["route_tables"]["public"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }]);
        d["route_tables"]["public"]["gateways"] = json!(["igw"]);
    });
    refused("route_tables.second.gateways[0]", "Resource.AlreadyAssociated", |d| {
        inspect(d, json!([]));
        d["route_tables"]["second"] = json!({ "vpc": "v", "gateways": ["igw"] });
    });
    refused("route_tables.edge.gateways[0]", "InvalidGatewayID.NotFound", |d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.5.0.0/16" });
        d["route_tables"]["edge"] = json!({ "vpc": "w", "gateways": ["igw"] });
    });
    let mut propagated = document();
    inspect(&mut propagated, json!([]));
    propagated["route_tables"]["edge"]["propagating_vgws"] = json!(["vgw"]);
    let found = vpclab_tests::harness::mistakes(&propagated);
    let it = format!("route_tables.edge.propagating_vgws[0]: {BAD}");
    assert!(found.contains(&it), "{found:?}");
}

#[test]
fn the_internet_reaches_no_middlebox_without_a_public_address() {
    // proves: RT-39
    let mut net = inspected(whole_subnet());
    net.send("client", &request()).arrives_at("box");
    net.change(|d| d["instances"]["box"]["associate_public_ip_address"] = json!(null));
    net.change(|d| d["instances"]["box"]["public_ip"] = json!(null));
    net.send("client", &request()).dies_of("middlebox-not-public");
    assert_eq!(codes(&net, "client", "web")[0], "INGRESS_RTB_NO_PUBLIC_IP");
    // Each family needs an address of its own.
    net.send("client", &request_v6()).arrives_at("box");
    net.change(|d| d["instances"]["box"]["ipv6_addresses"] = json!(null));
    net.send("client", &request_v6()).dies_of("middlebox-not-public");
    // Nor one that does not run.
    let mut net = inspected(whole_subnet());
    net.change(|d| d["instances"]["box"]["state"] = json!("stopped"));
    net.send("client", &request()).dies_of("blackhole");
    // An address that is known inside the VPC only does not count.
    let mut net = inspected(whole_subnet());
    net.change(|d| {
        d["vpcs"]["v"]["ipv6_cidr_blocks"] = json!(["2001:db8:1::/56", "fd00:1::/56"]);
        d["vpcs"]["v"].as_object_mut().unwrap().remove("ipv6_cidr_block");
        d["subnets"]["middle"]["ipv6_cidr_block"] = json!("fd00:1:0:3::/64");
        d["instances"]["box"]["ipv6_addresses"] = json!(["fd00:1:0:3::10"]);
    });
    net.send("client", &request_v6()).dies_of("middlebox-not-public");
}

#[test]
fn a_subnet_whose_way_in_leads_through_a_middlebox_has_no_direct_way_out() {
    // proves: RT-40
    let mut net = inspected(whole_subnet());
    // Its table leads to the gateway, past the middlebox.
    net.change(|d| {
        d["route_tables"]["public"]["routes"] = json!([
            { "cidr_block": "0.0.0.0/0", "gateway": "igw" }, { "ipv6_cidr_block": "::/0", "gateway": "igw" }]);
    });
    net.send("web", &packet(WEB, CLIENT, syn(50_000, 80))).dies_of("redirected-subnet");
    net.send("web", &packet(WEB_V6, CLIENT_V6, syn(50_000, 80))).dies_of("redirected-subnet");
    assert_eq!(codes(&net, "web", "client"), ["INGRESS_RTB_TRAFFIC_REDIRECTION"]);
    // The middlebox itself, and what it forwards, pass.
    net.send("box", &packet(BOX, CLIENT, syn(50_000, 80))).arrives_at("client");
    net.send("box", &packet(WEB, CLIENT, syn(50_000, 80))).arrives_at("client");
    // Through it there is no such thing.
    let net = inspected(whole_subnet());
    assert_eq!(codes(&net, "web", "client"), [""; 0]);
    assert_eq!(codes(&net, "client", "web"), [""; 0]);
}

/// A pool of public addresses leads to `box`.
fn with_pool(d: &mut Value, routed: &str) {
    inspect(d, json!([{ "cidr_block": routed, "network_interface": "box" }]));
    d["route_tables"]["edge"]["public_ipv4_pools"] = json!(["100.20.0.0/23"]);
    d["route_tables"]["public"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }]);
}

#[test]
fn a_pool_leads_to_an_interface_with_its_addresses_untranslated() {
    // proves: RT-51
    let mut net = with(|d| with_pool(d, "100.20.0.0/24"));
    let seen = net.send("client", &packet(CLIENT, "100.20.0.77", syn(50_000, 80))).arrives_at("box");
    assert_eq!(seen.dst.to_string(), "100.20.0.77");
    net.send("client", &packet(CLIENT, "100.20.1.77", syn(50_000, 80))).dies_of("no-route");
    // Others keep their way in.
    net.send("client", &request()).arrives_at("web");
    net.change(|d| d["instances"]["box"]["source_dest_check"] = json!(true));
    net.send("client", &packet(CLIENT, "100.20.0.77", syn(50_001, 80))).dies_of("source-dest-check");
    net.change(|d| d["instances"]["box"]["state"] = json!("stopped"));
    net.send("client", &packet(CLIENT, "100.20.0.77", syn(50_001, 80))).dies_of("blackhole");
    accepted(|d| with_pool(d, "100.20.0.0/23"));
    accepted(|d| with_pool(d, "100.20.1.16/28"));
    let at = "route_tables.edge.routes[0].cidr_block";
    for block in ["100.20.0.0/29", "100.20.0.9/32", "100.20.4.0/24"] {
        refused(at, BAD, |d| with_pool(d, block));
    }
    refused("route_tables.edge.public_ipv4_pools[0]", BAD, |d| {
        with_pool(d, "100.20.0.0/24");
        d["route_tables"]["edge"]["routes"] = json!([]);
        d["route_tables"]["edge"]["public_ipv4_pools"] = json!(["10.9.0.0/16"]);
    });
}

#[test]
fn an_address_of_a_pool_answers_untranslated() {
    // proves: RT-52
    let mut net = with(|d| with_pool(d, "100.20.0.0/24"));
    net.send("client", &packet(CLIENT, "100.20.0.77", syn(50_000, 80))).arrives_at("box");
    let seen = net.send("box", &packet("100.20.0.77", CLIENT, syn(80, 50_000))).arrives_at("client");
    assert_eq!(seen.src.to_string(), "100.20.0.77");
    // Of the pool, but routed to nobody; and of no pool at all.
    for source in ["100.20.1.77", "100.21.0.1"] {
        net.send("box", &packet(source, CLIENT, syn(80, 50_000))).dies_of("spoofed-source");
    }
    let seen = net.send("peer", &packet(PEER, "100.20.0.77", syn(1, 80)));
    seen.dies_of("no-public-address");
    net.send("web", &packet(WEB, "100.20.0.77", syn(1, 80))).arrives_at("box");
}

#[test]
fn what_enters_by_a_private_gateway_may_be_inspected_too() {
    // proves: RT-36
    use crate::private_networks::{APP, DESK, with};
    let inspect = |routes: Value| {
        move |d: &mut Value| {
            d["subnets"]["middle"] = json!({ "vpc": "v", "cidr_block": "10.0.3.0/24",
                "ipv6_cidr_block": "2001:db8:1:3::/64" });
            d["instances"]["box"] = json!({ "subnet": "middle", "private_ip": BOX, "ipv6_addresses": [BOX_V6],
                "source_dest_check": false, "security_groups": ["open"] });
            d["route_tables"]["edge"] = json!({ "vpc": "v", "gateways": ["vgw"], "routes": routes });
        }
    };
    let by_box = json!([
        { "cidr_block": "10.0.1.0/24", "network_interface": "box" },
        { "ipv6_cidr_block": "2001:db8:1:1::/64", "network_interface": "box" },
    ]);
    let mut net = with(inspect(by_box));
    // A private link asks for no public address.
    net.send("desk", &packet(DESK, APP, syn(50_000, 80))).arrives_at("box");
    net.send("box", &packet(DESK, APP, syn(50_000, 80))).arrives_at("app");
    net.change(|d| d["route_tables"]["edge"]["routes"] = json!([]));
    net.send("desk", &packet(DESK, APP, syn(50_001, 80))).arrives_at("app");
    crate::private_networks::refused("route_tables.edge.routes[0].gateway", BAD, |d| {
        inspect(json!([{ "cidr_block": "10.0.1.0/24", "gateway": "vgw" }]))(d);
    });
    crate::private_networks::refused("route_tables.edge.gateways[0]", "InvalidGatewayID.NotFound", |d| {
        inspect(json!([]))(d);
        d["vpn_gateways"]["loose"] = json!({});
        d["route_tables"]["edge"]["gateways"] = json!(["loose"]);
    });
}
