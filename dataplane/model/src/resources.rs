//! What does a topology hold once it is known to be right?
//!
//! These are the declared resources with every default of AWS made explicit: main route tables, default network ACLs
//! and security groups, local routes, assigned addresses. References are names that are known to resolve. Values of
//! these types come out of validation only, so that whoever holds a [`Topology`] never asks "what if it is not there?".

mod endpoints;
mod filters;
mod gateways;
mod hosts;
mod links;
mod network;
mod not_modelled;
mod prefix_lists;
mod private;
mod transit;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::name::{
    CustomerGatewayName, CustomerHostName, CustomerNetworkName, DxGatewayAssociationName, DxGatewayName,
    DxPrivateVirtualInterfaceName, DxTransitVirtualInterfaceName, EgressOnlyInternetGatewayName, EipName,
    InstanceName, InternetGatewayName, InternetHostName, ManagedPrefixListName, NatGatewayName,
    NetworkAclName, NetworkInterfaceName, RouteTableName, SecurityGroupName, SubnetName, TransitGatewayName,
    TransitGatewayPeeringAttachmentName, TransitGatewayRouteTableName, TransitGatewayVpcAttachmentName,
    VpcName, VpcPeeringConnectionName, VpnConnectionName, VpnGatewayName,
};
use crate::settings::Settings;
pub use endpoints::{
    IpAddressType, Service, ServiceProtocol, VpcEndpoint, VpcEndpointState, VpcEndpointType,
};
pub use filters::{NetworkAcl, NetworkAclEntry, Peer, RuleAction, SecurityGroup, SecurityGroupRule};
pub use gateways::{
    ConnectivityType, EgressOnlyInternetGateway, InternetGateway, NatGateway, NatGatewayState, PeeringState,
    VpcPeeringConnection,
};
pub use hosts::{
    Attachment, ConnectionTracking, Eip, EipAssociation, Forwards, Instance, InstanceState, InterfaceType,
    InternetHost, NetworkInterface, PublicIp,
};
pub use links::{
    AwsEnd, BgpRoute, CustomerGateway, DxGateway, DxGatewayAssociation, LearnedRoute, LinkName, LinkState,
    LocalPreference, TunnelEncryption, VirtualInterface, VirtualInterfaceEnd, VpnConnection, VpnGateway,
};
pub use network::{
    EdgeGateway, Propagation, Route, RouteOrigin, RouteState, RouteTable, RouteTarget, Subnet, Vpc,
};
pub use not_modelled::{NotModelled, NotModelledResources};
pub(crate) use prefix_lists::weight_of_aws_list;
pub use prefix_lists::{AddressFamily, ManagedPrefixList, PrefixListEntry, PrefixListOwner};
pub use private::{CustomerHost, CustomerNetwork, CustomerRoute};
pub(crate) use transit::default_table_of;
pub use transit::{
    AttachmentName, AttachmentState, TransitGateway, TransitGatewayPeeringAttachment, TransitGatewayRoute,
    TransitGatewayRouteSource, TransitGatewayRouteState, TransitGatewayRouteTable,
    TransitGatewayVpcAttachment,
};

/// Free-form labels.
pub type Tags = BTreeMap<String, String>;

/// What is said of a resource beside what it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Labels {
    /// Free-form labels.
    pub tags: Tags,
    /// Why not all that packets depend on is known of it; no answer that depends on the rest is a yes or a no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_modelled: Option<String>,
}

/// Everything the user declared, validated, with AWS's defaults filled in.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Topology {
    /// The AWS region, such as `us-east-1`.
    pub region: String,
    /// Choices the documentation of AWS leaves open.
    pub settings: Settings,
    /// Virtual private clouds.
    pub vpcs: BTreeMap<VpcName, Vpc>,
    /// Subnets.
    pub subnets: BTreeMap<SubnetName, Subnet>,
    /// Route tables, main ones included.
    pub route_tables: BTreeMap<RouteTableName, RouteTable>,
    /// Internet gateways.
    pub internet_gateways: BTreeMap<InternetGatewayName, InternetGateway>,
    /// Egress-only internet gateways.
    pub egress_only_internet_gateways: BTreeMap<EgressOnlyInternetGatewayName, EgressOnlyInternetGateway>,
    /// NAT gateways.
    pub nat_gateways: BTreeMap<NatGatewayName, NatGateway>,
    /// VPC peering connections.
    pub vpc_peering_connections: BTreeMap<VpcPeeringConnectionName, VpcPeeringConnection>,
    /// Transit gateways.
    pub transit_gateways: BTreeMap<TransitGatewayName, TransitGateway>,
    /// VPCs attached to transit gateways.
    pub transit_gateway_vpc_attachments:
        BTreeMap<TransitGatewayVpcAttachmentName, TransitGatewayVpcAttachment>,
    /// Transit gateways joined with each other.
    pub transit_gateway_peering_attachments:
        BTreeMap<TransitGatewayPeeringAttachmentName, TransitGatewayPeeringAttachment>,
    /// Route tables of transit gateways, default ones included.
    pub transit_gateway_route_tables: BTreeMap<TransitGatewayRouteTableName, TransitGatewayRouteTable>,
    /// Managed prefix lists, the customer's and AWS's.
    pub managed_prefix_lists: BTreeMap<ManagedPrefixListName, ManagedPrefixList>,
    /// Network ACLs, default ones included.
    pub network_acls: BTreeMap<NetworkAclName, NetworkAcl>,
    /// Security groups, default ones included.
    pub security_groups: BTreeMap<SecurityGroupName, SecurityGroup>,
    /// Elastic network interfaces; the ones an instance implies carry the instance's name.
    pub network_interfaces: BTreeMap<NetworkInterfaceName, NetworkInterface>,
    /// Instances.
    pub instances: BTreeMap<InstanceName, Instance>,
    /// Elastic IP addresses.
    pub eips: BTreeMap<EipName, Eip>,
    /// Hosts of the internet.
    pub internet_hosts: BTreeMap<InternetHostName, InternetHost>,
    /// VPC endpoints.
    pub vpc_endpoints: BTreeMap<crate::name::VpcEndpointName, VpcEndpoint>,
    /// Services that VPC endpoints lead to.
    pub services: BTreeMap<crate::name::ServiceName, Service>,
    /// Virtual private gateways.
    pub vpn_gateways: BTreeMap<VpnGatewayName, VpnGateway>,
    /// Customer gateways.
    pub customer_gateways: BTreeMap<CustomerGatewayName, CustomerGateway>,
    /// VPN connections.
    pub vpn_connections: BTreeMap<VpnConnectionName, VpnConnection>,
    /// Direct Connect gateways.
    pub dx_gateways: BTreeMap<DxGatewayName, DxGateway>,
    /// What is associated with them.
    pub dx_gateway_associations: BTreeMap<DxGatewayAssociationName, DxGatewayAssociation>,
    /// Private virtual interfaces.
    pub dx_private_virtual_interfaces: BTreeMap<DxPrivateVirtualInterfaceName, VirtualInterface>,
    /// Transit virtual interfaces.
    pub dx_transit_virtual_interfaces: BTreeMap<DxTransitVirtualInterfaceName, VirtualInterface>,
    /// Resources of kinds that are stored and not modelled, each kind under its own key.
    #[serde(flatten)]
    pub not_modelled: NotModelledResources,
    /// The user's own networks.
    pub customer_networks: BTreeMap<CustomerNetworkName, CustomerNetwork>,
    /// Hosts in them.
    pub customer_hosts: BTreeMap<CustomerHostName, CustomerHost>,
}
