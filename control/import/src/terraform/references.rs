//! What does each attribute say, once references are followed?
//!
//! Where a value is an id, it is looked for among all ids. Where it is known only after apply, the configuration says what
//! it refers to: instances with `count` and `for_each` are matched by index or key, inputs and outputs of modules are
//! followed. What chooses among them is not in a plan, nor are local values and constants beside references: a value is
//! taken where one thing only can be meant, a list where each reference stands for one, and what is assumed is noted.
//! All else is not known.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::eks;
use crate::estate::default_vpc_name;
use crate::report::{Note, NoteKind};
use crate::source::Read;
use crate::terraform::address::{Index, Step};
use crate::terraform::blocks::Blocks;
use crate::terraform::follow::{is_resource, references};
use crate::terraform::plan::{Instance, Plan};
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
    /// What may be meant by attributes that are not known.
    pub candidates: BTreeMap<String, Candidates>,
    /// What it refers to, where its meaning is not known.
    pub touches: Vec<Named>,
    pub region: String,
    pub account: String,
}

/// What an attribute may mean that is not known.
#[derive(Debug, Clone)]
pub(crate) struct Candidates {
    pub names: Vec<String>,
    /// Whether it can mean nothing else.
    pub are_all: bool,
}

/// All instances, evaluated.
#[derive(Debug)]
pub(crate) struct Evaluated {
    pub resources: Vec<Resource>,
    /// The VPCs of which the main route table is not the one that they came with.
    other_main: BTreeSet<String>,
}

pub(super) struct Evaluator<'a> {
    pub(super) plan: &'a Plan,
    pub(super) source: &'a Read,
    /// What other sources hold, by its id.
    elsewhere: &'a BTreeMap<String, Named>,
    /// Instances by what AWS calls them.
    by_id: BTreeMap<String, Vec<usize>>,
    /// What AWS makes with others, by its id.
    made_with: BTreeMap<String, Named>,
    /// The VPCs of which the main route table is not the one that they came with.
    other_main: BTreeSet<String>,
    notes: RefCell<Vec<Note>>,
    candidates: RefCell<BTreeMap<String, Candidates>>,
}

/// What an expression in the configuration stands in.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub module: &'a [Step],
    pub index: Option<&'a Index>,
    pub for_each: Option<&'a Value>,
    /// How many instances there are of what it stands in.
    pub siblings: usize,
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
    /// Whether something that is not seen chooses among the values.
    pub open: bool,
    /// Whether what chooses is more than an index of one's own.
    pub hidden: bool,
    /// What is taken for granted of the values.
    pub assumed: Vec<String>,
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
    pub(super) fn new(plan: &Plan, source: &Read, elsewhere: &BTreeMap<String, Named>) -> Self {
        let evaluator = Evaluator::new(plan, source, elsewhere);
        let resources = (0..plan.instances.len()).map(|at| evaluator.resource(at)).collect();
        Self { resources, other_main: evaluator.other_main }
    }

    /// What the route table that a VPC came with is called: it is the main one unless another was made that.
    pub(crate) fn first_table(&self, vpc: &str) -> String {
        format!("{vpc}/{}", if self.other_main.contains(vpc) { "default" } else { "main" })
    }

    /// The route tables that came with VPCs and are not their main ones, with their VPCs.
    pub(crate) fn other_first_tables(&self) -> impl Iterator<Item = (String, &String)> {
        self.other_main.iter().map(|vpc| (self.first_table(vpc), vpc))
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

/// What says something of another resource and has its id.
const WITH_IDS_OF_OTHERS: [&str; 4] = [
    "aws_ec2_instance_state",
    "aws_vpc_endpoint_policy",
    "aws_vpc_endpoint_private_dns",
    "aws_vpc_peering_connection_options",
];

impl<'a> Evaluator<'a> {
    fn new(plan: &'a Plan, source: &'a Read, elsewhere: &'a BTreeMap<String, Named>) -> Self {
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
                    let is_of_itself = !WITH_IDS_OF_OTHERS.contains(&instance.of_type.as_str());
                    let own =
                        is_of_itself && (key == "id" || key == "arn") || of_itself(&instance.of_type, key);
                    let all = by_id.entry(id.to_owned()).or_default();
                    if own && !all.contains(&at) {
                        all.push(at);
                    }
                }
            }
        }
        let mut evaluator = Self {
            plan,
            source,
            elsewhere,
            by_id,
            made_with: BTreeMap::new(),
            other_main: BTreeSet::new(),
            notes: RefCell::default(),
            candidates: RefCell::default(),
        };
        evaluator.other_main = evaluator.with_other_main();
        for (at, instance) in plan.instances.iter().enumerate() {
            let inner = instance.values.get("vpc_config").and_then(|all| all.get(0)?.as_object());
            for key in MADE_WITH {
                let id = instance.values.get(*key).or_else(|| inner?.get(*key)).and_then(Value::as_str);
                let named = id.filter(|id| !id.is_empty()).and_then(|_| evaluator.made_with(at, key));
                if let (Some(id), Some(named)) = (id, named) {
                    evaluator.made_with.insert(id.to_owned(), named);
                }
            }
        }
        evaluator
    }

    /// The VPCs of which another table is the main one: their ids say so, or an association does.
    fn with_other_main(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for (at, instance) in self.plan.instances.iter().enumerate().filter(|(_, one)| !one.is_data) {
            match instance.of_type.as_str() {
                "aws_vpc" | "aws_default_vpc" if has_other_main(instance) => {
                    all.insert(self.named(at, 0).name);
                }
                "aws_main_route_table_association" => {
                    let is_known = self.attribute(at, "route_table_id", 0).text().is_some();
                    all.extend(self.attribute(at, "vpc_id", 0).text().filter(|_| is_known));
                }
                _ => {}
            }
        }
        all
    }

    fn resource(&self, at: usize) -> Resource {
        let Some(instance) = self.plan.instances.get(at) else { return nothing() };
        self.notes.borrow_mut().clear();
        self.candidates.borrow_mut().clear();
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
            candidates: std::mem::take(&mut *self.candidates.borrow_mut()),
            touches: self.touched(at),
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
        // It has the id of what it manages: by that alone it would find itself.
        let of_itself = |key: &str, word: &str| match instance.values.get(key).and_then(Value::as_str) {
            Some(id) if !id.is_empty() => {
                let named = self.made_with.get(id).or_else(|| self.elsewhere.get(id));
                named.map(|named| named.name.clone()).or_else(|| of_vpc(word))
            }
            _ => follow(key).map(|named| named.name),
        };
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
                _ => text("id").map(|id| self.elsewhere.get(id).map_or(id, |named| &named.name).to_owned()),
            }
        } else {
            match of_type {
                "aws_default_vpc" => Some(default_vpc_name(&self.region(at), &self.account(instance))),
                "aws_default_subnet" => {
                    let zone = text("availability_zone").and_then(|zone| zone.chars().last()).unwrap_or('a');
                    Some(format!("{}-{zone}", default_vpc_name(&self.region(at), &self.account(instance))))
                }
                "aws_default_route_table" => of_itself("default_route_table_id", "main"),
                "aws_default_network_acl" => of_itself("default_network_acl_id", "default"),
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
        // Named only where it makes something: what a resource manages has the same attributes, and is named by this.
        let owned = |of_type, word: &str| Some((of_type, format!("{}/{word}", self.named(at, 1).name)));
        let (of_type, name) = match (instance.of_type.as_str(), key) {
            ("aws_vpc" | "aws_default_vpc", "default_security_group_id") => {
                owned("aws_security_group", "default")
            }
            ("aws_vpc" | "aws_default_vpc", "default_network_acl_id") => owned("aws_network_acl", "default"),
            ("aws_vpc" | "aws_default_vpc", "main_route_table_id") if has_other_main(instance) => None,
            ("aws_vpc" | "aws_default_vpc", "default_route_table_id" | "main_route_table_id") => {
                let is_main = !self.other_main.contains(&self.named(at, 1).name);
                owned("aws_route_table", if is_main { "main" } else { "default" })
            }
            (
                "aws_ec2_transit_gateway",
                "association_default_route_table_id" | "propagation_default_route_table_id",
            ) => owned("aws_ec2_transit_gateway_route_table", "default"),
            ("aws_eks_cluster", "cluster_security_group_id") => {
                Some(("aws_security_group", eks::group_of(&self.named(at, 1).name)))
            }
            ("aws_vpc_endpoint", "prefix_list_id") => {
                let name = instance.values.get("service_name")?.as_str()?.to_owned();
                Some(("aws_ec2_managed_prefix_list", name))
            }
            _ => None,
        }?;
        Some(Named { of_type: of_type.to_owned(), name })
    }

    /// An attribute of an instance.
    pub(super) fn attribute(&self, at: usize, key: &str, depth: usize) -> Val {
        let Some(instance) = self.plan.instances.get(at).filter(|_| depth <= DEPTH) else {
            return Val::unknown("the plan goes round in circles");
        };
        let block = self.plan.block(&instance.module, instance.is_data, &instance.of_type, &instance.name);
        let expression = block.and_then(|block| block.get("expressions")?.get(key));
        let scope = self.scope(at, key, depth);
        let null = Value::Null;
        let value = instance.values.get(key).unwrap_or(&null);
        let unknown = instance.unknown.get(key).unwrap_or(&null);
        // What nobody wrote, and AWS chooses.
        if unknown == &Value::Bool(true) && expression.is_none() && block.is_some() {
            return match instance.before.get(key) {
                Some(Value::Array(items)) if !items.is_empty() => {
                    Val::unknown("it is known only after apply, and may be what it was before")
                }
                // The next version of a launch template has the next number.
                Some(_) if matches!(key, "latest_version" | "default_version") => {
                    Val::unknown("it is known only after apply: a change makes another version")
                }
                // A change in place can take an automatic public address away, and nothing else.
                Some(value @ (Value::String(_) | Value::Bool(_) | Value::Number(_)))
                    if key != "public_ip" =>
                {
                    self.known(key, value, depth)
                }
                _ => Val::Null,
            };
        }
        self.value(scope, key, value, unknown, expression)
    }

    /// What the expressions of an instance stand in.
    pub(super) fn scope<'s>(&'s self, at: usize, key: &'s str, depth: usize) -> Scope<'s> {
        let nowhere = Scope { module: &[], index: None, for_each: None, siblings: 1, depth, key };
        let Some(instance) = self.plan.instances.get(at) else { return nowhere };
        let (is_data, of_type, name) = (instance.is_data, instance.of_type.as_str(), instance.name.as_str());
        let block = self.plan.block(&instance.module, is_data, of_type, name);
        Scope {
            module: &instance.module,
            index: instance.index.as_ref(),
            for_each: block.and_then(|block| block.get("for_each_expression")),
            siblings: self.plan.of(&instance.module, is_data, of_type, name).count(),
            ..nowhere
        }
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
            _ if *unknown == Value::Bool(true) => self.unknown(scope, key, expression, None),
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let mut blocks = Blocks::new(expression);
                let each = items.iter().enumerate().map(|(at, item)| {
                    let unknown = unknown.get(at).unwrap_or(&Value::Null);
                    self.value(scope, key, item, unknown, blocks.of(at, item))
                });
                Val::List(each.collect())
            }
            Value::Array(items) => {
                let is_unknown = |item: &&Value| **item == Value::Bool(true);
                let missing = unknown.as_array().into_iter().flatten().filter(is_unknown).count();
                if missing > 0 {
                    let mut all = match self.unknown(scope, key, expression, Some(missing)) {
                        Val::List(all) => all,
                        one => vec![one],
                    };
                    let known = items.iter().filter(|item| !item.is_null());
                    let known: Vec<Val> = known.map(|item| self.known(key, item, scope.depth)).collect();
                    all.extend(known.into_iter().filter(|one| !all.contains(one)).collect::<Vec<_>>());
                    return Val::List(all);
                }
                Val::List(items.iter().map(|item| self.known(key, item, scope.depth)).collect())
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
            value => self.known(key, value, scope.depth),
        }
    }

    /// The resource that has an id, or that AWS makes with one.
    pub(super) fn of_id(&self, id: &str) -> Option<Named> {
        let held = || self.by_id.get(id)?.first().map(|at| self.named(*at, 0));
        self.made_with.get(id).or_else(|| self.elsewhere.get(id)).cloned().or_else(held)
    }

    /// A value that is known: the resource whose id it is, or itself.
    fn known(&self, key: &str, value: &Value, depth: usize) -> Val {
        if let Some(text) = value.as_str().filter(|_| refers(key)) {
            if let Some(named) = self.made_with.get(text) {
                return Val::Name(named.clone());
            }
            let wanted = |at: &&usize| {
                let of_type = self.plan.instances.get(**at).map_or("", |instance| instance.of_type.as_str());
                match key.contains("subnet_group") {
                    true => of_type.ends_with("subnet_group"),
                    false if key == "launch_configuration" => of_type == "aws_launch_configuration",
                    false => !is_part(of_type),
                }
            };
            let held = self.by_id.get(text).and_then(|all| {
                let managed =
                    |at: &&usize| self.plan.instances.get(**at).is_some_and(|instance| !instance.is_data);
                let other = || all.iter().find(wanted).filter(|_| !self.elsewhere.contains_key(text));
                all.iter().filter(wanted).find(managed).or_else(other)
            });
            if let Some(at) = held {
                return Val::Name(self.named(*at, depth + 1));
            }
            if let Some(named) = self.elsewhere.get(text) {
                return Val::Name(named.clone());
            }
        }
        Val::from(value.clone())
    }

    /// A value that is known only after apply; of a list perhaps how many items are.
    fn unknown(
        &self,
        scope: Scope<'_>,
        key: &str,
        expression: Option<&Value>,
        missing: Option<usize>,
    ) -> Val {
        let why = || match expression.map(references).filter(|all| !all.is_empty()) {
            Some(all) => format!("it is known only after apply (it comes from {})", all.join(", ")),
            None => "it is known only after apply".to_owned(),
        };
        if let Some(word) = expression.filter(|_| key == "version").and_then(version) {
            return Val::Text(word.to_owned());
        }
        // The `id` of a block is another resource's.
        let Some(expression) = expression.filter(|_| refers(key) || key == "id") else {
            return Val::unknown(why());
        };
        let scope = Scope { key, ..scope };
        let Found { values, lost, open, hidden, mut assumed } = self.expression(scope, expression);
        let is_sure = lost.is_empty() && !values.iter().any(|value| matches!(value, Val::Unknown(_)));
        let ids: Vec<Val> = values.into_iter().filter(is_resource).collect();
        let mut distinct: Vec<Val> = Vec::new();
        ids.iter().for_each(|id| {
            if !distinct.contains(id) {
                distinct.push(id.clone());
            }
        });
        let names = |all: &[Val]| all.iter().filter_map(Val::text).collect::<Vec<_>>();
        if is_list(key) {
            let fits = missing.is_none_or(|missing| missing == distinct.len());
            let is_whole = is_sure && fits && (distinct.len() == 1 || !open);
            if is_whole && !distinct.is_empty() {
                self.assume(if missing.is_some() { &[] } else { &assumed });
                return Val::List(distinct);
            }
            if distinct.is_empty() && !is_sure {
                distinct = self.guess(scope).unwrap_or_default();
            }
            let candidates = Candidates { names: names(&distinct), are_all: is_sure };
            self.candidates.borrow_mut().insert(key.to_owned(), candidates);
            return Val::unknown(why());
        }
        match distinct.as_slice() {
            [one] if is_sure => {
                self.assume(&assumed);
                one.clone()
            }
            [] | [_] => Val::unknown(why()),
            several => match self.choose(scope, expression, &ids).filter(|_| is_sure && !hidden) {
                Some(chosen) => {
                    let name = chosen.text().unwrap_or_default();
                    assumed.push(format!("{key} is one of several: taken to be {name}"));
                    self.assume(&assumed);
                    chosen
                }
                None => {
                    let names = names(several);
                    let why = format!("it is known only after apply (one of {})", names.join(", "));
                    let candidates = Candidates { names, are_all: is_sure };
                    self.candidates.borrow_mut().insert(key.to_owned(), candidates);
                    Val::unknown(why)
                }
            },
        }
    }

    /// Notes what is taken for granted.
    fn assume(&self, assumed: &[String]) {
        let notes = assumed.iter().map(|text| Note::new(NoteKind::Approximated, text.as_str()));
        self.notes.borrow_mut().extend(notes);
    }
}

/// What sources hold, by its id: what AWS makes with others is that, whoever manages it.
pub(super) fn ids(plans: &[(&Plan, &Read)]) -> BTreeMap<String, Named> {
    let nothing = BTreeMap::new();
    let evaluators: Vec<Evaluator<'_>> =
        plans.iter().map(|(plan, source)| Evaluator::new(plan, source, &nothing)).collect();
    let mut all: BTreeMap<String, Named> = BTreeMap::new();
    for evaluator in &evaluators {
        for (id, named) in &evaluator.made_with {
            all.entry(id.clone()).or_insert_with(|| named.clone());
        }
    }
    for evaluator in &evaluators {
        for (id, holders) in evaluator.by_id.iter().filter(|(id, _)| is_id(id)) {
            let is_whole = |at: &&usize| {
                let held = evaluator.plan.instances.get(**at);
                held.is_some_and(|held| !held.is_data && !is_part(&held.of_type))
            };
            if let Some(at) = holders.iter().find(is_whole) {
                all.entry(id.clone()).or_insert_with(|| evaluator.named(*at, 0));
            }
        }
    }
    all
}

/// Whether what a type manages is another resource's, whose id it has.
fn is_part(of_type: &str) -> bool {
    of_type.ends_with("_association")
        || of_type.ends_with("_attachment_accepter")
        || of_type == "aws_vpc_peering_connection_accepter"
}

/// The word for a version of a launch template that an expression takes from the template itself.
fn version(expression: &Value) -> Option<&'static str> {
    let all = references(expression);
    let of = |end: &str| all.iter().any(|one| one.ends_with(end));
    let is_plain = all.iter().all(|one| one.starts_with("aws_launch_template."));
    match (of(".latest_version"), of(".default_version")) {
        (true, false) if is_plain => Some("$Latest"),
        (false, true) if is_plain => Some("$Default"),
        _ => None,
    }
}

/// Whether a VPC says that its main route table is not the one that it came with.
pub(super) fn has_other_main(vpc: &Instance) -> bool {
    let id = |key: &str| vpc.values.get(key).and_then(Value::as_str).filter(|id| !id.is_empty());
    id("default_route_table_id").zip(id("main_route_table_id")).is_some_and(|(own, main)| own != main)
}

fn nothing() -> Resource {
    Resource {
        address: String::new(),
        name: String::new(),
        of_type: String::new(),
        is_data: false,
        values: BTreeMap::new(),
        notes: Vec::new(),
        candidates: BTreeMap::new(),
        touches: Vec::new(),
        region: String::new(),
        account: String::new(),
    }
}
