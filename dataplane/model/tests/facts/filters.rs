//! Network ACLs and security groups (areas NACL and SG).

use serde_json::{Value, json};

use crate::{check, lab, merge};

#[test]
fn network_acls() {
    let entry = |patch: Value| {
        let mut entry = json!({"rule_no": 100, "action": "allow", "protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_block": "0.0.0.0/0"});
        merge(&mut entry, &patch);
        json!({"network_acls": {"n": {"vpc": "v", "ingress": [entry]}}})
    };
    let at = |code: &str, attribute: &str| -> &'static [&'static str] {
        let dot = if attribute.is_empty() { "" } else { "." };
        let text = format!("{code} network_acls.n.ingress[0]{dot}{attribute}");
        Box::leak(Box::new([&*Box::leak(text.into_boxed_str())]))
    };
    check(vec![
        ("NACL-01", entry(json!({"rule_no": 1})), &[]),
        ("NACL-01", entry(json!({"rule_no": null, "rule_number": "32766"})), &[]),
        ("NACL-01", entry(json!({"rule_no": 0})), at("InvalidParameterValue", "rule_no")),
        ("NACL-02", entry(json!({"rule_no": 32767})), at("InvalidParameterValue", "rule_no")),
        ("NACL-10", entry(json!({"protocol": -1, "from_port": 0, "to_port": 0})), &[]),
        ("NACL-10", entry(json!({"protocol": "50", "from_port": 99999})), &[]),
        ("NACL-11", entry(json!({"from_port": null})), at("MissingParameter", "from_port")),
        ("NACL-11", entry(json!({"from_port": 81})), at("InvalidParameterValue", "from_port")),
        ("NACL-11", entry(json!({"to_port": 65536})), at("InvalidParameterValue", "to_port")),
        ("NACL-12", entry(json!({"protocol": "icmp", "icmp_type": -1, "icmp_code": -1})), &[]),
        ("NACL-12", entry(json!({"protocol": "icmp", "icmp_type": 8})), at("MissingParameter", "icmp_code")),
        (
            "NACL-12",
            entry(json!({"protocol": 1, "icmp_type": 256, "icmp_code": 0})),
            at("InvalidParameterValue", "icmp_type"),
        ),
        ("NACL-13", entry(json!({"protocol": "58"})), &[]),
        (
            "NACL-13",
            entry(json!({"protocol": "58", "icmp_type": -1, "cidr_block": null, "ipv6_cidr_block": "::/0"})),
            at("MissingParameter", "icmp_code"),
        ),
        ("NACL-14", entry(json!({"cidr_block": null})), at("MissingParameter", "cidr_block")),
        (
            "NACL-14",
            entry(json!({"ipv6_cidr_block": "::/0"})),
            at("InvalidParameterCombination", "ipv6_cidr_block"),
        ),
        ("NACL-14", entry(json!({"security_groups": ["x"]})), at("UnknownParameter", "security_groups")),
        ("ERR-35", entry(json!({"action": "reject"})), at("InvalidParameterValue", "action")),
        ("ERR-35", entry(json!({"protocol": "tpc"})), at("InvalidParameterValue", "protocol")),
        (
            "NACL-03",
            json!({"network_acls": {"n": {"vpc": "v",
            "ingress": [{"rule_no": 100, "action": "deny", "protocol": "all", "cidr_block": "1.2.3.4/32"}, {"rule_no": 100, "action": "allow", "protocol": "all", "cidr_block": "0.0.0.0/0"}],
            "egress": [{"rule_no": 100, "action": "allow", "protocol": "all", "cidr_block": "0.0.0.0/0"}]}}}),
            &["NetworkAclEntryAlreadyExists network_acls.n.ingress[1].rule_no"],
        ),
    ]);
    // NACL-01: ascending; NACL-07, NACL-08: the default ones; NACL-09: nothing; NACL-13: type and code fall away.
    let topology = lab(json!({"network_acls": {"n": {"vpc": "v", "ingress": [
        {"rule_no": 200, "action": "allow", "protocol": "icmpv6", "icmp_type": 128, "icmp_code": 0, "cidr_block": "10.0.0.1/8"},
        {"rule_no": 100, "action": "DENY", "protocol": "17", "from_port": 0, "to_port": 65535, "cidr_block": "0.0.0.0/0"}]}}}));
    assert_eq!(
        json!(topology.network_acls["n"].ingress),
        json!([
            {"rule_number": 100, "action": "deny", "traffic": "udp all ports", "cidr": "0.0.0.0/0"},
            {"rule_number": 200, "action": "allow", "traffic": "icmpv6 all types", "cidr": "10.0.0.0/8"}
        ])
    );
    assert!(topology.network_acls["n"].egress.is_empty());
    let numbers =
        |acl: &str| topology.network_acls[acl].egress.iter().map(|e| e.rule_number).collect::<Vec<_>>();
    assert_eq!((numbers("v/default"), numbers("w/default")), (vec![100, 101], vec![100]));
    let declared = lab(json!({"network_acls": {"v/default": {"ingress": []}}}));
    assert!(
        declared.network_acls["v/default"].ingress.is_empty() && declared.network_acls["v/default"].default
    );
    assert_eq!(declared.network_acls["v/default"].egress.len(), 2);
}

#[test]
fn security_groups() {
    let rule = |patch: Value| {
        let mut rule =
            json!({"protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_blocks": ["0.0.0.0/0"]});
        merge(&mut rule, &patch);
        json!({"security_groups": {"n": {"vpc": "v", "ingress": [rule]}, "o": {"vpc": "w"}}})
    };
    let group = |attributes: Value| json!({"security_groups": {"n": {"vpc": "v"}, "N2": attributes}});
    const DUPLICATE: &[&str] = &["InvalidPermission.Duplicate security_groups.n.ingress[0].cidr_blocks[1]"];
    check(vec![
        ("SG-05", group(json!({"vpc": "v", "name": "N"})), &["InvalidGroup.Duplicate security_groups.n"]),
        ("SG-05", group(json!({"vpc": "w", "name": "N"})), &[]),
        (
            "SG-05",
            group(json!({"vpc": "v", "name": "sg-web"})),
            &["InvalidParameterValue security_groups.N2.name"],
        ),
        (
            "SG-05",
            group(json!({"vpc": "v", "name": "Default"})),
            &["InvalidGroup.Reserved security_groups.N2.name"],
        ),
        (
            "SG-05",
            group(json!({"vpc": "v", "name": "a".repeat(256)})),
            &["InvalidParameterValue security_groups.N2.name"],
        ),
        (
            "SG-17",
            rule(json!({"from_port": null, "to_port": null})),
            &[
                "MissingParameter security_groups.n.ingress[0].from_port",
                "MissingParameter security_groups.n.ingress[0].to_port",
            ],
        ),
        ("SG-17", rule(json!({"protocol": "icmp", "from_port": 8, "to_port": -1})), &[]),
        (
            "SG-17",
            rule(json!({"protocol": "icmp", "from_port": -1, "to_port": 0})),
            &["InvalidPermission.Malformed security_groups.n.ingress[0].to_port"],
        ),
        (
            "SG-17",
            rule(json!({"protocol": "icmp", "from_port": null, "to_port": null})),
            &[
                "MissingParameter security_groups.n.ingress[0].from_port",
                "MissingParameter security_groups.n.ingress[0].to_port",
            ],
        ),
        ("SG-17", rule(json!({"protocol": "icmpv6", "from_port": null, "to_port": null})), &[]),
        ("SG-18", rule(json!({"protocol": 47, "from_port": 70000})), &[]),
        (
            "SG-17",
            rule(json!({"from_port": 90})),
            &["InvalidPermission.Malformed security_groups.n.ingress[0].from_port"],
        ),
        ("SG-19", rule(json!({"cidr_blocks": ["10.0.0.0/24", "10.0.0.7/24"]})), DUPLICATE),
        (
            "SG-19",
            rule(json!({"protocol": "-1", "security_groups": ["n"], "self": true})),
            &["InvalidPermission.Duplicate security_groups.n.ingress[0].self"],
        ),
        (
            "SG-10",
            rule(json!({"security_groups": ["o"]})),
            &["InvalidGroup.NotFound security_groups.n.ingress[0].security_groups[0]"],
        ),
        ("SG-10", rule(json!({"cidr_blocks": null, "referenced_security_group_id": "default"})), &[]),
        (
            "ERR-08",
            rule(json!({"security_groups": ["nope"]})),
            &["InvalidGroup.NotFound security_groups.n.ingress[0].security_groups[0]"],
        ),
        ("ERR-35", rule(json!({"cidr_blocks": []})), &["MissingParameter security_groups.n.ingress[0]"]),
        (
            "ERR-35",
            rule(json!({"prefix_list_ids": ["pl-1"], "cidr_blocks": null})),
            &["InvalidPrefixListID.NotFound security_groups.n.ingress[0].prefix_list_ids[0]"],
        ),
        (
            "SG-28",
            rule(json!({"cidr_blocks": ["203.0.113.7"]})),
            &["InvalidParameterValue security_groups.n.ingress[0].cidr_blocks[0]"],
        ),
    ]);
    // SG-02, SG-03: what AWS says where the document says nothing; SG-28: host bits fall away.
    let topology = lab(json!({"security_groups": {
        "n": {"vpc": "v", "ingress": [{"protocol": "tcp", "from_port": "22", "to_port": 22, "cidr_ipv4": "203.0.113.7/24"}]},
        "o": {"vpc": "w", "egress": []}, "p": {"vpc": "w"}}}));
    let shown = |name: &str| {
        let group = &topology.security_groups[name];
        let side = |rules: &[vpclab_model::SecurityGroupRule]| {
            rules.iter().map(|r| format!("{} {}", r.traffic, json!(r.peer))).collect::<Vec<_>>().join(" ")
        };
        format!("{} > {}", side(&group.ingress), side(&group.egress))
    };
    let (v4, v6) = (r#"all traffic {"cidr":"0.0.0.0/0"}"#, r#"all traffic {"cidr":"::/0"}"#);
    assert_eq!(shown("n"), format!(r#"tcp 22 {{"cidr":"203.0.113.0/24"}} > {v4} {v6}"#));
    assert_eq!(shown("o"), " > ");
    assert_eq!(shown("p"), format!(" > {v4}"));
    assert_eq!(shown("v/default"), format!(r#"all traffic {{"group":"v/default"}} > {v4} {v6}"#));
}
