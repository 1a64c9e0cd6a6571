//! Which tests does an entry of a file's list stand for?
//!
//! One, a matrix of them, or a group with what happens first. What always holds: a key that a kind of entry does not know
//! is a mistake, and an entry with a mistake still tells all its others.

use std::path::Path;

use serde_json::Value;
use vpclab_api::{Expected, ExplainRequest};
use vpclab_model::Mistake;

use super::reader::{Reader, describe, mistake};
use super::{Admitted, Because, Change, Section, TestCase, Way, matrix, when};
use crate::codes::BAD_STATE;

/// The keys of a test.
pub(super) const TEST_KEYS: [&str; 16] = [
    "name",
    "from",
    "to",
    "expect",
    "because",
    "source_seen",
    "path",
    "return_path",
    "not_path",
    "both_directions",
    "port",
    "protocol",
    "family",
    "source_port",
    "level",
    "when",
];
/// The keys of a test that says who only may ask.
pub(super) const ONLY_KEYS: [&str; 10] =
    ["name", "to", "only", "because", "port", "protocol", "family", "source_port", "level", "when"];
/// The keys of a test that says which ports only are let in.
pub(super) const ONLY_PORTS_KEYS: [&str; 7] = ["name", "from", "to", "only_ports", "family", "level", "when"];
/// The keys of a group of tests.
pub(super) const GROUP_KEYS: [&str; 2] = ["when", "tests"];

/// Reads lists of tests.
pub(super) struct Entries<'a> {
    folder: &'a Path,
    log: &'a mut Vec<Mistake>,
    /// What has been read.
    pub(super) sections: Vec<Section>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(folder: &'a Path, log: &'a mut Vec<Mistake>) -> Self {
        Self { folder, log, sections: Vec::new() }
    }

    /// Reads `list`, which stands at `key`; its tests are about the network after `before`.
    pub(super) fn read(&mut self, list: &[Value], key: &str, before: &[Change]) {
        for (place, entry) in list.iter().enumerate() {
            let at = format!("{key}[{place}]");
            let Value::Object(object) = entry else {
                let problem = format!("{} is not a map", describe(entry));
                mistake(self.log, &at, "", problem, "give a map of attributes");
                continue;
            };
            let mut reader = Reader { log: self.log, at: at.clone(), object };
            let mut changes = before.to_vec();
            changes.extend(when::read(&mut reader, self.folder));
            if object.contains_key("tests") {
                reader.check_keys(&GROUP_KEYS, "a group of tests");
                let tests = reader.tests("the group holds no test");
                self.read(tests, &format!("{at}.tests"), &changes);
                continue;
            }
            let tests = if object.contains_key("matrix") {
                matrix::tests(&mut reader)
            } else if object.contains_key("only_ports") {
                only_ports(&mut reader).into_iter().collect()
            } else if object.contains_key("only") {
                only(&mut reader).into_iter().collect()
            } else {
                single(&mut reader).into_iter().collect()
            };
            self.add(changes, object.contains_key("name"), tests);
        }
    }

    fn add(&mut self, when: Vec<Change>, is_named: bool, mut tests: Vec<TestCase>) {
        let happens: Vec<String> = when.iter().map(Change::words).collect();
        if !happens.is_empty() && !is_named {
            // Two questions that differ in nothing else are two tests.
            for test in &mut tests {
                test.name = format!("{}, when {}", test.name, happens.join(" and "));
            }
        }
        let is_same = |section: &Section| {
            section.when.iter().map(|change| &change.event).eq(when.iter().map(|change| &change.event))
        };
        match self.sections.last_mut().filter(|section| is_same(section)) {
            Some(section) => section.tests.extend(tests),
            None if tests.is_empty() => {}
            None => self.sections.push(Section { when, tests }),
        }
    }
}

/// What tests of all kinds say beside the ends.
pub(super) fn beside(reader: &mut Reader<'_, '_>, from: String, to: String) -> ExplainRequest {
    ExplainRequest {
        from,
        to,
        port: reader.port("port"),
        protocol: reader.text_or_number("protocol"),
        source_port: reader.port("source_port"),
        family: reader.family(),
    }
}

/// A test; none if what it needs most is missing or wrong, which has been noted then.
fn single(reader: &mut Reader<'_, '_>) -> Option<TestCase> {
    reader.check_keys(&TEST_KEYS, "a test");
    let from = reader.required("from", "an end such as \"web-1\"");
    let to = reader.required("to", "an end such as \"db-1:5432/tcp\"");
    let expected = reader.required("expect", "\"allowed\" or \"denied\"");
    let expected = expected.and_then(|word| {
        let expected = word_of(&word);
        if expected.is_none() {
            let problem = format!("\"{word}\" is not an answer");
            reader.mistake("expect", problem, "give \"allowed\" or \"denied\"");
        }
        expected
    });
    let name = reader.text("name");
    let request = beside(reader, from.clone().unwrap_or_default(), to.clone().unwrap_or_default());
    let because = reader.because();
    let source_seen = reader.address("source_seen");
    let path = Way {
        forward: reader
            .texts("path", "names of resources in the order they are passed, as in [\"nat\", \"igw\"]"),
        back: reader.texts("return_path", "names of resources in the order they are passed"),
        never: reader.texts("not_path", "names of resources, as in [\"igw\"]"),
    };
    let both_directions = reader.flag("both_directions");
    let level = reader.level();
    if expected == Some(Expected::Allowed) && because.is_some() {
        reader.mistake(
            "because",
            "only a denied test has a reason",
            "remove `because`, or expect \"denied\"",
        );
    }
    if expected == Some(Expected::Denied) {
        if source_seen.is_some() {
            let remedy = "remove `source_seen`, or expect \"allowed\"";
            reader.mistake("source_seen", "nobody sees a denied packet", remedy);
        }
        for (key, names) in [("path", &path.forward), ("return_path", &path.back), ("not_path", &path.never)]
        {
            if !names.is_empty() {
                let remedy = format!("say what denies it in `because`, or remove `{key}`");
                reader.mistake(key, "a denied packet has no way", &remedy);
            }
        }
    }
    if both_directions {
        let one_way = [
            ("because", because.is_some()),
            ("source_seen", source_seen.is_some()),
            ("path", !path.forward.is_empty()),
            ("return_path", !path.back.is_empty()),
        ];
        for (key, is_given) in one_way {
            if is_given {
                let problem = format!("`{key}` is about one direction, and the test about both");
                reader.mistake(key, problem, "write a test for each direction");
            }
        }
    }
    let (Some(_), Some(_), Some(expected)) = (from, to, expected) else { return None };
    let name = name.unwrap_or_else(|| {
        let expected_of_it = said(because.as_ref(), &path);
        name_with(&request, expected_of_it).replacen('→', if both_directions { "↔" } else { "→" }, 1)
    });
    Some(TestCase {
        name,
        at: reader.at.clone(),
        request,
        expected,
        only: Vec::new(),
        only_ports: None,
        because: because.unwrap_or_default(),
        source_seen,
        path,
        both_directions,
        level,
    })
}

/// A test that says who only may ask.
fn only(reader: &mut Reader<'_, '_>) -> Option<TestCase> {
    reader.check_keys(&ONLY_KEYS, "a test of who only may ask");
    let to = reader.required("to", "an end such as \"db-1:5432/tcp\"");
    let name = reader.text("name");
    let request = beside(reader, "*".to_owned(), to.clone().unwrap_or_default());
    if reader.given("only").is_none() {
        reader.mistake("only", "nobody is named", "give the names of all who may, or [] where nobody may");
    }
    let level = reader.level();
    let because = reader.because();
    let lifts = |because: &Because| {
        let is_state = because.code.as_deref() == Some(BAD_STATE) && because.direction.is_none();
        let is_reply = because.code.is_none() && because.direction.as_deref() == Some("return");
        (is_state || is_reply) && because.resource.is_none() && because.rule.is_none()
    };
    if because.as_ref().is_some_and(|because| !lifts(because)) {
        reader.mistake(
            "because",
            "of everybody else it can only say which denials count though the rules let them in",
            "give { \"code\": \"BAD_STATE\" } for those of what is stopped, or { \"direction\": \"return\" } for those of \
             replies alone",
        );
    }
    let only = reader.texts("only", "the names of all who may, as in [\"app\"], or [] where nobody may");
    let to = to?;
    let who = if only.is_empty() { "nobody".to_owned() } else { format!("only {}", only.join(", ")) };
    let name = name.unwrap_or_else(|| name_of(&ExplainRequest { from: who, to, ..request.clone() }));
    let test = TestCase::new("*", "", Expected::Only);
    let because = because.unwrap_or_default();
    Some(TestCase { name, at: reader.at.clone(), request, only, because, level, ..test })
}

/// A test that says which ports only are let in.
fn only_ports(reader: &mut Reader<'_, '_>) -> Option<TestCase> {
    reader.check_keys(&ONLY_PORTS_KEYS, "a test of which ports only are let in");
    let from = reader.required("from", "an end such as \"internet\"");
    let to = reader.required("to", "an end such as \"web-1\"");
    let name = reader.text("name");
    let level = reader.level();
    let family = reader.family();
    let remedy = "give ports such as 443 and \"53/udp\", or \"icmp\", or [] where nothing is let in";
    let Some(value) = reader.given("only_ports") else {
        reader.mistake("only_ports", "nothing is named", remedy);
        return None;
    };
    let list = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut admitted = Vec::new();
    for item in list {
        match admits(item) {
            Some(one) if admitted.contains(&one) => {}
            Some(one) => admitted.push(one),
            None => reader.mistake("only_ports", format!("{} is no port", describe(item)), remedy),
        }
    }
    let request = ExplainRequest { from: from?, to: to?, family, ..ExplainRequest::default() };
    let name = name.unwrap_or_else(|| {
        let all: Vec<String> = admitted.iter().map(ToString::to_string).collect();
        let all = if all.is_empty() { "nothing".to_owned() } else { format!("only {}", all.join(", ")) };
        name_with(&request, vec![all])
    });
    let test = TestCase::new("", "", Expected::Only);
    Some(TestCase { name, at: reader.at.clone(), request, only_ports: Some(admitted), level, ..test })
}

/// `443`, `"443/tcp"`, `"53/udp"` or `"icmp"`.
fn admits(value: &Value) -> Option<Admitted> {
    let text = match value {
        Value::String(text) => text.to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    if text == "icmp" {
        return Some(Admitted::Icmp);
    }
    let (number, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    let port = number.parse().ok().filter(|port| *port > 0)?;
    match protocol {
        "tcp" => Some(Admitted::Tcp(port)),
        "udp" => Some(Admitted::Udp(port)),
        _ => None,
    }
}

/// The answer that a word means.
pub(super) fn word_of(word: &str) -> Option<Expected> {
    match word {
        "allowed" => Some(Expected::Allowed),
        "denied" => Some(Expected::Denied),
        _ => None,
    }
}

/// What a test expects beside the answer, in words.
fn said(because: Option<&Because>, path: &Way) -> Vec<String> {
    let reason = because.into_iter().flat_map(|because| {
        let rule = because.rule.as_ref().map(|rule| format!("rule {}", crate::render::rule(rule)));
        let resource = because.resource.as_ref().map(|resource| format!("of {resource}"));
        let direction = because.direction.as_ref().map(|direction| format!("on the {direction} way"));
        [because.code.clone(), resource, rule, direction]
    });
    let reason: Vec<String> = reason.flatten().collect();
    let reason = (!reason.is_empty()).then(|| format!("because {}", reason.join(" ")));
    let ways = [("by", &path.forward), ("back by", &path.back), ("not by", &path.never)];
    let ways = ways.into_iter().filter(|(_, names)| !names.is_empty());
    reason.into_iter().chain(ways.map(|(word, names)| format!("{word} {}", names.join(", ")))).collect()
}

/// What a test is called that was given no name: all that its question says, so that no two questions share one.
pub(super) fn name_of(request: &ExplainRequest) -> String {
    name_with(request, Vec::new())
}

/// The same, of a test that expects more than an answer.
fn name_with(request: &ExplainRequest, expected: Vec<String>) -> String {
    let ExplainRequest { from, to, port, protocol, source_port, family } = request;
    let beside = [
        port.map(|port| format!("port {port}")),
        protocol.as_ref().map(|protocol| format!("protocol {protocol}")),
        source_port.map(|port| format!("source port {port}")),
        family.map(|family| format!("IPv{family}")),
    ];
    let beside: Vec<String> = beside.into_iter().flatten().chain(expected).collect();
    if beside.is_empty() {
        format!("{from} → {to}")
    } else {
        format!("{from} → {to} ({})", beside.join(", "))
    }
}
