//! The quotas that a document asks for.

use serde_json::{Map, Value};

use crate::log::{Log, Place};
use crate::nearest::nearest;
use crate::quotas::{GROUPS_TIMES_RULES, QUOTAS, Quotas};
use crate::shape::{Shape, describe};

/// `"aws-default"`, `"aws-max"`, `"none"`, or a number for each quota that is to hold.
impl Shape for Quotas {
    fn read(value: &Value, at: &Place, log: &Log) -> Option<Self> {
        match value {
            Value::String(word) if word == "aws-default" => Some(Self::aws_default()),
            Value::String(word) if word == "aws-max" => Some(Self::aws_max()),
            Value::String(word) if word == "none" => Some(Self::default()),
            Value::Object(numbers) => Some(read_numbers(numbers, at, log)),
            _ => {
                let problem = format!("{} says nothing about quotas", describe(value));
                let remedy = "give aws-default, aws-max, none, or a map from quota to number";
                log.report(at, "InvalidParameterValue", problem, remedy);
                None
            }
        }
    }
}

fn read_numbers(numbers: &Map<String, Value>, at: &Place, log: &Log) -> Quotas {
    let mut quotas = Quotas::default();
    let mut written: Vec<_> = numbers.iter().filter(|(_, value)| !value.is_null()).collect();
    written.sort_by_key(|(name, _)| *name);
    for (name, value) in written.into_iter().filter(|(name, _)| !name.starts_with("x-")) {
        let at = at.attribute(name);
        let Some(quota) = QUOTAS.iter().find(|quota| quota.name == name) else {
            let names = || QUOTAS.iter().map(|quota| quota.name);
            let remedy = nearest(name, names()).map_or_else(
                || format!("there are {}", names().collect::<Vec<_>>().join(", ")),
                |meant| format!("did you mean `{meant}`?"),
            );
            log.report(&at, "UnknownParameter", format!("`{name}` is not a quota"), remedy);
            continue;
        };
        let Some(number) = i64::read(value, &at, log) else { continue };
        let most = quota.most.unwrap_or(u32::MAX);
        match u32::try_from(number) {
            Ok(limit) if (1..=most).contains(&limit) => {
                quotas.0.insert(quota.name, limit);
            }
            _ => {
                let problem = format!("{number} is out of range");
                let remedy =
                    format!("give a number from 1 to {most}, the most that AWS grants ({})", quota.fact);
                log.report(&at, "InvalidParameterValue", problem, remedy);
            }
        }
    }
    let (groups, rules) = ("security_groups_per_network_interface", "rules_per_security_group");
    if let (Some(per_interface), Some(per_group)) = (quotas.0.get(groups), quotas.0.get(rules))
        && per_interface.saturating_mul(*per_group) > GROUPS_TIMES_RULES
    {
        // SG-16
        let problem =
            format!("{per_interface} groups of {per_group} rules make more than {GROUPS_TIMES_RULES}");
        let remedy = "AWS grants no two that multiply to more: lower one of them";
        log.report(&at.attribute(rules), "InvalidParameterValue", problem, remedy);
    }
    quotas
}
