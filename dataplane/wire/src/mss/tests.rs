use crate::checksum::complete;
use crate::frame::FrameBuf;
use crate::rewrite::{Rewrite, rewrite};
use crate::testing::{Kind, Rng, Spec, assert_sound, ip};

const LIMIT: u16 = 1400;

/// A SYN with these options, as they stand on the wire.
fn syn(rng: &mut Rng, options: &[u8]) -> Spec {
    let (is_ipv6, payload_len) = (rng.flip(), rng.below(3));
    let mut spec = rng.spec(is_ipv6, Kind::Tcp, payload_len);
    (spec.tcp.syn, spec.tcp.ack) = (true, rng.flip());
    spec.tcp.set_options_raw(options).unwrap();
    spec
}

fn clamped(mut frame: FrameBuf) -> FrameBuf {
    let headers = ip(&frame);
    let change = Rewrite { max_segment_size: Some(LIMIT), ..Rewrite::default() };
    rewrite(&mut frame.as_mut(), &headers, &change);
    // The link always changes.
    frame.as_mut().ethernet_mut()[..12].copy_from_slice(&[2; 12]);
    frame
}

#[test]
fn a_larger_segment_size_is_lowered_and_nothing_else() {
    // 1460 is 5, 180; 1400 is 5, 120.
    let cases: [(&str, &[u8], &[u8]); 15] = [
        ("larger", &[2, 4, 5, 180], &[2, 4, 5, 120]),
        ("the largest", &[2, 4, 255, 255], &[2, 4, 5, 120]),
        ("equal", &[2, 4, 5, 120], &[2, 4, 5, 120]),
        ("smaller", &[2, 4, 2, 24], &[2, 4, 2, 24]),
        ("at an odd place", &[1, 2, 4, 5, 180, 0, 0, 0], &[1, 2, 4, 5, 120, 0, 0, 0]),
        ("at the end", &[1, 1, 1, 1, 2, 4, 5, 180], &[1, 1, 1, 1, 2, 4, 5, 120]),
        ("behind others", &[3, 3, 7, 1, 4, 2, 2, 4, 5, 180, 1, 1], &[3, 3, 7, 1, 4, 2, 2, 4, 5, 120, 1, 1]),
        ("before others", &[2, 4, 5, 180, 4, 2, 1, 1], &[2, 4, 5, 120, 4, 2, 1, 1]),
        ("twice", &[2, 4, 5, 180, 2, 4, 9, 9], &[2, 4, 5, 120, 2, 4, 5, 120]),
        ("absent", &[1, 3, 3, 7], &[1, 3, 3, 7]),
        ("no options", &[], &[]),
        ("behind the end of the list", &[0, 2, 4, 5, 180, 0, 0, 0], &[0, 2, 4, 5, 180, 0, 0, 0]),
        ("an option of length 0", &[2, 4, 5, 180, 8, 0, 1, 1], &[2, 4, 5, 180, 8, 0, 1, 1]),
        ("an option past the end", &[2, 4, 5, 180, 1, 1, 8, 10], &[2, 4, 5, 180, 1, 1, 8, 10]),
        ("of another length", &[2, 6, 5, 180, 1, 1, 1, 1], &[2, 6, 5, 180, 1, 1, 1, 1]),
    ];
    let mut rng = Rng::new(80);
    for (name, options, expected) in cases {
        for _ in 0..50 {
            let spec = syn(&mut rng, options);
            let mut lowered = spec.clone();
            lowered.tcp.set_options_raw(expected).unwrap();
            (lowered.src_mac.0, lowered.dst_mac.0) = ([2; 6], [2; 6]);
            assert_eq!(clamped(spec.frame()), lowered.frame(), "{name}");
            assert_sound(clamped(spec.frame()).ethernet());
            let mut partial = clamped(spec.partial());
            assert!(partial.vnet().needs_csum());
            complete(&mut partial.as_mut());
            assert_eq!(partial, lowered.frame(), "{name}, with a partial checksum");
        }
    }
}

#[test]
fn only_a_syn_has_a_segment_size() {
    let mut rng = Rng::new(81);
    let mut spec = syn(&mut rng, &[2, 4, 5, 180]);
    spec.tcp.syn = false;
    let mut unchanged = spec.clone();
    (unchanged.src_mac.0, unchanged.dst_mac.0) = ([2; 6], [2; 6]);
    assert_eq!(clamped(spec.frame()), unchanged.frame());
}
