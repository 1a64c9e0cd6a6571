//! VPCs, subnets and route tables.

use std::collections::BTreeSet;
use std::fmt;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;

use crate::home::Home;
use crate::name::{
    EgressOnlyInternetGatewayName, InternetGatewayName, ManagedPrefixListName, NatGatewayName,
    NetworkAclName, NetworkInterfaceName, RouteTableName, SecurityGroupName, TransitGatewayName, VpcName,
    VpcPeeringConnectionName, VpnGatewayName,
};
use crate::resources::Labels;

/// A virtual private cloud (area ADDR).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vpc {
    /// Where it lives and whose it is, and with it everything inside.
    #[serde(flatten)]
    pub home: Home,
    /// The primary IPv4 block, /16 to /28 (ADDR-01).
    pub cidr_block: Ipv4Net,
    /// Further IPv4 blocks (ADDR-07..ADDR-14).
    pub secondary_cidr_blocks: Vec<Ipv4Net>,
    /// IPv6 blocks, /44 to /60 in steps of four (ADDR-20).
    pub ipv6_cidr_blocks: Vec<Ipv6Net>,
    /// The table of every subnet without an association of its own (RT-02).
    pub main_route_table: RouteTableName,
    /// The network ACL of every subnet without one of its own (NACL-05).
    pub default_network_acl: NetworkAclName,
    /// The group of every interface without one of its own (SG-06).
    pub default_security_group: SecurityGroupName,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

impl Vpc {
    /// All IPv4 blocks, the primary one first.
    pub fn ipv4_blocks(&self) -> impl Iterator<Item = Ipv4Net> + '_ {
        std::iter::once(self.cidr_block).chain(self.secondary_cidr_blocks.iter().copied())
    }

    /// All IPv4 and IPv6 blocks, the primary one first.
    pub fn cidr_blocks(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.ipv4_blocks().map(IpNet::V4).chain(self.ipv6_cidr_blocks.iter().copied().map(IpNet::V6))
    }
}

/// A subnet (areas ADDR and RT).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subnet {
    /// The VPC it lies in.
    pub vpc: VpcName,
    /// The one availability zone it lives in (ADDR-26).
    pub availability_zone: String,
    /// The IPv4 block; absent in an IPv6-only subnet (ADDR-32).
    pub cidr_block: Option<Ipv4Net>,
    /// The IPv6 block.
    pub ipv6_cidr_block: Option<Ipv6Net>,
    /// Whether an instance launched here gets a public IPv4 address unasked (ADDR-36).
    pub map_public_ip_on_launch: bool,
    /// Whether an interface made here gets an IPv6 address unasked.
    pub assign_ipv6_address_on_creation: bool,
    /// The route table in force: the associated one, else the VPC's main table (RT-02).
    pub route_table: RouteTableName,
    /// The network ACL in force: the associated one, else the VPC's default (NACL-05).
    pub network_acl: NetworkAclName,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

impl Subnet {
    /// The blocks of both families.
    pub fn cidr_blocks(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.cidr_block.map(IpNet::V4).into_iter().chain(self.ipv6_cidr_block.map(IpNet::V6))
    }
}

/// A route table with its local routes (area RT).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteTable {
    /// The VPC it belongs to.
    pub vpc: VpcName,
    /// Whether it is the VPC's main table.
    pub main: bool,
    /// Its routes, local ones first (RT-01). Of those with one destination, one is in use.
    pub routes: Vec<Route>,
    /// The prefix lists that its routes name, whether or not they have entries.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub prefix_lists: BTreeSet<ManagedPrefixListName>,
    /// The gateways whose arriving packets it routes (RT-35): a gateway, or edge, route table.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub gateways: BTreeSet<EdgeGateway>,
    /// Public blocks of the customer's own that its internet gateway takes packets for (RT-51).
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub public_ipv4_pools: BTreeSet<Ipv4Net>,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// A gateway that can have a route table of its own for what enters by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeGateway {
    /// An internet gateway.
    InternetGateway(InternetGatewayName),
    /// A virtual private gateway (RT-36).
    VpnGateway(VpnGatewayName),
}

/// The gateway's name.
impl fmt::Display for EdgeGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InternetGateway(gateway) => gateway.fmt(f),
            Self::VpnGateway(gateway) => gateway.fmt(f),
        }
    }
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Destinations, host bits zero.
    pub destination: IpNet,
    /// Where matching packets go.
    pub target: RouteTarget,
    /// How the route came to be (RT-27).
    pub origin: RouteOrigin,
    /// Whether the target can take packets (RT-25).
    pub state: RouteState,
    /// The prefix list that it is an entry of, for a route that names one (RT-20).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_list: Option<ManagedPrefixListName>,
    /// Whether another route decides in its place: to the same destination (RT-06, RT-07, RT-19), or the local one that
    /// contains it (RT-08). It is shown, and no packet takes it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub overridden: bool,
}

/// Where a route sends a packet (RT-30).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTarget {
    /// To the interface that owns the destination, inside the VPC.
    Local,
    /// To the internet.
    InternetGateway(InternetGatewayName),
    /// To an interface, whose guest is expected to forward (PIPE-08).
    NetworkInterface(NetworkInterfaceName),
    /// To the internet, IPv6 only, for what is opened from inside (RT-31).
    EgressOnlyInternetGateway(EgressOnlyInternetGatewayName),
    /// To a NAT gateway (RT-32).
    NatGateway(NatGatewayName),
    /// To a virtual private gateway, and over its links.
    VpnGateway(VpnGatewayName),
    /// To the VPC at the other end.
    VpcPeeringConnection(VpcPeeringConnectionName),
    /// To a service, by a gateway endpoint (EPG-01).
    VpcEndpoint(crate::name::VpcEndpointName),
    /// To what is stored and not modelled.
    NotModelled {
        /// The key of its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// To a transit gateway, by the VPC's attachment (TGW-16).
    TransitGateway(TransitGatewayName),
}

/// `local`, or the target's name.
impl fmt::Display for RouteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::VpcEndpoint(endpoint) => endpoint.fmt(f),
            Self::NotModelled { name, .. } => name.fmt(f),
            Self::InternetGateway(gateway) => gateway.fmt(f),
            Self::NetworkInterface(interface) => interface.fmt(f),
            Self::EgressOnlyInternetGateway(gateway) => gateway.fmt(f),
            Self::NatGateway(gateway) => gateway.fmt(f),
            Self::VpnGateway(gateway) => gateway.fmt(f),
            Self::VpcPeeringConnection(peering) => peering.fmt(f),
            Self::TransitGateway(gateway) => gateway.fmt(f),
        }
    }
}

/// How a route came to be (RT-27).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteOrigin {
    /// Made with the table.
    CreateRouteTable,
    /// Declared by the user, or made with a gateway endpoint.
    CreateRoute,
    /// Propagated by a virtual private gateway.
    EnableVgwRoutePropagation(Propagation),
}

/// Where a virtual private gateway knows a route from. The order is that of priority, the first one wins (RT-07).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// From BGP over Direct Connect.
    DirectConnect,
    /// From the static routes of a VPN connection.
    VpnStatic,
    /// From BGP over a VPN connection.
    VpnBgp,
}

/// Whether a route's target can take packets (RT-25).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteState {
    /// In use.
    Active,
    /// The target is gone or unusable; matching packets die here (RT-26, OQ-18).
    Blackhole,
}
