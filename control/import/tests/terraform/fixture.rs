//! What do the tests of plans and states share?

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use vpclab_import::{Fate, ImportError, Imported, Options, Side, Source, import};

/// A plan in which every resource is to be made.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    resources: Vec<Value>,
    changes: Vec<Value>,
    written: Vec<Value>,
    prior: Vec<Value>,
    pub calls: Map<String, Value>,
    pub children: Vec<Value>,
    pub variables: Map<String, Value>,
    pub provider: Value,
}

/// A resource's address as its type, its name and its index.
pub(crate) fn parts(address: &str) -> (String, String, Value) {
    let plain = address.strip_prefix("data.").unwrap_or(address);
    let (of_type, rest) = plain.split_once('.').unwrap();
    let (name, index) = rest.split_once('[').map_or((rest, Value::Null), |(name, index)| {
        (name, serde_json::from_str(index.trim_end_matches(']')).unwrap())
    });
    (of_type.to_owned(), name.to_owned(), index)
}

impl Plan {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A resource with what is known of it, and what comes from others.
    pub(crate) fn and(self, address: &str, values: Value, references: Value) -> Self {
        self.with(address, values, json!({}), references)
    }

    /// The same with inner values that are not known, in the shape of the values.
    pub(crate) fn with(mut self, address: &str, values: Value, unknown: Value, references: Value) -> Self {
        let (of_type, name, index) = parts(address);
        let mut unknown = unknown;
        let mut expressions = Map::new();
        for (key, value) in references.as_object().unwrap() {
            match value {
                // References of an attribute as a whole.
                Value::String(_) | Value::Array(_) if !value[0].is_object() => {
                    let all = match value {
                        Value::String(one) => json!([one]),
                        all => all.clone(),
                    };
                    unknown[key] = json!(true);
                    expressions.insert(key.clone(), json!({ "references": all }));
                }
                // Blocks as the configuration has them.
                blocks => drop(expressions.insert(key.clone(), blocks.clone())),
            }
        }
        unknown["id"] = json!(true);
        let is_data = address.starts_with("data.");
        let mut resource = json!({ "address": address, "mode": if is_data { "data" } else { "managed" },
            "type": of_type, "name": name, "values": values });
        if !index.is_null() {
            resource["index"] = index;
        }
        self.resources.push(resource);
        self.changes.push(
            json!({ "address": address, "change": { "actions": ["create"], "after_unknown": unknown } }),
        );
        let is_written =
            self.written.iter().any(|one| one["type"] == of_type.as_str() && one["name"] == name.as_str());
        if !is_written {
            self.written.push(
                json!({ "mode": if is_data { "data" } else { "managed" }, "type": of_type, "name": name,
                "expressions": expressions, "provider_config_key": "aws" }),
            );
        }
        self
    }

    /// What was there before.
    pub(crate) fn before(mut self, address: &str, values: Value) -> Self {
        self.prior.push(state_resource(address, values));
        self
    }

    /// A VPC, two subnets in it, and a security group.
    pub(crate) fn vpc() -> Self {
        Self::new()
            .and("aws_vpc.main", json!({ "cidr_block": "10.0.0.0/16" }), json!({}))
            .and(
                "aws_subnet.a",
                json!({ "cidr_block": "10.0.1.0/24", "availability_zone": "us-east-1a" }),
                json!({ "vpc_id": "aws_vpc.main.id" }),
            )
            .and(
                "aws_subnet.b",
                json!({ "cidr_block": "10.0.2.0/24", "availability_zone": "us-east-1b" }),
                json!({ "vpc_id": "aws_vpc.main.id" }),
            )
            .and("aws_security_group.web", json!({ "name": "web" }), json!({ "vpc_id": "aws_vpc.main.id" }))
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "format_version": "1.2", "terraform_version": "1.9.0", "variables": self.variables,
            "planned_values": { "root_module": { "resources": self.resources, "child_modules": self.children } },
            "resource_changes": self.changes,
            "prior_state": { "values": { "root_module": { "resources": self.prior } } },
            "configuration": {
                "provider_config": { "aws": { "name": "aws", "expressions": { "region": self.provider } } },
                "root_module": { "resources": self.written, "module_calls": self.calls },
            },
        })
    }

    #[track_caller]
    pub(crate) fn imported(&self) -> Imported {
        imported(&self.json(), &Options::default())
    }

    #[track_caller]
    pub(crate) fn stand_ins(&self) -> Imported {
        imported(&self.json(), &Options { stand_ins: true, ..Options::default() })
    }

    #[track_caller]
    pub(crate) fn side(&self, side: Side) -> Imported {
        imported(&self.json(), &Options { side, ..Options::default() })
    }

    #[track_caller]
    pub(crate) fn problems(&self) -> String {
        match run(&self.json(), &Options::default()) {
            Ok(imported) => panic!("no problem: {:#}", imported.document),
            Err(error) => error.to_string(),
        }
    }
}

pub(crate) fn state_resource(address: &str, values: Value) -> Value {
    let (of_type, name, index) = parts(address);
    let mode = if address.starts_with("data.") { "data" } else { "managed" };
    let mut resource =
        json!({ "address": address, "mode": mode, "type": of_type, "name": name, "values": values });
    if !index.is_null() {
        resource["index"] = index;
    }
    resource
}

/// What `terraform show -json` prints of a state.
pub(crate) fn state(resources: &[(&str, Value)]) -> Value {
    let resources: Vec<Value> =
        resources.iter().map(|(address, values)| state_resource(address, values.clone())).collect();
    json!({ "format_version": "1.0", "terraform_version": "1.9.0", "values": { "root_module": { "resources": resources } } })
}

pub(crate) fn run(document: &Value, options: &Options) -> Result<Imported, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    std::fs::write(&path, document.to_string()).unwrap();
    let source: Source = path.to_str().unwrap().parse().unwrap();
    import(&[source], options)
}

/// What is imported: each resource is reported once, and the same bytes come twice.
#[track_caller]
pub(crate) fn imported(document: &Value, options: &Options) -> Imported {
    let imported = run(document, options).unwrap_or_else(|error| panic!("{error}"));
    let mut seen = BTreeSet::new();
    for resource in &imported.report.resources {
        assert!(seen.insert(&resource.address), "{} twice", resource.address);
    }
    let again = run(document, options).unwrap();
    assert_eq!(imported.document.to_string(), again.document.to_string());
    assert_eq!(imported.report.resources, again.report.resources);
    imported
}

#[track_caller]
pub(crate) fn resource<'a>(imported: &'a Imported, kind: &str, name: &str) -> &'a Value {
    let found = imported.document.get(kind).and_then(|all| all.get(name));
    found.unwrap_or_else(|| panic!("no {kind}.{name} in {:#}", imported.document))
}

#[track_caller]
pub(crate) fn fate(imported: &Imported, address: &str) -> Fate {
    let found = imported.report.resources.iter().find(|resource| resource.address == address);
    found.unwrap_or_else(|| panic!("{address} is not reported")).fate
}

/// The notes of a resource, a line each.
#[track_caller]
pub(crate) fn notes(imported: &Imported, address: &str) -> String {
    let found = imported.report.resources.iter().find(|resource| resource.address == address);
    let notes = &found.unwrap_or_else(|| panic!("{address} is not reported")).notes;
    notes.iter().map(|note| note.text.clone()).collect::<Vec<_>>().join("\n")
}
