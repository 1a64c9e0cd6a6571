//! How does a network tell the sender of a TCP segment that its connection does not exist?
//!
//! The reset of RFC 9293, sections 3.5.2 and 3.10.7.1, which the sender takes for its peer's: it comes from the address and
//! port the segment went to, with the sequence number the sender expects next.

use crate::build::{TTL, ether_type, ethernet, push_ip};
use crate::bytes::len32;
use crate::checksum::{TCP_FIELD, pseudo_header, write_transport};
use crate::frame::FrameBuf;
use crate::headers::{Body, IpHeaders, Protocol, TcpFlags, TcpHeader, Transport};
use crate::icmp_error::{is_group, is_host};
use crate::mac::MacAddr;
use crate::parse::{TCP_LEN, parse};

/// The reset that answers the frame `original` (virtio header first), addressed from its destination to its source.
///
/// To a segment with ACK: its acknowledgment number as sequence number, nothing acknowledged. To any other: sequence number
/// 0, and everything acknowledged that the segment takes up of the sequence space (its payload, SYN and FIN; of a superframe,
/// all of it). `None` for what is no TCP segment, is itself a reset (RFC 9293: no reset about a reset), is a later fragment, or
/// a first fragment without ACK, whose length is unknown; and for one to or from a multicast or broadcast address or MAC (RFC
/// 1122, section 4.2.3.10).
pub fn tcp_reset(src_mac: MacAddr, dst_mac: MacAddr, original: &[u8]) -> Option<FrameBuf> {
    let headers = parse(original).ok()?;
    let Body::Ip(ip) = headers.body else { return None };
    let Transport::Tcp(tcp) = ip.transport else { return None };
    if headers.dst_mac.is_multicast() || is_group(ip.dst) || !is_host(ip.src) {
        return None;
    }
    let segment = reset(&ip, &tcp)?;
    let mut frame = ethernet(dst_mac, src_mac, ether_type(ip.src));
    push_ip(&mut frame, ip.dst, ip.src, Protocol::TCP, TTL, 0, true, segment.len());
    let at = frame.len();
    frame.extend_from_slice(&segment);
    let pseudo = pseudo_header(ip.dst, ip.src, Protocol::TCP, len32(segment.len()));
    write_transport(&mut frame, at, TCP_FIELD, pseudo);
    Some(FrameBuf::from_ethernet(&frame))
}

/// The segment without its checksum.
fn reset(ip: &IpHeaders, tcp: &TcpHeader) -> Option<[u8; TCP_LEN]> {
    const WORDS: u8 = 5;
    let (sequence, acknowledgment, flags) = if tcp.flags.rst() {
        return None;
    } else if tcp.flags.ack() {
        (tcp.acknowledgment, 0, TcpFlags::RST)
    } else if ip.fragment.is_some() {
        return None;
    } else {
        let length = ip.payload_len + u32::from(tcp.flags.syn()) + u32::from(tcp.flags.fin());
        (0, tcp.sequence.wrapping_add(length), TcpFlags::RST | TcpFlags::ACK)
    };
    let [a, b] = tcp.dst_port.to_be_bytes();
    let [c, d] = tcp.src_port.to_be_bytes();
    let [e, f, g, h] = sequence.to_be_bytes();
    let [i, j, k, l] = acknowledgment.to_be_bytes();
    Some([a, b, c, d, e, f, g, h, i, j, k, l, WORDS << 4, flags, 0, 0, 0, 0, 0, 0])
}

#[cfg(test)]
mod tests;
