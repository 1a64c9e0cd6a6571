//! What do route tables of gateways do to what enters and leaves by them? (RT-35..RT-41, RT-51, RT-52)

use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_model::{
    EdgeGateway, InternetGatewayName, NetworkInterfaceName, Route, RouteState, RouteTable, RouteTarget,
    SubnetName, Topology, VpcName, VpnGatewayName,
};

use super::Reason;
use super::addresses::{has_address, is_public};
use super::routes::route;

/// The table of the internet gateway of a VPC.
fn table<'a>(topology: &'a Topology, vpc: &VpcName) -> Option<&'a RouteTable> {
    let (gateway, _) =
        topology.internet_gateways.iter().find(|(_, gateway)| gateway.vpc.as_ref() == Some(vpc))?;
    of_gateway(topology, gateway)
}

fn of_gateway<'a>(topology: &'a Topology, gateway: &InternetGatewayName) -> Option<&'a RouteTable> {
    let it = EdgeGateway::InternetGateway(gateway.clone());
    topology.route_tables.values().find(|table| table.gateways.contains(&it))
}

fn interface(route: &Route) -> Option<&NetworkInterfaceName> {
    match &route.target {
        RouteTarget::NetworkInterface(name) => Some(name),
        _ => None,
    }
}

/// PIPE-07, RT-39: who gets what has entered `vpc` for `destination`; none if whoever has that address does.
pub(super) fn diverted<'a>(
    topology: &'a Topology,
    vpc: &VpcName,
    destination: IpAddr,
) -> Result<Option<&'a NetworkInterfaceName>, Reason> {
    let Some(table) = table(topology, vpc) else { return Ok(None) };
    let found = route(topology, &table.routes, destination).ok_or(Reason::NoRoute)?;
    if found.state == RouteState::Blackhole {
        return Err(Reason::Blackhole);
    }
    let Some(name) = interface(found) else { return Ok(None) };
    let middlebox = &topology.network_interfaces[name];
    let is_known = if destination.is_ipv6() {
        middlebox.ipv6_addresses.iter().any(|address| is_public(IpAddr::V6(*address)))
    } else {
        !middlebox.public_ips.is_empty()
    };
    if is_known { Ok(Some(name)) } else { Err(Reason::Gateway) }
}

/// RT-36: who gets what has come in by a virtual private gateway; none if whoever has that address does.
pub(super) fn diverted_by_vpn_gateway<'a>(
    topology: &'a Topology,
    gateway: &VpnGatewayName,
    destination: IpAddr,
) -> Result<Option<&'a NetworkInterfaceName>, Reason> {
    let it = EdgeGateway::VpnGateway(gateway.clone());
    let Some(table) = topology.route_tables.values().find(|table| table.gateways.contains(&it)) else {
        return Ok(None);
    };
    let found = route(topology, &table.routes, destination).ok_or(Reason::NoRoute)?;
    if found.state == RouteState::Blackhole { Err(Reason::Blackhole) } else { Ok(interface(found)) }
}

/// RT-40: whether `subnet` may not use the gateway for a packet from `source`.
pub(super) fn is_shut_out(topology: &Topology, subnet: &SubnetName, source: IpAddr) -> bool {
    let here = &topology.subnets[subnet];
    if !here.cidr_blocks().any(|block| block.contains(&source)) {
        return false;
    }
    let Some(table) = table(topology, &here.vpc) else { return false };
    let name = route(topology, &table.routes, source).and_then(interface);
    name.is_some_and(|name| !has_address(&topology.network_interfaces[name], source))
}

/// RT-51: the table that has a pool with this address.
pub(super) fn pool(topology: &Topology, address: IpAddr) -> Option<&RouteTable> {
    let mut tables = topology.route_tables.values();
    tables.find(|table| table.public_ipv4_pools.iter().any(|pool| IpNet::V4(*pool).contains(&address)))
}

/// RT-51: who gets packets for an address of a pool.
pub(super) fn by_pool<'a>(
    topology: &Topology,
    table: &'a RouteTable,
    address: IpAddr,
) -> Result<&'a NetworkInterfaceName, Reason> {
    let found = route(topology, &table.routes, address).ok_or(Reason::NoRoute)?;
    if found.state == RouteState::Blackhole {
        return Err(Reason::Blackhole);
    }
    interface(found).ok_or(Reason::Gateway)
}

/// RT-52: whether the gateway of `vpc` lets `source` out as it is, because its table routes it to an interface.
pub(super) fn may_answer(topology: &Topology, vpc: &VpcName, source: IpAddr) -> bool {
    let is_own =
        |table: &&RouteTable| table.public_ipv4_pools.iter().any(|pool| IpNet::V4(*pool).contains(&source));
    table(topology, vpc)
        .filter(is_own)
        .and_then(|table| route(topology, &table.routes, source))
        .and_then(interface)
        .is_some()
}
