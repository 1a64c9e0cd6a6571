//! Network interfaces, instances, elastic IP addresses and internet hosts.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;

use crate::home::Home;
use crate::name::{
    EipName, InstanceName, NatGatewayName, NetworkInterfaceName, SecurityGroupName, SubnetName,
    TransitGatewayVpcAttachmentName,
};
use crate::resources::{Labels, Tags};

/// An elastic network interface (area L2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkInterface {
    /// The subnet it lies in, for life (L2-17).
    pub subnet: SubnetName,
    /// The hardware address: locally administered, unicast (L2-28).
    #[serde(serialize_with = "serialize_mac")]
    pub mac_address: [u8; 6],
    /// The primary private IPv4 address (L2-15); absent in an IPv6-only subnet.
    pub private_ip: Option<Ipv4Addr>,
    /// Secondary private IPv4 addresses.
    pub secondary_private_ips: Vec<Ipv4Addr>,
    /// IPv6 addresses.
    pub ipv6_addresses: Vec<Ipv6Addr>,
    /// Delegated IPv4 blocks: every address inside is the interface's own (L2-31).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ipv4_prefixes: Vec<Ipv4Net>,
    /// The same for IPv6.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ipv6_prefixes: Vec<Ipv6Net>,
    /// Public IPv4 addresses by the private address they stand for (IGW-16).
    pub public_ips: BTreeMap<Ipv4Addr, PublicIp>,
    /// One to five groups (L2-15).
    pub security_groups: Vec<SecurityGroupName>,
    /// Whether foreign addresses are refused in both directions (L2-12, L2-13).
    pub source_dest_check: bool,
    /// The instance it is attached to.
    pub attachment: Option<Attachment>,
    /// How long idle connections are remembered.
    pub connection_tracking: ConnectionTracking,
    /// Whether an instance implies it, so that it shares the instance's name.
    pub implied: bool,
    /// Whose it is.
    pub interface_type: InterfaceType,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

impl NetworkInterface {
    /// All private IPv4 addresses, the primary one first.
    pub fn private_ips(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.private_ip.into_iter().chain(self.secondary_private_ips.iter().copied())
    }

    /// Every delegated block (L2-31).
    pub fn prefixes(&self) -> impl Iterator<Item = IpNet> + '_ {
        let ipv4 = self.ipv4_prefixes.iter().copied().map(IpNet::V4);
        ipv4.chain(self.ipv6_prefixes.iter().copied().map(IpNet::V6))
    }
}

/// Whose an interface is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InterfaceType {
    /// A guest's.
    Interface,
    /// A NAT gateway's.
    NatGateway(NatGatewayName),
    /// A VPC endpoint's.
    VpcEndpoint(crate::name::VpcEndpointName),
    /// A transit gateway's, for this attachment (TGW-12).
    TransitGateway(TransitGatewayVpcAttachmentName),
    /// That of a resource which is stored and not modelled.
    NotModelled {
        /// The key of its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

/// A public IPv4 address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicIp {
    /// The address as the internet sees it.
    pub address: Ipv4Addr,
    /// The elastic IP it is; none for one assigned automatically.
    pub eip: Option<EipName>,
}

/// Where an interface is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// The instance.
    pub instance: InstanceName,
    /// The slot; 0 is the primary interface.
    pub device_index: u8,
}

/// How long idle connections are remembered, in seconds (CT-11..CT-14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ConnectionTracking {
    /// An established TCP connection: 60 to 432,000.
    pub tcp_established_timeout: u32,
    /// UDP after more than one request and response: 60 to 180.
    pub udp_stream_timeout: u32,
    /// UDP one way, or a single request and response: 30 to 60.
    pub udp_timeout: u32,
}

impl Default for ConnectionTracking {
    fn default() -> Self {
        Self { tcp_established_timeout: 432_000, udp_stream_timeout: 180, udp_timeout: 30 }
    }
}

/// An instance: a guest with one interface or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// Its interfaces by device index; index 0 is the primary one.
    pub network_interfaces: BTreeMap<u8, NetworkInterfaceName>,
    /// Whether it runs.
    #[serde(skip_serializing_if = "InstanceState::is_running")]
    pub state: InstanceState,
    /// What it does with packets that are not addressed to it, where an interface of its takes them (L2-12).
    #[serde(skip_serializing_if = "Forwards::is_default")]
    pub forwards: Forwards,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// Whether an instance runs. States that AWS passes through within seconds are absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// It takes and sends packets.
    #[default]
    Running,
    /// It does not, and keeps its interfaces and their addresses.
    Stopped,
}

impl InstanceState {
    /// Whether it takes and sends packets.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    pub fn is_running(&self) -> bool {
        *self == Self::Running
    }
}

/// What the guest of an instance does with packets that are not addressed to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Forwards {
    /// It sends them on by the interface they came in, unchanged but for the time to live.
    #[default]
    SameInterface,
    /// It sends them on by this interface.
    Interface(NetworkInterfaceName),
    /// It sends them on by the interface they came in, from that interface's own address, and the answers back.
    Nat,
    /// It drops them.
    None,
}

impl Forwards {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// An elastic IP address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Eip {
    /// Where it lives and whose it is: it serves there only.
    #[serde(flatten)]
    pub home: Home,
    /// The address.
    pub public_ip: Ipv4Addr,
    /// The interface and private address it stands for.
    pub association: Option<EipAssociation>,
    /// Labels.
    pub tags: Tags,
}

/// What an elastic IP stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EipAssociation {
    /// The interface.
    pub network_interface: NetworkInterfaceName,
    /// Its private address.
    pub private_ip: Ipv4Addr,
}

/// A host outside AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InternetHost {
    /// Its public IPv4 address.
    pub address: Option<Ipv4Addr>,
    /// Its public IPv6 address.
    pub ipv6_address: Option<Ipv6Addr>,
    /// Labels.
    pub tags: Tags,
}

fn serialize_mac<S: serde::Serializer>(mac: &[u8; 6], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!(
        "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
        mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]
    ))
}
