//! Private links: virtual private gateways, VPN connections and Direct Connect (areas VGW, VPN and DX).

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Serialize, Serializer};

use crate::home::Home;
use crate::name::{
    CustomerGatewayName, CustomerNetworkName, DxGatewayName, DxPrivateVirtualInterfaceName,
    DxTransitVirtualInterfaceName, TransitGatewayName, VpcName, VpnConnectionName, VpnGatewayName,
};
use crate::resources::{Labels, Propagation, Tags};

/// A virtual private gateway (area VGW).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VpnGateway {
    /// Where it lives and whose it is.
    #[serde(flatten)]
    pub home: Home,
    /// The VPC it is attached to, at most one (VGW-01).
    pub vpc: Option<VpcName>,
    /// Its autonomous system (VGW-11).
    pub amazon_side_asn: u32,
    /// What it has learnt over links that are up, the best of each destination first (VGW-04).
    pub routes: Vec<LearnedRoute>,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// A destination that a gateway has learnt over a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LearnedRoute {
    /// Destinations, host bits zero.
    pub destination: IpNet,
    /// Over which link.
    pub link: LinkName,
    /// How it was learnt.
    pub origin: Propagation,
    /// The autonomous systems it has come through; empty for a static one.
    pub as_path: Vec<u32>,
    /// The metric; where none is announced 0 over Direct Connect and 100 over VPN (TGW-07).
    pub med: u32,
    /// What a community asks for, over Direct Connect (DX-04).
    pub local_preference: LocalPreference,
    /// Whether packets take it: the best one, and over Direct Connect those that equal it (VGW-05, DX-08).
    pub in_use: bool,
    /// Whether AWS may as well take it in place of the one in use: exactly one is used, and which one is AWS's choice
    /// (VGW-05). Packets here take the first by name; explanations ask about each.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub equal: bool,
}

/// A customer gateway: the user's end of a VPN connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomerGateway {
    /// Where it lives and whose it is.
    #[serde(flatten)]
    pub home: Home,
    /// Its autonomous system.
    pub bgp_asn: u32,
    /// Its address on the internet.
    pub ip_address: Option<Ipv4Addr>,
    /// The network behind it.
    pub customer_network: Option<CustomerNetworkName>,
    /// Labels.
    pub tags: Tags,
}

/// A VPN connection: two tunnels between a gateway of AWS and a customer gateway. Nothing is encrypted here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VpnConnection {
    /// AWS's end.
    #[serde(flatten)]
    pub gateway: AwsEnd,
    /// The user's end.
    pub customer_gateway: CustomerGatewayName,
    /// Whether the destinations are `routes`, not what BGP announces (VPN-10).
    pub static_routes_only: bool,
    /// Destinations that AWS is told, of a static connection.
    pub routes: Vec<Ipv4Net>,
    /// What the user's end announces, of a dynamic one.
    pub bgp_routes: Vec<BgpRoute>,
    /// The two tunnels. Which one a packet takes shows nowhere, unless both are down.
    pub tunnels: Vec<LinkState>,
    /// Their inside blocks, where they are given (VPN-01).
    pub tunnel_inside_cidrs: Vec<Ipv4Net>,
    /// What the tunnels encrypt with, of which the largest packet depends (VPN-05).
    pub encryption: TunnelEncryption,
    /// Whether a NAT lies between the ends, which costs some bytes more (VPN-05).
    pub nat_traversal: bool,
    /// Whether the user's device lowers the segment size that TCP announces to what fits, as the sample configurations
    /// of AWS do.
    pub mss_clamping: bool,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// A route that a customer announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BgpRoute {
    /// Destinations, host bits zero.
    pub destination: IpNet,
    /// The autonomous systems it has come through, the announcing one first.
    pub as_path: Vec<u32>,
    /// The metric, where it has one.
    pub med: Option<u32>,
    /// What a community asks for (DX-04).
    pub local_preference: LocalPreference,
}

/// A Direct Connect gateway (area DX): joins virtual interfaces with gateways of AWS, in any region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DxGateway {
    /// The account that it belongs to, twelve digits; associations may cross accounts.
    pub owner: String,
    /// Its autonomous system.
    pub amazon_side_asn: u32,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// A gateway of AWS at a Direct Connect gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DxGatewayAssociation {
    /// The Direct Connect gateway.
    pub dx_gateway: DxGatewayName,
    /// What is associated.
    #[serde(flatten)]
    pub gateway: AwsEnd,
    /// A filter for the blocks of a VPC, or exactly what is announced for a transit gateway (DX-07). None is no filter.
    pub allowed_prefixes: Option<Vec<IpNet>>,
    /// What a transit gateway has learnt by it, over virtual interfaces that are up, the best of each destination first.
    pub routes: Vec<LearnedRoute>,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// A virtual interface of Direct Connect, private or transit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VirtualInterface {
    /// AWS's end.
    #[serde(flatten)]
    pub end: VirtualInterfaceEnd,
    /// The autonomous system of the user's end.
    pub bgp_asn: u32,
    /// The largest packet, in bytes (DX-01).
    pub mtu: u16,
    /// What the user's end announces.
    pub bgp_routes: Vec<BgpRoute>,
    /// Whether it carries packets.
    pub state: LinkState,
    /// The network behind it.
    pub customer_network: Option<CustomerNetworkName>,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// A gateway of AWS at the end of a private link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AwsEnd {
    /// A virtual private gateway.
    VpnGateway(VpnGatewayName),
    /// A transit gateway.
    TransitGateway(TransitGatewayName),
}

/// Where a virtual interface ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VirtualInterfaceEnd {
    /// At a virtual private gateway.
    VpnGateway(VpnGatewayName),
    /// At a Direct Connect gateway.
    DxGateway(DxGatewayName),
}

/// Whether a tunnel or a virtual interface carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// It does.
    Up,
    /// It does not.
    Down,
}

/// What a community of a route asks for, the preferred one first (DX-04).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalPreference {
    /// 7224:7300.
    High,
    /// 7224:7200, and no community.
    Medium,
    /// 7224:7100.
    Low,
}

/// What a tunnel encrypts and authenticates with, as far as sizes depend on it (VPN-05).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum TunnelEncryption {
    /// AES-GCM-16.
    #[serde(rename = "aes-gcm")]
    Gcm,
    /// AES-CBC with SHA1 or SHA2-256.
    #[serde(rename = "aes-cbc-sha256")]
    CbcSha256,
    /// AES-CBC with SHA2-384.
    #[serde(rename = "aes-cbc-sha384")]
    CbcSha384,
    /// AES-CBC with SHA2-512.
    #[serde(rename = "aes-cbc-sha512")]
    CbcSha512,
}

/// The name of a private link with its kind. No two of them have the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkName {
    /// A VPN connection.
    Vpn(VpnConnectionName),
    /// A private virtual interface.
    Private(DxPrivateVirtualInterfaceName),
    /// A transit virtual interface.
    Transit(DxTransitVirtualInterfaceName),
}

impl VpnConnection {
    /// Whether a tunnel carries packets.
    pub fn is_up(&self) -> bool {
        self.tunnels.contains(&LinkState::Up)
    }

    /// The largest packet inside a tunnel, in bytes; TCP segments are 40 bytes smaller (VPN-04, VPN-05).
    pub fn mtu(&self) -> u16 {
        match (self.encryption, self.nat_traversal) {
            (TunnelEncryption::Gcm, false) => 1446,
            (TunnelEncryption::Gcm, true) | (TunnelEncryption::CbcSha256, false) => 1438,
            (TunnelEncryption::CbcSha256, true)
            | (TunnelEncryption::CbcSha384, _)
            | (TunnelEncryption::CbcSha512, false) => 1422,
            (TunnelEncryption::CbcSha512, true) => 1406,
        }
    }
}

impl LinkName {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Vpn(name) => name.as_str(),
            Self::Private(name) => name.as_str(),
            Self::Transit(name) => name.as_str(),
        }
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for LinkName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
