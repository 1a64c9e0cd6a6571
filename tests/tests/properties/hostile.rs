//! Can any packet make the engine loop or panic?
//!
//! Networks are generated, and then twisted: routes lead back to where packets come from. Packets are sensible, or sensible
//! with some bits changed, or no packets at all, and come in everywhere.

use std::net::IpAddr;

use serde_json::{Value, json};
use vpclab_engine::explain::{self, End, TrafficQuestion};
use vpclab_engine::{DropReason, Outcome, Port, Recorder, trace};
use vpclab_tests::frames;
use vpclab_tests::generate::{self, Past, Rng};
use vpclab_tests::harness::{Net, topology};
use vpclab_tests::packet::{Body, Flags, Packet, ping, syn, tcp, udp};
use vpclab_tests::witness;
use vpclab_wire::Protocol;

use crate::seeds;

/// More steps than any walk takes: sixteen places, each of which reports a handful.
const MOST_STEPS: usize = 16 * 8;

/// Blocks that packets are for.
const BLOCKS: [&str; 5] = ["10.0.0.0/8", "0.0.0.0/0", "198.51.100.0/24", "2001:db8::/32", "::/0"];

fn names(document: &Value, kind: &str) -> Vec<String> {
    document[kind].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default()
}

/// Adds what leads round and round, as far as the network stays valid; gives how many such things there are.
fn twist(rng: &mut Rng, document: &mut Value) -> usize {
    let mut done = 0;
    let mut attempt = |document: &mut Value, change: &mut dyn FnMut(&mut Value)| {
        let mut next = document.clone();
        change(&mut next);
        if topology(&next, None).is_ok() {
            *document = next;
            done += 1;
        }
    };
    // Two transit gateways that send everything to each other.
    attempt(document, &mut |d| {
        d["transit_gateways"]["to"] = json!({});
        d["transit_gateways"]["fro"] = json!({ "region": "us-west-2" });
        d["transit_gateway_peering_attachments"]["pair"] = json!({ "transit_gateway": "to",
            "peer_transit_gateway": "fro", "peer_region": "us-west-2", "state": "available" });
        let routes = BLOCKS.map(|block| json!({ "destination_cidr_block": block, "attachment": "pair" }));
        d["transit_gateway_route_tables"]["to/default"] = json!({ "routes": routes });
        d["transit_gateway_route_tables"]["fro/default"] = json!({ "routes": routes });
    });
    for vpc in names(document, "vpcs") {
        let subnets = names(document, "subnets");
        let own = subnets.iter().find(|name| document["subnets"][*name]["vpc"] == *vpc).cloned();
        attempt(document, &mut |d| {
            d["transit_gateway_vpc_attachments"][format!("{vpc}-twist")] =
                json!({ "transit_gateway": "to", "vpc": vpc, "subnets": [own], "ipv6_support": true });
        });
    }
    // Routes to whatever there is, and back.
    let kinds = [
        ("nat_gateways", "nat_gateway"),
        ("vpc_peering_connections", "vpc_peering_connection"),
        ("instances", "network_interface"),
        ("transit_gateways", "transit_gateway"),
        ("vpn_gateways", "gateway"),
        ("internet_gateways", "gateway"),
    ];
    for table in names(document, "route_tables") {
        for _ in 0..3 {
            let (kind, attribute) = *rng.pick(&kinds);
            let all = names(document, kind);
            let (at, block) = (rng.below(all.len()), *rng.pick(&BLOCKS));
            let Some(target) = all.get(at).cloned() else { continue };
            let family = if block.contains(':') { "ipv6_cidr_block" } else { "cidr_block" };
            attempt(document, &mut |d| {
                if let Some(routes) = d["route_tables"][&table]["routes"].as_array_mut() {
                    routes.retain(|route| route[family] != block);
                    routes.push(json!({ family: block, attribute: target }));
                }
            });
        }
    }
    done
}

/// Puts a frame in by `port`: it must end, well or badly, and a loop must be counted. Gives how it ended.
#[track_caller]
fn survive(net: &mut Net, seed: u64, port: Port, frame: &[u8]) -> Outcome {
    let mut recorder = Recorder::default();
    let flows = net.engine().flows();
    let planned = trace(net.fabric(), flows, net.timestamp(), port, frame, &mut recorder);
    assert!(recorder.steps.len() <= MOST_STEPS, "seed {seed}: {:?}", recorder.steps);
    // A survey goes on where a filter denies.
    let mut survey = Recorder { survey: true, ..Recorder::default() };
    trace(net.fabric(), flows, net.timestamp(), port, frame, &mut survey);
    assert!(survey.steps.len() <= MOST_STEPS, "seed {seed}: {:?}", survey.steps);
    let name = net.name(port);
    let counted =
        |net: &Net| net.engine().counters().dropped.get(&(port, "forwarding-loop")).copied().unwrap_or(0);
    let before = counted(net);
    let fate = net.send_frame(&name, frame);
    if fate.outcome == Outcome::Dropped(DropReason::ForwardingLoop) {
        assert!(counted(net) > before, "seed {seed}: a loop is not counted");
        assert!(planned.effects.is_empty(), "seed {seed}: a loop is remembered");
    }
    fate.outcome
}

/// A packet between any two addresses that mean something here.
fn odd(rng: &mut Rng, addresses: &[IpAddr]) -> Packet {
    let src = *rng.pick(addresses);
    let family: Vec<IpAddr> = addresses.iter().copied().filter(|to| to.is_ipv6() == src.is_ipv6()).collect();
    let (from, to) = (*rng.pick(&[0, 53, 443, 40_000, u16::MAX]), *rng.pick(&[0, 22, 443, 5432, u16::MAX]));
    let body = match rng.below(5) {
        0 => syn(from, to),
        1 => tcp(from, to, *rng.pick(&[Flags::SynAck, Flags::Ack, Flags::Fin, Flags::Rst])),
        2 => udp(from, to),
        3 => ping(from),
        _ => Body::Other(*rng.pick(&[0, 4, 41, 43, 44, 47, 50, 51, 60, 132, 255])),
    };
    Packet { ttl: *rng.pick(&[0, 1, 2, 64, 255]), ..Packet::of(src, *rng.pick(&family), body) }
}

/// Every address of the network, and some that are nobody's.
fn addresses(net: &Net) -> Vec<IpAddr> {
    let topology = &net.topology;
    let interfaces = topology.network_interfaces.values();
    let own = interfaces.clone().flat_map(|eni| eni.private_ips().map(IpAddr::V4));
    let own6 = interfaces.clone().flat_map(|eni| eni.ipv6_addresses.iter().copied().map(IpAddr::V6));
    let public = interfaces.flat_map(|eni| eni.public_ips.values().map(|public| IpAddr::V4(public.address)));
    let odd = [
        "0.0.0.0",
        "127.0.0.1",
        "255.255.255.255",
        "224.0.0.5",
        "169.254.169.254",
        "192.168.0.7",
        "198.51.100.7",
        "8.8.8.8",
        "10.0.1.1",
        "10.255.255.255",
        "::",
        "::1",
        "ff02::1",
        "fe80::1",
        "fd00:ec2::254",
        "64:ff9b::c633:6407",
        "64:ff9b::a00:10a",
        "2001:db8:ffff::7",
        "::ffff:10.0.1.10",
    ];
    own.chain(own6).chain(public).chain(odd.map(|text| text.parse().unwrap())).collect()
}

#[test]
fn no_valid_network_makes_a_packet_loop_or_the_engine_panic() {
    let (mut twisted, mut loops, mut forwarded, mut malformed) = (0, 0, 0, 0);
    for seed in seeds(12) {
        let mut rng = Rng::new(seed);
        let mut document = generate::network(&mut rng);
        twisted += twist(&mut rng, &mut document);
        let mut net = Net::new(document);
        let ports: Vec<Port> = net
            .fabric()
            .enis
            .iter()
            .map(|(eni, _)| Port::Interface(eni))
            .chain(net.fabric().hosts.iter().map(|(host, _)| Port::Host(host)))
            .collect();
        let addresses = addresses(&net);
        let past = Past::default();
        for _ in 0..150 {
            let mut port = *rng.pick(&ports);
            let mut frame = match rng.below(3) {
                0 => match generate::packet(&mut rng, &net.topology, &past) {
                    Some((entry, packet)) => {
                        let (from, frame) = witness::frame(&net, &entry, &packet);
                        port = net.port(&from);
                        frame
                    }
                    None => continue,
                },
                _ => {
                    let packet = odd(&mut rng, &addresses);
                    let name = net.name(port);
                    frames::frame(&packet, net.mac(&name), net.router_mac(&name), b"odd")
                }
            };
            match rng.below(6) {
                0 => {
                    for _ in 0..1 + rng.below(4) {
                        let at = rng.below(frame.len());
                        frame[at] ^= 1 << rng.below(8);
                    }
                }
                1 => frame.truncate(rng.below(frame.len() + 1)),
                2 => frame.extend((0..rng.below(80)).map(|n| u8::try_from(n).unwrap())),
                _ => {}
            }
            match survive(&mut net, seed, port, &frame) {
                Outcome::Dropped(DropReason::ForwardingLoop) => loops += 1,
                Outcome::Dropped(DropReason::Malformed(_)) => malformed += 1,
                Outcome::Forwarded(_) => forwarded += 1,
                _ => {}
            }
            net.pause(std::time::Duration::from_millis(10));
        }
        // Questions walk the same ways, there and back.
        for _ in 0..15 {
            let end = |rng: &mut Rng| match (rng.below(6), *rng.pick(&ports)) {
                (0, _) => End::Internet,
                (1, _) => End::Address(*rng.pick(&addresses)),
                (_, Port::Interface(eni)) => End::Interface(eni, None),
                (_, Port::Host(host)) => End::Host(host),
            };
            let (from, to) = (end(&mut rng), end(&mut rng));
            let traffic = match rng.below(4) {
                0 => TrafficQuestion::All,
                1 => TrafficQuestion::Echo,
                2 => TrafficQuestion::Protocol(47),
                _ => TrafficQuestion::Ports { protocol: Protocol::UDP, port: None, source_port: None },
            };
            let ipv6 = *rng.pick(&[None, Some(false), Some(true)]);
            let Ok(explanation) = explain::ask(net.fabric(), from, to, ipv6, traffic) else { continue };
            // Guests that forward start a walk of their own, eight at most.
            assert!(explanation.forward.steps.len() <= 10 * MOST_STEPS, "seed {seed}: {from:?} {to:?}");
        }
    }
    // Loops are rare here; a network made for one follows below.
    let all = [twisted, forwarded, malformed];
    assert!(
        !all.contains(&0),
        "{twisted} twists, {loops} loops, {forwarded} forwarded, {malformed} malformed"
    );
}

#[test]
fn two_transit_gateways_that_send_everything_to_each_other_lose_it_and_count_it() {
    let open = json!([{ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"], "ipv6_cidr_blocks": ["::/0"] }]);
    let mut document = json!({
        "vpcs": { "v0": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56" } },
        "subnets": { "v0-s1": { "vpc": "v0", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8:1:1::/64",
            "route_table": "t" } },
        "route_tables": { "t": { "vpc": "v0", "routes": [] } },
        "security_groups": { "open": { "vpc": "v0", "ingress": open } },
        "instances": { "app": { "subnet": "v0-s1", "private_ip": "10.0.1.10", "ipv6_addresses": ["2001:db8:1:1::10"],
            "security_groups": ["open"] } },
    });
    twist(&mut Rng::new(1), &mut document);
    document["route_tables"]["t"]["routes"] = json!([
        { "cidr_block": "0.0.0.0/0", "transit_gateway": "to" }, { "ipv6_cidr_block": "::/0", "transit_gateway": "to" } ]);
    let mut net = Net::new(document);
    let port = net.port("app");
    for (count, packet) in [
        Packet::new("10.0.1.10", "198.51.100.7", syn(40_000, 443)),
        Packet::new("2001:db8:1:1::10", "2001:db8:ffff::7", ping(7)),
    ]
    .iter()
    .enumerate()
    {
        let frame = frames::frame(packet, net.mac("app"), net.router_mac("app"), b"");
        let outcome = survive(&mut net, 0, port, &frame);
        assert_eq!(outcome, Outcome::Dropped(DropReason::ForwardingLoop));
        let dropped = &net.engine().counters().dropped;
        assert_eq!(dropped[&(port, "forwarding-loop")], u64::try_from(count).unwrap() + 1);
    }
    assert!(net.engine().flows().is_empty(), "nothing is remembered of what went round");
}
