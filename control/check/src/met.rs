//! What have walks met that can tell one address from another?

use std::collections::BTreeSet;

use vpclab_engine::explain::End;
use vpclab_engine::{
    CustomerNetworkIdx, EniIdx, Fabric, NetworkAclIdx, RouteTableIdx, Step, TransitTableIdx, VpnGatewayIdx,
    explain as engine,
};

use crate::question::Question;

/// What walks have met that can tell one public address from another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Met {
    pub(crate) route_tables: BTreeSet<RouteTableIdx>,
    pub(crate) network_acls: BTreeSet<NetworkAclIdx>,
    pub(crate) enis: BTreeSet<EniIdx>,
    pub(crate) transit_tables: BTreeSet<TransitTableIdx>,
    pub(crate) vpn_gateways: BTreeSet<VpnGatewayIdx>,
    pub(crate) customer_networks: BTreeSet<CustomerNetworkIdx>,
}

impl Met {
    /// What the walks of an explanation met.
    pub(crate) fn of(told: &engine::Explanation) -> Self {
        Self::of_steps(told.forward.steps.iter().chain(told.back.iter().flat_map(|leg| &leg.steps)))
    }

    /// What was met where these steps were taken.
    pub(crate) fn of_steps<'s>(steps: impl Iterator<Item = &'s Step>) -> Self {
        let mut met = Self::default();
        for step in steps {
            match *step {
                Step::Route { route_table, .. } => drop(met.route_tables.insert(route_table)),
                Step::NetworkAcl { network_acl, .. } => drop(met.network_acls.insert(network_acl)),
                Step::SecurityGroup { eni, .. } => drop(met.enis.insert(eni)),
                Step::TransitRoute { table, .. } => drop(met.transit_tables.insert(table)),
                Step::VpnGateway { gateway, .. } => drop(met.vpn_gateways.insert(gateway)),
                Step::CustomerNetwork { network, .. } => drop(met.customer_networks.insert(network)),
                _ => {}
            }
        }
        met
    }

    /// What every walk from or to these ends will meet, whatever becomes of it.
    pub(crate) fn of_ends(fabric: &Fabric, question: &Question) -> Self {
        let mut met = Self::default();
        for end in [&question.from, &question.to] {
            let End::Interface(eni, _) = end.end else { continue };
            let subnet = &fabric.subnets[fabric.enis[eni].subnet];
            met.route_tables.insert(subnet.route_table);
            met.network_acls.insert(subnet.network_acl);
            met.enis.insert(eni);
        }
        met
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.route_tables.extend(&other.route_tables);
        self.network_acls.extend(&other.network_acls);
        self.enis.extend(&other.enis);
        self.transit_tables.extend(&other.transit_tables);
        self.vpn_gateways.extend(&other.vpn_gateways);
        self.customer_networks.extend(&other.customer_networks);
    }
}
