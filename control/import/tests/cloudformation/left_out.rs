//! What is not known any more, where something that is left out may change it?

use vpclab_import::{Fate, Imported};

use crate::fixture::{Templates, fate, notes, reported, resource, with_vpc};

const MACHINE: &str = "
  Machine: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref Subnet, SecurityGroupIds: [!Ref Group] } }
  Interface: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref Subnet } }
  Table: { Type: AWS::EC2::RouteTable, Properties: { VpcId: !Ref Vpc } }
  Acl: { Type: AWS::EC2::NetworkAcl, Properties: { VpcId: !Ref Vpc } }
";

fn is_doubted(imported: &Imported, kind: &str, name: &str) -> bool {
    resource(imported, kind, name).get("not_modelled").is_some()
}

const NAMED: [(&str, &str, &str); 6] = [
    ("subnets", "Subnet", "!Ref Subnet"),
    ("instances", "Machine", "!Ref Machine"),
    ("network_interfaces", "Interface", "!Ref Interface"),
    ("route_tables", "Table", "!GetAtt Table.RouteTableId"),
    ("network_acls", "Acl", "!Ref Acl"),
    ("security_groups", "Group", "!GetAtt Group.GroupId"),
];

#[test]
fn what_is_left_out_leaves_unknown_what_it_names() {
    let left_out = [
        "{ Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: 'https://elsewhere/x.yaml', Parameters: { P: NAME } } }",
        "{ Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: 'https://elsewhere/x.yaml', Parameters: { P: !Join [',', [NAME, x]] } } }",
        "{ Type: Custom::Opener, Properties: { Deep: { List: [NAME] } } }",
        "{ Type: AWS::CloudFormation::CustomResource, Properties: { P: NAME } }",
        "{ Type: AWS::GlobalAccelerator::EndpointGroup, Properties: { EndpointConfigurations: [{ EndpointId: NAME }] } }",
        "{ Type: AWS::EC2::Newest, Properties: { P: NAME } }",
    ];
    for written in left_out {
        for (kind, name, expression) in NAMED {
            let text = with_vpc(&format!("{MACHINE}  Left: {}\n", written.replace("NAME", expression)));
            let imported = Templates::one(&text).imported();
            assert!(is_doubted(&imported, kind, name), "{written}: {kind}");
            assert!(!is_doubted(&imported, "subnets", "Other"), "{written}");
            assert_eq!(fate(&imported, "Left"), Fate::LeftOut, "{written}");
        }
    }
}

#[test]
fn a_vpc_is_doubted_for_a_stack_that_is_not_given_and_noted_for_a_function() {
    let left = |written: &str| Templates::one(&with_vpc(&format!("{MACHINE}  Left: {written}\n"))).imported();
    let stack = left(
        "{ Type: AWS::CloudFormation::Stack, Properties: { TemplateURL: 'https://elsewhere/x.yaml', Parameters: { V: !Ref Vpc } } }",
    );
    assert!(is_doubted(&stack, "vpcs", "Vpc"));
    let function = left("{ Type: Custom::Lookup, Properties: { Vpc: !Ref Vpc } }");
    assert!(!is_doubted(&function, "vpcs", "Vpc"));
    assert!(notes(&function, "Left").contains("it is given the VPC Vpc, which is taken as it stands"));
    // What only puts interfaces changes nothing of its subnets.
    let fleet = left("{ Type: AWS::EC2::EC2Fleet, Properties: { Subnets: [!Ref Subnet] } }");
    assert!(!is_doubted(&fleet, "subnets", "Subnet"));
}

#[test]
fn a_macro_of_the_whole_template_leaves_everything_unknown() {
    for transform in ["Transform: MyMacro", "Transform: [AWS::LanguageExtensions, { Name: 'AWS::Include' }]"]
    {
        let imported = Templates::one(&format!("{transform}\n{}", with_vpc(MACHINE))).imported();
        for (kind, name, _) in NAMED {
            assert!(is_doubted(&imported, kind, name), "{transform} {kind}");
            assert_eq!(fate(&imported, name), Fate::NotModelled, "{transform} {name}");
        }
        assert!(imported.report.has_omissions());
    }
    let inside = with_vpc(&format!("{MACHINE}  'Fn::Transform': {{ Name: AWS::Include }}\n"));
    assert!(is_doubted(&Templates::one(&inside).imported(), "security_groups", "Group"));
    let properties = with_vpc(&format!(
        "{MACHINE}  Entry: {{ Type: AWS::EC2::NetworkAclEntry, Properties: {{ 'Fn::Transform': {{ Name: M }} }} }}\n"
    ));
    assert!(is_doubted(&Templates::one(&properties).imported(), "network_acls", "Acl"));
}

#[test]
fn transforms_of_aws_that_make_no_network_leave_it_as_it_is() {
    for transform in [
        "AWS::LanguageExtensions",
        "AWS::Serverless-2016-10-31",
        "AWS::SecretsManager-2020-07-23",
        "AWS::SecretsManager-2024-09-16",
        "AWS::CodeDeployBlueGreen",
    ] {
        let imported = Templates::one(&format!("Transform: {transform}\n{}", with_vpc(MACHINE))).imported();
        for (kind, name, _) in NAMED {
            assert!(!is_doubted(&imported, kind, name), "{transform} {kind}");
        }
    }
}

#[test]
fn a_macro_among_the_attributes_of_a_resource_leaves_that_resource_unknown() {
    let include = "'Fn::Transform': { Name: AWS::Include, Parameters: { Location: 's3://x' } }";
    let text = with_vpc(&format!(
        "{MACHINE}  Included: {{ Type: AWS::EC2::SecurityGroup, Properties: {{ VpcId: !Ref Vpc, GroupDescription: g, SecurityGroupIngress: [{{ IpProtocol: -1, CidrIp: 0.0.0.0/0 }}], {include} }} }}
  Entry: {{ Type: AWS::EC2::NetworkAclEntry, Properties: {{ NetworkAclId: !Ref Acl, RuleNumber: 1, RuleAction: allow, Protocol: -1, {include} }} }}
"
    ));
    let imported = Templates::one(&text).imported();
    assert!(is_doubted(&imported, "security_groups", "Included"));
    assert!(notes(&imported, "Included").contains("what AWS::Include makes of it is not known"));
    assert_eq!(resource(&imported, "security_groups", "Included")["ingress"], serde_json::json!([]));
    assert!(is_doubted(&imported, "network_acls", "Acl"));
    assert!(!is_doubted(&imported, "security_groups", "Group"));
    assert_eq!(reported(&imported, "Included").fate, Fate::NotModelled);
}

#[test]
fn a_table_that_a_function_looks_up_may_be_the_main_one_of_its_vpc() {
    let text = with_vpc(
        "
  Lookup: { Type: Custom::Lookup, Properties: { Vpc: !Ref Vpc } }
  Igw: { Type: AWS::EC2::InternetGateway }
  Attached: { Type: AWS::EC2::VPCGatewayAttachment, Properties: { VpcId: !Ref Vpc, InternetGatewayId: !Ref Igw } }
  Route: { Type: AWS::EC2::Route, Properties: { RouteTableId: !GetAtt Lookup.Main, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Igw } }
",
    );
    let imported = Templates::one(&text).stand_ins().imported();
    assert!(is_doubted(&imported, "route_tables", "Vpc/main"));
    assert!(imported.document.get("network_acls").is_none_or(|all| all.get("Vpc/default").is_none()));
}
