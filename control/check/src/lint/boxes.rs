//! Do some rules match every packet that another one matches?
//!
//! A rule is a box: protocols, ports (or ICMP types and codes), addresses of one family. Boxes are taken from a box until
//! nothing is left, or something is; that is exact. Where it would take too long nothing is claimed.

use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_model::{IcmpMatch, PortRange, Traffic};
use vpclab_wire::Protocol;

/// Inclusive ranges of protocol numbers, of ports or types and codes, and of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packets {
    ranges: [(u128, u128); 3],
    ipv6: bool,
}

/// Beyond this many pieces nothing is claimed.
const MOST_PIECES: usize = 4096;

impl Packets {
    /// Those of `traffic` whose address is in `block`.
    pub(super) fn new(traffic: &Traffic, block: IpNet) -> Self {
        let all = (0, u128::from(u16::MAX));
        let ports = |ports: &PortRange| (u128::from(ports.from), u128::from(ports.to));
        let one = |protocol: Protocol| (u128::from(protocol.0), u128::from(protocol.0));
        let (protocol, ports) = match traffic {
            Traffic::All => ((0, u128::from(u8::MAX)), all),
            Traffic::Tcp(range) => (one(Protocol::TCP), ports(range)),
            Traffic::Udp(range) => (one(Protocol::UDP), ports(range)),
            Traffic::Icmp(icmp) => (one(Protocol::ICMP), types(icmp)),
            Traffic::Icmpv6(icmp) => (one(Protocol::ICMPV6), types(icmp)),
            Traffic::Protocol(number) => (one(Protocol(*number)), all),
        };
        let addresses = (bits(block.network()), bits(block.broadcast()));
        Self { ranges: [protocol, ports, addresses], ipv6: block.addr().is_ipv6() }
    }

    /// Whether it has a packet in common with `other`.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let apart = |a: (u128, u128), b: (u128, u128)| a.1 < b.0 || b.1 < a.0;
        self.ipv6 == other.ipv6 && !self.ranges.iter().zip(other.ranges).any(|(a, b)| apart(*a, b))
    }

    /// What of it is not in `other`, as boxes that do not overlap.
    fn without(self, other: &Self, left: &mut Vec<Self>) {
        if !self.meets(other) {
            return left.push(self);
        }
        let mut rest = self;
        for axis in 0..rest.ranges.len() {
            let (from, to) = rest.ranges[axis];
            let (cut_from, cut_to) = other.ranges[axis];
            if from < cut_from {
                let mut piece = rest;
                piece.ranges[axis] = (from, cut_from - 1);
                left.push(piece);
            }
            if cut_to < to {
                let mut piece = rest;
                piece.ranges[axis] = (cut_to + 1, to);
                left.push(piece);
            }
            rest.ranges[axis] = (from.max(cut_from), to.min(cut_to));
        }
    }
}

/// What of `packets` is in none of `others`; none where that takes too long to say.
pub(super) fn uncovered<'a>(
    packets: Packets,
    others: impl IntoIterator<Item = &'a Packets>,
) -> Option<Vec<Packets>> {
    let mut left = vec![packets];
    for other in others {
        let mut rest = Vec::new();
        for piece in left {
            piece.without(other, &mut rest);
        }
        left = rest;
        if left.len() > MOST_PIECES {
            return None;
        }
        if left.is_empty() {
            break;
        }
    }
    Some(left)
}

/// Whether every one of `packets` is in some of `others`.
pub(super) fn is_covered<'a>(packets: Packets, others: impl IntoIterator<Item = &'a Packets>) -> bool {
    uncovered(packets, others).is_some_and(|left| left.is_empty())
}

/// Type and code as one number.
fn types(icmp: &IcmpMatch) -> (u128, u128) {
    match (icmp.icmp_type.map(u128::from), icmp.code.map(u128::from)) {
        (None, _) => (0, u128::from(u16::MAX)),
        (Some(icmp_type), None) => (icmp_type << 8, (icmp_type << 8) | 0xff),
        (Some(icmp_type), Some(code)) => ((icmp_type << 8) | code, (icmp_type << 8) | code),
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(from: u16, to: u16, block: &str) -> Packets {
        Packets::new(&Traffic::Tcp(PortRange { from, to }), block.parse().unwrap())
    }

    fn all(block: &str) -> Packets {
        Packets::new(&Traffic::All, block.parse().unwrap())
    }

    fn icmp(icmp_type: Option<u8>, code: Option<u8>) -> Packets {
        Packets::new(&Traffic::Icmp(IcmpMatch { icmp_type, code }), "10.0.0.0/8".parse().unwrap())
    }

    #[test]
    fn only_rules_that_together_leave_nothing_out_cover_another() {
        let protocol = |number| Packets::new(&Traffic::Protocol(number), "10.0.0.0/8".parse().unwrap());
        for (packets, others, expected) in [
            (tcp(443, 443, "10.0.0.0/8"), vec![all("0.0.0.0/0")], true),
            (tcp(443, 443, "10.0.0.0/8"), vec![all("::/0")], false),
            (
                tcp(0, 65535, "0.0.0.0/0"),
                vec![tcp(0, 1023, "0.0.0.0/0"), tcp(1024, 65535, "0.0.0.0/0")],
                true,
            ),
            (
                tcp(0, 65535, "0.0.0.0/0"),
                vec![tcp(0, 1023, "0.0.0.0/0"), tcp(1025, 65535, "0.0.0.0/0")],
                false,
            ),
            (tcp(22, 22, "0.0.0.0/0"), vec![tcp(22, 22, "0.0.0.0/1"), tcp(1, 99, "128.0.0.0/1")], true),
            (tcp(22, 22, "0.0.0.0/0"), vec![tcp(22, 22, "0.0.0.0/1"), tcp(1, 21, "128.0.0.0/1")], false),
            (
                tcp(22, 22, "2001:db8::/32"),
                vec![tcp(22, 22, "2001:db8::/33"), tcp(22, 22, "2001:db8:8000::/33")],
                true,
            ),
            (tcp(22, 22, "2001:db8::/32"), vec![tcp(22, 22, "2001:db8::/33")], false),
            (all("10.0.0.0/8"), vec![tcp(0, 65535, "10.0.0.0/8")], false),
            (protocol(47), vec![all("10.0.0.0/8")], true),
            (protocol(47), vec![protocol(50)], false),
            (icmp(Some(8), Some(0)), vec![icmp(Some(8), None)], true),
            (icmp(Some(8), None), vec![icmp(Some(8), Some(0))], false),
            (icmp(Some(8), None), vec![icmp(None, None)], true),
            (icmp(None, None), vec![protocol(1)], true),
        ] {
            assert_eq!(is_covered(packets, &others), expected, "{packets:?} by {others:?}");
        }
    }
}
