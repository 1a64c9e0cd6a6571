//! How do instances, interfaces and Auto Scaling groups come out?

use serde_json::json;
use vpclab_import::Fate;

use crate::fixture::{Templates, fate, resource, with_vpc};

#[test]
fn instances_and_their_interfaces_come_out() {
    let template = with_vpc("
  Simple:
    Type: AWS::EC2::Instance
    Properties:
      SubnetId: !Ref Subnet
      SecurityGroupIds: [!Ref Group]
      PrivateIpAddress: 10.0.1.20
      SourceDestCheck: 'false'
      InstanceType: t3.micro
      Tags: [{ Key: Name, Value: web }]
  Listed:
    Type: AWS::EC2::Instance
    Properties:
      NetworkInterfaces:
        - { DeviceIndex: '0', SubnetId: !Ref Subnet, AssociatePublicIpAddress: false, GroupSet: [!Ref Group], DeleteOnTermination: true }
        - { DeviceIndex: 1, SubnetId: !Ref Subnet, PrivateIpAddresses: [{ PrivateIpAddress: 10.0.1.30, Primary: true }, { PrivateIpAddress: 10.0.1.31, Primary: false }] }
  Eni: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref Subnet, GroupSet: [!Ref Group], SourceDestCheck: false, SecondaryPrivateIpAddressCount: 2 } }
  Later: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref Subnet } }
  Given:
    Type: AWS::EC2::Instance
    Properties: { NetworkInterfaces: [{ DeviceIndex: 0, NetworkInterfaceId: !Ref Eni }] }
  Attached: { Type: AWS::EC2::NetworkInterfaceAttachment, Properties: { DeviceIndex: 1, InstanceId: !Ref Given, NetworkInterfaceId: !Ref Later } }
");
    let imported = Templates::one(&template).imported();
    assert_eq!(
        *resource(&imported, "instances", "Simple"),
        json!({ "subnet": "Subnet", "security_groups": ["Group"], "private_ip": "10.0.1.20",
                "source_dest_check": false, "tags": { "Name": "web" } })
    );
    let listed = resource(&imported, "instances", "Listed");
    assert_eq!((&listed["subnet"], &listed["security_groups"]), (&json!("Subnet"), &json!(["Group"])));
    assert_eq!(listed["associate_public_ip_address"], false);
    let second = resource(&imported, "network_interfaces", "Listed[1]");
    assert_eq!(second["private_ips"], json!(["10.0.1.30", "10.0.1.31"]));
    assert_eq!(
        listed["network_interfaces"],
        json!([{ "network_interface": "Listed[1]", "device_index": 1 }])
    );
    let given = resource(&imported, "instances", "Given");
    assert_eq!(given["network_interfaces"], json!([{ "network_interface": "Eni", "device_index": 0 }]));
    let eni = resource(&imported, "network_interfaces", "Eni");
    assert_eq!(eni["secondary_private_ips"], json!(["10.0.1.250", "10.0.1.249"]));
    let attachment = &resource(&imported, "network_interfaces", "Later")["attachment"];
    assert_eq!(*attachment, json!({ "instance": "Given", "device_index": 1 }));
    assert!(!imported.report.has_omissions(), "{}", imported.report);
}

#[test]
fn a_launch_template_says_what_an_instance_does_not() {
    let template = with_vpc("
  Template:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateName: named
      LaunchTemplateData:
        SecurityGroupIds: [!Ref Group]
        InstanceType: t3.micro
  Machine:
    Type: AWS::EC2::Instance
    Properties: { SubnetId: !Ref Subnet, LaunchTemplate: { LaunchTemplateId: !Ref Template, Version: !GetAtt Template.LatestVersionNumber } }
  ByName:
    Type: AWS::EC2::Instance
    Properties: { SubnetId: !Ref Subnet, LaunchTemplate: { LaunchTemplateName: named, Version: 1 } }
  Lost:
    Type: AWS::EC2::Instance
    Properties: { SubnetId: !Ref Subnet, LaunchTemplate: { LaunchTemplateId: lt-1234, Version: 1 } }
");
    let imported = Templates::one(&template).imported();
    for name in ["Machine", "ByName"] {
        assert_eq!(resource(&imported, "instances", name)["security_groups"], json!(["Group"]), "{name}");
    }
    assert_eq!(fate(&imported, "Template"), Fate::NotNetwork);
    assert!(resource(&imported, "instances", "Lost")["not_modelled"].is_string());
}

#[test]
fn an_auto_scaling_group_has_an_interface_in_each_subnet() {
    let template = with_vpc("
  Template:
    Type: AWS::EC2::LaunchTemplate
    Properties: { LaunchTemplateData: { NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress: true, Groups: [!Ref Group] }] } }
  Config: { Type: AWS::AutoScaling::LaunchConfiguration, Properties: { ImageId: ami, InstanceType: t, SecurityGroups: [!Ref Group], AssociatePublicIpAddress: false } }
  New:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties: { MinSize: 1, MaxSize: 9, DesiredCapacity: 5, VPCZoneIdentifier: [!Ref Subnet, !Ref Other], LaunchTemplate: { LaunchTemplateId: !Ref Template, Version: 1 } }
  Old:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties: { MinSize: 1, MaxSize: 1, VPCZoneIdentifier: [!Join [',', [!Ref Subnet, !Ref Other]]], LaunchConfigurationName: !Ref Config }
  Mixed:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties: { MinSize: 1, MaxSize: 1, VPCZoneIdentifier: [!Ref Subnet], MixedInstancesPolicy: { LaunchTemplate: { LaunchTemplateSpecification: { LaunchTemplateId: !Ref Template, Version: 1 } } } }
  Classic:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties: { MinSize: 1, MaxSize: 1, AvailabilityZones: !GetAZs '', LaunchConfigurationName: !Ref Plain }
  Plain: { Type: AWS::AutoScaling::LaunchConfiguration, Properties: { ImageId: ami, InstanceType: t } }
");
    let imported = Templates::one(&template).imported();
    let expected = |subnet: &str, public: bool| json!({ "subnet": subnet, "security_groups": ["Group"], "associate_public_ip_address": public });
    assert_eq!(*resource(&imported, "instances", "New[0]"), expected("Subnet", true));
    assert_eq!(*resource(&imported, "instances", "New[1]"), expected("Other", true));
    assert_eq!(*resource(&imported, "instances", "Old[1]"), expected("Other", false));
    assert_eq!(*resource(&imported, "instances", "Mixed[0]"), expected("Subnet", true));
    assert_eq!(resource(&imported, "instances", "Classic[2]")["subnet"], "default-us-east-1-c");
}

#[test]
fn an_instance_of_which_something_is_not_known_is_marked() {
    for unknown in ["SourceDestCheck", "NetworkInterfaces"] {
        let template = with_vpc(&format!("
  Machine: {{ Type: AWS::EC2::Instance, Properties: {{ SubnetId: !Ref Subnet, {unknown}: '{{{{resolve:ssm:x}}}}' }} }}
"));
        let imported = Templates::one(&template).imported();
        assert!(resource(&imported, "instances", "Machine")["not_modelled"].is_string(), "{unknown}");
        assert_eq!(fate(&imported, "Machine"), Fate::NotModelled, "{unknown}");
    }
}

/// What an Auto Scaling group launches, of templates `A` and `B`.
fn launched(a: &str, b: &str, group: &str) -> serde_json::Value {
    let template = with_vpc(&format!(
        "
  Closed: {{ Type: AWS::EC2::SecurityGroup, Properties: {{ VpcId: !Ref Vpc, GroupDescription: c }} }}
  Blocks: {{ Type: AWS::EC2::VPCCidrBlock, Properties: {{ VpcId: !Ref Vpc, AmazonProvidedIpv6CidrBlock: true }} }}
  Six: {{ Type: AWS::EC2::Subnet, Properties: {{ VpcId: !Ref Vpc, CidrBlock: 10.0.3.0/24, AvailabilityZone: us-east-1a, Ipv6CidrBlock: !Select [0, !Cidr [!Select [0, !GetAtt Vpc.Ipv6CidrBlocks], 2, 64]] }} }}
  A: {{ Type: AWS::EC2::LaunchTemplate, Properties: {{ LaunchTemplateData: {{ {a} }} }} }}
  B: {{ Type: AWS::EC2::LaunchTemplate, Properties: {{ LaunchTemplateData: {{ {b} }} }} }}
  Asg: {{ Type: AWS::AutoScaling::AutoScalingGroup, Properties: {{ VPCZoneIdentifier: [!Ref Six], {group} }} }}
"
    ));
    resource(&Templates::one(&template).imported(), "instances", "Asg[0]").clone()
}

#[test]
fn templates_of_overrides_that_differ_leave_unknown_what_is_launched() {
    let policy = "MixedInstancesPolicy: { LaunchTemplate: { LaunchTemplateSpecification: { LaunchTemplateId: !Ref A }, Overrides: [{ InstanceType: m6g.large, LaunchTemplateSpecification: { LaunchTemplateId: !Ref B } }] } }";
    let open = "SecurityGroupIds: [!Ref Group]";
    let differing = launched(open, "SecurityGroupIds: [!Ref Closed]", policy);
    assert!(differing["not_modelled"].as_str().unwrap().contains("several templates"));
    assert!(launched(open, open, policy).get("not_modelled").is_none());
}

#[test]
fn what_is_launched_has_the_groups_and_addresses_of_device_0() {
    let single = "LaunchTemplate: { LaunchTemplateId: !Ref A }";
    let two = "NetworkInterfaces: [{ DeviceIndex: 1, Groups: [!Ref Group] }, { DeviceIndex: 0, Groups: [!Ref Closed], Ipv6AddressCount: 1 }]";
    let end = launched(two, "", single);
    assert_eq!(end["security_groups"], json!(["Closed"]));
    assert_eq!(end["ipv6_address_count"], 1);
}

#[test]
fn what_is_launched_alone_keeps_its_public_address_when_an_interface_is_attached() {
    let template = with_vpc(
        "
  Igw: { Type: AWS::EC2::InternetGateway }
  Attached: { Type: AWS::EC2::VPCGatewayAttachment, Properties: { VpcId: !Ref Vpc, InternetGatewayId: !Ref Igw } }
  Open: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.3.0/24, MapPublicIpOnLaunch: true } }
  Alone: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref Open } }
  Eni: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref Open } }
  Later: { Type: AWS::EC2::NetworkInterfaceAttachment, Properties: { DeviceIndex: '1', InstanceId: !Ref Alone, NetworkInterfaceId: !Ref Eni } }
  Asking: { Type: AWS::EC2::Instance, Properties: { NetworkInterfaces: [{ DeviceIndex: 0, SubnetId: !Ref Subnet, AssociatePublicIpAddress: true }] } }
  Eni2: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref Subnet } }
  Later2: { Type: AWS::EC2::NetworkInterfaceAttachment, Properties: { DeviceIndex: '1', InstanceId: !Ref Asking, NetworkInterfaceId: !Ref Eni2 } }
  Refusing: { Type: AWS::EC2::Instance, Properties: { NetworkInterfaces: [{ DeviceIndex: 0, SubnetId: !Ref Open, AssociatePublicIpAddress: false }] } }
  Eni3: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref Open } }
  Later3: { Type: AWS::EC2::NetworkInterfaceAttachment, Properties: { DeviceIndex: '1', InstanceId: !Ref Refusing, NetworkInterfaceId: !Ref Eni3 } }
  Elastic: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref Open } }
  Address: { Type: AWS::EC2::EIP, Properties: { InstanceId: !Ref Elastic } }
  Eni4: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref Open } }
  Later4: { Type: AWS::EC2::NetworkInterfaceAttachment, Properties: { DeviceIndex: '1', InstanceId: !Ref Elastic, NetworkInterfaceId: !Ref Eni4 } }
  Several: { Type: AWS::EC2::Instance, Properties: { NetworkInterfaces: [{ DeviceIndex: 0, SubnetId: !Ref Open }, { DeviceIndex: 1, SubnetId: !Ref Open }] } }
",
    );
    let imported = Templates::one(&template).imported();
    let asks =
        |name: &str| resource(&imported, "instances", name).get("associate_public_ip_address").cloned();
    assert_eq!(asks("Alone"), Some(json!(true)));
    assert_eq!(fate(&imported, "Alone"), Fate::Approximated);
    assert_eq!(asks("Asking"), Some(json!(true)));
    assert_eq!(asks("Refusing"), Some(json!(false)));
    // Launched with two, it has none (L2-22).
    assert_eq!(asks("Several"), None);
    let topology = vpclab_model::Topology::from_document(&imported.document.clone().into(), None).unwrap();
    let public = |name: &str| topology.network_interfaces[name].public_ips.len();
    assert_eq!(["Alone", "Asking", "Refusing", "Several", "Elastic"].map(public), [1, 1, 0, 0, 1]);
    assert_eq!(asks("Elastic"), None, "it has an elastic address in place of that");
    assert_eq!(resource(&imported, "eips", "Address")["network_interface"], "Elastic");
}
