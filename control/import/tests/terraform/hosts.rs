//! How do interfaces, instances and addresses come out?

use serde_json::{Value, json};
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
fn what_launches_from_another_version_than_the_latest_is_not_known() {
    let (lt, subnet) = ("lt-0123456789abcdef0", "subnet-0123456789abcdef0");
    let doubted = |template: Value, version: Value| {
        let mut values = json!({ "id": lt, "name": "lt", "network_interfaces": [] });
        template.as_object().unwrap().iter().for_each(|(key, value)| values[key] = value.clone());
        let imported = imported(
            &state(&[
                ("aws_vpc.main", json!({ "id": "vpc-1", "cidr_block": "10.0.0.0/16" })),
                ("aws_subnet.a", json!({ "id": subnet, "vpc_id": "vpc-1", "cidr_block": "10.0.1.0/24" })),
                ("aws_launch_template.lt", values),
                (
                    "aws_autoscaling_group.g",
                    json!({ "id": "g", "vpc_zone_identifier": [subnet],
                    "launch_template": [{ "id": lt, "version": version }] }),
                ),
                (
                    "aws_instance.i",
                    json!({ "id": "i-1", "subnet_id": subnet, "launch_template": [{ "id": lt, "version": version }] }),
                ),
            ]),
            &Options::default(),
        );
        // What was launched shows what it was launched with.
        assert_eq!(marked(&imported).iter().filter(|name| *name == "aws_instance.i").count(), 0);
        fate(&imported, "aws_autoscaling_group.g") == Fate::NotModelled
    };
    let two = json!({ "latest_version": 2, "default_version": 1 });
    for (version, expected) in [("$Latest", false), ("2", false), ("1", true), ("$Default", true), ("", true)]
    {
        assert_eq!(doubted(two.clone(), json!(version)), expected, "{version}");
    }
    let same = json!({ "latest_version": 2, "default_version": 2 });
    assert!(!doubted(same, json!("$Default")));
    let kept = json!({ "latest_version": 2, "default_version": 1, "update_default_version": true });
    assert!(!doubted(kept, json!("$Default")));
}

#[test]
fn a_changed_template_has_another_latest_version() {
    let (lt, subnet) = ("lt-0123456789abcdef0", "subnet-0123456789abcdef0");
    for (version, expected) in [(json!("2"), Fate::NotModelled), (json!(null), Fate::Understood)] {
        let template = json!({ "id": lt, "name": "lt", "latest_version": 2, "default_version": 1 });
        let mut changed = template.clone();
        changed.as_object_mut().unwrap().remove("latest_version");
        let reference =
            json!({ "references": ["aws_launch_template.lt.latest_version", "aws_launch_template.lt"] });
        let plan = Plan::vpc()
            .before("aws_launch_template.lt", template)
            .with("aws_launch_template.lt", changed, json!({ "latest_version": true }), json!({}))
            .with("aws_subnet.c", json!({ "id": subnet, "cidr_block": "10.0.7.0/24" }), json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
            .with(
                "aws_autoscaling_group.g",
                json!({ "launch_template": [{ "name": "lt", "version": version }] }),
                json!({ "launch_template": [{ "version": version.is_null() }] }),
                json!({ "vpc_zone_identifier": ["aws_subnet.c.id"], "launch_template": [{ "version": reference }] }),
            );
        assert_eq!(fate(&plan.imported(), "aws_autoscaling_group.g"), expected, "{version}");
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

/// An address that nobody is to have is nobody's, and that is known.
#[test]
fn an_address_that_is_nobodys_marks_nobody() {
    let imported = Plan::vpc()
        .and("aws_internet_gateway.igw", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_instance.web", json!({}), json!({ "subnet_id": "aws_subnet.a.id" }))
        .and("aws_eip.free", json!({}), json!({}))
        .imported();
    assert_eq!(marked(&imported), Vec::<String>::new());
    assert!(
        resource(&imported, "internet_gateways", "aws_internet_gateway.igw").get("not_modelled").is_none()
    );
}

/// The instances that are marked.
fn marked(imported: &vpclab_import::Imported) -> Vec<String> {
    let all = imported.document["instances"].as_object().unwrap().iter();
    all.filter(|(_, one)| one.get("not_modelled").is_some()).map(|(name, _)| name.clone()).collect()
}

#[test]
fn an_elastic_address_may_stand_for_each_that_it_is_not_known_to_leave_out() {
    let one_of =
        json!(["var.which", "aws_instance.a.id", "aws_instance.a", "aws_instance.b.id", "aws_instance.b"]);
    let instances = || {
        let mut plan = Plan::vpc();
        for name in ["a", "b", "c"] {
            plan = plan.and(
                &format!("aws_instance.{name}"),
                json!({}),
                json!({ "subnet_id": "aws_subnet.a.id" }),
            );
        }
        plan.variables.insert("which".to_owned(), json!({ "value": true }));
        plan.and("aws_internet_gateway.g", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
    };
    let both = vec!["aws_instance.a", "aws_instance.b"];
    let all = vec!["aws_instance.a", "aws_instance.b", "aws_instance.c"];
    for (references, expected) in [(one_of, both), (json!("local.instance"), all)] {
        let direct =
            instances().and("aws_eip.e", json!({}), json!({ "instance": references.clone() })).imported();
        let apart = instances()
            .and("aws_eip.e", json!({}), json!({}))
            .and(
                "aws_eip_association.x",
                json!({}),
                json!({ "allocation_id": "aws_eip.e.id", "instance_id": references.clone() }),
            )
            .imported();
        assert_eq!(
            (marked(&direct), marked(&apart)),
            (
                expected.iter().map(|one| (*one).to_owned()).collect(),
                expected.iter().map(|one| (*one).to_owned()).collect()
            ),
            "{references}"
        );
        assert_eq!(fate(&direct, "aws_eip.e"), Fate::NotModelled);
    }
    let which = instances()
        .and("aws_eip.e", json!({}), json!({}))
        .and("aws_eip_association.x", json!({}), json!({ "allocation_id": ["local.address", "aws_eip.e.id", "aws_eip.f.id"], "instance_id": "aws_instance.a.id" }))
        .and("aws_eip.f", json!({}), json!({}))
        .imported();
    assert_eq!(marked(&which), ["aws_instance.a"]);
}

#[test]
fn addresses_that_aws_chooses_are_told() {
    for (values, words) in [
        (json!({ "private_ips_count": 3 }), "private_ips_count: AWS chooses 3 more addresses"),
        (json!({ "ipv4_prefix_count": 1 }), "ipv4_prefix_count: AWS chooses 1 more blocks"),
        (json!({ "private_ips_count": 1, "private_ips": ["10.0.1.10", "10.0.1.11"] }), ""),
    ] {
        let imported = Plan::vpc()
            .and("aws_network_interface.n", values.clone(), json!({ "subnet_id": "aws_subnet.a.id" }))
            .imported();
        let told = crate::fixture::notes(&imported, "aws_network_interface.n");
        assert!(told.contains(words) && told.is_empty() == words.is_empty(), "{values}: {told}");
    }
}

#[test]
fn what_forwards_is_taken_to_forward_unchanged() {
    for (check, target, is_told) in [
        (false, "aws_instance.nat.primary_network_interface_id", true),
        (true, "aws_instance.nat.primary_network_interface_id", false),
        (false, "aws_network_interface.n.id", false),
    ] {
        let imported = Plan::vpc()
            .and(
                "aws_instance.nat",
                json!({ "source_dest_check": check }),
                json!({ "subnet_id": "aws_subnet.a.id" }),
            )
            .and(
                "aws_network_interface.n",
                json!({ "source_dest_check": check }),
                json!({ "subnet_id": "aws_subnet.a.id" }),
            )
            .and("aws_route_table.t", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
            .and(
                "aws_route.r",
                json!({ "destination_cidr_block": "0.0.0.0/0" }),
                json!({ "route_table_id": "aws_route_table.t.id", "network_interface_id": target }),
            )
            .imported();
        let told = |address: &str| crate::fixture::notes(&imported, address).contains("`forwards`");
        assert_eq!(told("aws_instance.nat"), is_told, "{check} {target}");
        assert_eq!(told("aws_network_interface.n"), !check && !is_told, "{check} {target}");
    }
}

#[test]
fn an_instance_keeps_its_public_address_when_an_interface_is_attached_later() {
    let imported = Plan::vpc()
        .and("aws_internet_gateway.igw", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_subnet.open", json!({ "cidr_block": "10.0.9.0/24", "map_public_ip_on_launch": true }), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_instance.i", json!({}), json!({ "subnet_id": "aws_subnet.open.id" }))
        .and("aws_network_interface.eni", json!({}), json!({ "subnet_id": "aws_subnet.open.id" }))
        .and("aws_network_interface_attachment.x", json!({ "device_index": 1 }), json!({ "instance_id": "aws_instance.i.id", "network_interface_id": "aws_network_interface.eni.id" }))
        .imported();
    assert_eq!(resource(&imported, "instances", "aws_instance.i")["associate_public_ip_address"], true);
    assert!(notes(&imported, "aws_instance.i").contains("attached after its launch"));
}
