//! Do packets of real kernels go where the topology says?

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use serde_json::json;
use vpclab_tap::probe::{PingOutcome, TcpResponder, UdpResponder, ping};

use crate::fixture::{Lab, SILENCE, address, echoes, live, pings, socket, topology, wait_until};

#[test]
fn instances_reach_exactly_whom_their_groups_allow() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    for (from, to, passes) in [
        ("a", "10.7.1.11", true),
        ("b", "10.7.1.10", true),
        ("a", "2001:db8:7:1::5", true),
        ("a", "10.7.2.10", false),
        ("c", "10.7.1.10", true),
        ("c", "10.7.1.11", false),
        ("out", "203.0.113.77", true),
        ("a", "198.51.100.9", true),
        ("b", "198.51.100.9", false),
    ] {
        assert_eq!(lab.pings(from, to), passes, "{from} to {to}");
    }
    let counters = lab.client.counters().unwrap();
    let dropped = |port: &str, reason: &str| {
        counters.dropped.iter().any(|drop| drop.port == port && drop.reason == reason && drop.frames > 0)
    };
    assert!(dropped("a", "security-group"), "{counters:?}");
    assert!(dropped("b", "no-public-address"), "{counters:?}");
    assert_eq!(counters.write_failures, 0);
    assert!(counters.devices.iter().any(|device| device.port == "out" && device.sent > 0), "{counters:?}");
}

#[test]
fn an_instance_finds_its_own_names_addresses_and_resolver() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let state = lab.client.instance("a").unwrap();
    let file = |name: &str| {
        let (host, _) = state.attachment.files.iter().find(|(_, inside)| inside.ends_with(name)).unwrap();
        std::fs::read_to_string(host).unwrap()
    };
    assert_eq!(file("resolv.conf"), "search ec2.internal\nnameserver 10.7.0.2\n");
    assert_eq!(file("hostname"), "a\n");
    assert!(file("hosts").contains("10.7.1.10 a\n"));
    assert_eq!(state.interfaces[0].public_ips["10.7.1.10"], "203.0.113.77");
    assert_eq!(state.interfaces[0].device, "eth0");
    assert_eq!(lab.client.instance(&state.id).unwrap(), state);
    let link = lab.ip("a", "link show eth0");
    assert!(link.contains("mtu 9001") && link.contains(&format!("alias vpclab:{}:eni-", lab.name)), "{link}");
    assert!(lab.ip("a", "route show default").contains("via 10.7.1.1 dev eth0"));
    let link = lab.ip("out", "link show eth0");
    assert!(link.contains("mtu 1500"), "{link}");
}

#[test]
fn a_stream_passes_with_and_without_offloads() {
    if !live() {
        return;
    }
    for plain in [false, true] {
        let lab = Lab::start(&topology(), if plain { &["plain"] } else { &[] });
        let _responder = TcpResponder::start(&lab.netns("b"), socket("10.7.1.11:7000")).unwrap();
        let payload: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        assert!(echoes(&lab.netns("a"), socket("10.7.1.11:7000"), &payload), "plain: {plain}");
        assert_eq!(lab.client.counters().unwrap().write_failures, 0, "plain: {plain}");
    }
}

#[test]
fn a_reply_leaves_by_the_interface_that_owns_its_source() {
    if !live() {
        return;
    }
    let mut topology = topology();
    topology["network_interfaces"] = json!({
        "m0": { "subnet": "one", "private_ip": "10.7.1.20", "security_groups": ["friends"] },
        "m1": { "subnet": "two", "private_ip": "10.7.2.20", "security_groups": ["friends"] } });
    topology["instances"]["multi"] = json!({ "network_interfaces": [
        { "network_interface": "m0", "device_index": 0 }, { "network_interface": "m1", "device_index": 1 } ] });
    let lab = Lab::up(&topology);
    let rules = lab.ip("multi", "rule show");
    assert!(rules.contains("from 10.7.2.20 lookup 101"), "{rules}");
    assert!(lab.pings("a", "10.7.1.20"), "the primary interface");
    assert!(lab.pings("a", "10.7.2.20"), "a reply by the primary interface would be spoofed");
    let state = lab.client.instance("multi").unwrap();
    let devices: Vec<&str> = state.interfaces.iter().map(|interface| interface.device.as_str()).collect();
    assert_eq!(devices, ["eth0", "eth1"]);
}

#[test]
fn a_swap_loses_no_packet() {
    if !live() {
        return;
    }
    const DATAGRAMS: usize = 4000;
    let lab = Lab::up(&topology());
    // The swaps make `c` and its device anew, which then has counted nothing.
    let lost = || {
        let devices = lab.client.counters().unwrap().devices;
        devices.iter().filter(|device| device.port != "c").map(|device| device.kernel_dropped).sum::<u64>()
    };
    let before = lost();
    let receiver = UdpResponder::start(&lab.netns("b"), socket("10.7.1.11:7001")).unwrap();
    let sender = lab.netns("a").run(|| UdpSocket::bind("10.7.1.10:0").unwrap()).unwrap();
    thread::scope(|scope| {
        let pacing = scope.spawn(|| {
            for _ in 0..DATAGRAMS {
                sender.send_to(b"x", "10.7.1.11:7001").unwrap();
                thread::sleep(Duration::from_micros(200));
            }
        });
        let mut swaps = 0;
        while !pacing.is_finished() {
            let changed = if swaps % 2 == 0 { crate::fixture::without(topology(), "c") } else { topology() };
            lab.put(&changed);
            swaps += 1;
        }
        assert!(swaps >= 3, "only {swaps} swaps happened meanwhile");
    });
    thread::sleep(SILENCE);
    assert_eq!((receiver.seen().len(), lost() - before), (DATAGRAMS, 0), "{:?}", lab.client.counters());
}

#[test]
fn a_device_that_is_taken_away_does_not_hurt_its_neighbours() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    lab.ip("c", "link delete eth0");
    assert!(lab.pings("a", "10.7.1.11"));
    assert!(matches!(
        ping(&lab.netns("a"), None, address("10.7.2.10"), SILENCE).unwrap(),
        PingOutcome::TimedOut
    ));
    wait_until("it is told", || !lab.client.instance("c").unwrap().warnings.is_empty());
    let warnings = lab.client.instance("c").unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("has lost its device eth0"), "{warnings:?}");
    // The next change plugs it in again.
    lab.put(&topology());
    assert_eq!(lab.client.instance("c").unwrap().warnings, Vec::<String>::new());
    assert!(lab.pings("c", "10.7.1.10"));
}

#[test]
fn a_guest_that_turns_its_device_inside_out_hurts_nobody_else() {
    if !live() {
        return;
    }
    let lab = Lab::up(&topology());
    let receiver = UdpResponder::start(&lab.netns("b"), socket("10.7.1.11:7002")).unwrap();
    let sender = lab.netns("a").run(|| UdpSocket::bind("10.7.1.10:0").unwrap()).unwrap();
    let hostile = lab.netns("c");
    let tricks = [
        "link set eth0 down",
        "link set eth0 name up2no",
        "link set up2no mtu 68",
        "link set up2no address 02:00:00:00:00:66",
        "link set up2no up",
        "address flush dev up2no",
        "address add 10.7.1.11/24 dev up2no",
        "link set up2no txqueuelen 1",
        "link set up2no mtu 65521",
        "link set up2no down",
        "link set up2no name eth0",
        "link set eth0 up",
    ];
    let mut sent = 0;
    for trick in tricks.iter().chain(&tricks) {
        crate::fixture::ip(&hostile, trick);
        // It speaks as it is, and is spoken to.
        let _ = ping(&hostile, None, address("10.7.1.10"), Duration::from_millis(20));
        let _ = ping(&lab.netns("a"), None, address("10.7.2.10"), Duration::from_millis(20));
        sender.send_to(b"x", "10.7.1.11:7002").unwrap();
        sent += 1;
    }
    thread::sleep(SILENCE);
    assert_eq!(receiver.seen().len(), sent, "the others' traffic goes on");
    assert!(pings(&lab.netns("a"), "10.7.1.11"));
    assert_eq!(lab.client.health().unwrap().status, "ok");
    assert!(lab.client.apply(&vpclab_model::Document::from(topology())).is_ok());
}
