//! By which rules does it change?
//!
//! One packet of what is gained or lost is looked up in the walks of both topologies: what denied it where it did not
//! pass, and the rules that only the other topology's way has. Names of the ends are left out, so that those who change by
//! the same rule share a row.

use std::collections::BTreeSet;

use vpclab_engine::explain::{Class, Fate, TrafficQuestion};
use vpclab_engine::{Direction, DropReason, Fabric, GroupDecision, Step};
use vpclab_model::{RouteState, Topology};

use super::State;
use super::change::Change;
use crate::analyse::fare::walked;
use crate::analyse::traffic::Packets;
use crate::answer::in_each_family;
use crate::ends::Side;
use crate::question::{EndKind, Question, pair};
use crate::{internet, words};

/// So many boxes of what changes are looked up.
const MOST_BOXES: usize = 8;

/// What decided, and what decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Reason {
    pub(crate) before: Vec<String>,
    pub(crate) after: Vec<String>,
}

/// Why `change` happens to the packets from one end to another.
pub(crate) fn reason(old: &State<'_>, new: &State<'_>, from: &str, to: &str, change: &Change) -> Reason {
    let mut reason = Reason::default();
    for (ipv6, changed) in &change.families {
        let (then, now) = (Walks::of(old, from, to, *ipv6, change), Walks::of(new, from, to, *ipv6, change));
        for (packets, gains) in [(&changed.gained, true), (&changed.lost, false)] {
            for class in packets.boxes().iter().take(MOST_BOXES) {
                let (then_told, now_told) = (then.told(class), now.told(class));
                let (denied, allowed) = if gains { (&then_told, &now_told) } else { (&now_told, &then_told) };
                let denials = denied.denies.iter().cloned();
                let known: BTreeSet<&String> = denied.allows.iter().collect();
                let rules = allowed.allows.iter().filter(|rule| !known.contains(rule)).cloned();
                let (before, after) = (&mut reason.before, &mut reason.after);
                let (of_denials, of_rules) = if gains { (before, after) } else { (after, before) };
                denials.for_each(|told| push(of_denials, told));
                rules.for_each(|told| push(of_rules, told));
            }
        }
    }
    reason
}

fn push(all: &mut Vec<String>, told: String) {
    if !all.contains(&told) {
        all.push(told);
    }
}

/// The walks of one pair in one topology; none where it has not both ends.
struct Walks<'s, 't> {
    state: &'s State<'t>,
    fates: Vec<Fate>,
}

/// What decides about one packet.
#[derive(Debug, Default)]
struct Told {
    allows: Vec<String>,
    denies: Vec<String>,
}

impl<'s, 't> Walks<'s, 't> {
    fn of(state: &'s State<'t>, from: &str, to: &str, ipv6: bool, change: &Change) -> Self {
        let question = question(state, from, to, ipv6, change);
        let survey = question.and_then(|question| walked(&state.fabric, &question));
        Self { state, fates: survey.map(|survey| survey.fates).unwrap_or_default() }
    }

    /// What decides about a packet of this class.
    fn told(&self, class: &Class) -> Told {
        let wanted = Packets::of([first_of(class)]);
        let fate = self.fates.iter().find(|fate| !Packets::of([fate.class]).and(&wanted).is_empty());
        let Some(fate) = fate else { return Told::default() };
        let (fabric, topology) = (&self.state.fabric, self.state.topology);
        let mut told = Told::default();
        for step in fate.forward.steps.iter().chain(fate.back.iter().flat_map(|leg| &leg.steps)) {
            if let Some(rule) = allows(fabric, topology, step) {
                push(&mut told.allows, rule);
            }
        }
        for (on_return, reason) in &fate.denials {
            let way = if *on_return { "the reply: " } else { "" };
            push(&mut told.denies, format!("{way}{}", denies(fabric, reason)));
        }
        told
    }
}

/// The packet of a class that walks of it are about.
fn first_of(class: &Class) -> Class {
    let only = |value: u16| vpclab_model::PortRange { from: value, to: value };
    match *class {
        Class::Ports { protocol, source_ports, nat_ports, ports } => Class::Ports {
            protocol,
            source_ports: only(source_ports.from),
            nat_ports: only(nat_ports.from),
            ports: only(ports.from),
        },
        Class::Icmp { icmp_type, code } => {
            Class::Icmp { icmp_type: (icmp_type.0, icmp_type.0), code: (code.0, code.0) }
        }
        Class::Protocols { numbers } => Class::Protocols { numbers: (numbers.0, numbers.0) },
    }
}

fn question(state: &State<'_>, from: &str, to: &str, ipv6: bool, change: &Change) -> Option<Question> {
    let (from, to) = (state.end(from, Side::From)?, state.end(to, Side::To)?);
    let question = pair(&state.fabric, from, to, Some(ipv6), TrafficQuestion::All).ok()?;
    let question = in_each_family(&state.fabric, &question).into_iter().next()?;
    let of_family = change.blocks.iter().find(|block| block.addr().is_ipv6() == ipv6);
    let is_internet = [&question.from, &question.to].into_iter().any(|end| end.kind == EndKind::Internet);
    Some(match of_family {
        Some(block) if is_internet => internet::at(&question, block.network()),
        _ => question,
    })
}

/// The rule by which a step lets a packet go on, if one does.
fn allows(fabric: &Fabric, topology: &Topology, step: &Step) -> Option<String> {
    match *step {
        Step::SecurityGroup { direction, decision: GroupDecision::Rule { group, declared_at, .. }, .. } => {
            let rule = words::group_rule(fabric, topology, group, direction, declared_at);
            Some(format!("security group {rule}"))
        }
        Step::NetworkAcl { network_acl, direction, rule: Some(number), allowed: true, .. } => {
            let name = &fabric.network_acls[network_acl].name;
            let acl = topology.network_acls.get(name)?;
            let entries = match direction {
                Direction::Inbound => &acl.ingress,
                Direction::Outbound => &acl.egress,
            };
            let entry = entries.iter().find(|entry| entry.rule_number == number)?;
            let way = words::direction(direction);
            Some(format!("network ACL {name} {way} {}", words::acl_entry(direction, entry)))
        }
        Step::Route { route_table, matched: Some((destination, target)) } => {
            let table = &fabric.route_tables[route_table];
            let route = table.routes.iter().find(|route| route.destination == destination);
            let works = route.is_none_or(|route| route.state == RouteState::Active);
            let to = words::target(fabric, target);
            works.then(|| format!("route table {} {destination} → {to}", table.name))
        }
        Step::TransitRoute { table, matched: Some(destination), .. } => {
            let name = &fabric.transit_tables[table].name;
            Some(format!("transit gateway route table {name} {destination}"))
        }
        _ => None,
    }
}

/// What denies, without the name of the end where it does.
fn denies(fabric: &Fabric, reason: &DropReason) -> String {
    match *reason {
        DropReason::SecurityGroup { eni, direction, lost_reference: false, .. } => {
            let groups = words::groups(fabric, eni).join(", ");
            let way = words::direction(direction);
            format!("security group {groups} has no {way} rule that allows it")
        }
        DropReason::NetworkAcl { network_acl, direction, rule, .. } => {
            let name = &fabric.network_acls[network_acl].name;
            let rule = rule.map_or_else(|| "*".to_owned(), |rule| rule.to_string());
            format!("network ACL {name} {} rule {rule} denies it", words::direction(direction))
        }
        DropReason::NoPublicAddressForIngress { .. } => "it has no public address".to_owned(),
        _ => words::tell(fabric, reason).message,
    }
}

