//! What does a packet look like on the wire, and what does a frame say?
//!
//! Built and read with etherparse, which shares no code with the project's own parser. Reading checks every checksum.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{
    EtherType, Ethernet2Header, Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, IpNumber, Ipv4Header,
    Ipv6Header, NetHeaders, PacketBuilder, PacketHeaders, TcpHeader, TransportHeader, UdpHeader,
};
use vpclab_wire::{FrameBuf, MacAddr, VnetFlags, VnetHeader};

pub use crate::packet::TTL;
use crate::packet::{Body, ErrorKind, Packet, Piece, QuotedTransport};

/// A frame as its receiver sees it, checksums found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Ethernet source.
    pub src_mac: MacAddr,
    /// Ethernet destination.
    pub dst_mac: MacAddr,
    /// IP source.
    pub src: IpAddr,
    /// IP destination.
    pub dst: IpAddr,
    /// Protocol number.
    pub protocol: u8,
    /// Source and destination port; identifier twice for echo; 0 otherwise.
    pub ports: (u16, u16),
    /// ICMP type and code.
    pub icmp: Option<(u8, u8)>,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Addresses of the packet that an ICMP error quotes.
    pub quoted: Option<(IpAddr, IpAddr)>,
    /// Its ports; the identifier twice for a quoted echo.
    pub quoted_ports: Option<(u16, u16)>,
    /// The control bits of TCP: FIN 1, SYN 2, RST 4, ACK 16.
    pub tcp_flags: Option<u8>,
    /// The next hop's MTU, in an ICMP error that says so.
    pub mtu: Option<u32>,
    /// Bytes of the IP packet.
    pub packet_len: usize,
    /// Whether it is a piece of a larger datagram.
    pub fragmented: bool,
    /// What the transport header carries.
    pub payload: Vec<u8>,
}

/// The frame of `packet` without a virtio header, with `payload` behind its transport header (for errors: behind the
/// quoted one). IPv4 says "don't fragment".
pub fn ethernet(packet: &Packet, src_mac: MacAddr, dst_mac: MacAddr, payload: &[u8]) -> Vec<u8> {
    let transport = transport(packet, payload);
    let ether_type = if packet.is_ipv6() { EtherType::IPV6 } else { EtherType::IPV4 };
    let link = Ethernet2Header { source: src_mac.0, destination: dst_mac.0, ether_type };
    [&link.to_bytes()[..], &network(packet, &transport)].concat()
}

/// The frame of `packet` as a TAP hands it over, with an empty virtio header.
pub fn frame(packet: &Packet, src_mac: MacAddr, dst_mac: MacAddr, payload: &[u8]) -> Vec<u8> {
    FrameBuf::from_ethernet(&ethernet(packet, src_mac, dst_mac, payload)).into_bytes()
}

/// The same frame with its TCP or UDP checksum left for a device to compute.
pub fn with_partial_checksum(packet: &Packet, ethernet: &[u8]) -> FrameBuf {
    let start = if packet.is_ipv6() { 54 } else { 34 };
    let field: u16 = if packet.protocol() == 6 { 16 } else { 6 };
    let length = u32::try_from(ethernet.len() - start).unwrap();
    let pseudo =
        vpclab_wire::pseudo_header(packet.src, packet.dst, vpclab_wire::Protocol(packet.protocol()), length);
    let mut ethernet = ethernet.to_vec();
    let at = start + usize::from(field);
    ethernet[at..at + 2].copy_from_slice(&pseudo.fold().to_be_bytes());
    let vnet = VnetHeader {
        flags: VnetFlags(VnetFlags::NEEDS_CSUM),
        csum_start: u16::try_from(start).unwrap(),
        csum_offset: field,
        ..VnetHeader::default()
    };
    FrameBuf::with_vnet(&vnet, &ethernet)
}

/// An ARP request for `target` from a guest.
pub fn arp_request(src_mac: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    arp(src_mac, MacAddr::BROADCAST, 1, (src_mac, sender), (MacAddr([0; 6]), target))
}

/// An ARP reply that says `claim`, to whoever is at `dst_mac`.
pub fn arp_reply(
    src_mac: MacAddr,
    dst_mac: MacAddr,
    claim: Ipv4Addr,
    target: (MacAddr, Ipv4Addr),
) -> Vec<u8> {
    arp(src_mac, dst_mac, 2, (src_mac, claim), target)
}

/// A neighbour solicitation for `target`.
pub fn neighbor_solicitation(src_mac: MacAddr, src: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let last = target.octets();
    let group = Ipv6Addr::new(
        0xff02,
        0,
        0,
        0,
        0,
        1,
        0xff00 | u16::from(last[13]),
        u16::from_be_bytes([last[14], last[15]]),
    );
    let dst_mac = MacAddr([0x33, 0x33, 0xff, last[13], last[14], last[15]]);
    let body = [&target.octets()[..], &[1, 1], &src_mac.0].concat();
    neighbor_message(src_mac, dst_mac, src, group, 135, &body)
}

/// A router solicitation.
pub fn router_solicitation(src_mac: MacAddr, src: Ipv6Addr) -> Vec<u8> {
    let routers = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
    neighbor_message(src_mac, MacAddr([0x33, 0x33, 0, 0, 0, 2]), src, routers, 133, &[])
}

/// A frame of another EtherType.
pub fn other_ethertype(src_mac: MacAddr, dst_mac: MacAddr, ether_type: u16) -> Vec<u8> {
    let link =
        Ethernet2Header { source: src_mac.0, destination: dst_mac.0, ether_type: EtherType(ether_type) };
    FrameBuf::from_ethernet(&[&link.to_bytes()[..], &[0; 46]].concat()).into_bytes()
}

/// What an ARP reply in `frame` says: which address is at which hardware address.
pub fn arp_answer(frame: &[u8]) -> Option<(Ipv4Addr, MacAddr)> {
    let ethernet = frame.get(12..)?;
    let is_reply = ethernet.get(12..14)? == [8, 6] && ethernet.get(20..22)? == [0, 2];
    let mac: [u8; 6] = ethernet.get(22..28)?.try_into().ok()?;
    let address: [u8; 4] = ethernet.get(28..32)?.try_into().ok()?;
    is_reply.then_some((address.into(), MacAddr(mac)))
}

/// Reads a frame with its virtio header; `None` for what is not IP.
pub fn read(frame: &[u8]) -> Option<Seen> {
    let ethernet = &frame[vpclab_wire::VNET_LEN..];
    if !matches!(ethernet.get(12..14)?, [0x08, 0x00] | [0x86, 0xdd]) {
        return None;
    }
    let packet = PacketHeaders::from_ethernet_slice(ethernet).unwrap();
    let Some(etherparse::LinkHeader::Ethernet2(link)) = packet.link.clone() else { return None };
    let payload = packet.payload.slice().to_vec();
    let net = packet.net.as_ref()?;
    let starts = match net {
        NetHeaders::Ipv4(ip, _) => ip.is_fragmenting_payload() && ip.fragment_offset.value() == 0,
        NetHeaders::Ipv6(_, extensions) => {
            extensions.fragment.as_ref().is_some_and(|fragment| fragment.fragment_offset.value() == 0)
        }
        NetHeaders::Arp(_) => false,
    };
    let (src, dst, protocol, ttl, packet_len, fragmented) = match net {
        NetHeaders::Ipv4(ip, _) => {
            assert_eq!(ip.header_checksum, ip.calc_header_checksum(), "IPv4 checksum");
            let addresses = (IpAddr::from(ip.source), IpAddr::from(ip.destination));
            let length = usize::from(ip.total_len);
            (addresses.0, addresses.1, ip.protocol.0, ip.time_to_live, length, ip.is_fragmenting_payload())
        }
        NetHeaders::Ipv6(ip, extensions) => {
            let addresses = (IpAddr::from(ip.source), IpAddr::from(ip.destination));
            let inner =
                extensions.fragment.as_ref().map_or(ip.next_header.0, |fragment| fragment.next_header.0);
            let protocol = packet.transport.as_ref().map_or(inner, protocol_of);
            let length = 40 + usize::from(ip.payload_length);
            let fragmented = extensions.fragment.is_some();
            (addresses.0, addresses.1, protocol, ip.hop_limit, length, fragmented)
        }
        NetHeaders::Arp(_) => return None,
    };
    if !fragmented {
        check_transport(&packet, &payload);
    }
    let (mut ports, mut icmp, mut quoted, mut mtu) = ((0, 0), None, None, None);
    let (mut quoted_ports, mut tcp_flags) = (None, None);
    match &packet.transport {
        Some(TransportHeader::Tcp(tcp)) => {
            ports = (tcp.source_port, tcp.destination_port);
            tcp_flags = tcp.to_bytes().get(13).copied();
        }
        Some(TransportHeader::Udp(udp)) => ports = (udp.source_port, udp.destination_port),
        Some(TransportHeader::Icmpv4(header)) => {
            let bytes = header.to_bytes();
            icmp = Some((bytes[0], bytes[1]));
            match bytes[0] {
                0 | 8 => {
                    ports = identifier_twice(&bytes);
                }
                3 | 11 => {
                    mtu = (bytes[..2] == [3, 4]).then(|| u16::from_be_bytes([bytes[6], bytes[7]]).into());
                    quoted = Some((
                        <[u8; 4]>::try_from(&payload[12..16]).unwrap().into(),
                        <[u8; 4]>::try_from(&payload[16..20]).unwrap().into(),
                    ));
                    quoted_ports = ports_of(payload[9], &payload[20..]);
                }
                _ => {}
            }
        }
        Some(TransportHeader::Icmpv6(header)) => {
            let bytes = header.to_bytes();
            icmp = Some((bytes[0], bytes[1]));
            match bytes[0] {
                128 | 129 => {
                    ports = identifier_twice(&bytes);
                }
                1..=4 => {
                    mtu =
                        (bytes[0] == 2).then(|| u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]));
                    quoted = Some((
                        <[u8; 16]>::try_from(&payload[8..24]).unwrap().into(),
                        <[u8; 16]>::try_from(&payload[24..40]).unwrap().into(),
                    ));
                    quoted_ports = match (payload[6], &payload[40..]) {
                        // A fragment header; only the first piece has a transport header after it.
                        (44, [protocol, _, offset, low, _, _, _, _, rest @ ..]) => {
                            (*offset == 0 && *low < 8).then(|| ports_of(*protocol, rest)).flatten()
                        }
                        (protocol, rest) => ports_of(protocol, rest),
                    };
                }
                _ => {}
            }
        }
        None if starts => ports = ports_of(protocol, &payload).unwrap_or_default(),
        Some(TransportHeader::Igmp(_)) | None => {}
    }
    Some(Seen {
        src_mac: MacAddr(link.source),
        dst_mac: MacAddr(link.destination),
        src,
        dst,
        protocol,
        ports,
        icmp,
        ttl,
        quoted,
        quoted_ports,
        tcp_flags,
        mtu,
        packet_len,
        fragmented,
        payload,
    })
}

/// The ports of a quoted transport header of `protocol`; the identifier twice for echo.
fn ports_of(protocol: u8, transport: &[u8]) -> Option<(u16, u16)> {
    let word = |at: usize| Some(u16::from_be_bytes([*transport.get(at)?, *transport.get(at + 1)?]));
    match protocol {
        6 | 17 => Some((word(0)?, word(2)?)),
        1 | 58 => Some((word(4)?, word(4)?)),
        _ => None,
    }
}

fn identifier_twice(icmp: &[u8]) -> (u16, u16) {
    let identifier = u16::from_be_bytes([icmp[4], icmp[5]]);
    (identifier, identifier)
}

fn protocol_of(transport: &TransportHeader) -> u8 {
    match transport {
        TransportHeader::Tcp(_) => 6,
        TransportHeader::Udp(_) => 17,
        TransportHeader::Icmpv4(_) => 1,
        TransportHeader::Icmpv6(_) => 58,
        TransportHeader::Igmp(_) => 2,
    }
}

/// Computes each transport checksum anew.
fn check_transport(packet: &PacketHeaders<'_>, payload: &[u8]) {
    let (written, right) = match (packet.net.as_ref(), packet.transport.as_ref()) {
        (Some(NetHeaders::Ipv4(ip, _)), Some(transport)) => match transport {
            TransportHeader::Tcp(tcp) => (tcp.checksum, tcp.calc_checksum_ipv4(ip, payload).unwrap()),
            TransportHeader::Udp(udp) => (udp.checksum, udp.calc_checksum_ipv4(ip, payload).unwrap()),
            TransportHeader::Icmpv4(icmp) => (icmp.checksum, icmp.icmp_type.calc_checksum(payload)),
            TransportHeader::Icmpv6(_) | TransportHeader::Igmp(_) => return,
        },
        (Some(NetHeaders::Ipv6(ip, _)), Some(transport)) => match transport {
            TransportHeader::Tcp(tcp) => (tcp.checksum, tcp.calc_checksum_ipv6(ip, payload).unwrap()),
            TransportHeader::Udp(udp) => (udp.checksum, udp.calc_checksum_ipv6(ip, payload).unwrap()),
            TransportHeader::Icmpv6(icmp) => {
                let right = icmp.icmp_type.calc_checksum(ip.source, ip.destination, payload).unwrap();
                (icmp.checksum, right)
            }
            TransportHeader::Icmpv4(_) | TransportHeader::Igmp(_) => return,
        },
        _ => return,
    };
    assert_eq!(written, right, "transport checksum of {packet:?}");
}

/// The IP packet of `packet` with this transport header and payload, or the piece of it that is meant.
fn network(packet: &Packet, transport: &[u8]) -> Vec<u8> {
    let first = Piece::FIRST_LEN.min(transport.len());
    let (identification, more, bytes) = match packet.piece {
        Piece::Whole => {
            let header = ip(packet.src, packet.dst, packet.protocol(), transport.len());
            return [set(packet, header), transport.to_vec()].concat();
        }
        Piece::First(identification) => (identification, true, &transport[..first]),
        Piece::Later(identification) => (identification, false, &transport[first..]),
    };
    let offset = if more { 0 } else { u16::try_from(Piece::FIRST_LEN / 8).unwrap() };
    if packet.is_ipv6() {
        let offset = etherparse::IpFragOffset::try_new(offset).unwrap();
        let fragment = etherparse::Ipv6FragmentHeader::new(
            IpNumber(packet.protocol()),
            offset,
            more,
            identification.into(),
        );
        let header = ip(packet.src, packet.dst, 44, 8 + bytes.len());
        return [set(packet, header), fragment.to_bytes().to_vec(), bytes.to_vec()].concat();
    }
    let mut header = ip(packet.src, packet.dst, packet.protocol(), bytes.len());
    header[4..6].copy_from_slice(&identification.to_be_bytes());
    header[6..8].copy_from_slice(&(u16::from(more) << 13 | offset).to_be_bytes());
    [set(packet, header), bytes.to_vec()].concat()
}

/// The IP header with the packet's TTL, and with "don't fragment" taken off where it may be cut.
fn set(packet: &Packet, mut header: Vec<u8>) -> Vec<u8> {
    if packet.is_ipv6() {
        header[7] = packet.ttl;
        return header;
    }
    header[8] = packet.ttl;
    if packet.may_be_cut {
        header[6] &= !0x40;
    }
    header[10..12].fill(0);
    let checksum = vpclab_wire::Sum::new().bytes(&header).checksum();
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

/// An IP header in front of `length` bytes.
fn ip(src: IpAddr, dst: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let length = u16::try_from(length).unwrap();
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let mut header =
                Ipv4Header::new(length, TTL, IpNumber(protocol), src.octets(), dst.octets()).unwrap();
            header.dont_fragment = true;
            header.header_checksum = header.calc_header_checksum();
            header.to_bytes().to_vec()
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let header = Ipv6Header {
                payload_length: length,
                next_header: IpNumber(protocol),
                hop_limit: TTL,
                source: src.octets(),
                destination: dst.octets(),
                ..Ipv6Header::default()
            };
            header.to_bytes().to_vec()
        }
        _ => panic!("{src} and {dst} are of two families"),
    }
}

/// The transport header with a right checksum, and `payload`.
fn transport(packet: &Packet, payload: &[u8]) -> Vec<u8> {
    match packet.body {
        Body::Tcp { src, dst, flags } => {
            let mut header = TcpHeader::new(src, dst, 1000, 65_000);
            (header.fin, header.syn, header.rst, header.ack) = {
                let bits = flags.bits();
                (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0, bits & 16 != 0)
            };
            header.checksum = match (packet.src, packet.dst) {
                (IpAddr::V4(src), IpAddr::V4(dst)) => {
                    header.calc_checksum_ipv4_raw(src.octets(), dst.octets(), payload).unwrap()
                }
                (IpAddr::V6(src), IpAddr::V6(dst)) => {
                    header.calc_checksum_ipv6_raw(src.octets(), dst.octets(), payload).unwrap()
                }
                _ => panic!("two families"),
            };
            [&header.to_bytes()[..], payload].concat()
        }
        Body::Udp { src, dst } => {
            let header = match (packet.src, packet.dst) {
                (IpAddr::V4(source), IpAddr::V4(destination)) => {
                    let ip = Ipv4Header::new(0, TTL, IpNumber::UDP, source.octets(), destination.octets())
                        .unwrap();
                    UdpHeader::with_ipv4_checksum(src, dst, &ip, payload).unwrap()
                }
                (IpAddr::V6(source), IpAddr::V6(destination)) => {
                    let ip = Ipv6Header {
                        source: source.octets(),
                        destination: destination.octets(),
                        ..Ipv6Header::default()
                    };
                    UdpHeader::with_ipv6_checksum(src, dst, &ip, payload).unwrap()
                }
                _ => panic!("two families"),
            };
            [&header.to_bytes()[..], payload].concat()
        }
        Body::Echo { id, .. } => icmp(packet, [id.to_be_bytes(), [0, 1]].concat(), payload),
        Body::Error { kind, about } => {
            let ports = |src: u16, dst: u16| [src.to_be_bytes(), dst.to_be_bytes(), [0, 8], [0, 0]].concat();
            let (protocol, quoted) = match about.transport {
                QuotedTransport::Tcp(src, dst) => (6, ports(src, dst)),
                QuotedTransport::Udp(src, dst) => (17, ports(src, dst)),
                QuotedTransport::Echo { id, reply } => {
                    let asked = Packet::of(about.src, about.dst, Body::Echo { id, reply });
                    (asked.protocol(), transport(&asked, &[]))
                }
                QuotedTransport::Other(number) => (number, Vec::new()),
            };
            // What follows the header belongs to the packet that is quoted: translators cut a quote to its length.
            let length = quoted.len() + payload.len();
            let quoted = [&ip(about.src, about.dst, protocol, length)[..], &quoted, payload].concat();
            let rest = match (kind, packet.is_ipv6()) {
                (ErrorKind::TooBig, false) => vec![0, 0, 5, 0],
                (ErrorKind::TooBig, true) => vec![0, 0, 5, 0],
                _ => vec![0; 4],
            };
            icmp(packet, rest, &quoted)
        }
        Body::Other(_) => payload.to_vec(),
    }
}

fn icmp(packet: &Packet, rest: Vec<u8>, payload: &[u8]) -> Vec<u8> {
    let (kind, code) = packet.icmp().unwrap();
    let rest: [u8; 4] = rest.try_into().unwrap();
    match (packet.src, packet.dst) {
        (IpAddr::V4(_), _) => {
            let kind = Icmpv4Type::Unknown { type_u8: kind, code_u8: code, bytes5to8: rest };
            [&Icmpv4Header::with_checksum(kind, payload).to_bytes()[..], payload].concat()
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let kind = Icmpv6Type::Unknown { type_u8: kind, code_u8: code, bytes5to8: rest };
            let header = Icmpv6Header::with_checksum(kind, src.octets(), dst.octets(), payload).unwrap();
            [&header.to_bytes()[..], payload].concat()
        }
        _ => panic!("two families"),
    }
}

fn neighbor_message(
    src_mac: MacAddr,
    dst_mac: MacAddr,
    src: Ipv6Addr,
    dst: Ipv6Addr,
    kind: u8,
    body: &[u8],
) -> Vec<u8> {
    /// RFC 4861: anything less has come from beyond the link.
    const HOP_LIMIT: u8 = 255;
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(src_mac.0, dst_mac.0)
        .ipv6(src.octets(), dst.octets(), HOP_LIMIT)
        .icmpv6(Icmpv6Type::Unknown { type_u8: kind, code_u8: 0, bytes5to8: [0; 4] })
        .write(&mut frame, body)
        .unwrap();
    FrameBuf::from_ethernet(&frame).into_bytes()
}

fn arp(
    src_mac: MacAddr,
    dst_mac: MacAddr,
    operation: u8,
    sender: (MacAddr, Ipv4Addr),
    target: (MacAddr, Ipv4Addr),
) -> Vec<u8> {
    let link = Ethernet2Header { source: src_mac.0, destination: dst_mac.0, ether_type: EtherType::ARP };
    let body = [
        &[0, 1, 8, 0, 6, 4, 0, operation][..],
        &sender.0.0,
        &sender.1.octets(),
        &target.0.0,
        &target.1.octets(),
    ]
    .concat();
    FrameBuf::from_ethernet(&[&link.to_bytes()[..], &body].concat()).into_bytes()
}
