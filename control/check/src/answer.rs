//! Which walks answer a question?
//!
//! A question is asked in each address family that it can be asked in, from the interface by which its sender would
//! send, and about everybody where an end is the internet. Left to others: the walks, and how they are told.

use std::net::IpAddr;

use vpclab_api::{Answers, ApiError, Assumed, Blocker, ExplainRequest, Explained, Explanation, LegVerdict};
use vpclab_engine::explain::{End, EndError, resolve};
use vpclab_engine::{EniIdx, Fabric};
use vpclab_model::Topology;

use crate::codes::{NO_COMMON_FAMILY, NOT_BY_THIS_GATEWAY};
use crate::explain::answer_one;
use crate::question::{EndKind, Question, Questions, Via, questions};
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
    let Questions { pairs, of_sets } = questions(fabric, topology, request)?;
    if let ([question], false) = (pairs.as_slice(), of_sets) {
        return answer(fabric, topology, question).map(|explanation| Explained::One(Box::new(explanation)));
    }
    let answers = pairs.iter().map(|question| answer_of_pair(fabric, topology, question));
    let answers = answers.collect::<Result<Vec<_>, _>>()?;
    let all = |reachable| answers.iter().all(|answer| answer.reachable == reachable);
    let any = |reachable| answers.iter().any(|answer| answer.reachable == reachable);
    let reachable = if any(Some(false)) { Some(false) } else { all(Some(true)).then_some(true) };
    Ok(Explained::Many(Answers { reachable, answers }))
}

/// Answers about one pair of many. That two ends have no address family in common is no mistake there: neither reaches
/// the other.
pub(crate) fn answer_of_pair(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
) -> Result<Explanation, ApiError> {
    let ends = resolve(fabric, question.from.end, question.to.end, question.ipv6);
    if ends == Err(EndError::NoCommonFamily) && question.undeclared.is_none() {
        let (from, to) = (&question.from.name, &question.to.name);
        let message = format!("{from} and {to} have no address family in common that was asked about");
        let blocker = Blocker { message, resource: Some(to.clone()), ..own_blocker(NO_COMMON_FAMILY) };
        return Ok(denied(undeclared::unanswered(question, Vec::new()), blocker));
    }
    answer(fabric, topology, question)
}

/// The answer where this denies it.
fn denied(mut explanation: Explanation, blocker: Blocker) -> Explanation {
    explanation.reachable = Some(false);
    explanation.blockers.push(blocker);
    if explanation.forward.steps.is_empty() {
        explanation.forward.verdict = LegVerdict::Dropped;
    }
    explanation
}

/// A blocker that no walk has met.
fn own_blocker(code: &str) -> Blocker {
    Blocker {
        code: code.to_owned(),
        direction: "forward".to_owned(),
        resource: None,
        rule: None,
        groups: Vec::new(),
        message: String::new(),
        partial: Vec::new(),
        by_choice: false,
    }
}

/// What was asked about as what lies behind a gateway is only reached there by packets that pass it.
fn only_by(told: Explanation, via: &Via) -> Explanation {
    let is_there = |step: &vpclab_api::Step| step.component == via.component && step.resource == via.resource;
    if told.reachable != Some(true) || told.forward.steps.iter().any(is_there) {
        return told;
    }
    let Via { component, resource } = via;
    let component = component.replace('_', " ");
    let message =
        format!("the packets do not pass {component} {resource}, behind which the end was asked about");
    let blocker = Blocker { message, resource: Some(resource.clone()), ..own_blocker(NOT_BY_THIS_GATEWAY) };
    denied(told, blocker)
}

/// Answers a question already understood.
///
/// # Errors
///
/// When the two ends make no question, as when they have no address family in common.
pub fn answer(fabric: &Fabric, topology: &Topology, question: &Question) -> Result<Explanation, ApiError> {
    let told = answer_in_every_family(fabric, topology, question)?;
    let gateways = [&question.from.via, &question.to.via].into_iter().flatten();
    Ok(gateways.fold(told, only_by))
}

fn answer_in_every_family(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
) -> Result<Explanation, ApiError> {
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
    if [&question.from, &question.to]
        .iter()
        .any(|end| matches!(end.kind, EndKind::Internet | EndKind::Block(_)))
    {
        return internet::answer(fabric, topology, question);
    }
    answer_one(fabric, topology, question).map(|(explanation, _)| explanation)
}
