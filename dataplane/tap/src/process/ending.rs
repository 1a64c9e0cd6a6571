//! Which programs did we start inside an instance, and how are they ended?
//!
//! A program that [`InstanceEnvironment::command`](super::InstanceEnvironment::command) started sees files of the
//! instance's directory in place of the host's; so do its children, whatever they do to their names and environment.
//! That mount, inside the namespace, is what tells ours from a stranger's. What always holds: only such programs are
//! signalled, and through a descriptor of the process, so that no other that inherits its id is ever hit.

use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::netns::Netns;

/// A killed process is gone within this time, or hangs in the kernel.
const AFTER_KILL: Duration = Duration::from_secs(1);
/// A program that forks faster than it is killed is given up after so many rounds.
const KILLS: usize = 10;

/// Where programs were started: a namespace, and the directory whose files they see.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The namespace they live in.
    pub netns: &'a Netns,
    /// The directory on the host.
    pub files: &'a Path,
}

/// Who lives in a place: id and command name, ordered by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inhabitants {
    /// What we started there, with its children.
    pub programs: Vec<(u32, String)>,
    /// Whoever else.
    pub strangers: Vec<(u32, String)>,
}

/// A process in one of the places.
struct Inhabitant {
    place: usize,
    pid: u32,
    command: String,
    is_ours: bool,
    process: OwnedFd,
}

/// Who lives in each of these places.
#[must_use]
pub fn inhabitants(places: &[Place<'_>]) -> Vec<Inhabitants> {
    let mut found = vec![Inhabitants::default(); places.len()];
    for Inhabitant { place, pid, command, is_ours, .. } in find(places) {
        let Inhabitants { programs, strangers } = &mut found[place];
        if is_ours { programs } else { strangers }.push((pid, command));
    }
    found
}

/// Asks our programs in these places to end (SIGTERM), kills those that have not after `patience` (SIGKILL), and
/// returns all that were asked: id and command name, for each place, ordered by id.
pub fn end_programs(places: &[Place<'_>], patience: Duration) -> Vec<Vec<(u32, String)>> {
    let mut ended = vec![Vec::new(); places.len()];
    let rounds = std::iter::once((Signal::SIGTERM, patience));
    for (signal, patience) in rounds.chain(std::iter::repeat_n((Signal::SIGKILL, AFTER_KILL), KILLS)) {
        let mut found = find(places);
        found.retain(|inhabitant| inhabitant.is_ours);
        if found.is_empty() {
            break;
        }
        for program in &found {
            // One that has ended meanwhile is what was wanted.
            let _ = send(&program.process, signal);
        }
        wait(&found, patience);
        for Inhabitant { place, pid, command, .. } in found {
            if !ended[place].iter().any(|(known, _)| *known == pid) {
                ended[place].push((pid, command));
            }
        }
    }
    ended.iter_mut().for_each(|programs| programs.sort_unstable());
    ended
}

fn find(places: &[Place<'_>]) -> Vec<Inhabitant> {
    let by_namespace: HashMap<(u64, u64), usize> =
        places.iter().enumerate().map(|(number, place)| (place.netns.id(), number)).collect();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<Inhabitant> = entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let directory = entry.path();
            let namespace = || {
                let metadata = fs::metadata(directory.join("ns/net")).ok()?;
                by_namespace.get(&(metadata.dev(), metadata.ino())).copied()
            };
            namespace()?;
            let process = open(pid).ok()?;
            // What is read from here on is of the process that is open, unless it has ended: then it is not signalled.
            let place = namespace()?;
            let mounts = fs::read_to_string(directory.join("mountinfo")).ok()?;
            let is_ours = sees_files_of(&mounts, places[place].files);
            let command = fs::read_to_string(directory.join("comm")).ok()?.trim_end().to_owned();
            Some(Inhabitant { place, pid, command, is_ours, process })
        })
        .collect();
    found.sort_unstable_by_key(|inhabitant| inhabitant.pid);
    found
}

/// Whether a file of `directory` is mounted, by the `mountinfo` of a process (proc_pid_mountinfo(5)). The fourth field
/// is a path within a file system that may itself be mounted anywhere above the directory: an end of our path, long
/// enough to mean nothing else.
fn sees_files_of(mountinfo: &str, directory: &Path) -> bool {
    mountinfo.lines().filter_map(|line| line.split(' ').nth(3)).any(|root| {
        let root = Path::new(root.strip_suffix("//deleted").unwrap_or(root));
        let parent = root.parent().and_then(|parent| parent.strip_prefix("/").ok());
        parent.is_some_and(|parent| parent.components().count() >= 2 && directory.ends_with(parent))
    })
}

fn open(pid: u32) -> Result<OwnedFd, Errno> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| Errno::ESRCH)?;
    // SAFETY: pidfd_open takes two integers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    let fd = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the descriptor was made by the call above and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn send(process: &OwnedFd, signal: Signal) -> Result<(), Errno> {
    let none: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: the descriptor is open while it is borrowed; without a siginfo the kernel makes its own.
    let sent = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal as libc::c_int, none, 0)
    };
    Errno::result(sent).map(drop)
}

/// Waits until all have ended, or `patience` is over. A process's descriptor is readable when it has ended.
fn wait(programs: &[Inhabitant], patience: Duration) {
    let deadline = Instant::now() + patience;
    for program in programs {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        // An interrupted wait only shortens the patience for one.
        let _ = poll(&mut [PollFd::new(program.process.as_fd(), PollFlags::POLLIN)], timeout);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_ours_by_the_files_it_sees() {
        let files = Path::new("/run/vpclab/shop/instances/web");
        let line = |root: &str| {
            format!(
                "22 1 0:5 / /proc rw - proc proc rw\n36 35 0:24 {root} /etc/resolv.conf rw - tmpfs tmpfs rw\n"
            )
        };
        for (root, ours) in [
            ("/vpclab/shop/instances/web/resolv.conf", true),
            ("/run/vpclab/shop/instances/web/hosts", true),
            ("/vpclab/shop/instances/web/resolv.conf//deleted", true),
            ("/vpclab/shop/instances/web-2/resolv.conf", false),
            ("/vpclab/other/instances/web/resolv.conf", false),
            ("/web/resolv.conf", false),
            ("/resolv.conf", false),
            ("/", false),
        ] {
            assert_eq!(sees_files_of(&line(root), files), ours, "{root}");
        }
    }
}
