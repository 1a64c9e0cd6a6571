//! Which of the templates in a folder import, and why do the others not?
//!
//! `cargo run -p vpclab-import --example corpus -- FOLDER [--list] [--notes]` imports each template by itself, with stand-ins.
//! A file in place of the folder is shown as it is imported.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vpclab_import::{Fate, Format, ImportError, NoteKind, Options, Source, import};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| ".".to_owned()));
    let flags: Vec<String> = arguments.collect();
    let is_list = flags.iter().any(|flag| flag == "--list");
    let is_notes = flags.iter().any(|flag| flag == "--notes");
    if folder.is_file() {
        return show(folder, !flags.iter().any(|flag| flag == "--without-stand-ins"));
    }
    let mut files = Vec::new();
    find(&folder, &mut files);
    files.sort();
    let (mut clean, mut omitting, mut failing) = (0, 0, 0);
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
    for file in &files {
        let name = file.strip_prefix(&folder).unwrap_or(file).display().to_string();
        let source = Source { name: "t".to_owned(), path: file.clone(), region: None, account: None };
        let options = Options { format: Some(Format::CloudFormation), stand_ins: true, ..Options::default() };
        match import(&[source], &options) {
            Ok(imported) => {
                if imported.report.has_omissions() {
                    omitting += 1;
                } else {
                    clean += 1;
                }
                for resource in &imported.report.resources {
                    *fates.entry(resource.fate).or_default() += 1;
                    for note in
                        resource.notes.iter().filter(|note| is_notes || note.kind == NoteKind::Omitted)
                    {
                        let key = format!("{:?}: {}: {}", note.kind, resource.of_type, note.text);
                        reasons.entry(key).or_default().push(name.clone());
                    }
                }
                for note in imported.report.sources.iter().flat_map(|source| &source.notes) {
                    if note.kind == NoteKind::Omitted {
                        reasons.entry(format!("omitted: {}", note.text)).or_default().push(name.clone());
                    }
                }
            }
            Err(ImportError::Problems(problems)) => {
                failing += 1;
                for problem in problems {
                    let key = format!("problem: {}", problem.problem);
                    reasons.entry(key).or_default().push(format!("{name} {}", problem.address));
                }
            }
            Err(error) => {
                failing += 1;
                reasons.entry("unreadable".to_owned()).or_default().push(format!("{name}: {error}"));
            }
        }
    }
    let mut sorted: Vec<_> = reasons.into_iter().collect();
    sorted.sort_by_key(|(reason, names)| (std::cmp::Reverse(names.len()), reason.clone()));
    for (reason, names) in sorted {
        println!("{:4} {reason}", names.len());
        let shown = if is_list { names.len() } else { 2 };
        names.iter().take(shown).for_each(|name| println!("        {name}"));
    }
    println!("\n{} templates: {clean} without omission, {omitting} with, {failing} fail", files.len());
    println!("{fates:?}");
}

/// One template: its document and report.
fn show(path: PathBuf, stand_ins: bool) {
    let source = Source { name: "t".to_owned(), path, region: None, account: None };
    let options = Options { stand_ins, ..Options::default() };
    match import(&[source], &options) {
        Ok(imported) => println!("{:#}\n{}", imported.document, imported.report),
        Err(error) => eprintln!("{error}"),
    }
}

/// The templates in a folder and in those inside.
fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, files);
            continue;
        }
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        if !matches!(extension.as_deref(), Some("yaml" | "yml" | "json" | "template")) {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let is_type = text.contains("AWS::") && text.contains("Type") && !path.ends_with("appspec.yml");
        let has_resources = text.lines().any(|line| {
            let line = line.trim_start();
            line.trim_end() == "Resources:" || line.starts_with("\"Resources\"")
        });
        if is_type && has_resources {
            files.push(path);
        }
    }
}
