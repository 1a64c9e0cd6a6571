//! Do the groups of this interface let the packet pass? (areas SG and CT)
//!
//! A packet of a tracked flow passes by memory (CT-01, CT-09). Everything else meets the rules, which only allow
//! (SG-01). What a flow's first packet decides is whether the flow is tracked: TCP and UDP are not where rules for
//! everybody cover both directions (CT-03), everything else is (CT-02, CT-04). An untracked flow meets the rules of both
//! directions with every packet, so that it is cut as soon as either is gone (CT-10).

use std::net::IpAddr;

use vpclab_model::MidStreamTcp;
use vpclab_wire::{IcmpMessage, Protocol, Transport};

use crate::fabric::{Direction, Peer, PolicyRule};
use crate::flow::{Conn, Effect, FlowKey, Room, Tracking, is_reply};
use crate::index::{EniIdx, SecurityGroupIdx};
use crate::packet::{Draft, Path, Selector};
use crate::plan::{Context, deny};
use crate::reason::DropReason;
use crate::step::{GroupDecision, Probe, Step};
use crate::stop::subnet;

/// Asks the groups of `eni` about a packet that passes it in `direction`.
pub(crate) fn guard(
    cx: &Context<'_>,
    eni: EniIdx,
    direction: Direction,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<(), DropReason> {
    let slot = cx.fabric.enis.slot(eni);
    let timeouts = &cx.fabric.enis[eni].timeouts;
    if let Some(key) = related_flow(draft, direction) {
        let conn = cx.flows.conn(slot, &key).filter(|conn| conn.is_live(timeouts, cx.now));
        if conn.is_some_and(|conn| conn.tracking == Tracking::Tracked) {
            probe.step(|| Step::SecurityGroup { eni, direction, decision: GroupDecision::Related });
            return Ok(());
        }
    }
    let key = FlowKey::of(&draft.headers, &draft.headers.transport, direction);
    let recorded = cx.flows.conn(slot, &key);
    let known = recorded
        .filter(|conn| conn.is_live(timeouts, cx.now) && !conn.is_reopened_by(&draft.headers.transport));
    match known {
        Some(conn) if conn.tracking == Tracking::Tracked => {
            // While the way still exists (NAT-33).
            draft.return_path = conn
                .return_path
                .filter(|slot| cx.fabric.peerings.slot(slot.index) == *slot)
                .map(|slot| slot.index)
                .filter(|peering| cx.fabric.peerings[*peering].active);
            probe.step(|| Step::SecurityGroup { eni, direction, decision: GroupDecision::Tracked });
            draft.record(Effect::Advance { eni: slot, key, direction, tcp_flags: draft.tcp_flags() })
        }
        Some(conn) => go_on_untracked(cx, eni, direction, conn.opened_by, draft, probe).and_then(|()| {
            draft.record(Effect::Advance { eni: slot, key, direction, tcp_flags: draft.tcp_flags() })
        }),
        None => open(cx, eni, direction, key, recorded, draft, probe),
    }
}

/// The flow that an ICMP error is about (CT-17). An error goes to whoever sent the packet it quotes (RFC 1122 3.2.2,
/// RFC 4443 2.2); one that goes elsewhere is about no flow of its receiver.
fn related_flow(draft: &Draft, direction: Direction) -> Option<FlowKey> {
    draft
        .quoted()
        .filter(|quoted| quoted.src == draft.headers.dst)
        .and_then(|quoted| FlowKey::of_embedded(quoted, direction))
}

/// A packet of an untracked flow: the rules of its own direction, and those of the other for the packet's mirror image.
fn go_on_untracked(
    cx: &Context<'_>,
    eni: EniIdx,
    direction: Direction,
    opened_by: Direction,
    draft: &Draft,
    probe: &mut impl Probe,
) -> Result<(), DropReason> {
    let ways = [
        (direction, Selector::of(draft.headers.protocol, &draft.headers.transport)),
        (direction.reversed(), Selector::of_response(draft.headers.protocol, &draft.headers.transport)),
    ];
    // The opener's direction first: that is the rule people think of as the one that allows the flow.
    let ways = if direction == opened_by { ways } else { [ways[1], ways[0]] };
    for (rules, selector) in ways {
        match evaluate(cx, eni, rules, direction, &selector, draft).first {
            Some(rule) if rules == direction => probe.step(|| Step::SecurityGroup {
                eni,
                direction,
                decision: GroupDecision::Rule {
                    group: rule.group,
                    declared_at: rule.declared_at,
                    tracking: Some(Tracking::Untracked),
                },
            }),
            Some(_) => {}
            None => refuse(cx, eni, rules, direction, &selector, draft, probe)?,
        }
    }
    Ok(())
}

/// A packet of no remembered flow.
fn open(
    cx: &Context<'_>,
    eni: EniIdx,
    direction: Direction,
    key: FlowKey,
    recorded: Option<&Conn>,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<(), DropReason> {
    let begins = Beginning::of(draft);
    let selector = draft.selector();
    let evaluation = evaluate(cx, eni, direction, direction, &selector, draft);
    let remembered = begins != Beginning::Nothing;
    let auto_tracked = || match direction {
        Direction::Inbound => draft.auto_tracked,
        Direction::Outbound => subnet::is_auto_tracked(cx, cx.fabric.enis[eni].subnet, draft),
    };
    // The dearest question last: it looks up a route.
    let untracked = evaluation.first.is_some()
        && evaluation.for_everybody
        && answers_pass(cx, eni, direction, draft)
        && !auto_tracked();
    let tracking = if untracked { Tracking::Untracked } else { Tracking::Tracked };
    let is_stray = matches!(draft.headers.transport, Transport::Tcp(tcp) if !tcp.flags.is_opening());
    if is_stray && tracking == Tracking::Tracked && cx.fabric.settings.mid_stream_tcp == MidStreamTcp::Drop {
        return deny(probe, DropReason::MidStreamTcp { eni });
    }
    match evaluation.first {
        Some(rule) => probe.step(|| Step::SecurityGroup {
            eni,
            direction,
            decision: GroupDecision::Rule {
                group: rule.group,
                declared_at: rule.declared_at,
                tracking: remembered.then_some(tracking),
            },
        }),
        None => refuse(cx, eni, direction, direction, &selector, draft, probe)?,
    }
    if !remembered {
        return Ok(());
    }
    let instance = cx.fabric.enis[eni].attachment.map(|(instance, _)| cx.fabric.instances.slot(instance));
    let mut conn = Conn::opening(direction, tracking, &draft.headers.transport, instance, cx.now);
    if direction == Direction::Outbound && tracking == Tracking::Tracked {
        conn.entries = subnet::tracked_entries(cx, cx.fabric.enis[eni].subnet, draft.headers.dst);
    }
    if let (Direction::Inbound, true, Path::Peering(peering)) = (direction, draft.auto_tracked, draft.path) {
        conn.return_path = Some(cx.fabric.peerings.slot(peering));
    }
    let limit = cx.fabric.settings.connection_limit_per_instance;
    match cx.flows.room_for(&conn, recorded, limit) {
        Room::Enough => {}
        Room::AllowanceExceeded => return Err(DropReason::ConnectionLimit { eni }),
        Room::MemoryFull => return Err(DropReason::FlowMemoryFull),
    }
    let replaces = recorded.map(|conn| conn.last_seen);
    draft.record(Effect::Open { eni: cx.fabric.enis.slot(eni), key, conn, replaces })
}

/// What a packet of no remembered flow begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// A flow, as far as anybody can tell: TCP without SYN may be one whose opening was not seen (CT-19).
    Flow,
    /// Nothing: an answer to nobody, an error, the end of a connection. Rules decide and nothing is remembered.
    Nothing,
}

impl Beginning {
    fn of(draft: &Draft) -> Self {
        match draft.headers.transport {
            Transport::Tcp(tcp) if tcp.flags.rst() => Self::Nothing,
            Transport::Icmp(icmp) => match icmp.message {
                IcmpMessage::Query { .. } if !is_reply(draft.headers.protocol, icmp.icmp_type) => Self::Flow,
                _ => Self::Nothing,
            },
            Transport::Tcp(_) | Transport::Udp { .. } | Transport::Other | Transport::LaterFragment => {
                Self::Flow
            }
        }
    }
}

/// What the rules of one direction say.
struct Evaluation<'a> {
    /// The first rule that allows the packet.
    first: Option<&'a PolicyRule>,
    /// Whether one that does so is for 0.0.0.0/0 or ::/0 (CT-03).
    for_everybody: bool,
}

/// Asks the rules of direction `rules` about a packet with `selector`. The packet itself goes in `direction`, so
/// its far end is known; with `rules` opposed to `direction` its mirror image is meant.
fn evaluate<'a>(
    cx: &Context<'a>,
    eni: EniIdx,
    rules: Direction,
    direction: Direction,
    selector: &Selector,
    draft: &Draft,
) -> Evaluation<'a> {
    let far_end = match direction {
        Direction::Inbound => draft.headers.src,
        Direction::Outbound => draft.headers.dst,
    };
    let mut evaluation = Evaluation { first: None, for_everybody: false };
    for rule in &cx.fabric.policy(eni, rules).rules {
        if !selector.is_covered_by(&rule.traffic) {
            continue;
        }
        let is_meant = match rule.peer {
            Peer::Cidr(cidr) => cidr.contains(far_end),
            Peer::Group(group) => is_member(cx, eni, direction, far_end, draft, group),
            Peer::Nobody => false,
        };
        if is_meant {
            evaluation.first.get_or_insert(rule);
            evaluation.for_everybody |= is_everybody(rule, far_end);
        }
    }
    evaluation
}

/// Whether a reference would let the packet in, had a middlebox not forwarded it (SG-13).
fn lost_reference(
    cx: &Context<'_>,
    eni: EniIdx,
    direction: Direction,
    selector: &Selector,
    draft: &Draft,
) -> bool {
    if direction == Direction::Outbound || draft.sender.is_some() {
        return false;
    }
    let owner = cx.fabric.interface_at(cx.fabric.enis[eni].vpc, draft.headers.src);
    let refers = |rule: &PolicyRule| {
        matches!(rule.peer, Peer::Group(group)
            if owner.is_some_and(|owner| cx.fabric.enis[owner].security_groups.contains(&group)))
    };
    let mut rules = cx.fabric.policy(eni, direction).rules.iter();
    rules.any(|rule| refers(rule) && selector.is_covered_by(&rule.traffic))
}

/// Whether the interface at the far end is in `group`, as far as group references may know (SG-08): of an arriving packet
/// the interface that sent it, of a leaving one the owner of its destination in the VPC or in a peer of it (SG-10).
fn is_member(
    cx: &Context<'_>,
    eni: EniIdx,
    direction: Direction,
    far_end: IpAddr,
    draft: &Draft,
    group: SecurityGroupIdx,
) -> bool {
    let is_in_it = |member: EniIdx| cx.fabric.enis[member].security_groups.contains(&group);
    match direction {
        Direction::Inbound => draft.sender.is_some_and(is_in_it),
        Direction::Outbound => {
            let own = cx.fabric.enis[eni].vpc;
            let around = std::iter::once(&own).chain(&cx.fabric.vpcs[own].peers);
            around.filter_map(|vpc| cx.fabric.interface_at(*vpc, far_end)).any(is_in_it)
        }
    }
}

/// Whether TCP or UDP answers to this packet pass by a rule for everybody on all ports (CT-03).
fn answers_pass(cx: &Context<'_>, eni: EniIdx, direction: Direction, draft: &Draft) -> bool {
    let protocol = draft.headers.protocol;
    if !matches!(protocol, Protocol::TCP | Protocol::UDP) {
        return false;
    }
    cx.fabric
        .policy(eni, direction.reversed())
        .rules
        .iter()
        .any(|rule| is_everybody(rule, draft.headers.src) && covers_all_ports(rule, protocol))
}

/// Whether a rule is for 0.0.0.0/0, or ::/0, in the family of `address`.
fn is_everybody(rule: &PolicyRule, address: IpAddr) -> bool {
    matches!(rule.peer, Peer::Cidr(cidr) if cidr.net().prefix_len() == 0 && cidr.contains(address))
}

fn covers_all_ports(rule: &PolicyRule, protocol: Protocol) -> bool {
    let lowest = Selector { protocol, port: 0, icmp: None };
    let highest = Selector { protocol, port: u16::MAX, icmp: None };
    lowest.is_covered_by(&rule.traffic) && highest.is_covered_by(&rule.traffic)
}

/// Reports that no rule of direction `rules` allows the packet.
fn refuse(
    cx: &Context<'_>,
    eni: EniIdx,
    rules: Direction,
    direction: Direction,
    selector: &Selector,
    draft: &Draft,
    probe: &mut impl Probe,
) -> Result<(), DropReason> {
    let policy = cx.fabric.policy(eni, rules);
    if let Some(unknown) = policy.unknown {
        probe.step(|| Step::SecurityGroup { eni, direction: rules, decision: GroupDecision::Unknown });
        return deny(probe, DropReason::NotModelled(unknown));
    }
    probe.step(|| Step::SecurityGroup { eni, direction: rules, decision: GroupDecision::Denied });
    let has_rules = !policy.rules.is_empty();
    let lost_reference = rules == direction && lost_reference(cx, eni, direction, selector, draft);
    deny(probe, DropReason::SecurityGroup { eni, direction: rules, has_rules, lost_reference })
}
