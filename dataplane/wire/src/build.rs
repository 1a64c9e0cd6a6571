//! What does a network answer in its own name?
//!
//! ARP and neighbor discovery, echo replies, router advertisements: complete frames with empty virtio headers, from values
//! that others decided. ICMP errors, which quote someone else's packet, are in `icmp_error`.

use crate::bytes::{be16, len16, len32, put16};
use crate::checksum::{Delta, ICMP_FIELD, Sum, pseudo_header, write_ipv4, write_transport};
use crate::frame::{ETHERNET_LEN, FrameBuf, VNET_LEN};
use crate::headers::{Arp, Body, Headers, IcmpMessage, Protocol, Transport};
use crate::icmp::{
    ECHO_REPLY, ECHO_REPLY_V6, ECHO_REQUEST, ECHO_REQUEST_V6, NEIGHBOR_ADVERTISEMENT, NEIGHBOR_HOP_LIMIT,
    ROUTER_ADVERTISEMENT,
};
use crate::mac::MacAddr;
use crate::parse::{ARP, IPV4, IPV4_LEN, IPV6, IPV6_LEN};
use std::net::{IpAddr, Ipv6Addr};

/// The TTL and hop limit of packets the network originates (RFC 1700).
pub(crate) const TTL: u8 = 64;
/// A traffic class without its congestion bits, which speak of the packet they arrived on.
const DSCP: u8 = 0xfc;

/// What a router advertisement says (RFC 4861, section 4.2). Its current hop limit is 64, its reachable and retransmission
/// times are unspecified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RouterAdvertisement<'a> {
    /// Addresses are available by DHCPv6.
    pub managed: bool,
    /// Other configuration is available by DHCPv6.
    pub other: bool,
    /// How long the sender is a default router, in seconds; 0 when it is none.
    pub lifetime_secs: u16,
    /// Prefix information options, in order.
    pub prefixes: &'a [PrefixInformation],
    /// The MTU option, in bytes.
    pub mtu: Option<u32>,
}

/// A prefix information option (RFC 4861, section 4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrefixInformation {
    /// The prefix; bits behind `len` are zero.
    pub prefix: Ipv6Addr,
    /// Its length in bits, 0 to 128.
    pub len: u8,
    /// Addresses in it are neighbors.
    pub on_link: bool,
    /// Hosts form addresses in it by themselves (RFC 4862).
    pub autonomous: bool,
    /// How long it is on-link, in seconds; all ones is for ever.
    pub valid_secs: u32,
    /// How long addresses formed from it are preferred, in seconds; all ones is for ever.
    pub preferred_secs: u32,
}

/// The reply to `request` that says: its target address is at `mac`.
pub fn arp_reply(request: &Arp, mac: MacAddr) -> FrameBuf {
    const REPLY_FOR_IPV4_OVER_ETHERNET: [u8; 8] = [0, 1, 8, 0, 6, 4, 0, 2];
    let mut frame = ethernet(request.sender_mac, mac, ARP);
    frame.extend_from_slice(&REPLY_FOR_IPV4_OVER_ETHERNET);
    frame.extend_from_slice(&mac.0);
    frame.extend_from_slice(&request.target_ip.octets());
    frame.extend_from_slice(&request.sender_mac.0);
    frame.extend_from_slice(&request.sender_ip.octets());
    FrameBuf::from_ethernet(&frame)
}

/// The neighbor advertisement that says: `target` is at `src_mac` (RFC 4861, section 4.4).
#[expect(clippy::too_many_arguments, reason = "the fields of the message, each of them the caller's")]
pub fn neighbor_advertisement(
    src_mac: MacAddr,
    dst_mac: MacAddr,
    src_ip: Ipv6Addr,
    dst_ip: Ipv6Addr,
    target: Ipv6Addr,
    router: bool,
    solicited: bool,
    r#override: bool,
) -> FrameBuf {
    const TARGET_LINK_LAYER_ADDRESS: [u8; 2] = [2, 1];
    let flags = u8::from(router) << 7 | u8::from(solicited) << 6 | u8::from(r#override) << 5;
    let mut message = vec![NEIGHBOR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    message.extend_from_slice(&target.octets());
    message.extend_from_slice(&TARGET_LINK_LAYER_ADDRESS);
    message.extend_from_slice(&src_mac.0);
    icmp(src_mac, dst_mac, src_ip.into(), dst_ip.into(), NEIGHBOR_HOP_LIMIT, &message)
}

/// A router advertisement from the link-local address `src_ll` at `src_mac`.
pub fn router_advertisement(
    src_mac: MacAddr,
    dst_mac: MacAddr,
    src_ll: Ipv6Addr,
    dst: Ipv6Addr,
    advertisement: &RouterAdvertisement<'_>,
) -> FrameBuf {
    const SOURCE_LINK_LAYER_ADDRESS: [u8; 2] = [1, 1];
    const PREFIX_INFORMATION: [u8; 2] = [3, 4];
    const MTU: [u8; 4] = [5, 1, 0, 0];
    let flags = u8::from(advertisement.managed) << 7 | u8::from(advertisement.other) << 6;
    let mut message = vec![ROUTER_ADVERTISEMENT, 0, 0, 0, TTL, flags];
    message.extend_from_slice(&advertisement.lifetime_secs.to_be_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&SOURCE_LINK_LAYER_ADDRESS);
    message.extend_from_slice(&src_mac.0);
    if let Some(mtu) = advertisement.mtu {
        message.extend_from_slice(&MTU);
        message.extend_from_slice(&mtu.to_be_bytes());
    }
    for prefix in advertisement.prefixes {
        message.extend_from_slice(&PREFIX_INFORMATION);
        message.push(prefix.len);
        message.push(u8::from(prefix.on_link) << 7 | u8::from(prefix.autonomous) << 6);
        message.extend_from_slice(&prefix.valid_secs.to_be_bytes());
        message.extend_from_slice(&prefix.preferred_secs.to_be_bytes());
        message.extend_from_slice(&[0; 4]);
        message.extend_from_slice(&prefix.prefix.octets());
    }
    icmp(src_mac, dst_mac, src_ll.into(), dst.into(), NEIGHBOR_HOP_LIMIT, &message)
}

/// The reply to an echo request: addresses swapped, identifier, sequence and data kept. `frame` (virtio header first) is the
/// one `headers` were parsed from. The checksum follows by the difference, so that data damaged on the way does not come
/// back as good. `None` when the frame is no echo request, or only a fragment of one.
pub fn echo_reply(frame: &[u8], headers: &Headers) -> Option<FrameBuf> {
    let Body::Ip(ip) = headers.body else { return None };
    let Transport::Icmp(request) = ip.transport else { return None };
    let (asked, answered) =
        if ip.is_ipv6() { (ECHO_REQUEST_V6, ECHO_REPLY_V6) } else { (ECHO_REQUEST, ECHO_REPLY) };
    let IcmpMessage::Query { .. } = request.message else { return None };
    if request.icmp_type != asked || ip.fragment.is_some() {
        return None;
    }
    let start = VNET_LEN + usize::from(ip.transport_offset);
    let end = VNET_LEN + ETHERNET_LEN + usize::try_from(ip.packet_len).ok()?;
    let mut message = frame.get(start..end)?.to_vec();
    // The pseudo header of ICMPv6 sums to the same with its addresses swapped.
    let mut delta = Delta::new();
    delta.replace(&[asked, request.code], &[answered, 0]);
    let field = usize::from(ICMP_FIELD);
    let checksum = delta.apply(be16(&message, field)?);
    put16(&mut message, field, checksum);
    message.splice(..2, [answered, 0]);

    let mut reply = ethernet(headers.src_mac, headers.dst_mac, ether_type(ip.src));
    let protocol = ip.protocol;
    push_ip(&mut reply, ip.dst, ip.src, protocol, TTL, ip.dscp_ecn & DSCP, ip.dont_fragment, message.len());
    reply.extend_from_slice(&message);
    Some(FrameBuf::from_ethernet(&reply))
}

/// A packet with an ICMP or ICMPv6 message, by the family of the addresses; the message's checksum is computed here.
pub(crate) fn icmp(
    src_mac: MacAddr,
    dst_mac: MacAddr,
    src: IpAddr,
    dst: IpAddr,
    ttl: u8,
    message: &[u8],
) -> FrameBuf {
    let protocol = if src.is_ipv6() { Protocol::ICMPV6 } else { Protocol::ICMP };
    let mut frame = ethernet(dst_mac, src_mac, ether_type(src));
    push_ip(&mut frame, src, dst, protocol, ttl, 0, true, message.len());
    let at = frame.len();
    frame.extend_from_slice(message);
    let pseudo =
        if src.is_ipv6() { pseudo_header(src, dst, protocol, len32(message.len())) } else { Sum::new() };
    write_transport(&mut frame, at, ICMP_FIELD, pseudo);
    FrameBuf::from_ethernet(&frame)
}

pub(crate) fn ether_type(address: IpAddr) -> u16 {
    if address.is_ipv6() { IPV6 } else { IPV4 }
}

pub(crate) fn ethernet(dst_mac: MacAddr, src_mac: MacAddr, ether_type: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(128);
    frame.extend_from_slice(&dst_mac.0);
    frame.extend_from_slice(&src_mac.0);
    frame.extend_from_slice(&ether_type.to_be_bytes());
    frame
}

/// Appends an IP header without options; identification 0, which "don't fragment" makes harmless (RFC 6864).
#[expect(clippy::too_many_arguments, reason = "the fields of the header")]
pub(crate) fn push_ip(
    frame: &mut Vec<u8>,
    src: IpAddr,
    dst: IpAddr,
    protocol: Protocol,
    ttl: u8,
    traffic_class: u8,
    dont_fragment: bool,
    payload_len: usize,
) {
    let at = frame.len();
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            frame.extend_from_slice(&[0x45, traffic_class]);
            frame.extend_from_slice(&len16(IPV4_LEN + payload_len).to_be_bytes());
            frame.extend_from_slice(&[0, 0, u8::from(dont_fragment) << 6, 0, ttl, protocol.0, 0, 0]);
            frame.extend_from_slice(&src.octets());
            frame.extend_from_slice(&dst.octets());
            write_ipv4(frame, at, IPV4_LEN);
        }
        (src, dst) => {
            frame.extend_from_slice(&[0x60 | traffic_class >> 4, traffic_class << 4, 0, 0]);
            frame.extend_from_slice(&len16(payload_len).to_be_bytes());
            frame.extend_from_slice(&[protocol.0, ttl]);
            for address in [src, dst] {
                frame.extend_from_slice(&match address {
                    IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                    IpAddr::V6(address) => address.octets(),
                });
            }
            debug_assert_eq!(frame.len(), at + IPV6_LEN);
        }
    }
}

#[cfg(test)]
mod tests;
