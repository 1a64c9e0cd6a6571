//! What comes back for one datagram?
//!
//! UDP and ping: a single request and its answer, with what each end saw. Nothing is repeated, as nothing in the
//! protocols repeats it; a lost datagram is a timeout.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use smoltcp::iface::SocketHandle;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::{raw, udp};
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpProtocol, IpRepr, IpVersion};
use vpclab_engine::Port;
use vpclab_wire::Protocol;

use crate::lab::{GuestRef, Lab, LabError};
use crate::watch::{Ends, IcmpError, Watch};

/// How long a single exchange may take unless it says otherwise; neighbour discovery is given a second try.
pub const EXCHANGE_DEADLINE: Duration = Duration::from_secs(3);

/// The most payload of one datagram, in bytes; the stacks' buffers for fragments are not larger.
pub const LARGEST_PAYLOAD: usize = 16_000;

/// The hop limit of echo requests, as Linux has it.
const HOP_LIMIT: u8 = 64;

/// A datagram to be echoed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UdpDial {
    /// Whom to send it to; may be a public address.
    pub destination: SocketAddr,
    /// The sender's address; by default its first one of the family.
    pub source: Option<IpAddr>,
    /// The sender's port; by default one of the ephemeral range.
    pub source_port: Option<u16>,
    /// What to send, at most [`LARGEST_PAYLOAD`] bytes.
    pub payload: Vec<u8>,
    /// Who is to answer, and by which of its own addresses; by default whoever has the destination in the sender's VPC, or
    /// behind a public address.
    pub server: Option<(Port, IpAddr)>,
    /// Whether whoever is to answer listens on the port for the time of the exchange.
    pub listen: bool,
    /// How long the answer may take.
    pub deadline: Duration,
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UdpOutcome {
    /// It was echoed, and the answer came from where the datagram went.
    Answered {
        /// As the sender sees it.
        client: Ends,
        /// As the listener sees it.
        server: Ends,
        /// Whether the payload came back intact.
        echoed: bool,
    },
    /// Nothing came back in time.
    TimedOut {
        /// Whether the datagram reached the destination's guest.
        request_arrived: bool,
    },
    /// An ICMP error came back.
    Unreachable(IcmpError),
    /// The sender has no address of the destination's family, or not the one asked for; or the destination is
    /// unspecified; or the payload is too large.
    NoAddress,
}

/// An echo request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// Whom to ask; may be a public address, or a router's.
    pub destination: IpAddr,
    /// The asker's address; by default its first one of the family.
    pub source: Option<IpAddr>,
    /// Who is to answer, and by which of its own addresses; by default whoever has the destination in the sender's VPC, or
    /// behind a public address.
    pub server: Option<(Port, IpAddr)>,
    /// Bytes of data, at most [`LARGEST_PAYLOAD`].
    pub size: usize,
    /// How long the reply may take.
    pub deadline: Duration,
}

/// What became of an echo request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingOutcome {
    /// A reply came back from whom was asked.
    Replied {
        /// From whom, as the asker sees it: the destination, unless that is a group.
        from: IpAddr,
        /// The asker's own address, and the identifier.
        local: SocketAddr,
        /// As the destination's guest sees the request; the identifier stands in for the asker's port. None where no
        /// guest, but a router, answered.
        server: Option<Ends>,
        /// From request to reply.
        round_trip: Duration,
        /// Whether all data came back intact.
        intact: bool,
    },
    /// Nothing came back in time.
    TimedOut {
        /// Whether the request reached the destination's guest.
        request_arrived: bool,
    },
    /// An ICMP error came back.
    Unreachable(IcmpError),
    /// The asker has no address of the destination's family, or not the one asked for; or the destination is
    /// unspecified; or the data is too large.
    NoAddress,
}

impl UdpDial {
    /// A datagram to `destination`.
    pub fn new(destination: SocketAddr, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            destination,
            source: None,
            source_port: None,
            payload: payload.into(),
            server: None,
            listen: true,
            deadline: EXCHANGE_DEADLINE,
        }
    }
}

impl Ping {
    /// An echo request to `destination` with 56 bytes of data, as `ping` sends it.
    pub fn new(destination: IpAddr) -> Self {
        Self { destination, source: None, server: None, size: 56, deadline: EXCHANGE_DEADLINE }
    }
}

impl UdpOutcome {
    /// Whether the payload came back intact.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Answered { echoed: true, .. })
    }
}

impl PingOutcome {
    /// Whether all data came back intact.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Replied { intact: true, .. })
    }
}

impl Lab {
    /// Sends a datagram and waits for its echo.
    ///
    /// # Errors
    ///
    /// [`LabError::NoSuchGuest`].
    pub fn udp(&mut self, from: GuestRef<'_>, dial: &UdpDial) -> Result<UdpOutcome, LabError> {
        let source = self.source_of(from, dial.destination.ip(), dial.source)?;
        let Some((port, address)) = source.filter(|_| dial.payload.len() <= LARGEST_PAYLOAD) else {
            return Ok(UdpOutcome::NoAddress);
        };
        let local = SocketAddr::new(address, dial.source_port.unwrap_or_else(|| self.ephemeral_port()));
        let Some(client) = self.bind_udp(port, local) else { return Ok(UdpOutcome::NoAddress) };
        let owner = self.server_of(port, dial.destination.ip(), dial.server);
        let server = owner.filter(|_| dial.listen).and_then(|(port, address)| {
            self.bind_udp(port, SocketAddr::new(address, dial.destination.port()))
                .map(|handle| (port, handle))
        });
        let watch = self.watch(port, owner.map(|(port, _)| port), Protocol::UDP, local, dial.destination);
        let sent = self.udp_socket(port, client).is_some_and(|socket| {
            socket.send_slice(&dial.payload, udp::UdpMetadata::from(dial.destination)).is_ok()
        });
        self.touch(port);
        let mut heard: Option<Ends> = None;
        let mut answer: Option<(SocketAddr, bool)> = None;
        self.run(self.now() + dial.deadline, |lab| {
            if let Some((port, handle)) = server
                && let Some(ends) = lab.echo_udp(port, handle)
            {
                heard.get_or_insert(ends);
            }
            while let Some(Ok((data, meta))) = lab.udp_socket(port, client).map(udp::Socket::recv) {
                let (peer, echoed) = (meta.endpoint.into(), data == dial.payload);
                if answer.is_none() && is_from_asked(dial.destination, peer) {
                    answer = Some((peer, echoed));
                }
            }
            !sent || answer.is_some() || lab.final_error_of(watch).is_some()
        });
        let error = self.final_error_of(watch);
        let request = self.watches.remove(&watch).and_then(|watch| watch.request);
        self.remove_handle(port, client);
        if let Some((port, handle)) = server {
            self.remove_handle(port, handle);
        }
        Ok(match (answer, heard, error) {
            (Some((peer, echoed)), Some(server), _) => {
                UdpOutcome::Answered { client: Ends { local, peer }, server, echoed }
            }
            (_, _, Some(error)) => UdpOutcome::Unreachable(error),
            _ if !sent => UdpOutcome::NoAddress,
            // Where somebody listens, a datagram has arrived when all of it has.
            _ => {
                let arrived = if server.is_some() { heard.is_some() } else { request.is_some() };
                UdpOutcome::TimedOut { request_arrived: arrived }
            }
        })
    }

    /// Sends an echo request and waits for the reply.
    ///
    /// # Errors
    ///
    /// [`LabError::NoSuchGuest`].
    pub fn ping(&mut self, from: GuestRef<'_>, ping: &Ping) -> Result<PingOutcome, LabError> {
        let source = self.source_of(from, ping.destination, ping.source)?;
        let Some((port, address)) = source.filter(|_| ping.size <= LARGEST_PAYLOAD) else {
            return Ok(PingOutcome::NoAddress);
        };
        let local = SocketAddr::new(address, self.ephemeral_port());
        let data: Vec<u8> = (0..=u8::MAX).cycle().take(ping.size).collect();
        let Some(request) = Echo { identifier: local.port(), data: &data }.request(address, ping.destination)
        else {
            return Ok(PingOutcome::NoAddress);
        };
        let Some(client) = self.open_raw(port, address, &request) else { return Ok(PingOutcome::NoAddress) };
        let protocol = if address.is_ipv4() { Protocol::ICMP } else { Protocol::ICMPV6 };
        let owner = self.server_of(port, ping.destination, ping.server).map(|(port, _)| port);
        let watch = self.watch(port, owner, protocol, local, SocketAddr::new(ping.destination, 0));
        let asked_at = self.now();
        self.touch(port);
        let mut reply: Option<(IpAddr, bool)> = None;
        self.run(asked_at + ping.deadline, |lab| {
            while let Some(Ok(packet)) = lab.raw_socket(port, client).map(raw::Socket::recv) {
                let found = Echo { identifier: local.port(), data: &data }.reply(packet, address);
                let found = found.filter(|(peer, _)| {
                    is_from_asked(SocketAddr::new(ping.destination, 0), SocketAddr::new(*peer, 0))
                });
                reply = reply.or(found);
            }
            reply.is_some() || lab.final_error_of(watch).is_some()
        });
        let error = self.final_error_of(watch);
        let server = self.watches.remove(&watch).and_then(|watch| watch.request);
        self.remove_handle(port, client);
        Ok(match (reply, error) {
            (Some((from, intact)), _) => {
                let round_trip = self.now().since(asked_at);
                PingOutcome::Replied { from, local, server, round_trip, intact }
            }
            (None, Some(error)) => PingOutcome::Unreachable(error),
            (None, None) => PingOutcome::TimedOut { request_arrived: server.is_some() },
        })
    }

    fn watch(
        &mut self,
        client: Port,
        server: Option<Port>,
        protocol: Protocol,
        local: SocketAddr,
        destination: SocketAddr,
    ) -> u64 {
        let id = self.next_connection;
        self.next_connection += 1;
        self.watches.insert(id, Watch::new(client, server, protocol, local, destination));
        id
    }

    fn final_error_of(&self, watch: u64) -> Option<IcmpError> {
        // A datagram that was too large is lost for good: here every error is final.
        self.watches.get(&watch)?.error
    }

    fn bind_udp(&mut self, port: Port, local: SocketAddr) -> Option<SocketHandle> {
        let station = self.stations.get_mut(&port)?;
        let buffer =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 2 * LARGEST_PAYLOAD]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(local).ok()?;
        Some(station.sockets.add(socket))
    }

    fn udp_socket(&mut self, port: Port, handle: SocketHandle) -> Option<&mut udp::Socket<'static>> {
        Some(self.stations.get_mut(&port)?.sockets.get_mut(handle))
    }

    /// Sends back the next datagram, if there is one. Returns whom it came from and reached.
    fn echo_udp(&mut self, port: Port, handle: SocketHandle) -> Option<Ends> {
        let socket = self.udp_socket(port, handle)?;
        let own_port = socket.endpoint().port;
        let (data, meta) = socket.recv().ok()?;
        let data = data.to_vec();
        let local = meta.local_address?;
        // What does not fit the buffer is lost, as it would be in a kernel.
        let _ = socket.send_slice(&data, meta);
        self.touch(port);
        Some(Ends { local: SocketAddr::new(local.into(), own_port), peer: meta.endpoint.into() })
    }

    fn open_raw(&mut self, port: Port, source: IpAddr, packet: &[u8]) -> Option<SocketHandle> {
        let station = self.stations.get_mut(&port)?;
        let buffer =
            || raw::PacketBuffer::new(vec![raw::PacketMetadata::EMPTY; 8], vec![0; 4 * LARGEST_PAYLOAD]);
        let (version, protocol) = if source.is_ipv4() {
            (IpVersion::Ipv4, IpProtocol::Icmp)
        } else {
            (IpVersion::Ipv6, IpProtocol::Icmpv6)
        };
        let mut socket = raw::Socket::new(Some(version), Some(protocol), buffer(), buffer());
        socket.send_slice(packet).ok()?;
        Some(station.sockets.add(socket))
    }

    fn raw_socket(&mut self, port: Port, handle: SocketHandle) -> Option<&mut raw::Socket<'static>> {
        Some(self.stations.get_mut(&port)?.sockets.get_mut(handle))
    }

    fn remove_handle(&mut self, port: Port, handle: SocketHandle) {
        if let Some(station) = self.stations.get_mut(&port) {
            station.sockets.remove(handle);
        }
    }
}

/// Whether a guest that asked `asked` takes an answer of `peer`'s, as a connected socket does. A group has many members,
/// none of which answers by the group's address.
fn is_from_asked(asked: SocketAddr, peer: SocketAddr) -> bool {
    peer.port() == asked.port() && (peer.ip() == asked.ip() || asked.ip().is_multicast())
}

/// An echo request and its reply, as IP packets.
struct Echo<'a> {
    identifier: u16,
    data: &'a [u8],
}

/// The sequence number of the one request.
const SEQUENCE: u16 = 1;

impl Echo<'_> {
    fn request(&self, source: IpAddr, destination: IpAddr) -> Option<Vec<u8>> {
        let (ident, seq_no, data) = (self.identifier, SEQUENCE, self.data);
        let (v4, v6) = (
            Icmpv4Repr::EchoRequest { ident, seq_no, data },
            Icmpv6Repr::EchoRequest { ident, seq_no, data },
        );
        let (protocol, len) = match source {
            IpAddr::V4(_) => (IpProtocol::Icmp, v4.buffer_len()),
            IpAddr::V6(_) => (IpProtocol::Icmpv6, v6.buffer_len()),
        };
        let checksums = ChecksumCapabilities::default();
        let ip = IpRepr::new(source.into(), destination.into(), protocol, len, HOP_LIMIT);
        let mut packet = vec![0; ip.header_len() + len];
        let (header, body) = packet.split_at_mut(ip.header_len());
        ip.emit(&mut *header, &checksums);
        match (source, destination) {
            (IpAddr::V4(_), IpAddr::V4(_)) => v4.emit(&mut Icmpv4Packet::new_unchecked(body), &checksums),
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                v6.emit(&source, &destination, &mut Icmpv6Packet::new_unchecked(body), &checksums);
            }
            _ => return None,
        }
        Some(packet)
    }

    /// Whom a packet to `own` comes from, and whether all data is there, if it is the reply.
    fn reply(&self, packet: &[u8], own: IpAddr) -> Option<(IpAddr, bool)> {
        let (source, destination, body) = match own {
            IpAddr::V4(_) => {
                let ip = smoltcp::wire::Ipv4Packet::new_checked(packet).ok()?;
                (IpAddr::V4(ip.src_addr()), IpAddr::V4(ip.dst_addr()), ip.payload())
            }
            IpAddr::V6(_) => {
                let ip = smoltcp::wire::Ipv6Packet::new_checked(packet).ok()?;
                (IpAddr::V6(ip.src_addr()), IpAddr::V6(ip.dst_addr()), ip.payload())
            }
        };
        let echo_reply = if own.is_ipv4() { 0 } else { 129 };
        let (&[icmp_type, _, _, _, a, b, c, d], data) = body.split_first_chunk::<8>()?;
        let is_ours = icmp_type == echo_reply
            && destination == own
            && u16::from_be_bytes([a, b]) == self.identifier
            && u16::from_be_bytes([c, d]) == SEQUENCE;
        is_ours.then(|| (source, data == self.data))
    }
}
