//! Area NACL: what does a subnet let in and out?

use serde_json::{Value, json};
use vpclab_model::{RuleAction, Traffic};
use vpclab_tests::harness::{Net, topology};
use vpclab_tests::packet::{Body, ErrorKind, Flags, Packet, Piece, ping, syn, tcp, udp};

use crate::networks::{
    CLIENT, DB, DB_V6, PEER, WEB, WEB_PUBLIC, WEB_V6, accepted, acl_on, entry, packet, refused, tcp_entry,
    with,
};

const BAD: &str = "InvalidParameterValue";
const ALL: (u16, u16) = (0, 65_535);

/// A document with an ACL `acl` that has these inbound entries.
fn ingress(entries: Value) -> impl FnOnce(&mut Value) {
    move |d| d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": entries } })
}

/// Whether `db`, whose subnet has these inbound entries, gets a SYN to `port` from `web`.
fn admits(entries: Value, port: u16) -> bool {
    acl_on("private", entries, json!([entry(1, "allow", "0.0.0.0/0")]))
        .send("web", &packet(WEB, DB, syn(40_000, port)))
        .delivered()
        .is_some()
}

#[test]
fn the_lowest_number_that_matches_decides() {
    // proves: NACL-01, NACL-26
    let (allow, deny) = (|n| entry(n, "allow", "0.0.0.0/0"), |n| entry(n, "deny", "10.0.1.10/32"));
    // Whatever the order in the document.
    for (entries, admitted) in [
        (json!([deny(100), allow(200)]), false),
        (json!([allow(200), deny(100)]), false),
        (json!([allow(100), deny(200)]), true),
        (json!([deny(200), allow(100)]), true),
    ] {
        assert_eq!(admits(entries.clone(), 443), admitted, "{entries}");
    }
    // VEC-06
    let vector = json!([
        tcp_entry(100, "allow", (80, 80), "0.0.0.0/0"),
        tcp_entry(105, "deny", (80, 80), "10.0.1.0/24"),
        tcp_entry(110, "allow", (443, 443), "0.0.0.0/0"),
    ]);
    assert!(admits(vector.clone(), 80) && admits(vector.clone(), 443) && !admits(vector, 22));
    for number in [1, 32_766] {
        accepted(ingress(json!([entry(number, "allow", "0.0.0.0/0")])));
    }
    refused("network_acls.acl.ingress[0].rule_no", BAD, ingress(json!([entry(0, "allow", "0.0.0.0/0")])));
}

#[test]
fn what_nothing_matches_is_denied() {
    // proves: NACL-02
    assert!(!admits(json!([tcp_entry(1, "allow", (80, 80), "0.0.0.0/0")]), 443));
    for number in [32_767, 32_768, 65_535] {
        let place = "network_acls.acl.ingress[0].rule_no";
        refused(place, BAD, ingress(json!([entry(number, "allow", "0.0.0.0/0")])));
    }
}

#[test]
fn directions_number_their_rules_independently() {
    // proves: NACL-03
    accepted(|d| {
        let both = json!([entry(100, "allow", "0.0.0.0/0")]);
        d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": both, "egress": both } });
    });
    let twice = json!([entry(100, "allow", "0.0.0.0/0"), entry(100, "deny", "10.0.0.0/8")]);
    refused("network_acls.acl.ingress[1].rule_no", "NetworkAclEntryAlreadyExists", ingress(twice));
}

#[test]
fn a_reply_needs_its_own_outbound_rule() {
    // proves: NACL-04, NACL-19
    let request = packet(WEB, DB, syn(40_000, 443));
    let inbound = json!([tcp_entry(1, "allow", (443, 443), "0.0.0.0/0")]);
    let mut net = acl_on("private", inbound.clone(), json!([]));
    net.send("web", &request).arrives_at("db");
    net.send("db", &request.answer().unwrap()).dies_of("network-acl");
    for (range, passes) in
        [((1024, 65_535), true), ((32_768, 61_000), true), ((49_152, 65_535), false), ((443, 443), false)]
    {
        let mut net = acl_on("private", inbound.clone(), json!([tcp_entry(1, "allow", range, "0.0.0.0/0")]));
        assert_eq!(net.converses("web", &request), passes, "{range:?}");
    }
}

#[test]
fn a_subnet_has_exactly_one_acl() {
    // proves: NACL-05, NACL-28
    refused("network_acls.b.subnets[0]", "Resource.AlreadyAssociated", |d| {
        d["network_acls"] = json!({ "a": { "vpc": "v", "subnets": ["private"] }, "b": { "vpc": "v", "subnets": ["private"] } });
    });
    refused("subnets.private.network_acl", "InvalidNetworkAclID.NotFound", |d| {
        d["subnets"]["private"]["network_acl"] = json!("gone");
    });
    let mut net = with(|d| d["network_acls"] = json!({ "closed": { "vpc": "v" } }));
    let request = packet(WEB, DB, syn(1, 2));
    net.send("web", &request).arrives_at("db");
    net.change(|d| d["subnets"]["private"]["network_acl"] = json!("closed"));
    net.send("web", &request).dies_of("network-acl");
    // The default one is always there.
    assert!(net.topology.network_acls["v/default"].default);
}

#[test]
fn the_default_acl_allows_everything_at_100_and_101() {
    // proves: NACL-07, NACL-08
    let acl = |ipv6: bool, written: Value| {
        let mut vpc = json!({ "cidr_block": "10.0.0.0/16" });
        if ipv6 {
            vpc["ipv6_cidr_block"] = json!("2001:db8::/56");
        }
        let declared =
            topology(&json!({ "vpcs": { "v": vpc }, "network_acls": { "v/default": written } }), None)
                .unwrap();
        let numbers = |entries: &[vpclab_model::NetworkAclEntry]| -> Vec<(u16, String)> {
            assert!(entries.iter().all(|e| e.action == RuleAction::Allow && e.traffic == Traffic::All));
            entries.iter().map(|e| (e.rule_number, e.cidr.to_string())).collect()
        };
        let acl = &declared.network_acls["v/default"];
        (numbers(&acl.ingress), numbers(&acl.egress))
    };
    let (v4, v6) = ((100, "0.0.0.0/0".to_owned()), (101, "::/0".to_owned()));
    assert_eq!(acl(false, json!({})), (vec![v4.clone()], vec![v4.clone()]));
    assert_eq!(acl(true, json!({})), (vec![v4.clone(), v6.clone()], vec![v4.clone(), v6.clone()]));
    // A direction that was changed does not get 101.
    let changed = json!({ "ingress": [entry(100, "allow", "0.0.0.0/0")] });
    assert_eq!(acl(true, changed), (vec![v4.clone()], vec![v4, v6]));
    // And it does what it says.
    assert!(with(|_| {}).converses("web", &packet(WEB_V6, DB_V6, syn(1, 2))));
}

#[test]
fn a_new_acl_denies_everything() {
    // proves: NACL-09
    let mut net = acl_on("private", json!([]), json!([]));
    for body in [syn(1, 2), udp(1, 2), ping(1), Body::Other(47)] {
        net.send("web", &packet(WEB, DB, body)).dies_of("network-acl");
        net.send("db", &packet(DB, WEB, body)).dies_of("network-acl");
    }
}

#[test]
fn ports_of_protocols_without_ports_are_ignored() {
    // proves: NACL-10
    let with_ports = |protocol: &str| {
        json!([{ "rule_no": 1, "action": "allow", "protocol": protocol, "from_port": 22, "to_port": 22,
            "cidr_block": "0.0.0.0/0" }])
    };
    let passes = |entries: Value, body: Body| {
        acl_on("private", entries, json!([])).send("web", &packet(WEB, DB, body)).delivered().is_some()
    };
    assert!(passes(with_ports("-1"), syn(1, 443)) && passes(with_ports("-1"), Body::Other(47)));
    assert!(passes(with_ports("47"), Body::Other(47)) && !passes(with_ports("47"), Body::Other(50)));
    assert!(!passes(with_ports("6"), syn(1, 443)) && passes(with_ports("6"), syn(1, 22)));
    assert!(!passes(with_ports("6"), udp(1, 22)) && passes(with_ports("17"), udp(1, 22)));
}

#[test]
fn a_port_range_is_about_the_destination_port_in_both_directions() {
    // proves: NACL-11
    let rule = json!([tcp_entry(1, "allow", (443, 443), "0.0.0.0/0")]);
    let mut net = acl_on("private", rule.clone(), rule);
    net.send("web", &packet(WEB, DB, syn(40_000, 443))).arrives_at("db");
    net.send("web", &packet(WEB, DB, syn(443, 40_000))).dies_of("network-acl");
    net.send("db", &packet(DB, WEB, syn(40_000, 443))).arrives_at("web");
    net.send("db", &packet(DB, WEB, syn(443, 40_000))).dies_of("network-acl");
}

#[test]
fn an_icmp_rule_names_type_and_code() {
    // proves: NACL-12
    let rule = |icmp_type: Value, code: Value| {
        json!([{ "rule_no": 1, "action": "allow", "protocol": "icmp", "icmp_type": icmp_type, "icmp_code": code,
            "cidr_block": "0.0.0.0/0" }])
    };
    let passes = |entries: Value| {
        acl_on("private", entries, json!([])).send("web", &packet(WEB, DB, ping(1))).delivered().is_some()
    };
    for (icmp_type, code, passing) in
        [(8, -1, true), (8, 0, true), (8, 1, false), (-1, -1, true), (0, -1, false)]
    {
        assert_eq!(passes(rule(json!(icmp_type), json!(code))), passing, "{icmp_type} {code}");
    }
    refused(
        "network_acls.acl.ingress[0].icmp_code",
        "MissingParameter",
        ingress(rule(json!(8), Value::Null)),
    );
    refused(
        "network_acls.acl.ingress[0].icmp_type",
        "MissingParameter",
        ingress(rule(Value::Null, json!(0))),
    );
}

#[test]
fn protocol_58_is_told_apart_by_the_family_of_the_block() {
    // proves: NACL-13
    let rule = |block: (&str, &str), types: bool| {
        let mut rule = json!({ "rule_no": 1, "action": "allow", "protocol": "58" });
        rule[block.0] = json!(block.1);
        if types {
            rule["icmp_type"] = json!(1);
            rule["icmp_code"] = json!(4);
        }
        json!([rule])
    };
    let v6 = ("ipv6_cidr_block", "::/0");
    accepted(ingress(rule(("cidr_block", "0.0.0.0/0"), false)));
    let found = vpclab_tests::harness::mistakes(&{
        let mut document = crate::networks::document();
        ingress(rule(v6, false))(&mut document);
        document
    });
    assert!(!found.is_empty() && found.iter().all(|m| m.ends_with("MissingParameter")), "{found:?}");
    // With an IPv4 block the type that is given counts for nothing, with an IPv6 block it does.
    let over_v4 = packet(WEB, DB, Body::Other(58));
    let mut net = acl_on("private", rule(("cidr_block", "0.0.0.0/0"), true), json!([]));
    net.send_to("web", net.router_mac("web"), &over_v4, &[0; 16]).arrives_at("db");
    let over_v6 = packet(WEB_V6, DB_V6, ping(1));
    acl_on("private", rule(v6, true), json!([])).send("web", &over_v6).dies_of("network-acl");
}

#[test]
fn an_entry_names_one_block_and_nothing_else() {
    // proves: NACL-14
    let place = "network_acls.acl.ingress[0]";
    let base = json!({ "rule_no": 1, "action": "allow", "protocol": "-1" });
    let adding = |more: Value| {
        let mut rule = base.clone();
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ingress(json!([rule]))
    };
    refused(&format!("{place}.cidr_block"), "MissingParameter", adding(json!({})));
    refused(
        &format!("{place}.ipv6_cidr_block"),
        "InvalidParameterCombination",
        adding(json!({ "cidr_block": "0.0.0.0/0", "ipv6_cidr_block": "::/0" })),
    );
    let mut document = crate::networks::document();
    adding(json!({ "cidr_block": "0.0.0.0/0", "security_groups": ["open"] }))(&mut document);
    assert_eq!(vpclab_tests::harness::mistakes(&document).len(), 1, "a group is no source");
    // Host bits fall away.
    let mut net = acl_on("private", json!([entry(1, "allow", "10.0.1.77/24")]), json!([]));
    net.send("web", &packet(WEB, DB, syn(1, 2))).arrives_at("db");
}

#[test]
fn path_mtu_discovery_needs_its_icmp_message_let_in() {
    // proves: NACL-18
    let rule = |icmp_type: u8, code: i8| {
        json!([{ "rule_no": 1, "action": "allow", "protocol": "icmp", "icmp_type": icmp_type, "icmp_code": code,
            "cidr_block": "0.0.0.0/0" }, tcp_entry(2, "allow", ALL, "0.0.0.0/0")])
    };
    let out = json!([entry(1, "allow", "0.0.0.0/0")]);
    let request = packet(DB, WEB, syn(40_000, 443));
    for (kind, entries, passes) in [
        (ErrorKind::TooBig, rule(3, 4), true),
        (ErrorKind::TooBig, rule(11, 0), false),
        (ErrorKind::TimeExceeded, rule(11, 0), true),
        (ErrorKind::TimeExceeded, rule(3, 4), false),
    ] {
        let mut net = acl_on("private", entries, out.clone());
        net.send("db", &request).arrives_at("web");
        assert_eq!(net.send("web", &request.error(kind).unwrap()).delivered().is_some(), passes, "{kind:?}");
    }
}

#[test]
fn ports_of_a_fragmented_datagram_come_from_its_first_fragment() {
    // proves: NACL-27, CT-23
    let fragments = |net: &Net, port: u16| -> Vec<Vec<u8>> {
        let datagram = packet(WEB, DB, udp(40_000, port));
        let mut ethernet =
            vpclab_tests::frames::ethernet(&datagram, net.mac("web"), net.router_mac("web"), &[7; 3000]);
        // "May be fragmented", with the header checksum that goes with it.
        ethernet[20] = 0;
        let header: &mut [u8] = &mut ethernet[14..34];
        header[10..12].fill(0);
        let checksum = vpclab_wire::Sum::new().bytes(header).checksum();
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        let whole = vpclab_wire::FrameBuf::from_ethernet(&ethernet);
        let pieces = vpclab_wire::fragment_ipv4(whole.bytes(), 1500).unwrap();
        assert_eq!(pieces.len(), 3);
        pieces.into_iter().map(vpclab_wire::FrameBuf::into_bytes).collect()
    };
    let rule = json!([{ "rule_no": 1, "action": "allow", "protocol": "udp", "from_port": 53, "to_port": 53,
        "cidr_block": "0.0.0.0/0" }]);
    let mut net = acl_on("private", rule, json!([]));
    for piece in fragments(&net, 53) {
        assert!(
            net.send_frame("web", &piece).delivered().is_some(),
            "every piece of an allowed datagram passes"
        );
    }
    for piece in fragments(&net, 54) {
        assert!(net.send_frame("web", &piece).delivered().is_none(), "no piece of a denied datagram passes");
    }
}

#[test]
fn an_ipv6_datagram_is_what_its_first_fragment_says_whatever_the_others_claim() {
    // proves: NACL-27, CT-23
    // A UDP datagram of 24 bytes in two pieces; the second says that it carries `claimed` (RFC 8200 4.5).
    let fragments = |net: &Net, identification: u32, port: u16, claimed: u8| -> Vec<Vec<u8>> {
        let udp =
            [&40_000_u16.to_be_bytes()[..], &port.to_be_bytes(), &24_u16.to_be_bytes(), &[0, 1], &[7; 16]]
                .concat();
        let piece = |next_header: u8, offset_and_more: u16, data: &[u8]| {
            let address = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
            let length = u16::try_from(8 + data.len()).unwrap();
            let ethernet = [
                &net.router_mac("web").0[..],
                &net.mac("web").0,
                &[0x86, 0xdd, 0x60, 0, 0, 0],
                &length.to_be_bytes(),
                &[44, 64],
                &address(WEB_V6),
                &address(DB_V6),
                &[next_header, 0],
                &offset_and_more.to_be_bytes(),
                &identification.to_be_bytes(),
                data,
            ]
            .concat();
            vpclab_wire::FrameBuf::from_ethernet(&ethernet).into_bytes()
        };
        vec![piece(17, 1, &udp[..16]), piece(claimed, 16, &udp[16..])]
    };
    let rule = json!([{ "rule_no": 1, "action": "allow", "protocol": "udp", "from_port": 53, "to_port": 53,
        "ipv6_cidr_block": "::/0" }]);
    let mut net = acl_on("private", rule, json!([]));
    for (identification, claimed) in [(1, 17), (2, 6)] {
        for piece in fragments(&net, identification, 53, claimed) {
            assert!(net.send_frame("web", &piece).delivered().is_some(), "claimed {claimed}");
        }
        for piece in fragments(&net, identification + 10, 54, claimed) {
            assert!(net.send_frame("web", &piece).delivered().is_none(), "claimed {claimed}");
        }
    }
    // A later piece of a datagram nobody has begun passes under no port.
    let stray = fragments(&net, 99, 53, 17).remove(1);
    net.send_frame("web", &stray).dies_of("fragment-without-first");
}

#[test]
fn an_acl_sees_private_addresses_of_hosts_behind_the_gateway_only() {
    // proves: NACL-11
    let allow = json!([tcp_entry(1, "allow", (443, 443), "198.51.100.7/32")]);
    let mut net = acl_on("public", allow, json!([tcp_entry(1, "allow", (1024, 65_535), "198.51.100.7/32")]));
    let request = packet(CLIENT, WEB_PUBLIC, syn(50_000, 443));
    assert!(net.converses("client", &request));
    net.send("client", &packet(CLIENT, WEB_PUBLIC, syn(50_000, 80))).dies_of("network-acl");
    net.send("web", &packet(WEB, PEER, tcp(1, 2, Flags::Syn))).arrives_at("peer");
}

#[test]
fn an_ipv4_datagram_is_told_from_others_by_its_protocol_too() {
    // proves: NACL-27, CT-23
    let mut net = with(|_| {});
    let router = net.router_mac("web");
    let piece = |body, piece| Packet { piece, may_be_cut: true, ..packet(WEB, DB, body) };
    let first = piece(udp(40_000, 53), Piece::First(5));
    net.send_to("web", router, &first, &[7; 40]).arrives_at("db");
    let of_another = piece(tcp(40_000, 53, Flags::Ack), Piece::Later(5));
    net.send_to("web", router, &of_another, &[7; 40]).dies_of("fragment-without-first");
    net.send_to("web", router, &piece(udp(40_000, 53), Piece::Later(5)), &[7; 40]).arrives_at("db");
}
