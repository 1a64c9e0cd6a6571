//! What stands in for what no template holds?

use serde_json::json;

use crate::fixture::{Templates, resource, with_vpc};

#[test]
fn every_kind_that_is_referred_to_has_a_stand_in_that_the_model_takes() {
    let imported = Templates::one(
        "
Resources:
  Table: { Type: AWS::EC2::RouteTable, Properties: { VpcId: vpc-1 } }
  A: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationCidrBlock: 0.0.0.0/0, GatewayId: igw-1 } }
  B: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationCidrBlock: 10.1.0.0/16, NatGatewayId: nat-1 } }
  C: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationCidrBlock: 10.2.0.0/16, VpcPeeringConnectionId: pcx-1 } }
  D: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationCidrBlock: 10.3.0.0/16, GatewayId: vgw-1 } }
  E: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationCidrBlock: 10.4.0.0/16, NetworkInterfaceId: eni-1 } }
  F: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationCidrBlock: 10.5.0.0/16, InstanceId: i-1 } }
  G: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationCidrBlock: 10.6.0.0/16, TransitGatewayId: tgw-1 } }
  H: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationIpv6CidrBlock: '::/0', EgressOnlyInternetGatewayId: eigw-1 } }
  I: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationCidrBlock: 10.7.0.0/16, VpcEndpointId: vpce-1 } }
  J: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationPrefixListId: pl-1, NetworkInterfaceId: eni-1 } }
  K: { Type: AWS::EC2::Route, Properties: { RouteTableId: rtb-1, DestinationCidrBlock: 0.0.0.0/0, GatewayId: igw-1 } }
  Uses: { Type: AWS::EC2::SubnetNetworkAclAssociation, Properties: { SubnetId: subnet-1, NetworkAclId: acl-1 } }
  In: { Type: AWS::EC2::TransitGatewayRouteTableAssociation, Properties: { TransitGatewayRouteTableId: tgw-rtb-1, TransitGatewayAttachmentId: tgw-attach-1 } }
  Vpn: { Type: AWS::EC2::VPNConnection, Properties: { Type: ipsec.1, CustomerGatewayId: cgw-1, VpnGatewayId: vgw-1 } }
  Eip: { Type: AWS::EC2::EIPAssociation, Properties: { AllocationId: eipalloc-1, NetworkInterfaceId: eni-1 } }
  Web: { Type: AWS::ElasticLoadBalancingV2::Listener, Properties: { LoadBalancerArn: arn-1, Port: 80, Protocol: HTTP } }
",
    )
    .stand_ins()
    .imported();
    for (kind, name) in [
        ("vpcs", "vpc-1"),
        ("internet_gateways", "igw-1"),
        ("nat_gateways", "nat-1"),
        ("vpc_peering_connections", "pcx-1"),
        ("vpn_gateways", "vgw-1"),
        ("network_interfaces", "eni-1"),
        ("instances", "i-1"),
        ("transit_gateways", "tgw-1"),
        ("egress_only_internet_gateways", "eigw-1"),
        ("vpc_endpoints", "vpce-1"),
        ("managed_prefix_lists", "pl-1"),
        ("route_tables", "rtb-1"),
        ("network_acls", "acl-1"),
        ("subnets", "subnet-1"),
        ("transit_gateway_route_tables", "tgw-rtb-1"),
        ("transit_gateway_vpc_attachments", "tgw-attach-1"),
        ("load_balancers", "arn-1"),
    ] {
        let found = resource(&imported, kind, name);
        assert!(found["not_modelled"].is_string(), "{kind} {name}: {found}");
    }
}

#[test]
fn what_is_not_known_of_an_elastic_address_is_not_known_of_who_has_it() {
    let imported = Templates::one(&with_vpc(
        "
  Igw: { Type: AWS::EC2::InternetGateway }
  Attached: { Type: AWS::EC2::VPCGatewayAttachment, Properties: { VpcId: !Ref Vpc, InternetGatewayId: !Ref Igw } }
  One: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref Subnet } }
  Two: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref Subnet } }
  First: { Type: AWS::EC2::EIP }
  Somewhere:
    Type: AWS::EC2::EIPAssociation
    Properties: { AllocationId: !GetAtt First.AllocationId, NetworkInterfaceId: !Ref One, PrivateIpAddress: '{{resolve:ssm:x}}' }
  Second: { Type: AWS::EC2::EIP, Condition: Unknown }
  Perhaps: { Type: AWS::EC2::EIPAssociation, Properties: { AllocationId: !GetAtt Second.AllocationId, NetworkInterfaceId: !Ref Two } }
Conditions: { Unknown: !Equals ['{{resolve:ssm:x}}', y] }
",
    ))
    .imported();
    for name in ["One", "Two"] {
        assert!(resource(&imported, "network_interfaces", name)["not_modelled"].is_string(), "{name}");
    }
    assert!(resource(&imported, "eips", "First").get("network_interface").is_none());
}

#[test]
fn subnets_of_one_instance_are_in_one_zone_and_those_of_a_load_balancer_in_several() {
    let imported = Templates::one(
        "
Parameters: { Front: { Type: AWS::EC2::Subnet::Id }, Back: { Type: AWS::EC2::Subnet::Id }, Pair: { Type: 'List<AWS::EC2::Subnet::Id>' } }
Resources:
  One: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref Front, PrivateIpAddress: 10.8.1.10 } }
  Two: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref Back, PrivateIpAddress: 10.8.2.10 } }
  Machine:
    Type: AWS::EC2::Instance
    Properties: { NetworkInterfaces: [{ DeviceIndex: 0, NetworkInterfaceId: !Ref One }, { DeviceIndex: 1, NetworkInterfaceId: !Ref Two }] }
  Balancer: { Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: { Subnets: !Ref Pair, IpAddressType: dualstack } }
  Address: { Type: AWS::EC2::EIP }
  Given: { Type: AWS::EC2::EIPAssociation, Properties: { AllocationId: !GetAtt Address.AllocationId, NetworkInterfaceId: !Ref One } }
",
    )
    .stand_ins()
    .imported();
    let zone = |name: &str| resource(&imported, "subnets", name)["availability_zone"].clone();
    assert_eq!(zone("Front"), zone("Back"));
    assert_ne!(zone("Pair[0]"), zone("Pair[1]"));
    assert_eq!(resource(&imported, "subnets", "Front")["cidr_block"], json!("10.8.1.0/28"));
}

#[test]
fn a_stand_in_is_in_the_vpc_of_those_who_use_it() {
    let imported = Templates::one(
        "
Parameters: { Other: { Type: AWS::EC2::SecurityGroup::Id }, Subnet: { Type: AWS::EC2::Subnet::Id } }
Resources:
  One: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.1.0.0/16 } }
  Two: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.2.0.0/16 } }
  Group: { Type: AWS::EC2::SecurityGroup, Properties: { VpcId: !Ref Two, GroupDescription: g } }
  Rule: { Type: AWS::EC2::SecurityGroupIngress, Properties: { GroupId: !Ref Other, IpProtocol: '-1', SourceSecurityGroupId: !Ref Group } }
  Machine: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref Subnet, SecurityGroupIds: [!Ref Group] } }
",
    )
    .stand_ins()
    .imported();
    assert_eq!(resource(&imported, "security_groups", "Other")["vpc"], "Two");
    assert_eq!(resource(&imported, "subnets", "Subnet")["vpc"], "Two");
    assert_eq!(resource(&imported, "subnets", "Subnet")["cidr_block"], "10.2.255.0/24");
}

#[test]
fn what_has_no_stand_in_is_told_once_with_all_who_refer_to_it() {
    let problems = Templates::one(
        "
Parameters: { Vpc: { Type: AWS::EC2::VPC::Id } }
Resources:
  One: { Type: AWS::EC2::SecurityGroup, Properties: { VpcId: !Ref Vpc, GroupDescription: g } }
  Two: { Type: AWS::EC2::SecurityGroup, Properties: { VpcId: !Ref Vpc, GroupDescription: g } }
",
    )
    .problems();
    let expected = "t: the parameter Vpc has no value; give --parameter Vpc=VALUE, or use --stand-ins to take it as not \
                    modelled (one of the vpcs, to One, Two)";
    assert_eq!(problems, expected);
}

#[test]
fn a_name_that_the_template_has_not_is_told_with_one_that_it_has() {
    let text = with_vpc(
        "  Web: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref Subnet, SecurityGroupIds: [!Ref Groop] } }\n",
    );
    assert_eq!(
        Templates::one(&text).problems(),
        "t: the template has no Groop, did you mean Group? (one of the security groups, to Web); use --stand-ins to take \
         it as not modelled"
    );
}
