//! Which items of a list are resources of their own?
//!
//! The provider shows the rules, routes and associations of what they are of, as they were before the plan. Those that are
//! resources of their own are read as such, and may be taken away by the plan; the others are nobody's here, made by hand
//! or by somebody else, and stay.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::terraform::filters::protocol;
use crate::terraform::plan::{Instance, Plan};

/// Types that are a part of another resource, the attribute that names it, and the lists there that show them.
const PARTS: &[(&str, &str, &[&str])] = &[
    ("aws_security_group_rule", "security_group_id", &["ingress", "egress"]),
    ("aws_vpc_security_group_ingress_rule", "security_group_id", &["ingress"]),
    ("aws_vpc_security_group_egress_rule", "security_group_id", &["egress"]),
    ("aws_network_acl_rule", "network_acl_id", &["ingress", "egress"]),
    ("aws_network_acl_association", "network_acl_id", &["subnet_ids"]),
    ("aws_route", "route_table_id", &["route"]),
    ("aws_vpn_gateway_route_propagation", "route_table_id", &["propagating_vgws"]),
    ("aws_ec2_managed_prefix_list_entry", "prefix_list_id", &["entry"]),
    ("aws_vpc_endpoint_route_table_association", "vpc_endpoint_id", &["route_table_ids"]),
    ("aws_vpc_endpoint_subnet_association", "vpc_endpoint_id", &["subnet_ids"]),
    ("aws_vpc_endpoint_security_group_association", "vpc_endpoint_id", &["security_group_ids"]),
];

/// The other ends that a rule of a group may name, as blocks and as rules of their own do.
const ENDS: &[(&str, &str)] = &[
    ("cidr_blocks", "cidr_blocks"),
    ("cidr_ipv4", "cidr_blocks"),
    ("ipv6_cidr_blocks", "ipv6_cidr_blocks"),
    ("cidr_ipv6", "ipv6_cidr_blocks"),
    ("prefix_list_ids", "prefix_list_ids"),
    ("prefix_list_id", "prefix_list_ids"),
    ("security_groups", "security_groups"),
    ("source_security_group_id", "security_groups"),
    ("referenced_security_group_id", "security_groups"),
];

/// Takes items that were parts before out of lists that nobody wrote.
pub(super) fn forget(plan: &mut Plan, before: &[Instance]) {
    let mut parts: BTreeMap<(&str, String), BTreeSet<String>> = BTreeMap::new();
    for instance in before.iter().filter(|instance| !instance.is_data).chain(&plan.instances) {
        for (part, key, lists) in PARTS.iter().filter(|(part, _, _)| instance.of_type == *part) {
            let Some(owner) = instance.values.get(*key).and_then(Value::as_str) else { continue };
            let list = match (*part, direction(instance)) {
                ("aws_security_group_rule" | "aws_network_acl_rule", direction) => direction,
                _ => lists.first().copied().unwrap_or_default(),
            };
            let known = parts.entry((list, owner.to_owned())).or_default();
            known.extend(marks(list, &Value::Object(instance.values.clone()), owner));
        }
    }
    let mut changed = Vec::new();
    for (at, instance) in plan.instances.iter().enumerate().filter(|(_, instance)| !instance.is_data) {
        let Some(id) = instance.values.get("id").and_then(Value::as_str) else { continue };
        let block = plan.block(&instance.module, false, &instance.of_type, &instance.name);
        let written =
            |list: &str| block.is_none_or(|block| block.pointer(&format!("/expressions/{list}")).is_some());
        for ((list, _), known) in parts.iter().filter(|((list, owner), _)| owner == id && !written(list)) {
            let left = |values: &Map<String, Value>| {
                let items = values.get(*list)?.as_array()?.iter();
                Some(Value::Array(items.filter_map(|item| without(list, item, known, id)).collect()))
            };
            changed.push((at, (*list).to_owned(), left(&instance.values), left(&instance.before)));
        }
    }
    for (at, list, now, before) in changed {
        if let Some(instance) = plan.instances.get_mut(at) {
            instance.values.extend(now.map(|now| (list.clone(), now)));
            instance.before.extend(before.map(|before| (list, before)));
        }
    }
}

/// The direction of a rule that says it by an attribute.
fn direction(instance: &Instance) -> &'static str {
    let is_egress = instance.values.get("type").and_then(Value::as_str) == Some("egress")
        || instance.values.get("egress") == Some(&Value::Bool(true));
    if is_egress { "egress" } else { "ingress" }
}

/// An item without what is a part: nothing where all of it is.
fn without(list: &str, item: &Value, known: &BTreeSet<String>, owner: &str) -> Option<Value> {
    let is_known = |item: &Value| {
        let marks = marks(list, item, owner);
        !marks.is_empty() && marks.iter().all(|mark| known.contains(mark))
    };
    if is_known(item) {
        return None;
    }
    let (Value::Object(map), true) = (item, is_rule_of_group(list, item)) else { return Some(item.clone()) };
    // One block shows the rules for the same ports together.
    let mut left = map.clone();
    for (key, _) in ENDS {
        if let Some(Value::Array(ends)) = left.get_mut(*key) {
            ends.retain(|end| {
                let mut alone = only(map);
                alone.insert((*key).to_owned(), Value::Array(vec![end.clone()]));
                !is_known(&Value::Object(alone))
            });
        }
    }
    let mut alone = only(map);
    alone.insert("self".to_owned(), Value::Bool(true));
    if left.get("self") == Some(&Value::Bool(true)) && is_known(&Value::Object(alone)) {
        left.insert("self".to_owned(), Value::Bool(false));
    }
    Some(Value::Object(left))
}

/// Whether an item of `ingress` or `egress` is a rule of a group, and no entry of an ACL.
fn is_rule_of_group(list: &str, item: &Value) -> bool {
    matches!(list, "ingress" | "egress") && number(item).is_none()
}

/// The number of an entry of an ACL.
fn number(item: &Value) -> Option<&Value> {
    ["rule_no", "rule_number"].iter().find_map(|key| item.get(*key)).filter(|number| !number.is_null())
}

/// What a rule says but whom it is about.
fn only(map: &Map<String, Value>) -> Map<String, Value> {
    let keys = ["protocol", "ip_protocol", "from_port", "to_port"];
    map.iter().filter(|(key, _)| keys.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// What tells an item from others: one mark, and of a rule of a group one for each other end.
fn marks(list: &str, item: &Value, owner: &str) -> Vec<String> {
    let texts = |keys: &[&str]| -> Vec<String> {
        let said = keys.iter().filter_map(|key| item.get(*key)?.as_str());
        said.filter(|text| !text.is_empty()).map(str::to_owned).collect()
    };
    if let Value::String(text) = item {
        return vec![text.clone()];
    }
    match list {
        "ingress" | "egress" => match number(item) {
            Some(number) => vec![number.to_string()],
            None => rule(item, owner),
        },
        "route" => texts(&[
            "cidr_block",
            "destination_cidr_block",
            "ipv6_cidr_block",
            "destination_ipv6_cidr_block",
            "destination_prefix_list_id",
        ]),
        "entry" => texts(&["cidr"]),
        "propagating_vgws" => texts(&["vpn_gateway_id"]),
        "route_table_ids" => texts(&["route_table_id"]),
        "subnet_ids" => texts(&["subnet_id"]),
        _ => texts(&["security_group_id"]),
    }
}

/// A mark for each other end of a rule.
fn rule(item: &Value, owner: &str) -> Vec<String> {
    let word =
        ["protocol", "ip_protocol"].iter().find_map(|key| item.get(*key)?.as_str()).unwrap_or_default();
    let protocol = protocol(word);
    let port = |key: &str| match item.get(key) {
        Some(port) if protocol != "-1" => port.to_string(),
        _ => String::new(),
    };
    let what = format!("{protocol} {} {}", port("from_port"), port("to_port"));
    let mut marks = Vec::new();
    for (key, list) in ENDS {
        let ends = match item.get(*key) {
            Some(Value::Array(ends)) => ends.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        for end in ends.iter().filter_map(Value::as_str).filter(|end| !end.is_empty()) {
            // Some show a group's rule about itself as one about its id.
            marks.push(if end == owner { format!("{what} self") } else { format!("{what} {list} {end}") });
        }
    }
    if item.get("self") == Some(&Value::Bool(true)) {
        marks.push(format!("{what} self"));
    }
    marks
}
