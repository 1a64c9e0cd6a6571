//! Which resources are stored and not modelled, and why?

use std::collections::HashMap;

use vpclab_model::{self as model, Kind, Name, Topology};

use super::gateways::VPC_ENDPOINTS;
use crate::fabric::{Listener, NotModelled, Takes};
use crate::index::{NotModelledIdx, Table};

/// What is stored and not modelled, numbered.
pub(super) struct NotModelledTable<'a> {
    pub(super) table: Table<NotModelledIdx, NotModelled>,
    by_name: HashMap<(&'a str, &'a str), NotModelledIdx>,
    /// Those that are modelled as far as they are known.
    not_known: HashMap<(&'a str, &'a str), NotModelledIdx>,
    pub(super) block_public_access: Option<NotModelledIdx>,
    pub(super) multicast: Option<NotModelledIdx>,
}

impl<'a> NotModelledTable<'a> {
    pub(super) fn of(topology: &'a Topology) -> Self {
        let mut all = Self {
            table: Table::new(),
            by_name: HashMap::new(),
            not_known: HashMap::new(),
            block_public_access: None,
            multicast: None,
        };
        for (plural, resources) in &topology.not_modelled {
            let Some(kind) = model::NotModelledKind::of(plural) else { continue };
            for (name, resource) in resources {
                let (takes, sends, reason) = match kind.plural {
                    // What is said not to be known may be any of it.
                    _ if resource.labels.not_modelled.is_some() => (Takes::Nothing, false, kind.reason),
                    model::LOAD_BALANCERS => balancer(topology, name, resource),
                    _ => (Takes::Nothing, false, kind.reason),
                };
                let reason = resource.labels.not_modelled.as_deref().unwrap_or(reason);
                let index = all.push(kind.plural, name, reason, takes, sends);
                all.table[index].acl_within_subnet = kind.plural == model::LOAD_BALANCERS
                    && resource.says("load_balancer_type") == Some("classic");
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
            all.push(VPC_ENDPOINTS, name.as_str(), reason, Takes::Nothing, false);
        }
        for (kind, name, why) in topology.not_known() {
            let index = all.push(kind, name, why, Takes::Nothing, false);
            all.not_known.insert((kind, name), index);
        }
        all
    }

    /// The resource, if not all is known of it.
    pub(super) fn unknown<K: Kind>(&self, name: &Name<K>) -> Option<NotModelledIdx> {
        self.not_known.get(&(K::PLURAL, name.as_str())).copied()
    }

    fn push(
        &mut self,
        kind: &'static str,
        name: &'a str,
        reason: &str,
        takes: Takes,
        sends: bool,
    ) -> NotModelledIdx {
        let acl_within_subnet = false;
        let entry =
            NotModelled { kind, name: name.into(), reason: reason.into(), takes, sends, acl_within_subnet };
        let index = self.table.push(entry);
        self.by_name.insert((kind, name), index);
        index
    }

    /// The index of a resource, which validation has found to exist.
    #[allow(clippy::expect_used)]
    pub(super) fn of_name(&self, kind: &str, name: &str) -> NotModelledIdx {
        *self.by_name.get(&(kind, name)).expect("a validated topology has no dangling reference")
    }
}

/// What a load balancer takes, whether it asks its targets as an instance would, and what is not modelled of it.
///
/// An application load balancer asks under its own addresses, and so does a classic one. A network one may ask under the client's (LB-04), whom the
/// target's groups then have to let in (LB-16).
fn balancer(topology: &Topology, name: &str, resource: &model::NotModelled) -> (Takes, bool, &'static str) {
    let (sends, reason) = match resource.says("load_balancer_type").unwrap_or("application") {
        "application" | "classic" => {
            let reason = "what a load balancer accepts, which target it chooses and how it asks it is not modelled; ask \
                          about the way to one of its interfaces, and about the way from it to a target";
            (true, reason)
        }
        "network" => {
            let reason = "which target a network load balancer chooses, and whether it asks it under its own address or \
                          the client's, is not modelled; ask about the way to one of its interfaces, and about the way \
                          from the client to the target";
            (false, reason)
        }
        _ => {
            let reason =
                "what a gateway load balancer takes, and what its appliances do with it, is not modelled";
            return (Takes::Nothing, false, reason);
        }
    };
    let listeners = listeners(topology, name);
    if listeners.is_empty() {
        // Whatever matches none is dropped (LB-19): who knows of none knows nothing of what it takes.
        let reason = "on which ports it listens is not declared; declare its `listeners` to ask about the way to one of its \
                      interfaces";
        return (Takes::Nothing, sends, reason);
    }
    (Takes::Listeners(listeners), sends, reason)
}

/// The listeners that a topology declares of a load balancer.
fn listeners(topology: &Topology, balancer: &str) -> Vec<Listener> {
    let all = topology.not_modelled.get(model::LISTENERS).into_iter().flatten();
    let id = model::NotModelledKind::of(model::LOAD_BALANCERS).map(|kind| kind.id(balancer));
    let of_balancer = all.filter(|(_, listener)| {
        let named = listener.says("load_balancer").or_else(|| listener.says("load_balancer_arn"));
        named.is_some_and(|named| named == balancer || Some(named) == id.as_deref())
    });
    let listener = |listener: &model::NotModelled| {
        let port = listener.attributes.get("port")?;
        let port = port.as_u64().or_else(|| port.as_str()?.parse().ok());
        let protocol = listener.says("protocol").unwrap_or("HTTP").to_ascii_uppercase();
        Some(Listener {
            port: u16::try_from(port?).ok()?,
            tcp: matches!(protocol.as_str(), "HTTP" | "HTTPS" | "TCP" | "TLS" | "SSL" | "TCP_UDP"),
            udp: matches!(protocol.as_str(), "UDP" | "TCP_UDP" | "QUIC" | "TCP_QUIC"),
        })
    };
    of_balancer.filter_map(|(_, declared)| listener(declared)).collect()
}
