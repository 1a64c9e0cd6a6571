//! Who reaches whom in this network, and does that agree with what its designer expects?
//!
//! Questions in words, answers for people and for programs, and test files. The forwarding itself is the engine's:
//! nothing here knows a rule of it.

mod addresses;
mod admitted;
pub mod analyse;
mod answer;
mod askable;
mod attempt;
mod behind;
mod beyond;
mod chained;
mod change;
mod codes;
mod customers;
pub mod diff;
mod ends;
mod everybody;
mod evidence;
mod explain;
mod fate;
mod guests;
mod internet;
mod judge;
mod lines;
pub mod lint;
mod live;
mod map;
mod marks;
mod met;
mod middleboxes;
mod names;
mod private_dns;
mod question;
mod remedy;
pub mod render;
pub mod report;
mod run;
mod sets;
mod silent;
mod source_ports;
mod steps;
mod strangers;
pub mod style;
mod testfile;
mod tree;
mod undeclared;
mod unmodelled;
mod way;
mod words;

pub use analyse::analyse;
pub use answer::explain;
pub use change::Changed;
pub use diff::diff;
pub use explain::remedies;
pub use guests::VirtualProber;
pub use judge::outcome_words;
pub use lines::Lines;
pub use live::{AskCounters, LiveProber};
pub use map::map;
pub use names::remedy;
pub use question::{EndKind, NamedEnd, Question, Questions, Via, parse, questions};
pub use remedy::Remedy;
pub use run::{Attempt, Guest, Observation, Prober, Sent, not_run, report as summarise, run};
pub use testfile::{Admitted, Because, Change, Event, Section, TestCase, TestFile, TestFileError, Way};
pub use words::{acl_entry, group_permission, route};
