//! What must a lab still know after a crash?
//!
//! The document last applied, what was assigned automatically (or a restart would renumber instances), and which
//! instances run in somebody else's namespace. Each file is replaced atomically.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vpclab_model::{
    ConnectionTracking, Document, Eip, EipName, Home, InterfaceType, NetworkAclName, NetworkInterface,
    NetworkInterfaceName, PublicIp, RouteTableName, SecurityGroupName, SubnetName, Topology, Vpc, VpcName,
};

use crate::blueprint::GuestKey;
use crate::foreign::Foreign;
use crate::paths::{LabPaths, write_atomically};

/// One attachment, by the kind and name of the guest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Attached {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) foreign: Foreign,
}

impl Attached {
    pub(crate) fn new(key: &GuestKey, foreign: Foreign) -> Self {
        Self { kind: key.kind().to_owned(), name: key.name().to_owned(), foreign }
    }

    pub(crate) fn is_of(&self, key: &GuestKey) -> bool {
        self.kind == key.kind() && self.name == key.name()
    }
}

/// What validation takes over from the topology before: nothing else of that one matters.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Assigned {
    vpcs: BTreeMap<String, Vec<Ipv6Net>>,
    eips: BTreeMap<String, Ipv4Addr>,
    network_interfaces: BTreeMap<String, AssignedInterface>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AssignedInterface {
    subnet: String,
    mac_address: [u8; 6],
    private_ip: Option<Ipv4Addr>,
    secondary_private_ips: Vec<Ipv4Addr>,
    ipv6_addresses: Vec<Ipv6Addr>,
    /// Private address, public address, elastic IP.
    public_ips: Vec<(Ipv4Addr, Ipv4Addr, Option<String>)>,
}

/// Writes down a topology that is in force.
pub(crate) fn topology(paths: &LabPaths, document: &Document, topology: &Topology) -> io::Result<()> {
    write_json(&paths.assigned, &Assigned::of(topology))?;
    write_json(&paths.topology, document.as_value())
}

/// Writes down all attachments.
pub(crate) fn attachments(paths: &LabPaths, attached: &[Attached]) -> io::Result<()> {
    write_json(&paths.attachments, &attached)
}

/// The topology before, as far as validation takes over from it; none in a new lab.
pub(crate) fn previous_topology(paths: &LabPaths) -> Option<Topology> {
    read_json::<Assigned>(&paths.assigned).map(Assigned::into_previous)
}

/// The attachments before.
pub(crate) fn previous_attachments(paths: &LabPaths) -> Vec<Attached> {
    read_json(&paths.attachments).unwrap_or_default()
}

fn write_json(path: &std::path::Path, value: &impl Serialize) -> io::Result<()> {
    write_atomically(path, &serde_json::to_vec(value)?)
}

/// What a file holds, if it is there and whole. One that is not is as good as none: it only spares renumbering.
fn read_json<T: DeserializeOwned>(path: &std::path::Path) -> Option<T> {
    let text = fs::read(path).ok()?;
    serde_json::from_slice(&text)
        .inspect_err(|error| tracing::warn!(file = %path.display(), %error, "ignored: it cannot be read"))
        .ok()
}

impl Assigned {
    fn of(topology: &Topology) -> Self {
        let vpcs = topology.vpcs.iter();
        let eips = topology.eips.iter();
        let interfaces = topology.network_interfaces.iter();
        Self {
            vpcs: vpcs.map(|(name, vpc)| (name.to_string(), vpc.ipv6_cidr_blocks.clone())).collect(),
            eips: eips.map(|(name, eip)| (name.to_string(), eip.public_ip)).collect(),
            network_interfaces: interfaces
                .map(|(name, eni)| (name.to_string(), AssignedInterface::of(eni)))
                .collect(),
        }
    }

    /// A topology of the assignments alone. It is never compiled: validation reads addresses, hardware addresses and
    /// IPv6 blocks off it.
    fn into_previous(self) -> Topology {
        let vpcs = self.vpcs.into_iter().map(|(name, ipv6_cidr_blocks)| {
            let vpc = Vpc {
                home: Home::default(),
                cidr_block: Ipv4Net::default(),
                secondary_cidr_blocks: Vec::new(),
                ipv6_cidr_blocks,
                main_route_table: RouteTableName::new(""),
                default_network_acl: NetworkAclName::new(""),
                default_security_group: SecurityGroupName::new(""),
                labels: vpclab_model::Labels::default(),
            };
            (VpcName::new(name), vpc)
        });
        let eips = self.eips.into_iter().map(|(name, public_ip)| {
            (
                EipName::new(name),
                Eip { home: Home::default(), public_ip, association: None, tags: BTreeMap::new() },
            )
        });
        let interfaces = self.network_interfaces.into_iter();
        Topology {
            vpcs: vpcs.collect(),
            network_interfaces: interfaces
                .map(|(name, eni)| (NetworkInterfaceName::new(name), eni.into_interface()))
                .collect(),
            eips: eips.collect(),
            ..Topology::default()
        }
    }
}

impl AssignedInterface {
    fn of(eni: &NetworkInterface) -> Self {
        let public = |(&private, public): (&Ipv4Addr, &PublicIp)| {
            (private, public.address, public.eip.as_ref().map(ToString::to_string))
        };
        Self {
            subnet: eni.subnet.to_string(),
            mac_address: eni.mac_address,
            private_ip: eni.private_ip,
            secondary_private_ips: eni.secondary_private_ips.clone(),
            ipv6_addresses: eni.ipv6_addresses.clone(),
            public_ips: eni.public_ips.iter().map(public).collect(),
        }
    }

    fn into_interface(self) -> NetworkInterface {
        let public = |(private, address, eip): (_, _, Option<String>)| {
            (private, PublicIp { address, eip: eip.map(EipName::new) })
        };
        NetworkInterface {
            subnet: SubnetName::new(self.subnet),
            mac_address: self.mac_address,
            private_ip: self.private_ip,
            secondary_private_ips: self.secondary_private_ips,
            ipv6_addresses: self.ipv6_addresses,
            ipv4_prefixes: Vec::new(),
            ipv6_prefixes: Vec::new(),
            public_ips: self.public_ips.into_iter().map(public).collect(),
            security_groups: Vec::new(),
            source_dest_check: true,
            attachment: None,
            interface_type: InterfaceType::Interface,
            connection_tracking: ConnectionTracking::default(),
            implied: false,
            labels: vpclab_model::Labels::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use vpclab_model::Syntax;

    use super::*;

    fn topology(names: &[&str], previous: Option<&Topology>) -> Topology {
        let instances: Vec<String> = names
            .iter()
            .map(|name| format!(r#""{name}": {{"subnet": "s", "associate_public_ip_address": true}}"#))
            .collect();
        let text = format!(
            r#"{{"vpcs": {{"v": {{"cidr_block": "10.0.0.0/16", "assign_generated_ipv6_cidr_block": true}}}},
                "internet_gateways": {{"igw": {{"vpc": "v"}}}},
                "subnets": {{"s": {{"vpc": "v", "cidr_block": "10.0.1.0/24"}}}},
                "eips": {{"spare": {{}}}},
                "instances": {{{}}}}}"#,
            instances.join(", ")
        );
        Topology::from_document(&Document::parse(&text, Syntax::Json).unwrap(), previous).unwrap()
    }

    #[test]
    fn what_was_assigned_stays_assigned_over_a_restart() {
        let first = topology(&["b", "c"], None);
        let second = topology(&["a", "b", "c"], Some(&first));
        let afresh = topology(&["a", "b", "c"], None);
        assert_ne!(second, afresh, "assignments depend on history here");
        let text = serde_json::to_string(&Assigned::of(&second)).unwrap();
        let read: Assigned = serde_json::from_str(&text).unwrap();
        assert_eq!(topology(&["a", "b", "c"], Some(&read.into_previous())), second);
    }
}
