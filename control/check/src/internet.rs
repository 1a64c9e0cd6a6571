//! Which hosts does `internet` stand for?
//!
//! For every public one that no rule or route names more specifically than /0. Rules and routes may tell some of them
//! from others, so one address of each range that the tables and filters on the way tell apart is asked about. Whoever a
//! rule or route names, such as an office's /29, is somebody and not the internet: that he fares differently is said, and
//! changes nothing. But where those who fare differently are a large part of the address space, be it one 0.0.0.0/1 or
//! many smaller blocks, they are the internet as much as the rest: the answer is no, and says for whom. What is on the
//! way shows only when it is walked, so the ranges are made finer until no walk meets anything new. A block of public
//! addresses is asked about in the same way, and there everybody counts. Left to others: the walks.

mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use vpclab_api::{ApiError, Explanation};
use vpclab_engine::explain::{End, EndError, TrafficQuestion, resolve};
use vpclab_engine::{Fabric, Side, VpcIdx};
use vpclab_model::{ANYBODY_V4, ANYBODY_V6, Topology, address_after, not_public, public_edges};

use self::whole::everybody;
use crate::answer::by_gateways;
use crate::explain::refusal;
use crate::marks::Marks;
use crate::met::Met;
use crate::question::{EndKind, NamedEnd, Question};

/// Ranges that are asked about at most, one by one.
const MOST_RANGES: usize = 512;
/// What assumptions about the internet are about.
pub(crate) const INTERNET: &str = "internet";
/// How they begin that say who is no part of the answer.
pub(crate) const LEAVES_OUT: &str = "leaves out";
/// Addresses named at most where all that were asked are listed.
const MOST_NAMED: usize = 4;

/// From an address to before another one, or to the last of all.
type Stretch = (IpAddr, Option<IpAddr>);

/// A host of the internet that stands for all that fare alike.
#[derive(Debug, Clone, Copy)]
struct Host {
    address: IpAddr,
    /// Whether a block of somebody's holds it.
    is_named: bool,
    /// For how many addresses it stands.
    size: u128,
}

/// Answers a question with `internet`, or a block of it, at one end.
///
/// # Errors
///
/// As [`crate::answer`].
pub(crate) fn answer(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
) -> Result<Explanation, ApiError> {
    let one = |question: &Question| by_gateways(fabric, topology, question);
    match resolve(fabric, question.from.end, question.to.end, question.ipv6) {
        Ok(_) | Err(EndError::NoAnonymousAddress) => {}
        // No such question, or nothing on the internet could make a difference.
        Err(_) => return one(question).map(|(explanation, _)| explanation),
    }
    let within = block_of(question);
    let families = match within {
        Some(block) => vec![block.addr().is_ipv6()],
        None => question.ipv6.map_or(vec![false, true], |ipv6| vec![ipv6]),
    };
    let ipv6 = families.into_iter().find(|ipv6| {
        let hosts = alike(fabric, topology, &Met::default(), *ipv6, question);
        let Some((host, _)) = hosts.first() else { return false };
        let Question { from, to, .. } = at(question, host.address);
        !matches!(resolve(fabric, from.end, to.end, Some(*ipv6)), Err(EndError::NoCommonFamily))
    });
    let ipv6 = ipv6.ok_or_else(|| refusal(fabric, question, &EndError::NoCommonFamily))?;
    let mut refused = None;
    let parts = parts(fabric, topology, question, ipv6, |question| {
        one(question).map_err(|error| refused.get_or_insert(error).clone()).ok()
    });
    if let Some(error) = refused {
        return Err(error);
    }
    let is_source = matches!(question.from.kind, EndKind::Internet | EndKind::Block(_));
    everybody(parts, is_source, within).map_or_else(|| one(question).map(|(explanation, _)| explanation), Ok)
}

/// The block that a question is about.
fn block_of(question: &Question) -> Option<IpNet> {
    [&question.from, &question.to].into_iter().find_map(|end| match end.kind {
        EndKind::Block(block) => Some(block),
        _ => None,
    })
}

/// A part of the internet whose hosts fare alike.
pub(crate) struct Part<T> {
    /// One of them.
    host: Host,
    /// All of their addresses.
    pub(crate) blocks: Vec<IpNet>,
    /// How they fare; none where there were too many parts to ask about each.
    pub(crate) told: Option<T>,
}

impl<T> Part<T> {
    /// Whether a rule or route names them: others are `internet` by itself.
    pub(crate) fn is_named(&self) -> bool {
        self.host.is_named
    }
}

/// How each part of the internet fares in one family, by what `ask` says of one of its hosts; of those that rules and
/// routes tell apart. Those whom it says nothing of are left out.
pub(crate) fn parts<T>(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
    ipv6: bool,
    mut ask: impl FnMut(&Question) -> Option<(T, Met)>,
) -> Vec<Part<T>> {
    let mut met = Met::of_ends(fabric, question);
    // Whom a finer cut leaves as he was is not asked again.
    let mut known: BTreeMap<IpAddr, Option<(T, Met)>> = BTreeMap::new();
    loop {
        let hosts = alike(fabric, topology, &met, ipv6, question);
        let mut now_met = met.clone();
        for (host, _) in hosts.iter().take(MOST_RANGES) {
            let told = known.entry(host.address).or_insert_with(|| ask(&at(question, host.address)));
            if let Some((_, on_the_way)) = told {
                now_met.add(on_the_way);
            }
        }
        if now_met == met {
            let part = |(place, (host, stretches)): (usize, (Host, Vec<Stretch>))| {
                let told = match known.remove(&host.address) {
                    Some(Some((told, _))) => Some(told),
                    Some(None) => return None,
                    None if place < MOST_RANGES => return None,
                    None => None,
                };
                Some(Part { host, blocks: blocks(stretches), told })
            };
            return hosts.into_iter().enumerate().filter_map(part).collect();
        }
        met = now_met;
    }
}

/// The fewest blocks that hold these addresses and no others.
fn blocks(stretches: Vec<Stretch>) -> Vec<IpNet> {
    let mut blocks = Vec::new();
    for (from, end) in stretches {
        match (from, end) {
            (IpAddr::V4(from), end) => {
                let last = match end {
                    Some(IpAddr::V4(end)) => Ipv4Addr::from(u32::from(end).saturating_sub(1)),
                    _ => Ipv4Addr::BROADCAST,
                };
                blocks.extend(Ipv4Subnets::new(from, last, 0).map(IpNet::V4));
            }
            (IpAddr::V6(from), end) => {
                let last = match end {
                    Some(IpAddr::V6(end)) => Ipv6Addr::from(u128::from(end).saturating_sub(1)),
                    _ => Ipv6Addr::from(u128::MAX),
                };
                blocks.extend(Ipv6Subnets::new(from, last, 0).map(IpNet::V6));
            }
        }
    }
    IpNet::aggregate(&blocks)
}

/// Whether a rule or route that walks have met names `address` as somebody's.
pub(crate) fn is_named(fabric: &Fabric, met: &Met, address: IpAddr) -> bool {
    Marks::of(fabric, met, TrafficQuestion::All).somebodys().any(|block| block.contains(&address))
}

/// An address of `block` that can be somebody's on the internet, if one can.
pub(crate) fn somebody_in(fabric: &Fabric, topology: &Topology, block: IpNet) -> Option<IpAddr> {
    let (ipv6, met) = (block.addr().is_ipv6(), Met::default());
    let vpcs: Vec<VpcIdx> = fabric.vpcs.iter().map(|(vpc, _)| vpc).collect();
    let hosts = ranges(fabric, topology, &met, ipv6, Some(block), TrafficQuestion::All, &vpcs);
    hosts.first().map(|(host, _)| host.address)
}

/// The question asked of one host of the internet: who asks, or else who is asked.
pub(crate) fn at(question: &Question, address: IpAddr) -> Question {
    let placed = |end: &NamedEnd| match end.kind {
        EndKind::Internet | EndKind::Block(_) => Some(NamedEnd { end: End::Address(address), ..end.clone() }),
        _ => None,
    };
    match placed(&question.from) {
        Some(from) => Question { from, ..question.clone() },
        None => match placed(&question.to) {
            Some(to) => Question { to, ..question.clone() },
            None => question.clone(),
        },
    }
}

/// Whether these are together so many that they are a part of the internet.
fn is_part<'a>(hosts: impl Iterator<Item = &'a Host>) -> bool {
    let mut is_ipv6 = false;
    let size = hosts.fold(0_u128, |size, host| {
        is_ipv6 = host.address.is_ipv6();
        size.saturating_add(host.size)
    });
    size >= part_size(is_ipv6)
}

/// So many addresses together are a part of the internet rather than somebody: a /12, and a /28 of IPv6.
pub(crate) fn part_size(ipv6: bool) -> u128 {
    if ipv6 { 1 << (128 - 28) } else { 1 << (32 - 12) }
}

/// An address of each range of the internet that what was met tells apart, the usual one first where it is one of them;
/// each with the addresses that it stands for.
fn alike(
    fabric: &Fabric,
    topology: &Topology,
    met: &Met,
    ipv6: bool,
    question: &Question,
) -> Vec<(Host, Vec<Stretch>)> {
    let vpc = |end: &NamedEnd| match end.end {
        End::Interface(eni, _) => Some(fabric.enis[eni].vpc),
        End::Address(public) => fabric.public_mapping(public).map(|mapping| fabric.enis[mapping.eni].vpc),
        End::Host(_) | End::Internet => None,
    };
    let vpcs: Vec<VpcIdx> = [&question.from, &question.to].into_iter().filter_map(vpc).collect();
    ranges(fabric, topology, met, ipv6, block_of(question), question.traffic, &vpcs)
}

/// The same. `within` is the block that is asked about, in which nobody is left aside for being named, and `vpcs` are those
/// at whose ends is asked.
fn ranges(
    fabric: &Fabric,
    topology: &Topology,
    met: &Met,
    ipv6: bool,
    within: Option<IpNet>,
    asked: TrafficQuestion,
    vpcs: &[VpcIdx],
) -> Vec<(Host, Vec<Stretch>)> {
    let marks = Marks::of(fabric, met, asked);
    // Asked first, wherever rules leave it alone.
    let usual = if ipv6 { IpAddr::V6(ANYBODY_V6) } else { IpAddr::V4(ANYBODY_V4) };
    let ours = fabric.vpcs.iter().flat_map(|(_, vpc)| vpc.cidr_blocks.iter().copied());
    let private = fabric.enis.iter().flat_map(|(_, eni)| eni.addresses.iter().copied());
    let private: BTreeSet<IpAddr> = private.filter(|own| not_public(*own).is_none()).collect();
    let faces =
        fabric.enis.iter().flat_map(|(_, eni)| eni.public_addresses.iter().map(|(_, public)| *public));
    let elastic = topology.eips.values().map(|eip| eip.public_ip);
    let hosts = fabric
        .hosts
        .iter()
        .filter(|(_, host)| matches!(host.side, Side::Internet | Side::Service))
        .flat_map(|(_, host)| host.addresses.iter().copied());
    let single = faces.chain(elastic).map(IpAddr::V4).chain(hosts).chain([usual]);
    let single = single.chain(private.iter().copied()).map(IpNet::from);
    let customers = fabric.customer_networks.iter().flat_map(|(_, network)| network.blocks.iter().copied());
    let customers: Vec<IpNet> = customers.collect();
    // Between two neighbouring edges all addresses are alike.
    let mut starts: BTreeSet<IpAddr> = BTreeSet::new();
    for block in marks
        .blocks()
        .chain(ours)
        .chain(customers.iter().copied())
        .chain(single)
        .chain(public_edges())
        .chain(within)
    {
        if block.addr().is_ipv6() == ipv6 {
            starts.insert(block.network());
            starts.extend(address_after(block.broadcast()));
        }
    }
    let is_outside = |address: IpAddr| {
        not_public(address).is_none()
            && !fabric.belongs_to_aws(address)
            && !is_inside(fabric, vpcs, address)
            && !customers.iter().any(|block| block.contains(&address))
            && within.is_none_or(|block| block.contains(&address))
    };
    let somebodys: Vec<IpNet> = marks.somebodys().collect();
    let is_named =
        |address: IpAddr| within.is_none() && somebodys.iter().any(|block| block.contains(&address));
    // A host nobody declared says more about everybody than a declared one.
    let rank = |address: IpAddr| (address != usual, fabric.host_at(address).is_some(), address);
    let mut classes: BTreeMap<(bool, Vec<usize>), (Host, Vec<Stretch>)> = BTreeMap::new();
    let ends = starts.iter().skip(1).copied().map(Some).chain([None]);
    for (&address, end) in starts.iter().zip(ends).filter(|(address, _)| is_outside(**address)) {
        let is_named = is_named(address);
        let of_class = classes.entry((is_named, marks.of_address(address)));
        let (host, stretches) = of_class.or_insert((Host { address, is_named, size: 0 }, Vec::new()));
        stretches.push((address, end));
        host.size = host.size.saturating_add(between(address, end));
        if rank(address) < rank(host.address) {
            host.address = address;
        }
    }
    let mut hosts: Vec<(Host, Vec<Stretch>)> = classes.into_values().collect();
    // Of somebody's ranges the large ones matter most.
    let weight = |host: &Host| if host.is_named { u128::MAX - host.size } else { 0 };
    hosts.sort_by_key(|(host, _)| (host.is_named, weight(host), rank(host.address)));
    hosts
}

/// How many addresses there are from one to before another, or to the last of all.
fn between(from: IpAddr, to: Option<IpAddr>) -> u128 {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    let to = to.map_or(if from.is_ipv6() { u128::MAX } else { 1 << 32 }, bits);
    to - bits(from)
}

/// Whether an address is inside a VPC to whom is asked at an end in `vpcs`. IPv4 blocks of others are private to them
/// (ADDR-04): the internet has a host there, unless an interface goes by that address here.
fn is_inside(fabric: &Fabric, vpcs: &[VpcIdx], address: IpAddr) -> bool {
    let mut holders = fabric.vpcs.iter().filter(|(_, vpc)| vpc.contains(address));
    holders.any(|(index, _)| {
        address.is_ipv6() || vpcs.contains(&index) || fabric.interface_at(index, address).is_some()
    })
}
