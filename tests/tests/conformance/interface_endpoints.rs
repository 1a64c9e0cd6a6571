//! Area EPI: what does an interface endpoint do for its clients, and what does its service see?

use serde_json::{Value, json};
use vpclab_engine::explain::{End, TrafficQuestion, ask};
use vpclab_engine::plan::Verdict;
use vpclab_model::InterfaceType;
use vpclab_tests::frames;
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Body, ErrorKind, Flags, Packet, Quoted, QuotedTransport, ping, syn, tcp, udp};
use vpclab_wire::Protocol;

use crate::networks::{
    CLIENT, CLIENT_V6, DB, DB_V6, PEER, WEB, WEB_V6, accepted, document, packet, refused, tcp_of,
};

const SERVICE: &str = "com.amazonaws.us-east-1.queue";
/// In the consumer's own subnet: address spaces may overlap.
const SERVICE_ADDRESS: &str = "10.0.2.10";
const SERVICE_V6: &str = "2001:db8:5::5";
/// Where a service's load balancer node asks from, unless it says otherwise.
const NODE: &str = "100.64.0.1";

/// The network with an endpoint in the private subnet.
fn document_with_endpoint() -> Value {
    let mut d = document();
    d["services"] = json!({ SERVICE: { "address": SERVICE_ADDRESS, "ipv6_address": SERVICE_V6,
        "protocols": ["tcp", "udp"] } });
    d["vpc_endpoints"] = json!({ "queue": { "vpc": "v", "vpc_endpoint_type": "Interface", "service_name": SERVICE,
        "subnets": ["private"], "security_groups": ["open"], "ip_address_type": "dualstack" } });
    d
}

fn net_with(change: impl FnOnce(&mut Value)) -> Net {
    let mut d = document_with_endpoint();
    change(&mut d);
    Net::new(d)
}

fn endpoint_address(net: &Net, ipv6: bool) -> String {
    let eni = net.topology.find_interface("vpce/queue/private").unwrap().1;
    if ipv6 { eni.ipv6_addresses[0].to_string() } else { eni.private_ip.unwrap().to_string() }
}

/// `name` asks by the endpoint, and the service answers: whether the answer comes back.
fn converses(net: &mut Net, name: &str, src: &str, dst: &str, body: Body) -> bool {
    let seen = net.send(name, &packet(src, dst, body)).arrives_at(SERVICE);
    let answer = match body {
        Body::Udp { .. } => udp(seen.ports.1, seen.ports.0),
        _ => tcp(seen.ports.1, seen.ports.0, Flags::SynAck),
    };
    let answer = packet(&seen.dst.to_string(), &seen.src.to_string(), answer);
    match net.send(SERVICE, &answer).delivered() {
        Some((back, got)) => {
            back == name
                && (got.src.to_string(), got.dst.to_string()) == (dst.to_owned(), src.to_owned())
                && got.ports == (443, 40_000)
        }
        None => false,
    }
}

#[test]
fn there_is_one_interface_a_zone_and_its_address_stays() {
    // proves: EPI-01, EPI-21, ERR-25
    let mut net = net_with(|_| {});
    let before = endpoint_address(&net, false);
    let interfaces = |net: &Net| -> Vec<String> {
        let all = net.topology.network_interfaces.iter();
        let made = all.filter(|(_, eni)| matches!(eni.interface_type, InterfaceType::VpcEndpoint(_)));
        made.map(|(name, _)| name.to_string()).collect()
    };
    assert_eq!(interfaces(&net), ["vpce/queue/private"]);
    net.change(|d| d["instances"]["aaa"] = json!({ "subnet": "private", "security_groups": ["open"] }));
    assert_eq!(endpoint_address(&net, false), before);
    let second = |d: &mut Value, zone: &str| {
        *d = document_with_endpoint();
        d["subnets"]["other"] = json!({ "vpc": "v", "cidr_block": "10.0.3.0/24",
            "ipv6_cidr_block": "2001:db8:1:3::/64", "availability_zone": zone });
        d["vpc_endpoints"]["queue"]["subnets"] = json!(["private", "other"]);
    };
    accepted(|d| second(d, "us-east-1b"));
    let mut d = json!({});
    second(&mut d, "us-east-1b");
    assert_eq!(interfaces(&Net::new(d)), ["vpce/queue/other", "vpce/queue/private"]);
    refused("vpc_endpoints.queue.subnets[1]", "DuplicateSubnetsInSameZone", |d| second(d, "us-east-1a"));
    refused("vpc_endpoints.queue.service_name", "InvalidServiceName", |d| {
        *d = document_with_endpoint();
        d["vpc_endpoints"]["queue"]["service_name"] = json!("queue");
    });
    refused("vpc_endpoints.queue.service_name", "InvalidServiceName", |d| {
        *d = document_with_endpoint();
        d["vpc_endpoints"]["queue"]["service_name"] = json!("com.amazonaws.eu-west-1.queue");
    });
    refused("route_tables.public.routes[2].vpc_endpoint", "InvalidVpcEndpointId.NotFound", |d| {
        let route = json!({ "cidr_block": "192.0.2.0/24", "vpc_endpoint": "nobody" });
        d["route_tables"]["public"]["routes"].as_array_mut().unwrap().push(route);
    });
}

#[test]
fn the_service_sees_its_own_sides_address_and_answers_come_back() {
    // proves: EPI-05
    let mut net = net_with(|_| {});
    for (name, src, ipv6, service, node) in [
        ("web", WEB, false, SERVICE_ADDRESS, NODE),
        ("db", DB, false, SERVICE_ADDRESS, NODE),
        ("web", WEB_V6, true, SERVICE_V6, "fd64::1"),
        ("db", DB_V6, true, SERVICE_V6, "fd64::1"),
    ] {
        let endpoint = endpoint_address(&net, ipv6);
        for body in [syn(40_000, 443), udp(40_000, 443)] {
            let seen = net.send(name, &packet(src, &endpoint, body)).arrives_at(SERVICE);
            assert_eq!((seen.src.to_string(), seen.dst.to_string()), (node.to_owned(), service.to_owned()));
            assert!(seen.ports.0 >= 1024 && seen.ports.1 == 443, "{:?}", seen.ports);
            assert!(converses(&mut net, name, src, &endpoint, body), "{name} {body:?}");
        }
    }
    // Whoever has the service's address inside the VPC is another.
    net.send("web", &packet(WEB, SERVICE_ADDRESS, syn(1, 2))).arrives_at("db");
}

#[test]
fn clients_with_one_address_and_port_in_two_vpcs_are_told_apart() {
    // proves: EPI-05
    let mut net = net_with(|d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.0.0.0/16" });
        d["subnets"]["twin"] = json!({ "vpc": "w", "cidr_block": "10.0.1.0/24" });
        d["security_groups"]["twin"] = json!({ "vpc": "w", "ingress": [crate::networks::everything()] });
        d["instances"]["twin"] = json!({ "subnet": "twin", "private_ip": WEB, "security_groups": ["twin"] });
        d["vpc_endpoints"]["other"] = json!({ "vpc": "w", "vpc_endpoint_type": "Interface", "service_name": SERVICE,
            "subnets": ["twin"], "security_groups": ["twin"] });
    });
    let to = endpoint_address(&net, false);
    let twin = net.topology.find_interface("vpce/other/twin").unwrap().1.private_ip.unwrap().to_string();
    let first = net.send("web", &packet(WEB, &to, syn(40_000, 443))).arrives_at(SERVICE);
    let second = net.send("twin", &packet(WEB, &twin, syn(40_000, 443))).arrives_at(SERVICE);
    assert_eq!(first.src, second.src);
    assert_ne!(first.ports.0, second.ports.0, "two live flows never share a port");
    for (seen, name) in [(first, "web"), (second, "twin")] {
        let answer = packet(SERVICE_ADDRESS, NODE, tcp(443, seen.ports.0, Flags::SynAck));
        assert_eq!(net.send(SERVICE, &answer).arrives_at(name).ports, (443, 40_000));
    }
}

#[test]
fn the_default_group_guards_it_where_none_is_named() {
    // proves: EPI-02
    let mut net = net_with(|d| {
        d["vpc_endpoints"]["queue"].as_object_mut().unwrap().remove("security_groups");
        d["instances"]["db"]["security_groups"] = json!(["v/default"]);
    });
    let to = endpoint_address(&net, false);
    net.send("web", &packet(WEB, &to, syn(1, 443))).dies_of("security-group");
    net.send("db", &packet(DB, &to, syn(1, 443))).arrives_at(SERVICE);
}

#[test]
fn a_clients_group_may_be_named_by_the_endpoints_group() {
    // proves: EPI-16
    let mut net = net_with(|d| {
        d["security_groups"]["clients"] = json!({ "vpc": "v" });
        d["security_groups"]["queue"] = json!({ "vpc": "v", "ingress": [
            { "protocol": "tcp", "from_port": 443, "to_port": 443, "security_groups": ["clients"] }] });
        d["instances"]["web"]["security_groups"] = json!(["clients"]);
        d["vpc_endpoints"]["queue"]["security_groups"] = json!(["queue"]);
    });
    let to = endpoint_address(&net, false);
    net.send("web", &packet(WEB, &to, syn(1, 443))).arrives_at(SERVICE);
    net.send("peer", &packet(PEER, &to, syn(1, 443))).dies_of("security-group");
}

#[test]
fn nothing_but_what_the_service_offers_passes_and_no_ping_is_answered() {
    // proves: EPI-03, EPI-11
    let mut net = net_with(|_| {});
    let (v4, v6) = (endpoint_address(&net, false), endpoint_address(&net, true));
    net.send("web", &packet(WEB, &v4, ping(1))).dies_of("endpoint-protocol");
    net.send("web", &packet(WEB_V6, &v6, ping(1))).dies_of("endpoint-protocol");
    net.send("web", &packet(WEB, &v4, Body::Other(47))).dies_of("endpoint-protocol");
    net.send("web", &packet(WEB, &v4, udp(1, 53))).arrives_at(SERVICE);
    net.change(|d| d["services"][SERVICE]["protocols"] = json!(["tcp"]));
    net.send("web", &packet(WEB, &v4, udp(1, 53))).dies_of("endpoint-protocol");
    net.send("web", &packet(WEB, &v4, syn(1, 53))).arrives_at(SERVICE);
}

#[test]
fn only_its_clients_open_flows() {
    // proves: EPI-04
    let mut net = net_with(|_| {});
    for (dst, src) in [(WEB, SERVICE_ADDRESS), (NODE, SERVICE_ADDRESS), ("10.0.2.4", SERVICE_ADDRESS)] {
        net.send(SERVICE, &packet(src, dst, syn(443, 40_000))).dies_of("endpoint-unsolicited");
    }
    let to = endpoint_address(&net, false);
    let seen = net.send("web", &packet(WEB, &to, syn(40_000, 443))).arrives_at(SERVICE);
    // Another port of the service's is another flow.
    net.send(SERVICE, &packet(SERVICE_ADDRESS, NODE, syn(80, seen.ports.0))).dies_of("endpoint-unsolicited");
}

#[test]
fn an_endpoint_opens_no_connection_into_its_vpc() {
    // proves: EPI-13
    let net = net_with(|_| {});
    let end = |name: &str| End::Interface(net.fabric().enis.find(name).unwrap(), None);
    let traffic = TrafficQuestion::Ports { protocol: Protocol::TCP, port: Some(443), source_port: None };
    let told = ask(net.fabric(), end("vpce/queue/private"), end("web"), None, traffic).unwrap();
    assert_eq!(told.reachable, Some(false));
    assert_eq!(told.blockers[0].reason.code(), "VPCE_INTRA_VPC_TRAFFIC");
    let told = ask(net.fabric(), end("web"), end("vpce/queue/private"), None, traffic).unwrap();
    assert_eq!(told.reachable, Some(true), "{:?}", told.blockers);
}

#[test]
fn what_is_larger_than_8500_bytes_dies_in_silence_and_segments_are_clamped() {
    // proves: EPI-10, VEC-16
    let mut net = net_with(|_| {});
    for (src, ipv6) in [(WEB, false), (WEB_V6, true)] {
        let to = endpoint_address(&net, ipv6);
        let headers = if ipv6 { 48 } else { 28 };
        let large = vec![0; 8501 - headers];
        for payload in [&large[..], &vec![0; 9001 - headers]] {
            let hop = net.router_mac("web");
            let fate = net.send_to("web", hop, &packet(src, &to, udp(1, 2)), payload);
            fate.dies_of("mtu-exceeded");
        }
        let hop = net.router_mac("web");
        net.send_to("web", hop, &packet(src, &to, udp(1, 2)), &large[1..]).arrives_at(SERVICE);
        let frame = frames::frame(&packet(src, &to, syn(40_000, 443)), net.mac("web"), hop, b"");
        let Verdict::Forward(forward) = net.plan("web", &frame).verdict else { panic!("it is delivered") };
        assert_eq!(forward.rewrite.max_segment_size, Some(if ipv6 { 8440 } else { 8460 }));
    }
}

#[test]
fn peers_reach_it_like_any_interface() {
    // proves: EPI-12, PCX-24
    const GUEST: &str = "10.9.0.10";
    let mut net = net_with(|d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.9.0.0/16" });
        d["subnets"]["away"] = json!({ "vpc": "w", "cidr_block": "10.9.0.0/24" });
        d["security_groups"]["away"] = json!({ "vpc": "w", "ingress": [crate::networks::everything()] });
        d["instances"]["guest"] =
            json!({ "subnet": "away", "private_ip": GUEST, "security_groups": ["away"] });
        d["vpc_peering_connections"] = json!({ "pcx": { "vpc": "v", "peer_vpc": "w", "auto_accept": true } });
        d["route_tables"]["w/main"] = json!({ "routes": [
            { "cidr_block": "10.0.0.0/16", "vpc_peering_connection": "pcx" }] });
        d["route_tables"]["v/main"] = json!({ "routes": [
            { "cidr_block": "10.9.0.0/16", "vpc_peering_connection": "pcx" }] });
    });
    let to = endpoint_address(&net, false);
    assert!(converses(&mut net, "guest", GUEST, &to, syn(40_000, 443)));
}

#[test]
fn its_flows_are_tracked_at_both_ends_whatever_rules_say() {
    // proves: EPI-15
    let mut net = net_with(|_| {});
    let to = endpoint_address(&net, false);
    // Rules for everybody both ways: with anybody else the flow would be untracked, and cut with its rule.
    let request = packet(WEB, &to, syn(40_000, 443));
    let seen = net.send("web", &request).arrives_at(SERVICE);
    net.change(|d| d["security_groups"]["open"]["ingress"] = json!([tcp_of(1, "192.0.2.1/32")]));
    let answer = packet(SERVICE_ADDRESS, NODE, tcp(443, seen.ports.0, Flags::SynAck));
    net.send(SERVICE, &answer).arrives_at("web");
    net.send("web", &packet(WEB, &to, syn(40_001, 443))).dies_of("security-group");
}

#[test]
fn the_acls_of_both_subnets_apply_and_none_within_one() {
    // proves: EPI-20
    let mut net = net_with(|d| {
        d["network_acls"] = json!({ "closed": { "vpc": "v", "ingress": [], "egress": [] } });
        d["subnets"]["private"]["network_acl"] = json!("closed");
    });
    let to = endpoint_address(&net, false);
    net.send("web", &packet(WEB, &to, syn(40_000, 443))).dies_of("network-acl");
    assert!(converses(&mut net, "db", DB, &to, syn(40_000, 443)), "the same subnet");
    // The answer leaves the endpoint's subnet.
    net.change(|d| {
        d["network_acls"]["closed"]["ingress"] = json!([crate::networks::entry(100, "allow", "0.0.0.0/0")]);
    });
    let seen = net.send("web", &packet(WEB, &to, syn(40_001, 443))).arrives_at(SERVICE);
    let answer = packet(SERVICE_ADDRESS, NODE, tcp(443, seen.ports.0, Flags::SynAck));
    net.send(SERVICE, &answer).dies_of("network-acl");
}

#[test]
fn the_internet_reaches_no_endpoint() {
    // proves: EPI-14
    let mut net = net_with(|d| d["subnets"]["private"]["route_table"] = json!("public"));
    let to = endpoint_address(&net, true);
    net.send("client", &packet(CLIENT_V6, DB_V6, syn(1, 443))).arrives_at("db");
    net.send("client", &packet(CLIENT_V6, &to, syn(1, 443))).dies_of("no-public-mapping");
    net.send("client", &packet(CLIENT, "10.0.2.4", syn(1, 443))).dies_of("non-public-destination");
}

#[test]
fn an_endpoint_that_is_not_available_carries_nothing() {
    // proves: EPI-17
    for state in
        ["pendingAcceptance", "pending", "deleting", "deleted", "rejected", "failed", "expired", "partial"]
    {
        let mut net = net_with(|_| {});
        let to = endpoint_address(&net, false);
        let seen = net.send("web", &packet(WEB, &to, syn(40_000, 443))).arrives_at(SERVICE);
        net.change(|d| d["vpc_endpoints"]["queue"]["state"] = json!(state));
        net.send("web", &packet(WEB, &to, syn(40_001, 443))).dies_of("endpoint-unavailable");
        let answer = packet(SERVICE_ADDRESS, NODE, tcp(443, seen.ports.0, Flags::SynAck));
        net.send(SERVICE, &answer).dies_of("endpoint-no-flow");
    }
    refused("vpc_endpoints.queue.state", "InvalidParameterValue", |d| {
        *d = document_with_endpoint();
        d["vpc_endpoints"]["queue"]["state"] = json!("asleep");
    });
}

#[test]
fn what_lies_behind_an_undeclared_service_is_unknown_and_a_filter_before_it_is_not() {
    let mut net = net_with(|d| {
        d["services"] = json!({});
        d["vpc_endpoints"]["queue"]["ip_address_type"] = json!("ipv4");
        d["security_groups"]["narrow"] = json!({ "vpc": "v", "ingress": [tcp_of(443, "10.0.1.0/24")] });
        d["vpc_endpoints"]["queue"]["security_groups"] = json!(["narrow"]);
    });
    let to = endpoint_address(&net, false);
    net.send("web", &packet(WEB, &to, syn(1, 443))).dies_of("not-modelled");
    let end = |name: &str| End::Interface(net.fabric().enis.find(name).unwrap(), None);
    for (port, reachable) in [(443, None), (80, Some(false))] {
        let traffic = TrafficQuestion::Ports { protocol: Protocol::TCP, port: Some(port), source_port: None };
        let told = ask(net.fabric(), end("web"), end("vpce/queue/private"), None, traffic).unwrap();
        assert_eq!(told.reachable, reachable, "port {port}: {:?}", told.blockers);
    }
}

#[test]
fn an_idle_flow_is_forgotten_and_a_late_packet_of_it_dies() {
    let mut net = net_with(|_| {});
    let to = endpoint_address(&net, false);
    let seen = net.send("web", &packet(WEB, &to, syn(40_000, 443))).arrives_at(SERVICE);
    let answer = packet(SERVICE_ADDRESS, NODE, tcp(443, seen.ports.0, Flags::SynAck));
    net.wait(350);
    net.send(SERVICE, &answer).arrives_at("web");
    net.wait(351);
    net.send(SERVICE, &answer).dies_of("endpoint-unsolicited");
    net.sweep();
    assert!(net.engine().flows().endpoints().is_empty());
}

#[test]
fn an_error_about_a_flow_through_it_does_not_pass() {
    // proves: EPI-10, VEC-16
    let mut net = net_with(|_| {});
    let to = endpoint_address(&net, false);
    net.send("web", &packet(WEB, &to, udp(40_000, 53))).arrives_at(SERVICE);
    let quoted = Quoted {
        src: to.parse().unwrap(),
        dst: WEB.parse().unwrap(),
        transport: QuotedTransport::Udp(53, 40_000),
    };
    let error = Packet::new(WEB, &to, Body::Error { kind: ErrorKind::TooBig, about: quoted });
    net.send("web", &error).dies_of("endpoint-protocol");
}

#[test]
fn an_endpoint_lies_in_its_vpc_and_a_public_address_is_in_one_place() {
    // proves: EPI-01
    refused("vpc_endpoints.queue.subnets[0]", "InvalidSubnetId.NotFound", |d| {
        *d = document_with_endpoint();
        d["vpcs"]["w"] = json!({ "cidr_block": "10.5.0.0/16" });
        d["subnets"]["w1"] = json!({ "vpc": "w", "cidr_block": "10.5.1.0/24" });
        d["vpc_endpoints"]["queue"]["subnets"] = json!(["w1"]);
        d["vpc_endpoints"]["queue"].as_object_mut().unwrap().remove("security_groups");
        d["vpc_endpoints"]["queue"]["ip_address_type"] = json!("ipv4");
    });
    for (key, address) in [("address", "52.216.0.9"), ("ipv6_address", "2001:db8:1:7::9")] {
        refused(&format!("services.{SERVICE}.{key}"), "InvalidIPAddress.InUse", |d| {
            *d = document_with_endpoint();
            d["vpcs"]["w"] = json!({ "cidr_block": "52.216.0.0/16" });
            d["services"][SERVICE][key] = json!(address);
        });
    }
}
