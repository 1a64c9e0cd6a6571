//! What of a network lies outside its VPCs?
//!
//! The branches of the map for what connects VPCs with each other and with the user's own networks, for services, prefix
//! lists and what is stored and not modelled. Each says what it is joined to and in which state.

use vpclab_model::{
    AttachmentName, AwsEnd, CustomerNetwork, CustomerNetworkName, LinkName, LinkState, NOT_MODELLED,
    Topology, TransitGatewayName, TransitGatewayRoute, TransitGatewayRouteState, VirtualInterface,
    VirtualInterfaceEnd, VpcName,
};

use crate::style::{STRONG, paint};
use crate::tree::Branch;

/// The branches, in the order in which the kinds are listed.
pub(crate) fn branches(topology: &Topology) -> Vec<Branch> {
    let mut branches: Vec<Branch> =
        topology.transit_gateways.keys().map(|name| transit_gateway(topology, name)).collect();
    branches.extend(dx_gateways(topology));
    branches.extend(
        topology.customer_networks.iter().map(|(name, network)| customer_network(topology, name, network)),
    );
    branches.extend(services(topology));
    branches.extend(prefix_lists(topology));
    branches.extend(not_modelled(topology));
    branches
}

/// What a VPC has of gateways and endpoints, beside those to the internet.
pub(crate) fn of_vpc(topology: &Topology, vpc: &VpcName) -> Vec<Branch> {
    let gateways = topology.vpn_gateways.iter().filter(|(_, gateway)| gateway.vpc.as_ref() == Some(vpc));
    let gateways = gateways.map(|(name, gateway)| {
        let learnt: Vec<String> = gateway
            .routes
            .iter()
            .filter(|route| route.in_use)
            .map(|route| format!("{} → {}", route.destination, route.link.as_str()))
            .collect();
        let branch = Branch::text(format!("virtual private gateway {}", paint(STRONG, name)));
        if learnt.is_empty() { branch } else { branch.note(format!("learnt {}", learnt.join(", "))) }
    });
    let endpoints = topology.vpc_endpoints.iter().filter(|(_, endpoint)| endpoint.vpc == *vpc);
    let endpoints = endpoints.map(|(name, endpoint)| {
        let kind = word(&endpoint.vpc_endpoint_type);
        let unknown = if endpoint.service.is_none() { " (not declared)" } else { "" };
        Branch::text(format!(
            "VPC endpoint {}  {kind} → {}{unknown}  {}",
            paint(STRONG, name),
            endpoint.service_name,
            word(&endpoint.state)
        ))
    });
    gateways.chain(endpoints).collect()
}

fn transit_gateway(topology: &Topology, name: &TransitGatewayName) -> Branch {
    let vpcs = topology.transit_gateway_vpc_attachments.iter();
    let vpcs =
        vpcs.filter(|(_, attachment)| attachment.transit_gateway == *name).map(|(name, attachment)| {
            let subnets: Vec<&str> = attachment.subnets.keys().map(|subnet| subnet.as_str()).collect();
            let mode = if attachment.appliance_mode_support { "appliance mode" } else { "" };
            attached(
                name.as_str(),
                format!("VPC {}", attachment.vpc),
                subnets.join(" "),
                word(&attachment.state),
                mode,
            )
        });
    let peers = topology.transit_gateway_peering_attachments.iter();
    let peers = peers.filter_map(|(at, attachment)| {
        let other = if attachment.transit_gateway == *name {
            &attachment.peer_transit_gateway
        } else if attachment.peer_transit_gateway == *name {
            &attachment.transit_gateway
        } else {
            return None;
        };
        Some(attached(
            at.as_str(),
            format!("transit gateway {other}"),
            String::new(),
            word(&attachment.state),
            "",
        ))
    });
    let end = AwsEnd::TransitGateway(name.clone());
    let connections = topology.vpn_connections.iter().filter(|(_, vpn)| vpn.gateway == end);
    let connections = connections.map(|(name, vpn)| {
        let to = format!("VPN to {}", vpn.customer_gateway);
        attached(name.as_str(), to, String::new(), up(vpn.is_up()).to_owned(), "")
    });
    let associations = topology.dx_gateway_associations.iter().filter(|(_, one)| one.gateway == end);
    let associations = associations.map(|(name, one)| {
        let to = format!("Direct Connect gateway {}", one.dx_gateway);
        attached(name.as_str(), to, String::new(), String::new(), "")
    });
    let tables = topology.transit_gateway_route_tables.iter();
    let tables = tables.filter(|(_, table)| table.transit_gateway == *name).map(|(name, table)| {
        let of = names(&table.associations);
        let routes: Vec<String> = table.routes.iter().map(transit_route).collect();
        Branch::text(format!("table {}  of {}", paint(STRONG, name), or_nobody(of)))
            .note(format!("propagated by {}", or_nobody(names(&table.propagations))))
            .note(format!("routes {}", if routes.is_empty() { "none".to_owned() } else { routes.join(", ") }))
    });
    Branch::text(format!("transit gateway {}", paint(STRONG, name)))
        .with(vpcs.chain(peers).chain(connections).chain(associations))
        .with(tables)
}

fn attached(name: &str, to: String, subnets: String, state: String, mode: &str) -> Branch {
    let to = if subnets.is_empty() { to } else { format!("{to} by {subnets}") };
    Branch::row(vec![name.to_owned(), to, String::new(), state, mode.to_owned()])
}

fn names(attachments: &[AttachmentName]) -> String {
    attachments.iter().map(AttachmentName::as_str).collect::<Vec<_>>().join(", ")
}

fn or_nobody(names: String) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names }
}

/// A route, as in `10.1.0.0/16 → red`.
fn transit_route(route: &TransitGatewayRoute) -> String {
    let to = match route.state {
        TransitGatewayRouteState::Blackhole => "blackhole".to_owned(),
        TransitGatewayRouteState::Active => names(&route.attachments),
    };
    format!("{} → {to}", route.destination)
}

fn dx_gateways(topology: &Topology) -> impl Iterator<Item = Branch> {
    topology.dx_gateways.keys().map(|name| {
        let associations = topology.dx_gateway_associations.iter().filter(|(_, one)| one.dx_gateway == *name);
        let associations = associations.map(|(_, one)| match &one.gateway {
            AwsEnd::VpnGateway(gateway) => Branch::text(format!("virtual private gateway {gateway}")),
            AwsEnd::TransitGateway(gateway) => Branch::text(format!("transit gateway {gateway}")),
        });
        Branch::text(format!("Direct Connect gateway {}", paint(STRONG, name))).with(associations)
    })
}

fn customer_network(topology: &Topology, name: &CustomerNetworkName, network: &CustomerNetwork) -> Branch {
    let blocks: Vec<String> = network.blocks().map(|block| block.to_string()).collect();
    let mut links = Vec::new();
    for (link, vpn) in &topology.vpn_connections {
        let gateway = topology.customer_gateways.get(&vpn.customer_gateway);
        if gateway.and_then(|gateway| gateway.customer_network.as_ref()) == Some(name) {
            let to = match &vpn.gateway {
                AwsEnd::VpnGateway(gateway) => format!("virtual private gateway {gateway}"),
                AwsEnd::TransitGateway(gateway) => format!("transit gateway {gateway}"),
            };
            links.push(Branch::text(format!("VPN connection {link} → {to}, {}", up(vpn.is_up()))));
        }
    }
    let private = topology.dx_private_virtual_interfaces.iter();
    let private = private.map(|(link, interface)| (LinkName::Private(link.clone()), interface));
    let transit = topology.dx_transit_virtual_interfaces.iter();
    let transit = transit.map(|(link, interface)| (LinkName::Transit(link.clone()), interface));
    links.extend(
        private
            .chain(transit)
            .filter(|(_, one)| one.customer_network.as_ref() == Some(name))
            .map(virtual_interface),
    );
    let hosts = topology.customer_hosts.iter().filter(|(_, host)| host.customer_network == *name);
    let hosts = hosts.map(|(name, host)| {
        let v4 = host.address.map(|address| address.to_string());
        let v6 = host.ipv6_address.map(|address| address.to_string());
        Branch::row(vec![name.to_string(), v4.unwrap_or_default(), String::new(), v6.unwrap_or_default()])
    });
    Branch::text(format!("customer network {}  {}", paint(STRONG, name), blocks.join("  ")))
        .with(links)
        .with(hosts)
}

fn virtual_interface((link, interface): (LinkName, &VirtualInterface)) -> Branch {
    let kind = if matches!(link, LinkName::Transit(_)) { "transit" } else { "private" };
    let to = match &interface.end {
        VirtualInterfaceEnd::VpnGateway(gateway) => format!("virtual private gateway {gateway}"),
        VirtualInterfaceEnd::DxGateway(gateway) => format!("Direct Connect gateway {gateway}"),
    };
    let state = up(interface.state == LinkState::Up);
    Branch::text(format!("{kind} virtual interface {} → {to}, {state}", link.as_str()))
}

fn services(topology: &Topology) -> Option<Branch> {
    let rows = topology.services.iter().map(|(name, service)| {
        let v4 = service.address.map(|address| address.to_string());
        let v6 = service.ipv6_address.map(|address| address.to_string());
        Branch::row(vec![name.to_string(), v4.unwrap_or_default(), String::new(), v6.unwrap_or_default()])
    });
    let rows: Vec<Branch> = rows.collect();
    (!rows.is_empty()).then(|| Branch::text(paint(STRONG, "services")).with(rows))
}

/// The customer's and AWS's, with their first entries.
fn prefix_lists(topology: &Topology) -> Option<Branch> {
    /// So many entries are written out.
    const MOST: usize = 4;
    let rows = topology.managed_prefix_lists.iter().map(|(name, list)| {
        let mut entries: Vec<String> =
            list.entries.iter().take(MOST).map(|entry| entry.cidr.to_string()).collect();
        if list.entries.len() > MOST {
            entries.push(format!("and {} more", list.entries.len() - MOST));
        }
        let entries = if entries.is_empty() { "no entries".to_owned() } else { entries.join(" ") };
        Branch::row(vec![name.to_string(), entries])
    });
    let rows: Vec<Branch> = rows.collect();
    (!rows.is_empty()).then(|| Branch::text(paint(STRONG, "prefix lists")).with(rows))
}

fn not_modelled(topology: &Topology) -> Option<Branch> {
    let of_kind = topology.not_modelled.iter().flat_map(|(kind, resources)| {
        let noun = NOT_MODELLED.iter().find(|known| known.plural == *kind).map_or(*kind, |known| known.noun);
        resources.iter().map(move |(name, resource)| {
            let vpc = resource.vpc.as_ref().map(|vpc| format!("VPC {vpc}")).unwrap_or_default();
            Branch::row(vec![name.clone(), noun.to_owned(), String::new(), vpc])
        })
    });
    let rows: Vec<Branch> = of_kind.collect();
    (!rows.is_empty()).then(|| Branch::text(paint(STRONG, "stored and not modelled")).with(rows))
}

fn up(is_up: bool) -> &'static str {
    if is_up { "up" } else { "down" }
}

/// A state or kind as AWS writes it.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
