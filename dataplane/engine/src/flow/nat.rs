//! Which address and port has a NAT gateway lent, and to whom?
//!
//! A mapping belongs to one flow: address and port are shared by flows to different destinations, so that what is
//! scarce is the 55,000 flows to one destination (NAT-04, NAT-39). Keys name the gateway, as address spaces overlap.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vpclab_wire::{Protocol, TcpFlags};

use crate::flow::ConnState;
use crate::flow::lending::{Lease, Loan, Loans, Phase};
use crate::flow::share::Holder;
use crate::index::{NatGatewayIdx, Slot};
use crate::time::Timestamp;

/// After how long a flow that is idle is forgotten (NAT-10; for UDP and ICMP too, NAT-37, OQ-17).
pub const NAT_IDLE_TIMEOUT: Duration = Duration::from_secs(350);

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

/// The same flow as the other side sees it: the gateway's address and port, and who is at the other end.
pub type OutsideKey = Lease<Pool>;

/// The ports that flows to one destination share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pool {
    /// The gateway.
    pub gateway: Slot<NatGatewayIdx>,
    /// TCP, UDP or ICMP.
    pub protocol: Protocol,
    /// The gateway's private address.
    pub address: Ipv4Addr,
    /// The public address that stood for it when the port was lent; none of a private gateway.
    pub public: Option<Ipv4Addr>,
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
    /// Whose share of memory it takes.
    pub holder: Holder,
    /// How far it has come.
    pub state: ConnState,
    /// When the last packet passed.
    pub last_seen: Timestamp,
}

/// Until when the addresses that gateways have lost keep their flows (NAT-21).
///
/// That an address is lost stands in the configuration, which knows no time: it counts from when that came into force.
#[derive(Debug, Default)]
pub struct Drains(Vec<Drain>);

/// An address that a gateway has lost and whose flows are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// The gateway.
    pub gateway: Slot<NatGatewayIdx>,
    /// The private address.
    pub address: Ipv4Addr,
}

#[derive(Debug, Clone, Copy)]
struct Drain {
    gateway: Slot<NatGatewayIdx>,
    address: Ipv4Addr,
    until: Timestamp,
}

impl Drains {
    /// Whether the flows of `address` are over.
    pub fn has_ended(&self, gateway: Slot<NatGatewayIdx>, address: Ipv4Addr, now: Timestamp) -> bool {
        self.of(gateway, address).is_some_and(|drain| drain.until < now)
    }

    /// The addresses whose flows are over: what [`Fabric::release`](crate::Fabric::release) is told.
    pub fn ended(&self, now: Timestamp) -> Vec<Drained> {
        let ended = self.0.iter().filter(|drain| drain.until < now);
        ended.map(|drain| Drained { gateway: drain.gateway, address: drain.address }).collect()
    }

    /// Takes note of the addresses that are lost now, each with how long its flows go on from `now` if it was not lost
    /// before.
    pub(super) fn begin(
        &mut self,
        lost: impl Iterator<Item = (Slot<NatGatewayIdx>, Ipv4Addr, Duration)>,
        now: Timestamp,
    ) {
        let next = lost.map(|(gateway, address, lasts)| {
            let new = Drain { gateway, address, until: now + lasts };
            self.of(gateway, address).copied().unwrap_or(new)
        });
        self.0 = next.collect();
    }

    fn of(&self, gateway: Slot<NatGatewayIdx>, address: Ipv4Addr) -> Option<&Drain> {
        self.0.iter().find(|drain| drain.gateway == gateway && drain.address == address)
    }
}

/// All mappings of all NAT gateways.
pub type NatTable = Loans<NatBinding>;

impl NatBinding {
    /// Whether it is remembered at `now`; a TCP connection that has ended for `closing` only.
    pub fn is_live(&self, closing: Duration, now: Timestamp) -> bool {
        now.since(self.last_seen) <= self.timeout(closing)
    }

    fn timeout(&self, closing: Duration) -> Duration {
        if self.state.is_over() { closing } else { NAT_IDLE_TIMEOUT }
    }
}

impl Loan for NatBinding {
    type Client = InsideKey;
    type Pool = Pool;

    fn client(&self) -> InsideKey {
        self.inside
    }

    fn lease(&self) -> OutsideKey {
        self.outside
    }

    fn holder(&self) -> Holder {
        self.holder
    }

    fn last_seen(&self) -> Timestamp {
        self.last_seen
    }

    fn phase(&self) -> Phase {
        if self.state.is_over() { Phase::Over } else { Phase::Going }
    }

    fn advance(&mut self, by_client: bool, flags: Option<TcpFlags>, now: Timestamp) {
        self.last_seen = now;
        self.state.advance(by_client, flags);
    }
}
