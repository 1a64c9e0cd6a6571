//! Which packets are worth a look?
//!
//! They are biased towards what happened before: answers, errors about what arrived, the middle of connections that may
//! be forgotten, forwarding by whoever got a packet that was not for it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::IpNet;
use vpclab_model::{CustomerHost, InterfaceType, NetworkInterface, RouteState, RouteTarget, Topology};

use super::{PORTS, Rng};
use crate::oracle::{Entry, Place, Verdict};
use crate::packet::{Body, ErrorKind, Flags, Packet, Piece};

/// What has been seen of a run, for packets that refer to it.
#[derive(Debug, Default)]
pub struct Past {
    sent: Vec<(Entry, Packet)>,
    arrived: Vec<(Place, Packet)>,
}

impl Past {
    /// Takes note of a packet and of what the oracle says became of it.
    pub fn record(&mut self, entry: &Entry, packet: &Packet, verdict: &Verdict) {
        self.sent.push((entry.clone(), packet.clone()));
        match verdict {
            Verdict::Delivered(place, seen) | Verdict::Told(_, Some((place, seen))) => {
                self.arrived.push((place.clone(), seen.clone()));
            }
            _ => {}
        }
    }
}

/// How long it is until the next packet.
pub fn pause(rng: &mut Rng) -> Duration {
    /// Around the documented timeouts, never on them, in milliseconds.
    const LONG: [u64; 9] = [29_500, 30_500, 59_500, 60_500, 180_500, 348_500, 350_500, 600_500, 432_000_500];
    let short = Duration::from_millis(rng.next_u64() % 1000);
    if rng.chance(85) { short } else { Duration::from_millis(*rng.pick(&LONG)) + short }
}

/// The next packet, and where it enters. `None` where the idea makes no packet.
pub fn packet(rng: &mut Rng, topology: &Topology, past: &Past) -> Option<(Entry, Packet)> {
    let recent = |rng: &mut Rng, len: usize| len.checked_sub(1 + rng.below(len.clamp(1, 6)));
    match rng.below(100) {
        0..40 => {
            let (place, seen) = &past.arrived[recent(rng, past.arrived.len())?];
            let entry_of = |packet: &Packet, rng: &mut Rng| entry(rng, topology, place, packet.dst);
            let is_for_it = match place {
                Place::Interface(name) => owns(topology.network_interfaces.get(name.as_str())?, seen.dst),
                Place::Host(_) => true,
                Place::Internet => return None,
            };
            let mut packet = match rng.below(10) {
                // A middlebox passes on what is not for it.
                _ if !is_for_it && rng.chance(75) => seen.clone(),
                // The rest of a datagram.
                _ if seen.piece != Piece::Whole && rng.chance(50) => return rest(rng, topology, past),
                0 => seen.error(*rng.pick(&[
                    ErrorKind::PortUnreachable,
                    ErrorKind::TooBig,
                    ErrorKind::TimeExceeded,
                ]))?,
                1 => with_flags(seen.answer()?, *rng.pick(&[Flags::Fin, Flags::Rst, Flags::Ack])),
                _ => seen.answer()?,
            };
            if !matches!(packet.body, Body::Error { .. }) && is_for_it {
                shape(rng, &mut packet);
            }
            Some((entry_of(&packet, rng)?, packet))
        }
        40..45 => rest(rng, topology, past),
        45..57 => {
            let (entry, packet) = past.sent[recent(rng, past.sent.len())?].clone();
            let flags = *rng.pick(&[Flags::Syn, Flags::Ack, Flags::Ack, Flags::Fin, Flags::Rst]);
            can_enter(topology, &entry).then(|| (entry, with_flags(packet, flags)))
        }
        _ => fresh(rng, topology),
    }
}

/// Whether who sent a packet is still there.
fn can_enter(topology: &Topology, entry: &Entry) -> bool {
    let exists = |name: &String| topology.network_interfaces.contains_key(name.as_str());
    match entry {
        Entry::Host(_) => true,
        Entry::ToRouter(from) => exists(from),
        Entry::ToNeighbor(from, to) => exists(from) && exists(to),
    }
}

/// The later piece of a datagram whose first one was sent not long ago.
fn rest(rng: &mut Rng, topology: &Topology, past: &Past) -> Option<(Entry, Packet)> {
    let firsts = past.sent.iter().rev().take(8).filter(|(_, packet)| matches!(packet.piece, Piece::First(_)));
    let firsts: Vec<_> = firsts.collect();
    let (entry, first) =
        firsts.get(rng.below(firsts.len())).filter(|(entry, _)| can_enter(topology, entry))?;
    let Piece::First(id) = first.piece else { return None };
    Some((entry.clone(), Packet { piece: Piece::Later(id), ..first.clone() }))
}

/// A way that leads through some gateway: who sends, under which address, and where to. Each kind of target that a route
/// of a subnet has is as likely as the others, and each kind of link that a customer network has.
fn through_a_gateway(rng: &mut Rng, topology: &Topology) -> Option<(Place, IpAddr, IpAddr)> {
    let mut ways: BTreeMap<String, Vec<(Place, IpAddr, IpNet)>> = BTreeMap::new();
    for (name, eni) in topology.network_interfaces.iter().filter(|(_, eni)| eni.attachment.is_some()) {
        let table = &topology.route_tables[&topology.subnets[&eni.subnet].route_table];
        for route in table.routes.iter().filter(|route| route.state == RouteState::Active) {
            let kind = match &route.target {
                RouteTarget::Local | RouteTarget::NetworkInterface(_) | RouteTarget::NotModelled { .. } => {
                    continue;
                }
                RouteTarget::TransitGateway(gateway) => gateway.as_str().to_owned(),
                target => format!("{:?}", std::mem::discriminant(target)),
            };
            let family = addresses(eni).find(|own| own.is_ipv6() == route.destination.addr().is_ipv6());
            if let Some(own) = family {
                let place = Place::Interface(name.as_str().to_owned());
                ways.entry(kind).or_default().push((place, own, route.destination));
            }
        }
    }
    let endpoints = topology.network_interfaces.values();
    for endpoint in endpoints.filter(|eni| matches!(eni.interface_type, InterfaceType::VpcEndpoint(_))) {
        let vpc = |eni: &NetworkInterface| &topology.subnets[&eni.subnet].vpc;
        let clients = topology.network_interfaces.iter().filter(|(_, eni)| eni.attachment.is_some());
        for (name, eni) in clients.filter(|(_, eni)| vpc(eni) == vpc(endpoint)) {
            for own in addresses(eni) {
                let to = addresses(endpoint).filter(|to| to.is_ipv6() == own.is_ipv6());
                let place = || Place::Interface(name.as_str().to_owned());
                ways.entry("interface endpoint".to_owned())
                    .or_default()
                    .extend(to.map(|to| (place(), own, IpNet::from(to))));
            }
        }
    }
    for (name, host) in &topology.customer_hosts {
        let network = &topology.customer_networks[&host.customer_network];
        for route in network.routes.iter().filter(|route| route.in_use) {
            let kind = format!("{:?}", std::mem::discriminant(&route.link));
            let family = host.addresses().find(|own| own.is_ipv6() == route.destination.addr().is_ipv6());
            if let Some(own) = family {
                let place = Place::Host(name.as_str().to_owned());
                ways.entry(kind).or_default().push((place, own, route.destination));
            }
        }
    }
    let kinds: Vec<_> = ways.into_values().collect();
    let of_kind = kinds.get(rng.below(kinds.len()))?;
    let (place, source, block) = rng.pick(of_kind).clone();
    let interfaces = topology.network_interfaces.values().flat_map(addresses);
    let customers = topology.customer_hosts.values().flat_map(CustomerHost::addresses);
    let services = topology.services.values().flat_map(|service| service.addresses());
    let internet = topology.internet_hosts.values().flat_map(|host| {
        let ipv4 = host.address.map(IpAddr::V4).into_iter();
        let in_ipv6 = host.address.and_then(|address| in_ipv6(IpAddr::V4(address)));
        ipv4.chain(host.ipv6_address.map(IpAddr::V6)).chain(in_ipv6)
    });
    let internet: Vec<IpAddr> = internet.filter(|address| block.contains(address)).collect();
    let there = if block.prefix_len() == 0 && !internet.is_empty() && rng.chance(75) {
        // Of everything rather what has no other way.
        internet
    } else {
        let known = interfaces.chain(customers).chain(services).filter(|address| block.contains(address));
        known.chain(internet).collect()
    };
    Some((place, source, *there.get(rng.below(there.len()))?))
}

/// A packet that refers to nothing before it.
fn fresh(rng: &mut Rng, topology: &Topology) -> Option<(Entry, Packet)> {
    let ipv6 = rng.chance(35);
    let interfaces: Vec<_> =
        topology.network_interfaces.iter().filter(|(_, eni)| eni.attachment.is_some()).collect();
    let led = if rng.chance(70) { through_a_gateway(rng, topology) } else { None };
    let destination = match &led {
        Some((_, _, destination)) => *destination,
        None => destination(rng, topology, ipv6)?,
    };
    let (place, mut source) = if let Some((place, source, _)) = led {
        (place, source)
    } else if rng.chance(25) {
        let public = topology.internet_hosts.iter().map(|(name, host)| {
            (name.as_str(), host.address.map(IpAddr::V4), host.ipv6_address.map(IpAddr::V6))
        });
        let customers = topology.customer_hosts.iter().map(|(name, host)| {
            (name.as_str(), host.address.map(IpAddr::V4), host.ipv6_address.map(IpAddr::V6))
        });
        let services = topology.services.iter().map(|(name, service)| {
            (name.as_str(), service.address.map(IpAddr::V4), service.ipv6_address.map(IpAddr::V6))
        });
        let hosts: Vec<_> = public.chain(customers).chain(services).collect();
        let (name, v4, v6) = *rng.pick(&hosts);
        (Place::Host(name.to_owned()), if ipv6 { v6 } else { v4 }?)
    } else {
        let (name, eni) = *interfaces.get(rng.below(interfaces.len()))?;
        let own: Vec<IpAddr> = addresses(eni).filter(|address| address.is_ipv6() == ipv6).collect();
        (Place::Interface(name.as_str().to_owned()), *own.get(rng.below(own.len()))?)
    };
    if rng.chance(8) {
        source =
            self::destination(rng, topology, source.is_ipv6()).filter(|address| can_be_a_source(*address))?;
    }
    let port = |rng: &mut Rng| *rng.pick(&PORTS);
    let (high, low) = (50_000 + u16::try_from(rng.below(3)).unwrap(), port(rng));
    let body = match rng.below(10) {
        0..5 => {
            let flags =
                if rng.chance(80) { Flags::Syn } else { *rng.pick(&[Flags::Ack, Flags::SynAck, Flags::Rst]) };
            Body::Tcp { src: high, dst: low, flags }
        }
        5..7 => Body::Udp { src: high, dst: low },
        7..9 => Body::Echo { id: high, reply: rng.chance(10) },
        _ => Body::Other(47),
    };
    if source == destination {
        return None;
    }
    let mut packet = Packet::of(source, destination, body);
    shape(rng, &mut packet);
    Some((entry(rng, topology, &place, destination)?, packet))
}

/// Makes a packet large, or a piece, or one that has come far.
fn shape(rng: &mut Rng, packet: &mut Packet) {
    if rng.chance(12) {
        packet.payload = *rng.pick(&[1400, 1452, 1453, 2500, 8440, 8480, 8700]);
        packet.may_be_cut = rng.chance(50);
    } else if rng.chance(12) {
        packet.payload = 100;
        packet.may_be_cut = true;
        let id = 7 + u16::try_from(rng.below(2)).unwrap();
        packet.piece = if rng.chance(60) { Piece::First(id) } else { Piece::Later(id) };
    }
    if rng.chance(10) {
        packet.ttl = *rng.pick(&[1, 2, 3]);
    }
}

/// Whom the guest at `place` addresses a frame for `destination` to: now and then somebody unexpected.
fn entry(rng: &mut Rng, topology: &Topology, place: &Place, destination: IpAddr) -> Option<Entry> {
    let name = match place {
        Place::Host(name) => return Some(Entry::Host(name.clone())),
        Place::Internet => return None,
        Place::Interface(name) => name,
    };
    let eni = topology.network_interfaces.get(name.as_str()).filter(|eni| eni.attachment.is_some())?;
    let neighbors: Vec<_> = topology
        .network_interfaces
        .iter()
        .filter(|(other, o)| o.subnet == eni.subnet && other.as_str() != name)
        .collect();
    let direct = neighbors.iter().find(|(_, other)| owns(other, destination));
    // What is for a router goes to the router: a frame that hands it to a neighbour is nobody's.
    let for_router = matches!(destination, IpAddr::V4(address) if address.octets()[3] == 1);
    let chosen = match direct {
        _ if !for_router && rng.chance(6) => neighbors.get(rng.below(neighbors.len())),
        Some(_) if rng.chance(15) => None,
        direct => direct,
    };
    Some(match chosen {
        Some((neighbor, _)) => Entry::ToNeighbor(name.clone(), neighbor.as_str().to_owned()),
        None => Entry::ToRouter(name.clone()),
    })
}

fn destination(rng: &mut Rng, topology: &Topology, ipv6: bool) -> Option<IpAddr> {
    let mut all: Vec<IpAddr> = Vec::new();
    let interfaces = topology.network_interfaces.values();
    match rng.below(24) {
        20 | 21 => all.extend(topology.services.values().flat_map(|service| service.addresses())),
        22 | 23 => all.extend(
            interfaces
                .filter(|eni| matches!(eni.interface_type, InterfaceType::VpcEndpoint(_)))
                .flat_map(addresses),
        ),
        0..11 => all.extend(interfaces.flat_map(addresses)),
        11..16 => all.extend(
            interfaces.flat_map(|eni| eni.public_ips.values().map(|public| IpAddr::V4(public.address))),
        ),
        16..17 => {
            let interfaces = interfaces.flat_map(addresses);
            let hosts = topology.internet_hosts.values().filter_map(|host| host.address.map(IpAddr::V4));
            all.extend(interfaces.chain(hosts).filter_map(in_ipv6));
        }
        17 => all.extend(topology.internet_hosts.values().flat_map(|host| {
            host.address.map(IpAddr::V4).into_iter().chain(host.ipv6_address.map(IpAddr::V6))
        })),
        18 => all.extend(topology.customer_hosts.values().flat_map(CustomerHost::addresses)),
        _ => {
            let odd = [
                "10.0.1.1",
                "10.0.1.99",
                "10.9.9.9",
                "192.168.1.1",
                "100.64.0.1",
                "8.8.8.8",
                "169.254.168.5",
                "100.20.0.5",
                "100.20.0.200",
            ];
            all.extend(odd.map(|text| text.parse::<IpAddr>().unwrap()));
            all.extend(
                ["2001:db8:1:1::99", "2600::1", "fd00:ec2::5"].map(|text| text.parse::<IpAddr>().unwrap()),
            );
            all.extend(topology.eips.values().map(|eip| IpAddr::V4(eip.public_ip)));
            all.push(IpAddr::V4(Ipv4Addr::new(10, 0, 1, 255)));
            all.push("ff02::5".parse().unwrap());
        }
    }
    all.retain(|address| address.is_ipv6() == ipv6);
    all.get(rng.below(all.len())).copied()
}

/// The address that NAT64 makes of an IPv4 one.
fn in_ipv6(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V4(address) = address else { return None };
    format!("64:ff9b::{address}").parse().ok()
}

/// Whether a forged source is worth the while: groups and link-local addresses die at the door, whoever sends them.
fn can_be_a_source(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_multicast() && !address.is_link_local() && !address.is_broadcast(),
        IpAddr::V6(address) => !address.is_multicast() && !address.is_unicast_link_local(),
    }
}

fn addresses(eni: &NetworkInterface) -> impl Iterator<Item = IpAddr> + '_ {
    // The last address of a delegated block stands for all of it (L2-31).
    let delegated = eni.prefixes().map(|block| block.broadcast());
    eni.private_ips()
        .map(IpAddr::V4)
        .chain(eni.ipv6_addresses.iter().copied().map(IpAddr::V6))
        .chain(delegated)
}

fn owns(eni: &NetworkInterface, address: IpAddr) -> bool {
    addresses(eni).any(|own| own == address)
}

fn with_flags(mut packet: Packet, new: Flags) -> Packet {
    if let Body::Tcp { flags, .. } = &mut packet.body {
        *flags = new;
    }
    packet
}
