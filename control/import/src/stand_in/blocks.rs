//! Which blocks and zones do stand-ins have?
//!
//! Those in which what is declared inside fits: subnets of a VPC that is not known, interfaces with stated addresses of a
//! subnet that is not known, interfaces of one instance, which are in one zone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Map, Value, json};

use super::{SUBNET, VPC, WITH_SUBNET, names};
use crate::estate::{Estate, Key};
use crate::source::DEFAULT_REGION;

const ZONES: [char; 6] = ['a', 'b', 'c', 'd', 'e', 'f'];

fn block(map: &Map<String, Value>) -> Option<Ipv4Net> {
    map.get("cidr_block")?.as_str()?.parse().ok()
}

/// Blocks for VPCs without one, that hold the subnets declared in them; and for subnets without one.
pub(super) fn choose_blocks(estate: &mut Estate) {
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
    const STATED: [&str; 3] = ["private_ip", "private_ips", "secondary_private_ips"];
    let mut holders: BTreeSet<String> = BTreeSet::new();
    for kind in WITH_SUBNET {
        for (name, map) in estate.resources.get_mut(kind).into_iter().flatten() {
            if map.get("subnet").and_then(Value::as_str) == Some(subnet) {
                map.retain(|key, _| !STATED.contains(&key.as_str()));
                holders.insert(name.clone());
            }
        }
    }
    for map in estate.resources.get_mut("eips").into_iter().flat_map(|all| all.values_mut()) {
        let of = |map: &Map<String, Value>, key: &str| {
            map.get(key).and_then(Value::as_str).is_some_and(|holder| holders.contains(holder))
        };
        if map.contains_key("associate_with_private_ip")
            && ["instance", "network_interface"].iter().any(|key| of(map, key))
        {
            // Two of them would be at one address: they are nobody's, as unknown as whose subnet it is.
            map.retain(|key, _| {
                !["instance", "network_interface", "associate_with_private_ip"].contains(&key.as_str())
            });
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
                let offset = u32::from(*address).saturating_sub(u32::from(first.network()));
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
    let usual = || crate::finish::region(estate).unwrap_or(DEFAULT_REGION);
    region.unwrap_or_else(usual).to_owned()
}

/// IPv6 blocks of stand-ins: whether they have some is as unknown as all else, and what is used with them may need one.
pub(super) fn choose_ipv6_blocks(estate: &mut Estate, made: &BTreeSet<Key>) {
    let is_stand_in = |kind: &'static str, name: &str| made.contains(&(kind, name.to_owned()));
    let vpcs = estate.resources.get("vpcs").into_iter().flatten();
    let without = vpcs.filter(|(name, map)| {
        (is_stand_in("vpcs", name) || *name == VPC) && !map.contains_key("ipv6_cidr_blocks")
    });
    let without: Vec<String> = without.map(|(name, _)| name.clone()).collect();
    for vpc in without {
        let block = estate.ipv6.choose();
        let subnets: Vec<String> = estate
            .resources
            .get("subnets")
            .into_iter()
            .flatten()
            .filter(|(_, map)| map.get("vpc").and_then(Value::as_str) == Some(&vpc))
            .map(|(name, _)| name.clone())
            .collect();
        if let Some(map) = estate.resources.get_mut("vpcs").and_then(|all| all.get_mut(&vpc)) {
            map.insert("ipv6_cidr_blocks".to_owned(), json!([block.to_string()]));
        }
        for (number, subnet) in subnets.into_iter().take(256).enumerate() {
            if !is_stand_in("subnets", &subnet) && subnet != SUBNET {
                continue;
            }
            if let Some(map) = estate.resources.get_mut("subnets").and_then(|all| all.get_mut(&subnet)) {
                let inner = block.subnets(64).ok().and_then(|mut all| all.nth(number));
                if let Some(inner) = inner {
                    map.entry("ipv6_cidr_block").or_insert(json!(inner.to_string()));
                }
            }
        }
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
