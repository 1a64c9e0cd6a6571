//! VPCs, subnets, route tables and prefix lists of Terraform.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::estate::{Address, Change, Edit, Estate};
use crate::mapping::Mapping;
use crate::properties::{Given, Properties};
use crate::report::NoteKind;
use crate::terraform::references::Resource;
use crate::terraform::{Facts, begin, end, home, lost, part_of, required, vpc};
use crate::val::{Named, Val};
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
        "main_route_table_id",
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
    home(&mut mapping, resource);
    end(mapping, "vpcs", resource);
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
    mapping.properties.silent(&[
        "availability_zone",
        "availability_zone_id",
        "cidr_block",
        "force_destroy",
        "vpc_id",
    ]);
    let zone = resource.name.chars().last().unwrap_or('a');
    let name = mapping.estate.default_subnet(&resource.region, &resource.account, zone);
    mapping.note(NoteKind::Assigned, format!("it is {name} here, with a block of AWS's default"));
    match mapping.properties.boolean("map_public_ip_on_launch") {
        // AWS's default subnets here are those of three zones.
        Given::Known(public) if ('a'..='c').contains(&zone) => {
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
            let is_mixed =
                all().any(|one| one.of_type == "aws_subnet" && one.text("availability_zone").is_some());
            mapping.properties.notes.push(zones::chosen("availability_zone_id", &id, &zone, is_mixed));
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

pub(super) fn aws_route_table(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    if resource.of_type == "aws_default_route_table" {
        mapping.properties.silent(&["default_route_table_id", "vpc_id"]);
    } else {
        vpc(&mut mapping, resource);
    }
    mapping.references("propagating_vgws", "propagating_vgws", "vpn_gateways");
    let mut routes = Vec::new();
    match mapping.properties.maps("route") {
        Given::Known(blocks) => {
            for mut block in blocks {
                match route(&mut block, facts, mapping.estate, &mapping.by) {
                    Ok(Some(route)) if !routes.contains(&route) => routes.push(route),
                    Ok(_) => {}
                    Err(why) => mapping.doubt(why),
                }
                mapping.properties.finish_inner(block);
            }
        }
        Given::Unknown(unknown) => mapping.matters("route", &unknown),
        Given::Absent => {}
    }
    mapping.write("routes", routes);
    if mapping.name.ends_with("/main") && facts.all.of("aws_default_vpc").next().is_some() {
        // The one of the default VPC is made with it: only what is written here is left of its routes.
        let routes = mapping.attributes.remove("routes").unwrap_or_default();
        let (name, by) = (mapping.name.clone(), mapping.by.clone());
        mapping.estate.edits.push(Edit {
            target: ("route_tables", name.clone()),
            attribute: "routes",
            change: Change::Replace(routes),
            by,
        });
        return part_of(mapping, "route_tables", &name);
    }
    end(mapping, "route_tables", resource);
}

/// A route; nothing for one that comes by itself, and why where its target is not known.
fn route(
    block: &mut Properties<'_>,
    facts: &Facts<'_>,
    estate: &mut Estate,
    by: &Address,
) -> Result<Option<Value>, String> {
    const TARGETS: [(&str, &str, &str); 11] = [
        ("nat_gateway_id", "nat_gateway", "nat_gateways"),
        ("transit_gateway_id", "transit_gateway", "transit_gateways"),
        ("vpc_peering_connection_id", "vpc_peering_connection", "vpc_peering_connections"),
        ("egress_only_gateway_id", "egress_only_gateway", "egress_only_internet_gateways"),
        ("instance_id", "instance", "instances"),
        ("network_interface_id", "network_interface", "network_interfaces"),
        ("vpc_endpoint_id", "vpc_endpoint", "vpc_endpoints"),
        ("carrier_gateway_id", "carrier_gateway", "carrier_gateways"),
        ("local_gateway_id", "local_gateway", "local_gateways"),
        ("core_network_arn", "core_network", "core_networks"),
        ("odb_network_arn", "odb_network", "odb_networks"),
    ];
    let mut written = Map::new();
    for (theirs, ours) in [
        ("cidr_block", "cidr_block"),
        ("destination_cidr_block", "cidr_block"),
        ("ipv6_cidr_block", "ipv6_cidr_block"),
        ("destination_ipv6_cidr_block", "ipv6_cidr_block"),
    ] {
        match block.text(theirs) {
            Given::Known(cidr) if !cidr.is_empty() => drop(written.insert(ours.to_owned(), json!(cidr))),
            Given::Unknown(unknown) => {
                return Err(format!("the destination of a route is not known: {}", unknown.why));
            }
            _ => {}
        }
    }
    match block.text("destination_prefix_list_id") {
        Given::Known(list) if !list.is_empty() => {
            estate.refer("managed_prefix_lists", &list, by);
            written.insert("destination_prefix_list".to_owned(), json!(list));
        }
        Given::Unknown(unknown) => {
            return Err(format!("the destination of a route is not known: {}", unknown.why));
        }
        _ => {}
    }
    let destination = written.values().next().and_then(Value::as_str).unwrap_or("somewhere").to_owned();
    if let Some(gateway) = block.take("gateway_id").filter(|gateway| !gateway.is_empty()) {
        let (kind, attribute, name) = match gateway {
            Val::Unknown(unknown) => {
                return Err(format!(
                    "the target of the route to {destination} is not known: {}",
                    unknown.why
                ));
            }
            Val::Name(named) => gateway_kind(named),
            other => gateway_of_id(&other.text().unwrap_or_default()),
        };
        if kind == "vpc_endpoints" {
            let of_gateway = facts.all.named(&name).is_none_or(|endpoint| {
                endpoint.text("vpc_endpoint_type").is_none_or(|word| word == "Gateway")
            });
            if of_gateway {
                return Ok(None);
            }
        }
        if name != "local" {
            estate.refer(kind, &name, by);
        }
        written.insert(attribute.to_owned(), json!(name));
    }
    for (theirs, ours, kind) in TARGETS {
        let Some(target) = block.take(theirs).filter(|target| !target.is_empty()) else { continue };
        // The interface of an instance's route stands next to it.
        if theirs == "network_interface_id" && written.contains_key("instance") {
            continue;
        }
        let (kind, name) = match target {
            Val::Unknown(unknown) => {
                return Err(format!(
                    "the target of the route to {destination} is not known: {}",
                    unknown.why
                ));
            }
            Val::Name(named) if named.of_type == "aws_networkfirewall_firewall" => {
                ("network_firewalls", named.name.clone())
            }
            Val::Name(named) if named.of_type == "aws_instance" => ("instances", named.name.clone()),
            other => (kind, other.text().unwrap_or_default()),
        };
        estate.refer(kind, &name, by);
        let ours = if kind == "instances" { "instance" } else { ours };
        written.insert(ours.to_owned(), json!(name));
    }
    if written.len() < 2 {
        return Err(format!("the route to {destination} has no target that is understood"));
    }
    Ok(Some(Value::Object(written)))
}

fn gateway_kind(named: &Named) -> (&'static str, &'static str, String) {
    match named.of_type.as_str() {
        "aws_vpn_gateway" => ("vpn_gateways", "gateway", named.name.clone()),
        "aws_vpc_endpoint" => ("vpc_endpoints", "vpc_endpoint", named.name.clone()),
        "aws_egress_only_internet_gateway" => {
            ("egress_only_internet_gateways", "egress_only_gateway", named.name.clone())
        }
        "aws_nat_gateway" => ("nat_gateways", "nat_gateway", named.name.clone()),
        "aws_ec2_carrier_gateway" => ("carrier_gateways", "carrier_gateway", named.name.clone()),
        "aws_ec2_transit_gateway" => ("transit_gateways", "transit_gateway", named.name.clone()),
        _ => ("internet_gateways", "gateway", named.name.clone()),
    }
}

fn gateway_of_id(id: &str) -> (&'static str, &'static str, String) {
    let (kind, attribute) = match id.split_once('-').map(|(prefix, _)| prefix) {
        Some("vgw") => ("vpn_gateways", "gateway"),
        Some("vpce") => ("vpc_endpoints", "vpc_endpoint"),
        Some("nat") => ("nat_gateways", "nat_gateway"),
        Some("tgw") => ("transit_gateways", "transit_gateway"),
        _ => ("internet_gateways", "gateway"),
    };
    (kind, attribute, id.to_owned())
}

pub(super) fn aws_route(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["origin", "state", "instance_owner_id"]);
    let by = mapping.by.clone();
    let Given::Known(table) = mapping.name_of("route_table_id", "route_tables") else {
        return lost(
            mapping,
            "route_table_id",
            "route_tables",
            &["aws_route_table", "aws_default_route_table"],
            facts,
        );
    };
    match route(&mut mapping.properties, facts, mapping.estate, &by) {
        Ok(Some(route)) => {
            let is_listed = mapping
                .estate
                .resources
                .get("route_tables")
                .and_then(|all| all.get(&table)?.get("routes")?.as_array())
                .is_some_and(|routes| routes.contains(&route));
            if !is_listed {
                mapping.estate.push("route_tables", &table, "routes", route, &by);
            }
        }
        Ok(None) => {}
        Err(why) => {
            mapping.note(NoteKind::Unknown, why.clone());
            mapping.unknown_of("route_tables", &table, &why);
        }
    }
    mapping.properties.silence();
    part_of(mapping, "route_tables", &table);
}

pub(super) fn route_table_association(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["original_route_table_id", "vpc_id"]);
    let by = mapping.by.clone();
    let table = mapping.name_of("route_table_id", "route_tables");
    if resource.of_type == "aws_main_route_table_association" {
        return match (mapping.properties.text("vpc_id"), table) {
            (Given::Known(vpc), Given::Known(table)) => {
                mapping.estate.set("vpcs", &vpc, "main_route_table", json!(table), &by);
                part_of(mapping, "vpcs", &vpc);
            }
            (Given::Known(vpc), _) => {
                mapping.unknown_of(
                    "route_tables",
                    &format!("{vpc}/main"),
                    "which route table is the main one is not known",
                );
                part_of(mapping, "vpcs", &vpc);
            }
            _ => lost(mapping, "vpc_id", "vpcs", &["aws_vpc"], facts),
        };
    }
    let gateway = match mapping.properties.take("gateway_id").filter(|gateway| !gateway.is_empty()) {
        Some(Val::Name(named)) => Some(gateway_kind(named)),
        Some(Val::Text(id)) => Some(gateway_of_id(id)),
        _ => None,
    };
    let subnet = match mapping.properties.text("subnet_id") {
        Given::Known(subnet) if subnet.is_empty() => Given::Absent,
        given => given,
    };
    match (subnet, gateway, table) {
        (Given::Known(subnet), _, Given::Known(table)) => {
            mapping.estate.set("subnets", &subnet, "route_table", json!(table), &by);
            part_of(mapping, "subnets", &subnet);
        }
        (_, Some((kind, _, gateway)), Given::Known(table)) => {
            let gateway = mapping.estate.refer(kind, &gateway, &by);
            mapping.estate.push("route_tables", &table, "gateways", gateway, &by);
            part_of(mapping, "route_tables", &table);
        }
        // Which table it is is not known: neither is what the subnet's packets meet.
        (Given::Known(subnet), _, Given::Unknown(unknown)) => {
            let why = format!("its route table is not known: {}", unknown.why);
            mapping.note(NoteKind::Unknown, why.clone());
            mapping.unknown_of("subnets", &subnet, &why);
            part_of(mapping, "subnets", &subnet);
        }
        (Given::Unknown(unknown), _, Given::Known(table)) => {
            let why = format!("which subnet has it is not known: {}", unknown.why);
            mapping.note(NoteKind::Unknown, why.clone());
            // Any subnet of the VPC may have it, in place of what is written of it.
            every_subnet(&mut mapping, facts, &table, &why);
            part_of(mapping, "route_tables", &table);
        }
        _ => lost(
            mapping,
            "route_table_id",
            "route_tables",
            &["aws_route_table", "aws_default_route_table"],
            facts,
        ),
    }
}

/// Marks every subnet without a table of the VPC that a table belongs to.
fn every_subnet(mapping: &mut Mapping<'_>, facts: &Facts<'_>, table: &str, why: &str) {
    let vpc = facts.all.named(table).and_then(|table| table.text("vpc_id"));
    let with_table: Vec<String> =
        facts.all.of("aws_route_table_association").filter_map(|one| one.text("subnet_id")).collect();
    for subnet in facts.all.of("aws_subnet") {
        if subnet.text("vpc_id") == vpc && !with_table.contains(&subnet.name) {
            mapping.unknown_of("subnets", &subnet.name, why);
        }
    }
}

/// IPv6 blocks that are known only after apply: chosen here, as subnets need theirs inside the VPC's.
pub(super) fn finish(facts: &Facts<'_>, estate: &mut Estate) {
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
    if resource.of_type == "aws_egress_only_internet_gateway" {
        required(&mut mapping, resource, "vpc_id", "vpc", "vpcs");
        return end(mapping, "egress_only_internet_gateways", resource);
    }
    required(&mut mapping, resource, "vpc_id", "vpc", "vpcs");
    end(mapping, "internet_gateways", resource);
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
