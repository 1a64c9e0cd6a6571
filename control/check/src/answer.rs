//! Which walks answer a question?
//!
//! A question is asked in each address family that it can be asked in, from the interface by which its sender would
//! send, at each address of whom it is about, and about everybody where an end is the internet. Left to others: the walks, and how they are told.

use std::net::IpAddr;

use vpclab_api::{
    Answers, ApiError, Assumed, Blocker, ExplainRequest, Explained, Explanation, LegVerdict, OverIpv6, Step,
};
use vpclab_engine::explain::{End, EndError, resolve};
use vpclab_engine::{EniIdx, Fabric};
use vpclab_model::Topology;

use crate::codes::{NO_COMMON_FAMILY, NOT_BY_THIS_GATEWAY};
use crate::explain::{answer_one, refusal};
use crate::fate::{Fate, Together, is_alike, together};
use crate::met::Met;
use crate::question::{EndKind, NamedEnd, Question, Questions, Via, is_outside, questions};
use crate::{addresses, customers, internet, private_dns, source_ports, undeclared};

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
    let Questions { mut pairs, of_sets } = questions(fabric, topology, request)?;
    pairs.iter_mut().for_each(|question| question.remedies = true);
    if let Some(error) = in_no_family(fabric, pairs.iter()) {
        return Err(error);
    }
    let mut answers = Vec::new();
    for question in &pairs {
        let mut own = answers_about(fabric, topology, question, of_sets)?;
        source_ports::tell(fabric, topology, question, of_sets, &mut own)?;
        answers.extend(own);
    }
    if !of_sets && answers.len() == 1 {
        return Ok(Explained::One(Box::new(answers.remove(0))));
    }
    let all = |reachable| answers.iter().all(|answer| answer.reachable == reachable);
    let any = |reachable| answers.iter().any(|answer| answer.reachable == reachable);
    let reachable = if any(Some(false)) { Some(false) } else { all(Some(true)).then_some(true) };
    Ok(Explained::Many(Answers { reachable, answers }))
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
        line: None,
        remedy: None,
    }
}

/// What was asked about as what lies behind a gateway is only reached there by packets that pass it, whichever way they take.
fn only_by(told: Explanation, via: &Via) -> Explanation {
    if told.reachable != Some(true) {
        return told;
    }
    let is_there = |step: &Step| step.component == via.component && step.resource == via.resource;
    let others = told.other_ways.iter().map(|way| &way.forward);
    let ways: Vec<bool> =
        std::iter::once(&told.forward.steps).chain(others).map(|steps| steps.iter().any(is_there)).collect();
    if !ways.contains(&false) {
        return told;
    }
    let by_choice = ways.contains(&true);
    let Via { component, resource } = via;
    let component = component.replace('_', " ");
    let message =
        format!("the packets do not pass {component} {resource}, behind which the end was asked about");
    let own = own_blocker(NOT_BY_THIS_GATEWAY);
    let blocker = Blocker { message, resource: Some(resource.clone()), by_choice, ..own };
    let mut told = denied(told, blocker);
    told.by_choice = by_choice;
    told
}

/// Answers about one host at each end, by the gateways that stand for them, and says what the walks met.
pub(crate) fn by_gateways(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
) -> Result<(Explanation, Met), ApiError> {
    let (told, met) = answer_one(fabric, topology, question)?;
    Ok((through_gateways(question, told), met))
}

fn through_gateways(question: &Question, told: Explanation) -> Explanation {
    [&question.from.via, &question.to.via].into_iter().flatten().fold(told, only_by)
}

/// Answers a question already understood: once, or once for each address of whom it is about where they fare differently.
///
/// # Errors
///
/// When the two ends make no question, as when they have no address family in common. Between members of sets that is no
/// mistake: neither reaches the other.
fn answers_about(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
    of_sets: bool,
) -> Result<Vec<Explanation>, ApiError> {
    let mut families = in_each_family(fabric, question);
    if families.is_empty() {
        families.push(question.clone());
    }
    let mut told = Vec::new();
    for question in families {
        let answers = at_each_address(fabric, topology, &question, of_sets)?.into_iter();
        told.push(answers.map(|(_, answer)| answer).collect::<Vec<_>>());
    }
    let mut told = told.into_iter();
    let mut answers = told.next().unwrap_or_default();
    if let Some(others) = told.next() {
        for answer in &mut answers {
            over_ipv6(answer, &others);
        }
    }
    Ok(answers)
}

/// Says of an answer about IPv4 how the same question fares over IPv6, if it fares differently.
fn over_ipv6(answer: &mut Explanation, others: &[Explanation]) {
    let fates: Vec<Fate> = others.iter().map(Fate::of).collect();
    let fate = match together(&fates) {
        Some(Together::Like(place)) => fates[place],
        Some(Together::Differ(..)) => Fate::Partly,
        Some(Together::Open(..)) => Fate::Unknown,
        None => return,
    };
    let own = Fate::of(answer);
    let parts = |told: &Explanation| {
        let mut parts = told.not_denied.clone();
        // One protocol by two names.
        parts
            .iter_mut()
            .filter(|part| part.protocol == "icmpv6")
            .for_each(|part| part.protocol = "icmp".to_owned());
        parts
    };
    let is_same_part = || others.iter().all(|other| parts(other) == parts(answer));
    if fate == own && (own != Fate::Partly || is_same_part()) {
        return;
    }
    let what = if fate == own { "other packets pass" } else { fate.words() };
    let assumption = format!("asked over IPv4; over IPv6 {what}: ask for family 6");
    answer.assumed.insert(0, Assumed { resource: answer.to.name.clone(), assumption });
    answer.over_ipv6 = Some(OverIpv6 {
        reachable: match fate {
            Fate::Passes => Some(true),
            Fate::Dies | Fate::Partly => Some(false),
            Fate::Unknown => None,
        },
        partial: fate == Fate::Partly,
    });
}

/// The answers about each address of whom a question in one family is about: one, where they fare alike.
pub(crate) fn at_each_address(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
    of_sets: bool,
) -> Result<Vec<(Question, Explanation)>, ApiError> {
    if let Some(customers) = question.beyond() {
        let answers = customers::answers(customers, fabric, question)?;
        return Ok(answers.into_iter().map(|(own, told)| (own, through_gateways(question, told))).collect());
    }
    let one = |question: Question| -> Result<_, ApiError> {
        let told = answer(fabric, topology, &question, of_sets)?;
        Ok((question, told))
    };
    let each = of_each_address(fabric, question);
    let answers = each.into_iter().map(one).collect::<Result<Vec<_>, _>>()?;
    match answers.as_slice() {
        [first, _, ..] if answers.windows(2).all(|pair| is_alike(&pair[0].1, &pair[1].1)) => {
            let to = NamedEnd { name: question.to.name.clone(), ..first.0.to.clone() };
            Ok(vec![one(Question { to, ..first.0.clone() })?])
        }
        _ => Ok(answers),
    }
}

/// Why none of several questions can be asked in the family that they are asked in; nothing where one can.
pub(crate) fn in_no_family<'q>(
    fabric: &Fabric,
    mut questions: impl Iterator<Item = &'q Question> + Clone,
) -> Option<ApiError> {
    let cannot = |question: &Question| {
        let ends = resolve(fabric, question.from.end, question.to.end, question.ipv6);
        let is_declared = question.undeclared.is_none() && question.beyond().is_none();
        question.ipv6.is_some() && is_declared && ends == Err(EndError::NoCommonFamily)
    };
    let first = questions.clone().next()?;
    questions.all(cannot).then(|| refusal(fabric, first, &EndError::NoCommonFamily))
}

/// Answers a question in one family about one address.
pub(crate) fn answer(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
    of_sets: bool,
) -> Result<Explanation, ApiError> {
    let ends = resolve(fabric, question.from.end, question.to.end, question.ipv6);
    if of_sets && ends == Err(EndError::NoCommonFamily) && question.undeclared.is_none() {
        let (from, to) = (&question.from.name, &question.to.name);
        let message = format!("{from} and {to} have no address family in common that was asked about");
        let blocker = Blocker { message, resource: Some(to.clone()), ..own_blocker(NO_COMMON_FAMILY) };
        return Ok(denied(undeclared::unanswered(question, Vec::new()), blocker));
    }
    answer_in_family(fabric, topology, question)
}

/// The question in each address family that it can be asked in, IPv4 first. Of an instance with several interfaces the
/// one asks by which its programs send.
pub(crate) fn in_each_family(fabric: &Fabric, question: &Question) -> Vec<Question> {
    let families = question.ipv6.map_or(vec![false, true], |ipv6| vec![ipv6]);
    if let Some(customers) = question.beyond() {
        // In each family in which somebody of them is asked.
        let is_asked = |ipv6: &bool| {
            let question = Question { ipv6: Some(*ipv6), ..question.clone() };
            customers.is_asked(fabric, &question)
        };
        let asked = families.into_iter().filter(is_asked);
        return asked.map(|ipv6| Question { ipv6: Some(ipv6), ..question.clone() }).collect();
    }
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

/// A question in one family about each address of whom it is about; itself, where he has one.
pub(crate) fn of_each_address(fabric: &Fabric, question: &Question) -> Vec<Question> {
    let (End::Interface(eni, None), Some(ipv6)) = (question.to.end, question.ipv6) else {
        return vec![question.clone()];
    };
    let interface = &fabric.enis[eni];
    let primary = interface.primary_address(ipv6);
    let mut own: Vec<(IpAddr, IpAddr)> = addresses::of_interface(fabric, eni)
        .into_iter()
        .filter(|address| address.is_ipv6() == ipv6)
        .map(|address| (address, address))
        .collect();
    if !ipv6 && is_outside(fabric, question.from.end) {
        // From there he is each of his public addresses.
        let public = |address: IpAddr| match address {
            IpAddr::V4(private) => interface.public_address_of(private).map(IpAddr::V4),
            IpAddr::V6(_) => None,
        };
        own = own.into_iter().filter_map(|(own, _)| Some((own, public(own)?))).collect();
        let pools = addresses::of_pools(fabric, eni);
        if !pools.is_empty() {
            let shown = own.into_iter().map(|(_, shown)| shown);
            let at = |shown: IpAddr| {
                let name = format!("{}/{shown}", question.to.name);
                let to = NamedEnd::at(&name, EndKind::Address, End::Address(shown));
                Question { to: NamedEnd { via: question.to.via.clone(), ..to }, ..question.clone() }
            };
            return shown.chain(pools).map(at).collect();
        }
    }
    match own.as_slice() {
        [] => return vec![question.clone()],
        [(only, _)] if Some(*only) == primary => return vec![question.clone()],
        _ => {}
    }
    let is_one = own.len() == 1;
    let at = |(own, shown): (IpAddr, IpAddr)| {
        let name = if is_one { question.to.name.clone() } else { format!("{}/{shown}", question.to.name) };
        let to = NamedEnd { name, end: End::Interface(eni, Some(own)), ..question.to.clone() };
        Question { to, ..question.clone() }
    };
    own.into_iter().map(at).collect()
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
    let named = private_dns::takes_the_name(fabric, topology, question);
    if !named.is_empty() {
        return Ok(undeclared::unanswered(question, named));
    }
    if let Some(name) = &question.undeclared {
        return Ok(undeclared::unknown(topology, question, name));
    }
    if [&question.from, &question.to]
        .iter()
        .any(|end| matches!(end.kind, EndKind::Internet | EndKind::Block(_)))
    {
        return internet::answer(fabric, topology, question);
    }
    by_gateways(fabric, topology, question).map(|(explanation, _)| explanation)
}
