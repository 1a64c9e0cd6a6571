use super::*;
use crate::testing::{Kind, Rng, assert_sound, ip, slow_sum, with_options};
use crate::vnet::Gso;

/// Puts the pieces, in any order, back at their offsets.
fn reassembled(pieces: &[FrameBuf]) -> Vec<u8> {
    let mut datagram = Vec::new();
    let mut end = None;
    for piece in pieces {
        let headers = ip(piece);
        let fragment = headers.fragment.unwrap();
        let data = &piece.ethernet()[usize::from(headers.transport_offset)..];
        let at = usize::try_from(fragment.offset).unwrap();
        let new_len = datagram.len().max(at + data.len());
        datagram.resize(new_len, 0);
        datagram[at..at + data.len()].copy_from_slice(data);
        if !fragment.more {
            assert_eq!(end.replace(at + data.len()), None, "one last fragment");
        }
    }
    assert_eq!(end, Some(datagram.len()));
    datagram
}

#[test]
fn fragments_fit_the_mtu_and_reassemble_to_the_datagram() {
    let mut rng = Rng::new(30);
    for case in 0..500 {
        let (kind, payload_len) = (rng.kind(), 100 + rng.below(9000));
        let mut spec = rng.spec(false, kind, payload_len);
        spec.dont_fragment = false;
        let mtu = 68 + u32::try_from(rng.below(1500)).unwrap();
        let frame = if kind == Kind::Echo { spec.frame() } else { spec.partial() };
        let pieces = fragment_ipv4(frame.bytes(), mtu).unwrap();
        let whole = ip(&frame);
        if whole.packet_len <= mtu {
            assert_eq!(pieces, [spec.frame()]);
            continue;
        }
        for piece in &pieces {
            let headers = ip(piece);
            assert!(headers.packet_len <= mtu, "case {case}");
            assert_eq!((headers.src, headers.dst, headers.protocol), (whole.src, whole.dst, whole.protocol));
            assert_eq!(headers.fragment.unwrap().identification, u32::from(spec.identification));
            assert_eq!(piece.vnet(), crate::vnet::VnetHeader::default());
        }
        // The last one but one is as long as the MTU allows.
        assert!(ip(&pieces[0]).packet_len + 8 > mtu);
        assert_eq!(reassembled(&pieces), spec.ethernet()[34..], "case {case}");

        // Links further on have smaller MTUs.
        let smaller: Vec<FrameBuf> = pieces
            .iter()
            .rev()
            .flat_map(|piece| fragment_ipv4(piece.bytes(), 68 + mtu / 3).unwrap())
            .collect();
        assert!(smaller.len() >= pieces.len());
        assert_eq!(reassembled(&smaller), spec.ethernet()[34..], "case {case}");
    }
}

#[test]
fn only_options_to_be_copied_are_in_every_fragment() {
    let mut rng = Rng::new(31);
    let mut spec = rng.spec(false, Kind::Udp, 300);
    spec.dont_fragment = false;
    // Record route (not copied), no operation, loose source route (copied), end.
    let options = [7, 7, 4, 0, 0, 0, 0, 1, 131, 7, 4, 10, 0, 0, 9, 0];
    let frame = FrameBuf::from_ethernet(&with_options(&spec.ethernet(), &options));
    let pieces = fragment_ipv4(frame.bytes(), 100).unwrap();
    assert!(pieces.len() > 2);
    assert_eq!(&pieces[0].ethernet()[34..50], options);
    for piece in &pieces[1..] {
        assert_eq!(piece.ethernet()[14], 0x47);
        assert_eq!(&piece.ethernet()[34..42], [131, 7, 4, 10, 0, 0, 9, 0]);
        assert_eq!(slow_sum(&piece.ethernet()[14..42]), 0xffff);
    }
    assert_eq!(reassembled(&pieces), spec.ethernet()[34..]);
}

#[test]
fn a_superframe_is_cut_into_segments_before_fragments() {
    let mut rng = Rng::new(32);
    let mut spec = rng.spec(false, Kind::Tcp, 3000);
    spec.dont_fragment = false;
    let superframe = spec.superframe(Gso::TcpV4, 1448);
    assert_eq!(fragment_ipv4(superframe.bytes(), 1500).unwrap(), segments(superframe.bytes()).unwrap());
    let pieces = fragment_ipv4(superframe.bytes(), 1000).unwrap();
    // Two segments in two fragments each, and 104 bytes that fit.
    assert_eq!(pieces.len(), 5);
    assert!(pieces.iter().all(|piece| ip(piece).packet_len <= 1000));
    assert_sound(pieces[4].ethernet());
}

#[test]
fn ipv6_is_never_fragmented_by_the_network() {
    let mut rng = Rng::new(33);
    let spec = rng.spec(true, Kind::Udp, 3000);
    assert_eq!(fragment_ipv4(spec.frame().bytes(), 1280).unwrap(), [spec.frame()]);
}

#[test]
fn an_mtu_below_the_least_of_ipv4_counts_as_the_least() {
    let mut rng = Rng::new(34);
    let spec = rng.spec(false, Kind::Udp, 200);
    assert_eq!(fragment_ipv4(spec.frame().bytes(), 0), fragment_ipv4(spec.frame().bytes(), 68));
}
