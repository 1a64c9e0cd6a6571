//! What has been gathered so far?
//!
//! The readers put resources here, spelled as a topology document spells them, and say of each of the sources'
//! resources what became of it. A resource may be referred to, and changed, before or after it is put: edits and
//! references are settled by [`crate::finish`], when all sources were read. What always holds: maps are in the order of
//! names, lists in the order of the sources.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use serde_json::{Map, Value};

use crate::Problem;
use crate::ipv6::Ipv6Pool;
use crate::report::{Becomes, Report, ReportedResource};

/// Whose words are being read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    /// The source's name.
    pub source: String,
    /// The resource, as its owner calls it.
    pub address: String,
}

/// A resource of the document: its kind's key and its name.
pub(crate) type Key = (&'static str, String);

/// Kinds of which the model takes no doubt: what is not known of an address is not known of who has it, or of the internet
/// gateways where it may be anybody's; what is not known of a device elsewhere is not known of the links to it.
pub(crate) const WITHOUT_DOUBT: [&str; 2] = ["eips", "customer_gateways"];

/// A change to a resource that another one makes.
#[derive(Debug)]
pub(crate) struct Edit {
    pub target: Key,
    pub attribute: &'static str,
    pub change: Change,
    pub by: Address,
}

/// How an attribute changes.
#[derive(Debug)]
pub(crate) enum Change {
    /// It is this; another value before it is a contradiction.
    Set(Value),
    /// The list has this, too.
    Push(Value),
    /// It is this, whatever it was.
    Replace(Value),
    /// Something about it is not known, and this is why.
    Doubt(String),
    /// It is not known whether it is there at all, and this is why.
    Perhaps(String),
}

/// All that was gathered.
#[derive(Debug, Default)]
pub(crate) struct Estate {
    pub resources: BTreeMap<&'static str, BTreeMap<String, Map<String, Value>>>,
    /// Whose each resource is.
    pub origins: BTreeMap<Key, Address>,
    pub edits: Vec<Edit>,
    /// What is referred to, and by whom.
    pub wanted: BTreeMap<Key, BTreeSet<Address>>,
    /// What is to be made as it is not known, and why.
    pub stand_ins: BTreeMap<Key, String>,
    /// What is known of a resource that perhaps no source holds, for its stand-in.
    pub hints: BTreeMap<Key, Map<String, Value>>,
    /// Region and account of stand-ins for VPCs, where somebody says.
    pub homes: BTreeMap<String, (String, String)>,
    /// The default VPCs that somebody needs, by region and account.
    pub default_vpcs: BTreeSet<(String, String)>,
    /// The blocks of their subnets that sources state, by the names of these.
    pub default_blocks: BTreeMap<String, Ipv4Net>,
    /// The IPv6 blocks that are chosen here.
    pub ipv6: Ipv6Pool,
    pub report: Report,
    pub problems: Vec<Problem>,
}

impl Estate {
    /// Puts a resource. The same name twice in a kind is a problem: two sources hold it.
    pub(crate) fn put(
        &mut self,
        kind: &'static str,
        name: &str,
        attributes: Map<String, Value>,
        by: &Address,
    ) {
        let key = (kind, name.to_owned());
        if let Some(other) = self.origins.get(&key) {
            let problem = format!(
                "{} in {} has the same name; give each source a name of its own, as in `NAME=PATH`",
                other.address, other.source
            );
            return self.problem(by, problem);
        }
        self.origins.insert(key, by.clone());
        self.resources.entry(kind).or_default().insert(name.to_owned(), attributes);
    }

    /// Says that `by` refers to a resource, and returns the reference as it stands in the document.
    pub(crate) fn refer(&mut self, kind: &'static str, name: &str, by: &Address) -> Value {
        self.wanted.entry((kind, name.to_owned())).or_default().insert(by.clone());
        Value::String(name.to_owned())
    }

    /// Keeps what somebody knows of a resource that perhaps no source holds; who comes first is believed.
    pub(crate) fn hint(&mut self, kind: &'static str, name: &str, known: Map<String, Value>) {
        self.hints.entry((kind, name.to_owned())).or_insert(known);
    }

    /// Sets an attribute of a resource that is, or will be, put.
    pub(crate) fn set(
        &mut self,
        kind: &'static str,
        name: &str,
        attribute: &'static str,
        value: Value,
        by: &Address,
    ) {
        self.edit(kind, name, attribute, Change::Set(value), by);
    }

    /// Adds to a list of a resource that is, or will be, put.
    pub(crate) fn push(
        &mut self,
        kind: &'static str,
        name: &str,
        attribute: &'static str,
        value: Value,
        by: &Address,
    ) {
        self.edit(kind, name, attribute, Change::Push(value), by);
    }

    /// Says that something about a resource that is, or will be, put is not known.
    pub(crate) fn doubt(&mut self, kind: &'static str, name: &str, why: String, by: &Address) {
        self.edit(kind, name, "not_modelled", Change::Doubt(why), by);
    }

    /// Says that nobody knows whether a resource that is put is there at all.
    pub(crate) fn perhaps(&mut self, kind: &'static str, name: &str, why: String, by: &Address) {
        self.edit(kind, name, "not_modelled", Change::Perhaps(why), by);
    }

    /// The name of the default VPC of a region and an account, which is made where somebody needs it.
    pub(crate) fn default_vpc(&mut self, region: &str, account: &str) -> String {
        self.default_vpcs.insert((region.to_owned(), account.to_owned()));
        default_vpc_name(region, account)
    }

    /// The name of the default subnet of a zone, with the default VPC around it.
    pub(crate) fn default_subnet(&mut self, region: &str, account: &str, zone: char) -> String {
        format!("{}-{zone}", self.default_vpc(region, account))
    }

    pub(crate) fn problem(&mut self, by: &Address, problem: impl Into<String>) {
        let problem =
            Problem { source: by.source.clone(), address: by.address.clone(), problem: problem.into() };
        self.problems.push(problem);
    }

    /// Says what became of a resource of a source: exactly once for each.
    pub(crate) fn report(&mut self, resource: ReportedResource) {
        self.report.resources.push(resource);
    }

    fn edit(
        &mut self,
        kind: &'static str,
        name: &str,
        attribute: &'static str,
        change: Change,
        by: &Address,
    ) {
        self.refer(kind, name, by);
        self.edits.push(Edit { target: (kind, name.to_owned()), attribute, change, by: by.clone() });
    }
}

/// What the default VPC of a region and an account is called.
pub(crate) fn default_vpc_name(region: &str, account: &str) -> String {
    if account == crate::DEFAULT_ACCOUNT {
        format!("default-{region}")
    } else {
        format!("default-{region}-{account}")
    }
}

/// The resource in the report's words.
pub(crate) fn becomes(key: &Key) -> Becomes {
    Becomes { kind: key.0.to_owned(), name: key.1.clone() }
}
