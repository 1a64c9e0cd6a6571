//! How is a failure told?

use std::fmt;

use serde::{Deserialize, Serialize};

/// The body of every response that is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// What went wrong.
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// EC2's code where it has one, such as `InvalidSubnet.Conflict` (area ERR).
    pub code: String,
    /// One sentence that names the thing and what would be right.
    pub message: String,
    /// Every mistake of a refused topology.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<MistakeBody>,
}

/// One mistake of a refused topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MistakeBody {
    /// The resource, as in `subnets.public-a`; empty for the document itself.
    pub resource: String,
    /// The attribute, as in `routes[0].cidr_block`; empty for the resource as a whole.
    pub attribute: String,
    /// EC2's code.
    pub code: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

impl ApiError {
    /// An error with a code and a sentence.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { error: ErrorBody { code: code.into(), message: message.into(), mistakes: Vec::new() } }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.error.message, self.error.code)
    }
}

impl std::error::Error for ApiError {}
