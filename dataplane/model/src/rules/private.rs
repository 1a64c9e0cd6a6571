//! Which customer networks are there, and who is in them?

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::log::Place;
use crate::name::{CustomerHostName, CustomerNetworkName};
use crate::register::Context;
use crate::resources::{CustomerHost, CustomerNetwork};
use crate::space::not_for_guests;

/// The largest packet of a customer network that does not say, in bytes.
const USUAL_MTU: u16 = 1500;

/// The customer networks.
pub(super) fn customer_networks(cx: &Context<'_>) -> BTreeMap<CustomerNetworkName, CustomerNetwork> {
    let mut networks = BTreeMap::new();
    for (name, declared) in &cx.declared.customer_networks {
        let (v4, v6) = (&declared.cidr_blocks, &declared.ipv6_cidr_blocks);
        if !v4.given && !v6.given {
            let remedy = "give `cidr_blocks`, `ipv6_cidr_blocks` or both";
            let problem = "a customer network needs a block of addresses";
            cx.log.report(&declared.at, "MissingParameter", problem, remedy);
        }
        let written = v4.items.iter().map(|w| (&w.at, IpNet::V4(w.value)));
        let blocks: Vec<(&Place, IpNet)> =
            written.chain(v6.items.iter().map(|w| (&w.at, IpNet::V6(w.value)))).collect();
        for (position, (at, block)) in blocks.iter().enumerate() {
            let overlaps = |other: &IpNet| other.contains(block) || block.contains(other);
            if let Some((_, other)) = blocks[..position].iter().find(|(_, other)| overlaps(other)) {
                let problem = format!("{block} overlaps {other} of the same network");
                cx.log.report(at, "InvalidParameterValue", problem, "give blocks that do not overlap");
            }
        }
        let mtu = declared.mtu.value().and_then(|mtu| u16::try_from(*mtu).ok()).unwrap_or(USUAL_MTU);
        let network = CustomerNetwork {
            cidr_blocks: v4.items.iter().map(|written| written.value).collect(),
            ipv6_cidr_blocks: v6.items.iter().map(|written| written.value).collect(),
            routes: Vec::new(),
            mtu,
            tags: declared.tags.clone(),
        };
        networks.insert(name.clone(), network);
    }
    networks
}

/// The hosts in them. Two networks may use the same addresses; two hosts of one network may not.
pub(super) fn customer_hosts(
    cx: &Context<'_>,
    networks: &BTreeMap<CustomerNetworkName, CustomerNetwork>,
) -> BTreeMap<CustomerHostName, CustomerHost> {
    let mut hosts = BTreeMap::new();
    let mut taken: BTreeMap<(CustomerNetworkName, IpAddr), &CustomerHostName> = BTreeMap::new();
    for (name, declared) in &cx.declared.customer_hosts {
        if cx.declared.internet_hosts.contains_key(name.as_str()) {
            let problem = format!("an internet host is called {name} too");
            cx.log.report(&declared.at, "InvalidParameterValue", problem, "give hosts different names");
        }
        let reference = declared.customer_network.written();
        let network = reference.and_then(|r| cx.registers.customer_networks.resolve(cx.log, r));
        if declared.address.is_absent() && declared.ipv6_address.is_absent() {
            let remedy = "give `address`, `ipv6_address` or both";
            cx.log.report(&declared.at, "MissingParameter", "a customer host needs an address", remedy);
        }
        // Its network has been reported.
        let Some(network) = network else { continue };
        let v4 = declared.address.written().map(|w| (&w.at, IpAddr::V4(w.value)));
        let v6 = declared.ipv6_address.written().map(|w| (&w.at, IpAddr::V6(w.value)));
        for (at, address) in v4.into_iter().chain(v6) {
            let inside =
                networks.get(&network).is_none_or(|n| n.blocks().any(|block| block.contains(&address)));
            if let Some(why) = not_for_guests(address) {
                let problem = format!("{address} {why}");
                cx.log.report(at, "InvalidParameterValue", problem, "choose another address");
            } else if !inside {
                let problem = format!("{address} lies in no block of the customer network {network}");
                cx.log.report(at, "InvalidParameterValue", problem, "choose an address of the network");
            } else if let Some(other) = taken.insert((network.clone(), address), name) {
                let problem = format!("{address} already belongs to the customer host {other}");
                cx.log.report(at, "InvalidIPAddress.InUse", problem, "give every host its own");
            }
        }
        let host = CustomerHost {
            customer_network: network,
            address: declared.address.value().copied(),
            ipv6_address: declared.ipv6_address.value().copied(),
            tags: declared.tags.clone(),
        };
        hosts.insert(name.clone(), host);
    }
    hosts
}
