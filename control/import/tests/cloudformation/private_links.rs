//! How do VPNs come out?

use serde_json::json;

use crate::fixture::{Templates, resource, with_vpc};

#[test]
fn vpn_connections_come_out() {
    let template = with_vpc("
  Vgw: { Type: AWS::EC2::VPNGateway, Properties: { Type: ipsec.1 } }
  Too: { Type: AWS::EC2::VPCGatewayAttachment, Properties: { VpcId: !Ref Vpc, VpnGatewayId: !Ref Vgw } }
  Cgw: { Type: AWS::EC2::CustomerGateway, Properties: { Type: ipsec.1, BgpAsn: 65010, IpAddress: 198.51.100.7 } }
  Vpn:
    Type: AWS::EC2::VPNConnection
    Properties: { Type: ipsec.1, StaticRoutesOnly: true, CustomerGatewayId: !Ref Cgw, VpnGatewayId: !Ref Vgw, VpnTunnelOptionsSpecifications: [{ PreSharedKey: x }] }
  Route: { Type: AWS::EC2::VPNConnectionRoute, Properties: { VpnConnectionId: !Ref Vpn, DestinationCidrBlock: 192.168.0.0/16 } }
");
    let imported = Templates::one(&template).imported();
    assert_eq!(
        *resource(&imported, "vpn_connections", "Vpn"),
        json!({ "vpn_gateway": "Vgw", "customer_gateway": "Cgw", "static_routes_only": true, "routes": ["192.168.0.0/16"] })
    );
    assert_eq!(
        *resource(&imported, "customer_gateways", "Cgw"),
        json!({ "bgp_asn": 65010, "type": "ipsec.1", "ip_address": "198.51.100.7" })
    );
    assert!(!imported.report.has_omissions());
}

#[test]
fn the_addresses_that_an_endpoint_is_given_are_its_own() {
    let template = with_vpc(
        "
  Endpoint:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcId: !Ref Vpc
      VpcEndpointType: Interface
      ServiceName: com.amazonaws.us-east-1.ssm
      SubnetIds: [!Ref Subnet]
      SubnetConfigurations: [{ SubnetId: !Ref Subnet, Ipv4: 10.0.1.50 }]
",
    );
    let imported = Templates::one(&template).imported();
    assert_eq!(
        resource(&imported, "vpc_endpoints", "Endpoint")["subnet_configuration"],
        json!([{ "subnet": "Subnet", "ipv4": "10.0.1.50" }])
    );
}
