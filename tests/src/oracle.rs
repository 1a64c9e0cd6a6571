//! What should have become of this packet?
//!
//! The slow witness: written from the behaviour sheet, it reads a [`Topology`] and nothing else. It compiles nothing,
//! shares no code with the engine, and looks everything up by going through it from the first to the last. Its memory
//! is the list of what has passed which interface, with the time; whether a flow is remembered is found by playing its
//! part of the list again.

mod addresses;
mod filters;
mod memory;
mod routes;

use std::net::IpAddr;
use std::time::Duration;

use vpclab_model::{MidStreamTcp, OutboundSmtp, RouteState, RouteTarget, SubnetName, Topology, VpcName};

use self::addresses::{
    behind_public, belongs_to_aws, has_address, is_for_the_link_or_a_group, is_never_forwarded,
    is_private_or_shared, is_public, is_router_of, owner,
};
use self::filters::{Far, Subject, acl, is_meant, is_wide_open, rules, speaks_of};
use self::memory::{Flow, Passage, Remembered, remembered};
use self::routes::route;
use crate::packet::{Body, Flags, Packet};

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
    /// The router answers it.
    Answered,
    /// It dies.
    Dropped(Reason),
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
}

/// The oracle, with what has passed so far.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    passages: Vec<Passage>,
}

/// A packet on its way.
struct Walk<'a> {
    topology: &'a Topology,
    now: Duration,
    packet: Packet,
    /// The interface it was sent from, while its source is that interface's own private address.
    sender: Option<&'a str>,
    passed: Vec<Passage>,
}

impl Oracle {
    /// What becomes of `packet`, which enters at `entry` at time `now`. What is delivered is remembered.
    pub fn judge(&mut self, topology: &Topology, entry: &Entry, packet: &Packet, now: Duration) -> Verdict {
        let mut walk = Walk { topology, now, packet: packet.clone(), sender: None, passed: Vec::new() };
        let ended = match entry {
            Entry::ToRouter(interface) => self.leave(&mut walk, interface, None),
            Entry::ToNeighbor(interface, neighbor) => self.leave(&mut walk, interface, Some(neighbor)),
            Entry::Host(host) => self.leave_host(&mut walk, host),
        };
        match ended {
            Ok(Some(place)) => {
                self.passages.append(&mut walk.passed);
                Verdict::Delivered(place, walk.packet)
            }
            Ok(None) => Verdict::Answered,
            Err(reason) => Verdict::Dropped(reason),
        }
    }

    /// Forgets what belongs to interfaces that `topology` no longer has: one made anew under an old name is another.
    pub fn forget_removed(&mut self, topology: &Topology) {
        self.passages.retain(|passage| topology.network_interfaces.contains_key(passage.interface.as_str()));
    }

    /// PIPE-01, PIPE-03, PIPE-18.
    fn leave<'a>(
        &self,
        walk: &mut Walk<'a>,
        name: &'a str,
        neighbor: Option<&'a str>,
    ) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let eni = &topology.network_interfaces[name];
        if eni.attachment.is_none() {
            return Err(Reason::NoDestination);
        }
        let subnet = &topology.subnets[&eni.subnet];
        let (src, dst) = (walk.packet.src, walk.packet.dst);
        if is_never_forwarded(topology, eni, dst) {
            return Err(Reason::NotForwarded);
        }
        let own_source = has_address(eni, src);
        if eni.source_dest_check && !own_source {
            return Err(Reason::SourceDestCheck);
        }
        if own_source {
            walk.sender = Some(name);
        }
        if neighbor.is_none() && is_router_of(subnet, dst) {
            // L2-09, SG-21, NACL-17
            let asks = matches!(walk.packet.body, Body::Echo { reply: false, .. });
            return if asks { Ok(None) } else { Err(Reason::NotForwarded) };
        }
        self.security_group(walk, name, true)?;
        if let Some(neighbor) = neighbor {
            return self.enter(walk, neighbor, &From::Neighbor);
        }
        let found = route(topology, &topology.route_tables[&subnet.route_table].routes, dst);
        // PIPE-16, NACL-06: what the router hands over inside the subnet does not leave it, unless it is steered away.
        let is_local = found.is_some_and(|route| route.target == RouteTarget::Local);
        let stays_inside = is_local && subnet.cidr_blocks().any(|block| block.contains(&dst));
        if !stays_inside || topology.settings.network_acl_within_subnet_via_router {
            acl(&topology.network_acls[&subnet.network_acl], &walk.packet, true)?;
        }
        let route = found.ok_or(Reason::NoRoute)?;
        if route.state == RouteState::Blackhole {
            return Err(Reason::Blackhole);
        }
        match &route.target {
            RouteTarget::Local => {
                let owner = owner(topology, &subnet.vpc, dst).ok_or(Reason::NoDestination)?;
                self.enter(walk, owner.as_str(), &From::Subnet(&eni.subnet))
            }
            RouteTarget::NetworkInterface(target) => {
                self.enter(walk, target.as_str(), &From::Subnet(&eni.subnet))
            }
            RouteTarget::InternetGateway(_) => self.out_of_gateway(walk, &subnet.vpc),
            RouteTarget::EgressOnlyInternetGateway(_)
            | RouteTarget::NatGateway(_)
            | RouteTarget::VpnGateway(_)
            | RouteTarget::VpcPeeringConnection(_) => Err(Reason::Gateway),
        }
    }

    /// IGW-01, IGW-04, IGW-06, IGW-07, IGW-10, IGW-14, L2-24.
    fn out_of_gateway(&self, walk: &mut Walk<'_>, vpc: &VpcName) -> Result<Option<Place>, Reason> {
        if !is_public(walk.packet.dst) || walk.packet.src.is_ipv6() && !is_public(walk.packet.src) {
            return Err(Reason::Gateway);
        }
        let src = walk.packet.src;
        let owner = owner(walk.topology, vpc, src).ok_or(Reason::Gateway)?;
        let eni = &walk.topology.network_interfaces[owner];
        let may_mail = walk.topology.settings.outbound_smtp == OutboundSmtp::Allowed;
        if let IpAddr::V4(private) = src {
            let public = IpAddr::V4(eni.public_ips.get(&private).ok_or(Reason::Gateway)?.address);
            if matches!(walk.packet.body, Body::Tcp { dst: 25, .. }) && !may_mail {
                return Err(Reason::Gateway);
            }
            walk.packet.src = public;
            walk.sender = None;
            if let Body::Error { about, .. } = &mut walk.packet.body
                && about.dst == src
            {
                about.dst = public;
            }
        }
        self.across_the_internet(walk, true)
    }

    /// A host sends with its own address, to whoever has the destination.
    fn leave_host(&self, walk: &mut Walk<'_>, name: &str) -> Result<Option<Place>, Reason> {
        let host = &walk.topology.internet_hosts[name];
        let (src, dst) = (walk.packet.src, walk.packet.dst);
        if is_for_the_link_or_a_group(dst) {
            return Err(Reason::NotForwarded);
        }
        if host.address.map(IpAddr::V4) != Some(src) && host.ipv6_address.map(IpAddr::V6) != Some(src) {
            return Err(Reason::Gateway);
        }
        self.across_the_internet(walk, false)
    }

    /// IGW-08, IGW-09, IGW-15.
    fn across_the_internet(&self, walk: &mut Walk<'_>, leaves_aws: bool) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let (src, dst) = (walk.packet.src, walk.packet.dst);
        for (name, host) in &topology.internet_hosts {
            if host.address.map(IpAddr::V4) == Some(dst) || host.ipv6_address.map(IpAddr::V6) == Some(dst) {
                return Ok(Some(Place::Host(name.as_str().to_owned())));
            }
        }
        let Some((name, private)) = behind_public(topology, dst) else {
            let beyond = leaves_aws && !belongs_to_aws(topology, dst);
            return if beyond { Ok(Some(Place::Internet)) } else { Err(Reason::Gateway) };
        };
        if is_private_or_shared(src) || topology.network_interfaces[name].attachment.is_none() {
            return Err(Reason::Gateway);
        }
        walk.packet.dst = private;
        if let Body::Error { about, .. } = &mut walk.packet.body
            && about.src == dst
        {
            about.src = private;
        }
        self.enter(walk, name.as_str(), &From::Outside)
    }

    /// PIPE-02, PIPE-08, PIPE-18.
    fn enter(&self, walk: &mut Walk<'_>, name: &str, from: &From<'_>) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let eni = &topology.network_interfaces[name];
        if eni.attachment.is_none() {
            return Err(Reason::NoDestination);
        }
        let meets_acl = match from {
            From::Neighbor => false,
            From::Subnet(name) if **name == eni.subnet => {
                topology.settings.network_acl_within_subnet_via_router
            }
            From::Subnet(_) | From::Outside => true,
        };
        if meets_acl {
            let subnet = &topology.subnets[&eni.subnet];
            acl(&topology.network_acls[&subnet.network_acl], &walk.packet, false)?;
        }
        self.security_group(walk, name, false)?;
        if eni.source_dest_check && !has_address(eni, walk.packet.dst) {
            return Err(Reason::SourceDestCheck);
        }
        Ok(Some(Place::Interface(name.to_owned())))
    }

    /// The groups of an interface, and what they remember (SG-01, areas SG and CT).
    fn security_group(&self, walk: &mut Walk<'_>, name: &str, outbound: bool) -> Result<(), Reason> {
        let topology = walk.topology;
        let eni = &topology.network_interfaces[name];
        let packet = &walk.packet;
        let (own, peer) = if outbound { (packet.src, packet.dst) } else { (packet.dst, packet.src) };
        let far = Far {
            address: peer,
            member: if outbound {
                owner(topology, &topology.subnets[&eni.subnet].vpc, peer)
                    .map(|name| &topology.network_interfaces[name])
            } else {
                walk.sender.map(|name| &topology.network_interfaces[name])
            },
        };
        let allowed = |outbound: bool, subject: &Subject, far: &Far<'_>| {
            rules(topology, eni, outbound)
                .any(|rule| speaks_of(&rule.traffic, subject) && is_meant(topology, &rule.peer, far))
        };
        let subject = Subject::of(packet);
        let own_rules =
            || if allowed(outbound, &subject, &far) { Ok(()) } else { Err(Reason::SecurityGroup) };

        if let Body::Error { about, .. } = packet.body {
            // CT-17
            let flow = Flow::of_quoted(&about, !outbound);
            let is_for_its_sender = about.src == packet.dst;
            let related = is_for_its_sender
                && remembered(&self.passages, topology, name, &flow, walk.now)
                    .is_some_and(|conn| conn.tracked);
            return if related { Ok(()) } else { own_rules() };
        }
        let flow = Flow::of(packet, own, peer, outbound);
        let flags = match packet.body {
            Body::Tcp { flags, .. } => Some(flags),
            _ => None,
        };
        let anew = |conn: &Remembered| conn.over && flags == Some(Flags::Syn);
        let opens =
            match remembered(&self.passages, topology, name, &flow, walk.now).filter(|conn| !anew(conn)) {
                // CT-01, CT-09
                Some(conn) if conn.tracked => None,
                // CT-10: by the rules of the side that opened it, and by those of the other.
                Some(conn) => {
                    let (opening, response) = if conn.opened_outbound == outbound {
                        (subject, subject.turned())
                    } else {
                        (subject.turned(), subject)
                    };
                    let both = allowed(conn.opened_outbound, &opening, &far)
                        && allowed(!conn.opened_outbound, &response, &far);
                    if !both {
                        return Err(Reason::SecurityGroup);
                    }
                    None
                }
                None => {
                    own_rules()?;
                    // CT-03, CT-04
                    let wide_open = matches!(packet.body, Body::Tcp { .. } | Body::Udp { .. })
                        && is_wide_open(topology, eni, outbound, &subject, peer);
                    let in_the_middle = flags.is_some_and(|flags| flags != Flags::Syn);
                    if in_the_middle && !wide_open && topology.settings.mid_stream_tcp == MidStreamTcp::Drop {
                        return Err(Reason::SecurityGroup);
                    }
                    if matches!(packet.body, Body::Echo { reply: true, .. }) || flags == Some(Flags::Rst) {
                        // An answer that nobody asked for, the end of what never was: they open nothing.
                        return Ok(());
                    }
                    Some(!wide_open)
                }
            };
        walk.passed.push(Passage { interface: name.to_owned(), flow, outbound, flags, at: walk.now, opens });
        Ok(())
    }
}

/// Where a packet comes from when it reaches an interface.
enum From<'a> {
    /// A neighbour's frame.
    Neighbor,
    /// The router, from this subnet.
    Subnet(&'a SubnetName),
    /// A gateway.
    Outside,
}
