//! Which networks and packets are worth a look?
//!
//! Everything comes from one seed. Networks are small and dense: few addresses, few ports, so that rules, routes and
//! packets meet. Packets are biased towards what happened before: answers, errors about what arrived, the middle of
//! connections that may be forgotten, forwarding by whoever got a packet that was not for it.

mod endpoint;
mod private;
mod routing;
mod transit;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::{Map, Value, json};
use vpclab_model::{CustomerHost, InterfaceType, NetworkInterface, Topology};

use crate::harness::topology;
use crate::oracle::{Entry, Place, Verdict};
use crate::packet::{Body, ErrorKind, Flags, Packet, Piece};

/// Ports that rules and packets share.
const PORTS: [u16; 6] = [22, 25, 80, 443, 5432, 40_000];

/// Public addresses of a customer's own, and those of them that have a route (RT-51).
const POOL: &str = "100.20.0.0/24";
const ROUTED_PART_OF_POOL: &str = "100.20.0.0/25";

/// SplitMix64: the same numbers from the same seed.
#[derive(Debug, Clone)]
pub struct Rng(u64);

/// What has been seen of a run, for packets that refer to it.
#[derive(Debug, Default)]
pub struct Past {
    sent: Vec<(Entry, Packet)>,
    arrived: Vec<(Place, Packet)>,
}

impl Rng {
    /// The numbers of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next_u64() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `all`, which is not empty.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
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

/// A document that declares a valid network.
pub fn network(rng: &mut Rng) -> Value {
    let mut kinds: [Map<String, Value>; 13] = Default::default();
    let [
        vpcs,
        gateways,
        subnets,
        tables,
        acls,
        groups,
        interfaces,
        instances,
        eips,
        hosts,
        egress_only,
        peerings,
        nats,
    ] = &mut kinds;
    let amount = *rng.pick(&[1, 2, 2, 3, 3]);
    // Where filters let most through, packets come far.
    let is_open = rng.chance(65);
    // Alike on purpose, now and then: address spaces overlap.
    let seconds: Vec<usize> = (0..amount).map(|v| if rng.chance(60) { v } else { 0 }).collect();
    let peered = peerings_among(rng, &seconds, peerings);
    // The last one is elsewhere, now and then.
    let far = (amount > 1 && rng.chance(35)).then_some(amount - 1);
    for (v, second) in seconds.iter().enumerate() {
        let ipv6 = rng.chance(70);
        let net = format!("10.{second}");
        let mut vpc = json!({ "cidr_block": format!("{net}.0.0/16") });
        let elsewhere = far == Some(v);
        if elsewhere {
            vpc["region"] = json!("eu-west-1");
        }
        let region = if elsewhere { "eu-west-1" } else { "us-east-1" };
        if ipv6 {
            vpc["ipv6_cidr_block"] = json!(format!("2001:db8:{}::/56", v + 1));
        }
        vpcs.insert(format!("v{v}"), vpc);
        let gateway = rng.chance(85);
        if gateway {
            gateways.insert(format!("g{v}"), json!({ "vpc": format!("v{v}") }));
        }
        let outbound_only = ipv6 && rng.chance(45);
        if outbound_only {
            egress_only.insert(format!("e{v}"), json!({ "vpc": format!("v{v}") }));
        }
        let group_names: Vec<String> = (0..2 + rng.below(2)).map(|g| format!("v{v}-group{g}")).collect();
        // Every VPC has these, also one that comes later.
        let ends = peered.iter().filter_map(|(_, [(a, _), (b, _)])| match v {
            v if v == *a => Some(b),
            v if v == *b => Some(a),
            _ => None,
        });
        let near = ends.filter(|other| (Some(**other) == far) == elsewhere);
        let peers: Vec<String> = near.map(|other| format!("v{other}-group0")).collect();
        for name in &group_names {
            let known: Vec<String> = group_names.iter().chain(&peers).cloned().collect();
            let mut rules = group(rng, v, &known, ipv6);
            if is_open {
                open(&mut rules);
            }
            groups.insert(name.clone(), rules);
        }
        let mut names = Vec::new();
        for s in 1..=1 + rng.below(3) {
            let subnet_name = format!("v{v}-s{s}");
            let zone = format!("{region}{}", if rng.chance(70) { "a" } else { "b" });
            let mut subnet = json!({ "vpc": format!("v{v}"), "cidr_block": format!("{net}.{s}.0/24"), "availability_zone": zone });
            if ipv6 {
                subnet["ipv6_cidr_block"] = json!(format!("2001:db8:{}:{s}::/64", v + 1));
            }
            if rng.chance(if is_open { 10 } else { 45 }) {
                acls.insert(format!("{subnet_name}-acl"), acl(rng, v));
                subnet["network_acl"] = json!(format!("{subnet_name}-acl"));
            }
            subnets.insert(subnet_name.clone(), subnet);
            for i in 0..1 + rng.below(2) {
                let name = format!("v{v}-s{s}-i{i}");
                let mut instance = json!({
                    "subnet": subnet_name,
                    "private_ip": format!("{net}.{s}.{}", 10 + i),
                    "source_dest_check": rng.chance(70),
                    "security_groups": some_of(rng, &group_names),
                });
                if rng.chance(25) {
                    instance["secondary_private_ips"] = json!([format!("{net}.{s}.{}", 20 + i)]);
                }
                if ipv6 && rng.chance(75) {
                    instance["ipv6_addresses"] = json!([format!("2001:db8:{}:{s}::{}", v + 1, 10 + i)]);
                }
                if rng.chance(15) {
                    instance["ipv4_prefixes"] = json!([format!("{net}.{s}.{}/28", 64 + 16 * i)]);
                    if ipv6 {
                        instance["ipv6_prefixes"] = json!([format!("2001:db8:{}:{s}:{}::/80", v + 1, i + 1)]);
                    }
                }
                match rng.below(4) {
                    0 | 1 => instance["associate_public_ip_address"] = json!(true),
                    2 if gateway => {
                        let mut eip = json!({ "network_interface": name, "region": region });
                        if !instance["secondary_private_ips"].is_null() && rng.chance(50) {
                            eip["associate_with_private_ip"] = json!(format!("{net}.{s}.{}", 20 + i));
                        }
                        eips.insert(format!("{name}-eip"), eip);
                    }
                    _ => {}
                }
                instances.insert(name.clone(), instance);
                names.push(name);
            }
        }
        // Attached nowhere: what leads there is a black hole.
        interfaces.insert(
            format!("v{v}-spare"),
            json!({ "subnet": format!("v{v}-s1"), "private_ip": format!("{net}.1.30"), "security_groups": [group_names[0]] }),
        );
        names.push(format!("v{v}-spare"));
        if gateway && rng.chance(30) {
            eips.insert(
                format!("v{v}-spare-eip"),
                json!({ "network_interface": format!("v{v}-spare"), "region": region }),
            );
        }
        if rng.chance(30) {
            eips.insert(format!("v{v}-idle-eip"), json!({ "region": region }));
        }
        let subnet_names: Vec<String> =
            subnets.keys().filter(|name| name.starts_with(&format!("v{v}-"))).cloned().collect();
        let nat_names = nat_gateways(rng, v, (&net, region), gateway, &subnet_names, nats, eips);
        for name in &subnet_names {
            if rng.chance(80) {
                let table = format!("{name}-table");
                let around = Around {
                    nats: &nat_names,
                    v,
                    net: &net,
                    gateway,
                    ipv6,
                    outbound_only,
                    interfaces: &names,
                    subnets: subnet_names.len(),
                    peered: &peered,
                };
                tables.insert(table.clone(), route_table(rng, &around));
                subnets[name]["route_table"] = json!(table);
            }
        }
    }
    hosts.insert("client".into(), json!({ "address": "198.51.100.7", "ipv6_address": "2001:db8:ffff::7" }));
    hosts.insert("other".into(), json!({ "address": "192.0.2.9", "ipv6_address": "2001:db8:ffff::9" }));
    let settings = json!({
        "mid_stream_tcp": if rng.chance(30) { "drop" } else { "track" },
        "network_acl_within_subnet_via_router": rng.chance(30),
        "inter_region_peering_mtu": if rng.chance(50) { 1500 } else { 8500 },
        "outbound_smtp": if rng.chance(50) { "blocked" } else { "allowed" },
    });
    let [
        vpcs,
        gateways,
        subnets,
        tables,
        acls,
        groups,
        interfaces,
        instances,
        eips,
        hosts,
        egress_only,
        peerings,
        nats,
    ] = kinds;
    let mut document = json!({
        "egress_only_internet_gateways": egress_only, "vpc_peering_connections": peerings,
        "nat_gateways": nats,
        "settings": settings, "vpcs": vpcs, "internet_gateways": gateways, "subnets": subnets,
        "route_tables": tables, "network_acls": acls, "security_groups": groups,
        "network_interfaces": interfaces, "instances": instances, "eips": eips, "internet_hosts": hosts,
    });
    routing::enrich(rng, &mut document);
    transit::enrich(rng, &mut document);
    private::enrich(rng, &mut document);
    endpoint::enrich(rng, &mut document);
    document
}

/// A valid document that differs from `document` in one thing: rules, entries, or an instance that goes and comes.
pub fn changed(rng: &mut Rng, document: &Value, original: &Value) -> Option<Value> {
    let mut next = document.clone();
    let names = |kind: &str| -> Vec<String> {
        document[kind].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default()
    };
    match rng.below(10) {
        8 | 9 => endpoint::change(rng, &mut next, original)?,
        4 | 5 => change_routes(rng, &mut next, original)?,
        6 => change_gateway(rng, &mut next, original)?,
        0 | 1 => {
            let all = names("security_groups");
            let name = rng.pick(&all);
            let v = document["security_groups"][name]["vpc"].as_str()?[1..].parse().ok()?;
            let mut family: Vec<String> =
                all.iter().filter(|n| n.starts_with(&format!("v{v}-"))).cloned().collect();
            let ends = document["vpc_peering_connections"].as_object()?.values().filter_map(|peering| {
                let (a, b) = (peering["vpc"].as_str()?, peering["peer_vpc"].as_str()?);
                let own = format!("v{v}");
                if a == own { Some(b) } else { (b == own).then_some(a) }
            });
            let region = |vpc: &str| document["vpcs"][vpc]["region"].clone();
            let near = ends.filter(|other| region(other) == region(&format!("v{v}")));
            family.extend(near.map(|other| format!("{other}-group0")));
            next["security_groups"][name] = group(rng, v, &family, true);
        }
        2 => {
            let all = names("network_acls");
            let name = all.get(rng.below(all.len()))?;
            let v = document["network_acls"][name]["vpc"].as_str()?[1..].parse().ok()?;
            next["network_acls"][name] = acl(rng, v);
        }
        _ => {
            let all: Vec<String> = original["instances"].as_object()?.keys().cloned().collect();
            let name = rng.pick(&all);
            let instances = next["instances"].as_object_mut()?;
            if instances.remove(name).is_none() {
                instances.insert(name.clone(), original["instances"][name].clone());
            }
        }
    }
    // Whoever is referred to elsewhere cannot go.
    topology(&next, None).is_ok().then_some(next)
}

/// A route goes or comes back, or leads elsewhere.
fn change_routes(rng: &mut Rng, next: &mut Value, original: &Value) -> Option<()> {
    let tables: Vec<String> = original["route_tables"].as_object()?.keys().cloned().collect();
    let name = tables.get(rng.below(tables.len()))?;
    let routes = next["route_tables"][name]["routes"].as_array_mut()?;
    let at = rng.below(routes.len());
    if rng.chance(50) && at < routes.len() {
        routes.remove(at);
    } else {
        *routes = original["route_tables"][name]["routes"].as_array()?.clone();
    }
    Some(())
}

/// A peering connection is accepted or deleted; a NAT gateway goes, comes back, moves, or has an address more or less.
fn change_gateway(rng: &mut Rng, next: &mut Value, original: &Value) -> Option<()> {
    let peerings: Vec<String> = original["vpc_peering_connections"].as_object()?.keys().cloned().collect();
    let nats: Vec<String> = original["nat_gateways"].as_object()?.keys().cloned().collect();
    if rng.chance(35) {
        let peering = &mut next["vpc_peering_connections"][peerings.get(rng.below(peerings.len()))?];
        let next = if peering["state"] == "active" { "pending-acceptance" } else { "active" };
        peering["state"] = json!(next);
        return Some(());
    }
    let name = nats.get(rng.below(nats.len()))?;
    let old = &original["nat_gateways"][name];
    let all = next["nat_gateways"].as_object_mut()?;
    match (all.remove(name), rng.below(4)) {
        (None, _) => {
            all.insert(name.clone(), old.clone());
            next["route_tables"] = original["route_tables"].clone();
        }
        (Some(_), 0) => {
            for table in next["route_tables"].as_object_mut()?.values_mut() {
                table["routes"].as_array_mut()?.retain(|route| route["nat_gateway"] != **name);
            }
        }
        (Some(mut nat), 1) => {
            // It has another address, so it is another gateway.
            nat.as_object_mut()?.remove("private_ip");
            all.insert(name.clone(), nat);
        }
        (Some(mut nat), _) => {
            for attribute in ["secondary_private_ips", "secondary_allocations"] {
                let had = nat.as_object_mut()?.remove(attribute).is_some();
                if !had && !old[attribute].is_null() {
                    nat[attribute] = old[attribute].clone();
                }
            }
            all.insert(name.clone(), nat);
        }
    }
    Some(())
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

/// A packet that refers to nothing before it.
fn fresh(rng: &mut Rng, topology: &Topology) -> Option<(Entry, Packet)> {
    let ipv6 = rng.chance(35);
    let interfaces: Vec<_> =
        topology.network_interfaces.iter().filter(|(_, eni)| eni.attachment.is_some()).collect();
    let destination = destination(rng, topology, ipv6)?;
    let (place, mut source) = if rng.chance(25) {
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
        source = self::destination(rng, topology, ipv6).filter(|address| can_be_a_source(*address))?;
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

fn some_of(rng: &mut Rng, names: &[String]) -> Vec<String> {
    let first = rng.pick(names).clone();
    let second = rng.pick(names).clone();
    if first == second || rng.chance(50) { vec![first] } else { vec![first, second] }
}

fn group(rng: &mut Rng, v: usize, groups: &[String], ipv6: bool) -> Value {
    let mut group = json!({ "vpc": format!("v{v}"), "ingress": group_rules(rng, groups, ipv6) });
    if rng.chance(60) {
        group["egress"] = Value::Array(group_rules(rng, groups, ipv6));
    }
    group
}

/// Lets everything through, too.
fn open(group: &mut Value) {
    for direction in ["ingress", "egress"] {
        if let Some(rules) = group[direction].as_array_mut() {
            rules.retain(|rule| rule["protocol"] != "-1");
            rules.push(
                json!({ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"], "ipv6_cidr_blocks": ["::/0"] }),
            );
        }
    }
}

fn group_rules(rng: &mut Rng, groups: &[String], ipv6: bool) -> Vec<Value> {
    let mut rules: Vec<Value> = Vec::new();
    for _ in 0..rng.below(5) {
        let mut rule = match rng.below(10) {
            0 | 1 => json!({ "protocol": "-1" }),
            2..7 => {
                let protocol = if rng.chance(70) { "tcp" } else { "udp" };
                let (from, to) = match rng.below(3) {
                    0 => (0, 65_535),
                    1 => (1024, 65_535),
                    _ => {
                        let port = *rng.pick(&PORTS);
                        (port, port)
                    }
                };
                json!({ "protocol": protocol, "from_port": from, "to_port": to })
            }
            7 => {
                json!({ "protocol": "icmp", "from_port": if rng.chance(50) { 8 } else { -1 }, "to_port": -1 })
            }
            8 => {
                json!({ "protocol": "icmpv6", "from_port": if rng.chance(50) { 128 } else { -1 }, "to_port": -1 })
            }
            _ => json!({ "protocol": "47" }),
        };
        match rng.below(10) {
            0..4 => rule["cidr_blocks"] = json!(["0.0.0.0/0"]),
            4 | 5 if ipv6 => rule["ipv6_cidr_blocks"] = json!(["::/0"]),
            6 => rule["cidr_blocks"] = json!(["10.0.0.0/16"]),
            7 => rule["cidr_blocks"] = json!(["198.51.100.7/32"]),
            8 => rule["security_groups"] = json!([rng.pick(groups)]),
            _ => rule["self"] = json!(true),
        }
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    // A group that names itself twice, once by name, would be a mistake.
    let by_name = rules.iter().any(|rule| !rule["security_groups"].is_null());
    rules.retain(|rule| !by_name || rule["self"].is_null());
    rules
}

fn acl(rng: &mut Rng, v: usize) -> Value {
    json!({ "vpc": format!("v{v}"), "ingress": acl_entries(rng), "egress": acl_entries(rng) })
}

fn acl_entries(rng: &mut Rng) -> Vec<Value> {
    let mut entries = Vec::new();
    for number in 1..=rng.below(5) {
        let action = if rng.chance(55) { "allow" } else { "deny" };
        let mut entry = match rng.below(6) {
            0 => json!({ "protocol": "-1" }),
            1..4 => {
                let protocol = if rng.chance(70) { "tcp" } else { "udp" };
                let port = *rng.pick(&PORTS);
                let (from, to) = if rng.chance(50) { (port, port) } else { (1024, 65_535) };
                json!({ "protocol": protocol, "from_port": from, "to_port": to })
            }
            4 => {
                json!({ "protocol": "icmp", "icmp_type": if rng.chance(50) { 8 } else { -1 }, "icmp_code": -1 })
            }
            _ => json!({ "protocol": "58", "icmp_type": -1, "icmp_code": -1 }),
        };
        let (kind, block) = *rng.pick(&[
            ("cidr_block", "0.0.0.0/0"),
            ("cidr_block", "10.0.1.0/24"),
            ("cidr_block", "198.51.100.0/24"),
            ("cidr_block", "203.0.113.0/24"),
            ("ipv6_cidr_block", "::/0"),
            ("ipv6_cidr_block", "2001:db8:ffff::/48"),
        ]);
        entry[kind] = json!(block);
        entry["action"] = json!(action);
        // In an order of their own, not of their numbers.
        entry["rule_no"] = json!((number * 37) % 100 + 1);
        entries.push(entry);
    }
    if rng.chance(75) {
        entries
            .push(json!({ "rule_no": 200, "action": "allow", "protocol": "-1", "cidr_block": "0.0.0.0/0" }));
        entries
            .push(json!({ "rule_no": 201, "action": "allow", "protocol": "-1", "ipv6_cidr_block": "::/0" }));
    }
    entries
}

/// Connections between VPCs whose blocks begin with these second octets; each with the VPCs it joins and their blocks.
fn peerings_among(
    rng: &mut Rng,
    seconds: &[usize],
    peerings: &mut Map<String, Value>,
) -> Vec<(String, [(usize, usize); 2])> {
    let mut made = Vec::new();
    for a in 0..seconds.len() {
        for b in a + 1..seconds.len() {
            if rng.chance(60) {
                let name = format!("p{a}{b}");
                let mut peering = json!({ "vpc": format!("v{a}"), "peer_vpc": format!("v{b}") });
                // Unaccepted it waits, and where blocks overlap it fails.
                if rng.chance(80) {
                    peering["state"] = json!("active");
                }
                peerings.insert(name.clone(), peering);
                made.push((name, [(a, seconds[a]), (b, seconds[b])]));
            }
        }
    }
    made
}

/// NAT gateways of a VPC, public ones with an elastic IP for each of their addresses.
fn nat_gateways(
    rng: &mut Rng,
    v: usize,
    (net, region): (&str, &str),
    gateway: bool,
    subnets: &[String],
    nats: &mut Map<String, Value>,
    eips: &mut Map<String, Value>,
) -> Vec<String> {
    let mut names = Vec::new();
    for n in 0..rng.below(3) {
        let name = format!("n{v}{n}");
        let s = 1 + rng.below(subnets.len());
        let public = rng.chance(65);
        let mut nat =
            json!({ "subnet": format!("v{v}-s{s}"), "private_ip": format!("{net}.{s}.{}", 200 + n) });
        let second = rng.chance(30);
        if second {
            nat["secondary_private_ips"] = json!([format!("{net}.{s}.{}", 210 + n)]);
        }
        if public {
            eips.insert(format!("{name}-eip"), json!({ "region": region }));
            nat["allocation"] = json!(format!("{name}-eip"));
            if second {
                eips.insert(format!("{name}-eip2"), json!({ "region": region }));
                nat["secondary_allocations"] = json!([format!("{name}-eip2")]);
            }
        } else {
            nat["connectivity_type"] = json!("private");
        }
        // Without an internet gateway a public one fails.
        if gateway || !public || rng.chance(30) {
            nats.insert(name.clone(), nat);
            names.push(name);
        }
    }
    names
}

/// What routes of one VPC can lead to.
struct Around<'a> {
    v: usize,
    /// The first two octets of its block.
    net: &'a str,
    gateway: bool,
    ipv6: bool,
    outbound_only: bool,
    nats: &'a [String],
    interfaces: &'a [String],
    subnets: usize,
    peered: &'a [(String, [(usize, usize); 2])],
}

fn route_table(rng: &mut Rng, around: &Around<'_>) -> Value {
    let Around { v, net, gateway, ipv6, interfaces, .. } = *around;
    let mut routes = Vec::new();
    if !around.nats.is_empty() && rng.chance(60) {
        let nat = rng.pick(around.nats);
        let block = *rng.pick(&["0.0.0.0/0", "0.0.0.0/0", "0.0.0.0/0", "198.51.100.0/24", "10.0.0.0/8"]);
        routes.push(json!({ "cidr_block": block, "nat_gateway": nat }));
    }
    if ipv6 && !around.nats.is_empty() && rng.chance(60) {
        routes.push(json!({ "ipv6_cidr_block": "64:ff9b::/96", "nat_gateway": rng.pick(around.nats) }));
    }
    if !around.nats.is_empty() && rng.chance(12) {
        let block = format!("{net}.{}.0/24", 1 + rng.below(around.subnets));
        routes.push(json!({ "cidr_block": block, "nat_gateway": rng.pick(around.nats) }));
    }
    let has_default = routes.iter().any(|route| route["cidr_block"] == "0.0.0.0/0");
    if !has_default && rng.chance(85) {
        let target = if gateway && rng.chance(85) {
            json!({ "cidr_block": "0.0.0.0/0", "gateway": format!("g{v}") })
        } else {
            json!({ "cidr_block": "0.0.0.0/0", "network_interface": rng.pick(interfaces) })
        };
        routes.push(target);
    }
    if around.outbound_only && rng.chance(60) {
        routes.push(json!({ "ipv6_cidr_block": "::/0", "egress_only_gateway": format!("e{v}") }));
    } else if ipv6 && gateway && rng.chance(75) {
        routes.push(json!({ "ipv6_cidr_block": "::/0", "gateway": format!("g{v}") }));
    }
    if rng.chance(15) {
        routes.push(json!({ "cidr_block": "192.0.2.0/24", "network_interface": format!("v{v}-spare") }));
    }
    if rng.chance(15) {
        routes.push(json!({ "cidr_block": "198.51.100.0/24", "network_interface": rng.pick(interfaces) }));
    }
    if rng.chance(20) {
        let block = format!("{net}.{}.0/24", 1 + rng.below(around.subnets));
        routes.push(json!({ "cidr_block": block, "network_interface": rng.pick(interfaces) }));
    }
    // The first of those for one destination counts.
    let mut seen: Vec<Value> = Vec::new();
    routes.retain(|route| {
        let destination = route["cidr_block"].clone();
        let again = !destination.is_null() && seen.contains(&destination);
        seen.push(destination);
        !again
    });
    if rng.chance(5) {
        let block = format!("{net}.0.0/16");
        routes.push(json!({ "cidr_block": block, "network_interface": rng.pick(interfaces) }));
    }
    for (name, ends) in around.peered {
        let Some((other, second)) =
            ends.iter().position(|(end, _)| *end == v).map(|position| ends[1 - position])
        else {
            continue;
        };
        let blocks = [
            (75, format!("10.{second}.0.0/16")),
            (15, format!("10.{second}.1.0/24")),
            (15, format!("10.{second}.1.10/32")),
            (8, "203.0.113.0/24".to_owned()),
        ];
        for (percent, block) in blocks {
            let inside = block.starts_with(&format!("{net}."));
            let taken = routes.iter().any(|route| route["cidr_block"] == *block);
            if rng.chance(percent) && !inside && !taken {
                routes.push(json!({ "cidr_block": block, "vpc_peering_connection": name }));
            }
        }
        if ipv6 && rng.chance(60) {
            let block = format!("2001:db8:{}::/56", other + 1);
            routes.push(json!({ "ipv6_cidr_block": block, "vpc_peering_connection": name }));
        }
    }
    json!({ "vpc": format!("v{v}"), "routes": routes })
}
