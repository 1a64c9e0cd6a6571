//! Who answers a probe? A listener inside a namespace that echoes what it receives and remembers whom it saw. Each
//! has one thread, which ends when the responder is dropped.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{Backlog, SockFlag, SockType, listen, setsockopt, socket, sockopt};

use super::{ProbeError, bind_to, family, refused, refused_io};
use crate::netns::Netns;
use crate::poller::{MAX_READY, Poller, Waker};

/// A responder remembers this many peers; later ones are answered and not remembered.
const MAX_SEEN: usize = 65_536;
/// A responder holds this many connections open; another is closed at once.
const MAX_CONNECTIONS: usize = 4_096;
/// A peer that does not take its echo for this long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

const WAKER: u64 = u64::MAX;
const SOCKET: u64 = u64::MAX - 1;

/// A TCP listener that accepts, echoes and remembers its peers, until it is dropped.
#[derive(Debug)]
pub struct TcpResponder {
    running: Running,
}

/// A UDP socket that sends every datagram back and remembers its peers, until it is dropped. Bound to the unspecified
/// address it answers from the address the kernel chooses: give a concrete one where that matters.
#[derive(Debug)]
pub struct UdpResponder {
    running: Running,
}

/// The thread behind a responder.
#[derive(Debug)]
struct Running {
    address: SocketAddr,
    seen: Arc<Seen>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    peers: Mutex<Vec<SocketAddr>>,
}

/// The open connections of a TCP responder, by their token.
#[derive(Default)]
struct Connections {
    streams: HashMap<u64, TcpStream>,
    accepted: u64,
}

impl TcpResponder {
    /// Listens on `address` inside `netns`; port 0 is the kernel's choice.
    ///
    /// # Errors
    /// [`ProbeError::AddrInUse`], [`ProbeError::NoSuchAddress`]; [`ProbeError`] for the rest.
    pub fn start(netns: &Netns, address: SocketAddr) -> Result<Self, ProbeError> {
        let socket = bound(netns, address, SockType::Stream)?;
        listen(&socket, Backlog::MAXCONN).map_err(|errno| in_use(errno, address))?;
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().map_err(refused_io("reading the local address"))?;
        let mut connections = Connections::default();
        let running = Running::start(address, listener, move |listener, token, poller, seen| {
            if token == SOCKET { connections.accept(listener, poller, seen) } else { connections.echo(token) }
        })?;
        Ok(Self { running })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// The peers of every connection accepted so far, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<SocketAddr> {
        self.running.seen.peers()
    }
}

impl UdpResponder {
    /// Receives on `address` inside `netns`; port 0 is the kernel's choice.
    ///
    /// # Errors
    /// [`ProbeError::AddrInUse`], [`ProbeError::NoSuchAddress`]; [`ProbeError`] for the rest.
    pub fn start(netns: &Netns, address: SocketAddr) -> Result<Self, ProbeError> {
        let socket = UdpSocket::from(bound(netns, address, SockType::Datagram)?);
        let address = socket.local_addr().map_err(refused_io("reading the local address"))?;
        let mut buffer = vec![0; 65_536];
        let running = Running::start(address, socket, move |socket, _, _, seen| {
            // One datagram a time: the wait is level-triggered, and a stop is heard in between.
            if let Ok((len, peer)) = socket.recv_from(&mut buffer) {
                seen.remember(peer);
                // An echo that cannot be sent is a lost datagram.
                let _ = socket.send_to(&buffer[..len], peer);
            }
        })?;
        Ok(Self { running })
    }

    /// Where it receives.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// The senders of every datagram received so far, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<SocketAddr> {
        self.running.seen.peers()
    }
}

impl Running {
    /// Starts a thread that calls `serve` with the token of whatever is ready, until the responder is dropped.
    fn start<S: AsFd + Send + 'static>(
        address: SocketAddr,
        socket: S,
        mut serve: impl FnMut(&S, u64, &Poller, &Seen) + Send + 'static,
    ) -> Result<Self, ProbeError> {
        let starting = "starting a responder";
        let poller = Poller::new().map_err(refused_io(starting))?;
        let waker = Arc::new(Waker::new().map_err(refused_io(starting))?);
        poller.add(&socket, SOCKET).map_err(refused_io(starting))?;
        poller.add(&*waker, WAKER).map_err(refused_io(starting))?;
        let seen = Arc::new(Seen::default());
        let remembered = Arc::clone(&seen);
        let thread = thread::Builder::new().name("responder".to_owned()).spawn(move || {
            let mut ready = [0; MAX_READY];
            while let Ok(count) = poller.wait(&mut ready, None) {
                if ready[..count].contains(&WAKER) {
                    return;
                }
                for &token in &ready[..count] {
                    serve(&socket, token, &poller, &remembered);
                }
            }
        });
        let thread = thread.map_err(refused_io(starting))?;
        Ok(Self { address, seen, waker, thread: Some(thread) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported where it happened.
            let _ = thread.join();
        }
    }
}

impl Seen {
    fn remember(&self, peer: SocketAddr) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() < MAX_SEEN {
            peers.push(peer);
        }
    }

    fn peers(&self) -> Vec<SocketAddr> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Connections {
    fn accept(&mut self, listener: &TcpListener, poller: &Poller, seen: &Seen) {
        let Ok((stream, peer)) = listener.accept() else { return };
        seen.remember(peer);
        let usable =
            stream.set_write_timeout(Some(WRITE_TIMEOUT)).is_ok() && self.streams.len() < MAX_CONNECTIONS;
        if usable && poller.add(&stream, self.accepted).is_ok() {
            self.streams.insert(self.accepted, stream);
            self.accepted += 1;
        }
    }

    /// Echoes what has come on one connection, or forgets (and so closes) it at its end. The read cannot wait: the
    /// stream is ready, and nobody else reads it.
    fn echo(&mut self, token: u64) {
        let Some(stream) = self.streams.get_mut(&token) else { return };
        let mut chunk = [0; 16_384];
        let echoed = match stream.read(&mut chunk) {
            Ok(len) if len > 0 => stream.write_all(&chunk[..len]).is_ok(),
            _ => false,
        };
        if !echoed {
            self.streams.remove(&token);
        }
    }
}

fn bound(netns: &Netns, address: SocketAddr, kind: SockType) -> Result<OwnedFd, ProbeError> {
    netns.run(|| {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(family(address.ip()), kind, flags, None).map_err(refused("making a socket"))?;
        if kind == SockType::Stream {
            // Connections of a former responder may still be closing.
            setsockopt(&socket, sockopt::ReuseAddr, &true).map_err(refused("setting a socket option"))?;
        }
        if address.is_ipv6() {
            // Each family has its own responder.
            setsockopt(&socket, sockopt::Ipv6V6Only, &true).map_err(refused("setting a socket option"))?;
        }
        bind_to(&socket, address)?;
        Ok(socket)
    })?
}

/// With address reuse two sockets may bind one port; the second to listen is told.
fn in_use(errno: Errno, address: SocketAddr) -> ProbeError {
    if errno == Errno::EADDRINUSE { ProbeError::AddrInUse(address) } else { refused("listening")(errno) }
}
