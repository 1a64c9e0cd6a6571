//! Which policy rules belong to a link? The kernel ties rules to no link, so ours say it themselves: their protocol
//! is [`PROTOCOL`] and their priority is [`FIRST_PRIORITY`] plus the link's index. Rules of links that are gone are
//! cleared away with the next change of any link in the namespace.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{RouteHeader, RouteProtocol};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::{Handle, IpVersion};

use super::netlink::{links, refused};
use super::{LinkConfig, LinkError};

/// The protocol number of our rules: none that `/etc/iproute2/rt_protos` knows.
const PROTOCOL: u8 = 0x56;
/// Before the main table's rule (32766), behind what an administrator puts first.
const FIRST_PRIORITY: u32 = 10_000;
/// The highest index that keeps its rules before the main table's.
const MAX_INDEX: u32 = 20_000;

/// A policy rule: which packets look into which table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// The senders.
    from: IpNet,
    /// The link that they come in by, by name; without one they are sent from here.
    arriving_by: Option<String>,
    table: u32,
}

impl Rule {
    /// The rules of a link.
    fn wanted(config: &LinkConfig) -> Vec<Self> {
        let by_source = config.rules.iter().map(|rule| Self {
            from: rule.from.trunc(),
            arriving_by: None,
            table: rule.table,
        });
        let has = |ipv6: bool| config.addresses.iter().any(|address| address.addr().is_ipv6() == ipv6);
        let ipv4 = has(false).then(|| IpNet::V4(Ipv4Net::default()));
        let ipv6 = has(true).then(|| IpNet::V6(Ipv6Net::default()));
        let by_link = config.arrivals.into_iter().flat_map(|table| {
            let rule = move |from| Self { from, arriving_by: Some(config.name.clone()), table };
            ipv4.into_iter().chain(ipv6).map(rule)
        });
        by_source.chain(by_link).collect()
    }
}

/// Adds what is missing, removes what does not belong to this link or belongs to none any more.
pub(super) async fn apply(handle: &Handle, index: u32, config: &LinkConfig) -> Result<(), LinkError> {
    let wanted = Rule::wanted(config);
    if !wanted.is_empty() && index > MAX_INDEX {
        let source = io::Error::other("more links than policy rules can name were made in this namespace");
        return Err(LinkError::Refused { what: format!("adding rules for link {}", config.name), source });
    }
    let living: Vec<u32> = links(handle).await?.iter().map(|link| link.index).collect();
    let mut kept = Vec::new();
    for (owner, rule, message) in present(handle).await? {
        if owner == index && wanted.contains(&rule) && !kept.contains(&rule) {
            kept.push(rule);
        } else if owner == index || !living.contains(&owner) {
            delete(handle, message, &rule).await?;
        }
    }
    for rule in wanted {
        if !kept.contains(&rule) {
            let mut request = handle.rule().add();
            *request.message_mut() = message(&rule, index);
            request.execute().await.map_err(refused(format!("adding the rule from {}", rule.from)))?;
            kept.push(rule);
        }
    }
    Ok(())
}

/// Removes every rule of the link.
pub(super) async fn remove_all(handle: &Handle, index: u32) -> Result<(), LinkError> {
    for (owner, rule, message) in present(handle).await? {
        if owner == index {
            delete(handle, message, &rule).await?;
        }
    }
    Ok(())
}

async fn delete(handle: &Handle, message: RuleMessage, rule: &Rule) -> Result<(), LinkError> {
    handle
        .rule()
        .del(message)
        .execute()
        .await
        .map_err(refused(format!("removing the rule from {}", rule.from)))
}

/// Every rule of ours, with the index of the link it belongs to.
async fn present(handle: &Handle) -> Result<Vec<(u32, Rule, RuleMessage)>, LinkError> {
    let mut present = Vec::new();
    for version in [IpVersion::V4, IpVersion::V6] {
        match handle.rule().get(version).execute().try_collect::<Vec<_>>().await {
            Ok(messages) => present.extend(messages.iter().filter_map(ours)),
            // A kernel without policy routing for this family has no rules of ours.
            Err(rtnetlink::Error::NetlinkError(error))
                if matches!(-error.raw_code(), libc::EOPNOTSUPP | libc::EAFNOSUPPORT) => {}
            Err(error) => return Err(refused("reading policy rules")(error)),
        }
    }
    Ok(present)
}

fn message(rule: &Rule, index: u32) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = match rule.from {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    };
    message.header.action = RuleAction::ToTable;
    message.header.src_len = rule.from.prefix_len();
    message.header.table = u8::try_from(rule.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    message.attributes.push(RuleAttribute::Table(rule.table));
    message.attributes.push(RuleAttribute::Priority(FIRST_PRIORITY + index));
    message.attributes.push(RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)));
    if rule.from.prefix_len() > 0 {
        message.attributes.push(RuleAttribute::Source(rule.from.addr()));
    }
    message.attributes.extend(rule.arriving_by.clone().map(RuleAttribute::Iifname));
    message
}

fn ours(message: &RuleMessage) -> Option<(u32, Rule, RuleMessage)> {
    if !message.attributes.contains(&RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL))) {
        return None;
    }
    let mut table = u32::from(message.header.table);
    let mut priority = 0;
    let mut arriving_by = None;
    let mut source = match message.header.family {
        AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Table(id) => table = *id,
            RuleAttribute::Priority(value) => priority = *value,
            RuleAttribute::Source(address) => source = *address,
            RuleAttribute::Iifname(name) => arriving_by = Some(name.clone()),
            _ => {}
        }
    }
    let index = priority.checked_sub(FIRST_PRIORITY)?;
    let from = IpNet::new(source, message.header.src_len).ok()?;
    let rule = Rule { from, arriving_by, table };
    let again = self::message(&rule, index);
    Some((index, rule, again))
}
