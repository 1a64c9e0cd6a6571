//! Starting, starting twice, dying and starting again, starting where it cannot work.

use std::process::Command;

use crate::shop::{OPEN_ACL, WEB_RULES, shop};
use crate::support::{LiveLab, Turn, binary, text, vpclab};

/// What the control API answers.
fn ask(lab: &LiveLab, path: &str) -> String {
    let socket = format!("/run/vpclab/{}/control.sock", lab.name);
    let url = format!("http://localhost/v1/{path}");
    let output = Command::new("curl").args(["-sSf", "--unix-socket", &socket, &url]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

#[test]
fn ten_mistakes_print_ten_lines_and_change_nothing() {
    let Some(lab) = LiveLab::up("mistakes", &shop(WEB_RULES, OPEN_ACL), &[]) else { return };
    let running =
        || format!("{}{}{}", ask(&lab, "generation"), ask(&lab, "topology"), ask(&lab, "lab/instances"));
    let before = running();
    assert!(before.contains("10.0.1.10"), "{before}");
    let wrong = lab.write(
        "wrong.json",
        r#"{
  "vpcs": { "a": { "cidr_block": "10.0.0.0/8" }, "b": { "cidr_block": "10.1.0.0/16", "colour": "blue" } },
  "subnets": {
    "s1": { "vpc": "b", "cidr_block": "10.2.0.0/24" },
    "s2": { "vpc": "b", "cidr_block": "10.1.0.0/24" },
    "s3": { "vpc": "b", "cidr_block": "10.1.0.0/25" },
    "s4": { "vpc": "nowhere", "cidr_block": "10.1.4.0/24" } },
  "security_groups": { "g": { "vpc": "b", "ingress": [ { "protocol": "tcp", "from_port": 90, "to_port": 80, "cidr_blocks": ["0.0.0.0/0"] },
      { "protocol": "tcp", "from_port": 1, "to_port": 1, "cidr_blocks": ["10.0.0.300/32"] } ] } },
  "network_acls": { "n": { "vpc": "b", "ingress": [ { "rule_no": 0, "action": "allow", "protocol": "-1", "cidr_block": "0.0.0.0/0" } ] } },
  "instances": { "i": { "subnet": "s2", "private_ip": "10.1.0.1" }, "j": { "subnet": "s2", "security_groups": ["missing"] } }
}"#,
    );
    let output = vpclab(&["apply", wrong.to_str().unwrap(), "--lab", &lab.name]);
    assert_eq!(output.status.code(), Some(2));
    let printed = text(&output);
    for named in [
        "vpcs.a.cidr_block:",
        "vpcs.b.colour:",
        "subnets.s1.cidr_block:",
        "subnets.s3.cidr_block:",
        "subnets.s4.vpc:",
        "security_groups.g.ingress[0]",
        "security_groups.g.ingress[1]",
        "network_acls.n.ingress[0].rule_no:",
        "instances.i.private_ip:",
        "instances.j.security_groups",
    ] {
        let lines = printed.lines().filter(|line| line.starts_with(named)).count();
        assert_eq!(lines, 1, "lines about {named}:\n{printed}");
    }
    assert!(printed.contains("has 10 mistakes"), "{printed}");
    assert_eq!(running(), before);
    lab.must("app-1", &["ping", "-c", "1", "-W", "5", "10.0.1.10"]);
}

#[test]
fn a_second_up_is_refused_and_the_first_lab_goes_on() {
    let Some(lab) = LiveLab::up("twice", &shop(WEB_RULES, OPEN_ACL), &[]) else { return };
    let file = lab.write("again.json", &shop(WEB_RULES, OPEN_ACL));
    let pid = lab.pid();
    let output = lab.start(&file, &[]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let printed = text(&output);
    assert!(printed.contains(&pid.to_string()) && printed.contains("vpclab"), "{printed}");
    assert_eq!(lab.pid(), pid);
    lab.must("app-1", &["ping", "-c", "1", "-W", "5", "10.0.1.10"]);
}

#[test]
fn after_a_kill_the_next_up_adopts_devices_and_programs() {
    let Some(lab) = LiveLab::up("adopt", &shop(WEB_RULES, OPEN_ACL), &[]) else { return };
    let mut server = lab.web_server("web-1", 80);
    let state = |lab: &LiveLab| {
        lab.must("web-1", &["sh", "-c", "cat /sys/class/net/eth0/ifindex; ip -o address show eth0; ip route"])
    };
    let before = state(&lab);
    lab.kill();
    let file = lab.write("again.json", &shop(WEB_RULES, OPEN_ACL));
    let output = lab.start(&file, &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(server.is_running(), "a program inside an instance survives the engine");
    assert_eq!(state(&lab), before, "the device is the same one, with its addresses and routes");
    assert_eq!(lab.fetch("app-1", "http://10.0.1.10/"), "10.0.2.10");
}

#[test]
fn down_leaves_nothing_behind_even_after_a_kill() {
    let Some(lab) = LiveLab::up("nothing", &shop(WEB_RULES, OPEN_ACL), &[]) else { return };
    let left = |name: &str| {
        let namespaces = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
        let ours = namespaces.filter(|n| n.file_name().to_string_lossy().contains(name)).count();
        ours + usize::from(std::path::Path::new(&format!("/run/vpclab/{name}")).exists())
    };
    assert!(left(&lab.name) > 0);
    assert!(vpclab(&["down", "--lab", &lab.name]).status.success());
    assert_eq!(left(&lab.name), 0);
    let file = lab.write("again.json", &shop(WEB_RULES, OPEN_ACL));
    for kill in [LiveLab::kill, LiveLab::kill_without_waiting] {
        assert!(lab.start(&file, &[]).status.success());
        kill(&lab);
        let output = vpclab(&["down", "--lab", &lab.name]);
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(left(&lab.name), 0, "{}", text(&output));
    }
}

#[test]
fn up_right_after_a_kill_takes_over() {
    let Some(lab) = LiveLab::up("soon", &shop(WEB_RULES, OPEN_ACL), &[]) else { return };
    let file = lab.write("again.json", &shop(WEB_RULES, OPEN_ACL));
    for _ in 0..5 {
        lab.kill_without_waiting();
        let output = lab.start(&file, &[]);
        assert!(output.status.success(), "{}", text(&output));
    }
    lab.must("app-1", &["ping", "-c", "1", "-W", "5", "10.0.1.10"]);
}

/// What each command that asks a lab says about this one, with its exit status.
fn asked(lab: &LiveLab) -> Vec<(String, Option<i32>)> {
    let topology = lab.write("asked.json", &shop(WEB_RULES, OPEN_ACL));
    let tests =
        r#"{ "tests": [ { "name": "one", "from": "app-1", "to": "web-1:80/tcp", "expect": "allowed" } ] }"#;
    let tests = lab.write("asked.tests.json", tests);
    let (topology, tests) = (topology.to_str().unwrap(), tests.to_str().unwrap());
    let commands: [&[&str]; 7] = [
        &["get", "instances"],
        &["get", "counters"],
        &["map"],
        &["exec", "web-1"],
        &["explain", "--from", "app-1", "--to", "web-1:80/tcp"],
        &["apply", topology],
        &["test", tests, "--level", "live"],
    ];
    let ask = |command: &&[&str]| {
        let mut arguments = [*command, &["--lab", &lab.name]].concat();
        arguments.extend((command[0] == "exec").then_some(["--", "true"]).into_iter().flatten());
        let output = vpclab(&arguments);
        (format!("{command:?}: {}", text(&output)), output.status.code())
    };
    std::thread::scope(|scope| {
        let asking: Vec<_> = commands.iter().map(|command| scope.spawn(move || ask(command))).collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    })
}

#[test]
fn a_lab_that_has_crashed_is_said_so_with_what_helps() {
    let Some(lab) = LiveLab::up("crashed", &shop(WEB_RULES, OPEN_ACL), &[]) else { return };
    let mut server = lab.web_server("web-1", 80);
    lab.kill();
    for (told, status) in asked(&lab) {
        assert_eq!(status, Some(2), "{told}");
        let up = format!("`vpclab up TOPOLOGY --lab {}`", lab.name);
        let down = format!("`vpclab down --lab {}`", lab.name);
        for part in [&format!("lab {} has crashed", lab.name), "programs in them live on", &up, &down] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    assert!(server.is_running());
    let file = lab.write("again.json", &shop(WEB_RULES, OPEN_ACL));
    assert!(lab.start(&file, &[]).status.success());
    assert_eq!(lab.fetch("app-1", "http://10.0.1.10/"), "10.0.2.10");
}

#[test]
fn a_daemon_that_is_stopped_keeps_nobody_waiting_for_ever() {
    let Some(lab) = LiveLab::up("stopped", &shop(WEB_RULES, OPEN_ACL), &[]) else { return };
    let pid = lab.pid().to_string();
    let signal =
        |signal: &str| assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    signal("-STOP");
    let before = std::time::Instant::now();
    let (asked, down) = std::thread::scope(|scope| {
        let down = scope.spawn(|| vpclab(&["down", "--lab", &lab.name]));
        (asked(&lab), down.join().unwrap())
    });
    let waited = before.elapsed();
    signal("-CONT");
    for (told, status) in asked.into_iter().chain([(text(&down), down.status.code())]) {
        assert_eq!(status, Some(2), "{told}");
        let stopped = format!("its daemon (pid {pid}) is stopped, and `kill -CONT {pid}` lets it go on");
        assert!(told.contains("has not answered within") && told.contains(&stopped), "{told}");
    }
    assert!(waited.as_secs() < 40, "{waited:?}");
    lab.must("app-1", &["ping", "-c", "1", "-W", "5", "10.0.1.10"]);
}

#[test]
fn a_lab_of_another_user_is_said_so_by_every_command() {
    let Some(lab) = LiveLab::up("anothers", &shop(WEB_RULES, OPEN_ACL), &[]) else { return };
    let copy = lab.path("program");
    std::fs::copy(binary(), &copy).unwrap();
    for command in [&["down"][..], &["get", "instances"], &["map"]] {
        let mut nobody = Command::new("setpriv");
        nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy);
        let output = nobody.args(command).args(["--lab", &lab.name]).output().unwrap();
        let expected = format!(
            "error: lab {} belongs to another user; run this as root or as its owner (UnauthorizedOperation)\n",
            lab.name
        );
        assert_eq!((text(&output), output.status.code()), (expected, Some(2)), "{command:?}");
    }
    lab.must("app-1", &["ping", "-c", "1", "-W", "5", "10.0.1.10"]);
}

#[test]
fn without_root_up_says_what_is_missing() {
    let Some(turn) = Turn::take("nobody") else { return };
    let file = turn.folder.join("topology.json");
    std::fs::write(&file, shop(WEB_RULES, OPEN_ACL)).unwrap();
    // The binary where another user may run it.
    let copy = turn.folder.join("program");
    std::fs::copy(binary(), &copy).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .arg("up")
        .arg(&file)
        .args(["--lab", &turn.lab])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).to_lowercase().contains("root"), "{}", text(&output));
}

#[test]
fn the_control_socket_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let Some(lab) = LiveLab::up("socket", &shop(WEB_RULES, OPEN_ACL), &[]) else { return };
    let mode = |path: String| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(format!("/run/vpclab/{}", lab.name)), 0o700);
    assert_eq!(mode(format!("/run/vpclab/{}/control.sock", lab.name)), 0o600);
    let socket = format!("/run/vpclab/{}/control.sock", lab.name);
    let health = ["curl", "-sSf", "--unix-socket", &socket, "http://localhost/v1/health"];
    let nobody = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args(health)
        .output()
        .unwrap();
    assert!(!nobody.status.success());
    assert!(ask(&lab, "health").contains(&lab.name), "its owner is answered");
    // A guest sees no socket of the engine, and its own namespace only.
    let sockets = ["ss", "-ltnuH"];
    assert_eq!(lab.must("web-1", &sockets).trim(), "");
    let _server = lab.web_server("web-1", 80);
    assert!(lab.must("web-1", &sockets).contains(":80 "));
    assert_eq!(lab.must("web-2", &sockets).trim(), "");
}
