//! Transit gateways: what is attached to them, and how they route between the attachments (area TGW).

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use crate::home::Home;
use crate::name::{
    DxGatewayAssociationName, Name, NetworkInterfaceName, SubnetName, TransitGatewayName,
    TransitGatewayPeeringAttachmentName, TransitGatewayRouteTableName, TransitGatewayVpcAttachmentName,
    VpcName, VpnConnectionName,
};
use crate::resources::Labels;

/// A transit gateway (TGW-27).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitGateway {
    /// Where it lives and whose it is.
    #[serde(flatten)]
    pub home: Home,
    /// Its autonomous system on the Amazon side, a private one.
    pub amazon_side_asn: u32,
    /// Whether attachments of other accounts need no acceptance.
    pub auto_accept_shared_attachments: bool,
    /// Whether attachments are associated with the default table (TGW-03).
    pub default_route_table_association: bool,
    /// Whether attachments propagate to the default table (TGW-03).
    pub default_route_table_propagation: bool,
    /// The table of the two switches above; none when both are off.
    pub default_route_table: Option<TransitGatewayRouteTableName>,
    /// Whether equal routes of VPN tunnels share the traffic (TGW-19).
    pub vpn_ecmp_support: bool,
    /// Whether names of instances resolve to private addresses across it (TGW-29).
    pub dns_support: bool,
    /// Whether it may have multicast domains, which are not modelled.
    pub multicast_support: bool,
    /// Whether security group rules may refer to groups of other attached VPCs (SG-11).
    pub security_group_referencing_support: bool,
    /// Its own blocks, for Connect peers (TGW-39).
    pub transit_gateway_cidr_blocks: Vec<IpNet>,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// A VPC attached to a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitGatewayVpcAttachment {
    /// The gateway.
    pub transit_gateway: TransitGatewayName,
    /// The VPC.
    pub vpc: VpcName,
    /// Its subnets, one in each zone at most, with the interface in each (TGW-12).
    pub subnets: BTreeMap<SubnetName, NetworkInterfaceName>,
    /// Whether both directions of a flow use the same interface (TGW-22).
    pub appliance_mode_support: bool,
    /// Whether its interfaces have IPv6 addresses and its IPv6 blocks propagate (TGW-55).
    pub ipv6_support: bool,
    /// Whether names of instances resolve to private addresses across it (TGW-29).
    pub dns_support: bool,
    /// Whether group references work across it: its own switch and the gateway's (SG-11).
    pub security_group_referencing_support: bool,
    /// How far it has come.
    pub state: AttachmentState,
    /// Blocks that do not propagate, as they overlap those of a VPC that was attached before (TGW-11).
    pub not_propagated: Vec<IpNet>,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// Two transit gateways joined (TGW-18).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitGatewayPeeringAttachment {
    /// The gateway that asked for it.
    pub transit_gateway: TransitGatewayName,
    /// The gateway that accepts it.
    pub peer_transit_gateway: TransitGatewayName,
    /// How far it has come (TGW-58).
    pub state: AttachmentState,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// A route table of a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitGatewayRouteTable {
    /// The gateway.
    pub transit_gateway: TransitGatewayName,
    /// Attachments whose packets are looked up here (TGW-04).
    pub associations: Vec<AttachmentName>,
    /// Attachments whose blocks are routes here.
    pub propagations: Vec<AttachmentName>,
    /// The routes that are in force, destinations unique (TGW-05, TGW-06).
    pub routes: Vec<TransitGatewayRoute>,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// A route of a transit gateway's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransitGatewayRoute {
    /// Destinations, host bits zero.
    pub destination: IpNet,
    /// Where matching packets go: one attachment, or several equal ones that share the flows (TGW-19). None in a
    /// blackhole that was declared as one (TGW-08).
    pub attachments: Vec<AttachmentName>,
    /// What AWS may as well use in place of the attachment: equal ones that do not share the flows, of which one is used
    /// and which one is AWS's choice (TGW-19). Packets here take the first by name; explanations ask about each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub equals: Vec<AttachmentName>,
    /// Where it comes from.
    pub source: TransitGatewayRouteSource,
    /// Whether it can take packets (TGW-09).
    pub state: TransitGatewayRouteState,
}

/// Where a route of a transit gateway's table comes from, the preferred ones first (TGW-05).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitGatewayRouteSource {
    /// Declared.
    Static,
    /// An entry of a prefix list that the table refers to; AWS shows it as propagated (TGW-43).
    PrefixList,
    /// Propagated by a VPC attachment.
    Vpc,
    /// Announced over Direct Connect.
    DxGateway,
    /// Announced over a VPN connection.
    Vpn,
}

/// Whether a route of a transit gateway's table can take packets (TGW-09). Pending and deleting ones are transient in
/// AWS and absent here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitGatewayRouteState {
    /// It leads to an attachment.
    Active,
    /// Declared so, or its attachment is gone: matching packets die (TGW-08).
    Blackhole,
}

/// How far an attachment has come (TGW-30). States that AWS passes through by itself are absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AttachmentState {
    /// It carries packets.
    Available,
    /// The other side has not accepted it (TGW-58).
    PendingAcceptance,
    /// The other side has refused it.
    Rejected,
    /// It could not be made.
    Failed,
    /// It has been deleted, and is still seen for a while.
    Deleted,
}

/// The name of an attachment with its kind. No two attachments have the same name, whatever their kinds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AttachmentName {
    /// A VPC's.
    Vpc(TransitGatewayVpcAttachmentName),
    /// Another transit gateway's.
    Peering(TransitGatewayPeeringAttachmentName),
    /// A VPN connection's.
    Vpn(VpnConnectionName),
    /// A Direct Connect gateway's.
    DxGateway(DxGatewayAssociationName),
}

impl AttachmentName {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Vpc(name) => name.as_str(),
            Self::Peering(name) => name.as_str(),
            Self::Vpn(name) => name.as_str(),
            Self::DxGateway(name) => name.as_str(),
        }
    }
}

impl fmt::Display for AttachmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for AttachmentName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The name of the table that a gateway's attachments join by default, such as `hub/default`.
pub(crate) fn default_table_of(gateway: &TransitGatewayName) -> TransitGatewayRouteTableName {
    Name::new(format!("{gateway}/{}", crate::declared::DEFAULT))
}
