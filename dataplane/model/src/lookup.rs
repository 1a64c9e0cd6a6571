//! How does a document become a [`Topology`], and how is something in it found again?

use std::collections::BTreeMap;

use crate::declared::Declared;
use crate::document::Document;
use crate::log::Log;
use crate::mistake::Mistakes;
use crate::name::{
    CustomerGatewayName, CustomerHostName, CustomerNetworkName, DxGatewayAssociationName, DxGatewayName,
    DxPrivateVirtualInterfaceName, DxTransitVirtualInterfaceName, EgressOnlyInternetGatewayName, EipName,
    InstanceName, InternetGatewayName, InternetHostName, Kind, ManagedPrefixListName, Name, NatGatewayName,
    NetworkAclName, NetworkInterfaceName, RouteTableName, SecurityGroupName, SubnetName, TransitGatewayName,
    TransitGatewayPeeringAttachmentName, TransitGatewayRouteTableName, TransitGatewayVpcAttachmentName,
    VpcName, VpcPeeringConnectionName, VpnConnectionName, VpnGatewayName, kind,
};
use crate::not_modelled::NotModelledKind;
use crate::register::{Context, Registers};
use crate::resources::{
    CustomerGateway, CustomerHost, CustomerNetwork, DxGateway, DxGatewayAssociation,
    EgressOnlyInternetGateway, Eip, Instance, InternetGateway, InternetHost, ManagedPrefixList, NatGateway,
    NetworkAcl, NetworkInterface, NotModelled, RouteTable, SecurityGroup, Subnet, Topology, TransitGateway,
    TransitGatewayPeeringAttachment, TransitGatewayRouteTable, TransitGatewayVpcAttachment, VirtualInterface,
    Vpc, VpcPeeringConnection, VpnConnection, VpnGateway,
};
use crate::rules;

/// The resource of a kind that `reference` names, or whose id it is.
pub fn resolve<'a, K: Kind, V>(
    all: &'a BTreeMap<Name<K>, V>,
    reference: &str,
) -> Option<(&'a Name<K>, &'a V)> {
    let by_id = || {
        let hex = reference.strip_prefix(K::ID_PREFIX)?.strip_prefix('-')?;
        let looks_right = hex.len() == 17 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        all.iter().find(|(name, _)| looks_right && name.id() == reference)
    };
    all.get_key_value(reference).or_else(by_id)
}

impl Topology {
    /// What `document` declares, with AWS's defaults made explicit.
    ///
    /// `previous` is the lab as it is now. A surviving resource keeps what was assigned to it automatically (private,
    /// public and IPv6 addresses, IPv6 blocks), so that adding one instance never renumbers another.
    ///
    /// # Errors
    ///
    /// Every mistake in the document, in the order of kinds and names.
    pub fn from_document(document: &Document, previous: Option<&Self>) -> Result<Self, Mistakes> {
        let log = Log::default();
        let declared = Declared::read(document, &log);
        let registers = Registers::of(&declared, &log);
        let topology =
            rules::topology(&Context { log: &log, declared: &declared, registers: &registers, previous });
        log.finish().map(|()| topology)
    }
}

impl Topology {
    /// The resource of this name or id that is stored and not modelled, with its kind.
    pub fn find_not_modelled(
        &self,
        reference: &str,
    ) -> Option<(&'static NotModelledKind, &str, &NotModelled)> {
        let all =
            self.not_modelled.iter().filter_map(|(plural, all)| Some((NotModelledKind::of(plural)?, all)));
        all.flat_map(|(kind, all)| all.iter().map(move |(name, resource)| (kind, name.as_str(), resource)))
            .find(|(kind, name, _)| *name == reference || kind.id(name) == reference)
    }
}

/// Declares [`Topology::not_known`] over the kinds that packets depend on.
macro_rules! not_known {
    ($($field:ident: $kind:ident),* $(,)?) => {
        impl Topology {
            /// The resources of which not all is known that packets depend on, with their kind's key and the reason: those
            /// whose `not_modelled` says something.
            pub fn not_known(&self) -> impl Iterator<Item = (&'static str, &str, &str)> {
                let all = std::iter::empty();
                $(
                    let all = all.chain(self.$field.iter().filter_map(|(name, resource)| {
                        let why = resource.labels.not_modelled.as_deref()?;
                        Some((kind::$kind::PLURAL, name.as_str(), why))
                    }));
                )*
                all
            }
        }
    };
}

not_known! {
    vpcs: Vpc,
    subnets: Subnet,
    route_tables: RouteTable,
    internet_gateways: InternetGateway,
    egress_only_internet_gateways: EgressOnlyInternetGateway,
    nat_gateways: NatGateway,
    vpc_peering_connections: VpcPeeringConnection,
    transit_gateways: TransitGateway,
    transit_gateway_vpc_attachments: TransitGatewayVpcAttachment,
    transit_gateway_peering_attachments: TransitGatewayPeeringAttachment,
    transit_gateway_route_tables: TransitGatewayRouteTable,
    managed_prefix_lists: ManagedPrefixList,
    network_acls: NetworkAcl,
    security_groups: SecurityGroup,
    network_interfaces: NetworkInterface,
    instances: Instance,
    vpc_endpoints: VpcEndpoint,
    vpn_gateways: VpnGateway,
    vpn_connections: VpnConnection,
    dx_gateways: DxGateway,
    dx_gateway_associations: DxGatewayAssociation,
    dx_private_virtual_interfaces: DxPrivateVirtualInterface,
    dx_transit_virtual_interfaces: DxTransitVirtualInterface,
}

/// Declares one method for each kind.
macro_rules! find {
    ($($method:ident, $field:ident, $name:ty, $resource:ty, $what:literal;)*) => {
        impl Topology {
            $(
                #[doc = concat!("The ", $what, " of this name or id.")]
                pub fn $method(&self, reference: &str) -> Option<(&$name, &$resource)> {
                    resolve(&self.$field, reference)
                }
            )*
        }
    };
}

find! {
    find_vpc, vpcs, VpcName, Vpc, "VPC";
    find_subnet, subnets, SubnetName, Subnet, "subnet";
    find_route_table, route_tables, RouteTableName, RouteTable, "route table";
    find_internet_gateway, internet_gateways, InternetGatewayName, InternetGateway, "internet gateway";
    find_egress_only_internet_gateway, egress_only_internet_gateways, EgressOnlyInternetGatewayName,
        EgressOnlyInternetGateway, "egress-only internet gateway";
    find_nat_gateway, nat_gateways, NatGatewayName, NatGateway, "NAT gateway";
    find_vpc_peering_connection, vpc_peering_connections, VpcPeeringConnectionName, VpcPeeringConnection,
        "VPC peering connection";
    find_transit_gateway, transit_gateways, TransitGatewayName, TransitGateway, "transit gateway";
    find_transit_gateway_vpc_attachment, transit_gateway_vpc_attachments, TransitGatewayVpcAttachmentName,
        TransitGatewayVpcAttachment, "transit gateway VPC attachment";
    find_transit_gateway_peering_attachment, transit_gateway_peering_attachments,
        TransitGatewayPeeringAttachmentName, TransitGatewayPeeringAttachment, "transit gateway peering attachment";
    find_transit_gateway_route_table, transit_gateway_route_tables, TransitGatewayRouteTableName,
        TransitGatewayRouteTable, "transit gateway route table";
    find_managed_prefix_list, managed_prefix_lists, ManagedPrefixListName, ManagedPrefixList, "managed prefix list";
    find_vpc_endpoint, vpc_endpoints, crate::name::VpcEndpointName, crate::resources::VpcEndpoint, "VPC endpoint";
    find_service, services, crate::name::ServiceName, crate::resources::Service, "service";
    find_network_acl, network_acls, NetworkAclName, NetworkAcl, "network ACL";
    find_security_group, security_groups, SecurityGroupName, SecurityGroup, "security group";
    find_interface, network_interfaces, NetworkInterfaceName, NetworkInterface, "network interface";
    find_instance, instances, InstanceName, Instance, "instance";
    find_eip, eips, EipName, Eip, "elastic IP address";
    find_internet_host, internet_hosts, InternetHostName, InternetHost, "internet host";
    find_vpn_gateway, vpn_gateways, VpnGatewayName, VpnGateway, "virtual private gateway";
    find_customer_gateway, customer_gateways, CustomerGatewayName, CustomerGateway, "customer gateway";
    find_vpn_connection, vpn_connections, VpnConnectionName, VpnConnection, "VPN connection";
    find_dx_gateway, dx_gateways, DxGatewayName, DxGateway, "Direct Connect gateway";
    find_dx_gateway_association, dx_gateway_associations, DxGatewayAssociationName, DxGatewayAssociation, "Direct Connect gateway association";
    find_dx_private_virtual_interface, dx_private_virtual_interfaces, DxPrivateVirtualInterfaceName, VirtualInterface, "private virtual interface";
    find_dx_transit_virtual_interface, dx_transit_virtual_interfaces, DxTransitVirtualInterfaceName, VirtualInterface, "transit virtual interface";
    find_customer_network, customer_networks, CustomerNetworkName, CustomerNetwork, "customer network";
    find_customer_host, customer_hosts, CustomerHostName, CustomerHost, "customer host";
}
