//! What does an instance's interface look like to its kernel?
//!
//! [`apply`] brings a link to exactly one [`LinkConfig`], whatever it was before, and [`apply_together`] does so with
//! several of a namespace, whatever they are called by now; [`stage`] readies one that must not be seen yet; [`list`],
//! [`addressed`] and [`kernel_drops`] read; [`remove_where`] deletes. [`prepare`] readies a namespace, [`settings`] and
//! [`restore`] undo that. Control path only: a call starts a helper thread inside the namespace and speaks rtnetlink
//! there. What always holds: only the namespace given is touched, a second `apply` of the same configuration changes
//! nothing, and a call ends within [`DEADLINE`] (`apply` within two). Left to others: making the device
//! ([`crate::OffloadTap`]).
//!
//! Routes of the protocols `static` and `boot` on the link are the configuration's; the kernel's own (`kernel`,
//! `ra`) are not. Policy rules carry a protocol number and a priority of ours, which name the link they belong to.

mod addresses;
mod masquerade;
mod netlink;
mod routes;
mod rules;
mod sysctl;
mod together;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use vpclab_wire::MacAddr;

use crate::netns::{Netns, NetnsError};

/// One session with the kernel's routing socket, with all its requests, ends within this time.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// All that a link is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkConfig {
    /// The link's name inside the namespace.
    pub name: String,
    /// Its hardware address; the IPv6 link-local address is its EUI-64 (RFC 4291, appendix A).
    pub mac: MacAddr,
    /// Largest packet in bytes, without the Ethernet header: 68 to 65,521; at least 1,280 with IPv6 addresses.
    pub mtu: u32,
    /// A free text of at most 255 bytes by which the link is found again; empty for none.
    pub alias: String,
    /// Frames that may wait to be read before the kernel drops: the length of the TAP's ring.
    pub txqueuelen: u32,
    /// Addresses with the length of their network; the first of a network is the one it speaks from.
    pub addresses: Vec<IpNet>,
    /// Routes out of this link.
    pub routes: Vec<RouteConfig>,
    /// Which senders look into which table.
    pub rules: Vec<SourceRule>,
    /// The table that packets look into which come in by this link for somebody else, in a namespace that sends them on
    /// (`ip rule add iif LINK lookup TABLE`), 1 or more; none for the main one.
    pub arrivals: Option<u32>,
}

/// One route out of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteConfig {
    /// Where to; host bits are ignored.
    pub destination: IpNet,
    /// Next hop of the same family; none for a neighbour on the link.
    pub gateway: Option<IpAddr>,
    /// Whether the gateway is taken to be on the link although no route says so.
    pub onlink: bool,
    /// The address to speak from, one of the namespace's own.
    pub source: Option<IpAddr>,
    /// The routing table; `None` is the main one.
    pub table: Option<u32>,
    /// The lower, the better; 0 is the kernel's choice (0 for IPv4, 1024 for IPv6).
    pub metric: u32,
}

/// Packets from these addresses look into this table first (`ip rule add from PREFIX lookup TABLE`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRule {
    /// The senders; host bits are ignored.
    pub from: IpNet,
    /// The routing table, 1 or more.
    pub table: u32,
}

/// A link among others that are brought to their configurations together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedLink {
    /// What it is to be. It is found by the alias; the name is the one it was last seen by.
    pub config: LinkConfig,
    /// The name it is to get where it still has the one of the configuration, nobody else has this one and the kernel
    /// lets it; otherwise it keeps its own.
    pub rename: Option<String>,
}

/// What a link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkInfo {
    /// Its name.
    pub name: String,
    /// Its index inside the namespace.
    pub index: u32,
    /// Its hardware address, if it has an Ethernet one.
    pub mac: Option<MacAddr>,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// The free text it is found by; empty for none.
    pub alias: String,
    /// Frames that may wait to be read.
    pub txqueuelen: u32,
    /// The queueing discipline's name, such as `noqueue`.
    pub qdisc: String,
    /// Whether it is a TAP device.
    pub is_tap: bool,
    /// Whether it is set up.
    pub up: bool,
    /// Whether someone is at the other end: a TAP has a carrier while it is open.
    pub carrier: bool,
    /// What passed and what did not.
    pub stats: LinkStats,
}

/// Counters of a link as the namespace sees them: a TAP *transmits* what we read and *receives* what we write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets received and dropped.
    pub rx_dropped: u64,
    /// Packets dropped instead of being sent; on a TAP: its ring was full.
    pub tx_dropped: u64,
    /// Packets received that made no sense, such as frames with an impossible virtio header.
    pub rx_errors: u64,
}

/// Frames that the kernel dropped at a TAP: no counter of the engine knows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelDrops {
    /// Frames of the instance that found the TAP's ring full: the worker was late.
    pub ring_full: u64,
    /// Frames we wrote that the instance's kernel dropped at its door.
    pub not_taken: u64,
    /// Frames we wrote that made no sense to the driver.
    pub malformed: u64,
}

/// Links that were to be deleted, each with what came of it.
pub type Removals = Vec<(LinkInfo, Result<(), LinkError>)>;

/// What [`prepare`] changes in a namespace, as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceSettings {
    /// `net.ipv4.ping_group_range`: the first and the last group that may open an ICMP socket.
    pub ping_group_range: String,
    /// Whether the loopback is set up.
    pub loopback_up: bool,
}

/// Why a link could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no such link.
    #[error("there is no link named {0} in this network namespace")]
    NotFound(String),
    /// There is no link with this alias: it was deleted, moved to another namespace, or given another alias.
    #[error("there is no link with the alias {0} in this network namespace any more")]
    AliasNotFound(String),
    /// The configuration contradicts itself; every contradiction is listed.
    #[error("the configuration of link {name} cannot be applied: {}", .mistakes.join("; "))]
    Invalid {
        /// The link.
        name: String,
        /// Sentences that name the attribute.
        mistakes: Vec<String>,
    },
    /// IPv6 was asked for where the kernel has none.
    #[error(
        "link {0} is to have IPv6, which this kernel or namespace has disabled (ipv6.disable=1, or no /proc/sys/net/ipv6)"
    )]
    Ipv6Disabled(String),
    /// The kernel refused.
    #[error("{what}: {source}")]
    Refused {
        /// What was tried.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel did not answer within [`DEADLINE`].
    #[error("the kernel did not answer a routing request in time")]
    TimedOut,
    /// The namespace could not be entered.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
}

/// Brings the existing link of that name to exactly this configuration and sets it up: addresses, routes and rules
/// that are missing are added, those that no longer belong are removed; nothing that is already right is touched.
/// The queueing discipline becomes `noqueue`. A namespace with a name (one of ours, or `ip netns`'s) is
/// [prepared](prepare) too. A changed hardware address takes the link down for a moment.
///
/// # Errors
/// [`LinkError::Invalid`] before anything is changed; after another error the link is partly changed, and a later
/// `apply` completes it.
pub fn apply(netns: &Netns, config: &LinkConfig) -> Result<(), LinkError> {
    check(config)?;
    prepare_named(netns)?;
    netlink::session(netns, async |handle| {
        let info = netlink::find(handle, &config.name).await?;
        together::apply(handle, info, config.clone()).await
    })
}

/// Gives the existing link of that name what no other link can be in the way of: hardware address, MTU, alias, ring
/// length and the settings of its IPv6. It stays down and has no addresses: nothing inside sees a difference until
/// [`apply_together`].
///
/// # Errors
/// As [`apply`].
pub fn stage(netns: &Netns, config: &LinkConfig) -> Result<(), LinkError> {
    check(config)?;
    netlink::session(netns, async |handle| {
        let info = netlink::find(handle, &config.name).await?;
        netlink::set_attributes(handle, &info, config).await?;
        sysctl::prepare_link(config)
    })
}

/// As [`apply`] to several links of a namespace at once, whatever they are called by now (who has rights inside may have
/// renamed them) and whatever they take over from each other: what none of them is to have any more is removed before
/// anything is added. Returns for each its configuration with the name it has now, or why it is not complete; the
/// others are brought as far as they can.
///
/// # Errors
/// When no link could be looked at. For a single one [`LinkError::AliasNotFound`], and as [`apply`].
pub fn apply_together(
    netns: &Netns,
    wanted: &[WantedLink],
) -> Result<Vec<Result<LinkConfig, LinkError>>, LinkError> {
    wanted.iter().try_for_each(|wanted| check(&wanted.config))?;
    prepare_named(netns)?;
    netlink::session(netns, async |handle| together::apply_by_alias(handle, wanted).await)
}

/// Makes a namespace one that programs expect: the loopback is up, and everyone may ping (`net.ipv4.ping_group_range`).
///
/// # Errors
/// What the kernel refuses.
pub fn prepare(netns: &Netns) -> Result<(), LinkError> {
    netlink::session(netns, async |handle| {
        sysctl::allow_ping()?;
        let loopback = netlink::find(handle, "lo").await?;
        if !loopback.up {
            netlink::set_up(handle, loopback.index, "lo").await?;
        }
        Ok(())
    })
}

/// Makes a namespace one that sends on what is not addressed to it, or one that does not, whatever the host's own is.
///
/// # Errors
/// What the kernel refuses.
pub fn set_forwarding(netns: &Netns, on: bool) -> Result<(), LinkError> {
    netlink::session(netns, async |_| sysctl::set_forwarding(on))
}

/// Whether a namespace sends on what is not addressed to it, over IPv6 or IPv4.
///
/// # Errors
/// What the kernel refuses.
pub fn forwards(netns: &Netns, ipv6: bool) -> Result<bool, LinkError> {
    netlink::session(netns, async move |_| sysctl::forwards(ipv6))
}

/// Has a namespace send on what is not addressed to it from its own addresses, in both families, or as it is. Its own
/// packets are left alone. The kernel keeps the sender's port where that is free. Done by the program `nft`, with a table
/// of ours.
///
/// # Errors
/// That the program is missing, or what it says; nothing has changed then.
pub fn set_masquerade(netns: &Netns, on: bool) -> Result<(), LinkError> {
    netns.run(|| masquerade::set(on))?
}

/// What [`prepare`] would change, as it is now.
///
/// # Errors
/// What the kernel refuses.
pub fn settings(netns: &Netns) -> Result<NamespaceSettings, LinkError> {
    netlink::session(netns, async |handle| {
        let loopback_up = netlink::find(handle, "lo").await?.up;
        Ok(NamespaceSettings { ping_group_range: sysctl::ping_group_range()?, loopback_up })
    })
}

/// Puts back what [`prepare`] has changed.
///
/// # Errors
/// What the kernel refuses.
pub fn restore(netns: &Netns, settings: &NamespaceSettings) -> Result<(), LinkError> {
    netlink::session(netns, async |handle| {
        sysctl::set_ping_group_range(&settings.ping_group_range)?;
        let loopback = netlink::find(handle, "lo").await?;
        match (loopback.up, settings.loopback_up) {
            (true, false) => netlink::set_down(handle, loopback.index, "lo").await,
            (false, true) => netlink::set_up(handle, loopback.index, "lo").await,
            _ => Ok(()),
        }
    })
}

/// Every link of the namespace, by index.
///
/// # Errors
/// What the kernel refuses.
pub fn list(netns: &Netns) -> Result<Vec<LinkInfo>, LinkError> {
    netlink::session(netns, async |handle| {
        let mut links = netlink::links(handle).await?;
        links.sort_unstable_by_key(|link| link.index);
        Ok(links)
    })
}

/// The link of that name.
///
/// # Errors
/// [`LinkError::NotFound`].
pub fn find(netns: &Netns, name: &str) -> Result<LinkInfo, LinkError> {
    netlink::session(netns, async |handle| netlink::find(handle, name).await)
}

/// Every link that has addresses, with them, by index. The loopback's own count as any other's.
///
/// # Errors
/// What the kernel refuses.
pub fn addressed(netns: &Netns) -> Result<Vec<(LinkInfo, Vec<IpNet>)>, LinkError> {
    netlink::session(netns, async |handle| {
        let mut of: BTreeMap<u32, Vec<IpNet>> = BTreeMap::new();
        for (index, address) in addresses::all(handle).await? {
            of.entry(index).or_default().push(address);
        }
        let mut links = netlink::links(handle).await?;
        links.sort_unstable_by_key(|link| link.index);
        let addressed = links.into_iter().filter_map(|link| Some((of.remove(&link.index)?, link)));
        Ok(addressed.map(|(addresses, link)| (link, addresses)).collect())
    })
}

/// Deletes every link that `doomed` holds for, with its addresses, routes and rules, and says how that went. Links
/// are deleted by index: one that is renamed meanwhile is meant all the same. A TAP's open descriptors fail from then
/// on.
///
/// # Errors
/// When the links cannot be listed. For a single one, `EOPNOTSUPP` where it cannot be deleted, such as `lo`.
pub fn remove_where(netns: &Netns, doomed: impl Fn(&LinkInfo) -> bool + Sync) -> Result<Removals, LinkError> {
    netlink::session(netns, async |handle| {
        let mut removed = Vec::new();
        for link in netlink::links(handle).await?.into_iter().filter(&doomed) {
            let outcome = match rules::remove_all(handle, link.index).await {
                Ok(()) => netlink::delete(handle, &link).await,
                Err(error) => Err(error),
            };
            removed.push((link, outcome));
        }
        Ok(removed)
    })
}

/// What the kernel has dropped at a TAP since the device was made.
///
/// # Errors
/// [`LinkError::NotFound`].
pub fn kernel_drops(netns: &Netns, name: &str) -> Result<KernelDrops, LinkError> {
    let stats = find(netns, name)?.stats;
    Ok(KernelDrops { ring_full: stats.tx_dropped, not_taken: stats.rx_dropped, malformed: stats.rx_errors })
}

/// Refuses a configuration that contradicts itself.
fn check(config: &LinkConfig) -> Result<(), LinkError> {
    let mistakes = mistakes(config);
    if mistakes.is_empty() { Ok(()) } else { Err(LinkError::Invalid { name: config.name.clone(), mistakes }) }
}

/// Readies a namespace with a name: one of ours, or `ip netns`'s.
fn prepare_named(netns: &Netns) -> Result<(), LinkError> {
    if netns.name().is_some() { prepare(netns) } else { Ok(()) }
}

/// Everything in the configuration that contradicts itself, in sentences.
fn mistakes(config: &LinkConfig) -> Vec<String> {
    /// The largest MTU a TAP takes: 65,535 less the Ethernet header.
    const MAX_MTU: u32 = 65_521;
    let mut mistakes = Vec::new();
    let has_ipv6 = config.addresses.iter().any(|address| address.addr().is_ipv6());
    if !(68..=MAX_MTU).contains(&config.mtu) {
        mistakes.push(format!("mtu {} is not between 68 and {MAX_MTU}", config.mtu));
    } else if has_ipv6 && config.mtu < 1280 {
        mistakes
            .push(format!("mtu {} is less than the 1280 that IPv6 needs (RFC 8200 section 5)", config.mtu));
    }
    if config.mac.0[0] & 1 != 0 || config.mac.0 == [0; 6] {
        mistakes.push("mac is a group address or all zero".to_owned());
    }
    if config.alias.len() > 255 {
        mistakes.push(format!("alias is {} bytes long, 255 are allowed", config.alias.len()));
    }
    for (at, address) in config.addresses.iter().enumerate() {
        if config.addresses[..at].iter().any(|other| other.addr() == address.addr()) {
            mistakes.push(format!("address {} is given twice", address.addr()));
        }
    }
    for (at, route) in config.routes.iter().enumerate() {
        let ipv6 = route.destination.addr().is_ipv6();
        for (what, address) in [("gateway", route.gateway), ("source", route.source)] {
            if let Some(address) = address.filter(|address| address.is_ipv6() != ipv6) {
                mistakes
                    .push(format!("route {}: {what} {address} is of the other family", route.destination));
            }
        }
        if route.onlink && route.gateway.is_none() {
            mistakes.push(format!("route {}: onlink without a gateway", route.destination));
        }
        if config.routes[..at].iter().any(|other| routes::same_place(other, route)) {
            mistakes.push(format!(
                "route {} is given twice in the same table with the same metric",
                route.destination
            ));
        }
    }
    for rule in &config.rules {
        if rule.table == 0 {
            mistakes.push(format!("rule from {}: table 0 does not exist", rule.from));
        }
    }
    if config.arrivals == Some(0) {
        mistakes.push("arrivals: table 0 does not exist".to_owned());
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> LinkConfig {
        LinkConfig {
            name: "eth0".to_owned(),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu: 9001,
            alias: "eni-1".to_owned(),
            txqueuelen: 2000,
            addresses: vec!["10.0.1.10/24".parse().unwrap(), "2001:db8::10/128".parse().unwrap()],
            routes: vec![],
            rules: vec![],
            arrivals: None,
        }
    }

    fn route(destination: &str, gateway: Option<&str>) -> RouteConfig {
        RouteConfig {
            destination: destination.parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            onlink: false,
            source: None,
            table: None,
            metric: 0,
        }
    }

    #[test]
    fn every_mistake_of_a_configuration_is_reported_at_once() {
        assert_eq!(mistakes(&config()), Vec::<String>::new());
        let mut bad = config();
        bad.mtu = 1000;
        bad.mac = MacAddr([1, 0, 0, 0, 0, 1]);
        bad.alias = "x".repeat(256);
        bad.addresses.push("10.0.1.10/16".parse().unwrap());
        bad.routes = vec![
            route("0.0.0.0/0", Some("fe80::1")),
            RouteConfig { onlink: true, ..route("10.9.0.0/16", None) },
            RouteConfig { table: Some(254), ..route("10.9.0.1/16", Some("10.0.1.1")) },
        ];
        bad.rules = vec![SourceRule { from: "10.0.1.10/32".parse().unwrap(), table: 0 }];
        bad.arrivals = Some(0);
        let told = mistakes(&bad).join("\n");
        for what in [
            "1280",
            "group address",
            "256 bytes",
            "10.0.1.10 is given twice",
            "other family",
            "onlink without",
            "10.9.0.1/16 is given twice",
            "rule from 10.0.1.10/32: table 0",
            "arrivals: table 0",
        ] {
            assert!(told.contains(what), "{what} is missing from:\n{told}");
        }
    }

    #[test]
    fn a_route_may_repeat_in_another_table_or_with_another_metric() {
        let mut config = config();
        config.routes = vec![
            route("0.0.0.0/0", Some("10.0.1.1")),
            RouteConfig { table: Some(100), ..route("0.0.0.0/0", Some("10.0.1.1")) },
            RouteConfig { metric: 50, ..route("0.0.0.0/0", Some("10.0.1.1")) },
        ];
        assert_eq!(mistakes(&config), Vec::<String>::new());
    }
}
