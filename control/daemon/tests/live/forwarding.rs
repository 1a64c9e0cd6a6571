//! Does a guest do with packets for others what its instance declares?

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::fixture::{Lab, live, unique_name};

/// `near` and `far` reach each other by `fw`, which forwards as FORWARDS says: `near` by its interface VIA, `far` by `e1`.
/// By `e0` nothing leaves `fw`; `far` lets in who is named by `admits`.
fn by_firewall(via: &str, forwards: &str, [admits, admits_ipv6]: [&str; 2]) -> Value {
    let all = json!([{ "protocol": "-1", "cidr_blocks": ["10.9.0.0/16"], "ipv6_cidr_blocks": ["2001:db8:9::/56"] }]);
    json!({
        "vpcs": { "v": { "cidr_block": "10.9.0.0/16", "ipv6_cidr_block": "2001:db8:9::/56" } },
        "subnets": {
            "a": { "vpc": "v", "cidr_block": "10.9.1.0/24", "ipv6_cidr_block": "2001:db8:9:1::/64", "route_table": "there" },
            "b": { "vpc": "v", "cidr_block": "10.9.2.0/24", "ipv6_cidr_block": "2001:db8:9:2::/64" },
            "c": { "vpc": "v", "cidr_block": "10.9.3.0/24", "ipv6_cidr_block": "2001:db8:9:3::/64", "route_table": "back" } },
        "route_tables": {
            "there": { "vpc": "v", "routes": [
                { "cidr_block": "10.9.3.0/24", "network_interface": via },
                { "ipv6_cidr_block": "2001:db8:9:3::/64", "network_interface": via } ] },
            "back": { "vpc": "v", "routes": [
                { "cidr_block": "10.9.1.0/24", "network_interface": "e1" },
                { "ipv6_cidr_block": "2001:db8:9:1::/64", "network_interface": "e1" } ] } },
        "security_groups": {
            "open": { "vpc": "v", "ingress": all, "egress": all },
            "shut": { "vpc": "v", "ingress": all, "egress": [] },
            "far": { "vpc": "v", "egress": all, "ingress": [
                { "protocol": "-1", "cidr_blocks": [admits], "ipv6_cidr_blocks": [admits_ipv6] } ] } },
        "network_interfaces": {
            "e0": { "subnet": "a", "private_ip": "10.9.1.20", "ipv6_addresses": ["2001:db8:9:1::20"],
                    "source_dest_check": false, "security_groups": ["shut"] },
            "e1": { "subnet": "b", "private_ip": "10.9.2.20", "ipv6_addresses": ["2001:db8:9:2::20"],
                    "source_dest_check": false, "security_groups": ["open"] } },
        "instances": {
            "near": { "subnet": "a", "private_ip": "10.9.1.100", "ipv6_addresses": ["2001:db8:9:1::100"],
                      "security_groups": ["open"] },
            "far": { "subnet": "c", "private_ip": "10.9.3.100", "ipv6_addresses": ["2001:db8:9:3::100"],
                     "security_groups": ["far"] },
            "fw": { "forwards": forwards, "network_interfaces": [
                { "network_interface": "e0", "device_index": 0 }, { "network_interface": "e1", "device_index": 1 } ] } }
    })
}

const NEAR: [&str; 2] = ["10.9.1.100/32", "2001:db8:9:1::100/128"];
const FIREWALL: [&str; 2] = ["10.9.2.20/32", "2001:db8:9:2::20/128"];

#[test]
fn a_guest_forwards_by_the_interface_and_from_the_address_that_its_instance_declares() {
    if !live() {
        return;
    }
    let lab = Lab::up(&by_firewall("e1", "same_interface", NEAR));
    for (via, forwards, admits, there, back) in [
        // Nothing leaves by `e0`, which has the default route of the guest.
        ("e1", "same_interface", NEAR, true, true),
        ("e1", "e0", NEAR, false, false),
        ("e0", "same_interface", NEAR, false, false),
        ("e0", "e1", NEAR, true, true),
        // As who sends it, and as the firewall.
        ("e1", "nat", NEAR, false, true),
        ("e1", "nat", FIREWALL, true, true),
        ("e1", "none", NEAR, false, false),
        ("e1", "same_interface", FIREWALL, false, true),
        ("e1", "same_interface", NEAR, true, true),
    ] {
        lab.put(&by_firewall(via, forwards, admits));
        let state = lab.client.instance("fw").unwrap();
        assert_eq!(state.warnings, Vec::<String>::new());
        for (from, to, passes) in [
            ("near", "10.9.3.100", there),
            ("near", "2001:db8:9:3::100", there),
            ("far", "10.9.1.100", back),
            ("far", "2001:db8:9:1::100", back),
        ] {
            assert_eq!(lab.pings(from, to), passes, "{from} to {to} by {via}, {forwards}, {admits:?}");
        }
    }
}

#[test]
fn a_daemon_that_takes_a_guest_over_ends_its_translation_or_says_that_it_cannot() {
    if !live() {
        return;
    }
    // In place of the program: it writes down that it was run, and fails.
    let directory = std::env::temp_dir().join(unique_name("nft"));
    fs::create_dir(&directory).unwrap();
    let (program, ran) = (directory.join("nft"), directory.join("ran"));
    fs::write(&program, format!("#!/bin/sh\necho >> {}\necho it is broken >&2\nexit 1\n", ran.display()))
        .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let runs = || fs::read_to_string(&ran).map_or(0, |lines| lines.lines().count());
    let problem = "its forwarding could not be set: running nft: it is broken";
    let mut lab = Lab::up(&by_firewall("e1", "same_interface", NEAR));

    // Nothing was ever switched on: nothing is run, neither now nor at the next change.
    lab.kill();
    lab.restart_with(&by_firewall("e1", "same_interface", NEAR), &directory);
    lab.put(&by_firewall("e1", "none", NEAR));
    assert_eq!((runs(), lab.client.instance("fw").unwrap().warnings), (0, vec![]));
    // It could not be switched on: there is nothing to switch off.
    let applied = lab.client.apply(&by_firewall("e1", "nat", FIREWALL).into()).unwrap();
    assert_eq!((runs(), applied.warnings), (1, vec![format!("fw: {problem}")]));
    lab.put(&by_firewall("e1", "none", NEAR));
    assert_eq!((runs(), lab.client.instance("fw").unwrap().warnings), (1, vec![]));

    lab.kill();
    lab.restart(&by_firewall("e1", "nat", FIREWALL));
    assert!(lab.pings("near", "10.9.3.100"));
    lab.kill();
    lab.restart_with(&by_firewall("e1", "same_interface", NEAR), &directory);
    assert_eq!((runs(), lab.client.instance("fw").unwrap().warnings), (2, vec![problem.to_owned()]));
    assert!(!lab.pings("near", "10.9.3.100") && lab.pings("near", "10.9.2.20"), "it still translates");
    let applied = lab.client.apply(&by_firewall("e1", "same_interface", NEAR).into()).unwrap();
    assert_eq!((runs(), applied.warnings), (3, vec![format!("fw: {problem}")]));

    // Whoever comes next and can, does.
    lab.kill();
    lab.restart(&by_firewall("e1", "same_interface", NEAR));
    assert_eq!(lab.client.instance("fw").unwrap().warnings, Vec::<String>::new());
    assert!(lab.pings("near", "10.9.3.100"));
    fs::remove_dir_all(&directory).unwrap();
}
