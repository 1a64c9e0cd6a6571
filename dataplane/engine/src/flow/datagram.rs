//! Which datagram is this fragment a part of?
//!
//! Rules look at ports, which only a datagram's first fragment has: what it said is remembered for those that follow
//! (NACL-27, OQ-15). A datagram is forgotten when its last byte has passed, or after [`FRAGMENT_TIMEOUT`].

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
    /// Whether its last byte is the datagram's.
    pub is_last: bool,
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

/// The fragmented datagrams in flight.
#[derive(Debug)]
pub struct Datagrams {
    capacity: usize,
    share: usize,
    entries: KeyedMap<DatagramKey, Datagram>,
    by_ingress: KeyedMap<Ingress, usize>,
    /// Keys in order of arrival, for the sweep to go round.
    clock: VecDeque<DatagramKey>,
}

#[derive(Debug, Clone)]
struct Datagram {
    first: FirstFragment,
    first_seen: Timestamp,
    /// Byte ranges that have passed, ascending, apart from each other.
    ranges: ArrayVec<(u32, u32), MAX_RANGES>,
    /// How long it is, once its last fragment has passed.
    len: Option<u32>,
    /// Whether fragments overlapped: the rest is dropped (RFC 5722).
    poisoned: bool,
}

impl Datagrams {
    /// Room for `capacity` datagrams, and for `share` of each place where they come in.
    pub(super) fn new(capacity: usize, share: usize) -> Self {
        Self {
            capacity,
            share,
            entries: KeyedMap::default(),
            by_ingress: KeyedMap::default(),
            clock: VecDeque::new(),
        }
    }

    /// How many are in flight.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether another one that comes in at `ingress` finds room.
    pub fn has_room(&self, ingress: Ingress) -> bool {
        self.entries.len() < self.capacity && self.by_ingress.get(&ingress).copied().unwrap_or(0) < self.share
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
        let &PassedFragment { key, first, start, end, is_last } = fragment;
        let fresh =
            || Datagram { first, first_seen: now, ranges: ArrayVec::new(), len: None, poisoned: false };
        let datagram = match self.entries.entry(key) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                // A first fragment begins a datagram anew, as identifications are used again. It has met the rules with
                // its own ports.
                if start == 0 || !known.is_live(now) {
                    *known = fresh();
                }
                known
            }
            Entry::Vacant(vacant) => {
                self.clock.push_back(key);
                *self.by_ingress.entry(key.ingress).or_insert(0) += 1;
                vacant.insert(fresh())
            }
        };
        datagram.cover(start, end);
        if is_last {
            datagram.len = Some(end);
        }
        if datagram.is_complete() {
            self.forget(&key);
        }
    }

    /// Forgets what is older than [`FRAGMENT_TIMEOUT`], looking at no more than `share` datagrams.
    pub(super) fn sweep(&mut self, now: Timestamp, share: usize) {
        for _ in 0..share.min(self.clock.len()) {
            let Some(key) = self.clock.pop_front() else { break };
            match self.entries.get(&key) {
                Some(datagram) if datagram.is_live(now) => self.clock.push_back(key),
                _ => self.forget(&key),
            }
        }
    }

    fn forget(&mut self, key: &DatagramKey) {
        if self.entries.remove(key).is_none() {
            return;
        }
        if let Entry::Occupied(mut count) = self.by_ingress.entry(key.ingress) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Datagram {
    fn is_live(&self, now: Timestamp) -> bool {
        now.since(self.first_seen) <= FRAGMENT_TIMEOUT
    }

    fn overlaps(&self, start: u32, end: u32) -> bool {
        self.ranges.iter().any(|&(from, to)| start < to && from < end)
    }

    fn is_complete(&self) -> bool {
        self.len.is_some_and(|len| self.ranges.as_slice() == [(0, len)])
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

    fn pass(datagrams: &mut Datagrams, (start, end): (u32, u32), is_last: bool) {
        let fragment = PassedFragment { key: key(77), first: FIRST, start, end, is_last };
        datagrams.remember(&fragment, Timestamp::ZERO);
    }

    #[test]
    fn later_fragments_are_known_by_their_first_one_in_any_order_until_they_overlap() {
        let mut datagrams = Datagrams::new(8, 8);
        let lookup =
            |datagrams: &Datagrams, start, end| datagrams.lookup(&key(77), start, end, Timestamp::ZERO);
        assert_eq!(lookup(&datagrams, 8, 16), FragmentLookup::Unknown);
        for (start, end) in [(0, 8), (24, 32), (8, 16)] {
            if start > 0 {
                assert_eq!(lookup(&datagrams, start, end), FragmentLookup::Known(FIRST));
            }
            pass(&mut datagrams, (start, end), false);
        }
        assert_eq!(lookup(&datagrams, 16, 24), FragmentLookup::Known(FIRST));
        assert_eq!(lookup(&datagrams, 12, 24), FragmentLookup::Overlapping);
        let late = Timestamp::ZERO + FRAGMENT_TIMEOUT + Duration::from_secs(1);
        assert_eq!(datagrams.lookup(&key(77), 16, 24, late), FragmentLookup::Unknown);
    }

    #[test]
    fn a_first_fragment_begins_its_datagram_anew() {
        let mut datagrams = Datagrams::new(8, 8);
        for range in [(0, 8), (8, 16), (0, 8)] {
            pass(&mut datagrams, range, false);
        }
        assert_eq!(datagrams.lookup(&key(77), 8, 16, Timestamp::ZERO), FragmentLookup::Known(FIRST));
    }

    #[test]
    fn a_datagram_is_forgotten_when_its_last_byte_has_passed_in_whatever_order() {
        for order in [[0, 1, 2, 3], [0, 3, 2, 1], [0, 2, 1, 3], [0, 3, 1, 2]] {
            let mut datagrams = Datagrams::new(8, 8);
            for (passed, n) in order.into_iter().enumerate() {
                assert_eq!(datagrams.len(), usize::from(passed > 0), "{order:?}");
                pass(&mut datagrams, (n * 8, n * 8 + 8), n == 3);
            }
            assert_eq!(datagrams.len(), 0, "{order:?}");
            assert!(datagrams.by_ingress.is_empty());
        }
    }

    #[test]
    fn one_sender_cannot_take_all_the_room() {
        let mut datagrams = Datagrams::new(8, 2);
        let other = Ingress::Internet(None);
        for identification in 0..2 {
            assert!(datagrams.has_room(key(identification).ingress));
            let key = key(identification);
            let fragment = PassedFragment { key, first: FIRST, start: 0, end: 8, is_last: false };
            datagrams.remember(&fragment, Timestamp::ZERO);
        }
        assert!(!datagrams.has_room(key(2).ingress));
        assert!(datagrams.has_room(other));
        datagrams.sweep(Timestamp::ZERO + FRAGMENT_TIMEOUT + Duration::from_secs(1), 10);
        assert!(datagrams.has_room(key(2).ingress));
        assert!(datagrams.clock.is_empty());
    }

    #[test]
    fn more_holes_than_reordering_makes_poison_a_datagram() {
        let mut datagrams = Datagrams::new(8, 8);
        for n in 0..40 {
            pass(&mut datagrams, (n * 16, n * 16 + 8), false);
        }
        assert_eq!(datagrams.lookup(&key(77), 8, 16, Timestamp::ZERO), FragmentLookup::Overlapping);
    }
}
