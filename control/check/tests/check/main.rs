//! Are questions understood, answers complete, and test files judged?

#![allow(clippy::unwrap_used, clippy::panic)] // As everywhere in tests: there they are the assertion.

mod answers;
mod askable;
mod customers;
mod differences;
mod everybody;
mod faces;
mod gateway_refusals;
mod gateway_ways;
mod gateways;
mod happenings;
mod levels;
mod lines;
mod lint;
mod lint_objects;
mod lint_remedies;
mod lint_rules;
mod lint_ways;
mod middleboxes;
mod networks;
mod not_modelled;
mod parts;
mod questions;
mod ranges;
mod remedies;
mod reports;
mod schema;
mod sets;
mod silent;
mod source_ports;
mod strangers;
mod undeclared;
mod ways;

use std::path::PathBuf;

use vpclab_api::{Answers, ApiError, Expected, ExplainRequest, Explained, Explanation, TestResult};
use vpclab_check::{Prober, Section, TestCase, run};
use vpclab_engine::Fabric;
use vpclab_model::{Document, Syntax, Topology};

/// The topology in `configs/` that every example speaks about.
fn quickstart() -> Network {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../configs/quickstart.json");
    Network::new(&Document::from_path(path).unwrap())
}

fn yaml(text: &str) -> Network {
    Network::new(&Document::parse(text, Syntax::Yaml).unwrap())
}

struct Network {
    document: Document,
    topology: Topology,
    fabric: Fabric,
}

impl Network {
    fn new(document: &Document) -> Self {
        let topology =
            Topology::from_document(document, None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let fabric = Fabric::compile(&topology, None);
        Self { document: document.clone(), topology, fabric }
    }

    fn ask(&self, request: &ExplainRequest) -> Result<Explanation, ApiError> {
        match vpclab_check::explain(&self.fabric, &self.topology, request)? {
            Explained::One(one) => Ok(*one),
            Explained::Many(many) => panic!("one pair of ends has one answer: {many:?}"),
        }
    }

    /// The answers for every pair of what two names hold.
    fn pairs(&self, from: &str, to: &str) -> Answers {
        match vpclab_check::explain(&self.fabric, &self.topology, &request(from, to)) {
            Ok(Explained::Many(answers)) => answers,
            other => panic!("{from} -> {to}: {other:?}"),
        }
    }

    fn explain(&self, from: &str, to: &str) -> Explanation {
        self.ask(&request(from, to)).unwrap_or_else(|error| panic!("{from} -> {to}: {error}"))
    }

    fn refusal(&self, from: &str, to: &str) -> ApiError {
        match self.ask(&request(from, to)) {
            Err(error) => error,
            Ok(answer) => panic!("{from} -> {to} was answered: {answer:#?}"),
        }
    }
}

fn case(from: &str, to: &str, expected: Expected) -> TestCase {
    TestCase::new(from, to, expected)
}

/// Tests of the topology itself.
fn unchanged(tests: &[TestCase]) -> Section {
    Section { when: Vec::new(), tests: tests.to_vec() }
}

fn results(network: &Network, tests: &[TestCase], prober: Option<&mut dyn Prober>) -> Vec<TestResult> {
    run(&network.topology, &network.fabric, "a.tests.json", &unchanged(tests), prober, |_| {})
}

fn one(network: &Network, test: TestCase, prober: Option<&mut dyn Prober>) -> TestResult {
    results(network, &[test], prober).remove(0)
}

fn request(from: &str, to: &str) -> ExplainRequest {
    ExplainRequest { from: from.to_owned(), to: to.to_owned(), ..ExplainRequest::default() }
}
