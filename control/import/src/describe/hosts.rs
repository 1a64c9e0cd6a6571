//! Network interfaces, instances and elastic IP addresses of a dump.
//!
//! An interface is one of an instance, one that a gateway of the dump has put, one of a service that is no gateway here,
//! or attached to nothing. Those of gateways come with their gateways; one of a service is an end of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Map, Value, json};

use crate::describe::facts::{Facts, Interface, gone as gone_state, home};
use crate::describe::filters::{groups, those_in_vpc};
use crate::describe::gather::Item;
use crate::describe::{begin, end, gone, state_of};
use crate::estate::Estate;
use crate::mapping::{Mapping, object};
use crate::report::{Fate, NoteKind};
use crate::val::Val;

/// What an interface says that is of no interest to packets, or is read apart from the others.
const SILENT: &[&str] = &[
    "NetworkInterfaceId",
    "NetworkInterfaceArn",
    "Attachment",
    "Association",
    "AvailabilityZone",
    "AvailabilityZoneId",
    "Description",
    "InterfaceType",
    "MacAddress",
    "OwnerId",
    "PrivateDnsName",
    "PublicDnsName",
    "PrivateIpAddresses",
    "RequesterId",
    "RequesterManaged",
    "Status",
    "VpcId",
    "Ipv6Address",
    "DenyAllIgwTraffic",
    "Operator",
    "PublicIpDnsNameOptions",
    "PrivateDnsNameOptions",
    "OutpostArn",
    "ConnectionTrackingConfiguration",
    "Ipv6Native",
    "AssociatedSubnets",
    "Region",
];

pub(super) fn read(facts: &Facts, estate: &mut Estate) {
    facts.interfaces.iter().for_each(|(id, interface)| network_interface(facts, id, interface, estate));
    facts.dump.all("Instances").for_each(|(id, item)| instance(facts, id, item, estate));
    unlisted_instances(facts, estate);
    facts.dump.all("Addresses").for_each(|(id, item)| address(facts, id, item, estate));
}

fn network_interface(facts: &Facts, id: &str, interface: &Interface, estate: &mut Estate) {
    let item = &interface.item;
    if let Some((kind, owner)) = facts.of_gateway.get(id) {
        let mut mapping = begin(item, "network-interface", id, estate);
        mapping.properties.silence();
        mapping.became_part_of(kind, owner);
        return mapping.finish(Fate::Understood);
    }
    let of_service = is_of_service(interface);
    if !of_service && item.body.get("SubnetId").and_then(Val::text).is_none() {
        if interface.listed {
            gone(begin(item, "network-interface", id, estate), "it is in no subnet");
        }
        return;
    }
    let mut mapping = begin(item, "network-interface", id, estate);
    mapping.properties.silent(SILENT);
    addresses(facts, &mut mapping, item);
    let vpc = vpc_of(facts, item);
    let mut groups = groups(facts, &mut mapping, "Groups", vpc);
    if groups.is_empty() && !item.body.contains_key("Groups") && interface.device_index == 0 {
        groups = groups_of_instance(facts, &mut mapping, interface);
    }
    let ungrouped = groups.is_empty();
    if !ungrouped {
        mapping.write("security_groups", groups);
    }
    let public = public_addresses(facts, item);
    if of_service {
        if ungrouped {
            mapping.doubt("it has no security group, which no interface of an instance can be without");
        }
        if let Some(why) = gateway_type(item) {
            mapping.doubt(why);
        }
        // Services send from their own addresses.
        if mapping.attributes.get("source_dest_check") == Some(&json!(false)) {
            mapping.write("forwards", "none");
        }
        match public.first() {
            Some((_, address)) => mapping.write("public_ip", address.as_str()),
            None => mapping.write("associate_public_ip_address", false),
        }
        return end(mapping, "instances", id, item, facts);
    }
    if ungrouped {
        mapping.doubt(match item.body.contains_key("Groups") {
            true => "it has no security group, which no interface of an instance can be without",
            false => "its security groups are not in the dump",
        });
    }
    for (position, (private, address)) in public.iter().enumerate() {
        let name = if position == 0 { format!("{id}-public") } else { format!("{id}-public-{position}") };
        let home = facts.home(item);
        let mut eip = object(
            json!({ "public_ip": address, "network_interface": id, "region": home.region, "owner": home.account }),
        );
        let subnet = item.body.get("SubnetId").and_then(Val::text);
        let private = private.iter().filter(|private| can_have(facts, subnet.as_deref(), private));
        eip.extend(private.map(|private| ("associate_with_private_ip".to_owned(), json!(private))));
        mapping.put_as("eips", &name, eip);
    }
    if let Some(instance) = interface.instance.as_ref().filter(|_| interface.listed)
        && facts.dump.get("Instances", instance).is_none()
    {
        mapping.note(
            NoteKind::Assigned,
            format!("its instance {instance} is not in the dump, and taken as running"),
        );
    }
    if interface.listed {
        end(mapping, "network_interfaces", id, item, facts);
    } else {
        // It stands in its instance, which is what is reported.
        mapping.put("network_interfaces");
        mapping.abandon();
    }
}

/// The groups of an instance, which are those of its first interface.
fn groups_of_instance(facts: &Facts, mapping: &mut Mapping<'_>, interface: &Interface) -> Vec<String> {
    let instance = interface.instance.as_ref().and_then(|id| facts.dump.get("Instances", id));
    let groups = instance.and_then(|item| item.body.get("SecurityGroups")).map_or(&[][..], Val::items);
    let ids: Vec<String> = groups.iter().filter_map(|group| group.text_of("GroupId")).collect();
    let vpc = vpc_of(facts, &interface.item);
    those_in_vpc(facts, mapping, ids, vpc)
}

/// The VPC that an interface or instance is in: that of its subnet.
fn vpc_of(facts: &Facts, item: &Item) -> Option<String> {
    let text = |key: &str| item.body.get(key).and_then(Val::text);
    text("SubnetId").and_then(|subnet| facts.vpc_of_subnet(&subnet)).or_else(|| text("VpcId"))
}

/// Whether an interface in the subnet can have the address; a subnet that is not in the dump can have any.
fn can_have(facts: &Facts, subnet: Option<&str>, address: &str) -> bool {
    let block = subnet.and_then(|subnet| facts.dump.get("Subnets", subnet)?.body.get("CidrBlock")?.text());
    let (Some(block), Ok(address)) =
        (block.and_then(|block| block.parse::<Ipv4Net>().ok()), address.parse::<Ipv4Addr>())
    else {
        return true;
    };
    let block = block.trunc();
    let offset = u32::from(address).saturating_sub(u32::from(block.network()));
    // AWS keeps the first four and the last.
    block.contains(&address) && offset >= 4 && address != block.broadcast()
}

/// Private and IPv6 addresses and prefixes, exactly those that are listed. One that its subnet has not contradicts what
/// else was listed: which of the two holds is not known.
fn addresses(facts: &Facts, mapping: &mut Mapping<'_>, item: &Item) {
    mapping.reference("SubnetId", "subnet", "subnets");
    mapping.text("PrivateIpAddress", "private_ip");
    let subnet = item.body.get("SubnetId").and_then(Val::text);
    let stated = mapping.attributes.get("private_ip").and_then(Value::as_str).map(str::to_owned);
    if let Some(address) = stated.filter(|address| !can_have(facts, subnet.as_deref(), address)) {
        mapping.attributes.remove("private_ip");
        mapping.doubt(format!("its address {address} is none that its subnet can give in the dump"));
    }
    mapping.boolean("SourceDestCheck", "source_dest_check");
    let primary = item.body.get("PrivateIpAddress").and_then(Val::text);
    let list = |key: &str, inner: &str| -> Vec<String> {
        let items = item.body.get(key).map_or(&[][..], Val::items).iter();
        items.filter_map(|item| item.text_of(inner).or_else(|| item.text())).collect()
    };
    let mut secondary = list("PrivateIpAddresses", "PrivateIpAddress");
    secondary.retain(|address| Some(address) != primary.as_ref());
    if secondary.iter().any(|address| !can_have(facts, subnet.as_deref(), address)) {
        secondary.retain(|address| can_have(facts, subnet.as_deref(), address));
        mapping.doubt("some of its addresses are none that its subnet can give in the dump");
    }
    if !secondary.is_empty() {
        mapping.write("secondary_private_ips", secondary);
    }
    mapping.properties.silent(&["Ipv6Addresses", "Ipv4Prefixes", "Ipv6Prefixes"]);
    mapping.write("ipv6_addresses", list("Ipv6Addresses", "Ipv6Address"));
    for (key, inner, ours) in
        [("Ipv4Prefixes", "Ipv4Prefix", "ipv4_prefixes"), ("Ipv6Prefixes", "Ipv6Prefix", "ipv6_prefixes")]
    {
        let prefixes = list(key, inner);
        if !prefixes.is_empty() {
            mapping.write(ours, prefixes);
        }
    }
    if let Some(tracking) = item.body.get("ConnectionTrackingConfiguration") {
        let timeouts = [
            ("TcpEstablishedTimeout", "tcp_established_timeout"),
            ("UdpStreamTimeout", "udp_stream_timeout"),
            ("UdpTimeout", "udp_timeout"),
        ];
        let seconds = |theirs: &str| tracking.text_of(theirs)?.parse::<i64>().ok();
        let timeouts: Map<String, Value> = timeouts
            .iter()
            .filter_map(|(theirs, ours)| Some(((*ours).to_owned(), json!(seconds(theirs)?))))
            .collect();
        if !timeouts.is_empty() {
            mapping.write("connection_tracking", timeouts);
        }
    }
}

/// The public addresses of an interface that no elastic IP of the dump gives it, with their private ones.
fn public_addresses(facts: &Facts, item: &Item) -> Vec<(Option<String>, String)> {
    let is_elastic = |address: &str| {
        facts
            .dump
            .all("Addresses")
            .any(|(_, item)| item.body.get("PublicIp").and_then(Val::text).as_deref() == Some(address))
    };
    let mut found: Vec<(Option<String>, String)> = Vec::new();
    let one = |of: &Val| Some((of.text_of("PrivateIpAddress"), of.get("Association")?.text_of("PublicIp")?));
    found.extend(item.body.get("PrivateIpAddresses").map_or(&[][..], Val::items).iter().filter_map(one));
    if found.is_empty() {
        let public = item.body.get("Association").and_then(|association| association.text_of("PublicIp"));
        found.extend(public.map(|public| (None, public)));
    }
    found.retain(|(_, address)| !is_elastic(address));
    found
}

/// Whether AWS holds the interface for a service.
fn is_of_service(interface: &Interface) -> bool {
    let body = &interface.item.body;
    let is = |key: &str, word: &str| body.get(key).and_then(Val::text).as_deref() == Some(word);
    let attached = body.get("Attachment").is_some_and(|attachment| !attachment.is_empty());
    interface.instance.is_none() && (attached || is("Status", "in-use"))
}

/// What an interface of a gateway that is not in the dump leaves unknown.
fn gateway_type(item: &Item) -> Option<String> {
    let of_type = item.body.get("InterfaceType").and_then(Val::text).unwrap_or_default();
    let description = item.body.get("Description").and_then(Val::text).unwrap_or_default();
    let forwards = matches!(
        of_type.as_str(),
        "nat_gateway"
            | "natGateway"
            | "vpc_endpoint"
            | "gateway_load_balancer"
            | "gateway_load_balancer_endpoint"
            | "network_load_balancer"
            | "load_balancer"
            | "transit_gateway"
            | "global_accelerator_managed"
    ) || [
        "ELB ",
        "Interface for NAT Gateway",
        "VPC Endpoint Interface",
        "Network Interface for Transit Gateway",
    ]
    .iter()
    .any(|words| description.starts_with(words));
    forwards.then(|| {
        let what = if description.is_empty() { of_type } else { description };
        format!("it belongs to a gateway that is not in the dump ({what})")
    })
}

fn instance(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "instance", id, estate);
    if let Some(state) = gone_state(item) {
        return gone(mapping, &format!("it is {state}"));
    }
    let attached = attachments(facts, id);
    match state_of(mapping.properties.take("State")).as_deref() {
        Some("stopped" | "stopping") => mapping.write("state", "stopped"),
        Some("pending") => mapping.note(NoteKind::Approximated, "it is pending, and taken as running"),
        _ => {}
    }
    if attached.is_empty() {
        if item.body.get("SubnetId").is_none_or(Val::is_empty) {
            mapping.properties.silence();
            mapping.note(NoteKind::Omitted, "it is in no subnet, and has no interface that is listed");
            return mapping.finish(Fate::LeftOut);
        }
        addresses(facts, &mut mapping, item);
        let groups = groups(facts, &mut mapping, "SecurityGroups", vpc_of(facts, item));
        if groups.is_empty() {
            mapping.doubt("its security groups are not in the dump");
        } else {
            mapping.write("security_groups", groups);
        }
        let public = item.body.get("PublicIpAddress").and_then(Val::text);
        let is_elastic =
            |(_, address): (&String, &Item)| address.body.get("PublicIp").and_then(Val::text) == public;
        match public.as_ref().filter(|_| !facts.dump.all("Addresses").any(is_elastic)) {
            Some(public) => mapping.write("public_ip", public.as_str()),
            None => mapping.write("associate_public_ip_address", false),
        }
    } else {
        for attachment in &attached {
            if let Some(name) = attachment.get("network_interface").and_then(Value::as_str) {
                mapping.became_part_of("network_interfaces", name);
            }
        }
        mapping.write("network_interfaces", attached);
    }
    // What else an instance says is about the machine; its addresses are its interfaces'.
    mapping.properties.silent(&[
        "NetworkInterfaces",
        "SecurityGroups",
        "SubnetId",
        "VpcId",
        "PublicDnsName",
        "PublicIpAddress",
        "PrivateIpAddress",
        "Ipv6Address",
        "SourceDestCheck",
        "NetworkPerformanceOptions",
    ]);
    mapping.properties.silence_others();
    end(mapping, "instances", id, item, facts);
}

/// The interfaces of an instance: one at index 0, and no index twice. Each network card counts its own.
fn attachments(facts: &Facts, instance: &str) -> Vec<Value> {
    let has_subnet =
        |interface: &Interface| interface.item.body.get("SubnetId").is_some_and(|id| !id.is_empty());
    let mut of: Vec<(i64, &String)> = facts
        .interfaces
        .iter()
        .filter(|(id, interface)| {
            interface.instance.as_deref() == Some(instance)
                && has_subnet(interface)
                && !facts.of_gateway.contains_key(*id)
        })
        .map(|(id, interface)| (interface.device_index, id))
        .collect();
    of.sort();
    let mut taken = BTreeSet::new();
    let index = |(wanted, id): (i64, &String)| {
        let first = if taken.is_empty() { 0 } else { wanted };
        let index = (first..).find(|index| !taken.contains(index)).unwrap_or(wanted);
        taken.insert(index);
        json!({ "network_interface": id, "device_index": index })
    };
    of.into_iter().map(index).collect()
}

/// Instances that interfaces are attached to and nobody lists.
fn unlisted_instances(facts: &Facts, estate: &mut Estate) {
    let mut unlisted: BTreeMap<&String, &Interface> = BTreeMap::new();
    for interface in facts.interfaces.values() {
        if let Some(instance) = &interface.instance {
            unlisted.entry(instance).or_insert(interface);
        }
    }
    for (id, interface) in unlisted {
        let attached = attachments(facts, id);
        if facts.dump.get("Instances", id).is_none() && !attached.is_empty() {
            let attributes = object(json!({ "network_interfaces": attached }));
            estate.put("instances", id, attributes, &interface.item.by);
            estate.report.made.push(crate::estate::becomes(&("instances", id.clone())));
        }
    }
}

fn address(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let name = if id.contains('.') { format!("eip-{}", id.replace('.', "-")) } else { id.to_owned() };
    let mut mapping = begin(item, "elastic-ip", &name, estate);
    mapping.properties.silent(&[
        "AllocationId",
        "AssociationId",
        "Domain",
        "PublicIpv4Pool",
        "NetworkBorderGroup",
        "NetworkInterfaceOwnerId",
        "InstanceId",
        "NetworkInterfaceId",
        "PrivateIpAddress",
        "SubnetId",
        "ServiceManaged",
    ]);
    mapping.text("PublicIp", "public_ip");
    let text = |key: &str| item.body.get(key).and_then(Val::text).filter(|text| !text.is_empty());
    let mut home = home(item);
    let interface = text("NetworkInterfaceId");
    match (interface, text("InstanceId")) {
        (Some(eni), _) if facts.of_gateway.contains_key(&eni) => {
            if let Some(gateway) = facts.interfaces.get(&eni) {
                home = facts.home(&gateway.item);
            }
            if let Some((kind, owner)) =
                facts.of_gateway.get(&eni).filter(|(kind, _)| *kind != "nat_gateways")
            {
                mapping.note(
                    NoteKind::Approximated,
                    format!("it belongs to {owner} ({kind}), whose public addresses are chosen here"),
                );
            }
        }
        (Some(eni), _) if facts.interfaces.contains_key(&eni) => {
            home = facts.interfaces.get(&eni).map_or(home, |interface| facts.home(&interface.item));
            let subnet = facts.interfaces.get(&eni).and_then(|of| of.item.body.get("SubnetId")?.text());
            mapping.write("network_interface", eni);
            let private = text("PrivateIpAddress").filter(|one| can_have(facts, subnet.as_deref(), one));
            if let Some(private) = private {
                mapping.write("associate_with_private_ip", private);
            }
        }
        (_, Some(instance)) if facts.holds("instances", &instance) => {
            home = facts.dump.get("Instances", &instance).map_or(home, |item| facts.home(item));
            mapping.write("instance", instance);
        }
        (Some(eni), _) if !facts.nat_uses(id) => {
            mapping.note(
                NoteKind::Omitted,
                format!("its interface {eni} is not in the dump: it stands for nobody"),
            );
        }
        _ => {}
    }
    if let Some(nat) = facts.nat_home(id) {
        home = nat;
    }
    mapping.write("region", home.region);
    mapping.write("owner", home.account);
    end(mapping, "eips", id, item, facts);
}

/// An internet gateway for each VPC that has none in the dump although an interface in it has a public address: AWS gives
/// none without.
pub(super) fn open_to_the_internet(facts: &Facts, estate: &mut Estate) {
    let vpc_of = |eni: &str| {
        let interface = facts.interfaces.get(eni)?;
        interface.item.body.get("VpcId").and_then(Val::text).filter(|vpc| facts.holds("vpcs", vpc))
    };
    let eips = estate.resources.get("eips").into_iter().flatten();
    let with_public: BTreeSet<String> =
        eips.filter_map(|(_, eip)| vpc_of(eip.get("network_interface")?.as_str()?)).collect();
    let gateways = estate.resources.get("internet_gateways").into_iter().flatten();
    let attached: BTreeSet<String> =
        gateways.filter_map(|(_, gateway)| gateway.get("vpc")?.as_str().map(str::to_owned)).collect();
    for vpc in with_public.difference(&attached) {
        let Some(item) = facts.dump.get("Vpcs", vpc) else { continue };
        let name = format!("{vpc}-igw");
        estate.put("internet_gateways", &name, object(json!({ "vpc": vpc })), &item.by);
        estate.report.made.push(crate::estate::becomes(&("internet_gateways", name)));
    }
}
