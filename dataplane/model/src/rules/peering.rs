//! Which VPC peering connections carry packets? (area PCX)

use std::collections::BTreeMap;

use crate::declared::DeclaredVpcPeeringConnection;
use crate::log::Place;
use crate::name::{VpcName, VpcPeeringConnectionName};
use crate::reader::Given;
use crate::register::Context;
use crate::resources::{PeeringState, Vpc, VpcPeeringConnection};
use crate::space::{overlap_v4, overlap_v6};

/// The connections between VPCs that exist.
pub(super) fn build(
    cx: &Context<'_>,
    vpcs: &BTreeMap<VpcName, Vpc>,
) -> BTreeMap<VpcPeeringConnectionName, VpcPeeringConnection> {
    let mut connections: BTreeMap<VpcPeeringConnectionName, VpcPeeringConnection> = BTreeMap::new();
    for (name, declared) in &cx.declared.vpc_peering_connections {
        let resolve = |given: &Given<String>| cx.registers.vpcs.resolve(cx.log, given.written()?);
        let ends = (resolve(&declared.vpc), resolve(&declared.peer_vpc));
        let (Some(vpc), Some(peer_vpc)) = ends else { continue };
        if vpc == peer_vpc {
            let problem = format!("VPC {vpc} cannot be its own peer");
            cx.log.report(
                &declared.at.attribute("peer_vpc"),
                "InvalidParameterValue",
                problem,
                "name another VPC",
            );
            continue;
        }
        check_homes(cx, declared, &vpc, &peer_vpc);
        check_added_blocks(cx, name, [&vpc, &peer_vpc], vpcs);
        let state = state(declared, vpcs.get(&vpc), vpcs.get(&peer_vpc));
        if let (Some(accepted), Some(state)) = (declared.auto_accept.written(), declared.state.written())
            && accepted.value != (state.value == PeeringState::Active)
        {
            cx.log.report(
                &state.at,
                "InvalidParameterCombination",
                "this and `auto_accept` contradict each other",
                "give one of the two",
            );
        }
        // PCX-06: at most one that lives between two VPCs.
        let lives = |state| matches!(state, PeeringState::Active | PeeringState::PendingAcceptance);
        let twin = connections.iter().find(|(_, other)| {
            let same = (&other.vpc, &other.peer_vpc) == (&vpc, &peer_vpc)
                || (&other.vpc, &other.peer_vpc) == (&peer_vpc, &vpc);
            same && lives(other.state) && lives(state) && !matches!(declared.state, Given::Wrong)
        });
        if let Some((other, _)) = twin {
            cx.log.report(
                &declared.at,
                "VpcPeeringConnectionAlreadyExists",
                format!("the VPC peering connection {other} already joins {vpc} and {peer_vpc}"),
                "two VPCs have one: remove one of the two",
            );
        }
        let connection = VpcPeeringConnection { vpc, peer_vpc, state, labels: declared.labels.clone() };
        connections.insert(name.clone(), connection);
    }
    connections
}

/// What the connection says of its far end must be so; and only somebody in the account and region of both VPCs can
/// accept it with the same call that asks for it.
fn check_homes(cx: &Context<'_>, declared: &DeclaredVpcPeeringConnection, vpc: &VpcName, peer_vpc: &VpcName) {
    let (Some(home), Some(peer_home)) = (cx.home_of(Some(vpc)), cx.home_of(Some(peer_vpc))) else { return };
    let stated = [
        declared.peer_region.written().map(|told| (&told.at, &told.value.0, &peer_home.region, "in region")),
        declared.peer_owner.written().map(|told| (&told.at, &told.value.0, &peer_home.owner, "of account")),
    ];
    for (at, told, found, what) in stated.into_iter().flatten().filter(|(_, told, found, _)| told != found) {
        cx.log.report(
            at,
            "InvalidVpcID.NotFound",
            format!("VPC {peer_vpc} is {what} {found}, not {told}"),
            "leave this out, or say what the VPC says",
        );
    }
    if let (Some(written), Some([here, there])) = (declared.auto_accept.written(), home.apart(&peer_home))
        && written.value
    {
        cx.log.report(
            &written.at,
            "InvalidParameterCombination",
            format!("VPC {vpc} is {here} and VPC {peer_vpc} {there}, so that the other side has to accept"),
            "say `\"state\": \"active\"` for one that it has accepted",
        );
    }
}

/// What a VPC cannot add while a connection of before still stands: a block that overlaps its peer's (ADDR-17); the one
/// that asked, any block before the other has answered (ADDR-18).
fn check_added_blocks(
    cx: &Context<'_>,
    name: &VpcPeeringConnectionName,
    ends: [&VpcName; 2],
    vpcs: &BTreeMap<VpcName, Vpc>,
) {
    let Some(previous) = cx.previous else { return };
    let Some(before) = previous.vpc_peering_connections.get(name) else { return };
    let [Some(vpc), Some(peer)] = ends.map(|end| vpcs.get(end)) else { return };
    if [&before.vpc, &before.peer_vpc] != ends {
        return;
    }
    for (end, now) in [(ends[0], vpc), (ends[1], peer)] {
        let Some(then) = previous.vpcs.get(end) else { continue };
        let has_grown = now.cidr_blocks().any(|block| !then.cidr_blocks().any(|other| other == block));
        let (code, problem) = match before.state {
            PeeringState::Active if has_grown && overlap(vpc, peer) => (
                "InvalidVpc.Range",
                format!("the peer at the other end of {name} has addresses of a new block"),
            ),
            PeeringState::PendingAcceptance if has_grown && end == ends[0] => (
                "OperationNotPermitted",
                format!("{name} waits to be accepted, and this VPC has asked for it"),
            ),
            _ => continue,
        };
        let remedy = "leave the new block out, or remove the connection first";
        cx.log.report(&Place::resource(end), code, problem, remedy);
    }
}

/// PCX-01: an overlap of any two blocks fails the connection, and that is no error. PCX-11: unaccepted it waits.
fn state(declared: &DeclaredVpcPeeringConnection, vpc: Option<&Vpc>, peer: Option<&Vpc>) -> PeeringState {
    if vpc.zip(peer).is_some_and(|(vpc, peer)| overlap(vpc, peer)) {
        return PeeringState::Failed;
    }
    match (declared.state.value(), declared.auto_accept.value()) {
        (Some(state), _) => *state,
        (None, Some(true)) => PeeringState::Active,
        (None, _) => PeeringState::PendingAcceptance,
    }
}

/// Whether any two blocks of the two overlap.
pub(super) fn overlap(a: &Vpc, b: &Vpc) -> bool {
    a.ipv4_blocks().any(|a| b.ipv4_blocks().any(|b| overlap_v4(&a, &b)))
        || a.ipv6_cidr_blocks.iter().any(|a| b.ipv6_cidr_blocks.iter().any(|b| overlap_v6(a, b)))
}
