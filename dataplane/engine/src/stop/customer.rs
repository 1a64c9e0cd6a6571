//! Where does a customer network send a packet? (areas VPN and DX)
//!
//! Its hosts are joined by a network of the user's own, about which nothing is known but its addresses and the largest
//! packet inside it, and what it has learnt over its private links. Its own addresses go before all else.

use crate::fabric::Direction;
use crate::index::{CustomerNetworkIdx, HostIdx};
use crate::packet::Draft;
use crate::plan::{Context, Egress, Location, outside, settle};
use crate::reason::DropReason;
use crate::step::{Probe, Step};
use crate::stop::mtu;

/// A host of the network sends a packet.
pub(crate) fn depart(
    cx: &Context<'_>,
    network: CustomerNetworkIdx,
    host: HostIdx,
    draft: &mut Draft,
) -> Result<Location, DropReason> {
    if draft.headers.dst.is_multicast() {
        return Err(DropReason::Multicast);
    }
    if !cx.fabric.hosts[host].addresses.contains(&draft.headers.src) {
        return Err(DropReason::ForeignSource);
    }
    Ok(Location::CustomerNetwork(network))
}

/// The network delivers a packet to a host of its own, or sends it over one of its links.
pub(crate) fn route(
    cx: &Context<'_>,
    index: CustomerNetworkIdx,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let network = &cx.fabric.customer_networks[index];
    let address = draft.headers.dst;
    if !network.blocks.iter().any(|block| block.contains(&address)) {
        let route = network.routes.lookup(address);
        let announced = network.announced.iter().filter(|block| block.contains(&address));
        let announced = announced.map(|block| block.prefix_len()).max();
        if announced.is_some_and(|len| route.is_none_or(|route| route.destination.prefix_len() < len)) {
            // Somebody behind it, of whom nothing is known. A route of its own for the same block goes before.
            return Err(DropReason::NoSuchCustomerHost { network: index, address });
        }
        // Which of equal links the user's own devices take is theirs to know.
        let matched = route.and_then(|route| {
            let subject = (network.name.as_str(), route.destination);
            Some((route.destination, *settle(cx, &subject, route.links.first()?, &route.equals)))
        });
        probe.step(|| Step::CustomerNetwork { network: index, matched });
        let (_, link) = matched.ok_or(DropReason::CustomerNoRoute { network: index })?;
        return Ok(Location::PrivateLink(link, Direction::Inbound));
    }
    let Some(host) = cx.fabric.customer_host_at(index, address) else {
        return Err(DropReason::NoSuchCustomerHost { network: index, address });
    };
    mtu::fit(draft, network.mtu, mtu::Emitter::Router)?;
    Ok(outside(Egress::Host(host), probe, address))
}
