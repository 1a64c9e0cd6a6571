use super::*;
use crate::frame::FrameBuf;
use crate::headers::{IcmpMessage, TcpFlags};
use crate::testing::{Kind, Rng, Spec, fix_ipv4_checksum, ip, with_options};
use crate::vnet::VnetFlags;

fn refused(ethernet: &[u8]) -> Option<Malformed> {
    parse(FrameBuf::from_ethernet(ethernet).bytes()).err()
}

/// `ethernet` with a change, and the IPv4 header checksum made right again.
fn changed(ethernet: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut ethernet = ethernet.to_vec();
    change(&mut ethernet);
    if ethernet[12] == 0x08 && ethernet.len() >= 34 && ethernet[14] & 0xf >= 5 {
        fix_ipv4_checksum(&mut ethernet);
    }
    ethernet
}

/// `ethernet`, an IPv6 packet, with extension headers behind the fixed header. The first byte of each is set here.
fn with_extensions(ethernet: &[u8], extensions: &[(Protocol, Vec<u8>)]) -> Vec<u8> {
    let mut with = ethernet[..54].to_vec();
    let mut link = 20;
    for (protocol, bytes) in extensions {
        let after = with[link];
        with[link] = protocol.0;
        link = with.len();
        with.extend_from_slice(bytes);
        with[link] = after;
    }
    with.extend_from_slice(&ethernet[54..]);
    let length = u16::try_from(with.len() - 54).unwrap();
    with[18..20].copy_from_slice(&length.to_be_bytes());
    with
}

fn fragment_header(offset: u16, more: bool) -> (Protocol, Vec<u8>) {
    let [high, low] = (offset | u16::from(more)).to_be_bytes();
    (Protocol::FRAGMENT, vec![0, 0, high, low, 0xde, 0xad, 0xbe, 0xef])
}

#[test]
fn every_field_of_a_built_packet_is_read() {
    let mut rng = Rng::new(60);
    for case in 0..5000 {
        let (is_ipv6, kind, payload_len) = (rng.flip(), rng.kind(), rng.below(100));
        let spec = rng.spec(is_ipv6, kind, payload_len);
        let frame = if kind != Kind::Echo && rng.flip() { spec.partial() } else { spec.frame() };
        let headers = parse(frame.bytes()).unwrap();
        assert_eq!((headers.src_mac, headers.dst_mac), (spec.src_mac, spec.dst_mac));
        let packet = ip(&frame);
        assert_eq!((packet.src, packet.dst, packet.ttl), (spec.src, spec.dst, spec.ttl), "case {case}");
        assert_eq!(packet.transport_offset, if is_ipv6 { 54 } else { 34 });
        assert_eq!(packet.packet_len, len32(frame.ethernet().len() - 14));
        assert_eq!(packet.largest_segment, packet.packet_len);
        assert_eq!(packet.payload_len, len32(payload_len));
        assert!(packet.dont_fragment && packet.fragment.is_none() && !packet.has_options);
        match (packet.transport, kind) {
            (Transport::Tcp(tcp), Kind::Tcp) => {
                assert_eq!((tcp.src_port, tcp.dst_port), (spec.src_port, spec.dst_port));
                assert_eq!((tcp.sequence, tcp.window), (7, spec.tcp.window_size));
                assert_eq!((tcp.flags, tcp.header_len), (TcpFlags(TcpFlags::ACK), 20));
            }
            (Transport::Udp { src_port, dst_port }, Kind::Udp) => {
                assert_eq!((src_port, dst_port), (spec.src_port, spec.dst_port));
            }
            (Transport::Icmp(icmp), Kind::Echo) => {
                assert_eq!(icmp.message, IcmpMessage::Query { identifier: spec.src_port, sequence: 9 });
            }
            other => panic!("case {case}: {other:?}"),
        }
    }
}

#[test]
fn padding_behind_a_short_packet_is_not_part_of_it() {
    let mut ethernet = Rng::new(61).spec(false, Kind::Udp, 1).ethernet();
    ethernet.resize(60, 0xee);
    let headers = ip(&FrameBuf::from_ethernet(&ethernet));
    assert_eq!((headers.packet_len, headers.payload_len), (29, 1));
}

#[test]
fn only_ipv4_ipv6_and_arp_are_carried() {
    let good = Rng::new(62).spec(false, Kind::Udp, 40).ethernet();
    for ether_type in [0x8100u16, 0x88a8, 0x88cc, 0x8847, 0x8848, 0x0026, 0x05dc, 0x8863, 0] {
        let frame = changed(&good, |bytes| bytes[12..14].copy_from_slice(&ether_type.to_be_bytes()));
        assert_eq!(refused(&frame), Some(Malformed::UnsupportedEtherType), "{ether_type:#06x}");
    }
}

#[test]
fn each_broken_ipv4_packet_has_its_reason() {
    let mut rng = Rng::new(63);
    let tcp = rng.spec(false, Kind::Tcp, 40).ethernet();
    let udp = rng.spec(false, Kind::Udp, 40).ethernet();
    let echo = rng.spec(false, Kind::Echo, 40).ethernet();
    type Change = fn(&mut Vec<u8>);
    let cases: &[(&str, &[u8], Change, Option<Malformed>)] = &[
        ("unchanged", &tcp, |_| {}, None),
        ("multicast source", &tcp, |b| b[6] |= 1, Some(Malformed::MulticastSource)),
        ("version 6", &tcp, |b| b[14] = 0x65, Some(Malformed::Ipv4Version)),
        ("header of 16 bytes", &tcp, |b| b[14] = 0x44, Some(Malformed::Ipv4HeaderLength)),
        ("cut in the header", &tcp, |b| b.truncate(33), Some(Malformed::Ipv4HeaderLength)),
        (
            "options past the end",
            &tcp,
            |b| {
                b[14] = 0x4f;
                b[17] = 60;
                b.truncate(74);
            },
            Some(Malformed::TruncatedTransport),
        ),
        (
            "total below header",
            &tcp,
            |b| b[16..18].copy_from_slice(&[0, 19]),
            Some(Malformed::Ipv4TotalLength),
        ),
        ("total of zero", &tcp, |b| b[16..18].copy_from_slice(&[0, 0]), Some(Malformed::Ipv4TotalLength)),
        ("total past the frame", &tcp, |b| b[17] += 1, Some(Malformed::Ipv4TotalLength)),
        ("cut TCP header", &tcp, |b| b[17] = 39, Some(Malformed::TruncatedTransport)),
        ("data offset 4", &tcp, |b| b[46] = 0x40, Some(Malformed::TcpDataOffset)),
        (
            "data offset past the end",
            &tcp,
            |b| {
                b[46] = 0xf0;
                b[17] = 70;
            },
            Some(Malformed::TcpDataOffset),
        ),
        ("cut UDP header", &udp, |b| b[17] = 27, Some(Malformed::TruncatedTransport)),
        ("UDP length 7", &udp, |b| b[39] = 7, Some(Malformed::UdpLength)),
        ("UDP length past the packet", &udp, |b| b[39] += 1, Some(Malformed::UdpLength)),
        ("UDP length short of the packet", &udp, |b| b[39] -= 1, None),
        ("cut ICMP header", &echo, |b| b[17] = 27, Some(Malformed::TruncatedTransport)),
        (
            "empty fragment",
            &udp,
            |b| {
                b[20] = 0x20;
                b[17] = 20;
            },
            Some(Malformed::EmptyFragment),
        ),
        (
            "unaligned fragment",
            &udp,
            |b| {
                b[20] = 0x20;
                b[17] -= 1;
            },
            Some(Malformed::UnalignedFragment),
        ),
        (
            "unaligned last fragment",
            &udp,
            |b| {
                b[21] = 9;
                b[17] -= 1;
            },
            None,
        ),
        (
            "ping of death",
            &echo,
            |b| b[20..22].copy_from_slice(&[0x1f, 0xff]),
            Some(Malformed::FragmentPastEnd),
        ),
        (
            "tiny first fragment",
            &tcp,
            |b| {
                b[20] = 0x20;
                b[17] = 36;
            },
            Some(Malformed::TinyFragment),
        ),
        (
            "first fragment without its options",
            &tcp,
            |b| {
                b[20] = 0x20;
                b[46] = 0x70;
                b[17] = 44;
            },
            Some(Malformed::TinyFragment),
        ),
        (
            "first fragment with its header",
            &tcp,
            |b| {
                b[20] = 0x20;
                b[17] = 44;
            },
            None,
        ),
        ("TCP fragment at 8", &tcp, |b| b[21] = 1, Some(Malformed::TinyFragment)),
        ("UDP fragment at 8", &udp, |b| b[21] = 1, None),
        (
            "first fragment of a long UDP datagram",
            &udp,
            |b| {
                b[20] = 0x20;
                b[38] = 9;
            },
            None,
        ),
    ];
    for (name, good, change, expected) in cases {
        assert_eq!(refused(&changed(good, change)), *expected, "{name}");
    }
    let mut wrong = tcp.clone();
    wrong[24] ^= 1;
    assert_eq!(refused(&wrong), Some(Malformed::Ipv4Checksum));
    assert_eq!(parse(&[0; VNET_LEN + ETHERNET_LEN - 1]), Err(Malformed::FrameTooShort));
}

#[test]
fn a_later_fragment_has_no_transport_header() {
    let udp = Rng::new(64).spec(false, Kind::Udp, 40).ethernet();
    let frame = FrameBuf::from_ethernet(&changed(&udp, |bytes| bytes[20..22].copy_from_slice(&[0x20, 0x05])));
    let headers = ip(&frame);
    assert_eq!((headers.transport, headers.protocol), (Transport::LaterFragment, Protocol::UDP));
    let fragment = headers.fragment.unwrap();
    assert_eq!((fragment.offset, fragment.more, fragment.is_first()), (40, true, false));
    assert_eq!((headers.payload_len, headers.dont_fragment), (48, false));
}

#[test]
fn ipv4_options_are_skipped_and_reported() {
    let spec = Rng::new(65).spec(false, Kind::Tcp, 10);
    let headers = ip(&FrameBuf::from_ethernet(&with_options(&spec.ethernet(), &[1, 1, 1, 0])));
    assert!(
        headers.has_options
            && matches!(headers.transport, Transport::Tcp(tcp) if tcp.dst_port == spec.dst_port)
    );
    assert_eq!(headers.transport_offset, 38);
}

#[test]
fn ipv6_extension_headers_are_walked_to_the_transport_header() {
    let spec = Rng::new(66).spec(true, Kind::Udp, 40);
    let good = spec.ethernet();
    let options = || vec![0, 0, 1, 4, 0, 0, 0, 0];
    let routing = |kind| (Protocol::ROUTING, vec![0, 0, kind, 0, 0, 0, 0, 0]);
    let hop = (Protocol::HOP_BY_HOP, options());
    let destination = (Protocol::DESTINATION_OPTIONS, options());
    let ah = (Protocol::AH, vec![0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let jumbo = (Protocol::HOP_BY_HOP, vec![0, 0, 0xc2, 4, 0, 1, 0, 0]);
    let endless = (Protocol::DESTINATION_OPTIONS, vec![0, 200, 1, 4, 0, 0, 0, 0]);
    let cases = [
        ("none", vec![], None),
        ("hop-by-hop", vec![hop.clone()], None),
        ("any order", vec![destination.clone(), routing(4), hop.clone(), ah], None),
        ("atomic fragment", vec![fragment_header(0, false)], None),
        ("eight", vec![destination.clone(); 8], None),
        ("nine", vec![destination.clone(); 9], Some(Malformed::Ipv6TooManyExtensionHeaders)),
        ("type 0 routing", vec![routing(0)], Some(Malformed::Ipv6RoutingType0)),
        ("jumbo option", vec![jumbo], Some(Malformed::Ipv6Jumbogram)),
        ("past the end", vec![endless], Some(Malformed::Ipv6ExtensionHeader)),
        ("two fragment headers", vec![fragment_header(0, false); 2], Some(Malformed::Ipv6ExtensionHeader)),
    ];
    for (name, extensions, expected) in cases {
        let frame = with_extensions(&good, &extensions);
        assert_eq!(refused(&frame), expected, "{name}");
        if expected.is_none() {
            let headers = ip(&FrameBuf::from_ethernet(&frame));
            assert_eq!(
                headers.transport,
                Transport::Udp { src_port: spec.src_port, dst_port: spec.dst_port },
                "{name}"
            );
            assert_eq!((headers.has_options, headers.fragment), (!extensions.is_empty(), None), "{name}");
            assert_eq!((headers.protocol, headers.payload_len), (Protocol::UDP, 40), "{name}");
        }
    }
    assert_eq!(refused(&changed(&good, |b| b[14] = 0x45)), Some(Malformed::Ipv6Version));
    assert_eq!(refused(&changed(&good, |b| b[19] += 1)), Some(Malformed::Ipv6PayloadLength));
    assert_eq!(refused(&changed(&good, |b| b.truncate(53))), Some(Malformed::Ipv6PayloadLength));
    let empty = changed(&good, |b| {
        b[18..20].fill(0);
        b[20] = 0;
    });
    assert_eq!(refused(&empty), Some(Malformed::Ipv6Jumbogram));
}

#[test]
fn ipv6_fragments_are_read_and_judged_as_ipv4_fragments_are() {
    let mut rng = Rng::new(67);
    let tcp = rng.spec(true, Kind::Tcp, 20).ethernet();
    let options = (Protocol::DESTINATION_OPTIONS, vec![0, 0, 1, 4, 0, 0, 0, 0]);
    let cases = [
        ("first", vec![fragment_header(0, true)], 0, None),
        ("later", vec![fragment_header(800, true)], 0, None),
        ("last, of any length", vec![fragment_header(800, false)], 3, None),
        ("unaligned", vec![fragment_header(800, true)], 3, Some(Malformed::UnalignedFragment)),
        ("at 8", vec![fragment_header(8, false)], 0, Some(Malformed::TinyFragment)),
        ("without data", vec![fragment_header(800, false)], 40, Some(Malformed::EmptyFragment)),
        ("past the end", vec![fragment_header(65_528, false)], 0, Some(Malformed::FragmentPastEnd)),
        ("header cut off", vec![fragment_header(0, true)], 24, Some(Malformed::TinyFragment)),
        ("chain in the first", vec![fragment_header(0, true), options], 0, None),
    ];
    for (name, extensions, less, expected) in cases {
        let mut frame = with_extensions(&tcp, &extensions);
        frame.truncate(frame.len() - less);
        let length = u16::try_from(frame.len() - 54).unwrap();
        frame[18..20].copy_from_slice(&length.to_be_bytes());
        assert_eq!(refused(&frame), expected, "{name}");
        if expected.is_none() {
            let headers = ip(&FrameBuf::from_ethernet(&frame));
            let fragment = headers.fragment.unwrap();
            assert_eq!(fragment.identification, 0xdead_beef);
            assert_eq!(headers.transport == Transport::LaterFragment, !fragment.is_first(), "{name}");
            assert_eq!(headers.protocol, Protocol::TCP, "{name}");
        }
    }
}

#[test]
fn a_virtio_header_that_does_not_describe_its_packet_is_refused() {
    let mut rng = Rng::new(68);
    let needs = VnetFlags(VnetFlags::NEEDS_CSUM);
    let tcp4 = rng.spec(false, Kind::Tcp, 3000);
    let tcp6 = rng.spec(true, Kind::Tcp, 3000);
    let udp4 = rng.spec(false, Kind::Udp, 3000);
    let udp6 = rng.spec(true, Kind::Udp, 3000);
    let echo = rng.spec(false, Kind::Echo, 3000);
    let none = VnetHeader { flags: needs, csum_start: 34, csum_offset: 16, ..VnetHeader::default() };
    let tso4 = VnetHeader { gso: Gso::TcpV4, gso_size: 1448, hdr_len: 54, ..none };
    let tso6 = VnetHeader { gso: Gso::TcpV6, csum_start: 54, ..tso4 };
    let uso4 = VnetHeader { gso: Gso::UdpL4, csum_offset: 6, ..tso4 };
    let uso6 = VnetHeader { csum_start: 54, ..uso4 };
    let ufo4 = VnetHeader { gso: Gso::UdpFragmentation, ..uso4 };
    let cases: &[(&str, &Spec, VnetHeader, bool)] = &[
        ("complete", &tcp4, VnetHeader::default(), true),
        (
            "verified",
            &tcp4,
            VnetHeader { flags: VnetFlags(VnetFlags::DATA_VALID), ..VnetHeader::default() },
            true,
        ),
        ("partial", &tcp4, none, true),
        ("start elsewhere", &tcp4, VnetHeader { csum_start: 33, ..none }, false),
        ("start in the payload", &tcp4, VnetHeader { csum_start: 60, ..none }, false),
        ("offset elsewhere", &tcp4, VnetHeader { csum_offset: 6, ..none }, false),
        ("offset past the end", &tcp4, VnetHeader { csum_offset: 0xffff, ..none }, false),
        ("header past the end", &tcp4, VnetHeader { hdr_len: 4000, ..none }, false),
        (
            "header past the end, complete",
            &tcp4,
            VnetHeader { hdr_len: 4000, ..VnetHeader::default() },
            false,
        ),
        ("inside a tunnel", &udp4, VnetHeader { csum_start: 92, ..none }, true),
        ("before the tunnel's contents", &udp4, VnetHeader { csum_start: 38, ..none }, false),
        (
            "past the tunnel's contents",
            &udp4,
            VnetHeader { csum_start: 3030, csum_offset: 11, ..none },
            false,
        ),
        ("ICMP", &echo, VnetHeader { csum_offset: 2, ..none }, false),
        ("TCP over IPv4", &tcp4, tso4, true),
        ("TCP over IPv4, ECN", &tcp4, VnetHeader { ecn: true, ..tso4 }, true),
        ("TCP over IPv6", &tcp6, tso6, true),
        ("UDP over IPv4", &udp4, uso4, true),
        ("UDP over IPv6", &udp6, uso6, true),
        ("fragmentation over IPv4", &udp4, ufo4, true),
        ("fragmentation over IPv6", &udp6, VnetHeader { csum_start: 54, ..ufo4 }, false),
        ("fragments too small", &udp4, VnetHeader { gso_size: 7, ..ufo4 }, false),
        ("wrong family", &tcp6, VnetHeader { csum_start: 54, ..tso4 }, false),
        ("wrong family, IPv4", &tcp4, VnetHeader { gso: Gso::TcpV6, ..tso4 }, false),
        ("wrong protocol", &udp4, VnetHeader { csum_offset: 6, ..tso4 }, false),
        ("wrong protocol, TCP", &tcp4, VnetHeader { gso: Gso::UdpL4, ..tso4 }, false),
        ("ECN of UDP", &udp4, VnetHeader { ecn: true, ..uso4 }, false),
        ("no segment size", &tcp4, VnetHeader { gso_size: 0, ..tso4 }, false),
        ("superframe with a complete checksum", &tcp4, VnetHeader { flags: VnetFlags(0), ..tso4 }, false),
        ("superframe in a tunnel", &udp4, VnetHeader { csum_start: 92, ..uso4 }, false),
    ];
    for (name, spec, vnet, accepted) in cases {
        let frame = FrameBuf::with_vnet(vnet, &spec.ethernet());
        let expected = if *accepted { None } else { Some(Malformed::VnetHeader) };
        assert_eq!(parse(frame.bytes()).err(), expected, "{name}");
    }

    let fragment = changed(&udp4.ethernet(), |bytes| bytes[20] = 0x20);
    for vnet in [VnetHeader { csum_offset: 6, ..none }, uso4] {
        let frame = FrameBuf::with_vnet(&vnet, &fragment);
        assert_eq!(parse(frame.bytes()), Err(Malformed::VnetHeader), "a fragment has no partial checksum");
    }
    let surplus = changed(&udp4.ethernet(), |bytes| bytes[39] = bytes[39].wrapping_sub(1));
    let frame = FrameBuf::with_vnet(&VnetHeader { csum_offset: 6, ..none }, &surplus);
    assert_eq!(
        parse(frame.bytes()),
        Err(Malformed::VnetHeader),
        "a partial checksum covers the whole packet"
    );
}

#[test]
fn the_largest_segment_is_the_segment_size_with_its_headers() {
    let mut rng = Rng::new(69);
    for (payload_len, expected) in [(30_000, 1488), (1449, 1488), (1448, 1488), (100, 140)] {
        let frame = rng.spec(false, Kind::Tcp, payload_len).superframe(Gso::TcpV4, 1448);
        let headers = ip(&frame);
        assert_eq!((headers.largest_segment, headers.packet_len), (expected, len32(payload_len) + 40));
    }
}

#[test]
fn arp_is_read_for_ipv4_over_ethernet_only() {
    let good = {
        let mut bytes = vec![0xff; 6];
        bytes.extend_from_slice(&[2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        bytes.extend_from_slice(&[2, 0, 0, 0, 0, 9, 10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1]);
        bytes
    };
    let Body::Arp(arp) = parse(FrameBuf::from_ethernet(&good).bytes()).unwrap().body else { panic!("ARP") };
    assert_eq!((arp.operation, arp.sender_mac), (ArpOperation::Request, MacAddr([2, 0, 0, 0, 0, 9])));
    assert_eq!((arp.sender_ip, arp.target_ip), (Ipv4Addr::new(10, 0, 0, 9), Ipv4Addr::new(10, 0, 0, 1)));
    for (at, value) in [(15, 6), (16, 0x86), (18, 8), (19, 16), (21, 3), (21, 0)] {
        let bad = changed(&good, |bytes| bytes[at] = value);
        assert_eq!(refused(&bad), Some(Malformed::Arp), "{value} at {at}");
    }
    assert_eq!(refused(&good[..41]), Some(Malformed::Arp));
    let vnet = VnetHeader { flags: VnetFlags(VnetFlags::NEEDS_CSUM), ..VnetHeader::default() };
    assert_eq!(parse(FrameBuf::with_vnet(&vnet, &good).bytes()), Err(Malformed::VnetHeader));
}

#[test]
fn neighbor_discovery_counts_only_from_the_same_link() {
    let target: Ipv6Addr = "2001:db8::7".parse().unwrap();
    let message = |icmp_type: u8, options: &[u8]| {
        [&[icmp_type, 0, 0, 0, 0, 0, 0, 0][..], &target.octets(), options].concat()
    };
    let read = |message: &[u8], hop_limit: u8| {
        let (src, dst) = ("fe80::1".parse().unwrap(), "fe80::2".parse().unwrap());
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let frame = crate::build::icmp(mac, mac, src, dst, hop_limit, message);
        match ip(&frame).transport {
            Transport::Icmp(icmp) => icmp.message,
            other => panic!("{other:?}"),
        }
    };
    let source_mac = Some(MacAddr([2, 0, 0, 0, 0, 5]));
    let option = [14, 1, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 5];
    let solicitation = message(135, &option);
    assert_eq!(read(&solicitation, 255), IcmpMessage::NeighborSolicitation { target, source_mac });
    assert_eq!(read(&solicitation, 254), IcmpMessage::Other);
    let without = IcmpMessage::NeighborSolicitation { target, source_mac: None };
    assert_eq!(read(&message(135, &[]), 255), without);
    assert_eq!(read(&message(135, &[9, 0, 0, 0, 0, 0, 0, 0]), 255), without, "an option of length 0");
    assert_eq!(read(&message(136, &[]), 255), IcmpMessage::NeighborAdvertisement { target });
    assert_eq!(read(&message(133, &[])[..8], 255), IcmpMessage::RouterSolicitation);
    assert_eq!(read(&message(135, &[])[..20], 255), IcmpMessage::Other, "cut in the target");
}

#[test]
fn icmp_types_are_sorted_into_queries_errors_and_others() {
    let mut rng = Rng::new(70);
    for is_ipv6 in [false, true] {
        let good = rng.spec(is_ipv6, Kind::Echo, 40).ethernet();
        let at = if is_ipv6 { 54 } else { 34 };
        for icmp_type in 0..=255u8 {
            let frame = FrameBuf::from_ethernet(&changed(&good, |bytes| bytes[at] = icmp_type));
            let Transport::Icmp(icmp) = ip(&frame).transport else { panic!("ICMP") };
            let kind = match icmp.message {
                IcmpMessage::Query { .. } => 'q',
                IcmpMessage::Error { .. } => 'e',
                _ => 'o',
            };
            let expected = match (is_ipv6, icmp_type) {
                (false, 0 | 8 | 13 | 14 | 15 | 16 | 17 | 18) | (true, 128 | 129) => 'q',
                (false, 3 | 4 | 5 | 11 | 12) | (true, 1..=4) => 'e',
                _ => 'o',
            };
            assert_eq!(kind, expected, "type {icmp_type}");
        }
        let other_family =
            changed(&good, |bytes| bytes[if is_ipv6 { 20 } else { 23 }] = if is_ipv6 { 1 } else { 58 });
        assert_eq!(ip(&FrameBuf::from_ethernet(&other_family)).transport, Transport::Other);
    }
}
