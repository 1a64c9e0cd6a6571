//! VPC endpoints, and the services that they lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::name::{
    ManagedPrefixListName, NetworkInterfaceName, RouteTableName, ServiceName, SubnetName, VpcName,
};
use crate::resources::{Labels, Tags};

/// A service that endpoints lead to: a host of its own, outside every VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its IPv4 address. A public one is on the internet too.
    pub address: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub ipv6_address: Option<Ipv6Addr>,
    /// The IPv4 ranges in the prefix list that AWS manages for it (EPG-01).
    pub cidr_blocks: Vec<Ipv4Net>,
    /// The IPv6 ranges.
    pub ipv6_cidr_blocks: Vec<Ipv6Net>,
    /// What it takes through an interface endpoint (EPI-11).
    pub protocols: Vec<ServiceProtocol>,
    /// The address by which it sees what comes through interface endpoints (EPS-01).
    pub node_address: Ipv4Addr,
    /// The same of IPv6.
    pub node_ipv6_address: Ipv6Addr,
    /// The name by which its clients know it.
    pub private_dns_name: Option<String>,
    /// Labels.
    pub tags: Tags,
}

/// What a service takes through an interface endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Service {
    /// Its addresses, the IPv4 one first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.address.map(IpAddr::V4).into_iter().chain(self.ipv6_address.map(IpAddr::V6))
    }

    /// The ranges of both families.
    pub fn blocks(&self) -> impl Iterator<Item = IpNet> + '_ {
        let v6 = self.ipv6_cidr_blocks.iter().copied().map(IpNet::V6);
        self.cidr_blocks.iter().copied().map(IpNet::V4).chain(v6)
    }
}

/// A VPC endpoint (areas EPG and EPI).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VpcEndpoint {
    /// The VPC it belongs to.
    pub vpc: VpcName,
    /// How it leads to its service.
    pub vpc_endpoint_type: VpcEndpointType,
    /// The name of its service.
    pub service_name: String,
    /// The service, where the topology declares it.
    pub service: Option<ServiceName>,
    /// The families it serves.
    pub ip_address_type: IpAddressType,
    /// The tables that have its routes, of a gateway endpoint (EPG-01).
    pub route_tables: Vec<RouteTableName>,
    /// The prefix lists of its routes, of a gateway endpoint (EPG-11).
    pub prefix_lists: Vec<ManagedPrefixListName>,
    /// The subnets it has interfaces in.
    pub subnets: Vec<SubnetName>,
    /// These interfaces (EPI-01).
    pub network_interfaces: Vec<NetworkInterfaceName>,
    /// How far it has come (EPI-17).
    pub state: VpcEndpointState,
    /// Whether the service's own name leads to it inside the VPC (EPI-06).
    pub private_dns_enabled: bool,
    /// What changes no packet, such as a policy, as written.
    pub attributes: Map<String, Value>,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// How an endpoint leads to its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum VpcEndpointType {
    /// By routes for the service's prefix list.
    Gateway,
    /// By interfaces in subnets.
    Interface,
    /// To appliances behind a Gateway Load Balancer: not modelled.
    GatewayLoadBalancer,
    /// To a resource of VPC Lattice: not modelled.
    Resource,
    /// To a service network of VPC Lattice: not modelled.
    ServiceNetwork,
}

/// The families that an endpoint serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IpAddressType {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// Both.
    Dualstack,
}

impl IpAddressType {
    /// Whether it serves IPv4.
    pub fn ipv4(self) -> bool {
        self != Self::Ipv6
    }

    /// Whether it serves IPv6.
    pub fn ipv6(self) -> bool {
        self != Self::Ipv4
    }
}

/// How far an endpoint has come (EPI-17, EPS-04). Only an available one carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum VpcEndpointState {
    /// It carries packets.
    Available,
    /// The service's owner has not accepted it.
    PendingAcceptance,
    /// It is being made.
    Pending,
    /// It is being deleted.
    Deleting,
    /// It has been deleted.
    Deleted,
    /// The service's owner has refused it.
    Rejected,
    /// It could not be made.
    Failed,
    /// Nobody acted on it in time.
    Expired,
    /// Some of its zones work; which ones is not declared.
    Partial,
}
