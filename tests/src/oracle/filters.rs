//! Which rules speak of a packet?

use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_model::{NetworkAcl, NetworkInterface, Peer, RuleAction, SecurityGroupRule, Topology, Traffic};

use super::Reason;
use super::addresses::has_address;
use crate::packet::{Body, Packet};

/// What a rule looks at, addresses aside.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub(super) protocol: u8,
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) icmp: Option<(u8, u8)>,
}

/// The other end as a rule sees it.
pub(super) struct Far<'a> {
    pub(super) address: IpAddr,
    /// The interfaces whose groups count for references.
    pub(super) members: Vec<&'a NetworkInterface>,
}

impl Subject {
    pub(super) fn of(packet: &Packet) -> Self {
        let (source_port, destination_port) = match packet.body {
            Body::Tcp { src, dst, .. } | Body::Udp { src, dst } => (src, dst),
            _ => (0, 0),
        };
        Self { protocol: packet.protocol(), source_port, destination_port, icmp: packet.icmp() }
    }

    /// The same of a packet that goes the other way on the flow.
    pub(super) fn turned(self) -> Self {
        Self { source_port: self.destination_port, destination_port: self.source_port, ..self }
    }
}

/// NACL-01, NACL-02, NACL-11, NACL-14.
pub(super) fn acl(acl: &NetworkAcl, packet: &Packet, outbound: bool) -> Result<(), Reason> {
    let subject = Subject::of(packet);
    let (entries, far) = if outbound { (&acl.egress, packet.dst) } else { (&acl.ingress, packet.src) };
    let mut first: Option<(u16, RuleAction)> = None;
    for entry in entries {
        let earlier = first.is_none_or(|(number, _)| entry.rule_number < number);
        if earlier && entry.cidr.contains(&far) && speaks_of(&entry.traffic, &subject) {
            first = Some((entry.rule_number, entry.action));
        }
    }
    match first {
        Some((_, RuleAction::Allow)) => Ok(()),
        Some((_, RuleAction::Deny)) | None => Err(Reason::NetworkAcl),
    }
}

pub(super) fn rules<'a>(
    topology: &'a Topology,
    eni: &'a NetworkInterface,
    outbound: bool,
) -> impl Iterator<Item = &'a SecurityGroupRule> {
    eni.security_groups.iter().flat_map(move |name| {
        let group = &topology.security_groups[name];
        if outbound { &group.egress } else { &group.ingress }
    })
}

/// NACL-10..NACL-13, SG-17, SG-18.
pub(super) fn speaks_of(traffic: &Traffic, subject: &Subject) -> bool {
    let port = |range: &vpclab_model::PortRange| (range.from..=range.to).contains(&subject.destination_port);
    let message = |wanted: &vpclab_model::IcmpMatch| {
        let Some((icmp_type, code)) = subject.icmp else { return wanted.icmp_type.is_none() };
        wanted.icmp_type.is_none_or(|t| t == icmp_type) && wanted.code.is_none_or(|c| c == code)
    };
    match traffic {
        Traffic::All => true,
        Traffic::Tcp(range) => subject.protocol == 6 && port(range),
        Traffic::Udp(range) => subject.protocol == 17 && port(range),
        Traffic::Icmp(wanted) => subject.protocol == 1 && message(wanted),
        Traffic::Icmpv6(wanted) => subject.protocol == 58 && message(wanted),
        Traffic::Protocol(number) => subject.protocol == *number,
    }
}

/// SG-08: a reference means the private addresses of the group's interfaces.
pub(super) fn is_meant(topology: &Topology, peer: &Peer, far: &Far<'_>) -> bool {
    match peer {
        // SG-25
        Peer::PrefixList(list) => {
            topology.managed_prefix_lists[list].entries.iter().any(|entry| entry.cidr.contains(&far.address))
        }
        Peer::Cidr(block) => block.contains(&far.address),
        Peer::UnknownGroup(_) => false,
        Peer::Group(group) => {
            let is_in_it = |eni: &&NetworkInterface| eni.security_groups.contains(group);
            far.members.iter().any(|eni| is_in_it(eni) && has_address(eni, far.address))
        }
    }
}

/// CT-03: everyone may open it, and everyone may be answered on every port.
pub(super) fn is_wide_open(
    topology: &Topology,
    eni: &NetworkInterface,
    outbound: bool,
    subject: &Subject,
    far: IpAddr,
) -> bool {
    let is_all = |block: IpNet| block.prefix_len() == 0 && block.contains(&far);
    let everyone = |rule: &&SecurityGroupRule| match &rule.peer {
        Peer::Cidr(block) => is_all(*block),
        Peer::PrefixList(list) => {
            topology.managed_prefix_lists[list].entries.iter().any(|entry| is_all(entry.cidr))
        }
        Peer::Group(_) | Peer::UnknownGroup(_) => false,
    };
    let opening =
        rules(topology, eni, outbound).filter(everyone).any(|rule| speaks_of(&rule.traffic, subject));
    let response = rules(topology, eni, !outbound).filter(everyone).any(|rule| match rule.traffic {
        Traffic::All => true,
        Traffic::Tcp(range) => subject.protocol == 6 && (range.from, range.to) == (0, 65_535),
        Traffic::Udp(range) => subject.protocol == 17 && (range.from, range.to) == (0, 65_535),
        _ => false,
    });
    opening && response
}
