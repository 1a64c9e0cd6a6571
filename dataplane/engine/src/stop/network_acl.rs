//! May the packet cross this subnet's edge? (area NACL)
//!
//! Entries in ascending order, the first match decides, the final `*` denies (NACL-01, NACL-02). Stateless: asked for
//! every packet in both directions (NACL-04).

use vpclab_model::RuleAction;

use crate::fabric::Direction;
use crate::index::SubnetIdx;
use crate::packet::Draft;
use crate::plan::{Context, deny};
use crate::reason::DropReason;
use crate::step::{Probe, Step};

/// Asks the network ACL of `subnet` about a packet that crosses its edge in `direction`.
pub(crate) fn guard(
    cx: &Context<'_>,
    subnet: SubnetIdx,
    direction: Direction,
    draft: &Draft,
    probe: &mut impl Probe,
) -> Result<(), DropReason> {
    let index = cx.fabric.subnets[subnet].network_acl;
    let selector = draft.selector();
    let far_end = match direction {
        Direction::Inbound => draft.headers.src,
        Direction::Outbound => draft.headers.dst,
    };
    let acl = &cx.fabric.network_acls[index];
    if let Some(unknown) = acl.unknown {
        return deny(probe, DropReason::NotModelled(unknown));
    }
    let matched = acl
        .entries
        .of(direction)
        .iter()
        .find(|entry| selector.is_covered_by(&entry.traffic) && entry.cidr.contains(far_end));
    let rule = matched.map(|entry| entry.rule_number);
    let allowed = matched.is_some_and(|entry| entry.action == RuleAction::Allow);
    probe.step(|| Step::NetworkAcl { network_acl: index, subnet, direction, rule, allowed });
    if allowed {
        Ok(())
    } else {
        deny(probe, DropReason::NetworkAcl { network_acl: index, subnet, direction, rule })
    }
}
