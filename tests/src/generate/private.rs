//! Private links and the customer networks behind them, put into a generated network: at virtual private gateways, at a
//! transit gateway, and by Direct Connect gateways at both.

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
    for (attempt, percent) in [(vpn_of_hub as Attempt, 65), (dx_of_hub, 65), (dx_of_vpn_gateways, 60)] {
        let mut richer = document.clone();
        if rng.chance(percent) && attempt(rng, &mut richer).is_some() && topology(&richer, None).is_ok() {
            *document = richer;
        }
    }
}

type Attempt = fn(&mut Rng, &mut Value) -> Option<()>;

/// A customer network of its own addresses, 192.168.`third`.0/24, with two hosts.
fn site(rng: &mut Rng, document: &mut Value, name: &str, third: u8, links: (&str, &str)) {
    document["customer_networks"][name] = json!({ "cidr_blocks": [format!("192.168.{third}.0/24")],
        "ipv6_cidr_blocks": [format!("fd12:{third}::/48")], "mtu": *rng.pick(&[1500, 9001]), links.0: [links.1] });
    for host in 0..2 {
        document["customer_hosts"][format!("{name}-h{host}")] = json!({ "customer_network": name,
            "address": format!("192.168.{third}.{}", 10 + host), "ipv6_address": format!("fd12:{third}::{}", 10 + host) });
    }
}

/// Routes of attached VPCs to all sites, by the transit gateway.
fn route_sites_to_hub(rng: &mut Rng, document: &mut Value) {
    let attached = document["transit_gateway_vpc_attachments"].clone();
    for (_, table) in document["route_tables"].as_object_mut().into_iter().flatten() {
        let near = table["vpc"].as_str().is_some_and(|vpc| attached[vpc]["transit_gateway"] == "hub");
        let is_edge = !table["gateways"].is_null();
        let Some(routes) = table["routes"].as_array_mut().filter(|_| near && !is_edge) else { continue };
        for (family, block) in [("cidr_block", "192.168.0.0/16"), ("ipv6_cidr_block", "fd12::/16")] {
            let is_taken = routes.iter().any(|route| route[family] == block);
            if !is_taken && rng.chance(85) {
                routes.push(json!({ family: block, "transit_gateway": "hub" }));
            }
        }
    }
}

/// A VPN connection of the transit gateway.
fn vpn_of_hub(rng: &mut Rng, document: &mut Value) -> Option<()> {
    document["transit_gateways"].get("hub")?;
    document["customer_gateways"]["hub-cgw"] = json!({ "bgp_asn": 65100 });
    let mut vpn = json!({ "transit_gateway": "hub", "customer_gateway": "hub-cgw",
        "encryption": *rng.pick(&["aes-gcm", "aes-cbc-sha512"]),
        "tunnels": *rng.pick(&[["up", "up"], ["up", "down"], ["up", "down"], ["down", "down"]]) });
    if rng.chance(20) {
        vpn["bgp_routes"] = json!([{ "cidr_block": "192.168.50.0/25" }]);
    }
    document["vpn_connections"]["hub-vpn"] = vpn;
    site(rng, document, "hub-site", 50, ("customer_gateways", "hub-cgw"));
    route_sites_to_hub(rng, document);
    Some(())
}

/// Two transit virtual interfaces at a Direct Connect gateway of the transit gateway.
fn dx_of_hub(rng: &mut Rng, document: &mut Value) -> Option<()> {
    document["transit_gateways"].get("hub")?;
    document["dx_gateways"]["hub-dx"] = json!({});
    // Allowed prefixes may well lead from one interface to the other (DX-06).
    let sites = if rng.chance(60) { vec!["192.168.0.0/16", "fd12::/16"] } else { Vec::new() };
    let prefixes: Vec<&str> = ["10.0.0.0/8", "2001:db8::/32"].into_iter().chain(sites).collect();
    document["dx_gateway_associations"]["hub-dxa"] =
        json!({ "dx_gateway": "hub-dx", "transit_gateway": "hub", "allowed_prefixes": prefixes });
    for (place, third) in [(0, 60), (1, 61)] {
        let (vif, name) = (format!("hub-vif{place}"), format!("hub-dx-site{place}"));
        document["dx_transit_virtual_interfaces"][&vif] = json!({ "dx_gateway": "hub-dx", "bgp_asn": 65110 + place,
            "mtu": *rng.pick(&[1500, 8500]), "state": *rng.pick(&["up", "up", "up", "down"]) });
        site(rng, document, &name, third, ("virtual_interfaces", &vif));
    }
    route_sites_to_hub(rng, document);
    Some(())
}

/// A private virtual interface at a Direct Connect gateway of all virtual private gateways.
fn dx_of_vpn_gateways(rng: &mut Rng, document: &mut Value) -> Option<()> {
    let all: Vec<String> = document["vpn_gateways"].as_object()?.keys().cloned().collect();
    document["dx_gateways"]["dx"] = json!({});
    let mut blocks = Vec::new();
    for gateway in &all {
        let vpc = document["vpn_gateways"][gateway]["vpc"].as_str().unwrap_or_default().to_owned();
        // Of two VPCs with one block nobody could say which is meant.
        let block = document["vpcs"][&vpc]["cidr_block"].clone();
        if blocks.contains(&block) {
            continue;
        }
        blocks.push(block);
        let mut association = json!({ "dx_gateway": "dx", "vpn_gateway": gateway });
        if rng.chance(30) {
            association["allowed_prefixes"] = json!([document["vpcs"][&vpc]["cidr_block"]]);
        }
        document["dx_gateway_associations"][format!("{gateway}-dxa")] = association;
    }
    document["dx_private_virtual_interfaces"]["dx-vif"] = json!({ "dx_gateway": "dx", "bgp_asn": 65120,
        "mtu": *rng.pick(&[1500, 9001]) });
    site(rng, document, "dx-site", 70, ("virtual_interfaces", "dx-vif"));
    Some(())
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
