//! What do virtual private gateways and the customer networks behind their links do with a packet? (areas VGW, VPN, DX)

use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_model::{
    AwsEnd, BgpRoute, CustomerNetworkName, InterfaceType, LinkState, LocalPreference, NetworkInterfaceName,
    Topology, VirtualInterfaceEnd, VpcName, VpnGatewayName,
};

use super::addresses::{has_address, owner};
use super::{From, Oracle, Place, Reason, Walk, edge};

/// DX-01
const STATIC_OVER_DX: usize = 1500;

/// A link to a virtual private gateway that carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link<'a> {
    /// Direct Connect, or a VPN connection; that order is the one of preference.
    is_vpn: bool,
    name: &'a str,
    gateway: &'a VpnGatewayName,
    dynamic: bool,
    network: Option<&'a CustomerNetworkName>,
    mtu: usize,
    asn: u32,
}

/// A destination over a link: kind, preference, AS path, metric (VGW-04, DX-04).
struct Way<'a> {
    destination: IpNet,
    kind: u8,
    preference: LocalPreference,
    path: Vec<u32>,
    med: u32,
    link: Link<'a>,
}

impl Oracle {
    /// VGW-02, VGW-03, OQ-22.
    pub(super) fn out_of_vpn_gateway(
        &self,
        walk: &mut Walk<'_>,
        name: &VpnGatewayName,
        propagated: bool,
    ) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let vpc = topology.vpn_gateways[name].vpc.as_ref().ok_or(Reason::Gateway)?;
        in_use(topology, vpc, walk.packet.src).ok_or(Reason::Gateway)?;
        if walk.by_transit || walk.came_by.is_some() {
            // It only passes through.
            return Err(Reason::Gateway);
        }
        let way = best(topology, name, walk.packet.dst).ok_or(Reason::Gateway)?;
        hop(walk)?;
        if !propagated && !way.link.is_vpn {
            squeeze(walk, STATIC_OVER_DX)?;
        }
        walk.sender = None;
        to_customer(walk, way.link)
    }

    /// A host of a customer network sends with its own address.
    pub(super) fn leave_customer_host(
        &self,
        walk: &mut Walk<'_>,
        name: &str,
    ) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let host = &topology.customer_hosts[name];
        if walk.packet.dst.is_multicast() || !host.addresses().any(|own| own == walk.packet.src) {
            return Err(Reason::NotForwarded);
        }
        let network = &host.customer_network;
        if topology.customer_networks[network].blocks().any(|block| block.contains(&walk.packet.dst)) {
            return within(walk, network);
        }
        let link = way_out(topology, network, walk.packet.dst).ok_or(Reason::Gateway)?;
        squeeze(walk, link.mtu)?;
        hop(walk)?;
        walk.crossed.private_link += 1;
        self.by_vpn_gateway(walk, link)
    }

    fn by_vpn_gateway(&self, walk: &mut Walk<'_>, from: Link<'_>) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let dst = walk.packet.dst;
        let vpc = topology.vpn_gateways[from.gateway].vpc.as_ref();
        match vpc.filter(|vpc| topology.vpcs[*vpc].cidr_blocks().any(|block| block.contains(&dst))) {
            Some(vpc) => {
                let name = in_use(topology, vpc, dst).ok_or(Reason::Gateway)?;
                let middlebox = edge::diverted_by_vpn_gateway(topology, from.gateway, dst)?;
                self.enter(walk, middlebox.unwrap_or(name).as_str(), &From::Outside)
            }
            None => {
                // VGW-09
                let way = best(topology, from.gateway, dst).ok_or(Reason::Gateway)?;
                let by_bgp = way.kind == 2 && from.is_vpn && from.dynamic;
                if !by_bgp || way.link.name == from.name {
                    return Err(Reason::Gateway);
                }
                to_customer(walk, way.link)
            }
        }
    }
}

fn to_customer(walk: &mut Walk<'_>, link: Link<'_>) -> Result<Option<Place>, Reason> {
    squeeze(walk, link.mtu)?;
    walk.crossed.private_link += 1;
    within(walk, link.network.ok_or(Reason::NoDestination)?)
}

/// To a host of the network.
fn within(walk: &mut Walk<'_>, network: &CustomerNetworkName) -> Result<Option<Place>, Reason> {
    let topology = walk.topology;
    let dst = walk.packet.dst;
    let mut hosts = topology.customer_hosts.iter();
    let found =
        hosts.find(|(_, host)| host.customer_network == *network && host.addresses().any(|own| own == dst));
    let (name, _) = found.ok_or(Reason::NoDestination)?;
    squeeze(walk, topology.customer_networks[network].mtu.into())?;
    Ok(Some(Place::Host(name.as_str().to_owned())))
}

/// OQ-22: a hop of which nobody hears.
fn hop(walk: &mut Walk<'_>) -> Result<(), Reason> {
    if walk.packet.ttl <= 1 {
        return Err(Reason::Expired);
    }
    walk.packet.ttl -= 1;
    Ok(())
}

/// VPN-06, MTU-08: cut what may be cut, and tell nobody of the rest.
fn squeeze(walk: &mut Walk<'_>, mtu: usize) -> Result<(), Reason> {
    if walk.packet.len() <= mtu {
        return Ok(());
    }
    if walk.packet.is_ipv6() || !walk.packet.may_be_cut {
        return Err(Reason::TooLarge);
    }
    walk.cut_to = Some(walk.cut_to.map_or(mtu, |other| other.min(mtu)));
    Ok(())
}

fn in_use<'a>(topology: &'a Topology, vpc: &VpcName, address: IpAddr) -> Option<&'a NetworkInterfaceName> {
    let name = owner(topology, vpc, address)?;
    let eni = &topology.network_interfaces[name];
    let is_in_use = eni.attachment.is_some() || eni.interface_type != InterfaceType::Interface;
    (is_in_use && has_address(eni, address)).then_some(name)
}

fn links(topology: &Topology) -> Vec<(Link<'_>, &[BgpRoute], Vec<IpNet>)> {
    let mut all = Vec::new();
    for (name, vpn) in &topology.vpn_connections {
        let AwsEnd::VpnGateway(gateway) = &vpn.gateway else { continue };
        let customer = &topology.customer_gateways[&vpn.customer_gateway];
        let link = Link {
            is_vpn: true,
            name: name.as_str(),
            gateway,
            dynamic: !vpn.static_routes_only,
            network: customer.customer_network.as_ref(),
            mtu: vpn.mtu().into(),
            asn: customer.bgp_asn,
        };
        if vpn.tunnels.contains(&LinkState::Up) {
            all.push((link, vpn.bgp_routes.as_slice(), vpn.routes.iter().map(|r| IpNet::V4(*r)).collect()));
        }
    }
    for (name, vif) in &topology.dx_private_virtual_interfaces {
        let VirtualInterfaceEnd::VpnGateway(gateway) = &vif.end else { continue };
        let link = Link {
            is_vpn: false,
            name: name.as_str(),
            gateway,
            dynamic: true,
            network: vif.customer_network.as_ref(),
            mtu: vif.mtu.into(),
            asn: vif.bgp_asn,
        };
        if vif.state == LinkState::Up {
            all.push((link, vif.bgp_routes.as_slice(), Vec::new()));
        }
    }
    all
}

fn ways<'a>(topology: &'a Topology, gateway: &VpnGatewayName) -> Vec<Way<'a>> {
    let mut all = Vec::new();
    for (link, announced, listed) in links(topology).into_iter().filter(|(link, ..)| link.gateway == gateway)
    {
        all.extend(listed.into_iter().map(|destination| Way {
            destination,
            kind: 1,
            preference: LocalPreference::Medium,
            path: Vec::new(),
            med: 0,
            link,
        }));
        all.extend(announced.iter().map(|route| Way {
            destination: route.destination,
            kind: if link.is_vpn { 2 } else { 0 },
            preference: route.local_preference,
            path: route.as_path.clone(),
            med: route.med.unwrap_or(if link.is_vpn { 100 } else { 0 }),
            link,
        }));
    }
    all
}

/// What sets two ways to one destination apart.
fn goes_before(one: &Way<'_>, other: &Way<'_>) -> bool {
    let key = |way: &Way<'_>| (way.kind, way.preference, way.path.len(), way.med, way.link.name.to_owned());
    key(one) < key(other)
}

/// VGW-04: the longest prefix, then the preferred way.
fn best<'a>(topology: &'a Topology, gateway: &VpnGatewayName, destination: IpAddr) -> Option<Way<'a>> {
    let mut found: Option<Way<'a>> = None;
    for way in ways(topology, gateway).into_iter().filter(|way| way.destination.contains(&destination)) {
        let is_better = found.as_ref().is_none_or(|found| {
            let (len, other) = (way.destination.prefix_len(), found.destination.prefix_len());
            len > other || len == other && goes_before(&way, found)
        });
        if is_better {
            found = Some(way);
        }
    }
    found
}

/// By what AWS announces to a network: the longest prefix, Direct Connect before VPN.
fn way_out<'a>(
    topology: &'a Topology,
    network: &CustomerNetworkName,
    destination: IpAddr,
) -> Option<Link<'a>> {
    let mut found: Option<(u8, Link<'a>)> = None;
    for (link, ..) in links(topology).into_iter().filter(|(link, ..)| link.network == Some(network)) {
        let vpc = topology.vpn_gateways[link.gateway].vpc.as_ref();
        let blocks = vpc.into_iter().flat_map(|vpc| topology.vpcs[vpc].cidr_blocks());
        let mut told: Vec<IpNet> = blocks.filter(|block| !link.is_vpn || block.addr().is_ipv4()).collect();
        if link.is_vpn && link.dynamic {
            let all = ways(topology, link.gateway);
            let sites = all.iter().filter(|way| {
                let beaten = all.iter().any(|o| o.destination == way.destination && goes_before(o, way));
                way.kind == 2 && !beaten && !way.path.contains(&link.asn) && way.link.network != Some(network)
            });
            told.extend(sites.map(|way| way.destination));
        }
        for block in told.into_iter().filter(|block| block.contains(&destination)) {
            let is_better = found.as_ref().is_none_or(|(len, other)| {
                let (mine, theirs) = ((link.is_vpn, link.name), (other.is_vpn, other.name));
                block.prefix_len() > *len || block.prefix_len() == *len && mine < theirs
            });
            if is_better {
                found = Some((block.prefix_len(), link));
            }
        }
    }
    found.map(|(_, link)| link)
}
