//! Which security groups may a rule or an interface name? (SG-10, SG-12, SG-14, SG-23, SG-24, PCX-17)

use std::collections::BTreeMap;

use crate::declared::DEFAULT;
use crate::name::{SecurityGroupName, VpcName, VpcPeeringConnectionName};
use crate::reader::Written;
use crate::register::{Context, is_made_by_aws};
use crate::resources::{Peer, PeeringState, VpcPeeringConnection};
use crate::rules::transit;
use crate::shape::is_account;

/// The code for a group that is not there, or not to be seen from here (ERR-08).
const NOT_FOUND: &str = "InvalidGroup.NotFound";

/// What lies between the VPCs of a rule and of the group that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    /// A connection over which the group is known.
    Live,
    /// One that carries nothing, or not any more.
    Ended,
    /// Nothing.
    Nothing,
}

/// The VPC peering connections, by which groups of other VPCs are known.
pub(super) type Peerings = BTreeMap<VpcPeeringConnectionName, VpcPeeringConnection>;

/// Where a rule stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct From<'a> {
    pub(super) peerings: &'a Peerings,
    /// The VPC of the rule's group.
    pub(super) vpc: Option<&'a VpcName>,
    /// Whether it is an inbound rule: only those know the groups of VPCs beyond a transit gateway (SG-10).
    pub(super) inbound: bool,
}

/// Whom a reference in a rule means, and whether the rule is stale.
pub(super) fn of_rule(
    cx: &Context<'_>,
    from: &From<'_>,
    reference: &Written<String>,
) -> Option<(Peer, bool)> {
    let From { peerings, vpc, inbound } = *from;
    let groups = &cx.registers.security_groups;
    let Some(vpc) = vpc else {
        // The VPC has been reported; the group must exist all the same.
        let named = (reference.value != DEFAULT).then(|| groups.resolve(cx.log, reference)).flatten();
        return named.map(|group| (Peer::Group(group), false));
    };
    let (account, word) = account_and_group(&reference.value);
    if reference.value == DEFAULT {
        let own = groups.resolve_inside(cx.log, reference, vpc, Some(DEFAULT), NOT_FOUND)?;
        return Some((Peer::Group(own), false));
    }
    let Some(group) = groups.find(word).cloned() else {
        let unknown = account.filter(|account| is_group_id(word) && has_peer_of(cx, peerings, vpc, account));
        if unknown.is_some() {
            return Some((Peer::UnknownGroup(reference.value.clone()), false));
        }
        return groups.resolve(cx.log, reference).map(|group| (Peer::Group(group), false));
    };
    // One whose VPC does not exist has been reported.
    let Some(other) = groups.owner(&group) else { return Some((Peer::Group(group), false)) };
    let home = cx.home_of(Some(other));
    if let (Some(account), Some(home)) = (account, &home)
        && account != home.owner
    {
        let problem = format!("the security group {group} is of account {}, not of {account}", home.owner);
        cx.log.report(&reference.at, NOT_FOUND, problem, format!("say {}/{word}", home.owner));
        return None;
    }
    if other == vpc || is_associated(cx, &group, vpc) {
        return Some((Peer::Group(group), false));
    }
    // PCX-17, PCX-19
    if let Some([there, here]) = home.and_then(|home| home.apart(&cx.home_of(Some(vpc))?))
        && there.starts_with("in region")
    {
        let problem = format!("the security group {group} is {there}, VPC {vpc} {here}");
        cx.log.report(&reference.at, NOT_FOUND, problem, "name the addresses instead: `cidr_blocks`");
        return None;
    }
    if inbound && transit::joins_groups(cx, vpc, other) {
        return Some((Peer::Group(group), false));
    }
    match between(peerings, vpc, other) {
        Between::Live => Some((Peer::Group(group), false)),
        Between::Ended => Some((Peer::Group(group), true)),
        Between::Nothing => {
            let problem = format!("the security group {group} belongs to VPC {other}, not to VPC {vpc}");
            let further = if inbound {
                ", or one that a transit gateway joins with it, where the gateway and both attachments have \
                 `security_group_referencing_support`"
            } else {
                ""
            };
            let remedy = format!("use one of VPC {vpc}, or one of a VPC that is its peer{further}");
            cx.log.report(&reference.at, NOT_FOUND, problem, remedy);
            None
        }
    }
}

/// The group that a reference of an interface in `vpc` means: one of the VPC, or one associated with it (SG-23).
pub(super) fn of_interface(
    cx: &Context<'_>,
    vpc: &VpcName,
    reference: &Written<String>,
) -> Option<SecurityGroupName> {
    let groups = &cx.registers.security_groups;
    let associated = groups.find(&reference.value).filter(|group| is_associated(cx, group, vpc));
    associated.cloned().or_else(|| groups.resolve_inside(cx.log, reference, vpc, Some(DEFAULT), NOT_FOUND))
}

/// The further VPCs of a group (SG-23).
pub(super) fn associations(
    cx: &Context<'_>,
    group: &SecurityGroupName,
    vpc: Option<&VpcName>,
) -> Vec<VpcName> {
    let Some(declared) = cx.declared.security_groups.get(group) else { return Vec::new() };
    let mut associated = Vec::new();
    for reference in &declared.vpc_associations.items {
        let Some(other) = cx.registers.vpcs.resolve(cx.log, reference) else { continue };
        let homes = cx.home_of(vpc).zip(cx.home_of(Some(&other)));
        let mistake = if is_made_by_aws(group, DEFAULT) {
            let problem = "a default security group serves in its own VPC only".to_owned();
            Some(("InvalidParameterValue", problem, "declare another group"))
        } else if vpc == Some(&other) || associated.contains(&other) {
            let problem = format!("the group is in VPC {other} already");
            Some(("InvalidParameterValue", problem, "name each further VPC once"))
        } else {
            homes.and_then(|(here, there)| there.apart(&here)).map(|[there, here]| {
                let problem = format!("VPC {other} is {there}, the group {here}");
                ("InvalidVpcID.NotFound", problem, "name VPCs of the group's region and account")
            })
        };
        match mistake {
            Some((code, problem, remedy)) => cx.log.report(&reference.at, code, problem, remedy),
            None => associated.push(other),
        }
    }
    associated
}

fn is_associated(cx: &Context<'_>, group: &SecurityGroupName, vpc: &VpcName) -> bool {
    let declared = cx.declared.security_groups.get(group);
    let mut named = declared.into_iter().flat_map(|group| &group.vpc_associations.items);
    named.any(|reference| cx.registers.vpcs.find(&reference.value) == Some(vpc))
}

/// `210987654321/sg-0123456789abcdef0` names the account too (SG-14); a VPC's default group has a slash of its own.
fn account_and_group(reference: &str) -> (Option<&str>, &str) {
    match reference.split_once('/') {
        Some((account, group)) if is_account(account) => (Some(account), group),
        _ => (None, reference),
    }
}

/// ERR-43: seventeen hexadecimal digits, or the eight of old.
fn is_group_id(text: &str) -> bool {
    text.strip_prefix("sg-").is_some_and(|digits| {
        matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn has_peer_of(cx: &Context<'_>, peerings: &Peerings, vpc: &VpcName, account: &str) -> bool {
    let mut others = peerings.values().filter_map(|peering| other_end(peering, vpc));
    others.any(|other| cx.home_of(Some(other)).is_some_and(|home| home.owner == account))
}

fn between(peerings: &Peerings, vpc: &VpcName, other: &VpcName) -> Between {
    let mut all = peerings.values().filter(|peering| other_end(peering, vpc) == Some(other)).peekable();
    if all.peek().is_none() {
        return Between::Nothing;
    }
    if all.any(|peering| peering.state == PeeringState::Active) { Between::Live } else { Between::Ended }
}

fn other_end<'a>(peering: &'a VpcPeeringConnection, vpc: &VpcName) -> Option<&'a VpcName> {
    match (&peering.vpc, &peering.peer_vpc) {
        (one, other) | (other, one) if one == vpc => Some(other),
        _ => None,
    }
}
