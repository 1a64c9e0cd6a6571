//! What does an interface have? (L2-15, SG-06)

use std::collections::BTreeMap;

use crate::declared::{DEFAULT, DeclaredInterface};
use crate::name::{NetworkInterfaceName, SecurityGroupName, SubnetName};
use crate::register::{Context, attachment_interfaces, interface_in, interface_of, made_by_aws};
use crate::resources::{InterfaceType, Labels, NetworkInterface, Subnet};
use crate::rules::addresses;
use crate::rules::instances::Attachments;
use crate::rules::references;

/// An interface on its way: declared by itself, or implied by an instance.
pub(super) struct Draft<'a> {
    pub(super) declared: &'a DeclaredInterface,
    pub(super) subnet: &'a SubnetName,
    pub(super) interface_type: InterfaceType,
    implied: bool,
    labels: &'a Labels,
}

/// The interfaces whose subnet exists, with private addresses; public ones come later.
pub(super) fn build(
    cx: &Context<'_>,
    subnets: &BTreeMap<SubnetName, Subnet>,
    attachments: &Attachments,
) -> BTreeMap<NetworkInterfaceName, NetworkInterface> {
    let drafts = drafts(cx);
    let mut addresses = addresses::assign(cx, subnets, &drafts);
    let mut interfaces = BTreeMap::new();
    for (name, draft) in drafts {
        let security_groups = security_groups(cx, &name, draft.declared);
        let Some(own) = addresses.remove(&name) else { continue };
        interfaces.insert(
            name.clone(),
            NetworkInterface {
                subnet: draft.subnet.clone(),
                mac_address: own.mac_address,
                private_ip: own.private_ip,
                secondary_private_ips: own.secondary_private_ips,
                ipv6_addresses: own.ipv6_addresses,
                ipv4_prefixes: own.ipv4_prefixes,
                ipv6_prefixes: own.ipv6_prefixes,
                public_ips: BTreeMap::new(),
                security_groups,
                source_dest_check: draft.declared.source_dest_check,
                attachment: attachments.get(&name).cloned(),
                connection_tracking: draft.declared.connection_tracking,
                implied: draft.implied,
                interface_type: draft.interface_type,
                labels: draft.labels.clone(),
            },
        );
    }
    interfaces
}

fn drafts<'a>(cx: &Context<'a>) -> BTreeMap<NetworkInterfaceName, Draft<'a>> {
    let implied =
        cx.declared.instances.iter().filter(|(_, instance)| !instance.interface.subnet.is_absent()).map(
            |(name, instance)| {
                let interface = NetworkInterfaceName::new(name.as_str());
                (interface, &instance.interface, true, &instance.labels, InterfaceType::Interface)
            },
        );
    let declared = cx
        .declared
        .network_interfaces
        .iter()
        .map(|(name, eni)| (name.clone(), &eni.interface, false, &eni.labels, InterfaceType::Interface));
    let nat = cx.declared.nat_gateways.iter().map(|(name, nat)| {
        let interface_type = InterfaceType::NatGateway(name.clone());
        (interface_of(name), &nat.interface, false, &nat.labels, interface_type)
    });
    let not_modelled = cx.declared.not_modelled.iter().flat_map(|(kind, all)| {
        all.iter().flat_map(move |(owner, declared)| {
            declared.interfaces.iter().filter_map(move |interface| {
                let subnet = interface.subnet.value()?;
                let name = interface_in(cx.registers, declared.kind.id_prefix, owner, subnet);
                let interface_type = InterfaceType::NotModelled { kind, name: owner.clone() };
                Some((name, interface, false, &declared.labels, interface_type))
            })
        })
    });
    let endpoints = cx.declared.vpc_endpoints.iter().flat_map(|(owner, declared)| {
        declared.interfaces.iter().filter_map(move |interface| {
            let name = interface_in(cx.registers, "vpce", owner.as_str(), interface.subnet.value()?);
            Some((name, interface, false, &declared.labels, InterfaceType::VpcEndpoint(owner.clone())))
        })
    });
    let transit =
        attachment_interfaces(cx.declared, &cx.registers.subnets).map(|(name, attachment, interface)| {
            let labels = &cx.declared.transit_gateway_vpc_attachments[attachment].labels;
            (name, interface, false, labels, InterfaceType::TransitGateway(attachment.clone()))
        });
    let mut drafts = BTreeMap::new();
    for (name, declared, implied, labels, interface_type) in
        implied.chain(declared).chain(nat).chain(not_modelled).chain(endpoints).chain(transit)
    {
        match cx.registers.interface_subnets.get(&name) {
            Some(subnet) => {
                drafts.insert(name, Draft { declared, subnet, interface_type, implied, labels });
            }
            // Its subnet has been reported; its groups must exist all the same.
            None => drop(security_groups(cx, &name, declared)),
        }
    }
    drafts
}

/// One to sixteen groups of the interface's VPC; the default one if none is named (SG-06).
fn security_groups(
    cx: &Context<'_>,
    name: &NetworkInterfaceName,
    declared: &DeclaredInterface,
) -> Vec<SecurityGroupName> {
    /// The most that AWS grants (SG-16); five is a quota.
    const MOST: usize = 16;
    let vpc = cx.registers.network_interfaces.owner(name);
    let written = &declared.security_groups;
    let mut groups = Vec::new();
    for reference in &written.items {
        let group = match vpc {
            Some(vpc) => references::of_interface(cx, vpc, reference),
            None if reference.value == DEFAULT => None,
            None => cx.registers.security_groups.resolve(cx.log, reference),
        };
        groups.extend(group.filter(|group| !groups.contains(group)));
    }
    if groups.len() > MOST {
        cx.log.report(
            &written.at,
            "SecurityGroupsPerInterfaceLimitExceeded",
            format!("the interface has {} security groups", groups.len()),
            format!("give one to {MOST}"),
        );
    }
    if written.items.is_empty() && declared.default_group {
        groups.extend(vpc.map(|vpc| made_by_aws(vpc, DEFAULT)));
    }
    groups
}
