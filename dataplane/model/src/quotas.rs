//! How much of everything does AWS let an account have?
//!
//! One table: a quota's name, what AWS grants unasked, the most it grants when asked, and the code it answers with. A lab
//! imposes the ones that its document asks for, and none by default.

use std::collections::BTreeMap;

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// VPCs of an account in a region.
    VpcsOfRegion,
    /// Subnets of a VPC.
    SubnetsOfVpc,
    /// IPv4 blocks of a VPC, the primary one included.
    Ipv4BlocksOfVpc,
    /// IPv6 blocks of a VPC.
    Ipv6BlocksOfVpc,
    /// Elastic IP addresses of an account in a region.
    EipsOfRegion,
    /// Elastic IP addresses of a public NAT gateway.
    EipsOfNatGateway,
    /// Internet gateways of an account in a region.
    InternetGatewaysOfRegion,
    /// Egress-only internet gateways of an account in a region.
    EgressOnlyGatewaysOfRegion,
    /// NAT gateways of an account in an availability zone; failed ones do not count (NAT-20).
    NatGatewaysOfZone,
    /// Customer-managed prefix lists of an account in a region.
    PrefixListsOfRegion,
    /// Network ACLs of a VPC, the default one included.
    NetworkAclsOfVpc,
    /// Rules of a network ACL in one direction (NACL-16, OQ-02).
    RulesOfNetworkAcl,
    /// Network interfaces of an account in a region.
    NetworkInterfacesOfRegion,
    /// Route tables of a VPC, the main one included.
    RouteTablesOfVpc,
    /// Routes of a table in one family, without local and propagated ones; one to a prefix list counts as the list's
    /// weight (RT-21, RT-46).
    RoutesOfTable,
    /// Propagated routes of a table.
    PropagatedRoutesOfTable,
    /// Security groups of an account in a region, default ones included.
    SecurityGroupsOfRegion,
    /// Rules of a security group in one direction and one family (SG-15).
    RulesOfSecurityGroup,
    /// Security groups of an interface (SG-16).
    SecurityGroupsOfInterface,
    /// Active peering connections of a VPC (PCX-20).
    PeeringsOfVpc,
    /// Requests for peering connections of an account in a region that wait for the other side (PCX-20).
    PeeringRequests,
    /// Gateway endpoints of an account in a region (EPG-13).
    GatewayEndpointsOfRegion,
    /// Interface and Gateway Load Balancer endpoints of a VPC (EPI-18).
    InterfaceEndpointsOfVpc,
    /// Transit gateways of an account in a region (TGW-35).
    TransitGatewaysOfRegion,
    /// Transit gateways that a VPC is attached to (TGW-35).
    TransitGatewaysOfVpc,
    /// Route tables of a transit gateway, the default one included (TGW-35).
    RouteTablesOfTransitGateway,
    /// Static and propagated routes of all tables of a transit gateway (TGW-35).
    RoutesOfTransitGateway,
    /// VPCs and peers attached to a transit gateway (TGW-35).
    AttachmentsOfTransitGateway,
    /// Peering attachments of a transit gateway (TGW-35).
    PeersOfTransitGateway,
    /// Peering attachments of a transit gateway that wait for their other side.
    PendingPeersOfTransitGateway,
    /// Virtual private gateways of an account in a region (VPN-14).
    VpnGatewaysOfRegion,
    /// Customer gateways of an account in a region (VPN-14).
    CustomerGatewaysOfRegion,
    /// VPN connections of an account in a region (VPN-14).
    VpnConnectionsOfRegion,
    /// VPN connections of a virtual private gateway (VPN-14).
    VpnConnectionsOfGateway,
    /// Static routes of a VPN connection at a virtual private gateway (VGW-06).
    StaticRoutesOfVpn,
    /// Routes of one family that a customer announces over a VPN connection to a virtual private gateway (VGW-06).
    BgpRoutesToVpnGateway,
    /// Routes of one family that a customer announces over a VPN connection to a transit gateway (VGW-06).
    BgpRoutesToTransitGateway,
    /// Routes of one family that a customer announces over a virtual interface (DX-02).
    BgpRoutesOfVirtualInterface,
    /// Virtual private gateways of a Direct Connect gateway (DX-06).
    VpnGatewaysOfDxGateway,
    /// Transit gateways of a Direct Connect gateway (DX-06).
    TransitGatewaysOfDxGateway,
    /// Direct Connect gateways of a transit gateway.
    DxGatewaysOfTransitGateway,
    /// Network address usage of a VPC (ADDR-38).
    AddressUsageOfVpc,
    /// Network address usage of a VPC and its peers in the region (ADDR-38).
    AddressUsageOfPeers,
}

/// A quota of AWS.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// What it is called in documents.
    pub name: &'static str,
    /// What it counts.
    pub counted: Counted,
    /// What is counted, in words.
    pub what: &'static str,
    /// What AWS grants unasked.
    pub default: u32,
    /// The most that AWS grants; none where it publishes no figure.
    pub most: Option<u32>,
    /// The code of a request for more (area ERR). Where AWS publishes none, that of the nearest kind.
    pub code: &'static str,
    /// The fact that says so.
    pub fact: &'static str,
}

/// Groups of an interface times rules of a group: no two quotas that make more than this are granted together (SG-16).
pub const GROUPS_TIMES_RULES: u32 = 1000;

/// The quotas, in the order of documents' kinds.
pub const QUOTAS: &[Quota] = &[
    quota("vpcs_per_region", Counted::VpcsOfRegion, "VPCs", 5, None, "VpcLimitExceeded", "QUOTA-01"),
    quota("subnets_per_vpc", Counted::SubnetsOfVpc, "subnets", 200, None, "SubnetLimitExceeded", "QUOTA-01"),
    quota(
        "ipv4_cidr_blocks_per_vpc",
        Counted::Ipv4BlocksOfVpc,
        "IPv4 blocks",
        5,
        Some(50),
        "CidrLimitExceeded",
        "QUOTA-01",
    ),
    quota(
        "ipv6_cidr_blocks_per_vpc",
        Counted::Ipv6BlocksOfVpc,
        "IPv6 blocks",
        5,
        Some(50),
        "CidrLimitExceeded",
        "QUOTA-01",
    ),
    quota(
        "route_tables_per_vpc",
        Counted::RouteTablesOfVpc,
        "route tables",
        200,
        None,
        "RouteTableLimitExceeded",
        "QUOTA-07",
    ),
    quota(
        "routes_per_route_table",
        Counted::RoutesOfTable,
        "routes",
        500,
        Some(1000),
        "RouteLimitExceeded",
        "QUOTA-07",
    ),
    quota(
        "propagated_routes_per_route_table",
        Counted::PropagatedRoutesOfTable,
        "propagated routes",
        100,
        Some(100),
        "RouteLimitExceeded",
        "QUOTA-07",
    ),
    quota(
        "internet_gateways_per_region",
        Counted::InternetGatewaysOfRegion,
        "internet gateways",
        5,
        None,
        "InternetGatewayLimitExceeded",
        "QUOTA-02",
    ),
    quota(
        "egress_only_internet_gateways_per_region",
        Counted::EgressOnlyGatewaysOfRegion,
        "egress-only internet gateways",
        5,
        None,
        "InternetGatewayLimitExceeded",
        "QUOTA-02",
    ),
    quota(
        "nat_gateways_per_availability_zone",
        Counted::NatGatewaysOfZone,
        "NAT gateways",
        5,
        None,
        "NatGatewayLimitExceeded",
        "QUOTA-03",
    ),
    quota(
        "eips_per_nat_gateway",
        Counted::EipsOfNatGateway,
        "elastic IP addresses",
        2,
        Some(8),
        "AddressLimitExceeded",
        "QUOTA-02",
    ),
    quota(
        "active_vpc_peering_connections_per_vpc",
        Counted::PeeringsOfVpc,
        "active peering connections",
        50,
        Some(125),
        "ActiveVpcPeeringConnectionPerVpcLimitExceeded",
        "QUOTA-09",
    ),
    quota(
        "outstanding_vpc_peering_connection_requests",
        Counted::PeeringRequests,
        "requests that wait for the other side",
        25,
        None,
        "OutstandingVpcPeeringConnectionLimitExceeded",
        "QUOTA-09",
    ),
    quota(
        "gateway_vpc_endpoints_per_region",
        Counted::GatewayEndpointsOfRegion,
        "gateway endpoints",
        20,
        Some(255),
        "VpcEndpointLimitExceeded",
        "QUOTA-10",
    ),
    quota(
        "interface_vpc_endpoints_per_vpc",
        Counted::InterfaceEndpointsOfVpc,
        "interface and Gateway Load Balancer endpoints",
        50,
        None,
        "VpcEndpointLimitExceeded",
        "QUOTA-10",
    ),
    quota(
        "managed_prefix_lists_per_region",
        Counted::PrefixListsOfRegion,
        "managed prefix lists",
        100,
        None,
        "PrefixListLimitExceeded",
        "QUOTA-04",
    ),
    quota(
        "network_acls_per_vpc",
        Counted::NetworkAclsOfVpc,
        "network ACLs",
        200,
        None,
        "NetworkAclLimitExceeded",
        "QUOTA-05",
    ),
    quota(
        "rules_per_network_acl",
        Counted::RulesOfNetworkAcl,
        "rules",
        20,
        Some(40),
        "NetworkAclEntryLimitExceeded",
        "QUOTA-05",
    ),
    quota(
        "security_groups_per_region",
        Counted::SecurityGroupsOfRegion,
        "security groups",
        2500,
        None,
        "SecurityGroupLimitExceeded",
        "QUOTA-08",
    ),
    quota(
        "rules_per_security_group",
        Counted::RulesOfSecurityGroup,
        "rules",
        60,
        Some(GROUPS_TIMES_RULES),
        "RulesPerSecurityGroupLimitExceeded",
        "QUOTA-08",
    ),
    quota(
        "network_interfaces_per_region",
        Counted::NetworkInterfacesOfRegion,
        "network interfaces",
        5000,
        None,
        "NetworkInterfaceLimitExceeded",
        "QUOTA-06",
    ),
    quota(
        "security_groups_per_network_interface",
        Counted::SecurityGroupsOfInterface,
        "security groups",
        5,
        Some(16),
        "SecurityGroupsPerInterfaceLimitExceeded",
        "QUOTA-08",
    ),
    quota(
        "eips_per_region",
        Counted::EipsOfRegion,
        "elastic IP addresses",
        5,
        None,
        "AddressLimitExceeded",
        "QUOTA-02",
    ),
    quota(
        "transit_gateways_per_region",
        Counted::TransitGatewaysOfRegion,
        "transit gateways",
        5,
        None,
        "TransitGatewayLimitExceeded",
        "QUOTA-11",
    ),
    quota(
        "transit_gateways_per_vpc",
        Counted::TransitGatewaysOfVpc,
        "transit gateways",
        5,
        None,
        "TransitGatewayLimitExceeded",
        "QUOTA-11",
    ),
    quota(
        "route_tables_per_transit_gateway",
        Counted::RouteTablesOfTransitGateway,
        "route tables",
        20,
        None,
        "TransitGatewayLimitExceeded",
        "QUOTA-11",
    ),
    quota(
        "routes_per_transit_gateway",
        Counted::RoutesOfTransitGateway,
        "routes",
        10_000,
        None,
        "TransitGatewayLimitExceeded",
        "QUOTA-11",
    ),
    quota(
        "attachments_per_transit_gateway",
        Counted::AttachmentsOfTransitGateway,
        "attachments",
        5000,
        None,
        "TransitGatewayLimitExceeded",
        "QUOTA-11",
    ),
    quota(
        "peering_attachments_per_transit_gateway",
        Counted::PeersOfTransitGateway,
        "peering attachments",
        50,
        None,
        "TransitGatewayLimitExceeded",
        "QUOTA-11",
    ),
    quota(
        "pending_peering_attachments_per_transit_gateway",
        Counted::PendingPeersOfTransitGateway,
        "peering attachments that wait for their other side",
        10,
        None,
        "TransitGatewayLimitExceeded",
        "QUOTA-11",
    ),
    quota(
        "vpn_gateways_per_region",
        Counted::VpnGatewaysOfRegion,
        "virtual private gateways",
        5,
        None,
        "VpnGatewayLimitExceeded",
        "QUOTA-11",
    ),
    quota(
        "customer_gateways_per_region",
        Counted::CustomerGatewaysOfRegion,
        "customer gateways",
        50,
        None,
        "CustomerGatewayLimitExceeded",
        "QUOTA-11",
    ),
    quota(
        "vpn_connections_per_region",
        Counted::VpnConnectionsOfRegion,
        "VPN connections",
        50,
        None,
        "VpnConnectionLimitExceeded",
        "QUOTA-11",
    ),
    quota(
        "vpn_connections_per_vpn_gateway",
        Counted::VpnConnectionsOfGateway,
        "VPN connections",
        10,
        None,
        "VpnConnectionLimitExceeded",
        "QUOTA-11",
    ),
    quota(
        "static_routes_per_vpn_connection",
        Counted::StaticRoutesOfVpn,
        "static routes",
        100,
        Some(100),
        "RouteLimitExceeded",
        "VGW-06",
    ),
    quota(
        "bgp_routes_per_vpn_connection_of_vpn_gateway",
        Counted::BgpRoutesToVpnGateway,
        "announced routes",
        100,
        Some(100),
        "RouteLimitExceeded",
        "VGW-06",
    ),
    quota(
        "bgp_routes_per_vpn_connection_of_transit_gateway",
        Counted::BgpRoutesToTransitGateway,
        "announced routes",
        1000,
        Some(1000),
        "RouteLimitExceeded",
        "VGW-06",
    ),
    quota(
        "bgp_routes_per_virtual_interface",
        Counted::BgpRoutesOfVirtualInterface,
        "announced routes",
        100,
        Some(100),
        "RouteLimitExceeded",
        "DX-02",
    ),
    quota(
        "vpn_gateways_per_dx_gateway",
        Counted::VpnGatewaysOfDxGateway,
        "virtual private gateways",
        20,
        Some(20),
        "DirectConnectClientException",
        "DX-06",
    ),
    quota(
        "transit_gateways_per_dx_gateway",
        Counted::TransitGatewaysOfDxGateway,
        "transit gateways",
        6,
        Some(6),
        "DirectConnectClientException",
        "DX-06",
    ),
    quota(
        "dx_gateways_per_transit_gateway",
        Counted::DxGatewaysOfTransitGateway,
        "Direct Connect gateways",
        20,
        Some(20),
        "DirectConnectClientException",
        "QUOTA-11",
    ),
    quota(
        "network_address_usage_per_vpc",
        Counted::AddressUsageOfVpc,
        "network address units",
        64_000,
        Some(256_000),
        "ResourceCountExceeded",
        "QUOTA-14",
    ),
    quota(
        "network_address_usage_with_peers",
        Counted::AddressUsageOfPeers,
        "network address units",
        128_000,
        Some(512_000),
        "ResourceCountExceeded",
        "QUOTA-14",
    ),
];

/// The quotas that a lab imposes, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Quotas(pub(crate) BTreeMap<&'static str, u32>);

impl Quotas {
    /// What AWS grants unasked.
    pub(crate) fn aws_default() -> Self {
        Self(QUOTAS.iter().map(|quota| (quota.name, quota.default)).collect())
    }

    /// The most that AWS grants, where it says how much that is.
    pub(crate) fn aws_max() -> Self {
        Self(QUOTAS.iter().filter_map(|quota| Some((quota.name, quota.most?))).collect())
    }

    /// How many of what `quota` counts there may be.
    pub(crate) fn limit(&self, quota: &Quota) -> Option<u32> {
        self.0.get(quota.name).copied()
    }
}

const fn quota(
    name: &'static str,
    counted: Counted,
    what: &'static str,
    default: u32,
    most: Option<u32>,
    code: &'static str,
    fact: &'static str,
) -> Quota {
    Quota { name, counted, what, default, most, code, fact }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_the_most_is_no_less_than_the_default() {
        let names: std::collections::BTreeSet<&str> = QUOTAS.iter().map(|quota| quota.name).collect();
        assert_eq!(names.len(), QUOTAS.len());
        for quota in QUOTAS {
            assert!(quota.most.is_none_or(|most| most >= quota.default), "{}", quota.name);
        }
    }
}
