//! How do private links become a fabric's?

use std::collections::HashMap;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vpclab_model::{
    self as model, AttachmentName, CustomerNetworkName, LinkName, LinkState, Propagation, Topology,
    VirtualInterface, VirtualInterfaceEnd,
};

use crate::compile::Numbering;
use crate::compile::transit::Numbers;
use crate::fabric::{AwsEnd, CustomerNetwork, Link, LinkRoute, LinkTable, VpnGateway};
use crate::index::{
    CustomerNetworkIdx, LinkIdx, NotModelledIdx, Position, RouteTableIdx, Table, VpcIdx, VpnGatewayIdx,
};

/// The compiled links and what is at their ends.
pub(super) struct Links {
    pub(super) vpn_gateways: Table<VpnGatewayIdx, VpnGateway>,
    pub(super) customer_networks: Table<CustomerNetworkIdx, CustomerNetwork>,
    pub(super) links: Table<LinkIdx, Link>,
}

/// Names and their indices.
struct Names<'a> {
    topology: &'a Topology,
    vpn_gateways: Numbering<'a, VpnGatewayIdx>,
    customer_networks: Numbering<'a, CustomerNetworkIdx>,
    links: HashMap<LinkName, LinkIdx>,
    transit: &'a Numbers<'a>,
}

/// The links in the order of the table.
pub(super) fn numbers(topology: &Topology) -> HashMap<LinkName, LinkIdx> {
    let vpns = topology.vpn_connections.keys().cloned().map(LinkName::Vpn);
    let private = topology.dx_private_virtual_interfaces.keys().cloned().map(LinkName::Private);
    let transit = topology.dx_transit_virtual_interfaces.keys().cloned().map(LinkName::Transit);
    let all = vpns.chain(private).chain(transit).enumerate();
    all.map(|(place, name)| (name, LinkIdx::from_position(place))).collect()
}

/// What a transit gateway has learnt by a Direct Connect gateway.
pub(super) fn learned(topology: &Topology, association: &model::DxGatewayAssociationName) -> LinkTable {
    let routes = topology.dx_gateway_associations[association].routes.iter();
    let routes =
        routes.map(|route| (route.destination, &route.link, Some(route.origin), (route.in_use, route.equal)));
    link_table(&numbers(topology), routes)
}

/// Compiles them.
pub(super) fn compile(
    topology: &Topology,
    vpcs: &Numbering<'_, VpcIdx>,
    transit: &Numbers<'_>,
    unknown: impl Fn(&model::VpnGatewayName) -> Option<NotModelledIdx>,
) -> Links {
    let names = Names {
        topology,
        vpn_gateways: Numbering::new(&topology.vpn_gateways),
        customer_networks: Numbering::new(&topology.customer_networks),
        links: numbers(topology),
        transit,
    };
    let tables_by_name: Numbering<'_, RouteTableIdx> = Numbering::new(&topology.route_tables);
    let mut links = Table::new();
    for (name, connection) in &topology.vpn_connections {
        links.push(names.vpn(name, connection));
    }
    for (name, interface) in &topology.dx_private_virtual_interfaces {
        links.push(names.virtual_interface(LinkName::Private(name.clone()), interface));
    }
    for (name, interface) in &topology.dx_transit_virtual_interfaces {
        links.push(names.virtual_interface(LinkName::Transit(name.clone()), interface));
    }
    let mut vpn_gateways = Table::new();
    for (name, gateway) in &topology.vpn_gateways {
        let routes = gateway.routes.iter();
        let routes = routes
            .map(|route| (route.destination, &route.link, Some(route.origin), (route.in_use, route.equal)));
        let vpc = gateway.vpc.as_ref().map(|vpc| vpcs.of(vpc));
        let edge = model::EdgeGateway::VpnGateway(name.clone());
        let mut tables = topology.route_tables.iter();
        let route_table = tables.find(|(_, table)| table.gateways.contains(&edge));
        let route_table = route_table.map(|(name, _)| tables_by_name.of(name));
        vpn_gateways.push(VpnGateway {
            name: name.clone(),
            vpc,
            route_table,
            routes: link_table(&names.links, routes),
            unknown: unknown(name),
        });
    }
    let mut customer_networks = Table::new();
    for (name, network) in &topology.customer_networks {
        let routes = network.routes.iter();
        let routes = routes.map(|route| (route.destination, &route.link, None, (route.in_use, route.equal)));
        customer_networks.push(CustomerNetwork {
            name: name.clone(),
            blocks: network.blocks().collect(),
            announced: announced(topology, name),
            mtu: network.mtu,
            routes: link_table(&names.links, routes),
        });
    }
    Links { vpn_gateways, customer_networks, links }
}

/// The destinations that a network announces, or that are static routes to it.
fn announced(topology: &Topology, network: &model::CustomerNetworkName) -> Vec<IpNet> {
    let is_its = |own: Option<&model::CustomerNetworkName>| own == Some(network);
    let vpns = topology
        .vpn_connections
        .values()
        .filter(|vpn| is_its(topology.customer_gateways[&vpn.customer_gateway].customer_network.as_ref()));
    let of_vpns = vpns.flat_map(|vpn| {
        let fixed = vpn.routes.iter().copied().map(IpNet::V4);
        fixed.chain(vpn.bgp_routes.iter().map(|route| route.destination))
    });
    let private = topology.dx_private_virtual_interfaces.values();
    let interfaces = private.chain(topology.dx_transit_virtual_interfaces.values());
    let interfaces = interfaces.filter(|interface| is_its(interface.customer_network.as_ref()));
    let of_interfaces = interfaces.flat_map(|own| own.bgp_routes.iter().map(|route| route.destination));
    of_vpns.chain(of_interfaces).collect()
}

impl Names<'_> {
    fn vpn(&self, name: &model::VpnConnectionName, connection: &model::VpnConnection) -> Link {
        let gateway = &self.topology.customer_gateways[&connection.customer_gateway];
        let mtu = connection.mtu();
        Link {
            name: LinkName::Vpn(name.clone()),
            dynamic: !connection.static_routes_only,
            network: self.network(gateway.customer_network.as_ref()),
            up: connection.is_up(),
            mtu,
            clamps_to: connection.mss_clamping.then_some(mtu),
            ends: self
                .end(&connection.gateway, AttachmentName::Vpn(name.clone()))
                .map(everywhere)
                .unwrap_or_default(),
        }
    }

    fn virtual_interface(&self, name: LinkName, interface: &VirtualInterface) -> Link {
        let ends = match &interface.end {
            VirtualInterfaceEnd::VpnGateway(gateway) => {
                everywhere(AwsEnd::VpnGateway(self.vpn_gateways.of(gateway)))
            }
            VirtualInterfaceEnd::DxGateway(dx) => {
                let associations = self.topology.dx_gateway_associations.iter();
                let here = associations.filter(|(_, association)| association.dx_gateway == *dx);
                here.flat_map(|(name, association)| self.announced(name, association)).collect()
            }
        };
        Link {
            name,
            dynamic: true,
            network: self.network(interface.customer_network.as_ref()),
            up: interface.state == LinkState::Up,
            mtu: interface.mtu,
            clamps_to: None,
            ends,
        }
    }

    /// What a gateway announces by a Direct Connect gateway leads back to it (DX-06, DX-07).
    fn announced(
        &self,
        name: &model::DxGatewayAssociationName,
        association: &model::DxGatewayAssociation,
    ) -> Vec<(IpNet, AwsEnd)> {
        let attachment = AttachmentName::DxGateway(name.clone());
        let Some(end) = self.end(&association.gateway, attachment) else { return Vec::new() };
        let allowed = association.allowed_prefixes.as_deref();
        match &association.gateway {
            model::AwsEnd::VpnGateway(gateway) => {
                let vpc = self.topology.vpn_gateways[gateway].vpc.as_ref();
                let blocks = vpc.into_iter().flat_map(|vpc| self.topology.vpcs[vpc].cidr_blocks());
                let passes = |block: &IpNet| {
                    allowed.is_none_or(|allowed| allowed.iter().any(|prefix| prefix.contains(block)))
                };
                blocks.filter(passes).map(|block| (block, end)).collect()
            }
            model::AwsEnd::TransitGateway(_) => {
                allowed.into_iter().flatten().map(|prefix| (*prefix, end)).collect()
            }
        }
    }

    fn end(&self, end: &model::AwsEnd, attachment: AttachmentName) -> Option<AwsEnd> {
        match end {
            model::AwsEnd::VpnGateway(gateway) => Some(AwsEnd::VpnGateway(self.vpn_gateways.of(gateway))),
            model::AwsEnd::TransitGateway(gateway) => {
                self.transit.side(gateway, attachment).map(AwsEnd::Transit)
            }
        }
    }

    fn network(&self, name: Option<&CustomerNetworkName>) -> Option<CustomerNetworkIdx> {
        name.map(|name| self.customer_networks.of(name))
    }
}

/// Routes in order of destinations, the one in use first, each with whether it is and whether it is as good as the one that
/// is; those to one destination become one, without what is neither.
fn link_table<'r>(
    numbers: &HashMap<LinkName, LinkIdx>,
    routes: impl Iterator<Item = (IpNet, &'r LinkName, Option<Propagation>, (bool, bool))>,
) -> LinkTable {
    let mut compiled: Vec<LinkRoute> = Vec::new();
    for (destination, link, origin, (in_use, equal)) in routes {
        if !in_use && !equal {
            continue;
        }
        let Some(&link) = numbers.get(link) else { continue };
        match compiled.last_mut() {
            Some(last) if last.destination == destination && in_use => last.links.push(link),
            Some(last) if last.destination == destination => last.equals.push(link),
            _ => compiled.push(LinkRoute { destination, links: vec![link], equals: Vec::new(), origin }),
        }
    }
    LinkTable::new(compiled)
}

/// Every destination leads to `end`.
fn everywhere(end: AwsEnd) -> Vec<(IpNet, AwsEnd)> {
    vec![(IpNet::V4(Ipv4Net::default()), end), (IpNet::V6(Ipv6Net::default()), end)]
}
