//! Customer networks and private links.

use serde_json::{Value, json};

use crate::{check, lab};

fn network(attributes: Value) -> Value {
    json!({"customer_networks": {"n": attributes}})
}

fn host(attributes: Value) -> Value {
    json!({"customer_networks": {"n": {"cidr_blocks": ["192.168.0.0/16"], "ipv6_cidr_blocks": ["fd12::/48"]}},
        "customer_hosts": {"h": attributes}})
}

#[test]
fn customer_networks_and_hosts() {
    check(vec![
        ("no block", network(json!({})), &["MissingParameter customer_networks.n"]),
        (
            "blocks overlap",
            network(json!({"cidr_blocks": ["192.168.0.0/16", "192.168.1.0/24"]})),
            &["InvalidParameterValue customer_networks.n.cidr_blocks[1]"],
        ),
        (
            "MTU-01",
            network(json!({"cidr_block": "192.168.0.0/16", "mtu": 9002})),
            &["InvalidParameterValue customer_networks.n.mtu"],
        ),
        // A customer's addresses are its own affair: those of a VPC too.
        ("overlap", network(json!({"cidr_blocks": ["10.0.0.0/16"]})), &[]),
        ("no address", host(json!({"customer_network": "n"})), &["MissingParameter customer_hosts.h"]),
        (
            "no network",
            host(json!({"address": "192.168.0.1"})),
            &["MissingParameter customer_hosts.h.customer_network"],
        ),
        (
            "ERR-31",
            host(json!({"customer_network": "m", "address": "192.168.0.1"})),
            &["InvalidCustomerNetworkID.NotFound customer_hosts.h.customer_network"],
        ),
        (
            "outside",
            host(json!({"customer_network": "n", "address": "192.169.0.1", "ipv6_address": "fd13::1"})),
            &[
                "InvalidParameterValue customer_hosts.h.address",
                "InvalidParameterValue customer_hosts.h.ipv6_address",
            ],
        ),
        (
            "taken",
            json!({"customer_networks": {"n": {"cidr_block": "192.168.0.0/16"}},
                "customer_hosts": {"h": {"customer_network": "n", "address": "192.168.0.1"},
                    "k": {"customer_network": "n", "address": "192.168.0.1"}}}),
            &["InvalidIPAddress.InUse customer_hosts.k.address"],
        ),
        (
            "one name, two hosts",
            json!({"customer_networks": {"n": {"cidr_block": "192.168.0.0/16"}},
                "customer_hosts": {"h": {"customer_network": "n", "address": "192.168.0.1"}},
                "internet_hosts": {"h": {"address": "198.51.100.1"}}}),
            &["InvalidParameterValue customer_hosts.h"],
        ),
    ]);
    let topology = lab(host(json!({"customer_network": "n", "address": "192.168.0.1"})));
    assert_eq!(topology.customer_networks["n"].mtu, 1500);
    // Two networks may use the same addresses.
    lab(
        json!({"customer_networks": {"n": {"cidr_block": "192.168.0.0/16"}, "m": {"cidr_block": "192.168.0.0/16"}},
        "customer_hosts": {"h": {"customer_network": "n", "address": "192.168.0.1"},
            "k": {"customer_network": "m", "address": "192.168.0.1"}}}),
    );
}
