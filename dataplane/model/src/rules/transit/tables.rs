//! Where do the tables of a transit gateway lead?

use std::collections::{BTreeMap, BTreeSet};

use super::INVALID;
use super::in_force::{Candidate, in_force};
use super::sides::{Side, side};
use crate::declared::DeclaredTransitGatewayRoute;
use crate::name::{ManagedPrefixListName, TransitGatewayName, TransitGatewayRouteTableName};
use crate::reader::Given;
use crate::register::Context;
use crate::resources::{
    AttachmentName, AttachmentState, ManagedPrefixList, TransitGateway, TransitGatewayRouteSource,
    TransitGatewayRouteState, TransitGatewayRouteTable, default_table_of,
};

/// The tables whose gateway exists.
pub(super) fn route_tables(
    cx: &Context<'_>,
    gateways: &BTreeMap<TransitGatewayName, TransitGateway>,
    sides: &[Side<'_>],
    lists: &BTreeMap<ManagedPrefixListName, ManagedPrefixList>,
) -> BTreeMap<TransitGatewayRouteTableName, TransitGatewayRouteTable> {
    let register = &cx.registers.transit_gateway_route_tables;
    let mut owners: BTreeMap<&TransitGatewayRouteTableName, TransitGatewayName> = BTreeMap::new();
    for (name, _) in register.iter() {
        let declared = cx.declared.transit_gateway_route_tables.get(name);
        let gateway = match declared {
            Some(table) => table
                .transit_gateway
                .written()
                .and_then(|written| cx.registers.transit_gateways.resolve(cx.log, written)),
            None => gateways.keys().find(|gateway| default_table_of(gateway) == *name).cloned(),
        };
        owners.extend(gateway.map(|gateway| (name, gateway)));
    }
    let mut tables = BTreeMap::new();
    // Associations that the document states, before those by default: an attachment has one in each gateway (TGW-02).
    let mut associated: BTreeMap<(&TransitGatewayName, AttachmentName), &TransitGatewayRouteTableName> =
        BTreeMap::new();
    for (name, gateway) in &owners {
        let declared = cx.declared.transit_gateway_route_tables.get(*name);
        for written in declared.iter().flat_map(|table| &table.associations.items) {
            let Some(side) = side(cx, written, gateway, sides) else { continue };
            if !side.can_join(cx, &written.at) {
                continue;
            }
            if let Some(other) = associated.insert((gateway, side.name.clone()), name) {
                let problem = format!("the attachment {} is associated with {other} too", side.name);
                let remedy = "an attachment has one table: remove one of the two";
                cx.log.report(&written.at, "Resource.AlreadyAssociated", problem, remedy);
            }
        }
    }
    for side in sides.iter().filter(|side| side.state == AttachmentState::Available) {
        let default = gateways.get(side.gateway).filter(|g| g.default_route_table_association);
        if let Some(table) = default.and_then(|gateway| gateway.default_route_table.as_ref())
            && side.joins.association
            && let Some((table, _)) = owners.get_key_value(table)
        {
            associated.entry((side.gateway, side.name.clone())).or_insert(table);
        }
    }
    for (name, gateway) in &owners {
        let declared = cx.declared.transit_gateway_route_tables.get(*name);
        let mut propagations: BTreeSet<AttachmentName> = BTreeSet::new();
        for written in declared.iter().flat_map(|table| &table.propagations.items) {
            let Some(side) = side(cx, written, gateway, sides) else { continue };
            if !side.can_join(cx, &written.at) {
                continue;
            }
            if side.propagates.is_none() {
                // TGW-18
                let problem = format!("a peering attachment such as {} propagates nothing", side.name);
                let remedy = "give static routes to it in `routes`";
                cx.log.report(&written.at, INVALID, problem, remedy);
                continue;
            }
            propagations.insert(side.name.clone());
        }
        let settings = gateways.get(gateway);
        let is_default = settings.is_some_and(|gateway| {
            gateway.default_route_table_propagation && gateway.default_route_table.as_ref() == Some(*name)
        });
        let own = || sides.iter().filter(|side| side.gateway == gateway);
        if is_default {
            let joining =
                own().filter(|side| side.state == AttachmentState::Available && side.joins.propagation);
            propagations.extend(joining.filter(|s| s.propagates.is_some()).map(|side| side.name.clone()));
        }
        let mut candidates = Vec::new();
        for written in declared.iter().flat_map(|table| &table.routes) {
            declared_route(cx, written, gateway, sides, lists, &mut candidates);
        }
        for side in own().filter(|side| propagations.contains(&side.name)) {
            let Some((source, blocks)) = &side.propagates else { continue };
            candidates.extend(blocks.iter().map(|propagated| Candidate {
                destination: propagated.destination,
                source: *source,
                attachment: Some(side.name.clone()),
                state: TransitGatewayRouteState::Active,
                as_path: propagated.as_path.clone(),
                med: propagated.med,
            }));
        }
        tables.insert(
            (*name).clone(),
            TransitGatewayRouteTable {
                transit_gateway: gateway.clone(),
                associations: associated
                    .iter()
                    .filter(|((_, _), table)| *table == name)
                    .map(|((_, attachment), _)| attachment.clone())
                    .collect(),
                propagations: propagations.into_iter().collect(),
                routes: in_force(candidates, settings.is_some_and(|gateway| gateway.vpn_ecmp_support)),
                labels: declared.map(|table| table.labels.clone()).unwrap_or_default(),
            },
        );
    }
    tables
}

/// A declared route: to an attachment or into a blackhole, one for each destination (TGW-10); or a reference to a prefix
/// list, which makes as many routes as the list has entries (TGW-43).
fn declared_route(
    cx: &Context<'_>,
    written: &DeclaredTransitGatewayRoute,
    gateway: &TransitGatewayName,
    sides: &[Side<'_>],
    lists: &BTreeMap<ManagedPrefixListName, ManagedPrefixList>,
    candidates: &mut Vec<Candidate>,
) {
    let Some((attachment, state)) = target(cx, written, gateway, sides) else { return };
    let candidate = |destination, source| Candidate {
        destination,
        source,
        attachment: attachment.clone(),
        state,
        as_path: Vec::new(),
        med: 0,
    };
    match (&written.destination, &written.prefix_list) {
        (Given::Right(destination), Given::Absent) => {
            let source = TransitGatewayRouteSource::Static;
            let mut declared = candidates.iter().filter(|other| other.source == source);
            match declared.find(|other| other.destination == destination.value) {
                // To say the same twice is no mistake (OQ-28).
                Some(other) if other.attachment == attachment => {}
                Some(_) => cx.log.report(
                    &destination.at,
                    "RouteAlreadyExists",
                    format!("the table already has a route for {} with another target", destination.value),
                    "keep one of the two",
                ),
                None => candidates.push(candidate(destination.value, source)),
            }
        }
        (Given::Absent, Given::Right(reference)) => {
            let Some(name) = cx.registers.managed_prefix_lists.resolve(cx.log, reference) else { return };
            let blocks = lists.get(&name).into_iter().flat_map(ManagedPrefixList::blocks);
            candidates.extend(blocks.map(|block| candidate(block, TransitGatewayRouteSource::PrefixList)));
        }
        (Given::Right(_), Given::Right(reference)) => {
            let problem = "a route has one destination";
            cx.log.report(&reference.at, "InvalidParameterCombination", problem, "make two routes of it");
        }
        (Given::Absent, Given::Absent) => {
            let remedy = "give `destination_cidr_block` or `prefix_list`";
            cx.log.report(&written.at, "MissingParameter", "the route has no destination", remedy);
        }
        (Given::Wrong, _) | (_, Given::Wrong) => {}
    }
}

/// Where a declared route leads; no attachment stands for a blackhole.
fn target(
    cx: &Context<'_>,
    written: &DeclaredTransitGatewayRoute,
    gateway: &TransitGatewayName,
    sides: &[Side<'_>],
) -> Option<(Option<AttachmentName>, TransitGatewayRouteState)> {
    match (&written.attachment, written.blackhole) {
        (Given::Wrong, _) => None,
        (Given::Absent, true) => Some((None, TransitGatewayRouteState::Blackhole)),
        (Given::Right(reference), true) => {
            let problem = "a blackhole leads to no attachment";
            cx.log.report(&reference.at, "InvalidParameterCombination", problem, "give one of the two");
            None
        }
        (Given::Absent, false) => {
            let remedy = "give `attachment`, or `blackhole: true`";
            cx.log.report(&written.at, "MissingParameter", "the route leads nowhere", remedy);
            None
        }
        (Given::Right(reference), false) => {
            let side = side(cx, reference, gateway, sides)?;
            if side.state == AttachmentState::PendingAcceptance {
                // TGW-58
                let problem = format!("the attachment {} waits for acceptance", side.name);
                let remedy = "have it accepted: `state: \"available\"`";
                cx.log.report(&reference.at, "IncorrectState", problem, remedy);
                return None;
            }
            // A route outlives its attachment, and leads nowhere then (TGW-09).
            let works = side.state == AttachmentState::Available;
            let state =
                if works { TransitGatewayRouteState::Active } else { TransitGatewayRouteState::Blackhole };
            Some((Some(side.name.clone()), state))
        }
    }
}
