//! Which resources are stored and not modelled, and why?

use std::collections::HashMap;

use vpclab_model::{self as model, Topology};

use super::gateways::VPC_ENDPOINTS;
use crate::fabric::NotModelled;
use crate::index::{NotModelledIdx, Table};

/// What is stored and not modelled, numbered.
pub(super) struct NotModelledTable<'a> {
    pub(super) table: Table<NotModelledIdx, NotModelled>,
    by_name: HashMap<(&'a str, &'a str), NotModelledIdx>,
    pub(super) block_public_access: Option<NotModelledIdx>,
    pub(super) multicast: Option<NotModelledIdx>,
}

impl<'a> NotModelledTable<'a> {
    pub(super) fn of(topology: &'a Topology) -> Self {
        let mut all =
            Self { table: Table::new(), by_name: HashMap::new(), block_public_access: None, multicast: None };
        for (plural, resources) in &topology.not_modelled {
            let Some(kind) = model::NotModelledKind::of(plural) else { continue };
            for (name, resource) in resources {
                let is_balancer = kind.plural == model::LOAD_BALANCERS;
                let index = all.table.push(NotModelled {
                    kind: kind.plural,
                    name: name.as_str().into(),
                    reason: kind.reason,
                    takes: is_balancer && resource.says("load_balancer_type") != Some("gateway"),
                    sends: is_balancer || kind.plural == model::CLIENT_VPN_ENDPOINTS,
                });
                all.by_name.insert((kind.plural, name), index);
                if kind.plural == model::BLOCK_PUBLIC_ACCESS
                    && resource.says("internet_gateway_block_mode") != Some("off")
                {
                    all.block_public_access = Some(index);
                }
                if kind.plural == model::MULTICAST_DOMAINS {
                    all.multicast = Some(index);
                }
            }
        }
        for (name, endpoint) in &topology.vpc_endpoints {
            use model::VpcEndpointType::{Gateway, GatewayLoadBalancer, Interface};
            let reason = match endpoint.vpc_endpoint_type {
                Gateway | Interface if endpoint.service.is_some() => continue,
                Gateway | Interface => {
                    "its service is not declared; declare it under `services` to ask about it"
                }
                GatewayLoadBalancer => {
                    "what the appliances behind a Gateway Load Balancer endpoint let pass is not modelled"
                }
                _ => "VPC Lattice is not modelled",
            };
            let entry = NotModelled {
                kind: VPC_ENDPOINTS,
                name: name.as_str().into(),
                reason,
                takes: false,
                sends: false,
            };
            let index = all.table.push(entry);
            all.by_name.insert((VPC_ENDPOINTS, name.as_str()), index);
        }
        all
    }

    /// The index of a resource, which validation has found to exist.
    #[allow(clippy::expect_used)]
    pub(super) fn of_name(&self, kind: &str, name: &str) -> NotModelledIdx {
        *self.by_name.get(&(kind, name)).expect("a validated topology has no dangling reference")
    }
}
