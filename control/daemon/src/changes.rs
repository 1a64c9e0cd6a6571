//! What becomes different between two topologies?
//!
//! The region, the settings, then resources by kind and name. What a lab answers to a new topology and what is foretold
//! about one is both said here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use vpclab_api::Change;
use vpclab_model::{Kind, NOT_MODELLED, Name, Settings, Topology};

/// Compares the resources of these kinds. It does not compile unless every kind is listed.
macro_rules! compare_each {
    ($changes:ident, $before:ident, $after:ident, [$($kind:ident),*]) => {
        let Topology { region: _, settings: _, not_modelled: _, $($kind: _),* } = $after;
        $(compare(&mut $changes, &$before.$kind, &$after.$kind);)*
    };
}

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
    compare_each!(
        changes,
        before,
        after,
        [
            vpcs,
            subnets,
            route_tables,
            internet_gateways,
            egress_only_internet_gateways,
            nat_gateways,
            vpc_peering_connections,
            transit_gateways,
            transit_gateway_vpc_attachments,
            transit_gateway_peering_attachments,
            transit_gateway_route_tables,
            managed_prefix_lists,
            network_acls,
            security_groups,
            network_interfaces,
            instances,
            eips,
            internet_hosts,
            vpc_endpoints,
            services,
            vpn_gateways,
            customer_gateways,
            vpn_connections,
            dx_gateways,
            dx_gateway_associations,
            dx_private_virtual_interfaces,
            dx_transit_virtual_interfaces,
            customer_networks,
            customer_hosts
        ]
    );
    let nothing = BTreeMap::new();
    for kind in NOT_MODELLED {
        let old = before.not_modelled.get(kind.plural).unwrap_or(&nothing);
        let new = after.not_modelled.get(kind.plural).unwrap_or(&nothing);
        differences(old, new, |action, name| changes.push(change(action, kind.plural, name)));
    }
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
    use vpclab_model::{Document, KINDS, Syntax};

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

    #[test]
    fn what_comes_is_told_whatever_kind_it_is_of() {
        let nothing = topology("vpcs: {}");
        let everything = topology(
            "vpcs: {v: {cidr_block: 10.0.0.0/16}, w: {cidr_block: 10.1.0.0/16}}\n\
             subnets: {a: {vpc: v, cidr_block: 10.0.0.0/24}}\n\
             internet_gateways: {igw: {vpc: v}}\n\
             egress_only_internet_gateways: {eigw: {vpc: v}}\n\
             nat_gateways: {nat: {subnet: a, connectivity_type: private}}\n\
             vpc_peering_connections: {pcx: {vpc: v, peer_vpc: w}}\n\
             transit_gateways: {hub: {}, far: {}}\n\
             transit_gateway_vpc_attachments: {at: {transit_gateway: hub, vpc: v, subnets: [a]}}\n\
             transit_gateway_peering_attachments: {both: {transit_gateway: hub, peer_transit_gateway: far}}\n\
             managed_prefix_lists: {pl: {address_family: IPv4, max_entries: 1}}\n\
             instances: {i: {subnet: a}}\n\
             eips: {e: {}}\n\
             internet_hosts: {h: {address: 198.51.100.7}}\n\
             vpc_endpoints: {s3: {vpc: v, service_name: com.amazonaws.us-east-1.s3}}\n\
             services: {com.amazonaws.us-east-1.s3: {address: 52.216.0.1}}\n\
             vpn_gateways: {vgw: {vpc: v}}\n\
             customer_gateways: {cgw: {bgp_asn: 65001}}\n\
             vpn_connections: {vpn: {vpn_gateway: vgw, customer_gateway: cgw}}\n\
             dx_gateways: {dx: {amazon_side_asn: 64999}}\n\
             dx_gateway_associations: {as: {dx_gateway: dx, transit_gateway: hub, allowed_prefixes: [10.0.0.0/16]}}\n\
             dx_private_virtual_interfaces: {private: {vpn_gateway: vgw}}\n\
             dx_transit_virtual_interfaces: {transit: {dx_gateway: dx}}\n\
             customer_networks: {net: {cidr_blocks: [192.168.0.0/16]}}\n\
             customer_hosts: {desk: {customer_network: net, address: 192.168.0.7}}\n\
             load_balancers: {lb: {subnets: [a]}}",
        );
        let found = changes(&nothing, &everything);
        let kinds: BTreeSet<&str> = found.iter().map(|change| change.kind.as_str()).collect();
        let expected: BTreeSet<&str> = KINDS.iter().copied().chain(["load_balancers"]).collect();
        assert_eq!(kinds, expected);
    }
}
