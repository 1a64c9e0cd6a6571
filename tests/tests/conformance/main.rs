//! Does each documented behaviour hold?
//!
//! One test a behaviour, named by its sentence, citing its ids in `docs/spec`. Each asserts both sides: what passes,
//! and what does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod addressing;
mod connection_tracking;
mod direct_connect;
mod drop_reasons;
mod edge_routes;
mod egress_only;
mod endpoint_flows;
mod endpoint_paths;
mod errors;
mod explain;
mod fragments;
mod gateway_endpoints;
mod interface_endpoints;
mod internet_gateway;
mod layer2;
mod link_choices;
mod middlebox;
mod mtu;
mod nat_changes;
mod nat_clients;
mod nat_errors;
mod nat_failures;
mod nat_gateway;
mod nat_networks;
mod nat_states;
mod network_acls;
mod networks;
mod not_modelled;
mod peer_groups;
mod peering;
mod pipeline;
mod prefix_lists;
mod private_networks;
mod quota_cases;
mod quotas;
mod refusals;
mod register;
mod route_constraints;
mod route_priorities;
mod route_tables;
mod security_groups;
mod site_to_site_vpn;
mod subnet_mistakes;
mod transit_gateway;
mod transit_network_acls;
mod transit_networks;
mod transit_paths;
mod transit_private_links;
mod transit_propagation;
mod transit_zones;
mod vectors;
mod virtual_private_gateway;
