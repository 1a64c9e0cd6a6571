//! Is what happened what the test expected?
//!
//! What explain says and what packets did meet the test here. What always holds: packets that contradict explain fail the
//! test, whatever it expected; what is true of a part only is neither allowed nor denied.

use std::net::IpAddr;

use vpclab_api::{Blocker, Expected, Explanation, Outcome, TestResult};
use vpclab_engine::Fabric;
use vpclab_engine::explain::{End, TrafficQuestion, resolve, survey};
use vpclab_model::Topology;
use vpclab_wire::Protocol;

use crate::attempt::attempt;
use crate::codes::{MISDELIVERED, NO_COMMON_FAMILY, NOT_BY_THIS_GATEWAY, ONLY_SOME_ADDRESSES};
use crate::question::{EndKind, NamedEnd, Question};
use crate::run::{Observation, Prober};
use crate::testfile::{Because, TestCase};
use crate::way;

pub(crate) fn judge(
    topology: &Topology,
    fabric: &Fabric,
    test: &TestCase,
    question: &Question,
    explanation: &Explanation,
    prober: Option<&mut dyn Prober>,
    result: &mut TestResult,
) {
    if let Some(partly) = partly(explanation) {
        // Neither of the two answers is true of all, and packets of one kind would bear witness to one of them.
        result.outcome = Some(Outcome::Unknown);
        result.failures.push(partly);
        return;
    }
    let said = match explanation.reachable {
        Some(true) => Outcome::Allowed,
        Some(false) => Outcome::Dropped,
        None => Outcome::Unknown,
    };
    if said == Outcome::Unknown {
        result.failures.push(depends_on(explanation));
        if explanation.forward.steps.is_empty() {
            // Nobody is known whose packets could tell more.
            result.outcome = Some(said);
            return;
        }
    }
    let beyond_packets =
        |blocker: &Blocker| [NO_COMMON_FAMILY, NOT_BY_THIS_GATEWAY].contains(&&*blocker.code);
    if explanation.blockers.iter().any(beyond_packets) {
        // There are no packets that could bear witness to that.
        result.outcome = Some(said);
        judge_outcome(test.expected, said, result);
        return;
    }
    // Packets show one of the sources that gateways choose among, and another the next time.
    let others: &[String] =
        explanation.forward.observed.as_ref().map_or(&[], |observed| &observed.other_sources);
    let mut source_seen =
        explanation.forward.observed.as_ref().map(|observed| observed.source.address.clone());
    match prober {
        None => {
            result.outcome = Some(said);
            judge_outcome(test.expected, said, result);
        }
        Some(prober) => match attempt(topology, fabric, question, explanation)
            .and_then(|attempt| prober.probe(&attempt))
        {
            Err(reason) => result.failures.push(format!("it could not run: {reason}")),
            Ok(observation) => {
                let outcome = of_the_one_meant(question, &observation, explanation);
                result.outcome = Some(outcome);
                source_seen = observation.source_seen.map(|address| address.to_string());
                judge_outcome(test.expected, outcome, result);
                if said != Outcome::Unknown && is_allowed(said) != is_allowed(outcome) {
                    result.failures.push(format!(
                        "explain says {}, packets say {}",
                        answer_word(said),
                        outcome_words(outcome)
                    ));
                }
            }
        },
    }
    if test.expected == Expected::Denied && result.failures.is_empty() {
        result.failures.extend(arrives(fabric, &test.because, question, explanation));
    }
    if result.outcome.is_some_and(is_allowed) {
        result.source_seen.clone_from(&source_seen);
    }
    if explanation.reachable == Some(true) && result.outcome.is_some() {
        result.failures.extend(way::wrong(topology, &test.path, explanation));
    }
    if let (Some(wanted), Some(outcome)) = (test.source_seen, result.outcome) {
        let seen = source_seen.as_deref().and_then(|seen| seen.parse::<IpAddr>().ok());
        if is_allowed(outcome) && !others.is_empty() {
            let seen = explanation.forward.observed.iter().map(|observed| &observed.source.address);
            let all: Vec<&str> = seen.chain(others).map(String::as_str).collect();
            result.failures.push(format!(
                "the receiver was to see the source {wanted}, and gateways choose among {}, at random or by whom is asked",
                all.join(", ")
            ));
        } else if is_allowed(outcome) && seen != Some(wanted) {
            let seen = source_seen.unwrap_or_else(|| "none that could be seen".to_owned());
            result.failures.push(format!("the receiver was to see the source {wanted}, and saw {seen}"));
        }
    }
}

/// That what needs no answer to do its work arrives, if so, and only the reply is denied. Nothing comes of TCP without one.
fn arrives(
    fabric: &Fabric,
    because: &Because,
    question: &Question,
    explanation: &Explanation,
) -> Option<String> {
    let needs_reply = matches!(question.traffic, TrafficQuestion::Ports { protocol: Protocol::TCP, .. });
    if needs_reply || explanation.reachable != Some(false) {
        return None;
    }
    let is_of_reply = |blocker: &&Blocker| blocker.direction == "return";
    let others = explanation.other_blockers.iter().map(|other| (other.blockers.as_slice(), false));
    std::iter::once((explanation.blockers.as_slice(), true)).chain(others).find_map(|(blockers, is_shown)| {
        let reply = blockers.iter().find(is_of_reply)?;
        let names_it = *because != Because::default() && {
            let of_reply: Vec<Blocker> = blockers.iter().filter(is_of_reply).cloned().collect();
            wrong_reason(because, &of_reply).is_none()
        };
        if names_it || !some_arrive(fabric, question, blockers, is_shown) {
            return None;
        }
        Some(format!(
            "it arrives; only the reply is denied: {} ({}). If that is meant, expect it with `because: {{ direction: return }}`",
            crate::render::blocker(reply),
            reply.code
        ))
    })
}

/// Whether nothing denies the request of some of the packets; `is_shown` says whether it is those of the question's own ends
/// that are denied so, and not those of other hosts.
fn some_arrive(fabric: &Fabric, question: &Question, blockers: &[Blocker], is_shown: bool) -> bool {
    let mut of_request = blockers.iter().filter(|blocker| blocker.direction == "forward");
    if of_request.clone().any(|blocker| blocker.partial.is_empty() && !blocker.by_choice) {
        return false;
    }
    // A host that is supposed in a network of the user's own is none of this topology's.
    let is_supposed = |end: &NamedEnd| {
        end.kind == EndKind::CustomerHost
            && matches!(end.end, End::Host(host) if fabric.hosts.get(host).is_none_or(|own| own.name.as_str() != end.name))
    };
    if of_request.next().is_none() || !is_shown || is_supposed(&question.from) || is_supposed(&question.to) {
        return true;
    }
    // Each denies a part: together they may deny all.
    let Ok(ends) = resolve(fabric, question.from.end, question.to.end, question.ipv6) else { return true };
    let all = survey(fabric, &vpclab_engine::explain::Question { ends, traffic: question.traffic });
    all.fates.iter().any(|fate| fate.denials.iter().all(|(on_return, _)| *on_return))
}

/// Why neither "allowed" nor "denied" is true of all that was asked about, if so.
fn partly(explanation: &Explanation) -> Option<String> {
    if let Some(some) = explanation.blockers.iter().find(|blocker| blocker.code == ONLY_SOME_ADDRESSES) {
        return Some(some.message.clone());
    }
    if explanation.by_choice {
        return Some(
            "it passes on some of the ways that gateways may choose at random, and not on others".to_owned(),
        );
    }
    if !explanation.not_denied.is_empty() {
        return Some(format!("only some of it passes: {}", crate::render::some(&explanation.not_denied)));
    }
    let denies_all = explanation.blockers.iter().any(|blocker| blocker.partial.is_empty());
    let is_known = explanation.unmodelled.is_empty() || denies_all || explanation.blockers.is_empty();
    (!is_known).then(|| depends_on(explanation))
}

fn depends_on(explanation: &Explanation) -> String {
    let on: Vec<String> =
        explanation.unmodelled.iter().map(|on| format!("{} ({})", on.resource, on.reason)).collect();
    format!("explain cannot tell: it depends on {}", on.join(", "))
}

fn judge_outcome(expected: Expected, outcome: Outcome, result: &mut TestResult) {
    match (expected, outcome) {
        (_, Outcome::Unknown) | (Expected::Allowed | Expected::Only, Outcome::Allowed) => {}
        (Expected::Denied, Outcome::Dropped | Outcome::Unreachable) => {}
        (Expected::Denied, Outcome::Allowed) => {
            result.failures.push("expected denied, and it is allowed".to_owned());
        }
        (Expected::Denied, Outcome::Refused | Outcome::NoListener) => result
            .failures
            .push(format!("expected denied, and the network let it through: {}", outcome_words(outcome))),
        // What is expected of a pair of ends is one of the two.
        (Expected::Allowed | Expected::Only, _) => {
            result.failures.push(format!("expected allowed, and it is {}", outcome_words(outcome)));
        }
    }
}

/// What packets did, where another has the address that they went to: its refusal says that the one meant has got none, and
/// so does its echo reply, of which the one meant has seen no request.
fn of_the_one_meant(question: &Question, observed: &Observation, explanation: &Explanation) -> Outcome {
    let goes_to_another = explanation.blockers.iter().any(|blocker| blocker.code == MISDELIVERED);
    let is_echo = question.traffic == TrafficQuestion::Echo && observed.source_seen.is_none();
    match observed.outcome {
        Outcome::Refused | Outcome::NoListener if goes_to_another => Outcome::Unreachable,
        Outcome::Allowed if goes_to_another && is_echo => Outcome::Unreachable,
        outcome => outcome,
    }
}

fn is_allowed(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Allowed)
}

fn answer_word(outcome: Outcome) -> &'static str {
    if is_allowed(outcome) { "allowed" } else { "denied" }
}

/// What packets did, in words.
pub fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::Dropped => "silently dropped",
        Outcome::Unreachable => "unreachable (an ICMP error, or no route or neighbour)",
        Outcome::Refused => "refused by the peer (TCP reset)",
        Outcome::NoListener => "without a listener (ICMP port unreachable)",
        Outcome::Unknown => "unknown",
    }
}

/// Nothing, or that no blocker is the one expected. One that denies a part only is no reason where another denies it all.
pub(crate) fn wrong_reason(because: &Because, blockers: &[Blocker]) -> Option<String> {
    let has_whole = blockers.iter().any(|blocker| blocker.partial.is_empty());
    let fits = |blocker: &Blocker| {
        (blocker.partial.is_empty() || !has_whole)
            && because.code.as_ref().is_none_or(|code| *code == blocker.code)
            && because.resource.as_ref().is_none_or(|resource| Some(resource) == blocker.resource.as_ref())
            && because.rule.as_ref().is_none_or(|rule| Some(rule) == blocker.rule.as_ref())
            && because.direction.as_ref().is_none_or(|direction| *direction == blocker.direction)
    };
    if blockers.iter().any(fits) {
        return None;
    }
    let wanted = [
        because.code.clone(),
        because.resource.as_ref().map(|resource| format!("of {resource}")),
        because.rule.as_ref().map(|rule| format!("rule {}", crate::render::rule(rule))),
        because.direction.as_ref().map(|direction| format!("on the {direction} way")),
    ];
    let wanted: Vec<String> = wanted.into_iter().flatten().collect();
    let found: Vec<String> = blockers
        .iter()
        .map(|blocker| format!("{} ({})", crate::render::blocker(blocker), blocker.code))
        .collect();
    Some(format!("expected it denied by {}, and it is denied because {}", wanted.join(" "), found.join("; ")))
}
