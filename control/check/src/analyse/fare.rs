//! How does all traffic from one end to another fare?
//!
//! The walks are the engine's survey of every protocol: here each of its classes is one of those that pass, that depend on
//! what is not modelled, or that pass on some of the ways that gateways choose. What always holds: whatever is not known
//! to pass in full, request and reply, is never among what passes.

use std::collections::BTreeSet;

use ipnet::IpNet;
use vpclab_api::Unmodelled;
use vpclab_engine::Fabric;
use vpclab_engine::explain::{
    Class, EPHEMERAL_PORTS, End, EndError, Fate, MANAGED_PORTS, Question as EngineQuestion, Survey,
    TrafficQuestion, chosen_ports, resolve, survey,
};
use vpclab_model::Topology;

use super::traffic::Packets;
use crate::answer::{in_each_family, of_each_address};
use crate::customers::{Asked, Customers};
use crate::explain::{astray, misplaced, not_modelled};
use crate::met::Met;
use crate::question::{EndKind, NamedEnd, Question, Via, pair};
use crate::{internet, private_dns, steps, undeclared};

/// How all traffic of one family fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Fare {
    /// What passes, request and reply.
    pub(crate) passes: Packets,
    /// What nothing denies, and what is not modelled may stop.
    pub(crate) unknown: Packets,
    /// What passes on some of the ways that gateways choose at random, and dies on others.
    pub(crate) sometimes: Packets,
    /// What the unknown depends on.
    pub(crate) unmodelled: BTreeSet<What>,
}

/// Something that is not modelled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct What {
    pub(crate) resource: String,
    pub(crate) kind: String,
    pub(crate) reason: String,
}

/// How the traffic of some hosts of an end fares in one family.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Part {
    pub(crate) ipv6: bool,
    /// The addresses of the internet that it is about; none are all, or all that no other part is about.
    pub(crate) blocks: Vec<IpNet>,
    pub(crate) fare: Fare,
}

/// How all traffic from one end to another fares. A part that is not here has nothing that passes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Cell {
    pub(crate) parts: Vec<Part>,
    /// Whether that is what passes for some address of whom is asked, and others of his fare otherwise.
    pub(crate) is_of_some: bool,
}

impl Fare {
    pub(crate) fn is_nothing(&self) -> bool {
        self.passes.is_empty() && self.unknown.is_empty() && self.sometimes.is_empty()
    }

    /// What fares so for one of two.
    fn of_either(mut self, other: Self) -> Self {
        self.passes = self.passes.or(&other.passes);
        self.unknown = self.unknown.or(&other.unknown);
        self.sometimes = self.sometimes.or(&other.sometimes);
        self.unmodelled.extend(other.unmodelled);
        self
    }

    fn unknown(what: BTreeSet<What>) -> Self {
        Self { unknown: Packets::everything(), unmodelled: what, ..Self::default() }
    }
}

impl Cell {
    /// Whether something passes, for some hosts at least.
    pub(crate) fn passes(&self) -> bool {
        self.parts.iter().any(|part| !part.fare.passes.is_empty())
    }

    /// Whether it is not known of some of it whether it passes.
    pub(crate) fn is_unsure(&self) -> bool {
        self.parts.iter().any(|part| !part.fare.unknown.is_empty())
    }

    /// Makes one part of those about the same hosts.
    fn merge(&mut self) {
        let mut merged: Vec<Part> = Vec::new();
        for part in std::mem::take(&mut self.parts) {
            match merged.iter_mut().find(|own| (own.ipv6, &own.blocks) == (part.ipv6, &part.blocks)) {
                Some(own) => own.fare = std::mem::take(&mut own.fare).of_either(part.fare),
                None => merged.push(part),
            }
        }
        merged.sort_by(|a, b| (a.ipv6, &a.blocks).cmp(&(b.ipv6, &b.blocks)));
        self.parts = merged;
    }

    fn push(&mut self, ipv6: bool, blocks: Vec<IpNet>, fare: Fare) {
        self.parts.push(Part { ipv6, blocks, fare });
    }
}

impl From<Unmodelled> for What {
    fn from(what: Unmodelled) -> Self {
        Self { resource: what.resource, kind: what.kind, reason: what.reason }
    }
}

/// How all traffic between two ends fares, in the families asked for; nothing where they make no question.
pub(crate) fn cell(
    fabric: &Fabric,
    topology: &Topology,
    from: &NamedEnd,
    to: &NamedEnd,
    ipv6: Option<bool>,
) -> Cell {
    let mut cell = Cell::default();
    let Ok(question) = pair(fabric, from, to, ipv6, TrafficQuestion::All) else { return cell };
    let mut named = private_dns::takes_the_name(fabric, topology, &question);
    if let Some(name) = &question.undeclared {
        named.extend(undeclared::unknown(topology, &question, name).unmodelled);
    }
    if !named.is_empty() {
        let what: BTreeSet<What> = named.into_iter().map(What::from).collect();
        for ipv6 in ipv6.map_or(vec![false, true], |ipv6| vec![ipv6]) {
            cell.push(ipv6, Vec::new(), Fare::unknown(what.clone()));
        }
        return cell;
    }
    if let Some(customers) = question.beyond() {
        of_customers(fabric, customers, &question, &mut cell);
        return cell;
    }
    for question in in_each_family(fabric, &question) {
        let mut each = of_each_address(fabric, &question).into_iter();
        let at = |question: Question| at_address(fabric, topology, &question);
        let Some(first) = each.next().map(at) else { continue };
        for other in each.map(at) {
            cell.is_of_some |= other != first;
            cell.parts.extend(other.into_iter().filter(|part| !first.contains(part)));
        }
        cell.parts.extend(first);
    }
    if cell.is_of_some {
        cell.merge();
    }
    cell
}

/// How all traffic to one address fares, in the family of the question.
fn at_address(fabric: &Fabric, topology: &Topology, question: &Question) -> Vec<Part> {
    let ipv6 = question.ipv6 == Some(true);
    let mut cell = Cell::default();
    let is_many = |end: &NamedEnd| matches!(end.kind, EndKind::Internet | EndKind::Block(_));
    if is_many(&question.from) || is_many(&question.to) {
        of_internet(fabric, topology, question, ipv6, &mut cell);
    } else if let Some((fare, _)) = fare(fabric, topology, question)
        && !fare.is_nothing()
    {
        cell.push(ipv6, Vec::new(), fare);
    }
    cell.parts
}

/// How the traffic of a network of the user's own fares, at each address of whom it is about.
fn of_customers(fabric: &Fabric, customers: &Customers, question: &Question, cell: &mut Cell) {
    let asked = customers.asked(fabric, question);
    for ipv6 in [false, true] {
        let own = asked.questions.iter().filter(|question| question.ipv6 == Some(ipv6));
        // Of each address of whom is declared, every host that is supposed.
        let mut each: Vec<(End, Vec<Fare>)> = Vec::new();
        for own in own.flat_map(|question| of_each_address(asked.fabric, question)) {
            let Some((fare, _)) = fare(asked.fabric, asked.topology, &own) else { continue };
            let at = if question.to.beyond.is_some() { own.from.end } else { own.to.end };
            match each.iter_mut().find(|(known, _)| *known == at) {
                Some((_, fares)) => fares.push(fare),
                None => each.push((at, vec![fare])),
            }
        }
        let mut each = each.into_iter().map(|(_, fares)| of_hosts(&asked, question, fares));
        let Some(first) = each.next() else { continue };
        for other in each {
            cell.is_of_some |= other != first;
            if !other.is_nothing() && other != first {
                cell.push(ipv6, Vec::new(), other);
            }
        }
        if !first.is_nothing() {
            cell.push(ipv6, Vec::new(), first);
        }
    }
    if cell.is_of_some {
        cell.merge();
    }
}

/// How the traffic of a network fares out of that of each of its hosts that is supposed. What passes for some alone is not
/// known to pass for whoever is there.
fn of_hosts(asked: &Asked<'_>, question: &Question, mut fares: Vec<Fare>) -> Fare {
    let unknown = asked.unknown.clone().map(What::from);
    fares.extend(asked.not_asked.clone().map(|what| Fare::unknown(BTreeSet::from([What::from(what)]))));
    let told = fares.iter().cloned().reduce(|a, b| a.of_either(b));
    let mut told = told.unwrap_or_default();
    let what = unknown.clone().or_else(|| {
        let differ = fares.iter().any(|fare| fare.passes != told.passes);
        let reason =
            "it depends on which host of it is meant; declare those that matter under `customer_hosts`";
        (differ && asked.not_asked.is_none()).then(|| What {
            resource: if question.from.beyond.is_some() { &question.from } else { &question.to }.name.clone(),
            kind: "customer_network".to_owned(),
            reason: reason.to_owned(),
        })
    });
    if what.is_some() || asked.not_asked.is_some() {
        let every = if unknown.is_some() {
            Packets::default()
        } else {
            fares.iter().map(|fare| fare.passes.clone()).reduce(|a, b| a.and(&b)).unwrap_or_default()
        };
        let more = told.passes.without(&every).or(&told.sometimes);
        if !more.is_empty() {
            told.unmodelled.extend(what);
        }
        told.unknown = told.unknown.or(&more);
        (told.passes, told.sometimes) = (every, Packets::default());
    }
    told
}

/// How the traffic of each part of the internet fares that can be told from others.
fn of_internet(fabric: &Fabric, topology: &Topology, question: &Question, ipv6: bool, cell: &mut Cell) {
    let ask = |question: &Question| fare(fabric, topology, question);
    let mut parts = internet::parts(fabric, topology, question, ipv6, ask);
    let rest = parts.iter().position(|part| !part.is_named()).map(|place| parts.remove(place));
    let rest = rest.and_then(|part| part.told).unwrap_or_default();
    // Those who fare alike are told as one, and those who fare as everybody else does, not at all.
    let mut known: Vec<(Fare, Vec<IpNet>)> = Vec::new();
    for part in parts {
        let fare = part.told.unwrap_or_else(|| {
            let reason =
                "rules and routes tell more ranges of public addresses apart than are asked one by one";
            let what = What {
                resource: "internet".to_owned(),
                kind: "internet".to_owned(),
                reason: reason.to_owned(),
            };
            Fare::unknown(BTreeSet::from([what]))
        });
        if fare == rest {
            continue;
        }
        match known.iter_mut().find(|(like, _)| *like == fare) {
            Some((_, blocks)) => blocks.extend(part.blocks),
            None => known.push((fare, part.blocks)),
        }
    }
    if !rest.is_nothing() {
        cell.push(ipv6, Vec::new(), rest);
    }
    for (fare, blocks) in known {
        cell.push(ipv6, IpNet::aggregate(&blocks), fare);
    }
}

/// How all traffic fares between single hosts, and what the walks met; none where there is no such question.
fn fare(fabric: &Fabric, topology: &Topology, question: &Question) -> Option<(Fare, Met)> {
    let Question { from, to, ipv6, .. } = question;
    if misplaced(fabric, from.end, to.end).is_some() {
        return None;
    }
    match resolve(fabric, from.end, to.end, *ipv6) {
        Ok(_) => {}
        Err(EndError::NoPublicAddress(eni)) => {
            let unknown = fabric.enis[eni].unknown.map(vpclab_engine::Unmodelled::Resource);
            let what = unknown.map(|what| What::from(not_modelled(fabric, what)));
            let fare = what.map_or_else(Fare::default, |what| Fare::unknown(BTreeSet::from([what])));
            return Some((fare, Met::default()));
        }
        Err(_) => return None,
    }
    let survey = walked(fabric, question)?;
    let steps = survey
        .fates
        .iter()
        .flat_map(|fate| fate.forward.steps.iter().chain(fate.back.iter().flat_map(|leg| &leg.steps)));
    let met = Met::of_steps(steps);
    Some((judge(fabric, topology, question, &survey), met))
}

/// The walks of every class of packets between two hosts; none where hosts are only supposed.
pub(crate) fn walked(fabric: &Fabric, question: &Question) -> Option<Survey> {
    if question.beyond().is_some() {
        return None;
    }
    let ends = resolve(fabric, question.from.end, question.to.end, question.ipv6).ok()?;
    Some(survey(fabric, &EngineQuestion { ends, traffic: question.traffic }))
}

/// What becomes of one class on one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passes,
    Denied,
    Unknown,
}

/// What becomes of a class on one way, if whom it reaches is who was meant.
pub(crate) fn verdict(fabric: &Fabric, topology: &Topology, question: &Question, fate: &Fate) -> Verdict {
    let destination = fate_destination(fabric, question);
    let is_astray = astray(fabric, question.to.end, destination, &fate.forward).is_some();
    if fate.is_denied() || is_astray {
        return Verdict::Denied;
    }
    if fate.unmodelled().next().is_some() {
        return Verdict::Unknown;
    }
    let passes = |via: &Via| {
        let mut steps = fate.forward.steps.iter().map(|step| steps::step(fabric, topology, step));
        steps.any(|step| step.component == via.component && step.resource == via.resource)
    };
    let mut gateways = [&question.from.via, &question.to.via].into_iter().flatten();
    if gateways.all(passes) { Verdict::Passes } else { Verdict::Denied }
}

fn fate_destination(fabric: &Fabric, question: &Question) -> Option<std::net::IpAddr> {
    match question.to.end {
        // Only of an address is it asked who stands behind it.
        End::Address(_) => resolve(fabric, question.from.end, question.to.end, question.ipv6)
            .ok()
            .map(|ends| ends.destination),
        _ => None,
    }
}

fn judge(fabric: &Fabric, topology: &Topology, question: &Question, survey: &Survey) -> Fare {
    let mut fare = Fare::default();
    let (mut passes, mut unknown, mut sometimes) = (Vec::new(), Vec::new(), Vec::new());
    let mut dies = Vec::new();
    for ways in survey.fates.chunk_by(|a, b| a.class == b.class) {
        let class: Class = ways[0].class;
        let of = |wanted: Verdict| {
            ways.iter().filter(|fate| verdict(fabric, topology, question, fate) == wanted).count()
        };
        let denied = of(Verdict::Denied);
        if denied == ways.len() {
            dies.push(class);
            continue;
        }
        if denied > 0 {
            sometimes.push(class);
        } else if of(Verdict::Unknown) > 0 || !survey.is_exhaustive {
            unknown.push(class);
            let what = ways.iter().flat_map(Fate::unmodelled);
            fare.unmodelled.extend(what.map(|what| What::from(not_modelled(fabric, what))));
        } else {
            passes.push(class);
        }
    }
    if !survey.is_exhaustive {
        // Of some packets nothing is known, be it that those of their class who were asked about were denied.
        fare.unmodelled.insert(What {
            resource: question.to.name.clone(),
            kind: "rules".to_owned(),
            reason: "rules on the way tell more packets apart than are asked about".to_owned(),
        });
        fare.unknown = Packets::everything();
        return fare;
    }
    fare.passes = Packets::of(passes);
    fare.unknown = Packets::of(unknown);
    fare.sometimes = Packets::of(sometimes);
    let ends = resolve(fabric, question.from.end, question.to.end, question.ipv6);
    if ends.is_ok_and(|ends| chosen_ports(fabric, ends.from) == MANAGED_PORTS) {
        return by_any_source_port(fare, dies);
    }
    fare
}

/// What fares so for what AWS runs, which chooses its source port at random: where some ports pass and others die, what it
/// opens passes sometimes. The source ports of packets are then those of any client.
fn by_any_source_port(fare: Fare, dies: Vec<Class>) -> Fare {
    let widened = |classes: &[Class]| {
        let wide = |class: &Class| match *class {
            Class::Ports { protocol, nat_ports, ports, .. } => {
                Class::Ports { protocol, source_ports: EPHEMERAL_PORTS, nat_ports, ports }
            }
            other => other,
        };
        let each = classes.iter().map(|class| Packets::of([wide(class)]));
        each.fold(Packets::default(), |all, own| all.or(&own))
    };
    let (passes, unknown) = (widened(fare.passes.boxes()), widened(fare.unknown.boxes()));
    let sometimes = widened(fare.sometimes.boxes()).or(&passes.or(&unknown).and(&widened(&dies)));
    let unknown = unknown.without(&sometimes);
    Fare { passes: passes.without(&sometimes).without(&unknown), unknown, sometimes, ..fare }
}
