//! Where does a lab keep what must outlive a crash, and who may have it?
//!
//! One directory for each lab, mode 0700. The lock file in it is held for the life of the daemon: whoever gets the
//! lock knows that no daemon lives.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

const RUN_DIR: &str = "/run/vpclab";
const LONGEST_LAB_NAME: usize = 32;
/// How the name of a directory begins that is being removed. No lab's name does.
const REMOVED: &str = ".removed-";
/// How long a lock is waited for that no living daemon holds: a sweep of leftovers does, a daemon that has just begun or
/// is ending, and one that was killed, until the kernel has closed its files.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The name cannot be a lab's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot be a lab's name: 1 to 32 letters, digits, '-', '_' and '.', not starting with '.' or '-'"
)]
pub struct InvalidLabName(pub String);

/// The files of one lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabPaths {
    lab: String,
    /// `/run/vpclab/LAB`, mode 0700.
    pub directory: PathBuf,
    /// The control API's socket, mode 0600.
    pub socket: PathBuf,
    /// Locked with flock(2) while the daemon lives.
    pub lock: PathBuf,
    /// The daemon's process id in decimal.
    pub pid: PathBuf,
    /// The document last applied, as JSON.
    pub topology: PathBuf,
    /// What was assigned automatically, so that it stays assigned.
    pub assigned: PathBuf,
    /// Which instances run in somebody else's namespace.
    pub attachments: PathBuf,
    /// A directory of files for each instance and internet host.
    pub instances: PathBuf,
}

/// The lock of a lab, held until it is dropped.
#[derive(Debug)]
pub(crate) struct LabLock {
    _file: Flock<File>,
}

/// The files of the lab of this name.
///
/// # Errors
/// [`InvalidLabName`], as the name becomes part of the names of files and namespaces.
pub fn paths(lab: &str) -> Result<LabPaths, InvalidLabName> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = (1..=LONGEST_LAB_NAME).contains(&lab.len())
        && !lab.starts_with(['.', '-'])
        && lab.chars().all(allowed);
    if !good {
        return Err(InvalidLabName(lab.to_owned()));
    }
    let directory = Path::new(RUN_DIR).join(lab);
    Ok(LabPaths {
        lab: lab.to_owned(),
        socket: directory.join("control.sock"),
        lock: directory.join("lock"),
        pid: directory.join("pid"),
        topology: directory.join("topology.json"),
        assigned: directory.join("assigned.json"),
        attachments: directory.join("attachments.json"),
        instances: directory.join("instances"),
        directory,
    })
}

/// The names of all labs that have left or hold a directory, in order.
pub(crate) fn labs() -> Vec<String> {
    let mut labs = entries();
    labs.retain(|name| !name.starts_with('.'));
    labs.sort_unstable();
    labs
}

/// Deletes what is left of directories whose removal a crash has cut short.
pub(crate) fn clear_removed() {
    for name in entries().iter().filter(|name| name.starts_with(REMOVED)) {
        // Whoever is removing it right now does not mind.
        let _ = fs::remove_dir_all(Path::new(RUN_DIR).join(name));
    }
}

fn entries() -> Vec<String> {
    let entries = fs::read_dir(RUN_DIR).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

impl LabPaths {
    /// The lab's name.
    #[must_use]
    pub fn lab(&self) -> &str {
        &self.lab
    }

    /// Makes the directory, for its owner only.
    pub(crate) fn create(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o755).create(RUN_DIR)?;
        match DirBuilder::new().mode(0o700).create(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// Makes the directory and takes the lab's lock for a daemon, whose process id is in the lab's files from then on.
    /// Of several at once exactly one gets it; the others get the process id of that one, where it is known.
    /// `answers` asks the daemon whether it lives, for no longer than it is told: a process id alone does not say.
    pub(crate) fn claim(
        &self,
        answers: impl Fn(Duration) -> bool,
    ) -> io::Result<Result<LabLock, Option<u32>>> {
        let deadline = Instant::now() + LOCK_WAIT;
        loop {
            self.create()?;
            match self.try_lock() {
                Ok(Some(lock)) => {
                    fs::write(&self.pid, format!("{}\n", std::process::id()))?;
                    return Ok(Ok(lock));
                }
                Ok(None) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() || answers(left) {
                        let exists = |pid: &u32| Path::new("/proc").join(pid.to_string()).exists();
                        return Ok(Err(self.read_pid().filter(exists)));
                    }
                    thread::sleep(LOOK_AGAIN);
                }
                // Whoever held the lock has just removed the directory.
                Err(error) if error.kind() == io::ErrorKind::NotFound && Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the lab's lock, or says `None` while somebody has it. That there is no directory is `NotFound`.
    pub(crate) fn try_lock(&self) -> io::Result<Option<LabLock>> {
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&self.lock)?;
            let inode = file.metadata()?.ino();
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => {
                    // Whoever held it before may have removed the file on leaving; then this lock guards nothing.
                    if fs::metadata(&self.lock).is_ok_and(|now| now.ino() == inode) {
                        return Ok(Some(LabLock { _file: file }));
                    }
                }
                Err((_, nix::errno::Errno::EWOULDBLOCK)) => return Ok(None),
                Err((_, errno)) => return Err(errno.into()),
            }
        }
    }

    /// The process id that a daemon wrote; it is alive only while the lock is held.
    pub(crate) fn read_pid(&self) -> Option<u32> {
        fs::read_to_string(&self.pid).ok()?.trim().parse().ok()
    }

    /// Removes the whole directory. To be called with the lock held: it goes in one step, so that nobody makes files
    /// in a directory that is being emptied.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let doomed = Path::new(RUN_DIR).join(format!("{REMOVED}{}-{}", self.lab, std::process::id()));
        // Of a process of the same id, before a crash.
        let _ = fs::remove_dir_all(&doomed);
        fs::rename(&self.directory, &doomed)?;
        match fs::remove_dir_all(&doomed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// Replaces the content of a file so that a crash leaves either the old or the new one.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_data()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_labs_name_cannot_leave_the_directory_of_labs() {
        for good in ["default", "ci-42", "a", "A_b.c"] {
            assert!(paths(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-x", "a/b", "a b", "a\0", "ü", &"x".repeat(33)] {
            assert!(paths(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn files_of_a_lab_lie_in_its_own_directory() {
        let paths = paths("shop").unwrap();
        assert_eq!(paths.socket, Path::new("/run/vpclab/shop/control.sock"));
        assert!(paths.attachments.starts_with(&paths.directory));
    }
}
