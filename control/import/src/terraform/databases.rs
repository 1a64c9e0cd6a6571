//! Where do databases and caches of Terraform have their interfaces?
//!
//! In the subnets of a subnet group, which is a resource of its own.

use crate::estate::Estate;
use crate::mapping::Mapping;
use crate::report::{Fate, NoteKind};
use crate::terraform::references::Resource;
use crate::terraform::scaling::{Places, put_each};
use crate::terraform::services::{Place, groups, place, public};
use crate::terraform::{Facts, begin, rest};
use crate::val::Val;

/// Types that name a subnet group, with the attribute, and that of the security groups.
const GROUPED: &[Place] = &[
    place("aws_db_instance", "", "db_subnet_group_name", "vpc_security_group_ids", "publicly_accessible"),
    place("aws_rds_cluster", "", "db_subnet_group_name", "vpc_security_group_ids", ""),
    place("aws_docdb_cluster", "", "db_subnet_group_name", "vpc_security_group_ids", ""),
    place("aws_neptune_cluster", "", "neptune_subnet_group_name", "vpc_security_group_ids", ""),
    place(
        "aws_redshift_cluster",
        "",
        "cluster_subnet_group_name",
        "vpc_security_group_ids",
        "publicly_accessible",
    ),
    place("aws_elasticache_cluster", "", "subnet_group_name", "security_group_ids", ""),
    place("aws_elasticache_replication_group", "", "subnet_group_name", "security_group_ids", ""),
    place("aws_memorydb_cluster", "", "subnet_group_name", "security_group_ids", ""),
    place("aws_dax_cluster", "", "subnet_group_name", "security_group_ids", ""),
    place(
        "aws_dms_replication_instance",
        "",
        "replication_subnet_group_id",
        "vpc_security_group_ids",
        "publicly_accessible",
    ),
];

pub(super) fn is_database(of_type: &str) -> bool {
    GROUPED.iter().any(|place| place.of_type == of_type)
}

pub(super) fn database(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let Some(place) = GROUPED.iter().find(|place| place.of_type == resource.of_type) else { return };
    rest(&mut mapping, &[place.subnets, place.groups, place.public]);
    mapping.properties.silent(&["security_group_names", "publicly_accessible"]);
    groups(&mut mapping, place.groups, resource.values.get(place.groups));
    match resource.values.get(place.public) {
        None | Some(Val::Null) if resource.of_type == "aws_dms_replication_instance" => {
            mapping.doubt("publicly_accessible is not known: AWS chooses");
        }
        _ if CLUSTERS.iter().any(|(_, cluster)| *cluster == resource.of_type) => {
            public_members(&mut mapping, resource, facts);
        }
        value => public(&mut mapping, place.public, value),
    }
    if resource.of_type == "aws_elasticache_cluster"
        && let Some(group) = resource.values.get("replication_group_id").filter(|group| !group.is_empty())
    {
        // Its interfaces are the replication group's.
        if called(facts, group, &["aws_elasticache_replication_group"], "replication_group_id").is_some() {
            mapping.attributes.clear();
            return mapping.finish(Fate::NotNetwork);
        }
        mapping.doubt("its replication group is in no source: neither are its subnets");
    }
    let own = resource.values.get(place.subnets).filter(|name| !name.is_empty());
    let source =
        resource.values.get("replicate_source_db").filter(|source| own.is_none() && !source.is_empty());
    let source =
        source.map(|source| called(facts, source, &["aws_db_instance", "aws_rds_cluster"], "identifier"));
    if matches!(source, Some(None)) {
        mapping.doubt("what it replicates is in no source: neither are its subnets");
    }
    let name = match source.flatten() {
        Some(source) => source.values.get(place.subnets).filter(|name| !name.is_empty()),
        None => own,
    };
    let is_it = |group: &&Resource| {
        let named = |text: &str| {
            group.name == text
                || [group.text("name"), group.text("id"), group.text("replication_subnet_group_id")]
                    .iter()
                    .any(|own| own.as_deref() == Some(text))
        };
        group.of_type.ends_with("subnet_group") && name.and_then(Val::text).is_some_and(|text| named(&text))
    };
    let found = facts.all.resources.iter().find(is_it);
    let nothing = Val::unknown("the subnet group is in no source");
    let subnets = match (name, found) {
        (_, Some(group)) => group.values.get("subnet_ids").cloned().unwrap_or(Val::Null),
        (Some(unknown @ Val::Unknown(_)), None) => unknown.clone(),
        (Some(name), None) if name.text().as_deref() != Some("default") => nothing,
        _ => Val::Null,
    };
    let candidates = found.and_then(|group| group.candidates.get("subnet_ids"));
    let candidates = candidates.map_or(&[][..], |candidates| &candidates.names);
    let places = Places::among(&mut mapping, resource, "subnet_ids", &subnets, candidates);
    put_each(mapping, resource, places);
}

/// The members of clusters, and the clusters.
const CLUSTERS: &[(&str, &str)] = &[
    ("aws_rds_cluster_instance", "aws_rds_cluster"),
    ("aws_docdb_cluster_instance", "aws_docdb_cluster"),
    ("aws_neptune_cluster_instance", "aws_neptune_cluster"),
];

/// The resource of one of these types that a value means, by its name, its id or what `key` calls it.
fn called<'a>(facts: &'a Facts<'_>, value: &Val, types: &[&'a str], key: &str) -> Option<&'a Resource> {
    let text = value.text()?;
    let is_it = |one: &&Resource| {
        one.name == text
            || [key, "id", "arn", "cluster_identifier"]
                .iter()
                .any(|key| one.text(key).as_ref() == Some(&text))
    };
    types.iter().find_map(|of_type| facts.all.of(of_type).find(is_it))
}

/// The interfaces of a cluster are its members', which say whether they are public.
fn public_members(mapping: &mut Mapping<'_>, resource: &Resource, facts: &Facts<'_>) {
    let members =
        CLUSTERS.iter().find(|(_, cluster)| *cluster == resource.of_type).map(|(member, _)| *member);
    let mut is_public = false;
    for member in members.into_iter().flat_map(|member| facts.all.of(member)) {
        let cluster = member.values.get("cluster_identifier");
        let is_own = cluster
            .and_then(|cluster| called(facts, cluster, &[resource.of_type.as_str()], "cluster_identifier"))
            .is_some_and(|cluster| cluster.name == resource.name);
        if !is_own && !matches!(cluster, Some(Val::Unknown(_))) {
            continue;
        }
        match member.values.get("publicly_accessible") {
            Some(Val::Unknown(unknown)) => {
                mapping.doubt(format!(
                    "publicly_accessible of {} is not known: {}",
                    member.address, unknown.why
                ));
            }
            Some(Val::Bool(true)) if is_own => is_public = true,
            Some(Val::Bool(true)) => mapping.doubt(format!("{} is public, and may be of it", member.address)),
            _ => {}
        }
    }
    mapping.write("associate_public_ip_address", is_public);
}

/// What is a part of a cluster: its interfaces are the cluster's.
pub(super) fn member(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silence();
    let clusters =
        CLUSTERS.iter().find(|(member, _)| *member == resource.of_type).map(|(_, cluster)| *cluster);
    let cluster = resource.values.get("cluster_identifier");
    let is_there = cluster
        .zip(clusters)
        .is_some_and(|(cluster, of_type)| called(facts, cluster, &[of_type], "cluster_identifier").is_some());
    if !is_there && !matches!(cluster, Some(Val::Unknown(_))) {
        mapping.note(NoteKind::Omitted, "its cluster is in no source: neither are its subnets");
        return mapping.finish(Fate::LeftOut);
    }
    mapping.finish(Fate::NotNetwork);
}
