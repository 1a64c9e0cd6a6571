//! By which rules does it change?
//!
//! One packet of what is gained or lost is looked up in the walks of both topologies: what denied it where it did not
//! pass, and the rules that only the other topology's way has. Names of the ends are left out, so that those who change by
//! the same rule share a row.

use std::collections::{BTreeSet, HashSet};

use ipnet::IpNet;
use vpclab_engine::explain::{Class, Fate, TrafficQuestion};
use vpclab_engine::{Direction, DropReason, Fabric, GroupDecision, RouteTarget, SecurityGroupIdx, Step};
use vpclab_model::{
    NetworkAclEntry, NetworkAclName, RouteState, RouteTableName, Topology, TransitGatewayRouteTableName,
};

use super::State;
use super::change::Changed;
use super::meets::Met;
use crate::analyse::fare::walked;
use crate::analyse::traffic::Packets;
use crate::answer::in_each_family;
use crate::question::{EndKind, NamedEnd, Question, pair};
use crate::{internet, words};

/// So many boxes of what changes are looked up.
const MOST_BOXES: usize = 8;

/// How a rule of a security group begins.
pub(super) const OF_GROUP: &str = "security group ";

/// What decided, and what decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Reason {
    pub(crate) before: Vec<String>,
    pub(crate) after: Vec<String>,
}

impl Reason {
    /// Adds what decides about packets that are gained or lost.
    pub(crate) fn add(&mut self, changed: &Changed, then: &Walks<'_, '_>, now: &Walks<'_, '_>) {
        for (packets, gains) in [(&changed.gained, true), (&changed.lost, false)] {
            for class in packets.boxes().iter().take(MOST_BOXES) {
                let (then_told, now_told) = (then.told(class), now.told(class));
                let (denied, allowed) = if gains { (&then_told, &now_told) } else { (&now_told, &then_told) };
                let denials = denied.denies.iter().cloned();
                let known: BTreeSet<&String> = denied.allows.iter().collect();
                let rules = allowed.allows.iter().filter(|rule| !known.contains(rule)).cloned().collect();
                let other = if gains { then.state } else { now.state };
                let rules = decisive(rules, other, denied.is_asked);
                let (before, after) = (&mut self.before, &mut self.after);
                let (of_denials, of_rules) = if gains { (before, after) } else { (after, before) };
                denials.for_each(|told| push(of_denials, told));
                rules.into_iter().for_each(|told| push(of_rules, told));
            }
        }
    }

    /// Adds what is met in one topology only by packets that neither knows to pass.
    pub(crate) fn add_met(&mut self, then: &Met, now: &Met) {
        then.without(now).into_iter().for_each(|told| push(&mut self.before, told));
        now.without(then).into_iter().for_each(|told| push(&mut self.after, told));
    }
}

/// Of the rules that only one topology's way has, those that only that topology has, if there are any: the others were
/// there, and the packet did not come so far. Where an end is new or gone every rule on the way is such, and the groups'
/// say most.
fn decisive(rules: Vec<String>, other: &State<'_>, is_asked: bool) -> Vec<String> {
    let (changed, others): (Vec<String>, Vec<String>) =
        rules.into_iter().partition(|rule| !other.rules.contains(rule));
    if !changed.is_empty() && is_asked {
        return changed;
    }
    let of_groups = |rule: &String| is_asked || rule.starts_with(OF_GROUP);
    changed.into_iter().chain(others).filter(of_groups).collect()
}

/// Every rule, entry and route of a topology as reasons tell them.
pub(crate) fn rules(fabric: &Fabric, topology: &Topology) -> HashSet<String> {
    let mut rules = HashSet::new();
    for (index, group) in fabric.security_groups.iter() {
        let Some(declared) = topology.security_groups.get(&group.name) else { continue };
        for (direction, list) in
            [(Direction::Inbound, &declared.ingress), (Direction::Outbound, &declared.egress)]
        {
            let places: BTreeSet<usize> = list.iter().map(|rule| rule.declared_at).collect();
            rules.extend(
                places.into_iter().map(|place| group_rule(fabric, topology, index, direction, place)),
            );
        }
    }
    for (name, acl) in &topology.network_acls {
        for (direction, list) in [(Direction::Inbound, &acl.ingress), (Direction::Outbound, &acl.egress)] {
            rules.extend(list.iter().map(|entry| acl_entry(name, direction, entry)));
        }
    }
    for (_, table) in fabric.route_tables.iter() {
        let routes = table.routes.iter().filter(|route| route.state == RouteState::Active);
        rules.extend(routes.map(|route| route_of(fabric, &table.name, route.destination, route.target)));
    }
    for (_, table) in fabric.transit_tables.iter() {
        rules.extend(table.routes.iter().map(|route| transit_route(&table.name, route.destination)));
    }
    rules
}

pub(super) fn group_rule(
    fabric: &Fabric,
    topology: &Topology,
    group: SecurityGroupIdx,
    direction: Direction,
    declared_at: usize,
) -> String {
    format!("{OF_GROUP}{}", words::group_rule(fabric, topology, group, direction, declared_at))
}

pub(super) fn acl_entry(name: &NetworkAclName, direction: Direction, entry: &NetworkAclEntry) -> String {
    format!("network ACL {name} {} {}", words::direction(direction), words::acl_entry(direction, entry))
}

pub(super) fn route_of(
    fabric: &Fabric,
    table: &RouteTableName,
    destination: IpNet,
    target: RouteTarget,
) -> String {
    format!("route table {table} {destination} → {}", words::target(fabric, target))
}

fn transit_route(table: &TransitGatewayRouteTableName, destination: IpNet) -> String {
    format!("transit gateway route table {table} {destination}")
}

fn push(all: &mut Vec<String>, told: String) {
    if !all.contains(&told) {
        all.push(told);
    }
}

/// The walks of one pair in one topology; none where it has not both ends.
pub(crate) struct Walks<'s, 't> {
    pub(super) state: &'s State<'t>,
    /// Both ends, if the topology has them.
    pub(super) ends: Option<(&'s NamedEnd, &'s NamedEnd)>,
    pub(super) ipv6: bool,
    pub(super) fates: Vec<Fate>,
}

/// What decides about one packet.
#[derive(Debug, Default)]
struct Told {
    /// Whether the topology has both ends.
    is_asked: bool,
    allows: Vec<String>,
    denies: Vec<String>,
}

impl<'s, 't> Walks<'s, 't> {
    pub(crate) fn of(
        state: &'s State<'t>,
        ends: Option<(&'s NamedEnd, &'s NamedEnd)>,
        ipv6: bool,
        blocks: &[IpNet],
    ) -> Self {
        let question = ends.and_then(|(from, to)| question(state, from, to, ipv6, blocks));
        let survey = question.and_then(|question| walked(&state.fabric, &question));
        Self { state, ends, ipv6, fates: survey.map(|survey| survey.fates).unwrap_or_default() }
    }

    /// What decides about a packet of this class.
    fn told(&self, class: &Class) -> Told {
        let wanted = Packets::of([first_of(class)]);
        let fate = self.fates.iter().find(|fate| !Packets::of([fate.class]).and(&wanted).is_empty());
        let Some(fate) = fate else { return Told::default() };
        let (fabric, topology) = (&self.state.fabric, self.state.topology);
        let mut told = Told { is_asked: true, ..Told::default() };
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

pub(super) fn question(
    state: &State<'_>,
    from: &NamedEnd,
    to: &NamedEnd,
    ipv6: bool,
    blocks: &[IpNet],
) -> Option<Question> {
    let question = pair(&state.fabric, from, to, Some(ipv6), TrafficQuestion::All).ok()?;
    let question = in_each_family(&state.fabric, &question).into_iter().next()?;
    let of_family = blocks.iter().find(|block| block.addr().is_ipv6() == ipv6);
    let is_internet = is_many(&question.from) || is_many(&question.to);
    Some(match of_family {
        Some(block) if is_internet => internet::at(&question, block.network()),
        _ => question,
    })
}

/// Whether an end is many hosts of the internet.
pub(super) fn is_many(end: &NamedEnd) -> bool {
    matches!(end.kind, EndKind::Internet | EndKind::Block(_))
}

/// The rule by which a step lets a packet go on, if one does.
pub(super) fn allows(fabric: &Fabric, topology: &Topology, step: &Step) -> Option<String> {
    match *step {
        Step::SecurityGroup {
            direction, decision: GroupDecision::Rule { group, declared_at, .. }, ..
        } => Some(group_rule(fabric, topology, group, direction, declared_at)),
        Step::NetworkAcl { network_acl, direction, rule: Some(number), allowed: true, .. } => {
            let name = &fabric.network_acls[network_acl].name;
            let acl = topology.network_acls.get(name)?;
            let entries = match direction {
                Direction::Inbound => &acl.ingress,
                Direction::Outbound => &acl.egress,
            };
            let entry = entries.iter().find(|entry| entry.rule_number == number)?;
            Some(acl_entry(name, direction, entry))
        }
        Step::Route { route_table, matched: Some((destination, target)) } => {
            let table = &fabric.route_tables[route_table];
            let route = table.routes.iter().find(|route| route.destination == destination);
            let works = route.is_none_or(|route| route.state == RouteState::Active);
            works.then(|| route_of(fabric, &table.name, destination, target))
        }
        Step::TransitRoute { table, matched: Some(destination), .. } => {
            Some(transit_route(&fabric.transit_tables[table].name, destination))
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
        DropReason::NoPublicMapping { address } if words::without_gateway(fabric, address).is_some() => {
            "its VPC has no internet gateway".to_owned()
        }
        DropReason::NoPublicAddressForIngress { .. } => "it has no public address".to_owned(),
        _ => words::tell(fabric, reason).message,
    }
}
