//! What kind of frame is this, before it is a packet?
//!
//! Frames come in at a [`Port`]. Address resolution is answered from what the control plane knows, never from what
//! guests say (L2-03..L2-06); everything else is given an [`Origin`] for its walk, by whom the frame is addressed to
//! (PIPE-13).

use std::net::IpAddr;

use vpclab_wire::{Arp, ArpOperation, Body, Headers, IcmpMessage, IpHeaders, MacAddr, Transport};

use crate::fabric::{Fabric, INTERNET_MAC, mac_of_link_local};
use crate::index::{EniIdx, HostIdx};
use crate::plan::{Answer, Context, NextHop, Origin, Plan, Verdict, plan};
use crate::reason::DropReason;
use crate::step::Probe;

/// Where frames come in and go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// An interface.
    Interface(EniIdx),
    /// An internet host.
    Host(HostIdx),
}

/// Decides about a frame that came in at `port`. `probe` is told each step.
pub fn plan_frame(cx: &Context<'_>, port: Port, headers: &Headers, probe: &mut impl Probe) -> Plan {
    match admit(cx.fabric, port, headers) {
        Ok(Admitted::Answer(answer)) => {
            Plan { verdict: Verdict::Reply(answer), effects: Default::default(), born: None }
        }
        Ok(Admitted::Packet(origin, packet)) => plan(cx, origin, packet, probe),
        Err(reason) => Plan::dropped(reason),
    }
}

/// A frame that made sense at its port.
enum Admitted<'a> {
    /// The platform answers.
    Answer(Answer),
    /// A packet sets out.
    Packet(Origin, &'a IpHeaders),
}

fn admit<'a>(fabric: &Fabric, port: Port, headers: &'a Headers) -> Result<Admitted<'a>, DropReason> {
    match port {
        Port::Interface(eni) => {
            // A guest may go on sending for a moment after its interface was detached or removed.
            let Some(interface) = fabric.enis.get(eni).filter(|interface| interface.attachment.is_some())
            else {
                return Err(DropReason::NotAttached { eni });
            };
            if headers.src_mac != interface.mac {
                return Err(DropReason::SpoofedMac);
            }
            match &headers.body {
                Body::Arp(arp) => resolve_arp(fabric, eni, arp).map(Admitted::Answer),
                Body::Ip(packet) => match resolve_neighbor(fabric, eni, packet) {
                    Some(answer) => answer.map(Admitted::Answer),
                    None => {
                        let next_hop = next_hop(fabric, eni, headers.dst_mac, packet)?;
                        Ok(Admitted::Packet(Origin::Interface { eni, next_hop }, packet))
                    }
                },
            }
        }
        Port::Host(host) => admit_from_host(fabric, host, headers),
    }
}

/// Whom the frame is addressed to. What is sent to all goes to the router too: there it dies for its own reason.
fn next_hop(
    fabric: &Fabric,
    eni: EniIdx,
    dst_mac: MacAddr,
    packet: &IpHeaders,
) -> Result<NextHop, DropReason> {
    let subnet = fabric.enis[eni].subnet;
    if dst_mac == fabric.subnets[subnet].router.mac {
        return Ok(NextHop::Router);
    }
    if dst_mac.is_multicast() {
        let to_all = packet.dst.is_multicast()
            || packet.dst == IpAddr::V4(std::net::Ipv4Addr::BROADCAST)
            || Some(packet.dst) == fabric.subnets[subnet].broadcast().map(IpAddr::V4);
        return if to_all { Ok(NextHop::Router) } else { Err(DropReason::Broadcast) };
    }
    fabric.interface_with_mac(subnet, dst_mac).map(NextHop::Neighbor).ok_or(DropReason::UnknownMac)
}

/// Who has this IPv4 address? Answered for interfaces of the subnet and its router; an interface that asks for its own
/// address is probing for a duplicate and gets no answer (RFC 5227).
fn resolve_arp(fabric: &Fabric, eni: EniIdx, arp: &Arp) -> Result<Answer, DropReason> {
    if arp.operation != ArpOperation::Request {
        return Err(DropReason::UnansweredResolution);
    }
    hardware_address(fabric, eni, IpAddr::V4(arp.target_ip))
        .map(|(mac, _)| Answer::Arp(mac))
        .ok_or(DropReason::UnansweredResolution)
}

/// The same for IPv6; none when the packet is no such question.
fn resolve_neighbor(fabric: &Fabric, eni: EniIdx, packet: &IpHeaders) -> Option<Result<Answer, DropReason>> {
    let Transport::Icmp(icmp) = packet.transport else { return None };
    match icmp.message {
        IcmpMessage::NeighborSolicitation { target, .. } => Some(
            hardware_address(fabric, eni, IpAddr::V6(target))
                .map(|(mac, router)| Answer::NeighborAdvertisement { target, mac, router })
                .ok_or(DropReason::UnansweredResolution),
        ),
        IcmpMessage::RouterSolicitation => Some(Ok(Answer::RouterAdvertisement(fabric.enis[eni].subnet))),
        IcmpMessage::NeighborAdvertisement { .. } => Some(Err(DropReason::UnansweredResolution)),
        _ => None,
    }
}

/// The hardware address that `address` has on the subnet of `eni`, and whether it is the router's.
fn hardware_address(fabric: &Fabric, eni: EniIdx, address: IpAddr) -> Option<(MacAddr, bool)> {
    let interface = &fabric.enis[eni];
    let subnet = &fabric.subnets[interface.subnet];
    let reserved_for_resolver = match (address, subnet.ipv4) {
        (IpAddr::V4(address), Some(block)) => {
            u32::from(address).wrapping_sub(u32::from(block.network())) == 2 || address.is_link_local()
        }
        _ => false,
    };
    if subnet.router.owns(address) || reserved_for_resolver {
        return Some((subnet.router.mac, true));
    }
    let owner = match address {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            fabric.interface_with_mac(interface.subnet, mac_of_link_local(address)?)?
        }
        _ => fabric.interface_at(interface.vpc, address)?,
    };
    let owner_interface = &fabric.enis[owner];
    let answered = owner != eni && owner_interface.subnet == interface.subnet;
    answered.then_some((owner_interface.mac, false))
}

/// A host of the internet has one neighbour, its gateway, which has every address but the host's own.
fn admit_from_host<'a>(
    fabric: &Fabric,
    host: HostIdx,
    headers: &'a Headers,
) -> Result<Admitted<'a>, DropReason> {
    let Some(entry) = fabric.hosts.get(host) else { return Err(DropReason::SpoofedMac) };
    if headers.src_mac != entry.mac {
        return Err(DropReason::SpoofedMac);
    }
    let is_own =
        |address: IpAddr| entry.addresses.contains(&address) || address == IpAddr::V6(entry.link_local);
    match &headers.body {
        Body::Arp(arp) if arp.operation == ArpOperation::Request && !is_own(IpAddr::V4(arp.target_ip)) => {
            Ok(Admitted::Answer(Answer::Arp(INTERNET_MAC)))
        }
        Body::Arp(_) => Err(DropReason::UnansweredResolution),
        Body::Ip(packet) => {
            if let Transport::Icmp(icmp) = packet.transport {
                match icmp.message {
                    IcmpMessage::NeighborSolicitation { target, .. } if !is_own(IpAddr::V6(target)) => {
                        let mac = INTERNET_MAC;
                        let answer = Answer::NeighborAdvertisement { target, mac, router: true };
                        return Ok(Admitted::Answer(answer));
                    }
                    IcmpMessage::NeighborSolicitation { .. }
                    | IcmpMessage::NeighborAdvertisement { .. }
                    | IcmpMessage::RouterSolicitation => return Err(DropReason::UnansweredResolution),
                    _ => {}
                }
            }
            if headers.dst_mac != INTERNET_MAC && !headers.dst_mac.is_multicast() {
                return Err(DropReason::UnknownMac);
            }
            Ok(Admitted::Packet(Origin::Host(host), packet))
        }
    }
}
