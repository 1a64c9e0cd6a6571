//! How do security groups and network ACLs become a topology's?
//!
//! Rules inside a group and rules that are resources of their own are the same; what differs is the egress rule of AWS's
//! own: a group without egress rules inside keeps it, and separate ones are added to it.

use serde_json::{Map, Value, json};

use super::resource::Resource;
use super::vpc::owner;
use crate::mapping::is_same_rule;
use crate::properties::{Given, Properties};
use crate::report::{Note, NoteKind};
use crate::val::Unknown;

/// The name under which EC2-Classic's load balancers own their group.
const CLASSIC_OWNER: &str = "amazon-elb";

pub(super) fn security_group(mut r: Resource<'_>) -> Result<(), String> {
    // Name and description decide nothing.
    for (theirs, ours) in [("GroupName", "name"), ("GroupDescription", "description")] {
        if let Given::Known(text) = r.mapping.properties.text(theirs) {
            r.mapping.write(ours, text);
        }
    }
    r.vpc();
    for (theirs, ours) in [("SecurityGroupIngress", "ingress"), ("SecurityGroupEgress", "egress")] {
        match r.mapping.properties.maps(theirs) {
            Given::Absent => {}
            Given::Unknown(unknown) => {
                r.mapping.matters(theirs, &unknown);
                r.mapping.write(ours, json!([]));
            }
            // An empty list of egress rules is as none: AWS's own stays.
            Given::Known(rules) if rules.is_empty() && ours == "egress" => {}
            Given::Known(rules) => {
                let mut written: Vec<Value> = Vec::new();
                for properties in rules {
                    let (rule, properties) = rule(&mut r, properties, theirs);
                    r.mapping.properties.finish_inner(properties);
                    match rule {
                        Some(rule) if written.iter().any(|other| is_same_rule(other, &rule)) => {
                            r.mapping.note(NoteKind::Approximated, format!("{theirs} has a rule twice"));
                        }
                        Some(rule) => written.push(rule),
                        None => {}
                    }
                }
                r.mapping.write(ours, Value::Array(written));
            }
        }
    }
    if r.is_rewritten {
        // Rules of a group that is doubted hold as they are written: of these nobody knows.
        for direction in ["ingress", "egress"] {
            r.mapping.write(direction, json!([]));
        }
    }
    r.tags();
    r.mapping.put("security_groups");
    r.finish()
}

/// `SecurityGroupIngress` and `SecurityGroupEgress` as resources.
pub(super) fn separate_rule(mut r: Resource<'_>, direction: &'static str) -> Result<(), String> {
    let group = match r.mapping.name_of("GroupId", "security_groups") {
        Given::Known(group) => {
            r.mapping.properties.silent(&["GroupName"]);
            group
        }
        Given::Unknown(unknown) => return Err(format!("GroupId is not known: {}", unknown.why)),
        Given::Absent => match group_by_name(&mut r, "GroupName") {
            Some(group) => group,
            None => owner(&mut r, "GroupId", "security_groups")?,
        },
    };
    let properties = std::mem::replace(&mut r.mapping.properties, Properties::nothing());
    let (rule, mut properties) = rule(&mut r, properties, "rule");
    let (notes, problems) = std::mem::replace(&mut r.mapping.properties, Properties::nothing()).finish();
    properties.notes.extend(notes);
    properties.problems.extend(problems);
    r.mapping.properties = properties;
    let by = r.mapping.by.clone();
    match rule {
        // A rule of a group holds as it is written, whatever else is not known of the group.
        Some(_) if r.mapping.uncertain.is_some() => {}
        Some(rule) => r.rules.add("security_groups", &group, direction, rule, &by),
        None if !r.mapping.properties.notes.iter().any(|note| note.kind == NoteKind::Unknown) => {}
        None => {
            let why = format!("{} adds a rule to it that is not known", by.address);
            r.mapping.estate.doubt("security_groups", &group, why, &by);
        }
    }
    r.mapping.became_part_of("security_groups", &group);
    r.finish()
}

/// The group that is called so: a reference, or the name that a group of the templates states.
fn group_by_name(r: &mut Resource<'_>, property: &str) -> Option<String> {
    let given = r.mapping.properties.text(property);
    let given = match given {
        Given::Known(name) => Given::Known(named_group(r, &name)),
        given => given,
    };
    match r.mapping.referred(given, "security_groups") {
        Given::Known(name) => Some(name),
        _ => None,
    }
}

/// The name in the document of the group whose `GroupName` is `name`.
pub(super) fn named_group(r: &mut Resource<'_>, name: &str) -> String {
    for stack in r.evaluator.stacks() {
        for logical in stack.template.resources.keys() {
            let is_group = stack.type_of(logical) == Some("AWS::EC2::SecurityGroup");
            let called = stack.property(logical, "GroupName").and_then(Value::as_str);
            if is_group && (called == Some(name) || stack.name_of(logical) == name) {
                return stack.name_of(logical);
            }
        }
    }
    if name == "default" {
        let (region, account) = (r.region(), r.account());
        return format!("{}/default", r.mapping.estate.default_vpc(&region, &account));
    }
    name.to_owned()
}

/// One rule of a group; nothing where a part of it is not known, which the notes say.
fn rule<'r>(
    r: &mut Resource<'r>,
    mut properties: Properties<'r>,
    what: &str,
) -> (Option<Value>, Properties<'r>) {
    let mut rule = Map::new();
    let mut unknown: Option<(String, Unknown)> = None;
    let mut doubt = |key: &str, found: Unknown| {
        unknown.get_or_insert((key.to_owned(), found));
    };
    let protocol = match properties.text("IpProtocol") {
        Given::Known(protocol) => protocol.trim().to_ascii_lowercase(),
        Given::Absent => "-1".to_owned(),
        Given::Unknown(found) => {
            doubt("IpProtocol", found);
            String::new()
        }
    };
    let protocol = if protocol == "all" { "-1".to_owned() } else { protocol };
    let mut port = |properties: &mut Properties<'r>, key: &str| match properties.number(key) {
        Given::Known(port) => Some(port),
        Given::Absent => None,
        Given::Unknown(_) if protocol == "-1" => None,
        Given::Unknown(found) => {
            doubt(key, found);
            None
        }
    };
    let (from, to) = (port(&mut properties, "FromPort"), port(&mut properties, "ToPort"));
    let place = properties.place("");
    let place = if place.is_empty() { what } else { place.trim_end_matches('.') }.to_owned();
    ports(&protocol, from, to, &mut rule, &mut properties, &place);
    rule.insert("protocol".to_owned(), json!(protocol));
    if let Given::Known(description) = properties.text("Description") {
        rule.insert("description".to_owned(), json!(description));
    }
    for (theirs, ours) in [("CidrIp", "cidr_blocks"), ("CidrIpv6", "ipv6_cidr_blocks")] {
        match properties.text(theirs) {
            Given::Known(block) if block.trim().is_empty() => {}
            Given::Known(block) => {
                let block = block.trim();
                let block = match block.contains('/') {
                    true => block.to_owned(),
                    false if block.contains(':') => format!("{block}/128"),
                    false => format!("{block}/32"),
                };
                rule.insert(ours.to_owned(), json!([block]));
            }
            Given::Absent => {}
            Given::Unknown(found) => doubt(theirs, found),
        }
    }
    let account = r.account();
    let owner = match properties.text("SourceSecurityGroupOwnerId") {
        Given::Known(owner) if owner != account && !owner.is_empty() => Some(owner),
        _ => None,
    };
    for theirs in ["SourceSecurityGroupId", "DestinationSecurityGroupId"] {
        if let (Some(owner), Given::Known(group)) = (&owner, properties.text(theirs))
            && group.starts_with("sg-")
            && !r.evaluator.has_peering_with(owner)
        {
            let why = format!("{group} is of the account {owner}, to which no peering connection leads here");
            doubt(theirs, Unknown { why, missing: None });
            continue;
        }
        match r.mapping.referred_in(&mut properties, theirs, "security_groups", owner.as_deref()) {
            Given::Known(group) => {
                rule.insert("security_groups".to_owned(), json!([group]));
            }
            Given::Absent => {}
            Given::Unknown(found) => doubt(theirs, found),
        }
    }
    match properties.text("SourceSecurityGroupName") {
        Given::Known(_) if owner.as_deref() == Some(CLASSIC_OWNER) => {
            let why = "the group of EC2-Classic's load balancers is in no VPC".to_owned();
            doubt("SourceSecurityGroupName", Unknown { why, missing: None });
        }
        Given::Known(name) if !name.is_empty() => {
            let group = named_group(r, &name);
            let group = r.mapping.referred(Given::Known(group), "security_groups");
            if let Given::Known(group) = group {
                rule.insert("security_groups".to_owned(), json!([group]));
            }
        }
        Given::Known(_) | Given::Absent => {}
        // The group of a load balancer, which may be one of the template's.
        Given::Unknown(found) if found.missing.as_ref().is_none_or(|missing| missing.remedy.is_none()) => {
            doubt("SourceSecurityGroupName", found);
        }
        Given::Unknown(found) => match r.mapping.referred(Given::Unknown(found), "security_groups") {
            Given::Known(group) => {
                rule.insert("security_groups".to_owned(), json!([group]));
            }
            Given::Unknown(found) => doubt("SourceSecurityGroupName", found),
            Given::Absent => {}
        },
    }
    for theirs in ["SourcePrefixListId", "DestinationPrefixListId"] {
        match r.mapping.referred_in(&mut properties, theirs, "managed_prefix_lists", None) {
            Given::Known(list) => {
                rule.insert("prefix_lists".to_owned(), json!([list]));
            }
            Given::Absent => {}
            Given::Unknown(found) => doubt(theirs, found),
        }
    }
    if let Some((key, unknown)) = unknown {
        r.mapping.matters(&properties.place(&key), &unknown);
        return (None, properties);
    }
    let ends = ["cidr_blocks", "ipv6_cidr_blocks", "security_groups", "prefix_lists"];
    if !ends.iter().any(|end| rule.contains_key(*end)) {
        let text = format!("{place} names no other end, and allows nobody");
        properties.notes.push(Note::new(NoteKind::Approximated, text));
        return (None, properties);
    }
    (Some(Value::Object(rule)), properties)
}

/// The ports of a rule, in the spelling of its protocol.
fn ports(
    protocol: &str,
    from: Option<i64>,
    to: Option<i64>,
    rule: &mut Map<String, Value>,
    properties: &mut Properties<'_>,
    place: &str,
) {
    let mut write = |from: i64, to: i64| {
        rule.insert("from_port".to_owned(), json!(from));
        rule.insert("to_port".to_owned(), json!(to));
    };
    match protocol {
        "tcp" | "udp" | "6" | "17" => match (from.filter(|port| *port >= 0), to.filter(|port| *port >= 0)) {
            (Some(from), Some(to)) => write(from, to),
            (Some(one), None) | (None, Some(one)) => {
                properties.notes.push(Note::new(
                    NoteKind::Approximated,
                    format!("{place} has one port only: it is {one}"),
                ));
                write(one, one);
            }
            (None, None) => {
                if from.is_none() && to.is_none() {
                    properties.notes.push(Note::new(
                        NoteKind::Approximated,
                        format!("{place} has no ports: all are taken"),
                    ));
                }
                write(0, 65535);
            }
        },
        "icmp" | "icmpv6" | "1" | "58" => write(from.unwrap_or(-1), to.unwrap_or(-1)),
        _ => {}
    }
}

pub(super) fn network_acl(mut r: Resource<'_>) -> Result<(), String> {
    r.vpc();
    r.tags();
    r.mapping.put("network_acls");
    r.finish()
}

pub(super) fn network_acl_entry(mut r: Resource<'_>) -> Result<(), String> {
    let acl = owner(&mut r, "NetworkAclId", "network_acls")?;
    let m = &mut r.mapping;
    let mut entry = Map::new();
    let mut doubts: Vec<(&str, Unknown)> = Vec::new();
    let direction = match m.properties.boolean("Egress") {
        Given::Known(true) => "egress",
        Given::Known(false) | Given::Absent => "ingress",
        Given::Unknown(unknown) => {
            doubts.push(("Egress", unknown));
            "ingress"
        }
    };
    match m.properties.number("RuleNumber") {
        Given::Known(number) => entry.insert("rule_no".to_owned(), json!(number)),
        Given::Absent => None,
        Given::Unknown(unknown) => {
            doubts.push(("RuleNumber", unknown));
            None
        }
    };
    for (theirs, ours) in [
        ("RuleAction", "action"),
        ("Protocol", "protocol"),
        ("CidrBlock", "cidr_block"),
        ("Ipv6CidrBlock", "ipv6_cidr_block"),
    ] {
        match m.properties.text(theirs) {
            Given::Known(text) if text.trim().is_empty() => {}
            Given::Known(text) => {
                entry.insert(ours.to_owned(), json!(text.trim().to_ascii_lowercase()));
            }
            Given::Absent => {}
            Given::Unknown(unknown) => doubts.push((theirs, unknown)),
        }
    }
    let parts = [
        ("PortRange", [("From", "from_port"), ("To", "to_port")]),
        ("Icmp", [("Type", "icmp_type"), ("Code", "icmp_code")]),
    ];
    for (theirs, keys) in parts {
        match m.properties.map(theirs) {
            Given::Known(mut inner) => {
                for (key, ours) in keys {
                    match inner.number(key) {
                        Given::Known(number) => {
                            entry.insert(ours.to_owned(), json!(number));
                        }
                        Given::Absent => {}
                        Given::Unknown(unknown) => doubts.push((theirs, unknown)),
                    }
                }
                m.properties.finish_inner(inner);
            }
            Given::Absent => {}
            Given::Unknown(unknown) => doubts.push((theirs, unknown)),
        }
    }
    let protocol = entry.get("protocol").and_then(Value::as_str).unwrap_or("-1").to_owned();
    match protocol.as_str() {
        "tcp" | "udp" | "6" | "17" if !entry.contains_key("from_port") => {
            m.note(NoteKind::Approximated, "it has no PortRange: all ports are taken");
            entry.insert("from_port".to_owned(), json!(0));
            entry.insert("to_port".to_owned(), json!(65535));
        }
        "tcp" | "udp" | "6" | "17" => drop_keys(&mut entry, &["icmp_type", "icmp_code"]),
        "icmp" | "icmpv6" | "1" | "58" => {
            entry.entry("icmp_type").or_insert(json!(-1));
            entry.entry("icmp_code").or_insert(json!(-1));
            drop_keys(&mut entry, &["from_port", "to_port"]);
        }
        _ => drop_keys(&mut entry, &["from_port", "to_port", "icmp_type", "icmp_code"]),
    }
    let by = m.by.clone();
    if m.uncertain.is_some() {
        // Everything that the ACL decides is doubted for it.
    } else if doubts.is_empty() {
        r.rules.add("network_acls", &acl, direction, Value::Object(entry), &by);
    } else {
        for (key, unknown) in &doubts {
            m.matters(key, unknown);
        }
        m.estate.doubt("network_acls", &acl, format!("its entry {} is not known", by.address), &by);
    }
    r.mapping.became_part_of("network_acls", &acl);
    r.finish()
}

fn drop_keys(entry: &mut Map<String, Value>, keys: &[&str]) {
    for key in keys {
        entry.remove(*key);
    }
}

pub(super) fn vpc_association(mut r: Resource<'_>) -> Result<(), String> {
    let group = owner(&mut r, "GroupId", "security_groups")?;
    let vpc = owner(&mut r, "VpcId", "vpcs")?;
    let m = &mut r.mapping;
    m.estate.push("security_groups", &group, "vpc_associations", json!(vpc), &m.by);
    m.became_part_of("security_groups", &group);
    r.finish()
}

pub(super) fn prefix_list(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.text("PrefixListName", "name");
    m.text("AddressFamily", "address_family");
    m.number("MaxEntries", "max_entries");
    let mut entries = Vec::new();
    match m.properties.maps("Entries") {
        Given::Absent => {}
        Given::Unknown(unknown) => m.matters("Entries", &unknown),
        Given::Known(all) => {
            for mut properties in all {
                let description = properties.text("Description");
                match properties.text("Cidr") {
                    Given::Known(block) => {
                        let mut entry = json!({ "cidr": block.trim() });
                        if let (Given::Known(text), Value::Object(map)) = (description, &mut entry) {
                            map.insert("description".to_owned(), Value::String(text));
                        }
                        entries.push(entry);
                    }
                    Given::Unknown(unknown) => m.matters("Entries", &unknown),
                    Given::Absent => {}
                }
                m.properties.finish_inner(properties);
            }
        }
    }
    if !m.attributes.contains_key("max_entries") {
        m.write("max_entries", entries.len().max(1));
    }
    m.write("entries", entries);
    r.home();
    r.tags();
    r.mapping.put("managed_prefix_lists");
    r.finish()
}
