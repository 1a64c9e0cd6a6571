//! Which flows go through VPC endpoints, and to whom do their answers go?
//!
//! A service is one host for clients of many VPCs, whose addresses overlap. So each flow is remembered under both names:
//! as its client sees it, by endpoint, and as the service sees it. By a gateway endpoint the service sees the client's own
//! address (EPG-05), and its port unless a client of another VPC has both; an interface endpoint gives each flow an
//! address and port of the provider's side (EPS-01).

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use vpclab_wire::{Protocol, TcpFlags};

use crate::fabric::KeyedMap;
use crate::flow::nat::LOWEST_PORT;
use crate::flow::pool::Pools;
use crate::flow::share::{Holder, Shares};
use crate::flow::{ConnState, TcpState};
use crate::index::{EniIdx, HostIdx, Slot, VpcEndpointIdx};
use crate::time::Timestamp;

/// After how long an idle TCP flow through an interface endpoint is forgotten: a Network Load Balancer's time (LB-02).
pub const ENDPOINT_TCP_TIMEOUT: Duration = Duration::from_secs(350);
/// The same of UDP (LB-02).
pub const ENDPOINT_UDP_TIMEOUT: Duration = Duration::from_secs(120);
/// After how long an idle flow through a gateway endpoint is forgotten, once it is established. AWS publishes none: as
/// long as any interface may remember the flow (CT-11).
pub const GATEWAY_ENDPOINT_TIMEOUT: Duration = Duration::from_secs(432_000);

/// A flow as its client sees it. The identifier of an ICMP query stands for the client's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientKey {
    /// The endpoint.
    pub endpoint: Slot<VpcEndpointIdx>,
    /// The protocol.
    pub protocol: Protocol,
    /// The client's address and port.
    pub client: (IpAddr, u16),
    /// Where it goes: the service, or the endpoint's own address.
    pub service: (IpAddr, u16),
}

/// The same flow as the service sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerKey {
    /// The ports that flows to one target share.
    pub pool: ServerPool,
    /// The port of whoever seems to ask.
    pub port: u16,
}

/// What flows to one target of a service have in common (EPS-06).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServerPool {
    /// The service.
    pub host: Slot<HostIdx>,
    /// The protocol.
    pub protocol: Protocol,
    /// The service's own address and port.
    pub service: (IpAddr, u16),
    /// Who seems to ask.
    pub client: IpAddr,
}

/// A flow through an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointFlow {
    /// As the client sees it.
    pub client: ClientKey,
    /// As the service sees it.
    pub server: ServerKey,
    /// How it came to the endpoint.
    pub way: Way,
    /// Whose share of memory it takes.
    pub holder: Holder,
    /// How far it has come.
    pub state: ConnState,
    /// When the last packet passed.
    pub last_seen: Timestamp,
}

/// How a flow comes to its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By a route, to a gateway endpoint: the interface that has the client's address.
    Route(Slot<EniIdx>),
    /// By this interface of an interface endpoint.
    Interface(Slot<EniIdx>),
}

/// After how long idle flows are forgotten where that is the lab's choice (CT-22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// TCP through a gateway endpoint before it is established, as at interfaces.
    pub opening: Duration,
    /// TCP that has ended.
    pub closing: Duration,
}

/// All flows through endpoints.
#[derive(Debug, Default)]
pub struct EndpointTable {
    by_client: KeyedMap<ClientKey, EndpointFlow>,
    by_server: KeyedMap<ServerKey, ClientKey>,
    pools: Pools<ServerPool>,
    shares: Shares,
    /// Keys in order of arrival, for the sweep to go round.
    clock: VecDeque<ClientKey>,
}

impl EndpointFlow {
    /// Whether it is remembered at `now`.
    pub fn is_live(&self, patience: Patience, now: Timestamp) -> bool {
        now.since(self.last_seen) <= self.timeout(patience)
    }

    fn timeout(&self, patience: Patience) -> Duration {
        match (self.state, self.way) {
            (ConnState::Tcp(TcpState::Closing), _) => patience.closing,
            (ConnState::Tcp(TcpState::Opening { .. }), Way::Route(_)) => patience.opening,
            (ConnState::Tcp(TcpState::Established { .. }), Way::Route(_)) => GATEWAY_ENDPOINT_TIMEOUT,
            (ConnState::Tcp(_), Way::Interface(_)) => ENDPOINT_TCP_TIMEOUT,
            _ => ENDPOINT_UDP_TIMEOUT,
        }
    }
}

impl EndpointTable {
    /// The flow as a client sees it. Whether it has expired is the reader's to say.
    pub fn of_client(&self, key: &ClientKey) -> Option<&EndpointFlow> {
        self.by_client.get(key)
    }

    /// The flow as a service sees it.
    pub fn of_server(&self, key: &ServerKey) -> Option<&EndpointFlow> {
        self.by_client.get(self.by_server.get(key)?)
    }

    /// The ports that flows to each target have.
    pub fn pools(&self) -> &Pools<ServerPool> {
        &self.pools
    }

    /// How many flows somebody has, expired ones that await the sweep included.
    pub fn held_by(&self, holder: Holder) -> usize {
        self.shares.of(holder)
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// The flows whose place a flow with these keys would take.
    pub(super) fn replaced(&self, client: &ClientKey, server: &ServerKey) -> [Option<&EndpointFlow>; 2] {
        let of_client = self.by_client.get(client);
        [of_client, self.of_server(server).filter(|flow| flow.client != *client)]
    }

    /// Looks once through each pool that is full, so that who asks a full one for a port does not have it looked through
    /// every time.
    pub(super) fn look_into_full_pools(
        &mut self,
        patience: Patience,
        now: Timestamp,
        is_live: impl Fn(&EndpointFlow) -> bool,
    ) {
        for pool in self.pools.worth_a_look(now) {
            let ports = LOWEST_PORT..=u16::MAX;
            let flows = ports.filter_map(|port| self.of_server(&ServerKey { pool, port }));
            let expiry = |flow: &EndpointFlow| flow.last_seen + flow.timeout(patience);
            let earliest = flows.map(|flow| if is_live(flow) { expiry(flow) } else { now }).min();
            self.pools.stays_full_until(pool, earliest.unwrap_or(now));
        }
    }

    /// Forgets what is known of full pools: with another configuration flows may be over before their time.
    pub(super) fn look_again(&mut self) {
        self.pools.look_again();
    }

    /// Remembers a flow. Whoever had the keys before has expired or ended, as the plan has seen, and goes.
    pub(super) fn open(&mut self, flow: &EndpointFlow) {
        if let Some(old) = self.by_server.get(&flow.server).copied().filter(|old| *old != flow.client) {
            self.release(&old);
        }
        if self.by_client.contains_key(&flow.client) {
            // The sweep has its key already: once is enough however often a client comes back.
            self.release(&flow.client);
        } else {
            self.clock.push_back(flow.client);
        }
        self.by_client.insert(flow.client, *flow);
        self.by_server.insert(flow.server, flow.client);
        self.pools.enter(flow.server.pool);
        self.shares.take(flow.holder);
    }

    /// Takes note of a packet of a flow.
    pub(super) fn advance(
        &mut self,
        key: &ClientKey,
        by_client: bool,
        flags: Option<TcpFlags>,
        now: Timestamp,
    ) {
        if let Some(flow) = self.by_client.get_mut(key) {
            let was_over = flow.state.is_over();
            flow.last_seen = now;
            flow.state.advance(by_client, flags);
            if flow.state.is_over() != was_over {
                self.pools.may_have_room(&flow.server.pool);
            }
        }
    }

    /// Forgets what has expired or whose endpoint is gone, looking at no more than `share` flows.
    pub(super) fn sweep(&mut self, share: usize, is_live: impl Fn(&EndpointFlow) -> bool) {
        for _ in 0..share.min(self.clock.len()) {
            let Some(key) = self.clock.pop_front() else { break };
            match self.by_client.get(&key) {
                Some(flow) if is_live(flow) => self.clock.push_back(key),
                Some(_) => self.release(&key),
                None => {}
            }
        }
    }

    fn release(&mut self, key: &ClientKey) {
        let Some(flow) = self.by_client.remove(key) else { return };
        self.by_server.remove(&flow.server);
        self.pools.leave(&flow.server.pool);
        self.shares.give_back(flow.holder);
    }
}
