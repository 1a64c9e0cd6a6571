//! NAT gateways, peering connections and endpoints of Terraform.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use crate::describe::account;
use crate::estate::Estate;
use crate::mapping::{Mapping, object};
use crate::properties::Given;
use crate::report::{Fate, NoteKind};
use crate::terraform::references::{Evaluated, Resource};
use crate::terraform::{Facts, among, begin, end, lost, needed, part_of, vpc};
use crate::val::Val;

/// The elastic IP addresses that NAT gateways have.
pub(super) fn of_nat(all: &Evaluated) -> BTreeSet<String> {
    let mut of = BTreeSet::new();
    for gateway in all.of("aws_nat_gateway") {
        of.extend(gateway.text("allocation_id"));
        let more = gateway.values.get("secondary_allocation_ids").map_or(&[][..], Val::items);
        of.extend(more.iter().filter_map(Val::text));
    }
    of
}

pub(super) fn nat_gateway(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    if resource.text("availability_mode").as_deref() == Some("regional") {
        mapping.properties.silence();
        mapping.note(NoteKind::Omitted, "regional NAT gateways cannot be declared");
        return mapping.finish(Fate::LeftOut);
    }
    mapping.properties.silent(&[
        "association_id",
        "network_interface_id",
        "public_ip",
        "availability_mode",
        "availability_zone_address",
        "vpc_id",
        "auto_provision_zones",
        "auto_scaling_ips",
        "regional_nat_gateway_address",
        "regional_nat_gateway_auto_mode",
        "route_table_id",
    ]);
    match (among(resource, "subnet_id"), mapping.properties.text("subnet_id")) {
        (all @ [first, ..], Given::Unknown(_)) if are_alike(facts, all) => {
            let text = format!("it is in one of {}, which are alike: taken to be {first}", all.join(", "));
            mapping.note(NoteKind::Approximated, text);
            let by = mapping.by.clone();
            let subnet = mapping.estate.refer("subnets", first, &by);
            mapping.write("subnet", subnet);
        }
        _ => drop(needed(&mut mapping, resource, "subnet_id", "subnet", "subnets")),
    }
    mapping.text("connectivity_type", "connectivity_type");
    if let Given::Known(address) = mapping.properties.text("private_ip")
        && !address.is_empty()
    {
        mapping.write("private_ip", address);
    }
    mapping.references("secondary_allocation_ids", "secondary_allocations", "eips");
    mapping.texts("secondary_private_ip_addresses", "secondary_private_ips");
    if let Given::Known(count @ 1..) = mapping.properties.number("secondary_private_ip_address_count")
        && !mapping.attributes.contains_key("secondary_private_ips")
    {
        mapping.write("secondary_private_ip_address_count", count);
    }
    let is_private = mapping.attributes.get("connectivity_type") == Some(&json!("private"));
    match mapping.name_of("allocation_id", "eips") {
        Given::Known(name) if !name.is_empty() => mapping.write("allocation", name),
        Given::Unknown(unknown) if !is_private => {
            // One address or another: which one decides nothing but what the outside sees.
            mapping.assigned("allocation_id", &unknown);
            own_address(&mut mapping, resource);
        }
        _ if !is_private => own_address(&mut mapping, resource),
        _ => {}
    }
    end(mapping, "nat_gateways", resource);
}

/// Whether subnets have one VPC, one route table and one network ACL, as far as anybody says: which of them a gateway is
/// in decides nothing then but its address and its zone.
fn are_alike(facts: &Facts<'_>, subnets: &[String]) -> bool {
    let is_unknown = |value: Option<&Val>| value.is_some_and(|value| value.first_unknown().is_some());
    let of = |types: [&'static str; 2]| types.into_iter().flat_map(|of_type| facts.all.of(of_type));
    let tables: Vec<&Resource> = facts.all.of("aws_route_table_association").collect();
    let acls: Vec<&Resource> = of(["aws_network_acl", "aws_network_acl_association"]).collect();
    let all = || tables.iter().chain(&acls);
    let keys = ["subnet_id", "subnet_ids", "route_table_id", "network_acl_id"];
    if all().any(|one| keys.iter().any(|key| is_unknown(one.values.get(*key)))) {
        return false;
    }
    let has = |one: &Resource, subnet: &String| {
        let listed = one.values.get("subnet_ids").map_or(&[][..], Val::items);
        one.text("subnet_id").as_ref() == Some(subnet)
            || listed.iter().any(|item| item.text().as_ref() == Some(subnet))
    };
    let place = |subnet: &String| {
        let vpc = facts.all.named(subnet).and_then(|subnet| subnet.text("vpc_id"));
        let table = tables.iter().find(|one| has(one, subnet)).and_then(|one| one.text("route_table_id"));
        let acl = acls.iter().find(|one| has(one, subnet));
        let acl = acl.map(|one| one.text("network_acl_id").unwrap_or_else(|| one.name.clone()));
        (vpc, table, acl)
    };
    let first = subnets.first().map(place);
    subnets.iter().all(|subnet| Some(place(subnet)) == first)
}

fn own_address(mapping: &mut Mapping<'_>, resource: &Resource) {
    let name = format!("{}-public", resource.name);
    let home = json!({ "region": resource.region, "owner": resource.account });
    mapping.put_as("eips", &name, object(home));
    mapping.write("allocation", name);
}

pub(super) fn peering(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["accepter", "requester"]);
    needed(&mut mapping, resource, "vpc_id", "vpc", "vpcs");
    let peer = needed(&mut mapping, resource, "peer_vpc_id", "peer_vpc", "vpcs");
    let region = mapping.properties.text("peer_region");
    let owner = mapping.properties.text("peer_owner_id");
    {
        let known = |given: &Given<String>| match given {
            Given::Known(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        let region = known(&region).unwrap_or_else(|| resource.region.clone());
        let owner =
            known(&owner).and_then(|owner| account(&owner)).unwrap_or_else(|| resource.account.clone());
        mapping.estate.hint("vpcs", &peer, object(json!({ "region": region, "owner": owner })));
    }
    let own = mapping.properties.boolean("auto_accept");
    let accepters: Vec<&Resource> =
        facts.all.of("aws_vpc_peering_connection_accepter").filter(|one| one.name == resource.name).collect();
    // The provider accepts where it is told to, and not by default.
    let accepts = own == Given::Known(true)
        || accepters.iter().any(|one| one.text("auto_accept").as_deref() == Some("true"));
    let unknown = accepters.iter().find_map(|one| one.values.get("auto_accept")?.first_unknown());
    let is_active = accepters.iter().any(|one| one.text("accept_status").as_deref() == Some("active"));
    let state = match mapping.properties.text("accept_status") {
        // What the other side has accepted, this side shows at the next refresh.
        Given::Known(state) if is_active && state == "pending-acceptance" => "active",
        Given::Known(state) if !state.is_empty() => {
            mapping.write("state", state);
            return end(mapping, "vpc_peering_connections", resource);
        }
        _ if is_active => "active",
        _ if accepts => "active",
        _ => {
            match (own, unknown) {
                (Given::Unknown(unknown), _) => mapping.matters("auto_accept", &unknown),
                (_, Some(unknown)) => {
                    mapping.doubt(format!("whether it is accepted is not known: {}", unknown.why));
                }
                _ => {}
            }
            "pending-acceptance"
        }
    };
    mapping.write("state", state);
    end(mapping, "vpc_peering_connections", resource);
}

/// The other side of a peering connection: where nobody manages the first, all that is known of it.
pub(super) fn peering_accepter(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silence();
    mapping.estate.refer("vpc_peering_connections", &resource.name, &facts.by(resource));
    part_of(mapping, "vpc_peering_connections", &resource.name);
}

pub(super) fn endpoint(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&[
        "policy",
        "auto_accept",
        "dns_entry",
        "dns_options",
        "network_interface_ids",
        "prefix_list_id",
        "requester_managed",
        "service_region",
        "state",
        "resource_configuration_arn",
        "service_network_arn",
    ]);
    vpc(&mut mapping, resource);
    match mapping.properties.text("service_name") {
        Given::Known(name) => mapping.write("service_name", name),
        Given::Unknown(unknown) => {
            mapping.matters("service_name", &unknown);
            mapping.write("service_name", format!("com.amazonaws.{}.unknown", resource.region));
        }
        Given::Absent => {}
    }
    mapping.text("vpc_endpoint_type", "vpc_endpoint_type");
    mapping.boolean("private_dns_enabled", "private_dns_enabled");
    let of_type = mapping.attributes.get("vpc_endpoint_type").and_then(Value::as_str).unwrap_or("Gateway");
    let is_gateway = of_type == "Gateway";
    let blocks = mapping.properties.take("cidr_blocks");
    if is_gateway {
        service(&mut mapping, blocks);
        mapping.references("route_table_ids", "route_tables", "route_tables");
        if let Some(Val::Unknown(_)) = resource.values.get("route_table_ids") {
            tables(&mut mapping, resource, facts);
        }
        mapping.properties.silent(&[
            "subnet_ids",
            "security_group_ids",
            "ip_address_type",
            "subnet_configuration",
        ]);
        return end(mapping, "vpc_endpoints", resource);
    }
    mapping.properties.silent(&["route_table_ids"]);
    mapping.references("subnet_ids", "subnets", "subnets");
    mapping.references("security_group_ids", "security_groups", "security_groups");
    if mapping
        .attributes
        .get("security_groups")
        .is_some_and(|groups| groups.as_array().is_some_and(Vec::is_empty))
    {
        mapping.attributes.remove("security_groups");
    }
    if let Given::Known(word) = mapping.properties.text("ip_address_type")
        && !word.is_empty()
    {
        mapping.write("ip_address_type", word);
    }
    let mut addresses = Vec::new();
    if let Given::Known(blocks) = mapping.properties.maps("subnet_configuration") {
        for mut block in blocks {
            let mut one = serde_json::Map::new();
            for (theirs, ours) in [("subnet_id", "subnet"), ("ipv4", "ipv4"), ("ipv6", "ipv6")] {
                if let Given::Known(text) = block.text(theirs)
                    && !text.is_empty()
                {
                    one.insert(ours.to_owned(), json!(text));
                }
            }
            if one.contains_key("subnet") {
                addresses.push(Value::Object(one));
            }
            mapping.properties.finish_inner(block);
        }
    }
    if !addresses.is_empty() {
        mapping.write("subnet_configuration", addresses);
    }
    end(mapping, "vpc_endpoints", resource);
}

/// Puts a gateway endpoint of which it is not known which tables have it into all that may: what they send to the service
/// comes to the endpoint, which is marked.
fn tables(mapping: &mut Mapping<'_>, resource: &Resource, facts: &Facts<'_>) {
    let vpc = resource.text("vpc_id");
    let of_vpc = |table: &&Resource| table.text("vpc_id") == vpc;
    let among = among(resource, "route_table_ids");
    let all = || facts.all.of("aws_route_table").filter(of_vpc).map(|table| table.name.clone()).collect();
    let names: Vec<String> = if among.is_empty() { all() } else { among.to_vec() };
    let by = mapping.by.clone();
    names.iter().for_each(|name| drop(mapping.estate.refer("route_tables", name, &by)));
    mapping.write("route_tables", names);
}

/// The service that a gateway endpoint leads to, where the source has its blocks.
fn service(mapping: &mut Mapping<'_>, blocks: Option<&Val>) {
    let blocks: Vec<Ipv4Net> =
        blocks.map_or(&[][..], Val::items).iter().filter_map(|block| block.text()?.parse().ok()).collect();
    let Some(name) = mapping.attributes.get("service_name").and_then(Value::as_str).map(str::to_owned) else {
        return;
    };
    let Some(address) = blocks.first().and_then(|block| block.hosts().next()) else { return };
    mapping.note(
        NoteKind::Assigned,
        format!("{name} has these blocks and answers at {address}, which is chosen among them"),
    );
    let is_there = mapping.estate.resources.get("services").is_some_and(|all| all.contains_key(&name));
    if !is_there {
        let service = json!({ "address": address.to_string(), "cidr_blocks": blocks });
        mapping.put_as("services", &name, object(service));
    }
}

/// A route table, a subnet or a group of an endpoint.
pub(super) fn endpoint_association(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["replace_default_association"]);
    let by = mapping.by.clone();
    let (key, list, kind) = match resource.of_type.as_str() {
        "aws_vpc_endpoint_route_table_association" => ("route_table_id", "route_tables", "route_tables"),
        "aws_vpc_endpoint_subnet_association" => ("subnet_id", "subnets", "subnets"),
        _ => ("security_group_id", "security_groups", "security_groups"),
    };
    match (mapping.name_of("vpc_endpoint_id", "vpc_endpoints"), mapping.name_of(key, kind)) {
        (Given::Known(endpoint), Given::Known(name)) => {
            // A state lists it in the endpoint as well.
            let is_listed = facts.all.named(&endpoint).is_some_and(|endpoint| {
                let all = endpoint.values.get(&format!("{key}s")).map_or(&[][..], Val::items);
                all.iter().any(|one| one.text().as_ref() == Some(&name))
            });
            if !is_listed {
                mapping.estate.push("vpc_endpoints", &endpoint, list, json!(name), &by);
            }
            part_of(mapping, "vpc_endpoints", &endpoint);
        }
        (Given::Known(endpoint), _) => {
            mapping.unknown_of("vpc_endpoints", &endpoint, &format!("a {key} of it is not known"));
            part_of(mapping, "vpc_endpoints", &endpoint);
        }
        _ => lost(mapping, "vpc_endpoint_id", "vpc_endpoints", &["aws_vpc_endpoint"], facts),
    }
}
