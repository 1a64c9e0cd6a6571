//! Which public addresses exist, and what do they stand for? (areas IGW and L2)
//!
//! Stated ones first; then what was assigned before; then the pool from 203.0.113.1 up, elastic addresses before
//! automatic ones, each in the order of names.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::declared::DeclaredEip;
use crate::log::Place;
use crate::name::{EipName, InstanceName, InternetHostName, NetworkInterfaceName, SubnetName, VpcName};
use crate::reader::{Given, Written};
use crate::register::{Context, interface_in};
use crate::resources::{
    Eip, EipAssociation, Instance, InstanceState, InternetHost, NetworkInterface, PublicIp, Subnet, Vpc,
};
use crate::space::{FIRST_PUBLIC, GLOBAL_V6, LAST_PUBLIC, not_public};

/// The hosts outside AWS that have an address.
pub(super) fn internet_hosts(
    cx: &Context<'_>,
    vpcs: &BTreeMap<VpcName, Vpc>,
) -> BTreeMap<InternetHostName, InternetHost> {
    let mut hosts = BTreeMap::new();
    let mut taken_v6: BTreeMap<Ipv6Addr, &InternetHostName> = BTreeMap::new();
    for (name, declared) in &cx.declared.internet_hosts {
        if declared.address.is_absent() && declared.ipv6_address.is_absent() {
            let remedy = "give `address`, `ipv6_address` or both";
            cx.log.report(&declared.at, "MissingParameter", "an internet host needs an address", remedy);
        }
        let address = declared.address.written().filter(|written| is_public(cx, written)).map(|w| w.value);
        let ipv6_address = declared.ipv6_address.written().and_then(|Written { at, value }| {
            let inside = vpcs
                .iter()
                .find_map(|(vpc, v)| v.ipv6_cidr_blocks.iter().find(|b| b.contains(value)).map(|b| (vpc, b)));
            let problem = if !GLOBAL_V6.contains(value) {
                format!("{value} is not a public address")
            } else if let Some((vpc, block)) = inside {
                format!("{value} lies in {block} of VPC {vpc}")
            } else if let Some(other) = taken_v6.insert(*value, name) {
                cx.log.report(
                    at,
                    "InvalidIPAddress.InUse",
                    format!("{value} already belongs to the internet host {other}"),
                    "give every host its own",
                );
                return None;
            } else {
                return Some(*value);
            };
            let remedy = "choose a global address outside every VPC, such as 2001:db8:ffff::7";
            cx.log.report(at, "InvalidParameterValue", problem, remedy);
            None
        });
        hosts.insert(name.clone(), InternetHost { address, ipv6_address, tags: declared.tags.clone() });
    }
    hosts
}

fn is_public(cx: &Context<'_>, Written { at, value }: &Written<Ipv4Addr>) -> bool {
    let why = not_public((*value).into());
    if let Some(why) = why {
        let problem = format!("{value} is not a public address: it {why}");
        cx.log.report(at, "InvalidParameterValue", problem, "choose a public address such as 203.0.113.10");
    }
    why.is_none()
}

/// The public addresses in use, and the pool's next one.
struct Pool<'a> {
    taken: BTreeMap<Ipv4Addr, String>,
    next: u32,
    vpcs: &'a BTreeMap<VpcName, Vpc>,
}

impl Pool<'_> {
    /// Notes a stated address; reports one that is not public, or taken.
    fn state(&mut self, cx: &Context<'_>, written: &Written<Ipv4Addr>, owner: String) -> Option<Ipv4Addr> {
        let address = written.value;
        if !is_public(cx, written) {
            return None;
        }
        if let Some(other) = self.taken.get(&address) {
            let problem = format!("{address} already belongs to the {other}");
            cx.log.report(&written.at, "InvalidIPAddress.InUse", problem, "choose another address");
            return None;
        }
        self.taken.insert(address, owner);
        Some(address)
    }

    /// An address nobody stated: the one of before, if it is still free.
    fn keep(&mut self, before: Option<Ipv4Addr>, owner: impl FnOnce() -> String) -> Option<Ipv4Addr> {
        let address = before
            .filter(|&address| !self.taken.contains_key(&address) && not_public(address.into()).is_none())?;
        self.taken.insert(address, owner());
        Some(address)
    }

    /// The next free one of the pool. Addresses that end in 0 or 255 are left out, and so is what a VPC uses inside.
    fn fresh(&mut self, cx: &Context<'_>, at: &Place, owner: String) -> Option<Ipv4Addr> {
        while self.next <= u32::from(LAST_PUBLIC) {
            let address = Ipv4Addr::from(self.next);
            self.next += 1;
            let edge = matches!(address.octets()[3], 0 | 255);
            let inside = self.vpcs.values().any(|vpc| {
                vpc.cidr_blocks().any(|block| matches!(block, IpNet::V4(b) if b.contains(&address)))
            });
            if !edge && !inside && !self.taken.contains_key(&address) {
                self.taken.insert(address, owner);
                return Some(address);
            }
        }
        let problem = format!("no public address is left between {FIRST_PUBLIC} and {LAST_PUBLIC}");
        cx.log.report(at, "InsufficientAddressCapacity", problem, "give `public_ip` yourself");
        None
    }
}

/// An interface that gets a public address of its own accord, at its primary private address: that of an instance
/// (ADDR-36, L2-22), or of a load balancer that faces the internet.
struct Automatic<'a> {
    at: &'a Place,
    public_ip: &'a Given<Ipv4Addr>,
    owner: String,
    private_ip: Ipv4Addr,
}

/// Nobody chooses a load balancer's public address.
const CHOSEN_BY_AWS: Given<Ipv4Addr> = Given::Absent;

/// Assigns public addresses to elastic IPs and interfaces; gives the elastic IPs.
pub(super) fn assign(
    cx: &Context<'_>,
    vpcs: &BTreeMap<VpcName, Vpc>,
    subnets: &BTreeMap<SubnetName, Subnet>,
    instances: &BTreeMap<InstanceName, Instance>,
    hosts: &BTreeMap<InternetHostName, InternetHost>,
    wanted: &BTreeMap<EipName, EipAssociation>,
    interfaces: &mut BTreeMap<NetworkInterfaceName, NetworkInterface>,
) -> BTreeMap<EipName, Eip> {
    let mut pool = Pool { taken: BTreeMap::new(), next: FIRST_PUBLIC.into(), vpcs };
    for (name, host) in hosts {
        if let (Some(_), Some(declared)) = (host.address, cx.declared.internet_hosts.get(name))
            && let Some(written) = declared.address.written()
        {
            pool.state(cx, written, format!("internet host {name}"));
        }
    }
    for (name, declared) in &cx.declared.services {
        if let Some(written) = declared.address.written()
            && not_public(written.value.into()).is_none()
        {
            pool.taken.entry(written.value).or_insert_with(|| format!("service {name}"));
        }
    }
    let mut associations: BTreeMap<(NetworkInterfaceName, Ipv4Addr), EipName> = BTreeMap::new();
    let mut eips: BTreeMap<EipName, (Option<Ipv4Addr>, Option<EipAssociation>)> = BTreeMap::new();
    for (name, declared) in &cx.declared.eips {
        let stated = declared.public_ip.written();
        let address =
            stated.and_then(|written| pool.state(cx, written, format!("elastic IP address {name}")));
        let association = association(cx, declared, instances, interfaces);
        let association = association.or_else(|| wanted.get(name).cloned()).filter(|association| {
            let key = (association.network_interface.clone(), association.private_ip);
            match associations.get(&key) {
                Some(other) => {
                    // L2-15, L2-23
                    cx.log.report(
                        &declared.at,
                        "Resource.AlreadyAssociated",
                        format!(
                            "{} of {} already has the elastic IP address {other}",
                            association.private_ip, association.network_interface
                        ),
                        "a private address has one elastic IP: use `associate_with_private_ip`, or remove one",
                    );
                    false
                }
                None => {
                    associations.insert(key, name.clone());
                    true
                }
            }
        });
        eips.insert(name.clone(), (address, association));
    }
    let automatic = automatic(cx, subnets, instances, interfaces, &associations);
    let mut chosen: BTreeMap<&NetworkInterfaceName, Ipv4Addr> = BTreeMap::new();
    for (name, automatic) in &automatic {
        let stated = automatic.public_ip.written();
        chosen.extend(
            stated.and_then(|w| pool.state(cx, w, automatic.owner.clone())).map(|address| (name, address)),
        );
    }
    for (name, (address, _)) in &mut eips {
        let before = cx.previous.and_then(|topology| topology.eips.get(name)).map(|eip| eip.public_ip);
        let open = cx.declared.eips.get(name).is_some_and(|eip| eip.public_ip.is_absent());
        if open {
            *address = pool.keep(before, || format!("elastic IP address {name}"));
        }
    }
    for (name, automatic) in &automatic {
        if automatic.public_ip.is_absent() {
            let before = cx.previous.and_then(|topology| topology.network_interfaces.get(name));
            let before = before.and_then(|eni| eni.public_ips.values().find(|public| public.eip.is_none()));
            let kept = pool.keep(before.map(|public| public.address), || automatic.owner.clone());
            chosen.extend(kept.map(|address| (name, address)));
        }
    }
    let mut built = BTreeMap::new();
    for (name, (address, association)) in eips {
        let Some(declared) = cx.declared.eips.get(&name) else { continue };
        let owner = || format!("elastic IP address {name}");
        let address = match address {
            None if declared.public_ip.is_absent() => pool.fresh(cx, &declared.at, owner()),
            address => address,
        };
        let Some(public_ip) = address else { continue };
        if let Some(association) = &association
            && let Some(interface) = interfaces.get_mut(&association.network_interface)
        {
            let public = PublicIp { address: public_ip, eip: Some(name.clone()) };
            interface.public_ips.insert(association.private_ip, public);
        }
        let home = declared.home.settle(cx).unwrap_or_default();
        built.insert(name, Eip { home, public_ip, association, tags: declared.tags.clone() });
    }
    for (name, automatic) in &automatic {
        let address = match chosen.get(name) {
            None if automatic.public_ip.is_absent() => pool.fresh(cx, automatic.at, automatic.owner.clone()),
            chosen => chosen.copied(),
        };
        if let (Some(address), Some(interface)) = (address, interfaces.get_mut(name)) {
            interface.public_ips.insert(automatic.private_ip, PublicIp { address, eip: None });
        }
    }
    built
}

/// What an elastic IP stands for, if it can (IGW-13, IGW-16).
fn association(
    cx: &Context<'_>,
    declared: &DeclaredEip,
    instances: &BTreeMap<InstanceName, Instance>,
    interfaces: &BTreeMap<NetworkInterfaceName, NetworkInterface>,
) -> Option<EipAssociation> {
    let (instance, interface) = (declared.instance.written(), declared.network_interface.written());
    if let (Some(written), Some(_)) = (instance, interface) {
        let problem = "an elastic IP is associated with an instance or with an interface";
        cx.log.report(&written.at, "InvalidParameterCombination", problem, "give one of the two");
        return None;
    }
    let chosen = declared.associate_with_private_ip.written();
    let (at, name) = if let Some(written) = interface {
        (&written.at, cx.registers.own_interface(cx.log, written)?)
    } else if let Some(written) = instance {
        let instance = instances.get(&cx.registers.instances.resolve(cx.log, written)?)?;
        (&written.at, only_interface(cx, instance, written)?)
    } else {
        let targetless = declared.instance.is_absent() && declared.network_interface.is_absent();
        if let Some(written) = chosen.filter(|_| targetless) {
            let problem = "there is no interface whose private address this could be";
            let remedy = "give `network_interface` or `instance`";
            cx.log.report(&written.at, "InvalidParameterCombination", problem, remedy);
        }
        return None;
    };
    let vpc = cx.registers.network_interfaces.owner(&name);
    if let Some(problem) = elsewhere(cx, declared, vpc) {
        let remedy = "give the address the `region` and `owner` of the VPC";
        cx.log.report(at, "InvalidAllocationID.NotFound", problem, remedy);
        return None;
    }
    let has_gateway = cx.registers.internet_gateways.iter().any(|(_, owner)| owner.is_some() && owner == vpc);
    if let (Some(vpc), false) = (vpc, has_gateway) {
        cx.log.report(
            at,
            "Gateway.NotAttached",
            format!("VPC {vpc} has no internet gateway"),
            "attach one to it before associating an elastic IP",
        );
    }
    let interface = interfaces.get(&name)?;
    let private_ip = match chosen {
        None => interface.private_ip,
        Some(written) if interface.private_ips().any(|address| address == written.value) => {
            Some(written.value)
        }
        Some(written) => {
            let list = interface.private_ips().map(|a| a.to_string()).collect::<Vec<_>>().join(", ");
            let problem = format!("{} is not an address of {name}", written.value);
            cx.log.report(&written.at, "InvalidParameterValue", problem, format!("choose one of: {list}"));
            return None;
        }
    };
    if private_ip.is_none() && interface.private_ips().next().is_none() && is_ipv6_only(cx, interface) {
        let problem = format!("{name} has no private IPv4 address");
        cx.log.report(at, "InvalidParameterCombination", problem, "choose an interface that has one");
    }
    Some(EipAssociation { network_interface: name, private_ip: private_ip? })
}

/// Why an elastic IP cannot serve in a VPC: it exists in its own region and account only.
pub(super) fn elsewhere(cx: &Context<'_>, eip: &DeclaredEip, vpc: Option<&VpcName>) -> Option<String> {
    let [there, here] = eip.home.settle(cx)?.apart(&cx.home_of(vpc)?)?;
    Some(format!("the elastic IP address is {there}, the VPC {here}"))
}

fn is_ipv6_only(cx: &Context<'_>, interface: &NetworkInterface) -> bool {
    cx.declared.subnets.get(&interface.subnet).is_some_and(|subnet| subnet.ipv6_native)
}

/// The one interface of an instance; with several, EC2 wants the interface itself named (RT-17 says so of routes).
pub(super) fn only_interface(
    cx: &Context<'_>,
    instance: &Instance,
    reference: &Written<String>,
) -> Option<NetworkInterfaceName> {
    let mut all = instance.network_interfaces.values();
    match (all.next(), all.next()) {
        (Some(one), None) => Some(one.clone()),
        // An instance without any has been reported.
        (None, _) => None,
        (Some(_), Some(_)) => {
            cx.log.report(
                &reference.at,
                "InvalidInstanceID",
                format!("the instance {} has several network interfaces", reference.value),
                "give `network_interface` instead",
            );
            None
        }
    }
}

/// Who gets an automatic address: an implied interface, asked for by instance or subnet, without an elastic IP at its
/// primary address (L2-21), of an instance that runs (L2-20). Beside other interfaces the instance has to ask itself: it
/// has the address if they were attached after its launch, and none if they were there (L2-22).
fn automatic<'a>(
    cx: &Context<'a>,
    subnets: &BTreeMap<SubnetName, Subnet>,
    instances: &BTreeMap<InstanceName, Instance>,
    interfaces: &BTreeMap<NetworkInterfaceName, NetworkInterface>,
    associations: &BTreeMap<(NetworkInterfaceName, Ipv4Addr), EipName>,
) -> BTreeMap<NetworkInterfaceName, Automatic<'a>> {
    let mut automatic = BTreeMap::new();
    for (name, declared) in &cx.declared.instances {
        let asked = declared.associate_public_ip_address.value().copied();
        let stated = declared.public_ip.written();
        if let (Some(false), Some(written)) = (asked, stated) {
            cx.log.report(
                &written.at,
                "InvalidParameterCombination",
                "this is the automatic public address, and `associate_public_ip_address` is false",
                "leave one of the two out, or declare an elastic IP address",
            );
            continue;
        }
        let interface = NetworkInterfaceName::new(name.as_str());
        let Some(eni) = interfaces.get(&interface).filter(|eni| eni.implied) else { continue };
        let Some(subnet) = subnets.get(&eni.subnet) else { continue };
        let wanted = asked.unwrap_or(stated.is_some() || subnet.map_public_ip_on_launch);
        let instance = instances.get(name);
        let single = instance.is_some_and(|instance| instance.network_interfaces.len() == 1)
            || (asked.is_some() || stated.is_some()) && declared.network_interfaces.is_empty();
        // L2-20: what stops gives it back.
        let runs = instance.is_some_and(|instance| instance.state == InstanceState::Running);
        if !wanted || !single || !runs {
            continue;
        }
        if subnet.cidr_block.is_none() {
            if asked.is_some() || stated.is_some() {
                let attribute = if stated.is_some() { "public_ip" } else { "associate_public_ip_address" };
                cx.log.report(
                    &declared.interface.at.attribute(attribute),
                    "InvalidParameterCombination",
                    format!("the subnet {} is IPv6-only", eni.subnet),
                    "leave this out: IPv6 addresses are public by themselves",
                );
            }
            continue;
        }
        let Some(private_ip) = eni.private_ip else { continue };
        if let Some(eip) = associations.get(&(interface.clone(), private_ip)) {
            if let Some(written) = stated {
                cx.log.report(
                    &written.at,
                    "InvalidParameterCombination",
                    format!("the elastic IP address {eip} takes the place of the automatic address"),
                    "leave this out",
                );
            }
            continue;
        }
        let (at, owner) = (&declared.interface.at, format!("instance {name}"));
        automatic.insert(interface, Automatic { at, public_ip: &declared.public_ip, owner, private_ip });
    }
    let not_modelled = cx.declared.not_modelled.values().flatten();
    for (owner, declared) in not_modelled.filter(|(_, declared)| declared.faces_internet) {
        for interface in &declared.interfaces {
            let Some(subnet) = interface.subnet.value() else { continue };
            let name = interface_in(cx.registers, declared.kind.id_prefix, owner, subnet);
            let Some(private_ip) = interfaces.get(&name).and_then(|eni| eni.private_ip) else { continue };
            if !associations.contains_key(&(name.clone(), private_ip)) {
                let owner = format!("{} {owner}", declared.kind.noun);
                let (at, public_ip) = (&interface.at, &CHOSEN_BY_AWS);
                automatic.insert(name, Automatic { at, public_ip, owner, private_ip });
            }
        }
    }
    automatic
}
