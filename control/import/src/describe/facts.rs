//! What has to be known of a whole dump before any one resource can be read?

use std::collections::{BTreeMap, BTreeSet};

use crate::DEFAULT_ACCOUNT;
use crate::describe::gather::{Dump, Item, account};
use crate::source::is_region;
use crate::val::Val;

/// A dump, and what is where.
#[derive(Debug)]
pub(super) struct Facts {
    pub dump: Dump,
    /// Where each VPC is.
    pub homes: BTreeMap<String, Home>,
    /// The interfaces, whichever call shows them.
    pub interfaces: BTreeMap<String, Interface>,
    /// Whose an interface is that a gateway puts: the kind and the name of the gateway.
    pub of_gateway: BTreeMap<String, (&'static str, String)>,
    /// The name in the document of each prefix list.
    pub prefix_lists: BTreeMap<String, String>,
    /// The name in the document of each load balancer and target group: an ARN has characters that no name has.
    pub balancing: BTreeMap<String, String>,
}

/// The region and account of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    pub region: String,
    pub account: String,
}

/// A network interface, whichever call shows it.
#[derive(Debug)]
pub(super) struct Interface {
    pub item: Item,
    /// Whether `describe-network-interfaces` lists it; else it stands in an instance only.
    pub listed: bool,
    /// The instance it is attached to.
    pub instance: Option<String>,
    pub device_index: i64,
}

impl Facts {
    pub(super) fn new(dump: Dump) -> Self {
        let homes = dump.all("Vpcs").map(|(id, vpc)| (id.clone(), home_of_vpc(&dump, id, vpc))).collect();
        let interfaces = interfaces(&dump);
        let balancing = balancing(&dump);
        let of_gateway = of_gateways(&dump, &interfaces, &balancing);
        let prefix_lists = prefix_lists(&dump);
        Self { dump, homes, interfaces, of_gateway, prefix_lists, balancing }
    }

    /// The region and account of a resource that may say them, or else lies where it was found.
    pub(super) fn home(&self, item: &Item) -> Home {
        let vpc = item.body.get("VpcId").and_then(Val::text);
        if let Some(home) = vpc.and_then(|vpc| self.homes.get(&vpc)) {
            return home.clone();
        }
        home(item)
    }

    /// The VPC that a subnet lies in.
    pub(super) fn vpc_of_subnet(&self, subnet: &str) -> Option<String> {
        self.dump.get("Subnets", subnet)?.body.get("VpcId")?.text()
    }

    /// The name of a prefix list in the document.
    pub(super) fn prefix_list(&self, id: &str) -> String {
        self.prefix_lists.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// Whether the document will have what AWS calls `id`.
    pub(super) fn holds(&self, kind: &'static str, id: &str) -> bool {
        let collection = match kind {
            "network_interfaces" => return self.interfaces.contains_key(id),
            "vpcs" => "Vpcs",
            "subnets" => "Subnets",
            "security_groups" => "SecurityGroups",
            "instances" => "Instances",
            "nat_gateways" => "NatGateways",
            "internet_gateways" => "InternetGateways",
            "egress_only_internet_gateways" => "EgressOnlyInternetGateways",
            "vpn_gateways" => "VpnGateways",
            "vpc_peering_connections" => "VpcPeeringConnections",
            "vpc_endpoints" => "VpcEndpoints",
            "transit_gateways" => "TransitGateways",
            "carrier_gateways" => "CarrierGateways",
            "local_gateways" => "LocalGateways",
            _ => return false,
        };
        self.dump.get(collection, id).is_some_and(|item| gone(item).is_none())
    }

    /// Whether a NAT gateway has the elastic IP address.
    pub(super) fn nat_uses(&self, allocation: &str) -> bool {
        self.nat_of(allocation).is_some()
    }

    /// Where the NAT gateway is that has the elastic IP address.
    pub(super) fn nat_home(&self, allocation: &str) -> Option<Home> {
        let subnet = self.nat_of(allocation)?.body.get("SubnetId")?.text()?;
        self.homes.get(&self.vpc_of_subnet(&subnet)?).cloned()
    }

    fn nat_of(&self, allocation: &str) -> Option<&Item> {
        let has = |item: &&Item| {
            let all = item.body.get("NatGatewayAddresses").map_or(&[][..], Val::items);
            gone(item).is_none()
                && all.iter().any(|one| one.text_of("AllocationId").as_deref() == Some(allocation))
        };
        self.dump.all("NatGateways").map(|(_, item)| item).find(has)
    }

    /// The VPC peering connections that are not gone: their two VPCs.
    pub(super) fn peers(&self, vpc: &str) -> BTreeSet<String> {
        let ends = self.dump.all("VpcPeeringConnections").filter_map(|(_, item)| {
            let end = |key: &str| item.body.get(key)?.text_of("VpcId");
            Some((end("RequesterVpcInfo")?, end("AccepterVpcInfo")?))
        });
        ends.filter_map(|(a, b)| match (a == vpc, b == vpc) {
            (true, _) => Some(b),
            (_, true) => Some(a),
            _ => None,
        })
        .collect()
    }
}

/// The state of what is no more, or never was.
pub(super) fn gone(item: &Item) -> Option<String> {
    let state =
        ["State", "Status", "StateCode"].iter().find_map(|key| super::state_of(item.body.get(*key)))?;
    let word = state.to_ascii_lowercase();
    let is_gone = matches!(
        word.as_str(),
        "deleted" | "deleting" | "terminated" | "shutting-down" | "failed" | "rejected" | "expired"
    );
    is_gone.then_some(word)
}

/// What an item says of its region and account.
pub(super) fn home(item: &Item) -> Home {
    let text = |key: &str| item.body.get(key).and_then(Val::text);
    let arn = item.body.iter().filter(|(key, _)| key.ends_with("Arn") || key.ends_with("ARN"));
    let arn: Vec<String> = arn
        .filter_map(|(_, value)| value.text())
        .next()
        .map_or(Vec::new(), |arn| arn.split(':').map(str::to_owned).collect());
    let of_arn = |index: usize| arn.get(index).filter(|word| !word.is_empty()).cloned();
    let zone = text("AvailabilityZone").and_then(|zone| region_of_zone(&zone));
    let region = text("Region").or_else(|| of_arn(3)).filter(|region| is_region(region)).or(zone);
    let owner = text("OwnerId").or_else(|| of_arn(4)).and_then(|owner| account(&owner));
    Home {
        region: region.unwrap_or_else(|| item.region.clone()),
        account: owner.unwrap_or_else(|| item.account.clone()),
    }
}

/// The region that a zone is named after: `us-east-1` of `us-east-1a` and `us-west-2-lax-1a`.
pub(crate) fn region_of_zone(zone: &str) -> Option<String> {
    let parts: Vec<&str> = zone.split('-').collect();
    let number = parts.iter().position(|part| part.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = parts.get(number)?.chars().take_while(char::is_ascii_digit).collect();
    let region = format!("{}-{digits}", parts.get(..number)?.join("-"));
    is_region(&region).then_some(region)
}

fn home_of_vpc(dump: &Dump, id: &str, vpc: &Item) -> Home {
    let mut home = home(vpc);
    let says = vpc.body.contains_key("Region") || vpc.body.contains_key("VpcArn");
    if !says {
        // A VPC does not say where it is: its subnets do.
        let is_here = |item: &&Item| item.body.get("VpcId").and_then(Val::text).as_deref() == Some(id);
        let subnets = dump.all("Subnets").map(|(_, item)| item).filter(is_here);
        let zones = subnets.filter_map(|item| item.body.get("AvailabilityZone").and_then(Val::text));
        if let Some(region) = zones.filter_map(|zone| region_of_zone(&zone)).next() {
            home.region = region;
        }
    }
    if home.account.is_empty() {
        home.account = DEFAULT_ACCOUNT.to_owned();
    }
    home
}

fn interfaces(dump: &Dump) -> BTreeMap<String, Interface> {
    let mut all = BTreeMap::new();
    for (id, item) in dump.all("NetworkInterfaces") {
        let attachment = item.body.get("Attachment");
        let instance = attachment.and_then(|attachment| attachment.text_of("InstanceId"));
        let device_index = device_index(attachment);
        all.insert(id.clone(), Interface { item: item.clone(), listed: true, instance, device_index });
    }
    for (instance, item) in dump.all("Instances") {
        for inner in item.body.get("NetworkInterfaces").map_or(&[][..], Val::items) {
            let (Val::Map(body), Some(id)) = (inner, inner.text_of("NetworkInterfaceId")) else { continue };
            let device_index = device_index(inner.get("Attachment"));
            let known = all.entry(id).or_insert_with(|| {
                let item = Item { body: body.clone(), ..item.clone() };
                Interface { item, listed: false, instance: None, device_index }
            });
            if known.instance.is_none() {
                (known.instance, known.device_index) = (Some(instance.clone()), device_index);
            }
        }
    }
    all
}

fn device_index(attachment: Option<&Val>) -> i64 {
    let index = attachment.and_then(|attachment| attachment.text_of("DeviceIndex"));
    index.and_then(|index| index.parse().ok()).unwrap_or(0)
}

/// Interfaces of the gateways in the dump, which the model puts with their gateways.
fn of_gateways(
    dump: &Dump,
    interfaces: &BTreeMap<String, Interface>,
    balancing: &BTreeMap<String, String>,
) -> BTreeMap<String, (&'static str, String)> {
    let mut of = BTreeMap::new();
    for (id, item) in dump.all("NatGateways") {
        for address in item.body.get("NatGatewayAddresses").map_or(&[][..], Val::items) {
            of.extend(address.text_of("NetworkInterfaceId").map(|eni| (eni, ("nat_gateways", id.clone()))));
        }
    }
    for (id, item) in dump.all("VpcEndpoints") {
        for eni in item.body.get("NetworkInterfaceIds").map_or(&[][..], Val::items) {
            of.extend(eni.text().map(|eni| (eni, ("vpc_endpoints", id.clone()))));
        }
    }
    for (id, interface) in interfaces {
        let description = interface.item.body.get("Description").and_then(Val::text).unwrap_or_default();
        if !of.contains_key(id)
            && let region = home(&interface.item).region
            && let Some(owner) = described_owner(dump, &description, &region, balancing)
        {
            of.insert(id.clone(), owner);
        }
    }
    of
}

/// The gateway of the dump that an interface's description names.
fn described_owner(
    dump: &Dump,
    description: &str,
    region: &str,
    balancing: &BTreeMap<String, String>,
) -> Option<(&'static str, String)> {
    if let Some(path) = description.strip_prefix("ELB ") {
        let is_named = |(arn, _): &(&String, &Item)| arn.ends_with(&format!("loadbalancer/{path}"));
        let found = dump.all("LoadBalancers").find(is_named).map(|(id, _)| id);
        // A classic one is called by its name alone, with its region before it where others have the name.
        let of_name = |id: &str| match id.rsplit_once('/') {
            Some((place, name)) => name == path && place.rsplit('/').next() == Some(region),
            None => id == path,
        };
        let classic = || dump.all("LoadBalancerDescriptions").map(|(id, _)| id).find(|id| of_name(id));
        return found.or_else(classic).and_then(|id| Some(("load_balancers", balancing.get(id)?.clone())));
    }
    let word = |prefix: &str| {
        let at = description.find(prefix)?;
        let rest = description.get(at..)?;
        Some(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>())
    };
    let has =
        |collection: &'static str, id: Option<String>| id.filter(|id| dump.get(collection, id).is_some());
    if let Some(id) = has("NatGateways", word("nat-")) {
        return Some(("nat_gateways", id));
    }
    if let Some(id) = has("VpcEndpoints", word("vpce-")) {
        return Some(("vpc_endpoints", id));
    }
    has("TransitGatewayVpcAttachments", word("tgw-attach-")).map(|id| ("transit_gateway_vpc_attachments", id))
}

/// What load balancers and target groups are called: their names, with region and account where others have them too.
fn balancing(dump: &Dump) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for (collection, key) in [("LoadBalancers", "LoadBalancerName"), ("TargetGroups", "TargetGroupName")] {
        let name =
            |id: &str, item: &Item| item.body.get(key).and_then(Val::text).unwrap_or_else(|| name_in(id));
        let all: Vec<(&String, String, Home)> =
            dump.all(collection).map(|(id, item)| (id, name(id, item), home(item))).collect();
        for (id, name, home) in &all {
            let same = all.iter().filter(|(_, other, _)| other == name);
            let here = same.clone().filter(|(_, _, other)| other.region == home.region).count();
            let name = match (same.count(), here) {
                (1, _) => name.clone(),
                (_, 1) => format!("{}/{name}", home.region),
                _ => format!("{}/{}/{name}", home.account, home.region),
            };
            names.insert((*id).clone(), name);
        }
    }
    let held: BTreeSet<String> = names.values().cloned().collect();
    for (id, _) in dump.all("LoadBalancerDescriptions") {
        let name = if held.contains(id) { format!("classic/{id}") } else { id.clone() };
        names.insert(id.clone(), name);
    }
    names
}

/// The last but one part of an ARN with a name and a number, which is the name.
pub(super) fn name_in(arn: &str) -> String {
    let parts: Vec<&str> = arn.split('/').collect();
    let name = if parts.len() > 2 { parts.get(parts.len() - 2) } else { parts.last() };
    name.map_or_else(|| arn.to_owned(), |name| (*name).to_owned())
}

fn prefix_lists(dump: &Dump) -> BTreeMap<String, String> {
    let all = dump.all("PrefixLists").chain(dump.all("ManagedPrefixLists"));
    let name = |(id, item): (&String, &Item)| {
        let name = item.body.get("PrefixListName").and_then(Val::text);
        // AWS's own are known by name.
        let name = name.filter(|name| name.starts_with("com.amazonaws."));
        (id.clone(), name.unwrap_or_else(|| id.clone()))
    };
    all.map(name).collect()
}
