//! How do transit gateways of a dump come out?

use serde_json::{Value, json};
use vpclab_import::Fate;

use crate::fixture::{dump, fate, resource};

fn transit(more: Value) -> Value {
    let mut all = json!({
        "TransitGateways": [{ "TransitGatewayId": "tgw-1", "State": "available", "OwnerId": "111122223333", "TransitGatewayArn": "arn:aws:ec2:eu-west-1:111122223333:transit-gateway/tgw-1",
            "Options": { "AmazonSideAsn": 64520, "DefaultRouteTableAssociation": "enable", "AssociationDefaultRouteTableId": "tgw-rtb-1" } }],
        "TransitGatewayVpcAttachments": [{ "TransitGatewayAttachmentId": "tgw-attach-1", "TransitGatewayId": "tgw-1", "VpcId": "vpc-1", "SubnetIds": ["subnet-a"], "State": "available", "Options": { "ApplianceModeSupport": "enable" } }],
        "TransitGatewayAttachments": [{ "TransitGatewayAttachmentId": "tgw-attach-1", "TransitGatewayId": "tgw-1", "ResourceType": "vpc", "ResourceId": "vpc-1", "State": "available", "Association": { "TransitGatewayRouteTableId": "tgw-rtb-1", "State": "associated" } }],
        "TransitGatewayRouteTables": [{ "TransitGatewayRouteTableId": "tgw-rtb-1", "TransitGatewayId": "tgw-1", "State": "available", "DefaultAssociationRouteTable": true }],
        "TransitGatewayPropagations": [{ "TransitGatewayRouteTableId": "tgw-rtb-1", "TransitGatewayRouteTablePropagations": [{ "TransitGatewayAttachmentId": "tgw-attach-1", "State": "enabled" }] }],
        "TransitGatewayStaticRoutes": [{ "TransitGatewayRouteTableId": "tgw-rtb-1", "Routes": [
            { "DestinationCidrBlock": "10.7.0.0/16", "Type": "static", "State": "active", "TransitGatewayAttachments": [{ "TransitGatewayAttachmentId": "tgw-attach-1", "ResourceType": "vpc" }] },
            { "DestinationCidrBlock": "10.8.0.0/16", "Type": "static", "State": "blackhole" },
            { "DestinationCidrBlock": "10.0.0.0/16", "Type": "propagated", "State": "active", "TransitGatewayAttachments": [{ "TransitGatewayAttachmentId": "tgw-attach-1" }] }] }],
    });
    more.as_object().unwrap().iter().for_each(|(key, value)| all[key] = value.clone());
    all
}

#[test]
fn a_table_has_what_is_listed_and_keeps_its_id() {
    let imported = dump(transit(json!({}))).imported();
    let gateway = resource(&imported, "transit_gateways", "tgw-1");
    assert_eq!(
        (&gateway["default_route_table_association"], &gateway["amazon_side_asn"], &gateway["region"]),
        (&json!("disable"), &json!(64520), &json!("eu-west-1"))
    );
    assert_eq!(
        *resource(&imported, "transit_gateway_route_tables", "tgw-rtb-1"),
        json!({ "transit_gateway": "tgw-1", "associations": ["tgw-attach-1"], "propagations": ["tgw-attach-1"],
            "routes": [{ "destination_cidr_block": "10.7.0.0/16", "attachment": "tgw-attach-1" }, { "destination_cidr_block": "10.8.0.0/16", "blackhole": true }] })
    );
    assert_eq!(
        resource(&imported, "transit_gateway_vpc_attachments", "tgw-attach-1")["appliance_mode_support"],
        "enable"
    );
    assert_eq!(fate(&imported, "tgw-1"), Fate::Understood);
}

#[test]
fn a_gateway_whose_routes_nobody_listed_is_not_known() {
    for (missing, call) in [
        ("TransitGatewayPropagations", "get-transit-gateway-route-table-propagations"),
        ("TransitGatewayStaticRoutes", "search-transit-gateway-routes"),
        ("TransitGatewayAttachments", "describe-transit-gateway-attachments"),
        ("TransitGatewayRouteTables", "describe-transit-gateway-route-tables"),
    ] {
        let mut all = transit(json!({}));
        all.as_object_mut().unwrap().remove(missing);
        if missing == "TransitGatewayPropagations" {
            all["TransitGatewayStaticRoutes"][0]["Routes"].as_array_mut().unwrap().pop();
        }
        let imported = dump(all).imported();
        assert!(
            resource(&imported, "transit_gateways", "tgw-1")["not_modelled"].as_str().unwrap().contains(call),
            "{missing}"
        );
    }
}

#[test]
fn a_file_of_routes_says_which_table_by_its_name() {
    let mut all = transit(json!({}));
    let routes = all.as_object_mut().unwrap().remove("TransitGatewayStaticRoutes").unwrap();
    let files = crate::fixture::Files::new(&[
        ("all.json", crate::fixture::together(all)),
        (
            "search-transit-gateway-routes_tgw-rtb-1.json",
            json!({ "Routes": routes[0]["Routes"], "AdditionalRoutesAvailable": false }),
        ),
    ]);
    assert_eq!(
        resource(&files.imported(), "transit_gateway_route_tables", "tgw-rtb-1")["routes"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn attachments_of_other_kinds_go_by_what_they_lead_to() {
    let mut all = transit(json!({
        "CustomerGateways": [{ "CustomerGatewayId": "cgw-1", "BgpAsn": "65010", "IpAddress": "198.51.100.1" }],
        "VpnConnections": [{ "VpnConnectionId": "vpn-1", "State": "available", "TransitGatewayId": "tgw-1", "CustomerGatewayId": "cgw-1", "Options": { "StaticRoutesOnly": true } }],
    }));
    all["TransitGatewayAttachments"].as_array_mut().unwrap().extend([
        json!({ "TransitGatewayAttachmentId": "tgw-attach-v", "TransitGatewayId": "tgw-1", "ResourceType": "vpn", "ResourceId": "vpn-1", "State": "available", "Association": { "TransitGatewayRouteTableId": "tgw-rtb-1", "State": "associated" } }),
        json!({ "TransitGatewayAttachmentId": "tgw-attach-gone", "TransitGatewayId": "tgw-1", "ResourceType": "vpc", "ResourceId": "vpc-gone", "State": "deleted" }),
        json!({ "TransitGatewayAttachmentId": "tgw-attach-p", "TransitGatewayId": "tgw-1", "ResourceType": "peering", "ResourceId": "tgw-2", "State": "available" }),
    ]);
    all["TransitGatewayPeeringAttachments"] = json!([{ "TransitGatewayAttachmentId": "tgw-attach-p", "State": "available", "RequesterTgwInfo": { "TransitGatewayId": "tgw-1" }, "AccepterTgwInfo": { "TransitGatewayId": "tgw-2", "Region": "us-east-1", "OwnerId": "444455556666" } }]);
    let files = dump(all);
    assert!(files.run(false).unwrap_err().to_string().contains("no source holds tgw-2"));
    let imported = files.run(true).unwrap();
    let table = resource(&imported, "transit_gateway_route_tables", "tgw-rtb-1");
    assert_eq!(table["associations"], json!(["tgw-attach-1", "vpn-1"]));
    assert_eq!(
        resource(&imported, "transit_gateway_peering_attachments", "tgw-attach-p")["peer_transit_gateway"],
        "tgw-2"
    );
    let far = resource(&imported, "transit_gateways", "tgw-2");
    assert_eq!((&far["region"], &far["owner"]), (&json!("us-east-1"), &json!("444455556666")));
    assert_eq!(fate(&imported, "tgw-attach-gone"), Fate::NotNetwork);
}

#[test]
fn each_end_of_a_peering_has_a_route_table() {
    let end = |own: &str, other: &str, table: &str| {
        json!({
            "TransitGateways": [{ "TransitGatewayId": own, "State": "available" }],
            "TransitGatewayAttachments": [{ "TransitGatewayAttachmentId": "tgw-attach-peer", "TransitGatewayId": own, "ResourceType": "peering", "ResourceId": other, "State": "available",
                "Association": { "TransitGatewayRouteTableId": table, "State": "associated" } }],
            "TransitGatewayRouteTables": [{ "TransitGatewayRouteTableId": table, "TransitGatewayId": own, "State": "available" }],
        })
    };
    let files = crate::fixture::Files::new(&[
        ("eu-west-1/all.json", end("tgw-west", "tgw-south", "tgw-rtb-west")),
        ("eu-south-1/all.json", end("tgw-south", "tgw-west", "tgw-rtb-south")),
    ]);
    let imported = files.imported();
    for table in ["tgw-rtb-west", "tgw-rtb-south"] {
        let table = resource(&imported, "transit_gateway_route_tables", table);
        assert_eq!(table["associations"], json!(["tgw-attach-peer"]));
    }
}

#[test]
fn who_is_about_to_leave_a_table_is_not_of_it() {
    for (state, associated) in [("associated", true), ("disassociating", false)] {
        let mut all = transit(json!({ "TransitGatewayPropagations": [] }));
        all["TransitGatewayAttachments"] = json!([]);
        all["TransitGatewayStaticRoutes"][0]["Routes"] = json!([]);
        let files = crate::fixture::Files::new(&[
            ("all.json", crate::fixture::together(all)),
            (
                "get-transit-gateway-route-table-associations-tgw-rtb-1.json",
                json!({ "Associations": [{ "TransitGatewayAttachmentId": "tgw-attach-1", "ResourceType": "vpc", "State": state }] }),
            ),
        ]);
        let imported = files.imported();
        let table = resource(&imported, "transit_gateway_route_tables", "tgw-rtb-1");
        assert_eq!(table["associations"] == json!(["tgw-attach-1"]), associated, "{table}");
    }
}
