//! Customer networks and their hosts, as written.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use crate::log::{Log, Place};
use crate::name::{CustomerHostName, CustomerNetworkName};
use crate::reader::{Given, List, Reader};
use crate::resources::Tags;

/// A customer network as written.
#[derive(Debug)]
pub(crate) struct DeclaredCustomerNetwork {
    pub(crate) at: Place,
    pub(crate) cidr_blocks: List<Ipv4Net>,
    pub(crate) ipv6_cidr_blocks: List<Ipv6Net>,
    pub(crate) customer_gateways: List<String>,
    pub(crate) virtual_interfaces: List<String>,
    pub(crate) routes: Vec<DeclaredCustomerRoute>,
    /// In bytes.
    pub(crate) mtu: Given<i64>,
    pub(crate) tags: Tags,
}

/// A route of a customer network as written.
#[derive(Debug)]
pub(crate) struct DeclaredCustomerRoute {
    pub(crate) cidr_block: Given<Ipv4Net>,
    pub(crate) ipv6_cidr_block: Given<Ipv6Net>,
    pub(crate) link: Given<String>,
}

/// A host in a customer network as written.
#[derive(Debug)]
pub(crate) struct DeclaredCustomerHost {
    pub(crate) at: Place,
    pub(crate) customer_network: Given<String>,
    pub(crate) address: Given<Ipv4Addr>,
    pub(crate) ipv6_address: Given<Ipv6Addr>,
    pub(crate) tags: Tags,
}

impl DeclaredCustomerNetwork {
    pub(super) fn read(reader: &mut Reader<'_>, log: &Log, _: &CustomerNetworkName) -> Self {
        /// What IPv6 needs (RFC 8200) and the largest packet of a VPC (MTU-01), in bytes.
        const MTU: std::ops::RangeInclusive<i64> = 1280..=9001;
        Self {
            at: reader.at().clone(),
            cidr_blocks: reader.list_or_one(&["cidr_blocks"], &["cidr_block"]),
            ipv6_cidr_blocks: reader.list_or_one(&["ipv6_cidr_blocks"], &["ipv6_cidr_block"]),
            customer_gateways: reader.list(&["customer_gateways", "customer_gateway_ids"]),
            virtual_interfaces: reader.list(&["virtual_interfaces"]),
            routes: reader
                .objects(&["routes"])
                .into_iter()
                .flatten()
                .map(|(at, object)| DeclaredCustomerRoute::read(Reader::new(log, at, object, "a route")))
                .collect(),
            mtu: reader.number(&["mtu"], MTU),
            tags: reader.tags(),
        }
    }
}

impl DeclaredCustomerRoute {
    fn read(mut reader: Reader<'_>) -> Self {
        let route = Self {
            cidr_block: reader.take(&["cidr_block"]),
            ipv6_cidr_block: reader.take(&["ipv6_cidr_block"]),
            link: reader.require(
                &["link", "vpn_connection", "virtual_interface"],
                "the name of a VPN connection or a virtual interface",
            ),
        };
        if route.cidr_block.is_absent() == route.ipv6_cidr_block.is_absent() {
            let at = reader.at().clone();
            let remedy = "give either `cidr_block` or `ipv6_cidr_block`";
            reader.report(&at, "MissingParameter", "a route has one destination", remedy);
        }
        reader.finish();
        route
    }
}

impl DeclaredCustomerHost {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &CustomerHostName) -> Self {
        Self {
            at: reader.at().clone(),
            customer_network: reader.require(&["customer_network"], "the name of a customer network"),
            address: reader.take(&["address"]),
            ipv6_address: reader.take(&["ipv6_address"]),
            tags: reader.tags(),
        }
    }
}
