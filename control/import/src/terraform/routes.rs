//! Route tables of Terraform, their routes, and who has them.

use serde_json::{Map, Value, json};

use crate::estate::{Address, Change, Edit, Estate};
use crate::mapping::Mapping;
use crate::properties::{Given, Properties};
use crate::report::NoteKind;
use crate::terraform::references::Resource;
use crate::terraform::{Facts, begin, end, lost, part_of, vpc};
use crate::val::{Named, Val};

pub(super) fn aws_route_table(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    if resource.of_type == "aws_default_route_table" {
        mapping.properties.silent(&["default_route_table_id", "vpc_id"]);
        of_its_vpc(&mut mapping, &["/main", "/default"]);
        if let Some(vpc) = resource.name.strip_suffix("/default") {
            mapping.write("vpc", vpc);
        }
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

/// Refers to the VPC that something comes with, which its name has: nothing else says so where no source holds the VPC.
pub(super) fn of_its_vpc(mapping: &mut Mapping<'_>, words: &[&str]) {
    let vpc = words.iter().find_map(|word| mapping.name.strip_suffix(word)).map(str::to_owned);
    if let Some(vpc) = vpc.filter(|vpc| !vpc.starts_with("default-")) {
        let by = mapping.by.clone();
        mapping.estate.refer("vpcs", &vpc, &by);
    }
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
            // A gateway endpoint's route is to its service, by AWS's prefix list; one of which nobody knows the type is
            // told by that.
            let to_service = written.contains_key("destination_prefix_list");
            let of_gateway = facts.all.named(&name).map_or(to_service, |endpoint| {
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
    mapping.properties.silent(&["origin", "instance_owner_id"]);
    let state = mapping.properties.text("state");
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
    if state == Given::Known("blackhole".to_owned()) {
        blackhole(&mut mapping, resource, &table);
        return part_of(mapping, "route_tables", &table);
    }
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

/// The word that ends the name of a gateway which stands for the target of a route that leads nowhere.
pub(super) const NOWHERE: &str = "-blackhole";

/// A route of which AWS says that it leads nowhere (RT-25): its packets are dropped, whatever else there is (RT-26). A
/// gateway that is attached nowhere stands for its target, which may well be there: only AWS knows what it lacks.
fn blackhole(mapping: &mut Mapping<'_>, resource: &Resource, table: &str) {
    let destination = [
        ("destination_cidr_block", "cidr_block"),
        ("destination_ipv6_cidr_block", "ipv6_cidr_block"),
        ("destination_prefix_list_id", "destination_prefix_list"),
    ];
    let destination = destination
        .into_iter()
        .find_map(|(theirs, ours)| Some((ours, resource.text(theirs).filter(|text| !text.is_empty())?)));
    mapping.properties.silence();
    let Some((attribute, destination)) = destination else {
        return mapping.unknown_of("route_tables", table, "the destination of a blackhole is not known");
    };
    let by = mapping.by.clone();
    if attribute == "destination_prefix_list" {
        mapping.estate.refer("managed_prefix_lists", &destination, &by);
    }
    let name = format!("{}{NOWHERE}", resource.name);
    mapping.note(
        NoteKind::Approximated,
        format!("it is a blackhole: {name}, a gateway that is attached nowhere, stands for its target"),
    );
    mapping.estate.put("internet_gateways", &name, Map::new(), &by);
    let route = json!({ attribute: destination, "gateway": name });
    mapping.estate.push("route_tables", table, "routes", route, &by);
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
                    &facts.all.first_table(&vpc),
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
