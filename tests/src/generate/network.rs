//! Which networks are worth a look?
//!
//! They are small and dense: few addresses, few ports, so that rules, routes and packets meet.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::filters::{acl, group, open};
use super::tables::{Around, route_table};
use super::{Rng, endpoint, private, routing, transit};

/// The resources of one kind by name.
type Kind = Map<String, Value>;

/// What every generated network can have, by the keys of a document.
#[derive(Default, Serialize)]
struct Resources {
    vpcs: Kind,
    subnets: Kind,
    route_tables: Kind,
    network_acls: Kind,
    security_groups: Kind,
    network_interfaces: Kind,
    instances: Kind,
    eips: Kind,
    internet_gateways: Kind,
    egress_only_internet_gateways: Kind,
    nat_gateways: Kind,
    vpc_peering_connections: Kind,
    internet_hosts: Kind,
}

/// A document that declares a valid network.
pub fn network(rng: &mut Rng) -> Value {
    let mut made = Resources::default();
    let amount = *rng.pick(&[1, 2, 2, 3, 3]);
    // Where filters let most through, packets come far.
    let is_open = rng.chance(65);
    // Alike on purpose, now and then: address spaces overlap.
    let seconds: Vec<usize> = (0..amount).map(|v| if rng.chance(60) { v } else { 0 }).collect();
    let peered = peerings_among(rng, &seconds, &mut made.vpc_peering_connections);
    // The last one is elsewhere, now and then.
    let far = (amount > 1 && rng.chance(35)).then_some(amount - 1);
    for (v, second) in seconds.iter().enumerate() {
        let ipv6 = rng.chance(70);
        let net = format!("10.{second}");
        let mut vpc = json!({ "cidr_block": format!("{net}.0.0/16") });
        let elsewhere = far == Some(v);
        if elsewhere {
            vpc["region"] = json!("eu-west-1");
        }
        let region = if elsewhere { "eu-west-1" } else { "us-east-1" };
        if ipv6 {
            vpc["ipv6_cidr_block"] = json!(format!("2001:db8:{}::/56", v + 1));
        }
        made.vpcs.insert(format!("v{v}"), vpc);
        let gateway = rng.chance(85);
        if gateway {
            made.internet_gateways.insert(format!("g{v}"), json!({ "vpc": format!("v{v}") }));
        }
        let outbound_only = ipv6 && rng.chance(45);
        if outbound_only {
            made.egress_only_internet_gateways.insert(format!("e{v}"), json!({ "vpc": format!("v{v}") }));
        }
        let group_names: Vec<String> = (0..2 + rng.below(2)).map(|g| format!("v{v}-group{g}")).collect();
        // Every VPC has these, also one that comes later.
        let ends = peered.iter().filter_map(|(_, [(a, _), (b, _)])| match v {
            v if v == *a => Some(b),
            v if v == *b => Some(a),
            _ => None,
        });
        let near = ends.filter(|other| (Some(**other) == far) == elsewhere);
        let peers: Vec<String> = near.map(|other| format!("v{other}-group0")).collect();
        for name in &group_names {
            let known: Vec<String> = group_names.iter().chain(&peers).cloned().collect();
            let mut rules = group(rng, v, &known, ipv6);
            if is_open {
                open(&mut rules);
            }
            made.security_groups.insert(name.clone(), rules);
        }
        let mut names = Vec::new();
        for s in 1..=1 + rng.below(3) {
            let subnet_name = format!("v{v}-s{s}");
            let zone = format!("{region}{}", if rng.chance(70) { "a" } else { "b" });
            let mut subnet = json!({ "vpc": format!("v{v}"), "cidr_block": format!("{net}.{s}.0/24"), "availability_zone": zone });
            if ipv6 {
                subnet["ipv6_cidr_block"] = json!(format!("2001:db8:{}:{s}::/64", v + 1));
            }
            if rng.chance(if is_open { 10 } else { 45 }) {
                made.network_acls.insert(format!("{subnet_name}-acl"), acl(rng, v));
                subnet["network_acl"] = json!(format!("{subnet_name}-acl"));
            }
            made.subnets.insert(subnet_name.clone(), subnet);
            for i in 0..1 + rng.below(2) {
                let name = format!("v{v}-s{s}-i{i}");
                let mut instance = json!({
                    "subnet": subnet_name,
                    "private_ip": format!("{net}.{s}.{}", 10 + i),
                    "source_dest_check": rng.chance(70),
                    "security_groups": some_of(rng, &group_names),
                });
                if rng.chance(25) {
                    instance["secondary_private_ips"] = json!([format!("{net}.{s}.{}", 20 + i)]);
                }
                if ipv6 && rng.chance(75) {
                    instance["ipv6_addresses"] = json!([format!("2001:db8:{}:{s}::{}", v + 1, 10 + i)]);
                }
                if rng.chance(15) {
                    instance["ipv4_prefixes"] = json!([format!("{net}.{s}.{}/28", 64 + 16 * i)]);
                    if ipv6 {
                        instance["ipv6_prefixes"] = json!([format!("2001:db8:{}:{s}:{}::/80", v + 1, i + 1)]);
                    }
                }
                match rng.below(4) {
                    0 | 1 => instance["associate_public_ip_address"] = json!(true),
                    2 if gateway => {
                        let mut eip = json!({ "network_interface": name, "region": region });
                        if !instance["secondary_private_ips"].is_null() && rng.chance(50) {
                            eip["associate_with_private_ip"] = json!(format!("{net}.{s}.{}", 20 + i));
                        }
                        made.eips.insert(format!("{name}-eip"), eip);
                    }
                    _ => {}
                }
                made.instances.insert(name.clone(), instance);
                names.push(name);
            }
        }
        // Attached nowhere: what leads there is a black hole.
        made.network_interfaces.insert(
            format!("v{v}-spare"),
            json!({ "subnet": format!("v{v}-s1"), "private_ip": format!("{net}.1.30"), "security_groups": [group_names[0]] }),
        );
        names.push(format!("v{v}-spare"));
        if gateway && rng.chance(30) {
            made.eips.insert(
                format!("v{v}-spare-eip"),
                json!({ "network_interface": format!("v{v}-spare"), "region": region }),
            );
        }
        if rng.chance(30) {
            made.eips.insert(format!("v{v}-idle-eip"), json!({ "region": region }));
        }
        let subnet_names: Vec<String> =
            made.subnets.keys().filter(|name| name.starts_with(&format!("v{v}-"))).cloned().collect();
        let nat_names = nat_gateways(rng, v, (&net, region), gateway, &subnet_names, &mut made);
        for name in &subnet_names {
            if rng.chance(80) {
                let table = format!("{name}-table");
                // A gateway that its own subnet leads to leads nowhere (NAT-27): seldom worth a look.
                let is_elsewhere = |nat: &&String| made.nat_gateways[*nat]["subnet"] != **name;
                let elsewhere: Vec<String> = nat_names.iter().filter(is_elsewhere).cloned().collect();
                let around = Around {
                    nats: if rng.chance(85) { &elsewhere } else { &nat_names },
                    v,
                    net: &net,
                    gateway,
                    ipv6,
                    outbound_only,
                    interfaces: &names,
                    subnets: subnet_names.len(),
                    peered: &peered,
                };
                made.route_tables.insert(table.clone(), route_table(rng, &around));
                made.subnets[name]["route_table"] = json!(table);
            }
        }
    }
    made.internet_hosts
        .insert("client".into(), json!({ "address": "198.51.100.7", "ipv6_address": "2001:db8:ffff::7" }));
    made.internet_hosts
        .insert("other".into(), json!({ "address": "192.0.2.9", "ipv6_address": "2001:db8:ffff::9" }));
    let settings = json!({
        "mid_stream_tcp": if rng.chance(30) { "drop" } else { "track" },
        "network_acl_within_subnet_via_router": rng.chance(30),
        "inter_region_peering_mtu": if rng.chance(50) { 1500 } else { 8500 },
        "outbound_smtp": if rng.chance(50) { "blocked" } else { "allowed" },
    });
    let mut document = serde_json::to_value(made).unwrap();
    document["settings"] = settings;
    routing::enrich(rng, &mut document);
    transit::enrich(rng, &mut document);
    private::enrich(rng, &mut document);
    endpoint::enrich(rng, &mut document);
    document
}

fn some_of(rng: &mut Rng, names: &[String]) -> Vec<String> {
    let first = rng.pick(names).clone();
    let second = rng.pick(names).clone();
    if first == second || rng.chance(50) { vec![first] } else { vec![first, second] }
}

/// Connections between VPCs whose blocks begin with these second octets; each with the VPCs it joins and their blocks.
fn peerings_among(
    rng: &mut Rng,
    seconds: &[usize],
    peerings: &mut Kind,
) -> Vec<(String, [(usize, usize); 2])> {
    let mut made = Vec::new();
    for a in 0..seconds.len() {
        for b in a + 1..seconds.len() {
            if rng.chance(60) {
                let name = format!("p{a}{b}");
                let mut peering = json!({ "vpc": format!("v{a}"), "peer_vpc": format!("v{b}") });
                // Unaccepted it waits, and where blocks overlap it fails.
                if rng.chance(80) {
                    peering["state"] = json!("active");
                }
                peerings.insert(name.clone(), peering);
                made.push((name, [(a, seconds[a]), (b, seconds[b])]));
            }
        }
    }
    made
}

/// NAT gateways of a VPC, public ones with an elastic IP for each of their addresses.
fn nat_gateways(
    rng: &mut Rng,
    v: usize,
    (net, region): (&str, &str),
    gateway: bool,
    subnets: &[String],
    made: &mut Resources,
) -> Vec<String> {
    let mut names = Vec::new();
    for n in 0..rng.below(3) {
        let name = format!("n{v}{n}");
        let s = 1 + rng.below(subnets.len());
        let public = rng.chance(65);
        let mut nat =
            json!({ "subnet": format!("v{v}-s{s}"), "private_ip": format!("{net}.{s}.{}", 200 + n) });
        let second = rng.chance(30);
        if second {
            nat["secondary_private_ips"] = json!([format!("{net}.{s}.{}", 210 + n)]);
        }
        if public {
            made.eips.insert(format!("{name}-eip"), json!({ "region": region }));
            nat["allocation"] = json!(format!("{name}-eip"));
            if second {
                made.eips.insert(format!("{name}-eip2"), json!({ "region": region }));
                nat["secondary_allocations"] = json!([format!("{name}-eip2")]);
            }
        } else {
            nat["connectivity_type"] = json!("private");
        }
        // Without an internet gateway a public one fails.
        if gateway || !public || rng.chance(30) {
            made.nat_gateways.insert(name.clone(), nat);
            names.push(name);
        }
    }
    names
}
