//! How does a program run inside an instance?
//!
//! [`InstanceEnvironment::command`] gives a [`Command`] whose child enters the instance's network namespace and sees
//! its own `/sys`, host name and files such as `/etc/resolv.conf`, as `ip netns exec` arranges it;
//! [`enter_container`] gives one whose child enters everything a container's process lives in, as `nsenter --all`
//! does, with that process's privileges; [`end_programs`] ends what was started by the first. What always holds: this process and its mounts stay as they are, and whatever the child does between fork
//! and exec is system calls on data made before. Left to others: arguments, streams, waiting.

mod container;
mod ending;
mod privileges;

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::sethostname;

use crate::netns::Netns;

pub use container::enter_container;
pub use ending::{Inhabitants, Place, end_programs, inhabitants};

/// What a program inside an instance finds around it.
#[derive(Debug)]
pub struct InstanceEnvironment {
    /// The network namespace it runs in.
    pub netns: Netns,
    /// The host name it reads; `None` leaves the host's.
    pub hostname: Option<String>,
    /// Files of the host, each with the path at which the program finds it. Both must exist, as files or both as
    /// directories; a target that is a symbolic link is followed.
    pub files: Vec<(PathBuf, PathBuf)>,
}

/// Why a program cannot be started inside an instance.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// A file to show inside does not exist on the host, or its target does not.
    #[error("cannot show {} as {} inside the instance: {missing:?} does not exist", file.display(), target.display())]
    NoSuchFile {
        /// The file on the host.
        file: PathBuf,
        /// Where it is to be seen.
        target: PathBuf,
        /// Which of both is missing.
        missing: PathBuf,
    },
    /// A host name the kernel does not take.
    #[error("{0:?} cannot be a host name: 1 to 64 bytes")]
    InvalidHostname(String),
    /// A path with a zero byte.
    #[error("{} contains a zero byte", .0.display())]
    InvalidPath(PathBuf),
    /// The container's process is gone or not ours to enter.
    #[error("cannot enter process {pid}: {source}")]
    NoSuchProcess {
        /// The process.
        pid: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// The process has no descriptors left.
    #[error("cannot prepare the child process: {0}")]
    Prepare(io::Error),
}

/// All the child needs, made before the fork.
struct Entry {
    netns: OwnedFd,
    hostname: Option<OsString>,
    files: Vec<(CString, CString)>,
}

impl InstanceEnvironment {
    /// A command that runs `program` inside. `spawn` and `output` report what the kernel refused between fork and
    /// exec as their own error.
    ///
    /// # Errors
    /// What can be known to be wrong before: [`ProcessError`].
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command, ProcessError> {
        if let Some(name) = self.hostname.as_ref().filter(|name| name.is_empty() || name.len() > 64) {
            return Err(ProcessError::InvalidHostname(name.clone()));
        }
        let mut files = Vec::with_capacity(self.files.len());
        for (source, target) in &self.files {
            for path in [source, target] {
                if !path.exists() {
                    let (file, target, missing) = (source.clone(), target.clone(), path.clone());
                    return Err(ProcessError::NoSuchFile { file, target, missing });
                }
            }
            files.push((c_path(source)?, c_path(target)?));
        }
        let entry = Entry {
            netns: self.netns.as_fd().try_clone_to_owned().map_err(ProcessError::Prepare)?,
            hostname: self.hostname.as_ref().map(OsString::from),
            files,
        };
        let mut command = Command::new(program);
        // SAFETY: between fork and exec the closure makes system calls only, on descriptors and strings made above:
        // nix passes C strings through without copying, `io::Error` from an errno allocates nothing, no lock is taken.
        unsafe { command.pre_exec(move || entry.enter().map_err(io::Error::from)) };
        Ok(command)
    }
}

impl Entry {
    fn enter(&self) -> Result<(), Errno> {
        const NOTHING: Option<&std::ffi::CStr> = None;
        setns(&self.netns, CloneFlags::CLONE_NEWNET)?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        // Mounts of the host still arrive here, ours never reach the host.
        mount(NOTHING, c"/", NOTHING, MsFlags::MS_SLAVE | MsFlags::MS_REC, NOTHING)?;
        // A /sys of this network namespace: /sys/class/net shows the instance's links.
        let _ = umount2(c"/sys", MntFlags::MNT_DETACH);
        mount(Some(c"sysfs"), c"/sys", Some(c"sysfs"), MsFlags::empty(), NOTHING)?;
        for (source, target) in &self.files {
            mount(Some(source.as_c_str()), target.as_c_str(), NOTHING, MsFlags::MS_BIND, NOTHING)?;
        }
        if let Some(hostname) = &self.hostname {
            unshare(CloneFlags::CLONE_NEWUTS)?;
            sethostname(hostname)?;
        }
        Ok(())
    }
}

fn c_path(path: &Path) -> Result<CString, ProcessError> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| ProcessError::InvalidPath(path.to_owned()))
}
