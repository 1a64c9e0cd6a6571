//! How does a lab come to run beside this process?
//!
//! This program starts itself again. The child says on its stdout, as JSON, that it is ready or why it failed.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use vpclab_api::{ApiError, Health};

use crate::output::Failure;

/// Whether the lab outlives the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It stays until `vpclab down`.
    OwnSession,
    /// A Ctrl-C that ends this process ends the lab too.
    WithThisProcess,
}

/// Starts a lab and waits until packets flow.
///
/// # Errors
///
/// The child's own failure.
pub(crate) fn start(topology: &Path, lab: &str, plain: bool, life: Life) -> Result<Health, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new("InternalError", format!("the lab cannot be started in the background: {error}"))
    };
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut command = Command::new(program);
    command.arg("up").arg(topology).args(["--lab", lab, "--json", "--background"]);
    if life == Life::OwnSession {
        command.arg("--own-session");
    }
    if plain {
        command.arg("--plain");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| failed(&error))?;
    let Some(stdout) = child.stdout.take() else { return Err(failed(&"its output is lost")) };
    // One value: the child does not close its stdout while it runs.
    let told = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>().next();
    match told {
        Some(Ok(told)) if told.get("error").is_some() => {
            let _ = child.wait();
            Err(serde_json::from_value::<ApiError>(told).map_err(|error| failed(&error))?.into())
        }
        Some(Ok(told)) => serde_json::from_value(told).map_err(|error| failed(&error)),
        Some(Err(error)) => Err(failed(&error)),
        None => {
            let status = child.wait().map_err(|error| failed(&error))?;
            Err(failed(&format_args!("it ended with {status}")))
        }
    }
}
