//! Does the command say what it said when a person last looked at it?
//!
//! Each case runs the built binary in this folder and compares status, stdout and stderr with `golden/NAME.txt`. After a
//! wanted change: `UPDATE_GOLDEN=1 cargo test -p vpclab-cli`, and read the difference.
#![allow(clippy::unwrap_used, clippy::panic)] // As everywhere in tests: there they are the assertion.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const QUICKSTART: &str = "../../../configs/quickstart.json";

/// Two files that are wrong, and between them one that is right.
const GOOD_AND_BAD: &[&str] =
    &["test", "files/unaskable.tests.yaml", "files/halves.tests.yaml", "files/empty.yaml"];

fn vpclab(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.args(arguments).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    // What the user's shell says must not show.
    for variable in ["VPCLAB_LAB", "CLICOLOR_FORCE", "NO_COLOR", "COLUMNS", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command
}

fn told(arguments: &[&str], output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut told = format!("$ vpclab {}\n", arguments.join(" "));
    told.push_str(&text(&output.stdout));
    if !output.stderr.is_empty() {
        told.push_str("--- stderr\n");
        told.push_str(&text(&output.stderr));
    }
    told.push_str(&format!("--- exit {}\n", output.status.code().unwrap_or(-1)));
    told
}

/// Compares with the file; returns what differs.
fn differs(name: &str, found: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, found).unwrap();
        return None;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    (expected != found).then(|| format!("=== {name}: expected\n{expected}=== found\n{found}"))
}

#[test]
fn the_command_says_what_it_said() {
    let t = ["-t", QUICKSTART];
    let explain = |ends: &[&'static str]| [&["explain"], ends, &t].concat();
    let cases: Vec<(&str, Vec<&str>)> = vec![
        ("explain-yes", explain(&["--from", "web-1", "--to", "db-1:5432/tcp"])),
        ("explain-yes-internet", explain(&["--from", "client", "--to", "web-1:443"])),
        ("explain-no", explain(&["--from", "app-1", "--to", "db-1:22"])),
        ("explain-no-address", explain(&["--from", "internet", "--to", "db-1:22", "--family", "4"])),
        ("explain-no-json", explain(&["--from", "app-1", "--to", "db-1:22", "--json"])),
        ("explain-unknown", explain(&["--from", "web-1", "--to", "169.254.169.254:80"])),
        ("explain-unknown-json", explain(&["--from", "web-1", "--to", "169.254.169.254:80", "--json"])),
        ("explain-all", explain(&["--from", "web-1", "--to", "db-1"])),
        ("explain-partial", vec!["explain", "--from", "a", "--to", "b:443", "-t", "files/replies.yaml"]),
        (
            "explain-partial-json",
            vec!["explain", "--from", "a", "--to", "b:443", "-t", "files/replies.yaml", "--json"],
        ),
        (
            "explain-some-sources",
            vec!["explain", "--from", "internet", "--to", "a:80", "-t", "files/halves.yaml"],
        ),
        ("explain-private", explain(&["--from", "client", "--to", "10.0.1.10:443"])),
        ("explain-router", explain(&["--from", "web-1", "--to", "10.0.1.1/icmp"])),
        ("explain-nobody", explain(&["--from", "web-1", "--to", "10.0.1.99:80"])),
        ("error-protocol-of-address", explain(&["--from", "web-1", "--to", "10.0.2.10/50"])),
        ("error-family", explain(&["--from", "app-1", "--to", "10.0.2.10:22", "--family", "6"])),
        ("error-empty-file", vec!["map", "-t", "files/empty.yaml"]),
        ("error-empty-tests", vec!["test", "files/empty.yaml"]),
        ("error-two-documents", vec!["map", "-t", "files/two.yaml"]),
        ("error-counters-name", vec!["get", "counters", "foo"]),
        ("error-duplicate-key", vec!["map", "-t", "files/twice.yaml"]),
        ("error-lab-name", vec!["map", "--lab=-x"]),
        ("error-lab-at-virtual", vec!["test", "files/halves.tests.yaml", "--lab", "default"]),
        ("error-name", explain(&["--from", "wbe-1", "--to", "db-1:22"])),
        ("error-name-json", explain(&["--from", "wbe-1", "--to", "db-1:22", "--json"])),
        ("error-kind-of-end", explain(&["--from", "web-1", "--to", "private-a:22"])),
        ("error-mistakes", vec!["map", "-t", "files/mistakes.json"]),
        ("error-mistakes-json", vec!["map", "-t", "files/mistakes.json", "--json"]),
        ("error-no-file", vec!["map", "-t", "files/nothing.json"]),
        ("error-no-lab", vec!["map", "--lab", "no-such-lab"]),
        ("error-no-lab-json", vec!["get", "subnets", "--lab", "no-such-lab", "--json"]),
        ("error-no-lab-down", vec!["down", "--lab", "no-such-lab"]),
        ("error-usage", vec!["explain", "--from", "web-1"]),
        ("error-usage-json", vec!["explain", "--from", "web-1", "--json"]),
        ("map", [&["map"][..], &t].concat()),
        ("get-subnets", [&["get", "subnets"][..], &t].concat()),
        ("get-security-groups", vec!["get", "security_groups", "-t", "files/halves.yaml"]),
        ("get-nat-gateways", vec!["get", "nat_gateways", "-t", "files/broken.yaml"]),
        ("get-nat-gateway", vec!["get", "nat_gateways", "first", "-t", "files/broken.yaml"]),
        ("get-prefix-lists", vec!["get", "managed_prefix_lists", "-t", "files/broken.yaml"]),
        ("map-broken", vec!["map", "-t", "files/broken.yaml"]),
        ("get-vpcs-far", vec!["get", "vpcs", "-t", "files/far.yaml"]),
        ("get-network-acl", [&["get", "network-acl", "database"][..], &t].concat()),
        ("get-instance-json", [&["get", "instance", "web-1", "--json"][..], &t].concat()),
        ("get-unknown", [&["get", "subnet", "private-b"][..], &t].concat()),
        ("get-unknown-kind", [&["get", "subnetz"][..], &t].concat()),
        ("test-quickstart", vec!["test", "../../../configs/quickstart.tests.json"]),
        (
            "test-explain-tap",
            vec!["test", "../../../configs/quickstart.tests.json", "--level", "explain", "--tap"],
        ),
        ("test-failing", vec!["test", "files/failing.tests.yaml"]),
        ("test-failing-explain", vec!["test", "files/failing.tests.yaml", "--level", "explain"]),
        ("test-some-sources", vec!["test", "files/halves.tests.yaml"]),
        ("test-code", vec!["test", "files/code.tests.yaml"]),
        ("test-mistakes", vec!["test", "files/wrong.tests.yaml"]),
        ("test-unaskable", vec!["test", "files/unaskable.tests.yaml"]),
        ("test-good-and-bad", GOOD_AND_BAD.to_vec()),
        ("test-good-and-bad-tap", [GOOD_AND_BAD, &["--tap"]].concat()),
        ("test-example", vec!["test", "../../../examples/shop.tests.yaml"]),
        ("test-three-failing", vec!["test", "files/three-failing.tests.yaml"]),
        ("test-three-tap", vec!["test", "files/three-failing.tests.yaml", "--tap"]),
        ("test-github", vec!["test", "files/three-failing.tests.yaml", "--github"]),
        ("test-markdown", vec!["test", "files/three-failing.tests.yaml", "--markdown"]),
        ("test-markdown-wrong", vec!["test", "files/three-wrong.tests.yaml", "--markdown"]),
        ("test-three-wrong", vec!["test", "files/three-wrong.tests.yaml", "--github"]),
        ("error-two-reports", vec!["test", "files/halves.tests.yaml", "--tap", "--markdown"]),
        ("test-none", vec!["test", "files/none.tests.json"]),
        ("analyse", vec!["analyse", "-t", "files/shop.yaml"]),
        ("analyse-quickstart", [&["analyse"][..], &t].concat()),
        ("analyse-to", vec!["analyse", "--to", "db-1", "-t", "files/shop.yaml"]),
        (
            "analyse-from-internet",
            vec!["analyse", "--from", "internet", "--family", "4", "-t", "files/shop.yaml"],
        ),
        ("analyse-subnets", vec!["analyse", "--by", "subnet", "-t", "files/shop.yaml"]),
        ("analyse-groups-markdown", vec!["analyse", "--by", "group", "--markdown", "-t", "files/shop.yaml"]),
        ("analyse-markdown", vec!["analyse", "--markdown", "-t", "files/shop.yaml"]),
        ("analyse-csv", vec!["analyse", "--csv", "--to", "web", "-t", "files/shop.yaml"]),
        ("analyse-subnets-csv", vec!["analyse", "--csv", "--by", "subnet", "-t", "files/shop.yaml"]),
        ("analyse-dot", vec!["analyse", "--dot", "-t", "files/shop.yaml"]),
        ("analyse-subnets-dot", vec!["analyse", "--dot", "--by", "subnet", "-t", "files/shop.yaml"]),
        ("analyse-json", vec!["analyse", "--json", "--to", "db-1", "-t", "files/shop.yaml"]),
        ("analyse-nobody", vec!["analyse", "-t", "files/nobody.yaml"]),
        ("analyse-nothing", vec!["analyse", "--to", "batch-1", "-t", "files/shop.yaml"]),
        ("analyse-unknown-name", vec!["analyse", "--to", "db-2", "-t", "files/shop.yaml"]),
        ("analyse-two-formats", vec!["analyse", "--csv", "--dot", "-t", "files/shop.yaml"]),
        ("diff", vec!["diff", "files/shop.yaml", "files/shop-next.yaml"]),
        ("diff-markdown", vec!["diff", "files/shop.yaml", "files/shop-next.yaml", "--markdown"]),
        ("diff-json", vec!["diff", "files/shop.yaml", "files/shop-less.yaml", "--json"]),
        ("diff-less", vec!["diff", "files/shop.yaml", "files/shop-less.yaml"]),
        ("diff-nothing", vec!["diff", "files/shop.yaml", "files/shop.yaml"]),
        ("diff-mistakes", vec!["diff", "files/shop.yaml", "files/mistakes.json"]),
        ("help-analyse", vec!["help", "analyse"]),
        ("help-diff", vec!["help", "diff"]),
        ("lint", vec!["lint", "files/lint.yaml"]),
        ("lint-json", vec!["lint", "-t", "files/lint-notes.yaml", "--json"]),
        ("lint-strict", vec!["lint", "files/lint-notes.yaml", "--strict"]),
        ("lint-clean", vec!["lint", QUICKSTART]),
        ("lint-accepts", vec!["lint", "files/lint-accepts.yaml"]),
        ("lint-two-files", vec!["lint", "files/lint.yaml", "-t", "files/lint.yaml"]),
        ("help", vec!["--help"]),
        ("help-explain", vec!["help", "explain"]),
        ("help-lint", vec!["help", "lint"]),
        ("help-test", vec!["help", "test"]),
        ("help-up", vec!["help", "up"]),
    ];
    let differences: Vec<String> = cases
        .iter()
        .filter_map(|(name, arguments)| differs(name, &told(arguments, &vpclab(arguments).output().unwrap())))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_kind_of_answer_has_its_exit_status() {
    for (arguments, status) in [
        (vec!["explain", "--from", "web-1", "--to", "db-1:5432", "-t", QUICKSTART], 0),
        (vec!["explain", "--from", "web-1", "--to", "db-1:22", "-t", QUICKSTART], 1),
        (vec!["explain", "--from", "web-1", "--to", "169.254.169.254:80", "-t", QUICKSTART], 2),
        (vec!["explain", "--from", "web-1", "--to", "nobody", "-t", QUICKSTART], 2),
        (vec!["analyse", "-t", "files/shop.yaml"], 0),
        (vec!["analyse", "--to", "batch-1", "-t", "files/shop.yaml"], 0),
        (vec!["analyse", "--to", "nobody", "-t", "files/shop.yaml"], 2),
        (vec!["diff", "files/shop.yaml", "files/shop.yaml"], 0),
        (vec!["diff", "files/shop.yaml", "files/shop-less.yaml"], 1),
        (vec!["diff", "files/shop.yaml", "files/nothing.yaml"], 2),
        (vec!["test", "files/halves.tests.yaml"], 1),
        // Two of its tests cannot run.
        (vec!["test", "files/failing.tests.yaml"], 2),
        (vec!["test", "files/code.tests.yaml"], 2),
        (vec!["test", "files/halves.tests.yaml", "--lab", "default"], 2),
        (vec!["test", "files/none.tests.json"], 2),
        (vec!["test", "files/nothing.json"], 2),
        (vec!["lint", QUICKSTART], 0),
        (vec!["lint", "files/lint-notes.yaml"], 0),
        (vec!["lint", "files/lint-notes.yaml", "--strict"], 1),
        (vec!["lint", "files/lint.yaml"], 1),
        (vec!["lint", "files/lint-accepts.yaml"], 2),
        (vec!["lint", "files/mistakes.json"], 2),
        (vec!["get", "nothing"], 2),
        (vec!["nothing"], 2),
        (vec![], 2),
        (vec!["--version"], 0),
        (vec!["help", "up"], 0),
    ] {
        let output = vpclab(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {output:?}");
    }
}

#[test]
fn a_reader_that_goes_away_changes_nothing_of_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("results.xml");
    let junit_argument = junit.display().to_string();
    let explain = |to| vec!["explain", "--from", "web-1", "--to", to, "-t", QUICKSTART];
    for (arguments, status) in [
        (vec!["get", "subnets", "--json", "-t", QUICKSTART], 0),
        (explain("db-1:5432"), 0),
        (explain("db-1:22"), 1),
        (explain("169.254.169.254:80"), 2),
        (vec!["analyse", "--csv", "-t", QUICKSTART], 0),
        (vec!["diff", "files/shop.yaml", "files/shop-less.yaml"], 1),
        (vec!["test", "files/halves.tests.yaml", "--junit", &junit_argument], 1),
        (vec!["test", "files/halves.tests.yaml", "--tap"], 1),
        (vec!["test", "files/halves.tests.yaml", "--json"], 1),
        (vec!["test", "files/failing.tests.yaml"], 2),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = vpclab(&arguments).stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
        assert_eq!(
            (output.status.code(), output.stderr.len()),
            (Some(status), 0),
            "{arguments:?}: {output:?}"
        );
    }
    assert!(fs::read_to_string(&junit).unwrap().contains("tests=\"3\" failures=\"2\" errors=\"0\""));
}

#[test]
fn a_file_that_is_wrong_leaves_all_unrun_and_is_in_every_report() {
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("results.xml");
    let junit_argument = junit.display().to_string();
    let topology = folder.path().join("bad.tests.json");
    let mistakes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/mistakes.json");
    let text =
        format!(r#"{{"topology": {mistakes:?}, "tests": [{{"from": "a", "to": "b", "expect": "denied"}}]}}"#);
    fs::write(&topology, text).unwrap();
    let topology = topology.display().to_string();
    let output = vpclab(&[GOOD_AND_BAD, &[&topology, "--json", "--junit", &junit_argument]].concat())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let report: vpclab_api::TestReport = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report.passed, report.failed, report.tests.len()), (0, 3, 3));
    assert!(report.tests.iter().all(|test| test.outcome.is_none() && test.file == "files/halves.tests.yaml"));
    let wrong: Vec<_> = report.errors.iter().map(|e| (e.file.as_str(), e.error.mistakes.len())).collect();
    assert_eq!(wrong, [("files/unaskable.tests.yaml", 6), ("files/empty.yaml", 1), (&topology, 12)]);
    let xml = fs::read_to_string(&junit).unwrap();
    assert!(xml.contains("tests=\"6\" failures=\"0\" errors=\"6\""), "{xml}");
    for part in [
        "<testsuite name=\"files/halves.tests.yaml\" tests=\"3\" failures=\"0\" errors=\"3\">",
        "<testsuite name=\"files/unaskable.tests.yaml\" tests=\"1\" failures=\"0\" errors=\"1\">",
        "<error message=\"tests[1].to: 543222 is not a port; ",
        "<error message=\"tests: the file holds no test; ",
        "mistakes.json has 12 mistakes (InvalidTopology)</system-out>",
    ] {
        assert!(xml.contains(part), "{part}\n{xml}");
    }
}

#[test]
fn what_cannot_be_done_after_the_tests_hides_none_of_them() {
    let nowhere = ["--junit", "no-such-folder/results.xml"];
    for format in ["--json", "--tap"] {
        let arguments = [&["test", "files/halves.tests.yaml", format][..], &nowhere].concat();
        let output = vpclab(&arguments).output().unwrap();
        let without = vpclab(&arguments[..3]).output().unwrap();
        assert_eq!(output.stdout, without.stdout, "{format}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("no-such-folder/results.xml"), "{output:?}");
        assert_eq!((output.status.code(), without.status.code()), (Some(2), Some(1)), "{format}");
    }
}

/// The variable names the lab for every command; at the other levels it is no slip of the user's.
#[test]
fn the_variable_that_names_a_lab_is_no_mistake_at_other_levels() {
    let output = vpclab(&["test", "../../../configs/quickstart.tests.json"])
        .env("VPCLAB_LAB", "other")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn colours_are_for_terminals_and_for_who_forces_them() {
    let arguments = ["map", "-t", QUICKSTART];
    let plain = vpclab(&arguments).output().unwrap().stdout;
    assert!(!plain.contains(&0x1b));
    let forced = vpclab(&arguments).env("CLICOLOR_FORCE", "1").output().unwrap().stdout;
    assert!(forced.contains(&0x1b));
    let refused = vpclab(&arguments).env("NO_COLOR", "1").output().unwrap().stdout;
    assert_eq!(refused, plain);
}

#[test]
fn reports_pages_and_completions_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("results.xml");
    let junit_argument = junit.display().to_string();
    let output =
        vpclab(&["test", "files/failing.tests.yaml", "--junit", &junit_argument, "--json"]).output().unwrap();
    let report: vpclab_api::TestReport = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((report.passed, report.failed), (1, 4));
    assert!(fs::read_to_string(&junit).unwrap().contains("tests=\"5\" failures=\"3\" errors=\"1\""));
    let man = folder.path().join("man");
    assert!(vpclab(&["man", &man.display().to_string()]).status().unwrap().success());
    assert!(
        fs::read_to_string(man.join("vpclab-explain.1"))
            .unwrap()
            .contains("Why does this packet pass or die?")
    );
    for shell in ["bash", "zsh", "fish"] {
        let script = vpclab(&["completions", shell]).output().unwrap();
        assert!(
            script.status.success() && String::from_utf8_lossy(&script.stdout).contains("explain"),
            "{shell}"
        );
    }
}
