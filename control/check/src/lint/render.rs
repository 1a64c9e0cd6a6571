//! How are findings told to people?

use std::fmt::Write as _;

use vpclab_api::{Finding, LintReport, Severity};

use crate::style::{BAD, FAINT, GOOD, STRONG, UNSURE, paint};

/// Every finding under its severity, the worst first, the errors that are accepted, and a line that counts them.
pub fn report(report: &LintReport) -> String {
    let mut text = String::new();
    let id_width = report.findings.iter().map(|finding| finding.id.chars().count()).max().unwrap_or(0);
    for (severity, heading, style) in [
        (Severity::Error, "errors", BAD),
        (Severity::Warning, "warnings", UNSURE),
        (Severity::Note, "notes", FAINT),
    ] {
        let findings: Vec<&Finding> = report.findings.iter().filter(|one| one.severity == severity).collect();
        if findings.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{}", paint(style.bold(), heading));
        for finding in findings {
            let padding = " ".repeat(id_width - finding.id.chars().count());
            let id = paint(style, &finding.id);
            let _ = writeln!(text, "  {id}{padding}  {}", paint(STRONG, place(finding)));
            let _ = writeln!(text, "    {}", finding.reason);
            let facts = if finding.facts.is_empty() {
                String::new()
            } else {
                format!("  {}", finding.facts.join(", "))
            };
            let _ = writeln!(text, "    → {}{}", finding.remedy, paint(FAINT, facts));
        }
        text.push('\n');
    }
    text.push_str(&accepted_errors(report));
    let _ = writeln!(text, "{}", summary(report));
    text
}

/// The errors that the document accepts, a line each: what is accepted is not gone.
fn accepted_errors(report: &LintReport) -> String {
    let all = report.accepted.iter().filter(|one| one.finding.severity == Severity::Error);
    let errors: Vec<_> = all.map(|one| (&one.finding, &one.accepted)).collect();
    if errors.is_empty() {
        return String::new();
    }
    let id_width = errors.iter().map(|(finding, _)| finding.id.chars().count()).max().unwrap_or(0);
    let mut text = format!("{}\n", paint(FAINT.bold(), "accepted errors"));
    for (finding, reason) in errors {
        let _ = writeln!(text, "  {:<id_width$}  {}: {reason}", finding.id, place(finding));
    }
    text.push('\n');
    text
}

/// Where a finding is: `network_acls.edge ingress 100`.
fn place(finding: &Finding) -> String {
    let resource = &finding.resource;
    let name = if resource.kind.is_empty() {
        "the document".to_owned()
    } else {
        format!("{}.{}", resource.kind, resource.name)
    };
    finding.rule.as_ref().map_or_else(|| name.clone(), |rule| format!("{name} {rule}"))
}

fn summary(report: &LintReport) -> String {
    let count = |severity: Severity, noun: &str| {
        let count = report.count(severity);
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {noun}{plural}"))
    };
    let counts =
        [count(Severity::Error, "error"), count(Severity::Warning, "warning"), count(Severity::Note, "note")];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    let counts = if counts.is_empty() { "nothing found".to_owned() } else { counts.join(", ") };
    let style = if report.count(Severity::Error) > 0 {
        BAD
    } else if report.count(Severity::Warning) > 0 {
        UNSURE
    } else {
        GOOD
    };
    let accepted = match report.accepted.len() {
        0 => String::new(),
        accepted => paint(FAINT, format_args!("; {accepted} accepted")),
    };
    format!("{}{accepted}", paint(style.bold(), counts))
}
