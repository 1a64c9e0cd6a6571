//! What lies at the other end of private links: the user's own networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;

use crate::name::CustomerNetworkName;
use crate::resources::{LinkName, Tags};

/// A network of the user's own: an office, a data centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomerNetwork {
    /// Its IPv4 blocks.
    pub cidr_blocks: Vec<Ipv4Net>,
    /// Its IPv6 blocks.
    pub ipv6_cidr_blocks: Vec<Ipv6Net>,
    /// What it knows of the other ends of its links, the best of each destination first.
    pub routes: Vec<CustomerRoute>,
    /// The largest packet inside it, in bytes.
    pub mtu: u16,
    /// Labels.
    pub tags: Tags,
}

/// A route of a customer network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomerRoute {
    /// Destinations, host bits zero.
    pub destination: IpNet,
    /// Over which link.
    pub link: LinkName,
    /// Whether it is declared, not announced by AWS.
    pub declared: bool,
    /// Whether packets take it.
    pub in_use: bool,
    /// Whether the customer's devices may as well take it in place of the one in use. Packets here take the first by
    /// name; explanations ask about each.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub equal: bool,
}

/// A host in a customer network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CustomerHost {
    /// Where it is.
    pub customer_network: CustomerNetworkName,
    /// Its IPv4 address, inside a block of the network.
    pub address: Option<Ipv4Addr>,
    /// Its IPv6 address, inside a block of the network.
    pub ipv6_address: Option<Ipv6Addr>,
    /// Labels.
    pub tags: Tags,
}

impl CustomerNetwork {
    /// The blocks of both families.
    pub fn blocks(&self) -> impl Iterator<Item = IpNet> + '_ {
        let ipv4 = self.cidr_blocks.iter().copied().map(IpNet::V4);
        ipv4.chain(self.ipv6_cidr_blocks.iter().copied().map(IpNet::V6))
    }
}

impl CustomerHost {
    /// The addresses of both families, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.address.map(IpAddr::V4).into_iter().chain(self.ipv6_address.map(IpAddr::V6))
    }
}
