//! Are results told whole in every format?

use vpclab_api::{Expected, Level, Outcome, TestResult};
use vpclab_check::{report, summarise};

fn result(name: &str, failures: &[&str]) -> TestResult {
    TestResult {
        file: "a & b.json".to_owned(),
        name: name.to_owned(),
        level: Level::Virtual,
        passed: failures.is_empty(),
        when: Vec::new(),
        expected: Expected::Denied,
        outcome: Some(Outcome::Dropped),
        failures: failures.iter().map(ToString::to_string).collect(),
        source_seen: None,
        explanation: None,
    }
}

#[test]
fn tap_escapes_what_would_be_a_directive() {
    let report =
        summarise(Level::Virtual, vec![result("is #1 # TODO\nok", &[]), result("no", &["because: \"x\""])]);
    let tap = report::tap(&report);
    let lines: Vec<&str> = tap.lines().collect();
    assert_eq!(lines[..3], ["TAP version 14", "1..2", "ok 1 - is \\#1 \\# TODO ok"]);
    assert!(lines.contains(&"not ok 2 - no"));
    assert!(lines.contains(&"  message: \"because: \\\"x\\\"\""), "{tap}");
    assert!(lines.contains(&"  level: \"virtual\""));
}

#[test]
fn junit_counts_and_escapes() {
    let report = summarise(Level::Virtual, vec![result("<yes>", &[]), result("no", &["a \"b\" & c"])]);
    let xml = report::junit(&report);
    assert!(
        xml.contains("<testsuite name=\"a &amp; b.json\" tests=\"2\" failures=\"1\" errors=\"0\">"),
        "{xml}"
    );
    assert!(xml.contains("<testcase name=\"&lt;yes&gt;\""), "{xml}");
    assert!(xml.contains("<failure message=\"a &quot;b&quot; &amp; c\"/>"), "{xml}");
}

/// The assumption that a rule or route hides in must be read by who reads the result.
#[test]
fn what_stands_for_the_internet_is_told_in_every_format() {
    let network = crate::quickstart();
    let result = crate::one(&network, crate::case("internet", "web-1:443", Expected::Allowed), None);
    let report = summarise(Level::Explain, vec![result]);
    let json = serde_json::to_string(&report).unwrap();
    for (format, text) in [
        ("people", report::assumed(&report)),
        ("TAP", report::tap(&report)),
        ("JUnit", report::junit(&report)),
        ("JSON", json),
    ] {
        assert!(text.contains("stands for every public host"), "{format}: {text}");
        assert!(text.contains("any of the ports 32768-60999"), "{format}: {text}");
    }
    assert!(!report::assumed(&report).contains("firewall"));
}

#[test]
fn a_test_that_could_not_run_is_counted_apart_and_is_junits_error() {
    let not_run = TestResult { outcome: None, ..result("gone", &["it could not run: why"]) };
    let report = summarise(Level::Live, vec![result("a", &[]), result("b", &["x"]), not_run]);
    assert_eq!((report.passed, report.failed, report::not_run(&report)), (1, 2, 1));
    let line = report::summary(&report);
    assert!(line.contains("1 passed, 1 failed, 1 not run"), "{line}");
    let xml = report::junit(&report);
    assert!(xml.contains("tests=\"3\" failures=\"1\" errors=\"1\""), "{xml}");
    assert!(xml.contains("<error message=\"it could not run: why\"/>"), "{xml}");
    assert!(report::line(&report.tests[2], 4).contains("not run"));
}

#[test]
fn a_level_that_cannot_be_had_leaves_every_test_not_run() {
    let test = |to: &str| crate::case("a", to, Expected::Denied);
    let mut shown = 0;
    let results = vpclab_check::not_run(
        "a.json",
        &crate::unchanged(&[test("b:1"), test("b:2")]),
        Level::Live,
        "no root",
        |_| shown += 1,
    );
    let report = summarise(Level::Live, results);
    assert_eq!((shown, report.passed, report::not_run(&report)), (2, 0, 2));
    assert_eq!(report.tests[0].failures, ["it could not run: no root"]);
}

#[test]
fn the_last_line_counts() {
    let report = summarise(Level::Explain, vec![result("a", &[]), result("b", &["x"]), result("c", &[])]);
    let line = report::summary(&report);
    assert!(line.contains("2 passed, 1 failed"), "{line}");
}
