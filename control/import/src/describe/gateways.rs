//! The gateways of VPCs in a dump: internet, egress-only, NAT and carrier gateways, peering connections, endpoints.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::describe::facts::{Facts, gone as gone_state};
use crate::describe::filters::groups;
use crate::describe::gather::{Item, account};
use crate::describe::{begin, end, gone, state_of};
use crate::estate::Estate;
use crate::mapping::{Mapping, object};
use crate::report::NoteKind;
use crate::val::Val;

pub(super) fn read(facts: &Facts, estate: &mut Estate) {
    for (id, item) in facts.dump.all("InternetGateways") {
        attached(facts, id, item, "internet-gateway", "internet_gateways", estate);
    }
    for (id, item) in facts.dump.all("EgressOnlyInternetGateways") {
        attached(facts, id, item, "egress-only-internet-gateway", "egress_only_internet_gateways", estate);
    }
    for (id, item) in facts.dump.all("CarrierGateways") {
        carrier_gateway(facts, id, item, estate);
    }
    for (id, item) in facts.dump.all("LocalGateways") {
        let mut mapping = begin(item, "local-gateway", id, estate);
        mapping.properties.silence();
        end(mapping, "local_gateways", id, item, facts);
    }
    facts.dump.all("NatGateways").for_each(|(id, item)| nat_gateway(facts, id, item, estate));
    facts.dump.all("VpcPeeringConnections").for_each(|(id, item)| peering(facts, id, item, estate));
    facts.dump.all("VpcEndpoints").for_each(|(id, item)| endpoint(facts, id, item, estate));
}

/// A gateway with a list of attachments, of which one counts.
fn attached(facts: &Facts, id: &str, item: &Item, of_type: &str, kind: &'static str, estate: &mut Estate) {
    let mut mapping = begin(item, of_type, id, estate);
    mapping.properties.silent(&[
        "InternetGatewayId",
        "EgressOnlyInternetGatewayId",
        "OwnerId",
        "Attachments",
    ]);
    let attachments = item.body.get("Attachments").map_or(&[][..], Val::items).iter();
    let is_attached =
        |attachment: &&Val| !matches!(attachment.text_of("State").as_deref(), Some("detached" | "detaching"));
    match attachments.filter(is_attached).find_map(|attachment| attachment.text_of("VpcId")) {
        Some(vpc) => {
            let vpc = mapping.estate.refer("vpcs", &vpc, &item.by);
            mapping.write("vpc", vpc);
        }
        None if kind == "egress_only_internet_gateways" => return gone(mapping, "it is attached nowhere"),
        None => {}
    }
    end(mapping, kind, id, item, facts);
}

fn carrier_gateway(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "carrier-gateway", id, estate);
    mapping.properties.silent(&["CarrierGatewayId", "OwnerId", "State"]);
    if gone_state(item).is_some() {
        return gone(mapping, "it is deleted");
    }
    mapping.reference("VpcId", "vpc", "vpcs");
    end(mapping, "carrier_gateways", id, item, facts);
}

fn nat_gateway(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "nat-gateway", id, estate);
    if let Some(state) = gone_state(item) {
        return gone(mapping, &format!("it is {state}"));
    }
    if state_of(item.body.get("State")).as_deref() == Some("pending") {
        mapping.note(NoteKind::Approximated, "it is pending, and taken as available");
    }
    mapping.properties.silent(&[
        "NatGatewayId",
        "VpcId",
        "State",
        "CreateTime",
        "DeleteTime",
        "NatGatewayAddresses",
        "FailureCode",
        "FailureMessage",
        "ProvisionedBandwidth",
        "AttachedAppliances",
        "AutoScalingIps",
        "AutoProvisionZones",
    ]);
    mapping.reference("SubnetId", "subnet", "subnets");
    mapping.text("ConnectivityType", "connectivity_type");
    let is_private = mapping.attributes.get("connectivity_type") == Some(&json!("private"));
    let mut all: Vec<&Val> =
        item.body.get("NatGatewayAddresses").map_or(&[][..], Val::items).iter().collect();
    // AWS says which is the primary one; before it had several, the first was.
    all.sort_by_key(|address| address.text_of("IsPrimary").as_deref() == Some("false"));
    let mut secondary: (Vec<Value>, Vec<Value>) = Default::default();
    for (position, address) in all.into_iter().enumerate() {
        if matches!(address.text_of("Status").as_deref(), Some("failed" | "unassigning" | "disassociating")) {
            continue;
        }
        let allocation = allocation(facts, &mut mapping, id, address);
        let private = address.text_of("PrivateIp");
        if position == 0 {
            mapping.attributes.extend(private.map(|private| ("private_ip".to_owned(), json!(private))));
            mapping.attributes.extend(allocation.map(|name| ("allocation".to_owned(), name)));
        } else {
            secondary.0.extend(private.map(Value::from));
            secondary.1.extend(allocation);
        }
    }
    for (key, list) in [("secondary_private_ips", secondary.0), ("secondary_allocations", secondary.1)] {
        if !list.is_empty() {
            mapping.write(key, list);
        }
    }
    if !is_private && !mapping.attributes.contains_key("allocation") {
        let name = format!("{id}-public");
        mapping.note(NoteKind::Assigned, "its elastic IP address is not in the dump: one is chosen");
        let home = facts.home(item);
        mapping.put_as("eips", &name, object(json!({ "region": home.region, "owner": home.account })));
        mapping.write("allocation", name);
    }
    end(mapping, "nat_gateways", id, item, facts);
}

/// The elastic IP address of one of a gateway's addresses, put here where the dump does not list it.
fn allocation(facts: &Facts, mapping: &mut Mapping<'_>, gateway: &str, address: &Val) -> Option<Value> {
    let public = address.text_of("PublicIp");
    let id = address.text_of("AllocationId");
    let name = match id {
        Some(id) => id,
        None => format!("{gateway}-{}", public.as_ref()?.replace('.', "-")),
    };
    if facts.dump.get("Addresses", &name).is_none() {
        let home = mapping
            .attributes
            .get("subnet")
            .and_then(Value::as_str)
            .and_then(|subnet| facts.homes.get(&facts.vpc_of_subnet(subnet)?));
        let mut eip = Map::new();
        eip.extend(public.map(|public| ("public_ip".to_owned(), json!(public))));
        if let Some(home) = home {
            eip.insert("region".to_owned(), json!(home.region));
            eip.insert("owner".to_owned(), json!(home.account));
        }
        mapping.put_as("eips", &name, eip);
    }
    Some(Value::String(name))
}

fn peering(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "vpc-peering-connection", id, estate);
    mapping.properties.silent(&[
        "VpcPeeringConnectionId",
        "ExpirationTime",
        "Status",
        "RequesterVpcInfo",
        "AccepterVpcInfo",
    ]);
    let state = state_of(item.body.get("Status")).unwrap_or_else(|| "active".to_owned());
    let end_of = |key: &str| item.body.get(key).and_then(|end| end.text_of("VpcId"));
    let (Some(vpc), Some(peer)) = (end_of("RequesterVpcInfo"), end_of("AccepterVpcInfo")) else {
        return gone(mapping, &format!("it is {state}"));
    };
    let both = facts.holds("vpcs", &vpc) && facts.holds("vpcs", &peer);
    let state = match state.as_str() {
        "active" | "provisioning" => "active",
        "pending-acceptance" | "initiating-request" => "pending-acceptance",
        "rejected" if both => "rejected",
        "expired" if both => "expired",
        "deleted" | "deleting" if both => "deleted",
        // AWS finds that blocks overlap, and so does the model.
        "failed" if both => "pending-acceptance",
        other => return gone(mapping, &format!("it is {other}")),
    };
    mapping.write("vpc", vpc.as_str());
    mapping.write("peer_vpc", peer.as_str());
    mapping.write("state", state);
    for (key, vpc) in [("RequesterVpcInfo", &vpc), ("AccepterVpcInfo", &peer)] {
        mapping.estate.refer("vpcs", vpc, &item.by);
        far_vpc(mapping.estate, vpc, item.body.get(key), item);
    }
    end(mapping, "vpc_peering_connections", id, item, facts);
}

/// What a peering connection knows of a VPC, should no source hold it.
fn far_vpc(estate: &mut Estate, vpc: &str, info: Option<&Val>, item: &Item) {
    let Some(info) = info else { return };
    let mut known = Map::new();
    let blocks = |set: &str, key: &str| -> Vec<String> {
        info.items_of(set).iter().filter_map(|block| block.text_of(key)).collect()
    };
    let mut v4 = blocks("CidrBlockSet", "CidrBlock");
    let primary = info.text_of("CidrBlock").or_else(|| v4.first().cloned());
    v4.retain(|block| Some(block) != primary.as_ref());
    known.extend(primary.map(|block| ("cidr_block".to_owned(), json!(block))));
    for (key, list) in
        [("secondary_cidr_blocks", v4), ("ipv6_cidr_blocks", blocks("Ipv6CidrBlockSet", "Ipv6CidrBlock"))]
    {
        if !list.is_empty() {
            known.insert(key.to_owned(), json!(list));
        }
    }
    let region = info.text_of("Region").unwrap_or_else(|| item.region.clone());
    known.insert("region".to_owned(), json!(region));
    let owner = info.text_of("OwnerId").and_then(|owner| account(&owner));
    known.insert("owner".to_owned(), json!(owner.unwrap_or_else(|| item.account.clone())));
    estate.hint("vpcs", vpc, known);
}

fn endpoint(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "vpc-endpoint", id, estate);
    let state =
        state_of(item.body.get("State")).unwrap_or_else(|| "available".to_owned()).to_ascii_lowercase();
    if matches!(state.as_str(), "deleted" | "deleting" | "rejected" | "failed" | "expired") {
        return gone(mapping, &format!("it is {state}"));
    }
    mapping.properties.silent(&[
        "VpcEndpointId",
        "State",
        "PolicyDocument",
        "CreationTimestamp",
        "DnsEntries",
        "RequesterManaged",
        "OwnerId",
        "NetworkInterfaceIds",
        "DnsOptions",
        "LastError",
        "FailureReason",
        "ServiceRegion",
        "Ipv4Prefixes",
        "Ipv6Prefixes",
        "ServiceNetworkArn",
        "ResourceConfigurationArn",
    ]);
    mapping.reference("VpcId", "vpc", "vpcs");
    mapping.text("VpcEndpointType", "vpc_endpoint_type");
    mapping.text("ServiceName", "service_name");
    mapping.boolean("PrivateDnsEnabled", "private_dns_enabled");
    let of_type =
        mapping.attributes.get("vpc_endpoint_type").and_then(Value::as_str).unwrap_or("Gateway").to_owned();
    if of_type == "Gateway" {
        mapping.references("RouteTableIds", "route_tables", "route_tables");
        mapping.properties.silent(&["SubnetIds", "Groups", "IpAddressType"]);
    } else {
        mapping.properties.silent(&["RouteTableIds"]);
        mapping.references("SubnetIds", "subnets", "subnets");
        let vpc = item.body.get("VpcId").and_then(Val::text);
        let groups = groups(facts, &mut mapping, "Groups", vpc);
        if !groups.is_empty() {
            mapping.write("security_groups", groups);
        }
        mapping.text("IpAddressType", "ip_address_type");
        let addresses = of_interfaces(facts, item);
        if !addresses.is_empty() {
            mapping.write("subnet_configuration", addresses);
        }
    }
    match state.as_str() {
        "available" => {}
        "pendingacceptance" => mapping.write("state", "pendingAcceptance"),
        "pending" => mapping.write("state", "pending"),
        "partial" => mapping.write("state", "partial"),
        other => mapping.doubt(format!("its state is {other}")),
    }
    end(mapping, "vpc_endpoints", id, item, facts);
}

/// The addresses of an endpoint's interfaces, by their subnets.
fn of_interfaces(facts: &Facts, item: &Item) -> Vec<Value> {
    let mut by_subnet: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for eni in item.body.get("NetworkInterfaceIds").map_or(&[][..], Val::items) {
        let Some(interface) = eni.text().and_then(|eni| facts.interfaces.get(&eni)) else { continue };
        let body = &interface.item.body;
        let Some(subnet) = body.get("SubnetId").and_then(Val::text) else { continue };
        let mut addresses = Map::new();
        let v4 = body.get("PrivateIpAddress").and_then(Val::text);
        addresses.extend(v4.map(|address| ("ipv4".to_owned(), json!(address))));
        let v6 = body.get("Ipv6Addresses").map_or(&[][..], Val::items).first();
        let v6 = v6.and_then(|address| address.text_of("Ipv6Address"));
        addresses.extend(v6.map(|address| ("ipv6".to_owned(), json!(address))));
        addresses.insert("subnet".to_owned(), json!(subnet));
        by_subnet.entry(subnet).or_insert(addresses);
    }
    by_subnet.into_values().map(Value::Object).collect()
}
