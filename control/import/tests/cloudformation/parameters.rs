//! Where do parameters have their values from, and what of those that have none?

use serde_json::json;

use crate::fixture::{Templates, resource};

const NEEDY: &str = "
Parameters:
  Key: { Type: AWS::EC2::KeyPair::KeyName }
  Image: { Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>', Default: /aws/ami }
  Password: { Type: String, NoEcho: true }
  Size: { Type: String, AllowedValues: [small, large] }
  Vpc: { Type: AWS::EC2::VPC::Id }
  Subnets: { Type: 'List<AWS::EC2::Subnet::Id>' }
  Group: { Type: String }
  Zone: { Type: AWS::EC2::AvailabilityZone::Name }
  Zone2: { Type: AWS::EC2::AvailabilityZone::Name }
Resources:
  Machine:
    Type: AWS::EC2::Instance
    Properties:
      KeyName: !Ref Key
      ImageId: !Ref Image
      InstanceType: !Ref Size
      UserData: !Base64 { 'Fn::Sub': '${Password}' }
      SubnetId: !Select [0, !Ref Subnets]
      SecurityGroupIds: [!Ref Group]
  Function:
    Type: AWS::Lambda::Function
    Properties: { VpcConfig: { SubnetIds: !Ref Subnets, SecurityGroupIds: [!Ref Group] } }
  Here: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.7.1.0/24, AvailabilityZone: !Ref Zone } }
  There: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.7.2.0/24, AvailabilityZone: !Ref Zone2 } }
";

#[test]
fn ids_without_a_value_are_told_all_at_once_with_the_option_that_gives_them() {
    let problems = Templates::one(NEEDY).problems();
    for name in ["Vpc", "Subnets", "Group"] {
        assert!(problems.contains(&format!("--parameter {name}=VALUE")), "{name}: {problems}");
    }
    for name in ["Key", "Image", "Password", "Size", "Zone"] {
        assert!(!problems.contains(&format!("--parameter {name}=")), "{name}: {problems}");
    }
}

#[test]
fn with_stand_ins_ids_without_a_value_are_resources_of_which_nothing_is_known() {
    let imported = Templates::one(NEEDY).stand_ins().imported();
    let machine = resource(&imported, "instances", "Machine");
    assert_eq!(machine["subnet"], "Subnets[0]");
    assert_eq!(machine["security_groups"], json!(["Group"]));
    assert_eq!(resource(&imported, "instances", "Function[1]")["subnet"], "Subnets[1]");
    for (kind, name) in
        [("vpcs", "Vpc"), ("subnets", "Subnets[0]"), ("subnets", "Subnets[1]"), ("security_groups", "Group")]
    {
        assert!(resource(&imported, kind, name)["not_modelled"].is_string(), "{kind} {name}");
    }
    // What is declared inside decides the stand-in's block.
    assert_eq!(resource(&imported, "vpcs", "Vpc")["cidr_block"], "10.7.0.0/16");
    assert_eq!(resource(&imported, "subnets", "Subnets[0]")["vpc"], "Vpc");
    // A stand-in's egress is not AWS's default: it is not known.
    assert_eq!(resource(&imported, "security_groups", "Group")["egress"], json!([]));
    assert_eq!(resource(&imported, "subnets", "Here")["availability_zone"], "us-east-1a");
    assert_eq!(resource(&imported, "subnets", "There")["availability_zone"], "us-east-1b");
    let notes = format!("{:?}", imported.report.sources[0].notes);
    assert!(notes.contains("the parameter Password has no value; no packet depends on it"), "{notes}");
    assert!(!imported.report.has_omissions());
}

#[test]
fn a_text_without_a_value_that_packets_depend_on_is_a_problem_with_stand_ins_too() {
    let template = "
Parameters: { From: { Type: String }, Many: { Type: Number }, Whether: { Type: String } }
Conditions: { Wanted: !Equals [!Ref Whether, 'yes'] }
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  Gateway: { Type: AWS::EC2::InternetGateway, Condition: Wanted }
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: g
      VpcId: !Ref Vpc
      SecurityGroupIngress: [{ IpProtocol: tcp, FromPort: !Ref Many, ToPort: 80, CidrIp: !Ref From }]
";
    let problems = Templates::one(template).stand_ins().problems();
    assert!(problems.contains("give --parameter Whether=VALUE"), "{problems}");
    assert!(problems.contains("give --parameter Many=VALUE"), "{problems}");
    let given = Templates::one(template)
        .parameter("From", "192.0.2.0/24")
        .parameter("Many", "80")
        .parameter("t.Whether", "yes")
        .imported();
    let rule = &resource(&given, "security_groups", "Group")["ingress"][0];
    assert_eq!(rule["cidr_blocks"], json!(["192.0.2.0/24"]));
    assert_eq!(rule["from_port"], 80);
    resource(&given, "internet_gateways", "Gateway");
}

#[test]
fn a_value_that_the_parameter_does_not_allow_is_a_problem() {
    let problems = Templates::one(NEEDY).stand_ins().parameter("Size", "huge").problems();
    assert!(
        problems.contains("huge is not one of the values that the parameter allows: large, small"),
        "{problems}"
    );
    let problems = Templates::one(NEEDY).stand_ins().parameter("Sise", "small").problems();
    assert!(problems.contains("Sise: no given template has such a parameter"), "{problems}");
}

#[test]
fn ids_that_are_written_out_are_references_to_what_no_source_holds() {
    let template = "
Resources:
  Machine: { Type: AWS::EC2::Instance, Properties: { SubnetId: subnet-1234, SecurityGroupIds: [sg-99] } }
";
    let problems = Templates::one(template).problems();
    assert!(problems.contains("no source holds subnet-1234"), "{problems}");
    let imported = Templates::one(template).stand_ins().imported();
    assert_eq!(resource(&imported, "instances", "Machine")["subnet"], "subnet-1234");
    let subnet = resource(&imported, "subnets", "subnet-1234");
    assert_eq!(subnet["vpc"], resource(&imported, "security_groups", "sg-99")["vpc"]);
}
