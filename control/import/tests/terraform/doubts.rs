//! Is in doubt all that something may change of which it is not known what it changes?

use serde_json::{Value, json};
use vpclab_import::{Fate, Imported};

use crate::fixture::{Plan, fate, notes, resource};

/// The resources of a kind that are marked.
fn marked(imported: &Imported, kind: &str) -> Vec<String> {
    let all = imported.document.get(kind).and_then(Value::as_object).into_iter().flatten();
    all.filter(|(_, one)| one.get("not_modelled").is_some()).map(|(name, _)| name.clone()).collect()
}

/// A plan with a third subnet that has an ACL of its own, and an ACL of which it is not known which subnets have it.
fn with_acl(subnets: Value, unknown: Value) -> Plan {
    Plan::vpc()
        .and(
            "aws_subnet.c",
            json!({ "cidr_block": "10.0.3.0/24", "availability_zone": "us-east-1a" }),
            json!({ "vpc_id": "aws_vpc.main.id" }),
        )
        .and(
            "aws_network_acl.own",
            json!({}),
            json!({ "vpc_id": "aws_vpc.main.id", "subnet_ids": ["aws_subnet.c.id"] }),
        )
        .with(
            "aws_network_acl.n",
            json!({ "subnet_ids": subnets }),
            unknown,
            json!({ "vpc_id": "aws_vpc.main.id",
                "subnet_ids": [{ "references": ["local.subnets"] }] }),
        )
}

#[test]
fn an_acl_whose_subnets_are_not_known_may_be_that_of_each() {
    for (subnets, unknown) in [
        (Value::Null, json!({ "subnet_ids": true })),
        (json!([null, null]), json!({ "subnet_ids": [true, true] })),
    ] {
        let imported = with_acl(subnets, unknown).imported();
        assert_eq!(fate(&imported, "aws_network_acl.n"), Fate::NotModelled);
        assert_eq!(marked(&imported, "subnets"), ["aws_subnet.a", "aws_subnet.b"]);
        assert_eq!(marked(&imported, "network_acls"), ["aws_vpc.main/default"]);
        assert_eq!(resource(&imported, "subnets", "aws_subnet.c")["network_acl"], "aws_network_acl.own");
    }
}

#[test]
fn what_is_left_out_puts_in_doubt_what_it_refers_to() {
    for (address, references, kind, expected) in [
        (
            "awscc_ec2_network_acl_entry.x",
            json!({ "network_acl_id": "aws_network_acl.n.id" }),
            "network_acls",
            vec!["aws_network_acl.n"],
        ),
        // Of a local value each that fits.
        (
            "awscc_ec2_network_acl_entry.x",
            json!({ "network_acl_id": "local.acl" }),
            "network_acls",
            vec!["aws_network_acl.n"],
        ),
        (
            "aws_new_thing.x",
            json!({ "places": ["aws_subnet.a.id", "aws_subnet.a"] }),
            "subnets",
            vec!["aws_subnet.a"],
        ),
        (
            "aws_new_thing.x",
            json!({ "at": [{ "vpc": { "references": ["aws_vpc.main.id"] } }] }),
            "vpcs",
            vec!["aws_vpc.main"],
        ),
        (
            "awscc_rds_db_instance.x",
            json!({ "groups": "aws_security_group.web.id" }),
            "security_groups",
            vec!["aws_security_group.web"],
        ),
        (
            "aws_new_thing.x",
            json!({ "group": ["aws_vpc.main.default_security_group_id", "aws_vpc.main"] }),
            "security_groups",
            vec!["aws_vpc.main/default"],
        ),
        (
            "aws_globalaccelerator_endpoint_group.x",
            json!({ "endpoint_configuration": [{ "endpoint_id": { "references": ["aws_instance.i.id"] } }] }),
            "instances",
            vec!["aws_instance.i"],
        ),
        (
            "aws_new_thing.x",
            json!({ "function": "aws_lambda_function.f.arn" }),
            "instances",
            vec!["aws_lambda_function.f[0]"],
        ),
        ("aws_s3_bucket.x", json!({ "vpc": "aws_vpc.main.id" }), "vpcs", vec![]),
    ] {
        let imported = Plan::vpc()
            .and("aws_network_acl.n", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
            .and("aws_instance.i", json!({}), json!({ "subnet_id": "aws_subnet.a.id" }))
            .with(
                "aws_lambda_function.f",
                json!({ "vpc_config": [{}] }),
                json!({ "vpc_config": [{ "subnet_ids": true }] }),
                json!({ "vpc_config": [{ "subnet_ids": { "references": ["aws_subnet.a.id"] } }] }),
            )
            .and(address, json!({}), references.clone())
            .imported();
        assert_eq!(marked(&imported, kind), expected, "{address} {references}");
        let expected = if address.starts_with("aws_s3") { Fate::NotNetwork } else { Fate::LeftOut };
        assert_eq!(fate(&imported, address), expected, "{address}");
    }
}

#[test]
fn what_an_id_in_what_is_left_out_means_is_in_doubt() {
    let state = crate::fixture::state(&[
        ("aws_vpc.v", json!({ "id": "vpc-0aaaaaaaaaaaaaaaa", "cidr_block": "10.0.0.0/16" })),
        ("aws_new_thing.x", json!({ "id": "x", "settings": [{ "network": "vpc-0aaaaaaaaaaaaaaaa" }] })),
    ]);
    let imported = crate::fixture::imported(&state, &vpclab_import::Options::default());
    assert_eq!(marked(&imported, "vpcs"), ["aws_vpc.v"]);
}

#[test]
fn who_is_let_in_by_a_client_vpn_endpoint_is_not_modelled() {
    for of_type in ["aws_ec2_client_vpn_authorization_rule", "aws_ec2_client_vpn_route"] {
        let address = format!("{of_type}.r");
        let imported = Plan::vpc()
            .and("aws_ec2_client_vpn_endpoint.e", json!({}), json!({}))
            .and(&address, json!({}), json!({ "client_vpn_endpoint_id": "aws_ec2_client_vpn_endpoint.e.id" }))
            .imported();
        assert_eq!(fate(&imported, &address), Fate::NotModelled);
    }
}

#[test]
fn a_part_that_is_not_known_is_reported_and_marks_the_whole() {
    for (address, values, references, kind, marks) in [
        (
            "aws_vpc_endpoint_security_group_association.x",
            json!({}),
            json!({ "vpc_endpoint_id": "aws_vpc_endpoint.e.id", "security_group_id": "local.z" }),
            "vpc_endpoints",
            vec!["aws_vpc_endpoint.e"],
        ),
        (
            "aws_vpc_ipv4_cidr_block_association.x",
            json!({}),
            json!({ "vpc_id": "aws_vpc.main.id", "cidr_block": "local.block" }),
            "vpcs",
            vec!["aws_vpc.main"],
        ),
        (
            "aws_network_interface_attachment.x",
            json!({ "device_index": 1 }),
            json!({ "network_interface_id": "aws_network_interface.n.id", "instance_id": "local.i" }),
            "network_interfaces",
            vec!["aws_network_interface.n"],
        ),
        (
            "aws_main_route_table_association.x",
            json!({}),
            json!({ "vpc_id": "aws_vpc.main.id", "route_table_id": "local.table" }),
            "route_tables",
            vec!["aws_vpc.main/main"],
        ),
        (
            "aws_network_acl_association.x",
            json!({}),
            json!({ "subnet_id": "aws_subnet.a.id", "network_acl_id": "local.acl" }),
            "subnets",
            vec!["aws_subnet.a"],
        ),
        (
            "aws_route.x",
            json!({ "destination_cidr_block": "0.0.0.0/0" }),
            json!({ "route_table_id": "local.table", "gateway_id": "aws_internet_gateway.g.id" }),
            "route_tables",
            vec!["aws_vpc.main/main"],
        ),
    ] {
        let imported = Plan::vpc()
            .and("aws_internet_gateway.g", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
            .and("aws_network_interface.n", json!({}), json!({ "subnet_id": "aws_subnet.a.id" }))
            .and(
                "aws_vpc_endpoint.e",
                json!({ "service_name": "com.amazonaws.us-east-1.ssm", "vpc_endpoint_type": "Interface" }),
                json!({ "vpc_id": "aws_vpc.main.id", "subnet_ids": ["aws_subnet.a.id"] }),
            )
            .and("aws_security_group.two", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
            .and(address, values, references)
            .imported();
        assert_eq!(fate(&imported, address), Fate::NotModelled, "{address}");
        assert!(notes(&imported, address).contains("not known"), "{address}");
        assert_eq!(marked(&imported, kind), marks, "{address}");
    }
}

#[test]
fn a_group_of_an_interface_that_is_not_known_may_be_that_of_an_instance() {
    let imported = Plan::vpc()
        .and("aws_instance.i", json!({}), json!({ "subnet_id": "aws_subnet.a.id" }))
        .and("aws_network_interface_sg_attachment.x", json!({}), json!({ "security_group_id": "aws_security_group.web.id", "network_interface_id": "local.interface" }))
        .imported();
    assert_eq!(marked(&imported, "instances"), ["aws_instance.i"]);
}
