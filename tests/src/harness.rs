//! What arrives where when a guest sends this?
//!
//! A [`Net`] is a topology and a lab without guests: frames go in by hand, what leaves is looked at, and the virtual clock
//! stands still until told to move. Guests are called
//! by the names of their interfaces (an instance's own one has the instance's name) and of internet hosts.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use vpclab_engine::flow::Capacity;
use vpclab_engine::plan::{NextHop, Plan};
use vpclab_engine::{Engine, Fabric, INTERNET_MAC, NoProbe, Outcome, Port, Timestamp, explain, trace};
use vpclab_lab::{Lab, LabOptions};
use vpclab_model::{Document, Forwards, Mistakes, Topology};
use vpclab_wire::MacAddr;

use crate::frames::{self, Seen};
use crate::packet::{Body, Packet};

/// A running network.
#[derive(Debug)]
pub struct Net {
    /// What was declared.
    pub topology: Topology,
    lab: Lab,
    document: Value,
}

/// What became of a frame.
#[derive(Debug)]
pub struct Fate {
    /// What the engine says.
    pub outcome: Outcome,
    /// What left, with the name of who gets it.
    pub sent: Vec<(String, Vec<u8>)>,
}

/// Reads a topology, or every mistake in it.
pub fn topology(document: &Value, previous: Option<&Topology>) -> Result<Topology, Mistakes> {
    Topology::from_document(&Document::from(document.clone()), previous)
}

/// The codes of the mistakes in `document`, each with its place, as in `subnets.a.cidr_block: InvalidSubnet.Range`.
pub fn mistakes(document: &Value) -> Vec<String> {
    match topology(document, None) {
        Ok(_) => Vec::new(),
        Err(Mistakes(mistakes)) => mistakes
            .iter()
            .map(|mistake| {
                let place = [mistake.resource.as_str(), mistake.attribute.as_str()].join(".");
                format!("{}: {}", place.trim_end_matches('.'), mistake.code)
            })
            .collect(),
    }
}

impl Net {
    /// The network that `document` declares, which must be right.
    pub fn new(document: Value) -> Self {
        let topology =
            topology(&document, None).unwrap_or_else(|mistakes| panic!("{mistakes}\n{document:#}"));
        Self::from_topology(topology, document)
    }

    /// A network with a topology made otherwise.
    pub fn from_topology(topology: Topology, document: Value) -> Self {
        Self::built(topology, document, LabOptions { guests: false, ..LabOptions::default() })
    }

    /// The network that `document` declares, which must be right, with other `options`; it has no guests.
    pub fn with_options(document: Value, options: LabOptions) -> Self {
        let topology =
            topology(&document, None).unwrap_or_else(|mistakes| panic!("{mistakes}\n{document:#}"));
        Self::built(topology, document, LabOptions { guests: false, ..options })
    }

    fn built(topology: Topology, document: Value, options: LabOptions) -> Self {
        let lab = Lab::new(&topology, options);
        Self { topology, lab, document }
    }

    /// The network that `document` declares, with this much memory.
    pub fn with_capacity(document: Value, capacity: Capacity) -> Self {
        let net = Self::new(document);
        let lab = Lab::new(&net.topology, LabOptions { guests: false, capacity, ..LabOptions::default() });
        Self { lab, ..net }
    }

    /// What is declared.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// What packets read.
    pub fn fabric(&self) -> &Fabric {
        self.lab.fabric()
    }

    /// Flow memory and counters.
    pub fn engine(&self) -> &Engine {
        self.lab.engine()
    }

    /// The time since the start.
    pub fn now(&self) -> Duration {
        self.timestamp().since(Timestamp::ZERO)
    }

    /// Gives back a share of the memory of flows that have expired.
    pub fn sweep(&mut self) {
        self.lab.sweep();
    }

    /// Lets time pass.
    pub fn pause(&mut self, duration: Duration) {
        assert!(self.lab.advance(duration), "nothing happens without guests");
    }

    /// Changes the document, and the network while it runs.
    pub fn change(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.document);
        let next = topology(&self.document, Some(&self.topology));
        self.topology = next.unwrap_or_else(|mistakes| panic!("{mistakes}\n{:#}", self.document));
        self.lab.replace(&self.topology);
    }

    /// Lets `seconds` pass.
    pub fn wait(&mut self, seconds: u64) {
        self.pause(Duration::from_secs(seconds));
    }

    /// The time as the engine takes it.
    pub fn timestamp(&self) -> Timestamp {
        self.lab.now()
    }

    /// The port of the guest `name`.
    pub fn port(&self, name: &str) -> Port {
        let interface = self.fabric().enis.find(name).map(Port::Interface);
        let port = interface.or_else(|| self.fabric().hosts.find(name).map(Port::Host));
        port.unwrap_or_else(|| panic!("there is no guest {name}"))
    }

    /// The guest at `port`.
    pub fn name(&self, port: Port) -> String {
        match port {
            Port::Interface(eni) => self.fabric().enis[eni].name.as_str().to_owned(),
            Port::Host(host) => self.fabric().hosts[host].name.as_str().to_owned(),
        }
    }

    /// The hardware address of the guest `name`.
    pub fn mac(&self, name: &str) -> MacAddr {
        match self.port(name) {
            Port::Interface(eni) => self.fabric().enis[eni].mac,
            Port::Host(host) => self.fabric().hosts[host].mac,
        }
    }

    /// The hardware address of the router that the guest `name` has.
    pub fn router_mac(&self, name: &str) -> MacAddr {
        match self.port(name) {
            Port::Interface(eni) => self.fabric().router_of(eni).mac,
            Port::Host(_) => INTERNET_MAC,
        }
    }

    /// Whom a guest with an ordinary network stack addresses the frame of such a packet to.
    pub fn next_hop(&self, name: &str, destination: IpAddr) -> MacAddr {
        let Port::Interface(eni) = self.port(name) else { return INTERNET_MAC };
        match explain::guest_next_hop(self.fabric(), eni, destination) {
            Ok(NextHop::Neighbor(neighbor)) => self.fabric().enis[neighbor].mac,
            Ok(NextHop::Router) | Err(_) => self.fabric().router_of(eni).mac,
        }
    }

    /// The guest `name` sends `packet` as an ordinary network stack does.
    pub fn send(&mut self, name: &str, packet: &Packet) -> Fate {
        self.send_to(name, self.next_hop(name, packet.dst), packet, b"vpclab")
    }

    /// The guest `name` sends `packet` to the router, whatever its destination.
    pub fn send_by_router(&mut self, name: &str, packet: &Packet) -> Fate {
        self.send_to(name, self.router_mac(name), packet, b"vpclab")
    }

    /// The guest `name` sends `packet` in a frame to `dst_mac`, with `payload`.
    pub fn send_to(&mut self, name: &str, dst_mac: MacAddr, packet: &Packet, payload: &[u8]) -> Fate {
        self.send_frame(name, &frames::frame(packet, self.mac(name), dst_mac, payload))
    }

    /// The guest `name` sends a frame that has its virtio header.
    pub fn send_frame(&mut self, name: &str, frame: &[u8]) -> Fate {
        let outcome = self.lab.inject(self.port(name), frame);
        let sent = self.lab.take_frames().into_iter().map(|(port, frame)| (self.name(port), frame)).collect();
        Fate { outcome, sent }
    }

    /// What would become of a frame; nothing changes.
    pub fn plan(&self, name: &str, frame: &[u8]) -> Plan {
        trace(self.fabric(), self.engine().flows(), self.timestamp(), self.port(name), frame, &mut NoProbe)
    }

    /// `name` sends `packet`, and guests that get it for others send it on by the interface it came in: who keeps it, and
    /// how it looks there.
    pub fn carry(&mut self, name: &str, packet: &Packet) -> Option<(String, Seen)> {
        const MOST_FORWARDERS: usize = 8;
        let (mut at, mut packet) = (name.to_owned(), packet.clone());
        for _ in 0..=MOST_FORWARDERS {
            let (receiver, seen) = self.send(&at, &packet).delivered()?;
            match self.forwards(&receiver, seen.dst) {
                None => return Some((receiver, seen)),
                Some(false) => return None,
                Some(true) => (packet.src, packet.dst) = (seen.src, seen.dst),
            }
            at = receiver;
        }
        None
    }

    /// Whether a guest sends on what it gets for `destination`; none if it keeps it, as its own or of a pool (RT-51).
    fn forwards(&self, name: &str, destination: IpAddr) -> Option<bool> {
        let eni = self.topology.network_interfaces.get(name)?;
        let mut own =
            eni.private_ips().map(IpAddr::V4).chain(eni.ipv6_addresses.iter().copied().map(IpAddr::V6));
        let mut pools = self.topology.route_tables.values().flat_map(|table| &table.public_ipv4_pools);
        let is_own = own.any(|own| own == destination)
            || eni.prefixes().any(|block| block.contains(&destination))
            || pools.any(|pool| ipnet::IpNet::V4(*pool).contains(&destination));
        let instance = &self.topology.instances[&eni.attachment.as_ref()?.instance];
        (!is_own).then_some(instance.forwards == Forwards::SameInterface)
    }

    /// `name` sends `packet`, and whoever gets it answers: whether the answer comes back, and to `name`, with the
    /// addresses turned round.
    pub fn converses(&mut self, name: &str, packet: &Packet) -> bool {
        let Some((receiver, seen)) = self.carry(name, packet) else { return false };
        // With the ports that it has there.
        let body = match packet.body {
            Body::Tcp { flags, .. } => Body::Tcp { src: seen.ports.0, dst: seen.ports.1, flags },
            Body::Udp { .. } => Body::Udp { src: seen.ports.0, dst: seen.ports.1 },
            Body::Echo { reply, .. } => Body::Echo { id: seen.ports.0, reply },
            other => other,
        };
        let observed = Packet::of(seen.src, seen.dst, body);
        let answer = observed.answer().expect("a packet that is answered");
        match self.carry(&receiver, &answer) {
            Some((back, seen)) => back == name && (seen.src, seen.dst) == (packet.dst, packet.src),
            None => false,
        }
    }
}

impl Fate {
    /// Who got the packet, and how it looked there.
    pub fn delivered(&self) -> Option<(String, Seen)> {
        match (self.outcome, self.sent.as_slice()) {
            (Outcome::Forwarded(_), [(name, frame)]) => Some((name.clone(), frames::read(frame)?)),
            _ => None,
        }
    }

    /// How the packet looks at `name`, which must have got it.
    #[track_caller]
    pub fn arrives_at(&self, name: &str) -> Seen {
        match self.delivered() {
            Some((at, seen)) if at == name => seen,
            _ => panic!("the packet does not arrive at {name}: {:?}", self.outcome),
        }
    }

    /// The packet must have died silently for the reason with this name.
    #[track_caller]
    pub fn dies_of(&self, reason: &str) {
        match self.outcome {
            Outcome::Dropped(why) if why.name() == reason => {}
            other => panic!("the packet does not die of {reason}: {other:?}"),
        }
        assert!(self.sent.is_empty(), "nobody hears of a packet that dies of {reason} (PIPE-09)");
    }
}
