//! What do the witnesses of this project share?
//!
//! A packet by its values and its frame ([`packet`], [`frames`]), a network to send it through ([`harness`]), the slow
//! [`oracle`] that knows what should have happened, a generator of networks and packets ([`generate`]), the experiment
//! that confronts them ([`witness`]), conversations that show whether a [`matrix`] is right, and the register of
//! documented behaviour ([`register`]). Nothing here ships: it fails loudly, with the values at hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test, and what tests are made of, says no"
)]

pub mod frames;
pub mod fuzz;
pub mod generate;
pub mod harness;
#[cfg(feature = "matrix")]
pub mod matrix;
pub mod oracle;
pub mod packet;
pub mod register;
pub mod witness;
