//! What of the services that endpoints lead to is not declared?
//!
//! The addresses of a service are AWS's to know: a topology that does not declare it has a prefix list of which nothing is
//! known, and an interface behind which nothing is known. What always holds: who asks about such a service is told that
//! the answer is unknown, and an answer about somebody on the internet says that he is taken to be no part of it.

use std::collections::BTreeSet;

use vpclab_api::{Explanation, Leg, LegVerdict, Level, QuestionEnd, Unmodelled};
use vpclab_engine::{Fabric, Step};
use vpclab_model::{
    ManagedPrefixListName, Peer, PrefixListOwner, Topology, VpcEndpoint, VpcEndpointName, VpcEndpointType,
};

use crate::question::{NamedEnd, Question};

/// The endpoints to a service that is not declared which `text` names: by the service's name, or that of a gateway
/// endpoint, which has no interface to ask about instead.
pub(crate) fn endpoints<'t>(
    topology: &'t Topology,
    text: &str,
) -> impl Iterator<Item = (&'t VpcEndpointName, &'t VpcEndpoint)> {
    topology.vpc_endpoints.iter().filter(move |(name, endpoint)| {
        let is_gateway = endpoint.vpc_endpoint_type == VpcEndpointType::Gateway;
        let is_meant =
            endpoint.service_name == text || is_gateway && (name.as_str() == text || name.id() == text);
        let leads_to_service = is_gateway || endpoint.vpc_endpoint_type == VpcEndpointType::Interface;
        endpoint.service.is_none() && leads_to_service && is_meant
    })
}

/// The answer about a service that is not declared: that it is unknown, and what to declare.
pub(crate) fn unknown(topology: &Topology, question: &Question, text: &str) -> Explanation {
    let unmodelled = endpoints(topology, text).map(|(name, endpoint)| Unmodelled {
        resource: name.to_string(),
        kind: "vpc_endpoint".to_owned(),
        reason: format!(
            "its service, {}, is not declared; declare it under `services`",
            endpoint.service_name
        ),
    });
    unanswered(question, unmodelled.collect())
}

/// The answer to a question that no packet is walked for.
pub(crate) fn unanswered(question: &Question, unmodelled: Vec<Unmodelled>) -> Explanation {
    let end = |end: &NamedEnd| QuestionEnd {
        name: end.name.clone(),
        kind: end.kind.word().to_owned(),
        address: None,
        port: None,
        protocol: None,
    };
    Explanation {
        level: Level::Explain,
        from: end(&question.from),
        to: end(&question.to),
        reachable: None,
        forward: Leg { verdict: LegVerdict::NotModelled, steps: Vec::new(), observed: None },
        back: None,
        blockers: Vec::new(),
        not_denied: Vec::new(),
        by_choice: false,
        other_ways: Vec::new(),
        other_blockers: Vec::new(),
        over_ipv6: None,
        assumed: Vec::new(),
        unmodelled,
    }
}

/// The prefix lists of AWS's that routes and rules on the way name and of which nothing is known.
pub(crate) fn lists_met<'t, 's>(
    fabric: &Fabric,
    topology: &'t Topology,
    steps: impl Iterator<Item = &'s Step>,
) -> BTreeSet<&'t ManagedPrefixListName> {
    let mut met = BTreeSet::new();
    for step in steps {
        match *step {
            Step::Route { route_table, .. } => {
                let table = topology.route_tables.get(&fabric.route_tables[route_table].name);
                met.extend(table.into_iter().flat_map(|table| &table.prefix_lists));
            }
            Step::SecurityGroup { eni, direction, .. } => {
                let interface = topology.network_interfaces.get(&fabric.enis[eni].name);
                let groups = interface.into_iter().flat_map(|interface| &interface.security_groups);
                for group in groups.filter_map(|group| topology.security_groups.get(group)) {
                    let rules = match direction {
                        vpclab_engine::Direction::Inbound => &group.ingress,
                        vpclab_engine::Direction::Outbound => &group.egress,
                    };
                    met.extend(rules.iter().filter_map(|rule| match &rule.peer {
                        Peer::PrefixList(list) => Some(list),
                        _ => None,
                    }));
                }
            }
            _ => {}
        }
    }
    met.retain(|list| is_unknown(topology, list));
    met
}

/// Whether a list is AWS's, has no entries, and belongs to no service that the topology declares.
fn is_unknown(topology: &Topology, name: &ManagedPrefixListName) -> bool {
    let service = name.as_str().replacen(".ipv6.", ".", 1);
    topology.managed_prefix_lists.get(name).is_some_and(|list| {
        matches!(list.managed_by, PrefixListOwner::Aws { .. })
            && list.entries.is_empty()
            && !topology.services.contains_key(service.as_str())
    })
}
