//! VPCs, subnets and internet gateways of Terraform.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::estate::{Address, Change, Edit, Estate};
use crate::mapping::Mapping;
use crate::properties::Given;
use crate::report::{Fate, Note, NoteKind};
use crate::services;
use crate::terraform::references::Resource;
use crate::terraform::{Facts, begin, end, home, lost, part_of, required, vpc};
use crate::val::Val;
use crate::zones;

const IPAM: &[&str] =
    &["ipv4_ipam_pool_id", "ipv4_netmask_length", "ipv6_ipam_pool_id", "ipv6_netmask_length"];

/// What of a subnet says nothing about packets.
const SILENT_SUBNET: &[&str] = &[
    "customer_owned_ipv4_pool",
    "map_customer_owned_ip_on_launch",
    "outpost_arn",
    "enable_dns64",
    "enable_resource_name_dns_a_record_on_launch",
    "ipv6_cidr_block_association_id",
    "enable_resource_name_dns_aaaa_record_on_launch",
    "private_dns_hostname_type_on_launch",
    "enable_lni_at_device_index",
];

pub(super) fn aws_vpc(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let is_from_pool = mapping.properties.take("ipv6_ipam_pool_id").is_some_and(|pool| !pool.is_empty());
    mapping.properties.silent(IPAM);
    mapping.properties.silent(&[
        "enable_dns_support",
        "enable_dns_hostnames",
        "enable_classiclink",
        "enable_classiclink_dns_support",
        "enable_network_address_usage_metrics",
        "instance_tenancy",
        "dhcp_options_id",
        "default_route_table_id",
        "default_network_acl_id",
        "default_security_group_id",
        "ipv6_association_id",
        "ipv6_cidr_block_network_border_group",
    ]);
    match mapping.properties.text("cidr_block") {
        Given::Known(block) => mapping.write("cidr_block", block),
        Given::Absent => {
            mapping.doubt("its block is chosen by an address manager");
        }
        Given::Unknown(unknown) => {
            mapping.matters("cidr_block", &unknown);
        }
    }
    mapping.boolean("assign_generated_ipv6_cidr_block", "assign_generated_ipv6_cidr_block");
    if let Given::Known(block) = mapping.properties.text("ipv6_cidr_block")
        && !block.is_empty()
    {
        mapping.attributes.remove("assign_generated_ipv6_cidr_block");
        mapping.write("ipv6_cidr_blocks", vec![block]);
    } else if is_from_pool {
        mapping.note(NoteKind::Assigned, "ipv6_cidr_block is chosen: an address manager gives it");
        mapping.write("assign_generated_ipv6_cidr_block", true);
    }
    match mapping.properties.take("main_route_table_id") {
        Some(table) if has_other_main(resource) => {
            let by = mapping.by.clone();
            let table = mapping.estate.refer("route_tables", &table.text().unwrap_or_default(), &by);
            mapping.write("main_route_table", table);
        }
        _ => {}
    }
    home(&mut mapping, resource);
    end(mapping, "vpcs", resource);
}

/// Whether a VPC says that its main route table is not the one that it came with.
fn has_other_main(vpc: &Resource) -> bool {
    let id = |key: &str| vpc.text(key);
    id("default_route_table_id").zip(id("main_route_table_id")).is_some_and(|(own, main)| own != main)
}

/// The default VPC, which is there already, and is made here once for all.
pub(super) fn aws_default_vpc(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silence();
    let name = mapping.estate.default_vpc(&resource.region, &resource.account);
    mapping.note(NoteKind::Assigned, format!("it is {name} here, with AWS's default block and subnets"));
    part_of(mapping, "vpcs", &name);
}

/// A subnet of the default VPC, of which this resource changes some attributes.
pub(super) fn aws_default_subnet(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(SILENT_SUBNET);
    mapping.properties.silent(&["availability_zone", "availability_zone_id", "force_destroy", "vpc_id"]);
    let zone = resource.name.chars().last().unwrap_or('a');
    let name = mapping.estate.default_subnet(&resource.region, &resource.account, zone);
    let block = match mapping.properties.text("cidr_block") {
        Given::Known(block) => block.parse().ok(),
        Given::Unknown(_) | Given::Absent => None,
    };
    match block {
        Some(block) => {
            mapping.estate.default_blocks.insert(name.clone(), block);
            mapping.note(NoteKind::Assigned, format!("it is {name} here"));
        }
        None => {
            mapping.note(NoteKind::Assigned, format!("it is {name} here, with a block of AWS's default"));
        }
    }
    match mapping.properties.boolean("map_public_ip_on_launch") {
        // Without their blocks, AWS's default subnets here are those of three zones.
        Given::Known(public) if block.is_some() || ('a'..='c').contains(&zone) => {
            let by = mapping.by.clone();
            mapping.estate.edits.push(Edit {
                target: ("subnets", name.clone()),
                attribute: "map_public_ip_on_launch",
                change: Change::Replace(json!(public)),
                by,
            });
        }
        Given::Unknown(unknown) => {
            let why = format!("whether {name} gives public addresses is not known: {}", unknown.why);
            mapping.unknown_of("subnets", &name, &why);
        }
        Given::Known(_) | Given::Absent => {}
    }
    // Default subnets have no IPv6 here.
    for key in ["ipv6_cidr_block", "assign_ipv6_address_on_creation", "ipv6_native"] {
        let value = mapping.properties.take(key);
        if value.is_some_and(|value| !value.is_empty() && *value != Val::Bool(false)) {
            mapping.unknown_of("subnets", &name, &format!("{key} of a default subnet is not modelled"));
        }
    }
    part_of(mapping, "subnets", &name);
}

pub(super) fn cidr_association(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(IPAM);
    mapping.properties.silent(&["ip_source", "ipv6_address_attribute", "ipv6_pool", "network_border_group"]);
    let by = mapping.by.clone();
    let (key, list) = match resource.of_type.as_str() {
        "aws_vpc_ipv4_cidr_block_association" => ("cidr_block", "secondary_cidr_blocks"),
        _ => ("ipv6_cidr_block", "ipv6_cidr_blocks"),
    };
    let Given::Known(vpc) = mapping.name_of("vpc_id", "vpcs") else {
        return lost(mapping, "vpc_id", "vpcs", &["aws_vpc"], facts);
    };
    let generated = mapping.properties.boolean("assign_generated_ipv6_cidr_block") == Given::Known(true);
    match mapping.properties.text(key) {
        Given::Known(block) => mapping.estate.push("vpcs", &vpc, list, json!(block), &by),
        _ if generated => {
            mapping.estate.set("vpcs", &vpc, "assign_generated_ipv6_cidr_block", json!(true), &by);
        }
        _ => mapping.unknown_of("vpcs", &vpc, &format!("the {key} of {} is not known", resource.address)),
    }
    part_of(mapping, "vpcs", &vpc);
}

pub(super) fn aws_subnet(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(SILENT_SUBNET);
    vpc(&mut mapping, resource);
    let pools = ["ipv4_ipam_pool_id", "ipv6_ipam_pool_id"]
        .map(|key| mapping.properties.take(key).is_some_and(|pool| !pool.is_empty()));
    mapping.properties.silent(IPAM);
    match mapping.properties.text("cidr_block") {
        Given::Known(block) if !block.is_empty() => mapping.write("cidr_block", block),
        Given::Unknown(unknown) => mapping.matters("cidr_block", &unknown),
        _ if pools[0] => mapping.doubt("cidr_block is not known: an address manager chooses it"),
        _ => {}
    }
    zone_of(&mut mapping, resource, facts);
    mapping.boolean("map_public_ip_on_launch", "map_public_ip_on_launch");
    mapping.boolean("ipv6_native", "ipv6_native");
    match mapping.properties.text("ipv6_cidr_block") {
        Given::Known(block) if !block.is_empty() => mapping.write("ipv6_cidr_block", block),
        Given::Unknown(unknown) => mapping.assigned("ipv6_cidr_block", &unknown),
        _ if pools[1] => {
            mapping.note(NoteKind::Assigned, "ipv6_cidr_block is chosen: an address manager gives it");
        }
        _ => {}
    }
    if mapping.properties.boolean("assign_ipv6_address_on_creation") == Given::Known(true) {
        mapping.write("assign_ipv6_address_on_creation", true);
    }
    end(mapping, "subnets", resource);
}

/// The zone of a subnet: by its name, by its id, or chosen.
fn zone_of(mapping: &mut Mapping<'_>, resource: &Resource, facts: &Facts<'_>) {
    let id = match mapping.properties.text("availability_zone_id") {
        Given::Known(id) => Some(id).filter(|id| !id.is_empty()),
        Given::Absent | Given::Unknown(_) => None,
    };
    let name = mapping.properties.text("availability_zone");
    if let Given::Known(zone) = name {
        return mapping.write("availability_zone", zone);
    }
    if let Some(id) = id {
        // Where another one says both, the account's name for it is known.
        let has = |one: &&Resource| {
            one.text("availability_zone_id").or_else(|| one.text("zone_id")).as_ref() == Some(&id)
        };
        let named = |one: &Resource| match one.of_type.as_str() {
            "aws_subnet" => one.text("availability_zone"),
            "aws_availability_zone" => one.text("name"),
            _ => None,
        };
        let all = || facts.all.resources.iter().filter(|one| one.region == resource.region);
        if let Some(zone) = all().filter(has).find_map(named) {
            return mapping.write("availability_zone", zone);
        }
        if let Some(zone) = zones::zone_of_id(&resource.region, &id) {
            let vpc = resource.text("vpc_id");
            let named =
                |one: &Resource| one.of_type == "aws_subnet" && one.text("availability_zone").is_some();
            mapping.properties.notes.push(zones::chosen(
                "availability_zone_id",
                &id,
                &zone,
                all().any(named),
            ));
            if all().any(|one| named(one) && one.text("vpc_id") == vpc) {
                // Whether they share a zone decides what an attachment or a middlebox reaches.
                mapping
                    .doubt(format!("whether {id} is a zone that other subnets of the VPC name is not known"));
            }
            return mapping.write("availability_zone", zone);
        }
    }
    match name {
        Given::Unknown(unknown) => mapping.assigned("availability_zone", &unknown),
        _ => mapping.note(NoteKind::Assigned, "availability_zone is chosen: nothing says it"),
    }
    mapping.write("availability_zone", zone(resource, facts));
}

/// A zone for a subnet that does not say one: such subnets of one VPC take turns, as those that are used together are in
/// zones of their own.
fn zone(resource: &Resource, facts: &Facts<'_>) -> String {
    let vpc = resource.text("vpc_id");
    let silent = |one: &&Resource| {
        ["availability_zone", "availability_zone_id"].iter().all(|key| one.text(key).is_none())
            && one.text("vpc_id") == vpc
    };
    let position =
        facts.all.of("aws_subnet").filter(silent).take_while(|one| one.name != resource.name).count();
    let letter = ['a', 'b', 'c'].get(position % 3).unwrap_or(&'a');
    format!("{}{letter}", resource.region)
}

/// Puts what came with VPCs and is spoken of, and chooses IPv6 blocks.
pub(super) fn finish(facts: &Facts<'_>, estate: &mut Estate) {
    for (table, vpc) in facts.all.other_first_tables() {
        let is_there = estate.resources.get("route_tables").is_some_and(|all| all.contains_key(&table));
        if !is_there && estate.wanted.contains_key(&("route_tables", table.clone())) {
            let by = facts.all.named(vpc).map(|vpc| facts.by(vpc));
            let by =
                by.unwrap_or_else(|| Address { source: facts.source.name.clone(), address: vpc.clone() });
            estate.put("route_tables", &table, Map::from_iter([("vpc".to_owned(), json!(vpc))]), &by);
        }
    }
    ipv6_blocks(facts, estate);
    ipv6_addresses(facts, estate);
}

/// A service that asks for IPv6 addresses has them in subnets with a block: of others here, nobody knows one.
fn ipv6_addresses(facts: &Facts<'_>, estate: &mut Estate) {
    let set = estate.edits.iter().filter(|edit| edit.attribute == "ipv6_cidr_block");
    let mut with_block: BTreeSet<String> = set.map(|edit| edit.target.1.clone()).collect();
    let subnets = estate.resources.get("subnets").into_iter().flatten();
    with_block
        .extend(subnets.filter(|(_, map)| map.contains_key("ipv6_cidr_block")).map(|(name, _)| name.clone()));
    let Some(instances) = estate.resources.get_mut("instances") else { return };
    for reported in estate
        .report
        .resources
        .iter_mut()
        .filter(|one| one.source == facts.source.name && services::has_ipv4_unless_said(&one.of_type))
    {
        let mut is_without = false;
        for of in &reported.becomes {
            let Some(map) = instances.get_mut(&of.name) else { continue };
            let is_here = |map: &Map<String, Value>| {
                map.get("subnet").and_then(Value::as_str).is_some_and(|one| with_block.contains(one))
            };
            if !is_here(map) && map.remove("ipv6_address_count").is_some() {
                is_without = true;
            }
        }
        if is_without {
            let text = "its IPv6 addresses are not in the topology: its subnets have no such block here";
            reported.notes.push(Note::new(NoteKind::Approximated, text));
            if reported.fate == Fate::Understood {
                reported.fate = Fate::Approximated;
            }
        }
    }
}

/// IPv6 blocks that are known only after apply: chosen here, as subnets need theirs inside the VPC's.
fn ipv6_blocks(facts: &Facts<'_>, estate: &mut Estate) {
    let mut by_vpc: BTreeMap<String, Vec<&Resource>> = BTreeMap::new();
    for subnet in facts.all.of("aws_subnet") {
        let block = subnet.values.get("ipv6_cidr_block");
        let is_from_pool = block.is_none_or(Val::is_empty)
            && subnet.values.get("ipv6_ipam_pool_id").is_some_and(|pool| !pool.is_empty());
        if (is_from_pool || matches!(block, Some(Val::Unknown(_))))
            && let Some(vpc) = subnet.text("vpc_id")
        {
            by_vpc.entry(vpc).or_default().push(subnet);
        }
    }
    for (vpc, subnets) in by_vpc {
        let by = facts.by(facts.all.named(&vpc).unwrap_or(subnets[0]));
        let stated = estate
            .resources
            .get("vpcs")
            .and_then(|all| all.get(&vpc)?.get("ipv6_cidr_blocks")?.get(0)?.as_str());
        let base = match stated.and_then(|block| block.parse::<ipnet::Ipv6Net>().ok()) {
            Some(block) => block.network(),
            None => {
                let base = estate.ipv6.choose().network();
                estate.push("vpcs", &vpc, "ipv6_cidr_blocks", json!(format!("{base}/56")), &by);
                base
            }
        };
        for (number, subnet) in subnets.into_iter().enumerate() {
            let mut words = base.segments();
            words[3] += u16::try_from(number).unwrap_or(0);
            let block = format!("{}/64", std::net::Ipv6Addr::from(words));
            let by = facts.by(subnet);
            estate.set("subnets", &subnet.name, "ipv6_cidr_block", json!(block), &by);
        }
    }
}

/// An internet gateway, or an egress-only one.
pub(super) fn internet_gateway(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    match (mapping.properties.text("vpc_id"), routed_from(resource, facts)) {
        (Given::Unknown(unknown), Some(vpc)) => {
            // Where routes lead to it from: AWS refuses them of another VPC.
            mapping.matters("vpc_id", &unknown);
            let by = mapping.by.clone();
            let vpc = mapping.estate.refer("vpcs", &vpc, &by);
            mapping.write("vpc", vpc);
        }
        _ => drop(required(&mut mapping, resource, "vpc_id", "vpc", "vpcs")),
    }
    let kind = match resource.of_type.as_str() {
        "aws_egress_only_internet_gateway" => "egress_only_internet_gateways",
        _ => "internet_gateways",
    };
    end(mapping, kind, resource);
}

/// The VPC whose route tables lead to a gateway, where one only has such.
fn routed_from(gateway: &Resource, facts: &Facts<'_>) -> Option<String> {
    let leads = |one: &Val| {
        ["gateway_id", "egress_only_gateway_id"]
            .iter()
            .any(|key| one.text_of(key).as_ref() == Some(&gateway.name))
    };
    let inline = facts
        .all
        .of("aws_route_table")
        .filter(|table| table.values.get("route").is_some_and(|routes| routes.items().iter().any(leads)));
    let apart = facts.all.of("aws_route").filter(|route| leads(&Val::Map(route.values.clone())));
    let tables =
        inline.map(|table| table.name.clone()).chain(apart.filter_map(|one| one.text("route_table_id")));
    let vpc = |table: String| match table.strip_suffix("/main") {
        Some(vpc) => Some(vpc.to_owned()),
        None => facts.all.named(&table)?.text("vpc_id"),
    };
    let mut vpcs: Vec<String> = tables.filter_map(vpc).collect();
    vpcs.sort();
    vpcs.dedup();
    vpcs.pop().filter(|_| vpcs.is_empty())
}

pub(super) fn internet_gateway_attachment(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let by = mapping.by.clone();
    let gateway = mapping.name_of("internet_gateway_id", "internet_gateways");
    match (gateway, mapping.name_of("vpc_id", "vpcs")) {
        (Given::Known(gateway), Given::Known(vpc)) => {
            mapping.estate.set("internet_gateways", &gateway, "vpc", json!(vpc), &by);
            part_of(mapping, "internet_gateways", &gateway);
        }
        _ => lost(mapping, "internet_gateway_id", "internet_gateways", &["aws_internet_gateway"], facts),
    }
}
