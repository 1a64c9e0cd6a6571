//! What happens to traffic when the configuration changes under it?

use std::time::Duration;

use crate::support::{Background, LiveLab, OPEN_ACL, note, shop};

/// A server that sends a line every 20 ms to whoever connects, for as long as it is read.
fn ticker(lab: &LiveLab, port: u16) -> Background {
    let program = format!(
        "import socket, time, threading\n\
         s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('', {port})); s.listen()\n\
         def serve(c):\n\
         \x20while True: c.sendall(b'tick\\n'); time.sleep(0.02)\n\
         while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()\n"
    );
    let server = lab.python("web-1", &program);
    lab.wait_for("web-1", &format!("ss -ltn | grep -q ':{port} '"));
    server
}

/// Connects to the ticker and prints how much came in each 100 ms.
fn listener(lab: &LiveLab, from: &str, to: &str, port: u16) -> Background {
    let program = format!(
        "import socket, time\n\
         s = socket.create_connection(('{to}', {port}), 5); s.settimeout(0.1)\n\
         end = time.monotonic() + 60\n\
         while time.monotonic() < end:\n\
         \x20start = time.monotonic(); n = 0\n\
         \x20while time.monotonic() < start + 0.1:\n\
         \x20 try: n += len(s.recv(65536))\n\
         \x20 except TimeoutError: pass\n\
         \x20open('/tmp/vpclab-live-{port}', 'w').write(str(n))\n"
    );
    let _ = std::fs::remove_file(format!("/tmp/vpclab-live-{port}"));
    lab.python(from, &program)
}

/// Whether ticks arrived in the last interval.
fn is_flowing(port: u16) -> bool {
    let last = std::fs::read_to_string(format!("/tmp/vpclab-live-{port}")).unwrap_or_default();
    last.trim().parse::<u64>().unwrap_or(0) > 0
}

fn stays(what: &str, port: u16, flowing: bool) {
    for _ in 0..15 {
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(is_flowing(port), flowing, "{what}");
    }
}

/// Group rules with SSH-like port 2201 from one subnet (tracked) and HTTP-like port 8001 from everybody (untracked).
fn rules(tracked: bool, untracked: bool) -> String {
    let mut rules = vec![
        r#"{ "protocol": "icmp", "from_port": -1, "to_port": -1, "cidr_blocks": ["0.0.0.0/0"] }"#.to_owned(),
    ];
    if tracked {
        rules.push(
            r#"{ "protocol": "tcp", "from_port": 2201, "to_port": 2201, "cidr_blocks": ["10.0.2.0/24"] }"#
                .into(),
        );
    }
    if untracked {
        rules.push(
            r#"{ "protocol": "tcp", "from_port": 8001, "to_port": 8001, "cidr_blocks": ["0.0.0.0/0"] }"#
                .into(),
        );
    }
    rules.join(",")
}

#[test]
fn a_removed_rule_spares_tracked_connections_and_cuts_untracked_ones_and_an_acl_cuts_both() {
    // proves: CT-05, CT-09, CT-10, NACL-20
    let Some(lab) = LiveLab::up("tracked", &shop(&rules(true, true), OPEN_ACL), &[]) else { return };
    let _servers = [ticker(&lab, 2201), ticker(&lab, 8001)];
    let _listeners = [listener(&lab, "app-1", "10.0.1.10", 2201), listener(&lab, "app-1", "10.0.1.10", 8001)];
    for port in [2201, 8001] {
        crate::support::wait_until("ticks arrive", || is_flowing(port));
    }
    note("both flow; removing both rules");
    lab.apply(&shop(&rules(false, false), OPEN_ACL));
    std::thread::sleep(Duration::from_millis(300));
    stays("a tracked connection lives on (CT-09)", 2201, true);
    stays("an untracked connection is cut (CT-10)", 8001, false);
    let (status, _) = lab.explain("app-1", "web-1:2201/tcp");
    assert_eq!(status, 1, "a new connection is refused");
    note("putting the rules back");
    lab.apply(&shop(&rules(true, true), OPEN_ACL));
    crate::support::wait_until("the untracked connection flows again", || is_flowing(8001));
    note("removing the ACL's rule");
    let six = r#"{ "rule_no": 101, "action": "allow", "protocol": "-1", "ipv6_cidr_block": "::/0" }"#;
    lab.apply(&shop(&rules(true, true), six));
    std::thread::sleep(Duration::from_millis(300));
    stays("an ACL cuts a tracked connection too (NACL-20)", 2201, false);
    stays("and an untracked one", 8001, false);
}

#[test]
fn replacing_the_topology_loses_no_packet_that_both_configurations_allow() {
    let open = |port: u16| {
        format!(
            r#"{{ "protocol": "udp", "from_port": 7000, "to_port": 7000, "cidr_blocks": ["10.0.0.0/16"] }},
               {{ "protocol": "tcp", "from_port": 5201, "to_port": 5201, "cidr_blocks": ["10.0.0.0/16"] }},
               {{ "protocol": "tcp", "from_port": {port}, "to_port": {port}, "cidr_blocks": ["10.0.0.0/16"] }}"#
        )
    };
    let Some(lab) = LiveLab::up("swap", &shop(&open(1), OPEN_ACL), &[]) else { return };
    let receiver = lab.python(
        "web-1",
        "import socket\n\
         s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)\n\
         s.bind(('', 7000)); seen = set(); s.settimeout(3); open('/tmp/vpclab-live-ready', 'w')\n\
         try:\n\
         \x20while True: seen.add(int(s.recv(2000)[:8]))\n\
         except TimeoutError: print(len(seen))\n",
    );
    lab.wait_for("web-1", "ss -lun | grep -q ':7000 '");
    let server = lab.background("web-1", &["iperf3", "-s", "-1"]);
    lab.wait_for("web-1", "ss -ltn | grep -q ':5201 '");
    let transfer = lab.background("app-1", &["iperf3", "-J", "-t", "6", "-b", "200M", "-c", "10.0.1.10"]);
    // 2,000 datagrams a second: far below capacity.
    let sender = lab.python(
        "app-1",
        "import socket, time\n\
         s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); start = time.monotonic()\n\
         for n in range(10000):\n\
         \x20s.sendto(b'%08d' % n + b'x' * 100, ('10.0.1.10', 7000))\n\
         \x20delay = start + n / 2000 - time.monotonic()\n\
         \x20if delay > 0: time.sleep(delay)\n\
         print('sent', n + 1)\n",
    );
    let before = lab.counters();
    for round in 0..20u16 {
        lab.apply(&shop(&open(round + 2), OPEN_ACL));
        std::thread::sleep(Duration::from_millis(150));
    }
    assert!(sender.output().contains("sent 10000"));
    let arrived: u64 = receiver.output().trim().parse().unwrap();
    let after = lab.counters();
    let ring = |counters: &serde_json::Value| -> u64 {
        counters["devices"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|device| device["kernel_dropped"].as_u64())
            .sum()
    };
    let kernel = ring(&after) - ring(&before);
    note(&format!("{arrived} of 10000 datagrams arrived, {kernel} dropped by the kernel's own rings"));
    assert_eq!(arrived + kernel.min(10_000 - arrived), 10_000, "the engine lost datagrams");
    let report: serde_json::Value = serde_json::from_str(&transfer.output()).unwrap();
    server.output();
    let bits = report["end"]["sum_received"]["bits_per_second"].as_f64().unwrap();
    assert!(bits > 1e8, "the TCP transfer goes on: {bits}");
}
