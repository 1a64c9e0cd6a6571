//! How do interfaces, instances and elastic addresses of a dump come out?

use serde_json::{Value, json};
use vpclab_import::Fate;

use crate::fixture::{dump, fate, notes, reported, resource};

fn eni(id: &str, address: &str, more: Value) -> Value {
    let mut eni = json!({ "NetworkInterfaceId": id, "SubnetId": "subnet-a", "VpcId": "vpc-1", "PrivateIpAddress": address, "SourceDestCheck": true, "Status": "in-use",
        "InterfaceType": "interface", "MacAddress": "0a:00:00:00:00:01", "Groups": [{ "GroupId": "sg-1", "GroupName": "web" }],
        "PrivateIpAddresses": [{ "Primary": true, "PrivateIpAddress": address }], "Ipv6Addresses": [] });
    more.as_object().unwrap().iter().for_each(|(key, value)| eni[key] = value.clone());
    eni
}

fn igw() -> Value {
    json!([{ "InternetGatewayId": "igw-1", "Attachments": [{ "VpcId": "vpc-1", "State": "available" }] }])
}

#[test]
fn an_instance_has_the_interfaces_that_are_attached_to_it() {
    let inner = eni(
        "eni-2",
        "10.0.1.11",
        json!({ "Attachment": { "DeviceIndex": 1 }, "PrivateIpAddresses": [{ "PrivateIpAddress": "10.0.1.11" }, { "PrivateIpAddress": "10.0.1.12" }] }),
    );
    let imported = dump(json!({
        "InternetGateways": igw(),
        "NetworkInterfaces": [eni("eni-1", "10.0.1.10", json!({ "Attachment": { "InstanceId": "i-1", "DeviceIndex": 0 }, "Association": { "PublicIp": "52.1.1.1", "IpOwnerId": "amazon" },
            "PrivateIpAddresses": [{ "PrivateIpAddress": "10.0.1.10", "Association": { "PublicIp": "52.1.1.1", "IpOwnerId": "amazon" } }] }))],
        "Reservations": [{ "OwnerId": "111122223333", "Groups": [], "Instances": [{ "InstanceId": "i-1", "State": { "Code": 16, "Name": "running" }, "SubnetId": "subnet-a", "VpcId": "vpc-1",
            "NetworkInterfaces": [eni("eni-1", "10.0.1.10", json!({ "Attachment": { "DeviceIndex": 0 } })), inner], "Tags": [{ "Key": "Name", "Value": "web-1" }] }] }],
    }))
    .imported();
    assert_eq!(
        *resource(&imported, "instances", "i-1"),
        json!({ "network_interfaces": [{ "network_interface": "eni-1", "device_index": 0 }, { "network_interface": "eni-2", "device_index": 1 }], "tags": { "Name": "web-1" } })
    );
    assert_eq!(
        *resource(&imported, "network_interfaces", "eni-1"),
        json!({ "subnet": "subnet-a", "private_ip": "10.0.1.10", "source_dest_check": true, "ipv6_addresses": [], "security_groups": ["sg-1"] })
    );
    assert_eq!(
        resource(&imported, "network_interfaces", "eni-2")["secondary_private_ips"],
        json!(["10.0.1.12"])
    );
    // An automatic public address stays where it is.
    let public = resource(&imported, "eips", "eni-1-public");
    assert_eq!((&public["public_ip"], &public["network_interface"]), (&json!("52.1.1.1"), &json!("eni-1")));
    assert_eq!(reported(&imported, "i-1").becomes.len(), 3);
}

#[test]
fn an_instance_is_what_its_state_says() {
    for (state, expected) in
        [("running", None), ("pending", None), ("stopped", Some("stopped")), ("stopping", Some("stopped"))]
    {
        let imported = dump(json!({ "Instances": [{ "InstanceId": "i-1", "ImageId": "ami-1", "State": { "Code": 0, "Name": state }, "SubnetId": "subnet-a", "PrivateIpAddress": "10.0.1.10", "SecurityGroups": [{ "GroupId": "sg-1" }] }] })).imported();
        assert_eq!(
            resource(&imported, "instances", "i-1").get("state").and_then(Value::as_str),
            expected,
            "{state}"
        );
    }
    for state in ["terminated", "shutting-down"] {
        let imported = dump(json!({ "Instances": [{ "InstanceId": "i-1", "ImageId": "ami-1", "State": { "Code": 48, "Name": state } }] })).imported();
        assert_eq!(fate(&imported, "i-1"), Fate::NotNetwork);
        assert!(imported.document.get("instances").is_none());
    }
}

#[test]
fn an_interface_whose_instance_nobody_lists_has_it_all_the_same() {
    let imported = dump(json!({ "NetworkInterfaces": [eni("eni-1", "10.0.1.10", json!({ "Attachment": { "InstanceId": "i-9", "DeviceIndex": 0 } }))] })).imported();
    assert_eq!(
        resource(&imported, "instances", "i-9")["network_interfaces"][0]["network_interface"],
        "eni-1"
    );
    assert!(notes(&imported, "eni-1").contains("i-9 is not in the dump"));
    assert!(imported.report.made.iter().any(|made| made.name == "i-9"));
}

#[test]
fn an_interface_of_a_service_is_an_end_and_one_that_is_free_is_none() {
    let imported = dump(json!({
        "InternetGateways": igw(),
        "NetworkInterfaces": [
            eni("eni-db", "10.0.1.20", json!({ "RequesterId": "amazon-rds", "RequesterManaged": true, "Description": "RDSNetworkInterface", "Attachment": { "InstanceOwnerId": "amazon-rds" }, "Association": { "PublicIp": "52.1.1.2" } })),
            eni("eni-fn", "10.0.1.21", json!({ "InterfaceType": "lambda", "SourceDestCheck": false, "Description": "AWS Lambda VPC ENI-f-1" })),
            eni("eni-bare", "10.0.1.22", json!({ "Groups": [], "InterfaceType": "network_load_balancer", "Description": "ELB net/x/1" })),
            eni("eni-free", "10.0.1.23", json!({ "Status": "available" }))],
    }))
    .imported();
    let database = resource(&imported, "instances", "eni-db");
    assert_eq!((&database["private_ip"], &database["public_ip"]), (&json!("10.0.1.20"), &json!("52.1.1.2")));
    assert_eq!(resource(&imported, "instances", "eni-fn")["forwards"], "none");
    assert!(
        resource(&imported, "instances", "eni-bare")["not_modelled"]
            .as_str()
            .unwrap()
            .contains("gateway that is not in the dump")
    );
    resource(&imported, "network_interfaces", "eni-free");
    assert!(imported.document["instances"].get("eni-free").is_none());
}

#[test]
fn elastic_addresses_stand_for_what_they_are_associated_with() {
    let imported = dump(json!({
        "InternetGateways": igw(),
        "NetworkInterfaces": [eni("eni-1", "10.0.1.10", json!({ "Attachment": { "InstanceId": "i-1", "DeviceIndex": 0 }, "Association": { "PublicIp": "52.1.1.1", "AllocationId": "eipalloc-1" } }))],
        "Addresses": [
            { "AllocationId": "eipalloc-1", "PublicIp": "52.1.1.1", "Domain": "vpc", "NetworkInterfaceId": "eni-1", "InstanceId": "i-1", "PrivateIpAddress": "10.0.1.10" },
            { "AllocationId": "eipalloc-2", "PublicIp": "52.1.1.2", "Domain": "vpc" },
            { "PublicIp": "52.1.1.3", "Domain": "standard" },
            { "AllocationId": "eipalloc-4", "PublicIp": "52.1.1.4", "Domain": "vpc", "NetworkInterfaceId": "eni-lost" }],
    }))
    .imported();
    let one = resource(&imported, "eips", "eipalloc-1");
    assert_eq!(
        (&one["network_interface"], &one["associate_with_private_ip"], &one["owner"]),
        (&json!("eni-1"), &json!("10.0.1.10"), &json!("111122223333"))
    );
    assert!(imported.document["eips"].get("eni-1-public").is_none());
    assert_eq!(resource(&imported, "eips", "eip-52-1-1-3")["public_ip"], "52.1.1.3");
    assert!(notes(&imported, "eipalloc-4").contains("eni-lost is not in the dump"));
}

#[test]
fn a_public_address_shows_that_there_is_an_internet_gateway() {
    let imported = dump(json!({ "NetworkInterfaces": [eni("eni-1", "10.0.1.10", json!({ "Attachment": { "InstanceId": "i-1", "DeviceIndex": 0 }, "Association": { "PublicIp": "52.1.1.1" } }))] })).imported();
    assert_eq!(resource(&imported, "internet_gateways", "vpc-1-igw")["vpc"], "vpc-1");
}

#[test]
fn each_network_card_counts_its_interfaces_from_the_beginning() {
    let at = |index: u8| json!({ "Attachment": { "InstanceId": "i-1", "DeviceIndex": index } });
    let imported = dump(json!({ "NetworkInterfaces": [eni("eni-1", "10.0.1.10", at(1)), eni("eni-2", "10.0.1.11", at(1)), eni("eni-3", "10.0.1.12", at(1))] })).imported();
    let attached = resource(&imported, "instances", "i-1")["network_interfaces"].as_array().unwrap().clone();
    assert_eq!(
        attached.iter().map(|one| one["device_index"].as_i64().unwrap()).collect::<Vec<_>>(),
        [0, 1, 2]
    );
}

#[test]
fn an_interface_that_says_no_groups_has_those_of_its_instance_or_is_not_known() {
    let without = |index: u8| {
        let mut inner = eni("eni-1", "10.0.1.10", json!({ "Attachment": { "DeviceIndex": index } }));
        inner.as_object_mut().unwrap().remove("Groups");
        let instance = json!({ "InstanceId": "i-1", "ImageId": "ami-1", "SubnetId": "subnet-a", "SecurityGroups": [{ "GroupId": "sg-1" }], "NetworkInterfaces": [inner] });
        dump(json!({ "Instances": [instance] })).imported()
    };
    let first = without(0);
    assert_eq!(resource(&first, "network_interfaces", "eni-1")["security_groups"], json!(["sg-1"]));
    let second = without(1);
    assert!(resource(&second, "network_interfaces", "eni-1")["not_modelled"].is_string());
}

#[test]
fn a_dump_that_contradicts_itself_is_taken_with_doubt() {
    let other = json!({
        "Vpcs": [{ "VpcId": "vpc-2", "CidrBlock": "10.2.0.0/16" }],
        "SecurityGroups": [{ "GroupId": "sg-2", "GroupName": "other", "VpcId": "vpc-2", "IpPermissions": [], "IpPermissionsEgress": [] }],
    });
    let with = |interface: Value| {
        let mut all = other.clone();
        all["NetworkInterfaces"] = json!([interface]);
        let imported = dump(all).imported();
        resource(&imported, "network_interfaces", "eni-1").clone()
    };
    let group = with(eni(
        "eni-1",
        "10.0.1.10",
        json!({ "Groups": [{ "GroupId": "sg-2" }, { "GroupId": "sg-1" }], "Status": "available" }),
    ));
    assert_eq!(group["security_groups"], json!(["sg-1"]));
    assert!(group["not_modelled"].as_str().unwrap().contains("the group sg-2, which is of another VPC"));
    for address in ["10.0.1.1", "10.0.1.255", "10.0.2.10"] {
        let outside = with(eni("eni-1", address, json!({ "Status": "available" })));
        assert!(outside.get("private_ip").is_none(), "{address}");
        assert!(outside["not_modelled"].is_string(), "{address}");
    }
}
