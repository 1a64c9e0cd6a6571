//! How do hosts outside every VPC become a fabric's?

use std::net::IpAddr;

use vpclab_model::{HostName, Topology};

use super::{Numbering, derived_mac};
use crate::fabric::{Fabric, Host, Side, eui64_link_local};
use crate::index::{Arena, CustomerNetworkIdx, HostIdx};
use crate::stop::endpoint::INTERFACE_ENDPOINT_MTU;
use crate::stop::internet::INTERNET_MTU;

/// The hosts of every side. No two of them have the same name.
pub(super) fn compile(topology: &Topology, previous: Option<&Fabric>) -> Arena<HostIdx, Host> {
    let networks: Numbering<'_, CustomerNetworkIdx> = Numbering::new(&topology.customer_networks);
    let host = |name: HostName, side, addresses, mtu| {
        let mac = derived_mac(0x06, name.fingerprint());
        Host { name, side, mac, addresses, link_local: eui64_link_local(mac), mtu }
    };
    let on_the_internet = topology.internet_hosts.iter().map(|(name, declared)| {
        let addresses = declared.address.map(IpAddr::V4).into_iter();
        let addresses = addresses.chain(declared.ipv6_address.map(IpAddr::V6)).collect();
        host(HostName::Internet(name.clone()), Side::Internet, addresses, INTERNET_MTU)
    });
    let of_customers = topology.customer_hosts.iter().map(|(name, declared)| {
        let network = networks.of(&declared.customer_network);
        let mtu = topology.customer_networks[&declared.customer_network].mtu;
        let addresses = declared.addresses().collect();
        host(HostName::Customer(name.clone()), Side::Customer(network), addresses, mtu)
    });
    let of_services = topology.services.iter().map(|(name, declared)| {
        let addresses = declared.addresses().collect();
        host(HostName::Service(name.clone()), Side::Service, addresses, INTERFACE_ENDPOINT_MTU)
    });
    let all: Vec<Host> = on_the_internet.chain(of_customers).chain(of_services).collect();
    let names = all.iter().map(|host| host.name.as_str().into());
    let mut hosts = Arena::with_names(previous.map(|fabric| &fabric.hosts), names);
    for host in all {
        let Some(index) = hosts.find(host.name.as_str()) else { continue };
        // Whoever comes back under the name of a host of another side is another host.
        let moved = previous
            .and_then(|fabric| fabric.hosts.get(index))
            .is_some_and(|before| before.name.as_str() == host.name.as_str() && before.name != host.name);
        if moved {
            hosts.renew(index);
        }
        hosts.fill(index, host);
    }
    hosts
}
