//! What does a NAT gateway do with the packet? (area NAT)
//!
//! It has an interface in a subnet, no security groups (NAT-07), and memory of its own: which address and port is lent
//! for which flow. A client's packet comes by a route and goes on from the gateway's subnet with an address of the
//! gateway's; an answer comes to that address and goes back to the client. Destinations stay as they are (NAT-25).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vpclab_model::RouteState;
use vpclab_wire::{Embedded, IcmpErrorKind, IcmpMessage, Protocol, Transport};

use crate::fabric::{Fabric, Forwards, NatGateway, RouteTarget};
use crate::flow::lending::FLOWS_PER_DESTINATION;
use crate::flow::nat::{Drains, InsideKey, NatBinding, OutsideKey, Pool};
use crate::flow::share::Holder;
use crate::flow::{Conn, Effect, is_reply};
use crate::index::{NatGatewayIdx, SubnetIdx};
use crate::packet::{BornPacket, Draft, Path};
use crate::plan::{Context, Location};
use crate::reason::DropReason;
use crate::step::{NatSide, Probe, Step};
use crate::stop::mtu;
use crate::time::Timestamp;

/// The largest IP packet a NAT gateway forwards (NAT-14, MTU-04).
const NAT_MTU: u16 = 8500;

/// A packet is at a NAT gateway.
pub(crate) fn translate(
    cx: &Context<'_>,
    gateway: NatGatewayIdx,
    side: NatSide,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let nat = &cx.fabric.nat_gateways[gateway];
    if !matches!(draft.headers.protocol, Protocol::TCP | Protocol::UDP | Protocol::ICMP | Protocol::ICMPV6) {
        return Err(DropReason::NatProtocol { gateway });
    }
    // What was cut on its way here comes in fragments, too.
    let in_pieces = draft.headers.fragment.is_some() || draft.fragment_to.is_some();
    if in_pieces && draft.headers.protocol != Protocol::UDP {
        return Err(DropReason::NatFragment { gateway });
    }
    if draft.nat.contains(&gateway) || draft.nat.is_full() {
        // Its own subnet's table leads back to it (NAT-27), or that of the next one does.
        return Err(DropReason::ForwardingLoop);
    }
    let own = nat.addresses.first().copied().ok_or(DropReason::NatUnavailable { gateway })?;
    let at = Place { gateway, nat, own };
    let before = (draft.headers.src, draft.headers.dst);
    match side {
        NatSide::Inside if !is_client(cx, nat, draft) => {
            return Err(DropReason::NatForeignClient { gateway });
        }
        NatSide::Inside => leave(cx, &at, draft)?,
        NatSide::Outside => come_back(cx, &at, draft)?,
    }
    draft.nat.push(gateway);
    draft.auto_tracked = true;
    // What goes on from here is the gateway's, however it came to it.
    draft.path = Path::Inside;
    probe.step(|| Step::NatGateway { gateway, side, before, after: (draft.headers.src, draft.headers.dst) });
    Ok(Location::OutOfNat(nat.subnet))
}

/// Whether the gateway serves whoever sent the packet: an interface of its VPC, or somebody who came in by a transit
/// gateway (NAT-15, NAT-45, OQ-10). What an instance sends on does not show which way it came in: then it counts that its
/// answers go out by a transit gateway, past that instance or another one.
fn is_client(cx: &Context<'_>, nat: &NatGateway, draft: &Draft) -> bool {
    let fabric = cx.fabric;
    let client = draft.headers.src;
    let way_back = |subnet: SubnetIdx| {
        let route = fabric.route_tables[fabric.subnets[subnet].route_table].lookup(client);
        route.filter(|route| route.state == RouteState::Active).map(|route| route.target)
    };
    matches!(draft.path, Path::Transit(_))
        || fabric.interface_at(fabric.subnets[nat.subnet].vpc, client).is_some()
        || match way_back(nat.subnet) {
            Some(RouteTarget::NetworkInterface(eni)) => {
                let by = match fabric.forwards(eni, client) {
                    Some(Forwards::Interface(other)) => other,
                    _ => eni,
                };
                matches!(way_back(fabric.enis[by].subnet), Some(RouteTarget::TransitGateway(_)))
            }
            way => matches!(way, Some(RouteTarget::TransitGateway(_))),
        }
}

/// The gateway that has the packet.
struct Place<'a> {
    gateway: NatGatewayIdx,
    nat: &'a NatGateway,
    /// Its primary address.
    own: Ipv4Addr,
}

/// The gateway is a hop, unlike the VPC's router (NAT-13, OQ-22), with a limit of its own (NAT-14). Its errors come from
/// its primary address; those to IPv6 from the address that NAT64 makes of it.
fn pass(at: &Place<'_>, draft: &mut Draft) -> Result<(), DropReason> {
    let own = if draft.headers.is_ipv6() { IpAddr::V6(nat64_address(at.own)) } else { IpAddr::V4(at.own) };
    draft.spend_hop().inspect_err(|_| {
        let error = BornPacket::Icmp { kind: IcmpErrorKind::TimeExceeded, source: Some(own) };
        draft.bear(at.nat.subnet, error);
    })?;
    mtu::fit(draft, NAT_MTU, mtu::Emitter::Gateway(at.nat.subnet, own))
}

/// A client's packet, on its way out.
fn leave(cx: &Context<'_>, at: &Place<'_>, draft: &mut Draft) -> Result<(), DropReason> {
    let gateway = at.gateway;
    pass(at, draft)?;
    if let Some(quoted) = draft.quoted().copied() {
        return leave_error(cx, gateway, draft, &quoted);
    }
    let unknown = DropReason::NatNoMapping { gateway, side: NatSide::Inside };
    let (source_port, destination_port) = ports(&draft.headers.transport).ok_or(unknown)?;
    let inside = InsideKey {
        gateway: cx.fabric.nat_gateways.slot(gateway),
        protocol: draft.headers.protocol,
        source: draft.headers.src,
        source_port,
        destination: draft.headers.dst,
        destination_port,
    };
    let opens_anew = |binding: &NatBinding| match draft.headers.transport {
        Transport::Tcp(tcp) => binding.state.is_over() && tcp.flags.is_opening(),
        _ => false,
    };
    let known = cx.flows.nat().of_client(&inside);
    let known = known
        .filter(|binding| is_live(cx.fabric, cx.flows.drains(), binding, cx.now) && !opens_anew(binding));
    let outside = match known {
        Some(binding) => {
            let tcp_flags = draft.tcp_flags();
            draft.record(Effect::UseMapping { key: inside, from_inside: true, tcp_flags })?;
            binding.outside
        }
        None => open(cx, at, inside, draft)?,
    };
    if draft.headers.is_ipv6() {
        draft.become_ipv4(outside.pool.address, outside.pool.remote);
    } else {
        draft.set_source(IpAddr::V4(outside.pool.address));
    }
    draft.set_source_port(outside.port);
    draft.clamp_segment_size(NAT_MTU);
    Ok(())
}

/// A client's packet that opens a flow.
fn open(
    cx: &Context<'_>,
    at: &Place<'_>,
    inside: InsideKey,
    draft: &mut Draft,
) -> Result<OutsideKey, DropReason> {
    let Place { gateway, nat, .. } = *at;
    let unknown = DropReason::NatNoMapping { gateway, side: NatSide::Inside };
    match draft.headers.transport {
        Transport::Tcp(tcp) if !tcp.flags.is_opening() => {
            if !tcp.flags.rst() {
                // The inside alone hears of a flow that was forgotten (NAT-10, NAT-22).
                draft.bear(nat.subnet, BornPacket::TcpReset);
            }
            return Err(unknown);
        }
        Transport::Icmp(icmp) if is_reply(draft.headers.protocol, icmp.icmp_type) => return Err(unknown),
        _ => {}
    }
    let remote = match draft.headers.dst {
        IpAddr::V4(remote) => remote,
        IpAddr::V6(address) => embedded_ipv4(address).ok_or(DropReason::NatIpv6 { gateway })?,
    };
    let holder = Holder::behind(cx.fabric, draft.ingress);
    if !cx.flows.has_room_for_mapping(&inside, holder) {
        return Err(DropReason::FlowMemoryFull);
    }
    let outside = lend(cx, nat, &inside, remote).ok_or(DropReason::NatPortAllocation { gateway })?;
    let state = Conn::opening_state(&draft.headers.transport);
    let binding = NatBinding { inside, outside, holder, state, last_seen: cx.now };
    draft.record(Effect::Map(Box::new(binding)))?;
    Ok(outside)
}

/// A port for the flow: a choice that nobody outside can foresee. Addresses are tried in turn from one that a hash of the
/// flow picks (PIPE-15); none if all of them serve as many flows to the destination as they may.
fn lend(cx: &Context<'_>, nat: &NatGateway, inside: &InsideKey, remote: Ipv4Addr) -> Option<OutsideKey> {
    let count = nat.addresses.len();
    let first = cx.pick(&("address", inside), count)?;
    let protocol = if inside.protocol == Protocol::ICMPV6 { Protocol::ICMP } else { inside.protocol };
    let table = cx.flows.nat();
    (0..count).find_map(|turn| {
        let address = *nat.addresses.get((first + turn) % count)?;
        let pool = Pool {
            gateway: inside.gateway,
            protocol,
            address,
            public: cx.fabric.enis[nat.eni].public_address_of(address),
            remote,
            remote_port: inside.destination_port,
        };
        let port = match cx.nat_port {
            Some(port) => (table.in_pool(&pool) < FLOWS_PER_DESTINATION).then_some(port),
            None => {
                table.port_for(inside, &pool, cx.flows.choice(inside), FLOWS_PER_DESTINATION, |binding| {
                    is_live(cx.fabric, cx.flows.drains(), binding, cx.now)
                })
            }
        };
        Some(OutsideKey { pool, port: port? })
    })
}

/// The flow that what comes to `port` of one of the gateway's addresses belongs to.
fn known(
    cx: &Context<'_>,
    at: &Place<'_>,
    protocol: Protocol,
    (address, port): (Ipv4Addr, u16),
    (remote, remote_port): (Ipv4Addr, u16),
) -> Option<InsideKey> {
    let gateway = cx.fabric.nat_gateways.slot(at.gateway);
    let public = cx.fabric.enis[at.nat.eni].public_address_of(address);
    let pool = Pool { gateway, protocol, address, public, remote, remote_port };
    let binding = cx.flows.nat().of_lease(&OutsideKey { pool, port })?;
    is_live(cx.fabric, cx.flows.drains(), binding, cx.now).then_some(binding.inside)
}

/// A packet to an address of the gateway: it belongs to a flow, or nobody wants it (NAT-11, NAT-12).
fn come_back(cx: &Context<'_>, at: &Place<'_>, draft: &mut Draft) -> Result<(), DropReason> {
    let gateway = at.gateway;
    if let Some(quoted) = draft.quoted().copied() {
        return come_back_error(cx, at, draft, &quoted);
    }
    // From a peer or over a private link a connection cannot start at the gateway (NAT-15, NAT-45).
    let unknown = match draft.path {
        Path::Peering(_) | Path::VpnGateway(_) => DropReason::NatForeignClient { gateway },
        // A transit gateway's packets count as from inside.
        Path::Inside | Path::Transit(_) => DropReason::NatNoMapping { gateway, side: NatSide::Outside },
    };
    let IpAddr::V4(remote) = draft.headers.src else { return Err(unknown) };
    let IpAddr::V4(address) = draft.headers.dst else { return Err(unknown) };
    let (remote_port, port) = match draft.headers.transport {
        Transport::Icmp(icmp) => match icmp.message {
            IcmpMessage::Query { identifier, .. } if is_reply(draft.headers.protocol, icmp.icmp_type) => {
                (0, identifier)
            }
            _ => return Err(unknown),
        },
        ref transport => ports(transport).ok_or(unknown)?,
    };
    let inside =
        known(cx, at, draft.headers.protocol, (address, port), (remote, remote_port)).ok_or(unknown)?;
    pass(at, draft)?;
    let tcp_flags = draft.tcp_flags();
    draft.record(Effect::UseMapping { key: inside, from_inside: false, tcp_flags })?;
    match (inside.source, inside.destination) {
        (IpAddr::V6(client), IpAddr::V6(remote)) => draft.become_ipv6(remote, client),
        _ => draft.set_destination(inside.source),
    }
    draft.set_destination_port(inside.source_port);
    draft.clamp_segment_size(NAT_MTU);
    Ok(())
}

/// A client's ICMP error about a packet that came in through the gateway (NAT-38, RFC 5508).
fn leave_error(
    cx: &Context<'_>,
    gateway: NatGatewayIdx,
    draft: &mut Draft,
    quoted: &Embedded,
) -> Result<(), DropReason> {
    let unknown = DropReason::NatNoMapping { gateway, side: NatSide::Inside };
    if draft.headers.dst != quoted.src {
        return Err(unknown);
    }
    let (remote_port, client_port) = quoted_ports(quoted).ok_or(unknown)?;
    let inside = InsideKey {
        gateway: cx.fabric.nat_gateways.slot(gateway),
        protocol: quoted.protocol,
        source: quoted.dst,
        source_port: client_port,
        destination: quoted.src,
        destination_port: remote_port,
    };
    let binding = cx.flows.nat().of_client(&inside);
    let binding =
        binding.filter(|binding| is_live(cx.fabric, cx.flows.drains(), binding, cx.now)).ok_or(unknown)?;
    let outside = binding.outside;
    if draft.headers.is_ipv6() {
        draft.become_ipv4(outside.pool.address, outside.pool.remote);
        draft.set_quoted_source(IpAddr::V4(outside.pool.remote));
    } else {
        draft.set_source(IpAddr::V4(outside.pool.address));
    }
    draft.set_quoted_destination(IpAddr::V4(outside.pool.address));
    draft.set_quoted_destination_port(outside.port);
    Ok(())
}

/// An ICMP error about a packet that left through the gateway. It comes to the address that sent that (RFC 1122 3.2.2).
fn come_back_error(
    cx: &Context<'_>,
    at: &Place<'_>,
    draft: &mut Draft,
    quoted: &Embedded,
) -> Result<(), DropReason> {
    let gateway = at.gateway;
    let unknown = DropReason::NatNoMapping { gateway, side: NatSide::Outside };
    let (port, remote_port) = quoted_ports(quoted).ok_or(unknown)?;
    let (IpAddr::V4(address), IpAddr::V4(remote)) = (quoted.src, quoted.dst) else { return Err(unknown) };
    if draft.headers.dst != quoted.src {
        return Err(unknown);
    }
    let inside = known(cx, at, quoted.protocol, (address, port), (remote, remote_port)).ok_or(unknown)?;
    pass(at, draft)?;
    match (inside.source, inside.destination, draft.headers.src) {
        (IpAddr::V6(client), IpAddr::V6(remote), IpAddr::V4(reporter)) => {
            // Whoever reports it is given an address of NAT64's too (RFC 7915 4.1).
            draft.become_ipv6(nat64_address(reporter), client);
            draft.set_quoted_destination(IpAddr::V6(remote));
        }
        _ => draft.set_destination(inside.source),
    }
    draft.set_quoted_source(inside.source);
    draft.set_quoted_source_port(inside.source_port);
    Ok(())
}

/// The IPv4 address inside one of NAT64's (RFC 6052, NAT-28).
fn embedded_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))),
        _ => None,
    }
}

/// The address that stands for an IPv4 one in IPv6 (RFC 6052, NAT-28).
fn nat64_address(address: Ipv4Addr) -> Ipv6Addr {
    let [a, b, c, d] = address.octets().map(u16::from);
    Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a << 8 | b, c << 8 | d)
}

/// Whether a gateway still has a flow: it and the address it lent are still there or its flows may go on (NAT-42), that
/// address has the public one it had then (NAT-47), and the flow has not been idle for too long.
pub(crate) fn is_live(fabric: &Fabric, drains: &Drains, binding: &NatBinding, now: Timestamp) -> bool {
    let slot = binding.inside.gateway;
    let Pool { address, public, .. } = binding.outside.pool;
    let nat = fabric.nat_gateways.get(slot.index).filter(|_| fabric.nat_gateways.slot(slot.index) == slot);
    nat.is_some_and(|nat| {
        let goes_on = || {
            let is_lost = nat.draining.iter().any(|lost| lost.address == address);
            is_lost && !drains.has_ended(slot, address, now)
        };
        (nat.addresses.contains(&address) || goes_on())
            && fabric.enis[nat.eni].public_address_of(address) == public
    }) && binding.is_live(fabric.nat_closing_timeout(), now)
}

/// What stands for the ports of a packet; none for what a gateway keeps no flow of.
fn ports(transport: &Transport) -> Option<(u16, u16)> {
    match transport {
        Transport::Tcp(tcp) => Some((tcp.src_port, tcp.dst_port)),
        Transport::Udp { src_port, dst_port } => Some((*src_port, *dst_port)),
        Transport::Icmp(icmp) => match icmp.message {
            IcmpMessage::Query { identifier, .. } => Some((identifier, 0)),
            _ => None,
        },
        Transport::Other | Transport::LaterFragment => None,
    }
}

/// The same of a quoted packet: the identifier of an ICMP query stands on the side of the gateway's client.
fn quoted_ports(quoted: &Embedded) -> Option<(u16, u16)> {
    let (source, destination) = quoted.ports?;
    match (quoted.protocol, quoted.icmp_type) {
        (Protocol::TCP | Protocol::UDP, _) => Some((source, destination)),
        (protocol, Some(icmp_type)) if is_reply(protocol, icmp_type) => Some((0, source)),
        (_, Some(_)) => Some((source, 0)),
        _ => None,
    }
}
