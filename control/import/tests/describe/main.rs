//! Dumps of `aws ec2 describe-*`, imported: each test writes small ones of its own.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod filters;
mod fixture;
mod gateways;
mod hosts;
mod layouts;
mod links;
mod network;
mod services;
mod transit;
