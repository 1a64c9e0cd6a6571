//! What becomes of all that was asked about together?
//!
//! A question about many hosts is one about each of them, and each fares in one of four ways. What always holds: nobody's
//! part or unknown is lost behind somebody else of whom nothing passes, and nobody's way or reason behind another's. Left
//! to others: the walks, and the words.

use std::collections::BTreeSet;

use vpclab_api::{Blocker, Explanation, Step};

use crate::render::{is_partial, some};

/// How what was asked about fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// All of it passes.
    Passes,
    /// Nothing of it passes.
    Dies,
    /// Some packets pass, or on some of the ways that gateways may choose, and others die.
    Partly,
    /// It depends on what is not modelled, or was not asked.
    Unknown,
}

/// What several fates come to, with the places of those who decide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Together {
    /// Everybody fares as this one does, or his fate is that of all whatever becomes of the others.
    Like(usize),
    /// The first fares better than the second.
    Differ(usize, usize),
    /// It depends on this one, of whom nothing is known; of another one something is.
    Open(usize, Option<usize>),
}

impl Fate {
    /// The fate that an answer tells.
    pub(crate) fn of(told: &Explanation) -> Self {
        match told.reachable {
            Some(true) => Self::Passes,
            Some(false) if is_partial(told) => Self::Partly,
            Some(false) => Self::Dies,
            None => Self::Unknown,
        }
    }

    /// In words, of packets.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Passes => "it passes",
            Self::Dies => "it does not pass",
            Self::Partly => "only some of it passes",
            Self::Unknown => "the answer is unknown",
        }
    }
}

/// Whether of two the same packets pass.
pub(crate) fn is_same_part(a: &Explanation, b: &Explanation) -> bool {
    Fate::of(a) == Fate::of(b) && a.not_denied == b.not_denied
}

/// Whether two answers are one: the same passes by the same ways and is seen from the same source, or is denied for the
/// same reasons.
pub(crate) fn is_alike(a: &Explanation, b: &Explanation) -> bool {
    let is_same_story = match Fate::of(a) {
        Fate::Passes => ways(a) == ways(b) && sources(a) == sources(b),
        Fate::Dies | Fate::Partly => reasons(a) == reasons(b),
        Fate::Unknown => true,
    };
    is_same_part(a, b) && is_same_story
}

/// What an answer says of its packets, in words.
pub(crate) fn words(told: &Explanation) -> String {
    match Fate::of(told) {
        Fate::Partly if !told.not_denied.is_empty() => format!("only {} passes", some(&told.not_denied)),
        fate => fate.words().to_owned(),
    }
}

/// What steps pass. Of whom is outside there is another one for each host.
pub(crate) fn passed(steps: &[Step]) -> Vec<(&str, &str)> {
    let inside = steps.iter().filter(|step| !["internet", "customer_host"].contains(&&*step.component));
    inside.map(|step| (step.component.as_str(), step.resource.as_str())).collect()
}

/// Each way that an answer tells, there and back, by what it passes.
fn ways(told: &Explanation) -> BTreeSet<[Vec<(&str, &str)>; 2]> {
    let back = told.back.as_ref().map_or(&[][..], |leg| &leg.steps);
    let others = told.other_ways.iter().map(|way| [passed(&way.forward), passed(&way.back)]);
    std::iter::once([passed(&told.forward.steps), passed(back)]).chain(others).collect()
}

/// The sources that receivers see, but for the sender's own.
fn sources(told: &Explanation) -> BTreeSet<&str> {
    let seen = told.forward.observed.iter();
    let seen = seen.flat_map(|seen| std::iter::once(&seen.source.address).chain(&seen.other_sources));
    seen.map(String::as_str).filter(|seen| told.from.address.as_deref() != Some(seen)).collect()
}

/// All that denies, but for whom it names among those who are asked about.
pub(crate) fn reasons(told: &Explanation) -> Vec<Blocker> {
    let own = [&told.from.name, &told.to.name];
    let reason = |blocker: &Blocker| Blocker {
        resource: blocker.resource.clone().filter(|name| !own.contains(&name)),
        message: String::new(),
        line: None,
        remedy: None,
        ..blocker.clone()
    };
    told.blockers.iter().map(reason).collect()
}

/// What these come to; nothing of nobody.
pub(crate) fn together(fates: &[Fate]) -> Option<Together> {
    let first = |fate: Fate| fates.iter().position(|own| *own == fate);
    let (passes, partly) = (first(Fate::Passes), first(Fate::Partly));
    let (dies, unknown) = (first(Fate::Dies), first(Fate::Unknown));
    Some(match (passes, partly, dies, unknown) {
        (Some(better), _, Some(worse), _)
        | (Some(better), Some(worse), None, _)
        | (None, Some(better), Some(worse), _) => Together::Differ(better, worse),
        // Some of it dies, whoever is meant.
        (None, Some(partly), None, _) => Together::Like(partly),
        (known, None, None, Some(unknown)) | (None, None, known @ Some(_), Some(unknown)) => {
            Together::Open(unknown, known)
        }
        (Some(all), None, None, None) | (None, None, Some(all), None) => Together::Like(all),
        (None, None, None, None) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::Fate::{Dies, Partly, Passes, Unknown};
    use super::Together::{Differ, Like, Open};
    use super::*;

    #[test]
    fn nobodys_part_or_unknown_is_lost_behind_another() {
        for (fates, told) in [
            (&[][..], None),
            (&[Passes, Passes], Some(Like(0))),
            (&[Dies, Dies], Some(Like(0))),
            (&[Partly, Partly], Some(Like(0))),
            (&[Unknown], Some(Open(0, None))),
            (&[Dies, Passes], Some(Differ(1, 0))),
            (&[Dies, Partly], Some(Differ(1, 0))),
            (&[Passes, Partly], Some(Differ(0, 1))),
            (&[Dies, Unknown], Some(Open(1, Some(0)))),
            (&[Passes, Unknown], Some(Open(1, Some(0)))),
            (&[Unknown, Partly], Some(Like(1))),
            (&[Unknown, Partly, Dies, Passes], Some(Differ(3, 2))),
        ] {
            assert_eq!(together(fates), told, "{fates:?}");
        }
    }
}
