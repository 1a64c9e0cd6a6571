//! What do a template's loops stand for?
//!
//! `Fn::ForEach` is text before it is anything else: its body is written out once for each value, with `${Loop}` (or
//! `&{Loop}`, which keeps letters and digits only) replaced in keys and values.

use serde_json::{Map, Value};

use super::functions::Evaluator;
use super::stack::Template;
use super::token::{Token, split};
use crate::val::Val;

const LOOP: &str = "Fn::ForEach::";
/// How many nodes loops may write.
const MOST_NODES: usize = 1_000_000;

/// The template of a stack with its loops written out.
///
/// # Errors
///
/// Loops that write more than any template may hold.
pub(super) fn expanded(evaluator: &Evaluator<'_>, stack: usize) -> Result<Template, String> {
    let Some(own) = evaluator.stack(stack) else { return Ok(Template::default()) };
    let template = &own.template;
    let mut budget = MOST_NODES;
    let mut section =
        |map: &Map<String, Value>| match expand(evaluator, stack, &Value::Object(map.clone()), &mut budget) {
            Some(Value::Object(map)) => Ok(map),
            Some(_) => Ok(Map::new()),
            None => Err(format!("its loops write more than {MOST_NODES} values; no template is that large")),
        };
    Ok(Template {
        parameters: template.parameters.clone(),
        mappings: template.mappings.clone(),
        conditions: section(&template.conditions)?,
        resources: section(&template.resources)?,
        outputs: section(&template.outputs)?,
        macros: template.macros.clone(),
    })
}

/// The value with its loops written out; nothing where that is larger than the budget.
fn expand(evaluator: &Evaluator<'_>, stack: usize, value: &Value, budget: &mut usize) -> Option<Value> {
    *budget = budget.checked_sub(1)?;
    Some(match value {
        Value::Array(items) => Value::Array(
            items.iter().map(|item| expand(evaluator, stack, item, budget)).collect::<Option<_>>()?,
        ),
        Value::Object(map) => {
            let mut written = Map::new();
            for (key, value) in map {
                let values = match (key.starts_with(LOOP), value) {
                    (true, Value::Array(parts)) => values_of(evaluator, stack, parts),
                    _ => None,
                };
                match values {
                    Some((variable, values, body)) => {
                        *budget = budget.checked_sub(values.len())?;
                        for value in values {
                            let once = substituted(body, variable, value.trim());
                            if let Value::Object(map) = expand(evaluator, stack, &once, budget)? {
                                written.extend(map);
                            }
                        }
                    }
                    None => drop(written.insert(key.clone(), expand(evaluator, stack, value, budget)?)),
                }
            }
            Value::Object(written)
        }
        other => other.clone(),
    })
}

/// The variable, the values and the body of a loop; nothing of what is none, or whose values are not known.
fn values_of<'v>(
    evaluator: &Evaluator<'_>,
    stack: usize,
    parts: &'v [Value],
) -> Option<(&'v str, Vec<String>, &'v Value)> {
    let [Value::String(variable), values, body @ Value::Object(_)] = parts else { return None };
    let values = match evaluator.evaluate(stack, values) {
        Val::List(items) => items.iter().filter_map(Val::text).collect(),
        Val::Text(text) => split(&text, ","),
        _ => Vec::new(),
    };
    values.iter().all(|value| Token::first_missing(value).is_none()).then_some((variable, values, body))
}

fn substituted(value: &Value, variable: &str, with: &str) -> Value {
    let text = |text: &str| {
        if !text.contains('{') {
            return text.to_owned();
        }
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
