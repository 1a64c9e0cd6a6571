//! What does an egress-only internet gateway let through? (area IGW)
//!
//! IPv6 only, untranslated, and only what belongs to a flow opened from inside (IGW-22, IGW-23). Flows through it are
//! tracked at the interface whatever the rules say (IGW-24, CT-07), so the interface's memory is the gateway's too.

use crate::fabric::Direction;
use crate::flow::FlowKey;
use crate::index::{EgressOnlyIdx, EniIdx};
use crate::packet::{Draft, Path};
use crate::plan::{Arrival, Context, Location};
use crate::reason::DropReason;
use crate::step::{Probe, Step};
use crate::stop::internet::INTERNET_MTU;
use crate::stop::{internet, mtu};

/// A packet leaves its VPC.
pub(crate) fn exit(
    cx: &Context<'_>,
    gateway: EgressOnlyIdx,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let vpc = cx.fabric.egress_only[gateway].vpc;
    let source = draft.headers.src;
    let is_public = |address| vpclab_model::not_public(address).is_none();
    if !is_public(source) {
        return Err(DropReason::EgressOnlyIpv6 { gateway });
    }
    if cx.fabric.interface_at(vpc, source).is_none() || matches!(draft.path, Path::Transit(_)) {
        // It forwards for the interfaces of its VPC, as an internet gateway does (IGW-10).
        return Err(DropReason::EgressOnlyIpv6 { gateway });
    }
    if !is_public(draft.headers.dst) {
        return Err(DropReason::NonPublicDestination { address: draft.headers.dst });
    }
    probe.step(|| Step::EgressOnly { gateway, direction: Direction::Outbound });
    internet::block_public_access(cx, probe)?;
    mtu::fit(draft, INTERNET_MTU, mtu::Emitter::Router)?;
    draft.onto_the_internet();
    Ok(Location::PublicInternet)
}

/// A packet from the internet for an interface whose way out is this gateway.
pub(crate) fn enter(
    cx: &Context<'_>,
    gateway: EgressOnlyIdx,
    eni: EniIdx,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    probe.step(|| Step::EgressOnly { gateway, direction: Direction::Inbound });
    internet::block_public_access(cx, probe)?;
    let slot = cx.fabric.enis.slot(eni);
    let timeouts = &cx.fabric.enis[eni].timeouts;
    let key = match draft.quoted() {
        // It comes to whoever sent what it is about (RFC 4443 2.2).
        Some(quoted) if quoted.src == draft.headers.dst => FlowKey::of_embedded(quoted, Direction::Inbound),
        Some(_) => None,
        None => Some(FlowKey::of(&draft.headers, &draft.headers.transport, Direction::Inbound)),
    };
    let opened_inside = key
        .and_then(|key| cx.flows.conn(slot, &key))
        .is_some_and(|conn| conn.opened_by == Direction::Outbound && conn.is_live(timeouts, cx.now));
    if !opened_inside {
        return Err(DropReason::EgressOnlyUnsolicited { gateway });
    }
    Ok(Location::Interface(eni, Arrival::Outside))
}
