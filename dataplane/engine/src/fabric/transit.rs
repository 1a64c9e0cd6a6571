//! What does a transit gateway read?
//!
//! What is attached to it, and the tables that lead from one attachment to another.

use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_model::{TransitGatewayName, TransitGatewayRouteTableName};

use super::{LinkTable, Prefixes};
use crate::index::{
    AttachmentIdx, EniIdx, LinkIdx, NotModelledIdx, SubnetIdx, TransitIdx, TransitTableIdx, VpcIdx,
};

/// A transit gateway.
#[derive(Debug)]
pub struct TransitGateway {
    /// Its name.
    pub name: TransitGatewayName,
}

/// What is attached to a transit gateway, as the gateway sees it.
#[derive(Debug)]
pub struct TransitAttachment {
    /// Its name, which no other attachment has but the other side of the same one.
    pub name: Box<str>,
    /// The gateway.
    pub gateway: TransitIdx,
    /// The table that its packets are looked up in (TGW-04).
    pub table: Option<TransitTableIdx>,
    /// What is attached.
    pub end: AttachmentEnd,
    /// What of it is not known: the attachment, its gateway, or what is attached.
    pub unknown: Option<NotModelledIdx>,
}

/// What an attachment leads to.
#[derive(Debug)]
pub enum AttachmentEnd {
    /// A VPC.
    Vpc(VpcAttachment),
    /// Another transit gateway: the same attachment as that one sees it.
    Peering(AttachmentIdx),
    /// A VPN connection.
    Vpn(LinkIdx),
    /// A Direct Connect gateway, with what is behind its virtual interfaces.
    DxGateway(Box<LinkTable>),
}

/// A VPC at a transit gateway.
#[derive(Debug)]
pub struct VpcAttachment {
    /// The VPC.
    pub vpc: VpcIdx,
    /// The attachment's interfaces with their subnets, one in each zone that it serves (TGW-12).
    pub doors: Vec<(SubnetIdx, EniIdx)>,
    /// Whether both directions of a flow use the same interface (TGW-22).
    pub appliance_mode: bool,
    /// Whether zones have a say in which interface that is: only while something propagates to the attachment's table
    /// (TGW-52, TGW-54).
    pub knows_zones: bool,
    /// Whether references to groups of other VPCs work across it (SG-11).
    pub refers_to_groups: bool,
}

/// A route table of a transit gateway.
#[derive(Debug)]
pub struct TransitTable {
    /// Its name.
    pub name: TransitGatewayRouteTableName,
    /// Its routes.
    pub routes: Vec<TransitRoute>,
    /// Why there may be other routes.
    pub unknown: Option<NotModelledIdx>,
    pub(crate) prefixes: Prefixes,
}

/// A compiled route of a transit gateway.
#[derive(Debug, Clone)]
pub struct TransitRoute {
    /// Destinations.
    pub destination: IpNet,
    /// Where packets go: one attachment, or several that share the flows (TGW-19); none in a blackhole (TGW-08).
    pub attachments: Vec<AttachmentIdx>,
    /// Where they might go in place of the first: one is used, and nothing says which (TGW-19).
    pub equals: Vec<AttachmentIdx>,
}

impl TransitTable {
    /// The longest matching route (TGW-05).
    pub fn lookup(&self, destination: IpAddr) -> Option<&TransitRoute> {
        self.routes.get(self.prefixes.lookup(destination)?)
    }
}
