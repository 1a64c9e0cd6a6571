//! What is a packet, leaving bytes aside?
//!
//! The values that a test, the generator and the oracle speak about. [`crate::frames`] turns them into frames.

use std::net::IpAddr;

/// A packet by its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Its source.
    pub src: IpAddr,
    /// Its destination, of the same family.
    pub dst: IpAddr,
    /// What it carries.
    pub body: Body,
}

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// TCP.
    Tcp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
        /// Which control bits are set.
        flags: Flags,
    },
    /// UDP.
    Udp {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
    },
    /// ICMP echo of the packet's family.
    Echo {
        /// The identifier.
        id: u16,
        /// Whether it answers.
        reply: bool,
    },
    /// An ICMP error of the packet's family.
    Error {
        /// What it says.
        kind: ErrorKind,
        /// The packet it is about.
        about: Quoted,
    },
    /// Another protocol, by number.
    Other(u8),
}

/// TCP control bits, by the turns of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flags {
    /// The opening of a connection.
    Syn,
    /// The answer to it.
    SynAck,
    /// Data and acknowledgments.
    Ack,
    /// "I have sent everything".
    Fin,
    /// The end.
    Rst,
}

/// What an ICMP error says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// ICMP 3/3, ICMPv6 1/4.
    PortUnreachable,
    /// ICMP 3/4, ICMPv6 2/0.
    TooBig,
    /// ICMP 11/0, ICMPv6 3/0.
    TimeExceeded,
}

/// The packet that an ICMP error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted {
    /// Its source.
    pub src: IpAddr,
    /// Its destination.
    pub dst: IpAddr,
    /// Its transport header.
    pub transport: QuotedTransport,
}

/// The transport header of a quoted packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotedTransport {
    /// TCP, by source and destination port.
    Tcp(u16, u16),
    /// UDP, by source and destination port.
    Udp(u16, u16),
    /// An echo request or reply.
    Echo {
        /// The identifier.
        id: u16,
        /// Whether it answers.
        reply: bool,
    },
}

impl Packet {
    /// A packet; both addresses are written as text.
    pub fn new(src: &str, dst: &str, body: Body) -> Self {
        let address = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text} is no address"));
        Self { src: address(src), dst: address(dst), body }
    }

    /// Whether it is IPv6.
    pub fn is_ipv6(&self) -> bool {
        self.src.is_ipv6()
    }

    /// Its protocol number.
    pub fn protocol(&self) -> u8 {
        match self.body {
            Body::Tcp { .. } => 6,
            Body::Udp { .. } => 17,
            Body::Echo { .. } | Body::Error { .. } if self.is_ipv6() => 58,
            Body::Echo { .. } | Body::Error { .. } => 1,
            Body::Other(number) => number,
        }
    }

    /// ICMP type and code.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        match (self.body, self.is_ipv6()) {
            (Body::Echo { reply: false, .. }, false) => Some((8, 0)),
            (Body::Echo { reply: true, .. }, false) => Some((0, 0)),
            (Body::Echo { reply: false, .. }, true) => Some((128, 0)),
            (Body::Echo { reply: true, .. }, true) => Some((129, 0)),
            (Body::Error { kind, .. }, ipv6) => Some(kind.type_and_code(ipv6)),
            _ => None,
        }
    }

    /// The packet with which its receiver answers. TCP goes on: SYN, SYN-ACK, ACK and ACKs for ever.
    pub fn answer(&self) -> Option<Self> {
        let body = match self.body {
            Body::Tcp { src, dst, flags } => {
                let flags = match flags {
                    Flags::Syn => Flags::SynAck,
                    Flags::SynAck | Flags::Ack => Flags::Ack,
                    Flags::Fin => Flags::Fin,
                    Flags::Rst => return None,
                };
                Body::Tcp { src: dst, dst: src, flags }
            }
            Body::Udp { src, dst } => Body::Udp { src: dst, dst: src },
            Body::Echo { id, reply: false } => Body::Echo { id, reply: true },
            Body::Echo { reply: true, .. } | Body::Error { .. } => return None,
            Body::Other(number) => Body::Other(number),
        };
        Some(Self { src: self.dst, dst: self.src, body })
    }

    /// The error that its receiver sends about it; none about an error or about a protocol without ports.
    pub fn error(&self, kind: ErrorKind) -> Option<Self> {
        let transport = match self.body {
            Body::Tcp { src, dst, .. } => QuotedTransport::Tcp(src, dst),
            Body::Udp { src, dst } => QuotedTransport::Udp(src, dst),
            Body::Echo { id, reply } => QuotedTransport::Echo { id, reply },
            Body::Error { .. } | Body::Other(_) => return None,
        };
        let about = Quoted { src: self.src, dst: self.dst, transport };
        Some(Self { src: self.dst, dst: self.src, body: Body::Error { kind, about } })
    }
}

impl Flags {
    /// The bits as TCP writes them: FIN 1, SYN 2, RST 4, ACK 16.
    pub fn bits(self) -> u8 {
        match self {
            Self::Syn => 0x02,
            Self::SynAck => 0x12,
            Self::Ack => 0x10,
            Self::Fin => 0x11,
            Self::Rst => 0x04,
        }
    }
}

impl ErrorKind {
    /// ICMP type and code (RFC 792, RFC 4443).
    pub fn type_and_code(self, ipv6: bool) -> (u8, u8) {
        match (self, ipv6) {
            (Self::PortUnreachable, false) => (3, 3),
            (Self::TooBig, false) => (3, 4),
            (Self::TimeExceeded, false) => (11, 0),
            (Self::PortUnreachable, true) => (1, 4),
            (Self::TooBig, true) => (2, 0),
            (Self::TimeExceeded, true) => (3, 0),
        }
    }
}

/// A TCP packet's body.
pub fn tcp(src: u16, dst: u16, flags: Flags) -> Body {
    Body::Tcp { src, dst, flags }
}

/// The body of a TCP packet that opens a connection.
pub fn syn(src: u16, dst: u16) -> Body {
    tcp(src, dst, Flags::Syn)
}

/// A UDP datagram's body.
pub fn udp(src: u16, dst: u16) -> Body {
    Body::Udp { src, dst }
}

/// The body of an echo request.
pub fn ping(id: u16) -> Body {
    Body::Echo { id, reply: false }
}
