//! What has happened before this packet?
//!
//! Flow memory holds history, never conclusions: a [`Conn`] says who opened a flow at which interface and when it was
//! last seen, not that it is allowed. The one conclusion it keeps is whether the flow is tracked, which is decided when
//! it opens (CT-03..CT-06). Records are kept per interface, as security groups are, under keys that name the
//! interface: address spaces overlap.
//!
//! An untracked flow is recorded too, as history of who opened it. Without that, the next packet of the side that did
//! not open it could pass for the opening of a flow of its own, and a flow whose rule is gone would live on (CT-10).
//!
//! Expiry is exact at lookup; [`FlowTable::sweep`] gives memory back a bounded share at a time.

mod conn;
mod datagram;
pub mod endpoint;
mod key;
pub mod lending;
pub mod nat;
pub mod share;

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::net::Ipv4Addr;
use std::time::Duration;

use vpclab_wire::TcpFlags;

use crate::fabric::{Direction, KeyedMap, Timeouts};
use crate::index::{EniIdx, HostIdx, InstanceIdx, NatGatewayIdx, Slot};
use crate::time::Timestamp;

pub use conn::{Conn, ConnState, TcpState, Tracking};
pub use datagram::{DatagramKey, Datagrams, FRAGMENT_TIMEOUT, FirstFragment, FragmentLookup, PassedFragment};
use endpoint::{ClientKey, EndpointFlow, EndpointTable};
pub use key::{FlowKey, is_reply};
pub use nat::NatBinding;
use nat::{Drains, InsideKey, NatTable};
use share::Holder;

/// How many records of each kind are kept at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Connections as interfaces see them, tracked and untracked together.
    pub connections: usize,
    /// Of these, how many the interfaces of one instance may have, so that it cannot take its neighbours' room.
    pub connections_per_instance: usize,
    /// Flows of all NAT gateways together.
    pub nat_flows: usize,
    /// Of these, how many one sender may have opened, so that it cannot take its neighbours' room.
    pub nat_flows_per_sender: usize,
    /// Flows through all VPC endpoints together.
    pub endpoint_flows: usize,
    /// Of these, how many one sender may have opened.
    pub endpoint_flows_per_sender: usize,
    /// Fragmented datagrams of each place where they come in. More push out the oldest of the same place.
    pub datagrams_per_ingress: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            connections: 4_000_000,
            connections_per_instance: 1_000_000,
            nat_flows: 4_000_000,
            nat_flows_per_sender: 1_000_000,
            endpoint_flows: 4_000_000,
            endpoint_flows_per_sender: 1_000_000,
            datagrams_per_ingress: 1024,
        }
    }
}

/// Where packets come from, as far as keys are concerned: each name space of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ingress {
    /// An interface.
    Interface(Slot<EniIdx>),
    /// A host outside every VPC.
    Host(Slot<HostIdx>),
    /// The internet, where no host is declared.
    Internet,
}

/// What a plan does to flow memory once it is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A flow opens at an interface.
    Open {
        /// The interface.
        eni: Slot<EniIdx>,
        /// The flow.
        key: FlowKey,
        /// What is remembered.
        conn: Conn,
        /// When the expired record that the plan saw in its place was last seen; none if there was none.
        replaces: Option<Timestamp>,
    },
    /// A packet passes on a remembered flow.
    Advance {
        /// The interface.
        eni: Slot<EniIdx>,
        /// The flow.
        key: FlowKey,
        /// Which way the packet goes.
        direction: Direction,
        /// Its TCP flags.
        tcp_flags: Option<TcpFlags>,
    },
    /// A NAT gateway lends an address and port. Boxed, as its record is large.
    Map(Box<NatBinding>),
    /// A packet passes on a flow of a NAT gateway.
    UseMapping {
        /// The flow.
        key: InsideKey,
        /// Whether the client sent it.
        from_inside: bool,
        /// Its TCP flags.
        tcp_flags: Option<TcpFlags>,
    },
    /// A flow opens through a VPC endpoint. Boxed, as its record is large.
    OpenEndpoint(Box<EndpointFlow>),
    /// A packet passes on a flow through a VPC endpoint.
    UseEndpoint {
        /// The flow.
        key: Box<ClientKey>,
        /// Whether the client sent it.
        by_client: bool,
        /// Its TCP flags.
        tcp_flags: Option<TcpFlags>,
    },
    /// A fragment passes. Boxed, as fragments are rare and their record is large.
    RememberFragment(Box<PassedFragment>),
}

/// Flow memory.
#[derive(Debug)]
pub struct FlowTable {
    capacity: Capacity,
    conns: KeyedMap<(Slot<EniIdx>, FlowKey), Conn>,
    usage: KeyedMap<Slot<InstanceIdx>, Usage>,
    datagrams: Datagrams,
    nat: NatTable,
    drains: Drains,
    endpoints: EndpointTable,
    /// Keys in order of arrival, for the sweep to go round.
    clock: VecDeque<(Slot<EniIdx>, FlowKey)>,
    /// What the choice of ports depends on: nobody who sends packets may foresee it.
    secret: foldhash::quality::FixedState,
}

/// How many records the interfaces of an instance have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tracked and untracked.
    pub all: usize,
    /// Those that count against its allowance (CT-15).
    pub tracked: usize,
}

/// Whether a flow finds room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It does.
    Enough,
    /// Its instance tracks as many connections as it may (CT-15).
    AllowanceExceeded,
    /// Memory is full, or its instance has had its share.
    MemoryFull,
}

/// A premise of the plan no longer holds: plan again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

impl FlowTable {
    /// Empty memory. It allocates as it fills. Ports are chosen as `secret` has it: the same ones for the same secret and
    /// the same packets (PIPE-15).
    pub fn new(capacity: Capacity, secret: u64) -> Self {
        Self {
            secret: foldhash::quality::FixedState::with_seed(secret),
            capacity,
            conns: KeyedMap::default(),
            usage: KeyedMap::default(),
            datagrams: Datagrams::new(capacity.datagrams_per_ingress),
            nat: NatTable::default(),
            drains: Drains::default(),
            endpoints: EndpointTable::default(),
            clock: VecDeque::new(),
        }
    }

    /// What NAT gateways have lent.
    pub fn nat(&self) -> &NatTable {
        &self.nat
    }

    /// Until when addresses that NAT gateways have lost keep their flows.
    pub fn drains(&self) -> &Drains {
        &self.drains
    }

    /// Takes note, as another configuration comes into force, of the addresses that NAT gateways have lost.
    pub(crate) fn drain(
        &mut self,
        lost: impl Iterator<Item = (Slot<NatGatewayIdx>, Ipv4Addr, Duration)>,
        now: Timestamp,
    ) {
        self.drains.begin(lost, now);
    }

    /// What VPC endpoints carry.
    pub fn endpoints(&self) -> &EndpointTable {
        &self.endpoints
    }

    /// A number that stands for the choice of a port for `subject`: always the same for the same subject, and known to
    /// nobody who does not know the secret.
    pub(crate) fn choice(&self, subject: &impl std::hash::Hash) -> u64 {
        use std::hash::BuildHasher;
        self.secret.hash_one(subject)
    }

    /// Whether another flow of a NAT gateway finds room, in the place of what `key` had before if it had, and in the share
    /// of the `holder` that opens it.
    pub fn has_room_for_mapping(&self, key: &InsideKey, holder: Holder) -> bool {
        self.nat.has_room(key, holder, self.capacity.nat_flows, self.capacity.nat_flows_per_sender)
    }

    /// The same of another flow through a VPC endpoint.
    pub fn has_room_for_endpoint(&self, key: &ClientKey, holder: Holder) -> bool {
        let Capacity { endpoint_flows, endpoint_flows_per_sender, .. } = self.capacity;
        self.endpoints.has_room(key, holder, endpoint_flows, endpoint_flows_per_sender)
    }

    /// The record of a flow. Whether it has expired is the reader's to say: idle times are the interface's.
    pub fn conn(&self, eni: Slot<EniIdx>, key: &FlowKey) -> Option<&Conn> {
        self.conns.get(&(eni, *key))
    }

    /// How many flows are remembered, those that have expired and await the sweep included.
    pub fn len(&self) -> usize {
        self.conns.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.conns.is_empty() && self.datagrams.is_empty() && self.nat.is_empty() && self.endpoints.is_empty()
    }

    /// The fragmented datagrams in flight.
    pub fn datagrams(&self) -> &Datagrams {
        &self.datagrams
    }

    /// How many records the interfaces of `instance` have.
    pub fn usage(&self, instance: Slot<InstanceIdx>) -> Usage {
        self.usage.get(&instance).copied().unwrap_or_default()
    }

    /// Whether `conn` finds room, in the place of the record it `replaces` if there is one, where an instance may track
    /// `limit` connections.
    pub fn room_for(&self, conn: &Conn, replaces: Option<&Conn>, limit: u32) -> Room {
        if replaces.is_none() && self.conns.len() >= self.capacity.connections {
            return Room::MemoryFull;
        }
        let Some(instance) = conn.instance else { return Room::Enough };
        let mut used = self.usage(instance);
        if let Some(old) = replaces.filter(|old| old.instance == conn.instance) {
            used.all -= 1;
            used.tracked -= old.tracked_entries();
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if conn.tracking == Tracking::Tracked && used.tracked + conn.tracked_entries() > limit {
            Room::AllowanceExceeded
        } else if used.all >= self.capacity.connections_per_instance {
            Room::MemoryFull
        } else {
            Room::Enough
        }
    }

    /// Carries out `effects`.
    ///
    /// # Errors
    ///
    /// [`Stale`], with nothing changed, when a flow to be opened is not what the plan saw.
    pub fn commit(&mut self, effects: &[Effect], now: Timestamp) -> Result<(), Stale> {
        for effect in effects {
            if let Effect::Open { eni, key, replaces, .. } = effect {
                let present = self.conns.get(&(*eni, *key)).map(|conn| conn.last_seen);
                if present != *replaces {
                    return Err(Stale);
                }
            }
        }
        for effect in effects {
            self.carry_out(effect, now);
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: &Effect, now: Timestamp) {
        match effect {
            Effect::Open { eni, key, conn, .. } => {
                if let Some(replaced) = self.conns.insert((*eni, *key), *conn) {
                    self.uncount(&replaced);
                } else {
                    self.clock.push_back((*eni, *key));
                }
                self.count(conn);
            }
            Effect::Advance { eni, key, direction, tcp_flags } => {
                if let Some(conn) = self.conns.get_mut(&(*eni, *key)) {
                    conn.advance(*direction, *tcp_flags, now);
                }
            }
            Effect::Map(binding) => self.nat.lend(&**binding),
            Effect::UseMapping { key, from_inside, tcp_flags } => {
                self.nat.advance(key, *from_inside, *tcp_flags, now);
            }
            Effect::OpenEndpoint(flow) => self.endpoints.lend(&**flow),
            Effect::UseEndpoint { key, by_client, tcp_flags } => {
                self.endpoints.advance(key, *by_client, *tcp_flags, now);
            }
            Effect::RememberFragment(fragment) => self.datagrams.remember(fragment, now),
        }
    }

    fn count(&mut self, conn: &Conn) {
        if let Some(instance) = conn.instance {
            let usage = self.usage.entry(instance).or_default();
            usage.all += 1;
            usage.tracked += conn.tracked_entries();
        }
    }

    fn uncount(&mut self, conn: &Conn) {
        let Some(instance) = conn.instance else { return };
        if let Entry::Occupied(mut usage) = self.usage.entry(instance) {
            let counts = usage.get_mut();
            counts.all -= 1;
            counts.tracked -= conn.tracked_entries();
            if counts.all == 0 {
                usage.remove();
            }
        }
    }

    /// Forgets what has expired, looking at no more than `share` records of each kind. `timeouts_of` gives an interface's
    /// idle times; none says that its slot has changed hands, and its flows are forgotten. `is_mapped` says whether a
    /// NAT gateway still has a flow, and `is_carried` the same of a VPC endpoint. Called often with a small
    /// share, this goes round all of memory without ever stopping traffic.
    pub fn sweep<'a>(
        &mut self,
        now: Timestamp,
        share: usize,
        timeouts_of: impl Fn(Slot<EniIdx>) -> Option<&'a Timeouts>,
        is_mapped: impl Fn(&NatBinding, &Drains) -> bool,
        is_carried: impl Fn(&EndpointFlow) -> bool,
    ) {
        for _ in 0..share.min(self.clock.len()) {
            let Some(key) = self.clock.pop_front() else { break };
            let is_live = self
                .conns
                .get(&key)
                .is_some_and(|conn| timeouts_of(key.0).is_some_and(|timeouts| conn.is_live(timeouts, now)));
            if is_live {
                self.clock.push_back(key);
            } else if let Some(expired) = self.conns.remove(&key) {
                self.uncount(&expired);
            }
        }
        self.datagrams.sweep(now, share);
        self.nat.sweep(share, |binding| is_mapped(binding, &self.drains));
        self.endpoints.sweep(share, is_carried);
    }
}

impl Default for FlowTable {
    fn default() -> Self {
        Self::new(Capacity::default(), 0)
    }
}

#[cfg(test)]
mod tests;
