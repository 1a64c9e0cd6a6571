//! How does a guest hear and speak on one interface?
//!
//! A [`Station`] is a TCP/IP stack with its network card, plugged into one port of the engine: an interface of an
//! instance, or an internet host. It takes frames as the engine sends them (virtio header first), gives back frames as
//! its kernel would, and says when it wants to be looked at again. It reads no clock.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use smoltcp::iface::{Config, Interface, PollResult, SocketSet};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr};
use vpclab_engine::{EniIdx, Fabric, HostIdx, Port, Slot, Timestamp};
use vpclab_wire::{
    Body, ETHERNET_LEN, FrameBuf, Headers, IcmpMessage, IpHeaders, MacAddr, Transport, parse, segments,
};

use crate::forwarder::{Forwarding, Passage, Translations};
use crate::nic::Nic;
use crate::offload::{is_right, offloaded};

/// The MTU of an instance's interface (MTU-01).
pub(crate) const INSTANCE_MTU: usize = 9001;

/// The most addresses smoltcp keeps (its feature `iface-max-addr-count-8`); with more it accepts all that
/// [`Station::receive`] lets pass.
const MOST_ADDRESSES: usize = 8;

/// How long smoltcp waits between two questions for a neighbour.
const RESOLUTION_PAUSE: Duration = Duration::from_secs(1);

/// How often a frame whose answer could not be sent is received again.
const MAX_RETRIES: u8 = 3;

/// How many fragments are kept to be received again: those of the largest datagram, and some more.
const MAX_FRAGMENTS: usize = 64;

/// How often a stack is asked for more to send in one go; far more than any window holds.
const MAX_EGRESS_ROUNDS: usize = 100_000;

/// What a guest's interface has counted, in frames as the stack sees them: after superframes are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GuestCounters {
    /// Frames handed to the stack.
    pub received: u64,
    /// Frames the stack has sent.
    pub sent: u64,
    /// Frames with a wrong transport checksum, complete or partial. None gets past the stack.
    pub wrong_checksums: u64,
    /// Frames that do not fit the MTU, received or sent. They are dropped.
    pub oversized: u64,
    /// Packets for an address that is not the guest's, dropped because it does not forward: explanations call it
    /// `not-forwarded`, with the code `GUEST_DOES_NOT_FORWARD`.
    pub not_forwarded: u64,
    /// Packets forwarded.
    pub forwarded: u64,
    /// Packets not forwarded because their TTL was used up.
    pub expired: u64,
    /// Frames the engine sent that are no frames.
    pub malformed: u64,
}

/// Whom a station stands for; unequal once the resource is gone or has moved to another instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    Interface { slot: Slot<EniIdx>, instance: String },
    Host(Slot<HostIdx>),
}

/// Everything a station is configured with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Configuration {
    pub(crate) identity: Identity,
    /// Its own name, from which its random numbers come.
    name: String,
    mac: MacAddr,
    /// Its own addresses with the prefix that is on the link.
    addresses: Vec<(IpAddr, u8)>,
    gateway_v4: Option<Ipv4Addr>,
    gateway_v6: Option<Ipv6Addr>,
    gateway_mac: MacAddr,
    mtu: usize,
    /// What it does with packets for others.
    forwarding: Option<Forwarding>,
}

/// A stack plugged into a port.
pub(crate) struct Station {
    /// Never given to another station of the lab.
    pub(crate) serial: u64,
    pub(crate) configuration: Configuration,
    pub(crate) counters: GuestCounters,
    pub(crate) sockets: SocketSet<'static>,
    /// When the lab will look at it again.
    pub(crate) wake: Option<Timestamp>,
    interface: Interface,
    nic: Nic,
    offloads: bool,
    inbox: Vec<Pending>,
    /// The fragments received last, in case the datagram has to be received again.
    fragments: Vec<(DatagramId, Pending)>,
    translations: Translations,
    forwards: Vec<Sent>,
}

/// A frame on its way to the engine, by the station's own port or by another one of its instance.
pub(crate) type Sent = (Option<Port>, Vec<u8>);

/// What the fragments of a datagram have in common.
type DatagramId = (IpAddr, IpAddr, u32);

/// A frame that the stack is to receive.
#[derive(Clone)]
struct Pending {
    ethernet: Vec<u8>,
    not_before: Timestamp,
    retries: u8,
}

impl Configuration {
    /// What the guest at `port` is configured with; none where nobody is plugged in.
    pub(crate) fn of(fabric: &Fabric, port: Port) -> Option<Self> {
        match port {
            Port::Interface(index) => {
                let eni = fabric.enis.get(index)?;
                let (instance, _) = eni.attachment?;
                let subnet = &fabric.subnets[eni.subnet];
                let prefix = |address: &IpAddr| match address {
                    IpAddr::V4(_) => subnet.ipv4.map_or(32, |block| block.prefix_len()),
                    IpAddr::V6(_) => subnet.ipv6.map_or(128, |block| block.prefix_len()),
                };
                let mut addresses: Vec<_> =
                    eni.addresses.iter().map(|address| (*address, prefix(address))).collect();
                addresses.push((IpAddr::V6(eni.link_local), 64));
                let has_v6 = eni.addresses.iter().any(IpAddr::is_ipv6);
                Some(Self {
                    identity: Identity::Interface {
                        slot: fabric.enis.slot(index),
                        instance: fabric.instances[instance].name.as_str().to_owned(),
                    },
                    name: format!("eni {}", eni.name),
                    mac: eni.mac,
                    addresses,
                    gateway_v4: subnet.router.ipv4,
                    gateway_v6: has_v6.then_some(subnet.router.link_local),
                    gateway_mac: subnet.router.mac,
                    mtu: INSTANCE_MTU,
                    forwarding: Forwarding::of(fabric, port),
                })
            }
            Port::Host(index) => {
                let host = fabric.hosts.get(index)?;
                // A point-to-point link (RFC 3021): nothing else is on it but the gateway, and no address is broadcast.
                let mut addresses: Vec<_> =
                    host.addresses.iter().map(|&a| (a, if a.is_ipv4() { 31 } else { 128 })).collect();
                addresses.push((IpAddr::V6(host.link_local), 64));
                let peer = |address: &IpAddr| match address {
                    IpAddr::V4(address) => Some(Ipv4Addr::from(u32::from(*address) ^ 1)),
                    IpAddr::V6(_) => None,
                };
                let has_v6 = host.addresses.iter().any(IpAddr::is_ipv6);
                Some(Self {
                    identity: Identity::Host(fabric.hosts.slot(index)),
                    name: format!("host {}", host.name),
                    mac: host.mac,
                    addresses,
                    gateway_v4: host.addresses.iter().find_map(peer),
                    gateway_v6: has_v6.then_some(HOST_GATEWAY),
                    gateway_mac: vpclab_engine::INTERNET_MAC,
                    mtu: host.mtu.into(),
                    forwarding: None,
                })
            }
        }
    }

    fn owns(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|(own, _)| *own == address)
    }
}

/// The gateway of an internet host; the engine answers for every address there.
const HOST_GATEWAY: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

impl Station {
    pub(crate) fn new(
        configuration: Configuration,
        serial: u64,
        seed: u64,
        offloads: bool,
        now: Timestamp,
    ) -> Self {
        let mut nic = Nic::new(configuration.mtu);
        let mut config = Config::new(hardware_address(configuration.mac));
        config.random_seed = seed ^ fingerprint(&configuration.name);
        let interface = Interface::new(config, &mut nic, instant(now));
        let mut station = Self {
            serial,
            configuration,
            translations: Translations::default(),
            counters: GuestCounters::default(),
            sockets: SocketSet::new(Vec::new()),
            wake: None,
            interface,
            nic,
            offloads,
            inbox: Vec::new(),
            fragments: Vec::new(),
            forwards: Vec::new(),
        };
        station.configure();
        station
    }

    /// Takes over a changed configuration; sockets stay open.
    pub(crate) fn reconfigure(&mut self, configuration: Configuration) {
        if configuration != self.configuration {
            self.configuration = configuration;
            self.configure();
        }
    }

    /// Has an address more, as what uses those of a delegated prefix or of a pool would set up inside.
    pub(crate) fn adopt(&mut self, address: IpAddr) {
        let mut configuration = self.configuration.clone();
        let is_beside = |(own, len): &&(IpAddr, u8)| {
            own.is_ipv4() == address.is_ipv4()
                && IpCidr::new((*own).into(), *len).contains_addr(&address.into())
        };
        let beside = configuration.addresses.iter().find(is_beside).map(|(_, len)| *len);
        let len = beside.unwrap_or(if address.is_ipv4() { 32 } else { 128 });
        // The link-local address stays the last one.
        let last = configuration.addresses.len().saturating_sub(1);
        configuration.addresses.insert(last, (address, len));
        self.reconfigure(configuration);
    }

    /// The station's own address that answers for `like`'s family: `wanted` if it is its own, else the first one. A
    /// link-local destination is spoken to from the link-local address.
    pub(crate) fn source_for(&self, destination: IpAddr, wanted: Option<IpAddr>) -> Option<IpAddr> {
        let same_family = |address: &IpAddr| address.is_ipv4() == destination.is_ipv4();
        let mut own = self.configuration.addresses.iter().map(|(address, _)| *address).filter(same_family);
        match wanted {
            Some(wanted) => own.find(|address| *address == wanted),
            None => own.find(|address| is_link_local(*address) == is_link_local(destination)),
        }
    }

    /// The stack's own affairs, for opening connections.
    pub(crate) fn connect(
        &mut self,
        handle: smoltcp::iface::SocketHandle,
        remote: std::net::SocketAddr,
        local: std::net::SocketAddr,
    ) -> bool {
        let socket = self.sockets.get_mut::<smoltcp::socket::tcp::Socket<'_>>(handle);
        socket.connect(self.interface.context(), remote, local).is_ok()
    }

    /// Takes a frame off the wire. Returns what the guest sees of it, frame by frame.
    pub(crate) fn receive(&mut self, frame: &[u8], now: Timestamp) -> Vec<(Headers, FrameBuf)> {
        let Ok(headers) = parse(frame) else {
            self.counters.malformed += 1;
            return Vec::new();
        };
        if let Body::Ip(ip) = headers.body
            && headers.dst_mac == self.configuration.mac
            && !ip.dst.is_multicast()
            && self.is_passed_on(frame, &ip)
        {
            return Vec::new();
        }
        let Ok(whole) = FrameBuf::from_bytes(frame.to_vec()) else { return Vec::new() };
        let vnet = whole.vnet();
        if vnet.is_superframe() && !is_right(&vnet, whole.ethernet(), &headers) {
            self.counters.wrong_checksums += 1;
            return Vec::new();
        }
        let mut seen = Vec::new();
        for piece in segments(frame).unwrap_or_default() {
            let Ok(headers) = parse(piece.bytes()) else {
                self.counters.malformed += 1;
                continue;
            };
            if let Body::Ip(ip) = headers.body
                && usize::try_from(ip.packet_len).is_ok_and(|len| len > self.configuration.mtu)
            {
                self.counters.oversized += 1;
                continue;
            }
            let right = is_right(&piece.vnet(), piece.ethernet(), &headers);
            self.counters.received += 1;
            self.counters.wrong_checksums += u64::from(!right);
            let retries = if right { MAX_RETRIES } else { 0 };
            self.inbox.push(Pending { ethernet: piece.ethernet().to_vec(), not_before: now, retries });
            if right {
                seen.push((headers, piece));
            }
        }
        seen
    }

    /// Lets the stack do what is due. Returns plain Ethernet frames, oldest first, as the stack sent them, and all of
    /// them and what is forwarded as frames on the wire, some by another port.
    pub(crate) fn poll(&mut self, now: Timestamp) -> (Vec<Vec<u8>>, Vec<Sent>) {
        let instant = instant(now);
        for pending in std::mem::take(&mut self.inbox) {
            if pending.not_before > now {
                self.inbox.push(pending);
            } else {
                self.take_in(pending, now);
            }
        }
        self.interface.poll_maintenance(instant);
        for _ in 0..MAX_EGRESS_ROUNDS {
            let result = self.interface.poll_egress(instant, &mut self.nic, &mut self.sockets);
            if result == PollResult::None {
                break;
            }
        }
        let longest = self.configuration.mtu + ETHERNET_LEN;
        let mut sent = std::mem::take(&mut self.nic.sent);
        let all = sent.len();
        sent.retain(|frame| frame.len() <= longest);
        self.counters.sent += u64::try_from(sent.len()).unwrap_or(0);
        self.counters.oversized += u64::try_from(all - sent.len()).unwrap_or(0);
        let on_wire = if self.offloads {
            offloaded(sent.clone())
        } else {
            sent.iter().map(|frame| FrameBuf::from_ethernet(frame)).collect()
        };
        let mut wire = std::mem::take(&mut self.forwards);
        wire.extend(on_wire.into_iter().map(|frame| (None, frame.into_bytes())));
        (sent, wire)
    }

    /// When the stack next has something to do; never earlier than a microsecond from `now`.
    pub(crate) fn next_poll(&mut self, now: Timestamp) -> Option<Timestamp> {
        let due = self.interface.poll_at(instant(now), &self.sockets).map(timestamp);
        let held = self.inbox.iter().map(|pending| pending.not_before).min();
        let next = [due, held].into_iter().flatten().min()?;
        Some(next.max(now + Duration::from_micros(1)))
    }

    fn configure(&mut self) {
        let configuration = &self.configuration;
        self.nic.mtu = configuration.mtu;
        self.interface.set_hardware_addr(hardware_address(configuration.mac));
        self.interface.set_any_ip(configuration.addresses.len() > MOST_ADDRESSES);
        // The link-local address is the last one, and nothing resolves without it.
        let (first, link_local) =
            configuration.addresses.split_at(configuration.addresses.len().saturating_sub(1));
        let kept = first.iter().take(MOST_ADDRESSES - 1).chain(link_local);
        let cidrs: Vec<_> = kept.map(|(address, prefix)| IpCidr::new((*address).into(), *prefix)).collect();
        self.interface.update_ip_addrs(|own| {
            own.clear();
            own.extend(cidrs.into_iter().take(MOST_ADDRESSES));
        });
        let routes = self.interface.routes_mut();
        routes.remove_default_ipv4_route();
        routes.remove_default_ipv6_route();
        // Two routes fit: smoltcp's table has two places.
        if let Some(gateway) = configuration.gateway_v4 {
            let _ = routes.add_default_ipv4_route(gateway);
        }
        if let Some(gateway) = configuration.gateway_v6 {
            let _ = routes.add_default_ipv6_route(gateway);
        }
    }

    /// The stack receives one frame. Unlike a kernel, smoltcp drops an answer whose next hop it has yet to resolve; the
    /// question is held here and asked again once the neighbour is known.
    fn take_in(&mut self, pending: Pending, now: Timestamp) {
        let before = self.nic.sent.len();
        self.nic.received = Some(pending.ethernet.clone());
        self.interface.poll_ingress_single(instant(now), &mut self.nic, &mut self.sockets);
        let Ok(headers) = parse(FrameBuf::from_ethernet(&pending.ethernet).bytes()) else { return };
        if is_resolution(&headers) {
            for held in &mut self.inbox {
                held.not_before = now;
            }
            return;
        }
        let answers = &self.nic.sent[before..];
        let asks_for_neighbor = answers.iter().any(|frame| {
            parse(FrameBuf::from_ethernet(frame).bytes()).is_ok_and(|headers| is_resolution(&headers))
        });
        let unanswered = answers.is_empty() && is_echo_request(&headers);
        let again = asks_for_neighbor || unanswered;
        let datagram = datagram_id(&headers);
        if let Some(id) = datagram {
            if self.fragments.len() == MAX_FRAGMENTS {
                self.fragments.remove(0);
            }
            self.fragments.push((id, pending.clone()));
        }
        if again {
            let whole: Vec<Pending> = match datagram {
                Some(id) => {
                    self.fragments.extract_if(.., |(other, _)| *other == id).map(|(_, f)| f).collect()
                }
                None => vec![pending],
            };
            let not_before = now + RESOLUTION_PAUSE;
            let retried = whole.into_iter().filter(|frame| frame.retries > 0);
            self.inbox.extend(retried.map(|f| Pending { not_before, retries: f.retries - 1, ..f }));
        }
    }

    /// Whether the packet is for others; then it is on its way, or dropped.
    fn is_passed_on(&mut self, frame: &[u8], ip: &IpHeaders) -> bool {
        let Self { configuration, translations, counters, .. } = self;
        let is_own = configuration.owns(ip.dst);
        let same_family = |address: &IpAddr| address.is_ipv6() == ip.is_ipv6();
        let own = configuration.addresses.iter().map(|(address, _)| *address).find(same_family);
        match translations.pass(configuration.forwarding.as_ref(), frame, ip, is_own, own) {
            Passage::Kept => return false,
            Passage::Expired => counters.expired += 1,
            Passage::Dropped => counters.not_forwarded += 1,
            Passage::SentOn(port, frame) => {
                counters.forwarded += 1;
                self.forwards.push((port, frame));
            }
        }
        true
    }
}

/// Virtual time as smoltcp counts it: microseconds.
pub(crate) fn instant(now: Timestamp) -> Instant {
    Instant::from_micros(i64::try_from(now.as_nanos() / 1000).unwrap_or(i64::MAX))
}

fn timestamp(instant: Instant) -> Timestamp {
    Timestamp::from_nanos(u64::try_from(instant.total_micros()).unwrap_or(0).saturating_mul(1000))
}

fn hardware_address(mac: MacAddr) -> HardwareAddress {
    HardwareAddress::Ethernet(EthernetAddress(mac.0))
}

/// ARP, or a neighbour solicitation or advertisement.
fn is_resolution(headers: &Headers) -> bool {
    match headers.body {
        Body::Arp(_) => true,
        Body::Ip(IpHeaders { transport: Transport::Icmp(icmp), .. }) => matches!(
            icmp.message,
            IcmpMessage::NeighborSolicitation { .. } | IcmpMessage::NeighborAdvertisement { .. }
        ),
        Body::Ip(_) => false,
    }
}

fn datagram_id(headers: &Headers) -> Option<DatagramId> {
    match headers.body {
        Body::Ip(ip) => Some((ip.src, ip.dst, ip.fragment?.identification)),
        Body::Arp(_) => None,
    }
}

fn is_echo_request(headers: &Headers) -> bool {
    match headers.body {
        Body::Ip(IpHeaders { transport: Transport::Icmp(icmp), src, fragment: None, .. }) => {
            icmp.icmp_type == if src.is_ipv4() { 8 } else { 128 }
        }
        _ => false,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// A number that depends on the name alone (FNV-1a).
fn fingerprint(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
