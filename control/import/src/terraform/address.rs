//! Which parts has an address of Terraform's, and a reference in its configuration?

use std::fmt;

/// Which instance of a resource or a module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Index {
    /// With `count`.
    Number(usize),
    /// With `for_each`.
    Key(String),
}

/// A name with an index: one part of an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub name: String,
    pub index: Option<Index>,
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Key(key) => write!(f, "{key:?}"),
        }
    }
}

/// The parts of an address or a reference: `aws_subnet.private[0].id` has three.
pub(super) fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after;
        let mut index = None;
        while let Some(inside) = rest.strip_prefix('[') {
            let (found, after) = bracket(inside);
            index = index.or(found);
            rest = after;
        }
        if !name.is_empty() || index.is_some() {
            steps.push(Step { name: name.to_owned(), index });
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    steps
}

/// What stands in brackets, and what after them.
fn bracket(inside: &str) -> (Option<Index>, &str) {
    if let Some(quoted) = inside.strip_prefix('"') {
        let mut key = String::new();
        let mut letters = quoted.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => key.extend(letters.next().map(|(_, letter)| letter)),
                '"' => {
                    let after = quoted.get(at + 1..).unwrap_or_default();
                    return (Some(Index::Key(key)), after.strip_prefix(']').unwrap_or(after));
                }
                letter => key.push(letter),
            }
        }
        return (Some(Index::Key(key)), "");
    }
    let (text, after) = inside.split_once(']').unwrap_or((inside, ""));
    (text.parse().ok().map(Index::Number), after)
}

/// The modules that an address of a module leads through: `module.a[0].module.b` has two.
pub(super) fn modules(address: &str) -> Vec<Step> {
    steps(address).into_iter().filter(|step| step.name != "module").collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_falls_into_its_parts() {
        let of = |text: &str| -> Vec<(String, Option<Index>)> {
            steps(text).into_iter().map(|step| (step.name, step.index)).collect()
        };
        let plain = |name: &str| (name.to_owned(), None);
        let number = |name: &str, at| (name.to_owned(), Some(Index::Number(at)));
        let key = |name: &str, key: &str| (name.to_owned(), Some(Index::Key(key.to_owned())));
        for (text, expected) in [
            ("aws_vpc.main.id", vec![plain("aws_vpc"), plain("main"), plain("id")]),
            ("aws_subnet.private[2].id", vec![plain("aws_subnet"), number("private", 2), plain("id")]),
            ("module.a[\"x.y\"].out", vec![plain("module"), key("a", "x.y"), plain("out")]),
            ("module.a[\"a]\\\"b\"]", vec![plain("module"), key("a", "a]\"b")]),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        assert_eq!(modules("module.a[0].module.b").len(), 2);
    }
}
