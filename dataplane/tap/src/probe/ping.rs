//! Does an echo request come back? With the kernel's ICMP sockets (icmp(7)), which need no privilege and hand over
//! only the answers that are theirs.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{
    MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, connect, recvfrom, send, setsockopt, socket,
    sockopt,
};

use super::{ProbeError, bind_to, family, is_unreachable, refused, wait};
use crate::netns::Netns;

/// What became of an echo request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PingOutcome {
    /// The echo reply came.
    Replied {
        /// From the request to the reply.
        rtt: Duration,
        /// Who replied.
        from: IpAddr,
    },
    /// An ICMP error came, or there is no route or neighbour.
    Unreachable(Errno),
    /// No reply in time.
    TimedOut,
}

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;

/// Sends one echo request (RFC 792, RFC 4443 section 4) inside `netns` and waits for its reply.
///
/// # Errors
/// [`ProbeError`] when it cannot be tried.
pub fn ping(
    netns: &Netns,
    source: Option<IpAddr>,
    destination: IpAddr,
    timeout: Duration,
) -> Result<PingOutcome, ProbeError> {
    if let Some(from) = source.filter(|from| from.is_ipv4() != destination.is_ipv4()) {
        return Err(ProbeError::FamilyMismatch { from, to: destination });
    }
    let deadline = Instant::now() + timeout;
    let (protocol, request, reply) = match destination {
        IpAddr::V4(_) => (SockProtocol::Icmp, ECHO_REQUEST, ECHO_REPLY),
        IpAddr::V6(_) => (SockProtocol::IcmpV6, ECHO_REQUEST_V6, ECHO_REPLY_V6),
    };
    let socket = netns.run(|| {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket =
            socket(family(destination), SockType::Datagram, flags, protocol).map_err(
                |errno| match errno {
                    Errno::EACCES => ProbeError::PingNotAllowed,
                    errno => refused("making an ICMP socket")(errno),
                },
            )?;
        // Without these an error that answers the request would stay unheard.
        let heard = match destination {
            IpAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true),
            IpAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true),
        };
        heard.map_err(refused("setting a socket option"))?;
        if let Some(source) = source {
            bind_to(&socket, SocketAddr::new(source, 0))?;
        }
        Ok::<_, ProbeError>(socket)
    })??;
    let mut message = [0; 40];
    message[0] = request;
    message[7] = 1;
    let start = Instant::now();
    let sent = connect(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(destination, 0)))
        .and_then(|()| send(socket.as_raw_fd(), &message, MsgFlags::empty()));
    if let Err(errno) = sent {
        return failure(errno);
    }
    let mut answer = [0; 128];
    while wait(&socket, PollFlags::POLLIN, deadline)? {
        match recvfrom::<SockaddrStorage>(socket.as_raw_fd(), &mut answer) {
            Ok((len, from)) if answer[..len].first() == Some(&reply) => {
                let from = from.and_then(|from| ip(&from)).unwrap_or(destination);
                return Ok(PingOutcome::Replied { rtt: start.elapsed(), from });
            }
            Ok(_) | Err(Errno::EAGAIN) => {}
            Err(errno) => return failure(errno),
        }
    }
    Ok(PingOutcome::TimedOut)
}

fn failure(errno: Errno) -> Result<PingOutcome, ProbeError> {
    if is_unreachable(errno) || errno == Errno::ECONNREFUSED {
        return Ok(PingOutcome::Unreachable(errno));
    }
    Err(refused("sending an echo request")(errno))
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}
