//! Services and VPC endpoints that lead to them, put into a generated network.

use serde_json::{Value, json};

use super::Rng;
use crate::harness::topology;

const S3: &str = "com.amazonaws.us-east-1.s3";
const DYNAMODB: &str = "com.amazonaws.us-east-1.dynamodb";
const QUEUE: &str = "com.amazonaws.us-east-1.queue";

/// Declares three services, and endpoints to them in some VPCs. Two VPCs whose blocks are the same may use one service.
/// What AWS would refuse is left out again.
pub(super) fn enrich(rng: &mut Rng, document: &mut Value) {
    if rng.chance(30) {
        return;
    }
    let queue = *rng.pick(&["10.0.1.10", "10.9.9.9", "203.0.113.200"]);
    document["services"] = json!({
        S3: { "address": "52.216.10.20", "ipv6_address": "2600:1fa0:4000::5",
            "cidr_blocks": ["52.216.0.0/15"], "ipv6_cidr_blocks": ["2600:1fa0:4000::/40"] },
        DYNAMODB: { "address": "52.94.2.3" },
        // Its address may be a client's as well.
        QUEUE: { "address": queue, "ipv6_address": "2001:db8:5::5",
            "protocols": *rng.pick(&[&["tcp"][..], &["tcp", "udp"]]) },
    });
    if rng.chance(50) {
        document["settings"]["gateway_endpoint_mtu"] = json!(*rng.pick(&[1500, 9001]));
    }
    for vpc in names(document, "vpcs", |vpc| vpc["region"] != "eu-west-1") {
        for attempt in [gateway_endpoint, gateway_endpoint, interface_endpoint, own_routes] {
            let mut richer = document.clone();
            if rng.chance(75) && attempt(rng, &mut richer, &vpc).is_some() && topology(&richer, None).is_ok()
            {
                *document = richer;
            }
        }
    }
}

/// An endpoint goes, comes back, stops carrying packets, or serves other tables.
pub(super) fn change(rng: &mut Rng, next: &mut Value, original: &Value) -> Option<()> {
    let all = names(original, "vpc_endpoints", |_| true);
    let name = all.get(rng.below(all.len()))?;
    let endpoints = next["vpc_endpoints"].as_object_mut()?;
    match (endpoints.remove(name), rng.below(4)) {
        (None, _) => {
            endpoints.insert(name.clone(), original["vpc_endpoints"][name].clone());
        }
        (Some(_), 0) => {}
        (Some(mut endpoint), 1) => {
            let pending = endpoint["state"] == "pending";
            endpoint["state"] = json!(if pending { "available" } else { "pending" });
            endpoints.insert(name.clone(), endpoint);
        }
        (Some(mut endpoint), _) => {
            if let Some(tables) = endpoint["route_tables"].as_array_mut() {
                if tables.len() > 1 && rng.chance(50) {
                    tables.pop();
                } else {
                    tables.clone_from(original["vpc_endpoints"][name]["route_tables"].as_array()?);
                }
            }
            endpoints.insert(name.clone(), endpoint);
        }
    }
    Some(())
}

fn names(document: &Value, kind: &str, is_meant: impl Fn(&Value) -> bool) -> Vec<String> {
    let all = document[kind].as_object().into_iter().flatten();
    all.filter(|(_, value)| is_meant(value)).map(|(name, _)| name.clone()).collect()
}

/// To S3 or DynamoDB, for some of the VPC's tables.
fn gateway_endpoint(rng: &mut Rng, document: &mut Value, vpc: &str) -> Option<()> {
    let service = *rng.pick(&[S3, S3, DYNAMODB]);
    let mut tables =
        names(document, "route_tables", |table| table["vpc"] == *vpc && table["gateways"].is_null());
    tables.retain(|_| rng.chance(70));
    tables.push(format!("{vpc}/main"));
    let name = format!("{vpc}-{}", service.rsplit('.').next()?);
    document["vpc_endpoints"][name] = json!({ "vpc": vpc, "service_name": service, "route_tables": tables,
        "ip_address_type": if service == S3 && rng.chance(60) { "dualstack" } else { "ipv4" } });
    Some(())
}

/// To the queue, in one zone or two.
fn interface_endpoint(rng: &mut Rng, document: &mut Value, vpc: &str) -> Option<()> {
    let of_vpc = |value: &Value| value["vpc"] == *vpc;
    let mut zones: Vec<Value> = Vec::new();
    let mut subnets = names(document, "subnets", of_vpc);
    subnets.retain(|name| {
        let zone = document["subnets"][name]["availability_zone"].clone();
        let is_first = !zones.contains(&zone);
        zones.push(zone);
        is_first
    });
    if rng.chance(40) {
        subnets.truncate(1);
    }
    let groups = names(document, "security_groups", of_vpc);
    let ipv6 = !document["vpcs"][vpc]["ipv6_cidr_block"].is_null();
    document["vpc_endpoints"][format!("{vpc}-queue")] = json!({ "vpc": vpc,
        "vpc_endpoint_type": "Interface", "service_name": QUEUE, "subnets": subnets,
        "security_groups": [rng.pick(&groups)],
        "ip_address_type": if ipv6 { "dualstack" } else { "ipv4" } });
    Some(())
}

/// Routes that go before the endpoint's, to one address of the service or to all of them (EPG-03).
fn own_routes(rng: &mut Rng, document: &mut Value, vpc: &str) -> Option<()> {
    let tables = names(document, "route_tables", |table| table["vpc"] == *vpc && table["gateways"].is_null());
    let table = tables.get(rng.below(tables.len()))?;
    let gateways = names(document, "internet_gateways", |gateway| gateway["vpc"] == *vpc);
    let block = *rng.pick(&["52.216.10.0/24", "52.216.0.0/15", "52.94.2.3/32"]);
    let route = json!({ "cidr_block": block, "gateway": gateways.first()? });
    document["route_tables"][table]["routes"].as_array_mut()?.push(route);
    Some(())
}
