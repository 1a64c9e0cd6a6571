//! What does an attachment look like to each of its gateways?
//!
//! A side says what it propagates; tables ask nothing else of what is behind it.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::declared::DeclaredJoins;
use crate::log::Place;
use crate::name::{
    TransitGatewayName, TransitGatewayPeeringAttachmentName, TransitGatewayVpcAttachmentName, VpcName,
};
use crate::nearest::nearest;
use crate::reader::Written;
use crate::register::Context;
use crate::resources::{
    AttachmentName, AttachmentState, AwsEnd, TransitGatewayPeeringAttachment, TransitGatewayRouteSource,
    TransitGatewayVpcAttachment, Vpc,
};
use crate::rules::links::Links;

/// The code for an attachment that is not there (ERR-27).
const NO_ATTACHMENT: &str = "InvalidTransitGatewayAttachmentID.NotFound";

/// One side of an attachment: the gateway that it is attached to there. A peering attachment has two.
pub(super) struct Side<'a> {
    pub(super) gateway: &'a TransitGatewayName,
    pub(super) name: AttachmentName,
    pub(super) state: AttachmentState,
    pub(super) joins: DeclaredJoins,
    /// What it propagates, and what kind of route that makes; nothing for one that cannot propagate (TGW-18).
    pub(super) propagates: Option<(TransitGatewayRouteSource, Vec<Propagated>)>,
}

/// A block that an attachment propagates, with what BGP says about it; nothing of a VPC's.
#[derive(Clone, Default)]
pub(super) struct Propagated {
    pub(super) destination: IpNet,
    pub(super) as_path: Vec<u32>,
    pub(super) med: u32,
}

impl Side<'_> {
    /// Whether tables can be joined to it: only what is in use can be (TGW-58).
    pub(super) fn can_join(&self, cx: &Context<'_>, at: &Place) -> bool {
        let is_in_use = self.state == AttachmentState::Available;
        if !is_in_use {
            let problem = format!("the attachment {} is not available", self.name);
            let remedy = "have it accepted: `state: \"available\"`";
            cx.log.report(at, "IncorrectState", problem, remedy);
        }
        is_in_use
    }
}

/// Every attachment as each of its gateways sees it.
pub(super) fn sides<'a>(
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
pub(super) fn private_sides(links: &Links) -> Vec<Side<'_>> {
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

/// The side of an attachment that a table of `gateway` names, or a report.
pub(super) fn side<'a, 'b>(
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
