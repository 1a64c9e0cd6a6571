//! How is somebody else's file changed, and put back, without being led astray?
//!
//! A container's `resolv.conf` is looked up among the container's own files, where no link leads out, and is taken
//! only if it is a regular file of sane size. What always holds: what is written later is the very file that was read
//! (by device and inode), or nothing is. Left to others: what is written ([`crate::foreign`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use serde::{Deserialize, Serialize};

/// The largest file that is taken over, in bytes: a resolver reads far less.
const LIMIT: u64 = 64 * 1024;
const RESOLV_CONF: &str = "etc/resolv.conf";

/// A file of somebody else, as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Borrowed {
    device: u64,
    inode: u64,
    /// Where the host sees it, if it does. It outlives the process there.
    on_host: Option<PathBuf>,
    content: String,
}

impl Borrowed {
    /// The `resolv.conf` that process `pid` sees; `on_host` is where the host may see the same file.
    pub(crate) fn resolv_conf(pid: i32, on_host: Option<&Path>) -> io::Result<Self> {
        let file = inside(pid)?;
        let metadata = file.metadata()?;
        let content = content(&file)?;
        let (device, inode) = (metadata.dev(), metadata.ino());
        let borrowed = Self { device, inode, on_host: on_host.map(Path::to_owned), content };
        let same = borrowed.on_host().is_ok();
        Ok(Self { on_host: borrowed.on_host.filter(|_| same), ..borrowed })
    }

    /// Changes its content in place, as it may be mounted elsewhere; a file that has it already is left alone.
    pub(crate) fn write(&self, pid: Option<i32>, content: &str) -> io::Result<()> {
        // The host's view may be writable where the container's is not.
        let on_host = self.on_host();
        let file = match (on_host, pid) {
            (Ok(file), _) => file,
            (Err(_), Some(pid)) => self.check(inside(pid)?)?,
            (Err(error), None) => return Err(error),
        };
        if self::content(&file).is_ok_and(|present| present == content) {
            return Ok(());
        }
        let mut file = reopen(&file, OpenOptions::new().write(true).truncate(true))?;
        file.write_all(content.as_bytes())
    }

    /// Puts the content back. It is no error that the file is gone.
    pub(crate) fn restore(&self, pid: Option<i32>) -> io::Result<()> {
        match self.write(pid, &self.content) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// For the log.
    pub(crate) fn path(&self) -> String {
        self.on_host.as_ref().map_or_else(|| format!("/{RESOLV_CONF}"), |path| path.display().to_string())
    }

    fn on_host(&self) -> io::Result<File> {
        let path = self.on_host.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        self.check(OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?)
    }

    fn check(&self, file: File) -> io::Result<File> {
        let metadata = file.metadata()?;
        if (metadata.dev(), metadata.ino()) == (self.device, self.inode) {
            Ok(file)
        } else {
            Err(io::Error::other("another file has taken its place"))
        }
    }
}

/// The `resolv.conf` among the files of process `pid`, opened without any access.
fn inside(pid: i32) -> io::Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let root = OpenOptions::new().read(true).custom_flags(flags.bits()).open(format!("/proc/{pid}/root"))?;
    beneath(root.as_fd(), RESOLV_CONF)
}

/// Looks a file up as if `root` were the root directory: links of the file system stay in it, those of `/proc` are
/// not followed. A device or a pipe is not even opened.
fn beneath(root: impl AsFd, path: &str) -> io::Result<File> {
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(resolve);
    let file: OwnedFd = openat2(root, path, how)?;
    Ok(File::from(file))
}

fn content(file: &File) -> io::Result<String> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let too_long = || io::Error::other(format!("it is longer than {} KiB", LIMIT / 1024));
    if metadata.len() > LIMIT {
        return Err(too_long());
    }
    let mut content = String::new();
    reopen(file, OpenOptions::new().read(true))?.take(LIMIT + 1).read_to_string(&mut content)?;
    // It may have grown meanwhile.
    if content.len() as u64 > LIMIT { Err(too_long()) } else { Ok(content) }
}

/// The same file with access to its content.
fn reopen(file: &File, options: &OpenOptions) -> io::Result<File> {
    if !fs::metadata(format!("/proc/self/fd/{}", file.as_raw_fd()))?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    options.open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::UNIX_EPOCH;

    use super::*;

    /// A directory that stands for a container's root, and vanishes.
    struct Root(PathBuf);

    impl Root {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("vpclab-test-{}-root-{name}", std::process::id()));
            fs::create_dir_all(root.join("etc")).unwrap();
            Self(root)
        }

        fn read(&self) -> io::Result<String> {
            beneath(File::open(&self.0).unwrap(), RESOLV_CONF).and_then(|file| content(&file))
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_link_in_a_container_leads_to_a_file_of_the_container() {
        let root = Root::new("link");
        let file = root.0.join(RESOLV_CONF);
        symlink("/etc/passwd", &file).unwrap();
        assert_eq!(root.read().unwrap_err().kind(), io::ErrorKind::NotFound, "it has no /etc/passwd");
        fs::write(root.0.join("etc/passwd"), "its own").unwrap();
        assert_eq!(root.read().unwrap(), "its own");
        fs::remove_file(&file).unwrap();
        symlink("../../../../etc/passwd", &file).unwrap();
        assert_eq!(root.read().unwrap(), "its own");
        fs::remove_file(&file).unwrap();
        symlink("/proc/self/root/etc/passwd", &file).unwrap();
        assert!(root.read().is_err());
    }

    #[test]
    fn only_a_regular_file_of_sane_size_is_read() {
        let root = Root::new("size");
        let file = root.0.join(RESOLV_CONF);
        fs::write(&file, "x".repeat(64 * 1024)).unwrap();
        assert_eq!(root.read().unwrap().len(), 64 * 1024);
        fs::write(&file, "x".repeat(64 * 1024 + 1)).unwrap();
        assert!(root.read().unwrap_err().to_string().contains("64 KiB"));
        fs::remove_file(&file).unwrap();
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(
            root.read().unwrap_err().to_string().contains("regular file"),
            "and nobody waits for a writer"
        );
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(root.read().is_err());
    }

    #[test]
    fn what_is_put_back_is_put_where_it_was_and_nowhere_else() {
        let root = Root::new("back");
        let file = root.0.join("etc/hosts");
        fs::write(&file, "before").unwrap();
        let metadata = fs::metadata(&file).unwrap();
        let (device, inode) = (metadata.dev(), metadata.ino());
        let borrowed = Borrowed { device, inode, on_host: Some(file.clone()), content: "before".to_owned() };
        borrowed.write(None, "meanwhile, and longer").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "meanwhile, and longer");
        borrowed.restore(None).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "before");
        File::options().write(true).open(&file).unwrap().set_modified(UNIX_EPOCH).unwrap();
        borrowed.write(None, "before").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), UNIX_EPOCH, "it is not written again");
        fs::rename(&file, root.0.join("etc/old")).unwrap();
        borrowed.restore(None).unwrap();
        fs::write(&file, "another file").unwrap();
        assert!(borrowed.restore(None).is_err());
        fs::remove_file(&file).unwrap();
        symlink(root.0.join("etc/old"), &file).unwrap();
        assert!(borrowed.restore(None).is_err(), "a link is not the file");
        assert_eq!(fs::read_to_string(root.0.join("etc/old")).unwrap(), "before");
    }
}
