//! Who reaches whom, by which traffic?
//!
//! The whole matrix of ends, or a part of it: for each pair all protocols and ports that pass in full, request and reply,
//! out of the engine's own walks. What always holds: whatever depends on something that is not modelled is told apart and
//! never counted as passing. Which pairs are walked is said by `alike`, what becomes of one by `fare`, how rows are put
//! together by `rows`.

mod alike;
pub(crate) mod fare;
pub(crate) mod matrix;
pub(crate) mod phrase;
pub(crate) mod rows;
mod sets;
pub(crate) mod told;
pub(crate) mod traffic;
pub(crate) mod write;

use std::net::IpAddr;

pub use self::write::{csv, dot, markdown, table};
use vpclab_api::{AnalyseRequest, Analysis, AnalysisEnd, ApiError, Assumed, By, Level, Pairs};
use vpclab_engine::Fabric;
use vpclab_engine::explain::End;
use vpclab_model::{InterfaceType, Topology};

use self::fare::Cell;
use self::matrix::{Ends, Matrix, by_address};
use self::rows::{Meets, groups};
use crate::customers::Customers;
use crate::ends::{Names, Refusal, Side};
use crate::question::{EndKind, NamedEnd, invalid, is_pair, nobody_else};
use crate::{ends, sets as named_sets};

/// Says who of `request` reaches whom.
///
/// # Errors
///
/// What is wrong with the question, with EC2's code for it.
pub fn analyse(fabric: &Fabric, topology: &Topology, request: &AnalyseRequest) -> Result<Analysis, ApiError> {
    let names = Names { fabric, topology };
    let from = side(names, request.from.as_deref(), Side::From)?;
    let to = side(names, request.to.as_deref(), Side::To)?;
    let ipv6 = match request.family {
        None => None,
        Some(4) => Some(false),
        Some(6) => Some(true),
        Some(other) => return Err(invalid(format!("{other} is not an address family; give 4 or 6"))),
    };
    let between_vpcs = from.between_vpcs || to.between_vpcs;
    let is_named = request.from.is_some() || request.to.is_some();
    let mut pairs = from.members.iter().flat_map(|from| to.members.iter().map(move |to| (from, to)));
    if is_named && !pairs.any(|(from, to)| is_pair(fabric, from, to, between_vpcs)) {
        return Err(nobody_else(fabric, &from, &to));
    }
    let ends = Ends { from: from.members, to: to.members, between_vpcs, ipv6 };
    let matrix = by_address(fabric, topology, ends);
    Ok(match request.by {
        By::Instance => Analysis {
            reach: reach(&matrix),
            from: matrix.ends.from.iter().map(end).collect(),
            to: matrix.ends.to.iter().map(end).collect(),
            ..outline(fabric, request.by, &matrix)
        },
        by => {
            let told = sets::between(names, &matrix, by);
            Analysis { from: told.from, to: told.to, sets: told.reach, ..outline(fabric, by, &matrix) }
        }
    })
}

/// Those whom a text names, or else everybody.
fn side(names: Names<'_>, text: Option<&str>, side: Side) -> Result<ends::Ends, ApiError> {
    match text {
        Some(text) => names.find(text, side).map_err(|refusal| match refusal {
            Refusal::Said(error) => error,
            Refusal::Unknown => names.unknown(text),
        }),
        None if side == Side::From => Ok(senders(names)),
        None => Ok(everybody(names, side)),
    }
}

/// Every instance, whatever else has interfaces, every declared host, and the internet.
pub(crate) fn everybody(names: Names<'_>, side: Side) -> ends::Ends {
    // One without an interface neither sends nor receives, and is no mistake.
    let of_instances = names.topology.instances.keys().filter_map(|name| names.instance(name, side).ok());
    let mut members: Vec<NamedEnd> = of_instances.flat_map(|ends| ends.members).collect();
    members.extend(named_sets::interfaces(names, side, |_, eni| {
        eni.attachment.is_none() && eni.interface_type != InterfaceType::Interface
    }));
    let topology = names.topology;
    let internet = topology.internet_hosts.keys().map(|name| (name.as_str(), EndKind::InternetHost));
    let customers = topology.customer_hosts.keys().map(|name| (name.as_str(), EndKind::CustomerHost));
    let services = topology.services.keys().map(|name| (name.as_str(), EndKind::Service));
    for (name, kind) in internet.chain(customers).chain(services) {
        if let Some(host) = names.fabric.hosts.find(name) {
            members.push(NamedEnd::new(name, kind, End::Host(host)));
        }
    }
    let supposed = Customers::of(topology, names.fabric, &[]);
    members.extend(supposed.into_iter().flat_map(|customers| customers.ends(false)));
    members.push(NamedEnd::new("internet", EndKind::Internet, End::Internet));
    ends::Ends { members, set: None, between_vpcs: false }
}

/// Everybody who asks: instances by each of their interfaces, and by each further address that a public one stands for, as
/// by those they may have a way out that the first one has not.
pub(crate) fn senders(names: Names<'_>) -> ends::Ends {
    let fabric = names.fabric;
    let mut members = Vec::new();
    for end in everybody(names, Side::From).members {
        let End::Interface(first, None) = end.end else {
            members.push(end);
            continue;
        };
        let instance = fabric.enis[first].attachment.map(|(instance, _)| &fabric.instances[instance]);
        let others = instance.into_iter().flat_map(|instance| &instance.interfaces);
        let others = others.map(|(_, eni)| *eni).filter(|eni| *eni != first).map(|eni| {
            let name = fabric.enis[eni].name.as_str();
            NamedEnd::new(name, EndKind::NetworkInterface, End::Interface(eni, None))
        });
        let others: Vec<NamedEnd> = others.collect();
        for own in std::iter::once(end).chain(others) {
            let further = by_public_addresses(fabric, &own);
            members.push(own);
            members.extend(further);
        }
    }
    ends::Ends { members, set: None, between_vpcs: false }
}

/// Who sends under an address that a public one stands for, and that is not the first.
fn by_public_addresses(fabric: &Fabric, end: &NamedEnd) -> Vec<NamedEnd> {
    let End::Interface(eni, None) = end.end else { return Vec::new() };
    let interface = &fabric.enis[eni];
    let further = interface.public_addresses.iter().map(|(own, _)| IpAddr::V4(*own));
    let further = further.filter(|own| interface.primary_address(false) != Some(*own));
    let at = |own: IpAddr| {
        let name = format!("{}/{own}", end.name);
        NamedEnd { name, end: End::Interface(eni, Some(own)), ..end.clone() }
    };
    further.map(at).collect()
}

/// The answer without its rows.
fn outline(fabric: &Fabric, by: By, matrix: &Matrix) -> Analysis {
    let mut pairs = Pairs::default();
    for from in 0..matrix.from.len() {
        for to in 0..matrix.to.len() {
            let count = matrix.pairs(fabric, from, to);
            pairs.all += count;
            if let Some(cell) = matrix.cell(from, to) {
                pairs.pass += if cell.passes() { count } else { 0 };
                pairs.unknown += if cell.is_unsure() { count } else { 0 };
            }
        }
    }
    Analysis {
        level: Level::Explain,
        by,
        pairs,
        from: Vec::new(),
        to: Vec::new(),
        reach: Vec::new(),
        sets: Vec::new(),
        assumed: assumed(fabric),
        families: families(fabric, &matrix.ends),
        unmodelled: told::unmodelled(&matrix.cells),
    }
}

/// The address families that interfaces among the ends have, of those asked about.
fn families(fabric: &Fabric, ends: &Ends) -> Vec<u8> {
    let has = |end: &NamedEnd, ipv6: bool| match end.end {
        End::Interface(_, Some(address)) => address.is_ipv6() == ipv6,
        End::Interface(eni, None) => fabric.enis[eni].primary_address(ipv6).is_some(),
        _ => false,
    };
    let mut all = vec![false, true];
    all.retain(|ipv6| ends.ipv6.is_none_or(|asked| asked == *ipv6));
    all.retain(|ipv6| ends.from.iter().chain(&ends.to).any(|end| has(end, *ipv6)));
    all.into_iter().map(|ipv6| if ipv6 { 6 } else { 4 }).collect()
}

/// What is taken for granted of everybody.
pub(crate) fn assumed(fabric: &Fabric) -> Vec<Assumed> {
    let of = |resource: &str, assumption: &str| Assumed {
        resource: resource.to_owned(),
        assumption: assumption.to_owned(),
    };
    let mut assumed = vec![
        of("who asks", "sends from any of the ports 32768-60999, as Linux does"),
        of("who is asked", "listens on every port, answers, and has no firewall of its own"),
    ];
    let has_others = |eni: &vpclab_engine::Eni| {
        let of = |ipv6: bool| eni.addresses.iter().filter(move |own| own.is_ipv6() == ipv6).count();
        of(false) > 1 || of(true) > 1 || !eni.prefixes.is_empty()
    };
    if fabric.enis.iter().any(|(_, eni)| has_others(eni)) {
        let assumption = "sends under the first of its addresses in each family, or one that a public one stands for; \
                          ask explain about others";
        assumed.push(of("who asks", assumption));
    }
    if fabric.enis.iter().any(|(_, eni)| !eni.public_addresses.is_empty()) {
        assumed.push(of(
            "who is inside a VPC",
            "asks others inside by their private addresses; ask explain about a public one",
        ));
    }
    let sends_on = |(_, eni): (_, &vpclab_engine::Eni)| !eni.source_dest_check && eni.attachment.is_some();
    if fabric.enis.iter().any(sends_on) {
        let assumption =
            "do what their `forwards` says with packets for others, without a firewall of their own";
        assumed.push(of("instances without source/destination check", assumption));
    }
    assumed
}

pub(crate) fn end(end: &NamedEnd) -> AnalysisEnd {
    AnalysisEnd { name: end.name.clone(), kind: end.kind.word().to_owned(), members: None }
}

/// The rows of a matrix, group by group.
fn reach(matrix: &Matrix) -> Vec<vpclab_api::Reach> {
    let nothing = Cell::default();
    let value = |from: usize, to: usize| match matrix.place(from, to) {
        Some(place) => Meets::Value(place),
        None if is_himself(matrix, from, to) => Meets::Himself,
        None => Meets::Value(usize::MAX),
    };
    let of = |place: usize| matrix.cells.get(place).unwrap_or(&nothing);
    let told = groups(matrix.from.len(), matrix.to.len(), value, |place| !of(place).parts.is_empty());
    let mut rows = Vec::new();
    for group in told {
        let to = names(&matrix.ends.to, &matrix.to, &group.to);
        for (place, from) in &group.rows {
            let from = names(&matrix.ends.from, &matrix.from, from);
            rows.extend(told::reach(of(*place), &from, &to));
        }
    }
    rows
}

/// Whether two classes are one and the same end.
pub(crate) fn is_himself(matrix: &Matrix, from: usize, to: usize) -> bool {
    let one = |ends: &[NamedEnd], members: &[usize]| match members {
        [only] => Some(ends[*only].name.clone()),
        _ => None,
    };
    let asker = one(&matrix.ends.from, &matrix.from[from]);
    asker.is_some() && asker == one(&matrix.ends.to, &matrix.to[to])
}

/// The names of all members of these classes, in the order of the list of ends.
pub(crate) fn names(ends: &[NamedEnd], classes: &[Vec<usize>], meant: &[usize]) -> Vec<String> {
    let mut members: Vec<usize> = meant.iter().flat_map(|class| classes[*class].iter().copied()).collect();
    members.sort_unstable();
    members.into_iter().map(|member| ends[member].name.clone()).collect()
}
