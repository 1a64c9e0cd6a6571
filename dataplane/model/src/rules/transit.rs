//! What is attached to a transit gateway, and where do its tables lead? (area TGW)

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::declared::{DeclaredJoins, DeclaredTransitGatewayRoute, DeclaredTransitGatewayVpcAttachment};
use crate::log::Place;
use crate::name::{
    Kind, ManagedPrefixListName, NetworkInterfaceName, SubnetName, TransitGatewayName,
    TransitGatewayPeeringAttachmentName, TransitGatewayRouteTableName, TransitGatewayVpcAttachmentName,
    VpcName, kind,
};
use crate::nearest::nearest;
use crate::reader::{Given, Written};
use crate::register::{Context, interface_in};
use crate::resources::{
    AttachmentName, AttachmentState, AwsEnd, ManagedPrefixList, Subnet, TransitGateway,
    TransitGatewayPeeringAttachment, TransitGatewayRoute, TransitGatewayRouteSource,
    TransitGatewayRouteState, TransitGatewayRouteTable, TransitGatewayVpcAttachment, Vpc, default_table_of,
};
use crate::rules::links::Links;
use crate::space::LINK_LOCAL;

/// The code for a value that is not allowed.
const INVALID: &str = "InvalidParameterValue";

/// The code for an attachment that is not there (ERR-27).
const NO_ATTACHMENT: &str = "InvalidTransitGatewayAttachmentID.NotFound";

/// What names of attachments' interfaces begin with.
const ATTACHMENT: &str = kind::TransitGatewayVpcAttachment::ID_PREFIX;

/// Everything of transit gateways that exists.
#[derive(Debug, Default)]
pub(super) struct Transit {
    pub(super) gateways: BTreeMap<TransitGatewayName, TransitGateway>,
    pub(super) vpc_attachments: BTreeMap<TransitGatewayVpcAttachmentName, TransitGatewayVpcAttachment>,
    pub(super) peering_attachments:
        BTreeMap<TransitGatewayPeeringAttachmentName, TransitGatewayPeeringAttachment>,
    pub(super) route_tables: BTreeMap<TransitGatewayRouteTableName, TransitGatewayRouteTable>,
}

/// One side of an attachment: the gateway that it is attached to there. A peering attachment has two.
struct Side<'a> {
    gateway: &'a TransitGatewayName,
    name: AttachmentName,
    state: AttachmentState,
    joins: DeclaredJoins,
    /// What it propagates, and what kind of route that makes; nothing for one that cannot propagate (TGW-18).
    propagates: Option<(TransitGatewayRouteSource, Vec<Propagated>)>,
}

/// A block that an attachment propagates, with what BGP says about it; nothing of a VPC's.
#[derive(Clone, Default)]
struct Propagated {
    destination: IpNet,
    as_path: Vec<u32>,
    med: u32,
}

/// A route that could be in force: of those for one destination the preferred one is.
struct Candidate {
    destination: IpNet,
    source: TransitGatewayRouteSource,
    /// None in a blackhole.
    attachment: Option<AttachmentName>,
    state: TransitGatewayRouteState,
    as_path: Vec<u32>,
    med: u32,
}

/// The gateways, what is attached to them, and their tables.
pub(super) fn build(
    cx: &Context<'_>,
    vpcs: &BTreeMap<VpcName, Vpc>,
    subnets: &BTreeMap<SubnetName, Subnet>,
    links: &Links,
    lists: &BTreeMap<ManagedPrefixListName, ManagedPrefixList>,
) -> Transit {
    let gateways = gateways(cx);
    let vpc_attachments = vpc_attachments(cx, &gateways, vpcs, subnets);
    let peering_attachments = peering_attachments(cx, &gateways);
    let mut sides = sides(cx, vpcs, &vpc_attachments, &peering_attachments);
    sides.extend(private_sides(links));
    let route_tables = route_tables(cx, &gateways, &sides, lists);
    Transit { gateways, vpc_attachments, peering_attachments, route_tables }
}

/// Whether a rule of a group in one VPC may refer to a group in another because a transit gateway joins them: its switch
/// and those of both attachments are on (SG-11). Inbound rules only (SG-10, TGW-40).
pub(super) fn joins_groups(cx: &Context<'_>, here: &VpcName, there: &VpcName) -> bool {
    let attachments = &cx.declared.transit_gateway_vpc_attachments;
    let gateways_of = |vpc: &VpcName| -> BTreeSet<TransitGatewayName> {
        attachments
            .iter()
            .filter(|(name, attachment)| {
                attachment.security_group_referencing_support
                    && cx.registers.transit_gateway_vpc_attachments.owner(name) == Some(vpc)
            })
            .filter_map(|(_, attachment)| {
                cx.registers.transit_gateways.find(attachment.transit_gateway.value()?).cloned()
            })
            .filter(|gateway| {
                cx.declared
                    .transit_gateways
                    .get(gateway)
                    .is_some_and(|gateway| gateway.security_group_referencing_support)
            })
            .collect()
    };
    !gateways_of(here).is_disjoint(&gateways_of(there))
}

fn gateways(cx: &Context<'_>) -> BTreeMap<TransitGatewayName, TransitGateway> {
    /// TGW-27
    const DEFAULT_ASN: u32 = 64_512;
    let mut gateways = BTreeMap::new();
    for (name, declared) in &cx.declared.transit_gateways {
        let asn = declared.amazon_side_asn.written();
        if let Some(Written { at, value }) = asn
            && !(64_512..=65_534).contains(value)
            && !(4_200_000_000..=4_294_967_294).contains(value)
        {
            let problem = format!("{value} is not a private autonomous system");
            cx.log.report(at, INVALID, problem, "give 64512 to 65534, or 4200000000 to 4294967294");
        }
        check_own_blocks(cx, &declared.cidr_blocks.items, &declared.cidr_blocks.at);
        let (association, propagation) =
            (declared.default_route_table_association, declared.default_route_table_propagation);
        let gateway = TransitGateway {
            home: declared.home.settle(cx).unwrap_or_default(),
            amazon_side_asn: asn.and_then(|asn| u32::try_from(asn.value).ok()).unwrap_or(DEFAULT_ASN),
            auto_accept_shared_attachments: declared.auto_accept_shared_attachments,
            default_route_table_association: association,
            default_route_table_propagation: propagation,
            default_route_table: (association || propagation).then(|| default_table_of(name)),
            vpn_ecmp_support: declared.vpn_ecmp_support,
            dns_support: declared.dns_support,
            multicast_support: declared.multicast_support,
            security_group_referencing_support: declared.security_group_referencing_support,
            transit_gateway_cidr_blocks: declared.cidr_blocks.items.iter().map(|b| b.value).collect(),
            tags: declared.tags.clone(),
        };
        gateways.insert(name.clone(), gateway);
    }
    gateways
}

/// TGW-39
fn check_own_blocks(cx: &Context<'_>, blocks: &[Written<IpNet>], at: &Place) {
    const MOST: usize = 5;
    if blocks.len() > MOST {
        let problem = format!("{} blocks are more than a transit gateway has", blocks.len());
        cx.log.report(at, INVALID, problem, format!("give at most {MOST}"));
    }
    for Written { at, value } in blocks {
        let (longest, link_local) = match value {
            IpNet::V4(block) => (24, LINK_LOCAL.contains(block)),
            IpNet::V6(_) => (64, false),
        };
        if value.prefix_len() > longest {
            let problem = format!("{value} is too small for a block of a transit gateway");
            cx.log.report(at, INVALID, problem, format!("give a /{longest} or a larger one"));
        } else if link_local {
            let problem = format!("{value} lies in {LINK_LOCAL}");
            cx.log.report(at, INVALID, problem, "choose another block");
        }
    }
}

/// The VPC attachments whose gateway and VPC exist.
fn vpc_attachments(
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
                tags: declared.tags.clone(),
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
fn peering_attachments(
    cx: &Context<'_>,
    gateways: &BTreeMap<TransitGatewayName, TransitGateway>,
) -> BTreeMap<TransitGatewayPeeringAttachmentName, TransitGatewayPeeringAttachment> {
    let mut attachments = BTreeMap::new();
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
        let accepted = declared.auto_accept.written();
        if let (Some(accepted), Some(state)) = (accepted, declared.state.written())
            && accepted.value != (state.value == AttachmentState::Available)
        {
            let problem = "this and `auto_accept` contradict each other";
            cx.log.report(&state.at, "InvalidParameterCombination", problem, "give one of the two");
        }
        let state = match (declared.state.value(), accepted) {
            (Some(state), _) => *state,
            (None, Some(Written { value: true, .. })) => AttachmentState::Available,
            // TGW-58
            _ => AttachmentState::PendingAcceptance,
        };
        let tags = declared.tags.clone();
        attachments.insert(
            name.clone(),
            TransitGatewayPeeringAttachment { transit_gateway, peer_transit_gateway, state, tags },
        );
    }
    attachments
}

/// Every attachment as each of its gateways sees it.
fn sides<'a>(
    cx: &Context<'_>,
    vpcs: &BTreeMap<VpcName, Vpc>,
    vpc_attachments: &'a BTreeMap<TransitGatewayVpcAttachmentName, TransitGatewayVpcAttachment>,
    peering_attachments: &'a BTreeMap<TransitGatewayPeeringAttachmentName, TransitGatewayPeeringAttachment>,
) -> Vec<Side<'a>> {
    let mut sides = Vec::new();
    for (name, attachment) in vpc_attachments {
        let blocks = vpcs.get(&attachment.vpc).into_iter().flat_map(Vpc::cidr_blocks);
        // TGW-11, TGW-55
        let propagated = blocks
            .filter(|block| attachment.ipv6_support || block.addr().is_ipv4())
            .filter(|block| !attachment.not_propagated.contains(block))
            .map(|destination| Propagated { destination, ..Propagated::default() })
            .collect();
        sides.push(Side {
            gateway: &attachment.transit_gateway,
            name: AttachmentName::Vpc(name.clone()),
            state: attachment.state,
            joins: cx.declared.transit_gateway_vpc_attachments[name].joins,
            propagates: Some((TransitGatewayRouteSource::Vpc, propagated)),
        });
    }
    for (name, attachment) in peering_attachments {
        for gateway in [&attachment.transit_gateway, &attachment.peer_transit_gateway] {
            sides.push(Side {
                gateway,
                name: AttachmentName::Peering(name.clone()),
                state: attachment.state,
                joins: DeclaredJoins { association: true, propagation: true },
                propagates: None,
            });
        }
    }
    sides
}

/// Attachments of VPN connections and Direct Connect gateways. A static connection propagates nothing: its routes are
/// static ones of the table.
fn private_sides(links: &Links) -> Vec<Side<'_>> {
    let side = |gateway, name, source, routes: Vec<Propagated>| Side {
        gateway,
        name,
        state: AttachmentState::Available,
        joins: DeclaredJoins { association: true, propagation: true },
        propagates: Some((source, routes)),
    };
    let mut sides = Vec::new();
    for (name, connection) in &links.vpn_connections {
        let AwsEnd::TransitGateway(gateway) = &connection.gateway else { continue };
        // TGW-07
        const NO_MED: u32 = 100;
        let announced = connection.bgp_routes.iter().filter(|_| connection.is_up()).map(|route| Propagated {
            destination: route.destination,
            as_path: route.as_path.clone(),
            med: route.med.unwrap_or(NO_MED),
        });
        let name = AttachmentName::Vpn(name.clone());
        sides.push(side(gateway, name, TransitGatewayRouteSource::Vpn, announced.collect()));
    }
    for (name, association) in &links.dx_gateway_associations {
        let AwsEnd::TransitGateway(gateway) = &association.gateway else { continue };
        let mut announced: Vec<Propagated> = Vec::new();
        for route in association.routes.iter().filter(|route| route.in_use) {
            // Virtual interfaces that share a destination are one attachment.
            if announced.iter().all(|other| other.destination != route.destination) {
                let (destination, as_path, med) = (route.destination, route.as_path.clone(), route.med);
                announced.push(Propagated { destination, as_path, med });
            }
        }
        let name = AttachmentName::DxGateway(name.clone());
        sides.push(side(gateway, name, TransitGatewayRouteSource::DxGateway, announced));
    }
    sides
}

/// The tables whose gateway exists.
fn route_tables(
    cx: &Context<'_>,
    gateways: &BTreeMap<TransitGatewayName, TransitGateway>,
    sides: &[Side<'_>],
    lists: &BTreeMap<ManagedPrefixListName, ManagedPrefixList>,
) -> BTreeMap<TransitGatewayRouteTableName, TransitGatewayRouteTable> {
    let register = &cx.registers.transit_gateway_route_tables;
    let mut owners: BTreeMap<&TransitGatewayRouteTableName, TransitGatewayName> = BTreeMap::new();
    for (name, _) in register.iter() {
        let declared = cx.declared.transit_gateway_route_tables.get(name);
        let gateway = match declared {
            Some(table) => table
                .transit_gateway
                .written()
                .and_then(|written| cx.registers.transit_gateways.resolve(cx.log, written)),
            None => gateways.keys().find(|gateway| default_table_of(gateway) == *name).cloned(),
        };
        owners.extend(gateway.map(|gateway| (name, gateway)));
    }
    let mut tables = BTreeMap::new();
    // Associations that the document states, before those by default: an attachment has one in each gateway (TGW-02).
    let mut associated: BTreeMap<(&TransitGatewayName, AttachmentName), &TransitGatewayRouteTableName> =
        BTreeMap::new();
    for (name, gateway) in &owners {
        let declared = cx.declared.transit_gateway_route_tables.get(*name);
        for written in declared.iter().flat_map(|table| &table.associations.items) {
            let Some(side) = joining_side(cx, written, gateway, sides) else { continue };
            if let Some(other) = associated.insert((gateway, side.name.clone()), name) {
                let problem = format!("the attachment {} is associated with {other} too", side.name);
                let remedy = "an attachment has one table: remove one of the two";
                cx.log.report(&written.at, "Resource.AlreadyAssociated", problem, remedy);
            }
        }
    }
    for side in sides.iter().filter(|side| side.state == AttachmentState::Available) {
        let default = gateways.get(side.gateway).filter(|g| g.default_route_table_association);
        if let Some(table) = default.and_then(|gateway| gateway.default_route_table.as_ref())
            && side.joins.association
            && let Some((table, _)) = owners.get_key_value(table)
        {
            associated.entry((side.gateway, side.name.clone())).or_insert(table);
        }
    }
    for (name, gateway) in &owners {
        let declared = cx.declared.transit_gateway_route_tables.get(*name);
        let mut propagations: BTreeSet<AttachmentName> = BTreeSet::new();
        for written in declared.iter().flat_map(|table| &table.propagations.items) {
            let Some(side) = joining_side(cx, written, gateway, sides) else { continue };
            if side.propagates.is_none() {
                // TGW-18
                let problem = format!("a peering attachment such as {} propagates nothing", side.name);
                let remedy = "give static routes to it in `routes`";
                cx.log.report(&written.at, INVALID, problem, remedy);
                continue;
            }
            propagations.insert(side.name.clone());
        }
        let settings = gateways.get(gateway);
        let is_default = settings.is_some_and(|gateway| {
            gateway.default_route_table_propagation && gateway.default_route_table.as_ref() == Some(*name)
        });
        let own = || sides.iter().filter(|side| side.gateway == gateway);
        if is_default {
            let joining =
                own().filter(|side| side.state == AttachmentState::Available && side.joins.propagation);
            propagations.extend(joining.filter(|s| s.propagates.is_some()).map(|side| side.name.clone()));
        }
        let mut candidates = Vec::new();
        for written in declared.iter().flat_map(|table| &table.routes) {
            declared_route(cx, written, gateway, sides, lists, &mut candidates);
        }
        for side in own().filter(|side| propagations.contains(&side.name)) {
            let Some((source, blocks)) = &side.propagates else { continue };
            candidates.extend(blocks.iter().map(|propagated| Candidate {
                destination: propagated.destination,
                source: *source,
                attachment: Some(side.name.clone()),
                state: TransitGatewayRouteState::Active,
                as_path: propagated.as_path.clone(),
                med: propagated.med,
            }));
        }
        tables.insert(
            (*name).clone(),
            TransitGatewayRouteTable {
                transit_gateway: gateway.clone(),
                associations: associated
                    .iter()
                    .filter(|((_, _), table)| *table == name)
                    .map(|((_, attachment), _)| attachment.clone())
                    .collect(),
                propagations: propagations.into_iter().collect(),
                routes: in_force(candidates, settings.is_some_and(|gateway| gateway.vpn_ecmp_support)),
                tags: declared.map(|table| table.tags.clone()).unwrap_or_default(),
            },
        );
    }
    tables
}

/// The side of an attachment that a table of `gateway` names, or a report.
fn side<'a, 'b>(
    cx: &Context<'_>,
    written: &Written<String>,
    gateway: &TransitGatewayName,
    sides: &'b [Side<'a>],
) -> Option<&'b Side<'a>> {
    let vpc = cx.registers.transit_gateway_vpc_attachments.find(&written.value);
    let peering = cx.registers.transit_gateway_peering_attachments.find(&written.value);
    let vpn = cx.registers.vpn_connections.find(&written.value);
    let dx = cx.registers.dx_gateway_associations.find(&written.value);
    let name = vpc
        .cloned()
        .map(AttachmentName::Vpc)
        .or_else(|| peering.cloned().map(AttachmentName::Peering))
        .or_else(|| vpn.cloned().map(AttachmentName::Vpn))
        .or_else(|| dx.cloned().map(AttachmentName::DxGateway));
    let Some(name) = name else {
        let names = || sides.iter().map(|side| side.name.as_str());
        let remedy = match nearest(&written.value, names()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "declare it under `transit_gateway_vpc_attachments` or \
                     `transit_gateway_peering_attachments`"
                .to_owned(),
        };
        let problem = format!("there is no attachment \"{}\"", written.value);
        cx.log.report(&written.at, NO_ATTACHMENT, problem, remedy);
        return None;
    };
    let found = sides.iter().find(|side| side.name == name && side.gateway == gateway);
    // One that is broken has been reported.
    if found.is_none() && sides.iter().any(|side| side.name == name) {
        let problem = format!("the attachment {name} is not one of {gateway}");
        cx.log.report(&written.at, NO_ATTACHMENT, problem, format!("use one of {gateway}"));
    }
    found
}

/// The same for what only an attachment in use can do (TGW-58).
fn joining_side<'a, 'b>(
    cx: &Context<'_>,
    written: &Written<String>,
    gateway: &TransitGatewayName,
    sides: &'b [Side<'a>],
) -> Option<&'b Side<'a>> {
    let side = side(cx, written, gateway, sides)?;
    if side.state != AttachmentState::Available {
        let problem = format!("the attachment {} is not available", side.name);
        let remedy = "have it accepted: `state: \"available\"`";
        cx.log.report(&written.at, "IncorrectState", problem, remedy);
        return None;
    }
    Some(side)
}

/// A declared route: to an attachment or into a blackhole, one for each destination (TGW-10); or a reference to a prefix
/// list, which makes as many routes as the list has entries (TGW-43).
fn declared_route(
    cx: &Context<'_>,
    written: &DeclaredTransitGatewayRoute,
    gateway: &TransitGatewayName,
    sides: &[Side<'_>],
    lists: &BTreeMap<ManagedPrefixListName, ManagedPrefixList>,
    candidates: &mut Vec<Candidate>,
) {
    let Some((attachment, state)) = target(cx, written, gateway, sides) else { return };
    let candidate = |destination, source| Candidate {
        destination,
        source,
        attachment: attachment.clone(),
        state,
        as_path: Vec::new(),
        med: 0,
    };
    match (&written.destination, &written.prefix_list) {
        (Given::Right(destination), Given::Absent) => {
            let source = TransitGatewayRouteSource::Static;
            let mut declared = candidates.iter().filter(|other| other.source == source);
            match declared.find(|other| other.destination == destination.value) {
                // To say the same twice is no mistake (OQ-28).
                Some(other) if other.attachment == attachment => {}
                Some(_) => cx.log.report(
                    &destination.at,
                    "RouteAlreadyExists",
                    format!("the table already has a route for {} with another target", destination.value),
                    "keep one of the two",
                ),
                None => candidates.push(candidate(destination.value, source)),
            }
        }
        (Given::Absent, Given::Right(reference)) => {
            let Some(name) = cx.registers.managed_prefix_lists.resolve(cx.log, reference) else { return };
            let blocks = lists.get(&name).into_iter().flat_map(ManagedPrefixList::blocks);
            candidates.extend(blocks.map(|block| candidate(block, TransitGatewayRouteSource::PrefixList)));
        }
        (Given::Right(_), Given::Right(reference)) => {
            let problem = "a route has one destination";
            cx.log.report(&reference.at, "InvalidParameterCombination", problem, "make two routes of it");
        }
        (Given::Absent, Given::Absent) => {
            let remedy = "give `destination_cidr_block` or `prefix_list`";
            cx.log.report(&written.at, "MissingParameter", "the route has no destination", remedy);
        }
        (Given::Wrong, _) | (_, Given::Wrong) => {}
    }
}

/// Where a declared route leads; no attachment stands for a blackhole.
fn target(
    cx: &Context<'_>,
    written: &DeclaredTransitGatewayRoute,
    gateway: &TransitGatewayName,
    sides: &[Side<'_>],
) -> Option<(Option<AttachmentName>, TransitGatewayRouteState)> {
    match (&written.attachment, written.blackhole) {
        (Given::Wrong, _) => None,
        (Given::Absent, true) => Some((None, TransitGatewayRouteState::Blackhole)),
        (Given::Right(reference), true) => {
            let problem = "a blackhole leads to no attachment";
            cx.log.report(&reference.at, "InvalidParameterCombination", problem, "give one of the two");
            None
        }
        (Given::Absent, false) => {
            let remedy = "give `attachment`, or `blackhole: true`";
            cx.log.report(&written.at, "MissingParameter", "the route leads nowhere", remedy);
            None
        }
        (Given::Right(reference), false) => {
            let side = side(cx, reference, gateway, sides)?;
            if side.state == AttachmentState::PendingAcceptance {
                // TGW-58
                let problem = format!("the attachment {} waits for acceptance", side.name);
                let remedy = "have it accepted: `state: \"available\"`";
                cx.log.report(&reference.at, "IncorrectState", problem, remedy);
                return None;
            }
            // A route outlives its attachment, and leads nowhere then (TGW-09).
            let works = side.state == AttachmentState::Available;
            let state =
                if works { TransitGatewayRouteState::Active } else { TransitGatewayRouteState::Blackhole };
            Some((Some(side.name.clone()), state))
        }
    }
}

/// Of the routes for each destination the preferred one (TGW-05..TGW-07), in the order of destinations. Equal ones of
/// VPN connections, where the gateway says so, and of Direct Connect gateways share the flows; of the rest the
/// first stays (TGW-19).
fn in_force(mut candidates: Vec<Candidate>, vpn_shares: bool) -> Vec<TransitGatewayRoute> {
    candidates.sort_by_key(|c| (c.destination, c.source, c.as_path.len(), c.med));
    let mut routes: Vec<TransitGatewayRoute> = Vec::new();
    let mut first: Option<Candidate> = None;
    for candidate in candidates {
        match (&first, routes.last_mut()) {
            (Some(best), Some(route)) if best.destination == candidate.destination => {
                let shares = match candidate.source {
                    TransitGatewayRouteSource::Vpn => vpn_shares,
                    TransitGatewayRouteSource::DxGateway => true,
                    _ => false,
                };
                let equals = (best.source, best.med) == (candidate.source, candidate.med)
                    && best.as_path == candidate.as_path;
                if shares && equals {
                    route.attachments.extend(candidate.attachment);
                }
            }
            _ => {
                routes.push(TransitGatewayRoute {
                    destination: candidate.destination,
                    attachments: candidate.attachment.iter().cloned().collect(),
                    source: candidate.source,
                    state: candidate.state,
                });
                first = Some(candidate);
            }
        }
    }
    routes
}
