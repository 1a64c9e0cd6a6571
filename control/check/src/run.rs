//! Do the packets do what the test expects?
//!
//! Every test is asked of explain, at every level; at `virtual` and `live` a [`Prober`] then sends the packets. What
//! always holds: a test that could not run has no outcome and never passes; packets that contradict explain fail the test,
//! whatever it expected; a level is never lowered.

use std::collections::BTreeSet;
use std::net::IpAddr;

use vpclab_api::{ApiError, Assumed, Blocker, Expected, Explanation, Level, Outcome, TestReport, TestResult};
use vpclab_engine::explain::{End, TrafficQuestion};
use vpclab_engine::{EniIdx, Fabric, HostIdx, Role, Side};
use vpclab_model::Topology;
use vpclab_wire::Protocol;

use crate::answer::{answer, answer_of_pair, in_each_family};
use crate::codes::{NO_COMMON_FAMILY, NOT_BY_THIS_GATEWAY, ONLY_SOME_ADDRESSES};
use crate::explain::{answer_one, behind_nat64};
use crate::question::{Question, Questions, questions};
use crate::testfile::{Because, TestCase};
use crate::{internet, middleboxes};

/// Sends packets where the instances are.
pub trait Prober {
    /// At which level.
    fn level(&self) -> Level;

    /// Makes one attempt.
    ///
    /// # Errors
    ///
    /// Why it could not be made, in a sentence.
    fn probe(&mut self, attempt: &Attempt) -> Result<Observation, String>;
}

/// Packets to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Who sends.
    pub from: Guest,
    /// The sender's own address.
    pub source: IpAddr,
    /// Who is to receive, and by which address of its own; none if nobody in the topology has the destination.
    pub to: Option<(Guest, IpAddr)>,
    /// The address that the packets are sent to.
    pub destination: IpAddr,
    /// What is sent.
    pub traffic: Sent,
    /// Those on explain's ways there and back who send on what is not theirs, by the names of their interfaces.
    pub through: BTreeSet<String>,
    /// The codes of all that denies it, says explain; none where something is to come back.
    pub denied_by: Vec<String>,
}

impl Attempt {
    /// Whether explain says that nothing will come back.
    pub fn is_hopeless(&self) -> bool {
        !self.denied_by.is_empty()
    }
}

/// Somebody who can send and receive, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guest {
    /// An interface of an instance.
    Interface(String),
    /// An internet host.
    Host(String),
}

impl Guest {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Interface(name) | Self::Host(name) => name,
        }
    }
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// A TCP connection with a few bytes each way.
    Tcp {
        /// Where to.
        port: u16,
        /// Where from; none is the guest's choice.
        source_port: Option<u16>,
    },
    /// A datagram and its answer.
    Udp {
        /// Where to.
        port: u16,
        /// Where from; none is the guest's choice.
        source_port: Option<u16>,
    },
    /// An echo request and its reply.
    Ping,
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What the packets did.
    pub outcome: Outcome,
    /// The source address that the receiver saw.
    pub source_seen: Option<IpAddr>,
}

/// Runs `tests` of one file. Without a prober the level is `explain`.
pub fn run(
    topology: &Topology,
    fabric: &Fabric,
    file: &str,
    tests: &[TestCase],
    mut prober: Option<&mut dyn Prober>,
    mut done: impl FnMut(&TestResult),
) -> Vec<TestResult> {
    tests
        .iter()
        .map(|test| {
            let result = run_one(topology, fabric, file, test, lend(&mut prober));
            done(&result);
            result
        })
        .collect()
}

/// The prober for one use. Not `as_deref_mut`: its result would have to live as long as the prober itself.
fn lend<'a>(prober: &'a mut Option<&mut dyn Prober>) -> Option<&'a mut dyn Prober> {
    match prober {
        Some(prober) => Some(&mut **prober),
        None => None,
    }
}

/// Results for tests that could not run, all for one `reason`.
pub fn not_run(
    file: &str,
    tests: &[TestCase],
    level: Level,
    reason: &str,
    mut done: impl FnMut(&TestResult),
) -> Vec<TestResult> {
    let result = |test: &TestCase| {
        let failures = vec![format!("it could not run: {reason}")];
        let result = TestResult { failures, ..blank(file, test, level) };
        done(&result);
        result
    };
    tests.iter().map(result).collect()
}

/// The report of all results.
pub fn report(level: Level, tests: Vec<TestResult>) -> TestReport {
    let passed = tests.iter().filter(|test| test.passed).count();
    TestReport { level, passed, failed: tests.len() - passed, tests, errors: Vec::new() }
}

fn run_one(
    topology: &Topology,
    fabric: &Fabric,
    file: &str,
    test: &TestCase,
    mut prober: Option<&mut dyn Prober>,
) -> TestResult {
    let level = prober.as_ref().map_or(Level::Explain, |prober| prober.level());
    let mut request = test.request.clone();
    // A source that is to be seen has a family.
    request.family = request.family.or(test.source_seen.map(|source| if source.is_ipv6() { 6 } else { 4 }));
    let Questions { pairs, of_sets } = match questions(fabric, topology, &request) {
        Ok(questions) => questions,
        Err(error) => return cannot_be_asked(blank(file, test, level), &error),
    };
    let results: Vec<TestResult> = pairs
        .iter()
        .map(|question| of_pair(topology, fabric, file, test, question, of_sets, lend(&mut prober)))
        .collect();
    if !of_sets {
        return results.into_iter().next().unwrap_or_else(|| blank(file, test, level));
    }
    of_all(&pairs, results).unwrap_or_else(|| blank(file, test, level))
}

/// What a test about sets came to: what fails between any two, and one of the pairs that fail, if some do.
fn of_all(pairs: &[Question], results: Vec<TestResult>) -> Option<TestResult> {
    let mut failures = Vec::new();
    let mut assumed: Vec<Assumed> = Vec::new();
    for (question, result) in pairs.iter().zip(&results) {
        let pair = format!("{} → {}", question.from.name, question.to.name);
        failures.extend(result.failures.iter().map(|failure| format!("{pair}: {failure}")));
        for told in result.explanation.iter().flat_map(|explanation| &explanation.assumed) {
            if !assumed.contains(told) {
                assumed.push(told.clone());
            }
        }
    }
    let failed = results.iter().position(|result| !result.passed);
    let mut shown = results.into_iter().nth(failed.unwrap_or(0))?;
    if let Some(explanation) = &mut shown.explanation {
        explanation.assumed = assumed;
    }
    Some(TestResult { failures, ..shown })
}

/// What a test came to between one pair of ends.
fn of_pair(
    topology: &Topology,
    fabric: &Fabric,
    file: &str,
    test: &TestCase,
    question: &Question,
    of_sets: bool,
    mut prober: Option<&mut dyn Prober>,
) -> TestResult {
    let level = prober.as_ref().map_or(Level::Explain, |prober| prober.level());
    // Without a family a test is about every family that the two ends have in common.
    let mut families = in_each_family(fabric, question);
    if families.is_empty() {
        families.push(question.clone());
    }
    let results: Vec<TestResult> = families
        .iter()
        .map(|question| {
            let mut result = blank(file, test, level);
            let answer = if of_sets { answer_of_pair } else { answer };
            match answer(fabric, topology, question) {
                Ok(explanation) => {
                    judge(topology, fabric, test, question, &explanation, lend(&mut prober), &mut result);
                    result.explanation = Some(Box::new(explanation));
                    result.passed = result.failures.is_empty() && result.outcome.is_some();
                    result
                }
                Err(error) => cannot_be_asked(result, &error),
            }
        })
        .collect();
    let wrong =
        if test.expected == Expected::Denied { denied_otherwise(&test.because, &results) } else { None };
    let mut result = one_of(&families, results).unwrap_or_else(|| blank(file, test, level));
    result.passed &= wrong.is_none();
    result.failures.extend(wrong);
    result
}

fn cannot_be_asked(result: TestResult, ApiError { error }: &ApiError) -> TestResult {
    let failures = vec![format!("it cannot be asked: {} ({})", error.message, error.code)];
    TestResult { failures, ..result }
}

/// Nothing, or that no family is denied for the expected reason.
fn denied_otherwise(because: &Because, results: &[TestResult]) -> Option<String> {
    let denied = results.iter().filter_map(|result| result.explanation.as_ref());
    let denied = denied.filter(|told| told.reachable == Some(false));
    let wrong: Option<Vec<String>> = denied.map(|told| wrong_reason(because, &told.blockers)).collect();
    wrong?.into_iter().next()
}

/// What a test came to: what failed in any family, or else what its first family came to.
fn one_of(families: &[Question], results: Vec<TestResult>) -> Option<TestResult> {
    let is_one_story = results.windows(2).all(|pair| pair[0].failures == pair[1].failures);
    let mut failures = Vec::new();
    for (question, result) in
        families.iter().zip(&results).take(if is_one_story { 1 } else { families.len() })
    {
        let family = if question.ipv6 == Some(true) { "over IPv6: " } else { "over IPv4: " };
        let family = if is_one_story { "" } else { family };
        failures.extend(result.failures.iter().map(|failure| format!("{family}{failure}")));
    }
    // One that failed says more than one that could not be tried.
    let failed = results.iter().position(|result| !result.passed && result.outcome.is_some());
    let shown = failed.or_else(|| results.iter().position(|result| !result.passed)).unwrap_or(0);
    let assumed: Vec<(bool, Vec<Assumed>)> = families
        .iter()
        .zip(&results)
        .filter_map(|(question, result)| {
            Some((question.ipv6 == Some(true), result.explanation.as_ref()?.assumed.clone()))
        })
        .collect();
    let mut shown = results.into_iter().nth(shown)?;
    if let Some(explanation) = &mut shown.explanation {
        // The test is about the others as well.
        for (ipv6, assumed) in assumed {
            let family = if ipv6 { "over IPv6: " } else { "over IPv4: " };
            for told in assumed {
                if !explanation.assumed.contains(&told) {
                    let assumption = format!("{family}{}", told.assumption);
                    explanation.assumed.push(Assumed { assumption, ..told });
                }
            }
        }
    }
    Some(TestResult { failures, ..shown })
}

/// The result of a test before anything is known.
fn blank(file: &str, test: &TestCase, level: Level) -> TestResult {
    TestResult {
        file: file.to_owned(),
        name: test.name.clone(),
        level,
        passed: false,
        expected: test.expected,
        outcome: None,
        failures: Vec::new(),
        source_seen: None,
        explanation: None,
    }
}

fn judge(
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
    let mut others: &[String] = &[];
    if let (None, Some(observed)) = (&prober, &explanation.forward.observed) {
        others = &observed.other_sources;
    }
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
                result.outcome = Some(observation.outcome);
                source_seen = observation.source_seen.map(|address| address.to_string());
                judge_outcome(test.expected, observation.outcome, result);
                if said != Outcome::Unknown && is_allowed(said) != is_allowed(observation.outcome) {
                    result.failures.push(format!(
                        "explain says {}, packets say {}",
                        answer_word(said),
                        outcome_words(observation.outcome)
                    ));
                }
            }
        },
    }
    if result.outcome.is_some_and(is_allowed) {
        result.source_seen.clone_from(&source_seen);
    }
    if let (Some(wanted), Some(outcome)) = (test.source_seen, result.outcome) {
        let seen = source_seen.as_deref().and_then(|seen| seen.parse::<IpAddr>().ok());
        if is_allowed(outcome) && !others.is_empty() {
            let others = others.join(" or ");
            let seen = source_seen.unwrap_or_default();
            result.failures.push(format!(
                "the receiver was to see the source {wanted}, and gateways choose between {seen} and {others} at random"
            ));
        } else if is_allowed(outcome) && seen != Some(wanted) {
            let seen = source_seen.unwrap_or_else(|| "none that could be seen".to_owned());
            result.failures.push(format!("the receiver was to see the source {wanted}, and saw {seen}"));
        }
    }
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
        (_, Outcome::Unknown) | (Expected::Allowed, Outcome::Allowed) => {}
        (Expected::Denied, Outcome::Dropped | Outcome::Unreachable) => {}
        (Expected::Denied, Outcome::Allowed) => {
            result.failures.push("expected denied, and it is allowed".to_owned());
        }
        (Expected::Denied, Outcome::Refused | Outcome::NoListener) => result
            .failures
            .push(format!("expected denied, and the network let it through: {}", outcome_words(outcome))),
        (Expected::Allowed, _) => {
            result.failures.push(format!("expected allowed, and it is {}", outcome_words(outcome)));
        }
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

/// Nothing, or that no blocker is the one expected.
fn wrong_reason(because: &Because, blockers: &[Blocker]) -> Option<String> {
    let fits = |blocker: &Blocker| {
        because.code.as_ref().is_none_or(|code| *code == blocker.code)
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

/// The packets that witness for or against an explanation.
fn attempt(
    topology: &Topology,
    fabric: &Fabric,
    question: &Question,
    explanation: &Explanation,
) -> Result<Attempt, String> {
    let ipv6 = explanation
        .to
        .address
        .as_deref()
        .or(explanation.from.address.as_deref())
        .map_or_else(|| question.ipv6.unwrap_or(false), |address| address.contains(':'));
    let traffic = sent(question.traffic)?;
    let (from, source) = match question.from.end {
        End::Interface(eni, address) => {
            let address = address.or_else(|| fabric.enis[eni].primary_address(ipv6));
            (interface(fabric, eni)?, address.ok_or_else(|| no_address(&question.from.name, ipv6))?)
        }
        End::Host(host) => at_host(fabric, host, ipv6)?,
        End::Internet => at_host(fabric, stand_in(topology, fabric, question, explanation, ipv6)?, ipv6)?,
        End::Address(address) => {
            let host = fabric.only_host_at(address).ok_or_else(|| nobody_there(address))?;
            (Guest::Host(fabric.hosts[host].name.to_string()), address)
        }
    };
    let (to, destination) = match question.to.end {
        End::Interface(eni, address) => {
            let own = address.or_else(|| fabric.enis[eni].primary_address(ipv6));
            let own = own.ok_or_else(|| no_address(&question.to.name, ipv6))?;
            // The address that explain found packets to carry: from the internet that is the public one. Without one,
            // the private address is all a packet could try.
            let destination =
                explanation.to.address.as_deref().and_then(|address| address.parse().ok()).unwrap_or(own);
            let receiver = match fabric.enis[eni].role {
                // Behind an endpoint's interface its service listens.
                Role::Endpoint(endpoint) => at_host(fabric, fabric.vpc_endpoints[endpoint].service, ipv6)?,
                _ => (interface(fabric, eni)?, own),
            };
            (Some(receiver), destination)
        }
        End::Host(host) => {
            let (guest, address) = at_host(fabric, host, ipv6)?;
            (Some((guest, address)), address)
        }
        End::Internet => {
            let (guest, address) =
                at_host(fabric, stand_in(topology, fabric, question, explanation, ipv6)?, ipv6)?;
            (Some((guest, address)), address)
        }
        End::Address(address) => {
            let meant = behind_nat64(address);
            let guest = |eni: &EniIdx| fabric.enis[*eni].role == Role::Guest;
            let inside = fabric.public_mapping(meant).filter(|to| guest(&to.eni));
            let inside =
                inside.map(|to| interface(fabric, to.eni).map(|guest| (guest, to.private))).transpose()?;
            let host =
                fabric.only_host_at(meant).map(|host| Guest::Host(fabric.hosts[host].name.to_string()));
            let to = inside.or(host.map(|host| (host, meant)));
            let answers_itself =
                explanation.forward.steps.last().is_some_and(|step| step.component == "router");
            if to.is_none() && explanation.reachable == Some(true) && !answers_itself {
                return Err(nobody_there(address));
            }
            (to, address)
        }
    };
    let denied_by = explanation.blockers.iter().map(|blocker| blocker.code.clone()).collect();
    let through = middleboxes::through(fabric, question, source, destination, ipv6);
    Ok(Attempt { from, source, to, destination, traffic, through, denied_by })
}

/// One packet that stands for all that were asked about.
fn sent(traffic: TrafficQuestion) -> Result<Sent, String> {
    match traffic {
        TrafficQuestion::Ports { protocol, port: Some(port), source_port } => {
            if protocol == Protocol::TCP {
                Ok(Sent::Tcp { port, source_port })
            } else {
                Ok(Sent::Udp { port, source_port })
            }
        }
        TrafficQuestion::Echo => Ok(Sent::Ping),
        TrafficQuestion::All | TrafficQuestion::Ports { port: None, .. } => Err(
            "a question about every protocol or port is no packet; name a protocol and a port, or use --level explain"
                .to_owned(),
        ),
        TrafficQuestion::Protocol(number) => {
            Err(format!("guests do not speak protocol {number}; use --level explain"))
        }
    }
}

/// The guest behind an interface. What is not modelled has none whose packets could bear witness.
fn interface(fabric: &Fabric, eni: EniIdx) -> Result<Guest, String> {
    let interface = &fabric.enis[eni];
    match interface.role {
        Role::NotModelled(resource) => Err(format!(
            "{} belongs to {}, whose inside is not modelled, so nothing is there to send or to answer; use --level explain",
            interface.name, fabric.not_modelled[resource].name
        )),
        _ => Ok(Guest::Interface(interface.name.to_string())),
    }
}

fn at_host(fabric: &Fabric, host: HostIdx, ipv6: bool) -> Result<(Guest, IpAddr), String> {
    let host = &fabric.hosts[host];
    let address = host.addresses.iter().copied().find(|address| address.is_ipv6() == ipv6);
    let address = address.ok_or_else(|| no_address(host.name.as_str(), ipv6))?;
    Ok((Guest::Host(host.name.to_string()), address))
}

fn no_address(name: &str, ipv6: bool) -> String {
    format!("{name} has no {} address", if ipv6 { "IPv6" } else { "IPv4" })
}

fn nobody_there(address: IpAddr) -> String {
    format!(
        "no host with the address {address} is there to answer; declare it under `internet_hosts` or `customer_hosts`"
    )
}

/// A declared host that plays the internet: one that fares as the answer says, for the same reasons, or it would bear
/// witness to another. One that rules or routes on the way name comes last.
fn stand_in(
    topology: &Topology,
    fabric: &Fabric,
    question: &Question,
    explanation: &Explanation,
    ipv6: bool,
) -> Result<HostIdx, String> {
    let reasons = |told: &Explanation| -> Vec<_> {
        let own = told.blockers.iter().filter(|blocker| blocker.code != ONLY_SOME_ADDRESSES);
        own.map(|b| {
            (b.code.clone(), b.direction.clone(), b.resource.clone(), b.rule.clone(), b.groups.clone())
        })
        .collect()
    };
    let meant = (explanation.reachable, reasons(explanation));
    let hosts = || {
        fabric.hosts.iter().filter(|(_, host)| host.side == Side::Internet).filter_map(|(index, host)| {
            let address = host.addresses.iter().copied().find(|address| address.is_ipv6() == ipv6)?;
            Some((index, host, address))
        })
    };
    let alike = hosts().filter_map(|(index, _, address)| {
        let (told, met) = answer_one(fabric, topology, &internet::at(question, address)).ok()?;
        let fares_alike = (told.reachable, reasons(&told)) == meant;
        fares_alike.then(|| (internet::is_named(fabric, &met, address), index))
    });
    if let Some((_, host)) = alike.min() {
        return Ok(host);
    }
    let family = if ipv6 { "IPv6" } else { "IPv4" };
    let names: Vec<&str> = hosts().map(|(_, host, _)| host.name.as_str()).collect();
    Err(if names.is_empty() {
        format!(
            "no declared host can play the internet; declare one under `internet_hosts` with an {family} address"
        )
    } else {
        format!(
            "no declared host ({}) fares as the internet does, and for the same reasons, as rules or routes tell them \
             apart; declare another one under `internet_hosts` with an {family} address",
            names.join(", ")
        )
    })
}
