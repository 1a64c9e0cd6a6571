//! Which address and port has a NAT gateway lent, and to whom?
//!
//! A mapping belongs to one flow: address and port are shared by flows to different destinations, so that what is
//! scarce is the 55,000 flows to one destination (NAT-04, NAT-39). Keys name the gateway, as address spaces overlap.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vpclab_wire::{Protocol, TcpFlags};

use crate::fabric::KeyedMap;
use crate::flow::ConnState;
use crate::index::{NatGatewayIdx, Slot};
use crate::time::Timestamp;

/// After how long a flow that is idle is forgotten (NAT-10; for UDP and ICMP too, NAT-37, OQ-17).
pub const NAT_IDLE_TIMEOUT: Duration = Duration::from_secs(350);

/// How many flows to one destination an address of a gateway serves (NAT-04).
pub const FLOWS_PER_DESTINATION: u32 = 55_000;

/// The lowest port that is lent (NAT-06).
pub const LOWEST_PORT: u16 = 1024;

/// How many ports there are to lend.
pub const PORTS: u16 = u16::MAX - LOWEST_PORT + 1;

/// A flow as the gateway's clients see it. The identifier of an ICMP query stands for the source port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InsideKey {
    /// The gateway.
    pub gateway: Slot<NatGatewayIdx>,
    /// TCP, UDP or ICMP of the client's family.
    pub protocol: Protocol,
    /// The client.
    pub source: IpAddr,
    /// Its port.
    pub source_port: u16,
    /// Where it goes, as the client writes it.
    pub destination: IpAddr,
    /// The port there; 0 for ICMP.
    pub destination_port: u16,
}

/// The same flow as the other side sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutsideKey {
    /// The gateway's address and who is at the other end of the flow.
    pub pool: Pool,
    /// The gateway's port.
    pub port: u16,
}

/// The ports that flows to one destination share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pool {
    /// The gateway.
    pub gateway: Slot<NatGatewayIdx>,
    /// TCP, UDP or ICMP.
    pub protocol: Protocol,
    /// The gateway's private address.
    pub address: Ipv4Addr,
    /// The other end.
    pub remote: Ipv4Addr,
    /// Its port; 0 for ICMP.
    pub remote_port: u16,
}

/// A flow through a NAT gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NatBinding {
    /// As the client sees it.
    pub inside: InsideKey,
    /// As the other side sees it.
    pub outside: OutsideKey,
    /// The public address that stood for the gateway's when it was lent; none of a private gateway.
    pub public: Option<Ipv4Addr>,
    /// How far it has come.
    pub state: ConnState,
    /// When the last packet passed.
    pub last_seen: Timestamp,
}

/// All mappings of all NAT gateways.
#[derive(Debug, Default)]
pub struct NatTable {
    by_inside: KeyedMap<InsideKey, NatBinding>,
    by_outside: KeyedMap<OutsideKey, InsideKey>,
    in_pool: KeyedMap<Pool, u32>,
    /// Full pools in which nothing expires before then, unless a connection ends.
    full_until: KeyedMap<Pool, Timestamp>,
    /// Keys in order of arrival, for the sweep to go round.
    clock: VecDeque<InsideKey>,
}

impl NatBinding {
    /// Whether it is remembered at `now`; a TCP connection that has ended for `closing` only.
    pub fn is_live(&self, closing: Duration, now: Timestamp) -> bool {
        now.since(self.last_seen) <= self.timeout(closing)
    }

    fn timeout(&self, closing: Duration) -> Duration {
        if self.state.is_over() { closing } else { NAT_IDLE_TIMEOUT }
    }
}

impl NatTable {
    /// The mapping of a client's flow. Whether it has expired is the reader's to say.
    pub fn inside(&self, key: &InsideKey) -> Option<&NatBinding> {
        self.by_inside.get(key)
    }

    /// The mapping that an address and port of the gateway are lent for.
    pub fn outside(&self, key: &OutsideKey) -> Option<&NatBinding> {
        self.by_inside.get(self.by_outside.get(key)?)
    }

    /// How many flows an address serves to one destination, expired ones that await the sweep included.
    pub fn in_pool(&self, pool: &Pool) -> u32 {
        self.in_pool.get(pool).copied().unwrap_or(0)
    }

    /// Until when a pool that is full is known to stay so. A short cut: time zero says to look.
    pub fn is_full_until(&self, pool: &Pool) -> Timestamp {
        self.full_until.get(pool).copied().unwrap_or(Timestamp::ZERO)
    }

    /// Looks once through each pool that is full, so that who asks a full one for a port does not have it looked through
    /// every time. `expiry` says when a flow is over; `closing` is the idle time of a connection that has ended.
    pub(super) fn look_into_full_pools(
        &mut self,
        closing: Duration,
        now: Timestamp,
        is_live: impl Fn(&NatBinding) -> bool,
    ) {
        let full: Vec<Pool> = self
            .in_pool
            .iter()
            .filter(|(pool, count)| **count >= FLOWS_PER_DESTINATION && self.is_full_until(pool) <= now)
            .map(|(pool, _)| *pool)
            .collect();
        for pool in full {
            let ports = LOWEST_PORT..=u16::MAX;
            let flows = ports.filter_map(|port| self.outside(&OutsideKey { pool, port }));
            let earliest = flows
                .map(|flow| if is_live(flow) { flow.last_seen + flow.timeout(closing) } else { now })
                .min()
                .unwrap_or(now);
            self.full_until.insert(pool, earliest);
        }
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.by_inside.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_inside.is_empty()
    }

    /// Every flow, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &NatBinding> {
        self.by_inside.values()
    }

    /// Lends an address and port. Whoever had the keys before has expired, as the plan has seen, and goes.
    pub(super) fn bind(&mut self, binding: &NatBinding) {
        if let Some(old) = self.by_outside.get(&binding.outside).copied() {
            self.release(&old);
        }
        self.release(&binding.inside);
        self.by_inside.insert(binding.inside, *binding);
        self.by_outside.insert(binding.outside, binding.inside);
        *self.in_pool.entry(binding.outside.pool).or_insert(0) += 1;
        self.clock.push_back(binding.inside);
    }

    /// Takes note of a packet of a flow.
    pub(super) fn advance(
        &mut self,
        key: &InsideKey,
        from_inside: bool,
        flags: Option<TcpFlags>,
        now: Timestamp,
    ) {
        if let Some(binding) = self.by_inside.get_mut(key) {
            let was_over = binding.state.is_over();
            binding.last_seen = now;
            binding.state.advance(from_inside, flags);
            if binding.state.is_over() != was_over {
                self.full_until.remove(&binding.outside.pool);
            }
        }
    }

    /// Forgets what is known of full pools: with another configuration flows may be over before their time.
    pub(super) fn look_again(&mut self) {
        self.full_until.clear();
    }

    /// Forgets what has expired or whose gateway is gone, looking at no more than `share` flows.
    pub(super) fn sweep(&mut self, share: usize, is_live: impl Fn(&NatBinding) -> bool) {
        for _ in 0..share.min(self.clock.len()) {
            let Some(key) = self.clock.pop_front() else { break };
            match self.by_inside.get(&key) {
                Some(binding) if is_live(binding) => self.clock.push_back(key),
                Some(_) => self.release(&key),
                None => {}
            }
        }
    }

    fn release(&mut self, key: &InsideKey) {
        let Some(binding) = self.by_inside.remove(key) else { return };
        self.by_outside.remove(&binding.outside);
        self.full_until.remove(&binding.outside.pool);
        if let Entry::Occupied(mut count) = self.in_pool.entry(binding.outside.pool) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
