use super::*;
use crate::testing::{Kind, Rng, Spec, assert_sound, ip};
use crate::vnet::Gso;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const SRC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const DST: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

fn segment(rng: &mut Rng, is_ipv6: bool, payload_len: usize, flags: &str) -> Spec {
    let mut spec = rng.spec(is_ipv6, Kind::Tcp, payload_len);
    (spec.tcp.sequence_number, spec.tcp.acknowledgment_number) = (u32::MAX - 1, 0x1234_5678);
    spec.tcp.syn = flags.contains('S');
    spec.tcp.fin = flags.contains('F');
    spec.tcp.rst = flags.contains('R');
    spec.tcp.ack = flags.contains('A');
    spec.tcp.set_options_raw(&[1; 8]).unwrap();
    spec
}

#[test]
fn a_reset_has_the_numbers_that_its_receiver_accepts() {
    let acknowledged = (0x1234_5678, 0, "R");
    let cases = [
        ("S", 0, (0, u32::MAX, "RA")),
        ("S", 5, (0, 4, "RA")),
        ("F", 0, (0, u32::MAX, "RA")),
        ("SF", 1, (0, 1, "RA")),
        ("", 100, (0, 98, "RA")),
        ("A", 0, acknowledged),
        ("A", 100, acknowledged),
        ("SA", 0, acknowledged),
        ("FA", 3, acknowledged),
    ];
    let mut rng = Rng::new(85);
    for (flags, payload_len, (sequence, acknowledgment, expected)) in cases {
        for is_ipv6 in [false, true] {
            let spec = segment(&mut rng, is_ipv6, payload_len, flags);
            let mut padded = spec.frame().into_bytes();
            padded.resize(padded.len() + 7, 0xee);
            for original in [spec.frame().into_bytes(), spec.partial().into_bytes(), padded] {
                let reset = tcp_reset(SRC, DST, &original).unwrap();
                assert_sound(reset.ethernet());
                let headers = parse(reset.bytes()).unwrap();
                assert_eq!((headers.src_mac, headers.dst_mac), (SRC, DST));
                let headers = ip(&reset);
                assert_eq!((headers.src, headers.dst, headers.payload_len), (spec.dst, spec.src, 0));
                let Transport::Tcp(tcp) = headers.transport else { panic!("{headers:?}") };
                assert_eq!((tcp.src_port, tcp.dst_port), (spec.dst_port, spec.src_port));
                assert_eq!((tcp.sequence, tcp.acknowledgment), (sequence, acknowledgment), "{flags}");
                let flag = |name, flag| if expected.contains(name) { flag } else { 0 };
                assert_eq!(tcp.flags.0, flag('R', TcpFlags::RST) | flag('A', TcpFlags::ACK), "{flags}");
                assert_eq!((tcp.window, tcp.header_len), (0, 20));
            }
        }
    }
}

#[test]
fn a_superframe_is_one_segment_of_all_its_payload() {
    let mut rng = Rng::new(86);
    let spec = segment(&mut rng, true, 30_000, "F");
    let reset = tcp_reset(SRC, DST, spec.superframe(Gso::TcpV6, 1000).bytes()).unwrap();
    let Transport::Tcp(tcp) = ip(&reset).transport else { panic!("TCP") };
    assert_eq!(tcp.acknowledgment, 30_000 + 1 - 2);
    assert_eq!(reset.vnet(), crate::vnet::VnetHeader::default());
}

#[test]
fn no_reset_answers_what_must_not_be_answered() {
    let mut rng = Rng::new(87);
    for is_ipv6 in [false, true] {
        let good = segment(&mut rng, is_ipv6, 10, "A");
        assert!(tcp_reset(SRC, DST, good.frame().bytes()).is_some());
        let (zero, group): (IpAddr, IpAddr) = if is_ipv6 {
            (Ipv6Addr::UNSPECIFIED.into(), "ff02::1".parse().unwrap())
        } else {
            (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into())
        };
        let cases = [
            segment(&mut rng, is_ipv6, 10, "R"),
            segment(&mut rng, is_ipv6, 10, "RA"),
            rng.spec(is_ipv6, Kind::Udp, 10),
            rng.spec(is_ipv6, Kind::Echo, 10),
            Spec { src: zero, ..good.clone() },
            Spec { src: group, ..good.clone() },
            Spec { dst: group, ..good.clone() },
            Spec { dst_mac: MacAddr::BROADCAST, ..good.clone() },
        ];
        for spec in cases {
            assert_eq!(tcp_reset(SRC, DST, spec.frame().bytes()), None, "{spec:?}");
        }
    }
    assert_eq!(tcp_reset(SRC, DST, &[0; 11]), None);
}

#[test]
fn of_fragments_only_a_first_one_with_an_acknowledgment_is_answered() {
    let mut rng = Rng::new(88);
    for (flags, expected) in [("A", [true, false]), ("S", [false, false])] {
        let spec = Spec { dont_fragment: false, ..segment(&mut rng, false, 100, flags) };
        let pieces = crate::fragment_ipv4(spec.frame().bytes(), 100).unwrap();
        let answered: Vec<bool> =
            pieces.iter().map(|piece| tcp_reset(SRC, DST, piece.bytes()).is_some()).collect();
        assert_eq!(answered, expected, "{flags}");
    }
}
