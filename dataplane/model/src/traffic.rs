//! Which packets does a rule speak about, leaving addresses aside?
//!
//! Network ACLs and security groups share these forms. What AWS ignores is normalised away when a rule is read: the
//! ports of a protocol that has none (NACL-10, SG-18), the type and code of ICMPv6 in an IPv4 rule (NACL-13).

use std::fmt;

use serde::{Serialize, Serializer};

/// Protocol and ports, or ICMP type and code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Traffic {
    /// Every protocol.
    All,
    /// TCP to these destination ports.
    Tcp(PortRange),
    /// UDP to these destination ports.
    Udp(PortRange),
    /// ICMP for IPv4.
    Icmp(IcmpMatch),
    /// ICMP for IPv6.
    Icmpv6(IcmpMatch),
    /// Another IP protocol, by number.
    Protocol(u8),
}

/// Inclusive range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The lowest port.
    pub from: u16,
    /// The highest port, not below `from`.
    pub to: u16,
}

/// ICMP type and code; nothing means any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IcmpMatch {
    /// The type.
    pub icmp_type: Option<u8>,
    /// The code; nothing when the type is nothing.
    pub code: Option<u8>,
}

impl PortRange {
    /// Every port.
    pub const ALL: Self = Self { from: 0, to: u16::MAX };

    /// Whether `port` lies in the range.
    pub fn contains(self, port: u16) -> bool {
        self.from <= port && port <= self.to
    }
}

impl IcmpMatch {
    /// Every type and code.
    pub const ALL: Self = Self { icmp_type: None, code: None };

    /// Whether a message of this type and code is meant.
    pub fn contains(self, icmp_type: u8, code: u8) -> bool {
        self.icmp_type.is_none_or(|t| t == icmp_type) && self.code.is_none_or(|c| c == code)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            f.write_str("all ports")
        } else if self.from == self.to {
            write!(f, "{}", self.from)
        } else {
            write!(f, "{}-{}", self.from, self.to)
        }
    }
}

impl fmt::Display for IcmpMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.icmp_type, self.code) {
            (None, _) => f.write_str("all types"),
            (Some(t), None) => write!(f, "type {t}"),
            (Some(t), Some(c)) => write!(f, "type {t} code {c}"),
        }
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all traffic"),
            Self::Tcp(ports) => write!(f, "tcp {ports}"),
            Self::Udp(ports) => write!(f, "udp {ports}"),
            Self::Icmp(icmp) => write!(f, "icmp {icmp}"),
            Self::Icmpv6(icmp) => write!(f, "icmpv6 {icmp}"),
            Self::Protocol(number) => write!(f, "protocol {number}"),
        }
    }
}

impl Serialize for Traffic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
