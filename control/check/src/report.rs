//! How are results told to people, to TAP consumers, to JUnit and in pull requests?

mod github;
mod markdown;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use vpclab_api::{Assumed, ErrorBody, Expected, FileError, Level, Outcome, TestReport, TestResult};
use vpclab_model::Mistake;

use crate::explain::is_of_receiver;
use crate::judge::outcome_words;
use crate::render;
use crate::style::{BAD, FAINT, GOOD, STRONG, paint};

pub use github::github;
pub use markdown::markdown;

/// One line for a result, and one for each thing that went wrong; ANSI colours.
pub fn line(result: &TestResult, name_width: usize) -> String {
    let mark = if result.passed { paint(GOOD, "✓") } else { paint(BAD, "✗") };
    let name = result.name.replace(char::is_control, " ");
    let padding = " ".repeat(name_width.saturating_sub(name.chars().count()));
    let outcome = result.outcome.map_or("not run", short_outcome);
    let mut text = format!("{mark} {name}{padding}  {outcome:<11}  {}", level_word(result.level));
    let why = why(result);
    if !why.is_empty() {
        let _ = write!(text, "  {}", paint(FAINT, why));
    }
    text.push('\n');
    for failure in &result.failures {
        let _ = writeln!(text, "    {}", paint(BAD, failure));
    }
    text
}

/// What the tests took for granted together, where that is more than that receivers listen; each thing once.
pub fn assumed(report: &TestReport) -> String {
    let mut about: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for assumed in report.tests.iter().flat_map(assumptions) {
        about.entry(&assumed.assumption).or_default().insert(&assumed.resource);
    }
    let mut text = String::new();
    for (assumption, resources) in about {
        let resources: Vec<&str> = resources.into_iter().collect();
        let _ = writeln!(
            text,
            "{}",
            paint(FAINT, format_args!("assumed: {}: {assumption}", resources.join(", ")))
        );
    }
    text
}

/// The last line.
pub fn summary(report: &TestReport) -> String {
    let style = if report.failed == 0 { GOOD } else { BAD };
    let level = paint(STRONG, level_word(report.level));
    format!("{} at level {level}{}\n", paint(style.bold(), counts(report)), lower(report))
}

/// How many stayed at a lower level than the run's, as their file says.
fn lower(report: &TestReport) -> String {
    match report.tests.iter().filter(|test| test.level != report.level).count() {
        0 => String::new(),
        stayed => format!(", {stayed} of them at level explain as the file says"),
    }
}

/// How many passed, failed and did not run, in words.
fn counts(report: &TestReport) -> String {
    let not_run = not_run(report);
    let mut counts = format!("{} passed, {} failed", report.passed, report.failed - not_run);
    if not_run > 0 {
        let _ = write!(counts, ", {not_run} not run");
    }
    counts
}

/// How many tests could not be asked or could not run. They are among the failed ones of the report.
pub fn not_run(report: &TestReport) -> usize {
    report.tests.iter().filter(|test| is_not_run(test)).count()
}

fn is_not_run(test: &TestResult) -> bool {
    test.outcome.is_none()
}

/// Assumptions about more than the receiver.
fn assumptions(test: &TestResult) -> impl Iterator<Item = &Assumed> {
    let all = test.explanation.iter().flat_map(|explanation| &explanation.assumed);
    all.filter(|assumed| !is_of_receiver(&assumed.assumption))
}

/// What is wrong with a file, a line for each mistake; the sentence about all of them where there are none.
pub fn mistakes(error: &ErrorBody) -> Vec<String> {
    if error.mistakes.is_empty() {
        return vec![format!("{} ({})", error.message, error.code)];
    }
    let line = |body: &vpclab_api::MistakeBody| {
        // As the model itself tells it.
        let mistake = Mistake {
            resource: body.resource.clone(),
            attribute: body.attribute.clone(),
            code: "",
            problem: body.problem.clone(),
            remedy: body.remedy.clone(),
        };
        let line = mistake.to_string();
        format!("{}({})", line.strip_suffix("()").unwrap_or(&line), body.code)
    };
    error.mistakes.iter().map(line).collect()
}

/// The sentence about all mistakes, which names the file they are in: it may be the topology.
fn about_all(error: &ErrorBody) -> Option<String> {
    (!error.mistakes.is_empty()).then(|| format!("{} ({})", error.message, error.code))
}

/// A name in TAP: a `#` would begin a directive, a line break the next line.
fn tap_name(name: &str) -> String {
    name.replace('\\', "\\\\").replace('#', "\\#").replace(['\n', '\r'], " ")
}

/// TAP version 14; a file that is wrong is a test that is not ok.
pub fn tap(report: &TestReport) -> String {
    let count = report.tests.len() + report.errors.len();
    let mut text = format!("TAP version 14\n1..{count}\n");
    for (place, test) in report.tests.iter().enumerate() {
        let word = if test.passed { "ok" } else { "not ok" };
        let _ = writeln!(text, "{word} {} - {}", place + 1, tap_name(&test.name));
        let _ = writeln!(text, "  ---");
        let mut field = |key: &str, value: &str| {
            let _ = writeln!(text, "  {key}: {}", serde_json::Value::from(value));
        };
        field("file", &test.file);
        field("level", level_word(test.level));
        if !test.when.is_empty() {
            field("when", &test.when.join(" and "));
        }
        field("expected", expected_word(test.expected));
        field("outcome", test.outcome.map_or("not run", short_outcome));
        field("explain", &why(test));
        let assumed = assumed_by(test);
        if !assumed.is_empty() {
            field("assumed", &assumed);
        }
        if !test.failures.is_empty() {
            field("message", &test.failures.join("; "));
        }
        let _ = writeln!(text, "  ...");
    }
    for (place, FileError { file, error }) in report.errors.iter().enumerate() {
        let _ = writeln!(text, "not ok {} - {}", report.tests.len() + place + 1, tap_name(file));
        let mut lines = mistakes(error);
        lines.extend(about_all(error));
        let message = lines.join("\n");
        let _ = writeln!(text, "  ---\n  file: {}", serde_json::Value::from(file.as_str()));
        let _ = writeln!(text, "  message: {}\n  ...", serde_json::Value::from(message));
    }
    text
}

/// JUnit's XML, one suite for each file; that of a file that is wrong holds one case, with an error for each mistake.
pub fn junit(report: &TestReport) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (count, errors) = (report.tests.len(), not_run(report));
    let failed = report.failed - errors;
    let (count, errors) = (count + report.errors.len(), errors + report.errors.len());
    let _ = writeln!(
        text,
        "<testsuites name=\"vpclab\" tests=\"{count}\" failures=\"{failed}\" errors=\"{errors}\">"
    );
    let mut files: Vec<&str> = report.tests.iter().map(|test| test.file.as_str()).collect();
    files.dedup();
    for file in files {
        let tests: Vec<&TestResult> = report.tests.iter().filter(|test| test.file == file).collect();
        let errors = tests.iter().filter(|test| is_not_run(test)).count();
        let failed = tests.iter().filter(|test| !test.passed).count() - errors;
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"{errors}\">",
            escape(file),
            tests.len()
        );
        for test in tests {
            let class = format!("{file} ({})", level_word(test.level));
            let _ = writeln!(
                text,
                "    <testcase name=\"{}\" classname=\"{}\">",
                escape(&test.name),
                escape(&class)
            );
            let element = if is_not_run(test) { "error" } else { "failure" };
            for failure in &test.failures {
                let _ = writeln!(text, "      <{element} message=\"{}\"/>", escape(failure));
            }
            let mut told = vec![why(test)];
            told.extend(
                Some(assumed_by(test)).filter(|text| !text.is_empty()).map(|text| format!("assumed: {text}")),
            );
            told.retain(|text| !text.is_empty());
            let _ = writeln!(text, "      <system-out>{}</system-out>", escape(&told.join("; ")));
            let _ = writeln!(text, "    </testcase>");
        }
        let _ = writeln!(text, "  </testsuite>");
    }
    for FileError { file, error } in &report.errors {
        let file = escape(file);
        let _ = writeln!(text, "  <testsuite name=\"{file}\" tests=\"1\" failures=\"0\" errors=\"1\">");
        let _ = writeln!(text, "    <testcase name=\"{file}\" classname=\"{file}\">");
        for mistake in mistakes(error) {
            let _ = writeln!(text, "      <error message=\"{}\"/>", escape(&mistake));
        }
        if let Some(sentence) = about_all(error) {
            let _ = writeln!(text, "      <system-out>{}</system-out>", escape(&sentence));
        }
        let _ = writeln!(text, "    </testcase>\n  </testsuite>");
    }
    text.push_str("</testsuites>\n");
    text
}

/// What a test took for granted, as one text.
fn assumed_by(test: &TestResult) -> String {
    let each: Vec<String> =
        assumptions(test).map(|assumed| format!("{}: {}", assumed.resource, assumed.assumption)).collect();
    each.join("; ")
}

/// What explain gives as the reason: the first blocker, with its code; and whom of the internet the result leaves out.
fn why(result: &TestResult) -> String {
    let Some(explanation) = &result.explanation else { return String::new() };
    let reason = match explanation.blockers.as_slice() {
        [] => result.source_seen.as_ref().map(|seen| format!("seen from {seen}")),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
            Some(format!("{} ({}){more}", render::blocker(first), first.code))
        }
    };
    let left_out = render::others(explanation).map(|told| format!("{} {}", told.resource, told.assumption));
    reason.into_iter().chain(left_out).collect::<Vec<_>>().join("; ")
}

/// The level's name.
pub fn level_word(level: Level) -> &'static str {
    match level {
        Level::Explain => "explain",
        Level::Virtual => "virtual",
        Level::Live => "live",
    }
}

fn expected_word(expected: Expected) -> &'static str {
    match expected {
        Expected::Allowed => "allowed",
        Expected::Denied => "denied",
        Expected::Only => "only some allowed",
    }
}

fn short_outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Dropped => "dropped",
        Outcome::Unreachable => "unreachable",
        Outcome::Refused => "refused",
        Outcome::NoListener => "no listener",
        Outcome::Allowed | Outcome::Unknown => outcome_words(outcome),
    }
}

/// Text inside XML; control characters, which XML cannot hold, become spaces.
fn escape(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '&' => "&amp;".to_owned(),
            '"' => "&quot;".to_owned(),
            c if c.is_control() => " ".to_owned(),
            c => c.to_string(),
        })
        .collect()
}
