//! Which rules do the generated groups and ACLs have?

use serde_json::{Value, json};

use super::{PORTS, Rng};

/// A group of the VPC `v` whose rules may name `groups`.
pub(super) fn group(rng: &mut Rng, v: usize, groups: &[String], ipv6: bool) -> Value {
    let mut group = json!({ "vpc": format!("v{v}"), "ingress": group_rules(rng, groups, ipv6) });
    if rng.chance(60) {
        group["egress"] = Value::Array(group_rules(rng, groups, ipv6));
    }
    group
}

/// Lets everything through, too.
pub(super) fn open(group: &mut Value) {
    for direction in ["ingress", "egress"] {
        if let Some(rules) = group[direction].as_array_mut() {
            rules.retain(|rule| rule["protocol"] != "-1");
            rules.push(
                json!({ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"], "ipv6_cidr_blocks": ["::/0"] }),
            );
        }
    }
}

fn group_rules(rng: &mut Rng, groups: &[String], ipv6: bool) -> Vec<Value> {
    let mut rules: Vec<Value> = Vec::new();
    for _ in 0..rng.below(5) {
        let mut rule = match rng.below(10) {
            0 | 1 => json!({ "protocol": "-1" }),
            2..7 => {
                let protocol = if rng.chance(70) { "tcp" } else { "udp" };
                let (from, to) = match rng.below(3) {
                    0 => (0, 65_535),
                    1 => (1024, 65_535),
                    _ => {
                        let port = *rng.pick(&PORTS);
                        (port, port)
                    }
                };
                json!({ "protocol": protocol, "from_port": from, "to_port": to })
            }
            7 => {
                json!({ "protocol": "icmp", "from_port": if rng.chance(50) { 8 } else { -1 }, "to_port": -1 })
            }
            8 => {
                json!({ "protocol": "icmpv6", "from_port": if rng.chance(50) { 128 } else { -1 }, "to_port": -1 })
            }
            _ => json!({ "protocol": "47" }),
        };
        match rng.below(10) {
            0..4 => rule["cidr_blocks"] = json!(["0.0.0.0/0"]),
            4 | 5 if ipv6 => rule["ipv6_cidr_blocks"] = json!(["::/0"]),
            6 => rule["cidr_blocks"] = json!(["10.0.0.0/16"]),
            7 => rule["cidr_blocks"] = json!(["198.51.100.7/32"]),
            8 => rule["security_groups"] = json!([rng.pick(groups)]),
            _ => rule["self"] = json!(true),
        }
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    // A group that names itself twice, once by name, would be a mistake.
    let by_name = rules.iter().any(|rule| !rule["security_groups"].is_null());
    rules.retain(|rule| !by_name || rule["self"].is_null());
    rules
}

/// An ACL of the VPC `v`.
pub(super) fn acl(rng: &mut Rng, v: usize) -> Value {
    json!({ "vpc": format!("v{v}"), "ingress": acl_entries(rng), "egress": acl_entries(rng) })
}

fn acl_entries(rng: &mut Rng) -> Vec<Value> {
    let mut entries = Vec::new();
    for number in 1..=rng.below(5) {
        let action = if rng.chance(55) { "allow" } else { "deny" };
        let mut entry = match rng.below(6) {
            0 => json!({ "protocol": "-1" }),
            1..4 => {
                let protocol = if rng.chance(70) { "tcp" } else { "udp" };
                let port = *rng.pick(&PORTS);
                let (from, to) = if rng.chance(50) { (port, port) } else { (1024, 65_535) };
                json!({ "protocol": protocol, "from_port": from, "to_port": to })
            }
            4 => {
                json!({ "protocol": "icmp", "icmp_type": if rng.chance(50) { 8 } else { -1 }, "icmp_code": -1 })
            }
            _ => json!({ "protocol": "58", "icmp_type": -1, "icmp_code": -1 }),
        };
        let (kind, block) = *rng.pick(&[
            ("cidr_block", "0.0.0.0/0"),
            ("cidr_block", "10.0.1.0/24"),
            ("cidr_block", "198.51.100.0/24"),
            ("cidr_block", "203.0.113.0/24"),
            ("ipv6_cidr_block", "::/0"),
            ("ipv6_cidr_block", "2001:db8:ffff::/48"),
        ]);
        entry[kind] = json!(block);
        entry["action"] = json!(action);
        // In an order of their own, not of their numbers.
        entry["rule_no"] = json!((number * 37) % 100 + 1);
        entries.push(entry);
    }
    if rng.chance(75) {
        entries
            .push(json!({ "rule_no": 200, "action": "allow", "protocol": "-1", "cidr_block": "0.0.0.0/0" }));
        entries
            .push(json!({ "rule_no": 201, "action": "allow", "protocol": "-1", "ipv6_cidr_block": "::/0" }));
    }
    entries
}
