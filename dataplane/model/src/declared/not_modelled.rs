//! Resources of kinds that are stored and not modelled, as written.
//!
//! References to what is modelled are read and checked; every other attribute is kept as it is written, as Terraform has
//! very many of them. One that looks like a slip of a reference is a mistake all the same.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Map, Value};

use crate::declared::hosts::DeclaredInterface;
use crate::log::{Log, Place};
use crate::nearest::nearest;
use crate::not_modelled::{BLOCK_PUBLIC_ACCESS, NOT_MODELLED, NotModelledKind, Puts};
use crate::reader::{Given, List, Reader, Written, object};
use crate::resources::{Labels, Tags};

/// Resources by name, by kind.
pub(crate) type DeclaredNotModelledResources = BTreeMap<&'static str, BTreeMap<String, DeclaredNotModelled>>;

/// A resource of a kind that is stored and not modelled, as written.
#[derive(Debug)]
pub(crate) struct DeclaredNotModelled {
    pub(crate) kind: &'static NotModelledKind,
    pub(crate) vpc: Given<String>,
    pub(crate) subnets: Vec<Written<String>>,
    pub(crate) security_groups: List<String>,
    /// What the interfaces in its subnets will be, in the order of `subnets`.
    pub(crate) interfaces: Vec<DeclaredInterface>,
    /// Names of instances, or addresses.
    pub(crate) targets: List<String>,
    /// Whether its interfaces have public addresses.
    pub(crate) faces_internet: bool,
    pub(crate) attributes: Map<String, Value>,
    pub(crate) labels: Labels,
}

/// The attributes that are read; the others are kept as they are.
const READ: [&str; 15] = [
    "vpc",
    "vpc_id",
    "subnets",
    "subnet_ids",
    "subnet",
    "subnet_id",
    "subnet_mapping",
    "subnet_mappings",
    "security_groups",
    "security_group_ids",
    "targets",
    "ip_address_type",
    "tags",
    "tags_all",
    "not_modelled",
];

/// Reads every resource of these kinds.
pub(super) fn read(top: &mut Reader<'_>, log: &Log) -> DeclaredNotModelledResources {
    let mut declared = DeclaredNotModelledResources::new();
    for kind in NOT_MODELLED {
        let Some(entries) = top.entries(&[kind.plural]) else { continue };
        let mut of_kind = BTreeMap::new();
        for (name, value) in entries {
            let at = Place::named(kind.plural, name);
            super::check_plain_name(name, &at, log);
            let nothing = Map::new();
            let written = if value.is_null() { Some(&nothing) } else { object(value, &at, log) };
            let Some(written) = written else { continue };
            of_kind.insert(name.clone(), DeclaredNotModelled::read(kind, written, &at, log));
        }
        declared.insert(kind.plural, of_kind);
    }
    declared
}

impl DeclaredNotModelled {
    fn read(kind: &'static NotModelledKind, object: &Map<String, Value>, at: &Place, log: &Log) -> Self {
        let (read, kept): (Map<_, _>, Map<_, _>) = object
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .partition(|(key, _)| READ.contains(&key.as_str()));
        for key in kept.keys().filter(|key| !key.starts_with("x-")) {
            if let Some(meant) = nearest(key, READ) {
                let problem = format!("`{key}` is not an attribute of a {}", kind.noun);
                log.report(
                    &at.attribute(key),
                    "UnknownParameter",
                    problem,
                    format!("did you mean `{meant}`?"),
                );
            }
        }
        let mut reader = Reader::new(log, at.clone(), &read, format!("a {}", kind.noun));
        let vpc = reader.take(&["vpc", "vpc_id"]);
        let security_groups = reader.list(&["security_groups", "security_group_ids"]);
        let ip_address_type: Given<String> = reader.take(&["ip_address_type"]);
        let targets = reader.list(&["targets"]);
        let labels = reader.labels();
        let _: Given<Tags> = reader.take(&["tags_all"]);
        let mut places = read_subnets(&mut reader, log);
        reader.finish();
        let text = |key: &str| kept.get(key).and_then(Value::as_str);
        let lb_type = text("load_balancer_type").unwrap_or("application");
        if kind.puts == Puts::ByLoadBalancerType {
            check_load_balancer(lb_type, &places, at, log);
        }
        if kind.plural == BLOCK_PUBLIC_ACCESS
            && !matches!(
                text("internet_gateway_block_mode"),
                Some("block-bidirectional" | "block-ingress" | "off")
            )
        {
            log.report(
                &at.attribute("internet_gateway_block_mode"),
                "InvalidParameterValue",
                "it is not said what is blocked",
                "give \"block-bidirectional\", \"block-ingress\" or \"off\"",
            );
        }
        let default_group = match kind.puts {
            Puts::WithGroups => true,
            Puts::ByLoadBalancerType => matches!(lb_type, "application" | "classic"),
            Puts::Nothing | Puts::WithoutGroups => false,
        };
        let has_ipv6 = ip_address_type.value().is_some_and(|word| word.starts_with("dualstack"));
        let interfaces = match kind.puts {
            Puts::Nothing => Vec::new(),
            _ => places
                .iter_mut()
                .map(|place| {
                    let subnet = Given::Right(place.subnet.clone());
                    let mut interface = DeclaredInterface::of_service(at.clone(), subnet);
                    interface.source_dest_check = true;
                    interface.default_group = default_group;
                    interface.security_groups = security_groups.clone();
                    interface.private_ip = std::mem::replace(&mut place.private_ip, Given::Absent);
                    if has_ipv6 && let Some(written) = ip_address_type.written() {
                        interface.ipv6_addresses.given = false;
                        interface.ipv6_address_count =
                            Given::Right(Written { at: written.at.clone(), value: 1 });
                    }
                    interface
                })
                .collect(),
        };
        let is_internal = match object.get("scheme").and_then(Value::as_str) {
            Some(scheme) => scheme == "internal",
            None => object.get("internal").and_then(Value::as_bool) == Some(true),
        };
        let faces_internet = kind.puts == Puts::ByLoadBalancerType && lb_type != "gateway" && !is_internal;
        let mut attributes = kept.clone();
        if let Some(written) = ip_address_type.written() {
            attributes.insert("ip_address_type".to_owned(), written.value.as_str().into());
        }
        for key in ["targets", "subnet_mapping", "subnet_mappings"] {
            attributes.extend(object.get(key).map(|value| (key.to_owned(), value.clone())));
        }
        Self {
            kind,
            vpc,
            subnets: places.into_iter().map(|place| place.subnet).collect(),
            security_groups,
            interfaces,
            targets,
            faces_internet,
            attributes,
            labels,
        }
    }
}

/// A subnet that it is in.
struct InSubnet {
    subnet: Written<String>,
    private_ip: Given<Ipv4Addr>,
}

fn read_subnets(reader: &mut Reader<'_>, log: &Log) -> Vec<InSubnet> {
    let subnets: List<String> = reader.list_or_one(&["subnets", "subnet_ids"], &["subnet", "subnet_id"]);
    let mut places: Vec<InSubnet> =
        subnets.items.into_iter().map(|subnet| InSubnet { subnet, private_ip: Given::Absent }).collect();
    for (at, object) in reader.objects(&["subnet_mapping", "subnet_mappings"]).into_iter().flatten() {
        // Its other attributes, such as an allocation, are kept as they are.
        const KNOWN: [&str; 4] = ["subnet", "subnet_id", "private_ipv4_address", "private_ip"];
        let known: Map<String, Value> = object
            .iter()
            .filter(|(key, _)| KNOWN.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let mut item = Reader::new(log, at, &known, "a subnet mapping");
        let subnet = item.require(&["subnet", "subnet_id"], "the name of a subnet");
        let private_ip = item.take(&["private_ipv4_address", "private_ip"]);
        item.finish();
        if let Given::Right(subnet) = subnet {
            places.push(InSubnet { subnet, private_ip });
        }
    }
    places
}

fn check_load_balancer(lb_type: &str, places: &[InSubnet], at: &Place, log: &Log) {
    if !matches!(lb_type, "application" | "network" | "gateway" | "classic") {
        log.report(
            &at.attribute("load_balancer_type"),
            "InvalidParameterValue",
            format!("\"{}\" is not a type of load balancer", crate::shape::clip(lb_type)),
            "give \"application\", \"network\", \"gateway\" or \"classic\"",
        );
    }
    if places.is_empty() {
        log.report(
            &at.attribute("subnets"),
            "MissingParameter",
            "a load balancer needs `subnets`",
            "give the names of subnets, one for each zone",
        );
    }
}
