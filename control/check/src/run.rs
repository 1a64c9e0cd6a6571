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
use crate::everybody;
use crate::judge::{judge, wrong_reason};
use crate::question::{Question, Questions, questions, reversed};
use crate::source_ports;
use crate::testfile::{Because, Section, TestCase};

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
}

/// What tests are run on.
#[derive(Clone, Copy)]
struct Run<'a> {
    topology: &'a Topology,
    fabric: &'a Fabric,
    file: &'a str,
    when: &'a [String],
    level: Level,
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
    let run = Run { topology, fabric, file, when: &when, level };
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
        let (pairs, of_sets) = match self.pairs(test) {
            Ok(pairs) => pairs,
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
        if let Some(vacuous) = vacuous {
            result.passed = false;
            result.failures.push(vacuous);
        }
        TestResult { expected: test.expected, ..result }
    }

    /// The pairs of ends that a test is about, and whether they are told apart in what it comes to.
    fn pairs(&self, test: &TestCase) -> Result<(Vec<Pair>, bool), ApiError> {
        let mut request = test.request.clone();
        // A source that is to be seen has a family.
        request.family =
            request.family.or(test.source_seen.map(|source| if source.is_ipv6() { 6 } else { 4 }));
        if test.expected == Expected::Only {
            return Ok((everybody::pairs(self.fabric, self.topology, &request, &test.only)?, true));
        }
        let Questions { mut pairs, mut of_sets } = questions(self.fabric, self.topology, &request)?;
        if test.both_directions {
            let back = reversed(self.fabric, self.topology, &request)?;
            pairs.extend(questions(self.fabric, self.topology, &back)?.pairs);
            of_sets = true;
        }
        let pair = |question| Pair { question, expected: test.expected, unheard: None };
        Ok((pairs.into_iter().map(pair).collect(), of_sets))
    }

    /// What a test came to between one pair of ends.
    fn pair(
        &self,
        test: &TestCase,
        pair: &Pair,
        of_sets: bool,
        mut prober: Option<&mut dyn Prober>,
    ) -> TestResult {
        let test = &TestCase { expected: pair.expected, ..test.clone() };
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
        let wrong =
            if test.expected == Expected::Denied { denied_otherwise(&test.because, of_each) } else { None };
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
        judge(self.topology, self.fabric, test, question, &explanation, prober, &mut result);
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

/// That a denial says nothing of the network, if so: whoever asks or is asked does not run at all. Of who only may ask, one
/// pair is enough that nothing parts but that the one asked does not run.
fn says_nothing(test: &TestCase, results: &[TestResult]) -> Option<String> {
    if test.expected == Expected::Allowed || test.because.code.as_deref() == Some(BAD_STATE) {
        return None;
    }
    let told: Option<Vec<&Explanation>> =
        results.iter().map(|result| result.explanation.as_deref()).collect();
    let told = told.filter(|told| !told.is_empty())?;
    let is_dead = |told: &&Explanation| {
        !told.blockers.is_empty() && told.blockers.iter().all(|blocker| blocker.code == BAD_STATE)
    };
    let is_asked =
        |told: &&Explanation| told.blockers.iter().all(|at| at.resource.as_ref() == Some(&told.to.name));
    let dead = match test.expected {
        Expected::Only => told.into_iter().find(|told| is_dead(told) && is_asked(told))?,
        _ => told.iter().all(is_dead).then(|| told[0])?,
    };
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
