//! Network ACLs and security groups of Terraform.
//!
//! A group has exactly the rules that are listed: the provider removes AWS's default. A state lists rules of resources of
//! their own in the group as well: each is taken once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::estate::{Change, Estate};
use crate::mapping::{Mapping, is_same_rule};
use crate::properties::{Given, Properties};
use crate::report::NoteKind;
use crate::terraform::references::Resource;
use crate::terraform::routes::{NOWHERE, of_its_vpc};
use crate::terraform::{Facts, begin, end, lost, part_of, vpc};
use crate::val::Val;

/// Both directions.
const DIRECTIONS: [&str; 2] = ["ingress", "egress"];

pub(super) fn network_acl(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let by = mapping.by.clone();
    if resource.of_type == "aws_default_network_acl" {
        // It has whichever subnets have no other.
        mapping.properties.silent(&["default_network_acl_id", "vpc_id", "subnet_ids"]);
        of_its_vpc(&mut mapping, &["/default"]);
    } else {
        vpc(&mut mapping, resource);
        let mut unknown = None;
        match mapping.properties.take("subnet_ids") {
            Some(Val::List(subnets)) => {
                for subnet in subnets {
                    match subnet.text() {
                        Some(subnet) => {
                            mapping.estate.set("subnets", &subnet, "network_acl", json!(resource.name), &by);
                        }
                        None => unknown = subnet.first_unknown().or(unknown),
                    }
                }
            }
            Some(Val::Unknown(none)) => unknown = Some(none),
            _ => {}
        }
        if let Some(unknown) = unknown {
            let why = format!("the subnets of {} are not known: {}", resource.address, unknown.why);
            every_subnet(&mut mapping, facts, &why);
        }
    }
    for direction in DIRECTIONS {
        let mut entries = Vec::new();
        match mapping.properties.maps(direction) {
            Given::Known(blocks) => {
                for mut block in blocks {
                    match entry(&mut block) {
                        Ok(entry) => entries.push(Value::Object(entry)),
                        Err(why) => mapping.doubt(why),
                    }
                    mapping.properties.finish_inner(block);
                }
            }
            Given::Unknown(unknown) => mapping.matters(direction, &unknown),
            Given::Absent => {}
        }
        mapping.write(direction, entries);
    }
    end(mapping, "network_acls", resource);
}

/// Marks the subnets of an ACL's VPC that may have it: those of which nobody says that they have another one. In doubt is
/// also which of them have the default one.
fn every_subnet(mapping: &mut Mapping<'_>, facts: &Facts<'_>, why: &str) {
    let vpc = mapping.attributes.get("vpc").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut stated: BTreeSet<String> = BTreeSet::new();
    for acl in facts.all.of("aws_network_acl") {
        stated.extend(acl.values.get("subnet_ids").map_or(&[][..], Val::items).iter().filter_map(Val::text));
    }
    stated.extend(facts.all.of("aws_network_acl_association").filter_map(|one| one.text("subnet_id")));
    let is_here = vpc.starts_with("default-") || facts.all.of("aws_vpc").any(|one| one.name == vpc);
    mapping.note(NoteKind::Unknown, why);
    if is_here {
        mapping.unknown_of("network_acls", &format!("{vpc}/default"), why);
    }
    for subnet in facts.all.of("aws_subnet") {
        let may_be = subnet.text("vpc_id").is_none_or(|own| own == vpc);
        if may_be && !stated.contains(&subnet.name) {
            mapping.unknown_of("subnets", &subnet.name, why);
        }
    }
}

/// An entry of a network ACL.
fn entry(block: &mut Properties<'_>) -> Result<Map<String, Value>, String> {
    let mut entry = Map::new();
    for (theirs, ours) in [
        ("action", "action"),
        ("rule_action", "action"),
        ("protocol", "protocol"),
        ("cidr_block", "cidr_block"),
        ("ipv6_cidr_block", "ipv6_cidr_block"),
    ] {
        match block.text(theirs) {
            Given::Known(text) if !text.is_empty() => {
                drop(entry.insert(ours.to_owned(), json!(text.to_ascii_lowercase())));
            }
            Given::Unknown(unknown) => {
                return Err(format!("the {ours} of an entry is not known: {}", unknown.why));
            }
            _ => {}
        }
    }
    for (theirs, ours) in [
        ("rule_no", "rule_no"),
        ("rule_number", "rule_no"),
        ("from_port", "from_port"),
        ("to_port", "to_port"),
        ("icmp_type", "icmp_type"),
        ("icmp_code", "icmp_code"),
    ] {
        match block.number(theirs) {
            Given::Known(number) => drop(entry.insert(ours.to_owned(), json!(number))),
            Given::Unknown(unknown) => {
                return Err(format!("the {ours} of an entry is not known: {}", unknown.why));
            }
            Given::Absent => {}
        }
    }
    let protocol = entry.get("protocol").and_then(Value::as_str).map(protocol).unwrap_or_default();
    if protocol != "tcp" && protocol != "udp" {
        entry.remove("from_port");
        entry.remove("to_port");
    }
    if protocol != "icmp" && protocol != "icmpv6" {
        entry.remove("icmp_type");
        entry.remove("icmp_code");
    } else {
        // The provider sends a zero for what is not written: that is an echo reply, and no other message.
        entry.entry("icmp_type").or_insert(json!(0));
        entry.entry("icmp_code").or_insert(json!(0));
    }
    entry.insert("protocol".to_owned(), json!(protocol));
    Ok(entry)
}

pub(super) fn network_acl_rule(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let by = mapping.by.clone();
    let direction = match mapping.properties.boolean("egress") {
        Given::Known(true) => "egress",
        _ => "ingress",
    };
    let Given::Known(acl) = mapping.name_of("network_acl_id", "network_acls") else {
        return lost(
            mapping,
            "network_acl_id",
            "network_acls",
            &["aws_network_acl", "aws_default_network_acl"],
            facts,
        );
    };
    match entry(&mut mapping.properties) {
        Ok(entry) => mapping.estate.push("network_acls", &acl, direction, Value::Object(entry), &by),
        Err(why) => {
            mapping.note(NoteKind::Unknown, why.clone());
            mapping.unknown_of("network_acls", &acl, &why);
        }
    }
    part_of(mapping, "network_acls", &acl);
}

pub(super) fn network_acl_association(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let by = mapping.by.clone();
    let acl = mapping.name_of("network_acl_id", "network_acls");
    match (acl, mapping.name_of("subnet_id", "subnets")) {
        (Given::Known(acl), Given::Known(subnet)) => {
            mapping.estate.set("subnets", &subnet, "network_acl", json!(acl), &by);
            part_of(mapping, "subnets", &subnet);
        }
        (_, Given::Known(subnet)) => {
            mapping.unknown_of("subnets", &subnet, "its network ACL is not known");
            part_of(mapping, "subnets", &subnet);
        }
        _ => lost(mapping, "subnet_id", "subnets", &["aws_subnet"], facts),
    }
}

pub(super) fn security_group(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["name_prefix", "revoke_rules_on_delete"]);
    if resource.of_type == "aws_default_security_group" {
        mapping.properties.silent(&["vpc_id", "name", "description"]);
        of_its_vpc(&mut mapping, &["/default"]);
    } else {
        vpc(&mut mapping, resource);
        match mapping.properties.text("name") {
            Given::Known(name) if !name.is_empty() && !name.to_ascii_lowercase().starts_with("sg-") => {
                mapping.write("name", name);
            }
            // The provider chooses one.
            _ => {}
        }
        if let Given::Known(description) = mapping.properties.text("description") {
            mapping.write("description", description);
        }
    }
    for direction in DIRECTIONS {
        let mut rules = Vec::new();
        match mapping.properties.maps(direction) {
            Given::Known(blocks) => {
                for mut block in blocks {
                    let (found, unknown) = group_rules(&mut block, resource, facts, mapping.estate);
                    rules.extend(
                        found
                            .into_iter()
                            .filter(|rule| !rules.iter().any(|other| is_same_rule(other, rule)))
                            .collect::<Vec<_>>(),
                    );
                    unknown.into_iter().for_each(|why| mapping.doubt(why));
                    mapping.properties.finish_inner(block);
                }
            }
            Given::Unknown(unknown) => mapping.matters(direction, &unknown),
            Given::Absent => {}
        }
        mapping.write(direction, rules);
    }
    end(mapping, "security_groups", resource);
}

/// The rules that a block stands for, one for each other end, and what is not known of it.
fn group_rules(
    block: &mut Properties<'_>,
    resource: &Resource,
    facts: &Facts<'_>,
    estate: &mut Estate,
) -> (Vec<Value>, Vec<String>) {
    let by = facts.by(resource);
    let mut unknown = Vec::new();
    let mut rule = Map::new();
    let mut known = true;
    for key in ["protocol", "ip_protocol"] {
        match block.text(key) {
            Given::Known(text) if !text.is_empty() => {
                drop(rule.insert("protocol".to_owned(), json!(protocol(&text))));
            }
            Given::Unknown(_) => known = false,
            _ => {}
        }
    }
    for key in ["from_port", "to_port"] {
        match block.number(key) {
            Given::Known(port) => drop(rule.insert(key.to_owned(), json!(port))),
            Given::Unknown(_) => known = false,
            Given::Absent => {}
        }
    }
    if rule.get("protocol") == Some(&json!("-1")) {
        rule.remove("from_port");
        rule.remove("to_port");
    }
    if let Given::Known(description) = block.text("description")
        && !description.is_empty()
    {
        rule.insert("description".to_owned(), json!(description));
    }
    let mut ends = Vec::new();
    for (theirs, ours, kind) in [
        ("cidr_blocks", "cidr_blocks", None),
        ("cidr_ipv4", "cidr_blocks", None),
        ("ipv6_cidr_blocks", "ipv6_cidr_blocks", None),
        ("cidr_ipv6", "ipv6_cidr_blocks", None),
        ("prefix_list_ids", "prefix_lists", Some("managed_prefix_lists")),
        ("prefix_list_id", "prefix_lists", Some("managed_prefix_lists")),
        ("security_groups", "security_groups", Some("security_groups")),
        ("source_security_group_id", "security_groups", Some("security_groups")),
        ("referenced_security_group_id", "security_groups", Some("security_groups")),
    ] {
        let items = match block.list(theirs) {
            Given::Known(items) => items,
            Given::Unknown(why) => {
                unknown.push(format!("{theirs} of a rule is not known: {}", why.why));
                continue;
            }
            Given::Absent => continue,
        };
        for item in items {
            match item {
                Val::Unknown(why) => {
                    unknown.push(format!("{theirs} of a rule is not all known: {}", why.why));
                }
                // A block is no resource's name.
                Val::Name(named) if kind.is_none() => {
                    unknown.push(format!("{theirs} of a rule comes from {}", named.name));
                }
                item => {
                    let Some(text) = item.text().filter(|text| !text.is_empty()) else { continue };
                    // A group of the own account may be written with it.
                    let own = text.strip_prefix(&format!("{}/", resource.account)).map(|id| {
                        let has_id = |group: &&Resource| group.text("id").as_deref() == Some(id);
                        let group = facts.all.of("aws_security_group").find(has_id);
                        group.map_or_else(|| id.to_owned(), |group| group.name.clone())
                    });
                    let text = own.filter(|_| kind == Some("security_groups")).unwrap_or(text);
                    let account = text.split_once("/sg-").map(|(account, _)| account);
                    if let Some(account) = account.filter(|account| !is_peer(facts, account)) {
                        unknown.push(format!(
                            "{text} in a rule is another account's, and no peering connection with {account} is in the source"
                        ));
                        continue;
                    }
                    if let Some(kind) = kind.filter(|_| !text.contains('/') || matches!(item, Val::Name(_))) {
                        estate.refer(kind, &text, &by);
                    }
                    ends.push((ours, json!([text])));
                }
            }
        }
    }
    match block.boolean("self") {
        Given::Known(true) => ends.push(("self", json!(true))),
        Given::Unknown(why) => unknown.push(format!("self of a rule is not known: {}", why.why)),
        _ => {}
    }
    if !known || !rule.contains_key("protocol") {
        unknown.push("the protocol or the ports of a rule are not known".to_owned());
        return (Vec::new(), unknown);
    }
    let one = |(key, end): (&str, Value)| {
        let mut rule = rule.clone();
        rule.insert(key.to_owned(), end);
        Value::Object(rule)
    };
    (ends.into_iter().map(one).collect(), unknown)
}

/// Whether a VPC of another account is a peer: only then its groups are known in rules.
fn is_peer(facts: &Facts<'_>, account: &str) -> bool {
    facts
        .all
        .of("aws_vpc_peering_connection")
        .any(|one| one.text("peer_owner_id").as_deref() == Some(account))
}

/// The rules that a group has and no others: the plan takes away what nobody lists, which is gone already where this is
/// read (`parts`). A rule that somebody makes and this does not list comes and goes.
pub(super) fn rules_exclusive(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let Given::Known(group) = mapping.name_of("security_group_id", "security_groups") else {
        return lost(
            mapping,
            "security_group_id",
            "security_groups",
            &["aws_security_group", "aws_default_security_group"],
            facts,
        );
    };
    for (key, ours) in [("ingress_rule_ids", "ingress"), ("egress_rule_ids", "egress")] {
        let listed: Vec<String> = match mapping.properties.take(key) {
            Some(Val::List(items)) => items.iter().filter_map(Val::text).collect(),
            Some(Val::Unknown(unknown)) => {
                let why =
                    format!("which {ours} rules {} leaves is not known: {}", resource.address, unknown.why);
                mapping.unknown_of("security_groups", &group, &why);
                continue;
            }
            _ => Vec::new(),
        };
        let of_type = format!("aws_vpc_security_group_{ours}_rule");
        let own = |rule: &&Resource| {
            let is_here = rule.of_type == of_type
                || rule.of_type == "aws_security_group_rule" && rule.text("type").as_deref() == Some(ours);
            is_here && !rule.is_data && rule.text("security_group_id").as_ref() == Some(&group)
        };
        let is_listed = |rule: &&Resource| {
            let id = rule.text("security_group_rule_id");
            listed.iter().any(|one| *one == rule.name || Some(one) == id.as_ref())
        };
        for rule in facts.all.resources.iter().filter(own).filter(|rule| !is_listed(rule)) {
            let why = format!("{} takes {} away, which makes it anew", resource.address, rule.address);
            mapping.unknown_of("security_groups", &group, &why);
        }
    }
    part_of(mapping, "security_groups", &group);
}

pub(super) fn security_group_rule(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["security_group_rule_id"]);
    let by = mapping.by.clone();
    let direction = match resource.of_type.as_str() {
        "aws_vpc_security_group_ingress_rule" => "ingress",
        "aws_vpc_security_group_egress_rule" => "egress",
        _ => match mapping.properties.text("type") {
            Given::Known(direction) if direction == "egress" => "egress",
            _ => "ingress",
        },
    };
    let Given::Known(group) = mapping.name_of("security_group_id", "security_groups") else {
        return lost(
            mapping,
            "security_group_id",
            "security_groups",
            &["aws_security_group", "aws_default_security_group"],
            facts,
        );
    };
    let (rules, unknown) = group_rules(&mut mapping.properties, resource, facts, mapping.estate);
    if rules.is_empty() && unknown.is_empty() {
        mapping.note(NoteKind::Approximated, "it names no other end: nothing matches it");
    }
    rules.into_iter().for_each(|rule| mapping.estate.push("security_groups", &group, direction, rule, &by));
    for why in unknown {
        mapping.note(NoteKind::Unknown, why.clone());
        mapping.unknown_of("security_groups", &group, &why);
    }
    part_of(mapping, "security_groups", &group);
}

pub(super) fn group_association(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["state"]);
    let by = mapping.by.clone();
    let group = mapping.name_of("security_group_id", "security_groups");
    match (group, mapping.name_of("vpc_id", "vpcs")) {
        (Given::Known(group), Given::Known(vpc)) => {
            mapping.estate.push("security_groups", &group, "vpc_associations", json!(vpc), &by);
            part_of(mapping, "security_groups", &group);
        }
        _ => lost(mapping, "vpc_id", "vpcs", &["aws_vpc"], facts),
    }
}

/// A protocol as the document has it, so that one is known by one word.
pub(super) fn protocol(text: &str) -> String {
    match text.to_ascii_lowercase().as_str() {
        "all" | "-1" => "-1".to_owned(),
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "1" => "icmp".to_owned(),
        "58" => "icmpv6".to_owned(),
        other => other.to_owned(),
    }
}

/// Takes rules, routes and entries away that stand in what they are of as well, and those that stand twice.
pub(super) fn finish(estate: &mut Estate) {
    with_default_groups(estate);
    without_blackholes(estate);
    let mut seen: BTreeSet<(&'static str, String, &'static str, String)> = BTreeSet::new();
    let resources = std::mem::take(&mut estate.resources);
    estate.edits.retain(|edit| {
        let Change::Push(value) = &edit.change else { return true };
        let (kind, name) = &edit.target;
        if !DIRECTIONS.contains(&edit.attribute) && !["routes", "entries"].contains(&edit.attribute) {
            return true;
        }
        let inline = resources.get(kind).and_then(|all| all.get(name)?.get(edit.attribute)?.as_array());
        let number = |rule: &Value| rule.get("rule_no").cloned();
        let is_there = inline.into_iter().flatten().any(|other| match *kind {
            "network_acls" => number(other) == number(value),
            "managed_prefix_lists" => other.get("cidr") == value.get("cidr"),
            _ => is_same_rule(other, value),
        });
        let mut plain = value.clone();
        if let Some(map) = plain.as_object_mut() {
            map.remove("description");
        }
        let is_new = seen.insert((kind, name.clone(), edit.attribute, plain.to_string()));
        !is_there && is_new
    });
    estate.resources = resources;
}

/// What groups are added to and names none has its VPC's default one, and keeps it.
fn with_default_groups(estate: &mut Estate) {
    let mut more = BTreeMap::new();
    for edit in &estate.edits {
        let (kind, name) = &edit.target;
        let resource = estate.resources.get(kind).and_then(|all| all.get(name));
        let Some(resource) = resource.filter(|one| {
            edit.attribute == "security_groups"
                && matches!(*kind, "instances" | "network_interfaces")
                && matches!(edit.change, Change::Push(_))
                && !one.contains_key("security_groups")
                && !one.contains_key("network_interfaces")
        }) else {
            continue;
        };
        let subnet = resource.get("subnet").and_then(Value::as_str).unwrap_or_default();
        let vpc = estate.resources.get("subnets").and_then(|all| all.get(subnet)?.get("vpc")?.as_str());
        // Subnets of default VPCs are put later.
        let default = || subnet.starts_with("default-").then(|| subnet.rsplit_once('-').map(|(vpc, _)| vpc));
        let vpc = vpc.or_else(|| default().flatten()).map(str::to_owned);
        more.insert(edit.target.clone(), (vpc, edit.by.clone()));
    }
    for ((kind, name), (vpc, by)) in more {
        let why = "it names no group, and which VPC it takes the default one of is not known";
        let group = vpc.map(|vpc| json!(format!("{vpc}/default")));
        // Once, however many sources there are.
        let is_there = estate.edits.iter().any(|edit| match &edit.change {
            Change::Push(one) => edit.target == (kind, name.clone()) && Some(one) == group.as_ref(),
            Change::Doubt(one) => edit.target == (kind, name.clone()) && one == why,
            _ => false,
        });
        match group {
            _ if is_there => {}
            Some(group) => estate.push(kind, &name, "security_groups", group, &by),
            None => estate.doubt(kind, &name, why.to_owned(), &by),
        }
    }
}

/// Routes of which AWS says that they lead nowhere stand for what their tables list to the same destinations.
fn without_blackholes(estate: &mut Estate) {
    let destination = |route: &Value| {
        let keys = ["cidr_block", "ipv6_cidr_block", "destination_prefix_list"];
        keys.iter().find_map(|key| route.get(*key)?.as_str().map(str::to_owned))
    };
    let nowhere = estate.edits.iter().filter_map(|edit| match &edit.change {
        Change::Push(route) if edit.attribute == "routes" => {
            let is_nowhere = route.get("gateway")?.as_str()?.ends_with(NOWHERE);
            Some((edit.target.1.clone(), destination(route)?)).filter(|_| is_nowhere)
        }
        _ => None,
    });
    for (table, gone) in nowhere.collect::<Vec<_>>() {
        let table = estate.resources.get_mut("route_tables").and_then(|all| all.get_mut(&table));
        if let Some(Value::Array(routes)) = table.and_then(|table| table.get_mut("routes")) {
            routes.retain(|route| destination(route).as_ref() != Some(&gone));
        }
    }
}

/// Adds a security group to an interface.
pub(super) fn interface_group(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping: Mapping<'_> = begin(resource, facts, estate);
    let by = mapping.by.clone();
    let Given::Known(group) = mapping.name_of("security_group_id", "security_groups") else {
        return lost(
            mapping,
            "security_group_id",
            "security_groups",
            &["aws_security_group", "aws_default_security_group"],
            facts,
        );
    };
    match mapping.properties.take("network_interface_id") {
        Some(Val::Name(named)) => {
            let kind = if named.of_type == "aws_instance" { "instances" } else { "network_interfaces" };
            let name = named.name.clone();
            let is_listed = facts.all.named(&name).is_some_and(|interface| {
                ["security_groups", "vpc_security_group_ids"].iter().any(|key| {
                    let groups = interface.values.get(*key).map_or(&[][..], Val::items);
                    groups.iter().any(|one| one.text().as_ref() == Some(&group))
                })
            });
            if !is_listed {
                mapping.estate.push(kind, &name, "security_groups", json!(group), &by);
            }
            part_of(mapping, kind, &name);
        }
        Some(Val::Text(id)) => {
            mapping.estate.push("network_interfaces", id, "security_groups", json!(group), &by);
            part_of(mapping, "network_interfaces", id);
        }
        _ => {
            for instance in facts.all.of("aws_instance") {
                mapping.unknown_of("instances", &instance.name, "a security group of it may not be known");
            }
            lost(mapping, "network_interface_id", "network_interfaces", &["aws_network_interface"], facts);
        }
    }
}
