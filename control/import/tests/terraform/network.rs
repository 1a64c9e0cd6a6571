//! How do VPCs, subnets, routes and prefix lists come out?

use serde_json::{Value, json};
use vpclab_import::{Fate, Options};

use crate::fixture::{Plan, fate, imported, notes, resource, state};

#[test]
fn blocks_of_a_vpc_come_from_it_and_from_associations() {
    let imported = Plan::vpc()
        .and(
            "aws_vpc_ipv4_cidr_block_association.x",
            json!({ "cidr_block": "10.1.0.0/16" }),
            json!({ "vpc_id": "aws_vpc.main.id" }),
        )
        .and(
            "aws_vpc_ipv6_cidr_block_association.x",
            json!({ "ipv6_cidr_block": "2001:db8:7::/56" }),
            json!({ "vpc_id": "aws_vpc.main.id" }),
        )
        .imported();
    let vpc = resource(&imported, "vpcs", "aws_vpc.main");
    assert_eq!(vpc["secondary_cidr_blocks"], json!(["10.1.0.0/16"]));
    assert_eq!(vpc["ipv6_cidr_blocks"], json!(["2001:db8:7::/56"]));
}

#[test]
fn a_block_that_an_address_manager_chooses_is_not_known() {
    let imported = Plan::new()
        .and("aws_vpc.v", json!({ "ipv4_ipam_pool_id": "ipam-pool-1", "ipv4_netmask_length": 20 }), json!({}))
        .imported();
    assert_eq!(fate(&imported, "aws_vpc.v"), Fate::NotModelled);
    assert!(resource(&imported, "vpcs", "aws_vpc.v")["not_modelled"].is_string());
}

#[test]
fn ipv6_blocks_that_are_known_only_after_apply_are_chosen_inside_the_vpcs() {
    let imported = Plan::new()
        .with(
            "aws_vpc.v",
            json!({ "cidr_block": "10.0.0.0/16", "assign_generated_ipv6_cidr_block": true }),
            json!({ "ipv6_cidr_block": true }),
            json!({}),
        )
        .and(
            "aws_subnet.a",
            json!({ "cidr_block": "10.0.1.0/24" }),
            json!({ "vpc_id": "aws_vpc.v.id", "ipv6_cidr_block": ["aws_vpc.v.ipv6_cidr_block"] }),
        )
        .and(
            "aws_subnet.b",
            json!({ "cidr_block": "10.0.2.0/24" }),
            json!({ "vpc_id": "aws_vpc.v.id", "ipv6_cidr_block": ["aws_vpc.v.ipv6_cidr_block"] }),
        )
        .imported();
    assert_eq!(resource(&imported, "vpcs", "aws_vpc.v")["ipv6_cidr_blocks"], json!(["2001:db8:1::/56"]));
    assert_eq!(resource(&imported, "subnets", "aws_subnet.b")["ipv6_cidr_block"], "2001:db8:1:1::/64");
    assert!(notes(&imported, "aws_subnet.b").contains("ipv6_cidr_block is chosen"));
}

#[test]
fn subnets_without_a_zone_take_turns() {
    let subnet = |index: u8| json!({ "cidr_block": format!("10.0.{index}.0/24") });
    let imported = Plan::new()
        .and("aws_vpc.main", json!({ "cidr_block": "10.0.0.0/16" }), json!({}))
        .and("aws_subnet.x", subnet(1), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_subnet.y", subnet(2), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and(
            "aws_lb.l",
            json!({ "internal": true }),
            json!({ "subnets": ["aws_subnet.x.id", "aws_subnet.y.id"] }),
        )
        .imported();
    assert_eq!(resource(&imported, "subnets", "aws_subnet.y")["availability_zone"], "us-east-1b");
    assert!(notes(&imported, "aws_subnet.y").contains("availability_zone is chosen"));
}

/// Everything that a route can lead to.
fn targets() -> Plan {
    Plan::vpc()
        .and("aws_route_table.t", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_internet_gateway.igw", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_vpn_gateway.vgw", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_egress_only_internet_gateway.eigw", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_nat_gateway.nat", json!({ "connectivity_type": "private" }), json!({ "subnet_id": "aws_subnet.a.id" }))
        .and("aws_instance.i", json!({ "source_dest_check": false }), json!({ "subnet_id": "aws_subnet.a.id" }))
        .and("aws_network_interface.eni", json!({}), json!({ "subnet_id": "aws_subnet.a.id" }))
        .and("aws_vpc.peer", json!({ "cidr_block": "10.5.0.0/16" }), json!({}))
        .and("aws_vpc_peering_connection.pcx", json!({ "auto_accept": true }), json!({ "vpc_id": "aws_vpc.main.id", "peer_vpc_id": "aws_vpc.peer.id" }))
        .and("aws_ec2_transit_gateway.tgw", json!({}), json!({}))
        .and("aws_ec2_transit_gateway_vpc_attachment.att", json!({}), json!({ "vpc_id": "aws_vpc.main.id", "transit_gateway_id": "aws_ec2_transit_gateway.tgw.id", "subnet_ids": ["aws_subnet.a.id"] }))
        .and("aws_networkfirewall_firewall.wall", json!({ "name": "wall", "subnet_mapping": [{ "subnet_id": null }] }), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_ec2_carrier_gateway.cagw", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_ec2_managed_prefix_list.pl", json!({ "name": "l", "address_family": "IPv4", "max_entries": 2, "entry": [{ "cidr": "192.168.0.0/16", "description": "" }] }), json!({}))
}

#[test]
fn a_route_leads_to_each_kind_of_target() {
    for (values, references, expected) in [
        (
            json!({ "destination_cidr_block": "0.0.0.0/0" }),
            json!({ "gateway_id": "aws_internet_gateway.igw.id" }),
            json!({ "cidr_block": "0.0.0.0/0", "gateway": "aws_internet_gateway.igw" }),
        ),
        (
            json!({ "destination_cidr_block": "192.168.0.0/16" }),
            json!({ "gateway_id": "aws_vpn_gateway.vgw.id" }),
            json!({ "cidr_block": "192.168.0.0/16", "gateway": "aws_vpn_gateway.vgw" }),
        ),
        (
            json!({ "destination_ipv6_cidr_block": "::/0" }),
            json!({ "egress_only_gateway_id": "aws_egress_only_internet_gateway.eigw.id" }),
            json!({ "ipv6_cidr_block": "::/0", "egress_only_gateway": "aws_egress_only_internet_gateway.eigw" }),
        ),
        (
            json!({ "destination_cidr_block": "0.0.0.0/0" }),
            json!({ "nat_gateway_id": "aws_nat_gateway.nat.id" }),
            json!({ "cidr_block": "0.0.0.0/0", "nat_gateway": "aws_nat_gateway.nat" }),
        ),
        (
            json!({ "destination_cidr_block": "0.0.0.0/0" }),
            json!({ "network_interface_id": "aws_network_interface.eni.id" }),
            json!({ "cidr_block": "0.0.0.0/0", "network_interface": "aws_network_interface.eni" }),
        ),
        (
            json!({ "destination_cidr_block": "0.0.0.0/0" }),
            json!({ "network_interface_id": "aws_instance.i.primary_network_interface_id" }),
            json!({ "cidr_block": "0.0.0.0/0", "instance": "aws_instance.i" }),
        ),
        (
            json!({ "destination_cidr_block": "10.5.0.0/16" }),
            json!({ "vpc_peering_connection_id": "aws_vpc_peering_connection.pcx.id" }),
            json!({ "cidr_block": "10.5.0.0/16", "vpc_peering_connection": "aws_vpc_peering_connection.pcx" }),
        ),
        (
            json!({}),
            json!({ "destination_prefix_list_id": "aws_ec2_managed_prefix_list.pl.id", "transit_gateway_id": "aws_ec2_transit_gateway.tgw.id" }),
            json!({ "destination_prefix_list": "aws_ec2_managed_prefix_list.pl", "transit_gateway": "aws_ec2_transit_gateway.tgw" }),
        ),
        (
            json!({ "destination_cidr_block": "0.0.0.0/0" }),
            json!({ "carrier_gateway_id": "aws_ec2_carrier_gateway.cagw.id" }),
            json!({ "cidr_block": "0.0.0.0/0", "carrier_gateway": "aws_ec2_carrier_gateway.cagw" }),
        ),
    ] {
        let mut all = references.clone();
        all["route_table_id"] = json!("aws_route_table.t.id");
        let imported = targets().and("aws_route.r", values, all).imported();
        assert_eq!(
            resource(&imported, "route_tables", "aws_route_table.t")["routes"],
            json!([expected]),
            "{references}"
        );
    }
}

#[test]
fn a_route_whose_target_is_not_known_leaves_its_table_unknown() {
    let imported = targets()
        .and(
            "aws_route.r",
            json!({ "destination_cidr_block": "0.0.0.0/0" }),
            json!({ "route_table_id": "aws_route_table.t.id", "nat_gateway_id": ["var.nowhere"] }),
        )
        .imported();
    let table = resource(&imported, "route_tables", "aws_route_table.t");
    assert!(
        table["not_modelled"].as_str().unwrap().contains("the target of the route to 0.0.0.0/0 is not known")
    );
    assert_eq!(fate(&imported, "aws_route.r"), Fate::NotModelled);
}

#[test]
fn a_route_of_an_unknown_table_may_be_in_any() {
    let imported = targets()
        .and(
            "aws_route.r",
            json!({ "destination_cidr_block": "0.0.0.0/0" }),
            json!({ "route_table_id": ["var.nowhere"], "gateway_id": "aws_internet_gateway.igw.id" }),
        )
        .imported();
    assert!(resource(&imported, "route_tables", "aws_route_table.t")["not_modelled"].is_string());
}

#[test]
fn tables_are_associated_with_subnets_gateways_and_vpcs() {
    let imported = targets()
        .and("aws_route_table.edge", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_route_table.first", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_route_table_association.a", json!({}), json!({ "subnet_id": "aws_subnet.a.id", "route_table_id": "aws_route_table.t.id" }))
        .and("aws_route_table_association.g", json!({}), json!({ "gateway_id": "aws_internet_gateway.igw.id", "route_table_id": "aws_route_table.edge.id" }))
        .and("aws_main_route_table_association.m", json!({}), json!({ "vpc_id": "aws_vpc.main.id", "route_table_id": "aws_route_table.first.id" }))
        .imported();
    assert_eq!(resource(&imported, "subnets", "aws_subnet.a")["route_table"], "aws_route_table.t");
    assert_eq!(
        resource(&imported, "route_tables", "aws_route_table.edge")["gateways"],
        json!(["aws_internet_gateway.igw"])
    );
    assert_eq!(resource(&imported, "vpcs", "aws_vpc.main")["main_route_table"], "aws_route_table.first");
}

#[test]
fn a_subnet_whose_table_is_not_known_is_not_modelled() {
    let imported = targets()
        .and(
            "aws_route_table_association.a",
            json!({}),
            json!({ "subnet_id": "aws_subnet.a.id", "route_table_id": ["var.nowhere"] }),
        )
        .imported();
    assert!(resource(&imported, "subnets", "aws_subnet.a")["not_modelled"].is_string());
}

#[test]
fn the_default_route_table_is_the_vpcs_main_one() {
    let imported = targets()
        .with(
            "aws_default_route_table.d",
            json!({ "route": [{ "cidr_block": "0.0.0.0/0" }] }),
            json!({ "route": [{ "gateway_id": true }] }),
            json!({ "default_route_table_id": ["aws_vpc.main.default_route_table_id", "aws_vpc.main"],
                "route": [{ "cidr_block": { "constant_value": "0.0.0.0/0" }, "gateway_id": { "references": ["aws_internet_gateway.igw.id"] } }] }),
        )
        .and("aws_route_table_association.a", json!({}), json!({ "subnet_id": "aws_subnet.a.id", "route_table_id": "aws_default_route_table.d.id" }))
        .imported();
    let table = resource(&imported, "route_tables", "aws_vpc.main/main");
    assert_eq!(
        table["routes"],
        json!([{ "cidr_block": "0.0.0.0/0", "gateway": "aws_internet_gateway.igw" }])
    );
    assert_eq!(resource(&imported, "subnets", "aws_subnet.a")["route_table"], "aws_vpc.main/main");
}

#[test]
fn a_state_lists_routes_of_resources_of_their_own_in_the_table_too() {
    let route = |gateway: &str| json!({ "cidr_block": "0.0.0.0/0", "gateway_id": gateway, "nat_gateway_id": "", "ipv6_cidr_block": "" });
    let imported = imported(
        &state(&[
            ("aws_vpc.main", json!({ "id": "vpc-0123456789abcdef0", "cidr_block": "10.0.0.0/16" })),
            (
                "aws_internet_gateway.igw",
                json!({ "id": "igw-0123456789abcdef0", "vpc_id": "vpc-0123456789abcdef0" }),
            ),
            (
                "aws_vpc_endpoint.s3",
                json!({ "id": "vpce-0123456789abcdef0", "vpc_id": "vpc-0123456789abcdef0", "service_name": "com.amazonaws.us-east-1.s3", "vpc_endpoint_type": "Gateway", "route_table_ids": ["rtb-0123456789abcdef0"], "prefix_list_id": "pl-63a5400a" }),
            ),
            (
                "aws_route_table.t",
                json!({ "id": "rtb-0123456789abcdef0", "vpc_id": "vpc-0123456789abcdef0",
                "route": [route("igw-0123456789abcdef0"), { "destination_prefix_list_id": "pl-63a5400a", "gateway_id": "vpce-0123456789abcdef0", "cidr_block": "" }] }),
            ),
            (
                "aws_route.r",
                json!({ "id": "r-1", "route_table_id": "rtb-0123456789abcdef0", "destination_cidr_block": "0.0.0.0/0", "gateway_id": "igw-0123456789abcdef0" }),
            ),
        ]),
        &Options::default(),
    );
    let table = resource(&imported, "route_tables", "aws_route_table.t");
    assert_eq!(
        table["routes"],
        json!([{ "cidr_block": "0.0.0.0/0", "gateway": "aws_internet_gateway.igw" }])
    );
    assert_eq!(
        resource(&imported, "vpc_endpoints", "aws_vpc_endpoint.s3")["route_tables"],
        json!(["aws_route_table.t"])
    );
}

#[test]
fn entries_of_prefix_lists_may_be_resources_of_their_own() {
    let imported = targets()
        .and(
            "aws_ec2_managed_prefix_list_entry.e",
            json!({ "cidr": "172.16.0.0/12" }),
            json!({ "prefix_list_id": "aws_ec2_managed_prefix_list.pl.id" }),
        )
        .imported();
    let entries = resource(&imported, "managed_prefix_lists", "aws_ec2_managed_prefix_list.pl")["entries"]
        .as_array()
        .unwrap()
        .clone();
    let cidrs: Vec<&Value> = entries.iter().map(|entry| &entry["cidr"]).collect();
    assert_eq!(cidrs, ["192.168.0.0/16", "172.16.0.0/12"]);
}

#[test]
fn the_default_vpc_is_made_once() {
    let imported = Plan::new()
        .and("aws_default_vpc.d", json!({}), json!({}))
        .and("aws_default_subnet.b", json!({ "availability_zone": "us-east-1b" }), json!({}))
        .and("aws_instance.i", json!({}), json!({ "subnet_id": "aws_default_subnet.b.id" }))
        .and("aws_instance.j", json!({}), json!({}))
        .and("aws_security_group.g", json!({ "name": "g" }), json!({ "vpc_id": "aws_default_vpc.d.id" }))
        .imported();
    assert_eq!(imported.document["vpcs"].as_object().unwrap().len(), 1);
    assert_eq!(resource(&imported, "instances", "aws_instance.i")["subnet"], "default-us-east-1-b");
    assert_eq!(resource(&imported, "instances", "aws_instance.j")["subnet"], "default-us-east-1-a");
    assert_eq!(resource(&imported, "security_groups", "aws_security_group.g")["vpc"], "default-us-east-1");
}

#[test]
fn what_a_data_source_says_is_in_its_stand_in() {
    let plan = Plan::new()
        .before("data.aws_vpc.v", json!({ "id": "vpc-0123456789abcdef0", "cidr_block": "10.7.0.0/16" }))
        .before("data.aws_subnet.s", json!({ "id": "subnet-0123456789abcdef0", "vpc_id": "vpc-0123456789abcdef0", "cidr_block": "10.7.1.0/24", "availability_zone": "us-east-1c" }))
        .and("aws_instance.i", json!({ "subnet_id": "subnet-0123456789abcdef0" }), json!({}));
    assert!(plan.problems().contains("no source holds subnet-0123456789abcdef0"));
    let imported = plan.stand_ins();
    let subnet = resource(&imported, "subnets", "subnet-0123456789abcdef0");
    assert_eq!(
        (&subnet["vpc"], &subnet["cidr_block"]),
        (&json!("vpc-0123456789abcdef0"), &json!("10.7.1.0/24"))
    );
    assert!(subnet["not_modelled"].is_string());
}

#[test]
fn an_internet_gateway_may_be_attached_apart() {
    let imported = Plan::vpc()
        .and("aws_internet_gateway.igw", json!({}), json!({}))
        .and(
            "aws_internet_gateway_attachment.x",
            json!({}),
            json!({ "internet_gateway_id": "aws_internet_gateway.igw.id", "vpc_id": "aws_vpc.main.id" }),
        )
        .imported();
    assert_eq!(resource(&imported, "internet_gateways", "aws_internet_gateway.igw")["vpc"], "aws_vpc.main");
}

#[test]
fn a_route_to_an_endpoint_of_another_source_is_kept_unless_it_is_to_a_service() {
    let table = "rtb-0123456789abcdef0";
    let route = |destination: &str, to: &str| json!({ "route_table_id": table, destination: to, "gateway_id": "vpce-0123456789abcdef0" });
    let imported = imported(
        &state(&[
            ("aws_vpc.main", json!({ "id": "vpc-1", "cidr_block": "10.0.0.0/16" })),
            ("aws_route_table.t", json!({ "id": table, "vpc_id": "vpc-1" })),
            ("aws_route.all", route("destination_cidr_block", "0.0.0.0/0")),
            ("aws_route.service", route("destination_prefix_list_id", "pl-0123456789abcdef0")),
        ]),
        &Options { stand_ins: true, ..Options::default() },
    );
    let routes = &resource(&imported, "route_tables", "aws_route_table.t")["routes"];
    assert_eq!(routes, &json!([{ "cidr_block": "0.0.0.0/0", "vpc_endpoint": "vpce-0123456789abcdef0" }]));
}

#[test]
fn a_gateway_of_which_the_vpc_is_not_known_is_where_routes_lead_to_it_from_and_marked() {
    let imported = Plan::vpc()
        .and("aws_vpc.other", json!({ "cidr_block": "10.9.0.0/16" }), json!({}))
        .and("aws_internet_gateway.g", json!({}), json!({ "vpc_id": ["local.vpc"] }))
        .and("aws_route_table.t", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and(
            "aws_route.r",
            json!({ "destination_cidr_block": "0.0.0.0/0" }),
            json!({ "route_table_id": "aws_route_table.t.id", "gateway_id": "aws_internet_gateway.g.id" }),
        )
        .imported();
    let gateway = resource(&imported, "internet_gateways", "aws_internet_gateway.g");
    assert_eq!(gateway["vpc"], "aws_vpc.main");
    assert!(gateway["not_modelled"].as_str().unwrap().contains("vpc_id is not known"));
}
