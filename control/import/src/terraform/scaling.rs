//! What do launch templates start, and into which subnets?

use serde_json::{Map, Value, json};

use crate::estate::Estate;
use crate::mapping::Mapping;
use crate::report::{Fate, NoteKind};
use crate::terraform::references::Resource;
use crate::terraform::{Facts, begin, labels, rest};
use crate::val::Val;

/// A launch template that somebody names.
#[derive(Debug, Clone)]
pub(super) struct Template<'a> {
    pub resource: &'a Resource,
    /// Why the version that is named may say something else: what is read is the latest one.
    pub doubt: Option<String>,
}

/// The launch template that a resource names.
pub(super) fn template<'a>(resource: &Resource, facts: &'a Facts<'_>, keys: &[&str]) -> Option<Template<'a>> {
    let block = keys.iter().find_map(|key| resource.values.get(*key)?.items().first())?;
    of_block(block, facts)
}

pub(super) fn of_block<'a>(block: &Val, facts: &'a Facts<'_>) -> Option<Template<'a>> {
    let id = ["id", "launch_template_id"].iter().find_map(|key| block.text_of(key));
    let name = ["name", "launch_template_name"].iter().find_map(|key| block.text_of(key));
    let mut all = facts.all.of("aws_launch_template");
    let resource = all.find(|one| {
        id.as_ref().is_some_and(|id| *id == one.name || one.text("id").as_ref() == Some(id))
            || name.as_ref().is_some_and(|name| one.text("name").as_ref() == Some(name))
    })?;
    let is_latest = is_latest(block.get("version"), resource);
    let doubt = (!is_latest).then(|| {
        format!(
            "it need not launch from the latest version of {}, which alone is in the source",
            resource.address
        )
    });
    Some(Template { resource, doubt })
}

/// Whether the version of a template that somebody names is the latest one. A template that is to be made has one only.
fn is_latest(version: Option<&Val>, template: &Resource) -> bool {
    let of = |key: &str| template.values.get(key).unwrap_or(&Val::Null);
    let latest = of("latest_version");
    let word = match version {
        Some(Val::Unknown(_)) => return false,
        word => word.and_then(Val::text).unwrap_or_default(),
    };
    let number = match word.as_str() {
        "$Latest" => return true,
        "" | "$Default" if of("update_default_version") == &Val::Bool(true) => return true,
        "" | "$Default" => of("default_version").text(),
        number => Some(number.to_owned()),
    };
    match (latest, number) {
        (Val::Unknown(_), _) => false,
        (Val::Null, number) => number.is_none_or(|number| number == "1"),
        (latest, number) => number.is_none() || latest.text() == number,
    }
}

/// What the first interface of a launch template says.
pub(super) fn template_interface<'a>(template: &'a Resource, key: &str) -> Option<&'a Val> {
    let first = template.values.get("network_interfaces")?.items().first()?;
    first.get(key).filter(|value| !value.is_empty())
}

/// The groups and the public address that a launch template gives.
pub(super) fn from_template(mapping: &mut Mapping<'_>, template: &Template<'_>) {
    let Template { resource: template, doubt } = template;
    doubt.iter().for_each(|why| mapping.doubt(why.as_str()));
    let own = template.values.get("vpc_security_group_ids").filter(|groups| !groups.is_empty());
    let groups = own.or_else(|| template_interface(template, "security_groups"));
    if !mapping.attributes.contains_key("security_groups") {
        match groups {
            Some(Val::List(groups)) => {
                let names: Option<Vec<String>> = groups.iter().map(Val::text).collect();
                match names {
                    Some(names) => {
                        let by = mapping.by.clone();
                        names
                            .iter()
                            .for_each(|name| drop(mapping.estate.refer("security_groups", name, &by)));
                        mapping.write("security_groups", names);
                    }
                    None => mapping
                        .doubt(format!("the security groups of {} are not all known", template.address)),
                }
            }
            Some(Val::Unknown(unknown)) => {
                let why =
                    format!("the security groups of {} are not known: {}", template.address, unknown.why);
                mapping.doubt(why);
            }
            _ => {}
        }
    }
    match template_interface(template, "associate_public_ip_address") {
        Some(Val::Unknown(unknown)) => {
            mapping.doubt(format!(
                "the public address that {} gives is not known: {}",
                template.address, unknown.why
            ));
        }
        Some(public) if public.text().is_some() => {
            mapping.write("associate_public_ip_address", public.text().as_deref() == Some("true"));
        }
        _ => {}
    }
    match template.values.get("network_interfaces") {
        Some(Val::Unknown(unknown)) => {
            mapping.doubt(format!("the interfaces of {} are not known: {}", template.address, unknown.why));
        }
        Some(all) if all.items().len() > 1 => {
            let text =
                format!("further interfaces of what {} launches are not in the topology", template.address);
            mapping.note(NoteKind::Omitted, text);
        }
        _ => {}
    }
}

/// Marks what may be launched from other templates, where these say something else.
fn overrides(mapping: &mut Mapping<'_>, resource: &Resource, facts: &Facts<'_>, base: Option<&Template<'_>>) {
    let policies = resource.values.get("mixed_instances_policy").map_or(&[][..], Val::items);
    for template in policies.iter().flat_map(|policy| policy.items_of("launch_template")) {
        for other in template.items_of("override") {
            let Some(specification) = other.items_of("launch_template_specification").first() else {
                continue;
            };
            let says = |template: &Resource| {
                ["vpc_security_group_ids", "network_interfaces", "security_group_names"]
                    .map(|key| template.values.get(key).filter(|value| !value.is_empty()).cloned())
            };
            let other = of_block(specification, facts);
            match (base, other) {
                (Some(base), Some(other)) if says(base.resource) == says(other.resource) => {
                    other.doubt.iter().for_each(|why| mapping.doubt(why.as_str()));
                }
                (_, Some(other)) => mapping.doubt(format!(
                    "it may launch from {}, which has other groups or addresses",
                    other.resource.address
                )),
                (_, None) => mapping.doubt("an override of its launch template is in no source"),
            }
        }
    }
}

/// Says that a template is understood: what is launched from it shows what it says.
pub(super) fn launch_template(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silence();
    mapping.properties.notes.clear();
    mapping.finish(Fate::NotNetwork);
}

pub(super) fn auto_scaling_group(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    rest(&mut mapping, &["vpc_zone_identifier"]);
    let template =
        template(resource, facts, &["launch_template"]).or_else(|| mixed_template(resource, facts));
    let configuration = resource.text("launch_configuration");
    let configuration = configuration.and_then(|name| {
        facts
            .all
            .of("aws_launch_configuration")
            .find(|one| one.name == name || one.text("name").as_ref() == Some(&name))
    });
    overrides(&mut mapping, resource, facts, template.as_ref());
    match (&template, configuration) {
        (Some(template), _) => from_template(&mut mapping, template),
        (None, Some(configuration)) => {
            match configuration.values.get("security_groups") {
                Some(Val::List(all)) if !all.is_empty() => {
                    match all.iter().map(Val::text).collect::<Option<Vec<_>>>() {
                        Some(names) => {
                            let by = mapping.by.clone();
                            names
                                .iter()
                                .for_each(|name| drop(mapping.estate.refer("security_groups", name, &by)));
                            mapping.write("security_groups", names);
                        }
                        None => mapping.doubt(format!(
                            "the security groups of {} are not all known",
                            configuration.address
                        )),
                    }
                }
                Some(Val::Unknown(unknown)) => mapping.doubt(unknown.why.clone()),
                _ => {}
            }
            match configuration.values.get("associate_public_ip_address") {
                Some(Val::Unknown(unknown)) => mapping.doubt(unknown.why.clone()),
                Some(public) if public.text().is_some() => {
                    mapping.write("associate_public_ip_address", public.text().as_deref() == Some("true"));
                }
                _ => {}
            }
        }
        (None, None) => mapping.doubt("its launch template is in no source: neither are its security groups"),
    }
    let place = Places::read(&mut mapping, resource, "vpc_zone_identifier");
    put_each(mapping, resource, place);
}

fn mixed_template<'a>(resource: &Resource, facts: &'a Facts<'_>) -> Option<Template<'a>> {
    let policy = resource.values.get("mixed_instances_policy")?.items().first()?;
    let specification =
        policy.items_of("launch_template").first()?.items_of("launch_template_specification").first()?;
    of_block(specification, facts)
}

/// The subnets of something that puts an interface into each.
#[derive(Debug)]
pub(super) struct Places(Vec<String>);

impl Places {
    /// From a list of subnets; the default ones where it is not written.
    pub(super) fn read(mapping: &mut Mapping<'_>, resource: &Resource, key: &str) -> Self {
        let value = resource.values.get(key).cloned().unwrap_or(Val::Null);
        Self::of(mapping, resource, key, &value)
    }

    pub(super) fn of(mapping: &mut Mapping<'_>, resource: &Resource, key: &str, value: &Val) -> Self {
        let candidates = resource.candidates.get(key).map_or(&[][..], |candidates| &candidates.names);
        Self::among(mapping, resource, key, value, candidates)
    }

    /// The same; of one that is not known, it is in those that may be meant.
    pub(super) fn among(
        mapping: &mut Mapping<'_>,
        resource: &Resource,
        key: &str,
        value: &Val,
        candidates: &[String],
    ) -> Self {
        let mut names = Vec::new();
        let mut lost = None;
        match value {
            Val::List(items) if !items.is_empty() => {
                for item in items {
                    match item.text() {
                        Some(name) => names.push(name),
                        None => lost = item.first_unknown().cloned().or(lost),
                    }
                }
            }
            Val::Unknown(unknown) => {
                names.extend(candidates.iter().cloned());
                lost = Some(unknown.clone());
            }
            Val::Name(named) => names.push(named.name.clone()),
            Val::Text(text) if !text.is_empty() => {
                names.extend(text.split(',').map(|name| name.trim().to_owned()));
            }
            _ => {
                mapping.note(NoteKind::Assigned, format!("{key} is not written: it is in the default VPC"));
                let (region, account) = (&resource.region, &resource.account);
                names.push(mapping.estate.default_subnet(region, account, 'a'));
                return Self(names);
            }
        }
        let by = mapping.by.clone();
        names.iter().for_each(|name| drop(mapping.estate.refer("subnets", name, &by)));
        if let Some(unknown) = lost {
            if names.is_empty() {
                names.push(super::stand_in(mapping, resource, key, "subnets", &unknown.why));
            }
            mapping.doubt(format!("{key} is not all known: {}", unknown.why));
        }
        Self(names)
    }
}

/// What has an interface in each of its subnets; of all else it depends on how many there are.
const IN_EACH: &[&str] = &[
    "aws_apigatewayv2_vpc_link",
    "aws_directory_service_directory",
    "aws_lambda_function",
    "aws_msk_cluster",
    "aws_transfer_server",
];

/// Puts one end into each subnet, with what the mapping has written, and reports the resource.
pub(super) fn put_each(mut mapping: Mapping<'_>, resource: &Resource, places: Places) {
    labels(&mut mapping, resource);
    let count = places.0.len();
    if count > 1 && !IN_EACH.contains(&resource.of_type.as_str()) {
        mapping.note(
            NoteKind::Approximated,
            format!("it stands in each of the {count} subnets that it may be in"),
        );
    }
    let attributes = std::mem::take(&mut mapping.attributes);
    for (position, subnet) in places.0.into_iter().enumerate() {
        let mut one: Map<String, Value> = attributes.clone();
        one.insert("subnet".to_owned(), json!(subnet));
        let name = format!("{}[{position}]", resource.name);
        mapping.put_as("instances", &name, one);
    }
    mapping.finish(Fate::Understood);
}

impl Places {
    /// The names of the subnets.
    pub(super) fn names(&self) -> &[String] {
        &self.0
    }
}
