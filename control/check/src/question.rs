//! Which packets does a question in words mean?
//!
//! A request names two ends and some traffic; here they become the engine's own ends. What always holds: a text that
//! can be read in two ways is refused with both readings, so that no answer is about something else than was meant.
//! Left to others: whether the packets pass.

use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_api::{ApiError, ExplainRequest};
use vpclab_engine::Fabric;
use vpclab_engine::explain::{End, TrafficQuestion};
use vpclab_model::{InstanceName, NetworkInterfaceName, Topology, not_public};
use vpclab_wire::Protocol;

use crate::{names, undeclared};

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
        }
    }
}

/// A protocol as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
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
struct Reading<'a> {
    end: &'a str,
    port: Option<u16>,
    protocol: Option<Asked>,
}

/// Why a text is no end.
enum Refusal {
    /// Nothing is called that.
    Unknown,
    /// It means something that cannot be asked about, or several things.
    Said(ApiError),
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

/// Understands `request`.
///
/// # Errors
///
/// What is wrong with the question, with EC2's code for it (area ERR) and what would be right.
pub fn parse(fabric: &Fabric, topology: &Topology, request: &ExplainRequest) -> Result<Question, ApiError> {
    let names = Names { fabric, topology };
    let from = names.source(&request.from)?;
    let asked = request.protocol.as_deref().map(|text| protocol(text).ok_or_else(|| unknown_protocol(text)));
    let asked = asked.transpose()?;
    let is_said_apart = request.port.is_some() || asked.is_some();
    let (mut to, reading) = names.destination(&request.to, is_said_apart)?;
    if let End::Interface(_, Some(private @ IpAddr::V4(_))) = to.end
        && is_outside(fabric, from.end)
    {
        // Out there the address is what it is: only a name stands for its public face.
        to.end = End::Address(private);
    }
    let port = once("port", request.port, reading.port)?;
    let protocol = once("protocol", asked, reading.protocol)?;
    if port == Some(0) || request.source_port == Some(0) {
        return Err(invalid("0 is not a port that packets can be sent to; give one from 1 to 65535"));
    }
    let ipv6 = match request.family {
        None => None,
        Some(4) => Some(false),
        Some(6) => Some(true),
        Some(other) => return Err(invalid(format!("{other} is not an address family; give 4 or 6"))),
    };
    let (traffic, implied_ipv6) = traffic(protocol, port, request.source_port)?;
    if let (Some(asked), Some(implied)) = (ipv6, implied_ipv6)
        && asked != implied
    {
        return Err(conflict("the protocol belongs to the other address family; `icmp` fits both"));
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
    Ok(Question { from, to, ipv6: ipv6.or(implied_ipv6), traffic, undeclared })
}

/// Whether packets from here come from the internet.
fn is_outside(fabric: &Fabric, end: End) -> bool {
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

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterValue", message)
}

fn conflict(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterCombination", message)
}

/// What names stand for.
struct Names<'a> {
    fabric: &'a Fabric,
    topology: &'a Topology,
}

impl Names<'_> {
    fn source(&self, text: &str) -> Result<NamedEnd, ApiError> {
        match self.find(text) {
            Ok(end) => Ok(end),
            Err(Refusal::Said(error)) => Err(error),
            Err(Refusal::Unknown) => {
                let bare = readings(text).into_iter().skip(1).find(|reading| self.find(reading.end).is_ok());
                Err(match bare {
                    Some(reading) => invalid(format!(
                        "`{text}`: a port or protocol belongs to the destination; ask from `{}`, and for a source port \
                         use --source-port",
                        reading.end
                    )),
                    None => self.unknown(text),
                })
            }
        }
    }

    fn destination<'t>(
        &self,
        text: &'t str,
        is_said_apart: bool,
    ) -> Result<(NamedEnd, Reading<'t>), ApiError> {
        let readings = readings(text);
        let mut found = Vec::new();
        let mut said = None;
        for (place, reading) in readings.iter().enumerate() {
            match self.find(reading.end) {
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
        if let Some((_, word)) = text.rsplit_once('/').filter(|(end, _)| self.is_end_and_port(end)) {
            return Err(unknown_protocol(word));
        }
        let before_protocol =
            text.rsplit_once('/').filter(|(_, p)| protocol(p).is_some()).map_or(text, |(n, _)| n);
        if let Some((_, port)) =
            before_protocol.rsplit_once(':').filter(|(name, port)| is_number(port) && self.find(name).is_ok())
        {
            return Err(invalid(format!("{port} is not a port; give one from 1 to 65535")));
        }
        Err(self.unknown(readings.last().map_or(text, |reading| reading.end)))
    }

    /// What `text` names, if it is one thing.
    fn find(&self, text: &str) -> Result<NamedEnd, Refusal> {
        let mut found: Vec<(NamedEnd, String)> = Vec::new();
        if text == "internet" {
            let end = NamedEnd { name: text.to_owned(), kind: EndKind::Internet, end: End::Internet };
            found.push((end, "the internet".to_owned()));
        }
        let instance = self.topology.find_instance(text);
        if let Some((name, _)) = instance {
            let end = self.instance(name).map_err(Refusal::Said)?;
            found.push((end, format!("the instance {}", name.id())));
        }
        if let Some((name, interface)) = self.topology.find_interface(text) {
            let is_primary = instance.is_some_and(|(instance, _)| {
                interface.attachment.as_ref().is_some_and(|a| a.instance == *instance && a.device_index == 0)
            });
            if !is_primary {
                let end = self.interface(name).map_err(Refusal::Said)?;
                found.push((end, format!("the network interface {}", name.id())));
            }
        }
        if let Some((name, _)) = self.topology.find_internet_host(text) {
            let host = self.fabric.hosts.find(name.as_str()).ok_or(Refusal::Unknown)?;
            let end = NamedEnd { name: name.to_string(), kind: EndKind::InternetHost, end: End::Host(host) };
            found.push((end, format!("the internet host {}", name.id())));
        }
        if let Some((name, _)) = self.topology.find_customer_host(text) {
            let host = self.fabric.hosts.find(name.as_str()).ok_or(Refusal::Unknown)?;
            let end = NamedEnd { name: name.to_string(), kind: EndKind::CustomerHost, end: End::Host(host) };
            found.push((end, format!("the customer host {}", name.id())));
        }
        if let Some((name, _)) = self.topology.find_service(text) {
            let host = self.fabric.hosts.find(name.as_str()).ok_or(Refusal::Unknown)?;
            let end = NamedEnd { name: name.to_string(), kind: EndKind::Service, end: End::Host(host) };
            found.push((end, format!("the service {}", name.id())));
        }
        if found.is_empty() && undeclared::endpoints(self.topology, text).next().is_some() {
            // Nobody is there to ask; the answer says so.
            return Ok(NamedEnd { name: text.to_owned(), kind: EndKind::Undeclared, end: End::Internet });
        }
        if found.len() > 1 {
            let meanings: Vec<String> = found.into_iter().map(|(_, meaning)| meaning).collect();
            let message = format!("`{text}` can mean {}; give the id", meanings.join(" or "));
            return Err(Refusal::Said(conflict(message)));
        }
        match found.pop() {
            Some((end, _)) => Ok(end),
            None => self.address(text),
        }
    }

    fn instance(&self, name: &InstanceName) -> Result<NamedEnd, ApiError> {
        let primary = self.topology.instances.get(name).and_then(|instance| {
            instance.network_interfaces.get(&0).or_else(|| instance.network_interfaces.values().next())
        });
        let eni =
            primary.and_then(|interface| self.fabric.enis.find(interface.as_str())).ok_or_else(|| {
                ApiError::new(
                    "IncorrectInstanceState",
                    format!("the instance {name} has no network interface"),
                )
            })?;
        Ok(NamedEnd { name: name.to_string(), kind: EndKind::Instance, end: End::Interface(eni, None) })
    }

    fn interface(&self, name: &NetworkInterfaceName) -> Result<NamedEnd, ApiError> {
        let eni = self.fabric.enis.find(name.as_str()).ok_or_else(|| self.unknown(name.as_str()))?;
        Ok(NamedEnd {
            name: name.to_string(),
            kind: EndKind::NetworkInterface,
            end: End::Interface(eni, None),
        })
    }

    /// An end by address: bare, inside a VPC, or on the internet.
    fn address(&self, text: &str) -> Result<NamedEnd, Refusal> {
        if let Some(address) = bare_address(text) {
            return self.anywhere(address);
        }
        if let Some(address) = text.strip_prefix("internet:") {
            // What is no address may be a port: another reading takes it off.
            let address = bare_address(address).ok_or(Refusal::Unknown)?;
            return self.outside(address);
        }
        if let Some((vpc, rest)) = text.split_once('/')
            && let (Some((vpc, _)), Some(address)) = (self.topology.find_vpc(vpc), bare_address(rest))
        {
            let eni = self
                .fabric
                .vpcs
                .iter()
                .find(|(_, compiled)| compiled.name == *vpc)
                .and_then(|(index, _)| self.fabric.interface_at(index, address));
            let Some(eni) = eni else {
                let message = format!("no interface of the VPC {vpc} has the address {address}");
                return Err(Refusal::Said(ApiError::new("InvalidNetworkInterfaceID.NotFound", message)));
            };
            let name = format!("{vpc}/{address}");
            return Ok(NamedEnd { name, kind: EndKind::Address, end: End::Interface(eni, Some(address)) });
        }
        match self.unsupported(text) {
            Some(error) => Err(Refusal::Said(error)),
            None => Err(Refusal::Unknown),
        }
    }

    /// An address without a VPC: the one interface that has it, or an address as packets carry it.
    fn anywhere(&self, address: IpAddr) -> Result<NamedEnd, Refusal> {
        let owners: Vec<_> = self
            .fabric
            .vpcs
            .iter()
            .filter_map(|(vpc, compiled)| Some((&compiled.name, self.fabric.interface_at(vpc, address)?)))
            .collect();
        let end = match owners.as_slice() {
            // A host's address too: the host may have another one, of the other family, that is not meant.
            [] => End::Address(address),
            [(_, eni)] => End::Interface(*eni, Some(address)),
            several => {
                let names: Vec<String> = several.iter().map(|(vpc, _)| format!("{vpc}/{address}")).collect();
                let message =
                    format!("several VPCs have the address {address}; ask for {}", names.join(" or "));
                return Err(Refusal::Said(conflict(message)));
            }
        };
        Ok(NamedEnd { name: address.to_string(), kind: EndKind::Address, end })
    }

    /// An address that is to be on the internet.
    fn outside(&self, address: IpAddr) -> Result<NamedEnd, Refusal> {
        if let Some(why) = not_public(address) {
            let message = format!(
                "{address} is not a public address (it {why}), so no host of the internet can have it"
            );
            return Err(Refusal::Said(invalid(message)));
        }
        Ok(NamedEnd { name: address.to_string(), kind: EndKind::Address, end: End::Address(address) })
    }

    /// Ends that the contract names and this version cannot ask about.
    fn unsupported(&self, text: &str) -> Option<ApiError> {
        let topology = self.topology;
        let members = |names: Vec<String>| match names.as_slice() {
            [] => String::new(),
            some => format!("; in it are {}", some.join(", ")),
        };
        let interfaces = |belongs: &dyn Fn(&vpclab_model::NetworkInterface) -> bool| {
            let names = topology.network_interfaces.iter().filter(|(_, eni)| belongs(eni));
            members(names.map(|(name, _)| name.to_string()).collect())
        };
        let (what, inside) = if text.parse::<IpNet>().is_ok() {
            ("a CIDR block".to_owned(), String::new())
        } else if let Some((name, _)) = topology.find_subnet(text) {
            (format!("the subnet {name}"), interfaces(&|eni| eni.subnet == *name))
        } else if let Some((name, _)) = topology.find_security_group(text) {
            (format!("the security group {name}"), interfaces(&|eni| eni.security_groups.contains(name)))
        } else if let Some((name, _)) = topology.find_vpc(text) {
            let in_vpc = |eni: &vpclab_model::NetworkInterface| {
                topology.subnets.get(&eni.subnet).is_some_and(|subnet| subnet.vpc == *name)
            };
            (format!("the VPC {name}"), interfaces(&in_vpc))
        } else if let Some((name, _)) = topology.find_internet_gateway(text) {
            (format!("the internet gateway {name}"), String::new())
        } else if let Some((name, endpoint)) = topology.find_vpc_endpoint(text) {
            let names = endpoint.network_interfaces.iter().map(ToString::to_string).collect();
            (format!("the VPC endpoint {name}"), members(names))
        } else if let Some((kind, name, resource)) = topology.find_not_modelled(text) {
            // What it does to packets is not modelled; the ways to and from its interfaces are.
            let names = resource.network_interfaces.iter().map(ToString::to_string).collect();
            (format!("the {} {name}, whose inside is not modelled", kind.noun), members(names))
        } else {
            return None;
        };
        Some(ApiError::new(
            "UnsupportedOperation",
            format!(
                "`{text}` is {what}; this version asks about one host at each end. Ask about an instance, a network \
                 interface, an internet host, an address or `internet`{inside}"
            ),
        ))
    }

    /// Whether `text` would be a destination if nothing stood behind it.
    fn is_end_and_port(&self, text: &str) -> bool {
        readings(text).iter().any(|reading| reading.protocol.is_none() && self.find(reading.end).is_ok())
    }

    fn unknown(&self, text: &str) -> ApiError {
        if let Some(address) = text.strip_prefix("internet:") {
            return invalid(format!("`{address}` is not an address; write internet:198.51.100.7"));
        }
        let topology = self.topology;
        let known: Vec<&str> = topology
            .instances
            .keys()
            .map(|name| name.as_str())
            .chain(topology.network_interfaces.keys().map(|name| name.as_str()))
            .chain(topology.internet_hosts.keys().map(|name| name.as_str()))
            .chain(topology.customer_hosts.keys().map(|name| name.as_str()))
            .chain(topology.services.keys().map(|name| name.as_str()))
            .chain(["internet"])
            .collect();
        let remedy = names::remedy(text, known);
        let code = if text.starts_with("eni-") {
            "InvalidNetworkInterfaceID.NotFound"
        } else {
            "InvalidInstanceID.NotFound"
        };
        ApiError::new(
            code,
            format!("no instance, network interface or internet host is called `{text}`; {remedy}"),
        )
    }
}

impl Reading<'_> {
    fn describe(&self, end: &NamedEnd) -> String {
        let what = format!("{} `{}`", end.kind.word().replace('_', " "), end.name);
        match (self.port, self.protocol) {
            (None, None) => format!("the {what} and every protocol"),
            (Some(port), _) => format!("port {port} of the {what}"),
            (None, Some(_)) => format!("one protocol to the {what}"),
        }
    }
}

/// Every way to take `:PORT` and `/PROTOCOL` off the end of `text`; first the one that takes nothing off.
fn readings(text: &str) -> Vec<Reading<'_>> {
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

/// An address, with or without brackets.
fn bare_address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inside) => inside.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}
