//! Which network do the tests of private links start from?
//!
//! `app` is alone in VPC `v` with a virtual private gateway `vgw`, whose routes its table takes. `desk` is in the customer
//! network `office` behind a VPN connection `vpn`, dynamic and up. Everything is allowed until a test says otherwise.

use serde_json::{Value, json};
use vpclab_tests::harness::{Net, mistakes};

use crate::networks::everything;

pub(crate) const APP: &str = "10.0.1.10";
pub(crate) const APP_V6: &str = "2001:db8:1:1::10";
pub(crate) const DESK: &str = "192.168.0.7";
pub(crate) const DESK_V6: &str = "fd12::7";

/// The network as a document, for a test to change.
pub(crate) fn document() -> Value {
    json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56" } },
        "vpn_gateways": { "vgw": { "vpc": "v" } },
        "route_tables": { "t": { "vpc": "v", "propagating_vgws": ["vgw"] } },
        "subnets": { "a": { "vpc": "v", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8:1:1::/64",
            "route_table": "t" } },
        "security_groups": { "open": { "vpc": "v", "ingress": [everything()] } },
        "instances": { "app": { "subnet": "a", "private_ip": APP, "ipv6_addresses": [APP_V6],
            "security_groups": ["open"] } },
        "customer_gateways": { "cgw": { "bgp_asn": 65001, "ip_address": "198.51.100.1" } },
        "vpn_connections": { "vpn": { "vpn_gateway": "vgw", "customer_gateway": "cgw" } },
        "customer_networks": { "office": { "cidr_blocks": ["192.168.0.0/16"], "ipv6_cidr_blocks": ["fd12::/48"],
            "customer_gateways": ["cgw"] } },
        "customer_hosts": { "desk": { "customer_network": "office", "address": DESK, "ipv6_address": DESK_V6 } },
    })
}

/// A second site with the same addresses, behind the VPN connection `vpn2`, so that who gets a packet tells which way it
/// went.
pub(crate) fn twin(d: &mut Value) {
    d["customer_gateways"]["cgw2"] = json!({ "bgp_asn": 65002, "ip_address": "198.51.100.2" });
    d["vpn_connections"]["vpn2"] = json!({ "vpn_gateway": "vgw", "customer_gateway": "cgw2" });
    d["customer_networks"]["branch"] =
        json!({ "cidr_blocks": ["192.168.0.0/16"], "customer_gateways": ["cgw2"] });
    d["customer_hosts"]["till"] = json!({ "customer_network": "branch", "address": DESK });
}

/// A second site of its own addresses, 172.16.0.0/16.
pub(crate) fn other_site(d: &mut Value) {
    twin(d);
    d["customer_networks"]["branch"]["cidr_blocks"] = json!(["172.16.0.0/16"]);
    d["customer_hosts"]["till"]["address"] = json!("172.16.0.7");
}

/// A private virtual interface `vif` to the gateway, of the network `name` with a host that has the desk's address.
pub(crate) fn direct_connect(d: &mut Value, name: &str) {
    d["dx_private_virtual_interfaces"][format!("{name}-vif")] =
        json!({ "vpn_gateway": "vgw", "bgp_asn": 65010 });
    d["customer_networks"][name] = json!({ "cidr_blocks": ["192.168.0.0/16"], "ipv6_cidr_blocks": ["fd12::/48"],
        "virtual_interfaces": [format!("{name}-vif")] });
    d["customer_hosts"][format!("{name}-host")] =
        json!({ "customer_network": name, "address": DESK, "ipv6_address": DESK_V6 });
}

/// The network with a change.
pub(crate) fn with(change: impl FnOnce(&mut Value)) -> Net {
    let mut document = document();
    change(&mut document);
    Net::new(document)
}

/// The changed document must be refused with this code at this place.
#[track_caller]
pub(crate) fn refused(place: &str, code: &str, change: impl FnOnce(&mut Value)) {
    let mut document = document();
    change(&mut document);
    assert_eq!(mistakes(&document), [format!("{place}: {code}")]);
}

/// The changed document must be right.
#[track_caller]
pub(crate) fn accepted(change: impl FnOnce(&mut Value)) {
    let mut document = document();
    change(&mut document);
    assert_eq!(mistakes(&document), [""; 0]);
}
