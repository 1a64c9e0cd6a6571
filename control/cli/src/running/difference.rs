//! What do two versions of a resource differ in?
//!
//! A line for each thing, as a person would say it. What always holds: rules, entries and routes are compared by what they
//! say and not by where they stand, so that taking one out of the middle of a list is one line.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use vpclab_engine::Direction;
use vpclab_model::{Kind as _, SecurityGroupRule, Topology, kind};

/// The longest value that is written out, in characters.
const LONGEST_VALUE: usize = 80;

/// One item of a list of rules, entries or routes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    words: String,
    description: Option<String>,
}

/// The differences between `before` and `after`, the versions of a resource in two topologies.
pub(super) fn between(
    before: (&Topology, &Value),
    after: (&Topology, &Value),
    kind: &str,
    name: &str,
) -> Vec<String> {
    let nothing = Map::new();
    let (old, new) = (before.1.as_object().unwrap_or(&nothing), after.1.as_object().unwrap_or(&nothing));
    let mut told = Vec::new();
    for (attribute, old, new) in unequal(old, new) {
        let lists = said(before.0, kind, name, attribute).zip(said(after.0, kind, name, attribute));
        match lists {
            Some((old, new)) => told.extend(of_lists(attribute, &old, &new)),
            None => of_values(attribute, old, new, &mut told),
        }
    }
    told
}

/// The keys under which two maps say different things, in the order they were written.
fn unequal<'a>(
    old: &'a Map<String, Value>,
    new: &'a Map<String, Value>,
) -> impl Iterator<Item = (&'a String, &'a Value, &'a Value)> {
    let come = new.keys().filter(|key| !old.contains_key(*key));
    let value = |map: &'a Map<String, Value>, key| map.get(key).unwrap_or(&Value::Null);
    old.keys()
        .chain(come)
        .map(move |key| (key, value(old, key), value(new, key)))
        .filter(|(_, old, new)| old != new)
}

/// A value on one line; the end of a long one is left out.
pub(super) fn brief(value: &Value) -> String {
    let text = whole(value);
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn whole(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(whole).collect::<Vec<_>>().join(", "),
        Value::Object(object) if object.is_empty() => "none".to_owned(),
        Value::Object(object) => {
            let pairs = object.iter().map(|(key, value)| format!("{key} {}", whole(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// What a list of rules, entries or routes says; none for any other attribute.
fn said(topology: &Topology, kind: &str, name: &str, attribute: &str) -> Option<Vec<Said>> {
    let way = match attribute {
        "ingress" => Some(Direction::Inbound),
        "egress" => Some(Direction::Outbound),
        _ => None,
    };
    let plain = |words: String| Said { words, description: None };
    match (kind, way) {
        (kind::SecurityGroup::PLURAL, Some(way)) => {
            let (_, group) = topology.find_security_group(name)?;
            let rules = if way == Direction::Inbound { &group.ingress } else { &group.egress };
            let said = |rule: &SecurityGroupRule| Said {
                words: vpclab_check::group_permission(way, &rule.traffic, [&rule.peer]),
                description: rule.description.clone(),
            };
            Some(rules.iter().map(said).collect())
        }
        (kind::NetworkAcl::PLURAL, Some(way)) => {
            let (_, acl) = topology.find_network_acl(name)?;
            let entries = if way == Direction::Inbound { &acl.ingress } else { &acl.egress };
            Some(entries.iter().map(|entry| plain(vpclab_check::acl_entry(way, entry))).collect())
        }
        (kind::RouteTable::PLURAL, None) if attribute == "routes" => {
            let (_, table) = topology.find_route_table(name)?;
            Some(table.routes.iter().map(|route| plain(vpclab_check::route(route))).collect())
        }
        _ => None,
    }
}

/// What goes, what comes, and of what stays what is written beside it.
fn of_lists(attribute: &str, old: &[Said], new: &[Said]) -> Vec<String> {
    let (gone, mut come) = (lacking(old, new), lacking(new, old));
    let mut told = Vec::new();
    for item in gone {
        let other = come.iter().position(|other| other.words == item.words);
        told.push(match other.map(|place| come.remove(place)) {
            Some(other) => {
                let text = |said: &Said| said.description.clone().unwrap_or_else(|| "none".to_owned());
                format!("{}: description: {} → {}", item.words, text(item), text(other))
            }
            None => format!("- {}", item.words),
        });
    }
    told.extend(come.iter().map(|item| format!("+ {}", item.words)));
    if told.is_empty() {
        told.push(format!("{attribute}: the same, written in another way"));
    }
    told
}

/// What `others` lack of `all`; what is there twice has to be there twice.
fn lacking<'a>(all: &'a [Said], others: &[Said]) -> Vec<&'a Said> {
    let mut there: BTreeMap<&Said, usize> = BTreeMap::new();
    for other in others {
        *there.entry(other).or_default() += 1;
    }
    let is_lacking = |item: &&Said| match there.get_mut(*item) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    all.iter().filter(is_lacking).collect()
}

/// What two different values of an attribute differ in.
fn of_values(attribute: &str, old: &Value, new: &Value, told: &mut Vec<String>) {
    match (old, new) {
        (Value::Array(old), Value::Array(new)) => {
            let count = told.len();
            let gone = old.iter().filter(|item| !new.contains(item)).map(|item| ("-", item));
            let come = new.iter().filter(|item| !old.contains(item)).map(|item| ("+", item));
            told.extend(gone.chain(come).map(|(sign, item)| format!("{attribute}: {sign} {}", brief(item))));
            if told.len() == count {
                told.push(format!("{attribute}: in another order"));
            }
        }
        (Value::Object(old), Value::Object(new)) => {
            for (key, old, new) in unequal(old, new) {
                of_values(&format!("{attribute}.{key}"), old, new, told);
            }
        }
        _ => told.push(format!("{attribute}: {} → {}", brief(old), brief(new))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vpclab_model::{Document, Syntax};

    use super::*;

    const BASE: &str = "vpcs: {v: {cidr_block: 10.0.0.0/16}}\ninternet_gateways: {igw: {vpc: v}}\n";

    fn topology(text: &str) -> Topology {
        let document = Document::parse(&format!("{BASE}{text}"), Syntax::Yaml).unwrap();
        Topology::from_document(&document, None).unwrap()
    }

    fn differences(kind: &str, name: &str, before: &str, after: &str) -> Vec<String> {
        let (before, after) = (topology(before), topology(after));
        let value = |topology: &Topology| serde_json::to_value(topology).unwrap()[kind][name].clone();
        between((&before, &value(&before)), (&after, &value(&after)), kind, name)
    }

    fn group(ingress: &[&str], egress: &str) -> String {
        format!(
            "security_groups: {{web: {{vpc: v}}, g: {{vpc: v, ingress: [{}], egress: [{egress}]}}}}\n",
            ingress.join(", ")
        )
    }

    #[test]
    fn a_rule_out_of_the_middle_is_one_line_in_the_words_of_explain() {
        let rules = [
            "{protocol: tcp, from_port: 80, to_port: 80, cidr_blocks: [0.0.0.0/0, 10.0.0.0/8]}",
            "{protocol: tcp, from_port: 5201, to_port: 5201, security_groups: [web]}",
            "{protocol: udp, from_port: 53, to_port: 53, security_groups: [web]}",
            "{protocol: icmp, from_port: -1, to_port: -1, cidr_blocks: [0.0.0.0/0]}",
        ];
        let out = "{protocol: '-1', from_port: 0, to_port: 0, cidr_blocks: [10.0.0.0/8]}";
        let without = [rules[0], rules[2], rules[3]];
        let told = |before: &str, after: &str| differences("security_groups", "g", before, after);
        assert_eq!(told(&group(&rules, ""), &group(&without, "")), ["- tcp 5201 from web"]);
        assert_eq!(told(&group(&without, ""), &group(&rules, "")), ["+ tcp 5201 from web"]);
        assert_eq!(
            told(&group(&rules, ""), &group(&without, out)),
            ["- tcp 5201 from web", "+ all traffic to 10.0.0.0/8"]
        );
        let turned = [rules[1], rules[0], rules[2], rules[3]];
        assert_eq!(
            told(&group(&rules, ""), &group(&turned, "")),
            ["ingress: the same, written in another way"]
        );
    }

    #[test]
    fn a_description_that_changes_is_no_rule_that_goes() {
        let rule = |text: &str| {
            format!("{{protocol: tcp, from_port: 22, to_port: 22, security_groups: [web]{text}}}")
        };
        let told = differences(
            "security_groups",
            "g",
            &group(&[&rule("")], ""),
            &group(&[&rule(", description: admins")], ""),
        );
        assert_eq!(told, ["tcp 22 from web: description: none → admins"]);
    }

    #[test]
    fn entries_of_an_acl_keep_their_numbers() {
        let acl = |entries: &[(u16, &str, u16)]| {
            let entries: Vec<String> = entries
                .iter()
                .map(|(number, action, port)| {
                    format!(
                        "{{rule_no: {number}, action: {action}, protocol: tcp, from_port: {port}, to_port: {port}, cidr_block: 10.0.0.0/8}}"
                    )
                })
                .collect();
            format!("network_acls: {{n: {{vpc: v, ingress: [{}]}}}}\n", entries.join(", "))
        };
        let before = acl(&[(100, "allow", 22), (110, "deny", 23), (120, "allow", 80)]);
        let after = acl(&[(100, "allow", 22), (120, "allow", 81)]);
        assert_eq!(
            differences("network_acls", "n", &before, &after),
            [
                "- 110 deny tcp 23 from 10.0.0.0/8",
                "- 120 allow tcp 80 from 10.0.0.0/8",
                "+ 120 allow tcp 81 from 10.0.0.0/8"
            ]
        );
    }

    #[test]
    fn routes_are_told_as_the_map_draws_them() {
        let table = |routes: &str| format!("route_tables: {{r: {{vpc: v, routes: [{routes}]}}}}\n");
        let told = differences(
            "route_tables",
            "r",
            &table("{cidr_block: 0.0.0.0/0, gateway: igw}"),
            &table("{cidr_block: 198.51.100.0/24, gateway: igw}"),
        );
        assert_eq!(told, ["- 0.0.0.0/0 → igw", "+ 198.51.100.0/24 → igw"]);
    }

    #[test]
    fn values_within_values_are_told_by_their_path_and_without_json() {
        let mut told = Vec::new();
        let old = json!({"10.0.0.4": {"address": "203.0.113.1", "eip": null}, "10.0.0.5": {"address": "203.0.113.2"}});
        let new = json!({"10.0.0.4": {"address": "203.0.113.9", "eip": "web"}, "10.0.0.6": {"address": "203.0.113.3"}});
        of_values("public_ips", &old, &new, &mut told);
        assert_eq!(
            told,
            [
                "public_ips.10.0.0.4.address: 203.0.113.1 → 203.0.113.9",
                "public_ips.10.0.0.4.eip: none → web",
                "public_ips.10.0.0.5: address 203.0.113.2 → none",
                "public_ips.10.0.0.6: none → address 203.0.113.3",
            ]
        );
        told.clear();
        of_values("security_groups", &json!(["a", "b"]), &json!(["b", "c"]), &mut told);
        of_values("security_groups", &json!(["a", "b"]), &json!(["b", "a"]), &mut told);
        assert_eq!(
            told,
            ["security_groups: - a", "security_groups: + c", "security_groups: in another order"]
        );
    }
}
