//! What did the user write?
//!
//! A [`Document`] is JSON or YAML after syntax and before meaning: still the user's own keys, in the user's order. It
//! stands at the door; nothing behind it knows which of the two languages was used. What always holds: no map in it
//! had a key twice, at any level. Meaning, and every mistake about it, is left to [`crate::Topology::from_document`].

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A document as written, known to be well-formed.
///
/// An attribute that is null counts as not written. `$schema` and attributes that start with `x-` belong to the user
/// and are ignored, in the document itself and in every resource; a *resource* may well be called `x-ray`. A text with
/// nothing in it is no document: one that declares nothing is written `{}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Document(Value);

/// The language a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// JSON (RFC 8259).
    Json,
    /// YAML 1.2: `yes`, `no`, `on` and `off` are text; anchors and merge keys work.
    Yaml,
}

/// Why a document could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The file could not be read, or is not UTF-8.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// There is nothing in the text: it may be the rest of a file that was cut off, and what follows from a document that
    /// declares nothing is too much for that.
    #[error(
        "{}there is nothing in it; a document that declares nothing is written `{{}}`",
        path.as_ref().map_or_else(String::new, |p| format!("{}: ", p.display()))
    )]
    Empty {
        /// The file, when the text came from one.
        path: Option<PathBuf>,
    },
    /// The text is not well-formed, or a map has a key twice.
    #[error("{}{line}:{column}: {problem}", path.as_ref().map_or_else(String::new, |p| format!("{}:", p.display())))]
    Syntax {
        /// The file, when the text came from one.
        path: Option<PathBuf>,
        /// The line, from 1; 0 when it is not known.
        line: usize,
        /// The column, from 1; 0 when it is not known.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
}

impl Syntax {
    /// The language of a file: by its extension, else by its first character (a JSON document starts with `{`).
    pub fn of(path: &Path, text: &str) -> Self {
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("json") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            _ if without_bom(text).trim_start().starts_with('{') => Self::Json,
            _ => Self::Yaml,
        }
    }
}

impl Document {
    /// Reads `text`.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Syntax`] with line and column, also for a key that appears twice in one map and for a second
    /// document; [`DocumentError::Empty`] for no text, comments alone and null.
    pub fn parse(text: &str, syntax: Syntax) -> Result<Self, DocumentError> {
        let value = match syntax {
            // Nothing at all is no JSON, and deserves more than "unexpected end".
            Syntax::Json if without_bom(text).trim().is_empty() => Ok(Value::Null),
            Syntax::Json => parse_json(text),
            Syntax::Yaml => parse_yaml(text),
        }?;
        if value.is_null() { Err(DocumentError::Empty { path: None }) } else { Ok(Self(value)) }
    }

    /// Reads the file at `path`; its extension tells the language (see [`Syntax::of`]).
    ///
    /// # Errors
    ///
    /// Any [`DocumentError`], naming the file.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, DocumentError> {
        let file = path.as_ref();
        let text = std::fs::read_to_string(file)
            .map_err(|source| DocumentError::Read { path: file.into(), source })?;
        Self::parse(&text, Syntax::of(file, &text)).map_err(|error| error.in_file(file))
    }

    /// The document as a JSON value.
    pub fn as_value(&self) -> &Value {
        &self.0
    }

    /// The document as a JSON value, for editing.
    pub fn into_value(self) -> Value {
        self.0
    }
}

/// A value that is already known to be well-formed.
impl From<Value> for Document {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl DocumentError {
    fn in_file(self, file: &Path) -> Self {
        match self {
            Self::Syntax { line, column, problem, .. } => {
                Self::Syntax { path: Some(file.into()), line, column, problem }
            }
            Self::Empty { .. } => Self::Empty { path: Some(file.into()) },
            read @ Self::Read { .. } => read,
        }
    }
}

fn without_bom(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

fn parse_json(text: &str) -> Result<Value, DocumentError> {
    let mut deserializer = serde_json::Deserializer::from_str(without_bom(text));
    let value = Node.deserialize(&mut deserializer);
    value.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| {
        let mut problem = error.to_string();
        // serde_json appends the position to its sentence; the position has its own place here.
        if let Some(end) = problem.rfind(" at line ") {
            problem.truncate(end);
        }
        DocumentError::Syntax { path: None, line: error.line(), column: error.column(), problem }
    })
}

fn parse_yaml(text: &str) -> Result<Value, DocumentError> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        Node.deserialize(deserializer)
    })
    .map_err(|error| {
        let place = |of: fn(&serde_saphyr::Location) -> u64| {
            error.location().map_or(0, |location| usize::try_from(of(&location)).unwrap_or(usize::MAX))
        };
        let (line, column) = (place(serde_saphyr::Location::line), place(serde_saphyr::Location::column));
        DocumentError::Syntax { path: None, line, column, problem: sentence(&error) }
    })
}

/// The YAML reader's own words without the position it puts around them; ours where its advice is for programmers.
fn sentence(error: &serde_saphyr::Error) -> String {
    if let serde_saphyr::Error::MultipleDocuments { .. } = error.without_snippet() {
        return "a second document begins here, and a file holds one; join the two, or make two files"
            .to_owned();
    }
    let text = error.without_snippet().to_string();
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let first =
        first.split_once(": ").filter(|(head, _)| head.starts_with("line ")).map_or(first, |(_, rest)| rest);
    first.rfind(" at line ").map_or(first, |end| &first[..end]).to_owned()
}

/// Reads any node, and refuses a key that its map already has. `serde_json::Value` would keep the last one silently,
/// and a topology that lost half a security group that way would be a false green.
#[derive(Clone, Copy)]
struct Node;

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map, a list, a text, a number, true, false or null")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key `{key}` appears twice in one map")));
            }
            map.insert(key, entries.next_value_seed(self)?);
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn syntax_error(text: &str, syntax: Syntax) -> (usize, usize, String) {
        match Document::parse(text, syntax) {
            Err(DocumentError::Syntax { line, column, problem, .. }) => (line, column, problem),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn json_and_yaml_read_the_same() {
        let json = r#"{"vpcs": {"a": {"cidr_block": "10.0.0.0/16"}}, "n": [1, -1, true, null, "22"]}"#;
        let yaml = "vpcs:\n  a:\n    cidr_block: 10.0.0.0/16\nn: [1, -1, true, null, \"22\"]\n";
        assert_eq!(
            Document::parse(json, Syntax::Json).unwrap(),
            Document::parse(yaml, Syntax::Yaml).unwrap()
        );
    }

    #[test]
    fn a_text_with_nothing_in_it_is_no_document() {
        let yaml = ["", "\u{feff}", "# only a comment\n", "---\n", "---\n...\n", "null", "~\n"];
        let json = ["", "\u{feff}", " \n", "null"];
        let texts =
            yaml.map(|text| (text, Syntax::Yaml)).into_iter().chain(json.map(|text| (text, Syntax::Json)));
        for (text, syntax) in texts {
            let read = Document::parse(text, syntax);
            assert!(matches!(read, Err(DocumentError::Empty { path: None })), "{text:?}: {read:?}");
        }
        for syntax in [Syntax::Json, Syntax::Yaml] {
            assert_eq!(Document::parse("{}", syntax).unwrap().into_value(), json!({}));
        }
        let told = DocumentError::Empty { path: None }.in_file(Path::new("lab.yaml")).to_string();
        assert_eq!(
            told,
            "lab.yaml: there is nothing in it; a document that declares nothing is written `{}`"
        );
    }

    #[test]
    fn a_second_document_is_refused_where_it_begins() {
        for (text, line) in [("vpcs: {}\n---\nvpcs: {}\n", 3), ("a: 1\n---\n# nothing\n---\nb: 2\n", 2)] {
            let (found, _, problem) = syntax_error(text, Syntax::Yaml);
            assert_eq!(found, line, "{text}");
            assert_eq!(
                problem,
                "a second document begins here, and a file holds one; join the two, or make two files"
            );
        }
        let nothing_more = Document::parse("---\nvpcs: {}\n...\n", Syntax::Yaml).unwrap();
        assert_eq!(nothing_more.into_value(), json!({"vpcs": {}}));
    }

    #[test]
    fn a_repeated_key_is_refused_at_every_level_with_its_place() {
        let (line, column, problem) = syntax_error("{\n  \"vpcs\": {},\n  \"vpcs\": {}\n}", Syntax::Json);
        assert_eq!((line, column, problem.as_str()), (3, 8, "the key `vpcs` appears twice in one map"));
        let (line, _, problem) = syntax_error(r#"{"a": [{"b": {"c": 1, "c": 1}}]}"#, Syntax::Json);
        assert_eq!((line, problem.as_str()), (1, "the key `c` appears twice in one map"));
        let (line, column, problem) = syntax_error("vpcs:\n  a: {}\n  b: {}\n  a: {}\n", Syntax::Yaml);
        assert_eq!((line, column), (4, 3), "{problem}");
        assert!(problem.contains("duplicate") && problem.contains('a'), "{problem}");
    }

    #[test]
    fn a_syntax_error_names_line_and_column_once() {
        let (line, column, problem) = syntax_error("{\n  \"vpcs\": {,}\n}", Syntax::Json);
        assert_eq!((line, column), (2, 12));
        assert!(!problem.contains("line"), "{problem}");
        let (line, _, problem) = syntax_error("vpcs:\n  a: [1, 2\nb: 3\n", Syntax::Yaml);
        assert!(line >= 2 && !problem.is_empty() && !problem.contains("line"), "{line} {problem}");
        assert!(syntax_error("{} {}", Syntax::Json).2.contains("trailing"));
    }

    #[test]
    fn yaml_words_that_mean_a_boolean_elsewhere_are_text() {
        let document = Document::parse("a: no\non: yes\nb: off\nc: true\n", Syntax::Yaml).unwrap();
        assert_eq!(document.into_value(), json!({"a": "no", "on": "yes", "b": "off", "c": true}));
    }

    #[test]
    fn yaml_anchors_and_merge_keys_work() {
        let text = "x-base: &base {vpc: shop, tags: {a: b}}\nsubnets:\n  one: {<<: *base, cidr_block: 10.0.0.0/24}\n";
        let value = Document::parse(text, Syntax::Yaml).unwrap().into_value();
        assert_eq!(
            value["subnets"]["one"],
            json!({"vpc": "shop", "tags": {"a": "b"}, "cidr_block": "10.0.0.0/24"})
        );
    }

    #[test]
    fn the_extension_tells_the_language_and_else_the_first_character() {
        for (path, text, syntax) in [
            ("a.json", "a: 1", Syntax::Json),
            ("a.YAML", "{}", Syntax::Yaml),
            ("a.yml", "{}", Syntax::Yaml),
            ("a", "\n {}", Syntax::Json),
            ("a.conf", "vpcs: {}", Syntax::Yaml),
        ] {
            assert_eq!(Syntax::of(Path::new(path), text), syntax, "{path}");
        }
    }

    #[test]
    fn an_error_in_a_file_names_the_file() {
        let missing = Document::from_path("/nonexistent/lab.json").unwrap_err().to_string();
        assert!(missing.starts_with("/nonexistent/lab.json: "), "{missing}");
        let error =
            Document::parse("{", Syntax::Json).unwrap_err().in_file(Path::new("lab.json")).to_string();
        assert!(error.starts_with("lab.json:1:1: "), "{error}");
    }
}
