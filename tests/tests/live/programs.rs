//! Ping, HTTP, iperf3 and tcpdump between real network stacks.

use crate::support::{LiveLab, OPEN_ACL, WEB_RULES, shop, vpclab};

fn up(name: &str, options: &[&str]) -> Option<LiveLab> {
    LiveLab::up(name, &shop(WEB_RULES, OPEN_ACL), options)
}

/// Received bits per second of a short iperf3 run.
fn iperf(lab: &LiveLab, to: &str, options: &[&str]) -> f64 {
    let server = lab.background("web-1", &["iperf3", "-s", "-1"]);
    lab.wait_for("web-1", "ss -ltn | grep -q ':5201 '");
    let mut command = vec!["iperf3", "-J", "-t", "1", "-c", to];
    command.extend(options);
    let printed = lab.must("app-1", &command);
    server.output();
    let report: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let sum = if options.contains(&"-u") { &report["end"]["sum"] } else { &report["end"]["sum_received"] };
    sum["bits_per_second"].as_f64().unwrap()
}

#[test]
fn ping_and_http_cross_subnets_over_both_families() {
    let Some(lab) = up("http", &[]) else { return };
    let _server = lab.web_server("web-1", 80);
    for address in ["10.0.1.10", "2001:db8:1:1::10"] {
        for from in ["app-1", "web-2"] {
            lab.must(from, &["ping", "-c", "2", "-W", "2", "-i", "0.2", address]);
        }
    }
    for (url, sender) in
        [("http://10.0.1.10/", "10.0.2.10"), ("http://[2001:db8:1:1::10]/", "2001:db8:1:2::10")]
    {
        assert_eq!(lab.must("app-1", &["curl", "-sS", "-m", "5", url]), sender);
        let (status, answer) = lab.explain("app-1", "web-1:80/tcp");
        assert_eq!((status, &answer["reachable"]), (0, &true.into()), "{answer:#}");
    }
}

#[test]
fn jumbo_packets_pass_inside_and_the_internet_asks_for_smaller_ones() {
    // proves: MTU-01, MTU-03, MTU-06, MTU-07, IGW-12
    let Some(lab) = up("mtu", &[]) else { return };
    lab.must("app-1", &["ping", "-c", "1", "-W", "2", "-M", "do", "-s", "8973", "10.0.1.10"]);
    lab.must("web-1", &["ping", "-c", "1", "-W", "2", "-M", "do", "-s", "1472", "198.51.100.7"]);
    let refused =
        lab.exec("web-1", &["ping", "-c", "2", "-W", "2", "-M", "do", "-s", "1473", "198.51.100.7"]);
    let printed = crate::support::text(&refused);
    assert!(printed.contains("10.0.1.1") && printed.contains("mtu = 1500"), "{printed}");
    let six =
        lab.exec("web-1", &["ping", "-c", "2", "-W", "2", "-M", "do", "-s", "1453", "2001:db8:ffff::7"]);
    assert!(
        !six.status.success() && crate::support::text(&six).contains("1500"),
        "{}",
        crate::support::text(&six)
    );
    // Without "do not fragment" the gateway cuts, and the kernel puts the pieces together again.
    lab.must("web-1", &["ping", "-c", "1", "-W", "2", "-M", "dont", "-s", "4000", "198.51.100.7"]);
}

#[test]
fn iperf3_runs_with_offloads_without_them_and_on_plain_devices() {
    let Some(lab) = up("iperf", &[]) else { return };
    for address in ["10.0.1.10", "2001:db8:1:1::10"] {
        let with = iperf(&lab, address, &[]);
        let backwards = iperf(&lab, address, &["-R"]);
        for instance in ["app-1", "web-1"] {
            lab.must(
                instance,
                &[
                    "ethtool", "-K", "eth0", "tso", "off", "gso", "off", "gro", "off", "tx", "off", "rx",
                    "off",
                ],
            );
        }
        let without = iperf(&lab, address, &[]);
        let datagrams = iperf(&lab, address, &["-u", "-b", "50M", "-l", "1200"]);
        crate::support::note(&format!(
            "{address}: {:.2} Gb/s, backwards {:.2}, without offloads {:.2}, UDP {:.3}",
            with / 1e9,
            backwards / 1e9,
            without / 1e9,
            datagrams / 1e9
        ));
        // Anything that arrives intact at all is in the hundreds of megabits; retransmission alone is not.
        assert!(with > 1e8 && backwards > 1e8 && without > 2e7 && datagrams > 1e7);
        for instance in ["app-1", "web-1"] {
            lab.must(
                instance,
                &[
                    "ethtool", "-K", "eth0", "tx", "on", "rx", "on", "sg", "on", "tso", "on", "gso", "on",
                    "gro", "on",
                ],
            );
        }
    }
    drop(lab);
    let Some(plain) = up("plain", &["--plain"]) else { return };
    assert!(iperf(&plain, "10.0.1.10", &[]) > 2e7);
    assert!(iperf(&plain, "2001:db8:1:1::10", &[]) > 2e7);
}

#[test]
fn a_denied_connection_never_reaches_the_other_stack_and_explain_names_the_rule() {
    let Some(lab) = up("denied", &[]) else { return };
    let _server = lab.web_server("web-1", 8080);
    let capture = lab.background("web-1", &["tcpdump", "-i", "eth0", "-nn", "-l", "tcp port 8080 or icmp"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    for url in ["http://10.0.1.10:8080/", "http://[2001:db8:1:1::10]:8080/"] {
        let output = lab.exec("app-1", &["curl", "-sS", "-m", "2", url]);
        assert_eq!(output.status.code(), Some(28), "a drop is silent: {}", crate::support::text(&output));
    }
    // The capture works: what is allowed shows.
    lab.must("app-1", &["ping", "-c", "1", "-W", "2", "10.0.1.10"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let seen = capture.stop();
    assert!(seen.contains("ICMP echo request"), "{seen}");
    assert!(!seen.contains("8080"), "a denied packet arrived:\n{seen}");
    let (status, answer) = lab.explain("app-1", "web-1:8080/tcp");
    assert_eq!((status, &answer["reachable"]), (1, &false.into()));
    assert_eq!(answer["blockers"][0]["code"], "ENI_SG_RULES_MISMATCH");
    assert_eq!(answer["blockers"][0]["resource"], "web-1");
    assert_eq!(answer["blockers"][0]["groups"][0], "web");
    let dropped = lab.counters();
    assert!(
        dropped["dropped"].as_array().unwrap().iter().any(|drop| drop["port"] == "app-1"
            && drop["reason"] == "security-group"
            && drop["frames"].as_u64().unwrap() > 0),
        "{dropped:#}"
    );
}

#[test]
fn the_internet_reaches_the_public_address_and_the_instance_never_sees_it() {
    // proves: IGW-01, IGW-02, IGW-14
    let Some(lab) = up("public", &[]) else { return };
    let _server = lab.web_server("web-1", 80);
    let capture = lab.background("web-1", &["tcpdump", "-i", "eth0", "-nn", "-l", "tcp port 80"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(lab.must("client", &["curl", "-sS", "-m", "5", "http://203.0.113.10/"]), "198.51.100.7");
    assert_eq!(
        lab.must("client", &["curl", "-sS", "-m", "5", "http://[2001:db8:1:1::10]/"]),
        "2001:db8:ffff::7"
    );
    std::thread::sleep(std::time::Duration::from_millis(300));
    let seen = capture.stop();
    assert!(seen.contains("10.0.1.10.80") && !seen.contains("203.0.113.10"), "{seen}");
    assert!(!lab.must("web-1", &["ip", "address"]).contains("203.0.113.10"));
    // The instance's own packets carry the public address outside.
    let _outside = lab.web_server("client", 80);
    assert_eq!(lab.must("web-1", &["curl", "-sS", "-m", "5", "http://198.51.100.7/"]), "203.0.113.10");
    // One without a public address does not get out.
    assert!(!lab.succeeds("web-2", &["curl", "-sS", "-m", "1", "http://198.51.100.7/"]));
}

#[test]
fn address_resolution_comes_from_the_control_plane_alone() {
    // proves: L2-03, L2-05, L2-06, L2-09
    let Some(lab) = up("arp", &[]) else { return };
    lab.must("web-2", &["ping", "-c", "1", "-W", "2", "10.0.1.10"]);
    let known = lab.must("web-2", &["ip", "neigh", "show", "10.0.1.10"]);
    let mac = lab.must("web-1", &["cat", "/sys/class/net/eth0/address"]);
    assert!(known.contains(mac.trim()), "{known} is not {mac}");
    lab.must("web-2", &["ping", "-c", "1", "-W", "2", "10.0.1.1"]);
    assert!(!lab.succeeds("web-2", &["ping", "-c", "1", "-W", "1", "10.0.1.77"]));
    // A forged announcement of somebody else's address changes nothing for anybody.
    let forge = "import socket, struct\n\
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0))\n\
        me = bytes.fromhex(open('/sys/class/net/eth0/address').read().strip().replace(':', ''))\n\
        ip = socket.inet_aton('10.0.1.10')\n\
        frame = b'\\xff' * 6 + me + b'\\x08\\x06' + struct.pack('!HHBBH', 1, 0x800, 6, 4, 2) + me + ip + b'\\xff' * 6 + ip\n\
        [s.send(frame) for _ in range(5)]\n";
    lab.must("web-2", &["python3", "-c", forge]);
    lab.must("client", &["ping", "-c", "1", "-W", "2", "203.0.113.10"]);
    let neighbours = lab.must("web-1", &["ip", "neigh", "show"]);
    assert!(!neighbours.contains("10.0.1.10 "), "{neighbours}");
}

#[test]
fn a_spoofed_source_dies_at_the_interface() {
    // proves: L2-13
    let Some(lab) = up("spoof", &[]) else { return };
    let capture = lab.background("web-1", &["tcpdump", "-i", "eth0", "-nn", "-l", "icmp"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    lab.must("app-1", &["ip", "address", "add", "10.0.2.99/32", "dev", "eth0"]);
    assert!(
        !lab.succeeds("app-1", &["ping", "-c", "2", "-i", "0.2", "-W", "1", "-I", "10.0.2.99", "10.0.1.10"])
    );
    std::thread::sleep(std::time::Duration::from_millis(300));
    let seen = capture.stop();
    assert!(!seen.contains("10.0.2.99"), "{seen}");
}

#[test]
fn the_quickstart_tests_pass_live_in_a_lab_of_their_own() {
    if !crate::support::can_run() {
        return;
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/quickstart.tests.json");
    let output = vpclab(&["test", root, "--level", "live"]);
    assert!(output.status.success(), "{}", crate::support::text(&output));
    assert!(crate::support::text(&output).contains("live"));
}
