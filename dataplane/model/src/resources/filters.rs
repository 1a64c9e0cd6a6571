//! Network ACLs and security groups.

use std::fmt;

use ipnet::IpNet;
use serde::Serialize;

use crate::name::{ManagedPrefixListName, SecurityGroupName, VpcName};
use crate::resources::Labels;
use crate::traffic::Traffic;

/// A network ACL (area NACL).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkAcl {
    /// The VPC it belongs to.
    pub vpc: VpcName,
    /// Whether it is the VPC's default ACL.
    pub default: bool,
    /// Inbound entries in ascending order of rule number; the final `*` deny is implied (NACL-02).
    pub ingress: Vec<NetworkAclEntry>,
    /// Outbound entries, likewise.
    pub egress: Vec<NetworkAclEntry>,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// One entry of a network ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkAclEntry {
    /// Its place in the order, 1 to 32766 (NACL-01).
    pub rule_number: u16,
    /// What happens to a matching packet.
    pub action: RuleAction,
    /// Protocol and ports; ports are the packet's destination ports (NACL-11).
    pub traffic: Traffic,
    /// The other end: the source of inbound, the destination of outbound packets (NACL-14).
    pub cidr: IpNet,
}

/// Allow or deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAction {
    /// Let it pass.
    Allow,
    /// Discard it silently (PIPE-09).
    Deny,
}

/// A security group (area SG).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecurityGroup {
    /// The VPC it belongs to.
    pub vpc: VpcName,
    /// Further VPCs of the region whose interfaces may be in it (SG-23).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vpc_associations: Vec<VpcName>,
    /// The group's name as AWS shows it.
    pub group_name: String,
    /// What it is for.
    pub description: String,
    /// Inbound rules; their order means nothing (SG-01).
    pub ingress: Vec<SecurityGroupRule>,
    /// Outbound rules.
    pub egress: Vec<SecurityGroupRule>,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// One rule of a security group: allows only (SG-01). A declared rule with several peers is several of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecurityGroupRule {
    /// Protocol and ports; ports are the packet's destination ports.
    pub traffic: Traffic,
    /// The other end.
    pub peer: Peer,
    /// The position in the declared list that this rule comes from, counted from 0.
    pub declared_at: usize,
    /// Whether the peering connection to the group it names is gone, so that it matches nothing (SG-12).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The other end of a security group rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// Addresses.
    Cidr(IpNet),
    /// The private addresses of the group's interfaces (SG-08).
    Group(SecurityGroupName),
    /// Nobody: a group of another account of which nothing is known but `account/sg-id` (SG-14, SG-24).
    UnknownGroup(String),
    /// The entries of a managed prefix list as they are now (SG-25).
    PrefixList(ManagedPrefixListName),
}

/// The addresses, the name of the group or list, or `account/sg-id`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cidr(block) => block.fmt(f),
            Self::Group(group) => group.fmt(f),
            Self::UnknownGroup(reference) => f.write_str(reference),
            Self::PrefixList(list) => list.fmt(f),
        }
    }
}
