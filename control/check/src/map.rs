//! What does this network look like?
//!
//! A topology as a tree: VPCs, their subnets with what routes and guards them, the instances inside, and who is outside.
//! Everything shown is in force, defaults included.

use std::net::Ipv4Addr;

use vpclab_model::{
    InterfaceType, NatGatewayName, NatGatewayState, NetworkInterface, NetworkInterfaceName, PeeringState,
    RouteTarget, SubnetName, Topology, VpcName,
};

use crate::beyond;
use crate::style::{FAINT, GOOD, STRONG, paint};
use crate::tree::{Branch, grow};
use crate::words;

/// The map as text with ANSI colours.
pub fn map(topology: &Topology) -> String {
    let mut branches: Vec<Branch> = topology.vpcs.keys().map(|name| vpc(topology, name)).collect();
    branches.extend(peerings(topology));
    branches.extend(beyond::branches(topology));
    if !topology.internet_hosts.is_empty() {
        let hosts = topology.internet_hosts.iter().map(|(name, host)| {
            let v4 = host.address.map(|address| address.to_string());
            let v6 = host.ipv6_address.map(|address| address.to_string());
            Branch::row(vec![name.to_string(), v4.unwrap_or_default(), String::new(), v6.unwrap_or_default()])
        });
        branches.push(Branch::text(paint(STRONG, "internet")).with(hosts));
    }
    let mut text = format!("{}\n", paint(STRONG, &topology.region));
    text.push_str(&grow(&branches, &paint_cell));
    for (name, eip) in topology.eips.iter().filter(|(_, eip)| eip.association.is_none()) {
        let unused = format!("elastic IP {name} {} stands for nobody", eip.public_ip);
        text.push_str(&paint(FAINT, unused));
        text.push('\n');
    }
    text
}

/// Of a row: the name, private addresses, public ones, IPv6 ones, and what guards it.
fn paint_cell(column: usize, cell: &str) -> String {
    match column {
        0 => paint(STRONG, cell),
        2 => paint(GOOD, cell),
        4 => paint(FAINT, cell),
        _ => cell.to_owned(),
    }
}

fn vpc(topology: &Topology, name: &VpcName) -> Branch {
    let blocks = topology.vpcs.get(name).map(|vpc| {
        let blocks: Vec<String> = vpc.cidr_blocks().map(|block| block.to_string()).collect();
        blocks.join("  ")
    });
    let gateway = |kind: &str, name: &str| Branch::text(format!("{kind} {}", paint(STRONG, name)));
    let internet =
        topology.internet_gateways.iter().filter(|(_, gateway)| gateway.vpc.as_ref() == Some(name));
    let egress_only =
        topology.egress_only_internet_gateways.iter().filter(|(_, gateway)| gateway.vpc == *name);
    let subnets = topology.subnets.iter().filter(|(_, subnet)| subnet.vpc == *name);
    Branch::text(format!("VPC {}  {}", paint(STRONG, name), blocks.unwrap_or_default()))
        .with(internet.map(|(name, _)| gateway("internet gateway", name.as_str())))
        .with(egress_only.map(|(name, _)| gateway("egress-only internet gateway", name.as_str())))
        .with(beyond::of_vpc(topology, name))
        .with(subnets.map(|(name, _)| subnet(topology, name)))
}

fn peerings(topology: &Topology) -> impl Iterator<Item = Branch> {
    topology.vpc_peering_connections.iter().map(|(name, peering)| {
        let state = match peering.state {
            // PCX-01
            PeeringState::Failed => "failed: their blocks overlap",
            state => words::peering_state(state),
        };
        Branch::text(format!(
            "VPC peering connection {}  {} ⇄ {}  {state}",
            paint(STRONG, name),
            peering.vpc,
            peering.peer_vpc
        ))
    })
}

fn subnet(topology: &Topology, name: &SubnetName) -> Branch {
    let Some(subnet) = topology.subnets.get(name) else { return Branch::default() };
    let blocks: Vec<String> = subnet.cidr_blocks().map(|block| block.to_string()).collect();
    let title =
        format!("subnet {}  {}  {}", paint(STRONG, name), subnet.availability_zone, blocks.join("  "));
    let members = topology.network_interfaces.iter().filter(|(_, eni)| eni.subnet == *name);
    Branch::text(title)
        .note(format!("routes {}: {}", subnet.route_table, routes(topology, name)))
        .note(format!("network ACL {}: {}", subnet.network_acl, acl(topology, name)))
        .with(members.map(|(name, eni)| Branch::row(interface(topology, name, eni))))
}

/// What a NAT gateway that does not work died of (NAT-17).
fn failure(topology: &Topology, gateway: &NatGatewayName) -> String {
    match topology.nat_gateways.get(gateway).map(|gateway| &gateway.state) {
        Some(NatGatewayState::Failed { failure_code, .. }) => format!(" (failed: {failure_code})"),
        Some(NatGatewayState::Available) | None => String::new(),
    }
}

/// Name, private addresses, public ones, IPv6 ones, and what guards it.
fn interface(topology: &Topology, name: &NetworkInterfaceName, eni: &NetworkInterface) -> Vec<String> {
    let label = match (&eni.interface_type, &eni.attachment) {
        (InterfaceType::NatGateway(gateway), _) => {
            format!("NAT gateway {gateway}{}", failure(topology, gateway))
        }
        (InterfaceType::NotModelled { kind, .. }, _) => format!("{name} ({kind}, not modelled)"),
        (InterfaceType::Interface, Some(attachment)) if eni.implied => attachment.instance.to_string(),
        (InterfaceType::Interface, Some(attachment)) => {
            format!("{name} ({} eth{})", attachment.instance, attachment.device_index)
        }
        (InterfaceType::VpcEndpoint(endpoint), _) => format!("VPC endpoint {endpoint}"),
        (InterfaceType::TransitGateway(attachment), _) => {
            format!("transit gateway attachment {attachment}")
        }
        (InterfaceType::Interface, None) => format!("{name} (not attached)"),
    };
    let list = |addresses: Vec<String>| addresses.join(" ");
    let public = |private: Ipv4Addr| eni.public_ips.get(&private).map(|public| public.address.to_string());
    let groups: Vec<&str> = eni.security_groups.iter().map(|group| group.as_str()).collect();
    let guards = match (groups.is_empty(), eni.source_dest_check) {
        (true, _) => String::new(),
        (false, true) => format!("guarded by {}", groups.join(", ")),
        (false, false) => format!("guarded by {}, no source/dest check", groups.join(", ")),
    };
    vec![
        label,
        list(eni.private_ips().map(|address| address.to_string()).collect()),
        list(eni.private_ips().filter_map(public).collect()),
        list(eni.ipv6_addresses.iter().map(ToString::to_string).collect()),
        guards,
    ]
}

fn routes(topology: &Topology, subnet: &SubnetName) -> String {
    let Some(table) =
        topology.subnets.get(subnet).and_then(|subnet| topology.route_tables.get(&subnet.route_table))
    else {
        return String::new();
    };
    let beyond: Vec<String> =
        table.routes.iter().filter(|route| route.target != RouteTarget::Local).map(words::route).collect();
    if beyond.is_empty() { "local only".to_owned() } else { beyond.join(", ") }
}

fn acl(topology: &Topology, subnet: &SubnetName) -> String {
    let acl = topology.subnets.get(subnet).and_then(|subnet| topology.network_acls.get(&subnet.network_acl));
    acl.map_or_else(String::new, |acl| {
        let rules = |count: usize| if count == 1 { "1 rule".to_owned() } else { format!("{count} rules") };
        format!("{} in, {} out", rules(acl.ingress.len()), rules(acl.egress.len()))
    })
}
