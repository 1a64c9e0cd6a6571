//! TAPs are where they should be, keep what they should keep, and carry frames both ways.

use std::io;
use std::time::{Duration, Instant};

use vpclab_tap::link;
use vpclab_tap::probe::{self, Ends};
use vpclab_tap::{Device, Netns, OffloadTap, PlainTap, READ_BUFFER_LEN, TapError};
use vpclab_wire::VNET_LEN;

use crate::fixture::{Namespace, TIMEOUT, config, live, mac, route, socket};

/// Waits until nobody has the TAP open: a child that another test has just forked holds a copy until its exec.
fn let_go(ns: &Namespace, name: &str) {
    let deadline = Instant::now() + TIMEOUT;
    while link::find(&ns.0, name).is_ok_and(|link| link.carrier) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The next frame that `wanted` accepts, with its virtio header.
fn next_frame(tap: &impl Device, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let (mut buffer, deadline) = (vec![0; READ_BUFFER_LEN], Instant::now() + TIMEOUT);
    while Instant::now() < deadline {
        match tap.read(&mut buffer).unwrap() {
            Some(len) if wanted(&buffer[VNET_LEN..len]) => return buffer[..len].to_vec(),
            Some(_) => {}
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    panic!("the frame did not come");
}

fn is_ethertype(frame: &[u8], ethertype: u16) -> bool {
    frame[12..14] == ethertype.to_be_bytes()
}

fn is_ipv4(frame: &[u8], protocol: u8) -> bool {
    is_ethertype(frame, 0x0800) && frame[23] == protocol
}

fn ones_complement_sum(bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}

fn send_datagram(ns: &Namespace) {
    let ends = Ends { source: None, source_port: None, destination: socket("10.0.1.9:9") };
    probe::udp_exchange(&ns.0, &ends, b"payload", Duration::ZERO).unwrap();
}

#[test]
fn a_tap_is_in_its_namespace_and_not_in_the_hosts() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let name = "vpclabtest0";
    let tap = OffloadTap::open(&ns.0, name).unwrap();
    let info = link::find(&ns.0, name).unwrap();
    assert!(info.is_tap && tap.offloads() && !info.up);
    assert!(matches!(link::find(&Netns::host().unwrap(), name), Err(link::LinkError::NotFound(_))));
    drop(tap);
    let_go(&ns, name);
    assert!(
        matches!(link::find(&ns.0, name), Err(link::LinkError::NotFound(_))),
        "it ends with its descriptor"
    );
}

#[test]
fn an_open_tap_is_busy_and_another_kind_of_link_is_none() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let first = OffloadTap::open(&ns.0, "eth0").unwrap();
    assert!(matches!(OffloadTap::open(&ns.0, "eth0"), Err(TapError::Busy(name)) if name == "eth0"));
    assert!(matches!(PlainTap::open(&ns.0, "eth0"), Err(TapError::Busy(_))));
    drop(first);
    let_go(&ns, "eth0");
    PlainTap::open(&ns.0, "eth0").unwrap();
    assert!(matches!(OffloadTap::open(&ns.0, "lo"), Err(TapError::NotATap(_))));
}

#[test]
fn a_frame_comes_after_a_virtio_header_that_describes_it() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let tap = OffloadTap::open(&ns.0, "eth0").unwrap();
    link::apply(&ns.0, &config(1)).unwrap();
    ns.ip("neigh add 10.0.1.9 lladdr 02:00:00:00:00:09 dev eth0");
    send_datagram(&ns);
    let frame = next_frame(&tap, |frame| is_ipv4(frame, 17));
    let (header, ethernet) = frame.split_at(VNET_LEN);
    assert_eq!(ethernet[..12], [mac(9).0, mac(1).0].concat());
    assert_eq!(header[0] & 1, 1, "the checksum is left to us");
    assert_eq!(u16::from_ne_bytes([header[6], header[7]]), 34, "csum_start");
    assert_eq!(u16::from_ne_bytes([header[8], header[9]]), 6, "csum_offset");
}

#[test]
fn a_frame_we_write_reaches_the_stack_and_is_answered() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let offload = OffloadTap::open(&ns.0, "eth0").unwrap();
    answers_arp_and_echo(&ns, &offload);
    drop(offload);
    let_go(&ns, "eth0");
    let plain = PlainTap::open(&ns.0, "eth0").unwrap();
    answers_arp_and_echo(&ns, &plain);
}

fn answers_arp_and_echo(ns: &Namespace, tap: &impl Device) {
    link::apply(&ns.0, &config(1)).unwrap();
    let mut arp = vec![0; VNET_LEN];
    arp.extend([0xff; 6]);
    arp.extend(mac(9).0);
    arp.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    arp.extend(mac(9).0);
    arp.extend([10, 0, 1, 9, 0, 0, 0, 0, 0, 0, 10, 0, 1, 1]);
    tap.write(&arp).unwrap();
    let reply = next_frame(tap, |frame| is_ethertype(frame, 0x0806) && frame[21] == 2);
    assert_eq!(reply[VNET_LEN + 22..VNET_LEN + 28], mac(1).0);

    let mut ip = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 1, 9, 10, 0, 1, 1];
    let sum = !ones_complement_sum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut echo = vec![8, 0, 0, 0, 0x12, 0x34, 0, 1];
    let sum = !ones_complement_sum(&echo);
    echo[2..4].copy_from_slice(&sum.to_be_bytes());
    let request = [&[0; VNET_LEN], &mac(1).0[..], &mac(9).0, &[8, 0], &ip, &echo].concat();
    tap.write(&request).unwrap();
    let reply = next_frame(tap, |frame| is_ipv4(frame, 1));
    assert_eq!(reply[VNET_LEN + 34], 0, "an echo reply");
    assert_eq!(reply[VNET_LEN + 38..VNET_LEN + 42], [0x12, 0x34, 0, 1]);
}

#[test]
fn a_persistent_tap_outlives_its_owner_with_addresses_and_routes() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let tap = OffloadTap::open(&ns.0, "eth0").unwrap();
    tap.set_persist(true).unwrap();
    let mut config = config(1);
    config.routes = vec![route("0.0.0.0/0", Some("10.0.1.2")), route("::/0", Some("2001:db8::2"))];
    link::apply(&ns.0, &config).unwrap();
    let state = || {
        [
            ns.ip("-o addr show dev eth0 scope global"),
            ns.ip("route show table all proto static"),
            ns.ip("-6 route show table all proto static"),
        ]
    };
    let before = state();
    assert!(
        before[1].contains("default via 10.0.1.2") && before[2].contains("default via 2001:db8::2"),
        "{before:?}"
    );
    drop(tap);
    let_go(&ns, "eth0");
    assert!(!link::find(&ns.0, "eth0").unwrap().carrier, "nobody is at the other end");
    let again = OffloadTap::open(&ns.0, "eth0").unwrap();
    assert!(link::find(&ns.0, "eth0").unwrap().carrier);
    assert_eq!(state(), before);
    again.set_persist(false).unwrap();
    drop(again);
    let_go(&ns, "eth0");
    assert!(matches!(link::find(&ns.0, "eth0"), Err(link::LinkError::NotFound(_))));
}

#[test]
fn a_plain_tap_that_takes_over_from_an_offloading_one_gets_finished_frames() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let offload = OffloadTap::open(&ns.0, "eth0").unwrap();
    offload.set_persist(true).unwrap();
    drop(offload);
    let_go(&ns, "eth0");
    let plain = PlainTap::open(&ns.0, "eth0").unwrap();
    plain.set_persist(false).unwrap();
    assert!(!plain.offloads());
    link::apply(&ns.0, &config(1)).unwrap();
    ns.ip("neigh add 10.0.1.9 lladdr 02:00:00:00:00:09 dev eth0");
    send_datagram(&ns);
    let frame = next_frame(&plain, |frame| is_ipv4(frame, 17));
    assert_eq!(frame[..VNET_LEN], [0; VNET_LEN]);
    let ip = &frame[VNET_LEN + 14..];
    let pseudo_header = [&ip[12..20], &[0, 17, 0, 15]].concat();
    assert_eq!(
        ones_complement_sum(&[&pseudo_header[..], &ip[20..35]].concat()),
        0xffff,
        "the checksum is summed"
    );
    let unfinished = [&[1], &frame[1..]].concat();
    assert_eq!(plain.write(&unfinished).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_full_ring_is_counted_as_kernel_drops() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let tap = OffloadTap::open(&ns.0, "eth0").unwrap();
    let mut config = config(1);
    config.txqueuelen = 8;
    link::apply(&ns.0, &config).unwrap();
    ns.ip("neigh add 10.0.1.9 lladdr 02:00:00:00:00:09 dev eth0");
    for _ in 0..50 {
        send_datagram(&ns);
    }
    assert!(link::kernel_drops(&ns.0, "eth0").unwrap().ring_full >= 30);
    drop(tap);
}
