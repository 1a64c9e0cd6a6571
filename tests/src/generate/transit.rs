//! Which transit gateways join the generated VPCs?

use serde_json::{Map, Value, json};

use super::Rng;
use crate::harness::topology;

/// Joins the VPCs of a document by a transit gateway, in one of many ways.
pub(super) fn enrich(rng: &mut Rng, document: &mut Value) {
    if rng.chance(45) {
        return;
    }
    let before = document.clone();
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
        if is_near && rng.chance(90) {
            attach(rng, document, vpc);
            attached.push(vpc.clone());
        }
    }
    route_to_hub(rng, document, &attached);
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
        document["transit_gateway_route_tables"] = json!({ "special": { "transit_gateway": "hub",
            "associations": associations, "propagations": propagations, "routes": routes } });
    }
    if topology(document, None).is_err() {
        // What was thought up is no network, as when a subnet has no room for an interface.
        *document = before;
    }
}

/// Attaches a VPC by one subnet in each of some of its zones.
fn attach(rng: &mut Rng, document: &mut Value, vpc: &str) {
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
        "transit_gateway": "hub", "vpc": vpc, "subnets": subnets, "ipv6_support": ipv6,
        "appliance_mode_support": rng.chance(40),
        "security_group_referencing_support": rng.chance(80),
    });
    document["transit_gateway_vpc_attachments"][vpc] = attachment;
}

/// Gives the tables of attached VPCs routes to the gateway, some in place of other ones.
fn route_to_hub(rng: &mut Rng, document: &mut Value, attached: &[String]) {
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
                routes.push(json!({ family: block, "transit_gateway": "hub" }));
            }
        }
    }
}
