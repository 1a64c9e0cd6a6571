//! How does what people already have become a topology?
//!
//! [`import`] reads CloudFormation templates, Terraform plans and states, and what `aws ec2 describe-*` prints, and
//! returns a topology document with a [`Report`] that has every resource of the sources exactly once: understood,
//! approximated, stored without being modelled, without effect on packets, or left out. It stands before the door: what
//! it makes is a document like one written by hand, and the model judges it. What always holds: the same input gives
//! the same bytes; nothing of the sources is dropped without a word. What a document means is left to `vpclab-model`.

mod cloudformation;
mod describe;
mod estate;
mod finish;
mod mapping;
mod parameter;
mod properties;
mod report;
mod source;
mod stand_in;
mod terraform;
mod val;

use serde_json::Value;

pub use parameter::{InvalidParameter, Parameter};
pub use report::{Becomes, Fate, Note, NoteKind, Report, ReportedResource, ReportedSource};
pub use source::{Format, InvalidSource, Recognised, Source, SourceError, recognised};

use crate::estate::Estate;

/// The account of whatever names none.
pub const DEFAULT_ACCOUNT: &str = "123456789012";

/// How to read the sources.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What all sources are written in; each is looked at when this says nothing.
    pub format: Option<Format>,
    /// Whether what no source holds is made up, and marked as not modelled, instead of being an error.
    pub stand_ins: bool,
    /// Values of templates' parameters.
    pub parameters: Vec<Parameter>,
    /// Which side of a Terraform plan is read.
    pub side: Side,
}

/// Which of the two topologies that a Terraform plan stands between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Side {
    /// What there is before the plan is applied; of a plan that does not hold it, nothing.
    Before,
    /// What there is once it was applied.
    #[default]
    After,
}

/// What the sources hold.
#[derive(Debug)]
pub struct Imported {
    /// A topology document, which the model has accepted.
    pub document: Value,
    /// What became of each resource.
    pub report: Report,
}

/// Why sources could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A source could not be read, or is nothing that can be imported.
    #[error(transparent)]
    Source(#[from] source::SourceError),
    /// Everything that is wrong with what the sources say, each with where it stands and what would be right.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
}

/// One thing wrong with what a source says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Problem {
    /// The source's name.
    pub source: String,
    /// The resource or the part of the source, as its owner calls it.
    pub address: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.source.as_str(), self.address.as_str()) {
            ("", "") => f.write_str(&self.problem),
            (source, "") => write!(f, "{source}: {}", self.problem),
            ("", address) => write!(f, "{address}: {}", self.problem),
            (source, address) => write!(f, "{source}: {address}: {}", self.problem),
        }
    }
}

/// Makes one topology of all `sources`.
///
/// # Errors
///
/// [`ImportError::Source`] for one that cannot be read; [`ImportError::Problems`] with all that is wrong with what they
/// say, be it a parameter without a value, a reference to nothing, or a mistake that the model finds.
pub fn import(sources: &[Source], options: &Options) -> Result<Imported, ImportError> {
    let mut estate = Estate::default();
    source::read(sources, options, &mut estate)?;
    finish::finish(estate, options)
}
