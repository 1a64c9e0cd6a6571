//! What stands in for what no source holds?
//!
//! A stand-in is a resource with whatever the model needs to accept it, and `not_modelled`: everything about it is
//! unknown. Its VPC is that of the resources that it is used with; where they have none either, one is made up for all
//! of them.

mod blocks;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use self::blocks::{choose_blocks, choose_ipv6_blocks};
use crate::estate::{Address, Estate, Key, WITHOUT_DOUBT, becomes};

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
/// What a subnet that is made up for stand-ins is called.
const SUBNET: &str = "stand-in-subnet";
/// What a transit gateway that is made up for stand-ins is called.
const GATEWAY: &str = "stand-in-transit-gateway";

/// The beginnings of a stand-in: [`complete`] adds what depends on the others. Nothing where the kind has none.
pub(crate) fn begin(kind: &str, why: &str) -> Option<Map<String, Value>> {
    let mut attributes = match kind {
        // Rules that others add to it hold; that it has none of its own, nobody says.
        "security_groups" => json!({ "ingress": [], "egress": [] }),
        "network_acls"
        | "route_tables"
        | "subnets"
        | "vpcs"
        | "instances"
        | "network_interfaces"
        | "internet_gateways"
        | "vpn_gateways"
        | "egress_only_internet_gateways"
        | "transit_gateways"
        | "transit_gateway_vpc_attachments"
        | "transit_gateway_route_tables"
        | "vpc_peering_connections"
        | "eips"
        | "load_balancers"
        | "network_firewalls"
        | "client_vpn_endpoints"
        | "carrier_gateways"
        | "core_networks"
        | "local_gateways"
        | "odb_networks"
        | "target_groups"
        | "transit_gateway_multicast_domains" => json!({}),
        "nat_gateways" => json!({ "connectivity_type": "private" }),
        "customer_gateways" => json!({}),
        "managed_prefix_lists" => json!({ "address_family": "IPv4", "max_entries": 1 }),
        "vpc_endpoints" => json!({ "vpc_endpoint_type": "GatewayLoadBalancer" }),
        _ => return None,
    };
    if !WITHOUT_DOUBT.contains(&kind) {
        attributes["not_modelled"] = json!(why);
    }
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
    fill(estate, made, &together);
    join_others(estate, made);
    choose_blocks(estate);
    choose_ipv6_blocks(estate, made);
    open_to_the_internet(estate, made);
}

fn names(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(items)) => {
            items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        }
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

/// The subnet that a stand-in needs: any of its VPC, or one that is made up.
fn fill(estate: &mut Estate, made: &BTreeSet<Key>, together: &Together) {
    for (kind, name) in made {
        let map = estate.resources.get(kind).and_then(|all| all.get(name)).cloned().unwrap_or_default();
        let (attribute, many) = match *kind {
            _ if WITH_SUBNET.contains(kind) => ("subnet", false),
            "load_balancers" | "network_firewalls" | "transit_gateway_vpc_attachments" => ("subnets", true),
            "security_groups" if name.starts_with("sg-") => {
                // A group cannot be called like an id.
                if let Some(map) = estate.resources.get_mut(kind).and_then(|all| all.get_mut(name)) {
                    map.insert("name".to_owned(), json!(format!("stand-in for {name}")));
                }
                continue;
            }
            _ => continue,
        };
        if map.contains_key(attribute) {
            continue;
        }
        let of_users = together.vpc(&(kind, name.clone()));
        let of_users =
            of_users.filter(|vpc| estate.resources.get("vpcs").is_some_and(|all| all.contains_key(vpc)));
        let mut subnets = estate.resources.get("subnets").into_iter().flatten();
        let first = subnets.next().map(|(name, map)| {
            (name.clone(), map.get("vpc").and_then(Value::as_str).unwrap_or_default().to_owned())
        });
        let (subnet, vpc) = match (of_users, first) {
            (Some(vpc), _) => (subnet_of(estate, &vpc), vpc),
            (None, Some(found)) => found,
            (None, None) => {
                let vpc = estate.resources.get("vpcs").and_then(|all| all.keys().next().cloned());
                let vpc = vpc.unwrap_or_else(|| {
                    made_up_vpc(estate);
                    VPC.to_owned()
                });
                let by = Address { source: String::new(), address: "stand-ins".to_owned() };
                let mut attributes =
                    begin("subnets", "the subnet of a stand-in is not known").unwrap_or_default();
                attributes.insert("vpc".to_owned(), json!(vpc));
                estate.put("subnets", SUBNET, attributes, &by);
                estate.report.made.push(becomes(&("subnets", SUBNET.to_owned())));
                (SUBNET.to_owned(), vpc)
            }
        };
        if let Some(own) = estate.resources.get_mut(kind).and_then(|all| all.get_mut(name)) {
            own.insert(attribute.to_owned(), if many { json!([subnet]) } else { json!(subnet) });
            if *kind == "transit_gateway_vpc_attachments" {
                own.insert("vpc".to_owned(), json!(vpc));
            }
        }
    }
}

/// The VPCs of tables with a route to this, each once.
fn vpcs_with_routes(estate: &Estate, target: &str, name: &str) -> BTreeSet<String> {
    let tables = estate.resources.get("route_tables").into_iter().flatten();
    let leads = |map: &Map<String, Value>| {
        let mut routes = map.get("routes").and_then(Value::as_array).into_iter().flatten();
        routes.any(|route| route.get(target).and_then(Value::as_str) == Some(name))
    };
    tables
        .filter(|(_, map)| leads(map))
        .filter_map(|(table, map)| {
            let stated = map.get("vpc").and_then(Value::as_str).map(str::to_owned);
            stated.or_else(|| table.strip_suffix("/main").map(str::to_owned))
        })
        .collect()
}

/// A stand-in of a kind, for other stand-ins.
fn make(estate: &mut Estate, kind: &'static str, name: &str, attributes: Value) {
    if estate.resources.get(kind).is_some_and(|all| all.contains_key(name)) {
        return;
    }
    let by = Address { source: String::new(), address: "stand-ins".to_owned() };
    let mut map = begin(kind, "what stand-ins need is not known").unwrap_or_default();
    map.extend(attributes.as_object().cloned().unwrap_or_default());
    estate.put(kind, name, map, &by);
    estate.report.made.push(becomes(&(kind, name.to_owned())));
}

/// A subnet of a VPC: one that there is, else one that is made up.
fn subnet_of(estate: &mut Estate, vpc: &str) -> String {
    let subnets = estate.resources.get("subnets").into_iter().flatten();
    let found = subnets.filter(|(_, map)| map.get("vpc").and_then(Value::as_str) == Some(vpc));
    if let Some((name, _)) = found.into_iter().next() {
        return name.clone();
    }
    let name = format!("{vpc}-subnet");
    make(estate, "subnets", &name, json!({ "vpc": vpc }));
    name
}

/// What joins VPCs has two ends, of which a source names one at most.
fn join_others(estate: &mut Estate, made: &BTreeSet<Key>) {
    let of = |kind: &str| -> Vec<String> {
        made.iter().filter(|key| key.0 == kind).map(|key| key.1.clone()).collect()
    };
    for name in of("vpc_peering_connections") {
        let mut users = vpcs_with_routes(estate, "vpc_peering_connection", &name).into_iter();
        let (vpc, peer) = (format!("{name}-vpc"), format!("{name}-peer"));
        let ends = [users.next().unwrap_or(vpc), users.next().unwrap_or(peer)];
        ends.iter().for_each(|vpc| make(estate, "vpcs", vpc, json!({})));
        if let Some(map) =
            estate.resources.get_mut("vpc_peering_connections").and_then(|all| all.get_mut(&name))
        {
            let [vpc, peer] = ends;
            map.entry("vpc").or_insert(json!(vpc));
            map.entry("peer_vpc").or_insert(json!(peer));
        }
    }
    let members = ["transit_gateway_route_tables", "transit_gateway_vpc_attachments"];
    for (kind, name) in made.iter().filter(|key| members.contains(&key.0)) {
        let first = estate.resources.get("transit_gateways").and_then(|all| all.keys().next().cloned());
        let gateway = first.unwrap_or_else(|| {
            make(estate, "transit_gateways", GATEWAY, json!({}));
            GATEWAY.to_owned()
        });
        if let Some(map) = estate.resources.get_mut(kind).and_then(|all| all.get_mut(name)) {
            map.entry("transit_gateway").or_insert(json!(gateway));
        }
    }
    for gateway in of("transit_gateways") {
        for vpc in vpcs_with_routes(estate, "transit_gateway", &gateway) {
            let attachments = estate.resources.get("transit_gateway_vpc_attachments").into_iter().flatten();
            let mut attachments = attachments.map(|(_, map)| map);
            if attachments.any(|map| {
                map.get("vpc") == Some(&json!(vpc)) && map.get("transit_gateway") == Some(&json!(gateway))
            }) {
                continue;
            }
            let subnet = subnet_of(estate, &vpc);
            let attributes = json!({ "transit_gateway": gateway, "vpc": vpc, "subnets": [subnet] });
            make(estate, "transit_gateway_vpc_attachments", &format!("{gateway}-{vpc}"), attributes);
        }
    }
}

/// An internet gateway for each VPC that is a stand-in and has none: elastic addresses inside need one.
fn open_to_the_internet(estate: &mut Estate, made: &BTreeSet<Key>) {
    let by = Address { source: String::new(), address: "stand-ins".to_owned() };
    let attached: BTreeSet<String> = estate
        .resources
        .get("internet_gateways")
        .into_iter()
        .flatten()
        .filter_map(|(_, map)| map.get("vpc")?.as_str().map(str::to_owned))
        .collect();
    let is_stand_in = |vpc: &&String| made.contains(&("vpcs", (*vpc).clone())) || *vpc == VPC;
    let vpcs = estate.resources.get("vpcs").into_iter().flat_map(|all| all.keys());
    let without: Vec<String> =
        vpcs.filter(is_stand_in).filter(|vpc| !attached.contains(*vpc)).cloned().collect();
    for vpc in without {
        let name = format!("{vpc}-igw");
        let mut attributes =
            begin("internet_gateways", "whether the VPC has one is not known").unwrap_or_default();
        attributes.insert("vpc".to_owned(), json!(vpc));
        estate.put("internet_gateways", &name, attributes, &by);
        estate.report.made.push(becomes(&("internet_gateways", name)));
    }
}
