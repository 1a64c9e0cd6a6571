//! What value does a parameter have?
//!
//! The one that is given, else its default. One without a value is a token of its name, which matters only to those who
//! read it: a zone is chosen, a key pair never looked at.

use serde_json::Value;

use super::functions::{Evaluator, ZONES};
use super::stack::{Argument, Stack};
use super::token::{Token, split};
use crate::val::Val;

impl Evaluator<'_> {
    /// The value of a parameter of a stack.
    pub(super) fn parameter(&self, stack: usize, name: &str) -> Val {
        let Some(own) = self.stack(stack) else { return Val::Null };
        let Some(declared) = own.template.parameters.get(name) else { return Val::Null };
        let of_type = declared.get("Type").and_then(Value::as_str).unwrap_or("String");
        let from_ssm = of_type.starts_with("AWS::SSM::Parameter::Value");
        let value = match own.arguments.get(name) {
            Some(Argument::Text(text)) => Some(Val::Text(text.clone())),
            Some(Argument::Of { stack, value }) => Some(self.evaluate(*stack, value)),
            // What stands there is the name of the value.
            None if from_ssm => None,
            None => declared.get("Default").filter(|value| !value.is_null()).map(|value| {
                let text = value
                    .as_str()
                    .map_or_else(|| Val::from(value.clone()), |text| Val::Text(text.to_owned()));
                if of_type == "String" { as_text(text) } else { text }
            }),
        };
        let value = match value {
            Some(value) => value,
            None => match self.chosen_zone(own, name, of_type) {
                Some(zones) => return zones,
                None => return Val::Text(self.missing_parameter(own, name, from_ssm).encode()),
            },
        };
        let is_list = of_type == "CommaDelimitedList" || of_type.contains("List<");
        match value {
            Val::Text(text) if is_list => match Token::whole(&text) {
                // A list of which nothing is known stays whole: its items are named by `Select`.
                Some(token @ Token::Missing { .. }) => Val::Text(token.encode()),
                _ if text.trim().is_empty() => Val::List(Vec::new()),
                _ => Val::List(
                    split(&text, ",").iter().map(|item| Val::Text(item.trim().to_owned())).collect(),
                ),
            },
            single @ (Val::Number(_) | Val::Bool(_)) if is_list => Val::List(vec![as_text(single)]),
            Val::List(items) if !is_list => {
                Val::Text(items.iter().filter_map(Val::text).collect::<Vec<_>>().join(","))
            }
            value => value,
        }
    }

    fn missing_parameter(&self, own: &Stack, name: &str, from_ssm: bool) -> Token {
        let why = if from_ssm {
            format!("the value of the parameter {name} is kept in SSM")
        } else {
            format!("the parameter {name} has no value")
        };
        // The parameters of a nested stack are given by the one around it.
        let remedy = own.address.is_empty().then(|| {
            let qualified = if own.prefix.is_empty() { String::new() } else { format!("{}.", own.source) };
            format!("give --parameter {qualified}{name}=VALUE")
        });
        let remedy = remedy.or_else(|| Some(format!("give {name} in the stack {}", own.address)));
        Token::Missing { name: own.name_of(name), why, remedy }
    }

    /// The zone that a parameter without a value means: the first free one, or all.
    fn chosen_zone(&self, own: &Stack, name: &str, of_type: &str) -> Option<Val> {
        let zone = |letter: &str| Val::Text(format!("{}{letter}", own.region));
        if !of_type.contains("AWS::EC2::AvailabilityZone::Name") || of_type.starts_with("AWS::SSM") {
            return None;
        }
        if of_type.contains("List<") {
            return Some(Val::List(ZONES.iter().map(|letter| zone(letter)).collect()));
        }
        let without_value = own.template.parameters.iter().filter(|(key, declared)| {
            declared.get("Type").and_then(Value::as_str) == Some(of_type)
                && declared.get("Default").is_none()
                && !own.arguments.contains_key(*key)
        });
        let position = without_value.map(|(key, _)| key).position(|key| key == name)?;
        ZONES.get(position % ZONES.len()).map(|letter| zone(letter))
    }
}

/// A value of a parameter that is a text, whatever it was written as.
fn as_text(value: Val) -> Val {
    match &value {
        Val::Number(_) | Val::Bool(_) => value.text().map_or(value, Val::Text),
        _ => value,
    }
}
