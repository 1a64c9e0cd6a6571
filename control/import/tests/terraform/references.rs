//! How is followed what is known only after apply?

use serde_json::{Value, json};
use vpclab_import::Fate;

use crate::fixture::{Plan, fate, notes, resource};

/// Three subnets with `count`, and an instance with `count` whose subnet has these references.
fn counted(references: Value, target: &str) -> Plan {
    let mut plan = Plan::vpc();
    for index in 0..3 {
        plan = plan.and(
            &format!("aws_subnet.many[{index}]"),
            json!({ "cidr_block": format!("10.0.{}.0/24", 10 + index), "availability_zone": "us-east-1a" }),
            json!({ "vpc_id": "aws_vpc.main.id" }),
        );
    }
    plan.and(target, json!({}), json!({ "subnet_id": references }))
}

#[test]
fn a_reference_leads_to_the_instance_that_is_meant() {
    for (references, instance, expected) in [
        (json!(["aws_subnet.a.id", "aws_subnet.a"]), "aws_instance.i", "aws_subnet.a"),
        (
            json!(["aws_subnet.many[2].id", "aws_subnet.many[2]", "aws_subnet.many"]),
            "aws_instance.i",
            "aws_subnet.many[2]",
        ),
    ] {
        let imported = counted(references.clone(), instance).imported();
        assert_eq!(resource(&imported, "instances", instance)["subnet"], expected, "{references}");
    }
}

/// As many instances as there are subnets, each with these references.
fn one_each(count: usize, references: &Value) -> Plan {
    let mut plan = counted(references.clone(), "aws_instance.i[0]");
    for index in 1..count {
        plan = plan.and(
            &format!("aws_instance.i[{index}]"),
            json!({}),
            json!({ "subnet_id": references.clone() }),
        );
    }
    plan
}

#[test]
fn the_own_index_leads_to_the_one_with_it_only_where_there_are_as_many() {
    let references = json!(["aws_subnet.many", "count.index"]);
    let imported = one_each(3, &references).imported();
    for index in 0..3 {
        let address = format!("aws_instance.i[{index}]");
        assert_eq!(resource(&imported, "instances", &address)["subnet"], format!("aws_subnet.many[{index}]"));
        assert!(notes(&imported, &address).contains("which has the same index"));
    }
    // `count.index + 1`, `count.index % 3` and `element` have the same references.
    for count in [1, 2, 4] {
        let imported = one_each(count, &references).stand_ins();
        assert_eq!(fate(&imported, "aws_instance.i[0]"), Fate::NotModelled, "{count}");
    }
    // A number may be a part of the arithmetic, a switch is none.
    for (value, expected) in [(json!(1), Fate::NotModelled), (json!(true), Fate::Approximated)] {
        let mut plan = one_each(3, &json!(["aws_subnet.many", "count.index", "var.x"]));
        plan.variables.insert("x".to_owned(), json!({ "value": value }));
        assert_eq!(fate(&plan.stand_ins(), "aws_instance.i[0]"), expected, "{value}");
    }
}

/// An instance whose groups have these references, beside two groups, of which one is open, and one that is made twice.
fn grouped(references: Value) -> Plan {
    let mut plan = Plan::vpc();
    for name in ["open", "closed", "many[0]", "many[1]"] {
        let address = format!("aws_security_group.{name}");
        plan = plan.and(&address, json!({}), json!({ "vpc_id": "aws_vpc.main.id" }));
    }
    plan.variables.insert("public".to_owned(), json!({ "value": false }));
    plan.and(
        "aws_instance.i",
        json!({}),
        json!({ "subnet_id": "aws_subnet.a.id", "vpc_security_group_ids": references }),
    )
}

#[test]
fn a_list_is_known_where_each_reference_stands_for_one_of_it() {
    let of = |name: &str| [format!("aws_security_group.{name}.id"), format!("aws_security_group.{name}")];
    let both = [of("open"), of("closed")].concat();
    let one = |end: &str| [of("open").to_vec(), vec![end.to_owned()]].concat();
    for (references, expected) in [
        (json!(both), Some(json!(["aws_security_group.open", "aws_security_group.closed"]))),
        // One only can be meant, whatever decides.
        (json!(one("var.public")), Some(json!(["aws_security_group.open"]))),
        (
            json!(["aws_security_group.many"]),
            Some(json!(["aws_security_group.many[0]", "aws_security_group.many[1]"])),
        ),
        // A switch; a local value; a whole resource, a count and a circle beside others; the same twice.
        (json!([both.clone(), vec!["var.public".to_owned()]].concat()), None),
        (json!(one("local.more")), None),
        (json!(one("aws_security_group.many")), None),
        (json!(["aws_security_group.many", "count.index"]), None),
        (
            json!([
                "aws_security_group.many[0].id",
                "aws_security_group.many[0]",
                "aws_security_group.many",
                "aws_security_group.many"
            ]),
            None,
        ),
        (json!([both.clone(), both.clone()].concat()), None),
    ] {
        let imported = grouped(references.clone()).imported();
        let instance = resource(&imported, "instances", "aws_instance.i");
        assert_eq!(instance.get("security_groups"), expected.as_ref(), "{references}");
        assert_eq!(instance.get("not_modelled").is_some(), expected.is_none(), "{references}");
        let is_whole = references == json!(["aws_security_group.many"]);
        assert_eq!(
            notes(&imported, "aws_instance.i").contains("taken to be all of"),
            is_whole,
            "{references}"
        );
    }
}

#[test]
fn a_reference_that_leads_nowhere_may_be_the_one_that_is_meant() {
    let references = json!(["var.x", "aws_subnet.a.id", "aws_subnet.a", "local.other"]);
    let mut plan = Plan::vpc().and("aws_instance.i", json!({}), json!({ "subnet_id": references }));
    plan.variables.insert("x".to_owned(), json!({ "value": true }));
    assert!(plan.problems().contains("subnet_id of aws_instance.i is not known"));
    let later = json!(["aws_subnet.a.id", "aws_subnet.a", "data.aws_subnets.d.ids", "data.aws_subnets.d"]);
    let plan = Plan::vpc().with("data.aws_subnets.d", json!({}), json!({ "ids": true }), json!({})).and(
        "aws_instance.i",
        json!({}),
        json!({ "subnet_id": later }),
    );
    assert!(plan.problems().contains("subnet_id of aws_instance.i is not known"));
}

#[test]
fn one_of_several_is_not_known() {
    // In one of them, and marked.
    let imported = counted(json!(["aws_subnet.many"]), "aws_instance.i").imported();
    assert_eq!(fate(&imported, "aws_instance.i"), Fate::NotModelled);
    let instance = resource(&imported, "instances", "aws_instance.i");
    assert_eq!(instance["subnet"], "aws_subnet.many[0]");
    let why = instance["not_modelled"].as_str().unwrap();
    assert!(why.contains("one of aws_subnet.many[0], aws_subnet.many[1], aws_subnet.many[2]"), "{why}");
}

#[test]
fn instances_with_keys_meet_those_with_the_same() {
    let mut plan = Plan::vpc();
    for key in ["x", "y"] {
        plan = plan.and(
            &format!("aws_subnet.each[{key:?}]"),
            json!({ "cidr_block": if key == "x" { "10.0.10.0/24" } else { "10.0.11.0/24" } }),
            json!({ "vpc_id": "aws_vpc.main.id" }),
        );
        plan = plan.and(
            &format!("aws_instance.by_key[{key:?}]"),
            json!({}),
            json!({ "subnet_id": ["aws_subnet.each", "each.key"] }),
        );
        plan = plan.and(
            &format!("aws_instance.by_value[{key:?}]"),
            json!({}),
            json!({ "subnet_id": ["each.value.id", "each.value"] }),
        );
    }
    let mut document = plan.json();
    let written = document["configuration"]["root_module"]["resources"].as_array_mut().unwrap();
    for block in written.iter_mut().filter(|block| block["name"] == "by_value") {
        block["for_each_expression"] = json!({ "references": ["aws_subnet.each"] });
    }
    let imported = crate::fixture::imported(&document, &vpclab_import::Options::default());
    for key in ["x", "y"] {
        for name in ["by_key", "by_value"] {
            let found = resource(&imported, "instances", &format!("aws_instance.{name}[{key:?}]"));
            assert_eq!(found["subnet"], format!("aws_subnet.each[{key:?}]"), "{name}");
        }
    }
}

/// A `for_each` over subnets and something beside them: subnets by key are the own ones unless that names another key.
#[test]
fn what_chooses_among_keys_is_not_taken_for_the_own_key() {
    for (chosen, is_known) in [
        (json!({ "x": "y", "y": "x" }), false),
        (json!({ "x": { "of": ["y"] }, "y": { "of": ["x"] } }), false),
        (json!({ "x": { "size": 1, "name": "x" }, "y": { "size": 2, "name": "y" } }), true),
        (json!(["x", "y"]), true),
    ] {
        let mut plan = Plan::vpc();
        plan.variables.insert("chosen".to_owned(), json!({ "value": chosen }));
        for (key, block) in [("x", "10.0.10.0/24"), ("y", "10.0.11.0/24")] {
            let (subnet, instance) =
                (format!("aws_subnet.each[{key:?}]"), format!("aws_instance.i[{key:?}]"));
            plan = plan
                .and(&subnet, json!({ "cidr_block": block }), json!({ "vpc_id": "aws_vpc.main.id" }))
                .and(&instance, json!({}), json!({ "subnet_id": ["each.value"] }));
        }
        let mut document = plan.json();
        let written = document["configuration"]["root_module"]["resources"].as_array_mut().unwrap();
        for block in written.iter_mut().filter(|block| block["name"] == "i") {
            block["for_each_expression"] = json!({ "references": ["aws_subnet.each", "var.chosen"] });
        }
        let options = vpclab_import::Options { stand_ins: true, ..Default::default() };
        let imported = crate::fixture::imported(&document, &options);
        let instance = resource(&imported, "instances", "aws_instance.i[\"x\"]");
        assert_eq!(instance["subnet"] == "aws_subnet.each[\"x\"]", is_known, "{chosen}");
        assert_eq!(fate(&imported, "aws_instance.i[\"x\"]") != Fate::NotModelled, is_known, "{chosen}");
    }
}

/// A module `net` with a VPC and a subnet, whose outputs the root uses, and whose inputs the root gives.
fn with_module(output: Value) -> Plan {
    let mut plan = Plan::new().and(
        "aws_instance.i",
        json!({}),
        json!({ "subnet_id": ["module.net.subnet", "module.net"] }),
    );
    plan.children = vec![json!({ "address": "module.net", "resources": [
        { "address": "module.net.aws_vpc.v", "mode": "managed", "type": "aws_vpc", "name": "v", "values": { "cidr_block": "10.0.0.0/16" } },
        { "address": "module.net.aws_subnet.s", "mode": "managed", "type": "aws_subnet", "name": "s",
          "values": { "cidr_block": "10.0.1.0/24", "availability_zone": "us-east-1a" } }] })];
    plan.calls.insert(
        "net".to_owned(),
        json!({ "expressions": { "zone": { "constant_value": "us-east-1a" } }, "module": {
            "outputs": { "subnet": { "expression": output } },
            "resources": [
                { "mode": "managed", "type": "aws_vpc", "name": "v", "expressions": {} },
                { "mode": "managed", "type": "aws_subnet", "name": "s", "expressions": { "vpc_id": { "references": ["local.vpc_id"] } } }] } }),
    );
    plan
}

fn with_changes(plan: &Plan) -> Value {
    let mut document = plan.json();
    let changes = document["resource_changes"].as_array_mut().unwrap();
    for (address, unknown) in [
        ("module.net.aws_vpc.v", json!({ "id": true })),
        ("module.net.aws_subnet.s", json!({ "id": true, "vpc_id": true })),
    ] {
        changes.push(json!({ "address": address, "change": { "after_unknown": unknown } }));
    }
    document
}

#[test]
fn outputs_of_modules_are_followed() {
    let plan = with_module(json!({ "references": ["aws_subnet.s.id", "aws_subnet.s"] }));
    let imported = crate::fixture::imported(&with_changes(&plan), &vpclab_import::Options::default());
    assert_eq!(resource(&imported, "instances", "aws_instance.i")["subnet"], "module.net.aws_subnet.s");
}

#[test]
fn what_comes_from_a_local_value_is_the_one_thing_it_can_be() {
    let plan = with_module(json!({ "references": ["local.subnet"] }));
    let imported = crate::fixture::imported(&with_changes(&plan), &vpclab_import::Options::default());
    assert_eq!(resource(&imported, "instances", "aws_instance.i")["subnet"], "module.net.aws_subnet.s");
    assert_eq!(resource(&imported, "subnets", "module.net.aws_subnet.s")["vpc"], "module.net.aws_vpc.v");
    assert_eq!(fate(&imported, "module.net.aws_subnet.s"), Fate::Approximated);
    assert!(notes(&imported, "module.net.aws_subnet.s").contains("local.vpc_id, which no plan shows"));
}

#[test]
fn what_comes_from_a_local_value_is_not_known_where_it_can_be_two_things() {
    let plan = Plan::vpc().and("aws_vpc.other", json!({ "cidr_block": "10.9.0.0/16" }), json!({})).and(
        "aws_security_group.g",
        json!({}),
        json!({ "vpc_id": ["local.vpc_id"] }),
    );
    assert!(plan.problems().contains("vpc_id of aws_security_group.g is not known"));
    assert_eq!(fate(&plan.stand_ins(), "aws_security_group.g"), Fate::NotModelled);
}

#[test]
fn a_local_value_may_be_what_another_module_gives() {
    let other = |given: Value| {
        let mut plan = with_module(json!({ "references": ["aws_subnet.s.id", "aws_subnet.s"] }));
        plan.children.push(json!({ "address": "module.hub", "resources": [
            { "address": "module.hub.aws_vpc.v", "mode": "managed", "type": "aws_vpc", "name": "v", "values": { "cidr_block": "10.9.0.0/16" } }] }));
        plan.calls.insert(
            "hub".to_owned(),
            json!({ "expressions": {}, "module": {
                "outputs": { "vpc": { "expression": { "references": ["aws_vpc.v.id", "aws_vpc.v"] } } },
                "resources": [{ "mode": "managed", "type": "aws_vpc", "name": "v", "expressions": {} }] } }),
        );
        plan.calls["net"]["expressions"] = given;
        let mut document = with_changes(&plan);
        let changes = document["resource_changes"].as_array_mut().unwrap();
        changes.push(
            json!({ "address": "module.hub.aws_vpc.v", "change": { "after_unknown": { "id": true } } }),
        );
        let options = vpclab_import::Options { stand_ins: true, ..Default::default() };
        crate::fixture::imported(&document, &options)
    };
    for (given, expected) in [
        (json!({ "into": { "references": ["module.hub.vpc", "module.hub"] } }), Fate::NotModelled),
        (json!({ "vpc_id": { "references": ["local.elsewhere"] } }), Fate::NotModelled),
        // It is nothing that could be a VPC.
        (json!({ "tags": { "references": ["local.tags"] } }), Fate::Approximated),
    ] {
        let imported = other(given.clone());
        assert_eq!(fate(&imported, "module.net.aws_subnet.s"), expected, "{given}");
    }
}

#[test]
fn inputs_of_modules_are_followed() {
    let mut plan = Plan::vpc();
    plan.children = vec![json!({ "address": "module.app", "resources": [
        { "address": "module.app.aws_instance.i[0]", "mode": "managed", "type": "aws_instance", "name": "i", "index": 0, "values": {} }] })];
    plan.calls.insert(
        "app".to_owned(),
        json!({ "expressions": { "subnets": { "references": ["aws_subnet.b.id", "aws_subnet.b"] } }, "module": { "resources": [
            { "mode": "managed", "type": "aws_instance", "name": "i",
              "expressions": { "subnet_id": { "references": ["var.subnets", "count.index"] } } }] } }),
    );
    let mut document = plan.json();
    document["resource_changes"].as_array_mut().unwrap().push(
        json!({ "address": "module.app.aws_instance.i[0]", "change": { "after_unknown": { "id": true, "subnet_id": true } } }),
    );
    let imported = crate::fixture::imported(&document, &vpclab_import::Options::default());
    assert_eq!(resource(&imported, "instances", "module.app.aws_instance.i[0]")["subnet"], "aws_subnet.b");
}

#[test]
fn what_aws_makes_with_a_vpc_is_called_as_the_document_calls_it() {
    let imported = Plan::vpc()
        .and("aws_route.r", json!({ "destination_cidr_block": "10.0.0.0/16", "gateway_id": "local" }), json!({ "route_table_id": ["aws_vpc.main.main_route_table_id", "aws_vpc.main"] }))
        .and("aws_instance.i", json!({}), json!({ "subnet_id": "aws_subnet.a.id", "vpc_security_group_ids": ["aws_vpc.main.default_security_group_id", "aws_vpc.main"] }))
        .imported();
    assert_eq!(resource(&imported, "route_tables", "aws_vpc.main/main")["routes"][0]["gateway"], "local");
    assert_eq!(
        resource(&imported, "instances", "aws_instance.i")["security_groups"],
        json!(["aws_vpc.main/default"])
    );
}

#[test]
fn a_block_is_matched_by_what_is_written_in_it_whatever_the_order() {
    let rule =
        |port: u16| json!({ "protocol": "tcp", "from_port": port, "to_port": port, "cidr_blocks": [] });
    let written = |port: u16, group: &str| {
        json!({ "protocol": { "constant_value": "tcp" }, "from_port": { "constant_value": port }, "to_port": { "constant_value": port },
            "security_groups": { "references": [group] } })
    };
    let imported = Plan::vpc()
        .and("aws_security_group.one", json!({ "name": "one" }), json!({ "vpc_id": "aws_vpc.main.id" }))
        .with(
            "aws_security_group.db",
            json!({ "name": "db", "ingress": [rule(2), rule(1)] }),
            json!({ "ingress": [{ "security_groups": true }, { "security_groups": true }] }),
            json!({ "vpc_id": "aws_vpc.main.id",
                "ingress": [written(1, "aws_security_group.one.id"), written(2, "aws_security_group.web.id")] }),
        )
        .imported();
    let rules = &resource(&imported, "security_groups", "aws_security_group.db")["ingress"];
    assert_eq!(rules[0]["security_groups"], json!(["aws_security_group.web"]));
    assert_eq!(rules[1]["security_groups"], json!(["aws_security_group.one"]));
}

#[test]
fn what_nobody_wrote_and_aws_chooses_says_nothing() {
    let imported = Plan::vpc()
        .with(
            "aws_security_group.g",
            json!({ "name": "g" }),
            json!({ "ingress": true, "egress": true, "arn": true }),
            json!({ "vpc_id": "aws_vpc.main.id" }),
        )
        .imported();
    let group = resource(&imported, "security_groups", "aws_security_group.g");
    assert_eq!((&group["ingress"], &group["egress"]), (&json!([]), &json!([])));
    assert_eq!(fate(&imported, "aws_security_group.g"), Fate::Understood);
}

#[test]
fn what_is_in_no_configuration_is_not_known() {
    let plan = Plan::vpc().with(
        "aws_security_group.g",
        json!({ "name": "g" }),
        json!({ "ingress": true }),
        json!({ "vpc_id": "aws_vpc.main.id" }),
    );
    let mut document = plan.json();
    let written = document["configuration"]["root_module"]["resources"].as_array_mut().unwrap();
    written.retain(|block| block["name"] != "g");
    let options = vpclab_import::Options { stand_ins: true, ..Default::default() };
    let imported = crate::fixture::imported(&document, &options);
    assert!(notes(&imported, "aws_security_group.g").contains("ingress is not known"));
}
