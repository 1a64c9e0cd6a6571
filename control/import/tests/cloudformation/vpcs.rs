//! How do VPCs, subnets and their associations come out?

use serde_json::json;
use vpclab_import::Fate;

use crate::fixture::{Templates, fate, notes, resource, with_vpc};

#[test]
fn a_vpc_and_its_parts_come_out() {
    let template = with_vpc(
        "
  Second: { Type: AWS::EC2::VPCCidrBlock, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.1.0.0/16 } }
  Six: { Type: AWS::EC2::VPCCidrBlock, Properties: { VpcId: !Ref Vpc, Ipv6CidrBlock: '2001:db8:77::/56', Ipv6Pool: p } }
  SubnetSix: { Type: AWS::EC2::SubnetCidrBlock, Properties: { SubnetId: !Ref Subnet, Ipv6CidrBlock: '2001:db8:77:1::/64' } }
  Table: { Type: AWS::EC2::RouteTable, Properties: { VpcId: !Ref Vpc } }
  Acl: { Type: AWS::EC2::NetworkAcl, Properties: { VpcId: !Ref Vpc } }
  Joins: { Type: AWS::EC2::SubnetRouteTableAssociation, Properties: { SubnetId: !Ref Subnet, RouteTableId: !Ref Table } }
  Guards: { Type: AWS::EC2::SubnetNetworkAclAssociation, Properties: { SubnetId: !GetAtt Subnet.SubnetId, NetworkAclId: !Ref Acl } }
  Options: { Type: AWS::EC2::DHCPOptions, Properties: { DomainName: x } }
  Uses: { Type: AWS::EC2::VPCDHCPOptionsAssociation, Properties: { VpcId: !Ref Vpc, DhcpOptionsId: !Ref Options } }
  Log: { Type: AWS::EC2::FlowLog, Properties: { ResourceId: !Ref Vpc } }
",
    );
    let imported = Templates::one(&template).imported();
    assert_eq!(
        *resource(&imported, "vpcs", "Vpc"),
        json!({ "cidr_block": "10.0.0.0/16", "secondary_cidr_blocks": ["10.1.0.0/16"],
                "ipv6_cidr_blocks": ["2001:db8:77::/56"] })
    );
    let subnet = resource(&imported, "subnets", "Subnet");
    assert_eq!((&subnet["route_table"], &subnet["network_acl"]), (&json!("Table"), &json!("Acl")));
    assert_eq!(subnet["ipv6_cidr_block"], "2001:db8:77:1::/64");
    for name in ["Second", "Joins", "Guards"] {
        assert_eq!(fate(&imported, name), Fate::Understood, "{name}");
    }
    for name in ["Options", "Uses", "Log"] {
        assert_eq!(fate(&imported, name), Fate::NotNetwork, "{name}");
    }
}

#[test]
fn an_attribute_that_nobody_reads_is_an_omission() {
    let template = with_vpc(
        "
  More: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.7.0/24, Surprise: 1 } }
",
    );
    let imported = Templates::one(&template).imported();
    assert_eq!(notes(&imported, "More"), "Surprise is not understood");
    assert_eq!(fate(&imported, "More"), Fate::Approximated);
    assert!(imported.report.has_omissions());
}

#[test]
fn types_that_nobody_knows_are_left_out_with_the_reason() {
    let template = with_vpc(
        "
  New: { Type: AWS::EC2::Newfangled, Properties: { VpcId: !Ref Vpc } }
  Mine: { Type: Custom::Thing, Properties: {} }
  Theirs: { Type: Acme::Network::Thing, Properties: {} }
  Fleet: { Type: AWS::EC2::SpotFleet, Properties: {} }
  Server: { Type: AWS::EC2::RouteServer, Properties: {} }
  Bucket: { Type: AWS::S3::Bucket }
",
    );
    let imported = Templates::one(&template).imported();
    for name in ["New", "Mine", "Theirs", "Fleet", "Server"] {
        assert_eq!(fate(&imported, name), Fate::LeftOut, "{name}");
        assert!(!notes(&imported, name).is_empty(), "{name}");
    }
    assert_eq!(fate(&imported, "Bucket"), Fate::NotNetwork);
}

#[test]
fn what_names_no_vpc_is_in_the_default_one() {
    let imported = Templates::one(
        "
Resources:
  Group:
    Type: AWS::EC2::SecurityGroup
    Properties: { GroupDescription: classic, GroupName: web }
  Machine:
    Type: AWS::EC2::Instance
    Properties: { SecurityGroups: [web], AvailabilityZone: us-east-1b }
",
    )
    .imported();
    assert_eq!(resource(&imported, "security_groups", "Group")["vpc"], "default-us-east-1");
    let machine = resource(&imported, "instances", "Machine");
    assert_eq!(machine["subnet"], "default-us-east-1-b");
    assert_eq!(machine["security_groups"], json!(["Group"]));
    assert_eq!(fate(&imported, "Machine"), Fate::Approximated);
    assert!(imported.report.made.iter().any(|made| made.name == "default-us-east-1"));
}

#[test]
fn a_block_from_an_ipam_pool_is_chosen_and_the_vpc_not_modelled() {
    let imported = Templates::one(
        "
Resources:
  Pool: { Type: AWS::EC2::IPAMPool, Properties: { AddressFamily: ipv4 } }
  Vpc: { Type: AWS::EC2::VPC, Properties: { Ipv4IpamPoolId: !Ref Pool, Ipv4NetmaskLength: 16 } }
",
    )
    .imported();
    assert!(resource(&imported, "vpcs", "Vpc")["not_modelled"].is_string());
    assert_eq!(fate(&imported, "Vpc"), Fate::NotModelled);
}

#[test]
fn peering_connections_are_active_where_aws_accepts_them_by_itself() {
    let template = with_vpc(
        "
  Peer: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.5.0.0/16 } }
  Near: { Type: AWS::EC2::VPCPeeringConnection, Properties: { VpcId: !Ref Vpc, PeerVpcId: !Ref Peer } }
  Far:
    Type: AWS::EC2::VPCPeeringConnection
    Properties: { VpcId: !Ref Vpc, PeerVpcId: vpc-far, PeerRegion: eu-west-1, PeerOwnerId: '210987654321' }
  Role:
    Type: AWS::EC2::VPCPeeringConnection
    Properties: { VpcId: !Ref Vpc, PeerVpcId: vpc-role, PeerOwnerId: '210987654321', PeerRoleArn: arn }
",
    );
    let imported = Templates::one(&template).stand_ins().imported();
    let state = |name: &str| resource(&imported, "vpc_peering_connections", name).get("state").cloned();
    assert_eq!(state("Near"), Some(json!("active")));
    assert_eq!(state("Far"), None);
    assert_eq!(state("Role"), Some(json!("active")));
    let far = resource(&imported, "vpcs", "vpc-far");
    assert_eq!((&far["region"], &far["owner"]), (&json!("eu-west-1"), &json!("210987654321")));
    assert_eq!(resource(&imported, "vpcs", "vpc-role")["owner"], "210987654321");
}

#[test]
fn each_zone_id_is_a_zone_of_its_own() {
    let subnets = |third: &str| {
        format!(
            "
Resources:
  Vpc: {{ Type: AWS::EC2::VPC, Properties: {{ CidrBlock: 10.0.0.0/16 }} }}
  A: {{ Type: AWS::EC2::Subnet, Properties: {{ VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24, AvailabilityZoneId: use1-az2 }} }}
  B: {{ Type: AWS::EC2::Subnet, Properties: {{ VpcId: !Ref Vpc, CidrBlock: 10.0.2.0/24, AvailabilityZoneId: use1-az1 }} }}
  C: {{ Type: AWS::EC2::Subnet, Properties: {{ VpcId: !Ref Vpc, CidrBlock: 10.0.3.0/24, {third} }} }}
  Elsewhere: {{ Type: AWS::EC2::VPC, Properties: {{ CidrBlock: 10.1.0.0/16 }} }}
  D: {{ Type: AWS::EC2::Subnet, Properties: {{ VpcId: !Ref Elsewhere, CidrBlock: 10.1.3.0/24, AvailabilityZone: us-east-1a }} }}
"
        )
    };
    let zone = |imported: &vpclab_import::Imported, name: &str| {
        resource(imported, "subnets", name)["availability_zone"].clone()
    };
    let imported = Templates::one(&subnets("AvailabilityZoneId: !GetAtt A.AvailabilityZoneId")).imported();
    assert_eq!(zone(&imported, "A"), "us-east-1b");
    assert_eq!(zone(&imported, "B"), "us-east-1a");
    assert_eq!(zone(&imported, "C"), "us-east-1b");
    assert!(notes(&imported, "A").contains("us-east-1b is taken for it"));
    assert!(resource(&imported, "subnets", "A").get("not_modelled").is_none());
    // Which name the id has there, nobody knows.
    let mixed = Templates::one(&subnets("AvailabilityZone: us-east-1a")).imported();
    assert!(resource(&mixed, "subnets", "A")["not_modelled"].is_string());
    assert!(resource(&mixed, "subnets", "C").get("not_modelled").is_none());
}

#[test]
fn a_subnet_whose_ipv6_block_an_ipam_pool_gives_is_not_modelled() {
    let text = with_vpc(
        "
  Blocks: { Type: AWS::EC2::VPCCidrBlock, Properties: { VpcId: !Ref Vpc, AmazonProvidedIpv6CidrBlock: true } }
  Pooled: { Type: AWS::EC2::Subnet, Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.3.0/24, Ipv6IpamPoolId: ipam-pool-1, Ipv6NetmaskLength: 64, AssignIpv6AddressOnCreation: true } }
  Machine: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref Pooled, Ipv6AddressCount: 1 } }
",
    );
    let imported = Templates::one(&text).imported();
    assert_eq!(
        resource(&imported, "subnets", "Pooled")["not_modelled"],
        "its IPv6 block comes from an IPAM pool"
    );
}
