//! Where does a transit gateway send a packet? (area TGW)
//!
//! Which of several zones a flow is given is AWS's choice, so the engine says what it chose; the oracle says among what
//! there was a choice, and that both directions of a flow get the same.

use std::net::IpAddr;

use vpclab_model::{
    AttachmentName, AttachmentState, SubnetName, Topology, TransitGatewayName, TransitGatewayRoute,
    TransitGatewayRouteState, TransitGatewayRouteTable, TransitGatewayVpcAttachment,
};

use super::addresses::owner;
use super::filters::acl;
use super::{Gateway, Oracle, Place, Reason, Walk};
use crate::packet::{Body, ErrorKind, Packet};

/// TGW-25.
const TRANSIT_MTU: usize = 8500;
/// TGW-25, of VPN attachments.
const VPN_MTU: usize = 1500;

/// A flow at an attachment in appliance mode, its ends in order, and the subnet it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    attachment: String,
    ends: [(IpAddr, u16); 2],
    protocol: u8,
    subnet: String,
}

impl Oracle {
    /// TGW-13, TGW-14, NACL-22, NACL-23: by the VPC's attachment, if it has a subnet in this one's zone.
    pub(super) fn enter_transit<'a>(
        &self,
        walk: &mut Walk<'a>,
        from: &'a SubnetName,
        gateway: &'a TransitGatewayName,
    ) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let here = &topology.subnets[from];
        let (name, attachment) = topology
            .transit_gateway_vpc_attachments
            .iter()
            .find(|(_, a)| {
                a.transit_gateway == *gateway && a.vpc == here.vpc && a.state == AttachmentState::Available
            })
            .ok_or(Reason::Blackhole)?;
        let door = in_zone(topology, attachment, &here.availability_zone).ok_or(Reason::Gateway)?;
        acl(&topology.network_acls[&topology.subnets[door].network_acl], &walk.packet, false)?;
        self.switch(walk, gateway, &AttachmentName::Vpc(name.clone()), Some(door))
    }

    pub(super) fn switch<'a>(
        &self,
        walk: &mut Walk<'a>,
        gateway: &'a TransitGatewayName,
        entered: &AttachmentName,
        door: Option<&'a SubnetName>,
    ) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let table = table_of(topology, gateway, entered).ok_or(Reason::Gateway)?;
        let route = longest(table, walk.packet.dst).ok_or(Reason::NoRoute)?;
        if route.state == TransitGatewayRouteState::Blackhole {
            return Err(Reason::Blackhole);
        }
        // TGW-42
        walk.packet.ttl = walk.packet.ttl.checked_sub(1).filter(|ttl| *ttl > 0).ok_or(Reason::Expired)?;
        let is_vpn = |name: &AttachmentName| matches!(name, AttachmentName::Vpn(_));
        let mtu = if is_vpn(entered) || is_vpn(&route.attachments[0]) { VPN_MTU } else { TRANSIT_MTU };
        if walk.packet.len() > mtu {
            // TGW-26
            let tells = matches!(entered, AttachmentName::Vpc(_))
                && topology.settings.transit_gateway_path_mtu_discovery
                && (walk.packet.is_ipv6() || !walk.packet.may_be_cut);
            if tells {
                walk.complain(ErrorKind::TooBig, None);
            }
            return Err(Reason::TooLarge);
        }
        match &route.attachments[0] {
            AttachmentName::Peering(name) => {
                let peering = &topology.transit_gateway_peering_attachments[name];
                let ends = [&peering.transit_gateway, &peering.peer_transit_gateway];
                let other = if ends[0] == gateway { ends[1] } else { ends[0] };
                walk.sender = None;
                walk.crossed.note(Gateway::TransitPeering);
                self.switch(walk, other, &AttachmentName::Peering(name.clone()), None)
            }
            AttachmentName::Vpn(name) => {
                walk.sender = None;
                self.out_by_vpn(walk, name)
            }
            AttachmentName::DxGateway(name) => {
                walk.sender = None;
                self.out_by_dx_gateway(walk, name)
            }
            AttachmentName::Vpc(name) => {
                let attachment = &topology.transit_gateway_vpc_attachments[name];
                let refers = match entered {
                    AttachmentName::Vpc(name) => {
                        topology.transit_gateway_vpc_attachments[name].security_group_referencing_support
                    }
                    _ => false,
                };
                if !(refers && attachment.security_group_referencing_support) {
                    // SG-11
                    walk.sender = None;
                }
                let out = self.placed(walk, gateway, name.as_str(), attachment, door);
                walk.came_by = None;
                walk.crossed.note(Gateway::Transit);
                walk.by_transit = true;
                walk.by_dx = None;
                walk.out_of_transit = true;
                self.at_router(walk, out)
            }
        }
    }

    /// The subnet by which a packet goes into a VPC (TGW-20, TGW-22, TGW-24, TGW-52, TGW-54).
    fn placed<'a>(
        &self,
        walk: &mut Walk<'a>,
        gateway: &TransitGatewayName,
        name: &str,
        attachment: &'a TransitGatewayVpcAttachment,
        door: Option<&SubnetName>,
    ) -> &'a SubnetName {
        let topology = walk.topology;
        let zone = zone_of_attachment(topology, gateway, name, attachment, door, &walk.packet);
        let only = zone.and_then(|zone| in_zone(topology, attachment, zone));
        let told = walk.doors.get(walk.doors_met);
        walk.doors_met += 1;
        let found = told.and_then(|told| attachment.subnets.keys().find(|subnet| subnet.as_str() == told));
        let chosen = match (only, found) {
            (Some(only), _) => only,
            (None, Some(found)) => found,
            (None, None) => {
                // Whoever is told of a packet's death: nobody says which way the telling goes.
                walk.unsure = true;
                attachment.subnets.keys().next().expect("an attachment has a subnet")
            }
        };
        if told.is_some_and(|told| told != chosen.as_str()) {
            walk.objection = Some(format!("{name} is left by {told:?} and not by {chosen}"));
        }
        let is_error = matches!(walk.packet.body, Body::Error { .. });
        // Where a packet goes round, the plan ends sooner than this walk, and nobody says any more which way it goes.
        let is_known = only.is_some() || found.is_some();
        if attachment.appliance_mode_support && !is_error && is_known {
            let (one, other) = ends_of(&walk.packet);
            let mut ends = [one, other];
            ends.sort_unstable();
            let protocol = walk.packet.protocol();
            let placed =
                Placed { attachment: name.to_owned(), ends, protocol, subnet: chosen.as_str().to_owned() };
            let another = self.placed.iter().find(|other| {
                (&other.attachment, other.ends, other.protocol) == (&placed.attachment, ends, protocol)
            });
            if another.is_some_and(|another| another.subnet != placed.subnet) {
                walk.objection = Some(format!("a flow changes its zone: {placed:?}"));
            }
            walk.newly_placed.push(placed);
        }
        chosen
    }
}

/// The subnet by which a packet that goes to a transit gateway from a subnet comes into another VPC, if it does. Where the
/// gateway has a choice, the one it says it takes.
pub(super) fn ahead<'a>(
    topology: &'a Topology,
    from: &SubnetName,
    gateway: &TransitGatewayName,
    packet: &Packet,
    told: Option<&str>,
) -> Option<&'a SubnetName> {
    let here = &topology.subnets[from];
    let mut attachments = topology.transit_gateway_vpc_attachments.iter();
    let (name, attachment) = attachments.find(|(_, a)| {
        a.transit_gateway == *gateway && a.vpc == here.vpc && a.state == AttachmentState::Available
    })?;
    let mut door = Some(in_zone(topology, attachment, &here.availability_zone)?);
    let (mut gateway, mut entered) = (gateway, AttachmentName::Vpc(name.clone()));
    for _ in 0..8 {
        let route = longest(table_of(topology, gateway, &entered)?, packet.dst)?;
        match route.attachments.first().filter(|_| route.state == TransitGatewayRouteState::Active)? {
            AttachmentName::Vpc(name) => {
                let attachment = &topology.transit_gateway_vpc_attachments[name];
                let only = zone_of_attachment(topology, gateway, name.as_str(), attachment, door, packet);
                let only = only.and_then(|zone| in_zone(topology, attachment, zone));
                let told = || attachment.subnets.keys().find(|subnet| Some(subnet.as_str()) == told);
                return only.or_else(told).or_else(|| attachment.subnets.keys().next());
            }
            AttachmentName::Peering(name) => {
                let peering = &topology.transit_gateway_peering_attachments[name];
                gateway = if peering.transit_gateway == *gateway {
                    &peering.peer_transit_gateway
                } else {
                    &peering.transit_gateway
                };
                (entered, door) = (AttachmentName::Peering(name.clone()), None);
            }
            AttachmentName::Vpn(_) | AttachmentName::DxGateway(_) => return None,
        }
    }
    None
}

/// The zone by which a packet has to go into a VPC (TGW-20, TGW-22, TGW-52, TGW-54); none where any will do.
fn zone_of_attachment<'a>(
    topology: &'a Topology,
    gateway: &TransitGatewayName,
    name: &str,
    attachment: &TransitGatewayVpcAttachment,
    door: Option<&SubnetName>,
    packet: &Packet,
) -> Option<&'a str> {
    if !attachment.appliance_mode_support {
        return door.map(|subnet| topology.subnets[subnet].availability_zone.as_str());
    }
    let this = topology.transit_gateway_vpc_attachments.keys().find(|key| key.as_str() == name);
    let table = table_of(topology, gateway, &AttachmentName::Vpc(this?.clone()))?;
    if table.propagations.is_empty() {
        return None;
    }
    let (one, other) = ends_of(packet);
    match [zone_of(topology, table, one.0), zone_of(topology, table, other.0)] {
        [Some(one), Some(other)] => (one == other).then_some(one),
        [one, other] => one.or(other),
    }
}

/// TGW-02, TGW-04.
pub(super) fn table_of<'a>(
    topology: &'a Topology,
    gateway: &TransitGatewayName,
    attachment: &AttachmentName,
) -> Option<&'a TransitGatewayRouteTable> {
    topology
        .transit_gateway_route_tables
        .values()
        .find(|table| table.transit_gateway == *gateway && table.associations.contains(attachment))
}

/// TGW-05; of equal ones only the preferred is in the table.
fn longest(table: &TransitGatewayRouteTable, destination: IpAddr) -> Option<&TransitGatewayRoute> {
    let matching = table.routes.iter().filter(|route| route.destination.contains(&destination));
    matching.max_by_key(|route| route.destination.prefix_len())
}

fn in_zone<'a>(
    topology: &Topology,
    attachment: &'a TransitGatewayVpcAttachment,
    zone: &str,
) -> Option<&'a SubnetName> {
    attachment.subnets.keys().find(|subnet| topology.subnets[*subnet].availability_zone == zone)
}

/// The zone of whoever has an address, as far as a table leads to a VPC that somebody in has it.
fn zone_of<'a>(topology: &'a Topology, table: &TransitGatewayRouteTable, address: IpAddr) -> Option<&'a str> {
    let route = longest(table, address)?;
    let AttachmentName::Vpc(name) = route.attachments.first()? else { return None };
    if route.state != TransitGatewayRouteState::Active {
        return None;
    }
    let attachment = &topology.transit_gateway_vpc_attachments[name];
    let eni = owner(topology, &attachment.vpc, address)?;
    Some(&topology.subnets[&topology.network_interfaces[eni].subnet].availability_zone)
}

/// The ends of a packet's flow; an error belongs to the flow that it is about.
fn ends_of(packet: &Packet) -> ((IpAddr, u16), (IpAddr, u16)) {
    let (src, dst, ports) = match packet.body {
        Body::Error { about, .. } => (about.src, about.dst, about.ports().unwrap_or_default()),
        Body::Tcp { src, dst, .. } | Body::Udp { src, dst } => (packet.src, packet.dst, (src, dst)),
        Body::Echo { id, .. } => (packet.src, packet.dst, (id, id)),
        Body::Other(_) => (packet.src, packet.dst, (0, 0)),
    };
    ((src, ports.0), (dst, ports.1))
}
