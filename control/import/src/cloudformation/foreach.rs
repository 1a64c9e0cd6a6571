//! What do a template's loops stand for?
//!
//! `Fn::ForEach` is text before it is anything else: its body is written out once for each value, with `${Loop}` (or
//! `&{Loop}`, which keeps letters and digits only) replaced in keys and values.

use serde_json::{Map, Value};

use super::functions::Evaluator;
use super::stack::Template;
use super::token::split;
use crate::val::Val;

const LOOP: &str = "Fn::ForEach::";
/// How many nodes loops may write.
const MOST_NODES: usize = 1_000_000;

/// The template of a stack with its loops written out.
pub(super) fn expanded(evaluator: &Evaluator<'_>, stack: usize) -> Template {
    let Some(own) = evaluator.stack(stack) else { return Template::default() };
    let template = &own.template;
    let mut budget = MOST_NODES;
    let mut section =
        |map: &Map<String, Value>| match expand(evaluator, stack, &Value::Object(map.clone()), &mut budget) {
            Value::Object(map) => map,
            _ => Map::new(),
        };
    Template {
        parameters: template.parameters.clone(),
        mappings: template.mappings.clone(),
        conditions: section(&template.conditions),
        resources: section(&template.resources),
        outputs: section(&template.outputs),
        macros: template.macros.clone(),
    }
}

fn expand(evaluator: &Evaluator<'_>, stack: usize, value: &Value, budget: &mut usize) -> Value {
    *budget = budget.saturating_sub(1);
    if *budget == 0 {
        return Value::Null;
    }
    match value {
        Value::Array(items) => items.iter().map(|item| expand(evaluator, stack, item, budget)).collect(),
        Value::Object(map) => {
            let mut written = Map::new();
            for (key, value) in map {
                match (key.starts_with(LOOP), value) {
                    (true, Value::Array(parts)) => {
                        let made = iterate(evaluator, stack, parts, budget);
                        if made.is_empty() && !is_loop(parts) {
                            written.insert(key.clone(), value.clone());
                        }
                        written.extend(made);
                    }
                    _ => {
                        written.insert(key.clone(), expand(evaluator, stack, value, budget));
                    }
                }
            }
            Value::Object(written)
        }
        other => other.clone(),
    }
}

fn is_loop(parts: &[Value]) -> bool {
    matches!(parts, [Value::String(_), _, Value::Object(_)])
}

/// The body of a loop for each of its values.
fn iterate(
    evaluator: &Evaluator<'_>,
    stack: usize,
    parts: &[Value],
    budget: &mut usize,
) -> Map<String, Value> {
    let mut made = Map::new();
    let [Value::String(variable), values, body @ Value::Object(_)] = parts else { return made };
    let values = match evaluator.evaluate(stack, values) {
        Val::List(items) => items.iter().filter_map(Val::text).collect(),
        Val::Text(text) => split(&text, ","),
        _ => Vec::new(),
    };
    for value in values {
        let written = substituted(body, variable, value.trim());
        if let Value::Object(map) = expand(evaluator, stack, &written, budget) {
            made.extend(map);
        }
    }
    made
}

fn substituted(value: &Value, variable: &str, with: &str) -> Value {
    let text = |text: &str| {
        let plain: String = with.chars().filter(char::is_ascii_alphanumeric).collect();
        text.replace(&format!("${{{variable}}}"), with).replace(&format!("&{{{variable}}}"), &plain)
    };
    match value {
        Value::String(written) => Value::String(text(written)),
        Value::Array(items) => items.iter().map(|item| substituted(item, variable, with)).collect(),
        Value::Object(map) => {
            if map.len() == 1 && map.get("Ref").and_then(Value::as_str) == Some(variable) {
                return Value::String(with.to_owned());
            }
            let of = |(key, value): (&String, &Value)| (text(key), substituted(value, variable, with));
            Value::Object(map.iter().map(of).collect())
        }
        other => other.clone(),
    }
}
