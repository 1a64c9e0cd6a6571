//! How does the traffic between subnets, or between groups, fare?
//!
//! A subnet or a group stands for those who are in it; hosts outside stand for themselves. What always holds: `common` is
//! what passes between every pair, so that what is told of a set is true of each of its members.

use std::collections::{BTreeMap, BTreeSet};

use vpclab_api::{AnalysisEnd, By, Pairs, SetReach, SetVerdict};
use vpclab_engine::explain::End;

use super::fare::Cell;
use super::matrix::Matrix;
use super::traffic::Packets;
use super::{end, told};
use crate::ends::Names;
use crate::question::NamedEnd;

/// What passes between sets.
pub(crate) struct BetweenSets {
    pub(crate) from: Vec<AnalysisEnd>,
    pub(crate) to: Vec<AnalysisEnd>,
    pub(crate) reach: Vec<SetReach>,
}

/// One side's sets: each with the classes of its members.
struct Sets {
    ends: Vec<AnalysisEnd>,
    classes: Vec<Vec<usize>>,
}

pub(crate) fn between(names: Names<'_>, matrix: &Matrix, by: By) -> BetweenSets {
    let from = sets(names, &matrix.ends.from, &matrix.from, by);
    let to = sets(names, &matrix.ends.to, &matrix.to, by);
    let mut reach = Vec::new();
    for (asker, askers) in from.ends.iter().zip(&from.classes) {
        for (asked, all_asked) in to.ends.iter().zip(&to.classes) {
            let mut pairs = Pairs::default();
            let mut cells: BTreeSet<usize> = BTreeSet::new();
            for &from in askers {
                for &to in all_asked {
                    let Some(place) = matrix.place(from, to) else { continue };
                    let count = matrix.pairs(names.fabric, from, to);
                    let cell = &matrix.cells[place];
                    pairs.all += count;
                    pairs.pass += if cell.passes() { count } else { 0 };
                    pairs.unknown += if cell.is_unsure() { count } else { 0 };
                    cells.insert(place);
                }
            }
            if pairs.all == 0 {
                continue;
            }
            let says = match pairs {
                Pairs { all, pass, .. } if all == pass => SetVerdict::All,
                Pairs { pass: 1.., .. } => SetVerdict::Some,
                Pairs { unknown: 1.., .. } => SetVerdict::Unknown,
                _ => SetVerdict::None,
            };
            let cells: Vec<&Cell> = cells.into_iter().map(|place| &matrix.cells[place]).collect();
            let (mut common, mut any) = (Vec::new(), Vec::new());
            for ipv6 in [false, true] {
                let in_every = cells.iter().map(|cell| of_everybody(cell, ipv6)).reduce(|a, b| a.and(&b));
                common.extend(told::traffic(&in_every.unwrap_or_default(), ipv6));
                let parts = cells.iter().flat_map(|cell| &cell.parts).filter(|part| part.ipv6 == ipv6);
                let in_some = parts.fold(Packets::default(), |all, part| all.or(&part.fare.passes));
                any.extend(told::traffic(&in_some, ipv6));
            }
            let (from, to) = (asker.name.clone(), asked.name.clone());
            reach.push(SetReach { from, to, says, pairs, common, any });
        }
    }
    BetweenSets { from: from.ends, to: to.ends, reach }
}

/// What passes for every host of a cell's ends.
fn of_everybody(cell: &Cell, ipv6: bool) -> Packets {
    let mut parts = cell.parts.iter().filter(|part| part.ipv6 == ipv6);
    let rest = parts.clone().find(|part| part.blocks.is_empty());
    let rest = rest.map(|part| part.fare.passes.clone()).unwrap_or_default();
    parts.by_ref().fold(rest, |all, part| all.and(&part.fare.passes))
}

fn sets(names: Names<'_>, ends: &[NamedEnd], classes: &[Vec<usize>], by: By) -> Sets {
    // Hosts outside after the sets of those inside, as the list of ends has them.
    let mut places: BTreeMap<(bool, String), usize> = BTreeMap::new();
    let mut all = Sets { ends: Vec::new(), classes: Vec::new() };
    for (class, members) in classes.iter().enumerate() {
        let Some(first) = members.first().map(|&first| &ends[first]) else { continue };
        let of: Vec<AnalysisEnd> = match (first.end, by) {
            (End::Interface(eni, _), By::Subnet) => {
                let subnet = names.fabric.enis[eni].subnet;
                vec![set(names.fabric.subnets[subnet].name.as_str(), "subnet")]
            }
            (End::Interface(eni, _), By::Group) => {
                let groups = names.fabric.enis[eni].security_groups.iter();
                let groups: BTreeSet<&str> =
                    groups.map(|&group| names.fabric.security_groups[group].name.as_str()).collect();
                match groups.is_empty() {
                    true => vec![end(first)],
                    false => groups.into_iter().map(|name| set(name, "security_group")).collect(),
                }
            }
            _ => vec![end(first)],
        };
        for told in of {
            let key = (told.members.is_none(), told.name.clone());
            let place = *places.entry(key).or_insert_with(|| {
                all.ends.push(told);
                all.classes.push(Vec::new());
                all.ends.len() - 1
            });
            all.classes[place].push(class);
            if let Some(count) = &mut all.ends[place].members {
                *count += members.len();
            }
        }
    }
    let order: Vec<usize> = places.into_values().collect();
    let in_order = order.iter().map(|&place| (all.ends[place].clone(), all.classes[place].clone()));
    let (ends, classes) = in_order.unzip();
    Sets { ends, classes }
}

fn set(name: &str, kind: &str) -> AnalysisEnd {
    AnalysisEnd { name: name.to_owned(), kind: kind.to_owned(), members: Some(0) }
}
