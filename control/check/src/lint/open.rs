//! Which groups let everybody in, to what is rarely meant for everybody?
//!
//! To remote logins, databases and their like, or to a thousand ports and more. Web servers, mail, VPNs and games are
//! nobody's business here. Everybody is a sixteenth of all public addresses and more, be it one block, many blocks of a
//! rule, or several rules of a group. Who of them gets through to an interface of the group the engine says: a part of the
//! internet makes it an error, nobody a note, for the day when routes and addresses change; a warning stands between, for
//! those who get through as something names them, and where it is not known. Of many ports those are asked between which
//! filters on the way tell, and where they let the reply go to some ports alone, the ports of clients likewise: whoever
//! wants to get in sends from where he likes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_api::{Finding, Severity};
use vpclab_engine::explain::{EPHEMERAL_PORTS, End, Explanation, TrafficQuestion, anonymous_address, ask};
use vpclab_engine::{Direction, DropReason, Eni, EniIdx, Role, Step};
use vpclab_model::{NetworkAclEntry, Peer, PortRange, SecurityGroup, SecurityGroupName, Traffic};
use vpclab_wire::Protocol;

use super::Lint;
use super::asking;
use super::catalogue::OPEN_TO_THE_WORLD;
use super::outside::{self, Way};
use super::security_groups::place;
use super::signatures::{Kin, kinds};
use crate::internet::Part;
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
    asked: Vec<Probe>,
    /// Whether they are not all: what has no ports is let in, too.
    has_more: bool,
}

/// A port of TCP or UDP.
type Point = (Protocol, u16);

/// Of each part of the internet: whether it gets through to an end by a port; none where that is not known.
type Known = BTreeMap<(EniIdx, Option<IpAddr>, bool, Point), Vec<Asked>>;

/// A port that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Probe {
    protocol: Protocol,
    /// One of those that are rarely meant for everybody by themselves: they are asked first.
    is_plain: bool,
    port: u16,
    /// The last of those that fare as this one does.
    last: u16,
}

impl Probe {
    fn point(self) -> Point {
        (self.protocol, self.port)
    }

    fn count(self) -> usize {
        usize::from(self.last - self.port) + 1
    }
}

/// Who gets through from some ports of clients.
#[derive(Clone)]
struct Asked {
    /// From which: none are those that Linux sends from.
    from: Option<PortRange>,
    /// Of each part of the internet.
    parts: Vec<(Vec<IpNet>, Option<bool>)>,
}

/// Who out there gets through.
enum Reached {
    Nobody,
    Unknown,
    /// Only who is named by some rule or route.
    Somebody(Vec<IpNet>, Option<PortRange>),
    /// The internet, or a part of it with this address.
    World(Option<IpAddr>, Option<PortRange>),
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
    let mut edges = edges(cx, group);
    let declared = declared(cx, group, ipv6);
    for rule in declared.iter().filter(|rule| !outside::is_world(&rule.all_blocks())) {
        edges.extend(edges_of(rule.traffic));
    }
    for rule in declared {
        let Some((what, asked)) = sensitive(rule.traffic, &edges) else { continue };
        let has_more = *rule.traffic == Traffic::All;
        if outside::is_world(&rule.all_blocks()) {
            // One peer of many that is the world by itself says it best.
            let alone = rule.blocks.iter().position(|blocks| outside::is_world(blocks));
            let peers = alone.map_or_else(|| rule.peers.clone(), |peer| vec![rule.peers[peer]]);
            let blocks = alone.map_or_else(|| rule.all_blocks(), |peer| rule.blocks[peer].clone());
            let place = place(Direction::Inbound, rule.at);
            let text = text(rule.traffic, &peers, &blocks);
            found.push(Opening { place, text, blocks, what, asked, has_more });
        } else if outside::public_size(&rule.all_blocks()) > 0 {
            rest.push((rule, what, asked));
        }
    }
    let mut asked: Vec<Probe> = rest.iter().flat_map(|(.., asked)| asked.iter().copied()).collect();
    asked.retain(|probe| {
        let at_point = rest.iter().filter(|(rule, ..)| allows(rule.traffic, probe.point()));
        outside::is_world(&at_point.flat_map(|(rule, ..)| rule.all_blocks()).collect::<Vec<_>>())
    });
    asked.sort_unstable();
    asked.dedup();
    let opens = |rule: &Declared<'_>| asked.iter().any(|probe| allows(rule.traffic, probe.point()));
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
            has_more: together.iter().any(|(rule, ..)| *rule.traffic == Traffic::All),
        });
    }
    found
}

/// Where other filters that may be on the way to members of a group begin to decide otherwise: network ACLs, and the groups
/// of those who send on what is not theirs.
fn edges(cx: &Lint<'_>, group: &SecurityGroup) -> BTreeSet<Point> {
    let vpcs: BTreeSet<_> = std::iter::once(&group.vpc).chain(&group.vpc_associations).collect();
    let acls = cx.topology.network_acls.values().filter(|acl| vpcs.contains(&acl.vpc));
    let entries = acls.flat_map(|acl| acl.ingress.iter().chain(&acl.egress)).map(|entry| &entry.traffic);
    let forwards = cx.topology.network_interfaces.values().filter(|eni| !eni.source_dest_check);
    let names: BTreeSet<_> = forwards.flat_map(|eni| &eni.security_groups).collect();
    let groups = names.into_iter().filter_map(|name| cx.topology.security_groups.get(name));
    let groups = groups.filter(|group| vpcs.contains(&group.vpc));
    let rules = groups.flat_map(|group| group.ingress.iter().chain(&group.egress)).map(|rule| &rule.traffic);
    entries.chain(rules).flat_map(edges_of).collect()
}

/// Where what rules say of traffic begins and ends to hold.
fn edges_of(traffic: &Traffic) -> Vec<Point> {
    let (protocol, ports) = match traffic {
        Traffic::Tcp(ports) => (Protocol::TCP, ports),
        Traffic::Udp(ports) => (Protocol::UDP, ports),
        Traffic::All | Traffic::Icmp(_) | Traffic::Icmpv6(_) | Traffic::Protocol(_) => return Vec::new(),
    };
    begins(ports).map(|port| (protocol, port)).collect()
}

/// Where a range begins, and where what follows it does.
fn begins(ports: &PortRange) -> impl Iterator<Item = u16> + use<> {
    [Some(ports.from.max(1)), ports.to.checked_add(1)].into_iter().flatten()
}

/// Whether traffic holds this port.
fn allows(traffic: &Traffic, (protocol, port): Point) -> bool {
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
    let (mut world, mut somebody, mut few) = (None, None, Vec::new());
    let hosts = members.iter().filter_map(|kin| kin.first());
    'hosts: for host in hosts.filter(|host| is_member(&cx.fabric.enis[host.eni])) {
        for face in asking::faces(cx.fabric, host.eni, ipv6) {
            // Of plain ports it takes many.
            let (mut to_world, mut to_somebody) = (Vec::new(), Vec::new());
            let count =
                |reached: &[(Probe, String)]| reached.iter().map(|(probe, _)| probe.count()).sum::<usize>();
            for probe in &opening.asked {
                let whom = |from: Option<PortRange>| {
                    let of = asking::face_name(&host.name, cx.fabric, face);
                    let from = from.map(|ports| words::ports(ports.from, ports.to));
                    let from = from.map_or_else(String::new, |ports| format!(", sending from port {ports}"));
                    let (protocol, ports) =
                        (words::protocol(probe.protocol), words::ports(probe.port, probe.last));
                    format!("{protocol} {ports} of {of}{from}")
                };
                match reaches(cx, known, face, ipv6, probe.point(), &opening.blocks) {
                    Reached::World(such_as, from) => {
                        to_world.push((*probe, whom(from)));
                        if !probe.is_plain || count(&to_world) >= MANY_PORTS {
                            world = to_world.into_iter().next_back().map(|(_, whom)| (such_as, whom));
                            break 'hosts;
                        }
                    }
                    Reached::Somebody(blocks, from) => {
                        to_somebody.push((*probe, whom(from)));
                        if !probe.is_plain || count(&to_somebody) >= MANY_PORTS {
                            somebody = somebody.or_else(|| Some((blocks, whom(from))));
                        }
                    }
                    Reached::Nobody => {}
                    Reached::Unknown => is_known = false,
                }
            }
            few.extend(to_world.into_iter().chain(to_somebody).map(|(_, whom)| whom));
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
        (None, None) if is_known && !few.is_empty() => {
            let few = super::some_of(&few);
            (Severity::Note, format!("as things are, of that the internet reaches no more than {few}"))
        }
        (None, None) if is_known => {
            let by = if opening.has_more { " by tcp or udp" } else { "" };
            (Severity::Note, format!("as things are, nobody on the internet gets that far{by}"))
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
fn reaches(cx: &Lint<'_>, known: &mut Known, to: End, ipv6: bool, point: Point, blocks: &[IpNet]) -> Reached {
    // Mostly whom nothing names says it all.
    let internet = asking::internet(cx.fabric, ipv6);
    let Ok(told) = ask(cx.fabric, internet, to, Some(ipv6), traffic(point, None)) else {
        // It has no address in that family.
        return Reached::Nobody;
    };
    if matches!(told.forward.dropped, Some(DropReason::NoPublicAddressForIngress { .. })) {
        return Reached::Nobody;
    }
    let is_meant = |address: &IpAddr| blocks.iter().any(|block| block.contains(address));
    let nameless = anonymous_address(cx.fabric, ipv6).filter(is_meant);
    if nameless.is_some() && outside::passes(&told) == Some(true) {
        return Reached::World(None, None);
    }
    let asked = match to {
        End::Interface(eni, address) => {
            let key = (eni, address, ipv6, point);
            known.entry(key).or_insert_with(|| from_every_port(cx, to, ipv6, point)).clone()
        }
        _ => from_every_port(cx, to, ipv6, point),
    };
    let mut is_known = true;
    let mut somebody = None;
    for Asked { from, parts } in asked {
        let mut reached: Vec<IpNet> = Vec::new();
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
            let is_nameless = nameless.is_some_and(|own| reached.iter().any(|block| block.contains(&own)));
            let such_as = reached.first().filter(|_| !is_nameless).map(IpNet::network);
            return Reached::World(such_as, from);
        }
        if !reached.is_empty() {
            somebody = somebody.or(Some(Reached::Somebody(reached, from)));
        }
    }
    somebody.unwrap_or(if is_known { Reached::Nobody } else { Reached::Unknown })
}

fn traffic((protocol, port): Point, source_port: Option<u16>) -> TrafficQuestion {
    TrafficQuestion::Ports { protocol, port: Some(port), source_port }
}

/// How each part of the internet fares towards a port, from those ports of clients that Linux takes, and where only replies
/// to them are denied, from all others.
fn from_every_port(cx: &Lint<'_>, to: End, ipv6: bool, point: Point) -> Vec<Asked> {
    let parts = |source_port| {
        let asked = traffic(point, source_port);
        outside::parts(cx, (to, Way::In), ipv6, asked, asked)
    };
    let passing = |parts: Vec<Part<(IpAddr, Explanation)>>| {
        let passes = |part: Part<(IpAddr, Explanation)>| {
            (part.blocks, part.told.and_then(|(_, told)| outside::passes(&told)))
        };
        parts.into_iter().map(passes).collect()
    };
    let usual = parts(None);
    let told = usual.iter().filter_map(|part| part.told.as_ref().map(|(_, told)| told));
    let begins: BTreeSet<u16> = told.flat_map(|told| begins_of_replies(cx, told, point.0)).collect();
    let mut asked = vec![Asked { from: None, parts: passing(usual) }];
    let ends = begins.iter().skip(1).map(|next| next - 1).chain([u16::MAX]);
    let ranges = begins.iter().zip(ends).map(|(&from, to)| PortRange { from, to });
    for from in ranges.filter(|ports| !EPHEMERAL_PORTS.contains(ports.from)) {
        asked.push(Asked { from: Some(from), parts: passing(parts(Some(from.from))) });
    }
    asked
}

/// Where the ACLs on a reply's way begin to decide otherwise, if they alone deny it.
fn begins_of_replies(cx: &Lint<'_>, told: &Explanation, protocol: Protocol) -> BTreeSet<u16> {
    let is_of_reply = told
        .blockers
        .iter()
        .all(|blocker| blocker.on_return && matches!(blocker.reason, DropReason::NetworkAcl { .. }));
    if told.blockers.is_empty() || !is_of_reply {
        return BTreeSet::new();
    }
    let entries = |step: &Step| -> &[NetworkAclEntry] {
        let Step::NetworkAcl { network_acl, direction, .. } = *step else { return &[] };
        let acl = cx.topology.network_acls.get(&cx.fabric.network_acls[network_acl].name);
        match (acl, direction) {
            (Some(acl), Direction::Inbound) => &acl.ingress,
            (Some(acl), Direction::Outbound) => &acl.egress,
            (None, _) => &[],
        }
    };
    let steps = told.back.iter().flat_map(|leg| &leg.steps);
    let of_entry = |entry: &NetworkAclEntry| match (entry.traffic, protocol) {
        (Traffic::Tcp(ports), Protocol::TCP) | (Traffic::Udp(ports), Protocol::UDP) => Some(begins(&ports)),
        _ => None,
    };
    let own = steps.flat_map(entries).filter_map(of_entry).flatten();
    own.chain([1, 1024, EPHEMERAL_PORTS.from]).chain(begins(&EPHEMERAL_PORTS)).collect()
}

/// What of a rule's traffic is rarely meant for everybody, and ports to ask about.
fn sensitive(traffic: &Traffic, edges: &BTreeSet<Point>) -> Option<(String, Vec<Probe>)> {
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
        let of_name = |&&(port, _): &&(u16, &str)| Probe { protocol, is_plain: false, port, last: port };
        let mut asked: Vec<Probe> = named.iter().map(of_name).collect();
        let inside = edges.iter().filter(|(of, port)| *of == protocol && ports.contains(*port));
        let begins: BTreeSet<u16> = inside.map(|(_, port)| *port).chain([ports.from.max(1)]).collect();
        let lasts = begins.iter().skip(1).map(|next| next - 1).chain([ports.to]);
        let plain = begins.iter().zip(lasts);
        asked.extend(plain.map(|(&port, last)| Probe { protocol, is_plain: true, port, last }));
        Some((what, asked))
    };
    match traffic {
        Traffic::Tcp(ports) => of(ports, Protocol::TCP),
        Traffic::Udp(ports) => of(ports, Protocol::UDP),
        Traffic::All => {
            let all = [Protocol::TCP, Protocol::UDP].into_iter();
            let asked = all.filter_map(|protocol| of(&PortRange::ALL, protocol)).flat_map(|(_, asked)| asked);
            Some(("everything".to_owned(), asked.collect()))
        }
        Traffic::Icmp(_) | Traffic::Icmpv6(_) | Traffic::Protocol(_) => None,
    }
}
