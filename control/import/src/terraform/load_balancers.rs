//! How do Terraform's load balancers, their listeners and their targets come out?

use serde_json::{Map, Value, json};

use crate::estate::Estate;
use crate::mapping::object;
use crate::properties::Given;
use crate::report::NoteKind;
use crate::services::{OWN_GROUP, is_default};
use crate::terraform::references::Resource;
use crate::terraform::scaling::Places;
use crate::terraform::services::groups;
use crate::terraform::{Facts, begin, end, lost, part_of, rest};
use crate::val::Val;

pub(super) fn load_balancer(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let internal = match mapping.properties.boolean("internal") {
        Given::Known(internal) => internal,
        Given::Absent => false,
        Given::Unknown(unknown) => {
            mapping.matters("internal", &unknown);
            false
        }
    };
    let subnets = mapping.properties.take("subnets").filter(|subnets| !subnets.is_empty());
    let mut mappings = Vec::new();
    let mut lost = None;
    match mapping.properties.maps("subnet_mapping") {
        Given::Known(blocks) => {
            for mut block in blocks {
                block.silent(&["allocation_id", "outpost_id", "ipv6_address", "source_nat_ipv6_prefix"]);
                let mut one = Map::new();
                match block.text("subnet_id") {
                    Given::Known(subnet) => {
                        let by = mapping.by.clone();
                        one.insert("subnet".to_owned(), mapping.estate.refer("subnets", &subnet, &by));
                    }
                    Given::Unknown(unknown) => lost = Some(unknown),
                    Given::Absent => {}
                }
                if let Given::Known(address) = block.text("private_ipv4_address")
                    && !address.is_empty()
                {
                    one.insert("private_ipv4_address".to_owned(), json!(address));
                }
                if one.contains_key("subnet") {
                    mappings.push(Value::Object(one));
                }
                mapping.properties.finish_inner(block);
            }
        }
        // Without one of its own, AWS shows it by the subnets.
        Given::Unknown(unknown) if subnets.is_none() => lost = Some(unknown),
        Given::Unknown(_) | Given::Absent => {}
    }
    if mappings.is_empty() {
        let unknown = lost.map(Val::Unknown);
        let value = unknown.as_ref().or(subnets).unwrap_or(&Val::Null);
        let places = Places::of(&mut mapping, resource, "subnets", value);
        mapping.write("subnets", json!(places.names()));
    } else {
        if let Some(unknown) = lost {
            mapping.matters("subnet_mapping", &unknown);
        }
        mapping.write("subnet_mapping", mappings);
    }
    mapping.write("internal", internal);
    if let Given::Known(word) = mapping.properties.text("load_balancer_type")
        && !word.is_empty()
    {
        mapping.write("load_balancer_type", word);
    }
    let value = mapping.properties.take("security_groups");
    groups(&mut mapping, "security_groups", value);
    if let Given::Known(word) = mapping.properties.text("ip_address_type")
        && !word.is_empty()
    {
        mapping.write("ip_address_type", word);
    }
    rest(&mut mapping, &[]);
    end(mapping, "load_balancers", resource);
}

/// A classic one: its listeners are among its attributes.
pub(super) fn classic(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let mut listeners = Vec::new();
    match mapping.properties.maps("listener") {
        Given::Known(blocks) => {
            for mut block in blocks {
                match (block.number("lb_port"), block.text("lb_protocol")) {
                    (Given::Known(port), Given::Known(protocol)) => {
                        listeners.push((port, protocol.to_ascii_uppercase()));
                    }
                    _ => mapping.note(NoteKind::Unknown, "a listener's port or protocol is not known"),
                }
            }
        }
        Given::Unknown(unknown) => {
            mapping.note(NoteKind::Unknown, format!("its listeners are not known: {}", unknown.why));
        }
        Given::Absent => {}
    }
    rest(&mut mapping, &["subnets", "security_groups"]);
    groups(&mut mapping, "security_groups", resource.values.get("security_groups"));
    mapping.write("load_balancer_type", "classic");
    mapping.write("internal", resource.text("internal").as_deref() == Some("true"));
    if let Some(Val::Unknown(unknown)) = resource.values.get("internal") {
        mapping.matters("internal", unknown);
    }
    let places = Places::read(&mut mapping, resource, "subnets");
    if !mapping.attributes.contains_key("security_groups") && is_default(places.names()) {
        mapping.doubt(OWN_GROUP);
    }
    mapping.write("subnets", json!(places.names()));
    let name = mapping.name.clone();
    for (port, protocol) in listeners {
        let listener = object(json!({ "load_balancer": name, "port": port, "protocol": protocol }));
        mapping.put_as("listeners", &format!("{name}-{port}"), listener);
    }
    end(mapping, "load_balancers", resource);
}

pub(super) fn listener(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.reference("load_balancer_arn", "load_balancer", "load_balancers");
    if let Given::Known(port) = mapping.properties.number("port") {
        mapping.write("port", port);
    }
    mapping.text("protocol", "protocol");
    mapping.properties.silence();
    if !mapping.attributes.contains_key("load_balancer") {
        return lost(mapping, "load_balancer_arn", "load_balancers", &["aws_lb", "aws_alb"], facts);
    }
    end(mapping, "listeners", resource);
}

pub(super) fn target_group(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    if let Given::Known(vpc) = mapping.name_of("vpc_id", "vpcs") {
        mapping.write("vpc", vpc);
    }
    if let Given::Known(port) = mapping.properties.number("port") {
        mapping.write("port", port);
    }
    for key in ["protocol", "target_type"] {
        if let Given::Known(word) = mapping.properties.text(key) {
            mapping.write(key, word);
        }
    }
    mapping.properties.silence();
    end(mapping, "target_groups", resource);
}

pub(super) fn target(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silence();
    let by = mapping.by.clone();
    let group = mapping.name_of("target_group_arn", "target_groups");
    match (group, mapping.properties.take("target_id")) {
        (Given::Known(group), Some(Val::Name(named))) => {
            let name = named.name.clone();
            let is_kept = matches!(
                named.of_type.as_str(),
                "aws_instance" | "aws_spot_instance_request" | "aws_lb" | "aws_alb"
            );
            if is_kept {
                mapping.estate.push("target_groups", &group, "targets", json!(name), &by);
            }
            part_of(mapping, "target_groups", &group);
        }
        (Given::Known(group), Some(Val::Text(target))) => {
            if target.parse::<std::net::IpAddr>().is_ok() {
                mapping.estate.push("target_groups", &group, "targets", json!(target), &by);
            }
            part_of(mapping, "target_groups", &group);
        }
        (Given::Known(group), _) => {
            mapping.note(NoteKind::Approximated, "which target it is is not known");
            part_of(mapping, "target_groups", &group);
        }
        _ => lost(
            mapping,
            "target_group_arn",
            "target_groups",
            &["aws_lb_target_group", "aws_alb_target_group"],
            facts,
        ),
    }
}
