//! Is there more of anything than the document's quotas allow? (area QUOTA)
//!
//! Asked of the whole topology, once everything in it is known. Reported at the first resource that is one too many, in
//! the order of names.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::declared::{DEFAULT, MAIN};
use crate::home::{DEFAULT_OWNER, Home};
use crate::log::Place;
use crate::name::{
    DxGatewayAssociationName, InstanceName, Kind, Name, NetworkInterfaceName, TransitGatewayName, VpcName,
};
use crate::quotas::{Counted, GROUPS_TIMES_RULES, QUOTAS, Quota};
use crate::register::{Context, is_made_by_aws};
use crate::resources::{
    AddressFamily, AttachmentState, AwsEnd, BgpRoute, ConnectivityType, InterfaceType, NatGatewayState,
    NetworkInterface, Peer, PeeringState, PrefixListOwner, Route, RouteOrigin, SecurityGroupRule, Topology,
    VpcEndpointType, VpnConnection,
};
use crate::settings::NetworkAclQuota;

/// What there is of one thing in one place.
struct Usage {
    /// Whose it is, as a subject: `VPC shop`.
    of: String,
    used: u32,
    /// What is counted, in order; or the one place where it all stands.
    at: Vec<Place>,
}

/// Checks every quota that the document imposes.
pub(super) fn check(cx: &Context<'_>, topology: &Topology) {
    let in_force = &cx.declared.quotas;
    for quota in QUOTAS {
        let Some(limit) = in_force.limit(quota) else { continue };
        for usage in usages(cx, quota.counted, topology) {
            if usage.used > limit {
                report(cx, quota, limit, &usage);
            }
        }
    }
    if in_force.0.contains_key("security_groups_per_network_interface")
        && in_force.0.contains_key("rules_per_security_group")
    {
        check_product(cx, topology);
    }
}

fn report(cx: &Context<'_>, quota: &Quota, limit: u32, usage: &Usage) {
    let first_too_many = usage.at.get(limit as usize).or(usage.at.last());
    let Some(at) = first_too_many else { return };
    let problem = format!("{} has {} {}", usage.of, usage.used, quota.what);
    let raised = match quota.most {
        Some(most) if most > limit => format!(", which AWS raises to {most} at most"),
        _ => String::new(),
    };
    let remedy = format!("the quota `{}` allows {limit}{raised} ({})", quota.name, quota.fact);
    cx.log.report(at, quota.code, problem, remedy);
}

/// SG-16: whatever the two quotas are, an interface's groups times the rules of a group are 1,000 at most.
fn check_product(cx: &Context<'_>, topology: &Topology) {
    for (name, eni) in &topology.network_interfaces {
        let groups = to_u32(eni.security_groups.len());
        let rules = eni.security_groups.iter().filter_map(|group| topology.security_groups.get(group));
        let most = rules.flat_map(|group| rules_by_family(topology, group)).map(|(_, rules)| rules).max();
        let product = groups.saturating_mul(most.unwrap_or(0));
        if product > GROUPS_TIMES_RULES {
            cx.log.report(
                &place_of_interface(name, eni).attribute("security_groups"),
                "RulesPerSecurityGroupLimitExceeded",
                format!("{groups} groups of up to {} rules make {product}", most.unwrap_or(0)),
                format!(
                    "groups of an interface times rules of a group are {GROUPS_TIMES_RULES} at most (SG-16)"
                ),
            );
        }
    }
}

fn usages(cx: &Context<'_>, counted: Counted, topology: &Topology) -> Vec<Usage> {
    let t = topology;
    match counted {
        Counted::VpcsOfRegion => by_home(t.vpcs.iter().map(|(name, vpc)| (name, vpc.home.clone()))),
        Counted::SubnetsOfVpc => by_vpc(t.subnets.iter().map(|(name, subnet)| (name, &subnet.vpc))),
        Counted::Ipv4BlocksOfVpc => {
            of_vpcs(t, "secondary_cidr_blocks", |vpc| to_u32(vpc.ipv4_blocks().count()))
        }
        Counted::Ipv6BlocksOfVpc => of_vpcs(t, "ipv6_cidr_blocks", |vpc| to_u32(vpc.ipv6_cidr_blocks.len())),
        Counted::EipsOfRegion => by_home(t.eips.iter().map(|(name, eip)| (name, eip.home.clone()))),
        Counted::EipsOfNatGateway => eips_of_nat_gateways(t),
        Counted::InternetGatewaysOfRegion => by_home(t.internet_gateways.iter().map(|(name, gateway)| {
            let detached = || Home { region: t.region.clone(), owner: DEFAULT_OWNER.to_owned() };
            (name, gateway.vpc.as_ref().and_then(|vpc| home_of(t, vpc)).unwrap_or_else(detached))
        })),
        Counted::EgressOnlyGatewaysOfRegion => by_home(
            t.egress_only_internet_gateways
                .iter()
                .filter_map(|(name, gateway)| Some((name, home_of(t, &gateway.vpc)?))),
        ),
        Counted::NatGatewaysOfZone => nat_gateways_of_zones(t),
        Counted::PrefixListsOfRegion => by_home(
            t.managed_prefix_lists
                .iter()
                .filter(|(_, list)| list.managed_by == PrefixListOwner::Customer)
                .map(|(name, list)| (name, list.home.clone())),
        ),
        Counted::NetworkAclsOfVpc => by_vpc(t.network_acls.iter().map(|(name, acl)| (name, &acl.vpc))),
        Counted::RulesOfNetworkAcl => rules_of_network_acls(t),
        Counted::NetworkInterfacesOfRegion => by_home(
            t.network_interfaces
                .iter()
                .filter_map(|(name, eni)| Some((name, home_of(t, &t.subnets.get(&eni.subnet)?.vpc)?))),
        ),
        Counted::RouteTablesOfVpc => by_vpc(t.route_tables.iter().map(|(name, table)| (name, &table.vpc))),
        Counted::RoutesOfTable => routes_of_tables(cx, t),
        Counted::PropagatedRoutesOfTable => propagated_routes_of_tables(t),
        Counted::SecurityGroupsOfRegion => by_home(
            t.security_groups.iter().filter_map(|(name, group)| Some((name, home_of(t, &group.vpc)?))),
        ),
        Counted::RulesOfSecurityGroup => rules_of_security_groups(t),
        Counted::SecurityGroupsOfInterface => groups_of_interfaces(t),
        Counted::PeeringsOfVpc => peerings_of_vpcs(t),
        Counted::PeeringRequests => by_home(
            t.vpc_peering_connections
                .iter()
                .filter(|(_, peering)| peering.state == PeeringState::PendingAcceptance)
                .filter_map(|(name, peering)| Some((name, home_of(t, &peering.vpc)?))),
        ),
        Counted::GatewayEndpointsOfRegion => by_home(
            t.vpc_endpoints
                .iter()
                .filter(|(_, endpoint)| endpoint.vpc_endpoint_type == VpcEndpointType::Gateway)
                .filter_map(|(name, endpoint)| Some((name, home_of(t, &endpoint.vpc)?))),
        ),
        Counted::InterfaceEndpointsOfVpc => {
            use VpcEndpointType::{GatewayLoadBalancer, Interface};
            let counted = t
                .vpc_endpoints
                .iter()
                .filter(|(_, e)| matches!(e.vpc_endpoint_type, Interface | GatewayLoadBalancer));
            by_vpc(counted.map(|(name, endpoint)| (name, &endpoint.vpc)))
        }
        Counted::TransitGatewaysOfRegion => {
            by_home(t.transit_gateways.iter().map(|(name, gateway)| (name, gateway.home.clone())))
        }
        Counted::TransitGatewaysOfVpc => {
            by_vpc(t.transit_gateway_vpc_attachments.iter().map(|(name, attachment)| (name, &attachment.vpc)))
        }
        Counted::RouteTablesOfTransitGateway => by(t
            .transit_gateway_route_tables
            .iter()
            .map(|(name, table)| (name, format!("transit gateway {}", table.transit_gateway)))),
        Counted::RoutesOfTransitGateway => t
            .transit_gateways
            .keys()
            .map(|name| {
                let tables = t.transit_gateway_route_tables.values();
                let own = tables.filter(|table| table.transit_gateway == *name);
                one(name, None, own.map(|table| to_u32(table.routes.len())).sum())
            })
            .collect(),
        Counted::AttachmentsOfTransitGateway => t
            .transit_gateways
            .keys()
            .map(|name| {
                let vpcs = t.transit_gateway_vpc_attachments.values();
                let vpcs = vpcs.filter(|attachment| attachment.transit_gateway == *name).count();
                one(name, None, to_u32(vpcs + peers_of_transit_gateway(t, name)))
            })
            .collect(),
        Counted::PeersOfTransitGateway => t
            .transit_gateways
            .keys()
            .map(|name| one(name, None, to_u32(peers_of_transit_gateway(t, name))))
            .collect(),
        Counted::PendingPeersOfTransitGateway => {
            let pending = t
                .transit_gateway_peering_attachments
                .iter()
                .filter(|(_, attachment)| attachment.state == AttachmentState::PendingAcceptance);
            by(pending.flat_map(|(name, attachment)| {
                [&attachment.transit_gateway, &attachment.peer_transit_gateway]
                    .map(|gateway| (name, format!("transit gateway {gateway}")))
            }))
        }
        Counted::VpnGatewaysOfDxGateway => by(of_dx_gateways(t, false)),
        Counted::TransitGatewaysOfDxGateway => by(of_dx_gateways(t, true)),
        Counted::DxGatewaysOfTransitGateway => {
            by(t.dx_gateway_associations.iter().filter_map(|(name, one)| match &one.gateway {
                AwsEnd::TransitGateway(gateway) => Some((name, format!("transit gateway {gateway}"))),
                AwsEnd::VpnGateway(_) => None,
            }))
        }
        Counted::VpnGatewaysOfRegion => {
            by_home(t.vpn_gateways.iter().map(|(name, gateway)| (name, gateway.home.clone())))
        }
        Counted::CustomerGatewaysOfRegion => {
            by_home(t.customer_gateways.iter().map(|(name, gateway)| (name, gateway.home.clone())))
        }
        Counted::VpnConnectionsOfRegion => {
            by_home(t.vpn_connections.iter().filter_map(|(name, connection)| {
                Some((name, t.customer_gateways.get(&connection.customer_gateway)?.home.clone()))
            }))
        }
        Counted::VpnConnectionsOfGateway => {
            by(t.vpn_connections.iter().filter_map(|(name, connection)| match &connection.gateway {
                AwsEnd::VpnGateway(gateway) => Some((name, format!("virtual private gateway {gateway}"))),
                AwsEnd::TransitGateway(_) => None,
            }))
        }
        Counted::StaticRoutesOfVpn => of_vpns(t, "routes", |connection| {
            matches!(connection.gateway, AwsEnd::VpnGateway(_)).then(|| to_u32(connection.routes.len()))
        }),
        Counted::BgpRoutesToVpnGateway => of_vpns(t, "bgp_routes", |connection| {
            matches!(connection.gateway, AwsEnd::VpnGateway(_)).then(|| announced(&connection.bgp_routes))
        }),
        Counted::BgpRoutesToTransitGateway => of_vpns(t, "bgp_routes", |connection| {
            matches!(connection.gateway, AwsEnd::TransitGateway(_)).then(|| announced(&connection.bgp_routes))
        }),
        Counted::BgpRoutesOfVirtualInterface => {
            let private = t.dx_private_virtual_interfaces.iter();
            let private =
                private.map(|(name, vif)| one(name, Some("bgp_routes"), announced(&vif.bgp_routes)));
            let transit = t.dx_transit_virtual_interfaces.iter();
            let transit =
                transit.map(|(name, vif)| one(name, Some("bgp_routes"), announced(&vif.bgp_routes)));
            private.chain(transit).collect()
        }
        Counted::AddressUsageOfVpc => {
            let units = address_units(t);
            of_vpcs_by_name(t, |name| units.get(name).copied().unwrap_or(0))
        }
        Counted::AddressUsageOfPeers => {
            let units = address_units(t);
            let of = |name: &VpcName| units.get(name).copied().unwrap_or(0);
            of_vpcs_by_name(t, |name| {
                // The VPC alone has a quota of its own.
                let peers: BTreeSet<&VpcName> = peers_in_region(t, name).collect();
                if peers.is_empty() { 0 } else { of(name) + peers.into_iter().map(of).sum::<u32>() }
            })
        }
    }
}

/// The associations with gateways of one kind, by the Direct Connect gateway.
fn of_dx_gateways(
    topology: &Topology,
    transit: bool,
) -> impl Iterator<Item = (&DxGatewayAssociationName, String)> {
    let all = topology.dx_gateway_associations.iter();
    all.filter(move |(_, one)| matches!(one.gateway, AwsEnd::TransitGateway(_)) == transit)
        .map(|(name, one)| (name, format!("Direct Connect gateway {}", one.dx_gateway)))
}

fn home_of(topology: &Topology, vpc: &VpcName) -> Option<Home> {
    topology.vpcs.get(vpc).map(|vpc| vpc.home.clone())
}

/// Everything in one place of the document.
fn one<K: Kind>(name: &Name<K>, attribute: Option<&str>, used: u32) -> Usage {
    let at = Place::resource(name);
    let at = attribute.map_or_else(|| at.clone(), |attribute| at.attribute(attribute));
    Usage { of: format!("the {} {name}", K::NOUN), used, at: vec![at] }
}

/// One resource each, by the account and region they belong to.
fn by_home<'a, K: Kind + 'a>(resources: impl Iterator<Item = (&'a Name<K>, Home)>) -> Vec<Usage> {
    by(resources.map(|(name, Home { region, owner })| (name, format!("region {region} of account {owner}"))))
}

/// One resource each, by the VPC they belong to.
fn by_vpc<'a, K: Kind + 'a>(resources: impl Iterator<Item = (&'a Name<K>, &'a VpcName)>) -> Vec<Usage> {
    by(resources.map(|(name, vpc)| (name, format!("VPC {vpc}"))))
}

/// One resource each, by whose it is. What AWS makes by itself is there first: it is never the one too many.
fn by<'a, K: Kind + 'a>(resources: impl Iterator<Item = (&'a Name<K>, String)>) -> Vec<Usage> {
    let mut groups: BTreeMap<String, (Vec<Place>, Vec<Place>)> = BTreeMap::new();
    for (name, of) in resources {
        let (made_by_aws, declared) = groups.entry(of).or_default();
        let is_made = is_made_by_aws(name, DEFAULT) || is_made_by_aws(name, MAIN);
        if is_made { made_by_aws } else { declared }.push(Place::resource(name));
    }
    let usage = |(of, (mut at, declared)): (String, (Vec<Place>, Vec<Place>))| {
        at.extend(declared);
        Usage { of, used: to_u32(at.len()), at }
    };
    groups.into_iter().map(usage).collect()
}

fn of_vpcs(
    topology: &Topology,
    attribute: &str,
    count: impl Fn(&crate::resources::Vpc) -> u32,
) -> Vec<Usage> {
    topology.vpcs.iter().map(|(name, vpc)| one(name, Some(attribute), count(vpc))).collect()
}

fn of_vpcs_by_name(topology: &Topology, count: impl Fn(&VpcName) -> u32) -> Vec<Usage> {
    topology.vpcs.keys().map(|name| one(name, None, count(name))).collect()
}

fn eips_of_nat_gateways(topology: &Topology) -> Vec<Usage> {
    let public =
        topology.nat_gateways.iter().filter(|(_, nat)| nat.connectivity_type == ConnectivityType::Public);
    public
        .map(|(name, nat)| {
            let associations = topology.eips.values().filter_map(|eip| eip.association.as_ref());
            let own =
                associations.filter(|association| association.network_interface == nat.network_interface);
            one(name, Some("secondary_allocations"), to_u32(own.count()))
        })
        .collect()
}

fn nat_gateways_of_zones(topology: &Topology) -> Vec<Usage> {
    by(topology.nat_gateways.iter().filter(|(_, nat)| nat.state == NatGatewayState::Available).filter_map(
        |(name, nat)| {
            let subnet = topology.subnets.get(&nat.subnet)?;
            let Home { owner, .. } = home_of(topology, &subnet.vpc)?;
            Some((name, format!("zone {} of account {owner}", subnet.availability_zone)))
        },
    ))
}

/// NACL-16, as `network_acl_quota_counts` reads it (OQ-02).
fn rules_of_network_acls(topology: &Topology) -> Vec<Usage> {
    let mut usages = Vec::new();
    for (name, acl) in &topology.network_acls {
        for (attribute, entries) in [("ingress", &acl.ingress), ("egress", &acl.egress)] {
            let ipv4 = to_u32(entries.iter().filter(|entry| matches!(entry.cidr, IpNet::V4(_))).count());
            let ipv6 = to_u32(entries.len()) - ipv4;
            let used = match topology.settings.network_acl_quota_counts {
                NetworkAclQuota::EachFamily => ipv4.max(ipv6),
                NetworkAclQuota::EachFamilyAndDefaultRule => ipv4.max(ipv6) + 1,
                NetworkAclQuota::BothFamilies => ipv4 + ipv6,
            };
            usages.push(one(name, Some(attribute), used));
        }
    }
    usages
}

/// RT-46: each family on its own. RT-21: a prefix list as its weight, however many entries it has.
fn routes_of_tables(cx: &Context<'_>, topology: &Topology) -> Vec<Usage> {
    let mut usages = Vec::new();
    for (name, table) in &topology.route_tables {
        let (mut ipv4, mut ipv6) = (0u32, 0u32);
        let own = |route: &&Route| route.origin == RouteOrigin::CreateRoute && route.prefix_list.is_none();
        for route in table.routes.iter().filter(own) {
            *(if matches!(route.destination, IpNet::V4(_)) { &mut ipv4 } else { &mut ipv6 }) += 1;
        }
        // A list without entries leaves no route, and counts all the same.
        let declared = cx.declared.route_tables.get(name).into_iter().flat_map(|table| &table.routes);
        let lists = declared.filter_map(|route| {
            let list = cx.registers.managed_prefix_lists.find(route.prefix_list.value()?)?;
            topology.managed_prefix_lists.get(list)
        });
        for list in lists {
            match list.address_family {
                AddressFamily::Ipv4 => ipv4 += list.weight(),
                AddressFamily::Ipv6 => ipv6 += list.weight(),
            }
        }
        usages.push(one(name, Some("routes"), ipv4.max(ipv6)));
    }
    usages
}

fn propagated_routes_of_tables(topology: &Topology) -> Vec<Usage> {
    let tables = topology.route_tables.iter();
    tables
        .map(|(name, table)| {
            let is_propagated =
                |origin: RouteOrigin| matches!(origin, RouteOrigin::EnableVgwRoutePropagation(_));
            let propagated = table.routes.iter().filter(|route| is_propagated(route.origin));
            one(name, Some("propagating_vgws"), to_u32(propagated.count()))
        })
        .collect()
}

fn of_vpns(
    topology: &Topology,
    attribute: &str,
    count: impl Fn(&VpnConnection) -> Option<u32>,
) -> Vec<Usage> {
    let connections = topology.vpn_connections.iter();
    connections.filter_map(|(name, vpn)| Some(one(name, Some(attribute), count(vpn)?))).collect()
}

/// DX-02: each family has a session of its own.
fn announced(routes: &[BgpRoute]) -> u32 {
    let ipv4 = to_u32(routes.iter().filter(|route| matches!(route.destination, IpNet::V4(_))).count());
    ipv4.max(to_u32(routes.len()) - ipv4)
}

fn rules_of_security_groups(topology: &Topology) -> Vec<Usage> {
    let groups = topology.security_groups.iter();
    groups
        .flat_map(|(name, group)| {
            rules_by_family(topology, group).map(|(attribute, used)| one(name, Some(attribute), used))
        })
        .collect()
}

/// SG-15: inbound and outbound, and in each of them the family that has more.
fn rules_by_family<'a>(
    topology: &Topology,
    group: &'a crate::resources::SecurityGroup,
) -> impl Iterator<Item = (&'static str, u32)> + use<'a> {
    let count = |rules: &[SecurityGroupRule]| {
        let (mut ipv4, mut ipv6) = (0u32, 0u32);
        for rule in rules {
            match &rule.peer {
                Peer::Cidr(IpNet::V4(_)) => ipv4 += 1,
                Peer::Cidr(IpNet::V6(_)) => ipv6 += 1,
                // A group has addresses of both.
                Peer::Group(_) | Peer::UnknownGroup(_) => (ipv4, ipv6) = (ipv4 + 1, ipv6 + 1),
                Peer::PrefixList(list) => match topology.managed_prefix_lists.get(list) {
                    Some(list) if list.address_family == AddressFamily::Ipv4 => ipv4 += list.weight(),
                    Some(list) => ipv6 += list.weight(),
                    None => {}
                },
            }
        }
        ipv4.max(ipv6)
    };
    [("ingress", count(&group.ingress)), ("egress", count(&group.egress))].into_iter()
}

fn groups_of_interfaces(topology: &Topology) -> Vec<Usage> {
    let interfaces = topology.network_interfaces.iter();
    interfaces
        .map(|(name, eni)| Usage {
            of: format!("the network interface {name}"),
            used: to_u32(eni.security_groups.len()),
            at: vec![place_of_interface(name, eni).attribute("security_groups")],
        })
        .collect()
}

/// Where the document has it: an interface that an instance implies is written there.
fn place_of_interface(name: &NetworkInterfaceName, eni: &NetworkInterface) -> Place {
    if eni.implied { Place::resource(&InstanceName::new(name.as_str())) } else { Place::resource(name) }
}

fn peerings_of_vpcs(topology: &Topology) -> Vec<Usage> {
    let active =
        topology.vpc_peering_connections.iter().filter(|(_, peering)| peering.state == PeeringState::Active);
    by(active.flat_map(|(name, peering)| {
        [&peering.vpc, &peering.peer_vpc].map(|vpc| (name, format!("VPC {vpc}")))
    }))
}

fn peers_of_transit_gateway(topology: &Topology, name: &TransitGatewayName) -> usize {
    let attachments = topology.transit_gateway_peering_attachments.values();
    attachments
        .filter(|attachment| [&attachment.transit_gateway, &attachment.peer_transit_gateway].contains(&name))
        .count()
}

fn peers_in_region<'a>(topology: &'a Topology, vpc: &'a VpcName) -> impl Iterator<Item = &'a VpcName> + 'a {
    let active =
        topology.vpc_peering_connections.values().filter(|peering| peering.state == PeeringState::Active);
    let others = active.filter_map(move |peering| match (&peering.vpc, &peering.peer_vpc) {
        (one, other) | (other, one) if one == vpc => Some(other),
        _ => None,
    });
    let region = |vpc: &VpcName| topology.vpcs.get(vpc).map(|vpc| vpc.home.region.clone());
    let here = region(vpc);
    others.filter(move |other| region(other) == here)
}

/// ADDR-38: one for each private address and each delegated block, one for each further interface of an instance, six for what a gateway puts
/// into the VPC.
fn address_units(topology: &Topology) -> BTreeMap<&VpcName, u32> {
    const OF_A_SERVICE: u32 = 6;
    let mut units: BTreeMap<&VpcName, u32> = BTreeMap::new();
    for eni in topology.network_interfaces.values() {
        let Some(subnet) = topology.subnets.get(&eni.subnet) else { continue };
        let own = if eni.interface_type == InterfaceType::Interface {
            let further = eni.attachment.as_ref().is_some_and(|attachment| attachment.device_index > 0);
            let addresses = eni.private_ips().count() + eni.ipv6_addresses.len();
            let prefixes = eni.ipv4_prefixes.len() + eni.ipv6_prefixes.len();
            to_u32(addresses + prefixes) + u32::from(further)
        } else {
            OF_A_SERVICE
        };
        *units.entry(&subnet.vpc).or_default() += own;
    }
    units
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
