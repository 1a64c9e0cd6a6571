//! How do private links of a dump come out?

use serde_json::{Value, json};

use crate::fixture::{dump, resource};

fn linked(more: Value) -> Value {
    let mut all = json!({
        "VpnGateways": [{ "VpnGatewayId": "vgw-1", "State": "available", "AmazonSideAsn": 64600, "VpcAttachments": [{ "VpcId": "vpc-1", "State": "attached" }] }],
        "RouteTables": [{ "RouteTableId": "rtb-main", "VpcId": "vpc-1", "Associations": [{ "Main": true }], "PropagatingVgws": [{ "GatewayId": "vgw-1" }], "Routes": [
            { "DestinationCidrBlock": "192.168.0.0/16", "GatewayId": "vgw-1", "Origin": "EnableVgwRoutePropagation", "State": "active" },
            { "DestinationCidrBlock": "172.20.0.0/16", "GatewayId": "vgw-1", "Origin": "CreateRoute", "State": "active" }] }],
    });
    more.as_object().unwrap().iter().for_each(|(key, value)| all[key] = value.clone());
    all
}

fn vpn(more: Value) -> Value {
    let mut vpn = json!({ "VpnConnectionId": "vpn-1", "State": "available", "VpnGatewayId": "vgw-1", "CustomerGatewayId": "cgw-1", "Options": { "StaticRoutesOnly": false },
        "VgwTelemetry": [{ "OutsideIpAddress": "52.1.1.2", "Status": "DOWN" }, { "OutsideIpAddress": "52.1.1.1", "Status": "UP" }] });
    more.as_object().unwrap().iter().for_each(|(key, value)| vpn[key] = value.clone());
    json!({ "VpnConnections": [vpn], "CustomerGateways": [{ "CustomerGatewayId": "cgw-1", "State": "available", "BgpAsn": "65010", "IpAddress": "198.51.100.1", "Type": "ipsec.1" }] })
}

#[test]
fn what_tables_have_learnt_is_what_the_link_announces() {
    let imported = dump(linked(vpn(json!({})))).imported();
    let connection = resource(&imported, "vpn_connections", "vpn-1");
    assert_eq!(
        (&connection["bgp_routes"], &connection["tunnels"]),
        (&json!(["192.168.0.0/16"]), &json!(["up", "down"]))
    );
    let table = resource(&imported, "route_tables", "rtb-main");
    assert_eq!(table["routes"], json!([{ "cidr_block": "172.20.0.0/16", "gateway": "vgw-1" }]));
    assert_eq!(table["propagating_vgws"], json!(["vgw-1"]));
    assert_eq!(resource(&imported, "customer_gateways", "cgw-1")["region"], "eu-west-1");
}

#[test]
fn a_static_connection_has_its_routes() {
    let imported = dump(linked(vpn(json!({ "Options": { "StaticRoutesOnly": true }, "Routes": [{ "DestinationCidrBlock": "192.168.0.0/16", "State": "available" }, { "DestinationCidrBlock": "10.99.0.0/16", "State": "deleted" }] })))).imported();
    assert_eq!(resource(&imported, "vpn_connections", "vpn-1")["routes"], json!(["192.168.0.0/16"]));
}

#[test]
fn learnt_routes_without_a_link_are_written_out() {
    let imported = dump(linked(json!({}))).imported();
    assert_eq!(resource(&imported, "route_tables", "rtb-main")["routes"].as_array().unwrap().len(), 2);
}

#[test]
fn direct_connect_announces_too() {
    let direct = json!({ "virtualInterfaces": [{ "virtualInterfaceId": "dxvif-1", "virtualInterfaceType": "private", "virtualInterfaceState": "available", "virtualGatewayId": "vgw-1", "asn": 65020, "vlan": 7 }] });
    let imported = dump(linked(direct)).imported();
    let interface = resource(&imported, "dx_private_virtual_interfaces", "dxvif-1");
    assert_eq!(
        (&interface["vpn_gateway"], &interface["bgp_routes"], &interface["bgp_asn"]),
        (&json!("vgw-1"), &json!(["192.168.0.0/16"]), &json!(65020))
    );
    let by_gateway = json!({
        "DirectConnectGateways": [{ "DirectConnectGatewayId": "dx-1", "AmazonSideAsn": 64700 }],
        "DirectConnectGatewayAssociations": [{ "AssociationId": "dxa-1", "AssociationState": "associated", "DirectConnectGatewayId": "dx-1", "AssociatedGateway": { "Id": "vgw-1", "Type": "virtualPrivateGateway" }, "AllowedPrefixesToDirectConnectGateway": [{ "Cidr": "10.0.0.0/16" }] }],
        "VirtualInterfaces": [{ "VirtualInterfaceId": "dxvif-2", "VirtualInterfaceType": "private", "DirectConnectGatewayId": "dx-1", "Asn": 65020, "BgpPeers": [{ "BgpStatus": "down" }] }],
    });
    let imported = dump(linked(by_gateway)).imported();
    assert_eq!(
        resource(&imported, "dx_gateway_associations", "dxa-1")["allowed_prefixes"],
        json!(["10.0.0.0/16"])
    );
    assert_eq!(resource(&imported, "dx_private_virtual_interfaces", "dxvif-2")["state"], "down");
}

#[test]
fn what_no_table_takes_is_not_known_to_be_nothing() {
    let hidden = |mut all: Value| {
        all["RouteTables"][0]["PropagatingVgws"] = json!([]);
        all["RouteTables"][0]["Routes"] = json!([{ "DestinationCidrBlock": "172.20.0.0/16", "GatewayId": "vgw-1", "Origin": "CreateRoute", "State": "active" }]);
        dump(all).imported()
    };
    let imported = hidden(linked(vpn(json!({}))));
    let connection = resource(&imported, "vpn_connections", "vpn-1");
    assert!(connection["not_modelled"].as_str().unwrap().contains("no route table"), "{connection}");
    // That AWS has accepted no route is an answer, too.
    let none = json!([{ "OutsideIpAddress": "52.1.1.2", "Status": "UP", "AcceptedRouteCount": 0 }, { "OutsideIpAddress": "52.1.1.1", "Status": "DOWN", "AcceptedRouteCount": 0 }]);
    let imported = hidden(linked(vpn(json!({ "VgwTelemetry": none }))));
    let connection = resource(&imported, "vpn_connections", "vpn-1");
    assert_eq!((connection.get("not_modelled"), &connection["bgp_routes"]), (None, &json!([])));
    let direct = |status: &str| json!({ "VirtualInterfaces": [{ "VirtualInterfaceId": "dxvif-1", "VirtualInterfaceType": "private", "VirtualGatewayId": "vgw-1", "Asn": 65020, "BgpPeers": [{ "BgpStatus": status }] }] });
    for (status, is_known) in [("up", false), ("down", true)] {
        let imported = hidden(linked(direct(status)));
        let interface = resource(&imported, "dx_private_virtual_interfaces", "dxvif-1");
        assert_eq!(interface.get("not_modelled").is_none(), is_known, "{status}: {interface}");
    }
}

#[test]
fn a_vpn_between_private_addresses_is_not_modelled() {
    let mut all = linked(vpn(json!({})));
    all["CustomerGateways"][0]["IpAddress"] = json!("10.3.3.3");
    let imported = dump(all).imported();
    assert!(resource(&imported, "vpn_connections", "vpn-1")["not_modelled"].is_string());
    assert!(resource(&imported, "customer_gateways", "cgw-1").get("ip_address").is_none());
}
