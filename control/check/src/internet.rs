//! Which hosts does `internet` stand for?
//!
//! For every public one that no rule or route names more specifically than /0. Rules and routes may tell some of them
//! from others, so one address of each range that the tables and filters on the way tell apart is asked about. Whoever a
//! rule or route names, such as an office's /29, is somebody and not the internet: that he fares differently is said, and
//! changes nothing. But where those who fare differently are a large part of the address space, be it one 0.0.0.0/1 or
//! many smaller blocks, they are the internet as much as the rest: the answer is no, and says for whom. What is on the
//! way shows only when it is walked, so the ranges are made finer until no walk meets anything new. A block of public
//! addresses is asked about in the same way, and there everybody counts. Left to others: the walks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use vpclab_api::{ApiError, Assumed, Blocker, Explanation, OtherWay, Step, Unmodelled};
use vpclab_engine::explain::{End, EndError, resolve};
use vpclab_engine::{Direction, Fabric, Peer, Side};
use vpclab_model::{ANYBODY_V4, ANYBODY_V6, Topology, address_after, not_public, public_edges};

use crate::codes::ONLY_SOME_ADDRESSES;
use crate::explain::{answer_one, refusal};
use crate::met::Met;
use crate::question::{EndKind, NamedEnd, Question};

/// Ranges that are asked about at most, one by one.
const MOST_RANGES: usize = 256;
/// So many addresses together are a part of the internet rather than somebody: a /12, and a /28 of IPv6.
const PART_V4: u128 = 1 << (32 - 12);
const PART_V6: u128 = 1 << (128 - 28);
/// Addresses named at most where all that were asked are listed.
const MOST_NAMED: usize = 4;

/// A host of the internet that stands for all that fare alike.
#[derive(Debug, Clone, Copy)]
struct Host {
    address: IpAddr,
    /// Whether a block of somebody's holds it.
    is_named: bool,
    /// For how many addresses it stands.
    size: u128,
}

/// The blocks of what was met. Blocks that do the same share a mark.
struct Marks {
    /// Of the longest match in each table only the target matters.
    tables: Vec<Vec<(IpNet, usize)>>,
    /// Of filters, every block that holds the address.
    filters: Vec<(IpNet, usize)>,
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
    let one = |question: &Question| answer_one(fabric, topology, question);
    match resolve(fabric, question.from.end, question.to.end, question.ipv6) {
        Ok(_) | Err(EndError::NoAnonymousAddress) => {}
        // No such question, or nothing on the internet could make a difference.
        Err(_) => return one(question).map(|(explanation, _)| explanation),
    }
    let within = [&question.from, &question.to].into_iter().find_map(|end| match end.kind {
        EndKind::Block(block) => Some(block),
        _ => None,
    });
    let families = match within {
        Some(block) => vec![block.addr().is_ipv6()],
        None => question.ipv6.map_or(vec![false, true], |ipv6| vec![ipv6]),
    };
    let ipv6 = families.into_iter().find(|ipv6| {
        let Some(host) = ranges(fabric, topology, &Met::default(), *ipv6, within).first().copied() else {
            return false;
        };
        let Question { from, to, .. } = at(question, host.address);
        !matches!(resolve(fabric, from.end, to.end, Some(*ipv6)), Err(EndError::NoCommonFamily))
    });
    let ipv6 = ipv6.ok_or_else(|| refusal(fabric, question, &EndError::NoCommonFamily))?;
    let mut met = Met::of_ends(fabric, question);
    loop {
        let mut hosts = ranges(fabric, topology, &met, ipv6, within);
        // Of those whom rules name as many are asked as there is room for, if the others are too few to matter.
        let all_named = hosts.iter().all(|host| host.is_named);
        let left_out = hosts.get(MOST_RANGES..).unwrap_or_default();
        let unasked = left_out.len();
        if unasked > 0 && (all_named || is_part(left_out.iter())) {
            let usual = hosts.first().map(|host| one(&at(question, host.address)));
            let (explanation, _) = usual.unwrap_or_else(|| one(question))?;
            return Ok(too_many(explanation, hosts.len()));
        }
        hosts.truncate(MOST_RANGES);
        let mut answers = Vec::with_capacity(hosts.len());
        let mut now_met = met.clone();
        for host in hosts {
            let (explanation, on_the_way) = one(&at(question, host.address))?;
            now_met.add(&on_the_way);
            answers.push((host, explanation));
        }
        if now_met == met {
            let is_source = matches!(question.from.kind, EndKind::Internet | EndKind::Block(_));
            return everybody(answers, unasked, is_source, within)
                .map_or_else(|| one(question).map(|(explanation, _)| explanation), Ok);
        }
        met = now_met;
    }
}

/// A part of the internet whose hosts fare alike.
pub(crate) struct Part<T> {
    /// All of their addresses.
    pub(crate) blocks: Vec<IpNet>,
    /// Whether a rule or route names them: others are `internet` by itself.
    pub(crate) is_named: bool,
    /// How they fare; none where there were too many parts to ask about each.
    pub(crate) told: Option<T>,
}

/// How each part of the internet fares in one family, by what `ask` says of one of its hosts; of those that rules and
/// routes tell apart.
pub(crate) fn parts<T>(
    fabric: &Fabric,
    topology: &Topology,
    question: &Question,
    ipv6: bool,
    ask: impl Fn(&Question) -> Option<(T, Met)>,
) -> Vec<Part<T>> {
    let within = [&question.from, &question.to].into_iter().find_map(|end| match end.kind {
        EndKind::Block(block) => Some(block),
        _ => None,
    });
    let mut met = Met::of_ends(fabric, question);
    loop {
        let mut now_met = met.clone();
        let mut parts = Vec::new();
        for (place, (host, stretches)) in alike(fabric, topology, &met, ipv6, within).into_iter().enumerate()
        {
            let mut told = None;
            if place < MOST_RANGES {
                let Some((answer, on_the_way)) = ask(&at(question, host.address)) else { continue };
                now_met.add(&on_the_way);
                told = Some(answer);
            }
            parts.push(Part { blocks: blocks(stretches), is_named: host.is_named, told });
        }
        if now_met == met {
            return parts;
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
    Marks::of(fabric, met).somebodys().any(|block| block.contains(&address))
}

/// Whether an address of `block` can be somebody's on the internet.
pub(crate) fn holds_anybody(fabric: &Fabric, topology: &Topology, block: IpNet) -> bool {
    !ranges(fabric, topology, &Met::default(), block.addr().is_ipv6(), Some(block)).is_empty()
}

/// The question asked of one host of the internet.
pub(crate) fn at(question: &Question, address: IpAddr) -> Question {
    let placed = |end: &NamedEnd| match end.kind {
        EndKind::Internet | EndKind::Block(_) => NamedEnd { end: End::Address(address), ..end.clone() },
        _ => end.clone(),
    };
    Question { from: placed(&question.from), to: placed(&question.to), ..question.clone() }
}

/// Whether these are together so many that they are a part of the internet.
fn is_part<'a>(hosts: impl Iterator<Item = &'a Host>) -> bool {
    let mut is_ipv6 = false;
    let size = hosts.fold(0_u128, |size, host| {
        is_ipv6 = host.address.is_ipv6();
        size.saturating_add(host.size)
    });
    size >= if is_ipv6 { PART_V6 } else { PART_V4 }
}

/// One answer out of those of all ranges; none without any. If rules name every range, all of them are the internet.
fn everybody(
    answers: Vec<(Host, Explanation)>,
    unasked: usize,
    is_source: bool,
    within: Option<IpNet>,
) -> Option<Explanation> {
    let rest = answers.iter().find(|(host, _)| !host.is_named).map(|(_, explanation)| explanation.reachable);
    let differs = |(host, explanation): &(Host, Explanation)| {
        host.is_named && rest.is_some_and(|rest| explanation.reachable != rest)
    };
    let is_somebody = !is_part(answers.iter().filter(|answer| differs(answer)).map(|(host, _)| host));
    let (named, answers): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| rest.is_some() && answer.0.is_named && (is_somebody || !differs(answer)));
    let asked: Vec<IpAddr> = answers.iter().map(|(host, _)| host.address).collect();
    let first = |reachable: Option<bool>| {
        answers
            .iter()
            .position(|(_, explanation)| explanation.reachable == reachable)
            .map(|place| (place, answers[place].0.address))
    };
    let (passing, dying, unknown) = (first(Some(true)), first(Some(false)), first(None));
    let (shown, partial) = match (passing, dying, unknown) {
        (Some((_, passing)), Some((place, dying)), _) => (place, Some(only_some(passing, dying, is_source))),
        // Whatever becomes of the others, not everybody passes.
        (None, Some((place, _)), _) | (.., Some((place, _))) => (place, None),
        _ => (0, None),
    };
    let mut others: Vec<(Host, Explanation)> = answers;
    let (_, mut explanation) = (shown < others.len()).then(|| others.swap_remove(shown))?;
    for (_, told) in others {
        add_ways(&mut explanation, told);
    }
    let mut assumed = vec![assumption(&asked, !named.is_empty(), within)];
    assumed.extend(who_differs(&named, explanation.reachable, is_source));
    if unasked > 0 {
        let assumption =
            format!("leaves out {unasked} ranges that rules or routes name: they were not asked");
        assumed.push(Assumed { resource: "internet".to_owned(), assumption });
    }
    explanation.blockers.splice(0..0, partial);
    explanation.assumed.splice(0..0, assumed);
    Some(explanation)
}

/// Adds the ways of hosts that are asked by other gateways: where they pass the same ones they are the same.
fn add_ways(explanation: &mut Explanation, told: Explanation) {
    let passes = |steps: &[Step]| -> Vec<(String, String)> {
        // Of what is outside there is one for each host.
        let inside = steps.iter().filter(|step| step.component != "internet");
        inside.map(|step| (step.component.clone(), step.resource.clone())).collect()
    };
    let back =
        |explanation: &Explanation| explanation.back.as_ref().map_or_else(Vec::new, |leg| leg.steps.clone());
    let mut known = vec![(passes(&explanation.forward.steps), passes(&back(explanation)))];
    known.extend(explanation.other_ways.iter().map(|way| (passes(&way.forward), passes(&way.back))));
    let own = OtherWay { back: back(&told), forward: told.forward.steps };
    for way in std::iter::once(own).chain(told.other_ways) {
        let passed = (passes(&way.forward), passes(&way.back));
        if !known.contains(&passed) {
            known.push(passed);
            explanation.other_ways.push(way);
        }
    }
}

/// Says of those whom rules or routes name that they fare differently, if some do.
fn who_differs(named: &[(Host, Explanation)], reachable: Option<bool>, is_source: bool) -> Option<Assumed> {
    let different: Vec<&(Host, Explanation)> =
        named.iter().filter(|(_, explanation)| explanation.reachable != reachable).collect();
    let (host, explanation) = different.first()?;
    let word = if is_source { "from" } else { "to" };
    let what = match explanation.reachable {
        Some(true) => "it passes",
        Some(false) => "it does not pass",
        None => "the answer is unknown",
    };
    let more = match different.len() {
        1 => String::new(),
        count => format!(", and {} more such ranges fare differently", count - 1),
    };
    let assumption = format!(
        "leaves out who is named by a rule or route: {what} {word} {}{more}; ask about internet:ADDRESS",
        host.address
    );
    Some(Assumed { resource: "internet".to_owned(), assumption })
}

fn only_some(passing: IpAddr, dying: IpAddr, is_source: bool) -> Blocker {
    let (ends, word) = if is_source { ("sources", "from") } else { ("destinations", "to") };
    Blocker {
        code: ONLY_SOME_ADDRESSES.to_owned(),
        direction: "forward".to_owned(),
        resource: Some("internet".to_owned()),
        rule: None,
        groups: Vec::new(),
        message: format!(
            "only for some {ends}: it passes {word} {passing}, and not {word} {dying}; ask about internet:ADDRESS"
        ),
        partial: Vec::new(),
        by_choice: false,
        line: None,
        remedy: None,
    }
}

fn too_many(mut explanation: Explanation, count: usize) -> Explanation {
    explanation.reachable = None;
    explanation.blockers.clear();
    explanation.unmodelled.push(Unmodelled {
        resource: "internet".to_owned(),
        kind: "internet".to_owned(),
        reason: format!(
            "rules and routes tell {count} ranges of public addresses apart, and at most {MOST_RANGES} are asked one \
             by one; ask about internet:ADDRESS"
        ),
    });
    explanation
}

fn assumption(addresses: &[IpAddr], anybody_is_named: bool, within: Option<IpNet>) -> Assumed {
    let named: Vec<String> = addresses.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    let named = named.join(", ");
    let whom = match within {
        Some(block) => format!("every host of {block}"),
        None if anybody_is_named => "every public host that none names".to_owned(),
        None => "every public host".to_owned(),
    };
    let assumption = match addresses.len() {
        0 | 1 => format!("stands for {whom}: no rule or route on the way tells {named} from others"),
        count => {
            let more = if count > MOST_NAMED { ", …" } else { "" };
            format!(
                "stands for {whom}: one of each of the {count} ranges that rules and routes on the way tell apart was \
                 asked ({named}{more})"
            )
        }
    };
    let resource = within.map_or_else(|| "internet".to_owned(), |block| block.to_string());
    Assumed { resource, assumption }
}

impl Marks {
    fn of(fabric: &Fabric, met: &Met) -> Self {
        let mut next = 0;
        let mut tables = Vec::new();
        for &table in &met.route_tables {
            let all = &fabric.route_tables[table].routes;
            let routes: Vec<_> = all.iter().filter(|route| !route.overridden).collect();
            let does = |place: usize| {
                let route = routes[place];
                // One of those that prefix lists bring may be used instead (RT-19).
                let others = all.iter().filter(|other| {
                    let is_rival = other.overridden && other.destination == route.destination;
                    is_rival && route.prefix_list.is_some() && other.prefix_list.is_some()
                });
                let others: Vec<_> = others.map(|other| (other.target, other.state)).collect();
                (route.target, route.state, others)
            };
            tables.push(marked(routes.len(), &mut next, does, |place| Some(routes[place].destination)));
        }
        for &table in &met.transit_tables {
            let routes = &fabric.transit_tables[table].routes;
            let does = |place: usize| (&routes[place].attachments, &routes[place].equals);
            tables.push(marked(routes.len(), &mut next, does, |place| Some(routes[place].destination)));
        }
        let gateways = met.vpn_gateways.iter().map(|&gateway| &fabric.vpn_gateways[gateway].routes);
        let customers =
            met.customer_networks.iter().map(|&network| &fabric.customer_networks[network].routes);
        for routes in gateways.chain(customers).map(|table| &table.routes) {
            let does = |place: usize| (&routes[place].links, &routes[place].equals);
            tables.push(marked(routes.len(), &mut next, does, |place| Some(routes[place].destination)));
        }
        let mut filters = Vec::new();
        for &acl in &met.network_acls {
            for direction in [Direction::Inbound, Direction::Outbound] {
                let entries = fabric.network_acls[acl].entries.of(direction);
                // Entries are asked in order: no two do the same.
                filters.extend(marked(
                    entries.len(),
                    &mut next,
                    |place| place,
                    |place| Some(entries[place].cidr.net()),
                ));
            }
        }
        for &eni in &met.enis {
            for direction in [Direction::Inbound, Direction::Outbound] {
                let rules = &fabric.policy(eni, direction).rules;
                let block = |place: usize| match rules[place].peer {
                    Peer::Cidr(block) => Some(block.net()),
                    Peer::Group(_) | Peer::Nobody => None,
                };
                // A rule for everybody also decides about tracking (CT-03).
                let does =
                    |place: usize| (rules[place].traffic, block(place).map(|block| block.prefix_len() == 0));
                filters.extend(marked(rules.len(), &mut next, does, block));
            }
        }
        Self { tables, filters }
    }

    fn blocks(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.tables.iter().flatten().chain(&self.filters).map(|(block, _)| *block)
    }

    /// The blocks that name somebody.
    fn somebodys(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.blocks().filter(|block| block.prefix_len() > 0)
    }

    /// Addresses with equal marks fare alike.
    fn of_address(&self, address: IpAddr) -> Vec<usize> {
        let longest = self.tables.iter().filter_map(|routes| {
            let matching = routes.iter().filter(|(block, _)| block.contains(&address));
            matching.max_by_key(|(block, _)| block.prefix_len()).map(|(_, mark)| *mark)
        });
        let holding =
            self.filters.iter().filter(|(block, _)| block.contains(&address)).map(|(_, mark)| *mark);
        let marks: BTreeSet<usize> = longest.chain(holding).collect();
        marks.into_iter().collect()
    }
}

/// Marks blocks so that those which do the same have the same mark.
fn marked<T: PartialEq>(
    count: usize,
    next: &mut usize,
    does: impl Fn(usize) -> T,
    block: impl Fn(usize) -> Option<IpNet>,
) -> Vec<(IpNet, usize)> {
    let mut known: Vec<(T, usize)> = Vec::new();
    let mut marks = Vec::new();
    for place in 0..count {
        let Some(block) = block(place) else { continue };
        let effect = does(place);
        let mark = known.iter().find(|(known, _)| *known == effect).map(|(_, mark)| *mark);
        let mark = mark.unwrap_or_else(|| {
            *next += 1;
            known.push((effect, *next));
            *next
        });
        marks.push((block, mark));
    }
    marks
}

/// An address of each range of the internet that what was met tells apart, the usual one first where it is one of them.
/// `within` is the block that is asked about, in which nobody is left aside for being named.
fn ranges(fabric: &Fabric, topology: &Topology, met: &Met, ipv6: bool, within: Option<IpNet>) -> Vec<Host> {
    alike(fabric, topology, met, ipv6, within).into_iter().map(|(host, _)| host).collect()
}

/// From an address to before another one, or to the last of all.
type Stretch = (IpAddr, Option<IpAddr>);

/// The same, each with the addresses that it stands for.
fn alike(
    fabric: &Fabric,
    topology: &Topology,
    met: &Met,
    ipv6: bool,
    within: Option<IpNet>,
) -> Vec<(Host, Vec<Stretch>)> {
    let marks = Marks::of(fabric, met);
    // Asked first, wherever rules leave it alone.
    let usual = if ipv6 { IpAddr::V6(ANYBODY_V6) } else { IpAddr::V4(ANYBODY_V4) };
    let ours = fabric.vpcs.iter().flat_map(|(_, vpc)| vpc.cidr_blocks.iter().copied());
    let faces =
        fabric.enis.iter().flat_map(|(_, eni)| eni.public_addresses.iter().map(|(_, public)| *public));
    let elastic = topology.eips.values().map(|eip| eip.public_ip);
    let hosts = fabric
        .hosts
        .iter()
        .filter(|(_, host)| matches!(host.side, Side::Internet | Side::Service))
        .flat_map(|(_, host)| host.addresses.iter().copied());
    let single = faces.chain(elastic).map(IpAddr::V4).chain(hosts).chain([usual]).map(IpNet::from);
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
            && !in_a_vpc(fabric, address)
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

fn in_a_vpc(fabric: &Fabric, address: IpAddr) -> bool {
    fabric.vpcs.iter().any(|(_, vpc)| vpc.contains(address))
}
