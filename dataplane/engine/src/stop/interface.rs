//! May the packet leave this interface, or enter it? (areas L2 and PIPE)
//!
//! Leaving: what the platform serves or refuses by itself, the source check, the groups' outbound rules. Entering: the
//! subnet's ACL when the packet comes from outside, the groups' inbound rules, the destination check (PIPE-18).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vpclab_wire::{IcmpMessage, Protocol, Transport};

use crate::fabric::{Direction, Eni, ROUTER_LINK_LOCAL, Role};
use crate::flow::FlowKey;
use crate::index::EniIdx;
use crate::packet::Draft;
use crate::plan::{Answer, Arrival, Context, Egress, Location, NextHop, deny, known, outside};
use crate::reason::{DropReason, Service};
use crate::step::{NatSide, Probe, Step};
use crate::stop::{network_acl, security_group};

/// What became of a packet at the interface it was sent from.
pub(crate) enum Left {
    /// It is on its way.
    For(Location),
    /// The platform answers it.
    Answered(Answer),
}

/// A guest sends a packet by `eni`.
pub(crate) fn leave(
    cx: &Context<'_>,
    eni: EniIdx,
    next_hop: NextHop,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Left, DropReason> {
    let interface = &cx.fabric.enis[eni];
    let subnet = &cx.fabric.subnets[interface.subnet];
    let (source, destination) = (draft.headers.src, draft.headers.dst);
    probe.step(|| Step::Leave { eni });
    if let Some(resource) = interface.unknown {
        // Whether it sends is not known. What others make of a packet under its address may be.
        deny(probe, DropReason::NotModelled(resource))?;
    }
    if let Role::Endpoint(endpoint) = interface.role {
        return Err(DropReason::EndpointInitiates { endpoint });
    }
    if interface.unknown.is_none() {
        runs(cx, eni)?;
    }
    if let Some(service) = service(destination, cx.fabric.vpcs[interface.vpc].resolver, draft) {
        return Err(DropReason::ServiceNotModelled(service));
    }
    if let Some(domain) = cx.fabric.multicast.filter(|_| destination.is_multicast()) {
        return Err(DropReason::NotModelled(domain));
    }
    if destination.is_multicast() {
        return Err(DropReason::Multicast);
    }
    if is_broadcast(destination) || Some(destination) == subnet.broadcast().map(IpAddr::V4) {
        return Err(DropReason::Broadcast);
    }
    let own = interface.owns(source) || source == IpAddr::V6(interface.link_local);
    if next_hop == NextHop::Router && subnet.router.owns(destination) && own {
        // Neither groups nor ACLs filter what goes to the router's own addresses (NACL-17, SG-21).
        return answer_echo(draft)
            .map(Left::Answered)
            .ok_or(DropReason::NoSuchAddress { vpc: interface.vpc, address: destination });
    }
    if is_link_local(destination) || is_link_local(source) {
        return Err(DropReason::LinkLocal);
    }
    draft.sender = own.then_some(eni);
    if interface.unknown.is_none() {
        check_address(eni, Direction::Outbound, interface.source_dest_check, own, probe)?;
    }
    if interface.unknown.is_none() && has_groups(interface) {
        security_group::guard(cx, eni, Direction::Outbound, draft, probe)?;
    }
    if let (NextHop::Neighbor(_), Role::NotModelled(resource)) = (next_hop, interface.role)
        && cx.fabric.not_modelled[resource].acl_within_subnet
        && !answers(cx, eni, draft)
    {
        // NACL-25
        network_acl::guard(cx, interface.subnet, Direction::Outbound, draft, probe)?;
    }
    Ok(Left::For(match next_hop {
        NextHop::Router => Location::Subnet(interface.subnet),
        NextHop::Neighbor(neighbor) => Location::Interface(neighbor, Arrival::Neighbor(interface.mac)),
    }))
}

/// Whether a packet that `eni` sends answers one that came to it.
fn answers(cx: &Context<'_>, eni: EniIdx, draft: &Draft) -> bool {
    let key = FlowKey::of(&draft.headers, &draft.headers.transport, Direction::Outbound);
    let conn = cx.flows.conn(cx.fabric.enis.slot(eni), &key);
    conn.is_some_and(|conn| conn.opened_by == Direction::Inbound)
}

/// A packet reaches `eni`.
pub(crate) fn enter(
    cx: &Context<'_>,
    eni: EniIdx,
    arrival: Arrival,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let interface = &cx.fabric.enis[eni];
    known(interface.unknown)?;
    if interface.role == Role::Guest && interface.attachment.is_none() {
        return Err(DropReason::NotAttached { eni });
    }
    if let Role::TransitGateway(_) = interface.role {
        return Err(DropReason::TransitInterface { eni });
    }
    runs(cx, eni)?;
    let asks_network_acl = match arrival {
        Arrival::Neighbor(_) | Arrival::SameSubnetTransit => false,
        Arrival::SameSubnet => cx.fabric.settings.network_acl_within_subnet_via_router,
        Arrival::Outside => true,
    };
    if asks_network_acl {
        network_acl::guard(cx, interface.subnet, Direction::Inbound, draft, probe)?;
    }
    if let Role::NatGateway(gateway) = interface.role {
        return Ok(Location::Nat(gateway, NatSide::Outside));
    }
    // Whatever its rules say (EPI-15).
    draft.auto_tracked |= matches!(interface.role, Role::Endpoint(_));
    if has_groups(interface) {
        security_group::guard(cx, eni, Direction::Inbound, draft, probe)?;
    }
    let own = interface.owns(draft.headers.dst);
    check_address(eni, Direction::Inbound, interface.source_dest_check, own, probe)?;
    if let Role::Endpoint(endpoint) = interface.role {
        return Ok(Location::Endpoint(endpoint, Some(eni)));
    }
    if let Role::NotModelled(resource) = interface.role {
        // As far as here it is an interface like any other.
        deny(probe, DropReason::NotModelled(resource))?;
    }
    let src_mac = match arrival {
        Arrival::Neighbor(mac) => mac,
        Arrival::SameSubnet | Arrival::SameSubnetTransit | Arrival::Outside => cx.fabric.router_of(eni).mac,
    };
    Ok(outside(Egress::Interface(eni, src_mac), probe, draft.headers.dst))
}

/// A stopped instance keeps its interfaces, and nothing passes them.
fn runs(cx: &Context<'_>, eni: EniIdx) -> Result<(), DropReason> {
    if cx.fabric.enis[eni].running { Ok(()) } else { Err(DropReason::InstanceStopped { eni }) }
}

/// Whether groups filter what passes an interface: some services put interfaces without any into subnets.
fn has_groups(interface: &Eni) -> bool {
    interface.role == Role::Guest || !interface.security_groups.is_empty()
}

/// The source/destination check, written once for both directions (L2-12, L2-13).
fn check_address(
    eni: EniIdx,
    direction: Direction,
    enabled: bool,
    own: bool,
    probe: &mut impl Probe,
) -> Result<(), DropReason> {
    let passed = own || !enabled;
    probe.step(|| Step::SourceDestCheck { eni, direction, enabled, passed });
    if passed { Ok(()) } else { deny(probe, DropReason::SourceDestCheck { eni, direction }) }
}

/// The service of the platform that lives at `destination`. Neither groups, ACLs nor routes have a say (NACL-17, SG-21).
fn service(destination: IpAddr, resolver: Ipv4Addr, draft: &Draft) -> Option<Service> {
    let is_dhcp = matches!(draft.headers.transport, Transport::Udp { dst_port: 67 | 547, .. });
    match destination {
        IpAddr::V4(address) if is_dhcp && (address.is_broadcast() || address.is_link_local()) => {
            Some(Service::Dhcp)
        }
        IpAddr::V4(address) if address == resolver => Some(Service::Resolver),
        IpAddr::V4(address) => match address.octets() {
            [169, 254, 169, 254] => Some(Service::Metadata),
            [169, 254, 169, 253] => Some(Service::Resolver),
            [169, 254, 169, 123] => Some(Service::TimeSync),
            [169, 254, 168..=171, _] => Some(Service::OtherLinkLocal),
            _ => None,
        },
        IpAddr::V6(address) if is_dhcp && address.is_multicast() => Some(Service::Dhcp),
        IpAddr::V6(address) => match address.segments() {
            [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Some(Service::Metadata),
            [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253] => Some(Service::Resolver),
            [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x123] => Some(Service::TimeSync),
            [0xfd00, 0xec2, ..] => Some(Service::OtherLinkLocal),
            _ => None,
        },
    }
}

/// The router answers echo requests and nothing else (L2-09).
fn answer_echo(draft: &Draft) -> Option<Answer> {
    let request = match draft.headers.protocol {
        Protocol::ICMP => 8,
        Protocol::ICMPV6 => 128,
        _ => return None,
    };
    match draft.headers.transport {
        Transport::Icmp(icmp) if icmp.icmp_type == request && draft.headers.fragment.is_none() => {
            matches!(icmp.message, IcmpMessage::Query { .. }).then_some(Answer::EchoReply)
        }
        _ => None,
    }
}

fn is_broadcast(address: IpAddr) -> bool {
    address == IpAddr::V4(Ipv4Addr::BROADCAST)
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address == ROUTER_LINK_LOCAL || is_unicast_link_local(address),
    }
}

fn is_unicast_link_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}
