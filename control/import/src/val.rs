//! What does an attribute of a source's resource say, once all that can be evaluated was?
//!
//! The three readers end here: a [`Val`] is JSON, and in addition the name of a resource that the attribute refers to,
//! or the reason why nobody knows it yet. Mappings from attributes to the document read nothing else.

use std::collections::BTreeMap;

/// A value, or what is known instead of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Val {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Val>),
    Map(BTreeMap<String, Val>),
    /// A resource, by its name in the document.
    Name(Named),
    /// Nothing is known but why.
    Unknown(Unknown),
}

/// A resource that is referred to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    /// The type as the source has it, as in `AWS::EC2::Subnet` or `aws_subnet`.
    pub of_type: String,
    /// The name in the document.
    pub name: String,
}

/// Why a value is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// In words, as in "known only after apply" or "the parameter VpcId has no value".
    pub why: String,
    /// What it would be called, and how to give it; nothing where it is only not known yet.
    pub missing: Option<Missing>,
}

/// Something that nobody gave a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// What a stand-in is called, where a resource is meant.
    pub name: String,
    /// How to give it, as in "give --parameter VpcId=VALUE"; nothing where nobody can.
    pub remedy: Option<String>,
}

impl Val {
    pub(crate) fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown(Unknown { why: why.into(), missing: None })
    }

    /// Whether it says nothing at all: null, as an attribute that is not written.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a value that has one: texts, numbers, booleans, and names of resources as their ids would stand there.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            Self::Bool(yes) => Some(yes.to_string()),
            Self::Name(named) => Some(named.name.clone()),
            Self::Null | Self::List(_) | Self::Map(_) | Self::Unknown(_) => None,
        }
    }

    /// Whether nothing is in it: null, and the empty text, list and map.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(map) => map.is_empty(),
            Self::Bool(_) | Self::Number(_) | Self::Name(_) | Self::Unknown(_) => false,
        }
    }

    /// What a map has under a key; nothing where it is null.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(key).filter(|value| !value.is_null()),
            _ => None,
        }
    }

    /// The items of a list; none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The text under a key.
    pub(crate) fn text_of(&self, key: &str) -> Option<String> {
        self.get(key)?.text().filter(|text| !text.is_empty())
    }

    /// The items of the list under a key.
    pub(crate) fn items_of(&self, key: &str) -> &[Self] {
        self.get(key).map_or(&[], Self::items)
    }

    /// The first thing in it that is not known.
    pub(crate) fn first_unknown(&self) -> Option<&Unknown> {
        match self {
            Self::Unknown(unknown) => Some(unknown),
            Self::List(items) => items.iter().find_map(Self::first_unknown),
            Self::Map(map) => map.values().find_map(Self::first_unknown),
            _ => None,
        }
    }
}

/// JSON as it is.
impl From<serde_json::Value> for Val {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(yes) => Self::Bool(yes),
            serde_json::Value::Number(number) => Self::Number(number),
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(map) => {
                Self::Map(map.into_iter().map(|(key, value)| (key, Self::from(value))).collect())
            }
        }
    }
}
