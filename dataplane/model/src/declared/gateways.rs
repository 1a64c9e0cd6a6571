//! NAT gateways, egress-only internet gateways and VPC peering connections, as written.

use crate::declared::hosts::DeclaredInterface;
use crate::log::{Log, Place};
use crate::name::{EgressOnlyInternetGatewayName, NatGatewayName, VpcPeeringConnectionName};
use crate::reader::{Given, List, Reader};
use crate::resources::{ConnectivityType, Labels, PeeringState};
use crate::shape::{Account, Region, Works};

/// An egress-only internet gateway as written.
#[derive(Debug)]
pub(crate) struct DeclaredEgressOnlyInternetGateway {
    pub(crate) vpc: Given<String>,
    pub(crate) labels: Labels,
}

impl DeclaredEgressOnlyInternetGateway {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &EgressOnlyInternetGatewayName) -> Self {
        Self { vpc: reader.require(&["vpc", "vpc_id"], "the name of a VPC"), labels: reader.labels() }
    }
}

/// A NAT gateway as written.
#[derive(Debug)]
pub(crate) struct DeclaredNatGateway {
    /// What its interface will be.
    pub(crate) interface: DeclaredInterface,
    pub(crate) connectivity_type: Given<ConnectivityType>,
    pub(crate) allocation: Given<String>,
    pub(crate) secondary_allocations: List<String>,
    pub(crate) max_drain_duration_seconds: Given<i64>,
    /// Whether it is declared as one that works.
    pub(crate) works: Given<Works>,
    pub(crate) labels: Labels,
}

impl DeclaredNatGateway {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &NatGatewayName) -> Self {
        reader.lacking(&["availability_mode", "vpc", "vpc_id"], "regional NAT gateways");
        let mut interface = DeclaredInterface::of_nat_gateway(reader);
        let secondary_allocations =
            reader.list(&["secondary_allocations", "secondary_allocation_ids", "secondary_eips"]);
        // Whichever way they are counted.
        let stated = interface.secondary_private_ips.items.len().max(secondary_allocations.items.len());
        interface.secondary_private_ip_count = interface.secondary_private_ip_count.max(stated);
        Self {
            interface,
            connectivity_type: reader.take(&["connectivity_type"]),
            allocation: reader.take(&["allocation", "allocation_id", "eip"]),
            secondary_allocations,
            max_drain_duration_seconds: reader.number(&["max_drain_duration_seconds"], 1..=4000),
            works: reader.take(&["state"]),
            labels: reader.labels(),
        }
    }
}

/// A VPC peering connection as written.
#[derive(Debug)]
pub(crate) struct DeclaredVpcPeeringConnection {
    pub(crate) at: Place,
    pub(crate) vpc: Given<String>,
    pub(crate) peer_vpc: Given<String>,
    pub(crate) peer_region: Given<Region>,
    pub(crate) peer_owner: Given<Account>,
    pub(crate) auto_accept: Given<bool>,
    pub(crate) state: Given<PeeringState>,
    pub(crate) labels: Labels,
}

impl DeclaredVpcPeeringConnection {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &VpcPeeringConnectionName) -> Self {
        Self {
            at: reader.at().clone(),
            vpc: reader.require(&["vpc", "vpc_id"], "the name of the VPC that asks"),
            peer_vpc: reader.require(&["peer_vpc", "peer_vpc_id"], "the name of the other VPC"),
            peer_region: reader.take(&["peer_region"]),
            peer_owner: reader.take(&["peer_owner", "peer_owner_id"]),
            auto_accept: reader.take(&["auto_accept"]),
            state: reader.take(&["state", "accept_status"]),
            labels: reader.labels(),
        }
    }
}
