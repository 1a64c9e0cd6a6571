//! What changes from one network to another, or by one Terraform plan?
//!
//! A side is a topology, or what the importer makes one of. What always holds: the new side keeps what the old one had
//! and nobody states, such as chosen addresses, so that a change is one of the network and none of the choice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use vpclab_check::diff::{markdown, text};
use vpclab_import::{
    Fate, ImportError, Imported, NoteKind, Options, Problem, Recognised, Report, ReportedResource, Side,
    Source, recognised,
};
use vpclab_model::{Document, EipName, NetworkInterfaceName, Topology};

use crate::args::{Diff, Review};
use crate::import::{failed, failure_of};
use crate::load;
use crate::output::{self, Answer, Failure};
use crate::outsider;

/// What stands alone, and what does not.
const ALONE: &str =
    "give OLD and NEW; alone stands only a Terraform plan, as `terraform show -json PLAN` prints it";
/// Attributes of instances and interfaces that state addresses.
const STATED: [&str; 5] =
    ["private_ip", "private_ips", "secondary_private_ips", "ipv6_addresses", "public_ip"];

/// Says what changes in connectivity.
pub(crate) fn diff(diff: &Diff) -> Result<Answer, Failure> {
    let (old, new) = match &diff.new {
        Some(new) => files(&diff.old, new, diff.stand_ins)?,
        None => plan(&diff.old, diff.stand_ins)?,
    };
    let told = vpclab_check::diff(&old, &new);
    match diff.output {
        Review { json: true, .. } => output::json(&told)?,
        Review { markdown: true, .. } => output::text(&markdown(&told))?,
        Review { .. } => output::text(&text(&told))?,
    }
    Ok(if told.is_nothing() { Answer::Yes } else { Answer::No })
}

/// Two files, each a topology or something that is imported.
fn files(old: &Path, new: &Path, stand_ins: bool) -> Result<(Topology, Topology), Failure> {
    let (mut before, of_before) = file(old, stand_ins)?;
    let (mut after, of_after) = file(new, stand_ins)?;
    // What `vpclab import` adds for tests is in both or in neither.
    if of_after.is_some() {
        after = outsider::as_in(after, &before);
    }
    if of_before.is_some() {
        before = outsider::as_in(before, &after);
    }
    let told = [(old, of_before), (new, of_after)].map(|(path, report)| (path.display().to_string(), report));
    tell(told.iter().filter_map(|(name, report)| Some((name.as_str(), report.as_ref()?))));
    let old = load::topology(&old.display().to_string(), &before)?;
    let new = following(new, &after, &old)?;
    Ok((old, new))
}

/// The topology in a file, or what the importer makes of it, with its report.
fn file(path: &Path, stand_ins: bool) -> Result<(Document, Option<Report>), Failure> {
    let what = look(path)?;
    if what == Recognised::Other {
        return Ok((Document::from_path(path)?, None));
    }
    let Imported { document, report } = imported(path, Side::After, stand_ins).map_err(|error| {
        let mut failure = failed(error);
        let told = &mut failure.error.error.message;
        *told = format!("{}: {told}", path.display());
        if what == Recognised::Template {
            told.push_str(
                "; `vpclab import` takes parameters, and `vpclab diff` the topology that it writes",
            );
        }
        failure
    })?;
    Ok((Document::from(document), Some(report)))
}

/// Both sides of a plan.
fn plan(path: &Path, stand_ins: bool) -> Result<(Topology, Topology), Failure> {
    let what = match look(path)? {
        Recognised::Plan => {
            let (before, after) =
                match (imported(path, Side::Before, stand_ins), imported(path, Side::After, stand_ins)) {
                    (Ok(before), Ok(after)) => (before, after),
                    (before, after) => return Err(both_failed(path, [before.err(), after.err()])),
                };
            tell([("before", &before.report), ("after", &after.report)].into_iter());
            let (before, after) = (Document::from(before.document), Document::from(after.document));
            let name = path.display().to_string();
            let old = load::topology(&name, &before)?;
            let new = following(path, &after, &without_stated(&old, &before))?;
            return Ok((old, new));
        }
        Recognised::State => "a Terraform state, which has one side",
        Recognised::Template => "a template",
        Recognised::Dump => "what `aws ec2 describe-*` prints",
        // What is no topology either says so itself.
        Recognised::Other => Document::from_path(path).map(|_| "a topology")?,
    };
    Err(Failure::file(format_args!("{} is {what}; {ALONE}", path.display())))
}

fn look(path: &Path) -> Result<Recognised, Failure> {
    recognised(path).map_err(|error| failed(error.into()))
}

fn imported(path: &Path, side: Side, stand_ins: bool) -> Result<Imported, ImportError> {
    let name =
        path.file_stem().map_or_else(|| "source".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let source = Source { name, path: path.to_owned(), region: None, account: None };
    vpclab_import::import(&[source], &Options { stand_ins, side, ..Options::default() })
}

/// What is wrong with the sides of a plan: each thing once, with the side that it is on.
fn both_failed(path: &Path, sides: [Option<ImportError>; 2]) -> Failure {
    let mut problems: BTreeMap<Problem, BTreeSet<bool>> = BTreeMap::new();
    for (is_after, error) in [false, true].into_iter().zip(sides) {
        match error {
            Some(ImportError::Problems(all)) => {
                for problem in all {
                    problems.entry(problem).or_default().insert(is_after);
                }
            }
            // What cannot be read is told of neither side.
            Some(error) => return failed(error),
            None => {}
        }
    }
    let named = problems.into_iter().map(|(problem, on)| {
        let source = match (on.contains(&false), on.contains(&true)) {
            (true, true) => "before and after",
            (true, false) => "before",
            _ => "after",
        };
        Problem { source: source.to_owned(), ..problem }
    });
    let mut failure = failure_of(named.collect());
    failure.error.error.message = format!("{}: {}", path.display(), failure.error.error.message);
    failure
}

/// The new side: what nobody states is as it was, so far as the new side alone would be right.
fn following(path: &Path, document: &Document, before: &Topology) -> Result<Topology, Failure> {
    match Topology::from_document(document, Some(before)) {
        Ok(topology) => Ok(topology),
        // What AWS refuses to change in place can still be compared.
        Err(_) => load::topology(&path.display().to_string(), document),
    }
}

/// A topology of a plan without what its addresses were stated for: where the plan does not repeat an address, AWS
/// chooses another one.
fn without_stated(topology: &Topology, document: &Document) -> Topology {
    let mut topology = topology.clone();
    let states = |kind: &str, name: &str, attributes: &[&str]| {
        let resource = document.as_value().get(kind).and_then(|all| all.get(name));
        resource.is_some_and(|resource| attributes.iter().any(|attribute| resource.get(attribute).is_some()))
    };
    topology.network_interfaces.retain(|name: &NetworkInterfaceName, _| {
        ["instances", "network_interfaces", "nat_gateways"]
            .iter()
            .all(|kind| !states(kind, name.as_str(), &STATED))
    });
    topology.eips.retain(|name: &EipName, _| !states("eips", name.as_str(), &["public_ip"]));
    topology
}

/// Says, beside the answer, what the importer left out and what it does not know.
fn tell<'r>(sides: impl Iterator<Item = (&'r str, &'r Report)>) {
    type Told = (&'static str, String, Vec<String>);
    let mut told: BTreeMap<Told, Vec<&str>> = BTreeMap::new();
    for (side, report) in sides {
        let of_source = report.sources.iter().flat_map(|source| {
            let notes: Vec<String> = source.notes.iter().map(|note| note.text.clone()).collect();
            (!notes.is_empty()).then(|| ("of the source", source.name.clone(), notes))
        });
        for resource in of_source.chain(report.resources.iter().filter_map(doubtful)) {
            let on = told.entry(resource).or_default();
            on.push(side);
        }
    }
    let mut text = String::new();
    for ((fate, resource, notes), on) in told {
        text.push_str(&format!("{fate} ({}): {resource}\n", on.join(", ")));
        notes.iter().for_each(|note| text.push_str(&format!("    {note}\n")));
    }
    output::aside(&text);
}

/// What of a resource an answer could depend on and is not in the topology.
fn doubtful(resource: &ReportedResource) -> Option<(&'static str, String, Vec<String>)> {
    let omitted = resource.notes.iter().any(|note| note.kind == NoteKind::Omitted);
    let fate = match resource.fate {
        fate @ (Fate::LeftOut | Fate::NotModelled) => fate.words(),
        Fate::Approximated if omitted => "omitted in part",
        _ => return None,
    };
    let matters = |kind| kind == NoteKind::Omitted || kind == NoteKind::Unknown;
    let notes = resource.notes.iter().filter(|note| matters(note.kind));
    let notes = notes.map(|note| note.text.clone()).collect();
    Some((fate, format!("{} {}", resource.of_type, resource.address), notes))
}
