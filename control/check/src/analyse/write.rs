//! How is it written down who reaches whom?
//!
//! As text for people, as CSV for spreadsheets, as Markdown for reviews, as Graphviz for pictures. All are made from the
//! API's own answer. What always holds: CSV names every pair; the others name those who fare alike once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use vpclab_api::{Analysis, By, Pairs, Reach, SetReach, SetVerdict, Traffic};

use super::phrase::{families, names, place, some, traffic};
use super::told;
use crate::style::{FAINT, STRONG, UNSURE, columns, paint};

/// A line of CSV: who, whom, and packets.
const HEADER_OF_PAIRS: &str = "from,to,addresses,verdict,family,protocol,ports,source_ports,nat_ports";
const HEADER_OF_SETS: &str =
    "from,to,says,pairs,pass,unknown,verdict,family,protocol,ports,source_ports,nat_ports";

/// What is said of a topology in which nobody could ask anybody.
const NOBODY: &str = "there is nobody to ask about: no instances and no hosts beside the internet";

/// The answer as text with ANSI colours; the printer takes them off where they are not wanted.
pub fn table(analysis: &Analysis) -> String {
    let mut text = format!("{}\n", summary(analysis));
    if analysis.pairs.all == 0 {
        return text;
    }
    if analysis.by == By::Instance {
        rows(analysis, &mut text);
    } else {
        sets(analysis, &mut text);
    }
    if !analysis.unmodelled.is_empty() {
        let _ = writeln!(text, "\n{}", paint(UNSURE, "unknown"));
        for what in &analysis.unmodelled {
            let _ = writeln!(text, "  {}: {}", what.resource, what.reason);
        }
    }
    let _ = writeln!(text, "\n{}", paint(FAINT, "assumed"));
    for assumed in &analysis.assumed {
        let _ = writeln!(text, "  {}", paint(FAINT, format!("{}: {}", assumed.resource, assumed.assumption)));
    }
    text
}

fn summary(analysis: &Analysis) -> String {
    let Pairs { all, pass, unknown } = analysis.pairs;
    if all == 0 {
        return paint(STRONG, NOBODY);
    }
    let pairs = if all == 1 { "pair" } else { "pairs" };
    let mut summary = format!("something passes between {pass} of {all} {pairs}");
    if unknown > 0 {
        let _ = write!(summary, "; of {unknown} not all is known");
    }
    paint(STRONG, summary)
}

/// Consecutive rows about the same ends asked.
fn groups(analysis: &Analysis) -> impl Iterator<Item = &[Reach]> {
    analysis.reach.chunk_by(|a, b| a.to == b.to)
}

fn rows(analysis: &Analysis, text: &mut String) {
    let families = families_of(analysis);
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    for group in groups(analysis) {
        let Some(first) = group.first() else { continue };
        reached.extend(first.to.iter().map(String::as_str));
        let _ = writeln!(text, "\nto {}", paint(STRONG, names(&first.to, &analysis.to, &first.from)));
        let rows: Vec<Vec<String>> = group
            .iter()
            .map(|row| {
                let (from, passes) = row_told(analysis, group, row, families);
                vec![from, passes]
            })
            .collect();
        text.push_str(&columns(&rows, "  ", |_, _, cell| cell.to_owned()));
    }
    // Of one who asks himself alone nothing could be said.
    let is_himself = |name: &str| matches!(analysis.from.as_slice(), [only] if only.name == name);
    let asked = analysis.to.iter().map(|end| end.name.as_str()).filter(|name| !is_himself(name));
    let nobody: Vec<String> =
        asked.clone().filter(|name| !reached.contains(name)).map(str::to_owned).collect();
    if nobody.len() > 1 && nobody.len() == asked.count() {
        let _ = writeln!(text, "\nnothing reaches anybody");
    } else if !nobody.is_empty() {
        let _ = writeln!(text, "\nnothing reaches  {}", some(&nobody));
    }
}

/// Who asks in a row, and what passes; at which addresses stands where the internet does.
fn row_told(analysis: &Analysis, group: &[Reach], row: &Reach, families: usize) -> (String, String) {
    let from = names(&row.from, &analysis.from, &row.to);
    let passes = packets(row, families);
    match place(row, is_told_apart(group, row)) {
        Some((place, true)) => (from, format!("{place}: {passes}")),
        Some((place, false)) => (format!("{from} {place}"), passes),
        None => (from, passes),
    }
}

/// Whether another row says what becomes of some addresses of this row's end.
fn is_told_apart(group: &[Reach], row: &Reach) -> bool {
    row.addresses.is_empty()
        && group.iter().any(|other| other.from == row.from && !other.addresses.is_empty())
}

/// What passes, and what may, in one row.
fn packets(row: &Reach, families: usize) -> String {
    let mut told = Vec::new();
    if !row.passes.is_empty() || row.unknown.is_empty() && row.sometimes.is_empty() {
        told.push(traffic(&row.passes, families));
    }
    if !row.unknown.is_empty() {
        let on = some(&row.depends_on);
        told.push(format!("unknown: {} (depends on {on})", traffic(&row.unknown, families)));
    }
    if !row.sometimes.is_empty() {
        told.push(format!("by chance: {}", traffic(&row.sometimes, families)));
    }
    told.join("; ")
}

/// How many address families the ends have, so that it matters which one passes.
fn families_of(analysis: &Analysis) -> usize {
    if !analysis.families.is_empty() {
        return analysis.families.len();
    }
    let rows =
        analysis.reach.iter().flat_map(|row| row.passes.iter().chain(&row.unknown).chain(&row.sometimes));
    families(rows.chain(analysis.sets.iter().flat_map(|set| &set.any)))
}

fn sets(analysis: &Analysis, text: &mut String) {
    let families = families_of(analysis);
    let told: Vec<&SetReach> = analysis.sets.iter().filter(|set| set.says != SetVerdict::None).collect();
    if told.is_empty() {
        let _ = writeln!(text, "\nnothing reaches anybody");
        return;
    }
    let mut rows = vec![["from", "to", "pairs", "", "passes"].map(str::to_owned).to_vec()];
    rows.extend(told.iter().map(|set| {
        vec![
            set.from.clone(),
            set.to.clone(),
            format!("{} of {}", set.pairs.pass, set.pairs.all),
            verdict(set.says).to_owned(),
            set_packets(set, families),
        ]
    }));
    text.push('\n');
    text.push_str(&columns(
        &rows,
        "",
        |row, _, cell| {
            if row == 0 { paint(FAINT, cell) } else { cell.to_owned() }
        },
    ));
    let nothing = analysis.sets.len() - told.len();
    if nothing > 0 {
        let _ = writeln!(text, "\nnothing passes between the other {nothing} pairs of sets");
    }
}

fn verdict(says: SetVerdict) -> &'static str {
    match says {
        SetVerdict::All => "all",
        SetVerdict::Some => "some",
        SetVerdict::None => "none",
        SetVerdict::Unknown => "unknown",
    }
}

/// What every pair has in common, and what some have beside.
fn set_packets(set: &SetReach, families: usize) -> String {
    let unknown = match set.pairs.unknown {
        0 => String::new(),
        count => format!("; not all is known of {count}"),
    };
    let more: Vec<Traffic> = [false, true].into_iter().flat_map(|ipv6| more(set, ipv6)).collect();
    let common = traffic(&set.common, families);
    let more = (!more.is_empty()).then(|| format!("for some: {}", traffic(&more, families)));
    let told: Vec<String> = match (set.common.is_empty(), more) {
        (true, Some(more)) => vec![more],
        (_, more) => std::iter::once(common).chain(more).collect(),
    };
    format!("{}{unknown}", told.join("; "))
}

/// What passes between some pairs and not between all.
fn more(set: &SetReach, ipv6: bool) -> Vec<Traffic> {
    let (any, common) = (told::packets(&set.any, ipv6), told::packets(&set.common, ipv6));
    told::traffic(&any.without(&common), ipv6)
}

/// The answer as CSV: a line for each pair and each set of packets.
pub fn csv(analysis: &Analysis) -> String {
    let mut text = String::new();
    if analysis.by == By::Instance {
        text.push_str(HEADER_OF_PAIRS);
        text.push('\n');
        for row in &analysis.reach {
            csv_row(row, &mut text);
        }
        return text;
    }
    text.push_str(HEADER_OF_SETS);
    text.push('\n');
    for set in &analysis.sets {
        let Pairs { all, pass, unknown } = set.pairs;
        let says = verdict(set.says);
        let head = format!("{},{},{says},{all},{pass},{unknown}", field(&set.from), field(&set.to));
        if set.any.is_empty() {
            let _ = writeln!(text, "{head},,,,,,");
        }
        for (word, all) in [("common", &set.common), ("any", &set.any)] {
            for traffic in all {
                let _ = writeln!(text, "{head},{word},{}", fields(traffic));
            }
        }
    }
    text
}

fn csv_row(row: &Reach, text: &mut String) {
    let addresses = field(&row.addresses.join(" "));
    let verdicts = [("passes", &row.passes), ("unknown", &row.unknown), ("sometimes", &row.sometimes)];
    let mut tails: Vec<String> = Vec::new();
    for (word, all) in verdicts {
        tails.extend(all.iter().map(|traffic| format!("{addresses},{word},{}", fields(traffic))));
    }
    if tails.is_empty() {
        tails.push(format!("{addresses},nothing,,,,,"));
    }
    for from in &row.from {
        for to in row.to.iter().filter(|to| *to != from) {
            let head = format!("{},{}", field(from), field(to));
            for tail in &tails {
                let _ = writeln!(text, "{head},{tail}");
            }
        }
    }
}

fn fields(traffic: &Traffic) -> String {
    let packets = &traffic.packets;
    let or_all = |value: &Option<String>| value.as_deref().map(field).unwrap_or_default();
    format!(
        "{},{},{},{},{}",
        traffic.family,
        packets.protocol,
        or_all(&packets.ports),
        or_all(&packets.source_ports),
        or_all(&packets.nat_ports)
    )
}

/// A field, in quotes where it needs them (RFC 4180).
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The answer as a table in Markdown.
pub fn markdown(analysis: &Analysis) -> String {
    let families = families_of(analysis);
    let Pairs { all, pass, .. } = analysis.pairs;
    if all == 0 {
        return format!("T{}.\n", &NOBODY[1..]);
    }
    let mut text = format!("Something passes between {pass} of {all} pairs.\n");
    if analysis.by == By::Instance {
        if analysis.reach.is_empty() {
            return text;
        }
        text.push_str("\n| to | from | passes |\n| --- | --- | --- |\n");
        for group in groups(analysis) {
            for row in group {
                let (from, passes) = row_told(analysis, group, row, families);
                let to = names(&row.to, &analysis.to, &row.from);
                let _ = writeln!(text, "| {} | {} | {} |", cell(&to), cell(&from), cell(&passes));
            }
        }
    } else {
        text.push_str("\n| from | to | pairs | | passes |\n| --- | --- | --- | --- | --- |\n");
        for set in analysis.sets.iter().filter(|set| set.says != SetVerdict::None) {
            let (from, to, says) = (cell(&set.from), cell(&set.to), verdict(set.says));
            let packets = cell(&set_packets(set, families));
            let _ = writeln!(
                text,
                "| {from} | {to} | {} of {} | {says} | {packets} |",
                set.pairs.pass, set.pairs.all
            );
        }
    }
    if !analysis.unmodelled.is_empty() {
        text.push_str("\nUnknown:\n\n");
        for what in &analysis.unmodelled {
            let _ = writeln!(text, "- {}: {}", cell(&what.resource), cell(&what.reason));
        }
    }
    text
}

/// Text for a cell of a table in Markdown.
pub(crate) fn cell(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '|' | '*' | '_' | '`' | '<' | '[' | ']' | '\\') {
            escaped.push('\\');
        }
        escaped.push(if character == '\n' { ' ' } else { character });
    }
    escaped
}

/// The answer as a graph in Graphviz's language: those who fare alike are one node.
pub fn dot(analysis: &Analysis) -> String {
    let families = families_of(analysis);
    let mut text = "digraph reach {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n".to_owned();
    if analysis.by == By::Instance {
        let nodes = nodes(analysis);
        for node in &nodes {
            let _ = writeln!(text, "  {} [label={}];", quoted(&node[0]), quoted(&lines(node)));
        }
        for group in groups(analysis) {
            for row in group {
                let style = if row.passes.is_empty() { ", style=dotted" } else { "" };
                let mut label = packets(row, families);
                if let Some((place, _)) = place(row, is_told_apart(group, row)) {
                    label = format!("{place}: {label}");
                }
                for from in nodes.iter().filter(|node| row.from.contains(&node[0])) {
                    for to in nodes.iter().filter(|node| row.to.contains(&node[0])) {
                        if from == to && from.len() == 1 {
                            continue;
                        }
                        let (from, to) = (quoted(&from[0]), quoted(&to[0]));
                        let _ = writeln!(text, "  {from} -> {to} [label={}{style}];", quoted(&label));
                    }
                }
            }
        }
    } else {
        let ends: BTreeSet<&str> =
            analysis.from.iter().chain(&analysis.to).map(|end| end.name.as_str()).collect();
        for end in ends {
            let _ = writeln!(text, "  {};", quoted(end));
        }
        for set in analysis.sets.iter().filter(|set| set.says != SetVerdict::None) {
            let style = match set.says {
                SetVerdict::All => "solid",
                SetVerdict::Some => "dashed",
                SetVerdict::Unknown | SetVerdict::None => "dotted",
            };
            let label = match set.says {
                SetVerdict::All => set_packets(set, families),
                _ => format!("{} of {}: {}", set.pairs.pass, set.pairs.all, set_packets(set, families)),
            };
            let (from, to) = (quoted(&set.from), quoted(&set.to));
            let _ = writeln!(text, "  {from} -> {to} [label={}, style={style}];", quoted(&label));
        }
    }
    text.push_str("}\n");
    text
}

/// The ends that stand in the same rows, on the same sides.
fn nodes(analysis: &Analysis) -> Vec<Vec<String>> {
    let mut places: BTreeMap<&str, Vec<(usize, bool)>> = BTreeMap::new();
    for end in analysis.from.iter().chain(&analysis.to) {
        places.entry(&end.name).or_default();
    }
    for (place, row) in analysis.reach.iter().enumerate() {
        for (side, ends) in [(true, &row.from), (false, &row.to)] {
            for end in ends {
                places.entry(end).or_default().push((place, side));
            }
        }
    }
    let mut alike: BTreeMap<Vec<(usize, bool)>, Vec<String>> = BTreeMap::new();
    for (name, places) in places {
        alike.entry(places).or_default().push(name.to_owned());
    }
    let mut nodes: Vec<Vec<String>> = alike.into_values().collect();
    nodes.sort();
    nodes
}

fn lines(names: &[String]) -> String {
    let mut text: String = names.iter().take(4).cloned().collect::<Vec<_>>().join("\n");
    if names.len() > 4 {
        let _ = write!(text, "\nand {} more", names.len() - 4);
    }
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
