//! How does a program run inside a container that someone else made?
//!
//! The child enters every namespace the container's process lives in and takes over its root and working directory,
//! so that the container's own files are executed, with the privileges that process has and no more: its user, groups,
//! capabilities and "no new privileges". Its seccomp filter, the profile a security module gave it and its control
//! group's limits are not taken over. A process id namespace holds only children, so the child forks once more: the
//! one that stays outside passes signals on, stops and continues with the program, and ends as the program ends.

use std::ffi::{OsStr, c_int};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::{Mode, fstat};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, chroot, fchdir, setgroups};

use super::ProcessError;
use super::privileges::Privileges;

/// In the order they are entered. The user namespace comes last: its root may not enter the others.
const NAMESPACES: [(&str, CloneFlags); 7] = [
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("net", CloneFlags::CLONE_NEWNET),
    ("pid", CloneFlags::CLONE_NEWPID),
    ("mnt", CloneFlags::CLONE_NEWNS),
    ("user", CloneFlags::CLONE_NEWUSER),
];

/// All the child needs, opened before the fork.
struct Entry {
    namespaces: Vec<(CloneFlags, OwnedFd)>,
    root: OwnedFd,
    working_directory: OwnedFd,
    privileges: Privileges,
}

/// A command that runs `program`, looked up among the container's own files, in everything that process `pid` lives
/// in: namespaces, root and working directory, as the user and with the capabilities that process has. The spawned process stays outside the container's process ids and
/// stands for the program: it passes signals on and ends with its exit code or signal; killing it kills the program.
///
/// # Errors
/// [`ProcessError::NoSuchProcess`] when the process is gone or not ours to enter.
pub fn enter_container(pid: u32, program: impl AsRef<OsStr>) -> Result<Command, ProcessError> {
    let entry =
        Entry::open(pid).map_err(|errno| ProcessError::NoSuchProcess { pid, source: errno.into() })?;
    let mut command = Command::new(program);
    // SAFETY: between fork and exec the closure makes system calls only, on descriptors opened above; it allocates
    // nothing and takes no lock. The second fork copies a process that is single-threaded since the first.
    unsafe { command.pre_exec(move || entry.enter().map_err(io::Error::from)) };
    Ok(command)
}

impl Entry {
    fn open(pid: u32) -> Result<Self, Errno> {
        // Everything is opened through one directory, so that no other process that inherits the id slips in.
        let path = format!("/proc/{pid}");
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let process =
            open(path.as_str(), OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        let at = |name: &str, flags| openat(&process, name, flags, Mode::empty());
        let mut namespaces = Vec::new();
        for (name, flag) in NAMESPACES {
            let fd = match at(&format!("ns/{name}"), flags) {
                // A kernel built without this kind of namespace.
                Err(Errno::ENOENT) if name != "net" && name != "mnt" => continue,
                other => other?,
            };
            let theirs = fstat(&fd)?;
            let ours = fs::metadata(format!("/proc/self/ns/{name}"))
                .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
            // Entering one's own is pointless, and for the user namespace an error.
            if (theirs.st_dev, theirs.st_ino) != (ours.dev(), ours.ino()) {
                namespaces.push((flag, fd));
            }
        }
        let directory = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let other_users = namespaces.iter().any(|(flag, _)| *flag == CloneFlags::CLONE_NEWUSER);
        let privileges = Privileges::read(&process, other_users)?;
        let (root, working_directory) = (at("root", directory)?, at("cwd", directory)?);
        Ok(Self { namespaces, root, working_directory, privileges })
    }

    fn enter(&self) -> Result<(), Errno> {
        let entered = |wanted| self.namespaces.iter().find(|(flag, _)| *flag == wanted);
        // Until exec this process is our own program with our rights: nobody inside may trace it or open its files.
        nix::sys::prctl::set_dumpable(false)?;
        for (flag, fd) in self.namespaces.iter().filter(|(flag, _)| *flag != CloneFlags::CLONE_NEWUSER) {
            match setns(fd, *flag) {
                // A control group is an account, not a view: without it the program runs as well.
                Err(_) if *flag == CloneFlags::CLONE_NEWCGROUP => {}
                other => other?,
            }
        }
        // A mount namespace is entered at its own root; the container's may be another.
        fchdir(self.root.as_fd())?;
        chroot(c".")?;
        fchdir(self.working_directory.as_fd())?;
        let forks = entered(CloneFlags::CLONE_NEWPID).is_some();
        if forks {
            continue_as_child()?;
        }
        if let Some((flag, fd)) = entered(CloneFlags::CLONE_NEWUSER) {
            // Inside, setgroups may be forbidden.
            match setgroups(&[]) {
                // Where it is forbidden outside already, so it was to all who live inside: their groups are ours.
                Err(Errno::EPERM) => {}
                other => other?,
            }
            setns(fd, *flag)?;
        }
        self.privileges.take_on()?;
        if forks {
            // Last, as a change of user clears it.
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        }
        Ok(())
    }
}

/// Forks; the child returns and becomes the program, the parent stands in for it and never returns.
fn continue_as_child() -> Result<(), Errno> {
    // SAFETY: a sigset is a plain value that sigfillset initialises; both masks live on this stack throughout.
    let (all, mut before) = unsafe {
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&raw mut all);
        (all, std::mem::zeroed::<libc::sigset_t>())
    };
    // SAFETY: both pointers are to whole sigsets. Signals wait until the stand-in collects them.
    Errno::result(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const all, &raw mut before) })?;
    // SAFETY: signal takes an integer and a constant. Were SIGCHLD ignored, the kernel would forget how the child ended.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    // SAFETY: this process is the single-threaded child of the first fork, so the copy is complete; both sides make
    // async-signal-safe calls only.
    let child = Errno::result(unsafe { libc::fork() })?;
    if child != 0 {
        stand_in(child, &all);
    }
    // SAFETY: the mask is the one saved above.
    Errno::result(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) })?;
    Ok(())
}

/// Waits for the program, passes on what is sent to it, and ends as it ends.
fn stand_in(child: libc::pid_t, all: &libc::sigset_t) -> ! {
    // Whoever spawned us waits for every copy of its error pipe to close; a terminal's end must be seen, too.
    // SAFETY: no descriptor is used below, and this process never returns to code that owns one.
    unsafe { libc::syscall(libc::SYS_close_range, 0_u32, u32::MAX, 0_u32) };
    loop {
        // SAFETY: siginfo_t is plain data the call fills; both pointers outlive it.
        let (signal, info) = unsafe {
            let mut info = std::mem::zeroed::<libc::siginfo_t>();
            (libc::sigwaitinfo(all, &raw mut info), info)
        };
        match signal {
            libc::SIGCHLD => report(child),
            // A terminal's interrupts go to its whole foreground group: the program has them already.
            libc::SIGINT | libc::SIGQUIT | libc::SIGTSTP if info.si_code > 0 => {}
            signal if signal > 0 => {
                // SAFETY: kill takes integers; the child is not reaped before `report` ends this process.
                unsafe { libc::kill(child, signal) };
            }
            _ => {}
        }
    }
}

/// Follows what became of the child: ends as it ended, stops while it is stopped.
fn report(child: libc::pid_t) {
    match waitpid(Pid::from_raw(child), Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
        Ok(WaitStatus::Exited(_, code)) => end(code),
        Ok(WaitStatus::Signaled(_, signal, _)) => {
            // SAFETY: plain system calls on integers and a whole sigset: the default action of the signal ends this
            // process, as it ended the child; a core of this one would be of no use.
            unsafe {
                let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
                libc::signal(signal as c_int, libc::SIG_DFL);
                let mut none = std::mem::zeroed::<libc::sigset_t>();
                libc::sigemptyset(&raw mut none);
                libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
                libc::raise(signal as c_int);
            }
            end(128 + signal as c_int)
        }
        Ok(WaitStatus::Stopped(..)) => {
            // SAFETY: plain system calls on integers. SIGSTOP cannot be blocked: the next line runs when continued.
            unsafe {
                libc::raise(libc::SIGSTOP);
                libc::kill(child, libc::SIGCONT);
            }
        }
        Err(_) => end(255),
        Ok(_) => {}
    }
}

fn end(code: c_int) -> ! {
    // SAFETY: _exit ends the process at once and runs no handler of the program this was forked from.
    unsafe { libc::_exit(code) }
}
