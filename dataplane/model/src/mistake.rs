//! What is wrong with a document, in the user's words?

use std::fmt;

use serde::Serialize;

/// One thing wrong: where, what, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The resource, as in `subnets.public-a`; empty when the document itself is meant.
    pub resource: String,
    /// The attribute, as in `routes[0].cidr_block`; empty when the resource as a whole is meant.
    pub attribute: String,
    /// EC2's error code for the situation, as in `InvalidSubnet.Conflict` (area ERR).
    pub code: &'static str,
    /// What is wrong, naming the offending value.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.resource.as_str(), self.attribute.as_str()) {
            ("", "") => {}
            ("", attribute) => write!(f, "{attribute}: ")?,
            (resource, "") => write!(f, "{resource}: ")?,
            (resource, attribute) => write!(f, "{resource}.{attribute}: ")?,
        }
        write!(f, "{}; {} ({})", self.problem, self.remedy, self.code)
    }
}

/// Every mistake of a document, in the order of the document's kinds and names. Never empty as an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Mistakes(pub Vec<Mistake>);
