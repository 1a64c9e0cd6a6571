//! How does all traffic fare between everybody of one list and everybody of another?
//!
//! Ends that are alike are one class, one pair of each pair of classes is walked, and pairs that meet the same are walked
//! once. The walks are shared among the processors. What always holds: the answer of a pair is that of its own walk, as
//! the tests compare.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use vpclab_engine::Fabric;
use vpclab_engine::explain::End;
use vpclab_model::Topology;

use super::alike::{Alike, PairKey};
use super::fare::{Cell, cell};
use crate::addresses;
use crate::question::{NamedEnd, is_pair};

/// How many threads walk at most.
const MOST_THREADS: usize = 16;

/// Who is asked about.
pub(crate) struct Ends {
    pub(crate) from: Vec<NamedEnd>,
    pub(crate) to: Vec<NamedEnd>,
    /// Whether only what lies between VPCs is asked about.
    pub(crate) between_vpcs: bool,
    pub(crate) ipv6: Option<bool>,
}

/// Ends that fare alike, by their places in the list.
pub(crate) type Members = Vec<usize>;

/// The answers.
pub(crate) struct Matrix {
    pub(crate) ends: Ends,
    /// The classes of those who ask, in the order of their first members.
    pub(crate) from: Vec<Members>,
    /// The classes of those who are asked.
    pub(crate) to: Vec<Members>,
    /// The keys of both: classes with one key hold the same ends.
    keys: [Vec<usize>; 2],
    /// For each class of askers and each class of asked the place of its cell; none where there is nobody else to ask.
    grid: Vec<Option<usize>>,
    /// Each differs from all others.
    pub(crate) cells: Vec<Cell>,
}

impl Matrix {
    /// The place of the cell of two classes.
    pub(crate) fn place(&self, from: usize, to: usize) -> Option<usize> {
        self.grid[from * self.to.len() + to]
    }

    /// How the traffic between two classes fares; none where there is nobody else to ask.
    pub(crate) fn cell(&self, from: usize, to: usize) -> Option<&Cell> {
        Some(&self.cells[self.place(from, to)?])
    }

    /// Those who are asked and fare differently by address.
    pub(crate) fn apart(&self) -> impl Iterator<Item = &NamedEnd> {
        let is_apart = |to: &usize| {
            let mut cells = (0..self.from.len()).filter_map(|from| self.cell(from, *to));
            cells.any(|cell| cell.is_of_some)
        };
        (0..self.to.len()).filter(is_apart).flat_map(|class| &self.to[class]).map(|&end| &self.ends.to[end])
    }

    /// How many pairs of ends two classes have.
    pub(crate) fn pairs(&self, fabric: &Fabric, from: usize, to: usize) -> usize {
        let is_one_class = self.keys[0][from] == self.keys[1][to];
        let (from, to) = (&self.from[from], &self.to[to]);
        let all = from.len() * to.len();
        // Of ends that are alike only the very same one is nobody else.
        let own = match (from.len(), to.len()) {
            (1, 1) => usize::from(!self.ends.is_pair(fabric, from[0], to[0])),
            _ if !is_one_class => 0,
            _ => {
                let asked: HashSet<_> = to.iter().map(|&to| key(&self.ends.to[to])).collect();
                from.iter().filter(|&&from| asked.contains(&key(&self.ends.from[from]))).count()
            }
        };
        all - own
    }
}

impl Ends {
    /// Whether the two are somebody and somebody else.
    pub(crate) fn is_pair(&self, fabric: &Fabric, from: usize, to: usize) -> bool {
        is_pair(fabric, &self.from[from], &self.to[to], self.between_vpcs)
    }
}

/// What tells one end from another.
fn key(end: &NamedEnd) -> String {
    match end.end {
        End::Interface(eni, _) => format!("{eni:?}"),
        End::Host(host) => format!("{host:?}"),
        _ => end.name.clone(),
    }
}

/// Walks every pair that can differ from the others.
pub(crate) fn matrix(fabric: &Fabric, topology: &Topology, ends: Ends) -> Matrix {
    let mut alike = Alike::of(fabric);
    let (from_keys, from) = classes(&mut alike, &ends.from);
    let (to_keys, to) = classes(&mut alike, &ends.to);
    let mut jobs: Vec<(usize, usize)> = Vec::new();
    let mut known: HashMap<PairKey, usize> = HashMap::new();
    let mut grid = Vec::with_capacity(from.len() * to.len());
    for (askers, &from_key) in from.iter().zip(&from_keys) {
        for (asked, &to_key) in to.iter().zip(&to_keys) {
            let somebody_else = askers.iter().take(2).find_map(|&from| {
                let to = asked.iter().take(2).copied().find(|&to| ends.is_pair(fabric, from, to))?;
                Some((from, to))
            });
            grid.push(somebody_else.map(|pair| {
                *known.entry(alike.pair(from_key, to_key)).or_insert_with(|| {
                    jobs.push(pair);
                    jobs.len() - 1
                })
            }));
        }
    }
    let answers =
        walked(&jobs, |&(from, to)| cell(fabric, topology, &ends.from[from], &ends.to[to], ends.ipv6));
    // Equal answers are one.
    let mut cells = Vec::new();
    let mut places: HashMap<Cell, usize> = HashMap::new();
    let of_job: Vec<usize> = answers
        .into_iter()
        .map(|answer| {
            *places.entry(answer).or_insert_with_key(|answer| {
                cells.push(answer.clone());
                cells.len() - 1
            })
        })
        .collect();
    let grid = grid.into_iter().map(|job| job.map(|job| of_job[job])).collect();
    Matrix { ends, from, to, keys: [from_keys, to_keys], grid, cells }
}

/// The same, with each address of those apart who fare differently by address.
pub(crate) fn by_address(fabric: &Fabric, topology: &Topology, ends: Ends) -> Matrix {
    let whole = matrix(fabric, topology, ends);
    let apart: HashSet<String> = whole.apart().map(|end| end.name.clone()).collect();
    if apart.is_empty() {
        return whole;
    }
    matrix(fabric, topology, each_address(fabric, whole.ends, |end| apart.contains(&end.name)))
}

/// The same ends, with each address of those apart who are to be asked by address.
pub(crate) fn each_address(fabric: &Fabric, ends: Ends, is_apart: impl Fn(&NamedEnd) -> bool) -> Ends {
    let each = ends.to.into_iter().flat_map(|end| match end.end {
        End::Interface(eni, None) if is_apart(&end) => addresses::of_interface(fabric, eni)
            .into_iter()
            .map(|address| NamedEnd {
                name: format!("{}/{address}", end.name),
                end: End::Interface(eni, Some(address)),
                ..end.clone()
            })
            .collect(),
        _ => vec![end],
    });
    Ends { to: each.collect(), ..ends }
}

/// The classes that ends fall into, each with its key, in the order of their first members.
fn classes(alike: &mut Alike<'_>, ends: &[NamedEnd]) -> (Vec<usize>, Vec<Members>) {
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    let (mut keys, mut classes): (Vec<usize>, Vec<Members>) = (Vec::new(), Vec::new());
    for (index, end) in ends.iter().enumerate() {
        let key = alike.class(end);
        let place = *places.entry(key).or_insert_with(|| {
            keys.push(key);
            classes.push(Vec::new());
            classes.len() - 1
        });
        classes[place].push(index);
    }
    (keys, classes)
}

/// The answer to each job, by as many threads as there are processors.
pub(crate) fn walked<J: Sync, A: Send>(jobs: &[J], answer: impl Fn(&J) -> A + Sync) -> Vec<A> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(MOST_THREADS).min(jobs.len() / 32);
    if threads < 2 {
        return jobs.iter().map(answer).collect();
    }
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, A)>> = Mutex::new(Vec::with_capacity(jobs.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Vec::new();
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(place) else { break };
                    own.push((place, answer(job)));
                }
                done.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, answer)| answer).collect()
}
