//! Ping, HTTP, iperf3 and tcpdump between real network stacks.

use crate::shop::{OPEN_ACL, WEB_RULES, shop};
use crate::support::{LiveLab, note, text};

fn up(name: &str, options: &[&str]) -> Option<LiveLab> {
    LiveLab::up(name, &shop(WEB_RULES, OPEN_ACL), options)
}

/// Bits per second that arrived in a short iperf3 run.
fn iperf(lab: &LiveLab, to: &str, options: &[&str]) -> f64 {
    let server = lab.background("web-1", &["iperf3", "-s", "-1"]);
    lab.wait_for("web-1", "ss -ltn | grep -q ':5201 '");
    let mut command = vec!["iperf3", "-J", "-t", "1", "-c", to];
    command.extend(options);
    let printed = lab.must("app-1", &command);
    server.output();
    let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
    report["end"]["sum_received"]["bits_per_second"].as_f64().unwrap()
}

/// Whether frames carry the virtio header, as offloads need it.
fn has_virtio_header(lab: &LiveLab, instance: &str) -> bool {
    let link = lab.must(instance, &["ip", "-details", "link", "show", "eth0"]);
    assert!(link.contains("vnet_hdr"), "{link}");
    link.contains("vnet_hdr on")
}

#[test]
fn ping_and_http_cross_subnets_over_both_families() {
    let Some(lab) = up("http", &[]) else { return };
    let _server = lab.web_server("web-1", 80);
    for address in ["10.0.1.10", "2001:db8:1:1::10"] {
        for from in ["app-1", "web-2"] {
            lab.must(from, &["ping", "-c", "2", "-W", "5", "-i", "0.2", address]);
        }
    }
    for (url, sender) in
        [("http://10.0.1.10/", "10.0.2.10"), ("http://[2001:db8:1:1::10]/", "2001:db8:1:2::10")]
    {
        assert_eq!(lab.fetch("app-1", url), sender);
    }
    let (status, answer) = lab.explain("app-1", "web-1:80/tcp");
    assert_eq!((status, &answer["reachable"]), (0, &true.into()), "{answer:#}");
}

#[test]
fn jumbo_packets_pass_inside_and_the_internet_asks_for_smaller_ones() {
    // proves: MTU-01, MTU-03, MTU-06, MTU-07, IGW-12
    let Some(lab) = up("mtu", &[]) else { return };
    lab.must("app-1", &["ping", "-c", "1", "-W", "5", "-M", "do", "-s", "8973", "10.0.1.10"]);
    lab.must("web-1", &["ping", "-c", "1", "-W", "5", "-M", "do", "-s", "1472", "198.51.100.7"]);
    let refused =
        text(&lab.exec("web-1", &["ping", "-c", "2", "-W", "2", "-M", "do", "-s", "1473", "198.51.100.7"]));
    assert!(refused.contains("10.0.1.1") && refused.contains("mtu = 1500"), "{refused}");
    lab.must("web-1", &["ping", "-c", "1", "-W", "5", "-M", "do", "-s", "1452", "2001:db8:ffff::7"]);
    let refused = text(
        &lab.exec("web-1", &["ping", "-c", "2", "-W", "2", "-M", "do", "-s", "1453", "2001:db8:ffff::7"]),
    );
    assert!(refused.contains("mtu=1500") || refused.contains("mtu = 1500"), "{refused}");
    // Without "do not fragment" the gateway cuts, and the kernel puts the pieces together again.
    let pieces = lab.capture("client", "icmp and ip[6:2] & 0x3fff != 0");
    lab.must("web-1", &["ping", "-c", "1", "-W", "5", "-M", "dont", "-s", "4000", "198.51.100.7"]);
    pieces.wait_for("203.0.113.10 > 198.51.100.7");
}

#[test]
fn iperf3_runs_with_offloads_without_them_and_on_plain_devices() {
    let Some(lab) = up("iperf", &[]) else { return };
    assert!(has_virtio_header(&lab, "web-1"));
    let offloads = |state: &str| {
        for instance in ["app-1", "web-1"] {
            let features = ["tx", "rx", "sg", "tso", "gso", "gro"];
            let switched = features.iter().flat_map(|feature| [*feature, state]);
            lab.must(instance, &["ethtool", "-K", "eth0"].into_iter().chain(switched).collect::<Vec<_>>());
        }
    };
    for address in ["10.0.1.10", "2001:db8:1:1::10"] {
        let with = iperf(&lab, address, &[]);
        let backwards = iperf(&lab, address, &["-R"]);
        offloads("off");
        let without = iperf(&lab, address, &[]);
        let datagrams = iperf(&lab, address, &["-u", "-b", "50M", "-l", "1200"]);
        offloads("on");
        note(&format!(
            "{address}: {:.2} Gb/s, backwards {:.2}, without offloads {:.2}, UDP {:.3}",
            with / 1e9,
            backwards / 1e9,
            without / 1e9,
            datagrams / 1e9
        ));
        // Anything that arrives intact at all is in the hundreds of megabits; retransmission alone is not.
        assert!(with > 1e8 && backwards > 1e8 && without > 2e7 && datagrams > 1e7);
    }
    drop(lab);
    let Some(plain) = up("plain", &["--plain"]) else { return };
    assert!(!has_virtio_header(&plain, "web-1"));
    assert!(iperf(&plain, "10.0.1.10", &[]) > 2e7);
    assert!(iperf(&plain, "2001:db8:1:1::10", &[]) > 2e7);
}

#[test]
fn a_denied_connection_never_reaches_the_other_stack_and_explain_names_the_rule() {
    let Some(lab) = up("denied", &[]) else { return };
    let _servers = [lab.web_server("web-1", 80), lab.web_server("web-1", 8080)];
    let capture = lab.capture("web-1", "tcp port 80 or tcp port 8080");
    let before = lab.dropped("app-1", Some("security-group"));
    for (address, from) in [("10.0.1.10", "10.0.2.10"), ("[2001:db8:1:1::10]", "2001:db8:1:2::10")] {
        let denied = format!("http://{address}:8080/");
        lab.must_hear_nothing("app-1", &denied);
        // Somebody does listen there, and what the group allows comes from the same place and shows.
        lab.fetch("web-1", &denied);
        assert_eq!(lab.fetch("app-1", &format!("http://{address}/")), from);
        capture.wait_for(&format!("{from}."));
    }
    let seen = capture.seen();
    assert!(!seen.contains("8080"), "a denied packet arrived:\n{seen}");
    assert!(lab.dropped("app-1", Some("security-group")) >= before + 2, "both were dropped by the group");
    let (status, answer) = lab.explain("app-1", "web-1:8080/tcp");
    assert_eq!((status, &answer["reachable"]), (1, &false.into()));
    assert_eq!(answer["blockers"][0]["code"], "ENI_SG_RULES_MISMATCH");
    assert_eq!(answer["blockers"][0]["resource"], "web-1");
    assert_eq!(answer["blockers"][0]["groups"][0], "web");
}

#[test]
fn the_internet_reaches_the_public_address_and_the_instance_never_sees_it() {
    // proves: IGW-01, IGW-02, IGW-14
    let Some(lab) = up("public", &[]) else { return };
    let _server = lab.web_server("web-1", 80);
    let capture = lab.capture("web-1", "tcp port 80");
    assert_eq!(lab.fetch("client", "http://203.0.113.10/"), "198.51.100.7");
    assert_eq!(lab.fetch("client", "http://[2001:db8:1:1::10]/"), "2001:db8:ffff::7");
    capture.wait_for("2001:db8:1:1::10.80");
    let seen = capture.seen();
    assert!(seen.contains("10.0.1.10.80") && !seen.contains("203.0.113.10"), "{seen}");
    let addresses = lab.must("web-1", &["ip", "address"]);
    assert!(addresses.contains("10.0.1.10") && !addresses.contains("203.0.113.10"), "{addresses}");
    // The instance's own packets carry the public address outside.
    let _outside = lab.web_server("client", 80);
    assert_eq!(lab.fetch("web-1", "http://198.51.100.7/"), "203.0.113.10");
    // One without a public address does not get out, though it does over IPv6, where none is needed.
    lab.must_hear_nothing("web-2", "http://198.51.100.7/");
    assert_eq!(lab.fetch("web-2", "http://[2001:db8:ffff::7]/"), "2001:db8:1:1::11");
}

#[test]
fn address_resolution_comes_from_the_control_plane_alone() {
    // proves: L2-03, L2-05, L2-06, L2-09
    let Some(lab) = up("arp", &[]) else { return };
    let mac = |instance: &str| lab.must(instance, &["cat", "/sys/class/net/eth0/address"]).trim().to_owned();
    let (owner, poisoner) = (mac("web-1"), mac("web-3"));
    let entry = || lab.must("web-2", &["ip", "neigh", "show", "10.0.1.10"]);
    // The victim believes whatever reaches it, at once.
    let believe =
        "echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_accept; echo 0 >/proc/sys/net/ipv4/neigh/eth0/locktime";
    lab.must("web-2", &["sh", "-c", believe]);
    let resolution = lab.capture("web-2", "arp");
    lab.must("web-2", &["ping", "-c", "1", "-W", "5", "10.0.1.10"]);
    assert!(entry().contains(&owner), "{} is not {owner}", entry());
    resolution.wait_for(&format!("10.0.1.10 is-at {owner}"));
    lab.must("web-2", &["ping", "-c", "1", "-W", "5", "10.0.1.1"]);
    assert!(!lab.succeeds("web-2", &["ping", "-c", "1", "-W", "1", "10.0.1.77"]));

    // Somebody else announces the owner's address, to all and to the victim, as question and as answer.
    let forge = format!(
        "import socket, struct\n\
         s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0))\n\
         mac = lambda text: bytes.fromhex(text.replace(':', ''))\n\
         me, victim, ip = mac('{poisoner}'), mac('{victim}'), socket.inet_aton\n\
         for to in b'\\xff' * 6, victim:\n\
         \x20for operation in 1, 2:\n\
         \x20 for target in '10.0.1.10', '10.0.1.11':\n\
         \x20  s.send(to + me + b'\\x08\\x06' + struct.pack('!HHBBH', 1, 0x800, 6, 4, operation) + me + ip('10.0.1.10') + to + ip(target))\n",
        victim = mac("web-2")
    );
    let stolen = lab.capture("web-3", "icmp");
    let kept = lab.capture("web-1", "icmp");
    let sent = "cat /sys/class/net/eth0/statistics/tx_packets";
    let before: u64 = lab.must("web-3", &["sh", "-c", sent]).trim().parse().unwrap();
    lab.must("web-3", &["python3", "-c", &forge]);
    let after: u64 = lab.must("web-3", &["sh", "-c", sent]).trim().parse().unwrap();
    assert!(after >= before + 8, "the forged frames were sent");
    lab.must("web-2", &["ping", "-c", "1", "-W", "5", "10.0.1.10"]);
    assert!(entry().contains(&owner), "{} is not {owner}", entry());
    kept.wait_for("10.0.1.11 > 10.0.1.10: ICMP echo request");
    // What would have been stolen would show: both captures work.
    lab.must("web-2", &["ping", "-c", "1", "-W", "5", "10.0.1.12"]);
    stolen.wait_for("10.0.1.11 > 10.0.1.12: ICMP echo request");
    assert!(!stolen.seen().contains("> 10.0.1.10"), "{}", stolen.seen());
    lab.must("web-2", &["sh", "-c", "ip neigh flush dev eth0 && ping -c 1 -W 5 10.0.1.12"]);
    resolution.wait_for(&format!("10.0.1.12 is-at {poisoner}"));
    let seen = resolution.seen();
    assert!(!seen.contains(&format!("10.0.1.10 is-at {poisoner}")), "{seen}");
    assert!(!seen.contains("tell 10.0.1.10"), "somebody else's question arrived:\n{seen}");
}

#[test]
fn a_spoofed_source_dies_at_the_interface() {
    // proves: L2-13
    let Some(lab) = up("spoof", &[]) else { return };
    lab.must("app-1", &["ip", "address", "add", "10.0.2.99/32", "dev", "eth0"]);
    let capture = lab.capture("web-1", "icmp");
    let ping = |source: &str| {
        lab.succeeds("app-1", &["ping", "-c", "2", "-i", "0.2", "-W", "2", "-I", source, "10.0.1.10"])
    };
    let before = lab.dropped("app-1", Some("source-dest-check"));
    assert!(!ping("10.0.2.99"));
    assert!(ping("10.0.2.10"), "the same sender under its own address is answered");
    capture.wait_for("10.0.2.10 > 10.0.1.10: ICMP echo request");
    let seen = capture.seen();
    assert!(!seen.contains("10.0.2.99"), "{seen}");
    assert_eq!(lab.dropped("app-1", Some("source-dest-check")), before + 2);
}
