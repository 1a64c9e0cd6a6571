//! What happens to traffic when the configuration changes under it?

use crate::shop::{OPEN_ACL, WEB_RULES, shop};
use crate::support::{LiveLab, note, text, vpclab, wait_until};
use crate::ticks::Ticks;

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
    let to = ("web-1", "10.0.1.10");
    let mut tracked = Ticks::start(&lab, "app-1", to, 2201);
    let mut untracked = Ticks::start(&lab, "app-1", to, 8001);
    tracked.must_flow("a rule allows it");
    untracked.must_flow("a rule allows it");
    assert_eq!(lab.dropped("app-1", Some("security-group")), 0);

    note("removing both rules");
    lab.apply(&shop(&rules(false, false), OPEN_ACL));
    untracked.must_be_cut("an untracked connection has nothing but its rule (CT-10)");
    tracked.must_flow("a tracked connection lives on (CT-09)");
    assert!(lab.dropped("app-1", Some("security-group")) > 0, "the group is what cut it");
    let (status, _) = lab.explain("app-1", "web-1:2201/tcp");
    assert_eq!(status, 1, "a new connection is refused");

    note("putting the rules back");
    lab.apply(&shop(&rules(true, true), OPEN_ACL));
    untracked.must_flow("its rule is back");
    tracked.must_flow("nothing has happened to it");
    assert_eq!(lab.dropped("app-1", Some("network-acl")), 0);

    note("removing the ACL's rule");
    let six = r#"{ "rule_no": 101, "action": "allow", "protocol": "-1", "ipv6_cidr_block": "::/0" }"#;
    lab.apply(&shop(&rules(true, true), six));
    tracked.must_be_cut("an ACL cuts a tracked connection too (NACL-20)");
    untracked.must_be_cut("an ACL cuts an untracked connection");
    assert!(lab.dropped("app-1", Some("network-acl")) > 0, "the ACL is what cut them");

    note("putting it back");
    lab.apply(&shop(&rules(true, true), OPEN_ACL));
    tracked.must_flow("the ACL lets it through again");
    untracked.must_flow("the ACL lets it through again");
}

#[test]
fn replacing_the_topology_loses_no_packet_that_both_configurations_allow() {
    let open = |port: u16| {
        format!(
            r#"{{ "protocol": "udp", "from_port": 7000, "to_port": 7000, "cidr_blocks": ["10.0.0.0/16"] }},
               {{ "protocol": "tcp", "from_port": 5201, "to_port": 5201, "ipv6_cidr_blocks": ["::/0"] }},
               {{ "protocol": "tcp", "from_port": {port}, "to_port": {port}, "cidr_blocks": ["10.0.0.0/16"] }}"#
        )
    };
    let Some(lab) = LiveLab::up("swap", &shop(&open(1), OPEN_ACL), &[]) else { return };
    // A receiver that the kernel's own buffers cannot hurt, and that goes on until the last number came or nothing does.
    let receiver = lab.python(
        "web-1",
        "import socket\n\
         s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)\n\
         s.bind(('', 7000)); seen = set(); s.settimeout(5)\n\
         try:\n\
         \x20while True: seen.add(int(s.recv(2000)[:8]))\n\
         except TimeoutError: print(len(seen))\n",
    );
    lab.wait_for("web-1", "ss -lun | grep -q ':7000 '");
    let server = lab.background("web-2", &["iperf3", "-s", "-1"]);
    lab.wait_for("web-2", "ss -ltn | grep -q ':5201 '");
    // 2,000 datagrams a second between two instances, far below capacity, until the test says stop. The bulk transfer is
    // between two others: what the kernel drops at the devices of the first two is datagrams.
    let stop = lab.path("stop");
    let sender = lab.python(
        "app-1",
        &format!(
            "import os, socket, time\n\
             s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); start = time.monotonic(); n = 0\n\
             while not os.path.exists('{}'):\n\
             \x20s.sendto(b'%08d' % n + b'x' * 100, ('10.0.1.10', 7000)); n += 1\n\
             \x20delay = start + n / 2000 - time.monotonic()\n\
             \x20if delay > 0: time.sleep(delay)\n\
             print(n)\n",
            stop.display()
        ),
    );
    let mut transfer =
        lab.background("client", &["iperf3", "-J", "-t", "6", "-b", "200M", "-c", "2001:db8:1:1::11"]);
    let mut rounds = 1;
    while transfer.is_running() {
        rounds += 1;
        lab.apply(&shop(&open(rounds), OPEN_ACL));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let (new, _) = lab.explain("app-1", &format!("web-1:{rounds}/tcp"));
    let (old, _) = lab.explain("app-1", &format!("web-1:{}/tcp", rounds - 1));
    assert_eq!((new, old), (0, 1), "the last configuration is in force");
    std::fs::write(stop, "").unwrap();
    let sent: u64 = sender.output().trim().parse().unwrap();
    let arrived: u64 = receiver.output().trim().parse().unwrap();
    let kernel = lab.kernel_dropped("app-1") + lab.kernel_dropped("web-1");
    note(&format!(
        "{rounds} configurations; {arrived} of {sent} datagrams arrived, {kernel} dropped by the kernel"
    ));
    assert!(rounds > 10 && sent > 5_000, "{sent} datagrams met {rounds} configurations");
    assert!(sent - arrived <= kernel, "the engine lost datagrams");
    assert!(kernel < sent / 10, "most of the datagrams reached the engine");
    let report: serde_json::Value = serde_json::from_str(&transfer.output()).unwrap();
    server.output();
    let bits = report["end"]["sum_received"]["bits_per_second"].as_f64().unwrap();
    assert!(bits > 1e8, "the TCP transfer goes on: {bits}");
}

#[test]
fn a_dry_run_foretells_the_changes_that_the_lab_answers() {
    let Some(lab) = LiveLab::up("dry", &shop(WEB_RULES, OPEN_ACL), &[]) else { return };
    let apply = |topology: &serde_json::Value, options: &[&str]| {
        let file = lab.write("next.json", &topology.to_string());
        let output =
            vpclab(&[&["apply", file.to_str().unwrap(), "--lab", &lab.name, "--json"], options].concat());
        let answer: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
        answer["changes"].clone()
    };
    let mut next: serde_json::Value = serde_json::from_str(&shop(WEB_RULES, OPEN_ACL)).unwrap();
    // Addresses that come in another order than a fresh lab would assign them, and stay.
    for (name, attribute, value) in [
        ("web-9", "associate_public_ip_address", true),
        ("web-8", "associate_public_ip_address", true),
        ("web-9", "associate_public_ip_address", false),
    ] {
        next["instances"][name] = serde_json::json!({ "subnet": "front", attribute: value });
        next["settings"]["icmp_timeout"] = (40 + next["instances"].as_object().unwrap().len()).into();
        let foretold = apply(&next, &["--dry-run"]);
        assert!(!foretold.as_array().unwrap().is_empty(), "{foretold:#}");
        assert_eq!(apply(&next, &[]), foretold);
        assert_eq!(apply(&next, &["--dry-run"]), serde_json::json!([]));
    }
    next["region"] = "eu-west-1".into();
    let foretold = apply(&next, &["--dry-run"]);
    assert_eq!((&foretold[0]["kind"], &foretold[0]["name"]), (&"region".into(), &"eu-west-1".into()));
    assert_eq!(apply(&next, &[]), foretold);
}

#[test]
fn a_program_that_ends_with_its_instance_is_in_the_plan_and_in_the_answer() {
    let Some(lab) = LiveLab::up("leaving", &shop(WEB_RULES, OPEN_ACL), &[]) else { return };
    let mut program = lab.background("web-2", &["sleep", "600"]);
    let mut next: serde_json::Value = serde_json::from_str(&shop(WEB_RULES, OPEN_ACL)).unwrap();
    next["instances"].as_object_mut().unwrap().remove("web-2").unwrap();
    let file = lab.write("next.json", &next.to_string());
    let apply = |options: &[&str]| {
        let output = vpclab(&[&["apply", file.to_str().unwrap(), "--lab", &lab.name], options].concat());
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    };
    // The program is on its way.
    wait_until("the plan names the program", || {
        let planned = apply(&["--dry-run"]);
        planned.contains("ends with its instance: sleep (") && planned.contains(") in web-2")
    });
    assert!(program.is_running());
    let done = apply(&[]);
    assert!(done.contains("ended with its instance: sleep (") && done.contains(") in web-2"), "{done}");
    assert!(!program.is_running());
    let again = apply(&[]);
    assert!(!again.contains("sleep"), "{again}");
}
