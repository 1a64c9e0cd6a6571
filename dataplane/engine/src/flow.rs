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

mod datagram;
pub mod endpoint;
pub mod lending;
pub mod nat;
pub mod share;

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vpclab_wire::{Embedded, IcmpMessage, IpHeaders, Protocol, TcpFlags, Transport};

use crate::fabric::{Direction, KeyedMap, Timeouts};
use crate::index::{EniIdx, HostIdx, InstanceIdx, NatGatewayIdx, PeeringIdx, Slot};
use crate::time::Timestamp;

pub use datagram::{DatagramKey, Datagrams, FRAGMENT_TIMEOUT, FirstFragment, FragmentLookup, PassedFragment};
use endpoint::{ClientKey, EndpointFlow, EndpointTable};
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

/// A flow as one interface sees it: `local` is the interface's side, in both directions.
///
/// Packed into words, as it is hashed and compared for every packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    local: [u64; 2],
    remote: [u64; 2],
    /// Both ports, the protocol and the family.
    rest: u64,
}

/// A connection as one interface sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conn {
    /// Who sent the first packet: outbound means the guest.
    pub opened_by: Direction,
    /// Whether later packets pass by memory or by rules.
    pub tracking: Tracking,
    /// How far it has come.
    pub state: ConnState,
    /// When the first packet passed.
    pub opened_at: Timestamp,
    /// When the last packet passed.
    pub last_seen: Timestamp,
    /// The peering connection that the opening packet came by, where answers go back by it (NAT-33, CT-26).
    pub return_path: Option<Slot<PeeringIdx>>,
    /// How many entries it takes of its instance's allowance (CT-08).
    pub entries: u8,
    /// Whose allowance it counts against (CT-15).
    instance: Option<Slot<InstanceIdx>>,
}

/// Whether a flow's packets pass by memory or by rules (CT-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracking {
    /// By memory, whatever the rules say now (CT-09).
    Tracked,
    /// By the rules of both directions, each time (CT-10).
    Untracked,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnState {
    /// TCP.
    Tcp(TcpState),
    /// UDP: how many datagrams went each way, counted up to two (CT-12, CT-13).
    Udp {
        /// From the opener.
        requests: u8,
        /// Towards the opener.
        responses: u8,
    },
    /// An ICMP query and its replies.
    Icmp,
    /// Any other protocol (CT-02).
    Other,
}

/// How far a TCP connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpState {
    /// A SYN has passed.
    Opening {
        /// Whether the other side has answered it.
        answered: bool,
    },
    /// Data may flow.
    Established {
        /// Whether the opener has sent FIN.
        opener_finished: bool,
        /// Whether the other side has sent FIN.
        other_finished: bool,
    },
    /// FIN went both ways, or RST either way.
    Closing,
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

impl FlowKey {
    /// The flow that a packet with these headers belongs to, at an interface it passes in `direction`. `transport` is
    /// the packet's own, or its first fragment's.
    pub fn of(headers: &IpHeaders, transport: &Transport, direction: Direction) -> Self {
        let (source_port, destination_port) = match transport {
            Transport::Tcp(tcp) => (tcp.src_port, tcp.dst_port),
            Transport::Udp { src_port, dst_port } => (*src_port, *dst_port),
            Transport::Icmp(icmp) => match icmp.message {
                IcmpMessage::Query { identifier, .. } => {
                    return Self::query(
                        headers.src,
                        headers.dst,
                        headers.protocol,
                        identifier,
                        icmp.icmp_type,
                        direction,
                    );
                }
                // Messages without an identifier pair up by type alone.
                _ => (u16::from(icmp.icmp_type), u16::from(icmp.icmp_type)),
            },
            Transport::Other | Transport::LaterFragment => (0, 0),
        };
        Self::oriented(headers.src, headers.dst, headers.protocol, source_port, destination_port, direction)
    }

    /// The flow that an ICMP error is about, seen at an interface that the *error* passes in `direction`: the packet
    /// it quotes went the other way.
    pub fn of_embedded(embedded: &Embedded, direction: Direction) -> Option<Self> {
        let (source_port, destination_port) = embedded.ports.unwrap_or((0, 0));
        let quoted = direction.reversed();
        match embedded.protocol {
            Protocol::ICMP | Protocol::ICMPV6 => {
                let icmp_type = embedded.icmp_type?;
                Some(Self::query(
                    embedded.src,
                    embedded.dst,
                    embedded.protocol,
                    source_port,
                    icmp_type,
                    quoted,
                ))
            }
            Protocol::TCP | Protocol::UDP if embedded.ports.is_none() => None,
            protocol => Some(Self::oriented(
                embedded.src,
                embedded.dst,
                protocol,
                source_port,
                destination_port,
                quoted,
            )),
        }
    }

    fn oriented(
        source: IpAddr,
        destination: IpAddr,
        protocol: Protocol,
        source_port: u16,
        destination_port: u16,
        direction: Direction,
    ) -> Self {
        match direction {
            Direction::Outbound => Self::new(source, destination, protocol, source_port, destination_port),
            Direction::Inbound => Self::new(destination, source, protocol, destination_port, source_port),
        }
    }

    /// An ICMP query's flow: identifier, kind of query, and who asks, so that two sides that ping each other with one
    /// identifier are two flows.
    fn query(
        source: IpAddr,
        destination: IpAddr,
        protocol: Protocol,
        identifier: u16,
        icmp_type: u8,
        direction: Direction,
    ) -> Self {
        let request = request_type(protocol, icmp_type);
        let asked_in = if icmp_type == request { direction } else { direction.reversed() };
        let asker = match asked_in {
            Direction::Outbound => 0,
            Direction::Inbound => 0x100,
        };
        let (local, remote) = match direction {
            Direction::Outbound => (source, destination),
            Direction::Inbound => (destination, source),
        };
        Self::new(local, remote, protocol, identifier, u16::from(request) | asker)
    }

    fn new(local: IpAddr, remote: IpAddr, protocol: Protocol, local_port: u16, remote_port: u16) -> Self {
        let rest = u64::from(local_port)
            | u64::from(remote_port) << 16
            | u64::from(protocol.0) << 32
            | u64::from(local.is_ipv6()) << 40;
        Self { local: words(local), remote: words(remote), rest }
    }
}

/// An address as two words. The family is told apart elsewhere.
fn words(address: IpAddr) -> [u64; 2] {
    match address {
        IpAddr::V4(address) => [0, u64::from(u32::from(address))],
        IpAddr::V6(address) => {
            let bits = u128::from(address);
            let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(u64::MAX);
            [half(bits >> 64), half(bits)]
        }
    }
}

/// The type of the request that a query message of `icmp_type` asks or answers (RFC 792, RFC 950, RFC 4443).
fn request_type(protocol: Protocol, icmp_type: u8) -> u8 {
    match (protocol, icmp_type) {
        (Protocol::ICMP, 0) => 8,
        (Protocol::ICMP, 14) => 13,
        (Protocol::ICMP, 16) => 15,
        (Protocol::ICMP, 18) => 17,
        (Protocol::ICMPV6, 129) => 128,
        (_, request) => request,
    }
}

/// Whether an ICMP query message answers rather than asks.
pub fn is_reply(protocol: Protocol, icmp_type: u8) -> bool {
    request_type(protocol, icmp_type) != icmp_type
}

impl Conn {
    /// The record of a flow that this packet opens.
    pub fn opening(
        direction: Direction,
        tracking: Tracking,
        transport: &Transport,
        instance: Option<Slot<InstanceIdx>>,
        now: Timestamp,
    ) -> Self {
        let state = Self::opening_state(transport);
        Self {
            opened_by: direction,
            tracking,
            state,
            opened_at: now,
            last_seen: now,
            return_path: None,
            entries: 1,
            instance,
        }
    }

    /// How many entries it takes of its instance's allowance: none if it is not tracked.
    fn tracked_entries(&self) -> usize {
        if self.tracking == Tracking::Tracked { usize::from(self.entries) } else { 0 }
    }

    /// The state of a flow that a packet with this transport header opens.
    pub fn opening_state(transport: &Transport) -> ConnState {
        match transport {
            Transport::Tcp(tcp) if tcp.flags.is_opening() => {
                ConnState::Tcp(TcpState::Opening { answered: false })
            }
            // Picked up in the middle: whatever opened it was not seen (CT-19).
            Transport::Tcp(tcp) => ConnState::Tcp(TcpState::Established {
                opener_finished: tcp.flags.fin(),
                other_finished: false,
            }),
            Transport::Udp { .. } => ConnState::Udp { requests: 1, responses: 0 },
            Transport::Icmp(_) => ConnState::Icmp,
            Transport::Other | Transport::LaterFragment => ConnState::Other,
        }
    }

    /// After how much idle time it is forgotten, at an interface with these `timeouts`.
    pub fn timeout(&self, timeouts: &Timeouts) -> Duration {
        match self.state {
            ConnState::Tcp(TcpState::Opening { .. }) => timeouts.tcp_opening,
            ConnState::Tcp(TcpState::Established { .. }) => timeouts.tcp_established,
            ConnState::Tcp(TcpState::Closing) => timeouts.tcp_closing,
            ConnState::Udp { requests: 2.., responses: 2.. } => timeouts.udp_stream,
            ConnState::Udp { .. } => timeouts.udp,
            ConnState::Icmp => timeouts.icmp,
            ConnState::Other => timeouts.other,
        }
    }

    /// Whether it is still remembered at `now`, at an interface with these `timeouts`.
    pub fn is_live(&self, timeouts: &Timeouts, now: Timestamp) -> bool {
        now.since(self.last_seen) <= self.timeout(timeouts)
    }

    /// Whether a packet with these flags opens the flow anew rather than going on with it: a SYN after the end.
    pub fn is_reopened_by(&self, transport: &Transport) -> bool {
        match (self.state, transport) {
            (ConnState::Tcp(TcpState::Closing), Transport::Tcp(tcp)) => tcp.flags.is_opening(),
            _ => false,
        }
    }

    fn advance(&mut self, direction: Direction, tcp_flags: Option<TcpFlags>, now: Timestamp) {
        self.last_seen = now;
        self.state.advance(direction == self.opened_by, tcp_flags);
    }
}

impl ConnState {
    /// Whether it is a connection that has ended.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Tcp(TcpState::Closing))
    }

    /// Takes note of a packet, sent by the opener or by the other side.
    pub(crate) fn advance(&mut self, by_opener: bool, tcp_flags: Option<TcpFlags>) {
        match self {
            Self::Tcp(state) => {
                if let Some(flags) = tcp_flags {
                    *state = state.after(flags, by_opener);
                }
            }
            Self::Udp { requests, responses } => {
                let count = if by_opener { requests } else { responses };
                *count = (*count + 1).min(2);
            }
            Self::Icmp | Self::Other => {}
        }
    }
}

impl TcpState {
    /// The state after a packet with `flags`, sent by the opener or by the other side.
    fn after(self, flags: TcpFlags, by_opener: bool) -> Self {
        if flags.rst() {
            return Self::Closing;
        }
        match self {
            Self::Opening { .. } if !by_opener && flags.syn() => Self::Opening { answered: true },
            Self::Opening { answered: true } if by_opener && !flags.syn() => {
                Self::Established { opener_finished: flags.fin(), other_finished: false }
            }
            Self::Opening { answered } => Self::Opening { answered },
            Self::Established { opener_finished, other_finished } => {
                let opener_finished = opener_finished || (by_opener && flags.fin());
                let other_finished = other_finished || (!by_opener && flags.fin());
                if opener_finished && other_finished {
                    Self::Closing
                } else {
                    Self::Established { opener_finished, other_finished }
                }
            }
            Self::Closing => Self::Closing,
        }
    }
}

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
