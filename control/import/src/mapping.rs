//! How does one resource of a source become attributes of the document?
//!
//! A [`Mapping`] joins what is read (the resource's [`Properties`]) and what is written (attributes in the document's
//! spelling). Each method takes one attribute under the source's spelling and writes it under ours; what is not known
//! is noted, and where it matters the resource is marked `not_modelled`. The tables of what is called what are the
//! readers'.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::estate::{Address, Estate, Key, WITHOUT_DOUBT, becomes};
use crate::properties::{Given, Properties};
use crate::report::{Fate, Note, NoteKind, ReportedResource};
use crate::val::{Missing, Unknown, Val};

/// One resource on its way.
#[derive(Debug)]
pub(crate) struct Mapping<'a> {
    /// Whose words these are.
    pub by: Address,
    /// The type, as the source has it.
    pub of_type: String,
    /// The name in the document.
    pub name: String,
    /// What is read.
    pub properties: Properties<'a>,
    /// What is written.
    pub attributes: Map<String, Value>,
    /// What else was gathered.
    pub estate: &'a mut Estate,
    /// Why something that matters to packets is not known.
    unknown: Vec<String>,
    /// Why nobody knows whether the resource is made at all.
    pub uncertain: Option<String>,
    becomes: Vec<Key>,
}

impl<'a> Mapping<'a> {
    pub(crate) fn new(
        by: Address,
        of_type: &str,
        name: &str,
        properties: &'a BTreeMap<String, Val>,
        estate: &'a mut Estate,
    ) -> Self {
        Self {
            by,
            of_type: of_type.to_owned(),
            name: name.to_owned(),
            properties: Properties::new(properties),
            attributes: Map::new(),
            estate,
            unknown: Vec::new(),
            uncertain: None,
            becomes: Vec::new(),
        }
    }

    /// Copies a text that matters to packets.
    pub(crate) fn text(&mut self, theirs: &str, ours: &str) {
        let given = self.properties.text(theirs);
        self.copy(theirs, ours, given);
    }

    /// Copies a text that is chosen where it is not known: an address, a zone.
    pub(crate) fn assignable(&mut self, theirs: &str, ours: &str) {
        match self.properties.text(theirs) {
            Given::Unknown(unknown) => self.assigned(theirs, &unknown),
            given => self.copy(theirs, ours, given),
        }
    }

    /// Copies a whole number that matters to packets.
    pub(crate) fn number(&mut self, theirs: &str, ours: &str) {
        let given = self.properties.number(theirs);
        self.copy(theirs, ours, given);
    }

    /// Copies a boolean that matters to packets.
    pub(crate) fn boolean(&mut self, theirs: &str, ours: &str) {
        let given = self.properties.boolean(theirs);
        self.copy(theirs, ours, given);
    }

    /// Copies a list of texts that matters to packets.
    pub(crate) fn texts(&mut self, theirs: &str, ours: &str) {
        let given = match self.properties.list(theirs) {
            Given::Absent => return,
            Given::Unknown(unknown) => Given::Unknown(unknown),
            Given::Known(items) => {
                let texts: Option<Vec<String>> = items.iter().map(|item| item.text()).collect();
                let unknown = items.iter().find_map(|item| item.first_unknown()).cloned();
                match (texts, unknown) {
                    (Some(texts), _) => Given::Known(texts),
                    (None, Some(unknown)) => Given::Unknown(unknown),
                    (None, None) => {
                        let place = self.properties.place(theirs);
                        self.properties.problems.push(format!("{place} is not a list of texts"));
                        return;
                    }
                }
            }
        };
        self.copy(theirs, ours, given);
    }

    /// The name of a resource of `kind` that an attribute refers to.
    pub(crate) fn name_of(&mut self, theirs: &str, kind: &'static str) -> Given<String> {
        let given = self.properties.text(theirs);
        self.referred(given, kind)
    }

    /// The name of a resource of `kind` for what an attribute says; that of a stand-in where it has no value.
    pub(crate) fn referred(&mut self, given: Given<String>, kind: &'static str) -> Given<String> {
        let name = match given {
            Given::Known(name) if name.trim().is_empty() => return Given::Absent,
            Given::Known(name) => name.trim().to_owned(),
            Given::Unknown(Unknown { why, missing: Some(missing) }) => {
                let why = missing.remedy.map_or(why.clone(), |remedy| format!("{why}; {remedy}"));
                self.estate.stand_ins.entry((kind, missing.name.clone())).or_insert(why);
                missing.name
            }
            given => return given,
        };
        self.estate.refer(kind, &name, &self.by);
        Given::Known(name)
    }

    /// The same for an attribute of a map inside the resource; `owner` is the account whose resource it is.
    pub(crate) fn referred_in(
        &mut self,
        properties: &mut Properties<'a>,
        theirs: &str,
        kind: &'static str,
        owner: Option<&str>,
    ) -> Given<String> {
        let given = properties.text(theirs);
        match (given, owner) {
            // What belongs to another account is written with it, and need not be here.
            (Given::Known(name), Some(owner)) if name.starts_with("sg-") => {
                Given::Known(format!("{owner}/{name}"))
            }
            (given, _) => self.referred(given, kind),
        }
    }

    /// Copies a reference to a resource of `kind`.
    pub(crate) fn reference(&mut self, theirs: &str, ours: &str, kind: &'static str) {
        let given = self.name_of(theirs, kind);
        self.copy(theirs, ours, given);
    }

    /// The names of resources of `kind` that a list refers to. A list without a value stands for `many` of them.
    pub(crate) fn names_of(&mut self, theirs: &str, kind: &'static str, many: usize) -> Given<Vec<String>> {
        let list = self.properties.take(theirs);
        self.names_in(list, kind, many)
    }

    /// The names of resources of `kind` that a value refers to.
    pub(crate) fn names_in(
        &mut self,
        list: Option<&Val>,
        kind: &'static str,
        many: usize,
    ) -> Given<Vec<String>> {
        let mut flat = Vec::new();
        match list {
            None | Some(Val::Null) => return Given::Absent,
            Some(Val::Unknown(Unknown { why, missing: Some(Missing { name, remedy }) })) => {
                flat.extend((0..many).map(|position| {
                    let missing =
                        Some(Missing { name: format!("{name}[{position}]"), remedy: remedy.clone() });
                    Given::Unknown(Unknown { why: why.clone(), missing })
                }));
            }
            Some(Val::Unknown(unknown)) => return Given::Unknown(unknown.clone()),
            Some(items) => flatten(items, &mut flat),
        }
        let mut names = Vec::new();
        for given in flat {
            match self.referred(given, kind) {
                Given::Known(name) => names.push(name),
                Given::Absent => {}
                Given::Unknown(unknown) => return Given::Unknown(unknown),
            }
        }
        Given::Known(names)
    }

    /// Copies a list of references to resources of `kind`.
    pub(crate) fn references(&mut self, theirs: &str, ours: &str, kind: &'static str) {
        let many = if kind == "subnets" { 2 } else { 1 };
        let given = self.names_of(theirs, kind, many);
        self.copy(theirs, ours, given);
    }

    /// Writes an attribute of our own.
    pub(crate) fn write(&mut self, ours: &str, value: impl Into<Value>) {
        self.attributes.insert(ours.to_owned(), value.into());
    }

    /// Copies a text or number of something that is not modelled: one that is not known changes nothing.
    pub(crate) fn kept(&mut self, theirs: &str, ours: &str) {
        match self.properties.take(theirs) {
            Some(Val::Unknown(unknown)) => {
                let text = format!("{} is not known: {}", self.properties.place(theirs), unknown.why);
                self.note(NoteKind::Unknown, text);
            }
            Some(Val::Number(number)) => self.write(ours, Value::Number(number.clone())),
            Some(Val::Bool(yes)) => self.write(ours, *yes),
            other => {
                if let Some(text) = other.and_then(Val::text) {
                    let number = text.trim().parse::<i64>();
                    self.write(ours, number.map_or(Value::String(text), Value::from));
                }
            }
        }
    }

    /// Notes something.
    pub(crate) fn note(&mut self, kind: NoteKind, text: impl Into<String>) {
        let note = Note::new(kind, text);
        if !self.properties.notes.contains(&note) {
            self.properties.notes.push(note);
        }
    }

    /// Notes that an attribute is chosen by us, as nobody knows it.
    pub(crate) fn assigned(&mut self, theirs: &str, unknown: &Unknown) {
        let place = self.properties.place(theirs);
        self.note(NoteKind::Assigned, format!("{place} is chosen: {}", unknown.why));
    }

    /// Notes that something that matters to packets is not known: the resource is not modelled for that.
    pub(crate) fn matters(&mut self, theirs: &str, unknown: &Unknown) {
        let place = self.properties.place(theirs);
        if let Some(remedy) = unknown.missing.as_ref().and_then(|missing| missing.remedy.as_ref()) {
            return self.properties.problems.push(format!("{place}: {}; {remedy}", unknown.why));
        }
        let text = format!("{place} is not known: {}", unknown.why);
        self.note(NoteKind::Unknown, text.clone());
        self.unknown.push(text);
    }

    /// Notes that something about the resource is not known, which no attribute says.
    pub(crate) fn doubt(&mut self, why: impl Into<String>) {
        let why = why.into();
        self.note(NoteKind::Unknown, why.clone());
        self.unknown.push(why);
    }

    /// Whether something about the resource is not known.
    pub(crate) fn is_doubted(&self) -> bool {
        !self.unknown.is_empty()
    }

    /// Puts what was written under the resource's own name.
    pub(crate) fn put(&mut self, kind: &'static str) {
        let attributes = std::mem::take(&mut self.attributes);
        let name = self.name.clone();
        self.put_as(kind, &name, attributes);
    }

    /// Puts something that the resource becomes.
    pub(crate) fn put_as(&mut self, kind: &'static str, name: &str, mut attributes: Map<String, Value>) {
        if !self.unknown.is_empty() {
            let why = self.unknown.join("; ");
            if WITHOUT_DOUBT.contains(&kind) {
                self.estate.doubt(kind, name, why, &self.by);
            } else {
                attributes.insert("not_modelled".to_owned(), Value::String(why));
            }
        }
        self.estate.put(kind, name, attributes, &self.by);
        self.becomes.push((kind, name.to_owned()));
    }

    /// Says that the resource became part of another one.
    pub(crate) fn became_part_of(&mut self, kind: &'static str, name: &str) {
        self.becomes.push((kind, name.to_owned()));
    }

    /// Reports the resource: `fate` where nothing that was noted says otherwise.
    pub(crate) fn finish(self, fate: Fate) {
        let Self { by, of_type, properties, estate, becomes: keys, uncertain, .. } = self;
        let (mut notes, problems) = properties.finish();
        if let Some(why) = uncertain {
            for (kind, name) in &keys {
                estate.perhaps(kind, name, format!("{}: {why}", by.address), &by);
            }
            notes.push(Note::new(NoteKind::Unknown, why));
        }
        problems.into_iter().for_each(|problem| estate.problem(&by, problem));
        let worst = if notes.iter().any(|note| note.kind == NoteKind::Unknown) {
            Fate::NotModelled
        } else if notes.is_empty() {
            Fate::Understood
        } else {
            Fate::Approximated
        };
        let fate = if fate == Fate::Understood { worst } else { fate };
        let becomes = keys.iter().map(becomes).collect();
        let Address { source, address } = by;
        estate.report(ReportedResource { source, address, of_type, fate, becomes, notes });
    }

    /// Says that something is not known of another resource, which this one changes.
    pub(crate) fn unknown_of(&mut self, kind: &'static str, name: &str, why: &str) {
        self.note(NoteKind::Unknown, why);
        self.estate.doubt(kind, name, why.to_owned(), &self.by);
    }

    /// Ends without a word in the report: what was read is part of another resource of the source.
    pub(crate) fn abandon(self) {
        let Self { by, properties, estate, .. } = self;
        let (_, problems) = properties.finish();
        problems.into_iter().for_each(|problem| estate.problem(&by, problem));
    }

    /// Writes what is given, or notes that it is not known.
    pub(crate) fn copy<T: Into<Value>>(&mut self, theirs: &str, ours: &str, given: Given<T>) {
        match given {
            Given::Absent => {}
            Given::Known(value) => self.write(ours, value),
            Given::Unknown(unknown) => self.matters(theirs, &unknown),
        }
    }
}

/// The JSON map of a literal.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Whether two rules match the same packets: they differ in their descriptions at most.
pub(crate) fn is_same_rule(one: &Value, other: &Value) -> bool {
    let plain = |rule: &Value| {
        let mut rule = rule.clone();
        if let Value::Object(map) = &mut rule {
            map.remove("description");
        }
        rule
    };
    plain(one) == plain(other)
}

/// The texts in a list, and in the lists and texts with commas inside it.
fn flatten(item: &Val, flat: &mut Vec<Given<String>>) {
    match item {
        Val::List(items) => items.iter().for_each(|item| flatten(item, flat)),
        Val::Unknown(unknown) => flat.push(Given::Unknown(unknown.clone())),
        Val::Text(text) => flat.extend(text.split(',').map(|part| Given::Known(part.trim().to_owned()))),
        other => flat.extend(other.text().map(Given::Known)),
    }
}
