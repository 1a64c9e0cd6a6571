//! By which ways are VPC endpoints reached, and what do their flows and those of other gateways have in common?

use serde_json::{Value, json};
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Flags, Packet, syn, tcp, udp};

use crate::nat_networks::{send_sized, told};
use crate::networks::{CLIENT, CLIENT_V6, DB, WEB, WEB_V6, document, everything, packet, with};
use crate::private_networks::{self, APP, DESK};
use crate::transit_networks::{v4, v6, with_hub};

/// A change of a document.
type Change<'a> = &'a dyn Fn(&mut Value);

const S3: &str = "com.amazonaws.us-east-1.s3";
const S3_ADDRESS: &str = "52.216.10.20";
const DYNAMODB: &str = "com.amazonaws.us-east-1.dynamodb";
const DYNAMODB_ADDRESS: &str = "52.94.2.3";
const QUEUE: &str = "com.amazonaws.us-east-1.queue";
const QUEUE_ADDRESS: &str = "10.9.9.9";
const QUEUE_V6: &str = "2001:db8:5::5";

/// Adds S3 with a gateway endpoint for `table`, and a queue with an interface endpoint in `subnet`.
fn add_endpoints(d: &mut Value, vpc: &str, table: &str, subnet: &str, group: &str) {
    d["services"] = json!({ S3: { "address": S3_ADDRESS }, DYNAMODB: { "address": DYNAMODB_ADDRESS },
        QUEUE: { "address": QUEUE_ADDRESS } });
    d["vpc_endpoints"] = json!({
        "s3": { "vpc": vpc, "service_name": S3, "route_tables": [table] },
        "queue": { "vpc": vpc, "vpc_endpoint_type": "Interface", "service_name": QUEUE, "subnets": [subnet],
            "security_groups": [group] },
    });
}

fn queue(net: &Net, subnet: &str) -> String {
    let eni = net.topology.find_interface(&format!("vpce/queue/{subnet}")).unwrap().1;
    eni.private_ip.unwrap().to_string()
}

/// `name` asks the queue by the endpoint's address, and gets its answer from there.
fn is_served(net: &mut Net, name: &str, src: &str, to: &str) {
    let seen = net.send(name, &packet(src, to, syn(40_000, 443))).arrives_at(QUEUE);
    let answer = packet(QUEUE_ADDRESS, &seen.src.to_string(), tcp(443, seen.ports.0, Flags::SynAck));
    let got = net.send(QUEUE, &answer).arrives_at(name);
    assert_eq!(
        (got.src.to_string(), got.dst.to_string(), got.ports),
        (to.to_owned(), src.to_owned(), (443, 40_000))
    );
}

#[test]
fn a_transit_gateway_leads_to_an_interface_endpoint_and_to_no_gateway_endpoint() {
    // proves: EPI-12, EPG-09
    let mut net = with_hub(|d| {
        add_endpoints(d, "b", "b", "b-two", "b-open");
        // Into the VPC, and there by a table with the endpoint's route.
        d["vpc_endpoints"]["s3"]["route_tables"] = json!(["b", "b/main"]);
        d["transit_gateway_route_tables"]["hub/default"]["routes"] =
            json!([{ "destination_cidr_block": "52.216.0.0/15", "attachment": "b" }]);
        d["transit_gateway_route_tables"]["hub/default"]["transit_gateway"] = json!("hub");
        d["route_tables"]["a"]["routes"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "cidr_block": "52.216.0.0/15", "transit_gateway": "hub" }));
    });
    let to = queue(&net, "b-two");
    is_served(&mut net, "a-one", &v4("a-one"), &to);
    net.send("a-one", &packet(&v4("a-one"), S3_ADDRESS, syn(1, 443))).dies_of("endpoint-foreign-client");
    net.send("b-one", &packet(&v4("b-one"), S3_ADDRESS, syn(1, 443))).arrives_at(S3);
    // Nor in the name of somebody who may.
    net.change(|d| d["instances"]["a-one"]["source_dest_check"] = json!(false));
    net.send("a-one", &packet(&v4("b-one"), S3_ADDRESS, syn(1, 443))).dies_of("endpoint-foreign-client");
}

#[test]
fn a_private_link_leads_to_an_interface_endpoint_and_to_no_gateway_endpoint() {
    // proves: EPI-12, EPG-09
    let direct = |d: &mut Value| {
        private_networks::direct_connect(d, "plant");
        d["vpn_connections"] = json!({});
        d["customer_networks"].as_object_mut().unwrap().remove("office");
        d["customer_hosts"].as_object_mut().unwrap().remove("desk");
        d["customer_gateways"] = json!({});
        d["dx_private_virtual_interfaces"]["plant-vif"]["bgp_routes"] =
            json!([{ "cidr_block": "192.168.0.0/16" }]);
    };
    let vpn = |d: &mut Value| {
        d["vpn_connections"]["vpn"]["bgp_routes"] = json!([{ "cidr_block": "192.168.0.0/16" }]);
    };
    let ways: [(&str, Change<'_>); 2] = [("desk", &vpn), ("plant-host", &direct)];
    for (host, change) in ways {
        let mut net = private_networks::with(|d| {
            add_endpoints(d, "v", "t", "a", "open");
            change(d);
        });
        let to = queue(&net, "a");
        is_served(&mut net, host, DESK, &to);
        // Nothing in the VPC has that address, and the endpoint's route is not its gateway's.
        let fate = net.send(host, &packet(DESK, S3_ADDRESS, syn(1, 443)));
        assert!(fate.delivered().is_none() && fate.sent.is_empty(), "{host}: {fate:?}");
        // Not even by an instance that passes its packets on.
        net.change(|d| d["instances"]["app"]["source_dest_check"] = json!(false));
        net.send("app", &packet(DESK, S3_ADDRESS, syn(1, 443))).dies_of("endpoint-foreign-client");
        net.send("app", &packet(APP, S3_ADDRESS, syn(1, 443))).arrives_at(S3);
    }
}

/// Gateway endpoints, and rules for everybody at `web`: by any other way its flows are not tracked, and are cut when
/// their rule goes.
fn add_endpoints_of_the_untracked(d: &mut Value) {
    add_endpoints(d, "v", "public", "private", "open");
    d["vpc_endpoints"]["dynamodb"] =
        json!({ "vpc": "v", "service_name": DYNAMODB, "route_tables": ["public"] });
    d["security_groups"]["web"] = json!({ "vpc": "v", "ingress": [everything()], "egress": [everything()] });
    d["instances"]["web"]["security_groups"] = json!(["web"]);
}

#[test]
fn flows_by_some_gateways_are_tracked_whatever_the_rules_say() {
    // proves: CT-07, EPI-15
    let nat = |d: &mut Value| {
        d["subnets"]["nat"] = json!({ "vpc": "v", "cidr_block": "10.0.7.0/24", "route_table": "way-out" });
        d["route_tables"]["way-out"] =
            json!({ "vpc": "v", "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }] });
        d["eips"]["nat"] = json!({});
        d["nat_gateways"] = json!({ "nat": { "subnet": "nat", "allocation": "nat" } });
        d["route_tables"]["public"]["routes"][0] = json!({ "cidr_block": "0.0.0.0/0", "nat_gateway": "nat" });
    };
    let egress_only = |d: &mut Value| {
        d["egress_only_internet_gateways"] = json!({ "eigw": { "vpc": "v" } });
        d["route_tables"]["public"]["routes"][1] =
            json!({ "ipv6_cidr_block": "::/0", "egress_only_gateway": "eigw" });
    };
    let nothing = |_: &mut Value| {};
    let endpoint = queue(&with(add_endpoints_of_the_untracked), "private");
    type Case<'a> = (&'a str, &'a dyn Fn(&mut Value), &'a str, &'a str, &'a str, bool);
    let cases: [Case<'_>; 8] = [
        ("an egress-only internet gateway", &egress_only, WEB_V6, CLIENT_V6, "client", true),
        ("a NAT gateway", &nat, WEB, CLIENT, "client", true),
        ("an interface endpoint", &nothing, WEB, &endpoint, QUEUE, true),
        ("DynamoDB's gateway endpoint", &nothing, WEB, DYNAMODB_ADDRESS, DYNAMODB, true),
        ("S3's gateway endpoint", &nothing, WEB, S3_ADDRESS, S3, false),
        ("an internet gateway", &nothing, WEB, CLIENT, "client", false),
        ("an internet gateway, IPv6", &nothing, WEB_V6, CLIENT_V6, "client", false),
        ("the VPC", &nothing, WEB, DB, "db", false),
    ];
    for (way, change, src, dst, arrives, tracked) in cases {
        let mut d = document();
        add_endpoints_of_the_untracked(&mut d);
        change(&mut d);
        let mut net = Net::new(d);
        let seen = net.send("web", &packet(src, dst, syn(40_000, 443))).arrives_at(arrives);
        net.change(|d| d["security_groups"]["web"] = json!({ "vpc": "v", "ingress": [], "egress": [] }));
        let out = net.send("web", &packet(src, dst, tcp(40_000, 443, Flags::Ack)));
        assert_eq!(out.delivered().is_some(), tracked, "out by {way}: {out:?}");
        let answer = tcp(443, seen.ports.0, Flags::SynAck);
        let answer = packet(&seen.dst.to_string(), &seen.src.to_string(), answer);
        let back = net.send(arrives, &answer);
        assert_eq!(back.delivered().is_some(), tracked, "back by {way}: {back:?}");
    }
}

/// Adds a queue that VPC `b` has a dual-stack interface endpoint to, in the group `endpoint`, for everybody.
fn add_queue_behind_transit(d: &mut Value) {
    d["services"] = json!({ QUEUE: { "address": QUEUE_ADDRESS, "ipv6_address": QUEUE_V6 } });
    d["security_groups"]["endpoint"] =
        json!({ "vpc": "b", "ingress": [everything()], "egress": [everything()] });
    d["vpc_endpoints"] = json!({ "queue": { "vpc": "b", "vpc_endpoint_type": "Interface", "service_name": QUEUE,
        "subnets": ["b-two"], "security_groups": ["endpoint"], "ip_address_type": "dualstack" } });
    d["security_groups"]["a-open"]["egress"] = json!([everything()]);
}

/// `name` opens a connection to `dst`, which `at` gets. Then these groups lose their rules: whether what `name` sends
/// still arrives, and whether the answer does.
fn survives(net: &mut Net, name: &str, (src, dst): (&str, &str), at: &str, groups: &[&str]) -> (bool, bool) {
    let seen = net.send(name, &packet(src, dst, syn(40_000, 443))).arrives_at(at);
    let before = net.document()["security_groups"].clone();
    net.change(|d| {
        for group in groups {
            d["security_groups"][*group]["ingress"] = json!([]);
            d["security_groups"][*group]["egress"] = json!([]);
        }
    });
    let out = net.send(name, &packet(src, dst, tcp(40_000, 443, Flags::Ack))).delivered().is_some();
    let answer = tcp(443, seen.ports.0, Flags::SynAck);
    let answer = packet(&seen.dst.to_string(), &seen.src.to_string(), answer);
    let back = net.send(at, &answer).delivered().is_some();
    net.change(|d| d["security_groups"] = before);
    (out, back)
}

#[test]
fn flows_to_an_interface_endpoint_are_tracked_at_both_ends_by_whatever_way_they_come() {
    // proves: EPI-15, CT-07
    let mut net = with_hub(|d| {
        add_queue_behind_transit(d);
        // Another gateway, to which the first one's table leads for VPC c, peered with it.
        d["transit_gateways"]["far"] = json!({ "amazon_side_asn": 64513 });
        d["transit_gateway_vpc_attachments"]["c"]["transit_gateway"] = json!("far");
        d["transit_gateway_peering_attachments"] = json!({ "both": { "transit_gateway": "hub",
            "peer_transit_gateway": "far", "state": "available" } });
        let by_peering = |block: &str| json!({ "destination_cidr_block": block, "attachment": "both" });
        d["transit_gateway_route_tables"] = json!({
            "hub/default": { "transit_gateway": "hub", "associations": ["both"],
                "routes": [by_peering("10.3.0.0/16"), by_peering("2001:db8:3::/56")] },
            "far/default": { "transit_gateway": "far", "associations": ["both"],
                "routes": [by_peering("10.2.0.0/16"), by_peering("2001:db8:2::/56")] } });
        d["route_tables"]["c"]["routes"] = json!([
            { "cidr_block": "10.0.0.0/8", "transit_gateway": "far" },
            { "ipv6_cidr_block": "2001:db8::/32", "transit_gateway": "far" }]);
        d["security_groups"]["c-open"]["egress"] = json!([everything()]);
        d["vpc_peering_connections"] = json!({ "pcx": { "vpc": "a", "peer_vpc": "b", "auto_accept": true } });
        // The second zone of VPC a goes by peering, and its first by the transit gateway.
        d["subnets"]["a-two"]["route_table"] = json!("a-peered");
        d["route_tables"]["a-peered"] = json!({ "vpc": "a", "routes": [
            { "cidr_block": "10.2.0.0/16", "vpc_peering_connection": "pcx" },
            { "ipv6_cidr_block": "2001:db8:2::/56", "vpc_peering_connection": "pcx" }] });
        d["route_tables"]["b"]["routes"].as_array_mut().unwrap().extend([
            json!({ "cidr_block": "10.1.2.0/24", "vpc_peering_connection": "pcx" }),
            json!({ "ipv6_cidr_block": "2001:db8:1:2::/64", "vpc_peering_connection": "pcx" }),
        ]);
    });
    let eni = net.topology.find_interface("vpce/queue/b-two").unwrap().1;
    let endpoint = [eni.private_ip.unwrap().to_string(), eni.ipv6_addresses[0].to_string()];
    let ends = |instance: &str| [v4(instance), v6(instance)];
    // By peering, a transit gateway, two of them in a row, and in the same VPC.
    for (name, group) in [("a-two", "a-open"), ("a-one", "a-open"), ("c-one", "c-open"), ("b-one", "b-open")]
    {
        for (src, to) in ends(name).iter().zip(&endpoint) {
            for groups in [[group], ["endpoint"]] {
                let survived = survives(&mut net, name, (src, to), QUEUE, &groups);
                assert_eq!(survived, (true, true), "{name} {src}, without the rules of {groups:?}");
                net.wait(400);
            }
        }
        // By the same ways to an instance: not tracked, and cut.
        for (src, to) in ends(name).iter().zip(&ends("b-two")) {
            let survived = survives(&mut net, name, (src, to), "b-two", &[group]);
            assert_eq!(survived, (false, false), "{name} {src}");
        }
    }
}

#[test]
fn at_the_endpoints_interface_flows_over_a_private_link_are_tracked_too() {
    // proves: EPI-15
    let mut net = private_networks::with(|d| {
        add_endpoints(d, "v", "t", "a", "endpoint");
        d["security_groups"]["endpoint"] =
            json!({ "vpc": "v", "ingress": [everything()], "egress": [everything()] });
    });
    let to = queue(&net, "a");
    assert_eq!(survives(&mut net, "desk", (DESK, &to), QUEUE, &["endpoint"]), (true, true));
    let survived = survives(&mut net, "desk", (DESK, APP), "app", &["open"]);
    assert_eq!(survived, (false, false), "to an instance");
}

#[test]
fn flows_to_a_nat_gateway_in_another_vpc_are_tracked_at_the_client() {
    // proves: CT-07
    let mut net = with_hub(|d| {
        d["security_groups"]["a-open"]["egress"] = json!([everything()]);
        d["internet_gateways"] = json!({ "igw": { "vpc": "b" } });
        d["eips"] = json!({ "e": {} });
        d["nat_gateways"] = json!({ "nat": { "subnet": "b-one", "allocation": "e" } });
        d["route_tables"]["b/main"] =
            json!({ "routes": [{ "cidr_block": "0.0.0.0/0", "nat_gateway": "nat" }] });
        d["route_tables"]["b"]["routes"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "cidr_block": "0.0.0.0/0", "gateway": "igw" }));
        d["route_tables"]["a"]["routes"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "cidr_block": "0.0.0.0/0", "transit_gateway": "hub" }));
        d["transit_gateway_route_tables"]["hub/default"] = json!({ "transit_gateway": "hub",
            "routes": [{ "destination_cidr_block": "0.0.0.0/0", "attachment": "b" }] });
    });
    let survived = survives(&mut net, "a-one", (&v4("a-one"), CLIENT), "client", &["a-open"]);
    assert_eq!(survived, (true, true));
}

#[test]
fn a_late_answer_is_tracked_by_the_gateways_that_flows_are_tracked_by() {
    // proves: CT-07
    for (service, address, tracked) in [(DYNAMODB, DYNAMODB_ADDRESS, true), (S3, S3_ADDRESS, false)] {
        let mut net = with(|d| {
            add_endpoints_of_the_untracked(d);
            d["instances"]["web"]["connection_tracking"] = json!({ "tcp_established_timeout": 60 });
        });
        let back = |flags| packet(address, WEB, tcp(443, 40_000, flags));
        net.send("web", &packet(WEB, address, syn(40_000, 443))).arrives_at(service);
        net.send(service, &back(Flags::SynAck)).arrives_at("web");
        net.send("web", &packet(WEB, address, tcp(40_000, 443, Flags::Ack))).arrives_at(service);
        // The interface has forgotten the flow, and the endpoint has not.
        net.wait(100);
        net.send(service, &back(Flags::Ack)).arrives_at("web");
        net.change(|d| d["security_groups"]["web"] = json!({ "vpc": "v", "ingress": [], "egress": [] }));
        let fate = net.send(service, &back(Flags::Ack));
        assert_eq!(fate.delivered().is_some(), tracked, "{service}: {fate:?}");
    }
}

#[test]
fn a_rule_may_refer_to_the_group_of_an_endpoint() {
    // proves: SG-08
    for (named, admitted) in [("behind", true), ("open", false)] {
        let mut net = with(|d| {
            add_endpoints(d, "v", "public", "private", "behind");
            d["services"][QUEUE]["protocols"] = json!(["udp"]);
            d["security_groups"]["behind"] = json!({ "vpc": "v", "ingress": [everything()] });
            d["security_groups"]["web"] =
                json!({ "vpc": "v", "ingress": [{ "protocol": "-1", "security_groups": [named] }] });
            d["instances"]["web"]["security_groups"] = json!(["web"]);
        });
        let to = queue(&net, "private");
        let seen = net.send("web", &packet(WEB, &to, udp(40_000, 53))).arrives_at(QUEUE);
        let answer = packet(QUEUE_ADDRESS, &seen.src.to_string(), udp(53, seen.ports.0));
        // Later than the interface remembers, so that a rule has to admit it.
        net.wait(100);
        if admitted {
            net.send(QUEUE, &answer).arrives_at("web");
        } else {
            net.send(QUEUE, &answer).dies_of("security-group");
        }
    }
}

#[test]
fn flows_to_an_endpoint_of_a_peer_are_tracked_at_the_client() {
    // proves: CT-07, EPI-15, EPI-12
    let mut net = with(|d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.5.0.0/16" });
        d["vpc_peering_connections"] = json!({ "pcx": { "vpc": "v", "peer_vpc": "w", "auto_accept": true } });
        d["subnets"]["far"] = json!({ "vpc": "w", "cidr_block": "10.5.1.0/24" });
        d["security_groups"]["wide"] = json!({ "vpc": "w", "ingress": [everything()] });
        d["instances"]["far"] =
            json!({ "subnet": "far", "private_ip": "10.5.1.10", "security_groups": ["wide"] });
        add_endpoints(d, "w", "w/main", "far", "wide");
        let routes = d["route_tables"]["public"]["routes"].as_array_mut().unwrap();
        routes.push(json!({ "cidr_block": "10.5.0.0/16", "vpc_peering_connection": "pcx" }));
        d["route_tables"]["w/main"] =
            json!({ "routes": [{ "cidr_block": "10.0.0.0/16", "vpc_peering_connection": "pcx" }] });
        d["security_groups"]["web"] =
            json!({ "vpc": "v", "ingress": [everything()], "egress": [everything()] });
        d["instances"]["web"]["security_groups"] = json!(["web"]);
    });
    let endpoint = queue(&net, "far");
    let ways = [(endpoint.as_str(), QUEUE, true), ("10.5.1.10", "far", false)];
    for (to, arrives, _) in ways {
        net.send("web", &packet(WEB, to, syn(40_000, 443))).arrives_at(arrives);
    }
    net.change(|d| d["security_groups"]["web"] = json!({ "vpc": "v", "ingress": [], "egress": [] }));
    for (to, _, tracked) in ways {
        let out = net.send("web", &packet(WEB, to, tcp(40_000, 443, Flags::Ack)));
        assert_eq!(out.delivered().is_some(), tracked, "{to}: {out:?}");
    }
}

#[test]
fn a_packet_that_may_not_be_cut_fares_by_the_way_it_takes() {
    // proves: VEC-16, MTU-05
    let mut net = with_hub(|d| {
        add_endpoints(d, "a", "a/main", "a-two", "a-open");
        d["services"][QUEUE]["protocols"] = json!(["udp"]);
        d["internet_gateways"] = json!({ "igw": { "vpc": "a" } });
        d["route_tables"]["a"]["routes"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "cidr_block": "0.0.0.0/0", "gateway": "igw" }));
        d["instances"]["a-one"]["associate_public_ip_address"] = json!(true);
    });
    let from = v4("a-one");
    let datagram = |to: &str| -> Packet { packet(&from, to, udp(40_000, 53)) };
    let (internet, neighbor, endpoint, far) =
        (datagram(CLIENT), datagram(&v4("a-two")), datagram(&queue(&net, "a-two")), datagram(&v4("b-one")));
    for size in [1501, 8500, 8501, 9001] {
        let error = told(&send_sized(&mut net, "a-one", &internet, size), "a-one");
        assert_eq!((error.src.to_string(), error.mtu), ("10.1.1.1".to_owned(), Some(1500)), "{size}");
        let seen = send_sized(&mut net, "a-one", &neighbor, size).arrives_at("a-two");
        assert_eq!((seen.packet_len, seen.fragmented), (size, false));
        let by_endpoint = send_sized(&mut net, "a-one", &endpoint, size);
        let by_transit = send_sized(&mut net, "a-one", &far, size);
        if size > 8500 {
            by_endpoint.dies_of("mtu-exceeded");
            let error = told(&by_transit, "a-one");
            assert_eq!((error.src.to_string(), error.mtu), ("10.1.1.1".to_owned(), Some(8500)), "{size}");
        } else {
            by_endpoint.arrives_at(QUEUE);
            by_transit.arrives_at("b-one");
        }
    }
    send_sized(&mut net, "a-one", &internet, 1500).arrives_at("client");
}
