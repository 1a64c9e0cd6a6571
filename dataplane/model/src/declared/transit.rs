//! Transit gateways, their attachments and their route tables, as written.

use ipnet::IpNet;

use crate::declared::hosts::DeclaredInterface;
use crate::declared::{DEFAULT, DeclaredHome, owner_in_name};
use crate::log::{Log, Place};
use crate::name::{
    TransitGatewayName, TransitGatewayPeeringAttachmentName, TransitGatewayRouteTableName,
    TransitGatewayVpcAttachmentName,
};
use crate::reader::{Given, List, Reader, Written};
use crate::resources::{AttachmentState, Labels};
use crate::shape::{Account, Region};

/// A transit gateway as written.
#[derive(Debug)]
pub(crate) struct DeclaredTransitGateway {
    pub(crate) home: DeclaredHome,
    pub(crate) amazon_side_asn: Given<i64>,
    pub(crate) auto_accept_shared_attachments: bool,
    pub(crate) default_route_table_association: bool,
    pub(crate) default_route_table_propagation: bool,
    pub(crate) vpn_ecmp_support: bool,
    pub(crate) dns_support: bool,
    pub(crate) multicast_support: bool,
    pub(crate) security_group_referencing_support: bool,
    pub(crate) cidr_blocks: List<IpNet>,
    pub(crate) labels: Labels,
}

/// A VPC attachment as written.
#[derive(Debug)]
pub(crate) struct DeclaredTransitGatewayVpcAttachment {
    pub(crate) at: Place,
    pub(crate) transit_gateway: Given<String>,
    pub(crate) vpc: Given<String>,
    pub(crate) subnets: List<String>,
    /// What its interface in each of the subnets will be.
    pub(crate) interfaces: Vec<DeclaredInterface>,
    pub(crate) appliance_mode_support: bool,
    pub(crate) ipv6_support: bool,
    pub(crate) dns_support: bool,
    pub(crate) security_group_referencing_support: bool,
    pub(crate) joins: DeclaredJoins,
    pub(crate) state: Given<AttachmentState>,
    pub(crate) labels: Labels,
}

/// A peering attachment as written.
#[derive(Debug)]
pub(crate) struct DeclaredTransitGatewayPeeringAttachment {
    pub(crate) at: Place,
    pub(crate) transit_gateway: Given<String>,
    pub(crate) peer_transit_gateway: Given<String>,
    pub(crate) peer_region: Given<Region>,
    pub(crate) peer_owner: Given<Account>,
    pub(crate) auto_accept: Given<bool>,
    pub(crate) state: Given<AttachmentState>,
    pub(crate) labels: Labels,
}

/// Whether an attachment joins the default table of its gateway, as far as the gateway has one (TGW-03).
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeclaredJoins {
    pub(crate) association: bool,
    pub(crate) propagation: bool,
}

/// A route table of a transit gateway as written.
#[derive(Debug)]
pub(crate) struct DeclaredTransitGatewayRouteTable {
    pub(crate) transit_gateway: Given<String>,
    pub(crate) associations: List<String>,
    pub(crate) propagations: List<String>,
    pub(crate) routes: Vec<DeclaredTransitGatewayRoute>,
    pub(crate) labels: Labels,
}

/// A static route of a transit gateway as written.
#[derive(Debug)]
pub(crate) struct DeclaredTransitGatewayRoute {
    pub(crate) at: Place,
    pub(crate) destination: Given<IpNet>,
    pub(crate) prefix_list: Given<String>,
    pub(crate) attachment: Given<String>,
    pub(crate) blackhole: bool,
}

impl DeclaredTransitGateway {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &TransitGatewayName) -> Self {
        /// What fits into four bytes; which of them are right is for the rules to say.
        const ASN: std::ops::RangeInclusive<i64> = 1..=4_294_967_295;
        Self {
            home: DeclaredHome::read(reader),
            amazon_side_asn: reader.number(&["amazon_side_asn"], ASN),
            auto_accept_shared_attachments: reader.switch("auto_accept_shared_attachments", false),
            default_route_table_association: reader.switch("default_route_table_association", true),
            default_route_table_propagation: reader.switch("default_route_table_propagation", true),
            vpn_ecmp_support: reader.switch("vpn_ecmp_support", true),
            dns_support: reader.switch("dns_support", true),
            multicast_support: reader.switch("multicast_support", false),
            security_group_referencing_support: reader.switch("security_group_referencing_support", false),
            cidr_blocks: reader.list(&["transit_gateway_cidr_blocks"]),
            labels: reader.labels(),
        }
    }
}

impl DeclaredTransitGatewayVpcAttachment {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &TransitGatewayVpcAttachmentName) -> Self {
        let at = reader.at().clone();
        let subnets: List<String> = reader.list(&["subnets", "subnet_ids"]);
        let ipv6_support = reader.switch("ipv6_support", false);
        let interfaces = subnets
            .items
            .iter()
            .map(|subnet| DeclaredInterface::of_attachment(at.clone(), subnet.clone(), ipv6_support))
            .collect();
        Self {
            transit_gateway: reader
                .require(&["transit_gateway", "transit_gateway_id"], "the name of a transit gateway"),
            vpc: reader.require(&["vpc", "vpc_id"], "the name of a VPC"),
            subnets,
            interfaces,
            appliance_mode_support: reader.switch("appliance_mode_support", false),
            ipv6_support,
            dns_support: reader.switch("dns_support", true),
            security_group_referencing_support: reader.switch("security_group_referencing_support", true),
            joins: DeclaredJoins::read(reader),
            state: reader.take(&["state"]),
            labels: reader.labels(),
            at,
        }
    }
}

impl DeclaredJoins {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            association: reader.switch("transit_gateway_default_route_table_association", true),
            propagation: reader.switch("transit_gateway_default_route_table_propagation", true),
        }
    }
}

impl DeclaredTransitGatewayPeeringAttachment {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &TransitGatewayPeeringAttachmentName) -> Self {
        let name = "the name of a transit gateway";
        Self {
            at: reader.at().clone(),
            transit_gateway: reader.require(&["transit_gateway", "transit_gateway_id"], name),
            peer_transit_gateway: reader.require(&["peer_transit_gateway", "peer_transit_gateway_id"], name),
            peer_region: reader.take(&["peer_region"]),
            peer_owner: reader.take(&["peer_owner", "peer_account_id"]),
            auto_accept: reader.take(&["auto_accept"]),
            state: reader.take(&["state"]),
            labels: reader.labels(),
        }
    }
}

impl DeclaredTransitGatewayRouteTable {
    pub(super) fn read(reader: &mut Reader<'_>, log: &Log, name: &TransitGatewayRouteTableName) -> Self {
        Self {
            transit_gateway: gateway_of(reader, name),
            associations: reader.list(&["associations"]),
            propagations: reader.list(&["propagations"]),
            routes: reader
                .objects(&["routes", "route"])
                .into_iter()
                .flatten()
                .map(|(at, object)| {
                    let reader = Reader::new(log, at, object, "a route of a transit gateway");
                    DeclaredTransitGatewayRoute::read(reader)
                })
                .collect(),
            labels: reader.labels(),
        }
    }
}

impl DeclaredTransitGatewayRoute {
    fn read(mut reader: Reader<'_>) -> Self {
        let route = Self {
            at: reader.at().clone(),
            destination: reader.take(&["destination_cidr_block", "cidr_block"]),
            prefix_list: reader.take(&["prefix_list", "prefix_list_id", "destination_prefix_list"]),
            attachment: reader.take(&[
                "attachment",
                "transit_gateway_attachment",
                "transit_gateway_attachment_id",
            ]),
            blackhole: reader.flag(&["blackhole"], false),
        };
        reader.finish();
        route
    }
}

/// The attribute `transit_gateway`, which a qualified name such as `hub/default` implies.
fn gateway_of(reader: &mut Reader<'_>, name: &TransitGatewayRouteTableName) -> Given<String> {
    const NAMES: &[&str] = &["transit_gateway", "transit_gateway_id"];
    let Some(implied) = owner_in_name(name, DEFAULT) else {
        return reader.require(NAMES, "the name of a transit gateway");
    };
    let implied = TransitGatewayName::new(implied.as_str());
    match reader.take::<String>(NAMES) {
        Given::Absent => {
            Given::Right(Written { at: reader.at().clone(), value: implied.as_str().to_owned() })
        }
        Given::Right(Written { at, value }) if value != implied.as_str() && value != implied.id() => {
            let problem = format!("the name says that it belongs to {implied}, this says {value}");
            reader.report(&at, "InvalidParameterValue", problem, format!("leave it out, or say {implied}"));
            Given::Wrong
        }
        given => given,
    }
}
