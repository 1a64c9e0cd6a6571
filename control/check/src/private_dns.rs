//! Whom does a service's name mean inside a VPC?
//!
//! Where an interface endpoint has private DNS, programs in its VPC that ask for the service by its name are given the
//! addresses of the endpoint's interfaces, one after another (EPI-06, EPI-08). Names are not resolved here. What always
//! holds: such a question has no firm answer, which would be about another way than that of the program; it is told by
//! which names to ask about the interfaces.

use vpclab_api::Unmodelled;
use vpclab_engine::Fabric;
use vpclab_engine::explain::{End, TrafficQuestion};
use vpclab_model::{Topology, VpcEndpoint, VpcEndpointName, VpcEndpointState, VpcEndpointType};
use vpclab_wire::Protocol;

use crate::question::{EndKind, Question};

/// What the answer depends on; nothing where the name means the service itself.
pub(crate) fn takes_the_name(fabric: &Fabric, topology: &Topology, question: &Question) -> Vec<Unmodelled> {
    let End::Interface(asker, _) = question.from.end else { return Vec::new() };
    if !matches!(question.to.kind, EndKind::Service | EndKind::Undeclared) {
        return Vec::new();
    }
    let vpc = &fabric.vpcs[fabric.enis[asker].vpc].name;
    let taken = topology.vpc_endpoints.iter().filter(|(_, endpoint)| {
        endpoint.vpc == *vpc && endpoint.service_name == question.to.name && has_private_dns(endpoint)
    });
    taken.map(|(name, endpoint)| told(question, name, endpoint)).collect()
}

fn has_private_dns(endpoint: &VpcEndpoint) -> bool {
    // The public name stays as it is for the VPC itself where only its resolver's inbound endpoints are to be told.
    let options = endpoint.attributes.get("dns_options");
    let only_for_others = options
        .and_then(|options| options.get("private_dns_only_for_inbound_resolver_endpoint"))
        .and_then(serde_json::Value::as_bool);
    endpoint.vpc_endpoint_type == VpcEndpointType::Interface
        && endpoint.state == VpcEndpointState::Available
        && endpoint.private_dns_enabled
        && only_for_others != Some(true)
        && !endpoint.network_interfaces.is_empty()
}

fn told(question: &Question, name: &VpcEndpointName, endpoint: &VpcEndpoint) -> Unmodelled {
    let traffic = match question.traffic {
        TrafficQuestion::Ports { protocol: Protocol::TCP, port: Some(port), .. } => format!(":{port}"),
        TrafficQuestion::Ports { protocol: Protocol::UDP, port: Some(port), .. } => format!(":{port}/udp"),
        _ => String::new(),
    };
    let interfaces = endpoint.network_interfaces.iter();
    let interfaces: Vec<String> = interfaces.map(|interface| format!("{interface}{traffic}")).collect();
    Unmodelled {
        resource: name.to_string(),
        kind: "vpc_endpoint".to_owned(),
        reason: format!(
            "names are not resolved here, and with private DNS the name {} means this endpoint inside VPC {}; ask about {}",
            endpoint.service_name,
            endpoint.vpc,
            interfaces.join(" or ")
        ),
    }
}
