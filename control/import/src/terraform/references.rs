//! What does each attribute say, once references are followed?
//!
//! Where a value is an id, it is looked for among all ids. Where it is known only after apply, the configuration says what
//! it refers to: instances with `count` and `for_each` are matched by index or key, inputs and outputs of modules are
//! followed. Local values are not in a plan: where one thing only can be meant, it is taken, with a note.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::estate::default_vpc_name;
use crate::report::Note;
use crate::source::Read;
use crate::terraform::address::{Index, Step};
use crate::terraform::blocks::Blocks;
use crate::terraform::follow::references;
use crate::terraform::plan::Plan;
use crate::terraform::words::{MADE_WITH, is_id, is_list, of_itself, refers};
use crate::val::{Named, Val};

/// How far references are followed: more is a circle.
pub(super) const DEPTH: usize = 40;

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

pub(super) struct Evaluator<'a> {
    pub(super) plan: &'a Plan,
    pub(super) source: &'a Read,
    /// Instances by what AWS calls them.
    by_id: BTreeMap<String, Vec<usize>>,
    /// What AWS makes with others, by its id.
    made_with: BTreeMap<String, Named>,
    pub(super) notes: RefCell<Vec<Note>>,
}

/// What an expression in the configuration stands in.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub module: &'a [Step],
    pub index: Option<&'a Index>,
    pub for_each: Option<&'a Value>,
    pub depth: usize,
    /// The attribute that is looked for.
    pub key: &'a str,
}

/// What came of an expression's references.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub values: Vec<Val>,
    /// References that lead nowhere, such as local values.
    pub lost: Vec<String>,
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
    pub(super) fn named(&self, at: usize, depth: usize) -> Named {
        let Some(instance) = self.plan.instances.get(at) else {
            return Named { of_type: String::new(), name: String::new() };
        };
        let own = || format!("{}{}", self.source.prefix, instance.address);
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
    pub(super) fn made_with(&self, at: usize, key: &str) -> Option<Named> {
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
    pub(super) fn attribute(&self, at: usize, key: &str, depth: usize) -> Val {
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
            return match instance.before.get(key) {
                Some(Value::Array(items)) if !items.is_empty() => {
                    Val::unknown("it is known only after apply, and may be what it was before")
                }
                // A change in place can take an automatic public address away, and nothing else.
                Some(value @ (Value::String(_) | Value::Bool(_) | Value::Number(_)))
                    if key != "public_ip" =>
                {
                    self.known(key, value)
                }
                _ => Val::Null,
            };
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
