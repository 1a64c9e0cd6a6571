//! What do VPC endpoints and the services behind them do with a packet? (areas EPG and EPI)
//!
//! A gateway endpoint changes nothing, but for the port of a client whose address and port somebody of another VPC has.
//! Which port an endpoint lends is its own to choose, as with NAT gateways: the oracle is told, and says whether that was
//! a choice it had. Who of several clients a service answers is found by going through the list of all flows.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use vpclab_model::{
    InterfaceType, RouteTarget, Service, ServiceProtocol, Topology, VpcEndpoint, VpcEndpointName,
    VpcEndpointState, VpcEndpointType, VpcName,
};

use super::addresses::{has_address, is_public, owner};
use super::internet::INTERNET_MTU;
use super::memory::{Flow, Passage, Story};
use super::routes::route;
use super::{From, Gateway, Oracle, Place, Reason, Walk};
use crate::packet::{Body, Flags, Packet, Piece};

/// EPI-10.
const INTERFACE_MTU: usize = 8500;
/// LB-02: of TCP through an interface endpoint.
const TCP_IDLE: Duration = Duration::from_secs(350);
/// LB-02: of anything but TCP.
const OTHER_IDLE: Duration = Duration::from_secs(120);
/// CT-11: as long as any interface may remember TCP, where nothing is published; before it is established, as interfaces do
/// (CT-22).
const GATEWAY_TCP_IDLE: Duration = Duration::from_secs(432_000);
/// EPS-06.
const FLOWS_TO_ONE_TARGET: usize = 55_000;

/// What an endpoint says it lends to a packet that opens a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loan {
    /// The endpoint's interface that the packet came by, or a gateway endpoint.
    pub by: String,
    /// The address that the service sees.
    pub address: IpAddr,
    /// The port that it sees.
    pub port: u16,
}

/// A flow through an endpoint.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    endpoint: VpcEndpointName,
    /// What makes the endpoint the one it was.
    identity: (VpcName, VpcEndpointType, String),
    /// The interface it came by; none of a gateway endpoint.
    interface: Option<String>,
    /// The interface that has the client's address, of a gateway endpoint.
    client_interface: Option<String>,
    client: Ends,
    /// The same as the service sees it.
    seen: Ends,
    turns: Vec<Passage>,
}

/// Both ends of a flow, who asked first. The identifier of an echo stands for the port of who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ends {
    protocol: u8,
    asks: (IpAddr, u16),
    asked: (IpAddr, u16),
}

/// What a packet does to the memory of an endpoint if it gets anywhere.
pub(super) enum Carrying {
    New(Carried),
    Turn(Carried, Passage),
}

/// CT-07
pub(super) fn is_dynamodb(topology: &Topology, name: &VpcEndpointName) -> bool {
    let endpoint = &topology.vpc_endpoints[name];
    endpoint.vpc_endpoint_type == VpcEndpointType::Gateway && endpoint.service_name.ends_with(".dynamodb")
}

impl Oracle {
    /// EPG-05, EPG-07, EPG-09.
    pub(super) fn by_gateway_endpoint(
        &self,
        walk: &mut Walk<'_>,
        name: &VpcEndpointName,
    ) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let (service_name, service, endpoint) = open_endpoint(topology, name)?;
        let packet = &walk.packet;
        let has_come_in = (walk.by_transit || walk.came_by.is_some()) && walk.nat.is_empty();
        let sender = owner(topology, &endpoint.vpc, packet.src).filter(|_| !has_come_in);
        let sender = sender.ok_or(Reason::Gateway)?.as_str();
        let passes = matches!(packet.body, Body::Tcp { .. } | Body::Echo { reply: false, .. });
        let client = Ends::of_asking(packet).filter(|_| passes).ok_or(Reason::Gateway)?;
        fits(walk, topology.settings.gateway_endpoint_mtu.into())?;
        if !service.addresses().any(|own| own == walk.packet.dst) {
            return Err(Reason::Gateway);
        }
        let seen = match self.known(walk, name, &client) {
            Some(seen) => seen,
            None => {
                let is_anothers = self.live(walk).any(|other| {
                    let same = other.service() == service_name && other.seen == client;
                    same && other.client_of() != (name, &client) && other.leads_back(topology)
                });
                let seen = if is_anothers {
                    let key = (name, &client);
                    self.lends(walk, name.as_str(), service_name, key, client.asks.0, client.asked)?
                } else {
                    let kept =
                        walk.loans.iter().all(|loan| loan.by != name.as_str() || loan.port == client.asks.1);
                    if !kept {
                        walk.objection = Some(format!("{name} lends a port to who could keep his own"));
                    }
                    client.clone()
                };
                begins(walk, name, None, client, seen.clone());
                if let Some(Carrying::New(flow)) = &mut walk.carries {
                    flow.client_interface = Some(sender.to_owned());
                }
                seen
            }
        };
        set_source_port(&mut walk.packet, seen.asks.1);
        walk.crossed.note(Gateway::GatewayEndpoint);
        Ok(Some(Place::Host(service_name.to_owned())))
    }

    /// As whom the service knows the client whose flow goes on; nobody where the packet begins another.
    fn known(&self, walk: &mut Walk<'_>, name: &VpcEndpointName, client: &Ends) -> Option<Ends> {
        let known = self.live(walk).find(|flow| flow.endpoint == *name && flow.client == *client)?.clone();
        let opens = matches!(walk.packet.body, Body::Tcp { flags: Flags::Syn, .. });
        if known.is_over() && opens {
            return None;
        }
        let seen = known.seen.clone();
        self.goes_on(walk, known);
        Some(seen)
    }

    /// EPI-03, EPI-05, EPI-10, EPI-11, EPS-01: what has come in by the endpoint's interface.
    pub(super) fn by_interface_endpoint(
        &self,
        walk: &mut Walk<'_>,
        name: &VpcEndpointName,
        interface: &str,
    ) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let (service_name, service, _) = open_endpoint(topology, name)?;
        let offered = match walk.packet.body {
            Body::Tcp { .. } => service.protocols.contains(&ServiceProtocol::Tcp),
            Body::Udp { .. } => service.protocols.contains(&ServiceProtocol::Udp),
            Body::Echo { .. } | Body::Error { .. } | Body::Other(_) => false,
        };
        let client = Ends::of_asking(&walk.packet).filter(|_| offered).ok_or(Reason::Gateway)?;
        fits(walk, INTERFACE_MTU)?;
        let ipv6 = walk.packet.is_ipv6();
        let target = service.addresses().find(|own| own.is_ipv6() == ipv6).ok_or(Reason::Gateway)?;
        let opens = matches!(walk.packet.body, Body::Tcp { flags: Flags::Syn, .. });
        let seen = match self.known(walk, name, &client) {
            Some(seen) => seen,
            None if matches!(walk.packet.body, Body::Tcp { .. }) && !opens => return Err(Reason::Gateway),
            None => {
                let node = if ipv6 {
                    IpAddr::V6(service.node_ipv6_address)
                } else {
                    IpAddr::V4(service.node_address)
                };
                let asked = (target, client.asked.1);
                let seen = self.lends(walk, interface, service_name, (name, &client), node, asked)?;
                begins(walk, name, Some(interface), client, seen.clone());
                seen
            }
        };
        walk.crossed.note(Gateway::InterfaceEndpoint);
        (walk.packet.src, walk.packet.dst) = (seen.asks.0, seen.asked.0);
        set_source_port(&mut walk.packet, seen.asks.1);
        Ok(Some(Place::Host(service_name.to_owned())))
    }

    /// EPI-04: a service answers; anything else takes the internet, where both ends are public.
    pub(super) fn leave_service(&self, walk: &mut Walk<'_>, name: &str) -> Result<Option<Place>, Reason> {
        let service = &walk.topology.services[name];
        let (src, dst) = (walk.packet.src, walk.packet.dst);
        if dst.is_multicast() || !service.addresses().any(|own| own == src) {
            return Err(Reason::NotForwarded);
        }
        let seen = Ends::of_answering(&walk.packet);
        let flow = self.live(walk).find(|flow| flow.service() == name && Some(&flow.seen) == seen.as_ref());
        match flow.cloned() {
            Some(flow) => self.answers(walk, flow),
            None if is_public(src) && is_public(dst) => {
                walk.fit(INTERNET_MTU, None)?;
                self.across_the_internet(walk, false)
            }
            None => Err(Reason::Gateway),
        }
    }

    fn answers(&self, walk: &mut Walk<'_>, flow: Carried) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let endpoint = &topology.vpc_endpoints[&flow.endpoint];
        if endpoint.state != VpcEndpointState::Available {
            // EPI-17
            return Err(Reason::Gateway);
        }
        let (name, client, asked) = (flow.endpoint.clone(), flow.client.asks, flow.client.asked.0);
        let interface = flow.interface.clone();
        let (client_interface, leads_back) = (flow.client_interface.clone(), flow.leads_back(topology));
        self.goes_on(walk, flow);
        let Some(interface) = interface else {
            fits(walk, topology.settings.gateway_endpoint_mtu.into())?;
            let (owner, _) = topology
                .network_interfaces
                .get_key_value(client_interface.as_deref().unwrap_or_default())
                .ok_or(Reason::Gateway)?;
            let lists =
                endpoint.prefix_lists.iter().filter_map(|list| topology.managed_prefix_lists.get(list));
            if !lists.flat_map(|list| list.blocks()).any(|block| block.contains(&walk.packet.src)) {
                // EPG-07
                return Err(Reason::Gateway);
            }
            // EPG-08
            if !leads_back {
                return Err(Reason::Gateway);
            }
            set_destination_port(&mut walk.packet, client.1);
            walk.auto_tracked = is_dynamodb(topology, &name);
            return self.enter(walk, owner.as_str(), &From::Outside);
        };
        fits(walk, INTERFACE_MTU)?;
        (walk.packet.src, walk.packet.dst) = (asked, client.0);
        set_destination_port(&mut walk.packet, client.1);
        let (own, eni) =
            topology.network_interfaces.get_key_value(interface.as_str()).ok_or(Reason::Gateway)?;
        walk.sender = Some(own.as_str());
        // EPI-15
        walk.auto_tracked = true;
        self.security_group(walk, own.as_str(), true)?;
        let subnet = &topology.subnets[&eni.subnet];
        let neighbor = owner(topology, &subnet.vpc, client.0)
            .filter(|name| topology.network_interfaces[*name].subnet == eni.subnet);
        match neighbor {
            // EPI-20, NACL-06
            Some(neighbor) if walk.back_by.is_none() => self.enter(walk, neighbor.as_str(), &From::Neighbor),
            _ => self.at_router(walk, &eni.subnet),
        }
    }

    /// The endpoint's choice, found to be one that it had.
    fn lends(
        &self,
        walk: &mut Walk<'_>,
        by: &str,
        service: &str,
        (endpoint, client): (&VpcEndpointName, &Ends),
        node: IpAddr,
        asked: (IpAddr, u16),
    ) -> Result<Ends, Reason> {
        let others = self.live(walk).filter(|flow| flow.endpoint != *endpoint || flow.client != *client);
        let to_target = others.filter(|flow| {
            flow.service() == service
                && (flow.seen.protocol, flow.seen.asks.0, flow.seen.asked) == (client.protocol, node, asked)
        });
        let taken: BTreeSet<u16> = to_target.map(|flow| flow.seen.asks.1).collect();
        let is_own = self.is_gateway(walk, endpoint);
        if taken.len() >= FLOWS_TO_ONE_TARGET && !is_own {
            return Err(Reason::Gateway);
        }
        let Some(loan) = walk.loans.iter().find(|loan| loan.by == by) else {
            walk.lacks_an_offer = true;
            return Ok(Ends { protocol: client.protocol, asks: (node, 0), asked });
        };
        let objection = if loan.address != node {
            Some("is not the address by which the service sees its clients")
        } else if loan.port < 1024 {
            Some("has a port below 1024")
        } else if taken.contains(&loan.port) {
            Some("is lent already for this target")
        } else {
            None
        };
        if let Some(objection) = objection {
            walk.objection = Some(format!("{loan:?} {objection}"));
        }
        Ok(Ends { protocol: client.protocol, asks: (loan.address, loan.port), asked })
    }

    fn is_gateway(&self, walk: &Walk<'_>, endpoint: &VpcEndpointName) -> bool {
        walk.topology.vpc_endpoints[endpoint].vpc_endpoint_type == VpcEndpointType::Gateway
    }

    fn goes_on(&self, walk: &mut Walk<'_>, flow: Carried) {
        let by_client = Ends::of_asking(&walk.packet).is_some_and(|ends| ends == flow.client);
        let turn = turn(walk, &flow.endpoint, by_client);
        walk.carries = Some(Carrying::Turn(flow, turn));
    }

    /// The flows that endpoints still have.
    fn live<'a>(&'a self, walk: &Walk<'a>) -> impl Iterator<Item = &'a Carried> + use<'a> {
        let (topology, now) = (walk.topology, walk.now);
        self.carried.iter().filter(move |flow| flow.is_live(topology, now))
    }

    /// Takes note of what became of a flow.
    pub(super) fn carry(&mut self, carrying: Option<Carrying>) {
        match carrying {
            Some(Carrying::New(new)) => {
                self.carried.retain(|old| {
                    let same_client = old.endpoint == new.endpoint && old.client == new.client;
                    !same_client && (old.service() != new.service() || old.seen != new.seen)
                });
                self.carried.push(new);
            }
            Some(Carrying::Turn(of, turn)) => {
                let mut all = self.carried.iter_mut();
                let flow = all.find(|flow| flow.endpoint == of.endpoint && flow.client == of.client);
                if let Some(flow) = flow {
                    flow.turns.push(turn);
                }
            }
            None => {}
        }
    }

    /// An endpoint that is gone, or is another one under its name, has none of the flows.
    pub(super) fn forget_carried(&mut self, topology: &Topology) {
        self.carried.retain(|flow| {
            let endpoint = topology.vpc_endpoints.get(&flow.endpoint);
            let mut interfaces = flow.interface.iter().chain(&flow.client_interface);
            let has_interface =
                interfaces.all(|name| topology.network_interfaces.contains_key(name.as_str()));
            endpoint.is_some_and(|endpoint| identity(endpoint) == flow.identity) && has_interface
        });
    }
}

impl Carried {
    fn service(&self) -> &str {
        &self.identity.2
    }

    fn client_of(&self) -> (&VpcEndpointName, &Ends) {
        (&self.endpoint, &self.client)
    }

    /// EPG-08: whether the client's subnet has the route to the gateway endpoint.
    fn leads_back(&self, topology: &Topology) -> bool {
        let Some(client) = &self.client_interface else { return true };
        let Some(eni) = topology.network_interfaces.get(client.as_str()) else { return false };
        let table = &topology.route_tables[&topology.subnets[&eni.subnet].route_table];
        let way = route(topology, &table.routes, self.client.asked.0);
        way.is_some_and(|way| way.target == RouteTarget::VpcEndpoint(self.endpoint.clone()))
    }

    fn is_over(&self) -> bool {
        Story::of(&self.turns).is_some_and(|story| story.is_over())
    }

    fn is_live(&self, topology: &Topology, now: Duration) -> bool {
        let target = topology.services.get(self.service());
        if !target.is_some_and(|service| service.addresses().any(|own| own == self.seen.asked.0)) {
            return false;
        }
        let last = self.turns.last().map_or(Duration::ZERO, |turn| turn.at);
        let limit = match (self.client.protocol, &self.interface) {
            (6, _) if self.is_over() => Duration::from_secs(topology.settings.tcp_closing_timeout.into()),
            (6, None) if Story::of(&self.turns).is_some_and(|story| story.is_opening()) => {
                Duration::from_secs(topology.settings.tcp_opening_timeout.into())
            }
            (6, None) => GATEWAY_TCP_IDLE,
            (6, Some(_)) => TCP_IDLE,
            _ => OTHER_IDLE,
        };
        let interface = self.interface.as_ref().map(|name| topology.network_interfaces.get(name.as_str()));
        let is_there = interface.is_none_or(|eni| {
            eni.is_some_and(|eni| {
                matches!(&eni.interface_type, InterfaceType::VpcEndpoint(of) if *of == self.endpoint)
                    && has_address(eni, self.client.asked.0)
            })
        });
        let client =
            self.client_interface.as_ref().map(|name| topology.network_interfaces.get(name.as_str()));
        let has_client = client.is_none_or(|eni| eni.is_some_and(|eni| has_address(eni, self.client.asks.0)));
        is_there && has_client && now.saturating_sub(last) <= limit
    }
}

impl Ends {
    /// Of a client's packet.
    fn of_asking(packet: &Packet) -> Option<Self> {
        let (from, to) = match packet.body {
            Body::Tcp { src, dst, .. } | Body::Udp { src, dst } => (src, dst),
            Body::Echo { id, .. } => (id, 0),
            Body::Error { .. } | Body::Other(_) => return None,
        };
        Some(Self { protocol: packet.protocol(), asks: (packet.src, from), asked: (packet.dst, to) })
    }

    /// Of a service's packet, if it can be an answer.
    fn of_answering(packet: &Packet) -> Option<Self> {
        let (from, to) = match packet.body {
            Body::Tcp { src, dst, .. } | Body::Udp { src, dst } => (src, dst),
            Body::Echo { id, reply: true } => (0, id),
            Body::Echo { reply: false, .. } | Body::Error { .. } | Body::Other(_) => return None,
        };
        Some(Self { protocol: packet.protocol(), asks: (packet.dst, to), asked: (packet.src, from) })
    }
}

/// EPI-17, EPS-04: an endpoint that carries packets, to a service that is declared.
fn open_endpoint<'a>(
    topology: &'a Topology,
    name: &VpcEndpointName,
) -> Result<(&'a str, &'a Service, &'a VpcEndpoint), Reason> {
    let endpoint = &topology.vpc_endpoints[name];
    let service = endpoint.service.as_ref().and_then(|service| topology.services.get_key_value(service));
    let (service_name, service) = service.ok_or(Reason::NotForwarded)?;
    match endpoint.state {
        VpcEndpointState::Available => Ok((service_name.as_str(), service, endpoint)),
        _ => Err(Reason::Gateway),
    }
}

fn identity(endpoint: &VpcEndpoint) -> (VpcName, VpcEndpointType, String) {
    let service = endpoint.service.as_ref().map(|service| service.as_str().to_owned());
    (endpoint.vpc.clone(), endpoint.vpc_endpoint_type, service.unwrap_or_default())
}

fn begins(walk: &mut Walk<'_>, name: &VpcEndpointName, interface: Option<&str>, client: Ends, seen: Ends) {
    walk.carries = Some(Carrying::New(Carried {
        endpoint: name.clone(),
        identity: identity(&walk.topology.vpc_endpoints[name]),
        interface: interface.map(str::to_owned),
        client_interface: None,
        client,
        seen,
        turns: vec![first_turn(walk, name)],
    }));
}

fn first_turn(walk: &Walk<'_>, name: &VpcEndpointName) -> Passage {
    Passage { opens: Some(true), ..turn(walk, name, true) }
}

fn turn(walk: &Walk<'_>, name: &VpcEndpointName, by_client: bool) -> Passage {
    let packet = &walk.packet;
    let flags = match packet.body {
        Body::Tcp { flags, .. } if !matches!(packet.piece, Piece::Later(_)) => Some(flags),
        _ => None,
    };
    Passage {
        interface: name.as_str().to_owned(),
        flow: Flow::of(packet, packet.src, packet.dst, by_client),
        outbound: by_client,
        flags,
        at: walk.now,
        opens: None,
        came_by: None,
    }
}

/// EPI-10, MTU-05: dropped whatever it says about being cut, and nobody hears of it.
fn fits(walk: &Walk<'_>, mtu: usize) -> Result<(), Reason> {
    if walk.packet.len() > mtu { Err(Reason::TooLarge) } else { Ok(()) }
}

fn set_source_port(packet: &mut Packet, port: u16) {
    match &mut packet.body {
        Body::Tcp { src, .. } | Body::Udp { src, .. } => *src = port,
        Body::Echo { id, .. } => *id = port,
        Body::Error { .. } | Body::Other(_) => {}
    }
}

fn set_destination_port(packet: &mut Packet, port: u16) {
    match &mut packet.body {
        Body::Tcp { dst, .. } | Body::Udp { dst, .. } => *dst = port,
        Body::Echo { id, .. } => *id = port,
        Body::Error { .. } | Body::Other(_) => {}
    }
}
