//! How do VPN connections and Direct Connect come out?

use serde_json::json;

use crate::fixture::{Plan, resource};

#[test]
fn a_vpn_connection_and_all_around_it() {
    let imported = Plan::vpc()
        .and("aws_vpn_gateway.v", json!({ "amazon_side_asn": "64512" }), json!({}))
        .and("aws_vpn_gateway_attachment.x", json!({}), json!({ "vpn_gateway_id": "aws_vpn_gateway.v.id", "vpc_id": "aws_vpc.main.id" }))
        .and("aws_customer_gateway.c", json!({ "ip_address": "198.51.100.1", "bgp_asn": "65010", "type": "ipsec.1" }), json!({}))
        .and("aws_vpn_connection.s", json!({ "static_routes_only": true, "tunnel1_inside_cidr": "169.254.10.0/30" }), json!({ "vpn_gateway_id": "aws_vpn_gateway.v.id", "customer_gateway_id": "aws_customer_gateway.c.id" }))
        .and("aws_vpn_connection_route.r", json!({ "destination_cidr_block": "192.168.0.0/16" }), json!({ "vpn_connection_id": "aws_vpn_connection.s.id" }))
        .and("aws_route_table.t", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_vpn_gateway_route_propagation.p", json!({}), json!({ "vpn_gateway_id": "aws_vpn_gateway.v.id", "route_table_id": "aws_route_table.t.id" }))
        .imported();
    assert_eq!(resource(&imported, "vpn_gateways", "aws_vpn_gateway.v")["vpc"], "aws_vpc.main");
    assert_eq!(resource(&imported, "customer_gateways", "aws_customer_gateway.c")["bgp_asn"], 65010);
    let connection = resource(&imported, "vpn_connections", "aws_vpn_connection.s");
    assert_eq!(connection["routes"], json!(["192.168.0.0/16"]));
    assert_eq!(connection["tunnel1_inside_cidr"], "169.254.10.0/30");
    assert_eq!(
        resource(&imported, "route_tables", "aws_route_table.t")["propagating_vgws"],
        json!(["aws_vpn_gateway.v"])
    );
}

#[test]
fn a_vpn_between_private_addresses_is_not_modelled() {
    let imported = Plan::vpc()
        .and("aws_vpn_gateway.v", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_customer_gateway.c", json!({ "ip_address": "10.9.9.9", "bgp_asn": "65010" }), json!({}))
        .and("aws_vpn_connection.s", json!({}), json!({ "vpn_gateway_id": "aws_vpn_gateway.v.id", "customer_gateway_id": "aws_customer_gateway.c.id" }))
        .imported();
    assert!(resource(&imported, "vpn_connections", "aws_vpn_connection.s")["not_modelled"].is_string());
    assert!(resource(&imported, "customer_gateways", "aws_customer_gateway.c").get("ip_address").is_none());
}

#[test]
fn direct_connect_serves_gateways_of_both_kinds() {
    let imported = Plan::vpc()
        .and("aws_vpn_gateway.v", json!({}), json!({ "vpc_id": "aws_vpc.main.id" }))
        .and("aws_ec2_transit_gateway.tgw", json!({ "amazon_side_asn": 64520 }), json!({}))
        .and("aws_dx_gateway.p", json!({ "name": "p", "amazon_side_asn": "64513" }), json!({}))
        .and("aws_dx_gateway.t", json!({ "name": "t", "amazon_side_asn": "64514" }), json!({}))
        .and("aws_dx_gateway_association.v", json!({}), json!({ "dx_gateway_id": "aws_dx_gateway.p.id", "associated_gateway_id": "aws_vpn_gateway.v.id" }))
        .and("aws_dx_gateway_association.t", json!({ "allowed_prefixes": ["10.0.0.0/8"] }), json!({ "dx_gateway_id": "aws_dx_gateway.t.id", "associated_gateway_id": "aws_ec2_transit_gateway.tgw.id" }))
        .and("aws_dx_private_virtual_interface.x", json!({ "bgp_asn": 65020, "mtu": 9001, "vlan": 7 }), json!({ "dx_gateway_id": "aws_dx_gateway.p.id" }))
        .and("aws_dx_transit_virtual_interface.x", json!({ "bgp_asn": 65021 }), json!({ "dx_gateway_id": "aws_dx_gateway.t.id" }))
        .imported();
    assert_eq!(
        resource(&imported, "dx_gateway_associations", "aws_dx_gateway_association.v")["vpn_gateway"],
        "aws_vpn_gateway.v"
    );
    let transit = resource(&imported, "dx_gateway_associations", "aws_dx_gateway_association.t");
    assert_eq!(
        (&transit["transit_gateway"], &transit["allowed_prefixes"]),
        (&json!("aws_ec2_transit_gateway.tgw"), &json!(["10.0.0.0/8"]))
    );
    assert_eq!(
        resource(&imported, "dx_private_virtual_interfaces", "aws_dx_private_virtual_interface.x")["mtu"],
        9001
    );
    assert_eq!(
        resource(&imported, "dx_transit_virtual_interfaces", "aws_dx_transit_virtual_interface.x")["dx_gateway"],
        "aws_dx_gateway.t"
    );
}
