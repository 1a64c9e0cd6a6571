//! What does each attribute say, once references are followed?
//!
//! Where a value is an id, it is looked for among all ids. Where it is known only after apply, the configuration says what
//! it refers to: instances with `count` and `for_each` are matched by index or key, inputs and outputs of modules are
//! followed. Local values are not in a plan: where one thing only can be meant, it is taken, with a note.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::describe::account;
use crate::estate::default_vpc_name;
use crate::report::{Note, NoteKind};
use crate::source::{Read, is_region};
use crate::terraform::address::{self, Index, Step, steps};
use crate::terraform::plan::{Instance, Plan};
use crate::val::{Named, Val};

/// How far references are followed: more is a circle.
const DEPTH: usize = 40;

/// An instance with its values evaluated.
#[derive(Debug)]
pub(crate) struct Resource {
    pub address: String,
    /// What the document calls it.
    pub name: String,
    pub of_type: String,
    pub is_data: bool,
    pub values: BTreeMap<String, Val>,
    /// What had to be guessed.
    pub notes: Vec<Note>,
    pub region: String,
    pub account: String,
}

/// All instances, evaluated.
#[derive(Debug)]
pub(crate) struct Evaluated {
    pub resources: Vec<Resource>,
}

struct Evaluator<'a> {
    plan: &'a Plan,
    source: &'a Read,
    /// Instances by what AWS calls them.
    by_id: BTreeMap<String, Vec<usize>>,
    /// What AWS makes with others, by its id.
    made_with: BTreeMap<String, Named>,
    notes: RefCell<Vec<Note>>,
}

/// What an expression in the configuration stands in.
#[derive(Clone, Copy)]
struct Scope<'a> {
    module: &'a [Step],
    index: Option<&'a Index>,
    for_each: Option<&'a Value>,
    depth: usize,
    /// The attribute that is looked for.
    key: &'a str,
}

/// What came of an expression's references.
#[derive(Debug, Default)]
struct Found {
    values: Vec<Val>,
    /// References that lead nowhere, such as local values.
    lost: Vec<String>,
}

impl Resource {
    /// The labels, where they are known.
    pub(crate) fn tags(&self) -> Option<BTreeMap<String, String>> {
        let tags = ["tags_all", "tags"].iter().find_map(|key| match self.values.get(*key) {
            Some(Val::Map(map)) if !map.is_empty() => Some(map),
            _ => None,
        })?;
        Some(tags.iter().filter_map(|(key, value)| Some((key.clone(), value.text()?))).collect())
    }

    /// The text of an attribute.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.values.get(key).and_then(Val::text).filter(|text| !text.is_empty())
    }
}

impl Evaluated {
    pub(super) fn new(plan: &Plan, source: &Read) -> Self {
        let evaluator = Evaluator::new(plan, source);
        let resources = (0..plan.instances.len()).map(|at| evaluator.resource(at)).collect();
        Self { resources }
    }

    /// The managed resources of a type.
    pub(crate) fn of<'a>(&'a self, of_type: &'a str) -> impl Iterator<Item = &'a Resource> {
        self.resources.iter().filter(move |resource| resource.of_type == of_type && !resource.is_data)
    }

    /// The resource of these types that the document calls so.
    pub(crate) fn named(&self, name: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.name == name)
    }
}

impl<'a> Evaluator<'a> {
    fn new(plan: &'a Plan, source: &'a Read) -> Self {
        let mut by_id: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, instance) in plan.instances.iter().enumerate() {
            for key in [
                "id",
                "arn",
                "allocation_id",
                "primary_network_interface_id",
                "transit_gateway_attachment_id",
            ] {
                if let Some(id) = instance.values.get(key).and_then(Value::as_str).filter(|id| !id.is_empty())
                {
                    let own = key == "id" || key == "arn" || of_itself(&instance.of_type, key);
                    let all = by_id.entry(id.to_owned()).or_default();
                    if own && !all.contains(&at) {
                        all.push(at);
                    }
                }
            }
        }
        let notes = RefCell::default();
        let mut evaluator = Self { plan, source, by_id, made_with: BTreeMap::new(), notes };
        for (at, instance) in plan.instances.iter().enumerate() {
            for key in MADE_WITH {
                let id = instance.values.get(*key).and_then(Value::as_str).filter(|id| !id.is_empty());
                if let (Some(id), Some(named)) = (id, evaluator.made_with(at, key)) {
                    evaluator.made_with.insert(id.to_owned(), named);
                }
            }
        }
        evaluator
    }

    fn resource(&self, at: usize) -> Resource {
        let Some(instance) = self.plan.instances.get(at) else { return nothing() };
        self.notes.borrow_mut().clear();
        let mut keys: BTreeSet<&String> = instance.values.keys().collect();
        keys.extend(instance.unknown.as_object().into_iter().flat_map(Map::keys));
        let values = keys.into_iter().map(|key| (key.clone(), self.attribute(at, key, 0))).collect();
        let mut notes = std::mem::take(&mut *self.notes.borrow_mut());
        notes.dedup();
        Resource {
            address: instance.address.clone(),
            name: self.named(at, 0).name,
            of_type: instance.of_type.clone(),
            is_data: instance.is_data,
            values,
            notes,
            region: self.region(at),
            account: self.account(instance),
        }
    }

    /// What the document calls an instance.
    fn named(&self, at: usize, depth: usize) -> Named {
        let Some(instance) = self.plan.instances.get(at) else {
            return Named { of_type: String::new(), name: String::new() };
        };
        let own = || format!("{}{}", self.source.prefix, address::name(&instance.address));
        let follow = |key: &str| match self.attribute(at, key, depth + 1) {
            Val::Name(named) => Some(named),
            Val::Text(text) if !text.is_empty() => {
                Some(Named { of_type: instance.of_type.clone(), name: text })
            }
            _ => None,
        };
        let of_vpc = |word: &str| follow("vpc_id").map(|vpc| format!("{}/{word}", vpc.name));
        let text =
            |key: &str| instance.values.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let of_type = instance.of_type.as_str();
        let name = if depth > DEPTH {
            None
        } else if instance.is_data {
            match of_type {
                "aws_ec2_transit_gateway_vpn_attachment" => {
                    follow("vpn_connection_id").map(|named| named.name)
                }
                "aws_prefix_list" | "aws_ec2_managed_prefix_list" => {
                    let name = text("name").filter(|name| name.starts_with("com.amazonaws."));
                    name.or_else(|| text("id")).map(str::to_owned)
                }
                _ => text("id").map(str::to_owned),
            }
        } else {
            match of_type {
                "aws_default_vpc" => Some(default_vpc_name(&self.region(at), &self.account(instance))),
                "aws_default_subnet" => {
                    let zone = text("availability_zone").and_then(|zone| zone.chars().last()).unwrap_or('a');
                    Some(format!("{}-{zone}", default_vpc_name(&self.region(at), &self.account(instance))))
                }
                "aws_default_route_table" => follow("default_route_table_id").map(|named| named.name),
                "aws_default_network_acl" => follow("default_network_acl_id").map(|named| named.name),
                "aws_default_security_group" => of_vpc("default"),
                "aws_vpc_peering_connection_accepter" => {
                    follow("vpc_peering_connection_id").map(|named| named.name)
                }
                "aws_ec2_transit_gateway_vpc_attachment_accepter"
                | "aws_ec2_transit_gateway_peering_attachment_accepter" => {
                    follow("transit_gateway_attachment_id").map(|named| named.name)
                }
                _ => None,
            }
        };
        Named { of_type: of_type.to_owned(), name: name.unwrap_or_else(own) }
    }

    /// What AWS makes with an instance, by the attribute that has its id.
    fn made_with(&self, at: usize, key: &str) -> Option<Named> {
        let instance = self.plan.instances.get(at)?;
        let owner = self.named(at, 1).name;
        let (of_type, name) = match (instance.of_type.as_str(), key) {
            ("aws_vpc" | "aws_default_vpc", "default_security_group_id") => {
                ("aws_security_group", format!("{owner}/default"))
            }
            ("aws_vpc" | "aws_default_vpc", "default_network_acl_id") => {
                ("aws_network_acl", format!("{owner}/default"))
            }
            ("aws_vpc" | "aws_default_vpc", "default_route_table_id" | "main_route_table_id") => {
                ("aws_route_table", format!("{owner}/main"))
            }
            (
                "aws_ec2_transit_gateway",
                "association_default_route_table_id" | "propagation_default_route_table_id",
            ) => ("aws_ec2_transit_gateway_route_table", format!("{owner}/default")),
            ("aws_vpc_endpoint", "prefix_list_id") => {
                ("aws_ec2_managed_prefix_list", instance.values.get("service_name")?.as_str()?.to_owned())
            }
            _ => return None,
        };
        Some(Named { of_type: of_type.to_owned(), name })
    }

    /// An attribute of an instance.
    fn attribute(&self, at: usize, key: &str, depth: usize) -> Val {
        let Some(instance) = self.plan.instances.get(at).filter(|_| depth <= DEPTH) else {
            return Val::unknown("the plan goes round in circles");
        };
        let block = self.plan.block(&instance.module, instance.is_data, &instance.of_type, &instance.name);
        let expression = block.and_then(|block| block.get("expressions")?.get(key));
        let scope = Scope {
            module: &instance.module,
            index: instance.index.as_ref(),
            for_each: block.and_then(|block| block.get("for_each_expression")),
            depth,
            key,
        };
        let null = Value::Null;
        let value = instance.values.get(key).unwrap_or(&null);
        let unknown = instance.unknown.get(key).unwrap_or(&null);
        // What nobody wrote, and AWS chooses.
        if unknown == &Value::Bool(true) && expression.is_none() && self.plan.has_configuration() {
            return Val::Null;
        }
        self.value(scope, key, value, unknown, expression)
    }

    fn value(
        &self,
        scope: Scope<'_>,
        key: &str,
        value: &Value,
        unknown: &Value,
        expression: Option<&Value>,
    ) -> Val {
        match value {
            _ if *unknown == Value::Bool(true) => self.unknown(scope, key, expression),
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let mut blocks = Blocks::new(expression);
                let each = items.iter().enumerate().map(|(at, item)| {
                    let unknown = unknown.get(at).unwrap_or(&Value::Null);
                    self.value(scope, key, item, unknown, blocks.of(at, item))
                });
                Val::List(each.collect())
            }
            Value::Array(items) => {
                let is_unknown = |item: &Value| *item == Value::Bool(true);
                if unknown.as_array().is_some_and(|all| all.iter().any(is_unknown)) {
                    let mut all = match self.unknown(scope, key, expression) {
                        Val::List(all) => all,
                        one => vec![one],
                    };
                    let known: Vec<Val> = items
                        .iter()
                        .filter(|item| !item.is_null())
                        .map(|item| self.known(key, item))
                        .collect();
                    all.extend(known.into_iter().filter(|one| !all.contains(one)).collect::<Vec<_>>());
                    return Val::List(all);
                }
                Val::List(items.iter().map(|item| self.known(key, item)).collect())
            }
            Value::Object(map) => {
                let mut keys: BTreeSet<&String> = map.keys().collect();
                keys.extend(unknown.as_object().into_iter().flat_map(Map::keys));
                let each = keys.into_iter().map(|inner| {
                    let value = map.get(inner).unwrap_or(&Value::Null);
                    let unknown = unknown.get(inner).unwrap_or(&Value::Null);
                    let expression = expression.and_then(|block| match block.get("references") {
                        Some(_) => Some(block),
                        None => block.get(inner).or_else(|| block.get(0)?.get(inner)),
                    });
                    (inner.clone(), self.value(scope, inner, value, unknown, expression))
                });
                Val::Map(each.collect())
            }
            value => self.known(key, value),
        }
    }

    /// A value that is known: the resource whose id it is, or itself.
    fn known(&self, key: &str, value: &Value) -> Val {
        if let Some(text) = value.as_str().filter(|_| refers(key)) {
            if let Some(named) = self.made_with.get(text) {
                return Val::Name(named.clone());
            }
            let wanted = |at: &&usize| {
                let of_type = self.plan.instances.get(**at).map_or("", |instance| instance.of_type.as_str());
                match key.contains("subnet_group") {
                    true => of_type.ends_with("subnet_group"),
                    false if key == "launch_configuration" => of_type == "aws_launch_configuration",
                    false => !of_type.ends_with("_association") && !of_type.ends_with("_attachment_accepter"),
                }
            };
            let held = self.by_id.get(text).and_then(|all| {
                let managed =
                    |at: &&usize| self.plan.instances.get(**at).is_some_and(|instance| !instance.is_data);
                all.iter().filter(wanted).find(managed).or_else(|| all.iter().find(wanted))
            });
            if let Some(at) = held {
                return Val::Name(self.named(*at, 0));
            }
        }
        Val::from(value.clone())
    }

    /// A value that is known only after apply.
    fn unknown(&self, scope: Scope<'_>, key: &str, expression: Option<&Value>) -> Val {
        let why = || match expression.map(references).filter(|all| !all.is_empty()) {
            Some(all) => format!("it is known only after apply (it comes from {})", all.join(", ")),
            None => "it is known only after apply".to_owned(),
        };
        // The `id` of a block is another resource's.
        let Some(expression) = expression.filter(|_| refers(key) || key == "id") else {
            return Val::unknown(why());
        };
        let mut found = self.expression(Scope { key, ..scope }, expression);
        found.values.retain(|value| match value {
            Val::Name(_) => true,
            Val::Text(text) => is_id(text),
            _ => false,
        });
        let mut distinct: Vec<Val> = Vec::new();
        for value in found.values {
            if !distinct.contains(&value) {
                distinct.push(value);
            }
        }
        let many = is_list(key);
        let by_index =
            references(expression).iter().any(|one| one.starts_with("each.") || one == "count.index");
        if !many && distinct.len() > 1 && by_index {
            self.choose(scope, key, &mut distinct);
        }
        match (many, distinct.len()) {
            (_, 0) => Val::unknown(why()),
            (true, _) => Val::List(distinct),
            (false, 1) => distinct.remove(0),
            (false, _) => {
                let names: Vec<String> = distinct.iter().filter_map(Val::text).collect();
                Val::unknown(format!("it is known only after apply (one of {})", names.join(", ")))
            }
        }
    }

    /// Of several things, the one of the same index.
    fn choose(&self, scope: Scope<'_>, key: &str, distinct: &mut Vec<Val>) {
        let chosen = match scope.index {
            Some(Index::Number(at)) => distinct.get(at % distinct.len()).cloned(),
            Some(index @ Index::Key(_)) => {
                let end = address::name(&format!("[{index}]"));
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
    fn expression(&self, scope: Scope<'_>, expression: &Value) -> Found {
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
                    values.extend(found.values.into_iter().nth(*at))
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

    /// The region: the resource's own, its ARN's, its zone's or its provider's.
    fn region(&self, at: usize) -> String {
        let own = || self.source.region.clone();
        let Some(instance) = self.plan.instances.get(at) else { return own() };
        let text = |key: &str| instance.values.get(key).and_then(Value::as_str);
        let arn = text("arn").and_then(|arn| arn.split(':').nth(3));
        let zone = text("availability_zone").and_then(crate::describe::region_of_zone);
        let said = text("region").or(arn).filter(|region| is_region(region)).map(str::to_owned).or(zone);
        said.or_else(|| self.provider_region(instance)).or_else(|| self.usual_region()).unwrap_or_else(own)
    }

    fn provider_region(&self, instance: &Instance) -> Option<String> {
        let block = self.plan.block(&instance.module, instance.is_data, &instance.of_type, &instance.name);
        let key = block.and_then(|block| block.get("provider_config_key")?.as_str()).unwrap_or("aws");
        let provider =
            self.plan.providers.get(key).or_else(|| self.plan.providers.get(key.rsplit(':').next()?));
        let provider = provider.or_else(|| self.plan.providers.get("aws"))?;
        let expression = provider.get("expressions")?.get("region")?;
        let scope = Scope { module: &[], index: None, for_each: None, depth: 0, key: "" };
        let found = self.expression(scope, expression).values.iter().find_map(Val::text)?;
        is_region(&found).then_some(found)
    }

    /// The region of the first resource that says one.
    fn usual_region(&self) -> Option<String> {
        let of = |instance: &Instance| {
            let text = |key: &str| instance.values.get(key).and_then(Value::as_str);
            let zone = text("availability_zone").and_then(crate::describe::region_of_zone);
            let arn = text("arn").and_then(|arn| arn.split(':').nth(3)).filter(|region| is_region(region));
            zone.or_else(|| arn.map(str::to_owned))
        };
        self.plan.instances.iter().find_map(of)
    }

    /// The account of a resource: its own, or that of the first that says one.
    fn account(&self, instance: &Instance) -> String {
        let of = |instance: &Instance| {
            let text = |key: &str| instance.values.get(key).and_then(Value::as_str);
            let arn = text("arn").and_then(|arn| arn.split(':').nth(4));
            text("owner_id").or(arn).filter(|account| account.len() == 12).and_then(account)
        };
        let usual = || self.plan.instances.iter().filter(|instance| !instance.is_data).find_map(of);
        of(instance).or_else(usual).unwrap_or_else(|| self.source.account.clone())
    }
}

fn nothing() -> Resource {
    Resource {
        address: String::new(),
        name: String::new(),
        of_type: String::new(),
        is_data: false,
        values: BTreeMap::new(),
        notes: Vec::new(),
        region: String::new(),
        account: String::new(),
    }
}

/// The blocks of the configuration that a list of blocks was made from, in whichever order.
struct Blocks<'a> {
    expression: Option<&'a Value>,
    used: Vec<usize>,
}

impl<'a> Blocks<'a> {
    fn new(expression: Option<&'a Value>) -> Self {
        Self { expression, used: Vec::new() }
    }

    /// The block of an item: of those that say nothing else than it does, the first that no other item has.
    fn of(&mut self, at: usize, item: &Value) -> Option<&'a Value> {
        let expression = self.expression?;
        let Some(blocks) = expression.as_array() else { return Some(expression) };
        let fits = |block: &Value| {
            let written = block.as_object().into_iter().flatten();
            written.into_iter().all(|(key, expression)| {
                expression.get("constant_value").is_none_or(|constant| same(constant, item.get(key)))
            })
        };
        let free = |at: &usize| blocks.get(*at).is_some_and(fits) && !self.used.contains(at);
        let chosen = Some(at).filter(free).or_else(|| (0..blocks.len()).find(free));
        // One that was made by a `dynamic` block has none of its own.
        let chosen = chosen?;
        self.used.push(chosen);
        blocks.get(chosen)
    }
}

/// Whether two values are one, however numbers are written; nothing and emptiness are, too.
fn same(a: &Value, b: Option<&Value>) -> bool {
    let plain = |value: &Value| match value {
        Value::Array(items) if items.is_empty() => String::new(),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    };
    b.is_some_and(|b| plain(a) == plain(b) || matches!(a, Value::Array(_)) && matches!(b, Value::Array(_)))
}

/// The references of an expression, those of inner expressions too.
fn references(expression: &Value) -> Vec<String> {
    match expression {
        Value::Object(map) => match map.get("references").and_then(Value::as_array) {
            Some(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            None => map.values().flat_map(references).collect(),
        },
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn flat(value: Val) -> Vec<Val> {
    match value {
        Val::List(items) => items.into_iter().flat_map(flat).collect(),
        Val::Null => Vec::new(),
        value => vec![value],
    }
}

/// What stands in a value under the parts of a path.
fn walk(value: &Val, path: &[Step]) -> Option<Val> {
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

/// Attributes with the ids of what AWS makes with a resource.
const MADE_WITH: &[&str] = &[
    "default_security_group_id",
    "default_network_acl_id",
    "default_route_table_id",
    "main_route_table_id",
    "association_default_route_table_id",
    "propagation_default_route_table_id",
    "prefix_list_id",
];

/// Whether an attribute of a type has the id of the resource itself.
fn is_own(of_type: &str, attribute: &str) -> bool {
    matches!(attribute, "id" | "arn") || of_itself(of_type, attribute)
}

fn of_itself(of_type: &str, attribute: &str) -> bool {
    match attribute {
        "allocation_id" => of_type == "aws_eip",
        "primary_network_interface_id" => of_type == "aws_instance",
        "transit_gateway_attachment_id" => {
            matches!(of_type, "aws_vpn_connection" | "aws_dx_gateway_association")
        }
        "name" => of_type.ends_with("subnet_group") || of_type == "aws_launch_configuration",
        _ => false,
    }
}

/// Whether an attribute refers to other resources.
fn refers(key: &str) -> bool {
    let words = [
        "subnets",
        "security_groups",
        "instance",
        "network_interface",
        "propagating_vgws",
        "vpc_zone_identifier",
        "client_subnets",
        "db_subnet_group_name",
        "subnet_group_name",
        "cluster_subnet_group_name",
        "launch_configuration",
        "cache_subnet_group_name",
        "neptune_subnet_group_name",
        "source_security_group",
    ];
    let endings = ["_id", "_ids", "_arn", "_arns"];
    let is_own =
        matches!(key, "owner_id" | "availability_zone_id" | "peer_owner_id" | "kms_key_id" | "account_id");
    !is_own && (words.contains(&key) || endings.iter().any(|ending| key.ends_with(ending)))
}

/// Whether an attribute is a list.
fn is_list(key: &str) -> bool {
    ["_ids", "_arns", "subnets", "security_groups", "_vgws", "vpc_zone_identifier"]
        .iter()
        .any(|end| key.ends_with(end))
}

/// Whether a text is an id or an ARN of AWS's.
fn is_id(text: &str) -> bool {
    let of_hex = |digits: &str| digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.starts_with("arn:aws")
        || text.rsplit_once('-').is_some_and(|(prefix, digits)| !prefix.is_empty() && of_hex(digits))
}

/// The types that an attribute can refer to.
fn could_be(key: &str) -> Option<&'static [&'static str]> {
    Some(match key {
        "vpc_id" => &["aws_vpc"],
        "subnet_id" | "subnet_ids" | "subnets" | "vpc_zone_identifier" => &["aws_subnet"],
        "gateway_id" => &["aws_internet_gateway"],
        "nat_gateway_id" => &["aws_nat_gateway"],
        "route_table_id" | "route_table_ids" => &["aws_route_table", "awscc_ec2_route_table"],
        "security_group_id" | "security_groups" | "security_group_ids" | "vpc_security_group_ids" => {
            &["aws_security_group"]
        }
        "allocation_id" => &["aws_eip"],
        "transit_gateway_id" => &["aws_ec2_transit_gateway"],
        "transit_gateway_route_table_id" => &["aws_ec2_transit_gateway_route_table"],
        "network_acl_id" => &["aws_network_acl"],
        "dx_gateway_id" => &["aws_dx_gateway"],
        "customer_gateway_id" => &["aws_customer_gateway"],
        "vpn_gateway_id" => &["aws_vpn_gateway"],
        _ => return None,
    })
}
