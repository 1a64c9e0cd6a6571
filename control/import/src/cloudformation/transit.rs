//! How do transit gateways become a topology's?

use std::collections::BTreeSet;

use serde_json::{Map, json};

use super::resource::Resource;
use super::token::Token;
use super::vpc::owner;
use crate::mapping::Mapping;
use crate::properties::Given;
use crate::report::{Fate, NoteKind};

pub(super) fn gateway(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.properties.silent(&["EncryptionSupport"]);
    for table in ["AssociationDefaultRouteTableId", "PropagationDefaultRouteTableId"] {
        if m.properties.take(table).is_some_and(|table| !table.is_empty()) {
            // Which attachments join it depends on when they were made.
            m.doubt(format!("{table} makes another table the default one"));
        }
    }
    m.number("AmazonSideAsn", "amazon_side_asn");
    for (theirs, ours) in [
        ("AutoAcceptSharedAttachments", "auto_accept_shared_attachments"),
        ("DefaultRouteTableAssociation", "default_route_table_association"),
        ("DefaultRouteTablePropagation", "default_route_table_propagation"),
        ("DnsSupport", "dns_support"),
        ("MulticastSupport", "multicast_support"),
        ("SecurityGroupReferencingSupport", "security_group_referencing_support"),
        ("VpnEcmpSupport", "vpn_ecmp_support"),
        ("Description", "description"),
    ] {
        m.text(theirs, ours);
    }
    m.texts("TransitGatewayCidrBlocks", "transit_gateway_cidr_blocks");
    r.home();
    r.tags();
    r.mapping.put("transit_gateways");
    r.finish()
}

/// `TransitGatewayAttachment` and `TransitGatewayVpcAttachment`.
pub(super) fn vpc_attachment(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.reference("TransitGatewayId", "transit_gateway", "transit_gateways");
    m.reference("VpcId", "vpc", "vpcs");
    attached_subnets(m);
    match m.properties.map("Options") {
        Given::Known(mut options) => {
            for (theirs, ours) in [
                ("ApplianceModeSupport", "appliance_mode_support"),
                ("DnsSupport", "dns_support"),
                ("Ipv6Support", "ipv6_support"),
                ("SecurityGroupReferencingSupport", "security_group_referencing_support"),
            ] {
                let given = options.text(theirs);
                m.copy(theirs, ours, given);
            }
            m.properties.finish_inner(options);
        }
        Given::Absent => {}
        Given::Unknown(unknown) => m.matters("Options", &unknown),
    }
    r.tags();
    r.mapping.put("transit_gateway_vpc_attachments");
    r.finish()
}

/// `SubnetIds` with those of `AddSubnetIds` and without those of `RemoveSubnetIds`, which change it later.
fn attached_subnets(m: &mut Mapping<'_>) {
    let mut subnets = Vec::new();
    for (key, adds) in [("SubnetIds", true), ("AddSubnetIds", true), ("RemoveSubnetIds", false)] {
        match m.names_of(key, "subnets", if key == "SubnetIds" { 2 } else { 1 }) {
            Given::Known(names) if adds => subnets.extend(names),
            Given::Known(names) => subnets.retain(|subnet| !names.contains(subnet)),
            Given::Absent => {}
            Given::Unknown(unknown) => m.matters(key, &unknown),
        }
    }
    let mut seen = BTreeSet::new();
    subnets.retain(|subnet| seen.insert(subnet.clone()));
    if !subnets.is_empty() {
        m.write("subnets", subnets);
    }
}

pub(super) fn peering_attachment(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.properties.silent(&["Options"]);
    m.reference("TransitGatewayId", "transit_gateway", "transit_gateways");
    m.reference("PeerTransitGatewayId", "peer_transit_gateway", "transit_gateways");
    m.properties.silent(&["PeerRegion", "PeerAccountId"]);
    m.note(NoteKind::Approximated, "the other side has to accept it: it is pending");
    r.tags();
    r.mapping.put("transit_gateway_peering_attachments");
    r.finish()
}

pub(super) fn route_table(mut r: Resource<'_>) -> Result<(), String> {
    r.mapping.reference("TransitGatewayId", "transit_gateway", "transit_gateways");
    r.tags();
    r.mapping.put("transit_gateway_route_tables");
    r.finish()
}

/// The kind of the attachment that an attribute names.
fn kind_of_attachment(r: &Resource<'_>) -> &'static str {
    match r.token("TransitGatewayAttachmentId") {
        Some(Token::Resource { of_type, .. }) if of_type == "AWS::EC2::TransitGatewayPeeringAttachment" => {
            "transit_gateway_peering_attachments"
        }
        Some(Token::Resource { of_type, .. }) if of_type == "AWS::EC2::VPNConnection" => "vpn_connections",
        Some(Token::Resource { of_type, .. }) if of_type == "AWS::EC2::TransitGatewayConnect" => {
            "transit_gateway_connects"
        }
        _ => "transit_gateway_vpc_attachments",
    }
}

/// `TransitGatewayRouteTableAssociation` and `…Propagation`.
pub(super) fn membership(mut r: Resource<'_>, list: &'static str) -> Result<(), String> {
    let table = owner(&mut r, "TransitGatewayRouteTableId", "transit_gateway_route_tables")?;
    let kind = kind_of_attachment(&r);
    let attachment = owner(&mut r, "TransitGatewayAttachmentId", kind)?;
    let m = &mut r.mapping;
    if kind == "transit_gateway_connects" {
        let why = format!("{attachment} is in it, and what is behind it is not modelled");
        m.note(NoteKind::Unknown, why.clone());
        m.estate.doubt("transit_gateway_route_tables", &table, why, &m.by);
    } else {
        m.estate.push("transit_gateway_route_tables", &table, list, json!(attachment), &m.by);
    }
    m.became_part_of("transit_gateway_route_tables", &table);
    r.finish()
}

pub(super) fn route(mut r: Resource<'_>) -> Result<(), String> {
    let table = owner(&mut r, "TransitGatewayRouteTableId", "transit_gateway_route_tables")?;
    let kind = kind_of_attachment(&r);
    let m = &mut r.mapping;
    let mut route = Map::new();
    match m.properties.text("DestinationCidrBlock") {
        Given::Known(block) => {
            route.insert("destination_cidr_block".to_owned(), json!(block.trim()));
        }
        Given::Absent => {}
        Given::Unknown(unknown) => m.matters("DestinationCidrBlock", &unknown),
    }
    if m.properties.boolean("Blackhole") == Given::Known(true) {
        route.insert("blackhole".to_owned(), json!(true));
    }
    match m.name_of("TransitGatewayAttachmentId", kind) {
        Given::Known(attachment) => {
            route.insert("attachment".to_owned(), json!(attachment));
        }
        Given::Absent => {}
        Given::Unknown(unknown) => m.matters("TransitGatewayAttachmentId", &unknown),
    }
    let by = m.by.clone();
    if route.len() < 2 || kind == "transit_gateway_connects" {
        let why = format!("its route {} is not known", by.address);
        m.estate.doubt("transit_gateway_route_tables", &table, why, &by);
    } else {
        m.estate.push("transit_gateway_route_tables", &table, "routes", json!(route), &by);
    }
    m.became_part_of("transit_gateway_route_tables", &table);
    r.finish()
}

/// Connect attachments and multicast domains: stored.
pub(super) fn stored(mut r: Resource<'_>, kind: &'static str) -> Result<(), String> {
    let m = &mut r.mapping;
    if let Given::Known(gateway) = m.name_of("TransitGatewayId", "transit_gateways") {
        m.write("transit_gateway", gateway);
    }
    r.tags();
    r.mapping.properties.silence();
    r.mapping.put(kind);
    r.finish_as(Fate::NotModelled)
}
