//! Does a guest do with packets for others what its instance declares?

use serde_json::{Value, json};

use crate::fixture::{Lab, live};

/// `near` reaches `far` by the interface VIA of `fw`, which forwards as FORWARDS says. By `e0` nothing leaves `fw`; `far`
/// lets in who is named by `admits`.
fn by_firewall(via: &str, forwards: &str, admits: &str) -> Value {
    json!({
        "vpcs": { "v": { "cidr_block": "10.9.0.0/16" } },
        "subnets": {
            "a": { "vpc": "v", "cidr_block": "10.9.1.0/24", "route_table": "there" },
            "b": { "vpc": "v", "cidr_block": "10.9.2.0/24" },
            "c": { "vpc": "v", "cidr_block": "10.9.3.0/24", "route_table": "back" } },
        "route_tables": {
            "there": { "vpc": "v", "routes": [ { "cidr_block": "10.9.3.0/24", "network_interface": via } ] },
            "back": { "vpc": "v", "routes": [ { "cidr_block": "10.9.1.0/24", "network_interface": "e1" } ] } },
        "security_groups": {
            "open": { "vpc": "v", "ingress": [ { "protocol": "-1", "cidr_blocks": ["10.9.0.0/16"] } ] },
            "shut": { "vpc": "v", "ingress": [ { "protocol": "-1", "cidr_blocks": ["10.9.0.0/16"] } ], "egress": [] },
            "far": { "vpc": "v", "ingress": [ { "protocol": "-1", "cidr_blocks": [admits] } ] } },
        "network_interfaces": {
            "e0": { "subnet": "a", "private_ip": "10.9.1.20", "source_dest_check": false, "security_groups": ["shut"] },
            "e1": { "subnet": "b", "private_ip": "10.9.2.20", "source_dest_check": false, "security_groups": ["open"] } },
        "instances": {
            "near": { "subnet": "a", "private_ip": "10.9.1.100", "security_groups": ["open"] },
            "far": { "subnet": "c", "private_ip": "10.9.3.100", "security_groups": ["far"] },
            "fw": { "forwards": forwards, "network_interfaces": [
                { "network_interface": "e0", "device_index": 0 }, { "network_interface": "e1", "device_index": 1 } ] } }
    })
}

const NEAR: &str = "10.9.1.100/32";
const FIREWALL: &str = "10.9.2.20/32";

#[test]
fn a_guest_forwards_by_the_interface_and_from_the_address_that_its_instance_declares() {
    if !live() {
        return;
    }
    let lab = Lab::up(&by_firewall("e1", "same_interface", NEAR));
    for (via, forwards, admits, passes) in [
        // Nothing leaves by `e0`, which has the default route of the guest.
        ("e1", "same_interface", NEAR, true),
        ("e1", "e0", NEAR, false),
        ("e0", "same_interface", NEAR, false),
        ("e0", "e1", NEAR, true),
        // As who sends it, and as the firewall.
        ("e1", "nat", NEAR, false),
        ("e1", "nat", FIREWALL, true),
        ("e1", "none", NEAR, false),
        ("e1", "same_interface", FIREWALL, false),
        ("e1", "same_interface", NEAR, true),
    ] {
        lab.put(&by_firewall(via, forwards, admits));
        let state = lab.client.instance("fw").unwrap();
        assert_eq!(state.warnings, Vec::<String>::new());
        assert_eq!(lab.pings("near", "10.9.3.100"), passes, "by {via}, {forwards}, {admits}");
    }
}
