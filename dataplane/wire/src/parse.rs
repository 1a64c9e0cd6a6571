//! Is this frame one the network carries, and what does it say?
//!
//! The door of the line: past it nobody asks whether a length fits. Whatever is accepted has every header inside the
//! packet, the packet inside the frame, and a virtio header that describes it; checksums other than IPv4's are the
//! receiver's to verify. Ethernet padding behind the packet is fine. What the headers *mean* (whose address it is, what
//! may pass) is left to others.

use crate::bytes::{array, be16, be32, len16, len32};
use crate::checksum::{TCP_FIELD, UDP_FIELD, ipv4_is_right};
use crate::frame::{ETHERNET_LEN, VNET_LEN};
use crate::headers::{
    Arp, ArpOperation, Body, Fragment, Headers, IpHeaders, Protocol, TcpFlags, TcpHeader, Transport,
};
use crate::icmp;
use crate::mac::MacAddr;
use crate::malformed::Malformed;
use crate::vnet::{Gso, VnetHeader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const IPV6: u16 = 0x86dd;
/// Bytes of an IPv4 header without options.
pub(crate) const IPV4_LEN: usize = 20;
/// Bytes of the fixed IPv6 header.
pub(crate) const IPV6_LEN: usize = 40;
/// Bytes of a TCP header without options.
pub(crate) const TCP_LEN: usize = 20;
/// Bytes of a UDP header.
const UDP_LEN: usize = 8;
/// IPv6 extension headers in one packet; more serve only to hide the transport header.
pub(crate) const MAX_EXTENSION_HEADERS: usize = 8;
/// The largest datagram: 16-bit lengths in both families (RFC 791, RFC 8200).
pub(crate) const MAX_DATAGRAM: usize = 65_535;

/// The IPv6 extension headers of a packet.
pub(crate) struct Chain {
    /// What follows them.
    pub(crate) protocol: Protocol,
    /// Where it begins, from the start of the IPv6 header.
    pub(crate) at: usize,
    /// From the fragment header; absent for an atomic fragment (RFC 6946).
    pub(crate) fragment: Option<Fragment>,
}

/// What both families say of a packet, but for its addresses. Scalars only: on the common path they stay in registers
/// until the one place where [`Headers`] is written.
#[derive(Clone, Copy)]
struct Packet {
    is_ipv6: bool,
    protocol: Protocol,
    ttl: u8,
    dscp_ecn: u8,
    /// Bytes of the packet before the transport header.
    headers_len: usize,
    /// Bytes of the whole packet.
    len: usize,
    dont_fragment: bool,
    fragment: Option<Fragment>,
    has_options: bool,
}

/// The transport header's place in the packet.
#[derive(Clone, Copy)]
struct Extent {
    /// Bytes of the transport header.
    header_len: usize,
    /// Bytes of its payload.
    payload_len: usize,
}

/// The frame around a packet.
#[derive(Clone, Copy)]
struct Link<'a> {
    vnet: &'a [u8; VNET_LEN],
    ethernet_len: usize,
    src_mac: MacAddr,
    dst_mac: MacAddr,
}

/// Reads a frame: a virtio header, then Ethernet.
///
/// # Errors
/// The first reason for which the network would not carry it.
#[inline]
pub fn parse(frame: &[u8]) -> Result<Headers, Malformed> {
    let (vnet, ethernet) = frame.split_first_chunk::<VNET_LEN>().ok_or(Malformed::FrameTooShort)?;
    let (header, payload) = ethernet.split_first_chunk::<ETHERNET_LEN>().ok_or(Malformed::FrameTooShort)?;
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
    let dst_mac = MacAddr([d0, d1, d2, d3, d4, d5]);
    let src_mac = MacAddr([s0, s1, s2, s3, s4, s5]);
    if src_mac.is_multicast() {
        return Err(Malformed::MulticastSource);
    }
    let link = Link { vnet, ethernet_len: ethernet.len(), src_mac, dst_mac };
    match u16::from_be_bytes([t0, t1]) {
        IPV4 => {
            let (packet, ends) = ipv4(payload)?;
            ip(link, payload, packet, ends)
        }
        IPV6 => {
            let (packet, ends) = ipv6(payload)?;
            ip(link, payload, packet, ends)
        }
        ARP => {
            let vnet = VnetHeader::parse(vnet)?;
            if vnet.needs_csum() || vnet.is_superframe() || usize::from(vnet.hdr_len) > ethernet.len() {
                return Err(Malformed::VnetHeader);
            }
            let body = Body::Arp(arp(payload).ok_or(Malformed::Arp)?);
            Ok(Headers { src_mac, dst_mac, body })
        }
        _ => Err(Malformed::UnsupportedEtherType),
    }
}

fn arp(payload: &[u8]) -> Option<Arp> {
    const ETHERNET_AND_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];
    if array(payload, 0)? != ETHERNET_AND_IPV4 {
        return None;
    }
    let operation = match be16(payload, 6)? {
        1 => ArpOperation::Request,
        2 => ArpOperation::Reply,
        _ => return None,
    };
    Some(Arp {
        operation,
        sender_mac: MacAddr(array(payload, 8)?),
        sender_ip: Ipv4Addr::from(array::<4>(payload, 14)?),
        target_mac: MacAddr(array(payload, 18)?),
        target_ip: Ipv4Addr::from(array::<4>(payload, 24)?),
    })
}

#[inline(always)]
fn ipv4(payload: &[u8]) -> Result<(Packet, (IpAddr, IpAddr)), Malformed> {
    let header = payload.first_chunk::<IPV4_LEN>().ok_or(Malformed::Ipv4HeaderLength)?;
    if header[0] >> 4 != 4 {
        return Err(Malformed::Ipv4Version);
    }
    let headers_len = usize::from(header[0] & 0xf) * 4;
    if headers_len < IPV4_LEN {
        return Err(Malformed::Ipv4HeaderLength);
    }
    let options = payload.get(IPV4_LEN..headers_len).ok_or(Malformed::Ipv4HeaderLength)?;
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if len < headers_len || len > payload.len() {
        return Err(Malformed::Ipv4TotalLength);
    }
    if !ipv4_is_right(header, options) {
        return Err(Malformed::Ipv4Checksum);
    }
    let flags = u16::from_be_bytes([header[6], header[7]]);
    let protocol = Protocol(header[9]);
    let fragment = if flags & 0x3fff == 0 {
        None
    } else {
        let identification = u32::from(u16::from_be_bytes([header[4], header[5]]));
        let offset = u32::from(flags & 0x1fff) * 8;
        let fragment = Fragment { identification, offset, more: flags & 0x2000 != 0 };
        check_fragment(fragment, protocol, headers_len, len - headers_len)?;
        Some(fragment)
    };
    let packet = Packet {
        is_ipv6: false,
        protocol,
        ttl: header[8],
        dscp_ecn: header[1],
        headers_len,
        len,
        dont_fragment: flags & 0x4000 != 0,
        fragment,
        has_options: headers_len > IPV4_LEN,
    };
    let src = IpAddr::V4(Ipv4Addr::new(header[12], header[13], header[14], header[15]));
    let dst = IpAddr::V4(Ipv4Addr::new(header[16], header[17], header[18], header[19]));
    Ok((packet, (src, dst)))
}

#[inline(always)]
fn ipv6(payload: &[u8]) -> Result<(Packet, (IpAddr, IpAddr)), Malformed> {
    let header = payload.first_chunk::<IPV6_LEN>().ok_or(Malformed::Ipv6PayloadLength)?;
    if header[0] >> 4 != 6 {
        return Err(Malformed::Ipv6Version);
    }
    let payload_len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if payload_len == 0 && Protocol(header[6]) == Protocol::HOP_BY_HOP {
        return Err(Malformed::Ipv6Jumbogram);
    }
    let len = IPV6_LEN + payload_len;
    let packet = payload.get(..len).ok_or(Malformed::Ipv6PayloadLength)?;
    // Most packets have no extension headers; the walk is out of line.
    let chain = match Protocol(header[6]) {
        protocol @ (Protocol::TCP | Protocol::UDP | Protocol::ICMPV6) => {
            Chain { protocol, at: IPV6_LEN, fragment: None }
        }
        _ => chain(packet)?,
    };
    if let Some(fragment) = chain.fragment {
        // The datagram's 16-bit length counts extension headers, but not the fixed one.
        check_fragment(fragment, chain.protocol, chain.at - IPV6_LEN, len - chain.at)?;
    }
    let [a, b, c, d] = [8, 16, 24, 32].map(|at| array::<8>(header, at).unwrap_or_default());
    let address = |upper: [u8; 8], lower: [u8; 8]| {
        let bits = u128::from(u64::from_be_bytes(upper)) << 64 | u128::from(u64::from_be_bytes(lower));
        IpAddr::V6(Ipv6Addr::from_bits(bits))
    };
    let packet = Packet {
        is_ipv6: true,
        protocol: chain.protocol,
        ttl: header[7],
        dscp_ecn: header[0] << 4 | header[1] >> 4,
        headers_len: chain.at,
        len,
        dont_fragment: true,
        fragment: chain.fragment,
        has_options: chain.at > IPV6_LEN,
    };
    Ok((packet, (address(a, b), address(c, d))))
}

/// Walks the extension headers of an IPv6 packet of at least 40 bytes. Their order is not judged (RFC 8200, section 4.1:
/// receivers accept any order).
#[inline]
pub(crate) fn chain(packet: &[u8]) -> Result<Chain, Malformed> {
    let mut chain = Chain {
        protocol: Protocol(*packet.get(6).ok_or(Malformed::Ipv6PayloadLength)?),
        at: IPV6_LEN,
        fragment: None,
    };
    let mut fragmented = false;
    for _ in 0..=MAX_EXTENSION_HEADERS {
        let length_unit = match chain.protocol {
            Protocol::HOP_BY_HOP | Protocol::ROUTING | Protocol::DESTINATION_OPTIONS | Protocol::FRAGMENT => {
                8
            }
            Protocol::AH => 4,
            _ => return Ok(chain),
        };
        let [next, length] = array(packet, chain.at).ok_or(Malformed::Ipv6ExtensionHeader)?;
        let size = match chain.protocol {
            Protocol::FRAGMENT => 8,
            Protocol::AH => (usize::from(length) + 2) * length_unit,
            _ => (usize::from(length) + 1) * length_unit,
        };
        let header = packet.get(chain.at..chain.at + size).ok_or(Malformed::Ipv6ExtensionHeader)?;
        match chain.protocol {
            Protocol::HOP_BY_HOP if has_jumbo_payload(header) => return Err(Malformed::Ipv6Jumbogram),
            Protocol::ROUTING if header[2] == 0 => return Err(Malformed::Ipv6RoutingType0),
            Protocol::FRAGMENT if fragmented => return Err(Malformed::Ipv6ExtensionHeader),
            Protocol::FRAGMENT => {
                fragmented = true;
                let field = be16(header, 2).unwrap_or_default();
                let offset = u32::from(field & 0xfff8);
                let more = field & 1 != 0;
                if offset > 0 || more {
                    let identification = be32(header, 4).unwrap_or_default();
                    chain.fragment = Some(Fragment { identification, offset, more });
                }
            }
            _ => {}
        }
        chain.protocol = Protocol(next);
        chain.at += size;
        if chain.fragment.is_some_and(|fragment| !fragment.is_first()) {
            return Ok(chain);
        }
    }
    Err(Malformed::Ipv6TooManyExtensionHeaders)
}

/// Whether a hop-by-hop header has a jumbo payload option (RFC 2675).
fn has_jumbo_payload(header: &[u8]) -> bool {
    const PAD1: u8 = 0;
    const JUMBO_PAYLOAD: u8 = 0xc2;
    let mut at = 2;
    while let Some(&kind) = header.get(at) {
        match kind {
            PAD1 => at += 1,
            JUMBO_PAYLOAD => return true,
            _ => at += 2 + usize::from(header.get(at + 1).copied().unwrap_or_default()),
        }
    }
    false
}

/// `before` is what the datagram's length counts in front of its fragmentable part.
fn check_fragment(
    fragment: Fragment,
    protocol: Protocol,
    before: usize,
    length: usize,
) -> Result<(), Malformed> {
    if length == 0 {
        return Err(Malformed::EmptyFragment);
    }
    if fragment.more && !length.is_multiple_of(8) {
        return Err(Malformed::UnalignedFragment);
    }
    let offset = usize::try_from(fragment.offset).unwrap_or(usize::MAX);
    if before + offset + length > MAX_DATAGRAM {
        return Err(Malformed::FragmentPastEnd);
    }
    // RFC 1858, section 3.2.2: a fragment at 8 would rewrite the flags of the TCP header that filters have read.
    if protocol == Protocol::TCP && fragment.offset == 8 {
        return Err(Malformed::TinyFragment);
    }
    Ok(())
}

#[inline(always)]
fn ip(link: Link<'_>, payload: &[u8], packet: Packet, ends: (IpAddr, IpAddr)) -> Result<Headers, Malformed> {
    let segment = payload.get(packet.headers_len..packet.len).unwrap_or_default();
    let bare = Extent { header_len: 0, payload_len: segment.len() };
    if packet.fragment.is_some_and(|fragment| !fragment.is_first()) {
        return headers(link, packet, ends, Transport::LaterFragment, bare, None);
    }
    match packet.protocol {
        Protocol::TCP => {
            let (header, extent) = tcp(packet, segment)?;
            headers(link, packet, ends, Transport::Tcp(header), extent, Some(TCP_FIELD))
        }
        Protocol::UDP => {
            let (src_port, dst_port, extent) = udp(packet, segment)?;
            headers(link, packet, ends, Transport::Udp { src_port, dst_port }, extent, Some(UDP_FIELD))
        }
        Protocol::ICMP | Protocol::ICMPV6 if packet.is_ipv6 == (packet.protocol == Protocol::ICMPV6) => {
            let at = ETHERNET_LEN + packet.headers_len;
            let header =
                icmp::read(segment, at, packet.is_ipv6, packet.ttl).ok_or_else(|| cut_off(packet))?;
            let extent =
                Extent { header_len: icmp::HEADER_LEN, payload_len: segment.len() - icmp::HEADER_LEN };
            headers(link, packet, ends, Transport::Icmp(header), extent, None)
        }
        _ => headers(link, packet, ends, Transport::Other, bare, None),
    }
}

/// Judges the virtio header and writes the result. Inlined once per kind of transport, so that a known variant is written in
/// place rather than copied.
#[inline(always)]
fn headers(
    link: Link<'_>,
    packet: Packet,
    (src, dst): (IpAddr, IpAddr),
    transport: Transport,
    extent: Extent,
    checksum_field: Option<u16>,
) -> Result<Headers, Malformed> {
    let largest_segment = if *link.vnet == [0; VNET_LEN] {
        len32(packet.len)
    } else {
        offload(link, packet, extent, checksum_field)?
    };
    let body = Body::Ip(IpHeaders {
        src,
        dst,
        protocol: packet.protocol,
        transport,
        ttl: packet.ttl,
        dscp_ecn: packet.dscp_ecn,
        transport_offset: len16(ETHERNET_LEN + packet.headers_len),
        packet_len: len32(packet.len),
        payload_len: len32(extent.payload_len),
        largest_segment,
        dont_fragment: packet.dont_fragment,
        fragment: packet.fragment,
        has_options: packet.has_options,
    });
    Ok(Headers { src_mac: link.src_mac, dst_mac: link.dst_mac, body })
}

#[inline(always)]
fn tcp(packet: Packet, segment: &[u8]) -> Result<(TcpHeader, Extent), Malformed> {
    let header = segment.first_chunk::<TCP_LEN>().ok_or_else(|| cut_off(packet))?;
    let header_len = (header[12] >> 4) * 4;
    let length = usize::from(header_len);
    if length < TCP_LEN {
        return Err(Malformed::TcpDataOffset);
    }
    if length > segment.len() {
        return Err(if packet.fragment.is_some() {
            Malformed::TinyFragment
        } else {
            Malformed::TcpDataOffset
        });
    }
    let tcp = TcpHeader {
        src_port: u16::from_be_bytes([header[0], header[1]]),
        dst_port: u16::from_be_bytes([header[2], header[3]]),
        sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        acknowledgment: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags: TcpFlags(header[13]),
        window: u16::from_be_bytes([header[14], header[15]]),
        header_len,
    };
    Ok((tcp, Extent { header_len: length, payload_len: segment.len() - length }))
}

#[inline(always)]
fn udp(packet: Packet, segment: &[u8]) -> Result<(u16, u16, Extent), Malformed> {
    let header = segment.first_chunk::<UDP_LEN>().ok_or_else(|| cut_off(packet))?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let here = if packet.fragment.is_some() { segment.len() } else { length };
    if length < UDP_LEN || here > segment.len() {
        return Err(Malformed::UdpLength);
    }
    let src_port = u16::from_be_bytes([header[0], header[1]]);
    let dst_port = u16::from_be_bytes([header[2], header[3]]);
    Ok((src_port, dst_port, Extent { header_len: UDP_LEN, payload_len: here - UDP_LEN }))
}

/// The packet ends inside its transport header: a mistake, or in a first fragment an attempt to hide it.
#[cold]
fn cut_off(packet: Packet) -> Malformed {
    if packet.fragment.is_some() { Malformed::TinyFragment } else { Malformed::TruncatedTransport }
}

/// Whether the virtio header describes the packet; the largest packet once it is cut. `checksum_field` is where the
/// transport header of TCP and UDP has its checksum.
///
/// A partial checksum is that of the TCP or UDP header, or of a header inside a tunnel that the network does not look
/// into: a guest that runs VXLAN or GRE leaves the inner checksum partial and has the outer one complete.
fn offload(
    link: Link<'_>,
    packet: Packet,
    extent: Extent,
    checksum_field: Option<u16>,
) -> Result<u32, Malformed> {
    let vnet = VnetHeader::parse(link.vnet)?;
    if usize::from(vnet.hdr_len) > link.ethernet_len {
        return Err(Malformed::VnetHeader);
    }
    if !vnet.needs_csum() && !vnet.is_superframe() {
        return Ok(len32(packet.len));
    }
    // Virtio 1.2, section 5.1.6.2: a superframe always leaves its checksum to be computed.
    if !vnet.needs_csum() || packet.fragment.is_some() {
        return Err(Malformed::VnetHeader);
    }
    let start = usize::from(vnet.csum_start);
    let transport = ETHERNET_LEN + packet.headers_len;
    let payload = transport + extent.header_len;
    let end = payload + extent.payload_len;
    let is_whole = end == ETHERNET_LEN + packet.len;
    let is_own = start == transport && checksum_field == Some(vnet.csum_offset) && is_whole;
    if !vnet.is_superframe() {
        let is_tunnel = !matches!(packet.protocol, Protocol::TCP | Protocol::ICMP | Protocol::ICMPV6);
        let is_inside = start >= payload && start + usize::from(vnet.csum_offset) + 2 <= end;
        return if is_own || is_tunnel && is_inside {
            Ok(len32(packet.len))
        } else {
            Err(Malformed::VnetHeader)
        };
    }
    let gso_size = usize::from(vnet.gso_size);
    let agrees = match (vnet.gso, packet.protocol) {
        (Gso::TcpV4, Protocol::TCP) => !packet.is_ipv6,
        (Gso::TcpV6, Protocol::TCP) => packet.is_ipv6,
        (Gso::UdpL4, Protocol::UDP) => !vnet.ecn,
        (Gso::UdpFragmentation, Protocol::UDP) => !vnet.ecn && !packet.is_ipv6 && gso_size >= 8,
        _ => false,
    };
    if !is_own || !agrees || gso_size == 0 {
        return Err(Malformed::VnetHeader);
    }
    let per_packet = match vnet.gso {
        Gso::UdpFragmentation => packet.headers_len + (gso_size & !7),
        _ => packet.headers_len + extent.header_len + gso_size,
    };
    Ok(len32(per_packet.min(packet.len)))
}

#[cfg(test)]
mod tests;
