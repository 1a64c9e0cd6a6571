//! What does an ICMP or ICMPv6 message say, and about which packet?
//!
//! Lenient where [`parse`](crate::parse) is strict: an error quotes as much of the packet as its sender cared to send,
//! and a quoted packet that cannot be read is no reason to refuse the error.

use crate::bytes::{array, be16};
use crate::headers::{Embedded, IcmpHeader, IcmpMessage, Protocol};
use crate::mac::MacAddr;
use crate::parse::{IPV4_LEN, IPV6_LEN, chain};
use std::net::{IpAddr, Ipv6Addr};

/// Bytes of a header with its message-specific word: before the quoted packet in an error, and before the target in
/// neighbor discovery.
pub(crate) const HEADER_LEN: usize = 8;
/// Bytes of a neighbor solicitation or advertisement without options.
const NEIGHBOR_LEN: usize = 24;
/// Neighbor discovery never crosses a router: anything below has (RFC 4861, section 7.1).
pub(crate) const NEIGHBOR_HOP_LIMIT: u8 = 255;

pub(crate) const ECHO_REPLY: u8 = 0;
pub(crate) const ECHO_REQUEST: u8 = 8;
pub(crate) const ECHO_REQUEST_V6: u8 = 128;
pub(crate) const ECHO_REPLY_V6: u8 = 129;
pub(crate) const ROUTER_SOLICITATION: u8 = 133;
pub(crate) const ROUTER_ADVERTISEMENT: u8 = 134;
pub(crate) const NEIGHBOR_SOLICITATION: u8 = 135;
pub(crate) const NEIGHBOR_ADVERTISEMENT: u8 = 136;

/// Reads the message `segment`, which reaches to the end of the packet and begins `at` bytes into Ethernet. `None` when it is
/// shorter than a header.
pub(crate) fn read(segment: &[u8], at: usize, is_ipv6: bool, ttl: u8) -> Option<IcmpHeader> {
    let [icmp_type, code, ..] = array::<HEADER_LEN>(segment, 0)?;
    let message = if is_query(icmp_type, is_ipv6) {
        IcmpMessage::Query { identifier: be16(segment, 4)?, sequence: be16(segment, 6)? }
    } else if is_error(icmp_type, is_ipv6) {
        IcmpMessage::Error { embedded: embedded(segment, at, is_ipv6) }
    } else if is_ipv6 && ttl == NEIGHBOR_HOP_LIMIT && code == 0 {
        neighbor_discovery(segment, icmp_type)
    } else {
        IcmpMessage::Other
    };
    Some(IcmpHeader { icmp_type, code, message })
}

/// Whether an ICMP or ICMPv6 message of this type asks or answers, with an identifier (RFC 792, RFC 950, RFC 4443).
pub fn is_query(icmp_type: u8, is_ipv6: bool) -> bool {
    if is_ipv6 { matches!(icmp_type, 128 | 129) } else { matches!(icmp_type, 0 | 8 | 13..=18) }
}

/// Whether an ICMP or ICMPv6 message of this type reports an error and quotes the packet it is about.
pub fn is_error(icmp_type: u8, is_ipv6: bool) -> bool {
    if is_ipv6 { matches!(icmp_type, 1..=4) } else { matches!(icmp_type, 3 | 4 | 5 | 11 | 12) }
}

fn neighbor_discovery(segment: &[u8], icmp_type: u8) -> IcmpMessage {
    let target = array::<16>(segment, HEADER_LEN).map(Ipv6Addr::from);
    match (icmp_type, target) {
        (ROUTER_SOLICITATION, _) => IcmpMessage::RouterSolicitation,
        (NEIGHBOR_SOLICITATION, Some(target)) => {
            IcmpMessage::NeighborSolicitation { target, source_mac: source_link_layer_address(segment) }
        }
        (NEIGHBOR_ADVERTISEMENT, Some(target)) => IcmpMessage::NeighborAdvertisement { target },
        _ => IcmpMessage::Other,
    }
}

/// The source link-layer address option of a neighbor solicitation (RFC 4861, section 4.6.1).
fn source_link_layer_address(segment: &[u8]) -> Option<MacAddr> {
    let mut at = NEIGHBOR_LEN;
    loop {
        match array(segment, at)? {
            [1, 1] => return array(segment, at + 2).map(MacAddr),
            [_, 0] => return None,
            [_, length] => at += usize::from(length) * 8,
        }
    }
}

fn embedded(segment: &[u8], at: usize, is_ipv6: bool) -> Option<Embedded> {
    let quoted = segment.get(HEADER_LEN..)?;
    let offset = at + HEADER_LEN;
    let read = if is_ipv6 { embedded_ipv6(quoted)? } else { embedded_ipv4(quoted)? };
    let end = if read.length < read.headers_len { quoted.len() } else { quoted.len().min(read.length) };
    let transport =
        quoted.get(read.headers_len..end).filter(|_| read.fragment_offset == 0).unwrap_or_default();
    let (ports, icmp_type) = match read.protocol {
        Protocol::TCP | Protocol::UDP => (be16(transport, 0).zip(be16(transport, 2)), None),
        Protocol::ICMP | Protocol::ICMPV6 if is_ipv6 == (read.protocol == Protocol::ICMPV6) => {
            let icmp_type = transport.first().copied();
            let is_query = icmp_type.is_some_and(|icmp_type| is_query(icmp_type, is_ipv6));
            let identifier = be16(transport, 4).filter(|_| is_query);
            (identifier.map(|identifier| (identifier, 0)), icmp_type)
        }
        _ => (None, None),
    };
    // An error long enough for 16 bits to saturate has its quoted headers far below the limit.
    let saturated = |position: usize| u16::try_from(position).unwrap_or(u16::MAX);
    Some(Embedded {
        src: read.src,
        dst: read.dst,
        protocol: read.protocol,
        ports,
        icmp_type,
        fragment_offset: read.fragment_offset,
        offset: saturated(offset),
        transport_offset: saturated(offset + read.headers_len),
        end: saturated(offset + end),
    })
}

/// An IP header as an error quotes it.
struct Quoted {
    src: IpAddr,
    dst: IpAddr,
    protocol: Protocol,
    fragment_offset: u32,
    headers_len: usize,
    /// Of the whole packet, as its header says.
    length: usize,
}

fn embedded_ipv4(quoted: &[u8]) -> Option<Quoted> {
    let header = quoted.first_chunk::<IPV4_LEN>()?;
    let headers_len = usize::from(header[0] & 0xf) * 4;
    if header[0] >> 4 != 4 || headers_len < IPV4_LEN {
        return None;
    }
    Some(Quoted {
        src: IpAddr::from(array::<4>(header, 12)?),
        dst: IpAddr::from(array::<4>(header, 16)?),
        protocol: Protocol(header[9]),
        fragment_offset: u32::from(be16(header, 6)? & 0x1fff) * 8,
        headers_len,
        length: usize::from(be16(header, 2)?),
    })
}

fn embedded_ipv6(quoted: &[u8]) -> Option<Quoted> {
    let header = quoted.first_chunk::<IPV6_LEN>()?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let (protocol, headers_len, fragment_offset) = match chain(quoted) {
        Ok(chain) => (chain.protocol, chain.at, chain.fragment.map_or(0, |fragment| fragment.offset)),
        // The chain is cut off before the transport header: nothing of it is quoted.
        Err(_) => (Protocol(header[6]), quoted.len(), 0),
    };
    Some(Quoted {
        src: IpAddr::from(array::<16>(header, 8)?),
        dst: IpAddr::from(array::<16>(header, 24)?),
        protocol,
        fragment_offset,
        headers_len,
        length: IPV6_LEN + usize::from(be16(header, 4)?),
    })
}
