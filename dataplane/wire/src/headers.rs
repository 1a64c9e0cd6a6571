//! What did parsing understand of a frame?
//!
//! Plain values, copied out once, so that nothing past the door looks at bytes again. Offsets count from the start of
//! Ethernet; lengths are bytes.

use crate::mac::MacAddr;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What [`parse`](crate::parse) understood of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Headers {
    /// Ethernet source; never multicast.
    pub src_mac: MacAddr,
    /// Ethernet destination.
    pub dst_mac: MacAddr,
    /// What the frame carries.
    pub body: Body,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// An ARP request or reply.
    Arp(Arp),
    /// An IPv4 or IPv6 packet.
    Ip(IpHeaders),
}

/// ARP for IPv4 over Ethernet (RFC 826).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arp {
    /// Request or reply.
    pub operation: ArpOperation,
    /// The sender's hardware address, as it claims.
    pub sender_mac: MacAddr,
    /// The sender's protocol address, as it claims.
    pub sender_ip: Ipv4Addr,
    /// The hardware address asked for; meaningless in a request.
    pub target_mac: MacAddr,
    /// The protocol address asked for.
    pub target_ip: Ipv4Addr,
}

/// The operation of an [`Arp`] message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArpOperation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
}

/// An IPv4 or IPv6 header, its extensions, and the transport header behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpHeaders {
    /// Source address; of the same family as `dst`.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// The transport protocol: in IPv6 what follows the extension headers (in a later fragment, what the fragment header
    /// names).
    pub protocol: Protocol,
    /// The transport header.
    pub transport: Transport,
    /// Time to live, or IPv6 hop limit.
    pub ttl: u8,
    /// The whole type-of-service or traffic-class byte: DSCP in the upper six bits, ECN in the lower two.
    pub dscp_ecn: u8,
    /// Where the transport header (in a later fragment, the data) begins, from the start of Ethernet.
    pub transport_offset: u16,
    /// The whole IP packet, header included; without Ethernet padding.
    pub packet_len: u32,
    /// Bytes behind the transport header, or behind the IP headers where [`Transport`] has none.
    pub payload_len: u32,
    /// The largest IP packet this becomes once cut: a superframe's headers and segment size, else `packet_len`. An MTU is
    /// judged by this.
    pub largest_segment: u32,
    /// IPv4 "don't fragment"; always true for IPv6, which routers never fragment.
    pub dont_fragment: bool,
    /// Present when this is a piece of a larger datagram.
    pub fragment: Option<Fragment>,
    /// IPv4 options or IPv6 extension headers are present.
    pub has_options: bool,
}

/// Which piece of a datagram a fragment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// The datagram's identification: 16 bits in IPv4, 32 in IPv6.
    pub identification: u32,
    /// Bytes of the datagram before this piece; a multiple of eight.
    pub offset: u32,
    /// More pieces follow.
    pub more: bool,
}

/// An IP protocol number, or IPv6 next header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

/// The transport header, as far as a network reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp(TcpHeader),
    /// UDP (RFC 768).
    Udp {
        /// Source port.
        src_port: u16,
        /// Destination port.
        dst_port: u16,
    },
    /// ICMP over IPv4, or ICMPv6 over IPv6.
    Icmp(IcmpHeader),
    /// A protocol without ports, or ICMP of the other family.
    Other,
    /// A fragment other than the first: the header is in another packet.
    LaterFragment,
}

/// A TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TcpHeader {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number of the first payload byte (of the SYN, when it is set).
    pub sequence: u32,
    /// Acknowledgment number; meaningful when ACK is set.
    pub acknowledgment: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// Window, not scaled.
    pub window: u16,
    /// The header with its options, 20 to 60 bytes.
    pub header_len: u8,
}

/// The control bits of a TCP header: CWR, ECE, URG, ACK, PSH, RST, SYN, FIN from the highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

/// An ICMP or ICMPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IcmpHeader {
    /// The type.
    pub icmp_type: u8,
    /// The code.
    pub code: u8,
    /// What the type means.
    pub message: IcmpMessage,
}

/// What an ICMP message says, as far as a network reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IcmpMessage {
    /// A request or reply with an identifier: ICMP types 0, 8 and 13 to 18, ICMPv6 types 128 and 129.
    Query {
        /// Tells conversations apart, as a port does.
        identifier: u16,
        /// Tells requests of one conversation apart.
        sequence: u16,
    },
    /// An error about another packet: ICMP types 3, 4, 5, 11 and 12, ICMPv6 types 1 to 4.
    Error {
        /// The packet the error is about; `None` when too little of it is quoted to read its addresses.
        embedded: Option<Embedded>,
    },
    /// "Who has this address?" (RFC 4861, sent with hop limit 255).
    NeighborSolicitation {
        /// The address asked for.
        target: Ipv6Addr,
        /// The source link-layer address option.
        source_mac: Option<MacAddr>,
    },
    /// "I have this address" (RFC 4861, sent with hop limit 255).
    NeighborAdvertisement {
        /// The address advertised.
        target: Ipv6Addr,
    },
    /// "Which routers are here?" (RFC 4861, sent with hop limit 255).
    RouterSolicitation,
    /// Anything else.
    Other,
}

/// The header of the packet an ICMP error is about, as the error quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Embedded {
    /// Its source address.
    pub src: IpAddr,
    /// Its destination address.
    pub dst: IpAddr,
    /// Its transport protocol.
    pub protocol: Protocol,
    /// Source and destination port of TCP and UDP; identifier and 0 of an ICMP query. `None` for anything else, and where
    /// too little is quoted.
    pub ports: Option<(u16, u16)>,
    /// The type of an embedded ICMP message.
    pub icmp_type: Option<u8>,
    /// Bytes of its datagram before it; above 0 the transport header is not quoted.
    pub fragment_offset: u32,
    /// Where its IP header begins, from the start of Ethernet.
    pub offset: u16,
    /// Where its transport header begins, from the start of Ethernet.
    pub transport_offset: u16,
    /// Where the quoted bytes of it end, from the start of Ethernet.
    pub end: u16,
}

impl IpHeaders {
    /// Whether the packet is IPv6.
    #[inline]
    pub const fn is_ipv6(&self) -> bool {
        self.src.is_ipv6()
    }
}

impl Fragment {
    /// The piece that holds the transport header.
    #[inline]
    pub const fn is_first(&self) -> bool {
        self.offset == 0
    }
}

impl Protocol {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: Self = Self(0);
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// IGMP.
    pub const IGMP: Self = Self(2);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// IPv6 routing header.
    pub const ROUTING: Self = Self(43);
    /// IPv6 fragment header.
    pub const FRAGMENT: Self = Self(44);
    /// GRE.
    pub const GRE: Self = Self(47);
    /// IPsec encapsulating security payload.
    pub const ESP: Self = Self(50);
    /// IPsec authentication header.
    pub const AH: Self = Self(51);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
    /// IPv6 "no next header".
    pub const NO_NEXT_HEADER: Self = Self(59);
    /// IPv6 destination options.
    pub const DESTINATION_OPTIONS: Self = Self(60);
    /// SCTP.
    pub const SCTP: Self = Self(132);
}

impl fmt::Display for Protocol {
    /// The usual lower-case name, or the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::ICMP => "icmp",
            Self::IGMP => "igmp",
            Self::TCP => "tcp",
            Self::UDP => "udp",
            Self::GRE => "gre",
            Self::ESP => "esp",
            Self::AH => "ah",
            Self::ICMPV6 => "icmpv6",
            Self::SCTP => "sctp",
            Self(number) => return fmt::Display::fmt(&number, f),
        };
        f.pad(name)
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push to the application.
    pub const PSH: u8 = 0x08;
    /// The acknowledgment number is meaningful.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer is meaningful.
    pub const URG: u8 = 0x20;
    /// ECN echo.
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced.
    pub const CWR: u8 = 0x80;

    /// FIN is set.
    #[inline]
    pub const fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }

    /// SYN is set.
    #[inline]
    pub const fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    /// RST is set.
    #[inline]
    pub const fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// ACK is set.
    #[inline]
    pub const fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }

    /// SYN without ACK: the first packet of a connection.
    #[inline]
    pub const fn is_opening(self) -> bool {
        self.0 & (Self::SYN | Self::ACK) == Self::SYN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_shown_by_name_where_it_has_one() {
        for (protocol, text) in [
            (Protocol::TCP, "tcp"),
            (Protocol::UDP, "udp"),
            (Protocol::ICMPV6, "icmpv6"),
            (Protocol(200), "200"),
        ] {
            assert_eq!(protocol.to_string(), text);
        }
    }

    #[test]
    fn only_a_syn_without_ack_opens_a_connection() {
        assert!(TcpFlags(TcpFlags::SYN | TcpFlags::ECE).is_opening());
        assert!(!TcpFlags(TcpFlags::SYN | TcpFlags::ACK).is_opening());
        assert!(!TcpFlags(TcpFlags::ACK).is_opening());
    }
}
