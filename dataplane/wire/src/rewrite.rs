//! How does a frame change its addresses, ports and TTL in place, so that every checksum stays as right as it was?
//!
//! The last thing before a frame leaves. Checksums follow by the difference (RFC 1624), so a checksum that was wrong on
//! arrival is wrong on departure, and no payload byte is read. A partial checksum follows by its pseudo header alone. The
//! address family never changes (that is [`translate`](crate::ipv6_to_ipv4)'s business); lengths never change. Whether the new
//! values make sense is the caller's affair.

use crate::bytes::{array, be16, put, put16};
use crate::checksum::{Delta, ICMP_FIELD, TCP_FIELD, UDP_FIELD, written};
use crate::frame::{ETHERNET_LEN, FrameMut};
use crate::headers::{Embedded, IcmpMessage, IpHeaders, Protocol, Transport};
use crate::mac::MacAddr;
use crate::mss::clamp;
use crate::vnet::VnetHeader;
use std::net::IpAddr;

/// What [`rewrite`] changes; `None` leaves a field as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rewrite {
    /// Ethernet source.
    pub src_mac: MacAddr,
    /// Ethernet destination.
    pub dst_mac: MacAddr,
    /// IP source, of the packet's family.
    pub src: Option<IpAddr>,
    /// IP destination, of the packet's family.
    pub dst: Option<IpAddr>,
    /// TCP or UDP source port; the identifier of an ICMP query.
    pub src_port: Option<u16>,
    /// TCP or UDP destination port; the identifier of an ICMP query (when both are given, this one stays).
    pub dst_port: Option<u16>,
    /// Time to live, or hop limit.
    pub ttl: Option<u8>,
    /// The largest maximum segment size, in bytes, that a TCP SYN may announce (RFC 9293, section 3.7.1): a larger one is
    /// lowered to this. A SYN without the option, or with options that cannot be read, stays as it is.
    pub max_segment_size: Option<u16>,
    /// The packet an ICMP error is about (RFC 5508); no effect on anything else.
    pub embedded: Option<EmbeddedRewrite>,
}

/// What [`rewrite`] changes in the packet an ICMP error quotes; `None` leaves a field as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EmbeddedRewrite {
    /// IP source, of the packet's family.
    pub src: Option<IpAddr>,
    /// IP destination, of the packet's family.
    pub dst: Option<IpAddr>,
    /// TCP or UDP source port; the identifier of an ICMP query.
    pub src_port: Option<u16>,
    /// TCP or UDP destination port; the identifier of an ICMP query (when both are given, this one stays).
    pub dst_port: Option<u16>,
}

impl Rewrite {
    /// Whether anything behind Ethernet changes.
    #[inline]
    fn changes_packet(&self) -> bool {
        let addresses = self.src.is_some() | self.dst.is_some();
        let ports = self.src_port.is_some() | self.dst_port.is_some();
        let header = self.ttl.is_some() | self.max_segment_size.is_some();
        addresses | ports | header | self.embedded.is_some()
    }
}

/// Changes a frame in place. `headers` are those [`parse`](crate::parse) read from this frame.
///
/// The transport checksum follows in TCP, UDP and ICMP; a UDP checksum of 0 ("none") stays 0. Later fragments have no
/// transport header, so their ports stay; the checksum in the first fragment covers the whole datagram and follows the
/// change that is made to each of its pieces. The destination of a source-routed packet counts as its final one.
#[inline]
pub fn rewrite(frame: &mut FrameMut<'_>, headers: &IpHeaders, rewrite: &Rewrite) {
    let ethernet = frame.ethernet_mut();
    put(ethernet, 0, rewrite.dst_mac.0);
    put(ethernet, 6, rewrite.src_mac.0);
    // Most packets only change links.
    if rewrite.changes_packet() {
        let vnet = frame.vnet();
        rewrite_packet(frame.ethernet_mut(), &vnet, headers, rewrite);
    }
}

fn rewrite_packet(bytes: &mut [u8], vnet: &VnetHeader, headers: &IpHeaders, rewrite: &Rewrite) {
    let is_ipv6 = headers.is_ipv6();
    let mut addresses = Delta::new();
    set_addresses(bytes, ETHERNET_LEN, is_ipv6, rewrite.src, rewrite.dst, &mut addresses);
    if is_ipv6 {
        if let Some(ttl) = rewrite.ttl {
            put(bytes, ETHERNET_LEN + 7, [ttl]);
        }
    } else {
        let mut header = addresses;
        if let Some(ttl) = rewrite.ttl {
            set16(bytes, ETHERNET_LEN + 8, u16::from_be_bytes([ttl, headers.protocol.0]), &mut header);
        }
        let field = ETHERNET_LEN + 10;
        put16(bytes, field, header.apply(be16(bytes, field).unwrap_or_default()));
    }

    let at = usize::from(headers.transport_offset);
    let mut covered = Delta::new();
    let field = match headers.transport {
        Transport::Tcp(tcp) => {
            set_ports(bytes, at, rewrite.src_port, rewrite.dst_port, &mut covered);
            if let Some(limit) = rewrite.max_segment_size {
                clamp(bytes, at, &tcp, limit, &mut covered);
            }
            TCP_FIELD
        }
        Transport::Udp { .. } => {
            set_ports(bytes, at, rewrite.src_port, rewrite.dst_port, &mut covered);
            UDP_FIELD
        }
        Transport::Icmp(icmp) => {
            match icmp.message {
                IcmpMessage::Query { .. } => {
                    set_identifier(bytes, at, rewrite.src_port, rewrite.dst_port, &mut covered);
                }
                IcmpMessage::Error { embedded: Some(embedded) } => {
                    if let Some(rewrite) = &rewrite.embedded {
                        rewrite_embedded(bytes, &embedded, rewrite, &mut covered);
                    }
                }
                _ => {}
            }
            ICMP_FIELD
        }
        Transport::Other | Transport::LaterFragment => return,
    };
    let place = at + usize::from(field);
    let checksum = be16(bytes, place).unwrap_or_default();
    // A partial checksum further in belongs to a tunnelled header; the one here is complete.
    if vnet.needs_csum() && vnet.csum_start == headers.transport_offset {
        put16(bytes, place, addresses.apply_to_partial(checksum));
    } else if let Some(checksum) = updated(checksum, field, is_ipv6, addresses, covered, headers.protocol) {
        put16(bytes, place, checksum);
    }
}

/// A complete transport checksum after a change; `None` where there is none to follow.
#[inline]
pub(crate) fn updated(
    checksum: u16,
    field: u16,
    is_ipv6: bool,
    addresses: Delta,
    covered: Delta,
    protocol: Protocol,
) -> Option<u16> {
    if protocol == Protocol::UDP && checksum == 0 {
        return None;
    }
    // The checksum of ICMP for IPv4 has no pseudo header.
    let has_pseudo_header = is_ipv6 || protocol != Protocol::ICMP;
    let delta = if has_pseudo_header { covered.plus(addresses) } else { covered };
    Some(written(delta.apply(checksum), field))
}

/// Changes the quoted packet. Every word changed, checksums included, goes into `covered`, because the error's own checksum
/// covers it.
fn rewrite_embedded(bytes: &mut [u8], embedded: &Embedded, rewrite: &EmbeddedRewrite, covered: &mut Delta) {
    let is_ipv6 = embedded.src.is_ipv6();
    let ip = usize::from(embedded.offset);
    let mut addresses = Delta::new();
    set_addresses(bytes, ip, is_ipv6, rewrite.src, rewrite.dst, &mut addresses);
    *covered = covered.plus(addresses);
    if !is_ipv6 {
        let checksum = be16(bytes, ip + 10).unwrap_or_default();
        set16(bytes, ip + 10, addresses.apply(checksum), covered);
    }
    if embedded.fragment_offset > 0 {
        return;
    }
    let at = usize::from(embedded.transport_offset);
    let mut contents = Delta::new();
    let field = match embedded.protocol {
        Protocol::TCP | Protocol::UDP => {
            if embedded.ports.is_some() {
                set_ports(bytes, at, rewrite.src_port, rewrite.dst_port, &mut contents);
            }
            if embedded.protocol == Protocol::TCP { TCP_FIELD } else { UDP_FIELD }
        }
        Protocol::ICMP | Protocol::ICMPV6 if embedded.icmp_type.is_some() => {
            if embedded.ports.is_some() {
                set_identifier(bytes, at, rewrite.src_port, rewrite.dst_port, &mut contents);
            }
            ICMP_FIELD
        }
        _ => return,
    };
    *covered = covered.plus(contents);
    let place = at + usize::from(field);
    if place + 2 > usize::from(embedded.end) {
        return;
    }
    let checksum = be16(bytes, place).unwrap_or_default();
    if let Some(checksum) = updated(checksum, field, is_ipv6, addresses, contents, embedded.protocol) {
        set16(bytes, place, checksum, covered);
    }
}

#[inline]
fn set_addresses(
    bytes: &mut [u8],
    ip: usize,
    is_ipv6: bool,
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    delta: &mut Delta,
) {
    let (src_at, dst_at) = if is_ipv6 { (ip + 8, ip + 24) } else { (ip + 12, ip + 16) };
    for (at, address) in [(src_at, src), (dst_at, dst)] {
        match address {
            Some(IpAddr::V4(address)) if !is_ipv6 => set(bytes, at, address.octets(), delta),
            Some(IpAddr::V6(address)) if is_ipv6 => set(bytes, at, address.octets(), delta),
            other => debug_assert!(other.is_none(), "a rewrite keeps the address family"),
        }
    }
}

#[inline]
pub(crate) fn set_ports(bytes: &mut [u8], at: usize, src: Option<u16>, dst: Option<u16>, delta: &mut Delta) {
    for (at, port) in [(at, src), (at + 2, dst)] {
        if let Some(port) = port {
            set16(bytes, at, port, delta);
        }
    }
}

#[inline]
pub(crate) fn set_identifier(
    bytes: &mut [u8],
    at: usize,
    src: Option<u16>,
    dst: Option<u16>,
    delta: &mut Delta,
) {
    if let Some(identifier) = dst.or(src) {
        set16(bytes, at + 4, identifier, delta);
    }
}

#[inline]
pub(crate) fn set16(bytes: &mut [u8], at: usize, new: u16, delta: &mut Delta) {
    set(bytes, at, new.to_be_bytes(), delta);
}

#[inline]
fn set<const N: usize>(bytes: &mut [u8], at: usize, new: [u8; N], delta: &mut Delta) {
    delta.replace(&array::<N>(bytes, at).unwrap_or(new), &new);
    put(bytes, at, new);
}

#[cfg(test)]
mod tests;
