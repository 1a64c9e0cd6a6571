//! Which VPC is an internet gateway attached to? (IGW-03, QUOTA-02)

use std::collections::BTreeMap;

use crate::name::{EgressOnlyInternetGatewayName, InternetGatewayName, VpcName};
use crate::register::Context;
use crate::resources::{EgressOnlyInternetGateway, InternetGateway};

/// The internet gateways; of several in one VPC, the first by name stays.
pub(super) fn build(cx: &Context<'_>) -> BTreeMap<InternetGatewayName, InternetGateway> {
    let mut attached: BTreeMap<VpcName, InternetGatewayName> = BTreeMap::new();
    let mut gateways = BTreeMap::new();
    for (name, declared) in &cx.declared.internet_gateways {
        let vpc = cx.registers.internet_gateways.owner(name).cloned();
        if let (Some(vpc), Some(written)) = (&vpc, declared.vpc.written()) {
            if let Some(other) = attached.get(vpc) {
                cx.log.report(
                    &written.at,
                    "InvalidParameterValue",
                    format!("VPC {vpc} already has the internet gateway {other}"),
                    "a VPC has at most one: remove one of them",
                );
            } else {
                attached.insert(vpc.clone(), name.clone());
            }
        }
        gateways.insert(name.clone(), InternetGateway { vpc, labels: declared.labels.clone() });
    }
    gateways
}

/// The egress-only internet gateways of VPCs that exist.
pub(super) fn build_egress_only(
    cx: &Context<'_>,
) -> BTreeMap<EgressOnlyInternetGatewayName, EgressOnlyInternetGateway> {
    cx.declared
        .egress_only_internet_gateways
        .iter()
        .filter_map(|(name, declared)| {
            let vpc = cx.registers.egress_only_internet_gateways.owner(name)?.clone();
            Some((name.clone(), EgressOnlyInternetGateway { vpc, labels: declared.labels.clone() }))
        })
        .collect()
}
