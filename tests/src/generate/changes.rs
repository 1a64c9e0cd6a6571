//! What changes in a generated network between two packets?

use serde_json::{Value, json};

use super::filters::{acl, group};
use super::{Rng, endpoint};
use crate::harness::topology;

/// A valid document that differs from `document` in one thing: rules, entries, or an instance that goes and comes.
pub fn changed(rng: &mut Rng, document: &Value, original: &Value) -> Option<Value> {
    let mut next = document.clone();
    let names = |kind: &str| -> Vec<String> {
        document[kind].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default()
    };
    match rng.below(10) {
        8 | 9 => endpoint::change(rng, &mut next, original)?,
        4 | 5 => change_routes(rng, &mut next, original)?,
        6 => change_gateway(rng, &mut next, original)?,
        0 | 1 => {
            let all = names("security_groups");
            let name = rng.pick(&all);
            let v = document["security_groups"][name]["vpc"].as_str()?[1..].parse().ok()?;
            let mut family: Vec<String> =
                all.iter().filter(|n| n.starts_with(&format!("v{v}-"))).cloned().collect();
            let ends = document["vpc_peering_connections"].as_object()?.values().filter_map(|peering| {
                let (a, b) = (peering["vpc"].as_str()?, peering["peer_vpc"].as_str()?);
                let own = format!("v{v}");
                if a == own { Some(b) } else { (b == own).then_some(a) }
            });
            let region = |vpc: &str| document["vpcs"][vpc]["region"].clone();
            let near = ends.filter(|other| region(other) == region(&format!("v{v}")));
            family.extend(near.map(|other| format!("{other}-group0")));
            next["security_groups"][name] = group(rng, v, &family, true);
        }
        2 => {
            let all = names("network_acls");
            let name = all.get(rng.below(all.len()))?;
            let v = document["network_acls"][name]["vpc"].as_str()?[1..].parse().ok()?;
            next["network_acls"][name] = acl(rng, v);
        }
        _ => {
            let all: Vec<String> = original["instances"].as_object()?.keys().cloned().collect();
            let name = rng.pick(&all);
            let instances = next["instances"].as_object_mut()?;
            if instances.remove(name).is_none() {
                instances.insert(name.clone(), original["instances"][name].clone());
            }
        }
    }
    // Whoever is referred to elsewhere cannot go.
    topology(&next, None).is_ok().then_some(next)
}

/// A route goes or comes back, or leads elsewhere.
fn change_routes(rng: &mut Rng, next: &mut Value, original: &Value) -> Option<()> {
    let tables: Vec<String> = original["route_tables"].as_object()?.keys().cloned().collect();
    let name = tables.get(rng.below(tables.len()))?;
    let routes = next["route_tables"][name]["routes"].as_array_mut()?;
    let at = rng.below(routes.len());
    if rng.chance(50) && at < routes.len() {
        routes.remove(at);
    } else {
        *routes = original["route_tables"][name]["routes"].as_array()?.clone();
    }
    Some(())
}

/// A peering connection is accepted or deleted; a NAT gateway goes, comes back, moves, or has an address more or less.
fn change_gateway(rng: &mut Rng, next: &mut Value, original: &Value) -> Option<()> {
    let peerings: Vec<String> = original["vpc_peering_connections"].as_object()?.keys().cloned().collect();
    let nats: Vec<String> = original["nat_gateways"].as_object()?.keys().cloned().collect();
    if rng.chance(35) {
        let peering = &mut next["vpc_peering_connections"][peerings.get(rng.below(peerings.len()))?];
        let next = if peering["state"] == "active" { "pending-acceptance" } else { "active" };
        peering["state"] = json!(next);
        return Some(());
    }
    let name = nats.get(rng.below(nats.len()))?;
    let old = &original["nat_gateways"][name];
    let all = next["nat_gateways"].as_object_mut()?;
    match (all.remove(name), rng.below(4)) {
        (None, _) => {
            all.insert(name.clone(), old.clone());
            next["route_tables"] = original["route_tables"].clone();
        }
        (Some(_), 0) => {
            for table in next["route_tables"].as_object_mut()?.values_mut() {
                table["routes"].as_array_mut()?.retain(|route| route["nat_gateway"] != **name);
            }
        }
        (Some(mut nat), 1) => {
            // It has another address, so it is another gateway.
            nat.as_object_mut()?.remove("private_ip");
            all.insert(name.clone(), nat);
        }
        (Some(mut nat), _) => {
            for attribute in ["secondary_private_ips", "secondary_allocations"] {
                let had = nat.as_object_mut()?.remove(attribute).is_some();
                if !had && !old[attribute].is_null() {
                    nat[attribute] = old[attribute].clone();
                }
            }
            all.insert(name.clone(), nat);
        }
    }
    Some(())
}
