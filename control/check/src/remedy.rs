//! What would make it work?
//!
//! For what denies in the simple cases: a rule to add, a route, an address, a switch. A [`Remedy`] is made of the packet
//! that dies, as it is where it dies, and of the resource there, and is the narrowest that lets it pass; whether it is wise
//! is the reader's to judge. What always holds: each is tried on a copy before it is said, and takes its blocker away; where
//! a NAT gateway has lent the packet's port before, or more than a change would be needed, nothing is said.

mod tried;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_engine::explain::{EPHEMERAL_PORTS, Ends, NAT_PORTS, TrafficQuestion};
use vpclab_engine::{Direction, DropReason, EniIdx, Fabric, RouteTableIdx, Step, explain as engine};
use vpclab_model::{
    ConnectivityType, IcmpMatch, NatGatewayState, NetworkAclEntry, Peer, PeeringState, PortRange,
    RouteTableName, RouteTarget, RuleAction, Topology, Traffic, VpcName, not_public,
};
use vpclab_wire::Protocol;

pub(crate) use self::tried::Asked;
use self::tried::{Made, Trial};
use crate::words;

/// A change to the topology that takes one blocker away.
#[derive(Debug, Clone, PartialEq)]
pub struct Remedy {
    /// In words.
    sentence: String,
    made: Made,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Remedy {
    /// Makes the change in a topology; false where there is nothing to change.
    pub fn apply(&self, topology: &mut Topology) -> bool {
        self.made.apply(topology).is_some()
    }
}

/// A packet where it dies, as far as filters and tables there look at it.
struct Dying<'a> {
    fabric: &'a Fabric,
    topology: &'a Topology,
    source: IpAddr,
    destination: IpAddr,
    /// Protocol with source and destination ports, where the question has ports.
    traffic: TrafficQuestion,
    on_return: bool,
    /// Whether a NAT gateway has lent the source port.
    is_lent: bool,
}

/// What would take a blocker away; nothing where that is not simple, or where what would be said does not.
pub(crate) fn remedy(
    fabric: &Fabric,
    topology: &Topology,
    ends: Option<&Ends>,
    asked: Asked,
    told: &engine::Explanation,
    blocker: &engine::Blocker,
) -> Option<Remedy> {
    remedy_at(0, (fabric, topology), ends, asked, told, blocker)
}

/// The same, where so many changes have been made before.
fn remedy_at(
    depth: usize,
    (fabric, topology): (&Fabric, &Topology),
    ends: Option<&Ends>,
    asked: Asked,
    told: &engine::Explanation,
    blocker: &engine::Blocker,
) -> Option<Remedy> {
    let trial = Trial { fabric, topology, asked, told, blocker, met: OnceCell::new(), depth };
    let Proposed { changes, or } = proposed(&trial, ends)?;
    let mut change = changes.into_iter().find(|change| trial.helps(&change.made));
    for other in or {
        if !trial.helps(&other.change.made) {
            continue;
        }
        match &mut change {
            Some(change) => change.sentence.push_str(&other.sentence),
            None => change = other.may_be_alone.then_some(other.change),
        }
    }
    change
}

/// What may help: the first of `changes` that does, and what may be done in its place.
#[derive(Default)]
struct Proposed {
    changes: Vec<Remedy>,
    or: Vec<Alternative>,
}

/// What may be done in place of another change.
struct Alternative {
    change: Remedy,
    /// How it follows the other.
    sentence: String,
    /// Whether it can be said without the other.
    may_be_alone: bool,
}

impl From<Remedy> for Proposed {
    fn from(change: Remedy) -> Self {
        Self { changes: vec![change], or: Vec::new() }
    }
}

/// What might take a blocker away.
fn proposed(trial: &Trial<'_>, ends: Option<&Ends>) -> Option<Proposed> {
    let Trial { fabric, topology, asked, told, blocker, .. } = *trial;
    match blocker.reason {
        DropReason::NoPublicAddressForIngress { eni } if asked.ipv6 != Some(true) => {
            return public_address(fabric, topology, eni).map(Proposed::from);
        }
        DropReason::NoPublicAddress { eni, ipv6: None, .. } => {
            let address = public_address(fabric, topology, eni);
            return Some(Proposed {
                changes: address.into_iter().collect(),
                or: by_nat_gateway(fabric, topology, eni),
            });
        }
        _ => {}
    }
    let ends = ends?;
    let lends = |step: &Step| match step {
        Step::NatGateway { .. } => true,
        Step::Endpoint { before, after, .. } => before != after,
        _ => false,
    };
    let is_lent = told.forward.steps.iter().any(lends);
    if is_lent && matches!(blocker.reason, DropReason::SecurityGroup { .. } | DropReason::NetworkAcl { .. }) {
        return None;
    }
    // What the answer's receiver asked is not what its sender saw.
    let (leg, start) = if blocker.on_return {
        let seen = told.forward.observed.as_ref()?;
        (told.back.as_ref()?, (seen.dst, seen.src))
    } else {
        (&told.forward, (ends.source, ends.destination))
    };
    let Place { source, destination, table } = place(leg, start, &blocker.reason)?;
    let traffic = asked.traffic;
    let dying =
        Dying { fabric, topology, source, destination, traffic, on_return: blocker.on_return, is_lent };
    match blocker.reason {
        DropReason::SecurityGroup { eni, direction, .. } => dying.group_rule(eni, direction),
        DropReason::NetworkAcl { network_acl, direction, rule, .. } => {
            let acl = fabric.network_acls[network_acl].name.to_string();
            dying.acl_entry(acl, direction, rule).map(Proposed::from)
        }
        DropReason::NoRoute { route_table } => dying.route(&fabric.route_tables[route_table].name),
        // What has a route to the internet and is for somebody inside lacks one of its own.
        DropReason::PrivateDestination { .. } | DropReason::SharedDestination { .. } => {
            dying.route_inside(&fabric.route_tables[table?].name).map(Proposed::from)
        }
        DropReason::InstanceStopped { eni } => {
            let (instance, _) = fabric.enis[eni].attachment?;
            let name = fabric.instances[instance].name.clone();
            let (sentence, made) = (format!("start {name}"), Made::Start(name.clone()));
            Some(Remedy { sentence, made }.into())
        }
        DropReason::Blackhole { route_table, destination } => {
            let table = topology.route_tables.get(&fabric.route_tables[route_table].name)?;
            let mut routes = table.routes.iter();
            match &routes.find(|route| route.destination == destination && !route.overridden)?.target {
                RouteTarget::VpcPeeringConnection(peering) => {
                    dying.peering(peering.as_str()).map(Proposed::from)
                }
                _ => None,
            }
        }
        DropReason::PeeringInactive { peering } => {
            dying.peering(fabric.peerings[peering].name.as_str()).map(Proposed::from)
        }
        DropReason::SourceDestCheck { eni, .. } => {
            // Who is asked for an address that is not his own is a middlebox.
            let name = fabric.enis[eni].name.as_str();
            let sentence = format!(
                "switch off the source/destination check of {name}, if it is to forward what is not its own"
            );
            let made = Made::NoCheck(fabric.enis[eni].name.clone());
            Some(Remedy { sentence, made }.into())
        }
        _ => None,
    }
}

/// A packet where it dies.
struct Place {
    source: IpAddr,
    destination: IpAddr,
    /// The last table that routed it.
    table: Option<RouteTableIdx>,
}

/// What a packet has become where `reason` denies it; nothing where this way does not come there.
fn place(leg: &engine::Leg, start: (IpAddr, IpAddr), reason: &DropReason) -> Option<Place> {
    let is_there = |step: &Step| match (step, *reason) {
        (
            Step::SecurityGroup { eni, direction, .. },
            DropReason::SecurityGroup { eni: at, direction: way, .. },
        ) => (*eni, *direction) == (at, way),
        (
            Step::NetworkAcl { network_acl, subnet, direction, .. },
            DropReason::NetworkAcl { network_acl: acl, subnet: at, direction: way, .. },
        ) => (*network_acl, *subnet, *direction) == (acl, at, way),
        _ => false,
    };
    let of_filter = matches!(reason, DropReason::SecurityGroup { .. } | DropReason::NetworkAcl { .. });
    let mut place = Place { source: start.0, destination: start.1, table: None };
    for step in &leg.steps {
        if is_there(step) {
            return Some(place);
        }
        match *step {
            Step::NatGateway { after, .. } | Step::Endpoint { after, .. } => {
                (place.source, place.destination) = after;
            }
            Step::InternetGateway { translated: Some((_, after)), direction, .. } => match direction {
                Direction::Outbound => place.source = after,
                Direction::Inbound => place.destination = after,
            },
            // Of an answer it is the destination.
            Step::Forward { translated: Some((before, after)), .. } => match place.source == before {
                true => place.source = after,
                false => place.destination = after,
            },
            Step::Route { route_table, .. } => place.table = Some(route_table),
            _ => {}
        }
    }
    // What is no filter ends the way.
    (!of_filter).then_some(place)
}

fn only(port: u16) -> PortRange {
    PortRange { from: port, to: port }
}

impl Dying<'_> {
    /// The end that a filter in this direction looks at.
    fn far_end(&self, direction: Direction) -> IpAddr {
        match direction {
            Direction::Inbound => self.source,
            Direction::Outbound => self.destination,
        }
    }

    /// What a rule is to be about, and that in words.
    fn traffic(&self) -> (Traffic, String) {
        match self.traffic {
            TrafficQuestion::All => (Traffic::All, "all traffic".to_owned()),
            TrafficQuestion::Ports { protocol, port, source_port } => {
                let asked = port.map_or(PortRange::ALL, only);
                let ports = match (self.on_return, source_port) {
                    (false, _) => asked,
                    (true, Some(own)) if !self.is_lent => only(own),
                    (true, _) if self.is_lent => NAT_PORTS,
                    (true, _) => EPHEMERAL_PORTS,
                };
                let words = format!("{} {}", words::protocol(protocol), words::ports(ports.from, ports.to));
                let is_tcp = protocol == Protocol::TCP;
                (if is_tcp { Traffic::Tcp(ports) } else { Traffic::Udp(ports) }, words)
            }
            TrafficQuestion::Echo => {
                let is_ipv6 = self.source.is_ipv6();
                let icmp_type = match (is_ipv6, self.on_return) {
                    (false, false) => 8,
                    (false, true) => 0,
                    (true, false) => 128,
                    (true, true) => 129,
                };
                let echo = IcmpMatch { icmp_type: Some(icmp_type), code: None };
                let (traffic, protocol) = match is_ipv6 {
                    true => (Traffic::Icmpv6(echo), Protocol::ICMPV6),
                    false => (Traffic::Icmp(echo), Protocol::ICMP),
                };
                let what = if self.on_return { "echo reply" } else { "echo request" };
                (traffic, format!("{} {what}", words::protocol(protocol)))
            }
            TrafficQuestion::Protocol(number) => (Traffic::Protocol(number), format!("protocol {number}")),
        }
    }

    fn group_rule(&self, eni: EniIdx, direction: Direction) -> Option<Proposed> {
        let group = self.fabric.enis[eni].security_groups.first()?;
        let group = &self.fabric.security_groups[*group].name;
        let far_end = self.far_end(direction);
        let (traffic, in_words) = self.traffic();
        let word = if direction == Direction::Inbound { "from" } else { "to" };
        let rule = |peer: Peer, whom: &str| {
            let list = words::direction(direction);
            Remedy {
                sentence: format!("add to security group {group} an {list} rule: {in_words} {word} {whom}"),
                made: Made::GroupRule { group: group.clone(), direction, traffic, peer },
            }
        };
        // Whoever is in a group of the same VPC can be named by it.
        let own = self.fabric.enis[eni].vpc;
        let member = self.fabric.interface_at(own, far_end);
        let other = member.and_then(|member| self.fabric.enis[member].security_groups.first());
        let by_group = other.map(|other| {
            let other = &self.fabric.security_groups[*other].name;
            let whom = format!("the security group {other}");
            Alternative {
                change: rule(Peer::Group(other.clone()), &whom),
                sentence: format!(", or {word} {whom}"),
                may_be_alone: true,
            }
        });
        let block = IpNet::from(far_end);
        let change = rule(Peer::Cidr(block), &block.to_string());
        Some(Proposed { changes: vec![change], or: by_group.into_iter().collect() })
    }

    fn acl_entry(&self, name: String, direction: Direction, denied_by: Option<u16>) -> Option<Remedy> {
        let (acl_name, acl) = self.topology.network_acls.get_key_value(name.as_str())?;
        let entries = if direction == Direction::Inbound { &acl.ingress } else { &acl.egress };
        let taken: BTreeSet<u16> = entries.iter().map(|entry| entry.rule_number).collect();
        let free = |number: &u16| !taken.contains(number);
        let number = match denied_by {
            Some(denied_by) => (1..denied_by).rev().find(free)?,
            None => (1..=32_766).map(|n| n * 100 % 32_767).find(|number| *number > 0 && free(number))?,
        };
        let far_end = self.far_end(direction);
        let cidr = IpNet::from(far_end);
        let (traffic, in_words) = self.traffic();
        let (list, word) = match direction {
            Direction::Inbound => ("ingress", "from"),
            Direction::Outbound => ("egress", "to"),
        };
        let before = denied_by.map(|denied_by| format!(" below {denied_by}")).unwrap_or_default();
        let sentence = format!(
            "add to network ACL {name} an {list} rule with a number{before}, such as {number}: allow {in_words} {word} {cidr}"
        );
        let entry = NetworkAclEntry { rule_number: number, action: RuleAction::Allow, traffic, cidr };
        Some(Remedy { sentence, made: Made::AclEntry { acl: acl_name.clone(), direction, entry } })
    }

    /// A route to where the destination is: the internet by a gateway of the VPC, or a VPC at the other end of a peering
    /// connection or a transit gateway.
    fn route(&self, table: &RouteTableName) -> Option<Proposed> {
        if not_public(self.destination).is_none() {
            return Some(Proposed { changes: self.internet_routes(table)?, or: Vec::new() });
        }
        self.route_inside(table).map(Proposed::from)
    }

    /// A route to the VPC that has the destination.
    fn route_inside(&self, table: &RouteTableName) -> Option<Remedy> {
        let vpc = &self.topology.route_tables.get(table)?.vpc;
        let destination = self.destination;
        let holds = |other: &VpcName| {
            self.topology.vpcs.get(other)?.cidr_blocks().find(|block| block.contains(&destination))
        };
        let peerings = self.topology.vpc_peering_connections.iter();
        let by_peering = peerings
            .filter(|(_, own)| matches!(own.state, PeeringState::Active | PeeringState::PendingAcceptance))
            .find_map(|(name, own)| {
                let other = match (&own.vpc, &own.peer_vpc) {
                    (one, other) | (other, one) if one == vpc => other,
                    _ => return None,
                };
                let target = RouteTarget::VpcPeeringConnection(name.clone());
                Some((holds(other)?, target))
            });
        let attachments = || self.topology.transit_gateway_vpc_attachments.values();
        let by_transit = || {
            attachments().filter(|own| own.vpc == *vpc).find_map(|own| {
                let there = attachments().filter(|other| other.transit_gateway == own.transit_gateway);
                let block = there.filter(|other| other.vpc != *vpc).find_map(|other| holds(&other.vpc))?;
                Some((block, RouteTarget::TransitGateway(own.transit_gateway.clone())))
            })
        };
        let (block, target) = by_peering.or_else(by_transit)?;
        Some(route(table, block, target))
    }

    /// Routes to the internet by gateways of the table's VPC, the best one first: by one that only lets out, for whoever
    /// has no public IPv4 address, and for IPv6.
    fn internet_routes(&self, table: &RouteTableName) -> Option<Vec<Remedy>> {
        let topology = self.topology;
        let vpc = &topology.route_tables.get(table)?.vpc;
        let ipv6 = self.destination.is_ipv6();
        let block: IpNet = if ipv6 { "::/0" } else { "0.0.0.0/0" }.parse().ok()?;
        let by_gateway = topology.internet_gateways.iter().filter(|(_, own)| own.vpc.as_ref() == Some(vpc));
        let by_gateway: Vec<Remedy> = by_gateway
            .map(|(name, _)| route(table, block, RouteTarget::InternetGateway(name.clone())))
            .collect();
        let only_out: Vec<Remedy> = if self.on_return {
            Vec::new()
        } else if ipv6 {
            let all = topology.egress_only_internet_gateways.iter().filter(|(_, own)| own.vpc == *vpc);
            let targets = all.map(|(name, _)| RouteTarget::EgressOnlyInternetGateway(name.clone()));
            targets.map(|target| route(table, block, target)).collect()
        } else if self.has_public_address(vpc) {
            Vec::new()
        } else {
            nat_gateways(topology, vpc).map(|target| route(table, block, target)).collect()
        };
        Some(only_out.into_iter().chain(by_gateway).collect())
    }

    /// Whether an interface of the VPC has the source, with a public IPv4 address.
    fn has_public_address(&self, vpc: &VpcName) -> bool {
        let IpAddr::V4(source) = self.source else { return false };
        let mut vpcs = self.fabric.vpcs.iter().filter(|(_, own)| own.name == *vpc);
        let owner = vpcs.find_map(|(index, _)| self.fabric.interface_at(index, self.source));
        owner.is_some_and(|eni| self.fabric.enis[eni].public_address_of(source).is_some())
    }

    fn peering(&self, name: &str) -> Option<Remedy> {
        let (name, peering) = self.topology.vpc_peering_connections.get_key_value(name)?;
        let sentence = format!("accept the peering connection {name}");
        let made = Made::Accept(name.clone());
        let is_pending = peering.state == PeeringState::PendingAcceptance;
        is_pending.then_some(Remedy { sentence, made })
    }
}

fn route(table: &RouteTableName, block: IpNet, target: RouteTarget) -> Remedy {
    Remedy {
        sentence: format!("add to route table {table} the route {block} → {target}"),
        made: Made::Route { table: table.clone(), destination: block, target },
    }
}

/// The public NAT gateways of a VPC that work.
fn nat_gateways<'t>(topology: &'t Topology, vpc: &'t VpcName) -> impl Iterator<Item = RouteTarget> {
    let all = topology.nat_gateways.iter().filter(move |(_, own)| {
        own.connectivity_type == ConnectivityType::Public
            && own.state == NatGatewayState::Available
            && topology.subnets.get(&own.subnet).is_some_and(|subnet| subnet.vpc == *vpc)
    });
    all.map(|(name, _)| RouteTarget::NatGateway(name.clone()))
}

/// An automatic public address, which an instance with several interfaces does not get (L2-22), and one that is stopped
/// has given up.
fn public_address(fabric: &Fabric, topology: &Topology, eni: EniIdx) -> Option<Remedy> {
    let (instance, 0) = fabric.enis[eni].attachment? else { return None };
    let (name, interface) = (&fabric.instances[instance].name, fabric.enis[eni].name.clone());
    let declared = topology.instances.get(name)?;
    if !declared.state.is_running() {
        let sentence = format!("start {name}: an automatic public address comes back with that");
        let made = Made::StartWithAddress(name.clone(), interface);
        return Some(Remedy { sentence, made });
    }
    let is_alone = declared.network_interfaces.len() == 1;
    let sentence = format!("give {name} a public address");
    let made = Made::PublicAddress(interface);
    is_alone.then_some(Remedy { sentence, made })
}

/// A route of the interface's own subnet by a NAT gateway of its VPC.
fn by_nat_gateway(fabric: &Fabric, topology: &Topology, eni: EniIdx) -> Vec<Alternative> {
    let subnet = &fabric.subnets[fabric.enis[eni].subnet];
    let vpc = &fabric.vpcs[subnet.vpc].name;
    let Some(target) = nat_gateways(topology, vpc).next() else { return Vec::new() };
    let Ok(destination) = "0.0.0.0/0".parse::<IpNet>() else { return Vec::new() };
    let sentence = format!(", or route its subnet by the NAT gateway {target}");
    let change = Remedy {
        sentence: format!("route the subnet {} by the NAT gateway {target}", subnet.name),
        made: Made::RouteOfSubnet { subnet: subnet.name.clone(), destination, target },
    };
    vec![Alternative { change, sentence, may_be_alone: false }]
}
