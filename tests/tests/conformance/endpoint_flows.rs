//! What do VPC endpoints remember, and whom may an answer reach?
//!
//! VPCs `v` and `w` have the same addresses: `web` in one, `twin` in the other. Each has an endpoint of its own to S3, by
//! routes, and to the queue, by an interface. Everything is allowed.

use serde_json::{Value, json};
use vpclab_engine::flow::Capacity;
use vpclab_engine::plan::Verdict;
use vpclab_tests::frames::{self, Seen};
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Body, Flags, Packet, Piece, ping, syn, tcp, udp};

use crate::networks::{DB, PEER, WEB, WEB_V6, document, everything, packet};

const S3: &str = "com.amazonaws.us-east-1.s3";
const S3_ADDRESS: &str = "52.216.10.20";
const QUEUE: &str = "com.amazonaws.us-east-1.queue";
const QUEUE_ADDRESS: &str = "10.9.9.9";
const QUEUE_V6: &str = "2001:db8:5::5";
const NODE: &str = "100.64.0.1";
const NODE_V6: &str = "fd64::1";

fn twins() -> Value {
    let mut d = document();
    d["vpcs"]["w"] = json!({ "cidr_block": "10.0.0.0/16" });
    d["subnets"]["twin"] = json!({ "vpc": "w", "cidr_block": "10.0.1.0/24" });
    d["subnets"]["second"] =
        json!({ "vpc": "v", "cidr_block": "10.0.3.0/24", "availability_zone": "us-east-1b" });
    d["security_groups"]["twin"] = json!({ "vpc": "w", "ingress": [everything()] });
    d["instances"]["twin"] = json!({ "subnet": "twin", "private_ip": WEB, "security_groups": ["twin"] });
    d["services"] = json!({
        S3: { "address": S3_ADDRESS },
        QUEUE: { "address": QUEUE_ADDRESS, "ipv6_address": QUEUE_V6, "protocols": ["tcp", "udp"] },
    });
    d["vpc_endpoints"] = json!({
        "s3": { "vpc": "v", "service_name": S3, "route_tables": ["main", "public"] },
        "s3-twin": { "vpc": "w", "service_name": S3, "route_tables": ["w/main"] },
        "queue": { "vpc": "v", "vpc_endpoint_type": "Interface", "service_name": QUEUE,
            "subnets": ["private", "second"], "security_groups": ["open"] },
        "queue-twin": { "vpc": "w", "vpc_endpoint_type": "Interface", "service_name": QUEUE,
            "subnets": ["twin"], "security_groups": ["twin"] },
    });
    d
}

fn net() -> Net {
    Net::new(twins())
}

fn address(net: &Net, interface: &str) -> String {
    net.topology.find_interface(interface).unwrap().1.private_ip.unwrap().to_string()
}

/// What the service sees of a TCP connection that `name` opens from port 40000 to port 443.
fn opened(net: &mut Net, name: &str, to: &str, service: &str) -> Seen {
    net.send(name, &packet(WEB, to, syn(40_000, 443))).arrives_at(service)
}

/// The queue's answer to whoever it sees at `port`.
fn answer_to(port: u16) -> Packet {
    packet(QUEUE_ADDRESS, NODE, tcp(443, port, Flags::SynAck))
}

/// Opens a connection to S3 from port 40000 and completes its handshake.
fn established(net: &mut Net, name: &str) {
    opened(net, name, S3_ADDRESS, S3);
    net.send(S3, &packet(S3_ADDRESS, WEB, tcp(443, 40_000, Flags::SynAck))).arrives_at(name);
    net.send(name, &packet(WEB, S3_ADDRESS, tcp(40_000, 443, Flags::Ack))).arrives_at(S3);
}

fn remembered(net: &Net) -> usize {
    net.engine().flows().endpoints().len()
}

#[test]
fn full_memory_refuses_new_flows_keeps_the_old_ones_and_empties_when_idle() {
    let capacity = Capacity { endpoint_flows: 2, ..Capacity::default() };
    let mut net = Net::with_capacity(twins(), capacity);
    let to = address(&net, "vpce/queue/private");
    let seen = opened(&mut net, "web", &to, QUEUE);
    established(&mut net, "twin");
    net.send("web", &packet(WEB, S3_ADDRESS, syn(40_001, 443))).dies_of("flow-memory-full");
    net.send("web", &packet(WEB, &to, syn(40_001, 443))).dies_of("flow-memory-full");
    // Those that have room go on, and one of them may begin anew in its own place.
    net.send(QUEUE, &answer_to(seen.ports.0)).arrives_at("web");
    net.send("twin", &packet(WEB, S3_ADDRESS, tcp(40_000, 443, Flags::Rst))).arrives_at(S3);
    established(&mut net, "twin");
    assert_eq!(remembered(&net), 2);
    // What has expired does not stand in the way, swept or not.
    net.wait(351);
    net.send("web", &packet(WEB, &to, syn(40_001, 443))).arrives_at(QUEUE);
    net.send("web", &packet(WEB, &to, syn(40_002, 443))).dies_of("flow-memory-full");
    net.wait(432_001);
    net.sweep();
    assert_eq!(remembered(&net), 0);
}

#[test]
fn one_sender_has_its_share_of_memory_and_its_neighbours_have_theirs() {
    let capacity = Capacity { endpoint_flows: 100, endpoint_flows_per_sender: 3, ..Capacity::default() };
    let mut d = twins();
    // Whoever sends in others' names gains nothing by it, nor by another interface.
    d["instances"]["web"]["source_dest_check"] = json!(false);
    d["network_interfaces"]["second"] = json!({ "subnet": "private", "security_groups": ["open"],
        "attachment": { "instance": "web", "device_index": 1 }, "source_dest_check": false });
    d["instances"]["web"].as_object_mut().unwrap().retain(|name, _| !name.contains("public_ip"));
    d["subnets"]["second"]["ipv6_cidr_block"] = json!("2001:db8:1:3::/64");
    d["vpc_endpoints"]["s3"]["ip_address_type"] = json!("dualstack");
    d["services"][S3] = json!({ "address": S3_ADDRESS, "ipv6_address": "2600:1fa0:4000::5" });
    let mut net = Net::with_capacity(d, capacity);
    let to = address(&net, "vpce/queue/private");
    opened(&mut net, "web", &to, QUEUE);
    net.send("web", &packet(DB, S3_ADDRESS, syn(1, 443))).arrives_at(S3);
    net.send("web", &packet(WEB_V6, "2600:1fa0:4000::5", syn(1, 443))).arrives_at(S3);
    for (src, dst) in [(WEB, S3_ADDRESS), (PEER, S3_ADDRESS), (WEB_V6, "2600:1fa0:4000::5"), (WEB, &to)] {
        net.send("web", &packet(src, dst, syn(2, 443))).dies_of("flow-memory-full");
        net.send_by_router("second", &packet(src, dst, syn(2, 443))).dies_of("flow-memory-full");
    }
    for (name, src) in [("peer", PEER), ("db", DB), ("twin", WEB)] {
        net.send(name, &packet(src, S3_ADDRESS, syn(2, 443))).arrives_at(S3);
    }
    // What it has goes on, may begin anew in its own place, and comes back when it has expired.
    net.send("web", &packet(DB, S3_ADDRESS, tcp(1, 443, Flags::Rst))).arrives_at(S3);
    net.send("web", &packet(DB, S3_ADDRESS, syn(1, 443))).arrives_at(S3);
    net.wait(61);
    net.send("web", &packet(WEB, S3_ADDRESS, syn(2, 443))).arrives_at(S3);
}

#[test]
fn memory_comes_back_with_the_endpoint_or_the_service() {
    for (kind, name) in
        [("vpc_endpoints", "queue"), ("services", QUEUE), ("vpc_endpoints", "s3"), ("services", S3)]
    {
        let mut net = net();
        let to = address(&net, "vpce/queue/private");
        opened(&mut net, "web", &to, QUEUE);
        opened(&mut net, "web", S3_ADDRESS, S3);
        assert_eq!(remembered(&net), 2);
        net.change(|d| {
            d[kind].as_object_mut().unwrap().remove(name);
        });
        net.sweep();
        assert_eq!(remembered(&net), 1, "{kind} {name}");
    }
}

#[test]
fn a_connection_that_has_ended_makes_room_for_one_with_the_same_ports() {
    let mut net = net();
    let to = address(&net, "vpce/queue/private");
    for (target, service) in [(to.as_str(), QUEUE), (S3_ADDRESS, S3)] {
        opened(&mut net, "web", target, service);
        net.send("web", &packet(WEB, target, tcp(40_000, 443, Flags::Rst))).arrives_at(service);
        let seen = opened(&mut net, "web", target, service);
        let answer =
            packet(&seen.dst.to_string(), &seen.src.to_string(), tcp(443, seen.ports.0, Flags::SynAck));
        net.send(service, &answer).arrives_at("web");
        net.send("web", &packet(WEB, target, tcp(40_000, 443, Flags::Ack))).arrives_at(service);
        // Longer than an ended connection is remembered.
        net.wait(121);
        net.send(service, &answer).arrives_at("web");
    }
}

#[test]
fn echo_identifiers_tell_clients_with_one_address_apart() {
    let mut net = net();
    net.send("web", &packet(WEB, S3_ADDRESS, ping(7))).arrives_at(S3);
    net.send("twin", &packet(WEB, S3_ADDRESS, ping(8))).arrives_at(S3);
    // The same identifier as well: the service sees another.
    let other = net.send("twin", &packet(WEB, S3_ADDRESS, ping(7))).arrives_at(S3).ports.0;
    assert_ne!(other, 7);
    let reply = |id| packet(S3_ADDRESS, WEB, Body::Echo { id, reply: true });
    net.send(S3, &reply(7)).arrives_at("web");
    net.send(S3, &reply(8)).arrives_at("twin");
    assert_eq!(net.send(S3, &reply(other)).arrives_at("twin").ports, (7, 7));
    net.send(S3, &reply(9)).dies_of("endpoint-unsolicited");
    // When the first is forgotten, the second may have its identifier, and its answers.
    net.wait(121);
    net.send(S3, &reply(7)).dies_of("endpoint-unsolicited");
    assert_eq!(net.send("twin", &packet(WEB, S3_ADDRESS, ping(7))).arrives_at(S3).ports.0, 7);
    net.send(S3, &reply(7)).arrives_at("twin");
}

#[test]
fn a_client_that_is_gone_or_has_lost_its_route_keeps_nobody_from_its_port() {
    let mut net = net();
    established(&mut net, "web");
    // Its interface is another one's now, with the same address.
    net.change(|d| {
        let web = d["instances"].as_object_mut().unwrap().remove("web").unwrap();
        d["instances"]["successor"] = web;
    });
    net.send(S3, &packet(S3_ADDRESS, WEB, tcp(443, 40_000, Flags::Ack))).dies_of("endpoint-unsolicited");
    assert_eq!(opened(&mut net, "twin", S3_ADDRESS, S3).ports.0, 40_000);
    net.send(S3, &packet(S3_ADDRESS, WEB, tcp(443, 40_000, Flags::SynAck))).arrives_at("twin");
    // While that lives, who comes after it has another port at the service.
    let seen = opened(&mut net, "successor", S3_ADDRESS, S3);
    assert_ne!(seen.ports.0, 40_000);
    let got = net.send(S3, &packet(S3_ADDRESS, WEB, tcp(443, seen.ports.0, Flags::SynAck)));
    assert_eq!(got.arrives_at("successor").ports, (443, 40_000));
    // The route goes from under the twin.
    net.change(|d| d["vpc_endpoints"]["s3-twin"]["route_tables"] = json!([]));
    net.send(S3, &packet(S3_ADDRESS, WEB, tcp(443, 40_000, Flags::Ack))).dies_of("endpoint-no-flow");
    net.send("successor", &packet(WEB, S3_ADDRESS, tcp(40_000, 443, Flags::Rst))).arrives_at(S3);
    assert_eq!(opened(&mut net, "successor", S3_ADDRESS, S3).ports.0, 40_000);
}

#[test]
fn a_connection_that_is_half_open_is_forgotten_as_soon_as_interfaces_forget_it() {
    // CT-22
    for (setting, limit) in [(None, 60), (Some(7), 7)] {
        let mut net = Net::new({
            let mut d = twins();
            if let Some(seconds) = setting {
                d["settings"] = json!({ "tcp_opening_timeout": seconds });
            }
            d
        });
        let answer = packet(S3_ADDRESS, WEB, tcp(443, 40_000, Flags::SynAck));
        opened(&mut net, "web", S3_ADDRESS, S3);
        net.wait(limit);
        net.send(S3, &answer).arrives_at("web");
        // Answered, and the client says nothing.
        net.wait(limit);
        net.send(S3, &answer).arrives_at("web");
        net.wait(limit + 1);
        net.send(S3, &answer).dies_of("endpoint-unsolicited");
        net.sweep();
        assert_eq!(remembered(&net), 0);
    }
}

#[test]
fn expired_flows_do_not_count_towards_the_flows_of_one_target() {
    // EPS-06
    let mut net = net();
    let to = address(&net, "vpce/queue/private");
    for port in 0..55_000_u16 {
        net.send("web", &packet(WEB, &to, udp(port + 1024, 443))).arrives_at(QUEUE);
    }
    net.send("web", &packet(WEB, &to, udp(60_000, 443))).dies_of("endpoint-port-allocation");
    net.send("web", &packet(WEB, &to, udp(60_000, 443))).dies_of("endpoint-port-allocation");
    // Another target, and whoever has a flow already, find their ports.
    net.send("web", &packet(WEB, &to, udp(60_000, 444))).arrives_at(QUEUE);
    net.send("web", &packet(WEB, &to, udp(1024, 443))).arrives_at(QUEUE);
    net.wait(121);
    // Not even before anybody has swept them up.
    let late = packet(WEB, &to, udp(60_000, 443));
    let late = frames::frame(&late, net.mac("web"), net.next_hop("web", late.dst), b"");
    assert!(matches!(net.plan("web", &late).verdict, Verdict::Forward(_)));
    for port in 0..200 {
        net.send("web", &packet(WEB, &to, udp(60_000 + port, 443))).arrives_at(QUEUE);
    }
}

#[test]
fn an_answer_after_the_idle_time_reaches_nobody() {
    let mut net = net();
    let to = address(&net, "vpce/queue/private");
    let seen = opened(&mut net, "web", &to, QUEUE);
    established(&mut net, "web");
    net.wait(351);
    net.send(QUEUE, &answer_to(seen.ports.0)).dies_of("endpoint-unsolicited");
    // A late packet of the client's belongs to nothing either.
    net.send("web", &packet(WEB, &to, tcp(40_000, 443, Flags::Ack))).dies_of("endpoint-no-flow");
    let from_s3 = packet(S3_ADDRESS, WEB, tcp(443, 40_000, Flags::SynAck));
    net.send(S3, &from_s3).arrives_at("web");
    net.wait(432_001);
    net.send(S3, &from_s3).dies_of("endpoint-unsolicited");
}

#[test]
fn fragments_of_a_datagram_go_the_way_of_its_first() {
    let mut net = net();
    let to = address(&net, "vpce/queue/private");
    let router = net.router_mac("web");
    let piece = |of: &Packet, piece| Packet { piece, may_be_cut: true, ..of.clone() };
    let request = packet(WEB, &to, udp(40_000, 53));
    net.send_to("web", router, &piece(&request, Piece::Later(5)), &[7; 40]).dies_of("fragment-without-first");
    let first = net.send_to("web", router, &piece(&request, Piece::First(5)), &[7; 40]).arrives_at(QUEUE);
    let rest = net.send_to("web", router, &piece(&request, Piece::Later(5)), &[7; 40]).arrives_at(QUEUE);
    assert_eq!((first.src, rest.src, rest.dst), (NODE.parse().unwrap(), first.src, first.dst));
    let answer = packet(QUEUE_ADDRESS, NODE, udp(53, first.ports.0));
    let router = net.router_mac(QUEUE);
    net.send_to(QUEUE, router, &piece(&answer, Piece::First(6)), &[7; 40]).arrives_at("web");
    let rest = net.send_to(QUEUE, router, &piece(&answer, Piece::Later(6)), &[7; 40]).arrives_at("web");
    assert_eq!((rest.src.to_string(), rest.dst.to_string()), (to, WEB.to_owned()));
}

#[test]
fn a_service_opens_nothing_by_guessing() {
    // proves: EPI-04
    let mut net = net();
    let to = address(&net, "vpce/queue/private");
    let seen = opened(&mut net, "web", &to, QUEUE);
    let port = seen.ports.0;
    // Another port on either side, another protocol, another service with the same idea.
    for body in [syn(80, port), syn(443, port ^ 1), udp(443, port), ping(port)] {
        net.send(QUEUE, &packet(QUEUE_ADDRESS, NODE, body)).dies_of("endpoint-unsolicited");
    }
    net.send(QUEUE, &packet(QUEUE_ADDRESS, WEB, syn(443, 40_000))).dies_of("endpoint-unsolicited");
    net.send(QUEUE, &packet(QUEUE_V6, NODE_V6, syn(443, port))).dies_of("endpoint-unsolicited");
    net.send(S3, &packet(QUEUE_ADDRESS, NODE, syn(443, port))).dies_of("foreign-source");
    net.send(S3, &packet(S3_ADDRESS, WEB, syn(443, 40_000))).dies_of("endpoint-unsolicited");
    net.send(QUEUE, &answer_to(port)).arrives_at("web");
}

#[test]
fn a_forged_source_gains_its_sender_no_answer() {
    let mut net = Net::new({
        let mut d = twins();
        d["instances"]["peer"]["source_dest_check"] = json!(false);
        d
    });
    let to = address(&net, "vpce/queue/private");
    // In another's name: the answer goes to whoever has the address, whose groups know nothing of it.
    net.change(|d| {
        d["security_groups"]["shut"] = json!({ "vpc": "v", "ingress": [], "egress": [everything()] });
    });
    net.change(|d| d["instances"]["db"]["security_groups"] = json!(["shut"]));
    let seen = net.send("peer", &packet(DB, &to, syn(40_000, 443))).arrives_at(QUEUE);
    net.send(QUEUE, &answer_to(seen.ports.0)).dies_of("security-group");
    net.send("peer", &packet(DB, S3_ADDRESS, syn(40_000, 443))).arrives_at(S3);
    net.send(S3, &packet(S3_ADDRESS, DB, tcp(443, 40_000, Flags::SynAck))).dies_of("security-group");
    // In the name of nobody in the VPC: no gateway endpoint takes it (EPG-09).
    net.send("peer", &packet("10.0.1.99", S3_ADDRESS, syn(1, 443))).dies_of("endpoint-foreign-client");
    // With the check nobody gets that far.
    net.send("web", &packet(PEER, S3_ADDRESS, syn(1, 443))).dies_of("source-dest-check");
}

#[test]
fn an_endpoint_made_anew_under_traffic_has_none_of_the_old_flows_and_takes_new_ones_at_once() {
    let mut net = net();
    let to = address(&net, "vpce/queue/private");
    let seen = opened(&mut net, "web", &to, QUEUE);
    opened(&mut net, "web", S3_ADDRESS, S3);
    let before = twins()["vpc_endpoints"].clone();
    net.change(|d| {
        d["vpc_endpoints"] = json!({ "s3-twin": before["s3-twin"], "queue-twin": before["queue-twin"] });
    });
    net.send(QUEUE, &answer_to(seen.ports.0)).dies_of("endpoint-unsolicited");
    net.send(S3, &packet(S3_ADDRESS, WEB, tcp(443, 40_000, Flags::SynAck))).dies_of("endpoint-unsolicited");
    // Nor is anybody kept out by what is gone: the twin may have the same ports.
    opened(&mut net, "twin", S3_ADDRESS, S3);
    net.send(S3, &packet(S3_ADDRESS, WEB, tcp(443, 40_000, Flags::SynAck))).arrives_at("twin");
    net.send("twin", &packet(WEB, S3_ADDRESS, tcp(40_000, 443, Flags::Rst))).arrives_at(S3);
    net.wait(121);
    net.change(|d| d["vpc_endpoints"] = before);
    let to = address(&net, "vpce/queue/private");
    net.send("web", &packet(WEB, &to, tcp(40_000, 443, Flags::Ack))).dies_of("endpoint-no-flow");
    net.send(QUEUE, &answer_to(seen.ports.0)).dies_of("endpoint-unsolicited");
    let seen = opened(&mut net, "web", &to, QUEUE);
    net.send(QUEUE, &answer_to(seen.ports.0)).arrives_at("web");
    opened(&mut net, "web", S3_ADDRESS, S3);
    net.send(S3, &packet(S3_ADDRESS, WEB, tcp(443, 40_000, Flags::SynAck))).arrives_at("web");
}

#[test]
fn an_endpoint_that_moves_to_another_vpc_answers_nobody_there() {
    let mut net = net();
    opened(&mut net, "web", S3_ADDRESS, S3);
    // Its name and the client's address are the same as before, and yet it is another's.
    net.change(|d| {
        d["vpc_endpoints"].as_object_mut().unwrap().remove("s3-twin");
        d["vpc_endpoints"]["s3"]["vpc"] = json!("w");
        d["vpc_endpoints"]["s3"]["route_tables"] = json!(["w/main"]);
    });
    net.send(S3, &packet(S3_ADDRESS, WEB, tcp(443, 40_000, Flags::SynAck))).dies_of("endpoint-unsolicited");
}

#[test]
fn a_service_that_gets_another_address_has_none_of_the_old_flows() {
    let mut net = net();
    let to = address(&net, "vpce/queue/private");
    opened(&mut net, "web", &to, QUEUE);
    net.change(|d| d["services"][QUEUE]["address"] = json!("10.8.8.8"));
    net.send("web", &packet(WEB, &to, tcp(40_000, 443, Flags::Ack))).dies_of("endpoint-no-flow");
    let seen = opened(&mut net, "web", &to, QUEUE);
    assert_eq!(seen.dst.to_string(), "10.8.8.8");
    let answer = packet("10.8.8.8", NODE, tcp(443, seen.ports.0, Flags::SynAck));
    net.send(QUEUE, &answer).arrives_at("web");
}

#[test]
fn one_client_and_port_at_both_zones_of_an_endpoint_are_two_flows() {
    let mut net = net();
    let zones = ["vpce/queue/private", "vpce/queue/second"].map(|name| address(&net, name));
    let seen = [0, 1].map(|zone| opened(&mut net, "web", &zones[zone], QUEUE));
    assert_ne!(seen[0].ports.0, seen[1].ports.0);
    for zone in [1, 0] {
        let got = net.send(QUEUE, &answer_to(seen[zone].ports.0)).arrives_at("web");
        assert_eq!((got.src.to_string(), got.ports), (zones[zone].clone(), (443, 40_000)));
    }
    // A zone that is taken from it takes its flows along.
    net.change(|d| d["vpc_endpoints"]["queue"]["subnets"] = json!(["private"]));
    net.send(QUEUE, &answer_to(seen[1].ports.0)).dies_of("endpoint-unsolicited");
    net.send(QUEUE, &answer_to(seen[0].ports.0)).arrives_at("web");
}

#[test]
fn ipv6_flows_are_kept_apart_from_ipv4_ones_and_forgotten_like_them() {
    let mut net = Net::new({
        let mut d = twins();
        d["vpc_endpoints"]["queue"]["subnets"] = json!(["private"]);
        d["vpc_endpoints"]["queue"]["ip_address_type"] = json!("dualstack");
        d
    });
    let eni = net.topology.find_interface("vpce/queue/private").unwrap().1;
    let (v4, v6) = (eni.private_ip.unwrap().to_string(), eni.ipv6_addresses[0].to_string());
    let old = opened(&mut net, "web", &v4, QUEUE);
    let new = net.send("web", &packet(WEB_V6, &v6, syn(40_000, 443))).arrives_at(QUEUE);
    assert_eq!((new.src.to_string(), new.dst.to_string()), (NODE_V6.to_owned(), QUEUE_V6.to_owned()));
    let answer = packet(QUEUE_V6, NODE_V6, tcp(443, new.ports.0, Flags::SynAck));
    let got = net.send(QUEUE, &answer).arrives_at("web");
    assert_eq!((got.src.to_string(), got.dst.to_string()), (v6, WEB_V6.to_owned()));
    let got = net.send(QUEUE, &answer_to(old.ports.0)).arrives_at("web");
    assert_eq!(got.dst.to_string(), WEB);
    net.wait(351);
    net.send(QUEUE, &answer).dies_of("endpoint-unsolicited");
}
