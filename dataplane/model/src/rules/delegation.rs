//! Which blocks of its subnet are an interface's own as a whole? (L2-31)

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::declared::DeclaredInterface;
use crate::name::{NetworkInterfaceName, SubnetName};
use crate::reader::Written;
use crate::register::Context;
use crate::resources::Subnet;
use crate::space::{reserved_v4, reserved_v6};

/// The prefix length of a delegated IPv4 block.
const IPV4_LENGTH: u8 = 28;
/// The same for IPv6.
const IPV6_LENGTH: u8 = 80;

/// Who has which block of each subnet.
#[derive(Debug, Default)]
pub(super) struct Delegations<'a>(BTreeMap<&'a SubnetName, Vec<(IpNet, &'a NetworkInterfaceName)>>);

impl<'a> Delegations<'a> {
    /// Whose block an address lies in.
    pub(super) fn owner(&self, subnet: &SubnetName, address: IpAddr) -> Option<&'a NetworkInterfaceName> {
        let blocks = self.0.get(subnet)?;
        blocks.iter().find(|(block, _)| block.contains(&address)).map(|(_, name)| *name)
    }

    /// The stated blocks of an interface that are sound. `address_in` says which address in a block is taken already.
    pub(super) fn place(
        &mut self,
        cx: &Context<'_>,
        (name, subnet_name, subnet): (&'a NetworkInterfaceName, &'a SubnetName, &Subnet),
        declared: &DeclaredInterface,
        address_in: impl Fn(IpNet) -> Option<IpAddr>,
    ) -> (Vec<Ipv4Net>, Vec<Ipv6Net>) {
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for Written { at, value } in &declared.ipv4_prefixes.items {
            let is_reserved = |block: &Ipv4Net| {
                value.hosts().chain([value.broadcast()]).any(|a| reserved_v4(block, a).is_some())
            };
            let problem = match subnet.cidr_block {
                _ if value.prefix_len() != IPV4_LENGTH => Some(format!("{value} is no /{IPV4_LENGTH}")),
                Some(block) if !block.contains(value) => Some(outside(subnet_name, (*value).into())),
                Some(block) if is_reserved(&block) => Some(reserved((*value).into())),
                None => Some(format!("the subnet {subnet_name} is IPv6-only")),
                Some(_) => None,
            };
            if self.take(cx, (name, subnet_name), at, (*value).into(), problem, &address_in) {
                ipv4.push(*value);
            }
        }
        for Written { at, value } in &declared.ipv6_prefixes.items {
            let is_reserved = |block: &Ipv6Net| {
                [value.network(), value.broadcast()].into_iter().any(|address| reserved_v6(block, address))
            };
            let problem = match subnet.ipv6_cidr_block {
                _ if value.prefix_len() != IPV6_LENGTH => Some(format!("{value} is no /{IPV6_LENGTH}")),
                Some(block) if !block.contains(value) => Some(outside(subnet_name, (*value).into())),
                Some(block) if is_reserved(&block) => Some(reserved((*value).into())),
                None => Some(format!("the subnet {subnet_name} has no IPv6 block")),
                Some(_) => None,
            };
            if self.take(cx, (name, subnet_name), at, (*value).into(), problem, &address_in) {
                ipv6.push(*value);
            }
        }
        (ipv4, ipv6)
    }

    fn take(
        &mut self,
        cx: &Context<'_>,
        (name, subnet): (&'a NetworkInterfaceName, &'a SubnetName),
        at: &crate::log::Place,
        block: IpNet,
        problem: Option<String>,
        address_in: &impl Fn(IpNet) -> Option<IpAddr>,
    ) -> bool {
        let remedy = "choose a free block of the subnet, a /28 for IPv4 or a /80 for IPv6";
        if let Some(problem) = problem {
            cx.log.report(at, "InvalidParameterValue", problem, remedy);
            return false;
        }
        let taken = self.0.entry(subnet).or_default();
        let other = taken.iter().find(|(other, _)| *other == block);
        let problem = match (other, address_in(block)) {
            (Some((_, other)), _) => format!("{block} already belongs to {other}"),
            (None, Some(address)) => format!("{address} in {block} is an address of an interface already"),
            (None, None) => {
                taken.push((block, name));
                return true;
            }
        };
        cx.log.report(at, "InvalidIPAddress.InUse", problem, remedy);
        false
    }
}

fn outside(subnet: &SubnetName, block: IpNet) -> String {
    format!("{block} lies outside subnet {subnet}")
}

fn reserved(block: IpNet) -> String {
    format!("{block} holds addresses that the subnet reserves")
}
