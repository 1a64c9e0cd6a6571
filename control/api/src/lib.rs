//! What does the control API say and hear?
//!
//! The JSON types of requests and responses, and the error every failure becomes. The command line prints the same
//! types with `--json`. Nothing here knows how an answer is found.

mod analyse;
mod error;
mod explain;
mod lab;
mod lint;
mod test;

pub use analyse::{
    AnalyseRequest, Analysis, AnalysisEnd, By, ChangeKind, ChangedPairs, ChangedReach, Diff, Pairs, Reach,
    RenamedEnd, Rerouted, SetReach, SetVerdict, Traffic,
};
pub use error::{ApiError, ErrorBody, MistakeBody};
pub use explain::{
    Answers, Assumed, Blocker, ExplainRequest, Explained, Explanation, Leg, LegVerdict, Level, Observed,
    ObservedEnd, OtherBlockers, OtherWay, OverIpv6, Partial, QuestionEnd, RuleReference, Step, Unmodelled,
};
pub use lab::{
    Applied, AttachBody, AttachRequest, Attachment, AttachmentTarget, Change, Counters, DropCount,
    Generation, Health, InstanceState, InterfaceState, PortCounters, Replaced, RunState, Shutdown,
};
pub use lint::{AcceptedFinding, Finding, LintReport, LintResource, Severity};
pub use test::{Expected, FileError, Outcome, TestReport, TestResult};
