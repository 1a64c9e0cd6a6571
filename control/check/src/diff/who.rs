//! Which end of the old topology is which of the new one?
//!
//! Ends are known by what they are and by name: an instance and a host of the internet may have one name. Where an end is
//! gone, and the only one that came of the same kind, subnet and groups stands in its place, it has another name and is the
//! same one. What always holds: two ends are one only if both matrices speak of both.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use vpclab_api::{AnalysisEnd, RenamedEnd};
use vpclab_engine::Fabric;
use vpclab_engine::explain::End;

use super::State;
use crate::analyse::end;
use crate::ends::Side;
use crate::question::{EndKind, NamedEnd};

/// What tells one end from another: the name, and whether it is inside a VPC or some kind of host.
type Key = (String, &'static str);

/// An end of either topology.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    /// How it is told: its name, with its kind where another has it, too.
    pub(crate) told: String,
    /// What interfaces of one instance have in common.
    host: String,
    /// Its places in the lists of ends of both topologies.
    old: Option<usize>,
    new: Option<usize>,
}

/// The class of an end in each topology that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Joint {
    pub(crate) old: Option<usize>,
    pub(crate) new: Option<usize>,
}

/// Ends whose classes are the same in both topologies.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) joint: Joint,
    pub(crate) members: Vec<Who>,
}

/// The ends of both topologies.
pub(crate) struct Everybody {
    pub(crate) from: Vec<Class>,
    pub(crate) to: Vec<Class>,
    pub(crate) added: Vec<AnalysisEnd>,
    pub(crate) removed: Vec<AnalysisEnd>,
    pub(crate) renamed: Vec<RenamedEnd>,
}

/// The kind of an end that is one address of somebody.
const ADDRESS: &str = "address of somebody";

/// Where an end stands, as far as a new name leaves it there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    kind: &'static str,
    subnet: String,
    groups: BTreeSet<String>,
    addresses: Vec<String>,
}

impl Who {
    /// The end in one of the topologies, if that has it.
    pub(crate) fn of<'s>(&self, state: &'s State<'_>, side: Side, is_new: bool) -> Option<&'s NamedEnd> {
        let place = if is_new { self.new } else { self.old };
        state.ends(side).0.get(place?)
    }
}

/// The ends of both topologies, those that are the same as one.
pub(crate) fn everybody(old: &State<'_>, new: &State<'_>) -> Everybody {
    let (then, now) = (by_key(old), by_key(new));
    let renamed = renamed(old, new, &then, &now);
    let clashes = clashes(old, new);
    let of = |side: Side| joined(old, new, side, &renamed, &clashes);
    let came: BTreeSet<&Key> = renamed.values().collect();
    let told = |end: &NamedEnd| AnalysisEnd { name: told(end, &clashes), ..crate::analyse::end(end) };
    let only = |state: &State<'_>, is_known: &dyn Fn(&Key) -> bool| -> Vec<AnalysisEnd> {
        let asked = state.ends(Side::To).0.iter();
        asked.filter(|end| !is_known(&key(end))).map(told).collect()
    };
    Everybody {
        from: of(Side::From),
        to: of(Side::To),
        added: only(new, &|key| then.contains_key(key) || came.contains(key)),
        removed: only(old, &|key| now.contains_key(key) || renamed.contains_key(key)),
        renamed: renamed
            .iter()
            .map(|(then, now)| RenamedEnd {
                kind: old_kind(old, then),
                old: then.0.clone(),
                new: now.0.clone(),
            })
            .collect(),
    }
}

/// One of those and another one of these, if there are.
pub(crate) fn somebody_else<'c>(from: &'c Class, to: &'c Class) -> Option<(&'c Who, &'c Who)> {
    from.members.iter().take(2).find_map(|from| {
        let to = to.members.iter().find(|to| to.host != from.host)?;
        Some((from, to))
    })
}

/// How many pairs of somebody and somebody else two classes have.
pub(crate) fn pairs(from: &Class, to: &Class) -> usize {
    let mut hosts: HashMap<&str, usize> = HashMap::new();
    for who in &to.members {
        *hosts.entry(&who.host).or_default() += 1;
    }
    let own: usize = from.members.iter().filter_map(|who| hosts.get(who.host.as_str())).sum();
    from.members.len() * to.members.len() - own
}

/// The members of these classes as they are told, in order.
pub(crate) fn names(classes: &[Class], meant: &[usize]) -> Vec<String> {
    let members = meant.iter().flat_map(|class| &classes[*class].members);
    let mut names: Vec<String> = members.map(|who| who.told.clone()).collect();
    names.sort();
    names
}

fn key(end: &NamedEnd) -> Key {
    let kind = match end.kind {
        // One that gets a second interface is asked at each, and the same one.
        EndKind::Instance | EndKind::NetworkInterface => "interface",
        kind => kind.word(),
    };
    (end.name.clone(), kind)
}

fn host(fabric: &Fabric, end: &NamedEnd) -> String {
    match end.end {
        End::Interface(eni, _) => match fabric.enis[eni].attachment {
            Some((instance, _)) => format!("instance {}", fabric.instances[instance].name),
            None => format!("interface {}", fabric.enis[eni].name),
        },
        End::Internet => "internet".to_owned(),
        End::Host(_) | End::Address(_) => format!("{} {}", end.kind.word(), end.name),
    }
}

fn told(end: &NamedEnd, clashes: &BTreeSet<String>) -> String {
    if clashes.contains(&end.name) { format!("{}:{}", end.kind.word(), end.name) } else { end.name.clone() }
}

/// Everybody on either side of a topology.
fn by_key<'s>(state: &'s State<'_>) -> BTreeMap<Key, &'s NamedEnd> {
    let sides = [Side::From, Side::To];
    sides.into_iter().flat_map(|side| state.ends(side).0).map(|end| (key(end), end)).collect()
}

fn old_kind(old: &State<'_>, wanted: &Key) -> String {
    let mut all = [Side::From, Side::To].into_iter().flat_map(|side| old.ends(side).0);
    all.find(|end| key(end) == *wanted).map(|found| end(found).kind).unwrap_or_default()
}

/// The names that several have.
fn clashes(old: &State<'_>, new: &State<'_>) -> BTreeSet<String> {
    let mut kinds: BTreeMap<String, &'static str> = BTreeMap::new();
    let mut clashes = BTreeSet::new();
    for (name, kind) in by_key(old).into_keys().chain(by_key(new).into_keys()) {
        if *kinds.entry(name.clone()).or_insert(kind) != kind {
            clashes.insert(name);
        }
    }
    clashes
}

/// Those that are gone, with what they are called now.
fn renamed(
    old: &State<'_>,
    new: &State<'_>,
    then: &BTreeMap<Key, &NamedEnd>,
    now: &BTreeMap<Key, &NamedEnd>,
) -> BTreeMap<Key, Key> {
    let only = |all: &BTreeMap<Key, &NamedEnd>, others: &BTreeMap<Key, &NamedEnd>, state: &State<'_>| {
        let only = all.iter().filter(|(key, _)| !others.contains_key(*key));
        only.filter_map(|(key, end)| Some((place(state, end)?, key.clone()))).collect::<Vec<_>>()
    };
    let (mut gone, mut came) = (only(then, now, old), only(now, then, new));
    let mut renamed = BTreeMap::new();
    // By the addresses first; else it has got others.
    for by_address in [true, false] {
        let of = |place: &Place| {
            let addresses = if by_address { place.addresses.clone() } else { Vec::new() };
            Place { addresses, ..place.clone() }
        };
        let count = |all: &[(Place, Key)]| {
            let mut places: BTreeMap<Place, Vec<Key>> = BTreeMap::new();
            for (place, key) in all {
                places.entry(of(place)).or_default().push(key.clone());
            }
            places
        };
        let there = count(&came);
        for (place, keys) in count(&gone) {
            // Neither a host nor an address is the same one if it has got another address.
            let is_host = place.subnet.is_empty() || place.kind == ADDRESS;
            if let ([then], Some([now])) = (keys.as_slice(), there.get(&place).map(Vec::as_slice))
                && (by_address || !is_host)
            {
                renamed.insert(then.clone(), now.clone());
            }
        }
        gone.retain(|(_, key)| !renamed.contains_key(key));
        came.retain(|(_, key)| !renamed.values().any(|taken| taken == key));
    }
    renamed
}

fn place(state: &State<'_>, end: &NamedEnd) -> Option<Place> {
    let fabric = &state.fabric;
    let kind = end.kind.word();
    match end.end {
        End::Interface(eni, own) => {
            let interface = &fabric.enis[eni];
            let addresses = own.map_or_else(|| interface.addresses.clone(), |own| vec![own]);
            let groups = interface.security_groups.iter();
            Some(Place {
                kind: if own.is_some() { ADDRESS } else { kind },
                subnet: fabric.subnets[interface.subnet].name.to_string(),
                groups: groups.map(|group| fabric.security_groups[*group].name.to_string()).collect(),
                addresses: addresses.iter().map(ToString::to_string).collect(),
            })
        }
        End::Host(host) => Some(Place {
            kind,
            subnet: String::new(),
            groups: BTreeSet::new(),
            addresses: fabric.hosts[host].addresses.iter().map(ToString::to_string).collect(),
        }),
        End::Internet | End::Address(_) => None,
    }
}

/// The ends of one side of either topology, by their classes in both.
fn joined(
    old: &State<'_>,
    new: &State<'_>,
    side: Side,
    renamed: &BTreeMap<Key, Key>,
    clashes: &BTreeSet<String>,
) -> Vec<Class> {
    let mut joints: BTreeMap<Key, (Joint, Who)> = BTreeMap::new();
    for (state, is_new) in [(old, false), (new, true)] {
        let (ends, classes) = state.ends(side);
        for (class, members) in classes.iter().enumerate() {
            for &member in members {
                let end = &ends[member];
                let own = key(end);
                let key = if is_new { own } else { renamed.get(&own).cloned().unwrap_or(own) };
                let (joint, who) = joints.entry(key).or_insert_with(|| {
                    let who = Who { told: String::new(), host: String::new(), old: None, new: None };
                    (Joint { old: None, new: None }, who)
                });
                (who.told, who.host) = (told(end, clashes), host(&state.fabric, end));
                let (class_of, place) =
                    if is_new { (&mut joint.new, &mut who.new) } else { (&mut joint.old, &mut who.old) };
                (*class_of, *place) = (Some(class), Some(member));
            }
        }
    }
    let mut classes: BTreeMap<Joint, Vec<Who>> = BTreeMap::new();
    for (joint, who) in joints.into_values() {
        classes.entry(joint).or_default().push(who);
    }
    let mut classes: Vec<Class> =
        classes.into_iter().map(|(joint, members)| Class { joint, members }).collect();
    classes.sort_by(|a, b| a.members.cmp(&b.members));
    classes
}
