//! What is a packet, leaving bytes aside?
//!
//! The values that a test, the generator and the oracle speak about. [`crate::frames`] turns them into frames.

use std::net::IpAddr;

/// The TTL and hop limit that guests send with.
pub const TTL: u8 = 64;

/// How many bytes a packet carries behind its transport header unless it says otherwise.
const PAYLOAD: usize = 7;

/// A packet by its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Its source.
    pub src: IpAddr,
    /// Its destination, of the same family.
    pub dst: IpAddr,
    /// What it carries.
    pub body: Body,
    /// TTL or hop limit.
    pub ttl: u8,
    /// How many bytes it carries behind its transport header; of a fragmented datagram, all of them.
    pub payload: usize,
    /// IPv4: whether it may be cut on its way. Nothing in IPv6.
    pub may_be_cut: bool,
    /// Which part of a datagram it is.
    pub piece: Piece,
}

/// Which part of a datagram a packet is. A datagram in pieces has two, cut behind [`Piece::FIRST_LEN`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// All of it.
    Whole,
    /// The first of two, with the transport header, of the datagram with this identification.
    First(u16),
    /// The second of two, without one.
    Later(u16),
}

impl Piece {
    /// How many bytes of the datagram, its transport header included, the first of two pieces has.
    pub const FIRST_LEN: usize = 24;
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
    /// Another protocol, by number.
    Other(u8),
}

impl Packet {
    /// A packet; both addresses are written as text.
    pub fn new(src: &str, dst: &str, body: Body) -> Self {
        let address = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text} is no address"));
        Self::of(address(src), address(dst), body)
    }

    /// A packet as guests send it: in one piece, which may not be cut.
    pub fn of(src: IpAddr, dst: IpAddr, body: Body) -> Self {
        Self { src, dst, body, ttl: TTL, payload: PAYLOAD, may_be_cut: false, piece: Piece::Whole }
    }

    /// How many bytes the IP packet has.
    pub fn len(&self) -> usize {
        let header = if self.is_ipv6() { 40 } else { 20 };
        let fragment = if self.is_ipv6() { 8 } else { 0 };
        let datagram = self.body.header_len(self.is_ipv6()) + self.payload;
        match self.piece {
            Piece::Whole => header + datagram,
            Piece::First(_) => header + fragment + Piece::FIRST_LEN,
            Piece::Later(_) => header + fragment + datagram - Piece::FIRST_LEN,
        }
    }

    /// Whether it is empty, which no packet is.
    pub fn is_empty(&self) -> bool {
        false
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
        Some(Self::of(self.dst, self.src, body))
    }

    /// The error that its receiver, or a router, sends about it; none about an error.
    pub fn error(&self, kind: ErrorKind) -> Option<Self> {
        let transport = match self.body {
            Body::Tcp { src, dst, .. } => QuotedTransport::Tcp(src, dst),
            Body::Udp { src, dst } => QuotedTransport::Udp(src, dst),
            Body::Echo { id, reply } => QuotedTransport::Echo { id, reply },
            Body::Other(number) => QuotedTransport::Other(number),
            Body::Error { .. } => return None,
        };
        let about = Quoted { src: self.src, dst: self.dst, transport };
        Some(Self::of(self.dst, self.src, Body::Error { kind, about }))
    }
}

impl Quoted {
    /// The ports; the identifier twice for echo, none without a transport header.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self.transport {
            QuotedTransport::Tcp(src, dst) | QuotedTransport::Udp(src, dst) => Some((src, dst)),
            QuotedTransport::Echo { id, .. } => Some((id, id)),
            QuotedTransport::Other(_) => None,
        }
    }
}

impl Body {
    /// How many bytes its header has; of an ICMP error, with what it quotes.
    fn header_len(&self, ipv6: bool) -> usize {
        match self {
            Self::Tcp { .. } => 20,
            Self::Udp { .. } | Self::Echo { .. } => 8,
            Self::Error { .. } => 8 + if ipv6 { 40 } else { 20 } + 8,
            Self::Other(_) => 0,
        }
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
