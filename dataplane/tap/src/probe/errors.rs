//! Who says that a port is unreachable?
//!
//! The kernel tells a socket that it was refused, by a reset and by an ICMP error alike. It keeps the errors that came,
//! with their senders, where it is asked to. Left to others: what that means.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};

use super::{ProbeError, refused};

/// ICMP's destination unreachable with its port code, and ICMPv6's (RFC 792, RFC 4443 section 3.1).
const PORT_UNREACHABLE_V4: (u8, u8) = (3, 3);
const PORT_UNREACHABLE_V6: (u8, u8) = (1, 4);

/// Has the kernel keep the ICMP errors of what is sent to `destination`, or not any more.
pub(super) fn keep(socket: &impl AsFd, destination: SocketAddr, kept: bool) -> Result<(), ProbeError> {
    let set = match destination {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &kept),
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &kept),
    };
    set.map_err(refused("asking for ICMP errors"))
}

/// Who has sent a port unreachable, of the errors that the kernel has kept.
pub(super) fn port_unreachable_by(socket: &impl AsRawFd) -> Option<IpAddr> {
    let mut packet = [0; 512];
    loop {
        let mut space = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
        let mut parts = [IoSliceMut::new(&mut packet)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let told =
            recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags).ok()?;
        for message in told.cmsgs().ok()? {
            match message {
                ControlMessageOwned::Ipv4RecvErr(error, Some(by))
                    if error.ee_origin == libc::SO_EE_ORIGIN_ICMP
                        && (error.ee_type, error.ee_code) == PORT_UNREACHABLE_V4 =>
                {
                    return Some(Ipv4Addr::from(u32::from_be(by.sin_addr.s_addr)).into());
                }
                ControlMessageOwned::Ipv6RecvErr(error, Some(by))
                    if error.ee_origin == libc::SO_EE_ORIGIN_ICMP6
                        && (error.ee_type, error.ee_code) == PORT_UNREACHABLE_V6 =>
                {
                    return Some(Ipv6Addr::from(by.sin6_addr.s6_addr).into());
                }
                _ => {}
            }
        }
    }
}
