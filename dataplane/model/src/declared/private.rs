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
    /// In bytes.
    pub(crate) mtu: Given<i64>,
    pub(crate) tags: Tags,
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
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &CustomerNetworkName) -> Self {
        /// What IPv6 needs (RFC 8200) and the largest packet of a VPC (MTU-01), in bytes.
        const MTU: std::ops::RangeInclusive<i64> = 1280..=9001;
        Self {
            at: reader.at().clone(),
            cidr_blocks: reader.list_or_one(&["cidr_blocks"], &["cidr_block"]),
            ipv6_cidr_blocks: reader.list_or_one(&["ipv6_cidr_blocks"], &["ipv6_cidr_block"]),
            mtu: reader.number(&["mtu"], MTU),
            tags: reader.tags(),
        }
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
