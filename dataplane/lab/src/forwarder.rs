//! What does a guest do with packets that are not addressed to it?
//!
//! It sends them on as its instance declares: to the router of the subnet, by the interface they came in or by another,
//! as they are or, as a NAT instance does, from its own address. It keeps no rules of its own and drops what it cannot
//! translate: fragments, ICMP errors and protocols without ports.

use std::collections::HashMap;
use std::net::IpAddr;

use vpclab_engine::{Fabric, Forwards, Port};
use vpclab_wire::{FrameMut, IcmpMessage, IpHeaders, MacAddr, Protocol, Rewrite, Transport, rewrite};

/// How a guest forwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Forwarding {
    /// The other interface it sends by, if it does.
    other: Option<Port>,
    /// The hardware addresses of what it sends: its interface's, and the router's there.
    macs: (MacAddr, MacAddr),
    /// Whether it sends from its own address.
    translates: bool,
}

/// A guest's memory of what it has translated.
#[derive(Debug, Default)]
pub(crate) struct Translations {
    by_inside: HashMap<Flow, u16>,
    by_outside: HashMap<Flow, (IpAddr, u16)>,
}

/// One side of a translated flow: the port, or the identifier of an ICMP query, is the guest's client's on the inside and
/// the guest's own on the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Flow {
    protocol: Protocol,
    address: IpAddr,
    port: u16,
    remote: IpAddr,
    remote_port: u16,
}

/// What becomes of a packet.
pub(crate) enum Passage {
    /// It is the guest's own.
    Kept,
    /// It is sent on, by another port or by the one it came in.
    SentOn(Option<Port>, Vec<u8>),
    /// Its time to live is used up.
    Expired,
    /// The guest does not forward such packets.
    Dropped,
}

impl Forwarding {
    /// How the guest at `port` forwards; none if it does not, as hosts of the internet.
    pub(crate) fn of(fabric: &Fabric, port: Port) -> Option<Self> {
        let Port::Interface(own) = port else { return None };
        let (instance, _) = fabric.enis.get(own)?.attachment?;
        let (out, translates) = match fabric.instances[instance].forwards {
            Forwards::None => return None,
            Forwards::SameInterface => (own, false),
            Forwards::Interface(other) => (other, false),
            Forwards::Nat => (own, true),
        };
        let macs = (fabric.enis.get(out)?.mac, fabric.router_of(out).mac);
        Some(Self { other: (out != own).then_some(Port::Interface(out)), macs, translates })
    }
}

impl Translations {
    /// Passes a frame with the packet `ip` on. `is_own` says whether an address is the guest's, `own` is the address that
    /// it translates to.
    pub(crate) fn pass(
        &mut self,
        forwarding: Option<&Forwarding>,
        frame: &[u8],
        ip: &IpHeaders,
        is_own: bool,
        own: Option<IpAddr>,
    ) -> Passage {
        let back = if is_own { self.back(ip) } else { None };
        if is_own && back.is_none() {
            return Passage::Kept;
        }
        let Some(forwarding) = forwarding else { return Passage::Dropped };
        if ip.ttl <= 1 {
            return Passage::Expired;
        }
        let (src_mac, dst_mac) = forwarding.macs;
        let mut change = Rewrite { src_mac, dst_mac, ttl: Some(ip.ttl - 1), ..Rewrite::default() };
        if let Some((client, port)) = back {
            (change.dst, change.dst_port) = (Some(client), Some(port));
        } else if forwarding.translates {
            let Some((source, port)) = own.and_then(|own| self.out(ip, own)) else { return Passage::Dropped };
            (change.src, change.src_port) = (Some(source), Some(port));
        }
        let mut sent = frame.to_vec();
        let Ok(mut view) = FrameMut::new(&mut sent) else { return Passage::Dropped };
        rewrite(&mut view, ip, &change);
        Passage::SentOn(forwarding.other, sent)
    }

    /// The source that a client's packet is sent on with: the client's port if it is free.
    fn out(&mut self, ip: &IpHeaders, own: IpAddr) -> Option<(IpAddr, u16)> {
        let (port, remote_port) = ports(ip, true)?;
        let inside = Flow { protocol: ip.protocol, address: ip.src, port, remote: ip.dst, remote_port };
        if let Some(&lent) = self.by_inside.get(&inside) {
            return Some((own, lent));
        }
        let outside = |lent| Flow { address: own, port: lent, ..inside };
        let lent = (0..=u16::MAX)
            .map(|step| port.wrapping_add(step))
            .find(|lent| *lent > 0 && !self.by_outside.contains_key(&outside(*lent)))?;
        self.by_outside.insert(outside(lent), (ip.src, port));
        self.by_inside.insert(inside, lent);
        Some((own, lent))
    }

    /// The client that an answer is for, and its port.
    fn back(&self, ip: &IpHeaders) -> Option<(IpAddr, u16)> {
        let (remote_port, port) = ports(ip, false)?;
        let outside = Flow { protocol: ip.protocol, address: ip.dst, port, remote: ip.src, remote_port };
        self.by_outside.get(&outside).copied()
    }
}

/// Source and destination port; the identifier of an ICMP query stands on the side of the client.
fn ports(ip: &IpHeaders, from_client: bool) -> Option<(u16, u16)> {
    if ip.fragment.is_some() {
        return None;
    }
    match ip.transport {
        Transport::Tcp(tcp) => Some((tcp.src_port, tcp.dst_port)),
        Transport::Udp { src_port, dst_port } => Some((src_port, dst_port)),
        Transport::Icmp(icmp) => match icmp.message {
            IcmpMessage::Query { identifier, .. } if from_client => Some((identifier, 0)),
            IcmpMessage::Query { identifier, .. } => Some((0, identifier)),
            _ => None,
        },
        Transport::Other | Transport::LaterFragment => None,
    }
}
