//! What does a file of reachability tests say?
//!
//! JSON or YAML, read like topologies: every mistake at once, unknown keys are mistakes. Whether the ends exist is not
//! asked here; a test about nobody fails when it runs.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use vpclab_api::{Expected, ExplainRequest, RuleReference};
use vpclab_model::{Document, DocumentError, Mistake, Mistakes};

use crate::codes::codes;

/// A file of tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFile {
    /// Where it was read.
    pub path: PathBuf,
    /// The topology it is about, relative paths resolved against the file's own folder.
    pub topology: Option<PathBuf>,
    /// At least one test, names unique.
    pub tests: Vec<TestCase>,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    /// Its name; `FROM → TO` if the file gives none, and in parentheses what else it says of the question.
    pub name: String,
    /// The question.
    pub request: ExplainRequest,
    /// The answer expected.
    pub expected: Expected,
    /// What has to deny it; nothing where any reason will do.
    pub because: Because,
    /// The source address that the receiver must see.
    pub source_seen: Option<IpAddr>,
}

/// A blocker that a denied test must find. What is not given may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Because {
    /// The code, as in `SUBNET_ACL_RESTRICTION`.
    pub code: Option<String>,
    /// The resource that denies.
    pub resource: Option<String>,
    /// The rule: an ACL's number or `*`, or a route's destination.
    pub rule: Option<RuleReference>,
    /// `forward` or `return`.
    pub direction: Option<String>,
}

/// Why a test file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TestFileError {
    /// It cannot be read, or is not well-formed.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// What it says is wrong.
    #[error("{}", .1.0.iter().map(|m| format!("{}: {m}", .0.display())).collect::<Vec<_>>().join("\n"))]
    Mistakes(PathBuf, Mistakes),
}

const FILE_KEYS: [&str; 2] = ["topology", "tests"];
const TEST_KEYS: [&str; 10] =
    ["name", "from", "to", "expect", "because", "source_seen", "port", "protocol", "family", "source_port"];
/// Mistakes for which the name that was meant is looked for; a file with more needs another kind of help.
const MOST_SUGGESTIONS: usize = 50;
const BECAUSE_KEYS: [&str; 4] = ["code", "resource", "rule", "direction"];

impl TestFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// [`TestFileError`]: the file cannot be read, or every mistake in it.
    pub fn from_path(path: &Path) -> Result<Self, TestFileError> {
        let document = Document::from_path(path)?;
        Self::from_document(path, &document)
            .map_err(|mistakes| TestFileError::Mistakes(path.to_owned(), mistakes))
    }

    /// Reads `document`, which stands at `path`.
    ///
    /// # Errors
    ///
    /// Every mistake in it.
    pub fn from_document(path: &Path, document: &Document) -> Result<Self, Mistakes> {
        let mut log = Vec::new();
        let nothing = Map::new();
        let object = match document.as_value() {
            Value::Object(object) => object,
            other => {
                mistake(
                    &mut log,
                    "",
                    "",
                    format!("{} is not a map", describe(other)),
                    "give a map with `tests`",
                );
                &nothing
            }
        };
        let mut reader = Reader { log: &mut log, at: String::new(), object };
        reader.check_keys(&FILE_KEYS, "a test file");
        let folder = path.parent().unwrap_or(Path::new(""));
        let topology = reader.text("topology").map(|topology| folder.join(topology));
        let tests = match object.get("tests") {
            Some(Value::Array(tests)) if !tests.is_empty() => tests.as_slice(),
            Some(Value::Array(_)) | None => {
                reader.mistake("tests", "the file holds no test", "give at least one: [ { \"from\": ... } ]");
                &[]
            }
            Some(other) => {
                reader.mistake("tests", format!("{} is not a list", describe(other)), "give a list: [ ... ]");
                &[]
            }
        };
        let mut names = BTreeSet::new();
        let tests = tests.iter().enumerate().filter_map(|(place, test)| {
            let at = format!("tests[{place}]");
            let Value::Object(object) = test else {
                mistake(
                    &mut log,
                    &at,
                    "",
                    format!("{} is not a map", describe(test)),
                    "give a map of attributes",
                );
                return None;
            };
            let test = test_case(&mut Reader { log: &mut log, at: at.clone(), object })?;
            if !names.insert(test.name.clone()) {
                let problem = format!("another test is called \"{}\" too", test.name);
                mistake(&mut log, &at, "name", problem, "give each test its own name");
            }
            Some(test)
        });
        let tests = tests.collect();
        if log.is_empty() { Ok(Self { path: path.to_owned(), topology, tests }) } else { Err(Mistakes(log)) }
    }
}

/// A test; none if what it needs most is missing or wrong, which has been noted then.
fn test_case(reader: &mut Reader<'_>) -> Option<TestCase> {
    reader.check_keys(&TEST_KEYS, "a test");
    let from = reader.required("from", "an end such as \"web-1\"");
    let to = reader.required("to", "an end such as \"db-1:5432/tcp\"");
    let expected = match reader.required("expect", "\"allowed\" or \"denied\"").as_deref() {
        Some("allowed") => Some(Expected::Allowed),
        Some("denied") => Some(Expected::Denied),
        Some(other) => {
            reader.mistake(
                "expect",
                format!("\"{other}\" is not an answer"),
                "give \"allowed\" or \"denied\"",
            );
            None
        }
        None => None,
    };
    let name = reader.text("name");
    let port = reader.port("port");
    let source_port = reader.port("source_port");
    let family = reader.family();
    let protocol = reader.text_or_number("protocol");
    let because = reader.because();
    let source_seen = reader.text("source_seen").and_then(|text| {
        let address = text.parse().ok();
        if address.is_none() {
            reader.mistake(
                "source_seen",
                format!("\"{text}\" is not an address"),
                "give an address such as 10.0.0.10",
            );
        }
        address
    });
    if expected == Some(Expected::Allowed) && because.is_some() {
        reader.mistake(
            "because",
            "only a denied test has a reason",
            "remove `because`, or expect \"denied\"",
        );
    }
    if expected == Some(Expected::Denied) && source_seen.is_some() {
        reader.mistake(
            "source_seen",
            "nobody sees a denied packet",
            "remove `source_seen`, or expect \"allowed\"",
        );
    }
    let (from, to, expected) = (from?, to?, expected?);
    let request = ExplainRequest { from, to, port, protocol, source_port, family };
    let name = name.unwrap_or_else(|| name_of(&request));
    Some(TestCase { name, request, expected, because: because.unwrap_or_default(), source_seen })
}

/// What a test is called that was given no name: all that its question says, so that no two questions share one.
fn name_of(request: &ExplainRequest) -> String {
    let ExplainRequest { from, to, port, protocol, source_port, family } = request;
    let beside = [
        port.map(|port| format!("port {port}")),
        protocol.as_ref().map(|protocol| format!("protocol {protocol}")),
        source_port.map(|port| format!("source port {port}")),
        family.map(|family| format!("IPv{family}")),
    ];
    let beside: Vec<String> = beside.into_iter().flatten().collect();
    if beside.is_empty() {
        format!("{from} → {to}")
    } else {
        format!("{from} → {to} ({})", beside.join(", "))
    }
}

/// Takes the attributes of one object and notes what is wrong with them.
struct Reader<'a> {
    log: &'a mut Vec<Mistake>,
    at: String,
    object: &'a Map<String, Value>,
}

impl<'a> Reader<'a> {
    fn mistake(&mut self, attribute: &str, problem: impl Into<String>, remedy: &str) {
        mistake(self.log, &self.at, attribute, problem, remedy);
    }

    /// Keys that start with `x-` belong to the user.
    fn check_keys(&mut self, known: &[&str], noun: &str) {
        for key in self.object.keys() {
            if known.contains(&key.as_str()) || key == "$schema" || key.starts_with("x-") {
                continue;
            }
            let there_are = known.join(", ");
            let remedy = match self.nearest(key, known) {
                Some(meant) => format!("did you mean `{meant}`? {noun} has {there_are}"),
                None => format!("{noun} has {there_are}"),
            };
            self.log.push(Mistake {
                resource: self.at.clone(),
                attribute: key.clone(),
                code: "UnknownParameter",
                problem: format!("`{key}` is not an attribute of {noun}"),
                remedy,
            });
        }
    }

    fn nearest<'k>(&self, word: &str, known: &[&'k str]) -> Option<&'k str> {
        if self.log.len() < MOST_SUGGESTIONS {
            vpclab_model::nearest(word, known.iter().copied())
        } else {
            None
        }
    }

    fn given(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    fn text(&mut self, key: &str) -> Option<String> {
        match self.given(key)? {
            Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
            Value::String(_) => {
                self.mistake(key, "it is empty", "give a text");
                None
            }
            other => {
                let problem = format!("{} is not a text", describe(other));
                self.mistake(key, problem, "give a text, in quotes");
                None
            }
        }
    }

    fn required(&mut self, key: &str, example: &str) -> Option<String> {
        if self.given(key).is_none() {
            self.log.push(Mistake {
                resource: self.at.clone(),
                attribute: key.to_owned(),
                code: "MissingParameter",
                problem: format!("a test needs `{key}`"),
                remedy: format!("give {example}"),
            });
        }
        self.text(key)
    }

    fn text_or_number(&mut self, key: &str) -> Option<String> {
        match self.given(key)? {
            Value::Number(number) => Some(number.to_string()),
            _ => self.text(key),
        }
    }

    fn port(&mut self, key: &str) -> Option<u16> {
        let value = self.given(key)?;
        let number = whole_number(value).and_then(|number| u16::try_from(number).ok());
        let number = number.filter(|number| *number > 0);
        if number.is_none() {
            let problem = format!("{} is not a port", describe(value));
            self.mistake(key, problem, "give a number from 1 to 65535");
        }
        number
    }

    fn family(&mut self) -> Option<u8> {
        let value = self.given("family")?;
        let family = match whole_number(value) {
            Some(4) => Some(4),
            Some(6) => Some(6),
            _ => None,
        };
        if family.is_none() {
            self.mistake("family", format!("{} is not an address family", describe(value)), "give 4 or 6");
        }
        family
    }

    fn because(&mut self) -> Option<Because> {
        let value = self.given("because")?;
        let Value::Object(object) = value else {
            let problem = format!("{} is not a map", describe(value));
            self.mistake("because", problem, "give a map: { \"code\": ..., \"rule\": ... }");
            return None;
        };
        let at = format!("{}.because", self.at);

        let mut reader = Reader { log: self.log, at, object };
        reader.check_keys(&BECAUSE_KEYS, "a reason");
        if object.is_empty() {
            reader.mistake("", "it says nothing", "give one of code, resource, rule and direction");
        }
        let rule = match reader.given("rule").cloned() {
            Some(Value::Number(number)) => {
                let rule = number.as_u64().and_then(|number| u16::try_from(number).ok());
                if rule.is_none() {
                    reader.mistake(
                        "rule",
                        format!("{number} is no rule number"),
                        "give the number of an ACL's rule",
                    );
                }
                rule.map(RuleReference::Number)
            }
            Some(_) => reader.text("rule").map(|text| match text.parse() {
                Ok(number) => RuleReference::Number(number),
                Err(_) => RuleReference::Text(text),
            }),
            None => None,
        };
        let direction = reader.text("direction");
        if direction.as_deref().is_some_and(|direction| !matches!(direction, "forward" | "return")) {
            reader.mistake("direction", "no such direction", "give \"forward\" or \"return\"");
        }
        let code = reader.text("code");
        let known = codes();
        if let Some(code) = code.as_deref().filter(|code| !known.contains(code)) {
            let remedy = match reader.nearest(code, &known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "`vpclab explain` names the codes, such as ENI_SG_RULES_MISMATCH and SUBNET_ACL_RESTRICTION"
                    .to_owned(),
            };
            reader.mistake("code", format!("no blocker has the code `{code}`"), &remedy);
        }
        Some(Because { code, resource: reader.text("resource"), rule, direction })
    }
}

fn mistake(
    log: &mut Vec<Mistake>,
    resource: &str,
    attribute: &str,
    problem: impl Into<String>,
    remedy: &str,
) {
    log.push(Mistake {
        resource: resource.to_owned(),
        attribute: attribute.to_owned(),
        code: "InvalidParameterValue",
        problem: problem.into(),
        remedy: remedy.to_owned(),
    });
}

/// A whole number, in quotes or not: as in a topology.
fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("`{flag}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text \"{text}\""),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use vpclab_model::Syntax;

    use super::*;

    fn read(text: &str) -> Result<TestFile, Mistakes> {
        let document = Document::parse(text, Syntax::Yaml).unwrap();
        TestFile::from_document(Path::new("configs/a.tests.yaml"), &document)
    }

    #[test]
    fn a_file_is_read_with_its_topology_beside_it() {
        let file = read(
            "topology: a.json\ntests:\n- {from: web-1, to: 'db-1:22', expect: denied, because: {rule: 200, direction: forward}}\n\
             - {name: b, from: web-1, to: db-1, protocol: 50, family: 6, expect: allowed, source_seen: '2001:db8::1', x-why: y}\n",
        )
        .unwrap();
        assert_eq!(file.topology, Some(PathBuf::from("configs/a.json")));
        assert_eq!(file.tests[0].name, "web-1 → db-1:22");
        assert_eq!(file.tests[0].because.rule, Some(RuleReference::Number(200)));
        assert_eq!(file.tests[1].request.protocol.as_deref(), Some("50"));
        assert_eq!(file.tests[1].request.family, Some(6));
        assert_eq!(file.tests[1].source_seen, Some("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let Err(mistakes) = read(
            "topolgy: a.json\ntests:\n- {from: a, expect: maybe, port: 70000, family: 5, frm: b}\n- 7\n\
             - {name: x, from: a, to: b, expect: allowed, because: {cod: A}}\n\
             - {name: x, from: a, to: b, expect: denied, source_seen: nowhere, because: {direction: up}}\n",
        ) else {
            panic!("a file full of mistakes was read")
        };
        let told: Vec<String> = mistakes.0.iter().map(ToString::to_string).collect();
        for beginning in [
            "topolgy: `topolgy` is not an attribute of a test file; did you mean `topology`?",
            "tests[0].frm: `frm` is not an attribute of a test; did you mean `from`?",
            "tests[0].to: a test needs `to`; give an end such as \"db-1:5432/tcp\" (MissingParameter)",
            "tests[0].expect: \"maybe\" is not an answer; give \"allowed\" or \"denied\"",
            "tests[0].port: the number 70000 is not a port; give a number from 1 to 65535",
            "tests[0].family: the number 5 is not an address family; give 4 or 6",
            "tests[1]: the number 7 is not a map",
            "tests[2].because.cod: `cod` is not an attribute of a reason; did you mean `code`?",
            "tests[2].because: only a denied test has a reason",
            "tests[3].source_seen: \"nowhere\" is not an address",
            "tests[3].because.direction: no such direction",
            "tests[3].name: another test is called \"x\" too",
        ] {
            assert!(
                told.iter().any(|line| line.starts_with(beginning)),
                "{beginning}\nis not among\n{told:#?}"
            );
        }
        assert_eq!(told.len(), 12, "{told:#?}");
    }

    #[test]
    fn numbers_may_be_in_quotes() {
        let file = |family: &str| {
            read(&format!(
                "tests: [{{from: a, to: b, port: '80', source_port: '53', family: {family}, expect: allowed}}]"
            ))
        };
        for (written, family) in [("4", 4), ("'4'", 4), ("6", 6), ("\"6\"", 6)] {
            let request = file(written).unwrap().tests.remove(0).request;
            assert_eq!(
                (request.family, request.port, request.source_port),
                (Some(family), Some(80), Some(53))
            );
        }
        for (written, told) in [("5", "the number 5"), ("'ipv6'", "the text \"ipv6\""), ("true", "`true`")] {
            let error = file(written).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("tests[0].family: {told} is not an address family; give 4 or 6 ")),
                "{error}"
            );
        }
    }

    #[test]
    fn questions_that_differ_in_anything_have_names_of_their_own() {
        let file = read(
            "tests:\n- {from: a, to: 'b:53', expect: allowed}\n- {from: a, to: 'b:53', family: 4, expect: allowed}\n\
             - {from: a, to: 'b:53', family: 6, expect: allowed}\n- {from: a, to: 'b:53', source_port: 53, expect: denied}\n\
             - {from: a, to: b, port: 53, protocol: udp, source_port: 53, family: 6, expect: allowed}\n",
        )
        .unwrap();
        let names: Vec<&str> = file.tests.iter().map(|test| test.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "a → b:53",
                "a → b:53 (IPv4)",
                "a → b:53 (IPv6)",
                "a → b:53 (source port 53)",
                "a → b (port 53, protocol udp, source port 53, IPv6)",
            ]
        );
        let same = "{from: a, to: b, family: 4, expect: allowed}";
        assert!(read(&format!("tests: [{same}, {same}]")).is_err());
    }

    #[test]
    fn a_code_that_no_blocker_can_have_is_a_mistake() {
        let file = |code: &str| {
            read(&format!("tests: [{{from: a, to: b, expect: denied, because: {{code: {code}}}}}]"))
                .map_err(|mistakes| mistakes.to_string())
        };
        assert!(file("SUBNET_ACL_RESTRICTION").is_ok());
        assert!(file("ONLY_SOME_ADDRESSES").is_ok());
        for (code, meant) in [
            ("SUBNET_ACL_RESTRICTON", "did you mean `SUBNET_ACL_RESTRICTION`?"),
            ("subnet_acl_restriction", "did you mean `SUBNET_ACL_RESTRICTION`?"),
            ("SG_HAS_NO_RULE", "did you mean `SG_HAS_NO_RULES`?"),
            ("FIREWALL", "`vpclab explain` names the codes"),
        ] {
            let told = file(code).unwrap_err();
            assert!(
                told.starts_with(&format!(
                    "tests[0].because.code: no blocker has the code `{code}`; {meant}"
                )),
                "{told}"
            );
        }
    }

    #[test]
    fn after_fifty_mistakes_no_more_slips_are_looked_for() {
        let tests: Vec<String> =
            (0..60).map(|port| format!("{{from: a, to: 'b:{port}', expect: allowed, nam: x}}")).collect();
        let Err(mistakes) = read(&format!("tests: [{}]", tests.join(", "))) else {
            panic!("a file full of mistakes was read")
        };
        let guesses = mistakes.0.iter().filter(|mistake| mistake.remedy.starts_with("did you mean")).count();
        assert_eq!((guesses, mistakes.0.len()), (50, 60));
    }

    #[test]
    fn a_file_without_a_test_is_a_mistake() {
        for text in ["topology: a.json", "tests: []", "[]", "tests: 7"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
