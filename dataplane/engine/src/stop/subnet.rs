//! Where does the subnet's router send the packet? (area RT)
//!
//! The network ACL's outbound entries when the packet leaves the subnet, then the longest matching route (PIPE-01).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use vpclab_model::{RouteOrigin, RouteState, not_public};

use crate::fabric::{Direction, EndpointKind, Role, Route, RouteTarget};
use crate::index::{EniIdx, RouteTableIdx, SubnetIdx, VpcEndpointIdx, VpcIdx};
use crate::packet::Draft;
use crate::plan::{Arrival, Context, Location, known, settle};
use crate::reason::DropReason;
use crate::step::{NatSide, Probe, Step};
use crate::stop::{network_acl, transit};

/// Destinations that no route serves (RT-13).
const RESERVED_IPV4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 168, 0), 22);
/// Destinations that no route serves (RT-14).
const RESERVED_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32);

/// Routes a packet that the router of `subnet` has received from inside it.
pub(crate) fn route(
    cx: &Context<'_>,
    subnet: SubnetIdx,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    route_from(cx, subnet, Source::Inside, draft, probe)
}

/// Routes a packet that comes out of a transit gateway by its interface in `subnet` (TGW-15).
pub(crate) fn route_out_of_transit(
    cx: &Context<'_>,
    subnet: SubnetIdx,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    route_from(cx, subnet, Source::Transit, draft, probe)
}

/// Routes a packet that comes out of a NAT gateway in `subnet`.
///
/// The gateway is no neighbour: the ACL of its subnet is asked on each of the four legs, in and out, whether or not its
/// client is in the same subnet, whose ACL is then asked both ways (NAT-07, NACL-21). Only where both of the packet's
/// addresses are in the subnet does it stay inside like any other (NACL-06).
pub(crate) fn route_out_of_nat(
    cx: &Context<'_>,
    subnet: SubnetIdx,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let source = match cx.fabric.subnets[subnet].contains(draft.headers.src) {
        true => Source::Inside,
        false => Source::Nat,
    };
    route_from(cx, subnet, source, draft, probe)
}

/// What nobody but the documentation has (RFC 5737): the internet of a topology, and its addresses.
const NO_SERVICES: [Ipv4Net; 3] = [
    Ipv4Net::new_assert(Ipv4Addr::new(192, 0, 2, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(198, 51, 100, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(203, 0, 113, 0), 24),
];

/// Whether a gateway endpoint, of whose blocks nothing is said, may have a route to `address`: those of services are
/// public, and nobody else's.
fn may_be_a_service(cx: &Context<'_>, address: IpAddr) -> bool {
    let IpAddr::V4(v4) = address else { return false };
    not_public(address).is_none()
        && !NO_SERVICES.iter().any(|block| block.contains(&v4))
        && !cx.fabric.belongs_to_aws(address)
        && cx.fabric.host_at(address).is_none()
}

/// Who hands a packet to a subnet's router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Whoever is in the subnet.
    Inside,
    /// A transit gateway, by its interface there.
    Transit,
    /// A NAT gateway there, of a packet from elsewhere.
    Nat,
}

fn route_from(
    cx: &Context<'_>,
    subnet: SubnetIdx,
    source: Source,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let here = &cx.fabric.subnets[subnet];
    let destination = draft.headers.dst;
    draft.router = Some(subnet);
    known(here.unknown)?;
    if is_reserved(destination) {
        return Err(DropReason::ReservedDestination);
    }
    if let Some(peering) = draft.return_path.take() {
        // Back by the way the flow came, whatever the routes say; only an ACL can stop it (NAT-33).
        network_acl::guard(cx, subnet, Direction::Outbound, draft, probe)?;
        return Ok(Location::Peering(peering, here.vpc));
    }
    let table = &cx.fabric.route_tables[here.route_table];
    known(table.unknown)?;
    let matched = table.lookup(destination).map(|route| picked(cx, here.route_table, route));
    let asks_network_acl = match source {
        Source::Inside => {
            let stays =
                here.contains(destination) && matched.is_some_and(|route| route.target == RouteTarget::Local);
            !stays || cx.fabric.settings.network_acl_within_subnet_via_router
        }
        Source::Nat => true,
        // NACL-22, NACL-23: not by what goes to an interface in the same subnet.
        Source::Transit => !match matched.map(|route| route.target) {
            Some(RouteTarget::Local) => here.contains(destination),
            Some(RouteTarget::NetworkInterface(eni)) => cx.fabric.enis[eni].subnet == subnet,
            _ => false,
        },
    };
    if asks_network_acl {
        network_acl::guard(cx, subnet, Direction::Outbound, draft, probe)?;
    }
    probe.step(|| Step::Route {
        route_table: here.route_table,
        matched: matched.map(|route| (route.destination, route.target)),
    });
    let Some(route) = matched else {
        known(table.endpoint.filter(|_| may_be_a_service(cx, destination)))?;
        return Err(DropReason::NoRoute { route_table: here.route_table });
    };
    if route.state == RouteState::Blackhole {
        return Err(DropReason::Blackhole { route_table: here.route_table, destination: route.destination });
    }
    match route.target {
        RouteTarget::Local => local(cx, subnet, source, destination),
        RouteTarget::NetworkInterface(eni) => Ok(Location::Interface(eni, arrival(cx, subnet, source, eni))),
        RouteTarget::InternetGateway(gateway) => Ok(Location::Internet(gateway)),
        RouteTarget::EgressOnly(gateway) => Ok(Location::EgressOnly(gateway)),
        RouteTarget::NatGateway(gateway) => {
            // Even for senders in the same subnet: see `route_out_of_nat` (NAT-07, NACL-21).
            network_acl::guard(cx, cx.fabric.nat_gateways[gateway].subnet, Direction::Inbound, draft, probe)?;
            Ok(Location::Nat(gateway, NatSide::Inside))
        }
        RouteTarget::VpnGateway(gateway) => {
            let propagated = matches!(route.origin, RouteOrigin::EnableVgwRoutePropagation(_));
            Ok(Location::VpnGateway(gateway, propagated))
        }
        RouteTarget::Peering(peering) => Ok(Location::Peering(peering, here.vpc)),
        RouteTarget::Endpoint(endpoint) => Ok(Location::Endpoint(endpoint, None)),
        RouteTarget::NotModelled(resource) => Err(DropReason::NotModelled(resource)),
        RouteTarget::TransitGateway(attachment) => {
            let door = transit::door_in_zone_of(cx, attachment, subnet)?;
            // NACL-22, NACL-23: into the attachment's subnet, even if it is this one.
            network_acl::guard(cx, door, Direction::Inbound, draft, probe)?;
            Ok(Location::Transit(attachment, Some(door)))
        }
    }
}

/// The route of those that prefix lists bring for one destination: AWS picks one at random, once for good, and what is
/// asked about every way is asked about each (RT-19).
fn picked<'a>(cx: &Context<'a>, table: RouteTableIdx, route: &'a Route) -> &'a Route {
    if cx.choices.is_none() || route.prefix_list.is_none() {
        return route;
    }
    let table = &cx.fabric.route_tables[table];
    let may_be_it = |other: &&Route| {
        other.overridden && other.destination == route.destination && other.prefix_list.is_some()
    };
    let others: Vec<&Route> = table.routes.iter().filter(may_be_it).collect();
    let &picked = settle(cx, &(table.name.as_str(), route.destination), &route, &others);
    picked
}

/// How many VPCs in a row a packet is followed through by transit gateways.
const MAX_TRANSITS: usize = 4;

/// Whether what is sent from `subnet` passes a gateway whose flows are tracked whatever the rules say (CT-07), in this VPC
/// or in one that a transit gateway or a peering connection leads to.
pub(crate) fn is_auto_tracked(cx: &Context<'_>, subnet: SubnetIdx, draft: &Draft) -> bool {
    let mut from = subnet;
    for _ in 0..MAX_TRANSITS {
        let here = &cx.fabric.subnets[from];
        let route = cx.fabric.route_tables[here.route_table].lookup(draft.headers.dst);
        let Some(RouteTarget::TransitGateway(attachment)) = route.map(|route| route.target) else {
            return route
                .is_some_and(|route| leads_to_tracking(cx, here.vpc, route.target, draft.headers.dst));
        };
        let Some(door) = transit::way_out(cx, attachment, from, draft) else { return false };
        from = door;
    }
    false
}

/// Whether a route of `vpc` leads to a gateway whose flows are tracked whatever the rules say.
fn leads_to_tracking(cx: &Context<'_>, vpc: VpcIdx, target: RouteTarget, destination: IpAddr) -> bool {
    let is_endpoint = |vpc| {
        let owner = cx.fabric.interface_at(vpc, destination);
        owner.is_some_and(|eni| matches!(cx.fabric.enis[eni].role, Role::Endpoint(_)))
    };
    match target {
        RouteTarget::NatGateway(_) | RouteTarget::EgressOnly(_) => true,
        RouteTarget::Endpoint(endpoint) => is_dynamodb(cx, endpoint),
        // EPI-15
        RouteTarget::Local => is_endpoint(vpc),
        RouteTarget::Peering(peering) => cx.fabric.peerings[peering].other_end(vpc).is_some_and(is_endpoint),
        _ => false,
    }
}

/// How many entries a tracked flow from `subnet` to `destination` takes of its instance's allowance (CT-08).
pub(crate) fn tracked_entries(cx: &Context<'_>, subnet: SubnetIdx, destination: IpAddr) -> u8 {
    if !cx.fabric.counts_double {
        return 1;
    }
    let table = &cx.fabric.route_tables[cx.fabric.subnets[subnet].route_table];
    match table.lookup(destination).map(|route| route.target) {
        Some(RouteTarget::Endpoint(endpoint)) if is_dynamodb(cx, endpoint) => 2,
        _ => 1,
    }
}

fn is_dynamodb(cx: &Context<'_>, endpoint: VpcEndpointIdx) -> bool {
    matches!(cx.fabric.vpc_endpoints[endpoint].kind, EndpointKind::Gateway { dynamodb: true, .. })
}

/// Sends an ICMP error of the router itself. It goes to an interface of the VPC: errors are about packets that one of
/// them sent.
pub(crate) fn originate(
    cx: &Context<'_>,
    subnet: SubnetIdx,
    draft: &mut Draft,
) -> Result<Location, DropReason> {
    draft.router = Some(subnet);
    let vpc = cx.fabric.subnets[subnet].vpc;
    let address = draft.headers.dst;
    // Filtered like a packet from outside: its delivery needs the ACL to allow it (MTU-10).
    cx.fabric
        .interface_at(vpc, address)
        .map_or(Ok(Location::Subnet(subnet)), |eni| Ok(Location::Interface(eni, Arrival::Outside)))
}

/// To whoever owns the destination inside the VPC.
fn local(
    cx: &Context<'_>,
    subnet: SubnetIdx,
    source: Source,
    address: IpAddr,
) -> Result<Location, DropReason> {
    let vpc = cx.fabric.subnets[subnet].vpc;
    let Some(eni) = cx.fabric.interface_at(vpc, address) else {
        known(cx.fabric.vpcs[vpc].unknown)?;
        return Err(DropReason::NoSuchAddress { vpc, address });
    };
    Ok(Location::Interface(eni, arrival(cx, subnet, source, eni)))
}

fn arrival(cx: &Context<'_>, from: SubnetIdx, source: Source, eni: EniIdx) -> Arrival {
    match source {
        _ if cx.fabric.enis[eni].subnet != from => Arrival::Outside,
        Source::Nat => Arrival::Outside,
        Source::Inside => Arrival::SameSubnet,
        Source::Transit => Arrival::SameSubnetTransit,
    }
}

/// Whether no route, however large, forwards to `destination` (RT-13, RT-14).
fn is_reserved(destination: IpAddr) -> bool {
    match destination {
        IpAddr::V4(address) => RESERVED_IPV4.contains(&address),
        IpAddr::V6(address) => RESERVED_IPV6.contains(&address),
    }
}
