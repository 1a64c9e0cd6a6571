//! Which rules of a network ACL never decide, or decide what others would?
//!
//! The first match decides (NACL-01). A rule is shadowed if rules before it match all that it matches, and at least one of
//! them decides the other way; it is redundant if the list without it decides the same of every packet. A last rule that
//! denies everything, as `*` does, is left alone: it says aloud what holds anyway.

use vpclab_api::Finding;
use vpclab_model::{NetworkAclEntry, NetworkAclName, RuleAction, Traffic};

use super::boxes::{Packets, is_covered, uncovered};
use super::catalogue::{REDUNDANT_RULE, SHADOWED_RULE};
use super::{Lint, citing};
use crate::words;
use vpclab_engine::Direction;

pub(super) fn check(cx: &Lint<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, acl) in cx.topology.network_acls.iter().filter(|(_, acl)| acl.labels.not_modelled.is_none()) {
        for (way, entries) in [(Direction::Inbound, &acl.ingress), (Direction::Outbound, &acl.egress)] {
            found.extend(of_list(name, way, entries));
        }
    }
    found
}

/// What a rule is, once those before it have decided.
enum Fate {
    /// It decides about something.
    Decides(Vec<Packets>),
    /// Others decide about all of it; these decide otherwise.
    Never { against: Vec<u16>, alike: Vec<u16> },
    /// Too much to say.
    Unclear,
}

fn of_list(acl: &NetworkAclName, way: Direction, entries: &[NetworkAclEntry]) -> Vec<Finding> {
    let all: Vec<Packets> = entries.iter().map(|entry| Packets::new(&entry.traffic, entry.cidr)).collect();
    let fates: Vec<Fate> = (0..entries.len()).map(|place| fate(entries, &all, place)).collect();
    let mut gone: Vec<bool> = fates.iter().map(|fate| matches!(fate, Fate::Never { .. })).collect();
    let mut found = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let text = words::acl_entry(way, entry);
        let finding = match &fates[place] {
            Fate::Unclear => None,
            Fate::Never { against, alike } if !against.is_empty() => {
                let others = if alike.is_empty() { "" } else { ", with others," };
                let reason = format!(
                    "`{text}` never matches: {}{others} decide{} its packets before it, the other way",
                    rules(against),
                    if against.len() == 1 && others.is_empty() { "s" } else { "" }
                );
                let remedy = format!("give it a number below {}, or take it out", against[0]);
                Some(SHADOWED_RULE.about(acl, reason, remedy))
            }
            Fate::Never { alike, .. } => {
                let reason = format!(
                    "`{text}` never matches: {} decide{} the same before it",
                    rules(alike),
                    if alike.len() == 1 { "s" } else { "" }
                );
                Some(citing(REDUNDANT_RULE.about(acl, reason, "take it out".to_owned()), &["NACL-01"]))
            }
            Fate::Decides(pieces) => {
                let is_so = is_decided_alike(place, pieces, entries, &all, &gone);
                if is_so && !denies_everything(entry) {
                    gone[place] = true;
                    let what = if entry.action == RuleAction::Deny { "denied" } else { "allowed" };
                    let reason =
                        format!("without `{text}` its packets are {what} by later rules all the same");
                    Some(citing(REDUNDANT_RULE.about(acl, reason, "take it out".to_owned()), &["NACL-01"]))
                } else {
                    None
                }
            }
        };
        let rule = Some(format!("{} {}", words::direction(way), entry.rule_number));
        found.extend(finding.map(|finding| Finding { rule, ..finding }));
    }
    found
}

fn fate(entries: &[NetworkAclEntry], all: &[Packets], place: usize) -> Fate {
    let (mut against, mut alike) = (Vec::new(), Vec::new());
    let mut left = vec![all[place]];
    for before in 0..place {
        if !left.iter().any(|piece| piece.meets(&all[before])) {
            continue;
        }
        let is_alike = entries[before].action == entries[place].action;
        if is_alike { &mut alike } else { &mut against }.push(entries[before].rule_number);
        let mut rest = Vec::new();
        for piece in left {
            match uncovered(piece, [&all[before]]) {
                Some(pieces) => rest.extend(pieces),
                None => return Fate::Unclear,
            }
        }
        left = rest;
    }
    if left.is_empty() { Fate::Never { against, alike } } else { Fate::Decides(left) }
}

/// Whether those packets of an entry that it decides about would fare the same without it: by later ones that are not to go
/// themselves. Those that it keeps from deciding otherwise would decide then.
fn is_decided_alike(
    place: usize,
    pieces: &[Packets],
    entries: &[NetworkAclEntry],
    all: &[Packets],
    gone: &[bool],
) -> bool {
    let action = entries[place].action;
    let later = || place + 1..entries.len();
    let alike: Vec<usize> =
        later().filter(|&other| entries[other].action == action && !gone[other]).collect();
    let before = |end: usize| -> Vec<Packets> {
        alike.iter().filter(|&&other| other < end).map(|&other| all[other]).collect()
    };
    let mut others = later().filter(|&other| entries[other].action != action);
    let is_so = others.all(|other| {
        let alike = before(other);
        pieces.iter().all(|piece| !piece.meets(&all[other]) || is_covered(*piece, &alike))
    });
    // The final `*` denies the rest.
    let is_rest = action == RuleAction::Deny;
    let every = before(entries.len());
    is_so && (is_rest || pieces.iter().all(|piece| is_covered(*piece, &every)))
}

fn denies_everything(entry: &NetworkAclEntry) -> bool {
    entry.action == RuleAction::Deny && entry.traffic == Traffic::All && entry.cidr.prefix_len() == 0
}

fn rules(numbers: &[u16]) -> String {
    let noun = if numbers.len() == 1 { "rule" } else { "rules" };
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("{noun} {}", super::some_of(&numbers))
}
