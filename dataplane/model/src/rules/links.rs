//! Which private links are there, and between whom? (areas VGW, VPN and DX)
//!
//! VPN connections and virtual interfaces with the gateways at AWS's end and the customer network at the other. What is
//! known over them is [`knowledge`](super::knowledge)'s question.

mod direct_connect;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use crate::declared::{DeclaredBgpRoute, DeclaredVpnConnection};
use crate::log::Place;
use crate::name::{
    CustomerGatewayName, CustomerNetworkName, DxGatewayAssociationName, DxGatewayName,
    DxPrivateVirtualInterfaceName, DxTransitVirtualInterfaceName, TransitGatewayName, VpcName,
    VpnConnectionName, VpnGatewayName,
};
use crate::reader::{Given, Written};
use crate::register::Context;
use crate::resources::{
    AwsEnd, BgpRoute, CustomerGateway, CustomerNetwork, DxGateway, DxGatewayAssociation, LinkName, LinkState,
    LocalPreference, TunnelEncryption, VirtualInterface, Vpc, VpnConnection, VpnGateway,
};
use crate::space::{not_public, overlap_v4};

/// The code for a value that is not allowed.
const INVALID: &str = "InvalidParameterValue";
/// The autonomous system of a gateway of AWS that names none (VGW-11).
const AMAZON_ASN: u32 = 64512;
/// The same for the user's end.
const CUSTOMER_ASN: u32 = 65000;
/// Tunnels of a connection (VPN-01).
const TUNNELS: usize = 2;

/// All that private links consist of, but for customer networks.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) vpn_gateways: BTreeMap<VpnGatewayName, VpnGateway>,
    pub(super) customer_gateways: BTreeMap<CustomerGatewayName, CustomerGateway>,
    pub(super) vpn_connections: BTreeMap<VpnConnectionName, VpnConnection>,
    pub(super) dx_gateways: BTreeMap<DxGatewayName, DxGateway>,
    pub(super) dx_gateway_associations: BTreeMap<DxGatewayAssociationName, DxGatewayAssociation>,
    pub(super) dx_private_virtual_interfaces: BTreeMap<DxPrivateVirtualInterfaceName, VirtualInterface>,
    pub(super) dx_transit_virtual_interfaces: BTreeMap<DxTransitVirtualInterfaceName, VirtualInterface>,
}

/// The network behind each customer gateway and virtual interface.
#[derive(Debug, Default)]
struct Behind {
    customer_gateways: BTreeMap<CustomerGatewayName, CustomerNetworkName>,
    virtual_interfaces: BTreeMap<LinkName, CustomerNetworkName>,
}

/// The links.
pub(super) fn build(
    cx: &Context<'_>,
    vpcs: &BTreeMap<VpcName, Vpc>,
    networks: &BTreeMap<CustomerNetworkName, CustomerNetwork>,
) -> Links {
    names_apart(cx);
    attachments_apart(cx);
    let behind = behind(cx);
    let mut links = Links {
        vpn_gateways: vpn_gateways(cx),
        customer_gateways: customer_gateways(cx, &behind),
        dx_gateways: direct_connect::gateways(cx),
        ..Links::default()
    };
    links.dx_gateway_associations = direct_connect::associations(cx, &links, vpcs);
    links.vpn_connections = vpn_connections(cx, &links, networks);
    direct_connect::virtual_interfaces(cx, &behind, networks, &mut links);
    links
}

/// Attachments of a transit gateway have different names, whatever their kinds.
fn attachments_apart(cx: &Context<'_>) {
    let vpns = cx.declared.vpn_connections.iter();
    let vpns = vpns.map(|(name, d)| (name.as_str(), &d.at, &d.transit_gateway));
    let associations = cx.declared.dx_gateway_associations.iter();
    let associations = associations.map(|(name, d)| (name.as_str(), &d.at, &d.transit_gateway));
    let mut known: Vec<&str> = Vec::new();
    known.extend(cx.declared.transit_gateway_vpc_attachments.keys().map(|name| name.as_str()));
    known.extend(cx.declared.transit_gateway_peering_attachments.keys().map(|name| name.as_str()));
    for (name, at, _) in vpns.chain(associations).filter(|(_, _, gateway)| !gateway.is_absent()) {
        if known.contains(&name) {
            let problem = format!("another attachment of a transit gateway is called {name} too");
            cx.log.report(at, INVALID, problem, "give every attachment a name of its own");
        }
        known.push(name);
    }
}

/// A customer network refers to virtual interfaces of either kind by one list, and routes to links of any kind.
fn names_apart(cx: &Context<'_>) {
    for (name, declared) in &cx.declared.dx_transit_virtual_interfaces {
        let name = name.as_str();
        if cx.declared.dx_private_virtual_interfaces.contains_key(name)
            || cx.declared.vpn_connections.contains_key(name)
        {
            let problem = format!("another private link is called {name} too");
            cx.log.report(&declared.at, INVALID, problem, "give private links different names");
        }
    }
    for (name, declared) in &cx.declared.dx_private_virtual_interfaces {
        if cx.declared.vpn_connections.contains_key(name.as_str()) {
            let problem = format!("a VPN connection is called {name} too");
            cx.log.report(&declared.at, INVALID, problem, "give private links different names");
        }
    }
}

fn behind(cx: &Context<'_>) -> Behind {
    let mut behind = Behind::default();
    for (network, declared) in &cx.declared.customer_networks {
        for reference in &declared.customer_gateways.items {
            let Some(gateway) = cx.registers.customer_gateways.resolve(cx.log, reference) else { continue };
            if let Some(other) = behind.customer_gateways.insert(gateway.clone(), network.clone()) {
                claimed(cx, &reference.at, "customer gateway", gateway.as_str(), &other);
            }
        }
        for reference in &declared.virtual_interfaces.items {
            let Some(link) = virtual_interface_named(cx, reference) else { continue };
            if let Some(other) = behind.virtual_interfaces.insert(link.clone(), network.clone()) {
                claimed(cx, &reference.at, "virtual interface", link.as_str(), &other);
            }
        }
    }
    behind
}

fn claimed(cx: &Context<'_>, at: &Place, what: &str, name: &str, other: &CustomerNetworkName) {
    let problem = format!("the {what} {name} belongs to the customer network {other} already");
    cx.log.report(at, INVALID, problem, "name it in one of the two");
}

/// A virtual interface of either kind.
fn virtual_interface_named(cx: &Context<'_>, reference: &Written<String>) -> Option<LinkName> {
    let transit = &cx.registers.dx_transit_virtual_interfaces;
    match transit.find(&reference.value) {
        Some(name) => Some(LinkName::Transit(name.clone())),
        None => {
            let private = &cx.registers.dx_private_virtual_interfaces;
            private.resolve(cx.log, reference).map(LinkName::Private)
        }
    }
}

/// A private link of any kind.
pub(super) fn link_named(cx: &Context<'_>, reference: &Written<String>) -> Option<LinkName> {
    match cx.registers.vpn_connections.find(&reference.value) {
        Some(name) => Some(LinkName::Vpn(name.clone())),
        None => virtual_interface_named(cx, reference),
    }
}

fn asn(given: &Given<i64>, default: u32) -> u32 {
    given.value().and_then(|asn| u32::try_from(*asn).ok()).unwrap_or(default)
}

/// VGW-11: a private number. What gateways of before 2018 have is taken too.
fn amazon_asn(cx: &Context<'_>, given: &Given<i64>) -> u32 {
    const OLD: i64 = 7224;
    if let Some(Written { at, value }) = given.written()
        && *value != OLD
        && !(64512..=65534).contains(value)
        && !(4_200_000_000..=4_294_967_294).contains(value)
    {
        let problem = format!("{value} is not a private autonomous system number");
        cx.log.report(at, INVALID, problem, "give one from 64512 to 65534, or from 4200000000 to 4294967294");
    }
    asn(given, AMAZON_ASN)
}

fn vpn_gateways(cx: &Context<'_>) -> BTreeMap<VpnGatewayName, VpnGateway> {
    let mut gateways = BTreeMap::new();
    let mut attached: BTreeMap<VpcName, &VpnGatewayName> = BTreeMap::new();
    for (name, declared) in &cx.declared.vpn_gateways {
        let vpc = cx.registers.vpn_gateways.owner(name).cloned();
        let home = declared.home.settle(cx).unwrap_or_default();
        if let (Some(vpc), Some(written)) = (&vpc, declared.vpc.written()) {
            if let Some(other) = attached.insert(vpc.clone(), name) {
                // VGW-01, ERR-23
                let problem = format!("VPC {vpc} already has the virtual private gateway {other}");
                cx.log.report(&written.at, "InvalidVpcState", problem, "a VPC has at most one: remove one");
            } else if let Some([here, there]) = cx.home_of(Some(vpc)).and_then(|there| home.apart(&there)) {
                let problem = format!("VPC {vpc} is {there}, and the virtual private gateway {here}");
                cx.log.report(&written.at, "InvalidVpcID.NotFound", problem, "attach it where it is");
            }
        }
        let amazon_side_asn = amazon_asn(cx, &declared.amazon_side_asn);
        let labels = declared.labels.clone();
        gateways.insert(name.clone(), VpnGateway { home, vpc, amazon_side_asn, routes: Vec::new(), labels });
    }
    gateways
}

fn customer_gateways(cx: &Context<'_>, behind: &Behind) -> BTreeMap<CustomerGatewayName, CustomerGateway> {
    let mut gateways = BTreeMap::new();
    // One device may have a connection to each of several regions.
    let mut taken: BTreeMap<(String, Ipv4Addr), &CustomerGatewayName> = BTreeMap::new();
    for (name, declared) in &cx.declared.customer_gateways {
        let home = declared.home.settle(cx).unwrap_or_default();
        if let Some(Written { at, value }) = declared.ip_address.written() {
            if let Some(why) = not_public((*value).into()) {
                let problem = format!("{value} is not a public address: it {why}");
                let remedy = "give the address it has on the internet; VPN connections between private addresses, \
                              over Direct Connect, are not modelled";
                cx.log.report(at, INVALID, problem, remedy);
            } else if let Some(other) = taken.insert((home.region.clone(), *value), name) {
                // VPN-15, ERR-24
                let problem =
                    format!("{value} is the address of the customer gateway {other} of that region already");
                cx.log.report(at, "InvalidCustomerGateway.DuplicateIpAddress", problem, "give each its own");
            }
        }
        let gateway = CustomerGateway {
            home,
            bgp_asn: asn(&declared.bgp_asn, CUSTOMER_ASN),
            ip_address: declared.ip_address.value().copied(),
            customer_network: behind.customer_gateways.get(name).cloned(),
            tags: declared.tags.clone(),
        };
        gateways.insert(name.clone(), gateway);
    }
    gateways
}

/// One gateway of AWS, a virtual private one or a transit gateway.
fn aws_end(
    cx: &Context<'_>,
    at: &Place,
    vpn_gateway: &Given<String>,
    transit_gateway: &Given<String>,
) -> Option<AwsEnd> {
    match (vpn_gateway, transit_gateway) {
        (Given::Absent, Given::Absent) => {
            let problem = "it ends at no gateway of AWS";
            cx.log.report(at, "MissingParameter", problem, "give `vpn_gateway` or `transit_gateway`");
            None
        }
        (Given::Right(reference), Given::Absent) => {
            cx.registers.vpn_gateways.resolve(cx.log, reference).map(AwsEnd::VpnGateway)
        }
        (Given::Absent, Given::Right(reference)) => {
            cx.registers.transit_gateways.resolve(cx.log, reference).map(AwsEnd::TransitGateway)
        }
        (Given::Wrong, _) | (_, Given::Wrong) => None,
        (Given::Right(_), Given::Right(other)) => {
            let problem = "a link ends at one gateway of AWS";
            cx.log.report(&other.at, "InvalidParameterCombination", problem, "keep one of the two");
            None
        }
    }
}

fn vpn_connections(
    cx: &Context<'_>,
    links: &Links,
    networks: &BTreeMap<CustomerNetworkName, CustomerNetwork>,
) -> BTreeMap<VpnConnectionName, VpnConnection> {
    let mut connections: BTreeMap<VpnConnectionName, VpnConnection> = BTreeMap::new();
    for (name, declared) in &cx.declared.vpn_connections {
        let end = aws_end(cx, &declared.at, &declared.vpn_gateway, &declared.transit_gateway);
        let reference = declared.customer_gateway.written();
        let customer = reference.and_then(|r| cx.registers.customer_gateways.resolve(cx.log, r));
        let (Some(gateway), Some(customer_gateway)) = (end, customer) else { continue };
        let ends_at = links.customer_gateways.get(&customer_gateway);
        let customer_asn = ends_at.map_or(CUSTOMER_ASN, |gateway| gateway.bgp_asn);
        let network = ends_at.and_then(|gateway| networks.get(gateway.customer_network.as_ref()?));
        let is_virtual = matches!(gateway, AwsEnd::VpnGateway(_));
        if let (Some(written), Some(ends_at)) = (reference, ends_at) {
            check_ends(cx, links, declared, (&gateway, ends_at), &written.at);
        }
        if declared.static_routes_only && !is_virtual && declared.routes.given {
            let problem = "a transit gateway's static routes are in its route tables";
            let remedy = "give them in `transit_gateway_route_tables`";
            cx.log.report(&declared.routes.at, "InvalidParameterCombination", problem, remedy);
        }
        let tunnels = tunnels(cx, declared);
        let inside = inside_blocks(cx, declared, &gateway, &connections);
        if declared.static_routes_only && declared.bgp_routes.is_some() {
            let problem = "a static connection has no BGP";
            let at = declared.at.attribute("bgp_routes");
            cx.log.report(&at, "InvalidParameterCombination", problem, "give `routes`, or leave this out");
        }
        if !declared.static_routes_only && declared.routes.given {
            // VPN-10
            let problem = "a dynamic connection learns its routes by BGP";
            let remedy = "say `\"static_routes_only\": true`, or give `bgp_routes`";
            cx.log.report(&declared.routes.at, "InvalidParameterCombination", problem, remedy);
        }
        let bgp_routes = if declared.static_routes_only {
            Vec::new()
        } else {
            announced(cx, declared.bgp_routes.as_deref(), customer_asn, network, is_virtual)
        };
        let connection = VpnConnection {
            gateway,
            customer_gateway,
            static_routes_only: declared.static_routes_only,
            routes: declared.routes.items.iter().map(|written| written.value.0).collect(),
            bgp_routes,
            tunnels,
            tunnel_inside_cidrs: inside,
            encryption: declared.encryption.value().copied().unwrap_or(TunnelEncryption::Gcm),
            nat_traversal: declared.nat_traversal,
            mss_clamping: declared.mss_clamping,
            labels: declared.labels.clone(),
        };
        connections.insert(name.clone(), connection);
    }
    connections
}

/// The two ends of a connection live in one region, belong to one account, and where they speak BGP they are two
/// autonomous systems.
fn check_ends(
    cx: &Context<'_>,
    links: &Links,
    declared: &DeclaredVpnConnection,
    (gateway, customer): (&AwsEnd, &CustomerGateway),
    at: &Place,
) {
    let (home, aws_asn) = match gateway {
        AwsEnd::VpnGateway(name) => {
            let gateway = links.vpn_gateways.get(name);
            (gateway.map(|gateway| gateway.home.clone()), gateway.map(|gateway| gateway.amazon_side_asn))
        }
        AwsEnd::TransitGateway(name) => (
            cx.declared.transit_gateways.get(name).and_then(|gateway| gateway.home.settle(cx)),
            transit_gateway_asn(cx, name),
        ),
    };
    if let Some([here, there]) = home.and_then(|home| home.apart(&customer.home)) {
        let problem = format!("the customer gateway is {there}, and {} {here}", noun_of(gateway));
        let remedy = "give both the same `region` and `owner`";
        cx.log.report(at, "InvalidCustomerGatewayID.NotFound", problem, remedy);
    } else if aws_asn == Some(customer.bgp_asn) && !declared.static_routes_only {
        // ERR-24
        let problem = format!("both ends have the autonomous system number {}", customer.bgp_asn);
        cx.log.report(at, "AsnConflict", problem, "give the customer gateway another `bgp_asn`");
    }
}

fn noun_of(gateway: &AwsEnd) -> String {
    match gateway {
        AwsEnd::VpnGateway(name) => format!("the virtual private gateway {name}"),
        AwsEnd::TransitGateway(name) => format!("the transit gateway {name}"),
    }
}

/// The autonomous system of a transit gateway (TGW-27).
fn transit_gateway_asn(cx: &Context<'_>, name: &TransitGatewayName) -> Option<u32> {
    cx.declared.transit_gateways.get(name).map(|gateway| asn(&gateway.amazon_side_asn, AMAZON_ASN))
}

/// Two, which are up unless something else is said.
fn tunnels(cx: &Context<'_>, declared: &DeclaredVpnConnection) -> Vec<LinkState> {
    if !declared.tunnels.given {
        return vec![LinkState::Up; TUNNELS];
    }
    if declared.tunnels.complete && declared.tunnels.items.len() != TUNNELS {
        let problem = format!("a connection has {TUNNELS} tunnels");
        cx.log.report(&declared.tunnels.at, INVALID, problem, "give up or down for each");
    }
    declared.tunnels.items.iter().map(|written| written.value).collect()
}

/// VPN-01, VPN-02.
fn inside_blocks(
    cx: &Context<'_>,
    declared: &DeclaredVpnConnection,
    gateway: &AwsEnd,
    before: &BTreeMap<VpnConnectionName, VpnConnection>,
) -> Vec<Ipv4Net> {
    const LINK_LOCAL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16);
    const RESERVED: [Ipv4Addr; 7] = [
        Ipv4Addr::new(169, 254, 0, 0),
        Ipv4Addr::new(169, 254, 1, 0),
        Ipv4Addr::new(169, 254, 2, 0),
        Ipv4Addr::new(169, 254, 3, 0),
        Ipv4Addr::new(169, 254, 4, 0),
        Ipv4Addr::new(169, 254, 5, 0),
        Ipv4Addr::new(169, 254, 169, 252),
    ];
    let mut blocks: Vec<Ipv4Net> = Vec::new();
    for Written { at, value: block } in declared.tunnel_inside_cidrs.iter().filter_map(Given::written) {
        let is_right = block.prefix_len() == 30 && LINK_LOCAL.contains(block);
        let overlaps = |other: &Ipv4Net| overlap_v4(block, other);
        let elsewhere = before.values().filter(|other| other.gateway == *gateway);
        let in_use = elsewhere.flat_map(|other| &other.tunnel_inside_cidrs).any(overlaps)
            || blocks.iter().any(overlaps);
        if !is_right || RESERVED.contains(&block.network()) {
            let problem = format!("{block} is no inside block of a tunnel");
            let remedy = "give a /30 of 169.254.0.0/16 other than those that AWS keeps";
            cx.log.report(at, INVALID, problem, remedy);
        } else if in_use {
            let problem = format!("{block} is the inside block of another tunnel of the gateway");
            cx.log.report(at, "InvalidCidr.InUse", problem, "choose another /30 of 169.254.0.0/16");
        }
        blocks.push(*block);
    }
    blocks
}

/// What the user's end announces: what is written, else the blocks of the network behind it. Over a VPN to a virtual
/// private gateway there is no IPv6 (VGW-08).
fn announced(
    cx: &Context<'_>,
    declared: Option<&[DeclaredBgpRoute]>,
    own_asn: u32,
    network: Option<&CustomerNetwork>,
    ipv4_only: bool,
) -> Vec<BgpRoute> {
    let Some(declared) = declared else {
        let blocks = network.into_iter().flat_map(CustomerNetwork::blocks);
        let carried = blocks.filter(|block| !ipv4_only || matches!(block, IpNet::V4(_)));
        let route = |destination| BgpRoute {
            destination,
            as_path: vec![own_asn],
            med: None,
            local_preference: LocalPreference::Medium,
        };
        return carried.map(route).collect();
    };
    let mut routes: Vec<BgpRoute> = Vec::new();
    for route in declared {
        let destination = match (&route.cidr_block, &route.ipv6_cidr_block) {
            (Given::Right(block), Given::Absent) => IpNet::V4(block.value),
            (Given::Absent, Given::Right(block)) if ipv4_only => {
                let problem = "a VPN connection to a virtual private gateway carries IPv4 only";
                cx.log.report(&block.at, INVALID, problem, "use a transit gateway for IPv6");
                continue;
            }
            (Given::Absent, Given::Right(block)) => IpNet::V6(block.value),
            (Given::Wrong, _) | (_, Given::Wrong) => continue,
            _ => {
                let remedy = "give either `cidr_block` or `ipv6_cidr_block`";
                cx.log.report(&route.at, "MissingParameter", "a BGP route has one destination", remedy);
                continue;
            }
        };
        if routes.iter().any(|other| other.destination == destination) {
            let problem = format!("{destination} is announced twice over one link");
            cx.log.report(&route.at, INVALID, problem, "keep one of the two");
        }
        let written: Vec<u32> =
            route.as_path.items.iter().filter_map(|asn| u32::try_from(asn.value).ok()).collect();
        routes.push(BgpRoute {
            destination,
            as_path: if route.as_path.given { written } else { vec![own_asn] },
            med: route.med.value().and_then(|med| u32::try_from(*med).ok()),
            local_preference: route.local_preference.value().copied().unwrap_or(LocalPreference::Medium),
        });
    }
    routes
}
