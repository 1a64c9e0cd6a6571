//! Who is behind a gateway of which nothing is known?
//!
//! A VPC at the other end of a peering connection, or whatever a transit gateway or a virtual private gateway leads to, may
//! hold hosts that nobody has declared. One is supposed for each range of addresses that routes lead there and rules tell
//! apart, in a topology of its own, as near to the destination as it can be: at the other end of a peering connection that
//! lets everything pass. What always holds: of such a host nothing is said to pass; where the destination's own routes,
//! lists and groups do not deny it, whoever it may be, the answer is unknown. Left to others: the walks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vpclab_api::{ApiError, Assumed, Explanation, Unmodelled};
use vpclab_engine::explain::{End, TrafficQuestion};
use vpclab_engine::{EniIdx, Fabric};
use vpclab_model::{
    Attachment, AttachmentName, AttachmentState, AwsEnd, ConnectionTracking, Forwards, Instance,
    InstanceName, InstanceState, InterfaceType, Labels, NetworkAcl, NetworkAclEntry, NetworkAclName,
    NetworkInterface, NetworkInterfaceName, Peer, PeeringState, Route, RouteOrigin, RouteState, RouteTable,
    RouteTableName, RouteTarget, RuleAction, SecurityGroup, SecurityGroupName, SecurityGroupRule, Subnet,
    SubnetName, Topology, Traffic, TransitGatewayName, VirtualInterfaceEnd, Vpc, VpcName,
    VpcPeeringConnection, VpcPeeringConnectionName, VpnGatewayName,
};
use vpclab_wire::Protocol;

use crate::addresses::named_blocks;
use crate::answer::{at_each_address, in_each_family};
use crate::customers::{PRIVATE, ranges};
use crate::ends::Names;
use crate::fate::Fate;
use crate::question::{EndKind, NamedEnd, Question, Request, pair};
use crate::undeclared;

/// Ranges of one place that are told apart at most.
const MOST_RANGES: usize = 64;
/// What is said of a gateway that leads nowhere as far as it is declared.
const LEADS_NOWHERE: &str = "nothing is declared behind it";

/// A place of which nothing is known, as it is seen from one VPC.
struct Place {
    name: String,
    /// What it is, as in `transit_gateway`.
    kind: &'static str,
    reason: String,
    /// What leads there.
    door: RouteTarget,
    /// The addresses that it is declared to have, beside those that routes lead there.
    blocks: Vec<IpNet>,
    /// The VPC that it is, or is behind, where one is declared.
    far: Option<VpcName>,
    /// Whether it may have told the VPC's tables of routes that are not declared.
    may_propagate: bool,
}

/// The answers about whoever is behind gateways of which nothing is known, and is not denied in any case.
///
/// # Errors
///
/// What is wrong with the question.
pub(crate) fn answers(names: Names<'_>, asked: &Request) -> Result<Vec<(Question, Explanation)>, ApiError> {
    let Names { fabric, topology } = names;
    let mut told = Vec::new();
    let mut known: BTreeMap<VpcName, Vec<(Place, Supposed)>> = BTreeMap::new();
    for to in &asked.to.members {
        let End::Interface(eni, address) = to.end else { continue };
        let vpc = fabric.vpcs[fabric.enis[eni].vpc].name.clone();
        let places = known.entry(vpc.clone()).or_insert_with(|| {
            let places = places(topology, &vpc).into_iter();
            places
                .map(|place| {
                    let supposed = Supposed::of(topology, fabric, &vpc, &place);
                    (place, supposed)
                })
                .collect()
        });
        for (place, supposed) in places {
            if supposed.is_all && !supposed.may_pass(fabric, eni, address, to, asked)? {
                continue;
            }
            let from = NamedEnd::new(&place.name, EndKind::Undeclared, End::Internet);
            let mut question = pair(fabric, &from, to, asked.ipv6, asked.traffic)?;
            question.undeclared = None;
            let unknown = Unmodelled {
                resource: place.name.clone(),
                kind: place.kind.to_owned(),
                reason: format!(
                    "who is behind it is not declared, and nothing denies them at {}: {}",
                    to.name, place.reason
                ),
            };
            let answer = undeclared::unanswered(&question, vec![unknown]);
            told.push((question, answer));
        }
    }
    Ok(told)
}

/// The places behind the gateways of a VPC of which nothing is known.
fn places(topology: &Topology, vpc: &VpcName) -> Vec<Place> {
    let mut places = Vec::new();
    for (name, peering) in &topology.vpc_peering_connections {
        let other = match (&peering.vpc, &peering.peer_vpc) {
            (own, other) | (other, own) if own == vpc => other,
            _ => continue,
        };
        let Some(declared) = topology.vpcs.get(other) else { continue };
        let (own, far) = (&peering.labels.not_modelled, &declared.labels.not_modelled);
        let (kind, at, reason) = match (far, own) {
            (Some(reason), _) => ("vpc", other.as_str(), reason),
            (None, Some(reason)) => ("vpc_peering_connection", name.as_str(), reason),
            (None, None) => continue,
        };
        if own.is_none() && peering.state != PeeringState::Active {
            continue;
        }
        places.push(Place {
            name: at.to_owned(),
            kind,
            reason: reason.clone(),
            door: RouteTarget::VpcPeeringConnection(name.clone()),
            blocks: declared.cidr_blocks().collect(),
            far: Some(other.clone()),
            may_propagate: false,
        });
    }
    for attachment in topology.transit_gateway_vpc_attachments.values().filter(|own| own.vpc == *vpc) {
        let is_up =
            attachment.state == AttachmentState::Available || attachment.labels.not_modelled.is_some();
        if is_up {
            behind_transit_gateway(topology, vpc, &attachment.transit_gateway, &mut places);
        }
    }
    for (name, gateway) in topology.vpn_gateways.iter().filter(|(_, own)| own.vpc.as_ref() == Some(vpc)) {
        let unknown = gateway.labels.not_modelled.clone();
        let reason =
            unknown.clone().or_else(|| (!leads_anywhere(topology, name)).then(|| LEADS_NOWHERE.to_owned()));
        places.extend(reason.map(|reason| Place {
            name: name.to_string(),
            kind: "vpn_gateway",
            reason,
            door: RouteTarget::VpnGateway(name.clone()),
            blocks: if unknown.is_some() { PRIVATE.to_vec() } else { Vec::new() },
            far: None,
            may_propagate: unknown.is_some(),
        }));
    }
    places
}

/// The places behind a transit gateway: the gateway itself, where it is not known or joins the VPC to nothing, or each
/// VPC and each other gateway of which nothing is known.
fn behind_transit_gateway(
    topology: &Topology,
    vpc: &VpcName,
    name: &TransitGatewayName,
    places: &mut Vec<Place>,
) {
    let Some(gateway) = topology.transit_gateways.get(name) else { return };
    let door = || RouteTarget::TransitGateway(name.clone());
    let place = |at: &str, kind: &'static str, reason: &str, blocks: Vec<IpNet>| Place {
        name: at.to_owned(),
        kind,
        reason: reason.to_owned(),
        door: door(),
        blocks,
        far: None,
        may_propagate: false,
    };
    if let Some(reason) = &gateway.labels.not_modelled {
        places.push(place(name.as_str(), "transit_gateway", reason, Vec::new()));
        return;
    }
    let end = AwsEnd::TransitGateway(name.clone());
    let mut joins = topology.vpn_connections.values().any(|vpn| vpn.gateway == end)
        || topology.dx_gateway_associations.values().any(|one| one.gateway == end);
    let tables =
        || topology.transit_gateway_route_tables.values().filter(|table| table.transit_gateway == *name);
    let routes = || tables().flat_map(|table| &table.routes);
    let others = topology.transit_gateway_vpc_attachments.iter();
    for (at, other) in others.filter(|(_, other)| other.transit_gateway == *name && other.vpc != *vpc) {
        joins = true;
        let Some(far) = topology.vpcs.get(&other.vpc) else { continue };
        if let Some(reason) = &far.labels.not_modelled {
            // Its blocks may be as unknown as the rest: what is led to it counts, and what is led to nobody.
            let leads = AttachmentName::Vpc(at.clone());
            let led =
                routes().filter(|route| route.attachments.contains(&leads)).map(|route| route.destination);
            let meets = |block: &IpNet| {
                routes().any(|route| route.destination.contains(block) || block.contains(&route.destination))
            };
            let own = topology.route_tables.values().filter(|table| table.vpc == *vpc);
            let own = own.flat_map(|table| &table.routes).filter(|route| route.target == door());
            let to_nobody = own.map(|route| route.destination).filter(|block| !meets(block));
            let blocks = far.cidr_blocks().chain(led).chain(to_nobody).collect();
            places.push(Place {
                far: Some(other.vpc.clone()),
                ..place(other.vpc.as_str(), "vpc", reason, blocks)
            });
        }
    }
    for (at, peering) in &topology.transit_gateway_peering_attachments {
        let other = match (&peering.transit_gateway, &peering.peer_transit_gateway) {
            (own, other) | (other, own) if own == name => other,
            _ => continue,
        };
        joins = true;
        let Some(far) = topology.transit_gateways.get(other) else { continue };
        let is_bare = || {
            let end = AwsEnd::TransitGateway(other.clone());
            !topology.transit_gateway_vpc_attachments.values().any(|own| own.transit_gateway == *other)
                && !topology.vpn_connections.values().any(|vpn| vpn.gateway == end)
                && !topology.dx_gateway_associations.values().any(|one| one.gateway == end)
        };
        let unknown = far.labels.not_modelled.as_deref().or(peering.labels.not_modelled.as_deref());
        if let Some(reason) = unknown.or_else(|| is_bare().then_some(LEADS_NOWHERE)) {
            let leads = AttachmentName::Peering(at.clone());
            let blocks = routes().filter(|route| route.attachments.contains(&leads));
            places.push(place(
                other.as_str(),
                "transit_gateway",
                reason,
                blocks.map(|route| route.destination).collect(),
            ));
        }
    }
    if !joins {
        places.push(place(name.as_str(), "transit_gateway", LEADS_NOWHERE, Vec::new()));
    }
}

/// Whether a virtual private gateway has a connection to somewhere.
fn leads_anywhere(topology: &Topology, name: &VpnGatewayName) -> bool {
    let end = AwsEnd::VpnGateway(name.clone());
    let is_end = |own: &VirtualInterfaceEnd| matches!(own, VirtualInterfaceEnd::VpnGateway(gateway) if gateway == name);
    topology.vpn_connections.values().any(|vpn| vpn.gateway == end)
        || topology.dx_gateway_associations.values().any(|one| one.gateway == end)
        || topology.dx_private_virtual_interfaces.values().any(|own| is_end(&own.end))
}

/// A topology with hosts that are supposed at one place.
struct Supposed {
    topology: Topology,
    fabric: Fabric,
    hosts: Vec<NetworkInterfaceName>,
    /// Whether that is all: no more ranges are told apart than are asked.
    is_all: bool,
}

impl Supposed {
    fn of(topology: &Topology, fabric: &Fabric, vpc: &VpcName, place: &Place) -> Self {
        let cuts = named_blocks(fabric);
        let mut blocks: BTreeSet<IpNet> = place.blocks.iter().copied().collect();
        let tables = || topology.route_tables.values().filter(|table| table.vpc == *vpc);
        let led = tables().flat_map(|table| &table.routes).filter(|route| route.target == place.door);
        // Where it shares its gateway with others, its own blocks say which of them are its.
        if place.blocks.is_empty() || !matches!(place.door, RouteTarget::TransitGateway(_)) {
            blocks.extend(led.map(|route| route.destination));
        }
        let blocks: Vec<IpNet> = blocks.into_iter().collect();
        let is_elsewhere = |address: &IpAddr| {
            topology.vpcs.iter().any(|(name, own)| {
                let is_place = place.far.as_ref() == Some(name) || own.labels.not_modelled.is_some();
                !is_place && own.cidr_blocks().any(|block| block.contains(address))
            })
        };
        let mut addresses: Vec<IpAddr> = ranges(&blocks, &cuts);
        addresses.retain(|address| !is_elsewhere(address));
        let is_all = addresses.len() <= MOST_RANGES;
        addresses.truncate(MOST_RANGES);
        let own: Vec<IpNet> = topology.vpcs.get(vpc).into_iter().flat_map(Vpc::cidr_blocks).collect();
        let placed: Vec<(IpAddr, IpNet)> =
            addresses.into_iter().filter_map(|address| host(address, &cuts, &own)).collect();
        let mut supposed = topology.clone();
        let hosts = supposed_vpc(&mut supposed, vpc, place, &placed);
        let fabric = Fabric::compile(&supposed, None);
        Self { topology: supposed, fabric, hosts, is_all }
    }

    /// Whether something of what is asked about may come through to an interface from one of these hosts.
    fn may_pass(
        &self,
        fabric: &Fabric,
        eni: EniIdx,
        address: Option<IpAddr>,
        to: &NamedEnd,
        asked: &Request,
    ) -> Result<bool, ApiError> {
        let Some(eni) = self.fabric.enis.find(fabric.enis[eni].name.as_str()) else { return Ok(true) };
        let to = NamedEnd { end: End::Interface(eni, address), via: None, ..to.clone() };
        let needs_reply = matches!(asked.traffic, TrafficQuestion::Ports { protocol: Protocol::TCP, .. });
        for host in &self.hosts {
            let Some(own) = self.fabric.enis.find(host.as_str()) else { continue };
            let from = NamedEnd::new(host.as_str(), EndKind::NetworkInterface, End::Interface(own, None));
            let question = pair(&self.fabric, &from, &to, asked.ipv6, asked.traffic)?;
            for question in in_each_family(&self.fabric, &question) {
                for (_, told) in at_each_address(&self.fabric, &self.topology, &question, true)? {
                    let arrives = !told.blockers.iter().any(|blocker| blocker.direction == "forward");
                    if Fate::of(&told) != Fate::Dies || arrives && !needs_reply {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }
}

/// An address of the range of `start` that a host can have, and a subnet for it beside `others`; none where there is none.
fn host(start: IpAddr, cuts: &BTreeSet<IpNet>, others: &[IpNet]) -> Option<(IpAddr, IpNet)> {
    let lengths = if start.is_ipv6() { 64..=64 } else { 16..=28 };
    let is_alike = |address: &IpAddr| cuts.iter().all(|cut| cut.contains(&start) == cut.contains(address));
    // AWS keeps the first four addresses of a subnet, and the last (ADDR-19).
    let candidates = [0, 4, 8].into_iter().filter_map(|more| after(start, more)).filter(is_alike);
    let mut all = candidates.flat_map(|address| {
        lengths
            .clone()
            .rev()
            .filter_map(move |length| Some((address, IpNet::new(address, length).ok()?.trunc())))
    });
    all.find(|(address, subnet)| {
        let is_kept = (0..4).any(|place| after(subnet.network(), place) == Some(*address));
        let overlaps = others.iter().any(|own| own.contains(subnet) || subnet.contains(own));
        !is_kept && subnet.broadcast() != *address && !overlaps
    })
}

fn after(address: IpAddr, more: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(more.into()).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(more.into()).map(|next| IpAddr::V6(next.into())),
    }
}

/// Puts a VPC with these hosts at the other end of a peering connection of `vpc`, to which its tables lead wherever they
/// lead to the place.
fn supposed_vpc(
    topology: &mut Topology,
    vpc: &VpcName,
    place: &Place,
    placed: &[(IpAddr, IpNet)],
) -> Vec<NetworkInterfaceName> {
    let Some(near) = topology.vpcs.get(vpc).cloned() else { return Vec::new() };
    let name = format!("{}/strangers", place.name);
    let peering = VpcPeeringConnectionName::new(name.as_str());
    let way = |destination: IpNet, target: RouteTarget| Route {
        destination,
        target,
        origin: RouteOrigin::CreateRoute,
        state: RouteState::Active,
        prefix_list: None,
        overridden: false,
    };
    let over = || RouteTarget::VpcPeeringConnection(peering.clone());
    for table in topology.route_tables.values_mut().filter(|table| table.vpc == *vpc) {
        for (address, _) in placed {
            let matching =
                table.routes.iter().filter(|route| !route.overridden && route.destination.contains(address));
            let best = matching.max_by_key(|route| route.destination.prefix_len());
            let leads = match best {
                Some(route) => route.target == place.door,
                None => place.may_propagate,
            };
            if leads {
                let own = IpNet::from(*address);
                table.routes.retain(|route| route.destination != own);
                table.routes.push(way(own, over()));
            }
        }
    }
    let v4: Vec<Ipv4Net> =
        placed.iter().filter_map(|(_, net)| if let IpNet::V4(v4) = net { Some(*v4) } else { None }).collect();
    let v6: Vec<Ipv6Net> =
        placed.iter().filter_map(|(_, net)| if let IpNet::V6(v6) = net { Some(*v6) } else { None }).collect();
    let far = VpcName::new(name.as_str());
    let (table, acl, group) = (
        RouteTableName::new(name.as_str()),
        NetworkAclName::new(name.as_str()),
        SecurityGroupName::new(name.as_str()),
    );
    let local = placed.iter().map(|(_, net)| way(*net, RouteTarget::Local));
    let home = near.cidr_blocks().map(|block| way(block, over()));
    let routes: Vec<Route> = local.chain(home).collect();
    topology.route_tables.insert(
        table.clone(),
        RouteTable {
            vpc: far.clone(),
            main: true,
            routes,
            prefix_lists: BTreeSet::new(),
            gateways: BTreeSet::new(),
            public_ipv4_pools: BTreeSet::new(),
            labels: Labels::default(),
        },
    );
    let everybody = [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
    let entries: Vec<NetworkAclEntry> = [100, 101]
        .into_iter()
        .zip(everybody)
        .map(|(rule_number, cidr)| NetworkAclEntry {
            rule_number,
            action: RuleAction::Allow,
            traffic: Traffic::All,
            cidr,
        })
        .collect();
    topology.network_acls.insert(
        acl.clone(),
        NetworkAcl {
            vpc: far.clone(),
            default: true,
            ingress: entries.clone(),
            egress: entries,
            labels: Labels::default(),
        },
    );
    let rules: Vec<SecurityGroupRule> = everybody
        .into_iter()
        .enumerate()
        .map(|(declared_at, cidr)| SecurityGroupRule {
            traffic: Traffic::All,
            peer: Peer::Cidr(cidr),
            declared_at,
            stale: false,
            description: None,
        })
        .collect();
    topology.security_groups.insert(
        group.clone(),
        SecurityGroup {
            vpc: far.clone(),
            vpc_associations: Vec::new(),
            group_name: name.clone(),
            description: String::new(),
            ingress: rules.clone(),
            egress: rules,
            labels: Labels::default(),
        },
    );
    let mut blocks = v4.into_iter();
    topology.vpcs.insert(
        far.clone(),
        Vpc {
            home: near.home.clone(),
            cidr_block: blocks.next().unwrap_or(Ipv4Net::new_assert(Ipv4Addr::new(192, 0, 2, 0), 28)),
            secondary_cidr_blocks: blocks.collect(),
            ipv6_cidr_blocks: v6,
            main_route_table: table.clone(),
            default_network_acl: acl.clone(),
            default_security_group: group.clone(),
            labels: Labels::default(),
        },
    );
    topology.vpc_peering_connections.insert(
        peering.clone(),
        VpcPeeringConnection {
            vpc: vpc.clone(),
            peer_vpc: far.clone(),
            state: PeeringState::Active,
            labels: Labels::default(),
        },
    );
    let membership = may_be_of_a_group(topology, place).then(|| place.reason.clone());
    let mut hosts = Vec::new();
    for (number, (address, net)) in (0_u32..).zip(placed) {
        let own = format!("{name}/{address}");
        let (subnet, interface) = (SubnetName::new(own.as_str()), NetworkInterfaceName::new(own.as_str()));
        let (v4, v6) = match address {
            IpAddr::V4(v4) => (Some(*v4), None),
            IpAddr::V6(v6) => (None, Some(*v6)),
        };
        topology.subnets.insert(
            subnet.clone(),
            Subnet {
                vpc: far.clone(),
                availability_zone: String::new(),
                cidr_block: if let IpNet::V4(net) = net { Some(*net) } else { None },
                ipv6_cidr_block: if let IpNet::V6(net) = net { Some(*net) } else { None },
                map_public_ip_on_launch: false,
                assign_ipv6_address_on_creation: false,
                route_table: table.clone(),
                network_acl: acl.clone(),
                labels: Labels::default(),
            },
        );
        let [a, b, c, d] = number.to_be_bytes();
        topology.network_interfaces.insert(
            interface.clone(),
            NetworkInterface {
                subnet,
                mac_address: [0x06, 0xff, a, b, c, d],
                private_ip: v4,
                secondary_private_ips: Vec::new(),
                ipv6_addresses: v6.into_iter().collect(),
                ipv4_prefixes: Vec::new(),
                ipv6_prefixes: Vec::new(),
                public_ips: BTreeMap::new(),
                security_groups: vec![group.clone()],
                source_dest_check: true,
                attachment: Some(Attachment { instance: InstanceName::new(own.as_str()), device_index: 0 }),
                connection_tracking: ConnectionTracking::default(),
                implied: true,
                interface_type: InterfaceType::Interface,
                labels: Labels::default(),
            },
        );
        topology.instances.insert(
            InstanceName::new(own.as_str()),
            Instance {
                network_interfaces: [(0, interface.clone())].into(),
                state: InstanceState::Running,
                forwards: Forwards::None,
                // Of which groups it is a member is not known where there are some.
                labels: Labels { not_modelled: membership.clone(), ..Labels::default() },
            },
        );
        hosts.push(interface);
    }
    hosts
}

/// Whether a rule names a group of which somebody there may be a member: one of a VPC that is there, or of which nothing is
/// known.
fn may_be_of_a_group(topology: &Topology, place: &Place) -> bool {
    let is_there = |vpc: &VpcName| {
        place.far.as_ref() == Some(vpc)
            || topology.vpcs.get(vpc).is_some_and(|own| own.labels.not_modelled.is_some())
    };
    // What groups of its own say of each other is between those who are there.
    let groups = topology.security_groups.values().filter(|group| !is_there(&group.vpc));
    let mut rules = groups.flat_map(|group| group.ingress.iter().chain(&group.egress));
    rules.any(|rule| match &rule.peer {
        Peer::Group(name) => topology
            .security_groups
            .get(name)
            .is_some_and(|group| is_there(&group.vpc) || group.vpc_associations.iter().any(is_there)),
        _ => false,
    })
}

/// What is taken for granted of each VPC that a gateway of a destination's leads to and in which nobody is declared.
pub(crate) fn assumed(names: Names<'_>, asked: &Request) -> Vec<Assumed> {
    let Names { fabric, topology } = names;
    let mut empty: BTreeSet<&VpcName> = BTreeSet::new();
    for to in &asked.to.members {
        let End::Interface(eni, _) = to.end else { continue };
        let own = &fabric.vpcs[fabric.enis[eni].vpc].name;
        let peered = topology.vpc_peering_connections.values();
        let peered = peered.filter(|peering| peering.state == PeeringState::Active);
        let peered = peered.filter_map(|peering| match (&peering.vpc, &peering.peer_vpc) {
            (a, b) if a == own => Some(b),
            (a, b) if b == own => Some(a),
            _ => None,
        });
        let attached = || topology.transit_gateway_vpc_attachments.values();
        let joined: BTreeSet<&TransitGatewayName> =
            attached().filter(|one| one.vpc == *own).map(|one| &one.transit_gateway).collect();
        let beside = attached().filter(|one| joined.contains(&one.transit_gateway)).map(|one| &one.vpc);
        let is_known = |vpc: &&VpcName| {
            topology.vpcs.get(*vpc).is_some_and(|declared| declared.labels.not_modelled.is_none())
        };
        empty.extend(peered.chain(beside).filter(|vpc| *vpc != own).filter(is_known));
    }
    empty.retain(|vpc| {
        let mut all = topology.network_interfaces.values();
        !all.any(|eni| {
            let is_guest = match eni.interface_type {
                InterfaceType::Interface => eni.attachment.is_some(),
                InterfaceType::NotModelled { .. } => true,
                _ => false,
            };
            is_guest && topology.subnets.get(&eni.subnet).is_some_and(|subnet| subnet.vpc == **vpc)
        })
    });
    let told = |vpc: &VpcName| Assumed {
        resource: vpc.to_string(),
        assumption:
            "nobody is in it, as nobody is declared there: say `not_modelled` of it if that is not known"
                .to_owned(),
    };
    empty.into_iter().map(told).collect()
}
