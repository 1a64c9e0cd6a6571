//! Which interface is plugged into which instance? (L2-16, L2-17)
//!
//! The instance may say it, or the interface; both may agree.

use std::collections::BTreeMap;

use crate::declared::DeclaredInstance;
use crate::log::Place;
use crate::name::{InstanceName, NetworkInterfaceName, SubnetName};
use crate::reader::Given;
use crate::register::Context;
use crate::resources::{Attachment, Forwards, Instance, Subnet};
use crate::shape::clip;

/// Where each attached interface is plugged in.
pub(super) type Attachments = BTreeMap<NetworkInterfaceName, Attachment>;

/// One statement that an interface sits in a slot.
struct Claim {
    instance: InstanceName,
    interface: NetworkInterfaceName,
    device_index: u8,
    at: Place,
}

/// The instances, and where each interface is plugged in.
pub(super) fn build(
    cx: &Context<'_>,
    subnets: &BTreeMap<SubnetName, Subnet>,
) -> (BTreeMap<InstanceName, Instance>, Attachments) {
    let mut instances: BTreeMap<InstanceName, Instance> = cx
        .declared
        .instances
        .iter()
        .map(|(name, declared)| {
            let instance = Instance {
                network_interfaces: BTreeMap::new(),
                state: declared.state.value().copied().unwrap_or_default(),
                forwards: Forwards::default(),
                labels: declared.labels.clone(),
            };
            (name.clone(), instance)
        })
        .collect();
    let mut attachments = Attachments::new();
    let (claims, unclear) = claims(cx);
    for Claim { instance: name, interface, device_index, at } in claims {
        let Some(instance) = instances.get_mut(&name) else { continue };
        let attachment = Attachment { instance: name.clone(), device_index };
        if let Some(other) = attachments.get(&interface) {
            if *other != attachment {
                // ERR-26
                cx.log.report(
                    &at,
                    "InvalidNetworkInterface.InUse",
                    format!(
                        "the network interface {interface} is already attached to {} at device index {}",
                        other.instance, other.device_index
                    ),
                    "an interface is attached once: keep one of the two",
                );
            }
        } else if let Some(other) = instance.network_interfaces.get(&device_index) {
            cx.log.report(
                &at,
                "InvalidParameterValue",
                format!("device index {device_index} of instance {name} already holds {other}"),
                "give every interface its own device index",
            );
        } else {
            instance.network_interfaces.insert(device_index, interface.clone());
            attachments.insert(interface, attachment);
        }
    }
    for (name, declared) in &cx.declared.instances {
        if let Some(instance) = instances.get_mut(name) {
            instance.forwards = forwards(cx, declared, instance, unclear.contains(name));
            check_interfaces(cx, name, declared, instance, unclear.contains(name), subnets);
        }
    }
    (instances, attachments)
}

/// What the guest does with packets for others; it can send by its own interfaces only.
fn forwards(cx: &Context<'_>, declared: &DeclaredInstance, instance: &Instance, unclear: bool) -> Forwards {
    let Some(written) = declared.forwards.written() else { return Forwards::default() };
    match written.value.as_str() {
        "same_interface" => return Forwards::SameInterface,
        "nat" => return Forwards::Nat,
        "none" => return Forwards::None,
        _ => {}
    }
    let own: Vec<_> = instance.network_interfaces.values().collect();
    let found = cx.registers.network_interfaces.find(&written.value);
    if let Some(interface) = found.filter(|found| own.contains(found)) {
        return Forwards::Interface(interface.clone());
    }
    if !unclear {
        let problem = format!("the instance has no network interface \"{}\"", clip(&written.value));
        let own = own.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let remedy = format!("give same_interface, nat, none, or one of its interfaces: {own}");
        cx.log.report(&written.at, "InvalidParameterValue", problem, remedy);
    }
    Forwards::default()
}

/// Every claim, the instances' own first; and the instances of which a claim could not be read.
fn claims(cx: &Context<'_>) -> (Vec<Claim>, Vec<InstanceName>) {
    let mut claims = Vec::new();
    let mut unclear = Vec::new();
    for (name, declared) in &cx.declared.instances {
        let interface = &declared.interface;
        if !interface.subnet.is_absent() {
            let implied = NetworkInterfaceName::new(name.as_str());
            if cx.declared.network_interfaces.contains_key(&implied) {
                cx.log.report(
                    &interface.at.attribute("subnet"),
                    "InvalidParameterCombination",
                    format!("the instance implies an interface {name}, and one of that name is declared too"),
                    "rename one of them, or attach the declared one with `network_interfaces`",
                );
            }
            let at = interface.at.attribute("subnet");
            claims.push(Claim { instance: name.clone(), interface: implied, device_index: 0, at });
        } else {
            refuse_interface_attributes(cx, declared);
        }
    }
    for (name, declared) in &cx.declared.instances {
        for attachment in &declared.network_interfaces {
            let interface = attachment.to.written();
            let interface = interface.and_then(|to| cx.registers.own_interface(cx.log, to));
            match (interface, device_index(&attachment.device_index)) {
                (Some(interface), Some(device_index)) => {
                    let at = attachment.at.clone();
                    claims.push(Claim { instance: name.clone(), interface, device_index, at });
                }
                _ => unclear.push(name.clone()),
            }
        }
    }
    for (name, declared) in &cx.declared.network_interfaces {
        let Some(attachment) = &declared.attachment else { continue };
        let instance = attachment.to.written().and_then(|to| cx.registers.instances.resolve(cx.log, to));
        let Some(instance) = instance else { continue };
        match device_index(&attachment.device_index) {
            Some(device_index) => {
                let at = attachment.at.clone();
                claims.push(Claim { instance, interface: name.clone(), device_index, at });
            }
            None => unclear.push(instance),
        }
    }
    (claims, unclear)
}

fn device_index(given: &Given<i64>) -> Option<u8> {
    given.value().and_then(|index| u8::try_from(*index).ok())
}

/// Without a subnet an instance implies no interface that could have these.
fn refuse_interface_attributes(cx: &Context<'_>, declared: &DeclaredInstance) {
    let public = [
        ("associate_public_ip_address", !declared.associate_public_ip_address.is_absent()),
        ("public_ip", !declared.public_ip.is_absent()),
    ];
    let given = public.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
    for name in declared.interface.first_given.into_iter().chain(given) {
        cx.log.report(
            &declared.interface.at.attribute(name),
            "InvalidParameterCombination",
            format!("`{name}` is about the interface that `subnet` implies, and there is no `subnet`"),
            "give `subnet`, or move this to the network interface",
        );
    }
}

fn check_interfaces(
    cx: &Context<'_>,
    name: &InstanceName,
    declared: &DeclaredInstance,
    instance: &Instance,
    unclear: bool,
    subnets: &BTreeMap<SubnetName, Subnet>,
) {
    let at = &declared.interface.at;
    let interfaces = &instance.network_interfaces;
    if interfaces.is_empty() && !unclear {
        let remedy = "give `subnet`, or attach a network interface";
        cx.log.report(at, "MissingParameter", "the instance has no network interface", remedy);
    } else if !interfaces.is_empty() && !interfaces.contains_key(&0) && !unclear {
        let remedy = "attach one at device index 0";
        cx.log.report(at, "MissingParameter", "the instance has no primary network interface", remedy);
    }
    // L2-17: one zone for all of them. Other subnets, even other VPCs, are fine.
    let zone = |interface: &NetworkInterfaceName| {
        cx.registers.interface_subnets.get(interface).and_then(|subnet| subnets.get(subnet))
    };
    let mut zones =
        interfaces.iter().filter_map(|(index, eni)| Some((index, eni, &zone(eni)?.availability_zone)));
    let Some((_, first, here)) = zones.next() else { return };
    for (index, other, there) in zones.filter(|(_, _, there)| *there != here) {
        cx.log.report(
            &at.attribute("network_interfaces"),
            "InvalidParameterCombination",
            format!("{other} at device index {index} is in {there}, but {first} of {name} is in {here}"),
            "keep the interfaces of an instance in one availability zone",
        );
    }
    // L2-17: and one account, that of the primary interface.
    let mut homes = interfaces.iter().filter_map(|(index, eni)| {
        Some((index, eni, cx.home_of(cx.registers.network_interfaces.owner(eni))?))
    });
    let first = homes.next();
    for (index, other, home) in homes {
        let Some((_, _, instance)) = &first else { break };
        if home.region == instance.region && home.owner != instance.owner {
            cx.log.report(
                &at.attribute("network_interfaces"),
                "InvalidNetworkInterfaceID.NotFound",
                format!(
                    "{other} at device index {index} is of account {}, the instance of account {}",
                    home.owner, instance.owner
                ),
                "attach interfaces of the instance's own account",
            );
        }
    }
    // L2-22: those that it lists were there when it was launched; one that says itself where it is attached came later.
    let was_launched_with_several = interfaces.len() > 1 && !declared.network_interfaces.is_empty();
    let asks = declared.associate_public_ip_address.value() == Some(&true) || !declared.public_ip.is_absent();
    if was_launched_with_several && asks {
        let attribute =
            if declared.public_ip.is_absent() { "associate_public_ip_address" } else { "public_ip" };
        cx.log.report(
            &at.attribute(attribute),
            "InvalidParameterCombination",
            format!(
                "an instance that is launched with {} network interfaces gets no automatic public address",
                interfaces.len()
            ),
            "associate an elastic IP address instead; if the others were attached later, say so by their `attachment`",
        );
    }
}
