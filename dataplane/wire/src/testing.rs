//! What do the tests of this crate share? A seeded generator, packets built by etherparse, and etherparse as the witness of
//! every length and checksum.

use crate::frame::FrameBuf;
use crate::headers::{Body, IpHeaders};
use crate::mac::MacAddr;
use crate::parse::parse;
use crate::vnet::{Gso, VnetFlags, VnetHeader};
use etherparse::{
    IpFragOffset, IpNumber, Ipv4Extensions, Ipv4Header, Ipv6Extensions, Ipv6FlowLabel, Ipv6Header,
    NetHeaders, PacketBuilder, PacketHeaders, TcpHeader, TransportHeader,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// SplitMix64: the same numbers from the same seed.
pub(crate) struct Rng(u64);

/// What a [`Spec`] carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tcp,
    Udp,
    /// An echo request; its identifier is the source port.
    Echo,
}

/// A packet by its values.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) src_mac: MacAddr,
    pub(crate) dst_mac: MacAddr,
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) kind: Kind,
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) tcp: TcpHeader,
    pub(crate) identification: u16,
    pub(crate) dont_fragment: bool,
    pub(crate) payload: Vec<u8>,
}

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    pub(crate) fn u8(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    pub(crate) fn flip(&mut self) -> bool {
        self.next() & 1 == 1
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.u8()).collect()
    }

    pub(crate) fn mac(&mut self) -> MacAddr {
        let mut mac: [u8; 6] = self.bytes(6).try_into().unwrap();
        mac[0] &= !1;
        MacAddr(mac)
    }

    /// A unicast address.
    pub(crate) fn address(&mut self, is_ipv6: bool) -> IpAddr {
        if is_ipv6 {
            let mut octets: [u8; 16] = self.bytes(16).try_into().unwrap();
            octets[0] = 0x20;
            IpAddr::V6(Ipv6Addr::from(octets))
        } else {
            IpAddr::V4(Ipv4Addr::new(10, self.u8(), self.u8(), self.u8()))
        }
    }

    pub(crate) fn kind(&mut self) -> Kind {
        [Kind::Tcp, Kind::Udp, Kind::Echo][self.below(3)]
    }

    pub(crate) fn spec(&mut self, is_ipv6: bool, kind: Kind, payload_len: usize) -> Spec {
        Spec {
            src_mac: self.mac(),
            dst_mac: self.mac(),
            src: self.address(is_ipv6),
            dst: self.address(is_ipv6),
            ttl: self.u8(),
            kind,
            src_port: self.u16(),
            dst_port: self.u16(),
            tcp: TcpHeader { ack: true, ..TcpHeader::new(0, 0, 7, self.u16()) },
            identification: self.u16(),
            dont_fragment: true,
            payload: self.bytes(payload_len),
        }
    }
}

impl Spec {
    /// The frame without a virtio header, as etherparse writes it.
    pub(crate) fn ethernet(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        let ip = match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let mut header =
                    Ipv4Header::new(0, self.ttl, IpNumber::TCP, src.octets(), dst.octets()).unwrap();
                header.identification = self.identification;
                header.dont_fragment = self.dont_fragment;
                header.fragment_offset = IpFragOffset::ZERO;
                etherparse::IpHeaders::Ipv4(header, Ipv4Extensions::default())
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let header = Ipv6Header {
                    flow_label: Ipv6FlowLabel::try_new(0x1_2345).unwrap(),
                    hop_limit: self.ttl,
                    source: src.octets(),
                    destination: dst.octets(),
                    ..Ipv6Header::default()
                };
                etherparse::IpHeaders::Ipv6(header, Ipv6Extensions::default())
            }
            _ => panic!("one family"),
        };
        let builder = PacketBuilder::ethernet2(self.src_mac.0, self.dst_mac.0).ip(ip);
        match self.kind {
            Kind::Tcp => {
                let mut tcp = self.tcp.clone();
                tcp.source_port = self.src_port;
                tcp.destination_port = self.dst_port;
                builder.tcp_header(tcp).write(&mut frame, &self.payload).unwrap();
            }
            Kind::Udp => builder.udp(self.src_port, self.dst_port).write(&mut frame, &self.payload).unwrap(),
            Kind::Echo if self.src.is_ipv6() => {
                builder.icmpv6_echo_request(self.src_port, 9).write(&mut frame, &self.payload).unwrap();
            }
            Kind::Echo => {
                builder.icmpv4_echo_request(self.src_port, 9).write(&mut frame, &self.payload).unwrap();
            }
        }
        frame
    }

    /// The frame with a complete checksum.
    pub(crate) fn frame(&self) -> FrameBuf {
        FrameBuf::from_ethernet(&self.ethernet())
    }

    /// The frame with a partial checksum, as a kernel hands it to a device that computes checksums.
    pub(crate) fn partial(&self) -> FrameBuf {
        partial(&self.ethernet())
    }

    /// The frame as a superframe.
    pub(crate) fn superframe(&self, gso: Gso, gso_size: u16) -> FrameBuf {
        let mut frame = self.partial();
        let vnet = VnetHeader { gso, gso_size, hdr_len: 54, ..frame.vnet() };
        frame.as_mut().set_vnet(&vnet);
        frame
    }
}

/// The IP headers of a frame that must parse.
pub(crate) fn ip(frame: &FrameBuf) -> IpHeaders {
    match parse(frame.bytes()).unwrap().body {
        Body::Ip(ip) => ip,
        Body::Arp(arp) => panic!("not an IP packet: {arp:?}"),
    }
}

/// RFC 1071, word by word.
pub(crate) fn slow_sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        if sum > 0xffff {
            sum -= 0xffff;
        }
    }
    u16::try_from(sum).unwrap()
}

/// Replaces the complete TCP or UDP checksum of an unfragmented packet without options by its pseudo header's sum.
pub(crate) fn partial(ethernet: &[u8]) -> FrameBuf {
    let mut ethernet = ethernet.to_vec();
    let is_ipv6 = ethernet[12] == 0x86;
    let (start, protocol, addresses) =
        if is_ipv6 { (54, ethernet[20], &ethernet[22..54]) } else { (34, ethernet[23], &ethernet[26..34]) };
    let csum_offset: u16 = if protocol == 6 { 16 } else { 6 };
    let length = u32::try_from(ethernet.len() - start).unwrap().to_be_bytes();
    let pseudo = [addresses, &length[..], &[0, protocol][..]].concat();
    let field = start + usize::from(csum_offset);
    ethernet[field..field + 2].copy_from_slice(&slow_sum(&pseudo).to_be_bytes());
    let vnet = VnetHeader {
        flags: VnetFlags(VnetFlags::NEEDS_CSUM),
        csum_start: u16::try_from(start).unwrap(),
        csum_offset,
        ..VnetHeader::default()
    };
    FrameBuf::with_vnet(&vnet, &ethernet)
}

/// Writes the right IPv4 header checksum into a frame whose header a test has changed.
pub(crate) fn fix_ipv4_checksum(ethernet: &mut [u8]) {
    let end = 14 + usize::from(ethernet[14] & 0xf) * 4;
    ethernet[24..26].fill(0);
    let checksum = !slow_sum(&ethernet[14..end]);
    ethernet[24..26].copy_from_slice(&checksum.to_be_bytes());
}

/// The frame with flow label 0, where it is IPv6.
pub(crate) fn without_flow_label(mut ethernet: Vec<u8>) -> Vec<u8> {
    if ethernet[12] == 0x86 {
        ethernet[15] &= 0xf0;
        ethernet[16..18].fill(0);
    }
    ethernet
}

/// Inserts IPv6 extension headers behind the fixed header: (kind, bytes, the first of which is overwritten).
pub(crate) fn with_extensions(ethernet: &[u8], extensions: &[(u8, &[u8])]) -> Vec<u8> {
    let mut with = ethernet[..54].to_vec();
    let mut next_field = 20;
    for (kind, bytes) in extensions {
        let at = with.len();
        with.extend_from_slice(bytes);
        with[at] = with[next_field];
        with[next_field] = *kind;
        next_field = at;
    }
    let added = u16::try_from(with.len() - 54).unwrap();
    with.extend_from_slice(&ethernet[54..]);
    let payload = u16::from_be_bytes([with[18], with[19]]) + added;
    with[18..20].copy_from_slice(&payload.to_be_bytes());
    with
}

/// Inserts IPv4 options (a multiple of four bytes) behind the fixed header.
pub(crate) fn with_options(ethernet: &[u8], options: &[u8]) -> Vec<u8> {
    let mut with = [&ethernet[..34], options, &ethernet[34..]].concat();
    with[14] += u8::try_from(options.len() / 4).unwrap();
    let total = u16::try_from(with.len() - 14).unwrap();
    with[16..18].copy_from_slice(&total.to_be_bytes());
    fix_ipv4_checksum(&mut with);
    with
}

/// Lets etherparse read a whole packet and compute each of its checksums anew.
pub(crate) fn assert_sound(ethernet: &[u8]) {
    let packet = PacketHeaders::from_ethernet_slice(ethernet).unwrap();
    let payload = packet.payload.slice();
    match (packet.net.unwrap(), packet.transport.unwrap()) {
        (NetHeaders::Ipv4(ip, _), transport) => {
            assert_eq!(ip.header_checksum, ip.calc_header_checksum(), "IPv4 header");
            match transport {
                TransportHeader::Tcp(tcp) => {
                    assert_eq!(tcp.checksum, tcp.calc_checksum_ipv4(&ip, payload).unwrap(), "TCP");
                }
                TransportHeader::Udp(udp) => {
                    assert_eq!(udp.checksum, udp.calc_checksum_ipv4(&ip, payload).unwrap(), "UDP");
                }
                TransportHeader::Icmpv4(icmp) => {
                    assert_eq!(icmp.checksum, icmp.icmp_type.calc_checksum(payload), "ICMP");
                }
                other => panic!("{other:?} over IPv4"),
            }
        }
        (NetHeaders::Ipv6(ip, _), transport) => match transport {
            TransportHeader::Tcp(tcp) => {
                assert_eq!(tcp.checksum, tcp.calc_checksum_ipv6(&ip, payload).unwrap(), "TCP");
            }
            TransportHeader::Udp(udp) => {
                assert_eq!(udp.checksum, udp.calc_checksum_ipv6(&ip, payload).unwrap(), "UDP");
            }
            TransportHeader::Icmpv6(icmp) => {
                let expected = icmp.icmp_type.calc_checksum(ip.source, ip.destination, payload).unwrap();
                assert_eq!(icmp.checksum, expected, "ICMPv6");
            }
            other => panic!("{other:?} over IPv6"),
        },
        (other, _) => panic!("{other:?}"),
    }
}
