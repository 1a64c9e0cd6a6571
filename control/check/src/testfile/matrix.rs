//! Which tests does a matrix of who asks and who is asked stand for?
//!
//! One for each cell, in the order it reads; one for each port where cells name ports. What always holds: a matrix whose
//! rows do not fit its columns is a mistake, and so is a cell that says nothing known.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use vpclab_api::{Expected, ExplainRequest};

use super::TestCase;
use super::entries::{beside, name_of, word_of};
use super::reader::{Reader, describe, whole_number};

/// The keys of an entry that is a matrix.
pub(super) const MATRIX_KEYS: [&str; 7] =
    ["name", "matrix", "protocol", "family", "source_port", "level", "when"];
/// The keys of the matrix itself.
pub(super) const GRID_KEYS: [&str; 2] = ["to", "from"];

/// What a cell says.
enum Cell {
    /// Nothing is asked.
    Unasked,
    /// Everything asked about is allowed, or denied.
    All(Expected),
    /// These ports are allowed, of all that the matrix names.
    Ports(BTreeSet<Port>),
}

/// A port with the protocol it was written with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Port {
    number: u16,
    protocol: Option<String>,
}

/// The tests that a matrix stands for.
pub(super) fn tests(reader: &mut Reader<'_, '_>) -> Vec<TestCase> {
    reader.check_keys(&MATRIX_KEYS, "a matrix of tests");
    let name = reader.text("name");
    let common = beside(reader, String::new(), String::new());
    let level = reader.level();
    let Some(Value::Object(grid)) = reader.given("matrix") else {
        let given = reader.given("matrix").map_or_else(|| "null".to_owned(), describe);
        let remedy = "give a map: { \"to\": [ ... ], \"from\": { \"web-1\": [ ... ] } }";
        reader.mistake("matrix", format!("{given} is not a map"), remedy);
        return Vec::new();
    };
    let at = reader.at.clone();
    let mut reader = Reader { log: reader.log, at: format!("{at}.matrix"), object: grid };
    reader.check_keys(&GRID_KEYS, "a matrix");
    let columns = reader.texts("to", "the ends of the columns, as in [\"web-1:443\", \"db-1\"]");
    if reader.given("to").is_none_or(|to| to.as_array().is_some_and(Vec::is_empty)) {
        reader.mistake("to", "a matrix needs columns", "give whom they ask, as in [\"web-1:443\", \"db-1\"]");
    }
    let nothing = Map::new();
    let rows = match reader.given("from") {
        Some(Value::Object(rows)) if !rows.is_empty() => rows,
        other => {
            let problem = match other {
                Some(Value::Object(_)) | None => "a matrix needs rows".to_owned(),
                Some(other) => format!("{} is not a map", describe(other)),
            };
            reader.mistake(
                "from",
                problem,
                "give a row for each who asks: { \"web-1\": [ \"allowed\", ... ] }",
            );
            &nothing
        }
    };
    let mut read: Vec<(&str, Vec<Cell>)> = Vec::new();
    for (from, row) in rows {
        let key = format!("from.{from}");
        let Value::Array(row) = row else {
            let problem = format!("{} is not a list", describe(row));
            reader.mistake(&key, problem, "give a cell for each column: [ \"allowed\", \"denied\" ]");
            continue;
        };
        if row.len() != columns.len() {
            let problem = format!("the row has {} cells, and there are {} columns", row.len(), columns.len());
            reader.mistake(&key, problem, "give one for each column; null where nothing is asked");
            continue;
        }
        let cells = row.iter().enumerate().filter_map(|(place, value)| {
            cell(value, common.protocol.as_deref()).map_err(|problem| {
                let remedy = "give \"allowed\", \"denied\", the ports that are allowed, or null where nothing is asked";
                reader.mistake(&format!("{key}[{place}]"), problem, remedy);
            }).ok()
        });
        let cells: Vec<Cell> = cells.collect();
        if cells.len() == columns.len() {
            read.push((from, cells));
        }
    }
    let named = read.iter().flat_map(|(_, cells)| cells).flat_map(|cell| match cell {
        Cell::Ports(ports) => ports.iter().cloned().collect(),
        Cell::Unasked | Cell::All(_) => Vec::new(),
    });
    let named: BTreeSet<Port> = named.collect();
    let has_ports = read.iter().flat_map(|(_, cells)| cells).any(|cell| matches!(cell, Cell::Ports(_)));
    if has_ports && named.is_empty() {
        reader.mistake("from", "no cell names a port", "say \"denied\" instead of []");
    }
    let asks_nothing = read.iter().flat_map(|(_, cells)| cells).all(|cell| matches!(cell, Cell::Unasked));
    if asks_nothing && !read.is_empty() {
        reader.mistake(
            "from",
            "no cell asks anything",
            "give \"allowed\", \"denied\" or ports in one at least",
        );
    }
    let mut tests = Vec::new();
    for (from, cells) in read {
        for (to, cell) in columns.iter().zip(cells) {
            let one = |port: Option<&Port>, expected: Expected| {
                let request = ExplainRequest {
                    from: from.to_owned(),
                    to: to.clone(),
                    port: port.map(|port| port.number),
                    protocol: port.and_then(|port| port.protocol.clone()).or(common.protocol.clone()),
                    ..common.clone()
                };
                let cell = name_of(&request);
                let name = name.as_ref().map_or_else(|| cell.clone(), |name| format!("{name}: {cell}"));
                let test = TestCase::new(from, to, expected);
                TestCase { name, at: at.clone(), request, level, ..test }
            };
            match cell {
                Cell::Unasked => {}
                Cell::All(expected) if named.is_empty() => tests.push(one(None, expected)),
                Cell::All(expected) => tests.extend(named.iter().map(|port| one(Some(port), expected))),
                Cell::Ports(allowed) => tests.extend(named.iter().map(|port| {
                    let is_allowed = allowed.contains(port);
                    one(Some(port), if is_allowed { Expected::Allowed } else { Expected::Denied })
                })),
            }
        }
    }
    tests
}

fn cell(value: &Value, protocol: Option<&str>) -> Result<Cell, String> {
    let unknown = || format!("{} is no cell of a matrix", describe(value));
    let port = |value: &Value| port(value, protocol);
    match value {
        Value::Null => Ok(Cell::Unasked),
        Value::String(text) if text == "-" => Ok(Cell::Unasked),
        Value::Array(ports) => {
            ports.iter().map(port).collect::<Option<_>>().map(Cell::Ports).ok_or_else(unknown)
        }
        Value::String(text) if let Some(expected) = word_of(text) => Ok(Cell::All(expected)),
        one => port(one).map(|port| Cell::Ports([port].into())).ok_or_else(unknown),
    }
}

/// `443`, `"443"` or `"53/udp"`. The protocol that a port has anyway is not said: `"443/tcp"` is the port that `443` is.
fn port(value: &Value, usual: Option<&str>) -> Option<Port> {
    let (number, protocol) = match value {
        Value::String(text) => match text.split_once('/') {
            Some((number, protocol)) => (number.parse().ok()?, Some(protocol.to_owned())),
            None => (text.parse().ok()?, None),
        },
        other => (u16::try_from(whole_number(other)?).ok()?, None),
    };
    let by_number = |protocol: &str| match protocol.to_ascii_lowercase().as_str() {
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        name => name.to_owned(),
    };
    let usual = by_number(usual.unwrap_or("tcp"));
    let protocol = protocol.map(|protocol| by_number(&protocol)).filter(|protocol| *protocol != usual);
    (number > 0).then_some(Port { number, protocol })
}
