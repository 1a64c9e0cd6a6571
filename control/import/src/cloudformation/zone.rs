//! Which zone does the id of a zone mean?
//!
//! Ids such as `use1-az1` mean the same zone in every account, names do not: which letter an id has is AWS's to know. So
//! each id of a region and account gets a letter of its own, in the order of the ids. Whether it is the zone of a name
//! that is written beside it, nobody can say.

use std::collections::BTreeSet;

use serde_json::Value;

use super::functions::Evaluator;
use super::token::plain;
use crate::val::Val;

const LETTERS: [char; 6] = ['a', 'b', 'c', 'd', 'e', 'f'];

/// The zone that stands for an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Zone {
    pub name: String,
    /// Whether another subnet of the VPC names its zone by a name, or there are more ids than zones: this one may be the
    /// other's.
    pub is_ambiguous: bool,
}

impl Evaluator<'_> {
    /// The zone of a subnet whose `AvailabilityZoneId` is `id`.
    pub(super) fn zone_of_id(&self, stack: usize, subnet: &str, id: &str) -> Option<Zone> {
        let own = self.stack(stack)?;
        let vpc = self.property(stack, subnet, "VpcId").and_then(|vpc| vpc.text());
        let mut ids = BTreeSet::new();
        let mut is_ambiguous = false;
        for (position, other) in self.stacks().iter().enumerate() {
            if (&other.region, &other.account) != (&own.region, &own.account) {
                continue;
            }
            for (logical, resource) in &other.template.resources {
                if resource.get("Type").and_then(Value::as_str) != Some("AWS::EC2::Subnet") {
                    continue;
                }
                let text = |key: &str| self.property(position, logical, key).as_ref().and_then(Val::text);
                ids.extend(text("AvailabilityZoneId").map(|id| plain(&id)));
                let is_named = text("AvailabilityZone").is_some_and(|zone| !zone.trim().is_empty());
                is_ambiguous |= is_named && text("VpcId") == vpc;
            }
        }
        let position = ids.iter().position(|other| other == id)?;
        let letter = LETTERS.get(position % LETTERS.len())?;
        is_ambiguous |= ids.len() > LETTERS.len();
        Some(Zone { name: format!("{}{letter}", own.region), is_ambiguous })
    }
}
