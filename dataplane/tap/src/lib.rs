//! Where do packets meet the kernel, and how does a program run inside an instance?
//!
//! This crate is both ends of the line: [`Device`] reads frames from a TAP and writes them back, [`Netns`] is the
//! network namespace an instance lives in, [`link`] gives the instance's interface its addresses and routes,
//! [`process`] starts programs inside, [`probe`] asks the real kernel whether a connection works, [`Poller`] is what
//! a worker sleeps on.
//!
//! What always holds: nothing here waits without a deadline (reads never block, netlink requests and probes carry
//! one); a calling thread never changes its own namespace (helper threads do, and end); a device of one namespace is
//! never configured through another. `unsafe` lives here and nowhere else.
//!
//! Left to others: what a frame means (`wire`), what becomes of it (`engine`), which instances exist (`daemon`).
#![allow(unsafe_code)]

mod capability;
mod device;
mod ioctl;
pub mod link;
mod netns;
mod poller;
pub mod probe;
pub mod process;

pub use capability::{Missing, capability};
pub use device::{Device, OffloadTap, PlainTap, READ_BUFFER_LEN, TapError};
pub use netns::{Netns, NetnsError};
pub use poller::{MAX_READY, Poller, Waker};
