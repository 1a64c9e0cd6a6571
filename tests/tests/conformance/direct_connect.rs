//! Area DX: what do virtual interfaces and Direct Connect gateways carry, and where to?

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vpclab_tests::frames;
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{ping, syn, udp};

use crate::networks::{everything, packet};
use crate::private_networks::{APP, APP_V6, DESK, DESK_V6, direct_connect, refused, with};

/// A host of a second customer network.
const EC: &str = "172.16.0.7";
const EC_V6: &str = "fd13::7";

/// Direct Connect instead of VPN: the network `dc` with the host `dc-host`.
fn only_direct_connect(d: &mut Value) {
    d["vpn_connections"] = json!({});
    d["customer_networks"] = json!({});
    d["customer_hosts"] = json!({});
    direct_connect(d, "dc");
    d["customer_networks"]["dc"]["mtu"] = json!(9001);
}

/// The same by a Direct Connect gateway `dx`, and a second VPC `w` with an instance `far` at it.
fn by_a_gateway(d: &mut Value) {
    only_direct_connect(d);
    d["dx_gateways"] = json!({ "dx": {} });
    d["dx_private_virtual_interfaces"]["dc-vif"] = json!({ "dx_gateway": "dx", "bgp_asn": 65010 });
    d["vpcs"]["w"] = json!({ "cidr_block": "10.1.0.0/16" });
    d["vpn_gateways"]["wgw"] = json!({ "vpc": "w" });
    d["route_tables"]["w"] = json!({ "vpc": "w", "propagating_vgws": ["wgw"] });
    d["subnets"]["x"] = json!({ "vpc": "w", "cidr_block": "10.1.1.0/24", "route_table": "w" });
    d["security_groups"]["wide"] = json!({ "vpc": "w", "ingress": [everything()] });
    d["instances"]["far"] = json!({ "subnet": "x", "private_ip": "10.1.1.10", "security_groups": ["wide"] });
    d["dx_gateway_associations"] = json!({
        "to-v": { "dx_gateway": "dx", "vpn_gateway": "vgw" },
        "to-w": { "dx_gateway": "dx", "vpn_gateway": "wgw" },
    });
}

/// An echo request of `size` bytes of IPv4 packet from `from`, not to be cut.
fn sized(net: &Net, from: &str, source: &str, destination: &str, size: usize) -> Vec<u8> {
    let request = packet(source, destination, ping(1));
    frames::frame(&request, net.mac(from), net.next_hop(from, request.dst), &vec![0; size - 28])
}

#[test]
fn jumbo_packets_go_over_interfaces_that_allow_them_and_by_propagated_routes_only() {
    // proves: DX-01
    let mut net = with(only_direct_connect);
    let limit_is = |net: &mut Net, limit: usize| {
        let fits = sized(net, "app", APP, DESK, limit);
        net.send_frame("app", &fits).arrives_at("dc-host");
        if limit < 9001 {
            let larger = sized(net, "app", APP, DESK, limit + 1);
            net.send_frame("app", &larger).dies_of("mtu-exceeded");
        }
    };
    limit_is(&mut net, 1500);
    net.change(|d| d["dx_private_virtual_interfaces"]["dc-vif"]["mtu"] = json!(9001));
    limit_is(&mut net, 9001);
    net.change(|d| {
        d["route_tables"]["t"] =
            json!({ "vpc": "v", "routes": [{ "cidr_block": "192.168.0.0/16", "gateway": "vgw" }] });
    });
    limit_is(&mut net, 1500);
    for (wrong, kind) in [(8500, "private"), (9000, "private"), (9001, "transit")] {
        let kind = format!("dx_{kind}_virtual_interfaces");
        refused(&format!("{kind}.i.mtu"), "InvalidParameterValue", |d| {
            d["dx_gateways"] = json!({ "dx": {} });
            d[&kind]["i"] = json!({ "dx_gateway": "dx", "mtu": wrong });
        });
    }
}

#[test]
fn of_what_is_too_large_for_the_customers_network_no_router_of_the_vpc_tells() {
    // proves: DX-01, MTU-08
    let mut net = with(|d| {
        only_direct_connect(d);
        d["dx_private_virtual_interfaces"]["dc-vif"]["mtu"] = json!(9001);
        d["customer_networks"]["dc"]["mtu"] = json!(2000);
    });
    for (from, to, headers) in [(APP, DESK, 28), (APP_V6, DESK_V6, 48)] {
        let request = packet(from, to, ping(1));
        let of = |net: &Net, size: usize| {
            let payload = vec![0; size - headers];
            frames::frame(&request, net.mac("app"), net.next_hop("app", request.dst), &payload)
        };
        let (fits, larger) = (of(&net, 2000), of(&net, 2001));
        net.send_frame("app", &fits).arrives_at("dc-host");
        net.send_frame("app", &larger).dies_of("mtu-exceeded");
    }
}

#[test]
fn both_families_come_and_go_over_a_private_virtual_interface() {
    // proves: VGW-08
    let mut net = with(only_direct_connect);
    for (app, host) in [(APP, DESK), (APP_V6, DESK_V6)] {
        assert!(net.converses("app", &packet(app, host, syn(40_000, 80))));
        assert!(net.converses("dc-host", &packet(host, app, syn(40_001, 80))));
    }
    net.change(|d| d["dx_private_virtual_interfaces"]["dc-vif"]["state"] = json!("down"));
    net.send("app", &packet(APP, DESK, udp(1, 2))).dies_of("no-route");
    net.send("dc-host", &packet(DESK, APP, udp(1, 2))).dies_of("customer-no-route");
}

#[test]
fn a_customer_prefers_direct_connect_and_its_own_routes_before_all() {
    // proves: DX-05
    let mut net = with(|d| {
        d["customer_networks"]["office"]["virtual_interfaces"] = json!(["vif"]);
        d["customer_networks"]["office"]["mtu"] = json!(9001);
        d["dx_private_virtual_interfaces"]["vif"] =
            json!({ "vpn_gateway": "vgw", "bgp_asn": 65010, "mtu": 9001 });
    });
    // No tunnel takes so much.
    let large = sized(&net, "desk", DESK, APP, 9001);
    net.send_frame("desk", &large).arrives_at("app");
    for (link, passes) in [("vpn", false), ("vif", true)] {
        net.change(|d| {
            d["customer_networks"]["office"]["routes"] =
                json!([{ "cidr_block": "10.0.0.0/16", "link": link }]);
        });
        assert_eq!(net.send_frame("desk", &large).delivered().is_some(), passes, "{link}");
    }
    net.change(|d| d["dx_private_virtual_interfaces"]["vif"]["state"] = json!("down"));
    net.send_frame("desk", &large).dies_of("mtu-exceeded");
    net.send("desk", &packet(DESK, APP, udp(1, 2))).arrives_at("app");
}

#[test]
fn a_community_for_local_preference_goes_before_the_as_path() {
    // proves: DX-04, DX-08
    let mut net = with(|d| {
        only_direct_connect(d);
        direct_connect(d, "ec");
    });
    let announce = |net: &mut Net, vif: &str, path: &[u32], community: Option<&str>| {
        net.change(|d| {
            let mut route = json!({ "cidr_block": "192.168.0.0/16", "as_path": path });
            if let Some(community) = community {
                route["community"] = json!(community);
            }
            d["dx_private_virtual_interfaces"][vif]["bgp_routes"] = json!([route]);
        });
    };
    let receivers = |net: &mut Net| -> BTreeSet<String> {
        let flows = (0..64).map(|port| packet(APP, DESK, udp(40_000 + port, 53)));
        flows.map(|flow| net.send("app", &flow).delivered().expect("delivered").0).collect()
    };
    let only = |name: &str| BTreeSet::from([name.to_owned()]);
    announce(&mut net, "dc-vif", &[65010, 65010], None);
    announce(&mut net, "ec-vif", &[65010], None);
    assert_eq!(receivers(&mut net), only("ec-host"), "the shorter path");
    announce(&mut net, "dc-vif", &[65010, 65010], Some("7224:7300"));
    assert_eq!(receivers(&mut net), only("dc-host"), "high before none, which is medium");
    announce(&mut net, "dc-vif", &[65010], Some("7224:7100"));
    assert_eq!(receivers(&mut net), only("ec-host"), "low after it");
    announce(&mut net, "ec-vif", &[65010, 65010], Some("7224:7100"));
    assert_eq!(receivers(&mut net), only("dc-host"), "of the same preference the shorter path");
    announce(&mut net, "ec-vif", &[65010], Some("7224:7100"));
    assert_eq!(receivers(&mut net).len(), 2, "equal ones share the flows");
    // Each flow keeps to its own.
    let flow = packet(APP, DESK, udp(50_000, 53));
    let first = net.send("app", &flow).delivered().unwrap().0;
    for _ in 0..8 {
        net.send("app", &flow).arrives_at(&first);
    }
}

#[test]
fn a_direct_connect_gateway_joins_customers_with_vpcs_and_nobody_else() {
    // proves: DX-06
    let mut net = with(|d| {
        by_a_gateway(d);
        d["dx_private_virtual_interfaces"]["ec-vif"] = json!({ "dx_gateway": "dx", "bgp_asn": 65020 });
        d["customer_networks"]["ec"] =
            json!({ "cidr_blocks": ["172.16.0.0/16"], "virtual_interfaces": ["ec-vif"] });
        d["customer_hosts"]["ec-host"] = json!({ "customer_network": "ec", "address": "172.16.0.7" });
    });
    for (host, address) in [("dc-host", DESK), ("ec-host", "172.16.0.7")] {
        for (instance, private) in [("app", APP), ("far", "10.1.1.10")] {
            assert!(net.converses(instance, &packet(private, address, syn(40_000, 80))), "{instance} {host}");
            assert!(net.converses(host, &packet(address, private, syn(40_001, 80))), "{host} {instance}");
        }
    }
    // Between virtual interfaces, and between VPCs, there is no way.
    net.send("dc-host", &packet(DESK, "172.16.0.7", udp(1, 2))).dies_of("customer-no-route");
    net.send("app", &packet(APP, "10.1.1.10", udp(1, 2))).dies_of("no-route");
    net.change(|d| {
        d["customer_networks"]["dc"]["routes"] =
            json!([{ "cidr_block": "172.16.0.0/16", "virtual_interface": "dc-vif" }]);
        d["route_tables"]["t"]["routes"] = json!([{ "cidr_block": "10.1.0.0/16", "gateway": "vgw" }]);
    });
    net.send("dc-host", &packet(DESK, "172.16.0.7", udp(1, 2))).dies_of("private-link-no-route");
    net.send("app", &packet(APP, "10.1.1.10", udp(1, 2))).dies_of("vpn-gateway-no-route");
}

/// Two customer networks, each with a transit virtual interface to one Direct Connect gateway, which is associated with
/// two peered transit gateways. The VPC of `app` is attached to the first.
fn by_transit_gateways(d: &mut Value) {
    only_direct_connect(d);
    d["vpn_gateways"] = json!({});
    d["route_tables"]["t"] = json!({ "vpc": "v", "routes": [
        { "cidr_block": "0.0.0.0/0", "transit_gateway": "tgw" },
        { "ipv6_cidr_block": "::/0", "transit_gateway": "tgw" }] });
    d["transit_gateways"] = json!({ "tgw": {}, "tgw2": { "amazon_side_asn": 64513 } });
    d["transit_gateway_vpc_attachments"] = json!({ "att": { "transit_gateway": "tgw", "vpc": "v",
        "subnets": ["a"], "ipv6_support": "enable" } });
    d["transit_gateway_peering_attachments"] = json!({ "peering": { "transit_gateway": "tgw",
        "peer_transit_gateway": "tgw2", "state": "available" } });
    d["dx_gateways"] = json!({ "dx": { "amazon_side_asn": 64600 } });
    d["dx_private_virtual_interfaces"] = json!({});
    d["dx_gateway_associations"] = json!({
        "to-tgw": { "dx_gateway": "dx", "transit_gateway": "tgw",
            "allowed_prefixes": ["0.0.0.0/0", "::/0"] },
        "to-tgw2": { "dx_gateway": "dx", "transit_gateway": "tgw2",
            "allowed_prefixes": ["10.99.0.0/16", "2001:db8:99::/48"] } });
    for (name, number, v4, v6) in [("dc", 65010, DESK, DESK_V6), ("ec", 65020, EC, EC_V6)] {
        let vif = format!("{name}-vif");
        d["dx_transit_virtual_interfaces"][&vif] = json!({ "dx_gateway": "dx", "bgp_asn": number });
        let blocks =
            if name == "dc" { ["192.168.0.0/16", "fd12::/48"] } else { ["172.16.0.0/16", "fd13::/48"] };
        d["customer_networks"][name] = json!({ "cidr_blocks": [blocks[0]], "ipv6_cidr_blocks": [blocks[1]], "virtual_interfaces": [vif] });
        d["customer_hosts"][format!("{name}-host")] =
            json!({ "customer_network": name, "address": v4, "ipv6_address": v6 });
    }
}

#[test]
fn a_transit_gateway_is_no_way_round_from_one_virtual_interface_to_another() {
    // proves: DX-06
    let mut net = with(by_transit_gateways);
    let families = [(DESK, EC, APP), (DESK_V6, EC_V6, APP_V6)];
    for (desk, other, app) in families {
        for (host, address) in [("dc-host", desk), ("ec-host", other)] {
            assert!(net.converses(host, &packet(address, app, syn(40_000, 80))), "{host} {address}");
            assert!(net.converses("app", &packet(app, address, syn(40_001, 80))), "{host} {address}");
        }
        // The association's default route leads both to the transit gateway, whose table knows both.
        net.send("dc-host", &packet(desk, other, udp(1, 2))).dies_of("dx-gateway-hairpin");
        net.send("ec-host", &packet(other, desk, udp(1, 2))).dies_of("dx-gateway-hairpin");
    }
    // Not by two transit gateways in a row either.
    net.change(|d| {
        let by_peering = |block: &str| json!({ "destination_cidr_block": block, "attachment": "peering" });
        d["transit_gateway_route_tables"]["tgw/default"] = json!({ "transit_gateway": "tgw", "routes": [
            by_peering("172.16.0.0/17"), by_peering("fd13::/49"),
            by_peering("192.168.0.0/17"), by_peering("fd12::/49")] });
        d["transit_gateway_route_tables"]["tgw2/default"] = json!({ "transit_gateway": "tgw2",
            "associations": ["peering"] });
    });
    for (desk, other, app) in families {
        net.send("dc-host", &packet(desk, other, udp(1, 2))).dies_of("dx-gateway-hairpin");
        net.send("ec-host", &packet(other, desk, udp(1, 2))).dies_of("dx-gateway-hairpin");
        // The VPC may take that way.
        net.send("app", &packet(app, other, udp(1, 2))).arrives_at("ec-host");
    }
}

#[test]
fn a_gateway_is_associated_with_a_direct_connect_gateway_once() {
    // proves: DX-06
    for gateway in ["dx", "second"] {
        refused("dx_gateway_associations.twin", "DirectConnectClientException", |d| {
            by_a_gateway(d);
            d["dx_gateways"]["second"] = json!({});
            d["dx_gateway_associations"]["twin"] = json!({ "dx_gateway": gateway, "vpn_gateway": "vgw" });
        });
    }
}

#[test]
fn allowed_prefixes_are_a_filter_for_the_blocks_of_a_vpc() {
    // proves: DX-07
    let mut net = with(by_a_gateway);
    for (allowed, reaches) in [
        (json!(["10.0.0.0/16"]), true),
        (json!(["10.0.0.0/15"]), true),
        (json!(["10.0.0.0/24"]), false),
        (json!(["22.0.0.0/24"]), false),
        (json!(["22.0.0.0/24", "10.0.0.0/8"]), true),
        (json!([]), false),
    ] {
        net.change(|d| d["dx_gateway_associations"]["to-v"]["allowed_prefixes"] = allowed.clone());
        let fate = net.send("dc-host", &packet(DESK, APP, udp(1, 2)));
        if reaches {
            fate.arrives_at("app");
        } else {
            fate.dies_of("customer-no-route");
        }
    }
}

#[test]
fn a_direct_connect_gateway_may_belong_to_another_account_than_what_it_joins() {
    let mut net = with(by_a_gateway);
    assert_eq!(net.topology.dx_gateways["dx"].owner, "123456789012");
    net.change(|d| d["dx_gateways"]["dx"]["owner_id"] = json!("210987654321"));
    assert_eq!(net.topology.dx_gateways["dx"].owner, "210987654321");
    assert!(net.converses("far", &packet("10.1.1.10", DESK, syn(40_000, 80))));
    // It is in no region, and an account has twelve digits.
    for (attribute, wrong, code) in
        [("owner", "me", "InvalidParameterValue"), ("region", "us-east-1", "UnknownParameter")]
    {
        refused(&format!("dx_gateways.dx.{attribute}"), code, |d| {
            d["dx_gateways"] = json!({ "dx": { attribute: wrong } });
        });
    }
}
