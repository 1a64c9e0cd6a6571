//! Does each documented behaviour hold?
//!
//! One test a behaviour, named by its sentence, citing its ids in `docs/spec`. Each asserts both sides: what passes,
//! and what does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod addressing;
mod connection_tracking;
mod direct_connect;
mod errors;
mod explain;
mod gateway_endpoints;
mod interface_endpoints;
mod internet_gateway;
mod layer2;
mod network_acls;
mod networks;
mod not_modelled;
mod peer_groups;
mod pipeline;
mod private_networks;
mod quotas;
mod register;
mod route_tables;
mod security_groups;
mod site_to_site_vpn;
mod transit_gateway;
mod transit_networks;
mod virtual_private_gateway;
