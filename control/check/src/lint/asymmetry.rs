//! Where do request and reply take different ways?
//!
//! By other gateways, or past an appliance that the other direction passes: whatever keeps state on one of the ways sees
//! half of the connection (TGW-21). Asked between visitors, and of those whom the internet reaches.

use std::collections::{BTreeMap, BTreeSet};

use vpclab_api::Finding;
use vpclab_engine::explain::{End, Explanation};
use vpclab_engine::{EniIdx, Fabric, Step};
use vpclab_model::{Kind, kind};
use vpclab_wire::Protocol;

use super::asking::{self, SOME_SERVER};
use super::catalogue::ASYMMETRIC_ROUTE;
use super::signatures::kinds;
use super::{Lint, and_more, citing};

pub(super) fn check(cx: &Lint<'_>) -> Vec<Finding> {
    let fabric = cx.fabric;
    let visitors = asking::visitors(cx);
    let steered = asking::steered_vpcs(cx.topology);
    let mut found: BTreeMap<(&'static str, String), (String, String, usize)> = BTreeMap::new();
    let mut look = |(from, to): (End, End), ipv6: bool| {
        let told = asking::packet(fabric, (from, to), ipv6, (Protocol::TCP, SOME_SERVER));
        let Some(told) = told else { return };
        if let Some((kind, name, how, remedy)) = asymmetry(cx, &told) {
            let (from, to) = (asking::name_of(fabric, from), asking::name_of(fabric, to));
            let text = format!("{from} → {to}: {how}");
            found.entry((kind, name)).or_insert((text, remedy, 0)).2 += 1;
        }
    };
    for ipv6 in [false, true] {
        let internet = asking::internet(fabric, ipv6);
        for from in visitors.iter().flatten() {
            for to in visitors.iter().flatten() {
                let is_pair = from.eni != to.eni && (from.vpc != to.vpc || steered.contains(&from.vpc));
                if is_pair && asking::has(fabric, from.eni, ipv6) && asking::has(fabric, to.eni, ipv6) {
                    look((asking::interface(from.eni), asking::interface(to.eni)), ipv6);
                }
            }
            for host in asking::listening_customers(cx) {
                look((asking::interface(from.eni), End::Host(host)), ipv6);
            }
            for &host in &cx.customers {
                look((End::Host(host), asking::interface(from.eni)), ipv6);
            }
        }
        for host in kinds(cx.topology, fabric, false, |_, _| true).iter().filter_map(|kin| kin.first()) {
            for face in asking::faces(fabric, host.eni, ipv6) {
                look((internet, face), ipv6);
            }
            look((asking::interface(host.eni), internet), ipv6);
        }
    }
    let finding =
        |((kind, name), (text, remedy, pairs)): ((&'static str, String), (String, String, usize))| {
            let more = and_more(pairs);
            let finding = ASYMMETRIC_ROUTE.about_kind(kind, &name, format!("{text}{more}"), remedy);
            citing(finding, &["TGW-21"])
        };
    found.into_iter().map(finding).collect()
}

/// What is passed in one direction only: the resource, in words, and what would be right.
fn asymmetry(cx: &Lint<'_>, told: &Explanation) -> Option<(&'static str, String, String, String)> {
    let fabric = cx.fabric;
    let is_lost = told.blockers.iter().any(|blocker| !asking::is_filter(&blocker.reason));
    let back = told.back.as_ref().filter(|back| back.egress.is_some() && !is_lost)?;
    for ways in told.middleboxes.iter().filter(|ways| ways.returns) {
        let (there, returning) = (names(fabric, &ways.forward), names(fabric, &ways.back));
        let Some(name) = returning.difference(&there).chain(there.difference(&returning)).next() else {
            continue;
        };
        let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
        let how = match (there.is_empty(), returning.is_empty()) {
            (_, true) => format!("the request passes {} and the reply does not", list(&there)),
            (true, _) => format!("the reply passes {} and the request does not", list(&returning)),
            _ => format!("the request passes {} and the reply {}", list(&there), list(&returning)),
        };
        let by_transit = told.forward.steps.iter().any(|step| matches!(step, Step::TransitGateway { .. }));
        let remedy = match (by_transit, there.is_empty() || returning.is_empty()) {
            (true, false) => {
                "set `appliance_mode_support` of the attachment of the appliances' VPC to enable".to_owned()
            }
            _ => "lead both directions through it, or neither".to_owned(),
        };
        return Some((kind::Instance::PLURAL, name.clone(), how, remedy));
    }
    let (there, returning) = (asking::passed(fabric, &told.forward), asking::passed(fabric, back));
    if there == returning || told.by_choice {
        return None;
    }
    let list = |ways: &BTreeSet<(&'static str, String)>| {
        let names: Vec<String> = ways.iter().map(|(noun, name)| format!("{noun} {name}")).collect();
        if names.is_empty() { "no gateway".to_owned() } else { names.join(", ") }
    };
    let table = back.steps.iter().find_map(|step| match step {
        Step::Route { route_table, matched: Some((block, _)) } => {
            Some((fabric.route_tables[*route_table].name.to_string(), block))
        }
        _ => None,
    });
    let (table, block) = table?;
    let how = format!("the request takes {} and the reply {} (by `{block}`)", list(&there), list(&returning));
    let remedy = "lead both directions the same way".to_owned();
    Some((kind::RouteTable::PLURAL, table, how, remedy))
}

/// The instances whose interfaces these are.
fn names(fabric: &Fabric, passed: &BTreeSet<(EniIdx, EniIdx)>) -> BTreeSet<String> {
    passed.iter().map(|(eni, _)| asking::name_of(fabric, asking::interface(*eni))).collect()
}
