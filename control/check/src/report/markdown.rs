//! How are results told in a comment on a pull request?
//!
//! GitHub's and GitLab's Markdown: a heading that says it all, what failed in a table, what passed folded away. What
//! always holds: no text of a user's becomes markup.

use std::fmt::Write as _;

use vpclab_api::{FileError, TestReport, TestResult};

use super::{about_all, assumptions, counts, expected_word, level_word, lower, mistakes, short_outcome, why};

/// Rows at most of each table: a comment of GitHub's holds 65,536 characters.
const MOST_ROWS: usize = 150;

/// The report as Markdown.
pub fn markdown(report: &TestReport) -> String {
    let mark =
        if report.failed == 0 && report.passed > 0 && report.errors.is_empty() { "✅" } else { "❌" };
    let level = level_word(report.level);
    let mut text = format!("### {mark} Reachability: {} at level {level}{}\n", counts(report), lower(report));
    for FileError { file, error } in &report.errors {
        let _ = writeln!(text, "\n**{}** is wrong, and no test has run:\n", plain(file));
        for line in mistakes(error) {
            let _ = writeln!(text, "- {}", plain(&line));
        }
        if let Some(sentence) = about_all(error) {
            let _ = writeln!(text, "- {}", plain(&sentence));
        }
    }
    let (passed, failed): (Vec<&TestResult>, Vec<&TestResult>) =
        report.tests.iter().partition(|test| test.passed);
    if !failed.is_empty() {
        text.push('\n');
        table(&mut text, &failed, |test| test.failures.join("\n"), "what is wrong");
    }
    if !passed.is_empty() {
        let _ = writeln!(text, "\n<details><summary>{} passed</summary>\n", passed.len());
        table(&mut text, &passed, why, "why");
        text.push_str("\n</details>\n");
    }
    let mut assumed: Vec<String> = report
        .tests
        .iter()
        .flat_map(assumptions)
        .map(|assumed| format!("{}: {}", assumed.resource, assumed.assumption))
        .collect();
    assumed.sort();
    assumed.dedup();
    if !assumed.is_empty() {
        text.push_str("\n<details><summary>What was taken for granted</summary>\n\n");
        for line in &assumed {
            let _ = writeln!(text, "- {}", plain(line));
        }
        text.push_str("\n</details>\n");
    }
    text
}

fn table(text: &mut String, tests: &[&TestResult], last: impl Fn(&TestResult) -> String, heading: &str) {
    let _ =
        writeln!(text, "| test | expected | outcome | level | {heading} |\n| --- | --- | --- | --- | --- |");
    for test in tests.iter().take(MOST_ROWS) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            plain(&test.name),
            expected_word(test.expected),
            test.outcome.map_or("not run", short_outcome),
            level_word(test.level),
            plain(&last(test))
        );
    }
    if let Some(more) = tests.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        let _ = writeln!(text, "\n… and {more} more");
    }
}

/// Text that is shown as it is, on one line, and notifies nobody.
fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("<br>"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            '@' => shown.push_str("&#64;"),
            '#' => shown.push_str("&#35;"),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '~' | '!' => {
                shown.push('\\');
                shown.push(c);
            }
            c if c.is_control() => shown.push(' '),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(
            plain("a|b *c* _d_ `e` <f> @g #1\nh\u{1b}"),
            "a\\|b \\*c\\* \\_d\\_ \\`e\\` &lt;f&gt; &#64;g &#35;1<br>h "
        );
    }
}
