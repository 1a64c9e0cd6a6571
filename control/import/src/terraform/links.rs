//! Virtual private gateways, VPN connections and Direct Connect of Terraform.

use serde_json::json;

use crate::estate::Estate;
use crate::mapping::Mapping;
use crate::properties::Given;
use crate::report::NoteKind;
use crate::terraform::references::Resource;
use crate::terraform::{Facts, begin, end, home, lost, needed, part_of, required};
use crate::val::Val;

pub(super) fn vpn_gateway(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["availability_zone"]);
    if resource.values.get("vpc_id").is_some_and(|vpc| !vpc.is_empty()) {
        required(&mut mapping, resource, "vpc_id", "vpc", "vpcs");
    }
    asn(&mut mapping, "amazon_side_asn", "amazon_side_asn");
    home(&mut mapping, resource);
    end(mapping, "vpn_gateways", resource);
}

fn asn(mapping: &mut Mapping<'_>, theirs: &str, ours: &str) {
    if let Given::Known(number @ 1..) = mapping.properties.number(theirs) {
        mapping.write(ours, number);
    }
}

pub(super) fn vpn_gateway_attachment(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let by = mapping.by.clone();
    match (mapping.name_of("vpn_gateway_id", "vpn_gateways"), mapping.name_of("vpc_id", "vpcs")) {
        (Given::Known(gateway), Given::Known(vpc)) => {
            mapping.estate.set("vpn_gateways", &gateway, "vpc", json!(vpc), &by);
            part_of(mapping, "vpn_gateways", &gateway);
        }
        _ => lost(mapping, "vpn_gateway_id", "vpn_gateways", &["aws_vpn_gateway"], facts),
    }
}

pub(super) fn route_propagation(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let by = mapping.by.clone();
    match (
        mapping.name_of("vpn_gateway_id", "vpn_gateways"),
        mapping.name_of("route_table_id", "route_tables"),
    ) {
        (Given::Known(gateway), Given::Known(table)) => {
            let is_listed = facts.all.named(&table).is_some_and(|table| {
                let all = table.values.get("propagating_vgws").map_or(&[][..], Val::items);
                all.iter().any(|one| one.text().as_ref() == Some(&gateway))
            });
            if !is_listed {
                mapping.estate.push("route_tables", &table, "propagating_vgws", json!(gateway), &by);
            }
            part_of(mapping, "route_tables", &table);
        }
        (_, Given::Known(table)) => {
            mapping.unknown_of("route_tables", &table, "a gateway whose routes it takes is not known");
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

pub(super) fn customer_gateway(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["type", "device_name", "certificate_arn", "bgp_asn_extended"]);
    asn(&mut mapping, "bgp_asn", "bgp_asn");
    if let Given::Known(address) = mapping.properties.text("ip_address")
        && !address.is_empty()
    {
        if is_private(&address) {
            mapping.note(
                NoteKind::Approximated,
                format!("ip_address {address}: the connection over it is not modelled"),
            );
        } else {
            mapping.write("ip_address", address);
        }
    }
    home(&mut mapping, resource);
    end(mapping, "customer_gateways", resource);
}

pub(super) fn vpn_connection(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    needed(&mut mapping, resource, "customer_gateway_id", "customer_gateway", "customer_gateways");
    for (theirs, ours, kind) in [
        ("vpn_gateway_id", "vpn_gateway", "vpn_gateways"),
        ("transit_gateway_id", "transit_gateway", "transit_gateways"),
    ] {
        if resource.values.get(theirs).is_some_and(|gateway| !gateway.is_empty()) {
            required(&mut mapping, resource, theirs, ours, kind);
        }
    }
    let other = mapping.attributes.get("customer_gateway").and_then(|name| facts.all.named(name.as_str()?));
    if let Some(address) =
        other.and_then(|gateway| gateway.text("ip_address")).filter(|address| is_private(address))
    {
        mapping.doubt(format!("VPN to the private address {address} is not modelled"));
    }
    mapping.boolean("static_routes_only", "static_routes_only");
    for key in ["tunnel1_inside_cidr", "tunnel2_inside_cidr"] {
        if let Given::Known(block) = mapping.properties.text(key)
            && !block.is_empty()
        {
            mapping.write(key, block);
        }
    }
    // What else is said is about the tunnels' keys, and what AWS shows of them.
    mapping.properties.silence();
    end(mapping, "vpn_connections", resource);
}

pub(super) fn vpn_connection_route(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let by = mapping.by.clone();
    match (
        mapping.name_of("vpn_connection_id", "vpn_connections"),
        mapping.properties.text("destination_cidr_block"),
    ) {
        (Given::Known(connection), Given::Known(block)) => {
            mapping.estate.push("vpn_connections", &connection, "routes", json!(block), &by);
            part_of(mapping, "vpn_connections", &connection);
        }
        (Given::Known(connection), _) => {
            mapping.unknown_of("vpn_connections", &connection, "the destination of a route is not known");
            part_of(mapping, "vpn_connections", &connection);
        }
        _ => lost(mapping, "vpn_connection_id", "vpn_connections", &["aws_vpn_connection"], facts),
    }
}

pub(super) fn dx_gateway(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["name", "owner_account_id"]);
    asn(&mut mapping, "amazon_side_asn", "amazon_side_asn");
    mapping.write("owner", resource.account.as_str());
    end(mapping, "dx_gateways", resource);
}

pub(super) fn dx_gateway_association(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&[
        "associated_gateway_owner_account_id",
        "associated_gateway_type",
        "dx_gateway_association_id",
        "dx_gateway_owner_account_id",
        "proposal_id",
        "transit_gateway_attachment_id",
        "vpn_gateway_id",
    ]);
    needed(&mut mapping, resource, "dx_gateway_id", "dx_gateway", "dx_gateways");
    let gateway = resource.values.get("associated_gateway_id").filter(|gateway| !gateway.is_empty());
    let of_transit = match gateway {
        Some(Val::Name(named)) => named.of_type == "aws_ec2_transit_gateway",
        Some(other) => other.text().is_some_and(|id| id.starts_with("tgw-")),
        None => false,
    };
    let (ours, kind) =
        if of_transit { ("transit_gateway", "transit_gateways") } else { ("vpn_gateway", "vpn_gateways") };
    required(&mut mapping, resource, "associated_gateway_id", ours, kind);
    mapping.texts("allowed_prefixes", "allowed_prefixes");
    end(mapping, "dx_gateway_associations", resource);
}

pub(super) fn virtual_interface(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&[
        "address_family",
        "amazon_address",
        "amazon_side_asn",
        "aws_device",
        "bgp_auth_key",
        "connection_id",
        "customer_address",
        "jumbo_frame_capable",
        "name",
        "sitelink_enabled",
        "vlan",
    ]);
    asn(&mut mapping, "bgp_asn", "bgp_asn");
    mapping.number("mtu", "mtu");
    for (theirs, ours, kind) in
        [("vpn_gateway_id", "vpn_gateway", "vpn_gateways"), ("dx_gateway_id", "dx_gateway", "dx_gateways")]
    {
        if resource.values.get(theirs).is_some_and(|gateway| !gateway.is_empty()) {
            required(&mut mapping, resource, theirs, ours, kind);
        }
    }
    let kind = match resource.of_type.as_str() {
        "aws_dx_transit_virtual_interface" => "dx_transit_virtual_interfaces",
        _ => "dx_private_virtual_interfaces",
    };
    end(mapping, kind, resource);
}

/// Whether an address is one that the model knows no VPN to.
fn is_private(address: &str) -> bool {
    address.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_private())
}
