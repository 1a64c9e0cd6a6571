//! What do the references of an expression in the configuration stand for?
//!
//! Instances are matched by index or key, variables and outputs are followed through modules. A plan has the references of
//! an expression and not the expression: whether `[a.id, b.id]` is written or `var.x ? a.id : b.id` is told from what else
//! is referred to, and what cannot be told is left open.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::terraform::address::{Index, Step, steps};
use crate::terraform::plan::Instance;
use crate::terraform::references::{DEPTH, Evaluator, Found, Scope};
use crate::terraform::words::{could_be, is_id, is_list, is_own};
use crate::val::Val;

/// What chooses among the instances of a resource that is referred to as a whole.
enum Choice<'a> {
    /// Nothing: all of them are meant.
    All,
    /// `count.index` or `each.key`.
    Own(&'a Index),
    /// A key that is known.
    Key(String),
    /// Something that is not seen.
    Hidden,
}

impl Found {
    fn of(values: Vec<Val>) -> Self {
        Self { values, ..Self::default() }
    }

    fn lost(reference: &str) -> Self {
        Self { lost: vec![reference.to_owned()], ..Self::default() }
    }

    /// The one at a position, where all are known.
    fn nth(mut self, at: usize, reference: &str) -> Self {
        let is_sure = !self.open && self.lost.is_empty();
        match self.values.get(at).cloned().filter(|_| is_sure) {
            Some(value) => self.values = vec![value],
            None => self.lost.push(reference.to_owned()),
        }
        self
    }
}

impl Evaluator<'_> {
    /// Of several things, the one of the same index.
    pub(super) fn choose(&self, scope: Scope<'_>, expression: &Value, all: &[Val]) -> Option<Val> {
        let by_index =
            references(expression).iter().any(|one| one.starts_with("each.") || one == "count.index");
        match scope.index.filter(|_| by_index)? {
            // One for each: more or fewer are chosen by a rule that no plan shows.
            Index::Number(at) => all.get(*at).filter(|_| all.len() == scope.siblings).cloned(),
            index @ Index::Key(_) => {
                let end = format!("[{index}]");
                let mut same =
                    all.iter().filter(|value| value.text().is_some_and(|name| name.ends_with(&end)));
                same.next().filter(|_| same.next().is_none()).cloned()
            }
        }
    }

    /// What an expression in the configuration refers to.
    pub(super) fn expression(&self, scope: Scope<'_>, expression: &Value) -> Found {
        if scope.depth > DEPTH {
            return Found::lost("a circle");
        }
        if let Some(constant) = expression.get("constant_value") {
            return Found::of(flat(Val::from(constant.clone())));
        }
        let roots = roots(expression);
        let decides = |root: &str| {
            let first = root.split(['.', '[']).next().unwrap_or_default();
            matches!(first, "count" | "each" | "var" | "path" | "terraform" | "self" | "local")
        };
        let mut each: Vec<Option<Found>> = roots
            .iter()
            .map(|root| decides(root).then(|| self.reference(scope, root, &Choice::All)))
            .collect();
        let deciding: Vec<(&str, &Found)> =
            roots.iter().zip(&each).filter_map(|(root, one)| Some((root.as_str(), one.as_ref()?))).collect();
        let choice = choice(scope, &deciding);
        for (root, one) in roots.iter().zip(&mut each) {
            one.get_or_insert_with(|| self.reference(scope, root, &choice));
        }
        let mut found = Found { hidden: matches!(choice, Choice::Hidden), ..Found::default() };
        let (mut bearing, mut silent, mut several) = (Vec::new(), false, false);
        for (root, one) in roots.iter().zip(each.into_iter().flatten()) {
            let values: Vec<Val> = one.values.into_iter().flat_map(flat).collect();
            match values.iter().filter(|value| is_resource(value)).count() {
                0 => silent = true,
                count => {
                    several |= count > 1;
                    bearing.push(root);
                }
            }
            found.values.extend(values);
            found.lost.extend(one.lost);
            found.open |= one.open;
            found.assumed.extend(one.assumed);
        }
        let many = found.values.iter().filter(|value| is_resource(value)).count() > 1;
        let distinct: BTreeSet<_> = bearing.iter().collect();
        let is_twice = distinct.len() < bearing.len();
        // What brings no value decides something; so may what is named twice, or a list beside others.
        found.open |= many && (silent || bearing.len() > 1 && (several || is_twice));
        if let ([whole], false, true) = (bearing.as_slice(), found.open, many) {
            let text =
                format!("{} is taken to be all of {whole}: no plan shows a choice among them", scope.key);
            found.assumed = vec![text];
        }
        self.with_guess(scope, found)
    }

    /// With the one thing that a local value can be, where nothing else is meant.
    fn with_guess(&self, scope: Scope<'_>, mut found: Found) -> Found {
        let is_local = found.lost.iter().all(|lost| lost.starts_with("local.") || lost.starts_with("each."));
        let Some(from) = found.lost.first().filter(|_| is_local && !is_list(scope.key)) else { return found };
        if let Some([one]) = self.guess(scope).as_deref()
            && found.values.iter().filter(|value| is_resource(value)).all(|other| other == one)
        {
            let (key, name) = (scope.key, one.text().unwrap_or_default());
            found.assumed.push(format!("{key} comes from {from}, which no plan shows: taken to be {name}"));
            found.values = vec![one.clone()];
            found.lost.clear();
        }
        found
    }

    /// What a reference stands for.
    fn reference(&self, scope: Scope<'_>, reference: &str, choice: &Choice<'_>) -> Found {
        let deeper = Scope { depth: scope.depth + 1, ..scope };
        if deeper.depth > DEPTH {
            return Found::lost(reference);
        }
        let path = steps(reference);
        let found = match path.first().map(|first| first.name.as_str()) {
            Some("count" | "path" | "terraform" | "self") => Some(Found::default()),
            Some("each") => match path.get(1).map(|step| step.name.as_str()) {
                Some("value") => self.each_value(deeper, path.get(2..).unwrap_or_default(), reference),
                _ => Some(Found::default()),
            },
            Some("var") => self.variable(deeper, &path, reference),
            Some("module") => self.module(deeper, &path, reference),
            Some("data") => path.get(1..).and_then(|path| self.instances(deeper, true, path, choice)),
            None | Some("local") => None,
            Some(_) => self.instances(deeper, false, &path, choice),
        };
        found.unwrap_or_else(|| Found::lost(reference))
    }

    /// What `each.value` is: the value under the key of what the resource or the module is made for.
    fn each_value(&self, scope: Scope<'_>, rest: &[Step], reference: &str) -> Option<Found> {
        let (over, Index::Key(key)) = (scope.for_each?, scope.index?) else { return None };
        let under = |value: &Val| match value {
            Val::Map(map) => map.get(key).and_then(|value| walk(value, rest)),
            // An item of a set is its own key.
            Val::List(items) => items.iter().find(|item| item.text().as_ref() == Some(key)).cloned(),
            Val::Text(text) if text == key => Some(value.clone()),
            _ => None,
        };
        if let Some(constant) = over.get("constant_value") {
            return under(&Val::from(constant.clone())).map(|value| Found::of(vec![value]));
        }
        let mut found = Found::default();
        let roots = roots(over);
        let keys = self.keys(scope, &roots);
        let is_mixed = roots.len() > 1;
        for root in roots {
            let mut path = steps(&root);
            let is_data = path.first().is_some_and(|first| first.name == "data");
            let is_whole = path.len() == if is_data { 3 } else { 2 }
                && path.first().is_some_and(|first| !["var", "local"].contains(&first.name.as_str()));
            if let Some(last) = path.last_mut().filter(|last| is_whole && last.index.is_none()) {
                // A whole resource or module with `for_each`: the one with the same key.
                last.index = Some(Index::Key(key.clone()));
                path.extend(rest.iter().cloned());
                let one = match path.first().map(|first| first.name.as_str()) {
                    Some("module") => self.module(scope, &path, reference)?,
                    Some("data") => self.instances(scope, true, path.get(1..)?, &Choice::All)?,
                    _ => self.instances(scope, false, &path, &Choice::All)?,
                };
                found.values.extend(one.values);
                found.lost.extend(one.lost);
                found.open |= one.open;
                found.assumed.extend(one.assumed);
                continue;
            }
            let one = self.reference(scope, &root, &Choice::All);
            found.lost.extend(one.lost);
            for value in one.values {
                if is_mixed && under(&value).is_some_and(|value| names_another(&value, key, &keys)) {
                    // It says under which key the other one's is: `{ for k, s in aws_subnet.x : k => aws_subnet.x[var.y[k]] }`.
                    found.lost.push(format!("what {root} chooses"));
                    continue;
                }
                if let Some(value) = under(&value) {
                    found.values.push(value);
                } else if is_resource(&value) {
                    // One under some key.
                    found.open = true;
                    found.values.push(value);
                }
            }
        }
        if found.values.is_empty() {
            found.lost.push(reference.to_owned());
        }
        Some(found)
    }

    /// The keys of the instances that references stand for as wholes.
    fn keys(&self, scope: Scope<'_>, roots: &[String]) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for path in roots.iter().map(|root| steps(root)) {
            let is_data = path.first().is_some_and(|first| first.name == "data");
            let path = if is_data { path.get(1..).unwrap_or_default() } else { path.as_slice() };
            let [of_type, name, ..] = path else { continue };
            if of_type.name == "module" {
                let calls = self.calls(scope.module, &name.name);
                let indices = calls.into_iter().filter_map(|module| module.last()?.index.clone());
                keys.extend(indices.filter_map(|index| match index {
                    Index::Key(key) => Some(key),
                    Index::Number(_) => None,
                }));
                continue;
            }
            let all = self.plan.of(scope.module, is_data, &of_type.name, &name.name);
            keys.extend(all.filter_map(|(_, one)| match &one.index {
                Some(Index::Key(key)) => Some(key.clone()),
                _ => None,
            }));
        }
        keys
    }

    fn variable(&self, scope: Scope<'_>, path: &[Step], reference: &str) -> Option<Found> {
        let name = path.get(1)?;
        let rest = path.get(2..).unwrap_or_default();
        let inside = |value: Val| -> Vec<Val> {
            let value = match (&name.index, value) {
                (Some(Index::Number(at)), Val::List(items)) => items.into_iter().nth(*at),
                (Some(Index::Key(key)), Val::Map(mut map)) => map.remove(key),
                (_, value) => Some(value),
            };
            value.and_then(|value| walk(&value, rest)).into_iter().collect()
        };
        let Some((call, outer)) = scope.module.split_last() else {
            let value = self.plan.variables.get(&name.name)?.get("value")?;
            return Some(Found::of(inside(Val::from(value.clone()))));
        };
        let block = self.plan.configuration(outer)?.get("module_calls")?.get(&call.name)?;
        let Some(expression) = block.get("expressions").and_then(|all| all.get(&name.name)) else {
            let variables = self.plan.configuration(scope.module)?.get("variables")?;
            let default = variables.get(&name.name)?.get("default").cloned().unwrap_or_default();
            return Some(Found::of(inside(Val::from(default))));
        };
        if let Some(constant) = expression.get("constant_value") {
            return Some(Found::of(inside(Val::from(constant.clone()))));
        }
        let outer_scope = Scope {
            module: outer,
            index: call.index.as_ref(),
            for_each: block.get("for_each_expression"),
            siblings: self.calls(outer, &call.name).len(),
            depth: scope.depth,
            key: scope.key,
        };
        let mut found = self.expression(outer_scope, expression);
        found.values = found
            .values
            .into_iter()
            .flat_map(|value| match value {
                value @ (Val::Map(_) | Val::List(_)) => inside(value),
                value => vec![value],
            })
            .collect();
        Some(match (&name.index, rest.is_empty()) {
            (Some(Index::Number(at)), true) => found.nth(*at, reference),
            (None, true) => found,
            // Of what an object is made of, one thing.
            _ => {
                found.open |= found.values.len() > 1;
                found
            }
        })
    }

    /// The instances of a module that is called in another one.
    fn calls(&self, outer: &[Step], name: &str) -> Vec<&[Step]> {
        let paths = self.plan.instances.iter().filter_map(|instance| instance.module.get(..=outer.len()));
        let is_call = |module: &&[Step]| {
            module.starts_with(outer) && module.last().is_some_and(|last| last.name == name)
        };
        let all: BTreeSet<&[Step]> = paths.filter(is_call).collect();
        all.into_iter().collect()
    }

    /// An output of a module.
    fn module(&self, scope: Scope<'_>, path: &[Step], reference: &str) -> Option<Found> {
        let (call, output) = (path.get(1)?, path.get(2)?);
        let rest = path.get(3..).unwrap_or_default();
        let block = self.plan.configuration(scope.module)?.get("module_calls")?.get(&call.name)?;
        let is_single =
            ["count_expression", "for_each_expression"].iter().all(|key| block.get(key).is_none());
        // One without resources is there all the same.
        let alone: Vec<Step> = scope.module.iter().chain([call]).cloned().collect();
        let mut modules = self.calls(scope.module, &call.name);
        if modules.is_empty() && is_single && call.index.is_none() {
            modules.push(&alone);
        }
        let wanted = call.index.as_ref();
        modules.retain(|module| {
            wanted.is_none() || module.last().and_then(|last| last.index.as_ref()) == wanted
        });
        let mut found = Found { open: modules.len() > 1, ..Found::default() };
        for module in modules {
            let configuration = self.plan.configuration(module)?;
            let expression = configuration.get("outputs")?.get(&output.name)?.get("expression")?;
            let (depth, key) = (scope.depth, scope.key);
            let inner = Scope { module, index: None, for_each: None, siblings: 1, depth, key };
            let mut one = self.expression(inner, expression);
            one.values = one
                .values
                .into_iter()
                .filter_map(|value| match value {
                    value @ (Val::Map(_) | Val::List(_)) => walk(&value, rest),
                    value => Some(value),
                })
                .collect();
            one = match &output.index {
                Some(Index::Number(at)) => one.nth(*at, reference),
                Some(Index::Key(key)) if one.values.len() > 1 => {
                    let has_key =
                        |value: &Val| value.text().is_some_and(|name| name.contains(&format!("[{key:?}]")));
                    one.values.retain(has_key);
                    one.open |= one.values.len() != 1;
                    one
                }
                _ => one,
            };
            found.values.extend(one.values);
            found.lost.extend(one.lost);
            found.open |= one.open;
            found.assumed.extend(one.assumed);
        }
        Some(found)
    }

    /// The instances of a resource that a reference stands for, or what one of their attributes says.
    fn instances(
        &self,
        scope: Scope<'_>,
        is_data: bool,
        path: &[Step],
        choice: &Choice<'_>,
    ) -> Option<Found> {
        let (of_type, name) = (path.first()?, path.get(1)?);
        let rest = path.get(2..).unwrap_or_default();
        self.plan.block(scope.module, is_data, &of_type.name, &name.name)?;
        let mut found = Found::default();
        let all: Vec<(usize, &Instance)> =
            self.plan.of(scope.module, is_data, &of_type.name, &name.name).collect();
        let has = |wanted: &Index| -> Vec<(usize, &Instance)> {
            all.iter().filter(|(_, instance)| instance.index.as_ref() == Some(wanted)).copied().collect()
        };
        let chosen = match (&name.index, choice) {
            (Some(index), _) => has(index),
            (None, Choice::All) => all,
            (None, _) if all.len() < 2 => all,
            (None, Choice::Own(index @ Index::Number(_))) if all.len() == scope.siblings => {
                let chosen = has(index);
                let one = chosen.first().map(|(_, one)| one.address.as_str()).unwrap_or_default();
                let text = format!("{} is taken to be of {one}, which has the same index", scope.key);
                found.assumed.push(text);
                chosen
            }
            (None, Choice::Own(index @ Index::Key(_))) if !has(index).is_empty() => has(index),
            (None, Choice::Key(key)) if !has(&Index::Key(key.clone())).is_empty() => {
                has(&Index::Key(key.clone()))
            }
            (None, _) => {
                found.open = true;
                all
            }
        };
        let one = |(at, instance): (usize, &Instance)| match rest.first() {
            None => Val::Name(self.named(at, scope.depth)),
            Some(step) if is_own(&of_type.name, &step.name) => Val::Name(self.named(at, scope.depth)),
            Some(step) => match self.made_with(at, &rest.last().unwrap_or(step).name) {
                Some(named) => Val::Name(named),
                None => {
                    let value = self.attribute(at, &step.name, scope.depth);
                    let value = match (&step.index, value) {
                        (Some(Index::Number(at)), Val::List(items)) => {
                            items.into_iter().nth(*at).unwrap_or(Val::Null)
                        }
                        (_, value) => value,
                    };
                    let value = walk(&value, rest.get(1..).unwrap_or_default()).unwrap_or(Val::Null);
                    let is_later = instance.unknown.get(&step.name) == Some(&Value::Bool(true));
                    if value.is_null() && is_later {
                        return Val::unknown(format!(
                            "{}.{} is known only after apply",
                            instance.address, step.name
                        ));
                    }
                    value
                }
            },
        };
        found.values = chosen.into_iter().map(one).collect();
        Some(found)
    }

    /// What an attribute can mean which comes from a local value: of what the value can be made of, that which fits, if it
    /// is of one resource.
    pub(super) fn guess(&self, scope: Scope<'_>) -> Option<Vec<Val>> {
        let types = could_be(scope.key)?;
        let fits = |instance: &Instance| {
            types.contains(&instance.of_type.as_str())
                && instance.unknown.get("id") == Some(&Value::Bool(true))
        };
        let all: Vec<(usize, &Instance)> =
            self.plan.instances.iter().enumerate().filter(|(_, instance)| fits(instance)).collect();
        let here: Vec<_> =
            all.iter().filter(|(_, instance)| instance.module.starts_with(scope.module)).copied().collect();
        let candidates = if here.is_empty() || self.is_given(scope, types) { all } else { here };
        let resources: BTreeSet<_> =
            candidates.iter().map(|(_, one)| (&one.module, one.is_data, &one.of_type, &one.name)).collect();
        if resources.len() != 1 {
            return None;
        }
        let same =
            candidates.iter().find(|(_, one)| scope.index.is_some() && one.index.as_ref() == scope.index);
        let is_one_each = candidates.len() == scope.siblings && !is_list(scope.key);
        let chosen = match same.filter(|_| is_one_each) {
            Some(same) => vec![*same],
            None => candidates,
        };
        Some(chosen.into_iter().map(|(at, _)| Val::Name(self.named(at, scope.depth + 1))).collect())
    }

    /// Whether a module is called with resources of these types, be it by outputs and variables of others. What is lost on
    /// the way may be one where the input is called so.
    fn is_given(&self, scope: Scope<'_>, types: &[&str]) -> bool {
        let Some((call, outer)) = scope.module.split_last() else { return false };
        let block =
            self.plan.configuration(outer).and_then(|outer| outer.get("module_calls")?.get(&call.name));
        let Some(block) = block else { return false };
        let outer = Scope {
            module: outer,
            index: call.index.as_ref(),
            for_each: block.get("for_each_expression"),
            siblings: 1,
            depth: scope.depth + 1,
            key: "",
        };
        let given = block.get("expressions").and_then(Value::as_object).into_iter().flatten();
        given.into_iter().any(|(input, expression)| {
            let is_named =
                |one: &String| one.split_once('.').is_some_and(|(of_type, _)| types.contains(&of_type));
            if references(expression).iter().any(is_named) {
                return true;
            }
            let found = self.expression(outer, expression);
            let is_of =
                |value: &Val| matches!(value, Val::Name(named) if types.contains(&named.of_type.as_str()));
            found.values.into_iter().flat_map(flat).any(|value| is_of(&value))
                || !found.lost.is_empty() && types.iter().any(|of_type| is_called(input, of_type))
        })
    }
}

/// Whether an input of a module is called by a type, as `vpc_id` is.
fn is_called(input: &str, of_type: &str) -> bool {
    let noun = of_type.trim_start_matches("aws_").trim_start_matches("ec2_");
    let is_noun = |word: &str| word.strip_prefix(noun).is_some_and(|rest| rest.is_empty() || rest == "s");
    let of_id = |end: &str| input.strip_suffix(end).is_some_and(|start| start.ends_with(noun));
    is_noun(input) || of_id("_id") || of_id("_ids")
}

/// Whether in what stands under a key is another one of the keys.
fn names_another(value: &Val, key: &str, keys: &BTreeSet<String>) -> bool {
    match value {
        Val::List(items) => items.iter().any(|item| names_another(item, key, keys)),
        Val::Map(map) => map.values().any(|item| names_another(item, key, keys)),
        Val::Text(text) => text != key && keys.contains(text),
        _ => false,
    }
}

/// What chooses among several, of all that an expression refers to beside them.
fn choice<'a>(scope: Scope<'a>, deciding: &[(&str, &Found)]) -> Choice<'a> {
    let has = |word: &str| deciding.iter().any(|(root, _)| *root == word);
    let of_each: Vec<&Found> =
        deciding.iter().filter(|(root, _)| root.starts_with("each.value")).map(|(_, found)| *found).collect();
    if has("each.key") || has("count.index") {
        // A condition may stand beside an index; a number may be a part of its arithmetic.
        let is_plain = deciding.iter().all(|(root, found)| {
            *root == "each.key"
                || *root == "count.index"
                || root.starts_with("var.")
                    && found
                        .values
                        .iter()
                        .all(|value| matches!(value, Val::Bool(_) | Val::Null) || is_resource(value))
        });
        return scope.index.filter(|_| is_plain).map_or(Choice::Hidden, Choice::Own);
    }
    match of_each.as_slice() {
        [] => Choice::All,
        [one] => match one.values.as_slice() {
            [value] if one.lost.is_empty() && !one.open && !is_resource(value) => {
                value.text().map_or(Choice::Hidden, Choice::Key)
            }
            _ => Choice::Hidden,
        },
        _ => Choice::Hidden,
    }
}

/// Whether a value is a resource, or may be one.
pub(super) fn is_resource(value: &Val) -> bool {
    match value {
        Val::Name(_) => true,
        Val::Text(text) => is_id(text),
        _ => false,
    }
}

/// The references of an expression without those that only lead to others: `aws_subnet.a.id` stands with `aws_subnet.a`.
fn roots(expression: &Value) -> Vec<String> {
    let all = references(expression);
    let leads = |to: &str, from: &str| to.strip_prefix(from).is_some_and(|rest| rest.starts_with(['.', '[']));
    let is_end = |one: &str| !all.iter().any(|other| leads(other, one));
    let is_root = |(at, one): &(usize, &String)| {
        // Each longer one brings it once; once more, and it is meant as a whole.
        let longer = all.iter().filter(|other| leads(other, one) && is_end(other)).count();
        let before = all.iter().take(*at).filter(|other| other == one).count();
        longer == 0 || before >= longer
    };
    all.iter().enumerate().filter(is_root).map(|(_, one)| one.clone()).collect()
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
