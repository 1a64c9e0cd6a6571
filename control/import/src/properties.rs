//! Which attributes of a source's resource have been read, and which not yet?
//!
//! A cursor over one map of attributes. Each is taken by name; what nobody took when [`Properties::finish`] is called
//! becomes a note of an omission, so that nothing is dropped without a word. What an attribute means is left to the
//! mappings.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::{Note, NoteKind};
use crate::val::{Unknown, Val};

/// An attribute as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Given<T> {
    /// Not written, or null.
    Absent,
    Known(T),
    Unknown(Unknown),
}

/// The attributes of a resource, or of a map inside one.
#[derive(Debug)]
pub(crate) struct Properties<'a> {
    map: &'a BTreeMap<String, Val>,
    /// Where the map stands in the resource, as in `SecurityGroupIngress[2].`; empty for the resource's own.
    at: String,
    read: BTreeSet<&'a str>,
    /// What was noted so far.
    pub notes: Vec<Note>,
    /// What is wrong: attributes of the wrong shape.
    pub problems: Vec<String>,
}

impl<'a> Properties<'a> {
    pub(crate) fn new(map: &'a BTreeMap<String, Val>) -> Self {
        Self::inside(map, String::new())
    }

    /// A cursor over no attributes.
    pub(crate) fn nothing() -> Self {
        static NOTHING: BTreeMap<String, Val> = BTreeMap::new();
        Self::inside(&NOTHING, String::new())
    }

    fn inside(map: &'a BTreeMap<String, Val>, at: String) -> Self {
        Self { map, at, read: BTreeSet::new(), notes: Vec::new(), problems: Vec::new() }
    }

    /// Where `key` stands in the resource.
    pub(crate) fn place(&self, key: &str) -> String {
        format!("{}{key}", self.at)
    }

    /// The attribute as it is; nothing where it is not written or null.
    pub(crate) fn take(&mut self, key: &str) -> Option<&'a Val> {
        let (key, value) = self.map.get_key_value(key)?;
        self.read.insert(key);
        Some(value).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, key: &str) -> Given<String> {
        self.scalar(key, "a text", Val::text)
    }

    /// A whole number, also one that is written as a text.
    pub(crate) fn number(&mut self, key: &str) -> Given<i64> {
        self.scalar(key, "a whole number", |value| match value {
            // Terraform and `jq` write whole numbers with a fraction of zero at times.
            Val::Number(number) => number.as_i64().or_else(|| {
                let text = number.to_string();
                text.strip_suffix(".0").and_then(|whole| whole.parse().ok())
            }),
            Val::Text(text) => text.trim().parse().ok(),
            _ => None,
        })
    }

    /// A boolean, also one that is written as a text.
    pub(crate) fn boolean(&mut self, key: &str) -> Given<bool> {
        self.scalar(key, "true or false", |value| match value {
            Val::Bool(yes) => Some(*yes),
            Val::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Val::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        })
    }

    /// The items of a list; a single value stands for a list of one.
    pub(crate) fn list(&mut self, key: &str) -> Given<Vec<&'a Val>> {
        match self.take(key) {
            None => Given::Absent,
            Some(Val::Unknown(unknown)) => Given::Unknown(unknown.clone()),
            Some(Val::List(items)) => Given::Known(items.iter().filter(|item| !item.is_null()).collect()),
            Some(single) => Given::Known(vec![single]),
        }
    }

    /// The maps of a list, to be read and handed back to [`Properties::finish_inner`]; a single map stands for a list of one.
    pub(crate) fn maps(&mut self, key: &str) -> Given<Vec<Properties<'a>>> {
        let items = match self.list(key) {
            Given::Absent => return Given::Absent,
            Given::Unknown(unknown) => return Given::Unknown(unknown),
            Given::Known(items) => items,
        };
        let mut maps = Vec::new();
        for (position, item) in items.into_iter().enumerate() {
            let place = format!("{}[{position}]", self.place(key));
            match item {
                Val::Map(map) => maps.push(Properties::inside(map, format!("{place}."))),
                Val::Unknown(unknown) => return Given::Unknown(unknown.clone()),
                other => self.problems.push(format!("{place}: {other:?} is not a map of attributes")),
            }
        }
        Given::Known(maps)
    }

    /// Attributes that say nothing about packets.
    pub(crate) fn silent(&mut self, keys: &[&str]) {
        for key in keys {
            let _ = self.take(key);
        }
    }

    /// All that nobody read says nothing about packets.
    pub(crate) fn silence(&mut self) {
        self.read.extend(self.map.keys().map(String::as_str));
    }

    /// All that nobody read says nothing about packets, unless its name speaks of networks: of what stands for an end of
    /// the topology, nothing that might give it an address or a group is passed over.
    pub(crate) fn silence_others(&mut self) {
        let others = self.map.keys().map(String::as_str).filter(|key| !speaks_of_networks(key));
        self.read.extend(others);
    }

    /// The same of all but what has one of these words in its name, and is not off or none.
    pub(crate) fn silence_but(&mut self, words: &[&str]) {
        let is_off = |value: &Val| match value {
            Val::Bool(yes) => !yes,
            Val::Number(number) => number.as_i64() == Some(0),
            _ => false,
        };
        let tells = |key: &str| words.iter().any(|word| key.contains(word));
        let quiet = self.map.iter().filter(|(key, value)| !tells(key) || is_off(value));
        self.read.extend(quiet.map(|(key, _)| key.as_str()));
    }

    /// A map inside, to be read and handed back to [`Properties::finish_inner`].
    pub(crate) fn map(&mut self, key: &str) -> Given<Properties<'a>> {
        match self.take(key) {
            None => Given::Absent,
            Some(Val::Map(map)) => Given::Known(Properties::inside(map, format!("{}.", self.place(key)))),
            Some(Val::Unknown(unknown)) => Given::Unknown(unknown.clone()),
            Some(other) => {
                self.problems.push(format!("{}: {other:?} is not a map of attributes", self.place(key)));
                Given::Absent
            }
        }
    }

    /// Takes over what was noted inside, and what nobody read there.
    pub(crate) fn finish_inner(&mut self, inner: Properties<'a>) {
        let (notes, problems) = inner.finish();
        self.notes.extend(notes);
        self.problems.extend(problems);
    }

    /// The notes, with an omission for each attribute that nobody read, and what is wrong.
    pub(crate) fn finish(mut self) -> (Vec<Note>, Vec<String>) {
        for (key, value) in self.map {
            if !self.read.contains(key.as_str()) && !value.is_empty() {
                let place = self.place(key);
                self.notes.push(Note::new(NoteKind::Omitted, format!("{place} is not understood")));
            }
        }
        (self.notes, self.problems)
    }

    fn scalar<T>(&mut self, key: &str, what: &str, read: impl Fn(&Val) -> Option<T>) -> Given<T> {
        match self.take(key) {
            None => Given::Absent,
            Some(Val::Unknown(unknown)) => Given::Unknown(unknown.clone()),
            Some(value) => match read(value) {
                Some(value) => Given::Known(value),
                None => {
                    let place = self.place(key);
                    self.problems.push(format!("{place}: {value:?} is not {what}"));
                    Given::Absent
                }
            },
        }
    }
}

/// Whether a word of an attribute's name is one of networks.
fn speaks_of_networks(key: &str) -> bool {
    const WORDS: [&str; 18] = [
        "address",
        "addresses",
        "cidr",
        "egress",
        "eip",
        "eips",
        "eni",
        "gateway",
        "interface",
        "interfaces",
        "ip",
        "ipv4",
        "ipv6",
        "network",
        "public",
        "publicly",
        "subnet",
        "vpc",
    ];
    const PARTS: [&str; 2] = ["securitygroup", "subnetid"];
    let lower = key.to_ascii_lowercase();
    PARTS.iter().any(|part| lower.contains(part))
        || words(key).iter().any(|word| WORDS.contains(&word.as_str()))
}

/// The words of a name: `PubliclyAccessible`, `VPCOptions` and `subnet_ids` have two each.
fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let letters: Vec<char> = key.chars().collect();
    for (position, letter) in letters.iter().enumerate() {
        let before = position.checked_sub(1).and_then(|before| letters.get(before));
        let after = letters.get(position + 1);
        let begins = letter.is_ascii_uppercase()
            && (before.is_some_and(|before| !before.is_ascii_uppercase())
                || after.is_some_and(|after| after.is_ascii_lowercase()));
        if words.is_empty() || begins || *letter == '_' {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| *letter != '_') {
            word.push(letter.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_speak_of_networks_are_told_from_others() {
        for key in [
            "PubliclyAccessible",
            "VPCOptions",
            "ElasticIp",
            "IPAddress",
            "subnet_ids",
            "Ipv6Addresses",
            "NetworkType",
            "DBSecurityGroups",
            "AssignPublicIp",
        ] {
            assert!(speaks_of_networks(key), "{key}");
        }
        for key in [
            "Description",
            "Tags",
            "DeploymentConfiguration",
            "ZipFile",
            "SecurityConfiguration",
            "Script",
            "MultiAZ",
        ] {
            assert!(!speaks_of_networks(key), "{key}");
        }
    }
}
