//! Which rules of a security group change nothing?
//!
//! Rules only allow, and all of them count (SG-01): one whose packets others allow anyway could go. Members of groups and
//! entries of prefix lists come and go: such a rule is only covered by rules for everybody, or for the same group or list,
//! and covers nothing but those. Rules that name a group which nothing leads to any more match nothing (SG-12).

use std::collections::BTreeMap;

use vpclab_api::Finding;
use vpclab_engine::Direction;
use vpclab_model::{AddressFamily, Peer, SecurityGroupName, SecurityGroupRule, Topology};

use super::boxes::{Packets, is_covered};
use super::catalogue::{REDUNDANT_RULE, STALE_RULE};
use super::visitors::{ANY_V4, ANY_V6};
use super::{Lint, citing};
use crate::words;

pub(super) fn check(cx: &Lint<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, group) in &cx.topology.security_groups {
        for (way, rules) in [(Direction::Inbound, &group.ingress), (Direction::Outbound, &group.egress)] {
            for rule in rules.iter().filter(|rule| rule.stale) {
                let text = words::group_permission(way, &rule.traffic, [&rule.peer]);
                let reason =
                    format!("`{text}` matches nothing: no peering connection leads to {}", rule.peer);
                let remedy = "take it out, or make the peering connection again".to_owned();
                let finding = STALE_RULE.about(name, reason, remedy);
                found.push(Finding { rule: Some(place(way, rule.declared_at)), ..finding });
            }
            found.extend(redundant(cx.topology, name, way, rules));
        }
    }
    found
}

/// The declared rules that others cover, each once with those of its peers that could go.
fn redundant(
    topology: &Topology,
    name: &SecurityGroupName,
    way: Direction,
    rules: &[SecurityGroupRule],
) -> Vec<Finding> {
    let mut kept: Vec<bool> = rules.iter().map(|rule| !rule.stale).collect();
    let mut gone: BTreeMap<usize, Vec<(usize, Vec<usize>)>> = BTreeMap::new();
    for at in (0..rules.len()).rev() {
        if !kept[at] {
            continue;
        }
        let others: Vec<usize> = (0..rules.len()).filter(|&other| other != at && kept[other]).collect();
        let is_redundant = packets(topology, &rules[at]).iter().all(|own| {
            let covering: Vec<Packets> =
                others.iter().flat_map(|&other| covers(&rules[other], &rules[at])).collect();
            is_covered(*own, &covering)
        });
        if is_redundant {
            kept[at] = false;
            let by = others.into_iter().filter(|&other| {
                covers(&rules[other], &rules[at])
                    .iter()
                    .any(|packets_of| packets(topology, &rules[at]).iter().any(|own| own.meets(packets_of)))
            });
            gone.entry(rules[at].declared_at).or_default().push((at, by.collect()));
        }
    }
    let finding = |(declared_at, mut all): (usize, Vec<(usize, Vec<usize>)>)| {
        all.reverse();
        let peers = all.iter().map(|(at, _)| &rules[*at].peer);
        let traffic = &rules[all.first()?.0].traffic;
        let text = words::group_permission(way, traffic, peers);
        let mut by: Vec<String> =
            all.iter().flat_map(|(_, by)| by).map(|&other| place(way, rules[other].declared_at)).collect();
        by.sort_unstable();
        by.dedup();
        let others: Vec<String> = by.into_iter().filter(|other| *other != place(way, declared_at)).collect();
        let others = match others.len() {
            0 => "the rest of it does not".to_owned(),
            1 => format!("{} does not", others[0]),
            _ => format!("{} do not", super::some_of(&others)),
        };
        let reason = format!("`{text}` allows nothing that {others}");
        let is_whole = rules.iter().filter(|rule| rule.declared_at == declared_at).count() == all.len();
        let remedy = if is_whole {
            "take it out".to_owned()
        } else {
            let peers: Vec<String> = all.iter().map(|(at, _)| rules[*at].peer.to_string()).collect();
            format!("take {} out of it", peers.join(", "))
        };
        let finding = citing(REDUNDANT_RULE.about(name, reason, remedy), &["SG-01"]);
        Some(Finding { rule: Some(place(way, declared_at)), ..finding })
    };
    gone.into_iter().filter_map(finding).collect()
}

/// The packets that a rule may match, as far as they can be told: those of everybody, where its peers come and go.
fn packets(topology: &Topology, rule: &SecurityGroupRule) -> Vec<Packets> {
    let any_v4 = Packets::new(&rule.traffic, ANY_V4);
    let any_v6 = Packets::new(&rule.traffic, ANY_V6);
    match &rule.peer {
        Peer::Cidr(block) => vec![Packets::new(&rule.traffic, *block)],
        Peer::UnknownGroup(_) => vec![any_v4, any_v6],
        Peer::PrefixList(list) => {
            match topology.managed_prefix_lists.get(list).map(|list| list.address_family) {
                Some(AddressFamily::Ipv4) => vec![any_v4],
                Some(AddressFamily::Ipv6) => vec![any_v6],
                None => vec![any_v4, any_v6],
            }
        }
        Peer::Group(group) => {
            let group = topology.security_groups.get(group);
            let mut vpcs = group
                .into_iter()
                .flat_map(|group| std::iter::once(&group.vpc).chain(&group.vpc_associations));
            let is_ipv4 = group.is_some()
                && vpcs.all(|vpc| {
                    let vpc = topology.vpcs.get(vpc);
                    vpc.is_some_and(|vpc| {
                        vpc.ipv6_cidr_blocks.is_empty() && vpc.labels.not_modelled.is_none()
                    })
                });
            if is_ipv4 { vec![any_v4] } else { vec![any_v4, any_v6] }
        }
    }
}

/// What `rule` surely allows of the packets of `other`.
fn covers(rule: &SecurityGroupRule, other: &SecurityGroupRule) -> Vec<Packets> {
    match &rule.peer {
        Peer::Cidr(block) => vec![Packets::new(&rule.traffic, *block)],
        // The same peers, whoever they are.
        peer if *peer == other.peer => {
            vec![Packets::new(&rule.traffic, ANY_V4), Packets::new(&rule.traffic, ANY_V6)]
        }
        _ => Vec::new(),
    }
}

/// A rule as documents have it.
pub(super) fn place(way: Direction, declared_at: usize) -> String {
    format!("{}[{declared_at}]", words::direction(way))
}
