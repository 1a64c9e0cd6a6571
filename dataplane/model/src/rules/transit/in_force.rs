//! Which of the routes for one destination is in force?

use ipnet::IpNet;

use crate::resources::{
    AttachmentName, TransitGatewayRoute, TransitGatewayRouteSource, TransitGatewayRouteState,
};

/// A route that could be in force: of those for one destination the preferred one is.
pub(super) struct Candidate {
    pub(super) destination: IpNet,
    pub(super) source: TransitGatewayRouteSource,
    /// None in a blackhole.
    pub(super) attachment: Option<AttachmentName>,
    pub(super) state: TransitGatewayRouteState,
    pub(super) as_path: Vec<u32>,
    pub(super) med: u32,
}

/// Of the routes for each destination the preferred one (TGW-05..TGW-07), in the order of destinations. Equal ones of
/// VPN connections, where the gateway says so, and of Direct Connect gateways share the flows (TGW-19). Of equal ones that
/// do not, the first stays and the others could be it as well.
pub(super) fn in_force(mut candidates: Vec<Candidate>, vpn_shares: bool) -> Vec<TransitGatewayRoute> {
    candidates.sort_by_key(|c| (c.destination, c.source, c.as_path.len(), c.med));
    let mut routes: Vec<TransitGatewayRoute> = Vec::new();
    let mut first: Option<Candidate> = None;
    for candidate in candidates {
        match (&first, routes.last_mut()) {
            (Some(best), Some(route)) if best.destination == candidate.destination => {
                let shares = match candidate.source {
                    TransitGatewayRouteSource::Vpn => vpn_shares,
                    TransitGatewayRouteSource::DxGateway => true,
                    _ => false,
                };
                let rank = |c: &Candidate| (c.source, c.as_path.len(), c.med);
                let is_learnt = matches!(
                    candidate.source,
                    TransitGatewayRouteSource::Vpn | TransitGatewayRouteSource::DxGateway
                );
                if shares && rank(best) == rank(&candidate) && best.as_path == candidate.as_path {
                    route.attachments.extend(candidate.attachment);
                } else if is_learnt && rank(best) == rank(&candidate) {
                    route.equals.extend(candidate.attachment);
                }
            }
            _ => {
                routes.push(TransitGatewayRoute {
                    destination: candidate.destination,
                    attachments: candidate.attachment.iter().cloned().collect(),
                    equals: Vec::new(),
                    source: candidate.source,
                    state: candidate.state,
                });
                first = Some(candidate);
            }
        }
    }
    routes
}
