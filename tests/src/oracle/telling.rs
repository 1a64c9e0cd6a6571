//! Who tells the sender that its packet could not go on? (areas MTU and NAT)

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vpclab_model::{SubnetName, Topology};

use super::addresses::owner;
use super::{From, Oracle, Place, Reason, Walk};
use crate::packet::{Body, ErrorKind, Packet, Piece, QuotedTransport};

/// Stands for the link-local address of a subnet's router, which depends on its hardware address.
pub(crate) const ROUTER_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);

/// A packet about another.
pub(super) struct Telling {
    /// The subnet in which it is sent.
    pub(super) subnet: SubnetName,
    /// Whether the subnet's own router sends it; else a NAT gateway does.
    pub(super) by_router: bool,
    /// What is sent.
    pub(super) packet: Packet,
}

impl Walk<'_> {
    /// MTU-05..MTU-07: `teller` is a gateway's subnet and address; without one it is the router that had the packet last.
    pub(super) fn fit(&mut self, mtu: usize, teller: Option<(&SubnetName, IpAddr)>) -> Result<(), Reason> {
        if self.packet.len() <= mtu {
            return Ok(());
        }
        if !self.packet.is_ipv6() && self.packet.may_be_cut {
            self.cut_to = Some(self.cut_to.map_or(mtu, |other| other.min(mtu)));
            return Ok(());
        }
        self.complain(ErrorKind::TooBig, teller);
        Err(Reason::TooLarge)
    }

    /// Lets the sender know. Nobody is told about an error, or in IPv4 about a piece without a header (RFC 1122 3.2.2); in
    /// IPv6 somebody is (RFC 4443 2.4), by what says no ports.
    pub(super) fn complain(&mut self, kind: ErrorKind, teller: Option<(&SubnetName, IpAddr)>) {
        let is_later = matches!(self.packet.piece, Piece::Later(_));
        let Some(mut error) = self.packet.error(kind).filter(|_| !is_later || self.packet.is_ipv6()) else {
            return;
        };
        if let (true, Body::Error { about, .. }) = (is_later, &mut error.body) {
            about.transport = QuotedTransport::Other(self.packet.protocol());
        }
        let (subnet, source) = match (teller, self.router) {
            (Some((subnet, address)), _) => (subnet, address),
            (None, Some(subnet)) => (subnet, router_of(self.topology, subnet, self.packet.is_ipv6())),
            (None, None) => return,
        };
        let packet = Packet { src: source, dst: self.packet.src, ..error };
        self.telling = Some(Telling { subnet: subnet.clone(), by_router: teller.is_none(), packet });
    }
}

impl Oracle {
    /// Where what is told arrives. Nobody is told about that in turn.
    pub(super) fn tell(
        &mut self,
        topology: &Topology,
        telling: &Telling,
        now: Duration,
    ) -> Option<(Place, Packet)> {
        let mut walk = Walk::new(topology, now, telling.packet.clone());
        let (subnet, _) = topology.subnets.get_key_value(&telling.subnet)?;
        walk.router = Some(subnet);
        walk.out_of_nat = !telling.by_router;
        let neighbor = owner(topology, &topology.subnets[subnet].vpc, walk.packet.dst);
        let arrived = match neighbor {
            // MTU-10: filtered like what comes from outside.
            Some(eni) if telling.by_router => self.enter(&mut walk, eni.as_str(), &From::Outside),
            _ => self.at_router(&mut walk, subnet),
        };
        self.unsure = walk.unsure;
        let place = arrived.ok()??;
        let packet = walk.packet.clone();
        self.remember(walk);
        Some((place, packet))
    }
}

/// ADDR-27, MTU-06: base plus one; in IPv6 a link-local address.
fn router_of(topology: &Topology, subnet: &SubnetName, ipv6: bool) -> IpAddr {
    match topology.subnets[subnet].cidr_block {
        Some(block) if !ipv6 => IpAddr::V4(Ipv4Addr::from(u32::from(block.network()) + 1)),
        _ => IpAddr::V6(ROUTER_LINK_LOCAL),
    }
}
