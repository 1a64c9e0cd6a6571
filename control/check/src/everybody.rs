//! Who is everybody, where only some may ask?
//!
//! Whoever sends in the whole matrix, by each of its interfaces and addresses, and each public address that none of them
//! has. What always holds: nobody of them is left out for being unlikely: of the public addresses each range that rules
//! and routes tell apart counts, also those that a rule names, and who is inside asks at the destination's public
//! addresses, too. Left to others: whether the packets pass.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vpclab_api::{ApiError, Assumed, Expected, ExplainRequest};
use vpclab_engine::explain::{End, EndError, resolve};
use vpclab_engine::{EniIdx, Fabric, Role, Side as Where};
use vpclab_model::Topology;

use crate::customers::Customers;
use crate::ends::{Names, Side};
use crate::question::{
    EndKind, NamedEnd, Question, Questions, Request, is_outside, is_pair, pair, questions,
};
use crate::run::Pair;
use crate::silent::Silent;
use crate::{addresses, analyse, internet, silent, strangers};

/// Why no packets speak for whoever is in a network of the user's own.
pub(crate) const NOBODY_BEYOND: &str = "no host of it is declared, so nothing is there to send";

/// Every public address.
const PUBLIC: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED, 0)),
    IpNet::V6(Ipv6Net::new_assert(std::net::Ipv6Addr::UNSPECIFIED, 0)),
];

/// The addresses by which IPv4 is asked over IPv6 (RFC 6052).
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// The pairs of ends for the test that `only` these may ask what `request` is about, whose own `from` says nothing; and what
/// is taken for granted of whom nobody has declared.
///
/// # Errors
///
/// What is wrong with one of the names, or with the question.
pub(crate) fn pairs(
    fabric: &Fabric,
    topology: &Topology,
    request: &ExplainRequest,
    only: &[String],
) -> Result<(Vec<Pair>, Vec<Assumed>), ApiError> {
    let ask = |from: &str| {
        let request = ExplainRequest { from: from.to_owned(), ..request.clone() };
        questions(fabric, topology, &request).map(|Questions { pairs, .. }| pairs)
    };
    let mut allowed: Vec<Question> = Vec::new();
    for name in only {
        for question in ask(name)? {
            if !allowed.contains(&question) {
                allowed.push(question);
            }
        }
    }
    let everybody_outside = allowed.iter().any(|question| question.from.kind == EndKind::Internet);
    let asked = Request::of(fabric, topology, request)?;
    let names = Names { fabric, topology };
    let mut denied: Vec<Question> = Vec::new();
    for from in strangers(names, everybody_outside) {
        for to in &asked.to.members {
            if !is_pair(fabric, &from, to, asked.to.between_vpcs) {
                continue;
            }
            let may = |allowed: &Question| allowed.to.end == to.end && is_of(fabric, &allowed.from, &from);
            // Both on the internet: that is none of the network's business.
            let is_theirs = is_outside(fabric, from.end) && is_out_there(fabric, to);
            if is_theirs || allowed.iter().any(may) {
                continue;
            }
            let mut faces = public_faces(fabric, to);
            faces.retain(|_| !is_outside(fabric, from.end));
            faces.extend(translated_faces(fabric, &from, to, asked.ipv6));
            for to in std::iter::once(to).chain(&faces) {
                denied.push(pair(fabric, &from, to, asked.ipv6, asked.traffic)?);
            }
        }
    }
    for from in customers(names, &allowed, only) {
        // What a network does inside is its own business.
        for to in asked.to.members.iter().filter(|to| !is_inside(fabric, &from, to)) {
            let faces = public_faces(fabric, to);
            for to in std::iter::once(to).chain(&faces) {
                denied.push(pair(fabric, &from, to, asked.ipv6, asked.traffic)?);
            }
        }
    }
    let of = |question: Question, expected| {
        let unheard = unheard(fabric, topology, &question);
        Pair::new(question, expected, unheard)
    };
    // Who has IPv6 alone asks who has IPv4 alone by NAT64, where a route leads there.
    for question in &mut allowed {
        let faces = translated_faces(fabric, &question.from, &question.to, question.ipv6);
        if let Some(face) = faces.into_iter().next()
            && resolve(fabric, question.from.end, question.to.end, question.ipv6)
                == Err(EndError::NoCommonFamily)
        {
            question.to = face;
        }
    }
    let mut pairs: Vec<Pair> =
        allowed.iter().map(|question| of(question.clone(), Expected::Allowed)).collect();
    pairs.extend(denied.into_iter().map(|question| of(question, Expected::Denied)));
    for (question, told) in strangers::answers(names, &asked)? {
        let told = Some(Box::new(told));
        pairs.push(Pair { told, ..Pair::new(question, Expected::Denied, None) });
    }
    if !everybody_outside {
        for to in asked.to.members.iter().filter(|to| !is_out_there(fabric, to)) {
            for block in rest_of_the_internet(fabric, topology, &allowed) {
                let is_ipv6 = block.addr().is_ipv6();
                if asked.ipv6.is_some_and(|ipv6| ipv6 != is_ipv6) || !has_family(fabric, to, is_ipv6) {
                    continue;
                }
                let name = if block.prefix_len() == 0 { "internet".to_owned() } else { block.to_string() };
                let from = NamedEnd::new(&name, EndKind::Block(block), End::Internet);
                let question = pair(fabric, &from, to, Some(is_ipv6), asked.traffic)?;
                pairs.push(of(question, Expected::Denied));
            }
        }
    }
    Ok((pairs, strangers::assumed(names, &asked)))
}

/// Whether a host is in this network of the user's own.
fn is_inside(fabric: &Fabric, network: &NamedEnd, host: &NamedEnd) -> bool {
    let End::Host(host) = host.end else { return false };
    let Where::Customer(own) = fabric.hosts[host].side else { return false };
    fabric.customer_networks[own].name.as_str() == network.name
}

/// Whether whoever is asked is on the internet, and not behind a public address of the topology's.
fn is_out_there(fabric: &Fabric, to: &NamedEnd) -> bool {
    let is_ours = match to.end {
        End::Address(address) => fabric.public_mapping(address).is_some(),
        _ => false,
    };
    !is_ours && is_outside(fabric, to.end)
}

/// Why no packets can bear witness to an answer about who asks; nothing where they can.
fn unheard(fabric: &Fabric, topology: &Topology, question: &Question) -> Option<&'static str> {
    let of_many = "packets of one host cannot speak for everybody";
    match (question.from.kind, question.from.end) {
        (EndKind::Internet, _) if topology.internet_hosts.is_empty() => Some(of_many),
        (EndKind::Block(_), _) => Some(of_many),
        (EndKind::Customers(_), _) => Some(NOBODY_BEYOND),
        (EndKind::Service, _) => Some("nothing sends on behalf of a service"),
        (_, End::Interface(eni, _)) if matches!(fabric.enis[eni].role, Role::NotModelled(_)) => {
            Some("its inside is not modelled, so nothing is there to send")
        }
        _ => cannot_speak(fabric, question),
    }
}

/// Why no packets between these two can be had, whoever is behind them; nothing where they can.
pub(crate) fn cannot_speak(fabric: &Fabric, question: &Question) -> Option<&'static str> {
    let ends = [&question.from, &question.to].map(|end| match end.end {
        End::Interface(eni, address) => Some((eni, address)),
        _ => None,
    });
    let is_unknown = |(eni, _): &(EniIdx, Option<IpAddr>)| {
        fabric.enis[*eni].unknown.is_some() && fabric.enis[*eni].role == Role::Guest
    };
    if ends.iter().flatten().any(is_unknown) {
        return Some("not all of it is modelled, so packets would prove nothing");
    }
    if silent::ends(fabric, question).iter().any(|silent| matches!(silent, Silent::Detached(_))) {
        return Some("an interface is plugged in nowhere, so nothing is there to send or to answer");
    }
    let [from, to] = ends;
    let is_delegated = |(eni, address): (EniIdx, Option<IpAddr>)| {
        address.is_some_and(|address| !fabric.enis[eni].addresses.contains(&address))
    };
    if from.is_some_and(is_delegated) || to.is_some_and(is_delegated) {
        return Some("nothing has the addresses of a delegated block inside the instance");
    }
    None
}

/// Whoever is in the user's own networks and is none of those who may ask.
fn customers(names: Names<'_>, allowed: &[Question], only: &[String]) -> Vec<NamedEnd> {
    let theirs: Vec<IpNet> = allowed
        .iter()
        .filter_map(|question| match question.from.kind {
            EndKind::Customers(Some(block)) => Some(block),
            _ => None,
        })
        .collect();
    let Some(customers) = Customers::of(names.topology, names.fabric, &theirs) else { return Vec::new() };
    let is_whole = |network: &NamedEnd| {
        let is_it = |from: &NamedEnd| from.kind == EndKind::Customers(None) && from.name == network.name;
        let named = |text: &String| {
            let named = names.topology.find_customer_network(text);
            named.is_some_and(|(name, _)| name.as_str() == network.name)
        };
        allowed.iter().any(|question| is_it(&question.from)) || only.iter().any(named)
    };
    let mut others = Vec::new();
    for network in customers.ends(true).into_iter().filter(|network| !is_whole(network)) {
        if theirs.is_empty() {
            others.push(network);
            continue;
        }
        let blocks = customers.blocks(&network.name);
        // Of which nothing is announced may have any address.
        let blocks = if blocks.is_empty() { PUBLIC.to_vec() } else { blocks };
        let rest = blocks.into_iter().flat_map(|block| without(block, &theirs));
        let rest = rest.map(|rest| NamedEnd { kind: EndKind::Customers(Some(rest)), ..network.clone() });
        // One host is supposed in each range that anything tells apart; the other blocks of a range fare as its own.
        others.extend(rest.filter(|rest| customers.is_anybody(rest)));
    }
    others
}

/// Everybody who opens connections, as `analyse` has them; each by every interface and address of his own.
fn strangers(names: Names<'_>, everybody_outside: bool) -> Vec<NamedEnd> {
    let fabric = names.fabric;
    let all = analyse::everybody(names, Side::From).members.into_iter();
    let mut strangers = Vec::new();
    for end in all {
        match (end.kind, end.end) {
            // Whoever of the internet is nobody with a name is asked by address; the user's own networks as a whole.
            (EndKind::Internet | EndKind::Customers(_), _) => {}
            (EndKind::InternetHost, _) if everybody_outside => {}
            (_, End::Interface(_, None)) => strangers.extend(ways(fabric, &end)),
            _ => strangers.push(end),
        }
    }
    strangers
}

/// Whoever sends, by each of his interfaces and addresses: himself, where he has one.
fn ways(fabric: &Fabric, end: &NamedEnd) -> Vec<NamedEnd> {
    let End::Interface(primary, None) = end.end else { return vec![end.clone()] };
    let instance = fabric.enis[primary].attachment.map(|(instance, _)| instance);
    let instance = instance.filter(|_| end.kind == EndKind::Instance);
    let own = instance.map(|instance| &fabric.instances[instance].interfaces);
    let all: Vec<EniIdx> = own.map_or(vec![primary], |all| all.iter().map(|(_, eni)| *eni).collect());
    let mut ways = Vec::new();
    for &eni in &all {
        let by_interface = match all.len() {
            1 => end.clone(),
            _ => {
                let name = fabric.enis[eni].name.as_str();
                NamedEnd {
                    via: end.via.clone(),
                    ..NamedEnd::new(name, EndKind::NetworkInterface, End::Interface(eni, None))
                }
            }
        };
        ways.extend(by_other_addresses(fabric, &by_interface, eni));
        ways.push(by_interface);
    }
    ways
}

/// The same question in the other ways in which its sender may ask: by each of his interfaces and addresses, whichever his
/// programs send by unless they choose, and by NAT64 where a route leads there.
pub(crate) fn other_ways(fabric: &Fabric, question: &Question) -> Vec<Question> {
    if question.from.beyond.is_some() || question.to.beyond.is_some() {
        return Vec::new();
    }
    let all = ways(fabric, &question.from);
    let mut others = Vec::new();
    for from in all {
        if !question.to.by_address {
            let faces = translated_faces(fabric, &from, &question.to, question.ipv6);
            others.extend(faces.into_iter().map(|to| Question {
                from: from.clone(),
                to,
                ..question.clone()
            }));
        }
        if from != question.from {
            others.push(Question { from, ..question.clone() });
        }
    }
    others
}

/// Who sends by one of his addresses that is not the first of its family; of a delegated block by one of each range that
/// rules and routes tell apart.
fn by_other_addresses(fabric: &Fabric, end: &NamedEnd, eni: EniIdx) -> Vec<NamedEnd> {
    let interface = &fabric.enis[eni];
    let is_other = |address: &IpAddr| interface.primary_address(address.is_ipv6()) != Some(*address);
    let others = addresses::of_interface(fabric, eni).into_iter().filter(is_other);
    let at = |address: IpAddr| {
        let name = format!("{}/{address}", end.name);
        NamedEnd { name, end: End::Interface(eni, Some(address)), ..end.clone() }
    };
    others.map(at).collect()
}

/// Whom a name inside is reached as from inside, beside his own addresses: by each public one, out and in again.
fn public_faces(fabric: &Fabric, to: &NamedEnd) -> Vec<NamedEnd> {
    let End::Interface(eni, _) = to.end else { return Vec::new() };
    if to.by_address {
        return Vec::new();
    }
    let public = fabric.enis[eni].public_addresses.iter();
    let at = |public: &std::net::Ipv4Addr| {
        NamedEnd::at(&format!("{}/{public}", to.name), EndKind::Address, End::Address(IpAddr::V4(*public)))
    };
    public.map(|(_, public)| at(public)).collect()
}

/// Whom a name is reached as from inside by those who send over IPv6, where a route leads IPv6 to NAT64 (NAT-28): by each
/// of his IPv4 addresses, written as one of IPv6.
fn translated_faces(fabric: &Fabric, from: &NamedEnd, to: &NamedEnd, ipv6: Option<bool>) -> Vec<NamedEnd> {
    let is_translated = |destination: &IpNet| match destination {
        IpNet::V6(block) => NAT64.contains(block) || block.contains(&NAT64) && block.prefix_len() > 0,
        IpNet::V4(_) => false,
    };
    let mut routes = fabric.route_tables.iter().flat_map(|(_, table)| &table.routes);
    let is_inside = !is_outside(fabric, from.end) && has_family(fabric, from, true);
    if ipv6 == Some(false) || !is_inside || !routes.any(|route| is_translated(&route.destination)) {
        return Vec::new();
    }
    let of_interface = |eni: EniIdx| {
        let public = fabric.enis[eni].public_addresses.iter().map(|(_, public)| IpAddr::V4(*public));
        addresses::of_interface(fabric, eni).into_iter().chain(public).collect()
    };
    let all: Vec<IpAddr> = match to.end {
        End::Interface(_, Some(address)) | End::Address(address) => vec![address],
        End::Interface(eni, None) => of_interface(eni),
        End::Host(host) => fabric.hosts[host].addresses.clone(),
        End::Internet => Vec::new(),
    };
    let face = |address: IpAddr| {
        let IpAddr::V4(address) = address else { return None };
        let [a, b, c, d] = address.octets();
        let [e, f] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
        let face = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, e, f);
        Some(NamedEnd::at(&format!("{}/{face}", to.name), EndKind::Address, End::Address(face.into())))
    };
    all.into_iter().filter_map(face).collect()
}

/// Whether `other` is one of those whom `allowed` stands for: an instance stands for each of its interfaces.
fn is_of(fabric: &Fabric, allowed: &NamedEnd, other: &NamedEnd) -> bool {
    match (allowed.end, other.end) {
        // Who is named by an address is no other one of his.
        (End::Interface(a, Some(named)), End::Interface(b, other)) => {
            let first = || fabric.enis[b].primary_address(named.is_ipv6());
            a == b && other.or_else(first) == Some(named)
        }
        (End::Interface(a, None), End::Interface(b, _)) => {
            let instance = |eni| fabric.enis[eni].attachment.map(|(instance, _)| instance);
            a == b || allowed.kind == EndKind::Instance && instance(a).is_some() && instance(a) == instance(b)
        }
        (End::Host(a), End::Host(b)) => a == b,
        (End::Address(address), End::Host(host)) if !matches!(allowed.kind, EndKind::Block(_)) => {
            fabric.hosts[host].addresses.contains(&address)
        }
        _ => false,
    }
}

/// The public addresses that are nobody's of those who may ask.
fn rest_of_the_internet(fabric: &Fabric, topology: &Topology, allowed: &[Question]) -> Vec<IpNet> {
    let theirs = allowed.iter().flat_map(|question| match (question.from.kind, question.from.end) {
        (EndKind::Block(block), _) => vec![block],
        (_, End::Address(address)) => vec![IpNet::from(address)],
        (_, End::Host(host)) => fabric.hosts[host].addresses.iter().copied().map(IpNet::from).collect(),
        _ => Vec::new(),
    });
    let theirs: Vec<IpNet> = theirs.collect();
    let rest = PUBLIC.iter().flat_map(|all| without(*all, &theirs));
    rest.filter(|block| internet::somebody_in(fabric, topology, *block).is_some()).collect()
}

/// The blocks that together hold what is in `block` and in none of `others`.
fn without(block: IpNet, others: &[IpNet]) -> Vec<IpNet> {
    if others.iter().any(|other| other.contains(&block)) {
        return Vec::new();
    }
    if !others.iter().any(|other| block.contains(other)) {
        return vec![block];
    }
    let Ok(halves) = block.subnets(block.prefix_len() + 1) else { return Vec::new() };
    halves.flat_map(|half| without(half, others)).collect()
}

fn has_family(fabric: &Fabric, end: &NamedEnd, ipv6: bool) -> bool {
    let is = |address: &IpAddr| address.is_ipv6() == ipv6;
    match end.end {
        End::Interface(_, Some(address)) | End::Address(address) => is(&address),
        End::Interface(eni, None) => fabric.enis[eni].primary_address(ipv6).is_some(),
        End::Host(host) => fabric.hosts[host].addresses.iter().any(is),
        End::Internet => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(block: &str, others: &[&str]) -> Vec<String> {
        let others: Vec<IpNet> = others.iter().map(|other| other.parse().unwrap()).collect();
        without(block.parse().unwrap(), &others).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_left_of_a_block_is_every_address_of_nobody_else() {
        assert_eq!(told("0.0.0.0/0", &[]), ["0.0.0.0/0"]);
        assert_eq!(told("0.0.0.0/0", &["2001:db8::/32"]), ["0.0.0.0/0"], "another family");
        assert_eq!(told("0.0.0.0/0", &["128.0.0.0/1"]), ["0.0.0.0/1"]);
        assert_eq!(told("10.0.0.0/30", &["10.0.0.1/32"]), ["10.0.0.0/32", "10.0.0.2/31"]);
        assert_eq!(told("10.0.0.0/30", &["10.0.0.0/8"]), [""; 0]);
        assert_eq!(told("0.0.0.0/0", &["203.0.113.0/24"]).len(), 24);
        let whole = told("10.0.0.0/31", &["10.0.0.0/32", "10.0.0.1/32"]);
        assert!(whole.is_empty(), "{whole:?}");
    }
}
