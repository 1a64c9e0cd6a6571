//! How does a packet travel where guests send it on?
//!
//! The engine's walk ends at a guest. A guest whose source/destination check is off is assumed to do with a packet for
//! others what its instance declares, and then the packet's next walk begins (PIPE-08). What always holds: each walk is
//! the plan of a packet that could be sent, and the flow memory between them is that of a packet that passed.

use std::net::IpAddr;

use vpclab_wire::IpHeaders;

use super::{Class, Leg, guest_next_hop};
use crate::fabric::{Fabric, Forwards, Role};
use crate::flow::{Effect, FlowTable};
use crate::index::{EniIdx, SubnetIdx};
use crate::plan::{Choices, Context, Egress, Origin, Plan, Verdict, plan};
use crate::reason::DropReason;
use crate::step::{Recorder, Step};
use crate::time::Timestamp;

/// How many guests may send a packet on. A path that is meant to work has one or two.
const MOST_FORWARDERS: usize = 8;

/// What denies, and whether it is the answer that it denies.
type Denials = Vec<(bool, DropReason)>;

/// The travels of a request and of its answer.
pub(super) struct Journey<'a> {
    fabric: &'a Fabric,
    flows: &'a mut FlowTable,
    nat_port: Option<u16>,
    choices: &'a Choices,
    /// The sources that guests have put their own in place of: by interface, own address and source.
    translations: Vec<(EniIdx, IpAddr, IpAddr)>,
}

impl<'a> Journey<'a> {
    pub(super) fn new(
        fabric: &'a Fabric,
        flows: &'a mut FlowTable,
        nat_port: Option<u16>,
        choices: &'a Choices,
    ) -> Self {
        Self { fabric, flows, nat_port, choices, translations: Vec::new() }
    }

    /// The way of one packet, with every denial noted, until somebody keeps it. `asked` is what a request stands for; an
    /// answer has none.
    pub(super) fn walk(
        &mut self,
        origin: Result<Origin, DropReason>,
        packet: &IpHeaders,
        asked: Option<&Class>,
    ) -> (Leg, Denials) {
        let on_return = asked.is_none();
        let mut whole = Leg { steps: Vec::new(), dropped: None, observed: None, egress: None };
        let mut denials: Denials = Vec::new();
        let (mut origin, mut packet) = (origin, *packet);
        for _ in 0..=MOST_FORWARDERS {
            let (leg, more, effects) = self.survey(origin, &packet, asked);
            whole.steps.extend(leg.steps);
            (whole.observed, whole.egress) = (leg.observed, leg.egress);
            for reason in more {
                note(&mut denials, on_return, reason);
            }
            // A full memory ends the way as the wire would.
            if leg.egress.is_some() && self.flows.commit(&effects, Timestamp::ZERO).is_err() {
                whole.egress = None;
            }
            match self.sent_on(whole.egress, whole.observed.as_ref(), &mut whole.steps) {
                None => {
                    if let Some(subnet) = steered_back(self.fabric, &whole.steps) {
                        note(&mut denials, on_return, DropReason::SteeredBack { subnet });
                    }
                    return finish(whole, denials);
                }
                Some(Err(reason)) => {
                    note(&mut denials, on_return, reason);
                    (whole.observed, whole.egress) = (None, None);
                    return finish(whole, denials);
                }
                Some(Ok((eni, next))) => {
                    let next_hop = guest_next_hop(self.fabric, eni, next.dst);
                    origin = next_hop.map(|next_hop| Origin::Interface { eni, next_hop });
                    packet = next;
                }
            }
        }
        note(&mut denials, on_return, DropReason::ForwardingLoop);
        (whole.observed, whole.egress) = (None, None);
        finish(whole, denials)
    }

    /// What the guest that has the packet sends on, and by which interface; none if it keeps it.
    fn sent_on(
        &mut self,
        egress: Option<Egress>,
        observed: Option<&IpHeaders>,
        steps: &mut Vec<Step>,
    ) -> Option<Result<(EniIdx, IpHeaders), DropReason>> {
        let (Some(Egress::Interface(eni, _)), Some(packet)) = (egress, observed) else { return None };
        let mut packet = *packet;
        packet.ttl = packet.ttl.saturating_sub(1);
        let came_back = |(at, own, _): &&(EniIdx, IpAddr, IpAddr)| *at == eni && *own == packet.dst;
        if let Some(&(_, own, client)) = self.translations.iter().rev().find(came_back) {
            packet.dst = client;
            steps.push(Step::Forward { eni, out: eni, translated: Some((own, client)) });
            return Some(Ok((eni, packet)));
        }
        let mut out = eni;
        let mut translated = None;
        match self.fabric.forwards(eni, packet.dst)? {
            Forwards::None => return Some(Err(DropReason::NotForwarded { eni })),
            Forwards::SameInterface => {}
            Forwards::Interface(other) => out = other,
            Forwards::Nat => {
                let own = self.fabric.enis[eni].primary_address(packet.is_ipv6());
                let Some(own) = own else { return Some(Err(DropReason::NotForwarded { eni })) };
                translated = Some((packet.src, own));
                self.translations.push((eni, own, packet.src));
                packet.src = own;
            }
        }
        steps.push(Step::Forward { eni, out, translated });
        Some(Ok((out, packet)))
    }

    /// Plans a packet with every denial noted; returns the way, the denials and the effects.
    fn survey(
        &self,
        origin: Result<Origin, DropReason>,
        packet: &IpHeaders,
        asked: Option<&Class>,
    ) -> (Leg, Vec<DropReason>, Vec<Effect>) {
        let Self { fabric, nat_port, choices, .. } = *self;
        let cx =
            Context { fabric, flows: self.flows, now: Timestamp::ZERO, nat_port, choices: Some(choices) };
        let mut recorder = Recorder { survey: true, ..Recorder::default() };
        let planned = match origin {
            Ok(origin) => plan(&cx, origin, packet, &mut recorder),
            Err(reason) => Plan::dropped(reason),
        };
        let mut denials = recorder.denials;
        let (dropped, observed, egress) = match planned.verdict {
            Verdict::Forward(forward) => (None, Some(forward.headers), Some(forward.egress)),
            // The router answers for itself: delivered, and the answer is the return.
            Verdict::Reply(_) => (None, Some(*packet), None),
            Verdict::Drop(reason) => (Some(reason), None, None),
        };
        if let Some(reason) = dropped
            && !denials.contains(&reason)
        {
            denials.push(reason);
        }
        if let Some(Egress::Interface(eni, _)) = egress
            && let Role::NotModelled(resource) = fabric.enis[eni].role
        {
            // The interface is an end of the question, and the way to it is no unknown: what takes requests there takes
            // this one, what has sent from there takes the answer.
            let known = &fabric.not_modelled[resource];
            let is_end = match asked {
                Some(Class::Ports { protocol, ports, .. }) => known.takes.takes(*protocol, *ports),
                Some(_) => false,
                None => known.sends,
            };
            denials.retain(|reason| !(is_end && *reason == DropReason::NotModelled(resource)));
        }
        let leg = Leg { steps: recorder.steps, dropped: None, observed, egress };
        (leg, denials, planned.effects.to_vec())
    }
}

/// The subnet of the gateway that a packet came out of, where a middlebox has sent it back there (RT-55).
fn steered_back(fabric: &Fabric, steps: &[Step]) -> Option<SubnetIdx> {
    let [.., Step::Arrive { eni }] = steps else { return None };
    // Since it last came out of a gateway inside this VPC: of which subnet, and whether by a middlebox.
    let (mut came_from, mut by_middlebox) = (None, false);
    for step in steps {
        match step {
            Step::TransitGateway { subnet, .. } => (came_from, by_middlebox) = (*subnet, false),
            Step::NatGateway { gateway, .. } => {
                (came_from, by_middlebox) = (Some(fabric.nat_gateways[*gateway].subnet), false);
            }
            Step::Peering { .. } | Step::PrivateLink { .. } | Step::InternetGateway { .. } => {
                came_from = None;
            }
            Step::Forward { .. } => by_middlebox = true,
            _ => {}
        }
    }
    came_from.filter(|subnet| by_middlebox && fabric.enis[*eni].subnet == *subnet)
}

fn note(denials: &mut Denials, on_return: bool, reason: DropReason) {
    if !denials.contains(&(on_return, reason)) {
        denials.push((on_return, reason));
    }
}

fn finish(mut leg: Leg, denials: Denials) -> (Leg, Denials) {
    // What denies it says more than what may deny it.
    let mut reasons = denials.iter().map(|(_, reason)| *reason);
    leg.dropped = reasons.clone().find(|reason| reason.unmodelled().is_none()).or(reasons.next());
    (leg, denials)
}
