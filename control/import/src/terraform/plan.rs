//! Which instances does a plan or a state hold, what is known of each, and how was it written?

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::Side;
use crate::source::{Read, SourceError};
use crate::terraform::address::{Index, Step, modules};
use crate::terraform::parts;

/// An instance of a resource or of a data source.
#[derive(Debug)]
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
}

/// All that a file holds of one side.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub instances: Vec<Instance>,
    /// The configuration of the root module; null where the file has none, as a state.
    pub root: Value,
    pub providers: Value,
    pub variables: Value,
}

impl Plan {
    pub(super) fn new(source: &Read, side: Side) -> Result<Self, SourceError> {
        let Some((path, text)) = source.files.iter().next() else { return Ok(Self::default()) };
        let syntax = |problem: String| SourceError::Syntax { path: path.clone(), problem };
        let document: Value = serde_json::from_str(text).map_err(|error| syntax(error.to_string()))?;
        let at = |pointer: &str| document.pointer(pointer).cloned().unwrap_or_default();
        let mut plan = Self {
            instances: Vec::new(),
            root: at("/configuration/root_module"),
            providers: at("/configuration/provider_config"),
            variables: at("/variables"),
        };
        let unknown = unknowns(&document);
        let is_plan = document.get("planned_values").is_some() || document.get("resource_changes").is_some();
        if let Some(resources) = document.get("resources").and_then(Value::as_array).filter(|_| !is_plan) {
            resources.iter().for_each(|resource| plan.own_state(resource));
        } else if !is_plan {
            plan.module(document.pointer("/values/root_module"), &[], &unknown, |_| true);
        } else if side == Side::Before {
            match document.pointer("/prior_state/values/root_module") {
                Some(module) => plan.module(Some(module), &[], &BTreeMap::new(), |_| true),
                None => plan.changes(&document, "before", &unknown),
            }
        } else {
            match document.pointer("/planned_values/root_module") {
                Some(module) => plan.module(Some(module), &[], &unknown, |_| true),
                None => plan.changes(&document, "after", &unknown),
            }
            // What data sources have said already stands in the state before.
            let planned: Vec<String> =
                plan.instances.iter().map(|instance| instance.address.clone()).collect();
            let prior = document.pointer("/prior_state/values/root_module");
            plan.module(prior, &[], &BTreeMap::new(), |instance| {
                instance.is_data && !planned.contains(&instance.address)
            });
        }
        if is_plan && side == Side::After {
            let mut before = Self::default();
            let prior = document.pointer("/prior_state/values/root_module");
            before.module(prior, &[], &BTreeMap::new(), |instance| !instance.is_data);
            parts::forget(&mut plan, &before);
        }
        plan.instances.sort_by(|a, b| {
            (&a.module, &a.of_type, &a.name, &a.index).cmp(&(&b.module, &b.of_type, &b.name, &b.index))
        });
        Ok(plan)
    }

    /// Takes the resources of a module and of those inside it.
    fn module(
        &mut self,
        module: Option<&Value>,
        path: &[Step],
        unknown: &BTreeMap<String, Value>,
        wanted: impl Fn(&Instance) -> bool + Copy,
    ) {
        let Some(module) = module else { return };
        let list = |key: &str| module.get(key).and_then(Value::as_array).into_iter().flatten();
        for resource in list("resources") {
            let text = |key: &str| resource.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let address = text("address");
            let instance = Instance {
                is_data: text("mode") == "data",
                of_type: text("type"),
                name: text("name"),
                index: index(resource.get("index")),
                module: path.to_vec(),
                values: resource.get("values").and_then(Value::as_object).cloned().unwrap_or_default(),
                unknown: unknown.get(&address).cloned().unwrap_or_default(),
                // Terraform 0.12 left the index of some addresses to be told from the attribute.
                address,
            };
            if wanted(&instance) {
                self.instances.push(instance);
            }
        }
        for child in list("child_modules") {
            let address = child.get("address").and_then(Value::as_str).unwrap_or_default();
            self.module(Some(child), &modules(address), unknown, wanted);
        }
    }

    /// Takes one side of the changes, where nothing says more.
    fn changes(&mut self, document: &Value, side: &str, unknown: &BTreeMap<String, Value>) {
        for change in document.get("resource_changes").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| change.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let Some(values) = change.pointer(&format!("/change/{side}")).and_then(Value::as_object) else {
                continue;
            };
            let address = text("address");
            let unknown = unknown.get(&address).cloned().unwrap_or_default();
            self.instances.push(Instance {
                is_data: text("mode") == "data",
                of_type: text("type"),
                name: text("name"),
                index: index(change.get("index")),
                module: modules(&text("module_address")),
                values: values.clone(),
                unknown: if side == "after" { unknown } else { Value::Null },
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
        let has = |block: &Value, key: &str, word: &str| block.get(key).and_then(Value::as_str) == Some(word);
        let blocks = self.configuration(module)?.get("resources")?.as_array()?;
        blocks
            .iter()
            .find(|block| has(block, "mode", mode) && has(block, "type", of_type) && has(block, "name", name))
    }

    /// The instances of a resource in one instance of a module.
    pub(super) fn of<'a>(
        &'a self,
        module: &'a [Step],
        is_data: bool,
        of_type: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = (usize, &'a Instance)> {
        self.instances.iter().enumerate().filter(move |(_, instance)| {
            instance.module == module
                && instance.is_data == is_data
                && instance.of_type == of_type
                && instance.name == name
        })
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

/// What is known only after apply, by address.
fn unknowns(document: &Value) -> BTreeMap<String, Value> {
    let changes = document.get("resource_changes").and_then(Value::as_array).into_iter().flatten();
    let one = |change: &Value| {
        let address = change.get("address")?.as_str()?.to_owned();
        Some((address, change.pointer("/change/after_unknown")?.clone()))
    };
    changes.filter_map(one).collect()
}
