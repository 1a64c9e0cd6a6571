//! Does the kernel agree? Real TAPs in namespaces of the tests' own, which are gone afterwards. Needs root and
//! `/dev/net/tun`: without them each test says loudly that it did not run, and fails where `CI=true` or
//! `VPCLAB_LIVE=required`.
// Clippy knows test functions by their attribute; the helpers they share are test code just as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod device;
mod fixture;
mod links;
mod namespaces;
mod processes;
#[path = "../../../../tests/tests/live/skip.rs"]
mod skip;
mod traffic;
