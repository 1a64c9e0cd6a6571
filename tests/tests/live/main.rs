//! Do the kernel, real programs and real containers agree?
//!
//! These tests drive the built binary as a user does and send packets with programs nobody here wrote. They need root,
//! `/dev/net/tun` and the packages that `scripts/test` installs. Where root or TAP is really missing they say so and
//! pass; under `CI=true` or `VPCLAB_LIVE=required` that is a failure. They run one after another: some of them measure.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in tests they are the assertion")]

mod change;
mod containers;
mod gateways;
mod lifecycle;
mod program;
mod programs;
mod shop;
mod skip;
mod support;
mod test_files;
mod ticks;
