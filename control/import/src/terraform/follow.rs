//! What do the references of an expression in the configuration stand for?
//!
//! Instances are matched by index or key, variables and outputs are followed through modules, and what comes from a local
//! value is guessed where one thing only fits.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::report::{Note, NoteKind};
use crate::terraform::address::{Index, Step, steps};
use crate::terraform::plan::Instance;
use crate::terraform::references::{DEPTH, Evaluator, Found, Scope};
use crate::terraform::words::{could_be, is_list, is_own};
use crate::val::Val;

impl Evaluator<'_> {
    /// Of several things, the one of the same index.
    pub(super) fn choose(&self, scope: Scope<'_>, key: &str, distinct: &mut Vec<Val>) {
        let chosen = match scope.index {
            Some(Index::Number(at)) => distinct.get(at % distinct.len()).cloned(),
            Some(index @ Index::Key(_)) => {
                let end = format!("[{index}]");
                let mut same =
                    distinct.iter().filter(|value| value.text().is_some_and(|name| name.ends_with(&end)));
                same.next().filter(|_| same.next().is_none()).cloned()
            }
            None => None,
        };
        if let Some(chosen) = chosen {
            let text = format!("{key} is one of several: taken to be {}", chosen.text().unwrap_or_default());
            self.notes.borrow_mut().push(Note::new(NoteKind::Approximated, text));
            *distinct = vec![chosen];
        }
    }

    /// What an expression in the configuration refers to.
    pub(super) fn expression(&self, scope: Scope<'_>, expression: &Value) -> Found {
        let mut found = Found::default();
        if scope.depth > DEPTH {
            return found;
        }
        if let Some(constant) = expression.get("constant_value") {
            found.values.extend(flat(Val::from(constant.clone())));
            return found;
        }
        let all = references(expression);
        let longest = all.iter().filter(|one| {
            !all.iter().any(|other| {
                other.len() > one.len()
                    && other.starts_with(*one)
                    && other[one.len()..].starts_with(['.', '['])
            })
        });
        let by_index = all.iter().any(|one| one.starts_with("each.") || *one == "count.index");
        for reference in longest {
            match self.reference(scope, &steps(reference), by_index) {
                Some(values) => found.values.extend(values.into_iter().flat_map(flat)),
                None => found.lost.push(reference.clone()),
            }
        }
        let lost = found.lost.iter().find(|lost| lost.starts_with("local."));
        if let (true, Some(lost)) = (found.values.is_empty(), lost)
            && let Some(guessed) = self.guess(scope)
        {
            let names: Vec<String> = guessed.iter().filter_map(Val::text).collect();
            let text = format!(
                "{} comes from {lost}, which no plan shows: taken to be {}",
                scope.key,
                names.join(", ")
            );
            self.notes.borrow_mut().push(Note::new(NoteKind::Approximated, text));
            found.values = guessed;
        }
        found
    }

    /// What a reference stands for; nothing where the plan does not say.
    fn reference(&self, scope: Scope<'_>, path: &[Step], by_index: bool) -> Option<Vec<Val>> {
        let deeper = Scope { depth: scope.depth + 1, ..scope };
        if deeper.depth > DEPTH {
            return None;
        }
        let first = path.first()?;
        match first.name.as_str() {
            "count" | "path" | "terraform" | "self" => Some(Vec::new()),
            "local" => None,
            "each" => match path.get(1)?.name.as_str() {
                "value" => self.each_value(deeper, path.get(2..).unwrap_or_default()),
                _ => Some(Vec::new()),
            },
            "var" => self.variable(deeper, path),
            "module" => self.module(deeper, path, by_index),
            "data" => self.instances(deeper, true, path.get(1..)?, by_index),
            _ => self.instances(deeper, false, path, by_index),
        }
    }

    fn each_value(&self, scope: Scope<'_>, rest: &[Step]) -> Option<Vec<Val>> {
        let over = scope.for_each?;
        let Some(Index::Key(key)) = scope.index else { return None };
        let mut values = Vec::new();
        for reference in references(over) {
            let mut path = steps(&reference);
            if let [first, second] = path.as_mut_slice() {
                // A whole resource or module with `for_each`: the one with the same key.
                if first.name != "var" && first.name != "local" && second.index.is_none() {
                    second.index = Some(Index::Key(key.clone()));
                    path.extend(rest.iter().cloned());
                    values.extend(self.reference(scope, &path, true)?);
                    continue;
                }
            }
            if path.first().is_some_and(|first| first.name == "data") && path.len() == 3 {
                if let Some(last) = path.last_mut() {
                    last.index = Some(Index::Key(key.clone()));
                }
                path.extend(rest.iter().cloned());
                values.extend(self.reference(scope, &path, true)?);
                continue;
            }
            for value in self.reference(scope, &path, true)? {
                values.extend(value.get(key).and_then(|value| walk(value, rest)));
            }
        }
        Some(values)
    }

    fn variable(&self, scope: Scope<'_>, path: &[Step]) -> Option<Vec<Val>> {
        let name = path.get(1)?;
        let rest = path.get(2..).unwrap_or_default();
        let one = |value: Val| -> Vec<Val> {
            let value = match (&name.index, value) {
                (Some(Index::Number(at)), Val::List(items)) => items.into_iter().nth(*at),
                (Some(Index::Key(key)), Val::Map(mut map)) => map.remove(key),
                (_, value) => Some(value),
            };
            value.and_then(|value| walk(&value, rest)).into_iter().collect()
        };
        let Some((call, outer)) = scope.module.split_last() else {
            let value = self.plan.variables.get(&name.name)?.get("value")?;
            return Some(one(Val::from(value.clone())));
        };
        let block = self.plan.configuration(outer)?.get("module_calls")?.get(&call.name)?;
        let outer_scope = Scope {
            module: outer,
            index: call.index.as_ref(),
            for_each: block.get("for_each_expression"),
            depth: scope.depth,
            key: scope.key,
        };
        let Some(expression) = block.get("expressions").and_then(|all| all.get(&name.name)) else {
            let variables = self.plan.configuration(scope.module)?.get("variables")?;
            let default = variables.get(&name.name)?.get("default").cloned().unwrap_or_default();
            return Some(one(Val::from(default)));
        };
        let found = self.expression(outer_scope, expression);
        if found.values.is_empty() && !found.lost.is_empty() {
            return None;
        }
        let mut values: Vec<Val> = found
            .values
            .into_iter()
            .flat_map(|value| match value {
                value @ (Val::Map(_) | Val::List(_)) => one(value),
                value => vec![value],
            })
            .collect();
        if let (Some(Index::Number(at)), true) = (&name.index, values.len() > 1) {
            values = values.into_iter().nth(*at).into_iter().collect();
        }
        Some(values)
    }

    /// An output of a module.
    fn module(&self, scope: Scope<'_>, path: &[Step], by_index: bool) -> Option<Vec<Val>> {
        let call = path.get(1)?;
        let output = path.get(2)?;
        let rest = path.get(3..).unwrap_or_default();
        let is_instance = |module: &[Step]| {
            module.len() == scope.module.len() + 1
                && module.starts_with(scope.module)
                && module.last().is_some_and(|last| last.name == call.name)
        };
        let mut instances: Vec<&[Step]> = self
            .plan
            .instances
            .iter()
            .filter_map(|instance| instance.module.get(..=scope.module.len()))
            .filter(|module| is_instance(module))
            .collect();
        instances.sort();
        instances.dedup();
        let wanted = call.index.as_ref().or(scope.index.filter(|_| by_index));
        let exact: Vec<&[Step]> = instances
            .iter()
            .filter(|module| wanted.is_some() && module.last().and_then(|last| last.index.as_ref()) == wanted)
            .copied()
            .collect();
        let chosen = match (call.index.is_some(), exact.is_empty()) {
            (_, false) => exact,
            (true, true) => Vec::new(),
            (false, true) => instances,
        };
        let mut values = Vec::new();
        for module in chosen {
            let configuration = self.plan.configuration(module)?;
            let expression = configuration.get("outputs")?.get(&output.name)?.get("expression")?;
            let inner = Scope { module, index: None, for_each: None, depth: scope.depth, key: scope.key };
            let found = self.expression(inner, expression);
            if found.values.is_empty() && !found.lost.is_empty() {
                return None;
            }
            match &output.index {
                // An output that is a list.
                Some(Index::Number(at)) if found.values.len() > 1 => {
                    values.extend(found.values.into_iter().nth(*at));
                }
                Some(Index::Key(key)) if found.values.len() > 1 => {
                    let has_key =
                        |value: &Val| value.text().is_some_and(|name| name.contains(&format!("[{key:?}]")));
                    values.extend(found.values.into_iter().filter(has_key));
                }
                _ => values.extend(found.values.into_iter().filter_map(|value| match value {
                    value @ (Val::Map(_) | Val::List(_)) => walk(&value, rest),
                    value => Some(value),
                })),
            }
        }
        Some(values)
    }

    /// The instances of a resource that a reference stands for, or what one of their attributes says.
    fn instances(&self, scope: Scope<'_>, is_data: bool, path: &[Step], by_index: bool) -> Option<Vec<Val>> {
        let (of_type, name) = (path.first()?, path.get(1)?);
        let rest = path.get(2..).unwrap_or_default();
        let block = self.plan.block(scope.module, is_data, &of_type.name, &name.name)?;
        let all: Vec<(usize, &Instance)> =
            self.plan.of(scope.module, is_data, &of_type.name, &name.name).collect();
        // A data source that is read only after apply, and has nothing to say before.
        let _ = block;
        let chosen: Vec<usize> = match (&name.index, scope.index.filter(|_| by_index)) {
            (Some(index), _) => all
                .iter()
                .filter(|(_, instance)| instance.index.as_ref() == Some(index))
                .map(|(at, _)| *at)
                .collect(),
            (None, Some(Index::Number(at))) if all.len() > 1 => {
                all.get(at % all.len()).map(|(at, _)| *at).into_iter().collect()
            }
            (None, Some(index)) if all.iter().any(|(_, instance)| instance.index.as_ref() == Some(index)) => {
                all.iter()
                    .filter(|(_, instance)| instance.index.as_ref() == Some(index))
                    .map(|(at, _)| *at)
                    .collect()
            }
            _ => all.iter().map(|(at, _)| *at).collect(),
        };
        let one = |at: usize| match rest.first() {
            None => Val::Name(self.named(at, scope.depth)),
            Some(step) if is_own(&of_type.name, &step.name) => Val::Name(self.named(at, scope.depth)),
            Some(step) => match self.made_with(at, &step.name) {
                Some(named) => Val::Name(named),
                None => {
                    let value = self.attribute(at, &step.name, scope.depth);
                    let value = match (&step.index, value) {
                        (Some(Index::Number(at)), Val::List(items)) => {
                            items.into_iter().nth(*at).unwrap_or(Val::Null)
                        }
                        (_, value) => value,
                    };
                    walk(&value, rest.get(1..).unwrap_or_default()).unwrap_or(Val::Null)
                }
            },
        };
        Some(chosen.into_iter().map(one).collect())
    }

    /// The one thing that an attribute can mean which comes from a local value of a module: of the module's resources, or
    /// else of all, those that fit are instances of one.
    fn guess(&self, scope: Scope<'_>) -> Option<Vec<Val>> {
        let types = could_be(scope.key)?;
        let is_new = |instance: &Instance| {
            !instance.is_data
                && types.contains(&instance.of_type.as_str())
                && instance.unknown.get("id") == Some(&Value::Bool(true))
        };
        let all: Vec<(usize, &Instance)> =
            self.plan.instances.iter().enumerate().filter(|(_, instance)| is_new(instance)).collect();
        let here: Vec<_> =
            all.iter().filter(|(_, instance)| instance.module == scope.module).copied().collect();
        for candidates in [here, all] {
            let resources: BTreeSet<_> =
                candidates.iter().map(|(_, one)| (&one.module, &one.of_type, &one.name)).collect();
            if resources.len() != 1 {
                continue;
            }
            let named = |at: usize| Val::Name(self.named(at, scope.depth + 1));
            if is_list(scope.key) || candidates.len() == 1 {
                return Some(candidates.iter().map(|(at, _)| named(*at)).collect());
            }
            let same = candidates.iter().find(|(_, one)| one.index.as_ref() == scope.index);
            return same.map(|(at, _)| vec![named(*at)]);
        }
        None
    }
}

/// The references of an expression, those of inner expressions too.
pub(super) fn references(expression: &Value) -> Vec<String> {
    match expression {
        Value::Object(map) => match map.get("references").and_then(Value::as_array) {
            Some(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            None => map.values().flat_map(references).collect(),
        },
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn flat(value: Val) -> Vec<Val> {
    match value {
        Val::List(items) => items.into_iter().flat_map(flat).collect(),
        Val::Null => Vec::new(),
        value => vec![value],
    }
}

/// What stands in a value under the parts of a path.
pub(super) fn walk(value: &Val, path: &[Step]) -> Option<Val> {
    path.iter().try_fold(value.clone(), |at, step| {
        let inner = if step.name.is_empty() { Some(at) } else { at.get(&step.name).cloned() }?;
        match (&step.index, inner) {
            (None, inner) => Some(inner),
            (Some(Index::Number(at)), Val::List(items)) => items.into_iter().nth(*at),
            (Some(Index::Key(key)), Val::Map(mut map)) => map.remove(key),
            _ => None,
        }
    })
}
