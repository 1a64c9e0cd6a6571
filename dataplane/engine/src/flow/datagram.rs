//! Which datagram is this fragment a part of?
//!
//! Rules look at ports, which only a datagram's first fragment has: what it said is remembered for those that follow
//! (NACL-27, OQ-15). A datagram is forgotten after [`FRAGMENT_TIMEOUT`], or when as many have come in after it, at the
//! same place, as are remembered: who leaves datagrams unfinished loses nothing but those.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::time::Duration;

use arrayvec::ArrayVec;
use vpclab_wire::{Protocol, Transport};

use crate::fabric::KeyedMap;
use crate::flow::Ingress;
use crate::time::Timestamp;

/// How long the fragments of one datagram may take to arrive.
pub const FRAGMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How many holes a datagram may have at a time: more than honest reordering makes.
const MAX_RANGES: usize = 16;

/// A fragmented datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DatagramKey {
    /// Where its fragments come in.
    pub ingress: Ingress,
    /// Its source.
    pub source: IpAddr,
    /// Its destination.
    pub destination: IpAddr,
    /// Its protocol, which is part of the key in IPv4 (RFC 791); none in IPv6, where the first fragment has the only
    /// one that counts (RFC 8200 4.5).
    pub protocol: Option<Protocol>,
    /// What its fragments have in common.
    pub identification: u32,
}

/// A fragment that passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedFragment {
    /// Its datagram.
    pub key: DatagramKey,
    /// What its datagram carries, from the first fragment.
    pub first: FirstFragment,
    /// Its first byte.
    pub start: u32,
    /// The byte after its last.
    pub end: u32,
}

/// What a datagram's first fragment says for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstFragment {
    /// The protocol.
    pub protocol: Protocol,
    /// The transport header.
    pub transport: Transport,
}

/// What is known of a later fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FragmentLookup {
    /// What stands for it.
    Known(FirstFragment),
    /// The first fragment has not been seen.
    Unknown,
    /// It overlaps what has passed, or an earlier one did.
    Overlapping,
}

/// The fragmented datagrams of the last [`FRAGMENT_TIMEOUT`].
#[derive(Debug)]
pub struct Datagrams {
    per_ingress: usize,
    entries: KeyedMap<DatagramKey, Datagram>,
    rings: KeyedMap<Ingress, Ring>,
    /// Where rings are, for the sweep to go round.
    clock: VecDeque<Ingress>,
    /// How many have begun.
    begun: u64,
}

/// The datagrams of one place, the oldest first. One that was begun anew is in it twice.
type Ring = VecDeque<(DatagramKey, u64)>;

#[derive(Debug, Clone)]
struct Datagram {
    first: FirstFragment,
    first_seen: Timestamp,
    /// Its number among all that have begun.
    number: u64,
    /// Byte ranges that have passed, ascending, apart from each other.
    ranges: ArrayVec<(u32, u32), MAX_RANGES>,
    /// Whether fragments overlapped: the rest is dropped (RFC 5722).
    poisoned: bool,
}

impl Datagrams {
    /// Remembers the last `per_ingress` datagrams of each place where they come in.
    pub(super) fn new(per_ingress: usize) -> Self {
        Self {
            per_ingress: per_ingress.max(1),
            entries: KeyedMap::default(),
            rings: KeyedMap::default(),
            clock: VecDeque::new(),
            begun: 0,
        }
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.rings.is_empty()
    }

    /// What is known of a later fragment that covers bytes `start..end`.
    pub fn lookup(&self, key: &DatagramKey, start: u32, end: u32, now: Timestamp) -> FragmentLookup {
        match self.entries.get(key) {
            Some(datagram) if datagram.is_live(now) => {
                if datagram.poisoned || datagram.overlaps(start, end) {
                    FragmentLookup::Overlapping
                } else {
                    FragmentLookup::Known(datagram.first)
                }
            }
            _ => FragmentLookup::Unknown,
        }
    }

    /// Takes note of a fragment.
    pub(super) fn remember(&mut self, fragment: &PassedFragment, now: Timestamp) {
        let &PassedFragment { key, first, start, end } = fragment;
        // A first fragment begins a datagram anew, as identifications are used again. It has met the rules with its own
        // ports.
        let goes_on = start > 0 && self.entries.get(&key).is_some_and(|known| known.is_live(now));
        if !goes_on {
            self.begin(key, first, now);
        }
        if let Some(datagram) = self.entries.get_mut(&key) {
            datagram.cover(start, end);
        }
    }

    fn begin(&mut self, key: DatagramKey, first: FirstFragment, now: Timestamp) {
        let ring = self.rings.entry(key.ingress).or_insert_with(|| {
            self.clock.push_back(key.ingress);
            Ring::new()
        });
        if ring.len() == self.per_ingress
            && let Some(oldest) = ring.pop_front()
        {
            forget(&mut self.entries, oldest);
        }
        self.begun += 1;
        ring.push_back((key, self.begun));
        let fresh =
            Datagram { first, first_seen: now, number: self.begun, ranges: ArrayVec::new(), poisoned: false };
        self.entries.insert(key, fresh);
    }

    /// Forgets what is older than [`FRAGMENT_TIMEOUT`], looking at no more than `share` datagrams.
    pub(super) fn sweep(&mut self, now: Timestamp, share: usize) {
        for _ in 0..share {
            let Some(ingress) = self.clock.pop_front() else { break };
            let Some(ring) = self.rings.get_mut(&ingress) else { continue };
            let is_over = |&(key, number): &(DatagramKey, u64)| {
                let current = self.entries.get(&key).filter(|datagram| datagram.number == number);
                current.is_none_or(|datagram| !datagram.is_live(now))
            };
            if let Some(oldest) = ring.front().copied().filter(is_over) {
                ring.pop_front();
                forget(&mut self.entries, oldest);
            }
            if ring.is_empty() {
                self.rings.remove(&ingress);
            } else {
                self.clock.push_back(ingress);
            }
        }
    }
}

/// Forgets a datagram, unless it has begun anew since.
fn forget(entries: &mut KeyedMap<DatagramKey, Datagram>, (key, number): (DatagramKey, u64)) {
    if let Entry::Occupied(datagram) = entries.entry(key)
        && datagram.get().number == number
    {
        datagram.remove();
    }
}

impl Datagram {
    fn is_live(&self, now: Timestamp) -> bool {
        now.since(self.first_seen) <= FRAGMENT_TIMEOUT
    }

    fn overlaps(&self, start: u32, end: u32) -> bool {
        self.ranges.iter().any(|&(from, to)| start < to && from < end)
    }

    /// Takes note that bytes `start..end` have passed.
    fn cover(&mut self, start: u32, end: u32) {
        if self.overlaps(start, end) {
            self.poisoned = true;
            return;
        }
        let position = self.ranges.partition_point(|&(from, _)| from < start);
        let joins_before = position > 0 && self.ranges[position - 1].1 == start;
        let joins_after = self.ranges.get(position).is_some_and(|&(from, _)| from == end);
        match (joins_before, joins_after) {
            (true, true) => {
                self.ranges[position - 1].1 = self.ranges[position].1;
                self.ranges.remove(position);
            }
            (true, false) => self.ranges[position - 1].1 = end,
            (false, true) => self.ranges[position].0 = start,
            (false, false) => self.poisoned |= self.ranges.try_insert(position, (start, end)).is_err(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::index::{EniIdx, Position, Slot};

    const FIRST: FirstFragment =
        FirstFragment { protocol: Protocol::UDP, transport: Transport::Udp { src_port: 1, dst_port: 2 } };

    fn key(identification: u32) -> DatagramKey {
        let address = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
        DatagramKey {
            ingress: Ingress::Interface(Slot { index: EniIdx::from_position(0), incarnation: 0 }),
            source: address(4),
            destination: address(5),
            protocol: Some(Protocol::UDP),
            identification,
        }
    }

    fn pass(datagrams: &mut Datagrams, identification: u32, (start, end): (u32, u32)) {
        let fragment = PassedFragment { key: key(identification), first: FIRST, start, end };
        datagrams.remember(&fragment, Timestamp::ZERO);
    }

    fn is_known(datagrams: &Datagrams, identification: u32) -> bool {
        datagrams.lookup(&key(identification), 8, 16, Timestamp::ZERO) == FragmentLookup::Known(FIRST)
    }

    #[test]
    fn later_fragments_are_known_by_their_first_one_in_any_order_until_they_overlap() {
        let mut datagrams = Datagrams::new(8);
        let lookup =
            |datagrams: &Datagrams, start, end| datagrams.lookup(&key(77), start, end, Timestamp::ZERO);
        assert_eq!(lookup(&datagrams, 8, 16), FragmentLookup::Unknown);
        for (start, end) in [(0, 8), (24, 32), (8, 16)] {
            if start > 0 {
                assert_eq!(lookup(&datagrams, start, end), FragmentLookup::Known(FIRST));
            }
            pass(&mut datagrams, 77, (start, end));
        }
        assert_eq!(lookup(&datagrams, 16, 24), FragmentLookup::Known(FIRST));
        assert_eq!(lookup(&datagrams, 12, 24), FragmentLookup::Overlapping);
        let late = Timestamp::ZERO + FRAGMENT_TIMEOUT + Duration::from_secs(1);
        assert_eq!(datagrams.lookup(&key(77), 16, 24, late), FragmentLookup::Unknown);
    }

    #[test]
    fn a_first_fragment_begins_its_datagram_anew() {
        let mut datagrams = Datagrams::new(8);
        for range in [(0, 8), (8, 16), (0, 8)] {
            pass(&mut datagrams, 77, range);
        }
        assert_eq!(datagrams.lookup(&key(77), 8, 16, Timestamp::ZERO), FragmentLookup::Known(FIRST));
    }

    #[test]
    fn who_leaves_datagrams_unfinished_loses_his_own_oldest() {
        let mut datagrams = Datagrams::new(2);
        let other = DatagramKey { ingress: Ingress::Internet, ..key(0) };
        let fragment = PassedFragment { key: other, first: FIRST, start: 0, end: 8 };
        datagrams.remember(&fragment, Timestamp::ZERO);
        for identification in 0..100 {
            pass(&mut datagrams, identification, (0, 8));
        }
        assert!(is_known(&datagrams, 99) && is_known(&datagrams, 98) && !is_known(&datagrams, 97));
        assert_eq!(datagrams.lookup(&other, 8, 16, Timestamp::ZERO), FragmentLookup::Known(FIRST));
        assert_eq!(datagrams.entries.len(), 3);
    }

    #[test]
    fn one_that_begins_anew_is_as_young_as_that() {
        let mut datagrams = Datagrams::new(3);
        for identification in [1, 2, 1, 3] {
            pass(&mut datagrams, identification, (0, 8));
        }
        assert!(is_known(&datagrams, 1) && is_known(&datagrams, 2) && is_known(&datagrams, 3));
        pass(&mut datagrams, 4, (0, 8));
        assert!(is_known(&datagrams, 1) && !is_known(&datagrams, 2) && is_known(&datagrams, 4));
    }

    #[test]
    fn however_many_pass_memory_stays_small_and_comes_back() {
        let mut datagrams = Datagrams::new(8);
        for identification in 0..1000 {
            for range in [(0, 8), (8, 16), (0, 8)] {
                pass(&mut datagrams, identification, range);
            }
        }
        assert!(datagrams.entries.len() <= 8 && datagrams.rings[&key(0).ingress].len() <= 8);
        datagrams.sweep(Timestamp::ZERO, 10);
        assert!(is_known(&datagrams, 999));
        datagrams.sweep(Timestamp::ZERO + FRAGMENT_TIMEOUT + Duration::from_secs(1), 10);
        assert!(datagrams.is_empty() && datagrams.entries.is_empty() && datagrams.clock.is_empty());
    }

    #[test]
    fn more_holes_than_reordering_makes_poison_a_datagram() {
        let mut datagrams = Datagrams::new(8);
        for n in 0..40 {
            pass(&mut datagrams, 77, (n * 16, n * 16 + 8));
        }
        assert_eq!(datagrams.lookup(&key(77), 8, 16, Timestamp::ZERO), FragmentLookup::Overlapping);
    }
}
