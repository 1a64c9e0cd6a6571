use super::*;
use crate::fragment_ipv4;
use crate::headers::Fragment;
use crate::parse::parse;
use crate::testing::{
    Kind, Rng, Spec, assert_sound, fix_ipv4_checksum, ip, with_extensions, with_options, without_flow_label,
};
use crate::vnet::VnetFlags;

const IDENTIFICATION: u16 = 0x5a5a;

fn maybe<T>(rng: &mut Rng, make: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    if rng.flip() { Some(make(rng)) } else { None }
}

fn random_translation(rng: &mut Rng, to_ipv6: bool) -> Translation<IpAddr> {
    Translation {
        src_mac: rng.mac(),
        dst_mac: rng.mac(),
        src_port: maybe(rng, Rng::u16),
        dst_port: maybe(rng, Rng::u16),
        ttl: maybe(rng, Rng::u8),
        ..Translation::new(rng.address(to_ipv6), rng.address(to_ipv6))
    }
}

/// What takes the frame back: addresses and MACs, and ports, of the packet it was.
fn back(spec: &Spec) -> Translation<IpAddr> {
    Translation {
        src_mac: spec.src_mac,
        dst_mac: spec.dst_mac,
        src_port: Some(spec.src_port),
        dst_port: Some(if spec.kind == Kind::Echo { spec.src_port } else { spec.dst_port }),
        ttl: Some(spec.ttl),
        ..Translation::new(spec.src, spec.dst)
    }
}

/// Through the public function of its direction.
fn apply(frame: &FrameBuf, change: &Translation<IpAddr>) -> Result<FrameBuf, Untranslatable> {
    match (change.src, change.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let change = of_one_family(change, src, dst);
            ipv6_to_ipv4(frame.bytes(), &ip(frame), &change, IDENTIFICATION)
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            ipv4_to_ipv6(frame.bytes(), &ip(frame), &of_one_family(change, src, dst))
        }
        _ => panic!("one family"),
    }
}

fn of_one_family<A>(change: &Translation<IpAddr>, src: A, dst: A) -> Translation<A> {
    Translation {
        src_mac: change.src_mac,
        dst_mac: change.dst_mac,
        src_port: change.src_port,
        dst_port: change.dst_port,
        ttl: change.ttl,
        max_segment_size: change.max_segment_size,
        ..Translation::new(src, dst)
    }
}

/// The packet as it would have been built in the other family, and its segments as long as `segment_len`.
fn counterpart(spec: &Spec, change: &Translation<IpAddr>, segment_len: usize) -> Spec {
    let mut new = spec.clone();
    (new.src_mac, new.dst_mac) = (change.src_mac, change.dst_mac);
    (new.src, new.dst) = (change.src, change.dst);
    new.ttl = change.ttl.unwrap_or(spec.ttl);
    if spec.kind == Kind::Echo {
        new.src_port = change.dst_port.or(change.src_port).unwrap_or(spec.src_port);
    } else {
        new.src_port = change.src_port.unwrap_or(spec.src_port);
        new.dst_port = change.dst_port.unwrap_or(spec.dst_port);
    }
    let transport_len = if spec.kind == Kind::Tcp { spec.tcp.header_len() } else { 8 };
    new.dont_fragment = 20 + transport_len + segment_len.min(spec.payload.len()) > 1260;
    new.identification = if new.dont_fragment { 0 } else { IDENTIFICATION };
    new
}

fn plain(frame: &FrameBuf) -> FrameBuf {
    FrameBuf::with_vnet(&frame.vnet(), &without_flow_label(frame.ethernet().to_vec()))
}

fn random_spec(rng: &mut Rng) -> Spec {
    let (is_ipv6, kind) = (rng.flip(), rng.kind());
    // On both sides of the length from which IPv4 packets are not fragmented.
    let payload_len = if rng.below(4) == 0 { 1200 + rng.below(60) } else { rng.below(40) };
    let mut spec = rng.spec(is_ipv6, kind, payload_len);
    spec.dont_fragment = rng.flip();
    spec.tcp.set_options_raw(&rng.bytes(20)).unwrap();
    spec
}

#[test]
fn a_translated_frame_is_the_frame_built_in_the_other_family() {
    let mut rng = Rng::new(90);
    for case in 0..10_000 {
        let spec = random_spec(&mut rng);
        let change = random_translation(&mut rng, !spec.src.is_ipv6());
        let translated = apply(&spec.frame(), &change).unwrap();
        let expected = counterpart(&spec, &change, usize::MAX);
        assert_eq!(translated, plain(&expected.frame()), "case {case}: {spec:?} {change:?}");
        assert_sound(translated.ethernet());
    }
}

#[test]
fn a_partial_checksum_stays_partial_and_right() {
    let mut rng = Rng::new(91);
    for case in 0..10_000 {
        let spec = random_spec(&mut rng);
        if spec.kind == Kind::Echo {
            continue;
        }
        let change = random_translation(&mut rng, !spec.src.is_ipv6());
        let mut translated = apply(&spec.partial(), &change).unwrap();
        let expected = counterpart(&spec, &change, usize::MAX);
        assert_eq!(translated, plain(&expected.partial()), "case {case}: {spec:?} {change:?}");
        complete(&mut translated.as_mut());
        assert_eq!(translated, plain(&expected.frame()), "case {case}: {spec:?} {change:?}");
    }
}

#[test]
fn a_frame_there_and_back_is_the_same_frame() {
    let mut rng = Rng::new(92);
    for case in 0..10_000 {
        let mut spec = random_spec(&mut rng);
        let there = random_translation(&mut rng, !spec.src.is_ipv6());
        // What IPv6 cannot carry: IPv4 packets as translation makes them.
        let canonical = counterpart(&spec, &there, usize::MAX);
        (spec.dont_fragment, spec.identification) = (canonical.dont_fragment, canonical.identification);
        for frame in [spec.frame(), spec.partial()].iter().take(if spec.kind == Kind::Echo { 1 } else { 2 }) {
            let translated = apply(&apply(frame, &there).unwrap(), &back(&spec)).unwrap();
            assert_eq!(translated, plain(frame), "case {case}: {spec:?} {there:?}");
        }
    }
}

#[test]
fn a_superframe_stays_one_and_becomes_the_same_segments() {
    let mut rng = Rng::new(93);
    for case in 0..400 {
        let (is_ipv6, kind) = (rng.flip(), if rng.flip() { Kind::Tcp } else { Kind::Udp });
        let (payload_len, gso_size) = (1 + rng.below(20_000), 500 + rng.below(1500));
        let spec = rng.spec(is_ipv6, kind, payload_len);
        let change = random_translation(&mut rng, !is_ipv6);
        let expected = counterpart(&spec, &change, gso_size);
        let gso_size = u16::try_from(gso_size).unwrap();
        let gso = |is_ipv6| match kind {
            Kind::Udp => Gso::UdpL4,
            _ if is_ipv6 => Gso::TcpV6,
            _ => Gso::TcpV4,
        };
        let superframe = spec.superframe(gso(is_ipv6), gso_size);
        let translated = apply(&superframe, &change).unwrap();
        let mut expected = plain(&expected.superframe(gso(!is_ipv6), gso_size));
        let hint = if is_ipv6 { 34 } else { 74.min(u16::try_from(expected.ethernet().len()).unwrap()) };
        let vnet = VnetHeader { hdr_len: hint, ..expected.vnet() };
        expected.as_mut().set_vnet(&vnet);
        assert_eq!(translated, expected, "case {case}: {spec:?} {change:?}");
        assert_eq!(ip(&translated).dont_fragment, !is_ipv6 || ip(&translated).largest_segment > 1260);

        // Cutting and translating, in either order.
        let payloads = |frames: &[FrameBuf]| -> Vec<Vec<u8>> {
            frames
                .iter()
                .map(|frame| frame.ethernet()[usize::from(ip(frame).transport_offset)..].to_vec())
                .collect()
        };
        let early: Vec<FrameBuf> = crate::segments(superframe.bytes())
            .unwrap()
            .iter()
            .map(|segment| apply(segment, &change).unwrap())
            .collect();
        let late = crate::segments(translated.bytes()).unwrap();
        assert_eq!(payloads(&early), payloads(&late), "case {case}");
        late.iter().for_each(|segment| assert_sound(segment.ethernet()));
    }
}

#[test]
fn the_class_of_traffic_is_kept() {
    let mut rng = Rng::new(94);
    for is_ipv6 in [false, true] {
        for class in [0u8, 0xb8, 0x03, 0xff] {
            let mut ethernet = rng.spec(is_ipv6, Kind::Udp, 9).ethernet();
            if is_ipv6 {
                ethernet[14] |= class >> 4;
                ethernet[15] = class << 4 | ethernet[15] & 0xf;
            } else {
                ethernet[15] = class;
                fix_ipv4_checksum(&mut ethernet);
            }
            let change = random_translation(&mut rng, !is_ipv6);
            let translated = apply(&FrameBuf::from_ethernet(&ethernet), &change).unwrap();
            assert_eq!(ip(&translated).dscp_ecn, class);
        }
    }
}

#[test]
fn options_and_extension_headers_are_left_out() {
    let mut rng = Rng::new(95);
    let (hop_by_hop, destination): (&[u8], &[u8]) =
        (&[0, 0, 5, 2, 0, 0, 1, 0], &[0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut at_its_end = [9; 24];
    at_its_end[..4].copy_from_slice(&[0, 2, 2, 0]);
    let chains: [&[(u8, &[u8])]; 4] = [
        &[(0, hop_by_hop)],
        &[(60, destination)],
        &[(43, &at_its_end)],
        &[(0, hop_by_hop), (60, destination), (43, &at_its_end), (60, hop_by_hop)],
    ];
    for kind in [Kind::Tcp, Kind::Udp, Kind::Echo] {
        for chain in chains {
            let spec = rng.spec(true, kind, 50);
            let change = random_translation(&mut rng, false);
            let with = FrameBuf::from_ethernet(&with_extensions(&spec.ethernet(), chain));
            assert!(ip(&with).has_options);
            assert_eq!(apply(&with, &change), apply(&spec.frame(), &change), "{chain:?}");
            if kind == Kind::Echo {
                continue;
            }
            let partial = spec.partial();
            let shift = u16::try_from(with.ethernet().len() - partial.ethernet().len()).unwrap();
            let vnet = VnetHeader { csum_start: 54 + shift, ..partial.vnet() };
            let with = FrameBuf::with_vnet(&vnet, &with_extensions(partial.ethernet(), chain));
            assert_eq!(apply(&with, &change), apply(&partial, &change), "{chain:?}");
        }
        let spec = rng.spec(false, kind, 50);
        let change = random_translation(&mut rng, true);
        // Record route; a source route that has come to its end.
        for options in [&[7, 7, 4, 0, 0, 0, 0, 0][..], &[1, 131, 7, 8, 10, 0, 0, 9], &[1, 1, 1, 0]] {
            let with = FrameBuf::from_ethernet(&with_options(&spec.ethernet(), options));
            assert_eq!(apply(&with, &change), apply(&spec.frame(), &change), "{options:?}");
        }
    }
}

#[test]
fn ethernet_padding_is_left_out() {
    let mut rng = Rng::new(96);
    for is_ipv6 in [false, true] {
        let spec = rng.spec(is_ipv6, Kind::Echo, 3);
        let change = random_translation(&mut rng, !is_ipv6);
        let mut padded = spec.ethernet();
        padded.resize(90, 0xee);
        assert_eq!(apply(&FrameBuf::from_ethernet(&padded), &change), apply(&spec.frame(), &change));
    }
}

#[test]
fn fragments_stay_fragments_of_the_translated_datagram() {
    let mut rng = Rng::new(97);
    for kind in [Kind::Udp, Kind::Tcp] {
        let spec = Spec { dont_fragment: false, ..rng.spec(false, kind, 3000) };
        let change = random_translation(&mut rng, true);
        let pieces = fragment_ipv4(spec.frame().bytes(), 1000).unwrap();
        let mut datagram = Vec::new();
        for piece in &pieces {
            let translated = apply(piece, &change).unwrap();
            let (headers, before) = (ip(&translated), ip(piece));
            assert_eq!(
                (headers.src, headers.dst, headers.protocol),
                (change.src, change.dst, before.protocol)
            );
            let offset = u32::try_from(datagram.len()).unwrap();
            let more = before.fragment.unwrap().more;
            let identification = u32::from(spec.identification);
            assert_eq!(headers.fragment, Some(Fragment { identification, offset, more }));
            assert_eq!(headers.packet_len, before.packet_len + 28);
            datagram.extend_from_slice(&translated.ethernet()[usize::from(headers.transport_offset)..]);

            assert_eq!(apply(&translated, &back(&spec)).unwrap().ethernet()[14..], piece.ethernet()[14..]);
        }
        assert_eq!(datagram, counterpart(&spec, &change, usize::MAX).ethernet()[54..], "{kind:?}");
    }
}

#[test]
fn an_only_fragment_becomes_a_packet_that_may_be_fragmented() {
    let mut rng = Rng::new(98);
    let fragment = [0, 0, 0, 0, 0xaa, 0xbb, 0x12, 0x34];
    for kind in [Kind::Tcp, Kind::Udp, Kind::Echo] {
        let spec = rng.spec(true, kind, 1400);
        let change = random_translation(&mut rng, false);
        let frame = FrameBuf::from_ethernet(&with_extensions(&spec.ethernet(), &[(44, &fragment)]));
        let mut expected = counterpart(&spec, &change, usize::MAX);
        (expected.dont_fragment, expected.identification) = (false, 0x1234);
        assert_eq!(apply(&frame, &change), Ok(expected.frame()));
    }
}

#[test]
fn a_datagram_without_a_checksum_gets_one_on_the_way_to_ipv6() {
    let mut rng = Rng::new(99);
    for payload_len in [0, 1, 77] {
        let spec = rng.spec(false, Kind::Udp, payload_len);
        let change = random_translation(&mut rng, true);
        let mut ethernet = spec.ethernet();
        ethernet[40..42].fill(0);
        let translated = apply(&FrameBuf::from_ethernet(&ethernet), &change).unwrap();
        assert_eq!(translated, plain(&counterpart(&spec, &change, usize::MAX).frame()));
    }
}

#[test]
fn a_checksum_that_comes_out_as_zero_is_written_as_all_ones() {
    let mut rng = Rng::new(100);
    for is_ipv6 in [false, true] {
        let mut spec = rng.spec(is_ipv6, Kind::Udp, 2);
        spec.payload.fill(0);
        let change = random_translation(&mut rng, !is_ipv6);
        let at = if is_ipv6 { 34 } else { 54 } + 6;
        let checksum = counterpart(&spec, &change, usize::MAX).ethernet()[at..at + 2].to_vec();
        spec.payload.copy_from_slice(&checksum);
        let mut without = spec.ethernet();
        if !is_ipv6 {
            without[40..42].fill(0);
        }
        for frame in [spec.frame(), spec.partial(), FrameBuf::from_ethernet(&without)] {
            let mut translated = apply(&frame, &change).unwrap();
            complete(&mut translated.as_mut());
            assert_eq!(&translated.ethernet()[at..at + 2], [0xff, 0xff]);
        }
    }
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let mut rng = Rng::new(101);
    for kind in [Kind::Tcp, Kind::Udp, Kind::Echo] {
        for is_ipv6 in [false, true] {
            let spec = rng.spec(is_ipv6, kind, 40);
            let change = random_translation(&mut rng, !is_ipv6);
            let mut damaged = spec.ethernet();
            let last = damaged.len() - 1;
            damaged[last] ^= 0x10;
            let translated = apply(&FrameBuf::from_ethernet(&damaged), &change).unwrap();
            let mut expected = plain(&counterpart(&spec, &change, usize::MAX).frame());
            let last = expected.ethernet().len() - 1;
            expected.as_mut().ethernet_mut()[last] ^= 0x10;
            assert_eq!(translated, expected);
        }
    }
}

#[test]
fn the_partial_checksum_inside_a_tunnel_moves_with_it() {
    let mut rng = Rng::new(102);
    for is_ipv6 in [false, true] {
        let inner = rng.spec(false, Kind::Tcp, 30).partial();
        let mut spec = rng.spec(is_ipv6, Kind::Udp, 0);
        // VXLAN: eight bytes, then Ethernet.
        spec.payload = [&[8, 0, 0, 0, 0, 0, 1, 0][..], inner.ethernet()].concat();
        let vnet = |transport: u16| VnetHeader {
            flags: VnetFlags(VnetFlags::NEEDS_CSUM),
            csum_start: transport + 8 + 8 + 34,
            csum_offset: 16,
            ..VnetHeader::default()
        };
        let (before, after) = if is_ipv6 { (54, 34) } else { (34, 54) };
        let change = random_translation(&mut rng, !is_ipv6);
        let mut translated = apply(&FrameBuf::with_vnet(&vnet(before), &spec.ethernet()), &change).unwrap();
        let expected = without_flow_label(counterpart(&spec, &change, usize::MAX).ethernet());
        assert_eq!(translated, FrameBuf::with_vnet(&vnet(after), &expected));
        let inside = usize::from(after) + 16;
        complete(&mut translated.as_mut());
        assert_sound(&translated.ethernet()[inside..]);
        if is_ipv6 {
            continue;
        }
        // An outer checksum that is computed here covers the inner one, which must be final.
        let mut without = spec.ethernet();
        without[40..42].fill(0);
        let translated = apply(&FrameBuf::with_vnet(&vnet(before), &without), &change).unwrap();
        assert_eq!(translated.vnet(), VnetHeader::default());
        assert_sound(translated.ethernet());
        assert_sound(&translated.ethernet()[inside..]);
    }
}

#[test]
fn a_segment_size_is_lowered_on_the_way() {
    let mut rng = Rng::new(103);
    for is_ipv6 in [false, true] {
        let mut spec = rng.spec(is_ipv6, Kind::Tcp, 0);
        (spec.tcp.syn, spec.tcp.ack) = (true, false);
        spec.tcp.set_options_raw(&[1, 2, 4, 5, 180, 1, 1, 1]).unwrap();
        let change = Translation { max_segment_size: Some(1400), ..random_translation(&mut rng, !is_ipv6) };
        let mut expected = counterpart(&spec, &change, usize::MAX);
        expected.tcp.set_options_raw(&[1, 2, 4, 5, 120, 1, 1, 1]).unwrap();
        assert_eq!(apply(&spec.frame(), &change), Ok(plain(&expected.frame())));
    }
}

#[test]
fn what_has_no_counterpart_is_refused_with_its_reason() {
    use Untranslatable as No;
    let mut rng = Rng::new(104);
    let tcp6 = rng.spec(true, Kind::Tcp, 64).ethernet();
    let udp6 = rng.spec(true, Kind::Udp, 64).ethernet();
    let echo6 = rng.spec(true, Kind::Echo, 64).ethernet();
    let [udp4, echo4] = [Kind::Udp, Kind::Echo]
        .map(|kind| Spec { dont_fragment: false, ..rng.spec(false, kind, 64) }.ethernet());
    let patched = |ethernet: &[u8], patches: &[(usize, u8)]| {
        let mut ethernet = ethernet.to_vec();
        patches.iter().for_each(|(at, byte)| ethernet[*at] = *byte);
        if ethernet[12] == 8 {
            fix_ipv4_checksum(&mut ethernet);
        }
        ethernet
    };
    let mut unfinished = [9; 24];
    unfinished[..4].copy_from_slice(&[0, 2, 2, 1]);
    let first: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 7];
    let later: &[u8] = &[0, 0, 1, 0, 0, 0, 0, 7];
    let padding: &[u8] = &[0, 0, 1, 4, 0, 0, 0, 0];
    let cases = [
        ("GRE", patched(&udp6, &[(20, 47)]), No::Protocol),
        ("GRE over IPv4", patched(&udp4, &[(23, 47)]), No::Protocol),
        ("ICMP over IPv6", patched(&echo6, &[(20, 1)]), No::Protocol),
        ("ICMPv6 over IPv4", patched(&echo4, &[(23, 58)]), No::Protocol),
        (
            "a later fragment of GRE",
            with_extensions(&patched(&udp6, &[(20, 47)]), &[(44, later)]),
            No::Protocol,
        ),
        ("router solicitation", patched(&echo6, &[(54, 133)]), No::IcmpMessage),
        ("multicast listener report", patched(&echo6, &[(54, 131)]), No::IcmpMessage),
        ("timestamp", patched(&echo4, &[(34, 13)]), No::IcmpMessage),
        ("a first fragment of echo", with_extensions(&echo6, &[(44, first)]), No::IcmpFragment),
        ("a later fragment of echo", with_extensions(&echo6, &[(44, later)]), No::IcmpFragment),
        ("a first fragment of echo over IPv4", patched(&echo4, &[(20, 0x20)]), No::IcmpFragment),
        ("a later fragment of echo over IPv4", patched(&echo4, &[(21, 4)]), No::IcmpFragment),
        ("no checksum", patched(&udp4, &[(20, 0x20), (40, 0), (41, 0)]), No::FragmentWithoutChecksum),
        ("routing with segments left", with_extensions(&tcp6, &[(43, &unfinished)]), No::ExtensionHeader),
        (
            "authentication",
            with_extensions(&tcp6, &[(51, &[0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1])]),
            No::ExtensionHeader,
        ),
        ("options in a fragment", with_extensions(&udp6, &[(44, first), (60, padding)]), No::ExtensionHeader),
        ("a source route", with_options(&udp4, &[1, 131, 7, 4, 10, 0, 0, 9]), No::SourceRoute),
        ("a strict source route", with_options(&echo4, &[137, 7, 4, 10, 0, 0, 9, 0]), No::SourceRoute),
    ];
    for (name, ethernet, reason) in cases {
        let frame = FrameBuf::from_ethernet(&ethernet);
        let change = random_translation(&mut rng, !ip(&frame).is_ipv6());
        assert_eq!(apply(&frame, &change), Err(reason), "{name}");
    }
    let ufo = Spec { dont_fragment: false, ..rng.spec(false, Kind::Udp, 4000) }
        .superframe(Gso::UdpFragmentation, 1480);
    let change = random_translation(&mut rng, true);
    assert_eq!(apply(&ufo, &change), Err(No::UncutFragments));
}

#[test]
fn a_frame_of_the_new_family_or_cut_off_is_a_mistake_of_the_caller() {
    let mut rng = Rng::new(105);
    for is_ipv6 in [false, true] {
        let frame = rng.spec(is_ipv6, Kind::Udp, 20).frame();
        let headers = ip(&frame);
        let same = random_translation(&mut rng, is_ipv6);
        assert_eq!(apply(&frame, &same), Err(Untranslatable::Mismatch));
        let other = random_translation(&mut rng, !is_ipv6);
        for length in 0..frame.bytes().len() {
            let cut = translate(&frame.bytes()[..length], &headers, &other, 0);
            assert_eq!(cut, Err(Untranslatable::Mismatch), "{length}");
        }
    }
}

#[test]
fn what_is_longer_than_ipv4_allows_is_refused_and_fits_once_cut() {
    let mut rng = Rng::new(106);
    let change = random_translation(&mut rng, false);
    for (payload_len, fits) in [(65_535 - 40, true), (65_535 - 39, false), (65_535 - 20, false)] {
        let superframe = rng.spec(true, Kind::Tcp, payload_len).superframe(Gso::TcpV6, 1400);
        let translated = apply(&superframe, &change);
        assert_eq!(translated.is_ok(), fits, "{payload_len}");
        assert!(fits || translated == Err(Untranslatable::TooLong));
        assert!(
            crate::segments(superframe.bytes())
                .unwrap()
                .iter()
                .all(|segment| apply(segment, &change).is_ok())
        );
    }
    // The end of a datagram whose IPv4 length would not fit, though this piece of it does.
    let spec = rng.spec(true, Kind::Udp, 8);
    for (offset, fits) in [(65_496u16, true), (65_504, false)] {
        let [high, low] = offset.to_be_bytes();
        let last = with_extensions(&spec.ethernet(), &[(44, &[0, 0, high, low, 0, 0, 0, 7])]);
        let translated = apply(&FrameBuf::from_ethernet(&last), &change);
        assert_eq!(translated.is_ok(), fits, "{offset}: {translated:?}");
    }
    // All of IPv4 fits into IPv6.
    let longest = rng.spec(false, Kind::Udp, 65_535 - 28).partial();
    let change = random_translation(&mut rng, true);
    assert!(parse(apply(&longest, &change).unwrap().bytes()).is_ok());
}
