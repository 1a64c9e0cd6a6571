use super::*;
use crate::headers::ArpOperation;
use crate::parse::parse;
use crate::testing::{Kind, Rng, assert_sound, fix_ipv4_checksum, ip, with_options};
use std::net::Ipv4Addr;

const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const HOST: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

#[test]
fn an_arp_reply_tells_the_asker_where_its_target_is() {
    let request = Arp {
        operation: ArpOperation::Request,
        sender_mac: HOST,
        sender_ip: Ipv4Addr::new(10, 0, 0, 7),
        target_mac: MacAddr::default(),
        target_ip: Ipv4Addr::new(10, 0, 0, 1),
    };
    let reply = parse(arp_reply(&request, ROUTER).bytes()).unwrap();
    assert_eq!((reply.src_mac, reply.dst_mac), (ROUTER, HOST));
    let expected = Arp {
        operation: ArpOperation::Reply,
        sender_mac: ROUTER,
        sender_ip: request.target_ip,
        target_mac: HOST,
        target_ip: request.sender_ip,
    };
    assert_eq!(reply.body, Body::Arp(expected));
}

#[test]
fn a_neighbor_advertisement_names_its_target_and_its_flags() {
    let (router, host) = (address("fe80::1"), address("fe80::2"));
    for (flags, byte) in
        [((true, false, false), 0x80), ((false, true, false), 0x40), ((false, false, true), 0x20)]
    {
        let (is_router, solicited, overriding) = flags;
        let frame =
            neighbor_advertisement(ROUTER, HOST, router, host, router, is_router, solicited, overriding);
        assert_sound(frame.ethernet());
        let headers = ip(&frame);
        assert_eq!((headers.ttl, headers.src, headers.dst), (255, router.into(), host.into()));
        let Transport::Icmp(icmp) = headers.transport else { panic!("{headers:?}") };
        assert_eq!(icmp.message, IcmpMessage::NeighborAdvertisement { target: router });
        assert_eq!(frame.ethernet()[58], byte);
        assert_eq!(frame.ethernet()[78..], [2, 1, 2, 0, 0, 0, 0, 1]);
    }
}

#[test]
fn a_router_advertisement_carries_its_flags_and_options() {
    let prefix = PrefixInformation {
        prefix: address("2001:db8:1::"),
        len: 64,
        on_link: true,
        autonomous: false,
        valid_secs: 0x0102_0304,
        preferred_secs: 0x0506_0708,
    };
    let advertisement = RouterAdvertisement {
        managed: true,
        other: false,
        lifetime_secs: 1800,
        prefixes: &[prefix],
        mtu: Some(9001),
    };
    let frame = router_advertisement(ROUTER, HOST, address("fe80::1"), address("fe80::2"), &advertisement);
    assert_sound(frame.ethernet());
    assert_eq!(ip(&frame).ttl, 255);
    let message = &frame.ethernet()[54..];
    assert_eq!(message[..2], [134, 0]);
    assert_eq!(message[4..16], [64, 0x80, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(message[16..24], [1, 1, 2, 0, 0, 0, 0, 1]);
    assert_eq!(message[24..32], [5, 1, 0, 0, 0, 0, 0x23, 0x29]);
    assert_eq!(message[32..48], [3, 4, 64, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0]);
    assert_eq!(message[48..], address("2001:db8:1::").octets());
}

#[test]
fn an_echo_request_is_answered_with_its_own_data() {
    let mut rng = Rng::new(50);
    for is_ipv6 in [false, true] {
        for payload_len in [0, 1, 56, 1400] {
            let spec = rng.spec(is_ipv6, Kind::Echo, payload_len);
            let frame = spec.frame();
            let reply = echo_reply(frame.bytes(), &parse(frame.bytes()).unwrap()).unwrap();
            assert_sound(reply.ethernet());
            let headers = ip(&reply);
            assert_eq!((headers.src, headers.dst), (spec.dst, spec.src));
            assert_eq!(parse(reply.bytes()).unwrap().dst_mac, spec.src_mac);
            let Transport::Icmp(icmp) = headers.transport else { panic!("{headers:?}") };
            assert_eq!(icmp.icmp_type, if is_ipv6 { 129 } else { 0 });
            assert_eq!(icmp.message, IcmpMessage::Query { identifier: spec.src_port, sequence: 9 });
            let data = usize::from(headers.transport_offset) + 8;
            assert_eq!(reply.ethernet()[data..], spec.payload);
        }
    }
}

#[test]
fn an_echo_request_with_options_and_padding_is_answered_without() {
    let mut rng = Rng::new(51);
    let spec = rng.spec(false, Kind::Echo, 3);
    let mut ethernet = with_options(&spec.ethernet(), &[1, 1, 1, 0]);
    ethernet.resize(60, 0);
    let frame = FrameBuf::from_ethernet(&ethernet);
    let reply = echo_reply(frame.bytes(), &parse(frame.bytes()).unwrap()).unwrap();
    assert_sound(reply.ethernet());
    assert_eq!(reply.ethernet()[42..], spec.payload);
}

#[test]
fn damaged_echo_data_does_not_come_back_as_good() {
    let mut rng = Rng::new(52);
    let mut ethernet = rng.spec(false, Kind::Echo, 20).ethernet();
    ethernet[50] ^= 1;
    let frame = FrameBuf::from_ethernet(&ethernet);
    let reply = echo_reply(frame.bytes(), &parse(frame.bytes()).unwrap()).unwrap();
    assert_ne!(crate::testing::slow_sum(&reply.ethernet()[34..]), 0xffff);
}

#[test]
fn nothing_but_a_whole_echo_request_is_answered() {
    let mut rng = Rng::new(53);
    let request = rng.spec(false, Kind::Echo, 64).frame();
    let headers = parse(request.bytes()).unwrap();
    let reply = echo_reply(request.bytes(), &headers).unwrap();
    let mut fragment = request.ethernet().to_vec();
    fragment[20] = 0x20;
    fix_ipv4_checksum(&mut fragment);
    for frame in [reply, FrameBuf::from_ethernet(&fragment), rng.spec(false, Kind::Udp, 64).frame()] {
        assert_eq!(echo_reply(frame.bytes(), &parse(frame.bytes()).unwrap()), None);
    }
}
