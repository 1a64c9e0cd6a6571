//! Which NAT gateways work, and with which addresses? (area NAT)

use std::collections::BTreeMap;

use crate::declared::DeclaredNatGateway;
use crate::name::{EipName, NatGatewayName, NetworkInterfaceName, SubnetName, VpcName};
use crate::register::{Context, interface_of};
use crate::resources::{
    ConnectivityType, EipAssociation, NatGateway, NatGatewayState, NetworkInterface, Subnet,
};
use crate::rules::public;

/// The most private addresses a NAT gateway has (NAT-05).
const MOST_ADDRESSES: usize = 8;

/// What the NAT gateways want of the elastic IPs, and those that cannot have it.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// What an elastic IP stands for.
    pub(super) eips: BTreeMap<EipName, EipAssociation>,
    failed: BTreeMap<NatGatewayName, NatGatewayState>,
}

/// Goes through the gateways in the order of names; of two that want the same elastic IP the first gets it.
pub(super) fn claims(
    cx: &Context<'_>,
    interfaces: &BTreeMap<NetworkInterfaceName, NetworkInterface>,
) -> Claims {
    let mut claims = Claims::default();
    for (name, declared) in &cx.declared.nat_gateways {
        let interface = interface_of(name);
        let wanted = allocations(cx, declared, cx.registers.network_interfaces.owner(&interface));
        // Its subnet has been reported.
        let Some(eni) = interfaces.get(&interface) else { continue };
        let count = 1 + declared.interface.secondary_private_ip_count;
        if count > MOST_ADDRESSES {
            let problem = format!("{count} private addresses are more than a NAT gateway has");
            let remedy = format!("give at most {} secondary ones", MOST_ADDRESSES - 1);
            cx.log.report(&declared.interface.at, "InvalidParameterValue", problem, remedy);
            continue;
        }
        let state = if declared.works.value().is_some_and(|works| !works.0) {
            failed("InternalError", "it is declared as one that has failed".to_owned())
        } else if eni.private_ips().count() < count {
            // NAT-17, ERR-36
            failed(
                "InsufficientFreeAddressesInSubnet",
                format!("the subnet {} has no free address left", eni.subnet),
            )
        } else {
            wanted
                .into_iter()
                .zip(eni.private_ips())
                .find_map(|(eip, private_ip)| {
                    let other = owner(cx, &claims, &eip);
                    let association = EipAssociation { network_interface: interface.clone(), private_ip };
                    match other {
                        Some(other) => Some(failed(
                            "Resource.AlreadyAssociated",
                            format!("the elastic IP address {eip} is already associated with {other}"),
                        )),
                        None => {
                            claims.eips.insert(eip, association);
                            None
                        }
                    }
                })
                .unwrap_or(NatGatewayState::Available)
        };
        if state != NatGatewayState::Available {
            claims.eips.retain(|_, association| association.network_interface != interface);
            claims.failed.insert(name.clone(), state);
        }
    }
    claims
}

/// The NAT gateways whose subnet exists.
pub(super) fn build(
    cx: &Context<'_>,
    subnets: &BTreeMap<SubnetName, Subnet>,
    mut claims: Claims,
) -> BTreeMap<NatGatewayName, NatGateway> {
    let mut gateways = BTreeMap::new();
    for (name, declared) in &cx.declared.nat_gateways {
        let network_interface = interface_of(name);
        let Some(subnet) = cx.registers.interface_subnets.get(&network_interface) else { continue };
        let connectivity_type = connectivity(declared);
        let vpc = subnets.get(subnet).map(|subnet| &subnet.vpc);
        let has_gateway =
            cx.registers.internet_gateways.iter().any(|(_, owner)| owner.is_some() && owner == vpc);
        let state = match (claims.failed.remove(name), connectivity_type, vpc) {
            (Some(state), _, _) => state,
            (None, ConnectivityType::Public, Some(vpc)) if !has_gateway => {
                failed("Gateway.NotAttached", format!("VPC {vpc} has no internet gateway attached"))
            }
            _ => NatGatewayState::Available,
        };
        gateways.insert(
            name.clone(),
            NatGateway {
                subnet: subnet.clone(),
                connectivity_type,
                network_interface,
                state,
                max_drain_duration_seconds: drain(declared),
                labels: declared.labels.clone(),
            },
        );
    }
    gateways
}

/// 350 seconds where nothing is said (NAT-21).
fn drain(declared: &DeclaredNatGateway) -> u32 {
    let given = declared.max_drain_duration_seconds.value();
    given.and_then(|seconds| u32::try_from(*seconds).ok()).unwrap_or(350)
}

fn connectivity(declared: &DeclaredNatGateway) -> ConnectivityType {
    declared.connectivity_type.value().copied().unwrap_or(ConnectivityType::Public)
}

fn failed(code: &str, message: String) -> NatGatewayState {
    NatGatewayState::Failed { failure_code: code.to_owned(), failure_message: message }
}

/// The elastic IPs a gateway names, the primary one first: one for each private address of a public gateway, none of a
/// private one (NAT-01, NAT-02).
fn allocations(cx: &Context<'_>, declared: &DeclaredNatGateway, vpc: Option<&VpcName>) -> Vec<EipName> {
    let (primary, secondary) = (&declared.allocation, &declared.secondary_allocations);
    let at = &declared.interface.at;
    match connectivity(declared) {
        ConnectivityType::Private => {
            let given = primary.written().map(|written| &written.at);
            for at in given.into_iter().chain(secondary.given.then_some(&secondary.at)) {
                cx.log.report(
                    at,
                    "InvalidParameterCombination",
                    "a private NAT gateway has no elastic IP address",
                    "leave this out, or say `\"connectivity_type\": \"public\"`",
                );
            }
            return Vec::new();
        }
        ConnectivityType::Public if primary.is_absent() => cx.log.report(
            &at.attribute("allocation"),
            "MissingParameter",
            "a public NAT gateway needs an elastic IP address",
            "give the name of one, or say `\"connectivity_type\": \"private\"`",
        ),
        ConnectivityType::Public => {}
    }
    if declared.interface.secondary_private_ip_count > secondary.items.len() && secondary.complete {
        cx.log.report(
            &secondary.at,
            "InvalidParameterCombination",
            "a public NAT gateway needs an elastic IP address for each private one",
            "give as many as there are secondary private addresses",
        );
    }
    let mut names: Vec<EipName> = Vec::new();
    for reference in primary.written().into_iter().chain(&secondary.items) {
        let Some(name) = cx.registers.eips.resolve(cx.log, reference) else { continue };
        let elsewhere = cx.declared.eips.get(&name).and_then(|eip| public::elsewhere(cx, eip, vpc));
        if let Some(problem) = elsewhere {
            let remedy = "give the address the `region` and `owner` of the VPC";
            cx.log.report(&reference.at, "InvalidAllocationID.NotFound", problem, remedy);
        } else if names.contains(&name) {
            let problem = format!("the elastic IP address {name} is named twice");
            cx.log.report(&reference.at, "InvalidParameterValue", problem, "name each once");
        } else {
            names.push(name);
        }
    }
    names
}

/// Who has an elastic IP already: the interface it names itself, or another NAT gateway.
fn owner(cx: &Context<'_>, claims: &Claims, eip: &EipName) -> Option<String> {
    let declared = cx.declared.eips.get(eip)?;
    let own = declared.network_interface.value().or(declared.instance.value());
    own.cloned().or_else(|| claims.eips.get(eip).map(|taken| taken.network_interface.to_string()))
}
