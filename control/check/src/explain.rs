//! Why does this packet pass, or die?
//!
//! The engine's explanation becomes the API's, with the user's names. Nothing is decided here but one thing: whether the
//! packet reached whom the question meant. The engine forwards by address; where another guest takes the packet (address
//! spaces overlap, a guest is to forward it) the answer is never yes.

use std::net::IpAddr;

use vpclab_api::{
    ApiError, Assumed, Blocker, Explanation, Leg, LegVerdict, Level, Observed, ObservedEnd, QuestionEnd,
    RuleReference, Step, Unmodelled,
};
use vpclab_engine::explain::{End, EndError, Ends, TrafficQuestion, ask, resolve};
use vpclab_engine::plan::Egress;
use vpclab_engine::{DropReason, EniIdx, Fabric, GroupDecision, HostIdx, Role, Side, explain as engine};
use vpclab_model::{LinkName, RouteState, Topology, not_public};
use vpclab_wire::{IpHeaders, NAT64_PREFIX, Protocol, Transport, nat64_embedded};

use crate::met::Met;
use crate::question::{EndKind, NamedEnd, Question};
use crate::words;

/// The source ports of a client that does not choose one (NACL-19).
const EPHEMERAL: &str = "32768-60999";
const EVERY_PORT: &str = "0-65535";
/// How what is assumed of a receiver ends.
pub(crate) const NO_FIREWALL: &str = "and has no firewall of its own";

/// Answers about one host at each end, and says what the walks met.
pub(crate) fn answer_one(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
) -> Result<(Explanation, Met), ApiError> {
    let Question { from, to, ipv6, traffic } = question;
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

/// Ends that are addresses, where the addresses already tell that there is no such question.
fn misplaced(fabric: &Fabric, from: End, to: End) -> Option<EndError> {
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
            told.unmodelled.iter().map(|what| self.not_modelled(*what)).collect();
        if told.inexhaustive {
            unmodelled.push(Unmodelled {
                resource: self.question.to.name.clone(),
                kind: "rules".to_owned(),
                reason: "rules on the way tell more packets apart than are asked about; name a protocol and a port"
                    .to_owned(),
            });
        }
        let mut blockers: Vec<Blocker> = told.blockers.iter().map(|blocker| self.blocker(blocker)).collect();
        let mut not_denied: Vec<_> =
            told.not_denied.iter().map(|class| words::partial(class, self.ipv6)).collect();
        let mut forward = self.leg(&told.forward, false);
        let mut back = told.back.as_ref().map(|leg| self.leg(leg, true));
        if let Some(name) = self.astray(&told.forward) {
            // Who answers is not who was asked: what happens to that answer is no part of this one.
            blockers.retain(|blocker| blocker.direction == "forward");
            back = None;
            forward.verdict = LegVerdict::Dropped;
            forward.observed = None;
            not_denied.clear();
            blockers.push(self.misdelivered(&name));
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
            assumed: self.assumed(&told),
            unmodelled,
        }
    }

    fn from(&self) -> QuestionEnd {
        let NamedEnd { name, kind, .. } = &self.question.from;
        let port = match self.question.traffic {
            TrafficQuestion::Ports { source_port, .. } => {
                Some(source_port.map_or_else(|| EPHEMERAL.to_owned(), |port| port.to_string()))
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
            ..plain("router", router, "arrive")
        });
        Leg {
            verdict,
            steps: leg.steps.iter().map(|step| self.step(step)).chain(router).collect(),
            observed: leg.observed.as_ref().map(|headers| self.observed(headers, is_return)),
        }
    }

    /// The packet as its receiver sees it. No gateway of this version changes ports, so a port that could be any of a
    /// set is any of the same set at the far end.
    fn observed(&self, headers: &IpHeaders, is_return: bool) -> Observed {
        let has_ports = matches!(headers.transport, Transport::Tcp(_) | Transport::Udp { .. });
        let (source, destination) = match self.question.traffic {
            _ if !has_ports => (None, None),
            TrafficQuestion::Ports { port, source_port, .. } => (
                Some(source_port.map_or_else(|| EPHEMERAL.to_owned(), |port| port.to_string())),
                Some(port.map_or_else(|| EVERY_PORT.to_owned(), |port| port.to_string())),
            ),
            _ => (Some(EPHEMERAL.to_owned()), Some(EVERY_PORT.to_owned())),
        };
        let (source, destination) = if is_return { (destination, source) } else { (source, destination) };
        Observed {
            source: ObservedEnd { address: headers.src.to_string(), port: source },
            destination: ObservedEnd { address: headers.dst.to_string(), port: destination },
        }
    }

    fn step(&self, step: &vpclab_engine::Step) -> Step {
        use vpclab_engine::Step as Examined;
        let fabric = self.fabric;
        let eni_name = |eni: EniIdx| fabric.enis[eni].name.to_string();
        match *step {
            Examined::Leave { eni } => plain("network_interface", eni_name(eni), "leave"),
            Examined::Forward { eni, out, translated } => {
                let by = (out != eni).then(|| format!("by {}", eni_name(out)));
                let change = translated.map(|(before, after)| format!("{before} becomes {after}"));
                let detail: Vec<String> = by.into_iter().chain(change).collect();
                Step {
                    detail: (!detail.is_empty()).then(|| detail.join(", ")),
                    ..plain("guest", eni_name(eni), "forward")
                }
            }
            Examined::Arrive { eni } => plain("network_interface", eni_name(eni), "arrive"),
            Examined::SourceDestCheck { eni, direction, enabled, passed } => {
                let action = match (enabled, passed) {
                    (false, _) => "pass",
                    (true, true) => "allow",
                    (true, false) => "deny",
                };
                let direction = Some(words::direction(direction));
                Step { direction, ..plain("source_dest_check", eni_name(eni), action) }
            }
            Examined::SecurityGroup { eni, direction, ref decision } => {
                let (action, rule) = match *decision {
                    GroupDecision::Tracked => ("tracked", None),
                    GroupDecision::Related => ("related", None),
                    GroupDecision::Denied => ("deny", None),
                    GroupDecision::Rule { group, declared_at, .. } => (
                        "allow",
                        Some(words::group_rule(fabric, self.topology, group, direction, declared_at)),
                    ),
                };
                Step {
                    direction: Some(words::direction(direction)),
                    rule: rule.map(RuleReference::Text),
                    groups: words::groups(fabric, eni),
                    ..plain("security_group", eni_name(eni), action)
                }
            }
            Examined::NetworkAcl { network_acl, subnet, direction, rule, allowed } => Step {
                direction: Some(words::direction(direction)),
                rule: Some(words::acl_rule(rule)),
                detail: Some(fabric.subnets[subnet].name.to_string()),
                ..plain(
                    "network_acl",
                    fabric.network_acls[network_acl].name.to_string(),
                    if allowed { "allow" } else { "deny" },
                )
            },
            Examined::Route { route_table, matched } => {
                let table = &fabric.route_tables[route_table];
                let Some((destination, target)) = matched else {
                    let detail = Some("no route matches".to_owned());
                    return Step { detail, ..plain("route_table", table.name.to_string(), "deny") };
                };
                let to = || table.routes.iter().filter(|route| route.destination == destination);
                let route = to().find(|route| !route.overridden);
                let is_blackhole = route.is_some_and(|route| route.state == RouteState::Blackhole);
                let list = route.and_then(|route| route.prefix_list.as_ref());
                let list = list.map(|list| format!(", by prefix list {list}")).unwrap_or_default();
                // RT-06: what lost is still there.
                let lost: Vec<_> = to().filter(|route| route.overridden).map(|r| r.target).collect();
                let lost = lost.iter().map(|&target| words::target(fabric, target)).collect::<Vec<_>>();
                let lost = if lost.is_empty() {
                    String::new()
                } else {
                    format!(", before {} by HIGHER_PRIORITY_ROUTE", lost.join(", "))
                };
                let target = words::target(fabric, target);
                let (action, detail) = if is_blackhole {
                    ("deny", format!("{target}, a blackhole{list}{lost}"))
                } else {
                    ("forward", format!("{target}{list}{lost}"))
                };
                Step {
                    rule: Some(RuleReference::Text(destination.to_string())),
                    detail: Some(detail),
                    ..plain("route_table", table.name.to_string(), action)
                }
            }
            Examined::EgressOnly { gateway, direction } => Step {
                direction: Some(words::direction(direction)),
                ..plain("egress_only_internet_gateway", fabric.egress_only[gateway].name.to_string(), "pass")
            },
            Examined::NatGateway { gateway, side: _, before, after } => Step {
                detail: Some(format!("{} → {} becomes {} → {}", before.0, before.1, after.0, after.1)),
                ..plain("nat_gateway", fabric.nat_gateways[gateway].name.to_string(), "translate")
            },
            Examined::Endpoint { endpoint, direction, before, after } => Step {
                direction: Some(words::direction(direction)),
                detail: (before != after)
                    .then(|| format!("{} → {} becomes {} → {}", before.0, before.1, after.0, after.1)),
                ..plain(
                    "vpc_endpoint",
                    fabric.vpc_endpoints[endpoint].name.to_string(),
                    if before == after { "forward" } else { "translate" },
                )
            },
            Examined::Peering { peering, to } => Step {
                detail: Some(fabric.vpcs[to].name.to_string()),
                ..plain("vpc_peering_connection", fabric.peerings[peering].name.to_string(), "forward")
            },
            Examined::TransitRoute { attachment: _, table, matched } => {
                let table = &fabric.transit_tables[table];
                let name = table.name.to_string();
                let Some(destination) = matched else {
                    let detail = Some("no route matches".to_owned());
                    return Step { detail, ..plain("transit_gateway_route_table", name, "deny") };
                };
                let route = table.routes.iter().find(|route| route.destination == destination);
                let mut targets = route.into_iter().flat_map(|route| &route.attachments).peekable();
                let (action, detail) = match targets.peek() {
                    None => ("deny", "a blackhole".to_owned()),
                    Some(_) => {
                        let names = targets.map(|to| &*fabric.transit_attachments[*to].name);
                        ("forward", names.collect::<Vec<_>>().join(", "))
                    }
                };
                Step {
                    rule: Some(RuleReference::Text(destination.to_string())),
                    detail: Some(detail),
                    ..plain("transit_gateway_route_table", name, action)
                }
            }
            Examined::TransitGateway { from, to, subnet } => {
                let gateway = fabric.transit_attachments[from].gateway;
                let attachment = &fabric.transit_attachments[to].name;
                let detail = match subnet {
                    Some(subnet) => format!("{attachment}, by subnet {}", fabric.subnets[subnet].name),
                    None => attachment.to_string(),
                };
                Step {
                    detail: Some(detail),
                    ..plain("transit_gateway", fabric.transit_gateways[gateway].name.to_string(), "forward")
                }
            }
            Examined::InternetGateway { gateway, direction, translated } => Step {
                direction: Some(words::direction(direction)),
                detail: translated.map(|(before, after)| format!("{before} becomes {after}")),
                ..plain(
                    "internet_gateway",
                    fabric.internet_gateways[gateway].name.to_string(),
                    if translated.is_some() { "translate" } else { "pass" },
                )
            },
            Examined::VpnGateway { gateway, direction, link } => Step {
                direction: Some(words::direction(direction)),
                detail: Some(fabric.links[link].name.to_string()),
                ..plain("vpn_gateway", fabric.vpn_gateways[gateway].name.to_string(), "forward")
            },
            Examined::PrivateLink { link, direction } => {
                let link = &fabric.links[link];
                let component = match link.name {
                    LinkName::Vpn(_) => "vpn_connection",
                    LinkName::Private(_) | LinkName::Transit(_) => "virtual_interface",
                };
                let direction = Some(words::direction(direction));
                Step { direction, ..plain(component, link.name.to_string(), "pass") }
            }
            Examined::CustomerNetwork { network, matched } => {
                let name = fabric.customer_networks[network].name.to_string();
                let Some((destination, link)) = matched else {
                    let detail = Some("no route matches".to_owned());
                    return Step { detail, ..plain("customer_network", name, "deny") };
                };
                Step {
                    rule: Some(RuleReference::Text(destination.to_string())),
                    detail: Some(fabric.links[link].name.to_string()),
                    ..plain("customer_network", name, "forward")
                }
            }
            Examined::Outside { host: None, address } => plain("internet", address.to_string(), "arrive"),
            Examined::Outside { host: Some(host), .. } => {
                let host = &fabric.hosts[host];
                let component = match host.side {
                    Side::Internet => "internet",
                    Side::Customer(_) => "customer_host",
                    Side::Service => "service",
                };
                plain(component, host.name.to_string(), "arrive")
            }
        }
    }

    fn blocker(&self, blocker: &engine::Blocker) -> Blocker {
        let told = words::tell(self.fabric, &blocker.reason);
        let partial =
            blocker.partial.iter().flatten().map(|class| words::partial(class, self.ipv6)).collect();
        Blocker {
            code: blocker.reason.code().to_owned(),
            direction: if blocker.on_return { "return" } else { "forward" }.to_owned(),
            resource: told.resource,
            rule: told.rule,
            groups: told.groups,
            message: told.message,
            partial,
        }
    }

    /// Who took the packet, if that is not who was meant.
    fn astray(&self, forward: &engine::Leg) -> Option<String> {
        let (fabric, ends) = (self.fabric, self.ends?);
        let egress = forward.egress?;
        let observed = forward.observed.as_ref().map(|headers| headers.dst)?;
        let is_meant = match (self.question.to.end, egress) {
            (End::Interface(meant, _), Egress::Interface(reached, _)) => meant == reached,
            // Behind an endpoint's interface is its service.
            (End::Interface(meant, _), Egress::Host(reached)) => match fabric.enis[meant].role {
                Role::Endpoint(endpoint) => fabric.vpc_endpoints[endpoint].service == reached,
                _ => false,
            },
            (End::Host(meant), Egress::Host(reached)) => meant == reached,
            (End::Internet, Egress::Internet(_)) => true,
            // An address: whoever has it, here or behind its public face.
            (End::Address(_), Egress::Interface(reached, _)) => fabric.enis[reached].owns(observed),
            (End::Address(address), Egress::Internet(reached)) => {
                [address, behind_nat64(address)].contains(&reached)
            }
            (End::Address(address), Egress::Host(host)) => {
                let own = &fabric.hosts[host].addresses;
                // By the address of an endpoint it is its service that is meant.
                let behind = self.behind_endpoint(forward);
                behind == Some(host) || own.contains(&address) || own.contains(&behind_nat64(address))
            }
            _ => false,
        };
        if is_meant {
            return None;
        }
        Some(match egress {
            Egress::Interface(eni, _) => fabric.enis[eni].name.to_string(),
            Egress::Host(host) => fabric.hosts[host].name.to_string(),
            Egress::Internet(_) => {
                format!("a host of the internet with the address {}", ends.destination)
            }
        })
    }

    /// The service whose interface endpoint a packet was sent to.
    fn behind_endpoint(&self, forward: &engine::Leg) -> Option<HostIdx> {
        forward.steps.iter().find_map(|step| match step {
            vpclab_engine::Step::Endpoint { endpoint, before, .. } if before.1 == self.ends?.destination => {
                Some(self.fabric.vpc_endpoints[*endpoint].service)
            }
            _ => None,
        })
    }

    fn not_modelled(&self, what: vpclab_engine::Unmodelled) -> Unmodelled {
        match what {
            vpclab_engine::Unmodelled::Service(service) => Unmodelled {
                resource: service.to_string(),
                kind: "service".to_owned(),
                reason:
                    "the packet is addressed to a service of the platform that this version does not model"
                        .to_owned(),
            },
            vpclab_engine::Unmodelled::Resource(resource) => {
                let resource = &self.fabric.not_modelled[resource];
                Unmodelled {
                    resource: resource.name.to_string(),
                    kind: resource.kind.strip_suffix('s').unwrap_or(resource.kind).to_owned(),
                    reason: resource.reason.to_owned(),
                }
            }
            vpclab_engine::Unmodelled::SteeredBack(subnet) => Unmodelled {
                resource: self.fabric.subnets[subnet].name.to_string(),
                kind: "subnet".to_owned(),
                reason: "a middlebox sends what came out of a gateway in this subnet back into it, and AWS calls what \
                         then happens unpredictable"
                    .to_owned(),
            },
        }
    }

    fn misdelivered(&self, name: &str) -> Blocker {
        Blocker {
            code: DropReason::Misdelivered.code().to_owned(),
            direction: "forward".to_owned(),
            resource: Some(name.to_owned()),
            rule: None,
            groups: Vec::new(),
            message: format!("the packet reaches {name}, not {}", self.question.to.name),
            partial: Vec::new(),
        }
    }

    fn assumed(&self, told: &engine::Explanation) -> Vec<Assumed> {
        let Question { from, to, traffic, .. } = self.question;
        let mut assumed = Vec::new();
        assumed.extend(self.interface_of(from, "it sends from"));
        assumed.extend(self.interface_of(to, "it is asked at"));
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
            let assumption = format!("it sends from any of the ports {EPHEMERAL}, as Linux does");
            assumed.push(Assumed { resource: from.name.clone(), assumption });
        }
        assumed.extend(self.forwarders(told));
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

    /// What guests on the way are assumed to do with packets for others.
    fn forwarders(&self, told: &engine::Explanation) -> Vec<Assumed> {
        let mut assumed: Vec<Assumed> = Vec::new();
        for step in told.forward.steps.iter().chain(told.back.iter().flat_map(|leg| &leg.steps)) {
            let vpclab_engine::Step::Forward { eni, out, translated } = *step else { continue };
            let resource = self.fabric.enis[eni].name.to_string();
            let other = (out != eni).then(|| format!(" by {}", self.fabric.enis[out].name));
            let how = if translated.is_some() { "from its own address" } else { "unchanged" };
            let assumption = format!(
                "it sends on{} what is not addressed to it, {how}, {NO_FIREWALL}",
                other.unwrap_or_default()
            );
            let assumption = Assumed { resource, assumption };
            if !assumed.contains(&assumption) {
                assumed.push(assumption);
            }
        }
        assumed
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
    }
}

fn plain(component: &str, resource: String, action: &str) -> Step {
    Step {
        component: component.to_owned(),
        resource,
        action: action.to_owned(),
        direction: None,
        rule: None,
        groups: Vec::new(),
        detail: None,
    }
}
