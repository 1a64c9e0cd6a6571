//! What happens between a VPC and the internet? (area IGW)
//!
//! The internet gateway translates addresses one to one, IPv4 only (IGW-01, IGW-14), and keeps no state. What it sends
//! out may come straight back in by another public address (IGW-15).

use std::net::{IpAddr, Ipv4Addr};

use vpclab_model::{OutboundSmtp, not_public};
use vpclab_wire::Transport;

use crate::fabric::{Direction, RouteTarget, Side};
use crate::flow::Ingress;
use crate::index::{EgressOnlyIdx, EniIdx, HostIdx, InternetGatewayIdx, RouteTableIdx, VpcIdx};
use crate::packet::{Draft, Path};
use crate::plan::{Arrival, Context, Egress, Location, deny, known, outside};
use crate::reason::DropReason;
use crate::step::{Probe, Step};
use crate::stop::{edge, egress_only, mtu};

/// The largest IP packet on the path through an internet gateway (MTU-03, IGW-12).
pub(crate) const INTERNET_MTU: u16 = 1500;

/// The port that mail servers send to (RFC 5321).
pub(crate) const SMTP: u16 = 25;

/// A host of the internet sends a packet.
pub(crate) fn depart(
    cx: &Context<'_>,
    host: Option<HostIdx>,
    draft: &mut Draft,
) -> Result<Location, DropReason> {
    let source = draft.headers.src;
    if draft.headers.dst.is_multicast() {
        return Err(DropReason::Multicast);
    }
    // Private sources are the gateway's to refuse; any other foreign one does not get past the host's own provider.
    let own = host.is_none_or(|host| cx.fabric.hosts[host].addresses.contains(&source));
    if !own && !is_private(source) && !is_shared(source) {
        return Err(DropReason::ForeignSource);
    }
    mtu::fit(draft, INTERNET_MTU, mtu::Emitter::Router)?;
    Ok(Location::PublicInternet)
}

/// A packet leaves a VPC by its gateway.
pub(crate) fn exit(
    cx: &Context<'_>,
    gateway: InternetGatewayIdx,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let Some(vpc) = cx.fabric.internet_gateways[gateway].vpc else {
        return Err(DropReason::SpoofedSource { gateway });
    };
    let (source, destination) = (draft.headers.src, draft.headers.dst);
    let refused_destination = if is_private(destination) {
        Some(DropReason::PrivateDestination { gateway })
    } else if is_shared(destination) {
        Some(DropReason::SharedDestination { gateway })
    } else {
        not_public(destination).map(|_| DropReason::NonPublicDestination { address: destination })
    };
    // What came into the VPC from elsewhere is no interface's own packet, whatever its source (IGW-11, IGW-28).
    let public = match draft.path {
        Path::Transit(_) | Path::VpnGateway(_) => Err(DropReason::SpoofedSource { gateway }),
        Path::Inside | Path::Peering(_) => public_source(cx, gateway, vpc, source),
    };
    if let Some(reason) = refused_destination {
        // The gateway would refuse the source as well: say both, as either would have to change.
        if let Err(also) = public {
            probe.denied(reason);
            return Err(also);
        }
        return Err(reason);
    }
    let public = public?;
    follows_the_way_in(cx, gateway, draft, probe)?;
    probe.step(|| Step::InternetGateway {
        gateway,
        direction: Direction::Outbound,
        translated: public.map(|public| (source, public)),
    });
    block_public_access(cx, probe)?;
    if blocks_smtp(cx, draft) {
        deny(probe, DropReason::OutboundSmtp)?;
    }
    mtu::fit(draft, INTERNET_MTU, mtu::Emitter::Router)?;
    if let Some(public) = public {
        if draft.quoted().is_some_and(|quoted| quoted.dst == source) {
            draft.set_quoted_destination(public);
        }
        draft.set_source(public);
    }
    draft.onto_the_internet();
    Ok(Location::PublicInternet)
}

/// Block Public Access may stop what passes an internet gateway of either kind (BPA-01), and is not modelled.
pub(crate) fn block_public_access(cx: &Context<'_>, probe: &mut impl Probe) -> Result<(), DropReason> {
    cx.fabric.block_public_access.map_or(Ok(()), |option| deny(probe, DropReason::NotModelled(option)))
}

/// Whether this is mail that AWS keeps in, whatever rules say (L2-24).
fn blocks_smtp(cx: &Context<'_>, draft: &Draft) -> bool {
    let to_smtp = matches!(draft.headers.transport, Transport::Tcp(header) if header.dst_port == SMTP);
    to_smtp && draft.headers.dst.is_ipv4() && cx.fabric.settings.outbound_smtp == OutboundSmtp::Blocked
}

/// The address that a gateway puts in place of `source`; none for IPv6, which is public as it is (IGW-04, IGW-10, IGW-14).
fn public_source(
    cx: &Context<'_>,
    gateway: InternetGatewayIdx,
    vpc: VpcIdx,
    source: IpAddr,
) -> Result<Option<IpAddr>, DropReason> {
    if is_of_pool(cx, gateway, source) {
        // RT-52
        return Ok(None);
    }
    let eni = cx.fabric.interface_at(vpc, source).ok_or(DropReason::SpoofedSource { gateway })?;
    match source {
        IpAddr::V4(private) => match cx.fabric.enis[eni].public_address_of(private) {
            Some(public) => Ok(Some(IpAddr::V4(public))),
            None => Err(DropReason::NoPublicAddress { gateway, eni, ipv6: None }),
        },
        IpAddr::V6(_) if not_public(source).is_none() => Ok(None),
        IpAddr::V6(ipv6) => Err(DropReason::NoPublicAddress { gateway, eni, ipv6: Some(ipv6) }),
    }
}

/// Whether the gateway's table routes `source`, of a pool, to an interface: that one may answer from it (RT-52).
fn is_of_pool(cx: &Context<'_>, gateway: InternetGatewayIdx, source: IpAddr) -> bool {
    let table = cx.fabric.internet_gateways[gateway].route_table;
    cx.fabric.pool_gateway(source) == Some(gateway)
        && table.is_some_and(|table| edge::middlebox(cx.fabric, table, source).is_some())
}

/// Whether the packet's subnet may use the gateway directly: not if packets for it are handed to a middlebox, which then
/// has to see both directions (RT-40). The middlebox's own packets and what it forwards are not meant.
fn follows_the_way_in(
    cx: &Context<'_>,
    gateway: InternetGatewayIdx,
    draft: &Draft,
    probe: &mut impl Probe,
) -> Result<(), DropReason> {
    let source = draft.headers.src;
    let here = draft.router.filter(|subnet| cx.fabric.subnets[*subnet].contains(source));
    let table = cx.fabric.internet_gateways[gateway].route_table;
    let Some((subnet, table)) = here.zip(table) else { return Ok(()) };
    match edge::middlebox(cx.fabric, table, source) {
        Some(middlebox) if !cx.fabric.enis[middlebox].owns(source) => {
            deny(probe, DropReason::RedirectedSubnet { gateway, subnet, middlebox })
        }
        _ => Ok(()),
    }
}

/// A packet on the internet reaches whoever has its destination: an interface behind a gateway, a declared host, or an
/// address the topology says nothing about.
pub(crate) fn arrive(
    cx: &Context<'_>,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let (source, destination) = (draft.headers.src, draft.headers.dst);
    if is_private(source) {
        return Err(DropReason::PrivateSource);
    }
    if is_shared(source) {
        return Err(DropReason::SharedSource);
    }
    if not_public(destination).is_some() {
        return Err(DropReason::NonPublicDestination { address: destination });
    }
    if let Some(host) = cx.fabric.host_at(destination) {
        return Ok(outside(Egress::Host(host), probe, destination));
    }
    if let Some((gateway, eni)) = egress_only_of(cx, destination, source) {
        return egress_only::enter(cx, gateway, eni, draft, probe);
    }
    let pool = cx.fabric.pool_gateway(destination);
    if let Some((gateway, table)) = pool.and_then(|g| Some((g, cx.fabric.internet_gateways[g].route_table?)))
    {
        return arrive_by_pool(cx, gateway, table, draft, probe);
    }
    let Some(mapping) = cx.fabric.public_mapping(destination) else {
        // Nobody's address. What belongs to AWS is dropped there (IGW-09), and a declared host knows only what the
        // topology declares; anything else may exist outside.
        let comes_from_inside = match draft.ingress {
            Ingress::Interface(_) => true,
            // By a private link, a VPC and its gateway.
            Ingress::Host(host) => {
                let sender = cx.fabric.hosts.get(host.index);
                sender.is_some_and(|host| matches!(host.side, Side::Customer(_)))
            }
            Ingress::Internet => false,
        };
        return if comes_from_inside && !cx.fabric.belongs_to_aws(destination) {
            Ok(outside(Egress::Internet(destination), probe, destination))
        } else {
            Err(DropReason::NoPublicMapping { address: destination })
        };
    };
    let translated = (mapping.private != destination).then_some((destination, mapping.private));
    probe.step(|| Step::InternetGateway {
        gateway: mapping.gateway,
        direction: Direction::Inbound,
        translated,
    });
    known(cx.fabric.internet_gateways[mapping.gateway].unknown)?;
    block_public_access(cx, probe)?;
    if translated.is_some() {
        if draft.quoted().is_some_and(|quoted| quoted.src == destination) {
            draft.set_quoted_source(mapping.private);
        }
        draft.set_destination(mapping.private);
    }
    let table = cx.fabric.internet_gateways[mapping.gateway].route_table;
    let middlebox = table.map(|table| edge::divert(cx, table, draft, probe)).transpose()?.flatten();
    if let Some(middlebox) = middlebox {
        has_public_address(cx, middlebox, draft.headers.is_ipv6())?;
    }
    Ok(Location::Interface(middlebox.unwrap_or(mapping.eni), Arrival::Outside))
}

/// RT-39: the internet reaches no middlebox that it cannot address, in the family of the packet.
fn has_public_address(cx: &Context<'_>, eni: EniIdx, ipv6: bool) -> Result<(), DropReason> {
    let interface = &cx.fabric.enis[eni];
    let has = match ipv6 {
        true => interface.addresses.iter().any(|a| a.is_ipv6() && not_public(*a).is_none()),
        false => !interface.public_addresses.is_empty(),
    };
    if has { Ok(()) } else { Err(DropReason::MiddleboxNotPublic { eni }) }
}

/// A packet for an address of a pool: to the interface that the gateway's table names, untranslated (RT-51).
fn arrive_by_pool(
    cx: &Context<'_>,
    gateway: InternetGatewayIdx,
    table: RouteTableIdx,
    draft: &Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    probe.step(|| Step::InternetGateway { gateway, direction: Direction::Inbound, translated: None });
    let address = draft.headers.dst;
    let eni = edge::divert(cx, table, draft, probe)?.ok_or(DropReason::NoPublicMapping { address })?;
    Ok(Location::Interface(eni, Arrival::Outside))
}

/// The interface with a public IPv6 address and the egress-only internet gateway that its subnet's routes to `source`
/// lead to: such a subnet is reached by no other way (IGW-14, IGW-22).
fn egress_only_of(cx: &Context<'_>, destination: IpAddr, source: IpAddr) -> Option<(EgressOnlyIdx, EniIdx)> {
    let eni = cx.fabric.owner_of_ipv6(destination)?;
    let subnet = &cx.fabric.subnets[cx.fabric.enis[eni].subnet];
    match cx.fabric.route_tables[subnet.route_table].lookup(source)?.target {
        RouteTarget::EgressOnly(gateway) => Some((gateway, eni)),
        _ => None,
    }
}

/// RFC 1918.
pub(crate) fn is_private(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.is_private())
}

/// RFC 6598: 100.64.0.0/10.
pub(crate) fn is_shared(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if u32::from(address) >> 22 == u32::from(Ipv4Addr::new(100, 64, 0, 0)) >> 22)
}
