//! Do real sockets agree?
//!
//! Kernel sockets inside the instances' namespaces: a listener where the packets are to arrive, a client where they come
//! from. A program of the user's that has the port already is left alone, and answers for itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use vpclab_api::{InstanceState, Level, Outcome};
use vpclab_tap::Netns;
use vpclab_tap::probe::{
    Conversation, Ends, PingOutcome, ProbeError, TcpOutcome, TcpResponder, UdpOutcome, UdpResponder, ping,
    tcp_connect, udp_exchange,
};

use crate::run::{Attempt, Guest, Observation, Prober, Sent};

/// What is awaited to be dropped is waited for this long: the kernel's first retransmission comes after a second.
const SILENCE: Duration = Duration::from_millis(900);
/// What is awaited to come back may take this long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that must come back unchanged.
const GREETING: &[u8] = b"vpclab";

/// Sends packets inside the namespaces of a running lab.
#[derive(Debug)]
pub struct LiveProber {
    namespaces: BTreeMap<Guest, Netns>,
}

/// The receiver of an attempt while it runs.
enum Listener {
    Tcp(TcpResponder),
    Udp(UdpResponder),
    /// A program of the user's, or the kernel itself.
    Theirs,
}

impl LiveProber {
    /// A prober for the instances and internet hosts of a running lab.
    ///
    /// # Errors
    ///
    /// A sentence that names the instance whose namespace cannot be opened.
    pub fn new(instances: &[InstanceState]) -> Result<Self, String> {
        let mut namespaces = BTreeMap::new();
        for instance in instances {
            let path = Path::new(&instance.attachment.netns);
            let open = || {
                Netns::open_path(path)
                    .map_err(|error| format!("the namespace of {} cannot be opened: {error}", instance.name))
            };
            if instance.kind == "internet_host" {
                namespaces.insert(Guest::Host(instance.name.clone()), open()?);
            } else {
                for interface in &instance.interfaces {
                    namespaces.insert(Guest::Interface(interface.name.clone()), open()?);
                }
            }
        }
        Ok(Self { namespaces })
    }

    fn namespace(&self, guest: &Guest) -> Result<&Netns, String> {
        self.namespaces.get(guest).ok_or_else(|| format!("{} does not run in the lab", guest.name()))
    }

    fn listen(&self, attempt: &Attempt) -> Result<Listener, String> {
        let Some((guest, address)) = &attempt.to else { return Ok(Listener::Theirs) };
        let netns = self.namespace(guest)?;
        let listener = match attempt.traffic {
            Sent::Tcp { port, .. } => {
                TcpResponder::start(netns, SocketAddr::new(*address, port)).map(Listener::Tcp)
            }
            Sent::Udp { port, .. } => {
                UdpResponder::start(netns, SocketAddr::new(*address, port)).map(Listener::Udp)
            }
            Sent::Ping => Ok(Listener::Theirs),
        };
        match listener {
            Err(ProbeError::AddrInUse(_)) => Ok(Listener::Theirs),
            other => other.map_err(|error| format!("nobody can listen at {}: {error}", guest.name())),
        }
    }
}

impl Listener {
    fn source_seen(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(responder) => responder.seen().last().map(SocketAddr::ip),
            Self::Udp(responder) => responder.seen().last().map(SocketAddr::ip),
            Self::Theirs => None,
        }
    }
}

impl Prober for LiveProber {
    fn level(&self) -> Level {
        Level::Live
    }

    fn probe(&mut self, attempt: &Attempt) -> Result<Observation, String> {
        let netns = self.namespace(&attempt.from)?;
        let listener = self.listen(attempt)?;
        let timeout = if attempt.hopeless { SILENCE } else { PATIENCE };
        let failed = |error: ProbeError| format!("{} cannot send: {error}", attempt.from.name());
        let ends = |port, source_port| Ends {
            source: Some(attempt.source),
            source_port,
            destination: SocketAddr::new(attempt.destination, port),
        };
        let outcome = match attempt.traffic {
            Sent::Tcp { port, source_port } => {
                let conversation = match listener {
                    Listener::Tcp(_) => Conversation::Echo(GREETING),
                    // What a program of the user's says after the handshake is its own business.
                    _ => Conversation::Handshake,
                };
                match tcp_connect(netns, &ends(port, source_port), conversation, timeout).map_err(failed)? {
                    TcpOutcome::Connected { .. } => Outcome::Allowed,
                    TcpOutcome::Unanswered { .. } | TcpOutcome::TimedOut => Outcome::Dropped,
                    TcpOutcome::Refused | TcpOutcome::Reset { .. } => Outcome::Refused,
                    TcpOutcome::Unreachable(_) => Outcome::Unreachable,
                }
            }
            Sent::Udp { port, source_port } => {
                match udp_exchange(netns, &ends(port, source_port), GREETING, timeout).map_err(failed)? {
                    UdpOutcome::Answered { .. } => Outcome::Allowed,
                    UdpOutcome::PortUnreachable => Outcome::NoListener,
                    UdpOutcome::Unreachable(_) => Outcome::Unreachable,
                    UdpOutcome::TimedOut => Outcome::Dropped,
                }
            }
            Sent::Ping => {
                match ping(netns, Some(attempt.source), attempt.destination, timeout).map_err(failed)? {
                    PingOutcome::Replied { .. } => Outcome::Allowed,
                    PingOutcome::Unreachable(_) => Outcome::Unreachable,
                    PingOutcome::TimedOut => Outcome::Dropped,
                }
            }
        };
        Ok(Observation { outcome, source_seen: listener.source_seen() })
    }
}
