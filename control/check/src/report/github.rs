//! How are failures shown beside the lines of a pull request?
//!
//! GitHub's workflow commands: one `::error` for each test that has not passed, at the line of the file where the test's
//! name stands. What always holds: one command is one line, and no text of a user's is a second command.

use std::fmt::Write as _;

use vpclab_api::{FileError, TestReport};

use super::{about_all, is_not_run, level_word, mistakes};

/// The workflow commands for what has not passed; `text_of` reads a file of tests, to find the lines.
pub fn github(report: &TestReport, text_of: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    for test in report.tests.iter().filter(|test| !test.passed) {
        let line = text_of(&test.file).and_then(|file| line_of(&file, &test.name));
        let what = if is_not_run(test) { "not run" } else { "failed" };
        let title = format!("{} {what} at level {}", test.name, level_word(test.level));
        command(&mut text, &test.file, line, &title, &test.failures.join("\n"));
    }
    for FileError { file, error } in &report.errors {
        let mut lines = mistakes(error);
        lines.extend(about_all(error));
        command(&mut text, file, None, "The file is wrong, and no test has run", &lines.join("\n"));
    }
    text
}

fn command(text: &mut String, file: &str, line: Option<usize>, title: &str, message: &str) {
    let line = line.map_or_else(String::new, |line| format!(",line={line}"));
    let _ =
        writeln!(text, "::error file={}{line},title={}::{}", property(file), property(title), data(message));
}

/// The line, from 1, in which a file says this name.
fn line_of(file: &str, name: &str) -> Option<usize> {
    let in_json = serde_json::Value::from(name).to_string();
    let in_json = in_json.trim_matches('"');
    file.lines().position(|line| line.contains(name) || line.contains(in_json)).map(|place| place + 1)
}

/// The text of a command, as GitHub's own toolkit escapes it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_the_toolkit_does_it() {
        assert_eq!(data("100%: a,b\r\n::error::x"), "100%25: a,b%0D%0A::error::x");
        assert_eq!(property("100%: a,b\n"), "100%25%3A a%2Cb%0A");
    }

    #[test]
    fn a_test_is_at_the_line_that_names_it() {
        let file = "{\n \"tests\": [\n  {\"name\": \"a \\\"b\\\"\"},\n  {\"name\": \"c\"}]}";
        assert_eq!(line_of(file, "a \"b\""), Some(3));
        assert_eq!(line_of(file, "c → d"), None);
    }
}
