//! How do security groups and network ACLs come out?

use serde_json::{Value, json};
use vpclab_import::Fate;

use crate::fixture::{Templates, fate, notes, resource, with_vpc};

/// The rule that an entry of `SecurityGroupIngress` becomes.
#[track_caller]
fn ingress(rule: &str) -> Value {
    let template = with_vpc(&format!("
  List: {{ Type: AWS::EC2::PrefixList, Properties: {{ PrefixListName: l, AddressFamily: IPv4, MaxEntries: 3 }} }}
  Tested:
    Type: AWS::EC2::SecurityGroup
    Properties: {{ VpcId: !Ref Vpc, GroupDescription: g, GroupName: tested, SecurityGroupIngress: [{rule}] }}
"));
    resource(&Templates::one(&template).imported(), "security_groups", "Tested")["ingress"].clone()
}

#[test]
fn rules_of_groups_are_read_as_ec2_reads_them() {
    for (rule, expected) in [
        (
            "{ IpProtocol: tcp, FromPort: 80, ToPort: 81, CidrIp: 10.0.0.0/8, Description: d }",
            json!({ "protocol": "tcp", "from_port": 80, "to_port": 81, "cidr_blocks": ["10.0.0.0/8"], "description": "d" }),
        ),
        (
            "{ IpProtocol: 6, FromPort: '80', ToPort: '80', CidrIp: ' 10.0.0.0/8 ' }",
            json!({ "protocol": "6", "from_port": 80, "to_port": 80, "cidr_blocks": ["10.0.0.0/8"] }),
        ),
        (
            "{ IpProtocol: UDP, FromPort: 53, ToPort: 53, CidrIpv6: '::/0' }",
            json!({ "protocol": "udp", "from_port": 53, "to_port": 53, "ipv6_cidr_blocks": ["::/0"] }),
        ),
        ("{ IpProtocol: -1, CidrIp: 10.1.2.3 }", json!({ "protocol": "-1", "cidr_blocks": ["10.1.2.3/32"] })),
        (
            "{ IpProtocol: '-1', FromPort: 5, ToPort: 9, CidrIp: 0.0.0.0/0 }",
            json!({ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] }),
        ),
        (
            "{ IpProtocol: icmp, FromPort: 8, ToPort: -1, CidrIp: 0.0.0.0/0 }",
            json!({ "protocol": "icmp", "from_port": 8, "to_port": -1, "cidr_blocks": ["0.0.0.0/0"] }),
        ),
        (
            "{ IpProtocol: tcp, FromPort: -1, ToPort: -1, CidrIp: 0.0.0.0/0 }",
            json!({ "protocol": "tcp", "from_port": 0, "to_port": 65535, "cidr_blocks": ["0.0.0.0/0"] }),
        ),
        (
            "{ IpProtocol: tcp, CidrIp: 0.0.0.0/0 }",
            json!({ "protocol": "tcp", "from_port": 0, "to_port": 65535, "cidr_blocks": ["0.0.0.0/0"] }),
        ),
        (
            "{ IpProtocol: tcp, FromPort: 1, ToPort: 1, SourceSecurityGroupId: !GetAtt Group.GroupId }",
            json!({ "protocol": "tcp", "from_port": 1, "to_port": 1, "security_groups": ["Group"] }),
        ),
        (
            "{ IpProtocol: tcp, FromPort: 1, ToPort: 1, SourceSecurityGroupName: tested }",
            json!({ "protocol": "tcp", "from_port": 1, "to_port": 1, "security_groups": ["Tested"] }),
        ),
        (
            "{ IpProtocol: tcp, FromPort: 1, ToPort: 1, SourcePrefixListId: !Ref List }",
            json!({ "protocol": "tcp", "from_port": 1, "to_port": 1, "prefix_lists": ["List"] }),
        ),
        (
            "{ IpProtocol: tcp, FromPort: 1, ToPort: 1, SourcePrefixListId: !GetAtt List.PrefixListId }",
            json!({ "protocol": "tcp", "from_port": 1, "to_port": 1, "prefix_lists": ["List"] }),
        ),
    ] {
        assert_eq!(ingress(rule), json!([expected]), "{rule}");
    }
    assert_eq!(ingress("{ IpProtocol: tcp, FromPort: 1, ToPort: 1 }"), json!([]));
    let twice =
        "{ IpProtocol: -1, CidrIp: 0.0.0.0/0 }, { IpProtocol: -1, CidrIp: 0.0.0.0/0, Description: again }";
    assert_eq!(ingress(twice).as_array().unwrap().len(), 1);
}

/// The egress of a group with what is written inside and beside it.
#[track_caller]
fn egress(inside: &str, beside: &str) -> Value {
    let template = with_vpc(&format!(
        "
  Tested:
    Type: AWS::EC2::SecurityGroup
    Properties: {{ VpcId: !Ref Vpc, GroupDescription: g {inside} }}
{beside}
"
    ));
    resource(&Templates::one(&template).imported(), "security_groups", "Tested")
        .get("egress")
        .cloned()
        .unwrap_or(Value::Null)
}

const ALL: &str = "{ IpProtocol: -1, CidrIp: 0.0.0.0/0 }";
const SEPARATE: &str = "
  Rule:
    Type: AWS::EC2::SecurityGroupEgress
    Properties: { GroupId: !GetAtt Tested.GroupId, IpProtocol: tcp, FromPort: 25, ToPort: 25, DestinationSecurityGroupId: !Ref Group }
";

#[test]
fn egress_rules_inside_a_group_replace_those_of_aws_and_separate_ones_add_to_them() {
    let own = json!({ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] });
    let six = json!({ "protocol": "-1", "ipv6_cidr_blocks": ["::/0"] });
    let mail = json!({ "protocol": "tcp", "from_port": 25, "to_port": 25, "security_groups": ["Group"] });
    // Not written, AWS's default holds: all.
    assert_eq!(egress("", ""), Value::Null);
    assert_eq!(egress(", SecurityGroupEgress: []", ""), Value::Null);
    assert_eq!(egress(&format!(", SecurityGroupEgress: [{ALL}]"), ""), json!([own]));
    assert_eq!(egress("", SEPARATE), json!([own, six, mail]));
    assert_eq!(egress(&format!(", SecurityGroupEgress: [{ALL}]"), SEPARATE), json!([own, mail]));
    // What AWS has anyway is no second rule.
    let same = "
  Rule: { Type: AWS::EC2::SecurityGroupEgress, Properties: { GroupId: !Ref Tested, IpProtocol: '-1', CidrIp: 0.0.0.0/0 } }
";
    assert_eq!(egress("", same), json!([own, six]));
}

#[test]
fn separate_rules_of_a_default_group_add_to_what_it_has() {
    let template = with_vpc("
  Rule:
    Type: AWS::EC2::SecurityGroupIngress
    Properties: { GroupId: !GetAtt Vpc.DefaultSecurityGroup, IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 0.0.0.0/0 }
");
    let imported = Templates::one(&template).imported();
    let group = resource(&imported, "security_groups", "Vpc/default");
    assert_eq!(group["ingress"][0], json!({ "protocol": "-1", "self": true }));
    assert_eq!(group["ingress"][1]["from_port"], 22);
    assert!(group.get("egress").is_none());
}

#[test]
fn a_rule_that_is_not_known_leaves_the_others_and_marks_the_group() {
    let template = with_vpc("
  Tested:
    Type: AWS::EC2::SecurityGroup
    Properties:
      VpcId: !Ref Vpc
      GroupDescription: g
      SecurityGroupIngress:
        - { IpProtocol: tcp, FromPort: 1, ToPort: 1, CidrIp: '{{resolve:ssm:block}}' }
        - { IpProtocol: tcp, FromPort: 2, ToPort: 2, CidrIp: 0.0.0.0/0 }
        - { IpProtocol: tcp, FromPort: 3, ToPort: 3, SourceSecurityGroupName: x, SourceSecurityGroupOwnerId: amazon-elb }
  Rule: { Type: AWS::EC2::SecurityGroupIngress, Properties: { GroupId: !Ref Group, IpProtocol: tcp, FromPort: 1, ToPort: 1, CidrIp: '{{resolve:ssm:block}}' } }
");
    let imported = Templates::one(&template).imported();
    let group = resource(&imported, "security_groups", "Tested");
    assert_eq!(group["ingress"].as_array().unwrap().len(), 1);
    assert!(group["not_modelled"].as_str().unwrap().contains("SecurityGroupIngress[0].CidrIp is not known"));
    assert_eq!(fate(&imported, "Tested"), Fate::NotModelled);
    assert!(resource(&imported, "security_groups", "Group")["not_modelled"].is_string());
    assert_eq!(fate(&imported, "Rule"), Fate::NotModelled);
}

#[test]
fn entries_of_network_acls_are_read_as_ec2_reads_them() {
    let template = with_vpc("
  Acl: { Type: AWS::EC2::NetworkAcl, Properties: { VpcId: !Ref Vpc } }
  Http:
    Type: AWS::EC2::NetworkAclEntry
    Properties: { NetworkAclId: !Ref Acl, RuleNumber: '100', Protocol: 6, RuleAction: allow, Egress: 'false', CidrBlock: 0.0.0.0/0, PortRange: { From: '80', To: 80 } }
  Ping:
    Type: AWS::EC2::NetworkAclEntry
    Properties: { NetworkAclId: !GetAtt Acl.Id, RuleNumber: 110, Protocol: 1, RuleAction: DENY, CidrBlock: 0.0.0.0/0, Icmp: { Type: 8, Code: -1 } }
  Out:
    Type: AWS::EC2::NetworkAclEntry
    Properties: { NetworkAclId: !Ref Acl, RuleNumber: 100, Protocol: -1, RuleAction: allow, Egress: true, Ipv6CidrBlock: '::/0', PortRange: { From: 0, To: 65535 } }
  Tcp:
    Type: AWS::EC2::NetworkAclEntry
    Properties: { NetworkAclId: !Ref Acl, RuleNumber: 120, Protocol: 6, RuleAction: allow, CidrBlock: 0.0.0.0/0 }
  Default:
    Type: AWS::EC2::NetworkAclEntry
    Properties: { NetworkAclId: !GetAtt Vpc.DefaultNetworkAcl, RuleNumber: 50, Protocol: -1, RuleAction: deny, CidrBlock: 192.0.2.0/24 }
");
    let imported = Templates::one(&template).imported();
    let acl = resource(&imported, "network_acls", "Acl");
    assert_eq!(
        acl["ingress"],
        json!([
            { "rule_no": 100, "action": "allow", "protocol": "6", "cidr_block": "0.0.0.0/0", "from_port": 80, "to_port": 80 },
            { "rule_no": 110, "action": "deny", "protocol": "1", "cidr_block": "0.0.0.0/0", "icmp_type": 8, "icmp_code": -1 },
            { "rule_no": 120, "action": "allow", "protocol": "6", "cidr_block": "0.0.0.0/0", "from_port": 0, "to_port": 65535 },
        ])
    );
    assert_eq!(
        acl["egress"],
        json!([{ "rule_no": 100, "action": "allow", "protocol": "-1", "ipv6_cidr_block": "::/0" }])
    );
    assert_eq!(notes(&imported, "Tcp"), "it has no PortRange: all ports are taken");
    let default = resource(&imported, "network_acls", "Vpc/default");
    assert_eq!(default["ingress"].as_array().unwrap().len(), 3);
    assert!(default.get("egress").is_none());
}

#[test]
fn prefix_lists_and_further_vpcs_of_groups_come_out() {
    let template = with_vpc("
  Peer: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.5.0.0/16 } }
  Shared: { Type: AWS::EC2::SecurityGroupVpcAssociation, Properties: { GroupId: !Ref Group, VpcId: !Ref Peer } }
  List:
    Type: AWS::EC2::PrefixList
    Properties: { PrefixListName: l, AddressFamily: IPv4, MaxEntries: 3, Entries: [{ Cidr: 10.9.0.0/16, Description: d }, { Cidr: 10.8.0.0/16 }] }
");
    let imported = Templates::one(&template).imported();
    assert_eq!(resource(&imported, "security_groups", "Group")["vpc_associations"], json!(["Peer"]));
    let list = resource(&imported, "managed_prefix_lists", "List");
    assert_eq!(
        list["entries"],
        json!([{ "cidr": "10.9.0.0/16", "description": "d" }, { "cidr": "10.8.0.0/16" }])
    );
}

#[test]
fn a_group_of_another_account_without_a_peering_connection_is_not_known() {
    let text = with_vpc(
        "
  Open: { Type: AWS::EC2::SecurityGroup, Properties: { VpcId: !Ref Vpc, GroupDescription: o, SecurityGroupIngress: [{ IpProtocol: tcp, FromPort: 1, ToPort: 1, SourceSecurityGroupId: sg-0123456789abcdef0, SourceSecurityGroupOwnerId: '999999999999' }] } }
",
    );
    let imported = Templates::one(&text).imported();
    let group = resource(&imported, "security_groups", "Open");
    assert_eq!(group["ingress"], json!([]));
    assert!(group["not_modelled"].as_str().unwrap().contains("to which no peering connection leads here"));
}
