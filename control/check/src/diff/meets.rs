//! What do packets meet on their way, and from where do they arrive?
//!
//! Of packets that pass in both topologies: the source that the receiver sees and the gateways that are passed. Of those
//! that neither topology knows to pass: all that decides about them on the way, and, where the way is not known to its end,
//! the rules about whom they are for. What always holds: a filter on the way counts by its verdict on the packet, and a rule
//! that no packet is known to meet by what it says; neither by its place in a list.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vpclab_engine::explain::{Class, End, Fate, TrafficQuestion, resolve};
use vpclab_engine::plan::Egress;
use vpclab_engine::{Direction, EniIdx, Fabric, GroupDecision, Step};
use vpclab_model::{Peer, Topology, not_public};

use super::State;
use super::change::{within, without};
use super::reason::{OF_GROUP, Walks, acl_entry, allows, group_rule, is_many, question, route_of};
use crate::analyse::fare::walked;
use crate::analyse::traffic::Packets;
use crate::question::{NamedEnd, Question, is_outside};
use crate::{internet, words};

/// What decides, by what tells it from something else: each as it is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Met(BTreeMap<String, String>);

impl Met {
    fn put(&mut self, key: String, told: String) {
        self.0.insert(key, told);
    }

    fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// What is here and not in another, as it is told.
    pub(crate) fn without(&self, other: &Self) -> Vec<String> {
        let only = self.0.iter().filter(|(key, _)| !other.0.contains_key(*key));
        only.map(|(_, told)| told.clone()).collect()
    }
}

impl PartialEq for Met {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Met {}

impl PartialOrd for Met {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Met {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.keys().cmp(other.0.keys())
    }
}

/// How packets that pass arrive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Way {
    /// The address at which the internet asks for whom is inside; nothing for others.
    pub(crate) at: BTreeSet<String>,
    /// The sources that the receiver sees, where a partner may know them: outside every VPC, or where a gateway changes
    /// them. Several where a gateway chooses.
    pub(crate) seen: BTreeSet<String>,
    /// The gateways and guests that are passed: several ways where gateways choose.
    pub(crate) by: BTreeSet<String>,
}

/// The packets of `within` that meet something else in two topologies, with what they meet in each.
pub(crate) fn differing(
    old: &[(Packets, Met)],
    new: &[(Packets, Met)],
    within: &Packets,
) -> Vec<(Packets, Met, Met)> {
    let mut found = Vec::new();
    for (packets, then) in old {
        let packets = packets.and(within);
        for (others, now) in new.iter().filter(|(_, now)| now != then) {
            let both = packets.and(others);
            if !both.is_empty() {
                found.push((both, then.clone(), now.clone()));
            }
        }
    }
    found
}

/// Classes of packets, those that meet the same as one.
fn grouped(all: impl Iterator<Item = (Class, Met)>) -> Vec<(Packets, Met)> {
    let mut classes: BTreeMap<Met, Vec<Class>> = BTreeMap::new();
    for (class, met) in all {
        classes.entry(met).or_default().push(class);
    }
    classes.into_iter().map(|(met, classes)| (Packets::of(classes), met)).collect()
}

/// How packets arrive of which some pass, from or to some addresses: none are the only ones that are meant.
type WayOf = (Vec<IpNet>, Way);

/// How packets arrive of which some pass: one of them is walked, as tables and gateways know addresses alone, and of the
/// internet one from each part that they tell apart. None where there is no such question.
pub(crate) fn ways(
    state: &State<'_>,
    ends: Option<(&NamedEnd, &NamedEnd)>,
    ipv6: bool,
    packets: &Packets,
) -> Option<Vec<WayOf>> {
    let (from, to) = ends?;
    let question =
        Question { traffic: of_one(packets.boxes().first()?), ..question(state, from, to, ipv6, &[])? };
    if !is_many(&question.from) && !is_many(&question.to) {
        return Some(vec![(Vec::new(), way(state, &question)?.0)]);
    }
    let parts =
        internet::parts(&state.fabric, state.topology, &question, ipv6, |question| way(state, question));
    let mut ways: BTreeMap<Way, Vec<IpNet>> = BTreeMap::new();
    for part in parts {
        part.told.into_iter().for_each(|way| ways.entry(way).or_default().extend(&part.blocks));
    }
    Some(ways.into_iter().map(|(way, blocks)| (IpNet::aggregate(&blocks), way)).collect())
}

/// Where packets of `blocks` arrive otherwise: of none that no part in `others` is about. Addresses are told only where some
/// of those meant arrive in another way than the rest.
pub(crate) fn moved(
    then: &[WayOf],
    now: &[WayOf],
    blocks: &[IpNet],
    others: &[IpNet],
) -> Vec<(Vec<IpNet>, Way, Way)> {
    if let ([(_, then)], [(_, now)]) = (then, now) {
        let both = (blocks.to_vec(), then.clone(), now.clone());
        return if then == now { Vec::new() } else { vec![both] };
    }
    let mut all: BTreeMap<(&Way, &Way), Vec<IpNet>> = BTreeMap::new();
    for (of_then, then) in then {
        for (of_now, now) in now {
            let both = within(of_then, of_now);
            let meant = if blocks.is_empty() { without(&both, others) } else { within(&both, blocks) };
            if !meant.is_empty() {
                all.entry((then, now)).or_default().extend(meant);
            }
        }
    }
    let is_alone = all.len() == 1;
    let every: Vec<IpNet> = then.iter().flat_map(|(blocks, _)| blocks.iter().copied()).collect();
    let moved = all.into_iter().filter(|((then, now), _)| then != now);
    moved
        .map(|((then, now), own)| {
            let told = if is_alone { blocks.to_vec() } else { around(&own, &every) };
            (told, then.clone(), now.clone())
        })
        .collect()
}

/// The largest blocks that hold these addresses and no others of `every`: what is nobody's may be among them.
fn around(own: &[IpNet], every: &[IpNet]) -> Vec<IpNet> {
    let own = IpNet::aggregate(&own.to_vec());
    let others = without(every, &own);
    let is_ipv6 = own.first().is_some_and(|block| block.addr().is_ipv6());
    let any = if is_ipv6 { IpNet::V6(Ipv6Net::default()) } else { IpNet::V4(Ipv4Net::default()) };
    let mut around = without(&[any], &others);
    around.retain(|block| own.iter().any(|own| block.contains(own)));
    around
}

/// How packets of a question about single hosts arrive, and what can tell others from them.
fn way(state: &State<'_>, question: &Question) -> Option<(Way, crate::met::Met)> {
    let fates = walked(&state.fabric, question)?.fates;
    let fabric = &state.fabric;
    let passing = || fates.iter().filter(|fate| !fate.is_denied());
    let is_asked_for = is_outside(fabric, question.from.end) && matches!(question.to.end, End::Interface(..));
    let ends = resolve(fabric, question.from.end, question.to.end, question.ipv6).ok();
    let at = ends.filter(|_| is_asked_for).map(|ends| ends.destination.to_string());
    let way = Way {
        at: at.into_iter().collect(),
        seen: passing().filter_map(|fate| seen(fabric, fate)).collect(),
        by: passing().map(|fate| passed(fabric, fate)).collect(),
    };
    let steps = fates
        .iter()
        .flat_map(|fate| fate.forward.steps.iter().chain(fate.back.iter().flat_map(|leg| &leg.steps)));
    Some((way, crate::met::Met::of_steps(steps)))
}

/// The question about one packet of a class, where that can be asked, else about all.
fn of_one(class: &Class) -> TrafficQuestion {
    match *class {
        Class::Ports { protocol, source_ports, ports, .. } => {
            TrafficQuestion::Ports { protocol, port: Some(ports.from), source_port: Some(source_ports.from) }
        }
        Class::Protocols { numbers } => TrafficQuestion::Protocol(numbers.0),
        Class::Icmp { .. } => TrafficQuestion::All,
    }
}

impl Walks<'_, '_> {
    /// What decides about packets on their way.
    pub(crate) fn met(&self) -> Vec<(Packets, Met)> {
        let (fabric, topology) = (&self.state.fabric, self.state.topology);
        let Some((from, to)) = self.ends else { return vec![(Packets::everything(), Met::default())] };
        if self.fates.is_empty() {
            let mut met = about(fabric, topology, from, Direction::Outbound, Some(self.ipv6));
            met.add(about(fabric, topology, to, Direction::Inbound, Some(self.ipv6)));
            return vec![(Packets::everything(), met)];
        }
        let of_class = self.fates.chunk_by(|a, b| a.class == b.class).map(|ways| {
            let mut met = Met::default();
            for fate in ways {
                let back = fate.back.iter().flat_map(|leg| &leg.steps);
                let mut stops: BTreeMap<&'static str, usize> = BTreeMap::new();
                for step in fate.forward.steps.iter().chain(back) {
                    let Some((kind, verdict, told)) = said(fabric, topology, step) else { continue };
                    let stop = stops.entry(kind).or_default();
                    *stop += 1;
                    met.put(format!("{kind} {stop} {verdict}"), told);
                }
                if !asks_group_of(fate, to) {
                    met.add(about(fabric, topology, to, Direction::Inbound, Some(self.ipv6)));
                }
                for what in fate.unmodelled() {
                    let what = crate::explain::not_modelled(fabric, what);
                    let told = format!("{}: {}", what.resource, what.reason);
                    met.put(told.clone(), told);
                }
            }
            (ways[0].class, met)
        });
        grouped(of_class)
    }
}

/// Whether the walk has come as far as the groups of whom is asked.
fn asks_group_of(fate: &Fate, to: &NamedEnd) -> bool {
    let End::Interface(asked, _) = to.end else { return true };
    fate.forward.steps.iter().any(|step| {
        matches!(*step, Step::SecurityGroup { eni, direction: Direction::Inbound, .. } if eni == asked)
    })
}

/// The source that the receiver sees, where it is of interest.
fn seen(fabric: &Fabric, fate: &Fate) -> Option<String> {
    let source = fate.forward.observed.as_ref()?.src;
    let is_outside = matches!(fate.forward.egress, Some(Egress::Host(_) | Egress::Internet(_)));
    let from_inside = fabric.vpcs.iter().any(|(_, vpc)| vpc.contains(source));
    let is_changed = fate.forward.steps.iter().any(|step| match *step {
        Step::InternetGateway { translated: Some((before, _)), direction: Direction::Outbound, .. } => {
            before != source
        }
        Step::NatGateway { before, after, .. } | Step::Endpoint { before, after, .. } => before.0 != after.0,
        Step::Forward { translated, .. } => translated.is_some(),
        _ => false,
    });
    let is_own = from_inside || not_public(source).is_some();
    (is_changed || is_outside && is_own).then(|| source.to_string())
}

/// The gateways and guests that a request passes.
fn passed(fabric: &Fabric, fate: &Fate) -> String {
    let mut names: Vec<String> = fate.forward.steps.iter().filter_map(|step| gateway(fabric, step)).collect();
    names.dedup();
    if names.is_empty() { "no gateway".to_owned() } else { names.join(", ") }
}

fn gateway(fabric: &Fabric, step: &Step) -> Option<String> {
    Some(match *step {
        Step::InternetGateway { gateway, .. } => fabric.internet_gateways[gateway].name.to_string(),
        Step::EgressOnly { gateway, .. } => fabric.egress_only[gateway].name.to_string(),
        Step::NatGateway { gateway, .. } => fabric.nat_gateways[gateway].name.to_string(),
        Step::Endpoint { endpoint, .. } => fabric.vpc_endpoints[endpoint].name.to_string(),
        Step::Peering { peering, .. } => fabric.peerings[peering].name.to_string(),
        Step::VpnGateway { gateway, .. } => fabric.vpn_gateways[gateway].name.to_string(),
        Step::PrivateLink { link, .. } => fabric.links[link].name.to_string(),
        Step::Forward { eni, .. } => fabric.enis[eni].name.to_string(),
        Step::TransitGateway { from, to, subnet } => {
            let gateway = &fabric.transit_gateways[fabric.transit_attachments[from].gateway].name;
            let subnet =
                subnet.map(|subnet| format!(" in {}", fabric.subnets[subnet].name)).unwrap_or_default();
            format!("{gateway} to {}{subnet}", fabric.transit_attachments[to].name)
        }
        _ => return None,
    })
}

/// What a step says about the packet: what kind of stop it is, its verdict, and that in words; nothing where nothing is
/// decided.
fn said(fabric: &Fabric, topology: &Topology, step: &Step) -> Option<(&'static str, String, String)> {
    let allowed = allows(fabric, topology, step);
    let verdict = |kind, verdict: &str, told| Some((kind, verdict.to_owned(), told));
    match *step {
        Step::SecurityGroup { eni, direction, ref decision } => {
            let (groups, way) = (words::groups(fabric, eni).join(", "), words::direction(direction));
            match (decision, allowed) {
                (_, Some(rule)) => verdict("group", "allows", rule),
                (GroupDecision::Denied, None) => {
                    verdict("group", "denies", format!("{OF_GROUP}{groups} has no {way} rule that allows it"))
                }
                (GroupDecision::Unknown, None) => {
                    let told = format!("{OF_GROUP}{groups} has no {way} rule that is known to allow it");
                    verdict("group", "may allow", told)
                }
                _ => None,
            }
        }
        Step::NetworkAcl { network_acl, direction, rule, allowed: is_allowed, .. } => {
            let (name, way) = (&fabric.network_acls[network_acl].name, words::direction(direction));
            let rule = rule.map_or_else(|| "*".to_owned(), |rule| rule.to_string());
            let denied = format!("network ACL {name} {way} rule {rule} denies it");
            verdict("acl", if is_allowed { "allows" } else { "denies" }, allowed.unwrap_or(denied))
        }
        Step::Route { route_table, matched } => {
            let name = &fabric.route_tables[route_table].name;
            match (matched, allowed) {
                (Some((_, target)), Some(route)) => {
                    verdict("route", &format!("to {}", words::target(fabric, target)), route)
                }
                (Some((destination, target)), None) => {
                    let route = route_of(fabric, name, destination, target);
                    verdict("route", "denies", format!("{route}, a blackhole"))
                }
                (None, _) => verdict("route", "denies", format!("route table {name} has no route for it")),
            }
        }
        Step::TransitRoute { table, matched: None, .. } => {
            let name = &fabric.transit_tables[table].name;
            verdict("transit", "denies", format!("transit gateway route table {name} has no route for it"))
        }
        _ => {
            let name = gateway(fabric, step)?;
            verdict("gateway", &name, format!("by {name}"))
        }
    }
}

/// The rules, entries and routes about an end that packets of a direction and family may meet.
fn about(
    fabric: &Fabric,
    topology: &Topology,
    end: &NamedEnd,
    direction: Direction,
    ipv6: Option<bool>,
) -> Met {
    let mut met = Met::default();
    let End::Interface(eni, _) = end.end else { return met };
    let of_family = |block: &IpNet| ipv6.is_none_or(|ipv6| block.addr().is_ipv6() == ipv6);
    let interface = &fabric.enis[eni];
    for &group in &interface.security_groups {
        let name = &fabric.security_groups[group].name;
        let Some(declared) = topology.security_groups.get(name) else { continue };
        let list = if direction == Direction::Inbound { &declared.ingress } else { &declared.egress };
        for rule in list.iter().filter(|rule| !matches!(&rule.peer, Peer::Cidr(block) if !of_family(block))) {
            let says = words::group_permission(direction, &rule.traffic, [&rule.peer]);
            let told = group_rule(fabric, topology, group, direction, rule.declared_at);
            met.put(format!("{OF_GROUP}{name} {says}"), told);
        }
    }
    let subnet = &fabric.subnets[interface.subnet];
    let acl = &fabric.network_acls[subnet.network_acl].name;
    if let Some(declared) = topology.network_acls.get(acl) {
        for (way, entries) in
            [(Direction::Inbound, &declared.ingress), (Direction::Outbound, &declared.egress)]
        {
            for entry in entries.iter().filter(|entry| of_family(&entry.cidr)) {
                let told = acl_entry(acl, way, entry);
                met.put(told.clone(), told);
            }
        }
    }
    let table = &fabric.route_tables[subnet.route_table];
    for route in table.routes.iter().filter(|route| of_family(&route.destination)) {
        let told = route_of(fabric, &table.name, route.destination, route.target);
        met.put(format!("{told} {:?}", route.state), told);
    }
    met
}

/// All that packets can tell of an end by itself: equal in two topologies only if nothing about it has changed.
pub(crate) fn face(state: &State<'_>, end: &NamedEnd) -> String {
    let (fabric, topology) = (&state.fabric, state.topology);
    match end.end {
        End::Interface(eni, _) => {
            let ways = [Direction::Inbound, Direction::Outbound];
            let rules = ways.map(|way| about(fabric, topology, end, way, None));
            format!("{} {rules:?}", place(fabric, eni))
        }
        End::Host(host) => format!("{:?}", fabric.hosts[host].addresses),
        End::Internet | End::Address(_) => String::new(),
    }
}

fn place(fabric: &Fabric, eni: EniIdx) -> String {
    let interface = &fabric.enis[eni];
    let why = |unknown: Option<_>| unknown.map(|unknown| fabric.not_modelled[unknown].reason.to_string());
    let subnet = &fabric.subnets[interface.subnet];
    format!(
        "{} {} {:?} {:?} {:?} {} {} {:?} {:?}",
        subnet.name,
        subnet.availability_zone,
        interface.addresses,
        interface.public_addresses,
        words::groups(fabric, eni),
        interface.running,
        interface.source_dest_check,
        why(interface.unknown),
        why(subnet.unknown),
    )
}

/// Whether packets between two ends never leave their VPC's own routes.
pub(crate) fn is_local(fabric: &Fabric, from: &NamedEnd, to: &NamedEnd) -> bool {
    let (End::Interface(a, _), End::Interface(b, _)) = (from.end, to.end) else { return false };
    let routes = |eni: EniIdx, other: EniIdx| {
        let table = &fabric.route_tables[fabric.subnets[fabric.enis[eni].subnet].route_table];
        fabric.enis[other].addresses.iter().all(|address| {
            table.lookup(*address).is_some_and(|route| route.target == vpclab_engine::RouteTarget::Local)
        })
    };
    fabric.enis[a].vpc == fabric.enis[b].vpc && routes(a, b) && routes(b, a)
}

/// Whether all that ends share is the same in both: everything but interfaces, instances and groups, but those of guests
/// that send on what is not theirs.
pub(crate) fn is_one_world(old: &Topology, new: &Topology) -> bool {
    let shared = |topology: &Topology| {
        let mut shared = topology.clone();
        shared.network_interfaces.retain(|_, interface| !interface.source_dest_check);
        let forwards = !shared.network_interfaces.is_empty();
        if !forwards {
            shared.security_groups.clear();
            shared.instances.clear();
        }
        shared
    };
    shared(old) == shared(new)
}
