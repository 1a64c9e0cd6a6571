//! How are the declared resources read over the API?
//!
//! By kind, or by kind and name or id, with AWS's defaults filled in. An unknown one is EC2's error for its kind.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use vpclab_api::ApiError;
use vpclab_model::{KINDS, Kind, NOT_MODELLED, Name, NotModelledKind, Topology, kind, resolve};

/// Runs an expression over the map of the kind that a path names.
macro_rules! by_kind {
    ($topology:expr, $plural:expr, |$resources:ident| $read:expr) => {{
        let topology = $topology;
        match $plural {
            kind::Vpc::PLURAL => by_kind!(@ topology.vpcs, $resources, $read),
            kind::Subnet::PLURAL => by_kind!(@ topology.subnets, $resources, $read),
            kind::RouteTable::PLURAL => by_kind!(@ topology.route_tables, $resources, $read),
            kind::InternetGateway::PLURAL => by_kind!(@ topology.internet_gateways, $resources, $read),
            kind::EgressOnlyInternetGateway::PLURAL => {
                by_kind!(@ topology.egress_only_internet_gateways, $resources, $read)
            }
            kind::NatGateway::PLURAL => by_kind!(@ topology.nat_gateways, $resources, $read),
            kind::VpcPeeringConnection::PLURAL => by_kind!(@ topology.vpc_peering_connections, $resources, $read),
            kind::TransitGateway::PLURAL => by_kind!(@ topology.transit_gateways, $resources, $read),
            kind::TransitGatewayVpcAttachment::PLURAL => {
                by_kind!(@ topology.transit_gateway_vpc_attachments, $resources, $read)
            }
            kind::TransitGatewayPeeringAttachment::PLURAL => {
                by_kind!(@ topology.transit_gateway_peering_attachments, $resources, $read)
            }
            kind::TransitGatewayRouteTable::PLURAL => {
                by_kind!(@ topology.transit_gateway_route_tables, $resources, $read)
            }
            kind::ManagedPrefixList::PLURAL => by_kind!(@ topology.managed_prefix_lists, $resources, $read),
            kind::NetworkAcl::PLURAL => by_kind!(@ topology.network_acls, $resources, $read),
            kind::SecurityGroup::PLURAL => by_kind!(@ topology.security_groups, $resources, $read),
            kind::NetworkInterface::PLURAL => by_kind!(@ topology.network_interfaces, $resources, $read),
            kind::Instance::PLURAL => by_kind!(@ topology.instances, $resources, $read),
            kind::Eip::PLURAL => by_kind!(@ topology.eips, $resources, $read),
            kind::InternetHost::PLURAL => by_kind!(@ topology.internet_hosts, $resources, $read),
            kind::VpnGateway::PLURAL => by_kind!(@ topology.vpn_gateways, $resources, $read),
            kind::CustomerGateway::PLURAL => by_kind!(@ topology.customer_gateways, $resources, $read),
            kind::VpnConnection::PLURAL => by_kind!(@ topology.vpn_connections, $resources, $read),
            kind::DxGateway::PLURAL => by_kind!(@ topology.dx_gateways, $resources, $read),
            kind::DxGatewayAssociation::PLURAL => by_kind!(@ topology.dx_gateway_associations, $resources, $read),
            kind::DxPrivateVirtualInterface::PLURAL => by_kind!(@ topology.dx_private_virtual_interfaces, $resources, $read),
            kind::DxTransitVirtualInterface::PLURAL => by_kind!(@ topology.dx_transit_virtual_interfaces, $resources, $read),
            kind::CustomerNetwork::PLURAL => by_kind!(@ topology.customer_networks, $resources, $read),
            kind::CustomerHost::PLURAL => by_kind!(@ topology.customer_hosts, $resources, $read),
            kind::VpcEndpoint::PLURAL => by_kind!(@ topology.vpc_endpoints, $resources, $read),
            kind::Service::PLURAL => by_kind!(@ topology.services, $resources, $read),
            unknown => Err(unknown_kind(unknown)),
        }
    }};
    (@ $map:expr, $resources:ident, $read:expr) => {{
        let $resources = &$map;
        $read
    }};
}

/// All resources of a kind, by name.
pub(crate) fn list(topology: &Topology, plural: &str) -> Result<Value, ApiError> {
    match NotModelledKind::of(plural) {
        Some(kind) => all_not_modelled(topology, kind),
        None => by_kind!(topology, plural, |resources| all(resources)),
    }
}

/// The resource of a kind with this name or id.
pub(crate) fn get(topology: &Topology, plural: &str, reference: &str) -> Result<Value, ApiError> {
    match NotModelledKind::of(plural) {
        Some(kind) => one_not_modelled(topology, kind, reference),
        None => by_kind!(topology, plural, |resources| one(resources, reference)),
    }
}

fn all<K: Kind, T: Serialize>(resources: &BTreeMap<Name<K>, T>) -> Result<Value, ApiError> {
    let each = resources
        .iter()
        .map(|(name, resource)| Ok((name.as_str().to_owned(), with_id(name, resource, false)?)));
    each.collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

fn one<K: Kind, T: Serialize>(resources: &BTreeMap<Name<K>, T>, reference: &str) -> Result<Value, ApiError> {
    let (name, resource) = resolve(resources, reference).ok_or_else(|| {
        let sentence =
            format!("there is no {} named {reference}; `vpclab get {}` lists them", K::NOUN, K::PLURAL);
        ApiError::new(not_found_code(K::PLURAL), sentence)
    })?;
    with_id(name, resource, true)
}

fn all_not_modelled(topology: &Topology, kind: &NotModelledKind) -> Result<Value, ApiError> {
    let each = topology
        .not_modelled
        .get(kind.plural)
        .into_iter()
        .flatten()
        .map(|(name, resource)| Ok((name.clone(), behind_id(kind.id(name), None, resource)?)));
    each.collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

fn one_not_modelled(topology: &Topology, kind: &NotModelledKind, reference: &str) -> Result<Value, ApiError> {
    let mut all = topology.not_modelled.get(kind.plural).into_iter().flatten();
    let found = all.find(|(name, _)| *name == reference || kind.id(name) == reference);
    let (name, resource) = found.ok_or_else(|| {
        let (noun, plural) = (kind.noun, kind.plural);
        let sentence = format!("there is no {noun} named {reference}; `vpclab get {plural}` lists them");
        ApiError::new(kind.not_found, sentence)
    })?;
    behind_id(kind.id(name), Some(name), resource)
}

/// The resource's attributes behind its id, and its name where the place does not say it.
fn with_id<K: Kind>(name: &Name<K>, resource: &impl Serialize, named: bool) -> Result<Value, ApiError> {
    behind_id(name.id(), named.then(|| name.as_str()), resource)
}

fn behind_id(id: String, name: Option<&str>, resource: &impl Serialize) -> Result<Value, ApiError> {
    let mut object = Map::new();
    object.extend(name.map(|name| ("name".to_owned(), name.into())));
    object.insert("id".to_owned(), id.into());
    match serde_json::to_value(resource) {
        Ok(Value::Object(attributes)) => object.extend(attributes),
        Ok(_) => {}
        Err(error) => return Err(ApiError::new("InternalError", error.to_string())),
    }
    Ok(Value::Object(object))
}

/// EC2's code for an unknown resource, with its irregular spelling (ERR-08, ERR-17, ERR-31).
fn not_found_code(plural: &str) -> &'static str {
    match plural {
        kind::Vpc::PLURAL => "InvalidVpcID.NotFound",
        kind::Subnet::PLURAL => "InvalidSubnetID.NotFound",
        kind::RouteTable::PLURAL => "InvalidRouteTableID.NotFound",
        kind::InternetGateway::PLURAL => "InvalidInternetGatewayID.NotFound",
        kind::EgressOnlyInternetGateway::PLURAL => "InvalidGatewayID.NotFound",
        kind::NatGateway::PLURAL => "NatGatewayNotFound",
        kind::VpcPeeringConnection::PLURAL => "InvalidVpcPeeringConnectionID.NotFound",
        kind::TransitGateway::PLURAL => "InvalidTransitGatewayID.NotFound",
        kind::TransitGatewayVpcAttachment::PLURAL | kind::TransitGatewayPeeringAttachment::PLURAL => {
            "InvalidTransitGatewayAttachmentID.NotFound"
        }
        kind::TransitGatewayRouteTable::PLURAL => "InvalidRouteTableID.NotFound",
        kind::ManagedPrefixList::PLURAL => "InvalidPrefixListID.NotFound",
        kind::NetworkAcl::PLURAL => "InvalidNetworkAclID.NotFound",
        kind::SecurityGroup::PLURAL => "InvalidGroup.NotFound",
        kind::NetworkInterface::PLURAL => "InvalidNetworkInterfaceID.NotFound",
        kind::Eip::PLURAL => "InvalidAllocationID.NotFound",
        kind::InternetHost::PLURAL => "InvalidInternetHostID.NotFound",
        kind::VpnGateway::PLURAL => "InvalidVpnGatewayID.NotFound",
        kind::CustomerGateway::PLURAL => "InvalidCustomerGatewayID.NotFound",
        kind::VpnConnection::PLURAL => "InvalidVpnConnectionID.NotFound",
        kind::DxGateway::PLURAL => "InvalidDirectConnectGatewayID.NotFound",
        kind::DxGatewayAssociation::PLURAL => "InvalidDirectConnectGatewayAssociationID.NotFound",
        kind::DxPrivateVirtualInterface::PLURAL => "InvalidVirtualInterfaceID.NotFound",
        kind::DxTransitVirtualInterface::PLURAL => "InvalidVirtualInterfaceID.NotFound",
        kind::CustomerNetwork::PLURAL => "InvalidCustomerNetworkID.NotFound",
        kind::CustomerHost::PLURAL => "InvalidCustomerHostID.NotFound",
        kind::VpcEndpoint::PLURAL => "InvalidVpcEndpointId.NotFound",
        kind::Service::PLURAL => "InvalidServiceName",
        _ => "InvalidInstanceID.NotFound",
    }
}

fn unknown_kind(plural: &str) -> ApiError {
    let not_modelled = NOT_MODELLED.iter().map(|kind| kind.plural);
    let kinds: Vec<&str> = KINDS.iter().copied().chain(not_modelled).collect();
    ApiError::new(
        "InvalidAction",
        format!("there is no kind of resource named {plural}; the kinds are {}", kinds.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use vpclab_model::{Document, Syntax};

    use super::*;

    fn topology() -> Topology {
        let text = r#"{"vpcs": {"shop": {"cidr_block": "10.0.0.0/16"}},
            "subnets": {"a": {"vpc": "shop", "cidr_block": "10.0.1.0/24"}}, "instances": {"web": {"subnet": "a"}}, "load_balancers": {"front": {"subnets": ["a"]}}}"#;
        Topology::from_document(&Document::parse(text, Syntax::Json).unwrap(), None).unwrap()
    }

    #[test]
    fn a_resource_is_found_by_name_and_by_id_with_its_defaults() {
        let topology = topology();
        let by_name = get(&topology, "vpcs", "shop").unwrap();
        assert_eq!(by_name["main_route_table"], "shop/main");
        assert_eq!(get(&topology, "vpcs", by_name["id"].as_str().unwrap()).unwrap(), by_name);
        let balancer = get(&topology, "load_balancers", "front").unwrap();
        assert_eq!(balancer["network_interfaces"], serde_json::json!(["elb/front/a"]));
        assert_eq!(list(&topology, "load_balancers").unwrap()["front"]["id"], balancer["id"]);
        let all = list(&topology, "route_tables").unwrap();
        assert!(all["shop/main"]["id"].as_str().unwrap().starts_with("rtb-"), "{all}");
    }

    #[test]
    fn every_kind_has_its_own_error_for_an_unknown_resource() {
        for (plural, code) in [
            ("vpcs", "InvalidVpcID.NotFound"),
            ("subnets", "InvalidSubnetID.NotFound"),
            ("route_tables", "InvalidRouteTableID.NotFound"),
            ("internet_gateways", "InvalidInternetGatewayID.NotFound"),
            ("egress_only_internet_gateways", "InvalidGatewayID.NotFound"),
            ("nat_gateways", "NatGatewayNotFound"),
            ("vpc_peering_connections", "InvalidVpcPeeringConnectionID.NotFound"),
            ("transit_gateways", "InvalidTransitGatewayID.NotFound"),
            ("transit_gateway_vpc_attachments", "InvalidTransitGatewayAttachmentID.NotFound"),
            ("transit_gateway_peering_attachments", "InvalidTransitGatewayAttachmentID.NotFound"),
            ("transit_gateway_route_tables", "InvalidRouteTableID.NotFound"),
            ("managed_prefix_lists", "InvalidPrefixListID.NotFound"),
            ("network_acls", "InvalidNetworkAclID.NotFound"),
            ("security_groups", "InvalidGroup.NotFound"),
            ("network_interfaces", "InvalidNetworkInterfaceID.NotFound"),
            ("instances", "InvalidInstanceID.NotFound"),
            ("eips", "InvalidAllocationID.NotFound"),
            ("internet_hosts", "InvalidInternetHostID.NotFound"),
            ("vpc_endpoints", "InvalidVpcEndpointId.NotFound"),
            ("services", "InvalidServiceName"),
            ("vpn_gateways", "InvalidVpnGatewayID.NotFound"),
            ("customer_gateways", "InvalidCustomerGatewayID.NotFound"),
            ("vpn_connections", "InvalidVpnConnectionID.NotFound"),
            ("dx_gateways", "InvalidDirectConnectGatewayID.NotFound"),
            ("dx_gateway_associations", "InvalidDirectConnectGatewayAssociationID.NotFound"),
            ("dx_private_virtual_interfaces", "InvalidVirtualInterfaceID.NotFound"),
            ("dx_transit_virtual_interfaces", "InvalidVirtualInterfaceID.NotFound"),
            ("load_balancers", "LoadBalancerNotFound"),
            ("customer_networks", "InvalidCustomerNetworkID.NotFound"),
            ("customer_hosts", "InvalidCustomerHostID.NotFound"),
            ("carrots", "InvalidAction"),
        ] {
            assert_eq!(get(&topology(), plural, "none").unwrap_err().error.code, code);
        }
    }
}
