//! What could go without anybody missing it?
//!
//! What AWS makes by itself is never unused, nor is what may be used by something of which not all is known.

use std::collections::BTreeSet;

use vpclab_api::Finding;
use vpclab_model::{
    AwsEnd, ConnectivityType, EdgeGateway, InterfaceType, Kind, Name, Peer, PrefixListOwner, RouteTarget,
    SecurityGroupName, Topology, VpcName,
};

use super::Lint;
use super::catalogue::{
    Check, UNUSED_EGRESS_ONLY_GATEWAY, UNUSED_EIP, UNUSED_INTERNET_GATEWAY, UNUSED_NAT_GATEWAY,
    UNUSED_NETWORK_ACL, UNUSED_NETWORK_INTERFACE, UNUSED_PEERING, UNUSED_PREFIX_LIST, UNUSED_ROUTE_TABLE,
    UNUSED_SECURITY_GROUP, UNUSED_TRANSIT_GATEWAY, UNUSED_TRANSIT_TABLE, UNUSED_VPN_GATEWAY,
};

pub(super) fn check(cx: &Lint<'_>) -> Vec<Finding> {
    let t = cx.topology;
    let unclear = Unclear::of(t);
    let mut found = security_groups(t, &unclear);
    found.extend(tables_and_acls(t, &unclear));
    found.extend(interfaces(t));
    found.extend(gateways(t, &unclear));
    found.extend(prefix_lists(t, &unclear));
    found
}

fn unused<K: Kind>(check: &Check, name: &Name<K>) -> Finding {
    check.about(name, check.says.to_owned(), "take it out, or put it to use".to_owned())
}

/// Where not all is known of what may use something.
struct Unclear<'a> {
    /// VPCs in which the groups of some interface are not known.
    interfaces: BTreeSet<&'a VpcName>,
    /// VPCs in which the tables of some subnet are not known.
    subnets: BTreeSet<&'a VpcName>,
    /// VPCs in which the routes of some table are not known.
    routes: BTreeSet<&'a VpcName>,
}

impl<'a> Unclear<'a> {
    fn of(t: &'a Topology) -> Self {
        let vpcs = t.vpcs.iter().filter(|(_, vpc)| vpc.labels.not_modelled.is_some()).map(|(name, _)| name);
        let vpcs: BTreeSet<&VpcName> = vpcs.collect();
        let subnets = t.subnets.values().filter(|subnet| subnet.labels.not_modelled.is_some());
        let subnets: BTreeSet<&VpcName> = subnets.map(|subnet| &subnet.vpc).chain(vpcs).collect();
        let interfaces = t.network_interfaces.values().filter(|eni| {
            let instance =
                eni.attachment.as_ref().and_then(|attachment| t.instances.get(&attachment.instance));
            eni.labels.not_modelled.is_some()
                || instance.is_some_and(|instance| instance.labels.not_modelled.is_some())
                || matches!(eni.interface_type, InterfaceType::NotModelled { .. })
        });
        let interfaces = interfaces.filter_map(|eni| Some(&t.subnets.get(&eni.subnet)?.vpc));
        let interfaces: BTreeSet<&VpcName> = interfaces.chain(subnets.iter().copied()).collect();
        let tables = t.route_tables.values().filter(|table| table.labels.not_modelled.is_some());
        let routes = tables.map(|table| &table.vpc).chain(subnets.iter().copied()).collect();
        Self { interfaces, subnets, routes }
    }
}

fn security_groups(t: &Topology, unclear: &Unclear<'_>) -> Vec<Finding> {
    let mut used: BTreeSet<&SecurityGroupName> =
        t.network_interfaces.values().flat_map(|eni| &eni.security_groups).collect();
    used.extend(t.not_modelled.values().flat_map(|all| all.values()).flat_map(|one| &one.security_groups));
    // A group that rules of used groups name says something about them; so on.
    loop {
        let named = |name: &SecurityGroupName| {
            t.security_groups
                .get(name)
                .into_iter()
                .flat_map(|group| group.ingress.iter().chain(&group.egress))
                .filter_map(|rule| if let Peer::Group(group) = &rule.peer { Some(group) } else { None })
                .filter_map(|group| t.security_groups.get_key_value(group).map(|(name, _)| name))
                .collect::<Vec<_>>()
        };
        let more: BTreeSet<&SecurityGroupName> = used.iter().flat_map(|name| named(name)).collect();
        let before = used.len();
        used.extend(more);
        if used.len() == before {
            break;
        }
    }
    let is_default =
        |name: &SecurityGroupName| t.vpcs.values().any(|vpc| vpc.default_security_group == *name);
    t.security_groups
        .iter()
        .filter(|(name, group)| {
            let vpcs = std::iter::once(&group.vpc).chain(&group.vpc_associations);
            !used.contains(name)
                && !is_default(name)
                && !vpcs.into_iter().any(|vpc| unclear.interfaces.contains(vpc))
        })
        .map(|(name, _)| unused(&UNUSED_SECURITY_GROUP, name))
        .collect()
}

fn tables_and_acls(t: &Topology, unclear: &Unclear<'_>) -> Vec<Finding> {
    let acls: BTreeSet<_> = t.subnets.values().map(|subnet| &subnet.network_acl).collect();
    let tables: BTreeSet<_> = t.subnets.values().map(|subnet| &subnet.route_table).collect();
    let acls = t
        .network_acls
        .iter()
        .filter(|(name, acl)| !acl.default && !acls.contains(name) && !unclear.subnets.contains(&acl.vpc));
    let tables = t.route_tables.iter().filter(|(name, table)| {
        let serves = !table.gateways.is_empty() || tables.contains(name);
        !table.main && !serves && !unclear.subnets.contains(&table.vpc) && !is_main_of_aws(t, name.as_str())
    });
    let transit = t.transit_gateway_route_tables.iter().filter(|(name, table)| {
        let gateway = t.transit_gateways.get(&table.transit_gateway);
        let is_default = gateway.is_some_and(|gateway| gateway.default_route_table.as_ref() == Some(*name));
        let is_known = table.labels.not_modelled.is_none()
            && gateway.is_some_and(|gateway| gateway.labels.not_modelled.is_none());
        !is_default && is_known && table.associations.is_empty()
    });
    let acls = acls.map(|(name, _)| unused(&UNUSED_NETWORK_ACL, name));
    let tables = tables.map(|(name, _)| unused(&UNUSED_ROUTE_TABLE, name));
    let transit = transit.map(|(name, _)| unused(&UNUSED_TRANSIT_TABLE, name));
    acls.chain(tables).chain(transit).collect()
}

/// Whether AWS has made the table with a VPC, whose main one is another now.
fn is_main_of_aws(t: &Topology, name: &str) -> bool {
    name.strip_suffix("/main").is_some_and(|vpc| t.vpcs.contains_key(vpc))
}

fn interfaces(t: &Topology) -> Vec<Finding> {
    let interfaces = t.network_interfaces.iter().filter(|(_, eni)| {
        eni.interface_type == InterfaceType::Interface
            && eni.attachment.is_none()
            && eni.labels.not_modelled.is_none()
    });
    let eips = t.eips.iter().filter(|(_, eip)| eip.association.is_none());
    let interfaces = interfaces.map(|(name, _)| unused(&UNUSED_NETWORK_INTERFACE, name));
    interfaces.chain(eips.map(|(name, _)| unused(&UNUSED_EIP, name))).collect()
}

fn gateways(t: &Topology, unclear: &Unclear<'_>) -> Vec<Finding> {
    let targets: Vec<&RouteTarget> =
        t.route_tables.values().flat_map(|table| &table.routes).map(|route| &route.target).collect();
    let leads = |target: &RouteTarget| targets.contains(&target);
    let known = |vpc: &VpcName| !unclear.routes.contains(vpc);
    let mut found = Vec::new();
    for (name, gateway) in &t.internet_gateways {
        let of_edge = EdgeGateway::InternetGateway(name.clone());
        let has_edge = t.route_tables.values().any(|table| table.gateways.contains(&of_edge));
        let is_known = gateway.vpc.as_ref().is_none_or(known) && gateway.labels.not_modelled.is_none();
        if is_known && !has_edge && !leads(&RouteTarget::InternetGateway(name.clone())) {
            found.push(unused(&UNUSED_INTERNET_GATEWAY, name));
        }
    }
    for (name, gateway) in &t.egress_only_internet_gateways {
        if known(&gateway.vpc) && !leads(&RouteTarget::EgressOnlyInternetGateway(name.clone())) {
            found.push(unused(&UNUSED_EGRESS_ONLY_GATEWAY, name));
        }
    }
    for (name, nat) in &t.nat_gateways {
        let is_known = t.subnets.get(&nat.subnet).is_some_and(|subnet| known(&subnet.vpc));
        if is_known && !leads(&RouteTarget::NatGateway(name.clone())) {
            let finding = unused(&UNUSED_NAT_GATEWAY, name);
            let cost =
                if nat.connectivity_type == ConnectivityType::Public { "; it costs by the hour" } else { "" };
            found.push(Finding { reason: format!("{}{cost}", finding.reason), ..finding });
        }
    }
    for (name, peering) in &t.vpc_peering_connections {
        let is_known =
            known(&peering.vpc) && known(&peering.peer_vpc) && peering.labels.not_modelled.is_none();
        if is_known && !leads(&RouteTarget::VpcPeeringConnection(name.clone())) {
            found.push(unused(&UNUSED_PEERING, name));
        }
    }
    for (name, gateway) in &t.vpn_gateways {
        let is_known = gateway.vpc.as_ref().is_none_or(known) && gateway.labels.not_modelled.is_none();
        let of_edge = EdgeGateway::VpnGateway(name.clone());
        let has_edge = t.route_tables.values().any(|table| table.gateways.contains(&of_edge));
        if is_known && !has_edge && !leads(&RouteTarget::VpnGateway(name.clone())) {
            found.push(unused(&UNUSED_VPN_GATEWAY, name));
        }
    }
    for (name, gateway) in &t.transit_gateways {
        let vpcs = t.transit_gateway_vpc_attachments.values().map(|one| &one.transit_gateway);
        let peers = t.transit_gateway_peering_attachments.values();
        let peers = peers.flat_map(|one| [&one.transit_gateway, &one.peer_transit_gateway]);
        let links = t.vpn_connections.values().map(|one| &one.gateway);
        let links = links.chain(t.dx_gateway_associations.values().map(|one| &one.gateway));
        let links =
            links.filter_map(|end| if let AwsEnd::TransitGateway(one) = end { Some(one) } else { None });
        let is_used = vpcs.chain(peers).chain(links).any(|one| one == name);
        if !is_used && gateway.labels.not_modelled.is_none() {
            found.push(unused(&UNUSED_TRANSIT_GATEWAY, name));
        }
    }
    found
}

fn prefix_lists(t: &Topology, unclear: &Unclear<'_>) -> Vec<Finding> {
    let rules = t.security_groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress));
    let rules =
        rules.filter_map(|rule| if let Peer::PrefixList(list) = &rule.peer { Some(list) } else { None });
    let routes = t.route_tables.values().flat_map(|table| &table.prefix_lists);
    let endpoints = t.vpc_endpoints.values().flat_map(|endpoint| &endpoint.prefix_lists);
    let used: BTreeSet<_> = rules.chain(routes).chain(endpoints).collect();
    let is_own = |list: &vpclab_model::ManagedPrefixList| list.managed_by == PrefixListOwner::Customer;
    let is_transit = t.transit_gateway_route_tables.values().any(|table| {
        table.routes.iter().any(|route| route.source == vpclab_model::TransitGatewayRouteSource::PrefixList)
    });
    let groups_known = t.security_groups.values().all(|group| group.labels.not_modelled.is_none());
    let is_known = unclear.routes.is_empty() && groups_known && !is_transit;
    let all =
        t.managed_prefix_lists.iter().filter(|(name, list)| is_known && is_own(list) && !used.contains(name));
    all.map(|(name, _)| unused(&UNUSED_PREFIX_LIST, name)).collect()
}
