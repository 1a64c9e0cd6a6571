//! Are the interfaces that services, templates and clusters make where they may be, with their groups and addresses?

use serde_json::{Value, json};
use vpclab_import::Fate;

use crate::fixture::{Plan, fate, notes, resource};

fn doubt(one: &Value) -> &str {
    one["not_modelled"].as_str().unwrap_or_default()
}

/// A subnet, and one of another VPC that names its zone.
fn plan_with_other_vpc(values: Value) -> vpclab_import::Imported {
    Plan::vpc()
        .and("aws_vpc.other", json!({ "cidr_block": "10.0.0.0/16" }), json!({}))
        .and("aws_subnet.far", values, json!({ "vpc_id": "aws_vpc.other.id" }))
        .imported()
}

#[test]
fn a_zone_by_its_id_is_one_zone_throughout() {
    let subnet =
        |id: &str, at: u8| json!({ "cidr_block": format!("10.0.{at}.0/24"), "availability_zone_id": id });
    let vpc = || Plan::new().and("aws_vpc.main", json!({ "cidr_block": "10.0.0.0/16" }), json!({}));
    let within = |plan: Plan, name: &str, values: Value| {
        plan.and(name, values, json!({ "vpc_id": "aws_vpc.main.id" }))
    };
    let mut plan = vpc();
    for (name, id, at) in [("a", "use1-az4", 1), ("b", "use1-az4", 2), ("c", "use1-az2", 3)] {
        plan = within(plan, &format!("aws_subnet.{name}"), subnet(id, at));
    }
    let alone = plan.imported();
    let named =
        |at: u8| json!({ "cidr_block": format!("10.0.{at}.0/24"), "availability_zone": "us-east-1f" });
    let mixed = within(plan, "aws_subnet.d", named(4)).imported();
    for (imported, words) in [(&alone, "only the account knows"), (&mixed, "others are written by name")] {
        for (name, zone) in [("a", "us-east-1d"), ("b", "us-east-1d"), ("c", "us-east-1b")] {
            let address = format!("aws_subnet.{name}");
            assert_eq!(resource(imported, "subnets", &address)["availability_zone"], zone);
            assert!(notes(imported, &address).contains(words), "{name}");
        }
    }
    // Whether it is a zone that another one of the VPC names decides what attachments reach.
    assert!(doubt(resource(&mixed, "subnets", "aws_subnet.a")).contains("other subnets of the VPC name"));
    let elsewhere = plan_with_other_vpc(subnet("use1-az4", 1));
    assert_eq!(doubt(resource(&elsewhere, "subnets", "aws_subnet.far")), "");
    // One that says both knows the name.
    let mut both = subnet("use1-az4", 5);
    both["availability_zone"] = json!("us-east-1c");
    let plan = within(within(vpc(), "aws_subnet.a", subnet("use1-az4", 1)), "aws_subnet.e", both).imported();
    assert_eq!(resource(&plan, "subnets", "aws_subnet.a")["availability_zone"], "us-east-1c");
    assert_eq!(fate(&plan, "aws_subnet.a"), Fate::Understood);
}

#[test]
fn blocks_of_an_address_manager_are_not_those_of_the_subnet() {
    let pool = |key: &str| json!({ "availability_zone": "us-east-1a", key: "ipam-pool-1" });
    let mut six = pool("ipv6_ipam_pool_id");
    six["cidr_block"] = json!("10.0.9.0/24");
    six["assign_ipv6_address_on_creation"] = json!(true);
    let imported = Plan::vpc()
        .and("aws_subnet.four", pool("ipv4_ipam_pool_id"), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_subnet.six", six, json!({ "vpc_id": "aws_vpc.main.id" }))
        .imported();
    assert!(doubt(resource(&imported, "subnets", "aws_subnet.four")).contains("address manager"));
    assert!(resource(&imported, "subnets", "aws_subnet.six")["ipv6_cidr_block"].is_string());
    assert_eq!(fate(&imported, "aws_subnet.six"), Fate::Approximated);
}

#[test]
fn a_default_subnet_says_whether_it_gives_public_addresses() {
    for (values, public, is_doubted) in [
        (json!({ "map_public_ip_on_launch": false }), false, false),
        (json!({ "map_public_ip_on_launch": true }), true, false),
        (json!({}), true, false),
        (json!({ "assign_ipv6_address_on_creation": true }), true, true),
    ] {
        let mut values = values;
        values["availability_zone"] = json!("us-east-1a");
        let imported = Plan::new().and("aws_default_subnet.s", values.clone(), json!({})).imported();
        let subnet = resource(&imported, "subnets", "default-us-east-1-a");
        assert_eq!(subnet["map_public_ip_on_launch"], public, "{values}");
        assert_eq!(!doubt(subnet).is_empty(), is_doubted, "{values}");
    }
}

#[test]
fn default_subnets_have_the_blocks_that_are_stated_and_their_instances_the_addresses() {
    let subnet = |zone: &str, block: &str| json!({ "availability_zone": zone, "cidr_block": block });
    let imported = Plan::new()
        .and("aws_default_subnet.c", subnet("us-east-1c", "172.31.0.0/20"), json!({}))
        .and("aws_default_subnet.f", subnet("us-east-1f", "172.31.80.0/20"), json!({}))
        .and("aws_default_subnet.b", json!({ "availability_zone": "us-east-1b" }), json!({}))
        .and(
            "aws_instance.c",
            json!({ "private_ip": "172.31.0.10" }),
            json!({ "subnet_id": "aws_default_subnet.c.id" }),
        )
        .and(
            "aws_instance.b",
            json!({ "private_ip": "172.31.0.11" }),
            json!({ "subnet_id": "aws_default_subnet.b.id" }),
        )
        .imported();
    let block = |zone: &str| {
        resource(&imported, "subnets", &format!("default-us-east-1-{zone}"))["cidr_block"].clone()
    };
    assert_eq!(
        ["a", "b", "c", "f"].map(block),
        ["172.31.16.0/20", "172.31.32.0/20", "172.31.0.0/20", "172.31.80.0/20"]
    );
    assert_eq!(resource(&imported, "instances", "aws_instance.c")["private_ip"], "172.31.0.10");
    assert_eq!(resource(&imported, "instances", "aws_instance.b")["private_ip"], Value::Null);
}

#[test]
fn what_says_something_of_another_resource_is_not_taken_for_it() {
    let imported = Plan::vpc()
        .and("aws_instance.i", json!({ "id": "i-1" }), json!({ "subnet_id": "aws_subnet.a.id" }))
        .and(
            "aws_ec2_instance_state.s",
            json!({ "id": "i-1", "instance_id": "i-1", "state": "stopped" }),
            json!({}),
        )
        .and(
            "aws_ec2_instance_state.a",
            json!({ "id": "i-1", "instance_id": "i-1", "state": "stopped" }),
            json!({}),
        )
        .imported();
    assert_eq!(resource(&imported, "instances", "aws_instance.i")["state"], "stopped");
}

#[test]
fn an_instance_is_kept_in_a_state() {
    for (state, expected) in [("stopped", json!("stopped")), ("running", Value::Null)] {
        let imported = Plan::vpc()
            .and("aws_instance.i", json!({}), json!({ "subnet_id": "aws_subnet.a.id" }))
            .and(
                "aws_ec2_instance_state.s",
                json!({ "state": state }),
                json!({ "instance_id": "aws_instance.i.id" }),
            )
            .imported();
        assert_eq!(resource(&imported, "instances", "aws_instance.i")["state"], expected);
    }
}

/// A group that launches from a template with the group `web`, and perhaps from another one.
fn mixed(other: Value, groups: &str) -> Plan {
    let base =
        json!({ "launch_template_specification": [{ "launch_template_name": "one" }], "override": [other] });
    Plan::vpc()
        .and(
            "aws_launch_template.one",
            json!({ "name": "one" }),
            json!({ "vpc_security_group_ids": "aws_security_group.web.id" }),
        )
        .and("aws_launch_template.two", json!({ "name": "two" }), json!({ "vpc_security_group_ids": groups }))
        .and("aws_security_group.db", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and(
            "aws_autoscaling_group.g",
            json!({ "mixed_instances_policy": [{ "launch_template": [base] }] }),
            json!({ "vpc_zone_identifier": ["aws_subnet.a.id"] }),
        )
}

#[test]
fn what_overrides_a_template_counts() {
    let two = json!({ "launch_template_specification": [{ "launch_template_name": "two" }] });
    let none = json!({ "launch_template_specification": [{ "launch_template_name": "three" }] });
    for (other, groups, is_doubted) in [
        (json!({ "instance_type": "t3.micro" }), "aws_security_group.db.id", false),
        (two.clone(), "aws_security_group.web.id", false),
        (two, "aws_security_group.db.id", true),
        (none, "aws_security_group.web.id", true),
    ] {
        let imported = mixed(other.clone(), groups).imported();
        let one = resource(&imported, "instances", "aws_autoscaling_group.g[0]");
        assert_eq!(one["security_groups"], json!(["aws_security_group.web"]));
        assert_eq!(!doubt(one).is_empty(), is_doubted, "{other}");
    }
}

#[test]
fn an_instance_of_a_template_that_no_source_holds_is_not_known() {
    let imported = Plan::vpc()
        .and(
            "aws_instance.i",
            json!({ "launch_template": [{ "id": "lt-0123456789abcdef0" }] }),
            json!({ "subnet_id": "aws_subnet.a.id" }),
        )
        .imported();
    assert!(doubt(resource(&imported, "instances", "aws_instance.i")).contains("launch template"));
}

#[test]
fn a_cluster_of_eks_has_a_group_that_its_nodes_share() {
    let imported = Plan::vpc()
        .with(
            "aws_eks_cluster.c",
            json!({ "name": "c", "vpc_config": [{}] }),
            json!({ "vpc_config": [{ "subnet_ids": true, "cluster_security_group_id": true }] }),
            json!({ "vpc_config": [{ "subnet_ids": { "references": ["aws_subnet.a.id", "aws_subnet.b.id"] } }] }),
        )
        .and("aws_eks_node_group.n", json!({ "cluster_name": "c" }), json!({ "subnet_ids": "aws_subnet.a.id" }))
        .and("aws_eks_fargate_profile.f", json!({}), json!({ "cluster_name": "aws_eks_cluster.c.name", "subnet_ids": "aws_subnet.a.id" }))
        .and(
            "aws_security_group_rule.r",
            json!({ "type": "ingress", "protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_blocks": ["10.0.0.0/8"] }),
            json!({ "security_group_id": ["aws_eks_cluster.c.vpc_config[0].cluster_security_group_id", "aws_eks_cluster.c.vpc_config[0]", "aws_eks_cluster.c.vpc_config", "aws_eks_cluster.c"] }),
        )
        .imported();
    for name in ["aws_eks_cluster.c[1]", "aws_eks_node_group.n[0]", "aws_eks_fargate_profile.f[0]"] {
        assert_eq!(
            resource(&imported, "instances", name)["security_groups"],
            json!(["aws_eks_cluster.c-cluster"]),
            "{name}"
        );
    }
    let group = resource(&imported, "security_groups", "aws_eks_cluster.c-cluster");
    assert_eq!((&group["vpc"], &group["ingress"][0]["self"]), (&json!("aws_vpc.main"), &json!(true)));
    assert_eq!(group["ingress"][1]["cidr_blocks"], json!(["10.0.0.0/8"]));
    assert_eq!(fate(&imported, "aws_eks_cluster.c"), Fate::Approximated);
}

/// A database in a subnet group.
fn database(of_type: &str, values: Value, unknown: Value) -> Plan {
    let mut values = values;
    values["db_subnet_group_name"] = json!("g");
    Plan::vpc()
        .and(
            "aws_db_subnet_group.g",
            json!({ "name": "g" }),
            json!({ "subnet_ids": ["aws_subnet.a.id", "aws_subnet.b.id"] }),
        )
        .with(
            &format!("{of_type}.d"),
            values,
            unknown,
            json!({ "vpc_security_group_ids": "aws_security_group.web.id" }),
        )
}

#[test]
fn a_database_stands_in_each_subnet_that_it_may_be_in() {
    let imported = database("aws_db_instance", json!({ "multi_az": false }), json!({})).imported();
    assert_eq!(fate(&imported, "aws_db_instance.d"), Fate::Approximated);
    assert!(notes(&imported, "aws_db_instance.d").contains("each of the 2 subnets"));
}

#[test]
fn members_of_a_cluster_say_whether_it_is_public() {
    let member = |values: Value, unknown: Value| {
        database("aws_rds_cluster", json!({ "cluster_identifier": "d" }), json!({}))
            .with(
                "aws_rds_cluster_instance.m",
                values,
                unknown,
                json!({ "cluster_identifier": "aws_rds_cluster.d.id" }),
            )
            .imported()
    };
    for (public, expected) in [(json!(true), true), (json!(false), false)] {
        let imported = member(json!({ "publicly_accessible": public }), json!({}));
        assert_eq!(
            resource(&imported, "instances", "aws_rds_cluster.d[0]")["associate_public_ip_address"],
            expected
        );
    }
    let mut plan = database("aws_rds_cluster", json!({ "cluster_identifier": "d" }), json!({}));
    plan = plan.and(
        "aws_rds_cluster_instance.m",
        json!({ "cluster_identifier": "d" }),
        json!({ "publicly_accessible": "local.public" }),
    );
    assert!(
        doubt(resource(&plan.imported(), "instances", "aws_rds_cluster.d[0]"))
            .contains("publicly_accessible")
    );
    let alone = Plan::vpc()
        .and("aws_rds_cluster_instance.m", json!({ "cluster_identifier": "elsewhere" }), json!({}))
        .imported();
    assert_eq!(fate(&alone, "aws_rds_cluster_instance.m"), Fate::LeftOut);
}

#[test]
fn whether_it_is_public_is_not_known_where_nobody_says() {
    let plan = database("aws_db_instance", json!({}), json!({}));
    let mut document = plan.json();
    let change = document["resource_changes"].as_array_mut().unwrap().last_mut().unwrap();
    change["change"]["after_unknown"]["publicly_accessible"] = json!(true);
    let written =
        document["configuration"]["root_module"]["resources"].as_array_mut().unwrap().last_mut().unwrap();
    written["expressions"]["publicly_accessible"] = json!({ "references": ["local.public"] });
    let imported = crate::fixture::imported(&document, &vpclab_import::Options::default());
    assert!(doubt(resource(&imported, "instances", "aws_db_instance.d[0]")).contains("publicly_accessible"));
    let block = json!([{ "subnets": { "references": ["aws_subnet.a.id"] }, "assign_public_ip": { "references": ["local.public"] } }]);
    let imported = Plan::vpc()
        .with(
            "aws_ecs_service.s",
            json!({ "network_configuration": [{}] }),
            json!({ "network_configuration": [{ "subnets": true, "assign_public_ip": true }] }),
            json!({ "network_configuration": block }),
        )
        .imported();
    assert!(doubt(resource(&imported, "instances", "aws_ecs_service.s[0]")).contains("assign_public_ip"));
}

/// A service with a block that has its subnets, and what else there is in it.
fn service(of_type: &str, block: &str, subnets: &str, more: Value) -> Value {
    let imported = Plan::vpc()
        .with(
            &format!("{of_type}.s"),
            json!({ block: [more] }),
            json!({ block: [{ subnets: true }] }),
            json!({ block: [{ subnets: { "references": ["aws_subnet.a.id"] } }] }),
        )
        .imported();
    resource(&imported, "instances", &format!("{of_type}.s[0]")).clone()
}

#[test]
fn brokers_and_batches_may_be_public() {
    let access = |word: &str| json!({ "connectivity_info": [{ "public_access": [{ "type": word }] }] });
    for (word, expected) in [("SERVICE_PROVIDED_EIPS", true), ("DISABLED", false)] {
        let one = service("aws_msk_cluster", "broker_node_group_info", "client_subnets", access(word));
        assert_eq!(one["associate_public_ip_address"], expected, "{word}");
    }
    // Instances are public where their subnet says so; tasks where their definitions do.
    for (word, is_doubted) in [("EC2", false), ("FARGATE", true)] {
        let one =
            service("aws_batch_compute_environment", "compute_resources", "subnets", json!({ "type": word }));
        assert_eq!(one.get("associate_public_ip_address"), None, "{word}");
        assert_eq!(!doubt(&one).is_empty(), is_doubted, "{word}");
    }
}

#[test]
fn a_transfer_server_has_elastic_addresses() {
    let written = |allocations: Value| json!([{ "subnet_ids": { "references": ["aws_subnet.a.id"] }, "address_allocation_ids": { "references": allocations } }]);
    let server = |allocations: Value| {
        Plan::vpc()
            .and("aws_internet_gateway.g", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
            .and("aws_eip.e", json!({}), json!({}))
            .with(
                "aws_transfer_server.s",
                json!({ "endpoint_details": [{}] }),
                json!({ "endpoint_details": [{ "subnet_ids": true, "address_allocation_ids": true }] }),
                json!({ "endpoint_details": written(allocations) }),
            )
            .imported()
    };
    let known = server(json!(["aws_eip.e.id", "aws_eip.e"]));
    assert_eq!(resource(&known, "eips", "aws_eip.e")["instance"], "aws_transfer_server.s[0]");
    let unknown = server(json!(["local.addresses"]));
    assert!(
        doubt(resource(&unknown, "instances", "aws_transfer_server.s[0]")).contains("address_allocation_ids")
    );
}

#[test]
fn what_belongs_to_another_is_where_that_is() {
    let replica = |source: Value| {
        database("aws_db_instance", json!({ "identifier": "d" }), json!({}))
            .and("aws_db_instance.r", json!({ "replicate_source_db": source }), json!({}))
            .imported()
    };
    let known = replica(json!("d"));
    assert_eq!(resource(&known, "instances", "aws_db_instance.r[1]")["subnet"], "aws_subnet.b");
    let elsewhere = replica(json!("arn:aws:rds:eu-west-1:123456789012:db:x"));
    assert!(doubt(resource(&elsewhere, "instances", "aws_db_instance.r[0]")).contains("replicates"));
    let cache = |group: &str| {
        Plan::vpc()
            .and(
                "aws_elasticache_subnet_group.g",
                json!({ "name": "g" }),
                json!({ "subnet_ids": ["aws_subnet.a.id"] }),
            )
            .and(
                "aws_elasticache_replication_group.p",
                json!({ "replication_group_id": "p", "subnet_group_name": "g" }),
                json!({}),
            )
            .and("aws_elasticache_cluster.c", json!({ "replication_group_id": group }), json!({}))
            .imported()
    };
    assert_eq!(fate(&cache("p"), "aws_elasticache_cluster.c"), Fate::NotNetwork);
    assert!(
        doubt(resource(&cache("q"), "instances", "aws_elasticache_cluster.c[0]"))
            .contains("replication group")
    );
}

#[test]
fn what_a_service_says_of_its_interfaces_and_is_not_read_is_told() {
    let database =
        |key: &str, value: Value| database("aws_db_instance", json!({ key: value }), json!({})).imported();
    for (key, value, words) in [
        ("network_type", json!("DUAL"), "its IPv6 addresses are not in the topology"),
        ("second_network", json!("x"), "second_network is not understood"),
        ("second_network", json!(false), ""),
        ("engine", json!("postgres"), ""),
    ] {
        let told = notes(&database(key, value.clone()), "aws_db_instance.d")
            .replace("it stands in each of the 2 subnets that it may be in", "");
        assert!(told.contains(words) && told.trim().is_empty() == words.is_empty(), "{key} {value}: {told}");
    }
    let written = json!([{ "subnet_ids": { "references": ["aws_subnet.a.id"] } }]);
    let function = Plan::vpc()
        .with(
            "aws_lambda_function.f",
            json!({ "vpc_config": [{ "ipv6_allowed_for_dual_stack": true }] }),
            json!({ "vpc_config": [{ "subnet_ids": true }] }),
            json!({ "vpc_config": written }),
        )
        .imported();
    let told = notes(&function, "aws_lambda_function.f");
    assert!(told.contains("its IPv6 addresses are not in the topology"), "{told}");
    assert!(told.contains("nobody can open a connection to a function"), "{told}");
}

#[test]
fn a_broker_without_subnets_is_in_the_default_vpc() {
    let broker = |engine: &str, public: Value| {
        let values = json!({ "engine_type": engine, "publicly_accessible": public });
        Plan::new().and("aws_mq_broker.b", values, json!({})).imported()
    };
    let active = broker("ActiveMQ", json!(true));
    let one = resource(&active, "instances", "aws_mq_broker.b[0]");
    assert_eq!(
        (&one["subnet"], &one["associate_public_ip_address"]),
        (&json!("default-us-east-1-a"), &json!(true))
    );
    // Public ones of the other engine are in no VPC of the account.
    assert_eq!(fate(&broker("RabbitMQ", json!(true)), "aws_mq_broker.b"), Fate::NotNetwork);
}
