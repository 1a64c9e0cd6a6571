use super::*;
use crate::testing::{Kind, Rng, assert_sound, ip};

#[test]
fn a_tcp_superframe_becomes_segments_that_carry_its_bytes_in_order() {
    let mut rng = Rng::new(20);
    for case in 0..400 {
        let is_ipv6 = rng.flip();
        let gso = if is_ipv6 { Gso::TcpV6 } else { Gso::TcpV4 };
        let (gso_size, payload_len) = (500 + rng.below(1500), 1 + rng.below(20_000));
        let mut spec = rng.spec(is_ipv6, Kind::Tcp, payload_len);
        // The sequence number wraps within some of them.
        spec.tcp.sequence_number = u32::MAX - 5000;
        (spec.tcp.fin, spec.tcp.psh, spec.tcp.cwr) = (true, true, true);
        spec.tcp.set_options_raw(&[1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        spec.identification = 0xfffe;
        let superframe = spec.superframe(gso, u16::try_from(gso_size).unwrap());
        let whole = ip(&superframe);
        let cut = segments(superframe.bytes()).unwrap();
        assert_eq!(cut.len(), payload_len.div_ceil(gso_size), "case {case}");

        let mut payload = Vec::new();
        for (index, segment) in cut.iter().enumerate() {
            assert_sound(segment.ethernet());
            assert_eq!(segment.vnet(), VnetHeader::default());
            let headers = ip(segment);
            let Transport::Tcp(tcp) = headers.transport else { panic!("{headers:?}") };
            assert!(headers.packet_len <= whole.largest_segment);
            assert_eq!(tcp.sequence, spec.tcp.sequence_number.wrapping_add(len32(payload.len())));
            let is_last = index + 1 == cut.len();
            assert_eq!((tcp.flags.fin(), tcp.flags.0 & TcpFlags::PSH != 0), (is_last, is_last));
            assert_eq!(tcp.flags.0 & TcpFlags::CWR != 0, index == 0);
            assert!(tcp.flags.ack());
            if !is_ipv6 {
                let identification = be16(segment.ethernet(), 18).unwrap();
                assert_eq!(identification, 0xfffeu16.wrapping_add(u16::try_from(index).unwrap()));
            }
            let start = usize::from(headers.transport_offset) + usize::from(tcp.header_len);
            payload.extend_from_slice(&segment.ethernet()[start..]);
        }
        assert_eq!(payload, spec.payload, "case {case}");
        assert_eq!(cut.iter().map(|segment| ip(segment).packet_len).max(), Some(whole.largest_segment));
    }
}

#[test]
fn a_udp_superframe_becomes_datagrams_of_the_segment_size() {
    let mut rng = Rng::new(21);
    for is_ipv6 in [false, true] {
        let spec = rng.spec(is_ipv6, Kind::Udp, 3500);
        let superframe = spec.superframe(Gso::UdpL4, 1000);
        let cut = segments(superframe.bytes()).unwrap();
        let lengths: Vec<u32> = cut.iter().map(|datagram| ip(datagram).payload_len).collect();
        assert_eq!(lengths, [1000, 1000, 1000, 500]);
        let headers_len = if is_ipv6 { 62 } else { 42 };
        let payload: Vec<u8> =
            cut.iter().flat_map(|datagram| datagram.ethernet()[headers_len..].to_vec()).collect();
        assert_eq!(payload, spec.payload);
        for datagram in &cut {
            assert_sound(datagram.ethernet());
        }
        assert_eq!(ip(&superframe).largest_segment, u32::try_from(headers_len).unwrap() - 14 + 1000);
    }
}

#[test]
fn a_datagram_to_be_fragmented_becomes_fragments_of_one_checksummed_datagram() {
    let mut rng = Rng::new(22);
    let mut spec = rng.spec(false, Kind::Udp, 4000);
    spec.dont_fragment = false;
    let superframe = spec.superframe(Gso::UdpFragmentation, 1480);
    assert_eq!(ip(&superframe).largest_segment, 1500);
    let cut = segments(superframe.bytes()).unwrap();
    let lengths: Vec<u32> = cut.iter().map(|fragment| ip(fragment).packet_len).collect();
    assert_eq!(lengths, [1500, 1500, 20 + 4008 - 2 * 1480]);
    let datagram: Vec<u8> = cut.iter().flat_map(|fragment| fragment.ethernet()[34..].to_vec()).collect();
    assert_eq!(datagram, spec.ethernet()[34..]);
}

#[test]
fn a_frame_that_is_no_superframe_comes_back_with_its_checksum_completed() {
    let mut rng = Rng::new(23);
    let spec = rng.spec(true, Kind::Udp, 77);
    assert_eq!(segments(spec.partial().bytes()).unwrap(), [spec.frame()]);
    assert_eq!(segments(spec.frame().bytes()).unwrap(), [spec.frame()]);
}

#[test]
fn a_superframe_without_payload_is_one_segment() {
    let mut rng = Rng::new(24);
    let spec = rng.spec(false, Kind::Tcp, 0);
    assert_eq!(segments(spec.superframe(Gso::TcpV4, 1448).bytes()).unwrap(), [spec.frame()]);
}

#[test]
fn padding_behind_a_superframe_is_not_payload() {
    let mut rng = Rng::new(25);
    let spec = rng.spec(false, Kind::Tcp, 1001);
    let mut bytes = spec.superframe(Gso::TcpV4, 1000).into_bytes();
    bytes.extend_from_slice(&[0; 9]);
    let lengths: Vec<u32> = segments(&bytes).unwrap().iter().map(|segment| ip(segment).payload_len).collect();
    assert_eq!(lengths, [1000, 1]);
}
