//! Does it pass from a source port that Linux does not choose?
//!
//! A question that gives no source port is about those of a Linux client. Others choose others, and who wants to get in
//! chooses any. What always holds: only replies can tell source ports apart, as what filters requests looks at the ports
//! that they are for; so nobody is asked again whose request dies. Left to others: the walks.

use std::collections::BTreeSet;

use vpclab_api::{ApiError, Assumed, Explanation};
use vpclab_engine::explain::{EPHEMERAL_PORTS, TrafficQuestion};
use vpclab_engine::{Direction, Fabric};
use vpclab_model::{PortRange, Topology, Traffic};
use vpclab_wire::Protocol;

use crate::answer::{at_each_address, in_each_family};
use crate::question::Question;

/// The answers from a source port of another client that do not deny what all of `answers` to a question deny; none if there
/// is no such port, or if the question gives one.
///
/// # Errors
///
/// As the question itself.
pub(crate) fn that_pass<'a>(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
    of_sets: bool,
    mut answers: impl Iterator<Item = &'a Explanation> + Clone,
) -> Result<Vec<(Question, Explanation)>, ApiError> {
    let TrafficQuestion::Ports { protocol, port, source_port: None } = question.traffic else {
        return Ok(Vec::new());
    };
    let dies = |told: &Explanation| told.reachable == Some(false);
    let dies_on_return =
        |told: &Explanation| dies(told) && told.blockers.iter().all(|blocker| blocker.direction == "return");
    if !answers.clone().all(dies) || !answers.any(dies_on_return) {
        return Ok(Vec::new());
    }
    for own in others(fabric, protocol) {
        let traffic = TrafficQuestion::Ports { protocol, port, source_port: Some(own) };
        let mut told = at_each_address(fabric, topology, &Question { traffic, ..question.clone() }, of_sets)?;
        told.retain(|(_, told)| !dies(told));
        if !told.is_empty() {
            return Ok(told);
        }
    }
    Ok(Vec::new())
}

/// Says of answers that deny what a Linux client sends from which port of another one it is not denied.
///
/// # Errors
///
/// As the question itself.
pub(crate) fn tell(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
    of_sets: bool,
    answers: &mut [Explanation],
) -> Result<(), ApiError> {
    for family in in_each_family(fabric, question) {
        let passing = that_pass(fabric, topology, &family, of_sets, answers.iter())?;
        let Some((own, passes)) = passing.first() else { continue };
        let port = of(own).map_or_else(String::new, |port| port.to_string());
        let how = if passes.reachable == Some(true) { "passes" } else { "may pass" };
        let assumption =
            format!("it {how} from other source ports, such as {port}: a client may choose them");
        let resource = question.from.name.clone();
        answers.iter_mut().for_each(|told| {
            told.assumed.push(Assumed { resource: resource.clone(), assumption: assumption.clone() });
        });
        break;
    }
    Ok(())
}

/// The source port of a question.
pub(crate) fn of(question: &Question) -> Option<u16> {
    match question.traffic {
        TrafficQuestion::Ports { source_port, .. } => source_port,
        _ => None,
    }
}

/// A port of each range that filters tell apart, without those of a Linux client: highest first, as most clients choose
/// high ones.
fn others(fabric: &Fabric, protocol: Protocol) -> Vec<u16> {
    let mut edges: BTreeSet<u16> = [1, 1024, EPHEMERAL_PORTS.to + 1].into();
    let range = |traffic: &Traffic| match *traffic {
        Traffic::Tcp(range) if protocol == Protocol::TCP => Some(range),
        Traffic::Udp(range) if protocol == Protocol::UDP => Some(range),
        _ => None,
    };
    let mut cut = |traffic: &Traffic| {
        if let Some(PortRange { from, to }) = range(traffic) {
            edges.extend([Some(from), to.checked_add(1)].into_iter().flatten());
        }
    };
    for way in [Direction::Inbound, Direction::Outbound] {
        let entries = fabric.network_acls.iter().flat_map(|(_, acl)| acl.entries.of(way));
        entries.for_each(|entry| cut(&entry.traffic));
        let rules = fabric.policies.iter().flat_map(|(_, policy)| &policy.of(way).rules);
        rules.for_each(|rule| cut(&rule.traffic));
    }
    edges.retain(|port| *port > 0 && !EPHEMERAL_PORTS.contains(*port));
    edges.into_iter().rev().collect()
}
