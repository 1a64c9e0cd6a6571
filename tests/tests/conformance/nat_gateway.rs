//! Area NAT: what becomes of packets at a NAT gateway?

use etherparse::{PacketBuilder, PacketHeaders, TcpOptionElement, TransportHeader};
use serde_json::{Value, json};
use vpclab_tests::frames;
use vpclab_tests::harness::{Net, mistakes};
use vpclab_tests::packet::{Body, ErrorKind, Flags, Packet, Piece, ping, syn, tcp, udp};
use vpclab_wire::FrameBuf;

use crate::nat_networks::{
    APP, APP_V6, CLIENT, CLIENT_NAT64, FAR, NAT, NAT_PUBLIC, document, send_sized, told, with,
};
use crate::networks::{all_of, entry, packet};

/// What is wrong with the changed document.
fn wrong(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut document = document();
    change(&mut document);
    mistakes(&document)
}

/// The port that the gateway lends for a packet of `app`, which arrives at `client`.
#[track_caller]
fn lent(net: &mut Net, request: &Packet) -> u16 {
    let seen = net.send("app", request).arrives_at("client");
    assert_eq!((seen.src.to_string(), seen.dst), (NAT_PUBLIC.to_owned(), request.dst));
    seen.ports.0
}

#[test]
fn the_internet_sees_the_elastic_ip_and_a_peer_the_private_address() {
    // proves: NAT-01, NAT-24, NAT-25
    // proves: VEC-22
    let mut net = with(|_| {});
    for body in [syn(40_000, 443), udp(40_000, 53), ping(7)] {
        let seen = net.send("app", &packet(APP, CLIENT, body)).arrives_at("client");
        assert_eq!((seen.src.to_string(), seen.dst.to_string()), (NAT_PUBLIC.to_owned(), CLIENT.to_owned()));
        let seen = net.send("app", &packet(APP, FAR, body)).arrives_at("far");
        assert_eq!((seen.src.to_string(), seen.dst.to_string()), (NAT.to_owned(), FAR.to_owned()));
        assert!(net.converses("app", &packet(APP, CLIENT, body)));
    }
    // The gateway's own subnet has to lead to the internet gateway.
    net.change(|d| d["route_tables"]["edge"]["routes"] = json!([]));
    net.send("app", &packet(APP, CLIENT, syn(40_001, 443))).dies_of("no-route");
    assert_eq!(
        wrong(|d| drop(d["nat_gateways"]["nat"].as_object_mut().unwrap().remove("allocation"))),
        ["nat_gateways.nat.allocation: MissingParameter"]
    );
}

#[test]
fn a_private_gateway_has_no_elastic_ip_and_no_way_to_the_internet() {
    // proves: NAT-02
    let private = |d: &mut Value| d["nat_gateways"]["nat"]["connectivity_type"] = json!("private");
    assert_eq!(wrong(private), ["nat_gateways.nat.allocation: InvalidParameterCombination"]);
    let mut net = with(|d| {
        private(d);
        d["nat_gateways"]["nat"].as_object_mut().unwrap().remove("allocation");
    });
    net.send("app", &packet(APP, CLIENT, syn(40_000, 443))).dies_of("no-public-address");
    assert_eq!(net.send("app", &packet(APP, FAR, syn(40_000, 443))).arrives_at("far").src.to_string(), NAT);
}

#[test]
fn tcp_udp_and_icmp_pass_and_nothing_else() {
    // proves: NAT-03
    let mut net = with(|_| {});
    for (source, destination) in [(APP, CLIENT), (APP_V6, CLIENT_NAT64)] {
        for protocol in [47, 50, 89, 132] {
            net.send("app", &packet(source, destination, Body::Other(protocol))).dies_of("nat-protocol");
        }
        for body in [syn(1, 2), udp(1, 2), ping(1)] {
            assert!(net.converses("app", &packet(source, destination, body)), "{source} {body:?}");
        }
    }
    // Nor does anything else come in.
    net.send("client", &packet(CLIENT, NAT_PUBLIC, Body::Other(47))).dies_of("nat-protocol");
}

#[test]
fn an_address_serves_55000_flows_to_one_destination_and_each_further_address_as_many() {
    // proves: NAT-04, NAT-05, NAT-06, NAT-39
    let mut net = with(|_| {});
    let open = |port: u16, to: u16| packet(APP, CLIENT, syn(port, to));
    let mut ports = std::collections::BTreeSet::new();
    for port in 0..55_000 {
        let seen = net.send("app", &open(port, 443)).arrives_at("client");
        assert!(seen.ports.0 >= 1024, "{}", seen.ports.0);
        assert!(ports.insert(seen.ports.0), "port {} is lent twice for one destination", seen.ports.0);
    }
    net.send("app", &open(55_000, 443)).dies_of("nat-port-allocation");
    net.send("app", &open(55_000, 443)).dies_of("nat-port-allocation");
    // Ports are shared by flows to different destinations: another port is another destination, and so is UDP.
    let again = net.send("app", &open(55_000, 444)).arrives_at("client").ports.0;
    net.send("app", &packet(APP, CLIENT, udp(55_000, 443))).arrives_at("client");
    assert!(again >= 1024);
    // Another address has as many again.
    net.change(|d| {
        d["eips"]["second"] = json!({ "public_ip": "203.0.113.10" });
        d["nat_gateways"]["nat"]["secondary_private_ips"] = json!(["10.0.0.221"]);
        d["nat_gateways"]["nat"]["secondary_allocations"] = json!(["second"]);
    });
    let seen = net.send("app", &open(55_000, 443)).arrives_at("client");
    assert_eq!(seen.src.to_string(), "203.0.113.10");
    net.change(|d| {
        let nat = d["nat_gateways"]["nat"].as_object_mut().unwrap();
        nat.remove("secondary_private_ips");
        nat.remove("secondary_allocations");
    });
    // What has expired counts no more, swept or not.
    net.send("app", &open(55_001, 443)).dies_of("nat-port-allocation");
    net.wait(351);
    net.send("app", &open(55_001, 443)).arrives_at("client");
    let nine = json!((0..8).map(|n| format!("10.0.0.{}", 100 + n)).collect::<Vec<_>>());
    let found = wrong(|d| d["nat_gateways"]["nat"]["secondary_private_ips"] = nine);
    assert!(found.contains(&"nat_gateways.nat: InvalidParameterValue".to_owned()), "{found:?}");
}

#[test]
fn the_acl_of_its_subnet_is_asked_on_all_four_legs() {
    // proves: NAT-07, NACL-21
    let request = packet(APP, CLIENT, syn(40_000, 443));
    let allow = entry(200, "allow", "0.0.0.0/0");
    for (side, block, reaches_client) in [
        ("ingress", "10.0.1.5/32", false),
        ("egress", "198.51.100.7/32", false),
        ("ingress", "198.51.100.7/32", true),
        ("egress", "10.0.1.5/32", true),
    ] {
        let mut net = with(|d| {
            d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": [allow], "egress": [allow] } });
            d["network_acls"]["acl"][side] = json!([entry(100, "deny", block), allow]);
            d["subnets"]["edge"]["network_acl"] = json!("acl");
        });
        assert!(!net.converses("app", &request), "{side} {block}");
        assert_eq!(net.send("app", &request).delivered().is_some(), reaches_client, "{side} {block}");
        net.change(|d| d["network_acls"]["acl"][side] = json!([allow]));
        assert!(net.converses("app", &request), "{side} {block}");
    }
    let found = wrong(|d| d["nat_gateways"]["nat"]["security_groups"] = json!(["open"]));
    assert_eq!(found.len(), 1, "no security group can be put on it: {found:?}");
}

#[test]
fn fragments_of_udp_pass_and_those_of_tcp_and_icmp_do_not() {
    // proves: NAT-09
    // proves: VEC-13
    let mut net = with(|_| {});
    for body in [ping(7), syn(40_000, 443)] {
        let piece = |piece| Packet { piece, may_be_cut: true, ..packet(APP, CLIENT, body) };
        let mac = net.router_mac("app");
        net.send_to("app", mac, &piece(Piece::First(1)), &[7; 40]).dies_of("nat-fragment");
        net.send_to("app", mac, &piece(Piece::Later(1)), &[7; 40]).dies_of("fragment-without-first");
    }
    // A datagram of 10,000 bytes from a guest whose link takes 1500.
    let datagram = Packet { may_be_cut: true, ..packet(APP, CLIENT, udp(40_000, 53)) };
    let frame = frames::frame(&datagram, net.mac("app"), net.router_mac("app"), &[7; 10_000]);
    let pieces = vpclab_wire::fragment_ipv4(&frame, 1500).unwrap();
    assert!(pieces.len() > 6);
    let mut arrived = 0;
    for (position, piece) in pieces.iter().enumerate() {
        let seen = net.send_frame("app", piece.bytes()).arrives_at("client");
        assert_eq!(seen.src.to_string(), NAT_PUBLIC);
        assert!(position > 0 || seen.ports.0 >= 1024 && seen.ports.1 == 53);
        arrived += seen.packet_len - 20;
    }
    assert_eq!(arrived, 10_008);
    let echo = Packet { may_be_cut: true, ..packet(APP, CLIENT, ping(7)) };
    let frame = frames::frame(&echo, net.mac("app"), net.router_mac("app"), &[7; 10_000]);
    for (position, piece) in vpclab_wire::fragment_ipv4(&frame, 1500).unwrap().iter().enumerate() {
        let reason = if position == 0 { "nat-fragment" } else { "fragment-without-first" };
        net.send_frame("app", piece.bytes()).dies_of(reason);
    }
}

#[test]
fn after_350_idle_seconds_the_inside_gets_a_reset_and_the_outside_nothing() {
    // proves: NAT-10, NAT-22
    // proves: VEC-12
    for (source, destination) in [(APP, CLIENT), (APP_V6, CLIENT_NAT64)] {
        let request = |flags| packet(source, destination, tcp(40_000, 443, flags));
        let open = |net: &mut Net| {
            let port = net.send("app", &request(Flags::Syn)).arrives_at("client").ports.0;
            let answer = packet(CLIENT, NAT_PUBLIC, tcp(443, port, Flags::SynAck));
            net.send("client", &answer).arrives_at("app");
            net.send("app", &request(Flags::Ack)).arrives_at("client");
            port
        };
        let mut net = with(|_| {});
        open(&mut net);
        net.wait(350);
        net.send("app", &request(Flags::Ack)).arrives_at("client");
        net.wait(351);
        for _ in 0..2 {
            // Each time, and one frame for the client alone.
            let reset = told(&net.send("app", &request(Flags::Ack)), "app");
            assert_eq!((reset.src.to_string(), reset.ports), (destination.to_owned(), (443, 40_000)));
            assert_eq!(reset.tcp_flags, Some(4), "a reset and no FIN");
        }
        net.send("app", &request(Flags::Rst)).dies_of("nat-no-mapping");
        // If the outside sends first, nobody hears of it; the inside still does when it sends.
        let mut net = with(|_| {});
        let port = open(&mut net);
        net.wait(351);
        for flags in [Flags::Ack, Flags::Fin, Flags::Syn] {
            let late = packet(CLIENT, NAT_PUBLIC, tcp(443, port, flags));
            net.send("client", &late).dies_of("nat-no-mapping");
        }
        assert_eq!(told(&net.send("app", &request(Flags::Ack)), "app").tcp_flags, Some(4));
        assert!(net.converses("app", &request(Flags::Syn)), "and opens another");
    }
}

#[test]
fn udp_and_icmp_are_forgotten_after_350_seconds_as_well() {
    // proves: NAT-37
    let mut net = with(|_| {});
    for (request, answer) in
        [(udp(40_000, 53), udp as fn(u16, u16) -> Body), (ping(7), |_, id| Body::Echo { id, reply: true })]
    {
        let port = lent(&mut net, &packet(APP, CLIENT, request));
        net.wait(350);
        net.send("client", &packet(CLIENT, NAT_PUBLIC, answer(53, port))).arrives_at("app");
        net.wait(351);
        net.send("client", &packet(CLIENT, NAT_PUBLIC, answer(53, port))).dies_of("nat-no-mapping");
    }
}

#[test]
fn nobody_gets_in_unasked_and_the_gateway_answers_no_ping() {
    // proves: NAT-11, NAT-12
    let mut net = with(|_| {});
    let port = lent(&mut net, &packet(APP, CLIENT, syn(40_000, 443)));
    for body in [syn(443, port.wrapping_add(1)), syn(444, port), udp(443, port), ping(7)] {
        net.send("client", &packet(CLIENT, NAT_PUBLIC, body)).dies_of("nat-no-mapping");
    }
    // Not even where its TTL ends here: there is nothing to see for strangers.
    let last = Packet { ttl: 1, ..packet(CLIENT, NAT_PUBLIC, ping(7)) };
    net.send("client", &last).dies_of("nat-no-mapping");
    net.send("app", &packet(APP, NAT, ping(7))).dies_of("nat-no-mapping");
    net.send("far", &packet(FAR, NAT, ping(7))).dies_of("no-route");
    net.send("app", &packet(APP, NAT_PUBLIC, ping(7))).dies_of("nat-no-mapping");
    net.send("app", &packet(APP_V6, "64:ff9b::a00:dc", ping(7))).dies_of("forwarding-loop");
    net.send("client", &packet(CLIENT, NAT_PUBLIC, tcp(443, port, Flags::SynAck))).arrives_at("app");
}

#[test]
fn a_traceroute_shows_its_private_address() {
    // proves: NAT-13
    let mut net = with(|_| {});
    for (source, destination) in [(APP, CLIENT), (APP_V6, CLIENT_NAT64)] {
        let own = if source == APP { NAT } else { "64:ff9b::a00:dc" };
        for body in [udp(40_000, 33_434), syn(40_000, 443), ping(7)] {
            let hop = |ttl| Packet { ttl, ..packet(source, destination, body) };
            let error = told(&net.send("app", &hop(1)), "app");
            assert_eq!(error.src.to_string(), own);
            assert_eq!(error.icmp, Some(if source == APP { (11, 0) } else { (3, 0) }));
            assert_eq!(error.quoted, Some((source.parse().unwrap(), destination.parse().unwrap())));
            let ports = match body {
                Body::Udp { src, dst } | Body::Tcp { src, dst, .. } => Some((src, dst)),
                _ => error.quoted_ports.filter(|(id, _)| *id == 7),
            };
            assert_eq!(error.quoted_ports, ports);
            // The routers before and behind it are no hops, and the gateway is one on the way back, too.
            let there = net.send("app", &hop(2)).arrives_at("client");
            assert_eq!(there.ttl, 1);
            let answer = match body {
                Body::Udp { dst, .. } => udp(dst, there.ports.0),
                Body::Tcp { dst, .. } => tcp(dst, there.ports.0, Flags::SynAck),
                _ => Body::Echo { id: there.ports.0, reply: true },
            };
            let back = |ttl| Packet { ttl, ..packet(CLIENT, NAT_PUBLIC, answer) };
            assert_eq!(net.send("client", &back(2)).arrives_at("app").ttl, 1);
            let error = net.send("client", &back(1));
            assert!(error.sent.iter().all(|(at, _)| at == "client"), "{error:?}");
        }
    }
}

#[test]
fn what_is_larger_than_8500_bytes_is_cut_or_its_sender_told() {
    // proves: NAT-14, MTU-04, MTU-09
    let mut net = with(|_| {});
    let datagram = packet(APP, FAR, udp(40_000, 53));
    assert_eq!(send_sized(&mut net, "app", &datagram, 8500).arrives_at("far").packet_len, 8500);
    let error = told(&send_sized(&mut net, "app", &datagram, 8501), "app");
    assert_eq!((error.src.to_string(), error.icmp, error.mtu), (NAT.to_owned(), Some((3, 4)), Some(8500)));
    let loose = Packet { may_be_cut: true, ..datagram };
    let fate = send_sized(&mut net, "app", &loose, 8600);
    assert!(fate.sent.len() == 2 && fate.sent.iter().all(|(at, _)| at == "far"), "{fate:?}");
    let six = packet(APP_V6, "64:ff9b::a28:2ec", udp(40_000, 53));
    let error = told(&send_sized(&mut net, "app", &six, 8501), "app");
    assert_eq!((error.icmp, error.mtu), (Some((2, 0)), Some(8500)));
    // A segment size that would not fit is lowered; one that does stays.
    for (announced, arrives) in [(8961, 8460), (1460, 1460)] {
        let mut ethernet = Vec::new();
        let addresses = |text: &str| text.parse::<std::net::Ipv4Addr>().unwrap().octets();
        PacketBuilder::ethernet2(net.mac("app").0, net.router_mac("app").0)
            .ipv4(addresses(APP), addresses(FAR), 64)
            .tcp(announced, 443, 1, 65_000)
            .syn()
            .options(&[TcpOptionElement::MaximumSegmentSize(announced)])
            .unwrap()
            .write(&mut ethernet, &[])
            .unwrap();
        let fate = net.send_frame("app", FrameBuf::from_ethernet(&ethernet).bytes());
        fate.arrives_at("far");
        let headers = PacketHeaders::from_ethernet_slice(&fate.sent[0].1[vpclab_wire::VNET_LEN..]).unwrap();
        let Some(TransportHeader::Tcp(header)) = headers.transport else { panic!() };
        let options: Vec<_> = header.options_iterator().map(Result::unwrap).collect();
        assert_eq!(options[0], TcpOptionElement::MaximumSegmentSize(arrives));
    }
}

#[test]
fn behind_a_public_gateway_the_internet_takes_1500_bytes() {
    // proves: MTU-16
    let mut net = with(|_| {});
    for (source, destination, fits, mtu) in [(APP, CLIENT, 1500, 1500), (APP_V6, CLIENT_NAT64, 1520, 1520)] {
        let datagram = packet(source, destination, udp(40_000, 53));
        assert_eq!(send_sized(&mut net, "app", &datagram, fits).arrives_at("client").packet_len, 1500);
        // The router of the gateway's subnet tells the gateway, and the gateway the client, about the client's own packet.
        let error = told(&send_sized(&mut net, "app", &datagram, fits + 1), "app");
        assert_eq!(error.mtu, Some(mtu));
        assert_eq!(error.quoted, Some((source.parse().unwrap(), destination.parse().unwrap())));
        assert_eq!(error.quoted_ports, Some((40_000, 53)));
    }
}

#[test]
fn an_answer_over_a_peering_returns_to_its_sender_without_a_route() {
    // proves: NAT-33, CT-26
    let mut net = with(|_| {});
    for body in [syn(40_000, 443), udp(40_000, 53), ping(7)] {
        assert!(net.converses("app", &packet(APP, FAR, body)), "{body:?}");
    }
    // A plain instance gets no answer without one.
    net.change(|d| {
        let pcx = json!({ "cidr_block": "10.40.0.0/16", "vpc_peering_connection": "pcx" });
        d["route_tables"]["inner"]["routes"].as_array_mut().unwrap().push(pcx);
    });
    net.send("app", &packet(APP, FAR, syn(40_001, 443))).arrives_at("far");
    net.send("far", &packet(FAR, APP, tcp(443, 40_001, Flags::SynAck))).dies_of("no-route");
    // Only an ACL can stop the return.
    let mut net = with(|d| {
        d["network_acls"] =
            json!({ "acl": { "vpc": "w", "ingress": [entry(100, "allow", "0.0.0.0/0")], "egress": [] } });
        d["subnets"]["there"]["network_acl"] = json!("acl");
    });
    let seen = net.send("app", &packet(APP, FAR, syn(40_000, 443))).arrives_at("far");
    let back = packet(FAR, NAT, tcp(443, seen.ports.0, Flags::SynAck));
    net.send("far", &back).dies_of("network-acl");
}

#[test]
fn connections_of_a_nat_instance_do_not_move_to_the_gateway() {
    // proves: NAT-40, NAT-47
    let mut net = with(|d| {
        d["instances"]["box"] = json!({ "subnet": "edge", "private_ip": "10.0.0.9", "source_dest_check": false,
            "security_groups": ["open"], "public_ip": "203.0.113.20", "associate_public_ip_address": true });
        d["route_tables"]["inner"]["routes"] =
            json!([{ "cidr_block": "0.0.0.0/0", "network_interface": "box" }]);
    });
    let (opening, going_on) =
        (packet(APP, CLIENT, syn(40_000, 443)), packet(APP, CLIENT, tcp(40_000, 443, Flags::Ack)));
    net.send("app", &opening).arrives_at("box");
    net.send("box", &packet("10.0.0.9", CLIENT, syn(40_000, 443))).arrives_at("client");
    // Its groups apply to it, and so would its source/destination check.
    net.change(|d| d["instances"]["box"]["source_dest_check"] = json!(true));
    net.send("app", &opening).dies_of("source-dest-check");
    net.change(|d| d["instances"]["box"]["source_dest_check"] = json!(false));
    net.change(|d| {
        d["security_groups"]["shut"] = json!({ "vpc": "v", "ingress": [all_of("192.0.2.0/24")] });
        d["instances"]["box"]["security_groups"] = json!(["shut"]);
    });
    net.send("app", &packet(APP, CLIENT, syn(40_001, 443))).dies_of("security-group");
    net.change(|d| {
        d["route_tables"]["inner"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "nat_gateway": "nat" }]);
    });
    assert_eq!(told(&net.send("app", &going_on), "app").tcp_flags, Some(4));
    net.send("app", &packet(APP, CLIENT, syn(40_002, 443))).arrives_at("client");
}

#[test]
fn it_serves_every_subnet_of_its_vpc_whatever_the_zone() {
    // proves: NAT-19
    let mut net = with(|d| {
        d["subnets"]["edge"]["availability_zone"] = json!("us-east-1a");
        d["subnets"]["inner"]["availability_zone"] = json!("us-east-1b");
    });
    assert!(net.converses("app", &packet(APP, CLIENT, syn(40_000, 443))));
}

#[test]
fn a_gateway_whose_subnet_leads_back_to_it_leads_nowhere() {
    // proves: NAT-27
    let mut net = with(|d| d["subnets"]["edge"]["route_table"] = json!("inner"));
    net.send("app", &packet(APP, CLIENT, syn(40_000, 443))).dies_of("forwarding-loop");
}

#[test]
fn ipv6_clients_reach_ipv4_hosts_by_nat64() {
    // proves: NAT-28, NAT-31, NAT-44
    // proves: VEC-14
    let mut net = with(|d| {
        // Without any IPv4 address, and the gateway without any IPv6 one.
        d["subnets"]["six"] = json!({ "vpc": "v", "ipv6_cidr_block": "2001:db8:1:6::/64", "ipv6_native": true,
            "route_table": "inner" });
        d["instances"]["six"] =
            json!({ "subnet": "six", "ipv6_addresses": ["2001:db8:1:6::6"], "security_groups": ["open"] });
    });
    for (name, source) in [("app", APP_V6), ("six", "2001:db8:1:6::6")] {
        for body in [syn(40_000, 443), udp(40_000, 53), ping(7)] {
            let request = packet(source, CLIENT_NAT64, body);
            let seen = net.send(name, &request).arrives_at("client");
            assert_eq!(
                (seen.src.to_string(), seen.dst.to_string()),
                (NAT_PUBLIC.to_owned(), CLIENT.to_owned())
            );
            assert!(net.converses(name, &request), "{name} {body:?}");
        }
        // A host of the same VPC, and one behind a peering.
        let seen = net.send(name, &packet(source, "64:ff9b::a28:2ec", syn(40_000, 443))).arrives_at("far");
        assert_eq!(seen.src.to_string(), NAT);
        let seen = net.send(name, &packet(source, "64:ff9b::a00:105", ping(9))).arrives_at("app");
        assert_eq!((seen.src.to_string(), seen.dst.to_string()), (NAT.to_owned(), APP.to_owned()));
    }
}

#[test]
fn filters_inside_see_nat64_addresses_and_need_ipv6_rules() {
    // proves: NAT-43
    let request = packet(APP_V6, CLIENT_NAT64, syn(40_000, 443));
    let mut net = with(|d| {
        d["security_groups"]["app"] =
            json!({ "vpc": "v", "ingress": [], "egress": [all_of("198.51.100.7/32")] });
        d["instances"]["app"]["security_groups"] = json!(["app"]);
    });
    net.send("app", &request).dies_of("security-group");
    net.change(|d| d["security_groups"]["app"]["egress"] = json!([all_of("64:ff9b::/96")]));
    assert!(net.converses("app", &request));
    let six = |number: u16, action: &str| json!({ "rule_no": number, "action": action, "protocol": "-1", "ipv6_cidr_block": "64:ff9b::/96" });
    for side in ["ingress", "egress"] {
        net.change(|d| {
            d["network_acls"] =
                json!({ "acl": { "vpc": "v", "ingress": [six(1, "allow")], "egress": [six(1, "allow")] } });
            d["network_acls"]["acl"][side] = json!([entry(1, "allow", "0.0.0.0/0")]);
            d["subnets"]["inner"]["network_acl"] = json!("acl");
        });
        assert!(!net.converses("app", &request), "{side}");
    }
}

#[test]
fn ipv6_is_translated_to_nothing_but_ipv4() {
    // proves: NAT-32
    for block in ["::/0", "2001:db8:ffff::/48"] {
        let found = wrong(|d| {
            d["route_tables"]["inner"]["routes"][1]["ipv6_cidr_block"] = json!(block);
        });
        assert_eq!(found.len(), 1, "{found:?}");
    }
    let mut net = with(|_| {});
    net.send("app", &packet(APP_V6, "2001:db8:ffff::7", syn(1, 2))).dies_of("no-route");
}

#[test]
fn echo_identifiers_are_lent_like_ports_and_errors_are_translated_inside_out() {
    // proves: NAT-38
    let mut net = with(|d| {
        d["instances"]["second"] =
            json!({ "subnet": "inner", "private_ip": "10.0.1.6", "security_groups": ["open"] });
    });
    // Two clients with one identifier are told apart.
    let one = net.send("app", &packet(APP, CLIENT, ping(7))).arrives_at("client").ports.0;
    let two = net.send("second", &packet("10.0.1.6", CLIENT, ping(7))).arrives_at("client").ports.0;
    assert_ne!(one, two);
    for (id, name, address) in [(one, "app", APP), (two, "second", "10.0.1.6")] {
        let seen =
            net.send("client", &packet(CLIENT, NAT_PUBLIC, Body::Echo { id, reply: true })).arrives_at(name);
        assert_eq!((seen.dst.to_string(), seen.ports.0), (address.to_owned(), 7));
    }
    // An error about what left by the gateway is about the client's own packet by the time it arrives.
    for (source, destination, icmp) in [(APP, CLIENT, (3, 3)), (APP_V6, CLIENT_NAT64, (1, 4))] {
        let seen = net.send("app", &packet(source, destination, udp(40_000, 53))).arrives_at("client");
        let outside = Packet::of(seen.src, seen.dst, udp(seen.ports.0, seen.ports.1));
        let error = outside.error(ErrorKind::PortUnreachable).unwrap();
        let told = net.send("client", &error).arrives_at("app");
        assert_eq!(told.icmp, Some(icmp));
        assert_eq!(told.quoted, Some((source.parse().unwrap(), destination.parse().unwrap())));
        assert_eq!(told.quoted_ports, Some((40_000, 53)));
        // And an error of the client's about what came back.
        let answer = net.send("client", &outside.answer().unwrap()).arrives_at("app");
        let inside = Packet::of(answer.src, answer.dst, udp(answer.ports.0, answer.ports.1));
        let told = net.send("app", &inside.error(ErrorKind::PortUnreachable).unwrap()).arrives_at("client");
        assert_eq!(told.icmp, Some((3, 3)));
        assert_eq!(told.quoted, Some((CLIENT.parse().unwrap(), NAT_PUBLIC.parse().unwrap())));
        assert_eq!(told.quoted_ports, Some((53, seen.ports.0)));
    }
    // One about a flow that nobody has goes nowhere.
    let stray = packet(NAT_PUBLIC, CLIENT, udp(1025, 53)).error(ErrorKind::PortUnreachable).unwrap();
    net.send("client", &stray).dies_of("nat-no-mapping");
}

#[test]
fn a_connection_that_has_ended_makes_room_for_one_with_the_same_ports() {
    // proves: NAT-39
    let mut net = with(|_| {});
    let port = lent(&mut net, &packet(APP, CLIENT, syn(40_000, 443)));
    net.send("client", &packet(CLIENT, NAT_PUBLIC, tcp(443, port, Flags::Rst))).arrives_at("app");
    // Opened anew it lives as long as any other.
    let port = lent(&mut net, &packet(APP, CLIENT, syn(40_000, 443)));
    net.send("client", &packet(CLIENT, NAT_PUBLIC, tcp(443, port, Flags::SynAck))).arrives_at("app");
    net.send("app", &packet(APP, CLIENT, tcp(40_000, 443, Flags::Ack))).arrives_at("client");
    net.wait(300);
    net.send("client", &packet(CLIENT, NAT_PUBLIC, tcp(443, port, Flags::Ack))).arrives_at("app");
}
