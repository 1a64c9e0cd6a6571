//! How does a frame leave the kernel, and how does it go back?
//!
//! First and last on the line. Two devices stand behind [`Device`]: [`OffloadTap`] asks the kernel for the virtio
//! header, so that checksums stay unsummed and TCP and UDP superframes pass whole; [`PlainTap`] is an ordinary TAP
//! for where that is not wanted. What always holds: a device is made inside the namespace it serves, reads and
//! writes never block, every frame is preceded by [`VNET_LEN`] bytes of virtio header (all zero on a plain TAP), and
//! a device has one queue. Left to others: addresses and queueing discipline ([`crate::link`]), the meaning of the
//! header (`wire`).

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;
use vpclab_wire::VNET_LEN;

use crate::ioctl;
use crate::netns::{Netns, NetnsError};

/// A read buffer of this many bytes holds whatever a TAP can deliver: the virtio header, an Ethernet header with a
/// VLAN tag, and a superframe of 64 KiB. A shorter buffer truncates silently, as packet sockets do.
pub const READ_BUFFER_LEN: usize = VNET_LEN + 18 + 65_536;

/// A layer 2 device: whole frames, each after a virtio header of [`VNET_LEN`] bytes. One worker reads; any may write.
pub trait Device: Send + Sync {
    /// The descriptor to wait on: readable while frames wait.
    fn as_fd(&self) -> BorrowedFd<'_>;

    /// Reads one `[virtio header | Ethernet frame]` into `buf` and returns its length in bytes; `None` when no frame
    /// is waiting. A buffer shorter than the frame truncates it ([`READ_BUFFER_LEN`] never does).
    ///
    /// # Errors
    /// `EBADFD` when the device was deleted; other errors of read(2).
    fn read(&self, buf: &mut [u8]) -> io::Result<Option<usize>>;

    /// Hands one whole `[virtio header | Ethernet frame]` to the kernel, which runs the receiving stack before it
    /// returns.
    ///
    /// # Errors
    /// `EIO` while the link is down, `EINVAL` for a frame shorter than an Ethernet header or a header that does not
    /// fit its frame, `ENOMEM`/`EAGAIN` when the kernel has no buffer: the frame is lost, the device stays usable.
    fn write(&self, frame: &[u8]) -> io::Result<()>;

    /// Whether frames may be unfinished (checksum not summed, superframes), described by the virtio header.
    fn offloads(&self) -> bool;
}

/// A TAP with the virtio header, checksum and segmentation offloads, and the driver's fast path.
#[derive(Debug)]
pub struct OffloadTap {
    fd: OwnedFd,
    udp_segmentation: bool,
}

/// A TAP without a virtio header: frames come and go finished. The header that [`Device`] promises is all zero on
/// read and must say "finished" on write.
#[derive(Debug)]
pub struct PlainTap {
    interface: tun_tap::Iface,
}

/// Why a TAP could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The name cannot be a link's name.
    #[error(
        "{0:?} cannot be a link's name: 1 to 15 bytes, without '/', ':', '%' or white space, not '.' or '..'"
    )]
    InvalidName(String),
    /// Another process (or another device of this one) has the TAP open.
    #[error("another process has the TAP device {0} open")]
    Busy(String),
    /// A link of that name exists and is no TAP with one queue.
    #[error("a link named {0} exists that is not a TAP device with a single queue")]
    NotATap(String),
    /// `/dev/net/tun` is missing or cannot be opened.
    #[error("cannot open /dev/net/tun: {0}")]
    NoDriver(Errno),
    /// The process lacks `CAP_NET_ADMIN` in the user namespace that owns the network namespace.
    #[error("creating the TAP device {0} needs CAP_NET_ADMIN (root) in its network namespace")]
    NotPermitted(String),
    /// The kernel gave a device that would be slow or speak another format.
    #[error("the TAP device {name} is unusable: {what}")]
    Precondition {
        /// The device.
        name: String,
        /// What is not as it must be.
        what: &'static str,
    },
    /// Another refusal of the kernel.
    #[error("{what} of the TAP device {name}: {source}")]
    Refused {
        /// The device.
        name: String,
        /// What was asked.
        what: &'static str,
        /// What the kernel said.
        source: Errno,
    },
    /// The namespace could not be entered.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
}

impl OffloadTap {
    /// Opens the TAP `name` inside `netns`, creating it when absent. A persistent one left by a former process is
    /// taken over with its addresses and routes as they are.
    ///
    /// # Errors
    /// [`TapError::Busy`] while someone has it open; see [`TapError`] for the rest.
    pub fn open(netns: &Netns, name: &str) -> Result<Self, TapError> {
        check_name(name)?;
        netns.run(|| Self::open_here(name))?
    }

    /// Whether the device stays when this descriptor closes or the process dies (then `link::remove_where` ends it).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_persist(&self, persist: bool) -> io::Result<()> {
        Ok(ioctl::set_persist(&self.fd, persist)?)
    }

    /// Whether the kernel also hands over UDP superframes (Linux 6.2 and later).
    #[must_use]
    pub fn udp_segmentation(&self) -> bool {
        self.udp_segmentation
    }

    fn open_here(name: &str) -> Result<Self, TapError> {
        let refused = |what| move |source| TapError::Refused { name: name.to_owned(), what, source };
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open("/dev/net/tun", flags, Mode::empty()).map_err(TapError::NoDriver)?;
        ioctl::attach(&fd, name, ioctl::IFF_TAP | ioctl::IFF_NO_PI | ioctl::IFF_VNET_HDR)
            .map_err(|errno| attach_error(name, errno))?;
        let header = c_int::try_from(VNET_LEN).unwrap_or(c_int::MAX);
        ioctl::set_vnet_header_size(&fd, header).map_err(refused("setting the virtio header's size"))?;
        let udp_segmentation = match ioctl::set_offloads(&fd, ioctl::OFFLOADS_ALL) {
            Ok(()) => true,
            Err(Errno::EINVAL) => {
                ioctl::set_offloads(&fd, ioctl::OFFLOADS_TCP).map_err(refused("setting the offloads"))?;
                false
            }
            Err(errno) => return Err(refused("setting the offloads")(errno)),
        };
        let tap = Self { fd, udp_segmentation };
        match tap.unmet_precondition().map_err(refused("reading the state"))? {
            Some(what) => Err(TapError::Precondition { name: name.to_owned(), what }),
            None => Ok(tap),
        }
    }

    /// The premises of the driver's fast path for small frames (`tun_can_build_skb`) and of our frame format.
    fn unmet_precondition(&self) -> Result<Option<&'static str>, Errno> {
        let flags = ioctl::flags(&self.fd)?;
        let has = |flag| flags & flag != 0;
        let status = OFlag::from_bits_retain(fcntl(&self.fd, FcntlArg::F_GETFL)?);
        let checks = [
            (has(ioctl::IFF_TAP), "it is not a layer 2 device"),
            (has(ioctl::IFF_NO_PI), "it prefixes packet information"),
            (has(ioctl::IFF_VNET_HDR), "it has no virtio header"),
            (!has(ioctl::IFF_MULTI_QUEUE), "it has several queues, which hashes every packet"),
            (!has(ioctl::IFF_NAPI | ioctl::IFF_NAPI_FRAGS), "NAPI is on, which delays every packet"),
            (ioctl::vnet_header_size(&self.fd)? == 12, "its virtio header is not 12 bytes long"),
            (
                ioctl::send_buffer(&self.fd)? == c_int::MAX,
                "a send buffer limit was set, which disables the fast path",
            ),
            (status.contains(OFlag::O_NONBLOCK), "its descriptor blocks"),
        ];
        Ok(checks.into_iter().find(|(met, _)| !met).map(|(_, what)| what))
    }
}

impl Device for OffloadTap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn read(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        waiting(nix::unistd::read(&self.fd, buf))
    }

    fn write(&self, frame: &[u8]) -> io::Result<()> {
        nix::unistd::write(&self.fd, frame)?;
        Ok(())
    }

    fn offloads(&self) -> bool {
        true
    }
}

impl PlainTap {
    /// Opens the TAP `name` inside `netns`, creating it when absent, without a virtio header or offloads.
    ///
    /// # Errors
    /// [`TapError::Busy`] while someone has it open; see [`TapError`] for the rest.
    pub fn open(netns: &Netns, name: &str) -> Result<Self, TapError> {
        check_name(name)?;
        netns.run(|| Self::open_here(name))?
    }

    /// Whether the device stays when this descriptor closes or the process dies (then `link::remove_where` ends it).
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set_persist(&self, persist: bool) -> io::Result<()> {
        Ok(ioctl::set_persist(Device::as_fd(self), persist)?)
    }

    fn open_here(name: &str) -> Result<Self, TapError> {
        let refused = |what| move |source| TapError::Refused { name: name.to_owned(), what, source };
        let interface = tun_tap::Iface::without_packet_info(name, tun_tap::Mode::Tap).map_err(|error| {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
            if matches!(errno, Errno::ENOENT | Errno::ENXIO | Errno::ENODEV | Errno::EACCES) {
                return TapError::NoDriver(errno);
            }
            attach_error(name, errno)
        })?;
        let tap = Self { interface };
        // A persistent device remembers the offloads of a former owner, and without a header a superframe would
        // come as one impossible frame.
        ioctl::set_offloads(Device::as_fd(&tap), 0).map_err(refused("clearing the offloads"))?;
        let status = fcntl(Device::as_fd(&tap), FcntlArg::F_GETFL).map_err(refused("reading the state"))?;
        let status = OFlag::from_bits_retain(status) | OFlag::O_NONBLOCK;
        fcntl(Device::as_fd(&tap), FcntlArg::F_SETFL(status)).map_err(refused("unblocking"))?;
        Ok(tap)
    }
}

impl Device for PlainTap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the interface owns an open descriptor until it is dropped, and the returned borrow cannot outlive
        // `self`; nothing takes the descriptor out of the interface.
        unsafe { BorrowedFd::borrow_raw(self.interface.as_raw_fd()) }
    }

    fn read(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        let Some((header, frame)) = buf.split_at_mut_checked(VNET_LEN) else {
            return Err(short_buffer());
        };
        header.fill(0);
        match self.interface.recv(frame) {
            Ok(len) => Ok(Some(VNET_LEN + len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Errors also with `InvalidInput` when the virtio header asks for a checksum or for segmentation, which nobody
    /// behind a plain TAP would do.
    fn write(&self, frame: &[u8]) -> io::Result<()> {
        const NEEDS_CHECKSUM: u8 = 1;
        let Some((header, frame)) = frame.split_at_checked(VNET_LEN) else {
            return Err(short_buffer());
        };
        let (flags, segmentation) = (header[0], header[1]);
        if flags & NEEDS_CHECKSUM != 0 || segmentation != 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a plain TAP takes finished frames only",
            ));
        }
        self.interface.send(frame)?;
        Ok(())
    }

    fn offloads(&self) -> bool {
        false
    }
}

/// Whether the kernel takes `name` as a link's literal name (`dev_valid_name`; '%' would be a template).
fn check_name(name: &str) -> Result<(), TapError> {
    let bad = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b':' | b'%' | 0 | 0x0b);
    if name.is_empty() || name.len() > 15 || matches!(name, "." | "..") || name.bytes().any(bad) {
        return Err(TapError::InvalidName(name.to_owned()));
    }
    Ok(())
}

fn attach_error(name: &str, errno: Errno) -> TapError {
    let name = name.to_owned();
    match errno {
        Errno::EBUSY => TapError::Busy(name),
        Errno::EINVAL => TapError::NotATap(name),
        Errno::EPERM => TapError::NotPermitted(name),
        source => TapError::Refused { name, what: "creating or attaching", source },
    }
}

fn waiting(read: Result<usize, Errno>) -> io::Result<Option<usize>> {
    match read {
        Ok(len) => Ok(Some(len)),
        Err(Errno::EAGAIN) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn short_buffer() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the buffer is shorter than the virtio header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_the_kernel_would_reject_or_expand_never_reaches_it() {
        for good in ["eni-0", "a", "vpc.1_x", "fifteen-bytes-x"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in
            ["", ".", "..", "a/b", "tap%d", "a b", "a:1", "sixteen-bytes-xx", "tab\t", "vt\u{b}", "nul\0"]
        {
            assert!(matches!(check_name(bad), Err(TapError::InvalidName(_))), "{bad:?}");
        }
    }
}
