//! One case for each documented fact that a declaration can meet: what EC2 refuses is refused with EC2's code at the
//! right place, what it accepts is accepted.

#![allow(clippy::expect_used, clippy::panic)]

mod addressing;
mod filters;
mod gateways;
mod homes;
mod hosts;
mod naming;
mod prefix_lists;
mod private;
mod routing;

use serde_json::{Value, json};
use vpclab_model::{Document, Topology};

/// Merges `patch` into a small lab (JSON merge patch, RFC 7396: null removes).
fn patched(patch: &Value) -> Document {
    let mut lab = json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56" }, "w": { "cidr_block": "10.1.0.0/16" } },
        "subnets": {
            "a": { "vpc": "v", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8:1:1::/64" },
            "x": { "vpc": "w", "cidr_block": "10.1.1.0/24" }
        },
        "internet_gateways": { "g": { "vpc": "v" } },
        "instances": { "i": { "subnet": "a" } }
    });
    merge(&mut lab, patch);
    Document::from(lab)
}

fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let object = into.as_object_mut().expect("just made one");
    for (key, value) in patch {
        if value.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn lab(patch: Value) -> Topology {
    Topology::from_document(&patched(&patch), None).unwrap_or_else(|mistakes| panic!("{patch}\n{mistakes}"))
}

/// Every mistake as `CODE resource.attribute`.
fn mistakes(patch: &Value) -> Vec<String> {
    match Topology::from_document(&patched(patch), None) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes
            .0
            .iter()
            .map(|m| {
                assert!(!m.problem.is_empty() && !m.remedy.is_empty());
                let dot = if m.resource.is_empty() || m.attribute.is_empty() { "" } else { "." };
                format!("{} {}{dot}{}", m.code, m.resource, m.attribute)
            })
            .collect(),
    }
}

/// Each case: the fact, the change to the lab, and the mistakes it must give.
fn check(cases: Vec<(&str, Value, &[&str])>) {
    let failed: Vec<String> = cases
        .into_iter()
        .filter_map(|(fact, patch, expected)| {
            let found = mistakes(&patch);
            (found != expected)
                .then(|| format!("{fact}: {patch}\n  expected {expected:?}\n  found    {found:?}"))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
