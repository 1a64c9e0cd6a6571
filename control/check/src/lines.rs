//! On which line of the user's file does something stand?
//!
//! A topology is read into a tree that knows no lines; here the text is read once more for the places of its keys and
//! items. What always holds: a line that is told is that of the thing itself, or of the resource it belongs to. Where the
//! text says nothing, as of what AWS makes by itself, or cannot be read so, nothing is told.

use std::collections::HashMap;

use granit_parser::{Event, Parser, Span};
use ipnet::IpNet;
use serde_json::Value;
use vpclab_api::{Blocker, Explained, Explanation, RuleReference};
use vpclab_model::{KINDS, NOT_MODELLED};

/// The places of a document's keys and items.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    lines: HashMap<Vec<String>, usize>,
    document: Value,
}

/// A map or list that has begun and not ended.
enum Open {
    Map { key: Option<String> },
    List { next: usize },
}

impl Lines {
    /// The places in `text`, which says `document`.
    pub fn of(text: &str, document: &Value) -> Self {
        let mut lines = HashMap::new();
        let (mut open, mut path): (Vec<Open>, Vec<String>) = (Vec::new(), Vec::new());
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { return Self::default() };
            match event {
                Event::Scalar(word, ..) => {
                    if let Some(Open::Map { key: key @ None }) = open.last_mut() {
                        *key = Some(word.to_string());
                        path.push(word.into_owned());
                        lines.entry(path.clone()).or_insert_with(|| line(&span));
                        continue;
                    }
                    begin(&mut open, &mut path, &mut lines, &span);
                    end(&mut open, &mut path);
                }
                Event::SequenceStart(..) => {
                    begin(&mut open, &mut path, &mut lines, &span);
                    open.push(Open::List { next: 0 });
                }
                Event::MappingStart(..) => {
                    begin(&mut open, &mut path, &mut lines, &span);
                    open.push(Open::Map { key: None });
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                    end(&mut open, &mut path);
                }
                Event::Alias(..) => {
                    begin(&mut open, &mut path, &mut lines, &span);
                    end(&mut open, &mut path);
                }
                _ => {}
            }
        }
        Self { lines, document: document.clone() }
    }

    /// Tells of each blocker on which line it stands.
    pub fn annotate(&self, explained: &mut Explained) {
        let answers = match explained {
            Explained::One(one) => std::slice::from_mut(&mut **one),
            Explained::Many(many) => many.answers.as_mut_slice(),
        };
        for answer in answers {
            let found: Vec<Option<usize>> =
                answer.blockers.iter().map(|blocker| self.of_blocker(answer, blocker)).collect();
            for (blocker, line) in answer.blockers.iter_mut().zip(found) {
                blocker.line = line;
            }
            let mut others = std::mem::take(&mut answer.other_blockers);
            for blocker in others.iter_mut().flat_map(|other| &mut other.blockers) {
                blocker.line = self.of_blocker(answer, blocker);
            }
            answer.other_blockers = others;
        }
    }

    fn of_blocker(&self, answer: &Explanation, blocker: &Blocker) -> Option<usize> {
        let resource = blocker.resource.as_deref()?;
        let own = kind_of(answer, blocker);
        match &blocker.rule {
            Some(RuleReference::Number(number)) => {
                let leg = if blocker.direction == "return" { answer.back.as_ref()? } else { &answer.forward };
                let denies = leg.steps.iter().find(|step| {
                    step.component == "network_acl"
                        && step.resource == resource
                        && step.action == "deny"
                        && step.rule.as_ref() == blocker.rule.as_ref()
                });
                let direction = denies?.direction.as_deref()?;
                let has_number = |entry: &Value| {
                    let own = entry.get("rule_no").or_else(|| entry.get("rule_number"));
                    own.is_some_and(|own| {
                        own.as_u64() == Some(u64::from(*number)) || own.as_str() == Some(&number.to_string())
                    })
                };
                self.item(&["network_acls", resource, direction], has_number)
                    .or_else(|| self.line(&["network_acls", resource]))
            }
            Some(RuleReference::Text(destination)) if destination != "*" => {
                let wanted: Option<IpNet> = destination.parse().ok();
                let leads_there = |route: &Value| {
                    let mut all =
                        route.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str());
                    all.any(|text| {
                        wanted.is_some() && text.parse::<IpNet>().ok().map(|block| block.trunc()) == wanted
                    })
                };
                let tables = ["route_tables", "transit_gateway_route_tables"];
                let tables = own.iter().copied().filter(|kind| tables.contains(kind)).chain(tables);
                let of_route = tables.flat_map(|table| ["routes", "route"].map(|key| (table, key)));
                let found = of_route
                    .into_iter()
                    .find_map(|(table, key)| self.item(&[table, resource, key], leads_there));
                found.or_else(|| self.of_resource(resource, own))
            }
            // Groups stand beside the interface whose they are.
            _ => match blocker.groups.first() {
                Some(group) => {
                    self.line(&["security_groups", group]).or_else(|| self.of_resource(resource, own))
                }
                None => self.of_resource(resource, own),
            },
        }
    }

    /// The line of a resource of its own kind, or of any; of what AWS makes for a VPC, that of the VPC.
    fn of_resource(&self, name: &str, kind: Option<&'static str>) -> Option<usize> {
        let kinds = KINDS.iter().copied().chain(NOT_MODELLED.iter().map(|kind| kind.plural));
        let kinds = kind.into_iter().chain(kinds);
        let own = |name: &str| kinds.clone().find_map(|kind| self.line(&[kind, name]));
        own(name).or_else(|| own(name.rsplit_once('/')?.0))
    }

    /// The line of the first item of a list that is meant.
    fn item(&self, path: &[&str], is_meant: impl Fn(&Value) -> bool) -> Option<usize> {
        let list = path.iter().try_fold(&self.document, |value, key| value.get(key))?.as_array()?;
        let place = list.iter().position(is_meant)?.to_string();
        self.line(&[path, &[place.as_str()]].concat())
    }

    fn line(&self, path: &[&str]) -> Option<usize> {
        self.lines.get(&path.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>()).copied()
    }
}

/// Of which kind the resource of a blocker is: several kinds may have its name.
fn kind_of(answer: &Explanation, blocker: &Blocker) -> Option<&'static str> {
    let leg = if blocker.direction == "return" { answer.back.as_ref()? } else { &answer.forward };
    // A network ACL has one code of its own, and no other code is a network ACL's.
    let is_acl = blocker.code == "SUBNET_ACL_RESTRICTION";
    let named = || {
        let named = leg.steps.iter().filter(|step| Some(&step.resource) == blocker.resource.as_ref());
        named.filter(|step| (step.component == "network_acl") == is_acl)
    };
    let step = named().find(|step| step.action == "deny").or_else(|| named().next_back())?;
    let plural = match step.component.as_str() {
        "virtual_interface" => return None,
        component => format!("{component}s"),
    };
    KINDS.iter().copied().find(|kind| *kind == plural)
}

/// A value begins: an item of a list has a place of its own.
fn begin(open: &mut [Open], path: &mut Vec<String>, lines: &mut HashMap<Vec<String>, usize>, span: &Span) {
    if let Some(Open::List { next }) = open.last_mut() {
        path.push(next.to_string());
        *next += 1;
        lines.entry(path.clone()).or_insert_with(|| line(span));
    }
}

/// A value ends, and with it its key or place.
fn end(open: &mut [Open], path: &mut Vec<String>) {
    match open.last_mut() {
        Some(Open::Map { key }) => {
            *key = None;
            path.pop();
        }
        Some(Open::List { .. }) => {
            path.pop();
        }
        None => {}
    }
}

fn line(span: &Span) -> usize {
    span.start.line()
}
