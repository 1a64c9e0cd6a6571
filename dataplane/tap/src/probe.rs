//! Does a real connection work from here?
//!
//! Blocking probes with a deadline, made with kernel sockets inside a namespace, and responders for the other end.
//! What always holds: a probe ends within its timeout, one call sends one connection attempt, one datagram or one
//! echo request (the kernel's own retransmissions aside), and an outcome of the network is an [`Ok`]; an error means
//! that the question could not be asked. Left to others: which answer was expected.

mod errors;
mod ping;
mod responder;

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, getsockopt, setsockopt, socket,
    sockopt,
};

use crate::netns::{Netns, NetnsError};

pub use ping::{PingOutcome, ping};
pub use responder::{TcpResponder, UdpResponder};

/// From where to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The address to speak from; `None` is the kernel's choice.
    pub source: Option<IpAddr>,
    /// The port to speak from; `None` is the kernel's choice.
    pub source_port: Option<u16>,
    /// Whom to speak to.
    pub destination: SocketAddr,
}

/// How far a TCP probe goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversation<'a> {
    /// The handshake: a full backlog of someone who never accepts passes, too.
    Handshake,
    /// These bytes are sent and must come back.
    Echo(&'a [u8]),
}

/// What became of a TCP connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TcpOutcome {
    /// Established, and the conversation asked for took place.
    Connected {
        /// Our end.
        local: SocketAddr,
        /// The other end.
        peer: SocketAddr,
        /// From the first SYN to the established connection.
        rtt: Duration,
    },
    /// Established, but the bytes did not come back: silence until the deadline, a close or other bytes.
    Unanswered {
        /// Our end.
        local: SocketAddr,
        /// The other end.
        peer: SocketAddr,
    },
    /// Established, then reset.
    Reset {
        /// Our end.
        local: SocketAddr,
        /// The other end.
        peer: SocketAddr,
    },
    /// A reset answered the SYN.
    Refused,
    /// An ICMP port unreachable answered the SYN: somebody rejects it.
    PortUnreachable {
        /// Who sent it, as the error says.
        by: IpAddr,
    },
    /// An ICMP error or the lack of a route or neighbour ended the attempt.
    Unreachable(Errno),
    /// No answer in time.
    TimedOut,
}

/// What became of a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UdpOutcome {
    /// An answer of the destination's address and port came.
    Answered {
        /// Our end.
        local: SocketAddr,
        /// The answer.
        payload: Vec<u8>,
        /// From sending to the answer.
        rtt: Duration,
    },
    /// An ICMP port unreachable came: nobody listens, or somebody rejects it.
    PortUnreachable {
        /// Who sent it, as the error says; none if the kernel does not tell.
        by: Option<IpAddr>,
    },
    /// Another ICMP error came, or there is no route or neighbour.
    Unreachable(Errno),
    /// No answer in time.
    TimedOut,
}

/// Why a probe or responder could not be made at all.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Someone has the address and port.
    #[error("{0} is in use in this network namespace")]
    AddrInUse(SocketAddr),
    /// The namespace has no such address.
    #[error("this network namespace has no address {0}")]
    NoSuchAddress(IpAddr),
    /// Source and destination are of different families.
    #[error("{from} and {to} are of different families")]
    FamilyMismatch {
        /// The source.
        from: IpAddr,
        /// The destination.
        to: IpAddr,
    },
    /// The namespace allows no ICMP sockets.
    #[error("this network namespace allows no ping: net.ipv4.ping_group_range excludes this process")]
    PingNotAllowed,
    /// Another refusal of the kernel.
    #[error("{what}: {source}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The namespace could not be entered.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
}

/// Opens a TCP connection inside `netns` and closes it again; handshake and conversation together end within
/// `timeout`.
///
/// # Errors
/// [`ProbeError`] when it cannot be tried.
pub fn tcp_connect(
    netns: &Netns,
    ends: &Ends,
    conversation: Conversation<'_>,
    timeout: Duration,
) -> Result<TcpOutcome, ProbeError> {
    let deadline = Instant::now() + timeout;
    let socket = bound_socket(netns, ends, SockType::Stream)?;
    let start = Instant::now();
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(ends.destination)) {
        Ok(()) => {}
        Err(Errno::EINPROGRESS) => {
            if !wait(&socket, PollFlags::POLLOUT, deadline)? {
                return Ok(TcpOutcome::TimedOut);
            }
            let error = getsockopt(&socket, sockopt::SocketError).map_err(refused("reading the outcome"))?;
            if error != 0 {
                return tcp_failure(&socket, Errno::from_raw(error));
            }
        }
        Err(errno) => return tcp_failure(&socket, errno),
    }
    let rtt = start.elapsed();
    // From here on an error on the way is to be survived.
    errors::keep(&socket, ends.destination, false)?;
    let stream = TcpStream::from(socket);
    let local = stream.local_addr().map_err(refused_io("reading the local address"))?;
    let peer = ends.destination;
    let Conversation::Echo(bytes) = conversation else {
        return Ok(TcpOutcome::Connected { local, peer, rtt });
    };
    Ok(match echo(&stream, bytes, deadline)? {
        Echo::Returned => TcpOutcome::Connected { local, peer, rtt },
        Echo::Missing => TcpOutcome::Unanswered { local, peer },
        Echo::Reset => TcpOutcome::Reset { local, peer },
    })
}

/// Sends one datagram inside `netns` and waits for one answer.
///
/// # Errors
/// [`ProbeError`] when it cannot be tried.
pub fn udp_exchange(
    netns: &Netns,
    ends: &Ends,
    payload: &[u8],
    timeout: Duration,
) -> Result<UdpOutcome, ProbeError> {
    let deadline = Instant::now() + timeout;
    let socket = bound_socket(netns, ends, SockType::Datagram)?;
    if let Err(errno) = connect(socket.as_raw_fd(), &SockaddrStorage::from(ends.destination)) {
        return udp_failure(&socket, errno.into());
    }
    let socket = UdpSocket::from(socket);
    let local = socket.local_addr().map_err(refused_io("reading the local address"))?;
    let start = Instant::now();
    match socket.send(payload) {
        Ok(_) => {}
        // With its error queue a socket hears of a device without room; it is a loss like any other.
        Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {}
        Err(error) => return udp_failure(&socket, error),
    }
    let mut answer = vec![0; 65_536];
    while wait(&socket, PollFlags::POLLIN, deadline)? {
        match socket.recv(&mut answer) {
            Ok(len) => {
                answer.truncate(len);
                return Ok(UdpOutcome::Answered { local, payload: answer, rtt: start.elapsed() });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return udp_failure(&socket, error),
        }
    }
    Ok(UdpOutcome::TimedOut)
}

enum Echo {
    Returned,
    Missing,
    Reset,
}

fn echo(mut stream: &TcpStream, bytes: &[u8], deadline: Instant) -> Result<Echo, ProbeError> {
    let (mut sent, mut returned) = (0, Vec::with_capacity(bytes.len()));
    let mut chunk = [0; 4096];
    while returned.len() < bytes.len() {
        let interest =
            if sent < bytes.len() { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
        if !wait(stream, interest, deadline)? {
            return Ok(Echo::Missing);
        }
        if sent < bytes.len() {
            match stream.write(&bytes[sent..]) {
                Ok(len) => sent += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Ok(Echo::Reset),
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(Echo::Missing),
            Ok(len) => returned.extend_from_slice(&chunk[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(Echo::Missing),
            Err(_) => return Ok(Echo::Reset),
        }
    }
    Ok(if returned == bytes { Echo::Returned } else { Echo::Missing })
}

/// A non-blocking socket made inside the namespace and bound to the source, if one is given.
fn bound_socket(netns: &Netns, ends: &Ends, kind: SockType) -> Result<OwnedFd, ProbeError> {
    let to = ends.destination.ip();
    if let Some(from) = ends.source.filter(|from| from.is_ipv4() != to.is_ipv4()) {
        return Err(ProbeError::FamilyMismatch { from, to });
    }
    netns.run(|| {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(family(to), kind, flags, None).map_err(refused("making a socket"))?;
        errors::keep(&socket, ends.destination, true)?;
        if ends.source.is_some() || ends.source_port.is_some() {
            let source =
                SocketAddr::new(ends.source.unwrap_or(unspecified(to)), ends.source_port.unwrap_or(0));
            // A port of a connection just closed may be used again at once.
            setsockopt(&socket, sockopt::ReuseAddr, &(kind == SockType::Stream))
                .map_err(refused("setting a socket option"))?;
            bind_to(&socket, source)?;
        }
        Ok(socket)
    })?
}

fn bind_to(socket: &OwnedFd, address: SocketAddr) -> Result<(), ProbeError> {
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address)).map_err(|errno| match errno {
        Errno::EADDRINUSE => ProbeError::AddrInUse(address),
        Errno::EADDRNOTAVAIL => ProbeError::NoSuchAddress(address.ip()),
        errno => refused("binding a socket")(errno),
    })
}

/// Waits until the socket is ready (or has failed); false at the deadline.
fn wait(socket: impl AsFd, interest: PollFlags, deadline: Instant) -> Result<bool, ProbeError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let millis = i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(socket.as_fd(), interest)], timeout) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(refused("waiting for a socket")(errno)),
        }
    }
}

fn tcp_failure(socket: &OwnedFd, errno: Errno) -> Result<TcpOutcome, ProbeError> {
    match errno {
        // The kernel has one word for both.
        Errno::ECONNREFUSED => Ok(match errors::port_unreachable_by(socket) {
            Some(by) => TcpOutcome::PortUnreachable { by },
            None => TcpOutcome::Refused,
        }),
        Errno::ETIMEDOUT => Ok(TcpOutcome::TimedOut),
        errno if is_unreachable(errno) => Ok(TcpOutcome::Unreachable(errno)),
        errno => Err(refused("connecting")(errno)),
    }
}

fn udp_failure(socket: &impl AsRawFd, error: io::Error) -> Result<UdpOutcome, ProbeError> {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ECONNREFUSED) => {
            Ok(UdpOutcome::PortUnreachable { by: errors::port_unreachable_by(socket) })
        }
        Some(errno) if is_unreachable(errno) => Ok(UdpOutcome::Unreachable(errno)),
        _ => Err(refused_io("sending a datagram")(error)),
    }
}

/// What the kernel reports for ICMP destination unreachable codes, for a missing route and for a silent neighbour.
fn is_unreachable(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EHOSTUNREACH
            | Errno::ENETUNREACH
            | Errno::EHOSTDOWN
            | Errno::ENONET
            | Errno::EACCES
            | Errno::EPERM
            | Errno::EOPNOTSUPP
            | Errno::EPROTO
            | Errno::ENOPROTOOPT
            | Errno::EMSGSIZE
    )
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    }
}

fn refused(what: &'static str) -> impl FnOnce(Errno) -> ProbeError {
    move |errno| ProbeError::Refused { what, source: errno.into() }
}

fn refused_io(what: &'static str) -> impl FnOnce(io::Error) -> ProbeError {
    move |source| ProbeError::Refused { what, source }
}
