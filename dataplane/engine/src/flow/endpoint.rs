//! Which flows go through VPC endpoints, and to whom do their answers go?
//!
//! A service is one host for clients of many VPCs, whose addresses overlap. So each flow is remembered under both names:
//! as its client sees it, by endpoint, and as the service sees it. By a gateway endpoint the service sees the client's own
//! address (EPG-05), and its port unless a client of another VPC has both; an interface endpoint gives each flow an
//! address and port of the provider's side (EPS-01).

use std::net::IpAddr;
use std::time::Duration;

use vpclab_wire::{Protocol, TcpFlags};

use crate::flow::lending::{Lease, Loan, Loans, Phase};
use crate::flow::share::Holder;
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

/// The same flow as the service sees it: with the port of whoever seems to ask.
pub type ServerKey = Lease<ServerPool>;

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
pub type EndpointTable = Loans<EndpointFlow>;

impl EndpointFlow {
    /// Whether it is remembered at `now`.
    pub fn is_live(&self, patience: Patience, now: Timestamp) -> bool {
        now.since(self.last_seen) <= self.timeout(patience)
    }

    fn timeout(&self, patience: Patience) -> Duration {
        match (self.phase(), self.state, self.way) {
            (Phase::Over, _, _) => patience.closing,
            (Phase::Opening, _, _) => patience.opening,
            (Phase::Going, ConnState::Tcp(_), Way::Route(_)) => GATEWAY_ENDPOINT_TIMEOUT,
            (Phase::Going, ConnState::Tcp(_), Way::Interface(_)) => ENDPOINT_TCP_TIMEOUT,
            (Phase::Going, _, _) => ENDPOINT_UDP_TIMEOUT,
        }
    }
}

impl Loan for EndpointFlow {
    type Client = ClientKey;
    type Pool = ServerPool;

    fn client(&self) -> ClientKey {
        self.client
    }

    fn lease(&self) -> ServerKey {
        self.server
    }

    fn holder(&self) -> Holder {
        self.holder
    }

    fn last_seen(&self) -> Timestamp {
        self.last_seen
    }

    fn phase(&self) -> Phase {
        match (self.state, self.way) {
            (ConnState::Tcp(TcpState::Closing), _) => Phase::Over,
            (ConnState::Tcp(TcpState::Opening { .. }), Way::Route(_)) => Phase::Opening,
            _ => Phase::Going,
        }
    }

    fn advance(&mut self, by_client: bool, flags: Option<TcpFlags>, now: Timestamp) {
        self.last_seen = now;
        self.state.advance(by_client, flags);
    }
}
