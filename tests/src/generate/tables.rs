//! Where do the generated route tables of subnets lead?

use serde_json::{Value, json};

use super::Rng;

/// What routes of one VPC can lead to.
pub(super) struct Around<'a> {
    pub(super) v: usize,
    /// The first two octets of its block.
    pub(super) net: &'a str,
    pub(super) gateway: bool,
    pub(super) ipv6: bool,
    pub(super) outbound_only: bool,
    pub(super) nats: &'a [String],
    /// Whether a NAT gateway is in the table's subnet: then it rather leads on.
    pub(super) is_of_nat: bool,
    pub(super) interfaces: &'a [String],
    pub(super) subnets: usize,
    pub(super) peered: &'a [(String, [(usize, usize); 2])],
}

/// A table of a VPC that leads to some of it.
pub(super) fn route_table(rng: &mut Rng, around: &Around<'_>) -> Value {
    let Around { v, net, gateway, ipv6, interfaces, .. } = *around;
    let mut routes = Vec::new();
    let (to_nat, on) = if around.is_of_nat { (15, 95) } else { (75, 85) };
    if !around.nats.is_empty() && rng.chance(to_nat) {
        let nat = rng.pick(around.nats);
        let block = *rng.pick(&["0.0.0.0/0", "0.0.0.0/0", "0.0.0.0/0", "198.51.100.0/24", "10.0.0.0/8"]);
        routes.push(json!({ "cidr_block": block, "nat_gateway": nat }));
    }
    if ipv6 && !around.nats.is_empty() && rng.chance(60) {
        routes.push(json!({ "ipv6_cidr_block": "64:ff9b::/96", "nat_gateway": rng.pick(around.nats) }));
    }
    if !around.nats.is_empty() && rng.chance(12) {
        let block = format!("{net}.{}.0/24", 1 + rng.below(around.subnets));
        routes.push(json!({ "cidr_block": block, "nat_gateway": rng.pick(around.nats) }));
    }
    let has_default = routes.iter().any(|route| route["cidr_block"] == "0.0.0.0/0");
    if !has_default && rng.chance(on) {
        let target = if gateway && rng.chance(on) {
            json!({ "cidr_block": "0.0.0.0/0", "gateway": format!("g{v}") })
        } else {
            json!({ "cidr_block": "0.0.0.0/0", "network_interface": rng.pick(interfaces) })
        };
        routes.push(target);
    }
    if around.outbound_only && rng.chance(80) {
        routes.push(json!({ "ipv6_cidr_block": "::/0", "egress_only_gateway": format!("e{v}") }));
    } else if ipv6 && gateway && rng.chance(75) {
        routes.push(json!({ "ipv6_cidr_block": "::/0", "gateway": format!("g{v}") }));
    }
    if rng.chance(15) {
        routes.push(json!({ "cidr_block": "192.0.2.0/24", "network_interface": format!("v{v}-spare") }));
    }
    if rng.chance(15) {
        routes.push(json!({ "cidr_block": "198.51.100.0/24", "network_interface": rng.pick(interfaces) }));
    }
    if rng.chance(20) {
        let block = format!("{net}.{}.0/24", 1 + rng.below(around.subnets));
        routes.push(json!({ "cidr_block": block, "network_interface": rng.pick(interfaces) }));
    }
    // The first of those for one destination counts.
    let mut seen: Vec<Value> = Vec::new();
    routes.retain(|route| {
        let destination = route["cidr_block"].clone();
        let again = !destination.is_null() && seen.contains(&destination);
        seen.push(destination);
        !again
    });
    if rng.chance(5) {
        let block = format!("{net}.0.0/16");
        routes.push(json!({ "cidr_block": block, "network_interface": rng.pick(interfaces) }));
    }
    for (name, ends) in around.peered {
        let Some((other, second)) =
            ends.iter().position(|(end, _)| *end == v).map(|position| ends[1 - position])
        else {
            continue;
        };
        let blocks = [
            (75, format!("10.{second}.0.0/16")),
            (15, format!("10.{second}.1.0/24")),
            (15, format!("10.{second}.1.10/32")),
            (8, "203.0.113.0/24".to_owned()),
        ];
        for (percent, block) in blocks {
            let inside = block.starts_with(&format!("{net}."));
            let taken = routes.iter().any(|route| route["cidr_block"] == *block);
            if rng.chance(percent) && !inside && !taken {
                routes.push(json!({ "cidr_block": block, "vpc_peering_connection": name }));
            }
        }
        if ipv6 && rng.chance(60) {
            let block = format!("2001:db8:{}::/56", other + 1);
            routes.push(json!({ "ipv6_cidr_block": block, "vpc_peering_connection": name }));
        }
    }
    json!({ "vpc": format!("v{v}"), "routes": routes })
}
