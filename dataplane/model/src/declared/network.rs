//! VPCs, subnets, route tables and internet gateways, as written.

use ipnet::{Ipv4Net, Ipv6Net};

use crate::declared::{DeclaredHome, MAIN, owner_in_name};
use crate::log::{Log, Place};
use crate::name::{InternetGatewayName, RouteTableName, SubnetName, VpcName};
use crate::reader::{Given, List, Reader, Written};
use crate::resources::Labels;

/// A VPC as written.
#[derive(Debug)]
pub(crate) struct DeclaredVpc {
    pub(crate) at: Place,
    pub(crate) home: DeclaredHome,
    pub(crate) cidr_block: Given<Ipv4Net>,
    pub(crate) secondary_cidr_blocks: List<Ipv4Net>,
    pub(crate) assign_generated_ipv6_cidr_block: bool,
    pub(crate) ipv6_cidr_blocks: List<Ipv6Net>,
    pub(crate) main_route_table: Given<String>,
    pub(crate) labels: Labels,
}

impl DeclaredVpc {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &VpcName) -> Self {
        Self {
            at: reader.at().clone(),
            cidr_block: reader.require(&["cidr_block"], "a block such as 10.0.0.0/16"),
            secondary_cidr_blocks: reader.list(&["secondary_cidr_blocks"]),
            assign_generated_ipv6_cidr_block: reader.flag(&["assign_generated_ipv6_cidr_block"], false),
            ipv6_cidr_blocks: reader.list_or_one(&["ipv6_cidr_blocks"], &["ipv6_cidr_block"]),
            main_route_table: reader.take(&["main_route_table", "main_route_table_id"]),
            home: DeclaredHome::read(reader),
            labels: reader.labels(),
        }
    }
}

/// A subnet as written.
#[derive(Debug)]
pub(crate) struct DeclaredSubnet {
    pub(crate) at: Place,
    pub(crate) vpc: Given<String>,
    pub(crate) cidr_block: Given<Ipv4Net>,
    pub(crate) ipv6_cidr_block: Given<Ipv6Net>,
    pub(crate) ipv6_native: bool,
    pub(crate) availability_zone: Given<String>,
    pub(crate) map_public_ip_on_launch: bool,
    pub(crate) assign_ipv6_address_on_creation: Given<bool>,
    pub(crate) route_table: Given<String>,
    pub(crate) network_acl: Given<String>,
    pub(crate) labels: Labels,
}

impl DeclaredSubnet {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &SubnetName) -> Self {
        Self {
            at: reader.at().clone(),
            vpc: reader.require(&["vpc", "vpc_id"], "the name of a VPC"),
            cidr_block: reader.take(&["cidr_block"]),
            ipv6_cidr_block: reader.take(&["ipv6_cidr_block"]),
            ipv6_native: reader.flag(&["ipv6_native"], false),
            availability_zone: reader.take(&["availability_zone"]),
            map_public_ip_on_launch: reader.flag(&["map_public_ip_on_launch"], false),
            assign_ipv6_address_on_creation: reader.take(&["assign_ipv6_address_on_creation"]),
            route_table: reader.take(&["route_table", "route_table_id"]),
            network_acl: reader.take(&["network_acl", "network_acl_id"]),
            labels: reader.labels(),
        }
    }
}

/// A route table as written.
#[derive(Debug)]
pub(crate) struct DeclaredRouteTable {
    pub(crate) vpc: Given<String>,
    pub(crate) routes: Vec<DeclaredRoute>,
    pub(crate) subnets: List<String>,
    /// The virtual private gateways whose routes it takes (RT-34).
    pub(crate) propagating_vgws: List<String>,
    /// The gateways whose arriving packets it routes (RT-35, RT-36).
    pub(crate) gateways: List<String>,
    /// The customer's own public blocks that it routes (RT-51).
    pub(crate) public_ipv4_pools: List<Ipv4Net>,
    pub(crate) labels: Labels,
}

/// A route as written.
#[derive(Debug)]
pub(crate) struct DeclaredRoute {
    pub(crate) at: Place,
    /// Whether it has an attribute that is unknown, which may have been meant for one that is missing.
    pub(crate) has_unknown: bool,
    pub(crate) cidr_block: Given<Ipv4Net>,
    pub(crate) ipv6_cidr_block: Given<Ipv6Net>,
    pub(crate) prefix_list: Given<String>,
    pub(crate) gateway: Given<String>,
    pub(crate) network_interface: Given<String>,
    pub(crate) instance: Given<String>,
    pub(crate) nat_gateway: Given<String>,
    pub(crate) egress_only_gateway: Given<String>,
    pub(crate) vpc_peering_connection: Given<String>,
    pub(crate) vpc_endpoint: Given<String>,
    pub(crate) carrier_gateway: Given<String>,
    pub(crate) local_gateway: Given<String>,
    pub(crate) core_network: Given<String>,
    pub(crate) transit_gateway: Given<String>,
    pub(crate) odb_network: Given<String>,
}

impl DeclaredRouteTable {
    pub(super) fn read(reader: &mut Reader<'_>, log: &Log, name: &RouteTableName) -> Self {
        Self {
            vpc: vpc_of(reader, owner_in_name(name, MAIN)),
            routes: reader
                .objects(&["routes", "route"])
                .into_iter()
                .flatten()
                .map(|(at, object)| DeclaredRoute::read(Reader::new(log, at, object, "a route")))
                .collect(),
            subnets: reader.list(&["subnets", "subnet_ids"]),
            propagating_vgws: reader.list(&["propagating_vgws"]),
            gateways: reader.list_or_one(&["gateways", "gateway_ids"], &["gateway", "gateway_id"]),
            public_ipv4_pools: reader.list_or_one(&["public_ipv4_pools"], &["public_ipv4_pool"]),
            labels: reader.labels(),
        }
    }
}

impl DeclaredRoute {
    fn read(mut reader: Reader<'_>) -> Self {
        let mut route = Self {
            at: reader.at().clone(),
            has_unknown: false,
            cidr_block: reader.take(&["cidr_block", "destination_cidr_block"]),
            ipv6_cidr_block: reader.take(&["ipv6_cidr_block", "destination_ipv6_cidr_block"]),
            prefix_list: reader.take(&[
                "destination_prefix_list",
                "destination_prefix_list_id",
                "prefix_list",
                "prefix_list_id",
            ]),
            gateway: reader.take(&["gateway", "gateway_id"]),
            network_interface: reader.take(&["network_interface", "network_interface_id"]),
            instance: reader.take(&["instance", "instance_id"]),
            nat_gateway: reader.take(&["nat_gateway", "nat_gateway_id"]),
            egress_only_gateway: reader.take(&[
                "egress_only_gateway",
                "egress_only_gateway_id",
                "egress_only_internet_gateway",
                "egress_only_internet_gateway_id",
            ]),
            vpc_peering_connection: reader.take(&["vpc_peering_connection", "vpc_peering_connection_id"]),
            vpc_endpoint: reader.take(&["vpc_endpoint", "vpc_endpoint_id"]),
            carrier_gateway: reader.take(&["carrier_gateway", "carrier_gateway_id"]),
            local_gateway: reader.take(&["local_gateway", "local_gateway_id"]),
            core_network: reader.take(&["core_network", "core_network_arn"]),
            transit_gateway: reader.take(&["transit_gateway", "transit_gateway_id"]),
            odb_network: reader.take(&["odb_network", "odb_network_arn"]),
        };
        route.has_unknown = reader.finish();
        route
    }
}

/// An internet gateway as written.
#[derive(Debug)]
pub(crate) struct DeclaredInternetGateway {
    pub(crate) vpc: Given<String>,
    pub(crate) labels: Labels,
}

impl DeclaredInternetGateway {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &InternetGatewayName) -> Self {
        Self { vpc: reader.take(&["vpc", "vpc_id"]), labels: reader.labels() }
    }
}

/// The attribute `vpc`, which a qualified name such as `shop/main` implies.
pub(super) fn vpc_of(reader: &mut Reader<'_>, implied: Option<VpcName>) -> Given<String> {
    const NAMES: &[&str] = &["vpc", "vpc_id"];
    let Some(implied) = implied else { return reader.require(NAMES, "the name of a VPC") };
    match reader.take::<String>(NAMES) {
        Given::Absent => {
            Given::Right(Written { at: reader.at().clone(), value: implied.as_str().to_owned() })
        }
        Given::Right(Written { at, value }) if value != implied.as_str() && value != implied.id() => {
            reader.report(
                &at,
                "InvalidParameterValue",
                format!("the name says that it belongs to {implied}, this says {value}"),
                format!("leave it out, or say {implied}"),
            );
            Given::Wrong
        }
        given => given,
    }
}
