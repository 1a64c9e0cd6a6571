//! Private links and the customer networks behind them, put into a generated network.

use serde_json::{Value, json};

use super::Rng;
use crate::harness::topology;

/// Gives some VPCs a virtual private gateway with links to two sites, whose addresses may be the same. What AWS would
/// refuse is left out again.
pub(super) fn enrich(rng: &mut Rng, document: &mut Value) {
    let vpcs: Vec<String> =
        document["vpcs"].as_object().into_iter().flat_map(|all| all.keys().cloned()).collect();
    for vpc in vpcs {
        let mut richer = document.clone();
        if rng.chance(50) {
            gateway(rng, &mut richer, &vpc);
            if topology(&richer, None).is_ok() {
                *document = richer;
            }
        }
    }
}

fn gateway(rng: &mut Rng, document: &mut Value, vpc: &str) {
    let vgw = format!("{vpc}-vgw");
    document["vpn_gateways"][&vgw] = json!({ "vpc": vpc });
    document["vpn_gateways"][&vgw]["region"] = document["vpcs"][vpc]["region"].clone();
    let tables: Vec<String> = document["route_tables"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, table)| table["vpc"] == *vpc && table["gateways"].is_null())
        .map(|(name, _)| name.clone())
        .collect();
    for table in tables {
        if rng.chance(70) {
            document["route_tables"][&table]["propagating_vgws"] = json!([vgw]);
        } else if rng.chance(50)
            && let Some(routes) = document["route_tables"][&table]["routes"].as_array_mut()
        {
            routes.push(json!({ "cidr_block": "192.168.0.0/16", "gateway": vgw }));
        }
    }
    if rng.chance(15) {
        // A detached gateway: its routes are black holes, and its sites still reach each other.
        document["vpn_gateways"][&vgw] = json!({});
        for (_, table) in document["route_tables"].as_object_mut().into_iter().flatten() {
            if table["propagating_vgws"] == json!([vgw]) {
                table["propagating_vgws"] = json!([]);
            }
        }
    }
    for site in 0..2 {
        let same = rng.chance(30);
        let third = if same { 0 } else { site };
        let name = format!("{vpc}-site{site}");
        let (block, block6) = (format!("192.168.{third}.0/24"), format!("fd12:{third}::/48"));
        let mut network = json!({ "cidr_blocks": [block], "ipv6_cidr_blocks": [block6],
            "mtu": *rng.pick(&[1500, 9001]) });
        for host in 0..2 {
            document["customer_hosts"][format!("{name}-h{host}")] = json!({ "customer_network": name,
                "address": format!("192.168.{third}.{}", 10 + host), "ipv6_address": format!("fd12:{third}::{}", 10 + host) });
        }
        let cgw = format!("{name}-cgw");
        document["customer_gateways"][&cgw] = json!({ "bgp_asn": 65001 + rng.below(2) });
        network["customer_gateways"] = json!([cgw]);
        let mut vpn = json!({ "vpn_gateway": vgw, "customer_gateway": cgw,
            "encryption": *rng.pick(&["aes-gcm", "aes-cbc-sha1", "aes-cbc-sha512"]),
            "nat_traversal": rng.chance(50), "tunnels": *rng.pick(&[["up", "up"], ["up", "down"], ["down", "down"]]) });
        match rng.below(3) {
            0 => {
                vpn["static_routes_only"] = json!(true);
                vpn["routes"] = json!([block]);
            }
            1 => {
                let path: Vec<usize> = (0..1 + rng.below(3)).map(|step| 65001 + step).collect();
                vpn["bgp_routes"] = json!([{ "cidr_block": block, "as_path": path, "med": 99 + rng.below(3) },
                    { "cidr_block": format!("192.168.{third}.0/25") }]);
            }
            _ => {}
        }
        document["vpn_connections"][format!("{name}-vpn")] = vpn;
        // One virtual interface at most, as AWS throws dice between equal ones.
        if site == 0 && rng.chance(50) {
            document["dx_private_virtual_interfaces"][format!("{name}-vif")] = json!({ "vpn_gateway": vgw,
                "mtu": *rng.pick(&[1500, 9001]), "state": *rng.pick(&["up", "up", "down"]) });
            network["virtual_interfaces"] = json!([format!("{name}-vif")]);
        }
        document["customer_networks"][&name] = network;
    }
}
