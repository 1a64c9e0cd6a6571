//! Which packets are in one set and not in another?
//!
//! Sets of packets as boxes: protocols, ports of both ends, types and codes. What always holds: the boxes of a set have no
//! packet in common, and a set's text depends on its packets alone wherever boxes join in one way only.

use vpclab_engine::explain::{Class, EPHEMERAL_PORTS, NAT_PORTS, merge};
use vpclab_model::PortRange;
use vpclab_wire::Protocol;

/// Packets of one address family.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Packets {
    boxes: Vec<Class>,
}

/// A box without the names of its sides: what kind of packets, and the range of each side.
type Sides = (u16, [(u16, u16); 3]);

/// Kinds of boxes beside those of a protocol with ports, which go by its number.
const ICMP: u16 = 256;
const PROTOCOLS: u16 = 257;

impl Packets {
    /// The packets of these classes, which have none in common.
    pub(crate) fn of(classes: impl IntoIterator<Item = Class>) -> Self {
        Self { boxes: merge(classes.into_iter().collect()) }
    }

    /// Every packet that opens something.
    pub(crate) fn everything() -> Self {
        let ports = |protocol| Class::Ports {
            protocol,
            source_ports: EPHEMERAL_PORTS,
            nat_ports: NAT_PORTS,
            ports: PortRange::ALL,
        };
        let numbers = [(0, 0), (2, 5), (7, 16), (18, 57), (59, 255)];
        let others = numbers.into_iter().map(|numbers| Class::Protocols { numbers });
        let icmp = Class::Icmp { icmp_type: (0, 255), code: (0, 255) };
        Self::of([ports(Protocol::TCP), ports(Protocol::UDP), icmp].into_iter().chain(others))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }

    pub(crate) fn boxes(&self) -> &[Class] {
        &self.boxes
    }

    /// Those that are not in `other`.
    pub(crate) fn without(&self, other: &Self) -> Self {
        if other.is_empty() || self.is_empty() {
            return self.clone();
        }
        let mut left: Vec<Sides> = self.boxes.iter().map(sides).collect();
        for taken in other.boxes.iter().map(sides) {
            left = left.into_iter().flat_map(|one| difference(one, taken)).collect();
        }
        Self::of(left.into_iter().map(named))
    }

    /// Those of either.
    pub(crate) fn or(&self, other: &Self) -> Self {
        if self.is_empty() {
            return other.clone();
        }
        let more = other.without(self);
        if more.is_empty() {
            return self.clone();
        }
        Self::of(self.boxes.iter().copied().chain(more.boxes))
    }

    /// Those of both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }
}

fn sides(class: &Class) -> Sides {
    let wide = |(from, to): (u8, u8)| (u16::from(from), u16::from(to));
    match *class {
        Class::Ports { protocol, source_ports, nat_ports, ports } => (
            u16::from(protocol.0),
            [source_ports, nat_ports, ports].map(|range: PortRange| (range.from, range.to)),
        ),
        Class::Icmp { icmp_type, code } => (ICMP, [wide(icmp_type), wide(code), (0, 0)]),
        Class::Protocols { numbers } => (PROTOCOLS, [wide(numbers), (0, 0), (0, 0)]),
    }
}

fn named((kind, [a, b, c]): Sides) -> Class {
    // What was a byte stays within one.
    let byte = |value: u16| u8::try_from(value).unwrap_or(u8::MAX);
    let bytes = |(from, to): (u16, u16)| (byte(from), byte(to));
    let ports = |(from, to): (u16, u16)| PortRange { from, to };
    match kind {
        ICMP => Class::Icmp { icmp_type: bytes(a), code: bytes(b) },
        PROTOCOLS => Class::Protocols { numbers: bytes(a) },
        number => Class::Ports {
            protocol: Protocol(byte(number)),
            source_ports: ports(a),
            nat_ports: ports(b),
            ports: ports(c),
        },
    }
}

/// What is left of a box without another.
fn difference((kind, mut rest): Sides, (other, taken): Sides) -> Vec<Sides> {
    let is_apart = |side: usize| rest[side].1 < taken[side].0 || taken[side].1 < rest[side].0;
    if kind != other || (0..3).any(is_apart) {
        return vec![(kind, rest)];
    }
    let mut left = Vec::new();
    for side in 0..3 {
        let (from, to) = rest[side];
        let (low, high) = taken[side];
        if from < low {
            let mut below = rest;
            below[side] = (from, low - 1);
            left.push((kind, below));
        }
        if to > high {
            let mut above = rest;
            above[side] = (high + 1, to);
            left.push((kind, above));
        }
        rest[side] = (from.max(low), to.min(high));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(from: u16, to: u16) -> Class {
        Class::Ports {
            protocol: Protocol::TCP,
            source_ports: EPHEMERAL_PORTS,
            nat_ports: NAT_PORTS,
            ports: PortRange { from, to },
        }
    }

    fn from_port(from: u16, to: u16, port: u16) -> Class {
        Class::Ports {
            protocol: Protocol::TCP,
            source_ports: PortRange { from, to },
            nat_ports: NAT_PORTS,
            ports: PortRange { from: port, to: port },
        }
    }

    fn is_same(a: &Packets, b: &Packets) -> bool {
        a.without(b).is_empty() && b.without(a).is_empty()
    }

    #[test]
    fn what_is_taken_out_is_gone_and_nothing_else_is() {
        let all = Packets::of([tcp(0, 65_535)]);
        for (taken, left) in [
            (vec![tcp(25, 25)], vec![tcp(0, 24), tcp(26, 65_535)]),
            (vec![tcp(0, 65_535)], vec![]),
            (vec![tcp(0, 0), tcp(65_535, 65_535)], vec![tcp(1, 65_534)]),
            (vec![Class::Icmp { icmp_type: (8, 8), code: (0, 0) }], vec![tcp(0, 65_535)]),
        ] {
            let taken = Packets::of(taken);
            let rest = all.without(&taken);
            assert_eq!(rest, Packets::of(left));
            assert!(is_same(&rest.or(&all.and(&taken)), &all));
            assert!(rest.and(&taken).is_empty());
        }
    }

    #[test]
    fn sets_cut_differently_are_the_same() {
        let columns = Packets { boxes: vec![from_port(32_768, 40_000, 80), from_port(40_001, 60_999, 80)] };
        let whole = Packets::of([tcp(80, 80)]);
        assert!(is_same(&columns, &whole));
        assert!(!is_same(&columns, &Packets::of([tcp(80, 81)])));
    }

    #[test]
    fn everything_is_all_protocols_of_a_family_once() {
        let everything = Packets::everything();
        let again = everything.or(&Packets::of([tcp(1, 9)]));
        assert_eq!(everything, again);
        assert_eq!(everything.boxes().len(), 8);
    }
}
