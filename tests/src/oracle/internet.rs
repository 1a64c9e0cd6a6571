//! What happens between a VPC and the internet? (area IGW)

use std::net::IpAddr;

use vpclab_model::{InterfaceType, NetworkInterfaceName, OutboundSmtp, RouteTarget, Topology, VpcName};

use super::addresses::{
    behind_public, belongs_to_aws, has_address, is_endpoint, is_for_the_link_or_a_group,
    is_private_or_shared, is_public, owner,
};
use super::memory::{Flow, remembered};
use super::routes::route;
use super::{From, Gateway, Oracle, Place, Reason, Walk, edge};
use crate::packet::Body;

/// MTU-03, IGW-12.
pub(super) const INTERNET_MTU: usize = 1500;

impl Oracle {
    /// IGW-01, IGW-04, IGW-06, IGW-07, IGW-10, IGW-14, L2-24.
    pub(super) fn out_of_gateway(&self, walk: &mut Walk<'_>, vpc: &VpcName) -> Result<Option<Place>, Reason> {
        if !is_public(walk.packet.dst) || walk.packet.src.is_ipv6() && !is_public(walk.packet.src) {
            return Err(Reason::Gateway);
        }
        if walk.by_transit {
            // IGW-11, IGW-28
            return Err(Reason::Gateway);
        }
        let src = walk.packet.src;
        let public_of = |private: IpAddr| {
            let owner = owner(walk.topology, vpc, private)?;
            let eni = &walk.topology.network_interfaces[owner];
            match private {
                IpAddr::V4(private) => Some(Some(IpAddr::V4(eni.public_ips.get(&private)?.address))),
                IpAddr::V6(_) => Some(None),
            }
        };
        let public = match edge::may_answer(walk.topology, vpc, src) {
            true => None,
            false => public_of(src).ok_or(Reason::Gateway)?,
        };
        if walk.router.is_some_and(|subnet| edge::is_shut_out(walk.topology, subnet, src)) {
            return Err(Reason::Gateway);
        }
        let may_mail = walk.topology.settings.outbound_smtp == OutboundSmtp::Allowed;
        if src.is_ipv4() && matches!(walk.packet.body, Body::Tcp { dst: 25, .. }) && !may_mail {
            return Err(Reason::Gateway);
        }
        walk.fit(INTERNET_MTU, None)?;
        if let Some(public) = public {
            walk.packet.src = public;
            if let Body::Error { about, .. } = &mut walk.packet.body
                && about.dst == src
            {
                about.dst = public;
            }
        }
        walk.crossed.note(Gateway::Internet);
        self.onto_the_internet(walk)
    }

    /// IGW-22, IGW-23: IPv6 as it is, of interfaces of the VPC.
    pub(super) fn out_of_egress_only_gateway(
        &self,
        walk: &mut Walk<'_>,
        vpc: &VpcName,
    ) -> Result<Option<Place>, Reason> {
        let (src, dst) = (walk.packet.src, walk.packet.dst);
        let is_for_it = src.is_ipv6() && is_public(src) && owner(walk.topology, vpc, src).is_some();
        if !is_for_it || !is_public(dst) || walk.by_transit {
            return Err(Reason::Gateway);
        }
        walk.fit(INTERNET_MTU, None)?;
        walk.crossed.note(Gateway::EgressOnly);
        self.onto_the_internet(walk)
    }

    fn onto_the_internet(&self, walk: &mut Walk<'_>) -> Result<Option<Place>, Reason> {
        // Whoever sees it next cannot know what it has passed before.
        walk.sender = None;
        walk.auto_tracked = false;
        walk.came_by = None;
        walk.nat.clear();
        self.across_the_internet(walk, true)
    }

    /// A host sends with its own address, to whoever has the destination.
    pub(super) fn leave_host(&self, walk: &mut Walk<'_>, name: &str) -> Result<Option<Place>, Reason> {
        let host = &walk.topology.internet_hosts[name];
        let (src, dst) = (walk.packet.src, walk.packet.dst);
        if dst.is_multicast() {
            return Err(Reason::NotForwarded);
        }
        let own = host.address.map(IpAddr::V4) == Some(src) || host.ipv6_address.map(IpAddr::V6) == Some(src);
        // A forged private source gets as far as the gateway.
        if !own && !is_private_or_shared(src) {
            return Err(Reason::Gateway);
        }
        walk.fit(INTERNET_MTU, None)?;
        if is_for_the_link_or_a_group(dst) {
            return Err(Reason::NotForwarded);
        }
        if !own {
            // IGW-08
            return Err(Reason::Gateway);
        }
        self.across_the_internet(walk, false)
    }

    /// IGW-08, IGW-09, IGW-15.
    pub(super) fn across_the_internet(
        &self,
        walk: &mut Walk<'_>,
        leaves_aws: bool,
    ) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let (src, dst) = (walk.packet.src, walk.packet.dst);
        for (name, host) in &topology.internet_hosts {
            if host.address.map(IpAddr::V4) == Some(dst) || host.ipv6_address.map(IpAddr::V6) == Some(dst) {
                return Ok(Some(Place::Host(name.as_str().to_owned())));
            }
        }
        for (name, service) in &topology.services {
            if service.addresses().any(|own| own == dst) && is_public(dst) {
                return Ok(Some(Place::Host(name.as_str().to_owned())));
            }
        }
        if let Some(name) = behind_egress_only(topology, dst, src) {
            return self.by_egress_only_gateway(walk, name);
        }
        if let Some(table) = edge::pool(topology, dst) {
            if is_private_or_shared(src) {
                return Err(Reason::Gateway);
            }
            let name = edge::by_pool(topology, table, dst)?;
            return self.enter(walk, name.as_str(), &From::Outside);
        }
        let Some((name, private)) = behind_public(topology, dst) else {
            let beyond = leaves_aws && !belongs_to_aws(topology, dst);
            return if beyond { Ok(Some(Place::Internet)) } else { Err(Reason::Gateway) };
        };
        let eni = &topology.network_interfaces[name];
        let is_in_use = eni.attachment.is_some() || eni.interface_type != InterfaceType::Interface;
        if is_private_or_shared(src) || !is_in_use {
            return Err(Reason::Gateway);
        }
        walk.packet.dst = private;
        if let Body::Error { about, .. } = &mut walk.packet.body
            && about.src == dst
        {
            about.src = private;
        }
        let vpc = &topology.subnets[&topology.network_interfaces[name].subnet].vpc;
        let name = edge::diverted(topology, vpc, private)?.unwrap_or(name);
        self.enter(walk, name.as_str(), &From::Outside)
    }

    /// IGW-22: what belongs to a flow that the interface opened.
    fn by_egress_only_gateway<'a>(
        &self,
        walk: &mut Walk<'a>,
        name: &'a NetworkInterfaceName,
    ) -> Result<Option<Place>, Reason> {
        let packet = &walk.packet;
        let flow = match packet.body {
            Body::Error { about, .. } if about.src == packet.dst => Flow::of_quoted(&about, true),
            Body::Error { .. } => return Err(Reason::Gateway),
            _ => Flow::of(packet, packet.dst, packet.src, false),
        };
        let known = remembered(&self.passages, walk.topology, name.as_str(), &flow, walk.now);
        if !known.is_some_and(|conn| conn.opened_outbound) {
            return Err(Reason::Gateway);
        }
        self.enter(walk, name.as_str(), &From::Outside)
    }
}

/// IGW-14, IGW-22: the interface with this address, if its subnet's way to `far` is an egress-only internet gateway.
fn behind_egress_only(topology: &Topology, address: IpAddr, far: IpAddr) -> Option<&NetworkInterfaceName> {
    if !address.is_ipv6() || !is_public(address) {
        return None;
    }
    let (name, eni) =
        topology.network_interfaces.iter().find(|(_, eni)| has_address(eni, address) && !is_endpoint(eni))?;
    let table = &topology.route_tables[&topology.subnets[&eni.subnet].route_table];
    let way = route(topology, &table.routes, far)?;
    matches!(way.target, RouteTarget::EgressOnlyInternetGateway(_)).then_some(name)
}
