//! Prefix lists, route tables of gateways, and instances that do not run, put into a generated network.

use serde_json::{Value, json};

use super::Rng;
use crate::harness::topology;

/// Makes `document` richer by some of them; what AWS would refuse is left out again.
pub(super) fn enrich(rng: &mut Rng, document: &mut Value) {
    let attempts: [fn(&mut Rng, &mut Value) -> Option<()>; 6] =
        [lists, list_routes, list_rules, edge_tables, pool, stopped];
    for attempt in attempts {
        let mut richer = document.clone();
        if attempt(rng, &mut richer).is_some() && topology(&richer, None).is_ok() {
            *document = richer;
        }
    }
}

fn names(document: &Value, kind: &str) -> Vec<String> {
    document[kind].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default()
}

/// One of `all`, if there is any.
fn one<'a>(rng: &mut Rng, all: &'a [String]) -> Option<&'a String> {
    all.get(rng.below(all.len()))
}

/// Two lists of IPv4 that overlap, and one of IPv6.
fn lists(rng: &mut Rng, document: &mut Value) -> Option<()> {
    const BLOCKS: [&str; 6] =
        ["198.51.100.0/24", "198.51.100.0/25", "192.0.2.0/24", "203.0.113.0/24", "0.0.0.0/0", "10.0.0.0/8"];
    for list in ["near", "far"] {
        let entries: Vec<Value> =
            BLOCKS.iter().filter(|_| rng.chance(35)).map(|block| json!({ "cidr": block })).collect();
        document["managed_prefix_lists"][list] =
            json!({ "address_family": "IPv4", "max_entries": 10, "entries": entries });
    }
    document["managed_prefix_lists"]["six"] = json!({ "address_family": "IPv6", "max_entries": 10,
        "entries": [{ "cidr": "2001:db8:ffff::/48" }] });
    Some(())
}

fn list_routes(rng: &mut Rng, document: &mut Value) -> Option<()> {
    for name in names(document, "route_tables") {
        let vpc = document["route_tables"][&name]["vpc"].as_str()?.to_owned();
        let own: Vec<String> = names(document, "instances")
            .into_iter()
            .filter(|instance| instance.starts_with(&format!("{vpc}-")))
            .collect();
        for list in ["near", "far", "six"] {
            if rng.chance(30) {
                let mut route = json!({ "destination_prefix_list": list });
                let gateway = vpc.replacen('v', "g", 1);
                if rng.chance(50) && !document["internet_gateways"][&gateway].is_null() {
                    route["gateway"] = json!(gateway);
                } else {
                    route["network_interface"] = json!(one(rng, &own)?);
                }
                document["route_tables"][&name]["routes"].as_array_mut()?.push(route);
            }
        }
    }
    Some(())
}

fn list_rules(rng: &mut Rng, document: &mut Value) -> Option<()> {
    for name in names(document, "security_groups") {
        if rng.chance(40) {
            let list = *rng.pick(&["near", "far", "six"]);
            let protocol = *rng.pick(&["-1", "icmp", "47"]);
            let mut rule = json!({ "protocol": protocol, "prefix_lists": [list] });
            if protocol == "icmp" {
                (rule["from_port"], rule["to_port"]) = (json!(-1), json!(-1));
            }
            document["security_groups"][&name]["ingress"].as_array_mut()?.push(rule);
        }
    }
    Some(())
}

/// The table of an internet gateway: whole subnets or whole VPCs by way of some interface.
fn edge_tables(rng: &mut Rng, document: &mut Value) -> Option<()> {
    for gateway in names(document, "internet_gateways") {
        if !rng.chance(45) {
            continue;
        }
        let vpc = gateway.replacen('g', "v", 1);
        let of_vpc = |kind: &str| -> Vec<String> {
            let all = names(document, kind);
            all.into_iter().filter(|name| name.starts_with(&format!("{vpc}-"))).collect()
        };
        let (subnets, instances) = (of_vpc("subnets"), of_vpc("instances"));
        let mut routes = Vec::new();
        for subnet in &subnets {
            for family in ["cidr_block", "ipv6_cidr_block"] {
                let block = document["subnets"][subnet][family].clone();
                if !block.is_null() && rng.chance(40) {
                    routes.push(json!({ family: block, "network_interface": one(rng, &instances)? }));
                }
            }
        }
        if rng.chance(20) {
            let block = document["vpcs"][&vpc]["cidr_block"].clone();
            routes.push(json!({ "cidr_block": block, "network_interface": one(rng, &instances)? }));
        }
        document["route_tables"][format!("{gateway}-edge")] =
            json!({ "vpc": vpc, "gateways": [gateway], "routes": routes });
    }
    Some(())
}

/// A pool of one VPC's own, part of which leads to an interface.
fn pool(rng: &mut Rng, document: &mut Value) -> Option<()> {
    let edges: Vec<String> =
        names(document, "route_tables").into_iter().filter(|name| name.ends_with("-edge")).collect();
    let table = one(rng, &edges)?;
    let vpc = document["route_tables"][table]["vpc"].as_str()?.to_owned();
    let own: Vec<String> = names(document, "instances")
        .into_iter()
        .filter(|name| name.starts_with(&format!("{vpc}-")))
        .collect();
    let target = one(rng, &own)?.clone();
    document["instances"][&target]["source_dest_check"] = json!(false);
    let edge = &mut document["route_tables"][table];
    edge["public_ipv4_pools"] = json!([super::POOL]);
    edge["routes"].as_array_mut()?.push(json!({ "cidr_block": super::ROUTED_PART_OF_POOL,
        "network_interface": target }));
    Some(())
}

fn stopped(rng: &mut Rng, document: &mut Value) -> Option<()> {
    for name in names(document, "instances") {
        if rng.chance(7) {
            document["instances"][&name]["state"] = json!("stopped");
        }
        if rng.chance(10) {
            document["instances"][&name]["forwards"] = json!("none");
        }
    }
    document["settings"]["stopped_instance_blackhole"] = json!(rng.chance(60));
    Some(())
}
