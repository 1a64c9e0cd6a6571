//! What came out of a file of reachability tests?

use serde::{Deserialize, Serialize};

use crate::error::ErrorBody;
use crate::explain::{Explanation, Level};

/// The results of `vpclab test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    /// How they were obtained.
    pub level: Level,
    /// How many passed.
    pub passed: usize,
    /// How many did not; a test that could not run is one of them.
    pub failed: usize,
    /// Each test, in the order of the files.
    pub tests: Vec<TestResult>,
    /// The files that are wrong. If there is one, no test has run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FileError>,
}

/// A file of tests that cannot be read, or not be asked of its topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileError {
    /// The file.
    pub file: String,
    /// What is wrong, with every mistake in it.
    pub error: ErrorBody,
}

/// The result of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// The file it stands in.
    pub file: String,
    /// Its name.
    pub name: String,
    /// How it was obtained.
    pub level: Level,
    /// Whether everything was as expected.
    pub passed: bool,
    /// What is different from the topology of the file while it runs, as in `nat-a is down`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<String>,
    /// What was expected.
    pub expected: Expected,
    /// What the packets did; at the level `explain`, what it says they would do. Null where it could not be asked.
    pub outcome: Option<Outcome>,
    /// Why it did not pass; empty if it did.
    pub failures: Vec<String>,
    /// The source address that the receiver saw, where one was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_seen: Option<String>,
    /// What explain says; null where the question is wrong.
    pub explanation: Option<Box<Explanation>>,
}

/// What a test expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// The request arrives and its answer returns.
    Allowed,
    /// It does not.
    Denied,
    /// Some are allowed, and everybody else is denied.
    Only,
}

/// What packets did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The answer came back.
    Allowed,
    /// No answer came.
    Dropped,
    /// An ICMP error came, or the sender has no route or neighbour.
    Unreachable,
    /// The receiver itself refused: a TCP reset.
    Refused,
    /// The receiver itself said that nobody listens: an ICMP port unreachable.
    NoListener,
    /// It depends on what is not modelled.
    Unknown,
}
