//! Area RT: of several routes for one destination, which one decides?

use serde_json::{Value, json};
use vpclab_tests::harness::Net;
use vpclab_tests::packet::syn;

use crate::networks::{accepted, document, packet, refused};
use crate::route_tables::{BAD, lookup, routes};

#[test]
fn a_table_leads_to_peers_to_the_internet_and_to_an_egress_only_gateway_at_once() {
    // proves: VEC-01, RT-05, RT-31
    let net = Net::new(json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1234:1a00::/56" },
            "w": { "cidr_block": "172.31.0.0/16" } },
        "internet_gateways": { "igw": { "vpc": "v" } },
        "egress_only_internet_gateways": { "eigw": { "vpc": "v" } },
        "vpc_peering_connections": { "pcx": { "vpc": "v", "peer_vpc": "w", "auto_accept": true } },
        "subnets": { "a": { "vpc": "v", "cidr_block": "10.0.0.0/20", "ipv6_cidr_block": "2001:db8:1234:1a00::/64",
            "route_table": "public" } },
        "route_tables": { "public": { "vpc": "v", "routes": [
            { "cidr_block": "172.31.0.0/16", "vpc_peering_connection": "pcx" },
            { "cidr_block": "0.0.0.0/0", "gateway": "igw" },
            { "ipv6_cidr_block": "::/0", "egress_only_gateway": "eigw" } ] } },
        "instances": { "web": { "subnet": "a" } },
    }));
    for (address, target) in [
        ("10.0.9.9", "local"),
        ("172.31.5.5", "pcx"),
        ("1.1.1.1", "igw"),
        ("2001:db8:1234:1a05::1", "local"),
        ("2600::1", "eigw"),
    ] {
        assert_eq!(lookup(&net, address), target, "{address}");
    }
    // Whichever target a family may have, the other may not.
    let gateway = |d: &mut Value| d["egress_only_internet_gateways"] = json!({ "eigw": { "vpc": "v" } });
    refused("route_tables.public.routes[0].egress_only_gateway", BAD, |d| {
        gateway(d);
        d["route_tables"]["public"]["routes"] =
            json!([{ "cidr_block": "0.0.0.0/0", "egress_only_gateway": "eigw" }]);
    });
    accepted(routes(json!([{ "ipv6_cidr_block": "2600::/16", "gateway": "igw" }])));
}

#[test]
fn of_two_peers_with_one_block_the_longer_prefix_chooses() {
    // proves: VEC-05
    let mut document = document();
    document["vpcs"]["v"] = json!({ "cidr_block": "172.16.0.0/16" });
    document["subnets"] =
        json!({ "b": { "vpc": "v", "cidr_block": "172.16.1.0/24", "route_table": "public" } });
    document["security_groups"]["open"] = json!({ "vpc": "v", "ingress": [crate::networks::everything()] });
    document["instances"] =
        json!({ "asker": { "subnet": "b", "private_ip": "172.16.1.4", "security_groups": ["open"] } });
    document["vpc_peering_connections"] = json!({});
    for name in ["a", "c"] {
        document["vpcs"][name] = json!({ "cidr_block": "10.0.0.0/16" });
        document["subnets"][name] = json!({ "vpc": name, "cidr_block": "10.0.1.0/24" });
        document["security_groups"][name] =
            json!({ "vpc": name, "ingress": [{ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] }] });
        document["vpc_peering_connections"][format!("pcx-{name}")] =
            json!({ "vpc": "v", "peer_vpc": name, "auto_accept": true });
        for last in [66, 67] {
            document["instances"][format!("{name}-{last}")] =
                json!({ "subnet": name, "private_ip": format!("10.0.1.{last}"), "security_groups": [name] });
        }
    }
    document["route_tables"]["public"]["routes"] = json!([
        { "cidr_block": "10.0.1.66/32", "vpc_peering_connection": "pcx-a" },
        { "cidr_block": "10.0.0.0/16", "vpc_peering_connection": "pcx-c" } ]);
    let mut net = Net::new(document);
    net.send("asker", &packet("172.16.1.4", "10.0.1.66", syn(1, 80))).arrives_at("a-66");
    net.send("asker", &packet("172.16.1.4", "10.0.1.67", syn(1, 80))).arrives_at("c-67");
}

/// The network of private links, with an internet gateway, and with these static routes and routes that the virtual
/// private gateway propagates.
fn propagating(static_routes: Value, propagated: &[&str]) -> Net {
    let mut d = crate::private_networks::document();
    d["internet_gateways"] = json!({ "igw": { "vpc": "v" } });
    d["route_tables"]["public"] = json!({ "vpc": "v", "propagating_vgws": ["vgw"], "routes": static_routes });
    d["subnets"]["a"]["route_table"] = json!("public");
    let routes: Vec<Value> = propagated.iter().map(|block| json!({ "cidr_block": block })).collect();
    d["vpn_connections"]["vpn"]["bgp_routes"] = json!(routes);
    d["vpcs"]["w"] = json!({ "cidr_block": "10.1.0.0/16" });
    d["vpc_peering_connections"] = json!({ "pcx": { "vpc": "v", "peer_vpc": "w", "auto_accept": true } });
    Net::new(d)
}

#[test]
fn a_static_route_wins_over_a_propagated_one_that_stays_visible() {
    // proves: RT-06, VEC-02
    let net = propagating(json!([{ "cidr_block": "172.31.0.0/24", "gateway": "igw" }]), &["172.31.0.0/24"]);
    assert_eq!(lookup(&net, "10.0.9.9"), "local");
    let table = &net.topology.route_tables["public"];
    let shown: Vec<(String, bool)> = table
        .routes
        .iter()
        .filter(|route| route.destination.to_string() == "172.31.0.0/24")
        .map(|route| (route.target.to_string(), route.overridden))
        .collect();
    assert_eq!(shown, [("igw".to_owned(), false), ("vgw".to_owned(), true)]);
    let compiled = net.fabric().route_tables.iter().find(|(_, t)| t.name.as_str() == "public").unwrap().1;
    let taken = compiled.lookup("172.31.0.9".parse().unwrap()).unwrap();
    assert!(matches!(taken.target, vpclab_engine::RouteTarget::InternetGateway(_)), "{taken:?}");
}

#[test]
fn a_local_route_wins_over_more_specific_propagated_ones_and_not_over_written_ones() {
    // proves: RT-08
    let within = packet(crate::private_networks::APP, "10.0.2.10", syn(1, 2));
    let build = |local_wins: bool, written: Value| {
        let mut net = propagating(written, &["10.0.2.0/24", "192.168.0.0/16"]);
        net.change(|d| {
            d["settings"] = json!({ "local_routes_over_propagated": local_wins });
            d["customer_networks"]["office"]["cidr_blocks"] = json!(["192.168.0.0/16", "10.0.2.0/24"]);
            d["subnets"]["b"] = json!({ "vpc": "v", "cidr_block": "10.0.2.0/24" });
            for (name, address) in [("db", "10.0.2.10"), ("box", "10.0.2.11")] {
                d["instances"][name] = json!({ "subnet": "b", "private_ip": address,
                    "security_groups": ["open"], "source_dest_check": name == "db" });
            }
        });
        net
    };
    build(true, json!([])).send("app", &within).arrives_at("db");
    // OQ-13, the other answer: the more specific one takes it out of the VPC.
    let fate = build(false, json!([])).send("app", &within);
    assert!(fate.delivered().is_none_or(|(name, _)| name != "db"));
    let written = json!([{ "cidr_block": "10.0.2.0/24", "network_interface": "eni-box" }]);
    let mut steered = propagating(json!([]), &["10.0.2.0/24"]);
    steered.change(|d| {
        d["subnets"]["b"] = json!({ "vpc": "v", "cidr_block": "10.0.2.0/24" });
        d["instances"]["db"] =
            json!({ "subnet": "b", "private_ip": "10.0.2.10", "security_groups": ["open"] });
        d["network_interfaces"] = json!({ "eni-box": { "subnet": "b", "private_ip": "10.0.2.11",
            "security_groups": ["open"], "source_dest_check": false,
            "attachment": { "instance": "box", "device_index": 0 } } });
        d["instances"]["box"] = json!({});
        d["route_tables"]["public"]["routes"] = written;
    });
    steered.send("app", &within).arrives_at("eni-box");
}

#[test]
fn static_prefix_list_and_propagated_routes_each_serve_what_they_are_longest_for() {
    // proves: VEC-24, RT-20
    let mut net = propagating(
        json!([{ "cidr_block": "10.1.0.0/16", "vpc_peering_connection": "pcx" }]),
        &["10.1.3.0/24"],
    );
    net.change(|d| {
        d["managed_prefix_lists"] = json!({ "pl": { "address_family": "IPv4", "max_entries": 5,
            "entries": [{ "cidr": "10.1.0.0/16" }, { "cidr": "10.1.2.0/24" }] } });
        d["transit_gateways"] = json!({ "tgw": {} });
        d["transit_gateway_vpc_attachments"] =
            json!({ "att": { "transit_gateway": "tgw", "vpc": "v", "subnets": ["a"] } });
        d["route_tables"]["public"]["routes"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "destination_prefix_list": "pl", "transit_gateway": "tgw" }));
    });
    for (address, target) in [("10.1.9.9", "pcx"), ("10.1.2.9", "tgw"), ("10.1.3.9", "vgw")] {
        let table = net.fabric().route_tables.iter().find(|(_, t)| t.name.as_str() == "public").unwrap().1;
        let taken = table.lookup(address.parse().unwrap()).unwrap();
        let declared = &net.topology.route_tables["public"].routes;
        let route = declared
            .iter()
            .find(|route| route.destination == taken.destination && !route.overridden)
            .unwrap();
        assert_eq!(route.target.to_string(), target, "{address}");
    }
}
