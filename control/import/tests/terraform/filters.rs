//! How do network ACLs and security groups come out?

use serde_json::{Value, json};
use vpclab_import::{Fate, Options, Side};

use crate::fixture::{Plan, fate, imported, resource, state};

#[test]
fn entries_of_a_network_acl_stand_in_it_or_apart() {
    let entry = json!({ "rule_no": 100, "action": "allow", "protocol": "6", "from_port": 80, "to_port": 80, "cidr_block": "0.0.0.0/0", "ipv6_cidr_block": "", "icmp_type": 0, "icmp_code": 0 });
    let imported = Plan::vpc()
        .and("aws_network_acl.n", json!({ "ingress": [entry] }), json!({ "vpc_id": "aws_vpc.main.id", "subnet_ids": ["aws_subnet.a.id"] }))
        .and("aws_network_acl_rule.r", json!({ "rule_number": 200, "egress": true, "rule_action": "deny", "protocol": "icmp", "icmp_type": 8, "icmp_code": -1, "from_port": null, "cidr_block": "10.0.0.0/8" }), json!({ "network_acl_id": "aws_network_acl.n.id" }))
        .and("aws_network_acl_association.b", json!({}), json!({ "network_acl_id": "aws_network_acl.n.id", "subnet_id": "aws_subnet.b.id" }))
        .imported();
    let acl = resource(&imported, "network_acls", "aws_network_acl.n");
    assert_eq!(
        acl["ingress"],
        json!([{ "rule_no": 100, "action": "allow", "protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_block": "0.0.0.0/0" }])
    );
    assert_eq!(
        acl["egress"],
        json!([{ "rule_no": 200, "action": "deny", "protocol": "icmp", "icmp_type": 8, "icmp_code": -1, "cidr_block": "10.0.0.0/8" }])
    );
    for subnet in ["aws_subnet.a", "aws_subnet.b"] {
        assert_eq!(resource(&imported, "subnets", subnet)["network_acl"], "aws_network_acl.n");
    }
}

#[test]
fn the_default_network_acl_and_group_lose_aws_rules() {
    let imported = Plan::vpc()
        .and(
            "aws_default_network_acl.d",
            json!({}),
            json!({ "default_network_acl_id": ["aws_vpc.main.default_network_acl_id"] }),
        )
        .and("aws_default_security_group.d", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .imported();
    for kind in ["network_acls", "security_groups"] {
        let found = resource(&imported, kind, "aws_vpc.main/default");
        assert_eq!((&found["ingress"], &found["egress"]), (&json!([]), &json!([])), "{kind}");
    }
}

/// The rules of a group, inbound, with separate resources beside it.
#[track_caller]
fn rules(plan: Plan) -> Value {
    resource(&plan.imported(), "security_groups", "aws_security_group.web")["ingress"].clone()
}

#[test]
fn a_group_has_exactly_the_rules_that_are_listed() {
    let imported = Plan::vpc().imported();
    let group = resource(&imported, "security_groups", "aws_security_group.web");
    assert_eq!(
        (&group["ingress"], &group["egress"], &group["name"]),
        (&json!([]), &json!([]), &json!("web"))
    );
}

#[test]
fn rules_of_each_type_of_resource_come_out_alike() {
    let group = json!({ "security_group_id": "aws_security_group.web.id" });
    let with = |key: &str, reference: &str| {
        let mut all = group.clone();
        all[key] = json!(reference);
        all
    };
    for (address, values, references, expected) in [
        (
            "aws_security_group_rule.r",
            json!({ "type": "ingress", "protocol": "tcp", "from_port": 1, "to_port": 2, "cidr_blocks": ["10.0.0.0/8", "172.16.0.0/12"] }),
            group.clone(),
            json!([{ "protocol": "tcp", "from_port": 1, "to_port": 2, "cidr_blocks": ["10.0.0.0/8"] }, { "protocol": "tcp", "from_port": 1, "to_port": 2, "cidr_blocks": ["172.16.0.0/12"] }]),
        ),
        (
            "aws_security_group_rule.r",
            json!({ "type": "ingress", "protocol": "all", "from_port": 0, "to_port": 0, "self": true }),
            group.clone(),
            json!([{ "protocol": "-1", "self": true }]),
        ),
        (
            "aws_security_group_rule.r",
            json!({ "type": "ingress", "protocol": "17", "from_port": 53, "to_port": 53 }),
            with("source_security_group_id", "aws_security_group.web.id"),
            json!([{ "protocol": "udp", "from_port": 53, "to_port": 53, "security_groups": ["aws_security_group.web"] }]),
        ),
        (
            "aws_vpc_security_group_ingress_rule.r",
            json!({ "ip_protocol": "tcp", "from_port": 1, "to_port": 1, "cidr_ipv6": "::/0" }),
            group.clone(),
            json!([{ "protocol": "tcp", "from_port": 1, "to_port": 1, "ipv6_cidr_blocks": ["::/0"] }]),
        ),
        (
            "aws_vpc_security_group_ingress_rule.r",
            json!({ "ip_protocol": "-1", "prefix_list_id": "com.amazonaws.us-east-1.s3" }),
            group.clone(),
            json!([{ "protocol": "-1", "prefix_lists": ["com.amazonaws.us-east-1.s3"] }]),
        ),
    ] {
        assert_eq!(rules(Plan::vpc().and(address, values.clone(), references)), expected, "{values}");
    }
    let egress = Plan::vpc()
        .and(
            "aws_vpc_security_group_egress_rule.r",
            json!({ "ip_protocol": "-1", "cidr_ipv4": "0.0.0.0/0" }),
            group,
        )
        .imported();
    assert_eq!(
        resource(&egress, "security_groups", "aws_security_group.web")["egress"],
        json!([{ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] }])
    );
}

#[test]
fn a_state_lists_rules_of_resources_of_their_own_in_the_group_too() {
    let imported = imported(
        &state(&[
            ("aws_vpc.main", json!({ "id": "vpc-0123456789abcdef0", "cidr_block": "10.0.0.0/16" })),
            (
                "aws_network_acl.n",
                json!({ "id": "acl-0123456789abcdef0", "vpc_id": "vpc-0123456789abcdef0", "ingress": [{ "rule_no": 7, "action": "allow", "protocol": "-1", "cidr_block": "0.0.0.0/0" }] }),
            ),
            (
                "aws_network_acl_rule.r",
                json!({ "network_acl_id": "acl-0123456789abcdef0", "rule_number": 7, "rule_action": "allow", "protocol": "all", "cidr_block": "0.0.0.0/0" }),
            ),
            (
                "aws_security_group.g",
                json!({ "id": "sg-0123456789abcdef0", "vpc_id": "vpc-0123456789abcdef0", "name": "g",
                "ingress": [{ "protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_blocks": ["10.0.0.0/8", "172.16.0.0/12"], "description": "x" }] }),
            ),
            (
                "aws_security_group_rule.r",
                json!({ "security_group_id": "sg-0123456789abcdef0", "type": "ingress", "protocol": "6", "from_port": 80, "to_port": 80, "cidr_blocks": ["172.16.0.0/12"] }),
            ),
        ]),
        &Options::default(),
    );
    assert_eq!(
        resource(&imported, "security_groups", "aws_security_group.g")["ingress"].as_array().unwrap().len(),
        2
    );
    assert_eq!(
        resource(&imported, "network_acls", "aws_network_acl.n")["ingress"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn a_plan_shows_rules_that_it_takes_away_in_the_group_still() {
    let group = "sg-0123456789abcdef0";
    let rule = |port: u16| json!({ "security_group_id": group, "type": "ingress", "protocol": "tcp", "from_port": port, "to_port": port, "cidr_blocks": ["10.0.0.0/8"] });
    let shown = |ports: &[u16]| {
        let all: Vec<Value> = ports.iter().map(|port| json!({ "protocol": "tcp", "from_port": port, "to_port": port, "cidr_blocks": ["10.0.0.0/8"] })).collect();
        json!({ "id": group, "name": "g", "vpc_id": "vpc-0123456789abcdef0", "ingress": all })
    };
    let plan = Plan::new()
        .before("aws_vpc.main", json!({ "id": "vpc-0123456789abcdef0", "cidr_block": "10.0.0.0/16" }))
        .before("aws_security_group.g", shown(&[1, 2]))
        .before("aws_security_group_rule.kept", rule(1))
        .before("aws_security_group_rule.gone", rule(2))
        .and("aws_vpc.main", json!({ "id": "vpc-0123456789abcdef0", "cidr_block": "10.0.0.0/16" }), json!({}))
        .and("aws_security_group.g", shown(&[1, 2]), json!({}))
        .and("aws_security_group_rule.kept", rule(1), json!({}));
    let mut document = plan.json();
    for change in document["resource_changes"].as_array_mut().unwrap() {
        change["change"]["after_unknown"] = json!({});
    }
    for (side, ports) in [(Side::Before, vec![1, 2]), (Side::After, vec![1])] {
        let imported = imported(&document, &Options { side, ..Options::default() });
        let rules = resource(&imported, "security_groups", "aws_security_group.g")["ingress"]
            .as_array()
            .unwrap()
            .clone();
        assert_eq!(rules.iter().map(|rule| rule["from_port"].clone()).collect::<Vec<_>>(), ports, "{side:?}");
    }
}

#[test]
fn a_rule_that_is_not_known_leaves_its_group_unknown_and_the_others_as_they_are() {
    let imported = Plan::vpc()
        .and("aws_security_group_rule.r", json!({ "type": "ingress", "protocol": "tcp", "from_port": 1, "to_port": 1 }), json!({ "security_group_id": "aws_security_group.web.id", "cidr_blocks": ["aws_eip.x.public_ip"] }))
        .and("aws_security_group_rule.s", json!({ "type": "ingress", "protocol": "tcp", "from_port": 2, "to_port": 2, "cidr_blocks": ["10.0.0.0/8"] }), json!({ "security_group_id": "aws_security_group.web.id" }))
        .imported();
    let group = resource(&imported, "security_groups", "aws_security_group.web");
    assert!(group["not_modelled"].as_str().unwrap().contains("cidr_blocks of a rule is not known"));
    assert_eq!(group["ingress"].as_array().unwrap().len(), 1);
    assert_eq!(fate(&imported, "aws_security_group_rule.r"), Fate::NotModelled);
    assert_eq!(fate(&imported, "aws_security_group_rule.s"), Fate::Understood);
}

#[test]
fn a_rule_of_an_unknown_group_may_be_in_any() {
    let imported = Plan::vpc()
        .and(
            "aws_security_group_rule.r",
            json!({ "type": "ingress", "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] }),
            json!({ "security_group_id": ["var.nowhere"] }),
        )
        .imported();
    assert!(resource(&imported, "security_groups", "aws_security_group.web")["not_modelled"].is_string());
}

#[test]
fn a_group_may_serve_other_vpcs_and_interfaces() {
    let imported = Plan::vpc()
        .and("aws_vpc.other", json!({ "cidr_block": "10.9.0.0/16" }), json!({}))
        .and("aws_vpc_security_group_vpc_association.x", json!({}), json!({ "security_group_id": "aws_security_group.web.id", "vpc_id": "aws_vpc.other.id" }))
        .and("aws_security_group.more", json!({ "name": "more" }), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_network_interface.eni", json!({}), json!({ "subnet_id": "aws_subnet.a.id", "security_groups": ["aws_security_group.web.id"] }))
        .and("aws_network_interface_sg_attachment.x", json!({}), json!({ "security_group_id": "aws_security_group.more.id", "network_interface_id": "aws_network_interface.eni.id" }))
        .imported();
    assert_eq!(
        resource(&imported, "security_groups", "aws_security_group.web")["vpc_associations"],
        json!(["aws_vpc.other"])
    );
    assert_eq!(
        resource(&imported, "network_interfaces", "aws_network_interface.eni")["security_groups"],
        json!(["aws_security_group.web", "aws_security_group.more"])
    );
}

#[test]
fn what_a_group_is_added_to_keeps_the_default_one_where_it_names_none() {
    let imported = Plan::vpc()
        .and("aws_network_interface.eni", json!({}), json!({ "subnet_id": "aws_subnet.a.id" }))
        .and("aws_instance.i", json!({}), json!({ "subnet_id": "aws_subnet.a.id" }))
        .and("aws_network_interface_sg_attachment.x", json!({}), json!({ "security_group_id": "aws_security_group.web.id", "network_interface_id": "aws_network_interface.eni.id" }))
        .and("aws_network_interface_sg_attachment.y", json!({}), json!({ "security_group_id": "aws_security_group.web.id", "network_interface_id": "aws_instance.i.primary_network_interface_id" }))
        .imported();
    for (kind, name) in [("network_interfaces", "aws_network_interface.eni"), ("instances", "aws_instance.i")]
    {
        let mut groups = resource(&imported, kind, name)["security_groups"].as_array().unwrap().clone();
        groups.sort_by_key(ToString::to_string);
        assert_eq!(groups, [json!("aws_security_group.web"), json!("aws_vpc.main/default")], "{name}");
    }
}

#[test]
fn an_entry_for_icmp_that_says_no_type_is_for_echo_replies() {
    let entry = json!({ "rule_no": 100, "action": "allow", "protocol": "icmp", "cidr_block": "0.0.0.0/0", "icmp_type": null });
    let imported = Plan::vpc()
        .and("aws_network_acl.n", json!({ "ingress": [entry] }), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_network_acl_rule.r", json!({ "rule_number": 200, "egress": true, "rule_action": "allow", "protocol": "1", "cidr_block": "0.0.0.0/0" }), json!({ "network_acl_id": "aws_network_acl.n.id" }))
        .imported();
    let acl = resource(&imported, "network_acls", "aws_network_acl.n");
    for direction in ["ingress", "egress"] {
        assert_eq!(
            (&acl[direction][0]["icmp_type"], &acl[direction][0]["icmp_code"]),
            (&json!(0), &json!(0))
        );
    }
}

#[test]
fn a_group_of_an_account_that_is_no_peer_marks_the_rule_and_no_more() {
    let rule = json!({ "type": "ingress", "protocol": "tcp", "from_port": 80, "to_port": 80, "source_security_group_id": "999999999999/sg-0123456789abcdef0" });
    let imported = Plan::vpc()
        .and("aws_security_group_rule.r", rule, json!({ "security_group_id": "aws_security_group.web.id" }))
        .imported();
    let group = resource(&imported, "security_groups", "aws_security_group.web");
    assert!(group["not_modelled"].as_str().unwrap().contains("no peering connection with 999999999999"));
}

#[test]
fn rules_that_are_no_resource_stay() {
    let (group, vpc) = ("sg-0123456789abcdef0", "vpc-0123456789abcdef0");
    // The first block shows two rules for one port, of which one is a resource, as is the second block.
    let ingress = json!([
        { "protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_blocks": ["10.1.0.0/16", "10.2.0.0/16"], "self": true, "description": "" },
        { "protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": ["10.1.0.0/16"], "self": false },
        { "protocol": "udp", "from_port": 53, "to_port": 53, "cidr_blocks": ["10.1.0.0/16"], "self": false },
    ]);
    let rule = |protocol: &str, port: u16| json!({ "id": format!("r{port}"), "security_group_id": group, "type": "ingress", "protocol": protocol, "from_port": port, "to_port": port, "cidr_blocks": ["10.1.0.0/16"] });
    let own = json!({ "id": "own", "security_group_id": group, "ip_protocol": "tcp", "from_port": 80, "to_port": 80, "referenced_security_group_id": group });
    let prior = [
        ("aws_vpc.main", json!({ "id": vpc, "cidr_block": "10.0.0.0/16" })),
        ("aws_security_group.g", json!({ "id": group, "vpc_id": vpc, "ingress": ingress })),
        ("aws_security_group_rule.gone", rule("6", 80)),
        ("aws_security_group_rule.kept", rule("tcp", 22)),
        ("aws_vpc_security_group_ingress_rule.own", own),
        (
            "aws_network_acl.n",
            json!({ "id": "acl-0123456789abcdef0", "vpc_id": vpc, "ingress": [
            { "rule_no": 1, "action": "allow", "protocol": "-1", "cidr_block": "10.1.0.0/16" },
            { "rule_no": 2, "action": "allow", "protocol": "-1", "cidr_block": "10.2.0.0/16" }] }),
        ),
        (
            "aws_network_acl_rule.gone",
            json!({ "id": "n", "network_acl_id": "acl-0123456789abcdef0", "egress": false, "rule_number": 1 }),
        ),
        (
            "aws_route_table.t",
            json!({ "id": "rtb-0123456789abcdef0", "vpc_id": vpc, "route": [
            { "cidr_block": "10.8.0.0/16", "gateway_id": "igw-0123456789abcdef0" },
            { "cidr_block": "10.9.0.0/16", "gateway_id": "igw-0123456789abcdef0" }] }),
        ),
        ("aws_internet_gateway.i", json!({ "id": "igw-0123456789abcdef0", "vpc_id": vpc })),
        (
            "aws_route.gone",
            json!({ "id": "r", "route_table_id": "rtb-0123456789abcdef0", "destination_cidr_block": "10.8.0.0/16", "gateway_id": "igw-0123456789abcdef0" }),
        ),
    ];
    let mut plan = Plan::new();
    for (address, values) in prior {
        if !address.ends_with(".gone") {
            plan = plan.and(address, values.clone(), json!({}));
        }
        plan = plan.before(address, values);
    }
    let imported = plan.imported();
    let ends = |rule: &serde_json::Value| {
        (rule["from_port"].clone(), rule["cidr_blocks"].clone(), rule["self"].clone())
    };
    let rules = resource(&imported, "security_groups", "aws_security_group.g")["ingress"].as_array().unwrap();
    let null = serde_json::Value::Null;
    assert_eq!(
        rules.iter().map(ends).collect::<Vec<_>>(),
        [
            (json!(80), json!(["10.2.0.0/16"]), null.clone()),
            (json!(53), json!(["10.1.0.0/16"]), null.clone()),
            (json!(22), json!(["10.1.0.0/16"]), null),
        ]
        .into_iter()
        .chain([(json!(80), serde_json::Value::Null, serde_json::Value::Null)])
        .collect::<Vec<_>>()
    );
    assert_eq!(rules[3]["security_groups"], json!(["aws_security_group.g"]));
    let entries = &resource(&imported, "network_acls", "aws_network_acl.n")["ingress"];
    assert_eq!((entries[0]["rule_no"].clone(), entries.as_array().unwrap().len()), (json!(2), 1));
    let routes = &resource(&imported, "route_tables", "aws_route_table.t")["routes"];
    assert_eq!(
        (routes[0]["cidr_block"].clone(), routes.as_array().unwrap().len()),
        (json!("10.9.0.0/16"), 1)
    );
}

#[test]
fn a_group_of_the_own_account_may_be_written_with_it() {
    let id = "sg-0123456789abcdef0";
    let rule = |source: &str| {
        imported(
            &state(&[
                ("aws_vpc.main", json!({ "id": "vpc-0123456789abcdef0", "cidr_block": "10.0.0.0/16" })),
                ("aws_security_group.g", json!({ "id": id, "vpc_id": "vpc-0123456789abcdef0" })),
                (
                    "aws_vpc_security_group_ingress_rule.r",
                    json!({ "security_group_id": id, "ip_protocol": "-1", "referenced_security_group_id": source }),
                ),
            ]),
            &Options { stand_ins: true, ..Options::default() },
        )
    };
    for (source, expected) in [
        (format!("123456789012/{id}"), "aws_security_group.g"),
        ("123456789012/sg-0fedcba987654321f".to_owned(), "sg-0fedcba987654321f"),
    ] {
        let imported = rule(&source);
        let rules = &resource(&imported, "security_groups", "aws_security_group.g")["ingress"];
        assert_eq!(rules[0]["security_groups"], json!([expected]), "{source}");
    }
}
