//! What may a resource change that is not in the topology?
//!
//! Whatever it refers to, be it by an id or by a reference in the configuration: that is in doubt then, as nobody knows
//! what the resource does to it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::estate::{Estate, Key};
use crate::terraform::Facts;
use crate::terraform::follow::is_resource;
use crate::terraform::references::{Evaluator, Resource};
use crate::terraform::types::{Meaning, meaning};
use crate::terraform::words::could_be;
use crate::val::{Named, Val};

impl Evaluator<'_> {
    /// What a resource refers to whose meaning is not known; of another, nothing.
    pub(super) fn touched(&self, at: usize) -> Vec<Named> {
        let Some(instance) = self.plan.instances.get(at) else { return Vec::new() };
        if !matches!(meaning(&instance.of_type, instance.is_data), Meaning::LeftOut(_)) {
            return Vec::new();
        }
        let mut all = Vec::new();
        instance.values.iter().filter(|(key, _)| *key != "id" && *key != "arn").for_each(|(_, value)| {
            self.by_ids(value, &mut all);
        });
        let block = self.plan.block(&instance.module, instance.is_data, &instance.of_type, &instance.name);
        let written = block.and_then(|block| block.get("expressions")?.as_object()).into_iter().flatten();
        for (key, expression) in written {
            let found = self.expression(self.scope(at, key, 0), expression);
            all.extend(found.values.into_iter().filter(is_resource).filter_map(|value| match value {
                Val::Name(named) => Some(named),
                _ => None,
            }));
            // Whatever it may be.
            let types = could_be(key).filter(|_| !found.lost.is_empty()).unwrap_or_default();
            let fitting = self.plan.instances.iter().enumerate();
            let fitting = fitting.filter(|(_, one)| !one.is_data && types.contains(&one.of_type.as_str()));
            all.extend(fitting.map(|(at, _)| self.named(at, 0)));
        }
        all.sort();
        all.dedup();
        all
    }

    /// The resources whose ids stand in a value.
    fn by_ids(&self, value: &Value, all: &mut Vec<Named>) {
        match value {
            Value::String(id) => all.extend(self.of_id(id)),
            Value::Array(items) => items.iter().for_each(|item| self.by_ids(item, all)),
            Value::Object(map) => map.values().for_each(|value| self.by_ids(value, all)),
            _ => {}
        }
    }
}

/// Puts in doubt what is referred to by what is not in the topology.
pub(super) fn finish(facts: &Facts<'_>, estate: &mut Estate) {
    let touching = facts.all.resources.iter().filter(|resource| !resource.touches.is_empty());
    let touching: Vec<&Resource> = touching.collect();
    if touching.is_empty() {
        return;
    }
    let mut became: BTreeMap<String, Vec<Key>> = BTreeMap::new();
    for (key, by) in &estate.origins {
        let name = match by.source == facts.source.name {
            true => format!("{}{}", facts.source.prefix, by.address),
            false => format!("{}/{}", by.source, by.address),
        };
        became.entry(name).or_default().push(key.clone());
    }
    for resource in touching {
        let by = facts.by(resource);
        let why = format!("{} refers to it, and what that does is not known", resource.address);
        for named in resource.touches.iter().filter(|named| named.name != resource.name) {
            let keys = became.get(&named.name).cloned().unwrap_or_else(|| made(named, estate));
            for (kind, name) in keys {
                estate.doubt(kind, &name, why.clone(), &by);
            }
        }
    }
}

/// What AWS makes by itself.
fn made(named: &Named, estate: &Estate) -> Vec<Key> {
    let (kind, owners, word) = match named.of_type.as_str() {
        "aws_default_vpc" => ("vpcs", "", ""),
        "aws_default_subnet" => ("subnets", "", ""),
        // One that is not the main one any more is put where it is spoken of.
        "aws_route_table" if named.name.ends_with("/default") => {
            let is_put =
                estate.resources.get("route_tables").is_some_and(|all| all.contains_key(&named.name));
            return is_put.then(|| ("route_tables", named.name.clone())).into_iter().collect();
        }
        "aws_route_table" => ("route_tables", "vpcs", "/main"),
        "aws_security_group" => ("security_groups", "vpcs", "/default"),
        "aws_network_acl" => ("network_acls", "vpcs", "/default"),
        "aws_ec2_transit_gateway_route_table" => {
            ("transit_gateway_route_tables", "transit_gateways", "/default")
        }
        _ => return Vec::new(),
    };
    let owner = named.name.strip_suffix(word);
    let is_there = owners.is_empty()
        || owner.is_some_and(|owner| estate.resources.get(owners).is_some_and(|all| all.contains_key(owner)));
    is_there.then(|| (kind, named.name.clone())).into_iter().collect()
}
