//! What becomes of nested stacks, and of several templates together?

use serde_json::json;
use vpclab_import::Fate;

use crate::fixture::{Templates, fate, notes, resource};

const NETWORK: &str = "
Parameters: { Block: { Type: String }, Unused: { Type: String } }
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: !Ref Block } }
  A: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.3.1.0/24, AvailabilityZone: !Sub '${AWS::Region}a' } }
  B: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.3.2.0/24, AvailabilityZone: !Sub '${AWS::Region}b' } }
Outputs:
  Vpc: { Value: !Ref Vpc, Export: { Name: !Sub '${AWS::StackName}-vpc' } }
  Subnets: { Value: !Join [',', [!Ref A, !Ref B]], Export: { Name: subnets } }
";

const APPLICATION: &str = "
Parameters: { Subnets: { Type: 'List<AWS::EC2::Subnet::Id>' }, Vpc: { Type: AWS::EC2::VPC::Id } }
Resources:
  Group: { Type: AWS::EC2::SecurityGroup, Properties: { VpcId: !Ref Vpc, GroupDescription: g } }
  Function:
    Type: AWS::Lambda::Function
    Properties: { VpcConfig: { SubnetIds: !Ref Subnets, SecurityGroupIds: [!Ref Group] } }
";

#[test]
fn nested_stacks_are_read_with_what_they_are_given() {
    let template = "
Resources:
  Network:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: https://s3.amazonaws.com/bucket/folder/network.yaml
      Parameters: { Block: 10.3.0.0/16 }
  Application:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: ./inner/application.yaml
      Parameters: { Subnets: !GetAtt Network.Outputs.Subnets, Vpc: !GetAtt Network.Outputs.Vpc }
  Never: { Type: AWS::CloudFormation::Stack, Condition: No, Properties: { TemplateURL: ./network.yaml } }
  Far: { Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: 'https://elsewhere/far.yaml' } }
  Itself: { Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: ./t.yaml } }
Conditions: { No: !Equals [a, b] }
";
    let templates = Templates::one(template)
        .beside("network.yaml", NETWORK)
        .beside("inner/application.yaml", APPLICATION);
    let imported = templates.imported();
    assert_eq!(resource(&imported, "vpcs", "Network/Vpc")["cidr_block"], "10.3.0.0/16");
    let function = resource(&imported, "instances", "Application/Function[1]");
    assert_eq!(function["subnet"], "Network/B");
    assert_eq!(function["security_groups"], json!(["Application/Group"]));
    assert_eq!(fate(&imported, "Network"), Fate::Understood);
    assert_eq!(fate(&imported, "Network/A"), Fate::Understood);
    assert_eq!(fate(&imported, "Never"), Fate::NotMade);
    assert_eq!(fate(&imported, "Far"), Fate::LeftOut);
    assert_eq!(fate(&imported, "Itself"), Fate::LeftOut);
    assert!(notes(&imported, "Far").contains("its template https://elsewhere/far.yaml is not beside"));
}

#[test]
fn exports_cross_the_given_templates_and_names_say_whose_they_are() {
    let user = "
Resources:
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties: { VpcId: !ImportValue { 'Fn::Sub': 'net-vpc' }, GroupDescription: g }
  Function:
    Type: AWS::Lambda::Function
    Properties: { VpcConfig: { SubnetIds: !Split [',', !ImportValue subnets], SecurityGroupIds: [!GetAtt Group.GroupId] } }
";
    let templates = Templates::none()
        .and("user.yaml", user)
        .and("net.yaml", NETWORK)
        .parameter("net.Block", "10.3.0.0/16");
    let imported = templates.imported();
    assert_eq!(resource(&imported, "security_groups", "user/Group")["vpc"], "net/Vpc");
    assert_eq!(resource(&imported, "instances", "user/Function[0]")["subnet"], "net/A");

    // Exports are of a region and an account.
    let far = Templates::none()
        .and("user.yaml", user)
        .and("net.yaml", NETWORK)
        .place("eu-west-1", "123456789012")
        .parameter("net.Block", "10.3.0.0/16");
    assert!(far.problems().contains("no given template exports net-vpc; give the template that does"));
}

#[test]
fn region_and_account_are_those_of_the_source() {
    let imported = Templates::one(NETWORK)
        .place("eu-central-1", "210987654321")
        .parameter("Block", "10.3.0.0/16")
        .imported();
    let vpc = resource(&imported, "vpcs", "Vpc");
    assert_eq!((&vpc["region"], &vpc["owner"]), (&json!("eu-central-1"), &json!("210987654321")));
    assert_eq!(resource(&imported, "subnets", "B")["availability_zone"], "eu-central-1b");
    let zone = "
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  A: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, AvailabilityZone: eu-west-1a } }
";
    let problems = Templates::one(zone).problems();
    assert!(
        problems.contains("the zone eu-west-1a is not in us-east-1; give the region, as in `PATH@REGION`")
    );
}

#[test]
fn what_a_template_that_is_not_found_is_given_may_be_changed_by_it() {
    let template = "
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  Table: { Type: AWS::EC2::RouteTable, Properties: { VpcId: !Ref Vpc } }
  Group: { Type: AWS::EC2::SecurityGroup, Properties: { VpcId: !Ref Vpc, GroupDescription: g } }
  Far: { Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: 'https://elsewhere/far.yaml', Parameters: { T: !Ref Table } } }
  Mine: { Type: Custom::Opener, Properties: { Group: !GetAtt Group.GroupId } }
";
    let imported = Templates::one(template).imported();
    for (kind, name) in [("route_tables", "Table"), ("security_groups", "Group")] {
        assert!(resource(&imported, kind, name)["not_modelled"].is_string(), "{kind}");
    }
    assert!(resource(&imported, "vpcs", "Vpc").get("not_modelled").is_none());
}

#[test]
fn what_is_inside_a_stack_that_may_not_be_made_is_marked() {
    let template = "
Conditions: { Unknown: !Equals ['{{resolve:ssm:x}}', y] }
Resources:
  Network:
    Type: AWS::CloudFormation::Stack
    Condition: Unknown
    Properties: { TemplateURL: network.yaml, Parameters: { Block: 10.3.0.0/16 } }
";
    let imported = Templates::one(template).beside("network.yaml", NETWORK).imported();
    assert!(resource(&imported, "vpcs", "Network/Vpc")["not_modelled"].is_string());
    assert_eq!(fate(&imported, "Network/A"), Fate::NotModelled);
}

#[test]
fn an_import_whose_name_is_made_of_a_parameter_names_the_parameter() {
    let user = "
Parameters: { Parent: { Type: String, Default: vpc } }
Resources:
  Group: { Type: AWS::EC2::SecurityGroup, Properties: { VpcId: !ImportValue { 'Fn::Sub': '${Parent}-id' }, GroupDescription: g } }
";
    let problems = Templates::one(user).problems();
    let expected = "no given template exports vpc-id; give the template that does, or --parameter Parent=VALUE, of which the name is made";
    assert!(problems.contains(expected), "{problems}");
    let two = Templates::none()
        .and("user.yaml", user)
        .and("net.yaml", NETWORK)
        .parameter("net.Block", "10.3.0.0/16");
    assert!(two.problems().contains("or --parameter user.Parent=VALUE"));
}

#[test]
fn no_template_is_read_that_lies_outside_the_folder_of_those_that_are_given() {
    let template = |url: &str| {
        format!(
            "Resources: {{ Network: {{ Type: AWS::CloudFormation::Stack, Properties: {{ TemplateURL: '{url}', Parameters: {{ Block: 10.3.0.0/16 }} }} }} }}"
        )
    };
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("network.yaml");
    std::fs::write(&secret, NETWORK).unwrap();
    for url in [secret.to_str().unwrap(), "../shared/network.yaml", "../../../../../../etc/hostname"] {
        let imported = Templates::none()
            .beside("shared/network.yaml", NETWORK)
            .and("inner/t.yaml", &template(url))
            .imported();
        assert_eq!(fate(&imported, "Network"), Fate::LeftOut, "{url}");
        assert!(notes(&imported, "Network").contains("is not below "), "{url}");
    }
    // Of several templates it is the folder that all of them are in.
    let imported = Templates::none()
        .beside("shared/network.yaml", NETWORK)
        .and("inner/t.yaml", &template("../shared/network.yaml"))
        .and("other.yaml", "Resources: {}")
        .imported();
    assert_eq!(fate(&imported, "Network"), Fate::Understood);
    #[cfg(unix)]
    {
        let linked = Templates::none().and("t.yaml", &template("./link.yaml"));
        std::os::unix::fs::symlink(&secret, linked.path().join("link.yaml")).unwrap();
        assert_eq!(fate(&linked.imported(), "Network"), Fate::LeftOut);
    }
}
