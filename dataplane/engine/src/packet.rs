//! What does the packet look like so far?
//!
//! A [`Draft`] travels with the walk: the headers as they will be, who sent the packet as far as security group
//! references may know, and the effects that its passage will have. Nothing here touches the frame.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arrayvec::ArrayVec;
use vpclab_model::Traffic;
use vpclab_wire::{
    Embedded, EmbeddedRewrite, IcmpErrorKind, IcmpHeader, IcmpMessage, IpHeaders, Protocol, Rewrite,
    TcpFlags, Transport,
};

use crate::flow::{Effect, Ingress};
use crate::index::{AttachmentIdx, EniIdx, LinkIdx, NatGatewayIdx, PeeringIdx, SubnetIdx, VpnGatewayIdx};
use crate::reason::DropReason;

/// The most effects one packet can have: a fragment, a flow at each of two interfaces, two NAT gateways between, and a VPC
/// endpoint.
pub(crate) const MAX_EFFECTS: usize = 6;

/// Bytes in front of an IP header.
const ETHERNET_LEN: u16 = 14;

/// The most NAT gateways that a packet passes on end.
const MAX_NAT_GATEWAYS: usize = 2;

/// The packet as it will look so far.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The headers as they are now. The transport header is the packet's own, or its first fragment's.
    pub headers: IpHeaders,
    /// Whether the transport header is another packet's: this one is a later fragment.
    pub is_later_fragment: bool,
    /// Where it came in.
    pub ingress: Ingress,
    /// The interface it was sent from, while its source is still that interface's own private address. A security
    /// group reference looks at nothing else (SG-08, SG-13).
    pub sender: Option<EniIdx>,
    /// The subnet whose router has it or had it last: the source of ICMP errors (MTU-06).
    pub router: Option<SubnetIdx>,
    /// The source it shall have.
    pub new_source: Option<IpAddr>,
    /// The destination it shall have.
    pub new_destination: Option<IpAddr>,
    /// The addresses that a packet quoted in an ICMP error shall have.
    pub new_embedded: (Option<IpAddr>, Option<IpAddr>),
    /// The ports that a packet quoted in an ICMP error shall have.
    pub new_embedded_ports: (Option<u16>, Option<u16>),
    /// The source port it shall have, or the identifier of an ICMP query.
    pub new_source_port: Option<u16>,
    /// The destination port it shall have, or the identifier of an ICMP query.
    pub new_destination_port: Option<u16>,
    /// The time to live it shall have.
    pub new_ttl: Option<u8>,
    /// The largest TCP segment it may announce.
    pub max_segment_size: Option<u16>,
    /// How it came to the VPC it is in.
    pub path: Path,
    /// The private link by which it came to the transit gateway it is in.
    pub link: Option<LinkIdx>,
    /// The NAT gateways that have translated it since it was last on the internet.
    pub nat: ArrayVec<NatGatewayIdx, MAX_NAT_GATEWAYS>,
    /// Whether it has passed a gateway whose flows are tracked whatever the rules say (CT-07).
    pub auto_tracked: bool,
    /// The way its flow came by, where answers keep to it (NAT-33, CT-26).
    pub return_path: Option<PeeringIdx>,
    /// The size of IP packet it must be cut to.
    pub fragment_to: Option<u16>,
    /// What its passage does to flow memory.
    pub effects: ArrayVec<Effect, MAX_EFFECTS>,
    /// The ICMP error that its death gives birth to.
    pub born: Option<Born>,
}

/// A packet that a router or gateway sends about another. It starts a walk of its own and is filtered like any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Born {
    /// The subnet in which it is sent.
    pub subnet: SubnetIdx,
    /// What it is.
    pub packet: BornPacket,
    /// What the packet it is about had become by then; none if it was still as it came in.
    pub about: Option<Box<Became>>,
}

/// What has become of a packet so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Became {
    /// What has changed in it; its link addresses mean nothing.
    pub rewrite: Rewrite,
    /// Its headers.
    pub headers: IpHeaders,
}

/// What a router or gateway sends about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BornPacket {
    /// An ICMP error.
    Icmp {
        /// What it says.
        kind: IcmpErrorKind,
        /// The address of the gateway that sends it; none for the subnet's router.
        source: Option<IpAddr>,
    },
    /// A TCP reset, as if from the packet's destination (NAT-10).
    TcpReset,
}

/// How a packet came to the VPC it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// It has been there, or came from the internet.
    Inside,
    /// Over a peering connection.
    Peering(PeeringIdx),
    /// Over a private link, by a virtual private gateway.
    VpnGateway(VpnGatewayIdx),
    /// Out of a transit gateway, by this attachment.
    Transit(AttachmentIdx),
}

/// What rules look at, addresses aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selector {
    /// The protocol.
    pub protocol: Protocol,
    /// The destination port of TCP and UDP.
    pub port: u16,
    /// Type and code of ICMP.
    pub icmp: Option<(u8, u8)>,
}

impl Draft {
    /// The packet as it came in.
    pub fn new(headers: &IpHeaders, ingress: Ingress) -> Self {
        Self {
            headers: *headers,
            is_later_fragment: false,
            ingress,
            sender: None,
            router: None,
            new_source: None,
            new_destination: None,
            new_embedded: (None, None),
            new_embedded_ports: (None, None),
            new_source_port: None,
            new_destination_port: None,
            new_ttl: None,
            max_segment_size: None,
            path: Path::Inside,
            link: None,
            nat: ArrayVec::new(),
            auto_tracked: false,
            return_path: None,
            fragment_to: None,
            effects: ArrayVec::new(),
            born: None,
        }
    }

    /// What rules of the packet's direction look at.
    pub fn selector(&self) -> Selector {
        Selector::of(self.headers.protocol, &self.headers.transport)
    }

    /// The TCP flags, where the packet carries a TCP header of its own.
    pub fn tcp_flags(&self) -> Option<TcpFlags> {
        match self.headers.transport {
            Transport::Tcp(tcp) if !self.is_later_fragment => Some(tcp.flags),
            _ => None,
        }
    }

    /// Takes note of an effect.
    ///
    /// # Errors
    ///
    /// [`DropReason::ForwardingLoop`] when the packet has met more interfaces than any path leads through.
    pub fn record(&mut self, effect: Effect) -> Result<(), DropReason> {
        self.effects.try_push(effect).map_err(|_| DropReason::ForwardingLoop)
    }

    /// Replaces the source. Whoever sent it is no longer known to group references.
    pub fn set_source(&mut self, source: IpAddr) {
        self.headers.src = source;
        self.new_source = Some(source);
        self.sender = None;
    }

    /// Replaces the source of the packet that an ICMP error quotes (IGW-17).
    pub fn set_quoted_source(&mut self, source: IpAddr) {
        if let Some(quoted) = self.quoted_mut() {
            quoted.src = source;
            self.new_embedded.0 = Some(source);
        }
    }

    /// Replaces the destination of the packet that an ICMP error quotes (IGW-17).
    pub fn set_quoted_destination(&mut self, destination: IpAddr) {
        if let Some(quoted) = self.quoted_mut() {
            quoted.dst = destination;
            self.new_embedded.1 = Some(destination);
        }
    }

    /// Replaces the source port, or the identifier of an ICMP query.
    pub fn set_source_port(&mut self, port: u16) {
        set_port(&mut self.headers.transport, port, true);
        if !self.is_later_fragment {
            self.new_source_port = Some(port);
        }
    }

    /// Replaces the destination port, or the identifier of an ICMP query.
    pub fn set_destination_port(&mut self, port: u16) {
        set_port(&mut self.headers.transport, port, false);
        if !self.is_later_fragment {
            self.new_destination_port = Some(port);
        }
    }

    /// Replaces the source port of the packet that an ICMP error quotes.
    pub fn set_quoted_source_port(&mut self, port: u16) {
        if let Some(quoted) = self.quoted_mut()
            && let Some((source, _)) = &mut quoted.ports
        {
            *source = port;
            self.new_embedded_ports.0 = Some(port);
        }
    }

    /// Replaces the destination port of the packet that an ICMP error quotes; of a query, its identifier.
    pub fn set_quoted_destination_port(&mut self, port: u16) {
        if let Some(quoted) = self.quoted_mut()
            && let Some((source, destination)) = &mut quoted.ports
        {
            match quoted.protocol {
                Protocol::TCP | Protocol::UDP => *destination = port,
                _ => *source = port,
            }
            self.new_embedded_ports.1 = Some(port);
        }
    }

    /// Makes an IPv6 packet the IPv4 packet that NAT64 sends in its place (RFC 7915 5.1), between these addresses.
    pub fn become_ipv4(&mut self, source: Ipv4Addr, destination: Ipv4Addr) {
        self.change_family(IpAddr::V4(source), IpAddr::V4(destination));
        self.change_header(20);
        // RFC 7915 5.1: what fits into the least MTU of IPv6 may be cut on its way, and so may a fragment (5.1.1).
        self.headers.dont_fragment = self.headers.fragment.is_none() && self.headers.packet_len > 1260;
    }

    /// Makes an IPv4 packet the IPv6 packet that NAT64 sends in its place (RFC 7915 4.1), between these addresses.
    pub fn become_ipv6(&mut self, source: Ipv6Addr, destination: Ipv6Addr) {
        self.change_family(IpAddr::V6(source), IpAddr::V6(destination));
        self.change_header(if self.headers.fragment.is_some() { 48 } else { 40 });
        self.headers.dont_fragment = true;
    }

    /// Has `len` bytes of IP header in place of those there are: a translator leaves options and extension headers out.
    fn change_header(&mut self, len: u16) {
        let transport_offset = ETHERNET_LEN + len;
        let resized = |size: u32| {
            (size + u32::from(transport_offset)).saturating_sub(u32::from(self.headers.transport_offset))
        };
        self.headers.packet_len = resized(self.headers.packet_len);
        self.headers.largest_segment = resized(self.headers.largest_segment);
        self.headers.transport_offset = transport_offset;
    }

    fn change_family(&mut self, source: IpAddr, destination: IpAddr) {
        const PAIRS: [(u8, u8); 2] = [(128, 8), (129, 0)];
        let to_ipv6 = source.is_ipv6();
        self.set_source(source);
        self.set_destination(destination);
        if let Transport::Icmp(icmp) = &mut self.headers.transport {
            let pair = PAIRS.iter().find(|(v6, v4)| icmp.icmp_type == if to_ipv6 { *v4 } else { *v6 });
            if let Some((v6, v4)) = pair {
                icmp.icmp_type = if to_ipv6 { *v6 } else { *v4 };
            }
        }
        self.headers.protocol = match self.headers.protocol {
            Protocol::ICMP if to_ipv6 => Protocol::ICMPV6,
            Protocol::ICMPV6 if !to_ipv6 => Protocol::ICMP,
            other => other,
        };
    }

    /// Lets a hop pass.
    ///
    /// # Errors
    ///
    /// [`DropReason::TtlExpired`], and nothing changes, when there is none left.
    pub fn spend_hop(&mut self) -> Result<(), DropReason> {
        match self.headers.ttl {
            0 | 1 => Err(DropReason::TtlExpired),
            ttl => {
                self.headers.ttl = ttl - 1;
                self.new_ttl = Some(ttl - 1);
                Ok(())
            }
        }
    }

    /// Lowers the TCP segment size that the packet announces to what fits `mtu` bytes of IP packet.
    pub fn clamp_segment_size(&mut self, mtu: u16) {
        let headers = if self.headers.is_ipv6() { 60 } else { 40 };
        let fits = mtu.saturating_sub(headers);
        if matches!(self.headers.transport, Transport::Tcp(tcp) if tcp.flags.syn()) {
            self.max_segment_size = Some(self.max_segment_size.map_or(fits, |other| other.min(fits)));
        }
    }

    /// Takes note of a packet that this one gives birth to when it dies. Nobody is told about an error, or about a later
    /// fragment of IPv4 (RFC 1122 3.2.2); of IPv6 each is a packet like any other (RFC 4443 2.4).
    pub fn bear(&mut self, subnet: SubnetIdx, packet: BornPacket) {
        let is_error = matches!(
            self.headers.transport,
            Transport::Icmp(IcmpHeader { message: IcmpMessage::Error { .. }, .. })
        );
        if !is_error && (!self.is_later_fragment || self.headers.is_ipv6()) {
            self.born = Some(Born { subnet, packet, about: None });
        }
    }

    /// What changes in the packet, link addresses aside.
    pub fn rewrite(&self) -> Rewrite {
        let (src, dst) = self.new_embedded;
        let (src_port, dst_port) = self.new_embedded_ports;
        let embedded = EmbeddedRewrite { src, dst, src_port, dst_port };
        Rewrite {
            src: self.new_source,
            dst: self.new_destination,
            src_port: self.new_source_port,
            dst_port: self.new_destination_port,
            ttl: self.new_ttl,
            max_segment_size: self.max_segment_size,
            embedded: (embedded != EmbeddedRewrite::default()).then_some(embedded),
            ..Rewrite::default()
        }
    }

    /// Goes onto the internet, where nobody can know what it has passed before.
    pub fn onto_the_internet(&mut self) {
        self.sender = None;
        self.auto_tracked = false;
        self.path = Path::Inside;
        self.nat.clear();
    }

    /// The packet that this one quotes, if it is an ICMP error.
    pub fn quoted(&self) -> Option<&Embedded> {
        match &self.headers.transport {
            Transport::Icmp(IcmpHeader { message: IcmpMessage::Error { embedded }, .. })
                if !self.is_later_fragment =>
            {
                embedded.as_ref()
            }
            _ => None,
        }
    }

    fn quoted_mut(&mut self) -> Option<&mut Embedded> {
        match &mut self.headers.transport {
            Transport::Icmp(IcmpHeader { message: IcmpMessage::Error { embedded }, .. })
                if !self.is_later_fragment =>
            {
                embedded.as_mut()
            }
            _ => None,
        }
    }

    /// Replaces the destination.
    pub fn set_destination(&mut self, destination: IpAddr) {
        self.headers.dst = destination;
        self.new_destination = Some(destination);
    }
}

fn set_port(transport: &mut Transport, port: u16, source: bool) {
    match transport {
        Transport::Tcp(tcp) if source => tcp.src_port = port,
        Transport::Tcp(tcp) => tcp.dst_port = port,
        Transport::Udp { src_port, .. } if source => *src_port = port,
        Transport::Udp { dst_port, .. } => *dst_port = port,
        Transport::Icmp(icmp) => {
            if let IcmpMessage::Query { identifier, .. } = &mut icmp.message {
                *identifier = port;
            }
        }
        Transport::Other | Transport::LaterFragment => {}
    }
}

impl Selector {
    /// The selector of a packet with this transport header.
    pub fn of(protocol: Protocol, transport: &Transport) -> Self {
        let (port, icmp) = match transport {
            Transport::Tcp(tcp) => (tcp.dst_port, None),
            Transport::Udp { dst_port, .. } => (*dst_port, None),
            Transport::Icmp(icmp) => (0, Some((icmp.icmp_type, icmp.code))),
            Transport::Other | Transport::LaterFragment => (0, None),
        };
        Self { protocol, port, icmp }
    }

    /// The selector of a packet that goes the other way on the same TCP or UDP flow.
    pub fn of_response(protocol: Protocol, transport: &Transport) -> Self {
        let port = match transport {
            Transport::Tcp(tcp) => tcp.src_port,
            Transport::Udp { src_port, .. } => *src_port,
            _ => 0,
        };
        Self { protocol, port, icmp: None }
    }

    /// Whether a rule for `traffic` speaks about such a packet (NACL-10..NACL-13, SG-17, SG-18).
    pub fn is_covered_by(&self, traffic: &Traffic) -> bool {
        match (traffic, self.protocol) {
            (Traffic::All, _) => true,
            (Traffic::Tcp(ports), Protocol::TCP) | (Traffic::Udp(ports), Protocol::UDP) => {
                ports.contains(self.port)
            }
            (Traffic::Icmp(wanted), Protocol::ICMP) | (Traffic::Icmpv6(wanted), Protocol::ICMPV6) => {
                match self.icmp {
                    Some((icmp_type, code)) => wanted.contains(icmp_type, code),
                    None => wanted.icmp_type.is_none(),
                }
            }
            (Traffic::Protocol(number), protocol) => *number == protocol.0,
            _ => false,
        }
    }
}
