//! How do NAT gateways, peering connections, endpoints and transit gateways come out?

use serde_json::json;
use vpclab_import::Fate;

use crate::fixture::{Plan, fate, resource};

#[test]
fn a_public_nat_gateway_without_a_known_address_has_one_of_its_own() {
    let imported = Plan::vpc()
        .and(
            "aws_nat_gateway.n",
            json!({ "connectivity_type": "public" }),
            json!({ "subnet_id": "aws_subnet.a.id", "allocation_id": ["local.eip"] }),
        )
        .imported();
    assert_eq!(
        resource(&imported, "nat_gateways", "aws_nat_gateway.n")["allocation"],
        "aws_nat_gateway.n-public"
    );
    assert_eq!(fate(&imported, "aws_nat_gateway.n"), Fate::Approximated);
    let regional = Plan::vpc()
        .and(
            "aws_nat_gateway.n",
            json!({ "availability_mode": "regional" }),
            json!({ "vpc_id": "aws_vpc.main.id" }),
        )
        .imported();
    assert_eq!(fate(&regional, "aws_nat_gateway.n"), Fate::LeftOut);
}

#[test]
fn a_peering_connection_is_active_once_it_was_accepted() {
    let plan = |values| {
        Plan::vpc().and("aws_vpc.peer", json!({ "cidr_block": "10.5.0.0/16" }), json!({})).and(
            "aws_vpc_peering_connection.p",
            values,
            json!({ "vpc_id": "aws_vpc.main.id", "peer_vpc_id": "aws_vpc.peer.id" }),
        )
    };
    for (plan, expected) in [
        (plan(json!({})), "pending-acceptance"),
        (plan(json!({ "auto_accept": true })), "active"),
        (plan(json!({ "accept_status": "active" })), "active"),
        (
            plan(json!({})).and(
                "aws_vpc_peering_connection_accepter.x",
                json!({ "auto_accept": true }),
                json!({ "vpc_peering_connection_id": "aws_vpc_peering_connection.p.id" }),
            ),
            "active",
        ),
    ] {
        let imported = plan.imported();
        assert_eq!(
            resource(&imported, "vpc_peering_connections", "aws_vpc_peering_connection.p")["state"],
            expected
        );
    }
}

#[test]
fn a_peer_in_another_account_is_stood_in_for_where_it_is() {
    let plan = Plan::vpc().and(
        "aws_vpc_peering_connection.p",
        json!({ "peer_vpc_id": "vpc-0123456789abcdef0", "peer_owner_id": "210987654321", "peer_region": "eu-west-1" }),
        json!({ "vpc_id": "aws_vpc.main.id" }),
    );
    assert!(plan.problems().contains("no source holds vpc-0123456789abcdef0"));
    let imported = plan.stand_ins();
    let peer = resource(&imported, "vpcs", "vpc-0123456789abcdef0");
    assert_eq!((&peer["region"], &peer["owner"]), (&json!("eu-west-1"), &json!("210987654321")));
}

#[test]
fn endpoints_of_both_kinds_and_what_is_associated_with_them() {
    let imported = Plan::vpc()
        .and("aws_route_table.t", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_vpc_endpoint.s3", json!({ "service_name": "com.amazonaws.us-east-1.s3", "vpc_endpoint_type": "Gateway" }), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_vpc_endpoint_route_table_association.x", json!({}), json!({ "vpc_endpoint_id": "aws_vpc_endpoint.s3.id", "route_table_id": "aws_route_table.t.id" }))
        .and("aws_vpc_endpoint.ssm", json!({ "service_name": "com.amazonaws.us-east-1.ssm", "vpc_endpoint_type": "Interface", "private_dns_enabled": true }), json!({ "vpc_id": "aws_vpc.main.id", "subnet_ids": ["aws_subnet.a.id"] }))
        .and("aws_vpc_endpoint_subnet_association.x", json!({}), json!({ "vpc_endpoint_id": "aws_vpc_endpoint.ssm.id", "subnet_id": "aws_subnet.b.id" }))
        .and("aws_vpc_endpoint_security_group_association.x", json!({}), json!({ "vpc_endpoint_id": "aws_vpc_endpoint.ssm.id", "security_group_id": "aws_security_group.web.id" }))
        .imported();
    assert_eq!(
        resource(&imported, "vpc_endpoints", "aws_vpc_endpoint.s3")["route_tables"],
        json!(["aws_route_table.t"])
    );
    let ssm = resource(&imported, "vpc_endpoints", "aws_vpc_endpoint.ssm");
    assert_eq!(
        (&ssm["subnets"], &ssm["security_groups"]),
        (&json!(["aws_subnet.a", "aws_subnet.b"]), &json!(["aws_security_group.web"]))
    );
}

/// A transit gateway with an attachment and a route table.
fn transit() -> Plan {
    Plan::vpc()
        .and("aws_ec2_transit_gateway.tgw", json!({ "amazon_side_asn": 64520, "default_route_table_association": "disable" }), json!({}))
        .and("aws_ec2_transit_gateway_vpc_attachment.att", json!({ "appliance_mode_support": "enable" }), json!({ "vpc_id": "aws_vpc.main.id", "transit_gateway_id": "aws_ec2_transit_gateway.tgw.id", "subnet_ids": ["aws_subnet.a.id"] }))
        .and("aws_ec2_transit_gateway_route_table.t", json!({}), json!({ "transit_gateway_id": "aws_ec2_transit_gateway.tgw.id" }))
}

#[test]
fn a_transit_gateways_tables_know_attachments_of_each_kind() {
    let member = |of: &str| json!({ "transit_gateway_route_table_id": "aws_ec2_transit_gateway_route_table.t.id", "transit_gateway_attachment_id": of });
    let imported = transit()
        .and("aws_customer_gateway.c", json!({ "ip_address": "198.51.100.1", "bgp_asn": "65010" }), json!({}))
        .and("aws_vpn_connection.vpn", json!({}), json!({ "customer_gateway_id": "aws_customer_gateway.c.id", "transit_gateway_id": "aws_ec2_transit_gateway.tgw.id" }))
        .and("data.aws_ec2_transit_gateway_vpn_attachment.v", json!({}), json!({ "vpn_connection_id": "aws_vpn_connection.vpn.id" }))
        .and("aws_ec2_transit_gateway.far", json!({}), json!({}))
        .and("aws_ec2_transit_gateway_peering_attachment.p", json!({ "peer_region": "us-east-1" }), json!({ "transit_gateway_id": "aws_ec2_transit_gateway.tgw.id", "peer_transit_gateway_id": "aws_ec2_transit_gateway.far.id" }))
        .and("aws_ec2_transit_gateway_peering_attachment_accepter.p", json!({}), json!({ "transit_gateway_attachment_id": "aws_ec2_transit_gateway_peering_attachment.p.id" }))
        .and("aws_ec2_transit_gateway_route_table_association.x", json!({}), member("aws_ec2_transit_gateway_vpc_attachment.att.id"))
        .and("aws_ec2_transit_gateway_route_table_propagation.x", json!({}), member("data.aws_ec2_transit_gateway_vpn_attachment.v.id"))
        .and("aws_ec2_transit_gateway_route.r", json!({ "destination_cidr_block": "10.9.0.0/16" }), member("aws_ec2_transit_gateway_peering_attachment.p.id"))
        .and("aws_ec2_transit_gateway_route.hole", json!({ "destination_cidr_block": "10.8.0.0/16", "blackhole": true }), json!({ "transit_gateway_route_table_id": "aws_ec2_transit_gateway_route_table.t.id" }))
        .imported();
    let table = resource(&imported, "transit_gateway_route_tables", "aws_ec2_transit_gateway_route_table.t");
    assert_eq!(table["associations"], json!(["aws_ec2_transit_gateway_vpc_attachment.att"]));
    assert_eq!(table["propagations"], json!(["aws_vpn_connection.vpn"]));
    let routes = table["routes"].as_array().unwrap();
    assert!(routes.contains(&json!({ "destination_cidr_block": "10.9.0.0/16", "attachment": "aws_ec2_transit_gateway_peering_attachment.p" })));
    assert!(routes.contains(&json!({ "destination_cidr_block": "10.8.0.0/16", "blackhole": true })));
    assert_eq!(
        resource(
            &imported,
            "transit_gateway_peering_attachments",
            "aws_ec2_transit_gateway_peering_attachment.p"
        )["state"],
        "available"
    );
}

#[test]
fn routes_may_be_those_of_a_prefix_list_and_in_the_default_table() {
    let imported = Plan::vpc()
        .and("aws_ec2_transit_gateway.tgw", json!({}), json!({}))
        .and("aws_ec2_transit_gateway_vpc_attachment.att", json!({}), json!({ "vpc_id": "aws_vpc.main.id", "transit_gateway_id": "aws_ec2_transit_gateway.tgw.id", "subnet_ids": ["aws_subnet.a.id"] }))
        .and("aws_ec2_managed_prefix_list.pl", json!({ "address_family": "IPv4", "max_entries": 2, "entry": [{ "cidr": "192.168.0.0/16" }] }), json!({}))
        .and("aws_ec2_transit_gateway_prefix_list_reference.r", json!({}), json!({ "prefix_list_id": "aws_ec2_managed_prefix_list.pl.id", "transit_gateway_attachment_id": "aws_ec2_transit_gateway_vpc_attachment.att.id",
            "transit_gateway_route_table_id": "aws_ec2_transit_gateway.tgw.association_default_route_table_id" }))
        .imported();
    let table = resource(&imported, "transit_gateway_route_tables", "aws_ec2_transit_gateway.tgw/default");
    assert_eq!(
        table["routes"],
        json!([{ "prefix_list": "aws_ec2_managed_prefix_list.pl", "attachment": "aws_ec2_transit_gateway_vpc_attachment.att" }])
    );
}

#[test]
fn another_default_table_leaves_the_gateway_unknown() {
    let imported = transit()
        .and("aws_ec2_transit_gateway_default_route_table_association.d", json!({}), json!({ "transit_gateway_id": "aws_ec2_transit_gateway.tgw.id", "transit_gateway_route_table_id": "aws_ec2_transit_gateway_route_table.t.id" }))
        .imported();
    assert!(
        resource(&imported, "transit_gateways", "aws_ec2_transit_gateway.tgw")["not_modelled"].is_string()
    );
    assert_eq!(
        resource(&imported, "transit_gateways", "aws_ec2_transit_gateway.tgw")["amazon_side_asn"],
        64520
    );
}

#[test]
fn the_blocks_of_a_gateway_endpoint_are_its_services() {
    let name = "com.amazonaws.us-east-1.s3";
    let endpoint = |values: serde_json::Value| {
        Plan::vpc().and("aws_vpc_endpoint.e", values, json!({ "vpc_id": "aws_vpc.main.id" })).imported()
    };
    let known = endpoint(json!({ "service_name": name, "cidr_blocks": ["52.216.0.0/15", "3.5.0.0/19"] }));
    let service = resource(&known, "services", name);
    assert_eq!(service["cidr_blocks"], json!(["52.216.0.0/15", "3.5.0.0/19"]));
    assert_eq!(service["address"], "52.216.0.1");
    assert_eq!(fate(&known, "aws_vpc_endpoint.e"), Fate::Approximated);
    let unknown = endpoint(json!({ "service_name": name }));
    assert_eq!(unknown.document.get("services"), None);
}

#[test]
fn a_gateway_endpoint_of_unknown_tables_is_in_each_that_may_have_it_and_marked() {
    let of = |name: &str| [format!("aws_route_table.{name}.id"), format!("aws_route_table.{name}")];
    for (references, expected) in [
        (
            json!([of("a").to_vec(), of("b").to_vec(), vec!["var.x".to_owned()]].concat()),
            json!(["aws_route_table.a", "aws_route_table.b"]),
        ),
        (
            json!([of("a").to_vec(), vec!["local.x".to_owned()]].concat()),
            json!(["aws_route_table.a", "aws_route_table.b", "aws_route_table.c"]),
        ),
    ] {
        let mut plan = Plan::vpc();
        for name in ["a", "b", "c"] {
            plan = plan.and(
                &format!("aws_route_table.{name}"),
                json!({}),
                json!({ "vpc_id": "aws_vpc.main.id" }),
            );
        }
        plan.variables.insert("x".to_owned(), json!({ "value": true }));
        let imported = plan
            .and(
                "aws_vpc_endpoint.e",
                json!({ "service_name": "com.amazonaws.us-east-1.s3", "vpc_endpoint_type": "Gateway" }),
                json!({ "vpc_id": "aws_vpc.main.id", "route_table_ids": references }),
            )
            .imported();
        let endpoint = resource(&imported, "vpc_endpoints", "aws_vpc_endpoint.e");
        assert_eq!(endpoint["route_tables"], expected);
        assert!(endpoint["not_modelled"].is_string());
    }
}

#[test]
fn a_nat_gateway_in_one_of_subnets_that_are_alike_is_in_the_first() {
    // As `element(aws_subnet.p[*].id, var.single ? 0 : count.index)`.
    let plan = |tables: [&str; 2]| {
        let mut plan =
            Plan::vpc().and("aws_internet_gateway.g", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }));
        plan.variables.insert("single".to_owned(), json!({ "value": true }));
        for table in ["one", "two"] {
            plan = plan.and(
                &format!("aws_route_table.{table}"),
                json!({}),
                json!({ "vpc_id": "aws_vpc.main.id" }),
            );
        }
        for (index, table) in tables.into_iter().enumerate() {
            let subnet = format!("aws_subnet.p[{index}]");
            let block = json!({ "cidr_block": format!("10.0.{}.0/24", 20 + index) });
            plan = plan.and(&subnet, block, json!({ "vpc_id": "aws_vpc.main.id" })).and(
                &format!("aws_route_table_association.p{index}"),
                json!({}),
                json!({ "subnet_id": [format!("{subnet}.id"), subnet, "aws_subnet.p".to_owned()],
                    "route_table_id": format!("aws_route_table.{table}.id") }),
            );
        }
        let references = json!({ "subnet_id": ["aws_subnet.p", "var.single", "count.index"] });
        plan.and("aws_nat_gateway.n[0]", json!({}), references).imported()
    };
    for (tables, expected) in [(["one", "one"], Fate::Approximated), (["one", "two"], Fate::NotModelled)] {
        let imported = plan(tables);
        assert_eq!(fate(&imported, "aws_nat_gateway.n[0]"), expected, "{tables:?}");
        let gateway = resource(&imported, "nat_gateways", "aws_nat_gateway.n[0]");
        assert_eq!(gateway["subnet"], "aws_subnet.p[0]");
        assert_eq!(gateway.get("not_modelled").is_some(), expected == Fate::NotModelled, "{tables:?}");
    }
}
