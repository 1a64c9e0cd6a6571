//! Which addresses has the running lab assigned?
//!
//! A document alone does not say: a lab that has changed over time keeps what it once assigned. The lab's own resources
//! tell.

use serde::de::DeserializeOwned;
use serde_json::Value;
use vpclab_daemon::Client;
use vpclab_model::Topology;

use crate::output::Failure;
use crate::running::failed;

/// Puts what the lab has assigned in the place of what a fresh one would assign.
pub(crate) fn assigned(client: &Client, topology: &mut Topology) -> Result<(), Failure> {
    let vpcs = client.resources("vpcs").map_err(failed)?;
    for (name, vpc) in &mut topology.vpcs {
        take(&vpcs, name.as_str(), "ipv6_cidr_blocks", &mut vpc.ipv6_cidr_blocks);
    }
    let subnets = client.resources("subnets").map_err(failed)?;
    for (name, subnet) in &mut topology.subnets {
        take(&subnets, name.as_str(), "ipv6_cidr_block", &mut subnet.ipv6_cidr_block);
    }
    let eips = client.resources("eips").map_err(failed)?;
    for (name, eip) in &mut topology.eips {
        take(&eips, name.as_str(), "public_ip", &mut eip.public_ip);
    }
    let interfaces = client.resources("network_interfaces").map_err(failed)?;
    for (name, eni) in &mut topology.network_interfaces {
        let name = name.as_str();
        take(&interfaces, name, "private_ip", &mut eni.private_ip);
        take(&interfaces, name, "secondary_private_ips", &mut eni.secondary_private_ips);
        take(&interfaces, name, "ipv6_addresses", &mut eni.ipv6_addresses);
        let public = interfaces.get(name).and_then(|eni| eni.get("public_ips")).and_then(Value::as_object);
        let pairs = public.into_iter().flatten().filter_map(|(private, public)| {
            let address = serde_json::from_value(public.get("address")?.clone()).ok()?;
            let eip = public.get("eip").and_then(Value::as_str).map(vpclab_model::EipName::new);
            Some((private.parse().ok()?, vpclab_model::PublicIp { address, eip }))
        });
        eni.public_ips = pairs.collect();
    }
    Ok(())
}

fn take<T: DeserializeOwned>(resources: &Value, name: &str, attribute: &str, place: &mut T) {
    let told = resources.get(name).and_then(|resource| resource.get(attribute)).cloned();
    if let Some(value) = told.and_then(|value| serde_json::from_value(value).ok()) {
        *place = value;
    }
}
