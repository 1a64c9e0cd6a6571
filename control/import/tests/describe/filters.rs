//! How do network ACLs and security groups of a dump come out?

use serde_json::{Value, json};
use vpclab_import::Fate;

use crate::fixture::{Files, dump, fate, notes, resource, together};

#[test]
fn the_last_entry_of_a_network_acl_is_there_by_itself() {
    let imported = dump(json!({ "NetworkAcls": [{ "NetworkAclId": "acl-2", "VpcId": "vpc-1", "Associations": [{ "SubnetId": "subnet-gone" }], "Entries": [
        { "RuleNumber": 10, "Egress": false, "Protocol": "6", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0", "PortRange": { "From": 22, "To": 23 } },
        { "RuleNumber": 20, "Egress": false, "Protocol": "1", "RuleAction": "deny", "CidrBlock": "0.0.0.0/0", "IcmpTypeCode": { "Type": 8, "Code": -1 } },
        { "RuleNumber": 30, "Egress": true, "Protocol": "17", "RuleAction": "allow", "Ipv6CidrBlock": "::/0" },
        { "RuleNumber": 32767, "Egress": true, "Protocol": "-1", "RuleAction": "deny", "CidrBlock": "0.0.0.0/0" },
        { "RuleNumber": 32768, "Egress": true, "Protocol": "-1", "RuleAction": "deny", "Ipv6CidrBlock": "::/0" }] }] }))
    .imported();
    let acl = resource(&imported, "network_acls", "acl-2");
    assert_eq!(
        acl["ingress"],
        json!([{ "rule_no": 10, "protocol": "6", "action": "allow", "cidr_block": "0.0.0.0/0", "from_port": 22, "to_port": 23 },
            { "rule_no": 20, "protocol": "1", "action": "deny", "cidr_block": "0.0.0.0/0", "icmp_type": 8, "icmp_code": -1 }])
    );
    assert_eq!(
        acl["egress"],
        json!([{ "rule_no": 30, "protocol": "17", "action": "allow", "ipv6_cidr_block": "::/0", "from_port": 0, "to_port": 65535 }])
    );
    assert!(notes(&imported, "acl-2").contains("subnet-gone is not in the dump"));
}

#[test]
fn a_group_has_exactly_the_rules_that_are_listed() {
    let imported = dump(json!({ "SecurityGroups": [{ "GroupId": "sg-2", "GroupName": "db", "Description": "d", "VpcId": "vpc-1",
        "IpPermissions": [{ "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{ "CidrIp": "10.0.0.0/8" }, { "CidrIp": "172.16.0.0/12", "Description": "x" }],
            "Ipv6Ranges": [{ "CidrIpv6": "::/0" }], "UserIdGroupPairs": [{ "GroupId": "sg-1", "UserId": "111122223333" }], "PrefixListIds": [] }],
        "IpPermissionsEgress": [] }] }))
    .imported();
    let group = resource(&imported, "security_groups", "sg-2");
    assert_eq!(
        *group,
        json!({ "vpc": "vpc-1", "name": "db", "description": "d", "egress": [],
            "ingress": [{ "protocol": "tcp", "from_port": 5432, "to_port": 5432, "cidr_blocks": ["10.0.0.0/8", "172.16.0.0/12"], "ipv6_cidr_blocks": ["::/0"], "security_groups": ["sg-1"] }] })
    );
}

/// The inbound rules of `sg-2`, which names a group of another VPC, or another group.
fn named(pair: Value, more: Value) -> Value {
    let mut all = more;
    let groups = all["SecurityGroups"].as_array().cloned().unwrap_or_default();
    all["SecurityGroups"] =
        groups
            .into_iter()
            .chain([
                json!({ "GroupId": "sg-2", "GroupName": "db", "VpcId": "vpc-1", "IpPermissionsEgress": [],
        "IpPermissions": [{ "IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [pair] }] }),
            ])
            .collect();
    all
}

#[test]
fn a_rule_names_groups_of_peers_and_nobody_elses() {
    let far = json!({ "Vpcs": [{ "VpcId": "vpc-2", "CidrBlock": "10.9.0.0/16", "OwnerId": "111122223333" }], "SecurityGroups": [{ "GroupId": "sg-far", "GroupName": "far", "VpcId": "vpc-2", "IpPermissions": [], "IpPermissionsEgress": [] }] });
    let mut peered = far.clone();
    peered["VpcPeeringConnections"] = json!([{ "VpcPeeringConnectionId": "pcx-1", "Status": { "Code": "active" }, "RequesterVpcInfo": { "VpcId": "vpc-1", "OwnerId": "111122223333", "Region": "eu-west-1" }, "AccepterVpcInfo": { "VpcId": "vpc-2", "OwnerId": "111122223333", "Region": "eu-west-1" } }]);
    peered["Subnets"] = json!([{ "SubnetId": "subnet-far", "VpcId": "vpc-2", "CidrBlock": "10.9.1.0/24", "AvailabilityZone": "eu-west-1a" }]);
    let pair = json!({ "GroupId": "sg-far", "UserId": "111122223333" });
    let rules = |more: Value| {
        resource(&dump(named(pair.clone(), more)).imported(), "security_groups", "sg-2")["ingress"].clone()
    };
    assert_eq!(
        rules(peered),
        json!([{ "protocol": "tcp", "from_port": 1, "to_port": 1, "security_groups": ["sg-far"] }])
    );
    // AWS keeps a rule whose peering connection is gone, and it matches nothing.
    assert_eq!(rules(far), json!([]));
}

#[test]
fn a_group_of_another_account_is_written_with_it() {
    let more = json!({ "Vpcs": [{ "VpcId": "vpc-2", "CidrBlock": "10.9.0.0/16", "OwnerId": "444455556666" }], "Subnets": [{ "SubnetId": "subnet-far", "VpcId": "vpc-2", "CidrBlock": "10.9.1.0/24", "AvailabilityZone": "eu-west-1a" }],
        "VpcPeeringConnections": [{ "VpcPeeringConnectionId": "pcx-1", "Status": { "Code": "active" }, "RequesterVpcInfo": { "VpcId": "vpc-1", "OwnerId": "111122223333" }, "AccepterVpcInfo": { "VpcId": "vpc-2", "OwnerId": "444455556666" } }] });
    let imported = dump(named(json!({ "GroupId": "sg-0fedcba9876543210", "UserId": "444455556666", "VpcPeeringConnectionId": "pcx-1" }), more)).imported();
    assert_eq!(
        resource(&imported, "security_groups", "sg-2")["ingress"][0]["security_groups"],
        json!(["444455556666/sg-0fedcba9876543210"])
    );
}

#[test]
fn a_group_that_no_file_has_is_wanted() {
    let files = dump(named(json!({ "GroupId": "sg-lost", "UserId": "111122223333" }), json!({})));
    assert!(files.run(false).unwrap_err().to_string().contains("no source holds sg-lost"));
    let imported = files.run(true).unwrap();
    let lost = resource(&imported, "security_groups", "sg-lost");
    assert_eq!(lost["vpc"], "vpc-1");
    assert!(lost["not_modelled"].is_string());
}

#[test]
fn rules_that_are_listed_apart_stand_in_their_group_too() {
    let permissions = json!([
        { "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{ "CidrIp": "0.0.0.0/0" }] },
        { "IpProtocol": "-1", "UserIdGroupPairs": [{ "GroupId": "sg-1" }] }]);
    let rule = |more: Value| {
        let mut rule = json!({ "SecurityGroupRuleId": "sgr-1", "GroupId": "sg-1", "IsEgress": false });
        more.as_object().unwrap().iter().for_each(|(key, value)| rule[key] = value.clone());
        let group = json!({ "GroupId": "sg-1", "GroupName": "web", "VpcId": "vpc-1", "IpPermissions": permissions, "IpPermissionsEgress": [] });
        dump(json!({ "SecurityGroupRules": [rule], "SecurityGroups": [group] })).imported()
    };
    let tcp = json!({ "IpProtocol": "6", "FromPort": 80, "ToPort": 80, "CidrIpv4": "0.0.0.0/0" });
    let group = json!({ "IpProtocol": "-1", "FromPort": -1, "ToPort": -1, "ReferencedGroupInfo": { "GroupId": "sg-1" } });
    for listed in [tcp.clone(), group] {
        let imported = rule(listed.clone());
        assert_eq!(fate(&imported, "sgr-1"), Fate::Understood, "{listed}");
        assert!(resource(&imported, "security_groups", "sg-1").get("not_modelled").is_none(), "{listed}");
    }
    for (key, value) in [
        ("FromPort", json!(79)),
        ("CidrIpv4", json!("10.0.0.0/8")),
        ("IsEgress", json!(true)),
        ("IpProtocol", json!("udp")),
    ] {
        let mut other = tcp.clone();
        other[key] = value;
        let imported = rule(other);
        assert_eq!(fate(&imported, "sgr-1"), Fate::NotModelled, "{key}");
        assert!(resource(&imported, "security_groups", "sg-1")["not_modelled"].is_string(), "{key}");
    }
    let lost =
        dump(json!({ "SecurityGroupRules": [{ "SecurityGroupRuleId": "sgr-2", "GroupId": "sg-lost" }] }));
    assert_eq!(fate(&lost.imported(), "sgr-2"), Fate::LeftOut);
}

#[test]
fn a_subnet_that_no_listed_acl_names_has_one_that_is_not_known() {
    let acl = |subnets: Value| {
        let acl = json!({ "NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": true, "Associations": subnets, "Entries": [] });
        dump(json!({ "NetworkAcls": [acl] })).imported()
    };
    let partial = acl(json!([{ "SubnetId": "subnet-a" }]));
    assert!(resource(&partial, "network_acls", "vpc-1/default")["not_modelled"].is_string());
    assert!(resource(&partial, "subnets", "subnet-b").get("network_acl").is_none());
    let whole = acl(json!([{ "SubnetId": "subnet-a" }, { "SubnetId": "subnet-b" }]));
    assert!(whole.document["network_acls"].get("vpc-1/default").is_none());
}

/// The group of two files that show its inbound rules differently.
fn contradicted(first: serde_json::Value, second: serde_json::Value) -> serde_json::Value {
    let file = |rules: serde_json::Value| json!({ "SecurityGroups": [{ "GroupId": "sg-1", "GroupName": "web", "VpcId": "vpc-1", "IpPermissions": rules, "IpPermissionsEgress": [] }] });
    let mut base = together(json!({}));
    base.as_object_mut().unwrap().remove("SecurityGroups");
    let imported =
        Files::new(&[("a.json", file(first)), ("b.json", file(second)), ("c.json", base)]).imported();
    resource(&imported, "security_groups", "sg-1").clone()
}

#[test]
fn of_a_group_that_two_files_show_differently_what_both_have_is_known() {
    let rule = |port: u16| json!({ "IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{ "CidrIp": "0.0.0.0/0" }] });
    let ports = |group: &serde_json::Value| -> Vec<serde_json::Value> {
        group["ingress"].as_array().unwrap().iter().map(|rule| rule["from_port"].clone()).collect()
    };
    for (first, second, both) in [
        (json!([rule(443), rule(80)]), json!([rule(22), rule(80)]), vec![json!(80)]),
        (json!([]), json!([rule(443)]), vec![]),
        (json!([rule(443)]), json!([]), vec![]),
    ] {
        let group = contradicted(first.clone(), second);
        assert!(group["not_modelled"].as_str().unwrap().contains("different IpPermissions"), "{group}");
        assert_eq!(ports(&group), both, "{first}");
    }
    let same = contradicted(json!([rule(443), rule(80)]), json!([rule(80), rule(443)]));
    assert!(same.get("not_modelled").is_none() && ports(&same).len() == 2, "{same}");
}
