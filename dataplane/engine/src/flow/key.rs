//! Which packets belong to one flow?
//!
//! The five-tuple as an interface sees it, or as the header inside an ICMP error tells it. What always holds: both
//! directions have one key, and so have a query and its reply.

use std::net::IpAddr;

use vpclab_wire::{Embedded, IcmpMessage, IpHeaders, Protocol, Transport};

use crate::fabric::Direction;

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
    pub(super) fn query(
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

    pub(super) fn new(
        local: IpAddr,
        remote: IpAddr,
        protocol: Protocol,
        local_port: u16,
        remote_port: u16,
    ) -> Self {
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
