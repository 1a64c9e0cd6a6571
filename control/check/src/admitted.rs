//! Does anything else pass than what a test names?
//!
//! Whatever else passes between two ends is read off the walks of all traffic, by which `analyse` answers. What always
//! holds: what is not known to die counts as passing, and so does what arrives though its reply dies, but for TCP.

use std::collections::BTreeSet;
use std::fmt;

use vpclab_api::{ApiError, Expected, ExplainRequest, Outcome, Partial, Unmodelled};
use vpclab_engine::Fabric;
use vpclab_engine::explain::{
    Class, EPHEMERAL_PORTS, NAT_PORTS, Question as EngineQuestion, TrafficQuestion, resolve, survey,
};
use vpclab_model::{PortRange, Topology};
use vpclab_wire::Protocol;

use crate::analyse::fare::{What, cell};
use crate::analyse::told;
use crate::analyse::traffic::Packets;
use crate::answer::{in_each_family, of_each_address};
use crate::question::{Question, questions};
use crate::run::{Pair, Rest};
use crate::testfile::Admitted;
use crate::{everybody, render, undeclared};

/// As a test names it.
impl fmt::Display for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(port) => port.fmt(f),
            Self::Udp(port) => write!(f, "{port}/udp"),
            Self::Icmp => f.write_str("icmp"),
        }
    }
}

impl Admitted {
    fn packets(self) -> Packets {
        let ports = |protocol, port| Class::Ports {
            protocol,
            source_ports: EPHEMERAL_PORTS,
            nat_ports: NAT_PORTS,
            ports: PortRange { from: port, to: port },
        };
        Packets::of([match self {
            Self::Tcp(port) => ports(Protocol::TCP, port),
            Self::Udp(port) => ports(Protocol::UDP, port),
            Self::Icmp => Class::Icmp { icmp_type: (0, 255), code: (0, 255) },
        }])
    }

    /// The question about it alone.
    fn of(self, request: &ExplainRequest) -> ExplainRequest {
        let (port, protocol) = match self {
            Self::Tcp(port) => (Some(port), "tcp"),
            Self::Udp(port) => (Some(port), "udp"),
            Self::Icmp => (None, "icmp"),
        };
        ExplainRequest { port, protocol: Some(protocol.to_owned()), ..request.clone() }
    }
}

/// The pairs of ends for the test that these alone are let in: each of them, and the rest of all traffic.
///
/// # Errors
///
/// What is wrong with the question.
pub(crate) fn pairs(
    fabric: &Fabric,
    topology: &Topology,
    request: &ExplainRequest,
    admitted: &[Admitted],
) -> Result<Vec<Pair>, ApiError> {
    let mut pairs = Vec::new();
    for one in admitted {
        for question in questions(fabric, topology, &one.of(request))?.pairs {
            let unheard = everybody::cannot_speak(fabric, &question);
            pairs.push(Pair::new(question, Expected::Allowed, unheard));
        }
    }
    let named = admitted.iter().fold(Packets::default(), |all, one| all.or(&one.packets()));
    for question in questions(fabric, topology, request)?.pairs {
        let others = everybody::other_ways(fabric, &question);
        for question in std::iter::once(question).chain(others) {
            pairs.push(rest(fabric, topology, question, &named));
        }
    }
    Ok(pairs)
}

/// What passes between two ends beside what is named.
fn rest(fabric: &Fabric, topology: &Topology, question: Question, named: &Packets) -> Pair {
    let cell = cell(fabric, topology, &question.from, &question.to, question.ipv6);
    let mut failures = Vec::new();
    let mut on: BTreeSet<What> = BTreeSet::new();
    let mut passes = false;
    for part in &cell.parts {
        let blocks: Vec<String> = part.blocks.iter().take(3).map(ToString::to_string).collect();
        let more = if part.blocks.len() > blocks.len() { ", …" } else { "" };
        let whom =
            if blocks.is_empty() { String::new() } else { format!(" with {}{more}", blocks.join(", ")) };
        let known = part.fare.passes.or(&part.fare.sometimes).without(named);
        if !known.is_empty() {
            passes = true;
            failures.push(format!("more passes{whom}: {}", words(&known, part.ipv6)));
        }
        let unknown = part.fare.unknown.without(named);
        if !unknown.is_empty() {
            on.extend(part.fare.unmodelled.iter().cloned());
            let reasons: Vec<String> = part
                .fare
                .unmodelled
                .iter()
                .map(|what| format!("{} ({})", what.resource, what.reason))
                .collect();
            let (what, reasons) = (words(&unknown, part.ipv6), reasons.join(", "));
            failures.push(format!("more may pass{whom}: {what}; it depends on {reasons}"));
        }
    }
    for (ipv6, arrives) in arrivals(fabric, &question) {
        let more = arrives.without(named);
        if !more.is_empty() {
            passes = true;
            failures.push(format!("more arrives, of which only replies are denied: {}", words(&more, ipv6)));
        }
    }
    let outcome = match (passes, on.is_empty()) {
        (true, _) => Outcome::Allowed,
        (false, false) => Outcome::Unknown,
        (false, true) => Outcome::Dropped,
    };
    let unmodelled = on.into_iter().map(|what| Unmodelled {
        resource: what.resource,
        kind: what.kind,
        reason: what.reason,
    });
    let mut told = undeclared::unanswered(&question, unmodelled.collect());
    told.reachable = match outcome {
        Outcome::Allowed => Some(true),
        Outcome::Unknown => None,
        _ => Some(false),
    };
    let rest = Rest { outcome, failures };
    Pair { told: Some(Box::new(told)), rest: Some(rest), ..Pair::new(question, Expected::Denied, None) }
}

/// What arrives though its reply dies, of what needs none; in each family.
fn arrivals(fabric: &Fabric, question: &Question) -> Vec<(bool, Packets)> {
    if question.beyond().is_some() || question.undeclared.is_some() {
        return Vec::new();
    }
    let mut all = Vec::new();
    for family in in_each_family(fabric, question) {
        let mut classes = Packets::default();
        for question in of_each_address(fabric, &family) {
            let Ok(ends) = resolve(fabric, question.from.end, question.to.end, question.ipv6) else {
                continue;
            };
            let told = survey(fabric, &EngineQuestion { ends, traffic: TrafficQuestion::All });
            let of_reply = told.fates.into_iter().filter(|fate| {
                let is_tcp = matches!(fate.class, Class::Ports { protocol: Protocol::TCP, .. });
                let mut denials = fate.denials.iter();
                !is_tcp && !fate.denials.is_empty() && denials.all(|(on_return, _)| *on_return)
            });
            for fate in of_reply {
                classes = classes.or(&Packets::of([fate.class]));
            }
        }
        all.push((family.ipv6 == Some(true), classes));
    }
    all
}

fn words(packets: &Packets, ipv6: bool) -> String {
    let parts: Vec<Partial> = told::traffic(packets, ipv6).into_iter().map(|one| one.packets).collect();
    format!("{} over {}", render::some(&parts), if ipv6 { "IPv6" } else { "IPv4" })
}
