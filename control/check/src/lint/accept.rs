//! Which findings does the document accept, and why?
//!
//! `"x-vpclab-accept": { "finding-id": "reason" }` in a resource accepts its findings of that id, at the top of the
//! document those of all resources. What always holds: an acceptance has a reason, names an id that there is, and is
//! itself a finding once it matches nothing.

use serde_json::{Map, Value};
use vpclab_api::{Finding, MistakeBody};
use vpclab_model::{Document, KINDS, NOT_MODELLED, nearest};

use super::ACCEPT;
use super::catalogue::{CATALOGUE, UNUSED_ACCEPTANCE};

/// What a document accepts.
pub(super) struct Acceptances(Vec<Acceptance>);

struct Acceptance {
    /// The kind's key and the name; empty for the document.
    resource: (String, String),
    id: String,
    reason: String,
    is_used: bool,
}

impl Acceptances {
    /// Reads them.
    pub(super) fn read(document: &Document) -> Result<Self, Vec<MistakeBody>> {
        let mut all = Vec::new();
        let mut mistakes = Vec::new();
        let Some(top) = document.as_value().as_object() else { return Ok(Self(all)) };
        read_map(("", ""), top, &mut all, &mut mistakes);
        let kinds = KINDS.iter().copied().chain(NOT_MODELLED.iter().map(|kind| kind.plural));
        for kind in kinds {
            let resources = top.get(kind).and_then(Value::as_object);
            for (name, resource) in resources.into_iter().flatten() {
                if let Some(resource) = resource.as_object() {
                    read_map((kind, name), resource, &mut all, &mut mistakes);
                }
            }
        }
        if mistakes.is_empty() { Ok(Self(all)) } else { Err(mistakes) }
    }

    /// Why a finding is accepted, if it is. What its own resource says goes before what the document says.
    pub(super) fn of(&mut self, finding: &Finding) -> Option<String> {
        let own = (finding.resource.kind.as_str(), finding.resource.name.as_str());
        for place in [own, ("", "")] {
            let is_it =
                |one: &&mut Acceptance| (&*one.resource.0, &*one.resource.1) == place && one.id == finding.id;
            if let Some(one) = self.0.iter_mut().find(is_it) {
                one.is_used = true;
                return Some(one.reason.clone());
            }
        }
        None
    }

    /// The acceptances that have matched nothing.
    pub(super) fn unused(&self) -> impl Iterator<Item = Finding> + '_ {
        self.0.iter().filter(|one| !one.is_used).map(|Acceptance { resource: (kind, name), id, .. }| {
            let reason = format!("it accepts {id}, and there is no such finding here");
            let remedy = format!("take `{id}` out of `{ACCEPT}`");
            UNUSED_ACCEPTANCE.about_kind(kind, name, reason, remedy)
        })
    }
}

fn read_map(
    (kind, name): (&str, &str),
    map: &Map<String, Value>,
    all: &mut Vec<Acceptance>,
    mistakes: &mut Vec<MistakeBody>,
) {
    let resource = if kind.is_empty() { String::new() } else { format!("{kind}.{name}") };
    let mut mistake = |attribute: String, code: &str, problem: String, remedy: String| {
        let code = code.to_owned();
        mistakes.push(MistakeBody { resource: resource.clone(), attribute, code, problem, remedy });
    };
    let Some(accepted) = map.get(ACCEPT).filter(|value| !value.is_null()) else { return };
    let Some(accepted) = accepted.as_object() else {
        let problem = "what is accepted is a map from the id of a finding to the reason".to_owned();
        let remedy = format!("write `\"{ACCEPT}\": {{ \"open-to-the-world\": \"a bastion\" }}`");
        return mistake(ACCEPT.to_owned(), "InvalidParameterValue", problem, remedy);
    };
    for (id, reason) in accepted {
        let attribute = format!("{ACCEPT}.{id}");
        if !CATALOGUE.iter().any(|check| check.id == id) {
            let problem = format!("there is no finding `{id}`");
            let remedy = nearest(id, CATALOGUE.iter().map(|check| check.id)).map_or_else(
                || "docs/lint.md lists them".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            mistake(attribute, "UnknownParameter", problem, remedy);
        } else if id == UNUSED_ACCEPTANCE.id {
            let problem = "an acceptance that matches nothing cannot be accepted".to_owned();
            mistake(attribute, "InvalidParameterValue", problem, "take that acceptance out".to_owned());
        } else {
            match reason.as_str().map(str::trim).filter(|reason| !reason.is_empty()) {
                Some(reason) => all.push(Acceptance {
                    resource: (kind.to_owned(), name.to_owned()),
                    id: id.clone(),
                    reason: reason.to_owned(),
                    is_used: false,
                }),
                None => {
                    let problem = "nothing says why the finding is accepted".to_owned();
                    let remedy = "give the reason as a text".to_owned();
                    mistake(attribute, "MissingParameter", problem, remedy);
                }
            }
        }
    }
}
