//! How does a text carry a resource, or the lack of a value?
//!
//! Templates put references into texts and take them out again: subnets are joined with commas, handed to a nested
//! stack and split there. So a reference is evaluated to a [`Token`] inside the text, between characters that no
//! template has, and read back when the resource's attributes are complete.

/// The characters that mark tokens: begin, between parts, end. Of Unicode's private use area.
pub(super) const MARKS: [char; 3] = ['\u{e000}', '\u{e001}', '\u{e002}'];
const BEGIN: char = MARKS[0];
const BETWEEN: char = MARKS[1];
const END: char = MARKS[2];

/// What a text holds in place of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A resource, or an address that it has.
    Resource { of_type: String, name: String, address: Address },
    /// Something without a value.
    Missing { name: String, why: String, remedy: Option<String> },
}

/// What of a resource is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    /// The resource itself, by whatever id.
    None,
    /// Its public IPv4 address where it stands inside another text, else the resource.
    Public,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Token(Token),
}

impl Token {
    pub(super) fn resource(of_type: &str, name: &str) -> Self {
        Self::Resource { of_type: of_type.to_owned(), name: name.to_owned(), address: Address::None }
    }

    pub(super) fn missing(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Missing { name: name.into(), why: why.into(), remedy: None }
    }

    /// The token as a text.
    pub(super) fn encode(&self) -> String {
        let parts: [&str; 4] = match self {
            Self::Resource { of_type, name, address: Address::None } => ["r", of_type, name, ""],
            Self::Resource { of_type, name, address: Address::Public } => ["p", of_type, name, ""],
            Self::Missing { name, why, remedy } => ["m", name, why, remedy.as_deref().unwrap_or("")],
        };
        // A token holds no other.
        let parts = parts.map(plain);
        let mut text = String::from(BEGIN);
        text.push_str(&parts.join(&String::from(BETWEEN)));
        text.push(END);
        text
    }

    fn decode(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split(BETWEEN).collect();
        let [kind, first, second, third] = parts.as_slice() else { return None };
        Some(match *kind {
            "m" => Self::Missing {
                name: (*first).to_owned(),
                why: (*second).to_owned(),
                remedy: Some(*third).filter(|remedy| !remedy.is_empty()).map(str::to_owned),
            },
            kind => Self::Resource {
                of_type: (*first).to_owned(),
                name: (*second).to_owned(),
                address: if kind == "p" { Address::Public } else { Address::None },
            },
        })
    }

    /// The token that is all of `text`.
    pub(super) fn whole(text: &str) -> Option<Self> {
        match pieces(text.trim()).as_slice() {
            [Piece::Token(token)] => Some(token.clone()),
            _ => None,
        }
    }

    /// The first token in `text` for something that has no value.
    pub(super) fn first_missing(text: &str) -> Option<Self> {
        pieces(text).into_iter().find_map(|piece| match piece {
            Piece::Token(token @ Self::Missing { .. }) => Some(token),
            _ => None,
        })
    }
}

/// The pieces of a text, in order.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let (inside, after) = after.split_once(END).unwrap_or((after, ""));
        pieces.extend(Token::decode(inside).map(Piece::Token));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// The parts of a text between commas, or whatever separates them, with tokens left whole.
pub(super) fn split(text: &str, separator: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for piece in pieces(text) {
        match piece {
            Piece::Token(token) => {
                parts.iter_mut().last().into_iter().for_each(|part| *part += &token.encode());
            }
            Piece::Text(text) => {
                for (position, part) in text.split(separator).enumerate() {
                    if position > 0 {
                        parts.push(String::new());
                    }
                    parts.iter_mut().last().into_iter().for_each(|last| *last += part);
                }
            }
        }
    }
    parts
}

/// The text with names in place of tokens.
pub(super) fn plain(text: &str) -> String {
    let of = |piece| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Token(Token::Resource { name, .. } | Token::Missing { name, .. }) => name,
    };
    if text.contains(MARKS) { pieces(text).into_iter().map(of).collect() } else { text.to_owned() }
}
