//! How do endpoints, firewalls and what else is stored become a topology's?

use serde_json::{Map, Value, json};

use super::resource::Resource;
use super::vpc::owner;
use crate::mapping::Mapping;
use crate::properties::Given;
use crate::report::{Fate, NoteKind};

pub(super) fn vpc_endpoint(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.properties.silent(&["PolicyDocument", "DnsOptions", "ServiceRegion"]);
    m.reference("VpcId", "vpc", "vpcs");
    m.text("VpcEndpointType", "vpc_endpoint_type");
    match m.properties.text("ServiceName") {
        Given::Unknown(unknown) => {
            m.matters("ServiceName", &unknown);
            m.write("service_name", "unknown");
        }
        given => m.copy("ServiceName", "service_name", given),
    }
    m.references("RouteTableIds", "route_tables", "route_tables");
    m.references("SubnetIds", "subnets", "subnets");
    m.references("SecurityGroupIds", "security_groups", "security_groups");
    m.boolean("PrivateDnsEnabled", "private_dns_enabled");
    m.text("IpAddressType", "ip_address_type");
    m.text("ResourceConfigurationArn", "resource_configuration_arn");
    m.properties.silent(&["ServiceNetworkArn"]);
    addresses(m);
    r.tags();
    r.mapping.put("vpc_endpoints");
    r.finish()
}

/// The addresses that an endpoint's interfaces are given.
fn addresses(m: &mut Mapping<'_>) {
    let items = match m.properties.maps("SubnetConfigurations") {
        Given::Known(items) => items,
        Given::Absent => return,
        Given::Unknown(unknown) => return m.assigned("SubnetConfigurations", &unknown),
    };
    let mut all = Vec::new();
    for mut item in items {
        let subnet = m.referred_in(&mut item, "SubnetId", "subnets", None);
        let mut own = Map::new();
        for (theirs, ours) in [("Ipv4", "ipv4"), ("Ipv6", "ipv6")] {
            match item.text(theirs) {
                Given::Known(address) => drop(own.insert(ours.to_owned(), json!(address))),
                Given::Unknown(unknown) => m.assigned("SubnetConfigurations", &unknown),
                Given::Absent => {}
            }
        }
        match subnet {
            Given::Known(subnet) if !own.is_empty() => {
                own.insert("subnet".to_owned(), json!(subnet));
                all.push(Value::Object(own));
            }
            Given::Unknown(unknown) => m.assigned("SubnetConfigurations", &unknown),
            _ => {}
        }
        m.properties.finish_inner(item);
    }
    if !all.is_empty() {
        m.write("subnet_configuration", all);
    }
}

pub(super) fn vpc_endpoint_service(mut r: Resource<'_>) -> Result<(), String> {
    r.mapping.note(NoteKind::Unknown, "the load balancers behind an endpoint service are not modelled");
    r.tags();
    r.mapping.properties.silence();
    r.mapping.put("vpc_endpoint_services");
    r.finish()
}

pub(super) fn network_firewall(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.reference("VpcId", "vpc", "vpcs");
    match m.properties.maps("SubnetMappings") {
        Given::Known(mappings) => {
            let mut subnets = Vec::new();
            for mut mapping in mappings {
                if let Given::Known(subnet) = m.referred_in(&mut mapping, "SubnetId", "subnets", None) {
                    subnets.push(subnet);
                }
            }
            m.write("subnets", subnets);
        }
        Given::Absent => {}
        Given::Unknown(unknown) => m.matters("SubnetMappings", &unknown),
    }
    m.note(NoteKind::Unknown, "what a network firewall lets pass is not modelled");
    r.tags();
    r.mapping.properties.silence();
    r.mapping.put("network_firewalls");
    r.finish()
}

pub(super) fn client_vpn_endpoint(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.references("SecurityGroupIds", "security_groups", "security_groups");
    m.reference("VpcId", "vpc", "vpcs");
    m.kept("ClientCidrBlock", "client_cidr_block");
    m.note(NoteKind::Unknown, "who a Client VPN endpoint lets in, and to where, is not modelled");
    m.properties.silence();
    m.put("client_vpn_endpoints");
    r.finish()
}

pub(super) fn client_vpn_network(mut r: Resource<'_>) -> Result<(), String> {
    let endpoint = owner(&mut r, "ClientVpnEndpointId", "client_vpn_endpoints")?;
    let subnet = owner(&mut r, "SubnetId", "subnets")?;
    let m = &mut r.mapping;
    m.estate.push("client_vpn_endpoints", &endpoint, "subnets", json!(subnet), &m.by);
    m.became_part_of("client_vpn_endpoints", &endpoint);
    r.finish()
}

/// What belongs to something that is stored and not modelled, and says more about it.
pub(super) fn part_of(mut r: Resource<'_>, theirs: &str, kind: &'static str) -> Result<(), String> {
    let whole = owner(&mut r, theirs, kind)?;
    let m = &mut r.mapping;
    m.note(NoteKind::Unknown, format!("it says more about {whole}, which is not modelled"));
    m.properties.silence();
    m.became_part_of(kind, &whole);
    r.finish()
}

/// A kind of which the VPC alone is kept.
pub(super) fn of_vpc(mut r: Resource<'_>, kind: &'static str, why: &str) -> Result<(), String> {
    let m = &mut r.mapping;
    m.reference("VpcId", "vpc", "vpcs");
    m.note(NoteKind::Unknown, why);
    r.tags();
    r.mapping.properties.silence();
    r.mapping.put(kind);
    r.finish()
}

pub(super) fn block_public_access(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.text("InternetGatewayBlockMode", "internet_gateway_block_mode");
    m.properties.silent(&["ExclusionsAllowed"]);
    m.put("vpc_block_public_access_options");
    r.finish_as(Fate::NotModelled)
}

pub(super) fn block_public_access_exclusion(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.reference("VpcId", "vpc", "vpcs");
    m.references("SubnetId", "subnets", "subnets");
    m.text("InternetGatewayExclusionMode", "internet_gateway_exclusion_mode");
    r.tags();
    r.mapping.put("vpc_block_public_access_exclusions");
    r.finish_as(Fate::NotModelled)
}

/// Accelerators of Global Accelerator.
pub(super) fn accelerator(mut r: Resource<'_>) -> Result<(), String> {
    r.tags();
    r.mapping.properties.silence();
    r.mapping.put("global_accelerators");
    r.finish_as(Fate::NotModelled)
}
