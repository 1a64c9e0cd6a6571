//! What lies at either end of a customer network's links?
//!
//! A network announces more than its own blocks where others are behind it, and its links lead to some of the VPCs. Left to
//! others: whether packets get there.

use std::collections::BTreeSet;

use ipnet::IpNet;
use vpclab_model::{AwsEnd, CustomerNetworkName, Topology, VirtualInterfaceEnd, VpcName};

/// Something that links join.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'t> {
    Network(&'t str),
    VpnGateway(&'t str),
    TransitGateway(&'t str),
    DxGateway(&'t str),
    Vpc(&'t VpcName),
}

/// The destinations that a network says are behind its links, but for a default route, which says nothing of who is there.
pub(crate) fn announced(topology: &Topology, network: &CustomerNetworkName) -> Vec<IpNet> {
    let mut announced = Vec::new();
    for vpn in topology.vpn_connections.values() {
        let gateway = topology.customer_gateways.get(&vpn.customer_gateway);
        if gateway.is_some_and(|gateway| gateway.customer_network.as_ref() == Some(network)) {
            announced.extend(vpn.routes.iter().copied().map(IpNet::V4));
            announced.extend(vpn.bgp_routes.iter().map(|route| route.destination));
        }
    }
    let private = topology.dx_private_virtual_interfaces.values();
    for interface in private.chain(topology.dx_transit_virtual_interfaces.values()) {
        if interface.customer_network.as_ref() == Some(network) {
            announced.extend(interface.bgp_routes.iter().map(|route| route.destination));
        }
    }
    announced.retain(|block| block.prefix_len() > 0);
    announced
}

/// The VPCs to which the links of a network may lead, however far.
pub(crate) fn vpcs<'t>(topology: &'t Topology, network: &'t CustomerNetworkName) -> BTreeSet<&'t VpcName> {
    let joints = joints(topology);
    let mut known = BTreeSet::from([Place::Network(network.as_str())]);
    loop {
        let next = joints.iter().filter_map(|(a, b)| match (known.contains(a), known.contains(b)) {
            (true, false) => Some(*b),
            (false, true) => Some(*a),
            _ => None,
        });
        let next: Vec<Place<'_>> = next.collect();
        if next.is_empty() {
            break;
        }
        known.extend(next);
    }
    known.into_iter().filter_map(|place| if let Place::Vpc(vpc) = place { Some(vpc) } else { None }).collect()
}

/// All that is joined, two by two.
fn joints(topology: &Topology) -> Vec<(Place<'_>, Place<'_>)> {
    fn aws(end: &AwsEnd) -> Place<'_> {
        match end {
            AwsEnd::VpnGateway(name) => Place::VpnGateway(name.as_str()),
            AwsEnd::TransitGateway(name) => Place::TransitGateway(name.as_str()),
        }
    }
    let mut joints = Vec::new();
    for vpn in topology.vpn_connections.values() {
        let gateway = topology.customer_gateways.get(&vpn.customer_gateway);
        let network = gateway.and_then(|gateway| gateway.customer_network.as_ref());
        joints.extend(network.map(|network| (Place::Network(network.as_str()), aws(&vpn.gateway))));
    }
    let private = topology.dx_private_virtual_interfaces.values();
    for interface in private.chain(topology.dx_transit_virtual_interfaces.values()) {
        let end = match &interface.end {
            VirtualInterfaceEnd::VpnGateway(name) => Place::VpnGateway(name.as_str()),
            VirtualInterfaceEnd::DxGateway(name) => Place::DxGateway(name.as_str()),
        };
        let network = interface.customer_network.as_ref();
        joints.extend(network.map(|network| (Place::Network(network.as_str()), end)));
    }
    for association in topology.dx_gateway_associations.values() {
        joints.push((Place::DxGateway(association.dx_gateway.as_str()), aws(&association.gateway)));
    }
    for (name, gateway) in &topology.vpn_gateways {
        joints.extend(gateway.vpc.as_ref().map(|vpc| (Place::VpnGateway(name.as_str()), Place::Vpc(vpc))));
    }
    for attachment in topology.transit_gateway_vpc_attachments.values() {
        let gateway = Place::TransitGateway(attachment.transit_gateway.as_str());
        joints.push((gateway, Place::Vpc(&attachment.vpc)));
    }
    for peering in topology.transit_gateway_peering_attachments.values() {
        let peer = Place::TransitGateway(peering.peer_transit_gateway.as_str());
        joints.push((Place::TransitGateway(peering.transit_gateway.as_str()), peer));
    }
    for peering in topology.vpc_peering_connections.values() {
        joints.push((Place::Vpc(&peering.vpc), Place::Vpc(&peering.peer_vpc)));
    }
    joints
}
