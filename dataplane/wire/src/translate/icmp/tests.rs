use super::*;
use crate::frame::FrameBuf;
use crate::headers::Transport;
use crate::testing::{
    Kind, Rng, Spec, assert_sound, fix_ipv4_checksum, ip, with_extensions, without_flow_label,
};
use crate::translate::{ipv4_to_ipv6, ipv6_to_ipv4};
use etherparse::PacketBuilder;

/// An ICMP error, built by etherparse: type, code, the four bytes behind the checksum, and what follows.
fn error_frame(outer: &Spec, (icmp_type, code, word): (u8, u8, u32), quote: &[u8]) -> FrameBuf {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2(outer.src_mac.0, outer.dst_mac.0);
    match (outer.src, outer.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let message = builder.ipv4(src.octets(), dst.octets(), outer.ttl);
            message.icmpv4_raw(icmp_type, code, word.to_be_bytes()).write(&mut frame, quote).unwrap();
            let may_be_fragmented = frame.len() - 14 <= 1260;
            frame[18..20].copy_from_slice(if may_be_fragmented { &[0x5a, 0x5a] } else { &[0, 0] });
            frame[20] = if may_be_fragmented { 0 } else { 0x40 };
            fix_ipv4_checksum(&mut frame);
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let message = builder.ipv6(src.octets(), dst.octets(), outer.ttl);
            message.icmpv6_raw(icmp_type, code, word.to_be_bytes()).write(&mut frame, quote).unwrap();
        }
        _ => panic!("one family"),
    }
    FrameBuf::from_ethernet(&frame)
}

/// The IP packet as translation writes it into a quote.
fn quote_of(spec: &Spec) -> Vec<u8> {
    let mut spec = spec.clone();
    spec.identification = 0;
    let is_long = spec.frame().ethernet().len() - 14 > 1260;
    spec.dont_fragment = is_long;
    without_flow_label(spec.ethernet()).split_off(14)
}

/// An error about `inner` from a router to its sender, both told in the other family as well.
struct Case {
    outer: Spec,
    inner: Spec,
    new_outer: Spec,
    new_inner: Spec,
}

fn case(rng: &mut Rng, to_ipv6: bool, kind: Kind, payload_len: usize) -> Case {
    let outer = rng.spec(!to_ipv6, Kind::Echo, 0);
    let inner = rng.spec(!to_ipv6, kind, payload_len);
    let mut new_outer = outer.clone();
    (new_outer.src, new_outer.dst) = (rng.address(to_ipv6), rng.address(to_ipv6));
    let mut new_inner = inner.clone();
    (new_inner.src, new_inner.dst) = (rng.address(to_ipv6), rng.address(to_ipv6));
    (new_inner.src_port, new_inner.dst_port) = (rng.u16(), rng.u16());
    Case { outer, inner, new_outer, new_inner }
}

impl Case {
    fn translate(&self, frame: &FrameBuf) -> Result<FrameBuf, Untranslatable> {
        let (outer, inner) = (&self.new_outer, &self.new_inner);
        let port = Some(inner.src_port);
        let dst_port = if inner.kind == Kind::Echo { None } else { Some(inner.dst_port) };
        match (outer.src, outer.dst, inner.src, inner.dst) {
            (IpAddr::V4(a), IpAddr::V4(b), IpAddr::V4(c), IpAddr::V4(d)) => {
                let embedded =
                    EmbeddedTranslation { src_port: port, dst_port, ..EmbeddedTranslation::new(c, d) };
                let change = Translation {
                    src_mac: outer.src_mac,
                    dst_mac: outer.dst_mac,
                    embedded: Some(embedded),
                    ..Translation::new(a, b)
                };
                ipv6_to_ipv4(frame.bytes(), &ip(frame), &change, 0x5a5a)
            }
            (IpAddr::V6(a), IpAddr::V6(b), IpAddr::V6(c), IpAddr::V6(d)) => {
                let embedded =
                    EmbeddedTranslation { src_port: port, dst_port, ..EmbeddedTranslation::new(c, d) };
                let change = Translation {
                    src_mac: outer.src_mac,
                    dst_mac: outer.dst_mac,
                    embedded: Some(embedded),
                    ..Translation::new(a, b)
                };
                ipv4_to_ipv6(frame.bytes(), &ip(frame), &change)
            }
            _ => panic!("one family"),
        }
    }

    /// The type, code and word of what an error becomes.
    fn header(&self, header: (u8, u8, u32)) -> Option<(u8, u8, u32)> {
        let frame = error_frame(&self.outer, header, &quote_of(&self.inner));
        match self.translate(&frame) {
            Ok(translated) => {
                assert_sound(translated.ethernet());
                let at = usize::from(ip(&translated).transport_offset);
                let bytes = translated.ethernet();
                Some((bytes[at], bytes[at + 1], be32(bytes, at + 4).unwrap()))
            }
            Err(reason) => {
                assert_eq!(reason, Untranslatable::IcmpMessage);
                None
            }
        }
    }
}

#[test]
fn an_error_is_translated_with_the_packet_it_quotes() {
    let mut rng = Rng::new(110);
    for number in 0..10_000 {
        let (to_ipv6, kind, payload_len) = (rng.flip(), rng.kind(), rng.below(60));
        let case = case(&mut rng, to_ipv6, kind, payload_len);
        let (old, new) = (quote_of(&case.inner), quote_of(&case.new_inner));
        let (old_len, new_len) = if to_ipv6 { (20, 40) } else { (40, 20) };
        let reaches = 8 + rng.below(old.len() - old_len - 7);
        if kind == Kind::Tcp && reaches == usize::from(TCP_FIELD) + 1 {
            // The quote ends inside the embedded checksum, whose one byte stays as it is.
            continue;
        }
        let headers = if to_ipv6 { [(3, 3, 0), (1, 4, 0)] } else { [(1, 4, 0), (3, 3, 0)] };
        let frame = error_frame(&case.outer, headers[0], &old[..old_len + reaches]);
        let expected = error_frame(&case.new_outer, headers[1], &new[..new_len + reaches]);
        assert_eq!(case.translate(&frame), Ok(expected), "case {number}: {reaches} of {:?}", case.inner);
    }
}

#[test]
fn types_and_codes_follow_the_tables_of_rfc_7915() {
    let mut rng = Rng::new(111);
    let to_ipv6 = case(&mut rng, true, Kind::Udp, 20);
    let cases = [
        ((3, 0, 0), Some((1, 0, 0))),
        ((3, 1, 0), Some((1, 0, 0))),
        ((3, 2, 0), Some((4, 1, 6))),
        ((3, 3, 0), Some((1, 4, 0))),
        ((3, 4, 1500), Some((2, 0, 1520))),
        ((3, 4, 0xffff), Some((2, 0, 65_555))),
        ((3, 4, 1260), Some((2, 0, 1280))),
        ((3, 4, 576), Some((2, 0, 1280))),
        ((3, 4, 0), Some((2, 0, 1280))),
        ((3, 5, 0), Some((1, 0, 0))),
        ((3, 8, 0), Some((1, 0, 0))),
        ((3, 9, 0), Some((1, 1, 0))),
        ((3, 10, 0), Some((1, 1, 0))),
        ((3, 11, 0), Some((1, 0, 0))),
        ((3, 12, 0), Some((1, 0, 0))),
        ((3, 13, 0), Some((1, 1, 0))),
        ((3, 14, 0), None),
        ((3, 15, 0), Some((1, 1, 0))),
        ((3, 16, 0), None),
        ((4, 0, 0), None),
        ((5, 1, 0), None),
        ((11, 0, 0), Some((3, 0, 0))),
        ((11, 1, 0), Some((3, 1, 0))),
        ((12, 0, 0), Some((4, 0, 0))),
        ((12, 0, 1 << 24), Some((4, 0, 1))),
        ((12, 2, 3 << 24), Some((4, 0, 4))),
        ((12, 0, 6 << 24), None),
        ((12, 0, 8 << 24), Some((4, 0, 7))),
        ((12, 0, 9 << 24), Some((4, 0, 6))),
        ((12, 0, 10 << 24), None),
        ((12, 0, 15 << 24), Some((4, 0, 8))),
        ((12, 0, 16 << 24), Some((4, 0, 24))),
        ((12, 0, 20 << 24), None),
        ((12, 1, 0), None),
    ];
    for (header, expected) in cases {
        assert_eq!(to_ipv6.header(header), expected, "{header:?}");
    }
    let to_ipv4 = case(&mut rng, false, Kind::Udp, 20);
    let cases = [
        ((1, 0, 0), Some((3, 1, 0))),
        ((1, 1, 0), Some((3, 10, 0))),
        ((1, 2, 0), Some((3, 1, 0))),
        ((1, 3, 0), Some((3, 1, 0))),
        ((1, 4, 0), Some((3, 3, 0))),
        ((1, 5, 0), None),
        ((2, 0, 1500), Some((3, 4, 1480))),
        ((2, 0, 1280), Some((3, 4, 1260))),
        ((2, 0, 0x10_0000), Some((3, 4, 0xffff))),
        ((2, 0, 3), Some((3, 4, 0))),
        ((3, 0, 0), Some((11, 0, 0))),
        ((3, 1, 0), Some((11, 1, 0))),
        ((4, 0, 0), Some((12, 0, 0))),
        ((4, 0, 1), Some((12, 0, 1 << 24))),
        ((4, 0, 2), None),
        ((4, 0, 5), Some((12, 0, 2 << 24))),
        ((4, 0, 6), Some((12, 0, 9 << 24))),
        ((4, 0, 7), Some((12, 0, 8 << 24))),
        ((4, 0, 23), Some((12, 0, 12 << 24))),
        ((4, 0, 24), Some((12, 0, 16 << 24))),
        ((4, 0, 39), Some((12, 0, 16 << 24))),
        ((4, 0, 40), None),
        ((4, 1, 6), Some((3, 2, 0))),
        ((4, 2, 40), None),
    ];
    for (header, expected) in cases {
        assert_eq!(to_ipv4.header(header), expected, "{header:?}");
    }
}

#[test]
fn a_router_that_does_not_say_its_mtu_is_taken_to_have_the_next_plateau() {
    let mut rng = Rng::new(112);
    for (packet_len, mtu) in [(9000, 8166), (8166, 4352), (1500, 1492), (1492, 1280), (68, 1280)] {
        let case = case(&mut rng, true, Kind::Udp, packet_len - 28);
        assert_eq!(case.header((3, 4, 0)), Some((2, 0, mtu)), "{packet_len}");
    }
}

#[test]
fn the_mtu_for_a_fragmented_packet_leaves_room_for_its_fragment_header() {
    let mut rng = Rng::new(113);
    for fragment in [[0, 0, 0, 1, 0, 0, 0, 7], [0, 0, 5, 0, 0, 0, 0, 7]] {
        let case = case(&mut rng, false, Kind::Udp, 24);
        let quoted = with_extensions(&case.inner.ethernet(), &[(44, &fragment)]).split_off(14);
        let frame = error_frame(&case.outer, (2, 0, 1500), &quoted);
        let translated = case.translate(&frame).unwrap();
        assert_sound(translated.ethernet());
        let message = &translated.ethernet()[34..];
        assert_eq!(message[4..8], [0, 0, 5, 192], "1500 - 28");
        let quote = &message[8..];
        assert_eq!((quote[4..6].to_vec(), quote[9]), (vec![0, 7], 17));
        assert_eq!(be16(quote, 6), Some(if fragment[2] == 0 { 0x2000 } else { 160 }));
        let is_later = fragment[2] > 0;
        assert_eq!(quote[20..] == case.inner.ethernet()[54..], is_later, "a later fragment has no ports");
    }
}

#[test]
fn a_long_quote_is_cut_to_what_an_error_may_be_long() {
    let mut rng = Rng::new(114);
    for (to_ipv6, longest) in [(true, 1280), (false, 576)] {
        let case = case(&mut rng, to_ipv6, Kind::Udp, 2000);
        let header = if to_ipv6 { (11, 0, 0) } else { (3, 0, 0) };
        let frame = error_frame(&case.outer, header, &quote_of(&case.inner)[..1240]);
        let translated = case.translate(&frame).unwrap();
        assert_eq!(ip(&translated).packet_len, if to_ipv6 { 40 + 8 + 20 + 1240 } else { 576 }.min(longest));
        assert_sound(translated.ethernet());
        let frame = error_frame(&case.outer, header, &quote_of(&case.inner));
        let translated = case.translate(&frame).unwrap();
        assert_eq!(ip(&translated).packet_len, longest);
        assert_sound(translated.ethernet());
    }
}

#[test]
fn extensions_of_an_error_are_left_out() {
    let mut rng = Rng::new(115);
    for to_ipv6 in [true, false] {
        let case = case(&mut rng, to_ipv6, Kind::Udp, 300);
        let quote = &quote_of(&case.inner)[..128];
        let extended = [quote, &[0x20, 0, 0xaa, 0xbb, 0, 8, 1, 1, 0, 1, 0x21, 0x40]].concat();
        let header = |length: u32| if to_ipv6 { (11, 0, length << 16) } else { (3, 0, length << 24) };
        let units = if to_ipv6 { 32 } else { 16 };
        let with = case.translate(&error_frame(&case.outer, header(units), &extended));
        assert_eq!(with, case.translate(&error_frame(&case.outer, header(0), quote)));
        assert!(with.is_ok());
    }
}

#[test]
fn an_error_whose_packet_cannot_be_translated_is_refused() {
    let mut rng = Rng::new(116);
    for to_ipv6 in [true, false] {
        let case = case(&mut rng, to_ipv6, Kind::Echo, 30);
        let header = if to_ipv6 { (3, 1, 0) } else { (1, 3, 0) };
        let good = quote_of(&case.inner);
        let ip_len = if to_ipv6 { 20 } else { 40 };
        let protocol = if to_ipv6 { 9 } else { 6 };
        let patched = |at: usize, byte: u8| {
            let mut quote = good.clone();
            quote[at] = byte;
            quote
        };
        let cases = [
            ("an error", patched(ip_len, if to_ipv6 { 11 } else { 3 })),
            ("another message", patched(ip_len, if to_ipv6 { 13 } else { 135 })),
            ("GRE", patched(protocol, 47)),
            ("ICMP of the other family", patched(protocol, if to_ipv6 { 58 } else { 1 })),
            ("too little", good[..ip_len + 7].to_vec()),
            ("no transport header", good[..ip_len].to_vec()),
            ("half a header", good[..ip_len / 2].to_vec()),
            ("nothing", Vec::new()),
        ];
        for (name, quote) in cases {
            let frame = error_frame(&case.outer, header, &quote);
            assert_eq!(case.translate(&frame), Err(Untranslatable::QuotedPacket), "{name}");
        }
        assert!(case.translate(&error_frame(&case.outer, header, &good)).is_ok());
    }
}

#[test]
fn an_error_is_not_translated_without_knowing_what_becomes_of_its_packet() {
    let mut rng = Rng::new(117);
    let case = case(&mut rng, true, Kind::Tcp, 30);
    let frame = error_frame(&case.outer, (3, 1, 0), &quote_of(&case.inner));
    let (IpAddr::V6(src), IpAddr::V6(dst)) = (case.new_outer.src, case.new_outer.dst) else { panic!("IPv6") };
    let translated = ipv4_to_ipv6(frame.bytes(), &ip(&frame), &Translation::new(src, dst));
    assert_eq!(translated, Err(Untranslatable::QuotedPacket));
}

#[test]
fn a_damaged_error_does_not_come_out_as_good() {
    let mut rng = Rng::new(118);
    for to_ipv6 in [true, false] {
        let case = case(&mut rng, to_ipv6, Kind::Tcp, 30);
        let header = if to_ipv6 { (3, 1, 0) } else { (1, 0, 0) };
        let good = error_frame(&case.outer, header, &quote_of(&case.inner));
        let mut damaged = good.clone();
        let last = damaged.ethernet().len() - 1;
        damaged.as_mut().ethernet_mut()[last] ^= 1;
        let checksum = |frame: &FrameBuf| {
            let translated = case.translate(frame).unwrap();
            let headers = ip(&translated);
            assert!(matches!(headers.transport, Transport::Icmp(_)));
            be16(translated.ethernet(), usize::from(headers.transport_offset) + 2)
        };
        assert_eq!(checksum(&damaged), checksum(&good));
    }
}
