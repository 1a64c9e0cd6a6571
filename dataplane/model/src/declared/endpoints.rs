//! VPC endpoints and services, as written.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::{Map, Value};

use crate::declared::hosts::DeclaredInterface;
use crate::log::{Log, Place};
use crate::name::{ServiceName, VpcEndpointName};
use crate::reader::{Given, List, Reader, Written};
use crate::resources::{IpAddressType, Labels, ServiceProtocol, Tags, VpcEndpointState, VpcEndpointType};

/// A service as written.
#[derive(Debug)]
pub(crate) struct DeclaredService {
    pub(crate) at: Place,
    pub(crate) address: Given<Ipv4Addr>,
    pub(crate) ipv6_address: Given<Ipv6Addr>,
    pub(crate) cidr_blocks: List<Ipv4Net>,
    pub(crate) ipv6_cidr_blocks: List<Ipv6Net>,
    pub(crate) protocols: List<ServiceProtocol>,
    pub(crate) node_address: Given<Ipv4Addr>,
    pub(crate) node_ipv6_address: Given<Ipv6Addr>,
    pub(crate) private_dns_name: Option<String>,
    pub(crate) tags: Tags,
}

/// A VPC endpoint as written.
#[derive(Debug)]
pub(crate) struct DeclaredVpcEndpoint {
    pub(crate) at: Place,
    pub(crate) vpc: Given<String>,
    pub(crate) endpoint_type: VpcEndpointType,
    pub(crate) service_name: Given<String>,
    pub(crate) ip_address_type: Given<IpAddressType>,
    pub(crate) route_tables: List<String>,
    pub(crate) subnets: List<String>,
    /// What the interfaces in its subnets will be.
    pub(crate) interfaces: Vec<DeclaredInterface>,
    pub(crate) state: VpcEndpointState,
    pub(crate) private_dns_enabled: bool,
    pub(crate) attributes: Map<String, Value>,
    pub(crate) labels: Labels,
}

impl DeclaredService {
    pub(super) fn read(reader: &mut Reader<'_>, _: &Log, _: &ServiceName) -> Self {
        Self {
            at: reader.at().clone(),
            address: reader.take(&["address"]),
            ipv6_address: reader.take(&["ipv6_address"]),
            cidr_blocks: reader.list(&["cidr_blocks"]),
            ipv6_cidr_blocks: reader.list(&["ipv6_cidr_blocks"]),
            protocols: reader.list(&["protocols"]),
            node_address: reader.take(&["node_address"]),
            node_ipv6_address: reader.take(&["node_ipv6_address"]),
            private_dns_name: reader.take(&["private_dns_name"]).value().cloned(),
            tags: reader.tags(),
        }
    }
}

impl DeclaredVpcEndpoint {
    pub(super) fn read(reader: &mut Reader<'_>, log: &Log, _: &VpcEndpointName) -> Self {
        let at = reader.at().clone();
        let vpc = reader.require(&["vpc", "vpc_id"], "the name of a VPC");
        // As Terraform has it.
        let endpoint_type =
            reader.take(&["vpc_endpoint_type"]).value().copied().unwrap_or(VpcEndpointType::Gateway);
        let service_name = if matches!(endpoint_type, VpcEndpointType::Gateway | VpcEndpointType::Interface) {
            reader.require(&["service_name"], "a name such as com.amazonaws.us-east-1.s3")
        } else {
            reader.take(&["service_name"])
        };
        let ip_address_type: Given<IpAddressType> = reader.take(&["ip_address_type"]);
        let groups = reader.list(&["security_groups", "security_group_ids"]);
        let subnets: List<String> = reader.list(&["subnets", "subnet_ids"]);
        let route_tables: List<String> = reader.list(&["route_tables", "route_table_ids"]);
        let chosen = chosen_addresses(reader, log);
        let mut attributes = Map::new();
        for key in ["policy", "dns_options", "auto_accept", "service_region", "resource_configuration_arn"] {
            attributes.extend(reader.raw(key).map(|value| (key.to_owned(), value.clone())));
        }
        let interfaces = if endpoint_type == VpcEndpointType::Gateway {
            refuse(log, &subnets, "subnets", "a gateway endpoint has no interfaces");
            refuse(log, &groups, "security_groups", "a gateway endpoint has no security groups");
            Vec::new()
        } else {
            refuse(log, &route_tables, "route_tables", "only a gateway endpoint adds routes");
            let family = ip_address_type.value().copied().unwrap_or(IpAddressType::Ipv4);
            subnets
                .items
                .iter()
                .map(|subnet| {
                    let mut interface =
                        DeclaredInterface::of_service(at.clone(), Given::Right(subnet.clone()));
                    interface.source_dest_check = true;
                    // GWLB-17
                    interface.default_group = endpoint_type != VpcEndpointType::GatewayLoadBalancer;
                    interface.security_groups = groups.clone();
                    interface.ipv4 = family.ipv4();
                    let place = ip_address_type.written().map_or(&at, |written| &written.at);
                    if family.ipv6() {
                        interface.ipv6_addresses.given = false;
                        interface.ipv6_address_count = Given::Right(Written { at: place.clone(), value: 1 });
                    }
                    if let Some(own) = chosen.iter().find(|own| own.subnet == subnet.value) {
                        interface.private_ip = own.ipv4.clone();
                        if let Given::Right(address) = &own.ipv6 {
                            interface.ipv6_address_count = Given::Absent;
                            interface.ipv6_addresses.given = true;
                            interface.ipv6_addresses.items.push(address.clone());
                        }
                    }
                    interface
                })
                .collect()
        };
        let state = reader.take(&["state"]).value().copied().unwrap_or(VpcEndpointState::Available);
        Self {
            vpc,
            endpoint_type,
            service_name,
            ip_address_type,
            route_tables,
            subnets,
            interfaces,
            state,
            private_dns_enabled: reader.flag(&["private_dns_enabled"], false),
            attributes,
            labels: reader.labels(),
            at,
        }
    }
}

/// The addresses that the document chooses in a subnet.
struct Chosen {
    subnet: String,
    ipv4: Given<Ipv4Addr>,
    ipv6: Given<Ipv6Addr>,
}

fn chosen_addresses(reader: &mut Reader<'_>, log: &Log) -> Vec<Chosen> {
    let configurations = reader.objects(&["subnet_configuration", "subnet_configurations"]);
    configurations
        .into_iter()
        .flatten()
        .map(|(at, object)| {
            let mut item = Reader::new(log, at, object, "a subnet configuration");
            let subnet: Given<String> = item.require(&["subnet", "subnet_id"], "the name of a subnet");
            let chosen = Chosen {
                subnet: subnet.value().cloned().unwrap_or_default(),
                ipv4: item.take(&["ipv4"]),
                ipv6: item.take(&["ipv6"]),
            };
            item.finish();
            chosen
        })
        .collect()
}

fn refuse(log: &Log, list: &List<String>, attribute: &str, problem: &str) {
    if list.given {
        log.report(&list.at, "InvalidParameterCombination", problem, format!("leave `{attribute}` out"));
    }
}
