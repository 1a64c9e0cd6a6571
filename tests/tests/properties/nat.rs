//! Do two flows ever share what a NAT gateway lends?

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use vpclab_engine::flow::Capacity;
use vpclab_engine::{Engine, Outlet, Port};
use vpclab_lab::LabOptions;
use vpclab_tests::generate::Rng;
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Body, Flags, Packet, ping, syn, tcp, udp};

use crate::seeds;

/// How long a flow may be idle (NAT-10).
const IDLE: Duration = Duration::from_secs(350);

/// Two public gateways with three addresses and one, and a private one with two; two clients behind each.
pub(crate) fn document() -> Value {
    let mut document = json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16" }, "w": { "cidr_block": "10.1.0.0/16" } },
        "internet_gateways": { "igw": { "vpc": "v" } },
        "vpc_peering_connections": { "pcx": { "vpc": "v", "peer_vpc": "w", "auto_accept": true } },
        "eips": { "p0": { "public_ip": "203.0.113.10" }, "p1": { "public_ip": "203.0.113.11" },
            "p2": { "public_ip": "203.0.113.12" }, "p3": { "public_ip": "203.0.113.13" } },
        "nat_gateways": {
            "many": { "subnet": "edge", "private_ip": "10.0.0.220", "allocation": "p0",
                "secondary_private_ips": ["10.0.0.221", "10.0.0.222"], "secondary_allocations": ["p1", "p2"] },
            "one": { "subnet": "edge", "private_ip": "10.0.0.230", "allocation": "p3" },
            "private": { "subnet": "edge", "connectivity_type": "private", "private_ip": "10.0.0.240",
                "secondary_private_ips": ["10.0.0.241"] },
        },
        "subnets": {
            "edge": { "vpc": "v", "cidr_block": "10.0.0.0/24", "route_table": "edge" },
            "far": { "vpc": "w", "cidr_block": "10.1.0.0/24", "route_table": "far" },
        },
        "route_tables": {
            "edge": { "vpc": "v", "routes": [
                { "cidr_block": "0.0.0.0/0", "gateway": "igw" },
                { "cidr_block": "10.1.0.0/16", "vpc_peering_connection": "pcx" } ] },
            "far": { "vpc": "w", "routes": [{ "cidr_block": "10.0.0.0/16", "vpc_peering_connection": "pcx" }] },
        },
        "security_groups": { "v": { "vpc": "v" },
            "w": { "vpc": "w", "ingress": [{ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] }] } },
        "instances": { "far": { "subnet": "far", "private_ip": "10.1.0.10", "security_groups": ["w"] } },
        "internet_hosts": { "near": { "address": "198.51.100.7" }, "other": { "address": "192.0.2.9" } },
    });
    for (s, nat) in ["many", "one", "private"].into_iter().enumerate() {
        let (subnet, net) = (format!("in-{nat}"), format!("10.0.{}", s + 1));
        document["route_tables"][&subnet] =
            json!({ "vpc": "v", "routes": [{ "cidr_block": "0.0.0.0/0", "nat_gateway": nat }] });
        document["subnets"][&subnet] =
            json!({ "vpc": "v", "cidr_block": format!("{net}.0/24"), "route_table": subnet });
        for i in 0..2 {
            document["instances"][format!("{nat}-{i}")] = json!({ "subnet": subnet, "private_ip": format!("{net}.{}", 10 + i), "security_groups": ["v"] });
        }
    }
    document
}

/// A flow as its client knows it.
#[derive(Debug, Clone)]
struct Flow {
    client: String,
    request: Packet,
    /// Who answers, and the request as it looks there.
    server: String,
    observed: Packet,
    last_seen: Duration,
    /// Whether either side has ended it.
    over: bool,
}

/// What the other side knows of a flow: protocol, the gateway's address and port, its own address and port.
type Lent = (u8, IpAddr, u16, IpAddr, u16);

impl Flow {
    fn is_live(&self, now: Duration) -> bool {
        !self.over && now - self.last_seen <= IDLE
    }
}

/// The packet as it looks where it arrives.
fn observed(request: &Packet, seen: &vpclab_tests::frames::Seen) -> Packet {
    let (src, dst) = seen.ports;
    let body = match request.body {
        Body::Tcp { flags, .. } => tcp(src, dst, flags),
        Body::Udp { .. } => udp(src, dst),
        _ => ping(src),
    };
    Packet::of(seen.src, seen.dst, body)
}

/// Of an echo request only the identifier counts.
fn lent(observed: &Packet) -> Lent {
    let (port, remote_port) = match observed.body {
        Body::Echo { id, .. } => (id, 0),
        Body::Tcp { src, dst, .. } | Body::Udp { src, dst } => (src, dst),
        _ => unreachable!("no such packet is sent"),
    };
    (observed.protocol(), observed.src, port, observed.dst, remote_port)
}

fn with_flags(packet: &Packet, new: Flags) -> Packet {
    let mut packet = packet.clone();
    if let Body::Tcp { flags, .. } = &mut packet.body {
        *flags = new;
    }
    packet
}

#[test]
fn two_live_flows_never_share_a_public_address_port_and_destination() {
    let (mut met, mut kept, mut answered) = (0, 0, 0);
    for seed in seeds(3) {
        let mut rng = Rng::new(seed);
        let mut net = Net::new(document());
        let servers = [("near", "198.51.100.7"), ("other", "192.0.2.9"), ("far", "10.1.0.10")];
        let mut flows: Vec<Flow> = Vec::new();
        // The last flow that had it.
        let mut owners: BTreeMap<Lent, usize> = BTreeMap::new();
        for turn in 0..4000 {
            let now = net.now();
            let known = flows.len().checked_sub(1).map(|last| last - rng.below(last.min(400) + 1));
            match (rng.below(10), known) {
                (0..5, _) | (_, None) => {
                    // Most go to one destination, where the ports are scarce.
                    let nat = *rng.pick(&["many", "one", "one", "private"]);
                    let (server, address) = *if nat == "private" {
                        &servers[2]
                    } else if rng.chance(85) {
                        &servers[0]
                    } else {
                        rng.pick(&servers)
                    };
                    let client = format!("{nat}-{}", rng.below(2));
                    let source =
                        net.topology.network_interfaces[client.as_str()].private_ips().next().unwrap();
                    let port = u16::try_from(rng.below(65_536)).unwrap();
                    let body = match rng.below(6) {
                        0..4 => syn(port, if rng.chance(90) { 443 } else { 80 }),
                        4 => udp(port, 53),
                        _ => ping(port),
                    };
                    let request = Packet::of(source.into(), address.parse().unwrap(), body);
                    let (_, seen) =
                        net.send(&client, &request).delivered().expect("nothing stands in its way");
                    let there = observed(&request, &seen);
                    let key = lent(&there);
                    if let Some(owner) = owners.get(&key).map(|owner| &flows[*owner]) {
                        let same = owner.client == client && owner.request == request;
                        assert!(
                            same || !owner.is_live(now),
                            "seed {seed}, turn {turn}: {client} and {} share {key:?}",
                            owner.client
                        );
                        met += 1;
                    }
                    owners.insert(key, flows.len());
                    let server = (*server).to_owned();
                    flows.push(Flow {
                        client,
                        request,
                        server,
                        observed: there,
                        last_seen: now,
                        over: false,
                    });
                }
                (5 | 6, Some(at)) => {
                    // Whoever has the mapping gets the answer, and a flow that lives has its own.
                    let flow = flows[at].clone();
                    if owners[&lent(&flow.observed)] != at {
                        continue;
                    }
                    let fate = net.send(&flow.server, &flow.observed.answer().unwrap());
                    match fate.delivered() {
                        Some((to, seen)) => {
                            assert_eq!(
                                (&to, seen.dst),
                                (&flow.client, flow.request.src),
                                "seed {seed}, turn {turn}"
                            );
                            assert_eq!(seen.src, flow.request.dst);
                            answered += 1;
                            flows[at].last_seen = now;
                        }
                        None => assert!(
                            !flow.is_live(now),
                            "seed {seed}, turn {turn}: {flow:?} {:?}",
                            fate.outcome
                        ),
                    }
                }
                (7, Some(at)) => {
                    // A flow that goes on keeps what it has.
                    let flow = flows[at].clone();
                    if !flow.is_live(now) || owners[&lent(&flow.observed)] != at {
                        continue;
                    }
                    let next = with_flags(&flow.request, Flags::Ack);
                    let (_, seen) = net.send(&flow.client, &next).delivered().expect("a live flow goes on");
                    assert_eq!(
                        lent(&observed(&next, &seen)),
                        lent(&flow.observed),
                        "seed {seed}, turn {turn}"
                    );
                    flows[at].last_seen = now;
                    kept += 1;
                }
                (8, Some(at)) => {
                    let flow = flows[at].clone();
                    if flow.is_live(now) && flow.request.protocol() == 6 {
                        net.send(&flow.client, &with_flags(&flow.request, Flags::Rst));
                        flows[at].over = true;
                    }
                }
                _ => {
                    let long = rng.chance(2);
                    net.pause(Duration::from_millis(if long { 360_000 } else { 50 }));
                    net.sweep();
                }
            }
        }
    }
    assert!(met > 0 && kept > 100 && answered > 100, "{met} met, {kept} kept, {answered} answered");
}

#[test]
fn a_full_memory_of_nat_flows_refuses_new_ones_and_keeps_the_old() {
    const ROOM: usize = 40;
    let capacity = Capacity { nat_flows: ROOM, ..Capacity::default() };
    let options = LabOptions { guests: false, capacity, ..LabOptions::default() };
    let mut net = Net::with_options(document(), options);
    let open = |port: usize, body: fn(u16, u16) -> Body| {
        Packet::new("10.0.2.10", "198.51.100.7", body(u16::try_from(port).unwrap(), 443))
    };
    let request = |n: usize| open(1000 + n, if n.is_multiple_of(2) { syn } else { udp });
    let first: Vec<Packet> = (0..ROOM)
        .map(|n| {
            let seen = net.send("one-0", &request(n)).arrives_at("near");
            observed(&request(n), &seen)
        })
        .collect();
    for _ in 0..3 {
        net.send("one-0", &open(5000, syn)).dies_of("flow-memory-full");
        net.send("many-0", &Packet::new("10.0.1.10", "192.0.2.9", ping(9))).dies_of("flow-memory-full");
    }
    assert_eq!(net.engine().flows().nat().len(), ROOM);
    let mut refused = 0;
    for ((_, name), count) in &net.engine().counters().dropped {
        refused += if *name == "flow-memory-full" { *count } else { 0 };
    }
    assert_eq!(refused, 6);
    // Those that are there go on, both ways.
    for (n, there) in first.iter().enumerate() {
        let back = net.send("near", &there.answer().unwrap()).arrives_at("one-0");
        assert_eq!(back.dst.to_string(), "10.0.2.10");
        let onward = with_flags(&request(n), Flags::Ack);
        assert_eq!(net.send("one-0", &onward).arrives_at("near").ports.0, lent(there).2);
    }
    // What is over makes room at once, swept or not.
    net.wait(351);
    net.send("one-0", &open(5000, syn)).arrives_at("near");
}

#[test]
fn a_client_fills_its_own_share_of_the_memory_of_nat_flows_and_not_its_neighbours() {
    const SHARE: u16 = 20;
    let capacity = Capacity { nat_flows_per_sender: SHARE.into(), nat_flows: 100, ..Capacity::default() };
    let mut net =
        Net::with_options(document(), LabOptions { guests: false, capacity, ..LabOptions::default() });
    net.change(|d| {
        let vpc = &mut d["vpcs"]["v"];
        vpc["ipv6_cidr_block"] = json!("2001:db8:1::/56");
        d["subnets"]["in-one"]["ipv6_cidr_block"] = json!("2001:db8:1:2::/64");
        d["instances"]["one-0"]["ipv6_addresses"] = json!(["2001:db8:1:2::10"]);
        d["route_tables"]["in-one"]["routes"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "ipv6_cidr_block": "64:ff9b::/96", "nat_gateway": "one" }));
        d["security_groups"]["v"]["egress"] = json!([
            { "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"], "ipv6_cidr_blocks": ["::/0"] }]);
    });
    let four = |port| Packet::new("10.0.2.10", "198.51.100.7", syn(port, 443));
    let six = |port| Packet::new("2001:db8:1:2::10", "64:ff9b::c633:6407", syn(port, 443));
    for port in 0..SHARE / 2 {
        net.send("one-0", &four(1000 + port)).arrives_at("near");
        net.send("one-0", &six(1000 + port)).arrives_at("near");
    }
    // Its flows of both families count together, and those that are there go on.
    net.send("one-0", &four(5000)).dies_of("flow-memory-full");
    net.send("one-0", &six(5000)).dies_of("flow-memory-full");
    net.send("one-0", &four(1000)).arrives_at("near");
    // Its neighbour at the same gateway has a share of its own.
    net.send("one-1", &Packet::new("10.0.2.11", "198.51.100.7", syn(5000, 443))).arrives_at("near");
    net.wait(351);
    net.send("one-0", &four(5000)).arrives_at("near");
}

#[test]
fn ports_are_the_same_for_the_same_seed_and_nobody_foresees_them_without_it() {
    let ports = |seed: u64| -> Vec<u16> {
        let options = LabOptions { guests: false, seed, ..LabOptions::default() };
        let mut net = Net::with_options(document(), options);
        (0..50)
            .map(|n| Packet::new("10.0.2.10", "198.51.100.7", syn(1000 + n, 443)))
            .map(|request| net.send("one-0", &request).arrives_at("near").ports.0)
            .collect()
    };
    assert_eq!(ports(1), ports(1));
    let (one, two) = (ports(1), ports(2));
    let same = one.iter().zip(&two).filter(|(one, two)| one == two).count();
    assert!(same < 5, "{same} of 50 ports are the same for another seed");
    // An engine that is not told has a secret of its own.
    let secrets = [(), ()].map(|()| {
        let net = Net::new(document());
        let mut engine = Engine::new(Capacity::default());
        let request = |n: u16| Packet::new("10.0.2.10", "198.51.100.7", syn(1000 + n, 443));
        (0..50)
            .map(|n| {
                let mut frame =
                    vpclab_tests::frames::frame(&request(n), net.mac("one-0"), net.router_mac("one-0"), &[])
                        .to_vec();
                let mut seen = Seen(0);
                engine.receive(net.fabric(), net.timestamp(), net.port("one-0"), &mut frame, &mut seen);
                seen.0
            })
            .collect::<Vec<u16>>()
    });
    assert_ne!(secrets[0], secrets[1]);
}

/// The source port of what was sent last.
struct Seen(u16);

impl Outlet for Seen {
    fn send(&mut self, _: Port, frame: &[u8]) {
        self.0 = vpclab_tests::frames::read(frame).map_or(0, |seen| seen.ports.0);
    }
}
