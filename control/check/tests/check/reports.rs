//! Are results told whole in every format?

use vpclab_api::{Expected, Level, TestResult};
use vpclab_check::{report, summarise};

fn result(name: &str, failures: &[&str]) -> TestResult {
    TestResult {
        file: "a & b.json".to_owned(),
        name: name.to_owned(),
        level: Level::Virtual,
        passed: failures.is_empty(),
        expected: Expected::Denied,
        outcome: None,
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
    assert!(xml.contains("<testsuite name=\"a &amp; b.json\" tests=\"2\" failures=\"1\">"), "{xml}");
    assert!(xml.contains("<testcase name=\"&lt;yes&gt;\""), "{xml}");
    assert!(xml.contains("<failure message=\"a &quot;b&quot; &amp; c\"/>"), "{xml}");
}

#[test]
fn the_last_line_counts() {
    let report = summarise(Level::Explain, vec![result("a", &[]), result("b", &["x"]), result("c", &[])]);
    let line = report::summary(&report);
    assert!(line.contains("2 passed, 1 failed"), "{line}");
}
