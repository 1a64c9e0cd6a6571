//! Which address and port is lent to which flow?
//!
//! NAT gateways and VPC endpoints lend alike: a flow has one name on its client's side and another, with a lent port, on
//! the far side. What always holds: each name belongs to one flow at most; no packet, new or refused, pays for the flows
//! of others, however many there are and whatever ports they have chosen.

use std::collections::hash_map::Entry;
use std::fmt::Debug;
use std::hash::Hash;
use std::num::NonZeroU32;

use vpclab_wire::TcpFlags;

use crate::fabric::KeyedMap;
use crate::flow::share::Holder;
use crate::time::Timestamp;

/// How many flows to one destination an address serves (NAT-04, EPS-06).
pub const FLOWS_PER_DESTINATION: u32 = 55_000;

/// The lowest port that is lent (NAT-06).
pub const LOWEST_PORT: u16 = 1024;

/// How many ports there are to lend.
pub const PORTS: u16 = u16::MAX - LOWEST_PORT + 1;

/// From how many flows on a pool has a map of its ports, and below how many no longer.
const MAPPED: (u32, u32) = (512, 128);

/// From how many flows on a pool keeps them in order of age, and below how many no longer.
const ORDERED: (u32, u32) = (4096, 2048);

/// A flow that an address and a port are lent to.
pub trait Loan: Debug + Clone {
    /// The flow as its client sees it.
    type Client: Debug + Copy + Eq + Hash;
    /// What flows that share one set of ports have in common. Idle ones of one phase are forgotten after the same time.
    type Pool: Debug + Copy + Eq + Hash;

    /// The flow as its client sees it.
    fn client(&self) -> Self::Client;
    /// What is lent to it.
    fn lease(&self) -> Lease<Self::Pool>;
    /// Whose share of memory it takes.
    fn holder(&self) -> Holder;
    /// When the last packet passed.
    fn last_seen(&self) -> Timestamp;
    /// How far it has come.
    fn phase(&self) -> Phase;
    /// Takes note of a packet.
    fn advance(&mut self, by_client: bool, flags: Option<TcpFlags>, now: Timestamp);
}

/// How far a flow has come, as far as it matters for how long it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A connection of which no handshake has been seen to end, where those have an idle time of their own.
    Opening,
    /// It goes on.
    Going,
    /// A connection that has ended.
    Over,
}

/// A flow as the far side sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease<P> {
    /// What it shares with others.
    pub pool: P,
    /// The port that is its own.
    pub port: u16,
}

/// All flows that ports are lent to.
#[derive(Debug)]
pub struct Loans<L: Loan> {
    /// Flows in places that they keep, free places among them.
    places: Vec<Option<Placed<L>>>,
    free: Vec<Id>,
    by_client: KeyedMap<L::Client, Id>,
    by_lease: KeyedMap<Lease<L::Pool>, Id>,
    pools: KeyedMap<L::Pool, PortPool>,
    by_holder: KeyedMap<Holder, usize>,
    /// Where the sweep goes on.
    hand: usize,
}

/// The place of a flow, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Id(NonZeroU32);

#[derive(Debug, Clone)]
struct Placed<L> {
    loan: L,
    /// Its neighbours in the queue of one phase of its pool.
    older: Option<Id>,
    newer: Option<Id>,
    /// Which phase.
    phase: Phase,
    /// Whether the queue is kept in order of age: then each packet moves the flow to its end.
    is_ordered: bool,
}

/// The flows of one pool, those of different idle times in different queues.
#[derive(Debug, Default)]
struct PortPool {
    count: u32,
    opening: Ends,
    going: Ends,
    over: Ends,
    is_ordered: bool,
    /// Which ports are lent, once there are many.
    map: Option<Box<PortMap>>,
}

/// The ends of a queue.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    oldest: Option<Id>,
    newest: Option<Id>,
}

/// One bit for each port, and one for each word of those, set where nothing is free.
#[derive(Debug)]
struct PortMap {
    lent: [u64; WORDS],
    full: [u64; WORDS.div_ceil(64)],
}

const WORDS: usize = PORTS as usize / 64;

impl Id {
    fn of(position: usize) -> Option<Self> {
        u32::try_from(position + 1).ok().and_then(NonZeroU32::new).map(Self)
    }

    fn position(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl<L: Loan> Default for Loans<L> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            by_client: KeyedMap::default(),
            by_lease: KeyedMap::default(),
            pools: KeyedMap::default(),
            by_holder: KeyedMap::default(),
            hand: 0,
        }
    }
}

impl<L: Loan> Loans<L> {
    /// The flow that its client calls `client`. Whether it has expired is the reader's to say.
    pub fn of_client(&self, client: &L::Client) -> Option<&L> {
        self.get(*self.by_client.get(client)?)
    }

    /// The flow that the far side knows by `lease`. Whether it has expired is the reader's to say.
    pub fn of_lease(&self, lease: &Lease<L::Pool>) -> Option<&L> {
        self.get(*self.by_lease.get(lease)?)
    }

    /// How many flows a pool has, expired ones that await the sweep included.
    pub fn in_pool(&self, pool: &L::Pool) -> u32 {
        self.pools.get(pool).map_or(0, |pool| pool.count)
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// Every flow, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &L> {
        self.places.iter().flatten().map(|placed| &placed.loan)
    }

    /// How many flows take of the share of `holder`.
    pub fn held_by(&self, holder: Holder) -> usize {
        self.by_holder.get(&holder).copied().unwrap_or(0)
    }

    /// Whether a flow finds room among `capacity`, of which each holder has `share`, in the place of what `client` had
    /// before if it had.
    pub fn has_room(&self, client: &L::Client, holder: Holder, capacity: usize, share: usize) -> bool {
        let own = self.of_client(client);
        let goes = usize::from(own.is_some());
        let goes_of_holder = usize::from(own.is_some_and(|own| own.holder() == holder));
        self.len() - goes < capacity && self.held_by(holder) - goes_of_holder < share
    }

    /// A port of `pool` for the flow that its client calls `client`: what it has there already, the one that `choice`
    /// picks, or the next that is free. Where the pool has `limit` flows it is one whose flow has expired, and none if
    /// there is no such flow.
    pub fn port_for(
        &self,
        client: &L::Client,
        pool: &L::Pool,
        choice: u64,
        limit: u32,
        is_live: impl Fn(&L) -> bool,
    ) -> Option<u16> {
        let start = u16::try_from(choice % u64::from(PORTS)).unwrap_or(0);
        let Some(ports) = self.pools.get(pool) else { return Some(LOWEST_PORT + start) };
        let own = self.of_client(client).map(Loan::lease).filter(|own| own.pool == *pool);
        if let Some(own) = own {
            return Some(own.port);
        }
        if ports.count >= limit {
            let oldest = [ports.opening.oldest, ports.going.oldest, ports.over.oldest].into_iter().flatten();
            let expired = oldest.filter_map(|id| self.get(id)).find(|loan| !is_live(loan));
            return expired.map(|loan| loan.lease().port);
        }
        match &ports.map {
            Some(map) => map.free_from(start).map(|port| LOWEST_PORT + port),
            // Of few ports few stand in the way.
            None => (start..PORTS)
                .chain(0..start)
                .map(|port| LOWEST_PORT + port)
                .find(|port| !self.by_lease.contains_key(&Lease { pool: *pool, port: *port })),
        }
    }

    /// Lends. Whoever had the names before has expired or ended, as the plan has seen, and goes.
    pub(super) fn lend(&mut self, loan: &L) {
        let (client, lease) = (loan.client(), loan.lease());
        let before = [self.by_lease.get(&lease).copied(), self.by_client.get(&client).copied()];
        for id in before.into_iter().flatten() {
            self.release(id);
        }
        let phase = loan.phase();
        let placed = Placed { loan: loan.clone(), older: None, newer: None, phase, is_ordered: false };
        let id = match self.free.pop() {
            Some(id) => {
                self.places[id.position()] = Some(placed);
                id
            }
            None => {
                // Capacities are far below the number of places that can be numbered.
                let Some(id) = Id::of(self.places.len()) else { return };
                self.places.push(Some(placed));
                id
            }
        };
        self.by_client.insert(client, id);
        self.by_lease.insert(lease, id);
        *self.by_holder.entry(loan.holder()).or_insert(0) += 1;
        let pool = self.pools.entry(lease.pool).or_default();
        pool.count += 1;
        if let Some(map) = &mut pool.map {
            map.set(lease.port, true);
        }
        link(&mut self.places, pool, id);
        if pool.count == MAPPED.0 && pool.map.is_none() {
            pool.map = Some(Box::new(PortMap::of(members(&self.places, pool))));
        }
        if pool.count == ORDERED.0 && !pool.is_ordered {
            order(&mut self.places, pool);
        }
    }

    /// Takes note of a packet of a flow.
    pub(super) fn advance(
        &mut self,
        client: &L::Client,
        by_client: bool,
        flags: Option<TcpFlags>,
        now: Timestamp,
    ) {
        let Some(id) = self.by_client.get(client).copied() else { return };
        let Some(placed) = &mut self.places[id.position()] else { return };
        placed.loan.advance(by_client, flags, now);
        if placed.is_ordered
            && let Some(pool) = self.pools.get_mut(&placed.loan.lease().pool)
        {
            unlink(&mut self.places, pool, id);
            link(&mut self.places, pool, id);
        }
    }

    /// Forgets what is no longer live, looking at no more than `share` places.
    pub(super) fn sweep(&mut self, share: usize, is_live: impl Fn(&L) -> bool) {
        for _ in 0..share.min(self.places.len()) {
            self.hand = if self.hand + 1 < self.places.len() { self.hand + 1 } else { 0 };
            let placed = self.places.get(self.hand).and_then(Option::as_ref);
            if placed.is_some_and(|placed| !is_live(&placed.loan))
                && let Some(id) = Id::of(self.hand)
            {
                self.release(id);
            }
        }
    }

    fn get(&self, id: Id) -> Option<&L> {
        self.places.get(id.position())?.as_ref().map(|placed| &placed.loan)
    }

    fn release(&mut self, id: Id) {
        let Some(loan) = self.get(id).cloned() else { return };
        let lease = loan.lease();
        self.by_client.remove(&loan.client());
        self.by_lease.remove(&lease);
        if let Entry::Occupied(mut count) = self.by_holder.entry(loan.holder()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        if let Entry::Occupied(mut pool) = self.pools.entry(lease.pool) {
            let ports = pool.get_mut();
            unlink(&mut self.places, ports, id);
            ports.count -= 1;
            match &mut ports.map {
                Some(_) if ports.count < MAPPED.1 => ports.map = None,
                Some(map) => map.set(lease.port, false),
                None => {}
            }
            if ports.is_ordered && ports.count < ORDERED.1 {
                ports.is_ordered = false;
                for id in members_ids(&self.places, ports) {
                    if let Some(placed) = &mut self.places[id.position()] {
                        placed.is_ordered = false;
                    }
                }
            }
            if ports.count == 0 {
                pool.remove();
            }
        }
        self.places[id.position()] = None;
        self.free.push(id);
    }
}

impl PortPool {
    fn ends(&mut self, phase: Phase) -> &mut Ends {
        match phase {
            Phase::Opening => &mut self.opening,
            Phase::Going => &mut self.going,
            Phase::Over => &mut self.over,
        }
    }
}

/// Puts a flow at the end of the queue that it belongs to now.
fn link<L: Loan>(places: &mut [Option<Placed<L>>], pool: &mut PortPool, id: Id) {
    let is_ordered = pool.is_ordered;
    let Some(placed) = &mut places[id.position()] else { return };
    placed.phase = placed.loan.phase();
    placed.is_ordered = is_ordered;
    let ends = pool.ends(placed.phase);
    placed.older = ends.newest;
    placed.newer = None;
    match ends.newest {
        None => ends.oldest = Some(id),
        Some(older) => {
            if let Some(older) = &mut places[older.position()] {
                older.newer = Some(id);
            }
        }
    }
    ends.newest = Some(id);
}

fn unlink<L: Loan>(places: &mut [Option<Placed<L>>], pool: &mut PortPool, id: Id) {
    let Some(placed) = &mut places[id.position()] else { return };
    let (older, newer) = (placed.older.take(), placed.newer.take());
    let ends = pool.ends(placed.phase);
    match older {
        None => ends.oldest = newer,
        Some(older) => {
            if let Some(older) = &mut places[older.position()] {
                older.newer = newer;
            }
        }
    }
    match newer {
        None => ends.newest = older,
        Some(newer) => {
            if let Some(newer) = &mut places[newer.position()] {
                newer.older = older;
            }
        }
    }
}

fn members_ids<L>(places: &[Option<Placed<L>>], pool: &PortPool) -> Vec<Id> {
    let mut all = Vec::with_capacity(pool.count as usize);
    for ends in [pool.opening, pool.going, pool.over] {
        let mut next = ends.oldest;
        while let Some(id) = next {
            all.push(id);
            next = places[id.position()].as_ref().and_then(|placed| placed.newer);
        }
    }
    all
}

fn members<'a, L: Loan>(places: &'a [Option<Placed<L>>], pool: &PortPool) -> impl Iterator<Item = u16> + 'a {
    let ids = members_ids(places, pool);
    ids.into_iter().filter_map(|id| places[id.position()].as_ref()).map(|placed| placed.loan.lease().port)
}

/// Begins to keep the flows of a pool in order of age.
fn order<L: Loan>(places: &mut [Option<Placed<L>>], pool: &mut PortPool) {
    let mut ids = members_ids(places, pool);
    ids.sort_by_key(|id| places[id.position()].as_ref().map(|placed| placed.loan.last_seen()));
    (pool.opening, pool.going, pool.over) = Default::default();
    pool.is_ordered = true;
    for id in ids {
        link(places, pool, id);
    }
}

impl PortMap {
    fn of(ports: impl Iterator<Item = u16>) -> Self {
        let mut map = Self { lent: [0; WORDS], full: [0; WORDS.div_ceil(64)] };
        // Words that do not exist are full.
        for beyond in WORDS..map.full.len() * 64 {
            map.full[beyond / 64] |= 1 << (beyond % 64);
        }
        for port in ports {
            map.set(port, true);
        }
        map
    }

    fn set(&mut self, port: u16, lent: bool) {
        // Lower ones are nobody's to lend: clients have them as their own.
        let Some(bit) = port.checked_sub(LOWEST_PORT).map(usize::from) else { return };
        let (word, mask) = (bit / 64, 1 << (bit % 64));
        if lent {
            self.lent[word] |= mask;
        } else {
            self.lent[word] &= !mask;
        }
        let mask = 1 << (word % 64);
        if self.lent[word] == u64::MAX {
            self.full[word / 64] |= mask;
        } else {
            self.full[word / 64] &= !mask;
        }
    }

    /// The first free one from `start` on, round and round; both counted from [`LOWEST_PORT`].
    fn free_from(&self, start: u16) -> Option<u16> {
        let (word, bit) = (usize::from(start) / 64, usize::from(start) % 64);
        let here = !self.lent[word] & (u64::MAX << bit);
        let (word, free) = if here != 0 {
            (word, here)
        } else {
            let word = self.word_with_room(word + 1).or_else(|| self.word_with_room(0))?;
            (word, !self.lent[word])
        };
        u16::try_from(word * 64 + free.trailing_zeros() as usize).ok()
    }

    fn word_with_room(&self, from: usize) -> Option<usize> {
        let first = from / 64;
        (first..self.full.len()).find_map(|index| {
            let mask = if index == first { u64::MAX << (from % 64) } else { u64::MAX };
            let room = !self.full[index] & mask;
            (room != 0).then(|| index * 64 + room.trailing_zeros() as usize)
        })
    }
}

#[cfg(test)]
mod tests;
