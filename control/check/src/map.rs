//! What does this network look like?
//!
//! A topology as a tree: VPCs, their subnets with what routes and guards them, the instances inside, and who is outside.
//! Everything shown is in force, defaults included.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use vpclab_model::{NetworkInterface, NetworkInterfaceName, RouteTarget, SubnetName, Topology, VpcName};

use crate::style::{FAINT, GOOD, STRONG, columns, paint};
use crate::words;

/// The map as text with ANSI colours.
pub fn map(topology: &Topology) -> String {
    let mut text = format!("{}\n", paint(STRONG, &topology.region));
    let parts = topology.vpcs.len() + usize::from(!topology.internet_hosts.is_empty());
    for (place, name) in topology.vpcs.keys().enumerate() {
        vpc(&mut text, topology, name, place + 1 == parts);
    }
    if !topology.internet_hosts.is_empty() {
        let _ = writeln!(text, "└─ {}", paint(STRONG, "internet"));
        let hosts: Vec<Vec<String>> = topology
            .internet_hosts
            .iter()
            .map(|(name, host)| {
                let v4 = host.address.map(|address| address.to_string());
                let v6 = host.ipv6_address.map(|address| address.to_string());
                vec![name.to_string(), v4.unwrap_or_default(), v6.unwrap_or_default()]
            })
            .collect();
        branches(&mut text, "   ", &columns(&hosts, "", |_, column, cell| name_first(column, cell)));
    }
    let free: Vec<_> = topology.eips.iter().filter(|(_, eip)| eip.association.is_none()).collect();
    for (name, eip) in free {
        let _ = writeln!(
            text,
            "{}",
            paint(FAINT, format_args!("elastic IP {name} {} stands for nobody", eip.public_ip))
        );
    }
    text
}

fn name_first(column: usize, cell: &str) -> String {
    if column == 0 { paint(STRONG, cell) } else { cell.to_owned() }
}

fn vpc(text: &mut String, topology: &Topology, name: &VpcName, is_last: bool) {
    let Some(vpc) = topology.vpcs.get(name) else { return };
    let blocks: Vec<String> = vpc.cidr_blocks().map(|block| block.to_string()).collect();
    let (branch, trunk) = if is_last { ("└─", "   ") } else { ("├─", "│  ") };
    let _ = writeln!(text, "{branch} VPC {}  {}", paint(STRONG, name), blocks.join("  "));
    let gateways: Vec<_> =
        topology.internet_gateways.iter().filter(|(_, gateway)| gateway.vpc.as_ref() == Some(name)).collect();
    let subnets: Vec<_> = topology.subnets.iter().filter(|(_, subnet)| subnet.vpc == *name).collect();
    for (place, (gateway, _)) in gateways.iter().enumerate() {
        let is_last = subnets.is_empty() && place + 1 == gateways.len();
        let branch = if is_last { "└─" } else { "├─" };
        let _ = writeln!(text, "{trunk}{branch} internet gateway {}", paint(STRONG, gateway));
    }
    for (place, (name, _)) in subnets.iter().enumerate() {
        let is_last = place + 1 == subnets.len();
        subnet(text, topology, name, trunk, is_last);
    }
}

fn subnet(text: &mut String, topology: &Topology, name: &SubnetName, trunk: &str, is_last: bool) {
    let Some(subnet) = topology.subnets.get(name) else { return };
    let blocks: Vec<String> = subnet.cidr_blocks().map(|block| block.to_string()).collect();
    let (branch, below) = if is_last { ("└─", "   ") } else { ("├─", "│  ") };
    let _ = writeln!(
        text,
        "{trunk}{branch} subnet {}  {}  {}",
        paint(STRONG, name),
        subnet.availability_zone,
        blocks.join("  ")
    );
    let trunk = format!("{trunk}{below}");
    let members: Vec<_> = topology.network_interfaces.iter().filter(|(_, eni)| eni.subnet == *name).collect();
    let fence = if members.is_empty() { ' ' } else { '│' };
    let about = [
        format!("routes {}: {}", subnet.route_table, routes(topology, name)),
        format!("network ACL {}: {}", subnet.network_acl, acl(topology, name)),
    ];
    for line in about {
        let _ = writeln!(text, "{trunk}{}", paint(FAINT, format_args!("{fence}  {line}")));
    }
    let rows: Vec<Vec<String>> = members.iter().map(|(name, eni)| interface(name, eni)).collect();
    let lines = columns(&rows, "", |_, column, cell| match column {
        0 => paint(STRONG, cell),
        2 => paint(GOOD, cell),
        4 => paint(FAINT, cell),
        _ => cell.to_owned(),
    });
    branches(text, &trunk, &lines);
}

/// Lines as the branches of a trunk.
fn branches(text: &mut String, trunk: &str, lines: &str) {
    let count = lines.lines().count();
    for (place, line) in lines.lines().enumerate() {
        let branch = if place + 1 == count { "└─" } else { "├─" };
        let _ = writeln!(text, "{trunk}{branch} {line}");
    }
}

/// Name, private addresses, public ones, IPv6 ones, and what guards it.
fn interface(name: &NetworkInterfaceName, eni: &NetworkInterface) -> Vec<String> {
    let label = match &eni.attachment {
        Some(attachment) if eni.implied => attachment.instance.to_string(),
        Some(attachment) => format!("{name} ({} eth{})", attachment.instance, attachment.device_index),
        None => format!("{name} (not attached)"),
    };
    let list = |addresses: Vec<String>| addresses.join(" ");
    let public = |private: Ipv4Addr| eni.public_ips.get(&private).map(|public| public.address.to_string());
    let groups: Vec<&str> = eni.security_groups.iter().map(|group| group.as_str()).collect();
    let check = if eni.source_dest_check { "" } else { ", no source/dest check" };
    vec![
        label,
        list(eni.private_ips().map(|address| address.to_string()).collect()),
        list(eni.private_ips().filter_map(public).collect()),
        list(eni.ipv6_addresses.iter().map(ToString::to_string).collect()),
        format!("guarded by {}{check}", groups.join(", ")),
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
