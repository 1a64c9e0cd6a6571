//! Do plan, frame and oracle tell the same story?
//!
//! A [`Script`] is a network and what happens in it. Playing it confronts the three witnesses at every packet; a
//! disagreement is cut down to the steps that it needs, and shown with its seed.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use vpclab_engine::flow::Effect;
use vpclab_engine::flow::endpoint::Way;
use vpclab_engine::plan::{Egress, Plan, Verdict as Planned};
use vpclab_engine::{DropReason, Outcome, Recorder, trace};
use vpclab_model::InterfaceType;

use crate::frames::{self, Seen};
use crate::generate::{self, Past, Rng};
use crate::harness::{Net, topology};
use crate::oracle::{
    Choices, Crossings, Entry, Loan, Offer, Oracle, Place, ROUTER_LINK_LOCAL, Reason, Verdict,
};
use crate::packet::{Body, Packet, Piece};

/// What every payload ends with.
const WITNESS: &[u8] = b"witness";

/// A network and what happens in it.
#[derive(Debug, Clone)]
pub struct Script {
    /// The network at the start.
    pub document: Value,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub enum Step {
    /// Time passes.
    Wait(Duration),
    /// The configuration becomes this.
    Change(Value),
    /// A packet is sent.
    Send(Entry, Packet),
}

/// Two witnesses disagree.
#[derive(Debug)]
pub struct Disagreement {
    /// What each of them says.
    pub what: String,
    /// What led to it.
    pub script: Script,
}

/// What packets came to, so that a run that tests nothing is noticed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Delivered.
    pub delivered: usize,
    /// Dropped, in the order of [`Reason`].
    pub dropped: [usize; Reason::COUNT],
    /// Dropped with a word to the sender, which arrived.
    pub told: usize,
    /// Delivered in pieces.
    pub cut: usize,
    /// Delivered by way of gateways.
    pub crossed: Crossings,
}

/// Plays a generated case and confronts the witnesses at each packet.
///
/// # Errors
///
/// The first disagreement, cut down to what it needs.
pub fn run(seed: u64, packets: usize) -> Result<Tally, Box<Disagreement>> {
    let mut rng = Rng::new(seed);
    let document = generate::network(&mut rng);
    let mut script = Script { document: document.clone(), steps: Vec::new() };
    let mut net = Net::new(document.clone());
    let mut present = document.clone();
    let (mut oracle, mut past, mut tally) = (Oracle::default(), Past::default(), Tally::default());
    for _ in 0..packets {
        let pause = generate::pause(&mut rng);
        net.pause(pause);
        script.steps.push(Step::Wait(pause));
        if rng.chance(8)
            && let Some(next) = generate::changed(&mut rng, &present, &document)
        {
            present = next.clone();
            change(&mut net, &mut oracle, &next);
            script.steps.push(Step::Change(next));
        }
        let Some((entry, packet)) = generate::packet(&mut rng, &net.topology, &past) else { continue };
        script.steps.push(Step::Send(entry.clone(), packet.clone()));
        match confront(&mut net, &mut oracle, &entry, &packet) {
            Ok(verdict) => {
                tally.count(&verdict);
                past.record(&entry, &packet, &verdict);
            }
            Err(what) => return Err(Box::new(Disagreement { what, script }.cut_down())),
        }
        if rng.chance(5) {
            net.sweep();
        }
    }
    tally.crossed = oracle.crossings();
    Ok(tally)
}

/// Plays a script; gives the first disagreement, if there is one.
pub fn play(script: &Script) -> Option<String> {
    let mut net = Net::new(script.document.clone());
    let mut oracle = Oracle::default();
    for step in &script.steps {
        match step {
            Step::Wait(pause) => net.pause(*pause),
            Step::Change(next) => change(&mut net, &mut oracle, next),
            Step::Send(entry, packet) => {
                if exists(&net, entry)
                    && let Err(what) = confront(&mut net, &mut oracle, entry, packet)
                {
                    return Some(what);
                }
            }
        }
    }
    None
}

/// Whether a packet can still enter where it is to.
pub fn exists(net: &Net, entry: &Entry) -> bool {
    let attached =
        |name: &str| net.topology.network_interfaces.get(name).is_some_and(|eni| eni.attachment.is_some());
    match entry {
        Entry::Host(_) => true,
        Entry::ToRouter(from) => attached(from),
        Entry::ToNeighbor(from, to) => {
            attached(from) && net.topology.network_interfaces.contains_key(to.as_str())
        }
    }
}

/// Replaces the configuration of both.
pub fn change(net: &mut Net, oracle: &mut Oracle, next: &Value) {
    let previous = net.topology.clone();
    net.change(|document| *document = next.clone());
    oracle.change(&previous, &net.topology, net.now());
}

/// The guest that sends, and the frame it sends.
pub fn frame(net: &Net, entry: &Entry, packet: &Packet) -> (String, Vec<u8>) {
    let (from, dst_mac) = match entry {
        Entry::Host(from) | Entry::ToRouter(from) => (from, net.router_mac(from)),
        Entry::ToNeighbor(from, to) => (from, net.mac(to)),
    };
    let mut payload = vec![0x77; packet.payload.saturating_sub(WITNESS.len())];
    payload.extend_from_slice(WITNESS);
    (from.clone(), frames::frame(packet, net.mac(from), dst_mac, &payload))
}

/// One packet before all three witnesses.
///
/// # Errors
///
/// What each of them says, when they disagree.
pub fn confront(
    net: &mut Net,
    oracle: &mut Oracle,
    entry: &Entry,
    packet: &Packet,
) -> Result<Verdict, String> {
    let (from, frame) = frame(net, entry, packet);
    let remembered = net.engine().flows().len();
    let plan = net.plan(&from, &frame);
    let again = net.plan(&from, &frame);
    if format!("{plan:?}") != format!("{again:?}") || net.engine().flows().len() != remembered {
        return Err(format!("planning twice gives {plan:?} and {again:?}"));
    }
    let choices =
        Choices { offers: offers(net, &plan), loans: loans(net, &plan), doors: doors(net, &from, &frame) };
    let expected = oracle.judge_with(&net.topology, entry, packet, net.now(), &choices);
    let told = |who: &str, what: &dyn fmt::Debug| {
        Err(format!("{entry:?} {packet:?}\noracle: {expected:?}\n{who}: {what:?}"))
    };
    if !agrees(net, &expected, &plan) {
        return told("plan", &plan.verdict);
    }
    if let Some(objection) = oracle.objection() {
        return Err(format!("{entry:?} {packet:?}\n{objection}\nplan: {plan:?}"));
    }
    let fate = net.send_frame(&from, &frame);
    match (&expected, fate.outcome) {
        (Verdict::Delivered(Place::Internet, _), Outcome::LeftForInternet) if fate.sent.is_empty() => {}
        (Verdict::Answered, Outcome::Answered) => {
            let [(back, reply)] = fate.sent.as_slice() else { return told("frames", &fate.sent) };
            let seen = frames::read(reply);
            let right = seen.is_some_and(|seen| (seen.src, seen.dst) == (packet.dst, packet.src));
            if *back != from || !right {
                return told("frames", &fate.sent);
            }
        }
        (Verdict::Dropped(_), Outcome::Dropped(_)) => {
            if !fate.sent.is_empty() || net.engine().flows().len() != remembered {
                return told("a drop leaves a trace", &fate);
            }
        }
        (Verdict::Told(_, arrived), Outcome::Dropped(_)) => {
            let right = match (arrived, fate.sent.as_slice()) {
                _ if oracle.is_unsure() => true,
                (None, []) => true,
                (Some((place, seen)), [(at, frame)]) => {
                    let got = frames::read(frame);
                    got.is_some_and(|got| is_at(net, place, at, &got) && looks_like(&got, seen))
                }
                _ => false,
            };
            if !right {
                return told("what the sender is told", &fate);
            }
        }
        (Verdict::Delivered(place, seen), Outcome::Forwarded(_)) => {
            let Some((at, got)) = fate.delivered() else { return told("frames", &fate) };
            let by_neighbor = matches!(entry, Entry::ToNeighbor(_, to) if *to == at);
            let right_mac = !by_neighbor || got.src_mac == net.mac(&from);
            let payload = matches!(seen.piece, Piece::First(_)) || got.payload.ends_with(WITNESS);
            let alike = right_mac && (by_neighbor || is_at(net, place, &at, &got)) && looks_like(&got, seen);
            if !alike || !payload {
                return told("frame", &(at, got));
            }
        }
        (Verdict::Cut(place, seen, limit), Outcome::Forwarded(_)) => {
            let pieces: Option<Vec<_>> =
                fate.sent.iter().map(|(at, frame)| Some((at, frames::read(frame)?))).collect();
            let pieces = pieces.unwrap_or_default();
            // What NAT64 makes of a piece has a longer header, and a fragment header after it.
            let (whole, of_piece, grown) = if seen.is_ipv6() { (40, 48, 28) } else { (20, 20, 0) };
            let bytes: usize = pieces.iter().map(|(_, piece)| piece.packet_len - of_piece).sum();
            let alike = pieces.len() > 1
                && bytes == seen.len() - whole
                && pieces.iter().all(|(at, got)| {
                    is_at(net, place, at, got)
                        && (got.src, got.dst, got.ttl) == (seen.src, seen.dst, seen.ttl)
                        && got.packet_len <= *limit + grown
                        && got.fragmented
                });
            if !alike {
                return told("pieces", &fate);
            }
        }
        _ => return told("engine", &fate.outcome),
    }
    Ok(expected)
}

/// What NAT gateways lend as the engine plans it.
fn offers(net: &Net, plan: &Plan) -> Vec<Offer> {
    let lent = plan.effects.iter().filter_map(|effect| match effect {
        Effect::Map(binding) => Some(Offer {
            gateway: net.fabric().nat_gateways[binding.inside.gateway.index].name.as_str().to_owned(),
            address: binding.outside.pool.address,
            port: binding.outside.port,
        }),
        _ => None,
    });
    lent.collect()
}

/// By what names services know the clients of endpoints, as the engine plans it.
fn loans(net: &Net, plan: &Plan) -> Vec<Loan> {
    let lent = plan.effects.iter().filter_map(|effect| match effect {
        Effect::OpenEndpoint(flow) => Some(Loan {
            by: match flow.way {
                Way::Interface(eni) => net.fabric().enis[eni.index].name.as_str().to_owned(),
                Way::Route(_) => {
                    net.fabric().vpc_endpoints[flow.client.endpoint.index].name.as_str().to_owned()
                }
            },
            address: flow.server.pool.client,
            port: flow.server.port,
        }),
        _ => None,
    });
    lent.collect()
}

/// The subnets by whose interfaces a frame comes out of transit gateways, as the engine plans it.
fn doors(net: &Net, from: &str, frame: &[u8]) -> Vec<String> {
    let mut recorder = Recorder::default();
    trace(net.fabric(), net.engine().flows(), net.timestamp(), net.port(from), frame, &mut recorder);
    let door = |step: &vpclab_engine::Step| match step {
        vpclab_engine::Step::TransitGateway { subnet, .. } => {
            subnet.map(|subnet| net.fabric().subnets[subnet].name.as_str().to_owned())
        }
        _ => None,
    };
    recorder.steps.iter().filter_map(door).collect()
}

/// Whether a frame is at `place`, from that guest's router.
fn is_at(net: &Net, place: &Place, at: &str, got: &Seen) -> bool {
    match place {
        Place::Interface(name) | Place::Host(name) => {
            // An endpoint's interface is a neighbour of who is in its subnet.
            let endpoint = net.topology.network_interfaces.get(name.as_str()).and_then(|to| {
                let all = net.topology.network_interfaces.iter();
                let mut endpoints = all.filter(|(_, eni)| {
                    eni.subnet == to.subnet && matches!(eni.interface_type, InterfaceType::VpcEndpoint(_))
                });
                endpoints.find(|(_, eni)| match got.src {
                    IpAddr::V4(src) => eni.private_ips().any(|own| own == src),
                    IpAddr::V6(src) => eni.ipv6_addresses.contains(&src),
                })
            });
            // Whoever borrows its address does so by the router.
            let neighbor = endpoint.is_some_and(|(name, _)| got.src_mac == net.mac(name.as_str()));
            let from_who_should = neighbor || got.src_mac == net.router_mac(name);
            at == name && got.dst_mac == net.mac(name) && from_who_should
        }
        Place::Internet => false,
    }
}

/// Whether a frame says what the oracle expects, link addresses aside.
fn looks_like(got: &Seen, seen: &Packet) -> bool {
    let ports = match seen.body {
        _ if matches!(seen.piece, Piece::Later(_)) => (0, 0),
        Body::Tcp { src, dst, .. } | Body::Udp { src, dst } => (src, dst),
        Body::Echo { id, .. } => (id, id),
        Body::Error { .. } | Body::Other(_) => (0, 0),
    };
    let (quoted, quoted_ports) = match seen.body {
        Body::Error { about, .. } => (Some((about.src, about.dst)), about.ports()),
        _ => (None, None),
    };
    let tcp_flags = match seen.body {
        Body::Tcp { flags, .. } => Some(flags.bits()),
        _ => None,
    };
    let is_piece = seen.piece != Piece::Whole;
    let right_source = got.src == seen.src
        || seen.src == IpAddr::V6(ROUTER_LINK_LOCAL)
            && matches!(got.src, IpAddr::V6(src) if src.is_unicast_link_local());
    right_source
        && got.dst == seen.dst
        && got.protocol == seen.protocol()
        && got.ports == ports
        && (is_piece || got.icmp == seen.icmp())
        && (is_piece || got.tcp_flags.map(|flags| flags & 0x17) == tcp_flags)
        && got.quoted == quoted
        && got.quoted_ports == quoted_ports
        && got.ttl == seen.ttl
        && got.fragmented == is_piece
}

fn agrees(net: &Net, expected: &Verdict, plan: &Plan) -> bool {
    match (expected, &plan.verdict) {
        (Verdict::Answered, Planned::Reply(_)) => true,
        (Verdict::Told(reason, _), Planned::Drop(why)) => alike(*reason, why) && plan.born.is_some(),
        (Verdict::Dropped(reason), Planned::Drop(why)) => {
            alike(*reason, why) && plan.effects.is_empty() && plan.born.is_none()
        }
        (Verdict::Delivered(place, seen) | Verdict::Cut(place, seen, _), Planned::Forward(forward)) => {
            let same_place = match (place, forward.egress) {
                (Place::Interface(name), Egress::Interface(eni, _)) => {
                    net.fabric().enis[eni].name.as_str() == name
                }
                (Place::Host(name), Egress::Host(host)) => net.fabric().hosts[host].name.as_str() == name,
                (Place::Internet, Egress::Internet(_)) => true,
                _ => false,
            };
            let limit = match expected {
                Verdict::Cut(_, _, limit) => Some(*limit),
                _ => None,
            };
            same_place
                && forward.fragment_to.map(usize::from) == limit
                && (forward.headers.src, forward.headers.dst) == (seen.src, seen.dst)
        }
        _ => false,
    }
}

/// Whether two reasons tell the same story. That an address leads nowhere has many names; filters are told apart.
fn alike(one: Reason, why: &DropReason) -> bool {
    let leads_nowhere =
        |reason| matches!(reason, Reason::NoDestination | Reason::Gateway | Reason::NotForwarded);
    if matches!(why, DropReason::ForwardingLoop) {
        // The engine does not wait until a packet that goes round among gateways is too old.
        return leads_nowhere(one) || one == Reason::Expired;
    }
    let other = coarse(why);
    one == other || (leads_nowhere(one) && leads_nowhere(other))
}

/// The engine's reason in the oracle's terms.
fn coarse(reason: &DropReason) -> Reason {
    match reason {
        DropReason::SourceDestCheck { .. } => Reason::SourceDestCheck,
        DropReason::SecurityGroup { .. } | DropReason::MidStreamTcp { .. } => Reason::SecurityGroup,
        DropReason::NetworkAcl { .. } => Reason::NetworkAcl,
        DropReason::NoRoute { .. } | DropReason::TransitNoRoute { .. } => Reason::NoRoute,
        DropReason::Blackhole { .. } | DropReason::TransitBlackhole { .. } => Reason::Blackhole,
        DropReason::NoSuchAddress { .. } | DropReason::NotAttached { .. } => Reason::NoDestination,
        DropReason::NoPublicAddress { .. }
        | DropReason::SpoofedSource { .. }
        | DropReason::PrivateDestination { .. }
        | DropReason::SharedDestination { .. }
        | DropReason::PrivateSource
        | DropReason::SharedSource
        | DropReason::ForeignSource
        | DropReason::NoPublicMapping { .. }
        | DropReason::NoSuchInternetHost
        | DropReason::EgressOnlyIpv6 { .. }
        | DropReason::EgressOnlyUnsolicited { .. }
        | DropReason::PeeringInactive { .. }
        | DropReason::PeeringForeignDestination { .. }
        | DropReason::PeeringForeignSource { .. }
        | DropReason::OutboundSmtp => Reason::Gateway,
        DropReason::VpnGatewayForeignSource { .. }
        | DropReason::VpnGatewayForeignDestination { .. }
        | DropReason::VpnGatewayNoRoute { .. }
        | DropReason::CustomerNoRoute { .. } => Reason::Gateway,
        DropReason::NoSuchCustomerHost { .. } => Reason::NoDestination,
        DropReason::NatProtocol { .. }
        | DropReason::NatFragment { .. }
        | DropReason::NatIpv6 { .. }
        | DropReason::NatNoMapping { .. }
        | DropReason::NatForeignClient { .. }
        | DropReason::NatPortAllocation { .. }
        | DropReason::NatUnavailable { .. } => Reason::Gateway,
        DropReason::TtlExpired | DropReason::TransitTtlExpired { .. } => Reason::Expired,
        DropReason::MtuExceeded { .. } | DropReason::TransitMtuExceeded { .. } => Reason::TooLarge,
        _ => Reason::NotForwarded,
    }
}

impl Disagreement {
    /// Leaves out every step without which the witnesses still disagree.
    fn cut_down(mut self) -> Self {
        let mut position = self.script.steps.len();
        while position > 0 {
            position -= 1;
            let mut shorter = self.script.clone();
            shorter.steps.remove(position);
            if let Some(what) = play(&shorter) {
                self = Self { what, script: shorter };
            }
        }
        for kind in [
            "vpc_endpoints",
            "managed_prefix_lists",
            "nat_gateways",
            "vpc_peering_connections",
            "egress_only_internet_gateways",
            "eips",
            "instances",
            "network_interfaces",
            "route_tables",
            "network_acls",
            "security_groups",
            "internet_gateways",
            "subnets",
            "vpcs",
        ] {
            let names: Vec<String> = self.script.document[kind]
                .as_object()
                .map(|all| all.keys().cloned().collect())
                .unwrap_or_default();
            for name in names {
                let mut smaller = self.script.clone();
                if let Some(all) = smaller.document[kind].as_object_mut() {
                    all.remove(&name);
                }
                // What a subnet refers to goes with the reference.
                for subnet in smaller.document["subnets"].as_object_mut().into_iter().flatten() {
                    if let Some(attributes) = subnet.1.as_object_mut() {
                        attributes.retain(|_, value| *value != *name);
                    }
                }
                let changes = smaller.steps.iter().any(|step| matches!(step, Step::Change(_)));
                if !changes
                    && topology(&smaller.document, None).is_ok()
                    && let Some(what) = play(&smaller)
                {
                    self = Self { what, script: smaller };
                }
            }
        }
        self
    }
}

impl Tally {
    fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Dropped(reason) => self.dropped[*reason as usize] += 1,
            Verdict::Told(reason, arrived) => {
                self.dropped[*reason as usize] += 1;
                self.told += usize::from(arrived.is_some());
            }
            Verdict::Cut(..) => self.cut += 1,
            Verdict::Delivered(..) | Verdict::Answered => self.delivered += 1,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let mut dropped = self.dropped;
        for (mine, theirs) in dropped.iter_mut().zip(other.dropped) {
            *mine += theirs;
        }
        Self {
            delivered: self.delivered + other.delivered,
            dropped,
            told: self.told + other.told,
            cut: self.cut + other.cut,
            crossed: self.crossed.plus(other.crossed),
        }
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\nin the network {}\nafter", self.what, self.script.document)?;
        for step in &self.script.steps {
            match step {
                Step::Wait(pause) => writeln!(f, "  {pause:?}")?,
                Step::Change(next) => writeln!(f, "  change to {next}")?,
                Step::Send(entry, packet) => writeln!(f, "  {entry:?} {packet:?}")?,
            }
        }
        Ok(())
    }
}
