//! What other services put into a VPC: load balancers, databases, functions, caches, search domains, file systems.
//!
//! Where the dump lists the interfaces of a service, these are its ends, under their own ids. Where it does not, there is
//! one in each of its subnets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::describe::facts::{Facts, Interface, gone as gone_state, name_in};
use crate::describe::filters::{groups, those_in_vpc};
use crate::describe::gather::Item;
use crate::describe::{begin, end, gone};
use crate::estate::Estate;
use crate::mapping::{Mapping, object};
use crate::report::{Fate, NoteKind};
use crate::val::Val;

/// What of a service is read where its ends are made, or names what is read.
const READ: &[&str] = &[
    "CacheSecurityGroups",
    "CacheSubnetGroupName",
    "DBSecurityGroups",
    "DBSubnetGroup",
    "IpDiscovery",
    "PubliclyAccessible",
    "SecurityGroups",
    "SourceSecurityGroup",
    "VPCId",
    "VPCOptions",
    "VpcConfig",
    "VpcSecurityGroups",
];

pub(super) fn read(facts: &Facts, estate: &mut Estate) {
    facts.dump.all("LoadBalancers").for_each(|(id, item)| load_balancer(facts, id, item, estate));
    facts.dump.all("LoadBalancerDescriptions").for_each(|(id, item)| classic(facts, id, item, estate));
    listeners(facts, estate);
    facts.dump.all("TargetGroups").for_each(|(id, item)| target_group(facts, id, item, estate));
    facts.dump.all("DBInstances").for_each(|(id, item)| database(facts, id, item, estate));
    for (id, item) in facts.dump.all("DomainStatusList") {
        let place = item.body.get("VPCOptions");
        let own = |it: &Interface| described_as(facts, it, "ES ", id);
        in_vpc(facts, "search-domain", id, item, place, &own, estate);
    }
    for (id, item) in facts.dump.all("Functions") {
        let place = item.body.get("VpcConfig");
        let own = |it: &Interface| described_as(facts, it, "AWS Lambda VPC ENI-", id);
        in_vpc(facts, "lambda-function", id, item, place, &own, estate);
    }
    facts.dump.all("CacheClusters").for_each(|(id, item)| cache(facts, id, item, estate));
    facts.dump.all("MountTargets").for_each(|(id, item)| mount_target(facts, id, item, estate));
    for (id, item) in facts.dump.all("VpcBlockPublicAccessOptions") {
        let mut mapping = begin(item, "vpc-block-public-access-options", id, estate);
        mapping.text("InternetGatewayBlockMode", "internet_gateway_block_mode");
        mapping.properties.silence();
        end(mapping, "vpc_block_public_access_options", id, item, facts);
    }
    for (id, item) in facts.dump.all("VpcBlockPublicAccessExclusions") {
        let mut mapping = begin(item, "vpc-block-public-access-exclusion", id, estate);
        mapping.properties.silence();
        mapping.text("InternetGatewayExclusionMode", "internet_gateway_exclusion_mode");
        mapping.text("ResourceArn", "resource_arn");
        end(mapping, "vpc_block_public_access_exclusions", id, item, facts);
    }
}

fn text(item: &Item, key: &str) -> Option<String> {
    item.body.get(key).and_then(Val::text).filter(|text| !text.is_empty())
}

fn described(interface: &Interface, prefix: &str) -> bool {
    text(&interface.item, "Description").is_some_and(|description| description.starts_with(prefix))
}

/// The name in an id that has its region before it.
fn name_of(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// Whether an interface is described as one of what is called so: in its region, where others have the name too.
fn described_as(facts: &Facts, interface: &Interface, words: &str, id: &str) -> bool {
    let region = facts.home(&interface.item).region;
    let is_here = match id.rsplit_once('/') {
        Some((place, _)) => place.rsplit('/').next() == Some(region.as_str()),
        None => true,
    };
    is_here && described(interface, &format!("{words}{}", name_of(id)))
}

fn load_balancer(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let name = facts.balancing.get(id).cloned().unwrap_or_else(|| name_in(id));
    let mut mapping = begin(item, "load-balancer", &name, estate);
    if let Some(state) = gone_state(item) {
        return gone(mapping, &format!("it is {state}"));
    }
    let zones = item.body.get("AvailabilityZones").map_or(&[][..], Val::items).iter();
    let zones = zones.filter_map(|zone| {
        let listed = zone.items_of("LoadBalancerAddresses").first();
        Some((zone.text_of("SubnetId")?, listed.and_then(|address| address.text_of("PrivateIPv4Address"))))
    });
    let subnets = places(facts, &mut mapping, zones.collect());
    if subnets.is_empty() {
        mapping.properties.silence();
        mapping.note(NoteKind::Omitted, "its subnets are not in the dump");
        return mapping.finish(Fate::LeftOut);
    }
    mapping.write("subnet_mapping", subnets);
    mapping.text("Type", "load_balancer_type");
    mapping.write("internal", text(item, "Scheme").as_deref() == Some("internal"));
    let groups = groups(facts, &mut mapping, "SecurityGroups", text(item, "VpcId"));
    if !groups.is_empty() {
        mapping.write("security_groups", groups);
    }
    mapping.text("IpAddressType", "ip_address_type");
    mapping.properties.silent(&[
        "LoadBalancerArn",
        "DNSName",
        "CanonicalHostedZoneId",
        "CreatedTime",
        "LoadBalancerName",
        "Scheme",
        "VpcId",
        "State",
        "AvailabilityZones",
        "CustomerOwnedIpv4Pool",
        "EnablePrefixForIpv6SourceNat",
        "IpamPools",
        "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic",
    ]);
    end(mapping, "load_balancers", id, item, facts);
}

/// The subnets of a load balancer, each with the address that is listed, or that its interface there has.
fn places(facts: &Facts, mapping: &mut Mapping<'_>, subnets: Vec<(String, Option<String>)>) -> Vec<Value> {
    let mut of_interfaces: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (eni, interface) in &facts.interfaces {
        let owner = facts.of_gateway.get(eni);
        if owner.is_some_and(|(kind, owner)| *kind == "load_balancers" && *owner == mapping.name)
            && let (Some(subnet), Some(address)) =
                (text(&interface.item, "SubnetId"), text(&interface.item, "PrivateIpAddress"))
        {
            of_interfaces.entry(subnet).or_default().push(address);
        }
    }
    let by = mapping.by.clone();
    let mut places = Vec::new();
    for (subnet, address) in subnets {
        let own = of_interfaces.get(&subnet).cloned().unwrap_or_default();
        if own.len() > 1 {
            let text = format!("it has {} interfaces in {subnet}: the first stands for all", own.len());
            mapping.note(NoteKind::Approximated, text);
        }
        let subnet = mapping.estate.refer("subnets", &subnet, &by);
        let mut place = Map::from_iter([("subnet".to_owned(), subnet)]);
        let address = address.or_else(|| own.into_iter().next());
        place.extend(address.map(|address| ("private_ipv4_address".to_owned(), json!(address))));
        places.push(Value::Object(place));
    }
    places
}

/// A classic one: its listeners are among its attributes.
fn classic(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let name = facts.balancing.get(id).cloned().unwrap_or_else(|| id.to_owned());
    let mut mapping = begin(item, "classic-load-balancer", &name, estate);
    let listed = subnets(item.body.get("Subnets"));
    let subnets = places(facts, &mut mapping, listed.into_iter().map(|subnet| (subnet, None)).collect());
    mapping.properties.silent(READ);
    mapping.properties.silence_others();
    if subnets.is_empty() {
        mapping.note(NoteKind::Omitted, "its subnets are not in the dump");
        return mapping.finish(Fate::LeftOut);
    }
    if subnets.iter().any(|place| place.get("private_ipv4_address").is_none()) {
        let text =
            "not all of its interfaces are in the dump: one in each subnet, with an address that is chosen";
        mapping.note(NoteKind::Assigned, text);
    }
    mapping.write("subnet_mapping", subnets);
    mapping.write("load_balancer_type", "classic");
    let is_internal = text(item, "Scheme").as_deref() == Some("internal");
    mapping.write("internal", is_internal);
    if !is_internal {
        mapping.note(NoteKind::Assigned, "its public addresses are chosen here");
    }
    let groups = groups(facts, &mut mapping, "SecurityGroups", text(item, "VPCId"));
    if groups.is_empty() {
        mapping.doubt("its security groups are not in the dump");
    } else {
        mapping.write("security_groups", groups);
    }
    for description in item.body.get("ListenerDescriptions").map_or(&[][..], Val::items) {
        let Some(listener) = description.get("Listener") else { continue };
        let port = listener.text_of("LoadBalancerPort").and_then(|port| port.parse::<u16>().ok());
        let (Some(port), Some(protocol)) = (port, listener.text_of("Protocol")) else { continue };
        let listener = json!({ "load_balancer": name, "port": port, "protocol": protocol });
        mapping.put_as("listeners", &format!("{name}-{port}"), object(listener));
    }
    end(mapping, "load_balancers", id, item, facts);
}

fn listeners(facts: &Facts, estate: &mut Estate) {
    let one = |item: &Item, body: &BTreeMap<String, Val>, estate: &mut Estate| {
        let text = |key: &str| body.get(key).and_then(Val::text);
        let arn = text("LoadBalancerArn").unwrap_or_default();
        let balancer = facts.balancing.get(&arn).cloned().unwrap_or_else(|| name_in(&arn));
        let name = format!("{balancer}-{}", text("Port").unwrap_or_else(|| "all".to_owned()));
        let id = text("ListenerArn").unwrap_or_else(|| name.clone());
        let by = crate::estate::Address { source: item.by.source.clone(), address: id };
        let mut mapping = Mapping::new(by, "listener", &name, body, estate);
        let held =
            mapping.estate.resources.get("load_balancers").is_some_and(|all| all.contains_key(&balancer));
        mapping.properties.silent(&[
            "ListenerArn",
            "LoadBalancerArn",
            "DefaultActions",
            "Certificates",
            "SslPolicy",
            "AlpnPolicy",
            "MutualAuthentication",
        ]);
        if held {
            mapping.write("load_balancer", balancer);
            mapping.number("Port", "port");
            mapping.text("Protocol", "protocol");
            mapping.put("listeners");
            mapping.finish(Fate::Understood);
        } else {
            mapping.properties.silence();
            mapping.note(NoteKind::Omitted, format!("its load balancer {balancer} is not in the dump"));
            mapping.finish(Fate::LeftOut);
        }
    };
    facts.dump.all("Listeners").for_each(|(_, item)| one(item, &item.body, estate));
    for (_, item) in facts.dump.all("LoadBalancerListeners") {
        for listener in item.body.get("Listeners").map_or(&[][..], Val::items) {
            if let Val::Map(body) = listener {
                one(item, body, estate);
            }
        }
    }
}

fn target_group(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let name = facts.balancing.get(id).cloned().unwrap_or_else(|| name_in(id));
    let mut mapping = begin(item, "target-group", &name, estate);
    let of_group = |(_, item): &(&String, &Item)| text(item, "TargetGroupArn").as_deref() == Some(id);
    let nested = facts.dump.all("LoadBalancerTargetHealth").filter(of_group);
    let nested =
        nested.flat_map(|(_, item)| item.body.get("TargetHealthDescriptions").map_or(&[][..], Val::items));
    let flat = facts.dump.all("TargetHealthDescriptions").filter(of_group);
    let flat = flat.filter_map(|(_, item)| item.body.get("Target"));
    let all = nested.filter_map(|health| health.get("Target")).chain(flat);
    let mut targets: Vec<String> = all.filter_map(|target| target.text_of("Id")).collect();
    targets.sort();
    targets.dedup();
    targets.retain(|target| !target.starts_with("i-") || facts.holds("instances", target));
    mapping.write("targets", targets);
    for (theirs, ours) in [("Protocol", "protocol"), ("TargetType", "target_type")] {
        mapping.text(theirs, ours);
    }
    mapping.number("Port", "port");
    if text(item, "VpcId").is_some_and(|vpc| facts.holds("vpcs", &vpc)) {
        mapping.reference("VpcId", "vpc", "vpcs");
    }
    mapping.properties.silence();
    end(mapping, "target_groups", id, item, facts);
}

fn subnets(list: Option<&Val>) -> Vec<String> {
    let id = |item: &Val| {
        item.text_of("SubnetIdentifier").or_else(|| item.text_of("SubnetId")).or_else(|| item.text())
    };
    list.map_or(&[][..], Val::items).iter().filter_map(id).collect()
}

fn database(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "db-instance", id, estate);
    if text(item, "DBInstanceStatus")
        .is_some_and(|state| matches!(state.as_str(), "deleting" | "stopped" | "failed"))
    {
        return gone(mapping, "it does not run");
    }
    let subnets = subnets(item.body.get("DBSubnetGroup").and_then(|group| group.get("Subnets")));
    if subnets.is_empty() {
        return gone(mapping, "it is in no VPC");
    }
    let vpc = subnets.first().and_then(|subnet| facts.vpc_of_subnet(subnet));
    let groups = groups(facts, &mut mapping, "VpcSecurityGroups", vpc);
    let public = text(item, "PubliclyAccessible").as_deref() == Some("true");
    let own = |it: &Interface| {
        let theirs: Vec<String> = it
            .item
            .body
            .get("Groups")
            .map_or(&[][..], Val::items)
            .iter()
            .filter_map(|group| group.text_of("GroupId"))
            .collect();
        described(it, "RDSNetworkInterface")
            && text(&it.item, "SubnetId").is_some_and(|subnet| subnets.contains(&subnet))
            && groups.iter().all(|group| theirs.contains(group))
    };
    ends(facts, mapping, &subnets, &groups, public, &own);
}

/// A service with a list of subnets and one of groups.
fn in_vpc(
    facts: &Facts,
    of_type: &str,
    id: &str,
    item: &Item,
    place: Option<&Val>,
    own: &dyn Fn(&Interface) -> bool,
    estate: &mut Estate,
) {
    let mut mapping = begin(item, of_type, id, estate);
    let list = |key: &str| subnets(place.and_then(|place| place.get(key)));
    let (subnets, groups) = (list("SubnetIds"), list("SecurityGroupIds"));
    if subnets.is_empty() {
        mapping.properties.silence();
        return mapping.finish(Fate::NotNetwork);
    }
    let vpc = subnets.first().and_then(|subnet| facts.vpc_of_subnet(subnet));
    let groups = those_in_vpc(facts, &mut mapping, groups, vpc);
    ends(facts, mapping, &subnets, &groups, false, own);
}

fn cache(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "cache-cluster", id, estate);
    let ids = item.body.get("SecurityGroups").map_or(&[][..], Val::items).iter();
    let groups: Vec<String> = ids.filter_map(|group| group.text_of("SecurityGroupId")).collect();
    let group = text(item, "CacheSubnetGroupName");
    let is_it = |(_, item): &(&String, &Item)| text(item, "CacheSubnetGroupName") == group;
    let subnets =
        facts.dump.all("CacheSubnetGroups").find(is_it).map(|(_, item)| subnets(item.body.get("Subnets")));
    let subnets = subnets.unwrap_or_default();
    let vpc = subnets.first().and_then(|subnet| facts.vpc_of_subnet(subnet));
    let groups = those_in_vpc(facts, &mut mapping, groups, vpc);
    ends(facts, mapping, &subnets, &groups, false, &|it| described_as(facts, it, "ElastiCache ", id));
}

fn mount_target(facts: &Facts, id: &str, item: &Item, estate: &mut Estate) {
    let mut mapping = begin(item, "mount-target", id, estate);
    mapping.properties.silence();
    match text(item, "NetworkInterfaceId").filter(|eni| facts.interfaces.contains_key(eni)) {
        Some(eni) => {
            mapping.became_part_of("instances", &eni);
            mapping.finish(Fate::Understood);
        }
        None => {
            mapping.reference("SubnetId", "subnet", "subnets");
            mapping.text("IpAddress", "private_ip");
            mapping.write("associate_public_ip_address", false);
            mapping
                .doubt("its security groups are not in the dump: add `aws ec2 describe-network-interfaces`");
            end(mapping, "instances", id, item, facts);
        }
    }
}

/// The ends of a service: its interfaces where the dump has them, else one in each subnet.
fn ends(
    facts: &Facts,
    mapping: Mapping<'_>,
    subnets: &[String],
    groups: &[String],
    public: bool,
    own: &dyn Fn(&Interface) -> bool,
) {
    let mut mapping = mapping;
    mapping.properties.silent(READ);
    mapping.properties.silence_others();
    let by = mapping.by.clone();
    let listed: Vec<&String> = facts.interfaces.iter().filter(|(_, it)| own(it)).map(|(id, _)| id).collect();
    for eni in &listed {
        mapping.became_part_of("instances", eni);
    }
    if !listed.is_empty() {
        return mapping.finish(Fate::Understood);
    }
    if subnets.is_empty() {
        mapping.note(NoteKind::Omitted, "neither its interfaces nor its subnets are in the dump");
        return mapping.finish(Fate::LeftOut);
    }
    mapping.note(
        NoteKind::Assigned,
        "its interfaces are not in the dump: one in each subnet, with an address that is chosen",
    );
    if let Some(note) = crate::services::of(&mapping.of_type).note {
        mapping.note(NoteKind::Approximated, note);
    }
    if groups.is_empty() {
        mapping.doubt("its security groups are not in the dump");
    }
    let vpc_of = |subnet: &String| facts.vpc_of_subnet(subnet);
    let vpcs: BTreeSet<String> = subnets.iter().filter_map(vpc_of).collect();
    if vpcs.len() > 1 {
        mapping.doubt("its subnets are of several VPCs in the dump");
    }
    let name = mapping.name.clone();
    for (position, subnet) in subnets.iter().enumerate() {
        let is_here = |group: &&String| {
            let of = facts.dump.get("SecurityGroups", group).and_then(|item| item.body.get("VpcId")?.text());
            vpcs.len() < 2 || of == vpc_of(subnet)
        };
        let groups: Vec<&String> = groups.iter().filter(is_here).collect();
        let subnet = mapping.estate.refer("subnets", subnet, &by);
        let mut end = Map::from_iter([("subnet".to_owned(), subnet)]);
        end.insert("associate_public_ip_address".to_owned(), json!(public));
        if !groups.is_empty() {
            end.insert("security_groups".to_owned(), json!(groups));
        }
        mapping.put_as("instances", &format!("{name}[{position}]"), end);
    }
    mapping.finish(Fate::Understood);
}
