//! Area MTU: how large may a packet be, and who hears of one that is larger?

use serde_json::json;
use vpclab_engine::plan::Verdict;
use vpclab_tests::frames;
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Body, Flags, Packet, Piece, ping, syn, tcp, udp};

use crate::nat_networks::{self, APP, APP_V6, CLIENT_NAT64, FAR, NAT, NAT_PUBLIC, send_sized, told};
use crate::networks::{CLIENT, CLIENT_V6, DB, WEB, WEB_V6, entry, packet, with};

#[test]
fn above_the_limit_of_the_internet_a_packet_is_cut_or_dropped_and_ipv6_is_never_cut() {
    // proves: MTU-05, MTU-08
    let mut net = with(|_| {});
    let datagram = packet(WEB, CLIENT, udp(40_000, 53));
    let error = told(&send_sized(&mut net, "web", &datagram, 1501), "web");
    assert_eq!((error.src.to_string(), error.mtu), ("10.0.1.1".to_owned(), Some(1500)));
    let loose = Packet { may_be_cut: true, ..datagram };
    let fate = send_sized(&mut net, "web", &loose, 3000);
    assert!(fate.sent.len() == 3 && fate.sent.iter().all(|(at, _)| at == "client"));
    let six = Packet { may_be_cut: true, ..packet(WEB_V6, CLIENT_V6, udp(40_000, 53)) };
    assert_eq!(told(&send_sized(&mut net, "web", &six, 1501), "web").icmp, Some((2, 0)));
}

#[test]
fn the_error_passes_by_the_flow_or_by_a_rule_and_the_acl_must_let_it_in() {
    // proves: MTU-10, NACL-18
    let datagram = packet(WEB, CLIENT, udp(40_000, 53));
    let heard = |ingress: serde_json::Value, acl_icmp: bool| {
        let mut net = with(|d| {
            d["security_groups"]["web"] = json!({ "vpc": "v", "ingress": ingress,
                "egress": [{ "protocol": "udp", "from_port": 0, "to_port": 65535, "cidr_blocks": ["0.0.0.0/0"] }] });
            d["instances"]["web"]["security_groups"] = json!(["web"]);
            let udp_only = json!({ "rule_no": 1, "action": "allow", "protocol": "udp", "from_port": 0, "to_port": 65535, "cidr_block": "0.0.0.0/0" });
            let icmp = json!({ "rule_no": 2, "action": "allow", "protocol": "icmp", "icmp_type": 3, "icmp_code": 4, "cidr_block": "0.0.0.0/0" });
            let rules = if acl_icmp { json!([udp_only, icmp]) } else { json!([udp_only]) };
            d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": rules, "egress": [entry(1, "allow", "0.0.0.0/0")] } });
            d["subnets"]["public"]["network_acl"] = json!("acl");
        });
        !send_sized(&mut net, "web", &datagram, 1600).sent.is_empty()
    };
    let all_udp =
        json!([{ "protocol": "udp", "from_port": 0, "to_port": 65535, "cidr_blocks": ["0.0.0.0/0"] }]);
    let and_icmp = json!([all_udp[0], { "protocol": "icmp", "from_port": 3, "to_port": 4, "cidr_blocks": ["0.0.0.0/0"] }]);
    // A flow tracked by its rules, an untracked one, and the same with a rule for ICMP.
    assert!(heard(json!([]), true));
    assert!(!heard(all_udp, true));
    assert!(heard(and_icmp.clone(), true));
    assert!(!heard(json!([]), false) && !heard(and_icmp, false));
}

#[test]
fn fragments_of_udp_reach_other_subnets() {
    // proves: MTU-13
    let mut net = with(|_| {});
    for piece in [Piece::First(5), Piece::Later(5)] {
        let part = Packet { piece, may_be_cut: true, ..packet(WEB, DB, udp(40_000, 53)) };
        let mac = net.router_mac("web");
        assert!(net.send_to("web", mac, &part, &[7; 40]).arrives_at("db").fragmented);
    }
}

#[test]
fn of_two_limits_on_the_way_the_lower_one_says_how_a_packet_is_cut() {
    // proves: MTU-05, NAT-14
    let mut net = nat_networks::with(|_| {});
    let loose = Packet { may_be_cut: true, ..packet(APP, CLIENT, udp(40_000, 53)) };
    // 8500 bytes at the NAT gateway, 1500 on the way through the internet gateway.
    let fate = send_sized(&mut net, "app", &loose, 9000);
    let pieces: Vec<_> = fate.sent.iter().map(|(at, frame)| (at, frames::read(frame).unwrap())).collect();
    assert!(pieces.len() > 5 && pieces.iter().all(|(at, p)| *at == "client" && p.packet_len <= 1500));
    let payload: usize = pieces.iter().map(|(_, piece)| piece.packet_len - 20).sum();
    assert_eq!(payload, 9000 - 20);
}

#[test]
fn what_was_cut_before_nat64_comes_out_as_ipv6_fragments_and_only_udp_does() {
    // proves: MTU-05, NAT-09, NAT-28
    let mut net = nat_networks::with(|_| {});
    let request = packet(APP_V6, CLIENT_NAT64, udp(40_000, 53));
    let port = net.send("app", &request).arrives_at("client").ports.0;
    let answer = Packet { may_be_cut: true, ..packet(CLIENT, NAT_PUBLIC, udp(53, port)) };
    // An internet gateway takes 1500 bytes; each of the four pieces has 28 bytes more of headers as IPv6.
    let fate = send_sized(&mut net, "client", &answer, 5000);
    let pieces: Vec<_> = fate.sent.iter().map(|(at, frame)| (at, frames::read(frame).unwrap())).collect();
    assert!(pieces.iter().all(|(at, piece)| *at == "app" && piece.fragmented && piece.packet_len <= 1528));
    assert!(pieces.iter().all(|(_, piece)| piece.dst.to_string() == APP_V6));
    let payloads: Vec<_> = pieces.iter().map(|(_, piece)| piece.packet_len - 48).collect();
    assert_eq!(payloads, [1480, 1480, 1480, 540]);
    assert_eq!((pieces[0].1.ports, payloads.iter().sum::<usize>()), ((53, 40_000), 5000 - 20));
    let request = packet(APP_V6, CLIENT_NAT64, ping(7));
    let port = net.send("app", &request).arrives_at("client").ports.0;
    let echo =
        Packet { may_be_cut: true, ..packet(CLIENT, NAT_PUBLIC, Body::Echo { id: port, reply: true }) };
    send_sized(&mut net, "client", &echo, 1500).arrives_at("app");
    send_sized(&mut net, "client", &echo, 1501).dies_of("nat-fragment");
}

#[test]
fn a_nat_gateway_lowers_the_segment_size_in_both_directions() {
    // proves: MTU-09, NAT-14
    let mut net = nat_networks::with(|_| {});
    let announced = |net: &Net, from: &str, packet: &Packet| {
        let frame = frames::frame(packet, net.mac(from), net.next_hop(from, packet.dst), b"");
        let Verdict::Forward(forward) = net.plan(from, &frame).verdict else { panic!("not forwarded") };
        forward.rewrite.max_segment_size
    };
    let request = packet(APP, FAR, syn(40_000, 443));
    assert_eq!(announced(&net, "app", &request), Some(8460));
    let seen = net.send("app", &request).arrives_at("far");
    let answer = packet(FAR, NAT, tcp(443, seen.ports.0, Flags::SynAck));
    assert_eq!(announced(&net, "far", &answer), Some(8460));
}
