//! Which routes may a table hold? (area RT)

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::declared::{DeclaredRoute, DeclaredRouteTable};
use crate::log::Place;
use crate::name::{
    InstanceName, Kind, Name, NatGatewayName, NetworkInterfaceName, RouteTableName, SubnetName,
    TransitGatewayVpcAttachmentName, VpcName, VpcPeeringConnectionName,
};
use crate::reader::{Given, Written};
use crate::register::{Context, Register};
use crate::resources::{
    AttachmentState, Instance, InterfaceType, NatGateway, NatGatewayState, NetworkInterface, PeeringState,
    Route, RouteOrigin, RouteState, RouteTable, RouteTarget, Subnet, TransitGatewayVpcAttachment, Vpc,
    VpcPeeringConnection,
};
use crate::rules::public::only_interface;
use crate::space::{LINK_LOCAL_SERVICES, LINK_LOCAL_SERVICES_V6, NAT64};

/// The code for a value that is not allowed.
const INVALID: &str = "InvalidParameterValue";

/// What routes can lead to, and what they are judged by.
#[derive(Clone, Copy)]
pub(super) struct Resources<'a> {
    pub(super) vpcs: &'a BTreeMap<VpcName, Vpc>,
    pub(super) subnets: &'a BTreeMap<SubnetName, Subnet>,
    pub(super) instances: &'a BTreeMap<InstanceName, Instance>,
    pub(super) interfaces: &'a BTreeMap<NetworkInterfaceName, NetworkInterface>,
    pub(super) nat_gateways: &'a BTreeMap<NatGatewayName, NatGateway>,
    pub(super) peerings: &'a BTreeMap<VpcPeeringConnectionName, VpcPeeringConnection>,
    pub(super) transit_attachments:
        &'a BTreeMap<TransitGatewayVpcAttachmentName, TransitGatewayVpcAttachment>,
}

/// The VPC of one table, and everything else.
struct Surroundings<'a> {
    name: Option<&'a VpcName>,
    vpc: Option<&'a Vpc>,
    all: Resources<'a>,
}

/// A target, where it is written, and whether it can take packets.
type Target = (RouteTarget, Place, RouteState);

/// The route tables, with the main one of each VPC and all local routes.
pub(super) fn build(cx: &Context<'_>, all: &Resources<'_>) -> BTreeMap<RouteTableName, RouteTable> {
    let mut tables = BTreeMap::new();
    for (name, owner) in cx.registers.route_tables.iter() {
        let declared = cx.declared.route_tables.get(name);
        let around = Surroundings { name: owner, vpc: owner.and_then(|vpc| all.vpcs.get(vpc)), all: *all };
        let routes = routes(cx, declared, &around);
        if let Some(owner) = owner {
            let main = cx.registers.main_tables.get(owner) == Some(name);
            let tags = declared.map(|table| table.tags.clone()).unwrap_or_default();
            tables.insert(name.clone(), RouteTable { vpc: owner.clone(), main, routes, tags });
        }
    }
    tables
}

fn routes(cx: &Context<'_>, declared: Option<&DeclaredRouteTable>, around: &Surroundings<'_>) -> Vec<Route> {
    // RT-01
    let mut routes: Vec<Route> = around
        .vpc
        .iter()
        .flat_map(|vpc| vpc.cidr_blocks())
        .map(|destination| Route {
            destination,
            target: RouteTarget::Local,
            origin: RouteOrigin::CreateRouteTable,
            state: RouteState::Active,
        })
        .collect();
    let locals = routes.len();
    let mut replaced = vec![false; locals];
    for written in declared.iter().flat_map(|table| &table.routes) {
        let destination = destination(cx, written);
        let target = target(cx, written, around);
        let (Some((destination, at)), Some((target, target_at, state))) = (destination, target) else {
            continue;
        };
        if !allowed(cx, destination, &target, &at, &target_at, around) {
            continue;
        }
        let existing = routes.iter().position(|route| route.destination == destination);
        match existing {
            Some(index) if index < locals && !replaced[index] => {
                // RT-12: the local route stays, its target changes.
                replaced[index] = true;
                routes[index].target = target;
                routes[index].state = state;
            }
            // OQ-28: to say the same twice is no mistake.
            Some(index) if routes[index].target == target => {}
            Some(_) => cx.log.report(
                &at,
                "RouteAlreadyExists",
                format!("the table already has a route for {destination} with another target"),
                "keep one of the two",
            ),
            None => routes.push(Route { destination, target, origin: RouteOrigin::CreateRoute, state }),
        }
    }
    routes
}

/// Exactly one destination (RT-15), not among the link-local services (RT-13, RT-14).
fn destination(cx: &Context<'_>, written: &DeclaredRoute) -> Option<(IpNet, Place)> {
    let (destination, at) = match (&written.cidr_block, &written.ipv6_cidr_block) {
        (Given::Right(block), Given::Absent) => (IpNet::V4(block.value), &block.at),
        (Given::Absent, Given::Right(block)) => (IpNet::V6(block.value), &block.at),
        (Given::Absent, Given::Absent) => {
            if !written.lacking {
                let remedy = "give `cidr_block` or `ipv6_cidr_block`";
                cx.log.report(&written.at, "MissingParameter", "the route has no destination", remedy);
            }
            return None;
        }
        (Given::Right(_), Given::Right(block)) => {
            let remedy = "make two routes of it";
            cx.log.report(&block.at, "InvalidParameterCombination", "a route has one destination", remedy);
            return None;
        }
        _ => return None,
    };
    let services = match destination {
        IpNet::V4(block) => LINK_LOCAL_SERVICES.contains(&block).then(|| LINK_LOCAL_SERVICES.to_string()),
        IpNet::V6(block) => {
            LINK_LOCAL_SERVICES_V6.contains(&block).then(|| LINK_LOCAL_SERVICES_V6.to_string())
        }
    };
    if let Some(services) = services {
        let problem = format!("{destination} lies in {services}, which AWS keeps for services");
        cx.log.report(at, INVALID, problem, "choose another destination");
        return None;
    }
    Some((destination, at.clone()))
}

/// Exactly one target (RT-15).
fn target(cx: &Context<'_>, written: &DeclaredRoute, around: &Surroundings<'_>) -> Option<Target> {
    let targets = [
        &written.gateway,
        &written.network_interface,
        &written.instance,
        &written.nat_gateway,
        &written.egress_only_gateway,
        &written.vpc_peering_connection,
        &written.transit_gateway,
    ];
    let given: Vec<_> = targets.into_iter().filter(|target| !target.is_absent()).collect();
    match given.as_slice() {
        [] if written.lacking => None,
        [] => {
            let remedy = "give `gateway`, `nat_gateway`, `egress_only_gateway`, `vpc_peering_connection`, \
                          `transit_gateway`, `network_interface` or `instance`";
            cx.log.report(&written.at, "MissingParameter", "the route has no target", remedy);
            None
        }
        [_] if written.lacking => None,
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
        cx.log.report(&reference.at, INVALID, problem, "name the service as the target");
        return None;
    }
    let state = if interface.attachment.is_some() { RouteState::Active } else { RouteState::Blackhole };
    Some((RouteTarget::NetworkInterface(name), reference.at.clone(), state))
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

/// What may lead where: RT-11, RT-12 and RT-44.
fn allowed(
    cx: &Context<'_>,
    destination: IpNet,
    target: &RouteTarget,
    at: &Place,
    target_at: &Place,
    around: &Surroundings<'_>,
) -> bool {
    if matches!(target, RouteTarget::EgressOnlyInternetGateway(_)) && destination.addr().is_ipv4() {
        // RT-31
        let problem =
            format!("{destination} is IPv4, and an egress-only internet gateway forwards IPv6 only");
        cx.log.report(target_at, INVALID, problem, "give `ipv6_cidr_block`, or another target");
        return false;
    }
    if matches!((target, destination), (RouteTarget::NatGateway(_), IpNet::V6(block)) if block != NAT64) {
        // RT-32, NAT-32
        let problem = format!("{destination} is IPv6, and a NAT gateway translates {NAT64} only");
        let remedy = "route IPv6 to an egress-only internet gateway, or NAT64's prefix to the NAT gateway";
        cx.log.report(target_at, INVALID, problem, remedy);
        return false;
    }
    let Some((name, vpc)) = around.name.zip(around.vpc) else { return true };
    let local = vpc.cidr_blocks().find(|block| block.contains(&destination));
    if *target == RouteTarget::Local {
        let whole = local == Some(destination);
        if !whole {
            let problem =
                format!("{destination} is not a block of VPC {name}, so that nothing there is local");
            cx.log.report(target_at, INVALID, problem, "use local for a whole block of the VPC only");
        }
        return whole;
    }
    let Some(local) = local else { return true };
    if !matches!(target, RouteTarget::NetworkInterface(_) | RouteTarget::NatGateway(_)) {
        let problem = format!("{destination} is equal to or more specific than {local} of VPC {name}");
        cx.log.report(
            target_at,
            INVALID,
            problem,
            "such a route can target a network interface or a NAT gateway only",
        );
        return false;
    }
    let subnet = around
        .all
        .subnets
        .values()
        .any(|s| s.vpc == *name && s.cidr_blocks().any(|block| block == destination));
    let unsure = cx.declared.subnets.len() != around.all.subnets.len();
    if local != destination && !subnet {
        if !unsure {
            let problem =
                format!("{destination} lies inside {local} of VPC {name} and is not the block of a subnet");
            cx.log.report(at, INVALID, problem, "use the whole block of a subnet, or the VPC's");
        }
        return false;
    }
    true
}
