//! Frames themselves: sizes, offloads, captures, injection.

use vpclab_engine::{Outcome, Port};
use vpclab_wire::{Body, FrameBuf, Gso, Transport, VNET_LEN, parse};

use super::{CLIENT, WEB, at, both_modes, ip, lab, shop, topology};
use crate::{Lab, LabOptions, Ping, PingOutcome, TcpDial, UdpDial, UdpOutcome};

/// The largest segments of frames that carry TCP payload, and whether any is a superframe.
fn sizes(lab: &mut Lab) -> (u32, bool) {
    let frames: Vec<_> =
        lab.take_frames().into_iter().map(|(_, frame)| FrameBuf::from_bytes(frame).unwrap()).collect();
    let largest = frames.iter().filter_map(|frame| match parse(frame.bytes()).unwrap().body {
        Body::Ip(ip) if matches!(ip.transport, Transport::Tcp(_)) => Some(ip.largest_segment),
        _ => None,
    });
    (largest.max().unwrap(), frames.iter().any(|frame| frame.vnet().gso != Gso::None))
}

#[test]
fn segments_are_as_large_as_the_path_takes_them() {
    for (offloads, mut lab) in [false, true].into_iter().zip(both_modes()) {
        for (to, mtu) in
            [("10.0.2.10:443", 9001), ("198.51.100.7:443", 1500), ("[2001:db8:ffff::7]:443", 1500)]
        {
            let dial = TcpDial::new(at(to)).with_payload(vec![7; 200_000]);
            assert!(lab.tcp(WEB, &dial).unwrap().is_success(), "{to}");
            assert_eq!(sizes(&mut lab), (mtu, offloads), "{to}");
        }
    }
}

#[test]
fn large_datagrams_go_in_fragments() {
    for mut lab in both_modes() {
        let ping = lab.ping(WEB, &Ping { size: 12_000, ..Ping::new(ip("10.0.2.10")) }).unwrap();
        assert!(ping.is_success(), "{ping:?}");
        let udp = lab.udp(WEB, &UdpDial::new(at("10.0.2.10:53"), vec![3; 12_000])).unwrap();
        assert!(udp.is_success(), "{udp:?}");
    }
}

#[test]
fn fragments_come_in_from_the_internet_and_the_large_answer_does_not_fit_out() {
    for mut lab in both_modes() {
        let udp = lab.udp(CLIENT, &UdpDial::new(at("203.0.113.10:53"), vec![3; 4_000])).unwrap();
        // smoltcp forbids fragmentation of what fits its own MTU of 9001, and does not learn the path's.
        assert_eq!(udp, UdpOutcome::TimedOut { request_arrived: true });
        let frames = lab.take_frames();
        let too_big = frames.iter().filter(|(port, frame)| {
            let Body::Ip(packet) = parse(frame).unwrap().body else { return false };
            let is_error =
                matches!(packet.transport, Transport::Icmp(icmp) if (icmp.icmp_type, icmp.code) == (3, 4));
            is_error && lab.ports(WEB).unwrap().contains(port)
        });
        assert_eq!(too_big.count(), 1);
    }
}

#[test]
fn a_packet_too_large_for_the_internet_is_reported_to_its_sender() {
    let outcome = lab().ping(WEB, &Ping { size: 4_000, ..Ping::new(ip("198.51.100.7")) }).unwrap();
    let PingOutcome::Unreachable(error) = outcome else { panic!("{outcome:?}") };
    assert_eq!((error.from, error.icmp_type, error.code), (ip("10.0.1.1"), 3, 4));
}

#[test]
fn an_injected_frame_leaves_by_itself_and_no_guest_touches_it() {
    let topology = topology(shop());
    let mut with_guests = Lab::new(&topology, LabOptions { record_frames: true, ..LabOptions::default() });
    assert!(with_guests.ping(WEB, &Ping::new(ip("10.0.2.10"))).unwrap().is_success());
    let request = with_guests.take_frames().into_iter().map(|(_, frame)| frame).find(
        |frame| matches!(parse(frame).unwrap().body, Body::Ip(packet) if packet.dst == ip("10.0.2.10")),
    );
    let mut request = request.unwrap();
    let mut lab = Lab::new(&topology, LabOptions { guests: false, ..LabOptions::default() });
    let [web] = lab.ports(WEB).unwrap()[..] else { panic!("one interface") };
    let Port::Interface(eni) = web else { panic!("an interface") };
    // As `web` sent it: from its own address to its router's.
    let (own, router) = (lab.fabric().enis[eni].mac, lab.fabric().router_of(eni).mac);
    request[VNET_LEN..VNET_LEN + 6].copy_from_slice(&router.0);
    request[VNET_LEN + 6..VNET_LEN + 12].copy_from_slice(&own.0);
    let [db] = lab.ports(super::DB).unwrap()[..] else { panic!("one interface") };
    assert_eq!(lab.inject(web, &request), Outcome::Forwarded(db));
    lab.advance(std::time::Duration::from_secs(60));
    let frames = lab.take_frames();
    assert_eq!(frames.iter().map(|(port, _)| *port).collect::<Vec<_>>(), [db]);
    assert!(lab.take_frames().is_empty());
    assert_eq!(lab.engine().counters().received, 1);
    assert!(matches!(lab.inject(web, &[0; 3]), Outcome::Dropped(_)));
}

#[test]
fn a_wrong_checksum_on_arrival_is_counted_and_the_stack_drops_it() {
    for offloads in [false, true] {
        let options = LabOptions { record_frames: true, offloads, ..LabOptions::default() };
        let mut lab = Lab::new(&topology(shop()), options);
        assert!(lab.udp(WEB, &UdpDial::new(at("10.0.2.10:53"), "hello")).unwrap().is_success());
        let request = lab.take_frames().into_iter().map(|(_, frame)| frame).find(|frame| {
            matches!(parse(frame).unwrap().body,
                Body::Ip(packet) if matches!(packet.transport, Transport::Udp { dst_port: 53, .. }))
        });
        let mut request = request.unwrap();
        let [web] = lab.ports(WEB).unwrap()[..] else { panic!("one interface") };
        let Port::Interface(eni) = web else { panic!("an interface") };
        let (own, router) = (lab.fabric().enis[eni].mac, lab.fabric().router_of(eni).mac);
        request[VNET_LEN..VNET_LEN + 6].copy_from_slice(&router.0);
        request[VNET_LEN + 6..VNET_LEN + 12].copy_from_slice(&own.0);
        let checksum = VNET_LEN + 14 + 20 + 6;
        request[checksum] ^= 0x40;
        assert!(matches!(lab.inject(web, &request), Outcome::Forwarded(_)));
        lab.advance(std::time::Duration::from_secs(1));
        let counters = lab.guest_counters(super::DB).unwrap();
        // A partial checksum that was wrong is completed to a wrong one.
        assert_eq!(counters.wrong_checksums, 1, "offloads: {offloads}");
    }
}

#[test]
fn a_capture_holds_whole_frames_with_virtual_timestamps() {
    let directory = tempfile::tempdir().unwrap();
    let (all, one) = (directory.path().join("all.pcap"), directory.path().join("one.pcap"));
    let mut lab = lab();
    lab.advance(std::time::Duration::from_secs(1000));
    lab.capture(&all, None).unwrap();
    lab.capture(&one, Some(CLIENT)).unwrap();
    assert!(
        lab.tcp(CLIENT, &TcpDial::new(at("203.0.113.10:80")).with_payload("GET /")).unwrap().is_success()
    );
    assert!(lab.capture(&all, Some(crate::GuestRef::Host("nobody"))).is_err());
    lab.finish_captures().unwrap();
    let (all, one) = (packets(&all), packets(&one));
    assert!(all.len() > one.len() && one.len() > 6, "{} {}", all.len(), one.len());
    for (secs, frame) in &one {
        assert_eq!(*secs, 1000);
        let headers = parse(FrameBuf::from_ethernet(frame).bytes()).unwrap();
        if let Body::Ip(packet) = headers.body {
            let public = [ip("198.51.100.7"), ip("203.0.113.10")];
            assert!(packet.src.is_ipv6() || public.contains(&packet.src) && public.contains(&packet.dst));
        }
    }
}

/// Seconds and bytes of each packet in a capture.
fn packets(path: &std::path::Path) -> Vec<(u32, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(bytes[..8], [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0]);
    assert_eq!(bytes[20..24], [1, 0, 0, 0]);
    let mut rest = &bytes[24..];
    let mut packets = Vec::new();
    while let Some((header, after)) = rest.split_at_checked(16) {
        let field = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        assert_eq!(field(8), field(12));
        let (frame, after) = after.split_at(field(8) as usize);
        packets.push((field(0), frame.to_vec()));
        rest = after;
    }
    assert!(rest.is_empty());
    packets
}
