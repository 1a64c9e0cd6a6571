//! What does `vpclab test --level live` say?

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use vpclab_engine::Fabric;
use vpclab_model::{Document, Topology};
use vpclab_tests::generate::{self, Rng};
use vpclab_tests::matrix::conversations;

use crate::shop::{OPEN_ACL, WEB_RULES, shop};
use crate::support::{LiveLab, Turn, binary, note, text, vpclab, wait_until};

/// Two tests of the shop: one of `web-1`, one of `web-2`.
const TESTS: &str = r#"{ "topology": "topology.json", "tests": [
    { "name": "first", "from": "app-1", "to": "web-1:80/tcp", "expect": "allowed" },
    { "name": "second", "from": "app-1", "to": "web-2:80/tcp", "expect": "allowed" } ] }"#;

/// A directory that cannot be renamed or removed, as something is mounted there.
struct Held(PathBuf);

impl Held {
    fn new(directory: &Path) -> Self {
        let bound = Command::new("mount").arg("--bind").args([directory, directory]).status().unwrap();
        assert!(bound.success());
        Self(directory.to_owned())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_topology_passes_its_tests_live_in_a_lab_of_its_own() {
    let Some(_turn) = Turn::take("configs") else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with(".tests.json")).collect();
    files.sort();
    for file in files {
        note(&file.file_name().unwrap().to_string_lossy());
        let output = vpclab(&["test", file.to_str().unwrap(), "--level", "live", "--json"]);
        assert!(output.status.success(), "{}", text(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let declared: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(report["passed"], declared["tests"].as_array().unwrap().len(), "{report:#}");
        assert_eq!((&report["level"], &report["failed"]), (&"live".into(), &0.into()), "{report:#}");
    }
}

/// The topologies in `configs/`, and a few generated ones, by name.
fn topologies() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.with_extension("tests.json").exists()).collect();
    paths.sort();
    let declared = paths.iter().map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        (path.file_stem().unwrap().to_string_lossy().into_owned(), serde_json::from_str(&text).unwrap())
    });
    let made = [2, 5, 9].map(|seed| (format!("seed-{seed}"), generate::network(&mut Rng::new(seed))));
    declared.chain(made).collect()
}

#[test]
fn real_conversations_come_to_what_the_matrix_says() {
    /// Pairs of each topology, asked over TCP and UDP in the families that they have.
    const PAIRS: usize = 4;
    let Some(turn) = Turn::take("matrix") else { return };
    let (mut tried, mut passing) = (0, 0);
    for (name, document) in topologies() {
        note(&name);
        let topology = Topology::from_document(&Document::from(document.clone()), None).unwrap();
        let fabric = Fabric::compile(&topology, None);
        let tests = conversations(&fabric, &topology, PAIRS, &mut Rng::new(11));
        passing += tests.iter().filter(|test| test["expect"] == "allowed").count();
        let report = report(&turn, &name, &document, &Value::from(tests.clone()));
        let results = report["tests"].as_array().unwrap();
        assert_eq!(results.len(), tests.len(), "{name}: {report:#}");
        for result in results {
            assert_eq!(
                (&result["passed"], &result["level"]),
                (&true.into(), &"live".into()),
                "{name}: {result:#}"
            );
        }
        tried += results.len();
    }
    assert!(tried > 100 && passing > 20 && tried - passing > 20, "{tried}, {passing} of them pass");
}

#[test]
fn a_lab_that_cannot_be_removed_hides_no_result() {
    let Some(turn) = Turn::take("held") else { return };
    std::fs::write(turn.folder.join("topology.json"), shop(WEB_RULES, OPEN_ACL)).unwrap();
    let file = turn.folder.join("shop.tests.json");
    std::fs::write(&file, TESTS).unwrap();
    let mut tests = Command::new(binary());
    tests.arg("test").arg(&file).args(["--level", "live", "--json"]).stdin(Stdio::null());
    let tests = tests.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let directory = PathBuf::from(format!("/run/vpclab/test-{}", tests.id()));
    wait_until("there is a lab", || directory.join("lock").exists());
    let _held = Held::new(&directory);
    let output = tests.wait_with_output().unwrap();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    assert_eq!((&report["passed"], &report["failed"]), (&2.into(), &0.into()), "{report:#}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(directory.to_str().unwrap()), "{told}");
    assert_eq!(output.status.code(), Some(2), "{told}");
}

/// What is left on this machine of a lab of this name.
fn remains(lab: &str) -> Vec<String> {
    let entries = |directory: &str| std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries("/run/netns").chain(entries("/run/vpclab"));
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name == lab || name.starts_with(&format!("vpclab-{lab}-"))).collect()
}

/// The daemons of a lab of this name.
fn daemons(lab: &str) -> Vec<String> {
    let output = Command::new("pgrep").args(["-f", &format!("vpclab up .*--lab {lab} ")]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_test_run_that_a_signal_ends_takes_its_lab_along() {
    let Some(turn) = Turn::take("signals") else { return };
    std::fs::write(turn.folder.join("topology.json"), shop(WEB_RULES, OPEN_ACL)).unwrap();
    let file = turn.folder.join("slow.tests.json");
    // Each waits for an answer that does not come.
    let slow: Vec<Value> = (1..40)
        .map(|port| {
            let to = format!("web-1:{port}/tcp");
            serde_json::json!({ "name": to, "from": "app-1", "to": to, "expect": "denied" })
        })
        .collect();
    let slow = serde_json::json!({ "topology": "topology.json", "tests": slow });
    std::fs::write(&file, slow.to_string()).unwrap();
    for (signal, number, in_order) in [("INT", 2, true), ("TERM", 15, true), ("KILL", 9, false)] {
        // While it starts, as soon as there is anything; and when the tests run.
        for moment in ["lock", "control.sock", "instances/app-1/hosts"] {
            // Who runs these tests in the background has signals ignored, which is inherited.
            let mut tests = Command::new("env");
            tests.arg("--default-signal=INT,TERM").arg(binary());
            tests.arg("test").arg(&file).args(["--level", "live"]).stdin(Stdio::null());
            let mut tests = tests.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let lab = format!("test-{}", tests.id());
            let directory = PathBuf::from(format!("/run/vpclab/{lab}"));
            wait_until("the lab has come so far", || directory.join(moment).exists());
            let program = (moment == "control.sock").then(|| {
                let exec = || {
                    Command::new(binary())
                        .args(["exec", "web-2", "--lab", &lab, "--", "sleep", "600"])
                        .spawn()
                };
                let child = exec().unwrap();
                let comm = format!("/proc/{}/comm", child.id());
                wait_until("a program runs", || {
                    std::fs::read_to_string(&comm).is_ok_and(|name| name == "sleep\n")
                });
                child
            });
            let killed = Command::new("kill").args([&format!("-{signal}"), &tests.id().to_string()]).status();
            assert!(killed.unwrap().success());
            let status = tests.wait().unwrap();
            assert_eq!(
                std::os::unix::process::ExitStatusExt::signal(&status),
                Some(number),
                "{signal} {moment}"
            );
            if !in_order {
                wait_until("the daemon notices", || remains(&lab).is_empty() && daemons(&lab).is_empty());
            }
            assert_eq!(remains(&lab), Vec::<String>::new(), "{signal} {moment}");
            assert_eq!(daemons(&lab), Vec::<String>::new(), "{signal} {moment}");
            if let Some(mut program) = program {
                let status = program.wait().unwrap();
                assert_eq!(
                    std::os::unix::process::ExitStatusExt::signal(&status),
                    Some(15),
                    "as `down` ends it"
                );
            }
        }
    }
}

#[test]
fn a_test_run_that_a_signal_ends_puts_the_lab_back_that_it_has_changed() {
    let Some(lab) = LiveLab::up("put-back", &shop(WEB_RULES, OPEN_ACL), &[]) else { return };
    let topology = || {
        let output = vpclab(&["map", "--json", "--lab", &lab.name]);
        assert!(output.status.success(), "{}", text(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let own = topology();
    let when = serde_json::json!({ "apply": { "security_groups": { "web": { "ingress": [] } } } });
    // Each waits for an answer that does not come.
    let slow = (1..40).map(|port| {
        let to = format!("web-1:{port}/tcp");
        serde_json::json!({ "name": to, "from": "app-1", "to": to, "expect": "denied", "when": when })
    });
    let slow = serde_json::json!({ "tests": slow.collect::<Vec<_>>() });
    let file = lab.write("slow.tests.json", &slow.to_string());
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        let mut tests = Command::new("env");
        tests.arg("--default-signal=INT,TERM").arg(binary());
        tests.arg("test").arg(&file).args(["--level", "live", "--lab", &lab.name]).stdin(Stdio::null());
        let mut tests = tests.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the lab is changed", || topology() != own);
        let killed = Command::new("kill").args([&format!("-{signal}"), &tests.id().to_string()]).status();
        assert!(killed.unwrap().success());
        let status = tests.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(number), "{signal}");
        assert_eq!(topology(), own, "{signal}");
    }
}

#[test]
fn an_instance_that_is_gone_fails_its_own_tests_only() {
    let Some(lab) = LiveLab::up("gone", &shop(WEB_RULES, OPEN_ACL), &[]) else { return };
    let file = lab.write("shop.tests.json", TESTS);
    let mut guest = Command::new("unshare").args(["--net", "sleep", "60"]).spawn().unwrap();
    let pid = guest.id().to_string();
    let attach = || vpclab(&["attach", "web-2", "--pid", &pid, "--lab", &lab.name]);
    wait_until("a process is attached", || attach().status.success());
    guest.kill().unwrap();
    guest.wait().unwrap();
    let output = vpclab(&["test", file.to_str().unwrap(), "--level", "live", "--lab", &lab.name, "--json"]);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    assert_eq!(report["tests"][0]["passed"], true, "{report:#}");
    let why = report["tests"][1]["failures"].to_string();
    assert!(why.contains("web-2 is gone"), "{why}");
    assert_eq!(output.status.code(), Some(2));
}

/// What `vpclab test --level live` says of these tests, each a file of its own: name, topology, tests.
fn report(turn: &Turn, name: &str, topology: &Value, tests: &Value) -> Value {
    std::fs::write(turn.folder.join(format!("{name}.json")), topology.to_string()).unwrap();
    let file = turn.folder.join(format!("{name}.tests.json"));
    let tests = serde_json::json!({ "topology": format!("{name}.json"), "tests": tests });
    std::fs::write(&file, tests.to_string()).unwrap();
    let output = vpclab(&["test", file.to_str().unwrap(), "--level", "live", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)))
}

#[test]
fn a_denial_behind_an_appliance_is_proven_by_what_was_dropped_there() {
    let Some(turn) = Turn::take("behind") else { return };
    let any = serde_json::json!([{ "protocol": "-1", "cidr_blocks": ["10.0.0.0/16"] }]);
    let routes = |block: &str| serde_json::json!({ "vpc": "v", "routes": [{ "cidr_block": block, "instance": "fw" }] });
    let topology = serde_json::json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
        "subnets": {
            "a": { "vpc": "v", "cidr_block": "10.0.1.0/24", "route_table": "a" },
            "b": { "vpc": "v", "cidr_block": "10.0.2.0/24", "route_table": "b" },
            "f": { "vpc": "v", "cidr_block": "10.0.3.0/24" } },
        "route_tables": { "a": routes("10.0.2.0/24"), "b": routes("10.0.1.0/24") },
        "security_groups": {
            "any": { "vpc": "v", "ingress": any },
            "fw": { "vpc": "v", "ingress": any, "egress": [
                { "protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_blocks": ["0.0.0.0/0"] } ] } },
        "instances": {
            "ia": { "subnet": "a", "security_groups": ["any"] },
            "ib": { "subnet": "b", "security_groups": ["any"] },
            "fw": { "subnet": "f", "security_groups": ["fw"], "source_dest_check": false } } });
    let tests = serde_json::json!([
        { "from": "ia", "to": "ib:443", "expect": "allowed" },
        { "from": "ia", "to": "ib:22", "expect": "denied",
          "because": { "code": "ENI_SG_RULES_MISMATCH", "resource": "fw" } } ]);
    let report = report(&turn, "behind", &topology, &tests);
    assert_eq!((&report["passed"], &report["failed"]), (&2.into(), &0.into()), "{report:#}");
}

#[test]
fn what_the_senders_own_kernel_would_answer_is_not_run() {
    let Some(turn) = Turn::take("twins") else { return };
    let topology = serde_json::json!({
        "vpcs": { "a": { "cidr_block": "10.0.0.0/16" }, "b": { "cidr_block": "10.0.0.0/16" } },
        "subnets": {
            "a": { "vpc": "a", "cidr_block": "10.0.0.0/24" },
            "b": { "vpc": "b", "cidr_block": "10.0.0.0/24" } },
        "instances": { "ia": { "subnet": "a" }, "ib": { "subnet": "b" } } });
    let tests = serde_json::json!([{ "from": "ia", "to": "ib/icmp", "expect": "denied" }]);
    let report = report(&turn, "twins", &topology, &tests);
    assert_eq!(report["tests"][0]["outcome"], Value::Null, "{report:#}");
    let why = report["tests"][0]["failures"].to_string();
    assert!(why.contains("the address 10.0.0.4 of ib is ia's own as well"), "{why}");
}
