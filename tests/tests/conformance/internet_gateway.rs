//! Area IGW: how does the inside meet the outside?

use serde_json::{Value, json};
use vpclab_tests::frames;
use vpclab_tests::packet::{Body, ErrorKind, Packet, ping, syn, udp};

use crate::networks::{
    CLIENT, CLIENT_V6, DB, PEER, WEB, WEB_PUBLIC, WEB_V6, accepted, document, packet, refused, tcp_of,
    web_with_rules, with,
};

#[test]
fn a_vpc_has_at_most_one_gateway_and_a_gateway_one_vpc() {
    // proves: IGW-03
    refused("internet_gateways.second.vpc", "InvalidParameterValue", |d| {
        d["internet_gateways"]["second"] = json!({ "vpc": "v" });
    });
    refused("internet_gateways.igw.vpc", "InvalidParameterValue", |d| {
        d["internet_gateways"]["igw"]["vpc"] = json!(["v", "w"]);
    });
    accepted(|d| d["internet_gateways"]["idle"] = json!({}));
}

#[test]
fn without_a_public_address_nothing_leaves() {
    // proves: IGW-04
    let mut net = with(|_| {});
    net.send("peer", &packet(PEER, CLIENT, syn(1, 2))).dies_of("no-public-address");
    net.change(|d| d["eips"] = json!({ "e": { "network_interface": "peer" } }));
    net.send("peer", &packet(PEER, CLIENT, syn(1, 2))).arrives_at("client");
}

#[test]
fn without_a_route_a_public_address_is_a_one_way_street() {
    // proves: IGW-05
    let mut net =
        with(|d| d["eips"] = json!({ "e": { "network_interface": "db", "public_ip": "203.0.113.20" } }));
    let request = packet(CLIENT, "203.0.113.20", syn(50_000, 80));
    net.send("client", &request).arrives_at("db");
    assert!(!net.converses("client", &request));
    net.change(|d| d["subnets"]["private"]["route_table"] = json!("public"));
    assert!(net.converses("client", &request));
}

#[test]
fn private_and_shared_destinations_do_not_leave() {
    // proves: IGW-06, IGW-07
    let mut net = with(|_| {});
    for (destination, reason) in [
        ("192.168.1.1", "private-destination"),
        ("172.16.0.1", "private-destination"),
        ("172.31.255.255", "private-destination"),
        ("10.1.0.1", "private-destination"),
        ("100.64.0.1", "shared-destination"),
        ("100.127.255.255", "shared-destination"),
    ] {
        net.send("web", &packet(WEB, destination, udp(1, 2))).dies_of(reason);
    }
    for destination in ["172.32.0.1", "100.128.0.1", "192.169.0.1"] {
        let outcome = net.send("web", &packet(WEB, destination, udp(1, 2))).outcome;
        assert_eq!(outcome, vpclab_engine::Outcome::LeftForInternet, "{destination}");
    }
}

#[test]
fn mail_to_the_internet_is_blocked_until_aws_lifts_it_whatever_rules_say() {
    // proves: L2-24
    let mut net = with(|_| {});
    net.send("web", &packet(WEB, "192.0.2.77", syn(40_000, 25))).dies_of("outbound-smtp");
    for (source, destination, body) in [
        (WEB, "192.0.2.77", syn(40_000, 26)),
        (WEB, "192.0.2.77", udp(40_000, 25)),
        (WEB_V6, "2001:db8:ffff::77", syn(40_000, 25)),
    ] {
        let outcome = net.send("web", &packet(source, destination, body)).outcome;
        assert_eq!(outcome, vpclab_engine::Outcome::LeftForInternet, "{destination}");
    }
    net.change(|d| d["settings"] = json!({ "outbound_smtp": "allowed" }));
    let outcome = net.send("web", &packet(WEB, "192.0.2.77", syn(40_000, 25))).outcome;
    assert_eq!(outcome, vpclab_engine::Outcome::LeftForInternet);
}

#[test]
fn what_is_no_public_address_is_nowhere_on_the_internet() {
    // proves: IGW-06, IGW-07
    let mut net = with(|_| {});
    for destination in ["0.0.0.1", "127.0.0.1", "198.18.0.1", "198.19.255.255", "240.0.0.1"] {
        net.send("web", &packet(WEB, destination, udp(1, 2))).dies_of("non-public-destination");
        net.send("client", &packet(CLIENT, destination, udp(1, 2))).dies_of("non-public-destination");
    }
    for destination in ["::1", "fd12::1", "64:ff9b::c000:201", "::ffff:192.0.2.1", "4000::1"] {
        net.send("web", &packet(WEB_V6, destination, udp(1, 2))).dies_of("non-public-destination");
        net.send("client", &packet(CLIENT_V6, destination, udp(1, 2))).dies_of("non-public-destination");
    }
    // The private address of somebody with a public one is no way to it from outside.
    net.send("client", &packet(CLIENT, WEB, udp(1, 2))).dies_of("non-public-destination");
}

#[test]
fn a_unique_local_address_is_known_inside_its_vpc_only() {
    // proves: IGW-14
    const WEB_ULA: &str = "fd00:1:2:1::10";
    let mut net = with(|d| {
        d["vpcs"]["v"]["ipv6_cidr_block"] = json!("fd00:1:2::/56");
        d["subnets"]["public"]["ipv6_cidr_block"] = json!("fd00:1:2:1::/64");
        d["subnets"]["private"]["ipv6_cidr_block"] = json!("fd00:1:2:2::/64");
        for (name, address) in [("web", WEB_ULA), ("peer", "fd00:1:2:1::11"), ("db", "fd00:1:2:2::10")] {
            d["instances"][name]["ipv6_addresses"] = json!([address]);
        }
        // Another VPC may have the same block: nobody outside tells them apart.
        d["vpcs"]["w"] = json!({ "cidr_block": "10.9.0.0/16", "ipv6_cidr_block": "fd00:1:2::/56" });
        d["internet_gateways"]["other"] = json!({ "vpc": "w" });
    });
    assert!(net.converses("web", &packet(WEB_ULA, "fd00:1:2:2::10", syn(1, 2))));
    net.send("client", &packet(CLIENT_V6, WEB_ULA, syn(1, 2))).dies_of("non-public-destination");
    net.send("web", &packet(WEB_ULA, CLIENT_V6, syn(1, 2))).dies_of("no-public-address");
}

#[test]
fn private_and_shared_sources_do_not_come_in() {
    // proves: IGW-08
    let mut net = with(|_| {});
    for source in ["10.0.1.11", "192.168.1.1", "100.64.0.1"] {
        let fate = net.send("client", &packet(source, WEB_PUBLIC, udp(1, 2)));
        assert!(fate.delivered().is_none() && fate.sent.is_empty(), "{source}");
    }
    net.send("client", &packet(CLIENT, WEB_PUBLIC, udp(1, 2))).arrives_at("web");
}

#[test]
fn a_public_address_that_stands_for_nobody_is_a_dead_end() {
    // proves: IGW-09
    let mut net = with(|d| {
        d["network_interfaces"] = json!({ "spare": { "subnet": "public", "security_groups": ["open"] } });
        d["eips"] = json!({ "idle": { "public_ip": "203.0.113.30" },
            "unplugged": { "network_interface": "spare", "public_ip": "203.0.113.31" } });
    });
    for address in ["203.0.113.30", "203.0.113.31", "203.0.113.99"] {
        let fate = net.send("client", &packet(CLIENT, address, syn(1, 2)));
        assert!(fate.delivered().is_none() && fate.sent.is_empty(), "{address}");
    }
    net.change(|d| d["eips"]["idle"]["network_interface"] = json!("db"));
    net.send("client", &packet(CLIENT, "203.0.113.30", syn(1, 2))).arrives_at("db");
}

#[test]
fn a_source_that_belongs_to_no_interface_does_not_leave() {
    // proves: IGW-10
    let mut net = with(|d| d["instances"]["web"]["source_dest_check"] = json!(false));
    for source in ["172.16.0.1", "10.0.1.77", "192.0.2.1"] {
        net.send("web", &packet(source, CLIENT, udp(1, 2))).dies_of("spoofed-source");
    }
    net.send("web", &packet("2001:db8:7::1", CLIENT_V6, udp(1, 2))).dies_of("spoofed-source");
    // A router instance cannot forward for a neighbour that has no public address.
    net.send("web", &packet(PEER, CLIENT, udp(1, 2))).dies_of("no-public-address");
    net.send("web", &packet(WEB, CLIENT, udp(1, 2))).arrives_at("client");
}

#[test]
fn the_way_to_the_internet_takes_1500_bytes() {
    // proves: IGW-12
    // VEC-16
    let mut net = with(|_| {});
    let datagram = packet(WEB, CLIENT, udp(40_000, 53));
    let headers = 28;
    let send = |net: &mut vpclab_tests::harness::Net, length: usize, to: &Packet| {
        net.send_to("web", net.router_mac("web"), to, &vec![7; length - headers])
    };
    assert_eq!(send(&mut net, 1500, &datagram).arrives_at("client").packet_len, 1500);
    // "Don't fragment": the router says so.
    let fate = send(&mut net, 1501, &datagram);
    let [(to, frame)] = fate.sent.as_slice() else { panic!("{fate:?}") };
    let error = frames::read(frame).unwrap();
    assert_eq!((to.as_str(), error.icmp, error.mtu), ("web", Some((3, 4)), Some(1500)));
    assert_eq!(error.src.to_string(), "10.0.1.1");
    assert_eq!(error.quoted, Some((WEB.parse().unwrap(), CLIENT.parse().unwrap())));
    // May be fragmented: it is.
    let mut ethernet = frames::ethernet(&datagram, net.mac("web"), net.router_mac("web"), &[7; 2000]);
    ethernet[20] = 0;
    ethernet[24..26].fill(0);
    let checksum = vpclab_wire::Sum::new().bytes(&ethernet[14..34]).checksum();
    ethernet[24..26].copy_from_slice(&checksum.to_be_bytes());
    let fate = net.send_frame("web", vpclab_wire::FrameBuf::from_ethernet(&ethernet).bytes());
    let pieces: Vec<_> =
        fate.sent.iter().map(|(to, frame)| (to.as_str(), frames::read(frame).unwrap())).collect();
    assert_eq!(pieces.len(), 2);
    assert!(pieces.iter().all(|(to, piece)| *to == "client" && piece.packet_len <= 1500 && piece.fragmented));
    // Inside the VPC there is room for more.
    let inside = packet(WEB, DB, udp(40_000, 53));
    assert_eq!(send(&mut net, 9001, &inside).arrives_at("db").packet_len, 9001);
}

#[test]
fn an_eip_needs_a_gateway() {
    // proves: IGW-13
    refused("eips.e.network_interface", "Gateway.NotAttached", |d| {
        d["internet_gateways"]["igw"] = json!({});
        d["eips"] = json!({ "e": { "network_interface": "db" } });
    });
    accepted(|d| d["eips"] = json!({ "e": { "network_interface": "db" } }));
}

#[test]
fn ipv6_is_not_translated() {
    // proves: IGW-14
    let mut net = with(|_| {});
    let seen = net.send("web", &packet(WEB_V6, CLIENT_V6, syn(40_000, 443))).arrives_at("client");
    assert_eq!(seen.src.to_string(), WEB_V6);
    let request = packet(CLIENT_V6, WEB_V6, syn(50_000, 443));
    assert_eq!(net.send("client", &request).arrives_at("web").dst.to_string(), WEB_V6);
    assert!(net.converses("client", &request));
    // Without the route nobody gets an answer.
    net.change(|d| {
        d["route_tables"]["public"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }]);
    });
    assert!(!net.converses("client", &request));
}

#[test]
fn public_addresses_of_one_vpc_reach_each_other_at_the_gateway() {
    // proves: IGW-15
    let mut net = with(|d| {
        d["eips"] = json!({ "e": { "network_interface": "peer", "public_ip": "203.0.113.20" } });
        d["security_groups"]["peer"] = json!({ "vpc": "v", "ingress": [tcp_of(80, "203.0.113.10/32")] });
        d["instances"]["peer"]["security_groups"] = json!(["peer"]);
    });
    let request = packet(WEB, "203.0.113.20", syn(40_000, 80));
    let seen = net.send("web", &request).arrives_at("peer");
    assert_eq!((seen.src.to_string(), seen.dst.to_string()), (WEB_PUBLIC.into(), PEER.into()));
    assert!(net.converses("web", &request));
    net.send("web", &packet(WEB, PEER, syn(40_001, 80))).dies_of("security-group");
}

#[test]
fn each_private_address_has_its_own_public_one() {
    // proves: IGW-16
    let mut net = with(|d| {
        d["instances"]["web"]["secondary_private_ips"] = json!(["10.0.1.20", "10.0.1.21"]);
        d["eips"] = json!({ "e": { "network_interface": "web", "associate_with_private_ip": "10.0.1.20",
            "public_ip": "203.0.113.20" } });
    });
    for (private, public) in [(WEB, WEB_PUBLIC), ("10.0.1.20", "203.0.113.20")] {
        let seen = net.send("web", &packet(private, CLIENT, syn(1, 2))).arrives_at("client");
        assert_eq!(seen.src.to_string(), public);
        let seen = net.send("client", &packet(CLIENT, public, syn(3, 4))).arrives_at("web");
        assert_eq!(seen.dst.to_string(), private);
    }
    net.send("web", &packet("10.0.1.21", CLIENT, syn(1, 2))).dies_of("no-public-address");
}

#[test]
fn translation_is_the_same_for_every_protocol_and_reaches_into_icmp_errors() {
    // proves: IGW-17
    let mut net = with(|_| {});
    for body in [syn(1, 2), udp(1, 2), ping(1), Body::Other(50), Body::Other(47)] {
        let seen = net.send("web", &packet(WEB, CLIENT, body)).arrives_at("client");
        assert_eq!(seen.src.to_string(), WEB_PUBLIC, "{body:?}");
        let seen = net.send("client", &packet(CLIENT, WEB_PUBLIC, body)).arrives_at("web");
        assert_eq!(seen.dst.to_string(), WEB, "{body:?}");
    }
    // An error about what the instance sent quotes the private address by the time it arrives, and the other way round.
    let sent = packet(WEB_PUBLIC, CLIENT, udp(40_000, 53));
    let seen = net.send("client", &sent.error(ErrorKind::PortUnreachable).unwrap()).arrives_at("web");
    assert_eq!(seen.quoted, Some((WEB.parse().unwrap(), CLIENT.parse().unwrap())));
    let received = packet(CLIENT, WEB, udp(50_000, 53));
    let seen = net.send("web", &received.error(ErrorKind::PortUnreachable).unwrap()).arrives_at("client");
    assert_eq!(seen.quoted, Some((CLIENT.parse().unwrap(), WEB_PUBLIC.parse().unwrap())));
}

#[test]
fn a_gateway_with_eips_in_use_cannot_be_detached() {
    // proves: IGW-19
    let detached = |d: &mut Value| d["internet_gateways"]["igw"] = json!({});
    refused("eips.e.network_interface", "Gateway.NotAttached", |d| {
        detached(d);
        d["eips"] = json!({ "e": { "network_interface": "db" } });
    });
    accepted(detached);
}

#[test]
fn a_ping_to_an_eip_is_answered_by_the_instance() {
    // proves: IGW-21
    let mut net = with(|_| {});
    let request = packet(CLIENT, WEB_PUBLIC, ping(7));
    net.send("client", &request).arrives_at("web");
    assert!(net.converses("client", &request));
    web_with_rules(json!([]), json!([])).send("client", &request).dies_of("security-group");
    assert_eq!(document()["instances"]["web"]["public_ip"], json!(WEB_PUBLIC));
}

#[test]
fn an_address_of_a_vpc_that_nobody_has_is_not_out_on_the_internet() {
    // proves: IGW-09
    let mut net = with(|d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.5.0.0/16", "ipv6_cidr_block": "2001:db8:5::/56" });
        d["eips"] = json!({ "idle": { "public_ip": "203.0.113.99" } });
    });
    net.send("web", &packet(WEB_V6, "2001:db8:5:1::99", udp(1, 2))).dies_of("no-public-mapping");
    net.send("web", &packet(WEB, "203.0.113.99", udp(1, 2))).dies_of("no-public-mapping");
    // Anything else may be.
    for (source, elsewhere) in [(WEB_V6, "2600::1"), (WEB, "192.0.2.77")] {
        let fate = net.send("web", &packet(source, elsewhere, udp(1, 2)));
        assert!(matches!(fate.outcome, vpclab_engine::Outcome::LeftForInternet), "{fate:?}");
    }
}
