//! How is a lab ended from outside, whether its daemon lives or not?
//!
//! A living daemon is asked and waited for: it knows best what is its own. What a dead one has left is removed here, also
//! where it dies while it is asked: a process that is killed holds its socket and its lock for a moment longer. In all
//! cases programs that `vpclab exec` started are ended, and all who live on are named: what was attached, and
//! strangers in the lab's namespaces.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, ClientError, anothers};
use crate::guest::Ground;
use crate::leftovers::{self, Lives};
use crate::line::Tokens;
use crate::paths::{InvalidLabName, LOCK_WAIT, paths};

/// How long a daemon has for its orderly end.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What became of a lab.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Down {
    /// Whether a daemon was alive and ended in order.
    pub was_running: bool,
    /// What a dead daemon had left and is removed now.
    pub removed: Vec<String>,
    /// Programs that `vpclab exec` had started and that were ended, as in `nc (42) in web-1`.
    pub ended: Vec<String>,
    /// Who goes on without the lab's network and what could not be removed, in sentences.
    pub left: Vec<String>,
}

/// Why a lab is not down.
#[derive(Debug, thiserror::Error)]
pub enum DownError {
    /// The name cannot be a lab's.
    #[error(transparent)]
    InvalidLabName(#[from] InvalidLabName),
    /// There is neither a daemon nor anything that one has left.
    #[error("no lab named {0} is running")]
    NoSuchLab(String),
    /// The daemon refused or does not answer, or the lab is another user's.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The daemon has not ended in time.
    #[error(
        "the daemon of lab {lab}{} has not ended within 120 seconds; look at its log",
        pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
    )]
    TimedOut {
        /// The lab.
        lab: String,
        /// The process id of its daemon.
        pid: Option<u32>,
    },
    /// The lab's files cannot be read or removed.
    #[error("{path}: {source}")]
    Files {
        /// The directory.
        path: String,
        /// What the system says.
        source: io::Error,
    },
}

/// Ends a lab: asks a living daemon and waits until it has removed everything, or removes what a dead one has left.
/// Programs that `vpclab exec` started in the lab's own namespaces are asked to end, and killed a second later; no
/// other process is ever ended. All are named.
///
/// # Errors
/// [`DownError`].
pub fn down(lab: &str) -> Result<Down, DownError> {
    let paths = paths(lab)?;
    let files = |source| DownError::Files { path: paths.directory.display().to_string(), source };
    let client = Client::new(lab)?;
    let pid = paths.read_pid();
    let mut down = Down::default();
    let deadline = Instant::now() + PATIENCE;
    // Since when the daemon breaks off, if it does.
    let mut broken = None;
    loop {
        if !paths.directory.exists() {
            // Only a daemon that ends in order removes it, whether its answer came through or not.
            down.was_running |= broken.is_some();
            return if down.was_running { Ok(down) } else { Err(DownError::NoSuchLab(lab.to_owned())) };
        }
        let lock = match paths.try_lock() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(ClientError::from(anothers(lab)).into());
            }
            other => other.map_err(files)?,
        };
        if lock.is_some() {
            // With a lock in hand the daemon is dead, or died while it was waited for.
            let ground =
                Ground { paths: paths.clone(), plain_devices: false, tokens: Arc::new(Tokens::default()) };
            let attachments = leftovers::sweep_attachments(&ground);
            let own = leftovers::sweep(&ground, &BTreeSet::new(), Lives::Ended);
            down.removed.extend(attachments.removed.into_iter().chain(own.removed));
            down.ended.extend(own.ended);
            down.left.extend(attachments.left.into_iter().chain(own.left));
            paths.remove().map_err(files)?;
            return Ok(down);
        }
        if !down.was_running {
            match client.shutdown() {
                Ok(told) => {
                    down.was_running = true;
                    (down.ended, down.left) = (told.ended, told.left);
                }
                // It held the lock and does not listen: it starts, ends or has died right now.
                Err(ClientError::NotReady(_) | ClientError::Crashed(_) | ClientError::NoSuchLab(_)) => {}
                Err(error @ ClientError::Broken(_)) => {
                    let since = broken.get_or_insert_with(Instant::now);
                    if since.elapsed() > LOCK_WAIT {
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        if Instant::now() > deadline {
            return Err(DownError::TimedOut { lab: lab.to_owned(), pid });
        }
        thread::sleep(LOOK_AGAIN);
    }
}
