//! Why does this packet pass, or die?
//!
//! The engine's explanation becomes the API's, with the user's names. Nothing is decided here but one thing: whether the
//! packet reached whom the question meant. The engine forwards by address; where another guest takes the packet (address
//! spaces overlap, a guest is to forward it) the answer is never yes.

use std::net::IpAddr;

use vpclab_api::{
    ApiError, Assumed, Blocker, ExplainRequest, Explanation, Leg, LegVerdict, Level, Observed, ObservedEnd,
    OtherWay, Partial, QuestionEnd, Step, Unmodelled,
};
use vpclab_engine::explain::{
    Class, EPHEMERAL_PORTS, End, EndError, Ends, MANAGED_PORTS, NAT_PORTS, PortSet, Start, TrafficQuestion,
    ask, chosen_ports, resolve,
};
use vpclab_engine::plan::Egress;
use vpclab_engine::{DropReason, Fabric, HostIdx, Role, explain as engine};
use vpclab_model::{Topology, not_public};
use vpclab_wire::{IpHeaders, NAT64_PREFIX, Protocol, Transport, nat64_embedded};

use crate::met::Met;
use crate::question::{EndKind, NamedEnd, Question, questions};
pub(crate) use crate::unmodelled::not_modelled;
use crate::{chained, middleboxes, remedy, steps, undeclared, words};

const EVERY_PORT: &str = "0-65535";
/// How what is assumed of who takes or sends on packets ends.
pub(crate) const NO_FIREWALL: &str = "and has no firewall of its own";

/// Answers about one host at each end, and says what the walks met.
pub(crate) fn answer_one(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
) -> Result<(Explanation, Met), ApiError> {
    let Question { from, to, ipv6, traffic, .. } = question;
    if let Some(error) = misplaced(fabric, from.end, to.end) {
        return Err(refusal(fabric, question, &error));
    }
    let told =
        ask(fabric, from.end, to.end, *ipv6, *traffic).map_err(|error| refusal(fabric, question, &error))?;
    let ends = resolve(fabric, from.end, to.end, *ipv6).ok();
    let is_ipv6 = ends.map_or(ipv6.unwrap_or(false), |ends| ends.ipv6());
    let cx = Telling { fabric, topology, question, ends, ipv6: is_ipv6 };
    let met = Met::of(&told);
    Ok((cx.explanation(told), met))
}

/// The changes that would take blockers away, in the order of the blockers that have one; for each pair of ends.
///
/// # Errors
///
/// As [`crate::explain`].
pub fn remedies(
    fabric: &Fabric,
    topology: &Topology,
    request: &ExplainRequest,
) -> Result<Vec<remedy::Remedy>, ApiError> {
    let mut changes = Vec::new();
    let pairs = questions(fabric, topology, request)?.pairs;
    let declared = pairs.into_iter().filter(|question| question.beyond().is_none());
    for Question { from, to, ipv6, traffic, .. } in declared {
        let ends = resolve(fabric, from.end, to.end, ipv6).ok();
        let Ok(told) = ask(fabric, from.end, to.end, ipv6, traffic) else { continue };
        let asked = remedy::Asked { from: from.end, to: to.end, ipv6, traffic };
        let of_blocker = |blocker| remedy::remedy(fabric, topology, ends.as_ref(), asked, &told, blocker);
        changes.extend(told.blockers.iter().filter_map(of_blocker));
    }
    Ok(changes)
}

/// Ends that are addresses, where the addresses already tell that there is no such question.
pub(crate) fn misplaced(fabric: &Fabric, from: End, to: End) -> Option<EndError> {
    let from_outside = match from {
        End::Internet => true,
        End::Interface(..) => false,
        End::Host(host) => fabric.is_on_internet(host),
        End::Address(address) if let Some(host) = fabric.only_host_at(address) => fabric.is_on_internet(host),
        End::Address(address) => {
            let is_nobody = not_public(address).is_some() || fabric.public_mapping(address).is_some();
            if is_nobody {
                return Some(EndError::NobodyAt(address));
            }
            true
        }
    };
    let to_host = matches!(to, End::Address(address) if fabric.host_at(address).is_some());
    (from_outside && to_host).then_some(EndError::BothOutside)
}

/// Why two ends make no question, in the user's words.
pub(crate) fn refusal(fabric: &Fabric, question: &Question, error: &EndError) -> ApiError {
    let (from, to) = (&question.from.name, &question.to.name);
    let conflict = "InvalidParameterCombination";
    match *error {
        EndError::NotAttached(eni) => ApiError::new(
            "IncorrectState",
            format!(
                "network interface {} is attached to no instance, so nothing can be sent from it",
                fabric.enis[eni].name
            ),
        ),
        EndError::NoCommonFamily => ApiError::new(conflict, no_common_family(fabric, question)),
        EndError::NobodyAt(address) => {
            let owner =
                fabric.public_mapping(address).map(|mapping| fabric.enis[mapping.eni].name.to_string());
            let remedy = owner.map_or_else(String::new, |owner| {
                format!(": it is the public address of {owner}; ask from {owner}")
            });
            ApiError::new(
                "InvalidParameterValue",
                format!("nothing in the topology sends from {address}{remedy}"),
            )
        }
        EndError::BothOutside => ApiError::new(
            conflict,
            format!("{from} and {to} are both on the internet; ask about a way into or out of a VPC"),
        ),
        EndError::NoPublicAddress(eni) => {
            ApiError::new(conflict, format!("{} has no public address", fabric.enis[eni].name))
        }
        EndError::NoAnonymousAddress => {
            ApiError::new(conflict, format!("{error}; ask about internet:ADDRESS"))
        }
    }
}

/// Who lacks an address of which family.
fn no_common_family(fabric: &Fabric, question: &Question) -> String {
    let has = |end: &NamedEnd, ipv6: bool| match end.end {
        End::Interface(_, Some(address)) | End::Address(address) => address.is_ipv6() == ipv6,
        End::Interface(eni, None) => fabric.enis[eni].primary_address(ipv6).is_some(),
        End::Host(host) => fabric.hosts[host].addresses.iter().any(|address| address.is_ipv6() == ipv6),
        End::Internet => true,
    };
    let (from, to) = (&question.from, &question.to);
    let family = |ipv6: bool| if ipv6 { "IPv6" } else { "IPv4" };
    match question.ipv6 {
        Some(ipv6) => {
            let lacking: Vec<&str> =
                [from, to].into_iter().filter(|end| !has(end, ipv6)).map(|end| end.name.as_str()).collect();
            let verb = if lacking.len() == 1 { "has" } else { "have" };
            format!("{} {verb} no {} address", lacking.join(" and "), family(ipv6))
        }
        None => {
            let only = |end: &NamedEnd| format!("{} has only {}", end.name, family(has(end, true)));
            format!("{} and {}: they have no address family in common", only(from), only(to))
        }
    }
}

/// Whether this is assumed of a receiver: that it listens, or answers.
pub(crate) fn is_of_receiver(assumption: &str) -> bool {
    let takes = ["it listens on ", "it answers "];
    takes.iter().any(|takes| assumption.starts_with(takes)) && assumption.ends_with(NO_FIREWALL)
}

/// An answer being told.
struct Telling<'a> {
    fabric: &'a Fabric,
    topology: &'a Topology,
    question: &'a Question,
    ends: Option<Ends>,
    ipv6: bool,
}

/// Whom an address means once NAT64 has translated it (RFC 6052, NAT-28); itself, if that has no say.
pub(crate) fn behind_nat64(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => nat64_embedded(NAT64_PREFIX, address).map_or(address.into(), IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

impl Telling<'_> {
    fn explanation(&self, told: engine::Explanation) -> Explanation {
        let mut unmodelled: Vec<Unmodelled> =
            told.unmodelled.iter().map(|what| not_modelled(self.fabric, *what)).collect();
        if told.inexhaustive {
            unmodelled.push(Unmodelled {
                resource: self.question.to.name.clone(),
                kind: "rules".to_owned(),
                reason: "rules on the way tell more packets apart than are asked about; name a protocol and a port"
                    .to_owned(),
            });
        }
        let mut blockers: Vec<Blocker> =
            told.blockers.iter().map(|blocker| self.blocker(&told, blocker)).collect();
        let mut not_denied: Vec<_> = told.not_denied.iter().flat_map(|class| self.partial(class)).collect();
        let mut forward = self.leg(&told.forward, false);
        if let Some(observed) = &mut forward.observed {
            let seen = observed.source.address.clone();
            observed.other_sources =
                told.sources.iter().map(ToString::to_string).filter(|source| *source != seen).collect();
        }
        let mut by_choice = told.by_choice;
        let mut back = told.back.as_ref().map(|leg| self.leg(leg, true));
        if let Some(name) = self.astray(&told.forward) {
            // Who answers is not who was asked: what happens to that answer is no part of this one.
            blockers.retain(|blocker| blocker.direction == "forward");
            back = None;
            forward.verdict = LegVerdict::Dropped;
            forward.observed = None;
            // On another way that gateways may choose it may reach who was asked.
            by_choice = told.elsewhere.iter().any(|leg| self.astray(leg).is_none());
            not_denied.clear();
            blockers.push(Blocker { by_choice, ..self.misdelivered(&name) });
        } else if let Some(name) = told.elsewhere.iter().find_map(|leg| self.astray(leg)) {
            by_choice = true;
            blockers.push(Blocker { by_choice: true, ..self.misdelivered(&name) });
        }
        let reachable = match (blockers.is_empty(), unmodelled.is_empty()) {
            (false, _) => Some(false),
            (true, false) => None,
            (true, true) => told.reachable,
        };
        Explanation {
            level: Level::Explain,
            from: self.from(),
            to: self.to(),
            reachable,
            forward,
            back,
            blockers,
            not_denied,
            by_choice,
            other_ways: told.other_ways.iter().map(|(forward, back)| self.other_way(forward, back)).collect(),
            other_blockers: Vec::new(),
            over_ipv6: None,
            assumed: self.assumed(&told),
            unmodelled,
        }
    }

    fn from(&self) -> QuestionEnd {
        let NamedEnd { name, kind, .. } = &self.question.from;
        let port = match self.question.traffic {
            TrafficQuestion::Ports { source_port, .. } => {
                Some(source_port.map_or_else(|| self.chosen(), |port| port.to_string()))
            }
            _ => None,
        };
        let address = self.ends.map(|ends| ends.source.to_string());
        QuestionEnd { name: name.clone(), kind: kind.word().to_owned(), address, port, protocol: None }
    }

    fn to(&self) -> QuestionEnd {
        let NamedEnd { name, kind, .. } = &self.question.to;
        let (port, protocol) = match self.question.traffic {
            TrafficQuestion::All => (None, "all".to_owned()),
            TrafficQuestion::Ports { protocol, port, .. } => {
                let port = port.map_or_else(|| EVERY_PORT.to_owned(), |port| port.to_string());
                (Some(port), words::protocol(protocol))
            }
            TrafficQuestion::Echo if self.ipv6 => (None, words::protocol(Protocol::ICMPV6)),
            TrafficQuestion::Echo => (None, words::protocol(Protocol::ICMP)),
            TrafficQuestion::Protocol(number) => (None, words::protocol(Protocol(number))),
        };
        let address = self.ends.map(|ends| ends.destination.to_string());
        QuestionEnd {
            name: name.clone(),
            kind: kind.word().to_owned(),
            address,
            port,
            protocol: Some(protocol),
        }
    }

    fn leg(&self, leg: &engine::Leg, is_return: bool) -> Leg {
        let verdict = match leg.dropped {
            None => LegVerdict::Delivered,
            Some(reason) if reason.unmodelled().is_some() => LegVerdict::NotModelled,
            Some(_) => LegVerdict::Dropped,
        };
        let router = self.router(leg).map(|router| Step {
            detail: Some("it answers by itself".to_owned()),
            ..steps::plain("router", router, "arrive")
        });
        Leg {
            verdict,
            steps: leg
                .steps
                .iter()
                .map(|step| steps::step(self.fabric, self.topology, step))
                .chain(router)
                .collect(),
            observed: leg.observed.as_ref().map(|headers| {
                let is_translated = leg.steps.iter().any(lends_port);
                self.observed(headers, is_return, is_translated)
            }),
        }
    }

    /// The source ports that who asks may choose.
    fn chosen_ports(&self) -> PortSet {
        match self.question.from.end {
            End::Interface(eni, _) => chosen_ports(self.fabric, Start::Interface(eni)),
            _ => self.ends.map_or(EPHEMERAL_PORTS, |ends| chosen_ports(self.fabric, ends.from)),
        }
    }

    fn chosen(&self) -> String {
        let PortSet { from, to } = self.chosen_ports();
        words::ports(from, to)
    }

    /// Some of the packets that were asked about. Linux's ports are not all of those of others: as two ranges they are not
    /// taken for all.
    fn partial(&self, class: &Class) -> Vec<Partial> {
        const MIDDLE: u16 = 49_152;
        match *class {
            Class::Ports { protocol, source_ports: EPHEMERAL_PORTS, nat_ports, ports }
                if self.chosen_ports() != EPHEMERAL_PORTS =>
            {
                let PortSet { from, to } = EPHEMERAL_PORTS;
                let halves = [PortSet { from, to: MIDDLE - 1 }, PortSet { from: MIDDLE, to }];
                let half = |source_ports| Class::Ports { protocol, source_ports, nat_ports, ports };
                halves.into_iter().map(|ports| words::partial(&half(ports), self.ipv6)).collect()
            }
            _ => vec![words::partial(class, self.ipv6)],
        }
    }

    fn other_way(&self, forward: &[vpclab_engine::Step], back: &[vpclab_engine::Step]) -> OtherWay {
        let told = |steps: &[vpclab_engine::Step]| {
            steps.iter().map(|step| steps::step(self.fabric, self.topology, step)).collect()
        };
        OtherWay { forward: told(forward), back: told(back) }
    }

    /// The packet as its receiver sees it. A port that could be any of a set is any of the same set at the far end, unless
    /// a gateway has lent one of its own in its place (NAT-06, EPS-06); the asker of a reply sees the port it chose.
    fn observed(&self, headers: &IpHeaders, is_return: bool, is_translated: bool) -> Observed {
        let has_ports = matches!(headers.transport, Transport::Tcp(_) | Transport::Udp { .. });
        let (source, destination) = match self.question.traffic {
            _ if !has_ports => (None, None),
            TrafficQuestion::Ports { port, source_port, .. } => (
                Some(source_port.map_or_else(|| self.chosen(), |port| port.to_string())),
                Some(port.map_or_else(|| EVERY_PORT.to_owned(), |port| port.to_string())),
            ),
            _ => (Some(self.chosen()), Some(EVERY_PORT.to_owned())),
        };
        let lent = words::ports(NAT_PORTS.from, NAT_PORTS.to);
        let source = source.map(|port| if is_translated && !is_return { lent } else { port });
        let (source, destination) = if is_return { (destination, source) } else { (source, destination) };
        Observed {
            source: ObservedEnd { address: headers.src.to_string(), port: source },
            other_sources: Vec::new(),
            destination: ObservedEnd { address: headers.dst.to_string(), port: destination },
        }
    }

    fn blocker(&self, whole: &engine::Explanation, blocker: &engine::Blocker) -> Blocker {
        let Question { from, to, ipv6, traffic, .. } = self.question;
        // A rule for the one host that was walked is no rule for all whom it stands for.
        let stands_for_many = |end: &NamedEnd| match (end.kind, end.end) {
            (EndKind::Internet | EndKind::Block(_), _) => true,
            (_, End::Host(host)) => crate::addresses::is_supposed(self.fabric, host),
            _ => false,
        };
        let of_filter =
            matches!(blocker.reason, DropReason::SecurityGroup { .. } | DropReason::NetworkAcl { .. });
        let is_of_many = of_filter && [from, to].into_iter().any(stands_for_many);
        let asked = remedy::Asked { from: from.end, to: to.end, ipv6: *ipv6, traffic: *traffic };
        let ends = self.ends.as_ref();
        let find = || remedy::remedy(self.fabric, self.topology, ends, asked, whole, blocker);
        let remedy = if self.question.remedies && !is_of_many { find() } else { None };
        let told = words::tell(self.fabric, &blocker.reason);
        let partial = blocker.partial.iter().flatten().flat_map(|class| self.partial(class)).collect();
        Blocker {
            code: blocker.reason.code().to_owned(),
            direction: if blocker.on_return { "return" } else { "forward" }.to_owned(),
            resource: told.resource,
            rule: told.rule,
            groups: told.groups,
            message: told.message,
            partial,
            by_choice: blocker.by_choice,
            line: None,
            remedy: remedy.map(|change| change.to_string()),
        }
    }

    /// Who took the packet, if that is not who was meant.
    fn astray(&self, forward: &engine::Leg) -> Option<String> {
        let destination = self.ends.map(|ends| ends.destination);
        astray(self.fabric, self.question.to.end, destination, forward)
            .map(|egress| words::receiver(self.fabric, egress))
    }

    fn misdelivered(&self, name: &str) -> Blocker {
        Blocker {
            code: DropReason::Misdelivered { reached: None }.code().to_owned(),
            direction: "forward".to_owned(),
            resource: Some(name.to_owned()),
            rule: None,
            groups: Vec::new(),
            message: format!("the packet reaches {name}, not {}", self.question.to.name),
            partial: Vec::new(),
            by_choice: false,
            line: None,
            remedy: None,
        }
    }

    fn assumed(&self, told: &engine::Explanation) -> Vec<Assumed> {
        let Question { from, to, traffic, .. } = self.question;
        let mut assumed = Vec::new();
        assumed.extend(self.interface_of(from, "it sends from"));
        assumed.extend(self.interface_of(to, "it is asked at"));
        assumed.extend(self.sends_under());
        for end in [from, to] {
            if let (EndKind::Address, End::Address(address)) = (end.kind, end.end)
                && self.is_undeclared(address)
            {
                let assumption = "a host of the internet has this address, though none is declared";
                assumed.push(Assumed { resource: end.name.clone(), assumption: assumption.to_owned() });
            }
        }
        let may_choose_port = match *traffic {
            TrafficQuestion::Ports { source_port, .. } => source_port.is_none(),
            TrafficQuestion::All => true,
            TrafficQuestion::Echo | TrafficQuestion::Protocol(_) => false,
        };
        if may_choose_port {
            let whose =
                if self.chosen_ports() == MANAGED_PORTS { "services of AWS do" } else { "Linux does" };
            let assumption = format!("it sends from any of the ports {}, as {whose}", self.chosen());
            assumed.push(Assumed { resource: from.name.clone(), assumption });
        }
        assumed.extend(middleboxes::forwarders(self.fabric, told));
        assumed.extend(middleboxes::stateless(self.fabric, told));
        assumed.extend(chained::assumed(self.fabric, told.forward.steps.iter()));
        assumed.extend(self.unknown_lists(told));
        if !self.has_receiver() {
            return assumed;
        }
        let listens = match *traffic {
            TrafficQuestion::All => "it answers on every port and protocol".to_owned(),
            TrafficQuestion::Ports { protocol, port: Some(port), .. } => {
                format!("it listens on {} port {port}", words::protocol(protocol))
            }
            TrafficQuestion::Ports { protocol, port: None, .. } => {
                format!("it listens on every {} port", words::protocol(protocol))
            }
            TrafficQuestion::Echo => "it answers echo requests".to_owned(),
            TrafficQuestion::Protocol(number) => format!("it answers protocol {number}"),
        };
        assumed.push(Assumed { resource: to.name.clone(), assumption: format!("{listens} {NO_FIREWALL}") });
        assumed
    }

    /// Of whom nobody knows whether a list on the way names them: lists of services that are not declared (EPG-01).
    fn unknown_lists(&self, told: &engine::Explanation) -> Vec<Assumed> {
        let is_stranger = |end: &NamedEnd| match end.end {
            End::Internet => true,
            End::Address(address) => self.is_undeclared(address),
            End::Interface(..) | End::Host(_) => false,
        };
        let Some(end) = [&self.question.from, &self.question.to].into_iter().find(|end| is_stranger(end))
        else {
            return Vec::new();
        };
        let steps = told.forward.steps.iter().chain(told.back.iter().flat_map(|leg| &leg.steps));
        undeclared::lists_met(self.fabric, self.topology, steps)
            .into_iter()
            .map(|list| Assumed {
                resource: list.to_string(),
                assumption: format!(
                    "{} is none of its addresses, which are not declared: declare the service under `services`",
                    end.name
                ),
            })
            .collect()
    }

    /// Under which of several addresses who asks does so.
    fn sends_under(&self) -> Option<Assumed> {
        let (End::Interface(eni, None), Some(ends)) = (self.question.from.end, self.ends) else {
            return None;
        };
        let own = self.fabric.enis[eni].addresses.iter().filter(|own| own.is_ipv6() == self.ipv6);
        let (name, address) = (&self.question.from.name, ends.source);
        let assumption =
            format!("it sends under {address}, the first of its addresses; name another to ask about it");
        (own.count() > 1).then(|| Assumed { resource: name.clone(), assumption })
    }

    /// By which of its interfaces an instance that has several takes part.
    fn interface_of(&self, end: &NamedEnd, takes_part: &str) -> Option<Assumed> {
        let (EndKind::Instance, End::Interface(eni, _)) = (end.kind, end.end) else { return None };
        let interface = &self.fabric.enis[eni];
        let (instance, index) = interface.attachment?;
        if self.fabric.instances[instance].interfaces.len() < 2 {
            return None;
        }
        let which =
            if index == 0 { "its primary interface" } else { "the interface on the destination's subnet" };
        let assumption = format!("{takes_part} {}, {which}; name another to ask about it", interface.name);
        Some(Assumed { resource: end.name.clone(), assumption })
    }

    /// Whether there is somebody at the far end of whom anything could be assumed.
    fn has_receiver(&self) -> bool {
        match self.question.to.end {
            End::Interface(..) | End::Host(_) | End::Internet => true,
            End::Address(address) => {
                self.fabric.public_mapping(address).is_some()
                    || self.fabric.pool_gateway(address).is_some()
                    || self.fabric.only_host_at(address).is_some()
                    || self.is_undeclared(address)
            }
        }
    }

    /// The address of the router, if it is who took the packet.
    fn router(&self, leg: &engine::Leg) -> Option<String> {
        let is_router = leg.dropped.is_none() && leg.egress.is_none();
        leg.observed.filter(|_| is_router).map(|headers| headers.dst.to_string())
    }

    /// Whether an address belongs to nobody in the topology and would be somewhere on the internet.
    fn is_undeclared(&self, address: IpAddr) -> bool {
        let fabric = self.fabric;
        let in_a_vpc = fabric.vpcs.iter().any(|(_, vpc)| vpc.contains(address));
        !in_a_vpc
            && not_public(address).is_none()
            && fabric.only_host_at(address).is_none()
            && fabric.public_mapping(address).is_none()
            && fabric.pool_gateway(address).is_none()
    }
}

/// Who took a packet for `to`, sent to the address `destination`, if that is not who was meant.
pub(crate) fn astray(
    fabric: &Fabric,
    to: End,
    destination: Option<IpAddr>,
    forward: &engine::Leg,
) -> Option<Egress> {
    let egress = forward.egress?;
    let observed = forward.observed.as_ref().map(|headers| headers.dst)?;
    let is_meant = match (to, egress) {
        (End::Interface(meant, _), Egress::Interface(reached, _)) => meant == reached,
        // Behind an endpoint's interface is its service.
        (End::Interface(meant, _), Egress::Host(reached)) => match fabric.enis[meant].role {
            Role::Endpoint(endpoint) => fabric.vpc_endpoints[endpoint].service == reached,
            _ => false,
        },
        (End::Host(meant), Egress::Host(reached)) => meant == reached,
        (End::Internet, Egress::Internet(_)) => true,
        // An address: whoever has it, here or behind its public face.
        (End::Address(address), Egress::Interface(reached, _)) => {
            // An address of a pool is that of the interface to which its gateway routes it (RT-51).
            let is_of_pool = address == observed && fabric.pool_gateway(observed).is_some();
            fabric.enis[reached].owns(observed) || is_of_pool
        }
        (End::Address(address), Egress::Internet(reached)) => {
            [address, behind_nat64(address)].contains(&reached)
        }
        (End::Address(address), Egress::Host(host)) => {
            let own = &fabric.hosts[host].addresses;
            // By the address of an endpoint it is its service that is meant.
            let behind = behind_endpoint(fabric, destination, forward);
            behind == Some(host) || own.contains(&address) || own.contains(&behind_nat64(address))
        }
        _ => false,
    };
    (!is_meant).then_some(egress)
}

/// The service whose interface endpoint a packet to `destination` was sent to.
fn behind_endpoint(fabric: &Fabric, destination: Option<IpAddr>, forward: &engine::Leg) -> Option<HostIdx> {
    forward.steps.iter().find_map(|step| match step {
        vpclab_engine::Step::Endpoint { endpoint, before, .. } if before.1 == destination? => {
            Some(fabric.vpc_endpoints[*endpoint].service)
        }
        _ => None,
    })
}

/// Whether a gateway has put a port of its own in place of the sender's.
fn lends_port(step: &vpclab_engine::Step) -> bool {
    match step {
        vpclab_engine::Step::NatGateway { .. } => true,
        vpclab_engine::Step::Endpoint { before, after, .. } => before != after,
        _ => false,
    }
}
