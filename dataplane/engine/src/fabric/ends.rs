//! Who sends and receives?
//!
//! Interfaces with the instances they are plugged into, and hosts outside every VPC.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vpclab_model::{HostName, InstanceName, NetworkInterfaceName};
use vpclab_wire::MacAddr;

use super::Block;
use crate::index::{
    AttachmentIdx, CustomerNetworkIdx, EniIdx, InstanceIdx, NatGatewayIdx, NotModelledIdx, PolicyIdx,
    SecurityGroupIdx, SubnetIdx, VpcEndpointIdx, VpcIdx,
};

/// Whose an interface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A guest's.
    Guest,
    /// A NAT gateway's.
    NatGateway(NatGatewayIdx),
    /// A VPC endpoint's.
    Endpoint(VpcEndpointIdx),
    /// A transit gateway's, for an attachment.
    TransitGateway(AttachmentIdx),
    /// That of a resource which is not modelled.
    NotModelled(NotModelledIdx),
}

/// An instance.
#[derive(Debug)]
pub struct Instance {
    /// Its name.
    pub name: InstanceName,
    /// Its interfaces by device index.
    pub interfaces: Vec<(u8, EniIdx)>,
    /// What its guest does with packets for others.
    pub forwards: Forwards,
}

/// What a guest does with packets that are not addressed to it, where an interface of its takes them (L2-12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwards {
    /// It sends them on by the interface they came in.
    SameInterface,
    /// It sends them on by this interface.
    Interface(EniIdx),
    /// It sends them on by the interface they came in, from that interface's own address.
    Nat,
    /// It drops them.
    None,
}

/// An elastic network interface.
#[derive(Debug)]
pub struct Eni {
    /// Its name.
    pub name: NetworkInterfaceName,
    /// Where it is plugged in.
    pub attachment: Option<(InstanceIdx, u8)>,
    /// Whether its instance takes and sends packets, if it has one.
    pub running: bool,
    /// Whose it is.
    pub role: Role,
    /// Its subnet.
    pub subnet: SubnetIdx,
    /// Its VPC.
    pub vpc: VpcIdx,
    /// Its hardware address.
    pub mac: MacAddr,
    /// The addresses that are its own: private IPv4 (primary first), then IPv6.
    pub addresses: Vec<IpAddr>,
    /// The delegated blocks whose every address is its own too (L2-31).
    pub prefixes: Vec<Block>,
    /// The EUI-64 link-local address of its hardware address.
    pub link_local: Ipv6Addr,
    /// Public addresses, as (private, public).
    pub public_addresses: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Its groups.
    pub security_groups: Vec<SecurityGroupIdx>,
    /// The rules of its groups.
    pub policy: PolicyIdx,
    /// Whether foreign addresses are refused.
    pub source_dest_check: bool,
    /// Idle times.
    pub timeouts: Timeouts,
    /// What of it, of its instance or of its place is not known: anything may enter or leave it.
    pub unknown: Option<NotModelledIdx>,
}

/// How long an interface remembers idle connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP before it is established (CT-22).
    pub tcp_opening: Duration,
    /// Established TCP (CT-11).
    pub tcp_established: Duration,
    /// TCP after FIN both ways, or RST (CT-22).
    pub tcp_closing: Duration,
    /// UDP one way, or one request and response (CT-12).
    pub udp: Duration,
    /// UDP after more (CT-13).
    pub udp_stream: Duration,
    /// ICMP (OQ-14).
    pub icmp: Duration,
    /// Any other protocol: 600 seconds (CT-02).
    pub other: Duration,
}

/// A host outside every VPC. It has one neighbour, which takes whatever it sends.
#[derive(Debug)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// Where it is.
    pub side: Side,
    /// Its hardware address.
    pub mac: MacAddr,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The EUI-64 link-local address of its hardware address.
    pub link_local: Ipv6Addr,
    /// The largest IP packet on its link, in bytes.
    pub mtu: u16,
}

/// Where a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// On the internet, with public addresses.
    Internet,
    /// In a customer network, with addresses of that network.
    Customer(CustomerNetworkIdx),
    /// Behind VPC endpoints, and on the internet where its address is public.
    Service,
}

impl Eni {
    /// Whether `address` is one of the interface's own (L2-12, L2-13).
    pub fn owns(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address) || self.prefixes.iter().any(|block| block.contains(address))
    }

    /// The public address that stands for `private`.
    pub fn public_address_of(&self, private: Ipv4Addr) -> Option<Ipv4Addr> {
        self.public_addresses.iter().find(|(own, _)| *own == private).map(|(_, public)| *public)
    }

    /// The primary address of the family of `like`.
    pub fn primary_address(&self, ipv6: bool) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| address.is_ipv6() == ipv6)
    }
}
