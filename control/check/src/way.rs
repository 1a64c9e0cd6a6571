//! Do the packets take the way that the test expects?
//!
//! The way is explain's at every level: packets do not say where they have been. What always holds: where gateways choose
//! among ways at random, or hosts of the internet are reached by several, every one of them has to be right.

use vpclab_api::{Explanation, Step};
use vpclab_model::{InterfaceType, Topology};

use crate::testfile::Way;

/// The components that `COMPONENT:NAME` can name, as steps do.
pub(crate) const COMPONENTS: [&str; 18] = [
    "network_interface",
    "guest",
    "network_acl",
    "route_table",
    "internet_gateway",
    "egress_only_internet_gateway",
    "nat_gateway",
    "vpc_peering_connection",
    "transit_gateway",
    "transit_gateway_route_table",
    "vpn_gateway",
    "vpn_connection",
    "virtual_interface",
    "customer_network",
    "customer_host",
    "vpc_endpoint",
    "service",
    "internet",
];

/// What of the expected way is not so.
pub(crate) fn wrong(topology: &Topology, wanted: &Way, told: &Explanation) -> Vec<String> {
    let back = told.back.as_ref().map_or(&[][..], |leg| &leg.steps);
    let others = told.other_ways.iter().map(|way| (way.forward.as_slice(), way.back.as_slice()));
    let ways: Vec<(&[Step], &[Step])> =
        std::iter::once((told.forward.steps.as_slice(), back)).chain(others).collect();
    let mut failures = Vec::new();
    for (forward, back) in &ways {
        for (wanted, steps, word) in [(&wanted.forward, forward, "there"), (&wanted.back, back, "back")] {
            if let Some(missing) = first_missing(topology, wanted, steps) {
                let all = wanted.join(", ");
                let taken = taken(steps);
                failures.push(format!(
                    "the way {word} was to pass {all}, and does not pass {missing} there: it passes {taken}"
                ));
            }
        }
        for never in &wanted.never {
            for (steps, word) in [(forward, "there"), (back, "back")] {
                if steps.iter().any(|step| is_named(topology, never, step)) {
                    let taken = taken(steps);
                    failures.push(format!("the way {word} was not to pass {never}: it passes {taken}"));
                }
            }
        }
    }
    failures.sort();
    failures.dedup();
    failures
}

/// The first of `wanted` that is not passed after those before it.
fn first_missing<'w>(topology: &Topology, wanted: &'w [String], steps: &[Step]) -> Option<&'w str> {
    let mut steps = steps.iter();
    wanted.iter().find(|name| !steps.any(|step| is_named(topology, name, step))).map(String::as_str)
}

/// Whether this is what `name` names. An instance is passed at any of its interfaces.
fn is_named(topology: &Topology, name: &str, step: &Step) -> bool {
    let (component, name) = split(name);
    let places = places(topology);
    let is_whole = name == "internet" || places.iter().any(|(_, place)| *place == name);
    let longer = if is_whole { Vec::new() } else { bare(topology, component, name) };
    let name = match longer.as_slice() {
        [(_, whole)] => *whole,
        _ => name,
    };
    if component.is_some_and(|component| component != step.component) {
        return false;
    }
    if step.resource == name || component.is_none() && step.component == "internet" && name == "internet" {
        return true;
    }
    let is_interface = matches!(step.component.as_str(), "network_interface" | "guest");
    let attachment =
        topology.network_interfaces.get(step.resource.as_str()).and_then(|eni| eni.attachment.as_ref());
    is_interface && attachment.is_some_and(|attachment| attachment.instance.as_str() == name)
}

/// `COMPONENT:NAME`, or a name.
pub(crate) fn split(text: &str) -> (Option<&str>, &str) {
    match text.split_once(':') {
        Some((component, name)) if COMPONENTS.contains(&component) => (Some(component), name),
        _ => (None, text),
    }
}

/// The component of interfaces and instances.
const INTERFACE: &str = "network_interface";

/// What steps of a walk name, each with the component that it is.
pub(crate) fn places(topology: &Topology) -> Vec<(&'static str, &str)> {
    let mut places = Vec::new();
    macro_rules! all {
        ($($component:expr => $($field:ident),*;)*) => {
            $($(places.extend(topology.$field.keys().map(|name| ($component, name.as_str())));)*)*
        };
    }
    all!(
        INTERFACE => network_interfaces, instances;
        "network_acl" => network_acls;
        "route_table" => route_tables;
        "internet_gateway" => internet_gateways;
        "egress_only_internet_gateway" => egress_only_internet_gateways;
        "nat_gateway" => nat_gateways;
        "vpc_peering_connection" => vpc_peering_connections;
        "transit_gateway" => transit_gateways;
        "transit_gateway_route_table" => transit_gateway_route_tables;
        "vpn_gateway" => vpn_gateways;
        "vpn_connection" => vpn_connections;
        "virtual_interface" => dx_private_virtual_interfaces, dx_transit_virtual_interfaces;
        "customer_network" => customer_networks;
        "customer_host" => customer_hosts;
        "vpc_endpoint" => vpc_endpoints;
        "service" => services;
        "internet" => internet_hosts;
    );
    places
}

/// What can be passed and is called `name` but for the stack or source before it; interfaces of gateways go by these.
pub(crate) fn bare<'t>(
    topology: &'t Topology,
    component: Option<&str>,
    name: &str,
) -> Vec<(&'static str, &'t str)> {
    let is_of_gateway = |place: &str| {
        let interface = topology.network_interfaces.get(place);
        interface.is_some_and(|eni| eni.interface_type != InterfaceType::Interface)
    };
    let mut meant = places(topology);
    meant.retain(|(of, place)| {
        component.is_none_or(|component| component == *of)
            && place.strip_suffix(name).is_some_and(|source| source.len() > 1 && source.ends_with('/'))
            && !(*of == INTERFACE && is_of_gateway(place))
    });
    meant.sort_unstable();
    meant.dedup();
    meant
}

/// What is passed, by name, each thing once where several steps are about it.
fn taken(steps: &[Step]) -> String {
    let mut names: Vec<&str> = steps.iter().map(|step| step.resource.as_str()).collect();
    names.dedup();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
