//! What do the answers about each part of the internet come to?
//!
//! One answer, which is yes where all of it passes to everybody. What always holds: what some have other than the rest, be
//! it other packets, another way, source or reason, is told.

use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_api::{Assumed, Blocker, Explanation, OtherBlockers, OtherWay, Step, Unmodelled};

use super::{INTERNET, LEAVES_OUT, MOST_NAMED, MOST_RANGES, Part, is_part};
use crate::codes::ONLY_SOME_ADDRESSES;
use crate::fate::{Fate, Together, is_alike, is_same_part, passed, reasons, together, words};

/// What a part has other than the rest of the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    /// Nothing.
    Nothing,
    /// The same packets pass, by another way or from another source, or are denied for other reasons.
    Story,
    /// Other packets pass.
    Packets,
}

/// What a part has other than `rest`.
fn other(part: &Part<Explanation>, rest: &Part<Explanation>) -> Other {
    match (&part.told, &rest.told) {
        (Some(part), Some(rest)) if is_alike(part, rest) => Other::Nothing,
        (Some(part), Some(rest)) if is_same_part(part, rest) => Other::Story,
        (Some(_), Some(_)) => Other::Packets,
        _ if fate(part) == fate(rest) => Other::Nothing,
        _ => Other::Packets,
    }
}

fn fate(part: &Part<Explanation>) -> Fate {
    part.told.as_ref().map_or(Fate::Unknown, Fate::of)
}

/// One answer out of those of all ranges; none without any. If rules name every range, all of them are the internet.
pub(super) fn everybody(
    parts: Vec<Part<Explanation>>,
    is_source: bool,
    within: Option<IpNet>,
) -> Option<Explanation> {
    let count = parts.len();
    let rest = parts.iter().find(|part| !part.is_named());
    let others: Vec<Other> =
        parts.iter().map(|part| rest.map_or(Other::Nothing, |rest| other(part, rest))).collect();
    // Whether those who are named and have something other are so many that they are a part of the internet.
    let are_part = |what: Other| {
        let own = parts.iter().zip(&others).filter(|(part, own)| part.is_named() && **own == what);
        what != Other::Nothing && is_part(own.map(|(part, _)| &part.host))
    };
    let (of_packets, of_story) = (are_part(Other::Packets), are_part(Other::Story));
    let has_rest = rest.is_some();
    let (mut named, mut asked) = (Vec::new(), Vec::new());
    for (part, own) in parts.into_iter().zip(others) {
        let is_internet = match own {
            Other::Nothing => false,
            Other::Story => of_story,
            Other::Packets => of_packets,
        };
        if has_rest && part.is_named() && !is_internet {
            named.push((part, own));
        } else {
            asked.push(part);
        }
    }
    let mut parts = asked;
    let fates: Vec<Fate> = parts.iter().map(fate).collect();
    let addresses: Vec<IpAddr> = parts.iter().map(|part| part.host.address).collect();
    let unasked = parts.iter().filter(|part| part.told.is_none()).count();
    let (shown, partial, open) = match together(&fates)? {
        Together::Like(shown) if fates[shown] == Fate::Partly => (shown, only_parts(&parts, is_source), None),
        Together::Like(shown) => (shown, None, None),
        Together::Differ(better, worse) => {
            let (a, b) = ((addresses[better], fates[better]), (addresses[worse], fates[worse]));
            (worse, Some(only_some(a, b, is_source)), None)
        }
        Together::Open(unknown, known) => {
            let known = known.map(|known| (addresses[known], fates[known]));
            let unknown = fates
                .iter()
                .zip(&parts)
                .position(|(fate, part)| *fate == Fate::Unknown && part.told.is_some())
                .unwrap_or(unknown);
            (unknown, None, known)
        }
    };
    let asked: Vec<IpAddr> =
        parts.iter().filter(|part| part.told.is_some()).map(|part| part.host.address).collect();
    let is_alike_in_part = partial.is_none();
    let has_parts_apart = only_parts(&parts, is_source).is_some();
    let mut explanation = match parts.swap_remove(shown).told {
        Some(told) => told,
        // Of those who decide nobody was asked: what is known of another is how far the ways lead.
        None => {
            let another = parts.iter().position(|part| part.told.is_some())?;
            too_many(parts.swap_remove(another).told?, count)
        }
    };
    if has_parts_apart {
        // What is not denied to one of them is denied to another.
        explanation.not_denied.clear();
    }
    for part in parts {
        let Some(told) = part.told else { continue };
        if is_alike_in_part && Fate::of(&explanation) == Fate::Dies {
            add_reasons(&mut explanation, part.host.address, &told);
        }
        add_sources(&mut explanation, &told, is_source);
        add_ways(&mut explanation, told);
    }
    let mut assumed = vec![assumption(&asked, !named.is_empty(), within)];
    assumed.extend(open.map(|(address, fate)| {
        let resource = within.map_or_else(|| "internet".to_owned(), |block| block.to_string());
        let word = if is_source { "from" } else { "to" };
        Assumed {
            resource,
            assumption: format!("depends on which host is meant: {} {word} {address}", fate.words()),
        }
    }));
    assumed.extend(who_differs(&named, Fate::of(&explanation), is_source));
    let left_out = named.iter().filter(|(part, _)| part.told.is_none()).count();
    if left_out + unasked > 0 {
        let assumption = format!(
            "{LEAVES_OUT} {} ranges that rules or routes name: they were not asked",
            left_out + unasked
        );
        assumed.push(Assumed { resource: INTERNET.to_owned(), assumption });
    }
    explanation.blockers.splice(0..0, partial);
    explanation.assumed.splice(0..0, assumed);
    Some(explanation)
}

/// Adds what denies a host that is denied for other reasons.
fn add_reasons(explanation: &mut Explanation, address: IpAddr, told: &Explanation) {
    let own = reasons(told);
    let known = |other: &OtherBlockers| {
        reasons(&Explanation { blockers: other.blockers.clone(), ..told.clone() }) == own
    };
    if Fate::of(told) == Fate::Dies
        && reasons(explanation) != own
        && !explanation.other_blockers.iter().any(known)
    {
        let blockers = told.blockers.clone();
        explanation.other_blockers.push(OtherBlockers { address: address.to_string(), blockers });
    }
}

/// Adds the sources by which hosts see who asks, where that is not the same one for all of them.
fn add_sources(explanation: &mut Explanation, told: &Explanation, is_source: bool) {
    let (Some(shown), Some(own)) = (&mut explanation.forward.observed, &told.forward.observed) else {
        return;
    };
    if is_source {
        // Each is seen as himself.
        return;
    }
    for source in std::iter::once(&own.source.address).chain(&own.other_sources) {
        if *source != shown.source.address && !shown.other_sources.contains(source) {
            shown.other_sources.push(source.clone());
        }
    }
}

/// Adds the ways of hosts that are asked by other gateways: where they pass the same ones they are the same.
fn add_ways(explanation: &mut Explanation, told: Explanation) {
    let passes = |steps: &[Step]| -> Vec<(String, String)> {
        passed(steps).into_iter().map(|(of, name)| (of.to_owned(), name.to_owned())).collect()
    };
    let back =
        |explanation: &Explanation| explanation.back.as_ref().map_or_else(Vec::new, |leg| leg.steps.clone());
    let mut known = vec![(passes(&explanation.forward.steps), passes(&back(explanation)))];
    known.extend(explanation.other_ways.iter().map(|way| (passes(&way.forward), passes(&way.back))));
    let own = OtherWay { back: back(&told), forward: told.forward.steps };
    for way in std::iter::once(own).chain(told.other_ways) {
        let passed = (passes(&way.forward), passes(&way.back));
        if !known.contains(&passed) {
            known.push(passed);
            explanation.other_ways.push(way);
        }
    }
}

/// Says of those whom rules or routes name that they fare differently, if some do.
fn who_differs(named: &[(Part<Explanation>, Other)], usual: Fate, is_source: bool) -> Option<Assumed> {
    let mut different: Vec<(bool, IpAddr, String)> = Vec::new();
    for (part, other) in named {
        let Some(told) = &part.told else { continue };
        let address = part.host.address;
        if *other == Other::Packets || Fate::of(told) != usual {
            different.push((false, address, words(told)));
        } else if *other == Other::Story && usual == Fate::Passes {
            different.push((true, address, "it passes by another way".to_owned()));
        }
    }
    // That other packets pass says more than by which way.
    different.sort_by_key(|(is_way, ..)| *is_way);
    let (_, address, what) = different.first()?;
    let word = if is_source { "from" } else { "to" };
    let more = match different.len() {
        1 => String::new(),
        count => format!(", and {} more such ranges fare differently", count - 1),
    };
    let assumption = format!(
        "{LEAVES_OUT} who is named by a rule or route: {what} {word} {address}{more}; ask about internet:ADDRESS"
    );
    Some(Assumed { resource: INTERNET.to_owned(), assumption })
}

/// That of everybody some packets pass, and not the same ones; nothing where they are the same.
fn only_parts(parts: &[Part<Explanation>], is_source: bool) -> Option<Blocker> {
    let mut known: Vec<(IpAddr, &Explanation)> = Vec::new();
    for part in parts {
        let Some(told) = part.told.as_ref().filter(|told| Fate::of(told) == Fate::Partly) else { continue };
        if !known.iter().any(|(_, other)| is_same_part(other, told)) {
            known.push((part.host.address, told));
        }
    }
    if known.len() < 2 {
        return None;
    }
    let word = if is_source { "from" } else { "to" };
    let told = known.iter().take(MOST_NAMED);
    let mut told: Vec<String> =
        told.map(|(address, told)| format!("{} {word} {address}", words(told))).collect();
    if known.len() > MOST_NAMED {
        told.push(format!("{} more parts", known.len() - MOST_NAMED));
    }
    Some(only(&told.join(", "), is_source))
}

/// That those at the first address fare better than those at the second.
fn only_some((better, a): (IpAddr, Fate), (worse, b): (IpAddr, Fate), is_source: bool) -> Blocker {
    let word = if is_source { "from" } else { "to" };
    let told = match (a, b) {
        (Fate::Partly, _) => format!("some of it passes {word} {better}, and nothing {word} {worse}"),
        (_, Fate::Partly) => format!("it passes {word} {better}, and only some of it {word} {worse}"),
        _ => format!("it passes {word} {better}, and not {word} {worse}"),
    };
    only(&told, is_source)
}

/// That not everybody fares alike.
fn only(told: &str, is_source: bool) -> Blocker {
    let ends = if is_source { "sources" } else { "destinations" };
    Blocker {
        code: ONLY_SOME_ADDRESSES.to_owned(),
        direction: "forward".to_owned(),
        resource: Some("internet".to_owned()),
        rule: None,
        groups: Vec::new(),
        message: format!("only for some {ends}: {told}; ask about internet:ADDRESS"),
        partial: Vec::new(),
        by_choice: false,
        line: None,
        remedy: None,
    }
}

/// That nothing is known of those who were not asked, out of what another was told.
fn too_many(mut explanation: Explanation, count: usize) -> Explanation {
    explanation.reachable = None;
    explanation.blockers.clear();
    explanation.not_denied.clear();
    explanation.by_choice = false;
    explanation.unmodelled.push(Unmodelled {
        resource: "internet".to_owned(),
        kind: "internet".to_owned(),
        reason: format!(
            "rules and routes tell {count} ranges of public addresses apart, and at most {MOST_RANGES} are asked one \
             by one; ask about internet:ADDRESS"
        ),
    });
    explanation
}

fn assumption(addresses: &[IpAddr], anybody_is_named: bool, within: Option<IpNet>) -> Assumed {
    let named: Vec<String> = addresses.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    let named = named.join(", ");
    let whom = match within {
        Some(block) => format!("every host of {block}"),
        None if anybody_is_named => "every public host that none names".to_owned(),
        None => "every public host".to_owned(),
    };
    let assumption = match addresses.len() {
        0 | 1 => format!("stands for {whom}: no rule or route on the way tells {named} from others"),
        count => {
            let more = if count > MOST_NAMED { ", …" } else { "" };
            format!(
                "stands for {whom}: one of each of the {count} ranges that rules and routes on the way tell apart was \
                 asked ({named}{more})"
            )
        }
    };
    let resource = within.map_or_else(|| "internet".to_owned(), |block| block.to_string());
    Assumed { resource, assumption }
}
