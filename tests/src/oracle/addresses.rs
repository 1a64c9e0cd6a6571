//! Whose is an address, and who may have it?

use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_model::{InterfaceType, NetworkInterface, NetworkInterfaceName, Subnet, Topology, VpcName};

/// L2-12, L2-13, L2-31.
pub(super) fn has_address(eni: &NetworkInterface, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            eni.private_ip == Some(address)
                || eni.secondary_private_ips.contains(&address)
                || eni
                    .ipv4_prefixes
                    .iter()
                    .any(|block| u32::from(block.network()) >> 4 == u32::from(address) >> 4)
        }
        IpAddr::V6(address) => {
            eni.ipv6_addresses.contains(&address)
                || eni
                    .ipv6_prefixes
                    .iter()
                    .any(|block| block.network().segments()[..5] == address.segments()[..5])
        }
    }
}

/// L2-10: whose address this is in one VPC.
pub(super) fn owner<'a>(
    topology: &'a Topology,
    vpc: &VpcName,
    address: IpAddr,
) -> Option<&'a NetworkInterfaceName> {
    let mut found = topology
        .network_interfaces
        .iter()
        .filter(|(_, eni)| topology.subnets[&eni.subnet].vpc == *vpc && has_address(eni, address));
    found.next().map(|(name, _)| name)
}

/// IGW-09, IGW-14: who is reached from the internet by this address, and by which private one.
pub(super) fn behind_public(topology: &Topology, address: IpAddr) -> Option<(&NetworkInterfaceName, IpAddr)> {
    for (name, eni) in &topology.network_interfaces {
        let vpc = &topology.subnets[&eni.subnet].vpc;
        if !topology.internet_gateways.values().any(|gateway| gateway.vpc.as_ref() == Some(vpc)) {
            continue;
        }
        match address {
            IpAddr::V4(_) => {
                for (private, public) in &eni.public_ips {
                    if IpAddr::V4(public.address) == address {
                        return Some((name, IpAddr::V4(*private)));
                    }
                }
            }
            // EPI-14
            IpAddr::V6(_) if is_endpoint(eni) => {}
            IpAddr::V6(_) if has_address(eni, address) && is_public(address) => return Some((name, address)),
            IpAddr::V6(_) => {}
        }
    }
    None
}

/// Whether this is an interface of a VPC endpoint.
pub(super) fn is_endpoint(eni: &NetworkInterface) -> bool {
    matches!(eni.interface_type, InterfaceType::VpcEndpoint(_))
}

/// Whether AWS has the address, so that nobody else on the internet can.
pub(super) fn belongs_to_aws(topology: &Topology, address: IpAddr) -> bool {
    let allocated = topology.eips.values().map(|eip| eip.public_ip);
    let assigned =
        topology.network_interfaces.values().flat_map(|eni| eni.public_ips.values().map(|p| p.address));
    let mut blocks = topology.vpcs.values().flat_map(|vpc| vpc.ipv6_cidr_blocks.iter().copied());
    let mut pools = topology.route_tables.values().flat_map(|table| table.public_ipv4_pools.iter().copied());
    pools.any(|pool| IpNet::V4(pool).contains(&address))
        || allocated.chain(assigned).any(|public| IpAddr::V4(public) == address)
        || blocks.any(|block| IpNet::V6(block).contains(&address))
}

/// ADDR-27, ADDR-31.
pub(super) fn is_router_of(subnet: &Subnet, address: IpAddr) -> bool {
    match (address, subnet.cidr_block) {
        (IpAddr::V4(address), Some(block)) => u32::from(address) == u32::from(block.network()) + 1,
        _ => false,
    }
}

/// L2-01, L2-02, RT-13, RT-14, and the addresses of services.
pub(super) fn is_never_forwarded(topology: &Topology, eni: &NetworkInterface, dst: IpAddr) -> bool {
    let subnet = &topology.subnets[&eni.subnet];
    let resolver = u32::from(topology.vpcs[&subnet.vpc].cidr_block.network()) + 2;
    is_for_the_link_or_a_group(dst)
        || match dst {
            IpAddr::V4(dst) => {
                u32::from(dst) == resolver || subnet.cidr_block.is_some_and(|block| block.broadcast() == dst)
            }
            IpAddr::V6(dst) => dst.segments()[..2] == [0xfd00, 0x0ec2],
        }
}

/// RT-13, RT-14.
pub(super) fn is_reserved(dst: IpAddr) -> bool {
    match dst {
        IpAddr::V4(dst) => matches!(dst.octets(), [169, 254, 168..=171, _]),
        IpAddr::V6(dst) => dst.segments()[..2] == [0xfd00, 0x0ec2],
    }
}

pub(super) fn is_for_the_link_or_a_group(dst: IpAddr) -> bool {
    match dst {
        IpAddr::V4(dst) => dst.is_multicast() || dst.is_link_local() || dst.is_broadcast(),
        IpAddr::V6(dst) => dst.is_multicast() || dst.is_unicast_link_local(),
    }
}

pub(super) fn is_private_or_shared(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            address.is_private() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(_) => false,
    }
}

/// Whether the internet knows the way to such an address. The ranges for documentation stand for it.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !is_private_or_shared(address)
                && !v4.is_loopback()
                && !v4.is_link_local()
                && !v4.is_multicast()
                && (1..240).contains(&v4.octets()[0])
                && !matches!(v4.octets(), [198, 18 | 19, ..])
        }
        IpAddr::V6(v6) => v6.segments()[0] >> 13 == 1,
    }
}
