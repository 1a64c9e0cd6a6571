//! Terraform plans and states, imported: each test writes small ones of its own.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod changes;
mod doubts;
mod ends;
mod filters;
mod fixture;
mod formats;
mod gateways;
mod hosts;
mod links;
mod network;
mod references;
mod services;
