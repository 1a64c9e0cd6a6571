//! Area PCX: what crosses a VPC peering connection?

use serde_json::{Value, json};
use vpclab_model::{PeeringState, RouteState};
use vpclab_tests::harness::{Net, mistakes};
use vpclab_tests::packet::{Flags, Packet, ping, syn, tcp, udp};

use crate::nat_networks::{send_sized, told};
use crate::networks::{accepted, entry, everything, packet, refused};

const A: &str = "10.0.1.10";
const B: &str = "172.31.1.1";
const A_V6: &str = "2001:db8:a:1::10";
const B_V6: &str = "2001:db8:b:1::10";
const CLIENT: &str = "198.51.100.7";

/// `a` in VPC A and `b` in VPC B, which are peers and have routes to each other.
fn document() -> Value {
    json!({
        "vpcs": { "A": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:a::/56" },
            "B": { "cidr_block": "172.31.0.0/16", "ipv6_cidr_block": "2001:db8:b::/56" } },
        "vpc_peering_connections": { "ab": { "vpc": "A", "peer_vpc": "B", "auto_accept": true } },
        "route_tables": {
            "A/main": { "vpc": "A", "routes": [{ "cidr_block": "172.31.0.0/16", "vpc_peering_connection": "ab" },
                { "cidr_block": "198.51.100.0/24", "vpc_peering_connection": "ab" }] },
            "B/main": { "vpc": "B", "routes": [{ "cidr_block": "10.0.0.0/16", "vpc_peering_connection": "ab" }] },
        },
        "subnets": {
            "a": { "vpc": "A", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8:a:1::/64" },
            "b": { "vpc": "B", "cidr_block": "172.31.0.0/20", "ipv6_cidr_block": "2001:db8:b:1::/64" },
        },
        "security_groups": { "a": { "vpc": "A", "ingress": [everything()] }, "b": { "vpc": "B", "ingress": [everything()] } },
        "instances": {
            "a": { "subnet": "a", "private_ip": A, "ipv6_addresses": [A_V6], "security_groups": ["a"] },
            "b": { "subnet": "b", "private_ip": B, "ipv6_addresses": [B_V6], "security_groups": ["b"] },
        },
        "internet_hosts": { "client": { "address": CLIENT } },
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Net {
    let mut document = document();
    change(&mut document);
    Net::new(document)
}

/// A further VPC with an instance of the same name in it, not peered with anybody.
fn add_vpc(d: &mut Value, name: &str, block: &str, address: &str) {
    let lower = name.to_lowercase();
    d["vpcs"][name] = json!({ "cidr_block": block });
    d["subnets"][&lower] =
        json!({ "vpc": name, "cidr_block": format!("{}.0/24", address.rsplit_once('.').unwrap().0) });
    d["security_groups"][&lower] = json!({ "vpc": name, "ingress": [everything()] });
    d["instances"][&lower] = json!({ "subnet": lower, "private_ip": address, "security_groups": [lower] });
}

#[test]
fn peers_reach_each_other_by_both_routes_and_nothing_beyond() {
    // proves: PCX-09
    // proves: VEC-25
    let mut net = with(|_| {});
    let seen = net.send("a", &packet(A, B, syn(40_000, 443))).arrives_at("b");
    assert_eq!((seen.src.to_string(), seen.dst.to_string()), (A.to_owned(), B.to_owned()));
    assert!(net.converses("a", &packet(A, B, syn(40_000, 443))));
    assert!(net.converses("b", &packet(B, A, ping(7))));
    net.send("a", &packet(A, "198.51.100.5", syn(40_000, 443))).dies_of("peering-foreign-destination");
    net.send("a", &packet(A, "172.31.1.99", syn(40_000, 443))).dies_of("no-such-address");
}

#[test]
fn overlapping_blocks_of_either_family_fail_the_connection_and_are_no_error() {
    // proves: PCX-01
    let state = |change: fn(&mut Value)| with(change).topology.vpc_peering_connections["ab"].state;
    assert_eq!(state(|_| {}), PeeringState::Active);
    assert_eq!(state(add_overlap), PeeringState::Failed);
    assert_eq!(
        state(|d| {
            d["vpcs"]["A"]["ipv6_cidr_block"] = json!("fd00:1:2::/56");
            d["vpcs"]["B"]["ipv6_cidr_block"] = json!("fd00:1:2::/56");
            d["subnets"]["a"].as_object_mut().unwrap().remove("ipv6_cidr_block");
            d["subnets"]["b"].as_object_mut().unwrap().remove("ipv6_cidr_block");
            for name in ["a", "b"] {
                d["instances"][name].as_object_mut().unwrap().remove("ipv6_addresses");
            }
        }),
        PeeringState::Failed
    );
}

/// Gives A a further block that overlaps B's.
fn add_overlap(d: &mut Value) {
    d["vpcs"]["B"]["cidr_block"] = json!("10.1.0.0/16");
    d["subnets"]["b"]["cidr_block"] = json!("10.1.1.0/24");
    d["instances"]["b"]["private_ip"] = json!("10.1.1.10");
    d["route_tables"] = json!({});
    d["vpcs"]["A"]["secondary_cidr_blocks"] = json!(["10.1.0.0/20"]);
}

#[test]
fn only_an_active_connection_carries_packets_and_routes_to_others_are_black_holes() {
    // proves: PCX-02, PCX-11, PCX-22
    let mut net = with(|_| {});
    let (request, back) = (packet(A, B, syn(40_000, 443)), packet(B, A, syn(40_000, 443)));
    for state in ["pending-acceptance", "rejected", "expired", "deleted"] {
        net.change(|d| {
            d["vpc_peering_connections"]["ab"] = json!({ "vpc": "A", "peer_vpc": "B", "state": state });
        });
        let route = &net.topology.route_tables["A/main"]
            .routes
            .iter()
            .find(|r| r.destination.to_string() == "172.31.0.0/16");
        assert_eq!(route.unwrap().state, RouteState::Blackhole, "{state}");
        net.send("a", &request).dies_of("blackhole");
        net.send("b", &back).dies_of("blackhole");
    }
    net.change(|d| {
        d["vpc_peering_connections"]["ab"] = json!({ "vpc": "A", "peer_vpc": "B", "auto_accept": true });
    });
    assert!(net.converses("a", &request) && net.converses("b", &back));
    // Unless the other side has accepted it, it waits.
    let net = with(|d| d["vpc_peering_connections"]["ab"] = json!({ "vpc": "A", "peer_vpc": "B" }));
    assert_eq!(net.topology.vpc_peering_connections["ab"].state, PeeringState::PendingAcceptance);
}

#[test]
fn two_vpcs_have_one_connection() {
    // proves: PCX-06
    let mut document = document();
    document["vpc_peering_connections"]["ba"] = json!({ "vpc": "B", "peer_vpc": "A" });
    assert_eq!(mistakes(&document), ["vpc_peering_connections.ba: VpcPeeringConnectionAlreadyExists"]);
    // One that has ended does not count.
    document["vpc_peering_connections"]["ba"]["state"] = json!("deleted");
    assert!(mistakes(&document).is_empty());
}

#[test]
fn peering_is_not_transitive() {
    // proves: PCX-07
    let mut net = with(|d| {
        add_vpc(d, "C", "10.8.0.0/16", "10.8.1.10");
        d["vpc_peering_connections"]["bc"] = json!({ "vpc": "B", "peer_vpc": "C", "auto_accept": true });
        for (table, block, peering) in [("A", "10.8.0.0/16", "ab"), ("B", "10.8.0.0/16", "bc")] {
            let table = &mut d["route_tables"][format!("{table}/main")]["routes"];
            table
                .as_array_mut()
                .unwrap()
                .push(json!({ "cidr_block": block, "vpc_peering_connection": peering }));
        }
        d["route_tables"]["C/main"] = json!({ "vpc": "C", "routes": [
            { "cidr_block": "10.0.0.0/16", "vpc_peering_connection": "bc" },
            { "cidr_block": "172.31.0.0/16", "vpc_peering_connection": "bc" }] });
    });
    net.send("a", &packet(A, "10.8.1.10", syn(40_000, 443))).dies_of("peering-foreign-destination");
    net.send("c", &packet("10.8.1.10", A, syn(40_000, 443))).dies_of("peering-foreign-destination");
    assert!(net.converses("c", &packet("10.8.1.10", B, syn(40_000, 443))));
}

#[test]
fn gateways_of_a_peer_are_out_of_reach_both_ways() {
    // proves: PCX-08, IGW-11
    let mut net = with(|d| {
        d["internet_gateways"] = json!({ "igw": { "vpc": "B" } });
        d["eips"] = json!({ "e": {}, "f": {} });
        d["nat_gateways"] =
            json!({ "nat": { "subnet": "b", "private_ip": "172.31.1.200", "allocation": "e" } });
        d["route_tables"]["B/main"]["routes"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "cidr_block": "0.0.0.0/0", "gateway": "igw" }));
        d["route_tables"]["A/main"]["routes"] =
            json!([{ "cidr_block": "0.0.0.0/0", "vpc_peering_connection": "ab" }]);
    });
    // To the internet, and to the NAT gateway itself.
    net.send("a", &packet(A, CLIENT, syn(40_000, 443))).dies_of("peering-foreign-destination");
    net.send("a", &packet(A, "172.31.1.200", syn(40_000, 443))).dies_of("nat-foreign-client");
    // And a peer's packet that a router instance passes on to the internet gateway is nobody's there.
    net.change(|d| d["instances"]["b"]["source_dest_check"] = json!(false));
    net.send("b", &packet(A, CLIENT, syn(40_000, 443))).dies_of("spoofed-source");
    // From the internet nobody gets to A by B.
    net.send("client", &packet(CLIENT, A, syn(40_000, 443))).dies_of("non-public-destination");
}

#[test]
fn each_side_adds_its_own_routes_and_each_family_too() {
    // proves: PCX-10, PCX-21
    let mut net = with(|d| d["route_tables"]["B/main"]["routes"] = json!([]));
    let request = packet(A, B, syn(40_000, 443));
    net.send("a", &request).arrives_at("b");
    net.send("b", &packet(B, A, tcp(443, 40_000, Flags::SynAck))).dies_of("no-route");
    // A route may be for one host only.
    net.change(|d| {
        d["route_tables"]["B/main"]["routes"] =
            json!([{ "cidr_block": "10.0.1.10/32", "vpc_peering_connection": "ab" }]);
    });
    assert!(net.converses("a", &request));
    let six = packet(A_V6, B_V6, syn(40_000, 443));
    net.send("a", &six).dies_of("no-route");
    net.change(|d| {
        for (table, block) in [("A", "2001:db8:b::/56"), ("B", "2001:db8:a::/56")] {
            let routes = d["route_tables"][format!("{table}/main")]["routes"].as_array_mut().unwrap();
            routes.push(json!({ "ipv6_cidr_block": block, "vpc_peering_connection": "ab" }));
        }
    });
    assert!(net.converses("a", &six) && net.converses("b", &packet(B_V6, A_V6, ping(7))));
}

/// B peers with A and with C, which have the same block; B's table sends 10.0.1.66 to A and the rest to C.
fn two_peers_alike(d: &mut Value) {
    add_vpc(d, "C", "10.0.0.0/16", "10.0.1.67");
    d["instances"]["a"]["private_ip"] = json!("10.0.1.66");
    d["instances"]["a2"] = json!({ "subnet": "a", "private_ip": "10.0.1.67", "security_groups": ["a"] });
    d["vpc_peering_connections"]["bc"] = json!({ "vpc": "B", "peer_vpc": "C", "auto_accept": true });
    d["route_tables"]["B/main"]["routes"] = json!([
        { "cidr_block": "10.0.1.66/32", "vpc_peering_connection": "ab" },
        { "cidr_block": "10.0.0.0/16", "vpc_peering_connection": "bc" }]);
}

#[test]
fn of_two_peers_with_one_block_the_longest_route_chooses() {
    // proves: PCX-13
    // proves: VEC-05
    let mut net = with(two_peers_alike);
    net.send("b", &packet(B, "10.0.1.66", syn(40_000, 443))).arrives_at("a");
    net.send("b", &packet(B, "10.0.1.67", syn(40_000, 443))).arrives_at("c");
}

#[test]
fn nobody_checks_where_a_packet_came_from_and_an_answer_may_go_astray() {
    // proves: PCX-12
    let mut net = with(two_peers_alike);
    // From A by the connection with A, although B would answer to C.
    net.send("a2", &packet("10.0.1.67", B, udp(40_000, 53))).arrives_at("b");
    net.send("b", &packet(B, "10.0.1.67", udp(53, 40_000))).arrives_at("c");
}

#[test]
fn the_acl_of_the_receiving_subnet_is_asked_and_its_routes_are_not() {
    // proves: PIPE-05
    let mut net = with(|d| {
        d["network_acls"] = json!({ "acl": { "vpc": "B", "ingress": [entry(100, "deny", "10.0.1.0/24"), entry(200, "allow", "0.0.0.0/0")], "egress": [entry(200, "allow", "0.0.0.0/0")] } });
        d["subnets"]["b"]["network_acl"] = json!("acl");
        d["route_tables"]["B/main"]["routes"] = json!([]);
    });
    let request = packet(A, B, syn(40_000, 443));
    net.send("a", &request).dies_of("network-acl");
    net.change(|d| d["network_acls"]["acl"]["ingress"] = json!([entry(200, "allow", "0.0.0.0/0")]));
    net.send("a", &request).arrives_at("b");
}

#[test]
fn a_peers_resolver_cannot_be_asked() {
    // proves: PCX-15
    let mut net = with(|_| {});
    net.send("a", &packet(A, "172.31.0.2", udp(40_000, 53))).dies_of("no-such-address");
}

#[test]
fn inside_a_region_9001_bytes_cross_and_between_regions_8500() {
    // proves: PCX-18, MTU-02, MTU-04, MTU-05
    let mut net = with(|_| {});
    let datagram = packet(A, B, udp(40_000, 53));
    assert_eq!(send_sized(&mut net, "a", &datagram, 9001).arrives_at("b").packet_len, 9001);
    for (settings, limit) in [(json!({}), 8500), (json!({ "inter_region_peering_mtu": 1500 }), 1500)] {
        let mut net = with(|d| {
            d["settings"] = settings;
            d["vpcs"]["B"]["region"] = json!("eu-west-1");
            d["vpc_peering_connections"]["ab"] = json!({ "vpc": "A", "peer_vpc": "B", "state": "active" });
            d["subnets"]["b"]["availability_zone"] = json!("eu-west-1a");
            for (table, block) in [("A", "2001:db8:b::/56"), ("B", "2001:db8:a::/56")] {
                let routes = d["route_tables"][format!("{table}/main")]["routes"].as_array_mut().unwrap();
                routes.push(json!({ "ipv6_cidr_block": block, "vpc_peering_connection": "ab" }));
            }
        });
        assert_eq!(send_sized(&mut net, "a", &datagram, limit).arrives_at("b").packet_len, limit);
        let error = told(&send_sized(&mut net, "a", &datagram, limit + 1), "a");
        assert_eq!(
            (error.src.to_string(), error.icmp, error.mtu.map(|mtu| mtu as usize)),
            ("10.0.1.1".to_owned(), Some((3, 4)), Some(limit))
        );
        let loose = Packet { may_be_cut: true, ..datagram.clone() };
        let fate = send_sized(&mut net, "a", &loose, limit + 100);
        assert!(fate.sent.len() == 2 && fate.sent.iter().all(|(at, _)| at == "b"));
        let six = packet(A_V6, B_V6, udp(40_000, 53));
        assert_eq!(send_sized(&mut net, "a", &six, limit).arrives_at("b").packet_len, limit);
        assert_eq!(told(&send_sized(&mut net, "a", &six, limit + 1), "a").icmp, Some((2, 0)));
        assert!(net.converses("a", &datagram) && net.converses("b", &packet(B_V6, A_V6, syn(1, 2))));
    }
}

#[test]
fn a_connection_says_of_its_far_end_what_is_so_and_the_far_end_accepts_it() {
    // PCX-05: whoever is asked has to accept.
    let far = |key: &'static str, value: &'static str, more: Value| {
        move |d: &mut Value| {
            d["vpcs"]["w"] = json!({ "cidr_block": "10.5.0.0/16" });
            d["vpcs"]["w"][key] = json!(value);
            let mut pcx = json!({ "vpc": "v", "peer_vpc": "w" });
            pcx.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            d["vpc_peering_connections"] = json!({ "pcx": pcx });
        }
    };
    let place = |key: &str| format!("vpc_peering_connections.pcx.{key}");
    for (key, value, told) in
        [("region", "eu-west-1", "peer_region"), ("owner", "210987654321", "peer_owner")]
    {
        accepted(far(key, value, json!({ told: value, "state": "active" })));
        let other = if key == "region" { "us-west-2" } else { "111111111111" };
        refused(&place(told), "InvalidVpcID.NotFound", far(key, value, json!({ told: other })));
        let code = "InvalidParameterCombination";
        refused(&place("auto_accept"), code, far(key, value, json!({ "auto_accept": true })));
        accepted(far(key, value, json!({ "auto_accept": false })));
    }
}
