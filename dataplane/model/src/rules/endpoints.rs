//! Which endpoints lead to which services, and by which routes and interfaces? (areas EPG and EPI)

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use crate::declared::DeclaredVpcEndpoint;
use crate::log::Place;
use crate::name::{
    ManagedPrefixListName, NetworkInterfaceName, RouteTableName, ServiceName, SubnetName, VpcEndpointName,
    VpcName,
};
use crate::reader::Written;
use crate::register::{Context, interface_in};
use crate::resources::{
    InternetHost, IpAddressType, NetworkInterface, RouteState, RouteTarget, Service, ServiceProtocol, Subnet,
    Vpc, VpcEndpoint, VpcEndpointState, VpcEndpointType,
};
use crate::rules::routes::{Supplied, SuppliedDestination};
use crate::space::not_public;

const INVALID: &str = "InvalidParameterValue";

/// What a service sees in place of its clients where it does not say: an address that no VPC's clients confuse with
/// their own (RFC 6598), and a unique local one.
const NODE: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
const NODE_V6: Ipv6Addr = Ipv6Addr::new(0xfd64, 0, 0, 0, 0, 0, 0, 1);

/// The services that gateway endpoints lead to, by the end of their names.
const GATEWAY_SERVICES: [&str; 3] = ["s3", "dynamodb", "s3express"];

/// The lists of IPv4 and IPv6 ranges that AWS manages for a service with gateway endpoints.
pub(crate) fn prefix_lists_of(service_name: &str) -> Option<[ManagedPrefixListName; 2]> {
    let (region, service) = service_name.strip_prefix("com.amazonaws.")?.split_once('.')?;
    let v6 = format!("com.amazonaws.{region}.ipv6.{service}");
    GATEWAY_SERVICES
        .contains(&service)
        .then(|| [ManagedPrefixListName::new(service_name), ManagedPrefixListName::new(v6)])
}

/// The lists that come with declared services and endpoints, each with the service that it is of, if that is declared.
pub(crate) fn prefix_lists(
    services: impl Iterator<Item = String>,
) -> BTreeMap<ManagedPrefixListName, (String, bool)> {
    services
        .flat_map(|service| {
            let [v4, v6] = match prefix_lists_of(&service) {
                Some(lists) => lists.map(Some),
                None => [None, None],
            };
            let v4 = v4.map(|list| (list, (service.clone(), false)));
            v4.into_iter().chain(v6.map(|list| (list, (service, true))))
        })
        .collect()
}

/// The services, whose addresses are nobody else's where they are public.
pub(super) fn services(
    cx: &Context<'_>,
    vpcs: &BTreeMap<VpcName, Vpc>,
    internet_hosts: &BTreeMap<crate::name::InternetHostName, InternetHost>,
) -> BTreeMap<ServiceName, Service> {
    let mut taken: BTreeMap<IpAddr, String> = BTreeMap::new();
    for (name, host) in internet_hosts {
        let addresses = host.address.map(IpAddr::V4).into_iter().chain(host.ipv6_address.map(IpAddr::V6));
        taken.extend(addresses.map(|address| (address, format!("internet host {name}"))));
    }
    let mut services = BTreeMap::new();
    for (name, declared) in &cx.declared.services {
        if cx.declared.internet_hosts.contains_key(name.as_str())
            || cx.declared.customer_hosts.contains_key(name.as_str())
        {
            let problem = format!("a host is called {name} too");
            cx.log.report(&declared.at, INVALID, problem, "give hosts and services different names");
        }
        if declared.address.is_absent() && declared.ipv6_address.is_absent() {
            let remedy = "give `address`, `ipv6_address` or both";
            cx.log.report(&declared.at, "MissingParameter", "a service needs an address", remedy);
        }
        let v4 = declared.address.written().map(|w| (&w.at, IpAddr::V4(w.value)));
        let v6 = declared.ipv6_address.written().map(|w| (&w.at, IpAddr::V6(w.value)));
        for (at, address) in v4.into_iter().chain(v6) {
            if address.is_multicast() || address.is_unspecified() || address.is_loopback() {
                let problem = format!("{address} is no host's address");
                cx.log.report(at, INVALID, problem, "choose another address");
            } else if not_public(address).is_none() {
                // A public address is one place on the internet.
                let inside = vpcs.iter().find(|(_, vpc)| vpc.cidr_blocks().any(|b| b.contains(&address)));
                let owner =
                    inside.map(|(vpc, _)| format!("VPC {vpc}")).or_else(|| taken.get(&address).cloned());
                if let Some(owner) = owner {
                    let problem = format!("{address} already belongs to the {owner}");
                    cx.log.report(at, "InvalidIPAddress.InUse", problem, "choose another address");
                }
                taken.insert(address, format!("service {name}"));
            }
        }
        let address = declared.address.value().copied();
        let ipv6_address = declared.ipv6_address.value().copied();
        let own_v4 = || address.map(Ipv4Net::from).into_iter().collect();
        let own_v6 = || ipv6_address.map(Ipv6Net::from).into_iter().collect();
        let given = |written: &crate::reader::List<Ipv4Net>| written.items.iter().map(|w| w.value).collect();
        let given_v6 =
            |written: &crate::reader::List<Ipv6Net>| written.items.iter().map(|w| w.value).collect();
        let mut protocols: Vec<_> = declared.protocols.items.iter().map(|w| w.value).collect();
        protocols.sort_unstable();
        protocols.dedup();
        if !declared.protocols.given {
            protocols.push(ServiceProtocol::Tcp);
        }
        services.insert(
            name.clone(),
            Service {
                address,
                ipv6_address,
                cidr_blocks: if declared.cidr_blocks.given { given(&declared.cidr_blocks) } else { own_v4() },
                ipv6_cidr_blocks: if declared.ipv6_cidr_blocks.given {
                    given_v6(&declared.ipv6_cidr_blocks)
                } else {
                    own_v6()
                },
                protocols,
                node_address: declared.node_address.value().copied().unwrap_or(NODE),
                node_ipv6_address: declared.node_ipv6_address.value().copied().unwrap_or(NODE_V6),
                private_dns_name: declared.private_dns_name.clone(),
                tags: declared.tags.clone(),
            },
        );
    }
    services
}

/// The endpoints whose VPC exists.
pub(super) fn build(
    cx: &Context<'_>,
    vpcs: &BTreeMap<VpcName, Vpc>,
    subnets: &BTreeMap<SubnetName, Subnet>,
    interfaces: &BTreeMap<NetworkInterfaceName, NetworkInterface>,
    services: &BTreeMap<ServiceName, Service>,
) -> BTreeMap<VpcEndpointName, VpcEndpoint> {
    let mut endpoints: BTreeMap<VpcEndpointName, VpcEndpoint> = BTreeMap::new();
    for (name, declared) in &cx.declared.vpc_endpoints {
        let Some(vpc) = cx.registers.vpc_endpoints.owner(name).cloned() else { continue };
        let service_name = declared.service_name.value().cloned().unwrap_or_default();
        let service = services.get_key_value(service_name.as_str());
        if let (Some(written), Some(here)) = (declared.service_name.written(), vpcs.get(&vpc)) {
            check_service_name(cx, declared, written, &here.home.region, service.is_some());
        }
        let family = declared.ip_address_type.value().copied().unwrap_or(IpAddressType::Ipv4);
        if let Some((service_name, service)) = service {
            check_family(cx, declared, family, service_name, service);
        }
        let route_tables = route_tables(cx, declared, &vpc);
        check_tables_family(cx, declared, family, &route_tables, subnets);
        let prefix_lists = match (declared.endpoint_type, prefix_lists_of(&service_name)) {
            (VpcEndpointType::Gateway, Some([v4, v6])) => {
                let v4 = family.ipv4().then_some(v4);
                v4.into_iter().chain(family.ipv6().then_some(v6)).collect()
            }
            _ => Vec::new(),
        };
        let in_subnets = in_subnets(cx, declared, &vpc, subnets);
        let of_subnet =
            |subnet: &SubnetName| interface_in(cx.registers, "vpce", name.as_str(), subnet.as_str());
        let own = in_subnets.iter().map(of_subnet).filter(|eni| interfaces.contains_key(eni)).collect();
        let endpoint = VpcEndpoint {
            vpc,
            vpc_endpoint_type: declared.endpoint_type,
            service_name,
            service: service.map(|(name, _)| name.clone()),
            ip_address_type: family,
            route_tables,
            prefix_lists,
            subnets: in_subnets,
            network_interfaces: own,
            state: declared.state,
            private_dns_enabled: declared.private_dns_enabled,
            attributes: declared.attributes.clone(),
            labels: declared.labels.clone(),
        };
        refuse_second(cx, &declared.route_tables.at, name, &endpoint, &endpoints);
        endpoints.insert(name.clone(), endpoint);
    }
    endpoints
}

/// The routes that gateway endpoints add (EPG-01). Those of one that is not available are not there.
pub(super) fn supplied(endpoints: &BTreeMap<VpcEndpointName, VpcEndpoint>) -> Vec<Supplied> {
    let available = endpoints.iter().filter(|(_, endpoint)| endpoint.state == VpcEndpointState::Available);
    available
        .flat_map(|(name, endpoint)| {
            endpoint.route_tables.iter().flat_map(move |table| {
                endpoint.prefix_lists.iter().map(move |list| Supplied {
                    table: table.clone(),
                    destination: SuppliedDestination::List(list.clone()),
                    target: (RouteTarget::VpcEndpoint(name.clone()), RouteState::Active),
                })
            })
        })
        .collect()
}

/// A service of AWS in this Region, an endpoint service, or one that the topology declares (ERR-25).
fn check_service_name(
    cx: &Context<'_>,
    declared: &DeclaredVpcEndpoint,
    written: &Written<String>,
    region: &str,
    is_declared: bool,
) {
    const CODE: &str = "InvalidServiceName";
    let name = written.value.as_str();
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    let of_aws = name.strip_prefix("com.amazonaws.").or_else(|| name.strip_prefix("aws."));
    let is_name = is_declared || of_aws.is_some_and(|rest| word(rest) && rest.contains('.'));
    if !is_name {
        let problem = format!("\"{}\" is not the name of a service", crate::shape::clip(name));
        let remedy = format!("give a name such as com.amazonaws.{region}.s3, or declare it under `services`");
        cx.log.report(&written.at, CODE, problem, remedy);
        return;
    }
    let elsewhere = declared.attributes.contains_key("service_region");
    if let Some(rest) = name.strip_prefix("com.amazonaws.").filter(|_| !elsewhere) {
        let rest = rest.strip_prefix("vpce.").unwrap_or(rest);
        let there = rest.split('.').next().unwrap_or_default();
        let names_a_region = there.bytes().filter(|b| *b == b'-').count() >= 2;
        if names_a_region && there != region {
            let problem = format!("{name} is a service of {there}, and the VPC is in {region}");
            cx.log.report(&written.at, CODE, problem, "name the service of the VPC's own Region");
        }
    }
    if declared.endpoint_type == VpcEndpointType::Gateway && prefix_lists_of(name).is_none() {
        let problem = format!("{name} has no gateway endpoints");
        let remedy = "say `\"vpc_endpoint_type\": \"Interface\"`; gateway endpoints lead to S3 and DynamoDB";
        cx.log.report(&written.at, CODE, problem, remedy);
    }
}

/// An endpoint serves families that its service has.
fn check_family(
    cx: &Context<'_>,
    declared: &DeclaredVpcEndpoint,
    family: IpAddressType,
    name: &ServiceName,
    service: &Service,
) {
    let lacks = match declared.endpoint_type {
        VpcEndpointType::Gateway => (
            family.ipv4() && service.cidr_blocks.is_empty(),
            family.ipv6() && service.ipv6_cidr_blocks.is_empty(),
        ),
        _ => (family.ipv4() && service.address.is_none(), family.ipv6() && service.ipv6_address.is_none()),
    };
    for (lacks, family) in [(lacks.0, "IPv4"), (lacks.1, "IPv6")] {
        if lacks {
            let at = declared.ip_address_type.written().map_or(&declared.at, |written| &written.at);
            let problem = format!("the service {name} has no {family}");
            cx.log.report(
                at,
                "InvalidParameter",
                problem,
                "choose an `ip_address_type` that the service has",
            );
        }
    }
}

fn route_tables(cx: &Context<'_>, declared: &DeclaredVpcEndpoint, vpc: &VpcName) -> Vec<RouteTableName> {
    let mut tables = Vec::new();
    for reference in &declared.route_tables.items {
        let register = &cx.registers.route_tables;
        let table = register.resolve_inside(
            cx.log,
            reference,
            vpc,
            Some(crate::declared::MAIN),
            "InvalidRouteTableID.NotFound",
        );
        tables.extend(table.filter(|table| !tables.contains(table)));
    }
    tables
}

/// EPG-11: IPv6 alone needs IPv6-only subnets, both families need dual-stack ones.
fn check_tables_family(
    cx: &Context<'_>,
    declared: &DeclaredVpcEndpoint,
    family: IpAddressType,
    tables: &[RouteTableName],
    subnets: &BTreeMap<SubnetName, Subnet>,
) {
    let Some(written) = declared.ip_address_type.written() else { return };
    let fits = |subnet: &Subnet| match family {
        IpAddressType::Ipv4 => true,
        IpAddressType::Ipv6 => subnet.cidr_block.is_none(),
        IpAddressType::Dualstack => subnet.cidr_block.is_some() && subnet.ipv6_cidr_block.is_some(),
    };
    let served = subnets.iter().filter(|(_, subnet)| tables.contains(&subnet.route_table));
    if let Some((name, _)) = served.into_iter().find(|(_, subnet)| !fits(subnet)) {
        let what = if family == IpAddressType::Ipv6 { "IPv6-only" } else { "dual-stack" };
        let problem = format!("the subnet {name}, which uses one of the tables, is not {what}");
        cx.log.report(&written.at, "InvalidParameter", problem, "choose another `ip_address_type`");
    }
}

/// EPI-01: at most one subnet a zone, all of the endpoint's VPC.
fn in_subnets(
    cx: &Context<'_>,
    declared: &DeclaredVpcEndpoint,
    vpc: &VpcName,
    subnets: &BTreeMap<SubnetName, Subnet>,
) -> Vec<SubnetName> {
    let mut zones: BTreeMap<&str, &SubnetName> = BTreeMap::new();
    let mut chosen = Vec::new();
    for written in &declared.subnets.items {
        let found = cx.registers.subnets.find(&written.value).and_then(|name| subnets.get_key_value(name));
        let Some((name, subnet)) = found else { continue };
        if subnet.vpc != *vpc {
            let problem = format!("the subnet {name} lies in VPC {}, not in VPC {vpc}", subnet.vpc);
            cx.log.report(&written.at, "InvalidSubnetId.NotFound", problem, format!("use one of VPC {vpc}"));
            continue;
        }
        if let Some(other) = zones.insert(&subnet.availability_zone, name) {
            let problem = format!("the subnets {other} and {name} are both in {}", subnet.availability_zone);
            cx.log.report(&written.at, "DuplicateSubnetsInSameZone", problem, "give one for each zone");
            continue;
        }
        chosen.push(name.clone());
    }
    chosen
}

/// EPG-04: a table has one endpoint for a service.
fn refuse_second(
    cx: &Context<'_>,
    at: &Place,
    name: &VpcEndpointName,
    endpoint: &VpcEndpoint,
    others: &BTreeMap<VpcEndpointName, VpcEndpoint>,
) {
    let tables: BTreeSet<_> = endpoint.route_tables.iter().collect();
    for (other, existing) in others.iter().filter(|(_, other)| other.service_name == endpoint.service_name) {
        if let Some(table) = existing.route_tables.iter().find(|table| tables.contains(table)) {
            let problem = format!(
                "the endpoint {other} already routes {} in {table}, as {name} would",
                endpoint.service_name
            );
            cx.log.report(at, "RouteAlreadyExists", problem, "a table has one endpoint for a service");
        }
    }
}
