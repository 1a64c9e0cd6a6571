//! Which flows go through VPC endpoints, and to whom do their answers go?
//!
//! A service is one host for clients of many VPCs, whose addresses overlap. So each flow is remembered under both names:
//! as its client sees it, by endpoint, and as the service sees it. A gateway endpoint changes nothing, and both are
//! alike; an interface endpoint gives each flow an address and port of the provider's side (EPS-01).

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::time::Duration;

use vpclab_wire::{Protocol, TcpFlags};

use crate::fabric::KeyedMap;
use crate::flow::{ConnState, TcpState};
use crate::index::{EniIdx, HostIdx, Slot, VpcEndpointIdx};
use crate::time::Timestamp;

/// After how long an idle TCP flow through an interface endpoint is forgotten: a Network Load Balancer's time (LB-02).
pub const ENDPOINT_TCP_TIMEOUT: Duration = Duration::from_secs(350);
/// The same of UDP (LB-02).
pub const ENDPOINT_UDP_TIMEOUT: Duration = Duration::from_secs(120);
/// After how long an idle flow through a gateway endpoint is forgotten. AWS publishes none: as long as any interface may
/// remember the flow (CT-11).
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
    /// The interface it came in by; none of a gateway endpoint.
    pub eni: Option<Slot<EniIdx>>,
    /// How far it has come.
    pub state: ConnState,
    /// When the last packet passed.
    pub last_seen: Timestamp,
}

/// All flows through endpoints.
#[derive(Debug, Default)]
pub struct EndpointTable {
    by_client: KeyedMap<ClientKey, EndpointFlow>,
    by_server: KeyedMap<ServerKey, ClientKey>,
    in_pool: KeyedMap<ServerPool, u32>,
    /// Keys in order of arrival, for the sweep to go round.
    clock: VecDeque<ClientKey>,
}

impl EndpointFlow {
    /// Whether it is remembered at `now`; a TCP connection that has ended for `closing` only.
    pub fn is_live(&self, closing: Duration, now: Timestamp) -> bool {
        let timeout = match (self.state, self.eni) {
            (ConnState::Tcp(TcpState::Closing), _) => closing,
            (ConnState::Tcp(_), None) => GATEWAY_ENDPOINT_TIMEOUT,
            (ConnState::Tcp(_), Some(_)) => ENDPOINT_TCP_TIMEOUT,
            _ => ENDPOINT_UDP_TIMEOUT,
        };
        now.since(self.last_seen) <= timeout
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

    /// How many flows a target serves, expired ones that await the sweep included.
    pub fn in_pool(&self, pool: &ServerPool) -> u32 {
        self.in_pool.get(pool).copied().unwrap_or(0)
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }

    /// Whether a flow with these keys would take the place of another.
    pub(super) fn replaces(&self, client: &ClientKey, server: &ServerKey) -> bool {
        self.by_client.contains_key(client) || self.by_server.contains_key(server)
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
        *self.in_pool.entry(flow.server.pool).or_insert(0) += 1;
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
            flow.last_seen = now;
            flow.state.advance(by_client, flags);
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
        if let Entry::Occupied(mut count) = self.in_pool.entry(flow.server.pool) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
