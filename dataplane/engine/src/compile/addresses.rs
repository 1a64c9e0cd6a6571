//! Who has which address?

use std::collections::HashMap;
use std::net::IpAddr;

use vpclab_model as model;

use crate::fabric::{Fabric, PublicMapping, Role, Side};
use crate::index::{InternetGatewayIdx, VpcIdx};

/// Fills the maps from addresses to their owners.
pub(super) fn index(fabric: &mut Fabric) {
    let gateway_of: HashMap<VpcIdx, InternetGatewayIdx> =
        fabric.internet_gateways.iter().filter_map(|(index, gateway)| Some((gateway.vpc?, index))).collect();
    for (index, eni) in fabric.enis.iter() {
        fabric.macs.insert((eni.subnet, eni.mac), index);
        for &address in &eni.addresses {
            fabric.addresses.insert((eni.vpc, address), index);
        }
        // EPI-14: what has an endpoint's address is nobody's on the internet.
        let faces_internet = !matches!(eni.role, Role::Endpoint(_));
        let is_public =
            |address: &&IpAddr| faces_internet && address.is_ipv6() && model::not_public(**address).is_none();
        for &address in eni.addresses.iter().filter(is_public) {
            fabric.owners_of_ipv6.insert(address, index);
        }
        // A public address of a detached interface stands for nobody (IGW-09).
        let is_in_use = eni.attachment.is_some() || eni.role != Role::Guest;
        for first in eni.prefixes.iter().map(|block| block.net().network()) {
            fabric.delegated.insert((eni.vpc, first), index);
            if is_public(&&first) {
                let gateway = gateway_of.get(&eni.vpc).copied().filter(|_| is_in_use);
                fabric.delegated_public.insert(first, (index, gateway));
            }
        }
        let Some(&gateway) = gateway_of.get(&eni.vpc).filter(|_| is_in_use) else { continue };
        for &(private, public) in &eni.public_addresses {
            let mapping = PublicMapping { eni: index, private: IpAddr::V4(private), gateway };
            fabric.public_addresses.insert(IpAddr::V4(public), mapping);
        }
        // A unique local address is of no use outside (IGW-14), and several VPCs may have it.
        for &address in eni.addresses.iter().filter(is_public) {
            let mapping = PublicMapping { eni: index, private: address, gateway };
            fabric.public_addresses.insert(address, mapping);
        }
    }
    for (index, host) in fabric.hosts.iter() {
        for &address in &host.addresses {
            match host.side {
                Side::Internet => fabric.hosts_by_address.insert(address, index),
                Side::Customer(network) => fabric.customer_hosts.insert((network, address), index),
                // One with a public address is on the internet, too.
                Side::Service if model::not_public(address).is_none() => {
                    fabric.hosts_by_address.insert(address, index)
                }
                Side::Service => None,
            };
        }
    }
}
