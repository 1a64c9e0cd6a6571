//! Do replies come back through any number of configurations?
//!
//! A million flows of every kind, and a thousand configurations one after the other. What a configuration allows is
//! asked of the explanation, which knows an empty memory only: once for each kind of flow and configuration, so that it
//! costs nothing. That size is a release build's, and takes minutes; debug builds, as CI makes them, open 10,000 flows
//! between 100 configurations in some ten seconds. `VPCLAB_FLOWS` and `VPCLAB_SWAPS` set another size.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use vpclab_engine::explain::{self, End, TrafficQuestion};
use vpclab_engine::{Outcome, Port};
use vpclab_tests::frames::Seen;
use vpclab_tests::generate::Rng;
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Body, Flags, Packet, ping, syn, tcp, udp};
use vpclab_wire::Protocol;

/// How many flows are open at a time.
const OPEN: usize = 1000;

/// The time from packet to packet: a port comes round again after more than NAT gateways remember, idle or draining.
const PACE: Duration = Duration::from_millis(4);

/// Shorter than any idle time: what is older may be forgotten.
const FRESH: Duration = Duration::from_secs(25);

/// How many things a configuration may have another way.
const SWITCHES: usize = 19;

/// The public addresses of the NAT gateway: its first, its second, and what stands for the second at times.
const NAT_PUBLIC: [&str; 3] = ["203.0.113.10", "203.0.113.11", "203.0.113.12"];

/// Which way each of [`SWITCHES`] is.
type Configuration = [bool; SWITCHES];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Tcp,
    Udp,
    Echo,
}

/// Flows that every rule treats alike: from, to, whether in IPv6, of a kind.
type Class = (&'static str, &'static str, bool, Kind);

const CLASSES: [Class; 23] = [
    ("web", "client", false, Kind::Tcp),
    ("web", "client", false, Kind::Udp),
    ("web", "client", false, Kind::Echo),
    ("client", "web", false, Kind::Tcp),
    ("client", "web", false, Kind::Udp),
    ("app", "client", false, Kind::Tcp),
    ("app", "client", false, Kind::Udp),
    ("app", "client", false, Kind::Echo),
    ("web", "peer", false, Kind::Tcp),
    ("web", "peer", false, Kind::Udp),
    ("peer", "web", false, Kind::Tcp),
    ("app", "far", false, Kind::Tcp),
    ("app", "far", false, Kind::Udp),
    ("app", "far", false, Kind::Echo),
    ("far", "web", false, Kind::Tcp),
    ("far", "web", false, Kind::Udp),
    ("web", "app", false, Kind::Tcp),
    ("app", "web", false, Kind::Udp),
    ("client", "web", true, Kind::Tcp),
    ("web", "client", true, Kind::Udp),
    ("web", "far", true, Kind::Tcp),
    ("far", "web", true, Kind::Echo),
    ("twin", "client", false, Kind::Tcp),
];

/// A flow, as its ends know it.
struct Flow {
    class: usize,
    request: Packet,
    /// Who has it, and how it looks there.
    server: String,
    observed: Packet,
    last_seen: Duration,
    /// Whether every configuration since it opened allows it.
    allowed: bool,
    answers: usize,
}

/// What the explanation says of a class: its packet's ends, the ends as the receiver sees them, and whether it is allowed.
#[derive(Debug, Clone, Copy)]
struct Opinion {
    sent: (IpAddr, IpAddr),
    observed: Option<(IpAddr, IpAddr)>,
    reachable: bool,
}

/// `web` and `twin` are on the edge of VPC `a` with an elastic IP between them, `app` is behind its NAT gateways, `peer`
/// across a peering connection, `far` across a transit gateway.
fn document(way: &Configuration) -> Value {
    let rule = |protocol: &str, from: i32, to: i32, block: &str| {
        let family = if block.contains(':') { "ipv6_cidr_blocks" } else { "cidr_blocks" };
        json!({ "protocol": protocol, "from_port": from, "to_port": to, family: [block] })
    };
    let serve = |blocks: &[&str]| -> Vec<Value> {
        let of = |block: &&str| {
            let (echo, request) = if block.contains(':') { ("icmpv6", 128) } else { ("icmp", 8) };
            [rule("tcp", 443, 443, block), rule("udp", 53, 53, block), rule(echo, request, -1, block)]
        };
        blocks.iter().flat_map(of).collect()
    };
    let mut web = serve(if way[18] {
        &["198.51.100.0/24", "10.0.0.0/8", "2001:db8::/32"]
    } else {
        &["0.0.0.0/0", "::/0"]
    });
    web.retain(|rule| !way[0] || rule["protocol"] != "tcp");
    let mut far = serve(&["10.0.0.0/8", "2001:db8::/32"]);
    far.retain(|rule| !way[1] || rule["protocol"] != "udp");
    let peer = serve(if way[2] { &["10.1.7.0/24"] } else { &["10.1.0.0/16"] });
    let entry = |number: u8, action: &str, protocol: &str, block: &str| {
        let family = if block.contains(':') { "ipv6_cidr_block" } else { "cidr_block" };
        json!({ "rule_no": number, "action": action, "protocol": protocol, "from_port": 0, "to_port": 65_535, family: block })
    };
    let acl = |deny: Option<Value>, inbound: bool| {
        let all = [entry(200, "allow", "-1", "0.0.0.0/0"), entry(201, "allow", "-1", "::/0")];
        let mut guarded = all.to_vec();
        guarded.extend(deny);
        let (ingress, egress) = if inbound { (guarded, all.to_vec()) } else { (all.to_vec(), guarded) };
        json!({ "vpc": "a", "ingress": ingress, "egress": egress })
    };
    let inner = way[3].then(|| entry(100, "deny", "tcp", "198.51.100.0/24"));
    let outer = way[4].then(|| entry(100, "deny", "udp", "10.2.0.0/16"));
    let routes = |all: &[(bool, &str, &str, &str)]| -> Vec<Value> {
        let there = all.iter().filter(|(there, ..)| *there);
        there
            .map(|(_, block, kind, target)| {
                let family = if block.contains(':') { "ipv6_cidr_block" } else { "cidr_block" };
                json!({ family: block, *kind: target })
            })
            .collect()
    };
    let has_nat = !way[9];
    let mut nats = json!({ "private": { "subnet": "edge", "connectivity_type": "private", "private_ip": "10.1.0.230" } });
    if has_nat {
        nats["public"] = json!({ "subnet": "edge", "private_ip": "10.1.0.220", "allocation": "n0" });
    }
    if has_nat && !way[8] {
        nats["public"]["secondary_private_ips"] = json!(["10.1.0.221"]);
        nats["public"]["secondary_allocations"] = json!([if way[16] { "n2" } else { "n1" }]);
    }
    if way[14] {
        nats["private"]["secondary_private_ips"] = json!(["10.1.0.231"]);
    }
    let hub = if way[12] {
        json!([{ "destination_cidr_block": "10.3.0.0/16", "blackhole": true }])
    } else {
        json!([])
    };
    let egress = if way[15] {
        rule("tcp", 0, 65_535, "0.0.0.0/0")
    } else {
        json!({ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] })
    };
    // Connections are forgotten as soon as they may be: the ports of a thousand configurations ago come back.
    let instance = |subnet: &str, address: &str, ipv6: &[&str], group: &str| {
        json!({ "subnet": subnet, "private_ip": address, "ipv6_addresses": ipv6, "security_groups": [group],
            "connection_tracking": { "tcp_established_timeout": 60 } })
    };
    json!({
        "vpcs": {
            "a": { "cidr_block": "10.1.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56" },
            "b": { "cidr_block": "10.2.0.0/16" },
            "c": { "cidr_block": "10.3.0.0/16", "ipv6_cidr_block": "2001:db8:3::/56" },
        },
        "internet_gateways": { "igw": { "vpc": "a" } },
        "vpc_peering_connections": { "pcx": { "vpc": "a", "peer_vpc": "b",
            "state": if way[11] { "pending-acceptance" } else { "active" } } },
        "transit_gateways": { "hub": {} },
        "transit_gateway_vpc_attachments": {
            "a": { "transit_gateway": "hub", "vpc": "a", "subnets": ["a-door"], "ipv6_support": true },
            "c": { "transit_gateway": "hub", "vpc": "c", "subnets": ["c-door"], "ipv6_support": true },
        },
        "transit_gateway_route_tables": { "hub/default": { "routes": hub } },
        "eips": {
            "n0": { "public_ip": NAT_PUBLIC[0] }, "n1": { "public_ip": NAT_PUBLIC[1] },
            "n2": { "public_ip": NAT_PUBLIC[2] },
            "moves": { "public_ip": "203.0.113.50", "network_interface": if way[10] { "twin" } else { "web" } },
        },
        "nat_gateways": nats,
        "subnets": {
            "edge": { "vpc": "a", "cidr_block": "10.1.0.0/24", "ipv6_cidr_block": "2001:db8:1::/64",
                "route_table": "edge", "network_acl": "outer" },
            "inner": { "vpc": "a", "cidr_block": "10.1.1.0/24", "route_table": "inner", "network_acl": "inner" },
            "a-door": { "vpc": "a", "cidr_block": "10.1.9.0/28", "ipv6_cidr_block": "2001:db8:1:9::/64" },
            "there": { "vpc": "b", "cidr_block": "10.2.1.0/24", "route_table": "b" },
            "c": { "vpc": "c", "cidr_block": "10.3.1.0/24", "ipv6_cidr_block": "2001:db8:3:1::/64", "route_table": "c" },
            "c-door": { "vpc": "c", "cidr_block": "10.3.9.0/28", "ipv6_cidr_block": "2001:db8:3:9::/64" },
        },
        "network_acls": { "inner": acl(inner, true), "outer": acl(outer, false) },
        "route_tables": {
            "edge": { "vpc": "a", "routes": routes(&[
                (!way[13], "0.0.0.0/0", "gateway", "igw"),
                (!way[17], "::/0", "gateway", "igw"),
                (true, "10.2.0.0/16", "vpc_peering_connection", "pcx"),
                (!way[5], "10.3.0.0/16", "transit_gateway", "hub"),
                (true, "2001:db8:3::/56", "transit_gateway", "hub"),
            ]) },
            "inner": { "vpc": "a", "routes": routes(&[
                (has_nat, "0.0.0.0/0", "nat_gateway", "public"),
                (true, "10.3.0.0/16", "nat_gateway", "private"),
            ]) },
            "b": { "vpc": "b", "routes": routes(&[(!way[7], "10.1.0.0/16", "vpc_peering_connection", "pcx")]) },
            "c": { "vpc": "c", "routes": routes(&[
                (!way[6], "10.1.0.0/16", "transit_gateway", "hub"),
                (true, "2001:db8:1::/56", "transit_gateway", "hub"),
            ]) },
        },
        "security_groups": {
            "web": { "vpc": "a", "ingress": web },
            "twin": { "vpc": "a", "ingress": serve(&["0.0.0.0/0", "::/0"]) },
            "app": { "vpc": "a", "ingress": serve(&["10.0.0.0/8"]), "egress": [egress] },
            "peer": { "vpc": "b", "ingress": peer },
            "far": { "vpc": "c", "ingress": far },
        },
        "instances": {
            "web": instance("edge", "10.1.0.10", &["2001:db8:1::10"], "web"),
            "twin": instance("edge", "10.1.0.11", &[], "twin"),
            "app": instance("inner", "10.1.1.10", &[], "app"),
            "peer": instance("there", "10.2.1.10", &[], "peer"),
            "far": instance("c", "10.3.1.10", &["2001:db8:3:1::10"], "far"),
        },
        "internet_hosts": { "client": { "address": "198.51.100.7", "ipv6_address": "2001:db8:ffff::7" } },
    })
}

/// What the running configuration says of each class.
fn opinions(net: &Net) -> Vec<Option<Opinion>> {
    let end = |name: &str| match net.port(name) {
        Port::Interface(eni) => End::Interface(eni, None),
        Port::Host(host) => End::Host(host),
    };
    let of = |&(from, to, ipv6, kind): &Class| {
        let (from, to) = (end(from), end(to));
        let ends = explain::resolve(net.fabric(), from, to, Some(ipv6)).ok()?;
        let ports = |protocol, port| TrafficQuestion::Ports { protocol, port: Some(port), source_port: None };
        let traffic = match kind {
            Kind::Tcp => ports(Protocol::TCP, 443),
            Kind::Udp => ports(Protocol::UDP, 53),
            Kind::Echo => TrafficQuestion::Echo,
        };
        let explanation = explain::ask(net.fabric(), from, to, Some(ipv6), traffic).unwrap();
        let observed = explanation.forward.observed.map(|seen| (seen.src, seen.dst));
        let reachable = explanation.reachable.expect("everything here is modelled");
        Some(Opinion { sent: (ends.source, ends.destination), observed, reachable })
    };
    CLASSES.iter().map(of).collect()
}

/// Whether a configuration allows a flow that is there: it leads where it led, and who lent it an address still has that.
fn allows(way: &Configuration, opinion: Option<&Opinion>, flow: &Flow) -> bool {
    let Some(opinion) = opinion.filter(|opinion| opinion.reachable) else { return false };
    let (from, to, ..) = CLASSES[flow.class];
    let seen = flow.observed.src.to_string();
    let translation = match (from, to) {
        ("app", "client") => {
            let second = if way[16] { NAT_PUBLIC[2] } else { NAT_PUBLIC[1] };
            seen == NAT_PUBLIC[0] || (!way[8] && seen == second)
        }
        ("app", "far") => seen == "10.1.0.230" || (way[14] && seen == "10.1.0.231"),
        _ => opinion.observed == Some((flow.observed.src, flow.observed.dst)),
    };
    translation && opinion.sent == (flow.request.src, flow.request.dst)
}

/// The packet as it looks where it arrives.
fn observed(request: &Packet, seen: &Seen) -> Packet {
    let (src, dst) = seen.ports;
    let body = match request.body {
        Body::Tcp { flags, .. } => tcp(src, dst, flags),
        Body::Udp { .. } => udp(src, dst),
        _ => ping(src),
    };
    Packet::of(seen.src, seen.dst, body)
}

fn with_flags(mut packet: Packet, new: Flags) -> Packet {
    if let Body::Tcp { flags, .. } = &mut packet.body {
        *flags = new;
    }
    packet
}

fn size(name: &str, full: usize, debug: usize) -> usize {
    let normally = if cfg!(debug_assertions) { debug } else { full };
    std::env::var(name).map_or(normally, |text| text.parse().unwrap())
}

/// What happened, so that a run that tests nothing is noticed.
#[derive(Debug, Default)]
struct Tally {
    opened: usize,
    refused: usize,
    answered: usize,
    cut: usize,
    swaps: usize,
    /// Answers that had to arrive after another configuration came.
    survived: usize,
    /// Answers of flows that were cut which another flow of the same sender got, as it has their port now.
    reused: usize,
}

struct Run {
    net: Net,
    rng: Rng,
    way: Configuration,
    /// What the explanation says, by configuration.
    known: BTreeMap<Configuration, Vec<Option<Opinion>>>,
    open: Vec<(usize, Flow)>,
    tally: Tally,
}

impl Run {
    fn new(seed: u64) -> Self {
        let way = [false; SWITCHES];
        let net = Net::new(document(&way));
        let known = BTreeMap::from([(way, opinions(&net))]);
        Self { net, rng: Rng::new(seed), way, known, open: Vec::new(), tally: Tally::default() }
    }

    fn swap(&mut self) {
        // Things go wrong, and are put right sooner than others go wrong.
        let wrong: Vec<usize> = (0..SWITCHES).filter(|at| self.way[*at]).collect();
        let at =
            if wrong.len() > self.rng.below(5) { *self.rng.pick(&wrong) } else { self.rng.below(SWITCHES) };
        self.way[at] = !self.way[at];
        let next = document(&self.way);
        self.net.change(|d| *d = next);
        let opinions = self.known.entry(self.way).or_insert_with(|| opinions(&self.net));
        for (_, flow) in &mut self.open {
            flow.allowed = flow.allowed && allows(&self.way, opinions[flow.class].as_ref(), flow);
        }
        self.tally.swaps += 1;
    }

    /// A flow of some class is opened, by a port that none of the others has had for long.
    fn open(&mut self) {
        let class = self.rng.below(CLASSES.len());
        let Some(opinion) = self.known[&self.way][class] else { return };
        let port = u16::try_from(1024 + self.tally.opened % 64_000).unwrap();
        let (from, to, _, kind) = CLASSES[class];
        let body = match kind {
            Kind::Tcp => syn(port, 443),
            Kind::Udp => udp(port, 53),
            Kind::Echo => ping(port),
        };
        self.tally.opened += 1;
        let request = Packet::of(opinion.sent.0, opinion.sent.1, body);
        let fate = self.net.send(from, &request);
        let Some((server, seen)) = fate.delivered() else {
            assert!(!opinion.reachable, "{:?} {request:?} does not open: {:?}", CLASSES[class], fate.outcome);
            self.tally.refused += 1;
            return;
        };
        assert_eq!(server, to, "{request:?} goes astray");
        let observed = observed(&request, &seen);
        let answers = 1 + self.rng.below(3);
        let last_seen = self.net.now();
        let mut flow = Flow { class, request, server, observed, last_seen, allowed: true, answers };
        flow.allowed = allows(&self.way, Some(&opinion), &flow);
        assert_eq!(flow.allowed, opinion.reachable, "{:?} {:?}", CLASSES[class], flow.observed);
        self.open.push((self.tally.swaps, flow));
    }

    /// The other end of a flow answers.
    fn answer(&mut self, at: usize) {
        let now = self.net.now();
        let (since, flow) = &mut self.open[at];
        let fresh = now - flow.last_seen <= FRESH;
        let mut answer = flow.observed.answer().unwrap();
        if !matches!(flow.request.body, Body::Tcp { flags: Flags::Syn, .. }) {
            answer = with_flags(answer, Flags::Ack);
        }
        let (from, ..) = CLASSES[flow.class];
        let fate = self.net.send(&flow.server, &answer);
        let mut reused = false;
        let got = match fate.delivered() {
            Some((to, seen)) => {
                let back = observed(&flow.request.answer().unwrap(), &seen);
                let expected = flow.request.answer().unwrap();
                assert_eq!(to, from, "{answer:?} goes to somebody else");
                assert_eq!((back.src, back.dst), (expected.src, expected.dst));
                let ports = match expected.body {
                    Body::Tcp { src, dst, .. } | Body::Udp { src, dst } => (src, dst),
                    Body::Echo { id, .. } => (id, id),
                    _ => unreachable!("no such packet is sent"),
                };
                let is_own = seen.ports == ports;
                // A configuration has cut the flow, and its port was lent again: the answer is the next flow's.
                reused = !is_own;
                assert!(
                    is_own || !flow.allowed,
                    "{answer:?} goes to another flow: {ports:?} {:?}",
                    seen.ports
                );
                is_own
            }
            None => {
                let dropped = matches!(fate.outcome, Outcome::Dropped(_) | Outcome::LeftForInternet);
                assert!(dropped, "{answer:?} has no end: {fate:?}");
                false
            }
        };
        assert!(
            got || !flow.allowed || !fresh,
            "{:?}: {answer:?} dies though every configuration allows it: {:?} {:?}",
            CLASSES[flow.class],
            fate.outcome,
            self.way
        );
        let outlived = *since != self.tally.swaps;
        self.tally.survived += usize::from(got && flow.allowed && outlived);
        self.tally.reused += usize::from(reused);
        if got {
            self.tally.answered += 1;
        } else {
            self.tally.cut += 1;
        }
        flow.answers -= 1;
        flow.last_seen = now;
        let is_last = flow.answers == 0 || !got;
        // The sender goes on, or ends it.
        let (allowed, tcp) = (flow.allowed && fresh, flow.request.protocol() == 6);
        let next = with_flags(flow.request.clone(), if is_last { Flags::Rst } else { Flags::Ack });
        flow.request = with_flags(flow.request.clone(), Flags::Ack);
        flow.observed = with_flags(flow.observed.clone(), Flags::Ack);
        if tcp {
            let delivered = self.net.send(from, &next).delivered();
            assert!(delivered.is_some() || !allowed, "{next:?} dies though every configuration allows it");
        }
        if is_last {
            self.open.swap_remove(at);
        }
    }
}

#[test]
fn a_reply_reaches_its_sender_or_nobody_and_does_whenever_every_configuration_since_allows_it() {
    let (flows, swaps) = (size("VPCLAB_FLOWS", 1_000_000, 10_000), size("VPCLAB_SWAPS", 1000, 100));
    let mut run = Run::new(std::env::var("VPCLAB_SEED").map_or(1, |text| text.parse().unwrap()));
    let between = (flows / swaps.max(1)).max(1);
    let mut turn = 0_u64;
    let mut next_swap = between;
    while run.tally.opened < flows || !run.open.is_empty() {
        turn += 1;
        run.net.pause(PACE);
        if turn.is_multiple_of(4) {
            run.net.sweep();
        }
        if run.tally.opened >= next_swap {
            next_swap += between;
            run.swap();
        }
        let all_opened = run.tally.opened >= flows;
        if !all_opened && (run.open.len() < OPEN.min(flows / 4) || run.rng.chance(45)) {
            let opened = run.tally.opened;
            run.open();
            // Nothing of the class has an address to be opened with.
            run.tally.opened += usize::from(run.tally.opened == opened);
        } else {
            let at = run.rng.below(run.open.len());
            if !run.open.is_empty() {
                run.answer(at);
            }
        }
    }
    let Tally { refused, answered, cut, survived, .. } = run.tally;
    println!("{:?}, {} configurations", run.tally, run.known.len());
    assert!(run.tally.swaps >= swaps - 1, "{:?}", run.tally);
    assert!([refused, cut, survived].iter().all(|count| *count > flows / 100), "{:?}", run.tally);
    assert!(answered > flows / 2, "{:?}", run.tally);
    assert!(run.tally.reused <= flows / 1000, "{:?}", run.tally);
    let connections = run.net.engine().flows().len();
    assert!(connections < 400_000, "{connections} connections are remembered, of which few can live");
}
