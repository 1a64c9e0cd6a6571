//! How are sets of packets and of ends read by a person?

use std::collections::BTreeSet;

use vpclab_api::{AnalysisEnd, Reach, Traffic};
use vpclab_engine::explain::{Class, EPHEMERAL_PORTS, NAT_PORTS};
use vpclab_model::PortRange;

use super::told;
use super::traffic::Packets;
use crate::words;

/// So many names, or runs of them, are written out.
const MOST_NAMES: usize = 6;
/// So many blocks of addresses are.
const MOST_ADDRESSES: usize = 4;
/// So many names that count on are told as the first and the last.
const LEAST_RUN: usize = 3;
/// How many boxes may be missing from everything for it to be told as everything but those.
const MOST_MISSING: usize = 2;

/// Traffic in words. Where `families` are two in the whole answer, what is for one of them says so.
pub(crate) fn traffic(told: &[Traffic], families: usize) -> String {
    let of = |ipv6: bool| packets(&told::packets(told, ipv6), ipv6);
    match (of(false), of(true)) {
        (v4, v6) if v4.is_empty() && v6.is_empty() => "nothing".to_owned(),
        (v4, v6) if v4 == v6 => v4,
        (text, other) | (other, text) if other.is_empty() && families < 2 => text,
        (v4, v6) if v6.is_empty() => format!("IPv4: {v4}"),
        (v4, v6) if v4.is_empty() => format!("IPv6: {v6}"),
        (v4, v6) => format!("IPv4: {v4}; IPv6: {v6}"),
    }
}

/// How many address families an answer has.
pub(crate) fn families<'t>(all: impl IntoIterator<Item = &'t Traffic>) -> usize {
    let (mut v4, mut v6) = (false, false);
    for traffic in all {
        v4 |= traffic.family == 4;
        v6 |= traffic.family == 6;
    }
    usize::from(v4) + usize::from(v6)
}

/// Packets of one family in words; an empty text where there are none.
fn packets(packets: &Packets, ipv6: bool) -> String {
    let everything = Packets::everything();
    let missing = everything.without(packets);
    if missing.is_empty() {
        return "everything".to_owned();
    }
    if missing.boxes().len() <= MOST_MISSING && packets.boxes().len() > MOST_MISSING {
        return format!("everything but {}", boxes(missing.boxes(), ipv6));
    }
    let others = |class: &Class| matches!(class, Class::Protocols { .. });
    let all_others: Vec<Class> = everything.boxes().iter().copied().filter(others).collect();
    let own_others: Vec<Class> = packets.boxes().iter().copied().filter(others).collect();
    if own_others == all_others {
        let rest: Vec<Class> = packets.boxes().iter().copied().filter(|class| !others(class)).collect();
        let rest = boxes(&rest, ipv6);
        return if rest.is_empty() {
            "every protocol but tcp, udp and icmp".to_owned()
        } else {
            format!("{rest}; every other protocol")
        };
    }
    boxes(packets.boxes(), ipv6)
}

/// Boxes with one protocol and one condition share its words.
fn boxes(boxes: &[Class], ipv6: bool) -> String {
    let mut phrases: Vec<(String, Vec<String>, String)> = Vec::new();
    for class in boxes {
        let (head, what, tail) = phrase(class, ipv6);
        match phrases.iter_mut().find(|(known, _, condition)| *known == head && *condition == tail) {
            Some((_, values, _)) => values.push(what),
            None => phrases.push((head, vec![what], tail)),
        }
    }
    let told = phrases.into_iter().map(|(head, values, tail)| {
        let values = values.join(", ");
        let space = if values.is_empty() || head.is_empty() { "" } else { " " };
        format!("{head}{space}{values}{tail}")
    });
    told.collect::<Vec<_>>().join("; ")
}

/// A box: protocol, ports, condition.
fn phrase(class: &Class, ipv6: bool) -> (String, String, String) {
    let bytes = |(from, to): (u8, u8)| words::ports(from.into(), to.into());
    match *class {
        Class::Ports { protocol, source_ports, nat_ports, ports } => {
            let protocol = words::protocol(protocol);
            let mut condition = String::new();
            if source_ports != EPHEMERAL_PORTS {
                let from = words::ports(source_ports.from, source_ports.to);
                condition.push_str(&format!(" from source port {from}"));
            }
            if nat_ports != NAT_PORTS {
                let lent = words::ports(nat_ports.from, nat_ports.to);
                condition.push_str(&format!(" where a gateway lends port {lent}"));
            }
            if ports == PortRange::ALL {
                (format!("all {protocol}"), String::new(), condition)
            } else {
                (protocol, words::ports(ports.from, ports.to), condition)
            }
        }
        Class::Icmp { icmp_type: (0, 255), code: (0, 255) } => {
            ("all icmp".to_owned(), String::new(), String::new())
        }
        Class::Icmp { icmp_type, code } => {
            let echo = if ipv6 { 128 } else { 8 };
            let what = match (icmp_type, code.0) {
                ((from, to), 0) if from == echo && to == echo => "echo".to_owned(),
                _ if code == (0, 255) => format!("type {}", bytes(icmp_type)),
                _ => format!("type {} code {}", bytes(icmp_type), bytes(code)),
            };
            ("icmp".to_owned(), what, String::new())
        }
        Class::Protocols { numbers } => ("protocol".to_owned(), bytes(numbers), String::new()),
    }
}

/// Ends by name: all of them, or the first and how many more. `everybody` are those whom it could name, and he who is
/// asked alone is not among those who ask him.
pub(crate) fn names(names: &[String], everybody: &[AnalysisEnd], but: &[String]) -> String {
    let is_everybody = names.len().min(everybody.len()) >= MOST_NAMES && {
        let named: BTreeSet<&String> = names.iter().collect();
        let mut left_out = everybody.iter().map(|end| &end.name).filter(|name| !named.contains(name));
        left_out.all(|name| but.len() == 1 && but[0] == *name)
    };
    if is_everybody {
        return "everybody".to_owned();
    }
    some(names)
}

/// The first of these, and how many more. Names that count on are one, as in `web-1…9`.
pub(crate) fn some(names: &[String]) -> String {
    let runs = runs(names);
    if runs.len() <= MOST_NAMES {
        return runs.into_iter().map(|(told, _)| told).collect::<Vec<_>>().join(", ");
    }
    let (told, counts): (Vec<String>, Vec<usize>) = runs.into_iter().take(MOST_NAMES - 1).unzip();
    format!("{} and {} more", told.join(", "), names.len() - counts.iter().sum::<usize>())
}

/// Names, those that count on as one, each with how many it stands for.
fn runs(names: &[String]) -> Vec<(String, usize)> {
    let mut numbered: Vec<(&str, Option<(&str, u64)>)> =
        names.iter().map(|name| (name.as_str(), number(name))).collect();
    numbered.sort_by(|(a, x), (b, y)| match (x, y) {
        (Some(x), Some(y)) => x.cmp(y),
        _ => a.cmp(b),
    });
    let counts_on = |a: &(&str, Option<(&str, u64)>), b: &(&str, Option<(&str, u64)>)| {
        let is_next = |(stem, number): (&str, u64)| b.1 == Some((stem, number + 1));
        a.1.is_some_and(is_next)
    };
    let mut runs = Vec::new();
    for run in numbered.chunk_by(counts_on) {
        match run {
            [(first, _), .., (_, Some((_, last)))] if run.len() >= LEAST_RUN => {
                runs.push((format!("{first}…{last}"), run.len()));
            }
            few => runs.extend(few.iter().map(|(name, _)| ((*name).to_owned(), 1))),
        }
    }
    runs
}

/// What stands before the number at the end of a name, and the number. One that begins with 0 is part of the name.
fn number(name: &str) -> Option<(&str, u64)> {
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (stem, digits) = name.split_at(name.len() - digits);
    if digits.is_empty() || digits.len() > 9 || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((stem, digits.parse().ok()?))
}

/// The addresses of the internet that a row is about, in words, and whether they are of those who are asked.
/// `is_told_apart` says whether another row is about some other addresses.
pub(crate) fn place(row: &Reach, is_told_apart: bool) -> Option<(String, bool)> {
    let is_of_asker = row.from.len() == 1 && is_outside(&row.from[0]);
    Some((place_of(&row.addresses, is_told_apart)?, !is_of_asker))
}

/// Whether an end goes by addresses of the internet.
pub(crate) fn is_outside(name: &str) -> bool {
    name == "internet" || name.parse::<ipnet::IpNet>().is_ok()
}

/// Addresses of the internet in words, if there is something to say.
pub(crate) fn place_of(addresses: &[String], is_told_apart: bool) -> Option<String> {
    if !addresses.is_empty() {
        let more = match addresses.len().saturating_sub(MOST_ADDRESSES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let first: Vec<&str> = addresses.iter().take(MOST_ADDRESSES).map(String::as_str).collect();
        return Some(format!("at {}{more}", first.join(", ")));
    }
    is_told_apart.then(|| "elsewhere".to_owned())
}

#[cfg(test)]
mod tests {
    use vpclab_wire::Protocol;

    use super::*;

    fn ports(protocol: Protocol, from: u16, to: u16) -> Class {
        let ports = PortRange { from, to };
        Class::Ports { protocol, source_ports: EPHEMERAL_PORTS, nat_ports: NAT_PORTS, ports }
    }

    fn icmp(icmp_type: (u8, u8), code: (u8, u8)) -> Class {
        Class::Icmp { icmp_type, code }
    }

    #[test]
    fn packets_are_told_as_people_say_them() {
        let everything = Packets::everything();
        let late = Class::Ports {
            protocol: Protocol::TCP,
            source_ports: PortRange { from: 49_152, to: 60_999 },
            nat_ports: NAT_PORTS,
            ports: PortRange { from: 443, to: 443 },
        };
        for (told, meant) in [
            ("everything", everything.clone()),
            ("everything but tcp 25", everything.without(&Packets::of([ports(Protocol::TCP, 25, 25)]))),
            (
                "tcp 80, 443; udp 53",
                Packets::of([
                    ports(Protocol::TCP, 80, 80),
                    ports(Protocol::UDP, 53, 53),
                    ports(Protocol::TCP, 443, 443),
                ]),
            ),
            ("all tcp; icmp echo", Packets::of([ports(Protocol::TCP, 0, 65_535), icmp((8, 8), (0, 0))])),
            ("tcp 443 from source port 49152-60999", Packets::of([late])),
            ("all icmp", Packets::of([icmp((0, 255), (0, 255))])),
            ("icmp type 3 code 4, echo", Packets::of([icmp((3, 3), (4, 4)), icmp((8, 8), (0, 255))])),
            (
                "protocol 50-51",
                Packets::of([Class::Protocols { numbers: (50, 50) }, Class::Protocols { numbers: (51, 51) }]),
            ),
            ("", Packets::default()),
        ] {
            assert_eq!(packets(&meant, false), told);
        }
    }

    #[test]
    fn names_that_count_on_are_told_as_the_first_and_the_last() {
        let of = |names: &[&str]| some(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        for (names, told) in [
            (&["web-1", "web-10", "web-2", "web-3"][..], "web-1…3, web-10"),
            (&["a", "b"], "a, b"),
            (&["n1", "n2"], "n1, n2"),
            (&["n0", "n1", "n2"], "n0…2"),
            (&["n01", "n02", "n03"], "n01, n02, n03"),
            (&["a", "b", "c", "d", "e", "f", "g1", "g2", "g3"], "a, b, c, d, e and 4 more"),
            (&[], ""),
        ] {
            assert_eq!(of(names), told);
        }
    }

    #[test]
    fn everybody_is_who_is_asked_about_and_nobody_less() {
        let all: Vec<String> = "abcdefgh".chars().map(String::from).collect();
        let ends = |names: &[String]| -> Vec<AnalysisEnd> {
            let end = |name: &String| AnalysisEnd { name: name.clone(), kind: String::new(), members: None };
            names.iter().map(end).collect()
        };
        let himself = &all[7..];
        assert_eq!(names(&all, &ends(&all), &[]), "everybody");
        assert_eq!(names(&all[..7], &ends(&all), himself), "everybody");
        assert_eq!(names(&all[..7], &ends(&all), &[]), "a, b, c, d, e and 2 more");
        assert_eq!(names(&all[..2], &ends(&all[..2]), &[]), "a, b");
        assert_eq!(names(&all, &[], &[]), "a, b, c, d, e and 3 more");
    }

    #[test]
    fn a_family_is_named_where_the_answer_has_two_and_they_differ() {
        let of = |ipv6| told::traffic(&Packets::of([ports(Protocol::TCP, 80, 80)]), ipv6);
        assert_eq!(traffic(&of(false), 1), "tcp 80");
        assert_eq!(traffic(&of(false), 2), "IPv4: tcp 80");
        assert_eq!(traffic(&of(true), 2), "IPv6: tcp 80");
        assert_eq!(traffic(&[of(false), of(true)].concat(), 2), "tcp 80");
        assert_eq!(traffic(&[], 2), "nothing");
    }
}
