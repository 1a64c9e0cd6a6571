//! What stands in for what no source holds?
//!
//! A stand-in is a resource with whatever the model needs to accept it, and `not_modelled`: everything about it is
//! unknown. Its VPC is that of the resources that it is used with; where they have none either, one is made up for all
//! of them. Blocks are chosen so that what is declared inside fits.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Map, Value, json};

use crate::estate::{Address, Estate, Key, becomes};

/// The kinds that are inside a VPC and say so.
const WITH_VPC: &[&str] = &[
    "subnets",
    "route_tables",
    "network_acls",
    "security_groups",
    "vpc_endpoints",
    "egress_only_internet_gateways",
];
/// The kinds whose VPC is that of their subnet.
const WITH_SUBNET: &[&str] = &["instances", "network_interfaces", "nat_gateways"];
/// Attributes that name resources of the same VPC, and their kinds.
const SAME_VPC: &[(&str, &str)] = &[
    ("vpc", "vpcs"),
    ("subnet", "subnets"),
    ("subnets", "subnets"),
    ("security_groups", "security_groups"),
    ("route_table", "route_tables"),
    ("route_tables", "route_tables"),
    ("network_acl", "network_acls"),
    ("gateways", "internet_gateways"),
    ("main_route_table", "route_tables"),
];
/// The same inside routes.
const TARGETS: &[(&str, &str)] = &[
    ("gateway", "internet_gateways"),
    ("gateway", "vpn_gateways"),
    ("nat_gateway", "nat_gateways"),
    ("network_interface", "network_interfaces"),
    ("instance", "instances"),
    ("vpc_endpoint", "vpc_endpoints"),
    ("vpc_endpoint", "network_firewalls"),
    ("egress_only_gateway", "egress_only_internet_gateways"),
];
/// What a VPC that is made up for stand-ins is called.
const VPC: &str = "stand-in-vpc";
const ZONES: [char; 6] = ['a', 'b', 'c', 'd', 'e', 'f'];

/// The beginnings of a stand-in: [`complete`] adds what depends on the others. Nothing where the kind has none.
pub(crate) fn begin(kind: &str, why: &str) -> Option<Map<String, Value>> {
    let mut attributes = match kind {
        // Rules that others add to it hold; that it has none of its own, nobody says.
        "security_groups" => json!({ "ingress": [], "egress": [] }),
        "network_acls" | "route_tables" | "subnets" | "vpcs" | "instances" | "network_interfaces"
        | "internet_gateways" | "vpn_gateways" | "egress_only_internet_gateways" | "transit_gateways"
        | "transit_gateway_vpc_attachments" | "transit_gateway_route_tables" | "vpc_peering_connections"
        | "eips" | "load_balancers" | "network_firewalls" | "client_vpn_endpoints" | "carrier_gateways"
        | "core_networks" | "local_gateways" | "odb_networks" | "target_groups"
        | "transit_gateway_multicast_domains" => json!({}),
        "nat_gateways" => json!({ "connectivity_type": "private" }),
        "customer_gateways" => json!({}),
        "vpn_connections" => json!({}),
        "managed_prefix_lists" => json!({ "address_family": "IPv4", "max_entries": 1 }),
        "vpc_endpoints" => json!({ "vpc_endpoint_type": "GatewayLoadBalancer" }),
        _ => return None,
    };
    attributes["not_modelled"] = json!(why);
    match attributes {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// Who is in a VPC with whom.
#[derive(Debug, Default)]
struct Together {
    parents: BTreeMap<Key, Key>,
}

impl Together {
    fn root(&self, key: &Key) -> Key {
        let mut key = key;
        while let Some(parent) = self.parents.get(key) {
            key = parent;
        }
        key.clone()
    }

    /// Joins two sets, unless both have a VPC.
    fn join(&mut self, one: &Key, other: &Key) {
        let (one, other) = (self.root(one), self.root(other));
        match (one.0 == "vpcs", other.0 == "vpcs") {
            _ if one == other => {}
            (true, true) => {}
            // A VPC is the root of its set.
            (true, false) => drop(self.parents.insert(other, one)),
            _ => drop(self.parents.insert(one, other)),
        }
    }

    fn vpc(&self, key: &Key) -> Option<String> {
        Some(self.root(key)).filter(|root| root.0 == "vpcs").map(|root| root.1)
    }
}

/// Gives stand-ins, and resources of which the block or the VPC is not known, what the model needs.
pub(crate) fn complete(estate: &mut Estate, made: &BTreeSet<Key>) {
    let together = together(estate, made);
    let homeless = place_in_vpcs(estate, &together);
    if homeless {
        made_up_vpc(estate);
    }
    choose_blocks(estate);
    fill(estate, made);
}

fn kind_of(estate: &Estate, kind: &str) -> Option<&'static str> {
    estate.resources.keys().find(|known| **known == kind).copied()
}

fn names(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

fn together(estate: &Estate, made: &BTreeSet<Key>) -> Together {
    let mut together = Together::default();
    let has = |kind: &str, name: &str| estate.resources.get(kind).is_some_and(|all| all.contains_key(name));
    let mut join = |own: &Key, map: &Map<String, Value>, attributes: &[(&str, &'static str)]| {
        for (attribute, kind) in attributes {
            for name in names(map.get(*attribute)) {
                let key = (*kind, name.clone());
                if let Some(vpc) = name.strip_suffix("/default").or_else(|| name.strip_suffix("/main")) {
                    together.join(&("vpcs", vpc.to_owned()), &key);
                }
                if has(kind, &name) || *kind == "vpcs" || name.contains('/') {
                    together.join(&key, own);
                }
            }
        }
    };
    let skipped = ["vpcs", "vpc_peering_connections", "target_groups", "listeners", "eips"];
    let all: Vec<_> = estate.resources.iter().filter(|(kind, _)| !skipped.contains(kind)).collect();
    for (kind, resources) in &all {
        for (name, map) in *resources {
            let own = (**kind, name.clone());
            join(&own, map, SAME_VPC);
            for route in map.get("routes").and_then(Value::as_array).into_iter().flatten() {
                if let Some(route) = route.as_object().filter(|_| **kind == "route_tables") {
                    join(&own, route, TARGETS);
                }
            }
            if let Some(attachment) = map.get("attachment").and_then(Value::as_object) {
                join(&own, attachment, &[("instance", "instances")]);
            }
            for attached in map.get("network_interfaces").and_then(Value::as_array).into_iter().flatten() {
                if let Some(attached) = attached.as_object() {
                    join(&own, attached, &[("network_interface", "network_interfaces")]);
                }
            }
        }
    }
    // Who names a stand-in's group in a rule is most likely in its VPC.
    for (name, map) in estate.resources.get("security_groups").into_iter().flatten() {
        for direction in ["ingress", "egress"] {
            for rule in map.get(direction).and_then(Value::as_array).into_iter().flatten() {
                for other in names(rule.get("security_groups")) {
                    let own = ("security_groups", name.clone());
                    let other = ("security_groups", other);
                    if made.contains(&own) || made.contains(&other) {
                        together.join(&own, &other);
                    }
                }
            }
        }
    }
    together
}

/// Writes the VPC of whatever has none. Whether some are in no VPC that is known.
fn place_in_vpcs(estate: &mut Estate, together: &Together) -> bool {
    let vpcs: BTreeSet<String> =
        estate.resources.get("vpcs").into_iter().flat_map(|all| all.keys().cloned()).collect();
    // Of the only VPC that there is, a stand-in is most likely.
    let only = (vpcs.len() == 1).then(|| vpcs.first().cloned()).flatten();
    let mut homeless = false;
    let mut wanting: Vec<Key> = Vec::new();
    for (kind, resources) in &estate.resources {
        for (name, map) in resources {
            let own_vpc = WITH_VPC.contains(kind) && !map.contains_key("vpc") && !name.contains("/");
            let in_use = matches!(*kind, "internet_gateways" | "vpn_gateways")
                && !map.contains_key("vpc")
                && map.contains_key("not_modelled");
            let nested = name.ends_with("/main") || name.ends_with("/default");
            if (own_vpc || in_use || (WITH_VPC.contains(kind) && !map.contains_key("vpc"))) && !nested {
                wanting.push((kind, name.clone()));
            }
        }
    }
    for key in wanting {
        let vpc = together.vpc(&key).filter(|vpc| vpcs.contains(vpc)).or_else(|| only.clone());
        let vpc = match vpc {
            Some(vpc) => vpc,
            None if matches!(key.0, "internet_gateways" | "vpn_gateways") => continue,
            None => {
                homeless = true;
                VPC.to_owned()
            }
        };
        if let Some(map) = estate.resources.get_mut(key.0).and_then(|all| all.get_mut(&key.1)) {
            map.insert("vpc".to_owned(), json!(vpc));
        }
    }
    homeless
}

fn made_up_vpc(estate: &mut Estate) {
    let by = Address { source: String::new(), address: "stand-ins".to_owned() };
    let attributes = begin("vpcs", "the VPC of stand-ins is not known").unwrap_or_default();
    if !estate.resources.get("vpcs").is_some_and(|all| all.contains_key(VPC)) {
        estate.put("vpcs", VPC, attributes, &by);
        estate.report.made.push(becomes(&("vpcs", VPC.to_owned())));
    }
}

fn block(map: &Map<String, Value>) -> Option<Ipv4Net> {
    map.get("cidr_block")?.as_str()?.parse().ok()
}

/// Blocks for VPCs without one, that hold the subnets declared in them; and for subnets without one.
fn choose_blocks(estate: &mut Estate) {
    let mut taken: Vec<Ipv4Net> =
        estate.resources.get("vpcs").into_iter().flatten().filter_map(|(_, map)| block(map)).collect();
    let vpcs: Vec<String> = estate.resources.get("vpcs").into_iter().flat_map(|all| all.keys().cloned()).collect();
    for vpc in vpcs {
        let in_vpc = |map: &Map<String, Value>| map.get("vpc").and_then(Value::as_str) == Some(&vpc);
        let inside: Vec<(String, Option<Ipv4Net>)> = estate
            .resources
            .get("subnets")
            .into_iter()
            .flatten()
            .filter(|(_, map)| in_vpc(map) && map.get("ipv6_native") != Some(&json!(true)))
            .map(|(name, map)| (name.clone(), block(map)))
            .collect();
        let declared: Vec<Ipv4Net> = inside.iter().filter_map(|(_, block)| *block).collect();
        let own = estate.resources.get("vpcs").and_then(|all| all.get(&vpc)).and_then(block);
        let blocks = match own {
            Some(own) => vec![own],
            None => {
                let stated = inside.iter().filter(|(_, block)| block.is_none());
                let stated = stated.flat_map(|(name, _)| stated_addresses(estate, name));
                let wide = |address: Ipv4Addr, most: u8| Ipv4Net::new(address, most.min(16)).map(|net| net.trunc());
                let all = declared.iter().map(|net| (net.network(), net.prefix_len()));
                let mut blocks: BTreeSet<Ipv4Net> =
                    all.chain(stated.map(|address| (address, 16))).filter_map(|(a, p)| wide(a, p.max(16)).ok()).collect();
                if blocks.is_empty() {
                    blocks.extend(free(&taken));
                }
                let blocks: Vec<Ipv4Net> = blocks.into_iter().collect();
                if let Some(map) = estate.resources.get_mut("vpcs").and_then(|all| all.get_mut(&vpc)) {
                    let mut texts = blocks.iter().map(ToString::to_string);
                    map.extend(texts.next().map(|first| ("cidr_block".to_owned(), json!(first))));
                    let others: Vec<_> = texts.collect();
                    if !others.is_empty() {
                        map.insert("secondary_cidr_blocks".to_owned(), json!(others));
                    }
                }
                taken.extend(&blocks);
                blocks
            }
        };
        choose_subnets(estate, &inside, &declared, &blocks);
    }
}

/// The first /16 of 100.64.0.0/10 that no VPC has.
fn free(taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    let space = Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10);
    let is_free = |net: &Ipv4Net| !taken.iter().any(|other| other.contains(net) || net.contains(other));
    space.subnets(16).ok()?.find(is_free)
}

/// Private addresses that are stated for interfaces in a subnet.
fn stated_addresses(estate: &Estate, subnet: &str) -> Vec<Ipv4Addr> {
    let kinds = WITH_SUBNET.iter().filter_map(|kind| estate.resources.get(kind));
    let users = kinds.flatten().filter(|(_, map)| map.get("subnet").and_then(Value::as_str) == Some(subnet));
    let keys = ["private_ip", "private_ips", "secondary_private_ips"];
    users
        .flat_map(|(_, map)| keys.iter().flat_map(|key| names(map.get(*key))).collect::<Vec<_>>())
        .filter_map(|text| text.parse().ok())
        .collect()
}

fn choose_subnets(
    estate: &mut Estate,
    inside: &[(String, Option<Ipv4Net>)],
    declared: &[Ipv4Net],
    blocks: &[Ipv4Net],
) {
    let mut taken = declared.to_vec();
    let without: Vec<&String> = inside.iter().filter(|(_, block)| block.is_none()).map(|(name, _)| name).collect();
    for (position, name) in without.into_iter().enumerate() {
        let stated = stated_addresses(estate, name);
        let around = |prefix: u8| {
            let first = stated.first().and_then(|first| Ipv4Net::new(*first, prefix).ok())?.trunc();
            let fits = stated.iter().all(|address| first.contains(address))
                && blocks.iter().any(|block| block.contains(&first))
                && !taken.iter().any(|other| other.contains(&first) || first.contains(other));
            fits.then_some(first)
        };
        let chosen = if stated.is_empty() {
            (24..=28).find_map(|prefix| {
                blocks.iter().rev().find_map(|block| {
                    let nets: Vec<_> = block.subnets(prefix.max(block.prefix_len())).ok()?.collect();
                    // From the end, as templates begin at the start.
                    nets.into_iter()
                        .rev()
                        .find(|net| !taken.iter().any(|other| other.contains(net) || net.contains(other)))
                })
            })
        } else {
            (16..=28).rev().find_map(around)
        };
        let Some(chosen) = chosen else { continue };
        taken.push(chosen);
        let zone = ZONES[position % ZONES.len()];
        let region = region_of(estate, name);
        if let Some(map) = estate.resources.get_mut("subnets").and_then(|all| all.get_mut(name)) {
            map.insert("cidr_block".to_owned(), json!(chosen.to_string()));
            map.entry("availability_zone").or_insert(json!(format!("{region}{zone}")));
        }
    }
}

/// The region of a subnet's VPC.
fn region_of(estate: &Estate, subnet: &str) -> String {
    let vpc = estate.resources.get("subnets").and_then(|all| all.get(subnet)?.get("vpc")?.as_str());
    let region = vpc.and_then(|vpc| estate.resources.get("vpcs")?.get(vpc)?.get("region")?.as_str());
    region.unwrap_or("us-east-1").to_owned()
}

/// The references that a stand-in needs, to stand-ins of their own where need be.
fn fill(estate: &mut Estate, made: &BTreeSet<Key>) {
    let by = Address { source: String::new(), address: "stand-ins".to_owned() };
    let first_subnet = |estate: &Estate| {
        let of = |map: &Map<String, Value>| map.contains_key("cidr_block");
        let all = estate.resources.get("subnets")?;
        all.iter().find(|(_, map)| of(map)).map(|(name, _)| name.clone())
    };
    for (kind, name) in made {
        let needs_subnet = WITH_SUBNET.contains(kind);
        let map = estate.resources.get(kind).and_then(|all| all.get(name)).cloned().unwrap_or_default();
        let mut written = Map::new();
        if needs_subnet && !map.contains_key("subnet") {
            written.extend(first_subnet(estate).map(|subnet| ("subnet".to_owned(), json!(subnet))));
        }
        if matches!(*kind, "load_balancers" | "network_firewalls") && !map.contains_key("subnets") {
            written.extend(first_subnet(estate).map(|subnet| ("subnets".to_owned(), json!([subnet]))));
        }
        let _ = (&by, kind_of(estate, kind));
        if let Some(own) = estate.resources.get_mut(kind).and_then(|all| all.get_mut(name)) {
            own.extend(written);
        }
    }
}
