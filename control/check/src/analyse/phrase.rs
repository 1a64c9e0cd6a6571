//! How are sets of packets and of ends read by a person?

use vpclab_api::{AnalysisEnd, Reach, Traffic};
use vpclab_engine::explain::{Class, EPHEMERAL_PORTS, NAT_PORTS};
use vpclab_model::PortRange;

use super::told;
use super::traffic::Packets;
use crate::words;

/// So many names are written out, and one in place of a single further one.
const MOST_NAMES: usize = 3;
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

/// Ends by name: all of them, or the first and how many more. `everybody` are those whom it could name.
pub(crate) fn names(names: &[String], everybody: &[AnalysisEnd], but: &[String]) -> String {
    let is_everybody = everybody.len() > MOST_NAMES && {
        let rest = everybody.iter().filter(|end| !names.contains(&end.name));
        let mut left_out = rest.map(|end| &end.name);
        left_out.all(|name| but.len() == 1 && but[0] == *name)
    };
    if is_everybody {
        return "everybody".to_owned();
    }
    some(names)
}

/// The first of these, and how many more.
pub(crate) fn some(names: &[String]) -> String {
    if names.len() <= MOST_NAMES + 1 {
        return names.join(", ");
    }
    format!("{} and {} more", names[..MOST_NAMES].join(", "), names.len() - MOST_NAMES)
}

/// The end of a row that is on the internet, with the addresses that the row is about.
pub(crate) fn place(row: &Reach, is_told_apart: bool) -> Option<String> {
    place_of(&row.addresses, is_told_apart)
}

/// The same, by the addresses. `is_told_apart` says whether another row is about some other addresses.
pub(crate) fn place_of(addresses: &[String], is_told_apart: bool) -> Option<String> {
    if !addresses.is_empty() {
        return Some(format!("at {}", some(addresses)));
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
    fn a_family_is_named_where_the_answer_has_two_and_they_differ() {
        let of = |ipv6| told::traffic(&Packets::of([ports(Protocol::TCP, 80, 80)]), ipv6);
        assert_eq!(traffic(&of(false), 1), "tcp 80");
        assert_eq!(traffic(&of(false), 2), "IPv4: tcp 80");
        assert_eq!(traffic(&of(true), 2), "IPv6: tcp 80");
        assert_eq!(traffic(&[of(false), of(true)].concat(), 2), "tcp 80");
        assert_eq!(traffic(&[], 2), "nothing");
    }
}
