//! Which network do the tests of NAT gateways and peering connections start from?
//!
//! `app` is in an inner subnet of VPC `v` whose way out is `nat`, a public NAT gateway in the subnet `edge`. `far` is in VPC
//! `w`, behind the peering connection `pcx`; only the edge has a route to it, and it has none back. `client` is on the
//! internet.

use serde_json::{Value, json};
use vpclab_tests::frames::{self, Seen};
use vpclab_tests::harness::{Fate, Net};
use vpclab_tests::packet::Packet;

use crate::networks::everything;

pub(crate) const APP: &str = "10.0.1.5";
pub(crate) const APP_V6: &str = "2001:db8:1:1::5";
pub(crate) const NAT: &str = "10.0.0.220";
pub(crate) const NAT_PUBLIC: &str = "203.0.113.9";
pub(crate) const FAR: &str = "10.40.2.236";
pub(crate) const CLIENT: &str = "198.51.100.7";
/// The client's address as NAT64 has it.
pub(crate) const CLIENT_NAT64: &str = "64:ff9b::c633:6407";

pub(crate) fn document() -> Value {
    json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56" },
            "w": { "cidr_block": "10.40.0.0/16" } },
        "internet_gateways": { "igw": { "vpc": "v" } },
        "vpc_peering_connections": { "pcx": { "vpc": "v", "peer_vpc": "w", "auto_accept": true } },
        "eips": { "eip": { "public_ip": NAT_PUBLIC } },
        "nat_gateways": { "nat": { "subnet": "edge", "private_ip": NAT, "allocation": "eip" } },
        "subnets": {
            "edge": { "vpc": "v", "cidr_block": "10.0.0.0/24", "route_table": "edge" },
            "inner": { "vpc": "v", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8:1:1::/64",
                "route_table": "inner" },
            "there": { "vpc": "w", "cidr_block": "10.40.2.0/24" },
        },
        "route_tables": {
            "edge": { "vpc": "v", "routes": [
                { "cidr_block": "0.0.0.0/0", "gateway": "igw" },
                { "cidr_block": "10.40.0.0/16", "vpc_peering_connection": "pcx" },
            ] },
            "inner": { "vpc": "v", "routes": [
                { "cidr_block": "0.0.0.0/0", "nat_gateway": "nat" },
                { "ipv6_cidr_block": "64:ff9b::/96", "nat_gateway": "nat" },
            ] },
        },
        "security_groups": {
            "open": { "vpc": "v", "ingress": [everything()] },
            "there": { "vpc": "w", "ingress": [everything()] },
        },
        "instances": {
            "app": { "subnet": "inner", "private_ip": APP, "ipv6_addresses": [APP_V6], "security_groups": ["open"] },
            "far": { "subnet": "there", "private_ip": FAR, "security_groups": ["there"] },
        },
        "internet_hosts": { "client": { "address": CLIENT, "ipv6_address": "2001:db8:ffff::7" } },
    })
}

/// The network with a change.
pub(crate) fn with(change: impl FnOnce(&mut Value)) -> Net {
    let mut document = document();
    change(&mut document);
    Net::new(document)
}

/// The one packet that a dropped one's sender is told by, which `name` gets.
#[track_caller]
pub(crate) fn told(fate: &Fate, name: &str) -> Seen {
    match fate.sent.as_slice() {
        [(at, frame)] if at == name => frames::read(frame).unwrap(),
        other => panic!("{name} is not told: {:?} {other:?}", fate.outcome),
    }
}

/// `name` sends `packet` with so much payload that its IP packet has `length` bytes.
pub(crate) fn send_sized(net: &mut Net, name: &str, packet: &Packet, length: usize) -> Fate {
    let headers = packet.len() - packet.payload;
    let mac = net.next_hop(name, packet.dst);
    net.send_to(name, mac, packet, &vec![7; length - headers])
}

/// `name` sends `packet`, with so much payload that its IP packet has `length` bytes. It must die of `reason`, and nobody
/// may be told, nor may anything be remembered.
#[track_caller]
pub(crate) fn dies_untold(net: &mut Net, name: &str, packet: &Packet, length: usize, reason: &str) {
    let payload = vec![7; length + packet.payload - packet.len()];
    let mac = net.next_hop(name, packet.dst);
    let frame = frames::frame(packet, net.mac(name), mac, &payload);
    let plan = net.plan(name, &frame);
    assert!(plan.born.is_none() && plan.effects.is_empty(), "{:?} {:?}", plan.born, plan.effects);
    net.send_frame(name, &frame).dies_of(reason);
}
