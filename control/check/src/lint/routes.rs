//! Which routes lead to what cannot take packets?
//!
//! A route to such a target is a blackhole (RT-25): what matches it dies, and is not sent by a shorter route (RT-26). A
//! transit gateway's route that is declared as a blackhole is meant to be one (TGW-08).

use vpclab_api::Finding;
use vpclab_model::{
    AttachmentName, AttachmentState, InstanceState, NatGatewayState, RouteState, RouteTarget, Topology,
    TransitGatewayRouteState, VpcName,
};

use super::Lint;
use super::catalogue::BLACKHOLE_ROUTE;
use crate::words;

pub(super) fn check(cx: &Lint<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, table) in &cx.topology.route_tables {
        let is_known = table.labels.not_modelled.is_none();
        let dead =
            table.routes.iter().filter(|route| route.state == RouteState::Blackhole && !route.overridden);
        for route in dead.filter(|route| is_known && !is_unknown(cx.topology, &route.target)) {
            let (why, remedy) = why(cx.topology, &table.vpc, &route.target);
            let reason = format!("what goes to {} dies here: {why}", route.destination);
            let finding = BLACKHOLE_ROUTE.about(name, reason, remedy);
            found.push(Finding { rule: Some(route.destination.to_string()), ..finding });
        }
    }
    for (name, table) in &cx.topology.transit_gateway_route_tables {
        let is_known = table.labels.not_modelled.is_none();
        for route in table.routes.iter().filter(|_| is_known) {
            let Some(attachment) = route.attachments.first() else { continue };
            if route.state == TransitGatewayRouteState::Blackhole {
                let reason = format!(
                    "what goes to {} dies here: attachment {attachment} {}",
                    route.destination,
                    attachment_state(cx.topology, attachment)
                );
                let remedy = "mend the attachment, lead the route elsewhere, or take it out".to_owned();
                let finding = BLACKHOLE_ROUTE.about(name, reason, remedy);
                found.push(Finding { rule: Some(route.destination.to_string()), ..finding });
            }
        }
    }
    found
}

/// Whether not all is known of a target: it may well take packets.
fn is_unknown(topology: &Topology, target: &RouteTarget) -> bool {
    let labels = match target {
        RouteTarget::InternetGateway(name) => topology.internet_gateways.get(name).map(|one| &one.labels),
        RouteTarget::EgressOnlyInternetGateway(name) => {
            topology.egress_only_internet_gateways.get(name).map(|one| &one.labels)
        }
        RouteTarget::NetworkInterface(name) => topology.network_interfaces.get(name).map(|one| &one.labels),
        RouteTarget::NatGateway(name) => topology.nat_gateways.get(name).map(|one| &one.labels),
        RouteTarget::VpnGateway(name) => topology.vpn_gateways.get(name).map(|one| &one.labels),
        RouteTarget::VpcPeeringConnection(name) => {
            topology.vpc_peering_connections.get(name).map(|one| &one.labels)
        }
        RouteTarget::TransitGateway(name) => topology.transit_gateways.get(name).map(|one| &one.labels),
        RouteTarget::VpcEndpoint(name) => topology.vpc_endpoints.get(name).map(|one| &one.labels),
        RouteTarget::Local => None,
        RouteTarget::NotModelled { .. } => return true,
    };
    labels.is_some_and(|labels| labels.not_modelled.is_some())
}

/// What is wrong with a target, and what would be right.
fn why(topology: &Topology, vpc: &VpcName, target: &RouteTarget) -> (String, String) {
    let remedy = |first: &str| format!("{first}, lead the route elsewhere, or take it out");
    match target {
        RouteTarget::InternetGateway(gateway) => {
            let why = format!("internet gateway {gateway} is attached to no VPC");
            (why, remedy(&format!("attach it to {vpc}")))
        }
        RouteTarget::VpnGateway(gateway) => {
            let why = format!("virtual private gateway {gateway} is not attached to {vpc}");
            (why, remedy("attach it"))
        }
        RouteTarget::NetworkInterface(name) => {
            let instance = topology.network_interfaces.get(name).and_then(|eni| eni.attachment.as_ref());
            let instance = instance.map(|attachment| &attachment.instance);
            let is_stopped = instance.is_some_and(|instance| {
                topology.instances.get(instance).is_some_and(|own| own.state == InstanceState::Stopped)
            });
            match instance {
                Some(instance) if is_stopped => (
                    format!("the instance {instance} of network interface {name} is stopped"),
                    remedy("start it"),
                ),
                _ => (format!("network interface {name} is attached to no instance"), remedy("attach it")),
            }
        }
        RouteTarget::NatGateway(name) => match topology.nat_gateways.get(name).map(|nat| &nat.state) {
            Some(NatGatewayState::Failed { failure_code, failure_message }) => {
                let why = format!("NAT gateway {name} has failed ({failure_code}: {failure_message})");
                (why, remedy("make it anew"))
            }
            _ => (format!("NAT gateway {name} takes no packets"), remedy("mend it")),
        },
        RouteTarget::VpcPeeringConnection(name) => {
            let state = topology.vpc_peering_connections.get(name);
            let state = state.map_or("gone", |peering| words::peering_state(peering.state));
            let first = if state == "pending acceptance" { "accept it" } else { "make it anew" };
            (format!("VPC peering connection {name} is {state}, not active"), remedy(first))
        }
        RouteTarget::TransitGateway(gateway) => (
            format!("the attachment of {vpc} to transit gateway {gateway} is not available"),
            remedy("accept it"),
        ),
        other => (format!("{other} takes no packets"), remedy("mend it")),
    }
}

fn attachment_state(topology: &Topology, attachment: &AttachmentName) -> &'static str {
    let state = match attachment {
        AttachmentName::Vpc(name) => topology.transit_gateway_vpc_attachments.get(name).map(|one| one.state),
        AttachmentName::Peering(name) => {
            topology.transit_gateway_peering_attachments.get(name).map(|one| one.state)
        }
        AttachmentName::Vpn(_) | AttachmentName::DxGateway(_) => None,
    };
    match state {
        Some(AttachmentState::PendingAcceptance) => "is pending acceptance",
        Some(AttachmentState::Rejected) => "was rejected",
        Some(AttachmentState::Failed) => "has failed",
        Some(AttachmentState::Deleted) => "was deleted",
        Some(AttachmentState::Available) | None => "takes no packets",
    }
}
