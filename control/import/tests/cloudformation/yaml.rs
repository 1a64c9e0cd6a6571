//! How is the text of a template read?

use serde_json::json;
use vpclab_import::Fate;

use crate::fixture::{Templates, fate, resource};

#[test]
fn anchors_merge_keys_and_words_are_read_as_cloudformation_does() {
    let imported = Templates::one(
        "\u{feff}# a comment
AWSTemplateFormatVersion: 2010-09-09
Description: >-
  folded
  text
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: &common
      CidrBlock: 10.0.0.0/16
      EnableDnsSupport: yes
      Tags:
        - { Key: Quoted, Value: 'yes' }
        - { Key: Plain, Value: Yes }
        - { Key: Date, Value: 2024-01-31 }
        - { Key: Account, Value: 012345678901 }
        - { Key: Number, Value: 42 }
        - { Key: Long, Value: !Sub |
            two
            lines }
  Second:
    Type: AWS::EC2::VPC
    Properties:
      <<: *common
      CidrBlock: 10.1.0.0/16
  Subnet:
    Type: AWS::EC2::Subnet
    Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, MapPublicIpOnLaunch: on }
"
        .replace("!Sub |\n            two\n            lines }", "two }")
        .as_str(),
    )
    .imported();
    let tags = &resource(&imported, "vpcs", "Vpc")["tags"];
    assert_eq!(
        *tags,
        json!({ "Quoted": "yes", "Plain": "true", "Date": "2024-01-31", "Account": "012345678901",
                "Number": "42", "Long": "two" })
    );
    let second = resource(&imported, "vpcs", "Second");
    assert_eq!(second["cidr_block"], "10.1.0.0/16");
    assert_eq!(second["tags"], *tags);
    assert_eq!(resource(&imported, "subnets", "Subnet")["map_public_ip_on_launch"], true);
}

#[test]
fn a_quoted_text_may_go_on_at_the_left_edge_as_in_aws() {
    let imported = Templates::one(
        "
Resources:
  Gateway:
    Type: AWS::EC2::InternetGateway
    Properties:
      Tags:
        - Key: Long
          Value: 'one
two'
",
    )
    .imported();
    assert_eq!(resource(&imported, "internet_gateways", "Gateway")["tags"]["Long"], "one two");
}

#[test]
fn of_a_key_that_appears_twice_the_last_counts_and_the_report_says_so() {
    let imported = Templates::one(
        "
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.9.0.0/16 } }
",
    )
    .imported();
    assert_eq!(resource(&imported, "vpcs", "Vpc")["cidr_block"], "10.9.0.0/16");
    assert!(format!("{:?}", imported.report.sources[0].notes).contains("the key Vpc (line 4) appears twice"));
}

#[test]
fn json_is_read_as_yaml_is() {
    let json = r#"{ "Resources": {
	"Vpc": { "Type": "AWS::EC2::VPC", "Properties": { "CidrBlock": "10.0.0.0/16" } },
	"Subnet": { "Type": "AWS::EC2::Subnet", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain",
	  "Metadata": { "a": 1 }, "Properties": {
		"VpcId": { "Ref": "Vpc" }, "CidrBlock": { "Fn::Select": [0, { "Fn::Cidr": ["10.0.0.0/16", 2, 8] }] } } } } }"#;
    let imported = Templates::none().and("t.json", json).imported();
    assert_eq!(resource(&imported, "subnets", "Subnet")["cidr_block"], "10.0.0.0/24");
}

#[test]
fn a_template_that_is_no_yaml_is_refused_with_line_and_column() {
    let problem = Templates::one("Resources:\n  Vpc: [\n").problems();
    assert!(problem.contains("line "), "{problem}");
    let problem = Templates::one("Resources: [1]\n").problems();
    assert!(problem.contains("the section Resources is no map"), "{problem}");
    // Aliases of aliases, which would fill the memory.
    let mut bomb = "Resources: {}\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = level - 1;
        let many = vec![format!("*a{before}"); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{many}]\n");
    }
    assert!(Templates::one(&bomb).problems().contains("aliases"));
}

#[test]
fn transforms_are_reported_and_macros_are_omissions() {
    let imported = Templates::one(
        "
Transform: [AWS::Serverless-2016-10-31, MyMacro]
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  Fn::Transform: { Name: AWS::Include, Parameters: { Location: s3://x } }
",
    )
    .imported();
    let notes = format!("{:?}", imported.report.sources[0].notes);
    assert!(notes.contains("AWS::Serverless-2016-10-31") && notes.contains("Transform MyMacro"), "{notes}");
    assert!(imported.report.has_omissions());
    assert_eq!(fate(&imported, "Fn::Transform"), Fate::LeftOut);
}
