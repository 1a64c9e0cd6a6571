//! Area IGW: what passes an egress-only internet gateway?

use serde_json::json;
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{ErrorKind, Flags, Packet, ping, syn, tcp, udp};

use crate::nat_networks::{dies_untold, send_sized, told};
use crate::networks::{CLIENT, CLIENT_V6, WEB, WEB_V6, everything, packet, refused, with};

/// The network whose public subnet has an egress-only gateway for IPv6 instead of the internet gateway.
fn net() -> Net {
    with(|d| {
        d["egress_only_internet_gateways"] = json!({ "eigw": { "vpc": "v" } });
        d["route_tables"]["public"]["routes"][1] =
            json!({ "ipv6_cidr_block": "::/0", "egress_only_gateway": "eigw" });
    })
}

#[test]
fn what_the_inside_opens_passes_both_ways_and_nothing_else_comes_in() {
    // proves: IGW-22, IGW-23
    let mut net = net();
    for body in [syn(40_000, 443), udp(40_000, 53), ping(7)] {
        let request = packet(WEB_V6, CLIENT_V6, body);
        let seen = net.send("web", &request).arrives_at("client");
        assert_eq!(seen.src.to_string(), WEB_V6, "nothing is translated");
        assert!(net.converses("web", &request), "{body:?}");
    }
    for body in [syn(443, 40_001), udp(53, 40_001), ping(8), tcp(443, 40_001, Flags::Ack)] {
        net.send("client", &packet(CLIENT_V6, WEB_V6, body)).dies_of("egress-only-unsolicited");
    }
    // Errors about what the inside has sent come back, and no others.
    let sent = packet(WEB_V6, CLIENT_V6, udp(40_000, 53));
    net.send("client", &sent.error(ErrorKind::PortUnreachable).unwrap()).arrives_at("web");
    let never = packet(WEB_V6, CLIENT_V6, udp(40_009, 53));
    net.send("client", &never.error(ErrorKind::PortUnreachable).unwrap()).dies_of("egress-only-unsolicited");
    // A forgotten flow is over.
    net.wait(600);
    net.send("client", &packet(CLIENT_V6, WEB_V6, udp(53, 40_000))).dies_of("egress-only-unsolicited");
}

#[test]
fn it_is_for_ipv6_only_and_for_interfaces_of_its_vpc() {
    // proves: IGW-22
    let found = vpclab_tests::harness::mistakes(&{
        let mut d = crate::networks::document();
        d["egress_only_internet_gateways"] = json!({ "eigw": { "vpc": "v" } });
        d["route_tables"]["public"]["routes"][0] =
            json!({ "cidr_block": "0.0.0.0/0", "egress_only_gateway": "eigw" });
        d
    });
    assert_eq!(found.len(), 1, "{found:?}");
    let mut net = net();
    net.change(|d| d["instances"]["web"]["source_dest_check"] = json!(false));
    net.send("web", &packet("2001:db8:7::1", CLIENT_V6, udp(1, 2))).dies_of("egress-only-ipv6");
    net.send("web", &packet(WEB, CLIENT, syn(1, 2))).arrives_at("client");
}

#[test]
fn the_acl_of_the_subnet_is_asked_and_no_group_can_be_put_on_it() {
    // proves: IGW-23
    let request = packet(WEB_V6, CLIENT_V6, syn(40_000, 443));
    let six = |action: &str| json!([{ "rule_no": 1, "action": action, "protocol": "-1", "ipv6_cidr_block": "::/0" }]);
    for side in ["ingress", "egress"] {
        let mut net = net();
        net.change(|d| {
            d["network_acls"] =
                json!({ "acl": { "vpc": "v", "ingress": six("allow"), "egress": six("allow") } });
            d["subnets"]["public"]["network_acl"] = json!("acl");
        });
        assert!(net.converses("web", &request));
        net.change(|d| d["network_acls"]["acl"][side] = six("deny"));
        assert!(!net.converses("web", &request), "{side}");
    }
    refused("egress_only_internet_gateways.eigw.security_groups", "UnknownParameter", |d| {
        d["egress_only_internet_gateways"] = json!({ "eigw": { "vpc": "v", "security_groups": ["open"] } });
    });
}

#[test]
fn flows_through_it_are_tracked_whatever_the_rules_say() {
    // proves: IGW-24
    let going_on = packet(WEB_V6, CLIENT_V6, tcp(40_000, 443, Flags::Ack));
    for (tracked, mut net) in [(true, net()), (false, with(|_| {}))] {
        net.change(|d| {
            d["security_groups"]["web"] =
                json!({ "vpc": "v", "ingress": [everything()], "egress": [everything()] });
            d["instances"]["web"]["security_groups"] = json!(["web"]);
        });
        net.send("web", &packet(WEB_V6, CLIENT_V6, syn(40_000, 443))).arrives_at("client");
        net.send("client", &packet(CLIENT_V6, WEB_V6, tcp(443, 40_000, Flags::SynAck))).arrives_at("web");
        net.change(|d| d["security_groups"]["web"]["egress"] = json!([]));
        let passes = net.send("web", &going_on).delivered().is_some();
        assert_eq!(passes, tracked, "an untracked flow is cut, as by the internet gateway");
    }
}

#[test]
fn its_way_to_the_internet_takes_1500_bytes() {
    // proves: MTU-03, MTU-07
    let mut net = net();
    let datagram: Packet = packet(WEB_V6, CLIENT_V6, udp(40_000, 53));
    assert_eq!(send_sized(&mut net, "web", &datagram, 1500).arrives_at("client").packet_len, 1500);
    let error = told(&send_sized(&mut net, "web", &datagram, 1501), "web");
    assert_eq!((error.icmp, error.mtu), (Some((2, 0)), Some(1500)));
}

#[test]
fn an_error_comes_only_to_the_address_that_sent_what_it_is_about() {
    // proves: IGW-22
    const SECOND: &str = "2001:db8:1:1::20";
    let mut net = net();
    net.change(|d| d["instances"]["web"]["ipv6_addresses"] = json!([WEB_V6, SECOND]));
    let sent = packet(SECOND, CLIENT_V6, udp(40_000, 53));
    net.send("web", &sent).arrives_at("client");
    let error = sent.error(ErrorKind::PortUnreachable).unwrap();
    net.send("client", &Packet { dst: WEB_V6.parse().unwrap(), ..error.clone() })
        .dies_of("egress-only-unsolicited");
    net.send("client", &error).arrives_at("web");
}

#[test]
fn a_flow_that_came_in_by_an_internet_gateway_does_not_go_on_by_it() {
    // proves: IGW-22
    let mut net = with(|_| {});
    for body in [udp(53, 40_000), ping(9)] {
        net.send("client", &packet(CLIENT_V6, WEB_V6, body)).arrives_at("web");
    }
    net.change(|d| {
        d["egress_only_internet_gateways"] = json!({ "eigw": { "vpc": "v" } });
        d["route_tables"]["public"]["routes"][1] =
            json!({ "ipv6_cidr_block": "::/0", "egress_only_gateway": "eigw" });
    });
    for body in [udp(53, 40_000), ping(9)] {
        net.send("client", &packet(CLIENT_V6, WEB_V6, body)).dies_of("egress-only-unsolicited");
    }
}

#[test]
fn unique_local_addresses_do_not_leave_by_it() {
    // proves: IGW-22
    let mut net = net();
    net.change(|d| {
        d["vpcs"]["v"]["ipv6_cidr_blocks"] = json!(["2001:db8:1::/56", "fd00:1::/56"]);
        d["vpcs"]["v"].as_object_mut().unwrap().remove("ipv6_cidr_block");
        d["subnets"]["local"] = json!({ "vpc": "v", "cidr_block": "10.0.3.0/24",
            "ipv6_cidr_block": "fd00:1:0:1::/64", "route_table": "public" });
        d["instances"]["local"] = json!({ "subnet": "local", "ipv6_addresses": ["fd00:1:0:1::10"],
            "security_groups": ["open"] });
    });
    net.send("local", &packet("fd00:1:0:1::10", CLIENT_V6, udp(1, 2))).dies_of("egress-only-ipv6");
    net.send("local", &packet("fd00:1:0:1::10", WEB_V6, udp(1, 2))).arrives_at("web");
}

#[test]
fn what_it_does_not_serve_dies_before_it_is_measured() {
    // proves: IGW-22
    let mut net = net();
    let astray = packet(WEB_V6, "fd99::7", udp(40_000, 53));
    dies_untold(&mut net, "web", &astray, 1501, "non-public-destination");
}
