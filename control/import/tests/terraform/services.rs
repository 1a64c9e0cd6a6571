//! How does what other services put into subnets come out?

use serde_json::{Value, json};
use vpclab_import::{Fate, Options};

use crate::fixture::{Plan, fate, imported, resource, state};

fn block(subnets: &str, groups: &str) -> (Value, Value, Value) {
    (
        json!([{}]),
        json!([{ subnets: true, groups: true }]),
        json!([{ subnets: { "references": ["aws_subnet.a.id", "aws_subnet.b.id"] }, groups: { "references": ["aws_security_group.web.id"] } }]),
    )
}

#[test]
fn a_service_is_one_end_in_each_of_its_subnets() {
    for (of_type, attribute, subnets, groups) in [
        ("aws_ecs_service", "network_configuration", "subnets", "security_groups"),
        ("aws_lambda_function", "vpc_config", "subnet_ids", "security_group_ids"),
        ("aws_opensearch_domain", "vpc_options", "subnet_ids", "security_group_ids"),
        ("aws_msk_cluster", "broker_node_group_info", "client_subnets", "security_groups"),
        ("aws_codebuild_project", "vpc_config", "subnets", "security_group_ids"),
    ] {
        let (values, unknown, written) = block(subnets, groups);
        let address = format!("{of_type}.x");
        let imported = Plan::vpc()
            .with(
                &address,
                json!({ attribute: values }),
                json!({ attribute: unknown }),
                json!({ attribute: written }),
            )
            .imported();
        for (index, subnet) in ["aws_subnet.a", "aws_subnet.b"].iter().enumerate() {
            let one = resource(&imported, "instances", &format!("{address}[{index}]"));
            assert_eq!(
                (&one["subnet"], &one["security_groups"]),
                (&json!(subnet), &json!(["aws_security_group.web"])),
                "{of_type}"
            );
        }
        let outside = Plan::vpc().and(&address, json!({}), json!({})).imported();
        assert_eq!(fate(&outside, &address), Fate::NotNetwork, "{of_type}");
    }
}

#[test]
fn a_service_that_names_a_subnet_group_is_in_its_subnets() {
    for (of_type, group_type, attribute, groups) in [
        ("aws_db_instance", "aws_db_subnet_group", "db_subnet_group_name", "vpc_security_group_ids"),
        ("aws_rds_cluster", "aws_db_subnet_group", "db_subnet_group_name", "vpc_security_group_ids"),
        ("aws_docdb_cluster", "aws_docdb_subnet_group", "db_subnet_group_name", "vpc_security_group_ids"),
        (
            "aws_elasticache_cluster",
            "aws_elasticache_subnet_group",
            "subnet_group_name",
            "security_group_ids",
        ),
        (
            "aws_elasticache_replication_group",
            "aws_elasticache_subnet_group",
            "subnet_group_name",
            "security_group_ids",
        ),
        (
            "aws_redshift_cluster",
            "aws_redshift_subnet_group",
            "cluster_subnet_group_name",
            "vpc_security_group_ids",
        ),
    ] {
        let (address, group) = (format!("{of_type}.x"), format!("{group_type}.g"));
        for named in [
            json!({ attribute: format!("{group}.name"), groups: ["aws_security_group.web.id"] }),
            json!({ groups: ["aws_security_group.web.id"] }),
        ] {
            let is_known = named.get(attribute).is_none();
            let values = if is_known { json!({ attribute: "the-group" }) } else { json!({}) };
            let imported = Plan::vpc()
                .and(
                    &group,
                    json!({ "name": "the-group" }),
                    json!({ "subnet_ids": ["aws_subnet.a.id", "aws_subnet.b.id"] }),
                )
                .and(&address, values, named)
                .imported();
            let one = resource(&imported, "instances", &format!("{address}[1]"));
            assert_eq!(
                (&one["subnet"], &one["security_groups"]),
                (&json!("aws_subnet.b"), &json!(["aws_security_group.web"])),
                "{of_type}"
            );
        }
    }
}

#[test]
fn what_makes_its_groups_itself_is_not_known() {
    let imported = Plan::vpc()
        .and("aws_eks_node_group.n", json!({}), json!({ "subnet_ids": ["aws_subnet.a.id"] }))
        .imported();
    assert_eq!(fate(&imported, "aws_eks_node_group.n"), Fate::NotModelled);
    assert!(resource(&imported, "instances", "aws_eks_node_group.n[0]")["not_modelled"].is_string());
}

#[test]
fn a_mount_target_has_its_address() {
    let imported = Plan::vpc()
        .and(
            "aws_efs_mount_target.m",
            json!({ "ip_address": "10.0.1.30" }),
            json!({ "subnet_id": "aws_subnet.a.id", "security_groups": ["aws_security_group.web.id"] }),
        )
        .imported();
    assert_eq!(resource(&imported, "instances", "aws_efs_mount_target.m[0]")["private_ip"], "10.0.1.30");
}

#[test]
fn load_balancers_have_listeners_and_targets() {
    let imported = Plan::vpc()
        .and("aws_instance.i", json!({}), json!({ "subnet_id": "aws_subnet.a.id" }))
        .and("aws_lb.l", json!({ "internal": true, "load_balancer_type": "application" }), json!({ "subnets": ["aws_subnet.a.id", "aws_subnet.b.id"], "security_groups": ["aws_security_group.web.id"] }))
        .and("aws_lb_listener.x", json!({ "port": 443, "protocol": "HTTPS" }), json!({ "load_balancer_arn": "aws_lb.l.arn" }))
        .and("aws_lb_target_group.t", json!({ "port": 80, "protocol": "HTTP" }), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_lb_target_group_attachment.x", json!({}), json!({ "target_group_arn": "aws_lb_target_group.t.arn", "target_id": "aws_instance.i.id" }))
        .imported();
    assert_eq!(
        resource(&imported, "load_balancers", "aws_lb.l")["subnets"],
        json!(["aws_subnet.a", "aws_subnet.b"])
    );
    assert_eq!(
        *resource(&imported, "listeners", "aws_lb_listener.x"),
        json!({ "load_balancer": "aws_lb.l", "port": 443, "protocol": "HTTPS" })
    );
    assert_eq!(
        resource(&imported, "target_groups", "aws_lb_target_group.t")["targets"],
        json!(["aws_instance.i"])
    );
}

#[test]
fn a_network_load_balancer_may_choose_its_addresses() {
    let imported = Plan::vpc()
        .with(
            "aws_lb.n",
            json!({ "internal": true, "load_balancer_type": "network", "subnet_mapping": [{ "private_ipv4_address": "10.0.1.40" }] }),
            json!({ "subnet_mapping": [{ "subnet_id": true }] }),
            json!({ "subnet_mapping": [{ "subnet_id": { "references": ["aws_subnet.a.id"] }, "private_ipv4_address": { "constant_value": "10.0.1.40" } }] }),
        )
        .imported();
    assert_eq!(
        resource(&imported, "load_balancers", "aws_lb.n")["subnet_mapping"],
        json!([{ "subnet": "aws_subnet.a", "private_ipv4_address": "10.0.1.40" }])
    );
}

#[test]
fn a_classic_load_balancer_is_one_with_its_listeners() {
    let imported = Plan::vpc()
        .and(
            "aws_elb.e",
            json!({ "internal": true, "listener": [{ "lb_port": 443, "lb_protocol": "ssl", "instance_port": 80, "instance_protocol": "tcp" }] }),
            json!({ "subnets": ["aws_subnet.a.id"], "security_groups": ["aws_security_group.web.id"] }),
        )
        .imported();
    assert_eq!(
        *resource(&imported, "load_balancers", "aws_elb.e"),
        json!({ "load_balancer_type": "classic", "internal": true, "subnets": ["aws_subnet.a"], "security_groups": ["aws_security_group.web"] })
    );
    assert_eq!(
        *resource(&imported, "listeners", "aws_elb.e-443"),
        json!({ "load_balancer": "aws_elb.e", "port": 443, "protocol": "SSL" })
    );
}

#[test]
fn what_the_model_only_stores_is_stored() {
    let imported = Plan::vpc()
        .with("aws_networkfirewall_firewall.w", json!({ "name": "w", "subnet_mapping": [{}] }), json!({ "subnet_mapping": [{ "subnet_id": true }] }),
            json!({ "vpc_id": "aws_vpc.main.id", "subnet_mapping": [{ "subnet_id": { "references": ["aws_subnet.a.id"] } }] }))
        .and("aws_vpc_block_public_access_options.o", json!({ "internet_gateway_block_mode": "block-ingress" }), json!({}))
        .and("aws_ec2_client_vpn_endpoint.c", json!({}), json!({ "vpc_id": "aws_vpc.main.id", "security_group_ids": ["aws_security_group.web.id"] }))
        .and("aws_ec2_client_vpn_network_association.c", json!({}), json!({ "client_vpn_endpoint_id": "aws_ec2_client_vpn_endpoint.c.id", "subnet_id": "aws_subnet.b.id" }))
        .and("aws_vpc_endpoint_service.s", json!({}), json!({}))
        .and("aws_globalaccelerator_accelerator.g", json!({ "name": "g" }), json!({}))
        .imported();
    assert_eq!(
        resource(&imported, "network_firewalls", "aws_networkfirewall_firewall.w")["subnets"],
        json!(["aws_subnet.a"])
    );
    assert_eq!(
        resource(&imported, "vpc_block_public_access_options", "aws_vpc_block_public_access_options.o")["internet_gateway_block_mode"],
        "block-ingress"
    );
    assert_eq!(
        resource(&imported, "client_vpn_endpoints", "aws_ec2_client_vpn_endpoint.c")["subnets"],
        json!(["aws_subnet.b"])
    );
    resource(&imported, "vpc_endpoint_services", "aws_vpc_endpoint_service.s");
    resource(&imported, "global_accelerators", "aws_globalaccelerator_accelerator.g");
}

#[test]
fn a_load_balancer_of_which_not_all_is_known_is_marked() {
    let written = |subnet: &str| json!({ "subnet_id": { "references": [subnet] } });
    let mapped = json!([written("aws_subnet.a.id"), written("local.subnet")]);
    for (values, unknown, references) in [
        (
            json!({ "subnet_mapping": [{}, {}] }),
            json!({ "subnet_mapping": [{ "subnet_id": true }, { "subnet_id": true }] }),
            json!({ "subnet_mapping": mapped }),
        ),
        (json!({}), json!({}), json!({ "subnets": ["aws_subnet.a.id"], "internal": "local.internal" })),
    ] {
        let plan = Plan::vpc().with("aws_lb.l", values, unknown, references.clone());
        let imported = plan.imported();
        assert_eq!(fate(&imported, "aws_lb.l"), Fate::NotModelled, "{references}");
    }
}

#[test]
fn what_stands_in_blocks_of_blocks_or_in_one_of_several_has_its_interfaces() {
    let (subnet, group) = ("subnet-0123456789abcdef0", "sg-0123456789abcdef0");
    let inner = json!([{ "subnet_ids": [subnet], "security_group_ids": [group], "subnets": [subnet] }]);
    let flat = json!({ "subnet_ids": [subnet], "subnet_id": subnet, "security_group_ids": [group] });
    for (of_type, values) in [
        ("aws_synthetics_canary", json!({ "vpc_config": inner })),
        ("aws_sagemaker_model", json!({ "vpc_config": inner })),
        ("aws_quicksight_vpc_connection", flat.clone()),
        ("aws_imagebuilder_infrastructure_configuration", flat.clone()),
        (
            "aws_kinesis_firehose_delivery_stream",
            json!({ "opensearch_configuration": [{ "vpc_config": inner }] }),
        ),
        (
            "aws_kinesis_firehose_delivery_stream",
            json!({ "elasticsearch_configuration": [{ "vpc_config": inner }] }),
        ),
        ("aws_prometheus_scraper", json!({ "source": [{ "eks": inner }] })),
        (
            "aws_kinesisanalyticsv2_application",
            json!({ "application_configuration": [{ "vpc_configuration": inner }] }),
        ),
        ("aws_emr_cluster", json!({ "ec2_attributes": [{ "subnet_id": "", "subnet_ids": [subnet] }] })),
        ("aws_appstream_fleet", json!({ "vpc_config": inner })),
        ("aws_opensearchserverless_vpc_endpoint", flat.clone()),
        (
            "aws_route53_resolver_endpoint",
            json!({ "security_group_ids": [group], "ip_address": [{ "subnet_id": subnet, "ip": "10.0.1.20" }] }),
        ),
    ] {
        let address = format!("{of_type}.x");
        let imported = imported(
            &state(&[
                ("aws_vpc.main", json!({ "id": "vpc-1", "cidr_block": "10.0.0.0/16" })),
                ("aws_subnet.a", json!({ "id": subnet, "vpc_id": "vpc-1", "cidr_block": "10.0.1.0/24" })),
                (
                    "aws_security_group.g",
                    json!({ "id": group, "vpc_id": "vpc-1", "ingress": [], "egress": [] }),
                ),
                (&address, values),
            ]),
            &Options::default(),
        );
        let end = resource(&imported, "instances", &format!("{address}[0]"));
        assert_eq!(end["subnet"], "aws_subnet.a", "{of_type}");
        let is_public = end.get("associate_public_ip_address");
        if of_type == "aws_emr_cluster" {
            assert!(end["not_modelled"].is_string());
        } else {
            assert_eq!(end["security_groups"], json!(["aws_security_group.g"]), "{of_type}");
        }
        // Machines have public addresses where their subnets say so.
        let is_machine =
            ["aws_emr_cluster", "aws_imagebuilder_infrastructure_configuration"].contains(&of_type);
        assert_eq!(is_public.is_none(), is_machine, "{of_type}");
        assert!(resource(&imported, "subnets", "aws_subnet.a").get("not_modelled").is_none(), "{of_type}");
    }
    // Without subnets it is in no VPC.
    let imported = imported(
        &state(&[("aws_kinesis_firehose_delivery_stream.x", json!({ "name": "x" }))]),
        &Options::default(),
    );
    assert_eq!(fate(&imported, "aws_kinesis_firehose_delivery_stream.x"), Fate::NotNetwork);
}

#[test]
fn a_service_has_ipv6_addresses_only_where_it_asks_for_them() {
    let (subnet, group) = ("subnet-0123456789abcdef0", "sg-0123456789abcdef0");
    let in_vpc = |more: Value| {
        let mut block = json!({ "subnet_ids": [subnet], "security_group_ids": [group] });
        more.as_object().unwrap().iter().for_each(|(key, value)| block[key] = value.clone());
        json!({ "vpc_config": [block] })
    };
    let flat = |key: &str, word: &str| json!({ "subnet_id": subnet, "subnet_ids": [subnet], "security_groups": [group], key: word });
    let none = Some(json!([]));
    for (of_type, values, count, addresses) in [
        ("aws_lambda_function", in_vpc(json!({})), None, none.clone()),
        ("aws_lambda_function", in_vpc(json!({ "ipv6_allowed_for_dual_stack": false })), None, none.clone()),
        ("aws_lambda_function", in_vpc(json!({ "ipv6_allowed_for_dual_stack": true })), Some(json!(1)), None),
        ("aws_efs_mount_target", flat("ip_address_type", "IPV4_ONLY"), None, none.clone()),
        ("aws_efs_mount_target", flat("ip_address_type", "DUAL_STACK"), Some(json!(1)), None),
        ("aws_elasticache_serverless_cache", flat("network_type", "ipv4"), None, none),
        // What is like an instance has what its subnet gives.
        ("aws_imagebuilder_infrastructure_configuration", flat("x", ""), None, None),
    ] {
        let address = format!("{of_type}.x");
        let imported = imported(
            &state(&[
                (
                    "aws_vpc.main",
                    json!({ "id": "vpc-1", "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56" }),
                ),
                (
                    "aws_subnet.a",
                    json!({ "id": subnet, "vpc_id": "vpc-1", "cidr_block": "10.0.1.0/24",
                    "ipv6_cidr_block": "2001:db8:1::/64", "assign_ipv6_address_on_creation": true }),
                ),
                (
                    "aws_security_group.g",
                    json!({ "id": group, "vpc_id": "vpc-1", "ingress": [], "egress": [] }),
                ),
                (&address, values.clone()),
            ]),
            &Options::default(),
        );
        let end = resource(&imported, "instances", &format!("{address}[0]"));
        assert_eq!(end.get("ipv6_address_count"), count.as_ref(), "{of_type} {values}");
        assert_eq!(end.get("ipv6_addresses"), addresses.as_ref(), "{of_type} {values}");
    }
}
