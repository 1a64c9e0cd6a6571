use super::*;
use crate::testing::{Kind, Rng, Spec, assert_sound, ip};
use crate::{Translation, ipv4_to_ipv6};
use std::net::{Ipv4Addr, Ipv6Addr};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn about(kind: IcmpErrorKind, spec: &Spec) -> Option<FrameBuf> {
    let router =
        if spec.src.is_ipv6() { IpAddr::V6("fe80::1".parse().unwrap()) } else { [10, 0, 0, 1].into() };
    icmp_error(kind, MAC, spec.src_mac, router, spec.frame().bytes())
}

#[test]
fn an_error_goes_to_the_sender_and_quotes_the_packet() {
    use IcmpErrorKind as Kind_;
    let mut rng = Rng::new(40);
    let cases = [
        (Kind_::NetworkUnreachable, Some((3, 0, 0)), Some((1, 0, 0))),
        (Kind_::HostUnreachable, Some((3, 1, 0)), Some((1, 3, 0))),
        (Kind_::PortUnreachable, Some((3, 3, 0)), Some((1, 4, 0))),
        (Kind_::AdministrativelyProhibited, Some((3, 13, 0)), Some((1, 1, 0))),
        (Kind_::FragmentationNeeded { mtu: 1500 }, Some((3, 4, 1500)), None),
        (Kind_::PacketTooBig { mtu: 8500 }, None, Some((2, 0, 8500))),
        (Kind_::TimeExceeded, Some((11, 0, 0)), Some((3, 0, 0))),
    ];
    for (kind, v4, v6) in cases {
        for (is_ipv6, expected) in [(false, v4), (true, v6)] {
            let spec = rng.spec(is_ipv6, Kind::Tcp, 100);
            let Some((icmp_type, code, word)) = expected else {
                assert_eq!(about(kind, &spec), None, "{kind:?}");
                continue;
            };
            let error = about(kind, &spec).unwrap();
            assert_sound(error.ethernet());
            let headers = ip(&error);
            assert_eq!(headers.dst, spec.src);
            let Transport::Icmp(icmp) = headers.transport else { panic!("{headers:?}") };
            assert_eq!((icmp.icmp_type, icmp.code), (icmp_type, code), "{kind:?}");
            let at = usize::from(headers.transport_offset);
            assert_eq!(crate::bytes::be32(error.ethernet(), at + 4), Some(word));
            let IcmpMessage::Error { embedded: Some(embedded) } = icmp.message else { panic!("{icmp:?}") };
            assert_eq!((embedded.src, embedded.dst), (spec.src, spec.dst));
            assert_eq!(embedded.ports, Some((spec.src_port, spec.dst_port)));
            assert_eq!(error.ethernet()[at + 8..], spec.ethernet()[14..]);
        }
    }
}

#[test]
fn a_long_packet_is_quoted_as_far_as_the_rfcs_allow() {
    let mut rng = Rng::new(41);
    for (is_ipv6, longest) in [(false, 576), (true, 1280)] {
        let spec = rng.spec(is_ipv6, Kind::Udp, 8000);
        let error = about(IcmpErrorKind::TimeExceeded, &spec).unwrap();
        assert_eq!(ip(&error).packet_len, longest);
        assert_sound(error.ethernet());
    }
}

#[test]
fn no_error_is_sent_about_what_must_not_be_answered() {
    let mut rng = Rng::new(42);
    for is_ipv6 in [false, true] {
        let good = rng.spec(is_ipv6, Kind::Udp, 10);
        let kind = IcmpErrorKind::TimeExceeded;
        let error = about(kind, &good).unwrap();
        let router = ip(&error).src;
        assert_eq!(icmp_error(kind, MAC, MAC, router, error.bytes()), None, "an error about an error");
        let (zero, group): (IpAddr, IpAddr) = if is_ipv6 {
            (Ipv6Addr::UNSPECIFIED.into(), "ff02::1".parse().unwrap())
        } else {
            (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into())
        };
        let cases = [
            Spec { src: zero, ..good.clone() },
            Spec { src: group, ..good.clone() },
            Spec { dst: group, ..good.clone() },
            Spec { dst_mac: MacAddr::BROADCAST, ..good.clone() },
        ];
        for spec in cases {
            assert_eq!(about(kind, &spec), None, "{spec:?}");
        }
        let too_big = IcmpErrorKind::PacketTooBig { mtu: 1500 };
        let to_group = Spec { dst: group, ..good.clone() };
        assert_eq!(about(too_big, &to_group).is_some(), is_ipv6, "path MTU discovery of multicast");
    }
}

#[test]
fn no_error_is_sent_about_a_later_fragment_of_ipv4_and_one_of_ipv6_is_a_packet_like_any_other() {
    let mut rng = Rng::new(43);
    let spec = Spec { dont_fragment: false, ..rng.spec(false, Kind::Udp, 500) };
    let pieces = crate::fragment_ipv4(spec.frame().bytes(), 200).unwrap();
    let answered: Vec<bool> = pieces
        .iter()
        .map(|piece| {
            icmp_error(IcmpErrorKind::TimeExceeded, MAC, MAC, [10, 0, 0, 1].into(), piece.bytes()).is_some()
        })
        .collect();
    assert_eq!(answered, [true, false, false]);
    let addresses = Translation::new("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
    for piece in &pieces {
        let piece = ipv4_to_ipv6(piece.bytes(), &ip(piece), &addresses).unwrap();
        let router = "fe80::1".parse().unwrap();
        let error = icmp_error(IcmpErrorKind::TimeExceeded, MAC, MAC, router, piece.bytes()).unwrap();
        assert_eq!(ip(&error).dst, ip(&piece).src);
    }
}
