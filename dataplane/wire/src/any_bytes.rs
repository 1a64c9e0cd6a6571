//! What holds for every byte sequence that a guest may send? Nothing panics, and whatever this crate makes of a frame that
//! parsing accepted is a frame that parsing accepts.

use crate::frame::{FrameBuf, FrameMut};
use crate::headers::{Body, IpHeaders};
use crate::icmp_error::IcmpErrorKind;
use crate::parse::parse;
use crate::rewrite::{EmbeddedRewrite, Rewrite};
use crate::testing::{Kind, Rng, Spec, fix_ipv4_checksum, ip, with_extensions, with_options};
use crate::translate::{EmbeddedTranslation, Translation};
use crate::vnet::Gso;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Everything that may be done to a frame that parsing accepted; whether it was translated.
fn exercise(bytes: &[u8], rng: &mut Rng) -> bool {
    let Ok(headers) = parse(bytes) else { return false };
    drop(crate::segments(bytes).unwrap());
    drop(crate::fragment_ipv4(bytes, 68 + u32::from(rng.u8())).unwrap());
    let Body::Ip(packet) = headers.body else { return false };
    drop(crate::echo_reply(bytes, &headers));
    if let Some(reset) = crate::tcp_reset(headers.dst_mac, headers.src_mac, bytes) {
        assert_eq!(ip(&reset).dst, packet.src);
    }
    let was_translated = exercise_translation(bytes, &packet, rng);
    let router = rng.address(packet.is_ipv6());
    if let Some(error) =
        crate::icmp_error(IcmpErrorKind::TimeExceeded, headers.dst_mac, headers.src_mac, router, bytes)
    {
        assert!(parse(error.bytes()).is_ok() || headers.dst_mac.is_multicast());
    }
    let mut copy = bytes.to_vec();
    let mut frame = FrameMut::new(&mut copy).unwrap();
    let change = Rewrite {
        src_mac: rng.mac(),
        dst_mac: rng.mac(),
        src: Some(rng.address(packet.is_ipv6())),
        dst: Some(rng.address(packet.is_ipv6())),
        src_port: Some(rng.u16()),
        dst_port: Some(rng.u16()),
        ttl: Some(rng.u8()),
        max_segment_size: Some(rng.u16()),
        embedded: Some(EmbeddedRewrite {
            src: Some(rng.address(packet.is_ipv6())),
            dst: Some(rng.address(packet.is_ipv6())),
            src_port: Some(rng.u16()),
            dst_port: Some(rng.u16()),
        }),
    };
    crate::rewrite(&mut frame, &packet, &change);
    let rewritten = ip(&FrameBuf::from_bytes(frame.bytes().to_vec()).unwrap());
    assert_eq!((Some(rewritten.src), Some(rewritten.dst)), (change.src, change.dst));
    assert_eq!((rewritten.ttl, rewritten.packet_len), (change.ttl.unwrap(), packet.packet_len));
    crate::complete(&mut frame);
    assert!(parse(frame.bytes()).is_ok());
    was_translated
}

fn translation<A>(rng: &mut Rng, mut address: impl FnMut(&mut Rng) -> A) -> Translation<A> {
    Translation {
        src_mac: rng.mac(),
        dst_mac: rng.mac(),
        src_port: Some(rng.u16()),
        dst_port: Some(rng.u16()),
        ttl: Some(rng.u8()),
        max_segment_size: Some(rng.u16()),
        embedded: Some(EmbeddedTranslation {
            src_port: Some(rng.u16()),
            dst_port: Some(rng.u16()),
            ..EmbeddedTranslation::new(address(rng), address(rng))
        }),
        ..Translation::new(address(rng), address(rng))
    }
}

/// Whether the frame has a counterpart in the other family.
fn exercise_translation(bytes: &[u8], packet: &IpHeaders, rng: &mut Rng) -> bool {
    let translated = if packet.is_ipv6() {
        let change = translation(rng, |rng| Ipv4Addr::from_bits(10 << 24 | u32::from(rng.u16())));
        let translated = crate::ipv6_to_ipv4(bytes, packet, &change, rng.u16());
        translated.map(|frame| (frame, IpAddr::V4(change.src), change.ttl))
    } else {
        let change = translation(rng, |rng| Ipv6Addr::from_bits(0x2001 << 112 | u128::from(rng.next())));
        let translated = crate::ipv4_to_ipv6(bytes, packet, &change);
        translated.map(|frame| (frame, IpAddr::V6(change.src), change.ttl))
    };
    let Ok((frame, src, ttl)) = translated else { return false };
    let headers = ip(&frame);
    assert_eq!((headers.src, Some(headers.ttl)), (src, ttl));
    assert_eq!(
        std::mem::discriminant(&headers.transport),
        std::mem::discriminant(&packet.transport),
        "{packet:?} became {headers:?}"
    );
    true
}

#[test]
fn no_bytes_whatever_panic() {
    let mut rng = Rng::new(71);
    for _ in 0..100_000 {
        let length = rng.below(120);
        let mut bytes = rng.bytes(length);
        // Let most of them past the first checks.
        if bytes.len() > 26 && rng.below(10) > 0 {
            bytes[..12].fill(0);
            bytes[18] &= !1;
            bytes[24..27].copy_from_slice(if rng.flip() { &[0x86, 0xdd, 0x60] } else { &[0x08, 0x00, 0x45] });
        }
        exercise(&bytes, &mut rng);
    }
}

/// The frame, in one of three cases as a fragment or with options or extension headers.
fn with_more_headers(spec: &Spec, rng: &mut Rng) -> FrameBuf {
    if rng.below(3) > 0 {
        return spec.frame();
    }
    let ethernet = spec.ethernet();
    FrameBuf::from_ethernet(&if spec.src.is_ipv6() {
        let kinds = [0, 43, 44, 51, 60];
        let mut extensions = || {
            let mut bytes = rng.bytes(16);
            bytes[..4].copy_from_slice(&[0, 1, 1, rng.u8() & rng.u8() & 1]);
            (kinds[rng.below(kinds.len())], bytes)
        };
        let (first, second) = (extensions(), extensions());
        with_extensions(&ethernet, &[(first.0, &first.1), (second.0, &second.1)])
    } else if rng.flip() {
        with_options(
            &ethernet,
            &[[1, 131, 7, 4 * (1 + rng.u8() % 2), 10, 0, 0, 9], [7, 7, 4, 0, 0, 0, 0, 0]][rng.below(2)],
        )
    } else {
        let mut fragment = ethernet;
        (fragment[20], fragment[21]) = (rng.u8() & 0x20, rng.u8() & 9);
        fix_ipv4_checksum(&mut fragment);
        fragment
    })
}

#[test]
fn no_mutation_of_a_good_frame_panics() {
    let mut rng = Rng::new(72);
    let (mut accepted, mut translated) = (0, 0);
    for _ in 0..100_000 {
        let (is_ipv6, kind, payload_len) = (rng.flip(), rng.kind(), rng.below(200));
        let spec = rng.spec(is_ipv6, kind, payload_len);
        let good = match (kind, rng.below(3)) {
            (Kind::Echo, 0) | (_, 1) => with_more_headers(&spec, &mut rng),
            (Kind::Echo, _) => {
                let inner = rng.kind();
                let inner = rng.spec(is_ipv6, inner, 30).frame();
                let router = rng.address(is_ipv6);
                crate::icmp_error(
                    IcmpErrorKind::HostUnreachable,
                    spec.src_mac,
                    spec.dst_mac,
                    router,
                    inner.bytes(),
                )
                .unwrap()
            }
            (_, 0) => spec.partial(),
            (Kind::Tcp, _) => spec.superframe(if is_ipv6 { Gso::TcpV6 } else { Gso::TcpV4 }, 50),
            (Kind::Udp, _) => spec.superframe(Gso::UdpL4, 50),
        };
        let mut bytes = good.into_bytes();
        for _ in 0..rng.below(4) {
            let at = rng.below(bytes.len().min(12 + 14 + 40 + 8 + 40 + 8));
            bytes[at] = if rng.flip() { rng.u8() } else { bytes[at] ^ (1 << rng.below(8)) };
        }
        if rng.below(4) == 0 {
            let length = rng.below(bytes.len() + 1);
            bytes.truncate(length);
        }
        if bytes.len() > 46 && bytes[24] == 8 && bytes[26] & 0xf >= 5 && rng.below(4) > 0 {
            let end = 26 + usize::from(bytes[26] & 0xf) * 4;
            if end <= bytes.len() {
                fix_ipv4_checksum(&mut bytes[12..]);
            }
        }
        accepted += u32::from(parse(&bytes).is_ok());
        translated += u32::from(exercise(&bytes, &mut rng));
    }
    assert!(accepted > 30_000, "only {accepted} mutated frames were accepted");
    assert!(translated > 20_000, "only {translated} mutated frames were translated");
}
