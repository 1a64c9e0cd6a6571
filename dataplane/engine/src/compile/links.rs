//! How do private links become a fabric's?

use std::collections::HashMap;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vpclab_model::{
    self as model, CustomerNetworkName, LinkName, LinkState, Propagation, Topology, VirtualInterface,
    VirtualInterfaceEnd,
};

use crate::compile::Numbering;
use crate::fabric::{AwsEnd, CustomerNetwork, Link, LinkRoute, LinkTable, VpnGateway};
use crate::index::{CustomerNetworkIdx, LinkIdx, Position, Table, VpcIdx, VpnGatewayIdx};

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
}

/// Compiles them.
pub(super) fn compile(topology: &Topology, vpcs: &Numbering<'_, VpcIdx>) -> Links {
    let vpns = topology.vpn_connections.keys().cloned().map(LinkName::Vpn);
    let private = topology.dx_private_virtual_interfaces.keys().cloned().map(LinkName::Private);
    let transit = topology.dx_transit_virtual_interfaces.keys().cloned().map(LinkName::Transit);
    let names: Vec<LinkName> = vpns.chain(private).chain(transit).collect();
    let numbered = names.into_iter().enumerate().map(|(place, name)| (name, LinkIdx::from_position(place)));
    let names = Names {
        topology,
        vpn_gateways: Numbering::new(&topology.vpn_gateways),
        customer_networks: Numbering::new(&topology.customer_networks),
        links: numbered.collect(),
    };
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
        let in_use = gateway.routes.iter().filter(|route| route.in_use);
        let routes = in_use.map(|route| (route.destination, &route.link, Some(route.origin)));
        let vpc = gateway.vpc.as_ref().map(|vpc| vpcs.of(vpc));
        vpn_gateways.push(VpnGateway { name: name.clone(), vpc, routes: names.table(routes) });
    }
    let mut customer_networks = Table::new();
    for (name, network) in &topology.customer_networks {
        let in_use = network.routes.iter().filter(|route| route.in_use);
        let routes = in_use.map(|route| (route.destination, &route.link, None));
        customer_networks.push(CustomerNetwork {
            name: name.clone(),
            blocks: network.blocks().collect(),
            mtu: network.mtu,
            routes: names.table(routes),
        });
    }
    Links { vpn_gateways, customer_networks, links }
}

impl Names<'_> {
    fn vpn(&self, name: &model::VpnConnectionName, connection: &model::VpnConnection) -> Link {
        let gateway = &self.topology.customer_gateways[&connection.customer_gateway];
        let mtu = connection.mtu();
        Link {
            name: LinkName::Vpn(name.clone()),
            dynamic: !connection.static_routes_only,
            network: self.network(gateway.customer_network.as_ref()),
            mtu,
            clamps_to: connection.mss_clamping.then_some(mtu),
            ends: self.end(&connection.gateway).map(everywhere).unwrap_or_default(),
        }
    }

    fn virtual_interface(&self, name: LinkName, interface: &VirtualInterface) -> Link {
        let ends = match &interface.end {
            _ if interface.state == LinkState::Down => Vec::new(),
            VirtualInterfaceEnd::VpnGateway(gateway) => {
                everywhere(AwsEnd::VpnGateway(self.vpn_gateways.of(gateway)))
            }
            VirtualInterfaceEnd::DxGateway(dx) => {
                let associations = self.topology.dx_gateway_associations.values();
                let here = associations.filter(|association| association.dx_gateway == *dx);
                here.flat_map(|association| self.announced(association)).collect()
            }
        };
        Link {
            name,
            dynamic: true,
            network: self.network(interface.customer_network.as_ref()),
            mtu: interface.mtu,
            clamps_to: None,
            ends,
        }
    }

    /// What a gateway announces by a Direct Connect gateway leads back to it (DX-06, DX-07).
    fn announced(&self, association: &model::DxGatewayAssociation) -> Vec<(IpNet, AwsEnd)> {
        let Some(end) = self.end(&association.gateway) else { return Vec::new() };
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

    fn end(&self, end: &model::AwsEnd) -> Option<AwsEnd> {
        match end {
            model::AwsEnd::VpnGateway(gateway) => Some(AwsEnd::VpnGateway(self.vpn_gateways.of(gateway))),
            model::AwsEnd::TransitGateway(_) => None,
        }
    }

    fn network(&self, name: Option<&CustomerNetworkName>) -> Option<CustomerNetworkIdx> {
        name.map(|name| self.customer_networks.of(name))
    }

    /// Routes in order of destinations; those to one destination become one.
    fn table<'r>(
        &self,
        routes: impl Iterator<Item = (IpNet, &'r LinkName, Option<Propagation>)>,
    ) -> LinkTable {
        let mut compiled: Vec<LinkRoute> = Vec::new();
        for (destination, link, origin) in routes {
            let Some(&link) = self.links.get(link) else { continue };
            match compiled.last_mut() {
                Some(last) if last.destination == destination => last.links.push(link),
                _ => compiled.push(LinkRoute { destination, links: vec![link], origin }),
            }
        }
        LinkTable::new(compiled)
    }
}

/// Every destination leads to `end`.
fn everywhere(end: AwsEnd) -> Vec<(IpNet, AwsEnd)> {
    vec![(IpNet::V4(Ipv4Net::default()), end), (IpNet::V6(Ipv6Net::default()), end)]
}
