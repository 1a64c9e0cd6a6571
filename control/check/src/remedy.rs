//! What would make it work?
//!
//! For what denies in the simple cases: a rule to add, a route, an address, a switch. A [`Remedy`] is made of the packet
//! that dies and of the resource where it dies, and is the narrowest that lets it pass there; whether it is wise is the
//! reader's to judge. What always holds: where a gateway has changed the packet's addresses before, or more than a change
//! would be needed, nothing is said.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};
use vpclab_engine::explain::{Ends, TrafficQuestion};
use vpclab_engine::{Direction, DropReason, EniIdx, Fabric, Step, explain as engine};
use vpclab_model::{PeeringState, RouteTarget, Topology, not_public};
use vpclab_wire::Protocol;

use crate::words;

/// The source ports of clients that do not choose one (NACL-19).
const EPHEMERAL: (u16, u16) = (32_768, 60_999);
/// Those that NAT gateways lend (NAT-06).
const LENT: (u16, u16) = (1024, 65_535);

/// A change to the topology that takes one blocker away.
#[derive(Debug, Clone, PartialEq)]
pub struct Remedy {
    /// The key of the resource's kind.
    kind: &'static str,
    /// Its name.
    name: String,
    /// The attribute.
    attribute: &'static str,
    /// What it is to be, or what its list is to have more.
    what: What,
    /// In words.
    sentence: String,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Is(Value),
    Has(Value),
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Remedy {
    /// Makes the change in a document that declares the resource.
    pub fn apply(&self, document: &mut Value) {
        let resource = &mut document[self.kind][&self.name];
        if resource.is_null() {
            *resource = Value::Object(Map::new());
        }
        let attribute = &mut resource[self.attribute];
        match (&self.what, attribute) {
            (What::Is(value), attribute) => *attribute = value.clone(),
            (What::Has(value), Value::Array(list)) => list.push(value.clone()),
            (What::Has(value), attribute) => *attribute = json!([value]),
        }
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

/// What would take a blocker away; nothing where that is not simple.
pub(crate) fn remedy(
    fabric: &Fabric,
    topology: &Topology,
    ends: Option<&Ends>,
    traffic: TrafficQuestion,
    told: &engine::Explanation,
    blocker: &engine::Blocker,
) -> Option<Remedy> {
    match blocker.reason {
        DropReason::NoPublicAddressForIngress { eni } => {
            return public_address(fabric, topology, eni, "");
        }
        DropReason::NoPublicAddress { eni, ipv6: None, .. } => {
            return public_address(fabric, topology, eni, ", or route its subnet by a NAT gateway");
        }
        _ => {}
    }
    let ends = ends?;
    let changes_addresses = |step: &Step| matches!(step, Step::NatGateway { .. } | Step::Endpoint { .. });
    let is_lent = told.forward.steps.iter().any(changes_addresses);
    // What the answer's receiver asked is not what its sender saw.
    let seen = told.forward.observed.as_ref();
    let (source, destination) = match (blocker.on_return, seen) {
        (false, _) => (ends.source, ends.destination),
        (true, Some(seen)) => (seen.dst, seen.src),
        (true, None) => return None,
    };
    if is_lent && matches!(blocker.reason, DropReason::SecurityGroup { .. } | DropReason::NetworkAcl { .. }) {
        return None;
    }
    let dying =
        Dying { fabric, topology, source, destination, traffic, on_return: blocker.on_return, is_lent };
    match blocker.reason {
        DropReason::SecurityGroup { eni, direction, lost_reference: false, .. } => {
            dying.group_rule(eni, direction)
        }
        DropReason::NetworkAcl { network_acl, direction, rule, .. } => {
            let acl = fabric.network_acls[network_acl].name.to_string();
            dying.acl_entry(acl, direction, rule)
        }
        DropReason::NoRoute { route_table } => dying.route(fabric.route_tables[route_table].name.as_str()),
        DropReason::InstanceStopped { eni } => {
            let (instance, _) = fabric.enis[eni].attachment?;
            let name = fabric.instances[instance].name.to_string();
            Some(set("instances", name.clone(), "state", json!("running"), format!("start {name}")))
        }
        DropReason::Blackhole { route_table, destination } => {
            let table = topology.route_tables.get(&fabric.route_tables[route_table].name)?;
            let mut routes = table.routes.iter();
            match &routes.find(|route| route.destination == destination && !route.overridden)?.target {
                RouteTarget::VpcPeeringConnection(peering) => dying.peering(peering.as_str()),
                _ => None,
            }
        }
        DropReason::PeeringInactive { peering } => dying.peering(fabric.peerings[peering].name.as_str()),
        DropReason::SourceDestCheck { eni, .. } => {
            // Who is asked for an address that is not his own is a middlebox.
            let name = fabric.enis[eni].name.as_str();
            let kind = if topology.instances.contains_key(name) { "instances" } else { "network_interfaces" };
            let sentence = format!(
                "switch off the source/destination check of {name}, if it is to forward what is not its own"
            );
            Some(set(kind, name.to_owned(), "source_dest_check", json!(false), sentence))
        }
        _ => None,
    }
}

fn set(kind: &'static str, name: String, attribute: &'static str, value: Value, sentence: String) -> Remedy {
    Remedy { kind, name, attribute, what: What::Is(value), sentence }
}

impl Dying<'_> {
    /// The end that a filter in this direction looks at.
    fn far_end(&self, direction: Direction) -> IpAddr {
        match direction {
            Direction::Inbound => self.source,
            Direction::Outbound => self.destination,
        }
    }

    /// Protocol and ports or types as rules have them, and in words; nothing where the question is about more.
    fn traffic(&self) -> Option<(Map<String, Value>, String)> {
        let with = |protocol: &str, from: Value, to: Value| {
            Map::from_iter([
                ("protocol".to_owned(), json!(protocol)),
                ("from_port".to_owned(), from),
                ("to_port".to_owned(), to),
            ])
        };
        match self.traffic {
            TrafficQuestion::All => Some((with("-1", json!(0), json!(0)), "all traffic".to_owned())),
            TrafficQuestion::Ports { protocol, port, source_port } => {
                let asked = port.map_or((0, 65_535), |port| (port, port));
                let (from, to) = match (self.on_return, source_port) {
                    (false, _) => asked,
                    (true, Some(own)) if !self.is_lent => (own, own),
                    (true, _) => {
                        if self.is_lent {
                            LENT
                        } else {
                            EPHEMERAL
                        }
                    }
                };
                let protocol = words::protocol(protocol);
                Some((
                    with(&protocol, json!(from), json!(to)),
                    format!("{protocol} {}", words::ports(from, to)),
                ))
            }
            TrafficQuestion::Echo => {
                let is_ipv6 = self.source.is_ipv6();
                let protocol = if is_ipv6 { Protocol::ICMPV6 } else { Protocol::ICMP };
                let icmp_type = match (is_ipv6, self.on_return) {
                    (false, false) => 8,
                    (false, true) => 0,
                    (true, false) => 128,
                    (true, true) => 129,
                };
                let protocol = words::protocol(protocol);
                let what = if self.on_return { "echo reply" } else { "echo request" };
                Some((with(&protocol, json!(icmp_type), json!(-1)), format!("{protocol} {what}")))
            }
            TrafficQuestion::Protocol(number) => {
                Some((with(&number.to_string(), json!(0), json!(0)), format!("protocol {number}")))
            }
        }
    }

    fn group_rule(&self, eni: EniIdx, direction: Direction) -> Option<Remedy> {
        let group = self.fabric.enis[eni].security_groups.first()?;
        let name = self.fabric.security_groups[*group].name.to_string();
        let far_end = self.far_end(direction);
        let (mut rule, traffic) = self.traffic()?;
        let block = IpNet::from(far_end);
        rule.insert(blocks_of(block).to_owned(), json!([block.to_string()]));
        let attribute = attribute(direction);
        let word = if direction == Direction::Inbound { "from" } else { "to" };
        // Whoever is in a group of the same VPC can be named by it.
        let own = self.fabric.enis[eni].vpc;
        let member = self.fabric.interface_at(own, far_end);
        let group_of = member.and_then(|member| self.fabric.enis[member].security_groups.first());
        let or_group = group_of
            .map(|group| {
                format!(", or {word} the security group {}", self.fabric.security_groups[*group].name)
            })
            .unwrap_or_default();
        let sentence =
            format!("add to security group {name} an {attribute} rule: {traffic} {word} {block}{or_group}");
        Some(Remedy {
            kind: "security_groups",
            name,
            attribute,
            what: What::Has(Value::Object(rule)),
            sentence,
        })
    }

    fn acl_entry(&self, name: String, direction: Direction, denied_by: Option<u16>) -> Option<Remedy> {
        let acl = self.topology.network_acls.get(name.as_str())?;
        let entries = if direction == Direction::Inbound { &acl.ingress } else { &acl.egress };
        let taken: BTreeSet<u16> = entries.iter().map(|entry| entry.rule_number).collect();
        let free = |number: &u16| !taken.contains(number);
        let number = match denied_by {
            Some(denied_by) => (1..denied_by).rev().find(free)?,
            None => (1..=32_766).map(|n| n * 100 % 32_767).find(|number| *number > 0 && free(number))?,
        };
        let far_end = self.far_end(direction);
        let block = IpNet::from(far_end);
        let (mut entry, traffic) = self.traffic()?;
        if matches!(self.traffic, TrafficQuestion::Echo) {
            entry.insert("icmp_type".to_owned(), entry["from_port"].clone());
            entry.insert("icmp_code".to_owned(), json!(-1));
            entry.remove("from_port");
            entry.remove("to_port");
        }
        let key = if block.addr().is_ipv6() { "ipv6_cidr_block" } else { "cidr_block" };
        entry.insert(key.to_owned(), json!(block.to_string()));
        entry.insert("rule_no".to_owned(), json!(number));
        entry.insert("action".to_owned(), json!("allow"));
        let attribute = attribute(direction);
        let word = if direction == Direction::Inbound { "from" } else { "to" };
        let before = denied_by.map(|denied_by| format!(" below {denied_by}")).unwrap_or_default();
        let sentence = format!(
            "add to network ACL {name} an {attribute} rule with a number{before}, such as {number}: allow {traffic} {word} {block}"
        );
        Some(Remedy {
            kind: "network_acls",
            name,
            attribute,
            what: What::Has(Value::Object(entry)),
            sentence,
        })
    }

    /// A route to where the destination is: the internet by the VPC's gateway, or a VPC at the other end of a peering
    /// connection or a transit gateway.
    fn route(&self, table: &str) -> Option<Remedy> {
        let vpc = &self.topology.route_tables.get(table)?.vpc;
        let destination = self.destination;
        if not_public(destination).is_none() {
            return internet_route(self.topology, table, destination.is_ipv6());
        }
        let (block, key, target) = {
            let holds = |other: &vpclab_model::VpcName| {
                self.topology.vpcs.get(other)?.cidr_blocks().find(|block| block.contains(&destination))
            };
            let peerings = self.topology.vpc_peering_connections.iter();
            let by_peering = peerings
                .filter(|(_, own)| {
                    matches!(own.state, PeeringState::Active | PeeringState::PendingAcceptance)
                })
                .find_map(|(name, own)| {
                    let other = match (&own.vpc, &own.peer_vpc) {
                        (one, other) | (other, one) if one == vpc => other,
                        _ => return None,
                    };
                    Some((holds(other)?, "vpc_peering_connection", name.to_string()))
                });
            let attachments = || self.topology.transit_gateway_vpc_attachments.values();
            let by_transit = || {
                attachments().filter(|own| own.vpc == *vpc).find_map(|own| {
                    let there = attachments().filter(|other| other.transit_gateway == own.transit_gateway);
                    let block =
                        there.filter(|other| other.vpc != *vpc).find_map(|other| holds(&other.vpc))?;
                    Some((block, "transit_gateway", own.transit_gateway.to_string()))
                })
            };
            by_peering.or_else(by_transit)?
        };
        Some(route(table, block, key, &target))
    }

    fn peering(&self, name: &str) -> Option<Remedy> {
        let pending =
            self.topology.vpc_peering_connections.get(name)?.state == PeeringState::PendingAcceptance;
        let sentence = format!("accept the peering connection {name}");
        pending.then(|| set("vpc_peering_connections", name.to_owned(), "state", json!("active"), sentence))
    }
}

fn route(table: &str, block: IpNet, key: &str, target: &str) -> Remedy {
    let family = if block.addr().is_ipv6() { "ipv6_cidr_block" } else { "cidr_block" };
    Remedy {
        kind: "route_tables",
        name: table.to_owned(),
        attribute: "routes",
        what: What::Has(json!({ family: block.to_string(), key: target })),
        sentence: format!("add to route table {table} the route {block} → {target}"),
    }
}

/// The route to the internet by the gateway of the table's VPC.
fn internet_route(topology: &Topology, table: &str, ipv6: bool) -> Option<Remedy> {
    let vpc = &topology.route_tables.get(table)?.vpc;
    let gateway = topology.internet_gateways.iter().find(|(_, own)| own.vpc.as_ref() == Some(vpc))?.0;
    let block = if ipv6 { "::/0" } else { "0.0.0.0/0" };
    Some(route(table, block.parse().ok()?, "gateway", gateway.as_str()))
}

/// An automatic public address, which an instance with several interfaces does not get (L2-22).
fn public_address(fabric: &Fabric, topology: &Topology, eni: EniIdx, or: &str) -> Option<Remedy> {
    let (instance, 0) = fabric.enis[eni].attachment? else { return None };
    let name = fabric.instances[instance].name.to_string();
    let is_alone = topology.instances.get(name.as_str())?.network_interfaces.len() == 1;
    let sentence = format!("give {name} a public address{or}");
    is_alone.then(|| set("instances", name, "associate_public_ip_address", json!(true), sentence))
}

fn attribute(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "ingress",
        Direction::Outbound => "egress",
    }
}

fn blocks_of(block: IpNet) -> &'static str {
    if block.addr().is_ipv6() { "ipv6_cidr_blocks" } else { "cidr_blocks" }
}
