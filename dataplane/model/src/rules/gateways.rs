//! Which VPC is an internet gateway attached to? (IGW-03)

use std::collections::BTreeMap;

use crate::name::{InternetGatewayName, VpcName};
use crate::register::Context;
use crate::resources::InternetGateway;

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
        gateways.insert(name.clone(), InternetGateway { vpc, tags: declared.tags.clone() });
    }
    gateways
}
