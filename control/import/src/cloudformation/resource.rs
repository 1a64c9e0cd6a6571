//! What do the mappings of all types have in common?
//!
//! A [`Resource`] is one resource of a template on its way into the document: its attributes, and a look at the
//! templates around it.

use serde_json::{Map, Value, json};

use super::Rules;
use super::attributes::Place;
use super::functions::Evaluator;
use super::stack::Stack;
use super::token::Token;
use crate::mapping::Mapping;
use crate::properties::Given;
use crate::report::{Fate, NoteKind};
use crate::services::{self, Service};
use crate::val::{Named, Unknown, Val};

/// One resource of a template.
#[derive(Debug)]
pub(super) struct Resource<'r> {
    pub evaluator: &'r Evaluator<'r>,
    pub stack: usize,
    pub logical: &'r str,
    /// Whether a macro among its attributes may change what stands beside it.
    pub is_rewritten: bool,
    pub rules: &'r mut Rules,
    pub mapping: Mapping<'r>,
}

/// Interfaces that something puts into subnets.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    pub subnets: Vec<String>,
    pub groups: Option<Vec<String>>,
    pub public: Option<bool>,
    /// How many IPv6 addresses each has.
    pub ipv6: Option<i64>,
    /// What of them is not modelled.
    pub doubt: Option<String>,
}

impl<'r> Resource<'r> {
    pub(super) fn own_stack(&self) -> Option<&'r Stack> {
        self.evaluator.stack(self.stack)
    }

    pub(super) fn region(&self) -> String {
        self.own_stack().map(|stack| stack.region.clone()).unwrap_or_default()
    }

    pub(super) fn account(&self) -> String {
        self.own_stack().map(|stack| stack.account.clone()).unwrap_or_default()
    }

    /// Copies `Tags`, the key and value pairs.
    pub(super) fn tags(&mut self) {
        let properties = &mut self.mapping.properties;
        let tags = properties.take("Tags").or_else(|| properties.take("HostedZoneTags"));
        let mut copied = Map::new();
        match tags {
            Some(Val::List(items)) => {
                for item in items {
                    let Val::Map(tag) = item else { continue };
                    let text = |key: &str| tag.get(key).and_then(Val::text);
                    if let (Some(key), Some(value)) = (text("Key"), text("Value")) {
                        copied.insert(key, Value::String(value));
                    }
                }
            }
            Some(Val::Map(map)) => {
                for (key, value) in map {
                    copied.extend(value.text().map(|value| (key.clone(), Value::String(value))));
                }
            }
            _ => {}
        }
        if !copied.is_empty() {
            self.mapping.write("tags", Value::Object(copied));
        }
    }

    /// Where the source's region or account is not the document's own: both are written.
    pub(super) fn home(&mut self) {
        let (region, account) = (self.region(), self.account());
        if region != "us-east-1" {
            self.mapping.write("region", region);
        }
        if account != crate::DEFAULT_ACCOUNT {
            self.mapping.write("owner", account);
        }
    }

    /// The resource that a value names, in the templates.
    pub(super) fn place_of(&self, value: &Val) -> Option<Place> {
        match value {
            Val::Name(Named { name, .. }) => self.evaluator.place_of(name),
            _ => None,
        }
    }

    /// An attribute of another resource, as mappings read it.
    pub(super) fn of(&self, place: &Place, property: &str) -> Option<Val> {
        let value = self.evaluator.property(place.stack, &place.logical, property)?;
        Some(self.evaluator.finished(value))
    }

    /// What AWS does with the interfaces of the resource's service.
    pub(super) fn of_aws(&self) -> Service {
        services::of(&self.mapping.of_type)
    }

    /// The VPC of a subnet of the templates.
    pub(super) fn vpc_of_subnet(&self, subnet: &str) -> Option<String> {
        let place = self.evaluator.place_of(subnet)?;
        match self.of(&place, "VpcId")? {
            Val::Name(named) => Some(named.name),
            Val::Text(text) => Some(text),
            Val::Unknown(Unknown { missing: Some(missing), .. }) => Some(missing.name),
            _ => None,
        }
    }

    /// The default VPC of the stack's region and account.
    pub(super) fn default_vpc(&mut self) -> String {
        let (region, account) = (self.region(), self.account());
        self.mapping.note(NoteKind::Approximated, format!("it is in the default VPC of {region}"));
        self.mapping.estate.default_vpc(&region, &account)
    }

    /// The subnet of the default VPC in a zone.
    pub(super) fn default_subnet(&mut self, zone: Option<&str>) -> String {
        let letter = zone.and_then(|zone| zone.chars().last()).filter(|letter| ('a'..='c').contains(letter));
        let (region, account) = (self.region(), self.account());
        self.mapping.note(NoteKind::Approximated, format!("it is in a default subnet of {region}"));
        self.mapping.estate.default_subnet(&region, &account, letter.unwrap_or('a'))
    }

    /// The subnets of the default VPC.
    pub(super) fn default_subnets(&mut self) -> Vec<String> {
        let (region, account) = (self.region(), self.account());
        self.mapping.note(NoteKind::Approximated, format!("it is in the default subnets of {region}"));
        ['a', 'b', 'c']
            .into_iter()
            .map(|zone| self.mapping.estate.default_subnet(&region, &account, zone))
            .collect()
    }

    /// The VPC: the one that is written, or the default one.
    pub(super) fn vpc(&mut self) {
        match self.mapping.name_of("VpcId", "vpcs") {
            Given::Absent => {
                let vpc = self.default_vpc();
                self.mapping.write("vpc", vpc);
            }
            given => self.mapping.copy("VpcId", "vpc", given),
        }
    }

    /// Puts one interface into each subnet, as instances `Name[0]`, `Name[1]`, …
    pub(super) fn put_interfaces(&mut self, interfaces: &Interfaces) {
        let name = self.mapping.name.clone();
        let service = self.of_aws();
        if service.in_some && interfaces.subnets.len() > 1 {
            self.mapping.note(
                NoteKind::Approximated,
                "it stands in every subnet that it may be in; on AWS it is in some of them at a time",
            );
        }
        if let Some(note) = service.note {
            self.mapping.note(NoteKind::Approximated, note);
        }
        for (position, subnet) in interfaces.subnets.iter().enumerate() {
            self.put_interface(&format!("{name}[{position}]"), subnet, interfaces);
        }
    }

    /// Puts one interface into a subnet.
    pub(super) fn put_interface(&mut self, name: &str, subnet: &str, interfaces: &Interfaces) {
        let mut attributes = Map::new();
        attributes.insert("subnet".to_owned(), json!(subnet));
        if let Some(groups) = interfaces.groups.as_ref().filter(|groups| !groups.is_empty()) {
            attributes.insert("security_groups".to_owned(), json!(groups));
        }
        if let Some(public) = interfaces.public {
            attributes.insert("associate_public_ip_address".to_owned(), json!(public));
        }
        if let Some(count) = interfaces.ipv6 {
            attributes.insert("ipv6_address_count".to_owned(), json!(count));
        }
        if let Some(tags) = self.mapping.attributes.get("tags") {
            attributes.insert("tags".to_owned(), tags.clone());
        }
        if let Some(doubt) = &interfaces.doubt {
            attributes.insert("not_modelled".to_owned(), json!(doubt));
        }
        self.mapping.put_as("instances", name, attributes);
    }

    /// The names in a list inside the attributes: as [`Mapping::names_of`], at a path of maps.
    pub(super) fn names_at(&mut self, path: &[&str], kind: &'static str, many: usize) -> Given<Vec<String>> {
        let found = self.value_at(path);
        self.mapping.names_in(found, kind, many)
    }

    /// What stands at a path of maps inside the attributes; in the first item where there is a list of maps.
    pub(super) fn value_at(&mut self, path: &[&str]) -> Option<&'r Val> {
        let (first, rest) = path.split_first()?;
        let mut found = self.mapping.properties.take(first);
        for key in rest {
            found = match found {
                Some(Val::Map(map)) => map.get(*key),
                Some(Val::List(items)) => match items.first() {
                    Some(Val::Map(map)) => map.get(*key),
                    _ => None,
                },
                unknown @ Some(Val::Unknown(_)) => unknown,
                _ => None,
            };
        }
        found
    }

    /// Reports what was put.
    pub(super) fn finish(self) -> Result<(), String> {
        self.mapping.finish(Fate::Understood);
        Ok(())
    }

    /// Reports with another fate.
    pub(super) fn finish_as(self, fate: Fate) -> Result<(), String> {
        self.mapping.finish(fate);
        Ok(())
    }

    /// Whether the attribute names something else than a resource of the templates, and how.
    pub(super) fn token(&self, property: &str) -> Option<Token> {
        Token::whole(&self.evaluator.property(self.stack, self.logical, property)?.text()?)
    }
}
