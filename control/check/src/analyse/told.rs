//! How are sets of packets told to programs?
//!
//! Boxes become the API's own words, and back: whoever prints has an answer of the API's and nothing else.

use std::collections::BTreeSet;

use vpclab_api::{Partial, Reach, Traffic, Unmodelled};
use vpclab_engine::explain::{Class, EPHEMERAL_PORTS, NAT_PORTS};
use vpclab_model::PortRange;
use vpclab_wire::Protocol;

use super::fare::{Cell, Fare, What};
use super::traffic::Packets;
use crate::words;

/// The word for every protocol.
const ALL: &str = "all";

/// Packets of one family, in words.
pub(crate) fn traffic(packets: &Packets, ipv6: bool) -> Vec<Traffic> {
    let family = if ipv6 { 6 } else { 4 };
    if *packets == Packets::everything() {
        let packets = Partial { protocol: ALL.to_owned(), source_ports: None, nat_ports: None, ports: None };
        return vec![Traffic { family, packets }];
    }
    let of_class = |class: &Class| {
        let mut told = words::partial(class, ipv6);
        if matches!(class, Class::Ports { source_ports, .. } if *source_ports == EPHEMERAL_PORTS) {
            told.source_ports = None;
        }
        Traffic { family, packets: told }
    };
    packets.boxes().iter().map(of_class).collect()
}

/// The packets of one family that words mean.
pub(crate) fn packets(told: &[Traffic], ipv6: bool) -> Packets {
    let family = if ipv6 { 6 } else { 4 };
    let meant = told.iter().filter(|traffic| traffic.family == family);
    let mut classes = Vec::new();
    for Traffic { packets: told, .. } in meant {
        if told.protocol == ALL {
            return Packets::everything();
        }
        classes.extend(class(told));
    }
    Packets::of(classes)
}

fn class(told: &Partial) -> Option<Class> {
    let ports = |text: &Option<String>, all: PortRange| match text {
        None => Some(all),
        Some(text) => range(text).map(|(from, to)| PortRange { from, to }),
    };
    let byte = |value: u16| u8::try_from(value).ok();
    let bytes = |text: &str| range(text).and_then(|(from, to)| Some((byte(from)?, byte(to)?)));
    match told.protocol.as_str() {
        protocol @ ("tcp" | "udp") => Some(Class::Ports {
            protocol: if protocol == "tcp" { Protocol::TCP } else { Protocol::UDP },
            source_ports: ports(&told.source_ports, EPHEMERAL_PORTS)?,
            nat_ports: ports(&told.nat_ports, NAT_PORTS)?,
            ports: ports(&told.ports, PortRange::ALL)?,
        }),
        "icmp" | "icmpv6" => {
            let (icmp_type, code) = told.ports.as_deref()?.strip_prefix("type ")?.split_once(" code ")?;
            Some(Class::Icmp { icmp_type: bytes(icmp_type)?, code: bytes(code)? })
        }
        numbers => Some(Class::Protocols { numbers: bytes(numbers)? }),
    }
}

/// `443` or `1-9`.
fn range(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some((from.parse().ok()?, to.parse().ok()?))
}

/// The rows about pairs that a cell is about: one about all, and one for each part of the internet that fares otherwise.
pub(crate) fn reach(cell: &Cell, from: &[String], to: &[String]) -> Vec<Reach> {
    let mut rows: Vec<Reach> = Vec::new();
    for part in &cell.parts {
        let addresses: Vec<String> = part.blocks.iter().map(ToString::to_string).collect();
        let Fare { passes, unknown, sometimes, unmodelled } = &part.fare;
        let place = rows.iter().position(|row| row.addresses == addresses).unwrap_or_else(|| {
            rows.push(Reach {
                from: from.to_vec(),
                to: to.to_vec(),
                addresses,
                passes: Vec::new(),
                unknown: Vec::new(),
                sometimes: Vec::new(),
                depends_on: Vec::new(),
            });
            rows.len() - 1
        });
        let row = &mut rows[place];
        row.passes.extend(traffic(passes, part.ipv6));
        row.unknown.extend(traffic(unknown, part.ipv6));
        row.sometimes.extend(traffic(sometimes, part.ipv6));
        let known: BTreeSet<String> = std::mem::take(&mut row.depends_on).into_iter().collect();
        let more = unmodelled.iter().map(|what| what.resource.clone());
        row.depends_on = known.into_iter().chain(more).collect::<BTreeSet<_>>().into_iter().collect();
    }
    rows
}

/// What any of these cells depends on, each once.
pub(crate) fn unmodelled<'c>(cells: impl IntoIterator<Item = &'c Cell>) -> Vec<Unmodelled> {
    let parts = cells.into_iter().flat_map(|cell| &cell.parts);
    let all: BTreeSet<&What> = parts.flat_map(|part| &part.fare.unmodelled).collect();
    let told = |What { resource, kind, reason }: &What| Unmodelled {
        resource: resource.clone(),
        kind: kind.clone(),
        reason: reason.clone(),
    };
    all.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_means_the_same_packets() {
        let tcp = |source_ports, nat_ports, ports| Class::Ports {
            protocol: Protocol::TCP,
            source_ports,
            nat_ports,
            ports,
        };
        let port = |port| PortRange { from: port, to: port };
        for packets_meant in [
            Packets::everything(),
            Packets::default(),
            Packets::of([tcp(EPHEMERAL_PORTS, NAT_PORTS, port(443))]),
            Packets::of([tcp(port(40_000), NAT_PORTS, PortRange::ALL)]),
            Packets::of([tcp(EPHEMERAL_PORTS, port(2000), port(80))]),
            Packets::of([Class::Icmp { icmp_type: (8, 8), code: (0, 255) }]),
            Packets::of([Class::Protocols { numbers: (50, 51) }]),
        ] {
            for ipv6 in [false, true] {
                let told = traffic(&packets_meant, ipv6);
                assert_eq!(packets(&told, ipv6), packets_meant, "{told:?}");
                assert!(packets(&told, !ipv6).is_empty());
            }
        }
    }
}
