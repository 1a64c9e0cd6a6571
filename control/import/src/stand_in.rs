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
/// What a subnet that is made up for stand-ins is called.
const SUBNET: &str = "stand-in-subnet";
const ZONES: [char; 6] = ['a', 'b', 'c', 'd', 'e', 'f'];

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
    fill(estate, made);
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

fn block(map: &Map<String, Value>) -> Option<Ipv4Net> {
    map.get("cidr_block")?.as_str()?.parse().ok()
}

/// Blocks for VPCs without one, that hold the subnets declared in them; and for subnets without one.
fn choose_blocks(estate: &mut Estate) {
    let mut taken: Vec<Ipv4Net> =
        estate.resources.get("vpcs").into_iter().flatten().filter_map(|(_, map)| block(map)).collect();
    let vpcs: Vec<String> =
        estate.resources.get("vpcs").into_iter().flat_map(|all| all.keys().cloned()).collect();
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
                let wide =
                    |address: Ipv4Addr, most: u8| Ipv4Net::new(address, most.min(16)).map(|net| net.trunc());
                let all = declared.iter().map(|net| (net.network(), net.prefix_len()));
                let mut blocks: BTreeSet<Ipv4Net> = all
                    .chain(stated.map(|address| (address, 16)))
                    .filter_map(|(a, p)| wide(a, p.max(16)).ok())
                    .collect();
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

/// Takes stated private addresses away from what is in a subnet.
fn forget_addresses(estate: &mut Estate, subnet: &str) {
    for kind in WITH_SUBNET {
        for map in estate.resources.get_mut(kind).into_iter().flat_map(|all| all.values_mut()) {
            if map.get("subnet").and_then(Value::as_str) == Some(subnet) {
                map.retain(|key, _| {
                    !["private_ip", "private_ips", "secondary_private_ips"].contains(&key.as_str())
                });
            }
        }
    }
}

fn choose_subnets(
    estate: &mut Estate,
    inside: &[(String, Option<Ipv4Net>)],
    declared: &[Ipv4Net],
    blocks: &[Ipv4Net],
) {
    let mut taken = declared.to_vec();
    let classes = same_zone(estate);
    let mut zones: BTreeMap<String, String> = BTreeMap::new();
    for (name, class) in &classes {
        let zone =
            estate.resources.get("subnets").and_then(|all| all.get(name)?.get("availability_zone")?.as_str());
        zones.extend(zone.map(|zone| (class.clone(), zone.to_owned())));
    }
    let mut next = 0;
    let without: Vec<&String> =
        inside.iter().filter(|(_, block)| block.is_none()).map(|(name, _)| name).collect();
    for name in without {
        let stated = stated_addresses(estate, name);
        let around = |prefix: u8| {
            let first = stated.first().and_then(|first| Ipv4Net::new(*first, prefix).ok())?.trunc();
            let is_free = |address: &Ipv4Addr| {
                // AWS keeps the first four and the last.
                let offset = u32::from(*address) - u32::from(first.network());
                offset >= 4 && *address != first.broadcast()
            };
            let fits = stated.iter().all(|address| first.contains(address) && is_free(address))
                && blocks.iter().any(|block| block.contains(&first))
                && !taken.iter().any(|other| other.contains(&first) || first.contains(other));
            fits.then_some(first)
        };
        let anywhere = |taken: &[Ipv4Net]| {
            (24..=28).find_map(|prefix| {
                blocks.iter().rev().find_map(|block| {
                    let nets: Vec<_> = block.subnets(prefix.max(block.prefix_len())).ok()?.collect();
                    // From the end, as templates begin at the start.
                    nets.into_iter()
                        .rev()
                        .find(|net| !taken.iter().any(|other| other.contains(net) || net.contains(other)))
                })
            })
        };
        let chosen = if stated.is_empty() { None } else { (16..=28).rev().find_map(around) };
        if chosen.is_none() && !stated.is_empty() {
            // What is stated lies where another subnet is: the addresses are as unknown as the subnet.
            forget_addresses(estate, name);
        }
        let Some(chosen) = chosen.or_else(|| anywhere(&taken)) else { continue };
        taken.push(chosen);
        let class = classes.get(name).unwrap_or(name).clone();
        let region = region_of(estate, name);
        let zone = zones.entry(class).or_insert_with(|| {
            next += 1;
            format!("{region}{}", ZONES.get((next - 1) % ZONES.len()).unwrap_or(&'a'))
        });
        if let Some(map) = estate.resources.get_mut("subnets").and_then(|all| all.get_mut(name)) {
            map.insert("cidr_block".to_owned(), json!(chosen.to_string()));
            map.entry("availability_zone").or_insert(json!(zone));
        }
    }
}

/// The region of a subnet's VPC.
fn region_of(estate: &Estate, subnet: &str) -> String {
    let vpc = estate.resources.get("subnets").and_then(|all| all.get(subnet)?.get("vpc")?.as_str());
    let region = vpc.and_then(|vpc| estate.resources.get("vpcs")?.get(vpc)?.get("region")?.as_str());
    region.unwrap_or("us-east-1").to_owned()
}

/// IPv6 blocks of stand-ins: whether they have some is as unknown as all else, and what is used with them may need one.
fn choose_ipv6_blocks(estate: &mut Estate, made: &BTreeSet<Key>) {
    let is_stand_in = |kind: &'static str, name: &str| made.contains(&(kind, name.to_owned()));
    let vpcs = estate.resources.get("vpcs").into_iter().flatten();
    let without = vpcs.filter(|(name, map)| {
        (is_stand_in("vpcs", name) || *name == VPC) && !map.contains_key("ipv6_cidr_blocks")
    });
    let without: Vec<String> = without.map(|(name, _)| name.clone()).collect();
    for (position, vpc) in without.into_iter().enumerate() {
        let subnets: Vec<String> = estate
            .resources
            .get("subnets")
            .into_iter()
            .flatten()
            .filter(|(_, map)| map.get("vpc").and_then(Value::as_str) == Some(&vpc))
            .map(|(name, _)| name.clone())
            .collect();
        if let Some(map) = estate.resources.get_mut("vpcs").and_then(|all| all.get_mut(&vpc)) {
            map.insert("ipv6_cidr_blocks".to_owned(), json!([format!("2001:db8:ff{position:02x}::/56")]));
        }
        for (number, subnet) in subnets.into_iter().take(256).enumerate() {
            if !is_stand_in("subnets", &subnet) && subnet != SUBNET {
                continue;
            }
            if let Some(map) = estate.resources.get_mut("subnets").and_then(|all| all.get_mut(&subnet)) {
                let block = format!("2001:db8:ff{position:02x}:{number:x}::/64");
                map.entry("ipv6_cidr_block").or_insert(json!(block));
            }
        }
    }
}

/// The subnet that a stand-in needs: any of its VPC, or one that is made up.
fn fill(estate: &mut Estate, made: &BTreeSet<Key>) {
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
        let subnets = estate.resources.get("subnets");
        let first = subnets.and_then(|all| all.iter().next()).map(|(name, map)| {
            (name.clone(), map.get("vpc").and_then(Value::as_str).unwrap_or_default().to_owned())
        });
        let (subnet, vpc) = match first {
            Some(found) => found,
            None => {
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

/// Subnets that have to be in one zone: those of the interfaces of one instance.
fn same_zone(estate: &Estate) -> BTreeMap<String, String> {
    let mut roots: BTreeMap<String, String> = BTreeMap::new();
    let root = |roots: &BTreeMap<String, String>, name: &str| {
        let mut name = name.to_owned();
        while let Some(next) = roots.get(&name) {
            name.clone_from(next);
        }
        name
    };
    let subnet = |map: &Map<String, Value>| map.get("subnet").and_then(Value::as_str).map(str::to_owned);
    let mut of_instance: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let interfaces = estate.resources.get("network_interfaces");
    for (name, map) in estate.resources.get("instances").into_iter().flatten() {
        let own = of_instance.entry(name.clone()).or_default();
        own.extend(subnet(map));
        for attached in map.get("network_interfaces").and_then(Value::as_array).into_iter().flatten() {
            let interface = attached.get("network_interface").and_then(Value::as_str);
            own.extend(interface.and_then(|name| subnet(interfaces?.get(name)?)));
        }
    }
    for (_, map) in interfaces.into_iter().flatten() {
        let instance = map.get("attachment").and_then(|attachment| attachment.get("instance")?.as_str());
        if let (Some(instance), Some(subnet)) = (instance, subnet(map)) {
            of_instance.entry(instance.to_owned()).or_default().push(subnet);
        }
    }
    for subnets in of_instance.values() {
        let Some(first) = subnets.first() else { continue };
        for other in subnets {
            let (one, other) = (root(&roots, first), root(&roots, other));
            if one != other {
                roots.insert(other, one);
            }
        }
    }
    let names: BTreeSet<&String> = of_instance.values().flatten().collect();
    names.into_iter().map(|name| (name.clone(), root(&roots, name))).collect()
}
