//! Areas MTU, NAT and CT: how do pieces of a datagram fare, which have one transport header among them?

use serde_json::json;
use vpclab_tests::frames;
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Body, ErrorKind, Flags, Packet, Piece, syn, tcp, udp};

use crate::nat_networks::{self, APP, APP_V6, CLIENT_NAT64, NAT_PUBLIC, dies_untold, send_sized, told};
use crate::networks::{CLIENT, CLIENT_V6, DB, WEB, WEB_V6, all_of, packet, web_with_rules, with};
use crate::transit_networks::{v6, with_hub};

/// Both pieces of the datagram `whole`.
fn pieces(whole: &Packet) -> [Packet; 2] {
    [Piece::First(5), Piece::Later(5)].map(|piece| Packet { piece, ..whole.clone() })
}

/// A first piece passes, all of it.
#[track_caller]
fn begin(net: &mut Net, name: &str, first: &Packet, receiver: &str) {
    let mac = net.next_hop(name, first.dst);
    net.send_to(name, mac, first, &[7; Piece::FIRST_LEN]).arrives_at(receiver);
}

#[test]
fn what_nat64_makes_of_a_piece_is_as_long_as_its_fragment_header_makes_it() {
    // proves: NAT-28, TGW-25
    let mut net = with_hub(|d| {
        let nat64 = "64:ff9b::/96";
        let by_hub = json!({ "ipv6_cidr_block": nat64, "transit_gateway": "hub" });
        d["route_tables"]["a"]["routes"].as_array_mut().unwrap().push(by_hub);
        d["nat_gateways"] = json!({ "nat": { "subnet": "b-one", "connectivity_type": "private" } });
        d["route_tables"]["b/main"] =
            json!({ "routes": [{ "ipv6_cidr_block": nat64, "nat_gateway": "nat" }] });
        d["transit_gateway_route_tables"]["hub/default"] = json!({ "transit_gateway": "hub",
            "routes": [{ "destination_cidr_block": nat64, "attachment": "b" }] });
    });
    // 10.2.2.10 is `b-two`.
    let seen =
        net.send("a-one", &packet(&v6("a-one"), "64:ff9b::a02:20a", udp(40_000, 53))).arrives_at("b-two");
    let [first, later] = pieces(&Packet::of(seen.dst, seen.src, udp(53, seen.ports.0)));
    begin(&mut net, "b-two", &first, "a-one");
    // 20 bytes of header become 48, and a transit gateway takes 8500.
    assert_eq!(send_sized(&mut net, "b-two", &later, 8472).arrives_at("a-one").packet_len, 8500);
    begin(&mut net, "b-two", &first, "a-one");
    let fate = send_sized(&mut net, "b-two", &later, 8480);
    assert!(fate.delivered().is_none(), "{:?}", fate.outcome);
}

#[test]
fn a_piece_that_nat64_makes_of_an_ipv6_one_may_be_cut_again() {
    // proves: NAT-28, MTU-05
    let mut net = nat_networks::with(|_| {});
    let [first, later] = pieces(&packet(APP_V6, CLIENT_NAT64, udp(40_000, 53)));
    for (length, expected) in [(1528, vec![1500]), (1536, vec![1500, 28])] {
        begin(&mut net, "app", &first, "client");
        let fate = send_sized(&mut net, "app", &later, length);
        assert!(fate.sent.iter().all(|(at, _)| at == "client"), "{:?}", fate.outcome);
        let lengths = fate.sent.iter().map(|(_, frame)| frames::read(frame).unwrap().packet_len);
        assert_eq!(lengths.collect::<Vec<_>>(), expected);
    }
    // What was whole may not, if it is longer than every IPv6 link takes.
    let whole = packet(APP_V6, CLIENT_NAT64, udp(40_000, 53));
    assert_eq!(send_sized(&mut net, "app", &whole, 1520).arrives_at("client").packet_len, 1500);
    assert!(send_sized(&mut net, "app", &whole, 1521).delivered().is_none());
}

#[test]
fn of_a_later_piece_nobody_hears_in_ipv4_and_its_sender_does_in_ipv6() {
    // proves: MTU-07, NAT-13
    let mut net = nat_networks::with(|_| {});
    for (source, destination) in [(APP, CLIENT), (APP_V6, CLIENT_NAT64)] {
        let [first, later] = pieces(&packet(source, destination, udp(40_000, 53)));
        begin(&mut net, "app", &first, "client");
        let spent = Packet { ttl: 1, ..later };
        if source == APP {
            dies_untold(&mut net, "app", &spent, 100, "ttl-expired");
        } else {
            let error = told(&send_sized(&mut net, "app", &spent, 100), "app");
            assert_eq!((error.icmp, error.quoted_ports), (Some((3, 0)), None));
            assert_eq!(error.quoted.unwrap().0.to_string(), APP_V6);
        }
        let error =
            told(&send_sized(&mut net, "app", &Packet { ttl: 1, ..first.clone() }, first.len() + 17), "app");
        assert_eq!(error.quoted_ports, Some((40_000, 53)));
    }
    let mut net = with(|_| {});
    let [first, later] = pieces(&packet(WEB_V6, CLIENT_V6, udp(40_000, 53)));
    begin(&mut net, "web", &first, "client");
    let error = told(&send_sized(&mut net, "web", &later, 1501), "web");
    assert_eq!((error.icmp, error.mtu, error.quoted_ports), (Some((2, 0)), Some(1500), None));
}

#[test]
fn nobody_hears_of_an_error_that_dies_nor_of_a_piece_of_one() {
    // proves: MTU-08
    let mut net = with(|_| {});
    for (web, client) in [(WEB, CLIENT), (WEB_V6, CLIENT_V6)] {
        let error = packet(client, web, udp(40_000, 53)).error(ErrorKind::PortUnreachable).unwrap();
        net.send("web", &error).arrives_at("client");
        dies_untold(&mut net, "web", &error, 1501, "mtu-exceeded");
    }
    let whole = packet(CLIENT_V6, WEB_V6, udp(40_000, 53)).error(ErrorKind::PortUnreachable).unwrap();
    let [first, later] = pieces(&whole);
    begin(&mut net, "web", &first, "client");
    dies_untold(&mut net, "web", &later, 1501, "mtu-exceeded");
    let mut net = nat_networks::with(|_| {});
    let seen = net.send("app", &packet(APP, CLIENT, udp(40_000, 53))).arrives_at("client");
    let answer = packet(CLIENT, NAT_PUBLIC, udp(53, seen.ports.0));
    let answered = net.send("client", &answer).arrives_at("app");
    let about = Packet::of(answered.src, answered.dst, udp(53, 40_000));
    let error = about.error(ErrorKind::PortUnreachable).unwrap();
    let spent = Packet { ttl: 1, ..error.clone() };
    dies_untold(&mut net, "app", &spent, spent.len(), "ttl-expired");
    net.send("app", &error).arrives_at("client");
}

#[test]
fn a_late_piece_of_a_reset_does_not_end_the_connection_that_has_begun_since() {
    // proves: CT-11, NACL-27
    let mut net = web_with_rules(json!([]), json!([all_of("10.0.0.0/16")]));
    let turn = |flags| packet(WEB, DB, tcp(40_000, 443, flags));
    let back = |flags| packet(DB, WEB, tcp(443, 40_000, flags));
    let connect = |net: &mut Net| {
        net.send("web", &packet(WEB, DB, syn(40_000, 443))).arrives_at("db");
        net.send("db", &back(Flags::SynAck)).arrives_at("web");
        net.send("web", &turn(Flags::Ack)).arrives_at("db");
    };
    connect(&mut net);
    let [first, later] = pieces(&turn(Flags::Rst));
    begin(&mut net, "web", &first, "db");
    connect(&mut net);
    net.send_by_router("web", &later).arrives_at("db");
    // Far longer than what has ended is remembered.
    net.wait(3600);
    net.send("db", &back(Flags::Ack)).arrives_at("web");
    let reset = turn(Flags::Rst);
    net.send("web", &reset).arrives_at("db");
    net.wait(3600);
    net.send("db", &back(Flags::Ack)).dies_of("security-group");
}

#[test]
fn icmp_of_the_other_family_has_no_type_that_a_rule_could_name() {
    // proves: SG-17
    for (from, to, passes) in [(-1, -1, true), (8, -1, false), (8, 0, false)] {
        let rule =
            json!([{ "protocol": "icmp", "from_port": from, "to_port": to, "ipv6_cidr_blocks": ["::/0"] }]);
        let mut net = web_with_rules(rule, json!([]));
        let stray = packet("2001:db8:1:2::10", WEB_V6, Body::Other(1));
        assert_eq!(
            net.send_to("db", net.router_mac("db"), &stray, &[0; 16]).delivered().is_some(),
            passes,
            "{from} {to}"
        );
    }
}
