//! CloudFormation templates, imported: each test writes small templates of its own.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod conditions;
mod filters;
mod fixture;
mod functions;
mod gateways;
mod hosts;
mod left_out;
mod nested;
mod parameters;
mod private_links;
mod services;
mod stand_ins;
mod vpcs;
mod yaml;
