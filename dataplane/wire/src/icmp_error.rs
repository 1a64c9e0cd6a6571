//! How does the network say that a packet could not go on, and when must it keep silent?
//!
//! RFC 792, RFC 1122 section 3.2.2 and RFC 1812 section 4.3.2 for IPv4; RFC 4443 section 2.4 for IPv6.

use crate::build::{TTL, icmp};
use crate::frame::{ETHERNET_LEN, FrameBuf, VNET_LEN};
use crate::headers::{Body, IcmpMessage, IpHeaders, Transport};
use crate::icmp::HEADER_LEN;
use crate::mac::MacAddr;
use crate::parse::{IPV4_LEN, IPV6_LEN, parse};
use std::net::IpAddr;

/// The longest IPv4 error (RFC 1812, section 4.3.2.3).
pub(crate) const MAX_LEN_V4: usize = 576;
/// The longest IPv6 error: the least MTU of IPv6 (RFC 4443, section 2.4 (c)).
pub(crate) const MAX_LEN_V6: usize = 1280;

/// What an ICMP error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IcmpErrorKind {
    /// No route (ICMP 3/0, ICMPv6 1/0).
    NetworkUnreachable,
    /// No such host (ICMP 3/1, ICMPv6 1/3).
    HostUnreachable,
    /// Nobody listens (ICMP 3/3, ICMPv6 1/4).
    PortUnreachable,
    /// A filter forbids it (ICMP 3/13, ICMPv6 1/1).
    AdministrativelyProhibited,
    /// Too long for the next link, and "don't fragment" is set (ICMP 3/4, IPv4 only).
    FragmentationNeeded {
        /// The largest IP packet that passes, in bytes (RFC 1191).
        mtu: u16,
    },
    /// Too long for the next link (ICMPv6 2/0, IPv6 only).
    PacketTooBig {
        /// The largest IP packet that passes, in bytes (RFC 8201).
        mtu: u32,
    },
    /// The TTL or hop limit ran out (ICMP 11/0, ICMPv6 3/0).
    TimeExceeded,
}

impl IcmpErrorKind {
    /// The first eight bytes of the message, checksum 0; `None` where the family has no such error.
    fn header(self, is_ipv6: bool) -> Option<[u8; HEADER_LEN]> {
        let (icmp_type, code, word) = match (self, is_ipv6) {
            (Self::NetworkUnreachable, false) => (3, 0, 0),
            (Self::NetworkUnreachable, true) => (1, 0, 0),
            (Self::HostUnreachable, false) => (3, 1, 0),
            (Self::HostUnreachable, true) => (1, 3, 0),
            (Self::PortUnreachable, false) => (3, 3, 0),
            (Self::PortUnreachable, true) => (1, 4, 0),
            (Self::AdministrativelyProhibited, false) => (3, 13, 0),
            (Self::AdministrativelyProhibited, true) => (1, 1, 0),
            (Self::FragmentationNeeded { mtu }, false) => (3, 4, u32::from(mtu)),
            (Self::PacketTooBig { mtu }, true) => (2, 0, mtu),
            (Self::TimeExceeded, false) => (11, 0, 0),
            (Self::TimeExceeded, true) => (3, 0, 0),
            (Self::FragmentationNeeded { .. }, true) | (Self::PacketTooBig { .. }, false) => return None,
        };
        let [a, b, c, d] = word.to_be_bytes();
        Some([icmp_type, code, 0, 0, a, b, c, d])
    }
}

/// The error about the frame `original` (virtio header first) from `src_ip` to its sender.
///
/// `None` where no error may be sent: about an error or a redirect, a later fragment of IPv4, a packet to a multicast or
/// broadcast address or MAC (but for "packet too big"), or one whose source is no single host; and where the family of
/// `src_ip`, of the packet and of `kind` differ. What a subnet's own broadcast address is, the caller knows. A packet with a partial
/// checksum is quoted as it is.
pub fn icmp_error(
    kind: IcmpErrorKind,
    src_mac: MacAddr,
    dst_mac: MacAddr,
    src_ip: IpAddr,
    original: &[u8],
) -> Option<FrameBuf> {
    let headers = parse(original).ok()?;
    let Body::Ip(ip) = headers.body else { return None };
    let is_too_big = matches!(kind, IcmpErrorKind::PacketTooBig { .. });
    let to_many = headers.dst_mac.is_multicast() || is_group(ip.dst);
    if ip.is_ipv6() != src_ip.is_ipv6() || !may_be_answered(&ip) || to_many && !is_too_big {
        return None;
    }
    let limit = if ip.is_ipv6() { MAX_LEN_V6 - IPV6_LEN } else { MAX_LEN_V4 - IPV4_LEN };
    let start = VNET_LEN + ETHERNET_LEN;
    let quoted_len = usize::try_from(ip.packet_len).ok()?.min(limit - HEADER_LEN);
    let quoted = original.get(start..start + quoted_len)?;
    let message = [&kind.header(ip.is_ipv6())?, quoted].concat();
    Some(icmp(src_mac, dst_mac, src_ip, ip.src, TTL, &message))
}

fn may_be_answered(ip: &IpHeaders) -> bool {
    let is_error = match ip.transport {
        // RFC 1122, section 3.2.2. RFC 4443 says nothing of the kind, and leaves the sender nothing else to learn by.
        Transport::LaterFragment => !ip.is_ipv6(),
        // ICMPv6 errors are the types below 128; a redirect is 137.
        Transport::Icmp(icmp) if ip.is_ipv6() => icmp.icmp_type < 128 || icmp.icmp_type == 137,
        Transport::Icmp(icmp) => matches!(icmp.message, IcmpMessage::Error { .. }),
        _ => false,
    };
    is_host(ip.src) && !is_error
}

/// Whether the address is that of one host, which an answer would reach.
pub(crate) fn is_host(src: IpAddr) -> bool {
    match src {
        IpAddr::V4(src) => !(src.octets()[0] == 0 || src.is_loopback() || src.octets()[0] >= 224),
        IpAddr::V6(src) => !(src.is_unspecified() || src.is_loopback() || src.is_multicast()),
    }
}

/// Whether the address is that of many hosts, none of which may answer in its own name.
pub(crate) fn is_group(dst: IpAddr) -> bool {
    match dst {
        IpAddr::V4(dst) => dst.is_multicast() || dst.is_broadcast(),
        IpAddr::V6(dst) => dst.is_multicast(),
    }
}

#[cfg(test)]
mod tests;
