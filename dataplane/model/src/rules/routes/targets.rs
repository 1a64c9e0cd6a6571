//! Where does a written route lead, and can packets go there? (RT-15, RT-17, RT-25, RT-30, RT-33, RT-44)

use crate::declared::DeclaredRoute;
use crate::name::{Kind, Name, NetworkInterfaceName, VpnGatewayName};
use crate::not_modelled::{NETWORK_FIREWALLS, NotModelledKind};
use crate::reader::Written;
use crate::register::{Context, Register};
use crate::resources::{
    Attachment, AttachmentState, InstanceState, InterfaceType, NatGatewayState, PeeringState, RouteState,
    RouteTarget, VpcEndpointType,
};
use crate::rules::public::only_interface;
use crate::rules::routes::{INVALID, Surroundings, Target, VPC_ENDPOINTS};

/// Exactly one target (RT-15).
pub(super) fn target(cx: &Context<'_>, written: &DeclaredRoute, around: &Surroundings<'_>) -> Option<Target> {
    let targets = [
        &written.gateway,
        &written.network_interface,
        &written.instance,
        &written.nat_gateway,
        &written.egress_only_gateway,
        &written.vpc_peering_connection,
        &written.vpc_endpoint,
        &written.carrier_gateway,
        &written.local_gateway,
        &written.core_network,
        &written.odb_network,
        &written.transit_gateway,
    ];
    let given: Vec<_> = targets.into_iter().filter(|target| !target.is_absent()).collect();
    match given.as_slice() {
        // What is unknown has been reported, and may be the target.
        [] if written.has_unknown => None,
        [] => {
            let remedy = "give `gateway`, `nat_gateway`, `egress_only_gateway`, `vpc_peering_connection`, \
                          `transit_gateway`, `vpc_endpoint`, `network_interface` or `instance`";
            cx.log.report(&written.at, "MissingParameter", "the route has no target", remedy);
            None
        }
        [_] => {
            if let Some(reference) = written.gateway.written() {
                gateway(cx, reference, around)
            } else if let Some(reference) = written.network_interface.written() {
                let name = cx.registers.network_interfaces.resolve(cx.log, reference)?;
                interface(cx, name, reference, around)
            } else if let Some(reference) = written.nat_gateway.written() {
                nat_gateway(cx, reference, around)
            } else if let Some(reference) = written.egress_only_gateway.written() {
                egress_only(cx, reference, around)
            } else if let Some(reference) = written.vpc_peering_connection.written() {
                peering(cx, reference, around)
            } else if let Some(reference) = written.vpc_endpoint.written() {
                endpoint(cx, reference, around)
            } else if let Some(reference) = written.carrier_gateway.written() {
                not_modelled(cx, "carrier_gateways", reference, around)
            } else if let Some(reference) = written.local_gateway.written() {
                not_modelled(cx, "local_gateways", reference, around)
            } else if let Some(reference) = written.core_network.written() {
                not_modelled(cx, "core_networks", reference, around)
            } else if let Some(reference) = written.odb_network.written() {
                not_modelled(cx, "odb_networks", reference, around)
            } else if let Some(reference) = written.transit_gateway.written() {
                transit_gateway(cx, reference, around)
            } else {
                let reference = written.instance.written()?;
                let instance =
                    around.all.instances.get(&cx.registers.instances.resolve(cx.log, reference)?)?;
                // RT-17
                let name = only_interface(cx, instance, reference)?;
                interface(cx, name, reference, around)
            }
        }
        _ => {
            let remedy = "keep one of them, or make several routes of it";
            cx.log.report(&written.at, "InvalidParameterCombination", "a route has one target", remedy);
            None
        }
    }
}

/// An internet gateway, attached here or nowhere (RT-25, RT-33), or the word `local` (RT-44).
fn gateway(cx: &Context<'_>, reference: &Written<String>, around: &Surroundings<'_>) -> Option<Target> {
    const LOCAL: &str = "local";
    const NOT_FOUND: &str = "InvalidGatewayID.NotFound";
    let at = reference.at.clone();
    let gateways = &cx.registers.internet_gateways;
    if reference.value == LOCAL && gateways.find(LOCAL).is_none() {
        return Some((RouteTarget::Local, at, RouteState::Active));
    }
    if gateways.find(&reference.value).is_none()
        && let Some(name) = cx.registers.vpn_gateways.find(&reference.value)
    {
        return vpn_gateway(cx, name.clone(), reference, around);
    }
    let name = gateways.resolve_or(cx.log, reference, NOT_FOUND)?;
    match (gateways.owner(&name), around.name) {
        (Some(there), Some(here)) if there != here => {
            let problem =
                format!("the internet gateway {name} is attached to VPC {there}, not to VPC {here}");
            cx.log.report(&at, NOT_FOUND, problem, format!("use the one of VPC {here}"));
            None
        }
        (Some(_), _) => Some((RouteTarget::InternetGateway(name), at, RouteState::Active)),
        (None, _) => Some((RouteTarget::InternetGateway(name), at, RouteState::Blackhole)),
    }
}

/// A virtual private gateway, attached here or nowhere (RT-25, RT-33).
fn vpn_gateway(
    cx: &Context<'_>,
    name: VpnGatewayName,
    reference: &Written<String>,
    around: &Surroundings<'_>,
) -> Option<Target> {
    let state = match (cx.registers.vpn_gateways.owner(&name), around.name) {
        (Some(there), Some(here)) if there != here => {
            let problem =
                format!("the virtual private gateway {name} is attached to VPC {there}, not to VPC {here}");
            let code = "InvalidGatewayID.NotFound";
            cx.log.report(&reference.at, code, problem, format!("use the one of VPC {here}"));
            return None;
        }
        (Some(_), _) => RouteState::Active,
        (None, _) => RouteState::Blackhole,
    };
    Some((RouteTarget::VpnGateway(name), reference.at.clone(), state))
}

/// An interface of this VPC; unattached it is a black hole (RT-25).
fn interface(
    cx: &Context<'_>,
    name: NetworkInterfaceName,
    reference: &Written<String>,
    around: &Surroundings<'_>,
) -> Option<Target> {
    if let (Some(there), Some(here)) = (cx.registers.network_interfaces.owner(&name), around.name)
        && there != here
    {
        let problem = format!("the network interface {name} lies in VPC {there}, not in VPC {here}");
        cx.log.report(&reference.at, INVALID, problem, format!("use one of VPC {here}"));
        return None;
    }
    let interface = around.all.interfaces.get(&name)?;
    if interface.interface_type != InterfaceType::Interface {
        let problem = format!("the network interface {name} is a service's own");
        cx.log.report(&reference.at, INVALID, problem, instead_of(&interface.interface_type));
        return None;
    }
    let runs = |attachment: &Attachment| {
        let instance = around.all.instances.get(&attachment.instance);
        // OQ-27
        !cx.declared.settings.stopped_instance_blackhole
            || instance.is_none_or(|instance| instance.state == InstanceState::Running)
    };
    let works = interface.attachment.as_ref().is_some_and(runs);
    let state = if works { RouteState::Active } else { RouteState::Blackhole };
    Some((RouteTarget::NetworkInterface(name), reference.at.clone(), state))
}

/// The target that is meant where a route names the interface of a service.
fn instead_of(owner: &InterfaceType) -> String {
    let (attribute, name) = match owner {
        InterfaceType::NatGateway(name) => ("nat_gateway", name.as_str()),
        InterfaceType::VpcEndpoint(name) => ("vpc_endpoint", name.as_str()),
        InterfaceType::NotModelled { kind: NETWORK_FIREWALLS, name } => ("vpc_endpoint", name.as_str()),
        InterfaceType::TransitGateway(_) => {
            return "name its transit gateway as `transit_gateway`".to_owned();
        }
        InterfaceType::NotModelled { .. } | InterfaceType::Interface => {
            return "no route leads to this service: name an instance's interface".to_owned();
        }
    };
    format!("name the service: `\"{attribute}\": \"{name}\"`")
}

/// A NAT gateway of this VPC (RT-33); one that has failed is a black hole (RT-25).
fn nat_gateway(cx: &Context<'_>, reference: &Written<String>, around: &Surroundings<'_>) -> Option<Target> {
    let name = inside(cx, &cx.registers.nat_gateways, reference, around, INVALID)?;
    let works = around.all.nat_gateways.get(&name)?.state == NatGatewayState::Available;
    let state = if works { RouteState::Active } else { RouteState::Blackhole };
    Some((RouteTarget::NatGateway(name), reference.at.clone(), state))
}

/// An egress-only internet gateway of this VPC (RT-33).
fn egress_only(cx: &Context<'_>, reference: &Written<String>, around: &Surroundings<'_>) -> Option<Target> {
    let register = &cx.registers.egress_only_internet_gateways;
    let name = inside(cx, register, reference, around, "InvalidGatewayID.NotFound")?;
    Some((RouteTarget::EgressOnlyInternetGateway(name), reference.at.clone(), RouteState::Active))
}

/// A peering connection that has this VPC at one end (RT-33); unless it is active it is a black hole (PCX-11, PCX-22).
fn peering(cx: &Context<'_>, reference: &Written<String>, around: &Surroundings<'_>) -> Option<Target> {
    let name = cx.registers.vpc_peering_connections.resolve(cx.log, reference)?;
    let connection = around.all.peerings.get(&name)?;
    if let Some(here) = around.name
        && *here != connection.vpc
        && *here != connection.peer_vpc
    {
        let (a, b) = (&connection.vpc, &connection.peer_vpc);
        let problem = format!("the VPC peering connection {name} joins VPCs {a} and {b}, not VPC {here}");
        let code = "InvalidVpcPeeringConnectionID.NotFound";
        cx.log.report(&reference.at, code, problem, format!("use one of VPC {here}"));
        return None;
    }
    let active = connection.state == PeeringState::Active;
    let state = if active { RouteState::Active } else { RouteState::Blackhole };
    Some((RouteTarget::VpcPeeringConnection(name), reference.at.clone(), state))
}

/// A Gateway Load Balancer endpoint or a firewall's, of this VPC; routes lead to no other kind (RT-18, ERR-13). What it
/// does is not modelled.
fn endpoint(cx: &Context<'_>, reference: &Written<String>, around: &Surroundings<'_>) -> Option<Target> {
    let is_firewall = around.all.not_modelled.get(NETWORK_FIREWALLS).is_some_and(|all| {
        all.keys().any(|name| *name == reference.value)
            && cx.registers.vpc_endpoints.find(&reference.value).is_none()
    });
    if is_firewall {
        return not_modelled(cx, NETWORK_FIREWALLS, reference, around);
    }
    let name = inside(cx, &cx.registers.vpc_endpoints, reference, around, "InvalidVpcEndpointId.NotFound")?;
    let endpoint = around.all.endpoints.get(&name)?;
    if endpoint.vpc_endpoint_type != VpcEndpointType::GatewayLoadBalancer {
        let problem = format!("the VPC endpoint {name} is none of a Gateway Load Balancer");
        let remedy = "a gateway endpoint's routes come with its `route_tables`; others have none";
        cx.log.report(&reference.at, "RouteNotSupported", problem, remedy);
        return None;
    }
    let target = RouteTarget::NotModelled { kind: VPC_ENDPOINTS, name: name.as_str().to_owned() };
    Some((target, reference.at.clone(), RouteState::Active))
}

/// A resource that is stored and not modelled.
fn not_modelled(
    cx: &Context<'_>,
    plural: &'static str,
    reference: &Written<String>,
    around: &Surroundings<'_>,
) -> Option<Target> {
    let kind = NotModelledKind::of(plural)?;
    let mut all = around.all.not_modelled.get(plural).into_iter().flatten();
    let found = all.find(|(name, _)| **name == reference.value || kind.id(name) == reference.value);
    let Some((name, resource)) = found else {
        let problem = format!("there is no {} \"{}\"", kind.noun, reference.value);
        cx.log.report(&reference.at, kind.not_found, problem, format!("declare it under `{plural}`"));
        return None;
    };
    if let (Some(there), Some(here)) = (&resource.vpc, around.name)
        && there != here
    {
        let problem = format!("the {} {name} belongs to VPC {there}, not to VPC {here}", kind.noun);
        cx.log.report(&reference.at, INVALID, problem, format!("use one of VPC {here}"));
        return None;
    }
    let target = RouteTarget::NotModelled { kind: kind.plural, name: name.clone() };
    Some((target, reference.at.clone(), RouteState::Active))
}

/// A transit gateway that this VPC is attached to; unless the attachment is available it is a black hole (RT-25).
fn transit_gateway(
    cx: &Context<'_>,
    reference: &Written<String>,
    around: &Surroundings<'_>,
) -> Option<Target> {
    let name = cx.registers.transit_gateways.resolve(cx.log, reference)?;
    let here = around.name?;
    let attachments = || {
        let all = around.all.transit_attachments.values();
        all.filter(|attachment| attachment.transit_gateway == name && attachment.vpc == *here)
    };
    if attachments().next().is_none() {
        let problem = format!("VPC {here} is not attached to the transit gateway {name}");
        let remedy = "attach it with one of `transit_gateway_vpc_attachments`";
        cx.log.report(&reference.at, "InvalidTransitGatewayID.NotFound", problem, remedy);
        return None;
    }
    let works = attachments().any(|attachment| attachment.state == AttachmentState::Available);
    let state = if works { RouteState::Active } else { RouteState::Blackhole };
    Some((RouteTarget::TransitGateway(name), reference.at.clone(), state))
}

/// The resource a reference stands for, which must belong to the table's VPC.
fn inside<K: Kind>(
    cx: &Context<'_>,
    register: &Register<K>,
    reference: &Written<String>,
    around: &Surroundings<'_>,
    foreign: &'static str,
) -> Option<Name<K>> {
    match around.name {
        Some(vpc) => register.resolve_inside(cx.log, reference, vpc, None, foreign),
        None => register.resolve(cx.log, reference),
    }
}
