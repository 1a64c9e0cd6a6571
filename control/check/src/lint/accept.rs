//! Which findings does the document accept, and why?
//!
//! `"x-vpclab-accept": { "finding-id": { "place": "reason" } }` in a resource accepts its finding of that id at that place:
//! a rule by its text or by where it is. A reason instead of the map accepts all of its findings of that id, at the top of
//! the document those of all resources. What always holds: an acceptance has a reason, names an id that there is, and is
//! itself a finding once it matches nothing.

use serde_json::{Map, Value};
use vpclab_api::{Finding, MistakeBody};
use vpclab_engine::Direction;
use vpclab_model::{Document, KINDS, Kind, NOT_MODELLED, Topology, kind, nearest};

use super::ACCEPT;
use super::catalogue::{CATALOGUE, UNUSED_ACCEPTANCE};
use super::security_groups::place;
use crate::words;

/// What a document accepts.
pub(super) struct Acceptances(Vec<Acceptance>);

struct Acceptance {
    /// The kind's key and the name; empty for the document.
    resource: (String, String),
    id: String,
    /// Where in the resource; none is anywhere.
    place: Option<String>,
    reason: String,
    is_used: bool,
}

impl Acceptance {
    /// How the document names what is accepted.
    fn what(&self) -> String {
        self.place.as_ref().map_or_else(|| self.id.clone(), |place| format!("{} at `{place}`", self.id))
    }
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

    /// Why a finding is accepted, if it is. What is said of its place goes before what its resource says of all, and that
    /// before what the document says.
    pub(super) fn of(&mut self, topology: &Topology, finding: &Finding) -> Option<String> {
        let own = (finding.resource.kind.as_str(), finding.resource.name.as_str());
        let places =
            if self.0.iter().any(|one| one.place.is_some()) { places(topology, finding) } else { Vec::new() };
        let is_at = |one: &Acceptance, resource: (&str, &str)| {
            (&*one.resource.0, &*one.resource.1) == resource && one.id == finding.id
        };
        let here = |one: &Acceptance| {
            is_at(one, own) && one.place.as_ref().is_some_and(|place| places.contains(place))
        };
        let everywhere = |resource| move |one: &Acceptance| is_at(one, resource) && one.place.is_none();
        let found = self
            .0
            .iter()
            .position(here)
            .or_else(|| self.0.iter().position(everywhere(own)))
            .or_else(|| self.0.iter().position(everywhere(("", ""))))?;
        let one = &mut self.0[found];
        one.is_used = true;
        Some(one.reason.clone())
    }

    /// The acceptances that have matched nothing.
    pub(super) fn unused(&self) -> impl Iterator<Item = Finding> + '_ {
        self.0.iter().filter(|one| !one.is_used).map(|one| {
            let Acceptance { resource: (kind, name), id, .. } = one;
            let reason = format!("it accepts {}, and there is no such finding here", one.what());
            let remedy = match &one.place {
                Some(place) => format!("take `{place}` out of `{id}` in `{ACCEPT}`"),
                None => format!("take `{id}` out of `{ACCEPT}`"),
            };
            UNUSED_ACCEPTANCE.about_kind(kind, name, reason, remedy)
        })
    }
}

/// What a document may call the place of a finding: where the rule is, and the text of a security group's rule, which does
/// not move when others come and go.
fn places(topology: &Topology, finding: &Finding) -> Vec<String> {
    let Some(rule) = &finding.rule else { return Vec::new() };
    let mut places = vec![rule.clone()];
    if finding.resource.kind == kind::SecurityGroup::PLURAL
        && let Some(group) = topology.security_groups.get(finding.resource.name.as_str())
    {
        for (way, rules) in [(Direction::Inbound, &group.ingress), (Direction::Outbound, &group.egress)] {
            let declared: Vec<_> = rules.iter().filter(|one| place(way, one.declared_at) == *rule).collect();
            if let Some(first) = declared.first() {
                let peers = declared.iter().map(|one| &one.peer);
                places.push(words::group_permission(way, &first.traffic, peers));
            }
        }
    }
    places
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
            continue;
        }
        if id == UNUSED_ACCEPTANCE.id {
            let problem = "an acceptance that matches nothing cannot be accepted".to_owned();
            mistake(attribute, "InvalidParameterValue", problem, "take that acceptance out".to_owned());
            continue;
        }
        let each: Vec<(Option<String>, &Value)> = match reason.as_object() {
            Some(by_place) if kind.is_empty() && !by_place.is_empty() => {
                let problem =
                    "at the top a finding is accepted of every resource, which have no place in common";
                let remedy = "give the reason as a text, or accept the place in its resource";
                mistake(attribute, "InvalidParameterValue", problem.to_owned(), remedy.to_owned());
                continue;
            }
            Some(by_place) if !by_place.is_empty() => {
                by_place.iter().map(|(place, reason)| (Some(place.clone()), reason)).collect()
            }
            _ => vec![(None, reason)],
        };
        for (place, reason) in each {
            match reason.as_str().map(str::trim).filter(|reason| !reason.is_empty()) {
                Some(reason) => all.push(Acceptance {
                    resource: (kind.to_owned(), name.to_owned()),
                    id: id.clone(),
                    place,
                    reason: reason.to_owned(),
                    is_used: false,
                }),
                None => {
                    let attribute =
                        place.map_or_else(|| attribute.clone(), |place| format!("{attribute}.{place}"));
                    let problem = "nothing says why the finding is accepted".to_owned();
                    mistake(attribute, "MissingParameter", problem, "give the reason as a text".to_owned());
                }
            }
        }
    }
}
