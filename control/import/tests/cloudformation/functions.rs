//! What do intrinsic functions come to?

use serde_json::json;

use crate::fixture::{Templates, resource};

const SECTIONS: &str = "
Parameters:
  Word: { Type: String, Default: hello }
  Number: { Type: Number, Default: 7 }
  Words: { Type: CommaDelimitedList, Default: 'a, b,c' }
  Zones: { Type: 'List<AWS::EC2::AvailabilityZone::Name>' }
Mappings:
  Colours:
    us-east-1: { sky: blue, grass: [green, brown] }
    012345678901: { sky: grey }
Conditions:
  Yes: !Equals [!Ref Word, hello]
  No: !Not [!Condition Yes]
";

/// What an expression comes to, as a group's description.
#[track_caller]
fn value(expression: &str) -> String {
    let template = format!(
        "{SECTIONS}
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: {{ CidrBlock: 10.0.0.0/16 }}
  Six:
    Type: AWS::EC2::VPCCidrBlock
    Properties: {{ VpcId: !Ref Vpc, AmazonProvidedIpv6CidrBlock: true }}
  Subnet:
    Type: AWS::EC2::Subnet
    Properties: {{ VpcId: !Ref Vpc, CidrBlock: 10.0.9.0/24, AvailabilityZone: us-east-1b }}
  Machine:
    Type: AWS::EC2::Instance
    Properties: {{ SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.9.77 }}
  Chosen:
    Type: AWS::EC2::Instance
    Properties: {{ SubnetId: !Ref Subnet }}
  Address: {{ Type: AWS::EC2::EIP }}
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      VpcId: !Ref Vpc
      GroupDescription: {expression}
"
    );
    let imported = Templates::one(&template).imported();
    let description = resource(&imported, "security_groups", "Group").get("description");
    description.map_or_else(|| "nothing".to_owned(), |text| text.as_str().unwrap().to_owned())
}

#[test]
fn functions_come_to_what_aws_makes_of_them() {
    for (expression, expected) in [
        ("plain", "plain"),
        ("!Ref Word", "hello"),
        ("!Ref Number", "7"),
        ("{ Ref: Word }", "hello"),
        ("!Ref AWS::Region", "us-east-1"),
        ("!Ref AWS::AccountId", "123456789012"),
        ("!Ref AWS::StackName", "t"),
        ("!Ref AWS::Partition", "aws"),
        ("!Ref AWS::URLSuffix", "amazonaws.com"),
        ("!Ref AWS::NoValue", "nothing"),
        ("!Ref Vpc", "Vpc"),
        ("!Sub '${Word} ${Vpc} ${!Literal} ${AWS::Region}'", "hello Vpc ${Literal} us-east-1"),
        ("!Sub ['${Word}-${x}', { x: !Ref Number }]", "hello-7"),
        ("!Sub ['${Word}', { Word: other }]", "other"),
        ("!Sub '${Subnet.AvailabilityZone}'", "us-east-1b"),
        ("!Sub '10 $ and ${'", "10 $ and ${"),
        ("!Join ['-', [a, !Ref Word, !Ref Number]]", "a-hello-7"),
        ("!Join ['', []]", ""),
        ("!Join [',', !Ref Words]", "a,b,c"),
        ("!Select [1, !Ref Words]", "b"),
        ("!Select ['2', [x, y, z]]", "z"),
        ("!Select [1, !Split ['|', 'p|q']]", "q"),
        ("!Join ['+', !Split [':', 'a:b:c']]", "a+b+c"),
        ("!Join [' ', !Cidr [10.0.0.0/24, 3, 5]]", "10.0.0.0/27 10.0.0.32/27 10.0.0.64/27"),
        ("!Select [2, !Cidr [!GetAtt Vpc.CidrBlock, 4, 8]]", "10.0.2.0/24"),
        ("!Select [1, !Cidr [!Select [0, !GetAtt Vpc.Ipv6CidrBlocks], 4, 64]]", "2001:db8:1:1::/64"),
        ("!Select [1, !GetAZs '']", "us-east-1b"),
        ("!Select [0, !GetAZs eu-west-3]", "eu-west-3a"),
        ("!Select [4, !GetAZs { Ref: AWS::Region }]", "us-east-1e"),
        ("!Join [' ', !Ref Zones]", "us-east-1a us-east-1b us-east-1c"),
        ("!FindInMap [Colours, !Ref AWS::Region, sky]", "blue"),
        ("!FindInMap [Colours, '012345678901', sky]", "grey"),
        ("!Select [1, !FindInMap [Colours, us-east-1, grass]]", "brown"),
        ("!FindInMap [Colours, mars, sky, { DefaultValue: !Ref Word }]", "hello"),
        ("!If [Yes, !Ref Word, b]", "hello"),
        ("!If [No, a, !If [Yes, c, d]]", "c"),
        ("!If [No, a, !Ref AWS::NoValue]", "nothing"),
        ("!Base64 text", "text"),
        ("!Join ['', [!Length [a, b, c]]]", "3"),
        ("!ToJsonString { a: [1, true], b: !Ref Word }", r#"{"a":[1,true],"b":"hello"}"#),
        ("!GetAtt Vpc.CidrBlock", "10.0.0.0/16"),
        ("{ 'Fn::GetAtt': [Subnet, CidrBlock] }", "10.0.9.0/24"),
        ("{ 'Fn::GetAtt': Subnet.CidrBlock }", "10.0.9.0/24"),
        ("!GetAtt Subnet.VpcId", "Vpc"),
        ("!GetAtt Vpc.DefaultSecurityGroup", "Vpc/default"),
        ("!GetAtt Vpc.DefaultNetworkAcl", "Vpc/default"),
        ("!GetAtt Machine.PrivateIp", "10.0.9.77"),
        ("!GetAtt Machine.AvailabilityZone", "us-east-1b"),
        ("!Sub '${Chosen.PrivateIp}/32'", "10.0.9.250/32"),
        ("!Sub '${Address}/32'", "203.0.113.254/32"),
        ("!Sub '${Address.PublicIp}/32'", "203.0.113.254/32"),
        ("!GetAtt Address.AllocationId", "Address"),
        ("!GetAtt Machine.PublicDnsName", "nothing"),
        ("'{{resolve:ssm:/some/where}}'", "nothing"),
        ("!ImportValue nowhere", "nothing"),
        ("!Transform { Name: macro }", "nothing"),
        ("!Nonsense a", "nothing"),
        ("!Select [9, [a]]", "nothing"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn an_address_that_is_used_and_not_stated_is_chosen_and_written() {
    let imported = Templates::one(
        "
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  Subnet: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.9.0/28 } }
  Machine: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref Subnet } }
  Address: { Type: AWS::EC2::EIP }
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      VpcId: !Ref Vpc
      GroupDescription: g
      SecurityGroupIngress:
        - { IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: !Sub '${Machine.PrivateIp}/32' }
        - { IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: !Sub '${Address}/32' }
",
    )
    .imported();
    assert_eq!(resource(&imported, "instances", "Machine")["private_ip"], "10.0.9.10");
    assert_eq!(resource(&imported, "eips", "Address")["public_ip"], "203.0.113.254");
    let rules = &resource(&imported, "security_groups", "Group")["ingress"];
    assert_eq!(rules[0]["cidr_blocks"], json!(["10.0.9.10/32"]));
    assert_eq!(rules[1]["cidr_blocks"], json!(["203.0.113.254/32"]));
}

#[test]
fn the_ipv6_block_that_a_template_reckons_with_is_written_into_the_document() {
    let imported = Templates::one(
        "
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  Six: { Type: AWS::EC2::VPCCidrBlock, Properties: { VpcId: !Ref Vpc, AmazonProvidedIpv6CidrBlock: true } }
  Subnet:
    Type: AWS::EC2::Subnet
    DependsOn: Six
    Properties:
      VpcId: !Ref Vpc
      CidrBlock: 10.0.9.0/28
      Ipv6CidrBlock: !Select [5, !Cidr [!Select [0, !GetAtt Vpc.Ipv6CidrBlocks], 256, 64]]
",
    )
    .imported();
    assert_eq!(resource(&imported, "vpcs", "Vpc")["ipv6_cidr_blocks"], json!(["2001:db8:1::/56"]));
    assert_eq!(resource(&imported, "subnets", "Subnet")["ipv6_cidr_block"], "2001:db8:1:5::/64");
}

#[test]
fn loops_are_written_out() {
    let imported = Templates::one(
        "
Transform: AWS::LanguageExtensions
Parameters: { Letters: { Type: CommaDelimitedList, Default: 'a,b' } }
Mappings: { Blocks: { a: { Cidr: 10.0.1.0/24 }, b: { Cidr: 10.0.2.0/24 } } }
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  Table: { Type: AWS::EC2::RouteTable, Properties: { VpcId: !Ref Vpc } }
  Fn::ForEach::Subnets:
    - Letter
    - !Ref Letters
    - 'Subnet${Letter}':
        Type: AWS::EC2::Subnet
        Properties:
          VpcId: !Ref Vpc
          CidrBlock: !FindInMap [Blocks, !Ref Letter, Cidr]
          AvailabilityZone: !Sub '${AWS::Region}${Letter}'
      'Association${Letter}':
        Type: AWS::EC2::SubnetRouteTableAssociation
        Properties: { SubnetId: { Ref: !Sub 'Subnet${Letter}' }, RouteTableId: !Ref Table }
  Fn::ForEach::Plain:
    - Name
    - [x-1, x-2]
    - 'Group&{Name}':
        Type: AWS::EC2::SecurityGroup
        Properties: { GroupDescription: '${Name}', VpcId: !Ref Vpc }
",
    )
    .imported();
    assert_eq!(resource(&imported, "subnets", "Subnetb")["cidr_block"], "10.0.2.0/24");
    assert_eq!(resource(&imported, "subnets", "Subneta")["route_table"], "Table");
    assert_eq!(resource(&imported, "security_groups", "Groupx2")["description"], "x-2");
    assert!(!imported.report.has_omissions());
}

#[test]
fn what_leads_back_to_itself_ends() {
    let imported = Templates::one(
        "
Conditions: { A: !Condition B, B: !Not [!Condition A] }
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  One: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: !GetAtt Two.CidrBlock } }
  Two: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: !GetAtt One.CidrBlock } }
  Never: { Type: AWS::EC2::InternetGateway, Condition: A }
",
    )
    .stand_ins()
    .imported();
    assert!(resource(&imported, "subnets", "One")["not_modelled"].is_string());
}

/// Each VPC of each source has a block of its own, and none that a source states.
#[test]
fn blocks_that_are_chosen_are_different_across_all_sources() {
    let template = |block: &str| {
        format!(
            "
Resources:
  Vpc: {{ Type: AWS::EC2::VPC, Properties: {{ CidrBlock: {block} }} }}
  Six: {{ Type: AWS::EC2::VPCCidrBlock, Properties: {{ VpcId: !Ref Vpc, AmazonProvidedIpv6CidrBlock: true }} }}
"
        )
    };
    let plan = r#"{ "format_version": "1.2", "planned_values": { "root_module": { "resources": [
        { "address": "aws_vpc.v", "mode": "managed", "type": "aws_vpc", "name": "v", "values": { "cidr_block": "10.3.0.0/16", "assign_generated_ipv6_cidr_block": true } },
        { "address": "aws_subnet.s", "mode": "managed", "type": "aws_subnet", "name": "s", "values": { "cidr_block": "10.3.1.0/24" } } ] } },
        "resource_changes": [
          { "address": "aws_vpc.v", "change": { "actions": ["create"], "after_unknown": { "id": true, "ipv6_cidr_block": true } } },
          { "address": "aws_subnet.s", "change": { "actions": ["create"], "after_unknown": { "id": true, "vpc_id": true, "ipv6_cidr_block": true } } }],
        "configuration": { "root_module": { "resources": [
          { "mode": "managed", "type": "aws_vpc", "name": "v", "expressions": {} },
          { "mode": "managed", "type": "aws_subnet", "name": "s", "expressions": { "vpc_id": { "references": ["aws_vpc.v.id"] }, "ipv6_cidr_block": { "references": ["aws_vpc.v.ipv6_cidr_block"] } } }] } } }"#;
    let dump = r#"{ "Vpcs": [{ "VpcId": "vpc-1", "CidrBlock": "10.4.0.0/16", "OwnerId": "111122223333",
        "Ipv6CidrBlockAssociationSet": [{ "Ipv6CidrBlock": "2001:db8:2::/56", "Ipv6CidrBlockState": { "State": "associated" } }] }] }"#;
    let imported = Templates::one(&template("10.1.0.0/16"))
        .and("u.yaml", &template("10.2.0.0/16"))
        .and("plan.json", plan)
        .and("dump.json", dump)
        .imported();
    let block = |name: &str| resource(&imported, "vpcs", name)["ipv6_cidr_blocks"].clone();
    assert_eq!(
        [block("t/Vpc"), block("u/Vpc"), block("plan/aws_vpc.v"), block("vpc-1")],
        ["2001:db8:1::/56", "2001:db8:3::/56", "2001:db8:4::/56", "2001:db8:2::/56"]
            .map(|block| json!([block]))
    );
}

#[test]
fn expressions_that_double_are_too_large_and_those_of_a_real_size_are_not() {
    let chain = |length: usize| {
        let mut text = String::from(
            "Resources:\n  Last: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16, Tags: [{ Key: k, Value: x }] } }\n",
        );
        for position in 0..length {
            let next = if position + 1 == length { "Last".to_owned() } else { format!("X{}", position + 1) };
            let one = format!("!GetAtt {next}.CidrBlock");
            text += &format!(
                "  X{position}: {{ Type: AWS::EC2::VPC, Properties: {{ CidrBlock: !Select [0, [{one}, !Join ['', [{one}, {one}]]]] }} }}\n"
            );
        }
        text
    };
    let imported = Templates::one(&chain(30)).imported();
    assert_eq!(resource(&imported, "vpcs", "X0")["cidr_block"], "10.0.0.0/16");
    let doubling = chain(30).replace("!Select [0, ", "!Select [1, ");
    assert!(Templates::one(&doubling).problems().contains("too large to evaluate"));
}

#[test]
fn loops_that_write_too_much_are_a_problem_and_lose_nothing() {
    let values: Vec<String> = (0..200).map(|value| value.to_string()).collect();
    let values = format!("[{}]", values.join(", "));
    let text = format!(
        "
Transform: AWS::LanguageExtensions
Resources:
  'Fn::ForEach::A':
    - A
    - {values}
    - 'Fn::ForEach::B':
        - B
        - {values}
        - 'Fn::ForEach::C': [C, {values}, {{ }}]
          'Z${{A}}x${{B}}': {{ Type: AWS::SNS::Topic }}
"
    );
    assert!(Templates::one(&text).problems().contains("its loops write more than 1000000 values"));
    // Values that nobody knows leave the loop, and what it may make, unknown.
    let unknown = "
Transform: AWS::LanguageExtensions
Parameters: { Names: { Type: CommaDelimitedList } }
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  'Fn::ForEach::A': [A, !Ref Names, { 'Z${A}': { Type: AWS::SNS::Topic } }]
";
    let imported = Templates::one(unknown).imported();
    assert!(resource(&imported, "vpcs", "Vpc")["not_modelled"].is_string());
}

#[test]
fn a_key_that_is_not_known_has_no_default() {
    let template = "
Transform: AWS::LanguageExtensions
Parameters:
  Env: { Type: 'AWS::SSM::Parameter::Value<String>', Default: /app/env }
Mappings:
  Open: { prod: { Cidr: 10.9.0.0/16 } }
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties:
      VpcId: !Ref Vpc
      GroupDescription: g
      SecurityGroupIngress:
        - { IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: !FindInMap [Open, !Ref Env, Cidr, { DefaultValue: 0.0.0.0/0 }] }
";
    assert!(Templates::one(template).problems().contains("the parameter Env is kept in SSM"));
    let block = |value: &str| {
        let imported = Templates::one(template).parameter("Env", value).imported();
        resource(&imported, "security_groups", "Group")["ingress"][0]["cidr_blocks"].clone()
    };
    assert_eq!((block("prod"), block("other")), (json!(["10.9.0.0/16"]), json!(["0.0.0.0/0"])));
}

#[test]
fn a_macro_beside_the_attributes_of_a_resource_may_change_it() {
    let template = "
Resources:
  Vpc: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.0.0.0/16 } }
  Group:
    Type: AWS::EC2::SecurityGroup
    Fn::Transform: { Name: TightenRules }
    Properties:
      VpcId: !Ref Vpc
      GroupDescription: g
      SecurityGroupIngress: [{ IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 0.0.0.0/0 }]
";
    let imported = Templates::one(template).imported();
    let group = resource(&imported, "security_groups", "Group");
    assert!(group["not_modelled"].as_str().unwrap().contains("TightenRules"), "{group}");
    assert_eq!(group["ingress"], json!([]));
}
