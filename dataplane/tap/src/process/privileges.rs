//! What may a program inside somebody else's process environment do? No more than the process that lives there.
//!
//! User and groups, the five capability sets and the "no new privileges" bit are read off `/proc/PID/status` before
//! the fork and taken on right before exec. What always holds: nothing is ever gained, a capability the caller has
//! not is left out. Seccomp filters, profiles of security modules and control groups are not readable as privileges
//! and are not taken over.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// What a process may do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Privileges {
    /// Real, effective and saved.
    users: [u32; 3],
    groups: [u32; 3],
    supplementary: Vec<Gid>,
    inheritable: u64,
    permitted: u64,
    effective: u64,
    bounding: u64,
    ambient: u64,
    no_new_privileges: bool,
}

/// `uid_map` or `gid_map`: first id inside, first id outside, how many.
type IdMap = Vec<(u32, u32, u32)>;

/// The kernel's `__user_cap_header_struct`.
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: libc::c_int,
}

/// The kernel's `__user_cap_data_struct`: 32 capabilities of each set.
#[repr(C)]
#[derive(Clone, Copy)]
struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: two words of each set.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

impl Privileges {
    /// Those of the process whose directory in `/proc` this is; `other_users` says whether it lives in another user
    /// namespace than we, whose numbers are the ones to take on then.
    ///
    /// # Errors
    /// When the process is gone, or is a user that its own namespace does not know.
    pub(super) fn read(process: &OwnedFd, other_users: bool) -> Result<Self, Errno> {
        let status = Status(text(process, "status")?);
        let map = |name| {
            if other_users { text(process, name).and_then(|text| id_map(&text)).map(Some) } else { Ok(None) }
        };
        Self::from_status(&status, map("uid_map")?.as_ref(), map("gid_map")?.as_ref())
    }

    fn from_status(status: &Status, users: Option<&IdMap>, groups: Option<&IdMap>) -> Result<Self, Errno> {
        let three = |name, map: Option<&IdMap>| -> Result<[u32; 3], Errno> {
            let mut ids = [0; 3];
            for (id, word) in ids.iter_mut().zip(status.words(name)?) {
                let outside = word.parse().map_err(|_| Errno::EIO)?;
                *id = inside(map, outside).ok_or(Errno::EOVERFLOW)?;
            }
            Ok(ids)
        };
        // A group the namespace does not know gives no rights in it.
        let supplementary = status.words("Groups")?.filter_map(|word| inside(groups, word.parse().ok()?));
        let bounding = status.set("CapBnd")?;
        let permitted = status.set("CapPrm")?;
        let inheritable = status.set("CapInh")? & bounding;
        Ok(Self {
            users: three("Uid", users)?,
            groups: three("Gid", groups)?,
            supplementary: supplementary.map(Gid::from_raw).collect(),
            inheritable,
            permitted,
            effective: status.set("CapEff")? & permitted,
            bounding,
            ambient: status.set("CapAmb")? & permitted & inheritable,
            no_new_privileges: status.words("NoNewPrivs")?.next() == Some("1"),
        })
    }

    /// Gives up all that the process has not. System calls only; the calling thread must be its process's only one.
    ///
    /// # Errors
    /// What the kernel refuses; the caller must not go on to run a program then.
    pub(super) fn take_on(&self) -> Result<(), Errno> {
        // A change of user would empty the sets before they can be set to the right ones; exec clears this.
        control(libc::PR_SET_KEEPCAPS, 1)?;
        for capability in 0..u64::BITS {
            let number = libc::c_ulong::from(capability);
            let held = self.bounding >> capability & 1 == 1;
            // One that the kernel does not know is an error, and not held by anybody.
            if !held && control(libc::PR_CAPBSET_READ, number) == Ok(1) {
                control(libc::PR_CAPBSET_DROP, number)?;
            }
        }
        match setgroups(&self.supplementary) {
            // The user namespace forbids it; groups from outside were given up before it was entered.
            Err(Errno::EPERM) => {}
            other => other?,
        }
        let [real, effective, saved] = self.groups.map(Gid::from_raw);
        setresgid(real, effective, saved)?;
        let [real, effective, saved] = self.users.map(Uid::from_raw);
        setresuid(real, effective, saved)?;
        let ours = permitted()?;
        set_capabilities(self.effective & ours, self.permitted & ours, self.inheritable & ours)?;
        ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
        let raised = self.ambient & ours;
        for capability in (0..u64::BITS).filter(|capability| raised >> capability & 1 == 1) {
            ambient(libc::PR_CAP_AMBIENT_RAISE, libc::c_ulong::from(capability))?;
        }
        if self.no_new_privileges {
            control(libc::PR_SET_NO_NEW_PRIVS, 1)?;
        }
        Ok(())
    }
}

/// The lines of a process's `status`.
struct Status(String);

impl Status {
    /// The words behind `name:`. A kernel that has no such line says nothing.
    fn words(&self, name: &str) -> Result<impl Iterator<Item = &str>, Errno> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::split_ascii_whitespace).ok_or(Errno::EIO)
    }

    fn set(&self, name: &str) -> Result<u64, Errno> {
        let word = self.words(name)?.next().ok_or(Errno::EIO)?;
        u64::from_str_radix(word, 16).map_err(|_| Errno::EIO)
    }
}

fn text(process: &OwnedFd, name: &str) -> Result<String, Errno> {
    let file = openat(process, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut text = String::new();
    let read = File::from(file).read_to_string(&mut text);
    read.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
    Ok(text)
}

fn id_map(text: &str) -> Result<IdMap, Errno> {
    let line = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some((next()?, next()?, next()?))
    };
    text.lines().map(|text| line(text).ok_or(Errno::EIO)).collect()
}

/// What the namespace calls an id that we call `outside`.
fn inside(map: Option<&IdMap>, outside: u32) -> Option<u32> {
    let Some(map) = map else { return Some(outside) };
    map.iter().find_map(|&(first_inside, first_outside, count)| {
        let offset = outside.checked_sub(first_outside).filter(|offset| *offset < count)?;
        first_inside.checked_add(offset)
    })
}

fn control(option: libc::c_int, argument: libc::c_ulong) -> Result<libc::c_int, Errno> {
    const NONE: libc::c_ulong = 0;
    // SAFETY: the options used here take one integer and no pointer; the rest must be zero.
    Errno::result(unsafe { libc::prctl(option, argument, NONE, NONE, NONE) })
}

fn ambient(operation: libc::c_int, capability: libc::c_ulong) -> Result<(), Errno> {
    const NONE: libc::c_ulong = 0;
    // SAFETY: PR_CAP_AMBIENT takes an operation and a capability's number; the rest must be zero.
    Errno::result(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, operation, capability, NONE, NONE) }).map(drop)
}

/// The capabilities that this thread may use.
fn permitted() -> Result<u64, Errno> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let mut data = [CapabilityData { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: capget reads a header and, for this version, writes two data structures: both are whole and live here.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) })?;
    Ok(u64::from(data[0].permitted) | u64::from(data[1].permitted) << 32)
}

fn set_capabilities(effective: u64, permitted: u64, inheritable: u64) -> Result<(), Errno> {
    let half = |set: u64, shift| u32::try_from(set >> shift & u64::from(u32::MAX)).unwrap_or_default();
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let data = [0, 32].map(|shift| CapabilityData {
        effective: half(effective, shift),
        permitted: half(permitted, shift),
        inheritable: half(inheritable, shift),
    });
    // SAFETY: capset reads a header and, for this version, two data structures: both are whole and live here.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tsleep\nUid:\t101000\t101000\t101000\t101000\nGid:\t100005\t100005\t100005\t100005\n\
        Groups:\t100007 4 \nNoNewPrivs:\t1\nCapInh:\t0000000000000401\nCapPrm:\t00000000a80425fb\n\
        CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000400\n";

    #[test]
    fn privileges_are_read_with_the_numbers_of_the_processs_own_user_namespace() {
        let map = id_map("         0     100000      65536\n").unwrap();
        let read = Privileges::from_status(&Status(STATUS.to_owned()), Some(&map), Some(&map)).unwrap();
        assert_eq!((read.users, read.groups), ([1000; 3], [5; 3]));
        assert_eq!(read.supplementary, [Gid::from_raw(7)], "group 4 does not exist inside");
        assert_eq!((read.permitted, read.bounding), (0xa804_25fb, 0xa804_25fb));
        assert_eq!((read.inheritable, read.ambient), (0x401, 0x400));
        assert!(read.no_new_privileges);
        let same = Privileges::from_status(&Status(STATUS.to_owned()), None, None).unwrap();
        assert_eq!(same.users, [101_000; 3]);
    }

    #[test]
    fn a_user_that_the_namespace_does_not_know_is_an_error() {
        let map = id_map("0 200000 10\n").unwrap();
        let read = Privileges::from_status(&Status(STATUS.to_owned()), Some(&map), Some(&map));
        assert_eq!(read, Err(Errno::EOVERFLOW));
        assert_eq!(Privileges::from_status(&Status(String::new()), None, None), Err(Errno::EIO));
    }
}
