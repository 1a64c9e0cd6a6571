//! Does a whole lab work on the real kernel? Each test starts the daemon as a process of its own, under a name of its
//! own, and leaves nothing. Needs root and `/dev/net/tun`: without them each test says loudly that it did not run, and
//! fails where `CI=true` or
//! `VPCLAB_LIVE=required`.
// Clippy knows test functions by their attribute; the helpers they share are test code just as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attachments;
mod changes;
mod containers;
mod fixture;
mod forwarding;
mod interfaces;
mod leftovers;
mod lives;
#[path = "../../../../tests/tests/live/skip.rs"]
mod skip;
mod traffic;
