//! What becomes different between two topologies?
//!
//! The region, the settings, then resources by kind and name. What a lab answers to a new topology and what is foretold
//! about one is both said here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use vpclab_api::Change;
use vpclab_model::{Kind, NOT_MODELLED, Name, Settings, Topology};

/// What becomes different when `after` follows `before`: the region and each setting as an `update`, then resources in
/// the order of a topology's kinds, by name.
#[must_use]
pub fn changes(before: &Topology, after: &Topology) -> Vec<Change> {
    let mut changes = Vec::new();
    if before.region != after.region {
        changes.push(change("update", Change::REGION, &after.region));
    }
    let (old, new) = (settings(before.settings), settings(after.settings));
    let different = new.iter().filter(|(name, value)| old.get(*name) != Some(*value));
    changes.extend(different.map(|(name, _)| change("update", Change::SETTINGS, name)));
    compare(&mut changes, &before.vpcs, &after.vpcs);
    compare(&mut changes, &before.subnets, &after.subnets);
    compare(&mut changes, &before.route_tables, &after.route_tables);
    compare(&mut changes, &before.internet_gateways, &after.internet_gateways);
    compare(&mut changes, &before.transit_gateways, &after.transit_gateways);
    compare(&mut changes, &before.transit_gateway_vpc_attachments, &after.transit_gateway_vpc_attachments);
    compare(
        &mut changes,
        &before.transit_gateway_peering_attachments,
        &after.transit_gateway_peering_attachments,
    );
    compare(&mut changes, &before.transit_gateway_route_tables, &after.transit_gateway_route_tables);
    compare(&mut changes, &before.managed_prefix_lists, &after.managed_prefix_lists);
    compare(&mut changes, &before.network_acls, &after.network_acls);
    compare(&mut changes, &before.security_groups, &after.security_groups);
    compare(&mut changes, &before.network_interfaces, &after.network_interfaces);
    compare(&mut changes, &before.instances, &after.instances);
    compare(&mut changes, &before.eips, &after.eips);
    compare(&mut changes, &before.internet_hosts, &after.internet_hosts);
    compare(&mut changes, &before.vpc_endpoints, &after.vpc_endpoints);
    compare(&mut changes, &before.services, &after.services);
    compare(&mut changes, &before.vpn_gateways, &after.vpn_gateways);
    compare(&mut changes, &before.customer_gateways, &after.customer_gateways);
    compare(&mut changes, &before.vpn_connections, &after.vpn_connections);
    compare(&mut changes, &before.dx_gateways, &after.dx_gateways);
    compare(&mut changes, &before.dx_gateway_associations, &after.dx_gateway_associations);
    compare(&mut changes, &before.dx_private_virtual_interfaces, &after.dx_private_virtual_interfaces);
    compare(&mut changes, &before.dx_transit_virtual_interfaces, &after.dx_transit_virtual_interfaces);
    let nothing = BTreeMap::new();
    for kind in NOT_MODELLED {
        let old = before.not_modelled.get(kind.plural).unwrap_or(&nothing);
        let new = after.not_modelled.get(kind.plural).unwrap_or(&nothing);
        differences(old, new, |action, name| changes.push(change(action, kind.plural, name)));
    }
    compare(&mut changes, &before.customer_networks, &after.customer_networks);
    compare(&mut changes, &before.customer_hosts, &after.customer_hosts);
    changes
}

fn compare<K: Kind, T: PartialEq>(
    changes: &mut Vec<Change>,
    before: &BTreeMap<Name<K>, T>,
    after: &BTreeMap<Name<K>, T>,
) {
    differences(before, after, |action, name| changes.push(change(action, K::PLURAL, name.as_str())));
}

fn differences<N: Ord, T: PartialEq>(
    before: &BTreeMap<N, T>,
    after: &BTreeMap<N, T>,
    mut differs: impl FnMut(&str, &N),
) {
    let names: BTreeSet<&N> = before.keys().chain(after.keys()).collect();
    for name in names {
        let action = match (before.get(name), after.get(name)) {
            (None, Some(_)) => "create",
            (Some(_), None) => "delete",
            (Some(before), Some(after)) if before != after => "update",
            _ => continue,
        };
        differs(action, name);
    }
}

/// The settings by name, as documents write them.
fn settings(settings: Settings) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(settings)) => settings,
        _ => Map::new(),
    }
}

fn change(action: &str, kind: &str, name: &str) -> Change {
    Change { action: action.to_owned(), kind: kind.to_owned(), name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use vpclab_model::{Document, Syntax};

    use super::*;

    fn topology(text: &str) -> Topology {
        Topology::from_document(&Document::parse(text, Syntax::Yaml).unwrap(), None).unwrap()
    }

    #[test]
    fn what_comes_changes_and_goes_is_named_once_and_in_order() {
        let before = topology(
            "region: us-east-1\n\
             vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
             subnets: {a: {vpc: v, cidr_block: 10.0.0.0/24}, b: {vpc: v, cidr_block: 10.0.1.0/24}}",
        );
        let after = topology(
            "settings: {icmp_timeout: 45, mid_stream_tcp: drop}\n\
             region: eu-west-1\n\
             vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
             subnets: {c: {vpc: v, cidr_block: 10.0.3.0/24}, b: {vpc: v, cidr_block: 10.0.2.0/24}}",
        );
        let found = changes(&before, &after);
        let found: Vec<_> =
            found.iter().map(|c| (c.action.as_str(), c.kind.as_str(), c.name.as_str())).collect();
        let expected = [
            ("update", "region", "eu-west-1"),
            ("update", "settings", "mid_stream_tcp"),
            ("update", "settings", "icmp_timeout"),
            // It moves with the region.
            ("update", "vpcs", "v"),
            ("delete", "subnets", "a"),
            ("update", "subnets", "b"),
            ("create", "subnets", "c"),
        ];
        assert_eq!(found, expected);
        assert_eq!(changes(&after, &after), []);
    }
}
