//! What do the answers of `aws ec2 describe-*` say?
//!
//! Everything in a dump has its AWS id for a name, and every reference is an id. Interfaces, addresses, rules and routes
//! are exactly those that are listed: what AWS makes by itself is listed, too. What was not asked of AWS is not known: a
//! VPC whose route tables nobody listed has one that is not modelled.

mod collections;
mod contradiction;
mod facts;
mod filters;
mod gateways;
mod gather;
mod hosts;
mod links;
mod network;
mod services;
mod transit;

pub(crate) use crate::describe::facts::region_of_zone;
pub(crate) use crate::describe::gather::account;

use serde_json::json;

use crate::describe::facts::Facts;
use crate::describe::gather::Item;
use crate::estate::Estate;
use crate::mapping::Mapping;
use crate::report::{Fate, NoteKind};
use crate::source::{Read, SourceError};
use crate::val::Val;

/// Reads all dumps: as ids are unique, they are one.
pub(crate) fn read(sources: &[&Read], estate: &mut Estate) -> Result<(), SourceError> {
    let facts = Facts::new(gather::gather(sources, estate)?);
    network::read(&facts, estate);
    filters::read(&facts, estate);
    hosts::read(&facts, estate);
    gateways::read(&facts, estate);
    links::read(&facts, estate);
    transit::read(&facts, estate);
    services::read(&facts, estate);
    hosts::open_to_the_internet(&facts, estate);
    contradiction::settle(&facts, estate);
    Ok(())
}

/// Starts to map an item under its id; one that two files show differently is doubted.
fn begin<'a>(item: &'a Item, of_type: &str, name: &str, estate: &'a mut Estate) -> Mapping<'a> {
    let mut mapping = Mapping::new(item.by.clone(), of_type, name, &item.body, estate);
    if let Some(why) = contradiction::why(item) {
        mapping.doubt(why);
    }
    mapping
}

/// Puts a resource under its name, with its labels, and reports it.
fn end(mut mapping: Mapping<'_>, kind: &'static str, id: &str, item: &Item, facts: &Facts) {
    mapping.properties.silent(&["Tags", "TagSet", "TagList"]);
    let tags = facts.dump.tags(id, item);
    if !tags.is_empty() {
        mapping.write("tags", json!(tags));
    }
    mapping.put(kind);
    mapping.finish(Fate::Understood);
}

/// Reports a resource that changes no packet, as it is deleted or attached to nothing, and why.
fn gone(mapping: Mapping<'_>, why: &str) {
    let mut mapping = mapping;
    mapping.properties.silence();
    mapping.note(NoteKind::Approximated, why);
    mapping.finish(Fate::NotNetwork);
}

/// The state that `{"State": …}` or a text says.
fn state_of(value: Option<&Val>) -> Option<String> {
    let value = value?;
    ["State", "Name", "Code"].iter().find_map(|key| value.text_of(key)).or_else(|| value.text())
}
