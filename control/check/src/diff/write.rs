//! How is it read what changes?
//!
//! As text on a terminal, and as Markdown in a pull request. Both are made from the API's own answer.

use std::fmt::Write as _;

use vpclab_api::{AnalysisEnd, ChangeKind, ChangedPairs, ChangedReach, Diff, Rerouted};

use crate::analyse::phrase::{families, is_outside, place_of, some, traffic};
use crate::analyse::write::cell;
use crate::style::{BAD, FAINT, GOOD, STRONG, UNSURE, paint};

/// So many rows of one kind are written in Markdown; a comment on a pull request has an end.
const MOST_ROWS: usize = 100;

/// Above what passes as it did, from another source or by other gateways.
const OTHERWISE: &str = "passes as before, otherwise";

/// The kinds of changes in the order they are told.
const KINDS: [ChangeKind; 4] =
    [ChangeKind::Gained, ChangeKind::Lost, ChangeKind::Changed, ChangeKind::Unknown];

/// The answer as text with ANSI colours; the printer takes them off where they are not wanted.
pub fn text(diff: &Diff) -> String {
    let mut text = format!("{}\n", paint(STRONG, summary(diff)));
    if let Some(told) = known_in_neither(diff) {
        let _ = writeln!(text, "{}", paint(UNSURE, told));
    }
    for (word, ends) in [("new", &diff.added), ("gone", &diff.removed)] {
        if !ends.is_empty() {
            let _ = writeln!(text, "{word}: {}", some(&ends_names(ends)));
        }
    }
    for renamed in &diff.renamed {
        let _ = writeln!(text, "renamed: {} is now called {}", renamed.old, renamed.new);
    }
    let families = families_of(diff);
    for kind in KINDS {
        let rows: Vec<&ChangedReach> = diff.changes.iter().filter(|row| row.kind == kind).collect();
        if rows.is_empty() {
            continue;
        }
        let style = match kind {
            ChangeKind::Gained => GOOD,
            ChangeKind::Lost => BAD,
            ChangeKind::Changed | ChangeKind::Unknown => UNSURE,
        };
        let _ = writeln!(text, "\n{}", paint(style.bold(), heading(kind)));
        for row in rows {
            let (from, to) = ends(diff, row);
            let _ = writeln!(text, "  {from} → {to}  {}", what(row, families));
            for (word, rules) in [("before", &row.before), ("now", &row.after)] {
                for (place, rule) in rules.iter().enumerate() {
                    let word = if place == 0 { word } else { "" };
                    let _ = writeln!(text, "    {}", paint(FAINT, format!("{word:<6}  {rule}")));
                }
            }
        }
    }
    if !diff.rerouted.is_empty() {
        let _ = writeln!(text, "\n{}", paint(UNSURE.bold(), OTHERWISE));
        for row in &diff.rerouted {
            let (from, to) = ends_of_rerouted(diff, row);
            let _ = writeln!(text, "  {from} → {to}  {}", how(row));
        }
    }
    if diff.pairs.unknown + diff.pairs.known_in_neither > 0 {
        let _ = writeln!(text, "\n{}", paint(UNSURE, "depends on"));
        for what in &diff.unmodelled {
            let _ = writeln!(text, "  {}: {}", what.resource, what.reason);
        }
    }
    text
}

/// The answer as Markdown.
pub fn markdown(diff: &Diff) -> String {
    let mut text = format!("### Connectivity: {}\n", summary(diff));
    if let Some(told) = known_in_neither(diff) {
        let _ = writeln!(text, "\n{}.", told.replacen('b', "B", 1));
    }
    for (word, ends) in [("New", &diff.added), ("Gone", &diff.removed)] {
        if !ends.is_empty() {
            let _ = writeln!(text, "\n{word}: {}", cell(&some(&ends_names(ends))));
        }
    }
    for renamed in &diff.renamed {
        let _ = writeln!(text, "\nRenamed: {} is now called {}", cell(&renamed.old), cell(&renamed.new));
    }
    let families = families_of(diff);
    for kind in KINDS {
        let rows: Vec<&ChangedReach> = diff.changes.iter().filter(|row| row.kind == kind).collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n**{}**\n\n| from | to | traffic | before | now |", heading(kind));
        text.push_str("| --- | --- | --- | --- | --- |\n");
        for row in rows.iter().take(MOST_ROWS) {
            let (from, to) = ends(diff, row);
            let rules =
                |rules: &[String]| rules.iter().map(|rule| cell(rule)).collect::<Vec<_>>().join("<br>");
            let (before, after) = (rules(&row.before), rules(&row.after));
            let what = cell(&what(row, families));
            let _ = writeln!(text, "| {} | {} | {what} | {before} | {after} |", cell(&from), cell(&to));
        }
        if rows.len() > MOST_ROWS {
            let _ = writeln!(text, "\nand {} more rows", rows.len() - MOST_ROWS);
        }
    }
    if !diff.rerouted.is_empty() {
        let _ = writeln!(text, "\n**{OTHERWISE}**\n\n| from | to | how |\n| --- | --- | --- |");
        for row in diff.rerouted.iter().take(MOST_ROWS) {
            let (from, to) = ends_of_rerouted(diff, row);
            let _ = writeln!(text, "| {} | {} | {} |", cell(&from), cell(&to), cell(&how(row)));
        }
        if diff.rerouted.len() > MOST_ROWS {
            let _ = writeln!(text, "\nand {} more rows", diff.rerouted.len() - MOST_ROWS);
        }
    }
    if diff.pairs.unknown + diff.pairs.known_in_neither > 0 {
        text.push_str("\nDepends on what is not modelled:\n\n");
        for what in &diff.unmodelled {
            let _ = writeln!(text, "- {}: {}", cell(&what.resource), cell(&what.reason));
        }
    }
    text
}

fn summary(diff: &Diff) -> String {
    let ChangedPairs { gained, lost, changed, unknown, rerouted, all, .. } = diff.pairs;
    let told = [
        (gained, "gain"),
        (lost, "lose"),
        (changed, "gain some and lose some"),
        (unknown, "may gain or lose"),
    ];
    let told: Vec<String> = told
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, verb)| {
            let verb = if count == 1 {
                verb.replace("gain", "gains").replace("lose", "loses")
            } else {
                verb.to_owned()
            };
            let verb = if count == 1 { verb.replace("may gains or loses", "may gain or lose") } else { verb };
            format!("{} {verb}", pairs(count))
        })
        .collect();
    let otherwise = match rerouted {
        0 => String::new(),
        count => format!(
            "; between {} traffic passes as before, from another source or by another way",
            pairs(count)
        ),
    };
    if told.is_empty() {
        let nothing = if rerouted == 0 { "nothing changes" } else { "nothing is gained or lost" };
        return format!("{nothing} between {}{otherwise}", pairs(all));
    }
    format!("{}, of {all}{otherwise}", told.join(", "))
}

fn pairs(count: usize) -> String {
    if count == 1 { "1 pair".to_owned() } else { format!("{count} pairs") }
}

/// What no comparison can tell, if there is such.
fn known_in_neither(diff: &Diff) -> Option<String> {
    let count = diff.pairs.known_in_neither;
    (count > 0).then(|| format!("between {} some traffic is known neither before nor now", pairs(count)))
}

fn heading(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Gained => "gained",
        ChangeKind::Lost => "lost",
        ChangeKind::Changed => "changed",
        ChangeKind::Unknown => "not known",
    }
}

fn ends_names(ends: &[AnalysisEnd]) -> Vec<String> {
    ends.iter().map(|end| end.name.clone()).collect()
}

/// Who to whom.
fn ends(diff: &Diff, row: &ChangedReach) -> (String, String) {
    let is_beside =
        |other: &ChangedReach| other.from == row.from && other.to == row.to && !other.addresses.is_empty();
    let is_told_apart = row.addresses.is_empty() && diff.changes.iter().any(is_beside);
    placed(&row.from, &row.to, &row.addresses, is_told_apart)
}

fn ends_of_rerouted(diff: &Diff, row: &Rerouted) -> (String, String) {
    let is_beside =
        |other: &Rerouted| other.from == row.from && other.to == row.to && !other.addresses.is_empty();
    let is_told_apart = row.addresses.is_empty() && diff.rerouted.iter().any(is_beside);
    placed(&row.from, &row.to, &row.addresses, is_told_apart)
}

fn placed(from: &[String], to: &[String], addresses: &[String], is_told_apart: bool) -> (String, String) {
    let place = place_of(addresses, is_told_apart).map(|place| format!(" {place}")).unwrap_or_default();
    let is_of_asker = from.len() == 1 && is_outside(&from[0]);
    let (mut from, mut to) = (some(from), some(to));
    if is_of_asker { &mut from } else { &mut to }.push_str(&place);
    (from, to)
}

/// At which address, from which source, and by which gateways.
fn how(row: &Rerouted) -> String {
    let or = |all: &[String]| if all.is_empty() { "none".to_owned() } else { all.join(" or ") };
    let mut told = Vec::new();
    for (what, then, now) in [
        ("at", &row.at_before, &row.at_after),
        ("seen from", &row.seen_before, &row.seen_after),
        ("by", &row.by_before, &row.by_after),
    ] {
        if !(then.is_empty() && now.is_empty()) {
            let again = if what == "by" { "by " } else { "" };
            told.push(format!("{what} {} → {again}{}", or(then), or(now)));
        }
    }
    told.join("; ")
}

fn what(row: &ChangedReach, families: usize) -> String {
    let mut told = Vec::new();
    for (sign, packets) in [("+", &row.gained), ("-", &row.lost), ("?", &row.unknown)] {
        if !packets.is_empty() {
            told.push(format!("{sign} {}", traffic(packets, families)));
        }
    }
    told.join("  ")
}

fn families_of(diff: &Diff) -> usize {
    let rows = diff.changes.iter();
    families(rows.flat_map(|row| row.gained.iter().chain(&row.lost).chain(&row.unknown)))
}
