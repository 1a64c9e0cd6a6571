//! By what do packets leave a VPC?
//!
//! Gateways, peering connections and endpoints. Transit gateways and private links have modules of their own; what is
//! stored and not modelled is here, as it stands where a gateway could.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use vpclab_model::{
    EgressOnlyInternetGatewayName, InternetGatewayName, NatGatewayName, PortRange, VpcEndpointName,
    VpcPeeringConnectionName,
};
use vpclab_wire::Protocol;

use crate::index::{EniIdx, HostIdx, InternetGatewayIdx, NotModelledIdx, RouteTableIdx, SubnetIdx, VpcIdx};

/// An internet gateway.
#[derive(Debug)]
pub struct InternetGateway {
    /// Its name.
    pub name: InternetGatewayName,
    /// The VPC it is attached to.
    pub vpc: Option<VpcIdx>,
    /// The table that routes what enters by it (RT-35); none leads straight to destinations.
    pub route_table: Option<RouteTableIdx>,
    /// Public blocks that the table has routes for (RT-51).
    pub pools: Vec<Ipv4Net>,
    /// The gateway itself, where not all is known of it.
    pub unknown: Option<NotModelledIdx>,
}

/// An egress-only internet gateway.
#[derive(Debug)]
pub struct EgressOnlyInternetGateway {
    /// Its name.
    pub name: EgressOnlyInternetGatewayName,
    /// The VPC it is attached to.
    pub vpc: VpcIdx,
}

/// A NAT gateway.
#[derive(Debug)]
pub struct NatGateway {
    /// Its name.
    pub name: NatGatewayName,
    /// The subnet it lies in.
    pub subnet: SubnetIdx,
    /// Its interface.
    pub eni: EniIdx,
    /// Its private addresses, the primary one first; none of one that has failed.
    pub addresses: Vec<Ipv4Addr>,
    /// Addresses that have been taken away from it, which its interface keeps for the flows that they have (NAT-42).
    pub draining: Vec<Draining>,
}

/// An address that takes no more flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draining {
    /// The private address.
    pub address: Ipv4Addr,
    /// The public one that stands for it; none of a private gateway.
    pub public: Option<Ipv4Addr>,
    /// For how long its flows may go on (NAT-21).
    pub lasts: Duration,
}

/// A VPC peering connection.
#[derive(Debug)]
pub struct Peering {
    /// Its name.
    pub name: VpcPeeringConnectionName,
    /// The VPCs it joins.
    pub ends: [VpcIdx; 2],
    /// Whether it carries packets.
    pub active: bool,
    /// The largest IP packet it takes, in bytes, where that is less than inside a VPC (MTU-02, PCX-18).
    pub mtu: Option<u16>,
}

/// A VPC endpoint.
#[derive(Debug)]
pub struct VpcEndpoint {
    /// Its name.
    pub name: VpcEndpointName,
    /// Its VPC.
    pub vpc: VpcIdx,
    /// Whether it carries packets (EPI-17).
    pub available: bool,
    /// The service that it leads to.
    pub service: HostIdx,
    /// How it does so.
    pub kind: EndpointKind,
}

/// How an endpoint leads to its service.
#[derive(Debug)]
pub enum EndpointKind {
    /// By routes.
    Gateway {
        /// The ranges of its service.
        blocks: Vec<IpNet>,
        /// Whether flows through it are tracked whatever rules say, and count twice (CT-07, CT-08).
        dynamodb: bool,
    },
    /// By interfaces.
    Interface {
        /// Whether its service takes TCP.
        tcp: bool,
        /// Whether it takes UDP.
        udp: bool,
        /// Whom the service sees (EPS-01).
        nodes: (Ipv4Addr, Ipv6Addr),
    },
}

/// A resource that is stored and not modelled, or of which not all is known.
#[derive(Debug)]
pub struct NotModelled {
    /// The key of its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: Box<str>,
    /// What is not modelled or not known, in a sentence.
    pub reason: Box<str>,
    /// What it takes at its interfaces, so that the way to one of them is a question of its own.
    pub takes: Takes,
    /// Whether all that it sends comes from its interfaces under their own addresses and is filtered as an instance's is,
    /// so that the way from one of them is a question of its own.
    pub sends: bool,
    /// Whether the network ACL of its own subnet is asked about what it sends to others there, too (NACL-25).
    pub acl_within_subnet: bool,
}

/// What something that is not modelled takes at its interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Takes {
    /// Nobody knows.
    Nothing,
    /// What its listeners are for; of the rest nobody knows (LB-19).
    Listeners(Vec<Listener>),
}

/// A port that a load balancer listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// The port.
    pub port: u16,
    /// Whether TCP is taken there.
    pub tcp: bool,
    /// Whether UDP is.
    pub udp: bool,
}

impl Takes {
    /// Whether packets of a protocol to all of these ports are taken, as far as that is known.
    pub fn takes(&self, protocol: Protocol, ports: PortRange) -> bool {
        let fits = |tcp: bool, udp: bool| match protocol {
            Protocol::TCP => tcp,
            Protocol::UDP => udp,
            _ => false,
        };
        match self {
            Self::Nothing => false,
            Self::Listeners(listeners) => listeners
                .iter()
                .any(|on| ports == PortRange { from: on.port, to: on.port } && fits(on.tcp, on.udp)),
        }
    }
}

/// Whom a public address stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicMapping {
    /// The interface.
    pub eni: EniIdx,
    /// Its private address; for IPv6 the public address itself (IGW-14).
    pub private: IpAddr,
    /// The gateway that translates.
    pub gateway: InternetGatewayIdx,
}

impl Peering {
    /// The VPC at the other end, as `end` sees it, while the connection carries packets.
    pub fn other_end(&self, end: VpcIdx) -> Option<VpcIdx> {
        let [a, b] = self.ends;
        match end {
            _ if !self.active => None,
            end if end == a => Some(b),
            end if end == b => Some(a),
            _ => None,
        }
    }
}
