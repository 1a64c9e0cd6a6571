//! Which network namespace, and how does one act inside it?
//!
//! A [`Netns`] is an open handle: the namespace cannot vanish or be replaced under it. What always holds: the
//! calling thread stays where it is (a helper thread enters and ends), and named namespaces are exactly those of
//! `ip netns`: a bind mount at `/run/netns/NAME`. Left to others: what is inside ([`crate::link`],
//! [`crate::process`]).

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, fstat};

use crate::{ioctl, link};

/// Where `ip netns` keeps its names.
const RUN_DIR: &str = "/run/netns";
const NO_FS: Option<&str> = None;

/// An open network namespace.
#[derive(Debug)]
pub struct Netns {
    fd: OwnedFd,
    id: (u64, u64),
    name: Option<String>,
}

/// Why a namespace could not be made, opened, entered or deleted.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// The name cannot be a file's name.
    #[error("{0:?} cannot be a network namespace's name: 1 to 255 bytes, without '/', not '.' or '..'")]
    InvalidName(String),
    /// The name is taken.
    #[error("a network namespace named {0} exists already")]
    Exists(String),
    /// There is none of that name.
    #[error("there is no network namespace named {0}")]
    NotFound(String),
    /// There is no such process.
    #[error("there is no process {0}, or its namespaces are not ours to see")]
    NoSuchProcess(u32),
    /// The path exists and is something else.
    #[error("{} is not a network namespace", .0.display())]
    NotANamespace(PathBuf),
    /// What was to be done inside ended in a panic; the message is the panic's.
    #[error("what was done inside a network namespace failed unexpectedly: {0}")]
    Panicked(String),
    /// The kernel refused.
    #[error("{what}: {source}")]
    Refused {
        /// What was tried.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Netns {
    /// Makes a namespace and names it, as `ip netns add` does, with its loopback up and unprivileged ping allowed.
    ///
    /// # Errors
    /// [`NetnsError::Exists`] when the name is taken; without `CAP_SYS_ADMIN` a refusal. Nothing is left behind then.
    pub fn create(name: &str) -> Result<Self, NetnsError> {
        let path = path_of(name)?;
        prepare_run_dir()?;
        let target = OpenOptions::new().read(true).write(true).create_new(true).mode(0o444).open(&path);
        match target {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(NetnsError::Exists(name.to_owned()));
            }
            Err(error) => return Err(refused(format!("creating {}", path.display()), error)),
        }
        let made = in_thread(|| -> Result<(), Errno> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            mount(Some("/proc/thread-self/ns/net"), &path, NO_FS, MsFlags::MS_BIND, NO_FS)
        });
        let made = made.and_then(|made| {
            made.map_err(|errno| refused(format!("creating the network namespace {name}"), errno.into()))?;
            let netns = Self::open_name(name)?;
            link::prepare(&netns).map_err(|error| {
                refused(format!("preparing the network namespace {name}"), io::Error::other(error))
            })?;
            Ok(netns)
        });
        if made.is_err() {
            let _ = umount2(&path, MntFlags::MNT_DETACH);
            let _ = fs::remove_file(&path);
        }
        made
    }

    /// Opens the namespace that a file stands for, such as `/run/netns/web` or `/proc/42/ns/net`.
    ///
    /// # Errors
    /// [`NetnsError::NotANamespace`] for any other file.
    pub fn open_path(path: &Path) -> Result<Self, NetnsError> {
        let file = File::open(path).map_err(|error| refused(format!("opening {}", path.display()), error))?;
        let name = path.strip_prefix(RUN_DIR).ok().and_then(|name| name.to_str()).map(str::to_owned);
        Self::from_fd(file.into(), name).map_err(|()| NetnsError::NotANamespace(path.to_owned()))
    }

    /// Opens a namespace by the name `ip netns` knows it by.
    ///
    /// # Errors
    /// [`NetnsError::NotFound`]; [`NetnsError::NotANamespace`] when a reboot or crash left only the file.
    pub fn open_name(name: &str) -> Result<Self, NetnsError> {
        let path = path_of(name)?;
        if !path.exists() {
            return Err(NetnsError::NotFound(name.to_owned()));
        }
        Self::open_path(&path)
    }

    /// Opens the namespace that a process lives in.
    ///
    /// # Errors
    /// [`NetnsError::NoSuchProcess`].
    pub fn of_process(pid: u32) -> Result<Self, NetnsError> {
        let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
        let file = File::open(&path).map_err(|_| NetnsError::NoSuchProcess(pid))?;
        Self::from_fd(file.into(), None).map_err(|()| NetnsError::NotANamespace(path))
    }

    /// Opens the namespace of this process.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn host() -> Result<Self, NetnsError> {
        Self::of_process(std::process::id())
    }

    /// The inode that identifies the namespace, as in `net:[4026531840]`.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.id.1
    }

    /// The name it was made or opened by, if it was.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether both handles are of the same namespace.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// Device and inode of the namespace: what `stat` says of a process's `ns/net`.
    pub(crate) fn id(&self) -> (u64, u64) {
        self.id
    }

    /// Runs `work` inside the namespace on a thread of its own and returns what it returned. Descriptors made there
    /// (sockets, TAPs) stay in the namespace wherever they are used later.
    ///
    /// # Errors
    /// When the namespace cannot be entered (`CAP_SYS_ADMIN`) or no thread can be started; `work` did not run then.
    /// [`NetnsError::Panicked`] when `work` panicked.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        let entered = in_thread(|| setns(&self.fd, CloneFlags::CLONE_NEWNET).map(|()| work()))?;
        entered.map_err(|errno| refused("entering a network namespace".to_owned(), errno.into()))
    }

    /// The living processes in this namespace: id and command name, ordered by id.
    #[must_use]
    pub fn processes(&self) -> Vec<(u32, String)> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut processes: Vec<(u32, String)> = entries
            .filter_map(|entry| {
                let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
                let namespace = fs::metadata(entry.path().join("ns/net")).ok()?;
                if (namespace.dev(), namespace.ino()) != self.id {
                    return None;
                }
                let command = fs::read_to_string(entry.path().join("comm")).ok()?;
                Some((pid, command.trim_end().to_owned()))
            })
            .collect();
        processes.sort_unstable();
        processes
    }

    /// Removes a name as `ip netns delete` does. The namespace itself ends with its last process and handle.
    ///
    /// # Errors
    /// [`NetnsError::NotFound`]; without `CAP_SYS_ADMIN` a refusal.
    pub fn delete(name: &str) -> Result<(), NetnsError> {
        let path = path_of(name)?;
        match umount2(&path, MntFlags::MNT_DETACH) {
            // EINVAL: a file that nothing is mounted on, left by a crash between the two steps of creation.
            Ok(()) | Err(Errno::EINVAL) => {}
            Err(Errno::ENOENT) => return Err(NetnsError::NotFound(name.to_owned())),
            Err(errno) => return Err(refused(format!("unmounting {}", path.display()), errno.into())),
        }
        fs::remove_file(&path).map_err(|error| refused(format!("removing {}", path.display()), error))
    }

    /// Every name `ip netns list` shows, in order.
    #[must_use]
    pub fn list() -> Vec<String> {
        let entries = fs::read_dir(RUN_DIR).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    /// Whether the name is taken.
    #[must_use]
    pub fn exists(name: &str) -> bool {
        path_of(name).is_ok_and(|path| path.exists())
    }

    fn from_fd(fd: OwnedFd, name: Option<String>) -> Result<Self, ()> {
        let kind = ioctl::namespace_type(&fd).map_err(drop)?;
        if kind != CloneFlags::CLONE_NEWNET.bits() {
            return Err(());
        }
        let metadata = fstat(&fd).map_err(drop)?;
        Ok(Self { fd, id: (metadata.st_dev, metadata.st_ino), name })
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Runs `work` on a thread that ends afterwards, so that whatever it does to its namespaces ends with it.
fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("in-netns".to_owned())
            .spawn_scoped(scope, work)
            .map_err(|error| refused("starting a thread".to_owned(), error))?;
        thread.join().map_err(|panic| NetnsError::Panicked(message(&*panic)))
    })
}

/// What a panic says: the text of `panic!` and its kin, where it is one.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
}

/// Makes `/run/netns` a shared mount point, so that names made here show in other mount namespaces and their
/// removal frees them everywhere (ip-netns(8)). A lock keeps two makers from mounting it twice.
fn prepare_run_dir() -> Result<(), NetnsError> {
    let refused = |error: io::Error| refused(format!("preparing {RUN_DIR}"), error);
    fs::DirBuilder::new().recursive(true).mode(0o755).create(RUN_DIR).map_err(refused)?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let dir = nix::fcntl::open(RUN_DIR, flags, Mode::empty()).map_err(|errno| refused(errno.into()))?;
    let _lock =
        Flock::lock(File::from(dir), FlockArg::LockExclusive).map_err(|(_, errno)| refused(errno.into()))?;
    let share = || mount(NO_FS, RUN_DIR, NO_FS, MsFlags::MS_SHARED | MsFlags::MS_REC, NO_FS);
    match share() {
        Ok(()) => Ok(()),
        // EINVAL: not a mount point yet.
        Err(Errno::EINVAL) => mount(Some(RUN_DIR), RUN_DIR, NO_FS, MsFlags::MS_BIND | MsFlags::MS_REC, NO_FS)
            .and_then(|()| share())
            .map_err(|errno| refused(errno.into())),
        Err(errno) => Err(refused(errno.into())),
    }
}

fn path_of(name: &str) -> Result<PathBuf, NetnsError> {
    let bad = name.is_empty() || name.len() > 255 || matches!(name, "." | "..") || name.contains(['/', '\0']);
    if bad { Err(NetnsError::InvalidName(name.to_owned())) } else { Ok(Path::new(RUN_DIR).join(name)) }
}

fn refused(what: String, source: io::Error) -> NetnsError {
    NetnsError::Refused { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_the_directory_of_names() {
        for bad in ["", ".", "..", "../etc/passwd", "a/b", "a\0b", &"x".repeat(256)] {
            assert!(matches!(Netns::open_name(bad), Err(NetnsError::InvalidName(_))), "{bad:?}");
            assert!(matches!(Netns::delete(bad), Err(NetnsError::InvalidName(_))), "{bad:?}");
        }
    }

    #[test]
    fn an_ordinary_file_is_not_a_namespace() {
        let error = Netns::open_path(Path::new("/proc/self/status")).unwrap_err();
        assert!(matches!(error, NetnsError::NotANamespace(_)), "{error}");
        let error = Netns::open_path(Path::new("/proc/self/ns/uts")).unwrap_err();
        assert!(matches!(error, NetnsError::NotANamespace(_)), "{error}");
    }
}
