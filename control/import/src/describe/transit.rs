//! Transit gateways of a dump, their attachments and route tables.
//!
//! The default route table has an id like the others here: the gateway's own switches are off, and every association and
//! propagation is written as it is listed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::describe::facts::{Facts, gone as gone_state, home};
use crate::describe::gather::{Item, account};
use crate::describe::{begin, end, gone, state_of};
use crate::estate::{Address, Estate};
use crate::report::{Fate, NoteKind};
use crate::val::Val;

/// Where attachments are listed, the calls that say most first.
const LISTS: [&str; 4] = [
    "TransitGatewayVpcAttachments",
    "TransitGatewayPeeringAttachments",
    "TransitGatewayConnects",
    "TransitGatewayAttachments",
];

/// What is listed of a route table.
const PARTS: [&str; 6] = [
    "Associations",
    "TransitGatewayRouteTableAssociations",
    "TransitGatewayPropagations",
    "TransitGatewayRouteTablePropagations",
    "TransitGatewayStaticRoutes",
    "Routes",
];

/// What is known of the route tables of transit gateways.
#[derive(Debug, Default)]
struct Tables {
    /// The attachments by table, as the dump names them.
    associations: BTreeMap<String, BTreeSet<String>>,
    propagations: BTreeMap<String, BTreeSet<String>>,
    routes: BTreeMap<String, Vec<Val>>,
    /// The tables whose routes were listed.
    listed: BTreeSet<String>,
}

pub(super) fn read(facts: &Facts, estate: &mut Estate) {
    let tables = Tables::new(facts);
    facts
        .dump
        .all("TransitGateways")
        .for_each(|(id, item)| transit_gateway(facts, &tables, id, item, estate));
    let mut seen = BTreeSet::new();
    for list in LISTS {
        for (id, item) in facts.dump.all(list) {
            if seen.insert(id.clone()) {
                attachment(facts, list, id, item, estate);
            }
        }
    }
    for (id, item) in facts.dump.all("TransitGatewayRouteTables") {
        route_table(facts, &tables, id, item, estate);
    }
}

impl Tables {
    fn new(facts: &Facts) -> Self {
        let mut tables = Self::default();
        let text = |item: &Item, key: &str| item.body.get(key).and_then(Val::text);
        let table = |item: &Item| text(item, "TransitGatewayRouteTableId");
        for (id, association) in facts.dump.associations() {
            let live = !state_of(Some(association)).is_some_and(|state| state.starts_with("disassociat"));
            if let (Some(table), true) = (association.text_of("TransitGatewayRouteTableId"), live) {
                tables.associations.entry(table).or_default().insert(id.clone());
            }
        }
        let state = |item: &Item| state_of(item.body.get("State")).unwrap_or_default();
        for list in ["TransitGatewayRouteTableAssociations", "Associations"] {
            let live = |(_, item): &(&String, &Item)| !state(item).starts_with("disassociat");
            for (_, item) in facts.dump.all(list).filter(live) {
                if let (Some(table), Some(id)) = (table(item), text(item, "TransitGatewayAttachmentId")) {
                    tables.associations.entry(table).or_default().insert(id);
                }
            }
        }
        for (_, item) in facts.dump.all("TransitGatewayPropagations") {
            let Some(table) = table(item) else { continue };
            let all = tables.propagations.entry(table).or_default();
            for one in item.body.get("TransitGatewayRouteTablePropagations").map_or(&[][..], Val::items) {
                let live = one.text_of("State").is_none_or(|state| state == "enabled");
                all.extend(one.text_of("TransitGatewayAttachmentId").filter(|_| live));
            }
        }
        let live = |(_, item): &(&String, &Item)| !state(item).starts_with("disabl");
        for (_, item) in facts.dump.all("TransitGatewayRouteTablePropagations").filter(live) {
            if let (Some(table), Some(id)) = (table(item), text(item, "TransitGatewayAttachmentId")) {
                tables.propagations.entry(table).or_default().insert(id);
            }
        }
        for (_, item) in facts.dump.all("TransitGatewayStaticRoutes") {
            if let Some(table) = table(item) {
                let routes = item.body.get("Routes").map_or(&[][..], Val::items);
                tables.listed.insert(table.clone());
                tables.routes.entry(table).or_default().extend(routes.iter().cloned());
            }
        }
        for (_, item) in facts.dump.all("Routes") {
            if let Some(table) = table(item) {
                tables.listed.insert(table.clone());
                tables.routes.entry(table).or_default().push(Val::Map(item.body.clone()));
            }
        }
        // What a table has learnt tells who propagates to it.
        for (table, routes) in &tables.routes {
            for route in routes.iter().filter(|route| route.text_of("Type").as_deref() == Some("propagated"))
            {
                let ids = attachments_of(route);
                tables.propagations.entry(table.clone()).or_default().extend(ids);
            }
        }
        tables
    }
}

fn attachments_of(route: &Val) -> Vec<String> {
    let all = route.items_of("TransitGatewayAttachments").iter();
    all.filter_map(|one| one.text_of("TransitGatewayAttachmentId")).collect()
}

/// What tables of transit gateways have learnt from a VPN connection; nothing where no routes are listed.
pub(super) fn learnt(facts: &Facts, connection: &str) -> Option<BTreeSet<String>> {
    let tables = Tables::new(facts);
    if tables.listed.is_empty() {
        return None;
    }
    let of = |route: &&Val| {
        route.text_of("Type").as_deref() == Some("propagated")
            && route
                .items_of("TransitGatewayAttachments")
                .iter()
                .any(|one| one.text_of("ResourceId").as_deref() == Some(connection))
    };
    let routes: Vec<&Val> = tables.routes.values().flatten().collect();
    let propagated = routes.iter().any(|route| route.text_of("Type").as_deref() == Some("propagated"));
    propagated.then(|| {
        let own = routes.into_iter().filter(of);
        own.filter_map(|route| route.text_of("DestinationCidrBlock")).collect()
    })
}

/// Whether a transit gateway joins the two VPCs, and lets rules of one name groups of the other.
pub(super) fn refers_to_groups(facts: &Facts, here: &str, there: &str) -> bool {
    let option = |item: &Item, default: bool| {
        let word =
            item.body.get("Options").and_then(|options| options.text_of("SecurityGroupReferencingSupport"));
        word.map_or(default, |word| word == "enable")
    };
    let of = |vpc: &str| -> BTreeSet<String> {
        facts
            .dump
            .all("TransitGatewayVpcAttachments")
            .filter(|(_, item)| {
                item.body.get("VpcId").and_then(Val::text).as_deref() == Some(vpc) && option(item, true)
            })
            .filter_map(|(_, item)| item.body.get("TransitGatewayId").and_then(Val::text))
            .collect()
    };
    of(here)
        .intersection(&of(there))
        .any(|gateway| facts.dump.get("TransitGateways", gateway).is_some_and(|item| option(item, false)))
}

fn transit_gateway(facts: &Facts, tables: &Tables, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "transit-gateway", id, estate);
    if let Some(state) = gone_state(item) {
        return gone(mapping, &format!("it is {state}"));
    }
    mapping.properties.silent(&[
        "TransitGatewayId",
        "TransitGatewayArn",
        "State",
        "OwnerId",
        "Description",
        "CreationTime",
        "Options",
    ]);
    let home = home(item);
    mapping.write("region", home.region);
    mapping.write("owner", home.account);
    mapping.write("default_route_table_association", "disable");
    mapping.write("default_route_table_propagation", "disable");
    let options = item.body.get("Options");
    for (theirs, ours) in [
        ("AmazonSideAsn", "amazon_side_asn"),
        ("AutoAcceptSharedAttachments", "auto_accept_shared_attachments"),
        ("VpnEcmpSupport", "vpn_ecmp_support"),
        ("DnsSupport", "dns_support"),
        ("SecurityGroupReferencingSupport", "security_group_referencing_support"),
        ("MulticastSupport", "multicast_support"),
    ] {
        let word = options.and_then(|options| options.text_of(theirs));
        let value = word.map(|word| word.parse::<u64>().map_or_else(|_| json!(word), |number| json!(number)));
        mapping.attributes.extend(value.map(|value| (ours.to_owned(), value)));
    }
    let blocks: Vec<String> = options
        .map_or(&[][..], |options| options.items_of("TransitGatewayCidrBlocks"))
        .iter()
        .filter_map(Val::text)
        .collect();
    if !blocks.is_empty() {
        mapping.write("transit_gateway_cidr_blocks", blocks);
    }
    let of_gateway = |list: &'static str| {
        facts
            .dump
            .all(list)
            .filter(|(_, item)| item.body.get("TransitGatewayId").and_then(Val::text).as_deref() == Some(id))
    };
    let has_attachments = LISTS.into_iter().any(|list| of_gateway(list).next().is_some());
    let own: Vec<&String> = of_gateway("TransitGatewayRouteTables").map(|(id, _)| id).collect();
    let missing = [
        (own.is_empty(), "describe-transit-gateway-route-tables"),
        (
            !own.iter().any(|table| tables.associations.contains_key(*table)),
            "describe-transit-gateway-attachments",
        ),
        (
            !own.iter().any(|table| tables.propagations.contains_key(*table)),
            "get-transit-gateway-route-table-propagations",
        ),
        (!own.iter().any(|table| tables.listed.contains(*table)), "search-transit-gateway-routes"),
    ];
    if let Some((_, call)) = missing.into_iter().find(|(missing, _)| *missing && has_attachments) {
        mapping.doubt(format!("its routes are not in the dump: add `aws ec2 {call}`"));
    }
    end(mapping, "transit_gateways", id, item, facts);
}

fn attachment(facts: &Facts, list: &'static str, id: &str, item: &Item, estate: &mut Estate) {
    let text = |key: &str| item.body.get(key).and_then(Val::text).filter(|text| !text.is_empty());
    let mut mapping = begin(item, "transit-gateway-attachment", id, estate);
    let state = match text("State").unwrap_or_default().as_str() {
        "deleted" | "deleting" => return gone(mapping, "it is deleted"),
        "pendingAcceptance" | "initiating" | "initiatingRequest" => "pendingAcceptance",
        "rejected" | "rejecting" => "rejected",
        "failed" | "failing" => "failed",
        _ => "available",
    };
    mapping.properties.silent(&[
        "TransitGatewayAttachmentId",
        "State",
        "CreationTime",
        "Association",
        "VpcOwnerId",
        "ResourceOwnerId",
        "ResourceId",
        "ResourceType",
        "TransitGatewayOwnerId",
        "Options",
        "Status",
    ]);
    let of_type = match list {
        "TransitGatewayVpcAttachments" => "vpc".to_owned(),
        "TransitGatewayPeeringAttachments" => "peering".to_owned(),
        "TransitGatewayConnects" => "connect".to_owned(),
        _ => text("ResourceType").unwrap_or_default(),
    };
    match of_type.as_str() {
        "vpc" => {
            mapping.reference("TransitGatewayId", "transit_gateway", "transit_gateways");
            let vpc = text("VpcId").or_else(|| text("ResourceId")).unwrap_or_default();
            mapping.properties.silent(&["VpcId"]);
            let value = mapping.estate.refer("vpcs", &vpc, &item.by);
            mapping.write("vpc", value);
            mapping.references("SubnetIds", "subnets", "subnets");
            if !mapping.attributes.contains_key("subnets") {
                let subnets = one_in_each_zone(facts, &vpc);
                mapping.doubt(
                    "its subnets are not in the dump: add `aws ec2 describe-transit-gateway-vpc-attachments`",
                );
                let subnets = if subnets.is_empty() {
                    // Those of a VPC of which nothing else is in the dump, either.
                    let name = format!("{id}.subnets");
                    let known = Map::from_iter([("vpc".to_owned(), json!(vpc))]);
                    mapping.estate.hint("subnets", &name, known);
                    mapping.estate.refer("subnets", &name, &item.by);
                    vec![name]
                } else {
                    subnets
                };
                mapping.write("subnets", subnets);
            }
            for (theirs, ours) in [
                ("ApplianceModeSupport", "appliance_mode_support"),
                ("Ipv6Support", "ipv6_support"),
                ("DnsSupport", "dns_support"),
                ("SecurityGroupReferencingSupport", "security_group_referencing_support"),
            ] {
                let word = item.body.get("Options").and_then(|options| options.text_of(theirs));
                mapping.attributes.extend(word.map(|word| (ours.to_owned(), json!(word))));
            }
            mapping.write("state", state);
            end(mapping, "transit_gateway_vpc_attachments", id, item, facts);
        }
        "peering" | "tgw-peering" => {
            let (near, far) = (item.body.get("RequesterTgwInfo"), item.body.get("AccepterTgwInfo"));
            mapping.properties.silent(&[
                "RequesterTgwInfo",
                "AccepterTgwInfo",
                "AccepterTransitGatewayAttachmentId",
                "TransitGatewayId",
            ]);
            let gateway =
                near.and_then(|end| end.text_of("TransitGatewayId")).or_else(|| text("TransitGatewayId"));
            let peer = far.and_then(|end| end.text_of("TransitGatewayId")).or_else(|| text("ResourceId"));
            for (key, name, info) in [("transit_gateway", gateway, near), ("peer_transit_gateway", peer, far)]
            {
                let name = name.unwrap_or_default();
                far_gateway(mapping.estate, &name, info, item);
                let value = mapping.estate.refer("transit_gateways", &name, &item.by);
                mapping.write(key, value);
            }
            mapping.write("state", state);
            end(mapping, "transit_gateway_peering_attachments", id, item, facts);
        }
        "vpn" | "direct-connect-gateway" => {
            mapping.properties.silence();
            match name_of(facts, id) {
                Some(name) => {
                    let kind = if of_type == "vpn" { "vpn_connections" } else { "dx_gateway_associations" };
                    mapping.estate.refer(kind, &name, &item.by);
                    mapping.became_part_of(kind, &name);
                    mapping.finish(Fate::Understood);
                }
                None => {
                    mapping.note(NoteKind::Omitted, "what it leads to is not in the dump");
                    mapping.finish(Fate::LeftOut);
                }
            }
        }
        "connect" => {
            mapping.properties.silence();
            mapping.reference("TransitGatewayId", "transit_gateway", "transit_gateways");
            end(mapping, "transit_gateway_connects", id, item, facts);
        }
        other => {
            mapping.properties.silence();
            mapping.note(NoteKind::Omitted, format!("attachments of the type {other} are not understood"));
            mapping.finish(Fate::LeftOut);
        }
    }
}

fn one_in_each_zone(facts: &Facts, vpc: &str) -> Vec<String> {
    let mut zones: BTreeMap<String, String> = BTreeMap::new();
    for (id, item) in facts.dump.all("Subnets") {
        let text = |key: &str| item.body.get(key).and_then(Val::text);
        if text("VpcId").as_deref() == Some(vpc) {
            zones.entry(text("AvailabilityZone").unwrap_or_default()).or_insert_with(|| id.clone());
        }
    }
    zones.into_values().collect()
}

/// What a peering attachment knows of a transit gateway, should no source hold it.
fn far_gateway(estate: &mut Estate, name: &str, info: Option<&Val>, item: &Item) {
    let text = |key: &str| info.and_then(|info| info.text_of(key));
    let mut known = Map::new();
    known.insert("region".to_owned(), json!(text("Region").unwrap_or_else(|| item.region.clone())));
    let owner = text("OwnerId").and_then(|owner| account(&owner));
    known.insert("owner".to_owned(), json!(owner.unwrap_or_else(|| item.account.clone())));
    estate.hint("transit_gateways", name, known);
}

/// What the document calls an attachment: a VPN connection or a Direct Connect gateway's association is one itself.
fn name_of(facts: &Facts, id: &str) -> Option<String> {
    let item = LISTS.into_iter().find_map(|list| facts.dump.get(list, id));
    let text = |key: &str| item.and_then(|item| item.body.get(key)).and_then(Val::text);
    match text("ResourceType").as_deref() {
        Some("vpn") => text("ResourceId"),
        Some("direct-connect-gateway") => {
            let (gateway, transit) = (text("ResourceId"), text("TransitGatewayId"));
            let is_it = |(_, item): &(&String, &Item)| {
                let text = |key: &str| item.body.get(key).and_then(Val::text);
                text("DirectConnectGatewayId") == gateway
                    && item.body.get("AssociatedGateway").and_then(|end| end.text_of("Id")) == transit
            };
            facts.dump.all("DirectConnectGatewayAssociations").find(is_it).map(|(id, _)| id.clone())
        }
        _ => Some(id.to_owned()),
    }
}

fn route_table(facts: &Facts, tables: &Tables, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "transit-gateway-route-table", id, estate);
    if let Some(state) = gone_state(item) {
        return gone(mapping, &format!("it is {state}"));
    }
    mapping.properties.silent(&[
        "TransitGatewayRouteTableId",
        "State",
        "CreationTime",
        "DefaultAssociationRouteTable",
        "DefaultPropagationRouteTable",
    ]);
    mapping.reference("TransitGatewayId", "transit_gateway", "transit_gateways");
    if facts.dump.is_partial_about(&PARTS, id) {
        mapping.doubt("AWS had more of its associations, propagations or routes than the dump has");
    }
    let by = item.by.clone();
    let names = |all: Option<&BTreeSet<String>>, estate: &mut Estate| -> Vec<String> {
        let ids = all.into_iter().flatten();
        ids.filter(|id| live(facts, id)).filter_map(|id| attachment_name(facts, id, estate, &by)).collect()
    };
    let associations = names(tables.associations.get(id), mapping.estate);
    let propagations = names(tables.propagations.get(id), mapping.estate);
    mapping.write("associations", associations);
    // What peering attachments lead to is routed by static routes only.
    let is_peering = |name: &String| facts.dump.get("TransitGatewayPeeringAttachments", name).is_some();
    mapping
        .write("propagations", propagations.into_iter().filter(|name| !is_peering(name)).collect::<Vec<_>>());
    let mut routes = Vec::new();
    for route in tables.routes.get(id).into_iter().flatten() {
        if route.text_of("Type").as_deref() == Some("propagated") {
            continue;
        }
        let destination = match (route.text_of("DestinationCidrBlock"), route.text_of("PrefixListId")) {
            // Those of a list are shown one by one, and as the list.
            (_, Some(list)) => {
                let list = facts.prefix_list(&list);
                mapping.estate.refer("managed_prefix_lists", &list, &by);
                ("prefix_list", list)
            }
            (Some(block), None) => ("destination_cidr_block", block),
            (None, None) => continue,
        };
        let mut written = Map::from_iter([(destination.0.to_owned(), json!(destination.1))]);
        let attached: Vec<String> = attachments_of(route).into_iter().filter(|id| live(facts, id)).collect();
        let name = attached.first().and_then(|id| attachment_name(facts, id, mapping.estate, &by));
        match name.filter(|_| route.text_of("State").as_deref() != Some("blackhole")) {
            Some(name) => written.insert("attachment".to_owned(), json!(name)),
            None => written.insert("blackhole".to_owned(), json!(true)),
        };
        let written = Value::Object(written);
        if !routes.contains(&written) {
            routes.push(written);
        }
    }
    mapping.write("routes", routes);
    end(mapping, "transit_gateway_route_tables", id, item, facts);
}

fn live(facts: &Facts, id: &str) -> bool {
    let item = LISTS.into_iter().find_map(|list| facts.dump.get(list, id));
    item.is_none_or(|item| !matches!(gone_state(item).as_deref(), Some("deleted" | "deleting")))
}

/// The name of an attachment that the document has, or that is wanted.
fn attachment_name(facts: &Facts, id: &str, estate: &mut Estate, by: &Address) -> Option<String> {
    let name = name_of(facts, id)?;
    let kind = match name.split_once('-').map(|(prefix, _)| prefix) {
        Some("vpn") => "vpn_connections",
        _ if facts.dump.get("TransitGatewayPeeringAttachments", id).is_some() => {
            "transit_gateway_peering_attachments"
        }
        _ if name != id => "dx_gateway_associations",
        _ => {
            let item = facts.dump.get("TransitGatewayAttachments", id);
            let of_type = item.and_then(|item| item.body.get("ResourceType")).and_then(Val::text);
            match of_type.as_deref() {
                Some("peering" | "tgw-peering") => "transit_gateway_peering_attachments",
                Some("connect") => "transit_gateway_connects",
                _ => "transit_gateway_vpc_attachments",
            }
        }
    };
    estate.refer(kind, &name, by);
    Some(name)
}
