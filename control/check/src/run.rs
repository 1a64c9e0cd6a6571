//! Do the packets do what the test expects?
//!
//! Every test is asked of explain, at every level; at `virtual` and `live` a [`Prober`] then sends the packets. What
//! always holds: a test that could not run has no outcome and never passes; packets that contradict explain fail the test,
//! whatever it expected; a level is never lowered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use vpclab_api::{ApiError, Assumed, Expected, Explanation, Level, Outcome, TestReport, TestResult};
use vpclab_engine::Fabric;
use vpclab_model::Topology;

use crate::answer::{at_each_address, in_each_family, in_no_family};
use crate::codes::BAD_STATE;
use crate::judge::{judge, wrong_reason};
use crate::question::{Question, Questions, questions, reversed};
use crate::silent::{self, Waker};
use crate::source_ports;
use crate::testfile::{Because, Section, TestCase};
use crate::{admitted, everybody};

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

/// A pair of ends of a test, and what is expected of it.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// The question.
    pub(crate) question: Question,
    /// The answer expected.
    pub(crate) expected: Expected,
    /// Why no packets can bear witness; nothing where they can.
    pub(crate) unheard: Option<&'static str>,
    /// Whether any reason for a denial will do: a test's own is about the end as it is named.
    pub(crate) for_any_reason: bool,
    /// The answer, where it cannot be asked of the network as it is declared.
    pub(crate) told: Option<Box<Explanation>>,
    /// What it came to, where it is about the rest of all traffic.
    pub(crate) rest: Option<Rest>,
}

/// What becomes of the traffic that a test does not name.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    pub(crate) outcome: Outcome,
    /// What is wrong with it.
    pub(crate) failures: Vec<String>,
}

impl Pair {
    pub(crate) fn new(question: Question, expected: Expected, unheard: Option<&'static str>) -> Self {
        Self { question, expected, unheard, for_any_reason: false, told: None, rest: None }
    }
}

/// What a test is about.
struct Asked {
    pairs: Vec<Pair>,
    /// Whether the pairs are told apart in what it comes to.
    of_sets: bool,
    /// What is taken for granted beside the answers.
    assumed: Vec<Assumed>,
}

/// What tests are run on.
#[derive(Clone, Copy)]
struct Run<'a> {
    topology: &'a Topology,
    fabric: &'a Fabric,
    file: &'a str,
    when: &'a [String],
    level: Level,
    waker: &'a Waker<'a>,
}

/// Runs the tests of a section on its network. Without a prober the level is `explain`.
pub fn run(
    topology: &Topology,
    fabric: &Fabric,
    file: &str,
    section: &Section,
    mut prober: Option<&mut dyn Prober>,
    mut done: impl FnMut(&TestResult),
) -> Vec<TestResult> {
    let when = section.words();
    let level = prober.as_ref().map_or(Level::Explain, |prober| prober.level());
    let waker = Waker::new(topology, fabric);
    let run = Run { topology, fabric, file, when: &when, level, waker: &waker };
    let one = |test: &TestCase| {
        let result = run.test(test, lend(&mut prober));
        done(&result);
        result
    };
    section.tests.iter().map(one).collect()
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
    section: &Section,
    level: Level,
    reason: &str,
    mut done: impl FnMut(&TestResult),
) -> Vec<TestResult> {
    let when = section.words();
    let result = |test: &TestCase| {
        let failures = vec![format!("it could not run: {reason}")];
        let result = TestResult { failures, ..blank(file, &when, test, level) };
        done(&result);
        result
    };
    section.tests.iter().map(result).collect()
}

/// The report of all results.
pub fn report(level: Level, tests: Vec<TestResult>) -> TestReport {
    let passed = tests.iter().filter(|test| test.passed).count();
    TestReport { level, passed, failed: tests.len() - passed, tests, errors: Vec::new() }
}

impl Run<'_> {
    fn blank(&self, test: &TestCase) -> TestResult {
        blank(self.file, self.when, test, self.level)
    }

    fn test(&self, test: &TestCase, mut prober: Option<&mut dyn Prober>) -> TestResult {
        let mut own = *self;
        if let Some(level) = test.level {
            // Packets were not asked for.
            (own.level, prober) = (level, None);
        }
        own.at_level(test, prober)
    }

    fn at_level(&self, test: &TestCase, mut prober: Option<&mut dyn Prober>) -> TestResult {
        let Asked { pairs, of_sets, assumed } = match self.pairs(test) {
            Ok(asked) => asked,
            Err(error) => return cannot_be_asked(self.blank(test), &error),
        };
        if let Some(error) = in_no_family(self.fabric, pairs.iter().map(|pair| &pair.question)) {
            return cannot_be_asked(self.blank(test), &error);
        }
        let results: Vec<TestResult> =
            pairs.iter().map(|pair| self.pair(test, pair, of_sets, lend(&mut prober))).collect();
        let vacuous = says_nothing(test, &results);
        let result = if of_sets { of_all(&pairs, results) } else { results.into_iter().next() };
        let mut result = result.unwrap_or_else(|| self.blank(test));
        if let Some(explanation) = &mut result.explanation {
            explanation.assumed.extend(assumed);
        }
        if let Some(vacuous) = vacuous {
            result.passed = false;
            result.failures.push(vacuous);
        }
        TestResult { expected: test.expected, ..result }
    }

    /// The pairs of ends that a test is about.
    fn pairs(&self, test: &TestCase) -> Result<Asked, ApiError> {
        let mut request = test.request.clone();
        // A source that is to be seen has a family.
        request.family =
            request.family.or(test.source_seen.map(|source| if source.is_ipv6() { 6 } else { 4 }));
        if let Some(admitted) = &test.only_ports {
            let pairs = admitted::pairs(self.fabric, self.topology, &request, admitted)?;
            return Ok(Asked { pairs, of_sets: true, assumed: Vec::new() });
        }
        if test.expected == Expected::Only {
            let (pairs, assumed) = everybody::pairs(self.fabric, self.topology, &request, &test.only)?;
            return Ok(Asked { pairs, of_sets: true, assumed });
        }
        let Questions { mut pairs, mut of_sets } = questions(self.fabric, self.topology, &request)?;
        if test.both_directions {
            let back = reversed(self.fabric, self.topology, &request)?;
            pairs.extend(questions(self.fabric, self.topology, &back)?.pairs);
            of_sets = true;
        }
        let mut asked = Vec::new();
        for question in pairs {
            // Who may not send may do so by none of his interfaces and addresses.
            let others = match test.expected {
                Expected::Denied => everybody::other_ways(self.fabric, &question),
                _ => Vec::new(),
            };
            of_sets |= !others.is_empty();
            let ways = std::iter::once((question, false)).chain(others.into_iter().map(|way| (way, true)));
            asked.extend(ways.map(|(question, for_any_reason)| {
                let unheard = everybody::cannot_speak(self.fabric, &question);
                Pair { for_any_reason, ..Pair::new(question, test.expected, unheard) }
            }));
        }
        Ok(Asked { pairs: asked, of_sets, assumed: Vec::new() })
    }

    /// What a test came to between one pair of ends.
    fn pair(
        &self,
        test: &TestCase,
        pair: &Pair,
        of_sets: bool,
        mut prober: Option<&mut dyn Prober>,
    ) -> TestResult {
        let has_reason =
            test.expected == Expected::Denied && pair.expected == Expected::Denied && !pair.for_any_reason;
        let test = &TestCase { expected: pair.expected, ..test.clone() };
        if let (Some(rest), Some(told)) = (&pair.rest, &pair.told) {
            return self.rest(test, pair, rest, told);
        }
        if let Some(told) = &pair.told {
            return self.judged(test, pair, &pair.question, (**told).clone(), None);
        }
        let beyond = pair.question.beyond().map(|_| everybody::NOBODY_BEYOND);
        let mut pair = Pair { unheard: pair.unheard.or(beyond), ..pair.clone() };
        // What is to be denied needs no remedy.
        pair.question.remedies = pair.expected == Expected::Allowed;
        let pair = &pair;
        if pair.unheard.is_some() {
            prober = None;
        }
        // Without a family a test is about every family that the two ends have in common.
        let mut families = in_each_family(self.fabric, &pair.question);
        if families.is_empty() {
            families.push(pair.question.clone());
        }
        let of_families = families.len() > 1;
        let mut results: Vec<(String, TestResult)> = Vec::new();
        let mut family_of: Vec<usize> = Vec::new();
        for (place, family) in families.iter().enumerate() {
            let ipv6 = family.ipv6 == Some(true);
            let over = if ipv6 { "over IPv6" } else { "over IPv4" };
            let answers = match self.answers(pair, family, of_sets) {
                Ok(answers) => answers,
                Err(error) => {
                    results.push((over.to_owned(), cannot_be_asked(self.blank(test), &error)));
                    family_of.push(place);
                    continue;
                }
            };
            for (question, explanation) in answers {
                let mut label: Vec<&str> = if of_families { vec![over] } else { Vec::new() };
                if question.from.name != pair.question.from.name {
                    label.extend(["from", &question.from.name]);
                }
                if question.to.name != pair.question.to.name {
                    label.extend(["at", &question.to.name]);
                }
                let source_port = source_ports::of(&question).filter(|_| source_ports::of(family).is_none());
                let source_port = source_port.map(|port| format!("from port {port}"));
                label.extend(source_port.as_deref());
                let label = label.join(" ");
                results.push((label, self.judged(test, pair, &question, explanation, lend(&mut prober))));
                family_of.push(place);
            }
        }
        let of_each = family_of.into_iter().zip(results.iter().map(|(_, result)| result));
        let wrong = if has_reason { denied_otherwise(&test.because, of_each) } else { None };
        let mut result = one_of(results).unwrap_or_else(|| self.blank(test));
        result.passed &= wrong.is_none();
        result.failures.extend(wrong);
        result
    }

    /// The answers about each address of a pair's, in one family. Who is to be denied is denied whatever port he sends from.
    fn answers(
        &self,
        pair: &Pair,
        family: &Question,
        of_sets: bool,
    ) -> Result<Vec<(Question, Explanation)>, ApiError> {
        let mut answers = at_each_address(self.fabric, self.topology, family, of_sets)?;
        if pair.expected == Expected::Denied {
            let told = answers.iter().map(|(_, told)| told);
            let passing = source_ports::that_pass(self.fabric, self.topology, family, of_sets, told)?;
            answers.extend(passing);
        }
        Ok(answers)
    }

    /// What a test came to about the traffic between one pair of ends that it does not name.
    fn rest(&self, test: &TestCase, pair: &Pair, rest: &Rest, told: &Explanation) -> TestResult {
        let mut explanation = told.clone();
        if self.level != Level::Explain {
            let assumption = "of the traffic that is not named explain alone was asked".to_owned();
            explanation.assumed.push(Assumed { resource: pair.question.from.name.clone(), assumption });
        }
        TestResult {
            outcome: Some(rest.outcome),
            passed: rest.failures.is_empty(),
            failures: rest.failures.clone(),
            explanation: Some(Box::new(explanation)),
            ..self.blank(test)
        }
    }

    /// What a test came to about one address of a pair's, in one family.
    fn judged(
        &self,
        test: &TestCase,
        pair: &Pair,
        question: &Question,
        mut explanation: Explanation,
        prober: Option<&mut dyn Prober>,
    ) -> TestResult {
        let mut result = self.blank(test);
        // What packets meet; what would deny them besides is told and not met.
        let met = explanation.clone();
        let silence = match test.expected {
            Expected::Denied => {
                silent::says_nothing(self.waker, &pair.question, question, &mut explanation, &test.because)
            }
            _ => None,
        };
        match silence {
            Some(silence) => {
                // Packets have nothing to add.
                result.outcome = Some(Outcome::Dropped);
                result.failures.push(silence);
            }
            None => judge(self.topology, self.fabric, test, question, &met, prober, &mut result),
        }
        if let Some(why) = pair.unheard.filter(|_| self.level != Level::Explain) {
            let assumption = format!("{why}: explain alone was asked");
            explanation.assumed.push(Assumed { resource: question.from.name.clone(), assumption });
        }
        result.explanation = Some(Box::new(explanation));
        result.passed = result.failures.is_empty() && result.outcome.is_some();
        result
    }
}

/// What a test about several pairs came to: what fails between any two, and one of the pairs that fail, if some do.
fn of_all(pairs: &[Pair], results: Vec<TestResult>) -> Option<TestResult> {
    let mut failures = Vec::new();
    let mut assumed: Vec<Assumed> = Vec::new();
    for (Pair { question, .. }, result) in pairs.iter().zip(&results) {
        let pair = format!("{} → {}", question.from.name, question.to.name);
        failures.extend(result.failures.iter().map(|failure| format!("{pair}: {failure}")));
        for told in result.explanation.iter().flat_map(|explanation| &explanation.assumed) {
            if !assumed.contains(told) {
                assumed.push(told.clone());
            }
        }
    }
    // One that failed says more than one that could not be tried; with either the test has not passed.
    let tried = results.iter().position(|result| !result.passed && result.outcome.is_some());
    let untried = results.iter().position(|result| result.outcome.is_none());
    let has_not_run = tried.is_none() && untried.is_some();
    let shown = tried.or(untried).or_else(|| results.iter().position(|result| !result.passed)).unwrap_or(0);
    let mut shown = results.into_iter().nth(shown)?;
    if has_not_run {
        shown.outcome = None;
    }
    if let Some(explanation) = &mut shown.explanation {
        explanation.assumed = assumed;
    }
    Some(TestResult { failures, ..shown })
}

/// That a denial says nothing of the network, if so: nothing parts the two but that something on the way does not run.
fn says_nothing(test: &TestCase, results: &[TestResult]) -> Option<String> {
    if test.expected != Expected::Denied || test.because.code.as_deref() == Some(BAD_STATE) {
        return None;
    }
    let told: Option<Vec<&Explanation>> =
        results.iter().map(|result| result.explanation.as_deref()).collect();
    let told = told.filter(|told| !told.is_empty())?;
    let is_dead = |told: &&Explanation| {
        !told.blockers.is_empty() && told.blockers.iter().all(|blocker| blocker.code == BAD_STATE)
    };
    let is_new = results.iter().all(|result| result.passed);
    let dead = told.iter().all(is_dead).then(|| told[0]).filter(|_| is_new)?;
    let message = &dead.blockers.first()?.message;
    Some(format!(
        "it is denied by nothing but that {message}, which says nothing of the network: if that is meant, expect it with \
         `because: {{ code: {BAD_STATE} }}`"
    ))
}

fn cannot_be_asked(result: TestResult, ApiError { error }: &ApiError) -> TestResult {
    let failures = vec![format!("it cannot be asked: {} ({})", error.message, error.code)];
    TestResult { failures, ..result }
}

/// Nothing, or that in no family everybody is denied for the expected reason.
fn denied_otherwise<'r>(
    because: &Because,
    results: impl Iterator<Item = (usize, &'r TestResult)>,
) -> Option<String> {
    let mut families: BTreeMap<usize, Option<String>> = BTreeMap::new();
    for (family, result) in results {
        let Some(told) = result.explanation.as_ref().filter(|told| told.reachable == Some(false)) else {
            continue;
        };
        let others = told.other_blockers.iter().map(|other| &other.blockers);
        let mut each = std::iter::once(&told.blockers).chain(others);
        let wrong = each.find_map(|blockers| wrong_reason(because, blockers));
        let known = families.entry(family).or_default();
        *known = known.take().or(wrong);
    }
    let wrong: Option<Vec<String>> = families.into_values().collect();
    wrong?.into_iter().next()
}

/// What a test came to: what failed in any family and at any address, each with its words, or else what the first came to.
fn one_of(results: Vec<(String, TestResult)>) -> Option<TestResult> {
    let is_one_story = results.windows(2).all(|pair| pair[0].1.failures == pair[1].1.failures);
    let mut failures = Vec::new();
    for (label, result) in results.iter().take(if is_one_story { 1 } else { results.len() }) {
        let label = if is_one_story || label.is_empty() { String::new() } else { format!("{label}: ") };
        failures.extend(result.failures.iter().map(|failure| format!("{label}{failure}")));
    }
    // One that failed says more than one that could not be tried.
    let failed = results.iter().position(|(_, result)| !result.passed && result.outcome.is_some());
    let shown = failed.or_else(|| results.iter().position(|(_, result)| !result.passed)).unwrap_or(0);
    let assumed: Vec<(String, Vec<Assumed>)> = results
        .iter()
        .filter_map(|(label, result)| Some((label.clone(), result.explanation.as_ref()?.assumed.clone())))
        .collect();
    let (_, mut shown) = results.into_iter().nth(shown)?;
    if let Some(explanation) = &mut shown.explanation {
        // The test is about the others as well.
        for (label, assumed) in assumed {
            for told in assumed {
                if !explanation.assumed.contains(&told) {
                    let assumption = format!("{label}: {}", told.assumption);
                    explanation.assumed.push(Assumed { assumption, ..told });
                }
            }
        }
    }
    Some(TestResult { failures, ..shown })
}

/// The result of a test before anything is known.
fn blank(file: &str, when: &[String], test: &TestCase, level: Level) -> TestResult {
    TestResult {
        file: file.to_owned(),
        name: test.name.clone(),
        level,
        passed: false,
        when: when.to_vec(),
        expected: test.expected,
        outcome: None,
        failures: Vec::new(),
        source_seen: None,
        explanation: None,
    }
}
