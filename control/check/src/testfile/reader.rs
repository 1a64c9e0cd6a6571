//! What do the attributes of one object of a test file say?
//!
//! What always holds: what is wrong is noted at its key, once, and an unknown key is a mistake that names the nearest
//! known one.

use std::net::IpAddr;

use serde_json::{Map, Value};
use vpclab_api::{Level, RuleReference};
use vpclab_model::Mistake;

use super::Because;
use crate::codes::codes;

/// Mistakes for which the name that was meant is looked for; a file with more needs another kind of help.
const MOST_SUGGESTIONS: usize = 50;
/// The keys of a reason.
pub(super) const BECAUSE_KEYS: [&str; 4] = ["code", "resource", "rule", "direction"];

/// Takes the attributes of one object and notes what is wrong with them.
pub(super) struct Reader<'l, 'a> {
    pub(super) log: &'l mut Vec<Mistake>,
    pub(super) at: String,
    pub(super) object: &'a Map<String, Value>,
}

impl<'a> Reader<'_, 'a> {
    pub(super) fn mistake(&mut self, attribute: &str, problem: impl Into<String>, remedy: &str) {
        mistake(self.log, &self.at, attribute, problem, remedy);
    }

    /// Keys that start with `x-` belong to the user.
    pub(super) fn check_keys(&mut self, known: &[&str], noun: &str) {
        for key in self.object.keys() {
            if known.contains(&key.as_str()) || key == "$schema" || key.starts_with("x-") {
                continue;
            }
            let there_are = known.join(", ");
            let remedy = match self.nearest(key, known) {
                Some(meant) => format!("did you mean `{meant}`? {noun} has {there_are}"),
                None => format!("{noun} has {there_are}"),
            };
            self.log.push(Mistake {
                resource: self.at.clone(),
                attribute: key.clone(),
                code: "UnknownParameter",
                problem: format!("`{key}` is not an attribute of {noun}"),
                remedy,
            });
        }
    }

    pub(super) fn nearest<'k>(&self, word: &str, known: &[&'k str]) -> Option<&'k str> {
        if self.log.len() < MOST_SUGGESTIONS {
            vpclab_model::nearest(word, known.iter().copied())
        } else {
            None
        }
    }

    pub(super) fn given(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.given(key)? {
            Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
            Value::String(_) => {
                self.mistake(key, "it is empty", "give a text");
                None
            }
            other => {
                let problem = format!("{} is not a text", describe(other));
                self.mistake(key, problem, "give a text, in quotes");
                None
            }
        }
    }

    pub(super) fn required(&mut self, key: &str, example: &str) -> Option<String> {
        if self.given(key).is_none() {
            self.log.push(Mistake {
                resource: self.at.clone(),
                attribute: key.to_owned(),
                code: "MissingParameter",
                problem: format!("a test needs `{key}`"),
                remedy: format!("give {example}"),
            });
        }
        self.text(key)
    }

    pub(super) fn text_or_number(&mut self, key: &str) -> Option<String> {
        match self.given(key)? {
            Value::Number(number) => Some(number.to_string()),
            _ => self.text(key),
        }
    }

    pub(super) fn port(&mut self, key: &str) -> Option<u16> {
        let value = self.given(key)?;
        let number = whole_number(value).and_then(|number| u16::try_from(number).ok());
        let number = number.filter(|number| *number > 0);
        if number.is_none() {
            let problem = format!("{} is not a port", describe(value));
            self.mistake(key, problem, "give a number from 1 to 65535");
        }
        number
    }

    pub(super) fn family(&mut self) -> Option<u8> {
        let value = self.given("family")?;
        let family = match whole_number(value) {
            Some(4) => Some(4),
            Some(6) => Some(6),
            _ => None,
        };
        if family.is_none() {
            self.mistake("family", format!("{} is not an address family", describe(value)), "give 4 or 6");
        }
        family
    }

    /// The level to stay at. Only the lowest can be asked for: higher ones need what only the whole run has.
    pub(super) fn level(&mut self) -> Option<Level> {
        let level = self.text("level")?;
        if level == "explain" {
            return Some(Level::Explain);
        }
        let problem = format!("\"{level}\" is no level that a test can stay at");
        self.mistake("level", problem, "give \"explain\", or leave it to `vpclab test --level`");
        None
    }

    /// The list of tests that a file or group must hold.
    pub(super) fn tests(&mut self, without: &str) -> &'a [Value] {
        match self.object.get("tests") {
            Some(Value::Array(tests)) if !tests.is_empty() => tests,
            Some(Value::Array(_)) | None => {
                self.mistake("tests", without, "give at least one: [ { \"from\": ... } ]");
                &[]
            }
            Some(other) => {
                self.mistake("tests", format!("{} is not a list", describe(other)), "give a list: [ ... ]");
                &[]
            }
        }
    }

    pub(super) fn address(&mut self, key: &str) -> Option<IpAddr> {
        let text = self.text(key)?;
        let address = text.parse().ok();
        if address.is_none() {
            let problem = format!("\"{text}\" is not an address");
            self.mistake(key, problem, "give an address such as 10.0.0.10");
        }
        address
    }

    pub(super) fn flag(&mut self, key: &str) -> bool {
        match self.given(key) {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(other) => {
                let problem = format!("{} is not true or false", describe(other));
                self.mistake(key, problem, "give true or false");
                false
            }
        }
    }

    /// A list of texts; one text stands for a list of one.
    pub(super) fn texts(&mut self, key: &str, what: &str) -> Vec<String> {
        let Some(value) = self.given(key) else { return Vec::new() };
        let list = match value {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut texts = Vec::new();
        for item in list {
            match item {
                Value::String(text) if !text.trim().is_empty() => texts.push(text.clone()),
                other => {
                    let problem = format!("{} is not a name", describe(other));
                    self.mistake(key, problem, &format!("give {what}"));
                }
            }
        }
        texts
    }

    pub(super) fn because(&mut self) -> Option<Because> {
        let value = self.given("because")?;
        let Value::Object(object) = value else {
            let problem = format!("{} is not a map", describe(value));
            self.mistake("because", problem, "give a map: { \"code\": ..., \"rule\": ... }");
            return None;
        };
        let at = format!("{}.because", self.at);

        let mut reader = Reader { log: self.log, at, object };
        reader.check_keys(&BECAUSE_KEYS, "a reason");
        let is_slip = |key: &String| {
            !BECAUSE_KEYS.contains(&key.as_str()) && key != "$schema" && !key.starts_with("x-")
        };
        let is_given = BECAUSE_KEYS.into_iter().any(|key| reader.given(key).is_some());
        if !is_given && !object.keys().any(is_slip) {
            reader.mistake("", "it says nothing", "give one of code, resource, rule and direction");
        }
        let rule = match reader.given("rule").cloned() {
            Some(Value::Number(number)) => {
                let rule = number.as_u64().and_then(|number| u16::try_from(number).ok());
                if rule.is_none() {
                    reader.mistake(
                        "rule",
                        format!("{number} is no rule number"),
                        "give the number of an ACL's rule",
                    );
                }
                rule.map(RuleReference::Number)
            }
            Some(_) => reader.text("rule").map(|text| match text.parse() {
                Ok(number) => RuleReference::Number(number),
                Err(_) => RuleReference::Text(text),
            }),
            None => None,
        };
        let direction = reader.text("direction");
        if direction.as_deref().is_some_and(|direction| !matches!(direction, "forward" | "return")) {
            reader.mistake("direction", "no such direction", "give \"forward\" or \"return\"");
        }
        let code = reader.text("code");
        let known = codes();
        if let Some(code) = code.as_deref().filter(|code| !known.contains(code)) {
            let remedy = match reader.nearest(code, &known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "`vpclab explain` names the codes, such as ENI_SG_RULES_MISMATCH and SUBNET_ACL_RESTRICTION"
                    .to_owned(),
            };
            reader.mistake("code", format!("no blocker has the code `{code}`"), &remedy);
        }
        Some(Because { code, resource: reader.text("resource"), rule, direction })
    }
}

pub(super) fn mistake(
    log: &mut Vec<Mistake>,
    resource: &str,
    attribute: &str,
    problem: impl Into<String>,
    remedy: &str,
) {
    log.push(Mistake {
        resource: resource.to_owned(),
        attribute: attribute.to_owned(),
        code: "InvalidParameterValue",
        problem: problem.into(),
        remedy: remedy.to_owned(),
    });
}

/// A whole number, in quotes or not: as in a topology.
pub(super) fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    }
}

pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("`{flag}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text \"{text}\""),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}
