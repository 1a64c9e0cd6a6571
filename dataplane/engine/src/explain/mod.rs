//! Why would this packet pass, or die?
//!
//! An explanation is the plan of the packet that the question describes, recorded, and the plan of its answer, each
//! with all that denies it (a filter's denial is noted and the walk goes on). Nothing here knows a rule of forwarding.
//!
//! A question often means many packets: any source port, every protocol. The rules that a walk met say where their
//! verdict can change; between two such cuts all packets fare alike, so one of each class is walked and the answer is
//! exact. If only part of them passes, the answer is no.

mod classes;
mod ends;
mod journey;

use std::collections::BTreeSet;
use std::net::IpAddr;

use vpclab_wire::{
    IcmpHeader, IcmpMessage, IpHeaders, Protocol, TcpFlags, TcpHeader, Transport, is_icmp_error,
    is_icmp_query,
};

pub use classes::{Class, EPHEMERAL_PORTS, MANAGED_PORTS, NAT_PORTS, PortSet, TrafficQuestion, merge};
pub use ends::{End, EndError, Ends, Start, anonymous_address, chosen_ports, guest_next_hop, resolve};

use self::journey::Journey;
use crate::fabric::{Direction, Fabric, Peer, Role};
use crate::flow::{FlowTable, is_reply};
use crate::index::EniIdx;
use crate::packet::Selector;
use crate::plan::{Choices, Egress, Origin};
use crate::reason::{DropReason, Unmodelled};
use crate::step::Step;

/// How many ways are walked for the packets of one class. Where gateways choose there are two or three.
const MAX_WAYS: usize = 64;

/// How often the classes are made finer. Each round finds new tables or ends the search; paths are far shorter.
const MAX_ROUNDS: usize = 16;

/// Who asks about what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The two ends.
    pub ends: Ends,
    /// The packets meant.
    pub traffic: TrafficQuestion,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The request is delivered and its answer returns; none where that depends on what is not modelled, or where the
    /// answer is [inexhaustive](Self::inexhaustive). Whether whoever took the request is who was meant is the asker's to
    /// compare, by the forward leg's [egress](Leg::egress).
    pub reachable: Option<bool>,
    /// The way of the request: of a packet that dies, if there is one, else of one that passes.
    pub forward: Leg,
    /// The way of the answer, walked wherever the request's walk reached its end.
    pub back: Option<Leg>,
    /// Everything that denies, in the order of the walks.
    pub blockers: Vec<Blocker>,
    /// The packets that nothing denies, where others are denied. What is not modelled may still stop some of them.
    pub not_denied: Vec<Class>,
    /// What the answer depends on and the engine does not model.
    pub unmodelled: Vec<Unmodelled>,
    /// Whether the rules tell more packets apart than are walked, so that nothing is known of some.
    pub inexhaustive: bool,
    /// Whether a documented random choice decides (PIPE-15): some packets pass on some of the ways that gateways may take
    /// for them, and die on others.
    pub by_choice: bool,
    /// The sources that receivers see, of all packets that reach one: several where gateways choose among addresses.
    pub sources: BTreeSet<IpAddr>,
    /// A way of the request to each other end that gateways may choose: for the asker to compare, as `forward`.
    pub elsewhere: Vec<Leg>,
    /// The guests on all ways that are walked which send on what is not theirs.
    pub middleboxes: BTreeSet<Middleboxes>,
    /// Every other way that gateways may choose for the packets, there and back, where steps differ from those of
    /// `forward` and `back`.
    pub other_ways: Vec<(Vec<Step>, Vec<Step>)>,
}

/// The guests on one way that send on what is not theirs, each by the interfaces where it takes and sends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Middleboxes {
    /// On the way of the request.
    pub forward: BTreeSet<(EniIdx, EniIdx)>,
    /// On the way of the answer.
    pub back: BTreeSet<(EniIdx, EniIdx)>,
    /// Whether the answer's way leads back to who asked, denied or not.
    pub returns: bool,
}

/// One way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// What the walk examined.
    pub steps: Vec<Step>,
    /// Why the packet dies; none if it is delivered.
    pub dropped: Option<DropReason>,
    /// The headers as the receiver sees them, where the walk reached one.
    pub observed: Option<IpHeaders>,
    /// Where the walk left the engine.
    pub egress: Option<Egress>,
}

/// Something that denies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// What, by which rule.
    pub reason: DropReason,
    /// Whether it denies the answer rather than the request.
    pub on_return: bool,
    /// The packets it denies, where it does not deny all that were asked about.
    pub partial: Option<Vec<Class>>,
    /// Whether it denies them only on some of the ways that gateways may choose for them (PIPE-15).
    pub by_choice: bool,
}

/// How packets of one class fare on one of the ways that gateways may choose for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// The packets.
    pub class: Class,
    /// The way of the request.
    pub forward: Leg,
    /// The way of the answer, walked wherever the request's walk reached its end.
    pub back: Option<Leg>,
    /// All that denies, each with whether it denies the answer rather than the request.
    pub denials: Vec<(bool, DropReason)>,
}

/// How the packets of a question fare, class by class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Every class on every way that gateways may choose for it; the ways of one class stand together. The classes have
    /// no packet in common, and together they are all packets of the question.
    pub fates: Vec<Fate>,
    /// Whether that is all: every packet of a class fares alike, and every way was walked.
    pub is_exhaustive: bool,
}

/// Answers `question` about a new connection, with empty flow memory.
pub fn explain(fabric: &Fabric, question: &Question) -> Explanation {
    let Survey { fates, is_exhaustive } = survey(fabric, question);
    summarise(fates, !is_exhaustive)
}

/// Walks the packets of a question, class by class: a new connection, with empty flow memory.
pub fn survey(fabric: &Fabric, question: &Question) -> Survey {
    let chosen = chosen_ports(fabric, question.ends.from);
    let mut classes = question.traffic.classes(question.ends.ipv6(), chosen);
    let mut fates = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let mut all_ways = true;
        fates = Vec::with_capacity(classes.len());
        for class in &classes {
            all_ways &= walk_every_way(fabric, &question.ends, class, &mut fates);
        }
        let forward = fates.iter().flat_map(|fate: &Fate| &fate.forward.steps);
        let back = fates.iter().flat_map(Fate::steps_back);
        match classes::refine(fabric, &classes, forward, back) {
            Some(finer) if finer.len() == classes.len() => return Survey { fates, is_exhaustive: all_ways },
            Some(finer) => classes = finer,
            None => break,
        }
    }
    Survey { fates, is_exhaustive: false }
}

/// The answer for an interface that the internet cannot address at all, as far as anybody knows.
fn unaddressable(fabric: &Fabric, eni: EniIdx) -> Explanation {
    let unknown = fabric.enis[eni].unknown;
    let reason = unknown.map_or(DropReason::NoPublicAddressForIngress { eni }, DropReason::NotModelled);
    let is_certain = unknown.is_none();
    Explanation {
        reachable: is_certain.then_some(false),
        forward: Leg { steps: Vec::new(), dropped: Some(reason), observed: None, egress: None },
        back: None,
        blockers: is_certain
            .then_some(Blocker { reason, on_return: false, partial: None, by_choice: false })
            .into_iter()
            .collect(),
        not_denied: Vec::new(),
        unmodelled: reason.unmodelled().into_iter().collect(),
        inexhaustive: false,
        by_choice: false,
        sources: BTreeSet::new(),
        middleboxes: BTreeSet::new(),
        other_ways: Vec::new(),
        elsewhere: Vec::new(),
    }
}

/// Answers a question between two ends as they were asked about.
///
/// # Errors
///
/// [`EndError`] when the ends do not make a question, as when they have no address family in common.
pub fn ask(
    fabric: &Fabric,
    from: End,
    to: End,
    ipv6: Option<bool>,
    traffic: TrafficQuestion,
) -> Result<Explanation, EndError> {
    match resolve(fabric, from, to, ipv6) {
        Ok(ends) => Ok(explain(fabric, &Question { ends, traffic })),
        Err(EndError::NoPublicAddress(eni)) => Ok(unaddressable(fabric, eni)),
        Err(error) => Err(error),
    }
}

impl Fate {
    fn steps_back(&self) -> impl Iterator<Item = (&Step, classes::Way)> {
        let is_nat = |step: &Step| matches!(step, Step::NatGateway { .. });
        let translated = self.forward.steps.iter().any(is_nat);
        self.back.iter().flat_map(move |leg| classes::steps_back(&leg.steps, translated))
    }

    /// Whom the request and its answer pass; none if there is nobody.
    fn middleboxes(&self) -> Option<Middleboxes> {
        let of = |leg: &Leg| -> BTreeSet<(EniIdx, EniIdx)> {
            let passed = leg.steps.iter().filter_map(|step| match *step {
                Step::Forward { eni, out, .. } => Some((eni, out)),
                _ => None,
            });
            passed.collect()
        };
        let forward = of(&self.forward);
        let back = self.back.as_ref().map(of).unwrap_or_default();
        if forward.is_empty() && back.is_empty() {
            return None;
        }
        let is_lost = self.denials.iter().any(|(_, reason)| {
            matches!(reason, DropReason::Misdelivered { .. } | DropReason::AnsweredFromElsewhere { .. })
        });
        let arrives = self.back.as_ref().is_some_and(|leg| leg.egress.is_some());
        Some(Middleboxes { forward, back, returns: arrives && !is_lost })
    }

    /// Whether something denies these packets, whatever may become of them by what is not modelled.
    pub fn is_denied(&self) -> bool {
        self.denials.iter().any(|(_, reason)| reason.unmodelled().is_none())
    }

    /// What is not modelled and may stop them.
    pub fn unmodelled(&self) -> impl Iterator<Item = Unmodelled> {
        self.denials.iter().filter_map(|(_, reason)| reason.unmodelled())
    }
}

/// Walks one packet of a class, and its answer, on each of the ways that gateways may choose for them; false if there are
/// more than [`MAX_WAYS`].
fn walk_every_way(fabric: &Fabric, ends: &Ends, class: &Class, fates: &mut Vec<Fate>) -> bool {
    let mut choices = Choices::default();
    for _ in 0..MAX_WAYS {
        fates.push(walk(fabric, ends, class, &choices));
        if !choices.advance() {
            return true;
        }
    }
    false
}

/// Walks one packet of a class, and its answer.
fn walk(fabric: &Fabric, ends: &Ends, class: &Class, choices: &Choices) -> Fate {
    let mut flows = FlowTable::default();
    let request = headers(ends.source, ends.destination, class);
    let origin = match ends.from {
        ends::Start::Interface(eni) => match guest_next_hop(fabric, eni, ends.destination) {
            Ok(next_hop) => Ok(Origin::Interface { eni, next_hop }),
            Err(reason) => Err(reason),
        },
        ends::Start::Host(host) => Ok(Origin::Host(host)),
        ends::Start::Internet => Ok(Origin::Internet),
    };
    let nat_port = match class {
        Class::Ports { nat_ports, .. } => Some(nat_ports.from),
        _ => None,
    };
    let mut journey = Journey::new(fabric, &mut flows, nat_port, choices);
    let (mut forward, mut denials) = journey.walk(origin, &request, Some(class));
    if let ends::Start::Interface(eni) = ends.from
        && let Role::NotModelled(resource) = fabric.enis[eni].role
        && !fabric.not_modelled[resource].sends
    {
        // Under which address, to whom and filtered by what it sends is not known: nor is what others make of that, but
        // for groups that let nobody in by any address.
        denials.retain(|(_, reason)| lets_nobody_in(fabric, eni, &request, *reason));
        forward.dropped =
            denials.first().map(|(_, reason)| *reason).or(Some(DropReason::NotModelled(resource)));
        denials.push((false, DropReason::NotModelled(resource)));
        return Fate { class: *class, forward, back: None, denials };
    }
    if let ends::Start::Interface(eni) = ends.from
        && let Some(resource) = fabric.enis[eni].unknown
    {
        // Of which groups it is a member is not known.
        denials.retain(|(_, reason)| !may_know_groups(fabric, &request, *reason));
        let mut reasons = denials.iter().map(|(_, reason)| *reason);
        let denied = reasons.find(|reason| reason.unmodelled().is_none());
        forward.dropped = denied.or(Some(DropReason::NotModelled(resource)));
    }
    if denials.iter().any(|(_, reason)| may_be_for_groups(fabric, &request, *reason)) {
        // Nor is it of whom the request is for; that he is not known is among the reasons, if the request comes to him.
        denials.retain(|(_, reason)| !may_be_for_groups(fabric, &request, *reason));
        forward.dropped = denials.first().map(|(_, reason)| *reason);
    }
    let mut back = None;
    if let (Some(egress), Some(observed)) = (forward.egress, &forward.observed)
        // As if the request had been delivered, whatever denied it.
        && let Some(answer) = answer(observed)
    {
        let origin = match egress {
            Egress::Interface(eni, _) => {
                guest_next_hop(fabric, eni, answer.dst).map(|next_hop| Origin::Interface { eni, next_hop })
            }
            Egress::Host(host) => Ok(Origin::Host(host)),
            Egress::Internet(_) => Ok(Origin::Internet),
        };
        let (mut leg, more) = journey.walk(origin, &answer, None);
        denials.extend(more);
        let may_arrive = leg.dropped.is_none_or(|reason| reason.unmodelled().is_some());
        if may_arrive && let Some(reason) = not_returned(ends, &leg) {
            leg.dropped = Some(reason);
            denials.push((true, reason));
        }
        back = Some(leg);
    }
    Fate { class: *class, forward, back, denials }
}

/// Whether the groups of whom a request is for deny it, whatever address `sender` may put on it.
fn lets_nobody_in(fabric: &Fabric, sender: EniIdx, request: &IpHeaders, reason: DropReason) -> bool {
    let DropReason::SecurityGroup { eni, direction: Direction::Inbound, .. } = reason else { return false };
    let selector = Selector::of(request.protocol, &request.transport);
    let mut rules = fabric.policy(eni, Direction::Inbound).rules.iter();
    let is_asked = eni != sender && fabric.enis[eni].owns(request.dst);
    is_asked && !rules.any(|rule| rule.peer != Peer::Nobody && selector.is_covered_by(&rule.traffic))
}

/// Whether groups deny a request that they let in from members of some group.
fn may_know_groups(fabric: &Fabric, request: &IpHeaders, reason: DropReason) -> bool {
    let DropReason::SecurityGroup { eni, direction, .. } = reason else { return false };
    let selector = Selector::of(request.protocol, &request.transport);
    let mut rules = fabric.policy(eni, direction).rules.iter();
    rules.any(|rule| matches!(rule.peer, Peer::Group(_)) && selector.is_covered_by(&rule.traffic))
}

/// Whether groups deny a request that they let out to members of some group, of which whom it is for may be one.
fn may_be_for_groups(fabric: &Fabric, request: &IpHeaders, reason: DropReason) -> bool {
    let DropReason::SecurityGroup { eni, direction: Direction::Outbound, .. } = reason else { return false };
    let own = fabric.enis[eni].vpc;
    let mut around = std::iter::once(&own).chain(&fabric.vpcs[own].peers);
    let is_unknown = around.any(|vpc| {
        let receiver = fabric.interface_at(*vpc, request.dst);
        receiver.is_some_and(|receiver| fabric.enis[receiver].unknown.is_some())
    });
    is_unknown && may_know_groups(fabric, request, reason)
}

/// Why an answer that arrived is none to who asked, if so.
fn not_returned(ends: &Ends, leg: &Leg) -> Option<DropReason> {
    let observed = leg.observed.as_ref()?;
    let same_place = match (ends.from, leg.egress) {
        (ends::Start::Interface(asked), Some(Egress::Interface(reached, _))) => asked == reached,
        (ends::Start::Host(asked), Some(Egress::Host(reached))) => asked == reached,
        (ends::Start::Internet, Some(Egress::Internet(_))) => true,
        _ => false,
    };
    if !same_place || observed.dst != ends.source {
        return Some(DropReason::Misdelivered { reached: leg.egress });
    }
    let from = observed.src;
    (from != ends.destination).then_some(DropReason::AnsweredFromElsewhere { from })
}

/// One answer out of the fates of all classes.
fn summarise(fates: Vec<Fate>, inexhaustive: bool) -> Explanation {
    let mut reasons: Vec<(bool, DropReason)> = Vec::new();
    let mut unmodelled = Vec::new();
    for fate in &fates {
        for denial in &fate.denials {
            let is_new = denial.1.unmodelled().is_none() && !reasons.contains(denial);
            if is_new {
                reasons.push(*denial);
            }
        }
        for what in fate.unmodelled() {
            if !unmodelled.contains(&what) {
                unmodelled.push(what);
            }
        }
    }
    let blockers: Vec<Blocker> = reasons
        .into_iter()
        .map(|(on_return, reason)| {
            let of = |denied: bool| -> BTreeSet<Class> {
                let is_so = |fate: &&Fate| fate.denials.contains(&(on_return, reason)) == denied;
                fates.iter().filter(is_so).map(|fate| fate.class).collect()
            };
            let (denied, others) = (of(true), of(false));
            let by_choice = !denied.is_disjoint(&others);
            let is_all = others.is_subset(&denied);
            let partial = (!is_all).then(|| classes::merge(denied.into_iter().collect()));
            Blocker { reason, on_return, partial, by_choice }
        })
        .collect();
    let of = |denied: bool| -> BTreeSet<Class> {
        fates.iter().filter(|fate| fate.is_denied() == denied).map(|fate| fate.class).collect()
    };
    let (denied, passing) = (of(true), of(false));
    let by_choice = !denied.is_disjoint(&passing);
    let reachable = match (blockers.is_empty(), unmodelled.is_empty()) {
        (false, _) => Some(false),
        (true, false) => None,
        (true, true) => (!inexhaustive).then_some(true),
    };
    let not_denied =
        if blockers.is_empty() { Vec::new() } else { passing.difference(&denied).copied().collect() };
    let not_denied = classes::merge(not_denied);
    let sources = fates.iter().filter_map(|fate| fate.forward.observed.map(|seen| seen.src)).collect();
    let middleboxes = fates.iter().filter_map(Fate::middleboxes).collect();
    let shown = fates.iter().position(Fate::is_denied);
    let shown = shown.or_else(|| fates.iter().position(|fate| !fate.denials.is_empty())).unwrap_or(0);
    let elsewhere = ends_elsewhere(&fates, shown);
    let other_ways = other_ways(&fates, shown);
    match fates.into_iter().nth(shown) {
        Some(fate) => Explanation {
            reachable,
            forward: fate.forward,
            back: fate.back,
            blockers,
            not_denied,
            unmodelled,
            inexhaustive,
            by_choice,
            sources,
            middleboxes,
            other_ways,
            elsewhere,
        },
        // No packet was asked about: nothing passes and nothing is denied.
        None => Explanation {
            reachable: Some(false),
            forward: Leg { steps: Vec::new(), dropped: None, observed: None, egress: None },
            back: None,
            blockers,
            not_denied,
            unmodelled,
            inexhaustive,
            by_choice,
            sources,
            middleboxes,
            other_ways,
            elsewhere,
        },
    }
}

/// A forward way to each end that the shown one does not lead to.
fn ends_elsewhere(fates: &[Fate], shown: usize) -> Vec<Leg> {
    let mut known: Vec<Option<Egress>> =
        fates.get(shown).map(|fate| fate.forward.egress).into_iter().collect();
    let mut elsewhere = Vec::new();
    for fate in fates {
        let egress = fate.forward.egress;
        if egress.is_some() && !known.contains(&egress) {
            known.push(egress);
            elsewhere.push(fate.forward.clone());
        }
    }
    elsewhere
}

/// The steps of the ways that packets of the shown one's class may take beside it. Filters aside all classes are
/// forwarded alike, as routes know addresses only.
fn other_ways(fates: &[Fate], shown: usize) -> Vec<(Vec<Step>, Vec<Step>)> {
    let steps = |fate: &Fate| {
        let back = fate.back.as_ref().map_or_else(Vec::new, |leg| leg.steps.clone());
        (fate.forward.steps.clone(), back)
    };
    let Some(fate) = fates.get(shown) else { return Vec::new() };
    let alike =
        fates.iter().enumerate().filter(|(place, other)| *place != shown && other.class == fate.class);
    let mut ways = vec![steps(fate)];
    for (_, other) in alike {
        let way = steps(other);
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways.split_off(1)
}

/// A packet of `class` that opens a connection.
fn headers(source: IpAddr, destination: IpAddr, class: &Class) -> IpHeaders {
    let transport = match *class {
        Class::Ports { protocol: Protocol::TCP, source_ports, ports, .. } => Transport::Tcp(TcpHeader {
            src_port: source_ports.from,
            dst_port: ports.from,
            sequence: 0,
            acknowledgment: 0,
            flags: TcpFlags(TcpFlags::SYN),
            window: 0,
            header_len: 20,
        }),
        Class::Ports { source_ports, ports, .. } => {
            Transport::Udp { src_port: source_ports.from, dst_port: ports.from }
        }
        Class::Icmp { icmp_type, code } => Transport::Icmp(IcmpHeader {
            icmp_type: icmp_type.0,
            code: code.0,
            message: icmp_message(source.is_ipv6(), icmp_type.0),
        }),
        Class::Protocols { .. } => Transport::Other,
    };
    let protocol = class.protocol(source.is_ipv6());
    IpHeaders {
        src: source,
        dst: destination,
        protocol,
        transport,
        ttl: 64,
        dscp_ecn: 0,
        transport_offset: if source.is_ipv6() { 54 } else { 34 },
        packet_len: 60,
        payload_len: 0,
        largest_segment: 60,
        dont_fragment: true,
        fragment: None,
        has_options: false,
    }
}

/// What an ICMP message of this type is, with an identifier where it has one.
fn icmp_message(ipv6: bool, icmp_type: u8) -> IcmpMessage {
    if is_icmp_query(icmp_type, ipv6) {
        IcmpMessage::Query { identifier: 1, sequence: 1 }
    } else if is_icmp_error(icmp_type, ipv6) {
        IcmpMessage::Error { embedded: None }
    } else {
        IcmpMessage::Other
    }
}

/// The packet with which the receiver of `request` answers; none where no answer is expected.
fn answer(request: &IpHeaders) -> Option<IpHeaders> {
    let transport = match request.transport {
        Transport::Tcp(tcp) => Transport::Tcp(TcpHeader {
            src_port: tcp.dst_port,
            dst_port: tcp.src_port,
            flags: TcpFlags(TcpFlags::SYN | TcpFlags::ACK),
            ..tcp
        }),
        Transport::Udp { src_port, dst_port } => Transport::Udp { src_port: dst_port, dst_port: src_port },
        Transport::Icmp(icmp) => match icmp.message {
            IcmpMessage::Query { .. } if !is_reply(request.protocol, icmp.icmp_type) => {
                Transport::Icmp(IcmpHeader {
                    icmp_type: reply_type(request.protocol, icmp.icmp_type),
                    ..icmp
                })
            }
            _ => return None,
        },
        Transport::Other => Transport::Other,
        Transport::LaterFragment => return None,
    };
    Some(IpHeaders { src: request.dst, dst: request.src, transport, ..*request })
}

/// The type that answers a query (RFC 792, RFC 950, RFC 4443).
fn reply_type(protocol: Protocol, icmp_type: u8) -> u8 {
    match (protocol, icmp_type) {
        (Protocol::ICMP, 8) => 0,
        (_, request) => request + 1,
    }
}
