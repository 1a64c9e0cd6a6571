//! What may stand in a network ACL? (area NACL)

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::declared::{DEFAULT, DeclaredAclEntry};
use crate::name::{NetworkAclName, VpcName};
use crate::reader::Given;
use crate::register::{Context, is_made_by_aws};
use crate::resources::{NetworkAcl, NetworkAclEntry, RuleAction, Vpc};
use crate::rules::traffic;
use crate::traffic::Traffic;

/// The network ACLs, with the default one of each VPC.
pub(super) fn build(cx: &Context<'_>, vpcs: &BTreeMap<VpcName, Vpc>) -> BTreeMap<NetworkAclName, NetworkAcl> {
    let mut acls = BTreeMap::new();
    for (name, owner) in cx.registers.network_acls.iter() {
        let default = is_made_by_aws(name, DEFAULT);
        let declared = cx.declared.network_acls.get(name);
        let ipv6 = owner.and_then(|vpc| vpcs.get(vpc)).is_some_and(|vpc| !vpc.ipv6_cidr_blocks.is_empty());
        let direction = |written: Option<&Vec<DeclaredAclEntry>>| match written {
            Some(written) => entries(cx, written),
            None if default => default_entries(ipv6),
            // NACL-09
            None => Vec::new(),
        };
        let ingress = direction(declared.and_then(|acl| acl.ingress.as_ref()));
        let egress = direction(declared.and_then(|acl| acl.egress.as_ref()));
        let labels = declared.map(|acl| acl.labels.clone()).unwrap_or_default();
        if let Some(vpc) = owner {
            acls.insert(name.clone(), NetworkAcl { vpc: vpc.clone(), default, ingress, egress, labels });
        }
    }
    acls
}

/// NACL-07, and NACL-08 when the VPC has IPv6.
fn default_entries(ipv6: bool) -> Vec<NetworkAclEntry> {
    let entry = |rule_number, cidr| NetworkAclEntry {
        rule_number,
        action: RuleAction::Allow,
        traffic: Traffic::All,
        cidr,
    };
    let mut entries = vec![entry(100, IpNet::V4(Ipv4Net::default()))];
    if ipv6 {
        entries.push(entry(101, IpNet::V6(Ipv6Net::default())));
    }
    entries
}

/// One direction, in ascending order of rule number (NACL-01, NACL-03).
fn entries(cx: &Context<'_>, written: &[DeclaredAclEntry]) -> Vec<NetworkAclEntry> {
    let mut entries: BTreeMap<u16, NetworkAclEntry> = BTreeMap::new();
    let mut numbers = std::collections::BTreeSet::new();
    for entry in written {
        let number = rule_number(cx, &entry.rule_number);
        if let (Some(number), Some(given)) = (number, entry.rule_number.written())
            && !numbers.insert(number)
        {
            cx.log.report(
                &given.at,
                "NetworkAclEntryAlreadyExists",
                format!("rule {number} exists already in this direction"),
                "give every entry of a direction its own number",
            );
        }
        let cidr = cidr(cx, entry);
        let traffic = traffic::of_acl_entry(cx, &entry.traffic, cidr);
        if let (Some(rule_number), Some(cidr), Some(traffic), Some(action)) =
            (number, cidr, traffic, entry.action.value().copied())
        {
            entries.insert(rule_number, NetworkAclEntry { rule_number, action, traffic, cidr });
        }
    }
    entries.into_values().collect()
}

/// NACL-01, NACL-02
fn rule_number(cx: &Context<'_>, given: &Given<i64>) -> Option<u16> {
    const LAST: u16 = 32_766;
    let written = given.written()?;
    let number = u16::try_from(written.value).ok().filter(|number| (1..=LAST).contains(number));
    if number.is_none() {
        let why = if (32_767..=65_535).contains(&written.value) { "reserved" } else { "no rule number" };
        let problem = format!("{} is {why}", written.value);
        cx.log.report(
            &written.at,
            "InvalidParameterValue",
            problem,
            format!("give a number from 1 to {LAST}"),
        );
    }
    number
}

/// Exactly one of the two families (NACL-14).
fn cidr(cx: &Context<'_>, entry: &DeclaredAclEntry) -> Option<IpNet> {
    match (&entry.cidr_block, &entry.ipv6_cidr_block) {
        (Given::Right(block), Given::Absent) => Some(IpNet::V4(block.value)),
        (Given::Absent, Given::Right(block)) => Some(IpNet::V6(block.value)),
        (Given::Absent, Given::Absent) => {
            cx.log.report(
                &entry.traffic.at.attribute("cidr_block"),
                "MissingParameter",
                "a network ACL entry needs `cidr_block` or `ipv6_cidr_block`",
                "give the other end's addresses; 0.0.0.0/0 is everyone",
            );
            None
        }
        (Given::Wrong, _) | (_, Given::Wrong) => None,
        (Given::Right(_), Given::Right(block)) => {
            cx.log.report(
                &block.at,
                "InvalidParameterCombination",
                "an entry is about IPv4 or about IPv6",
                "make two entries of it",
            );
            None
        }
    }
}
