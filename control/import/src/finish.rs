//! What does everything that was gathered amount to?
//!
//! The last step: edits are applied, references settled, default VPCs made, and the document is put before the model.
//! What the model finds wrong is told in the sources' own words.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Map, Value, json};
use vpclab_model::{Document, KINDS, NOT_MODELLED, Topology};

use crate::estate::{Address, Change, Edit, Estate, Key, WITHOUT_DOUBT, becomes, default_vpc_name};
use crate::report::{Fate, Note, NoteKind};
use crate::services;
use crate::source::DEFAULT_REGION;
use crate::stand_in;
use crate::{DEFAULT_ACCOUNT, ImportError, Imported, Options, Problem};

/// The block of a default VPC, and of its subnets (ADDR area: a default VPC is 172.31.0.0/16 with a /20 in each zone).
const DEFAULT_BLOCK: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(172, 31, 0, 0), 16);
/// How long the prefixes of its subnets are, and the zones that have one wherever nothing is said.
const DEFAULT_PREFIX: u8 = 20;
const DEFAULT_ZONES: [char; 3] = ['a', 'b', 'c'];

/// Makes the document and the report.
pub(crate) fn finish(mut estate: Estate, options: &Options) -> Result<Imported, ImportError> {
    make_default_vpcs(&mut estate);
    let made = make_stand_ins(&mut estate, options);
    apply_edits(&mut estate);
    stand_in::complete(&mut estate, &made);
    forget_ipv6(&mut estate);
    keep_to_ipv4(&mut estate);
    keep_public_addresses(&mut estate);
    note_forwarders(&mut estate);
    let document = document(&estate);
    if estate.problems.is_empty() {
        judge(&mut estate, &document);
    }
    let Estate { mut report, mut problems, .. } = estate;
    if !problems.is_empty() {
        problems.sort();
        problems.dedup();
        return Err(ImportError::Problems(problems));
    }
    report.count();
    Ok(Imported { document, report })
}

fn make_default_vpcs(estate: &mut Estate) {
    let by = crate::estate::Address { source: String::new(), address: "default VPC".to_owned() };
    for (region, account) in std::mem::take(&mut estate.default_vpcs) {
        let vpc = default_vpc_name(&region, &account);
        let gateway = format!("{vpc}-igw");
        let mut made = vec![
            ("vpcs", vpc.clone(), json!({ "cidr_block": DEFAULT_BLOCK, "region": region, "owner": account })),
            ("internet_gateways", gateway.clone(), json!({ "vpc": vpc })),
            (
                "route_tables",
                format!("{vpc}/main"),
                json!({ "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": gateway }] }),
            ),
        ];
        let named = |zone: char| format!("{vpc}-{zone}");
        let stated = |zone: char| estate.default_blocks.get(&named(zone)).copied();
        let zones = ('a'..='z').filter(|zone| DEFAULT_ZONES.contains(zone) || stated(*zone).is_some());
        let taken: Vec<Ipv4Net> = zones.clone().filter_map(stated).collect();
        let is_free = |block: &Ipv4Net| !taken.iter().any(|own| own.contains(block) || block.contains(own));
        let mut free = DEFAULT_BLOCK.subnets(DEFAULT_PREFIX).into_iter().flatten().filter(is_free);
        for zone in zones {
            let Some(block) = stated(zone).or_else(|| free.next()) else { continue };
            made.push((
                "subnets",
                named(zone),
                json!({ "vpc": vpc, "cidr_block": block, "availability_zone": format!("{region}{zone}"),
                    "map_public_ip_on_launch": true }),
            ));
        }
        for (kind, name, attributes) in made {
            let Value::Object(attributes) = attributes else { continue };
            estate.put(kind, &name, attributes, &by);
            estate.report.made.push(becomes(&(kind, name)));
        }
    }
}

/// What somebody refers to and no source has: made up where that is wished for, else a problem of each who refers to it.
fn make_stand_ins(estate: &mut Estate, options: &Options) -> BTreeSet<Key> {
    let mut all = BTreeSet::new();
    want_what_hints_name(estate);
    let mut missing: BTreeMap<(String, &str), BTreeSet<Address>> = BTreeMap::new();
    let wanted = std::mem::take(&mut estate.wanted);
    for (key, by) in wanted {
        make_list_of_aws(estate, &key, &by);
        if is_there(estate, &key) {
            continue;
        }
        let why = estate.stand_ins.get(&key).cloned();
        let why = why.unwrap_or_else(|| format!("no source holds {}; give the one that does", key.1));
        match stand_in::begin(key.0, &why).filter(|_| options.stand_ins) {
            Some(mut attributes) => {
                let Some(first) = by.first() else { continue };
                attributes.extend(estate.hints.get(&key).cloned().unwrap_or_default());
                if let Some((region, account)) = estate.homes.get(&key.1).filter(|_| key.0 == "vpcs") {
                    attributes.insert("region".to_owned(), json!(region));
                    attributes.insert("owner".to_owned(), json!(account));
                }
                estate.put(key.0, &key.1, attributes, first);
                estate.report.made.push(becomes(&key));
                all.insert(key);
            }
            None => missing.entry((why, key.0)).or_default().extend(by),
        }
    }
    for ((why, kind), by) in missing {
        let Some(first) = by.first().cloned() else { continue };
        let noun = kind.replace('_', " ");
        let others = by.iter().map(|by| by.address.as_str()).collect::<Vec<_>>().join(", ");
        let whose = format!("(one of the {noun}, to {others})");
        let problem = match (why.contains("; "), options.stand_ins) {
            (true, true) => format!("{why} {whose}"),
            (true, false) => format!("{why}, or use --stand-ins to take it as not modelled {whose}"),
            (false, true) => format!("{why} {whose}; give the source that has it"),
            (false, false) => format!("{why} {whose}; use --stand-ins to take it as not modelled"),
        };
        estate.problem(&Address { source: first.source, address: String::new() }, problem);
    }
    all
}

/// What is known of a stand-in may name others.
fn want_what_hints_name(estate: &mut Estate) {
    for (attribute, kind) in [("subnet", "subnets"), ("vpc", "vpcs")] {
        let mut more = Vec::new();
        for (key, known) in &estate.hints {
            let by = estate.wanted.get(key).filter(|_| !is_there(estate, key));
            if let (Some(by), Some(name)) = (by, known.get(attribute).and_then(Value::as_str)) {
                more.push(((kind, name.to_owned()), by.clone()));
            }
        }
        more.into_iter().for_each(|(key, by)| estate.wanted.entry(key).or_default().extend(by));
    }
}

/// A prefix list that AWS manages is there for everybody; which blocks it has, AWS knows.
fn make_list_of_aws(estate: &mut Estate, key: &Key, by: &BTreeSet<Address>) {
    let (kind, name) = key;
    if *kind != "managed_prefix_lists" || !name.starts_with("com.amazonaws.") || is_there(estate, key) {
        return;
    }
    let family = if name.contains(".ipv6.") { "IPv6" } else { "IPv4" };
    let why = "which blocks AWS's own list has is not in the sources";
    let Value::Object(list) = json!({ "address_family": family, "not_modelled": why }) else { return };
    if let Some(first) = by.first() {
        estate.put(kind, name, list, first);
        estate.report.made.push(becomes(key));
    }
}

/// Whether a source holds the resource, or AWS makes it together with its VPC or transit gateway.
fn is_there(estate: &Estate, (kind, name): &Key) -> bool {
    let has = |kind: &str, name: &str| estate.resources.get(kind).is_some_and(|all| all.contains_key(name));
    let of_owner = |word: &str, owners: &str| name.strip_suffix(word).is_some_and(|owner| has(owners, owner));
    has(kind, name)
        || match *kind {
            "route_tables" => of_owner("/main", "vpcs"),
            "network_acls" | "security_groups" => of_owner("/default", "vpcs"),
            "transit_gateway_route_tables" => of_owner("/default", "transit_gateways"),
            // A service brings its list.
            "managed_prefix_lists" => has("services", name),
            _ => false,
        }
}

fn apply_edits(estate: &mut Estate) {
    let mut elsewhere = Vec::new();
    for Edit { target: (kind, name), attribute, change, by } in std::mem::take(&mut estate.edits) {
        // One that AWS makes by itself is declared by being changed.
        let resource = estate.resources.entry(kind).or_default().entry(name.clone()).or_default();
        match change {
            Change::Push(value) => match resource.entry(attribute).or_insert_with(|| json!([])) {
                Value::Array(list) => list.push(value),
                other => *other = Value::Array(vec![value]),
            },
            Change::Replace(value) => drop(resource.insert(attribute.to_owned(), value)),
            Change::Doubt(why) if WITHOUT_DOUBT.contains(&kind) => elsewhere.push((kind, name, why, true)),
            Change::Perhaps(why) if WITHOUT_DOUBT.contains(&kind) => elsewhere.push((kind, name, why, false)),
            Change::Doubt(why) | Change::Perhaps(why) => mark(resource, &why),
            Change::Set(value) => {
                let before = resource.insert(attribute.to_owned(), value.clone());
                if let Some(before) = before.filter(|before| *before != value) {
                    let problem = format!(
                        "{kind}.{name}.{attribute} would be {value}, and something else makes it {before}"
                    );
                    estate.problem(&by, problem);
                }
            }
        }
    }
    for (kind, name, why, is_anybodys) in elsewhere {
        for (kind, name) in who_depends_on(estate, kind, &name, is_anybodys) {
            if let Some(map) = estate.resources.get_mut(kind).and_then(|all| all.get_mut(&name)) {
                mark(map, &why);
            }
        }
    }
}

/// Adds to what is not known of a resource.
fn mark(resource: &mut Map<String, Value>, why: &str) {
    let before = resource.get("not_modelled").and_then(Value::as_str).unwrap_or_default();
    let both = both(before, why);
    resource.insert("not_modelled".to_owned(), Value::String(both));
}

/// Of whom something is not known where it is not known of an elastic address or a customer's device: of who has the
/// address, else, where it may be anybody's, of the internet gateways in its region and account; of the VPN connections.
fn who_depends_on(estate: &Estate, kind: &str, name: &str, is_anybodys: bool) -> Vec<Key> {
    let Some(resource) = estate.resources.get(kind).and_then(|all| all.get(name)) else { return Vec::new() };
    let said = |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
    let those = |kind: &'static str, is_meant: &dyn Fn(&Map<String, Value>) -> bool| -> Vec<Key> {
        let all = estate.resources.get(kind).into_iter().flatten();
        all.filter(|(_, map)| is_meant(map)).map(|(name, _)| (kind, name.clone())).collect()
    };
    if kind == "customer_gateways" {
        return those("vpn_connections", &|map| said(map, "customer_gateway").as_deref() == Some(name));
    }
    for (attribute, kind) in [("instance", "instances"), ("network_interface", "network_interfaces")] {
        if let Some(holder) = said(resource, attribute) {
            return vec![(kind, holder)];
        }
    }
    if !is_anybodys {
        return Vec::new();
    }
    let home = |map: &Map<String, Value>| {
        let or = |key: &str, usual: &str| said(map, key).unwrap_or_else(|| usual.to_owned());
        (or("region", DEFAULT_REGION), or("owner", DEFAULT_ACCOUNT))
    };
    let here = home(resource);
    those("internet_gateways", &|map| {
        let vpc = said(map, "vpc").and_then(|vpc| estate.resources.get("vpcs")?.get(&vpc));
        vpc.is_none_or(|vpc| home(vpc) == here)
    })
}

/// Subnets of which the IPv6 block is not known assign none of its addresses here: all of them are doubted anyway.
fn forget_ipv6(estate: &mut Estate) {
    let subnets = estate.resources.get_mut("subnets").into_iter().flatten();
    let without = subnets
        .filter(|(_, map)| map.contains_key("not_modelled") && !map.contains_key("ipv6_cidr_block"))
        .map(|(name, map)| {
            map.remove("assign_ipv6_address_on_creation");
            name.clone()
        });
    let without: BTreeSet<String> = without.collect();
    for kind in ["instances", "network_interfaces"] {
        for map in estate.resources.get_mut(kind).into_iter().flat_map(|all| all.values_mut()) {
            if map.get("subnet").and_then(Value::as_str).is_some_and(|subnet| without.contains(subnet)) {
                map.remove("ipv6_address_count");
            }
        }
    }
}

/// Services that nobody asks for IPv6 addresses have none, whatever their subnets assign to instances.
fn keep_to_ipv4(estate: &mut Estate) {
    let subnets = estate.resources.get("subnets").into_iter().flatten();
    let is_set = |map: &Map<String, Value>, key: &str| map.get(key) == Some(&json!(true));
    let assigning: BTreeSet<&str> = subnets
        .filter(|(_, map)| is_set(map, "assign_ipv6_address_on_creation") && !is_set(map, "ipv6_native"))
        .map(|(name, _)| name.as_str())
        .collect();
    let reported = estate.report.resources.iter();
    let own = reported.filter(|resource| services::has_ipv4_unless_said(&resource.of_type));
    let own = own.flat_map(|resource| &resource.becomes).filter(|of| of.kind == "instances");
    let without: BTreeSet<&str> = own.map(|of| of.name.as_str()).collect();
    let subnet = |map: &Map<String, Value>| map.get("subnet").and_then(Value::as_str).map(str::to_owned);
    let is_meant = |name: &String, map: &Map<String, Value>| {
        without.contains(name.as_str())
            && subnet(map).is_some_and(|subnet| assigning.contains(subnet.as_str()))
            && !["ipv6_address_count", "ipv6_addresses"].iter().any(|key| map.contains_key(*key))
    };
    let instances = estate.resources.get("instances").into_iter().flatten();
    let meant: Vec<String> =
        instances.filter(|(name, map)| is_meant(name, map)).map(|(name, _)| name.clone()).collect();
    for name in meant {
        if let Some(map) = estate.resources.get_mut("instances").and_then(|all| all.get_mut(&name)) {
            map.insert("ipv6_addresses".to_owned(), json!([]));
        }
    }
}

/// What is launched alone keeps the public address that its subnet gave it when another interface is attached (L2-22);
/// the model takes an instance with several as launched with them, unless it says otherwise.
fn keep_public_addresses(estate: &mut Estate) {
    let said = |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
    let interfaces = estate.resources.get("network_interfaces").into_iter().flatten();
    let attached: BTreeMap<String, String> = interfaces
        .filter_map(|(name, map)| {
            Some((map.get("attachment")?.get("instance")?.as_str()?.to_owned(), name.clone()))
        })
        .collect();
    for (instance, interface) in attached {
        let Some(map) = estate.resources.get("instances").and_then(|all| all.get(&instance)) else {
            continue;
        };
        let is_mapped = said(map, "subnet")
            .and_then(|subnet| estate.resources.get("subnets")?.get(&subnet)?.get("map_public_ip_on_launch"));
        let asked = ["associate_public_ip_address", "public_ip"].iter().find_map(|key| map.get(*key));
        let has = match asked {
            Some(said) => *said != json!(false),
            None => is_mapped == Some(&json!(true)),
        };
        let is_stopped = said(map, "state").as_deref() == Some("stopped");
        let is_silent = asked.is_none();
        if map.contains_key("network_interfaces") || !map.contains_key("subnet") {
            continue;
        }
        // Of several interfaces an elastic address is one's: that of the instance is its first one's.
        let mut is_elastic = false;
        for eip in estate.resources.get_mut("eips").into_iter().flat_map(|all| all.values_mut()) {
            if said(eip, "instance").as_ref() == Some(&instance) {
                eip.remove("instance");
                eip.insert("network_interface".to_owned(), json!(instance));
            }
            is_elastic |= said(eip, "network_interface").as_ref() == Some(&instance);
        }
        if !has || is_elastic || is_stopped {
            continue;
        }
        if is_silent
            && let Some(map) = estate.resources.get_mut("instances").and_then(|all| all.get_mut(&instance))
        {
            map.insert("associate_public_ip_address".to_owned(), json!(true));
        }
        let Some(by) = estate.origins.get(&("instances", instance)) else { continue };
        let reported = estate.report.resources.iter_mut();
        for resource in reported.filter(|of| of.source == by.source && of.address == by.address) {
            let text = format!(
                "{interface} is attached after its launch: it is taken to have kept its public address, which it loses \
                 when it stops"
            );
            resource.notes.push(Note::new(NoteKind::Approximated, text));
            if resource.fate == Fate::Understood {
                resource.fate = Fate::Approximated;
            }
        }
    }
}

/// What routes lead to and does not check whose packets it gets is taken to send them on: nobody says what it does.
fn note_forwarders(estate: &mut Estate) {
    let mut targets: BTreeSet<(&str, String)> = BTreeSet::new();
    for map in estate.resources.get("route_tables").into_iter().flat_map(|all| all.values()) {
        for route in map.get("routes").and_then(Value::as_array).into_iter().flatten() {
            for (attribute, kind) in [("instance", "instances"), ("network_interface", "network_interfaces")]
            {
                let name = route.get(attribute).and_then(Value::as_str);
                targets.extend(name.map(|name| (kind, name.to_owned())));
            }
        }
    }
    targets.retain(|(kind, name)| {
        let map = estate.resources.get(kind).and_then(|all| all.get(name));
        map.is_some_and(|map| {
            map.get("source_dest_check") == Some(&json!(false)) && !map.contains_key("forwards")
        })
    });
    for resource in &mut estate.report.resources {
        let is_target = |of: &crate::report::Becomes| {
            targets.iter().any(|(kind, name)| *kind == of.kind && *name == of.name)
        };
        let is_reported = matches!(resource.fate, Fate::Understood | Fate::Approximated | Fate::NotModelled);
        let is_whole = resource.becomes.iter().any(is_target) && is_reported;
        let by = Address { source: resource.source.clone(), address: resource.address.clone() };
        let is_own = targets.iter().any(|(kind, name)| {
            estate.origins.iter().any(|((of, named), owner)| of == kind && named == name && *owner == by)
        });
        if is_whole && is_own {
            let text = "routes lead to it: it is taken to send on what it gets, unchanged; say what it does with \
                        `forwards` in the topology (`nat`, `none`)";
            resource.notes.push(Note::new(NoteKind::Approximated, text));
            if resource.fate == Fate::Understood {
                resource.fate = Fate::Approximated;
            }
        }
    }
}

fn both(before: &str, why: &str) -> String {
    if before.is_empty() { why.to_owned() } else { format!("{before}; {why}") }
}

/// The document, kinds in the model's order and names in theirs.
fn document(estate: &Estate) -> Value {
    let mut document = Map::new();
    document.extend(region(estate).map(|region| ("region".to_owned(), json!(region))));
    let not_modelled = NOT_MODELLED.iter().map(|kind| kind.plural);
    for kind in KINDS.iter().copied().chain(not_modelled) {
        let Some(resources) = estate.resources.get(kind).filter(|resources| !resources.is_empty()) else {
            continue;
        };
        let resources: Map<_, _> =
            resources.iter().map(|(name, map)| (name.clone(), Value::Object(map.clone()))).collect();
        document.insert(kind.to_owned(), Value::Object(resources));
    }
    Value::Object(document)
}

/// The region that all who say one are in.
pub(crate) fn region(estate: &Estate) -> Option<&str> {
    let said = estate.resources.values().flat_map(BTreeMap::values);
    let all: BTreeSet<&str> = said.filter_map(|resource| resource.get("region")?.as_str()).collect();
    all.first().copied().filter(|region| all.len() == 1 && *region != DEFAULT_REGION)
}

/// What the model finds wrong, as problems of those whose words they are.
fn judge(estate: &mut Estate, document: &Value) {
    let Err(mistakes) = Topology::from_document(&Document::from(document.clone()), None) else { return };
    let origins: BTreeMap<String, _> =
        estate.origins.iter().map(|((kind, name), by)| (format!("{kind}.{name}"), by.clone())).collect();
    for mistake in mistakes.0 {
        let by = origins.get(&mistake.resource);
        estate.problems.push(match by {
            Some(by) => Problem {
                source: by.source.clone(),
                address: by.address.clone(),
                problem: mistake.to_string(),
            },
            None => Problem { source: String::new(), address: String::new(), problem: mistake.to_string() },
        });
    }
}
