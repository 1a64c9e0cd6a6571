//! Resource names and ids, the [`Topology`], and its validation. Knows no packet.

mod declared;
mod document;
mod home;
mod log;
mod lookup;
mod mistake;
mod name;
mod nearest;
mod not_modelled;
mod quotas;
mod reader;
mod register;
mod resources;
mod rules;
mod settings;
mod shape;
mod space;
mod traffic;

pub use document::{Document, DocumentError, Syntax};
pub use home::{DEFAULT_OWNER, DEFAULT_REGION, Home};
pub use lookup::resolve;

pub use mistake::{Mistake, Mistakes};
pub use name::{
    CustomerGatewayName, CustomerHostName, CustomerNetworkName, DxGatewayAssociationName, DxGatewayName,
    DxPrivateVirtualInterfaceName, DxTransitVirtualInterfaceName, EgressOnlyInternetGatewayName, EipName,
    HostName, InstanceName, InternetGatewayName, InternetHostName, KINDS, Kind, ManagedPrefixListName, Name,
    NatGatewayName, NetworkAclName, NetworkInterfaceName, RouteTableName, SecurityGroupName, SubnetName,
    TransitGatewayName, TransitGatewayPeeringAttachmentName, TransitGatewayRouteTableName,
    TransitGatewayVpcAttachmentName, VpcName, VpcPeeringConnectionName, VpnConnectionName, VpnGatewayName,
    kind,
};
pub use name::{ServiceName, VpcEndpointName};
pub use nearest::nearest;
pub use not_modelled::{
    BLOCK_PUBLIC_ACCESS, CLIENT_VPN_ENDPOINTS, LISTENERS, LOAD_BALANCERS, MULTICAST_DOMAINS,
    NETWORK_FIREWALLS, NOT_MODELLED, NotModelledKind, Puts,
};
pub use quotas::{Counted, GROUPS_TIMES_RULES, QUOTAS, Quota};
pub use resources::{
    AddressFamily, Attachment, AttachmentName, AttachmentState, AwsEnd, BgpRoute, ConnectionTracking,
    ConnectivityType, CustomerGateway, CustomerHost, CustomerNetwork, CustomerRoute, DxGateway,
    DxGatewayAssociation, EdgeGateway, EgressOnlyInternetGateway, Eip, EipAssociation, Forwards, Instance,
    InstanceState, InterfaceType, InternetGateway, InternetHost, Labels, LearnedRoute, LinkName, LinkState,
    LocalPreference, ManagedPrefixList, NatGateway, NatGatewayState, NetworkAcl, NetworkAclEntry,
    NetworkInterface, NotModelled, NotModelledResources, Peer, PeeringState, PrefixListEntry,
    PrefixListOwner, Propagation, PublicIp, Route, RouteOrigin, RouteState, RouteTable, RouteTarget,
    RuleAction, SecurityGroup, SecurityGroupRule, Subnet, Tags, Topology, TransitGateway,
    TransitGatewayPeeringAttachment, TransitGatewayRoute, TransitGatewayRouteSource,
    TransitGatewayRouteState, TransitGatewayRouteTable, TransitGatewayVpcAttachment, TunnelEncryption,
    VirtualInterface, VirtualInterfaceEnd, Vpc, VpcPeeringConnection, VpnConnection, VpnGateway,
};
pub use resources::{
    IpAddressType, Service, ServiceProtocol, VpcEndpoint, VpcEndpointState, VpcEndpointType,
};
pub use settings::{MidStreamTcp, NetworkAclQuota, OutboundSmtp, Settings};
pub use space::{ANYBODY_V4, ANYBODY_V6, address_after, not_public, public_edges};
pub use traffic::{IcmpMatch, PortRange, Traffic};
