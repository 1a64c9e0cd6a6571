//! What in this design is probably a mistake?
//!
//! Each file here looks for one kind of mistake, or a small family of them. What is about packets is asked of the engine,
//! from real interfaces or from visitors that the linter puts into subnets; what is about the text of rules is decided by
//! exact sets. What always holds: where something is not modelled nothing that depends on it is found; the same topology
//! has the same findings in the same order; a finding that the document accepts is told apart and never lost.

mod accept;
mod asking;
mod asymmetry;
mod boxes;
mod catalogue;
mod dead_ends;
mod network_acls;
mod open;
mod outside;
mod peers;
mod quotas;
mod render;
mod replies;
mod returns;
mod routes;
mod security_groups;
mod signatures;
mod subnets;
mod unused;
mod visitors;

use vpclab_api::{AcceptedFinding, Finding, LintReport, LintResource, MistakeBody, Severity};
use vpclab_engine::{Fabric, HostIdx};
use vpclab_model::{Document, Kind, Name, Topology};

pub use catalogue::{CATALOGUE, Check};
pub use render::report as render;

use self::accept::Acceptances;
use self::visitors::Visitors;

/// The key under which a document accepts findings.
pub const ACCEPT: &str = "x-vpclab-accept";

/// What the checks look at.
struct Lint<'a> {
    document: &'a Document,
    /// As it is.
    topology: &'a Topology,
    /// With a visitor in every subnet, compiled: whom questions are asked of.
    fabric: &'a Fabric,
    /// Who they are.
    visitors: &'a Visitors,
    /// A host of each range of customer networks, be he declared or supposed.
    customers: Vec<HostIdx>,
    /// `topology` with all of them in it.
    visited: &'a Topology,
}

/// Looks for every kind of mistake in `topology`, which `document` declares.
///
/// # Errors
///
/// What is wrong with the acceptances of the document: an id that there is not, a reason that is missing.
pub fn lint(document: &Document, topology: &Topology) -> Result<LintReport, Vec<MistakeBody>> {
    let mut acceptances = Acceptances::read(document)?;
    let (mut visited, visitors) = Visitors::enter(topology);
    visitors.suppose_customers(&mut visited);
    let fabric = Fabric::compile(&visited, None);
    let customers = signatures::customers(topology, &fabric);
    let cx = Lint { document, topology, fabric: &fabric, visitors: &visitors, customers, visited: &visited };
    let mut found = Vec::new();
    for check in [
        network_acls::check,
        security_groups::check,
        routes::check,
        dead_ends::check,
        replies::check,
        returns::check,
        asymmetry::check,
        subnets::check,
        open::check,
        peers::check,
        unused::check,
        quotas::check,
    ] {
        found.extend(check(&cx));
    }
    let mut report = LintReport::default();
    for finding in found {
        match acceptances.of(topology, &finding) {
            Some(accepted) => report.accepted.push(AcceptedFinding { finding, accepted }),
            None => report.findings.push(finding),
        }
    }
    report.findings.extend(acceptances.unused());
    report.findings.sort_by(order);
    report.accepted.sort_by(|a, b| order(&a.finding, &b.finding));
    Ok(report)
}

/// Whether findings count as a no: all but notes do, and `strict` those too.
#[must_use]
pub fn is_clean(report: &LintReport, strict: bool) -> bool {
    report.findings.iter().all(|finding| finding.severity == Severity::Note && !strict)
}

fn order(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    let key = |finding: &Finding| (finding.severity, finding.id.clone(), finding.resource.clone());
    key(a).cmp(&key(b))
}

impl Check {
    /// This finding about a resource of a kind that has a type of its own.
    fn about<K: Kind>(&self, name: &Name<K>, reason: String, remedy: String) -> Finding {
        self.about_kind(K::PLURAL, name.as_str(), reason, remedy)
    }

    /// This finding about a resource, its kind by its key.
    fn about_kind(&self, kind: &str, name: &str, reason: String, remedy: String) -> Finding {
        Finding {
            id: self.id.to_owned(),
            severity: self.severity,
            resource: LintResource { kind: kind.to_owned(), name: name.to_owned() },
            rule: None,
            reason,
            remedy,
            facts: self.facts.iter().map(|fact| (*fact).to_owned()).collect(),
        }
    }
}

/// A finding that rests on these facts of those that its kind may rest on.
fn citing(finding: Finding, facts: &[&str]) -> Finding {
    Finding { facts: facts.iter().map(|fact| (*fact).to_owned()).collect(), ..finding }
}

/// ` (2 more such pairs)`, where one of three is told.
fn and_more(pairs: usize) -> String {
    match pairs {
        0 | 1 => String::new(),
        2 => " (1 more such pair)".to_owned(),
        many => format!(" ({} more such pairs)", many - 1),
    }
}

/// `a, b and 3 more`: a few of many names.
fn some_of<T: AsRef<str>>(names: &[T]) -> String {
    const MOST: usize = 3;
    let shown: Vec<&str> = names.iter().take(MOST).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(MOST) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
