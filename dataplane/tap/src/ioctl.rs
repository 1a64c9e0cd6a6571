//! Which requests does the TUN/TAP driver take? The numbers and flag bits of `linux/if_tun.h`, and one safe function
//! for each request this crate makes. Every function takes a descriptor of `/dev/net/tun`; on another file they fail
//! with `ENOTTY` or `EBADFD` and touch nothing.

use std::ffi::{c_int, c_short};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

pub(crate) const IFF_TAP: c_short = 0x0002;
pub(crate) const IFF_NAPI: c_short = 0x0010;
pub(crate) const IFF_NAPI_FRAGS: c_short = 0x0020;
pub(crate) const IFF_MULTI_QUEUE: c_short = 0x0100;
pub(crate) const IFF_NO_PI: c_short = 0x1000;
pub(crate) const IFF_VNET_HDR: c_short = 0x4000;

const TUN_F_CSUM: c_int = 0x01;
const TUN_F_TSO4: c_int = 0x02;
const TUN_F_TSO6: c_int = 0x04;
const TUN_F_TSO_ECN: c_int = 0x08;
const TUN_F_USO4: c_int = 0x20;
const TUN_F_USO6: c_int = 0x40;

/// Unsummed checksums and TCP superframes: what every kernel with a virtio header takes.
pub(crate) const OFFLOADS_TCP: c_int = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
/// The same and UDP superframes (Linux 6.2; the kernel takes both families or neither).
pub(crate) const OFFLOADS_ALL: c_int = OFFLOADS_TCP | TUN_F_USO4 | TUN_F_USO6;

mod raw {
    nix::ioctl_write_ptr_bad!(set_iff, libc::TUNSETIFF, libc::ifreq);
    nix::ioctl_read_bad!(get_iff, libc::TUNGETIFF, libc::ifreq);
    nix::ioctl_write_int_bad!(set_persist, libc::TUNSETPERSIST);
    nix::ioctl_write_int_bad!(set_offload, libc::TUNSETOFFLOAD);
    nix::ioctl_write_ptr_bad!(set_vnet_header_size, libc::TUNSETVNETHDRSZ, libc::c_int);
    nix::ioctl_read_bad!(get_vnet_header_size, libc::TUNGETVNETHDRSZ, libc::c_int);
    nix::ioctl_read_bad!(get_send_buffer, libc::TUNGETSNDBUF, libc::c_int);
    nix::ioctl_none!(namespace_type, 0xb7, 0x3);
}

/// Attaches the descriptor to the TAP `name` (created when absent) with these `flags` (`TUNSETIFF`). `name` is at
/// most 15 bytes; a longer one is `EINVAL`.
pub(crate) fn attach(fd: impl AsFd, name: &str, flags: c_short) -> Result<(), Errno> {
    let mut request = empty_request();
    if name.len() >= request.ifr_name.len() {
        return Err(Errno::EINVAL);
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_flags = flags;
    // SAFETY: the request is a whole, initialised ifreq that outlives the call, which is what TUNSETIFF reads and
    // writes back (it is passed by pointer; the driver writes only within it).
    unsafe { raw::set_iff(fd.as_fd().as_raw_fd(), &raw mut request) }.map(drop)
}

/// The flags the device has now (`TUNGETIFF`).
pub(crate) fn flags(fd: impl AsFd) -> Result<c_short, Errno> {
    let mut request = empty_request();
    // SAFETY: TUNGETIFF writes one ifreq to the pointer, which is one.
    unsafe { raw::get_iff(fd.as_fd().as_raw_fd(), &raw mut request) }?;
    // SAFETY: TUNGETIFF fills the flags member of the union; the whole union was zeroed before, so that it is
    // initialised in any case, and every bit pattern is a c_short.
    Ok(unsafe { request.ifr_ifru.ifru_flags })
}

/// Whether the device outlives its last descriptor (`TUNSETPERSIST`).
pub(crate) fn set_persist(fd: impl AsFd, persist: bool) -> Result<(), Errno> {
    // SAFETY: TUNSETPERSIST takes a plain integer, no pointer.
    unsafe { raw::set_persist(fd.as_fd().as_raw_fd(), c_int::from(persist)) }.map(drop)
}

/// Which unfinished frames the kernel may hand over (`TUNSETOFFLOAD`).
pub(crate) fn set_offloads(fd: impl AsFd, offloads: c_int) -> Result<(), Errno> {
    // SAFETY: TUNSETOFFLOAD takes a plain integer, no pointer.
    unsafe { raw::set_offload(fd.as_fd().as_raw_fd(), offloads) }.map(drop)
}

/// Bytes of virtio header before each frame (`TUNSETVNETHDRSZ`).
pub(crate) fn set_vnet_header_size(fd: impl AsFd, size: c_int) -> Result<(), Errno> {
    // SAFETY: TUNSETVNETHDRSZ reads one int from the pointer, which points to one.
    unsafe { raw::set_vnet_header_size(fd.as_fd().as_raw_fd(), &raw const size) }.map(drop)
}

/// Bytes of virtio header before each frame now (`TUNGETVNETHDRSZ`).
pub(crate) fn vnet_header_size(fd: impl AsFd) -> Result<c_int, Errno> {
    let mut size = 0;
    // SAFETY: TUNGETVNETHDRSZ writes one int to the pointer, which points to one.
    unsafe { raw::get_vnet_header_size(fd.as_fd().as_raw_fd(), &raw mut size) }?;
    Ok(size)
}

/// The bytes the kernel lets us have in flight (`TUNGETSNDBUF`); `INT_MAX` is "no limit" and the fast path's premise.
pub(crate) fn send_buffer(fd: impl AsFd) -> Result<c_int, Errno> {
    let mut size = 0;
    // SAFETY: TUNGETSNDBUF writes one int to the pointer, which points to one.
    unsafe { raw::get_send_buffer(fd.as_fd().as_raw_fd(), &raw mut size) }?;
    Ok(size)
}

/// The `CLONE_NEW*` number of the namespace a descriptor refers to (`NS_GET_NSTYPE`, ioctl_ns(2)).
pub(crate) fn namespace_type(fd: impl AsFd) -> Result<c_int, Errno> {
    // SAFETY: NS_GET_NSTYPE takes no argument and only answers with a number.
    unsafe { raw::namespace_type(fd.as_fd().as_raw_fd()) }
}

fn empty_request() -> libc::ifreq {
    // SAFETY: ifreq is a C struct of integers, arrays and a union of such; all zeroes is a value of it.
    unsafe { std::mem::zeroed() }
}
