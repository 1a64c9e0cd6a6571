//! Managed prefix lists of Terraform.

use serde_json::{Value, json};

use crate::estate::Estate;
use crate::mapping::object;
use crate::properties::{Given, Properties};
use crate::report::NoteKind;
use crate::terraform::references::Resource;
use crate::terraform::{Facts, begin, end, home, lost, part_of};

pub(super) fn managed_prefix_list(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&["name", "version"]);
    mapping.text("address_family", "address_family");
    mapping.number("max_entries", "max_entries");
    home(&mut mapping, resource);
    let mut entries = Vec::new();
    match mapping.properties.maps("entry") {
        Given::Known(blocks) => {
            for mut block in blocks {
                match entry(&mut block) {
                    Ok(entry) => entries.push(entry),
                    Err(why) => mapping.doubt(why),
                }
                mapping.properties.finish_inner(block);
            }
        }
        Given::Unknown(unknown) => mapping.matters("entry", &unknown),
        Given::Absent => {}
    }
    let separate = |one: &&Resource| one.text("prefix_list_id").as_ref() == Some(&resource.name);
    let listed: Vec<String> = facts
        .all
        .of("aws_ec2_managed_prefix_list_entry")
        .filter(separate)
        .filter_map(|one| one.text("cidr"))
        .collect();
    entries
        .retain(|entry| !listed.iter().any(|cidr| entry.get("cidr").and_then(Value::as_str) == Some(cidr)));
    mapping.write("entries", entries);
    end(mapping, "managed_prefix_lists", resource);
}

fn entry(block: &mut Properties<'_>) -> Result<Value, String> {
    let description = block.text("description");
    match block.text("cidr") {
        Given::Known(cidr) => {
            let mut entry = object(json!({ "cidr": cidr }));
            if let Given::Known(description) = description {
                entry.insert("description".to_owned(), json!(description));
            }
            Ok(Value::Object(entry))
        }
        _ => Err("the block of an entry is not known".to_owned()),
    }
}

pub(super) fn managed_prefix_list_entry(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let by = mapping.by.clone();
    let Given::Known(list) = mapping.name_of("prefix_list_id", "managed_prefix_lists") else {
        return lost(
            mapping,
            "prefix_list_id",
            "managed_prefix_lists",
            &["aws_ec2_managed_prefix_list"],
            facts,
        );
    };
    match entry(&mut mapping.properties) {
        Ok(entry) => mapping.estate.push("managed_prefix_lists", &list, "entries", entry, &by),
        Err(why) => {
            mapping.note(NoteKind::Unknown, why.clone());
            mapping.unknown_of("managed_prefix_lists", &list, &why);
        }
    }
    part_of(mapping, "managed_prefix_lists", &list);
}
