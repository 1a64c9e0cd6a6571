//! How does a frame go through the engine?
//!
//! Parse, plan, commit, apply: the same four steps for a TAP's frames, for the lab's, and for packets born on the way.
//! [`Engine`] owns what changes, flow memory and counters; where frames go is an [`Outlet`]'s affair.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use vpclab_wire::{
    Body, EmbeddedTranslation, FrameBuf, FrameMut, Headers, IcmpHeader, IcmpMessage, IpHeaders,
    PrefixInformation, Rewrite, RouterAdvertisement, Translation, Transport, Untranslatable, arp_reply,
    echo_reply, fragment_ipv4, icmp_error, ipv4_to_ipv6, ipv6_to_ipv4, neighbor_advertisement, parse,
    rewrite, router_advertisement, tcp_reset,
};

use crate::door::{Port, plan_frame};
use crate::fabric::Fabric;
use crate::flow::endpoint::EndpointFlow;
use crate::flow::nat::Drains;
use crate::flow::{Capacity, FlowTable, Ingress, NatBinding};
use crate::index::{EniIdx, Slot, SubnetIdx};
use crate::packet::{Born, BornPacket};
use crate::plan::{Answer, Context, Egress, Forward, Origin, Plan, Verdict, plan};
use crate::reason::DropReason;
use crate::step::{NoProbe, Probe};
use crate::stop::{endpoint, nat};
use crate::time::Timestamp;

/// How often a packet is planned again when flow memory changed under its plan.
const MAX_ATTEMPTS: usize = 3;

/// How many records a sweep looks at.
const SWEEP_SHARE: usize = 64;

/// The lifetime of a default router that an advertisement gives, in seconds (RFC 4861).
const ROUTER_LIFETIME_SECS: u16 = 1800;

/// Where frames go.
pub trait Outlet {
    /// Sends a frame, with its virtio header, out of `port`.
    fn send(&mut self, port: Port, frame: &[u8]);
}

/// The part of the engine that changes: flow memory and counters.
#[derive(Debug)]
pub struct Engine {
    flows: FlowTable,
    counters: Counters,
    /// When a packet was last refused for want of room.
    looked_for_room: Option<Timestamp>,
    /// The configuration in force.
    generation: u64,
}

/// What has happened so far, in frames: a superframe counts once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames received.
    pub received: u64,
    /// Frames forwarded to an interface or a host.
    pub forwarded: u64,
    /// Frames the platform answered.
    pub answered: u64,
    /// ICMP errors born on the way.
    pub born: u64,
    /// Frames dropped, by port and name of the reason.
    pub dropped: BTreeMap<(Port, &'static str), u64>,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It left by this port.
    Forwarded(Port),
    /// It left for an address of the internet where nobody is.
    LeftForInternet,
    /// It was answered.
    Answered,
    /// It was dropped.
    Dropped(DropReason),
}

impl Engine {
    /// An engine with empty memory, and a secret of its own that ports are chosen by.
    pub fn new(capacity: Capacity) -> Self {
        use std::hash::BuildHasher;
        Self::with_secret(capacity, std::hash::RandomState::new().hash_one(()))
    }

    /// An engine with empty memory that chooses ports as `secret` has it: the same ones for the same secret and the same
    /// packets (PIPE-15).
    pub fn with_secret(capacity: Capacity, secret: u64) -> Self {
        Self {
            flows: FlowTable::new(capacity, secret),
            counters: Counters::default(),
            looked_for_room: None,
            generation: 0,
        }
    }

    /// The memory.
    pub fn flows(&self) -> &FlowTable {
        &self.flows
    }

    /// What has happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes a frame, virtio header included, that came in at `port`, and sends on what becomes of it.
    pub fn receive(
        &mut self,
        fabric: &Fabric,
        now: Timestamp,
        port: Port,
        frame: &mut [u8],
        outlet: &mut impl Outlet,
    ) -> Outcome {
        self.counters.received += 1;
        self.adopt(fabric, now);
        let outcome = match parse(frame) {
            Err(malformed) => Outcome::Dropped(DropReason::Malformed(malformed)),
            Ok(headers) => {
                let (plan, committed) =
                    self.decide(fabric, now, |cx| plan_frame(cx, port, &headers, &mut NoProbe));
                if committed {
                    self.apply(fabric, now, port, frame, &headers, &plan, outlet)
                } else {
                    Outcome::Dropped(DropReason::Stale)
                }
            }
        };
        match outcome {
            Outcome::Forwarded(_) => self.counters.forwarded += 1,
            Outcome::Answered => self.counters.answered += 1,
            Outcome::LeftForInternet => self.drop(port, &DropReason::NoSuchInternetHost),
            Outcome::Dropped(reason) => self.drop(port, &reason),
        }
        outcome
    }

    /// Takes note that `fabric` is in force from `now` on. Packets and sweeps do so too: call it where neither may come soon.
    pub fn adopt(&mut self, fabric: &Fabric, now: Timestamp) {
        if self.generation != fabric.generation {
            self.generation = fabric.generation;
            let lost = fabric.nat_gateways.iter().flat_map(|(index, nat)| {
                let slot = fabric.nat_gateways.slot(index);
                nat.draining.iter().map(move |lost| (slot, lost.address, lost.lasts))
            });
            self.flows.drain(lost, now);
        }
    }

    /// Gives back a share of the memory of what has expired. Call it between batches, and when idle.
    pub fn sweep(&mut self, fabric: &Fabric, now: Timestamp) {
        self.adopt(fabric, now);
        let timeouts = |slot: Slot<EniIdx>| {
            let eni = fabric.enis.get(slot.index)?;
            (fabric.enis.slot(slot.index) == slot).then_some(&eni.timeouts)
        };
        let is_mapped = |binding: &NatBinding, drains: &Drains| nat::is_live(fabric, drains, binding, now);
        let is_carried = |flow: &EndpointFlow| endpoint::is_live(fabric, flow, now);
        self.flows.sweep(now, SWEEP_SHARE, timeouts, is_mapped, is_carried);
    }

    /// Plans and commits, again if memory changed in between.
    fn decide(
        &mut self,
        fabric: &Fabric,
        now: Timestamp,
        plan: impl Fn(&Context<'_>) -> Plan,
    ) -> (Plan, bool) {
        let mut attempt = 1;
        loop {
            let mut decided =
                plan(&Context { fabric, flows: &self.flows, now, nat_port: None, choices: None });
            if is_full(&decided) && self.looked_for_room != Some(now) {
                // What has expired must not stand in the way. A bounded look, and one for all packets of a batch: who
                // is at a limit must not make every packet dear for the others.
                self.looked_for_room = Some(now);
                self.sweep(fabric, now);
                decided = plan(&Context { fabric, flows: &self.flows, now, nat_port: None, choices: None });
            }
            let committed = self.flows.commit(&decided.effects, now).is_ok();
            if committed || attempt == MAX_ATTEMPTS {
                return (decided, committed);
            }
            attempt += 1;
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn apply(
        &mut self,
        fabric: &Fabric,
        now: Timestamp,
        port: Port,
        frame: &mut [u8],
        headers: &Headers,
        plan: &Plan,
        outlet: &mut impl Outlet,
    ) -> Outcome {
        match &plan.verdict {
            Verdict::Forward(forward) => send(frame, headers, forward, self.number(), outlet),
            Verdict::Reply(answer) => match reply(fabric, frame, headers, *answer) {
                Some(reply) => {
                    outlet.send(port, reply.bytes());
                    Outcome::Answered
                }
                None => Outcome::Dropped(DropReason::UnansweredResolution),
            },
            Verdict::Drop(reason) => {
                if let Some(born) = &plan.born {
                    self.bear(fabric, now, port, frame, headers, born, outlet);
                }
                Outcome::Dropped(*reason)
            }
        }
    }

    /// Sends an ICMP error about `frame`, or rather about what it had become, on a walk of its own.
    #[allow(clippy::too_many_arguments)]
    fn bear(
        &mut self,
        fabric: &Fabric,
        now: Timestamp,
        port: Port,
        frame: &mut [u8],
        headers: &Headers,
        born: &Born,
        outlet: &mut impl Outlet,
    ) {
        let became = match (&born.about, &headers.body) {
            (Some(about), Body::Ip(packet)) => {
                rewritten(frame, packet, &about.rewrite, &about.headers, self.number())
            }
            _ => Ok(Cow::Borrowed(&*frame)),
        };
        let Ok(Some(error)) = became.map(|frame| born_frame(fabric, &frame, born)) else { return };
        let mut error = error.into_bytes();
        let Ok(headers) = parse(&error) else { return };
        let Body::Ip(packet) = &headers.body else { return };
        let ingress = match port {
            Port::Interface(eni) => Ingress::Interface(fabric.enis.slot(eni)),
            Port::Host(host) => Ingress::Host(fabric.hosts.slot(host)),
        };
        let subnet = born.subnet;
        let origin = match born.packet {
            BornPacket::Icmp { source: None, .. } => Origin::Router { subnet, ingress },
            BornPacket::Icmp { source: Some(_), .. } | BornPacket::TcpReset => {
                Origin::Gateway { subnet, ingress }
            }
        };
        let (plan, committed) = self.decide(fabric, now, |cx| plan(cx, origin, packet, &mut NoProbe));
        if !committed {
            return;
        }
        self.counters.born += 1;
        match &plan.verdict {
            Verdict::Forward(forward) => {
                send(&mut error, &headers, forward, self.number(), outlet);
            }
            Verdict::Drop(reason) => self.drop(port, reason),
            Verdict::Reply(_) => {}
        }
    }

    /// The number of the packet in hand, round and round.
    fn number(&self) -> u16 {
        u16::try_from(self.counters.received & u64::from(u16::MAX)).unwrap_or_default()
    }

    fn drop(&mut self, port: Port, reason: &DropReason) {
        *self.counters.dropped.entry((port, reason.name())).or_insert(0) += 1;
    }
}

/// Whether the packet dies for want of room.
fn is_full(plan: &Plan) -> bool {
    let Verdict::Drop(reason) = plan.verdict else { return false };
    matches!(
        reason,
        DropReason::ConnectionLimit { .. }
            | DropReason::FlowMemoryFull
            | DropReason::EndpointPortAllocation { .. }
    )
}

/// Rewrites a frame and sends it, in pieces where it must be cut.
///
/// `number` is another one for each packet of a conversation, as identifications of IPv4 have to be (RFC 6864).
fn send(
    frame: &mut [u8],
    headers: &Headers,
    forward: &Forward,
    number: u16,
    outlet: &mut impl Outlet,
) -> Outcome {
    let port = match forward.egress {
        Egress::Interface(eni, _) => Port::Interface(eni),
        Egress::Host(host) => Port::Host(host),
        Egress::Internet(_) => return Outcome::LeftForInternet,
    };
    let Body::Ip(packet) = &headers.body else { return Outcome::Forwarded(port) };
    if let (Some(mtu), false, true) = (forward.fragment_to, packet.is_ipv6(), forward.headers.is_ipv6()) {
        // IPv6 is not cut on its way: this was, before it became IPv6 (MTU-05, MTU-07).
        return match translated_pieces(frame, mtu, forward, number) {
            Ok(pieces) => {
                pieces.iter().for_each(|piece| outlet.send(port, piece.bytes()));
                Outcome::Forwarded(port)
            }
            Err(reason) => Outcome::Dropped(reason),
        };
    }
    let frame = match rewritten(frame, packet, &forward.rewrite, &forward.headers, number) {
        Ok(frame) => frame,
        Err(reason) => return Outcome::Dropped(reason),
    };
    let frame = &*frame;
    match forward.fragment_to {
        None => outlet.send(port, frame),
        Some(mtu) => match fragment_ipv4(frame, u32::from(mtu)) {
            Ok(pieces) => pieces.iter().for_each(|piece| outlet.send(port, piece.bytes())),
            Err(malformed) => return Outcome::Dropped(DropReason::Malformed(malformed)),
        },
    }
    Outcome::Forwarded(port)
}

/// The IPv6 fragments that NAT64 makes of an IPv4 packet which was cut to `mtu` bytes before.
fn translated_pieces(
    frame: &[u8],
    mtu: u16,
    forward: &Forward,
    number: u16,
) -> Result<Vec<FrameBuf>, DropReason> {
    let pieces = fragment_ipv4(frame, u32::from(mtu)).map_err(DropReason::Malformed)?;
    let translated = pieces.iter().map(|piece| {
        let headers = parse(piece.bytes()).map_err(DropReason::Malformed)?;
        let Body::Ip(packet) = &headers.body else {
            return Err(DropReason::Untranslatable(Untranslatable::Mismatch));
        };
        translate(piece.bytes(), packet, &forward.rewrite, &forward.headers, number)
            .map_err(DropReason::Untranslatable)
    });
    translated.collect()
}

/// The frame with its changes: the same bytes, or new ones where it becomes one of the other address family.
fn rewritten<'a>(
    frame: &'a mut [u8],
    packet: &IpHeaders,
    change: &Rewrite,
    headers: &IpHeaders,
    number: u16,
) -> Result<Cow<'a, [u8]>, DropReason> {
    if packet.is_ipv6() == headers.is_ipv6() {
        let mut view = FrameMut::new(frame).map_err(DropReason::Malformed)?;
        rewrite(&mut view, packet, change);
        Ok(Cow::Borrowed(frame))
    } else {
        let translated =
            translate(frame, packet, change, headers, number).map_err(DropReason::Untranslatable)?;
        Ok(Cow::Owned(translated.into_bytes()))
    }
}

/// The frame of the other address family that NAT64 sends in place of `frame`.
fn translate(
    frame: &[u8],
    packet: &IpHeaders,
    change: &Rewrite,
    headers: &IpHeaders,
    number: u16,
) -> Result<FrameBuf, Untranslatable> {
    let Rewrite { src_mac, dst_mac, src_port, dst_port, ttl, max_segment_size, .. } = *change;
    let ports = change.embedded.unwrap_or_default();
    let quoted = match &headers.transport {
        Transport::Icmp(IcmpHeader { message: IcmpMessage::Error { embedded }, .. }) => embedded.as_ref(),
        _ => None,
    };
    macro_rules! translation {
        ($family:ident, $translate:expr, $src:expr, $dst:expr) => {{
            let embedded = quoted.and_then(|quoted| match (quoted.src, quoted.dst) {
                (IpAddr::$family(src), IpAddr::$family(dst)) => {
                    Some(EmbeddedTranslation { src, dst, src_port: ports.src_port, dst_port: ports.dst_port })
                }
                _ => None,
            });
            let (src, dst) = ($src, $dst);
            let translation = Translation {
                src_mac,
                dst_mac,
                src,
                dst,
                src_port,
                dst_port,
                ttl,
                max_segment_size,
                embedded,
            };
            $translate(translation)
        }};
    }
    match (headers.src, headers.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            translation!(V4, |t| ipv6_to_ipv4(frame, packet, &t, number), src, dst)
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => translation!(V6, |t| ipv4_to_ipv6(frame, packet, &t), src, dst),
        _ => Err(Untranslatable::Mismatch),
    }
}

/// The frame that answers `frame`.
fn reply(fabric: &Fabric, frame: &[u8], headers: &Headers, answer: Answer) -> Option<FrameBuf> {
    match (answer, &headers.body) {
        (Answer::Arp(mac), Body::Arp(request)) => Some(arp_reply(request, mac)),
        (Answer::NeighborAdvertisement { target, mac, router }, Body::Ip(packet)) => {
            let IpAddr::V6(asker) = packet.src else { return None };
            // Duplicate address detection asks from the unspecified address and is answered to all (RFC 4862).
            let solicited = !asker.is_unspecified();
            let (dst_mac, dst) =
                if solicited { (headers.src_mac, asker) } else { (ALL_NODES_MAC, ALL_NODES) };
            Some(neighbor_advertisement(mac, dst_mac, target, dst, target, router, solicited, true))
        }
        (Answer::RouterAdvertisement(subnet), Body::Ip(packet)) => {
            let IpAddr::V6(asker) = packet.src else { return None };
            let (dst_mac, dst) =
                if asker.is_unspecified() { (ALL_NODES_MAC, ALL_NODES) } else { (headers.src_mac, asker) };
            Some(advertise_router(fabric, subnet, dst_mac, dst))
        }
        (Answer::EchoReply, Body::Ip(_)) => echo_reply(frame, headers),
        _ => None,
    }
}

const ALL_NODES: std::net::Ipv6Addr = std::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: vpclab_wire::MacAddr = vpclab_wire::MacAddr([0x33, 0x33, 0, 0, 0, 1]);

/// "Addresses come from DHCPv6, the default route is me" (L2-29).
fn advertise_router(
    fabric: &Fabric,
    subnet: SubnetIdx,
    dst_mac: vpclab_wire::MacAddr,
    dst: std::net::Ipv6Addr,
) -> FrameBuf {
    let subnet = &fabric.subnets[subnet];
    let prefixes: Vec<_> = subnet
        .ipv6
        .iter()
        .map(|block| PrefixInformation {
            prefix: block.network(),
            len: block.prefix_len(),
            on_link: true,
            autonomous: false,
            valid_secs: u32::MAX,
            preferred_secs: u32::MAX,
        })
        .collect();
    let advertisement = RouterAdvertisement {
        managed: true,
        other: true,
        lifetime_secs: ROUTER_LIFETIME_SECS,
        prefixes: &prefixes,
        ..RouterAdvertisement::default()
    };
    router_advertisement(subnet.router.mac, dst_mac, subnet.router.link_local, dst, &advertisement)
}

/// The packet that `born` stands for, about `frame`.
fn born_frame(fabric: &Fabric, frame: &[u8], born: &Born) -> Option<FrameBuf> {
    let router = &fabric.subnets[born.subnet].router;
    match born.packet {
        BornPacket::Icmp { kind, source } => {
            let is_ipv6 = match source {
                Some(source) => source.is_ipv6(),
                None => matches!(kind, vpclab_wire::IcmpErrorKind::PacketTooBig { .. }),
            };
            // MTU-06
            let source = match source {
                Some(source) => source,
                None if is_ipv6 => IpAddr::V6(router.link_local),
                None => IpAddr::V4(router.ipv4?),
            };
            icmp_error(kind, router.mac, router.mac, source, frame)
        }
        BornPacket::TcpReset => tcp_reset(router.mac, router.mac, frame),
    }
}

/// Records what would become of a frame, and changes nothing.
pub fn trace(
    fabric: &Fabric,
    flows: &FlowTable,
    now: Timestamp,
    port: Port,
    frame: &[u8],
    probe: &mut impl Probe,
) -> Plan {
    match parse(frame) {
        Ok(headers) => {
            plan_frame(&Context { fabric, flows, now, nat_port: None, choices: None }, port, &headers, probe)
        }
        Err(malformed) => Plan::dropped(DropReason::Malformed(malformed)),
    }
}
