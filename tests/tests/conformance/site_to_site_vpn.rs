//! Area VPN: what is left of a tunnel when nothing is encrypted?

use std::net::SocketAddr;

use serde_json::json;
use vpclab_engine::Outcome;
use vpclab_engine::plan::Verdict;
use vpclab_lab::{GuestRef, Lab, LabOptions, TcpDial, TcpOutcome};
use vpclab_tests::frames;
use vpclab_tests::harness::{Net, topology};
use vpclab_tests::packet::{Packet, ping, syn, udp};
use vpclab_wire::FrameBuf;

use crate::networks::packet;
use crate::private_networks::{APP, DESK, accepted, document, refused, twin, with};

#[test]
fn inside_blocks_of_tunnels_are_free_and_unreserved_blocks_of_four() {
    // proves: VPN-01, VPN-02, ERR-24
    const PLACE: &str = "vpn_connections.vpn.tunnel1_inside_cidr";
    accepted(|d| d["vpn_connections"]["vpn"]["tunnel1_inside_cidr"] = json!("169.254.10.0/30"));
    for wrong in ["169.254.10.0/29", "10.0.0.0/30", "169.254.0.0/30", "169.254.5.0/30", "169.254.169.252/30"]
    {
        refused(PLACE, "InvalidParameterValue", |d| {
            d["vpn_connections"]["vpn"]["tunnel1_inside_cidr"] = json!(wrong);
        });
    }
    refused("vpn_connections.vpn2.tunnel2_inside_cidr", "InvalidCidr.InUse", |d| {
        twin(d);
        d["vpn_connections"]["vpn"]["tunnel1_inside_cidr"] = json!("169.254.10.0/30");
        d["vpn_connections"]["vpn2"]["tunnel2_inside_cidr"] = json!("169.254.10.0/30");
    });
    // Another gateway has blocks of its own.
    accepted(|d| {
        twin(d);
        d["vpn_gateways"]["other"] = json!({});
        d["vpn_connections"]["vpn2"]["vpn_gateway"] = json!("other");
        d["vpn_connections"]["vpn"]["tunnel1_inside_cidr"] = json!("169.254.10.0/30");
        d["vpn_connections"]["vpn2"]["tunnel2_inside_cidr"] = json!("169.254.10.0/30");
    });
    refused("vpn_connections.vpn.tunnels", "InvalidParameterValue", |d| {
        d["vpn_connections"]["vpn"]["tunnels"] = json!(["up"]);
    });
}

#[test]
fn two_customer_gateways_do_not_share_an_address_nor_a_number_with_the_other_side() {
    // proves: VPN-15, ERR-24
    refused("customer_gateways.cgw2.ip_address", "InvalidCustomerGateway.DuplicateIpAddress", |d| {
        d["customer_gateways"]["cgw2"] = json!({ "bgp_asn": 65002, "ip_address": "198.51.100.1" });
    });
    // The same device, connected to another region.
    accepted(|d| {
        d["customer_gateways"]["cgw2"] =
            json!({ "bgp_asn": 65001, "ip_address": "198.51.100.1", "region": "eu-west-1" });
    });
    refused("vpn_connections.vpn.customer_gateway", "AsnConflict", |d| {
        d["customer_gateways"]["cgw"]["bgp_asn"] = json!(64512);
    });
}

#[test]
fn a_static_connection_leads_to_its_listed_prefixes_a_dynamic_one_to_what_is_announced() {
    // proves: VPN-10
    let mut net = with(|d| {
        d["vpn_connections"]["vpn"] = json!({ "vpn_gateway": "vgw", "customer_gateway": "cgw",
            "static_routes_only": true, "routes": ["192.168.0.0/24"] });
        d["customer_hosts"]["lab"] = json!({ "customer_network": "office", "address": "192.168.9.7" });
    });
    assert!(net.converses("app", &packet(APP, DESK, syn(40_000, 80))));
    assert!(net.converses("desk", &packet(DESK, APP, syn(40_001, 80))));
    net.send("app", &packet(APP, "192.168.9.7", udp(1, 2))).dies_of("no-route");
    net.change(|d| {
        d["vpn_connections"]["vpn"] = json!({ "vpn_gateway": "vgw", "customer_gateway": "cgw",
            "bgp_routes": [{ "cidr_block": "192.168.9.0/24" }] });
    });
    net.send("app", &packet(APP, "192.168.9.7", udp(1, 2))).arrives_at("lab");
    net.send("app", &packet(APP, DESK, udp(1, 2))).dies_of("no-route");
    refused("vpn_connections.vpn.routes", "InvalidParameterCombination", |d| {
        d["vpn_connections"]["vpn"]["routes"] = json!(["192.168.0.0/24"]);
    });
    refused("vpn_connections.vpn.bgp_routes", "InvalidParameterCombination", |d| {
        d["vpn_connections"]["vpn"]["static_routes_only"] = json!(true);
        d["vpn_connections"]["vpn"]["bgp_routes"] = json!([]);
    });
}

/// An echo request of `size` bytes of IP packet, and whether it may be cut.
fn sized(net: &Net, from: &str, packet: &Packet, size: usize, dont_fragment: bool) -> Vec<u8> {
    let headers = 28;
    let mut bytes =
        frames::ethernet(packet, net.mac(from), net.next_hop(from, packet.dst), &vec![0; size - headers]);
    if !dont_fragment {
        // The flag is worth 0x4000 of a sum in ones' complement.
        bytes[20] &= 0xbf;
        let sum = u32::from(u16::from_be_bytes([bytes[24], bytes[25]])) + 0x4000;
        let sum = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
        bytes[24..26].copy_from_slice(&sum.to_be_bytes());
    }
    FrameBuf::from_ethernet(&bytes).into_bytes()
}

#[test]
fn the_room_in_a_tunnel_depends_on_what_it_encrypts_with() {
    // proves: VPN-04, VPN-05
    for (encryption, nat_traversal, mtu) in [
        ("aes-gcm", false, 1446_u16),
        ("aes-gcm", true, 1438),
        ("aes-cbc-sha1", false, 1438),
        ("aes-cbc-sha256", false, 1438),
        ("aes-cbc-sha1", true, 1422),
        ("aes-cbc-sha256", true, 1422),
        ("aes-cbc-sha384", false, 1422),
        ("aes-cbc-sha384", true, 1422),
        ("aes-cbc-sha512", false, 1422),
        ("aes-cbc-sha512", true, 1406),
    ] {
        let mut net = with(|d| {
            d["vpn_connections"]["vpn"]["encryption"] = json!(encryption);
            d["vpn_connections"]["vpn"]["nat_traversal"] = json!(nat_traversal);
        });
        for (from, source, destination, to) in [("app", APP, DESK, "desk"), ("desk", DESK, APP, "app")] {
            let request = packet(source, destination, ping(1));
            let fits = sized(&net, from, &request, mtu.into(), true);
            net.send_frame(from, &fits).arrives_at(to);
            let larger = sized(&net, from, &request, usize::from(mtu) + 1, true);
            net.send_frame(from, &larger).dies_of("mtu-exceeded");
            // TCP is told what fits.
            let opening = packet(source, destination, syn(40_000, 80));
            let frame = frames::frame(&opening, net.mac(from), net.next_hop(from, opening.dst), b"");
            let Verdict::Forward(forward) = net.plan(from, &frame).verdict else { panic!("not forwarded") };
            assert_eq!(forward.rewrite.max_segment_size, Some(mtu - 40), "{encryption} {nat_traversal}");
        }
    }
}

#[test]
fn of_a_packet_that_does_not_fit_nobody_hears_and_one_that_may_be_cut_is() {
    // proves: VPN-06, MTU-03
    // The part of VPN in MTU-05 and MTU-08.
    let mut net = with(|_| {});
    let request = packet(APP, DESK, ping(1));
    let jumbo = sized(&net, "app", &request, 9001, true);
    net.send_frame("app", &jumbo).dies_of("mtu-exceeded");
    let cuttable = sized(&net, "app", &request, 2000, false);
    let fate = net.send_frame("app", &cuttable);
    assert!(matches!(fate.outcome, Outcome::Forwarded(_)), "{:?}", fate.outcome);
    let pieces: Vec<_> =
        fate.sent.iter().map(|(to, frame)| (to.as_str(), frames::read(frame).unwrap())).collect();
    assert!(
        pieces.len() == 2
            && pieces.iter().all(|(to, p)| *to == "desk" && p.fragmented && p.packet_len <= 1446)
    );
}

#[test]
fn tcp_comes_through_only_if_the_customers_device_lowers_the_segment_size() {
    // proves: VPN-06
    for (clamps, comes) in [(true, true), (false, false)] {
        let mut d = document();
        d["vpn_connections"]["vpn"]["mss_clamping"] = json!(clamps);
        d["customer_networks"]["office"]["mtu"] = json!(1500);
        let mut lab = Lab::new(&topology(&d, None).unwrap(), LabOptions::default());
        let to: SocketAddr = format!("{DESK}:80").parse().unwrap();
        let dial = TcpDial { payload: vec![7; 20_000], ..TcpDial::new(to) };
        let outcome = lab.tcp(GuestRef::Instance("app"), &dial).unwrap();
        let echoed = matches!(outcome, TcpOutcome::Connected { echoed: true, .. });
        assert_eq!(echoed, comes, "clamping {clamps}: {outcome:?}");
    }
}

#[test]
fn a_connection_with_both_tunnels_down_carries_nothing_either_way() {
    // proves: VPN-13
    let mut net = with(|_| {});
    for tunnels in [["down", "up"], ["up", "down"]] {
        net.change(|d| d["vpn_connections"]["vpn"]["tunnels"] = json!(tunnels));
        assert!(net.converses("app", &packet(APP, DESK, syn(40_000, 80))));
    }
    net.change(|d| d["vpn_connections"]["vpn"]["tunnels"] = json!(["down", "down"]));
    net.send("app", &packet(APP, DESK, udp(1, 2))).dies_of("no-route");
    net.send("desk", &packet(DESK, APP, udp(1, 2))).dies_of("customer-no-route");
}
