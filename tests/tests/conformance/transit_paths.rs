//! Area TGW: what passes a transit gateway, and what lies behind it?

use serde_json::{Value, json};
use vpclab_model::AttachmentState;
use vpclab_tests::frames;
use vpclab_tests::harness::{Fate, Net};
use vpclab_tests::packet::{Flags, Packet, ping, syn, tcp, udp};
use vpclab_wire::{FrameBuf, Sum};

use crate::networks::all_of;
use crate::transit_networks::{add_vpc, hub_accepted, hub_refused, v4, v6, with_hub};

/// The internet host of the networks.
const CLIENT: &str = "198.51.100.7";

/// `hub` in us-east-1 with a and b, `far` in eu-west-1 with the VPC d, and a peering attachment between them.
fn two_regions(change: impl FnOnce(&mut Value)) -> Net {
    with_hub(|d| {
        add_vpc(d, "d", 4);
        d["transit_gateways"]["far"] = json!({ "region": "eu-west-1" });
        d["vpcs"]["d"]["region"] = json!("eu-west-1");
        for subnet in ["d-one", "d-two", "d-door-one", "d-door-two"] {
            let zone = if subnet.ends_with("one") { "eu-west-1a" } else { "eu-west-1b" };
            d["subnets"][subnet]["availability_zone"] = json!(zone);
        }
        d["transit_gateway_vpc_attachments"]["d"]["transit_gateway"] = json!("far");
        for route in d["route_tables"]["d"]["routes"].as_array_mut().unwrap() {
            route["transit_gateway"] = json!("far");
        }
        d["transit_gateway_peering_attachments"]["pair"] = json!({ "transit_gateway": "hub",
            "peer_transit_gateway": "far", "peer_region": "eu-west-1", "state": "available" });
        let routes = |blocks: [&str; 2]| {
            let route = |block: &str| json!({ "destination_cidr_block": block, "attachment": "pair" });
            json!({ "routes": blocks.map(route) })
        };
        d["transit_gateway_route_tables"] = json!({
            "hub/default": routes(["10.4.0.0/16", "2001:db8:4::/56"]),
            "far/default": routes(["10.0.0.0/8", "2001:db8::/32"]),
        });
        change(d);
    })
}

fn request(from: &str, to: &str) -> Packet {
    Packet::new(&address(from), &address(to), syn(40_000, 443))
}

fn address(instance: &str) -> String {
    match instance.strip_prefix("d-") {
        Some(zone) => format!("10.4.{}.10", if zone == "one" { 1 } else { 2 }),
        None => v4(instance),
    }
}

#[test]
fn gateways_of_two_regions_are_joined_by_static_routes_on_both_sides() {
    // proves: TGW-18
    let mut net = two_regions(|_| {});
    assert!(net.converses("a-one", &request("a-one", "d-one")));
    assert!(net.converses("d-two", &request("d-two", "b-two")));
    assert!(net.converses("a-one", &Packet::new(&v6("a-one"), "2001:db8:4:1::10", ping(3))));
    // Nothing propagates over it.
    net.change(|d| d["transit_gateway_route_tables"]["hub/default"] = json!({}));
    net.send("a-one", &request("a-one", "d-one")).dies_of("packets-lost-no-route");
    // A route there is no route back.
    let mut net = two_regions(|d| d["transit_gateway_route_tables"]["far/default"] = json!({}));
    net.send("a-one", &request("a-one", "d-one")).arrives_at("d-one");
    assert!(!net.converses("a-one", &request("a-one", "d-one")));
    net.send("d-one", &request("d-one", "a-one")).dies_of("packets-lost-no-route");
    let joined = |change: fn(&mut Value)| {
        move |d: &mut Value| {
            d["transit_gateways"]["far"] = json!({ "region": "eu-west-1" });
            d["transit_gateway_peering_attachments"]["pair"] = json!({ "transit_gateway": "hub",
                "peer_transit_gateway": "far", "state": "available" });
            change(d);
        }
    };
    hub_refused(
        "transit_gateway_route_tables.hub/default.propagations[0]",
        "InvalidParameterValue",
        joined(|d| d["transit_gateway_route_tables"]["hub/default"] = json!({ "propagations": ["pair"] })),
    );
    hub_refused(
        "transit_gateway_peering_attachments.pair.peer_region",
        "InvalidTransitGatewayID.NotFound",
        joined(|d| d["transit_gateway_peering_attachments"]["pair"]["peer_region"] = json!("us-west-2")),
    );
    hub_refused(
        "transit_gateway_peering_attachments.pair.peer_transit_gateway",
        "InvalidParameterValue",
        joined(|d| d["transit_gateway_peering_attachments"]["pair"]["peer_transit_gateway"] = json!("hub")),
    );
    hub_refused(
        "transit_gateway_peering_attachments.a",
        "InvalidParameterValue",
        joined(|d| {
            let pair = d["transit_gateway_peering_attachments"]["pair"].take();
            d["transit_gateway_peering_attachments"] = json!({ "a": pair });
        }),
    );
}

#[test]
fn a_peering_attachment_waits_until_it_is_accepted() {
    // proves: TGW-58
    let pending = |d: &mut Value| {
        d["transit_gateways"]["far"] = json!({ "region": "eu-west-1" });
        d["transit_gateway_peering_attachments"]["pair"] =
            json!({ "transit_gateway": "hub", "peer_transit_gateway": "far" });
    };
    let net = with_hub(pending);
    let (_, attachment) = net.topology.find_transit_gateway_peering_attachment("pair").unwrap();
    assert_eq!(attachment.state, AttachmentState::PendingAcceptance);
    let route = json!({ "routes": [{ "destination_cidr_block": "10.4.0.0/16", "attachment": "pair" }] });
    hub_refused("transit_gateway_route_tables.hub/default.routes[0].attachment", "IncorrectState", |d| {
        pending(d);
        d["transit_gateway_route_tables"]["hub/default"] = route.clone();
    });
    hub_refused("transit_gateway_route_tables.x.associations[0]", "IncorrectState", |d| {
        pending(d);
        d["transit_gateway_route_tables"]["x"] =
            json!({ "transit_gateway": "hub", "associations": ["pair"] });
    });
    hub_accepted(|d| {
        pending(d);
        d["transit_gateway_peering_attachments"]["pair"]["state"] = json!("available");
        d["transit_gateway_route_tables"]["hub/default"] = route.clone();
    });
    // Gone again, it carries nothing.
    let mut net = two_regions(|_| {});
    net.send("a-one", &request("a-one", "d-one")).arrives_at("d-one");
    net.change(|d| d["transit_gateway_peering_attachments"]["pair"]["state"] = json!("deleted"));
    net.send("a-one", &request("a-one", "d-one")).dies_of("packets-lost-blackhole");
}

#[test]
fn a_transit_gateway_is_a_hop() {
    // proves: TGW-42
    let mut net = two_regions(|_| {});
    assert_eq!(net.send("a-one", &request("a-one", "b-one")).arrives_at("b-one").ttl, frames::TTL - 1);
    assert_eq!(net.send("a-one", &request("a-one", "d-one")).arrives_at("d-one").ttl, frames::TTL - 2);
    let packet = Packet::new(&v6("a-one"), &v6("b-one"), udp(1, 2));
    assert_eq!(net.send("a-one", &packet).arrives_at("b-one").ttl, frames::TTL - 1);
    let send = |net: &mut Net, to: &str, ttl: u8| {
        let packet = request("a-one", to);
        let mut ethernet = frames::ethernet(&packet, net.mac("a-one"), net.router_mac("a-one"), b"");
        ethernet[22] = ttl;
        with_checksum(&mut ethernet);
        net.send_frame("a-one", FrameBuf::from_ethernet(&ethernet).bytes())
    };
    send(&mut net, "b-one", 1).dies_of("packets-lost-ttl-expired");
    send(&mut net, "b-one", 2).arrives_at("b-one");
    send(&mut net, "d-one", 2).dies_of("packets-lost-ttl-expired");
    send(&mut net, "d-one", 3).arrives_at("d-one");
}

/// Mends the checksum of an IPv4 header.
fn with_checksum(ethernet: &mut [u8]) {
    ethernet[24..26].fill(0);
    let checksum = Sum::new().bytes(&ethernet[14..34]).checksum();
    ethernet[24..26].copy_from_slice(&checksum.to_be_bytes());
}

/// An instance sends a datagram of this many bytes in all.
fn send_sized(net: &mut Net, from: &str, packet: &Packet, length: usize) -> Fate {
    let headers = if packet.is_ipv6() { 48 } else { 28 };
    net.send_to(from, net.router_mac(from), packet, &vec![7; length - headers])
}

#[test]
fn the_way_by_a_transit_gateway_takes_8500_bytes() {
    // proves: TGW-25, TGW-26, VEC-16, MTU-04, MTU-05, MTU-08
    let mut net = two_regions(|_| {});
    let datagram = Packet::new(&v4("a-one"), &v4("b-one"), udp(40_000, 53));
    assert_eq!(send_sized(&mut net, "a-one", &datagram, 8500).arrives_at("b-one").packet_len, 8500);
    let told = |fate: &Fate| {
        assert!(
            matches!(fate.outcome, vpclab_engine::Outcome::Dropped(why) if why.name() == "packets-lost-mtu-exceeded"),
            "{fate:?}"
        );
        let [(to, frame)] = fate.sent.as_slice() else { panic!("{fate:?}") };
        let error = frames::read(frame).unwrap();
        assert_eq!((to.as_str(), error.mtu), ("a-one", Some(8500)));
        (error.src.to_string(), error.icmp)
    };
    let fate = send_sized(&mut net, "a-one", &datagram, 8501);
    assert_eq!(told(&fate), ("10.1.1.1".to_owned(), Some((3, 4))));
    let datagram_v6 = Packet::new(&v6("a-one"), &v6("b-one"), udp(40_000, 53));
    assert_eq!(send_sized(&mut net, "a-one", &datagram_v6, 8500).arrives_at("b-one").packet_len, 8500);
    let fate = send_sized(&mut net, "a-one", &datagram_v6, 8501);
    assert_eq!(told(&fate).1, Some((2, 0)));
    // Inside the VPC there is room for more.
    let near = Packet::new(&v4("a-one"), &v4("a-two"), udp(40_000, 53));
    for length in [1501, 9001] {
        assert_eq!(send_sized(&mut net, "a-one", &near, length).arrives_at("a-two").packet_len, length);
    }
    // To the other region the same; it enters by a VPC attachment.
    let far = Packet::new(&v4("a-one"), "10.4.1.10", udp(40_000, 53));
    assert_eq!(send_sized(&mut net, "a-one", &far, 8500).arrives_at("d-one").packet_len, 8500);
    told(&send_sized(&mut net, "a-one", &far, 8501));
    // Whoever lets it be cut hears nothing, and it is not cut.
    let mut ethernet = frames::ethernet(&datagram, net.mac("a-one"), net.router_mac("a-one"), &[7; 8600]);
    ethernet[20] = 0;
    with_checksum(&mut ethernet);
    net.send_frame("a-one", FrameBuf::from_ethernet(&ethernet).bytes()).dies_of("packets-lost-mtu-exceeded");
    // As it was until 2023 (OQ-06).
    net.change(|d| d["settings"] = json!({ "transit_gateway_path_mtu_discovery": false }));
    send_sized(&mut net, "a-one", &datagram, 8501).dies_of("packets-lost-mtu-exceeded");
    send_sized(&mut net, "a-one", &datagram_v6, 8501).dies_of("packets-lost-mtu-exceeded");
}

#[test]
fn nobody_hears_of_what_has_come_over_a_peering_attachment_and_is_too_large() {
    // proves: TGW-26, MTU-08
    let mut net = two_regions(|d| {
        d["customer_gateways"]["cgw"] = json!({ "bgp_asn": 65001, "ip_address": "198.51.100.1" });
        d["vpn_connections"]["vpn"] = json!({ "transit_gateway": "hub", "customer_gateway": "cgw" });
        d["customer_networks"]["office"] = json!({ "cidr_blocks": ["192.168.0.0/16"],
            "ipv6_cidr_blocks": ["fd12::/48"], "customer_gateways": ["cgw"] });
        for (vpc, gateway) in [("a", "hub"), ("d", "far")] {
            let more = json!([{ "cidr_block": "192.168.0.0/16", "transit_gateway": gateway },
                { "ipv6_cidr_block": "fd12::/48", "transit_gateway": gateway }]);
            let routes = d["route_tables"][vpc]["routes"].as_array_mut().unwrap();
            routes.extend(more.as_array().unwrap().clone());
        }
        for block in ["192.168.0.0/16", "fd12::/48"] {
            let route = json!({ "destination_cidr_block": block, "attachment": "pair" });
            let tables = &mut d["transit_gateway_route_tables"];
            tables["far/default"]["routes"].as_array_mut().unwrap().push(route);
        }
    });
    let ways = [
        ("a-one", v4("a-one"), "192.168.0.7", true),
        ("a-one", v6("a-one"), "fd12::7", true),
        ("d-one", "10.4.1.10".to_owned(), "192.168.0.7", false),
        ("d-one", "2001:db8:4:1::10".to_owned(), "fd12::7", false),
    ];
    for (from, source, destination, hears) in ways {
        let fate = send_sized(&mut net, from, &Packet::new(&source, destination, udp(1, 2)), 1501);
        if !hears {
            fate.dies_of("packets-lost-mtu-exceeded");
            continue;
        }
        let [(to, error)] = fate.sent.as_slice() else { panic!("{fate:?}") };
        assert_eq!((to.as_str(), frames::read(error).unwrap().mtu), (from, Some(1500)));
    }
}

#[test]
fn a_transit_gateway_lowers_the_segment_size_that_tcp_announces() {
    // proves: TGW-26, MTU-09
    let mut net = with_hub(|_| {});
    for (packet, fits) in [
        (request("a-one", "b-one"), 8460u16),
        (Packet::new(&v6("a-one"), &v6("b-one"), syn(40_000, 443)), 8440),
    ] {
        for (announced, arrives) in [(8961, fits), (1460, 1460), (fits, fits)] {
            let seen = announce(&mut net, &packet, announced);
            assert_eq!(seen, arrives, "{packet:?}");
        }
    }
}

/// Sends the opening of a connection with the option "maximum segment size"; gives what arrives.
fn announce(net: &mut Net, packet: &Packet, size: u16) -> u16 {
    let mut ethernet = frames::ethernet(packet, net.mac("a-one"), net.router_mac("a-one"), b"");
    let (ip, tcp) = if packet.is_ipv6() { (14, 54) } else { (14, 34) };
    let [high, low] = size.to_be_bytes();
    ethernet.truncate(tcp + 20);
    ethernet.extend([2, 4, high, low]);
    ethernet[tcp + 12] = 6 << 4;
    let length = u16::try_from(ethernet.len() - ip).unwrap();
    let place = if packet.is_ipv6() { ip + 4 } else { ip + 2 };
    let length = if packet.is_ipv6() { length - 40 } else { length };
    ethernet[place..place + 2].copy_from_slice(&length.to_be_bytes());
    if !packet.is_ipv6() {
        with_checksum(&mut ethernet);
    }
    ethernet[tcp + 16..tcp + 18].fill(0);
    let fate = net.send_frame("a-one", FrameBuf::from_ethernet(&ethernet).bytes());
    let [(_, frame)] = fate.sent.as_slice() else { panic!("{fate:?}") };
    // Behind the virtio header.
    let option = frame.len() - 2;
    u16::from_be_bytes([frame[option], frame[option + 1]])
}

/// The three VPCs, of which `c` has the way to the internet: NAT gateways in public subnets of their own.
fn central_egress(change: impl FnOnce(&mut Value)) -> Net {
    with_hub(|d| {
        d["internet_gateways"] = json!({ "igw": { "vpc": "c" } });
        d["subnets"]["c-public"] = json!({ "vpc": "c", "cidr_block": "10.3.50.0/24",
            "availability_zone": "us-east-1a", "route_table": "c-public" });
        d["eips"]["nat"] = json!({ "public_ip": "203.0.113.77" });
        d["nat_gateways"]["nat"] = json!({ "subnet": "c-public", "allocation": "nat" });
        d["route_tables"]["c-public"] = json!({ "vpc": "c", "routes": [
            { "cidr_block": "0.0.0.0/0", "gateway": "igw" }, { "cidr_block": "10.0.0.0/8", "transit_gateway": "hub" },
        ] });
        d["route_tables"]["c-door"] =
            json!({ "vpc": "c", "routes": [{ "cidr_block": "0.0.0.0/0", "nat_gateway": "nat" }] });
        d["subnets"]["c-door-one"]["route_table"] = json!("c-door");
        d["subnets"]["c-door-two"]["route_table"] = json!("c-door");
        d["transit_gateway_route_tables"] = json!({
            "spokes": { "transit_gateway": "hub", "associations": ["a", "b"], "routes": [
                { "destination_cidr_block": "0.0.0.0/0", "attachment": "c" },
                { "destination_cidr_block": "10.1.0.0/16", "blackhole": true },
                { "destination_cidr_block": "10.2.0.0/16", "blackhole": true },
            ] },
        });
        for vpc in ["a", "b"] {
            d["route_tables"][vpc]["routes"] =
                json!([{ "cidr_block": "0.0.0.0/0", "transit_gateway": "hub" }]);
        }
        change(d);
    })
}

#[test]
fn spokes_reach_the_internet_by_the_nat_gateway_of_another_vpc() {
    // proves: TGW-33
    // NAT-45
    let mut net = central_egress(|_| {});
    for from in ["a-one", "a-two", "b-one"] {
        let seen = net.send(from, &Packet::new(&v4(from), CLIENT, syn(40_000, 443))).arrives_at("client");
        assert_eq!(seen.src.to_string(), "203.0.113.77");
        let back = net.send("client", &answer_to(&seen)).arrives_at(from);
        assert_eq!((back.src.to_string(), back.ports), (CLIENT.to_owned(), (443, 40_000)));
    }
    net.send("a-one", &request("a-one", "b-one")).dies_of("packets-lost-blackhole");
    // In a table that the egress VPC shares, the blackholes would kill the answers.
    let mut net = central_egress(|d| {
        d["transit_gateway_route_tables"]["spokes"]["associations"] = json!(["a", "b", "c"]);
    });
    let seen = net.send("a-one", &Packet::new(&v4("a-one"), CLIENT, syn(40_000, 443))).arrives_at("client");
    net.send("client", &answer_to(&seen)).dies_of("packets-lost-blackhole");
}

/// The answer to the opening of a connection, as it was seen.
fn answer_to(seen: &frames::Seen) -> Packet {
    let body = tcp(seen.ports.1, seen.ports.0, Flags::SynAck);
    Packet::new(&seen.dst.to_string(), &seen.src.to_string(), body)
}

#[test]
fn an_attachment_in_a_public_subnet_leads_to_an_internet_gateway_that_drops() {
    // proves: IGW-11, IGW-28
    let mut net = central_egress(|d| {
        d["subnets"]["c-door-one"]["route_table"] = json!("c-public");
    });
    let request = Packet::new(&v4("a-one"), CLIENT, syn(40_000, 443));
    net.send("a-one", &request).dies_of("spoofed-source");
    // Not even in the name of somebody in the egress VPC who has a public address.
    let mut net = central_egress(|d| {
        d["subnets"]["c-door-one"]["route_table"] = json!("c-public");
        d["vpcs"]["c"]["secondary_cidr_blocks"] = json!([]);
        d["instances"]["a-one"]["source_dest_check"] = json!(false);
        d["instances"]["c-one"]["associate_public_ip_address"] = json!(true);
    });
    let forged = Packet::new(&v4("c-one"), CLIENT, syn(40_000, 443));
    net.send("a-one", &forged).dies_of("spoofed-source");
    net.change(|d| {
        d["route_tables"]["c"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }]);
    });
    net.send("c-one", &forged).arrives_at("client");
}

#[test]
fn what_came_by_a_transit_gateway_does_not_leave_by_an_egress_only_gateway() {
    // proves: IGW-22
    let mut net = with_hub(|d| {
        d["egress_only_internet_gateways"] = json!({ "eigw": { "vpc": "c" } });
        d["route_tables"]["c"]["routes"] =
            json!([{ "ipv6_cidr_block": "::/0", "egress_only_gateway": "eigw" }]);
        d["subnets"]["c-door-one"]["route_table"] = json!("c");
        d["route_tables"]["a"]["routes"] = json!([{ "ipv6_cidr_block": "::/0", "transit_gateway": "hub" }]);
        d["transit_gateway_route_tables"]["hub/default"] =
            json!({ "routes": [{ "destination_cidr_block": "::/0", "attachment": "c" }] });
        d["instances"]["a-one"]["source_dest_check"] = json!(false);
    });
    // In its own name, and in that of somebody in the VPC of the gateway.
    for source in [v6("a-one"), v6("c-one")] {
        net.send("a-one", &Packet::new(&source, "2001:db8:ffff::7", udp(1, 2))).dies_of("egress-only-ipv6");
    }
    net.send("c-one", &Packet::new(&v6("c-one"), "2001:db8:ffff::7", udp(1, 2))).arrives_at("client");
}

/// Behind `b` the VPC `e`, by a peering connection to which the subnets of `b`'s attachment have a route.
fn peered_behind(change: impl FnOnce(&mut Value)) -> Net {
    with_hub(|d| {
        add_vpc(d, "e", 5);
        d["transit_gateway_vpc_attachments"].as_object_mut().unwrap().remove("e");
        d["vpc_peering_connections"]["be"] = json!({ "vpc": "b", "peer_vpc": "e", "state": "active" });
        d["route_tables"]["e"]["routes"] = json!([
            { "cidr_block": "10.0.0.0/8", "vpc_peering_connection": "be" },
            { "ipv6_cidr_block": "2001:db8::/32", "vpc_peering_connection": "be" },
        ]);
        let there = json!([
            { "cidr_block": "10.5.0.0/16", "vpc_peering_connection": "be" },
            { "ipv6_cidr_block": "2001:db8:5::/56", "vpc_peering_connection": "be" },
        ]);
        d["route_tables"]["b"]["routes"].as_array_mut().unwrap().extend(there.as_array().unwrap().clone());
        d["route_tables"]["b/main"] = json!({ "routes": there });
        d["transit_gateway_route_tables"]["hub/default"] = json!({ "routes": [
            { "destination_cidr_block": "10.5.0.0/16", "attachment": "b" },
            { "destination_cidr_block": "2001:db8:5::/56", "attachment": "b" },
        ] });
        change(d);
    })
}

#[test]
fn what_came_by_a_transit_gateway_does_not_pass_on_through_a_peering_connection() {
    // proves: PCX-08
    let to_e = |from: &str| Packet::new(&v4(from), "10.5.1.10", syn(40_000, 443));
    let to_e_v6 = |from: &str| Packet::new(&v6(from), "2001:db8:5:1::10", syn(40_000, 443));
    let mut net = peered_behind(|_| {});
    net.send("a-one", &to_e("a-one")).dies_of("peering-foreign-source");
    net.send("a-one", &to_e_v6("a-one")).dies_of("peering-foreign-source");
    net.send("e-one", &to_e("a-one").answer().unwrap()).dies_of("peering-foreign-destination");
    net.send("e-one", &to_e_v6("a-one").answer().unwrap()).dies_of("peering-foreign-destination");
    assert!(net.converses("b-one", &to_e("b-one")) && net.converses("b-one", &to_e_v6("b-one")));
    // What a NAT gateway of the VPC sends is the VPC's own.
    let mut net = peered_behind(|d| {
        d["nat_gateways"]["own"] = json!({ "subnet": "b-one", "connectivity_type": "private",
            "private_ip": "10.2.1.77" });
        d["route_tables"]["b/main"]["routes"] =
            json!([{ "cidr_block": "10.5.0.0/16", "nat_gateway": "own" }]);
    });
    let seen = net.send("a-one", &to_e("a-one")).arrives_at("e-one");
    assert_eq!(seen.src.to_string(), "10.2.1.77");
    assert!(net.converses("a-one", &to_e("a-one")));
    // So is what an instance passes on.
    let mut net = peered_behind(|d| {
        d["instances"]["b-two"]["source_dest_check"] = json!(false);
        d["route_tables"]["b/main"]["routes"] = json!([
            { "cidr_block": "10.5.0.0/16", "network_interface": "b-two" },
            { "ipv6_cidr_block": "2001:db8:5::/56", "network_interface": "b-two" },
        ]);
    });
    for packet in [to_e("a-one"), to_e_v6("a-one")] {
        net.send("a-one", &packet).arrives_at("b-two");
        net.send("b-two", &packet).arrives_at("e-one");
    }
}

#[test]
fn what_came_in_by_an_attachment_may_leave_by_it() {
    // proves: TGW-50
    let mut net = with_hub(|d| {
        d["vpcs"]["a"]["secondary_cidr_blocks"] = json!(["10.77.0.0/16"]);
        d["transit_gateway_route_tables"]["hub/default"] =
            json!({ "routes": [{ "destination_cidr_block": "10.200.0.0/16", "attachment": "a" }] });
        d["route_tables"]["back"] = json!({ "vpc": "a",
            "routes": [{ "cidr_block": "10.200.0.0/16", "network_interface": "a-two" }] });
        d["subnets"]["a-door-one"]["route_table"] = json!("back");
        d["instances"]["a-two"]["source_dest_check"] = json!(false);
    });
    net.send("a-one", &Packet::new(&v4("a-one"), "10.200.0.1", udp(1, 2))).arrives_at("a-two");
}

#[test]
fn inbound_rules_may_refer_to_groups_beyond_a_transit_gateway() {
    // proves: TGW-40, SG-10, SG-11
    let referring = |d: &mut Value| {
        d["transit_gateways"]["hub"] = json!({ "security_group_referencing_support": "enable" });
        d["security_groups"]["b-open"]["ingress"] =
            json!([{ "protocol": "-1", "security_groups": ["a-open"] }]);
    };
    let mut net = with_hub(referring);
    assert!(net.converses("a-one", &request("a-one", "b-two")));
    assert!(net.converses("a-one", &Packet::new(&v6("a-one"), &v6("b-two"), ping(9))));
    net.send("c-one", &request("c-one", "b-two")).dies_of("security-group");
    let place = "security_groups.b-open.ingress[0].security_groups[0]";
    // The switches of the gateway and of both attachments must be on.
    hub_refused(place, "InvalidGroup.NotFound", |d| {
        referring(d);
        d["transit_gateways"]["hub"] = json!({});
    });
    for vpc in ["a", "b"] {
        hub_refused(place, "InvalidGroup.NotFound", |d| {
            referring(d);
            d["transit_gateway_vpc_attachments"][vpc]["security_group_referencing_support"] =
                json!("disable");
        });
    }
    // Outbound rules refer to no such group.
    hub_refused("security_groups.b-open.egress[0].security_groups[0]", "InvalidGroup.NotFound", |d| {
        referring(d);
        d["security_groups"]["b-open"]["egress"] =
            json!([{ "protocol": "-1", "security_groups": ["a-open"] }]);
    });
    // By another gateway, on which it is off, the reference means nobody.
    let mut net = with_hub(|d| {
        referring(d);
        d["transit_gateways"]["off"] = json!({});
        for vpc in ["a", "b"] {
            d["transit_gateway_vpc_attachments"][format!("{vpc}-off")] =
                json!({ "transit_gateway": "off", "vpc": vpc, "subnets": [format!("{vpc}-door-one")] });
        }
        d["route_tables"]["a"]["routes"] = json!([{ "cidr_block": "10.0.0.0/8", "transit_gateway": "off" }]);
    });
    net.send("a-one", &request("a-one", "b-two")).dies_of("security-group");
    // So it does by another one on which it is on, but for one of the two attachments.
    for off in ["a", "b"] {
        let mut net = with_hub(|d| {
            referring(d);
            d["transit_gateways"]["half"] = json!({ "security_group_referencing_support": "enable" });
            for vpc in ["a", "b"] {
                let support = if vpc == off { "disable" } else { "enable" };
                d["transit_gateway_vpc_attachments"][format!("{vpc}-half")] = json!({
                    "transit_gateway": "half", "vpc": vpc, "subnets": [format!("{vpc}-door-one")],
                    "ipv6_support": true, "security_group_referencing_support": support });
            }
            d["route_tables"]["a"]["routes"] = json!([
                { "cidr_block": "10.0.0.0/8", "transit_gateway": "half" },
                { "ipv6_cidr_block": "2001:db8::/32", "transit_gateway": "half" } ]);
        });
        net.send("a-one", &request("a-one", "b-two")).dies_of("security-group");
        net.send("a-one", &Packet::new(&v6("a-one"), &v6("b-two"), ping(9))).dies_of("security-group");
    }
    // Behind an appliance the sender is no longer known.
    let mut net = with_hub(|d| {
        referring(d);
        d["route_tables"]["a"]["routes"][0] =
            json!({ "cidr_block": "10.0.0.0/8", "network_interface": "a-two" });
        d["route_tables"]["a-two"] =
            json!({ "vpc": "a", "routes": [{ "cidr_block": "10.0.0.0/8", "transit_gateway": "hub" }] });
        d["subnets"]["a-two"]["route_table"] = json!("a-two");
        d["instances"]["a-two"]["source_dest_check"] = json!(false);
    });
    let packet = request("a-one", "b-two");
    net.send("a-one", &packet).arrives_at("a-two");
    net.send("a-two", &packet).dies_of("security-group");
    // Not over peering attachments, whatever the rule admits.
    let mut net = two_regions(|d| {
        referring(d);
        d["transit_gateways"]["far"]["security_group_referencing_support"] = json!("enable");
        d["security_groups"]["b-open"]["ingress"] = json!([all_of("10.4.0.0/16")]);
    });
    net.send("d-one", &request("d-one", "b-two")).arrives_at("b-two");
    hub_refused("security_groups.d-open.ingress[0].security_groups[0]", "InvalidGroup.NotFound", |d| {
        referring(d);
        add_vpc(d, "d", 4);
        d["vpcs"]["d"]["region"] = json!("eu-west-1");
        for (subnet, zone) in [("d-one", "a"), ("d-two", "b"), ("d-door-one", "a"), ("d-door-two", "b")] {
            d["subnets"][subnet]["availability_zone"] = json!(format!("eu-west-1{zone}"));
        }
        d["transit_gateways"]["far"] =
            json!({ "region": "eu-west-1", "security_group_referencing_support": "enable" });
        d["transit_gateway_vpc_attachments"]["d"]["transit_gateway"] = json!("far");
        d["route_tables"]["d"]["routes"] = json!([]);
        d["security_groups"]["d-open"]["ingress"] =
            json!([{ "protocol": "-1", "security_groups": ["a-open"] }]);
    });
}
