//! What do packets read about private links? (areas VGW, VPN and DX)

use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_model::{CustomerNetworkName, LinkName, Propagation, VpnGatewayName};

use super::Prefixes;
use crate::index::{
    AttachmentIdx, CustomerNetworkIdx, LinkIdx, NotModelledIdx, RouteTableIdx, VpcIdx, VpnGatewayIdx,
};

/// A virtual private gateway.
#[derive(Debug)]
pub struct VpnGateway {
    /// Its name.
    pub name: VpnGatewayName,
    /// The VPC it is attached to.
    pub vpc: Option<VpcIdx>,
    /// The route table of what enters by it (RT-36).
    pub route_table: Option<RouteTableIdx>,
    /// What it has learnt and uses.
    pub routes: LinkTable,
    /// What of it, or of a link that ends at it, is not known.
    pub unknown: Option<NotModelledIdx>,
}

/// A network of the user's own, at the other end of private links.
#[derive(Debug)]
pub struct CustomerNetwork {
    /// Its name.
    pub name: CustomerNetworkName,
    /// Its blocks.
    pub blocks: Vec<IpNet>,
    /// What it says over its links is behind it.
    pub announced: Vec<IpNet>,
    /// The largest IP packet inside it, in bytes.
    pub mtu: u16,
    /// What it knows of the other ends of its links.
    pub routes: LinkTable,
}

/// A VPN connection or a virtual interface that carries packets, or would if it were up.
#[derive(Debug)]
pub struct Link {
    /// Its name.
    pub name: LinkName,
    /// Whether its routes come by BGP.
    pub dynamic: bool,
    /// The network at the customer's end; none where the topology declares none.
    pub network: Option<CustomerNetworkIdx>,
    /// Whether it carries packets.
    pub up: bool,
    /// The largest IP packet it carries, in bytes (VPN-05, DX-01).
    pub mtu: u16,
    /// The size of IP packet that TCP's segments are lowered to, where the customer's device does that.
    pub clamps_to: Option<u16>,
    /// AWS's ends, each with the destinations that lead there.
    pub ends: Vec<(IpNet, AwsEnd)>,
}

/// A gateway of AWS at the end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsEnd {
    /// A virtual private gateway.
    VpnGateway(VpnGatewayIdx),
    /// A transit gateway, by this attachment.
    Transit(AttachmentIdx),
}

/// Destinations behind links.
#[derive(Debug, Default)]
pub struct LinkTable {
    /// Its routes, one for each destination.
    pub routes: Vec<LinkRoute>,
    prefixes: Prefixes,
}

/// A destination behind links.
#[derive(Debug, Clone)]
pub struct LinkRoute {
    /// Destinations.
    pub destination: IpNet,
    /// Over which links; several share the flows (DX-08).
    pub links: Vec<LinkIdx>,
    /// Over which links it might go in place of the first: one is used, and nothing says which (VGW-05).
    pub equals: Vec<LinkIdx>,
    /// How a gateway has learnt it; none in a customer network.
    pub origin: Option<Propagation>,
}

impl Link {
    /// Whether it is a VPN connection.
    pub fn is_vpn(&self) -> bool {
        matches!(self.name, LinkName::Vpn(_))
    }

    /// Whether it is a VPN connection whose routes come by BGP.
    pub fn is_dynamic_vpn(&self) -> bool {
        self.is_vpn() && self.dynamic
    }

    /// Where a packet for `destination` comes out: the end with the longest prefix that has it.
    pub fn end_for(&self, destination: IpAddr) -> Option<AwsEnd> {
        let matching = self.ends.iter().filter(|(prefix, _)| prefix.contains(&destination));
        matching.max_by_key(|(prefix, _)| prefix.prefix_len()).map(|(_, end)| *end)
    }
}

impl LinkTable {
    /// A table of routes whose destinations differ.
    pub fn new(routes: Vec<LinkRoute>) -> Self {
        let entries = routes.iter().enumerate().map(|(position, route)| (route.destination, position));
        Self { prefixes: Prefixes::new(entries), routes }
    }

    /// The longest matching route.
    pub fn lookup(&self, destination: IpAddr) -> Option<&LinkRoute> {
        self.routes.get(self.prefixes.lookup(destination)?)
    }
}
