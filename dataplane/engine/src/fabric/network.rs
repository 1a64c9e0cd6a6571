//! What does a VPC consist of?
//!
//! VPCs, their subnets with the implicit router, and the tables that route what leaves a subnet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vpclab_model::{
    Home, ManagedPrefixListName, RouteOrigin, RouteState, RouteTableName, SubnetName, VpcName,
};
use vpclab_wire::MacAddr;

use super::{Prefixes, ROUTER_LINK_LOCAL};
use crate::index::{
    AttachmentIdx, EgressOnlyIdx, EniIdx, InternetGatewayIdx, NatGatewayIdx, NetworkAclIdx, NotModelledIdx,
    PeeringIdx, RouteTableIdx, VpcEndpointIdx, VpcIdx, VpnGatewayIdx,
};

/// A VPC.
#[derive(Debug)]
pub struct Vpc {
    /// Its name.
    pub name: VpcName,
    /// Where it lives and whose it is.
    pub home: Home,
    /// Its blocks, the primary one first.
    pub cidr_blocks: Vec<IpNet>,
    /// The VPCs that active peering connections lead to, whose groups may be known here. Rules name none of another region
    /// (PCX-17).
    pub peers: Vec<VpcIdx>,
    /// Where the Amazon resolver is: base plus two of the primary block (ADDR-29).
    pub resolver: Ipv4Addr,
    /// What in it is not known well enough to say that nobody has an address.
    pub unknown: Option<NotModelledIdx>,
}

/// A subnet and its router.
#[derive(Debug)]
pub struct Subnet {
    /// Its name.
    pub name: SubnetName,
    /// The VPC around it.
    pub vpc: VpcIdx,
    /// Its zone.
    pub availability_zone: Box<str>,
    /// Its IPv4 block.
    pub ipv4: Option<Ipv4Net>,
    /// Its IPv6 block.
    pub ipv6: Option<Ipv6Net>,
    /// The table that routes what leaves it.
    pub route_table: RouteTableIdx,
    /// The ACL at its edge.
    pub network_acl: NetworkAclIdx,
    /// The router as this subnet sees it.
    pub router: Router,
    /// Of what nobody knows where its packets go: the subnet or the VPC around it.
    pub unknown: Option<NotModelledIdx>,
}

/// The implicit router on one subnet.
#[derive(Debug, Clone, Copy)]
pub struct Router {
    /// Its hardware address.
    pub mac: MacAddr,
    /// Base plus one of the IPv4 block (ADDR-27).
    pub ipv4: Option<Ipv4Addr>,
    /// The EUI-64 link-local address of `mac` (ADDR-31).
    pub link_local: Ipv6Addr,
}

/// A route table.
#[derive(Debug)]
pub struct RouteTable {
    /// Its name.
    pub name: RouteTableName,
    /// Its routes.
    pub routes: Vec<Route>,
    /// Why there may be other routes: the table itself, or a prefix list in it.
    pub unknown: Option<NotModelledIdx>,
    /// A gateway endpoint of which nobody said for which addresses it has routes here (EPG-01).
    pub endpoint: Option<NotModelledIdx>,
    pub(crate) prefixes: Prefixes,
}

/// A compiled route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Destinations.
    pub destination: IpNet,
    /// Where packets go.
    pub target: RouteTarget,
    /// Whether the target can take packets.
    pub state: RouteState,
    /// How the route came to be.
    pub origin: RouteOrigin,
    /// The prefix list it is an entry of.
    pub prefix_list: Option<ManagedPrefixListName>,
    /// Whether another route decides in its place (RT-06).
    pub overridden: bool,
}

/// Where a compiled route sends packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteTarget {
    /// To whoever owns the destination in this VPC.
    Local,
    /// To the internet.
    InternetGateway(InternetGatewayIdx),
    /// To an interface.
    NetworkInterface(EniIdx),
    /// To the internet, for flows opened from inside.
    EgressOnly(EgressOnlyIdx),
    /// To a NAT gateway.
    NatGateway(NatGatewayIdx),
    /// To a virtual private gateway.
    VpnGateway(VpnGatewayIdx),
    /// To the VPC at the other end.
    Peering(PeeringIdx),
    /// To a service, by a gateway endpoint.
    Endpoint(VpcEndpointIdx),
    /// To what is not modelled.
    NotModelled(NotModelledIdx),
    /// To a transit gateway, by the VPC's attachment.
    TransitGateway(AttachmentIdx),
}

impl Vpc {
    /// Whether `address` lies in one of the VPC's blocks.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.cidr_blocks.iter().any(|block| block.contains(&address))
    }
}

impl Subnet {
    /// Whether `address` lies in the subnet's block of its family.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.ipv4.is_some_and(|block| block.contains(&address)),
            IpAddr::V6(address) => self.ipv6.is_some_and(|block| block.contains(&address)),
        }
    }

    /// The broadcast address of the IPv4 block, which AWS does not support (ADDR-27, L2-01).
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        self.ipv4.map(|block| block.broadcast())
    }
}

impl Router {
    /// Whether the router answers on `address`.
    pub fn owns(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.ipv4 == Some(address),
            IpAddr::V6(address) => address == self.link_local || address == ROUTER_LINK_LOCAL,
        }
    }
}

impl RouteTable {
    /// The longest matching route (RT-05).
    pub fn lookup(&self, destination: IpAddr) -> Option<&Route> {
        self.routes.get(self.prefixes.lookup(destination)?)
    }
}
