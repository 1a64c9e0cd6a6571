//! Network ACLs and security groups, as written.

use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::{Map, Value};

use crate::declared::network::vpc_of;
use crate::declared::{DEFAULT, owner_in_name};
use crate::log::{Log, Place};
use crate::name::{NetworkAclName, SecurityGroupName};
use crate::reader::{Given, List, Reader};
use crate::resources::{Labels, RuleAction};
use crate::shape::Protocol;

/// Protocol, ports and ICMP data as written; which of them count is for the rules to say.
#[derive(Debug)]
pub(crate) struct DeclaredTraffic {
    pub(crate) at: Place,
    pub(crate) protocol: Given<Protocol>,
    pub(crate) from_port: Given<i64>,
    pub(crate) to_port: Given<i64>,
    pub(crate) icmp_type: Given<i64>,
    pub(crate) icmp_code: Given<i64>,
}

/// A network ACL as written. A direction that is not written is `None`.
#[derive(Debug)]
pub(crate) struct DeclaredNetworkAcl {
    pub(crate) vpc: Given<String>,
    pub(crate) ingress: Option<Vec<DeclaredAclEntry>>,
    pub(crate) egress: Option<Vec<DeclaredAclEntry>>,
    pub(crate) subnets: List<String>,
    pub(crate) labels: Labels,
}

/// An entry of a network ACL as written.
#[derive(Debug)]
pub(crate) struct DeclaredAclEntry {
    pub(crate) rule_number: Given<i64>,
    pub(crate) action: Given<RuleAction>,
    pub(crate) traffic: DeclaredTraffic,
    pub(crate) cidr_block: Given<Ipv4Net>,
    pub(crate) ipv6_cidr_block: Given<Ipv6Net>,
}

/// A security group as written. A direction that is not written is `None`.
#[derive(Debug)]
pub(crate) struct DeclaredSecurityGroup {
    pub(crate) at: Place,
    pub(crate) vpc: Given<String>,
    pub(crate) vpc_associations: List<String>,
    pub(crate) group_name: Given<String>,
    pub(crate) description: Option<String>,
    pub(crate) ingress: Option<Vec<DeclaredGroupRule>>,
    pub(crate) egress: Option<Vec<DeclaredGroupRule>>,
    pub(crate) labels: Labels,
}

/// A rule of a security group as written: possibly several peers.
#[derive(Debug)]
pub(crate) struct DeclaredGroupRule {
    pub(crate) at: Place,
    pub(crate) traffic: DeclaredTraffic,
    pub(crate) cidr_blocks: List<Ipv4Net>,
    pub(crate) ipv6_cidr_blocks: List<Ipv6Net>,
    pub(crate) security_groups: List<String>,
    pub(crate) to_itself: Given<bool>,
    pub(crate) description: Option<String>,
    pub(crate) prefix_lists: List<String>,
}

/// Both directions of a filter.
type Directions<R> = (Option<Vec<R>>, Option<Vec<R>>);

impl DeclaredTraffic {
    fn read(reader: &mut Reader<'_>, with_icmp: bool) -> Self {
        let mut icmp = |name| if with_icmp { reader.take(&[name]) } else { Given::Absent };
        let (icmp_type, icmp_code) = (icmp("icmp_type"), icmp("icmp_code"));
        Self {
            at: reader.at().clone(),
            protocol: reader
                .require(&["protocol", "ip_protocol"], "tcp, udp, icmp, icmpv6, a number, or -1 for all"),
            from_port: reader.take(&["from_port"]),
            to_port: reader.take(&["to_port"]),
            icmp_type,
            icmp_code,
        }
    }
}

impl DeclaredNetworkAcl {
    pub(super) fn read(reader: &mut Reader<'_>, log: &Log, name: &NetworkAclName) -> Self {
        let vpc = vpc_of(reader, owner_in_name(name, DEFAULT));
        let (ingress, egress) = directions(reader, log, "a network ACL entry", DeclaredAclEntry::read);
        Self {
            vpc,
            ingress,
            egress,
            subnets: reader.list(&["subnets", "subnet_ids"]),
            labels: reader.labels(),
        }
    }
}

impl DeclaredAclEntry {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            rule_number: reader.require(&["rule_no", "rule_number"], "a number from 1 to 32766"),
            action: reader.require(&["action", "rule_action"], "allow or deny"),
            traffic: DeclaredTraffic::read(reader, true),
            cidr_block: reader.take(&["cidr_block"]),
            ipv6_cidr_block: reader.take(&["ipv6_cidr_block"]),
        }
    }
}

impl DeclaredSecurityGroup {
    pub(super) fn read(reader: &mut Reader<'_>, log: &Log, name: &SecurityGroupName) -> Self {
        let vpc = vpc_of(reader, owner_in_name(name, DEFAULT));
        let (ingress, egress) = directions(reader, log, "a security group rule", DeclaredGroupRule::read);
        Self {
            at: reader.at().clone(),
            vpc,
            group_name: reader.take(&["name", "group_name"]),
            vpc_associations: reader.list(&["vpc_associations"]),
            description: reader.take(&["description"]).value().cloned(),
            ingress,
            egress,
            labels: reader.labels(),
        }
    }
}

impl DeclaredGroupRule {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            at: reader.at().clone(),
            traffic: DeclaredTraffic::read(reader, false),
            cidr_blocks: reader.list_or_one(&["cidr_blocks"], &["cidr_ipv4"]),
            ipv6_cidr_blocks: reader.list_or_one(&["ipv6_cidr_blocks"], &["cidr_ipv6"]),
            security_groups: reader.list_or_one(
                &["security_groups", "security_group_ids"],
                &["referenced_security_group", "referenced_security_group_id"],
            ),
            to_itself: reader.take(&["self"]),
            description: reader.take(&["description"]).value().cloned(),
            prefix_lists: reader
                .list_or_one(&["prefix_lists", "prefix_list_ids"], &["prefix_list", "prefix_list_id"]),
        }
    }
}

fn directions<R>(
    reader: &mut Reader<'_>,
    log: &Log,
    noun: &'static str,
    read: impl Fn(&mut Reader<'_>) -> R,
) -> Directions<R> {
    let rule = |(at, object): (Place, &Map<String, Value>)| {
        let mut reader = Reader::new(log, at, object, noun);
        let rule = read(&mut reader);
        reader.finish();
        rule
    };
    let mut direction =
        |name| reader.objects(&[name]).map(|rules| rules.into_iter().map(rule).collect::<Vec<_>>());
    (direction("ingress"), direction("egress"))
}
