//! Customer networks and private links.

use serde_json::{Value, json};

use crate::{check, lab, merge};

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

/// Two Direct Connect gateways, a virtual private gateway in each VPC, two transit gateways, and these associations.
fn direct_connect(associations: Value) -> Value {
    json!({
        "dx_gateways": {"d": {}, "e": {}},
        "vpn_gateways": {"gv": {"vpc": "v"}, "gw": {"vpc": "w"}, "loose": {}},
        "transit_gateways": {"t": {"amazon_side_asn": 64600}, "u": {"amazon_side_asn": 64601}},
        "dx_gateway_associations": associations,
    })
}

#[test]
fn what_a_direct_connect_gateway_can_be_associated_with() {
    const REFUSED: &[&str] = &["DirectConnectClientException dx_gateway_associations.b"];
    const NO_PREFIX: &[&str] = &["MissingParameter dx_gateway_associations.a.allowed_prefixes"];
    let private = |dx: &str, gateway: &str| json!({"dx_gateway": dx, "vpn_gateway": gateway});
    let transit = |dx: &str, gateway: &str| json!({"dx_gateway": dx, "transit_gateway": gateway, "allowed_prefixes": ["10.0.0.0/8"]});
    let only = |a: Value| direct_connect(json!({"a": a}));
    let both = |a: Value, b: Value| direct_connect(json!({"a": a, "b": b}));
    let changed = |mut patch: Value, change: Value| {
        merge(&mut patch, &change);
        patch
    };
    let like_v = json!({"vpcs": {"w": {"cidr_block": "10.0.0.0/20"}},
        "subnets": {"x": {"cidr_block": "10.0.2.0/24"}}});
    let same_number = json!({"transit_gateways": {"u": {"amazon_side_asn": 64512}}});
    let told_number = json!({"dx_gateways": {"e": {"amazon_side_asn": 64601}}});
    check(vec![
        ("DX-06", both(private("d", "gv"), private("d", "gw")), &[]),
        ("DX-06", both(transit("d", "t"), transit("d", "u")), &[]),
        // A transit gateway may have several, a virtual private gateway one.
        ("DX-06", both(transit("d", "t"), transit("e", "t")), &[]),
        ("DX-06", both(private("d", "gv"), private("e", "gv")), REFUSED),
        ("DX-06", both(private("d", "gv"), private("d", "gv")), REFUSED),
        ("DX-06", both(transit("d", "t"), transit("d", "t")), REFUSED),
        // It serves one kind.
        ("DX-06", both(private("d", "gv"), transit("d", "t")), REFUSED),
        ("DX-06", both(transit("d", "t"), private("d", "gv")), REFUSED),
        ("DX-06", both(private("d", "gv"), transit("e", "t")), &[]),
        // Whoever is attached to no VPC has nothing to announce.
        ("DX-07", both(private("d", "gv"), private("d", "loose")), REFUSED),
        // VPCs behind one gateway are told apart by their blocks; behind two they need not.
        ("DX-06", changed(both(private("d", "gv"), private("d", "gw")), like_v.clone()), REFUSED),
        ("DX-06", changed(both(private("d", "gv"), private("e", "gw")), like_v), &[]),
        // Both ends of BGP have a number of their own; the gateway's is 64512 where none is given.
        ("numbers", changed(both(transit("d", "t"), transit("e", "u")), same_number), REFUSED),
        ("numbers", changed(both(transit("d", "t"), transit("e", "u")), told_number), REFUSED),
        // What a transit gateway announces is its allowed prefixes, and nothing else.
        ("DX-07", only(json!({"dx_gateway": "d", "transit_gateway": "t"})), NO_PREFIX),
        (
            "DX-07",
            only(json!({"dx_gateway": "d", "transit_gateway": "t", "allowed_prefixes": []})),
            NO_PREFIX,
        ),
        ("DX-07", only(json!({"dx_gateway": "d", "vpn_gateway": "gv", "allowed_prefixes": []})), &[]),
    ]);
}

#[test]
fn which_virtual_interfaces_a_direct_connect_gateway_serves() {
    const PRIVATE: &[&str] =
        &["DirectConnectClientException dx_private_virtual_interfaces.private.dx_gateway"];
    const TRANSIT: &[&str] =
        &["DirectConnectClientException dx_transit_virtual_interfaces.transit.dx_gateway"];
    const NUMBER: &[&str] = &["DirectConnectClientException dx_private_virtual_interfaces.private.bgp_asn"];
    let interfaces = |association: Value, kinds: &[&str], bgp_asn: u32| {
        let mut patch = direct_connect(json!({"a": association}));
        for kind in kinds {
            patch[format!("dx_{kind}_virtual_interfaces")][kind] =
                json!({"dx_gateway": "d", "bgp_asn": bgp_asn});
        }
        patch
    };
    let none = json!(null);
    let private = json!({"dx_gateway": "d", "vpn_gateway": "gv"});
    let transit = json!({"dx_gateway": "d", "transit_gateway": "t", "allowed_prefixes": ["10.0.0.0/8"]});
    check(vec![
        ("DX-06", interfaces(private.clone(), &["private"], 65010), &[]),
        ("DX-06", interfaces(transit.clone(), &["transit"], 65010), &[]),
        ("DX-06", interfaces(transit, &["private"], 65010), PRIVATE),
        ("DX-06", interfaces(private, &["transit"], 65010), TRANSIT),
        // Without an association the interfaces say which kind it is of.
        ("DX-06", interfaces(none.clone(), &["private", "transit"], 65010), TRANSIT),
        ("numbers", interfaces(none, &["private"], 64512), NUMBER),
    ]);
}
