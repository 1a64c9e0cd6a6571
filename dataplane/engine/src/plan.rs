//! What becomes of this packet?
//!
//! [`plan`] decides everything and changes nothing: it borrows the fabric and flow memory, and returns a [`Plan`] that
//! [`FlowTable::commit`](crate::flow::FlowTable::commit) and [`Engine`](crate::Engine) carry out. Forwarding,
//! explanation, tests and counters all come from here; none has forwarding logic of its own.

use std::cell::RefCell;
use std::net::IpAddr;

use arrayvec::ArrayVec;
use vpclab_wire::{IpHeaders, MacAddr, Rewrite};

use crate::fabric::{Direction, Fabric, INTERNET_MAC, Side};
use crate::flow::{DatagramKey, Effect, FirstFragment, FlowTable, FragmentLookup, Ingress, PassedFragment};
use crate::index::{
    AttachmentIdx, CustomerNetworkIdx, EgressOnlyIdx, EniIdx, HostIdx, InternetGatewayIdx, LinkIdx,
    NatGatewayIdx, NotModelledIdx, PeeringIdx, SubnetIdx, VpcEndpointIdx, VpcIdx, VpnGatewayIdx,
};
use crate::packet::{Became, Born, Draft, MAX_EFFECTS};
use crate::reason::DropReason;
use crate::step::{NatSide, Probe, Step};
use crate::stop::{
    customer, egress_only, endpoint, interface, internet, nat, peering, private_link, subnet, transit,
    vpn_gateway,
};
use crate::time::Timestamp;

/// How many places a packet may visit. The longest path there is takes far fewer.
const MAX_HOPS: usize = 16;

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The configuration.
    pub fabric: &'a Fabric,
    /// The history.
    pub flows: &'a FlowTable,
    /// The time.
    pub now: Timestamp,
    /// The port that NAT gateways lend, where a question is about each of them; none lets them choose.
    pub nat_port: Option<u16>,
    /// Where a question is about every way that documented random choices leave open (PIPE-15); none takes the one that
    /// the fabric's seed picks.
    pub choices: Option<&'a Choices>,
}

impl Context<'_> {
    /// One of `count`, a documented random choice about `subject` (PIPE-15): always the same for the same subject. None
    /// where there is nothing to choose from.
    pub(crate) fn pick(&self, subject: &impl std::hash::Hash, count: usize) -> Option<usize> {
        if count < 2 {
            return (count == 1).then_some(0);
        }
        let hash = self.fabric.choice(subject);
        match self.choices {
            Some(choices) => Some(choices.of(hash, count)),
            None => usize::try_from(hash % u64::try_from(count).ok()?).ok(),
        }
    }
}

/// One where nothing says which is used, of `first` and its `equals`: the first, unless every way is asked about.
pub(crate) fn settle<'a, T>(
    cx: &Context<'_>,
    subject: &impl std::hash::Hash,
    first: &'a T,
    equals: &'a [T],
) -> &'a T {
    let taken = match cx.choices {
        Some(choices) if !equals.is_empty() => choices.of(cx.fabric.choice(subject), equals.len() + 1),
        _ => 0,
    };
    taken.checked_sub(1).and_then(|taken| equals.get(taken)).unwrap_or(first)
}

/// The random choices met on the travels of one packet, to be gone through one after the other.
///
/// What always holds: within one round the same subject chooses the same, as packets of one flow do.
#[derive(Debug, Default)]
pub struct Choices {
    met: RefCell<Vec<Choice>>,
}

#[derive(Debug, Clone, Copy)]
struct Choice {
    subject: u64,
    count: usize,
    taken: usize,
}

impl Choices {
    /// What is chosen this round: the first, where the subject is new.
    fn of(&self, subject: u64, count: usize) -> usize {
        let mut met = self.met.borrow_mut();
        if let Some(known) = met.iter().find(|known| known.subject == subject && known.count == count) {
            return known.taken;
        }
        met.push(Choice { subject, count, taken: 0 });
        0
    }

    /// Goes on to the next round; false if there is none left.
    pub(crate) fn advance(&mut self) -> bool {
        let met = self.met.get_mut();
        while let Some(last) = met.last_mut() {
            if last.taken + 1 < last.count {
                last.taken += 1;
                return true;
            }
            met.pop();
        }
        false
    }
}

/// Where a walk begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// At an interface that sends a packet.
    Interface {
        /// The interface.
        eni: EniIdx,
        /// Whom the frame is addressed to.
        next_hop: NextHop,
    },
    /// At a host outside every VPC.
    Host(HostIdx),
    /// On the internet, where the topology declares no host.
    Internet,
    /// At a NAT gateway in a subnet, which sends a packet about one that came in at `ingress`.
    Gateway {
        /// The subnet.
        subnet: SubnetIdx,
        /// Where the packet in question came in.
        ingress: Ingress,
    },
    /// At a subnet's router, which sends an ICMP error about a packet that came in at `ingress`.
    Router {
        /// The subnet.
        subnet: SubnetIdx,
        /// Where the packet in question came in.
        ingress: Ingress,
    },
}

/// Whom a frame that leaves an interface is addressed to (PIPE-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextHop {
    /// The subnet's router: route tables apply.
    Router,
    /// Another interface of the subnet: delivered at layer 2.
    Neighbor(EniIdx),
}

/// Where a packet is on its walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// At a subnet's router, about to be routed.
    Subnet(SubnetIdx),
    /// At an internet gateway, on its way out.
    Internet(InternetGatewayIdx),
    /// At an egress-only internet gateway, on its way out.
    EgressOnly(EgressOnlyIdx),
    /// At a NAT gateway.
    Nat(NatGatewayIdx, NatSide),
    /// At a peering connection, from one of its VPCs.
    Peering(PeeringIdx, VpcIdx),
    /// At a VPC endpoint, by a route or by this interface of it.
    Endpoint(VpcEndpointIdx, Option<EniIdx>),
    /// At a transit gateway, from an attachment: out of a VPC by the interface in this subnet.
    Transit(AttachmentIdx, Option<SubnetIdx>),
    /// At the router of an attachment's subnet, out of a transit gateway (TGW-15).
    OutOfTransit(SubnetIdx),
    /// At the router of a NAT gateway's subnet, out of the gateway.
    OutOfNat(SubnetIdx),
    /// On the internet, on its way to its destination there.
    PublicInternet,
    /// At a virtual private gateway, out of its VPC, by a propagated route or another.
    VpnGateway(VpnGatewayIdx, bool),
    /// On a private link; outbound is towards the customer.
    PrivateLink(LinkIdx, Direction),
    /// At a virtual private gateway, out of a private link.
    OutOfLink(VpnGatewayIdx, LinkIdx),
    /// In a customer network, on its way to its destination from there.
    CustomerNetwork(CustomerNetworkIdx),
    /// At an interface, about to enter.
    Interface(EniIdx, Arrival),
    /// Where it wanted to go.
    Outside(Egress),
}

/// How a packet reached an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// From a neighbour of the same subnet, whose hardware address it carries: no ACL (PIPE-03).
    Neighbor(MacAddr),
    /// By the router, from the same subnet (OQ-16).
    SameSubnet,
    /// By the router, out of a transit gateway's interface in the same subnet: no ACL (NACL-22).
    SameSubnetTransit,
    /// From outside the subnet (PIPE-02).
    Outside,
}

/// Where a packet leaves the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Egress {
    /// To an interface's guest, with the source hardware address it shall carry.
    Interface(EniIdx, MacAddr),
    /// To a host outside every VPC.
    Host(HostIdx),
    /// To an address of the internet where the topology declares no host.
    Internet(IpAddr),
}

/// Everything decided about one packet.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where it goes, or why it dies.
    pub verdict: Verdict,
    /// What its passage does to flow memory; nothing when it dies without an error.
    pub effects: ArrayVec<Effect, MAX_EFFECTS>,
    /// An ICMP error it gives birth to.
    pub born: Option<Born>,
}

/// Where a packet goes, or why it dies.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "one lives at a time, on the stack; a box would cost every packet"
)]
pub enum Verdict {
    /// It leaves the engine.
    Forward(Forward),
    /// The platform answers it.
    Reply(Answer),
    /// It dies.
    Drop(DropReason),
}

/// A packet on its way out.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Where it leaves.
    pub egress: Egress,
    /// What changes in it.
    pub rewrite: Rewrite,
    /// The size of IP packet it must be cut to.
    pub fragment_to: Option<u16>,
    /// The headers as its receiver sees them.
    pub headers: IpHeaders,
}

/// What the platform answers to whoever sent the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// An ARP reply: the asked address is at this hardware address (L2-03, L2-04).
    Arp(MacAddr),
    /// A neighbour advertisement (L2-29).
    NeighborAdvertisement {
        /// The address.
        target: std::net::Ipv6Addr,
        /// Its hardware address.
        mac: MacAddr,
        /// Whether a router has it.
        router: bool,
    },
    /// A router advertisement (L2-29).
    RouterAdvertisement(SubnetIdx),
    /// An echo reply from the router's own address (L2-09).
    EchoReply,
}

/// Decides about a packet. `probe` is told each step.
pub fn plan(cx: &Context<'_>, origin: Origin, headers: &IpHeaders, probe: &mut impl Probe) -> Plan {
    let ingress = match origin {
        Origin::Interface { eni, .. } => Ingress::Interface(cx.fabric.enis.slot(eni)),
        Origin::Host(host) => Ingress::Host(cx.fabric.hosts.slot(host)),
        Origin::Internet => Ingress::Internet,
        Origin::Router { ingress, .. } | Origin::Gateway { ingress, .. } => ingress,
    };
    let mut draft = Draft::new(headers, ingress);
    match reassemble(cx, &mut draft).and_then(|()| walk(cx, origin, &mut draft, probe)) {
        Ok(Destination::Egress(egress)) => Plan::forwarded(cx, egress, draft),
        Ok(Destination::Answer(answer)) => Plan::replied(answer),
        Err(reason) => Plan::died(reason, draft),
    }
}

/// Where a walk ends well.
pub(crate) enum Destination {
    /// Outside the engine.
    Egress(Egress),
    /// At the platform itself, which answers.
    Answer(Answer),
}

/// The whole network on one screen.
fn walk(
    cx: &Context<'_>,
    origin: Origin,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Destination, DropReason> {
    let mut at = match origin {
        Origin::Interface { eni, next_hop } => match interface::leave(cx, eni, next_hop, draft, probe)? {
            interface::Left::For(location) => location,
            interface::Left::Answered(answer) => return Ok(Destination::Answer(answer)),
        },
        Origin::Host(host) => match cx.fabric.hosts[host].side {
            Side::Internet => internet::depart(cx, Some(host), draft)?,
            Side::Customer(network) => customer::depart(cx, network, host, draft)?,
            Side::Service => endpoint::depart(cx, host, draft, probe)?,
        },
        Origin::Internet => internet::depart(cx, None, draft)?,
        Origin::Router { subnet, .. } => subnet::originate(cx, subnet, draft)?,
        Origin::Gateway { subnet, .. } => Location::OutOfNat(subnet),
    };
    for _ in 0..MAX_HOPS {
        at = match at {
            Location::Subnet(subnet) => subnet::route(cx, subnet, draft, probe)?,
            Location::Internet(gateway) => internet::exit(cx, gateway, draft, probe)?,
            Location::EgressOnly(gateway) => egress_only::exit(cx, gateway, draft, probe)?,
            Location::Nat(gateway, side) => nat::translate(cx, gateway, side, draft, probe)?,
            Location::Peering(peering, from) => peering::cross(cx, peering, from, draft, probe)?,
            Location::Endpoint(index, interface) => endpoint::enter(cx, index, interface, draft, probe)?,
            Location::Transit(attachment, subnet) => transit::switch(cx, attachment, subnet, draft, probe)?,
            Location::OutOfTransit(subnet) => subnet::route_out_of_transit(cx, subnet, draft, probe)?,
            Location::OutOfNat(subnet) => subnet::route_out_of_nat(cx, subnet, draft, probe)?,
            Location::PublicInternet => internet::arrive(cx, draft, probe)?,
            Location::VpnGateway(gateway, propagated) => {
                vpn_gateway::leave(cx, gateway, propagated, draft, probe)?
            }
            Location::PrivateLink(link, direction) => private_link::cross(cx, link, direction, draft, probe)?,
            Location::OutOfLink(gateway, link) => vpn_gateway::arrive(cx, gateway, link, draft, probe)?,
            Location::CustomerNetwork(network) => customer::route(cx, network, draft, probe)?,
            Location::Interface(eni, arrival) => interface::enter(cx, eni, arrival, draft, probe)?,
            Location::Outside(egress) => return Ok(Destination::Egress(egress)),
        };
    }
    Err(DropReason::ForwardingLoop)
}

/// Gives a later fragment the transport header of its datagram's first one (NACL-27, OQ-15).
fn reassemble(cx: &Context<'_>, draft: &mut Draft) -> Result<(), DropReason> {
    let headers = &draft.headers;
    let Some(fragment) = headers.fragment else { return Ok(()) };
    let key = DatagramKey {
        ingress: draft.ingress,
        source: headers.src,
        destination: headers.dst,
        protocol: (!headers.is_ipv6()).then_some(headers.protocol),
        identification: fragment.identification,
    };
    let (start, end) = (fragment.offset, fragment.offset + fragment_len(headers));
    let datagrams = cx.flows.datagrams();
    let first = if start == 0 {
        // A first fragment always begins a datagram anew: identifications are used again.
        FirstFragment { protocol: headers.protocol, transport: headers.transport }
    } else {
        match datagrams.lookup(&key, start, end, cx.now) {
            FragmentLookup::Known(first) => first,
            FragmentLookup::Unknown => return Err(DropReason::FragmentWithoutFirst),
            FragmentLookup::Overlapping => return Err(DropReason::OverlappingFragment),
        }
    };
    draft.is_later_fragment = start > 0;
    draft.headers.protocol = first.protocol;
    draft.headers.transport = first.transport;
    let passed = PassedFragment { key, first, start, end };
    draft.record(Effect::RememberFragment(Box::new(passed)))
}

/// How many bytes of its datagram a fragment carries.
fn fragment_len(headers: &IpHeaders) -> u32 {
    let before_transport = u32::from(headers.transport_offset).saturating_sub(14);
    headers.packet_len.saturating_sub(before_transport)
}

impl Plan {
    fn forwarded(cx: &Context<'_>, egress: Egress, draft: Draft) -> Self {
        let (src_mac, dst_mac) = match egress {
            Egress::Interface(eni, src_mac) => (src_mac, cx.fabric.enis[eni].mac),
            Egress::Host(host) => (INTERNET_MAC, cx.fabric.hosts[host].mac),
            Egress::Internet(_) => (INTERNET_MAC, INTERNET_MAC),
        };
        let rewrite = Rewrite { src_mac, dst_mac, ..draft.rewrite() };
        let forward = Forward { egress, rewrite, fragment_to: draft.fragment_to, headers: draft.headers };
        Self { verdict: Verdict::Forward(forward), effects: draft.effects, born: None }
    }

    fn replied(answer: Answer) -> Self {
        Self { verdict: Verdict::Reply(answer), effects: ArrayVec::new(), born: None }
    }

    /// A plan in which the packet dies where it begins: it leaves no trace in memory.
    pub fn dropped(reason: DropReason) -> Self {
        Self { verdict: Verdict::Drop(reason), effects: ArrayVec::new(), born: None }
    }

    /// A plan in which the packet dies on its way. It leaves no trace either, unless it gives birth to an error: then
    /// the sender's interface remembers the flow that the error is about, or it could not be let in (CT-17).
    fn died(reason: DropReason, mut draft: Draft) -> Self {
        let Some(mut born) = draft.born.take() else { return Self::dropped(reason) };
        let rewrite = draft.rewrite();
        if rewrite != Rewrite::default() {
            born.about = Some(Box::new(Became { rewrite, headers: draft.headers }));
        }
        Self { verdict: Verdict::Drop(reason), effects: draft.effects, born: Some(born) }
    }
}

/// Puts a filter's denial to the probe: an error unless the walk is to go on regardless.
pub(crate) fn deny(probe: &mut impl Probe, reason: DropReason) -> Result<(), DropReason> {
    if probe.denied(reason) { Ok(()) } else { Err(reason) }
}

/// Goes no further where it depends on a resource of which not all is known.
pub(crate) fn known(unknown: Option<NotModelledIdx>) -> Result<(), DropReason> {
    unknown.map_or(Ok(()), |resource| Err(DropReason::NotModelled(resource)))
}

/// Reports arrival at the place where the engine hands the packet over.
pub(crate) fn outside(egress: Egress, probe: &mut impl Probe, address: IpAddr) -> Location {
    probe.step(|| match egress {
        Egress::Interface(eni, _) => Step::Arrive { eni },
        Egress::Host(host) => Step::Outside { host: Some(host), address },
        Egress::Internet(_) => Step::Outside { host: None, address },
    });
    Location::Outside(egress)
}
