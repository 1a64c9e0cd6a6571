//! Is what the document says possible in AWS, and what does AWS add?
//!
//! The third and fourth phase: the facts of the behaviour register, then defaults and addresses. Each file holds the
//! rules of its kinds and gives what survived them to the next, so that a broken VPC hides no mistake elsewhere and
//! causes none. What always holds: when the log is empty, the topology is whole.

mod acls;
mod addresses;
mod associations;
mod delegation;
pub(crate) mod endpoints;
mod gateways;
mod groups;
mod instances;
mod interfaces;
mod knowledge;
mod links;
mod nat;
mod not_modelled;
mod peering;
mod prefix_lists;
mod private;
mod public;
mod quotas;
mod references;
mod routes;
mod subnets;
mod traffic;
mod transit;
mod vpcs;

use crate::register::Context;
use crate::resources::Topology;

/// The topology; whole only if nothing was reported.
pub(crate) fn topology(cx: &Context<'_>) -> Topology {
    let vpcs = vpcs::build(cx);
    let internet_gateways = gateways::build(cx);
    let network_acls = acls::build(cx, &vpcs);
    let vpc_peering_connections = peering::build(cx, &vpcs);
    let security_groups = groups::build(cx, &vpcs, &vpc_peering_connections);
    let subnets = subnets::build(cx, &vpcs);
    let (instances, attachments) = instances::build(cx, &subnets);
    let mut network_interfaces = interfaces::build(cx, &subnets, &attachments);
    let internet_hosts = public::internet_hosts(cx, &vpcs);
    let mut customer_networks = private::customer_networks(cx);
    let customer_hosts = private::customer_hosts(cx, &customer_networks);
    let services = endpoints::services(cx, &vpcs, &internet_hosts);
    let claims = nat::claims(cx, &network_interfaces);
    let wanted = &claims.eips;
    let eips =
        public::assign(cx, &vpcs, &subnets, &instances, &internet_hosts, wanted, &mut network_interfaces);
    let nat_gateways = nat::build(cx, &subnets, claims);
    let not_modelled = not_modelled::build(cx, &subnets, &network_interfaces);
    let egress_only_internet_gateways = gateways::build_egress_only(cx);
    let vpc_endpoints = endpoints::build(cx, &vpcs, &subnets, &network_interfaces, &services);
    let mut links = links::build(cx, &vpcs, &customer_networks);
    knowledge::learn(&mut links);
    let managed_prefix_lists = prefix_lists::build(cx, &services);
    let transit = transit::build(cx, &vpcs, &subnets, &links, &managed_prefix_lists);
    let around = routes::Resources {
        vpcs: &vpcs,
        subnets: &subnets,
        instances: &instances,
        interfaces: &network_interfaces,
        nat_gateways: &nat_gateways,
        peerings: &vpc_peering_connections,
        transit_attachments: &transit.vpc_attachments,
        prefix_lists: &managed_prefix_lists,
        endpoints: &vpc_endpoints,
        not_modelled: &not_modelled,
    };
    let mut supplied = knowledge::propagate(cx, &links);
    supplied.extend(endpoints::supplied(&vpc_endpoints));
    let route_tables = routes::build(cx, &around, &supplied);
    let known = knowledge::Known { vpcs: &vpcs, transit_tables: &transit.route_tables };
    knowledge::tell_customers(cx, &mut customer_networks, &links, &known);
    let topology = Topology {
        region: cx.declared.region.clone().unwrap_or_default(),
        settings: cx.declared.settings,
        vpcs,
        subnets,
        route_tables,
        internet_gateways,
        egress_only_internet_gateways,
        nat_gateways,
        vpc_peering_connections,
        transit_gateways: transit.gateways,
        transit_gateway_vpc_attachments: transit.vpc_attachments,
        transit_gateway_peering_attachments: transit.peering_attachments,
        transit_gateway_route_tables: transit.route_tables,
        managed_prefix_lists,
        network_acls,
        security_groups,
        network_interfaces,
        instances,
        eips,
        internet_hosts,
        vpn_gateways: links.vpn_gateways,
        customer_gateways: links.customer_gateways,
        vpn_connections: links.vpn_connections,
        dx_gateways: links.dx_gateways,
        dx_gateway_associations: links.dx_gateway_associations,
        dx_private_virtual_interfaces: links.dx_private_virtual_interfaces,
        dx_transit_virtual_interfaces: links.dx_transit_virtual_interfaces,
        customer_networks,
        customer_hosts,
        services,
        vpc_endpoints,
        not_modelled,
    };
    quotas::check(cx, &topology);
    topology
}
