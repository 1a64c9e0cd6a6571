//! What does a NAT gateway do with a packet? (area NAT)
//!
//! Which address and port it lends is its own to choose: the oracle is told, says whether that was a choice it had, and
//! holds it to it. What is remembered of a flow is the list of its packets, as for interfaces.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vpclab_model::{
    Forwards, NatGatewayState, PublicIp, RouteState, RouteTarget, SubnetName, Topology, VpcName,
};

use super::addresses::{has_address, owner};
use super::memory::{Flow, Passage, Story};
use super::routes::route;
use super::telling::Telling;
use super::{Gateway, Oracle, Place, Reason, Walk};
use crate::packet::{Body, ErrorKind, Flags, Packet, Piece, Quoted, QuotedTransport};

/// NAT-10, NAT-37.
const IDLE: Duration = Duration::from_secs(350);
/// NAT-04.
const FLOWS_TO_ONE_DESTINATION: usize = 55_000;
/// NAT-14, MTU-04.
const NAT_MTU: usize = 8500;

/// What a gateway says it lends to a packet that opens a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The gateway.
    pub gateway: String,
    /// One of its private addresses.
    pub address: Ipv4Addr,
    /// The port, or the identifier of an echo.
    pub port: u16,
}

/// A flow that an address and a port are lent for.
#[derive(Debug, Clone)]
pub(super) struct Lent {
    gateway: String,
    /// What makes the gateway the one it was: its VPC and subnet, primary address and the public one of that.
    identity: Identity,
    client: Side,
    far: Far,
    public: Option<Ipv4Addr>,
    turns: Vec<Passage>,
}

/// An address that a gateway has lost and whose flows may go on (NAT-21, NAT-42).
#[derive(Debug, Clone)]
pub(super) struct Draining {
    gateway: String,
    identity: Identity,
    address: Ipv4Addr,
    public: Option<Ipv4Addr>,
    until: Duration,
}

type Identity = (VpcName, SubnetName, Option<Ipv4Addr>, Option<Ipv4Addr>);

/// A flow as the client writes it. For echo the identifier is the source port, and there is no other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Side {
    protocol: u8,
    src: IpAddr,
    src_port: u16,
    dst: IpAddr,
    dst_port: u16,
}

/// The same as the far side sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Far {
    protocol: u8,
    address: Ipv4Addr,
    port: u16,
    remote: Ipv4Addr,
    remote_port: u16,
}

/// What a packet does to the memory of a gateway if it gets anywhere.
pub(super) enum Mapping {
    New(Lent),
    Turn(Lent, Passage),
}

impl Oracle {
    /// A packet is at a gateway, from a client inside or from elsewhere.
    pub(super) fn through_nat<'a>(
        &self,
        walk: &mut Walk<'a>,
        name: &'a str,
        from_inside: bool,
    ) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let nat = &topology.nat_gateways[name];
        let is_udp = matches!(walk.packet.body, Body::Udp { .. });
        // What was cut on its way here comes in pieces, too.
        let is_piece = walk.packet.piece != Piece::Whole || walk.cut_to.is_some();
        if matches!(walk.packet.body, Body::Other(_)) || is_piece && !is_udp {
            // NAT-03, NAT-09
            return Err(Reason::Gateway);
        }
        if walk.nat.contains(&name) || walk.nat.len() == 2 || nat.state != NatGatewayState::Available {
            // NAT-16, NAT-27
            return Err(Reason::Gateway);
        }
        if from_inside {
            // NAT-15, NAT-45
            if !is_client(walk, &nat.subnet) {
                return Err(Reason::Gateway);
            }
            self.out_by_nat(walk, name)?;
        } else {
            self.back_by_nat(walk, name)?;
        }
        walk.nat.push(name);
        walk.crossed.note(Gateway::Nat);
        walk.sender = None;
        walk.auto_tracked = true;
        walk.came_by = None;
        walk.by_transit = false;
        walk.out_of_nat = true;
        self.at_router(walk, &nat.subnet)
    }

    fn out_by_nat(&self, walk: &mut Walk<'_>, name: &str) -> Result<(), Reason> {
        let topology = walk.topology;
        hop(walk, name)?;
        if let Body::Error { about, .. } = walk.packet.body {
            // NAT-38: about what came back by the gateway.
            let client = Side::of_quoted(&about).ok_or(Reason::Gateway)?;
            let known = self.lent_in(walk, name).find(|lent| lent.client == client).cloned();
            let lent = known.filter(|_| walk.packet.dst == about.src).ok_or(Reason::Gateway)?;
            let mut about = about;
            if walk.packet.is_ipv6() {
                walk.packet.dst = IpAddr::V4(lent.far.remote);
                about.src = IpAddr::V4(lent.far.remote);
            }
            walk.packet.src = IpAddr::V4(lent.far.address);
            about.dst = IpAddr::V4(lent.far.address);
            about.transport = with_ports(about.transport, None, Some(lent.far.port));
            set_about(&mut walk.packet, about);
            return Ok(());
        }
        let client = Side::of(&walk.packet).ok_or(Reason::Gateway)?;
        let flags = flags(&walk.packet);
        let known = self.lent_in(walk, name).find(|lent| lent.client == client).cloned();
        let goes_on = known.filter(|lent| !(lent.is_over() && flags == Some(Flags::Syn)));
        let (far, turn) = match goes_on {
            Some(lent) => {
                let turn = turn(walk, name, true);
                (lent.far.clone(), Mapping::Turn(lent, turn))
            }
            None => {
                // NAT-10, NAT-22: only the inside hears of what was forgotten.
                match walk.packet.body {
                    Body::Tcp { flags: Flags::Syn, .. } => {}
                    Body::Tcp { flags: Flags::Rst, .. } | Body::Echo { reply: true, .. } => {
                        return Err(Reason::Gateway);
                    }
                    Body::Tcp { src, dst, .. } => {
                        let reset = Body::Tcp { src: dst, dst: src, flags: Flags::Rst };
                        walk.telling = Some(Telling {
                            subnet: topology.nat_gateways[name].subnet.clone(),
                            by_router: false,
                            packet: Packet::of(walk.packet.dst, walk.packet.src, reset),
                        });
                        return Err(Reason::Gateway);
                    }
                    _ => {}
                }
                let far = self.lend(walk, name, &client)?;
                let nat = &topology.nat_gateways[name];
                let eni = &topology.network_interfaces[&nat.network_interface];
                let lent = Lent {
                    gateway: name.to_owned(),
                    identity: identity(topology, name),
                    client,
                    public: eni.public_ips.get(&far.address).map(|public| public.address),
                    far: far.clone(),
                    turns: vec![Passage { opens: Some(true), ..turn(walk, name, true) }],
                };
                (far, Mapping::New(lent))
            }
        };
        walk.mapped.push(turn);
        walk.packet.src = IpAddr::V4(far.address);
        if walk.packet.dst.is_ipv6() {
            walk.packet.dst = IpAddr::V4(far.remote);
            // RFC 7915 5.1: what fits into the least MTU of IPv6 may be cut, and so may a fragment.
            walk.packet.may_be_cut = walk.packet.piece != Piece::Whole || walk.packet.len() <= 1260;
        }
        walk.packet.body = match walk.packet.body {
            Body::Tcp { dst, flags, .. } => Body::Tcp { src: far.port, dst, flags },
            Body::Udp { dst, .. } => Body::Udp { src: far.port, dst },
            Body::Echo { reply, .. } => Body::Echo { id: far.port, reply },
            other => other,
        };
        Ok(())
    }

    fn back_by_nat(&self, walk: &mut Walk<'_>, name: &str) -> Result<(), Reason> {
        if let Body::Error { about, .. } = walk.packet.body {
            let far = Far::of_quoted(&about).ok_or(Reason::Gateway)?;
            let known = self.lent_in(walk, name).find(|lent| lent.far == far).cloned();
            let lent = known.filter(|_| walk.packet.dst == about.src).ok_or(Reason::Gateway)?;
            hop(walk, name)?;
            let mut about = about;
            if let (IpAddr::V6(_), IpAddr::V4(reporter)) = (lent.client.src, walk.packet.src) {
                walk.packet.src = IpAddr::V6(in_ipv6(reporter));
                about.dst = lent.client.dst;
            }
            walk.packet.dst = lent.client.src;
            about.src = lent.client.src;
            about.transport = with_ports(about.transport, Some(lent.client.src_port), None);
            set_about(&mut walk.packet, about);
            return Ok(());
        }
        // NAT-11, NAT-12, NAT-15, NAT-45
        let far = Far::of_answer(&walk.packet).ok_or(Reason::Gateway)?;
        let known = self.lent_in(walk, name).find(|lent| lent.far == far).cloned();
        let lent = known.ok_or(Reason::Gateway)?;
        hop(walk, name)?;
        let turn = turn(walk, name, false);
        walk.mapped.push(Mapping::Turn(lent.clone(), turn));
        // NAT-28, NAT-31
        walk.packet.src = lent.client.dst;
        walk.packet.dst = lent.client.src;
        let port = lent.client.src_port;
        walk.packet.body = match walk.packet.body {
            Body::Tcp { src, flags, .. } => Body::Tcp { src, dst: port, flags },
            Body::Udp { src, .. } => Body::Udp { src, dst: port },
            Body::Echo { reply, .. } => Body::Echo { id: port, reply },
            other => other,
        };
        Ok(())
    }

    /// The gateway's choice, found to be one that it had.
    fn lend(&self, walk: &mut Walk<'_>, name: &str, client: &Side) -> Result<Far, Reason> {
        let nat = &walk.topology.nat_gateways[name];
        let own = walk.topology.network_interfaces[&nat.network_interface].private_ips();
        let is_lost =
            |address| self.draining.iter().any(|lost| lost.gateway == name && lost.address == address);
        let own: Vec<_> = own.filter(|address| !is_lost(*address)).collect();
        let remote = match client.dst {
            IpAddr::V4(remote) => remote,
            IpAddr::V6(remote) => in_ipv4(remote).ok_or(Reason::Gateway)?,
        };
        let protocol = if client.protocol == 58 { 1 } else { client.protocol };
        let to = |address, port| Far { protocol, address, port, remote, remote_port: client.dst_port };
        let in_use = |address: Ipv4Addr| -> BTreeSet<u16> {
            let flows = self.lent_in(walk, name).filter(|lent| lent.client != *client);
            flows.filter(|l| Far { port: 0, ..l.far.clone() } == to(address, 0)).map(|l| l.far.port).collect()
        };
        if own.iter().all(|address| in_use(*address).len() >= FLOWS_TO_ONE_DESTINATION) {
            // NAT-04, NAT-05
            return Err(Reason::Gateway);
        }
        let Some(offer) = walk.offers.iter().find(|offer| offer.gateway == name) else {
            // It dies further on, or the gateway has said nothing where it should have.
            walk.lacks_an_offer = true;
            return Ok(to(own[0], 0));
        };
        let taken = in_use(offer.address);
        // NAT-06, NAT-39
        let objection = if !own.contains(&offer.address) {
            Some("is no address of the gateway")
        } else if offer.port < 1024 {
            Some("has a port below 1024")
        } else if taken.contains(&offer.port) {
            Some("is lent already for this destination")
        } else if taken.len() >= FLOWS_TO_ONE_DESTINATION {
            Some("is of an address that serves as many flows as it may")
        } else {
            None
        };
        if let Some(objection) = objection {
            walk.objection = Some(format!("{offer:?} {objection}"));
        }
        Ok(to(offer.address, offer.port))
    }

    /// The flows that a gateway still has.
    fn lent_in<'a>(&'a self, walk: &'a Walk<'_>, name: &'a str) -> impl Iterator<Item = &'a Lent> {
        let (topology, now) = (walk.topology, walk.now);
        let is_drained = move |lent: &Lent| {
            let lost =
                self.draining.iter().find(|lost| lost.gateway == name && lost.address == lent.far.address);
            lost.is_some_and(|lost| lost.until < now)
        };
        let own = self.lent.iter().filter(move |lent| lent.gateway == name);
        own.filter(move |lent| lent.is_live(topology, now) && !is_drained(lent))
    }

    /// The topology as packets see it: with the addresses that gateways have lost.
    pub(super) fn with_draining(&self, topology: &Topology) -> Option<Topology> {
        let mut patched = (!self.draining.is_empty()).then(|| topology.clone())?;
        for lost in &self.draining {
            let interface = &patched.nat_gateways[lost.gateway.as_str()].network_interface;
            let eni = patched.network_interfaces.get_mut(interface)?;
            eni.secondary_private_ips.push(lost.address);
            if let Some(address) = lost.public {
                eni.public_ips.insert(lost.address, PublicIp { address, eip: None });
            }
        }
        Some(patched)
    }

    /// Which addresses gateways have lost that are still the same, and nobody else has.
    pub(super) fn drain(&mut self, previous: &Topology, topology: &Topology, now: Duration) {
        for (name, before) in &previous.nat_gateways {
            let Some(nat) = topology.nat_gateways.get(name) else { continue };
            let eni = &previous.network_interfaces[&before.network_interface];
            let works = before.state == NatGatewayState::Available;
            for address in eni.private_ips().filter(|_| works) {
                self.draining.push(Draining {
                    gateway: name.to_string(),
                    identity: identity(previous, name.as_str()),
                    address,
                    public: eni.public_ips.get(&address).map(|public| public.address),
                    until: now + Duration::from_secs(nat.max_drain_duration_seconds.into()),
                });
            }
        }
        self.draining.retain(|lost| {
            let Some(nat) = topology.nat_gateways.get(lost.gateway.as_str()) else { return false };
            let subnet = &topology.subnets[&nat.subnet];
            let is_public = |address: Option<Ipv4Addr>| address.is_some() && address == lost.public;
            let taken = topology.network_interfaces.values().any(|eni| {
                eni.public_ips.values().any(|public| is_public(Some(public.address)))
                    || has_address(eni, IpAddr::V4(lost.address))
                        && topology.subnets[&eni.subnet].vpc == subnet.vpc
            });
            let hosts = topology.internet_hosts.values().map(|host| host.address);
            let mut hosts = hosts.chain(topology.services.values().map(|service| service.address));
            nat.state == NatGatewayState::Available
                && identity(topology, &lost.gateway) == lost.identity
                && subnet.cidr_block.is_some_and(|block| block.contains(&lost.address))
                && !taken
                && !hosts.any(is_public)
        });
    }

    /// Takes note of what became of flows.
    pub(super) fn map(&mut self, mappings: Vec<Mapping>) {
        for mapping in mappings {
            match mapping {
                Mapping::New(new) => {
                    self.lent.retain(|old| {
                        old.gateway != new.gateway || (old.client != new.client && old.far != new.far)
                    });
                    self.lent.push(new);
                }
                Mapping::Turn(of, turn) => {
                    let is_it = |lent: &&mut Lent| lent.gateway == of.gateway && lent.client == of.client;
                    if let Some(lent) = self.lent.iter_mut().find(is_it) {
                        lent.turns.push(turn);
                    }
                }
            }
        }
    }

    /// NAT-18, NAT-41, NAT-47: a gateway that is gone, or is another one under its name, has none of the flows.
    pub(super) fn forget_lent(&mut self, topology: &Topology) {
        self.lent.retain(|lent| {
            topology.nat_gateways.contains_key(lent.gateway.as_str())
                && identity(topology, &lent.gateway) == lent.identity
        });
    }
}

impl Lent {
    fn is_over(&self) -> bool {
        Story::of(&self.turns).is_some_and(|story| story.is_over())
    }

    fn is_live(&self, topology: &Topology, now: Duration) -> bool {
        let Some(nat) = topology.nat_gateways.get(self.gateway.as_str()) else { return false };
        let eni = &topology.network_interfaces[&nat.network_interface];
        // NAT-47
        let is_there = nat.state == NatGatewayState::Available
            && eni.private_ips().any(|address| address == self.far.address)
            && eni.public_ips.get(&self.far.address).map(|public| public.address) == self.public;
        let last = self.turns.last().map_or(Duration::ZERO, |turn| turn.at);
        let limit = if self.is_over() {
            Duration::from_secs(topology.settings.tcp_closing_timeout.into())
        } else {
            IDLE
        };
        is_there && now.saturating_sub(last) <= limit
    }
}

impl Side {
    fn of(packet: &Packet) -> Option<Self> {
        let (src_port, dst_port) = match packet.body {
            Body::Tcp { src, dst, .. } | Body::Udp { src, dst } => (src, dst),
            Body::Echo { id, .. } => (id, 0),
            Body::Error { .. } | Body::Other(_) => return None,
        };
        Some(Self { protocol: packet.protocol(), src: packet.src, src_port, dst: packet.dst, dst_port })
    }

    /// Of the packet that the client complains about: it came to the client.
    fn of_quoted(about: &Quoted) -> Option<Self> {
        let icmp = if about.src.is_ipv6() { 58 } else { 1 };
        let (protocol, src_port, dst_port) = match about.transport {
            QuotedTransport::Tcp(src, dst) => (6, dst, src),
            QuotedTransport::Udp(src, dst) => (17, dst, src),
            QuotedTransport::Echo { id, reply: true } => (icmp, id, 0),
            QuotedTransport::Echo { reply: false, .. } | QuotedTransport::Other(_) => return None,
        };
        Some(Self { protocol, src: about.dst, src_port, dst: about.src, dst_port })
    }
}

impl Far {
    /// Of a packet that comes to the gateway's address.
    fn of_answer(packet: &Packet) -> Option<Self> {
        let (IpAddr::V4(remote), IpAddr::V4(address)) = (packet.src, packet.dst) else { return None };
        let (remote_port, port) = match packet.body {
            Body::Tcp { src, dst, .. } | Body::Udp { src, dst } => (src, dst),
            Body::Echo { id, reply: true } => (0, id),
            Body::Echo { reply: false, .. } | Body::Error { .. } | Body::Other(_) => return None,
        };
        Some(Self { protocol: packet.protocol(), address, port, remote, remote_port })
    }

    /// Of the packet that somebody outside complains about: it came from the gateway.
    fn of_quoted(about: &Quoted) -> Option<Self> {
        let (IpAddr::V4(address), IpAddr::V4(remote)) = (about.src, about.dst) else { return None };
        let (protocol, port, remote_port) = match about.transport {
            QuotedTransport::Tcp(src, dst) => (6, src, dst),
            QuotedTransport::Udp(src, dst) => (17, src, dst),
            QuotedTransport::Echo { id, reply: false } => (1, id, 0),
            QuotedTransport::Echo { reply: true, .. } | QuotedTransport::Other(_) => return None,
        };
        Some(Self { protocol, address, port, remote, remote_port })
    }
}

/// OQ-10: an interface of the VPC, or who has come in by a transit gateway. Where an instance has sent the packet on, the
/// way back tells: by a transit gateway, at once or from the subnet of the instance that it leads to.
fn is_client(walk: &Walk<'_>, subnet: &SubnetName) -> bool {
    let topology = walk.topology;
    let src = walk.packet.src;
    let back = |subnet: &SubnetName| {
        let table = &topology.subnets[subnet].route_table;
        let found = route(topology, &topology.route_tables[table].routes, src);
        found.filter(|route| route.state == RouteState::Active).map(|route| &route.target)
    };
    let by_transit = |target: Option<&RouteTarget>| matches!(target, Some(RouteTarget::TransitGateway(_)));
    walk.by_transit
        || owner(topology, &topology.subnets[subnet].vpc, src).is_some()
        || match back(subnet) {
            Some(RouteTarget::NetworkInterface(next)) => {
                let instance = topology.network_interfaces[next].attachment.as_ref().map(|at| &at.instance);
                let by = match instance.map(|instance| &topology.instances[instance].forwards) {
                    Some(Forwards::Interface(other)) => other,
                    _ => next,
                };
                by_transit(back(&topology.network_interfaces[by].subnet))
            }
            target => by_transit(target),
        }
}

/// NAT-13, NAT-14: a gateway is a hop, and has a limit; it speaks with its primary address.
fn hop(walk: &mut Walk<'_>, name: &str) -> Result<(), Reason> {
    let topology = walk.topology;
    let nat = &topology.nat_gateways[name];
    let own = topology.network_interfaces[&nat.network_interface].private_ips().next();
    let own = own.ok_or(Reason::Gateway)?;
    let own = if walk.packet.is_ipv6() { IpAddr::V6(in_ipv6(own)) } else { IpAddr::V4(own) };
    if walk.packet.ttl <= 1 {
        walk.complain(ErrorKind::TimeExceeded, Some((&nat.subnet, own)));
        return Err(Reason::Expired);
    }
    walk.packet.ttl -= 1;
    walk.fit(NAT_MTU, Some((&nat.subnet, own)))
}

fn identity(topology: &Topology, name: &str) -> Identity {
    let nat = &topology.nat_gateways[name];
    let eni = &topology.network_interfaces[&nat.network_interface];
    let public = eni.private_ip.and_then(|address| eni.public_ips.get(&address)).map(|public| public.address);
    (topology.subnets[&nat.subnet].vpc.clone(), nat.subnet.clone(), eni.private_ip, public)
}

fn flags(packet: &Packet) -> Option<Flags> {
    match packet.body {
        Body::Tcp { flags, .. } => Some(flags),
        _ => None,
    }
}

fn turn(walk: &Walk<'_>, name: &str, from_inside: bool) -> Passage {
    let packet = &walk.packet;
    Passage {
        interface: name.to_owned(),
        flow: Flow::of(packet, packet.src, packet.dst, from_inside),
        outbound: from_inside,
        flags: flags(packet),
        at: walk.now,
        opens: None,
        came_by: None,
    }
}

fn set_about(packet: &mut Packet, new: Quoted) {
    if let Body::Error { about, .. } = &mut packet.body {
        *about = new;
    }
}

fn with_ports(transport: QuotedTransport, source: Option<u16>, destination: Option<u16>) -> QuotedTransport {
    match transport {
        QuotedTransport::Tcp(src, dst) => {
            QuotedTransport::Tcp(source.unwrap_or(src), destination.unwrap_or(dst))
        }
        QuotedTransport::Udp(src, dst) => {
            QuotedTransport::Udp(source.unwrap_or(src), destination.unwrap_or(dst))
        }
        QuotedTransport::Echo { id, reply } => {
            QuotedTransport::Echo { id: source.or(destination).unwrap_or(id), reply }
        }
        other => other,
    }
}

/// RFC 6052, NAT-28.
fn in_ipv6(address: Ipv4Addr) -> Ipv6Addr {
    Ipv6Addr::from(0x0064_ff9b_u128 << 96 | u128::from(u32::from(address)))
}

fn in_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = u128::from(address);
    let last = u32::try_from(bits & u128::from(u32::MAX)).ok()?;
    (bits >> 32 == 0x0064_ff9b_u128 << 64).then_some(Ipv4Addr::from(last))
}
