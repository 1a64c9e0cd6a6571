//! Two namespaces on a wire: probes tell the outcomes apart, over both kinds of device.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use vpclab_tap::link;
use vpclab_tap::probe::{
    self, Conversation, Ends, PingOutcome, ProbeError, TcpOutcome, TcpResponder, UdpOutcome, UdpResponder,
};

use crate::fixture::{Namespace, TIMEOUT, Wire, config, ip, live, socket};

const SHORT: Duration = Duration::from_millis(300);

fn to(destination: &str) -> Ends {
    Ends { source: None, source_port: None, destination: socket(destination) }
}

#[test]
fn both_families_converse_over_an_offloading_wire() {
    if live() {
        converse(&Wire::offload());
    }
}

#[test]
fn both_families_converse_over_a_plain_wire() {
    if live() {
        converse(&Wire::plain());
    }
}

/// Pings, connections with more bytes than a window, datagrams as large as the MTU allows and larger.
fn converse(wire: &Wire) {
    let bytes: Vec<u8> = (0..200_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    for (a, b) in [("10.0.1.1", "10.0.1.2"), ("2001:db8::1", "2001:db8::2")] {
        let PingOutcome::Replied { from, .. } = probe::ping(&wire.a.0, Some(ip(a)), ip(b), TIMEOUT).unwrap()
        else {
            panic!("no reply from {b}");
        };
        assert_eq!(from, ip(b));
        let tcp = TcpResponder::start(&wire.b.0, SocketAddr::new(ip(b), 8080)).unwrap();
        let ends = Ends { source: Some(ip(a)), source_port: Some(4000), destination: tcp.address() };
        let outcome = probe::tcp_connect(&wire.a.0, &ends, Conversation::Echo(&bytes), TIMEOUT).unwrap();
        assert!(
            matches!(outcome, TcpOutcome::Connected { local, peer, .. }
            if local == SocketAddr::new(ip(a), 4000) && peer == tcp.address()),
            "{outcome:?}"
        );
        assert_eq!(tcp.seen(), [SocketAddr::new(ip(a), 4000)]);
        let udp = UdpResponder::start(&wire.b.0, SocketAddr::new(ip(b), 5353)).unwrap();
        for size in [0, 1, 8900, 20_000] {
            let ends = Ends { source: Some(ip(a)), source_port: None, destination: udp.address() };
            let outcome = probe::udp_exchange(&wire.a.0, &ends, &bytes[..size], TIMEOUT).unwrap();
            assert!(
                matches!(outcome, UdpOutcome::Answered { ref payload, .. } if *payload == bytes[..size]),
                "{size}"
            );
        }
        assert_eq!(udp.seen().len(), 4);
    }
    assert!(link::find(&wire.a.0, "eth0").unwrap().stats.tx_packets > 10);
}

#[test]
fn a_reset_silence_and_a_missing_route_are_three_outcomes() {
    if !live() {
        return;
    }
    let wire = Wire::offload();
    // The copy reaches the other end, whose interface has another address: nobody answers.
    wire.a.ip("neigh add 10.0.1.9 lladdr 02:00:00:00:00:09 dev eth0");
    wire.a.ip("-6 neigh add 2001:db8::9 lladdr 02:00:00:00:00:09 dev eth0");
    let connect = |to_: &str| {
        let start = Instant::now();
        let outcome = probe::tcp_connect(&wire.a.0, &to(to_), Conversation::Handshake, SHORT).unwrap();
        assert!(start.elapsed() < SHORT + Duration::from_secs(1), "{to_} took {:?}", start.elapsed());
        outcome
    };
    let send = |to_: &str| probe::udp_exchange(&wire.a.0, &to(to_), b"x", SHORT).unwrap();
    let ping = |to_: &str| probe::ping(&wire.a.0, None, ip(to_), SHORT).unwrap();
    for (peer, silent, nowhere) in
        [("10.0.1.2", "10.0.1.9", "198.51.100.1"), ("[2001:db8::2]", "[2001:db8::9]", "[2001:db9::1]")]
    {
        assert_eq!(connect(&format!("{peer}:81")), TcpOutcome::Refused);
        assert_eq!(connect(&format!("{silent}:81")), TcpOutcome::TimedOut);
        assert!(matches!(connect(&format!("{nowhere}:81")), TcpOutcome::Unreachable(_)));
        let by = Some(ip(peer.trim_matches(['[', ']'])));
        assert_eq!(send(&format!("{peer}:81")), UdpOutcome::PortUnreachable { by });
        assert_eq!(send(&format!("{silent}:81")), UdpOutcome::TimedOut);
        assert!(matches!(send(&format!("{nowhere}:81")), UdpOutcome::Unreachable(_)));
        let bare = |text: &str| text.trim_matches(['[', ']']).to_owned();
        assert_eq!(ping(&bare(silent)), PingOutcome::TimedOut);
        assert!(matches!(ping(&bare(nowhere)), PingOutcome::Unreachable(_)));
    }
}

/// The kernel calls all of it a refused connection; who rejects is told by the address of the ICMP error.
#[test]
fn a_firewall_that_rejects_is_told_from_a_reset_and_by_its_address() {
    if !live() {
        return;
    }
    let wire = Wire::offload();
    wire.a.ip("route add 203.0.113.0/24 via 10.0.1.2");
    wire.b.ip("route add blackhole 203.0.113.0/24");
    let rules = "add table inet t; add chain inet t in { type filter hook prerouting priority 0; }; \
                 add chain inet t input { type filter hook input priority 0; }; \
                 add rule inet t in ip daddr 203.0.113.1 reject with icmp port-unreachable; \
                 add rule inet t input meta l4proto { tcp, udp } th dport 90 reject with icmpx port-unreachable; \
                 add rule inet t input tcp dport 91 reject with tcp reset";
    let nft = wire.b.0.run(|| Command::new("nft").arg(rules).output().unwrap()).unwrap();
    assert!(nft.status.success(), "{}", String::from_utf8_lossy(&nft.stderr));
    let connect =
        |to_: &str| probe::tcp_connect(&wire.a.0, &to(to_), Conversation::Handshake, TIMEOUT).unwrap();
    let send = |to_: &str| probe::udp_exchange(&wire.a.0, &to(to_), b"x", TIMEOUT).unwrap();
    for (peer, by) in [("10.0.1.2", "10.0.1.2"), ("[2001:db8::2]", "2001:db8::2")] {
        assert_eq!(connect(&format!("{peer}:90")), TcpOutcome::PortUnreachable { by: ip(by) });
        assert_eq!(connect(&format!("{peer}:91")), TcpOutcome::Refused);
        assert_eq!(send(&format!("{peer}:90")), UdpOutcome::PortUnreachable { by: Some(ip(by)) });
    }
    // Somebody on the way.
    assert_eq!(connect("203.0.113.1:80"), TcpOutcome::PortUnreachable { by: ip("10.0.1.2") });
    assert_eq!(send("203.0.113.1:80"), UdpOutcome::PortUnreachable { by: Some(ip("10.0.1.2")) });
}

#[test]
fn a_packet_rejected_with_icmp_is_unreachable_not_timed_out() {
    if !live() {
        return;
    }
    let wire = Wire::offload();
    wire.a.ip("route add 203.0.113.0/24 via 10.0.1.2");
    wire.b.ip("route add prohibit 203.0.113.0/24");
    wire.b.0.run(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap()).unwrap();
    let outcome =
        probe::tcp_connect(&wire.a.0, &to("203.0.113.1:80"), Conversation::Handshake, TIMEOUT).unwrap();
    assert!(matches!(outcome, TcpOutcome::Unreachable(_)), "{outcome:?}");
    let outcome = probe::ping(&wire.a.0, None, ip("203.0.113.1"), TIMEOUT).unwrap();
    assert!(matches!(outcome, PingOutcome::Unreachable(_)), "{outcome:?}");
}

#[test]
fn an_accepted_connection_without_an_echo_is_not_a_conversation() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let silent = ns.0.run(|| std::net::TcpListener::bind("127.0.0.1:7000").unwrap()).unwrap();
    let try_it = |how| probe::tcp_connect(&ns.0, &to("127.0.0.1:7000"), how, SHORT).unwrap();
    assert!(matches!(try_it(Conversation::Handshake), TcpOutcome::Connected { .. }));
    assert!(matches!(try_it(Conversation::Echo(b"hello")), TcpOutcome::Unanswered { .. }));
    drop(silent);
    assert_eq!(try_it(Conversation::Echo(b"hello")), TcpOutcome::Refused);
}

#[test]
fn what_cannot_be_asked_is_an_error_and_not_an_outcome() {
    if !live() {
        return;
    }
    let ns = Namespace::new();
    let first = TcpResponder::start(&ns.0, socket("127.0.0.1:7001")).unwrap();
    assert!(matches!(TcpResponder::start(&ns.0, first.address()), Err(ProbeError::AddrInUse(_))));
    let udp = UdpResponder::start(&ns.0, socket("[::1]:0")).unwrap();
    assert!(matches!(UdpResponder::start(&ns.0, udp.address()), Err(ProbeError::AddrInUse(_))));
    assert!(matches!(TcpResponder::start(&ns.0, socket("10.9.9.9:1")), Err(ProbeError::NoSuchAddress(_))));
    let address = first.address();
    drop(first);
    TcpResponder::start(&ns.0, address).unwrap();
    let mut ends = to("127.0.0.1:7001");
    ends.source = Some(ip("10.9.9.9"));
    let asked = probe::tcp_connect(&ns.0, &ends, Conversation::Handshake, SHORT);
    assert!(matches!(asked, Err(ProbeError::NoSuchAddress(_))));
    ends.source = Some(ip("::1"));
    let asked = probe::udp_exchange(&ns.0, &ends, b"", SHORT);
    assert!(matches!(asked, Err(ProbeError::FamilyMismatch { .. })));
    ns.0.run(|| std::fs::write("/proc/sys/net/ipv4/ping_group_range", "1\t0").unwrap()).unwrap();
    assert!(matches!(probe::ping(&ns.0, None, ip("127.0.0.1"), SHORT), Err(ProbeError::PingNotAllowed)));
}

#[test]
fn a_jumbo_frame_passes_whole() {
    if !live() {
        return;
    }
    let wire = Wire::plain();
    assert_eq!(config(1).mtu, 9001);
    // 9001 less the IPv4 and ICMP headers, not to be fragmented.
    wire.a
        .0
        .run(|| {
            let ping = std::process::Command::new("ping")
                .args(["-c1", "-W5", "-Mdo", "-s8973", "10.0.1.2"])
                .output()
                .unwrap();
            assert!(ping.status.success(), "{}", String::from_utf8_lossy(&ping.stdout));
        })
        .unwrap();
}
