//! Which packets does a superframe become on a wire without offload?
//!
//! For devices and stacks that take no superframes and compute no checksums. What the kernel does in
//! `tcp_gso_segment` and `udp_gso_segment`: headers are copied to each segment, and lengths, sequence numbers,
//! identifications and checksums follow.

use crate::bytes::{be16, len16, len32, put, put16};
use crate::checksum::{TCP_FIELD, UDP_FIELD, complete, pseudo_header, write_ipv4, write_transport};
use crate::fragment::fragments;
use crate::frame::{ETHERNET_LEN, FrameBuf};
use crate::headers::{Body, IpHeaders, TcpFlags, TcpHeader, Transport};
use crate::malformed::Malformed;
use crate::parse::{IPV6_LEN, parse};
use crate::vnet::{Gso, VnetHeader};

/// Cuts a frame (virtio header first) into frames with complete checksums and empty virtio headers. A frame that is no
/// superframe comes back as one, with its checksum completed.
///
/// FIN and PSH stay on the last TCP segment, CWR on the first; IPv4 identifications count up.
///
/// # Errors
/// As [`parse`].
pub fn segments(frame: &[u8]) -> Result<Vec<FrameBuf>, Malformed> {
    let headers = parse(frame)?;
    let mut whole = FrameBuf::from_bytes(frame.to_vec())?;
    let vnet = whole.vnet();
    match headers.body {
        Body::Ip(ip) if matches!(vnet.gso, Gso::TcpV4 | Gso::TcpV6 | Gso::UdpL4) => {
            Ok(cut(whole.ethernet(), &ip, usize::from(vnet.gso_size)))
        }
        Body::Ip(ip) if vnet.gso == Gso::UdpFragmentation => {
            whole.as_mut().set_vnet(&VnetHeader { gso: Gso::None, ..vnet });
            complete(&mut whole.as_mut());
            Ok(fragments(&whole, ip.largest_segment))
        }
        _ => {
            complete(&mut whole.as_mut());
            Ok(vec![whole])
        }
    }
}

fn cut(ethernet: &[u8], ip: &IpHeaders, segment_len: usize) -> Vec<FrameBuf> {
    let packet_end = ETHERNET_LEN + usize::try_from(ip.packet_len).unwrap_or(usize::MAX);
    let payload_len = usize::try_from(ip.payload_len).unwrap_or(usize::MAX);
    let packet = ethernet.get(..packet_end).unwrap_or(ethernet);
    let (headers, payload) = packet.split_at(packet.len().saturating_sub(payload_len));
    let count = payload.len().div_ceil(segment_len).max(1);
    let mut pieces = payload.chunks(segment_len);
    let mut done = 0;
    (0..count)
        .map(|index| {
            let piece = pieces.next().unwrap_or_default();
            let mut segment = [headers, piece].concat();
            set_lengths(&mut segment, ip, index);
            if let Transport::Tcp(tcp) = &ip.transport {
                set_tcp(&mut segment, ip, tcp, done, index == 0, index + 1 == count);
            }
            set_checksums(&mut segment, ip);
            done += len32(piece.len());
            FrameBuf::from_ethernet(&segment)
        })
        .collect()
}

fn set_lengths(segment: &mut [u8], ip: &IpHeaders, index: usize) {
    let packet_len = segment.len() - ETHERNET_LEN;
    if ip.is_ipv6() {
        put16(segment, ETHERNET_LEN + 4, len16(packet_len - IPV6_LEN));
    } else {
        put16(segment, ETHERNET_LEN + 2, len16(packet_len));
        let first = be16(segment, ETHERNET_LEN + 4).unwrap_or_default();
        put16(segment, ETHERNET_LEN + 4, first.wrapping_add(len16(index)));
    }
    if let Transport::Udp { .. } = ip.transport {
        let at = usize::from(ip.transport_offset);
        put16(segment, at + 4, len16(segment.len() - at));
    }
}

fn set_tcp(segment: &mut [u8], ip: &IpHeaders, tcp: &TcpHeader, done: u32, is_first: bool, is_last: bool) {
    let at = usize::from(ip.transport_offset);
    put(segment, at + 4, tcp.sequence.wrapping_add(done).to_be_bytes());
    let mut flags = tcp.flags.0;
    if !is_first {
        flags &= !TcpFlags::CWR;
    }
    if !is_last {
        flags &= !(TcpFlags::FIN | TcpFlags::PSH);
    }
    put(segment, at + 13, [flags]);
}

fn set_checksums(segment: &mut [u8], ip: &IpHeaders) {
    let at = usize::from(ip.transport_offset);
    if !ip.is_ipv6() {
        write_ipv4(segment, ETHERNET_LEN, at - ETHERNET_LEN);
    }
    let pseudo = pseudo_header(ip.src, ip.dst, ip.protocol, len32(segment.len() - at));
    let field = if let Transport::Tcp(_) = ip.transport { TCP_FIELD } else { UDP_FIELD };
    write_transport(segment, at, field, pseudo);
}

#[cfg(test)]
mod tests;
