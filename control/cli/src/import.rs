//! What topology do other tools' files describe?

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use vpclab_api::MistakeBody;
use vpclab_import::{Format, ImportError, Imported, Options, Parameter, Problem, Side, SourceError};

use crate::args::{Import, ImportFormat};
use crate::output::{self, Answer, Failure};

/// Imports, and writes the topology and the report.
pub(crate) fn import(import: &Import) -> Result<Answer, Failure> {
    let mut parameters = Vec::new();
    for file in &import.parameters {
        // What is a file as it stands is that file.
        let (source, path) = match file.split_once('=') {
            Some((source, path)) if !Path::new(file).exists() => (Some(source), path),
            _ => (None, file.as_str()),
        };
        parameters.extend(Parameter::of_file(Path::new(path), source).map_err(Failure::file)?);
    }
    // What the command line says itself goes before its files.
    parameters.extend(import.parameter.iter().cloned());
    let options = Options {
        format: import.format.map(format),
        stand_ins: import.stand_ins,
        parameters,
        side: Side::After,
    };
    let Imported { document, report } = vpclab_import::import(&import.sources, &options).map_err(failed)?;
    let left_out = import.strict && report.has_omissions();
    if let Some(path) = &import.report {
        write(path, &report)?;
    }
    if import.json {
        output::json(&report)?;
    } else {
        output::aside(&report.to_string());
    }
    if left_out {
        output::aside(&output::warnings(&["something was left out, so no topology is written".to_owned()]));
        return Ok(Answer::No);
    }
    match &import.output {
        Some(path) => write(path, &document)?,
        None => output::json(&document)?,
    }
    Ok(Answer::Yes)
}

fn format(format: ImportFormat) -> Format {
    match format {
        ImportFormat::Cloudformation => Format::CloudFormation,
        ImportFormat::Terraform => Format::Terraform,
        ImportFormat::Describe => Format::Describe,
    }
}

fn write(path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
    let told = |error: &dyn std::fmt::Display| Failure::file(format_args!("{}: {error}", path.display()));
    let mut text = serde_json::to_string_pretty(value).map_err(|error| told(&error))?;
    text.push('\n');
    fs::write(path, text).map_err(|error| told(&error))
}

/// Why nothing was imported; what is wrong with the sources as a list.
pub(crate) fn failed(error: ImportError) -> Failure {
    match error {
        ImportError::Source(SourceError::Read { path, source }) if source.kind() == ErrorKind::NotFound => {
            Failure::file(format_args!("there is no file {}", path.display()))
        }
        ImportError::Source(error) => Failure::file(error),
        ImportError::Problems(problems) => failure_of(problems),
    }
}

/// What is wrong with the sources, as a list.
pub(crate) fn failure_of(problems: Vec<Problem>) -> Failure {
    let noun = if problems.len() == 1 { "problem" } else { "problems" };
    let mut failure =
        Failure::new("InvalidSource", format!("nothing is imported, for {} {noun}", problems.len()));
    failure.error.error.mistakes = problems.into_iter().map(mistake).collect();
    failure
}

fn mistake(problem: Problem) -> MistakeBody {
    let Problem { source, address, problem } = problem;
    let (what, remedy) = match problem.split_once("; ") {
        Some((what, remedy)) => (what.to_owned(), remedy.to_owned()),
        None => (problem, String::new()),
    };
    MistakeBody {
        resource: source,
        attribute: address,
        code: "InvalidSource".to_owned(),
        problem: what,
        remedy,
    }
}
