//! What is attached to a transit gateway, and where do its tables lead? (area TGW)

mod attachments;
mod in_force;
mod sides;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use self::attachments::{peering_attachments, vpc_attachments};
use self::sides::{private_sides, sides};
use self::tables::route_tables;
use crate::log::Place;
use crate::name::{
    ManagedPrefixListName, SubnetName, TransitGatewayName, TransitGatewayPeeringAttachmentName,
    TransitGatewayRouteTableName, TransitGatewayVpcAttachmentName, VpcName,
};
use crate::reader::Written;
use crate::register::Context;
use crate::resources::{
    ManagedPrefixList, Subnet, TransitGateway, TransitGatewayPeeringAttachment, TransitGatewayRouteTable,
    TransitGatewayVpcAttachment, Vpc, default_table_of,
};
use crate::rules::links::Links;
use crate::space::LINK_LOCAL;

/// The code for a value that is not allowed.
const INVALID: &str = "InvalidParameterValue";

/// Everything of transit gateways that exists.
#[derive(Debug, Default)]
pub(super) struct Transit {
    pub(super) gateways: BTreeMap<TransitGatewayName, TransitGateway>,
    pub(super) vpc_attachments: BTreeMap<TransitGatewayVpcAttachmentName, TransitGatewayVpcAttachment>,
    pub(super) peering_attachments:
        BTreeMap<TransitGatewayPeeringAttachmentName, TransitGatewayPeeringAttachment>,
    pub(super) route_tables: BTreeMap<TransitGatewayRouteTableName, TransitGatewayRouteTable>,
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
            labels: declared.labels.clone(),
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
