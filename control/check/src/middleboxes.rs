//! What is assumed of guests that send on what is not theirs?
//!
//! The engine's walk goes on behind them as their instances declare. What no declaration tells is assumed, aloud: that
//! nothing inside filters, and that nothing inside remembers who has opened a flow. Where packets are sent, what becomes of
//! them is counted at these guests too.

use std::collections::BTreeSet;
use std::net::IpAddr;

use vpclab_api::Assumed;
use vpclab_engine::explain::{End, ask};
use vpclab_engine::{EniIdx, Fabric, Step, explain as engine};

use crate::explain::NO_FIREWALL;
use crate::question::Question;

/// What guests on the way are assumed to do with packets for others.
pub(crate) fn forwarders(fabric: &Fabric, told: &engine::Explanation) -> Vec<Assumed> {
    let mut assumed: Vec<Assumed> = Vec::new();
    for step in told.forward.steps.iter().chain(told.back.iter().flat_map(|leg| &leg.steps)) {
        let Step::Forward { eni, out, translated } = *step else { continue };
        let resource = fabric.enis[eni].name.to_string();
        let other = (out != eni).then(|| format!(" by {}", fabric.enis[out].name));
        let how = match translated {
            Some(_) => "from its own address and by the sender's port, which is free there",
            None => "unchanged",
        };
        let assumption = format!(
            "it sends on{} what is not addressed to it, {how}, {NO_FIREWALL}",
            other.unwrap_or_default()
        );
        let assumption = Assumed { resource, assumption };
        if !assumed.contains(&assumption) {
            assumed.push(assumption);
        }
    }
    assumed
}

/// That guests on the way keep no state, where they see one direction of the flow only (TGW-21).
pub(crate) fn stateless(fabric: &Fabric, told: &engine::Explanation) -> Vec<Assumed> {
    let mut assumed: Vec<Assumed> = Vec::new();
    for ways in told.middleboxes.iter().filter(|ways| ways.returns) {
        let (there, back) = (instances(fabric, &ways.forward), instances(fabric, &ways.back));
        let only =
            |ours: &BTreeSet<String>, theirs: &BTreeSet<String>| ours.difference(theirs).next().cloned();
        // The first to meet a packet of which it knows nothing.
        let Some(resource) = only(&back, &there).or_else(|| only(&there, &back)) else { continue };
        let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
        let ways = match (there.is_empty(), back.is_empty()) {
            (_, true) => format!("the request passes {} and the reply does not", list(&there)),
            (true, _) => format!("the reply passes {} and the request does not", list(&back)),
            _ => format!("the request passes {} and the reply {}", list(&there), list(&back)),
        };
        let assumption = format!("it keeps no state: {ways}: a stateful appliance would drop it");
        let assumption = Assumed { resource, assumption };
        if !assumed.contains(&assumption) {
            assumed.push(assumption);
        }
    }
    assumed
}

/// The instances whose interfaces these are.
fn instances(fabric: &Fabric, enis: &BTreeSet<(EniIdx, EniIdx)>) -> BTreeSet<String> {
    let instance = |eni: EniIdx| match fabric.enis[eni].attachment {
        Some((instance, _)) => fabric.instances[instance].name.to_string(),
        None => fabric.enis[eni].name.to_string(),
    };
    enis.iter().map(|(eni, _)| instance(*eni)).collect()
}

/// The interfaces by which guests send on what goes from `source` to `destination`, and what comes back.
pub(crate) fn through(
    fabric: &Fabric,
    question: &Question,
    source: IpAddr,
    destination: IpAddr,
    ipv6: bool,
) -> BTreeSet<String> {
    let played = |end: End, address: IpAddr| if end == End::Internet { End::Address(address) } else { end };
    let (from, to) = (played(question.from.end, source), played(question.to.end, destination));
    let Ok(told) = ask(fabric, from, to, Some(ipv6), question.traffic) else { return BTreeSet::new() };
    let ways = told.middleboxes.iter().flat_map(|ways| ways.forward.iter().chain(&ways.back));
    ways.flat_map(|&(eni, out)| [eni, out]).map(|eni| fabric.enis[eni].name.to_string()).collect()
}
