//! Is what the document says possible in AWS, and what does AWS add?
//!
//! The third and fourth phase: the facts of the behaviour register, then defaults and addresses. Each file holds the
//! rules of its kinds and gives what survived them to the next, so that a broken VPC hides no mistake elsewhere and
//! causes none. What always holds: when the log is empty, the topology is whole.

mod acls;
mod addresses;
mod associations;
mod gateways;
mod groups;
mod instances;
mod interfaces;
mod public;
mod routes;
mod subnets;
mod traffic;
mod vpcs;

use crate::register::Context;
use crate::resources::Topology;

/// The topology; whole only if nothing was reported.
pub(crate) fn topology(cx: &Context<'_>) -> Topology {
    let vpcs = vpcs::build(cx);
    let internet_gateways = gateways::build(cx);
    let network_acls = acls::build(cx, &vpcs);
    let security_groups = groups::build(cx, &vpcs);
    let subnets = subnets::build(cx, &vpcs);
    let (instances, attachments) = instances::build(cx, &subnets);
    let mut network_interfaces = interfaces::build(cx, &subnets, &attachments);
    let internet_hosts = public::internet_hosts(cx, &vpcs);
    let eips = public::assign(cx, &vpcs, &subnets, &instances, &internet_hosts, &mut network_interfaces);
    let route_tables = routes::build(cx, &vpcs, &subnets, &instances, &network_interfaces);
    Topology {
        region: cx.declared.region.clone().unwrap_or_default(),
        settings: cx.declared.settings,
        vpcs,
        subnets,
        route_tables,
        internet_gateways,
        network_acls,
        security_groups,
        network_interfaces,
        instances,
        eips,
        internet_hosts,
    }
}
