//! Area VGW: what does a virtual private gateway let through, and by which link?

use serde_json::{Value, json};
use vpclab_tests::frames::TTL;
use vpclab_tests::packet::{ping, syn, udp};

use crate::networks::{everything, packet};
use crate::private_networks::{
    APP, APP_V6, DESK, DESK_V6, accepted, direct_connect, other_site, refused, twin, with,
};

#[test]
fn a_vpc_has_at_most_one_gateway_and_a_gateway_one_vpc() {
    // proves: VGW-01, ERR-23
    refused("vpn_gateways.wgw.vpc", "InvalidVpcState", |d| d["vpn_gateways"]["wgw"] = json!({ "vpc": "v" }));
    refused("vpn_gateways.vgw.vpc", "InvalidParameterValue", |d| {
        d["vpn_gateways"]["vgw"]["vpc"] = json!(["v", "w"]);
        d["route_tables"]["t"] = json!({ "vpc": "v" });
    });
    accepted(|d| d["vpn_gateways"]["idle"] = json!({}));
}

#[test]
fn what_the_gateway_learns_appears_in_the_tables_that_take_it_and_goes_when_they_do_not() {
    // proves: RT-34, VGW-03
    let mut net = with(|_| {});
    assert!(net.converses("app", &packet(APP, DESK, syn(40_000, 80))));
    assert!(net.converses("desk", &packet(DESK, APP, syn(40_001, 80))));
    let routes = serde_json::to_value(&net.topology.route_tables["t"].routes).unwrap();
    let learned = routes.as_array().unwrap().iter().find(|r| r["destination"] == "192.168.0.0/16").unwrap();
    assert_eq!(learned["target"]["vpn_gateway"], "vgw");
    net.change(|d| d["route_tables"]["t"]["propagating_vgws"] = json!([]));
    net.send("app", &packet(APP, DESK, syn(40_002, 80))).dies_of("no-route");
    // What is written leads as far: the gateway knows the way by itself. Only to what it has learnt.
    net.change(|d| {
        d["route_tables"]["t"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "gateway": "vgw" }]);
    });
    net.send("app", &packet(APP, DESK, syn(40_003, 80))).arrives_at("desk");
    net.send("app", &packet(APP, "192.169.0.7", syn(40_004, 80))).dies_of("vpn-gateway-no-route");
    // A table of another VPC takes nothing from it.
    refused("route_tables.u.propagating_vgws[0]", "Gateway.NotAttached", |d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.1.0.0/16" });
        d["route_tables"]["u"] = json!({ "vpc": "w", "propagating_vgws": ["vgw"] });
    });
    refused("route_tables.t.propagating_vgws[0]", "InvalidVpnGatewayID.NotFound", |d| {
        d["route_tables"]["t"]["propagating_vgws"] = json!(["nobody"]);
    });
}

#[test]
fn only_interfaces_of_the_vpc_send_by_it_and_only_they_are_reached() {
    // proves: VGW-02
    // By Direct Connect, which carries both families.
    let mut net = with(|d| {
        direct_connect(d, "dc");
        d["instances"]["app"]["source_dest_check"] = json!(false);
        d["network_interfaces"] = json!({ "loose": { "subnet": "a", "private_ip": "10.0.1.50",
            "ipv6_addresses": ["2001:db8:1:1::50"] } });
    });
    let families = [
        (APP, DESK, ["10.0.1.77", "10.0.1.50", "172.16.0.1"]),
        (APP_V6, DESK_V6, ["2001:db8:1:1::77", "2001:db8:1:1::50", "2001:db8:9::1"]),
    ];
    for (app, desk, foreign) in families {
        // Nobody's address, that of an interface that is attached to nothing, one from elsewhere.
        for source in foreign {
            net.send("app", &packet(source, desk, udp(1, 2))).dies_of("vpn-gateway-foreign-source");
        }
        net.send("app", &packet(app, desk, udp(1, 2))).arrives_at("dc-host");
        for destination in &foreign[..2] {
            let fate = net.send("dc-host", &packet(desk, destination, udp(1, 2)));
            fate.dies_of("vpn-gateway-foreign-destination");
        }
        net.send("dc-host", &packet(desk, app, udp(1, 2))).arrives_at("app");
    }
}

/// A peer VPC, an internet gateway, a NAT gateway and an interface that is attached to nothing.
fn surroundings(d: &mut Value) {
    d["vpcs"]["w"] = json!({ "cidr_block": "10.1.0.0/16" });
    d["vpc_peering_connections"] = json!({ "pcx": { "vpc": "v", "peer_vpc": "w", "auto_accept": true } });
    d["internet_gateways"] = json!({ "igw": { "vpc": "v" } });
    d["eips"] = json!({ "e": {} });
    d["nat_gateways"] = json!({ "nat": { "subnet": "b", "allocation": "e", "private_ip": "10.0.2.20" } });
    d["route_tables"]["b"] =
        json!({ "vpc": "v", "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }] });
    d["route_tables"]["w"] = json!({ "vpc": "w", "routes": [
        { "cidr_block": "10.0.0.0/16", "vpc_peering_connection": "pcx" },
        { "cidr_block": "192.168.0.0/16", "vpc_peering_connection": "pcx" } ] });
    d["subnets"]["b"] = json!({ "vpc": "v", "cidr_block": "10.0.2.0/24", "route_table": "b" });
    d["subnets"]["x"] = json!({ "vpc": "w", "cidr_block": "10.1.1.0/24", "route_table": "w" });
    d["security_groups"]["wide"] = json!({ "vpc": "w", "ingress": [everything()] });
    d["instances"]["far"] = json!({ "subnet": "x", "private_ip": "10.1.1.10", "security_groups": ["wide"] });
    d["network_interfaces"] = json!({ "loose": { "subnet": "a", "private_ip": "10.0.1.50" } });
    d["internet_hosts"] = json!({ "client": { "address": "198.51.100.7" } });
    d["route_tables"]["t"]["routes"] =
        json!([{ "cidr_block": "10.1.0.0/16", "vpc_peering_connection": "pcx" }]);
    // The customer's own routes lead everything to AWS: AWS has to refuse it.
    d["customer_networks"]["office"]["routes"] =
        json!([{ "cidr_block": "0.0.0.0/0", "vpn_connection": "vpn" }]);
}

#[test]
fn nobody_passes_through_the_vpc_to_something_else() {
    // proves: VGW-02, PCX-08, NAT-15, NAT-45
    let mut net = with(surroundings);
    net.send("desk", &packet(DESK, APP, udp(1, 2))).arrives_at("app");
    // A peer, the internet, an interface that is attached to nothing.
    for destination in ["10.1.1.10", "198.51.100.7", "10.0.1.50"] {
        net.send("desk", &packet(DESK, destination, udp(1, 2))).dies_of("vpn-gateway-foreign-destination");
    }
    // The NAT gateway has an interface in the VPC, and serves nobody from there.
    net.send("desk", &packet(DESK, "10.0.2.20", syn(1, 2))).dies_of("nat-foreign-client");
    // A gateway endpoint takes nothing from there, whatever the address it comes under.
    net.change(|d| {
        d["services"] = json!({ "com.amazonaws.us-east-1.s3": { "address": "52.216.10.20" } });
        d["vpc_endpoints"] = json!({ "s3": { "vpc": "v", "service_name": "com.amazonaws.us-east-1.s3",
            "route_tables": ["t", "b"] } });
    });
    net.send("app", &packet(APP, "52.216.10.20", syn(1, 2))).arrives_at("com.amazonaws.us-east-1.s3");
    let fate = net.send("desk", &packet(DESK, "52.216.10.20", syn(1, 2)));
    fate.dies_of("vpn-gateway-foreign-destination");
    // A peer does not get to the customer either.
    net.send("far", &packet("10.1.1.10", DESK, udp(1, 2))).dies_of("peering-foreign-destination");
}

const FAR_V6: &str = "2001:db8:2:1::10";

/// A second VPC `w`, which a transit gateway joins with the first one and by whose tables everything for the customer goes
/// into that: `far` is in it, and sends in any name.
fn behind_a_transit_gateway(d: &mut Value) {
    direct_connect(d, "dc");
    d["vpn_connections"]["vpn"]["tunnels"] = json!(["down", "down"]);
    d["vpcs"]["w"] = json!({ "cidr_block": "10.1.0.0/16", "ipv6_cidr_block": "2001:db8:2::/56" });
    d["subnets"]["x"] = json!({ "vpc": "w", "cidr_block": "10.1.1.0/24", "ipv6_cidr_block": "2001:db8:2:1::/64",
        "route_table": "w" });
    d["security_groups"]["wide"] = json!({ "vpc": "w", "ingress": [everything()] });
    d["instances"]["far"] = json!({ "subnet": "x", "private_ip": "10.1.1.10", "ipv6_addresses": [FAR_V6],
        "security_groups": ["wide"], "source_dest_check": false });
    d["transit_gateways"] = json!({ "tgw": {} });
    d["transit_gateway_vpc_attachments"] = json!({
        "v": { "transit_gateway": "tgw", "vpc": "v", "subnets": ["a"], "ipv6_support": "enable" },
        "w": { "transit_gateway": "tgw", "vpc": "w", "subnets": ["x"], "ipv6_support": "enable" } });
    d["transit_gateway_route_tables"]["tgw/default"] = json!({ "transit_gateway": "tgw", "routes": [
        { "destination_cidr_block": "0.0.0.0/0", "attachment": "v" },
        { "destination_cidr_block": "::/0", "attachment": "v" }] });
    d["route_tables"]["w"] = json!({ "vpc": "w", "routes": [
        { "cidr_block": "0.0.0.0/0", "transit_gateway": "tgw" },
        { "ipv6_cidr_block": "::/0", "transit_gateway": "tgw" }] });
    d["route_tables"]["t"]["routes"] = json!([
        { "cidr_block": "10.1.0.0/16", "transit_gateway": "tgw" },
        { "ipv6_cidr_block": "2001:db8:2::/56", "transit_gateway": "tgw" }]);
}

#[test]
fn nobody_comes_through_a_transit_gateway_to_pass_by_it_nor_goes_by_it_to_one() {
    // proves: VGW-02
    let mut net = with(behind_a_transit_gateway);
    let ways = [(APP, "10.1.1.10", DESK), (APP_V6, FAR_V6, DESK_V6)];
    for (app, far, desk) in ways {
        // Each half of the way is open.
        assert!(net.converses("far", &packet(far, app, syn(40_000, 80))));
        assert!(net.converses("app", &packet(app, desk, syn(40_001, 80))));
        assert!(net.converses("dc-host", &packet(desk, app, syn(40_002, 80))));
        // Both together are not: neither in one's own name, nor in that of an interface of the VPC.
        for source in [far, app] {
            let fate = net.send("far", &packet(source, desk, syn(40_003, 80)));
            fate.dies_of("vpn-gateway-foreign-source");
        }
    }
    net.change(|d| {
        d["customer_networks"]["dc"]["routes"] = json!([
            { "cidr_block": "0.0.0.0/0", "virtual_interface": "dc-vif" },
            { "ipv6_cidr_block": "::/0", "virtual_interface": "dc-vif" }]);
    });
    for (_, far, desk) in ways {
        let fate = net.send("dc-host", &packet(desk, far, syn(40_004, 80)));
        fate.dies_of("vpn-gateway-foreign-destination");
    }
    // What an instance of the VPC passes on is the VPC's own.
    net.change(|d| d["instances"]["app"]["source_dest_check"] = json!(false));
    net.send("app", &packet(APP, DESK, syn(40_005, 80))).arrives_at("dc-host");
}

#[test]
fn of_several_paths_the_longest_prefix_then_the_kind_then_the_shorter_as_path_then_the_lower_med() {
    // proves: VGW-04, DX-05, RT-07
    let mut net = with(|d| {
        twin(d);
        direct_connect(d, "dc");
    });
    let mut goes_to = |change: &dyn Fn(&mut Value), expected: &str| {
        net.change(|d| change(d));
        net.send("app", &packet(APP, DESK, udp(1, 2))).arrives_at(expected);
    };
    let bgp = |cidr: &str, path: &[u32], med: Option<u32>| match med {
        Some(med) => json!([{ "cidr_block": cidr, "as_path": path, "med": med }]),
        None => json!([{ "cidr_block": cidr, "as_path": path }]),
    };
    // Direct Connect, though its AS path is the longest.
    goes_to(
        &|d| {
            d["dx_private_virtual_interfaces"]["dc-vif"]["bgp_routes"] =
                bgp("192.168.0.0/16", &[65010, 65011, 65012, 65013], None);
        },
        "dc-host",
    );
    // A longer prefix over VPN.
    goes_to(&|d| d["vpn_connections"]["vpn2"]["bgp_routes"] = bgp("192.168.0.0/17", &[65002], None), "till");
    // Without Direct Connect: static before BGP.
    goes_to(
        &|d| {
            d["dx_private_virtual_interfaces"]["dc-vif"]["state"] = json!("down");
            d["vpn_connections"]["vpn"] = json!({ "vpn_gateway": "vgw", "customer_gateway": "cgw",
                "static_routes_only": true, "routes": ["192.168.0.0/16"] });
            d["vpn_connections"]["vpn2"]["bgp_routes"] = bgp("192.168.0.0/16", &[65002], None);
        },
        "desk",
    );
    // Both by BGP: the shorter path, then the lower metric, one that is absent being 100.
    goes_to(
        &|d| {
            d["vpn_connections"]["vpn"] = json!({ "vpn_gateway": "vgw", "customer_gateway": "cgw",
                "bgp_routes": bgp("192.168.0.0/16", &[65001, 65003], Some(0)) });
        },
        "till",
    );
    goes_to(
        &|d| d["vpn_connections"]["vpn"]["bgp_routes"] = bgp("192.168.0.0/16", &[65001], Some(99)),
        "desk",
    );
    goes_to(
        &|d| d["vpn_connections"]["vpn"]["bgp_routes"] = bgp("192.168.0.0/16", &[65001], Some(101)),
        "till",
    );
    // A connection whose tunnels are both down is no path; with one of them up it is.
    goes_to(&|d| d["vpn_connections"]["vpn2"]["tunnels"] = json!(["down", "down"]), "desk");
    goes_to(&|d| d["vpn_connections"]["vpn2"]["tunnels"] = json!(["down", "up"]), "till");
}

#[test]
fn equal_vpn_connections_do_not_share_the_flows_and_packets_may_come_in_by_any() {
    // proves: VGW-05, VPN-12
    let mut net = with(twin);
    let mut receivers: Vec<String> = (0..64)
        .map(|port| {
            let fate = net.send("app", &packet(APP, DESK, udp(40_000 + port, 53)));
            fate.delivered().expect("delivered").0
        })
        .collect();
    receivers.dedup();
    assert_eq!(receivers.len(), 1, "one connection of the gateway sends: {receivers:?}");
    for from in ["desk", "till"] {
        net.send(from, &packet(DESK, APP, udp(1, 2))).arrives_at("app");
    }
}

#[test]
fn ipv6_does_not_go_over_vpn_at_a_virtual_private_gateway() {
    // proves: VGW-08
    let mut net = with(|d| {
        d["route_tables"]["t"]["routes"] = json!([{ "ipv6_cidr_block": "::/0", "gateway": "vgw" }]);
    });
    net.send("app", &packet(APP_V6, DESK_V6, udp(1, 2))).dies_of("vpn-gateway-no-route");
    net.send("desk", &packet(DESK_V6, APP_V6, udp(1, 2))).dies_of("customer-no-route");
    // Direct Connect carries both.
    net.change(|d| direct_connect(d, "dc"));
    assert!(net.converses("app", &packet(APP_V6, DESK_V6, syn(40_000, 80))));
    refused("vpn_connections.vpn.bgp_routes[0].ipv6_cidr_block", "InvalidParameterValue", |d| {
        d["vpn_connections"]["vpn"]["bgp_routes"] = json!([{ "ipv6_cidr_block": "fd12::/48" }]);
    });
}

#[test]
fn sites_reach_each_other_through_the_gateway_they_share_by_bgp() {
    // proves: VGW-09
    let request = packet(DESK, "172.16.0.7", syn(40_000, 80));
    let mut net = with(other_site);
    assert!(net.converses("desk", &request));
    // Also where the gateway is attached to no VPC.
    net.change(|d| {
        d["vpn_gateways"]["vgw"] = json!({});
        d["route_tables"]["t"]["propagating_vgws"] = json!([]);
    });
    assert!(net.converses("desk", &request));
    // Each site needs a number of its own, as BGP takes no route that has come through oneself.
    net.change(|d| d["customer_gateways"]["cgw2"]["bgp_asn"] = json!(65001));
    net.send("desk", &request).dies_of("customer-no-route");
    // A static connection hears of nobody, and nobody of it; own routes do not help.
    net.change(|d| {
        d["customer_gateways"]["cgw2"]["bgp_asn"] = json!(65002);
        d["vpn_connections"]["vpn2"] = json!({ "vpn_gateway": "vgw", "customer_gateway": "cgw2",
            "static_routes_only": true, "routes": ["172.16.0.0/16"] });
    });
    net.send("desk", &request).dies_of("customer-no-route");
    net.change(|d| {
        d["customer_networks"]["office"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "link": "vpn" }]);
        d["customer_networks"]["branch"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "link": "vpn2" }]);
    });
    net.send("desk", &request).dies_of("vpn-gateway-foreign-destination");
    net.send("till", &packet("172.16.0.7", DESK, syn(40_000, 80))).dies_of("vpn-gateway-foreign-destination");
}

#[test]
fn the_gateway_sends_nothing_back_over_the_connection_that_it_came_by() {
    // proves: VGW-09
    let mut net = with(|d| {
        other_site(d);
        d["vpn_connections"]["vpn"]["bgp_routes"] =
            json!([{ "cidr_block": "192.168.0.0/16" }, { "cidr_block": "172.17.0.0/16" }]);
        d["customer_networks"]["office"]["routes"] =
            json!([{ "cidr_block": "172.17.0.0/16", "link": "vpn" }]);
    });
    net.send("desk", &packet(DESK, "172.17.0.7", udp(1, 2))).dies_of("vpn-gateway-foreign-destination");
}

#[test]
fn the_local_route_wins_over_a_propagated_one_that_is_more_specific() {
    // proves: VGW-10
    let mut net = with(|d| {
        d["customer_networks"]["office"]["cidr_blocks"] = json!(["192.168.0.0/16", "10.0.1.128/25"]);
        d["vpn_connections"]["vpn"]["bgp_routes"] =
            json!([{ "cidr_block": "10.0.1.128/25" }, { "cidr_block": "192.168.0.0/16" }]);
        d["customer_hosts"]["desk"]["address"] = json!("10.0.1.200");
        d["subnets"]["b"] = json!({ "vpc": "v", "cidr_block": "10.0.2.0/24", "route_table": "t" });
        d["instances"]["other"] =
            json!({ "subnet": "b", "private_ip": "10.0.2.10", "security_groups": ["open"] });
    });
    net.send("other", &packet("10.0.2.10", "10.0.1.200", udp(1, 2))).dies_of("no-such-address");
}

#[test]
fn the_local_route_wins_in_ipv6_too() {
    // proves: VGW-10, RT-08
    const INSIDE: &str = "2001:db8:1:2::7";
    let mut net = with(|d| {
        direct_connect(d, "dc");
        d["customer_networks"]["dc"]["ipv6_cidr_blocks"] = json!(["2001:db8:1:2::/64", "fd12::/48"]);
        d["customer_hosts"]["dc-host"]["ipv6_address"] = json!(INSIDE);
    });
    net.send("app", &packet(APP_V6, INSIDE, udp(1, 2))).dies_of("no-such-address");
    net.change(|d| d["settings"] = json!({ "local_routes_over_propagated": false }));
    net.send("app", &packet(APP_V6, INSIDE, udp(1, 2))).arrives_at("dc-host");
}

#[test]
fn a_written_route_goes_before_a_propagated_one_to_the_same_destination() {
    // proves: RT-10
    let mut net = with(|d| {
        d["vpn_connections"]["vpn"]["bgp_routes"] = json!([{ "cidr_block": "198.51.100.0/24" }]);
        d["customer_networks"]["office"]["cidr_blocks"] = json!(["198.51.100.0/24"]);
        d["customer_hosts"]["desk"]["address"] = json!("198.51.100.77");
        d["internet_gateways"] = json!({ "igw": { "vpc": "v" } });
        d["instances"]["app"]["associate_public_ip_address"] = json!(true);
        d["internet_hosts"] = json!({ "client": { "address": "198.51.100.7" } });
    });
    net.send("app", &packet(APP, "198.51.100.77", udp(1, 2))).arrives_at("desk");
    net.change(|d| {
        d["route_tables"]["t"]["routes"] = json!([{ "cidr_block": "198.51.100.0/24", "gateway": "igw" }]);
    });
    net.send("app", &packet(APP, "198.51.100.7", udp(1, 2))).arrives_at("client");
}

#[test]
fn the_amazon_side_has_a_private_number_by_default_64512() {
    // proves: VGW-11
    let net = with(|_| {});
    assert_eq!(net.topology.vpn_gateways["vgw"].amazon_side_asn, 64512);
    for right in [64512_u32, 65534, 4_200_000_000, 7224] {
        accepted(|d| d["vpn_gateways"]["vgw"]["amazon_side_asn"] = json!(right));
    }
    for wrong in [64511_u32, 65535, 1, 4_199_999_999] {
        refused("vpn_gateways.vgw.amazon_side_asn", "InvalidParameterValue", |d| {
            d["vpn_gateways"]["vgw"]["amazon_side_asn"] = json!(wrong);
        });
    }
}

#[test]
fn the_gateway_is_a_hop_in_both_directions() {
    // OQ-22
    let mut net = with(|_| {});
    assert_eq!(net.send("app", &packet(APP, DESK, ping(1))).arrives_at("desk").ttl, TTL - 1);
    assert_eq!(net.send("desk", &packet(DESK, APP, ping(2))).arrives_at("app").ttl, TTL - 1);
}

#[test]
fn a_route_to_a_gateway_that_is_detached_is_a_black_hole_and_one_of_another_vpc_is_refused() {
    // proves: RT-25, RT-33
    let mut net = with(|d| {
        d["vpn_gateways"]["vgw"] = json!({});
        d["route_tables"]["t"] =
            json!({ "vpc": "v", "routes": [{ "cidr_block": "192.168.0.0/16", "gateway": "vgw" }] });
    });
    net.send("app", &packet(APP, DESK, udp(1, 2))).dies_of("blackhole");
    refused("route_tables.u.routes[0].gateway", "InvalidGatewayID.NotFound", |d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.1.0.0/16" });
        d["route_tables"]["u"] =
            json!({ "vpc": "w", "routes": [{ "cidr_block": "192.168.0.0/16", "gateway": "vgw" }] });
    });
}

#[test]
fn the_gateways_own_table_leads_what_enters_by_a_middlebox() {
    // proves: RT-36, RT-38, VGW-12
    let mut net = with(|d| {
        d["subnets"]["b"] = json!({ "vpc": "v", "cidr_block": "10.0.2.0/24" });
        d["instances"]["box"] = json!({ "subnet": "b", "private_ip": "10.0.2.10", "security_groups": ["open"],
            "source_dest_check": false });
        d["route_tables"]["edge"] = json!({ "vpc": "v", "gateways": ["vgw"],
            "routes": [{ "cidr_block": "10.0.1.0/24", "network_interface": "box" }] });
    });
    let request = packet(DESK, APP, udp(1, 2));
    let seen = net.send("desk", &request).arrives_at("box");
    assert_eq!((seen.src, seen.dst), (request.src, request.dst));
    // The middlebox passes it on; what is for elsewhere goes there as before.
    net.send("box", &request).arrives_at("app");
    net.send("desk", &packet(DESK, "10.0.2.10", udp(1, 2))).arrives_at("box");
    net.change(|d| {
        d["route_tables"]["edge"]["routes"] = json!([{ "cidr_block": "10.0.0.0/16", "gateway": "local" }]);
    });
    net.send("desk", &request).arrives_at("app");
    // Not one that takes propagated routes, not the main one, not one of another VPC, and with no other targets.
    refused("route_tables.t.propagating_vgws[0]", "InvalidParameterValue", |d| {
        d["route_tables"]["t"]["gateways"] = json!(["vgw"]);
    });
    refused("route_tables.edge.routes[0].gateway", "InvalidParameterValue", |d| {
        d["route_tables"]["edge"] = json!({ "vpc": "v", "gateways": ["vgw"],
            "routes": [{ "cidr_block": "10.0.1.0/24", "gateway": "vgw" }] });
    });
    refused("route_tables.v/main.gateways[0]", "InvalidParameterValue", |d| {
        d["route_tables"]["v/main"] = json!({ "gateways": ["vgw"] });
    });
    refused("route_tables.edge.gateways[0]", "InvalidGatewayID.NotFound", |d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.1.0.0/16" });
        d["route_tables"]["edge"] = json!({ "vpc": "w", "gateways": ["vgw"] });
    });
}

#[test]
fn a_gateway_is_attached_in_its_own_region_and_account() {
    // proves: VGW-01
    for (key, value) in [("region", "eu-west-1"), ("owner", "210987654321")] {
        refused("vpn_gateways.vgw.vpc", "InvalidVpcID.NotFound", |d| {
            d["vpn_gateways"]["vgw"][key] = json!(value);
            d["vpn_connections"] = json!({});
        });
    }
}

#[test]
fn a_route_without_a_path_comes_from_the_customers_own_system() {
    // proves: VGW-04
    let mut net = with(|d| {
        twin(d);
        d["vpn_connections"]["vpn"]["bgp_routes"] = json!([{ "cidr_block": "192.168.0.0/16" }]);
        d["vpn_connections"]["vpn2"]["bgp_routes"] =
            json!([{ "cidr_block": "192.168.0.0/16", "as_path": [65002], "med": 99 }]);
    });
    // Both paths are one system long, so that the metric decides.
    net.send("app", &packet(APP, DESK, udp(1, 2))).arrives_at("till");
}

#[test]
fn a_customers_host_has_an_address_of_its_network() {
    for (key, address) in [("address", "192.169.0.7"), ("ipv6_address", "fd13::7")] {
        refused(&format!("customer_hosts.desk.{key}"), "InvalidParameterValue", |d| {
            d["customer_hosts"]["desk"][key] = json!(address);
        });
    }
}
