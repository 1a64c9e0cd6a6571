//! How does one resource of a source become attributes of the document?
//!
//! A [`Mapping`] joins what is read (the resource's [`Properties`]) and what is written (attributes in the document's
//! spelling). Each method takes one attribute under the source's spelling and writes it under ours; what is not known
//! is noted, and where it matters the resource is marked `not_modelled`. The tables of what is called what are the
//! readers'.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::estate::{Address, Estate, Key, becomes};
use crate::properties::{Given, Properties};
use crate::report::{Fate, Note, NoteKind, ReportedResource};
use crate::val::{Unknown, Val};

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
        if let Given::Known(name) = &given {
            self.estate.refer(kind, name, &self.by);
        }
        given
    }

    /// Copies a reference to a resource of `kind`.
    pub(crate) fn reference(&mut self, theirs: &str, ours: &str, kind: &'static str) {
        let given = self.name_of(theirs, kind);
        self.copy(theirs, ours, given);
    }

    /// Copies a list of references to resources of `kind`.
    pub(crate) fn references(&mut self, theirs: &str, ours: &str, kind: &'static str) {
        self.texts(theirs, ours);
        let names: Vec<_> =
            self.attributes.get(ours).and_then(Value::as_array).into_iter().flatten().collect();
        let names: Vec<String> =
            names.into_iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        for name in names {
            self.estate.refer(kind, &name, &self.by);
        }
    }

    /// Writes an attribute of our own.
    pub(crate) fn write(&mut self, ours: &str, value: impl Into<Value>) {
        self.attributes.insert(ours.to_owned(), value.into());
    }

    /// Notes something.
    pub(crate) fn note(&mut self, kind: NoteKind, text: impl Into<String>) {
        self.properties.notes.push(Note::new(kind, text));
    }

    /// Notes that an attribute is chosen by us, as nobody knows it.
    pub(crate) fn assigned(&mut self, theirs: &str, unknown: &Unknown) {
        let place = self.properties.place(theirs);
        self.note(NoteKind::Assigned, format!("{place} is chosen: {}", unknown.why));
    }

    /// Notes that something that matters to packets is not known: the resource is not modelled for that.
    pub(crate) fn matters(&mut self, theirs: &str, unknown: &Unknown) {
        let place = self.properties.place(theirs);
        let text = format!("{place} is not known: {}", unknown.why);
        self.note(NoteKind::Unknown, text.clone());
        self.unknown.push(text);
    }

    /// Notes that the sources do not say something that matters to packets: the resource is not modelled for that.
    pub(crate) fn does_not_say(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.note(NoteKind::Unknown, text.clone());
        self.unknown.push(text);
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
            attributes.insert("not_modelled".to_owned(), Value::String(self.unknown.join("; ")));
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
        let Self { by, of_type, properties, estate, becomes: keys, .. } = self;
        let (notes, problems) = properties.finish();
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
        self.estate.mark(kind, name, why, &self.by);
    }

    /// Ends without a word in the report: what was read is part of another resource of the source.
    pub(crate) fn abandon(self) {
        let Self { by, properties, estate, .. } = self;
        let (_, problems) = properties.finish();
        problems.into_iter().for_each(|problem| estate.problem(&by, problem));
    }

    fn copy<T: Into<Value>>(&mut self, theirs: &str, ours: &str, given: Given<T>) {
        match given {
            Given::Absent => {}
            Given::Known(value) => self.write(ours, value),
            Given::Unknown(unknown) => self.matters(theirs, &unknown),
        }
    }
}
