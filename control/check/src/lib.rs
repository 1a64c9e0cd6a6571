//! Who reaches whom in this network, and does that agree with what its designer expects?
//!
//! Questions in words, answers for people and for programs, and test files. The forwarding itself is the engine's:
//! nothing here knows a rule of it.

pub mod analyse;
mod answer;
mod askable;
mod beyond;
mod chained;
mod codes;
pub mod diff;
mod ends;
mod evidence;
mod explain;
mod guests;
mod internet;
mod live;
mod map;
mod met;
mod middleboxes;
mod names;
mod private_dns;
mod question;
pub mod render;
pub mod report;
mod run;
mod sets;
mod steps;
pub mod style;
mod testfile;
mod tree;
mod undeclared;
mod words;

pub use analyse::analyse;
pub use answer::{answer, explain};
pub use diff::diff;
pub use guests::VirtualProber;
pub use live::{AskCounters, LiveProber};
pub use map::map;
pub use names::remedy;
pub use question::{EndKind, NamedEnd, Question, Questions, Via, parse, questions};
pub use run::{Attempt, Guest, Observation, Prober, Sent, not_run, outcome_words, report as summarise, run};
pub use testfile::{Because, TestCase, TestFile, TestFileError};
pub use words::{acl_entry, group_permission, route};
