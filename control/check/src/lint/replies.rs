//! Which replies does a network ACL deny, whose requests arrive?
//!
//! A network ACL remembers nothing (NACL-04): the reply needs a rule for the port that the client chose, 1024 to 65535 for
//! most (NACL-19). Each kind of host asks each other, the customers, the services and each part of the internet that rules
//! and routes tell from others, for whatever packets; of customer networks, whoever is declared, and as askers those who
//! are supposed in each range that rules and routes tell apart; one port that gets there is enough, as the reply goes to the client's port. A request that
//! only a rule for replies lets out is none that anybody means: what such a rule says is `from 1024 on`. Replies to UDP
//! are notes, as not all of it is answered. Who asks from the internet may be of any make: that replies reach him up to
//! port 65535 is looked at by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_api::{Finding, Severity};
use vpclab_engine::explain::{Blocker, Class, End, Explanation, TrafficQuestion};
use vpclab_engine::{Direction, DropReason, EniIdx, HostIdx, NetworkAclIdx, Peer, Side, Step};
use vpclab_model::{InterfaceType, NetworkAcl, NetworkAclEntry, PortRange, RuleAction, SubnetName, Traffic};
use vpclab_wire::Protocol;

use super::asking;
use super::boxes::{Packets, is_covered};
use super::catalogue::REPLY_BLOCKED;
use super::outside::{self, Way};
use super::signatures::{Host, Kin, kinds};
use super::visitors::{ANY_V4, ANY_V6};
use super::{Lint, and_more};
use crate::internet::Part;
use crate::words;

/// What denies replies: the ACL, the direction, the rule, the family, the protocol, and whether only to high ports.
type Where = (String, Direction, Option<u16>, bool, u8, bool);

/// The first port after those that Linux takes for a client's; Windows, macOS and BSD go on to the last (NACL-19).
const FIRST_HIGH: u16 = 61_000;

/// A connection whose reply is denied, and what would let it through.
struct Example {
    text: String,
    remedy: String,
    count: usize,
}

pub(super) fn check(cx: &Lint<'_>) -> Vec<Finding> {
    let restrictive = restrictive_acls(cx);
    if restrictive.is_empty() {
        return Vec::new();
    }
    let mut blocked: BTreeMap<Where, Example> = BTreeMap::new();
    let hosts = hosts(cx);
    let steered = asking::steered_vpcs(cx.topology);
    for from in &hosts {
        for to in &hosts {
            let Some((from, to)) = pair(from, to) else { continue };
            let meets = |host: &Host| {
                cx.topology
                    .subnets
                    .get(&host.subnet)
                    .is_some_and(|subnet| restrictive.contains(subnet.network_acl.as_str()))
            };
            let may_meet = meets(from) || meets(to) || from.vpc != to.vpc || steered.contains(&from.vpc);
            if may_meet {
                ask(cx, (from.into(), to.into()), &mut blocked);
            }
        }
        let Some(guest) = from.first() else { continue };
        for (index, _) in cx.fabric.hosts.iter().filter(|(_, host)| host.side == Side::Service) {
            ask(cx, (guest.into(), Party::Host(index)), &mut blocked);
        }
        let listening = asking::listening_customers(cx).map(|to| (Party::from(guest), Party::Host(to)));
        let calling = cx.customers.iter().map(|from| (Party::Host(*from), Party::from(guest)));
        for ends in listening.chain(calling) {
            for ipv6 in [false, true].into_iter().filter(|ipv6| meets_one_of(cx, &restrictive, ends, *ipv6)) {
                ask_in(cx, ends, ipv6, &mut blocked);
            }
        }
        for ipv6 in [false, true] {
            for outside in outsiders(cx, &restrictive, asking::interface(guest.eni), Way::Out, ipv6) {
                ask_in(cx, (guest.into(), Party::Outside(&outside)), ipv6, &mut blocked);
            }
            for face in asking::faces(cx.fabric, guest.eni, ipv6) {
                for outside in outsiders(cx, &restrictive, face, Way::In, ipv6) {
                    ask_in(cx, (Party::Outside(&outside), Party::Guest(guest, face)), ipv6, &mut blocked);
                }
            }
        }
    }
    let known: BTreeSet<Where> = blocked.keys().cloned().collect();
    // Where more is denied, that says it.
    blocked.retain(|at, _| !at.5 || !known.contains(&(at.0.clone(), at.1, at.2, at.3, at.4, false)));
    blocked.into_iter().map(|(at, example)| finding(at, example)).collect()
}

fn finding((acl, way, rule, _, protocol, only_high): Where, example: Example) -> Finding {
    let more = and_more(example.count);
    let number = rule.map_or_else(|| "*".to_owned(), |rule| rule.to_string());
    let name = vpclab_model::NetworkAclName::new(acl);
    let finding = REPLY_BLOCKED.about(&name, format!("{}{more}", example.text), example.remedy);
    let severity = match (only_high, protocol == Protocol::TCP.0) {
        (true, _) => Severity::Warning,
        (false, true) => finding.severity,
        (false, false) => Severity::Note,
    };
    Finding { rule: Some(format!("{} {number}", words::direction(way))), severity, ..finding }
}

/// Who asks or is asked.
#[derive(Clone, Copy)]
enum Party<'a> {
    /// By this address.
    Guest(&'a Host, End),
    Host(HostIdx),
    Outside(&'a Outside),
}

/// A part of the internet.
struct Outside {
    /// One host of it.
    address: IpAddr,
    /// What it is called in sentences.
    name: String,
    /// The block to write into a rule for it.
    block: IpNet,
    /// Whether a list may be meant to hold it: rules or routes name it, and it is not much of everybody.
    is_somebody: bool,
}

impl<'a> From<&'a Host> for Party<'a> {
    fn from(host: &'a Host) -> Self {
        Self::Guest(host, asking::interface(host.eni))
    }
}

impl Party<'_> {
    fn end(self) -> End {
        match self {
            Self::Guest(_, end) => end,
            Self::Host(host) => End::Host(host),
            Self::Outside(outside) => End::Address(outside.address),
        }
    }

    fn eni(self) -> Option<EniIdx> {
        match self {
            Self::Guest(host, _) => Some(host.eni),
            Self::Host(_) | Self::Outside(_) => None,
        }
    }

    fn name(self, cx: &Lint<'_>) -> String {
        match self {
            Self::Guest(host, end) => asking::face_name(&host.name, cx.fabric, end),
            Self::Host(host) => asking::name_of(cx.fabric, End::Host(host)),
            Self::Outside(outside) => outside.name.clone(),
        }
    }

    /// The block to write into a rule for it.
    fn block(self, cx: &Lint<'_>, ipv6: bool) -> String {
        let any = if ipv6 { ANY_V6 } else { ANY_V4 };
        match self {
            Self::Guest(host, _) => {
                let subnet = cx.topology.subnets.get(&host.subnet);
                let mut blocks = subnet.into_iter().flat_map(|subnet| subnet.cidr_blocks());
                blocks.find(|block| block.addr().is_ipv6() == ipv6).unwrap_or(any).to_string()
            }
            Self::Host(host) => {
                let own = &cx.fabric.hosts[host];
                let address = own.addresses.iter().find(|one| one.is_ipv6() == ipv6);
                let around = |address: &IpAddr| match own.side {
                    // He stands for those around him.
                    Side::Customer(network) if asking::is_supposed(cx, host) => {
                        let blocks = &cx.fabric.customer_networks[network].blocks;
                        blocks.iter().find(|block| block.contains(address)).copied()
                    }
                    _ => None,
                };
                let told = |address: &IpAddr| {
                    around(address).map_or_else(|| address.to_string(), |block| block.to_string())
                };
                address.map_or_else(|| any.to_string(), told)
            }
            Self::Outside(outside) => outside.block.to_string(),
        }
    }
}

/// The parts of the internet that rules and routes between it and `inside` tell apart, where one of these ACLs is on the
/// way.
fn outsiders(cx: &Lint<'_>, restrictive: &BTreeSet<&str>, inside: End, way: Way, ipv6: bool) -> Vec<Outside> {
    // Which ports matter shows later: who is told apart for any of them is.
    let (cut, traffic) = (TrafficQuestion::All, asking::some_client(Protocol::TCP, asking::SOME_SERVER));
    let any = if ipv6 { ANY_V6 } else { ANY_V4 };
    let outside = |part: Part<(IpAddr, Explanation)>| {
        let is_named = part.is_named();
        let Part { blocks, told, .. } = part;
        let (address, told) = told?;
        if !passes_one_of(cx, restrictive, &told) {
            return None;
        }
        let host = cx.fabric.hosts.iter().map(|(_, host)| host).find(|host| {
            let is_in = |address: &IpAddr| blocks.iter().any(|block| block.contains(address));
            host.side == Side::Internet && host.addresses.iter().any(is_in)
        });
        let name = match (is_named, host, blocks.as_slice()) {
            (false, ..) => "the internet".to_owned(),
            _ if outside::is_part(&blocks) => format!("part of the internet, such as {address},"),
            (true, Some(host), _) => host.name.to_string(),
            (true, None, [block]) => block.to_string(),
            (true, None, _) => address.to_string(),
        };
        let block = if is_named { around(&blocks).unwrap_or(any) } else { any };
        let is_somebody = is_named && !outside::is_world(&blocks);
        Some(Outside { address, name, block, is_somebody })
    };
    outside::parts(cx, (inside, way), ipv6, cut, traffic).into_iter().filter_map(outside).collect()
}

/// The smallest block that holds all of these.
fn around(blocks: &[IpNet]) -> Option<IpNet> {
    let mut around = *blocks.first()?;
    while !blocks.iter().all(|block| around.contains(block)) {
        around = around.supernet()?;
    }
    Some(around)
}

/// Whether packets between two parties meet one of these ACLs, as far as one packet shows that filters let on.
fn meets_one_of(
    cx: &Lint<'_>,
    acls: &BTreeSet<&str>,
    (from, to): (Party<'_>, Party<'_>),
    ipv6: bool,
) -> bool {
    let traffic = asking::some_client(Protocol::TCP, asking::SOME_SERVER);
    let told = vpclab_engine::explain::ask(cx.fabric, from.end(), to.end(), Some(ipv6), traffic);
    told.is_ok_and(|told| passes_one_of(cx, acls, &told))
}

/// Whether a request or its reply meets one of these ACLs, on any way.
fn passes_one_of(cx: &Lint<'_>, acls: &BTreeSet<&str>, told: &Explanation) -> bool {
    let here = told.forward.steps.iter().chain(told.back.iter().flat_map(|leg| &leg.steps));
    let elsewhere = told.other_ways.iter().flat_map(|(there, back)| there.iter().chain(back));
    here.chain(elsewhere).any(|step| match step {
        Step::NetworkAcl { network_acl, .. } => {
            acls.contains(cx.fabric.network_acls[*network_acl].name.as_str())
        }
        _ => false,
    })
}

/// Who is asked: everybody of a kind, and visitors where nobody lives.
fn hosts(cx: &Lint<'_>) -> Vec<Kin> {
    let guests = cx
        .topology
        .network_interfaces
        .values()
        .filter(|eni| eni.interface_type == InterfaceType::Interface && eni.attachment.is_some());
    let inhabited: BTreeSet<&SubnetName> = guests.map(|eni| &eni.subnet).collect();
    kinds(cx.visited, cx.fabric, true, |name, eni| {
        cx.visitors.of(&eni.subnet) != Some(name) || !inhabited.contains(&eni.subnet)
    })
}

/// Two of these kinds, in different subnets where that can be: within one no ACL is asked.
fn pair<'a>(from: &'a Kin, to: &'a Kin) -> Option<(&'a Host, &'a Host)> {
    let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (from, to)));
    pairs.into_iter().find(|(from, to)| from.eni != to.eni && from.subnet != to.subnet)
}

/// The ACLs that may deny something.
fn restrictive_acls<'a>(cx: &Lint<'a>) -> BTreeSet<&'a str> {
    let denies = |acl: &NetworkAcl| {
        let list = |entries: &[NetworkAclEntry]| {
            [ANY_V4, ANY_V6].into_iter().any(|block| {
                let before: Vec<Packets> = entries
                    .iter()
                    .take_while(|entry| {
                        entry.action == RuleAction::Allow
                            || entry.cidr.addr().is_ipv6() != block.addr().is_ipv6()
                    })
                    .map(|entry| Packets::new(&entry.traffic, entry.cidr))
                    .collect();
                !is_covered(Packets::new(&Traffic::All, block), &before)
            })
        };
        list(&acl.ingress) || list(&acl.egress)
    };
    let used: BTreeSet<&str> =
        cx.topology.subnets.values().map(|subnet| subnet.network_acl.as_str()).collect();
    let all = cx.topology.network_acls.iter().filter(|(name, _)| used.contains(name.as_str()));
    all.filter(|(_, acl)| denies(acl)).map(|(name, _)| name.as_str()).collect()
}

fn ask(cx: &Lint<'_>, ends: (Party<'_>, Party<'_>), blocked: &mut BTreeMap<Where, Example>) {
    for ipv6 in [false, true] {
        ask_in(cx, ends, ipv6, blocked);
    }
}

/// Asks in one family.
fn ask_in(
    cx: &Lint<'_>,
    (from, to): (Party<'_>, Party<'_>),
    ipv6: bool,
    blocked: &mut BTreeMap<Where, Example>,
) {
    let has = |party: Party<'_>| party.eni().is_none_or(|eni| asking::has(cx.fabric, eni, ipv6));
    if !has(from) || !has(to) {
        return;
    }
    for protocol in [Protocol::TCP, Protocol::UDP] {
        let found = blocked_reply(cx, (from, to), ipv6, protocol);
        let high = || {
            let is_anybody = matches!(from, Party::Outside(_)) && protocol == Protocol::TCP;
            is_anybody.then(|| blocked_high_ports(cx, (from, to), ipv6)).flatten()
        };
        let Some(Blocked { port, reason, client_ports, only_high }) = found.or_else(high) else { continue };
        let DropReason::NetworkAcl { network_acl, direction, rule, .. } = reason else { continue };
        let acl = cx.fabric.network_acls[network_acl].name.to_string();
        let at = (acl.clone(), direction, rule, ipv6, protocol.0, only_high);
        let example = blocked.entry(at).or_insert_with(|| {
            let (client, server) = (from.name(cx), to.name(cx));
            let name = words::protocol(protocol);
            let text = format!(
                "what {client} sends to {name} {port} of {server} arrives, and the reply dies: {}{client_ports}",
                words::tell(cx.fabric, &reason).message
            );
            let (way, preposition, other) = match direction {
                Direction::Inbound => ("ingress", "from", to),
                Direction::Outbound => ("egress", "to", from),
            };
            let before = rule.map_or_else(String::new, |number| format!(", before rule {number}"));
            let block = other.block(cx, ipv6);
            let remedy = format!("allow {name} 1024-65535 {preposition} {block} in `{way}` of {acl}{before}");
            Example { text, remedy, count: 0 }
        });
        example.count += 1;
    }
}

/// A reply that an ACL denies.
struct Blocked {
    /// Of the request.
    port: u16,
    reason: DropReason,
    /// From which ports the client sends, where not from all of them, in words.
    client_ports: String,
    /// Whether these are only some that not every client uses.
    only_high: bool,
}

/// A port of a host that somebody of the internet reaches from every port of Linux, and from some higher one not.
fn blocked_high_ports(cx: &Lint<'_>, (from, to): (Party<'_>, Party<'_>), ipv6: bool) -> Option<Blocked> {
    let ends = (from.end(), to.end());
    let protocol = Protocol::TCP;
    let told = |port: u16, source_port: u16| {
        let traffic = TrafficQuestion::Ports { protocol, port: Some(port), source_port: Some(source_port) };
        asking::told(cx.fabric, ends, ipv6, traffic)
    };
    let answers = |port: &u16| {
        let told = asking::packets(cx.fabric, ends, ipv6, (protocol, *port));
        told.is_some_and(|told| told.reachable == Some(true))
    };
    let port = ports(cx, (from, to), protocol).into_iter().find(answers)?;
    // Between two of these all ports fare alike.
    let of_entry = |entry: &NetworkAclEntry| match entry.traffic {
        Traffic::Tcp(ports) => [Some(ports.from), ports.to.checked_add(1)],
        _ => [None, None],
    };
    let acls = cx.topology.network_acls.values();
    let bounds = acls.flat_map(|acl| acl.ingress.iter().chain(&acl.egress)).flat_map(of_entry).flatten();
    let mut starts: BTreeSet<u16> = bounds.filter(|start| *start > FIRST_HIGH).collect();
    starts.insert(FIRST_HIGH);
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([u16::MAX]);
    let mut denied: Vec<PortRange> = Vec::new();
    let mut reason = None;
    for (&start, end) in starts.iter().zip(ends) {
        let told = told(port, start)?;
        let deny = |blocker: &&Blocker| {
            blocker.on_return && matches!(blocker.reason, DropReason::NetworkAcl { .. }) && !blocker.by_choice
        };
        let Some(blocker) = told.blockers.iter().find(deny) else { continue };
        reason = reason.or(Some(blocker.reason));
        match denied.last_mut() {
            Some(last) if last.to.checked_add(1) == Some(start) => last.to = end,
            _ => denied.push(PortRange { from: start, to: end }),
        }
    }
    let ranges: Vec<String> = denied.iter().map(|ports| words::ports(ports.from, ports.to)).collect();
    let client_ports = format!(
        ", where the client sends from port {}: Windows and macOS send from 49152-65535",
        super::some_of(&ranges)
    );
    Some(Blocked { port, reason: reason?, client_ports, only_high: true })
}

/// A port that gets there, and the ACL that denies the reply.
fn blocked_reply(
    cx: &Lint<'_>,
    (from, to): (Party<'_>, Party<'_>),
    ipv6: bool,
    protocol: Protocol,
) -> Option<Blocked> {
    let ends = (from.end(), to.end());
    for port in ports(cx, (from, to), protocol) {
        let Some(told) = asking::packet(cx.fabric, ends, ipv6, (protocol, port)) else { continue };
        let is_sent = told.blockers.iter().all(|blocker| blocker.on_return) && told.back.is_some();
        if !is_sent {
            continue;
        }
        let whole = asking::packets(cx.fabric, ends, ipv6, (protocol, port))?;
        let deny = |blocker: &&Blocker| {
            blocker.on_return && matches!(blocker.reason, DropReason::NetworkAcl { .. }) && !blocker.by_choice
        };
        // What ends the reply's way for another reason is that reason's matter.
        let ends_otherwise =
            whole.blockers.iter().any(|blocker| blocker.on_return && !asking::is_filter(&blocker.reason));
        let blocker = whole.blockers.iter().find(deny).filter(|_| !ends_otherwise)?;
        let DropReason::NetworkAcl { network_acl, direction, .. } = blocker.reason else { return None };
        if rides_on_a_rule_for_replies(cx, &told, network_acl, direction.reversed()) {
            continue;
        }
        if is_on_a_block_list(cx, (from, to), &blocker.reason) {
            continue;
        }
        let client_ports = client_ports(blocker);
        return Some(Blocked { port, reason: blocker.reason, client_ports, only_high: false });
    }
    None
}

/// Ports that somebody may listen on: where rules begin, else well-known ones.
fn ports(cx: &Lint<'_>, (from, to): (Party<'_>, Party<'_>), protocol: Protocol) -> Vec<u16> {
    let range = |traffic: &Traffic| match traffic {
        Traffic::Tcp(ports) if protocol == Protocol::TCP => Some(*ports),
        Traffic::Udp(ports) if protocol == Protocol::UDP => Some(*ports),
        Traffic::All => Some(PortRange::ALL),
        _ => None,
    };
    let group_rules = |party: Party<'_>, way: Direction| -> Vec<PortRange> {
        let Some(eni) = party.eni() else { return Vec::new() };
        cx.fabric.policy(eni, way).rules.iter().filter_map(|rule| range(&rule.traffic)).collect()
    };
    let acl_rules = |party: Party<'_>, way: Direction| -> Vec<PortRange> {
        let Party::Guest(host, _) = party else { return Vec::new() };
        let acl = cx.topology.subnets.get(&host.subnet);
        let acl = acl.and_then(|subnet| cx.topology.network_acls.get(&subnet.network_acl));
        let entries = acl.map(|acl| if way == Direction::Inbound { &acl.ingress } else { &acl.egress });
        let entries = entries.into_iter().flatten();
        entries.filter_map(|entry| range(&entry.traffic)).collect()
    };
    let listening = group_rules(to, Direction::Inbound);
    let may_listen = |port: u16| to.eni().is_none() || listening.iter().any(|ports| ports.contains(port));
    let ranges = [
        listening.clone(),
        group_rules(from, Direction::Outbound),
        acl_rules(from, Direction::Outbound),
        acl_rules(to, Direction::Inbound),
    ];
    let well_known: &[u16] = if protocol == Protocol::TCP { &[443, 80] } else { &[53, 123] };
    let bounds = ranges.iter().flatten().flat_map(|ports| [Some(ports.from.max(1)), ports.to.checked_add(1)]);
    let mut seen = BTreeSet::new();
    let all = bounds.flatten().chain(well_known.iter().copied());
    let all = all.filter(|port| may_listen(*port) && seen.insert(*port)).collect::<Vec<_>>();
    // First what is likely to be a service.
    let (mut low, high): (Vec<u16>, Vec<u16>) = all.into_iter().partition(|port| *port < 1024);
    low.extend(high);
    low
}

/// Whether the ACL that denies the reply lets the request pass by a rule for the ports of clients.
fn rides_on_a_rule_for_replies(
    cx: &Lint<'_>,
    told: &Explanation,
    acl: NetworkAclIdx,
    way: Direction,
) -> bool {
    let used = told.forward.steps.iter().find_map(|step| match *step {
        Step::NetworkAcl { network_acl, direction, rule, .. } if network_acl == acl && direction == way => {
            rule
        }
        _ => None,
    });
    let Some(acl) = cx.topology.network_acls.get(&cx.fabric.network_acls[acl].name) else { return false };
    let entries = if way == Direction::Inbound { &acl.ingress } else { &acl.egress };
    let entry = entries.iter().find(|entry| Some(entry.rule_number) == used);
    entry.is_some_and(|entry| match entry.traffic {
        Traffic::Tcp(ports) | Traffic::Udp(ports) => {
            ports.from >= 1024 && ports.contains(49_152) && ports.contains(60_999)
        }
        _ => false,
    })
}

/// Whether somebody of the internet is asked whom an ACL keeps out by his block: then that is what it is for, unless the
/// asker's groups let him ask just those.
fn is_on_a_block_list(cx: &Lint<'_>, (from, to): (Party<'_>, Party<'_>), reason: &DropReason) -> bool {
    let (Party::Guest(host, _), Party::Outside(outside)) = (from, to) else { return false };
    let DropReason::NetworkAcl { rule: Some(_), .. } = reason else { return false };
    let names = |peer: Peer| match peer {
        Peer::Cidr(block) => block.net().prefix_len() > 0 && block.contains(outside.address),
        Peer::Group(_) | Peer::Nobody => false,
    };
    let rules = &cx.fabric.policy(host.eni, Direction::Outbound).rules;
    outside.is_somebody && !rules.iter().any(|rule| names(rule.peer))
}

/// To which ports the replies die, where not all do.
fn client_ports(blocker: &Blocker) -> String {
    let Some(classes) = &blocker.partial else { return String::new() };
    let range = |class: &Class| match class {
        Class::Ports { nat_ports, .. } if *nat_ports != vpclab_engine::explain::NAT_PORTS => {
            Some(words::ports(nat_ports.from, nat_ports.to))
        }
        Class::Ports { source_ports, .. } => Some(words::ports(source_ports.from, source_ports.to)),
        Class::Icmp { .. } | Class::Protocols { .. } => None,
    };
    let mut ports: Vec<String> = classes.iter().filter_map(range).collect();
    ports.dedup();
    format!(", where the client sends from port {}", super::some_of(&ports))
}
