//! Where does a transit gateway send the packet? (area TGW)
//!
//! The table of the attachment that it came in by decides (TGW-04), never the one it leaves by. Into a VPC it goes by
//! the attachment's interface in one zone, and on by the routes of that interface's subnet (TGW-15). Which zone is a
//! function of the packet and the fabric alone: also in appliance mode, where both directions of a flow give the same
//! one, nothing is remembered.

use std::hash::Hash;
use std::net::IpAddr;

use vpclab_wire::{Embedded, IcmpErrorKind, IcmpMessage, Protocol, Transport};

use crate::fabric::{AttachmentEnd, AwsEnd, Direction, TransitAttachment, TransitRoute, VpcAttachment};
use crate::index::{AttachmentIdx, EniIdx, LinkIdx, SubnetIdx};
use crate::packet::{BornPacket, Draft, Path};
use crate::plan::{Context, Location, known, settle};
use crate::reason::DropReason;
use crate::step::{Probe, Step};

/// The largest IP packet that VPC and peering attachments carry (TGW-25, MTU-04).
const TRANSIT_MTU: u16 = 8500;

/// The same for VPN attachments; inside the tunnels there is less room.
const VPN_MTU: u16 = 1500;

/// How many transit gateways in a row are asked where a packet would go.
const MAX_PEERINGS: usize = 8;

/// A packet has come in by an attachment; out of a VPC by the interface in the subnet `door`.
pub(crate) fn switch(
    cx: &Context<'_>,
    from: AttachmentIdx,
    door: Option<SubnetIdx>,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let entered = &cx.fabric.transit_attachments[from];
    known(entered.unknown)?;
    let table = entered.table.ok_or(DropReason::TransitNotAssociated { attachment: from })?;
    known(cx.fabric.transit_tables[table].unknown)?;
    let matched = cx.fabric.transit_tables[table].lookup(draft.headers.dst);
    probe.step(|| Step::TransitRoute {
        attachment: from,
        table,
        matched: matched.map(|route| route.destination),
    });
    let route = matched.ok_or(DropReason::TransitNoRoute { table })?;
    let destination = route.destination;
    let to = share(cx, entered, route, draft).ok_or(DropReason::TransitBlackhole { table, destination })?;
    let left = &cx.fabric.transit_attachments[to];
    known(left.unknown)?;
    draft.spend_hop().map_err(|_| DropReason::TransitTtlExpired { gateway: entered.gateway })?;
    fit(cx, entered, left, draft)?;
    match &left.end {
        AttachmentEnd::Vpc(vpc) => {
            let door = choose_door(cx, left, vpc, door, draft);
            // An attachment has at least one.
            let door = door.ok_or(DropReason::TransitNotAssociated { attachment: to })?;
            if !refer_to_groups(entered, vpc) {
                draft.sender = None;
            }
            draft.path = Path::Transit(to);
            draft.link = None;
            probe.step(|| Step::TransitGateway { from, to, subnet: Some(door) });
            Ok(Location::OutOfTransit(door))
        }
        AttachmentEnd::Peering(there) => {
            // Zones are those of another gateway.
            probe.step(|| Step::TransitGateway { from, to, subnet: None });
            Ok(Location::Transit(*there, None))
        }
        AttachmentEnd::Vpn(link) => {
            draft.sender = None;
            probe.step(|| Step::TransitGateway { from, to, subnet: None });
            Ok(Location::PrivateLink(*link, Direction::Outbound))
        }
        AttachmentEnd::DxGateway(behind) => {
            draft.sender = None;
            probe.step(|| Step::TransitGateway { from, to, subnet: None });
            let ends_here =
                |link: LinkIdx| cx.fabric.links[link].ends.iter().any(|(_, end)| *end == AwsEnd::Transit(to));
            if draft.link.is_some_and(ends_here) {
                return Err(DropReason::DxGatewayHairpin { attachment: to });
            }
            let links = behind.lookup(draft.headers.dst).map_or(&[][..], |route| &route.links);
            let link = pick(cx, &(&*left.name, flow(draft)), links)
                .ok_or(DropReason::TransitBlackhole { table, destination })?;
            Ok(Location::PrivateLink(*link, Direction::Outbound))
        }
    }
}

/// The subnet of an attachment in the zone of `subnet`: whoever is in that zone uses it, and in a zone without one nobody
/// uses the gateway (TGW-13, TGW-14).
pub(crate) fn door_in_zone_of(
    cx: &Context<'_>,
    attachment: AttachmentIdx,
    subnet: SubnetIdx,
) -> Result<SubnetIdx, DropReason> {
    let doors = match &cx.fabric.transit_attachments[attachment].end {
        AttachmentEnd::Vpc(vpc) => vpc.doors.as_slice(),
        AttachmentEnd::Peering(_) | AttachmentEnd::Vpn(_) | AttachmentEnd::DxGateway(_) => &[],
    };
    let zone = &cx.fabric.subnets[subnet].availability_zone;
    door_in(cx, doors, zone).ok_or(DropReason::TransitZone { attachment, subnet })
}

/// The subnet by whose interface a packet for the draft's destination comes out of a transit gateway that it enters from
/// `subnet`; nothing where it does not come into a VPC.
pub(crate) fn way_out(
    cx: &Context<'_>,
    attachment: AttachmentIdx,
    subnet: SubnetIdx,
    draft: &Draft,
) -> Option<SubnetIdx> {
    let mut door = Some(door_in_zone_of(cx, attachment, subnet).ok()?);
    let mut from = attachment;
    for _ in 0..MAX_PEERINGS {
        let entered = &cx.fabric.transit_attachments[from];
        let route = cx.fabric.transit_tables[entered.table?].lookup(draft.headers.dst)?;
        let left = &cx.fabric.transit_attachments[share(cx, entered, route, draft)?];
        match &left.end {
            AttachmentEnd::Vpc(vpc) => return choose_door(cx, left, vpc, door, draft),
            AttachmentEnd::Peering(there) => (from, door) = (*there, None),
            AttachmentEnd::Vpn(_) | AttachmentEnd::DxGateway(_) => return None,
        }
    }
    None
}

/// Cuts nothing and drops what is too large, whatever its DF bit says (MTU-05). The sender is told where the packet came
/// in by a VPC attachment (TGW-26).
fn fit(
    cx: &Context<'_>,
    entered: &TransitAttachment,
    left: &TransitAttachment,
    draft: &mut Draft,
) -> Result<(), DropReason> {
    let mtu = mtu(&entered.end).min(mtu(&left.end));
    draft.clamp_segment_size(mtu);
    if draft.headers.largest_segment <= u32::from(mtu) {
        return Ok(());
    }
    let tells = matches!(entered.end, AttachmentEnd::Vpc(_))
        && cx.fabric.settings.transit_gateway_path_mtu_discovery
        && draft.headers.dont_fragment;
    if let (true, Some(router)) = (tells, draft.router) {
        let kind = if draft.headers.is_ipv6() {
            IcmpErrorKind::PacketTooBig { mtu: u32::from(mtu) }
        } else {
            IcmpErrorKind::FragmentationNeeded { mtu }
        };
        draft.bear(router, BornPacket::Icmp { kind, source: None });
    }
    Err(DropReason::TransitMtuExceeded { mtu })
}

/// The largest IP packet that an attachment carries (TGW-25).
fn mtu(end: &AttachmentEnd) -> u16 {
    match end {
        AttachmentEnd::Vpc(_) | AttachmentEnd::Peering(_) | AttachmentEnd::DxGateway(_) => TRANSIT_MTU,
        AttachmentEnd::Vpn(_) => VPN_MTU,
    }
}

/// The attachment of a route that this flow takes: of several, always the same one for the same flow (TGW-19, PIPE-15).
fn share(
    cx: &Context<'_>,
    entered: &TransitAttachment,
    route: &TransitRoute,
    draft: &Draft,
) -> Option<AttachmentIdx> {
    match route.attachments.as_slice() {
        [] => None,
        several => {
            let gateway = cx.fabric.transit_gateways[entered.gateway].name.as_str();
            let shared = pick(cx, &(gateway, flow(draft)), several)?;
            // Others are as good, and which of them is used nothing says.
            Some(*settle(cx, &(gateway, route.destination), shared, &route.equals))
        }
    }
}

/// The subnet whose interface takes a packet into a VPC. `entered` is the subnet it came in by, out of another one.
fn choose_door(
    cx: &Context<'_>,
    attachment: &TransitAttachment,
    vpc: &VpcAttachment,
    entered: Option<SubnetIdx>,
    draft: &Draft,
) -> Option<SubnetIdx> {
    let zone = if vpc.appliance_mode {
        // TGW-54
        vpc.knows_zones.then(|| zone_of_flow(cx, attachment, draft)).flatten()
    } else {
        // TGW-20
        entered.map(|subnet| &*cx.fabric.subnets[subnet].availability_zone)
    };
    let same_zone = zone.and_then(|zone| door_in(cx, &vpc.doors, zone));
    same_zone.or_else(|| {
        // TGW-24, and TGW-52 where the zones differ. Two gateways choose apart (TGW-53).
        let gateway = cx.fabric.transit_gateways[attachment.gateway].name.as_str();
        pick(cx, &(gateway, &*attachment.name, flow(draft)), &vpc.doors).map(|(subnet, _)| *subnet)
    })
}

/// The zone that both ends of a flow lie in, or the one that has a zone; nothing where they lie in two (TGW-52). The
/// same whichever way the packet goes.
fn zone_of_flow<'a>(cx: &Context<'a>, attachment: &TransitAttachment, draft: &Draft) -> Option<&'a str> {
    let ((one, _), (other, _), _) = flow(draft);
    match (zone_of(cx, attachment, one), zone_of(cx, attachment, other)) {
        (Some(one), Some(other)) => (one == other).then_some(one),
        (one, other) => one.or(other),
    }
}

/// The zone of an address, as far as the table of an attachment knows whose it is.
fn zone_of<'a>(cx: &Context<'a>, attachment: &TransitAttachment, address: IpAddr) -> Option<&'a str> {
    let route = cx.fabric.transit_tables[attachment.table?].lookup(address)?;
    let [only] = route.attachments.as_slice() else { return None };
    let AttachmentEnd::Vpc(vpc) = &cx.fabric.transit_attachments[*only].end else { return None };
    let eni = cx.fabric.interface_at(vpc.vpc, address)?;
    Some(&cx.fabric.subnets[cx.fabric.enis[eni].subnet].availability_zone)
}

fn door_in(cx: &Context<'_>, doors: &[(SubnetIdx, EniIdx)], zone: &str) -> Option<SubnetIdx> {
    let subnets = doors.iter().map(|(subnet, _)| *subnet);
    subnets.into_iter().find(|subnet| *cx.fabric.subnets[*subnet].availability_zone == *zone)
}

/// Whether both attachments, and with them the gateway, let group references through (SG-11): never by a peering
/// attachment.
fn refer_to_groups(entered: &TransitAttachment, left: &VpcAttachment) -> bool {
    matches!(&entered.end, AttachmentEnd::Vpc(vpc) if vpc.refers_to_groups && left.refers_to_groups)
}

/// One of `all`, always the same for the same subject; nothing if there is none.
fn pick<'a, T>(cx: &Context<'_>, subject: &impl Hash, all: &'a [T]) -> Option<&'a T> {
    all.get(cx.pick(subject, all.len())?)
}

/// What stands for a flow, the same in both directions: its ends in order, and the protocol. An ICMP error belongs to the
/// flow that it is about.
fn flow(draft: &Draft) -> ((IpAddr, u16), (IpAddr, u16), u8) {
    let headers = &draft.headers;
    let (a, b, protocol) = match draft.quoted() {
        Some(Embedded { src, dst, protocol, ports, .. }) => {
            let (src_port, dst_port) = match (*protocol, ports.unwrap_or_default()) {
                (Protocol::TCP | Protocol::UDP, ports) => ports,
                (_, (identifier, _)) => (identifier, identifier),
            };
            ((*src, src_port), (*dst, dst_port), protocol.0)
        }
        None => {
            let (src_port, dst_port) = match headers.transport {
                Transport::Tcp(tcp) => (tcp.src_port, tcp.dst_port),
                Transport::Udp { src_port, dst_port } => (src_port, dst_port),
                Transport::Icmp(icmp) => match icmp.message {
                    IcmpMessage::Query { identifier, .. } => (identifier, identifier),
                    _ => (0, 0),
                },
                Transport::Other | Transport::LaterFragment => (0, 0),
            };
            ((headers.src, src_port), (headers.dst, dst_port), headers.protocol.0)
        }
    };
    if a <= b { (a, b, protocol) } else { (b, a, protocol) }
}
