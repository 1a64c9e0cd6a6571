//! What may a managed prefix list hold, and which version of it is this? (RT-22, RT-23)

use std::collections::{BTreeMap, BTreeSet};

use crate::declared::DeclaredManagedPrefixList;
use crate::home::Home;
use crate::log::Place;
use crate::name::{ManagedPrefixListName, ServiceName, VpcName};
use crate::reader::Written;
use crate::register::Context;
use crate::resources::{
    AddressFamily, Labels, ManagedPrefixList, PrefixListEntry, PrefixListOwner, Service, weight_of_aws_list,
};
use crate::rules::endpoints;

/// The code for a value that is not allowed.
const INVALID: &str = "InvalidParameterValue";

/// The lists. One whose name is AWS's stands for the list that AWS manages, with its weight.
pub(super) fn build(
    cx: &Context<'_>,
    services: &BTreeMap<ServiceName, Service>,
) -> BTreeMap<ManagedPrefixListName, ManagedPrefixList> {
    let mut lists = BTreeMap::new();
    for (name, declared) in &cx.declared.managed_prefix_lists {
        let Some(&address_family) = declared.address_family.value() else { continue };
        let entries = entries(cx, declared, address_family);
        let managed_by = weight_of_aws_list(name)
            .map_or(PrefixListOwner::Customer, |weight| PrefixListOwner::Aws { weight });
        let max_entries = max_entries(cx, declared, managed_by, entries.len());
        let version = version(cx, name, declared, &entries);
        let labels = declared.labels.clone();
        let home = declared.home.settle(cx).unwrap_or_default();
        let list =
            ManagedPrefixList { home, address_family, managed_by, max_entries, entries, version, labels };
        lists.insert(name.clone(), list);
    }
    for (name, (service, ipv6)) in endpoints::prefix_lists(cx.declared.gateway_services()) {
        if cx.declared.managed_prefix_lists.contains_key(&name) {
            continue;
        }
        let address_family = if ipv6 { AddressFamily::Ipv6 } else { AddressFamily::Ipv4 };
        let blocks = services.get(service.as_str()).into_iter().flat_map(Service::blocks);
        let of_family: BTreeSet<_> = blocks.filter(|block| address_family.has(block)).collect();
        let entries: Vec<PrefixListEntry> =
            of_family.into_iter().map(|cidr| PrefixListEntry { cidr, description: None }).collect();
        let before = cx.previous.and_then(|topology| topology.managed_prefix_lists.get(&name));
        let version = before.map_or(1, |list| list.version + u64::from(list.entries != entries));
        let managed_by = PrefixListOwner::Aws { weight: weight_of_aws_list(&name).unwrap_or(1) };
        let max_entries = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let labels = Labels::default();
        let region = region_of_aws_list(&name).unwrap_or_default().to_owned();
        let home = Home { region, owner: "AWS".to_owned() };
        let list =
            ManagedPrefixList { home, address_family, managed_by, max_entries, entries, version, labels };
        lists.insert(name, list);
    }
    lists
}

/// The region in the name of a list that AWS manages.
fn region_of_aws_list(name: &ManagedPrefixListName) -> Option<&str> {
    name.as_str().strip_prefix("com.amazonaws.")?.split('.').next()
}

/// The list that a route or a rule in `vpc` names: one of the VPC's region. One of another account is taken to be shared.
pub(super) fn resolve(
    cx: &Context<'_>,
    reference: &Written<String>,
    vpc: Option<&VpcName>,
) -> Option<ManagedPrefixListName> {
    let name = cx.registers.managed_prefix_lists.resolve(cx.log, reference)?;
    let there = match cx.declared.managed_prefix_lists.get(&name) {
        Some(list) => list.home.settle(cx),
        None => {
            region_of_aws_list(&name).map(|region| Home { region: region.to_owned(), owner: String::new() })
        }
    };
    if let (Some(there), Some(here)) = (there, cx.home_of(vpc))
        && there.region != here.region
    {
        let problem = format!(
            "the managed prefix list {name} is in region {}, the VPC in {}",
            there.region, here.region
        );
        let remedy = "declare one in the VPC's region";
        cx.log.report(&reference.at, "InvalidPrefixListID.NotFound", problem, remedy);
        return None;
    }
    Some(name)
}

/// Entries of one family, none twice.
fn entries(
    cx: &Context<'_>,
    declared: &DeclaredManagedPrefixList,
    family: AddressFamily,
) -> Vec<PrefixListEntry> {
    let mut entries: Vec<PrefixListEntry> = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in &declared.entries {
        let Some(written) = entry.cidr.written() else { continue };
        let cidr = written.value;
        if !family.has(&cidr) {
            let problem = format!("{cidr} is of the other address family than the list");
            cx.log.report(&written.at, INVALID, problem, "make a list for each family");
        } else if seen.insert(cidr) {
            entries.push(PrefixListEntry { cidr, description: entry.description.clone() });
        } else {
            let problem = format!("the list already has {cidr}");
            cx.log.report(&written.at, INVALID, problem, "remove one of the two");
        }
    }
    entries.sort_by_key(|entry| entry.cidr);
    entries
}

/// The customer says how many entries there may be at most; AWS's lists have what they have.
fn max_entries(
    cx: &Context<'_>,
    declared: &DeclaredManagedPrefixList,
    owner: PrefixListOwner,
    count: usize,
) -> u32 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let Some(written) = declared.max_entries.written() else {
        if owner == PrefixListOwner::Customer && declared.max_entries.is_absent() {
            let at = declared.at.attribute("max_entries");
            let problem = "a managed prefix list needs `max_entries`";
            cx.log.report(&at, "MissingParameter", problem, "give the most entries it may ever have");
        }
        return count;
    };
    let most = u32::try_from(written.value).unwrap_or(count);
    if count > most {
        let problem = format!("the list has {count} entries and may have {most}");
        let remedy = format!("give {count} or more, or remove entries");
        cx.log.report(&written.at, INVALID, problem, remedy);
    }
    most
}

/// Changed entries make the next version; a stated version must not be one that the lab has gone past.
fn version(
    cx: &Context<'_>,
    name: &ManagedPrefixListName,
    declared: &DeclaredManagedPrefixList,
    entries: &[PrefixListEntry],
) -> u64 {
    let before = cx.previous.and_then(|topology| topology.managed_prefix_lists.get(name));
    let next = before.map_or(1, |list| if list.entries == entries { list.version } else { list.version + 1 });
    let Some(written) = declared.version.written() else { return next };
    let stated = u64::try_from(written.value).unwrap_or(next);
    if stated < next {
        let at: &Place = &written.at;
        let problem = format!("this is version {stated}, and the next one is {next}");
        cx.log.report(at, "PrefixListVersionMismatch", problem, format!("say {next}, or leave it out"));
    }
    stated.max(next)
}
