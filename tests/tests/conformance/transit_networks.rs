//! Which networks with a transit gateway do the tests start from?
//!
//! `hub` joins three VPCs. Each has two zones with an instance and an attachment's subnet in each: in `a`, `a-one` and
//! `a-two` in zones 1a and 1b, and so on. Everything is allowed and every table is the default one until a test says
//! otherwise.

use serde_json::{Value, json};
use vpclab_tests::harness::{Net, mistakes};

use crate::networks::everything;

/// The zones, by the word that names of subnets and instances end in.
const ZONES: [(&str, &str); 2] = [("one", "us-east-1a"), ("two", "us-east-1b")];

/// The three VPCs with the second number of their blocks.
const VPCS: [(&str, u8); 3] = [("a", 1), ("b", 2), ("c", 3)];

/// The IPv4 address of an instance such as `a-one`.
pub(crate) fn v4(instance: &str) -> String {
    let (vpc, zone) = places(instance);
    format!("10.{vpc}.{zone}.10")
}

/// The IPv6 address of an instance such as `a-one`.
pub(crate) fn v6(instance: &str) -> String {
    let (vpc, zone) = places(instance);
    format!("2001:db8:{vpc}:{zone}::10")
}

/// The number of an instance's VPC, and of its zone.
fn places(instance: &str) -> (u8, usize) {
    let (vpc, zone) = instance.split_once('-').unwrap();
    let vpc = VPCS.iter().find(|(name, _)| *name == vpc).unwrap().1;
    (vpc, 1 + ZONES.iter().position(|(word, _)| *word == zone).unwrap())
}

/// The network as a document.
pub(crate) fn hub() -> Value {
    let mut document = json!({
        "transit_gateways": { "hub": {} },
        "internet_hosts": { "client": { "address": "198.51.100.7", "ipv6_address": "2001:db8:ffff::7" } },
    });
    for (vpc, number) in VPCS {
        add_vpc(&mut document, vpc, number);
    }
    document
}

/// Adds a VPC with its attachment to `hub`.
pub(crate) fn add_vpc(document: &mut Value, vpc: &str, number: u8) {
    document["vpcs"][vpc] = json!({
        "cidr_block": format!("10.{number}.0.0/16"), "ipv6_cidr_block": format!("2001:db8:{number}::/56"),
    });
    document["security_groups"][format!("{vpc}-open")] = json!({ "vpc": vpc, "ingress": [everything()] });
    document["route_tables"][vpc] = json!({ "vpc": vpc, "routes": [
        { "cidr_block": "10.0.0.0/8", "transit_gateway": "hub" },
        { "ipv6_cidr_block": "2001:db8::/32", "transit_gateway": "hub" },
    ] });
    let mut doors = Vec::new();
    for (position, (word, zone)) in ZONES.into_iter().enumerate() {
        let place = position + 1;
        document["subnets"][format!("{vpc}-{word}")] = json!({
            "vpc": vpc, "cidr_block": format!("10.{number}.{place}.0/24"),
            "ipv6_cidr_block": format!("2001:db8:{number}:{place}::/64"), "availability_zone": zone,
            "route_table": vpc,
        });
        let door = format!("{vpc}-door-{word}");
        document["subnets"][&door] = json!({
            "vpc": vpc, "cidr_block": format!("10.{number}.{}.0/28", 100 + place),
            "ipv6_cidr_block": format!("2001:db8:{number}:{}::/64", 10 + place), "availability_zone": zone,
        });
        doors.push(door);
        document["instances"][format!("{vpc}-{word}")] = json!({
            "subnet": format!("{vpc}-{word}"), "private_ip": format!("10.{number}.{place}.10"),
            "ipv6_addresses": [format!("2001:db8:{number}:{place}::10")],
            "security_groups": [format!("{vpc}-open")],
        });
    }
    document["transit_gateway_vpc_attachments"][vpc] = json!({
        "transit_gateway": "hub", "vpc": vpc, "subnets": doors, "ipv6_support": true,
    });
}

/// The network with a change.
pub(crate) fn with_hub(change: impl FnOnce(&mut Value)) -> Net {
    let mut document = hub();
    change(&mut document);
    Net::new(document)
}

/// The changed document must be refused with this code at this place.
#[track_caller]
pub(crate) fn hub_refused(place: &str, code: &str, change: impl FnOnce(&mut Value)) {
    let mut document = hub();
    change(&mut document);
    assert_eq!(mistakes(&document), [format!("{place}: {code}")]);
}

/// The changed document must be right.
#[track_caller]
pub(crate) fn hub_accepted(change: impl FnOnce(&mut Value)) {
    let mut document = hub();
    change(&mut document);
    assert_eq!(mistakes(&document), [""; 0]);
}
