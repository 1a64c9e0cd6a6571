//! How do gateways, routes and endpoints come out?

use serde_json::{Value, json};
use vpclab_import::Fate;

use crate::fixture::{Templates, fate, notes, resource, with_vpc};

const GATEWAYS: &str = "
  Table: { Type: AWS::EC2::RouteTable, Properties: { VpcId: !Ref Vpc } }
  Igw: { Type: AWS::EC2::InternetGateway }
  Attached: { Type: AWS::EC2::VPCGatewayAttachment, Properties: { VpcId: !Ref Vpc, InternetGatewayId: !Ref Igw } }
  Vgw: { Type: AWS::EC2::VPNGateway, Properties: { Type: ipsec.1, AmazonSideAsn: 64620 } }
  Too: { Type: AWS::EC2::VPCGatewayAttachment, Properties: { VpcId: !Ref Vpc, VpnGatewayId: !Ref Vgw } }
  Eigw: { Type: AWS::EC2::EgressOnlyInternetGateway, Properties: { VpcId: !Ref Vpc } }
  Eip: { Type: AWS::EC2::EIP, Properties: { Domain: vpc } }
  Nat: { Type: AWS::EC2::NatGateway, Properties: { SubnetId: !Ref Subnet, AllocationId: !GetAtt Eip.AllocationId } }
  Quiet: { Type: AWS::EC2::NatGateway, Properties: { SubnetId: !Ref Subnet, ConnectivityType: private } }
  Machine: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref Subnet, SourceDestCheck: false } }
  Eni: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref Subnet } }
  Peer: { Type: AWS::EC2::VPC, Properties: { CidrBlock: 10.5.0.0/16 } }
  Pcx: { Type: AWS::EC2::VPCPeeringConnection, Properties: { VpcId: !Ref Vpc, PeerVpcId: !Ref Peer } }
  Tgw: { Type: AWS::EC2::TransitGateway, Properties: { AmazonSideAsn: 64600, DefaultRouteTableAssociation: disable, Description: d } }
  Att: { Type: AWS::EC2::TransitGatewayAttachment, Properties: { TransitGatewayId: !Ref Tgw, VpcId: !Ref Vpc, SubnetIds: [!Ref Subnet] } }
  Wall: { Type: AWS::NetworkFirewall::Firewall, Properties: { FirewallName: w, FirewallPolicyArn: a, VpcId: !Ref Vpc, SubnetMappings: [{ SubnetId: !Ref Subnet }] } }
  Carrier: { Type: AWS::EC2::CarrierGateway, Properties: { VpcId: !Ref Vpc } }
  List: { Type: AWS::EC2::PrefixList, Properties: { PrefixListName: l, AddressFamily: IPv4, MaxEntries: 3 } }
";

/// The route that the properties become.
#[track_caller]
fn route(properties: &str) -> Value {
    let template = with_vpc(&format!(
        "{GATEWAYS}
  Route: {{ Type: AWS::EC2::Route, Properties: {{ RouteTableId: !Ref Table, {properties} }} }}
"
    ));
    let imported = Templates::one(&template).imported();
    resource(&imported, "route_tables", "Table")["routes"][0].clone()
}

#[test]
fn a_route_leads_to_each_kind_of_target() {
    for (properties, expected) in [
        (
            "DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Igw",
            json!({ "cidr_block": "0.0.0.0/0", "gateway": "Igw" }),
        ),
        (
            "DestinationCidrBlock: 192.168.0.0/16, GatewayId: !Ref Vgw",
            json!({ "cidr_block": "192.168.0.0/16", "gateway": "Vgw" }),
        ),
        (
            "DestinationCidrBlock: 10.0.0.0/16, GatewayId: local",
            json!({ "cidr_block": "10.0.0.0/16", "gateway": "local" }),
        ),
        (
            "DestinationIpv6CidrBlock: '::/0', EgressOnlyInternetGatewayId: !Ref Eigw",
            json!({ "ipv6_cidr_block": "::/0", "egress_only_gateway": "Eigw" }),
        ),
        (
            "DestinationCidrBlock: 0.0.0.0/0, NatGatewayId: !Ref Nat",
            json!({ "cidr_block": "0.0.0.0/0", "nat_gateway": "Nat" }),
        ),
        (
            "DestinationCidrBlock: 0.0.0.0/0, InstanceId: !Ref Machine",
            json!({ "cidr_block": "0.0.0.0/0", "instance": "Machine" }),
        ),
        (
            "DestinationCidrBlock: 0.0.0.0/0, NetworkInterfaceId: !Ref Eni",
            json!({ "cidr_block": "0.0.0.0/0", "network_interface": "Eni" }),
        ),
        (
            "DestinationCidrBlock: 10.5.0.0/16, VpcPeeringConnectionId: !Ref Pcx",
            json!({ "cidr_block": "10.5.0.0/16", "vpc_peering_connection": "Pcx" }),
        ),
        (
            "DestinationCidrBlock: 10.6.0.0/16, TransitGatewayId: !Ref Tgw",
            json!({ "cidr_block": "10.6.0.0/16", "transit_gateway": "Tgw" }),
        ),
        (
            "DestinationCidrBlock: 0.0.0.0/0, VpcEndpointId: !Select [1, !Split [':', !Select [0, !GetAtt Wall.EndpointIds]]]",
            json!({ "cidr_block": "0.0.0.0/0", "vpc_endpoint": "Wall" }),
        ),
        (
            "DestinationCidrBlock: 0.0.0.0/0, CarrierGatewayId: !Ref Carrier",
            json!({ "cidr_block": "0.0.0.0/0", "carrier_gateway": "Carrier" }),
        ),
        (
            "DestinationPrefixListId: !Ref List, NatGatewayId: !Ref Nat",
            json!({ "destination_prefix_list": "List", "nat_gateway": "Nat" }),
        ),
    ] {
        assert_eq!(route(properties), expected, "{properties}");
    }
}

#[test]
fn gateways_and_addresses_come_out() {
    let template = with_vpc(&format!("{GATEWAYS}
  Edge: {{ Type: AWS::EC2::RouteTable, Properties: {{ VpcId: !Ref Vpc }} }}
  Enters: {{ Type: AWS::EC2::GatewayRouteTableAssociation, Properties: {{ GatewayId: !Ref Igw, RouteTableId: !Ref Edge }} }}
  Learns: {{ Type: AWS::EC2::VPNGatewayRoutePropagation, Properties: {{ RouteTableIds: [!Ref Table], VpnGatewayId: !Ref Vgw }} }}
  OfMachine: {{ Type: AWS::EC2::EIP, Properties: {{ InstanceId: !Ref Machine }} }}
  Loose: {{ Type: AWS::EC2::EIP }}
  OfEni: {{ Type: AWS::EC2::EIPAssociation, Properties: {{ EIP: !Ref Loose, NetworkInterfaceId: !Ref Eni }} }}
"));
    let imported = Templates::one(&template).imported();
    assert_eq!(resource(&imported, "internet_gateways", "Igw")["vpc"], "Vpc");
    assert_eq!(
        *resource(&imported, "vpn_gateways", "Vgw"),
        json!({ "amazon_side_asn": 64620, "vpc": "Vpc" })
    );
    assert_eq!(resource(&imported, "route_tables", "Edge")["gateways"], json!(["Igw"]));
    assert_eq!(resource(&imported, "route_tables", "Table")["propagating_vgws"], json!(["Vgw"]));
    assert_eq!(
        *resource(&imported, "nat_gateways", "Nat"),
        json!({ "subnet": "Subnet", "allocation": "Eip" })
    );
    assert_eq!(resource(&imported, "nat_gateways", "Quiet")["connectivity_type"], "private");
    assert_eq!(resource(&imported, "eips", "OfMachine")["instance"], "Machine");
    assert_eq!(resource(&imported, "eips", "Loose")["network_interface"], "Eni");
    assert_eq!(resource(&imported, "carrier_gateways", "Carrier")["vpc"], "Vpc");
    assert_eq!(fate(&imported, "Wall"), Fate::NotModelled);
}

#[test]
fn a_route_that_is_not_known_marks_its_table() {
    let template = with_vpc(&format!("{GATEWAYS}
  Route: {{ Type: AWS::EC2::Route, Properties: {{ RouteTableId: !Ref Table, DestinationCidrBlock: '{{{{resolve:ssm:b}}}}', NatGatewayId: !Ref Nat }} }}
"));
    let imported = Templates::one(&template).imported();
    let table = resource(&imported, "route_tables", "Table");
    assert_eq!(table["not_modelled"], "its route Route is not known");
    assert!(table.get("routes").is_none());
    assert_eq!(fate(&imported, "Route"), Fate::NotModelled);
}

#[test]
fn transit_gateways_come_out() {
    let template = with_vpc(&format!("{GATEWAYS}
  PeerSubnet: {{ Type: AWS::EC2::Subnet, Properties: {{ VpcId: !Ref Peer, CidrBlock: 10.5.1.0/24 }} }}
  Second:
    Type: AWS::EC2::TransitGatewayVpcAttachment
    Properties: {{ TransitGatewayId: !Ref Tgw, VpcId: !Ref Peer, SubnetIds: [!Ref PeerSubnet], Options: {{ ApplianceModeSupport: enable }} }}
  Routes: {{ Type: AWS::EC2::TransitGatewayRouteTable, Properties: {{ TransitGatewayId: !Ref Tgw }} }}
  In: {{ Type: AWS::EC2::TransitGatewayRouteTableAssociation, Properties: {{ TransitGatewayRouteTableId: !Ref Routes, TransitGatewayAttachmentId: !Ref Att }} }}
  From: {{ Type: AWS::EC2::TransitGatewayRouteTablePropagation, Properties: {{ TransitGatewayRouteTableId: !Ref Routes, TransitGatewayAttachmentId: !Ref Second }} }}
  To: {{ Type: AWS::EC2::TransitGatewayRoute, Properties: {{ TransitGatewayRouteTableId: !Ref Routes, DestinationCidrBlock: 0.0.0.0/0, TransitGatewayAttachmentId: !Ref Second }} }}
  Hole: {{ Type: AWS::EC2::TransitGatewayRoute, Properties: {{ TransitGatewayRouteTableId: !Ref Routes, DestinationCidrBlock: 10.99.0.0/16, Blackhole: true }} }}
  Casts: {{ Type: AWS::EC2::TransitGatewayMulticastDomain, Properties: {{ TransitGatewayId: !Ref Tgw }} }}
"));
    let imported = Templates::one(&template).imported();
    let gateway = resource(&imported, "transit_gateways", "Tgw");
    assert_eq!(gateway["default_route_table_association"], "disable");
    let second = resource(&imported, "transit_gateway_vpc_attachments", "Second");
    assert_eq!(second["appliance_mode_support"], "enable");
    assert_eq!(
        *resource(&imported, "transit_gateway_route_tables", "Routes"),
        json!({ "transit_gateway": "Tgw", "associations": ["Att"], "propagations": ["Second"],
                "routes": [{ "destination_cidr_block": "0.0.0.0/0", "attachment": "Second" },
                           { "destination_cidr_block": "10.99.0.0/16", "blackhole": true }] })
    );
    assert_eq!(fate(&imported, "Casts"), Fate::NotModelled);
}

#[test]
fn endpoints_come_out() {
    let template = with_vpc("
  Table: { Type: AWS::EC2::RouteTable, Properties: { VpcId: !Ref Vpc } }
  S3:
    Type: AWS::EC2::VPCEndpoint
    Properties: { VpcId: !Ref Vpc, ServiceName: !Sub 'com.amazonaws.${AWS::Region}.s3', RouteTableIds: [!Ref Table], PolicyDocument: {} }
  Sqs:
    Type: AWS::EC2::VPCEndpoint
    Properties: { VpcId: !Ref Vpc, VpcEndpointType: Interface, ServiceName: com.amazonaws.us-east-1.sqs, SubnetIds: [!Ref Subnet], SecurityGroupIds: [!Ref Group], PrivateDnsEnabled: true }
  Own: { Type: AWS::EC2::VPCEndpointService, Properties: { NetworkLoadBalancerArns: [arn] } }
");
    let imported = Templates::one(&template).imported();
    let s3 = resource(&imported, "vpc_endpoints", "S3");
    assert_eq!(
        (&s3["service_name"], &s3["route_tables"]),
        (&json!("com.amazonaws.us-east-1.s3"), &json!(["Table"]))
    );
    let sqs = resource(&imported, "vpc_endpoints", "Sqs");
    assert_eq!((&sqs["subnets"], &sqs["security_groups"]), (&json!(["Subnet"]), &json!(["Group"])));
    assert_eq!(sqs["private_dns_enabled"], true);
    assert_eq!(fate(&imported, "Own"), Fate::NotModelled);
}

#[test]
fn what_is_stored_and_not_modelled_comes_out_as_such() {
    let template = with_vpc("
  Block: { Type: AWS::EC2::VPCBlockPublicAccessOptions, Properties: { InternetGatewayBlockMode: block-bidirectional } }
  But: { Type: AWS::EC2::VPCBlockPublicAccessExclusion, Properties: { VpcId: !Ref Vpc, InternetGatewayExclusionMode: allow-bidirectional } }
  Dial: { Type: AWS::EC2::ClientVpnEndpoint, Properties: { ClientCidrBlock: 10.200.0.0/22, VpcId: !Ref Vpc, SecurityGroupIds: [!Ref Group] } }
  Into: { Type: AWS::EC2::ClientVpnTargetNetworkAssociation, Properties: { ClientVpnEndpointId: !Ref Dial, SubnetId: !Ref Subnet } }
  Who: { Type: AWS::EC2::ClientVpnAuthorizationRule, Properties: { ClientVpnEndpointId: !Ref Dial, TargetNetworkCidr: 0.0.0.0/0 } }
  Local: { Type: AWS::EC2::LocalGatewayRouteTableVPCAssociation, Properties: { VpcId: !Ref Vpc } }
  Regional: { Type: AWS::EC2::NatGateway, Properties: { VpcId: !Ref Vpc, AvailabilityMode: regional } }
");
    let imported = Templates::one(&template).stand_ins().imported();
    assert_eq!(
        resource(&imported, "vpc_block_public_access_options", "Block")["internet_gateway_block_mode"],
        "block-bidirectional"
    );
    assert_eq!(resource(&imported, "client_vpn_endpoints", "Dial")["subnets"], json!(["Subnet"]));
    for name in ["Block", "But", "Dial", "Who"] {
        assert_eq!(fate(&imported, name), Fate::NotModelled, "{name}");
    }
    assert_eq!(fate(&imported, "Local"), Fate::LeftOut);
    assert_eq!(notes(&imported, "Regional"), "NAT gateways of a region are not modelled");
}

/// `Ref`, `GetAtt` and `Sub` of an address, to an instance or an interface, at an address that is written or chosen.
#[test]
fn an_elastic_address_is_associated_however_the_template_says_it() {
    for what in [
        "AllocationId: !GetAtt Eip.AllocationId",
        "AllocationId: {'Fn::GetAtt': [Eip, AllocationId]}",
        "AllocationId: !Sub '${Eip.AllocationId}'",
        "AllocationId: !Ref Eip",
        "EIP: !Ref Eip",
        "EIP: !GetAtt Eip.PublicIp",
        "EIP: !Ref Eip, AllocationId: !GetAtt Eip.AllocationId",
    ] {
        for (whose, holder, at) in [
            ("InstanceId: !Ref Host", ("instance", "Host"), None),
            ("InstanceId: !GetAtt Host.InstanceId", ("instance", "Host"), None),
            (
                "InstanceId: !Ref Host, PrivateIpAddress: !GetAtt Host.PrivateIp",
                ("instance", "Host"),
                Some("10.0.1.10"),
            ),
            ("NetworkInterfaceId: !Ref Eni", ("network_interface", "Eni"), None),
            ("NetworkInterfaceId: !GetAtt Eni.Id", ("network_interface", "Eni"), None),
            ("InstanceId: !Ref Host, NetworkInterfaceId: !Ref Eni", ("network_interface", "Eni"), None),
            (
                "NetworkInterfaceId: !Ref Eni, PrivateIpAddress: !Select [1, !GetAtt Eni.SecondaryPrivateIpAddresses]",
                ("network_interface", "Eni"),
                Some("10.0.1.249"),
            ),
        ] {
            let template = with_vpc(&format!("
  Igw: {{ Type: AWS::EC2::InternetGateway }}
  Attached: {{ Type: AWS::EC2::VPCGatewayAttachment, Properties: {{ VpcId: !Ref Vpc, InternetGatewayId: !Ref Igw }} }}
  Eip: {{ Type: AWS::EC2::EIP }}
  Host: {{ Type: AWS::EC2::Instance, Properties: {{ SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.10 }} }}
  Eni: {{ Type: AWS::EC2::NetworkInterface, Properties: {{ SubnetId: !Ref Subnet, SecondaryPrivateIpAddressCount: 2 }} }}
  Given: {{ Type: AWS::EC2::EIPAssociation, Properties: {{ {what}, {whose} }} }}
"));
            let imported = Templates::one(&template).imported();
            let eip = resource(&imported, "eips", "Eip");
            assert_eq!(eip[holder.0], holder.1, "{what}, {whose}");
            assert_eq!(
                eip.get("associate_with_private_ip").and_then(|at| at.as_str()),
                at,
                "{what}, {whose}"
            );
        }
    }
}

/// The subnet is a parameter: its stand-in has the addresses that the interface counts, in one block each.
#[test]
fn secondary_addresses_in_a_subnet_that_nobody_gives_can_have_elastic_ones() {
    let imported = Templates::one("
Parameters: { Front: { Type: AWS::EC2::Subnet::Id }, All: { Type: 'List<AWS::EC2::Subnet::Id>' } }
Resources:
  One: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Ref Front, SecondaryPrivateIpAddressCount: 2 } }
  Two: { Type: AWS::EC2::NetworkInterface, Properties: { SubnetId: !Select [0, !Ref All], SecondaryPrivateIpAddressCount: 2 } }
  First: { Type: AWS::EC2::EIP }
  Second: { Type: AWS::EC2::EIP }
  OfOne: { Type: AWS::EC2::EIPAssociation, Properties: { AllocationId: !GetAtt First.AllocationId, NetworkInterfaceId: !Ref One, PrivateIpAddress: !Select [0, !GetAtt One.SecondaryPrivateIpAddresses] } }
  OfTwo: { Type: AWS::EC2::EIPAssociation, Properties: { AllocationId: !GetAtt Second.AllocationId, NetworkInterfaceId: !Ref Two, PrivateIpAddress: !Select [1, !GetAtt Two.SecondaryPrivateIpAddresses] } }
")
    .stand_ins()
    .imported();
    assert!(!imported.report.has_omissions());
    for (eip, interface, place) in [("First", "One", 0), ("Second", "Two", 1)] {
        let eip = resource(&imported, "eips", eip);
        assert_eq!(eip["network_interface"], interface);
        let of = &resource(&imported, "network_interfaces", interface)["secondary_private_ips"];
        assert_eq!(eip["associate_with_private_ip"], of[place], "{of}");
    }
}

#[test]
fn an_attachment_has_the_subnets_that_are_left_of_all_lists() {
    let attachment = |lists: &str| {
        let text = with_vpc(&format!(
            "
  Tgw: {{ Type: AWS::EC2::TransitGateway }}
  Att: {{ Type: AWS::EC2::TransitGatewayVpcAttachment, Properties: {{ TransitGatewayId: !Ref Tgw, VpcId: !Ref Vpc, {lists} }} }}
"
        ));
        let imported = Templates::one(&text).imported();
        resource(&imported, "transit_gateway_vpc_attachments", "Att")["subnets"].clone()
    };
    for (lists, expected) in [
        ("SubnetIds: [!Ref Subnet, !Ref Other], RemoveSubnetIds: [!Ref Subnet]", json!(["Other"])),
        ("SubnetIds: [!Ref Subnet], AddSubnetIds: [!Ref Other]", json!(["Subnet", "Other"])),
        (
            "SubnetIds: [!Ref Subnet], AddSubnetIds: [!Ref Other, !Ref Subnet], RemoveSubnetIds: [!Ref Subnet]",
            json!(["Other"]),
        ),
    ] {
        assert_eq!(attachment(lists), expected, "{lists}");
    }
}

#[test]
fn another_default_table_leaves_unknown_what_the_gateway_does() {
    for table in ["AssociationDefaultRouteTableId", "PropagationDefaultRouteTableId"] {
        let text = format!(
            "Resources: {{ Tgw: {{ Type: AWS::EC2::TransitGateway, Properties: {{ {table}: tgw-rtb-1 }} }} }}"
        );
        let imported = Templates::one(&text).imported();
        let why = resource(&imported, "transit_gateways", "Tgw")["not_modelled"].clone();
        assert_eq!(why, format!("{table} makes another table the default one"));
    }
}

#[test]
fn an_elastic_address_that_is_stated_is_that_address_wherever_it_is_used() {
    let text = with_vpc(
        "
  Address: { Type: AWS::EC2::EIP, Properties: { Address: 198.51.100.7 } }
  Rule: { Type: AWS::EC2::SecurityGroupIngress, Properties: { GroupId: !Ref Group, IpProtocol: -1, CidrIp: !Sub '${Address}/32' } }
",
    );
    let imported = Templates::one(&text).imported();
    assert_eq!(resource(&imported, "eips", "Address")["public_ip"], "198.51.100.7");
    assert_eq!(
        resource(&imported, "security_groups", "Group")["ingress"][0]["cidr_blocks"],
        json!(["198.51.100.7/32"])
    );
}

#[test]
fn what_routes_lead_to_is_said_to_be_taken_as_sending_on() {
    let text = with_vpc(
        "
  Table: { Type: AWS::EC2::RouteTable, Properties: { VpcId: !Ref Vpc } }
  Nat: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref Subnet, SourceDestCheck: false } }
  Other2: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref Subnet, SourceDestCheck: false } }
  Route: { Type: AWS::EC2::Route, Properties: { RouteTableId: !Ref Table, DestinationCidrBlock: 0.0.0.0/0, InstanceId: !Ref Nat } }
",
    );
    let imported = Templates::one(&text).imported();
    assert!(notes(&imported, "Nat").contains("say what it does with `forwards` in the topology"));
    assert_eq!(fate(&imported, "Nat"), Fate::Approximated);
    assert_eq!(fate(&imported, "Other2"), Fate::Understood);
}
