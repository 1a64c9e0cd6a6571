//! Which attributes of a resource, and which items of its lists, are resources of their own?
//!
//! The provider shows the rules, routes, attachments and associations of what they are of, as they were before the plan.
//! Those that are resources of their own are read as such, and may be taken away by the plan; the others are nobody's here,
//! made by hand or by somebody else, and stay.

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
    ("aws_network_interface_sg_attachment", "network_interface_id", &["security_groups"]),
    ("aws_network_interface_sg_attachment", "network_interface_id", &["vpc_security_group_ids"]),
];

/// A type that is what another resource's attributes show.
struct Whole {
    part: &'static str,
    /// The attribute of the part that names the other one.
    key: &'static str,
    of_type: &'static str,
    shown: &'static [&'static str],
}

const WHOLE: &[Whole] = &[
    Whole {
        part: "aws_eip_association",
        key: "allocation_id",
        of_type: "aws_eip",
        shown: &["instance", "network_interface", "associate_with_private_ip", "private_ip"],
    },
    Whole {
        part: "aws_internet_gateway_attachment",
        key: "internet_gateway_id",
        of_type: "aws_internet_gateway",
        shown: &["vpc_id"],
    },
    Whole {
        part: "aws_vpn_gateway_attachment",
        key: "vpn_gateway_id",
        of_type: "aws_vpn_gateway",
        shown: &["vpc_id"],
    },
    Whole {
        part: "aws_network_interface_attachment",
        key: "network_interface_id",
        of_type: "aws_network_interface",
        shown: &["attachment"],
    },
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

/// Takes what parts were, and are to be, out of what nobody wrote: the parts that are to be say it. `stays` are addresses
/// of what Terraform only forgets, of which nothing is written any more.
pub(super) fn forget(plan: &mut Plan, before: &[Instance], stays: &BTreeSet<String>) {
    forget_items(plan, before, stays);
    forget_wholes(plan, before, stays);
    forget_main_tables(plan, before);
    forget_public_addresses(plan, before);
    forget_requests(plan, before);
    forget_blackholes(plan);
    forget_rules(plan, stays);
}

/// The text of an attribute.
fn said<'a>(instance: &'a Instance, key: &str) -> Option<&'a str> {
    instance.values.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Whether somebody writes an attribute; of what stands in no configuration, nobody knows.
fn is_written(plan: &Plan, instance: &Instance, key: &str, stays: &BTreeSet<String>) -> bool {
    if stays.contains(&instance.address) {
        return false;
    }
    let block = plan.block(&instance.module, false, &instance.of_type, &instance.name);
    block.is_none_or(|block| block.pointer(&format!("/expressions/{key}")).is_some())
}

/// Takes attributes that show a part as a whole away.
fn forget_wholes(plan: &mut Plan, before: &[Instance], stays: &BTreeSet<String>) {
    let mut changed = Vec::new();
    for whole in WHOLE {
        let parts =
            before.iter().chain(&plan.instances).filter(|one| !one.is_data && one.of_type == whole.part);
        let owners: BTreeSet<&str> = parts.filter_map(|part| said(part, whole.key)).collect();
        for (at, instance) in plan.instances.iter().enumerate() {
            let is_owner = !instance.is_data
                && instance.of_type == whole.of_type
                && said(instance, "id").is_some_and(|id| owners.contains(id));
            if is_owner && !whole.shown.iter().any(|key| is_written(plan, instance, key, stays)) {
                changed.push((at, whole.shown));
            }
        }
    }
    for (at, shown) in changed {
        if let Some(instance) = plan.instances.get_mut(at) {
            shown.iter().for_each(|key| drop((instance.values.remove(*key), instance.before.remove(*key))));
        }
    }
}

/// The main route table of a VPC is what an association says; where that goes, it is the one from before it again.
fn forget_main_tables(plan: &mut Plan, before: &[Instance]) {
    let of = |instances: &[Instance], key: &str| -> BTreeMap<String, Value> {
        let all = instances.iter().filter(|one| one.of_type == "aws_main_route_table_association");
        all.filter_map(|one| Some((said(one, "vpc_id")?.to_owned(), one.values.get(key)?.clone()))).collect()
    };
    let originals = of(before, "original_route_table_id");
    let now = of(&plan.instances, "vpc_id");
    for vpc in plan.instances.iter_mut().filter(|one| one.of_type == "aws_vpc" && !one.is_data) {
        let Some(id) = said(vpc, "id").map(str::to_owned) else { continue };
        let own = vpc.values.get("default_route_table_id").cloned();
        let main = if now.contains_key(&id) { own } else { originals.get(&id).cloned().or(own) };
        if let Some(main) = main.filter(|_| now.contains_key(&id) || originals.contains_key(&id)) {
            vpc.values.insert("main_route_table_id".to_owned(), main);
        }
    }
}

/// An instance has a public address of its own where it was started with one: one that it has by an association that goes
/// shows in the same attributes.
fn forget_public_addresses(plan: &mut Plan, before: &[Instance]) {
    let of = |instances: &[Instance]| -> BTreeSet<String> {
        let all = instances.iter().filter(|one| one.of_type == "aws_eip_association" && !one.is_data);
        all.filter_map(|one| said(one, "instance_id").map(str::to_owned)).collect()
    };
    let (then, now) = (of(before), of(&plan.instances));
    let mut changed = Vec::new();
    for (at, instance) in plan.instances.iter().enumerate().filter(|(_, one)| one.of_type == "aws_instance") {
        let loses = said(instance, "id").is_some_and(|id| then.contains(id) && !now.contains(id));
        let is_shown = instance.values.get("associate_public_ip_address") == Some(&Value::Bool(true))
            && !is_written(plan, instance, "associate_public_ip_address", &BTreeSet::new());
        if loses {
            changed.push((at, "public_ip"));
        }
        if loses && is_shown {
            changed.push((at, "associate_public_ip_address"));
        }
    }
    for (at, key) in changed {
        if let Some(instance) = plan.instances.get_mut(at) {
            drop((instance.values.remove(key), instance.before.remove(key)));
        }
    }
}

/// A peering connection that the plan accepts is not what it was.
fn forget_requests(plan: &mut Plan, before: &[Instance]) {
    let accepts = |one: &Instance| one.values.get("auto_accept") == Some(&Value::Bool(true));
    let accepted: BTreeSet<&str> =
        before.iter().filter(|one| accepts(one)).map(|one| one.address.as_str()).collect();
    let is_new = |one: &&Instance| accepts(one) && !accepted.contains(one.address.as_str());
    let of = |of_type: &'static str| plan.instances.iter().filter(move |one| one.of_type == of_type);
    let own = of("aws_vpc_peering_connection").filter(is_new).filter_map(|one| said(one, "id"));
    let theirs = of("aws_vpc_peering_connection_accepter").filter(is_new);
    let theirs = theirs.filter_map(|one| said(one, "vpc_peering_connection_id"));
    let all: BTreeSet<String> = own.chain(theirs).map(str::to_owned).collect();
    for one in plan.instances.iter_mut().filter(|one| one.of_type == "aws_vpc_peering_connection") {
        if said(one, "id").is_some_and(|id| all.contains(id)) {
            one.values.remove("accept_status");
        }
    }
}

/// Of a group whose rules somebody lists as the only ones, those that are nobody's go.
fn forget_rules(plan: &mut Plan, stays: &BTreeSet<String>) {
    let lists = plan.instances.iter().filter(|one| one.of_type == "aws_vpc_security_group_rules_exclusive");
    let groups: BTreeSet<String> =
        lists.filter_map(|one| said(one, "security_group_id").map(str::to_owned)).collect();
    let is_group = |one: &Instance| {
        matches!(one.of_type.as_str(), "aws_security_group" | "aws_default_security_group")
            && !one.is_data
            && said(one, "id").is_some_and(|id| groups.contains(id))
    };
    let mut changed = Vec::new();
    for (at, group) in plan.instances.iter().enumerate().filter(|(_, one)| is_group(one)) {
        let keys = ["ingress", "egress"].into_iter();
        changed.extend(keys.filter(|key| !is_written(plan, group, key, stays)).map(|key| (at, key)));
    }
    for (at, key) in changed {
        if let Some(group) = plan.instances.get_mut(at) {
            drop((group.values.remove(key), group.before.remove(key)));
        }
    }
}

/// What AWS says of a route may be otherwise once the plan has changed what it leads to.
fn forget_blackholes(plan: &mut Plan) {
    const TARGETS: &[&str] = &[
        "gateway_id",
        "nat_gateway_id",
        "transit_gateway_id",
        "vpc_peering_connection_id",
        "egress_only_gateway_id",
        "instance_id",
        "network_interface_id",
        "vpc_endpoint_id",
    ];
    let changed: Vec<&Instance> =
        plan.instances.iter().filter(|one| !one.is_data && one.values != one.before).collect();
    let is_changed = |route: &Instance, id: &str| {
        let names = |one: &&&Instance| one.values.values().any(|value| value.as_str() == Some(id));
        changed.iter().filter(|one| one.of_type != "aws_route").any(|one| names(&one))
            || route.values != route.before
    };
    let mut stale = Vec::new();
    for (at, route) in plan.instances.iter().enumerate().filter(|(_, one)| one.of_type == "aws_route") {
        let is_blackhole = said(route, "state") == Some("blackhole");
        if is_blackhole && TARGETS.iter().filter_map(|key| said(route, key)).any(|id| is_changed(route, id)) {
            stale.push(at);
        }
    }
    for at in stale {
        if let Some(route) = plan.instances.get_mut(at) {
            route.values.remove("state");
        }
    }
}

/// Takes items that were parts before out of lists that nobody wrote.
fn forget_items(plan: &mut Plan, before: &[Instance], stays: &BTreeSet<String>) {
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
        let Some(id) = said(instance, "id") else { continue };
        // A group is added to an instance by the interface that the instance came with.
        let also =
            said(instance, "primary_network_interface_id").filter(|_| instance.of_type == "aws_instance");
        let is_own = |owner: &str, list: &str| {
            (owner == id || also == Some(owner)) && !is_written(plan, instance, list, stays)
        };
        for ((list, _), known) in parts.iter().filter(|((list, owner), _)| is_own(owner, list)) {
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
