//! Which packets does a question in words mean?
//!
//! A request names two ends and some traffic; here they become the engine's own ends. What always holds: a text that
//! can be read in two ways is refused with both readings, so that no answer is about something else than was meant.
//! Left to others: whether the packets pass.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use vpclab_api::{ApiError, ExplainRequest};
use vpclab_engine::explain::{End, TrafficQuestion};
use vpclab_engine::{EniIdx, Fabric};
use vpclab_model::Topology;
use vpclab_wire::Protocol;

use crate::customers::Customers;
use crate::ends::{Ends, Names, Refusal, Side, bare_address};
use crate::sets;

/// A question understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who asks.
    pub from: NamedEnd,
    /// Whom.
    pub to: NamedEnd,
    /// The family asked for, if one was.
    pub ipv6: Option<bool>,
    /// The packets meant.
    pub traffic: TrafficQuestion,
    /// The name by which an end is a service that is not declared: nothing is known of the answer.
    pub undeclared: Option<String>,
    /// Whether it is asked too what would take away what denies it: each change is tried on a copy of the network.
    pub remedies: bool,
}

/// An end with the name it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedEnd {
    /// The declared name, or the address as it was asked.
    pub name: String,
    /// What it is.
    pub kind: EndKind,
    /// What it is to the engine.
    pub end: End,
    /// What packets have to pass, where the end was asked about as what lies behind it.
    pub via: Option<Via>,
    /// Whether it was asked about by an address: from the internet that is what it says, and no name's public face.
    pub by_address: bool,
    /// The hosts that are supposed where it is a network of the user's own.
    pub(crate) beyond: Option<Arc<Customers>>,
}

/// A place that packets pass, as steps name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The kind, as in `internet_gateway`.
    pub component: &'static str,
    /// The resource.
    pub resource: String,
}

/// Every pair of ends that a request asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questions {
    /// One for each pair; never none.
    pub pairs: Vec<Question>,
    /// Whether an end of the request is a set, so that there is an answer for each pair whatever their number.
    pub of_sets: bool,
}

/// What an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    /// An instance: its primary interface answers for it.
    Instance,
    /// An interface.
    NetworkInterface,
    /// A declared host of the internet.
    InternetHost,
    /// A declared host of a customer network.
    CustomerHost,
    /// A service that VPC endpoints lead to.
    Service,
    /// A service that VPC endpoints lead to and that is not declared: its [`End`] stands for nothing.
    Undeclared,
    /// Every public host.
    Internet,
    /// An address.
    Address,
    /// Whoever has an address of this block, outside all VPCs.
    Block(IpNet),
    /// Whoever is in a network of the user's own without being declared, or has an address of this block there: its [`End`]
    /// stands for nothing.
    Customers(Option<IpNet>),
}

impl NamedEnd {
    pub(crate) fn new(name: &str, kind: EndKind, end: End) -> Self {
        Self { name: name.to_owned(), kind, end, via: None, by_address: false, beyond: None }
    }

    /// One that is asked about by an address.
    pub(crate) fn at(name: &str, kind: EndKind, end: End) -> Self {
        Self { by_address: true, ..Self::new(name, kind, end) }
    }
}

impl Question {
    /// The hosts that are supposed where an end is a network of the user's own.
    pub(crate) fn beyond(&self) -> Option<&Customers> {
        self.from.beyond.as_deref().or(self.to.beyond.as_deref())
    }
}

impl Via {
    pub(crate) fn new(component: &'static str, resource: &str) -> Self {
        Self { component, resource: resource.to_owned() }
    }
}

impl EndKind {
    /// The word for it in answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::NetworkInterface => "network_interface",
            Self::InternetHost => "internet_host",
            Self::CustomerHost => "customer_host",
            Self::Service | Self::Undeclared => "service",
            Self::Internet => "internet",
            Self::Address => "address",
            Self::Block(_) => "cidr_block",
            Self::Customers(_) => "customer_network",
        }
    }
}

/// A protocol as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    All,
    Tcp,
    Udp,
    /// An echo request; `icmpv6` asks for the family too.
    Echo {
        ipv6: Option<bool>,
    },
    Number(u8),
}

/// One way to read a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading<'a> {
    pub(crate) end: &'a str,
    port: Option<u16>,
    pub(crate) protocol: Option<Asked>,
}

/// Protocols by name, with the number IANA gives them.
const PROTOCOLS: [(&str, u8); 10] = [
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", 6),
    ("udp", 17),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("sctp", 132),
];

/// Understands `request` about one host at each end.
///
/// # Errors
///
/// What is wrong with the question, with EC2's code for it (area ERR) and what would be right.
pub fn parse(fabric: &Fabric, topology: &Topology, request: &ExplainRequest) -> Result<Question, ApiError> {
    let understood = Understood::of(fabric, topology, request)?;
    for (text, ends) in [(&request.from, &understood.from), (&request.to, &understood.asked.to)] {
        if ends.set.is_some() && ends.members.len() > 1 {
            return Err(sets::not_one(text, ends));
        }
    }
    let mut questions = understood.questions(fabric)?;
    // Ends that are no sets are one pair.
    questions.pairs.pop().ok_or_else(|| invalid("there is nothing to ask about"))
}

/// Understands `request` about every pair of those whom its ends name.
///
/// # Errors
///
/// As [`parse`]; that an end is a set is none.
pub fn questions(
    fabric: &Fabric,
    topology: &Topology,
    request: &ExplainRequest,
) -> Result<Questions, ApiError> {
    Understood::of(fabric, topology, request)?.questions(fabric)
}

/// The same request from the other end: whoever is asked asks, the same port of who asked.
///
/// # Errors
///
/// As [`parse`].
pub(crate) fn reversed(
    fabric: &Fabric,
    topology: &Topology,
    request: &ExplainRequest,
) -> Result<ExplainRequest, ApiError> {
    let is_said_apart = request.port.is_some() || request.protocol.is_some();
    let (_, reading) = destination(Names { fabric, topology }, &request.to, is_said_apart)?;
    let protocol = reading.protocol.map(|protocol| match protocol {
        Asked::All => "all".to_owned(),
        Asked::Tcp => "tcp".to_owned(),
        Asked::Udp => "udp".to_owned(),
        Asked::Echo { ipv6: Some(true) } => "icmpv6".to_owned(),
        Asked::Echo { .. } => "icmp".to_owned(),
        Asked::Number(number) => number.to_string(),
    });
    Ok(ExplainRequest {
        from: reading.end.to_owned(),
        to: request.from.clone(),
        port: request.port.or(reading.port),
        // What says all that there is to say leaves nothing to be read in the name.
        protocol: request.protocol.clone().or(protocol),
        source_port: request.source_port,
        family: request.family,
    })
}

/// A request understood, before its ends are paired.
struct Understood {
    from: Ends,
    asked: Request,
}

/// What a request is about, whoever asks.
pub(crate) struct Request {
    pub(crate) to: Ends,
    pub(crate) ipv6: Option<bool>,
    pub(crate) traffic: TrafficQuestion,
}

impl Understood {
    fn of(fabric: &Fabric, topology: &Topology, request: &ExplainRequest) -> Result<Self, ApiError> {
        let from = source(Names { fabric, topology }, &request.from)?;
        Ok(Self { from, asked: Request::of(fabric, topology, request)? })
    }

    fn questions(&self, fabric: &Fabric) -> Result<Questions, ApiError> {
        let Request { to: asked, ipv6, traffic } = &self.asked;
        let of_sets = self.from.set.is_some() || asked.set.is_some();
        let between_vpcs = self.from.between_vpcs || asked.between_vpcs;
        let mut pairs = Vec::new();
        for from in &self.from.members {
            for to in &asked.members {
                let is_pair = is_pair(fabric, from, to, between_vpcs) && !is_theirs(fabric, from, to);
                if of_sets && !is_pair {
                    continue;
                }
                pairs.push(pair(fabric, from, to, *ipv6, *traffic)?);
            }
        }
        if pairs.is_empty() {
            return Err(nobody_else(fabric, &self.from, asked));
        }
        Ok(Questions { pairs, of_sets })
    }
}

/// Says of two sets that there is no pair of somebody and somebody else.
pub(crate) fn nobody_else(fabric: &Fabric, from: &Ends, to: &Ends) -> ApiError {
    let outside = |ends: &Ends| ends.members.iter().all(|end| is_outside(fabric, end.end));
    let (a, b) = (from.words(), to.words());
    conflict(match outside(from) && outside(to) {
        true => format!("{a} and {b} are both on the internet; ask about a way into or out of a VPC"),
        false => {
            format!("{a} and {b} are nobody else; what a host sends to itself never reaches the network")
        }
    })
}

/// Whether two ends are somebody and somebody else between whom the network has a say.
pub(crate) fn is_pair(fabric: &Fabric, from: &NamedEnd, to: &NamedEnd, between_vpcs: bool) -> bool {
    let is_left_out = between_vpcs && is_in_one_vpc(fabric, from, to);
    let is_theirs = are_anybody(from, to) && is_theirs(fabric, from, to);
    !is_left_out && !is_same_host(fabric, from, to) && !is_theirs
}

impl Request {
    /// Understands what `request` is about; who asks is not read.
    pub(crate) fn of(
        fabric: &Fabric,
        topology: &Topology,
        request: &ExplainRequest,
    ) -> Result<Self, ApiError> {
        let names = Names { fabric, topology };
        let asked =
            request.protocol.as_deref().map(|text| protocol(text).ok_or_else(|| unknown_protocol(text)));
        let asked = asked.transpose()?;
        let is_said_apart = request.port.is_some() || asked.is_some();
        let (to, reading) = destination(names, &request.to, is_said_apart)?;
        let port = once("port", request.port, reading.port)?;
        let protocol = once("protocol", asked, reading.protocol)?;
        if port == Some(0) || request.source_port == Some(0) {
            return Err(invalid("0 is not a port that packets can be sent to; give one from 1 to 65535"));
        }
        let ipv6 = match request.family {
            None => None,
            Some(4) => Some(false),
            Some(6) => Some(true),
            Some(other) => {
                return Err(invalid(format!("{other} is not an address family; give 4 or 6")));
            }
        };
        let (traffic, implied_ipv6) = traffic(protocol, port, request.source_port)?;
        if let (Some(asked), Some(implied)) = (ipv6, implied_ipv6)
            && asked != implied
        {
            return Err(conflict("the protocol belongs to the other address family; `icmp` fits both"));
        }
        Ok(Self { to, ipv6: ipv6.or(implied_ipv6), traffic })
    }
}

/// The question about two ends.
pub(crate) fn pair(
    fabric: &Fabric,
    from: &NamedEnd,
    to: &NamedEnd,
    ipv6: Option<bool>,
    traffic: TrafficQuestion,
) -> Result<Question, ApiError> {
    let (from, mut to) = (from.clone(), to.clone());
    if let End::Interface(_, Some(private @ IpAddr::V4(_))) = to.end
        && to.by_address
        && from.beyond.is_none()
        && is_outside(fabric, from.end)
    {
        to.end = End::Address(private);
    }
    if let (End::Interface(a, _), End::Interface(b, _)) = (from.end, to.end)
        && a == b
    {
        let name = &fabric.enis[a].name;
        return Err(conflict(format!(
            "both ends are {name}; what a host sends to itself never reaches the network"
        )));
    }
    let undeclared = [&from, &to].into_iter().find(|end| end.kind == EndKind::Undeclared);
    let undeclared = undeclared.map(|end| end.name.clone());
    Ok(Question { from, to, ipv6, traffic, undeclared, remedies: false })
}

/// Whether both are interfaces of one instance, or one host.
pub(crate) fn is_same_host(fabric: &Fabric, from: &NamedEnd, to: &NamedEnd) -> bool {
    let instance = |eni: EniIdx| fabric.enis[eni].attachment.map(|(instance, _)| instance);
    let is_one = |a: EniIdx, b: EniIdx| a == b || instance(a).is_some() && instance(a) == instance(b);
    match (from.end, to.end) {
        (End::Interface(a, _), End::Interface(b, _)) => is_one(a, b),
        (End::Interface(a, _), End::Address(address)) => {
            fabric.public_mapping(address).is_some_and(|mapping| is_one(a, mapping.eni))
        }
        (End::Host(a), End::Host(b)) => a == b,
        _ => false,
    }
}

/// Whether packets between the two are none of the network's business: both are on the internet.
fn is_theirs(fabric: &Fabric, from: &NamedEnd, to: &NamedEnd) -> bool {
    let is_anybody = |end: &NamedEnd| matches!(end.kind, EndKind::Internet | EndKind::Block(_));
    let is_somebodys = match to.end {
        End::Address(address) => !is_anybody(to) && fabric.public_mapping(address).is_some(),
        _ => false,
    };
    let is_declared = from.beyond.is_none() && to.beyond.is_none();
    is_declared && !is_somebodys && is_outside(fabric, from.end) && is_outside(fabric, to.end)
}

/// Whether the two are nobody in particular, there.
fn are_anybody(from: &NamedEnd, to: &NamedEnd) -> bool {
    let is_block = |end: &NamedEnd| matches!(end.kind, EndKind::Block(_));
    let is_internet = |end: &NamedEnd| end.kind == EndKind::Internet;
    is_block(from) || is_block(to) || is_internet(from) && is_internet(to)
}

fn is_in_one_vpc(fabric: &Fabric, from: &NamedEnd, to: &NamedEnd) -> bool {
    match (from.end, to.end) {
        (End::Interface(a, _), End::Interface(b, _)) => fabric.enis[a].vpc == fabric.enis[b].vpc,
        _ => false,
    }
}

/// Whether packets from here come from the internet.
pub(crate) fn is_outside(fabric: &Fabric, end: End) -> bool {
    let host = match end {
        End::Internet => return true,
        End::Interface(..) => return false,
        End::Host(host) => Some(host),
        End::Address(address) => fabric.only_host_at(address),
    };
    host.is_none_or(|host| fabric.is_on_internet(host))
}

/// A value that may be said in two places, but not differently.
fn once<T: PartialEq>(what: &str, apart: Option<T>, inside: Option<T>) -> Result<Option<T>, ApiError> {
    match (apart, inside) {
        (Some(a), Some(b)) if a != b => {
            Err(conflict(format!("the {what} is given twice, and differently; give it once")))
        }
        (apart, inside) => Ok(apart.or(inside)),
    }
}

/// The packets meant, and the family that the protocol implies.
fn traffic(
    protocol: Option<Asked>,
    port: Option<u16>,
    source_port: Option<u16>,
) -> Result<(TrafficQuestion, Option<bool>), ApiError> {
    let has_ports = port.is_some() || source_port.is_some();
    let ports = |protocol| (TrafficQuestion::Ports { protocol, port, source_port }, None);
    match protocol {
        None if has_ports => Ok(ports(Protocol::TCP)),
        Some(Asked::Tcp) => Ok(ports(Protocol::TCP)),
        Some(Asked::Udp) => Ok(ports(Protocol::UDP)),
        Some(_) if has_ports => {
            Err(conflict("only tcp and udp have ports; leave the port out, or ask for tcp or udp"))
        }
        None | Some(Asked::All) => Ok((TrafficQuestion::All, None)),
        Some(Asked::Echo { ipv6 }) => Ok((TrafficQuestion::Echo, ipv6)),
        Some(Asked::Number(number)) => Ok((TrafficQuestion::Protocol(number), None)),
    }
}

fn protocol(text: &str) -> Option<Asked> {
    let text = text.to_ascii_lowercase();
    if matches!(text.as_str(), "all" | "-1") {
        return Some(Asked::All);
    }
    let by_name = PROTOCOLS.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    let number = by_name.or_else(|| is_number(&text).then(|| text.parse().ok()).flatten())?;
    Some(match number {
        6 => Asked::Tcp,
        17 => Asked::Udp,
        1 => Asked::Echo { ipv6: None },
        58 => Asked::Echo { ipv6: Some(true) },
        other => Asked::Number(other),
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn unknown_protocol(text: &str) -> ApiError {
    let known = PROTOCOLS.iter().map(|(name, _)| *name).chain(["all"]);
    let remedy = match vpclab_model::nearest(text, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "give tcp, udp, icmp, all, or a number from 0 to 255".to_owned(),
    };
    invalid(format!("`{text}` is not a protocol; {remedy}"))
}

pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterValue", message)
}

pub(crate) fn conflict(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterCombination", message)
}

fn source(names: Names<'_>, text: &str) -> Result<Ends, ApiError> {
    match names.find(text, Side::From) {
        Ok(end) => Ok(end),
        Err(Refusal::Said(error)) => Err(error),
        Err(Refusal::Unknown) => {
            let bare = readings(text)
                .into_iter()
                .skip(1)
                .find(|reading| names.find(reading.end, Side::From).is_ok());
            Err(match bare {
                Some(reading) => invalid(format!(
                    "`{text}`: a port or protocol belongs to the destination; ask from `{}`, and for a source port \
                     use --source-port",
                    reading.end
                )),
                None => names.unknown(text),
            })
        }
    }
}

fn destination<'t>(
    names: Names<'_>,
    text: &'t str,
    is_said_apart: bool,
) -> Result<(Ends, Reading<'t>), ApiError> {
    let readings = readings(text);
    let mut found = Vec::new();
    let mut said = None;
    for (place, reading) in readings.iter().enumerate() {
        match names.find(reading.end, Side::To) {
            Ok(end) if place == 0 && is_said_apart => return Ok((end, *reading)),
            Ok(end) => found.push((end, *reading)),
            Err(Refusal::Said(error)) => said = said.or(Some(error)),
            Err(Refusal::Unknown) => {}
        }
    }
    if found.len() > 1 {
        let meanings: Vec<String> = found.iter().map(|(end, reading)| reading.describe(end)).collect();
        return Err(conflict(format!(
            "`{text}` can mean {}; give the name alone and say the rest with --port and --protocol",
            meanings.join(", or ")
        )));
    }
    if let Some(one) = found.pop() {
        return Ok(one);
    }
    if let Some(error) = said_as_block(text).or(said) {
        return Err(error);
    }
    if let Some((_, word)) = text.rsplit_once('/').filter(|(end, _)| names.is_end_and_port(end)) {
        return Err(unknown_protocol(word));
    }
    let before_protocol =
        text.rsplit_once('/').filter(|(_, p)| protocol(p).is_some()).map_or(text, |(n, _)| n);
    if let Some((_, port)) = before_protocol
        .rsplit_once(':')
        .filter(|(name, port)| is_number(port) && names.find(name, Side::To).is_ok())
    {
        return Err(invalid(format!("{port} is not a port; give one from 1 to 65535")));
    }
    Err(names.unknown(readings.last().map_or(text, |reading| reading.end)))
}

impl Reading<'_> {
    fn describe(&self, ends: &Ends) -> String {
        let what = ends.words();
        match (self.port, self.protocol) {
            (None, None) => format!("the {what} and every protocol"),
            (Some(port), _) => format!("port {port} of the {what}"),
            (None, Some(_)) => format!("one protocol to the {what}"),
        }
    }
}

/// Every way to take `:PORT` and `/PROTOCOL` off the end of `text`; first the one that takes nothing off.
pub(crate) fn readings(text: &str) -> Vec<Reading<'_>> {
    let mut readings = vec![Reading { end: text, port: None, protocol: None }];
    let bare = text.rsplit_once('/').and_then(|(end, word)| Some((end, protocol(word)?, word)));
    if let Some((end, port)) = split_port(text) {
        readings.push(Reading { end, port: Some(port), protocol: None });
    }
    if let Some((end, protocol, word)) = bare {
        // ADDRESS/NUMBER is a CIDR block.
        let is_block = is_number(word) && bare_address(end.rsplit('/').next().unwrap_or(end)).is_some();
        if !is_block {
            readings.push(Reading { end, port: None, protocol: Some(protocol) });
        }
        if let Some((end, port)) = split_port(end) {
            readings.push(Reading { end, port: Some(port), protocol: Some(protocol) });
        }
    }
    readings
}

/// `END:PORT`. The last group of an IPv6 address without brackets is no port.
fn split_port(text: &str) -> Option<(&str, u16)> {
    let (end, port) = text.rsplit_once(':')?;
    let host = end.rsplit('/').next().unwrap_or(end);
    let host = host.strip_prefix("internet:").unwrap_or(host);
    let is_bare_ipv6 = host.contains(':') && !host.starts_with('[') && text_is_ipv6(host);
    if is_bare_ipv6 || !is_number(port) { None } else { Some((end, port.parse().ok()?)) }
}

/// What to say instead of `ADDRESS/NUMBER` where that can be no block of addresses: bits beyond the prefix are set, or
/// there are not as many.
fn said_as_block(text: &str) -> Option<ApiError> {
    let (end, number) = text.rsplit_once('/').filter(|(_, number)| is_number(number))?;
    let address = bare_address(end.rsplit('/').next().unwrap_or(end))?;
    let is_block = number
        .parse()
        .ok()
        .and_then(|len| IpNet::new(address, len).ok())
        .is_some_and(|block| block.trunc() == block && block.prefix_len() < block.max_prefix_len());
    if is_block || number.parse::<u8>().is_err() {
        return None;
    }
    Some(invalid(format!(
        "`{text}` reads as a CIDR block; for protocol {number} of that address write `{end}` with --protocol {number}"
    )))
}

fn text_is_ipv6(text: &str) -> bool {
    text.parse::<std::net::Ipv6Addr>().is_ok()
}
