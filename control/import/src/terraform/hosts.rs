//! Network interfaces, instances, Auto Scaling groups and elastic IP addresses of Terraform.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::estate::Estate;
use crate::mapping::Mapping;
use crate::properties::Given;
use crate::report::{Fate, NoteKind};
use crate::terraform::references::{Evaluated, Resource};
use crate::terraform::scaling::{from_template, template, template_interface};
use crate::terraform::{Facts, among, begin, end, home, lost, needed, part_of, required};
use crate::val::{Unknown, Val};

/// What an instance says about the machine, or AWS about the instance.
const MACHINE: &[&str] = &[
    "ami",
    "instance_type",
    "key_name",
    "user_data",
    "user_data_base64",
    "user_data_replace_on_change",
    "iam_instance_profile",
    "tenancy",
    "monitoring",
    "ebs_optimized",
    "disable_api_termination",
    "disable_api_stop",
    "metadata_options",
    "root_block_device",
    "ebs_block_device",
    "ephemeral_block_device",
    "volume_tags",
    "credit_specification",
    "cpu_options",
    "cpu_core_count",
    "cpu_threads_per_core",
    "hibernation",
    "host_id",
    "host_resource_group_arn",
    "instance_initiated_shutdown_behavior",
    "instance_lifecycle",
    "instance_market_options",
    "launch_template",
    "maintenance_options",
    "outpost_arn",
    "password_data",
    "placement_group",
    "placement_group_id",
    "placement_partition_number",
    "primary_network_interface_id",
    "private_dns",
    "private_dns_name_options",
    "public_dns",
    "spot_instance_request_id",
    "enclave_options",
    "capacity_reservation_specification",
    "get_password_data",
    "enable_primary_ipv6",
    "force_destroy",
    "instance_id",
    "placement",
    "network_interface_id",
    "secondary_network_interface",
    "block_duration_minutes",
    "instance_interruption_behavior",
    "instance_interruption_behaviour",
    "launch_group",
    "spot_bid_status",
    "spot_price",
    "spot_request_state",
    "spot_type",
    "valid_from",
    "valid_until",
    "wait_for_fulfillment",
];

/// The interfaces that instances list themselves.
pub(super) fn listed_interfaces(all: &Evaluated) -> BTreeSet<String> {
    let blocks = all.of("aws_instance").flat_map(|instance| {
        ["network_interface", "primary_network_interface"]
            .into_iter()
            .flat_map(|key| instance.values.get(key).map_or(&[][..], Val::items))
    });
    blocks.filter_map(|block| block.text_of("network_interface_id")).collect()
}

/// Addresses of an interface, as an instance or an interface of its own says them.
fn addresses(mapping: &mut Mapping<'_>) {
    let primary = match mapping.properties.text("private_ip") {
        Given::Known(address) if !address.is_empty() => Some(address),
        _ => None,
    };
    let all: Vec<String> = match mapping.properties.list("private_ips") {
        Given::Known(items) => items.iter().filter_map(|item| item.text()).collect(),
        _ => Vec::new(),
    };
    // Only of a single one is it known which is the primary one.
    let primary = primary.or_else(|| all.first().filter(|_| all.len() == 1).cloned());
    match (&primary, all.is_empty()) {
        (Some(primary), _) => {
            let rest: Vec<String> = all.into_iter().filter(|address| address != primary).collect();
            mapping.write("private_ip", primary.as_str());
            if !rest.is_empty() {
                mapping.write("secondary_private_ips", rest);
            }
        }
        (None, false) => mapping.write("private_ips", all),
        (None, true) => {}
    }
    for key in ["secondary_private_ips", "ipv6_addresses", "ipv4_prefixes", "ipv6_prefixes"] {
        if let Given::Known(items) = mapping.properties.list(key) {
            let texts: Vec<String> = items.iter().filter_map(|item| item.text()).collect();
            if !texts.is_empty() {
                mapping.write(key, texts);
            }
        }
    }
    if let Given::Known(count @ 1..) = mapping.properties.number("ipv6_address_count")
        && !mapping.attributes.contains_key("ipv6_addresses")
    {
        mapping.write("ipv6_address_count", count);
    }
    mapping.boolean("source_dest_check", "source_dest_check");
    for (count, list) in [
        ("private_ips_count", "private_ips"),
        ("ipv4_prefix_count", "ipv4_prefixes"),
        ("ipv6_prefix_count", "ipv6_prefixes"),
    ] {
        match mapping.properties.number(count) {
            Given::Known(number @ 1..) if !written_items(mapping, list) => {
                let text = format!(
                    "{count}: AWS chooses {number} more {}, which are not in the topology",
                    if count == "private_ips_count" { "addresses" } else { "blocks" }
                );
                mapping.note(NoteKind::Approximated, text);
            }
            Given::Unknown(unknown) => mapping.matters(count, &unknown),
            _ => {}
        }
    }
}

/// Whether further addresses are written.
fn written_items(mapping: &Mapping<'_>, list: &str) -> bool {
    let lists =
        if list == "private_ips" { &["private_ips", "secondary_private_ips"][..] } else { &[list][..] };
    lists.iter().any(|list| mapping.attributes.contains_key(*list))
}

pub(super) fn network_interface(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&[
        "description",
        "interface_type",
        "mac_address",
        "outpost_arn",
        "private_dns_name",
        "enable_primary_ipv6",
        "ipv6_address_list",
        "ipv6_address_list_enabled",
        "private_ip_list",
        "private_ip_list_enabled",
        "vpc_id",
    ]);
    needed(&mut mapping, resource, "subnet_id", "subnet", "subnets");
    addresses(&mut mapping);
    groups(&mut mapping, "security_groups");
    if let Given::Known(blocks) = mapping.properties.maps("attachment") {
        for mut block in blocks {
            block.silent(&["attachment_id", "network_card_index"]);
            let index = block.number("device_index");
            let instance = block.text("instance");
            if let (Given::Known(instance), Given::Known(index)) = (instance, index)
                && !facts.listed_interfaces.contains(&resource.name)
            {
                let by = mapping.by.clone();
                mapping.estate.refer("instances", &instance, &by);
                mapping.write("attachment", json!({ "instance": instance, "device_index": index }));
            }
            mapping.properties.finish_inner(block);
        }
    }
    end(mapping, "network_interfaces", resource);
}

/// Security groups, where there are some.
fn groups(mapping: &mut Mapping<'_>, key: &str) {
    mapping.references(key, "security_groups", "security_groups");
    let is_empty =
        mapping.attributes.get("security_groups").and_then(Value::as_array).is_some_and(Vec::is_empty);
    if is_empty {
        mapping.attributes.remove("security_groups");
    }
}

pub(super) fn interface_attachment(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["attachment_id", "status", "network_card_index"]);
    let by = mapping.by.clone();
    let index = mapping.properties.number("device_index");
    let instance = mapping.name_of("instance_id", "instances");
    match (mapping.name_of("network_interface_id", "network_interfaces"), instance, index) {
        (Given::Known(interface), Given::Known(instance), Given::Known(index)) => {
            let held = facts.all.named(&interface).is_some_and(|interface| {
                interface.values.get("attachment").is_some_and(|blocks| !blocks.items().is_empty())
            });
            if !held && !facts.listed_interfaces.contains(&interface) {
                let attachment = json!({ "instance": instance, "device_index": index });
                mapping.estate.set("network_interfaces", &interface, "attachment", attachment, &by);
            }
            part_of(mapping, "network_interfaces", &interface);
        }
        (Given::Known(interface), _, _) => {
            mapping.unknown_of(
                "network_interfaces",
                &interface,
                "which instance it is attached to is not known",
            );
            part_of(mapping, "network_interfaces", &interface);
        }
        _ => lost(mapping, "network_interface_id", "network_interfaces", &["aws_network_interface"], facts),
    }
}

pub(super) fn instance(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(MACHINE);
    match mapping.properties.text("instance_state") {
        Given::Known(state)
            if matches!(state.as_str(), "stopped" | "stopping") && !is_kept_running(resource, facts) =>
        {
            mapping.write("state", "stopped");
        }
        Given::Known(state) if matches!(state.as_str(), "terminated" | "shutting-down") => {
            mapping.properties.silence();
            mapping.note(NoteKind::Approximated, format!("it is {state}"));
            return mapping.finish(Fate::NotNetwork);
        }
        _ => {}
    }
    if attached(&mut mapping, resource) {
        // The interfaces say the rest.
        mapping.properties.silence();
        return end(mapping, "instances", resource);
    }
    let mut template = template(resource, facts, &["launch_template"]);
    if let Some(template) = template.as_mut().filter(|_| resource.text("id").is_some()) {
        // What an instance was launched with, it shows itself.
        template.doubt = None;
    }
    if template.is_none() && resource.values.get("launch_template").is_some_and(|block| !block.is_empty()) {
        mapping.doubt("its launch template is in no source: neither is what it says");
    }
    let zone = match mapping.properties.text("availability_zone") {
        Given::Known(zone) => zone.chars().last().filter(char::is_ascii_lowercase),
        _ => None,
    };
    match mapping.properties.take("subnet_id").filter(|subnet| !subnet.is_empty()) {
        Some(_) => drop(required(&mut mapping, resource, "subnet_id", "subnet", "subnets")),
        None => {
            match template.as_ref().and_then(|template| template_interface(template.resource, "subnet_id")) {
                Some(Val::Unknown(Unknown { why, .. })) => {
                    let name = super::stand_in(&mut mapping, resource, "subnet_id", "subnets", why);
                    mapping.write("subnet", name);
                }
                Some(subnet) => {
                    let by = mapping.by.clone();
                    let subnet = mapping.estate.refer("subnets", &subnet.text().unwrap_or_default(), &by);
                    mapping.write("subnet", subnet);
                }
                None => {
                    mapping.note(NoteKind::Assigned, "it is in the default VPC, as it names no subnet");
                    let (region, account) = (&resource.region, &resource.account);
                    let subnet = mapping.estate.default_subnet(region, account, zone.unwrap_or('a'));
                    mapping.write("subnet", subnet);
                }
            }
        }
    }
    addresses(&mut mapping);
    let is_default = mapping.attributes.get("subnet").and_then(Value::as_str).is_some_and(|name| {
        let has_block = |subnet: &Resource| subnet.name == name && subnet.text("cidr_block").is_some();
        let is_stated = facts.all.of("aws_default_subnet").any(has_block)
            || mapping.estate.default_blocks.contains_key(name);
        name.starts_with("default-") && !is_stated
    });
    if is_default {
        for key in ["private_ip", "private_ips", "secondary_private_ips"] {
            if mapping.attributes.remove(key).is_some() {
                mapping.note(
                    NoteKind::Assigned,
                    format!("{key} is chosen: the blocks of default subnets are AWS's defaults here"),
                );
            }
        }
    }
    groups(&mut mapping, "vpc_security_group_ids");
    by_name(&mut mapping, facts);
    if let Some(template) = &template {
        from_template(&mut mapping, template);
    }
    let elastic = facts.all.of("aws_eip").any(|eip| {
        eip.text("instance").as_ref() == Some(&resource.name)
            || eip.text("network_interface").as_ref() == Some(&resource.name)
    });
    let associated = facts
        .all
        .of("aws_eip_association")
        .any(|one| one.text("instance_id").as_ref() == Some(&resource.name));
    match mapping.properties.boolean("associate_public_ip_address") {
        Given::Known(true) => {
            mapping.write("associate_public_ip_address", true);
            if let Given::Known(address) = mapping.properties.text("public_ip")
                && !address.is_empty()
                && !elastic
                && !associated
            {
                mapping.write("public_ip", address);
            }
        }
        Given::Known(false) if !elastic => mapping.write("associate_public_ip_address", false),
        Given::Unknown(unknown) => mapping.matters("associate_public_ip_address", &unknown),
        _ => {}
    }
    mapping.properties.silent(&["public_ip"]);
    end(mapping, "instances", resource);
}

/// Whether a resource of its own starts an instance, whatever state it was found in.
fn is_kept_running(resource: &Resource, facts: &Facts<'_>) -> bool {
    facts.all.of("aws_ec2_instance_state").any(|one| {
        one.text("instance_id").as_ref() == Some(&resource.name)
            && one.text("state").as_deref() == Some("running")
    })
}

/// The state that an instance is kept in.
pub(super) fn instance_state(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["force"]);
    let by = mapping.by.clone();
    let state = mapping.properties.text("state");
    let Given::Known(instance) = mapping.name_of("instance_id", "instances") else {
        return lost(mapping, "instance_id", "instances", &["aws_instance"], facts);
    };
    match state {
        Given::Known(state) if state == "stopped" => {
            mapping.estate.set("instances", &instance, "state", json!("stopped"), &by);
        }
        Given::Known(_) | Given::Absent => {}
        Given::Unknown(unknown) => {
            mapping.unknown_of("instances", &instance, &format!("its state is not known: {}", unknown.why));
        }
    }
    part_of(mapping, "instances", &instance);
}

/// The interfaces of their own that an instance lists.
fn attached(mapping: &mut Mapping<'_>, resource: &Resource) -> bool {
    let mut all = Vec::new();
    for key in ["primary_network_interface", "network_interface"] {
        match mapping.properties.maps(key) {
            Given::Known(blocks) => {
                for mut block in blocks {
                    block.silent(&["delete_on_termination", "network_card_index"]);
                    let index = match block.number("device_index") {
                        Given::Known(index) => index,
                        _ => 0,
                    };
                    match block.text("network_interface_id") {
                        Given::Known(name) if !name.is_empty() && name != resource.name => {
                            let by = mapping.by.clone();
                            let name = mapping.estate.refer("network_interfaces", &name, &by);
                            let one = json!({ "network_interface": name, "device_index": index });
                            if !all.contains(&one) {
                                all.push(one);
                            }
                        }
                        Given::Unknown(unknown) => {
                            let why = unknown.why;
                            let name = super::stand_in(
                                mapping,
                                resource,
                                "network_interface_id",
                                "network_interfaces",
                                &why,
                            );
                            all.push(json!({ "network_interface": name, "device_index": index }));
                        }
                        _ => {}
                    }
                    mapping.properties.finish_inner(block);
                }
            }
            Given::Unknown(unknown) if key == "network_interface" => mapping.matters(key, &unknown),
            _ => {}
        }
    }
    // The interface that a state shows as primary, with no resource of its own, is the one that the instance implies.
    let by_plan = |one: &Value| {
        one.get("network_interface").and_then(Value::as_str).is_some_and(|name| !name.starts_with("eni-"))
    };
    let any = all.iter().any(by_plan) || !all.is_empty() && resource.text("subnet_id").is_none();
    if any {
        mapping.write("network_interfaces", all);
    }
    any
}

/// Groups of the default VPC, by name.
fn by_name(mapping: &mut Mapping<'_>, facts: &Facts<'_>) {
    let names = match mapping.properties.list("security_groups") {
        Given::Known(names) => names,
        Given::Unknown(unknown) if !mapping.attributes.contains_key("security_groups") => {
            return mapping.matters("security_groups", &unknown);
        }
        _ => return,
    };
    if mapping.attributes.contains_key("security_groups") {
        return;
    }
    let mut groups = Vec::new();
    for name in names {
        let Some(text) = name.text() else {
            mapping.doubt("security_groups are not all known");
            continue;
        };
        let named = facts
            .all
            .of("aws_security_group")
            .find(|group| group.name == text || group.text("name").as_ref() == Some(&text));
        match (named, name) {
            (Some(group), _) => groups.push(group.name.clone()),
            (None, Val::Name(named)) => groups.push(named.name.clone()),
            (None, _) if text == "default" => {}
            (None, _) => {
                let by = mapping.by.clone();
                mapping.estate.refer("security_groups", &text, &by);
                groups.push(text);
            }
        }
    }
    if !groups.is_empty() {
        mapping.write("security_groups", groups);
    }
}

pub(super) fn eip(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&[
        "address",
        "allocation_id",
        "association_id",
        "carrier_ip",
        "customer_owned_ip",
        "customer_owned_ipv4_pool",
        "domain",
        "ipam_pool_id",
        "network_border_group",
        "private_dns",
        "private_ip",
        "ptr_record",
        "public_dns",
        "public_ipv4_pool",
        "vpc",
    ]);
    if let Given::Known(address) = mapping.properties.text("public_ip")
        && !address.is_empty()
    {
        mapping.write("public_ip", address);
    }
    home(&mut mapping, resource);
    let private = match mapping.properties.text("associate_with_private_ip") {
        Given::Known(address) if !address.is_empty() => Some(address),
        _ => None,
    };
    let instance = mapping.properties.take("instance").filter(|value| !value.is_empty());
    let interface = mapping.properties.take("network_interface").filter(|value| !value.is_empty());
    let target = instance.or(interface);
    match target {
        _ if facts.of_nat.contains(&resource.name) => {}
        None => {}
        Some(Val::Unknown(unknown)) => {
            let key = if instance.is_some() { "instance" } else { "network_interface" };
            let why = format!("whether {} stands for it is not known: {}", resource.address, unknown.why);
            holders(&mut mapping, resource, facts, key, &why);
        }
        Some(target) => {
            let name = target.text().unwrap_or_default();
            let of_instance = matches!(target, Val::Name(named) if named.of_type != "aws_network_interface")
                || instance.is_some();
            if !matches!(target, Val::Name(_)) {
                // Something in another source, or a service's.
                mapping.note(
                    NoteKind::Approximated,
                    format!("{name} is in no source: the address stands for nobody"),
                );
            } else {
                let by = mapping.by.clone();
                let (ours, kind) = if of_instance {
                    ("instance", "instances")
                } else {
                    ("network_interface", "network_interfaces")
                };
                let value = mapping.estate.refer(kind, &name, &by);
                mapping.write(ours, value);
                mapping
                    .attributes
                    .extend(private.map(|address| ("associate_with_private_ip".to_owned(), json!(address))));
            }
        }
    }
    end(mapping, "eips", resource);
}

/// Marks whom an address may stand for.
fn holders(mapping: &mut Mapping<'_>, resource: &Resource, facts: &Facts<'_>, key: &str, why: &str) {
    let among = among(resource, key);
    let kinds = [("aws_instance", "instances"), ("aws_network_interface", "network_interfaces")];
    for (of_type, kind) in
        kinds.into_iter().filter(|(of_type, _)| !key.starts_with("instance") || *of_type == "aws_instance")
    {
        for one in facts.all.of(of_type) {
            if among.is_empty() || among.contains(&one.name) {
                mapping.unknown_of(kind, &one.name, why);
            }
        }
    }
}

pub(super) fn eip_association(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["allow_reassociation", "public_ip"]);
    let by = mapping.by.clone();
    let Given::Known(eip) = mapping.name_of("allocation_id", "eips") else {
        // Which address it is decides how one of the two is reached from outside.
        for (key, kind) in [("instance_id", "instances"), ("network_interface_id", "network_interfaces")] {
            if let Some(Val::Name(named)) = resource.values.get(key) {
                let kind = if named.of_type == "aws_instance" { "instances" } else { kind };
                mapping.unknown_of(kind, &named.name, "which elastic address it has is not known");
            }
        }
        return lost(mapping, "allocation_id", "eips", &["aws_eip"], facts);
    };
    let stated = facts
        .all
        .named(&eip)
        .is_some_and(|eip| ["instance", "network_interface"].iter().any(|key| eip.text(key).is_some()));
    let instance = mapping.properties.take("instance_id").filter(|value| !value.is_empty());
    let interface = mapping.properties.take("network_interface_id").filter(|value| !value.is_empty());
    let private = mapping.properties.text("private_ip_address");
    let targets: BTreeMap<&str, Option<&Val>> =
        BTreeMap::from([("instance", instance), ("network_interface", interface)]);
    let target = targets.into_iter().find_map(|(key, value)| Some((key, value?)));
    match target {
        _ if stated => {}
        Some((key, Val::Unknown(unknown))) => {
            let why = format!("whether {eip} stands for it is not known: {}", unknown.why);
            let key = if key == "instance" { "instance_id" } else { "network_interface_id" };
            holders(&mut mapping, resource, facts, key, &why);
        }
        Some((key, value)) => {
            let of_instance =
                key == "instance" || matches!(value, Val::Name(named) if named.of_type == "aws_instance");
            let (ours, kind) = if of_instance {
                ("instance", "instances")
            } else {
                ("network_interface", "network_interfaces")
            };
            let name = mapping.estate.refer(kind, &value.text().unwrap_or_default(), &by);
            mapping.estate.set("eips", &eip, ours, name, &by);
            if let Given::Known(address) = private
                && !address.is_empty()
            {
                mapping.estate.set("eips", &eip, "associate_with_private_ip", json!(address), &by);
            }
        }
        None => {}
    }
    part_of(mapping, "eips", &eip);
}
