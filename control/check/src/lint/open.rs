//! Which groups let everybody in, to what is rarely meant for everybody?
//!
//! To remote logins, databases and their like, or to a thousand ports and more. Web servers, mail, VPNs and games are
//! nobody's business here. Everybody is a sixteenth of all public addresses and more, be it one block, many blocks of a
//! rule, or several rules of a group. Who of them gets through to an interface of the group the engine says: a part of the
//! internet makes it an error, nobody a note, for the day when routes and addresses change; a warning stands between, for
//! those who get through as something names them, and where it is not known.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_api::{Finding, Severity};
use vpclab_engine::explain::{End, TrafficQuestion, anonymous_address, ask};
use vpclab_engine::{Direction, DropReason, Eni, EniIdx, Role};
use vpclab_model::{Peer, PortRange, SecurityGroup, SecurityGroupName, Traffic};
use vpclab_wire::Protocol;

use super::Lint;
use super::asking;
use super::catalogue::OPEN_TO_THE_WORLD;
use super::outside::{self, Way};
use super::security_groups::place;
use super::signatures::{Kin, kinds};
use crate::words;

/// What is rarely meant for everybody.
const SENSITIVE: &[(u16, &str)] = &[
    (22, "SSH"),
    (3389, "RDP"),
    (23, "Telnet"),
    (135, "RPC"),
    (139, "NetBIOS"),
    (445, "SMB"),
    (389, "LDAP"),
    (873, "rsync"),
    (1433, "SQL Server"),
    (1521, "Oracle"),
    (2049, "NFS"),
    (2375, "Docker"),
    (2379, "etcd"),
    (3306, "MySQL"),
    (5432, "PostgreSQL"),
    (5439, "Redshift"),
    (5900, "VNC"),
    (5984, "CouchDB"),
    (5985, "WinRM"),
    (5986, "WinRM"),
    (6379, "Redis"),
    (6443, "the Kubernetes API"),
    (7000, "Cassandra"),
    (9042, "Cassandra"),
    (9092, "Kafka"),
    (9200, "Elasticsearch"),
    (9300, "Elasticsearch"),
    (10250, "kubelet"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];

/// This many ports are more than one service.
const MANY_PORTS: usize = 1000;

/// A rule as it is declared: with all of its peers.
struct Declared<'a> {
    at: usize,
    traffic: &'a Traffic,
    peers: Vec<&'a Peer>,
    /// The blocks of its peers in one family, by peer.
    blocks: Vec<Vec<IpNet>>,
}

impl Declared<'_> {
    fn all_blocks(&self) -> Vec<IpNet> {
        self.blocks.concat()
    }
}

/// What lets everybody in: a rule, or several of a group together.
struct Opening {
    /// Where it is, as documents have it.
    place: String,
    /// The rules in words.
    text: String,
    /// Whom they let in.
    blocks: Vec<IpNet>,
    /// To what.
    what: String,
    /// Ports to ask about.
    asked: Vec<(Protocol, u16)>,
}

/// Of each part of the internet: whether it gets through to an end by a port; none where that is not known.
type Known = BTreeMap<(EniIdx, Option<IpAddr>, bool, Protocol, u16), Vec<(Vec<IpNet>, Option<bool>)>>;

/// Who out there gets through.
enum Reached {
    Nobody,
    Unknown,
    /// Only who is named by some rule or route.
    Somebody(Vec<IpNet>),
    /// The internet, or a part of it with this address.
    World(Option<IpAddr>),
}

pub(super) fn check(cx: &Lint<'_>) -> Vec<Finding> {
    let members = kinds(cx.topology, cx.fabric, true, |_, _| true);
    let mut found = Vec::new();
    let mut known = Known::new();
    for (name, group) in &cx.topology.security_groups {
        for ipv6 in [false, true] {
            for opening in openings(cx, group, ipv6) {
                found.push(finding(cx, name, &opening, ipv6, (&members, &mut known)));
            }
        }
    }
    found
}

/// The rules of a group that let the world in, each by itself, or if none does, several of them together.
fn openings(cx: &Lint<'_>, group: &SecurityGroup, ipv6: bool) -> Vec<Opening> {
    let (mut found, mut rest) = (Vec::new(), Vec::new());
    for rule in declared(cx, group, ipv6) {
        let Some((what, asked)) = sensitive(rule.traffic) else { continue };
        if outside::is_world(&rule.all_blocks()) {
            // One peer of many that is the world by itself says it best.
            let alone = rule.blocks.iter().position(|blocks| outside::is_world(blocks));
            let peers = alone.map_or_else(|| rule.peers.clone(), |peer| vec![rule.peers[peer]]);
            let blocks = alone.map_or_else(|| rule.all_blocks(), |peer| rule.blocks[peer].clone());
            let place = place(Direction::Inbound, rule.at);
            found.push(Opening { place, text: text(rule.traffic, &peers, &blocks), blocks, what, asked });
        } else if outside::public_size(&rule.all_blocks()) > 0 {
            rest.push((rule, what, asked));
        }
    }
    let mut asked: Vec<(Protocol, u16)> = rest.iter().flat_map(|(.., asked)| asked.iter().copied()).collect();
    asked.retain(|point| {
        let at_point = rest.iter().filter(|(rule, ..)| allows(rule.traffic, *point));
        outside::is_world(&at_point.flat_map(|(rule, ..)| rule.all_blocks()).collect::<Vec<_>>())
    });
    asked.sort_unstable();
    asked.dedup();
    let opens = |rule: &Declared<'_>| asked.iter().any(|point| allows(rule.traffic, *point));
    let together: Vec<_> = rest.iter().filter(|(rule, ..)| opens(rule)).collect();
    if !together.is_empty() {
        let mut whats: Vec<&str> = together.iter().map(|(_, what, _)| what.as_str()).collect();
        whats.dedup();
        let places: Vec<String> =
            together.iter().map(|(rule, ..)| place(Direction::Inbound, rule.at)).collect();
        let blocks = together.iter().flat_map(|(rule, ..)| rule.all_blocks()).collect();
        found.push(Opening {
            place: words::direction(Direction::Inbound).to_owned(),
            text: format!("{} together", super::some_of(&places)),
            blocks,
            what: super::some_of(&whats),
            asked,
        });
    }
    found
}

/// Whether traffic holds this port.
fn allows(traffic: &Traffic, (protocol, port): (Protocol, u16)) -> bool {
    match traffic {
        Traffic::Tcp(ports) => protocol == Protocol::TCP && ports.contains(port),
        Traffic::Udp(ports) => protocol == Protocol::UDP && ports.contains(port),
        Traffic::All => true,
        Traffic::Icmp(_) | Traffic::Icmpv6(_) | Traffic::Protocol(_) => false,
    }
}

/// The rules of a group as they are declared, with the blocks of one family that they name.
fn declared<'a>(cx: &Lint<'a>, group: &'a SecurityGroup, ipv6: bool) -> Vec<Declared<'a>> {
    let mut all: Vec<Declared<'a>> = Vec::new();
    for rule in group.ingress.iter().filter(|rule| !rule.stale) {
        let mut blocks: Vec<IpNet> = match &rule.peer {
            Peer::Cidr(block) => vec![*block],
            Peer::PrefixList(list) => cx
                .topology
                .managed_prefix_lists
                .get(list)
                .map(|list| list.blocks().collect())
                .unwrap_or_default(),
            Peer::Group(_) | Peer::UnknownGroup(_) => Vec::new(),
        };
        blocks.retain(|block| block.addr().is_ipv6() == ipv6);
        if blocks.is_empty() {
            continue;
        }
        let known = all.iter_mut().find(|one| one.at == rule.declared_at && *one.traffic == rule.traffic);
        match known {
            Some(one) => {
                one.peers.push(&rule.peer);
                one.blocks.push(blocks);
            }
            None => all.push(Declared {
                at: rule.declared_at,
                traffic: &rule.traffic,
                peers: vec![&rule.peer],
                blocks: vec![blocks],
            }),
        }
    }
    all
}

/// A rule with these of its peers, and what a list of them holds.
fn text(traffic: &Traffic, peers: &[&Peer], blocks: &[IpNet]) -> String {
    let names: Vec<String> = peers.iter().map(ToString::to_string).collect();
    let holds = match peers {
        [Peer::PrefixList(_)] => {
            let blocks: Vec<String> = blocks.iter().map(ToString::to_string).collect();
            format!(" (it holds {})", super::some_of(&blocks))
        }
        _ => String::new(),
    };
    format!("`{traffic} from {}`{holds}", super::some_of(&names))
}

/// What lets the world in, and who of it gets how far.
fn finding(
    cx: &Lint<'_>,
    name: &SecurityGroupName,
    opening: &Opening,
    ipv6: bool,
    (members, known): (&[Kin], &mut Known),
) -> Finding {
    let is_member =
        |eni: &Eni| eni.security_groups.iter().any(|&group| cx.fabric.security_groups[group].name == *name);
    // What a load balancer or another service of AWS lets in is not known.
    let mut is_known =
        !cx.fabric.enis.iter().any(|(_, eni)| is_member(eni) && matches!(eni.role, Role::NotModelled(_)));
    let (mut world, mut somebody) = (None, None);
    let hosts = members.iter().filter_map(|kin| kin.first());
    'hosts: for host in hosts.filter(|host| is_member(&cx.fabric.enis[host.eni])) {
        for face in asking::faces(cx.fabric, host.eni, ipv6) {
            for &(protocol, port) in &opening.asked {
                let whom = || {
                    let of = asking::face_name(&host.name, cx.fabric, face);
                    format!("{} {port} of {of}", words::protocol(protocol))
                };
                match reaches(cx, known, face, ipv6, (protocol, port), &opening.blocks) {
                    Reached::World(such_as) => {
                        world = Some((such_as, whom()));
                        break 'hosts;
                    }
                    Reached::Somebody(blocks) => somebody = somebody.or_else(|| Some((blocks, whom()))),
                    Reached::Nobody => {}
                    Reached::Unknown => is_known = false,
                }
            }
        }
    }
    let list = |blocks: &[IpNet]| super::some_of(&blocks.iter().map(ToString::to_string).collect::<Vec<_>>());
    let (severity, how) = match (world, somebody) {
        (Some((None, whom)), _) => (Severity::Error, format!("the internet reaches {whom}")),
        (Some((Some(address), whom)), _) => {
            (Severity::Error, format!("part of the internet, such as {address}, reaches {whom}"))
        }
        (None, Some((blocks, whom))) => (
            Severity::Warning,
            format!("as things are, of the internet only {} gets that far, to {whom}", list(&blocks)),
        ),
        (None, None) if is_known => {
            (Severity::Note, "as things are, nobody on the internet gets that far".to_owned())
        }
        (None, None) => {
            (Severity::Warning, "whether anybody on the internet gets that far is not known".to_owned())
        }
    };
    let Opening { place, text, blocks, what, .. } = opening;
    let verb = if text.starts_with('`') { "lets" } else { "let" };
    let who = if outside::is_everybody(blocks) { "everybody" } else { "much of the internet" };
    let reason = format!("{text} {verb} {who} connect to {what}; {how}");
    let remedy = "name the blocks or groups that need it, or reach it by a VPN or Session Manager".to_owned();
    let finding = OPEN_TO_THE_WORLD.about(name, reason, remedy);
    Finding { severity, rule: Some(place.clone()), ..finding }
}

/// Who of these blocks reaches a port from the internet.
fn reaches(
    cx: &Lint<'_>,
    known: &mut Known,
    to: End,
    ipv6: bool,
    (protocol, port): (Protocol, u16),
    blocks: &[IpNet],
) -> Reached {
    let traffic = TrafficQuestion::Ports { protocol, port: Some(port), source_port: None };
    // Mostly whom nothing names says it all.
    let Ok(told) = ask(cx.fabric, asking::internet(cx.fabric, ipv6), to, Some(ipv6), traffic) else {
        // It has no address in that family.
        return Reached::Nobody;
    };
    if matches!(told.forward.dropped, Some(DropReason::NoPublicAddressForIngress { .. })) {
        return Reached::Nobody;
    }
    let is_meant = |address: &IpAddr| blocks.iter().any(|block| block.contains(address));
    let nameless = anonymous_address(cx.fabric, ipv6).filter(is_meant);
    if nameless.is_some() && outside::passes(&told) == Some(true) {
        return Reached::World(None);
    }
    let mut is_known = true;
    let mut reached: Vec<IpNet> = Vec::new();
    let ask_parts = || {
        let all = outside::parts(cx, to, Way::In, ipv6, traffic).into_iter();
        all.map(|part| (part.blocks, part.told.and_then(|(_, told)| outside::passes(&told)))).collect()
    };
    let parts = match to {
        End::Interface(eni, address) => {
            known.entry((eni, address, ipv6, protocol, port)).or_insert_with(ask_parts).clone()
        }
        _ => ask_parts(),
    };
    for (of_part, passes) in parts {
        let meant = outside::common_blocks(&of_part, blocks);
        match passes {
            Some(true) => reached.extend(meant),
            Some(false) => {}
            None => is_known &= meant.is_empty(),
        }
    }
    let reached = IpNet::aggregate(&reached);
    if outside::is_part(&reached) {
        Reached::World(reached.first().map(IpNet::network))
    } else if !reached.is_empty() {
        Reached::Somebody(reached)
    } else if is_known {
        Reached::Nobody
    } else {
        Reached::Unknown
    }
}

/// What of a rule's traffic is rarely meant for everybody, and ports to ask about.
fn sensitive(traffic: &Traffic) -> Option<(String, Vec<(Protocol, u16)>)> {
    let of = |ports: &PortRange, protocol: Protocol| {
        let named = SENSITIVE.iter().filter(|(port, _)| protocol == Protocol::TCP && ports.contains(*port));
        let named: Vec<&(u16, &str)> = named.collect();
        let count = usize::from(ports.to - ports.from) + 1;
        let what = match named.as_slice() {
            _ if count >= MANY_PORTS => format!("{count} {} ports", words::protocol(protocol)),
            [] => return None,
            [(port, name)] => format!("{name} ({} {port})", words::protocol(protocol)),
            several => super::some_of(&several.iter().map(|(_, name)| *name).collect::<Vec<_>>()),
        };
        let mut asked: Vec<(Protocol, u16)> = named.iter().map(|(port, _)| (protocol, *port)).collect();
        asked.push((protocol, ports.from.max(1)));
        Some((what, asked))
    };
    match traffic {
        Traffic::Tcp(ports) => of(ports, Protocol::TCP),
        Traffic::Udp(ports) => of(ports, Protocol::UDP),
        Traffic::All => of(&PortRange::ALL, Protocol::TCP).map(|(_, asked)| ("everything".to_owned(), asked)),
        Traffic::Icmp(_) | Traffic::Icmpv6(_) | Traffic::Protocol(_) => None,
    }
}
