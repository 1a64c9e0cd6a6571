//! What may stand in a security group? (area SG)

use std::collections::{BTreeMap, BTreeSet};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::declared::{DEFAULT, DeclaredGroupRule, DeclaredSecurityGroup};
use crate::log::Place;
use crate::name::{SecurityGroupName, VpcName};
use crate::reader::Given;
use crate::register::{Context, is_made_by_aws};
use crate::resources::{Peer, SecurityGroup, SecurityGroupRule, Vpc};
use crate::rules::prefix_lists;
use crate::rules::references::{self, Peerings};
use crate::rules::traffic;
use crate::shape::clip;
use crate::traffic::Traffic;

/// The security groups, with the default one of each VPC.
pub(super) fn build(
    cx: &Context<'_>,
    vpcs: &BTreeMap<VpcName, Vpc>,
    peerings: &Peerings,
) -> BTreeMap<SecurityGroupName, SecurityGroup> {
    let mut groups = BTreeMap::new();
    let mut names: BTreeMap<(&VpcName, String), &SecurityGroupName> = BTreeMap::new();
    for (name, owner) in cx.registers.security_groups.iter() {
        let declared = cx.declared.security_groups.get(name);
        let default = is_made_by_aws(name, DEFAULT);
        let group_name = group_name(cx, name, declared, default);
        if let (Some(owner), Some(group_name), Some(declared)) = (owner, &group_name, declared)
            && let Some(other) = names.insert((owner, group_name.to_lowercase()), name)
        {
            // SG-05
            cx.log.report(
                &declared.group_name.written().map_or(&declared.at, |written| &written.at).clone(),
                "InvalidGroup.Duplicate",
                format!("VPC {owner} already has a group named \"{group_name}\": {other}"),
                "choose another `name`; case makes no difference",
            );
        }
        let direction = |rules: Option<&Vec<DeclaredGroupRule>>, inbound: bool| {
            let from = references::From { peerings, vpc: owner, inbound };
            rules.map(|rules| flatten(cx, &from, name, rules))
        };
        let ingress = direction(declared.and_then(|group| group.ingress.as_ref()), true);
        let egress = direction(declared.and_then(|group| group.egress.as_ref()), false);
        let Some(owner) = owner else { continue };
        let ipv6 = vpcs.get(owner).is_some_and(|vpc| !vpc.ipv6_cidr_blocks.is_empty());
        let fallback = if default { "default VPC security group" } else { "" };
        groups.insert(
            name.clone(),
            SecurityGroup {
                vpc: owner.clone(),
                vpc_associations: references::associations(cx, name, Some(owner)),
                group_name: group_name.unwrap_or_default(),
                description: declared
                    .and_then(|group| group.description.clone())
                    .unwrap_or_else(|| fallback.into()),
                // SG-03: the default group lets its own members in.
                ingress: ingress.unwrap_or_else(|| {
                    if default { vec![allow_all(0, Peer::Group(name.clone()))] } else { Vec::new() }
                }),
                egress: egress.unwrap_or_else(|| everywhere(ipv6)),
                labels: declared.map(|group| group.labels.clone()).unwrap_or_default(),
            },
        );
    }
    groups
}

/// SG-02
fn everywhere(ipv6: bool) -> Vec<SecurityGroupRule> {
    let mut rules = vec![allow_all(0, Peer::Cidr(IpNet::V4(Ipv4Net::default())))];
    if ipv6 {
        rules.push(allow_all(1, Peer::Cidr(IpNet::V6(Ipv6Net::default()))));
    }
    rules
}

fn allow_all(declared_at: usize, peer: Peer) -> SecurityGroupRule {
    SecurityGroupRule { traffic: Traffic::All, peer, declared_at, stale: false, description: None }
}

/// The name AWS shows: `name`, else the resource's own (SG-05).
fn group_name(
    cx: &Context<'_>,
    name: &SecurityGroupName,
    declared: Option<&DeclaredSecurityGroup>,
    default: bool,
) -> Option<String> {
    const LONGEST: usize = 255;
    let given = declared.map_or(&Given::Absent, |group| &group.group_name);
    let (text, at) = match given {
        Given::Wrong => return None,
        Given::Right(written) => (written.value.trim_end(), written.at.clone()),
        Given::Absent if default => return Some(DEFAULT.to_owned()),
        Given::Absent => (name.as_str(), Place::resource(name)),
    };
    let lower = text.to_lowercase();
    if default {
        if lower != DEFAULT {
            let problem = format!("\"{}\" is not the name of a default group", clip(text));
            cx.log.report(&at, "InvalidParameterValue", problem, "leave `name` out: it is always default");
        }
        return Some(DEFAULT.to_owned());
    }
    let (code, problem, remedy) = if lower == DEFAULT {
        let remedy = "choose another name, or declare the default group itself as VPC/default".to_owned();
        ("InvalidGroup.Reserved", "the name default is reserved".to_owned(), remedy)
    } else if lower.starts_with("sg-") {
        let problem = format!("\"{}\" starts with sg-, like an id", clip(text));
        ("InvalidParameterValue", problem, "give a `name` that does not".to_owned())
    } else if text.is_empty() || text.chars().count() > LONGEST {
        let problem = format!("the name has {} characters", text.chars().count());
        ("InvalidParameterValue", problem, format!("give 1 to {LONGEST}"))
    } else {
        return Some(text.to_owned());
    };
    cx.log.report(&at, code, problem, remedy);
    None
}

/// One rule for each peer of each declared rule.
fn flatten(
    cx: &Context<'_>,
    from: &references::From<'_>,
    name: &SecurityGroupName,
    written: &[DeclaredGroupRule],
) -> Vec<SecurityGroupRule> {
    let mut rules = Vec::new();
    let mut seen: BTreeSet<(Traffic, Peer)> = BTreeSet::new();
    for (declared_at, rule) in written.iter().enumerate() {
        let traffic = traffic::of_group_rule(cx, &rule.traffic);
        let peers = peers(cx, from, name, rule);
        let Some(traffic) = traffic else { continue };
        for (at, peer, stale) in peers {
            if seen.insert((traffic, peer.clone())) {
                let description = rule.description.clone();
                rules.push(SecurityGroupRule { traffic, peer, declared_at, stale, description });
            } else {
                // SG-19
                let whom = match &peer {
                    Peer::Cidr(block) => block.to_string(),
                    Peer::Group(_) | Peer::UnknownGroup(_) => format!("group {peer}"),
                    Peer::PrefixList(list) => format!("prefix list {list}"),
                };
                cx.log.report(
                    &at,
                    "InvalidPermission.Duplicate",
                    format!("{traffic} for {whom} is allowed already"),
                    "remove one of the two",
                );
            }
        }
    }
    rules
}

fn peers(
    cx: &Context<'_>,
    from: &references::From<'_>,
    name: &SecurityGroupName,
    rule: &DeclaredGroupRule,
) -> Vec<(Place, Peer, bool)> {
    let mut peers: Vec<(Place, Peer, bool)> = Vec::new();
    let ipv4 = rule.cidr_blocks.items.iter().map(|block| (&block.at, IpNet::V4(block.value)));
    let ipv6 = rule.ipv6_cidr_blocks.items.iter().map(|block| (&block.at, IpNet::V6(block.value)));
    peers.extend(ipv4.chain(ipv6).map(|(at, block)| (at.clone(), Peer::Cidr(block), false)));
    for reference in &rule.security_groups.items {
        let meant = references::of_rule(cx, from, reference);
        peers.extend(meant.map(|(peer, stale)| (reference.at.clone(), peer, stale)));
    }
    for reference in &rule.prefix_lists.items {
        let list = prefix_lists::resolve(cx, reference, from.vpc);
        peers.extend(list.map(|list| (reference.at.clone(), Peer::PrefixList(list), false)));
    }
    let to_itself = rule.to_itself.written().filter(|written| written.value);
    peers.extend(to_itself.map(|written| (written.at.clone(), Peer::Group(name.clone()), false)));

    let wrong = !rule.prefix_lists.complete
        || !rule.prefix_lists.items.is_empty()
        || !rule.cidr_blocks.complete
        || !rule.ipv6_cidr_blocks.complete
        || !rule.security_groups.complete
        || !rule.security_groups.items.is_empty()
        || matches!(rule.to_itself, Given::Wrong);
    if peers.is_empty() && !wrong {
        cx.log.report(
            &rule.at,
            "MissingParameter",
            "the rule names no other end",
            "give `cidr_blocks`, `ipv6_cidr_blocks`, `security_groups`, `prefix_lists` or `self: true`",
        );
    }
    peers
}
