//! Which VPCs are joined although they have addresses in common?
//!
//! A peering connection between two such never comes to be (PCX-01). A VPC that peers with two such sends what it has for
//! one to whichever its routes prefer, and replies may reach the other (PCX-12). A transit gateway propagates of two such
//! only the first (TGW-11).

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use vpclab_api::{Finding, Severity};
use vpclab_model::{AttachmentName, PeeringState, RouteTarget, Topology, VpcName, VpcPeeringConnectionName};

use super::catalogue::OVERLAPPING_PEERS;
use super::{Lint, citing};

pub(super) fn check(cx: &Lint<'_>) -> Vec<Finding> {
    let topology = cx.topology;
    let mut found = Vec::new();
    let mut peers: BTreeMap<&VpcName, Vec<(&VpcPeeringConnectionName, &VpcName)>> = BTreeMap::new();
    for (name, peering) in &topology.vpc_peering_connections {
        let (vpc, peer) = (&peering.vpc, &peering.peer_vpc);
        let in_common = in_common(topology, vpc, peer);
        if peering.state == PeeringState::Failed
            && let Some((one, other)) = in_common
        {
            let reason =
                format!("{one} of VPC {vpc} and {other} of VPC {peer} overlap, so the connection has failed");
            let remedy = "give one of them other blocks, or join them by private NAT gateways".to_owned();
            found.push(citing(OVERLAPPING_PEERS.about(name, reason, remedy), &["PCX-01"]));
        }
        if peering.state == PeeringState::Active {
            peers.entry(vpc).or_default().push((name, peer));
            peers.entry(peer).or_default().push((name, vpc));
        }
    }
    for (vpc, peers) in peers {
        for (place, (one, first)) in peers.iter().enumerate() {
            for (other, second) in &peers[place + 1..] {
                let Some((a, b)) = in_common(topology, first, second) else { continue };
                if !has_routes(topology, vpc, one) || !has_routes(topology, vpc, other) {
                    continue;
                }
                let reason = format!(
                    "its peers {first} (by {one}) and {second} (by {other}) overlap in {a} and {b}: what goes to one may \
                     reach the other, replies too"
                );
                let remedy =
                    "route only the blocks or addresses that are needed of each, none of them to both"
                        .to_owned();
                let finding = citing(OVERLAPPING_PEERS.about(vpc, reason, remedy), &["PCX-12"]);
                found.push(Finding { severity: Severity::Warning, ..finding });
            }
        }
    }
    found.extend(transit(topology));
    found
}

/// Attachments of which a transit gateway propagates less than all.
fn transit(topology: &Topology) -> Vec<Finding> {
    let propagating: BTreeSet<&AttachmentName> = topology
        .transit_gateway_route_tables
        .values()
        .filter(|table| table.labels.not_modelled.is_none())
        .flat_map(|table| &table.propagations)
        .collect();
    let mut found = Vec::new();
    for (name, attachment) in &topology.transit_gateway_vpc_attachments {
        let is_meant = propagating.contains(&AttachmentName::Vpc(name.clone()));
        if attachment.not_propagated.is_empty() || !is_meant {
            continue;
        }
        let others = topology.transit_gateway_vpc_attachments.values().filter(|other| {
            other.transit_gateway == attachment.transit_gateway && other.vpc != attachment.vpc
        });
        let other = others
            .map(|other| &other.vpc)
            .find(|other| in_common(topology, &attachment.vpc, other).is_some());
        let blocks: Vec<String> = attachment.not_propagated.iter().map(ToString::to_string).collect();
        let (gateway, vpc) = (&attachment.transit_gateway, &attachment.vpc);
        let other = other.map_or_else(|| "another VPC".to_owned(), |other| format!("VPC {other}"));
        let reason = format!(
            "transit gateway {gateway} does not propagate {} of VPC {vpc}, which {other} has too",
            blocks.join(", ")
        );
        let remedy = "give one of them other blocks, or write static routes for what is meant".to_owned();
        let finding = citing(OVERLAPPING_PEERS.about(name, reason, remedy), &["TGW-11"]);
        found.push(Finding { severity: Severity::Warning, ..finding });
    }
    found
}

/// Two blocks of two VPCs that overlap.
fn in_common(topology: &Topology, one: &VpcName, other: &VpcName) -> Option<(IpNet, IpNet)> {
    let blocks = |vpc: &VpcName| -> Vec<IpNet> {
        let known = topology.vpcs.get(vpc).filter(|vpc| vpc.labels.not_modelled.is_none());
        known.map(|vpc| vpc.cidr_blocks().collect()).unwrap_or_default()
    };
    let (ours, theirs) = (blocks(one), blocks(other));
    let pairs = ours.iter().flat_map(|a| theirs.iter().map(move |b| (*a, *b)));
    pairs.into_iter().find(|(a, b)| a.contains(b) || b.contains(a))
}

/// Whether a VPC has routes over a peering connection.
fn has_routes(topology: &Topology, vpc: &VpcName, peering: &VpcPeeringConnectionName) -> bool {
    let tables = topology.route_tables.values().filter(|table| table.vpc == *vpc);
    tables
        .flat_map(|table| &table.routes)
        .any(|route| route.target == RouteTarget::VpcPeeringConnection(peering.clone()))
}
