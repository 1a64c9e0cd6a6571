//! Which instances does a plan or a state hold, what is known of each, and how was it written?

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::Side;
use crate::source::{Read, SourceError};
use crate::terraform::address::{Index, Step, modules};
use crate::terraform::parts;
use crate::terraform::place::{account_of, region_of};

/// An instance of a resource or of a data source.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub address: String,
    pub is_data: bool,
    pub of_type: String,
    /// The name of the resource in its module.
    pub name: String,
    pub index: Option<Index>,
    pub module: Vec<Step>,
    pub values: Map<String, Value>,
    /// In the shape of the values: true where something is known only after apply.
    pub unknown: Value,
    /// The values before, of an instance that the plan keeps or changes in place.
    pub before: Map<String, Value>,
}

/// What a plan says of changes, by address.
#[derive(Debug, Default)]
struct Changes {
    /// What is known only after apply.
    unknown: BTreeMap<String, Value>,
    /// The address now of what had another one.
    moved: BTreeMap<String, String>,
    /// What is destroyed and made again.
    replaced: BTreeSet<String>,
    /// What Terraform will not manage any more, and leaves alone.
    forgotten: BTreeSet<String>,
}

/// Where resources are that do not say it: the same on both sides of a plan.
#[derive(Debug, Default)]
pub(super) struct Home {
    pub region: Option<String>,
    pub account: Option<String>,
}

/// All that a file holds of one side.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub instances: Vec<Instance>,
    pub home: Home,
    /// The configuration of the root module; null where the file has none, as a state.
    root: Value,
    /// Where the block of each resource stands among those of its module.
    places: HashMap<String, usize>,
    pub providers: Value,
    pub variables: Value,
}

impl Instance {
    /// By what instances are sorted, but for their indices.
    fn place(&self) -> (&[Step], &str, &str) {
        (&self.module, &self.of_type, &self.name)
    }
}

impl Plan {
    pub(super) fn new(source: &Read, side: Side) -> Result<Self, SourceError> {
        let Some((path, text)) = source.files.iter().next() else { return Ok(Self::default()) };
        let syntax = |problem: String| SourceError::Syntax { path: path.clone(), problem };
        let document: Value = serde_json::from_str(text).map_err(|error| syntax(error.to_string()))?;
        let at = |pointer: &str| document.pointer(pointer).cloned().unwrap_or_default();
        let root = at("/configuration/root_module");
        let mut places = HashMap::new();
        note_places(&root, &mut Vec::new(), &mut places);
        let mut plan = Self {
            instances: Vec::new(),
            home: Home::default(),
            root,
            places,
            providers: at("/configuration/provider_config"),
            variables: at("/variables"),
        };
        let changes = Changes::of(&document);
        let is_plan = document.get("planned_values").is_some() || document.get("resource_changes").is_some();
        if document.get("errored") == Some(&Value::Bool(true)) {
            let problem = "Terraform could not finish this plan (`errored`), so not all is in it; mend what it says, and plan again";
            return Err(syntax(problem.to_owned()));
        }
        if let Some(resources) = document.get("resources").and_then(Value::as_array).filter(|_| !is_plan) {
            resources.iter().for_each(|resource| plan.own_state(resource));
        } else if !is_plan {
            plan.module(document.pointer("/values/root_module"), &[], &changes);
        } else {
            let (before, after) = (Self::before(&document, &changes), Self::after(&document, &changes));
            plan.home = home(before.iter().chain(&after));
            match side {
                Side::Before => plan.instances = before,
                Side::After => plan.follow(before, after, &changes),
            }
        }
        if !is_plan {
            plan.home = home(plan.instances.iter());
        }
        plan.instances.sort_by(|a, b| {
            (&a.module, &a.of_type, &a.name, &a.index).cmp(&(&b.module, &b.of_type, &b.name, &b.index))
        });
        Ok(plan)
    }

    /// What there is before a plan is applied.
    fn before(document: &Value, changes: &Changes) -> Vec<Instance> {
        let mut side = Self::default();
        match document.pointer("/prior_state/values/root_module") {
            Some(module) => side.module(Some(module), &[], &Changes::default()),
            None => side.changes(document, "before", changes),
        }
        for instance in &mut side.instances {
            // What was moved since is known by its new address.
            if let Some(now) = changes.moved.get(&instance.address) {
                instance.address.clone_from(now);
            }
        }
        side.instances
    }

    /// What there is to be, as far as it is planned.
    fn after(document: &Value, changes: &Changes) -> Vec<Instance> {
        let mut side = Self::default();
        match document.pointer("/planned_values/root_module") {
            Some(module) => side.module(Some(module), &[], changes),
            None => side.changes(document, "after", changes),
        }
        side.instances
    }

    /// Takes what there is to be, with what stays of what there is.
    fn follow(&mut self, before: Vec<Instance>, after: Vec<Instance>, changes: &Changes) {
        self.instances = after;
        for instance in &mut self.instances {
            let then = before.iter().find(|then| then.address == instance.address && !then.is_data);
            if let Some(then) = then.filter(|_| !changes.replaced.contains(&instance.address)) {
                instance.before.clone_from(&then.values);
            }
        }
        let planned: BTreeSet<String> =
            self.instances.iter().map(|instance| instance.address.clone()).collect();
        let ids = |all: &[Instance]| -> BTreeSet<String> {
            let vpcs = all.iter().filter(|one| one.of_type == "aws_vpc" && !one.is_data);
            vpcs.filter_map(|vpc| vpc.values.get("id")?.as_str().map(str::to_owned)).collect()
        };
        let gone: BTreeSet<String> = ids(&before).difference(&ids(&self.instances)).cloned().collect();
        let stays = |instance: &Instance| {
            let vpc = instance.values.get("vpc_id").and_then(Value::as_str);
            // What data sources have said already stands in the state before; what is only forgotten stays where it is.
            !planned.contains(&instance.address)
                && (instance.is_data
                    || changes.forgotten.contains(&instance.address)
                    || is_only_forgotten(instance) && vpc.is_none_or(|vpc| !gone.contains(vpc)))
        };
        let (mut stay, gone): (Vec<_>, Vec<_>) = before.iter().cloned().partition(stays);
        stay.iter_mut().for_each(|one| one.before.clone_from(&one.values));
        let forgotten = stay.iter().filter(|one| !one.is_data).map(|one| one.address.clone()).collect();
        self.instances.extend(stay);
        parts::forget(self, &before, &forgotten);
        self.forget_gone(&gone);
    }

    /// Takes the ids of what will be gone out of lists that nobody wrote: AWS takes them out.
    fn forget_gone(&mut self, before: &[Instance]) {
        let id = |instance: &Instance| instance.values.get("id").and_then(Value::as_str).map(str::to_owned);
        let there: BTreeSet<String> = self.instances.iter().filter_map(id).collect();
        let gone: BTreeSet<String> =
            before.iter().filter_map(id).filter(|id| !id.is_empty() && !there.contains(id)).collect();
        let mut instances = std::mem::take(&mut self.instances);
        for instance in instances.iter_mut().filter(|instance| !instance.is_data) {
            let block = self.block(&instance.module, false, &instance.of_type, &instance.name);
            let Some(block) = block else { continue };
            for (list, value) in &mut instance.values {
                if let Some(items) = value.as_array_mut()
                    && block.pointer(&format!("/expressions/{list}")).is_none()
                {
                    items.retain(|item| item.as_str().is_none_or(|id| !gone.contains(id)));
                }
            }
        }
        self.instances = instances;
    }

    /// Takes the resources of a module and of those inside it.
    fn module(&mut self, module: Option<&Value>, path: &[Step], changes: &Changes) {
        let Some(module) = module else { return };
        let list = |key: &str| module.get(key).and_then(Value::as_array).into_iter().flatten();
        // Terraform 0.12 leaves the module out of the addresses of a state.
        let prefix = module.get("address").and_then(Value::as_str).map(|module| format!("{module}."));
        for resource in list("resources") {
            let text = |key: &str| resource.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let address = whole(text("address"), resource.get("deposed_key"));
            let address = match &prefix {
                Some(prefix) if !address.starts_with(prefix.as_str()) => format!("{prefix}{address}"),
                _ => address,
            };
            let instance = Instance {
                is_data: text("mode") == "data",
                of_type: text("type"),
                name: text("name"),
                index: index(resource.get("index")),
                module: path.to_vec(),
                values: resource.get("values").and_then(Value::as_object).cloned().unwrap_or_default(),
                unknown: changes.unknown.get(&address).cloned().unwrap_or_default(),
                before: Map::new(),
                // Terraform 0.12 left the index of some addresses to be told from the attribute.
                address,
            };
            self.instances.push(instance);
        }
        for child in list("child_modules") {
            let address = child.get("address").and_then(Value::as_str).unwrap_or_default();
            self.module(Some(child), &modules(address), changes);
        }
    }

    /// Takes one side of the changes, where nothing says more.
    fn changes(&mut self, document: &Value, side: &str, changes: &Changes) {
        for change in document.get("resource_changes").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| change.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let Some(values) = change.pointer(&format!("/change/{side}")).and_then(Value::as_object) else {
                continue;
            };
            let address = whole(text("address"), change.get("deposed"));
            let unknown = changes.unknown.get(&address).cloned().unwrap_or_default();
            self.instances.push(Instance {
                is_data: text("mode") == "data",
                of_type: text("type"),
                name: text("name"),
                index: index(change.get("index")),
                module: modules(&text("module_address")),
                values: values.clone(),
                unknown: if side == "after" { unknown } else { Value::Null },
                before: Map::new(),
                address,
            });
        }
    }

    /// Takes a resource of Terraform's own state file.
    fn own_state(&mut self, resource: &Value) {
        let text = |key: &str| resource.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (module, of_type, name) = (text("module"), text("type"), text("name"));
        let is_data = text("mode") == "data";
        for instance in resource.get("instances").and_then(Value::as_array).into_iter().flatten() {
            let index = index(instance.get("index_key"));
            let module_part = if module.is_empty() { String::new() } else { format!("{module}.") };
            let data = if is_data { "data." } else { "" };
            let at = index.as_ref().map(|index| format!("[{index}]")).unwrap_or_default();
            self.instances.push(Instance {
                address: format!("{module_part}{data}{of_type}.{name}{at}"),
                is_data,
                of_type: of_type.clone(),
                name: name.clone(),
                index,
                module: modules(&module),
                values: instance.get("attributes").and_then(Value::as_object).cloned().unwrap_or_default(),
                unknown: Value::Null,
                before: Map::new(),
            });
        }
    }

    /// The configuration of a module.
    pub(super) fn configuration(&self, module: &[Step]) -> Option<&Value> {
        module.iter().try_fold(&self.root, |at, step| at.get("module_calls")?.get(&step.name)?.get("module"))
    }

    /// How a resource was written: the block of the configuration.
    pub(super) fn block(&self, module: &[Step], is_data: bool, of_type: &str, name: &str) -> Option<&Value> {
        let mode = if is_data { "data" } else { "managed" };
        let calls = module.iter().map(|step| step.name.as_str());
        let place = self.places.get(&key(calls, mode, of_type, name))?;
        self.configuration(module)?.get("resources")?.get(*place)
    }

    /// The instances of a resource in one instance of a module.
    pub(super) fn of<'a>(
        &'a self,
        module: &'a [Step],
        is_data: bool,
        of_type: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = (usize, &'a Instance)> {
        // They are sorted so.
        let wanted = (module, of_type, name);
        let first = self.instances.partition_point(|instance| instance.place() < wanted);
        let all = self.instances.iter().enumerate().skip(first);
        all.take_while(move |(_, instance)| instance.place() == wanted)
            .filter(move |(_, instance)| instance.is_data == is_data)
    }
}

/// What tells the block of one resource from all others: the calls of the modules around it, and its address there.
fn key<'a>(calls: impl Iterator<Item = &'a str>, mode: &'a str, of_type: &'a str, name: &'a str) -> String {
    let mut key = String::new();
    for part in calls.chain([mode, of_type, name]) {
        key.push_str(part);
        key.push('/');
    }
    key
}

/// Notes where blocks stand in a module, which these calls lead to, and in those that it calls.
fn note_places<'v>(module: &'v Value, calls: &mut Vec<&'v str>, places: &mut HashMap<String, usize>) {
    let blocks = module.get("resources").and_then(Value::as_array);
    for (place, block) in blocks.into_iter().flatten().enumerate() {
        let text = |key: &str| block.get(key).and_then(Value::as_str).unwrap_or_default();
        let key = key(calls.iter().copied(), text("mode"), text("type"), text("name"));
        places.entry(key).or_insert(place);
    }
    for (name, call) in module.get("module_calls").and_then(Value::as_object).into_iter().flatten() {
        if let Some(module) = call.get("module") {
            calls.push(name);
            note_places(module, calls, places);
            calls.pop();
        }
    }
}

/// Whether the provider leaves what an instance manages as it is where the instance goes: what comes with a VPC is there
/// as long as the VPC.
fn is_only_forgotten(instance: &Instance) -> bool {
    match instance.of_type.as_str() {
        "aws_default_security_group"
        | "aws_default_network_acl"
        | "aws_default_route_table"
        | "aws_vpc_peering_connection_accepter" => true,
        "aws_default_vpc" | "aws_default_subnet" => {
            instance.values.get("force_destroy") != Some(&Value::Bool(true))
        }
        _ => false,
    }
}

fn index(value: Option<&Value>) -> Option<Index> {
    match value? {
        Value::String(key) => Some(Index::Key(key.clone())),
        Value::Number(number) => {
            number.as_u64().and_then(|number| usize::try_from(number).ok()).map(Index::Number)
        }
        _ => None,
    }
}

/// An address, with the word for an object that a replacement has left behind and that still is to be destroyed.
fn whole(address: String, deposed: Option<&Value>) -> String {
    match deposed.and_then(Value::as_str).filter(|key| !key.is_empty()) {
        Some(key) => format!("{address} (deposed {key})"),
        None => address,
    }
}

/// The first region and the first account that resources say.
fn home<'a>(instances: impl Iterator<Item = &'a Instance>) -> Home {
    let mut home = Home::default();
    for instance in instances {
        let (region, account) = (region_of(instance), account_of(instance));
        home.region = home.region.or(region);
        home.account = home.account.or(account.filter(|_| !instance.is_data));
    }
    home
}

impl Changes {
    fn of(document: &Value) -> Self {
        let mut all = Self::default();
        for change in document.get("resource_changes").and_then(Value::as_array).into_iter().flatten() {
            let Some(address) = change.get("address").and_then(Value::as_str) else { continue };
            let address = whole(address.to_owned(), change.get("deposed"));
            let actions = change.pointer("/change/actions").and_then(Value::as_array);
            let actions: Vec<&str> = actions.into_iter().flatten().filter_map(Value::as_str).collect();
            if actions == ["forget"] {
                all.forgotten.insert(address.clone());
            }
            if actions.contains(&"create") && actions.len() > 1 {
                all.replaced.insert(address.clone());
            }
            if let Some(before) = change.get("previous_address").and_then(Value::as_str) {
                all.moved.insert(before.to_owned(), address.clone());
            }
            if let Some(unknown) = change.pointer("/change/after_unknown") {
                all.unknown.insert(address, unknown.clone());
            }
        }
        all
    }
}
