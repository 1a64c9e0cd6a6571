//! Which transit gateways join the generated VPCs?

use serde_json::{Map, Value, json};

use super::Rng;
use crate::harness::topology;

/// Joins the VPCs of a document by a transit gateway, in one of many ways.
pub(super) fn enrich(rng: &mut Rng, document: &mut Value) {
    if rng.chance(20) {
        return;
    }
    for _ in 0..4 {
        let mut richer = document.clone();
        join_vpcs(rng, &mut richer);
        // What was thought up may be no network, as when a subnet has no room for an interface.
        if topology(&richer, None).is_ok() {
            *document = richer;
            return;
        }
    }
}

fn join_vpcs(rng: &mut Rng, document: &mut Value) {
    let switch = |rng: &mut Rng, percent| if rng.chance(percent) { "enable" } else { "disable" };
    document["transit_gateways"] = json!({ "hub": {
        "default_route_table_association": switch(rng, 85), "default_route_table_propagation": switch(rng, 85),
        "security_group_referencing_support": switch(rng, 50),
    } });
    let vpcs: Vec<String> =
        document["vpcs"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let mut attached = Vec::new();
    for vpc in &vpcs {
        // A gateway joins VPCs of its own Region.
        let is_near = document["vpcs"][vpc]["region"].is_null();
        if rng.chance(95) {
            attach(rng, document, vpc, if is_near { "hub" } else { "far-hub" });
            if is_near {
                attached.push(vpc.clone());
            } else {
                join(rng, document, vpc, &vpcs);
            }
        }
    }
    route_to_hub(rng, document, &attached, "hub");
    if rng.chance(50) && !attached.is_empty() {
        let some =
            |rng: &mut Rng| -> Vec<String> { attached.iter().filter(|_| rng.chance(55)).cloned().collect() };
        let (associations, propagations) = (some(rng), some(rng));
        let mut routes =
            vec![json!({ "destination_cidr_block": "0.0.0.0/0", "attachment": rng.pick(&attached) })];
        if rng.chance(50) {
            let block = format!("10.{}.0.0/16", rng.below(vpcs.len()));
            let target = rng.pick(&attached).clone();
            routes.push(if rng.chance(50) {
                json!({ "destination_cidr_block": block, "blackhole": true })
            } else {
                json!({ "destination_cidr_block": block, "attachment": target })
            });
        }
        if rng.chance(60) {
            routes.push(
                json!({ "destination_cidr_block": "2001:db8::/32", "attachment": rng.pick(&attached) }),
            );
        }
        document["transit_gateway_route_tables"]["special"] = json!({ "transit_gateway": "hub",
            "associations": associations, "propagations": propagations, "routes": routes });
    }
}

/// Joins the gateway of another Region, where the VPC `far` is, to the near one.
fn join(rng: &mut Rng, document: &mut Value, far: &str, vpcs: &[String]) {
    document["transit_gateways"]["far-hub"] = json!({ "region": document["vpcs"][far]["region"] });
    if document["transit_gateways"]["hub"]["default_route_table_association"] == "enable" {
        document["transit_gateway_peering_attachments"]["pair"] = json!({ "transit_gateway": "hub",
            "peer_transit_gateway": "far-hub", "state": "available" });
        let to = |blocks: &[&Value]| -> Value {
            let mut seen: Vec<&Value> = Vec::new();
            for block in blocks.iter().filter(|block| !block.is_null()) {
                if !seen.contains(block) {
                    seen.push(block);
                }
            }
            let route = |block: &&Value| json!({ "destination_cidr_block": block, "attachment": "pair" });
            json!({ "routes": seen.iter().map(route).collect::<Vec<_>>() })
        };
        let blocks =
            |vpc: &str| ["cidr_block", "ipv6_cidr_block"].map(|family| &document["vpcs"][vpc][family]);
        let there = blocks(far);
        let here: Vec<&Value> =
            vpcs.iter().filter(|vpc| *vpc != far && rng.chance(90)).flat_map(|vpc| blocks(vpc)).collect();
        let tables = json!({ "hub/default": to(&there), "far-hub/default": to(&here) });
        document["transit_gateway_route_tables"] = tables;
    }
    route_to_hub(rng, document, &[far.to_owned()], "far-hub");
}

/// Attaches a VPC by one subnet in each of some of its zones.
fn attach(rng: &mut Rng, document: &mut Value, vpc: &str, hub: &str) {
    let mut zones: Map<String, Value> = Map::new();
    for (name, subnet) in document["subnets"].as_object().into_iter().flatten() {
        let zone = subnet["availability_zone"].as_str().unwrap_or("us-east-1a").to_owned();
        if subnet["vpc"] == *vpc && !subnet["cidr_block"].is_null() && (zones.is_empty() || rng.chance(70)) {
            zones.insert(zone, json!(name));
        }
    }
    let subnets: Vec<&Value> = zones.values().collect();
    let ipv6 = !document["vpcs"][vpc]["ipv6_cidr_block"].is_null() && rng.chance(80);
    let attachment = json!({
        "transit_gateway": hub, "vpc": vpc, "subnets": subnets, "ipv6_support": ipv6,
        "appliance_mode_support": rng.chance(40),
        "security_group_referencing_support": rng.chance(80),
    });
    document["transit_gateway_vpc_attachments"][vpc] = attachment;
}

/// Gives the tables of attached VPCs routes to the gateway, some in place of other ones.
fn route_to_hub(rng: &mut Rng, document: &mut Value, attached: &[String], hub: &str) {
    for (_, table) in document["route_tables"].as_object_mut().into_iter().flatten() {
        let of_attached = table["vpc"].as_str().is_some_and(|vpc| attached.iter().any(|name| name == vpc));
        let is_edge = !table["gateways"].is_null();
        let Some(routes) = table["routes"].as_array_mut().filter(|_| of_attached && !is_edge) else {
            continue;
        };
        if !rng.chance(85) {
            continue;
        }
        let replaced =
            [("vpc_peering_connection", 60), ("nat_gateway", 30), ("gateway", 15), ("network_interface", 15)];
        for (target, percent) in replaced {
            if rng.chance(percent) {
                routes.retain(|route| route[target].is_null());
            }
        }
        let blocks = [
            ("cidr_block", "0.0.0.0/0", 30),
            ("cidr_block", "10.0.0.0/8", 90),
            ("ipv6_cidr_block", "2001:db8::/32", 90),
        ];
        for (family, block, percent) in blocks {
            let is_taken = routes.iter().any(|route| route[family] == block);
            if !is_taken && rng.chance(percent) {
                routes.push(json!({ family: block, "transit_gateway": hub }));
            }
        }
    }
}
