//! Can this machine run the `live` level, and if not, what is missing?
//!
//! The answer comes from doing it: a throw-away namespace and a TAP inside, gone when the thread ends.

use std::fs;
use std::thread;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;

use crate::ioctl;

/// What the `live` level lacks here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// The process may not change networks.
    #[error("the live level needs root: this process lacks {0}")]
    Privilege(&'static str),
    /// There is no TUN/TAP driver.
    #[error(
        "the live level needs /dev/net/tun, which does not exist here: load the module `tun`, or start the container with --device /dev/net/tun"
    )]
    NoTunDevice,
    /// The driver's device is there and cannot be used.
    #[error("the live level needs TAP devices, and /dev/net/tun refuses: {0}")]
    TunRefused(Errno),
    /// The kernel makes no network namespaces.
    #[error("the live level needs network namespaces, and the kernel refuses one: {0}")]
    NoNamespaces(Errno),
    /// The test could not be made.
    #[error("the live level cannot be tried here: {0}")]
    Unknown(String),
}

const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;

/// Whether TAP devices in network namespaces can be made here.
///
/// # Errors
/// [`Missing`] says in a sentence what to provide.
pub fn capability() -> Result<(), Missing> {
    let status =
        fs::read_to_string("/proc/self/status").map_err(|error| Missing::Unknown(error.to_string()))?;
    let held = effective_capabilities(&status)
        .ok_or_else(|| Missing::Unknown("no CapEff in /proc/self/status".into()))?;
    for (bit, name) in [(CAP_NET_ADMIN, "CAP_NET_ADMIN"), (CAP_SYS_ADMIN, "CAP_SYS_ADMIN")] {
        if held & (1 << bit) == 0 {
            return Err(Missing::Privilege(name));
        }
    }
    let attempt = thread::Builder::new().name("capability".to_owned()).spawn(try_live);
    let attempt = attempt.map_err(|error| Missing::Unknown(error.to_string()))?;
    attempt.join().map_err(|_| Missing::Unknown("the attempt did not end".to_owned()))?
}

fn try_live() -> Result<(), Missing> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(Missing::NoNamespaces)?;
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let fd = nix::fcntl::open("/dev/net/tun", flags, Mode::empty()).map_err(|errno| match errno {
        Errno::ENOENT | Errno::ENXIO | Errno::ENODEV => Missing::NoTunDevice,
        errno => Missing::TunRefused(errno),
    })?;
    ioctl::attach(&fd, "live", ioctl::IFF_TAP | ioctl::IFF_NO_PI).map_err(Missing::TunRefused)
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capability_mask_is_read_from_the_process_status() {
        assert_eq!(effective_capabilities("Name:\tx\nCapEff:\t0000000000001000\n"), Some(1 << CAP_NET_ADMIN));
        assert_eq!(effective_capabilities("Name:\tx\n"), None);
        assert_eq!(effective_capabilities("CapEff:\tzz\n"), None);
    }

    #[test]
    fn what_is_missing_is_said_in_a_sentence() {
        let sentence = Missing::Privilege("CAP_NET_ADMIN").to_string();
        assert_eq!(sentence, "the live level needs root: this process lacks CAP_NET_ADMIN");
        assert!(Missing::NoTunDevice.to_string().contains("/dev/net/tun"));
    }
}
