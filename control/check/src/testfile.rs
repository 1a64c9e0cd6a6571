//! What does a file of reachability tests say?
//!
//! JSON or YAML, read like topologies: every mistake at once, unknown keys are mistakes. What always holds: whatever the
//! file says in short (a matrix, a group of tests) is single tests afterwards, each with a name of its own and the place
//! where it was written. Whether the ends exist is not asked here; a test about nobody fails when it runs.

mod entries;
mod matrix;
mod reader;
#[cfg(test)]
mod tests;
mod when;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use vpclab_api::{Expected, ExplainRequest, Level, RuleReference};
use vpclab_model::{Document, DocumentError, Mistakes};

use self::entries::Entries;
use self::reader::{Reader, describe, mistake};

/// A file of tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFile {
    /// Where it was read.
    pub path: PathBuf,
    /// The topology it is about, relative paths resolved against the file's own folder.
    pub topology: Option<PathBuf>,
    /// The tests in the order of the file, at least one, names unique; those that follow each other and are about the
    /// same network stand in one section.
    pub sections: Vec<Section>,
}

/// Tests of one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What is changed in the topology, in this order; nothing where the tests are about the topology itself.
    pub when: Vec<Change>,
    /// The tests.
    pub tests: Vec<TestCase>,
}

/// One change to a topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it is written, as in `tests[3].when[0]`.
    pub at: String,
    /// What happens.
    pub event: Event,
}

/// What can happen to a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A resource, or everything in an availability zone, stops working.
    Down(String),
    /// A resource is taken out of the document.
    Remove(String),
    /// The file at this path is merged into the document (RFC 7386).
    ApplyFile(PathBuf),
    /// This is merged into the document (RFC 7386).
    Apply(Map<String, Value>),
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    /// Its name; `FROM → TO` if the file gives none, and in parentheses what else it says of the question.
    pub name: String,
    /// Where it is written, as in `tests[3]`.
    pub at: String,
    /// The question. Of a test that says who only may ask, `from` is `*`.
    pub request: ExplainRequest,
    /// The answer expected.
    pub expected: Expected,
    /// Who is allowed where everybody else is denied; only with [`Expected::Only`].
    pub only: Vec<String>,
    /// What alone is allowed of all traffic, if the test says so; only with [`Expected::Only`].
    pub only_ports: Option<Vec<Admitted>>,
    /// What has to deny it; nothing where any reason will do.
    pub because: Because,
    /// The source address that the receiver must see.
    pub source_seen: Option<IpAddr>,
    /// What the packets have to pass, and must not.
    pub path: Way,
    /// Whether the other end asks the same of this one as well.
    pub both_directions: bool,
    /// The level to stay at, whatever the run's; none for the run's.
    pub level: Option<Level>,
}

/// Traffic that is allowed where everything else is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admitted {
    /// TCP to this port.
    Tcp(u16),
    /// UDP to this port.
    Udp(u16),
    /// ICMP of either family.
    Icmp,
}

/// What packets have to pass, by names of resources, or `COMPONENT:NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Way {
    /// On the way there, in this order; there may be others between them.
    pub forward: Vec<String>,
    /// On the way back.
    pub back: Vec<String>,
    /// Neither there nor back.
    pub never: Vec<String>,
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

impl TestFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// [`TestFileError`]: the file cannot be read, or every mistake in it.
    pub fn from_path(path: &Path) -> Result<Self, TestFileError> {
        let document = match Document::from_path(path) {
            // What a document that declares nothing is written like holds no test either.
            Err(DocumentError::Empty { .. }) => Document::from(Value::Object(Map::new())),
            document => document?,
        };
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
                let problem = format!("{} is not a map", describe(other));
                mistake(&mut log, "", "", problem, "give a map with `tests`");
                &nothing
            }
        };
        let mut reader = Reader { log: &mut log, at: String::new(), object };
        reader.check_keys(&FILE_KEYS, "a test file");
        let folder = path.parent().unwrap_or(Path::new(""));
        let topology = reader.text("topology").map(|topology| folder.join(topology));
        let list = reader.tests("the file holds no test");
        let mut entries = Entries::new(folder, &mut log);
        entries.read(list, "tests", &[]);
        let sections = entries.sections;
        let mut names = BTreeSet::new();
        for test in sections.iter().flat_map(|section| &section.tests) {
            if !names.insert(test.name.as_str()) {
                let problem = format!("another test is called \"{}\" too", test.name);
                mistake(&mut log, &test.at, "name", problem, "give each test its own name");
            }
        }
        if log.is_empty() {
            Ok(Self { path: path.to_owned(), topology, sections })
        } else {
            Err(Mistakes(log))
        }
    }

    /// Every test, in the order of the file.
    pub fn tests(&self) -> impl Iterator<Item = &TestCase> {
        self.sections.iter().flat_map(|section| &section.tests)
    }
}

impl TestCase {
    /// A test that `from` is allowed to ask `to`, or denied.
    pub fn new(from: &str, to: &str, expected: Expected) -> Self {
        let request =
            ExplainRequest { from: from.to_owned(), to: to.to_owned(), ..ExplainRequest::default() };
        Self {
            name: entries::name_of(&request),
            at: "tests[0]".to_owned(),
            request,
            expected,
            only: Vec::new(),
            only_ports: None,
            because: Because::default(),
            source_seen: None,
            path: Way::default(),
            both_directions: false,
            level: None,
        }
    }
}

impl Way {
    /// Whether nothing is asked of it.
    pub fn is_empty(&self) -> bool {
        self.forward.is_empty() && self.back.is_empty() && self.never.is_empty()
    }
}

impl Change {
    /// What is so then, as in `nat-a is down`.
    pub fn words(&self) -> String {
        match &self.event {
            Event::Down(name) => format!("{name} is down"),
            Event::Remove(name) => format!("{name} is removed"),
            Event::ApplyFile(path) => {
                let name = path
                    .file_name()
                    .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
                format!("{name} is applied")
            }
            Event::Apply(patch) => {
                let kinds: Vec<&str> = patch.keys().map(String::as_str).collect();
                format!("a change of {} is applied", kinds.join(", "))
            }
        }
    }
}

impl Section {
    /// What is so while its tests run; nothing where nothing is changed.
    pub fn words(&self) -> Vec<String> {
        self.when.iter().map(Change::words).collect()
    }
}
