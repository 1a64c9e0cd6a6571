//! Which packet does a question between two ends mean?
//!
//! An end becomes an address and a place to start from; the family is IPv4 when both ends have it, else IPv6.

use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_model::{ANYBODY_V4, ANYBODY_V6, address_after, not_public, public_edges};

use super::{EPHEMERAL_PORTS, MANAGED_PORTS, PortSet};
use crate::fabric::{Fabric, Peer, Role};
use crate::index::{EniIdx, HostIdx, VpcIdx};
use crate::plan::NextHop;
use crate::reason::DropReason;

/// An end as it was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// An interface, by any of its addresses or by this one.
    Interface(EniIdx, Option<IpAddr>),
    /// A declared host outside every VPC.
    Host(HostIdx),
    /// A public host that no rule or route names more specifically than /0.
    Internet,
    /// An address: as a destination, what the packet shall carry.
    Address(IpAddr),
}

/// Two ends as packets see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Where the walk starts.
    pub from: Start,
    /// The packet's source.
    pub source: IpAddr,
    /// The packet's destination.
    pub destination: IpAddr,
}

/// Where a walk starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At an interface.
    Interface(EniIdx),
    /// At a declared host outside every VPC.
    Host(HostIdx),
    /// Anywhere on the internet.
    Internet,
}

/// Why two ends make no question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndError {
    /// The interface is not attached, so nothing can be sent from it.
    #[error("the interface is attached to no instance, so nothing can be sent from it")]
    NotAttached(EniIdx),
    /// The internet cannot address the interface.
    #[error("the interface has no public address")]
    NoPublicAddress(EniIdx),
    /// One end has IPv4 only and the other IPv6 only.
    #[error("the ends have no address family in common")]
    NoCommonFamily,
    /// An address that cannot be where packets come from.
    #[error("nothing in the topology sends from {0}")]
    NobodyAt(IpAddr),
    /// Every public address is named by some rule or route.
    #[error(
        "rules or routes name every public address more specifically than /0, so no host stands for the internet"
    )]
    NoAnonymousAddress,
    /// Both ends are on the internet.
    #[error("both ends are on the internet")]
    BothOutside,
}

impl Ends {
    /// Whether the packets are IPv6.
    pub fn ipv6(&self) -> bool {
        self.destination.is_ipv6()
    }
}

/// Settles on addresses. `ipv6` asks for a family.
///
/// # Errors
///
/// [`EndError`] when there is no such question.
pub fn resolve(fabric: &Fabric, from: End, to: End, ipv6: Option<bool>) -> Result<Ends, EndError> {
    let families = ipv6.map_or(vec![false, true], |ipv6| vec![ipv6]);
    for ipv6 in families {
        let Some((start, source)) = source(fabric, from, ipv6)? else { continue };
        if let Some(destination) = destination(fabric, from, to, ipv6)? {
            // Both ends have the family: if the destination cannot be used, that is the answer.
            return Ok(Ends { from: start, source, destination: destination? });
        }
    }
    Err(EndError::NoCommonFamily)
}

/// The source ports that whoever starts there may choose: Linux's, or those of what AWS runs (NACL-19).
pub fn chosen_ports(fabric: &Fabric, from: Start) -> PortSet {
    match from {
        Start::Interface(eni) if matches!(fabric.enis[eni].role, Role::NotModelled(_)) => MANAGED_PORTS,
        Start::Interface(_) | Start::Host(_) | Start::Internet => EPHEMERAL_PORTS,
    }
}

/// The address of the destination in a family; none if it has no such address, an error inside if it has one that the
/// source cannot use.
#[allow(clippy::type_complexity)]
fn destination(
    fabric: &Fabric,
    from: End,
    to: End,
    ipv6: bool,
) -> Result<Option<Result<IpAddr, EndError>>, EndError> {
    let from_outside = match from {
        End::Internet => true,
        End::Host(host) => is_public(fabric, host, ipv6),
        End::Interface(..) => false,
        End::Address(address) => {
            owner(fabric, address).is_none()
                && fabric.only_host_at(address).is_none_or(|host| is_public(fabric, host, ipv6))
        }
    };
    let address = match to {
        End::Interface(eni, Some(address)) if address.is_ipv6() == ipv6 => {
            if from_outside {
                public_face(fabric, eni, address)
            } else {
                Some(Ok(address))
            }
        }
        End::Interface(_, Some(_)) => None,
        End::Interface(eni, None) => match fabric.enis[eni].primary_address(ipv6) {
            Some(address) if from_outside => public_face(fabric, eni, address),
            address => address.map(Ok),
        },
        End::Host(host) if from_outside && is_public(fabric, host, ipv6) => {
            return Err(EndError::BothOutside);
        }
        End::Internet if from_outside => return Err(EndError::BothOutside),
        End::Host(host) => fabric.hosts[host].addresses.iter().find(|a| a.is_ipv6() == ipv6).copied().map(Ok),
        End::Internet => Some(anonymous_address(fabric, ipv6).ok_or(EndError::NoAnonymousAddress)),
        End::Address(address) => (address.is_ipv6() == ipv6).then_some(Ok(address)),
    };
    Ok(address)
}

/// The address by which the internet reaches `address` of an interface.
fn public_face(fabric: &Fabric, eni: EniIdx, address: IpAddr) -> Option<Result<IpAddr, EndError>> {
    Some(match address {
        IpAddr::V4(private) => match fabric.enis[eni].public_address_of(private) {
            Some(public) => Ok(IpAddr::V4(public)),
            None => Err(EndError::NoPublicAddress(eni)),
        },
        IpAddr::V6(_) => {
            // An egress-only gateway is a way in for answers, and says no to the rest by itself.
            let vpc = fabric.enis[eni].vpc;
            let has_gateway = fabric.egress_only.iter().any(|(_, gateway)| gateway.vpc == vpc);
            let is_known = has_gateway && fabric.owner_of_ipv6(address).is_some();
            if is_known || fabric.public_mapping(address).is_some() {
                Ok(address)
            } else {
                Err(EndError::NoPublicAddress(eni))
            }
        }
    })
}

fn source(fabric: &Fabric, from: End, ipv6: bool) -> Result<Option<(Start, IpAddr)>, EndError> {
    Ok(match from {
        End::Interface(eni, address) => {
            if fabric.enis[eni].attachment.is_none() && !sends(fabric, eni) {
                return Err(EndError::NotAttached(eni));
            }
            let address = address.or_else(|| fabric.enis[eni].primary_address(ipv6));
            address.filter(|a| a.is_ipv6() == ipv6).map(|address| (Start::Interface(eni), address))
        }
        End::Host(host) => fabric.hosts[host]
            .addresses
            .iter()
            .find(|a| a.is_ipv6() == ipv6)
            .map(|&address| (Start::Host(host), address)),
        End::Internet => {
            let address = anonymous_address(fabric, ipv6).ok_or(EndError::NoAnonymousAddress)?;
            Some((Start::Internet, address))
        }
        End::Address(address) if address.is_ipv6() != ipv6 => None,
        End::Address(address) => Some(match owner(fabric, address) {
            Some(eni) => (Start::Interface(eni), address),
            None if let Some(host) = fabric.only_host_at(address) => (Start::Host(host), address),
            None if not_public(address).is_none() && fabric.public_mapping(address).is_none() => {
                (Start::Internet, address)
            }
            None => return Err(EndError::NobodyAt(address)),
        }),
    })
}

/// Whether something that is no instance may send from this interface: what is known of that the walk says.
fn sends(fabric: &Fabric, eni: EniIdx) -> bool {
    match fabric.enis[eni].role {
        Role::NotModelled(_) => true,
        // It sends nothing of its own accord, and the walk says so (EPI-13).
        Role::Endpoint(_) => true,
        Role::Guest | Role::NatGateway(_) | Role::TransitGateway(_) => false,
    }
}

/// The one interface that owns a private address, if exactly one VPC has it.
fn owner(fabric: &Fabric, address: IpAddr) -> Option<EniIdx> {
    let mut owners = fabric.vpcs.iter().filter_map(|(vpc, _): (VpcIdx, _)| fabric.interface_at(vpc, address));
    let first = owners.next()?;
    owners.next().is_none().then_some(first)
}

/// Whether a host is on the internet in a family, and sees of VPCs what is public.
fn is_public(fabric: &Fabric, host: HostIdx, ipv6: bool) -> bool {
    let mut of_family = fabric.hosts[host].addresses.iter().filter(|address| address.is_ipv6() == ipv6);
    fabric.is_on_internet(host) && of_family.all(|address| not_public(*address).is_none())
}

/// Whom the guest behind `eni` hands a packet for `destination`: a neighbour on its subnet, else the router.
///
/// # Errors
///
/// [`DropReason::NoSuchAddress`] when the destination is on the subnet and nobody answers for it: the guest never
/// sends the packet (L2-05).
pub fn guest_next_hop(fabric: &Fabric, eni: EniIdx, destination: IpAddr) -> Result<NextHop, DropReason> {
    let interface = &fabric.enis[eni];
    let subnet = &fabric.subnets[interface.subnet];
    let is_resolver = destination == IpAddr::V4(fabric.vpcs[interface.vpc].resolver);
    let on_link = subnet.contains(destination) && Some(destination) != subnet.broadcast().map(IpAddr::V4);
    if !on_link || is_resolver || subnet.router.owns(destination) {
        return Ok(NextHop::Router);
    }
    match fabric.interface_at(interface.vpc, destination) {
        Some(neighbor) if neighbor == eni => Ok(NextHop::Router),
        Some(neighbor) => Ok(NextHop::Neighbor(neighbor)),
        None => Err(DropReason::NoSuchAddress { vpc: interface.vpc, address: destination }),
    }
}

/// An address that stands for the internet: public, and named by no rule or route more specifically than /0, by no
/// VPC, no customer network, no host and no interface.
pub fn anonymous_address(fabric: &Fabric, ipv6: bool) -> Option<IpAddr> {
    let named: Vec<IpNet> = named_prefixes(fabric).filter(|net| net.addr().is_ipv6() == ipv6).collect();
    let is_free =
        |address: &IpAddr| not_public(*address).is_none() && !named.iter().any(|net| net.contains(address));
    let well_known = if ipv6 { IpAddr::V6(ANYBODY_V6) } else { IpAddr::V4(ANYBODY_V4) };
    // If that one is named: some free range begins where an edge is or after what is named, if any is free.
    let edges = public_edges().filter(|net| net.addr().is_ipv6() == ipv6);
    let begins = edges.flat_map(|net| [Some(net.network()), address_after(net.broadcast())]);
    let ends = named.iter().map(|net| address_after(net.broadcast()));
    let mut candidates: Vec<IpAddr> = begins.chain(ends).flatten().collect();
    candidates.sort_unstable();
    std::iter::once(well_known).chain(candidates).find(is_free)
}

fn named_prefixes(fabric: &Fabric) -> impl Iterator<Item = IpNet> + '_ {
    let routes =
        fabric.route_tables.iter().flat_map(|(_, table)| table.routes.iter().map(|route| route.destination));
    let entries = fabric.network_acls.iter().flat_map(|(_, acl)| {
        acl.entries.inbound.iter().chain(&acl.entries.outbound).map(|entry| entry.cidr.net())
    });
    let rules = fabric.policies.iter().flat_map(|(_, policy)| {
        policy.inbound.rules.iter().chain(&policy.outbound.rules).filter_map(|rule| match rule.peer {
            Peer::Cidr(cidr) => Some(cidr.net()),
            Peer::Group(_) | Peer::Nobody => None,
        })
    });
    let blocks = fabric.vpcs.iter().flat_map(|(_, vpc)| vpc.cidr_blocks.iter().copied());
    let transit = fabric
        .transit_tables
        .iter()
        .flat_map(|(_, table)| table.routes.iter().map(|route| route.destination));
    let learnt = fabric.vpn_gateways.iter().flat_map(|(_, gateway)| &gateway.routes.routes);
    let customers = fabric.customer_networks.iter();
    let customers = customers.flat_map(|(_, network)| network.blocks.iter().copied());
    let private = learnt.map(|route| route.destination).chain(customers);
    let hosts = fabric.hosts.iter().flat_map(|(_, host)| host.addresses.iter().copied().map(IpNet::from));
    let public = fabric
        .enis
        .iter()
        .flat_map(|(_, eni)| eni.public_addresses.iter().map(|&(_, public)| IpNet::from(IpAddr::V4(public))));
    routes
        .chain(entries)
        .chain(rules)
        .chain(blocks)
        .chain(transit)
        .chain(private)
        .chain(hosts)
        .chain(public)
        .filter(|net| net.prefix_len() > 0)
}
