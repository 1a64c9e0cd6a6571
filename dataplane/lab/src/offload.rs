//! What would a TAP make of these frames?
//!
//! A guest's kernel leaves checksums to the device and hands it superframes; smoltcp does neither. [`offloaded`] turns
//! what smoltcp sends into what a TAP with all offloads would read, so that the engine meets partial checksums and
//! superframes. [`is_right`] verifies checksums of both kinds on arrival, as nothing else would notice a wrong partial
//! one that segmentation computes anew.

use std::net::IpAddr;

use vpclab_wire::{
    Body, ETHERNET_LEN, FrameBuf, Gso, Headers, IpHeaders, Protocol, TcpFlags, TcpHeader, Transport,
    VnetFlags, VnetHeader, parse, pseudo_header,
};

/// Bytes from the start of a TCP header to its checksum.
const TCP_CHECKSUM: usize = 16;
/// Bytes from the start of a UDP header to its checksum.
const UDP_CHECKSUM: usize = 6;
/// Bytes from the start of an ICMP header to its checksum; the same for ICMPv6.
const ICMP_CHECKSUM: usize = 2;
/// The largest IP packet: a 16-bit length.
const LARGEST_PACKET: usize = 65_535;

/// Frames (plain Ethernet, complete checksums) as a TAP with offloads would read them: TCP and UDP with partial
/// checksums, consecutive segments of a TCP flow as one superframe.
pub(crate) fn offloaded(frames: Vec<Vec<u8>>) -> Vec<FrameBuf> {
    let mut out = Vec::with_capacity(frames.len());
    let mut run: Option<Run> = None;
    for ethernet in frames {
        let plain = FrameBuf::from_ethernet(&ethernet);
        let Some(segment) = parse(plain.bytes()).ok().and_then(|headers| Segment::of(&headers)) else {
            out.extend(run.take().map(Run::finish));
            out.push(partial(plain));
            continue;
        };
        match &mut run {
            Some(open) if open.takes(&segment, &ethernet) => open.push(&segment, &ethernet),
            _ => {
                out.extend(run.take().map(Run::finish));
                run = Some(Run::new(segment, ethernet));
            }
        }
    }
    out.extend(run.map(Run::finish));
    out
}

/// A TCP segment with payload and no flags that end a superframe's beginning.
#[derive(Clone, Copy)]
struct Segment {
    ip: IpHeaders,
    tcp: TcpHeader,
    /// Where the payload begins.
    payload: usize,
    /// Where it ends.
    end: usize,
}

/// Consecutive segments of a flow.
struct Run {
    first: Segment,
    bytes: Vec<u8>,
    segment_len: usize,
    next_sequence: u32,
    last_flags: TcpFlags,
    count: usize,
    closed: bool,
}

impl Segment {
    fn of(headers: &Headers) -> Option<Self> {
        let Body::Ip(ip) = headers.body else { return None };
        let Transport::Tcp(tcp) = ip.transport else { return None };
        let ordinary = tcp.flags.0 & !(TcpFlags::ACK | TcpFlags::PSH | TcpFlags::FIN) == 0;
        if !ordinary || ip.payload_len == 0 || ip.fragment.is_some() || ip.has_options {
            return None;
        }
        let payload = usize::from(ip.transport_offset) + usize::from(tcp.header_len);
        let end = payload + usize::try_from(ip.payload_len).ok()?;
        Some(Self { ip, tcp, payload, end })
    }

    fn len(&self) -> usize {
        self.end - self.payload
    }
}

impl Run {
    fn new(first: Segment, mut bytes: Vec<u8>) -> Self {
        bytes.truncate(first.end);
        let mut run = Self {
            segment_len: first.len(),
            next_sequence: first.tcp.sequence,
            last_flags: first.tcp.flags,
            count: 0,
            closed: false,
            first,
            bytes,
        };
        run.account(&first);
        run
    }

    /// Whether `segment` continues the run, so that cutting gives back what smoltcp sent.
    fn takes(&self, segment: &Segment, ethernet: &[u8]) -> bool {
        let at = usize::from(self.first.ip.transport_offset);
        let options = at + 20..self.first.payload;
        !self.closed
            && self.bytes[..ETHERNET_LEN] == ethernet[..ETHERNET_LEN]
            && segment.ip.src == self.first.ip.src
            && segment.ip.dst == self.first.ip.dst
            && segment.ip.ttl == self.first.ip.ttl
            && segment.ip.dscp_ecn == self.first.ip.dscp_ecn
            && segment.tcp.src_port == self.first.tcp.src_port
            && segment.tcp.dst_port == self.first.tcp.dst_port
            && segment.tcp.acknowledgment == self.first.tcp.acknowledgment
            && segment.tcp.window == self.first.tcp.window
            && segment.payload == self.first.payload
            && self.bytes[options.clone()] == ethernet[options]
            && segment.tcp.sequence == self.next_sequence
            && segment.len() <= self.segment_len
            && self.bytes.len() - ETHERNET_LEN + segment.len() <= LARGEST_PACKET
    }

    fn push(&mut self, segment: &Segment, ethernet: &[u8]) {
        self.bytes.extend_from_slice(&ethernet[segment.payload..segment.end]);
        self.account(segment);
    }

    fn account(&mut self, segment: &Segment) {
        let len = u32::try_from(segment.len()).unwrap_or(0);
        self.next_sequence = self.next_sequence.wrapping_add(len);
        self.last_flags = segment.tcp.flags;
        self.count += 1;
        let ends = segment.tcp.flags.0 & (TcpFlags::PSH | TcpFlags::FIN) != 0;
        self.closed = ends || segment.len() < self.segment_len;
    }

    fn finish(mut self) -> FrameBuf {
        if self.count == 1 {
            return partial(FrameBuf::from_ethernet(&self.bytes));
        }
        let at = usize::from(self.first.ip.transport_offset);
        self.bytes[at + 13] = self.last_flags.0;
        set_packet_len(&mut self.bytes, &self.first.ip);
        let mut frame = FrameBuf::from_ethernet(&self.bytes);
        let transport_len = self.bytes.len() - at;
        set_partial(&mut frame, &self.first.ip, TCP_CHECKSUM, transport_len);
        let gso = if self.first.ip.is_ipv6() { Gso::TcpV6 } else { Gso::TcpV4 };
        let vnet = frame.vnet();
        let gso_size = u16::try_from(self.segment_len).unwrap_or(u16::MAX);
        let hdr_len = u16::try_from(self.first.payload).unwrap_or(u16::MAX);
        frame.as_mut().set_vnet(&VnetHeader { gso, gso_size, hdr_len, ..vnet });
        frame
    }
}

/// The same frame with a partial checksum, where a kernel would leave it partial: whole TCP and UDP packets.
fn partial(mut frame: FrameBuf) -> FrameBuf {
    let Some((ip, field)) = parse(frame.bytes()).ok().and_then(|headers| checksum_field(&headers)) else {
        return frame;
    };
    if ip.fragment.is_none() && field != ICMP_CHECKSUM {
        let end = ETHERNET_LEN + usize::try_from(ip.packet_len).unwrap_or(0);
        let transport_len = end.saturating_sub(usize::from(ip.transport_offset));
        set_partial(&mut frame, &ip, field, transport_len);
    }
    frame
}

fn set_partial(frame: &mut FrameBuf, ip: &IpHeaders, field: usize, transport_len: usize) {
    let sum = pseudo_sum(ip.src, ip.dst, ip.protocol, transport_len);
    let at = usize::from(ip.transport_offset) + field;
    let mut view = frame.as_mut();
    view.ethernet_mut()[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    view.set_vnet(&VnetHeader {
        flags: VnetFlags(VnetFlags::NEEDS_CSUM),
        csum_start: ip.transport_offset,
        csum_offset: u16::try_from(field).unwrap_or(0),
        ..VnetHeader::default()
    });
}

/// Writes the length of an IP packet that has grown, and IPv4's header checksum.
fn set_packet_len(ethernet: &mut [u8], ip: &IpHeaders) {
    let packet = ethernet.len() - ETHERNET_LEN;
    let at = ETHERNET_LEN;
    if ip.is_ipv6() {
        let len = u16::try_from(packet - 40).unwrap_or(u16::MAX);
        ethernet[at + 4..at + 6].copy_from_slice(&len.to_be_bytes());
        return;
    }
    let len = u16::try_from(packet).unwrap_or(u16::MAX);
    ethernet[at + 2..at + 4].copy_from_slice(&len.to_be_bytes());
    ethernet[at + 10..at + 12].fill(0);
    let header = &ethernet[at..usize::from(ip.transport_offset)];
    let checksum = vpclab_wire::Sum::new().bytes(header).checksum();
    ethernet[at + 10..at + 12].copy_from_slice(&checksum.to_be_bytes());
}

fn pseudo_sum(src: IpAddr, dst: IpAddr, protocol: Protocol, transport_len: usize) -> u16 {
    pseudo_header(src, dst, protocol, u32::try_from(transport_len).unwrap_or(u32::MAX)).fold()
}

/// Where the transport checksum of a packet is, from the start of its transport header.
fn checksum_field(headers: &Headers) -> Option<(IpHeaders, usize)> {
    let Body::Ip(ip) = headers.body else { return None };
    match ip.transport {
        Transport::Tcp(_) => Some((ip, TCP_CHECKSUM)),
        Transport::Udp { .. } => Some((ip, UDP_CHECKSUM)),
        Transport::Icmp(_) => Some((ip, ICMP_CHECKSUM)),
        Transport::Other | Transport::LaterFragment => None,
    }
}

/// Whether the transport checksum of a frame is right; a partial one, whether it holds the pseudo header's sum. True
/// where there is nothing to verify: other protocols, fragments, UDP without a checksum over IPv4.
pub(crate) fn is_right(vnet: &VnetHeader, ethernet: &[u8], headers: &Headers) -> bool {
    let Some((ip, field)) = checksum_field(headers) else { return true };
    let start = usize::from(ip.transport_offset);
    let end = ETHERNET_LEN + usize::try_from(ip.packet_len).unwrap_or(0);
    let Some(covered) = ethernet.get(start..end).filter(|covered| field + 2 <= covered.len()) else {
        return false;
    };
    if ip.fragment.is_some() {
        return true;
    }
    let written = u16::from_be_bytes([covered[field], covered[field + 1]]);
    let pseudo = match ip.protocol {
        Protocol::ICMP => vpclab_wire::Sum::new(),
        protocol => pseudo_header(ip.src, ip.dst, protocol, u32::try_from(covered.len()).unwrap_or(u32::MAX)),
    };
    if vnet.needs_csum() {
        // One's complement has two zeros; both name the same sum.
        let expected = pseudo.fold();
        return written == expected || (written % 0xffff == 0 && expected % 0xffff == 0);
    }
    if ip.protocol == Protocol::UDP && written == 0 {
        return !ip.is_ipv6();
    }
    pseudo.bytes(covered).fold() == 0xffff
}

#[cfg(test)]
mod tests;
