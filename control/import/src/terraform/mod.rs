//! What does a Terraform plan or state say?
//!
//! `terraform show -json` has every instance with its values; what is known only after apply is followed through the
//! configuration's expressions to the resource that it comes from. Names are Terraform's addresses.

mod address;
mod blocks;
mod clusters;
mod data;
mod databases;
mod filters;
mod follow;
mod gateways;
mod hosts;
mod links;
mod load_balancers;
mod network;
mod parts;
mod place;
mod plan;
mod prefix_lists;
mod references;
mod routes;
mod scaling;
mod services;
mod touched;
mod transit;
mod types;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::Options;
use crate::estate::{Address, Estate};
use crate::mapping::{Mapping, object};
use crate::properties::Given;
use crate::report::{Fate, Note, NoteKind, ReportedResource};
use crate::services::{asks_for_ipv6, has_ipv4_unless_said};
use crate::source::{Read, SourceError};
use crate::terraform::plan::Plan;
use crate::terraform::references::{Evaluated, Resource};
use crate::terraform::types::Meaning;
use crate::terraform::words::{OF_INTERFACES, OF_INTERFACES_QUIET};
use crate::val::Val;

/// Reads plans and states. Ids of AWS are its own: what one of them holds, the others refer to by them.
pub(crate) fn read(sources: &[&Read], options: &Options, estate: &mut Estate) -> Result<(), SourceError> {
    let read: Result<Vec<Plan>, _> = sources.iter().map(|source| Plan::new(source, options.side)).collect();
    let read = read?;
    let plans: Vec<(&Plan, &Read)> = read.iter().zip(sources.iter().copied()).collect();
    let ids = if sources.len() > 1 { references::ids(&plans) } else { BTreeMap::new() };
    let all: Vec<Evaluated> = plans.iter().map(|(plan, source)| Evaluated::new(plan, source, &ids)).collect();
    let facts: Vec<Facts<'_>> =
        all.iter().zip(sources).map(|(all, source)| Facts::new(all, source)).collect();
    for facts in &facts {
        say_where(facts.all, facts.source, estate);
        for resource in &facts.all.resources {
            match types::meaning(&resource.of_type, resource.is_data) {
                Meaning::Mapped(map) => map(resource, facts, estate),
                Meaning::NotNetwork => plain(resource, facts, Fate::NotNetwork, None, estate),
                Meaning::LeftOut(why) => plain(resource, facts, Fate::LeftOut, Some(why), estate),
            }
        }
        filters::finish(estate);
        network::finish(facts, estate);
    }
    facts.iter().for_each(|facts| touched::finish(facts, estate));
    Ok(())
}

/// Reports the region and the account that most of the resources are in.
fn say_where(all: &Evaluated, source: &Read, estate: &mut Estate) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for resource in all.resources.iter().filter(|resource| !resource.is_data) {
        *counts.entry((&resource.region, &resource.account)).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(home, _)| home);
    let reported = estate.report.sources.iter_mut().find(|reported| reported.name == source.name);
    if let (Some((region, account)), Some(reported)) = (most, reported) {
        region.clone_into(&mut reported.region);
        account.clone_into(&mut reported.account);
    }
}

/// What every mapping may look at.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub all: &'a Evaluated,
    pub source: &'a Read,
    /// Elastic IP addresses that NAT gateways have.
    pub of_nat: BTreeSet<String>,
    /// The interfaces that instances list themselves.
    pub listed_interfaces: BTreeSet<String>,
}

impl<'a> Facts<'a> {
    fn new(all: &'a Evaluated, source: &'a Read) -> Self {
        let (of_nat, listed_interfaces) = (gateways::of_nat(all), hosts::listed_interfaces(all));
        Self { of_nat, listed_interfaces, all, source }
    }

    fn by(&self, resource: &Resource) -> Address {
        Address { source: self.source.name.clone(), address: resource.address.clone() }
    }
}

/// What says nothing about packets, on all resources.
const SILENT: &[&str] = &[
    "id",
    "arn",
    "tags",
    "tags_all",
    "timeouts",
    "region",
    "owner_id",
    "provider",
    "lifecycle",
    "depends_on",
    "count",
    "for_each",
];

/// Takes what a service says beside what was read: nothing about packets, but where the names of attributes tell of its
/// interfaces. A second family of addresses is one that they have.
fn rest(mapping: &mut Mapping<'_>, read: &[&str]) {
    mapping.properties.silent(read);
    mapping.properties.silent(OF_INTERFACES_QUIET);
    // By which addresses a cache is found is up to who looks for it.
    mapping.properties.silent(&["ip_discovery"]);
    for key in ["network_type", "ip_address_type"] {
        let value = mapping.properties.take(key);
        families(mapping, key, value);
    }
    mapping.properties.silence_but(OF_INTERFACES);
}

/// Gives the interfaces of a service IPv6 addresses, where it asks for them and has none by itself.
fn families(mapping: &mut Mapping<'_>, key: &str, value: Option<&Val>) {
    let has_none = has_ipv4_unless_said(&mapping.of_type);
    match value {
        Some(Val::Unknown(unknown)) if has_none => {
            mapping.doubt(format!("{key} is not known: {}", unknown.why));
        }
        Some(value) if value.text().is_some_and(|word| asks_for_ipv6(&word)) => {
            if has_none {
                return mapping.write("ipv6_address_count", 1);
            }
            let word = value.text().unwrap_or_default();
            let text = format!("{key} {word}: its IPv6 addresses are not in the topology");
            mapping.note(NoteKind::Approximated, text);
        }
        _ => {}
    }
}

/// Starts to map a resource.
fn begin<'a>(resource: &'a Resource, facts: &Facts<'_>, estate: &'a mut Estate) -> Mapping<'a> {
    let by = facts.by(resource);
    let mut mapping = Mapping::new(by, &resource.of_type, &resource.name, &resource.values, estate);
    mapping.properties.notes.extend(resource.notes.iter().cloned());
    mapping.properties.silent(SILENT);
    mapping
}

/// Writes the labels.
fn labels(mapping: &mut Mapping<'_>, resource: &Resource) {
    if let Some(tags) = resource.tags() {
        mapping.write("tags", json!(tags));
    }
}

/// Puts a resource under its name with its labels, and reports it.
fn end(mut mapping: Mapping<'_>, kind: &'static str, resource: &Resource) {
    labels(&mut mapping, resource);
    mapping.put(kind);
    mapping.finish(Fate::Understood);
}

/// Reports a resource that became part of another one.
fn part_of(mut mapping: Mapping<'_>, kind: &'static str, name: &str) {
    mapping.became_part_of(kind, name);
    mapping.finish(Fate::Understood);
}

/// Reports a resource that changes something that is not known: anything of the kind may be meant.
fn lost(mut mapping: Mapping<'_>, key: &str, kind: &'static str, types: &[&str], facts: &Facts<'_>) {
    mapping.properties.silence();
    let why = format!("{}: {key} is not known, and may mean this", mapping.by.address);
    mapping.note(NoteKind::Unknown, format!("{key} is not known: what it changes is not either"));
    let by = mapping.by.clone();
    for of_type in types {
        for resource in facts.all.of(of_type) {
            mapping.estate.doubt(kind, &resource.name, why.clone(), &by);
        }
    }
    // Each VPC comes with one that nobody declares.
    for vpc in facts.all.of("aws_vpc") {
        let own = match kind {
            "route_tables" => facts.all.first_table(&vpc.name),
            "network_acls" | "security_groups" => format!("{}/default", vpc.name),
            _ => break,
        };
        mapping.estate.doubt(kind, &own, why.clone(), &by);
    }
    mapping.finish(Fate::Understood);
}

/// Reports a resource that is not in the topology, or says nothing there.
fn plain(resource: &Resource, facts: &Facts<'_>, fate: Fate, why: Option<&str>, estate: &mut Estate) {
    let Address { source, address } = facts.by(resource);
    let kind = if fate == Fate::LeftOut { NoteKind::Omitted } else { NoteKind::Approximated };
    let notes = why.map(|why| Note::new(kind, why)).into_iter().collect();
    let of_type = resource.of_type.clone();
    estate.report(ReportedResource { source, address, of_type, fate, becomes: Vec::new(), notes });
}

/// A reference that a resource cannot be without. What is not known has a name of its own, for a stand-in.
fn required(
    mapping: &mut Mapping<'_>,
    resource: &Resource,
    theirs: &str,
    ours: &str,
    kind: &'static str,
) -> Option<String> {
    let name = match mapping.name_of(theirs, kind) {
        Given::Known(name) if !name.is_empty() => name,
        Given::Known(_) | Given::Absent => return None,
        // Of several subnets it is put into one, and marked.
        Given::Unknown(unknown) => match among(resource, theirs).first().filter(|_| kind == "subnets") {
            Some(first) => {
                mapping.matters(theirs, &unknown);
                let by = mapping.by.clone();
                mapping.estate.refer(kind, first, &by);
                first.clone()
            }
            None => stand_in(mapping, resource, theirs, kind, &unknown.why),
        },
    };
    mapping.write(ours, name.as_str());
    Some(name)
}

/// All that an attribute may mean that is not known; nothing where it may be something else.
fn among<'a>(resource: &'a Resource, key: &str) -> &'a [String] {
    resource.candidates.get(key).filter(|among| among.are_all).map_or(&[], |among| &among.names)
}

/// A reference that a resource always has: where nobody wrote it, something stands in for it.
fn needed(
    mapping: &mut Mapping<'_>,
    resource: &Resource,
    theirs: &str,
    ours: &str,
    kind: &'static str,
) -> String {
    required(mapping, resource, theirs, ours, kind).unwrap_or_else(|| {
        let name = stand_in(mapping, resource, theirs, kind, "it is not written");
        mapping.write(ours, name.as_str());
        name
    })
}

/// The name of something that is not known, and is made up where that is wished for.
fn stand_in(
    mapping: &mut Mapping<'_>,
    resource: &Resource,
    theirs: &str,
    kind: &'static str,
    why: &str,
) -> String {
    let name = format!("{}.{theirs}", resource.name);
    let place = mapping.properties.place(theirs);
    mapping.note(NoteKind::Unknown, format!("{place} is not known: {why}"));
    let by = mapping.by.clone();
    mapping.estate.refer(kind, &name, &by);
    let why = format!("{theirs} of {} is not known: {why}", resource.address);
    mapping.estate.stand_ins.insert((kind, name.clone()), why);
    if kind == "vpcs" {
        let known = json!({ "region": resource.region, "owner": resource.account });
        mapping.estate.hint(kind, &name, object(known));
    }
    name
}

/// The VPC of a resource: the default one where none is named.
fn vpc(mapping: &mut Mapping<'_>, resource: &Resource) -> String {
    if let Some(vpc) = required(mapping, resource, "vpc_id", "vpc", "vpcs") {
        return vpc;
    }
    let vpc = default_vpc(mapping, resource);
    mapping.write("vpc", vpc.as_str());
    vpc
}

/// The default VPC, made on demand.
fn default_vpc(mapping: &mut Mapping<'_>, resource: &Resource) -> String {
    mapping.note(NoteKind::Assigned, "it is in the default VPC, as it names none");
    mapping.estate.default_vpc(&resource.region, &resource.account)
}

/// Writes where a resource is, of a kind that says so.
fn home(mapping: &mut Mapping<'_>, resource: &Resource) {
    mapping.write("region", resource.region.as_str());
    mapping.write("owner", resource.account.as_str());
}
