//! Which stacks do the given templates make?
//!
//! One for each template that is given, and one for each nested stack whose template lies beside the one that names it.
//! A [`Stack`] is a template with arguments; nothing in it is evaluated yet but what decides its shape: loops, and
//! where the templates of nested stacks are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::functions::Evaluator;
use super::token::{Piece, Token, pieces};
use super::{foreach, yaml};
use crate::report::{Note, NoteKind};

/// How deep stacks may be nested.
const DEEPEST: usize = 8;
/// How many stacks there may be.
const MOST: usize = 500;

/// The sections that say something about packets.
#[derive(Debug, Default)]
pub(super) struct Template {
    pub parameters: Map<String, Value>,
    pub mappings: Map<String, Value>,
    pub conditions: Map<String, Value>,
    pub resources: Map<String, Value>,
    pub outputs: Map<String, Value>,
    /// Transforms that may make anything of it.
    pub macros: Vec<String>,
}

/// A template with what it is given.
#[derive(Debug)]
pub(super) struct Stack {
    /// The source that it comes from.
    pub source: String,
    /// What stands before its logical ids in names of the document.
    pub prefix: String,
    /// The same in the report: empty, or `Nested/`.
    pub address: String,
    pub region: String,
    pub account: String,
    /// `AWS::StackName`.
    pub name: String,
    pub path: PathBuf,
    pub template: Template,
    pub arguments: BTreeMap<String, Argument>,
    /// The stacks inside, by logical id; or why there is none.
    pub nested: BTreeMap<String, Result<usize, String>>,
    /// The stack around it, and what it is called there.
    pub parent: Option<(usize, String)>,
    /// What is to be said of the template as a whole.
    pub notes: Vec<Note>,
    /// Why it cannot be read as it is written.
    pub problem: Option<String>,
    depth: usize,
}

/// A parameter's value.
#[derive(Debug, Clone)]
pub(super) enum Argument {
    /// As somebody typed it.
    Text(String),
    /// As the stack around it writes it.
    Of { stack: usize, value: Value },
}

impl Template {
    /// The sections of a template, and what to say of the others.
    pub(super) fn read(text: &str) -> Result<(Self, Vec<Note>), String> {
        let yaml::Parsed { value, doubled } = yaml::parse(text)?;
        let Value::Object(mut top) = value else { return Err("it is no map of sections".to_owned()) };
        let mut notes: Vec<_> = doubled
            .into_iter()
            .map(|key| {
                Note::new(NoteKind::Approximated, format!("the key {key} appears twice; the last counts"))
            })
            .collect();
        let names = transforms(top.get("Transform"));
        let macros = names.iter().filter(|name| !is_known(name)).cloned().collect();
        notes.extend(names.iter().map(|name| of_transform(name)));
        let mut section = |name: &str| match top.remove(name) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map),
            Some(_) => Err(format!("the section {name} is no map")),
        };
        let template = Self {
            parameters: section("Parameters")?,
            mappings: section("Mappings")?,
            conditions: section("Conditions")?,
            resources: section("Resources")?,
            outputs: section("Outputs")?,
            macros,
        };
        Ok((template, notes))
    }
}

/// The names of a template's transforms.
fn transforms(written: Option<&Value>) -> Vec<String> {
    let names = match written {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(names)) => names.clone(),
        Some(single) => vec![single.clone()],
    };
    let name = |value: &Value| match value {
        Value::String(name) => name.clone(),
        other => other.get("Name").and_then(Value::as_str).unwrap_or("?").to_owned(),
    };
    names.iter().map(name).collect()
}

/// Whether a transform is one of AWS's that change nothing that stands in the template about networks.
fn is_known(name: &str) -> bool {
    const KNOWN: [&str; 5] = [
        "AWS::LanguageExtensions",
        "AWS::Serverless",
        "AWS::CodeDeployBlueGreen",
        "AWS::ServiceCatalog",
        "AWS::SecretsManager-",
    ];
    KNOWN.iter().any(|known| name.starts_with(known))
}

/// What is to be said of a transform: of those of AWS whose resources this reader knows itself, and of macros, which may
/// do anything.
fn of_transform(name: &str) -> Note {
    match name {
        "AWS::LanguageExtensions" => {
            Note::new(NoteKind::Approximated, "Transform AWS::LanguageExtensions: done by the importer")
        }
        _ if name.starts_with("AWS::Serverless") => Note::new(
            NoteKind::Approximated,
            format!(
                "Transform {name}: its functions and applications are read; what else it makes changes no packet"
            ),
        ),
        _ if name.starts_with("AWS::SecretsManager-") => Note::new(
            NoteKind::Omitted,
            format!("Transform {name}: the rotation functions it makes are not in the topology"),
        ),
        _ if is_known(name) => {
            Note::new(NoteKind::Approximated, format!("Transform {name}: changes no packet"))
        }
        _ => Note::new(
            NoteKind::Omitted,
            format!(
                "Transform {name}: a macro may change any resource, and cannot be run here: all are doubted"
            ),
        ),
    }
}

impl Stack {
    /// A stack of a template that was given.
    pub(super) fn of_source(source: &crate::source::Read, template: Template, notes: Vec<Note>) -> Self {
        Self {
            source: source.name.clone(),
            prefix: source.prefix.clone(),
            address: String::new(),
            region: source.region.clone(),
            account: source.account.clone(),
            name: source.name.clone(),
            path: source.path.clone(),
            template,
            arguments: BTreeMap::new(),
            nested: BTreeMap::new(),
            parent: None,
            notes,
            problem: None,
            depth: 0,
        }
    }

    /// The name in the document of what the template calls `logical`.
    pub(super) fn name_of(&self, logical: &str) -> String {
        format!("{}{logical}", self.prefix)
    }

    /// The type of a resource.
    pub(super) fn type_of(&self, logical: &str) -> Option<&str> {
        self.template.resources.get(logical)?.get("Type")?.as_str()
    }

    /// That the template has nothing of this name, and what has one like it.
    pub(super) fn has_no(&self, name: &str) -> String {
        let names = self.template.resources.keys().chain(self.template.parameters.keys());
        match vpclab_model::nearest(name, names.map(String::as_str)) {
            Some(meant) => format!("the template has no {name}, did you mean {meant}?"),
            None => format!("the template has no {name}"),
        }
    }

    /// An attribute of a resource, as written.
    pub(super) fn property(&self, logical: &str, property: &str) -> Option<&Value> {
        self.template.resources.get(logical)?.get("Properties")?.get(property)
    }

    fn inside(parent: usize, stacks: &[Self], logical: &str, path: PathBuf) -> Result<Self, String> {
        let Some(outer) = stacks.get(parent) else { return Err(String::new()) };
        if outer.depth >= DEEPEST || stacks.len() >= MOST {
            return Err("stacks are nested too deep, or without end".to_owned());
        }
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let (template, notes) =
            Template::read(&text).map_err(|problem| format!("{}: {problem}", path.display()))?;
        let mut arguments = BTreeMap::new();
        if let Some(Value::Object(given)) = outer.property(logical, "Parameters") {
            for (key, value) in given {
                arguments.insert(key.clone(), Argument::Of { stack: parent, value: value.clone() });
            }
        }
        Ok(Self {
            source: outer.source.clone(),
            prefix: format!("{}{logical}/", outer.prefix),
            address: format!("{}{logical}/", outer.address),
            region: outer.region.clone(),
            account: outer.account.clone(),
            name: format!("{}-{logical}", outer.name),
            path,
            template,
            arguments,
            nested: BTreeMap::new(),
            parent: Some((parent, logical.to_owned())),
            notes,
            problem: None,
            depth: outer.depth + 1,
        })
    }
}

/// The given stacks with all that are nested in them.
pub(super) fn with_nested(mut stacks: Vec<Stack>) -> Vec<Stack> {
    let root = shared_folder(&stacks);
    let mut next = 0;
    while next < stacks.len() {
        let evaluator = Evaluator::new(&stacks);
        let expanded = foreach::expanded(&evaluator, next);
        let found = nested_templates(&evaluator, next, &root);
        if let Some(stack) = stacks.get_mut(next) {
            match expanded {
                Ok(template) => stack.template = template,
                Err(problem) => stack.problem = Some(problem),
            }
        }
        for (logical, path) in found {
            let made = path.and_then(|path| Stack::inside(next, &stacks, &logical, path));
            let made = made.map(|stack| {
                stacks.push(stack);
                stacks.len() - 1
            });
            if let Some(stack) = stacks.get_mut(next) {
                stack.nested.insert(logical, made);
            }
        }
        next += 1;
    }
    stacks
}

/// The folder that all given templates are in: what they name is read from there only.
fn shared_folder(stacks: &[Stack]) -> PathBuf {
    let folder = |stack: &Stack| {
        let folder = stack.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
    };
    let mut folders = stacks.iter().map(folder);
    let Some(mut shared) = folders.next() else { return PathBuf::new() };
    for folder in folders {
        while !folder.starts_with(&shared) && shared.pop() {}
    }
    shared
}

/// The template of each nested stack that is made, or why it is not found.
fn nested_templates(
    evaluator: &Evaluator<'_>,
    stack: usize,
    root: &Path,
) -> BTreeMap<String, Result<PathBuf, String>> {
    let Some(own) = evaluator.stack(stack) else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for (logical, resource) in &own.template.resources {
        let location = match resource.get("Type").and_then(Value::as_str) {
            Some("AWS::CloudFormation::Stack") => "TemplateURL",
            Some("AWS::Serverless::Application") => "Location",
            _ => continue,
        };
        if evaluator.is_made(stack, logical) == Ok(false) {
            continue;
        }
        let url = own.property(logical, location).map(|url| evaluator.text(stack, url));
        let path = match url {
            None => Err(format!("it has no {location}")),
            Some(None) => Err(format!("{location} names an application of a repository")),
            Some(Some(url)) => beside(&own.path, &url, root),
        };
        found.insert(logical.clone(), path);
    }
    found
}

/// The file that a URL or path names, or ends with, beside the template `of`. None outside `root` is read, wherever links
/// and `..` lead: a template may be a stranger's.
fn beside(of: &Path, url: &str, root: &Path) -> Result<PathBuf, String> {
    let directory = of.parent().unwrap_or(Path::new(""));
    let shown: String = pieces(url)
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Token(Token::Missing { name, .. } | Token::Resource { name, .. }) => {
                format!("${{{name}}}")
            }
        })
        .collect();
    let url = shown.split(['?', '#']).next().unwrap_or_default();
    let is_inside = |path: &Path| path.canonicalize().is_ok_and(|path| path.starts_with(root));
    if !url.contains("://") && !url.is_empty() {
        let path = directory.join(url);
        let is_outside = Path::new(url).is_absolute() || url.split('/').any(|part| part == "..");
        if is_inside(&path) && path.is_file() && path != of {
            return Ok(path);
        }
        if is_outside && !is_inside(&path) {
            return Err(format!(
                "its template {shown} is not below {}, the folder of the templates that are given: give one above it, too",
                root.display()
            ));
        }
    }
    let segments: Vec<_> = url.split('/').filter(|segment| !matches!(*segment, "" | "." | "..")).collect();
    for from in 0..segments.len() {
        let path = segments.iter().skip(from).fold(directory.to_owned(), |path, segment| path.join(segment));
        if path.is_file() && path != of && is_inside(&path) {
            return Ok(path);
        }
    }
    Err(format!("its template {shown} is not beside {}", of.display()))
}
