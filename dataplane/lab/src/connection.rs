//! How does a TCP conversation go, at both ends?
//!
//! Connections between two guests' real sockets: opened, written to, closed, each step blocking in virtual time until it
//! has happened or its deadline has passed. Between calls a connection lives on, through [`Lab::advance`] and
//! [`Lab::replace`]. Bytes are compared as they arrive, so that "delivered" means intact and in order.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use vpclab_engine::Port;
use vpclab_wire::Protocol;

use crate::lab::{GuestRef, Lab, LabError};
use crate::watch::{Ends, IcmpError, Watch};

/// How long a TCP conversation may take unless it says otherwise. smoltcp repeats a SYN after one second, then later.
pub const TCP_DEADLINE: Duration = Duration::from_secs(10);

/// Bytes that a socket buffers each way.
const BUFFER: usize = 256 * 1024;

/// A TCP conversation to be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpDial {
    /// Whom to call; may be a public address.
    pub destination: SocketAddr,
    /// The caller's address; by default its first one of the family.
    pub source: Option<IpAddr>,
    /// The caller's port; by default one of the ephemeral range.
    pub source_port: Option<u16>,
    /// What the caller says and the other end echoes.
    pub payload: Vec<u8>,
    /// Who is to answer, and by which of its own addresses; by default whoever has the destination in the sender's VPC, or
    /// behind a public address.
    pub server: Option<(Port, IpAddr)>,
    /// Whether whoever is to answer listens on the port for the time of the conversation.
    pub listen: bool,
    /// How long opening may take, then the conversation, then closing: each.
    pub deadline: Duration,
}

/// What became of a TCP conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpOutcome {
    /// The connection opened at both ends.
    Connected {
        /// As the caller sees it.
        client: Ends,
        /// As the listener sees it.
        server: Ends,
        /// Whether the whole payload came back intact.
        echoed: bool,
    },
    /// A reset came back.
    Refused {
        /// From whom, as the caller sees it.
        by: SocketAddr,
        /// Whether the destination's own guest sent it.
        by_guest: bool,
    },
    /// Nothing came back in time.
    TimedOut {
        /// Whether the caller's SYN reached the destination's guest.
        request_arrived: bool,
    },
    /// An ICMP error came back.
    Unreachable(IcmpError),
    /// The caller has no address of the destination's family, or not the one asked for; or the destination is not one
    /// host's.
    NoAddress,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The question could not be asked.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// It was asked, and this came out.
    #[error("not connected: {0:?}")]
    Outcome(Box<TcpOutcome>),
}

/// A connection that stays open between calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that opened it.
    Client,
    /// The one that listened.
    Server,
}

/// Two sockets and what is on the way between them.
#[derive(Debug)]
pub(crate) struct Connection {
    client: End,
    /// None where nobody listens.
    server: Option<End>,
    /// What the client has sent.
    request: Stream,
    /// What the server has sent.
    response: Stream,
    /// Whether the server sends back what it gets.
    echo: bool,
    /// Whether both sides have said all they want.
    closing: bool,
}

/// A socket of a station.
#[derive(Debug, Clone, Copy)]
struct End {
    port: Port,
    serial: u64,
    handle: SocketHandle,
}

/// Bytes one way.
#[derive(Debug, Default)]
struct Stream {
    /// Not yet taken by the sender's socket.
    outbox: VecDeque<u8>,
    /// Not yet read at the other end.
    expected: VecDeque<u8>,
    corrupted: bool,
}

impl TcpDial {
    /// A conversation with `destination` in which nothing is said: the connection opens and closes.
    pub fn new(destination: SocketAddr) -> Self {
        Self {
            destination,
            source: None,
            source_port: None,
            payload: Vec::new(),
            server: None,
            listen: true,
            deadline: TCP_DEADLINE,
        }
    }

    /// The same with something to echo.
    #[must_use]
    pub fn with_payload(self, payload: impl Into<Vec<u8>>) -> Self {
        Self { payload: payload.into(), ..self }
    }
}

impl TcpOutcome {
    /// Whether the connection opened and the whole payload came back.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Connected { echoed: true, .. })
    }
}

impl From<TcpOutcome> for ConnectError {
    fn from(outcome: TcpOutcome) -> Self {
        Self::Outcome(Box::new(outcome))
    }
}

impl IcmpError {
    /// Whether the error ends a conversation: not those that only ask for smaller packets (RFC 1191, RFC 8201).
    pub fn is_final(&self) -> bool {
        let asks_for_less = match self.from {
            IpAddr::V4(_) => (self.icmp_type, self.code) == (3, 4),
            IpAddr::V6(_) => self.icmp_type == 2,
        };
        !asks_for_less
    }
}

impl Lab {
    /// Holds a whole conversation: opens a connection, has the payload echoed, closes it.
    ///
    /// # Errors
    ///
    /// [`LabError::NoSuchGuest`].
    pub fn tcp(&mut self, from: GuestRef<'_>, dial: &TcpDial) -> Result<TcpOutcome, LabError> {
        let id = match self.connect(from, dial) {
            Ok(id) => id,
            Err(ConnectError::Outcome(outcome)) => return Ok(*outcome),
            Err(ConnectError::Lab(error)) => return Err(error),
        };
        let ends = self.connection_ends(id);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.echo = true;
        }
        self.queue(id, Side::Client, &dial.payload)?;
        let echoed = self.run(self.now() + dial.deadline, |lab| lab.is_settled(id)) && self.is_intact(id);
        self.close_within(id, dial.deadline);
        Ok(match ends {
            Some((client, server)) => TcpOutcome::Connected { client, server, echoed },
            None => TcpOutcome::TimedOut { request_arrived: true },
        })
    }

    /// Opens a connection that stays open. Neither the payload nor an echo is part of it.
    ///
    /// # Errors
    ///
    /// Whatever came instead of a connection.
    pub fn connect(&mut self, from: GuestRef<'_>, dial: &TcpDial) -> Result<ConnectionId, ConnectError> {
        // A connection is between two hosts (RFC 9293, section 3.9.2.3).
        let source = self.source_of(from, dial.destination.ip(), dial.source)?;
        let source = source.filter(|_| !dial.destination.ip().is_multicast());
        let Some((port, address)) = source else { return Err(ConnectError::from(TcpOutcome::NoAddress)) };
        let local = SocketAddr::new(address, dial.source_port.unwrap_or_else(|| self.ephemeral_port()));
        let owner = self.server_of(port, dial.destination.ip(), dial.server);
        let server = owner
            .filter(|_| dial.listen)
            .and_then(|(port, address)| self.listen(port, SocketAddr::new(address, dial.destination.port())));
        let Some(client) = self.open(port) else {
            self.remove_socket(server);
            return Err(ConnectError::from(TcpOutcome::NoAddress));
        };
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let server_port = owner.map(|(port, _)| port);
        self.watches.insert(id.0, Watch::new(port, server_port, Protocol::TCP, local, dial.destination));
        let station = self.stations.get_mut(&port);
        let addressable =
            station.is_some_and(|station| station.connect(client.handle, dial.destination, local));
        self.connections.insert(id, Connection::new(client, server));
        if !addressable {
            self.forget(id);
            return Err(ConnectError::from(TcpOutcome::NoAddress));
        }
        self.touch(port);
        self.run(self.now() + dial.deadline, |lab| lab.is_open(id) || lab.has_failed(id));
        if self.is_open(id) {
            return Ok(id);
        }
        let outcome = self.failure(id);
        self.forget(id);
        Err(outcome.into())
    }

    /// Says something at one side, and waits up to [`TCP_DEADLINE`] until the other side has read all that was said
    /// there. Whether it has, intact. What was not delivered is still on its way: TCP repeats it.
    ///
    /// # Errors
    ///
    /// [`LabError::NoSuchConnection`].
    pub fn send(&mut self, id: ConnectionId, side: Side, bytes: &[u8]) -> Result<bool, LabError> {
        self.queue(id, side, bytes)?;
        self.run(self.now() + TCP_DEADLINE, |lab| lab.delivered(id, side) == Ok(true));
        self.delivered(id, side)
    }

    /// Says something at one side, and does not wait: see [`Lab::advance`] and [`Lab::delivered`].
    ///
    /// # Errors
    ///
    /// [`LabError::NoSuchConnection`].
    pub fn queue(&mut self, id: ConnectionId, side: Side, bytes: &[u8]) -> Result<(), LabError> {
        let connection = self.connections.get_mut(&id).ok_or(LabError::NoSuchConnection)?;
        connection.stream(side).queue(bytes);
        self.pump(id);
        Ok(())
    }

    /// Whether all that was said at `side` has been read at the other one, intact.
    ///
    /// # Errors
    ///
    /// [`LabError::NoSuchConnection`].
    pub fn delivered(&self, id: ConnectionId, side: Side) -> Result<bool, LabError> {
        let connection = self.connections.get(&id).ok_or(LabError::NoSuchConnection)?;
        let stream = match side {
            Side::Client => &connection.request,
            Side::Server => &connection.response,
        };
        Ok(stream.expected.is_empty() && !stream.corrupted)
    }

    /// Whether both sockets are open and know of each other.
    pub fn is_open(&self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get(&id) else { return false };
        let established = |end: End| self.state(end) == Some(State::Established);
        established(connection.client) && connection.server.is_some_and(established)
    }

    /// Both ends of a connection as each sees them; none once a guest or a socket is gone.
    pub fn connection_ends(&self, id: ConnectionId) -> Option<(Ends, Ends)> {
        let connection = self.connections.get(&id)?;
        Some((self.ends(connection.client)?, self.ends(connection.server?)?))
    }

    /// Closes a connection and waits up to [`TCP_DEADLINE`]. Whether both sides have closed in order; the sockets are
    /// gone either way.
    ///
    /// # Errors
    ///
    /// [`LabError::NoSuchConnection`].
    pub fn close(&mut self, id: ConnectionId) -> Result<bool, LabError> {
        if !self.connections.contains_key(&id) {
            return Err(LabError::NoSuchConnection);
        }
        Ok(self.close_within(id, TCP_DEADLINE))
    }

    /// Programs at `port` read and write what they can.
    pub(crate) fn pump_at(&mut self, port: Port) {
        let here = |end: End| end.port == port;
        let ids: Vec<ConnectionId> = self
            .connections
            .iter()
            .filter(|(_, connection)| here(connection.client) || connection.server.is_some_and(here))
            .map(|(id, _)| *id)
            .collect();
        ids.into_iter().for_each(|id| self.pump(id));
    }

    fn pump(&mut self, id: ConnectionId) {
        for side in [Side::Client, Side::Server] {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            let Some(end) = connection.end(side) else { continue };
            let station = self.stations.get_mut(&end.port).filter(|station| station.serial == end.serial);
            let Some(station) = station else { continue };
            let socket = station.sockets.get_mut::<Socket<'_>>(end.handle);
            if connection.serve(side, socket) {
                self.touch(end.port);
            }
        }
    }

    fn open(&mut self, port: Port) -> Option<End> {
        let station = self.stations.get_mut(&port)?;
        let buffer = || SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        let handle = station.sockets.add(socket);
        Some(End { port, serial: station.serial, handle })
    }

    fn listen(&mut self, port: Port, local: SocketAddr) -> Option<End> {
        let end = self.open(port)?;
        let station = self.stations.get_mut(&port)?;
        let socket = station.sockets.get_mut::<Socket<'_>>(end.handle);
        if socket.listen(local).is_ok() {
            return Some(end);
        }
        self.remove_socket(Some(end));
        None
    }

    fn close_within(&mut self, id: ConnectionId, deadline: Duration) -> bool {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.closing = true;
        }
        self.pump(id);
        let closed = self.run(self.now() + deadline, |lab| lab.is_closed(id));
        let orderly = closed && self.watches.get(&id.0).is_none_or(|watch| watch.reset_by.is_none());
        self.forget(id);
        orderly
    }

    fn forget(&mut self, id: ConnectionId) {
        self.watches.remove(&id.0);
        if let Some(connection) = self.connections.remove(&id) {
            self.remove_socket(Some(connection.client));
            self.remove_socket(connection.server);
        }
    }

    fn remove_socket(&mut self, end: Option<End>) {
        let Some(end) = end else { return };
        if let Some(station) = self.stations.get_mut(&end.port).filter(|s| s.serial == end.serial) {
            station.sockets.remove(end.handle);
        }
    }

    fn socket(&self, end: End) -> Option<&Socket<'static>> {
        let station = self.stations.get(&end.port).filter(|station| station.serial == end.serial)?;
        Some(station.sockets.get::<Socket<'_>>(end.handle))
    }

    fn state(&self, end: End) -> Option<State> {
        self.socket(end).map(Socket::state)
    }

    fn ends(&self, end: End) -> Option<Ends> {
        let socket = self.socket(end)?;
        Some(Ends { local: socket.local_endpoint()?.into(), peer: socket.remote_endpoint()?.into() })
    }

    /// Whether nothing more is on its way, or never will be.
    fn is_settled(&self, id: ConnectionId) -> bool {
        self.is_intact(id) || !self.is_open(id)
    }

    fn is_intact(&self, id: ConnectionId) -> bool {
        self.delivered(id, Side::Client) == Ok(true) && self.delivered(id, Side::Server) == Ok(true)
    }

    /// Whether the client's socket has given up, or an error says that it should.
    fn has_failed(&self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get(&id) else { return true };
        let refused = matches!(self.state(connection.client), None | Some(State::Closed));
        refused || self.final_error(id).is_some()
    }

    fn final_error(&self, id: ConnectionId) -> Option<IcmpError> {
        self.watches.get(&id.0)?.error.filter(IcmpError::is_final)
    }

    fn failure(&self, id: ConnectionId) -> TcpOutcome {
        let watch = self.watches.get(&id.0);
        match watch.and_then(|watch| Some((watch.reset_by?, watch.server_reset))) {
            Some((by, by_guest)) => TcpOutcome::Refused { by, by_guest },
            None => match self.final_error(id) {
                Some(error) => TcpOutcome::Unreachable(error),
                None => {
                    let request_arrived = watch.is_some_and(|watch| watch.request.is_some());
                    TcpOutcome::TimedOut { request_arrived }
                }
            },
        }
    }

    fn is_closed(&self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get(&id) else { return true };
        let closed = |end: End| matches!(self.state(end), None | Some(State::Closed | State::TimeWait));
        closed(connection.client) && connection.server.is_none_or(closed)
    }
}

impl Connection {
    fn new(client: End, server: Option<End>) -> Self {
        Self {
            client,
            server,
            request: Stream::default(),
            response: Stream::default(),
            echo: false,
            closing: false,
        }
    }

    fn end(&self, side: Side) -> Option<End> {
        match side {
            Side::Client => Some(self.client),
            Side::Server => self.server,
        }
    }

    fn stream(&mut self, side: Side) -> &mut Stream {
        match side {
            Side::Client => &mut self.request,
            Side::Server => &mut self.response,
        }
    }

    /// The program at `side` reads and writes what its socket lets it. Whether it did anything.
    fn serve(&mut self, side: Side, socket: &mut Socket<'_>) -> bool {
        let mut busy = false;
        while socket.can_recv() {
            let Ok(bytes) = socket.recv(|bytes| (bytes.len(), bytes.to_vec())) else { break };
            busy = true;
            match side {
                Side::Client => self.response.arrive(&bytes),
                Side::Server => {
                    self.request.arrive(&bytes);
                    if self.echo {
                        self.response.queue(&bytes);
                    }
                }
            }
        }
        let outbox = &mut self.stream(side).outbox;
        while socket.can_send() && !outbox.is_empty() {
            let Ok(taken) = socket.send_slice(outbox.as_slices().0) else { break };
            outbox.drain(..taken);
            busy |= taken > 0;
            if taken == 0 {
                break;
            }
        }
        let said_all = self.stream(side).outbox.is_empty();
        // The server answers the client's FIN with its own, as most programs do.
        let finishes = match side {
            Side::Client => self.closing,
            Side::Server => socket.state() == State::CloseWait,
        };
        if said_all && finishes && socket.may_send() {
            socket.close();
            busy = true;
        }
        busy
    }
}

impl Stream {
    fn queue(&mut self, bytes: &[u8]) {
        self.outbox.extend(bytes);
        self.expected.extend(bytes);
    }

    fn arrive(&mut self, bytes: &[u8]) {
        let known = bytes.len().min(self.expected.len());
        let equal = self.expected.drain(..known).eq(bytes[..known].iter().copied());
        self.corrupted |= !equal || known < bytes.len();
    }
}
