//! What changes in connectivity from one topology to another?
//!
//! Both matrices, over the ends of either by name: what passes in the new one and did not in the old one, what does no
//! longer, and the rules that decided then and decide now; and what passes as it did, from another source or by other
//! gateways. What always holds: traffic of which either topology does not know whether it passes is never told as gained
//! or lost; that of which both do not is counted, and may change where something on its way has.

mod change;
mod meets;
mod reason;
mod who;
pub(crate) mod write;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use ipnet::IpNet;
use vpclab_api::{ChangeKind, ChangedPairs, ChangedReach, Diff, Level, RenamedEnd, Rerouted};
use vpclab_engine::Fabric;
use vpclab_model::Topology;

use self::change::{Change, changes, known_in_neither};
use self::meets::{Way, differing, is_local, is_one_world, moved, ways};
use self::reason::{Reason, Walks};
use self::who::{Class, Everybody, Who, pairs, somebody_else};
pub use self::write::{markdown, text};
use crate::analyse::fare::Cell;
use crate::analyse::matrix::{Ends, Matrix, each_address, matrix, walked};
use crate::analyse::rows::{Meets, groups};
use crate::analyse::traffic::Packets;
use crate::analyse::{assumed, everybody, senders, told};
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

/// The cells of a pair: of the old matrix and of the new one.
type Places = (Option<usize>, Option<usize>);

/// What is told of two classes.
type Told = (Vec<(Change, Reason)>, Vec<Moved>);

/// A pair that stands for all of two classes, and what may be told of it.
struct Job<'w> {
    from: usize,
    to: usize,
    ends: (&'w Who, &'w Who),
    count: usize,
    changes: Vec<Change>,
    /// Whether what passes in both may arrive otherwise.
    may_move: bool,
    /// Whether something on the way of what is known in neither may have changed.
    may_change: bool,
}

/// Packets that pass in both topologies and arrive otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Moved {
    blocks: Vec<IpNet>,
    then: Way,
    now: Way,
}

/// What changes between `old` and `new`.
pub fn diff(old: &Topology, new: &Topology) -> Diff {
    let is_one_world = is_one_world(old, new);
    let (old, new) = by_address(State::of(old), State::of(new));
    let Everybody { from, to, added, removed, renamed } = who::everybody(&old, &new);
    let mut counted = ChangedPairs::default();
    let jobs = jobs(&old, &new, &from, &to, is_one_world, &mut counted);
    let told = walked(&jobs, |job| told_of(&old, &new, job));
    let (mut changed, mut moved) = (HashMap::new(), HashMap::new());
    for (job, (changes, moves)) in jobs.iter().zip(told) {
        if !changes.is_empty() {
            *counter(&mut counted, kind_of_all(&changes)) += job.count;
            changed.insert((job.from, job.to), changes);
        }
        if !moves.is_empty() {
            counted.rerouted += job.count;
            moved.insert((job.from, job.to), moves);
        }
    }
    let mut rows: Vec<ChangedReach> = Vec::new();
    for (changes, from, to) in grouped(&from, &to, changed) {
        rows.extend(changes.iter().map(|(change, reason)| row(change, reason, &from, &to)));
    }
    rows.sort_by_key(|row: &ChangedReach| row.kind);
    let rerouted = grouped(&from, &to, moved)
        .into_iter()
        .flat_map(|(moves, from, to)| moves.iter().map(|moved| moved.row(&from, &to)).collect::<Vec<_>>())
        .collect();
    Diff {
        level: Level::Explain,
        pairs: counted,
        added,
        removed,
        renamed,
        changes: rows,
        rerouted,
        assumed: assumed(&new.fabric),
        unmodelled: told::unmodelled(old.matrix.cells.iter().chain(&new.matrix.cells)),
    }
}

/// Both, with each address apart of those who fare differently by address in either.
fn by_address<'o, 'n>(old: State<'o>, new: State<'n>) -> (State<'o>, State<'n>) {
    let apart = old.matrix.apart().chain(new.matrix.apart());
    let mut apart: BTreeSet<String> = apart.map(|end| end.name.clone()).collect();
    if apart.is_empty() {
        return (old, new);
    }
    for RenamedEnd { old, new, .. } in who::everybody(&old, &new).renamed {
        if apart.contains(&old) || apart.contains(&new) {
            apart.extend([old, new]);
        }
    }
    (old.by_address(&apart), new.by_address(&apart))
}

/// The pairs of classes of which something may be told; all pairs are counted.
fn jobs<'w>(
    old: &State<'_>,
    new: &State<'_>,
    from: &'w [Class],
    to: &'w [Class],
    is_one_world: bool,
    counted: &mut ChangedPairs,
) -> Vec<Job<'w>> {
    let nothing = Cell::default();
    let same = |classes: &[Class], side: Side| -> Vec<bool> {
        classes.iter().map(|class| is_one_world && is_same(old, new, class, side)).collect()
    };
    let (same_from, same_to) = (same(from, Side::From), same(to, Side::To));
    // Equal changes of cells are one; what decides may differ from pair to pair.
    let mut known: HashMap<Places, (Vec<Change>, bool)> = HashMap::new();
    let mut jobs = Vec::new();
    for (from_place, askers) in from.iter().enumerate() {
        for (to_place, asked) in to.iter().enumerate() {
            let Some(ends) = somebody_else(askers, asked) else { continue };
            let count = pairs(askers, asked);
            counted.all += count;
            let places =
                (old.place(askers.joint.old, asked.joint.old), new.place(askers.joint.new, asked.joint.new));
            let (changes, is_dark) = known.entry(places).or_insert_with(|| {
                let of = |state: &State<'_>, place: Option<usize>| match place {
                    Some(place) => state.matrix.cells[place].clone(),
                    None => nothing.clone(),
                };
                let (old, new) = (of(old, places.0), of(new, places.1));
                (changes(&old, &new), known_in_neither(&old, &new))
            });
            if *is_dark {
                counted.known_in_neither += count;
            }
            let may = !(same_from[from_place] && same_to[to_place]);
            let any = |is: fn(&Packets) -> bool, of: fn(&change::Changed) -> &Packets| {
                changes.iter().flat_map(|change| &change.families).any(|(_, changed)| is(of(changed)))
            };
            let may_change = may && any(|packets| !packets.is_empty(), |changed| &changed.unsure);
            let may_move = may
                && any(|packets| !packets.is_empty(), |changed| &changed.stays)
                && !(is_local_in(old, ends, false) && is_local_in(new, ends, true));
            if may_change || may_move || changes.iter().any(Change::tells) {
                jobs.push(Job {
                    from: from_place,
                    to: to_place,
                    ends,
                    count,
                    changes: changes.clone(),
                    may_move,
                    may_change,
                });
            }
        }
    }
    jobs
}

/// Whether nothing about the ends of a class has changed.
fn is_same(old: &State<'_>, new: &State<'_>, class: &Class, side: Side) -> bool {
    let face = |who: &Who, state: &State<'_>, is_new: bool| {
        who.of(state, side, is_new).map(|end| meets::face(state, end))
    };
    class.members.first().is_some_and(|who| {
        let then = face(who, old, false);
        then.is_some() && then == face(who, new, true)
    })
}

fn is_local_in(state: &State<'_>, (from, to): (&Who, &Who), is_new: bool) -> bool {
    let ends = from.of(state, Side::From, is_new).zip(to.of(state, Side::To, is_new));
    ends.is_some_and(|(from, to)| is_local(&state.fabric, from, to))
}

/// What changes between a pair, and by what.
fn told_of(old: &State<'_>, new: &State<'_>, job: &Job<'_>) -> Told {
    let (from, to) = job.ends;
    let ends = |state, is_new| from.of(state, Side::From, is_new).zip(to.of(state, Side::To, is_new));
    let (ends_then, ends_now) = (ends(old, false), ends(new, true));
    let (mut told, mut moves): Told = Told::default();
    // What a part about no addresses leaves to others.
    let others: Vec<IpNet> = job.changes.iter().flat_map(|change| change.blocks.iter().copied()).collect();
    for change in &job.changes {
        let (mut change, mut reason) = (change.clone(), Reason::default());
        for (ipv6, changed) in &mut change.families {
            if job.may_move && !changed.stays.is_empty() {
                let ways = |state, ends| ways(state, ends, *ipv6, &changed.stays);
                let both = ways(old, ends_then).zip(ways(new, ends_now));
                let moved =
                    both.map_or_else(Vec::new, |(then, now)| moved(&then, &now, &change.blocks, &others));
                let moved = moved.into_iter().map(|(blocks, then, now)| Moved { blocks, then, now });
                moves.extend(moved.filter(|moved| !moves.contains(moved)).collect::<Vec<_>>());
            }
            let is_unsure = job.may_change && !changed.unsure.is_empty();
            if !(changed.tells() || is_unsure) {
                continue;
            }
            let then = Walks::of(old, ends_then, *ipv6, &change.blocks);
            let now = Walks::of(new, ends_now, *ipv6, &change.blocks);
            reason.add(changed, &then, &now);
            if is_unsure {
                for (packets, then, now) in differing(&then.met(), &now.met(), &changed.unsure) {
                    reason.add_met(&then, &now);
                    changed.unknown = changed.unknown.or(&packets);
                }
            }
        }
        if change.tells() {
            told.push((change.told(), reason));
        }
    }
    (told, moves)
}

/// What is told of pairs of classes, those of whom the same is told together.
fn grouped<T: Hash + Eq + Clone>(
    from: &[Class],
    to: &[Class],
    told: HashMap<(usize, usize), T>,
) -> Vec<(T, Vec<String>, Vec<String>)> {
    let mut values: Vec<T> = Vec::new();
    let mut numbers: HashMap<T, usize> = HashMap::new();
    let mut table: HashMap<(usize, usize), usize> = HashMap::new();
    let mut told: Vec<_> = told.into_iter().collect();
    told.sort_by_key(|(place, _)| *place);
    for (place, value) in told {
        let number = *numbers.entry(value).or_insert_with_key(|value| {
            values.push(value.clone());
            values.len() - 1
        });
        table.insert(place, number);
    }
    let value = |asker: usize, asked: usize| match table.get(&(asker, asked)) {
        Some(number) => Meets::Value(*number),
        None if somebody_else(&from[asker], &to[asked]).is_none() => Meets::Himself,
        None => Meets::Value(usize::MAX),
    };
    let mut rows = Vec::new();
    for group in groups(from.len(), to.len(), value, |value| value != usize::MAX) {
        let asked = who::names(to, &group.to);
        for (value, askers) in group.rows {
            let askers = who::names(from, &askers);
            let (from, to) = (others_than(&asked, &askers), others_than(&askers, &asked));
            rows.push((values[value].clone(), from, to));
        }
    }
    rows
}

impl Moved {
    fn row(&self, from: &[String], to: &[String]) -> Rerouted {
        // What is as it was is not told.
        let changed = |then: &BTreeSet<String>, now: &BTreeSet<String>| {
            let told = |all: &BTreeSet<String>| all.iter().cloned().collect::<Vec<_>>();
            if then == now { (Vec::new(), Vec::new()) } else { (told(then), told(now)) }
        };
        let (at_before, at_after) = changed(&self.then.at, &self.now.at);
        let (seen_before, seen_after) = changed(&self.then.seen, &self.now.seen);
        let (by_before, by_after) = changed(&self.then.by, &self.now.by);
        Rerouted {
            from: from.to_vec(),
            to: to.to_vec(),
            addresses: self.blocks.iter().map(ToString::to_string).collect(),
            at_before,
            at_after,
            seen_before,
            seen_after,
            by_before,
            by_after,
        }
    }
}

impl<'t> State<'t> {
    fn of(topology: &'t Topology) -> Self {
        let fabric = Fabric::compile(topology, None);
        let names = Names { fabric: &fabric, topology };
        let (from, to) = (senders(names).members, everybody(names, Side::To).members);
        let ends = Ends { from, to, between_vpcs: false, ipv6: None };
        let matrix = matrix(&fabric, topology, ends);
        let rules = reason::rules(&fabric, topology);
        Self { topology, fabric, matrix, rules }
    }

    /// The same, with each address apart of those of these names who are asked.
    fn by_address(self, apart: &BTreeSet<String>) -> Self {
        let ends = each_address(&self.fabric, self.matrix.ends, |end| apart.contains(&end.name));
        Self { matrix: matrix(&self.fabric, self.topology, ends), ..self }
    }

    fn place(&self, from: Option<usize>, to: Option<usize>) -> Option<usize> {
        self.matrix.place(from?, to?)
    }

    pub(crate) fn ends(&self, side: Side) -> (&[NamedEnd], &[Vec<usize>]) {
        match side {
            Side::From => (&self.matrix.ends.from, &self.matrix.from),
            Side::To => (&self.matrix.ends.to, &self.matrix.to),
        }
    }
}

fn counter(pairs: &mut ChangedPairs, kind: ChangeKind) -> &mut usize {
    match kind {
        ChangeKind::Gained => &mut pairs.gained,
        ChangeKind::Lost => &mut pairs.lost,
        ChangeKind::Changed => &mut pairs.changed,
        ChangeKind::Unknown => &mut pairs.unknown,
    }
}

fn kind_of_all(changes: &[(Change, Reason)]) -> ChangeKind {
    let any = |is: fn(&Change) -> bool| changes.iter().any(|(change, _)| is(change));
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
        from: from.to_vec(),
        to: to.to_vec(),
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
