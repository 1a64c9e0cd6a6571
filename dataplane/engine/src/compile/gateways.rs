//! How do NAT gateways, peering connections and endpoints become a fabric's?

use vpclab_model::{self as model, Kind, Topology};

use super::Compiler;
use crate::fabric::{EndpointKind, NatGateway, Peering, VpcEndpoint};
use crate::index::NotModelledIdx;

impl Compiler<'_> {
    /// Fills the slots of those that come and go.
    pub(super) fn fill_gateways(&mut self) {
        for (name, nat) in &self.topology.nat_gateways {
            let eni = &self.topology.network_interfaces[&nat.network_interface];
            let works = nat.state == model::NatGatewayState::Available;
            let compiled = NatGateway {
                name: name.clone(),
                subnet: self.subnets.of(&nat.subnet),
                eni: self.eni_index(&nat.network_interface),
                addresses: eni.private_ips().filter(|_| works).collect(),
                draining: self.draining_of(name).to_vec(),
            };
            self.nat_gateways.fill(self.nat_index(name), compiled);
        }
        for (name, declared, service_name) in modelled_endpoints(self.topology)
            .filter_map(|(name, endpoint)| Some((name, endpoint, endpoint.service.as_ref()?)))
        {
            let (Some(index), Some(service)) =
                (self.vpc_endpoints.find(name.as_str()), self.hosts.find(service_name.as_str()))
            else {
                continue;
            };
            let of = &self.topology.services[service_name];
            let has = |protocol| of.protocols.contains(&protocol);
            let kind = match declared.vpc_endpoint_type {
                model::VpcEndpointType::Gateway => EndpointKind::Gateway {
                    blocks: declared
                        .prefix_lists
                        .iter()
                        .filter_map(|list| self.topology.managed_prefix_lists.get(list))
                        .flat_map(model::ManagedPrefixList::blocks)
                        .collect(),
                    dynamodb: declared.service_name.ends_with(".dynamodb"),
                },
                _ => EndpointKind::Interface {
                    tcp: has(model::ServiceProtocol::Tcp),
                    udp: has(model::ServiceProtocol::Udp),
                    nodes: (of.node_address, of.node_ipv6_address),
                },
            };
            let compiled = VpcEndpoint {
                name: name.clone(),
                vpc: self.vpcs.of(&declared.vpc),
                available: declared.state == model::VpcEndpointState::Available,
                service,
                kind,
            };
            self.vpc_endpoints.fill(index, compiled);
        }
        for (name, peering) in &self.topology.vpc_peering_connections {
            let compiled = Peering {
                name: name.clone(),
                ends: [self.vpcs.of(&peering.vpc), self.vpcs.of(&peering.peer_vpc)],
                active: peering.state == model::PeeringState::Active,
                mtu: (self.topology.vpcs[&peering.vpc].home.region
                    != self.topology.vpcs[&peering.peer_vpc].home.region)
                    .then_some(self.topology.settings.inter_region_peering_mtu),
            };
            self.peerings.fill(self.peering_index(name), compiled);
        }
    }

    /// A gateway endpoint in the table, if no blocks of its service are declared.
    pub(super) fn endpoint_without_blocks(&self, table: &model::RouteTableName) -> Option<NotModelledIdx> {
        let has_blocks = |endpoint: &model::VpcEndpoint| {
            let lists = endpoint.prefix_lists.iter();
            let mut blocks = lists
                .filter_map(|list| self.topology.managed_prefix_lists.get(list))
                .flat_map(model::ManagedPrefixList::blocks);
            blocks.next().is_some()
        };
        let mut endpoints = self.topology.vpc_endpoints.iter();
        let (name, _) = endpoints.find(|(_, endpoint)| {
            endpoint.vpc_endpoint_type == model::VpcEndpointType::Gateway
                && endpoint.service.is_none()
                && endpoint.route_tables.contains(table)
                && !has_blocks(endpoint)
        })?;
        Some(self.not_modelled.of_name(VPC_ENDPOINTS, name.as_str()))
    }
}

/// The key of VPC endpoints.
pub(super) const VPC_ENDPOINTS: &str = model::kind::VpcEndpoint::PLURAL;

/// The endpoints that lead to declared services.
pub(super) fn modelled_endpoints(
    topology: &Topology,
) -> impl Iterator<Item = (&model::VpcEndpointName, &model::VpcEndpoint)> {
    topology.vpc_endpoints.iter().filter(|(_, endpoint)| {
        use model::VpcEndpointType::{Gateway, Interface};
        endpoint.service.is_some() && matches!(endpoint.vpc_endpoint_type, Gateway | Interface)
    })
}
