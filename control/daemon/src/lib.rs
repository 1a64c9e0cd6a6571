//! How does a lab run, and how is it spoken to?
//!
//! The daemon is everything around the engine: it gives each instance a namespace and a TAP ([`run`]), feeds frames to
//! the engine on a thread of its own, publishes each new configuration as one pointer store, and answers the control
//! API on a Unix socket. [`Client`] is the other end of that socket; [`down`] ends a lab, also one whose daemon died;
//! [`changes`] foretells what a lab says when its topology is replaced.
//!
//! What always holds: a change that fails changes nothing; a change that is answered is obeyed by every packet from
//! then on; a device, namespace or file that is not the lab's own is never touched, except what an attachment asks
//! for. Left to others: what becomes of a packet (`engine`), what a document means (`model`), how a question is
//! explained (handed in as [`ExplainFn`]).

mod attach;
mod blueprint;
mod borrowed;
mod changes;
mod client;
mod docker;
mod down;
mod files;
mod foreign;
mod guest;
mod http;
mod inhabitants;
mod lab;
mod leftovers;
mod line;
mod paths;
mod remember;
mod replace;
mod resources;
mod server;
mod slug;
mod up;
mod worker;

pub use changes::changes;
pub use client::{Client, ClientError};
pub use down::{Down, DownError, down};
pub use paths::{InvalidLabName, LabPaths, paths};
pub use up::{ExplainFn, Ready, UpError, UpOptions, run};
