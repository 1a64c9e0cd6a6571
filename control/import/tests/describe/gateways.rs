//! How do gateways, peering connections and endpoints of a dump come out?

use serde_json::{Value, json};
use vpclab_import::Fate;

use crate::fixture::{dump, fate, notes, reported, resource};

#[test]
fn a_nat_gateway_has_its_addresses_and_its_interface_is_not_doubled() {
    let imported = dump(json!({
        "InternetGateways": [{ "InternetGatewayId": "igw-1", "Attachments": [{ "VpcId": "vpc-1", "State": "available" }] }],
        "Addresses": [{ "AllocationId": "eipalloc-1", "PublicIp": "52.1.1.1", "Domain": "vpc", "NetworkInterfaceId": "eni-nat", "PrivateIpAddress": "10.0.1.5" }],
        "NetworkInterfaces": [{ "NetworkInterfaceId": "eni-nat", "SubnetId": "subnet-a", "VpcId": "vpc-1", "PrivateIpAddress": "10.0.1.5", "InterfaceType": "nat_gateway", "Status": "in-use", "Groups": [], "Description": "Interface for NAT Gateway nat-1" }],
        "NatGateways": [{ "NatGatewayId": "nat-1", "SubnetId": "subnet-a", "VpcId": "vpc-1", "State": "available", "ConnectivityType": "public", "NatGatewayAddresses": [
            { "AllocationId": "eipalloc-2", "PublicIp": "52.1.1.2", "PrivateIp": "10.0.1.6", "IsPrimary": false, "NetworkInterfaceId": "eni-nat" },
            { "AllocationId": "eipalloc-1", "PublicIp": "52.1.1.1", "PrivateIp": "10.0.1.5", "IsPrimary": true, "NetworkInterfaceId": "eni-nat" }] }],
    }))
    .imported();
    assert_eq!(
        *resource(&imported, "nat_gateways", "nat-1"),
        json!({ "subnet": "subnet-a", "connectivity_type": "public", "private_ip": "10.0.1.5", "allocation": "eipalloc-1",
            "secondary_private_ips": ["10.0.1.6"], "secondary_allocations": ["eipalloc-2"] })
    );
    // What no file lists is known from the gateway.
    assert_eq!(resource(&imported, "eips", "eipalloc-2")["public_ip"], "52.1.1.2");
    assert!(
        imported.document.get("network_interfaces").is_none() && imported.document.get("instances").is_none()
    );
    assert_eq!(reported(&imported, "eni-nat").becomes[0].name, "nat-1");
}

#[test]
fn a_gateway_that_is_gone_or_attached_to_nothing_carries_nothing() {
    let imported = dump(json!({
        "NatGateways": [{ "NatGatewayId": "nat-1", "SubnetId": "subnet-a", "State": "deleted" }],
        "InternetGateways": [{ "InternetGatewayId": "igw-1", "Attachments": [] }],
        "EgressOnlyInternetGateways": [{ "EgressOnlyInternetGatewayId": "eigw-1", "Attachments": [] }],
        "VpcEndpoints": [{ "VpcEndpointId": "vpce-1", "State": "deleted" }],
    }))
    .imported();
    for gone in ["nat-1", "eigw-1", "vpce-1"] {
        assert_eq!(fate(&imported, gone), Fate::NotNetwork, "{gone}");
    }
    assert!(resource(&imported, "internet_gateways", "igw-1").get("vpc").is_none());
}

fn peering(code: &str, far: Value) -> Value {
    json!({ "VpcPeeringConnections": [{ "VpcPeeringConnectionId": "pcx-1", "Status": { "Code": code, "Message": "m" }, "RequesterVpcInfo": { "VpcId": "vpc-1" }, "AccepterVpcInfo": far }] })
}

#[test]
fn a_peering_connection_is_what_its_status_says() {
    let far = json!({ "VpcId": "vpc-2" });
    for (code, expected) in [
        ("active", "active"),
        ("pending-acceptance", "pending-acceptance"),
        ("rejected", "rejected"),
        ("expired", "expired"),
        ("deleted", "deleted"),
    ] {
        let mut all = peering(code, far.clone());
        all["Vpcs"] = json!([{ "VpcId": "vpc-2", "CidrBlock": "10.9.0.0/16" }]);
        assert_eq!(resource(&dump(all).imported(), "vpc_peering_connections", "pcx-1")["state"], expected);
    }
    // Of one that is gone nobody knows the other side.
    assert_eq!(fate(&dump(peering("deleted", far)).imported(), "pcx-1"), Fate::NotNetwork);
}

#[test]
fn what_a_peering_connection_says_of_its_other_side_is_in_the_stand_in() {
    let files = dump(peering(
        "active",
        json!({ "VpcId": "vpc-far", "OwnerId": "444455556666", "Region": "us-west-2", "CidrBlock": "10.8.0.0/16", "CidrBlockSet": [{ "CidrBlock": "10.8.0.0/16" }, { "CidrBlock": "10.9.0.0/16" }] }),
    ));
    assert!(files.run(false).unwrap_err().to_string().contains("no source holds vpc-far"));
    let imported = files.run(true).unwrap();
    let far = resource(&imported, "vpcs", "vpc-far");
    assert_eq!(
        (&far["cidr_block"], &far["secondary_cidr_blocks"], &far["region"], &far["owner"]),
        (&json!("10.8.0.0/16"), &json!(["10.9.0.0/16"]), &json!("us-west-2"), &json!("444455556666"))
    );
    assert!(far["not_modelled"].is_string());
}

#[test]
fn endpoints_have_the_addresses_of_their_interfaces() {
    let imported = dump(json!({
        "NetworkInterfaces": [{ "NetworkInterfaceId": "eni-ep", "SubnetId": "subnet-a", "VpcId": "vpc-1", "PrivateIpAddress": "10.0.1.77", "InterfaceType": "vpc_endpoint", "Status": "in-use", "Groups": [{ "GroupId": "sg-1" }] }],
        "VpcEndpoints": [
            { "VpcEndpointId": "vpce-1", "VpcEndpointType": "Interface", "VpcId": "vpc-1", "ServiceName": "com.amazonaws.eu-west-1.ssm", "State": "available", "SubnetIds": ["subnet-a"], "NetworkInterfaceIds": ["eni-ep"], "Groups": [{ "GroupId": "sg-1" }], "PrivateDnsEnabled": true, "IpAddressType": "ipv4" },
            { "VpcEndpointId": "vpce-2", "VpcEndpointType": "Interface", "VpcId": "vpc-1", "ServiceName": "com.amazonaws.eu-west-1.sqs", "State": "pendingAcceptance", "SubnetIds": [], "Groups": [] }],
    }))
    .imported();
    let endpoint = resource(&imported, "vpc_endpoints", "vpce-1");
    assert_eq!(endpoint["subnet_configuration"], json!([{ "subnet": "subnet-a", "ipv4": "10.0.1.77" }]));
    assert_eq!(endpoint["security_groups"], json!(["sg-1"]));
    assert_eq!(resource(&imported, "vpc_endpoints", "vpce-2")["state"], "pendingAcceptance");
    assert!(imported.document.get("instances").is_none());
    assert_eq!(notes(&imported, "eni-ep"), "");
}

#[test]
fn a_nat_gateway_that_is_pending_is_taken_as_available_with_a_word() {
    let imported = dump(json!({ "NatGateways": [{ "NatGatewayId": "nat-1", "VpcId": "vpc-1", "SubnetId": "subnet-a", "State": "pending", "ConnectivityType": "private", "NatGatewayAddresses": [] }] })).imported();
    assert!(notes(&imported, "nat-1").contains("pending"));
}
