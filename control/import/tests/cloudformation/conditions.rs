//! Which resources are made?

use vpclab_import::Fate;

use crate::fixture::{Templates, VPC, fate, resource};

/// Whether a condition holds.
#[track_caller]
fn holds(condition: &str) -> bool {
    let template = format!(
        "
Parameters:
  Word: {{ Type: String, Default: a }}
  Words: {{ Type: CommaDelimitedList, Default: 'a,b' }}
  Vpc: {{ Type: AWS::EC2::VPC::Id }}
Conditions:
  Yes: !Equals [a, !Ref Word]
  Tested: {condition}
Resources:
  Gateway: {{ Type: AWS::EC2::InternetGateway, Condition: Tested }}
"
    );
    match fate(&Templates::one(&template).imported(), "Gateway") {
        Fate::Understood => true,
        Fate::NotMade => false,
        other => panic!("{condition} is {other:?}"),
    }
}

#[test]
fn conditions_are_evaluated() {
    for (condition, expected) in [
        ("!Equals [a, a]", true),
        ("!Equals [a, b]", false),
        ("!Equals [!Ref Word, a]", true),
        ("!Equals ['true', true]", true),
        ("!Equals [1, '1']", true),
        ("!Not [!Condition Yes]", false),
        ("!And [!Condition Yes, !Equals [a, a]]", true),
        ("!And [!Condition Yes, !Equals [a, b]]", false),
        ("!Or [!Equals [a, b], !Condition Yes]", true),
        ("!Or [!Equals [a, b], !Equals [b, a]]", false),
        ("{ Condition: Yes }", true),
        ("{ 'Fn::And': [{ Condition: Yes }, { 'Fn::Not': [{ 'Fn::Equals': [a, b] }] }] }", true),
        ("!Contains [!Ref Words, b]", true),
        ("!Contains [!Ref Words, c]", false),
        ("!EachMemberIn [!Ref Words, [a, b, c]]", true),
        ("!EachMemberIn [!Ref Words, [a]]", false),
        ("!Equals [!Join ['', !Ref Words], ab]", true),
        ("!Equals [!Ref AWS::Region, us-east-1]", true),
        // A VPC without a value is some VPC.
        ("!Equals [!Ref Vpc, '']", false),
        // What is not known does not matter where the rest decides.
        ("!And [!Equals [a, b], !Equals [!ImportValue x, y]]", false),
    ] {
        assert_eq!(holds(condition), expected, "{condition}");
    }
}

#[test]
fn where_a_condition_is_not_known_what_it_decides_is_marked() {
    let imported = Templates::one(&format!(
        "{VPC}
  Gateway: {{ Type: AWS::EC2::InternetGateway, Condition: Unknown }}
  Bucket: {{ Type: AWS::S3::Bucket, Condition: Unknown }}
  Table: {{ Type: AWS::EC2::RouteTable, Properties: {{ VpcId: !Ref Vpc }} }}
  Here: {{ Type: AWS::EC2::SubnetRouteTableAssociation, Condition: Unknown, Properties: {{ SubnetId: !Ref Subnet, RouteTableId: !Ref Table }} }}
  Rule:
    Type: AWS::EC2::SecurityGroupIngress
    Condition: Unknown
    Properties: {{ GroupId: !Ref Group, IpProtocol: '-1', CidrIp: 0.0.0.0/0 }}
Conditions: {{ Unknown: !Equals ['{{{{resolve:ssm:x}}}}', y] }}
"
    ))
    .imported();
    for (kind, name) in
        [("internet_gateways", "Gateway"), ("subnets", "Subnet"), ("security_groups", "Group")]
    {
        assert!(resource(&imported, kind, name)["not_modelled"].is_string(), "{kind}");
    }
    // A rule that may not be there must not allow anything.
    assert!(resource(&imported, "security_groups", "Group").get("ingress").is_none());
    for name in ["Gateway", "Here", "Rule"] {
        assert_eq!(fate(&imported, name), Fate::NotModelled, "{name}");
    }
    assert_eq!(fate(&imported, "Bucket"), Fate::NotNetwork);
}
