//! How does a lab come to run beside this process?
//!
//! This program starts itself again. The child says on its stdout, as JSON, that it is ready or why it failed; one that
//! is to end with this process watches its stdin, whose other end closes however this process ends.

use std::io;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use serde_json::Value;
use vpclab_api::{ApiError, Health};

use crate::output::Failure;

/// Whether the lab outlives the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It stays until `vpclab down`.
    OwnSession,
    /// It ends when this process does, or lets go of its stdin.
    WithThisProcess,
}

/// Starts a lab that stays, and waits until packets flow.
///
/// # Errors
///
/// The child's own failure.
pub(crate) fn start(topology: &Path, lab: &str, plain: bool) -> Result<Health, Failure> {
    let (mut child, stdout) = spawn(topology, lab, plain, Life::OwnSession)?;
    ready(stdout, || child.wait())
}

/// Starts a lab without waiting for it. What it says is for [`ready`].
///
/// # Errors
///
/// When no process can be started.
pub(crate) fn spawn(
    topology: &Path,
    lab: &str,
    plain: bool,
    life: Life,
) -> Result<(Child, ChildStdout), Failure> {
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut command = Command::new(program);
    command.arg("up").arg(topology).args(["--lab", lab, "--json", "--background"]);
    let stdin = match life {
        Life::OwnSession => {
            command.arg("--own-session");
            Stdio::null()
        }
        Life::WithThisProcess => Stdio::piped(),
    };
    if plain {
        command.arg("--plain");
    }
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| failed(&error))?;
    let stdout = child.stdout.take().ok_or_else(|| failed(&"its output is lost"))?;
    Ok((child, stdout))
}

/// Waits until packets flow in a lab that says so on this pipe; `wait` is called when it has ended instead.
///
/// # Errors
///
/// The child's own failure.
pub(crate) fn ready(
    stdout: ChildStdout,
    wait: impl FnOnce() -> io::Result<ExitStatus>,
) -> Result<Health, Failure> {
    // One value: the child does not close its stdout while it runs.
    let told = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>().next();
    match told {
        Some(Ok(told)) if told.get("error").is_some() => {
            let _ = wait();
            Err(serde_json::from_value::<ApiError>(told).map_err(|error| failed(&error))?.into())
        }
        Some(Ok(told)) => serde_json::from_value(told).map_err(|error| failed(&error)),
        Some(Err(error)) => Err(failed(&error)),
        None => {
            let status = wait().map_err(|error| failed(&error))?;
            Err(failed(&format_args!("it ended with {status}")))
        }
    }
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::new("InternalError", format!("the lab cannot be started in the background: {error}"))
}
