//! What becomes of all that was asked about together?
//!
//! A question about many hosts is one about each of them, and each fares in one of four ways. What always holds: nobody's
//! part or unknown is lost behind somebody else of whom nothing passes. Left to others: the walks, and the words.

use vpclab_api::Explanation;

use crate::render::is_partial;

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
