//! How do instances and interfaces become a topology's?
//!
//! An instance's attributes and those of its launch template are merged before they are read; the first of its
//! interfaces becomes its own, further ones interfaces called `Name[1]`, `Name[2]`, …

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::filter::named_group;
use super::functions::Evaluator;
use super::resource::{Interfaces, Resource};
use super::vpc::owner;
use crate::properties::{Given, Properties};
use crate::report::NoteKind;
use crate::val::{Named, Val};

/// What of an instance, or of a launch template's data, says nothing about packets.
const SILENT: &[&str] = &[
    "AdditionalInfo",
    "Affinity",
    "BlockDeviceMappings",
    "CapacityReservationSpecification",
    "CpuOptions",
    "CreditSpecification",
    "DisableApiStop",
    "DisableApiTermination",
    "EbsOptimized",
    "ElasticGpuSpecifications",
    "ElasticInferenceAccelerators",
    "EnclaveOptions",
    "HibernationOptions",
    "HostId",
    "HostResourceGroupArn",
    "IamInstanceProfile",
    "ImageId",
    "InstanceInitiatedShutdownBehavior",
    "InstanceMarketOptions",
    "InstanceRequirements",
    "InstanceType",
    "KernelId",
    "KeyName",
    "LaunchTemplate",
    "LicenseSpecifications",
    "MaintenanceOptions",
    "MetadataOptions",
    "Monitoring",
    "NetworkPerformanceOptions",
    "Placement",
    "PlacementGroupName",
    "PrivateDnsNameOptions",
    "PropagateTagsToVolumeOnCreation",
    "RamDiskId",
    "SsmAssociations",
    "TagSpecifications",
    "Tenancy",
    "UserData",
    "Volumes",
];

/// An instance's attributes with those of its launch template, which give way.
pub(super) fn with_template(
    evaluator: &Evaluator<'_>,
    of_type: &str,
    mut properties: BTreeMap<String, Val>,
) -> BTreeMap<String, Val> {
    if of_type == "AWS::EC2::Instance"
        && let Some(Val::Map(template)) = properties.get("LaunchTemplate")
    {
        for (key, value) in template_data(evaluator, template).unwrap_or_default() {
            properties.entry(key).or_insert(value);
        }
    }
    properties
}

/// The data of the launch template that a specification names, where a template has it.
pub(super) fn template_data(
    evaluator: &Evaluator<'_>,
    specification: &BTreeMap<String, Val>,
) -> Option<BTreeMap<String, Val>> {
    let named = ["LaunchTemplateId", "LaunchTemplateName", "Id", "Name"]
        .iter()
        .find_map(|key| specification.get(*key));
    let place = match named {
        Some(Val::Name(Named { name, .. })) => evaluator.place_of(name),
        Some(Val::Text(text)) => evaluator.stacks().iter().find_map(|stack| {
            let logical = stack.template.resources.keys().find(|logical| {
                stack.type_of(logical) == Some("AWS::EC2::LaunchTemplate")
                    && stack.property(logical, "LaunchTemplateName").and_then(Value::as_str) == Some(text)
            })?;
            evaluator.place_of(&stack.name_of(logical))
        }),
        _ => None,
    };
    let place = place?;
    let data = evaluator.property(place.stack, &place.logical, "LaunchTemplateData");
    match data.map(|data| evaluator.finished(data)) {
        Some(Val::Map(data)) => Some(data),
        _ => None,
    }
}

/// The same; one that is in no template leaves unknown what it says.
pub(super) fn template_or_doubt(
    r: &mut Resource<'_>,
    specification: &BTreeMap<String, Val>,
) -> BTreeMap<String, Val> {
    let data = template_data(r.evaluator, specification);
    if data.is_none() {
        r.mapping
            .doubt("its launch template is in no given template: its groups and addresses are not known");
    }
    data.unwrap_or_default()
}

pub(super) fn instance(mut r: Resource<'_>) -> Result<(), String> {
    if let Some(Val::Map(specification)) = r.mapping.properties.take("LaunchTemplate") {
        let _ = template_or_doubt(&mut r, specification);
    }
    r.mapping.properties.silent(SILENT);
    let zone = match r.mapping.properties.text("AvailabilityZone") {
        Given::Known(zone) => Some(zone),
        _ => None,
    };
    let groups = groups(&mut r);
    r.mapping.boolean("SourceDestCheck", "source_dest_check");
    match r.mapping.properties.maps("NetworkInterfaces") {
        Given::Known(interfaces) if !interfaces.is_empty() => {
            r.mapping.properties.silent(&["SubnetId"]);
            let tags_first = r.mapping.attributes.clone();
            interfaces_of(&mut r, interfaces, tags_first, zone.as_deref());
        }
        given => {
            if let Given::Unknown(unknown) = given {
                r.mapping.matters("NetworkInterfaces", &unknown);
            }
            let properties = std::mem::replace(&mut r.mapping.properties, Properties::nothing());
            let (attributes, properties) = interface(&mut r, properties, zone.as_deref());
            r.mapping.properties = properties;
            r.mapping.attributes.extend(attributes);
        }
    }
    if let Some(groups) = groups
        && r.mapping.attributes.contains_key("subnet")
        && !r.mapping.attributes.contains_key("security_groups")
    {
        r.mapping.write("security_groups", groups);
    }
    r.tags();
    r.mapping.put("instances");
    r.finish()
}

/// `SecurityGroupIds` and `SecurityGroups`, which may be names.
fn groups(r: &mut Resource<'_>) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for key in ["SecurityGroupIds", "SecurityGroups"] {
        match group_list(r, key) {
            Given::Known(names) => all.extend(names),
            Given::Absent => {}
            Given::Unknown(unknown) => r.mapping.matters(key, &unknown),
        }
    }
    all.dedup();
    (!all.is_empty()).then_some(all)
}

/// Groups by id or name.
pub(super) fn group_list(r: &mut Resource<'_>, key: &str) -> Given<Vec<String>> {
    let list = r.mapping.properties.take(key);
    let list = match list {
        Some(Val::List(items)) => {
            let named = |item: &Val| match item {
                Val::Text(text) if !text.starts_with("sg-") && !text.is_empty() => {
                    Val::Text(named_group(r, text))
                }
                other => other.clone(),
            };
            let items: Vec<Val> = items.iter().map(named).collect();
            return r.mapping.names_in(Some(&Val::List(items)), "security_groups", 1);
        }
        list => list,
    };
    r.mapping.names_in(list, "security_groups", 1)
}

/// The interfaces that an instance lists.
fn interfaces_of<'r>(
    r: &mut Resource<'r>,
    interfaces: Vec<Properties<'r>>,
    shared: Map<String, Value>,
    zone: Option<&str>,
) {
    let mut attached = Vec::new();
    let name = r.mapping.name.clone();
    for (position, mut properties) in interfaces.into_iter().enumerate() {
        properties.silent(&[
            "DeleteOnTermination",
            "NetworkCardIndex",
            "InterfaceType",
            "EnaSrdSpecification",
        ]);
        let index = match properties.number("DeviceIndex") {
            Given::Known(index) => index,
            _ => i64::try_from(position).unwrap_or(0),
        };
        let existing =
            r.mapping.referred_in(&mut properties, "NetworkInterfaceId", "network_interfaces", None);
        if let Given::Known(interface) = existing {
            attached.push(json!({ "network_interface": interface, "device_index": index }));
            properties.silence();
            r.mapping.properties.finish_inner(properties);
            continue;
        }
        let (mut attributes, properties) = interface(r, properties, zone);
        r.mapping.properties.finish_inner(properties);
        if index == 0 {
            r.mapping.attributes.extend(attributes);
        } else {
            attributes.remove("associate_public_ip_address");
            if let Some(check) = shared.get("source_dest_check") {
                attributes.insert("source_dest_check".to_owned(), check.clone());
            }
            let own = format!("{name}[{index}]");
            r.mapping.put_as("network_interfaces", &own, attributes);
            attached.push(json!({ "network_interface": own, "device_index": index }));
        }
    }
    if !attached.is_empty() {
        r.mapping.write("network_interfaces", attached);
    }
    if !r.mapping.attributes.contains_key("subnet") {
        // What an instance without an interface of its own cannot have: the interface says it.
        r.mapping.attributes.remove("source_dest_check");
    }
}

/// The attributes of an interface: of an instance, of one that it lists, or of one that is a resource.
fn interface<'r>(
    r: &mut Resource<'r>,
    mut properties: Properties<'r>,
    zone: Option<&str>,
) -> (Map<String, Value>, Properties<'r>) {
    let before = std::mem::take(&mut r.mapping.attributes);
    std::mem::swap(&mut r.mapping.properties, &mut properties);
    match r.mapping.name_of("SubnetId", "subnets") {
        Given::Absent => {
            let subnet = r.default_subnet(zone);
            r.mapping.write("subnet", subnet);
        }
        given => r.mapping.copy("SubnetId", "subnet", given),
    }
    r.mapping.assignable("PrivateIpAddress", "private_ip");
    r.mapping.boolean("AssociatePublicIpAddress", "associate_public_ip_address");
    r.mapping.properties.silent(&[
        "Description",
        "EnablePrimaryIpv6",
        "PrimaryIpv6",
        "AssociateCarrierIpAddress",
        "InterfaceType",
    ]);
    for key in ["GroupSet", "Groups"] {
        match group_list(r, key) {
            Given::Known(names) if names.is_empty() => {}
            given => r.mapping.copy(key, "security_groups", given),
        }
    }
    addresses(r);
    r.mapping.number("Ipv6AddressCount", "ipv6_address_count");
    for (theirs, inner, ours) in [
        ("Ipv6Addresses", "Ipv6Address", "ipv6_addresses"),
        ("Ipv4Prefixes", "Ipv4Prefix", "ipv4_prefixes"),
        ("Ipv6Prefixes", "Ipv6Prefix", "ipv6_prefixes"),
    ] {
        match r.mapping.properties.maps(theirs) {
            Given::Known(items) => {
                let mut texts = Vec::new();
                for mut item in items {
                    match item.text(inner) {
                        Given::Known(text) => texts.push(text),
                        Given::Unknown(unknown) => r.mapping.assigned(theirs, &unknown),
                        Given::Absent => {}
                    }
                    r.mapping.properties.finish_inner(item);
                }
                if !texts.is_empty() {
                    r.mapping.write(ours, texts);
                }
            }
            Given::Absent => {}
            Given::Unknown(unknown) => r.mapping.matters(theirs, &unknown),
        }
    }
    if let Given::Known(count @ 1..) = r.mapping.properties.number("SecondaryPrivateIpAddressCount") {
        match r.evaluator.counted_addresses(r.stack, r.logical) {
            Some(addresses) => {
                r.mapping.note(NoteKind::Assigned, format!("{count} secondary addresses are chosen"));
                let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                r.mapping.write("secondary_private_ips", texts);
            }
            None => r.mapping.note(
                NoteKind::Omitted,
                format!("{count} secondary addresses, in a subnet of unknown block"),
            ),
        }
    }
    for counted in ["Ipv4PrefixCount", "Ipv6PrefixCount"] {
        match r.mapping.properties.number(counted) {
            Given::Known(0) | Given::Absent => {}
            _ => r
                .mapping
                .note(NoteKind::Omitted, format!("{counted}: only the addresses that are stated are there")),
        }
    }
    tracking(r);
    std::mem::swap(&mut r.mapping.properties, &mut properties);
    let attributes = std::mem::replace(&mut r.mapping.attributes, before);
    (attributes, properties)
}

/// `PrivateIpAddresses`, of which one may be primary.
fn addresses(r: &mut Resource<'_>) {
    let items = match r.mapping.properties.maps("PrivateIpAddresses") {
        Given::Known(items) => items,
        Given::Absent => return,
        Given::Unknown(unknown) => return r.mapping.assigned("PrivateIpAddresses", &unknown),
    };
    let mut all: Vec<String> = Vec::new();
    let mut primary = None;
    for mut item in items {
        let is_primary = item.boolean("Primary") == Given::Known(true);
        match item.text("PrivateIpAddress") {
            Given::Known(address) if is_primary => primary = Some(address),
            Given::Known(address) => all.push(address),
            Given::Unknown(unknown) => r.mapping.assigned("PrivateIpAddresses", &unknown),
            Given::Absent => {}
        }
        r.mapping.properties.finish_inner(item);
    }
    if let Some(primary) = primary {
        r.mapping.attributes.remove("private_ip");
        all.insert(0, primary);
        r.mapping.write("private_ips", all);
    } else if !all.is_empty() {
        if r.mapping.attributes.contains_key("private_ip") {
            r.mapping.write("secondary_private_ips", all);
        } else {
            r.mapping.write("private_ips", all);
        }
    }
}

fn tracking(r: &mut Resource<'_>) {
    let Given::Known(mut inner) = r.mapping.properties.map("ConnectionTrackingSpecification") else { return };
    let mut tracking = Map::new();
    for (theirs, ours) in [
        ("TcpEstablishedTimeout", "tcp_established_timeout"),
        ("UdpTimeout", "udp_timeout"),
        ("UdpStreamTimeout", "udp_stream_timeout"),
    ] {
        if let Given::Known(seconds) = inner.number(theirs) {
            tracking.insert(ours.to_owned(), json!(seconds));
        }
    }
    r.mapping.properties.finish_inner(inner);
    r.mapping.write("connection_tracking", Value::Object(tracking));
}

pub(super) fn network_interface(mut r: Resource<'_>) -> Result<(), String> {
    r.mapping.boolean("SourceDestCheck", "source_dest_check");
    let properties = std::mem::replace(&mut r.mapping.properties, Properties::nothing());
    let (mut attributes, properties) = interface(&mut r, properties, None);
    r.mapping.properties = properties;
    attributes.remove("associate_public_ip_address");
    r.mapping.attributes.extend(attributes);
    r.tags();
    r.mapping.put("network_interfaces");
    r.finish()
}

pub(super) fn attachment(mut r: Resource<'_>) -> Result<(), String> {
    let interface = owner(&mut r, "NetworkInterfaceId", "network_interfaces")?;
    let instance = owner(&mut r, "InstanceId", "instances")?;
    let m = &mut r.mapping;
    m.properties.silent(&["DeleteOnTermination", "EnaSrdSpecification", "EnaQueueCount"]);
    let index = match m.properties.number("DeviceIndex") {
        Given::Known(index) => index,
        _ => return Err("DeviceIndex is not known".to_owned()),
    };
    let attachment = json!({ "instance": instance, "device_index": index });
    m.estate.set("network_interfaces", &interface, "attachment", attachment, &m.by);
    m.became_part_of("network_interfaces", &interface);
    r.finish()
}

/// An Auto Scaling group: one interface in each of its subnets.
pub(super) fn auto_scaling_group(mut r: Resource<'_>) -> Result<(), String> {
    let subnets = match r.mapping.names_of("VPCZoneIdentifier", "subnets", 2) {
        Given::Known(subnets) if !subnets.is_empty() => subnets,
        Given::Unknown(unknown) => return Err(format!("VPCZoneIdentifier is not known: {}", unknown.why)),
        _ => zones_subnets(&mut r),
    };
    let data = launch_data(&mut r);
    let first = launched(&mut r, &data);
    let overrides = overrides(&mut r);
    if overrides.iter().any(|data| launched(&mut r, data) != first) {
        r.mapping.doubt("it launches of several templates, whose groups or addresses differ");
    }
    let Launched { groups, public, ipv6 } = first;
    r.tags();
    r.mapping.properties.silence_others();
    r.put_interfaces(&Interfaces { subnets, groups, public, ipv6, doubt: None });
    r.finish()
}

/// The default subnets of the zones that `AvailabilityZones` lists, or of all.
pub(super) fn zones_subnets(r: &mut Resource<'_>) -> Vec<String> {
    match r.mapping.properties.take("AvailabilityZones") {
        Some(Val::List(items)) if !items.is_empty() => {
            let zones: Vec<String> = items.iter().filter_map(Val::text).collect();
            let mut subnets: Vec<_> = zones.iter().map(|zone| r.default_subnet(Some(zone))).collect();
            subnets.dedup();
            subnets
        }
        _ => r.default_subnets(),
    }
}

/// What an Auto Scaling group launches: of a template, a configuration, or another instance.
fn launch_data(r: &mut Resource<'_>) -> BTreeMap<String, Val> {
    let (evaluator, stack, logical) = (r.evaluator, r.stack, r.logical);
    let property = |key: &str| evaluator.property(stack, logical, key).map(|value| evaluator.finished(value));
    let map = |value: Option<&Val>| match value {
        Some(Val::Map(map)) => Some(map.clone()),
        _ => None,
    };
    if let Some(specification) = map(property("LaunchTemplate").as_ref()) {
        return template_or_doubt(r, &specification);
    }
    if let Some(policy) = map(property("MixedInstancesPolicy").as_ref()) {
        let template = map(policy.get("LaunchTemplate")).unwrap_or_default();
        let specification = map(template.get("LaunchTemplateSpecification")).unwrap_or_default();
        return template_or_doubt(r, &specification);
    }
    let named = property("LaunchConfigurationName").or_else(|| property("InstanceId"));
    let place = named.and_then(|value| r.place_of(&value));
    let written = place.and_then(|place| {
        let resource = evaluator.stack(place.stack)?.template.resources.get(&place.logical)?;
        Some(evaluator.value(place.stack, resource.get("Properties")?))
    });
    match written {
        Some(Val::Map(data)) => data,
        _ => {
            r.mapping
                .doubt("what it launches is in no given template: its groups and addresses are not known");
            BTreeMap::new()
        }
    }
}

/// The launch templates that types of instances have instead of the policy's own.
fn overrides(r: &mut Resource<'_>) -> Vec<BTreeMap<String, Val>> {
    let policy = r.evaluator.property(r.stack, r.logical, "MixedInstancesPolicy");
    let policy = policy.map_or(Val::Null, |policy| r.evaluator.finished(policy));
    let Some(template) = policy.get("LaunchTemplate") else { return Vec::new() };
    let all =
        template.items_of("Overrides").iter().filter_map(|item| item.get("LaunchTemplateSpecification"));
    let specifications: Vec<_> = all.cloned().collect();
    let mut found = Vec::new();
    for specification in specifications {
        match specification {
            Val::Map(map) => found.push(template_or_doubt(r, &map)),
            _ => r.mapping.doubt("a launch template of its overrides is not known"),
        }
    }
    found
}

/// What of an instance that is launched matters to packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launched {
    pub groups: Option<Vec<String>>,
    pub public: Option<bool>,
    /// How many IPv6 addresses it has.
    pub ipv6: Option<i64>,
}

/// Groups and addresses of what is launched: those of its first interface.
pub(super) fn launched(r: &mut Resource<'_>, data: &BTreeMap<String, Val>) -> Launched {
    let interfaces = data.get("NetworkInterfaces").map_or(&[][..], Val::items);
    let unknown = match data.get("NetworkInterfaces") {
        Some(Val::Unknown(unknown)) => Some(unknown),
        _ => interfaces.iter().find_map(|interface| match interface {
            Val::Unknown(unknown) => Some(unknown),
            _ => None,
        }),
    };
    if let Some(unknown) = unknown {
        r.mapping.matters("NetworkInterfaces", unknown);
    }
    if interfaces.len() > 1 {
        r.mapping.note(NoteKind::Omitted, "further interfaces of what it launches are not in the topology");
    }
    let is_first = |interface: &&Val| interface.text_of("DeviceIndex").as_deref() == Some("0");
    let first = match interfaces.iter().find(is_first).or_else(|| interfaces.first()) {
        Some(Val::Map(map)) => Some(map),
        _ => None,
    };
    let empty = BTreeMap::new();
    let first = first.unwrap_or(&empty);
    let lists = [
        first.get("Groups"),
        first.get("GroupSet"),
        data.get("SecurityGroupIds"),
        data.get("SecurityGroups"),
    ];
    let mut groups = None;
    for list in lists.into_iter().flatten() {
        let named = match list {
            Val::List(items) => Val::List(
                items
                    .iter()
                    .map(|item| match item {
                        Val::Text(text) if !text.starts_with("sg-") => Val::Text(named_group(r, text)),
                        other => other.clone(),
                    })
                    .collect(),
            ),
            other => other.clone(),
        };
        match r.mapping.names_in(Some(&named), "security_groups", 1) {
            Given::Known(names) if !names.is_empty() => groups = groups.or(Some(names)),
            Given::Unknown(unknown) => r.mapping.matters("SecurityGroups", &unknown),
            _ => {}
        }
    }
    let public = first.get("AssociatePublicIpAddress").or_else(|| data.get("AssociatePublicIpAddress"));
    let public = match public {
        Some(Val::Bool(yes)) => Some(*yes),
        Some(Val::Text(text)) => text.parse().ok(),
        Some(Val::Unknown(unknown)) => {
            r.mapping.matters("AssociatePublicIpAddress", unknown);
            None
        }
        _ => None,
    };
    let ipv6 = match first.get("Ipv6AddressCount").or_else(|| data.get("Ipv6AddressCount")) {
        Some(Val::Unknown(unknown)) => {
            r.mapping.matters("Ipv6AddressCount", unknown);
            None
        }
        Some(count) => count.text().and_then(|count| count.trim().parse().ok()).filter(|count| *count > 0),
        None => None,
    };
    Launched { groups, public, ipv6 }
}
