mod conversations;
mod customer;
mod faults;
mod frames;
mod persistence;
mod topology;

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};
use vpclab_model::{Document, Topology};

use crate::{GuestRef, Lab, LabOptions};

/// Two subnets behind an internet gateway, open groups, and two hosts of the internet.
fn shop() -> Value {
    json!({
        "vpcs": { "shop": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56" } },
        "internet_gateways": { "igw": { "vpc": "shop" } },
        "route_tables": { "public": { "vpc": "shop", "routes": [
            { "cidr_block": "0.0.0.0/0", "gateway": "igw" },
            { "ipv6_cidr_block": "::/0", "gateway": "igw" } ] } },
        "subnets": {
            "a": { "vpc": "shop", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8:1:1::/64",
                   "route_table": "public" },
            "b": { "vpc": "shop", "cidr_block": "10.0.2.0/24", "ipv6_cidr_block": "2001:db8:1:2::/64",
                   "route_table": "public" } },
        "security_groups": { "open": { "vpc": "shop", "ingress": [
            { "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"], "ipv6_cidr_blocks": ["::/0"] } ] } },
        "instances": {
            "web": { "subnet": "a", "security_groups": ["open"], "private_ip": "10.0.1.10",
                     "ipv6_addresses": ["2001:db8:1:1::10"], "public_ip": "203.0.113.10" },
            "app": { "subnet": "a", "security_groups": ["open"], "private_ip": "10.0.1.11",
                     "ipv6_addresses": ["2001:db8:1:1::11"], "public_ip": "203.0.113.11" },
            "db": { "subnet": "b", "security_groups": ["open"], "private_ip": "10.0.2.10",
                    "ipv6_addresses": ["2001:db8:1:2::10"] } },
        "internet_hosts": {
            "client": { "address": "198.51.100.7", "ipv6_address": "2001:db8:ffff::7" },
            "other": { "address": "198.51.100.6" } }
    })
}

fn topology(document: Value) -> Topology {
    Topology::from_document(&Document::from(document), None).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn lab() -> Lab {
    Lab::new(&topology(shop()), LabOptions::default())
}

fn lab_of(document: Value) -> Lab {
    Lab::new(&topology(document), LabOptions::default())
}

fn both_modes() -> impl Iterator<Item = Lab> {
    [false, true].into_iter().map(|offloads| {
        Lab::new(&topology(shop()), LabOptions { offloads, record_frames: true, ..LabOptions::default() })
    })
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

const WEB: GuestRef<'_> = GuestRef::Instance("web");
const APP: GuestRef<'_> = GuestRef::Instance("app");
const DB: GuestRef<'_> = GuestRef::Instance("db");
const CLIENT: GuestRef<'_> = GuestRef::Host("client");
