//! What does the engine cost per packet, in memory?
//!
//! Frames go through `Engine::receive`: parse, plan, commit, rewrite; nothing is written anywhere. Time is the minimum
//! over batches, as noise only ever adds. Instructions are counted from outside: `scripts/bench-instructions` runs one
//! scenario twice under callgrind, once with more packets, and divides the difference.
//!
//! Run with `cargo bench -p vpclab-engine`, or with `-- --run SCENARIO PACKETS` for one scenario without timing.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use etherparse::PacketBuilder;
use vpclab_engine::flow::Capacity;
use vpclab_engine::{Engine, Fabric, Outcome, Outlet, Port, Timestamp};
use vpclab_model::{Document, Syntax, Topology};
use vpclab_wire::{FrameBuf, MacAddr};

const BATCHES: usize = 30;
const BATCH: usize = 20_000;

/// Counts what leaves, so that nothing is optimised away.
#[derive(Default)]
struct Sink {
    frames: u64,
    bytes: u64,
}

impl Outlet for Sink {
    fn send(&mut self, _: Port, frame: &[u8]) {
        self.frames += 1;
        self.bytes += frame.len() as u64;
    }
}

struct Scenario {
    name: &'static str,
    fabric: Fabric,
    engine: Engine,
    frames: Vec<(Port, Vec<u8>)>,
    /// Whether each packet is to be the first of its flow.
    new_flows: bool,
}

const NAMES: [&str; 7] = [
    "tracked-tcp",
    "untracked-tcp",
    "internet-out",
    "new-10-rules",
    "new-100-rules",
    "new-1000-rules",
    "denied",
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [flag, name, packets] = arguments.as_slice() {
        assert_eq!(flag, "--run", "usage: --run SCENARIO PACKETS");
        let mut scenario = scenario(name);
        black_box(run(&mut scenario, packets.parse().unwrap(), 0));
        return;
    }
    println!("{:<16} {:>10} {:>12}", "scenario", "ns/packet", "Mpps");
    for name in NAMES {
        let mut scenario = scenario(name);
        let mut best = Duration::MAX;
        for batch in 0..BATCHES {
            let start = Instant::now();
            black_box(run(&mut scenario, BATCH, batch * BATCH));
            best = best.min(start.elapsed());
        }
        let nanos = best.as_nanos() as f64 / BATCH as f64;
        println!("{:<16} {:>10.1} {:>12.2}", scenario.name, nanos, 1e3 / nanos);
    }
}

fn run(scenario: &mut Scenario, packets: usize, offset: usize) -> u64 {
    let mut sink = Sink::default();
    let mut buffer = [0u8; 256];
    let count = scenario.frames.len();
    for packet in 0..packets {
        let (port, frame) = &scenario.frames[packet % count];
        // Each packet as it was read: the engine rewrites in place.
        let buffer = &mut buffer[..frame.len()];
        buffer.copy_from_slice(frame);
        if scenario.new_flows {
            // Another source port each time; the engine does not verify transport checksums.
            let flow = u16::try_from((offset + packet) % 60_000).unwrap();
            buffer[46..48].copy_from_slice(&flow.to_be_bytes());
            if flow == 0 {
                scenario.engine = Engine::new(Capacity::default());
            }
        }
        let now = Timestamp::from_nanos(1_000_000 + packet as u64);
        black_box(scenario.engine.receive(&scenario.fabric, now, *port, buffer, &mut sink));
    }
    sink.frames + sink.bytes
}

fn scenario(name: &str) -> Scenario {
    let name = NAMES.into_iter().find(|known| *known == name).unwrap();
    let rules = match name {
        "new-100-rules" => 100,
        "new-1000-rules" => 1000,
        _ => 10,
    };
    let everybody = name == "untracked-tcp";
    let topology = topology(rules, everybody);
    let fabric = Fabric::compile(&topology, None);
    let (a, b) = (fabric.enis.find("a").unwrap(), fabric.enis.find("b").unwrap());
    let router = |eni| fabric.router_of(eni).mac;
    let flags = if name.starts_with("new") || name == "denied" { Flags::Syn } else { Flags::Ack };
    let port = if name == "denied" { 81 } else { 443 };
    let out = frame(fabric.enis[a].mac, router(a), [10, 0, 1, 10], [10, 0, 2, 10], 40_000, port, flags);
    let back = frame(fabric.enis[b].mac, router(b), [10, 0, 2, 10], [10, 0, 1, 10], port, 40_000, flags);
    let internet =
        frame(fabric.enis[a].mac, router(a), [10, 0, 1, 10], [198, 51, 100, 7], 40_000, 443, flags);
    let frames = match name {
        "internet-out" => vec![(Port::Interface(a), internet)],
        "tracked-tcp" | "untracked-tcp" => vec![(Port::Interface(a), out), (Port::Interface(b), back)],
        _ => vec![(Port::Interface(a), out)],
    };
    let new_flows = name.starts_with("new");
    let mut scenario = Scenario { name, fabric, engine: Engine::new(Capacity::default()), frames, new_flows };
    // What is measured must be what the name says.
    let mut first = scenario.frames[0].1.clone();
    let port = scenario.frames[0].0;
    let outcome =
        scenario.engine.receive(&scenario.fabric, Timestamp::ZERO, port, &mut first, &mut Sink::default());
    assert_eq!(matches!(outcome, Outcome::Forwarded(_)), name != "denied", "{name}: {outcome:?}");
    scenario
}

#[derive(Clone, Copy)]
enum Flags {
    Syn,
    Ack,
}

fn frame(
    src_mac: MacAddr,
    dst_mac: MacAddr,
    src: [u8; 4],
    dst: [u8; 4],
    src_port: u16,
    dst_port: u16,
    flags: Flags,
) -> Vec<u8> {
    let tcp =
        PacketBuilder::ethernet2(src_mac.0, dst_mac.0).ipv4(src, dst, 64).tcp(src_port, dst_port, 1, 65_000);
    let tcp = match flags {
        Flags::Syn => tcp.syn(),
        Flags::Ack => tcp.ack(1),
    };
    let mut bytes = Vec::new();
    tcp.write(&mut bytes, &[]).unwrap();
    FrameBuf::from_ethernet(&bytes).into_bytes()
}

/// Two instances in two subnets with `rules` network ACL entries and group rules that do not match before the one
/// that does, and a host of the internet.
fn topology(rules: u16, everybody: bool) -> Topology {
    let entries = |last: &str| {
        let mut entries: Vec<String> = (1..rules.min(30_000))
            .map(|n| {
                format!(
                    r#"{{"rule_no":{n},"action":"deny","protocol":"udp","from_port":{n},"to_port":{n},"cidr_block":"172.16.0.0/12"}}"#
                )
            })
            .collect();
        entries.push(last.to_owned());
        entries.join(",")
    };
    let allow = r#"{"rule_no":32000,"action":"allow","protocol":"-1","cidr_block":"0.0.0.0/0"}"#;
    let acl = entries(allow);
    let source = if everybody { "0.0.0.0/0" } else { "10.0.0.0/8" };
    let mut ingress: Vec<String> = (1..rules)
        .map(|n| {
            format!(r#"{{"protocol":"udp","from_port":{n},"to_port":{n},"cidr_blocks":["172.16.0.0/12"]}}"#)
        })
        .collect();
    ingress.push(format!(r#"{{"protocol":"tcp","from_port":443,"to_port":443,"cidr_blocks":["{source}"]}}"#));
    let ingress = ingress.join(",");
    let text = format!(
        r#"{{
        "vpcs": {{ "v": {{ "cidr_block": "10.0.0.0/16" }} }},
        "internet_gateways": {{ "igw": {{ "vpc": "v" }} }},
        "route_tables": {{ "v/main": {{ "routes": [ {{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }} ] }} }},
        "subnets": {{ "sa": {{ "vpc": "v", "cidr_block": "10.0.1.0/24", "network_acl": "acl" }},
                      "sb": {{ "vpc": "v", "cidr_block": "10.0.2.0/24", "network_acl": "acl" }} }},
        "network_acls": {{ "acl": {{ "vpc": "v", "ingress": [{acl}], "egress": [{acl}] }} }},
        "security_groups": {{ "g": {{ "vpc": "v", "ingress": [{ingress}] }} }},
        "instances": {{ "a": {{ "subnet": "sa", "private_ip": "10.0.1.10", "security_groups": ["g"], "associate_public_ip_address": true }},
                        "b": {{ "subnet": "sb", "private_ip": "10.0.2.10", "security_groups": ["g"] }} }},
        "internet_hosts": {{ "h": {{ "address": "198.51.100.7" }} }}
    }}"#
    );
    let document = Document::parse(&text, Syntax::Json).unwrap();
    Topology::from_document(&document, None).unwrap()
}
