//! Into which classes do the packets of a question fall?
//!
//! Rules can tell two packets apart only at the edges of their port ranges, ICMP types and protocol numbers. A class
//! lies between such edges: what one of its packets meets, all of them meet.

use std::collections::BTreeSet;

use vpclab_model::{IcmpMatch, PortRange, Traffic};
use vpclab_wire::Protocol;

use crate::fabric::{Direction, Fabric, Role, Takes};
use crate::flow::lending::LOWEST_PORT;
use crate::step::Step;
use crate::stop::internet::SMTP;

/// The source ports of a client that does not choose one (NACL-19): Linux's range.
pub const EPHEMERAL_PORTS: PortRange = PortRange { from: 32_768, to: 60_999 };

/// The source ports of what AWS runs, such as a load balancer (NACL-19).
pub const MANAGED_PORTS: PortRange = PortRange { from: 1024, to: u16::MAX };

/// The source ports that gateways lend which translate (NAT-06, EPS-06).
pub const NAT_PORTS: PortRange = PortRange { from: LOWEST_PORT, to: u16::MAX };

/// The packets meant by a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrafficQuestion {
    /// Every protocol.
    All,
    /// TCP or UDP.
    Ports {
        /// TCP or UDP.
        protocol: Protocol,
        /// The destination port; none asks about every port.
        port: Option<u16>,
        /// The source port; none stands for any that the client may choose (NACL-19).
        source_port: Option<u16>,
    },
    /// An echo request of the ends' family.
    Echo,
    /// Another protocol, by number.
    Protocol(u8),
}

/// Inclusive ranges of ports.
pub type PortSet = PortRange;

/// An inclusive range of 8-bit values.
pub(super) type ByteRange = (u8, u8);

/// Packets that all rules met so far treat alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// TCP or UDP.
    Ports {
        /// TCP or UDP.
        protocol: Protocol,
        /// Source ports.
        source_ports: PortSet,
        /// The source ports that NAT gateways on the way put in their place, if there are any (NAT-06).
        nat_ports: PortSet,
        /// Destination ports.
        ports: PortSet,
    },
    /// ICMP of the ends' family.
    Icmp {
        /// Types.
        icmp_type: ByteRange,
        /// Codes.
        code: ByteRange,
    },
    /// Other protocols.
    Protocols {
        /// Numbers.
        numbers: ByteRange,
    },
}

impl Class {
    /// The protocol of its packets, the first of several.
    pub fn protocol(&self, ipv6: bool) -> Protocol {
        match *self {
            Self::Ports { protocol, .. } => protocol,
            Self::Icmp { .. } if ipv6 => Protocol::ICMPV6,
            Self::Icmp { .. } => Protocol::ICMP,
            Self::Protocols { numbers } => Protocol(numbers.0),
        }
    }
}

impl Class {
    /// The class with what it says about ports, or type and code, moved round by one, as a key to sort by.
    fn rotated(&self, by: usize) -> Self {
        match *self {
            Self::Ports { protocol, source_ports: a, nat_ports: b, ports: c } => {
                let [source_ports, nat_ports, ports] = match by {
                    0 => [a, b, c],
                    1 => [c, a, b],
                    _ => [b, c, a],
                };
                Self::Ports { protocol, source_ports, nat_ports, ports }
            }
            Self::Icmp { icmp_type, code } if by > 0 => Self::Icmp { icmp_type: code, code: icmp_type },
            class => class,
        }
    }
}

impl TrafficQuestion {
    /// The classes before any rule has been met, of a client that may choose `chosen` as its source ports.
    pub(super) fn classes(&self, ipv6: bool, chosen: PortRange) -> Vec<Class> {
        let any =
            |port: Option<u16>, all: PortRange| port.map_or(all, |port| PortRange { from: port, to: port });
        let ports = |protocol, port, source_port| Class::Ports {
            protocol,
            source_ports: any(source_port, chosen),
            nat_ports: NAT_PORTS,
            ports: any(port, PortRange::ALL),
        };
        let echo = if ipv6 { 128 } else { 8 };
        match *self {
            Self::Ports { protocol, port, source_port } => vec![ports(protocol, port, source_port)],
            Self::Echo => vec![Class::Icmp { icmp_type: (echo, echo), code: (0, 0) }],
            Self::Protocol(number) => vec![Class::Protocols { numbers: (number, number) }],
            Self::All => {
                let mut classes = vec![ports(Protocol::TCP, None, None), ports(Protocol::UDP, None, None)];
                let all = (0, u8::MAX);
                let types = cut_bytes(all, &types_apart(ipv6)).into_iter();
                classes.extend(types.map(|icmp_type| Class::Icmp { icmp_type, code: all }));
                let mut from = 0;
                let mut spoken_for = [Protocol::ICMP.0, Protocol::TCP.0, Protocol::UDP.0, Protocol::ICMPV6.0];
                spoken_for.sort_unstable();
                for number in spoken_for {
                    if from < number {
                        classes.push(Class::Protocols { numbers: (from, number - 1) });
                    }
                    from = number + 1;
                }
                classes.push(Class::Protocols { numbers: (from, u8::MAX) });
                classes
            }
        }
    }
}

/// Where the types of ICMP that have a meaning begin and end: each of these is a matter of its own, as some are
/// answered, some are errors and some are translated. All others are nothing but a number that rules may name.
fn types_apart(ipv6: bool) -> BTreeSet<u8> {
    let (informational, last) = if ipv6 { (128..=137, 4) } else { (0..=18, 18) };
    let known = (0..=last).chain(informational);
    known.flat_map(|icmp_type| [icmp_type, icmp_type + 1]).collect()
}

/// How many classes are told apart at most.
pub(super) const MAX_CLASSES: usize = 1 << 16;

/// Where rules can tell packets apart: each value begins a new range.
#[derive(Debug, Default)]
struct Cuts {
    /// Source ports of the request: where rules meet its answer.
    source_ports: BTreeSet<u16>,
    /// The same between NAT gateway and the other end.
    nat_ports: BTreeSet<u16>,
    /// Destination ports of the request.
    ports: BTreeSet<u16>,
    icmp_types: BTreeSet<u8>,
    icmp_codes: BTreeSet<u8>,
    protocols: BTreeSet<u8>,
}

/// Cuts `classes` wherever a rule met on the way of the request or of the answer can tell their packets apart; none if
/// that makes more than [`MAX_CLASSES`].
pub(super) fn refine<'a>(
    fabric: &Fabric,
    classes: &[Class],
    forward: impl Iterator<Item = &'a Step>,
    back: impl Iterator<Item = (&'a Step, Way)>,
) -> Option<Vec<Class>> {
    let mut acls = BTreeSet::new();
    let mut policies = BTreeSet::new();
    let mut gateways = BTreeSet::new();
    let mut listeners = BTreeSet::new();
    let ways = forward.map(|step| (step, Way::Forward)).chain(back);
    for (step, way) in ways {
        match step {
            Step::NetworkAcl { network_acl, direction, .. } => {
                acls.insert((*network_acl, *direction, way));
            }
            Step::SecurityGroup { eni, direction, .. } => {
                // Both directions: whether a flow is tracked depends on the other one too.
                let policy = fabric.enis[*eni].policy;
                policies.insert((policy, *direction, way));
                policies.insert((policy, direction.reversed(), way.reversed()));
            }
            Step::InternetGateway { direction: Direction::Outbound, .. } => {
                gateways.insert(way);
            }
            Step::Arrive { eni } if way == Way::Forward => {
                // What takes some ports and nobody knows about the rest.
                if let Role::NotModelled(resource) = fabric.enis[*eni].role
                    && let Takes::Listeners(on) = &fabric.not_modelled[resource].takes
                {
                    listeners.extend(on.iter().map(|listener| listener.port));
                }
            }
            _ => {}
        }
    }
    let mut cuts = Cuts::default();
    for port in listeners {
        cuts.add(&Traffic::Tcp(PortRange { from: port, to: port }), Way::Forward);
    }
    for way in gateways {
        // Mail is a matter of its own there (L2-24).
        cuts.add(&Traffic::Tcp(PortRange { from: SMTP, to: SMTP }), way);
    }
    for (acl, direction, way) in acls {
        let entries = fabric.network_acls[acl].entries.of(direction);
        entries.iter().for_each(|entry| cuts.add(&entry.traffic, way));
    }
    for (policy, direction, way) in policies {
        let rules = &fabric.policies[policy].of(direction).rules;
        rules.iter().for_each(|rule| cuts.add(&rule.traffic, way));
    }
    let mut finer = Vec::with_capacity(classes.len());
    for class in classes {
        finer.extend(cuts.apply(class));
        if finer.len() > MAX_CLASSES {
            return None;
        }
    }
    Some(finer)
}

/// Which packet a rule speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// The request.
    Forward,
    /// The answer.
    Back,
    /// The answer before a NAT gateway has given it back the client's port.
    BackToNat,
}

/// The steps of an answer, each with what its destination port is. `translated` says whether the request passed a NAT
/// gateway; of several on the way back the last one gives back the client's port.
pub(super) fn steps_back(steps: &[Step], translated: bool) -> impl Iterator<Item = (&Step, Way)> {
    let at_nat = steps.iter().rposition(|step| matches!(step, Step::NatGateway { .. }));
    let before = if translated { at_nat.unwrap_or(steps.len()) } else { 0 };
    steps
        .iter()
        .enumerate()
        .map(move |(position, step)| (step, if position < before { Way::BackToNat } else { Way::Back }))
}

impl Way {
    fn reversed(self) -> Self {
        match self {
            Self::Forward => Self::Back,
            Self::Back | Self::BackToNat => Self::Forward,
        }
    }
}

impl Cuts {
    fn add(&mut self, traffic: &Traffic, way: Way) {
        match *traffic {
            Traffic::All => {}
            // Rules look at destination ports. The answer's is the request's source port.
            Traffic::Tcp(range) | Traffic::Udp(range) => {
                let ports = match way {
                    Way::Forward => &mut self.ports,
                    Way::Back => &mut self.source_ports,
                    Way::BackToNat => &mut self.nat_ports,
                };
                ports.insert(range.from);
                ports.extend(range.to.checked_add(1));
            }
            // An answer's type is that of no other request, and requests are cut apart from the outset.
            Traffic::Icmp(IcmpMatch { icmp_type, code }) | Traffic::Icmpv6(IcmpMatch { icmp_type, code }) => {
                if let Some(icmp_type) = icmp_type {
                    self.icmp_types.insert(icmp_type);
                    self.icmp_types.extend(icmp_type.checked_add(1));
                }
                if let Some(code) = code {
                    self.icmp_codes.insert(code);
                    self.icmp_codes.extend(code.checked_add(1));
                }
            }
            Traffic::Protocol(number) => {
                self.protocols.insert(number);
                self.protocols.extend(number.checked_add(1));
            }
        }
    }

    fn apply(&self, class: &Class) -> Vec<Class> {
        match *class {
            Class::Ports { protocol, source_ports, nat_ports, ports } => {
                let (columns, layers) =
                    (cut_ports(ports, &self.ports), cut_ports(nat_ports, &self.nat_ports));
                let mut pieces = Vec::new();
                for source_ports in cut_ports(source_ports, &self.source_ports) {
                    for &nat_ports in &layers {
                        pieces.extend(columns.iter().map(|&ports| Class::Ports {
                            protocol,
                            source_ports,
                            nat_ports,
                            ports,
                        }));
                    }
                    if pieces.len() > MAX_CLASSES {
                        break;
                    }
                }
                pieces
            }
            Class::Icmp { icmp_type, code } => {
                let codes = cut_bytes(code, &self.icmp_codes);
                let of_type = |icmp_type| codes.iter().map(move |&code| Class::Icmp { icmp_type, code });
                cut_bytes(icmp_type, &self.icmp_types).into_iter().flat_map(of_type).collect()
            }
            Class::Protocols { numbers } => cut_bytes(numbers, &self.protocols)
                .into_iter()
                .map(|numbers| Class::Protocols { numbers })
                .collect(),
        }
    }
}

fn cut_ports(range: PortRange, cuts: &BTreeSet<u16>) -> Vec<PortRange> {
    let mut pieces = Vec::new();
    let mut from = range.from;
    for &cut in cuts.range(range.from..=range.to) {
        if cut > from {
            pieces.push(PortRange { from, to: cut - 1 });
            from = cut;
        }
    }
    pieces.push(PortRange { from, to: range.to });
    pieces
}

fn cut_bytes(range: ByteRange, cuts: &BTreeSet<u8>) -> Vec<ByteRange> {
    let mut pieces = Vec::new();
    let mut from = range.0;
    for &cut in cuts.range(range.0..=range.1) {
        if cut > from {
            pieces.push((from, cut - 1));
            from = cut;
        }
    }
    pieces.push((from, range.1));
    pieces
}

/// Puts neighbouring classes together again, for people to read: those that differ in one respect, then those that
/// differ in the other, until nothing changes.
pub fn merge(mut classes: Vec<Class>) -> Vec<Class> {
    loop {
        let before = classes.len();
        for by in 0..3 {
            classes.sort_unstable_by_key(|class| class.rotated(by));
            classes = join_neighbors(classes);
        }
        if classes.len() == before {
            classes.sort_unstable();
            return classes;
        }
    }
}

fn join_neighbors(classes: Vec<Class>) -> Vec<Class> {
    let mut joined: Vec<Class> = Vec::with_capacity(classes.len());
    for class in classes {
        match joined.last_mut().and_then(|last| union(last, &class).map(|union| (last, union))) {
            Some((last, union)) => *last = union,
            None => joined.push(class),
        }
    }
    joined
}

/// The union of two classes, if it is a class.
fn union(a: &Class, b: &Class) -> Option<Class> {
    match (*a, *b) {
        (
            Class::Ports { protocol, source_ports: a1, nat_ports: b1, ports: c1 },
            Class::Ports { protocol: other, source_ports: a2, nat_ports: b2, ports: c2 },
        ) if protocol == other => {
            let ports =
                |source_ports, nat_ports, ports| Class::Ports { protocol, source_ports, nat_ports, ports };
            match (a1 == a2, b1 == b2, c1 == c2) {
                (true, true, _) => join_ports(c1, c2).map(|c| ports(a1, b1, c)),
                (true, _, true) => join_ports(b1, b2).map(|b| ports(a1, b, c1)),
                (_, true, true) => join_ports(a1, a2).map(|a| ports(a, b1, c1)),
                _ => None,
            }
        }
        (Class::Icmp { icmp_type, code }, Class::Icmp { icmp_type: other, code: other_code }) => {
            if icmp_type == other {
                join_bytes(code, other_code).map(|code| Class::Icmp { icmp_type, code })
            } else if code == other_code {
                join_bytes(icmp_type, other).map(|icmp_type| Class::Icmp { icmp_type, code })
            } else {
                None
            }
        }
        (Class::Protocols { numbers }, Class::Protocols { numbers: other }) => {
            join_bytes(numbers, other).map(|numbers| Class::Protocols { numbers })
        }
        _ => None,
    }
}

fn join_ports(a: PortRange, b: PortRange) -> Option<PortRange> {
    let (low, high) = if a.from <= b.from { (a, b) } else { (b, a) };
    (low.to.checked_add(1) == Some(high.from)).then_some(PortRange { from: low.from, to: high.to })
}

fn join_bytes(a: ByteRange, b: ByteRange) -> Option<ByteRange> {
    let (low, high) = if a.0 <= b.0 { (a, b) } else { (b, a) };
    (low.1.checked_add(1) == Some(high.0)).then_some((low.0, high.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: u16, to: u16) -> PortRange {
        PortRange { from, to }
    }

    fn tcp(source_ports: PortRange, ports: PortRange) -> Class {
        Class::Ports { protocol: Protocol::TCP, source_ports, nat_ports: NAT_PORTS, ports }
    }

    #[test]
    fn a_range_is_cut_where_a_rule_begins_and_after_it_ends() {
        let mut cuts = Cuts::default();
        cuts.add(&Traffic::Tcp(range(80, 443)), Way::Forward);
        assert_eq!(
            cut_ports(PortRange::ALL, &cuts.ports),
            [range(0, 79), range(80, 443), range(444, 65_535)]
        );
        assert_eq!(cut_ports(range(100, 200), &cuts.ports), [range(100, 200)]);
        assert_eq!(cut_ports(range(80, 80), &cuts.ports), [range(80, 80)]);
    }

    #[test]
    fn a_rule_up_to_the_last_port_cuts_once() {
        let mut cuts = Cuts::default();
        cuts.add(&Traffic::Udp(range(1024, 65_535)), Way::Forward);
        assert_eq!(cut_ports(PortRange::ALL, &cuts.ports), [range(0, 1023), range(1024, 65_535)]);
    }

    #[test]
    fn every_protocol_number_is_asked_about_exactly_once() {
        let mut seen = [0; 256];
        for class in TrafficQuestion::All.classes(false, EPHEMERAL_PORTS) {
            match class {
                Class::Ports { protocol, .. } => seen[usize::from(protocol.0)] += 1,
                Class::Icmp { icmp_type: (0, 0), .. } => seen[1] += 1,
                Class::Icmp { .. } => {}
                Class::Protocols { numbers } => {
                    (numbers.0..=numbers.1).for_each(|n| seen[usize::from(n)] += 1);
                }
            }
        }
        // ICMP of the other family is no question of its own.
        seen[58] += 1;
        assert!(seen.iter().all(|&count| count == 1), "{seen:?}");
    }

    #[test]
    fn every_type_of_icmp_is_asked_about_once_and_one_with_a_meaning_alone() {
        for ipv6 in [false, true] {
            let mut seen = [0; 256];
            for class in TrafficQuestion::All.classes(ipv6, EPHEMERAL_PORTS) {
                let Class::Icmp { icmp_type: (from, to), .. } = class else { continue };
                (from..=to).for_each(|t| seen[usize::from(t)] += 1);
                let has_meaning =
                    |t| vpclab_wire::is_icmp_query(t, ipv6) || vpclab_wire::is_icmp_error(t, ipv6);
                assert!(from == to || !(from..=to).any(has_meaning), "{class:?}");
            }
            assert!(seen.iter().all(|&count| count == 1), "{seen:?}");
        }
    }

    #[test]
    fn a_rule_about_one_type_of_icmp_cuts_it_out() {
        let mut cuts = Cuts::default();
        cuts.add(&Traffic::Icmp(IcmpMatch { icmp_type: Some(40), code: None }), Way::Forward);
        let all = Class::Icmp { icmp_type: (19, 255), code: (0, 255) };
        let types: Vec<ByteRange> = cuts
            .apply(&all)
            .into_iter()
            .filter_map(|class| match class {
                Class::Icmp { icmp_type, .. } => Some(icmp_type),
                _ => None,
            })
            .collect();
        assert_eq!(types, [(19, 39), (40, 40), (41, 255)]);
    }

    #[test]
    fn neighbouring_classes_are_put_together_and_distant_ones_are_not() {
        let sources = range(32_768, 60_999);
        let pieces =
            vec![tcp(sources, range(0, 79)), tcp(sources, range(81, 90)), tcp(sources, range(91, 65_535))];
        assert_eq!(merge(pieces), [tcp(sources, range(0, 79)), tcp(sources, range(81, 65_535))]);
        let columns = vec![tcp(range(1, 5), range(7, 7)), tcp(range(6, 9), range(7, 7))];
        assert_eq!(merge(columns), [tcp(range(1, 9), range(7, 7))]);
    }

    #[test]
    fn a_grid_of_classes_is_put_together_whichever_way_it_was_cut() {
        let mut cuts = Cuts::default();
        for port in 1..60 {
            cuts.add(&Traffic::Tcp(range(port * 100, port * 100)), Way::Forward);
            cuts.add(&Traffic::Tcp(range(32_768 + port * 100, 32_768 + port * 100)), Way::Back);
        }
        let whole = tcp(EPHEMERAL_PORTS, PortRange::ALL);
        let mut pieces = cuts.apply(&whole);
        assert!(pieces.len() > 10_000);
        pieces.rotate_left(777);
        assert_eq!(merge(pieces), [whole]);
    }
}
