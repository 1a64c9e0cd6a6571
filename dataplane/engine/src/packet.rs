//! What does the packet look like so far?
//!
//! A [`Draft`] travels with the walk: the headers as they will be, who sent the packet as far as security group
//! references may know, and the effects that its passage will have. Nothing here touches the frame.

use std::net::IpAddr;

use arrayvec::ArrayVec;
use vpclab_model::Traffic;
use vpclab_wire::{
    Embedded, IcmpErrorKind, IcmpHeader, IcmpMessage, IpHeaders, Protocol, TcpFlags, Transport,
};

use crate::flow::{Effect, Ingress};
use crate::index::{EniIdx, SubnetIdx};
use crate::reason::DropReason;

/// The most effects one packet can have: a fragment, and a flow at each of two interfaces, with one to spare.
pub(crate) const MAX_EFFECTS: usize = 4;

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
    /// The size of IP packet it must be cut to.
    pub fragment_to: Option<u16>,
    /// What its passage does to flow memory.
    pub effects: ArrayVec<Effect, MAX_EFFECTS>,
    /// The ICMP error that its death gives birth to.
    pub born: Option<Born>,
}

/// An ICMP error that a router sends about a packet. It starts a walk of its own and is filtered like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Born {
    /// The subnet whose router sends it.
    pub router: SubnetIdx,
    /// What it says.
    pub error: IcmpErrorKind,
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
