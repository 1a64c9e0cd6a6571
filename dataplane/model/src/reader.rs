//! What does one object of the document say, attribute by attribute?
//!
//! A [`Reader`] is asked for each attribute its resource knows, under every accepted spelling; what has not been asked
//! for by the end is unknown, and that is a mistake. What always holds: a wrong value is reported where it is read and
//! remembered as [`Given::Wrong`], so that later phases neither stop nor complain about it a second time.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::log::{Log, Place};
use crate::nearest::nearest;
use crate::resources::{Labels, Tags};
use crate::shape::{Shape, Switch, describe};

/// A value and where it was written, in the user's own spelling.
#[derive(Debug, Clone)]
pub(crate) struct Written<T> {
    /// Where.
    pub(crate) at: Place,
    /// What.
    pub(crate) value: T,
}

/// One attribute after reading.
#[derive(Debug, Clone)]
pub(crate) enum Given<T> {
    /// Not written, or written as null.
    Absent,
    /// Written, and reported as wrong.
    Wrong,
    /// Written, and of the right shape.
    Right(Written<T>),
}

impl<T> Given<T> {
    /// The value and its place, when it is right.
    pub(crate) fn written(&self) -> Option<&Written<T>> {
        match self {
            Self::Right(written) => Some(written),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// The value, when it is right.
    pub(crate) fn value(&self) -> Option<&T> {
        self.written().map(|written| &written.value)
    }

    /// Whether the user wrote nothing.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// A list attribute after reading.
#[derive(Debug, Clone)]
pub(crate) struct List<T> {
    /// Where it is, or would be.
    pub(crate) at: Place,
    /// Whether the user wrote it.
    pub(crate) given: bool,
    /// Whether all of what was written could be read.
    pub(crate) complete: bool,
    /// The items that could be read.
    pub(crate) items: Vec<Written<T>>,
}

/// Takes the attributes of one object.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    log: &'a Log,
    at: Place,
    object: &'a Map<String, Value>,
    noun: Cow<'static, str>,
    known: Vec<&'static str>,
    aliases: Vec<&'static str>,
    missing: Vec<Missing>,
}

/// A required attribute that is not there, under none of its names.
#[derive(Debug)]
struct Missing {
    names: Vec<&'static str>,
    remedy: String,
}

impl<'a> Reader<'a> {
    /// A reader of `object`, which stands at `at` and is `noun` ("a subnet").
    pub(crate) fn new(
        log: &'a Log,
        at: Place,
        object: &'a Map<String, Value>,
        noun: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            log,
            at,
            object,
            noun: noun.into(),
            known: Vec::new(),
            aliases: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Where the object stands.
    pub(crate) fn at(&self) -> &Place {
        &self.at
    }

    /// The attribute that goes by any of `names`, our own spelling first.
    pub(crate) fn take<T: Shape>(&mut self, names: &[&'static str]) -> Given<T> {
        match self.find(names) {
            None => Given::Absent,
            Some((at, value)) => match T::read(value, &at, self.log) {
                Some(value) => Given::Right(Written { at, value }),
                None => Given::Wrong,
            },
        }
    }

    /// An attribute that must be there; `example` is what a right one looks like. Told at the end, unless an unknown
    /// attribute looks like a slip of it.
    pub(crate) fn require<T: Shape>(&mut self, names: &[&'static str], example: &str) -> Given<T> {
        let given = self.take(names);
        if given.is_absent() {
            self.missing.push(Missing { names: names.to_vec(), remedy: format!("give {example}") });
        }
        given
    }

    /// A boolean with a default.
    pub(crate) fn flag(&mut self, names: &[&'static str], default: bool) -> bool {
        self.take(names).value().copied().unwrap_or(default)
    }

    /// A switch with a default.
    pub(crate) fn switch(&mut self, name: &'static str, default: bool) -> bool {
        self.take::<Switch>(&[name]).value().map_or(default, |switch| switch.0)
    }

    /// A whole number that must lie in `range`.
    pub(crate) fn number(&mut self, names: &[&'static str], range: RangeInclusive<i64>) -> Given<i64> {
        let given = self.take::<i64>(names);
        match given.written() {
            Some(Written { at, value }) if !range.contains(value) => {
                let (low, high) = (range.start(), range.end());
                self.log.report(
                    at,
                    "InvalidParameterValue",
                    format!("{value} is out of range"),
                    format!("give a number from {low} to {high}"),
                );
                Given::Wrong
            }
            _ => given,
        }
    }

    /// A list whose items are read one by one.
    pub(crate) fn list<T: Shape>(&mut self, names: &[&'static str]) -> List<T> {
        let at = self.at.attribute(names.first().copied().unwrap_or_default());
        let Some((at, value)) = self.find(names) else {
            return List { at, given: false, complete: true, items: Vec::new() };
        };
        let Some(values) = self.array(&at, value) else {
            return List { at, given: true, complete: false, items: Vec::new() };
        };
        let items: Vec<_> = values
            .iter()
            .enumerate()
            .filter_map(|(index, value)| {
                let at = at.item(index);
                T::read(value, &at, self.log).map(|value| Written { at, value })
            })
            .collect();
        List { at, given: true, complete: items.len() == values.len(), items }
    }

    /// A list that may also be written as a single value under the names `one`.
    pub(crate) fn list_or_one<T: Shape>(&mut self, many: &[&'static str], one: &[&'static str]) -> List<T> {
        let mut list = self.list(many);
        match self.take(one) {
            Given::Absent => {}
            Given::Wrong => (list.given, list.complete) = (true, false),
            Given::Right(written) if list.given => {
                let name = many.first().copied().unwrap_or_default();
                self.two_spellings(&written.at, name);
            }
            Given::Right(written) => {
                list.given = true;
                list.items.push(written);
            }
        }
        list
    }

    /// A list whose items are read by the caller; nothing when it is not there.
    pub(crate) fn values(&mut self, names: &[&'static str]) -> Option<Vec<(Place, &'a Value)>> {
        let (at, value) = self.find(names)?;
        let values = self.array(&at, value).map_or(&[][..], Vec::as_slice);
        Some(values.iter().enumerate().map(|(index, value)| (at.item(index), value)).collect())
    }

    /// A list of objects; nothing when it is not there. An item that is no object is reported and left out.
    pub(crate) fn objects(&mut self, names: &[&'static str]) -> Option<Vec<(Place, &'a Map<String, Value>)>> {
        let (at, value) = self.find(names)?;
        let values = self.array(&at, value).map_or(&[][..], Vec::as_slice);
        let objects = values.iter().enumerate().filter_map(|(index, value)| {
            let at = at.item(index);
            object(value, &at, self.log).map(|object| (at, object))
        });
        Some(objects.collect())
    }

    /// A map whose keys are the user's.
    pub(crate) fn entries(&mut self, names: &[&'static str]) -> Option<&'a Map<String, Value>> {
        let (at, value) = self.find(names)?;
        object(value, &at, self.log)
    }

    /// An object within this one.
    pub(crate) fn object(&mut self, names: &[&'static str], noun: &'static str) -> Option<Reader<'a>> {
        let (at, value) = self.find(names)?;
        let object = object(value, &at, self.log)?;
        Some(Reader::new(self.log, at, object, noun))
    }

    /// An attribute that is kept as it is written.
    pub(crate) fn raw(&mut self, name: &'static str) -> Option<&'a Value> {
        self.find(&[name]).map(|(_, value)| value)
    }

    /// What is said of a resource beside what it is.
    pub(crate) fn labels(&mut self) -> Labels {
        Labels { tags: self.tags(), not_modelled: self.take(&["not_modelled"]).value().cloned() }
    }

    /// Free-form labels.
    pub(crate) fn tags(&mut self) -> Tags {
        self.take(&["tags"]).value().cloned().unwrap_or_default()
    }

    /// Notes a mistake.
    pub(crate) fn report(
        &self,
        at: &Place,
        code: &'static str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.log.report(at, code, problem, remedy);
    }

    /// The first of `names` that is written.
    pub(crate) fn first_given(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().find(|name| self.object.get(**name).is_some_and(|value| !value.is_null())).copied()
    }

    /// Attributes that are kept as they are written and change nothing.
    pub(crate) fn store(&mut self, names: &[&'static str]) {
        self.aliases.extend(names);
    }

    /// Attributes AWS has and this version does not: `what` they stand for. Reports those given, and says whether any
    /// was.
    pub(crate) fn lacking(&mut self, names: &[&'static str], what: &str) -> bool {
        let mut any = false;
        for name in names {
            if self.object.get(*name).is_some_and(|value| !value.is_null()) {
                any = true;
                let at = self.at.attribute(name);
                let problem = format!("this version has no {what}");
                self.log.report(&at, "UnsupportedOperation", problem, format!("remove `{name}`"));
            }
            self.aliases.push(name);
        }
        any
    }

    /// Reports what has not been asked for, and what is required and not there. `$schema` and keys that start with `x-`
    /// belong to the user. Says whether anything was unknown.
    pub(crate) fn finish(mut self) -> bool {
        let mut unknown: Vec<&str> = self
            .object
            .keys()
            .map(String::as_str)
            .filter(|key| !self.known.contains(key) && !self.aliases.contains(key))
            .filter(|key| *key != "$schema" && !key.starts_with("x-"))
            .collect();
        unknown.sort_unstable();
        // Few objects hold a slip, and there may be very many objects.
        let known = if unknown.is_empty() {
            String::new()
        } else {
            self.known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        for key in &unknown {
            let meant = nearest(key, self.known.iter().chain(&self.aliases).copied());
            self.missing.retain(|missing| meant.is_none_or(|meant| !missing.names.contains(&meant)));
            let remedy = match meant {
                Some(meant) => format!("did you mean `{meant}`? {} has {known}", self.noun),
                None => format!("{} has {known}", self.noun),
            };
            let problem = format!("`{key}` is not an attribute of {}", self.noun);
            self.log.report(&self.at.attribute(key), "UnknownParameter", problem, remedy);
        }
        for Missing { names, remedy } in &self.missing {
            let name = names.first().copied().unwrap_or_default();
            let problem = format!("{} needs `{name}`", self.noun);
            self.log.report(&self.at.attribute(name), "MissingParameter", problem, remedy.as_str());
        }
        !unknown.is_empty()
    }

    fn find(&mut self, names: &[&'static str]) -> Option<(Place, &'a Value)> {
        self.known.extend(names.first());
        self.aliases.extend(names.iter().skip(1));
        let mut found: Option<(&'static str, Place, &'a Value)> = None;
        for name in names {
            let Some(value) = self.object.get(*name).filter(|value| !value.is_null()) else { continue };
            let at = self.at.attribute(name);
            match &found {
                Some((first, ..)) => self.two_spellings(&at, first),
                None => found = Some((name, at, value)),
            }
        }
        found.map(|(_, at, value)| (at, value))
    }

    fn two_spellings(&self, at: &Place, first: &str) {
        self.log.report(
            at,
            "InvalidParameterCombination",
            format!("this is another spelling of `{first}`, which is given too"),
            "keep one of them",
        );
    }

    fn array(&self, at: &Place, value: &'a Value) -> Option<&'a Vec<Value>> {
        let array = value.as_array();
        if array.is_none() {
            let problem = format!("{} is not a list", describe(value));
            self.log.report(at, "InvalidParameterValue", problem, "give a list: [ ... ]");
        }
        array
    }
}

/// `value` as an object, or a report.
pub(crate) fn object<'a>(value: &'a Value, at: &Place, log: &Log) -> Option<&'a Map<String, Value>> {
    let object = value.as_object();
    if object.is_none() {
        let problem = format!("{} is not a map", describe(value));
        log.report(at, "InvalidParameterValue", problem, "give a map of attributes: { ... }");
    }
    object
}
