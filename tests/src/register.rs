//! Is every documented behaviour accounted for?
//!
//! Reads `docs/spec/*.toml` and the `// proves:` lines of all tests, and says where the two disagree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The areas in the order of the report, with the number of facts each has.
const AREAS: [(&str, u32); 20] = [
    ("PIPE", 18),
    ("ADDR", 40),
    ("L2", 31),
    ("RT", 56),
    ("NACL", 30),
    ("SG", 30),
    ("CT", 27),
    ("IGW", 28),
    ("NAT", 47),
    ("PCX", 24),
    ("TGW", 58),
    ("EPG", 17),
    ("EPI", 21),
    ("VGW", 13),
    ("VPN", 16),
    ("DX", 8),
    ("MTU", 16),
    ("ERR", 43),
    ("QUOTA", 17),
    ("VEC", 25),
];

/// Areas of the behaviour sheet that have no file here yet, and its open questions: tests may cite them.
const ELSEWHERE: [&str; 16] = [
    "EPS", "GWLB", "CVPN", "LB", "DHCP", "DNS", "R53", "IMDS", "NTP", "FL", "RA", "NAA", "TM", "COST", "BPA",
    "OQ",
];

/// A documented behaviour.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// Its id, as in `NACL-07`.
    pub id: String,
    /// What it says, in our words.
    pub says: String,
    /// The page that documents it.
    pub url: Option<String>,
    /// What the sentence rests on.
    pub basis: Basis,
    /// How far it is emulated.
    pub status: Status,
    /// Why it is an exception, or what it waits for.
    pub why: Option<String>,
    /// The choice made where the documentation leaves one.
    pub choice: Option<String>,
}

/// What a fact rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// AWS's documentation.
    Documented,
    /// A third party's page.
    Page,
    /// Engineers' knowledge without a source.
    Unverified,
}

/// How far a fact is emulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A test cites it.
    Tested,
    /// It does not apply to an emulator, or cannot be observed here.
    Exception,
    /// It waits for something.
    Todo,
}

/// The register and the citations, as found.
#[derive(Debug)]
pub struct Register {
    facts: Vec<(PathBuf, Fact)>,
    /// Where each id is cited.
    citations: BTreeMap<String, Vec<String>>,
    behaviours: Vec<Behaviour>,
}

/// A behaviour that emulators often get wrong, as `docs/spec/README.md` lists them.
#[derive(Debug)]
struct Behaviour {
    number: u32,
    sentence: String,
    facts: Vec<String>,
}

/// One file of the register.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    fact: Vec<Fact>,
}

impl Register {
    /// Reads the register and the tests of the workspace at `root`.
    pub fn read(root: &Path) -> Self {
        let mut facts = Vec::new();
        for path in files(&root.join("docs/spec"), "toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let file: File =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            facts.extend(file.fact.into_iter().map(|fact| (path.clone(), fact)));
        }
        let mut citations: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for folder in ["tests/tests", "dataplane", "control"] {
            for path in files(&root.join(folder), "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for (number, line) in text.lines().enumerate() {
                    let Some(ids) = line.trim().strip_prefix("// proves:") else { continue };
                    for id in ids.split(',').map(str::trim) {
                        let place = format!("{}:{}", path.strip_prefix(root).unwrap().display(), number + 1);
                        citations.entry(id.to_owned()).or_default().push(place);
                    }
                }
            }
        }
        let readme = std::fs::read_to_string(root.join("docs/spec/README.md")).unwrap();
        Self { facts, citations, behaviours: readme.lines().filter_map(Behaviour::of_row).collect() }
    }

    /// Everything that is wrong, one sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut known = BTreeSet::new();
        for (path, fact) in &self.facts {
            let area = fact.id.split('-').next().unwrap_or_default();
            let file = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if !expected().any(|id| id == fact.id) {
                problems.push(format!("{} is no id of the behaviour sheet", fact.id));
            } else if area.to_lowercase() != file {
                problems.push(format!("{} is in {}", fact.id, path.display()));
            }
            if !known.insert(fact.id.as_str()) {
                problems.push(format!("{} is there twice", fact.id));
            }
            if fact.status != Status::Tested && fact.why.is_none() {
                problems.push(format!("{} is not tested and does not say why", fact.id));
            }
            if fact.basis == Basis::Documented && fact.url.is_none() {
                problems.push(format!("{} is documented and has no url", fact.id));
            }
            let cited = self.citations.contains_key(&fact.id);
            if fact.status == Status::Tested && !cited {
                problems.push(format!("{} says it is tested, and no test cites it", fact.id));
            }
            if fact.status != Status::Tested && cited {
                problems.push(format!("{} is cited by a test and does not say it is tested", fact.id));
            }
        }
        problems.extend(
            expected().filter(|id| !known.contains(id.as_str())).map(|id| format!("{id} is missing")),
        );
        for behaviour in &self.behaviours {
            for id in behaviour.facts.iter().filter(|id| !known.contains(id.as_str())) {
                problems.push(format!("behaviour {} rests on {id}, which is not there", behaviour.number));
            }
        }
        for (id, places) in &self.citations {
            let elsewhere = ELSEWHERE.contains(&id.split('-').next().unwrap_or_default());
            if !known.contains(id.as_str()) && !elsewhere {
                problems.push(format!("{} cites {id}, which the register does not have", places.join(", ")));
            }
        }
        problems
    }

    /// The behaviours that emulators often get wrong, with the tests that prove them.
    pub fn behaviours(&self) -> String {
        let mut text = String::new();
        for Behaviour { number, sentence, facts } in &self.behaviours {
            text += &format!("{number}. {sentence}\n");
            for id in facts {
                let tests =
                    self.citations.get(id).map_or_else(|| self.status(id), |places| places.join(", "));
                text += &format!("   {id}: {tests}\n");
            }
        }
        text
    }

    /// Of these behaviours, how many rest on facts that are all tested or exceptions, and what the others wait for.
    pub fn unproven_behaviours(&self) -> String {
        let waits =
            |id: &&String| self.facts.iter().any(|(_, fact)| fact.id == **id && fact.status == Status::Todo);
        let mut open = Vec::new();
        for Behaviour { number, sentence, facts } in &self.behaviours {
            let todo: Vec<&str> = facts.iter().filter(waits).map(String::as_str).collect();
            if !todo.is_empty() {
                open.push(format!("{number}. {sentence}: {}\n", todo.join(", ")));
            }
        }
        let proven = self.behaviours.len() - open.len();
        format!("{proven} of {} behaviours proven\n{}", self.behaviours.len(), open.concat())
    }

    fn status(&self, id: &str) -> String {
        let fact = self.facts.iter().find(|(_, fact)| fact.id == id);
        fact.map_or_else(String::new, |(_, fact)| {
            format!("{:?}: {}", fact.status, fact.why.as_deref().unwrap_or_default())
        })
    }

    /// The counts by area and status, as a table.
    pub fn counts(&self) -> String {
        let mut table = format!("{:<6} {:>6} {:>9} {:>5}\n", "area", "tested", "exception", "todo");
        let count = |area: Option<&str>, status| {
            let in_area = |id: &str| area.is_none_or(|area| id.split('-').next() == Some(area));
            self.facts.iter().filter(|(_, fact)| fact.status == status && in_area(&fact.id)).count()
        };
        for area in AREAS.iter().map(|(area, _)| Some(*area)).chain([None]) {
            let [tested, exception, todo] =
                [Status::Tested, Status::Exception, Status::Todo].map(|status| count(area, status));
            table += &format!("{:<6} {tested:>6} {exception:>9} {todo:>5}\n", area.unwrap_or("all"));
        }
        table
    }
}

impl Behaviour {
    /// `| 7 | what it says | SG-01, CT-02 |`
    fn of_row(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let [number, sentence, facts] = cells.as_slice() else { return None };
        Some(Self {
            number: number.parse().ok()?,
            sentence: (*sentence).to_owned(),
            facts: facts.split(',').map(|id| id.trim().to_owned()).collect(),
        })
    }
}

/// The ids that the behaviour sheet gives to these areas.
fn expected() -> impl Iterator<Item = String> {
    AREAS.into_iter().flat_map(|(area, last)| (1..=last).map(move |number| format!("{area}-{number:02}")))
}

/// The files below `folder` with this extension, in order.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}
