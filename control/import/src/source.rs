//! What is given to be imported?
//!
//! A source is a file or a folder, with a name, a region and an account. Here it is found, read and recognised; then
//! the reader of its format takes over. Nothing behind this looks at the file system, but for the templates of nested
//! stacks, which lie beside the template that names them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

use crate::estate::Estate;
use crate::report::ReportedSource;
use crate::{DEFAULT_ACCOUNT, Options};

/// The region of what names none.
pub(crate) const DEFAULT_REGION: &str = "us-east-1";

/// What a source is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A CloudFormation template, YAML or JSON.
    CloudFormation,
    /// What `terraform show -json` prints of a plan or a state.
    Terraform,
    /// What `aws ec2 describe-*` prints: a file for each, or one for all.
    Describe,
}

/// One thing to import: `[NAME=]PATH[@REGION[/ACCOUNT]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it is called; the file's stem where nobody says.
    pub name: String,
    /// The file or folder.
    pub path: PathBuf,
    /// The region of what names none.
    pub region: Option<String>,
    /// The account of what names none.
    pub account: Option<String>,
}

/// What a file or a folder holds, as far as its text tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognised {
    /// A CloudFormation template.
    Template,
    /// A Terraform plan: what there is, and what there is to be.
    Plan,
    /// A Terraform state: what there is.
    State,
    /// What `aws ec2 describe-*` prints.
    Dump,
    /// Nothing that is imported: a topology, perhaps.
    Other,
}

/// Why a text names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no source: {problem}; write [NAME=]PATH[@REGION[/ACCOUNT]], as in net.yaml or prod=net.yaml@eu-west-1/123456789012"
)]
pub struct InvalidSource {
    text: String,
    problem: String,
}

/// Why a source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file system says no, or the text is not UTF-8.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: std::io::Error,
    },
    /// It is neither JSON nor YAML.
    #[error("{}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        problem: String,
    },
    /// It is nothing that can be imported.
    #[error("{}: {problem}", path.display())]
    Unrecognised {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        problem: String,
    },
    /// Two sources have one name.
    #[error("{} and {} are both called {name}; name one of them, as in `other={}`", first.display(), second.display(), second.display())]
    SameName {
        /// The name.
        name: String,
        /// One of them.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
}

/// A source that was read.
#[derive(Debug)]
pub(crate) struct Read {
    pub name: String,
    pub path: PathBuf,
    pub region: String,
    pub account: String,
    pub format: Format,
    /// The files by name: one, but for a folder.
    pub files: BTreeMap<PathBuf, String>,
    /// What stands before the names of its resources, where several sources could use the same.
    pub prefix: String,
}

impl Format {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::CloudFormation => "CloudFormation",
            Self::Terraform => "Terraform",
            Self::Describe => "aws ec2 describe",
        }
    }
}

impl FromStr for Source {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let invalid = |problem: &str| InvalidSource { text: text.to_owned(), problem: problem.to_owned() };
        // What is a file as it stands is that file, whatever characters it has.
        let (name, rest) = match text.split_once('=') {
            Some((name, rest)) if !Path::new(text).exists() && !name.contains('/') => (Some(name), rest),
            _ => (None, text),
        };
        let (path, place) = match rest.rsplit_once('@') {
            Some((path, place)) if !Path::new(rest).exists() => (path, Some(place)),
            _ => (rest, None),
        };
        let (region, account) = match place.map(|place| place.split_once('/').unwrap_or((place, ""))) {
            None => (None, None),
            Some((region, account)) => {
                if !is_region(region) {
                    return Err(invalid(&format!("`{region}` is no region, as us-east-1 is one")));
                }
                if !account.is_empty() && !is_account(account) {
                    return Err(invalid(&format!("`{account}` is no account: twelve digits")));
                }
                (Some(region.to_owned()), Some(account.to_owned()).filter(|account| !account.is_empty()))
            }
        };
        if path.is_empty() {
            return Err(invalid("it has no path"));
        }
        let path = PathBuf::from(path);
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = match (name, stem) {
            (Some(""), _) => return Err(invalid("its name is empty")),
            (Some(name), _) => name.to_owned(),
            (None, Some(stem)) => stem,
            (None, None) => "source".to_owned(),
        };
        Ok(Self { name, path, region, account })
    }
}

/// Whether a text is shaped as a region's name.
pub(crate) fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let [words @ .., number] = parts.as_slice() else { return false };
    let is_word = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
    words.len() >= 2
        && words.iter().all(is_word)
        && number.chars().all(|c| c.is_ascii_digit())
        && !number.is_empty()
}

pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is at `path`.
///
/// # Errors
///
/// [`SourceError`] where it cannot be read, or is what Terraform keeps for itself.
pub fn recognised(path: &Path) -> Result<Recognised, SourceError> {
    if path.is_dir() {
        return Ok(Recognised::Dump);
    }
    let files = one(path)?;
    let text = files.values().next().map_or("", String::as_str);
    let has =
        |map: &serde_json::Map<String, Value>, keys: &[&str]| keys.iter().any(|key| map.contains_key(*key));
    Ok(match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(map)) if has(&map, &["planned_values", "resource_changes"]) => Recognised::Plan,
        Ok(Value::Object(map)) if has(&map, &["format_version", "terraform_version"]) => Recognised::State,
        Ok(Value::Object(map)) if map.contains_key("Resources") => Recognised::Template,
        // The kinds of a topology are in small letters, those of AWS begin with a capital.
        Ok(Value::Object(map)) if map.keys().any(|key| key.starts_with(|c: char| c.is_ascii_uppercase())) => {
            Recognised::Dump
        }
        Ok(Value::Array(_)) => Recognised::Dump,
        Err(_) if has_resources(text) => Recognised::Template,
        _ => Recognised::Other,
    })
}

/// Whether a text is a template in YAML: its tags are such as only its own reader knows.
fn has_resources(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("Resources:") || line.starts_with("\"Resources\":"))
}

/// Reads all sources into the estate.
pub(crate) fn read(sources: &[Source], options: &Options, estate: &mut Estate) -> Result<(), SourceError> {
    let mut all = Vec::new();
    for source in sources {
        let other: Option<&Read> = all.iter().find(|other: &&Read| other.name == source.name);
        if let Some(other) = other {
            let (first, second) = (other.path.clone(), source.path.clone());
            return Err(SourceError::SameName { name: source.name.clone(), first, second });
        }
        all.push(load(source, options)?);
    }
    // Ids of AWS are unique as they are.
    if all.iter().filter(|source| source.format != Format::Describe).count() > 1 {
        for source in all.iter_mut().filter(|source| source.format != Format::Describe) {
            source.prefix = format!("{}/", source.name);
        }
    }
    for source in &all {
        estate.report.sources.push(ReportedSource {
            name: source.name.clone(),
            path: source.path.display().to_string(),
            format: source.format,
            region: source.region.clone(),
            account: source.account.clone(),
            notes: Vec::new(),
        });
    }
    all.iter().flat_map(|source| source.files.values()).for_each(|text| estate.ipv6.note(text));
    options.parameters.iter().for_each(|parameter| estate.ipv6.note(&parameter.value));
    let of = |format: Format| all.iter().filter(move |source| source.format == format);
    crate::cloudformation::read(&of(Format::CloudFormation).collect::<Vec<_>>(), options, estate)?;
    crate::terraform::read(&of(Format::Terraform).collect::<Vec<_>>(), options, estate)?;
    let dumps: Vec<&Read> = of(Format::Describe).collect();
    if !dumps.is_empty() {
        crate::describe::read(&dumps, estate)?;
    }
    Ok(())
}

fn load(source: &Source, options: &Options) -> Result<Read, SourceError> {
    let files = if source.path.is_dir() { folder(&source.path)? } else { one(&source.path)? };
    let format = match options.format {
        Some(format) => format,
        None => recognise(source, &files)?,
    };
    Ok(Read {
        name: source.name.clone(),
        path: source.path.clone(),
        region: source.region.clone().unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        account: source.account.clone().unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned()),
        format,
        files,
        prefix: String::new(),
    })
}

fn one(path: &Path) -> Result<BTreeMap<PathBuf, String>, SourceError> {
    let error = |source| SourceError::Read { path: path.into(), source };
    let bytes = fs::read(path).map_err(error)?;
    if bytes.starts_with(b"PK\x03\x04") {
        let problem = "this is a plan in the form that Terraform keeps for itself; give what `terraform show -json` prints of it";
        return Err(SourceError::Unrecognised { path: path.into(), problem: problem.to_owned() });
    }
    let text = text(bytes).map_err(error)?;
    if text.starts_with("{\"@level\"") {
        let problem = "this is the log that `terraform plan -json` prints; save the plan with `terraform plan -out=FILE`, and give what `terraform show -json FILE` prints";
        return Err(SourceError::Unrecognised { path: path.into(), problem: problem.to_owned() });
    }
    Ok(BTreeMap::from([(path.to_owned(), text)]))
}

/// The text of a file: UTF-8, or UTF-16 where a byte order mark says so, as PowerShell writes what a command prints.
fn text(bytes: Vec<u8>) -> io::Result<String> {
    let invalid =
        |error: &dyn std::error::Error| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16(&units).map_err(|error| invalid(&error))
    };
    match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).map_err(|error| invalid(&error)),
        _ => String::from_utf8(bytes).map_err(|error| invalid(&error)),
    }
}

/// The JSON files in a folder and in the folders inside: one for each region, in Batfish's layout.
fn folder(path: &Path) -> Result<BTreeMap<PathBuf, String>, SourceError> {
    let error = |source| SourceError::Read { path: path.into(), source };
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(path).map_err(error)? {
        let inner = entry.map_err(error)?.path();
        if inner.is_dir() {
            files.append(&mut folder(&inner)?);
        } else if inner.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            files.append(&mut one(&inner)?);
        }
    }
    Ok(files)
}

fn recognise(source: &Source, files: &BTreeMap<PathBuf, String>) -> Result<Format, SourceError> {
    let unrecognised =
        |problem: &str| SourceError::Unrecognised { path: source.path.clone(), problem: problem.to_owned() };
    if source.path.is_dir() {
        return if files.is_empty() {
            Err(unrecognised(
                "there is no .json file in this folder; give the folder that `aws ec2 describe-*` was saved to, or a file",
            ))
        } else {
            Ok(Format::Describe)
        };
    }
    let text = files.values().next().map_or("", String::as_str);
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(map))
            if map.contains_key("format_version") || map.contains_key("planned_values") =>
        {
            Ok(Format::Terraform)
        }
        Ok(Value::Object(map)) if map.contains_key("Resources") => Ok(Format::CloudFormation),
        Ok(Value::Object(map)) if map.contains_key("terraform_version") && map.contains_key("resources") => {
            Ok(Format::Terraform)
        }
        Ok(Value::Object(map)) if map.contains_key("terraform_version") => Err(unrecognised(
            "this is a state file of an old Terraform; give what `terraform show -json` prints of it",
        )),
        Ok(Value::Object(_) | Value::Array(_)) => Ok(Format::Describe),
        Ok(_) => Err(unrecognised(
            "JSON, and no object; give a template, `terraform show -json` or `aws ec2 describe-*`",
        )),
        // CloudFormation's YAML has tags that only its own reader knows: what names resources is taken for it.
        Err(_) if has_resources(text) => Ok(Format::CloudFormation),
        Err(error) => Err(unrecognised(&format!(
            "neither JSON ({error}) nor a template with `Resources:`; give a CloudFormation template, `terraform show -json` or `aws ec2 describe-*`"
        ))),
    }
}
