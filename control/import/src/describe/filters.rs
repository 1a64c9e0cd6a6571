//! Network ACLs and security groups of a dump.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::describe::facts::Facts;
use crate::describe::gather::{Item, account};
use crate::describe::{begin, end};
use crate::estate::{Address, Estate};
use crate::mapping::{Mapping, object};
use crate::properties::{Given, Properties};
use crate::report::{Fate, Note, NoteKind, ReportedResource};
use crate::val::Val;

/// The highest number that an entry can have: the one that denies the rest has a higher one.
const LAST_RULE: i64 = 32_766;

pub(super) fn read(facts: &Facts, estate: &mut Estate) {
    facts.dump.all("NetworkAcls").for_each(|(id, item)| network_acl(facts, id, item, estate));
    unlisted_acls(facts, estate);
    facts.dump.all("SecurityGroups").for_each(|(id, item)| security_group(facts, id, item, estate));
    facts.dump.all("SecurityGroupRules").for_each(|(_, item)| listed_rule(facts, item, estate));
}

fn network_acl(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "network-acl", id, estate);
    mapping.properties.silent(&["NetworkAclId", "OwnerId", "IsDefault", "Associations"]);
    mapping.reference("VpcId", "vpc", "vpcs");
    for association in item.body.get("Associations").map_or(&[][..], Val::items) {
        if let Some(subnet) = association.text_of("SubnetId") {
            if facts.holds("subnets", &subnet) {
                mapping.estate.set("subnets", &subnet, "network_acl", json!(id), &item.by);
            } else {
                mapping
                    .note(NoteKind::Approximated, format!("{subnet} is not in the dump: nothing is in it"));
            }
        }
    }
    let (mut ingress, mut egress) = (Vec::new(), Vec::new());
    match mapping.properties.maps("Entries") {
        Given::Known(entries) => {
            for mut written in entries {
                let is_egress = written.boolean("Egress");
                if let Some(entry) = entry(&mut written) {
                    let side = if is_egress == Given::Known(true) { &mut egress } else { &mut ingress };
                    side.push(Value::Object(entry));
                }
                mapping.properties.finish_inner(written);
            }
        }
        _ => mapping.doubt("its entries are not in the dump"),
    }
    mapping.write("ingress", ingress);
    mapping.write("egress", egress);
    end(mapping, "network_acls", id, item, facts);
}

/// An entry; nothing for the one that denies the rest.
fn entry(written: &mut Properties<'_>) -> Option<Map<String, Value>> {
    let number = written.number("RuleNumber");
    let mut entry = Map::new();
    let mut copy = |theirs: &str, ours: &str| {
        if let Given::Known(text) = written.text(theirs) {
            entry.insert(ours.to_owned(), json!(text));
        }
    };
    copy("RuleAction", "action");
    copy("Protocol", "protocol");
    copy("CidrBlock", "cidr_block");
    copy("Ipv6CidrBlock", "ipv6_cidr_block");
    let ports = written.take("PortRange");
    let icmp = written.take("IcmpTypeCode");
    let Given::Known(number) = number else { return None };
    if number > LAST_RULE {
        return None;
    }
    entry.insert("rule_no".to_owned(), json!(number));
    let mut copy = |from: Option<&Val>, theirs: &str, ours: &str| {
        let number = from.and_then(|from| from.text_of(theirs)).and_then(|text| text.parse::<i64>().ok());
        if let Some(number) = number {
            entry.insert(ours.to_owned(), json!(number));
        }
    };
    copy(ports, "From", "from_port");
    copy(ports, "To", "to_port");
    copy(icmp, "Type", "icmp_type");
    copy(icmp, "Code", "icmp_code");
    let protocol = entry.get("protocol").and_then(Value::as_str).unwrap_or_default().to_owned();
    if ["6", "17", "tcp", "udp"].contains(&protocol.as_str()) && !entry.contains_key("from_port") {
        entry.insert("from_port".to_owned(), json!(0));
        entry.insert("to_port".to_owned(), json!(65535));
    }
    if ["1", "58", "icmp", "icmpv6"].contains(&protocol.as_str()) && !entry.contains_key("icmp_type") {
        entry.insert("icmp_type".to_owned(), json!(-1));
        entry.insert("icmp_code".to_owned(), json!(-1));
    }
    Some(entry)
}

/// Every subnet has a network ACL: what the one does that nobody listed is not known.
fn unlisted_acls(facts: &Facts, estate: &mut Estate) {
    let of = |item: &Item| item.body.get("VpcId").and_then(Val::text);
    let with_acls: BTreeSet<String> =
        facts.dump.all("NetworkAcls").filter_map(|(_, item)| of(item)).collect();
    let associated: BTreeSet<String> = facts
        .dump
        .all("NetworkAcls")
        .flat_map(|(_, item)| item.body.get("Associations").map_or(&[][..], Val::items))
        .filter_map(|association| association.text_of("SubnetId"))
        .collect();
    let subnets = facts.dump.all("Subnets").filter(|(id, _)| !associated.contains(*id));
    let with_others: BTreeSet<String> = subnets.filter_map(|(_, item)| of(item)).collect();
    for (id, item) in facts.dump.all("Vpcs") {
        let why = match (with_acls.contains(id), with_others.contains(id)) {
            (false, _) => "its network ACLs are not in the dump: add `aws ec2 describe-network-acls`",
            (true, true) => {
                "the network ACL of a subnet is not in the dump: add all pages of `aws ec2 describe-network-acls`"
            }
            (true, false) => continue,
        };
        let unknown = object(json!({ "not_modelled": why }));
        estate.put("network_acls", &format!("{id}/default"), unknown, &item.by);
    }
}

fn security_group(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "security-group", id, estate);
    mapping.properties.silent(&["GroupId", "OwnerId", "SecurityGroupArn", "Region"]);
    mapping.reference("VpcId", "vpc", "vpcs");
    match mapping.properties.text("GroupName") {
        Given::Known(name) if name.eq_ignore_ascii_case("default") => {
            let text = "the VPC's default group: under its own id it is a group like others, with the members that are listed";
            mapping.note(NoteKind::Approximated, text);
            mapping.write("name", format!("default {id}"));
        }
        Given::Known(name) if !name.to_ascii_lowercase().starts_with("sg-") => mapping.write("name", name),
        _ => {}
    }
    mapping.text("Description", "description");
    for (theirs, ours) in [("IpPermissions", "ingress"), ("IpPermissionsEgress", "egress")] {
        let mut rules = Vec::new();
        match mapping.properties.maps(theirs) {
            Given::Known(permissions) => {
                for mut permission in permissions {
                    let by = mapping.by.clone();
                    let written = rule(facts, mapping.estate, &by, item, &mut permission);
                    rules.extend(written.filter(|rule| !rules.contains(rule)));
                    mapping.properties.finish_inner(permission);
                }
            }
            // The CLI prints an empty list where there are none.
            _ if !item.body.contains_key(theirs) => {
                mapping.doubt(format!("its {ours} rules are not in the dump"));
            }
            _ => {}
        }
        mapping.write(ours, rules);
    }
    end(mapping, "security_groups", id, item, facts);
}

/// A rule with all its other ends; nothing where it has none that are anybody.
fn rule(
    facts: &Facts,
    estate: &mut Estate,
    by: &Address,
    group: &Item,
    written: &mut Properties<'_>,
) -> Option<Value> {
    let mut rule = Map::new();
    if let Given::Known(protocol) = written.text("IpProtocol") {
        rule.insert("protocol".to_owned(), json!(protocol));
    }
    for (theirs, ours) in [("FromPort", "from_port"), ("ToPort", "to_port")] {
        if let Given::Known(port) = written.number(theirs) {
            rule.insert(ours.to_owned(), json!(port));
        }
    }
    let mut blocks = |list: &str, key: &str| {
        let items = written.take(list).map_or(&[][..], Val::items).iter();
        let mut blocks: Vec<String> = items.filter_map(|item| item.text_of(key)).collect();
        blocks.sort();
        blocks.dedup();
        blocks
    };
    let ends = [
        ("cidr_blocks", blocks("IpRanges", "CidrIp")),
        ("ipv6_cidr_blocks", blocks("Ipv6Ranges", "CidrIpv6")),
        ("prefix_lists", {
            let ids = blocks("PrefixListIds", "PrefixListId");
            let names: Vec<String> = ids.iter().map(|id| facts.prefix_list(id)).collect();
            names.iter().for_each(|name| drop(estate.refer("managed_prefix_lists", name, by)));
            names
        }),
        ("security_groups", {
            let pairs = written.take("UserIdGroupPairs").map_or(&[][..], Val::items);
            let mut groups: Vec<String> = pairs
                .iter()
                .filter_map(|pair| other_group(facts, estate, by, group, pair, written))
                .collect();
            groups.sort();
            groups.dedup();
            groups
        }),
    ];
    let has_ends = ends.iter().any(|(_, ends)| !ends.is_empty());
    rule.extend(
        ends.into_iter()
            .filter(|(_, ends)| !ends.is_empty())
            .map(|(key, ends)| (key.to_owned(), json!(ends))),
    );
    has_ends.then_some(Value::Object(rule))
}

/// The group that a rule names, as the document calls it; nothing where the rule is stale.
fn other_group(
    facts: &Facts,
    estate: &mut Estate,
    by: &Address,
    group: &Item,
    pair: &Val,
    written: &mut Properties<'_>,
) -> Option<String> {
    let vpc_of = |item: &Item| item.body.get("VpcId").and_then(Val::text);
    let here = vpc_of(group);
    // Groups were called by name before VPCs were.
    let id = pair.text_of("GroupId").or_else(|| {
        let name = pair.text_of("GroupName")?;
        let named = |(_, item): &(&String, &Item)| {
            vpc_of(item) == here && item.body.get("GroupName").and_then(Val::text).as_ref() == Some(&name)
        };
        facts.dump.all("SecurityGroups").find(named).map(|(id, _)| id.clone())
    })?;
    let place = written.place("UserIdGroupPairs");
    let mut stale = |why: String| {
        written
            .notes
            .push(Note::new(NoteKind::Approximated, format!("{place}: {id} stands for nobody: {why}")));
        None
    };
    let owner = pair.text_of("UserId").and_then(|owner| account(&owner));
    let own = facts.home(group).account;
    let Some(other) = facts.dump.get("SecurityGroups", &id) else {
        let vpc = pair.text_of("VpcId").filter(|vpc| Some(vpc) != here.as_ref());
        let peered = pair.text_of("VpcPeeringConnectionId").is_some() || vpc.is_some();
        return match owner.filter(|owner| *owner != own) {
            Some(owner) if here.as_ref().is_some_and(|here| has_peer_of(facts, here, &owner)) => {
                Some(format!("{owner}/{id}"))
            }
            _ if peered => stale("no peering connection in the dump leads to it".to_owned()),
            _ => {
                estate.refer("security_groups", &id, by);
                estate.hint("security_groups", &id, Map::from_iter([("vpc".to_owned(), json!(here))]));
                Some(id)
            }
        };
    };
    let there = vpc_of(other);
    let joined = there == here
        || matches!((&here, &there), (Some(here), Some(there)) if facts.peers(here).contains(there)
            || super::transit::refers_to_groups(facts, here, there));
    if joined { Some(id) } else { stale("no peering connection leads to its VPC".to_owned()) }
}

/// Whether a peering connection leads from the VPC to one of the account.
fn has_peer_of(facts: &Facts, vpc: &str, owner: &str) -> bool {
    facts.dump.all("VpcPeeringConnections").any(|(_, item)| {
        let end = |key: &str, word: &str| item.body.get(key).and_then(|end| end.text_of(word));
        let is = |near: &str, far: &str| {
            end(near, "VpcId").as_deref() == Some(vpc)
                && end(far, "OwnerId").and_then(|owner| account(&owner)).as_deref() == Some(owner)
        };
        is("RequesterVpcInfo", "AccepterVpcInfo") || is("AccepterVpcInfo", "RequesterVpcInfo")
    })
}

/// A rule that is listed by itself stands in its group's lists, too. Where it does not, one of the two is not what there
/// is.
fn listed_rule(facts: &Facts, item: &Item, estate: &mut Estate) {
    let group = item.body.get("GroupId").and_then(Val::text).unwrap_or_default();
    let held = facts.dump.get("SecurityGroups", &group);
    let (fate, notes) = match held {
        Some(held) if is_listed(held, item) => (Fate::Understood, Vec::new()),
        Some(_) => {
            let id = &item.by.address;
            let why = format!(
                "the rule {id} is listed by itself and not among the group's: they are of different times"
            );
            estate.doubt("security_groups", &group, why.clone(), &item.by);
            (Fate::NotModelled, vec![Note::new(NoteKind::Unknown, why)])
        }
        None => {
            let text =
                format!("its group {group} is not in the dump: add `aws ec2 describe-security-groups`");
            (Fate::LeftOut, vec![Note::new(NoteKind::Omitted, text)])
        }
    };
    let becomes = held.map(|_| crate::estate::becomes(&("security_groups", group))).into_iter().collect();
    let Address { source, address } = item.by.clone();
    let of_type = "security-group-rule".to_owned();
    estate.report(ReportedResource { source, address, of_type, fate, becomes, notes });
}

/// Whether a group's lists have the rule, with the same ports and the same other end.
fn is_listed(group: &Item, rule: &Item) -> bool {
    let text = |key: &str| rule.body.get(key).and_then(Val::text).filter(|text| !text.is_empty());
    let list =
        if text("IsEgress").as_deref() == Some("true") { "IpPermissionsEgress" } else { "IpPermissions" };
    let referenced = rule.body.get("ReferencedGroupInfo").and_then(|info| info.text_of("GroupId"));
    let ends = [
        ("IpRanges", "CidrIp", text("CidrIpv4")),
        ("Ipv6Ranges", "CidrIpv6", text("CidrIpv6")),
        ("PrefixListIds", "PrefixListId", text("PrefixListId")),
        ("UserIdGroupPairs", "GroupId", referenced),
    ];
    let protocol = |text: Option<String>| match text.as_deref() {
        Some("6") => Some("tcp".to_owned()),
        Some("17") => Some("udp".to_owned()),
        Some("1") => Some("icmp".to_owned()),
        Some("58") => Some("icmpv6".to_owned()),
        _ => text,
    };
    let wanted = protocol(text("IpProtocol"));
    let port = |port: Option<String>| port.filter(|port| port != "-1");
    group.body.get(list).map_or(&[][..], Val::items).iter().any(|permission| {
        let same_ports = ["FromPort", "ToPort"]
            .iter()
            .all(|key| port(permission.text_of(key)) == port(text(key)) || wanted.as_deref() == Some("-1"));
        same_ports
            && protocol(permission.text_of("IpProtocol")) == wanted
            && ends.iter().all(|(list, key, end)| {
                end.is_none() || permission.items_of(list).iter().any(|item| item.text_of(key) == *end)
            })
    })
}

/// The groups of an interface in a VPC, where that is known. A group of another VPC is none of it: two of the calls
/// contradict one another.
pub(super) fn groups(
    facts: &Facts,
    mapping: &mut Mapping<'_>,
    key: &str,
    vpc: Option<String>,
) -> Vec<String> {
    let Some(items) = mapping.properties.take(key) else { return Vec::new() };
    let id = |item: &Val| {
        item.text_of("GroupId").or_else(|| item.text_of("VpcSecurityGroupId")).or_else(|| item.text())
    };
    let ids: Vec<String> = items.items().iter().filter_map(id).collect();
    those_in_vpc(facts, mapping, ids, vpc)
}

/// The groups that an interface in the VPC can have.
pub(super) fn those_in_vpc(
    facts: &Facts,
    mapping: &mut Mapping<'_>,
    mut ids: Vec<String>,
    vpc: Option<String>,
) -> Vec<String> {
    let by = mapping.by.clone();
    let is_elsewhere = |id: &String| {
        let of = facts.dump.get("SecurityGroups", id).and_then(|item| item.body.get("VpcId")?.text());
        matches!((&vpc, of), (Some(vpc), Some(of)) if *vpc != of)
    };
    let elsewhere: Vec<String> = ids.iter().filter(|id| is_elsewhere(id)).cloned().collect();
    for id in elsewhere {
        mapping.doubt(format!("it has the group {id}, which is of another VPC in the dump"));
        ids.retain(|other| *other != id);
    }
    for id in &ids {
        mapping.estate.refer("security_groups", id, &by);
        if let Some(vpc) = &vpc {
            mapping.estate.hint("security_groups", id, Map::from_iter([("vpc".to_owned(), json!(vpc))]));
        }
    }
    ids
}
