//! What became of each resource of the sources?

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// What was read, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The sources, in the order they were given.
    pub sources: Vec<ReportedSource>,
    /// Every resource of every source, once, in the order of sources and addresses.
    pub resources: Vec<ReportedResource>,
    /// What was made that no source holds, such as a default VPC.
    pub made: Vec<Becomes>,
    /// How many resources there are of each fate.
    pub counts: BTreeMap<Fate, usize>,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedSource {
    /// Its name.
    pub name: String,
    /// The file or folder, as it was given.
    pub path: String,
    /// What it is written in.
    pub format: crate::Format,
    /// The region of what names none.
    pub region: String,
    /// The account of what names none.
    pub account: String,
    /// What was noted of the source as a whole, such as a transform.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// One resource of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedResource {
    /// The source's name.
    pub source: String,
    /// What its owner calls it: the logical id, the Terraform address, or the AWS id.
    pub address: String,
    /// Its type, as the source has it.
    #[serde(rename = "type")]
    pub of_type: String,
    /// What became of it.
    pub fate: Fate,
    /// What it became in the topology.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub becomes: Vec<Becomes>,
    /// What else is to be said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// What became of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// All that it says about packets is in the topology.
    Understood,
    /// In the topology, and its notes say what was assigned, approximated or omitted.
    Approximated,
    /// In the topology; what it does to packets is unknown, and so is every answer that depends on it.
    NotModelled,
    /// It changes no packet.
    NotNetwork,
    /// Its condition does not hold: it is not made.
    NotMade,
    /// It may change packets, and is not in the topology.
    LeftOut,
}

/// A resource of the topology.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Becomes {
    /// Its kind, as in `network_interfaces`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Something to be said of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What kind of thing.
    pub kind: NoteKind,
    /// In words.
    pub text: String,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// The source does not know it, and it was chosen: an address, a zone.
    Assigned,
    /// It is in the topology, though not quite as AWS would do it.
    Approximated,
    /// It is not known, and answers that depend on it are neither yes nor no.
    Unknown,
    /// It is not in the topology.
    Omitted,
}

impl Note {
    pub(crate) fn new(kind: NoteKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

impl Report {
    /// Whether something that may change packets is not in the topology: what `--strict` refuses.
    #[must_use]
    pub fn has_omissions(&self) -> bool {
        let of_sources = self.sources.iter().flat_map(|source| &source.notes);
        let of_resources = self.resources.iter().flat_map(|resource| &resource.notes);
        self.resources.iter().any(|resource| resource.fate == Fate::LeftOut)
            || of_sources.chain(of_resources).any(|note| note.kind == NoteKind::Omitted)
    }

    /// Counts what there is of each fate, once all is reported.
    pub(crate) fn count(&mut self) {
        self.counts = BTreeMap::new();
        for resource in &self.resources {
            *self.counts.entry(resource.fate).or_default() += 1;
        }
    }
}

impl Fate {
    /// In words, as a table shows it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Understood => "understood",
            Self::Approximated => "approximated",
            Self::NotModelled => "not modelled",
            Self::NotNetwork => "changes no packet",
            Self::NotMade => "not made",
            Self::LeftOut => "left out",
        }
    }
}

/// For people: a line of counts, then what was not simply understood, with the reasons.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for source in &self.sources {
            let resources = self.resources.iter().filter(|resource| resource.source == source.name);
            let mut counts = BTreeMap::<Fate, usize>::new();
            resources.for_each(|resource| *counts.entry(resource.fate).or_default() += 1);
            let counts: Vec<_> = counts.iter().map(|(fate, n)| format!("{n} {}", fate.words())).collect();
            let counts = if counts.is_empty() { "no resources".to_owned() } else { counts.join(", ") };
            writeln!(f, "{} ({}, {}): {counts}", source.name, source.format.words(), source.region)?;
            source.notes.iter().try_for_each(|note| writeln!(f, "  {}", note.text))?;
        }
        for fate in [Fate::LeftOut, Fate::NotModelled, Fate::Approximated] {
            let resources = self.resources.iter().filter(|resource| resource.fate == fate);
            for (position, resource) in resources.enumerate() {
                if position == 0 {
                    writeln!(f, "\n{}:", fate.words())?;
                }
                writeln!(f, "  {} {} ({})", resource.of_type, resource.address, resource.source)?;
                resource.notes.iter().try_for_each(|note| writeln!(f, "      {}", note.text))?;
            }
        }
        if !self.made.is_empty() {
            writeln!(f, "\nmade, as no source holds it:")?;
            self.made.iter().try_for_each(|made| writeln!(f, "  {} {}", made.kind, made.name))?;
        }
        Ok(())
    }
}
