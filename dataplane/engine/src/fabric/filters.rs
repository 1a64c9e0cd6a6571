//! What guards subnets and interfaces?
//!
//! Network ACLs as they are evaluated, and the security groups' rules as interfaces read them.

use vpclab_model::{NetworkAclName, RuleAction, SecurityGroupName, Traffic};

use super::{Block, Both};
use crate::index::{NotModelledIdx, SecurityGroupIdx};

/// A network ACL: entries of each direction in order of evaluation.
#[derive(Debug)]
pub struct NetworkAcl {
    /// Its name.
    pub name: NetworkAclName,
    /// Its entries.
    pub entries: Both<Vec<NetworkAclEntry>>,
    /// The ACL itself, where it may have other entries.
    pub unknown: Option<NotModelledIdx>,
}

/// An entry of a network ACL.
#[derive(Debug, Clone)]
pub struct NetworkAclEntry {
    /// Its number.
    pub rule_number: u16,
    /// What it does.
    pub action: RuleAction,
    /// Protocol and ports.
    pub traffic: Traffic,
    /// The other end.
    pub cidr: Block,
}

/// A security group. Its rules live in the [`Policy`]s of its interfaces.
#[derive(Debug)]
pub struct SecurityGroup {
    /// Its name.
    pub name: SecurityGroupName,
    /// How many rules it has in each direction.
    pub rule_counts: Both<usize>,
}

/// The rules that guard an interface in one direction: the union of its groups' (SG-01).
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The rules.
    pub rules: Vec<PolicyRule>,
    /// A group, or a prefix list in one, that may allow more.
    pub unknown: Option<NotModelledIdx>,
}

/// One rule of a policy.
#[derive(Debug, Clone)]
pub struct PolicyRule {
    /// Protocol and ports.
    pub traffic: Traffic,
    /// The other end.
    pub peer: Peer,
    /// The group it comes from.
    pub group: SecurityGroupIdx,
    /// Its place in the group's declared list of this direction.
    pub declared_at: usize,
}

/// The other end of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Addresses.
    Cidr(Block),
    /// Members of a group, known by their interface (SG-08).
    Group(SecurityGroupIdx),
    /// Nobody: members of a group that is not known (SG-24).
    Nobody,
}
