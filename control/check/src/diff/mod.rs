//! What changes in connectivity from one topology to another?
//!
//! Both matrices, over the ends of either by name: what passes in the new one and did not in the old one, what does no
//! longer, and the rules that decided then and decide now. What always holds: traffic of which either topology does not
//! know whether it passes is never told as gained or lost, and that of which both do not is counted.

mod change;
mod reason;
pub(crate) mod write;

use std::collections::{BTreeMap, HashMap, HashSet};

use vpclab_api::{AnalysisEnd, ChangeKind, ChangedPairs, ChangedReach, Diff, Level};
use vpclab_engine::Fabric;
use vpclab_model::Topology;

use self::change::{Change, changes, known_in_neither};
use self::reason::{Reason, reason};
pub use self::write::{markdown, text};
use crate::analyse::fare::Cell;
use crate::analyse::matrix::{Ends, Matrix, matrix, walked};
use crate::analyse::rows::{Meets, groups};
use crate::analyse::{assumed, end, everybody, told};
use crate::ends::{Names, Side};
use crate::question::NamedEnd;

/// One of the two topologies with its matrix.
pub(crate) struct State<'t> {
    pub(crate) topology: &'t Topology,
    pub(crate) fabric: Fabric,
    pub(crate) matrix: Matrix,
    /// Every rule, entry and route, in words.
    pub(crate) rules: HashSet<String>,
}

/// An end of either topology: its class in each that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Joint {
    old: Option<usize>,
    new: Option<usize>,
}

/// The cells of a pair: of the old matrix and of the new one.
type Places = (Option<usize>, Option<usize>);

/// Ends whose classes are the same in both topologies.
struct Class {
    joint: Joint,
    names: Vec<String>,
}

/// What changes between `old` and `new`.
pub fn diff(old: &Topology, new: &Topology) -> Diff {
    let (old, new) = (State::of(old), State::of(new));
    let from = joined(&old, &new, Side::From);
    let to = joined(&old, &new, Side::To);
    let nothing = Cell::default();
    // Equal changes of cells are one; what decides may differ from pair to pair.
    let mut known: HashMap<Places, (Vec<Change>, bool)> = HashMap::new();
    let mut jobs: Vec<Job> = Vec::new();
    let mut pairs = ChangedPairs::default();
    for (from_place, askers) in from.iter().enumerate() {
        for (to_place, asked) in to.iter().enumerate() {
            let Some((one, other)) = somebody_else(askers, asked) else { continue };
            let count = askers.names.len() * asked.names.len() - in_both(&askers.names, &asked.names);
            pairs.all += count;
            let places =
                (old.place(askers.joint.old, asked.joint.old), new.place(askers.joint.new, asked.joint.new));
            let (changed, is_dark) = known.entry(places).or_insert_with(|| {
                let of = |state: &State<'_>, place: Option<usize>| match place {
                    Some(place) => state.matrix.cells[place].clone(),
                    None => nothing.clone(),
                };
                let (old, new) = (of(&old, places.0), of(&new, places.1));
                (changes(&old, &new), known_in_neither(&old, &new))
            });
            if *is_dark {
                pairs.known_in_neither += count;
            }
            if changed.is_empty() {
                continue;
            }
            *counter(&mut pairs, kind_of_all(changed)) += count;
            jobs.push(Job {
                from: from_place,
                to: to_place,
                ends: (one.clone(), other.clone()),
                changes: changed.clone(),
            });
        }
    }
    let reasons = walked(&jobs, |job| {
        let (one, other) = &job.ends;
        job.changes.iter().map(|change| reason(&old, &new, one, other, change)).collect::<Vec<_>>()
    });
    let mut values: Vec<(Vec<Change>, Vec<Reason>)> = Vec::new();
    let mut numbers: HashMap<(Vec<Change>, Vec<Reason>), usize> = HashMap::new();
    let mut table: HashMap<(usize, usize), usize> = HashMap::new();
    for (job, reasons) in jobs.into_iter().zip(reasons) {
        let value = (job.changes, reasons);
        let number = *numbers.entry(value).or_insert_with_key(|value| {
            values.push(value.clone());
            values.len() - 1
        });
        table.insert((job.from, job.to), number);
    }
    let value = |asker: usize, asked: usize| match table.get(&(asker, asked)) {
        Some(number) => Meets::Value(*number),
        None if somebody_else(&from[asker], &to[asked]).is_none() => Meets::Himself,
        None => Meets::Value(usize::MAX),
    };
    let told = groups(from.len(), to.len(), value, |value| value != usize::MAX);
    let mut rows = Vec::new();
    for group in told {
        let asked = names(&to, &group.to);
        for (value, askers) in group.rows {
            let askers = names(&from, &askers);
            let (changes, reasons) = &values[value];
            rows.extend(
                changes.iter().zip(reasons).map(|(change, reason)| row(change, reason, &askers, &asked)),
            );
        }
    }
    rows.sort_by_key(|row: &ChangedReach| row.kind);
    Diff {
        level: Level::Explain,
        pairs,
        added: only_in(&new, &old),
        removed: only_in(&old, &new),
        changes: rows,
        assumed: assumed(&new.fabric),
        unmodelled: told::unmodelled(old.matrix.cells.iter().chain(&new.matrix.cells)),
    }
}

/// A pair that stands for all of two classes, and what changes between them.
struct Job {
    from: usize,
    to: usize,
    ends: (String, String),
    changes: Vec<Change>,
}

impl<'t> State<'t> {
    fn of(topology: &'t Topology) -> Self {
        let fabric = Fabric::compile(topology, None);
        let names = Names { fabric: &fabric, topology };
        let (from, to) = (everybody(names, Side::From).members, everybody(names, Side::To).members);
        let ends = Ends { from, to, between_vpcs: false, ipv6: None };
        let matrix = matrix(&fabric, topology, ends);
        let rules = reason::rules(&fabric, topology);
        Self { topology, fabric, matrix, rules }
    }

    fn place(&self, from: Option<usize>, to: Option<usize>) -> Option<usize> {
        self.matrix.place(from?, to?)
    }

    /// The end of this name.
    pub(crate) fn end(&self, name: &str, side: Side) -> Option<&NamedEnd> {
        self.ends(side).0.iter().find(|end| end.name == name)
    }

    fn ends(&self, side: Side) -> (&[NamedEnd], &[Vec<usize>]) {
        match side {
            Side::From => (&self.matrix.ends.from, &self.matrix.from),
            Side::To => (&self.matrix.ends.to, &self.matrix.to),
        }
    }
}

/// The ends of one side of either topology, by their classes in both.
fn joined(old: &State<'_>, new: &State<'_>, side: Side) -> Vec<Class> {
    let mut joints: BTreeMap<&str, Joint> = BTreeMap::new();
    for (state, is_new) in [(old, false), (new, true)] {
        let (ends, classes) = state.ends(side);
        for (class, members) in classes.iter().enumerate() {
            for &member in members {
                let joint = joints.entry(&ends[member].name).or_insert(Joint { old: None, new: None });
                *(if is_new { &mut joint.new } else { &mut joint.old }) = Some(class);
            }
        }
    }
    let mut classes: BTreeMap<Joint, Vec<String>> = BTreeMap::new();
    for (name, joint) in joints {
        classes.entry(joint).or_default().push(name.to_owned());
    }
    let mut classes: Vec<Class> = classes.into_iter().map(|(joint, names)| Class { joint, names }).collect();
    classes.sort_by(|a, b| a.names.cmp(&b.names));
    classes
}

/// One of those and another one of these, if there are.
fn somebody_else<'c>(from: &'c Class, to: &'c Class) -> Option<(&'c String, &'c String)> {
    from.names.iter().take(2).find_map(|from| {
        let to = to.names.iter().take(2).find(|to| *to != from)?;
        Some((from, to))
    })
}

/// How many are in both; both are in order.
fn in_both(a: &[String], b: &[String]) -> usize {
    a.iter().filter(|name| b.binary_search(name).is_ok()).count()
}

fn names(classes: &[Class], meant: &[usize]) -> Vec<String> {
    let mut names: Vec<String> =
        meant.iter().flat_map(|class| classes[*class].names.iter().cloned()).collect();
    names.sort();
    names
}

fn only_in(state: &State<'_>, other: &State<'_>) -> Vec<AnalysisEnd> {
    let is_new = |one: &&NamedEnd| other.end(&one.name, Side::To).is_none();
    state.matrix.ends.to.iter().filter(is_new).map(end).collect()
}

fn counter(pairs: &mut ChangedPairs, kind: ChangeKind) -> &mut usize {
    match kind {
        ChangeKind::Gained => &mut pairs.gained,
        ChangeKind::Lost => &mut pairs.lost,
        ChangeKind::Changed => &mut pairs.changed,
        ChangeKind::Unknown => &mut pairs.unknown,
    }
}

fn kind_of_all(changes: &[Change]) -> ChangeKind {
    let any = |is: fn(&Change) -> bool| changes.iter().any(is);
    kind(any(|change| change.gains()), any(|change| change.loses()))
}

fn kind(gains: bool, loses: bool) -> ChangeKind {
    match (gains, loses) {
        (true, true) => ChangeKind::Changed,
        (true, false) => ChangeKind::Gained,
        (false, true) => ChangeKind::Lost,
        (false, false) => ChangeKind::Unknown,
    }
}

/// Those of `all` with whom somebody else makes a pair: nobody is asked whether he reaches himself.
fn others_than(other: &[String], all: &[String]) -> Vec<String> {
    match other {
        [only] if all.len() > 1 => all.iter().filter(|name| *name != only).cloned().collect(),
        _ => all.to_vec(),
    }
}

fn row(change: &Change, reason: &Reason, from: &[String], to: &[String]) -> ChangedReach {
    let mut row = ChangedReach {
        kind: kind(change.gains(), change.loses()),
        from: others_than(to, from),
        to: others_than(from, to),
        addresses: change.blocks.iter().map(ToString::to_string).collect(),
        gained: Vec::new(),
        lost: Vec::new(),
        unknown: Vec::new(),
        before: reason.before.clone(),
        after: reason.after.clone(),
    };
    for (ipv6, packets) in &change.families {
        row.gained.extend(told::traffic(&packets.gained, *ipv6));
        row.lost.extend(told::traffic(&packets.lost, *ipv6));
        row.unknown.extend(told::traffic(&packets.unknown, *ipv6));
    }
    row
}
