//! Where do answers and failures go, and what is the exit status?
//!
//! Answers to stdout, failures to stderr (with `--json` to stdout too, so that a pipe gets one JSON value either way).
//! A reader that has seen enough and goes away changes neither: what is to be done is done, and the status is the
//! answer's.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;
use vpclab_api::{ApiError, MistakeBody};
use vpclab_check::report;
use vpclab_check::style::{BAD, UNSURE, paint};
use vpclab_model::{DocumentError, Mistakes};

/// What a command says with its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Yes, or success: 0.
    Yes,
    /// A clean no: 1.
    No,
    /// The question could not be answered: 2.
    Unknown,
}

impl Answer {
    /// The exit status.
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::Unknown => 2,
        }
    }

    /// The answer to a three-valued question.
    pub(crate) fn of(reachable: Option<bool>) -> Self {
        match reachable {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Unknown,
        }
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What is told.
    pub error: ApiError,
    /// The exit status.
    pub status: u8,
}

impl Failure {
    /// A failure with a code and a sentence.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        ApiError::new(code, message).into()
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(message: impl std::fmt::Display) -> Self {
        Self::new("InvalidParameterValue", message.to_string())
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self { error, status: 2 }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new("InternalError", format!("the answer cannot be written: {error}"))
    }
}

impl From<DocumentError> for Failure {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Read { path, source } if source.kind() == ErrorKind::NotFound => {
                Self::file(format_args!("there is no file {}", path.display()))
            }
            DocumentError::Read { path, source } => {
                Self::file(format_args!("{} cannot be read: {source}", path.display()))
            }
            empty @ DocumentError::Empty { .. } => Self::file(empty),
            syntax @ DocumentError::Syntax { .. } => Self::file(syntax_error(&syntax.to_string())),
        }
    }
}

/// What is wrong with a file's text. The YAML reader's hint about a key that appears twice is for programmers.
fn syntax_error(told: &str) -> String {
    const HINT: &str = ", set DuplicateKeyPolicy in Options if acceptable";
    match (told.strip_suffix(HINT), told.split_once(": duplicate mapping key: ")) {
        (Some(_), Some((place, key))) => {
            let key = key.strip_suffix(HINT).unwrap_or(key);
            format!("{place}: the key `{key}` appears twice in one map; join the two, or rename one")
        }
        _ => told.to_owned(),
    }
}

/// The mistakes of a topology, as the API tells them.
pub(crate) fn mistakes(file: &str, mistakes: &Mistakes) -> ApiError {
    mistakes_with_code("InvalidTopology", file, mistakes)
}

/// The mistakes of a file, under this code.
pub(crate) fn mistakes_with_code(code: &str, file: &str, mistakes: &Mistakes) -> ApiError {
    let count = mistakes.0.len();
    let noun = if count == 1 { "mistake" } else { "mistakes" };
    let mut error = ApiError::new(code, format!("{file} has {count} {noun}"));
    error.error.mistakes = mistakes
        .0
        .iter()
        .map(|mistake| MistakeBody {
            resource: mistake.resource.clone(),
            attribute: mistake.attribute.clone(),
            code: mistake.code.to_owned(),
            problem: mistake.problem.clone(),
            remedy: mistake.remedy.clone(),
        })
        .collect();
    error
}

/// What is not as it was asked for, a line each.
pub(crate) fn warnings(warnings: &[String]) -> String {
    warnings.iter().map(|warning| format!("{} {warning}\n", paint(UNSURE, "warning:"))).collect()
}

/// Prints text; colours go only where they can be shown and are wanted (NO_COLOR).
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    written(anstream::stdout().lock(), text)
}

/// Says something beside the answer. Nothing more can be done if that fails.
pub(crate) fn aside(text: &str) {
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Prints a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut json = serde_json::to_string_pretty(value).map_err(|error| {
        Failure::new("InternalError", format!("the answer cannot be written as JSON: {error}"))
    })?;
    json.push('\n');
    written(io::stdout().lock(), &json)
}

fn written(mut out: impl Write, text: &str) -> Result<(), Failure> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// Tells a failure. Nothing more can be done if that fails too.
pub(crate) fn failure(error: &ApiError, as_json: bool) {
    // Where standard output takes nothing, it is said beside it.
    if as_json && json(error).is_ok() {
        return;
    }
    let mut text = String::new();
    if !error.error.mistakes.is_empty() {
        report::mistakes(&error.error).iter().for_each(|line| text.push_str(&format!("{line}\n")));
    }
    text.push_str(&format!("{} {error}\n", paint(BAD.bold(), "error:")));
    aside(&text);
}
