//! What does the document say, resource by resource?
//!
//! The first phase: shapes only. Each kind's attributes are taken one by one, under our spelling and Terraform's, and
//! kept with their places for the phases behind. Nothing here looks at a second resource.

mod endpoints;
mod filters;
mod gateways;
mod home;
mod hosts;
mod links;
mod network;
mod not_modelled;
mod prefix_lists;
mod private;
mod quotas;
mod stored;
mod transit;

use std::collections::BTreeMap;

use serde_json::Map;

pub(crate) use endpoints::{DeclaredService, DeclaredVpcEndpoint};
pub(crate) use filters::{
    DeclaredAclEntry, DeclaredGroupRule, DeclaredNetworkAcl, DeclaredSecurityGroup, DeclaredTraffic,
};
pub(crate) use gateways::{
    DeclaredEgressOnlyInternetGateway, DeclaredNatGateway, DeclaredVpcPeeringConnection,
};
pub(crate) use home::DeclaredHome;
pub(crate) use hosts::{
    DeclaredEip, DeclaredInstance, DeclaredInterface, DeclaredInternetHost, DeclaredNetworkInterface,
};
pub(crate) use links::{
    DeclaredBgpRoute, DeclaredCustomerGateway, DeclaredDxGateway, DeclaredDxGatewayAssociation,
    DeclaredVirtualInterface, DeclaredVpnConnection, DeclaredVpnGateway,
};
pub(crate) use network::{
    DeclaredInternetGateway, DeclaredRoute, DeclaredRouteTable, DeclaredSubnet, DeclaredVpc,
};
pub(crate) use not_modelled::{DeclaredNotModelled, DeclaredNotModelledResources};
pub(crate) use prefix_lists::DeclaredManagedPrefixList;
pub(crate) use private::{DeclaredCustomerHost, DeclaredCustomerNetwork};
pub(crate) use transit::{
    DeclaredJoins, DeclaredTransitGateway, DeclaredTransitGatewayPeeringAttachment,
    DeclaredTransitGatewayRoute, DeclaredTransitGatewayRouteTable, DeclaredTransitGatewayVpcAttachment,
};

use crate::document::Document;
use crate::home::DEFAULT_REGION;
use crate::log::{Log, Place};
use crate::name::{
    CustomerGatewayName, CustomerHostName, CustomerNetworkName, DxGatewayAssociationName, DxGatewayName,
    DxPrivateVirtualInterfaceName, DxTransitVirtualInterfaceName, EgressOnlyInternetGatewayName, EipName,
    InstanceName, InternetGatewayName, InternetHostName, Kind, ManagedPrefixListName, Name, NatGatewayName,
    NetworkAclName, NetworkInterfaceName, RouteTableName, SecurityGroupName, SubnetName, TransitGatewayName,
    TransitGatewayPeeringAttachmentName, TransitGatewayRouteTableName, TransitGatewayVpcAttachmentName,
    VpcName, VpcPeeringConnectionName, VpnConnectionName, VpnGatewayName, kind,
};
use crate::not_modelled::NOT_MODELLED;
use crate::quotas::Quotas;
use crate::reader::{Reader, object};
use crate::resources::VpcEndpointType;
use crate::settings::Settings;
use crate::shape::{Region, clip};

/// The word for a VPC's main route table inside the VPC, and the end of its qualified name.
pub(crate) const MAIN: &str = "main";
/// The same for the default network ACL and the default security group.
pub(crate) const DEFAULT: &str = "default";

/// Kinds AWS has and this version does not, by their key and in words.
const LACKING: &[(&str, &str)] = &[("multicast_domains", "multicast domains")];

/// The whole document, read.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) region: Option<String>,
    pub(crate) settings: Settings,
    pub(crate) quotas: Quotas,
    pub(crate) vpcs: BTreeMap<VpcName, DeclaredVpc>,
    pub(crate) subnets: BTreeMap<SubnetName, DeclaredSubnet>,
    pub(crate) route_tables: BTreeMap<RouteTableName, DeclaredRouteTable>,
    pub(crate) internet_gateways: BTreeMap<InternetGatewayName, DeclaredInternetGateway>,
    pub(crate) egress_only_internet_gateways:
        BTreeMap<EgressOnlyInternetGatewayName, DeclaredEgressOnlyInternetGateway>,
    pub(crate) nat_gateways: BTreeMap<NatGatewayName, DeclaredNatGateway>,
    pub(crate) vpc_peering_connections: BTreeMap<VpcPeeringConnectionName, DeclaredVpcPeeringConnection>,
    pub(crate) transit_gateways: BTreeMap<TransitGatewayName, DeclaredTransitGateway>,
    pub(crate) transit_gateway_vpc_attachments:
        BTreeMap<TransitGatewayVpcAttachmentName, DeclaredTransitGatewayVpcAttachment>,
    pub(crate) transit_gateway_peering_attachments:
        BTreeMap<TransitGatewayPeeringAttachmentName, DeclaredTransitGatewayPeeringAttachment>,
    pub(crate) transit_gateway_route_tables:
        BTreeMap<TransitGatewayRouteTableName, DeclaredTransitGatewayRouteTable>,
    pub(crate) managed_prefix_lists: BTreeMap<ManagedPrefixListName, DeclaredManagedPrefixList>,
    pub(crate) network_acls: BTreeMap<NetworkAclName, DeclaredNetworkAcl>,
    pub(crate) security_groups: BTreeMap<SecurityGroupName, DeclaredSecurityGroup>,
    pub(crate) network_interfaces: BTreeMap<NetworkInterfaceName, DeclaredNetworkInterface>,
    pub(crate) instances: BTreeMap<InstanceName, DeclaredInstance>,
    pub(crate) eips: BTreeMap<EipName, DeclaredEip>,
    pub(crate) internet_hosts: BTreeMap<InternetHostName, DeclaredInternetHost>,
    pub(crate) vpc_endpoints: BTreeMap<crate::name::VpcEndpointName, DeclaredVpcEndpoint>,
    pub(crate) services: BTreeMap<crate::name::ServiceName, DeclaredService>,
    pub(crate) vpn_gateways: BTreeMap<VpnGatewayName, DeclaredVpnGateway>,
    pub(crate) customer_gateways: BTreeMap<CustomerGatewayName, DeclaredCustomerGateway>,
    pub(crate) vpn_connections: BTreeMap<VpnConnectionName, DeclaredVpnConnection>,
    pub(crate) dx_gateways: BTreeMap<DxGatewayName, DeclaredDxGateway>,
    pub(crate) dx_gateway_associations: BTreeMap<DxGatewayAssociationName, DeclaredDxGatewayAssociation>,
    pub(crate) dx_private_virtual_interfaces:
        BTreeMap<DxPrivateVirtualInterfaceName, DeclaredVirtualInterface>,
    pub(crate) dx_transit_virtual_interfaces:
        BTreeMap<DxTransitVirtualInterfaceName, DeclaredVirtualInterface>,
    pub(crate) not_modelled: DeclaredNotModelledResources,
    pub(crate) customer_networks: BTreeMap<CustomerNetworkName, DeclaredCustomerNetwork>,
    pub(crate) customer_hosts: BTreeMap<CustomerHostName, DeclaredCustomerHost>,
}

impl Declared {
    /// Reads the whole document. One that is no map is reported, and read as an empty one.
    pub(crate) fn read(document: &Document, log: &Log) -> Self {
        let at = Place::document();
        let nothing = Map::new();
        let top = object(document.as_value(), &at, log).unwrap_or(&nothing);
        let mut reader = Reader::new(log, at, top, "a topology");
        for (key, what) in LACKING {
            reader.lacking(&[key], what);
        }
        let region = read_region(&mut reader);
        let settings =
            reader.object(&["settings"], "a set of settings").map(read_settings).unwrap_or_default();
        let quotas = reader.take(&["quotas"]).value().cloned().unwrap_or_default();
        let declared = Self {
            region,
            settings,
            quotas,
            vpcs: resources(&mut reader, log, None, DeclaredVpc::read),
            subnets: resources(&mut reader, log, None, DeclaredSubnet::read),
            route_tables: resources(&mut reader, log, Some(MAIN), DeclaredRouteTable::read),
            internet_gateways: resources(&mut reader, log, None, DeclaredInternetGateway::read),
            egress_only_internet_gateways: resources(
                &mut reader,
                log,
                None,
                DeclaredEgressOnlyInternetGateway::read,
            ),
            nat_gateways: resources(&mut reader, log, None, DeclaredNatGateway::read),
            vpc_peering_connections: resources(&mut reader, log, None, DeclaredVpcPeeringConnection::read),
            transit_gateways: resources(&mut reader, log, None, DeclaredTransitGateway::read),
            transit_gateway_vpc_attachments: resources(
                &mut reader,
                log,
                None,
                DeclaredTransitGatewayVpcAttachment::read,
            ),
            transit_gateway_peering_attachments: resources(
                &mut reader,
                log,
                None,
                DeclaredTransitGatewayPeeringAttachment::read,
            ),
            transit_gateway_route_tables: resources(
                &mut reader,
                log,
                Some(DEFAULT),
                DeclaredTransitGatewayRouteTable::read,
            ),
            managed_prefix_lists: resources(&mut reader, log, None, DeclaredManagedPrefixList::read),
            network_acls: resources(&mut reader, log, Some(DEFAULT), DeclaredNetworkAcl::read),
            security_groups: resources(&mut reader, log, Some(DEFAULT), DeclaredSecurityGroup::read),
            network_interfaces: resources(&mut reader, log, None, DeclaredNetworkInterface::read),
            instances: resources(&mut reader, log, None, DeclaredInstance::read),
            eips: resources(&mut reader, log, None, DeclaredEip::read),
            internet_hosts: resources(&mut reader, log, None, DeclaredInternetHost::read),
            vpc_endpoints: resources(&mut reader, log, None, DeclaredVpcEndpoint::read),
            services: resources(&mut reader, log, None, DeclaredService::read),
            vpn_gateways: resources(&mut reader, log, None, DeclaredVpnGateway::read),
            customer_gateways: resources(&mut reader, log, None, DeclaredCustomerGateway::read),
            vpn_connections: resources(&mut reader, log, None, DeclaredVpnConnection::read),
            dx_gateways: resources(&mut reader, log, None, DeclaredDxGateway::read),
            dx_gateway_associations: resources(&mut reader, log, None, DeclaredDxGatewayAssociation::read),
            dx_private_virtual_interfaces: resources(&mut reader, log, None, DeclaredVirtualInterface::read),
            dx_transit_virtual_interfaces: resources(&mut reader, log, None, DeclaredVirtualInterface::read),
            not_modelled: not_modelled::read(&mut reader, log),
            customer_networks: resources(&mut reader, log, None, DeclaredCustomerNetwork::read),
            customer_hosts: resources(&mut reader, log, None, DeclaredCustomerHost::read),
        };
        reader.finish();
        declared
    }
}

impl Declared {
    /// The names of the services that are declared or that a gateway endpoint names.
    pub(crate) fn gateway_services(&self) -> impl Iterator<Item = String> + '_ {
        let named = self.vpc_endpoints.values().filter(|e| e.endpoint_type == VpcEndpointType::Gateway);
        let named = named.filter_map(|endpoint| endpoint.service_name.value().cloned());
        self.services.keys().map(|name| name.as_str().to_owned()).chain(named)
    }
}

/// The VPC in a qualified name such as `shop/main`, when `word` is what follows the slash.
pub(crate) fn owner_in_name<K>(name: &Name<K>, word: &str) -> Option<VpcName> {
    name.as_str().strip_suffix(word)?.strip_suffix('/').map(VpcName::new)
}

/// Reads the map of one kind. A bad name is reported and the resource read all the same, so that references to it hold.
fn resources<K: Kind, D>(
    top: &mut Reader<'_>,
    log: &Log,
    word: Option<&str>,
    read: impl Fn(&mut Reader<'_>, &Log, &Name<K>) -> D,
) -> BTreeMap<Name<K>, D> {
    let entries: BTreeMap<_, _> = top.entries(&[K::PLURAL]).into_iter().flatten().collect();
    let mut declared = BTreeMap::new();
    for (key, value) in entries {
        let name = Name::<K>::new(key.as_str());
        let at = Place::resource(&name);
        check_name(&name, word, &at, log);
        let nothing = Map::new();
        let written = if value.is_null() { Some(&nothing) } else { object(value, &at, log) };
        // What is no map has been reported; it is read as an empty one without a second complaint.
        let quiet = Log::default();
        let (attributes, log) = written.map_or((&nothing, &quiet), |attributes| (attributes, log));
        let mut reader = Reader::new(log, at, attributes, with_article(K::NOUN));
        reader.store(stored::of::<K>());
        let resource = read(&mut reader, log, &name);
        reader.finish();
        declared.insert(name, resource);
    }
    declared
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

fn read_region(top: &mut Reader<'_>) -> Option<String> {
    let given = top.take::<Region>(&["region"]);
    if given.is_absent() {
        Some(DEFAULT_REGION.to_owned())
    } else {
        given.value().map(|region| region.0.clone())
    }
}

fn read_settings(mut reader: Reader<'_>) -> Settings {
    /// The longest time a connection can be remembered: AWS's own maximum for any of them (CT-11), in seconds.
    const LONGEST: i64 = 432_000;
    /// Above any memory a lab has: a connection takes some hundred bytes.
    const MOST_CONNECTIONS: i64 = 1_000_000_000;
    let default = Settings::default();
    let mut number = |name, most, default: u32| {
        let given = reader.number(&[name], 1..=most);
        given.value().and_then(|value| u32::try_from(*value).ok()).unwrap_or(default)
    };
    let tcp_opening_timeout = number("tcp_opening_timeout", LONGEST, default.tcp_opening_timeout);
    let tcp_closing_timeout = number("tcp_closing_timeout", LONGEST, default.tcp_closing_timeout);
    let icmp_timeout = number("icmp_timeout", LONGEST, default.icmp_timeout);
    let connection_limit_per_instance =
        number("connection_limit_per_instance", MOST_CONNECTIONS, default.connection_limit_per_instance);
    let gateway_endpoint_mtu = reader
        .number(&["gateway_endpoint_mtu"], 1280..=9001)
        .value()
        .and_then(|mtu| u16::try_from(*mtu).ok())
        .unwrap_or(default.gateway_endpoint_mtu);
    let inter_region_peering_mtu = reader.number(&["inter_region_peering_mtu"], 1280..=9001);
    let inter_region_peering_mtu = inter_region_peering_mtu.value().and_then(|mtu| u16::try_from(*mtu).ok());
    let settings = Settings {
        gateway_endpoint_mtu,
        inter_region_peering_mtu: inter_region_peering_mtu.unwrap_or(default.inter_region_peering_mtu),
        mid_stream_tcp: reader.take(&["mid_stream_tcp"]).value().copied().unwrap_or(default.mid_stream_tcp),
        tcp_opening_timeout,
        tcp_closing_timeout,
        icmp_timeout,
        network_acl_within_subnet_via_router: reader
            .flag(&["network_acl_within_subnet_via_router"], default.network_acl_within_subnet_via_router),
        transit_gateway_path_mtu_discovery: reader
            .flag(&["transit_gateway_path_mtu_discovery"], default.transit_gateway_path_mtu_discovery),
        connection_limit_per_instance,
        stopped_instance_blackhole: reader
            .flag(&["stopped_instance_blackhole"], default.stopped_instance_blackhole),
        local_routes_over_propagated: reader
            .flag(&["local_routes_over_propagated"], default.local_routes_over_propagated),
        network_acl_quota_counts: reader
            .take(&["network_acl_quota_counts"])
            .value()
            .copied()
            .unwrap_or(default.network_acl_quota_counts),
        outbound_smtp: reader.take(&["outbound_smtp"]).value().copied().unwrap_or(default.outbound_smtp),
    };
    reader.finish();
    settings
}

fn check_name<K: Kind>(name: &Name<K>, word: Option<&str>, at: &Place, log: &Log) {
    let owner = word.and_then(|word| owner_in_name(name, word));
    check_text(name.as_str(), owner.as_ref().map_or(name.as_str(), VpcName::as_str), at, log);
    let has_interface = [kind::NetworkInterface::PLURAL, kind::Instance::PLURAL].contains(&K::PLURAL);
    let first = name.as_str().split_once('/').map(|(first, _)| first);
    if let Some(taken) = first.filter(|first| has_interface && is_of_service(first)) {
        let problem = format!("names that start with {taken}/ are those of interfaces that AWS makes");
        log.report(at, "InvalidParameterValue", problem, "use another name");
    }
}

/// Whether interfaces that services put into subnets have names that start so.
fn is_of_service(first: &str) -> bool {
    let own = [
        kind::NatGateway::ID_PREFIX,
        kind::VpcEndpoint::ID_PREFIX,
        kind::TransitGatewayVpcAttachment::ID_PREFIX,
    ];
    own.contains(&first) || NOT_MODELLED.iter().any(|kind| kind.id_prefix == first)
}

/// Checks the name of a resource whose kind has no names of AWS's own.
fn check_plain_name(name: &str, at: &Place, log: &Log) {
    check_text(name, name, at, log);
}

fn check_text(text: &str, plain: &str, at: &Place, log: &Log) {
    const LONGEST: usize = 255;
    let problem = if plain.is_empty() {
        "a name cannot be empty".to_owned()
    } else if text.chars().count() > LONGEST {
        format!("the name \"{}\" is longer than {LONGEST} characters", clip(text))
    } else if plain.trim() != plain {
        format!("the name \"{}\" has a space at an end", clip(text))
    } else if let Some(bad) = plain.chars().find(|c| c.is_control()) {
        format!("the name \"{}\" holds the character {bad:?}", clip(text))
    } else if plain.starts_with('/') || plain.ends_with('/') {
        format!("the name \"{}\" has a slash at an end", clip(text))
    } else if plain.parse::<ipnet::IpNet>().is_ok() {
        format!("the name \"{plain}\" is a block of addresses")
    } else if plain.parse::<std::net::IpAddr>().is_ok() {
        // A question may ask about an address; a name that looks like one would answer for it.
        format!("the name \"{plain}\" is an address")
    } else {
        return;
    };
    log.report(
        at,
        "InvalidParameterValue",
        problem,
        format!(
            "use 1 to {LONGEST} printable characters without spaces and slashes at the ends, and no address"
        ),
    );
}
