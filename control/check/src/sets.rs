//! Whom does the name of a set hold?
//!
//! A subnet, a security group, a VPC, a tag, whatever has several interfaces, a block of addresses, and whom a gateway
//! leads to. What always holds: members are hosts and interfaces of which one alone could be asked about; a set without
//! any is a mistake, as nothing would be asked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_api::ApiError;
use vpclab_engine::Side as HostSide;
use vpclab_engine::explain::End;
use vpclab_model::{InterfaceType, NetworkInterface, NetworkInterfaceName, Tags, VpcName};

use crate::customers::Customers;
use crate::ends::{Ends, Names, Refusal, Side};
use crate::question::{EndKind, NamedEnd, Via, conflict, invalid};
use crate::{addresses, internet};

/// What every instance goes by.
const EVERY_INSTANCE: &str = "*";
/// What comes before a tag.
const TAG: &str = "tag:";

/// The sets of this name or id.
pub(crate) fn by_name(
    names: Names<'_>,
    text: &str,
    side: Side,
    found: &mut Vec<(Ends, String)>,
) -> Result<(), Refusal> {
    if text == EVERY_INSTANCE {
        let all = instances(names, side, |_| true)?;
        found.push((set(all, "every instance", text)?, "every instance".to_owned()));
    } else if let Some(tag) = text.strip_prefix(TAG) {
        let (key, value) = tag.split_once('=').ok_or_else(|| {
            Refusal::Said(invalid(format!("`{text}` is no tag; write tag:KEY=VALUE, as in tag:Name=web")))
        })?;
        let has = |tags: &Tags| tags.get(key).is_some_and(|own| own == value);
        let words = format!("everything tagged {key}={value}");
        found.push((set(tagged(names, side, has)?, &words, text)?, words));
    }
    networks(names, text, side, found)?;
    gateways(names, text, side, found)?;
    let indexed = |name: &str| is_indexed(name, text);
    let several = instances(names, side, indexed)?;
    let several =
        [several, interfaces(names, side, |name, eni| eni.attachment.is_none() && indexed(name.as_str()))]
            .concat();
    if !several.is_empty() {
        let words = format!("each interface of {text}");
        found.push((set(several, &words, text)?, words));
    }
    Ok(())
}

/// What goes by this name as its `Name` tag, or without the name of its stack or source before it.
pub(crate) fn by_alias(
    names: Names<'_>,
    text: &str,
    side: Side,
    found: &mut Vec<(Ends, String)>,
) -> Result<(), Refusal> {
    let mut meant: BTreeSet<&str> = BTreeSet::new();
    let mut of_hosts = 0;
    let is_meant = |name: &str, tags: &Tags| {
        tags.get("Name").is_some_and(|alias| alias == text)
            || name.strip_suffix(text).is_some_and(|stack| stack.ends_with('/') && stack.len() > 1)
    };
    let topology = names.topology;
    macro_rules! all {
        ($($field:ident => $($tags:ident).+),* $(,)?) => {
            $(meant.extend(
                topology.$field.iter().filter(|(name, own)| is_meant(name.as_str(), &own.$($tags).+)).map(|(name, _)| name.as_str()),
            );)*
        };
    }
    all!(instances => labels.tags);
    let of_instances: BTreeSet<&str> = meant.clone();
    of_hosts += meant.len();
    // An interface that its instance implies has the instance's tags.
    let own = topology.network_interfaces.iter().filter(|(name, eni)| {
        let is_implied = eni.attachment.as_ref().is_some_and(|a| of_instances.contains(a.instance.as_str()));
        let is_guests = eni.interface_type == InterfaceType::Interface;
        is_guests && !is_implied && is_meant(name.as_str(), &eni.labels.tags)
    });
    meant.extend(own.map(|(name, _)| name.as_str()));
    of_hosts = of_hosts.max(meant.len());
    all!(
        internet_hosts => tags,
        customer_hosts => tags,
        subnets => labels.tags,
        security_groups => labels.tags,
        vpcs => labels.tags,
        internet_gateways => labels.tags,
        egress_only_internet_gateways => labels.tags,
        nat_gateways => labels.tags,
        vpc_peering_connections => labels.tags,
        transit_gateways => labels.tags,
        vpn_gateways => labels.tags,
        vpc_endpoints => labels.tags,
    );
    for all in topology.not_modelled.values() {
        let has_interfaces = all.iter().filter(|(_, own)| !own.network_interfaces.is_empty());
        meant.extend(
            has_interfaces
                .filter(|(name, own)| is_meant(name, &own.labels.tags))
                .map(|(name, _)| name.as_str()),
        );
    }
    // A fleet is all of its members, whichever of them a tag names too.
    let fleets = fleets(names, text);
    meant.retain(|name| !fleets.iter().any(|fleet| is_indexed(name, fleet)));
    if fleets.is_empty() && meant.len() > 1 && meant.len() == of_hosts {
        // Several hosts with one alias are a set.
        let mut members = Vec::new();
        for name in &meant {
            let mut one = Vec::new();
            names.hosts(name, side, &mut one)?;
            members.extend(one.into_iter().flat_map(|(ends, _)| ends.members));
        }
        let words = format!("each host called {text}");
        found.push((set(members, &words, text)?, words));
        return Ok(());
    }
    for name in meant.into_iter().chain(fleets) {
        let before = found.len();
        names.hosts(name, side, found)?;
        if found.len() == before {
            by_name(names, name, side, found)?;
        }
    }
    Ok(())
}

/// Whether this is the name of a member of a fleet: with an index or a key behind the fleet's.
fn is_indexed(name: &str, fleet: &str) -> bool {
    name.strip_prefix(fleet).is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']'))
}

/// The names of fleets, such as `stack/Name` of `stack/Name[0]`, that are `text` but for the stack or source before it.
fn fleets<'a>(names: Names<'a>, text: &str) -> BTreeSet<&'a str> {
    let all = names.topology.instances.keys().map(|name| name.as_str());
    all.filter(|name| name.ends_with(']'))
        .filter_map(|name| {
            let ends = name.match_indices('[').filter_map(|(place, _)| name.get(..place));
            ends.into_iter().find(|fleet| {
                fleet.strip_suffix(text).is_some_and(|stack| stack.ends_with('/') && stack.len() > 1)
            })
        })
        .collect()
}

/// A block of addresses: the interfaces and hosts that have one of them, and where it reaches beyond the VPCs, whoever is
/// there.
pub(crate) fn block(names: Names<'_>, text: &str, block: IpNet, side: Side) -> Result<Ends, Refusal> {
    let fabric = names.fabric;
    let mut members = Vec::new();
    for member in interfaces(names, side, |_, _| true) {
        let End::Interface(eni, _) = member.end else { continue };
        // Who is asked about by a block is not asked by another address of his.
        let own: Vec<IpAddr> =
            addresses::of_interface(fabric, eni).into_iter().filter(|own| block.contains(own)).collect();
        let name = |address: IpAddr, count: usize| match count {
            1 => member.name.clone(),
            _ => format!("{}/{address}", member.name),
        };
        members.extend(own.iter().map(|&address| NamedEnd {
            name: name(address, own.len()),
            end: End::Interface(eni, Some(address)),
            by_address: true,
            ..member.clone()
        }));
        if side == Side::From {
            // What it sends leaves under a private address.
            continue;
        }
        let public = fabric.enis[eni].public_addresses.iter().map(|(_, public)| IpAddr::V4(*public));
        members.extend(
            public
                .filter(|public| block.contains(public))
                .map(|public| NamedEnd::at(&name(public, 2), EndKind::Address, End::Address(public))),
        );
    }
    let hosts = fabric.hosts.iter().filter_map(|(index, host)| {
        let address = host.addresses.iter().find(|address| block.contains(*address))?;
        let kind = match host.side {
            HostSide::Internet => EndKind::InternetHost,
            HostSide::Customer(_) => EndKind::CustomerHost,
            HostSide::Service => EndKind::Service,
        };
        let _ = address;
        Some(NamedEnd::new(host.name.as_str(), kind, End::Host(index)))
    });
    members.extend(hosts);
    let supposed = Customers::of(names.topology, fabric, &[block]);
    members.extend(supposed.into_iter().flat_map(|customers| customers.inside(block)));
    let is_in_a_vpc =
        fabric.vpcs.iter().any(|(_, vpc)| vpc.cidr_blocks.iter().any(|own| own.contains(&block)));
    if !is_in_a_vpc && let Some(somebody) = internet::somebody_in(fabric, names.topology, block) {
        members.push(NamedEnd::new(text, EndKind::Block(block), End::Address(somebody)));
    }
    set(members, &format!("the block {block}"), text)
}

fn networks(
    names: Names<'_>,
    text: &str,
    side: Side,
    found: &mut Vec<(Ends, String)>,
) -> Result<(), Refusal> {
    let topology = names.topology;
    if let Some((name, _)) = topology.find_subnet(text) {
        let members = interfaces(names, side, |_, eni| eni.subnet == *name);
        found.push((set(members, &format!("the subnet {name}"), text)?, format!("the subnet {}", name.id())));
    }
    if let Some((name, _)) = topology.find_security_group(text) {
        let members = interfaces(names, side, |_, eni| eni.security_groups.contains(name));
        let words = format!("the security group {name}");
        found.push((set(members, &words, text)?, format!("the security group {}", name.id())));
    }
    if let Some((name, _)) = topology.find_vpc(text) {
        let members = of_vpcs(names, side, &[name]);
        found.push((set(members, &format!("the VPC {name}"), text)?, format!("the VPC {}", name.id())));
    }
    if let Some((name, endpoint)) = topology.find_vpc_endpoint(text) {
        let of_it = |interface: &NetworkInterfaceName| endpoint.network_interfaces.contains(interface);
        let members = interfaces(names, side, |name, _| of_it(name));
        if !members.is_empty() {
            let words = format!("each interface of the VPC endpoint {name}");
            found.push((set(members, &words, text)?, format!("the VPC endpoint {}", name.id())));
        } else if let Some(service) = &endpoint.service
            && let Some(host) = names.fabric.hosts.find(service.as_str())
        {
            let mut end = NamedEnd::new(service.as_str(), EndKind::Service, End::Host(host));
            end.via = Some(Via::new("vpc_endpoint", name.as_str()));
            let words = format!("the service behind the VPC endpoint {name}");
            found.push((set(vec![end], &words, text)?, format!("the VPC endpoint {}", name.id())));
        }
    }
    if let Some((kind, name, resource)) = topology.find_not_modelled(text)
        && !resource.network_interfaces.is_empty()
    {
        let members = interfaces(names, side, |name, _| resource.network_interfaces.contains(name));
        let words = format!("each interface of the {} {name}", kind.noun);
        found.push((set(members, &words, text)?, format!("the {} {}", kind.noun, kind.id(name))));
    }
    Ok(())
}

/// Gateways stand for whom they lead to, and answers count only where packets pass them.
fn gateways(
    names: Names<'_>,
    text: &str,
    side: Side,
    found: &mut Vec<(Ends, String)>,
) -> Result<(), Refusal> {
    let topology = names.topology;
    let mut push = |members: Vec<NamedEnd>,
                    component: &'static str,
                    name: &str,
                    noun: &str,
                    id: String,
                    between: bool| {
        let via = Via::new(component, name);
        let members = members.into_iter().map(|end| NamedEnd { via: Some(via.clone()), ..end }).collect();
        let ends = set(members, &format!("whom the {noun} {name} leads to"), text)?;
        found.push((Ends { between_vpcs: between, ..ends }, format!("the {noun} {id}")));
        Ok::<(), Refusal>(())
    };
    let internet = || vec![NamedEnd::new("internet", EndKind::Internet, End::Internet)];
    if let Some((name, _)) = topology.find_internet_gateway(text) {
        push(internet(), "internet_gateway", name.as_str(), "internet gateway", name.id(), false)?;
    }
    if let Some((name, _)) = topology.find_egress_only_internet_gateway(text) {
        let noun = "egress-only internet gateway";
        push(internet(), "egress_only_internet_gateway", name.as_str(), noun, name.id(), false)?;
    }
    if let Some((name, _)) = topology.find_nat_gateway(text) {
        push(internet(), "nat_gateway", name.as_str(), "NAT gateway", name.id(), false)?;
    }
    if let Some((name, peering)) = topology.find_vpc_peering_connection(text) {
        let members = of_vpcs(names, side, &[&peering.vpc, &peering.peer_vpc]);
        let noun = "VPC peering connection";
        push(members, "vpc_peering_connection", name.as_str(), noun, name.id(), true)?;
    }
    if let Some((name, _)) = topology.find_transit_gateway(text) {
        let attachments = topology.transit_gateway_vpc_attachments.values();
        let vpcs: Vec<&VpcName> =
            attachments.filter(|a| a.transit_gateway == *name).map(|a| &a.vpc).collect();
        let mut members = of_vpcs(names, side, &vpcs);
        members.extend(customer_hosts(names));
        push(members, "transit_gateway", name.as_str(), "transit gateway", name.id(), true)?;
    }
    if let Some((name, _)) = topology.find_vpn_gateway(text) {
        let members = customer_hosts(names);
        push(members, "vpn_gateway", name.as_str(), "virtual private gateway", name.id(), false)?;
    }
    if let Some((name, _)) = topology.find_vpn_connection(text) {
        let members = customer_hosts(names);
        push(members, "vpn_connection", name.as_str(), "VPN connection", name.id(), false)?;
    }
    if let Some((name, _)) = topology.find_customer_gateway(text)
        && let Some(customers) = Customers::of(topology, names.fabric, &[])
        && let Some(end) =
            customers.find(name.as_str()).filter(|_| topology.find_customer_network(text).is_none())
    {
        let words = format!("whoever is behind the customer gateway {name}");
        found.push((set(vec![end], &words, text)?, format!("the customer gateway {}", name.id())));
    }
    if let Some((name, _)) = topology.find_customer_network(text) {
        let of_it = topology.customer_hosts.iter().filter(|(_, host)| host.customer_network == *name);
        let of_it: BTreeSet<&str> = of_it.map(|(name, _)| name.as_str()).collect();
        let mut members: Vec<NamedEnd> =
            customer_hosts(names).into_iter().filter(|end| of_it.contains(end.name.as_str())).collect();
        if members.is_empty() {
            let customers = Customers::of(topology, names.fabric, &[]);
            members.extend(customers.and_then(|customers| customers.find(name.as_str())));
        }
        found.push((
            set(members, &format!("the customer network {name}"), text)?,
            format!("the customer network {}", name.id()),
        ));
    }
    Ok(())
}

/// A set under its name, which holds somebody.
fn set(mut members: Vec<NamedEnd>, words: &str, text: &str) -> Result<Ends, Refusal> {
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members.dedup();
    if members.is_empty() {
        let message =
            format!("`{text}` is {words}, and nobody who sends or receives is in it; ask about somebody");
        return Err(Refusal::Said(ApiError::new("InvalidParameterValue", message)));
    }
    Ok(Ends { members, set: Some(words.to_owned()), between_vpcs: false })
}

fn of_vpcs(names: Names<'_>, side: Side, vpcs: &[&VpcName]) -> Vec<NamedEnd> {
    let subnets = &names.topology.subnets;
    interfaces(names, side, |_, eni| {
        subnets.get(&eni.subnet).is_some_and(|subnet| vpcs.contains(&&subnet.vpc))
    })
}

fn customer_hosts(names: Names<'_>) -> Vec<NamedEnd> {
    let all = names.topology.customer_hosts.keys();
    let hosts = all.filter_map(|name| {
        let host = names.fabric.hosts.find(name.as_str())?;
        Some(NamedEnd::new(name.as_str(), EndKind::CustomerHost, End::Host(host)))
    });
    let supposed = Customers::of(names.topology, names.fabric, &[]);
    hosts.chain(supposed.into_iter().flat_map(|customers| customers.ends(false))).collect()
}

fn instances(
    names: Names<'_>,
    side: Side,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Vec<NamedEnd>, Refusal> {
    let meant = names.topology.instances.iter().filter(|(name, own)| {
        // One without an interface neither sends nor receives.
        is_meant(name.as_str()) && !own.network_interfaces.is_empty()
    });
    let mut members = Vec::new();
    for (name, _) in meant {
        members.extend(names.instance(name, side).map_err(Refusal::Said)?.members);
    }
    Ok(members)
}

fn tagged(names: Names<'_>, side: Side, has: impl Fn(&Tags) -> bool) -> Result<Vec<NamedEnd>, Refusal> {
    let topology = names.topology;
    let mut members =
        instances(names, side, |name| topology.instances.get(name).is_some_and(|own| has(&own.labels.tags)))?;
    let known: BTreeSet<String> = members.iter().map(|end| end.name.clone()).collect();
    let own = interfaces(names, side, |_, eni| has(&eni.labels.tags));
    members.extend(own.into_iter().filter(|end| !known.contains(&end.name)));
    Ok(members)
}

/// The interfaces that send or receive, where `belongs` holds; the one of an instance that has no other goes by the
/// instance's name.
pub(crate) fn interfaces(
    names: Names<'_>,
    side: Side,
    belongs: impl Fn(&NetworkInterfaceName, &NetworkInterface) -> bool,
) -> Vec<NamedEnd> {
    let topology = names.topology;
    let meant = topology.network_interfaces.iter().filter(|(name, eni)| {
        let is_end = match &eni.interface_type {
            InterfaceType::Interface => eni.attachment.is_some(),
            InterfaceType::NotModelled { .. } => true,
            InterfaceType::VpcEndpoint(_) => side == Side::To,
            InterfaceType::NatGateway(_) | InterfaceType::TransitGateway(_) => false,
        };
        is_end && belongs(name, eni)
    });
    let ends = meant.filter_map(|(name, eni)| {
        let index = names.fabric.enis.find(name.as_str())?;
        let end = End::Interface(index, None);
        let alone = eni.attachment.as_ref().map(|attachment| &attachment.instance).filter(|instance| {
            topology.instances.get(*instance).is_some_and(|own| own.network_interfaces.len() == 1)
        });
        Some(match alone {
            Some(instance) => NamedEnd::new(instance.as_str(), EndKind::Instance, end),
            None => NamedEnd::new(name.as_str(), EndKind::NetworkInterface, end),
        })
    });
    ends.collect()
}

/// Says that a set cannot stand where one end is needed.
pub(crate) fn not_one(text: &str, ends: &Ends) -> ApiError {
    let members: Vec<&str> = ends.members.iter().take(8).map(|end| end.name.as_str()).collect();
    let more = if ends.members.len() > members.len() { ", …" } else { "" };
    conflict(format!("`{text}` is {}; name one of {}{more}", ends.words(), members.join(", ")))
}
