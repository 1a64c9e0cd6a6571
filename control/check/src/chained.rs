//! Does a NAT gateway pass on to another one?
//!
//! AWS has the subnet of a public NAT gateway lead to an internet gateway (NAT-01, NAT-27) and says nothing of one that
//! leads to a second NAT gateway of the VPC. Here that one translates again; whoever relies on it is told.

use vpclab_api::Assumed;
use vpclab_engine::{Fabric, Step};

/// What is assumed of each NAT gateway that sends to another one of its VPC.
pub(crate) fn assumed<'s>(fabric: &Fabric, steps: impl Iterator<Item = &'s Step>) -> Vec<Assumed> {
    let gateways: Vec<_> = steps
        .filter_map(|step| match *step {
            // From a client: what comes back keeps its source.
            Step::NatGateway { gateway, before, after, .. } if before.0 != after.0 => Some(gateway),
            _ => None,
        })
        .collect();
    let vpc_of = |gateway| fabric.subnets[fabric.nat_gateways[gateway].subnet].vpc;
    let pairs = gateways.windows(2).filter_map(|pair| match *pair {
        [first, second] if first != second && vpc_of(first) == vpc_of(second) => Some((first, second)),
        _ => None,
    });
    pairs
        .map(|(first, second)| Assumed {
            resource: fabric.nat_gateways[first].name.to_string(),
            assumption: format!(
                "its subnet's route leads to the NAT gateway {}, which takes what it sends; AWS wants a route to an \
                 internet gateway there",
                fabric.nat_gateways[second].name
            ),
        })
        .collect()
}
