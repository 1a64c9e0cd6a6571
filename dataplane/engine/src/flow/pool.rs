//! Which targets have as many flows as they may, and until when?
//!
//! Flows to one target share the ports of one address, so their number has a limit. Those that have expired do not count:
//! where a limit is reached, whoever asks takes the place of one of them. That costs a look at every port, so a pool
//! that was found full is known to stay so until the first of its flows expires, or one of them ends.

use std::collections::hash_map::Entry;
use std::hash::Hash;

use crate::fabric::KeyedMap;
use crate::flow::nat::FLOWS_PER_DESTINATION;
use crate::time::Timestamp;

/// How many flows each pool of ports has.
#[derive(Debug)]
pub struct Pools<P> {
    counts: KeyedMap<P, u32>,
    /// Those at the limit, with the time before which nothing expires in them unless a connection ends.
    full: KeyedMap<P, Timestamp>,
}

impl<P> Default for Pools<P> {
    fn default() -> Self {
        Self { counts: KeyedMap::default(), full: KeyedMap::default() }
    }
}

impl<P: Copy + Eq + Hash> Pools<P> {
    /// How many flows it has, expired ones that await the sweep included.
    pub fn count(&self, pool: &P) -> u32 {
        self.counts.get(pool).copied().unwrap_or(0)
    }

    /// Until when it is known to stay full. A short cut: time zero says to look.
    pub fn is_full_until(&self, pool: &P) -> Timestamp {
        self.full.get(pool).copied().unwrap_or(Timestamp::ZERO)
    }

    /// The full ones of which it is not known until when.
    pub(super) fn worth_a_look(&self, now: Timestamp) -> Vec<P> {
        self.full.iter().filter(|(_, until)| **until <= now).map(|(pool, _)| *pool).collect()
    }

    /// Takes note that nothing expires in it before then.
    pub(super) fn stays_full_until(&mut self, pool: P, until: Timestamp) {
        self.full.insert(pool, until);
    }

    /// Takes note that one of its flows is over before its time.
    pub(super) fn may_have_room(&mut self, pool: &P) {
        if let Some(until) = self.full.get_mut(pool) {
            *until = Timestamp::ZERO;
        }
    }

    /// Forgets until when any of them is full.
    pub(super) fn look_again(&mut self) {
        self.full.values_mut().for_each(|until| *until = Timestamp::ZERO);
    }

    /// One more flow.
    pub(super) fn enter(&mut self, pool: P) {
        let count = self.counts.entry(pool).or_insert(0);
        *count += 1;
        if *count >= FLOWS_PER_DESTINATION {
            self.full.entry(pool).or_insert(Timestamp::ZERO);
        }
    }

    /// One flow less.
    pub(super) fn leave(&mut self, pool: &P) {
        let Entry::Occupied(mut count) = self.counts.entry(*pool) else { return };
        *count.get_mut() -= 1;
        let left = *count.get();
        if left == 0 {
            count.remove();
        }
        if left < FLOWS_PER_DESTINATION {
            self.full.remove(pool);
        } else {
            self.may_have_room(pool);
        }
    }
}
