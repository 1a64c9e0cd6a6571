//! Which walks answer a question?
//!
//! A question is asked in each address family that it can be asked in, from the interface by which its sender would
//! send, and about everybody where an end is the internet. Left to others: the walks, and how they are told.

use std::net::IpAddr;

use vpclab_api::{ApiError, Assumed, ExplainRequest, Explained, Explanation};
use vpclab_engine::explain::{End, EndError, resolve};
use vpclab_engine::{EniIdx, Fabric};
use vpclab_model::Topology;

use crate::explain::answer_one;
use crate::question::{EndKind, Question, parse};
use crate::{internet, private_dns, undeclared};

/// Answers `request` about a new connection, with empty flow memory.
///
/// # Errors
///
/// What is wrong with the question, with EC2's code for it.
pub fn explain(
    fabric: &Fabric,
    topology: &Topology,
    request: &ExplainRequest,
) -> Result<Explained, ApiError> {
    let question = parse(fabric, topology, request)?;
    answer(fabric, topology, &question).map(|explanation| Explained::One(Box::new(explanation)))
}

/// Answers a question already understood.
///
/// # Errors
///
/// When the two ends make no question, as when they have no address family in common.
pub fn answer(fabric: &Fabric, topology: &Topology, question: &Question) -> Result<Explanation, ApiError> {
    let named = private_dns::takes_the_name(fabric, topology, question);
    if !named.is_empty() {
        return Ok(undeclared::unanswered(question, named));
    }
    if let Some(name) = &question.undeclared {
        return Ok(undeclared::unknown(topology, question, name));
    }
    let families = in_each_family(fabric, question);
    let mut answers = families.iter().map(|question| answer_in_family(fabric, topology, question));
    let mut told = answers.next().unwrap_or_else(|| answer_in_family(fabric, topology, question))?;
    if let Some(Ok(ipv6)) = answers.next()
        && ipv6.reachable != told.reachable
    {
        let what = match ipv6.reachable {
            Some(true) => "it passes",
            Some(false) => "it does not pass",
            None => "the answer is unknown",
        };
        let assumption = format!("asked over IPv4; over IPv6 {what}: ask for family 6");
        told.assumed.insert(0, Assumed { resource: told.to.name.clone(), assumption });
    }
    Ok(told)
}

/// The question in each address family that it can be asked in, IPv4 first. Of an instance with several interfaces the
/// one asks by which its programs send.
pub(crate) fn in_each_family(fabric: &Fabric, question: &Question) -> Vec<Question> {
    let families = question.ipv6.map_or(vec![false, true], |ipv6| vec![ipv6]);
    let of_family = |ipv6: bool| {
        let asked = resolve(fabric, question.from.end, question.to.end, Some(ipv6));
        let destination = match asked {
            Err(EndError::NoCommonFamily) => return None,
            Err(_) => None,
            Ok(ends) => Some(ends.destination),
        };
        let mut question = Question { ipv6: Some(ipv6), ..question.clone() };
        if let (EndKind::Instance, End::Interface(primary, None), Some(destination)) =
            (question.from.kind, question.from.end, destination)
        {
            question.from.end = End::Interface(sends_by(fabric, primary, destination), None);
        }
        Some(question)
    };
    families.into_iter().filter_map(of_family).collect()
}

/// The interface by which the programs of the instance with this primary interface send: the one on whose subnet the
/// destination is, as every interface has a route to its own subnet, else the primary one, which has the default route.
fn sends_by(fabric: &Fabric, primary: EniIdx, destination: IpAddr) -> EniIdx {
    let Some((instance, _)) = fabric.enis[primary].attachment else { return primary };
    let own = || fabric.instances[instance].interfaces.iter().map(|(_, eni)| *eni);
    // What an instance sends to itself never leaves it.
    if own().any(|eni| fabric.enis[eni].owns(destination)) {
        return primary;
    }
    own().find(|eni| fabric.subnets[fabric.enis[*eni].subnet].contains(destination)).unwrap_or(primary)
}

fn answer_in_family(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
) -> Result<Explanation, ApiError> {
    if [&question.from, &question.to].iter().any(|end| end.kind == EndKind::Internet) {
        return internet::answer(fabric, topology, question);
    }
    answer_one(fabric, topology, question).map(|(explanation, _)| explanation)
}
