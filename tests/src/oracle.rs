//! What should have become of this packet?
//!
//! The slow witness: written from the behaviour sheet, it reads a [`Topology`] and nothing else. It compiles nothing,
//! shares no code with the engine, and looks everything up by going through it from the first to the last. Its memory
//! is the list of what has passed which interface, with the time; whether a flow is remembered is found by playing its
//! part of the list again.

mod addresses;
mod edge;
mod endpoint;
mod filters;
mod interface;
mod internet;
mod memory;
mod nat;
mod peering;
mod private;
mod routes;
mod telling;
mod transit;

use std::time::Duration;

use vpclab_model::{RouteOrigin, RouteState, RouteTarget, SubnetName, Topology};

use self::addresses::{is_reserved, owner};
pub use self::endpoint::Loan;
use self::endpoint::{Carried, Carrying};
use self::filters::acl;
use self::memory::{Datagram, Passage};
pub use self::nat::Offer;
use self::nat::{Draining, Lent, Mapping};
use self::routes::route;
pub(crate) use self::telling::ROUTER_LINK_LOCAL;
use self::telling::Telling;
use self::transit::Placed;
use crate::packet::Packet;

/// Where a packet enters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It leaves this interface in a frame to the subnet's router.
    ToRouter(String),
    /// It leaves the first interface in a frame to the second, a neighbour.
    ToNeighbor(String, String),
    /// It leaves this host of the internet.
    Host(String),
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It arrives, looking like this.
    Delivered(Place, Packet),
    /// It arrives, looking like this, cut into IP packets of no more than so many bytes.
    Cut(Place, Packet, usize),
    /// The router answers it.
    Answered,
    /// It dies.
    Dropped(Reason),
    /// It dies, and its sender is told by a packet; where that arrives, and looking how, if it does.
    Told(Reason, Option<(Place, Packet)>),
}

/// Where a packet arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At an interface's guest.
    Interface(String),
    /// At a host of the internet.
    Host(String),
    /// On the internet, where nobody is declared.
    Internet,
}

/// Why a packet dies, coarsely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The source/destination check.
    SourceDestCheck,
    /// No rule of the interface's groups, or TCP in the middle of nothing.
    SecurityGroup,
    /// A network ACL.
    NetworkAcl,
    /// No route.
    NoRoute,
    /// A route whose target is gone.
    Blackhole,
    /// Nobody has the address, or whoever has it is not plugged in.
    NoDestination,
    /// The gateway's or the internet's own rules on addresses.
    Gateway,
    /// Broadcast, multicast, link-local and reserved destinations, services that are not modelled.
    NotForwarded,
    /// Larger than the path ahead takes (area MTU).
    TooLarge,
    /// Its TTL or hop limit ran out.
    Expired,
}

impl Reason {
    /// How many there are.
    pub const COUNT: usize = Self::Expired as usize + 1;
}

/// The oracle, with what has passed so far.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    passages: Vec<Passage>,
    datagrams: Vec<Datagram>,
    lent: Vec<Lent>,
    draining: Vec<Draining>,
    carried: Vec<Carried>,
    placed: Vec<Placed>,
    objection: Option<String>,
    unsure: bool,
    crossings: Crossings,
}

/// What gateways say they choose for one packet, where the choice is theirs.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// What NAT gateways lend.
    pub offers: Vec<Offer>,
    /// What interface endpoints lend.
    pub loans: Vec<Loan>,
    /// The subnets by whose interfaces transit gateways send it.
    pub doors: Vec<String>,
}

/// How many packets have arrived by way of each kind of gateway.
#[derive(Debug, Clone, Copy, Default)]
pub struct Crossings {
    /// Transit gateways.
    pub transit: usize,
    /// Transit gateways, and by a peering from one to another.
    pub transit_peering: usize,
    /// NAT gateways.
    pub nat: usize,
    /// VPC peering connections.
    pub peering: usize,
    /// VPN connections and virtual interfaces.
    pub private_link: usize,
}

impl Crossings {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            transit: self.transit + other.transit,
            transit_peering: self.transit_peering + other.transit_peering,
            nat: self.nat + other.nat,
            peering: self.peering + other.peering,
            private_link: self.private_link + other.private_link,
        }
    }

    /// Each once, however often one packet has crossed it.
    fn once(self) -> Self {
        Self {
            transit: self.transit.min(1),
            transit_peering: self.transit_peering.min(1),
            nat: self.nat.min(1),
            peering: self.peering.min(1),
            private_link: self.private_link.min(1),
        }
    }
}

/// A packet on its way.
struct Walk<'a> {
    topology: &'a Topology,
    now: Duration,
    packet: Packet,
    /// The interface it was sent from, while its source is that interface's own private address.
    sender: Option<&'a str>,
    /// The peering connection by which it came to the VPC it is in.
    came_by: Option<String>,
    /// Whether it has passed a gateway whose flows are tracked whatever the rules say (CT-07).
    auto_tracked: bool,
    /// The peering connection by which its flow came, where answers go back by it (NAT-33).
    back_by: Option<String>,
    /// The subnet whose router had it last.
    router: Option<&'a SubnetName>,
    /// What it must be cut to.
    cut_to: Option<usize>,
    /// The NAT gateways that it has passed since it was last on the internet.
    nat: Vec<&'a str>,
    /// What NAT gateways say they lend it.
    offers: &'a [Offer],
    /// What interface endpoints say they lend it.
    loans: &'a [Loan],
    lacks_an_offer: bool,
    /// Whether a transit gateway has brought it into the VPC it is in.
    by_transit: bool,
    /// Whether it comes out of a transit gateway's interface just now.
    out_of_transit: bool,
    /// Whether it comes out of a NAT gateway just now.
    out_of_nat: bool,
    /// The subnets by which the engine says it comes out of transit gateways, and how many of them have been met.
    doors: &'a [String],
    doors_met: usize,
    crossed: Crossings,
    unsure: bool,
    newly_placed: Vec<Placed>,
    objection: Option<String>,
    mapped: Vec<Mapping>,
    /// What it does to the memory of an endpoint.
    carries: Option<Carrying>,
    passed: Vec<Passage>,
    datagram: Option<Datagram>,
    /// What its sender is told when it dies.
    telling: Option<Telling>,
}

/// Where a packet comes from when it reaches an interface.
enum From<'a> {
    /// A neighbour's frame.
    Neighbor,
    /// The router, from this subnet.
    Subnet(&'a SubnetName),
    /// The router, from a transit gateway's interface in this subnet.
    Transit(&'a SubnetName),
    /// A gateway.
    Outside,
}

impl<'a> Walk<'a> {
    fn new(topology: &'a Topology, now: Duration, packet: Packet) -> Self {
        Self {
            topology,
            now,
            packet,
            sender: None,
            came_by: None,
            auto_tracked: false,
            back_by: None,
            router: None,
            cut_to: None,
            nat: Vec::new(),
            offers: &[],
            loans: &[],
            lacks_an_offer: false,
            by_transit: false,
            out_of_transit: false,
            out_of_nat: false,
            doors: &[],
            doors_met: 0,
            crossed: Crossings::default(),
            unsure: false,
            newly_placed: Vec::new(),
            objection: None,
            mapped: Vec::new(),
            carries: None,
            passed: Vec::new(),
            datagram: None,
            telling: None,
        }
    }
}

impl Oracle {
    /// What becomes of `packet`, which enters at `entry` at time `now`. What is delivered is remembered.
    pub fn judge(&mut self, topology: &Topology, entry: &Entry, packet: &Packet, now: Duration) -> Verdict {
        self.judge_with(topology, entry, packet, now, &Choices::default())
    }

    /// The same where gateways make these choices.
    pub fn judge_with(
        &mut self,
        topology: &Topology,
        entry: &Entry,
        packet: &Packet,
        now: Duration,
        choices: &Choices,
    ) -> Verdict {
        let draining = self.with_draining(topology);
        let topology = draining.as_ref().unwrap_or(topology);
        let Choices { offers, loans, doors } = choices;
        let mut walk = Walk { offers, loans, doors, ..Walk::new(topology, now, packet.clone()) };
        let ended = self.reassemble(&mut walk, entry).and_then(|()| match entry {
            Entry::ToRouter(interface) => self.leave(&mut walk, interface, None),
            Entry::ToNeighbor(interface, neighbor) => self.leave(&mut walk, interface, Some(neighbor)),
            Entry::Host(host) if topology.customer_hosts.contains_key(host.as_str()) => {
                self.leave_customer_host(&mut walk, host)
            }
            Entry::Host(host) if topology.services.contains_key(host.as_str()) => {
                self.leave_service(&mut walk, host)
            }
            Entry::Host(host) => self.leave_host(&mut walk, host),
        });
        self.objection = walk.objection.take();
        self.unsure = false;
        self.placed.append(&mut walk.newly_placed);
        if walk.lacks_an_offer && (ended.is_ok() || walk.telling.is_some()) {
            self.objection = Some("a NAT gateway or an interface endpoint lends nothing".to_owned());
        }
        match ended {
            Ok(Some(place)) => {
                self.crossings = self.crossings.plus(walk.crossed.once());
                let (packet, cut_to) = (walk.packet.clone(), walk.cut_to);
                self.remember(walk);
                match cut_to {
                    Some(limit) => Verdict::Cut(place, packet, limit),
                    None => Verdict::Delivered(place, packet),
                }
            }
            Ok(None) => Verdict::Answered,
            Err(reason) => match walk.telling.take() {
                Some(telling) => {
                    // The flow that its sender is told about is remembered, or the telling could not come in (CT-17).
                    self.remember(walk);
                    Verdict::Told(reason, self.tell(topology, &telling, now))
                }
                None => Verdict::Dropped(reason),
            },
        }
    }

    /// What was wrong with what a NAT gateway offered to the last packet.
    pub fn objection(&self) -> Option<&str> {
        self.objection.as_deref()
    }

    /// Whether a transit gateway's choice about what the sender of the last packet is told is not known.
    pub fn is_unsure(&self) -> bool {
        self.unsure
    }

    /// How many packets have arrived by way of which gateways.
    pub fn crossings(&self) -> Crossings {
        self.crossings
    }

    /// `topology` takes the place of `previous`. Forgets what belongs to interfaces that it no longer has: one made anew
    /// under an old name is another.
    pub fn change(&mut self, previous: &Topology, topology: &Topology, now: Duration) {
        self.drain(previous, topology, now);
        // With other routes the ends may have other zones.
        self.placed.clear();
        self.passages.retain(|passage| topology.network_interfaces.contains_key(passage.interface.as_str()));
        self.forget_lent(topology);
        self.forget_carried(topology);
        for passage in &mut self.passages {
            let gone = |name: &String| !topology.vpc_peering_connections.contains_key(name.as_str());
            if passage.came_by.as_ref().is_some_and(gone) {
                passage.came_by = None;
            }
        }
        self.datagrams.retain(|datagram| match &datagram.entry {
            Entry::Host(name) => {
                topology.internet_hosts.contains_key(name.as_str())
                    || topology.customer_hosts.contains_key(name.as_str())
                    || topology.services.contains_key(name.as_str())
            }
            Entry::ToRouter(name) | Entry::ToNeighbor(name, _) => {
                topology.network_interfaces.contains_key(name.as_str())
            }
        });
    }

    fn remember(&mut self, walk: Walk<'_>) {
        self.passages.extend(walk.passed);
        self.datagrams.extend(walk.datagram);
        self.map(walk.mapped);
        self.carry(walk.carries);
    }

    /// The router of a subnet has a packet that leaves it (PIPE-01, PIPE-16).
    fn at_router<'a>(&self, walk: &mut Walk<'a>, subnet: &'a SubnetName) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let here = &topology.subnets[subnet];
        let dst = walk.packet.dst;
        walk.router = Some(subnet);
        let out_of_transit = std::mem::take(&mut walk.out_of_transit);
        // NAT-07, NACL-21: a NAT gateway is no neighbour, but for packets between two addresses of its subnet.
        let is_here = |address| here.cidr_blocks().any(|block| block.contains(&address));
        let out_of_nat = std::mem::take(&mut walk.out_of_nat) && !is_here(walk.packet.src);
        if is_reserved(dst) {
            return Err(Reason::NotForwarded);
        }
        if let Some(peering) = walk.back_by.take() {
            acl(&topology.network_acls[&here.network_acl], &walk.packet, true)?;
            return self.cross_peering(walk, &peering, &here.vpc);
        }
        let found = route(topology, &topology.route_tables[&here.route_table].routes, dst);
        // NACL-06: what the router hands over inside the subnet does not leave it, unless it is steered away.
        let is_local = found.is_some_and(|route| route.target == RouteTarget::Local);
        let stays_inside = is_local && is_here(dst);
        let meets_acl = if out_of_transit {
            // NACL-22, NACL-23
            match found.map(|route| &route.target) {
                Some(RouteTarget::Local) => !stays_inside,
                Some(RouteTarget::NetworkInterface(eni)) => {
                    topology.network_interfaces[eni].subnet != *subnet
                }
                _ => true,
            }
        } else {
            out_of_nat || !stays_inside || topology.settings.network_acl_within_subnet_via_router
        };
        let from = match (out_of_transit, out_of_nat) {
            (true, _) => From::Transit(subnet),
            (false, true) => From::Outside,
            (false, false) => From::Subnet(subnet),
        };
        if meets_acl {
            acl(&topology.network_acls[&here.network_acl], &walk.packet, true)?;
        }
        let route = found.ok_or(Reason::NoRoute)?;
        if route.state == RouteState::Blackhole {
            return Err(Reason::Blackhole);
        }
        match &route.target {
            RouteTarget::Local => {
                let owner = owner(topology, &here.vpc, dst).ok_or(Reason::NoDestination)?;
                self.enter(walk, owner.as_str(), &from)
            }
            RouteTarget::NetworkInterface(target) => self.enter(walk, target.as_str(), &from),
            RouteTarget::InternetGateway(_) => self.out_of_gateway(walk, &here.vpc),
            RouteTarget::EgressOnlyInternetGateway(_) => self.out_of_egress_only_gateway(walk, &here.vpc),
            RouteTarget::VpcPeeringConnection(peering) => {
                self.cross_peering(walk, peering.as_str(), &here.vpc)
            }
            RouteTarget::VpcEndpoint(name) => self.by_gateway_endpoint(walk, name),
            RouteTarget::NotModelled { .. } => Err(Reason::NotForwarded),
            RouteTarget::NatGateway(name) => {
                // NAT-07, NACL-21: to the gateway's subnet, even from inside it.
                let subnet = &topology.subnets[&topology.nat_gateways[name].subnet];
                acl(&topology.network_acls[&subnet.network_acl], &walk.packet, false)?;
                self.through_nat(walk, name.as_str(), true)
            }
            RouteTarget::TransitGateway(gateway) => self.enter_transit(walk, subnet, gateway),
            RouteTarget::VpnGateway(gateway) => {
                let propagated = matches!(route.origin, RouteOrigin::EnableVgwRoutePropagation(_));
                self.out_of_vpn_gateway(walk, gateway, propagated)
            }
        }
    }
}
