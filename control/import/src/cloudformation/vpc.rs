//! How do VPCs, subnets and their blocks become a topology's?

use serde_json::{Value, json};

use super::resource::Resource;
use crate::properties::Given;
use crate::report::NoteKind;
use crate::val::{Missing, Unknown};

const SILENT_SUBNET: &[&str] = &[
    "EnableDns64",
    "PrivateDnsNameOptionsOnLaunch",
    "OutpostArn",
    "EnableLniAtDeviceIndex",
    "BlockPublicAccessStates",
];

pub(super) fn vpc(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.properties.silent(&["EnableDnsSupport", "EnableDnsHostnames", "InstanceTenancy"]);
    block(&mut r, "a VPC");
    r.home();
    r.tags();
    r.mapping.put("vpcs");
    r.finish()
}

/// `CidrBlock`, or what an IPAM pool gives: unknown, and chosen in the end.
fn block(r: &mut Resource<'_>, what: &str) {
    let m = &mut r.mapping;
    let pool = m.properties.take("Ipv4IpamPoolId").is_some();
    m.properties.silent(&["Ipv4NetmaskLength", "Ipv6IpamPoolId", "Ipv6NetmaskLength"]);
    match m.properties.text("CidrBlock") {
        Given::Known(block) => m.write("cidr_block", block.trim()),
        Given::Absent if pool => {
            let why = format!("the block of {what} comes from an IPAM pool");
            m.matters("CidrBlock", &Unknown { why, missing: None });
        }
        given => m.copy("CidrBlock", "cidr_block", given),
    }
}

pub(super) fn vpc_cidr_block(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.properties.silent(&[
        "Ipv6Pool",
        "Ipv4IpamPoolId",
        "Ipv4NetmaskLength",
        "Ipv6IpamPoolId",
        "Ipv6NetmaskLength",
        "Ipv6CidrBlockNetworkBorderGroup",
    ]);
    let vpc = owner(&mut r, "VpcId", "vpcs")?;
    let m = &mut r.mapping;
    let mut is_known = false;
    match m.properties.text("CidrBlock") {
        Given::Known(block) => {
            m.estate.push("vpcs", &vpc, "secondary_cidr_blocks", json!(block.trim()), &m.by);
            is_known = true;
        }
        Given::Absent => {}
        Given::Unknown(unknown) => m.matters("CidrBlock", &unknown),
    }
    let amazon = m.properties.boolean("AmazonProvidedIpv6CidrBlock");
    match m.properties.text("Ipv6CidrBlock") {
        Given::Known(block) => {
            m.estate.push("vpcs", &vpc, "ipv6_cidr_blocks", json!(block.trim()), &m.by);
            is_known = true;
        }
        Given::Absent if amazon == Given::Known(true) => {
            let block = r.evaluator.ipv6_block(&vpc).to_string();
            m.note(NoteKind::Assigned, format!("the IPv6 block of the VPC is chosen: {block}"));
            m.estate.push("vpcs", &vpc, "ipv6_cidr_blocks", json!(block), &m.by);
            is_known = true;
        }
        Given::Absent => {}
        Given::Unknown(unknown) => m.matters("Ipv6CidrBlock", &unknown),
    }
    if !is_known {
        let why = format!("{} adds a block to it that is not known", m.by.address);
        m.note(NoteKind::Unknown, "its block is not known");
        m.estate.doubt("vpcs", &vpc, why, &m.by);
    }
    m.became_part_of("vpcs", &vpc);
    r.finish()
}

pub(super) fn subnet(mut r: Resource<'_>) -> Result<(), String> {
    let region = r.region();
    r.mapping.properties.silent(SILENT_SUBNET);
    r.vpc();
    let pool = r.mapping.properties.take("Ipv6IpamPoolId").is_some_and(|pool| !pool.is_empty());
    block(&mut r, "a subnet");
    let m = &mut r.mapping;
    m.text("Ipv6CidrBlock", "ipv6_cidr_block");
    if pool && !m.attributes.contains_key("ipv6_cidr_block") {
        m.doubt("its IPv6 block comes from an IPAM pool");
    }
    m.boolean("Ipv6Native", "ipv6_native");
    m.boolean("MapPublicIpOnLaunch", "map_public_ip_on_launch");
    m.boolean("AssignIpv6AddressOnCreation", "assign_ipv6_address_on_creation");
    match m.properties.text("AvailabilityZone") {
        Given::Unknown(unknown) => m.assigned("AvailabilityZone", &unknown),
        Given::Known(zone) if zone.trim().is_empty() => {}
        Given::Known(zone) if !zone.starts_with(&region) => {
            let problem = format!("the zone {zone} is not in {region}; give the region, as in `PATH@REGION`");
            m.properties.problems.push(problem);
        }
        given => m.copy("AvailabilityZone", "availability_zone", given),
    }
    zone_by_id(&mut r);
    r.tags();
    r.mapping.put("subnets");
    r.finish()
}

/// `AvailabilityZoneId`: a zone that no other id has.
fn zone_by_id(r: &mut Resource<'_>) {
    let id = match r.mapping.properties.text("AvailabilityZoneId") {
        Given::Known(id) => id.trim().to_owned(),
        Given::Unknown(unknown) => unknown.missing.map(|missing| missing.name).unwrap_or_default(),
        Given::Absent => return,
    };
    let Some(zone) = r.evaluator.zone_of_id(r.stack, r.logical, &id).filter(|_| !id.is_empty()) else {
        return;
    };
    let m = &mut r.mapping;
    m.note(
        NoteKind::Assigned,
        format!("which zone {id} is differs by account; {} is taken for it", zone.name),
    );
    m.write("availability_zone", zone.name);
    if zone.is_ambiguous {
        m.doubt(format!("whether {id} is a zone that other subnets of the VPC name is not known"));
    }
}

pub(super) fn subnet_cidr_block(mut r: Resource<'_>) -> Result<(), String> {
    r.mapping.properties.silent(&["Ipv6IpamPoolId", "Ipv6NetmaskLength"]);
    let subnet = owner(&mut r, "SubnetId", "subnets")?;
    let m = &mut r.mapping;
    match m.properties.text("Ipv6CidrBlock") {
        Given::Known(block) => {
            m.estate.set("subnets", &subnet, "ipv6_cidr_block", json!(block.trim()), &m.by);
        }
        _ => {
            let why = format!("{} gives it an IPv6 block that is not known", m.by.address);
            m.note(NoteKind::Unknown, "Ipv6CidrBlock is not known");
            m.estate.doubt("subnets", &subnet, why, &m.by);
        }
    }
    m.became_part_of("subnets", &subnet);
    r.finish()
}

/// `SubnetRouteTableAssociation` and `SubnetNetworkAclAssociation`.
pub(super) fn association(
    mut r: Resource<'_>,
    theirs: &str,
    ours: &'static str,
    kind: &'static str,
) -> Result<(), String> {
    let subnet = owner(&mut r, "SubnetId", "subnets")?;
    let target = owner(&mut r, theirs, kind)?;
    let m = &mut r.mapping;
    m.estate.set("subnets", &subnet, ours, json!(target), &m.by);
    m.became_part_of("subnets", &subnet);
    r.finish()
}

/// `VPCGatewayAttachment`.
pub(super) fn gateway_attachment(mut r: Resource<'_>) -> Result<(), String> {
    let vpc = owner(&mut r, "VpcId", "vpcs")?;
    let m = &mut r.mapping;
    let mut attached = false;
    for (theirs, kind) in [("InternetGatewayId", "internet_gateways"), ("VpnGatewayId", "vpn_gateways")] {
        match m.name_of(theirs, kind) {
            Given::Known(gateway) => {
                m.estate.set(kind, &gateway, "vpc", json!(vpc), &m.by);
                m.became_part_of(kind, &gateway);
                attached = true;
            }
            Given::Absent => {}
            Given::Unknown(unknown) => m.matters(theirs, &unknown),
        }
    }
    if attached { r.finish() } else { Err("it names no gateway".to_owned()) }
}

/// The resource that this one is a part of, where it is known.
pub(super) fn owner(r: &mut Resource<'_>, theirs: &str, kind: &'static str) -> Result<String, String> {
    match r.mapping.name_of(theirs, kind) {
        Given::Known(name) => Ok(name),
        Given::Absent => Err(format!("it has no {theirs}")),
        Given::Unknown(unknown) => Err(format!("{theirs} is not known: {}", unknown.why)),
    }
}

pub(super) fn peering(mut r: Resource<'_>) -> Result<(), String> {
    let (region, account) = (r.region(), r.account());
    let m = &mut r.mapping;
    m.reference("VpcId", "vpc", "vpcs");
    m.reference("PeerVpcId", "peer_vpc", "vpcs");
    m.properties.silent(&["AssumeRoleRegion"]);
    let role = m.properties.take("PeerRoleArn").is_some();
    let mut text = |key: &str, otherwise: &str| match m.properties.text(key) {
        Given::Known(text) if !text.is_empty() => text,
        Given::Known(_) | Given::Absent => otherwise.to_owned(),
        Given::Unknown(unknown) => {
            // Who cannot know whose the peer is cannot know whether it is active.
            m.doubt(format!("{key} is not known: {}", unknown.why));
            otherwise.to_owned()
        }
    };
    let peer_region = text("PeerRegion", &region);
    let peer_account = text("PeerOwnerId", &account);
    if peer_account == account || role {
        m.write("state", "active");
    } else {
        m.note(NoteKind::Approximated, "the other account has to accept it: it is pending");
    }
    if let Some(Value::String(peer)) = m.attributes.get("peer_vpc").cloned() {
        // A stand-in is where the connection says that it is.
        let is_stand_in = m.estate.stand_ins.contains_key(&("vpcs", peer.clone()));
        if is_stand_in || r.evaluator.place_of(&peer).is_none() {
            if peer_region != region {
                m.estate.homes.insert(peer.clone(), (peer_region, peer_account));
            } else if peer_account != account {
                m.estate.homes.insert(peer.clone(), (region, peer_account));
            }
        }
    }
    r.tags();
    r.mapping.put("vpc_peering_connections");
    r.finish()
}

/// A stand-in for what is made and has no counterpart, such as a NAT gateway of a region.
pub(super) fn made_up(r: &mut Resource<'_>, kind: &'static str, why: &str) {
    let m = &mut r.mapping;
    let missing = Missing { name: m.name.clone(), remedy: None };
    let given = Given::Unknown(Unknown { why: why.to_owned(), missing: Some(missing) });
    let _ = m.referred(given, kind);
}
