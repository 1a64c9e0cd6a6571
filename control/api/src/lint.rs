//! What does a linter say of a topology?

use serde::{Deserialize, Serialize};

/// The answer of `vpclab lint`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LintReport {
    /// What is probably a mistake and nobody has accepted: errors first, then by id and resource.
    pub findings: Vec<Finding>,
    /// What the document accepts, with its reasons.
    pub accepted: Vec<AcceptedFinding>,
}

/// One thing that is probably a mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which kind of mistake, in kebab case: stable, and what an acceptance names.
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub resource: LintResource,
    /// The rule or route of it, as in `ingress 100`, `ingress[0]` or `10.0.0.0/16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why, with the values that make it so.
    pub reason: String,
    /// What would be right.
    pub remedy: String,
    /// The entries of the behaviour register that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Packets die, or strangers get in, against what the design says.
    Error,
    /// Something does not do what it is written for.
    Warning,
    /// Something could go, or is worth a look.
    Note,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LintResource {
    /// The key of its kind in documents, such as `network_acls`; empty for the document itself.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A finding that the document accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedFinding {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// Why that is right as it is, in the document's words.
    pub accepted: String,
}

impl LintReport {
    /// How many findings of a severity nobody has accepted.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}
