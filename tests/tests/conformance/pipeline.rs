//! Area PIPE: in which order is a packet judged?

use serde_json::json;
use vpclab_engine::{Direction, Recorder, Step, trace};
use vpclab_tests::frames;
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Flags, Packet, ping, syn, tcp, udp};

use crate::peer_groups::{FAR, FAR_V6, peers};

use crate::networks::{
    CLIENT, DB, DB_V6, PEER, WEB, WEB_PUBLIC, WEB_V6, acl_on, all_of, document, entry, everything, packet,
    web_with_rules, with,
};

/// The places a packet passes, in order.
fn journey(net: &Net, from: &str, packet: &Packet) -> Vec<&'static str> {
    let frame = frames::frame(packet, net.mac(from), net.next_hop(from, packet.dst), b"");
    let mut recorder = Recorder::default();
    trace(net.fabric(), net.engine().flows(), net.timestamp(), net.port(from), &frame, &mut recorder);
    let place = |step: &Step| match step {
        Step::Leave { .. } => "leave",
        Step::SourceDestCheck { direction: Direction::Outbound, .. } => "check out",
        Step::SourceDestCheck { direction: Direction::Inbound, .. } => "check in",
        Step::SecurityGroup { direction: Direction::Outbound, .. } => "group out",
        Step::SecurityGroup { direction: Direction::Inbound, .. } => "group in",
        Step::NetworkAcl { direction: Direction::Outbound, .. } => "acl out",
        Step::NetworkAcl { direction: Direction::Inbound, .. } => "acl in",
        Step::Route { .. } => "route",
        Step::InternetGateway { .. } => "gateway",
        Step::EgressOnly { .. } => "egress-only",
        Step::NatGateway { .. } => "nat",
        Step::Peering { .. } => "peering",
        Step::VpnGateway { .. } => "vpn gateway",
        Step::PrivateLink { .. } => "link",
        Step::CustomerNetwork { .. } => "customer network",
        Step::Forward { .. } => "forward",
        Step::Arrive { .. } => "arrive",
        Step::Endpoint { .. } => "endpoint",
        Step::TransitRoute { .. } => "transit gateway route",
        Step::TransitGateway { .. } => "transit gateway",
        Step::Outside { .. } => "outside",
    };
    recorder.steps.iter().map(place).collect()
}

#[test]
fn a_leaving_packet_meets_group_acl_and_route_table_in_this_order() {
    // proves: PIPE-01
    let net = with(|_| {});
    let steps = journey(&net, "web", &packet(WEB, CLIENT, syn(40_000, 443)));
    assert_eq!(steps, ["leave", "check out", "group out", "acl out", "route", "gateway", "outside"]);

    // What the group refuses reaches neither ACL nor route table; what the ACL refuses, no route table.
    let net = web_with_rules(json!([everything()]), json!([]));
    assert_eq!(
        journey(&net, "web", &packet(WEB, CLIENT, syn(40_000, 443))),
        ["leave", "check out", "group out"]
    );
    let net = acl_on("public", json!([]), json!([]));
    let steps = journey(&net, "web", &packet(WEB, CLIENT, syn(40_000, 443)));
    assert_eq!(steps, ["leave", "check out", "group out", "acl out"]);
}

#[test]
fn across_a_peering_connection_only_the_senders_route_table_is_asked() {
    // proves: PIPE-05
    let mut net = Net::new(peers());
    net.change(|d| d["security_groups"]["db"]["ingress"] = json!([everything()]));
    let expected = [
        "leave",
        "check out",
        "group out",
        "acl out",
        "route",
        "peering",
        "acl in",
        "group in",
        "check in",
        "arrive",
    ];
    for (from, to) in [(FAR, DB), (FAR_V6, DB_V6)] {
        assert_eq!(journey(&net, "far", &packet(from, to, syn(40_000, 443))), expected);
        assert!(net.converses("far", &packet(from, to, syn(40_000, 443))));
    }
    // The receiver's table matters to its answers only.
    net.change(|d| d["route_tables"]["v/main"]["routes"] = json!([]));
    for (from, to) in [(FAR, DB), (FAR_V6, DB_V6)] {
        net.send("far", &packet(from, to, syn(40_001, 443))).arrives_at("db");
        assert!(!net.converses("far", &packet(from, to, syn(40_002, 443))));
    }
}

#[test]
fn an_arriving_packet_meets_acl_and_group_with_its_private_destination() {
    // proves: PIPE-02
    let mut net = acl_on("public", json!([entry(100, "allow", "198.51.100.0/24")]), json!([]));
    let request = packet(CLIENT, WEB_PUBLIC, syn(40_000, 443));
    assert_eq!(journey(&net, "client", &request), ["gateway", "acl in", "group in", "check in", "arrive"]);
    assert_eq!(net.send("client", &request).arrives_at("web").dst.to_string(), WEB);
}

#[test]
fn in_one_subnet_only_the_two_groups_are_asked() {
    // proves: PIPE-03, NACL-06
    let mut net = acl_on("public", json!([]), json!([]));
    net.change(|d| d["route_tables"]["public"]["routes"] = json!([]));
    let request = packet(WEB, PEER, syn(40_000, 443));
    let steps = journey(&net, "web", &request);
    assert_eq!(steps, ["leave", "check out", "group out", "group in", "check in", "arrive"]);
    assert!(net.converses("web", &request));
    // The same ACL stops what leaves the subnet.
    net.send("web", &packet(WEB, DB, syn(40_000, 443))).dies_of("network-acl");
}

#[test]
fn between_subnets_both_acls_and_the_senders_route_table_are_asked() {
    // proves: PIPE-04
    let mut net = with(|_| {});
    let request = packet(WEB, DB, syn(40_000, 443));
    let steps = journey(&net, "web", &request);
    let expected =
        ["leave", "check out", "group out", "acl out", "route", "acl in", "group in", "check in", "arrive"];
    assert_eq!(steps, expected);
    // The receiver's own table matters to its answers only: here it sends them astray.
    net.change(|d| {
        d["instances"]["box"] = json!({ "subnet": "public", "private_ip": "10.0.1.50", "source_dest_check": false,
            "security_groups": ["open"] });
        d["route_tables"]["private"] = json!({ "vpc": "v", "subnets": ["private"],
            "routes": [{ "cidr_block": "10.0.1.0/24", "network_interface": "box" }] });
    });
    net.send("web", &request).arrives_at("db");
    net.send("db", &request.answer().unwrap()).arrives_at("box");
}

#[test]
fn a_middlebox_is_entered_like_any_interface_and_forwards_anew() {
    // proves: PIPE-08
    let build = || {
        let mut document = document();
        document["subnets"]["middle"] = json!({ "vpc": "v", "cidr_block": "10.0.3.0/24" });
        document["instances"]["box"] = json!({ "subnet": "middle", "private_ip": "10.0.3.10",
            "source_dest_check": false, "security_groups": ["box"] });
        document["security_groups"]["box"] = json!({ "vpc": "v", "ingress": [everything()] });
        document["route_tables"]["public"]["routes"] =
            json!([{ "cidr_block": "10.0.2.0/24", "network_interface": "box" }]);
        document
    };
    let request = packet(WEB, DB, syn(40_000, 443));
    let mut net = Net::new(build());
    let seen = net.send("web", &request).arrives_at("box");
    assert_eq!((seen.src.to_string(), seen.dst.to_string()), (WEB.into(), DB.into()));
    net.send("box", &request).arrives_at("db");

    // Its subnet's inbound ACL and its group are asked about what comes ...
    net.change(|d| {
        d["network_acls"] = json!({ "acl": { "vpc": "v", "egress": [entry(1, "allow", "0.0.0.0/0")] } });
        d["subnets"]["middle"]["network_acl"] = json!("acl");
    });
    net.send("web", &request).dies_of("network-acl");
    let mut net = Net::new(build());
    net.change(|d| d["security_groups"]["box"]["ingress"] = json!([]));
    net.send("web", &request).dies_of("security-group");
    // ... and its group, ACL and route table about what it passes on.
    let mut net = Net::new(build());
    net.change(|d| d["security_groups"]["box"]["egress"] = json!([]));
    net.send("box", &request).dies_of("security-group");
    let mut net = Net::new(build());
    net.change(|d| {
        d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": [entry(1, "allow", "0.0.0.0/0")] } });
        d["subnets"]["middle"]["network_acl"] = json!("acl");
    });
    net.send("box", &request).dies_of("network-acl");
}

#[test]
fn refusals_are_silent() {
    // proves: PIPE-09
    // `dies_of` asserts that nobody gets a frame.
    let request = packet(WEB, DB, syn(40_000, 443));
    web_with_rules(json!([]), json!([])).send("web", &request).dies_of("security-group");
    acl_on("private", json!([]), json!([])).send("web", &request).dies_of("network-acl");
    with(|_| {}).send("web", &packet("10.0.1.77", DB, syn(40_000, 443))).dies_of("source-dest-check");
    with(|d| d["route_tables"]["public"]["routes"] = json!([]))
        .send("web", &packet(WEB, CLIENT, syn(40_000, 443)))
        .dies_of("no-route");
}

#[test]
fn a_change_reaches_a_running_flow_at_once_and_its_tracking_survives() {
    // proves: PIPE-10, NACL-20
    let mut net = web_with_rules(json!([]), json!([all_of("10.0.0.0/16")]));
    let request = packet(WEB, DB, syn(40_000, 443));
    assert!(net.converses("web", &request));
    let data = packet(WEB, DB, tcp(40_000, 443, Flags::Ack));
    net.send("web", &data).arrives_at("db");
    // The group lets go of nothing it tracks; the ACL cuts at once, in either direction, and mends at once.
    net.change(|d| d["security_groups"]["web"]["egress"] = json!([]));
    net.send("web", &data).arrives_at("db");
    for (ingress, egress) in [
        (json!([]), json!([entry(1, "allow", "0.0.0.0/0")])),
        (json!([entry(1, "allow", "0.0.0.0/0")]), json!([])),
    ] {
        net.change(|d| {
            d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": ingress, "egress": egress } });
            d["subnets"]["private"]["network_acl"] = json!("acl");
        });
        let there = net.send("web", &data).delivered().is_some();
        let back = net.send("db", &data.answer().unwrap()).delivered().is_some();
        assert!(!(there && back), "a deny in one direction breaks the flow");
        assert!(there || back, "the other direction is untouched");
    }
    net.change(|d| d["subnets"]["private"]["network_acl"] = json!("default"));
    assert!(net.converses("web", &data));
}

#[test]
fn rules_of_one_family_say_nothing_about_the_other() {
    // proves: PIPE-12
    let v6 = packet(WEB_V6, DB_V6, syn(40_000, 443));
    let v4 = packet(WEB, DB, syn(40_000, 443));
    for (block, v4_passes) in [("0.0.0.0/0", true), ("::/0", false)] {
        let mut net = web_with_rules(json!([]), json!([all_of(block)]));
        assert_eq!(net.send("web", &v4).delivered().is_some(), v4_passes, "group {block}");
        assert_eq!(net.send("web", &v6).delivered().is_some(), !v4_passes, "group {block}");
        let rule = if v4_passes {
            entry(1, "allow", "0.0.0.0/0")
        } else {
            json!({ "rule_no": 1, "action": "allow", "protocol": "-1", "ipv6_cidr_block": "::/0" })
        };
        let mut net = acl_on("private", json!([rule]), json!([rule]));
        assert_eq!(net.send("web", &v4).delivered().is_some(), v4_passes, "ACL {block}");
        assert_eq!(net.send("web", &v6).delivered().is_some(), !v4_passes, "ACL {block}");
    }
    let mut net = with(|d| {
        d["route_tables"]["public"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }]);
    });
    net.send("web", &packet(WEB, CLIENT, syn(1, 443))).arrives_at("client");
    net.send("web", &packet(WEB_V6, "2001:db8:ffff::7", syn(1, 443))).dies_of("no-route");
}

#[test]
fn route_tables_apply_to_frames_for_the_router_only() {
    // proves: PIPE-13
    let mut net = with(|d| {
        d["instances"]["box"] = json!({ "subnet": "private", "private_ip": "10.0.2.50", "source_dest_check": false,
            "security_groups": ["open"] });
        d["route_tables"]["public"]["routes"] =
            json!([{ "cidr_block": "10.0.1.0/24", "network_interface": "box" }]);
    });
    let request = packet(WEB, PEER, syn(40_000, 443));
    net.send_to("web", net.mac("peer"), &request, b"").arrives_at("peer");
    net.send_by_router("web", &request).arrives_at("box");
}

#[test]
fn a_neighbour_gets_a_foreign_packet_only_with_its_check_off() {
    // proves: PIPE-14
    let foreign = packet(WEB, "192.0.2.1", udp(40_000, 53));
    let mut net = with(|_| {});
    net.send_to("web", net.mac("peer"), &foreign, b"").dies_of("source-dest-check");
    net.change(|d| d["instances"]["peer"]["source_dest_check"] = json!(false));
    let seen = net.send_to("web", net.mac("peer"), &foreign, b"").arrives_at("peer");
    assert_eq!(seen.dst.to_string(), "192.0.2.1");
}

#[test]
fn neighbours_may_send_by_the_router_in_one_direction() {
    // proves: PIPE-16
    let request = packet(WEB, PEER, syn(40_000, 443));
    let mut net = acl_on("public", json!([]), json!([]));
    net.send_by_router("web", &request).arrives_at("peer");
    net.send_to("peer", net.mac("web"), &request.answer().unwrap(), b"").arrives_at("web");
    // OQ-16: whether the ACL sees the routed leg is a setting.
    net.change(|d| d["settings"] = json!({ "network_acl_within_subnet_via_router": true }));
    net.send_by_router("web", &request).dies_of("network-acl");
}

#[test]
fn an_idle_flow_goes_on_until_its_timeout() {
    // proves: PIPE-17
    let mut net = web_with_rules(json!([]), json!([all_of("10.0.0.0/16")]));
    assert!(net.converses("web", &packet(WEB, DB, syn(40_000, 443))));
    net.send("web", &packet(WEB, DB, tcp(40_000, 443, Flags::Ack))).arrives_at("db");
    net.wait(400_000);
    net.send("db", &packet(DB, WEB, tcp(443, 40_000, Flags::Ack))).arrives_at("web");
}

#[test]
fn the_source_dest_check_sits_at_the_interface() {
    // proves: PIPE-18
    // Outbound before the group: the group would refuse too, and is not asked.
    let mut net = web_with_rules(json!([]), json!([]));
    net.send("web", &packet("10.0.1.77", DB, ping(1))).dies_of("source-dest-check");
    // Inbound behind ACL and group: they refuse first.
    let foreign = packet(WEB, "192.0.2.1", udp(40_000, 53));
    let to_peer = |net: &mut Net| net.send_by_router("web", &foreign);
    let routed = |d: &mut serde_json::Value| {
        d["route_tables"]["public"]["routes"] =
            json!([{ "cidr_block": "192.0.2.0/24", "network_interface": "db" }]);
    };
    let mut net = with(routed);
    to_peer(&mut net).dies_of("source-dest-check");
    net.change(|d| {
        d["security_groups"]["none"] = json!({ "vpc": "v" });
        d["instances"]["db"]["security_groups"] = json!(["none"]);
    });
    to_peer(&mut net).dies_of("security-group");
    net.change(|d| {
        d["network_acls"] = json!({ "acl": { "vpc": "v" } });
        d["subnets"]["private"]["network_acl"] = json!("acl");
    });
    to_peer(&mut net).dies_of("network-acl");
}
