//! What if two files of a dump show one resource, and not the same of it?
//!
//! Each may know what the other does not, as two accounts see one peering connection. Where both say something about
//! packets and it differs, the files are of different times, and nobody knows which of them still holds: what they
//! agree on stands, and the resource is doubted, with whatever else the attribute decides about.

use std::collections::BTreeMap;

use crate::describe::facts::Facts;
use crate::describe::gather::Item;
use crate::estate::Estate;
use crate::report::{Fate, Note, NoteKind};
use crate::val::Val;

/// What of most resources changes no packet, or changes all the time.
const IGNORED: &[&str] = &[
    "AvailableIpAddressCount",
    "Description",
    "LastStatusChange",
    "Message",
    "PrivateDnsName",
    "PublicDnsName",
    "Region",
    "StatusMessage",
    "TagList",
    "TagSet",
    "Tags",
];

/// What matters of resources that say much more about machines than about packets.
const OF_SERVICES: &[(&str, &[&str])] = &[
    ("CacheClusters", &["CacheSubnetGroupName", "NetworkType", "SecurityGroups"]),
    (
        "DBInstances",
        &["DBInstanceStatus", "DBSubnetGroup", "NetworkType", "PubliclyAccessible", "VpcSecurityGroups"],
    ),
    ("DomainStatusList", &["VPCOptions"]),
    ("Functions", &["VpcConfig"]),
    (
        "Instances",
        &[
            "NetworkInterfaces",
            "PrivateIpAddress",
            "PublicIpAddress",
            "SecurityGroups",
            "SourceDestCheck",
            "State",
            "SubnetId",
        ],
    ),
];

/// What decides about others than the resource that has it: they are of the kinds that their ids begin with.
const DECIDING: &[&str] = &["Associations", "InstanceId", "NetworkInterfaceId", "RouteTableIds"];
const KINDS: &[(&str, &str)] =
    &[("subnet-", "subnets"), ("rtb-", "route_tables"), ("eni-", "network_interfaces"), ("i-", "instances")];

/// Rules only add to each other: those that all agree on hold, whatever becomes of the others.
const RULES: &[&str] = &["IpPermissions", "IpPermissionsEgress", "Cidrs"];

/// Adds to a resource what another file shows of it.
pub(super) fn join(collection: &'static str, known: &mut Item, more: BTreeMap<String, Val>) {
    // Each end of a peering of transit gateways says what it is to itself.
    let is_of_two = collection == "TransitGatewayAttachments";
    for (key, value) in more {
        let held = known.body.entry(key.clone()).or_insert(Val::Null);
        if !is_of_two && matters(collection, &key) && differ(held, &value) {
            let all = known.contradicted.entry(key.clone()).or_insert_with(|| vec![held.clone()]);
            all.push(value.clone());
            if let (Val::List(items), Val::List(others)) = (&mut *held, &value)
                && RULES.contains(&key.as_str())
            {
                let others: Vec<String> = others.iter().map(plain).collect();
                items.retain(|item| others.contains(&plain(item)));
                continue;
            }
        }
        if held.is_empty() && !known.contradicted.contains_key(&key) {
            *held = value;
        }
    }
}

fn matters(collection: &str, key: &str) -> bool {
    match OF_SERVICES.iter().find(|(of, _)| *of == collection) {
        Some((_, keys)) => keys.contains(&key),
        None => !is_ignored(key),
    }
}

fn is_ignored(key: &str) -> bool {
    IGNORED.contains(&key) || key.ends_with("Time") || key.ends_with("Timestamp")
}

/// Whether two values cannot both hold. Of what only one of them has, the other may know nothing; but an empty list is
/// the whole of a list.
fn differ(one: &Val, other: &Val) -> bool {
    match (one, other) {
        (Val::Null, _) | (_, Val::Null) => false,
        (Val::Text(text), _) | (_, Val::Text(text)) if text.is_empty() => false,
        (Val::Map(one), Val::Map(other)) => one
            .iter()
            .any(|(key, value)| !is_ignored(key) && other.get(key).is_some_and(|other| differ(value, other))),
        _ => plain(one) != plain(other),
    }
}

/// A value as a text, whatever the order of its lists, and without what says nothing.
fn plain(value: &Val) -> String {
    match value {
        Val::List(items) => {
            let mut items: Vec<String> = items.iter().map(plain).collect();
            items.sort();
            format!("[{}]", items.join(","))
        }
        Val::Map(map) => {
            let said = map.iter().filter(|(key, value)| !value.is_empty() && !is_ignored(key));
            let said: Vec<String> = said.map(|(key, value)| format!("{key}:{}", plain(value))).collect();
            format!("{{{}}}", said.join(","))
        }
        Val::Text(text) => format!("{text:?}"),
        other => format!("{:?}", other.text().unwrap_or_default()),
    }
}

/// Why not all is known of a resource that two files show differently.
pub(super) fn why(item: &Item) -> Option<String> {
    if item.contradicted.is_empty() {
        return None;
    }
    let keys: Vec<&str> = item.contradicted.keys().map(String::as_str).collect();
    Some(format!(
        "two files of the dump have different {} of it: they are of different times",
        keys.join(", ")
    ))
}

/// Doubts what contradictions decide about besides the resources that have them.
pub(super) fn settle(facts: &Facts, estate: &mut Estate) {
    for (collection, id, item) in facts.dump.contradicted() {
        let Some(why) = why(item) else { continue };
        let mut others = Vec::new();
        for values in item.contradicted.iter().filter(|(key, _)| DECIDING.contains(&key.as_str())) {
            let mut named = Vec::new();
            values.1.iter().for_each(|value| ids(value, &mut named));
            for id in &named {
                let kind = KINDS.iter().find(|(prefix, _)| id.starts_with(prefix));
                others.extend(kind.map(|(_, kind)| (*kind, id.clone())));
            }
            let is_main =
                |value: &Val| value.items().iter().any(|one| one.text_of("Main").as_deref() == Some("true"));
            if values.1.iter().any(is_main) {
                let vpc = item.body.get("VpcId").and_then(Val::text);
                others.extend(vpc.map(|vpc| ("vpcs", vpc)));
            }
        }
        match collection {
            "TransitGatewayPropagations" | "TransitGatewayStaticRoutes" => {
                others.push(("transit_gateway_route_tables", id.clone()));
            }
            "LoadBalancerListeners" => {
                others.extend(facts.balancing.get(id).map(|name| ("load_balancers", name.clone())));
            }
            _ => {}
        }
        others.sort();
        others.dedup();
        for (kind, name) in others {
            if estate.resources.get(kind).is_some_and(|all| all.contains_key(&name)) {
                let why = format!("{}: {why}", item.by.address);
                estate.doubt(kind, &name, why.clone(), &item.by);
                note(estate, kind, &name, &why);
            }
        }
    }
}

/// Says so of the resource in the report.
fn note(estate: &mut Estate, kind: &str, name: &str, why: &str) {
    for resource in &mut estate.report.resources {
        if resource.becomes.iter().any(|of| of.kind == kind && of.name == name) {
            resource.notes.push(Note::new(NoteKind::Unknown, why));
            if matches!(resource.fate, Fate::Understood | Fate::Approximated) {
                resource.fate = Fate::NotModelled;
            }
        }
    }
}

fn ids(value: &Val, found: &mut Vec<String>) {
    match value {
        Val::List(items) => items.iter().for_each(|item| ids(item, found)),
        Val::Map(map) => map.values().for_each(|item| ids(item, found)),
        other => found.extend(other.text()),
    }
}
