//! What does a virtual private gateway let through? (area VGW)
//!
//! It stands between its VPC and private links, and between links: from the VPC it takes what interfaces send under their
//! own addresses, into it what goes to an interface's private address (VGW-02), and nothing that only wants to pass: what
//! came into the VPC by another gateway goes no further, whatever its source. It is a hop (OQ-22); of a packet that was a
//! hop too far nobody hears.

use vpclab_model::Propagation;

use crate::fabric::{Direction, LinkRoute, Role};
use crate::flow::FlowKey;
use crate::index::{EniIdx, LinkIdx, VpcIdx, VpnGatewayIdx};
use crate::packet::{Draft, Path};
use crate::plan::{Arrival, Context, Location, known, settle};
use crate::reason::DropReason;
use crate::step::{Probe, Step};
use crate::stop::{edge, mtu};

/// What Direct Connect carries on behalf of a static route (DX-01).
const STATIC_ROUTE_MTU: u16 = 1500;

/// A packet leaves its VPC, by a route that is propagated or not.
pub(crate) fn leave(
    cx: &Context<'_>,
    index: VpnGatewayIdx,
    propagated: bool,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let gateway = &cx.fabric.vpn_gateways[index];
    let own = gateway.vpc.and_then(|vpc| interface(cx, vpc, draft.headers.src));
    // What a NAT gateway or an instance passes on is the VPC's own.
    if own.is_none() || draft.path != Path::Inside {
        return Err(DropReason::VpnGatewayForeignSource { gateway: index });
    }
    let link = choose(cx, index, draft).ok_or(DropReason::VpnGatewayNoRoute { gateway: index })?;
    probe.step(|| Step::VpnGateway { gateway: index, direction: Direction::Outbound, link });
    draft.spend_hop()?;
    if !propagated && !cx.fabric.links[link].is_vpn() {
        mtu::fit(draft, STATIC_ROUTE_MTU, mtu::Emitter::Nobody)?;
    }
    draft.sender = None;
    Ok(Location::PrivateLink(link, Direction::Outbound))
}

/// A packet comes over a link.
pub(crate) fn arrive(
    cx: &Context<'_>,
    index: VpnGatewayIdx,
    from: LinkIdx,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let gateway = &cx.fabric.vpn_gateways[index];
    let address = draft.headers.dst;
    known(gateway.unknown)?;
    probe.step(|| Step::VpnGateway { gateway: index, direction: Direction::Inbound, link: from });
    draft.spend_hop()?;
    draft.path = Path::VpnGateway(index);
    match gateway.vpc {
        Some(vpc) if cx.fabric.vpcs[vpc].contains(address) => {
            let Some(eni) = interface(cx, vpc, address) else {
                known(cx.fabric.vpcs[vpc].unknown)?;
                return Err(DropReason::VpnGatewayForeignDestination { gateway: index });
            };
            // RT-36
            let table = gateway.route_table;
            let middlebox = table.map(|table| edge::divert(cx, table, draft, probe)).transpose()?.flatten();
            Ok(Location::Interface(middlebox.unwrap_or(eni), Arrival::Outside))
        }
        _ => to_another_site(cx, index, from, draft, probe),
    }
}

/// CloudHub: between sites that announce their networks by BGP over VPN connections of the gateway (VGW-09).
fn to_another_site(
    cx: &Context<'_>,
    index: VpnGatewayIdx,
    from: LinkIdx,
    draft: &Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let refused = DropReason::VpnGatewayForeignDestination { gateway: index };
    let route = cx.fabric.vpn_gateways[index].routes.lookup(draft.headers.dst).ok_or(refused)?;
    let [first] = route.links.as_slice() else { return Err(refused) };
    let to = one_of(cx, index, route, first);
    let comes_by_bgp = cx.fabric.links[from].is_dynamic_vpn();
    if route.origin != Some(Propagation::VpnBgp) || !comes_by_bgp || to == from {
        return Err(refused);
    }
    probe.step(|| Step::VpnGateway { gateway: index, direction: Direction::Outbound, link: to });
    Ok(Location::PrivateLink(to, Direction::Outbound))
}

/// The link over which a flow goes: of several that share the flows always the same (DX-08, PIPE-15).
fn choose(cx: &Context<'_>, index: VpnGatewayIdx, draft: &Draft) -> Option<LinkIdx> {
    let gateway = &cx.fabric.vpn_gateways[index];
    let route = gateway.routes.lookup(draft.headers.dst)?;
    let links = route.links.as_slice();
    if let [only] = links {
        return Some(one_of(cx, index, route, only));
    }
    let flow = FlowKey::of(&draft.headers, &draft.headers.transport, Direction::Outbound);
    links.get(cx.pick(&(gateway.name.as_str(), flow), links.len())?).copied()
}

/// The one connection by which the gateway sends to a destination, of several that are equal (VGW-05).
fn one_of(cx: &Context<'_>, index: VpnGatewayIdx, route: &LinkRoute, first: &LinkIdx) -> LinkIdx {
    let subject = (cx.fabric.vpn_gateways[index].name.as_str(), route.destination);
    *settle(cx, &subject, first, &route.equals)
}

/// The interface in use that has a private address in the gateway's VPC.
fn interface(cx: &Context<'_>, vpc: VpcIdx, address: std::net::IpAddr) -> Option<EniIdx> {
    let eni = cx.fabric.interface_at(vpc, address)?;
    let interface = &cx.fabric.enis[eni];
    (interface.attachment.is_some() || interface.role != Role::Guest).then_some(eni)
}
