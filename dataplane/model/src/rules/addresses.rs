//! Which private, IPv6 and hardware address has each interface? (ADDR-27..ADDR-30, L2-15, L2-28)
//!
//! In this order: what the document says; what an interface had before and may keep; the lowest free address, in the
//! order of names. So the same document gives the same addresses, and a new interface never renumbers another.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::log::Place;
use crate::name::{NetworkInterfaceName, SubnetName};
use crate::reader::{Given, Written};
use crate::register::Context;
use crate::resources::{InterfaceType, NetworkInterface, Subnet};
use crate::rules::delegation::Delegations;
use crate::rules::interfaces::Draft;
use crate::space::{reserved_v4, reserved_v6};

/// The addresses of one interface.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    pub(super) mac_address: [u8; 6],
    pub(super) private_ip: Option<Ipv4Addr>,
    pub(super) secondary_private_ips: Vec<Ipv4Addr>,
    pub(super) ipv6_addresses: Vec<Ipv6Addr>,
    pub(super) ipv4_prefixes: Vec<Ipv4Net>,
    pub(super) ipv6_prefixes: Vec<Ipv6Net>,
}

type Drafts<'a> = BTreeMap<NetworkInterfaceName, Draft<'a>>;

/// Who has which address of each subnet, and how far the search for free ones has come.
#[derive(Debug, Default)]
struct Ledger<'a> {
    taken: BTreeMap<(&'a SubnetName, IpAddr), &'a NetworkInterfaceName>,
    delegated: Delegations<'a>,
    next_v4: BTreeMap<&'a SubnetName, u32>,
    next_v6: BTreeMap<&'a SubnetName, u128>,
    full: BTreeSet<&'a SubnetName>,
}

/// What an interface still needs once its stated addresses are placed.
struct Need {
    primary: bool,
    secondary: usize,
    ipv6: usize,
}

/// The addresses of every interface whose subnet is sound.
pub(super) fn assign(
    cx: &Context<'_>,
    subnets: &BTreeMap<SubnetName, Subnet>,
    drafts: &Drafts<'_>,
) -> BTreeMap<NetworkInterfaceName, Addresses> {
    let mut ledger = Ledger::default();
    let mut assigned: BTreeMap<NetworkInterfaceName, Addresses> = BTreeMap::new();
    let mut needs: Vec<(&NetworkInterfaceName, &Draft<'_>, &Subnet, Need)> = Vec::new();
    for (name, draft) in drafts {
        let subnet = subnets.get(draft.subnet);
        let (own, need) = stated(cx, name, draft, subnet, &mut ledger);
        let Some(subnet) = subnet else { continue };
        assigned.insert(name.clone(), own);
        needs.push((name, draft, subnet, need));
    }
    for (name, draft, subnet, need) in &mut needs {
        let before = cx.previous.and_then(|topology| topology.network_interfaces.get(*name));
        if let (Some(before), Some(own)) =
            (before.filter(|eni| eni.subnet == *draft.subnet), assigned.get_mut(*name))
        {
            keep(name, draft, subnet, need, before, own, &mut ledger);
        }
    }
    for (name, draft, subnet, need) in needs {
        if let Some(own) = assigned.get_mut(name) {
            fresh(cx, name, draft, subnet, need, own, &mut ledger);
        }
    }
    hardware(cx, drafts, &mut assigned);
    assigned
}

/// Places what the document says. Without a sound subnet only the combinations are checked.
fn stated<'a>(
    cx: &Context<'_>,
    name: &'a NetworkInterfaceName,
    draft: &'a Draft<'_>,
    subnet: Option<&Subnet>,
    ledger: &mut Ledger<'a>,
) -> (Addresses, Need) {
    let declared = draft.declared;
    let mut primary: Option<&Written<Ipv4Addr>> = declared.private_ip.written();
    let mut secondary: Vec<&Written<Ipv4Addr>> = declared.secondary_private_ips.items.iter().collect();
    if declared.private_ips.given {
        if !declared.private_ip.is_absent() || declared.secondary_private_ips.given {
            cx.log.report(
                &declared.private_ips.at,
                "InvalidParameterCombination",
                "`private_ips` holds the primary address and the secondary ones, and one of them is given apart too",
                "use `private_ips`, or `private_ip` with `secondary_private_ips`",
            );
        }
        let mut all = declared.private_ips.items.iter();
        primary = all.next();
        secondary = all.collect();
    }
    if declared.ipv6_addresses.given && !declared.ipv6_address_count.is_absent() {
        cx.log.report(
            &declared.at.attribute("ipv6_address_count"),
            "InvalidParameterCombination",
            "`ipv6_addresses` already says how many there are",
            "give one of the two",
        );
    }
    let mut own = Addresses::default();
    let Some(subnet) = subnet else { return (own, Need { primary: false, secondary: 0, ipv6: 0 }) };
    own.private_ip = primary.and_then(|written| place_v4(cx, name, draft, subnet, written, ledger));
    own.secondary_private_ips = secondary
        .into_iter()
        .filter_map(|written| place_v4(cx, name, draft, subnet, written, ledger))
        .collect();
    own.ipv6_addresses = declared
        .ipv6_addresses
        .items
        .iter()
        .filter_map(|written| place_v6(cx, name, draft, subnet, written, ledger))
        .collect();
    let taken = &ledger.taken;
    let address_in = |block: IpNet| {
        let range = (draft.subnet, block.network())..=(draft.subnet, block.broadcast());
        taken.range(range).next().map(|((_, address), _)| *address)
    };
    (own.ipv4_prefixes, own.ipv6_prefixes) =
        ledger.delegated.place(cx, (name, draft.subnet, subnet), declared, address_in);
    let wrong = matches!(declared.private_ip, Given::Wrong) || !declared.private_ips.complete;
    let count = match declared.ipv6_address_count.value() {
        _ if declared.ipv6_addresses.given => 0,
        Some(count) => usize::try_from(*count).unwrap_or(0),
        None => usize::from(subnet.assign_ipv6_address_on_creation),
    };
    if count > 0 && subnet.ipv6_cidr_block.is_none() {
        let at = declared.ipv6_address_count.written().map(|written| written.at.clone());
        cx.log.report(
            &at.unwrap_or_else(|| declared.at.attribute("ipv6_address_count")),
            "InvalidParameterCombination",
            format!("the subnet {} has no IPv6 block", draft.subnet),
            "give the subnet `ipv6_cidr_block`, or leave this out",
        );
    }
    let need = Need {
        primary: primary.is_none() && !wrong && declared.ipv4 && subnet.cidr_block.is_some(),
        secondary: if subnet.cidr_block.is_some() {
            declared.secondary_private_ip_count.saturating_sub(own.secondary_private_ips.len())
        } else {
            0
        },
        ipv6: if subnet.ipv6_cidr_block.is_some() { count } else { 0 },
    };
    if subnet.cidr_block.is_none() && need.ipv6 == 0 && declared.ipv6_addresses.items.is_empty() {
        let problem =
            format!("the subnet {} is IPv6-only, and the interface has no IPv6 address", draft.subnet);
        let remedy = match draft.interface_type {
            InterfaceType::Interface => "give one in `ipv6_addresses`, or leave the choice to AWS",
            // The attachment says so itself (TGW-31).
            InterfaceType::TransitGateway(_) => return (own, need),
            _ => "name a subnet that has IPv4 addresses",
        };
        cx.log.report(&declared.at, "InvalidParameterCombination", problem, remedy);
    }
    (own, need)
}

fn place_v4<'a>(
    cx: &Context<'_>,
    name: &'a NetworkInterfaceName,
    draft: &'a Draft<'_>,
    subnet: &Subnet,
    written: &Written<Ipv4Addr>,
    ledger: &mut Ledger<'a>,
) -> Option<Ipv4Addr> {
    let Written { at, value: address } = written;
    let Some(block) = subnet.cidr_block else {
        cx.log.report(
            at,
            "InvalidParameterCombination",
            format!("the subnet {} is IPv6-only", draft.subnet),
            "leave IPv4 addresses out",
        );
        return None;
    };
    if !block.contains(address) {
        let problem = format!("{address} lies outside subnet {} ({block})", draft.subnet);
        cx.log.report(at, "InvalidParameterValue", problem, "choose an address inside it");
        return None;
    }
    if let Some(purpose) = reserved_v4(&block, *address) {
        let problem = format!("{address} is reserved in subnet {}: {purpose}", draft.subnet);
        let remedy = format!("choose from {} to {}", lowest_v4(&block), highest_v4(&block));
        cx.log.report(at, "InvalidParameterValue", problem, remedy);
        return None;
    }
    take(cx, name, draft, IpAddr::V4(*address), at, ledger).then_some(*address)
}

fn place_v6<'a>(
    cx: &Context<'_>,
    name: &'a NetworkInterfaceName,
    draft: &'a Draft<'_>,
    subnet: &Subnet,
    written: &Written<Ipv6Addr>,
    ledger: &mut Ledger<'a>,
) -> Option<Ipv6Addr> {
    let Written { at, value: address } = written;
    let Some(block) = subnet.ipv6_cidr_block else {
        cx.log.report(
            at,
            "InvalidParameterCombination",
            format!("the subnet {} has no IPv6 block", draft.subnet),
            "give the subnet `ipv6_cidr_block`, or leave IPv6 addresses out",
        );
        return None;
    };
    if !block.contains(address) {
        let problem = format!("{address} lies outside subnet {} ({block})", draft.subnet);
        cx.log.report(at, "InvalidParameterValue", problem, "choose an address inside it");
        return None;
    }
    if reserved_v6(&block, *address) {
        let problem = format!("{address} is reserved in subnet {}", draft.subnet);
        let remedy = "leave out the first four addresses and the last one";
        cx.log.report(at, "InvalidParameterValue", problem, remedy);
        return None;
    }
    take(cx, name, draft, IpAddr::V6(*address), at, ledger).then_some(*address)
}

fn take<'a>(
    cx: &Context<'_>,
    name: &'a NetworkInterfaceName,
    draft: &'a Draft<'_>,
    address: IpAddr,
    at: &Place,
    ledger: &mut Ledger<'a>,
) -> bool {
    let in_block = ledger.delegated.owner(draft.subnet, address);
    if let Some(other) = ledger.taken.get(&(draft.subnet, address)).copied().or(in_block) {
        let whose = if other == name { "this interface".to_owned() } else { format!("{other}") };
        let problem = format!("{address} already belongs to {whose}");
        cx.log.report(
            at,
            "InvalidIPAddress.InUse",
            problem,
            "choose a free address, or leave the choice to AWS",
        );
        return false;
    }
    ledger.taken.insert((draft.subnet, address), name);
    true
}

/// Gives back what the interface had before, as far as it still fits and nobody has claimed it.
fn keep<'a>(
    name: &'a NetworkInterfaceName,
    draft: &'a Draft<'_>,
    subnet: &Subnet,
    need: &mut Need,
    before: &NetworkInterface,
    own: &mut Addresses,
    ledger: &mut Ledger<'a>,
) {
    let mut free = |address: IpAddr| {
        let free = !ledger.taken.contains_key(&(draft.subnet, address))
            && ledger.delegated.owner(draft.subnet, address).is_none();
        if free {
            ledger.taken.insert((draft.subnet, address), name);
        }
        free
    };
    if let (true, Some(block), Some(address)) = (need.primary, subnet.cidr_block, before.private_ip)
        && block.contains(&address)
        && reserved_v4(&block, address).is_none()
        && free(IpAddr::V4(address))
    {
        own.private_ip = Some(address);
        need.primary = false;
    }
    for address in &before.secondary_private_ips {
        if need.secondary > 0
            && subnet
                .cidr_block
                .is_some_and(|block| block.contains(address) && reserved_v4(&block, *address).is_none())
            && free(IpAddr::V4(*address))
        {
            own.secondary_private_ips.push(*address);
            need.secondary -= 1;
        }
    }
    let Some(block) = subnet.ipv6_cidr_block else { return };
    for address in &before.ipv6_addresses {
        if need.ipv6 > 0
            && block.contains(address)
            && !reserved_v6(&block, *address)
            && free(IpAddr::V6(*address))
        {
            own.ipv6_addresses.push(*address);
            need.ipv6 -= 1;
        }
    }
}

/// Gives the lowest free addresses.
fn fresh<'a>(
    cx: &Context<'_>,
    name: &'a NetworkInterfaceName,
    draft: &'a Draft<'_>,
    subnet: &Subnet,
    need: Need,
    own: &mut Addresses,
    ledger: &mut Ledger<'a>,
) {
    let mut short = false;
    if let (true, Some(block)) = (need.primary, subnet.cidr_block) {
        own.private_ip = ledger.lowest_free_v4(draft.subnet, &block, name);
        short |= own.private_ip.is_none();
    }
    if let Some(block) = subnet.cidr_block {
        for _ in 0..need.secondary {
            let address = ledger.lowest_free_v4(draft.subnet, &block, name);
            short |= address.is_none();
            own.secondary_private_ips.extend(address);
        }
    }
    if let Some(block) = subnet.ipv6_cidr_block {
        for _ in 0..need.ipv6 {
            let address = ledger.lowest_free_v6(draft.subnet, &block, name);
            short |= address.is_none();
            own.ipv6_addresses.extend(address);
        }
    }
    // A NAT gateway fails instead (NAT-17). One report for each subnet: every later interface in it fares alike.
    if short
        && !matches!(draft.interface_type, InterfaceType::NatGateway(_))
        && ledger.full.insert(draft.subnet)
    {
        cx.log.report(
            &draft.declared.at,
            "InsufficientFreeAddressesInSubnet",
            format!("the subnet {} has no free address left", draft.subnet),
            "use a larger subnet, or spread the interfaces over several",
        );
    }
}

impl<'a> Ledger<'a> {
    fn lowest_free_v4(
        &mut self,
        subnet: &'a SubnetName,
        block: &Ipv4Net,
        name: &'a NetworkInterfaceName,
    ) -> Option<Ipv4Addr> {
        let next = self.next_v4.entry(subnet).or_insert_with(|| lowest_v4(block).into());
        while *next <= u32::from(highest_v4(block)) {
            let address = Ipv4Addr::from(*next);
            *next += 1;
            if self.delegated.owner(subnet, IpAddr::V4(address)).is_some() {
                continue;
            }
            if let std::collections::btree_map::Entry::Vacant(free) =
                self.taken.entry((subnet, IpAddr::V4(address)))
            {
                free.insert(name);
                return Some(address);
            }
        }
        None
    }

    fn lowest_free_v6(
        &mut self,
        subnet: &'a SubnetName,
        block: &Ipv6Net,
        name: &'a NetworkInterfaceName,
    ) -> Option<Ipv6Addr> {
        let next = self.next_v6.entry(subnet).or_insert_with(|| u128::from(block.network()) + 4);
        while *next < u128::from(block.broadcast()) {
            let address = Ipv6Addr::from(*next);
            *next += 1;
            if self.delegated.owner(subnet, IpAddr::V6(address)).is_some() {
                continue;
            }
            if let std::collections::btree_map::Entry::Vacant(free) =
                self.taken.entry((subnet, IpAddr::V6(address)))
            {
                free.insert(name);
                return Some(address);
            }
        }
        None
    }
}

fn lowest_v4(block: &Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(block.network()) + 4)
}

fn highest_v4(block: &Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(block.broadcast()) - 1)
}

/// Hardware addresses: stated, else of before, else from the name; unique in the whole lab.
fn hardware(cx: &Context<'_>, drafts: &Drafts<'_>, assigned: &mut BTreeMap<NetworkInterfaceName, Addresses>) {
    /// Locally administered, unicast (L2-28).
    const FIRST_BYTE: u8 = 0x02;
    let mut taken: BTreeMap<[u8; 6], &NetworkInterfaceName> = BTreeMap::new();
    for (name, draft) in drafts {
        let Some(Written { at, value }) = draft.declared.mac_address.written() else { continue };
        let mac = value.0;
        if mac[0] & 0b11 != 0b10 {
            let remedy = "start with 02, 06, 0a or 0e, or leave it out";
            let problem = "a hardware address here is locally administered and unicast";
            cx.log.report(at, "InvalidParameterValue", problem, remedy);
        } else if let Some(other) = taken.insert(mac, name) {
            let problem = format!("{other} has the same hardware address");
            cx.log.report(at, "InvalidParameterValue", problem, "choose another one, or leave it out");
        } else if let Some(own) = assigned.get_mut(name) {
            own.mac_address = mac;
        }
    }
    let open: Vec<&NetworkInterfaceName> = drafts
        .iter()
        .filter(|(_, draft)| draft.declared.mac_address.is_absent())
        .map(|(name, _)| name)
        .collect();
    let mut rest = Vec::new();
    for name in open {
        let before = cx.previous.and_then(|topology| topology.network_interfaces.get(name));
        match before.map(|eni| eni.mac_address).filter(|mac| !taken.contains_key(mac)) {
            Some(mac) => {
                taken.insert(mac, name);
                assigned.entry(name.clone()).and_modify(|own| own.mac_address = mac);
            }
            None => rest.push(name),
        }
    }
    for name in rest {
        let mut bytes = name.fingerprint().to_le_bytes();
        let mac = loop {
            let mac = [FIRST_BYTE, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]];
            if !taken.contains_key(&mac) {
                break mac;
            }
            // Two names with one fingerprint: the later one by name steps on.
            bytes = u128::from_le_bytes(bytes).wrapping_add(1).to_le_bytes();
        };
        taken.insert(mac, name);
        assigned.entry(name.clone()).and_modify(|own| own.mac_address = mac);
    }
}
