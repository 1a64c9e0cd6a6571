//! The network itself: compile, plan, flow memory, forward, explain.
//!
//! No I/O, no clock, no async, no unsafe. A [`Fabric`] is what packets read, [`plan`](plan::plan) decides about one
//! packet and changes nothing, [`Engine`] carries plans out on frames.

mod compile;
mod door;
pub mod explain;
mod fabric;
pub mod flow;
mod forward;
mod index;
mod packet;
pub mod plan;
mod reason;
mod step;
mod stop;
mod time;

pub use door::{Port, plan_frame};
pub use fabric::*;
pub use forward::{Counters, Engine, Outcome, Outlet, trace};
pub use index::*;
pub use packet::{Born, Draft, Selector};
pub use reason::{DropReason, Service, Unmodelled};
pub use step::{GroupDecision, NoProbe, Probe, Recorder, Step};
pub use time::Timestamp;
