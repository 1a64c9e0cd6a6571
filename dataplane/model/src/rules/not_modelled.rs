//! Do the resources that are stored and not modelled refer to what exists?

use std::collections::BTreeMap;

use serde_json::Value;

use crate::declared::{DEFAULT, DeclaredNotModelled};
use crate::name::{NetworkInterfaceName, SubnetName, VpcName};
use crate::register::{Context, interface_in};
use crate::resources::{NetworkInterface, NotModelled, NotModelledResources, Subnet};

/// The resources, with their interfaces.
pub(super) fn build(
    cx: &Context<'_>,
    subnets: &BTreeMap<SubnetName, Subnet>,
    interfaces: &BTreeMap<NetworkInterfaceName, NetworkInterface>,
) -> NotModelledResources {
    let mut resources = NotModelledResources::new();
    for (plural, declared) in &cx.declared.not_modelled {
        let of_kind = declared.iter().map(|(name, declared)| {
            let built = resource(cx, name, declared, subnets, interfaces);
            (name.clone(), built)
        });
        resources.insert(plural, of_kind.collect());
    }
    resources
}

fn resource(
    cx: &Context<'_>,
    name: &str,
    declared: &DeclaredNotModelled,
    all_subnets: &BTreeMap<SubnetName, Subnet>,
    interfaces: &BTreeMap<NetworkInterfaceName, NetworkInterface>,
) -> NotModelled {
    let mut vpc = declared.vpc.written().and_then(|vpc| cx.registers.vpcs.resolve(cx.log, vpc));
    let mut zones: BTreeMap<&str, &SubnetName> = BTreeMap::new();
    let is_classic = declared.attributes.get("load_balancer_type").and_then(Value::as_str) == Some("classic");
    let mut subnets = Vec::new();
    for written in &declared.subnets {
        // What does not resolve has been reported where interfaces are put there.
        let found = match declared.interfaces.is_empty() {
            true => cx.registers.subnets.resolve(cx.log, written),
            false => cx.registers.subnets.find(&written.value).cloned(),
        };
        let Some(name) = found else { continue };
        let Some((name, subnet)) = all_subnets.get_key_value(&name) else { continue };
        let home = vpc.get_or_insert_with(|| subnet.vpc.clone());
        if *home != subnet.vpc {
            let problem = format!("the subnet {name} lies in VPC {}, not in VPC {home}", subnet.vpc);
            cx.log.report(&written.at, "InvalidSubnet", problem, format!("use one of VPC {home}"));
        } else if let Some(other) = zones.insert(&subnet.availability_zone, name)
            && !declared.interfaces.is_empty()
            && !is_classic
        {
            let problem = format!("the subnets {other} and {name} are both in {}", subnet.availability_zone);
            cx.log.report(&written.at, "InvalidConfigurationRequest", problem, "give one for each zone");
        }
        subnets.push(name.clone());
    }
    let security_groups = declared
        .security_groups
        .items
        .iter()
        .filter_map(|reference| {
            let register = &cx.registers.security_groups;
            // Those of interfaces are checked with them.
            match &vpc {
                _ if !declared.interfaces.is_empty() => register.find(&reference.value).cloned(),
                Some(vpc) => {
                    register.resolve_inside(cx.log, reference, vpc, Some(DEFAULT), "InvalidGroup.NotFound")
                }
                None => register.resolve(cx.log, reference),
            }
        })
        .collect();
    check_targets(cx, declared, vpc.as_ref());
    let network_interfaces = declared
        .interfaces
        .iter()
        .filter_map(|interface| {
            let subnet = interface.subnet.written()?;
            Some(interface_in(cx.registers, declared.kind.id_prefix, name, &subnet.value))
        })
        .filter(|name| interfaces.contains_key(name))
        .collect();
    NotModelled {
        vpc,
        subnets,
        security_groups,
        network_interfaces,
        attributes: declared.attributes.clone(),
        labels: declared.labels.clone(),
    }
}

/// A target is an address, an instance, or another resource that is not modelled.
fn check_targets(cx: &Context<'_>, declared: &DeclaredNotModelled, _: Option<&VpcName>) {
    for target in &declared.targets.items {
        let is_address = target.value.parse::<std::net::IpAddr>().is_ok();
        let is_stored = || cx.declared.not_modelled.values().any(|all| all.contains_key(&target.value));
        // A function's or an alarm's ARN says nothing here.
        let is_arn = target.value.starts_with("arn:");
        if !is_address && !is_arn && !is_stored() {
            cx.registers.instances.resolve_or(cx.log, target, "InvalidTarget");
        }
    }
}
