//! How does what other services put into a VPC come out of a dump?

use serde_json::{Value, json};
use vpclab_import::Fate;

use crate::fixture::{dump, fate, notes, reported, resource};

const ARN: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/front/1";

fn balanced(more: Value) -> Value {
    let mut all = json!({
        "InternetGateways": [{ "InternetGatewayId": "igw-1", "Attachments": [{ "VpcId": "vpc-1", "State": "available" }] }],
        "LoadBalancers": [{ "LoadBalancerArn": ARN, "LoadBalancerName": "front", "Type": "application", "Scheme": "internet-facing", "VpcId": "vpc-1", "State": { "Code": "active" }, "SecurityGroups": ["sg-1"],
            "AvailabilityZones": [{ "ZoneName": "eu-west-1a", "SubnetId": "subnet-a" }, { "ZoneName": "eu-west-1b", "SubnetId": "subnet-b" }] }],
        "NetworkInterfaces": [{ "NetworkInterfaceId": "eni-lb", "SubnetId": "subnet-b", "VpcId": "vpc-1", "PrivateIpAddress": "10.0.2.50", "Status": "in-use", "Description": "ELB app/front/1", "Groups": [{ "GroupId": "sg-1" }] }],
    });
    more.as_object().unwrap().iter().for_each(|(key, value)| all[key] = value.clone());
    all
}

#[test]
fn a_load_balancer_has_the_addresses_of_its_interfaces() {
    let imported = dump(balanced(json!({
        "Listeners": [{ "ListenerArn": "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/front/1/2", "LoadBalancerArn": ARN, "Port": 443, "Protocol": "HTTPS", "DefaultActions": [{ "Type": "forward" }] }],
        "Instances": [{ "InstanceId": "i-1", "ImageId": "ami-1", "SubnetId": "subnet-a", "PrivateIpAddress": "10.0.1.10", "SecurityGroups": [{ "GroupId": "sg-1" }] }],
        "TargetGroups": [{ "TargetGroupArn": "arn:tg", "TargetGroupName": "web", "Port": 80, "Protocol": "HTTP", "VpcId": "vpc-1", "TargetType": "instance" }],
        "LoadBalancerTargetHealth": [{ "TargetGroupArn": "arn:tg", "TargetHealthDescriptions": [{ "Target": { "Id": "i-1", "Port": 80 } }, { "Target": { "Id": "i-gone" } }] }],
    })))
    .imported();
    let balancer = resource(&imported, "load_balancers", "front");
    assert_eq!(
        balancer["subnet_mapping"],
        json!([{ "subnet": "subnet-a" }, { "subnet": "subnet-b", "private_ipv4_address": "10.0.2.50" }])
    );
    assert_eq!((&balancer["internal"], &balancer["security_groups"]), (&json!(false), &json!(["sg-1"])));
    assert_eq!(
        *resource(&imported, "listeners", "front-443"),
        json!({ "load_balancer": "front", "port": 443, "protocol": "HTTPS" })
    );
    assert_eq!(resource(&imported, "target_groups", "web")["targets"], json!(["i-1"]));
    assert_eq!(reported(&imported, "eni-lb").becomes[0].name, "front");
}

#[test]
fn a_classic_load_balancer_is_one_with_its_listeners_and_its_interfaces() {
    let imported = dump(json!({
        "LoadBalancerDescriptions": [{ "LoadBalancerName": "old", "Scheme": "internal", "Subnets": ["subnet-a", "subnet-b"], "SecurityGroups": ["sg-1"],
            "ListenerDescriptions": [{ "Listener": { "Protocol": "HTTP", "LoadBalancerPort": 80, "InstanceProtocol": "HTTP", "InstancePort": 8080 }, "PolicyNames": [] }] }],
        "NetworkInterfaces": [{ "NetworkInterfaceId": "eni-1", "SubnetId": "subnet-b", "VpcId": "vpc-1", "AvailabilityZone": "eu-west-1b", "PrivateIpAddress": "10.0.2.60", "Status": "in-use", "Description": "ELB old", "Groups": [{ "GroupId": "sg-1" }] }],
    }))
    .imported();
    assert_eq!(fate(&imported, "old"), Fate::Approximated);
    assert_eq!(
        *resource(&imported, "load_balancers", "old"),
        json!({ "load_balancer_type": "classic", "internal": true, "security_groups": ["sg-1"],
                "subnet_mapping": [{ "subnet": "subnet-a" }, { "subnet": "subnet-b", "private_ipv4_address": "10.0.2.60" }] })
    );
    assert_eq!(
        *resource(&imported, "listeners", "old-80"),
        json!({ "load_balancer": "old", "port": 80, "protocol": "HTTP" })
    );
    assert_eq!(reported(&imported, "eni-1").becomes[0].name, "old");
}

#[test]
fn a_service_is_its_interfaces_or_one_in_each_subnet() {
    let database = json!({ "DBInstances": [{ "DBInstanceIdentifier": "db", "DBInstanceStatus": "available", "PubliclyAccessible": false, "VpcSecurityGroups": [{ "VpcSecurityGroupId": "sg-1", "Status": "active" }],
        "DBSubnetGroup": { "DBSubnetGroupName": "g", "Subnets": [{ "SubnetIdentifier": "subnet-a" }, { "SubnetIdentifier": "subnet-b" }] } }] });
    let function = json!({ "Functions": [{ "FunctionName": "fn", "VpcConfig": { "VpcId": "vpc-1", "SubnetIds": ["subnet-a", "subnet-b"], "SecurityGroupIds": ["sg-1"] } }] });
    let search = json!({ "DomainStatusList": [{ "DomainName": "es", "VPCOptions": { "SubnetIds": ["subnet-a", "subnet-b"], "SecurityGroupIds": ["sg-1"] } }] });
    let cache = json!({ "CacheClusters": [{ "CacheClusterId": "redis", "CacheSubnetGroupName": "c", "SecurityGroups": [{ "SecurityGroupId": "sg-1" }] }], "CacheSubnetGroups": [{ "CacheSubnetGroupName": "c", "Subnets": [{ "SubnetIdentifier": "subnet-a" }, { "SubnetIdentifier": "subnet-b" }] }] });
    for (all, name, description) in [
        (database, "db", "RDSNetworkInterface"),
        (function, "fn", "AWS Lambda VPC ENI-fn-0a"),
        (search, "es", "ES es"),
        (cache, "redis", "ElastiCache redis-0001"),
    ] {
        let imported = dump(all.clone()).imported();
        let second = resource(&imported, "instances", &format!("{name}[1]"));
        assert_eq!(
            (&second["subnet"], &second["security_groups"]),
            (&json!("subnet-b"), &json!(["sg-1"])),
            "{name}"
        );
        assert!(notes(&imported, name).contains("one in each subnet"), "{name}");
        let mut listed = all;
        listed["NetworkInterfaces"] = json!([{ "NetworkInterfaceId": "eni-1", "SubnetId": "subnet-a", "VpcId": "vpc-1", "PrivateIpAddress": "10.0.1.60", "Status": "in-use", "Description": description, "Groups": [{ "GroupId": "sg-1" }] }]);
        let imported = dump(listed).imported();
        assert_eq!(
            imported.document["instances"].as_object().unwrap().keys().collect::<Vec<_>>(),
            ["eni-1"],
            "{name}"
        );
        assert_eq!(reported(&imported, name).becomes[0].name, "eni-1");
    }
}

#[test]
fn what_is_in_no_vpc_is_no_network() {
    let imported =
        dump(json!({ "Functions": [{ "FunctionName": "fn", "Runtime": "python3.12" }] })).imported();
    assert_eq!(fate(&imported, "fn"), Fate::NotNetwork);
}

#[test]
fn block_public_access_is_stored() {
    let imported = dump(json!({ "VpcBlockPublicAccessOptions": { "AwsAccountId": "111122223333", "AwsRegion": "eu-west-1", "State": "update-complete", "InternetGatewayBlockMode": "block-ingress" } })).imported();
    assert_eq!(
        resource(&imported, "vpc_block_public_access_options", "eu-west-1")["internet_gateway_block_mode"],
        "block-ingress"
    );
}

#[test]
fn a_mount_target_is_its_interface() {
    let target = json!([{ "MountTargetId": "fsmt-1", "SubnetId": "subnet-a", "IpAddress": "10.0.1.33", "NetworkInterfaceId": "eni-fs" }]);
    let imported = dump(json!({ "MountTargets": target })).imported();
    assert_eq!(resource(&imported, "instances", "fsmt-1")["private_ip"], "10.0.1.33");
    assert_eq!(fate(&imported, "fsmt-1"), Fate::NotModelled);
    let imported = dump(json!({ "MountTargets": target, "NetworkInterfaces": [{ "NetworkInterfaceId": "eni-fs", "SubnetId": "subnet-a", "VpcId": "vpc-1", "PrivateIpAddress": "10.0.1.33", "Status": "in-use", "Groups": [{ "GroupId": "sg-1" }] }] })).imported();
    assert_eq!(reported(&imported, "fsmt-1").becomes[0].name, "eni-fs");
}

#[test]
fn names_that_two_regions_use_have_their_region_before_them() {
    let region = |region: &str, n: u8| {
        let (vpc, subnet, group) = (format!("vpc-{n}"), format!("subnet-{n}"), format!("sg-{n}"));
        json!({
            "Vpcs": [{ "VpcId": vpc, "CidrBlock": format!("10.{n}.0.0/16") }],
            "Subnets": [{ "SubnetId": subnet, "VpcId": vpc, "CidrBlock": format!("10.{n}.1.0/24"), "AvailabilityZone": format!("{region}a") }],
            "SecurityGroups": [{ "GroupId": group, "GroupName": "g", "VpcId": vpc, "IpPermissions": [], "IpPermissionsEgress": [] }],
            "LoadBalancers": [{ "LoadBalancerArn": format!("arn:aws:elasticloadbalancing:{region}:111122223333:loadbalancer/app/web/{n}"), "LoadBalancerName": "web", "Type": "application", "Scheme": "internal",
                "VpcId": vpc, "SecurityGroups": [group], "AvailabilityZones": [{ "SubnetId": subnet }] }],
            "Listeners": [{ "ListenerArn": format!("arn:listener-{n}"), "LoadBalancerArn": format!("arn:aws:elasticloadbalancing:{region}:111122223333:loadbalancer/app/web/{n}"), "Port": 80, "Protocol": "HTTP" }],
            "TargetGroups": [{ "TargetGroupArn": format!("arn:aws:elasticloadbalancing:{region}:111122223333:targetgroup/t/{n}"), "TargetGroupName": "t", "Port": 80, "Protocol": "HTTP", "VpcId": vpc }],
            "DBInstances": [{ "DBInstanceIdentifier": "db", "VpcSecurityGroups": [{ "VpcSecurityGroupId": group }], "DBSubnetGroup": { "Subnets": [{ "SubnetIdentifier": subnet }] } }],
            "Functions": [{ "FunctionName": format!("only-{n}"), "VpcConfig": { "SubnetIds": [subnet], "SecurityGroupIds": [group] } }],
        })
    };
    let (one, two) = ("eu-west-1", "us-east-1");
    let imported = crate::fixture::Files::new(&[
        ("eu-west-1/a.json", region(one, 1)),
        ("us-east-1/a.json", region(two, 2)),
    ])
    .imported();
    for (region, n) in [(one, 1), (two, 2)] {
        let balancer = resource(&imported, "load_balancers", &format!("{region}/web"));
        assert_eq!(balancer["subnet_mapping"][0]["subnet"], format!("subnet-{n}"));
        let listener = resource(&imported, "listeners", &format!("{region}/web-80"));
        assert_eq!(listener["load_balancer"], format!("{region}/web"));
        assert_eq!(resource(&imported, "target_groups", &format!("{region}/t"))["vpc"], format!("vpc-{n}"));
        assert_eq!(
            resource(&imported, "instances", &format!("{region}/db[0]"))["subnet"],
            format!("subnet-{n}")
        );
        assert_eq!(
            resource(&imported, "instances", &format!("only-{n}[0]"))["subnet"],
            format!("subnet-{n}")
        );
    }
}

#[test]
fn a_database_whose_groups_are_of_another_vpc_is_not_known() {
    let imported = dump(json!({
        "Vpcs": [{ "VpcId": "vpc-2", "CidrBlock": "10.2.0.0/16" }],
        "Subnets": [{ "SubnetId": "subnet-c", "VpcId": "vpc-2", "CidrBlock": "10.2.1.0/24", "AvailabilityZone": "eu-west-1a" }],
        "DBInstances": [{ "DBInstanceIdentifier": "db", "VpcSecurityGroups": [{ "VpcSecurityGroupId": "sg-1" }], "DBSubnetGroup": { "Subnets": [{ "SubnetIdentifier": "subnet-a" }, { "SubnetIdentifier": "subnet-c" }] } }],
    }))
    .imported();
    assert_eq!(resource(&imported, "instances", "db[0]")["security_groups"], json!(["sg-1"]));
    let second = resource(&imported, "instances", "db[1]");
    assert!(second["not_modelled"].is_string() && second.get("security_groups").is_none());
}
