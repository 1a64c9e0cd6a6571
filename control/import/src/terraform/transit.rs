//! Transit gateways of Terraform, their attachments and route tables.

use serde_json::{Map, Value, json};

use crate::describe::account;
use crate::estate::Estate;
use crate::mapping::{Mapping, object};
use crate::properties::Given;
use crate::report::NoteKind;
use crate::terraform::references::Resource;
use crate::terraform::{Facts, begin, end, home, lost, needed, part_of};
use crate::val::{Named, Val};

pub(super) fn transit_gateway(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&[
        "description",
        "association_default_route_table_id",
        "propagation_default_route_table_id",
        "encryption_support",
    ]);
    if let Given::Known(number @ 1..) = mapping.properties.number("amazon_side_asn") {
        mapping.write("amazon_side_asn", number);
    }
    for key in [
        "default_route_table_association",
        "default_route_table_propagation",
        "auto_accept_shared_attachments",
        "vpn_ecmp_support",
        "dns_support",
        "multicast_support",
        "security_group_referencing_support",
    ] {
        mapping.text(key, key);
    }
    mapping.texts("transit_gateway_cidr_blocks", "transit_gateway_cidr_blocks");
    home(&mut mapping, resource);
    end(mapping, "transit_gateways", resource);
}

pub(super) fn vpc_attachment(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["vpc_owner_id"]);
    needed(&mut mapping, resource, "transit_gateway_id", "transit_gateway", "transit_gateways");
    needed(&mut mapping, resource, "vpc_id", "vpc", "vpcs");
    match resource.values.get("subnet_ids") {
        Some(Val::Unknown(unknown)) => {
            mapping.properties.silent(&["subnet_ids"]);
            let name = super::stand_in(&mut mapping, resource, "subnet_ids", "subnets", &unknown.why);
            mapping.write("subnets", vec![name]);
        }
        _ => mapping.references("subnet_ids", "subnets", "subnets"),
    }
    for key in ["appliance_mode_support", "ipv6_support", "dns_support", "security_group_referencing_support"]
    {
        mapping.text(key, key);
    }
    for key in
        ["transit_gateway_default_route_table_association", "transit_gateway_default_route_table_propagation"]
    {
        mapping.boolean(key, key);
    }
    end(mapping, "transit_gateway_vpc_attachments", resource);
}

pub(super) fn peering_attachment(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["options"]);
    needed(&mut mapping, resource, "transit_gateway_id", "transit_gateway", "transit_gateways");
    let peer =
        needed(&mut mapping, resource, "peer_transit_gateway_id", "peer_transit_gateway", "transit_gateways");
    let text = |mapping: &mut Mapping<'_>, key: &str| match mapping.properties.text(key) {
        Given::Known(text) if !text.is_empty() => Some(text),
        _ => None,
    };
    let region = text(&mut mapping, "peer_region").unwrap_or_else(|| resource.region.clone());
    let owner = text(&mut mapping, "peer_account_id").and_then(|owner| account(&owner));
    let owner = owner.unwrap_or_else(|| resource.account.clone());
    mapping.estate.hint("transit_gateways", &peer, object(json!({ "region": region, "owner": owner })));
    let state = text(&mut mapping, "state");
    let mut accepters = facts.all.of("aws_ec2_transit_gateway_peering_attachment_accepter");
    let accepted = accepters.any(|one| one.name == resource.name) || state.as_deref() == Some("available");
    mapping.write("state", if accepted { "available" } else { "pendingAcceptance" });
    end(mapping, "transit_gateway_peering_attachments", resource);
}

/// The other side of an attachment accepts it.
pub(super) fn accepter(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let by = mapping.by.clone();
    let kind = match resource.of_type.as_str() {
        "aws_ec2_transit_gateway_peering_attachment_accepter" => "transit_gateway_peering_attachments",
        _ => "transit_gateway_vpc_attachments",
    };
    mapping.properties.silence();
    mapping.estate.set(kind, &resource.name, "state", json!("available"), &by);
    for key in
        ["transit_gateway_default_route_table_association", "transit_gateway_default_route_table_propagation"]
    {
        if resource.text(key).as_deref() == Some("false") {
            mapping.estate.set(kind, &resource.name, key, json!(false), &by);
        }
    }
    part_of(mapping, kind, &resource.name);
}

pub(super) fn route_table(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["default_association_route_table", "default_propagation_route_table"]);
    needed(&mut mapping, resource, "transit_gateway_id", "transit_gateway", "transit_gateways");
    end(mapping, "transit_gateway_route_tables", resource);
}

/// The kind of what a reference to an attachment means.
fn attachment_kind(named: &Named) -> &'static str {
    match named.of_type.as_str() {
        "aws_vpn_connection" | "aws_ec2_transit_gateway_vpn_attachment" => "vpn_connections",
        "aws_dx_gateway_association" => "dx_gateway_associations",
        "aws_ec2_transit_gateway_peering_attachment"
        | "aws_ec2_transit_gateway_peering_attachment_accepter" => "transit_gateway_peering_attachments",
        "aws_ec2_transit_gateway_connect" => "transit_gateway_connects",
        _ => "transit_gateway_vpc_attachments",
    }
}

/// The name of the attachment that a resource is about.
fn attachment(mapping: &mut Mapping<'_>) -> Given<String> {
    let by = mapping.by.clone();
    match mapping.properties.take("transit_gateway_attachment_id").filter(|value| !value.is_empty()) {
        None => Given::Absent,
        Some(Val::Unknown(unknown)) => Given::Unknown(unknown.clone()),
        Some(Val::Name(named)) => {
            mapping.estate.refer(attachment_kind(named), &named.name, &by);
            Given::Known(named.name.clone())
        }
        Some(other) => {
            let id = other.text().unwrap_or_default();
            mapping.estate.refer("transit_gateway_vpc_attachments", &id, &by);
            Given::Known(id)
        }
    }
}

/// A static route, or the routes of a prefix list.
pub(super) fn route(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["prefix_list_owner_id"]);
    let by = mapping.by.clone();
    let Given::Known(table) =
        mapping.name_of("transit_gateway_route_table_id", "transit_gateway_route_tables")
    else {
        return lost(
            mapping,
            "transit_gateway_route_table_id",
            "transit_gateway_route_tables",
            &["aws_ec2_transit_gateway_route_table"],
            facts,
        );
    };
    let mut route = Map::new();
    if let Given::Known(block) = mapping.properties.text("destination_cidr_block") {
        route.insert("destination_cidr_block".to_owned(), json!(block));
    }
    if let Given::Known(list) = mapping.name_of("prefix_list_id", "managed_prefix_lists") {
        route.insert("prefix_list".to_owned(), json!(list));
    }
    let blackhole = mapping.properties.boolean("blackhole") == Given::Known(true);
    let attachment = attachment(&mut mapping);
    if blackhole {
        route.insert("blackhole".to_owned(), json!(true));
    } else if let Given::Known(attachment) = attachment {
        route.insert("attachment".to_owned(), json!(attachment));
    }
    if route.len() == 2 {
        mapping.estate.push("transit_gateway_route_tables", &table, "routes", Value::Object(route), &by);
    } else {
        let why = format!("{}: where the route leads from or to is not known", resource.address);
        mapping.note(NoteKind::Unknown, why.clone());
        mapping.unknown_of("transit_gateway_route_tables", &table, &why);
    }
    part_of(mapping, "transit_gateway_route_tables", &table);
}

/// An association or a propagation.
pub(super) fn member(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["resource_id", "resource_type", "replace_existing_association"]);
    let by = mapping.by.clone();
    let list = match resource.of_type.as_str() {
        "aws_ec2_transit_gateway_route_table_association" => "associations",
        _ => "propagations",
    };
    let table = mapping.name_of("transit_gateway_route_table_id", "transit_gateway_route_tables");
    match (table, attachment(&mut mapping)) {
        (Given::Known(table), Given::Known(attachment)) => {
            mapping.estate.push("transit_gateway_route_tables", &table, list, json!(attachment), &by);
            part_of(mapping, "transit_gateway_route_tables", &table);
        }
        (Given::Known(table), _) => {
            let why = format!("{}: which attachment it is about is not known", resource.address);
            mapping.note(NoteKind::Unknown, why.clone());
            mapping.unknown_of("transit_gateway_route_tables", &table, &why);
            part_of(mapping, "transit_gateway_route_tables", &table);
        }
        _ => lost(
            mapping,
            "transit_gateway_route_table_id",
            "transit_gateway_route_tables",
            &["aws_ec2_transit_gateway_route_table"],
            facts,
        ),
    }
}

/// Makes another table the default one: which attachments join it depends on when they were made.
pub(super) fn default_table(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silence();
    match mapping.name_of("transit_gateway_id", "transit_gateways") {
        Given::Known(gateway) => {
            let why = format!("{} makes another table the default one", resource.address);
            mapping.note(NoteKind::Unknown, why.clone());
            mapping.unknown_of("transit_gateways", &gateway, &why);
            part_of(mapping, "transit_gateways", &gateway);
        }
        _ => lost(mapping, "transit_gateway_id", "transit_gateways", &["aws_ec2_transit_gateway"], facts),
    }
}
