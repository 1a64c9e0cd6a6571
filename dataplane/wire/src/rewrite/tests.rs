use super::*;
use crate::checksum::complete;
use crate::frame::FrameBuf;
use crate::headers::Protocol;
use crate::testing::{Kind, Rng, Spec, assert_sound, fix_ipv4_checksum, ip, slow_sum};
use crate::vnet::{VnetFlags, VnetHeader};
use etherparse::PacketBuilder;

fn maybe<T>(rng: &mut Rng, make: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    if rng.flip() { Some(make(rng)) } else { None }
}

fn random_rewrite(rng: &mut Rng, is_ipv6: bool) -> Rewrite {
    Rewrite {
        src_mac: rng.mac(),
        dst_mac: rng.mac(),
        src: maybe(rng, |rng| rng.address(is_ipv6)),
        dst: maybe(rng, |rng| rng.address(is_ipv6)),
        src_port: maybe(rng, Rng::u16),
        dst_port: maybe(rng, Rng::u16),
        ttl: maybe(rng, Rng::u8),
        max_segment_size: maybe(rng, Rng::u16),
        embedded: None,
    }
}

/// The packet as it would have been built with the new values.
fn rewritten(spec: &Spec, rewrite: &Rewrite) -> Spec {
    let mut new = spec.clone();
    new.src_mac = rewrite.src_mac;
    new.dst_mac = rewrite.dst_mac;
    new.src = rewrite.src.unwrap_or(spec.src);
    new.dst = rewrite.dst.unwrap_or(spec.dst);
    new.ttl = rewrite.ttl.unwrap_or(spec.ttl);
    if spec.kind == Kind::Echo {
        new.src_port = rewrite.dst_port.or(rewrite.src_port).unwrap_or(spec.src_port);
    } else {
        new.src_port = rewrite.src_port.unwrap_or(spec.src_port);
        new.dst_port = rewrite.dst_port.unwrap_or(spec.dst_port);
    }
    new
}

fn apply(frame: &mut FrameBuf, change: &Rewrite) {
    let headers = ip(frame);
    rewrite(&mut frame.as_mut(), &headers, change);
}

#[test]
fn a_rewritten_frame_is_the_frame_built_with_the_new_values() {
    let mut rng = Rng::new(10);
    for case in 0..20_000 {
        let (is_ipv6, kind, payload_len) = (rng.flip(), rng.kind(), rng.below(40));
        let spec = rng.spec(is_ipv6, kind, payload_len);
        let change = random_rewrite(&mut rng, is_ipv6);
        let mut frame = spec.frame();
        apply(&mut frame, &change);
        assert_eq!(frame, rewritten(&spec, &change).frame(), "case {case}: {spec:?} {change:?}");
    }
}

#[test]
fn a_partial_checksum_completes_to_the_same_before_and_after_a_rewrite() {
    let mut rng = Rng::new(11);
    for case in 0..20_000 {
        let (is_ipv6, payload_len) = (rng.flip(), rng.below(40));
        let kind = if rng.flip() { Kind::Tcp } else { Kind::Udp };
        let spec = rng.spec(is_ipv6, kind, payload_len);
        let change = random_rewrite(&mut rng, is_ipv6);
        let mut late = spec.partial();
        apply(&mut late, &change);
        assert!(late.vnet().needs_csum());
        complete(&mut late.as_mut());
        let mut early = spec.partial();
        complete(&mut early.as_mut());
        assert_eq!(early, spec.frame(), "case {case}");
        apply(&mut early, &change);
        assert_eq!(late, early, "case {case}: {spec:?} {change:?}");
    }
}

#[test]
fn a_udp_checksum_that_comes_out_as_zero_is_written_as_all_ones() {
    let mut rng = Rng::new(12);
    for is_ipv6 in [false, true] {
        let mut spec = rng.spec(is_ipv6, Kind::Udp, 2);
        spec.payload.fill(0);
        let change = random_rewrite(&mut rng, is_ipv6);
        let at = if is_ipv6 { 54 } else { 34 } + 6;
        // With the checksum of the new packet as its payload, the new checksum is 0.
        let checksum = rewritten(&spec, &change).ethernet()[at..at + 2].to_vec();
        spec.payload.copy_from_slice(&checksum);
        for mut frame in [spec.frame(), spec.partial()] {
            apply(&mut frame, &change);
            complete(&mut frame.as_mut());
            assert_eq!(&frame.ethernet()[at..at + 2], [0xff, 0xff]);
            assert_sound(frame.ethernet());
        }
    }
}

#[test]
fn a_udp_packet_without_a_checksum_stays_without() {
    let mut rng = Rng::new(13);
    let mut ethernet = rng.spec(false, Kind::Udp, 20).ethernet();
    ethernet[40..42].fill(0);
    let mut frame = FrameBuf::from_ethernet(&ethernet);
    let new = rng.address(false);
    apply(&mut frame, &Rewrite { dst: Some(new), dst_port: Some(53), ..Rewrite::default() });
    assert_eq!(&frame.ethernet()[40..42], [0, 0]);
    let headers = ip(&frame);
    assert_eq!(headers.dst, new);
    assert!(matches!(headers.transport, Transport::Udp { dst_port: 53, .. }));
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let mut rng = Rng::new(14);
    let spec = rng.spec(false, Kind::Tcp, 20);
    let mut ethernet = spec.ethernet();
    ethernet[60] ^= 0x40;
    let mut frame = FrameBuf::from_ethernet(&ethernet);
    let change = random_rewrite(&mut rng, false);
    apply(&mut frame, &change);
    let good = rewritten(&spec, &change).frame();
    assert_eq!(&frame.ethernet()[50..52], &good.ethernet()[50..52]);
    assert_ne!(frame, good);
}

/// Cuts an IPv4 datagram by hand: the first piece has `first` payload bytes.
fn in_two_fragments(ethernet: &[u8], first: usize) -> [FrameBuf; 2] {
    let piece = |range: &[u8], field: u16| {
        let mut piece = [&ethernet[..34], range].concat();
        let total = u16::try_from(piece.len() - 14).unwrap();
        piece[16..18].copy_from_slice(&total.to_be_bytes());
        piece[20..22].copy_from_slice(&field.to_be_bytes());
        fix_ipv4_checksum(&mut piece);
        FrameBuf::from_ethernet(&piece)
    };
    let offset = u16::try_from(first / 8).unwrap();
    [piece(&ethernet[34..34 + first], 0x2000), piece(&ethernet[34 + first..], offset)]
}

#[test]
fn rewritten_fragments_reassemble_to_the_rewritten_datagram() {
    let mut rng = Rng::new(15);
    for kind in [Kind::Tcp, Kind::Udp, Kind::Echo] {
        let mut spec = rng.spec(false, kind, 120);
        spec.dont_fragment = false;
        let mut change = random_rewrite(&mut rng, false);
        change.src = Some(rng.address(false));
        let [mut first, mut later] = in_two_fragments(&spec.ethernet(), 64);
        apply(&mut first, &change);
        apply(&mut later, &change);
        assert_eq!(ip(&later).transport, Transport::LaterFragment);
        assert_eq!(ip(&later).src, change.src.unwrap());
        let expected = rewritten(&spec, &change).ethernet();
        let datagram = [&first.ethernet()[34..], &later.ethernet()[34..]].concat();
        assert_eq!(datagram, expected[34..], "{kind:?}");
    }
}

#[test]
fn the_complete_outer_checksum_of_a_tunnel_follows_while_the_inner_one_stays_partial() {
    let mut rng = Rng::new(16);
    let inner = rng.spec(false, Kind::Tcp, 30).partial();
    let mut spec = rng.spec(false, Kind::Udp, 0);
    // VXLAN: eight bytes, then Ethernet.
    spec.payload = [&[8, 0, 0, 0, 0, 0, 1, 0][..], inner.ethernet()].concat();
    let vnet = VnetHeader {
        flags: VnetFlags(VnetFlags::NEEDS_CSUM),
        csum_start: 34 + 8 + 8 + 34,
        csum_offset: 16,
        ..VnetHeader::default()
    };
    let mut frame = FrameBuf::with_vnet(&vnet, &spec.ethernet());
    let change = random_rewrite(&mut rng, false);
    apply(&mut frame, &change);
    assert_eq!(frame, FrameBuf::with_vnet(&vnet, &rewritten(&spec, &change).ethernet()));
    complete(&mut frame.as_mut());
    assert_sound(&frame.ethernet()[50..]);
}

/// An ICMP error, built by etherparse, that quotes the first `quoted` bytes of a packet.
fn error_about(outer: &Spec, inner: &Spec, quoted: usize) -> Vec<u8> {
    let packet = &inner.ethernet()[14..];
    let quote = &packet[..quoted.min(packet.len())];
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2(outer.src_mac.0, outer.dst_mac.0);
    match (outer.src, outer.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => builder
            .ipv4(src.octets(), dst.octets(), outer.ttl)
            .icmpv4_raw(3, 4, [0, 0, 5, 0xdc])
            .write(&mut frame, quote)
            .unwrap(),
        (IpAddr::V6(src), IpAddr::V6(dst)) => builder
            .ipv6(src.octets(), dst.octets(), outer.ttl)
            .icmpv6_raw(2, 0, [0, 0, 5, 0xdc])
            .write(&mut frame, quote)
            .unwrap(),
        _ => panic!("one family"),
    }
    frame
}

#[test]
fn an_error_is_rewritten_with_the_packet_it_quotes_and_stays_sound() {
    let mut rng = Rng::new(17);
    for case in 0..20_000 {
        let (is_ipv6, kind, payload_len) = (rng.flip(), rng.kind(), rng.below(40));
        let ip_len = if is_ipv6 { 40 } else { 20 };
        let quoted = ip_len + if rng.flip() { 8 } else { rng.below(60) };
        let outer = rng.spec(is_ipv6, Kind::Echo, 0);
        let inner = rng.spec(is_ipv6, kind, payload_len);
        let mut change = random_rewrite(&mut rng, is_ipv6);
        (change.src_port, change.dst_port) = (None, None);
        let quote = random_rewrite(&mut rng, is_ipv6);
        change.embedded = Some(EmbeddedRewrite {
            src: quote.src,
            dst: quote.dst,
            src_port: quote.src_port,
            dst_port: quote.dst_port,
        });
        let mut new_inner = rewritten(&inner, &quote);
        (new_inner.ttl, new_inner.src_mac, new_inner.dst_mac) = (inner.ttl, inner.src_mac, inner.dst_mac);
        let reaches = quoted - ip_len;
        let (ports_end, identifier_end) = (4, 6);
        let needed = if kind == Kind::Echo { identifier_end } else { ports_end };
        if reaches < needed {
            (new_inner.src_port, new_inner.dst_port) = (inner.src_port, inner.dst_port);
        }
        let mut frame = FrameBuf::from_ethernet(&error_about(&outer, &inner, quoted));
        apply(&mut frame, &change);
        let expected = FrameBuf::from_ethernet(&error_about(&rewritten(&outer, &change), &new_inner, quoted));
        assert_sound(frame.ethernet());
        let field = match kind {
            Kind::Tcp => TCP_FIELD,
            Kind::Udp => UDP_FIELD,
            Kind::Echo => ICMP_FIELD,
        };
        if reaches == usize::from(field) + 1 {
            // The quote ends inside the embedded checksum, whose one byte stays as it is.
            continue;
        }
        assert_eq!(frame, expected, "case {case}: {quoted} of {inner:?} {change:?}");
    }
}

#[test]
fn the_difference_is_the_only_thing_a_rewrite_reads_of_the_payload() {
    // The checksum of a superframe's pseudo header covers its whole length, and follows the addresses alone.
    let mut rng = Rng::new(18);
    let spec = rng.spec(true, Kind::Tcp, 30_000);
    let mut frame = spec.superframe(crate::vnet::Gso::TcpV6, 1000);
    let change = random_rewrite(&mut rng, true);
    apply(&mut frame, &change);
    let expected = rewritten(&spec, &change).superframe(crate::vnet::Gso::TcpV6, 1000);
    assert_eq!(frame.ethernet()[54 + 16..], expected.ethernet()[54 + 16..]);
    assert_eq!(frame, expected);
}

#[test]
fn a_protocol_without_ports_changes_only_its_addresses() {
    let mut rng = Rng::new(19);
    let mut ethernet = rng.spec(false, Kind::Udp, 30).ethernet();
    ethernet[23] = Protocol::GRE.0;
    fix_ipv4_checksum(&mut ethernet);
    let mut frame = FrameBuf::from_ethernet(&ethernet);
    let new = rng.address(false);
    apply(&mut frame, &Rewrite { src: Some(new), src_port: Some(1), ..Rewrite::default() });
    assert_eq!(frame.ethernet()[34..], ethernet[34..]);
    assert_eq!(ip(&frame).src, new);
    assert_eq!(slow_sum(&frame.ethernet()[14..34]), 0xffff);
}
