//! What runs inside an instance, and what is an instance made of?

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use vpclab_api::{AttachRequest, Attachment, AttachmentTarget, InstanceState};
use vpclab_tap::Netns;
use vpclab_tap::process::{InstanceEnvironment, enter_container};

use crate::args::{Attach, Detach, Exec};
use crate::output::{self, Answer, Failure};
use crate::running::{client, failed};

/// Becomes a command inside an instance.
pub(crate) fn exec(exec: &Exec) -> Result<Answer, Failure> {
    let state = client(&exec.lab.lab)?.running_instance(&exec.instance).map_err(failed)?;
    let Some((program, arguments)) = exec.command.split_first() else {
        return Err(Failure::new("MissingParameter", "give a command after `--`"));
    };
    let Attachment { netns, pid, hostname, files, .. } = &state.attachment;
    let inside = |error: &dyn std::fmt::Display| {
        Failure::new("IncorrectInstanceState", format!("{}: {error}", state.name))
    };
    let command = match pid.and_then(|pid| u32::try_from(pid).ok()) {
        Some(pid) => enter_container(pid, program),
        None => InstanceEnvironment {
            netns: Netns::open_path(Path::new(netns)).map_err(|error| inside(&error))?,
            hostname: Some(hostname.clone()),
            files: files.iter().map(|(file, target)| (PathBuf::from(file), PathBuf::from(target))).collect(),
        }
        .command(program),
    };
    let mut command = command.map_err(|error| inside(&error))?;
    // In place of this process, so that signals, terminal and exit status are the command's own.
    let error = command.args(arguments).exec();
    let failure = inside(&format_args!("{} cannot be run: {}", program.to_string_lossy(), sentence(&error)));
    Err(Failure { status: status(&error), ..failure })
}

/// The exit status for a command that did not start, as shells give it: 127 if there is none, 126 if it is none.
fn status(error: &io::Error) -> u8 {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => 127,
        Some(Errno::EACCES | Errno::ENOEXEC | Errno::EISDIR | Errno::ENOTDIR) => 126,
        _ => 2,
    }
}

fn sentence(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => "there is no such command".to_owned(),
        Some(Errno::EACCES | Errno::ENOEXEC) => "it is not executable".to_owned(),
        _ => error.to_string(),
    }
}

/// Makes something that exists an instance.
pub(crate) fn attach(attach: &Attach) -> Result<Answer, Failure> {
    let target = &attach.target;
    let target = match (&target.container, target.pid, &target.netns) {
        (Some(container), ..) => AttachmentTarget::Container(container.clone()),
        (None, Some(pid), _) => AttachmentTarget::Process(pid),
        (None, None, Some(netns)) => AttachmentTarget::Netns(netns.clone()),
        (None, None, None) => {
            return Err(Failure::new("MissingParameter", "give --container, --pid or --netns"));
        }
    };
    let state =
        client(&attach.lab.lab)?.attach(&attach.instance, &AttachRequest { target }).map_err(failed)?;
    show(&state, attach.format.json)
}

/// Gives an instance its own namespace back.
pub(crate) fn detach(detach: &Detach) -> Result<Answer, Failure> {
    let state = client(&detach.lab.lab)?.detach(&detach.instance).map_err(failed)?;
    show(&state, detach.format.json)
}

fn show(state: &InstanceState, as_json: bool) -> Result<Answer, Failure> {
    if as_json {
        output::json(state)?;
        return Ok(Answer::Yes);
    }
    let runs = what_it_is(&state.attachment.target);
    let addresses: Vec<&str> =
        state.interfaces.iter().flat_map(|interface| &interface.addresses).map(String::as_str).collect();
    let warnings = output::warnings(&state.warnings);
    output::text(&format!("{} is {runs}  {}\n{warnings}", state.name, addresses.join("  ")))?;
    Ok(Answer::Yes)
}

/// What an instance runs in, in words.
pub(crate) fn what_it_is(target: &AttachmentTarget) -> String {
    match target {
        AttachmentTarget::Namespace => "a namespace of its own".to_owned(),
        AttachmentTarget::Netns(netns) => format!("the namespace {netns}"),
        AttachmentTarget::Process(pid) => format!("process {pid}"),
        AttachmentTarget::Container(name) => format!("container {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_does_not_start_has_the_status_that_shells_give() {
        for (errno, expected) in [
            (Errno::ENOENT, 127),
            (Errno::EACCES, 126),
            (Errno::ENOEXEC, 126),
            // Not the command's own: the namespace could not be entered.
            (Errno::EPERM, 2),
        ] {
            assert_eq!(status(&errno.into()), expected, "{errno}");
        }
    }
}
