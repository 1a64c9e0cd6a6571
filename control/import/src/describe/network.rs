//! VPCs, subnets, route tables and prefix lists of a dump.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::describe::facts::Facts;
use crate::describe::gather::Item;
use crate::describe::{begin, end, gone, state_of};
use crate::estate::{Address, Estate};
use crate::mapping::{Mapping, object};
use crate::report::{Fate, NoteKind};
use crate::val::Val;

/// The target of a route whose gateway is gone, which is a black hole as that is.
const NOWHERE: &str = "internet_gateways";

pub(super) fn read(facts: &Facts, estate: &mut Estate) {
    facts.dump.all("Vpcs").for_each(|(id, item)| vpc(facts, id, item, estate));
    facts.dump.all("Subnets").for_each(|(id, item)| subnet(facts, id, item, estate));
    facts.dump.all("RouteTables").for_each(|(id, item)| route_table(facts, id, item, estate));
    unlisted_tables(facts, estate);
    prefix_lists(facts, estate);
}

/// The blocks of an association set that are associated.
fn blocks(body: &BTreeMap<String, Val>, set: &str, block: &str) -> Vec<String> {
    let items = body.get(set).map_or(&[][..], Val::items).iter();
    let associated = items.filter(|item| {
        let state = state_of(item.get(&format!("{block}State")));
        !matches!(state.as_deref(), Some("disassociated" | "disassociating" | "failed" | "failing"))
    });
    associated.filter_map(|item| item.text_of(block)).collect()
}

fn vpc(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "vpc", id, estate);
    mapping.properties.silent(&[
        "VpcId",
        "DhcpOptionsId",
        "InstanceTenancy",
        "IsDefault",
        "State",
        "OwnerId",
        "Region",
        "VpcArn",
        "CidrBlockAssociationSet",
        "Ipv6CidrBlockAssociationSet",
        "EncryptionControl",
        "BlockPublicAccessStates",
        "EnableDnsHostnames",
        "EnableDnsSupport",
    ]);
    mapping.text("CidrBlock", "cidr_block");
    let primary = item.body.get("CidrBlock").and_then(Val::text);
    let mut secondary = blocks(&item.body, "CidrBlockAssociationSet", "CidrBlock");
    secondary.retain(|block| Some(block) != primary.as_ref());
    if !secondary.is_empty() {
        mapping.write("secondary_cidr_blocks", secondary);
    }
    let v6 = blocks(&item.body, "Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock");
    if !v6.is_empty() {
        mapping.write("ipv6_cidr_blocks", v6);
    }
    if let Some(home) = facts.homes.get(id) {
        mapping.write("region", home.region.as_str());
        mapping.write("owner", home.account.as_str());
    }
    end(mapping, "vpcs", id, item, facts);
}

fn subnet(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "subnet", id, estate);
    mapping.properties.silent(&[
        "SubnetId",
        "SubnetArn",
        "State",
        "AvailabilityZoneId",
        "AvailableIpAddressCount",
        "DefaultForAz",
        "OwnerId",
        "PrivateDnsNameOptionsOnLaunch",
        "EnableDns64",
        "EnableLniAtDeviceIndex",
        "MapCustomerOwnedIpOnLaunch",
        "OutpostArn",
        "Ipv6CidrBlockAssociationSet",
        "Type",
        "BlockPublicAccessStates",
        "Region",
    ]);
    mapping.reference("VpcId", "vpc", "vpcs");
    mapping.text("CidrBlock", "cidr_block");
    mapping.text("AvailabilityZone", "availability_zone");
    if let Some(vpc) = item.body.get("VpcId").and_then(Val::text) {
        let home = facts.home(item);
        let known = object(json!({ "region": home.region, "owner": home.account }));
        mapping.estate.hint("vpcs", &vpc, known);
    }
    mapping.boolean("MapPublicIpOnLaunch", "map_public_ip_on_launch");
    let v6 = blocks(&item.body, "Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock");
    if let Some(block) = v6.first() {
        mapping.write("ipv6_cidr_block", block.as_str());
        mapping.boolean("AssignIpv6AddressOnCreation", "assign_ipv6_address_on_creation");
    }
    if v6.len() > 1 {
        let text = format!(
            "Ipv6CidrBlockAssociationSet: a subnet has one IPv6 block; {} are left out",
            v6.len() - 1
        );
        mapping.note(NoteKind::Omitted, text);
    }
    mapping.boolean("Ipv6Native", "ipv6_native");
    mapping.properties.silent(&["AssignIpv6AddressOnCreation"]);
    end(mapping, "subnets", id, item, facts);
}

fn route_table(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "route-table", id, estate);
    mapping.properties.silent(&["RouteTableId", "OwnerId", "Associations", "Routes", "PropagatingVgws"]);
    mapping.reference("VpcId", "vpc", "vpcs");
    let vpc = item.body.get("VpcId").and_then(Val::text).unwrap_or_default();
    let mut gateways = Vec::new();
    for association in item.body.get("Associations").map_or(&[][..], Val::items) {
        let state = state_of(association.get("AssociationState"));
        if matches!(state.as_deref(), Some("disassociated" | "disassociating" | "failed")) {
            continue;
        }
        if let Some(subnet) = association.text_of("SubnetId") {
            if facts.holds("subnets", &subnet) {
                mapping.estate.set("subnets", &subnet, "route_table", json!(id), &item.by);
            } else {
                mapping
                    .note(NoteKind::Approximated, format!("{subnet} is not in the dump: nothing is in it"));
            }
        } else if let Some(gateway) = association.text_of("GatewayId") {
            let kind = if gateway.starts_with("vgw-") { "vpn_gateways" } else { "internet_gateways" };
            gateways.push(mapping.estate.refer(kind, &gateway, &item.by));
        } else if association.get("Main").and_then(Val::text).as_deref() == Some("true") {
            mapping.estate.set("vpcs", &vpc, "main_route_table", json!(id), &item.by);
        }
    }
    if !gateways.is_empty() {
        mapping.write("gateways", gateways);
    }
    let propagating = item.body.get("PropagatingVgws").map_or(&[][..], Val::items);
    let propagating: Vec<Value> = propagating
        .iter()
        .filter_map(|vgw| vgw.text_of("GatewayId"))
        .map(|vgw| mapping.estate.refer("vpn_gateways", &vgw, &item.by))
        .collect();
    if !propagating.is_empty() {
        mapping.write("propagating_vgws", propagating);
    }
    let mut routes = Vec::new();
    for written in item.body.get("Routes").map_or(&[][..], Val::items) {
        routes.extend(route(facts, &mut mapping, &vpc, written));
    }
    mapping.write("routes", routes);
    end(mapping, "route_tables", id, item, facts);
}

/// A route as the document has it; nothing for one that comes by itself.
fn route(facts: &Facts, mapping: &mut Mapping<'_>, vpc: &str, written: &Val) -> Option<Value> {
    let mut route = Map::new();
    let by = mapping.by.clone();
    if let Some(block) = written.text_of("DestinationCidrBlock") {
        route.insert("cidr_block".to_owned(), json!(block));
    } else if let Some(block) = written.text_of("DestinationIpv6CidrBlock") {
        route.insert("ipv6_cidr_block".to_owned(), json!(block));
    } else if let Some(list) = written.text_of("DestinationPrefixListId") {
        let endpoint = written.text_of("GatewayId").filter(|gateway| gateway.starts_with("vpce-"));
        let is_blackhole = written.text_of("State").as_deref() == Some("blackhole");
        if let Some(endpoint) = endpoint.filter(|_| !is_blackhole) {
            let item = facts.dump.get("VpcEndpoints", &endpoint);
            let is_gateway = |item: &Item| {
                item.body.get("VpcEndpointType").and_then(Val::text).is_none_or(|word| word == "Gateway")
            };
            if item.is_none_or(is_gateway) {
                gateway_endpoint(facts, mapping, vpc, &endpoint, &facts.prefix_list(&list));
                return None;
            }
            mapping.estate.refer("vpc_endpoints", &endpoint, &by);
        }
        let list = facts.prefix_list(&list);
        mapping.estate.refer("managed_prefix_lists", &list, &by);
        route.insert("destination_prefix_list".to_owned(), json!(list));
    } else {
        mapping.doubt("a route has no destination that is understood");
        return None;
    }
    let destination = route.values().next().and_then(Value::as_str).unwrap_or_default().to_owned();
    let origin = written.text_of("Origin").unwrap_or_default();
    let is_blackhole = written.text_of("State").as_deref() == Some("blackhole");
    let Some((attribute, kind, target)) = target(written) else {
        if is_blackhole {
            // Its target was deleted so long ago that AWS does not name it any more.
            let name = format!("{}-gone", mapping.name);
            nowhere(mapping, &name, &by);
            route.insert("gateway".to_owned(), json!(name));
            return Some(Value::Object(route));
        }
        mapping.doubt(format!("the route to {destination} has no target that is understood"));
        return None;
    };
    if target == "local" {
        // Those of the VPC's own blocks are there by themselves.
        let is_own = facts.dump.get("Vpcs", vpc).is_none_or(|vpc| {
            let of = |set, block| blocks(&vpc.body, set, block);
            vpc.body.get("CidrBlock").and_then(Val::text).as_ref() == Some(&destination)
                || of("CidrBlockAssociationSet", "CidrBlock").contains(&destination)
                || of("Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock").contains(&destination)
        });
        if is_own || origin == "CreateRouteTable" {
            return None;
        }
        route.insert("gateway".to_owned(), json!("local"));
        return Some(Value::Object(route));
    }
    if origin == "EnableVgwRoutePropagation" && super::links::announces(facts, &target) {
        return None;
    }
    let is_there = facts.holds(kind, &target);
    if is_blackhole && is_there {
        // AWS knows why: the gateway is detached, the instance stopped, or the other side gone.
        let name = format!("{}-blackhole", mapping.name);
        nowhere(mapping, &name, &by);
        route.insert("gateway".to_owned(), json!(name));
    } else if is_blackhole {
        nowhere(mapping, &target, &by);
        route.insert("gateway".to_owned(), json!(target));
    } else {
        if !is_there {
            here(facts, mapping, vpc, kind, &target);
        }
        mapping.estate.refer(kind, &target, &by);
        route.insert(attribute.to_owned(), json!(target));
    }
    Some(Value::Object(route))
}

/// A route that a gateway endpoint brings: the endpoint has it for every table that it lists. One that is not in the dump,
/// or does not list this table, has its route here all the same.
fn gateway_endpoint(facts: &Facts, mapping: &mut Mapping<'_>, vpc: &str, endpoint: &str, list: &str) {
    let (by, table) = (mapping.by.clone(), mapping.name.clone());
    let lists = |item: &Item| {
        let tables = item.body.get("RouteTableIds").map_or(&[][..], Val::items);
        tables.iter().any(|one| one.text().as_ref() == Some(&table))
    };
    let held = facts.dump.get("VpcEndpoints", endpoint);
    let is_made = mapping.estate.resources.get("vpc_endpoints").is_some_and(|all| all.contains_key(endpoint));
    if held.is_some_and(lists) {
        mapping.estate.refer("vpc_endpoints", endpoint, &by);
        return;
    }
    if facts.holds("vpc_endpoints", endpoint) {
        let why = format!("its route is in {table}, which it does not list: they are of different times");
        mapping.estate.doubt("vpc_endpoints", endpoint, why, &by);
    } else if !is_made {
        let text = format!(
            "{endpoint} is not in the dump: as a route to it is active, it is a gateway endpoint of {vpc}"
        );
        mapping.note(NoteKind::Assigned, text);
        let region = facts.homes.get(vpc).map(|home| home.region.clone());
        let mut known = object(json!({ "vpc": vpc, "vpc_endpoint_type": "Gateway" }));
        if list.starts_with("com.amazonaws.") {
            known.insert("service_name".to_owned(), json!(list.replace(".ipv6.", ".")));
        } else {
            let region = region.unwrap_or_else(|| crate::source::DEFAULT_REGION.to_owned());
            known.insert("service_name".to_owned(), json!(format!("com.amazonaws.{region}.s3")));
            known.insert("not_modelled".to_owned(), json!(format!("which service has the list {list}")));
        }
        mapping.estate.refer("vpcs", vpc, &by);
        mapping.put_as("vpc_endpoints", endpoint, known);
    }
    mapping.estate.push("vpc_endpoints", endpoint, "route_tables", json!(table), &by);
}

/// A gateway that is not in the dump, though a route to it is active: it is attached to this VPC. Of an internet gateway
/// that is all there is to know; of everything else a stand-in needs to be where the VPC is.
fn here(facts: &Facts, mapping: &mut Mapping<'_>, vpc: &str, kind: &'static str, name: &str) {
    let mut known = Map::from_iter([("vpc".to_owned(), json!(vpc))]);
    if let Some(home) = facts.homes.get(vpc).filter(|_| matches!(kind, "vpn_gateways" | "transit_gateways")) {
        known.insert("region".to_owned(), json!(home.region));
        known.insert("owner".to_owned(), json!(home.account));
    }
    match kind {
        "internet_gateways" => {
            let is_there = mapping.estate.resources.get(kind).is_some_and(|all| all.contains_key(name));
            if !is_there {
                let mut text =
                    format!("{name} is not in the dump: as a route to it is active, it is attached to {vpc}");
                if !name.starts_with("igw-") {
                    // It may be anything that a route can lead to.
                    text = format!("{name} is not in the dump, and what it is cannot be told");
                    known.insert("not_modelled".to_owned(), json!(text));
                    mapping.note(NoteKind::Unknown, text);
                } else {
                    mapping.note(NoteKind::Assigned, text);
                }
                mapping.put_as(kind, name, known);
            }
        }
        // These have a VPC by their subnet, or none.
        "nat_gateways" | "network_interfaces" | "instances" | "vpc_peering_connections" => {}
        "transit_gateways" => {
            known.remove("vpc");
            mapping.estate.hint(kind, name, known);
        }
        _ => mapping.estate.hint(kind, name, known),
    }
}

/// A gateway that is attached nowhere, which stands for one that is gone.
fn nowhere(mapping: &mut Mapping<'_>, name: &str, by: &Address) {
    let is_there = mapping.estate.resources.get(NOWHERE).is_some_and(|all| all.contains_key(name));
    if !is_there {
        mapping.note(
            NoteKind::Approximated,
            format!(
                "a route is a blackhole: {name}, a gateway that is attached nowhere, stands for its target"
            ),
        );
        mapping.estate.put(NOWHERE, name, Map::new(), by);
    }
}

/// The attribute of a route, the kind and the name of its target.
fn target(written: &Val) -> Option<(&'static str, &'static str, String)> {
    const TARGETS: [(&str, &str, &str); 10] = [
        // An instance's route names its interface, too.
        ("NetworkInterfaceId", "network_interface", "network_interfaces"),
        ("InstanceId", "instance", "instances"),
        ("NatGatewayId", "nat_gateway", "nat_gateways"),
        ("EgressOnlyInternetGatewayId", "egress_only_gateway", "egress_only_internet_gateways"),
        ("VpcPeeringConnectionId", "vpc_peering_connection", "vpc_peering_connections"),
        ("TransitGatewayId", "transit_gateway", "transit_gateways"),
        ("CarrierGatewayId", "carrier_gateway", "carrier_gateways"),
        ("LocalGatewayId", "local_gateway", "local_gateways"),
        ("CoreNetworkArn", "core_network", "core_networks"),
        ("OdbNetworkArn", "odb_network", "odb_networks"),
    ];
    for (theirs, ours, kind) in TARGETS {
        if let Some(name) = written.text_of(theirs) {
            return Some((ours, kind, name));
        }
    }
    let gateway = written.text_of("GatewayId")?;
    let (ours, kind) = match gateway.split_once('-').map(|(prefix, _)| prefix) {
        Some("vgw") => ("gateway", "vpn_gateways"),
        Some("vpce") => ("vpc_endpoint", "vpc_endpoints"),
        Some("eigw") => ("egress_only_gateway", "egress_only_internet_gateways"),
        Some("nat") => ("nat_gateway", "nat_gateways"),
        Some("lgw") => ("local_gateway", "local_gateways"),
        Some("cagw") => ("carrier_gateway", "carrier_gateways"),
        Some("tgw") => ("transit_gateway", "transit_gateways"),
        Some("pcx") => ("vpc_peering_connection", "vpc_peering_connections"),
        Some("eni") => ("network_interface", "network_interfaces"),
        Some("i") => ("instance", "instances"),
        _ => ("gateway", "internet_gateways"),
    };
    Some((ours, kind, gateway))
}

/// Every VPC has route tables, one of them the main one: what nobody listed is not known.
fn unlisted_tables(facts: &Facts, estate: &mut Estate) {
    let of = |item: &Item| item.body.get("VpcId").and_then(Val::text);
    let with_tables: BTreeSet<String> =
        facts.dump.all("RouteTables").filter_map(|(_, item)| of(item)).collect();
    let associated = |key: &str| -> BTreeSet<String> {
        let all = facts.dump.all("RouteTables").flat_map(|(_, item)| {
            let associations = item.body.get("Associations").map_or(&[][..], Val::items).iter();
            associations.filter_map(|association| match key {
                "Main" => association.text_of("Main").filter(|text| text == "true").and_then(|_| of(item)),
                key => association.text_of(key),
            })
        });
        all.collect()
    };
    let with_main = associated("Main");
    for (id, item) in facts.dump.all("Vpcs").filter(|(id, _)| !with_main.contains(*id)) {
        let why = if with_tables.contains(id) {
            "its main route table is not in the dump: add all pages of `aws ec2 describe-route-tables`"
        } else {
            "its route tables are not in the dump: add `aws ec2 describe-route-tables`"
        };
        estate.put("route_tables", &format!("{id}/main"), object(json!({ "not_modelled": why })), &item.by);
    }
    if !facts.dump.is_partial("RouteTables") {
        return;
    }
    // Who is in no table that is listed is in the main one, or in one of the next page.
    let with_table = associated("SubnetId");
    for (id, item) in facts.dump.all("Subnets").filter(|(id, _)| !with_table.contains(*id)) {
        let why = "its route table may be one that is not in the dump: AWS had more than one page of them";
        estate.doubt("subnets", id, why.to_owned(), &item.by);
    }
}

fn prefix_lists(facts: &Facts, estate: &mut Estate) {
    let mut entries: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (_, item) in facts.dump.all("Entries") {
        let text = |key: &str| item.body.get(key).and_then(Val::text);
        if let (Some(list), Some(cidr)) = (text("PrefixListId"), text("Cidr")) {
            let description = text("Description").unwrap_or_default();
            entries.entry(list).or_default().push(json!({ "cidr": cidr, "description": description }));
        }
    }
    let managed: BTreeSet<&String> = facts.dump.all("ManagedPrefixLists").map(|(id, _)| id).collect();
    for (id, item) in facts.dump.all("ManagedPrefixLists") {
        let name = facts.prefix_list(id);
        let mut mapping = begin(item, "managed-prefix-list", &name, estate);
        mapping.properties.silent(&[
            "PrefixListId",
            "PrefixListArn",
            "PrefixListName",
            "State",
            "StateMessage",
            "OwnerId",
            "Version",
            "IpamPrefixListResolverTargetId",
            "IpamPrefixListResolverSyncEnabled",
        ]);
        let listed = facts.dump.get("PrefixLists", id).map(cidrs);
        if facts.dump.is_partial_about(&["Entries"], id) {
            mapping.doubt("AWS had more of its entries than the dump has");
        }
        if name != *id {
            // AWS's own needs no declaration, but for its blocks where they were listed.
            mapping.properties.silent(&["AddressFamily", "MaxEntries"]);
            match entries
                .remove(id)
                .or(listed.map(|cidrs| cidrs.iter().map(|cidr| json!({ "cidr": cidr })).collect()))
            {
                Some(entries) => aws_list(mapping, &name, &entries),
                None => mapping.finish(Fate::Understood),
            }
            continue;
        }
        mapping.text("AddressFamily", "address_family");
        mapping.number("MaxEntries", "max_entries");
        let home = facts.home(item);
        mapping.write("region", home.region);
        mapping.write("owner", home.account);
        match entries.remove(id) {
            Some(entries) => mapping.write("entries", entries),
            None => mapping.doubt("its entries: add `aws ec2 get-managed-prefix-list-entries`"),
        }
        end(mapping, "managed_prefix_lists", id, item, facts);
    }
    for (id, item) in facts.dump.all("PrefixLists").filter(|(id, _)| !managed.contains(id)) {
        let name = facts.prefix_list(id);
        let mut mapping = begin(item, "managed-prefix-list", &name, estate);
        mapping.properties.silent(&["PrefixListId", "PrefixListName", "Cidrs"]);
        let entries: Vec<Value> = cidrs(item).iter().map(|cidr| json!({ "cidr": cidr })).collect();
        if name == *id {
            gone(mapping, "it has no name of AWS's");
        } else {
            aws_list(mapping, &name, &entries);
        }
    }
}

fn cidrs(item: &Item) -> Vec<String> {
    item.body.get("Cidrs").map_or(&[][..], Val::items).iter().filter_map(Val::text).collect()
}

/// The blocks of a list that AWS manages: those of a service are declared with the service, of which one address is
/// chosen as nothing else is known of it.
fn aws_list(mut mapping: Mapping<'_>, name: &str, entries: &[Value]) {
    let cidrs: Vec<&str> = entries.iter().filter_map(|entry| entry.get("cidr")?.as_str()).collect();
    let (v6, v4): (Vec<&str>, Vec<&str>) = cidrs.iter().partition(|cidr| cidr.contains(':'));
    let first = v4.first().and_then(|cidr| cidr.parse::<ipnet::Ipv4Net>().ok());
    // Of a service nothing can be unknown; of its list it can.
    let is_gateway_service = (name.ends_with(".s3") || name.ends_with(".dynamodb")) && !mapping.is_doubted();
    match first.filter(|_| is_gateway_service).and_then(|block| block.hosts().next()) {
        Some(address) => {
            mapping.note(
                NoteKind::Assigned,
                format!("{address} is chosen for the service, inside its first block"),
            );
            let service = object(json!({ "address": address, "cidr_blocks": v4 }));
            mapping.put_as("services", name, service);
        }
        None if !cidrs.is_empty() => {
            let family = if v6.is_empty() { "IPv4" } else { "IPv6" };
            let list = object(json!({ "address_family": family, "entries": entries }));
            mapping.put_as("managed_prefix_lists", name, list);
        }
        None => {}
    }
    mapping.finish(Fate::Understood);
}
