//! What happens next?
//!
//! The [`Lab`] joins stations by the engine on a virtual clock. Frames and wake-ups wait in one queue, in order of time
//! and then of arrival; the clock jumps from one to the next, so that five idle days cost nothing. Chance comes from one
//! seeded generator: the same seed and the same calls give the same frames, bit for bit.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use vpclab_engine::flow::Capacity;
use vpclab_engine::{Engine, Fabric, Outcome, Outlet, Port, Timestamp};
use vpclab_model::Topology;
use vpclab_wire::{FrameBuf, VNET_LEN, parse};

use crate::connection::{Connection, ConnectionId};
use crate::pcap::Capture;
use crate::station::{Configuration, GuestCounters, Station};
use crate::watch::Watch;

/// The ports that guests choose from (Linux, `ip_local_port_range`).
const EPHEMERAL_PORTS: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// How a lab is run.
#[derive(Debug, Clone, PartialEq)]
pub struct LabOptions {
    /// Where all chance comes from: faults, source ports, the guests' sequence numbers.
    pub seed: u64,
    /// Whether guests hand the engine partial checksums and superframes, as kernels do; else complete checksums and
    /// frames of at most the MTU.
    pub offloads: bool,
    /// Whether frames that leave the engine are kept for [`Lab::take_frames`]. Without guests they always are.
    pub record_frames: bool,
    /// Whether there are guests. Without them frames come from [`Lab::inject`] only, and nobody answers.
    pub guests: bool,
    /// What goes wrong on the links between guests and engine.
    pub faults: Faults,
    /// How long a frame takes from a guest to the engine, and from the engine to a guest; at least a microsecond.
    pub latency: Duration,
    /// How much the engine remembers.
    pub capacity: Capacity,
    /// The most events that one call may take, so that every call ends.
    pub max_events: u64,
}

/// What goes wrong on a link, each a probability from 0 to 1 per frame. A superframe is one frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// The frame is lost.
    pub loss: f64,
    /// The frame arrives twice.
    pub duplicate: f64,
    /// The frame is late, and others overtake it.
    pub reorder: f64,
}

/// What the links have done so far, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkCounters {
    /// Frames that set out, lost ones included.
    pub carried: u64,
    /// Frames lost.
    pub lost: u64,
    /// Frames duplicated.
    pub duplicated: u64,
    /// Frames delayed.
    pub reordered: u64,
}

/// Somebody in the lab, by name or AWS-style id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestRef<'a> {
    /// An instance; it speaks by its primary interface, or by the one that has the source address asked for.
    Instance(&'a str),
    /// One interface of an instance.
    Interface(&'a str),
    /// A host outside every VPC.
    Host(&'a str),
}

/// A question that cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabError {
    /// The topology has nobody of this name, or nothing is attached to the interface.
    #[error("there is no {kind} \"{name}\" in the lab")]
    NoSuchGuest {
        /// Instance, attached network interface, or host outside every VPC.
        kind: &'static str,
        /// The name asked for.
        name: String,
    },
    /// The connection is closed, or one of its guests is gone.
    #[error("the connection is gone")]
    NoSuchConnection,
}

/// Guests, links and the engine, on a virtual clock.
pub struct Lab {
    pub(crate) options: LabOptions,
    pub(crate) fabric: Fabric,
    engine: Engine,
    now: Timestamp,
    random: fastrand::Rng,
    pub(crate) stations: BTreeMap<Port, Station>,
    next_serial: u64,
    next_port: u16,
    queue: BinaryHeap<Reverse<Event>>,
    next_event: u64,
    wakes: BTreeSet<(Timestamp, Port)>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    pub(crate) next_connection: u64,
    pub(crate) watches: BTreeMap<u64, Watch>,
    captures: Vec<Capture>,
    frames: Vec<(Port, Vec<u8>)>,
    links: LinkCounters,
}

/// A frame on a link. Ordered by time, then by departure.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: Timestamp,
    order: u64,
    towards: Towards,
    port: Port,
    /// The station at the link's end when the frame set out.
    serial: u64,
    frame: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Towards {
    Engine,
    Guest,
}

/// Collects what the engine sends.
#[derive(Default)]
struct Collected(Vec<(Port, Vec<u8>)>);

impl Default for LabOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            offloads: false,
            record_frames: false,
            guests: true,
            faults: Faults::default(),
            latency: Duration::from_micros(50),
            capacity: Capacity::default(),
            max_events: 10_000_000,
        }
    }
}

impl Outlet for Collected {
    fn send(&mut self, port: Port, frame: &[u8]) {
        self.0.push((port, frame.to_vec()));
    }
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab")
            .field("now", &self.now)
            .field("generation", &self.fabric.generation)
            .field("guests", &self.stations.keys().collect::<Vec<_>>())
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}

impl Lab {
    /// A lab at time zero in which nothing has happened yet.
    pub fn new(topology: &Topology, options: LabOptions) -> Self {
        let mut random = fastrand::Rng::with_seed(options.seed);
        let mut lab = Self {
            next_port: random.u16(EPHEMERAL_PORTS),
            random,
            fabric: Fabric::compile(topology, None),
            engine: Engine::with_secret(options.capacity, options.seed),
            now: Timestamp::ZERO,
            stations: BTreeMap::new(),
            next_serial: 0,
            queue: BinaryHeap::new(),
            next_event: 0,
            wakes: BTreeSet::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            watches: BTreeMap::new(),
            captures: Vec::new(),
            frames: Vec::new(),
            links: LinkCounters::default(),
            options,
        };
        lab.plug_in();
        lab
    }

    /// Swaps the configuration: every frame that reaches the engine from now on obeys the new one. Guests whose interface
    /// or host survives keep their sockets and connections; frames on the way to others are lost.
    pub fn replace(&mut self, topology: &Topology) {
        self.fabric = Fabric::compile(topology, Some(&self.fabric));
        self.engine.adopt(&self.fabric, self.now);
        self.plug_in();
    }

    /// The virtual time since the lab was made.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Runs everything that is due within `duration`, and moves the clock on by it. False if [`LabOptions::max_events`]
    /// were not enough; the clock then stands at the last event. Flow memory is swept, except in a lab without guests:
    /// there whoever injects frames says when, with [`Lab::sweep`].
    pub fn advance(&mut self, duration: Duration) -> bool {
        let until = self.now + duration;
        self.run(until, |_| false);
        if self.options.guests {
            self.sweep();
        }
        self.now == until
    }

    /// Gives back a share of the memory of flows that have expired.
    pub fn sweep(&mut self) {
        self.engine.sweep(&self.fabric, self.now);
    }

    /// The running configuration.
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// Flow memory and counters.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What the links have done.
    pub fn link_counters(&self) -> LinkCounters {
        self.links
    }

    /// What a guest has counted, over all its interfaces.
    ///
    /// # Errors
    ///
    /// [`LabError::NoSuchGuest`].
    pub fn guest_counters(&self, guest: GuestRef<'_>) -> Result<GuestCounters, LabError> {
        let mut total = GuestCounters::default();
        for port in self.ports(guest)? {
            if let Some(station) = self.stations.get(&port) {
                total.add(&station.counters);
            }
        }
        Ok(total)
    }

    /// What all guests have counted together.
    pub fn total_guest_counters(&self) -> GuestCounters {
        let mut total = GuestCounters::default();
        self.stations.values().for_each(|station| total.add(&station.counters));
        total
    }

    /// Where a guest is plugged in; an instance's primary interface comes first.
    ///
    /// # Errors
    ///
    /// [`LabError::NoSuchGuest`].
    pub fn ports(&self, guest: GuestRef<'_>) -> Result<Vec<Port>, LabError> {
        let named = |name: &str, own: &str, id: String| own == name || id == name;
        let found: Vec<Port> = match guest {
            GuestRef::Instance(name) => {
                let instance =
                    self.fabric.instances.iter().find(|(_, i)| named(name, i.name.as_str(), i.name.id()));
                let interfaces =
                    instance.map(|(_, instance)| instance.interfaces.clone()).unwrap_or_default();
                interfaces.into_iter().map(|(_, eni)| Port::Interface(eni)).collect()
            }
            GuestRef::Interface(name) => {
                let mut enis = self.fabric.enis.iter().filter(|(_, eni)| eni.attachment.is_some());
                let eni = enis.find(|(_, eni)| named(name, eni.name.as_str(), eni.name.id()));
                eni.map(|(eni, _)| Port::Interface(eni)).into_iter().collect()
            }
            GuestRef::Host(name) => {
                let host = self.fabric.hosts.iter().find(|(_, h)| named(name, h.name.as_str(), h.name.id()));
                host.map(|(host, _)| Port::Host(host)).into_iter().collect()
            }
        };
        if found.is_empty() { Err(guest.missing()) } else { Ok(found) }
    }

    /// Puts a frame, virtio header first, into the engine now, as if the guest at `port` had sent it. What comes out is
    /// kept for [`Lab::take_frames`] and, if there are guests, on its way to them.
    pub fn inject(&mut self, port: Port, frame: &[u8]) -> Outcome {
        if let Some(ethernet) = frame.get(VNET_LEN..) {
            self.captures.iter_mut().for_each(|capture| capture.record(self.now, port, ethernet));
        }
        let before = self.frames.len();
        let (outcome, sent) = self.feed(port, frame.to_vec());
        self.frames.truncate(before);
        self.frames.extend(sent);
        outcome
    }

    /// The frames that have left the engine since the last call, virtio headers included, in order: those caused by
    /// [`Lab::inject`], and all of them with [`LabOptions::record_frames`] or without guests.
    pub fn take_frames(&mut self) -> Vec<(Port, Vec<u8>)> {
        std::mem::take(&mut self.frames)
    }

    /// Writes what guests send and receive from now on to a capture file at `path`, without offloads, as the guests' own
    /// `tcpdump` would: a packet between two guests is there twice. `guest` narrows it to one guest's primary interface.
    ///
    /// # Errors
    ///
    /// What the operating system says, and `NotFound` for an unknown guest.
    pub fn capture(&mut self, path: impl AsRef<Path>, guest: Option<GuestRef<'_>>) -> io::Result<()> {
        let port = match guest {
            None => None,
            Some(guest) => {
                let ports =
                    self.ports(guest).map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
                ports.first().copied()
            }
        };
        self.captures.push(Capture::create(path.as_ref(), port)?);
        Ok(())
    }

    /// Ends all captures.
    ///
    /// # Errors
    ///
    /// The first failure to write, of any of them.
    pub fn finish_captures(&mut self) -> io::Result<()> {
        let results: Vec<_> = std::mem::take(&mut self.captures).into_iter().map(Capture::finish).collect();
        results.into_iter().collect()
    }

    /// Runs until `done` or `until`. At `until` the clock stands there, even if nothing happened.
    pub(crate) fn run(&mut self, until: Timestamp, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        for _ in 0..self.options.max_events {
            if done(self) {
                return true;
            }
            if !self.step(until) {
                self.now = self.now.max(until);
                return done(self);
            }
        }
        false
    }

    /// Has the station at `port` looked at as soon as possible, after its sockets have changed.
    pub(crate) fn touch(&mut self, port: Port) {
        let now = self.now;
        self.wake_at(port, now);
    }

    /// Whether the station at `port` is still the one of this serial number.
    pub(crate) fn is_current(&self, port: Port, serial: u64) -> bool {
        self.stations.get(&port).is_some_and(|station| station.serial == serial)
    }

    /// Where a guest answers at `address`, one of its own, as a dial's `server` takes it; none if it has no such address.
    ///
    /// # Errors
    ///
    /// [`LabError::NoSuchGuest`].
    pub fn answers_at(
        &self,
        guest: GuestRef<'_>,
        address: IpAddr,
    ) -> Result<Option<(Port, IpAddr)>, LabError> {
        self.source_of(guest, address, Some(address))
    }

    /// Gives a guest an address that the network delivers to it and that nothing inside has set up; one that it has it keeps.
    ///
    /// # Errors
    ///
    /// [`LabError::NoSuchGuest`].
    pub fn adopt(&mut self, guest: GuestRef<'_>, address: IpAddr) -> Result<(), LabError> {
        if self.answers_at(guest, address)?.is_some() {
            return Ok(());
        }
        let ports = self.ports(guest)?;
        let port = ports.into_iter().find(|port| self.stations.contains_key(port));
        if let Some(station) = port.and_then(|port| self.stations.get_mut(&port)) {
            station.adopt(address);
        }
        Ok(())
    }

    /// Who answers a dial: `server`, or whoever has the destination.
    pub(crate) fn server_of(
        &self,
        client: Port,
        destination: IpAddr,
        server: Option<(Port, IpAddr)>,
    ) -> Option<(Port, IpAddr)> {
        match server {
            Some(server) => self.stations.contains_key(&server.0).then_some(server),
            None => self.owner_of(client, destination),
        }
    }

    /// The guest that has `destination` as `client` sees it, and the address it has itself: its private one.
    pub(crate) fn owner_of(&self, client: Port, destination: IpAddr) -> Option<(Port, IpAddr)> {
        let vpc = match client {
            Port::Interface(eni) => self.fabric.enis.get(eni).map(|eni| (eni.vpc, eni.subnet)),
            Port::Host(_) => None,
        };
        let inside = vpc.and_then(|(vpc, subnet)| match destination {
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                let mut enis = self.fabric.enis.iter();
                enis.find(|(_, eni)| eni.subnet == subnet && eni.link_local == address)
                    .map(|(index, _)| index)
            }
            _ => self.fabric.interface_at(vpc, destination),
        });
        let owner = inside
            .map(|eni| (Port::Interface(eni), destination))
            .or_else(|| {
                let mapping = self.fabric.public_mapping(destination)?;
                Some((Port::Interface(mapping.eni), mapping.private))
            })
            .or_else(|| Some((Port::Host(self.fabric.only_host_at(destination)?), destination)))
            .or_else(|| {
                // A customer network knows VPCs by their private addresses.
                let mut owners =
                    self.fabric.vpcs.iter().filter_map(|(vpc, _)| self.fabric.interface_at(vpc, destination));
                let first = owners.next()?;
                owners.next().is_none().then_some((Port::Interface(first), destination))
            })?;
        self.stations.contains_key(&owner.0).then_some(owner)
    }

    /// A source port that a guest would choose: 32768 to 60999, as Linux does. One after the other, so that a
    /// conversation never meets what the network remembers of the one before.
    pub(crate) fn ephemeral_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = if port == *EPHEMERAL_PORTS.end() { *EPHEMERAL_PORTS.start() } else { port + 1 };
        port
    }

    /// Where a guest speaks from to reach `destination`, and by which address; none if it has no such address.
    pub(crate) fn source_of(
        &self,
        guest: GuestRef<'_>,
        destination: IpAddr,
        source: Option<IpAddr>,
    ) -> Result<Option<(Port, IpAddr)>, LabError> {
        let ports = self.ports(guest)?;
        let mut stations = ports.iter().filter_map(|port| Some((*port, self.stations.get(port)?))).peekable();
        if stations.peek().is_none() {
            return Err(guest.missing());
        }
        Ok(stations
            .filter(|_| !destination.is_unspecified())
            .find_map(|(port, station)| Some((port, station.source_for(destination, source)?))))
    }

    /// Makes the stations those of the fabric.
    fn plug_in(&mut self) {
        if !self.options.guests {
            return;
        }
        let enis = self.fabric.enis.iter().map(|(index, _)| Port::Interface(index));
        let hosts = self.fabric.hosts.iter().map(|(index, _)| Port::Host(index));
        let ports: Vec<Port> = enis.chain(hosts).collect();
        let mut before = std::mem::take(&mut self.stations);
        for port in ports {
            let Some(configuration) = Configuration::of(&self.fabric, port) else { continue };
            let survivor =
                before.remove(&port).filter(|s| s.configuration.identity == configuration.identity);
            let station = match survivor {
                Some(mut station) => {
                    station.reconfigure(configuration);
                    station
                }
                None => {
                    let serial = self.next_serial;
                    self.next_serial += 1;
                    Station::new(configuration, serial, self.options.seed, self.options.offloads, self.now)
                }
            };
            self.stations.insert(port, station);
        }
        let stations = &self.stations;
        self.wakes.retain(|(at, port)| stations.get(port).is_some_and(|station| station.wake == Some(*at)));
        let ports: Vec<Port> = self.stations.keys().copied().collect();
        ports.into_iter().for_each(|port| self.touch(port));
    }

    /// Runs the next event that is due by `until`; false if there is none.
    fn step(&mut self, until: Timestamp) -> bool {
        let frame = self.queue.peek().map(|Reverse(event)| event.at);
        let wake = self.wakes.first().map(|(at, _)| *at);
        // At one instant frames come before wake-ups: a stack sees all that has arrived before it answers.
        let frames_first = frame.is_some_and(|frame| wake.is_none_or(|wake| frame <= wake));
        let due = if frames_first { frame } else { wake };
        let Some(due) = due.filter(|due| *due <= until) else { return false };
        self.now = self.now.max(due);
        if frames_first {
            if let Some(Reverse(event)) = self.queue.pop() {
                self.arrive(event);
            }
        } else if let Some((_, port)) = self.wakes.pop_first() {
            self.poll(port);
        }
        true
    }

    /// A frame reaches the end of its link.
    fn arrive(&mut self, event: Event) {
        if !self.is_current(event.port, event.serial) {
            return;
        }
        match event.towards {
            Towards::Engine => {
                self.feed(event.port, event.frame);
                self.engine.sweep(&self.fabric, self.now);
            }
            Towards::Guest => {
                let Some(station) = self.stations.get_mut(&event.port) else { return };
                for (headers, frame) in station.receive(&event.frame, self.now) {
                    self.watches.values_mut().for_each(|watch| watch.received(event.port, &headers));
                    let ethernet = frame.ethernet();
                    self.captures.iter_mut().for_each(|c| c.record(self.now, event.port, ethernet));
                }
                self.touch(event.port);
            }
        }
    }

    /// The engine takes a frame. Returns what it sent.
    fn feed(&mut self, port: Port, mut frame: Vec<u8>) -> (Outcome, Vec<(Port, Vec<u8>)>) {
        let mut outlet = Collected::default();
        let outcome = self.engine.receive(&self.fabric, self.now, port, &mut frame, &mut outlet);
        for (port, frame) in &outlet.0 {
            if let Some(station) = self.stations.get(port) {
                let serial = station.serial;
                self.transmit(Towards::Guest, *port, serial, frame.clone());
            } else if let Some(ethernet) = frame.get(VNET_LEN..) {
                self.captures.iter_mut().for_each(|capture| capture.record(self.now, *port, ethernet));
            }
        }
        if self.options.record_frames || !self.options.guests {
            self.frames.extend_from_slice(&outlet.0);
        }
        (outcome, outlet.0)
    }

    /// Puts a frame on a link.
    fn transmit(&mut self, towards: Towards, port: Port, serial: u64, frame: Vec<u8>) {
        let Faults { loss, duplicate, reorder } = self.options.faults;
        self.links.carried += 1;
        if self.random.f64() < loss {
            self.links.lost += 1;
            return;
        }
        let latency = self.options.latency.max(Duration::from_micros(1));
        let mut at = self.now + latency;
        if self.random.f64() < reorder {
            self.links.reordered += 1;
            at = at + latency.mul_f64(1.0 + self.random.f64() * 4.0);
        }
        if self.random.f64() < duplicate {
            self.links.duplicated += 1;
            self.enqueue(at, towards, port, serial, frame.clone());
        }
        self.enqueue(at, towards, port, serial, frame);
    }

    fn enqueue(&mut self, at: Timestamp, towards: Towards, port: Port, serial: u64, frame: Vec<u8>) {
        let order = self.next_event;
        self.next_event += 1;
        self.queue.push(Reverse(Event { at, order, towards, port, serial, frame }));
    }

    /// A stack does what is due, and the programs on it after it.
    fn poll(&mut self, port: Port) {
        let Some(station) = self.stations.get_mut(&port) else { return };
        station.wake = None;
        let (sent, wire) = station.poll(self.now);
        let (serial, next) = (station.serial, station.next_poll(self.now));
        for ethernet in sent {
            self.captures.iter_mut().for_each(|capture| capture.record(self.now, port, &ethernet));
            if let Ok(headers) = parse(FrameBuf::from_ethernet(&ethernet).bytes()) {
                self.watches.values_mut().for_each(|watch| watch.sent(port, &headers));
            }
        }
        for (by, frame) in wire {
            let (port, serial) = match by {
                None => (port, serial),
                Some(other) => match self.stations.get(&other) {
                    Some(station) => (other, station.serial),
                    None => continue,
                },
            };
            self.transmit(Towards::Engine, port, serial, frame);
        }
        if let Some(next) = next {
            self.wake_at(port, next);
        }
        self.pump_at(port);
    }

    /// Has a station looked at no later than `at`.
    fn wake_at(&mut self, port: Port, at: Timestamp) {
        let Some(station) = self.stations.get_mut(&port) else { return };
        if station.wake.is_some_and(|wake| wake <= at) {
            return;
        }
        if let Some(later) = station.wake.replace(at) {
            self.wakes.remove(&(later, port));
        }
        self.wakes.insert((at, port));
    }
}

impl GuestRef<'_> {
    fn missing(self) -> LabError {
        let (kind, name) = match self {
            Self::Instance(name) => ("instance", name),
            Self::Interface(name) => ("attached network interface", name),
            Self::Host(name) => ("host outside every VPC", name),
        };
        LabError::NoSuchGuest { kind, name: name.to_owned() }
    }
}

impl GuestCounters {
    fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.sent += other.sent;
        self.wrong_checksums += other.wrong_checksums;
        self.oversized += other.oversized;
        self.not_forwarded += other.not_forwarded;
        self.forwarded += other.forwarded;
        self.expired += other.expired;
        self.malformed += other.malformed;
    }
}
