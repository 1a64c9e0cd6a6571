//! How do interfaces, instances and addresses come out?

use serde_json::json;
use vpclab_import::{Fate, Options};

use crate::fixture::{Plan, fate, imported, notes, resource, state};

#[test]
fn an_instance_says_where_it_is_and_who_guards_it() {
    let imported = Plan::vpc()
        .and(
            "aws_instance.i",
            json!({ "private_ip": "10.0.1.10", "secondary_private_ips": ["10.0.1.11"], "source_dest_check": false, "associate_public_ip_address": true, "ami": "ami-1", "instance_type": "t3.micro", "tags": { "Name": "web" } }),
            json!({ "subnet_id": "aws_subnet.a.id", "vpc_security_group_ids": ["aws_security_group.web.id"] }),
        )
        .and("aws_internet_gateway.igw", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .imported();
    assert_eq!(
        *resource(&imported, "instances", "aws_instance.i"),
        json!({ "subnet": "aws_subnet.a", "private_ip": "10.0.1.10", "secondary_private_ips": ["10.0.1.11"], "source_dest_check": false,
            "security_groups": ["aws_security_group.web"], "associate_public_ip_address": true, "tags": { "Name": "web" } })
    );
    assert_eq!(fate(&imported, "aws_instance.i"), Fate::Understood);
}

#[test]
fn an_instance_may_have_interfaces_of_their_own() {
    let eni = json!({ "subnet_id": "aws_subnet.a.id", "security_groups": ["aws_security_group.web.id"] });
    let imported = Plan::vpc()
        .and("aws_network_interface.first", json!({ "private_ips": ["10.0.1.20"] }), eni.clone())
        .and("aws_network_interface.second", json!({ "private_ips": ["10.0.1.21", "10.0.1.22"], "private_ip": "10.0.1.22" }), eni)
        .with(
            "aws_instance.i",
            json!({ "network_interface": [{ "device_index": 0 }] }),
            json!({ "network_interface": [{ "network_interface_id": true }], "subnet_id": true }),
            json!({ "network_interface": [{ "device_index": { "constant_value": 0 }, "network_interface_id": { "references": ["aws_network_interface.first.id"] } }] }),
        )
        .and("aws_network_interface_attachment.x", json!({ "device_index": 1 }), json!({ "instance_id": "aws_instance.i.id", "network_interface_id": "aws_network_interface.second.id" }))
        .imported();
    assert_eq!(
        resource(&imported, "instances", "aws_instance.i")["network_interfaces"],
        json!([{ "network_interface": "aws_network_interface.first", "device_index": 0 }])
    );
    let second = resource(&imported, "network_interfaces", "aws_network_interface.second");
    assert_eq!(second["attachment"], json!({ "instance": "aws_instance.i", "device_index": 1 }));
    assert_eq!(
        (&second["private_ip"], &second["secondary_private_ips"]),
        (&json!("10.0.1.22"), &json!(["10.0.1.21"]))
    );
}

#[test]
fn elastic_addresses_stand_for_instances_interfaces_and_nat_gateways() {
    let imported = Plan::vpc()
        .and("aws_internet_gateway.igw", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_instance.i", json!({}), json!({ "subnet_id": "aws_subnet.a.id" }))
        .and("aws_network_interface.eni", json!({ "private_ips": ["10.0.1.20"] }), json!({ "subnet_id": "aws_subnet.a.id" }))
        .and("aws_eip.inline", json!({ "domain": "vpc" }), json!({ "instance": "aws_instance.i.id" }))
        .and("aws_eip.apart", json!({}), json!({}))
        .and("aws_eip_association.x", json!({ "private_ip_address": "10.0.1.20" }), json!({ "allocation_id": ["aws_eip.apart.allocation_id"], "network_interface_id": "aws_network_interface.eni.id" }))
        .and("aws_eip.nat", json!({}), json!({}))
        .and("aws_nat_gateway.nat", json!({}), json!({ "subnet_id": "aws_subnet.a.id", "allocation_id": "aws_eip.nat.id" }))
        .imported();
    assert_eq!(resource(&imported, "eips", "aws_eip.inline")["instance"], "aws_instance.i");
    let apart = resource(&imported, "eips", "aws_eip.apart");
    assert_eq!(
        (&apart["network_interface"], &apart["associate_with_private_ip"]),
        (&json!("aws_network_interface.eni"), &json!("10.0.1.20"))
    );
    assert_eq!(resource(&imported, "nat_gateways", "aws_nat_gateway.nat")["allocation"], "aws_eip.nat");
}

#[test]
fn a_state_shows_the_address_of_a_nat_gateway_at_its_interface() {
    let imported = imported(
        &state(&[
            ("aws_vpc.main", json!({ "id": "vpc-0123456789abcdef0", "cidr_block": "10.0.0.0/16" })),
            (
                "aws_subnet.a",
                json!({ "id": "subnet-0123456789abcdef0", "vpc_id": "vpc-0123456789abcdef0", "cidr_block": "10.0.1.0/24" }),
            ),
            (
                "aws_internet_gateway.igw",
                json!({ "id": "igw-0123456789abcdef0", "vpc_id": "vpc-0123456789abcdef0" }),
            ),
            (
                "aws_eip.nat",
                json!({ "id": "eipalloc-0123456789abcdef0", "allocation_id": "eipalloc-0123456789abcdef0", "public_ip": "52.1.2.3", "network_interface": "eni-0123456789abcdef0", "instance": "" }),
            ),
            (
                "aws_nat_gateway.nat",
                json!({ "id": "nat-0123456789abcdef0", "subnet_id": "subnet-0123456789abcdef0", "allocation_id": "eipalloc-0123456789abcdef0", "private_ip": "10.0.1.5", "network_interface_id": "eni-0123456789abcdef0", "public_ip": "52.1.2.3" }),
            ),
            (
                "aws_instance.i",
                json!({ "id": "i-0123456789abcdef0", "primary_network_interface_id": "eni-0fedcba9876543210", "subnet_id": "subnet-0123456789abcdef0", "private_ip": "10.0.1.9", "associate_public_ip_address": true, "public_ip": "52.1.2.4", "instance_state": "running" }),
            ),
            (
                "aws_instance.off",
                json!({ "id": "i-1", "subnet_id": "subnet-0123456789abcdef0", "private_ip": "10.0.1.8", "instance_state": "stopped" }),
            ),
            (
                "aws_eip.i",
                json!({ "id": "eipalloc-1", "public_ip": "52.1.2.5", "instance": "i-0123456789abcdef0", "network_interface": "eni-0fedcba9876543210" }),
            ),
        ]),
        &Options::default(),
    );
    let nat = resource(&imported, "nat_gateways", "aws_nat_gateway.nat");
    assert_eq!((&nat["allocation"], &nat["private_ip"]), (&json!("aws_eip.nat"), &json!("10.0.1.5")));
    assert!(resource(&imported, "eips", "aws_eip.nat").get("network_interface").is_none());
    assert_eq!(resource(&imported, "eips", "aws_eip.i")["instance"], "aws_instance.i");
    assert!(resource(&imported, "instances", "aws_instance.i").get("public_ip").is_none());
    assert_eq!(resource(&imported, "instances", "aws_instance.off")["state"], "stopped");
}

#[test]
fn a_group_of_instances_is_one_in_each_subnet() {
    let zones = json!(["aws_subnet.a.id", "aws_subnet.b.id"]);
    let specification = json!([{ "launch_template": [{ "launch_template_specification": [{ "launch_template_name": "lt" }] }] }]);
    for (plan, why) in [
        (
            Plan::vpc()
                .and("aws_launch_template.lt", json!({ "name": "lt" }), json!({ "vpc_security_group_ids": ["aws_security_group.web.id"] }))
                .with("aws_autoscaling_group.g", json!({ "launch_template": [{ "version": "$Latest" }] }), json!({ "launch_template": [{ "id": true }] }),
                    json!({ "vpc_zone_identifier": zones, "launch_template": [{ "id": { "references": ["aws_launch_template.lt.id"] } }] })),
            "by id",
        ),
        (
            Plan::vpc()
                .and("aws_launch_template.lt", json!({ "name": "lt" }), json!({ "vpc_security_group_ids": ["aws_security_group.web.id"] }))
                .and("aws_autoscaling_group.g", json!({ "mixed_instances_policy": specification }), json!({ "vpc_zone_identifier": zones })),
            "mixed",
        ),
        (
            Plan::vpc()
                .and("aws_launch_configuration.lc", json!({ "name": "lc" }), json!({ "security_groups": ["aws_security_group.web.id"] }))
                .and("aws_autoscaling_group.g", json!({ "launch_configuration": "lc" }), json!({ "vpc_zone_identifier": zones })),
            "configuration",
        ),
    ] {
        let imported = plan.imported();
        for (index, subnet) in ["aws_subnet.a", "aws_subnet.b"].iter().enumerate() {
            let one = resource(&imported, "instances", &format!("aws_autoscaling_group.g[{index}]"));
            assert_eq!((&one["subnet"], &one["security_groups"]), (&json!(subnet), &json!(["aws_security_group.web"])), "{why}");
        }
    }
}

#[test]
fn a_group_without_its_template_is_not_known() {
    let imported = Plan::vpc()
        .and(
            "aws_autoscaling_group.g",
            json!({ "launch_template": [{ "name": "elsewhere" }] }),
            json!({ "vpc_zone_identifier": ["aws_subnet.a.id"] }),
        )
        .imported();
    assert_eq!(fate(&imported, "aws_autoscaling_group.g"), Fate::NotModelled);
    assert!(notes(&imported, "aws_autoscaling_group.g").contains("launch template is in no source"));
}

/// An address that is known only after apply to be somebody's may be anybody's who has none: what that decides is decided
/// at the internet gateways.
#[test]
fn an_address_that_may_be_anybodys_leaves_the_internet_gateways_unknown() {
    let with = |eip: &str, references: serde_json::Value| {
        Plan::vpc()
            .and("aws_internet_gateway.igw", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
            .and("aws_instance.web", json!({}), json!({ "subnet_id": "aws_subnet.a.id" }))
            .and(eip, json!({}), references)
    };
    let marked = |imported: &vpclab_import::Imported, kind: &str, name: &str| {
        resource(imported, kind, name).get("not_modelled").is_some()
    };
    let loose = with("aws_eip.loose", json!({ "instance": "local.instance_of_some_kind" })).imported();
    assert!(marked(&loose, "internet_gateways", "aws_internet_gateway.igw"));
    assert!(!marked(&loose, "instances", "aws_instance.web"));
    let free = with("aws_eip.free", json!({})).imported();
    assert!(
        !marked(&free, "internet_gateways", "aws_internet_gateway.igw"),
        "it is nobody's, and that is known"
    );
}
