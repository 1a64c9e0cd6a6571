//! What should have become of this packet?
//!
//! The slow witness: written from the behaviour sheet, it reads a [`Topology`] and nothing else. It compiles nothing,
//! shares no code with the engine, and looks everything up by going through it from the first to the last. Its memory
//! is the list of what has passed which interface, with the time; whether a flow is remembered is found by playing its
//! part of the list again.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use vpclab_model::{
    MidStreamTcp, NetworkAcl, NetworkInterface, NetworkInterfaceName, OutboundSmtp, Peer, Route, RouteState,
    RouteTarget, RuleAction, SecurityGroupRule, Subnet, SubnetName, Topology, Traffic, VpcName,
};

use crate::packet::{Body, Flags, Packet, Quoted, QuotedTransport};

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

/// A packet that has passed an interface.
#[derive(Debug, Clone)]
struct Passage {
    interface: String,
    flow: Flow,
    outbound: bool,
    flags: Option<Flags>,
    at: Duration,
    /// Set on the packet that opened the flow: whether it is tracked.
    opens: Option<bool>,
}

/// A flow as an interface sees it: its own side first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Flow {
    own: IpAddr,
    peer: IpAddr,
    protocol: u8,
    own_port: u16,
    peer_port: u16,
    /// For echo: whether the interface's side asks.
    asks: bool,
}

/// A remembered flow.
struct Remembered {
    opened_outbound: bool,
    tracked: bool,
    over: bool,
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

/// The other end as a rule sees it.
struct Far<'a> {
    address: IpAddr,
    /// The interface whose groups count for references.
    member: Option<&'a NetworkInterface>,
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
        let found = route(&topology.route_tables[&subnet.route_table].routes, dst);
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
                .any(|rule| speaks_of(&rule.traffic, subject) && is_meant(&rule.peer, far))
        };
        let subject = Subject::of(packet);
        let own_rules =
            || if allowed(outbound, &subject, &far) { Ok(()) } else { Err(Reason::SecurityGroup) };

        if let Body::Error { about, .. } = packet.body {
            // CT-17
            let flow = Flow::of_quoted(&about, !outbound);
            let is_for_its_sender = about.src == packet.dst;
            let related = is_for_its_sender
                && self.remembered(topology, name, &flow, walk.now).is_some_and(|conn| conn.tracked);
            return if related { Ok(()) } else { own_rules() };
        }
        let flow = Flow::of(packet, own, peer, outbound);
        let flags = match packet.body {
            Body::Tcp { flags, .. } => Some(flags),
            _ => None,
        };
        let anew = |conn: &Remembered| conn.over && flags == Some(Flags::Syn);
        let opens = match self.remembered(topology, name, &flow, walk.now).filter(|conn| !anew(conn)) {
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

    /// Plays the flow's packets again, from the first on.
    fn remembered(
        &self,
        topology: &Topology,
        interface: &str,
        flow: &Flow,
        now: Duration,
    ) -> Option<Remembered> {
        let mut conn: Option<Story> = None;
        for passage in self.passages.iter().filter(|p| p.interface == interface && p.flow == *flow) {
            match (passage.opens, &mut conn) {
                (Some(tracked), _) => conn = Some(Story::new(passage, tracked)),
                (None, Some(story)) => story.goes_on(passage),
                (None, None) => unreachable!("a flow's first packet opens it"),
            }
        }
        let story = conn?;
        let timeout = story.timeout(topology, interface);
        (now.saturating_sub(story.last) <= timeout).then_some(Remembered {
            opened_outbound: story.outbound,
            tracked: story.tracked,
            over: story.is_over(),
        })
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

/// What a rule looks at, addresses aside.
#[derive(Clone, Copy)]
struct Subject {
    protocol: u8,
    source_port: u16,
    destination_port: u16,
    icmp: Option<(u8, u8)>,
}

/// How a remembered flow has gone so far.
struct Story {
    outbound: bool,
    tracked: bool,
    last: Duration,
    protocol: u8,
    requests: u32,
    responses: u32,
    /// TCP: whether the other side has answered the opening, and the opener has confirmed.
    answered: bool,
    confirmed: bool,
    opener_finished: bool,
    other_finished: bool,
    reset: bool,
}

impl Story {
    fn new(first: &Passage, tracked: bool) -> Self {
        Self {
            outbound: first.outbound,
            tracked,
            last: first.at,
            protocol: first.flow.protocol,
            requests: 1,
            responses: 0,
            answered: false,
            // Picked up in the middle, it counts as established (CT-19).
            confirmed: first.flags.is_some_and(|flags| flags != Flags::Syn),
            opener_finished: first.flags == Some(Flags::Fin),
            other_finished: false,
            reset: first.flags == Some(Flags::Rst),
        }
    }

    fn goes_on(&mut self, passage: &Passage) {
        self.last = passage.at;
        let by_opener = passage.outbound == self.outbound;
        if by_opener {
            self.requests += 1;
        } else {
            self.responses += 1;
        }
        let Some(flags) = passage.flags else { return };
        self.reset |= flags == Flags::Rst;
        if !self.confirmed {
            self.answered |= !by_opener && flags == Flags::SynAck;
            self.confirmed = self.answered && by_opener && !matches!(flags, Flags::Syn | Flags::SynAck);
        }
        if self.confirmed && flags == Flags::Fin {
            if by_opener {
                self.opener_finished = true;
            } else {
                self.other_finished = true;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.reset || (self.opener_finished && self.other_finished)
    }

    /// CT-02, CT-11, CT-12, CT-13, and the settings for what is not published (CT-22).
    fn timeout(&self, topology: &Topology, interface: &str) -> Duration {
        let settings = &topology.settings;
        let specified = &topology.network_interfaces[interface].connection_tracking;
        let seconds = match self.protocol {
            6 if self.is_over() => settings.tcp_closing_timeout,
            6 if self.confirmed => specified.tcp_established_timeout,
            6 => settings.tcp_opening_timeout,
            17 if self.requests > 1 && self.responses > 1 => specified.udp_stream_timeout,
            17 => specified.udp_timeout,
            1 | 58 => settings.icmp_timeout,
            _ => 600,
        };
        Duration::from_secs(seconds.into())
    }
}

impl Flow {
    fn of(packet: &Packet, own: IpAddr, peer: IpAddr, outbound: bool) -> Self {
        let (src, dst, asks) = match packet.body {
            Body::Tcp { src, dst, .. } | Body::Udp { src, dst } => (src, dst, false),
            Body::Echo { id, reply } => (id, id, outbound != reply),
            Body::Error { .. } | Body::Other(_) => (0, 0, false),
        };
        let (own_port, peer_port) = if outbound { (src, dst) } else { (dst, src) };
        Self { own, peer, protocol: packet.protocol(), own_port, peer_port, asks }
    }

    /// The flow of a quoted packet, which passed the interface in the given direction.
    fn of_quoted(quoted: &Quoted, outbound: bool) -> Self {
        let (own, peer) = if outbound { (quoted.src, quoted.dst) } else { (quoted.dst, quoted.src) };
        let (protocol, src, dst, asks) = match quoted.transport {
            QuotedTransport::Tcp(src, dst) => (6, src, dst, false),
            QuotedTransport::Udp(src, dst) => (17, src, dst, false),
            QuotedTransport::Echo { id, reply } => {
                (if quoted.src.is_ipv6() { 58 } else { 1 }, id, id, outbound != reply)
            }
        };
        let (own_port, peer_port) = if outbound { (src, dst) } else { (dst, src) };
        Self { own, peer, protocol, own_port, peer_port, asks }
    }
}

impl Subject {
    fn of(packet: &Packet) -> Self {
        let (source_port, destination_port) = match packet.body {
            Body::Tcp { src, dst, .. } | Body::Udp { src, dst } => (src, dst),
            _ => (0, 0),
        };
        Self { protocol: packet.protocol(), source_port, destination_port, icmp: packet.icmp() }
    }

    /// The same of a packet that goes the other way on the flow.
    fn turned(self) -> Self {
        Self { source_port: self.destination_port, destination_port: self.source_port, ..self }
    }
}

/// NACL-01, NACL-02, NACL-11, NACL-14.
fn acl(acl: &NetworkAcl, packet: &Packet, outbound: bool) -> Result<(), Reason> {
    let subject = Subject::of(packet);
    let (entries, far) = if outbound { (&acl.egress, packet.dst) } else { (&acl.ingress, packet.src) };
    let mut first: Option<(u16, RuleAction)> = None;
    for entry in entries {
        let earlier = first.is_none_or(|(number, _)| entry.rule_number < number);
        if earlier && entry.cidr.contains(&far) && speaks_of(&entry.traffic, &subject) {
            first = Some((entry.rule_number, entry.action));
        }
    }
    match first {
        Some((_, RuleAction::Allow)) => Ok(()),
        Some((_, RuleAction::Deny)) | None => Err(Reason::NetworkAcl),
    }
}

/// RT-05: the longest of those that match; RT-13 and RT-14 are asked before.
fn route(routes: &[Route], destination: IpAddr) -> Option<&Route> {
    let mut best: Option<&Route> = None;
    for route in routes.iter().filter(|route| route.destination.contains(&destination)) {
        if best.is_none_or(|best| route.destination.prefix_len() > best.destination.prefix_len()) {
            best = Some(route);
        }
    }
    best
}

fn rules<'a>(
    topology: &'a Topology,
    eni: &'a NetworkInterface,
    outbound: bool,
) -> impl Iterator<Item = &'a SecurityGroupRule> {
    eni.security_groups.iter().flat_map(move |name| {
        let group = &topology.security_groups[name];
        if outbound { &group.egress } else { &group.ingress }
    })
}

/// NACL-10..NACL-13, SG-17, SG-18.
fn speaks_of(traffic: &Traffic, subject: &Subject) -> bool {
    let port = |range: &vpclab_model::PortRange| (range.from..=range.to).contains(&subject.destination_port);
    let message = |wanted: &vpclab_model::IcmpMatch| {
        let Some((icmp_type, code)) = subject.icmp else { return wanted.icmp_type.is_none() };
        wanted.icmp_type.is_none_or(|t| t == icmp_type) && wanted.code.is_none_or(|c| c == code)
    };
    match traffic {
        Traffic::All => true,
        Traffic::Tcp(range) => subject.protocol == 6 && port(range),
        Traffic::Udp(range) => subject.protocol == 17 && port(range),
        Traffic::Icmp(wanted) => subject.protocol == 1 && message(wanted),
        Traffic::Icmpv6(wanted) => subject.protocol == 58 && message(wanted),
        Traffic::Protocol(number) => subject.protocol == *number,
    }
}

/// SG-08: a reference means the private addresses of the group's interfaces.
fn is_meant(peer: &Peer, far: &Far<'_>) -> bool {
    match peer {
        Peer::Cidr(block) => block.contains(&far.address),
        Peer::Group(group) => {
            far.member.is_some_and(|eni| eni.security_groups.contains(group) && has_address(eni, far.address))
        }
    }
}

/// CT-03: everyone may open it, and everyone may be answered on every port.
fn is_wide_open(
    topology: &Topology,
    eni: &NetworkInterface,
    outbound: bool,
    subject: &Subject,
    far: IpAddr,
) -> bool {
    let everyone = |rule: &&SecurityGroupRule| matches!(rule.peer, Peer::Cidr(block) if block.prefix_len() == 0 && block.contains(&far));
    let opening =
        rules(topology, eni, outbound).filter(everyone).any(|rule| speaks_of(&rule.traffic, subject));
    let response = rules(topology, eni, !outbound).filter(everyone).any(|rule| match rule.traffic {
        Traffic::All => true,
        Traffic::Tcp(range) => subject.protocol == 6 && (range.from, range.to) == (0, 65_535),
        Traffic::Udp(range) => subject.protocol == 17 && (range.from, range.to) == (0, 65_535),
        _ => false,
    });
    opening && response
}

/// L2-12, L2-13.
fn has_address(eni: &NetworkInterface, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            eni.private_ip == Some(address) || eni.secondary_private_ips.contains(&address)
        }
        IpAddr::V6(address) => eni.ipv6_addresses.contains(&address),
    }
}

/// L2-10: whose address this is in one VPC.
fn owner<'a>(topology: &'a Topology, vpc: &VpcName, address: IpAddr) -> Option<&'a NetworkInterfaceName> {
    let mut found = topology
        .network_interfaces
        .iter()
        .filter(|(_, eni)| topology.subnets[&eni.subnet].vpc == *vpc && has_address(eni, address));
    found.next().map(|(name, _)| name)
}

/// IGW-09, IGW-14: who is reached from the internet by this address, and by which private one.
fn behind_public(topology: &Topology, address: IpAddr) -> Option<(&NetworkInterfaceName, IpAddr)> {
    for (name, eni) in &topology.network_interfaces {
        let vpc = &topology.subnets[&eni.subnet].vpc;
        if !topology.internet_gateways.values().any(|gateway| gateway.vpc.as_ref() == Some(vpc)) {
            continue;
        }
        match address {
            IpAddr::V4(_) => {
                for (private, public) in &eni.public_ips {
                    if IpAddr::V4(public.address) == address {
                        return Some((name, IpAddr::V4(*private)));
                    }
                }
            }
            IpAddr::V6(_) if has_address(eni, address) && is_public(address) => return Some((name, address)),
            IpAddr::V6(_) => {}
        }
    }
    None
}

/// Whether AWS has the address, so that nobody else on the internet can.
fn belongs_to_aws(topology: &Topology, address: IpAddr) -> bool {
    let allocated = topology.eips.values().map(|eip| eip.public_ip);
    let assigned =
        topology.network_interfaces.values().flat_map(|eni| eni.public_ips.values().map(|p| p.address));
    let mut blocks = topology.vpcs.values().flat_map(|vpc| vpc.ipv6_cidr_blocks.iter().copied());
    allocated.chain(assigned).any(|public| IpAddr::V4(public) == address)
        || blocks.any(|block| IpNet::V6(block).contains(&address))
}

/// ADDR-27, ADDR-31.
fn is_router_of(subnet: &Subnet, address: IpAddr) -> bool {
    match (address, subnet.cidr_block) {
        (IpAddr::V4(address), Some(block)) => u32::from(address) == u32::from(block.network()) + 1,
        _ => false,
    }
}

/// L2-01, L2-02, RT-13, RT-14, and the addresses of services.
fn is_never_forwarded(topology: &Topology, eni: &NetworkInterface, dst: IpAddr) -> bool {
    let subnet = &topology.subnets[&eni.subnet];
    let resolver = u32::from(topology.vpcs[&subnet.vpc].cidr_block.network()) + 2;
    is_for_the_link_or_a_group(dst)
        || match dst {
            IpAddr::V4(dst) => {
                u32::from(dst) == resolver || subnet.cidr_block.is_some_and(|block| block.broadcast() == dst)
            }
            IpAddr::V6(dst) => dst.segments()[..2] == [0xfd00, 0x0ec2],
        }
}

fn is_for_the_link_or_a_group(dst: IpAddr) -> bool {
    match dst {
        IpAddr::V4(dst) => dst.is_multicast() || dst.is_link_local() || dst.is_broadcast(),
        IpAddr::V6(dst) => dst.is_multicast() || dst.is_unicast_link_local(),
    }
}

fn is_private_or_shared(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            address.is_private() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(_) => false,
    }
}

/// Whether the internet knows the way to such an address. The ranges for documentation stand for it.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !is_private_or_shared(address)
                && !v4.is_loopback()
                && !v4.is_link_local()
                && !v4.is_multicast()
                && (1..240).contains(&v4.octets()[0])
                && !matches!(v4.octets(), [198, 18 | 19, ..])
        }
        IpAddr::V6(v6) => v6.segments()[0] >> 13 == 1,
    }
}
