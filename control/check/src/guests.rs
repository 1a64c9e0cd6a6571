//! Do TCP/IP stacks inside the process agree?
//!
//! Every attempt is a conversation between two guests of a virtual lab. Between attempts the clock jumps past every idle
//! time there is, so that no test sees the connections of another. What always holds: silence is an outcome only where
//! the engine has decided about the packets.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use vpclab_api::{Level, Outcome};
use vpclab_lab::{
    GuestRef, IcmpError, Lab, LabOptions, Ping, PingOutcome, TcpDial, TcpOutcome, UdpDial, UdpOutcome,
};
use vpclab_model::Topology;

use crate::evidence::Tally;
use crate::run::{Attempt, Guest, Observation, Prober, Sent};

/// Longer than any connection is remembered: five days is the longest idle time AWS allows (CT-11).
const FORGETTING: Duration = Duration::from_secs(5 * 24 * 3600 + 3600);
/// Virtual time: it costs nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// The engine's name for what a guest does not send on.
const NOT_FORWARDED: &str = "not-forwarded";
/// Bytes that must come back unchanged.
const GREETING: &[u8] = b"vpclab";

/// Sends packets between guests inside the process.
#[derive(Debug)]
pub struct VirtualProber {
    lab: Lab,
}

impl VirtualProber {
    /// A prober for the instances and internet hosts that `topology` declares.
    pub fn new(topology: &Topology) -> Self {
        Self { lab: Lab::new(topology, LabOptions::default()) }
    }
}

impl Prober for VirtualProber {
    fn level(&self) -> Level {
        Level::Virtual
    }

    fn probe(&mut self, attempt: &Attempt) -> Result<Observation, String> {
        let (from, source) = (guest(&attempt.from), Some(attempt.source));
        let to = |port| SocketAddr::new(attempt.destination, port);
        let no_address = || format!("{} cannot send from {}", attempt.from.name(), attempt.source);
        // What uses the addresses of a delegated prefix or of a pool sets them up inside.
        let receiver = attempt.to.iter().map(|(to, own)| (to, *own));
        for (own, address) in std::iter::once((&attempt.from, attempt.source)).chain(receiver) {
            self.lab.adopt(guest(own), address).map_err(|error| error.to_string())?;
        }
        let server = match &attempt.to {
            Some((to, own)) => self.lab.answers_at(guest(to), *own).map_err(|error| error.to_string())?,
            None => None,
        };
        let before = self.tally(from)?;
        let observation = match attempt.traffic {
            Sent::Tcp { port, source_port } => {
                let dial = TcpDial {
                    source,
                    source_port,
                    server,
                    deadline: PATIENCE,
                    ..TcpDial::new(to(port)).with_payload(GREETING)
                };
                match self.lab.tcp(from, &dial).map_err(|error| error.to_string())? {
                    TcpOutcome::Connected { server, echoed, .. } => {
                        // A handshake is a request that arrived and a reply that returned.
                        came(echoed || attempt.is_hopeless(), Some(server.peer.ip()))
                    }
                    TcpOutcome::Refused { by_guest: true, .. } => nothing(Outcome::Refused),
                    // Somebody on the way has: the packets did not reach who was asked.
                    TcpOutcome::Refused { by_guest: false, .. } => nothing(Outcome::Unreachable),
                    TcpOutcome::TimedOut { .. } => nothing(Outcome::Dropped),
                    TcpOutcome::Unreachable(error) => nothing(unreachable(&error, attempt.destination)),
                    TcpOutcome::NoAddress if attempt.destination.is_multicast() => {
                        let destination = attempt.destination;
                        return Err(format!(
                            "no connection is made to {destination}, which is no single host's address"
                        ));
                    }
                    TcpOutcome::NoAddress => return Err(no_address()),
                }
            }
            Sent::Udp { port, source_port } => {
                let dial = UdpDial {
                    source,
                    source_port,
                    server,
                    deadline: PATIENCE,
                    ..UdpDial::new(to(port), GREETING)
                };
                match self.lab.udp(from, &dial).map_err(|error| error.to_string())? {
                    UdpOutcome::Answered { server, echoed, .. } => came(echoed, Some(server.peer.ip())),
                    UdpOutcome::TimedOut { .. } => nothing(Outcome::Dropped),
                    UdpOutcome::Unreachable(error) => nothing(unreachable(&error, attempt.destination)),
                    UdpOutcome::NoAddress => return Err(no_address()),
                }
            }
            Sent::Ping => {
                let ping = Ping { source, server, deadline: PATIENCE, ..Ping::new(attempt.destination) };
                match self.lab.ping(from, &ping).map_err(|error| error.to_string())? {
                    PingOutcome::Replied { server, intact, .. } => {
                        came(intact, server.map(|server| server.peer.ip()))
                    }
                    PingOutcome::TimedOut { .. } => nothing(Outcome::Dropped),
                    PingOutcome::Unreachable(error) => nothing(unreachable(&error, attempt.destination)),
                    PingOutcome::NoAddress => return Err(no_address()),
                }
            }
        };
        if !self.lab.advance(FORGETTING) {
            return Err("the virtual lab does not come to rest".to_owned());
        }
        let (after, sender) = (self.tally(from)?, attempt.from.name());
        after.admits(&before, observation.outcome, &attempt.denied_by, sender, None)?;
        Ok(observation)
    }
}

impl VirtualProber {
    /// What `sender` has sent and the engine has dropped. Nobody else speaks unasked.
    fn tally(&self, sender: GuestRef<'_>) -> Result<Tally, String> {
        let sent = self.lab.guest_counters(sender).map_err(|error| error.to_string())?.sent;
        let mut tally = Tally { sent, ..Tally::default() };
        for (&(_, reason), frames) in &self.lab.engine().counters().dropped {
            *tally.dropped.entry(reason.to_owned()).or_default() += frames;
        }
        let kept = self.lab.total_guest_counters().not_forwarded;
        tally.dropped.insert(NOT_FORWARDED.to_owned(), kept);
        Ok(tally)
    }
}

fn guest(guest: &Guest) -> GuestRef<'_> {
    match guest {
        Guest::Interface(name) => GuestRef::Interface(name),
        Guest::Host(name) => GuestRef::Host(name),
    }
}

fn came(intact: bool, source_seen: Option<IpAddr>) -> Observation {
    Observation { outcome: if intact { Outcome::Allowed } else { Outcome::Dropped }, source_seen }
}

fn nothing(outcome: Outcome) -> Observation {
    Observation { outcome, source_seen: None }
}

/// Port unreachable is the receiver's own word (RFC 792, RFC 4443 section 3.1), where it comes from the address that was
/// asked; any other error is the network's.
fn unreachable(error: &IcmpError, destination: IpAddr) -> Outcome {
    let port_unreachable = match error.from {
        IpAddr::V4(_) => (3, 3),
        IpAddr::V6(_) => (1, 4),
    };
    let is_receivers = error.from == destination && (error.icmp_type, error.code) == port_unreachable;
    if is_receivers { Outcome::NoListener } else { Outcome::Unreachable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_receiver_can_say_that_nobody_listens() {
        for (from, icmp_type, code, outcome) in [
            ("10.0.0.5", 3, 3, Outcome::NoListener),
            ("10.0.0.9", 3, 3, Outcome::Unreachable),
            ("10.0.0.5", 3, 1, Outcome::Unreachable),
            ("10.0.0.5", 3, 13, Outcome::Unreachable),
            ("2001:db8::5", 1, 4, Outcome::NoListener),
            ("2001:db8::9", 1, 4, Outcome::Unreachable),
            ("2001:db8::5", 1, 3, Outcome::Unreachable),
        ] {
            let from: IpAddr = from.parse().unwrap();
            let destination = if from.is_ipv4() { "10.0.0.5" } else { "2001:db8::5" }.parse().unwrap();
            let error = IcmpError { from, icmp_type, code };
            assert_eq!(unreachable(&error, destination), outcome, "{error:?}");
        }
    }
}
