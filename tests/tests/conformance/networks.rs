//! Which network do the tests start from?
//!
//! `web` and `peer` share the public subnet, `db` is alone in the private one, `client` is on the internet. Everything is
//! allowed until a test says otherwise.

use serde_json::{Value, json};
use vpclab_tests::harness::{Net, mistakes};
use vpclab_tests::packet::{Body, Packet};

/// The addresses of the guests.
pub(crate) const WEB: &str = "10.0.1.10";
pub(crate) const PEER: &str = "10.0.1.11";
pub(crate) const DB: &str = "10.0.2.10";
pub(crate) const CLIENT: &str = "198.51.100.7";
pub(crate) const WEB_PUBLIC: &str = "203.0.113.10";
pub(crate) const WEB_V6: &str = "2001:db8:1:1::10";
pub(crate) const PEER_V6: &str = "2001:db8:1:1::11";
pub(crate) const DB_V6: &str = "2001:db8:1:2::10";
pub(crate) const CLIENT_V6: &str = "2001:db8:ffff::7";

/// The network as a document, for a test to change.
pub(crate) fn document() -> Value {
    json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56" } },
        "internet_gateways": { "igw": { "vpc": "v" } },
        "route_tables": { "public": { "vpc": "v", "routes": [
            { "cidr_block": "0.0.0.0/0", "gateway": "igw" },
            { "ipv6_cidr_block": "::/0", "gateway": "igw" },
        ] } },
        "subnets": {
            "public": { "vpc": "v", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8:1:1::/64",
                "route_table": "public" },
            "private": { "vpc": "v", "cidr_block": "10.0.2.0/24", "ipv6_cidr_block": "2001:db8:1:2::/64" },
        },
        "security_groups": {
            "open": { "vpc": "v", "ingress": [everything()] },
        },
        "instances": {
            "web": { "subnet": "public", "private_ip": WEB, "ipv6_addresses": [WEB_V6], "public_ip": WEB_PUBLIC,
                "associate_public_ip_address": true, "security_groups": ["open"] },
            "peer": { "subnet": "public", "private_ip": PEER, "ipv6_addresses": [PEER_V6],
                "security_groups": ["open"] },
            "db": { "subnet": "private", "private_ip": DB, "ipv6_addresses": [DB_V6], "security_groups": ["open"] },
        },
        "internet_hosts": { "client": { "address": CLIENT, "ipv6_address": CLIENT_V6 } },
    })
}

/// A rule for everybody and everything.
pub(crate) fn everything() -> Value {
    json!({ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"], "ipv6_cidr_blocks": ["::/0"] })
}

/// A rule for everything to or from `block`.
pub(crate) fn all_of(block: &str) -> Value {
    if block.contains(':') {
        json!({ "protocol": "-1", "ipv6_cidr_blocks": [block] })
    } else {
        json!({ "protocol": "-1", "cidr_blocks": [block] })
    }
}

/// A rule for one TCP port and one block.
pub(crate) fn tcp_of(port: u16, block: &str) -> Value {
    json!({ "protocol": "tcp", "from_port": port, "to_port": port, "cidr_blocks": [block] })
}

/// A network ACL entry for all traffic of an IPv4 block.
pub(crate) fn entry(number: u16, action: &str, block: &str) -> Value {
    json!({ "rule_no": number, "action": action, "protocol": "-1", "cidr_block": block })
}

/// A network ACL entry for TCP ports.
pub(crate) fn tcp_entry(number: u16, action: &str, (from, to): (u16, u16), block: &str) -> Value {
    json!({ "rule_no": number, "action": action, "protocol": "tcp", "from_port": from, "to_port": to,
        "cidr_block": block })
}

/// The network with a change.
pub(crate) fn with(change: impl FnOnce(&mut Value)) -> Net {
    let mut document = document();
    change(&mut document);
    Net::new(document)
}

/// The network where `web` alone is in a group with these rules.
pub(crate) fn web_with_rules(ingress: Value, egress: Value) -> Net {
    with(|d| {
        d["security_groups"]["web"] = json!({ "vpc": "v", "ingress": ingress, "egress": egress });
        d["instances"]["web"]["security_groups"] = json!(["web"]);
    })
}

/// The network where a subnet has a network ACL with these entries.
pub(crate) fn acl_on(subnet: &str, ingress: Value, egress: Value) -> Net {
    with(|d| {
        d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": ingress, "egress": egress } });
        d["subnets"][subnet]["network_acl"] = json!("acl");
    })
}

/// A packet by its values.
pub(crate) fn packet(src: &str, dst: &str, body: Body) -> Packet {
    Packet::new(src, dst, body)
}

/// The changed document must be refused with this code at this place.
#[track_caller]
pub(crate) fn refused(place: &str, code: &str, change: impl FnOnce(&mut Value)) {
    let mut document = document();
    change(&mut document);
    let found = mistakes(&document);
    assert_eq!(found, [format!("{place}: {code}")]);
}

/// The changed document must be right.
#[track_caller]
pub(crate) fn accepted(change: impl FnOnce(&mut Value)) {
    let mut document = document();
    change(&mut document);
    assert_eq!(mistakes(&document), [""; 0]);
}
