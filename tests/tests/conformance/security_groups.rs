//! Area SG: what may reach an interface, and leave it?

use serde_json::{Value, json};
use vpclab_model::{Peer, Traffic};
use vpclab_tests::harness::{Net, mistakes, topology};
use vpclab_tests::packet::{Body, ping, syn, udp};

use crate::networks::{
    CLIENT, DB, DB_V6, PEER, WEB, WEB_PUBLIC, WEB_V6, accepted, all_of, document, everything, packet,
    refused, tcp_of, web_with_rules, with,
};

/// A document with a group `g` that has these inbound rules.
fn ingress(rules: Value) -> impl FnOnce(&mut Value) {
    move |d| d["security_groups"]["g"] = json!({ "vpc": "v", "ingress": rules })
}

/// Whether `web`, with these inbound rules, gets a packet from `db`.
fn admits(rules: Value, body: Body) -> bool {
    web_with_rules(rules, json!([])).send("db", &packet(DB, WEB, body)).delivered().is_some()
}

#[test]
fn rules_only_allow_and_groups_add_up() {
    // proves: SG-01
    assert!(!admits(json!([]), syn(1, 80)));
    assert!(admits(json!([tcp_of(80, "10.0.2.0/24"), tcp_of(22, "10.9.0.0/16")]), syn(1, 80)));
    let mut net = with(|d| {
        d["security_groups"]["a"] = json!({ "vpc": "v", "ingress": [tcp_of(80, "0.0.0.0/0")] });
        d["security_groups"]["b"] = json!({ "vpc": "v", "ingress": [tcp_of(443, "0.0.0.0/0")] });
        d["instances"]["web"]["security_groups"] = json!(["a", "b"]);
    });
    for (port, passes) in [(80, true), (443, true), (22, false)] {
        assert_eq!(net.send("db", &packet(DB, WEB, syn(1, port))).delivered().is_some(), passes, "{port}");
    }
}

#[test]
fn a_new_group_lets_out_everything_and_in_nothing() {
    // proves: SG-02
    let egress = |ipv6: bool| {
        let mut vpc = json!({ "cidr_block": "10.0.0.0/16" });
        if ipv6 {
            vpc["ipv6_cidr_block"] = json!("2001:db8::/56");
        }
        let declared =
            topology(&json!({ "vpcs": { "v": vpc }, "security_groups": { "g": { "vpc": "v" } } }), None)
                .unwrap();
        let group = &declared.security_groups["g"];
        assert!(group.ingress.is_empty() && group.egress.iter().all(|rule| rule.traffic == Traffic::All));
        group.egress.iter().map(|rule| rule.peer.clone()).collect::<Vec<_>>()
    };
    let everybody = |block: &str| Peer::Cidr(block.parse().unwrap());
    assert_eq!(egress(false), [everybody("0.0.0.0/0")]);
    assert_eq!(egress(true), [everybody("0.0.0.0/0"), everybody("::/0")]);
}

#[test]
fn members_of_the_default_group_reach_each_other_and_nobody_else_reaches_them() {
    // proves: SG-03, SG-06
    let mut net = with(|d| {
        for name in ["web", "db"] {
            d["instances"][name].as_object_mut().unwrap().remove("security_groups");
        }
    });
    assert!(net.converses("web", &packet(WEB, DB, syn(1, 80))));
    assert!(net.converses("web", &packet(WEB_V6, DB_V6, syn(1, 80))));
    net.send("peer", &packet(PEER, DB, syn(1, 80))).dies_of("security-group");
    net.send("web", &packet(WEB, CLIENT, syn(1, 80))).arrives_at("client");
}

#[test]
fn a_group_in_use_cannot_go() {
    // proves: SG-04
    refused("instances.web.security_groups[0]", "InvalidGroup.NotFound", |d| {
        d["instances"]["web"]["security_groups"] = json!(["gone"]);
    });
    refused("security_groups.g.ingress[0].security_groups[0]", "InvalidGroup.NotFound", |d| {
        ingress(json!([{ "protocol": "-1", "security_groups": ["gone"] }]))(d);
    });
    assert!(
        with(|_| {}).topology.security_groups.contains_key("v/default"),
        "the default one is always there"
    );
}

#[test]
fn group_names_are_unique_whatever_their_case() {
    // proves: SG-05
    let named = |name: &str| {
        let name = name.to_owned();
        move |d: &mut Value| {
            d["security_groups"]["a"] = json!({ "vpc": "v", "name": "Shop " });
            d["security_groups"]["g"] = json!({ "vpc": "v", "name": name });
        }
    };
    let place = "security_groups.g.name";
    refused(place, "InvalidGroup.Duplicate", named("sHOP"));
    refused(place, "InvalidGroup.Reserved", named("Default"));
    refused(place, "InvalidParameterValue", named("sg-shop"));
    refused(place, "InvalidParameterValue", named(&"x".repeat(256)));
    accepted(named(&"x".repeat(255)));
    assert_eq!(with(named("y")).topology.security_groups["a"].group_name, "Shop", "trailing spaces go");
}

#[test]
fn membership_alone_lets_nobody_in() {
    // proves: SG-07, SG-26
    let mut net = with(|d| {
        d["security_groups"]["open"] = json!({ "vpc": "v" });
    });
    net.send("web", &packet(WEB, PEER, syn(1, 80))).dies_of("security-group");
    net.change(|d| d["security_groups"]["open"]["ingress"] = json!([{ "protocol": "-1", "self": true }]));
    net.send("web", &packet(WEB, PEER, syn(1, 80))).arrives_at("peer");
    // The sender's outbound rules are asked too, in one subnet and one group.
    net.change(|d| d["security_groups"]["open"]["egress"] = json!([]));
    net.send("web", &packet(WEB, PEER, syn(2, 80))).dies_of("security-group");
}

/// `db` admits the group that `web` alone is in.
fn by_reference() -> Net {
    with(|d| {
        d["security_groups"]["web"] = json!({ "vpc": "v" });
        d["security_groups"]["db"] =
            json!({ "vpc": "v", "ingress": [{ "protocol": "-1", "security_groups": ["web"] }] });
        d["instances"]["web"]["security_groups"] = json!(["web"]);
        d["instances"]["db"]["security_groups"] = json!(["db"]);
    })
}

#[test]
fn a_reference_means_private_addresses_of_members() {
    // proves: SG-08, SG-09
    let mut net = by_reference();
    net.send("web", &packet(WEB, DB, syn(1, 80))).arrives_at("db");
    net.send("web", &packet(WEB_V6, DB_V6, syn(1, 80))).arrives_at("db");
    net.send("peer", &packet(PEER, DB, syn(1, 80))).dies_of("security-group");
    // The referenced group's own rules are not imported.
    net.change(|d| d["security_groups"]["web"]["ingress"] = json!([everything()]));
    net.send("peer", &packet(PEER, DB, syn(1, 80))).dies_of("security-group");
    // Around by the public addresses membership counts for nothing.
    net.change(|d| {
        d["eips"] = json!({ "e": { "network_interface": "db", "public_ip": "203.0.113.20" } });
        d["subnets"]["private"]["route_table"] = json!("public");
    });
    net.send("web", &packet(WEB, "203.0.113.20", syn(1, 80))).dies_of("security-group");
    // Outbound references mean the destination.
    let mut net = by_reference();
    net.change(|d| {
        d["security_groups"]["web"]["egress"] = json!([{ "protocol": "-1", "security_groups": ["db"] }]);
    });
    net.send("web", &packet(WEB, DB, syn(1, 80))).arrives_at("db");
    net.send("web", &packet(WEB, PEER, syn(1, 80))).dies_of("security-group");
}

#[test]
fn a_group_of_another_vpc_cannot_be_referred_to() {
    refused("security_groups.g.ingress[0].security_groups[0]", "InvalidGroup.NotFound", |d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.5.0.0/16" });
        d["security_groups"]["far"] = json!({ "vpc": "w" });
        ingress(json!([{ "protocol": "-1", "security_groups": ["far"] }]))(d);
    });
    accepted(ingress(json!([{ "protocol": "-1", "security_groups": ["open"] }])));
}

#[test]
fn behind_a_middlebox_references_do_not_match() {
    // proves: SG-13
    let mut net = by_reference();
    net.change(|d| {
        d["subnets"]["middle"] = json!({ "vpc": "v", "cidr_block": "10.0.3.0/24" });
        d["instances"]["box"] =
            json!({ "subnet": "middle", "source_dest_check": false, "security_groups": ["open"] });
    });
    let request = packet(WEB, DB, syn(1, 80));
    net.send("box", &request).dies_of("security-group");
    net.send("web", &request).arrives_at("db");
    let mut net = by_reference();
    net.change(|d| {
        d["instances"]["peer"]["source_dest_check"] = json!(false);
        d["security_groups"]["db"]["ingress"] = json!([all_of("10.0.1.0/24")]);
    });
    net.send("peer", &request).arrives_at("db");
}

#[test]
fn an_icmp_rule_has_its_type_and_code_in_the_ports() {
    // proves: SG-17
    let rule = |protocol: &str, from: Value, to: Value| json!([{ "protocol": protocol, "from_port": from, "to_port": to, "cidr_blocks": ["0.0.0.0/0"] }]);
    for (from, to, passes) in [(8, -1, true), (8, 0, true), (8, 1, false), (0, -1, false), (-1, -1, true)] {
        assert_eq!(admits(rule("icmp", json!(from), json!(to)), ping(1)), passes, "{from} {to}");
    }
    let place = "security_groups.g.ingress[0]";
    refused(
        &format!("{place}.to_port"),
        "InvalidPermission.Malformed",
        ingress(rule("icmp", json!(-1), json!(0))),
    );
    for protocol in ["tcp", "udp", "icmp"] {
        let mut document = document();
        ingress(rule(protocol, Value::Null, Value::Null))(&mut document);
        let found = mistakes(&document);
        assert!(
            !found.is_empty() && found.iter().all(|m| m.ends_with("MissingParameter")),
            "{protocol}: {found:?}"
        );
    }
    let v6 = json!([{ "protocol": "icmpv6", "ipv6_cidr_blocks": ["::/0"] }]);
    let mut net = web_with_rules(v6, json!([]));
    net.send("db", &packet(DB_V6, WEB_V6, ping(1))).arrives_at("web");
    net.send("db", &packet(DB, WEB, ping(1))).dies_of("security-group");
}

#[test]
fn other_protocols_have_no_ports() {
    // proves: SG-18
    let rule = json!([{ "protocol": "47", "from_port": 22, "to_port": 22, "cidr_blocks": ["0.0.0.0/0"] }]);
    assert!(admits(rule.clone(), Body::Other(47)));
    assert!(!admits(rule.clone(), Body::Other(50)) && !admits(rule, syn(1, 22)));
}

#[test]
fn an_equal_rule_again_is_a_mistake() {
    // proves: SG-19, SG-28
    let twice = |a: &str, b: &str| ingress(json!([tcp_of(80, a), tcp_of(80, b)]));
    refused(
        "security_groups.g.ingress[1].cidr_blocks[0]",
        "InvalidPermission.Duplicate",
        twice("203.0.113.0/24", "203.0.113.7/24"),
    );
    accepted(twice("203.0.113.0/24", "203.0.113.7/32"));
    // A host with a wider mask is the whole block.
    assert!(admits(json!([tcp_of(80, "10.0.2.77/24")]), syn(1, 80)));
    assert!(!admits(json!([tcp_of(80, "10.0.2.77/32")]), syn(1, 80)));
}

#[test]
fn a_changed_group_holds_for_new_flows_of_all_members_at_once() {
    // proves: SG-22
    let mut net = with(|_| {});
    net.send("db", &packet(DB, WEB, syn(1, 80))).arrives_at("web");
    net.change(|d| d["security_groups"]["open"]["ingress"] = json!([]));
    for (src, dst, from) in [(DB, WEB, "db"), (DB, PEER, "db"), (WEB, DB, "web")] {
        net.send(from, &packet(src, dst, syn(2, 80))).dies_of("security-group");
    }
    net.change(|d| d["security_groups"]["open"]["ingress"] = json!([everything()]));
    net.send("db", &packet(DB, PEER, syn(2, 80))).arrives_at("peer");
}

#[test]
fn a_ping_needs_the_echo_request_of_its_family_alone() {
    // proves: SG-29, CT-21
    let v4 = json!({ "protocol": "icmp", "from_port": 8, "to_port": -1, "cidr_blocks": ["0.0.0.0/0"] });
    let v6 = json!({ "protocol": "icmpv6", "from_port": 128, "to_port": -1, "ipv6_cidr_blocks": ["::/0"] });
    for (rule, v4_works) in [(v4, true), (v6, false)] {
        let mut net = web_with_rules(json!([rule]), json!([]));
        assert_eq!(net.converses("db", &packet(DB, WEB, ping(1))), v4_works);
        assert_eq!(net.converses("db", &packet(DB_V6, WEB_V6, ping(1))), !v4_works);
        // The reply leaves because it answers, not by itself.
        let unasked = packet(WEB, DB, Body::Echo { id: 99, reply: true });
        net.send("web", &unasked).dies_of("security-group");
    }
}

#[test]
fn gateways_have_no_groups() {
    // proves: SG-27, IGW-18
    let mut document = document();
    document["internet_gateways"]["igw"]["security_groups"] = json!(["open"]);
    assert_eq!(mistakes(&document).len(), 1);
    // And what passes one is asked about at the interfaces only.
    let mut net = web_with_rules(json!([tcp_of(80, "198.51.100.7/32")]), json!([]));
    assert!(net.converses("client", &packet(CLIENT, WEB_PUBLIC, syn(1, 80))));
    net.send("client", &packet(CLIENT, WEB_PUBLIC, udp(1, 80))).dies_of("security-group");
}

#[test]
fn a_range_of_ports_goes_upwards() {
    // proves: ERR-09, SG-17
    for protocol in ["tcp", "udp"] {
        let rule = |from: u32, to: u32| json!([{ "protocol": protocol, "from_port": from, "to_port": to, "cidr_blocks": ["0.0.0.0/0"] }]);
        let place = "security_groups.g.ingress[0].from_port";
        refused(place, "InvalidPermission.Malformed", ingress(rule(81, 80)));
        refused(place, "InvalidPermission.Malformed", ingress(rule(65_535, 0)));
        accepted(ingress(rule(80, 80)));
        let entry = |from: u32, to: u32| {
            move |d: &mut Value| {
                d["network_acls"] = json!({ "a": { "vpc": "v", "ingress": [{ "rule_no": 1, "action": "allow",
                    "protocol": protocol, "from_port": from, "to_port": to, "cidr_block": "0.0.0.0/0" }] } });
            }
        };
        refused("network_acls.a.ingress[0].from_port", "InvalidParameterValue", entry(81, 80));
        accepted(entry(80, 81));
    }
}
