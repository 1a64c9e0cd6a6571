//! Which addresses is somebody?
//!
//! An interface is each address of its own, and of the blocks delegated to it one of each range that rules and routes tell
//! apart. Left to others: by which of them somebody is asked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_engine::{AttachmentEnd, EndpointKind, EniIdx, Fabric, HostIdx, Peer, RouteTarget, Side};
use vpclab_model::{address_after, public_edges};

/// The addresses of an interface, the primary ones of their families first.
pub(crate) fn of_interface(fabric: &Fabric, eni: EniIdx) -> Vec<IpAddr> {
    let interface = &fabric.enis[eni];
    let mut addresses = interface.addresses.clone();
    if interface.prefixes.is_empty() {
        return addresses;
    }
    let named = named_blocks(fabric);
    for block in &interface.prefixes {
        let inside = named.iter().filter(|named| block.net().contains(*named));
        let edges = inside.flat_map(|named| [Some(named.network()), address_after(named.broadcast())]);
        let edges: BTreeSet<IpAddr> = edges.flatten().filter(|edge| block.contains(*edge)).collect();
        addresses.push(block.net().network());
        addresses.extend(edges);
    }
    let mut known = BTreeSet::new();
    addresses.retain(|address| known.insert(*address));
    addresses
}

/// Whether nobody has declared this host: it stands for a range of a network of the user's own, and is named by its address
/// there.
pub(crate) fn is_supposed(fabric: &Fabric, host: HostIdx) -> bool {
    let host = &fabric.hosts[host];
    let Side::Customer(network) = host.side else { return false };
    let network = &fabric.customer_networks[network].name;
    matches!(host.addresses.as_slice(), [address] if host.name.as_str() == format!("{network}/{address}"))
}

/// An address of each block of a pool that a gateway routes to an interface: by it the internet reaches the interface, too
/// (RT-51).
pub(crate) fn of_pools(fabric: &Fabric, eni: EniIdx) -> Vec<IpAddr> {
    let of_gateway = fabric.internet_gateways.iter().filter_map(|(index, gateway)| {
        let routes = &fabric.route_tables[gateway.route_table?].routes;
        let own = routes.iter().filter(move |route| {
            route.target == RouteTarget::NetworkInterface(eni)
                && fabric.pool_gateway(route.destination.network()) == Some(index)
        });
        Some(own.filter_map(|route| address_after(route.destination.network())))
    });
    of_gateway.flatten().collect()
}

/// The interface to which a gateway routes an address of a pool (RT-51).
pub(crate) fn owner_of_pool(fabric: &Fabric, address: IpAddr) -> Option<EniIdx> {
    let gateway = &fabric.internet_gateways[fabric.pool_gateway(address)?];
    match fabric.route_tables[gateway.route_table?].lookup(address)?.target {
        RouteTarget::NetworkInterface(eni) => Some(eni),
        _ => None,
    }
}

/// Every block of addresses that a table, a rule or a network names.
pub(crate) fn named_blocks(fabric: &Fabric) -> BTreeSet<IpNet> {
    let mut blocks: BTreeSet<IpNet> = public_edges().collect();
    for (_, table) in fabric.route_tables.iter() {
        blocks.extend(table.routes.iter().map(|route| route.destination));
    }
    for (_, table) in fabric.transit_tables.iter() {
        blocks.extend(table.routes.iter().map(|route| route.destination));
    }
    for (_, attachment) in fabric.transit_attachments.iter() {
        if let AttachmentEnd::DxGateway(table) = &attachment.end {
            blocks.extend(table.routes.iter().map(|route| route.destination));
        }
    }
    for (_, acl) in fabric.network_acls.iter() {
        let entries = acl.entries.inbound.iter().chain(&acl.entries.outbound);
        blocks.extend(entries.map(|entry| entry.cidr.net()));
    }
    for (_, policy) in fabric.policies.iter() {
        let rules = policy.inbound.rules.iter().chain(&policy.outbound.rules);
        blocks.extend(rules.filter_map(|rule| match rule.peer {
            Peer::Cidr(block) => Some(block.net()),
            Peer::Group(_) | Peer::Nobody => None,
        }));
    }
    for (_, vpc) in fabric.vpcs.iter() {
        blocks.extend(vpc.cidr_blocks.iter().copied());
    }
    for (_, gateway) in fabric.vpn_gateways.iter() {
        blocks.extend(gateway.routes.routes.iter().map(|route| route.destination));
    }
    for (_, network) in fabric.customer_networks.iter() {
        blocks.extend(network.blocks.iter().copied());
        blocks.extend(network.routes.routes.iter().map(|route| route.destination));
    }
    for (_, link) in fabric.links.iter() {
        blocks.extend(link.ends.iter().map(|(destination, _)| *destination));
    }
    for (_, endpoint) in fabric.vpc_endpoints.iter() {
        if let EndpointKind::Gateway { blocks: of_service, .. } = &endpoint.kind {
            blocks.extend(of_service.iter().copied());
        }
    }
    for (_, gateway) in fabric.internet_gateways.iter() {
        blocks.extend(gateway.pools.iter().copied().map(IpNet::V4));
    }
    for (_, host) in fabric.hosts.iter() {
        blocks.extend(host.addresses.iter().copied().map(IpNet::from));
    }
    blocks
}
