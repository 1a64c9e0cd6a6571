//! Which routes lead out of a link, and which should? Only unicast routes of the protocols `static` and `boot` count:
//! the others are the kernel's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use ipnet::IpNet;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, route};
use rtnetlink::{Handle, RouteMessageBuilder};

use super::netlink::{links, refused};
use super::{LinkConfig, LinkError, RouteConfig};

/// The kernel's choice for an IPv6 route without a metric (`IP6_RT_PRIO_USER`).
const IPV6_DEFAULT_METRIC: u32 = 1024;

/// All routes of a namespace, at one moment.
pub(super) struct Routes(Vec<RouteMessage>);

/// Reads all routes.
pub(super) async fn read(handle: &Handle) -> Result<Routes, LinkError> {
    let mut all = Vec::new();
    for request in
        [RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()]
    {
        let messages = handle.route().get(request).execute().try_collect::<Vec<_>>().await;
        all.extend(messages.map_err(refused("reading routes"))?);
    }
    Ok(Routes(all))
}

/// Removes what does not belong.
pub(super) async fn remove(
    handle: &Handle,
    routes: &Routes,
    index: u32,
    config: &LinkConfig,
) -> Result<(), LinkError> {
    let wanted: Vec<RouteConfig> = config.routes.iter().map(normal).collect();
    for (route, protocol) in routes.of(index) {
        if wanted.contains(&route) {
            continue;
        }
        let mut message = message(&route, index);
        message.header.protocol = protocol;
        // "Nowhere" matches any scope.
        message.header.scope = RouteScope::NoWhere;
        let what = format!("removing route {} from link {}", route.destination, config.name);
        match handle.route().del(message).execute().await {
            Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -libc::ESRCH => {}
            other => other.map_err(refused(what))?,
        }
    }
    Ok(())
}

/// Adds what is missing, as much of it as can be.
pub(super) async fn add(
    handle: &Handle,
    routes: &Routes,
    index: u32,
    config: &LinkConfig,
) -> Result<(), LinkError> {
    let wanted: Vec<RouteConfig> = config.routes.iter().map(normal).collect();
    let present: Vec<RouteConfig> = routes.of(index).map(|(route, _)| route).collect();
    // Neighbours first: a gateway must be reachable when its route arrives.
    let (direct, via): (Vec<_>, Vec<_>) = wanted.iter().partition(|route| route.gateway.is_none());
    let mut outcome = Ok(());
    for route in direct.into_iter().chain(via) {
        if !present.contains(route) {
            outcome = outcome.and(add_one(handle, index, config, route).await);
        }
    }
    outcome
}

async fn add_one(
    handle: &Handle,
    index: u32,
    config: &LinkConfig,
    route: &RouteConfig,
) -> Result<(), LinkError> {
    let Err(error) = handle.route().add(message(route, index)).execute().await else { return Ok(()) };
    let now = read(handle).await?;
    // Whoever has added it meanwhile has done what was wanted.
    if now.of(index).any(|(present, _)| present == *route) {
        return Ok(());
    }
    let mut what = format!("adding route {} to link {}", route.destination, config.name);
    if let Some(link) = now.occupant(route) {
        let name = link_name(handle, link).await?;
        what.push_str(&format!(", which link {name} has already"));
    }
    Err(refused(what)(error))
}

impl Routes {
    /// Those out of the link that are no business of the kernel's.
    fn of(&self, index: u32) -> impl Iterator<Item = (RouteConfig, RouteProtocol)> + '_ {
        self.0
            .iter()
            .filter(move |message| message.attributes.contains(&RouteAttribute::Oif(index)))
            .filter(|message| is_configured(message))
            .filter_map(|message| Some((config(message)?, message.header.protocol)))
    }

    /// The link whose route, anybody's, is at the place of this one.
    fn occupant(&self, route: &RouteConfig) -> Option<u32> {
        let occupies = |message: &&RouteMessage| {
            message.header.kind == RouteType::Unicast
                && config(message).is_some_and(|other| same_place(&other, route))
        };
        self.0.iter().find(occupies)?.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => Some(*index),
            _ => None,
        })
    }
}

/// Whether two routes would occupy the same place: the kernel holds one.
pub(super) fn same_place(one: &RouteConfig, other: &RouteConfig) -> bool {
    let (one, other) = (normal(one), normal(other));
    (one.destination, one.table, one.metric) == (other.destination, other.table, other.metric)
}

/// The route with every default spelled out, as the kernel reports it.
fn normal(route: &RouteConfig) -> RouteConfig {
    let ipv6 = route.destination.addr().is_ipv6();
    RouteConfig {
        destination: route.destination.trunc(),
        table: Some(route.table.filter(|table| *table != 0).unwrap_or(u32::from(RouteHeader::RT_TABLE_MAIN))),
        metric: if ipv6 && route.metric == 0 { IPV6_DEFAULT_METRIC } else { route.metric },
        ..route.clone()
    }
}

fn message(route: &RouteConfig, index: u32) -> RouteMessage {
    let destination = route.destination;
    let mut message = match destination {
        IpNet::V4(net) => {
            RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(net.addr(), net.prefix_len()).build()
        }
        IpNet::V6(net) => {
            RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(net.addr(), net.prefix_len()).build()
        }
    };
    if destination.addr().is_ipv4() && route.gateway.is_none() {
        message.header.scope = RouteScope::Link;
    }
    if route.onlink {
        message.header.flags |= RouteFlags::Onlink;
    }
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Oif(index));
    // The attribute holds every table; the header's byte is a copy of the small ones.
    let table = route.table.unwrap_or(u32::from(RouteHeader::RT_TABLE_MAIN));
    message.header.table = u8::try_from(table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    attributes.push(RouteAttribute::Table(table));
    attributes.extend(route.gateway.map(|gateway| RouteAttribute::Gateway(gateway.into())));
    attributes.extend(route.source.map(|source| RouteAttribute::PrefSource(source.into())));
    if route.metric != 0 {
        attributes.push(RouteAttribute::Priority(route.metric));
    }
    message
}

async fn link_name(handle: &Handle, index: u32) -> Result<String, LinkError> {
    let links = links(handle).await?;
    Ok(links.into_iter().find(|link| link.index == index).map_or_else(|| index.to_string(), |link| link.name))
}

/// Whether somebody has configured it, and not the kernel.
fn is_configured(message: &RouteMessage) -> bool {
    matches!(message.header.protocol, RouteProtocol::Static | RouteProtocol::Boot)
        && message.header.kind == RouteType::Unicast
}

/// The route as a configuration; none of another family than IPv4 and IPv6.
fn config(message: &RouteMessage) -> Option<RouteConfig> {
    let header = &message.header;
    let unspecified = match header.address_family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let mut destination = unspecified;
    let mut config = RouteConfig {
        destination: IpNet::from(unspecified),
        gateway: None,
        onlink: header.flags.contains(RouteFlags::Onlink),
        source: None,
        table: Some(u32::from(header.table)),
        metric: 0,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = ip(address)?,
            RouteAttribute::Gateway(address) => config.gateway = Some(ip(address)?),
            RouteAttribute::PrefSource(address) => config.source = Some(ip(address)?),
            RouteAttribute::Table(table) => config.table = Some(*table),
            RouteAttribute::Priority(metric) => config.metric = *metric,
            _ => {}
        }
    }
    config.destination = IpNet::new(destination, header.destination_prefix_length).ok()?;
    Some(config)
}

fn ip(address: &route::RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}
