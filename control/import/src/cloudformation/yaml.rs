//! What does the text of a template say?
//!
//! JSON as it is, and YAML as CloudFormation reads it: `!Sub` and its like become `{"Fn::Sub": …}`, so that one tree
//! serves both; words are booleans as in YAML 1.1, without `y` and `n`, as templates that were deployed show; numbers
//! whose text would change (`012345678901`) and dates stay texts. Merge keys and anchors work. Of a key that appears
//! twice the last counts, as in AWS, and a note says so. What functions mean is left to [`super::functions`].
//!
//! serde knows no tags, so the tree is built from the events of the parser that serde-saphyr stands on.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Value};

/// How many nodes a template may have once its aliases are written out: AWS takes a megabyte of text.
const MOST_NODES: usize = 2_000_000;
/// How many lines of quoted texts may stand too far left.
const MOST_MENDED: usize = 200;
/// How deep it may be.
const DEEPEST: usize = 120;

/// A template's tree.
#[derive(Debug)]
pub(super) struct Parsed {
    pub value: Value,
    /// Keys that appear twice, with the line of the second.
    pub doubled: Vec<String>,
}

/// Reads a template, JSON or YAML.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    // JSON of templates often has tabs, which YAML would not take.
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return Ok(Parsed { value: without_marks(value), doubled: Vec::new() });
    }
    let mut text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
    let mut mended = 0;
    let mut loader = loop {
        match load(&text) {
            Ok(loader) => break loader,
            Err(Unread::Indentation(line, problem)) => {
                match indented(&text, line).filter(|_| mended < MOST_MENDED) {
                    Some(other) => text = other,
                    None => return Err(problem),
                }
            }
            Err(Unread::Other(problem)) => return Err(problem),
        }
        mended += 1;
    };
    match (loader.documents.len(), loader.documents.pop()) {
        (1, Some(value)) => Ok(Parsed { value, doubled: loader.doubled }),
        (0, _) => Err("it is empty".to_owned()),
        _ => Err("it holds several documents; a template is one".to_owned()),
    }
}

/// Why a text could not be read.
#[derive(Debug)]
enum Unread {
    /// A line of a quoted text stands further left than YAML allows, and AWS takes it.
    Indentation(usize, String),
    Other(String),
}

fn load(text: &str) -> Result<Loader, Unread> {
    let mut loader = Loader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let problem = error.to_string();
            if problem.starts_with("invalid indentation in multiline quoted scalar") {
                Unread::Indentation(error.marker().line(), problem)
            } else {
                Unread::Other(problem)
            }
        })?;
        loader.take(event, &span).map_err(Unread::Other)?;
    }
    Ok(loader)
}

/// The text with a line moved to the right: in a quoted text, what stands before a line's words says nothing.
fn indented(text: &str, line: usize) -> Option<String> {
    let mut lines: Vec<_> = text.split('\n').map(str::to_owned).collect();
    let own = lines.get_mut(line.checked_sub(1)?)?;
    *own = format!("{}{own}", " ".repeat(DEEPEST));
    Some(lines.join("\n"))
}

/// Builds the tree from events.
#[derive(Debug, Default)]
struct Loader {
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Value, usize)>,
    documents: Vec<Value>,
    doubled: Vec<String>,
    nodes: usize,
}

/// A list or map that has begun and not ended.
#[derive(Debug)]
struct Open {
    anchor: usize,
    tag: Option<String>,
    /// How many nodes there were before it.
    nodes: usize,
    items: Items,
}

#[derive(Debug)]
enum Items {
    List(Vec<Value>),
    Map { map: Map<String, Value>, merged: Vec<Value>, key: Option<String> },
}

impl Loader {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.nodes += 1;
                // A word that is a boolean as a value is a text as a key.
                let is_key =
                    matches!(self.open.last().map(|open| &open.items), Some(Items::Map { key: None, .. }));
                let style = if is_key && !text.is_empty() { ScalarStyle::DoubleQuoted } else { style };
                let value = scalar(&text, style, tag.as_deref());
                let value = tagged(tag_name(tag.as_deref()), value);
                self.keep(anchor, &value, 1);
                self.put(value, span)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.begin(anchor, tag.as_deref(), Items::List(Vec::new()), span)
            }
            Event::MappingStart(_, anchor, tag) => {
                let items = Items::Map { map: Map::new(), merged: Vec::new(), key: None };
                self.begin(anchor, tag.as_deref(), items, span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(anchor) => {
                let Some((value, nodes)) = self.anchors.get(&anchor).cloned() else {
                    return Err(format!("the alias on line {} stands inside its own anchor", line(span)));
                };
                self.nodes += nodes;
                if self.nodes > MOST_NODES {
                    return Err("its aliases stand for more than anybody writes".to_owned());
                }
                self.put(value, span)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, anchor: usize, tag: Option<&Tag>, items: Items, span: &Span) -> Result<(), String> {
        if self.open.len() >= DEEPEST {
            return Err(format!("line {} is nested more than {DEEPEST} deep", line(span)));
        }
        self.nodes += 1;
        self.open.push(Open { anchor, tag: tag_name(tag), nodes: self.nodes, items });
        Ok(())
    }

    fn end(&mut self, span: &Span) -> Result<(), String> {
        let Some(Open { anchor, tag, nodes, items }) = self.open.pop() else { return Ok(()) };
        let value = match items {
            Items::List(items) => Value::Array(items),
            Items::Map { mut map, merged, .. } => {
                // What the map says itself goes before what it merges, and of that the first.
                for other in merged.into_iter().flat_map(|value| match value {
                    Value::Array(items) => items,
                    single => vec![single],
                }) {
                    let Value::Object(other) = other else { continue };
                    for (key, value) in other {
                        map.entry(key).or_insert(value);
                    }
                }
                Value::Object(map)
            }
        };
        let value = tagged(tag, value);
        let size = self.nodes + 1 - nodes;
        self.keep(anchor, &value, size);
        self.put(value, span)
    }

    fn keep(&mut self, anchor: usize, value: &Value, nodes: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), nodes));
        }
    }

    fn put(&mut self, value: Value, span: &Span) -> Result<(), String> {
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.documents.push(value),
            Some(Items::List(items)) => items.push(value),
            Some(Items::Map { map, merged, key }) => match key.take() {
                None => match value {
                    Value::String(text) => *key = Some(text),
                    Value::Bool(_) | Value::Number(_) => *key = Some(value.to_string()),
                    Value::Null => *key = Some("null".to_owned()),
                    _ => return Err(format!("the key on line {} is no text", line(span))),
                },
                Some(name) if name == "<<" => merged.push(value),
                Some(name) => {
                    if map.contains_key(&name) {
                        self.doubled.push(format!("{name} (line {})", line(span)));
                    }
                    map.insert(name, value);
                }
            },
        }
        Ok(())
    }
}

fn line(span: &Span) -> usize {
    span.start.line()
}

/// The name of a tag of the template's own, as in `!Sub`.
fn tag_name(tag: Option<&Tag>) -> Option<String> {
    tag.filter(|tag| tag.handle() == "!" && !tag.suffix().is_empty()).map(|tag| tag.suffix().to_owned())
}

/// A node with its tag, in the long form.
fn tagged(tag: Option<String>, value: Value) -> Value {
    let Some(tag) = tag else { return value };
    let (key, value) = match (tag.as_str(), value) {
        ("Ref" | "Condition", value) => (tag, value),
        ("GetAtt", Value::String(text)) => {
            let (resource, attribute) = text.split_once('.').unwrap_or((text.as_str(), ""));
            ("Fn::GetAtt".to_owned(), Value::from(vec![resource, attribute]))
        }
        (_, value) => (format!("Fn::{}", tag.trim_start_matches("Fn::")), value),
    };
    Value::Object(Map::from_iter([(key, value)]))
}

/// What a map has under a key; `true` and `false` are found under the words for them, which YAML 1.1 has several of.
pub(super) fn spelled<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).or_else(|| {
        let wanted = Value::Bool(key.parse().ok()?);
        map.iter().find(|(word, _)| scalar(word, ScalarStyle::Plain, None) == wanted).map(|(_, value)| value)
    })
}

/// A scalar, typed as CloudFormation types it.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str")) || tag_name(tag).is_some();
    if style != ScalarStyle::Plain || is_text {
        return Value::String(without_mark(text));
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    match text.parse::<serde_json::Number>() {
        Ok(number) if number.to_string() == text => Value::Number(number),
        _ => Value::String(without_mark(text)),
    }
}

/// The text without characters that mark references in evaluated texts.
fn without_mark(text: &str) -> String {
    text.replace(super::token::MARKS, "\u{fffd}")
}

fn without_marks(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_mark(&text)),
        Value::Array(items) => items.into_iter().map(without_marks).collect(),
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (without_mark(&key), without_marks(value))).collect()
        }
        other => other,
    }
}
