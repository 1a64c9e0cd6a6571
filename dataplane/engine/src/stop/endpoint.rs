//! What does a VPC endpoint let through, and as whom? (areas EPG and EPI)
//!
//! A gateway endpoint hands packets of its VPC's interfaces to the service as they are (EPG-05) and back again. Only where
//! a client of another VPC has the same address and port, the later one gets another port at the service, or its answers
//! could not be told from the other's. An
//! interface endpoint is an interface like any other to its clients; behind it the service sees an address and port of
//! the provider's side, never the client's (EPS-01), so that address spaces may overlap (EPI-05). Nothing opens a flow
//! from the service's side (EPI-04).

use std::net::IpAddr;
use std::time::Duration;

use vpclab_wire::{IcmpMessage, Protocol, Transport};

use crate::fabric::{Direction, EndpointKind, Fabric, RouteTarget, VpcEndpoint};
use crate::flow::endpoint::{ClientKey, EndpointFlow, Patience, ServerKey, ServerPool, Way};
use crate::flow::lending::{FLOWS_PER_DESTINATION, PORTS};
use crate::flow::share::Holder;
use crate::flow::{Conn, Effect, is_reply};
use crate::index::{EniIdx, HostIdx, Slot, VpcEndpointIdx};
use crate::packet::{Draft, Path};
use crate::plan::{Arrival, Context, Egress, Location, outside};
use crate::reason::DropReason;
use crate::step::{Probe, Step};
use crate::stop::{internet, security_group};
use crate::time::Timestamp;

/// The largest packet that an interface endpoint forwards, in bytes (EPI-10).
pub(crate) const INTERFACE_ENDPOINT_MTU: u16 = 8500;

/// A packet of a client is at an endpoint: by a route, or by the endpoint's interface.
pub(crate) fn enter(
    cx: &Context<'_>,
    index: VpcEndpointIdx,
    interface: Option<EniIdx>,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let endpoint = &cx.fabric.vpc_endpoints[index];
    if !endpoint.available {
        return Err(DropReason::EndpointUnavailable { endpoint: index });
    }
    let before = (draft.headers.src, draft.headers.dst);
    match (&endpoint.kind, interface) {
        (EndpointKind::Interface { .. }, Some(eni)) => by_interface(cx, index, endpoint, eni, draft)?,
        _ => by_route(cx, index, endpoint, draft)?,
    }
    draft.sender = None;
    let after = (draft.headers.src, draft.headers.dst);
    probe.step(|| Step::Endpoint { endpoint: index, direction: Direction::Outbound, before, after });
    Ok(outside(Egress::Host(endpoint.service), probe, draft.headers.dst))
}

/// Through a gateway endpoint.
fn by_route(
    cx: &Context<'_>,
    index: VpcEndpointIdx,
    endpoint: &VpcEndpoint,
    draft: &mut Draft,
) -> Result<(), DropReason> {
    let (source, destination) = (draft.headers.src, draft.headers.dst);
    // EPG-09: for its VPC's interfaces, of which a NAT gateway's is one.
    let has_come_in = draft.path != Path::Inside && draft.nat.is_empty();
    let foreign = DropReason::EndpointForeignClient { endpoint: index };
    let eni = cx.fabric.interface_at(endpoint.vpc, source).filter(|_| !has_come_in).ok_or(foreign)?;
    let refused = DropReason::EndpointProtocol { endpoint: index, by_route: true };
    let (client_port, service_port) = ports(&draft.headers.transport).ok_or(refused)?;
    if draft.headers.protocol == Protocol::UDP || is_answer(draft) {
        // EPG-07
        return Err(refused);
    }
    fit(draft, cx.fabric.settings.gateway_endpoint_mtu)?;
    if !cx.fabric.hosts[endpoint.service].addresses.contains(&destination) {
        return Err(DropReason::NoSuchServiceAddress { endpoint: index, address: destination });
    }
    let client = ClientKey {
        endpoint: cx.fabric.vpc_endpoints.slot(index),
        protocol: draft.headers.protocol,
        client: (source, client_port),
        service: (destination, service_port),
    };
    let pool = ServerPool {
        host: cx.fabric.hosts.slot(endpoint.service),
        protocol: client.protocol,
        service: client.service,
        client: source,
    };
    let server = match goes_on(cx, draft, &client) {
        Some(flow) => {
            use_flow(draft, client, true)?;
            flow.server
        }
        None => {
            let server = keep_or_lend(cx, &client, pool)
                .ok_or(DropReason::EndpointPortAllocation { endpoint: index })?;
            open(cx, draft, client, server, Way::Route(cx.fabric.enis.slot(eni)))?;
            server
        }
    };
    if server.port != client_port {
        draft.set_source_port(server.port);
    }
    Ok(())
}

/// The client's flow that the packet belongs to; none where it begins another.
fn goes_on<'a>(cx: &Context<'a>, draft: &Draft, client: &ClientKey) -> Option<&'a EndpointFlow> {
    let known = cx.flows.endpoints().of_client(client)?;
    (is_live(cx.fabric, known, cx.now) && !opens_anew(known, draft)).then_some(known)
}

/// Through an interface endpoint, which has taken the packet in.
fn by_interface(
    cx: &Context<'_>,
    index: VpcEndpointIdx,
    endpoint: &VpcEndpoint,
    eni: EniIdx,
    draft: &mut Draft,
) -> Result<(), DropReason> {
    let EndpointKind::Interface { tcp, udp, nodes } = endpoint.kind else {
        return Err(DropReason::EndpointUnavailable { endpoint: index });
    };
    // EPI-03, EPI-11
    let refused = DropReason::EndpointProtocol { endpoint: index, by_route: false };
    let offered = match draft.headers.protocol {
        Protocol::TCP => tcp,
        Protocol::UDP => udp,
        _ => false,
    };
    let (client_port, service_port) = ports(&draft.headers.transport).filter(|_| offered).ok_or(refused)?;
    fit(draft, INTERFACE_ENDPOINT_MTU)?;
    let is_ipv6 = draft.headers.is_ipv6();
    let host = &cx.fabric.hosts[endpoint.service];
    let target = host.addresses.iter().copied().find(|address| address.is_ipv6() == is_ipv6);
    let target = target.ok_or(DropReason::EndpointUnavailable { endpoint: index })?;
    let client = ClientKey {
        endpoint: cx.fabric.vpc_endpoints.slot(index),
        protocol: draft.headers.protocol,
        client: (draft.headers.src, client_port),
        service: (draft.headers.dst, service_port),
    };
    let server = match goes_on(cx, draft, &client) {
        Some(flow) => {
            use_flow(draft, client, true)?;
            flow.server
        }
        None => {
            if matches!(draft.headers.transport, Transport::Tcp(tcp) if !tcp.flags.is_opening()) {
                return Err(DropReason::EndpointNoFlow { endpoint: index });
            }
            let pool = ServerPool {
                host: cx.fabric.hosts.slot(endpoint.service),
                protocol: client.protocol,
                service: (target, service_port),
                client: if is_ipv6 { IpAddr::V6(nodes.1) } else { IpAddr::V4(nodes.0) },
            };
            let server = lend(cx, &client, pool, FLOWS_PER_DESTINATION)
                .ok_or(DropReason::EndpointPortAllocation { endpoint: index })?;
            open(cx, draft, client, server, Way::Interface(cx.fabric.enis.slot(eni)))?;
            server
        }
    };
    draft.set_source(server.pool.client);
    draft.set_source_port(server.port);
    draft.set_destination(target);
    Ok(())
}

/// The service sends a packet: an answer through an endpoint, or on the internet where it is on it.
pub(crate) fn depart(
    cx: &Context<'_>,
    host: HostIdx,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let (source, destination) = (draft.headers.src, draft.headers.dst);
    if destination.is_multicast() {
        return Err(DropReason::Multicast);
    }
    if !cx.fabric.hosts[host].addresses.contains(&source) {
        return Err(DropReason::ForeignSource);
    }
    if let Some(flow) = flow_of_answer(cx, host, draft) {
        return answer(cx, &flow, draft, probe);
    }
    let is_public = |address| vpclab_model::not_public(address).is_none();
    if is_public(source) && is_public(destination) {
        return internet::depart(cx, Some(host), draft);
    }
    Err(DropReason::EndpointUnsolicited { host })
}

/// The flow that a service's packet answers.
fn flow_of_answer(cx: &Context<'_>, host: HostIdx, draft: &Draft) -> Option<EndpointFlow> {
    let (service_port, client_port) = match draft.headers.transport {
        Transport::Icmp(_) if is_answer(draft) => ports(&draft.headers.transport).map(|(id, _)| (0, id)),
        Transport::Icmp(_) => None,
        ref transport => ports(transport),
    }?;
    let pool = ServerPool {
        host: cx.fabric.hosts.slot(host),
        protocol: draft.headers.protocol,
        service: (draft.headers.src, service_port),
        client: draft.headers.dst,
    };
    let flow = cx.flows.endpoints().of_lease(&ServerKey { pool, port: client_port })?;
    is_live(cx.fabric, flow, cx.now).then_some(*flow)
}

/// An answer goes back to the client.
fn answer(
    cx: &Context<'_>,
    flow: &EndpointFlow,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let index = flow.client.endpoint.index;
    let gone = DropReason::EndpointNoFlow { endpoint: index };
    let endpoint = &cx.fabric.vpc_endpoints[index];
    if !endpoint.available {
        return Err(gone);
    }
    let before = (draft.headers.src, draft.headers.dst);
    use_flow(draft, flow.client, false)?;
    let ClientKey { client, service, .. } = flow.client;
    let eni = match flow.way {
        Way::Interface(eni) => eni.index,
        Way::Route(eni) => return answer_by_route(cx, flow, eni, draft, probe),
    };
    fit(draft, INTERFACE_ENDPOINT_MTU)?;
    draft.set_source(service.0);
    draft.set_destination(client.0);
    draft.set_destination_port(client.1);
    let after = (service.0, client.0);
    probe.step(|| Step::Endpoint { endpoint: index, direction: Direction::Inbound, before, after });
    draft.sender = Some(eni);
    draft.auto_tracked = true;
    security_group::guard(cx, eni, Direction::Outbound, draft, probe)?;
    let interface = &cx.fabric.enis[eni];
    let neighbor = cx.fabric.interface_at(interface.vpc, client.0);
    match neighbor.filter(|neighbor| cx.fabric.enis[*neighbor].subnet == interface.subnet) {
        Some(neighbor) if draft.return_path.is_none() => {
            Ok(Location::Interface(neighbor, Arrival::Neighbor(interface.mac)))
        }
        _ => Ok(Location::Subnet(interface.subnet)),
    }
}

/// An answer goes back through a gateway endpoint, to the interface that has the client's address.
fn answer_by_route(
    cx: &Context<'_>,
    flow: &EndpointFlow,
    eni: Slot<EniIdx>,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let index = flow.client.endpoint.index;
    let gone = DropReason::EndpointNoFlow { endpoint: index };
    let EndpointKind::Gateway { blocks, dynamodb } = &cx.fabric.vpc_endpoints[index].kind else {
        return Err(gone);
    };
    fit(draft, cx.fabric.settings.gateway_endpoint_mtu)?;
    if !blocks.iter().any(|block| block.contains(&draft.headers.src)) {
        // EPG-07
        return Err(DropReason::EndpointSource { endpoint: index });
    }
    if !has_its_route(cx.fabric, flow) {
        return Err(gone);
    }
    if flow.server.port != flow.client.client.1 {
        draft.set_destination_port(flow.client.client.1);
    }
    draft.auto_tracked |= *dynamodb;
    let ends = (draft.headers.src, draft.headers.dst);
    let step = Step::Endpoint { endpoint: index, direction: Direction::Inbound, before: ends, after: ends };
    probe.step(|| step);
    Ok(Location::Interface(eni.index, Arrival::Outside))
}

/// Drops what is larger than `mtu` bytes of IP packet whatever it says about fragments, and tells nobody (EPI-10, MTU-05);
/// lowers the segment size that TCP announces.
fn fit(draft: &mut Draft, mtu: u16) -> Result<(), DropReason> {
    if draft.headers.largest_segment > u32::from(mtu) {
        return Err(DropReason::MtuExceeded { mtu });
    }
    draft.clamp_segment_size(mtu);
    Ok(())
}

fn open(
    cx: &Context<'_>,
    draft: &mut Draft,
    client: ClientKey,
    server: ServerKey,
    way: Way,
) -> Result<(), DropReason> {
    let state = Conn::opening_state(&draft.headers.transport);
    let holder = Holder::behind(cx.fabric, draft.ingress);
    if !cx.flows.has_room_for_endpoint(&client, holder) {
        return Err(DropReason::FlowMemoryFull);
    }
    let flow = EndpointFlow { client, server, way, holder, state, last_seen: cx.now };
    draft.record(Effect::OpenEndpoint(Box::new(flow)))
}

fn use_flow(draft: &mut Draft, key: ClientKey, by_client: bool) -> Result<(), DropReason> {
    let tcp_flags = draft.tcp_flags();
    draft.record(Effect::UseEndpoint { key: Box::new(key), by_client, tcp_flags })
}

/// The port by which the service knows a client of a gateway endpoint: its own, where no client of another VPC with the
/// same address has it; or else a free one.
fn keep_or_lend(cx: &Context<'_>, client: &ClientKey, pool: ServerPool) -> Option<ServerKey> {
    let own = ServerKey { pool, port: client.client.1 };
    let rival = cx.flows.endpoints().of_lease(&own).filter(|flow| flow.client != *client);
    if rival.is_some_and(|rival| is_live(cx.fabric, rival, cx.now) && has_its_route(cx.fabric, rival)) {
        lend(cx, client, pool, u32::from(PORTS))
    } else {
        Some(own)
    }
}

/// A port where a target may have `limit` flows: a choice that nobody outside can foresee (PIPE-15, EPS-06).
fn lend(cx: &Context<'_>, client: &ClientKey, pool: ServerPool, limit: u32) -> Option<ServerKey> {
    let table = cx.flows.endpoints();
    let port = match cx.nat_port {
        Some(port) => (table.in_pool(&pool) < limit).then_some(port),
        None => table
            .port_for(client, &pool, cx.flows.choice(client), limit, |flow| is_live(cx.fabric, flow, cx.now)),
    };
    Some(ServerKey { pool, port: port? })
}

/// How long endpoints remember what no published time says.
pub(crate) fn patience(fabric: &Fabric) -> Patience {
    Patience {
        opening: Duration::from_secs(fabric.settings.tcp_opening_timeout.into()),
        closing: fabric.nat_closing_timeout(),
    }
}

/// Whether an endpoint still carries a flow: it, its interface or the client's, and the service's address are those of
/// then, and the flow has not been idle for too long.
pub(crate) fn is_live(fabric: &Fabric, flow: &EndpointFlow, now: Timestamp) -> bool {
    let slot = flow.client.endpoint;
    let endpoint =
        fabric.vpc_endpoints.get(slot.index).filter(|_| fabric.vpc_endpoints.slot(slot.index) == slot);
    let is_there = endpoint.is_some_and(|endpoint| {
        let target = &flow.server.pool;
        fabric.hosts.slot(endpoint.service) == target.host
            && fabric.hosts[endpoint.service].addresses.contains(&target.service.0)
    });
    let (eni, address) = match flow.way {
        Way::Route(eni) => (eni, flow.client.client.0),
        Way::Interface(eni) => (eni, flow.client.service.0),
    };
    let interface = fabric.enis.get(eni.index).filter(|_| fabric.enis.slot(eni.index) == eni);
    let has_interface = interface.is_some_and(|interface| interface.owns(address));
    is_there && has_interface && flow.is_live(patience(fabric), now)
}

/// Whether the client's subnet still leads to the gateway endpoint: without its route there is no way through it, and none
/// back (EPG-08).
fn has_its_route(fabric: &Fabric, flow: &EndpointFlow) -> bool {
    let Way::Route(eni) = flow.way else { return true };
    let Some(client) = fabric.enis.get(eni.index) else { return false };
    let table = &fabric.route_tables[fabric.subnets[client.subnet].route_table];
    let route = table.lookup(flow.client.service.0);
    route.is_some_and(|route| route.target == RouteTarget::Endpoint(flow.client.endpoint.index))
}

/// Whether a client's packet opens a connection where another has ended.
fn opens_anew(flow: &EndpointFlow, draft: &Draft) -> bool {
    matches!(draft.headers.transport, Transport::Tcp(tcp) if flow.state.is_over() && tcp.flags.is_opening())
}

/// Whether the packet is an echo reply, or another ICMP message that asks nothing.
fn is_answer(draft: &Draft) -> bool {
    matches!(draft.headers.transport, Transport::Icmp(icmp) if is_reply(draft.headers.protocol, icmp.icmp_type))
}

/// Source and destination port; of an echo its identifier and 0. None for what endpoints keep no flow of.
fn ports(transport: &Transport) -> Option<(u16, u16)> {
    match transport {
        Transport::Tcp(tcp) => Some((tcp.src_port, tcp.dst_port)),
        Transport::Udp { src_port, dst_port } => Some((*src_port, *dst_port)),
        Transport::Icmp(icmp) if matches!(icmp.icmp_type, 0 | 8 | 128 | 129) => match icmp.message {
            IcmpMessage::Query { identifier, .. } => Some((identifier, 0)),
            _ => None,
        },
        Transport::Icmp(_) | Transport::Other | Transport::LaterFragment => None,
    }
}
