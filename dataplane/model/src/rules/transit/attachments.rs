//! What is attached to a transit gateway, and may it be?

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::INVALID;
use crate::declared::DeclaredTransitGatewayVpcAttachment;
use crate::name::{
    Kind, NetworkInterfaceName, SubnetName, TransitGatewayName, TransitGatewayPeeringAttachmentName,
    TransitGatewayVpcAttachmentName, VpcName, kind,
};
use crate::reader::{Given, Written};
use crate::register::{Context, interface_in};
use crate::resources::{
    AttachmentState, Subnet, TransitGateway, TransitGatewayPeeringAttachment, TransitGatewayVpcAttachment,
    Vpc,
};

/// What names of attachments' interfaces begin with.
const ATTACHMENT: &str = kind::TransitGatewayVpcAttachment::ID_PREFIX;

/// The VPC attachments whose gateway and VPC exist.
pub(super) fn vpc_attachments(
    cx: &Context<'_>,
    gateways: &BTreeMap<TransitGatewayName, TransitGateway>,
    vpcs: &BTreeMap<VpcName, Vpc>,
    subnets: &BTreeMap<SubnetName, Subnet>,
) -> BTreeMap<TransitGatewayVpcAttachmentName, TransitGatewayVpcAttachment> {
    let mut attachments: BTreeMap<TransitGatewayVpcAttachmentName, TransitGatewayVpcAttachment> =
        BTreeMap::new();
    for (name, declared) in &cx.declared.transit_gateway_vpc_attachments {
        let gateway = declared
            .transit_gateway
            .written()
            .and_then(|written| cx.registers.transit_gateways.resolve(cx.log, written));
        let vpc = cx.registers.transit_gateway_vpc_attachments.owner(name);
        let chosen = subnets_of(cx, name, declared, vpc, subnets);
        let (Some(gateway), Some(vpc)) = (gateway, vpc.cloned()) else { continue };
        let state = state_of(cx, declared, &gateway, &vpc, gateways);
        let twin = attachments.iter().find(|(_, other)| {
            (&other.transit_gateway, &other.vpc) == (&gateway, &vpc) && lives(other.state) && lives(state)
        });
        if let Some((other, _)) = twin {
            // TGW-34
            let problem = format!("VPC {vpc} is attached to {gateway} already, by {other}");
            let remedy = "name all subnets in one attachment";
            cx.log.report(&declared.at, "DuplicateTransitGatewayAttachment", problem, remedy);
        }
        let refers = gateways.get(&gateway).is_some_and(|g| g.security_group_referencing_support);
        attachments.insert(
            name.clone(),
            TransitGatewayVpcAttachment {
                transit_gateway: gateway,
                vpc,
                subnets: chosen,
                appliance_mode_support: declared.appliance_mode_support,
                ipv6_support: declared.ipv6_support,
                dns_support: declared.dns_support,
                security_group_referencing_support: refers && declared.security_group_referencing_support,
                state,
                not_propagated: Vec::new(),
                labels: declared.labels.clone(),
            },
        );
    }
    let withheld = overlaps(cx, vpcs, &attachments);
    for (name, blocks) in withheld {
        if let Some(attachment) = attachments.get_mut(&name) {
            attachment.not_propagated = blocks;
        }
    }
    attachments
}

/// A VPC is attached in the gateway's region. One of another account waits until it is accepted, unless the gateway
/// accepts whoever asks.
fn state_of(
    cx: &Context<'_>,
    declared: &DeclaredTransitGatewayVpcAttachment,
    gateway: &TransitGatewayName,
    vpc: &VpcName,
    gateways: &BTreeMap<TransitGatewayName, TransitGateway>,
) -> AttachmentState {
    let homes = gateways.get(gateway).zip(cx.home_of(Some(vpc)));
    if let Some((here, home)) = &homes
        && here.home.region != home.region
    {
        let problem = format!(
            "the transit gateway {gateway} is in region {}, VPC {vpc} in region {}",
            here.home.region, home.region
        );
        let at = declared.at.attribute("transit_gateway");
        let remedy =
            "attach it to a gateway of its own region, and join the gateways with a peering attachment";
        cx.log.report(&at, "InvalidTransitGatewayID.NotFound", problem, remedy);
    }
    let waits = homes.is_some_and(|(gateway, home)| {
        gateway.home.owner != home.owner && !gateway.auto_accept_shared_attachments
    });
    let default = if waits { AttachmentState::PendingAcceptance } else { AttachmentState::Available };
    declared.state.value().copied().unwrap_or(default)
}

/// Whether an attachment is there, though it may wait for acceptance.
fn lives(state: AttachmentState) -> bool {
    matches!(state, AttachmentState::Available | AttachmentState::PendingAcceptance)
}

/// The subnets of an attachment: of its VPC, one in each zone at most (TGW-12), with IPv4 and in no Local Zone (TGW-31).
fn subnets_of(
    cx: &Context<'_>,
    name: &TransitGatewayVpcAttachmentName,
    declared: &DeclaredTransitGatewayVpcAttachment,
    vpc: Option<&VpcName>,
    subnets: &BTreeMap<SubnetName, Subnet>,
) -> BTreeMap<SubnetName, NetworkInterfaceName> {
    if declared.subnets.items.is_empty() && declared.subnets.complete {
        let problem = "a VPC is attached by at least one subnet";
        cx.log.report(
            &declared.subnets.at,
            "MissingParameter",
            problem,
            "name one in each zone to be served",
        );
    }
    let mut chosen: BTreeMap<SubnetName, NetworkInterfaceName> = BTreeMap::new();
    let mut zones: BTreeMap<&str, &SubnetName> = BTreeMap::new();
    for Written { at, value } in &declared.subnets.items {
        // What does not exist has been reported with the interfaces.
        let Some((subnet, facts)) =
            cx.registers.subnets.find(value).and_then(|found| subnets.get_key_value(found))
        else {
            continue;
        };
        let zone = facts.availability_zone.as_str();
        if let Some(vpc) = vpc.filter(|vpc| facts.vpc != **vpc) {
            let problem = format!("the subnet {subnet} belongs to VPC {}, not to VPC {vpc}", facts.vpc);
            cx.log.report(at, "InvalidSubnetID.NotFound", problem, format!("use one of VPC {vpc}"));
        } else if let Some(other) = zones.insert(zone, subnet) {
            let problem = format!("the subnets {other} and {subnet} lie in the same zone, {zone}");
            cx.log.report(at, "DuplicateSubnetsInSameZone", problem, "name one subnet in each zone");
        } else if facts.cidr_block.is_none() {
            let problem = format!("the subnet {subnet} is IPv6-only");
            cx.log.report(at, INVALID, problem, "name a subnet that has IPv4 addresses");
        } else if is_local_zone(zone) {
            let problem = format!("the subnet {subnet} lies in the Local Zone {zone}");
            cx.log.report(at, INVALID, problem, "name a subnet in an availability zone");
        } else {
            let interface = interface_in(cx.registers, ATTACHMENT, name.as_str(), subnet.as_str());
            chosen.insert(subnet.clone(), interface);
        }
    }
    chosen
}

/// Local Zones have longer names: us-west-2-lax-1a.
fn is_local_zone(zone: &str) -> bool {
    zone.split('-').count() > 3
}

/// The blocks that do not propagate: those that overlap one of a VPC that was attached to the gateway before (TGW-11).
/// What was attached in the lab as it is now came before what was not; else the order is that of names.
fn overlaps(
    cx: &Context<'_>,
    vpcs: &BTreeMap<VpcName, Vpc>,
    attachments: &BTreeMap<TransitGatewayVpcAttachmentName, TransitGatewayVpcAttachment>,
) -> Vec<(TransitGatewayVpcAttachmentName, Vec<IpNet>)> {
    let mut in_order: Vec<_> =
        attachments.iter().filter(|(_, a)| a.state == AttachmentState::Available).collect();
    in_order.sort_by_key(|(name, attachment)| {
        let before = cx.previous.and_then(|topology| topology.transit_gateway_vpc_attachments.get(*name));
        match before {
            Some(before) if before.vpc == attachment.vpc => u8::from(!before.not_propagated.is_empty()),
            _ => 2,
        }
    });
    let mut taken: BTreeMap<&TransitGatewayName, Vec<IpNet>> = BTreeMap::new();
    let mut withheld = Vec::new();
    for (name, attachment) in in_order {
        let Some(vpc) = vpcs.get(&attachment.vpc) else { continue };
        let taken = taken.entry(&attachment.transit_gateway).or_default();
        let own: Vec<IpNet> = vpc.cidr_blocks().collect();
        let overlapping = own
            .iter()
            .filter(|block| taken.iter().any(|other| other.contains(*block) || block.contains(other)))
            .copied()
            .collect();
        withheld.push((name.clone(), overlapping));
        taken.extend(own);
    }
    withheld
}

/// The peering attachments whose gateways exist.
pub(super) fn peering_attachments(
    cx: &Context<'_>,
    gateways: &BTreeMap<TransitGatewayName, TransitGateway>,
) -> BTreeMap<TransitGatewayPeeringAttachmentName, TransitGatewayPeeringAttachment> {
    let mut attachments: BTreeMap<TransitGatewayPeeringAttachmentName, TransitGatewayPeeringAttachment> =
        BTreeMap::new();
    for (name, declared) in &cx.declared.transit_gateway_peering_attachments {
        let resolve = |given: &Given<String>| cx.registers.transit_gateways.resolve(cx.log, given.written()?);
        let ends = (resolve(&declared.transit_gateway), resolve(&declared.peer_transit_gateway));
        if cx.registers.transit_gateway_vpc_attachments.find(name.as_str()).is_some() {
            let problem = format!("a VPC attachment has the name {name} too");
            cx.log.report(&declared.at, INVALID, problem, "give every attachment a name of its own");
        }
        let (Some(transit_gateway), Some(peer_transit_gateway)) = ends else { continue };
        if transit_gateway == peer_transit_gateway {
            let problem = format!("the transit gateway {transit_gateway} cannot be its own peer");
            let at = declared.at.attribute("peer_transit_gateway");
            cx.log.report(&at, INVALID, problem, "name another transit gateway");
            continue;
        }
        if let Some(peer) = gateways.get(&peer_transit_gateway) {
            let region = declared.peer_region.written().map(|w| (&w.at, &w.value.0, &peer.home.region));
            let owner = declared.peer_owner.written().map(|w| (&w.at, &w.value.0, &peer.home.owner));
            for (at, told, found) in region.into_iter().chain(owner).filter(|(_, told, found)| told != found)
            {
                let problem = format!("the transit gateway {peer_transit_gateway} says {found}, not {told}");
                let remedy = "leave this out, or say what the transit gateway says";
                cx.log.report(at, "InvalidTransitGatewayID.NotFound", problem, remedy);
            }
        }
        let accepts_itself = declared.auto_accept.written().filter(|written| written.value);
        if let Some(Written { at, .. }) = accepts_itself {
            // TGW-58
            let problem = "a peering attachment waits for its other side, within one account too";
            let remedy = "say `\"state\": \"available\"` for one that it has accepted";
            cx.log.report(at, "InvalidParameterCombination", problem, remedy);
        }
        let state = match declared.state.value() {
            Some(state) => *state,
            // What has been reported causes no further mistakes.
            None if accepts_itself.is_some() || !declared.state.is_absent() => AttachmentState::Available,
            // TGW-58
            None => AttachmentState::PendingAcceptance,
        };
        let twin = attachments.iter().find(|(_, other)| {
            let ends = (&other.transit_gateway, &other.peer_transit_gateway);
            (ends == (&transit_gateway, &peer_transit_gateway)
                || ends == (&peer_transit_gateway, &transit_gateway))
                && lives(other.state)
                && lives(state)
                && !matches!(declared.state, Given::Wrong)
        });
        if let Some((other, _)) = twin {
            let problem = format!("{other} joins {transit_gateway} and {peer_transit_gateway} already");
            let remedy = "two transit gateways have one peering attachment: remove one of the two";
            cx.log.report(&declared.at, "DuplicateTransitGatewayAttachment", problem, remedy);
        }
        let labels = declared.labels.clone();
        attachments.insert(
            name.clone(),
            TransitGatewayPeeringAttachment { transit_gateway, peer_transit_gateway, state, labels },
        );
    }
    attachments
}
