//! What is not modelled, or not declared, in words?
//!
//! Each says what would make it known, where something would.

use vpclab_api::Unmodelled;
use vpclab_engine::Fabric;

/// What is not modelled, in words.
pub(crate) fn not_modelled(fabric: &Fabric, what: vpclab_engine::Unmodelled) -> Unmodelled {
    match what {
        vpclab_engine::Unmodelled::Service(service) => Unmodelled {
            resource: service.to_string(),
            kind: "service".to_owned(),
            reason:
                "the packet is addressed to a service of the platform that this version does not model"
                    .to_owned(),
        },
        vpclab_engine::Unmodelled::Resource(resource) => {
            let resource = &fabric.not_modelled[resource];
            Unmodelled {
                resource: resource.name.to_string(),
                kind: resource.kind.strip_suffix('s').unwrap_or(resource.kind).to_owned(),
                reason: resource.reason.to_string(),
            }
        }
        vpclab_engine::Unmodelled::SteeredBack(subnet) => Unmodelled {
            resource: fabric.subnets[subnet].name.to_string(),
            kind: "subnet".to_owned(),
            reason: "a middlebox sends what came out of a gateway in this subnet back into it, and AWS calls what \
                     then happens unpredictable"
                .to_owned(),
        },
        vpclab_engine::Unmodelled::CustomerNetwork(link) => Unmodelled {
            resource: fabric.links[link].name.to_string(),
            kind: match fabric.links[link].is_vpn() {
                true => "vpn_connection",
                false => "virtual_interface",
            }
            .to_owned(),
            reason: "no network is declared at the customer's end; declare it under `customer_networks`"
                .to_owned(),
        },
        vpclab_engine::Unmodelled::CustomerHost(network, address) => Unmodelled {
            resource: fabric.customer_networks[network].name.to_string(),
            kind: "customer_network".to_owned(),
            reason: match fabric.customer_networks[network].blocks.iter().any(|block| block.contains(&address)) {
                true => format!("no host of it with the address {address} is declared; declare it under `customer_hosts`"),
                false => format!(
                    "it announces {address} and has no block with it; declare the block, and the host under `customer_hosts`"
                ),
            },
        },
        vpclab_engine::Unmodelled::ServiceAddress(endpoint, address) => Unmodelled {
            resource: fabric.hosts[fabric.vpc_endpoints[endpoint].service].name.to_string(),
            kind: "service".to_owned(),
            reason: format!("{address} is of its ranges, and whether it has a host there is not declared"),
        },
    }
}
