//! Where may a subnet lie? (ADDR-21, ADDR-24..ADDR-26, ADDR-32)

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::declared::{DEFAULT, DeclaredSubnet, MAIN};
use crate::log::Place;
use crate::name::{SubnetName, VpcName};
use crate::reader::Given;
use crate::register::Context;
use crate::resources::{Subnet, Vpc};
use crate::rules::associations;
use crate::shape::clip;

/// The code for a block that is no place for a subnet (ERR-02).
const RANGE: &str = "InvalidSubnet.Range";

/// The subnets all of whose blocks are right.
pub(super) fn build(cx: &Context<'_>, vpcs: &BTreeMap<VpcName, Vpc>) -> BTreeMap<SubnetName, Subnet> {
    let declared = cx.declared;
    let route_tables = associations::explicit(
        cx,
        &cx.registers.route_tables,
        MAIN,
        declared.subnets.iter().map(|(name, subnet)| (name, &subnet.route_table)),
        declared.route_tables.iter().map(|(name, table)| (name, &table.subnets)),
    );
    let network_acls = associations::explicit(
        cx,
        &cx.registers.network_acls,
        DEFAULT,
        declared.subnets.iter().map(|(name, subnet)| (name, &subnet.network_acl)),
        declared.network_acls.iter().map(|(name, acl)| (name, &acl.subnets)),
    );
    let mut subnets = BTreeMap::new();
    let mut taken: BTreeMap<&VpcName, Vec<(IpNet, &SubnetName)>> = BTreeMap::new();
    for (name, written) in &declared.subnets {
        let vpc_home = cx.home_of(cx.registers.subnets.owner(name));
        let availability_zone = availability_zone(cx, written, vpc_home.map(|home| home.region));
        let families = families(cx, written);
        let Some((vpc_name, vpc)) =
            cx.registers.subnets.owner(name).and_then(|owner| vpcs.get_key_value(owner))
        else {
            continue;
        };
        let taken = taken.entry(vpc_name).or_default();
        let mut free = |block: IpNet, given: &Place| {
            let conflict = taken.iter().find(|(other, _)| other.contains(&block) || block.contains(other));
            if let Some((other, neighbour)) = conflict {
                // ADDR-25
                cx.log.report(
                    given,
                    "InvalidSubnet.Conflict",
                    format!("{block} overlaps {other} of subnet {neighbour}"),
                    "choose a block that overlaps no other subnet",
                );
                return false;
            }
            taken.push((block, name));
            true
        };
        let ipv4 = written.cidr_block.written().map(|block| {
            (ipv4_fits(cx, vpc_name, vpc, &block.value, &block.at) && free(block.value.into(), &block.at))
                .then_some(block.value)
        });
        let ipv6 = written.ipv6_cidr_block.written().map(|block| {
            (ipv6_fits(cx, vpc_name, vpc, &block.value, &block.at) && free(block.value.into(), &block.at))
                .then_some(block.value)
        });
        let sound = families && ipv4 != Some(None) && ipv6 != Some(None);
        let wrong =
            matches!(written.cidr_block, Given::Wrong) || matches!(written.ipv6_cidr_block, Given::Wrong);
        let (Some(availability_zone), true, false) = (availability_zone, sound, wrong) else { continue };
        subnets.insert(
            name.clone(),
            Subnet {
                vpc: vpc_name.clone(),
                availability_zone,
                cidr_block: ipv4.flatten(),
                ipv6_cidr_block: ipv6.flatten(),
                map_public_ip_on_launch: written.map_public_ip_on_launch,
                assign_ipv6_address_on_creation: written
                    .assign_ipv6_address_on_creation
                    .value()
                    .copied()
                    .unwrap_or(written.ipv6_native),
                route_table: route_tables.get(name).unwrap_or(&vpc.main_route_table).clone(),
                network_acl: network_acls.get(name).unwrap_or(&vpc.default_network_acl).clone(),
                labels: written.labels.clone(),
            },
        );
    }
    subnets
}

/// The zone, by default the first one of the VPC's region (ADDR-26): its letter is one of a to f, as no region of AWS has
/// more. Local Zones have longer names: us-west-2-lax-1a; those of Wavelength are us-east-1-wl1-bos-wlz-1.
fn availability_zone(cx: &Context<'_>, written: &DeclaredSubnet, region: Option<String>) -> Option<String> {
    let region = region?;
    let first = format!("{region}a");
    let zone = match &written.availability_zone {
        Given::Absent => return Some(first),
        Given::Wrong => return None,
        Given::Right(zone) => zone,
    };
    let inside = zone.value.strip_prefix(region.as_str()).is_some_and(|rest| {
        if let Some(wavelength) = rest.strip_prefix("-wl") {
            return is_wavelength(wavelength);
        }
        let word = rest.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let letter = rest.len() - word.len() == 1 && rest.ends_with(|last| ('a'..='f').contains(&last));
        let local = word.split('-').skip(1).all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        });
        letter && (word.is_empty() || (word.starts_with('-') && local))
    });
    if !inside {
        let problem = format!("\"{}\" is not an availability zone of {region}", clip(&zone.value));
        cx.log.report(&zone.at, "InvalidParameterValue", problem, format!("give one such as {first}"));
    }
    inside.then(|| zone.value.clone())
}

/// What follows the region and `-wl`: a number, a city, and the number of its zone.
fn is_wavelength(rest: &str) -> bool {
    let parts: Vec<&str> = rest.split('-').collect();
    let [group, city, "wlz", number] = parts.as_slice() else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(group) && city.len() == 3 && city.bytes().all(|b| b.is_ascii_lowercase()) && digits(number)
}

/// IPv4-only, dual stack or IPv6-only (ADDR-32), and what goes with each.
fn families(cx: &Context<'_>, written: &DeclaredSubnet) -> bool {
    let report = |attribute: &str, code, problem: &str, remedy: &str| {
        cx.log.report(&written.at.attribute(attribute), code, problem, remedy);
        false
    };
    let (no_ipv4, no_ipv6) = (written.cidr_block.is_absent(), written.ipv6_cidr_block.is_absent());
    let assign = written.assign_ipv6_address_on_creation.value();
    if no_ipv4 && !written.ipv6_native {
        let remedy = "give a block such as 10.0.1.0/24, or say `ipv6_native: true`";
        return report("cidr_block", "MissingParameter", "a subnet needs `cidr_block`", remedy);
    }
    if written.ipv6_native && !no_ipv4 {
        let remedy = "leave one of the two out";
        return report(
            "ipv6_native",
            "InvalidParameterCombination",
            "an IPv6-only subnet cannot have an IPv4 block",
            remedy,
        );
    }
    if written.ipv6_native && no_ipv6 {
        let problem = "an IPv6-only subnet needs `ipv6_cidr_block`";
        return report(
            "ipv6_cidr_block",
            "MissingParameter",
            problem,
            "give a block such as 2001:db8:0:1::/64",
        );
    }
    if assign == Some(&true) && no_ipv6 {
        return report(
            "assign_ipv6_address_on_creation",
            "InvalidParameterCombination",
            "the subnet has no IPv6 block to assign addresses from",
            "give `ipv6_cidr_block`, or leave this out",
        );
    }
    if assign == Some(&false) && written.ipv6_native {
        return report(
            "assign_ipv6_address_on_creation",
            "InvalidParameterCombination",
            "interfaces in an IPv6-only subnet always get an IPv6 address",
            "say true, or leave this out",
        );
    }
    true
}

/// ADDR-24
fn ipv4_fits(cx: &Context<'_>, name: &VpcName, vpc: &Vpc, block: &Ipv4Net, at: &Place) -> bool {
    if !(16..=28).contains(&block.prefix_len()) {
        let problem = format!("{block} is a /{}", block.prefix_len());
        cx.log.report(at, RANGE, problem, "choose a block between /16 and /28");
        return false;
    }
    let blocks: Vec<IpNet> = vpc.cidr_blocks().filter(|block| matches!(block, IpNet::V4(_))).collect();
    inside(cx, name, IpNet::V4(*block), &blocks, at)
}

/// ADDR-21
fn ipv6_fits(cx: &Context<'_>, name: &VpcName, vpc: &Vpc, block: &Ipv6Net, at: &Place) -> bool {
    let length = block.prefix_len();
    if !(44..=64).contains(&length) || !length.is_multiple_of(4) {
        let problem = format!("{block} is a /{length}");
        cx.log.report(at, RANGE, problem, "choose a /64, or one of /44, /48, /52, /56 and /60");
        return false;
    }
    let blocks: Vec<IpNet> = vpc.ipv6_cidr_blocks.iter().copied().map(IpNet::V6).collect();
    inside(cx, name, IpNet::V6(*block), &blocks, at)
}

fn inside(cx: &Context<'_>, name: &VpcName, block: IpNet, blocks: &[IpNet], at: &Place) -> bool {
    if blocks.iter().any(|outer| outer.contains(&block)) {
        return true;
    }
    // Where a block of the VPC is itself a mistake, this one may be none.
    let declared = cx.declared.vpcs.get(name);
    let unsure = declared.is_some_and(|vpc| match block {
        IpNet::V4(_) => {
            let secondary = &vpc.secondary_cidr_blocks;
            !secondary.complete || secondary.items.len() + 1 != blocks.len()
        }
        IpNet::V6(_) => vpc.ipv6_cidr_blocks.given && vpc.ipv6_cidr_blocks.items.len() != blocks.len(),
    });
    if unsure {
        return false;
    }
    if blocks.is_empty() {
        let problem = format!("VPC {name} has no IPv6 block");
        let remedy = "give it `ipv6_cidr_block`, or `assign_generated_ipv6_cidr_block: true`";
        cx.log.report(at, RANGE, problem, remedy);
    } else {
        let list = blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let problem = format!("{block} lies outside the blocks of VPC {name} ({list})");
        cx.log.report(at, RANGE, problem, "choose a block inside one of them");
    }
    false
}
