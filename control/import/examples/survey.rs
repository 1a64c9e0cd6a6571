//! What becomes of many dumps, plans and states? Prints each that does not import, and why, and the counts.
//!
//! `cargo run -p vpclab-import --example survey -- [--verbose] [--document] PATH...`, where each path is a source.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;

use vpclab_import::{ImportError, NoteKind, Options, Source, import};

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut flag = |name: &str| {
        let before = arguments.len();
        arguments.retain(|argument| argument != name);
        arguments.len() < before
    };
    let (verbose, document, before) = (flag("--verbose"), flag("--document"), flag("--before"));
    let side = if before { vpclab_import::Side::Before } else { vpclab_import::Side::After };
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut omissions: BTreeMap<String, usize> = BTreeMap::new();
    for path in &arguments {
        let source = match path.parse::<Source>() {
            Ok(source) => source,
            Err(error) => {
                println!("REFUSED {path}\n    {error}");
                continue;
            }
        };
        let try_with = |stand_ins: bool| {
            import(std::slice::from_ref(&source), &Options { stand_ins, side, ..Options::default() })
        };
        let (outcome, result) = match try_with(false) {
            Err(ImportError::Problems(problems)) => match try_with(true) {
                Ok(imported) => ("with stand-ins", Ok(imported)),
                Err(ImportError::Problems(with)) if with != problems => {
                    ("no", Err(ImportError::Problems(with)))
                }
                Err(_) => ("no", Err(ImportError::Problems(problems))),
            },
            Err(error) => ("no source", Err(error)),
            Ok(imported) => ("yes", Ok(imported)),
        };
        *outcomes.entry(outcome).or_default() += 1;
        match result {
            Ok(imported) => {
                let counts = &imported.report.counts;
                println!(
                    "{outcome:14} {path}: {counts:?}{}",
                    if imported.report.has_omissions() { " OMITS" } else { "" }
                );
                for resource in &imported.report.resources {
                    for note in resource.notes.iter().filter(|note| note.kind == NoteKind::Omitted) {
                        *omissions.entry(format!("{}: {}", resource.of_type, note.text)).or_default() += 1;
                    }
                }
                if verbose {
                    println!("{}", imported.report);
                }
                if document {
                    println!("{:#}", imported.document);
                }
            }
            Err(error) => {
                println!("{outcome:14} {path}");
                error
                    .to_string()
                    .lines()
                    .take(if verbose { 1000 } else { 8 })
                    .for_each(|line| println!("      {line}"));
            }
        }
    }
    println!("\n{outcomes:?}");
    let mut omissions: Vec<_> = omissions.into_iter().collect();
    omissions.sort_by_key(|(text, count)| (std::cmp::Reverse(*count), text.clone()));
    for (text, count) in omissions.iter().take(100) {
        println!("{count:6} {text}");
    }
}
