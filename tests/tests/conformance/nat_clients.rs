//! Area NAT: whom does a NAT gateway serve, and which network ACLs are asked on the way?

use serde_json::{Value, json};
use vpclab_tests::frames::Seen;
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Flags, Packet, ping, syn, tcp, udp};

use crate::nat_networks::{APP, APP_V6, CLIENT, CLIENT_NAT64, FAR, NAT, NAT_PUBLIC, document, told, with};
use crate::networks::{entry, everything, packet};

/// A customer's address, and one in IPv6.
const DESK: &str = "192.168.0.7";
const DESK_V6: &str = "fd12::7";

/// A customer behind the VPN connection `vpn` and another behind the virtual interface `vif`, both at the virtual private
/// gateway of the gateway's VPC; everything of theirs leads to AWS.
fn with_customers() -> Net {
    with(|d| {
        d["vpn_gateways"] = json!({ "vgw": { "vpc": "v" } });
        d["route_tables"]["edge"]["propagating_vgws"] = json!(["vgw"]);
        d["customer_gateways"] = json!({ "cgw": { "bgp_asn": 65001, "ip_address": "198.51.100.1" } });
        d["vpn_connections"] = json!({ "vpn": { "vpn_gateway": "vgw", "customer_gateway": "cgw" } });
        d["dx_private_virtual_interfaces"] = json!({ "vif": { "vpn_gateway": "vgw", "bgp_asn": 65010 } });
        d["customer_networks"] = json!({
            "office": { "cidr_blocks": ["192.168.0.0/16"], "customer_gateways": ["cgw"],
                "routes": [{ "cidr_block": "0.0.0.0/0", "vpn_connection": "vpn" }] },
            "dc": { "cidr_blocks": ["172.16.0.0/16"], "virtual_interfaces": ["vif"],
                "routes": [{ "cidr_block": "0.0.0.0/0", "virtual_interface": "vif" }] },
        });
        d["customer_hosts"] = json!({
            "desk": { "customer_network": "office", "address": DESK },
            "rack": { "customer_network": "dc", "address": "172.16.0.7" },
        });
    })
}

#[test]
fn a_connection_cannot_start_behind_a_peering_or_a_private_link_of_the_vpc() {
    // proves: NAT-15, NAT-45
    let mut net = with(|d| {
        let routes = json!([{ "cidr_block": "0.0.0.0/0", "vpc_peering_connection": "pcx" }]);
        d["route_tables"]["w/main"] = json!({ "vpc": "w", "routes": routes });
    });
    for body in [syn(40_000, 443), udp(40_000, 53), ping(7)] {
        net.send("far", &packet(FAR, NAT, body)).dies_of("nat-foreign-client");
        net.send("far", &packet(FAR, CLIENT, body)).dies_of("peering-foreign-destination");
    }
    // Nor can a peer's table lead to it.
    let mut foreign = document();
    foreign["route_tables"]["w/main"] =
        json!({ "vpc": "w", "routes": [{ "cidr_block": "0.0.0.0/0", "nat_gateway": "nat" }] });
    let found = vpclab_tests::harness::mistakes(&foreign);
    assert_eq!(found.len(), 1, "{found:?}");
    // What starts inside does pass, both ways.
    assert!(net.converses("app", &packet(APP, FAR, syn(40_000, 443))));
    let mut net = with_customers();
    for (guest, source) in [("desk", DESK), ("rack", "172.16.0.7")] {
        for body in [syn(40_000, 443), udp(40_000, 53), ping(7)] {
            net.send(guest, &packet(source, NAT, body)).dies_of("nat-foreign-client");
            net.send(guest, &packet(source, CLIENT, body)).dies_of("vpn-gateway-foreign-destination");
            assert!(net.converses("app", &packet(APP, source, body)), "{source} {body:?}");
        }
    }
}

/// `box` in the inner subnet sends on whatever it gets.
fn with_box(change: impl FnOnce(&mut Value)) -> Net {
    with(|d| {
        d["instances"]["box"] = json!({ "subnet": "inner", "private_ip": "10.0.1.9",
            "ipv6_addresses": ["2001:db8:1:1::9"], "source_dest_check": false, "security_groups": ["open"] });
        change(d);
    })
}

/// The VPC at a transit gateway `hub`, which the table `name` has routes to for the customer's addresses.
fn lead_to_hub(d: &mut Value, name: &str) {
    d["transit_gateways"] = json!({ "hub": {} });
    d["transit_gateway_vpc_attachments"] =
        json!({ "v": { "transit_gateway": "hub", "vpc": "v", "subnets": ["inner"] } });
    let routes = d["route_tables"][name]["routes"].as_array_mut().unwrap();
    routes.push(json!({ "cidr_block": "192.168.0.0/16", "transit_gateway": "hub" }));
    routes.push(json!({ "ipv6_cidr_block": "fd12::/48", "transit_gateway": "hub" }));
}

#[test]
fn an_instance_sends_on_for_interfaces_of_the_vpc_and_not_for_strangers() {
    // proves: NAT-15, NAT-45
    let strangers = [
        (DESK, CLIENT),
        (DESK_V6, CLIENT_NAT64),
        (FAR, CLIENT),
        // Addresses of the VPC that no interface has.
        ("10.0.1.77", CLIENT),
        ("2001:db8:1:1::77", CLIENT_NAT64),
    ];
    let mut net = with_box(|_| {});
    for (source, destination) in strangers {
        for body in [syn(40_000, 443), udp(40_000, 53), ping(7)] {
            net.send("box", &packet(source, destination, body)).dies_of("nat-foreign-client");
        }
    }
    for (source, destination) in [(APP, CLIENT), (APP_V6, CLIENT_NAT64), ("10.0.1.9", CLIENT)] {
        net.send("box", &packet(source, destination, syn(40_000, 443))).arrives_at("client");
    }
    assert!(net.engine().flows().nat().len() == 3, "strangers leave no trace");
    // Who answers out by a transit gateway has come in by it, whichever instance stood in between (TGW-33).
    let mut net = with_box(|d| lead_to_hub(d, "edge"));
    let mut by_the_box = with_box(|d| {
        lead_to_hub(d, "inner");
        let routes = d["route_tables"]["edge"]["routes"].as_array_mut().unwrap();
        routes.push(json!({ "cidr_block": "192.168.0.0/16", "network_interface": "box" }));
        routes.push(json!({ "ipv6_cidr_block": "fd12::/48", "network_interface": "box" }));
    });
    for net in [&mut net, &mut by_the_box] {
        for (source, destination) in [(DESK, CLIENT), (DESK_V6, CLIENT_NAT64)] {
            let seen = net.send("box", &packet(source, destination, syn(40_000, 443))).arrives_at("client");
            assert_eq!(seen.src.to_string(), NAT_PUBLIC);
        }
        net.send("box", &packet(FAR, CLIENT, syn(40_000, 443))).dies_of("nat-foreign-client");
    }
}

#[test]
fn a_client_in_the_gateways_own_subnet_meets_its_acl_on_every_leg() {
    // proves: NAT-07, NACL-21
    // By NAT64, as an IPv4 route of its own subnet would lead the gateway back to itself (NAT-27).
    let near = "2001:db8:1::5";
    let six = |number: u16, action: &str, block: &str| json!({ "rule_no": number, "action": action, "protocol": "-1", "ipv6_cidr_block": block });
    let allow = json!([entry(200, "allow", "0.0.0.0/0"), six(201, "allow", "::/0")]);
    let network = || {
        with(|d| {
            d["subnets"]["edge"]["ipv6_cidr_block"] = json!("2001:db8:1::/64");
            d["subnets"]["edge"]["network_acl"] = json!("acl");
            d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": allow, "egress": allow } });
            let routes = d["route_tables"]["edge"]["routes"].as_array_mut().unwrap();
            routes.push(json!({ "ipv6_cidr_block": "64:ff9b::/96", "nat_gateway": "nat" }));
            d["instances"]["near"] =
                json!({ "subnet": "edge", "ipv6_addresses": [near], "security_groups": ["open"] });
        })
    };
    for body in [syn(40_000, 443), udp(40_000, 53), ping(7)] {
        let request = packet(near, CLIENT_NAT64, body);
        // Side, whom it denies, whether the request gets through: out of the client's place and into the gateway's, out of
        // that and in again, and back the same way.
        for (side, deny, reaches_client) in [
            ("egress", six(100, "deny", "64:ff9b::/96"), false),
            ("ingress", six(100, "deny", "2001:db8:1::5/128"), false),
            ("egress", entry(100, "deny", "198.51.100.7/32"), false),
            ("ingress", entry(100, "deny", "198.51.100.7/32"), true),
            ("egress", six(100, "deny", "2001:db8:1::5/128"), true),
            ("ingress", six(100, "deny", "64:ff9b::/96"), true),
        ] {
            let mut net = network();
            assert!(net.converses("near", &request), "{body:?}");
            net.change(|d| d["network_acls"]["acl"][side].as_array_mut().unwrap().push(deny.clone()));
            assert_eq!(net.send("near", &request).delivered().is_some(), reaches_client, "{side} {deny}");
            assert!(!net.converses("near", &request), "{side} {deny}");
        }
    }
    // What the gateway itself tells its client comes the same way.
    let stale = packet(near, CLIENT_NAT64, tcp(40_000, 443, Flags::Ack));
    let mut net = network();
    assert_eq!(told(&net.send("near", &stale), "near").tcp_flags, Some(4));
    for (side, block) in [("egress", "2001:db8:1::5/128"), ("ingress", "64:ff9b::/96")] {
        let mut net = network();
        net.change(|d| {
            let entries = d["network_acls"]["acl"][side].as_array_mut().unwrap();
            entries.push(six(100, "deny", block));
        });
        assert!(net.send("near", &stale).sent.is_empty(), "{side} {block}");
    }
}

#[test]
fn between_the_gateway_and_a_server_of_its_subnet_no_acl_is_asked() {
    // proves: NACL-21
    let mut net = with(|d| {
        let routes = d["route_tables"]["inner"]["routes"].as_array_mut().unwrap();
        routes.push(json!({ "cidr_block": "10.0.0.0/24", "nat_gateway": "nat" }));
        d["security_groups"]["server"] = json!({ "vpc": "v", "ingress": [everything()] });
        d["instances"]["server"] =
            json!({ "subnet": "edge", "private_ip": "10.0.0.50", "security_groups": ["server"] });
        let entries = json!([entry(100, "deny", "10.0.0.0/24"), entry(200, "allow", "0.0.0.0/0")]);
        d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": entries, "egress": entries } });
        d["subnets"]["edge"]["network_acl"] = json!("acl");
    });
    // Both addresses are in the subnet between those two, while the client's has to be let in and out.
    for body in [syn(40_000, 443), udp(40_000, 53), ping(7)] {
        let request = packet(APP, "10.0.0.50", body);
        assert_eq!(net.send("app", &request).arrives_at("server").src.to_string(), NAT);
        assert!(net.converses("app", &request), "{body:?}");
    }
    for (side, reaches_server) in [("ingress", false), ("egress", true)] {
        let before = json!([entry(100, "deny", "10.0.0.0/24"), entry(200, "allow", "0.0.0.0/0")]);
        net.change(|d| {
            d["network_acls"]["acl"] = json!({ "vpc": "v", "ingress": before, "egress": before });
            d["network_acls"]["acl"][side] =
                json!([entry(50, "deny", "10.0.1.5/32"), entry(200, "allow", "0.0.0.0/0")]);
        });
        let request = packet(APP, "10.0.0.50", syn(41_000, 443));
        assert_eq!(net.send("app", &request).delivered().is_some(), reaches_server, "{side}");
        assert!(!net.converses("app", &request), "{side}");
    }
}

/// Whether `name`, with rules for everybody in both directions, goes on answering what it got as `seen` when it has none
/// left.
fn is_tracked(net: &mut Net, name: &str, group: &str, seen: &Seen) -> bool {
    let answer = Packet::of(seen.dst, seen.src, tcp(seen.ports.1, seen.ports.0, Flags::SynAck));
    let rules = net.document()["security_groups"][group].clone();
    net.change(|d| {
        d["security_groups"][group]["ingress"] = json!([]);
        d["security_groups"][group]["egress"] = json!([]);
    });
    let passes = net.send(name, &answer).delivered().is_some();
    net.change(|d| d["security_groups"][group] = rules);
    passes
}

#[test]
fn flows_through_a_nat_gateway_are_tracked_on_both_sides_of_it_and_not_beyond_the_internet() {
    // proves: CT-07
    const FAR_PUBLIC: &str = "203.0.113.77";
    let mut net = with(|d| {
        d["internet_gateways"]["other"] = json!({ "vpc": "w" });
        d["route_tables"]["w/main"] =
            json!({ "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "other" }] });
        d["instances"]["far"]["public_ip"] = json!(FAR_PUBLIC);
        d["instances"]["far"]["associate_public_ip_address"] = json!(true);
        d["instances"]["edge"] =
            json!({ "subnet": "edge", "private_ip": "10.0.0.5", "security_groups": ["open"] });
    });
    // Its client, in both families.
    for (source, destination) in [(APP, CLIENT), (APP_V6, CLIENT_NAT64)] {
        let request = packet(source, destination, syn(40_000, 443));
        let seen = net.send("app", &request).arrives_at("client");
        net.change(|d| d["security_groups"]["open"] = json!({ "vpc": "v", "ingress": [], "egress": [] }));
        let answer = Packet::of(seen.dst, seen.src, tcp(443, seen.ports.0, Flags::SynAck));
        net.send("client", &answer).arrives_at("app");
        net.send("app", &packet(source, destination, tcp(40_000, 443, Flags::Ack))).arrives_at("client");
        net.change(|d| d["security_groups"]["open"] = json!({ "vpc": "v", "ingress": [everything()] }));
    }
    // Whom it leads to; who comes by the same peering connection past the gateway is not.
    let by_nat = net.send("app", &packet(APP, FAR, syn(40_001, 443))).arrives_at("far");
    assert!(is_tracked(&mut net, "far", "there", &by_nat));
    let past_it = net.send("edge", &packet("10.0.0.5", FAR, syn(40_002, 443))).arrives_at("far");
    assert!(!is_tracked(&mut net, "far", "there", &past_it));
    // On the internet nobody can tell that there was one.
    let from_outside = net.send("app", &packet(APP, FAR_PUBLIC, syn(40_003, 443))).arrives_at("far");
    assert!(!is_tracked(&mut net, "far", "there", &from_outside));
}
