//! What do the two ends of private links know of each other? (areas VGW, VPN and DX)
//!
//! Gateways learn what customers announce or what is configured; customer networks learn what gateways announce. What
//! always holds: a link that is down makes nothing known.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::declared::DeclaredRouteTable;
use crate::name::{
    CustomerNetworkName, DxGatewayName, RouteTableName, TransitGatewayRouteTableName, VpcName,
    VpnConnectionName, VpnGatewayName,
};
use crate::register::Context;
use crate::resources::{
    AttachmentName, AwsEnd, BgpRoute, CustomerNetwork, CustomerRoute, LearnedRoute, LinkName, LinkState,
    LocalPreference, Propagation, RouteState, RouteTarget, TransitGatewayRouteState,
    TransitGatewayRouteTable, VirtualInterfaceEnd, Vpc,
};
use crate::rules::links::{Links, link_named};
use crate::rules::routes::{Supplied, SuppliedDestination};

/// The metric of a route that announces none (TGW-07).
const NO_MED_DX: u32 = 0;
/// The same over VPN.
const NO_MED_VPN: u32 = 100;

/// Lets the gateways of AWS learn.
pub(super) fn learn(links: &mut Links) {
    let gateways: Vec<VpnGatewayName> = links.vpn_gateways.keys().cloned().collect();
    for name in gateways {
        let routes = settled(learned_by(links, &name));
        if let Some(gateway) = links.vpn_gateways.get_mut(&name) {
            gateway.routes = routes;
        }
    }
    let associations: Vec<_> = links.dx_gateway_associations.keys().cloned().collect();
    for name in associations {
        let Some(association) = links.dx_gateway_associations.get(&name) else { continue };
        if !matches!(association.gateway, AwsEnd::TransitGateway(_)) {
            continue;
        }
        let routes = settled(learned_from(links, &association.dx_gateway));
        if let Some(association) = links.dx_gateway_associations.get_mut(&name) {
            association.routes = routes;
        }
    }
}

/// Routes in order of preference, those in use marked (VGW-04, VGW-05, DX-08).
fn settled(mut routes: Vec<LearnedRoute>) -> Vec<LearnedRoute> {
    routes.sort_by(|one, other| rank(one).cmp(&rank(other)));
    for place in 0..routes.len() {
        let first = routes.iter().position(|r| r.destination == routes[place].destination);
        let equals = first.is_some_and(|first| preference(&routes[first]) == preference(&routes[place]));
        let shares = routes[place].origin == Propagation::DirectConnect;
        routes[place].in_use = first == Some(place) || shares && equals;
        routes[place].equal = !routes[place].in_use && equals;
    }
    routes
}

/// What customers announce over the transit virtual interfaces of a Direct Connect gateway.
fn learned_from(links: &Links, dx: &DxGatewayName) -> Vec<LearnedRoute> {
    let end = VirtualInterfaceEnd::DxGateway(dx.clone());
    let here = links.dx_transit_virtual_interfaces.iter();
    let up = here.filter(|(_, vif)| vif.end == end && vif.state == LinkState::Up);
    let announced = up.flat_map(|(name, vif)| {
        let link = LinkName::Transit(name.clone());
        vif.bgp_routes.iter().map(move |r| of_bgp(r, &link, Propagation::DirectConnect, NO_MED_DX))
    });
    announced.collect()
}

/// What sets paths to one destination apart, the preferred first (VGW-04, DX-04).
fn preference(route: &LearnedRoute) -> (Propagation, LocalPreference, usize, u32) {
    (route.origin, route.local_preference, route.as_path.len(), route.med)
}

/// Equal paths are told apart by name: over VPN exactly one is used, and which one is AWS's choice (VGW-05).
fn rank(route: &LearnedRoute) -> (IpNet, (Propagation, LocalPreference, usize, u32), &LinkName) {
    (route.destination, preference(route), &route.link)
}

fn learned_by(links: &Links, name: &VpnGatewayName) -> Vec<LearnedRoute> {
    let mut routes = Vec::new();
    let here = AwsEnd::VpnGateway(name.clone());
    let vpns = links.vpn_connections.iter().filter(|(_, vpn)| vpn.gateway == here && vpn.is_up());
    for (vpn, connection) in vpns {
        let link = LinkName::Vpn(vpn.clone());
        routes.extend(connection.routes.iter().map(|block| LearnedRoute {
            destination: IpNet::V4(*block),
            link: link.clone(),
            origin: Propagation::VpnStatic,
            as_path: Vec::new(),
            med: 0,
            local_preference: LocalPreference::Medium,
            in_use: false,
            equal: false,
        }));
        let announced = connection.bgp_routes.iter();
        routes.extend(announced.map(|r| of_bgp(r, &link, Propagation::VpnBgp, NO_MED_VPN)));
    }
    for (interface, vif) in &links.dx_private_virtual_interfaces {
        let leads_here = match &vif.end {
            VirtualInterfaceEnd::VpnGateway(gateway) => gateway == name,
            VirtualInterfaceEnd::DxGateway(dx) => links
                .dx_gateway_associations
                .values()
                .any(|association| association.dx_gateway == *dx && association.gateway == here),
        };
        if leads_here && vif.state == LinkState::Up {
            let link = LinkName::Private(interface.clone());
            let announced = vif.bgp_routes.iter();
            routes.extend(announced.map(|r| of_bgp(r, &link, Propagation::DirectConnect, NO_MED_DX)));
        }
    }
    routes
}

fn of_bgp(route: &BgpRoute, link: &LinkName, origin: Propagation, no_med: u32) -> LearnedRoute {
    LearnedRoute {
        destination: route.destination,
        link: link.clone(),
        origin,
        as_path: route.as_path.clone(),
        med: route.med.unwrap_or(no_med),
        local_preference: route.local_preference,
        in_use: false,
        equal: false,
    }
}

/// The routes that virtual private gateways put into the tables that take them (RT-34).
pub(super) fn propagate(cx: &Context<'_>, links: &Links) -> Vec<Supplied> {
    let mut supplied = Vec::new();
    for (table, declared) in &cx.declared.route_tables {
        for name in propagating(cx, table, declared) {
            let Some(gateway) = links.vpn_gateways.get(&name) else { continue };
            let mut told: Vec<(IpNet, Propagation)> = Vec::new();
            for route in &gateway.routes {
                let about = (route.destination, route.origin);
                if told.contains(&about) {
                    continue;
                }
                told.push(about);
                supplied.push(Supplied {
                    table: table.clone(),
                    destination: SuppliedDestination::Propagated(route.destination, route.origin),
                    target: (RouteTarget::VpnGateway(name.clone()), RouteState::Active),
                });
            }
        }
    }
    supplied
}

/// The gateways that a table names, which must be attached to its VPC.
fn propagating(
    cx: &Context<'_>,
    table: &RouteTableName,
    declared: &DeclaredRouteTable,
) -> Vec<VpnGatewayName> {
    let mut gateways = Vec::new();
    for reference in &declared.propagating_vgws.items {
        let Some(name) = cx.registers.vpn_gateways.resolve(cx.log, reference) else { continue };
        let (there, here) = (cx.registers.vpn_gateways.owner(&name), cx.registers.route_tables.owner(table));
        if here.is_some() && there != here {
            let problem = format!("the virtual private gateway {name} is not attached to the table's VPC");
            cx.log.report(&reference.at, "Gateway.NotAttached", problem, "attach it, or leave it out");
        } else if !gateways.contains(&name) {
            gateways.push(name);
        }
    }
    gateways
}

/// What gateways of AWS have to announce.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) vpcs: &'a BTreeMap<VpcName, Vpc>,
    pub(super) transit_tables: &'a BTreeMap<TransitGatewayRouteTableName, TransitGatewayRouteTable>,
}

/// Lets the customer networks learn.
pub(super) fn tell_customers(
    cx: &Context<'_>,
    networks: &mut BTreeMap<CustomerNetworkName, CustomerNetwork>,
    links: &Links,
    known: &Known<'_>,
) {
    for (name, network) in networks.iter_mut() {
        let mut routes = Vec::new();
        if let Some(declared) = cx.declared.customer_networks.get(name) {
            for route in &declared.routes {
                let link =
                    route.link.written().and_then(|reference| Some((link_named(cx, reference)?, reference)));
                let v4 = route.cidr_block.value().map(|block| IpNet::V4(*block));
                let v6 = route.ipv6_cidr_block.value().map(|block| IpNet::V6(*block));
                let (Some((link, reference)), Some(destination)) = (link, v4.or(v6)) else { continue };
                if behind(links, &link) != Some(name) {
                    let problem = format!("the private link {link} does not lead to this network");
                    let remedy = "name one of its own links";
                    cx.log.report(&reference.at, "InvalidParameterValue", problem, remedy);
                } else if is_up(links, &link) {
                    routes.push(CustomerRoute {
                        destination,
                        link,
                        declared: true,
                        in_use: false,
                        equal: false,
                    });
                }
            }
        }
        for link in links_of(links, name) {
            let told = announced_over(links, known, &link, name);
            routes.extend(told.into_iter().map(|destination| CustomerRoute {
                destination,
                link: link.clone(),
                declared: false,
                in_use: false,
                equal: false,
            }));
        }
        // Its own routes, then Direct Connect before VPN, as AWS has it in the other direction (DX-05); then by name.
        let rank = |route: &CustomerRoute| {
            let is_vpn = matches!(route.link, LinkName::Vpn(_));
            (route.destination, !route.declared, is_vpn, route.link.clone())
        };
        routes.sort_by_key(rank);
        routes.dedup_by(|one, other| one.destination == other.destination && one.link == other.link);
        for place in 0..routes.len() {
            let first = routes.iter().position(|route| route.destination == routes[place].destination);
            let kind = |route: &CustomerRoute| (route.declared, matches!(route.link, LinkName::Vpn(_)));
            routes[place].in_use = first == Some(place);
            routes[place].equal =
                first.is_some_and(|first| first != place && kind(&routes[first]) == kind(&routes[place]));
        }
        network.routes = routes;
    }
}

/// The links of a network that carry packets.
fn links_of(links: &Links, network: &CustomerNetworkName) -> Vec<LinkName> {
    let vpns = links.vpn_connections.keys().cloned().map(LinkName::Vpn);
    let private = links.dx_private_virtual_interfaces.keys().cloned().map(LinkName::Private);
    let transit = links.dx_transit_virtual_interfaces.keys().cloned().map(LinkName::Transit);
    let all = vpns.chain(private).chain(transit);
    all.filter(|link| behind(links, link) == Some(network) && is_up(links, link)).collect()
}

/// The network at a link's other end.
fn behind<'a>(links: &'a Links, link: &LinkName) -> Option<&'a CustomerNetworkName> {
    match link {
        LinkName::Vpn(name) => {
            let gateway = &links.vpn_connections.get(name)?.customer_gateway;
            links.customer_gateways.get(gateway)?.customer_network.as_ref()
        }
        LinkName::Private(name) => links.dx_private_virtual_interfaces.get(name)?.customer_network.as_ref(),
        LinkName::Transit(name) => links.dx_transit_virtual_interfaces.get(name)?.customer_network.as_ref(),
    }
}

fn is_up(links: &Links, link: &LinkName) -> bool {
    let is_up = |vif: &crate::resources::VirtualInterface| vif.state == LinkState::Up;
    match link {
        LinkName::Vpn(name) => links.vpn_connections.get(name).is_some_and(|vpn| vpn.is_up()),
        LinkName::Private(name) => links.dx_private_virtual_interfaces.get(name).is_some_and(is_up),
        LinkName::Transit(name) => links.dx_transit_virtual_interfaces.get(name).is_some_and(is_up),
    }
}

/// What AWS announces over a link to the network at its other end. Over a static VPN connection nothing is announced;
/// there the network knows the VPC's blocks all the same, as the sample configurations of AWS have it.
fn announced_over(
    links: &Links,
    known: &Known<'_>,
    link: &LinkName,
    network: &CustomerNetworkName,
) -> Vec<IpNet> {
    let blocks_behind = |gateway: &VpnGatewayName| {
        let vpc = links.vpn_gateways.get(gateway).and_then(|gateway| known.vpcs.get(gateway.vpc.as_ref()?));
        vpc.into_iter().flat_map(Vpc::cidr_blocks)
    };
    match link {
        LinkName::Vpn(name) => {
            let Some(vpn) = links.vpn_connections.get(name) else { return Vec::new() };
            match &vpn.gateway {
                AwsEnd::VpnGateway(gateway) => {
                    let ipv4 = blocks_behind(gateway).filter(|block| matches!(block, IpNet::V4(_)));
                    ipv4.chain(other_sites(links, gateway, name, network)).collect()
                }
                AwsEnd::TransitGateway(_) => routed_by_transit(links, known, name, network),
            }
        }
        LinkName::Private(name) => match links.dx_private_virtual_interfaces.get(name).map(|vif| &vif.end) {
            Some(VirtualInterfaceEnd::VpnGateway(gateway)) => blocks_behind(gateway).collect(),
            Some(VirtualInterfaceEnd::DxGateway(dx)) => {
                let mut blocks = Vec::new();
                for association in links.dx_gateway_associations.values().filter(|a| a.dx_gateway == *dx) {
                    let AwsEnd::VpnGateway(gateway) = &association.gateway else { continue };
                    // DX-07: a filter.
                    let passes = |block: &IpNet| {
                        let allowed = association.allowed_prefixes.as_ref();
                        allowed.is_none_or(|allowed| allowed.iter().any(|prefix| prefix.contains(block)))
                    };
                    blocks.extend(blocks_behind(gateway).filter(passes));
                }
                blocks
            }
            None => Vec::new(),
        },
        LinkName::Transit(name) => match links.dx_transit_virtual_interfaces.get(name).map(|vif| &vif.end) {
            Some(VirtualInterfaceEnd::DxGateway(dx)) => {
                // DX-07: exactly these.
                let associations = links.dx_gateway_associations.values();
                let here = associations.filter(|a| a.dx_gateway == *dx);
                let transit = here.filter(|a| matches!(a.gateway, AwsEnd::TransitGateway(_)));
                transit.flat_map(|a| a.allowed_prefixes.iter().flatten().copied()).collect()
            }
            _ => Vec::new(),
        },
    }
}

/// CloudHub: what the gateway has learnt by BGP over the VPN connections of other sites. BGP takes no route that has come
/// through one's own autonomous system, so sites that share one do not hear of each other (VGW-09).
fn other_sites(
    links: &Links,
    gateway: &VpnGatewayName,
    name: &VpnConnectionName,
    network: &CustomerNetworkName,
) -> Vec<IpNet> {
    let Some(vpn) = links.vpn_connections.get(name).filter(|vpn| !vpn.static_routes_only) else {
        return Vec::new();
    };
    let own_asn = links.customer_gateways.get(&vpn.customer_gateway).map(|gateway| gateway.bgp_asn);
    let learned = links.vpn_gateways.get(gateway).into_iter().flat_map(|gateway| &gateway.routes);
    learned
        .filter(|route| route.in_use && route.origin == Propagation::VpnBgp)
        .filter(|route| own_asn.is_none_or(|asn| !route.as_path.contains(&asn)))
        .filter(|route| behind(links, &route.link) != Some(network))
        .map(|route| route.destination)
        .collect()
}

/// A transit gateway announces, over a dynamic connection, the routes of the table that the attachment is associated with
/// (TGW-04), but for those that lead back to the same network.
fn routed_by_transit(
    links: &Links,
    known: &Known<'_>,
    name: &VpnConnectionName,
    network: &CustomerNetworkName,
) -> Vec<IpNet> {
    if links.vpn_connections.get(name).is_none_or(|vpn| vpn.static_routes_only) {
        return Vec::new();
    }
    let attachment = AttachmentName::Vpn(name.clone());
    let associated = known.transit_tables.values().find(|table| table.associations.contains(&attachment));
    let leads_back = |attachment: &AttachmentName| match attachment {
        AttachmentName::Vpn(other) => behind(links, &LinkName::Vpn(other.clone())) == Some(network),
        _ => false,
    };
    let routes = associated.into_iter().flat_map(|table| &table.routes);
    let active = routes.filter(|route| route.state == TransitGatewayRouteState::Active);
    active.filter(|route| !route.attachments.iter().all(leads_back)).map(|route| route.destination).collect()
}
