//! Do real sockets agree?
//!
//! Kernel sockets inside the instances' namespaces: a listener where the packets are to arrive, a client where they
//! come from. A program of the user's that has the port already is left alone, and answers for itself. An instance that
//! has nothing to run in hinders nobody but those who ask it. What always holds: an attempt whose packets the lab's
//! engine has not decided about is an error, never an outcome.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use vpclab_api::{Counters, InstanceState, Level, Outcome, RunState};
use vpclab_tap::Netns;
use vpclab_tap::probe::{
    Conversation, Ends, PingOutcome, ProbeError, TcpOutcome, TcpResponder, UdpOutcome, UdpResponder, ping,
    tcp_connect, udp_exchange,
};

use crate::evidence::Tally;
use crate::run::{Attempt, Guest, Observation, Prober, Sent};

/// What is awaited to be dropped is waited for this long: the kernel's first retransmission comes after a second.
const SILENCE: Duration = Duration::from_millis(900);
/// What is awaited to come back may take this long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that must come back unchanged.
const GREETING: &[u8] = b"vpclab";

/// Asks the lab what it has counted; an error is a sentence.
pub type AskCounters<'a> = Box<dyn Fn() -> Result<Counters, String> + 'a>;

/// Sends packets inside the namespaces of a running lab.
pub struct LiveProber<'a> {
    /// A sentence where there is none.
    namespaces: BTreeMap<Guest, Result<Netns, String>>,
    /// Every address that a guest's kernel takes for its own: those of all interfaces beside it.
    own_addresses: BTreeMap<Guest, Vec<IpAddr>>,
    counters: AskCounters<'a>,
}

/// The receiver of an attempt while it runs.
enum Listener {
    Tcp(TcpResponder),
    Udp(UdpResponder),
    /// A program of the user's, or the kernel itself.
    Theirs,
}

impl fmt::Debug for LiveProber<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveProber").field("namespaces", &self.namespaces).finish_non_exhaustive()
    }
}

impl<'a> LiveProber<'a> {
    /// A prober for the instances and internet hosts of a running lab, which `counters` asks what it has counted. Of
    /// those that cannot be entered an attempt says so that needs them.
    pub fn new(instances: &[InstanceState], counters: AskCounters<'a>) -> Self {
        let mut namespaces = BTreeMap::new();
        let mut own_addresses = BTreeMap::new();
        for instance in instances {
            let own = instance.interfaces.iter().flat_map(|interface| &interface.addresses);
            // With or without the length of its prefix.
            let own = own.filter_map(|address| address.split('/').next()?.parse().ok());
            let own: Vec<IpAddr> = own.collect();
            let guests: Vec<Guest> = match instance.kind.as_str() {
                "instance" => {
                    let names = instance.interfaces.iter().map(|interface| interface.name.clone());
                    names.map(Guest::Interface).collect()
                }
                _ => vec![Guest::Host(instance.name.clone())],
            };
            for guest in guests {
                namespaces.insert(guest.clone(), open(instance));
                own_addresses.insert(guest, own.clone());
            }
        }
        Self { namespaces, own_addresses, counters }
    }

    fn namespace(&self, guest: &Guest) -> Result<&Netns, String> {
        match self.namespaces.get(guest) {
            Some(namespace) => namespace.as_ref().map_err(Clone::clone),
            None => Err(format!("{} does not run in the lab", guest.name())),
        }
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

/// Opens where an instance runs. What the path of one that is gone leads to may be somebody else's by now.
fn open(instance: &InstanceState) -> Result<Netns, String> {
    let name = &instance.name;
    if instance.state == RunState::Gone {
        return Err(format!(
            "{name} is gone: what it ran in has ended; `vpclab detach {name}` gives it a namespace of its own, `vpclab attach {name}` something else to run in"
        ));
    }
    Netns::open_path(Path::new(&instance.attachment.netns))
        .map_err(|error| format!("the namespace of {name} cannot be opened: {error}"))
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

impl Prober for LiveProber<'_> {
    fn level(&self) -> Level {
        Level::Live
    }

    fn probe(&mut self, attempt: &Attempt) -> Result<Observation, String> {
        self.refuse_short_cut(attempt)?;
        self.refuse_delegated(attempt)?;
        let before = self.tally(attempt)?;
        let listener = self.listen(attempt)?;
        let (outcome, said) = self.send(attempt, &listener)?;
        let said = said.as_deref();
        let sender = attempt.from.name();
        // What a guest's kernel keeps, the lab has handed to it and does not count as dropped.
        let kept_by_guest = attempt.denied_by.iter().any(|code| code == "GUEST_DOES_NOT_FORWARD");
        let denied_by = if kept_by_guest { &[][..] } else { &attempt.denied_by };
        self.tally(attempt)?.admits(&before, outcome, denied_by, sender, said)?;
        Ok(Observation { outcome, source_seen: listener.source_seen() })
    }
}

impl LiveProber<'_> {
    /// Between addresses of one namespace the kernel delivers over loopback, whatever the network would say.
    fn refuse_short_cut(&self, attempt: &Attempt) -> Result<(), String> {
        let sender = attempt.from.name();
        if self.own_addresses.get(&attempt.from).is_some_and(|own| own.contains(&attempt.destination)) {
            let destination = attempt.destination;
            let other = attempt.to.as_ref().filter(|(to, _)| *to != attempt.from);
            let other = other.map_or_else(String::new, |(to, _)| format!(" of {}", to.name()));
            return Err(format!(
                "the address {destination}{other} is {sender}'s own as well: its kernel answers itself, and no packet \
                 reaches the network; use --level virtual or explain"
            ));
        }
        let Some((to, address)) = &attempt.to else { return Ok(()) };
        if *address != attempt.destination || !self.namespace(&attempt.from)?.is_same(self.namespace(to)?) {
            return Ok(());
        }
        Err(format!(
            "{} and {} are interfaces of one instance: its kernel hands packets between them over by itself, and none \
             reaches the network; use --level virtual or explain",
            attempt.from.name(),
            to.name()
        ))
    }

    /// No kernel answers an echo request to an address of a delegated prefix, or of a pool, that nobody has set up.
    fn refuse_delegated(&self, attempt: &Attempt) -> Result<(), String> {
        let Some((to @ Guest::Interface(name), address)) = &attempt.to else { return Ok(()) };
        let has = self.own_addresses.get(to).is_none_or(|own| own.is_empty() || own.contains(address));
        if has || attempt.traffic != Sent::Ping || attempt.is_hopeless() {
            return Ok(());
        }
        Err(format!(
            "{address} is set up nowhere inside {name}, so nothing answers by it; use --level virtual or explain"
        ))
    }

    fn tally(&self, attempt: &Attempt) -> Result<Tally, String> {
        let receiver = attempt.to.as_ref().map(|(guest, _)| guest.name());
        let others = attempt.through.iter().map(String::as_str).chain(receiver).collect();
        let counters =
            (self.counters)().map_err(|error| format!("the lab does not say what it counts: {error}"))?;
        Ok(Tally::of_lab(&counters, attempt.from.name(), &others))
    }

    /// Sends, and says what came of it and what the sender's kernel said.
    fn send(&self, attempt: &Attempt, listener: &Listener) -> Result<(Outcome, Option<String>), String> {
        let netns = self.namespace(&attempt.from)?;
        let timeout = if attempt.is_hopeless() { SILENCE } else { PATIENCE };
        let failed = |error: ProbeError| format!("{} cannot send: {error}", attempt.from.name());
        let unreachable = |errno: &dyn fmt::Display| (Outcome::Unreachable, Some(errno.to_string()));
        let ends = |port, source_port| Ends {
            source: Some(attempt.source),
            source_port,
            destination: SocketAddr::new(attempt.destination, port),
        };
        Ok(match attempt.traffic {
            Sent::Tcp { port, source_port } => {
                let conversation = match listener {
                    Listener::Tcp(_) => Conversation::Echo(GREETING),
                    // What a program of the user's says after the handshake is its own business.
                    _ => Conversation::Handshake,
                };
                match tcp_connect(netns, &ends(port, source_port), conversation, timeout).map_err(failed)? {
                    TcpOutcome::Connected { .. } => (Outcome::Allowed, None),
                    // A handshake is a request that arrived and a reply that returned.
                    TcpOutcome::Unanswered { .. } if attempt.is_hopeless() => (Outcome::Allowed, None),
                    TcpOutcome::Unanswered { .. } | TcpOutcome::TimedOut => (Outcome::Dropped, None),
                    TcpOutcome::Refused | TcpOutcome::Reset { .. } => (Outcome::Refused, None),
                    TcpOutcome::PortUnreachable { by } => port_unreachable(attempt, Some(by)),
                    TcpOutcome::Unreachable(errno) => unreachable(&errno),
                }
            }
            Sent::Udp { port, source_port } => {
                match udp_exchange(netns, &ends(port, source_port), GREETING, timeout).map_err(failed)? {
                    UdpOutcome::Answered { .. } => (Outcome::Allowed, None),
                    UdpOutcome::PortUnreachable { by } => port_unreachable(attempt, by),
                    UdpOutcome::Unreachable(errno) => unreachable(&errno),
                    UdpOutcome::TimedOut => (Outcome::Dropped, None),
                }
            }
            Sent::Ping => {
                match ping(netns, Some(attempt.source), attempt.destination, timeout).map_err(failed)? {
                    PingOutcome::Replied { .. } => (Outcome::Allowed, None),
                    PingOutcome::Unreachable(errno) => unreachable(&errno),
                    PingOutcome::TimedOut => (Outcome::Dropped, None),
                }
            }
        })
    }
}

/// Port unreachable is the receiver's own word: who sends it in his place is the network.
fn port_unreachable(attempt: &Attempt, by: Option<IpAddr>) -> (Outcome, Option<String>) {
    match by {
        Some(other) if other != attempt.destination => {
            (Outcome::Unreachable, Some(format!("a port unreachable of {other}")))
        }
        _ => (Outcome::NoListener, None),
    }
}

#[cfg(test)]
mod tests {
    use vpclab_api::{Attachment, AttachmentTarget, InterfaceState};

    use super::*;

    fn instance(name: &str, state: RunState, netns: &str) -> InstanceState {
        let interface = InterfaceState {
            name: format!("{name}-eni"),
            id: String::new(),
            device: String::new(),
            mac_address: String::new(),
            addresses: vec!["10.0.0.4".to_owned()],
            public_ips: BTreeMap::new(),
            mtu: 9001,
        };
        InstanceState {
            name: name.to_owned(),
            id: String::new(),
            kind: "instance".to_owned(),
            state,
            attachment: Attachment {
                target: AttachmentTarget::Process(42),
                netns: netns.to_owned(),
                pid: None,
                hostname: String::new(),
                files: Vec::new(),
            },
            interfaces: vec![interface],
            warnings: Vec::new(),
        }
    }

    #[test]
    fn an_instance_that_cannot_be_entered_hinders_no_other() {
        // The path of the one that is gone leads somewhere: its process id is another process's now.
        let instances = [
            instance("gone", RunState::Gone, "/proc/self/ns/net"),
            instance("lost", RunState::Running, "/nonexistent/ns/net"),
            instance("there", RunState::Running, "/proc/self/ns/net"),
        ];
        let prober = LiveProber::new(&instances, Box::new(|| Ok(Counters::default())));
        let namespace = |name: &str| prober.namespace(&Guest::Interface(format!("{name}-eni")));
        assert!(namespace("there").is_ok());
        for (name, told) in [
            ("gone", "gone is gone: what it ran in has ended; `vpclab detach gone`"),
            ("lost", "the namespace of lost cannot be opened"),
            ("nobody", "nobody-eni does not run in the lab"),
        ] {
            let error = namespace(name).unwrap_err();
            assert!(error.starts_with(told), "{error}");
        }
    }

    #[test]
    fn a_port_is_unreachable_where_its_owner_says_so() {
        let attempt = Attempt {
            from: Guest::Interface("a".to_owned()),
            source: "10.0.0.4".parse().unwrap(),
            to: None,
            destination: "10.0.0.5".parse().unwrap(),
            traffic: Sent::Ping,
            through: std::collections::BTreeSet::new(),
            denied_by: Vec::new(),
        };
        for (by, outcome, said) in [
            (Some("10.0.0.5"), Outcome::NoListener, None),
            (Some("10.0.9.9"), Outcome::Unreachable, Some("a port unreachable of 10.0.9.9")),
            (None, Outcome::NoListener, None),
        ] {
            let by = by.map(|by| by.parse().unwrap());
            assert_eq!(port_unreachable(&attempt, by), (outcome, said.map(str::to_owned)), "{by:?}");
        }
    }

    #[test]
    fn who_has_the_receivers_address_himself_cannot_ask_it() {
        let instances = [
            instance("a", RunState::Running, "/proc/self/ns/net"),
            // Another namespace, were it a lab.
            instance("b", RunState::Running, "/nonexistent/ns/net"),
        ];
        let prober = LiveProber::new(&instances, Box::new(|| Ok(Counters::default())));
        let guest = |name: &str| Guest::Interface(format!("{name}-eni"));
        let attempt = |destination: &str| Attempt {
            from: guest("a"),
            source: "10.0.0.4".parse().unwrap(),
            to: Some((guest("b"), "10.0.0.4".parse().unwrap())),
            destination: destination.parse().unwrap(),
            traffic: Sent::Ping,
            through: std::collections::BTreeSet::new(),
            denied_by: Vec::new(),
        };
        let refused = prober.refuse_short_cut(&attempt("10.0.0.4")).unwrap_err();
        assert!(refused.starts_with("the address 10.0.0.4 of b-eni is a-eni's own as well"), "{refused}");
        // Behind another address, such as a public one, it is somebody on the network.
        assert_eq!(prober.refuse_short_cut(&attempt("203.0.113.4")), Ok(()));
    }
}
