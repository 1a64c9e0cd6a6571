//! Where do Terraform's clusters of EKS have their interfaces, and in which groups?

use serde_json::json;

use crate::eks;
use crate::estate::Estate;
use crate::report::{Fate, NoteKind};
use crate::terraform::references::Resource;
use crate::terraform::scaling::{Places, from_template, put_each, template};
use crate::terraform::services::groups;
use crate::terraform::{Facts, begin, rest};
use crate::val::Val;

/// A cluster of EKS, whose interfaces have a group of its own next to those that are named.
pub(super) fn eks_cluster(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    rest(&mut mapping, &["vpc_config"]);
    let block = match resource.values.get("vpc_config") {
        Some(Val::List(blocks)) => blocks.first().cloned(),
        Some(unknown @ Val::Unknown(_)) => Some(unknown.clone()),
        _ => None,
    };
    let Some(block) = block else { return mapping.finish(Fate::NotNetwork) };
    let part = |key: &str| match &block {
        Val::Unknown(_) => block.clone(),
        block => block.get(key).cloned().unwrap_or(Val::Null),
    };
    groups(&mut mapping, "security_group_ids", Some(&part("security_group_ids")));
    mapping.write("associate_public_ip_address", false);
    let places = Places::of(&mut mapping, resource, "subnet_ids", &part("subnet_ids"));
    let vpc = places.names().iter().find_map(|subnet| facts.all.named(subnet)?.text("vpc_id"));
    if vpc.is_some() {
        let own = eks::group_of(&resource.name);
        mapping.put_as("security_groups", &own, eks::group(vpc));
        mapping.note(NoteKind::Approximated, eks::NOTE);
        let named = mapping.attributes.remove("security_groups").unwrap_or_else(|| json!([]));
        let mut all = vec![json!(own)];
        all.extend(named.as_array().cloned().unwrap_or_default());
        mapping.write("security_groups", all);
    } else {
        mapping.doubt("in which VPC its own security group is is not known");
    }
    put_each(mapping, resource, places);
}

/// Nodes of a cluster of EKS, and its Fargate pods: in the cluster's group unless their launch template says otherwise.
pub(super) fn eks_nodes(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    rest(&mut mapping, &["subnet_ids"]);
    let is_set = |key: &str| resource.values.get(key).is_some_and(|value| !value.is_empty());
    if is_set("launch_template") {
        match template(resource, facts, &["launch_template"]) {
            Some(template) => from_template(&mut mapping, &template),
            None => mapping.doubt("its launch template is in no source: neither are its security groups"),
        }
    }
    if is_set("remote_access") {
        mapping.doubt("remote_access adds a security group that EKS makes");
    }
    if resource.of_type == "aws_eks_fargate_profile" {
        mapping.write("associate_public_ip_address", false);
    }
    let cluster = resource.values.get("cluster_name").and_then(Val::text);
    let cluster = cluster.and_then(|name| {
        let is_it = |one: &&Resource| one.name == name || one.text("name").as_ref() == Some(&name);
        facts.all.of("aws_eks_cluster").find(is_it)
    });
    if !mapping.attributes.contains_key("security_groups") {
        match cluster {
            Some(cluster) => {
                let by = mapping.by.clone();
                let group = eks::group_of(&cluster.name);
                let group = mapping.estate.refer("security_groups", &group, &by);
                mapping.write("security_groups", vec![group]);
            }
            None => mapping.doubt("the security group of its cluster is not known"),
        }
    }
    let places = Places::read(&mut mapping, resource, "subnet_ids");
    put_each(mapping, resource, places);
}
