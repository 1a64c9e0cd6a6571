use std::net::Ipv4Addr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, IpRepr, TcpControl, TcpPacket,
    TcpRepr, TcpSeqNumber,
};
use vpclab_wire::segments;

use super::*;

fn segment(sequence: i32, payload: &[u8], control: TcpControl) -> Vec<u8> {
    let (src, dst) =
        (IpAddress::from(Ipv4Addr::new(10, 0, 0, 1)), IpAddress::from(Ipv4Addr::new(10, 0, 0, 2)));
    let tcp = TcpRepr {
        src_port: 4000,
        dst_port: 80,
        control,
        seq_number: TcpSeqNumber(sequence),
        ack_number: Some(TcpSeqNumber(7)),
        window_len: 1000,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload,
    };
    let checksums = ChecksumCapabilities::default();
    let ip = IpRepr::new(src, dst, IpProtocol::Tcp, tcp.buffer_len(), 64);
    let mut bytes = vec![0; ETHERNET_LEN + ip.buffer_len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    frame.set_src_addr(EthernetAddress([2, 0, 0, 0, 0, 1]));
    frame.set_dst_addr(EthernetAddress([2, 0, 0, 0, 0, 2]));
    frame.set_ethertype(EthernetProtocol::Ipv4);
    ip.emit(frame.payload_mut(), &checksums);
    tcp.emit(&mut TcpPacket::new_unchecked(&mut bytes[ETHERNET_LEN + 20..]), &src, &dst, &checksums);
    bytes
}

#[test]
fn consecutive_segments_become_one_superframe_and_cutting_gives_them_back() {
    let sent = vec![
        segment(100, &[1; 1000], TcpControl::None),
        segment(1100, &[2; 1000], TcpControl::None),
        segment(2100, &[3; 500], TcpControl::Psh),
    ];
    let frames = offloaded(sent.clone());
    let [frame] = &frames[..] else { panic!("{} frames", frames.len()) };
    assert_eq!((frame.vnet().gso, frame.vnet().gso_size), (Gso::TcpV4, 1000));
    let headers = parse(frame.bytes()).unwrap();
    assert!(is_right(&frame.vnet(), frame.ethernet(), &headers));
    let cut: Vec<_> = segments(frame.bytes()).unwrap().iter().map(|f| f.ethernet().to_vec()).collect();
    // smoltcp leaves the identification at zero; cutting counts it up.
    let without_identification = |frame: &[u8]| {
        let mut frame = frame.to_vec();
        frame[18..20].fill(0);
        frame[24..26].fill(0);
        frame
    };
    let strip = |frames: &[Vec<u8>]| frames.iter().map(|f| without_identification(f)).collect::<Vec<_>>();
    assert_eq!(strip(&cut), strip(&sent));
}

#[test]
fn what_is_no_continuation_starts_a_frame_of_its_own() {
    let first = || segment(100, &[1; 100], TcpControl::None);
    for (what, second) in [
        ("a gap", segment(300, &[2; 100], TcpControl::None)),
        ("a longer segment", segment(200, &[2; 101], TcpControl::None)),
        ("a SYN", segment(200, &[], TcpControl::Syn)),
        ("no payload", segment(200, &[], TcpControl::None)),
    ] {
        let frames = offloaded(vec![first(), second]);
        assert_eq!(frames.len(), 2, "{what}");
        assert!(
            frames.iter().all(|frame| frame.vnet().needs_csum() && !frame.vnet().is_superframe()),
            "{what}"
        );
    }
    let after_push = [segment(100, &[1; 100], TcpControl::Psh), segment(200, &[2; 100], TcpControl::None)];
    assert_eq!(offloaded(after_push.to_vec()).len(), 2);
}

#[test]
fn a_wrong_checksum_is_seen_whether_complete_or_partial() {
    let whole = FrameBuf::from_ethernet(&segment(1, b"payload", TcpControl::None));
    let partial = offloaded(vec![whole.ethernet().to_vec()]).remove(0);
    let superframe =
        offloaded(vec![segment(100, &[1; 100], TcpControl::None), segment(200, &[2; 100], TcpControl::None)])
            .remove(0);
    for frame in [whole, partial, superframe] {
        let headers = parse(frame.bytes()).unwrap();
        assert!(is_right(&frame.vnet(), frame.ethernet(), &headers));
        let mut spoilt = frame.ethernet().to_vec();
        spoilt[ETHERNET_LEN + 20 + TCP_CHECKSUM] ^= 1;
        assert!(!is_right(&frame.vnet(), &spoilt, &headers));
    }
}
