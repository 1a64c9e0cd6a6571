//! How is it asked and answered who reaches whom?

use serde::{Deserialize, Serialize};

use crate::explain::{Assumed, Level, Partial, Unmodelled};

/// A question about many ends, as on the command line of `vpclab analyse`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalyseRequest {
    /// Who asks: an end or a set of them, as in explain; without it, everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Who is asked: an end or a set of them; without it, everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What a row is about.
    #[serde(default)]
    pub by: By,
    /// 4 or 6; without one, both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<u8>,
}

/// What a row of an analysis is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Hosts.
    #[default]
    Instance,
    /// The subnets that they are in.
    Subnet,
    /// The security groups that they are in.
    Group,
}

/// Who reaches whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// How it was obtained.
    pub level: Level,
    /// What a row is about.
    pub by: By,
    /// How many pairs of ends were asked about, and how they fare.
    pub pairs: Pairs,
    /// Who asks.
    pub from: Vec<AnalysisEnd>,
    /// Who is asked.
    pub to: Vec<AnalysisEnd>,
    /// What passes: each from every one of some ends to every one of others. A pair that is in none has nothing that
    /// passes. Empty where sets of ends were asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reach: Vec<Reach>,
    /// The same between sets of ends, each pair of sets once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<SetReach>,
    /// The address families, 4 and 6, that interfaces among the ends have, of those asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<u8>,
    /// What a wire cannot know.
    pub assumed: Vec<Assumed>,
    /// What some of it depends on and the engine does not model.
    pub unmodelled: Vec<Unmodelled>,
}

/// Counted pairs of ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairs {
    /// All.
    pub all: usize,
    /// Those with something that passes.
    pub pass: usize,
    /// Those of which it is not known of some traffic whether it passes.
    pub unknown: usize,
}

/// An end of an analysis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalysisEnd {
    /// Its name.
    pub name: String,
    /// What it is, as in explain; `subnet` or `security_group` where sets were asked about.
    pub kind: String,
    /// How many hosts it holds, where it is a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<usize>,
}

/// What passes from each of some ends to each of others, but to itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Who asks.
    pub from: Vec<String>,
    /// Who is asked.
    pub to: Vec<String>,
    /// The hosts of the internet that it is about; without it all, or all that no other row is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// What passes, request and reply.
    pub passes: Vec<Traffic>,
    /// What nothing denies, and what is not modelled may stop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Traffic>,
    /// What passes on some of the ways that gateways choose at random, and dies on others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sometimes: Vec<Traffic>,
    /// The names of what the unknown depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
}

/// What passes from one set of ends to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetReach {
    /// Who asks.
    pub from: String,
    /// Who is asked.
    pub to: String,
    /// How many of their pairs have something that passes.
    pub says: SetVerdict,
    /// The pairs, counted.
    pub pairs: Pairs,
    /// What passes between every pair.
    pub common: Vec<Traffic>,
    /// What passes between some pair at least.
    pub any: Vec<Traffic>,
}

/// How many pairs of two sets have something that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetVerdict {
    /// Each.
    All,
    /// Some.
    Some,
    /// None.
    None,
    /// None, as far as that is known.
    Unknown,
}

/// Packets of one family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// 4 or 6.
    pub family: u8,
    /// Which.
    #[serde(flatten)]
    pub packets: Partial,
}

/// What changes between two topologies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// How it was obtained.
    pub level: Level,
    /// Pairs of ends, counted.
    pub pairs: ChangedPairs,
    /// Ends that only the new topology has.
    pub added: Vec<AnalysisEnd>,
    /// Ends that only the old topology has.
    pub removed: Vec<AnalysisEnd>,
    /// Ends that both have, by other names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<RenamedEnd>,
    /// What changes, each from every one of some ends to every one of others.
    pub changes: Vec<ChangedReach>,
    /// What passes as it did, from another source or by other gateways.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rerouted: Vec<Rerouted>,
    /// What a wire cannot know.
    pub assumed: Vec<Assumed>,
    /// What some of it depends on and the engine does not model, in either topology.
    pub unmodelled: Vec<Unmodelled>,
}

impl Diff {
    /// Whether nothing changes, and nothing may.
    pub fn is_nothing(&self) -> bool {
        self.changes.is_empty() && self.rerouted.is_empty()
    }
}

/// An end that has another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenamedEnd {
    /// What it is.
    pub kind: String,
    /// What it was called.
    pub old: String,
    /// What it is called.
    pub new: String,
}

/// What passes in both topologies and arrives from another source, or goes by other gateways: from each of some ends to
/// each of others, but to itself. What is empty on both sides is as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rerouted {
    /// Who asks.
    pub from: Vec<String>,
    /// Who is asked.
    pub to: Vec<String>,
    /// The hosts of the internet that it is about; without it all, or all that no other row is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// The address at which the internet asked for whom is inside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_before: Vec<String>,
    /// The one at which it asks for him now: who knows the old one reaches somebody else, or nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_after: Vec<String>,
    /// The sources that receivers saw: several where a gateway chooses among its addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen_before: Vec<String>,
    /// Those that they see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen_after: Vec<String>,
    /// The gateways and guests that it passed, in order: several ways where gateways choose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_before: Vec<String>,
    /// Those that it passes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_after: Vec<String>,
}

/// Counted pairs of ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedPairs {
    /// All of either topology.
    pub all: usize,
    /// Those between which more passes, and nothing less.
    pub gained: usize,
    /// Those between which less passes, and nothing more.
    pub lost: usize,
    /// Those between which some passes that did not, and some does not that did.
    pub changed: usize,
    /// Those of which it is not known whether what passes has changed.
    pub unknown: usize,
    /// Those between which it is known of neither topology whether some of the traffic passes.
    #[serde(default)]
    pub known_in_neither: usize,
    /// Those between which something passes as it did, from another source or by other gateways.
    #[serde(default)]
    pub rerouted: usize,
}

/// What changes from each of some ends to each of others, but to itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedReach {
    /// Whether it is gained, lost, changed or not known.
    pub kind: ChangeKind,
    /// Who asks.
    pub from: Vec<String>,
    /// Who is asked.
    pub to: Vec<String>,
    /// The hosts of the internet that it is about; without it all, or all that no other row is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// What passes now and did not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gained: Vec<Traffic>,
    /// What passed and does no longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Traffic>,
    /// What may have been gained or lost: in one of the topologies it depends on what is not modelled, or on chance; or it
    /// does in both, and what it meets on its way is not the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Traffic>,
    /// What decided before, and decides no longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// What decides now, and did not before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

/// What a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// More passes.
    Gained,
    /// Less passes.
    Lost,
    /// Some more and some less passes.
    Changed,
    /// It is not known what passes.
    Unknown,
}
