//! Which groups let everybody in, to what is rarely meant for everybody?
//!
//! To remote logins, databases and their like, or to a thousand ports and more. Web servers, mail, VPNs and games are
//! nobody's business here. Whether anybody out there gets through to an interface of the group the engine says: then it is
//! an error, else a note, for the day when routes and addresses change; a warning where that is not known.

use std::collections::BTreeSet;

use ipnet::IpNet;
use vpclab_api::{Finding, Severity};
use vpclab_engine::explain::{TrafficQuestion, ask};
use vpclab_engine::{Direction, Eni, EniIdx, Role};
use vpclab_model::{Peer, PortRange, SecurityGroupName, SecurityGroupRule, Traffic};
use vpclab_wire::Protocol;

use super::Lint;
use super::asking;
use super::catalogue::OPEN_TO_THE_WORLD;
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

pub(super) fn check(cx: &Lint<'_>) -> Vec<Finding> {
    let members = kinds(cx.topology, cx.fabric, true, |_, _| true);
    let mut found = Vec::new();
    for (name, group) in &cx.topology.security_groups {
        let mut seen = BTreeSet::new();
        for rule in group.ingress.iter().filter(|rule| !rule.stale) {
            for (ipv6, block) in everybody(cx, rule) {
                if let Some((what, asked)) = sensitive(&rule.traffic)
                    && seen.insert((rule.declared_at, ipv6))
                {
                    found.push(finding(cx, name, rule, (ipv6, block, &what), &asked, &members));
                }
            }
        }
    }
    found
}

fn finding(
    cx: &Lint<'_>,
    name: &SecurityGroupName,
    rule: &SecurityGroupRule,
    (ipv6, block, what): (bool, IpNet, &str),
    asked: &[(Protocol, u16)],
    members: &[Kin],
) -> Finding {
    let text = words::group_permission(Direction::Inbound, &rule.traffic, [&rule.peer]);
    let is_member =
        |eni: &Eni| eni.security_groups.iter().any(|&group| cx.fabric.security_groups[group].name == *name);
    // What a load balancer or another service of AWS lets in is not known.
    let mut is_known =
        !cx.fabric.enis.iter().any(|(_, eni)| is_member(eni) && matches!(eni.role, Role::NotModelled(_)));
    let mut reached = None;
    for host in
        members.iter().filter_map(|kin| kin.first()).filter(|host| is_member(&cx.fabric.enis[host.eni]))
    {
        for &(protocol, port) in asked {
            match reaches(cx, host.eni, ipv6, (protocol, port)) {
                Some(true) => reached = reached.or(Some((host, protocol, port))),
                Some(false) => {}
                None => is_known = false,
            }
        }
    }
    let (severity, how) = match reached {
        Some((host, protocol, port)) => {
            let how = format!("the internet reaches {} {port} of {}", words::protocol(protocol), host.name);
            (Severity::Error, how)
        }
        None if is_known => {
            (Severity::Note, "as things are, nobody on the internet gets that far".to_owned())
        }
        None => (Severity::Warning, "whether anybody on the internet gets that far is not known".to_owned()),
    };
    let from =
        if matches!(rule.peer, Peer::Cidr(_)) { String::new() } else { format!(" (it holds {block})") };
    let reason = format!("`{text}`{from} lets everybody connect to {what}; {how}");
    let remedy = "name the blocks or groups that need it, or reach it by a VPN or Session Manager".to_owned();
    let finding = OPEN_TO_THE_WORLD.about(name, reason, remedy);
    Finding { severity, rule: Some(place(Direction::Inbound, rule.declared_at)), ..finding }
}

/// Whether somebody out there reaches a port; none where that is not known.
fn reaches(cx: &Lint<'_>, eni: EniIdx, ipv6: bool, (protocol, port): (Protocol, u16)) -> Option<bool> {
    let traffic = TrafficQuestion::Ports { protocol, port: Some(port), source_port: None };
    let (from, to) = (asking::internet(cx.fabric, ipv6), asking::interface(eni));
    match ask(cx.fabric, from, to, Some(ipv6), traffic) {
        Ok(told) if told.reachable == Some(false) => {
            Some(!told.not_denied.is_empty() && told.unmodelled.is_empty())
        }
        Ok(told) => told.reachable,
        // It has no address in that family.
        Err(_) => Some(false),
    }
}

/// The families in which a rule's peer is everybody, or much of everybody: a sixteenth of all addresses.
fn everybody(cx: &Lint<'_>, rule: &SecurityGroupRule) -> Vec<(bool, IpNet)> {
    let blocks: Vec<IpNet> = match &rule.peer {
        Peer::Cidr(block) => vec![*block],
        Peer::PrefixList(list) => {
            cx.topology.managed_prefix_lists.get(list).map(|list| list.blocks().collect()).unwrap_or_default()
        }
        Peer::Group(_) | Peer::UnknownGroup(_) => Vec::new(),
    };
    let is_everybody = |block: &IpNet| match block {
        // From 224.0.0.0 on nobody has an address.
        IpNet::V4(block) => block.prefix_len() <= 4 && block.network().octets()[0] < 224,
        IpNet::V6(block) => {
            block.prefix_len() <= 4 && (block.prefix_len() == 0 || block.network().segments()[0] >> 12 <= 3)
        }
    };
    let of = |ipv6: bool| blocks.iter().find(|block| block.addr().is_ipv6() == ipv6 && is_everybody(block));
    [false, true].into_iter().filter_map(|ipv6| Some((ipv6, *of(ipv6)?))).collect()
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
