//! Which security group does EKS make for a cluster?
//!
//! The interfaces of a cluster, its managed nodes and its Fargate pods share a group that nobody declares: it lets in what
//! comes from its members, and lets everything out.

use serde_json::{Map, Value, json};

/// What the group that EKS makes for a cluster is called here.
pub(crate) fn group_of(cluster: &str) -> String {
    format!("{cluster}-cluster")
}

/// The attributes of the group, in the VPC where one is known.
pub(crate) fn group(vpc: Option<String>) -> Map<String, Value> {
    let mut group = Map::new();
    group.extend(vpc.map(|vpc| ("vpc".to_owned(), json!(vpc))));
    group.insert("ingress".to_owned(), json!([{ "protocol": "-1", "self": true }]));
    group
}

/// What there is to say of it.
pub(crate) const NOTE: &str =
    "EKS makes the cluster's security group: everything from its members, and everything out";
