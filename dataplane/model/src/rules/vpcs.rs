//! Which blocks may a VPC have? (area ADDR)

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use ipnet::{Ipv4Net, Ipv6Net};

use crate::declared::{DEFAULT, DeclaredVpc, MAIN};
use crate::log::Place;
use crate::name::VpcName;
use crate::reader::Written;
use crate::register::{Context, made_by_aws};
use crate::resources::Vpc;
use crate::space::{
    DEFAULT_VPC, GENERATED_V6, GLOBAL_V6, NOT_FOR_VPCS, ONE_NINE_EIGHT, ONE_NINE_TWO, ONE_SEVEN_TWO, TEN,
    TEN_ZERO_15, TEN_ZERO_16, UNIQUE_LOCAL_V6, overlap_v4, overlap_v6,
};

/// The code for a block a VPC cannot have (ERR-01, OQ-11).
const RANGE: &str = "InvalidVpc.Range";
/// The prefix length of a block AWS chooses (ADDR-20).
const GENERATED_LENGTH: u8 = 56;

/// The VPCs whose primary block is right, with their IPv6 blocks chosen where AWS is to choose.
pub(super) fn build(cx: &Context<'_>) -> BTreeMap<VpcName, Vpc> {
    let stated = stated_v6(cx);
    let generated = generated_v6(cx, &stated);
    let mut vpcs = BTreeMap::new();
    for (name, declared) in &cx.declared.vpcs {
        let ipv4 = ipv4_blocks(cx, declared);
        let Some((cidr_block, secondary_cidr_blocks)) = ipv4 else { continue };
        let mut ipv6_cidr_blocks = stated.get(name).cloned().unwrap_or_default();
        ipv6_cidr_blocks.extend(generated.get(name));
        vpcs.insert(
            name.clone(),
            Vpc {
                home: declared.home.settle(cx).unwrap_or_default(),
                cidr_block,
                secondary_cidr_blocks,
                ipv6_cidr_blocks,
                // A VPC without one has been reported.
                main_route_table: cx
                    .registers
                    .main_tables
                    .get(name)
                    .cloned()
                    .unwrap_or_else(|| made_by_aws(name, MAIN)),
                default_network_acl: made_by_aws(name, DEFAULT),
                default_security_group: made_by_aws(name, DEFAULT),
                labels: declared.labels.clone(),
            },
        );
    }
    vpcs
}

fn ipv4_blocks(cx: &Context<'_>, declared: &DeclaredVpc) -> Option<(Ipv4Net, Vec<Ipv4Net>)> {
    let primary = declared.cidr_block.written();
    let mut blocks: Vec<Ipv4Net> =
        primary.filter(|block| check_block(cx, block)).map(|b| b.value).into_iter().collect();
    let known = blocks.len();
    for block in &declared.secondary_cidr_blocks.items {
        if !check_block(cx, block) {
            continue;
        }
        let new = block.value;
        if let Some(other) = blocks.iter().find(|other| overlap_v4(other, &new)) {
            // ADDR-07
            let problem = format!("{new} overlaps {other}, which the VPC already has");
            cx.log.report(&block.at, RANGE, problem, "choose a block that overlaps none of the VPC's");
        } else if let Some((why, fact)) =
            blocks.first().filter(|_| known == 1).and_then(|first| restricted(*first, &blocks, new))
        {
            let problem = format!("{new} is restricted: {why} ({fact})");
            let remedy = "use a block from the private range of the primary block, or a public one";
            cx.log.report(&block.at, RANGE, problem, remedy);
        } else {
            blocks.push(new);
        }
    }
    let secondary = blocks.split_off(known);
    blocks.pop().map(|primary| (primary, secondary))
}

/// ADDR-01 and ADDR-03, which hold for every block of a VPC.
fn check_block(cx: &Context<'_>, block: &Written<Ipv4Net>) -> bool {
    let Written { at, value } = block;
    if !(16..=28).contains(&value.prefix_len()) {
        let problem = format!("{value} is a /{}", value.prefix_len());
        cx.log.report(at, RANGE, problem, "choose a block between /16 and /28");
        return false;
    }
    if let Some(range) = NOT_FOR_VPCS.iter().find(|range| overlap_v4(range, value)) {
        let problem = format!("{value} lies in {range}, which no VPC can use");
        cx.log.report(at, RANGE, problem, "choose a private block such as 10.0.0.0/16");
        return false;
    }
    true
}

/// Why `new` cannot join `blocks`, the first of which is the primary one (ADDR-09..ADDR-14).
fn restricted(primary: Ipv4Net, blocks: &[Ipv4Net], new: Ipv4Net) -> Option<(String, &'static str)> {
    const PRIVATE: [(Ipv4Net, &str); 4] = [
        (TEN, "ADDR-09"),
        (ONE_SEVEN_TWO, "ADDR-11"),
        (ONE_NINE_TWO, "ADDR-12"),
        (ONE_NINE_EIGHT, "ADDR-13"),
    ];
    let range_of = |block: &Ipv4Net| PRIVATE.into_iter().find(|(range, _)| range.contains(block));
    let (new_range, _) = range_of(&new)?;
    if let Some((range, fact)) = blocks.iter().filter_map(range_of).find(|(range, _)| *range != new_range) {
        return Some((format!("the VPC has a block in {range}"), fact));
    }
    if range_of(&primary).is_none() {
        return Some((format!("the primary block {primary} is not in a private range"), "ADDR-14"));
    }
    if TEN_ZERO_16.contains(&new) && blocks.iter().any(|block| TEN_ZERO_15.contains(block)) {
        return Some((
            format!("the VPC has a block in {TEN_ZERO_15}, so that {TEN_ZERO_16} is closed to it"),
            "ADDR-10",
        ));
    }
    if new_range == ONE_SEVEN_TWO && DEFAULT_VPC.contains(&new) {
        return Some((format!("{DEFAULT_VPC} belongs to default VPCs"), "ADDR-11"));
    }
    None
}

/// The IPv6 blocks the document names. Public ones exist once in the world, unique local ones once in a VPC.
fn stated_v6(cx: &Context<'_>) -> BTreeMap<VpcName, Vec<Ipv6Net>> {
    let mut stated: BTreeMap<VpcName, Vec<Ipv6Net>> = BTreeMap::new();
    for (name, declared) in &cx.declared.vpcs {
        let mut own: Vec<Ipv6Net> = Vec::new();
        for (index, Written { at, value }) in declared.ipv6_cidr_blocks.items.iter().enumerate() {
            let length = value.prefix_len();
            let everywhere = !UNIQUE_LOCAL_V6.contains(value);
            let theirs =
                stated.iter().flat_map(|(other, blocks)| blocks.iter().map(move |block| (other, block)));
            let ours = own.iter().map(|block| (name, block));
            let taken = ours
                .chain(theirs.filter(|_| everywhere))
                .find(|(_, block)| overlap_v6(block, value))
                .map(|(other, block)| format!("{value} overlaps {block} of VPC {other}"));
            let mistake = if !(44..=60).contains(&length) || !length.is_multiple_of(4) {
                // ADDR-20
                Some((format!("{value} is a /{length}"), "choose a /44, /48, /52, /56 or /60"))
            } else if declared.assign_generated_ipv6_cidr_block && index == 0 && length != GENERATED_LENGTH {
                let problem = format!("{value} is a /{length}, but a block that AWS generates is a /56");
                Some((problem, "choose a /56, or leave `assign_generated_ipv6_cidr_block` out"))
            } else if everywhere && !GLOBAL_V6.contains(value) {
                let problem = format!("{value} is neither global unicast nor unique local");
                Some((problem, "choose a block such as 2001:db8::/56"))
            } else {
                taken.map(|problem| (problem, "choose a block that overlaps no other"))
            };
            match mistake {
                Some((problem, remedy)) => cx.log.report(at, RANGE, problem, remedy),
                None => own.push(*value),
            }
        }
        stated.insert(name.clone(), own);
    }
    stated
}

/// Blocks for the VPCs that leave the choice to AWS: the one of before, else the next free /56 in name order.
fn generated_v6(cx: &Context<'_>, stated: &BTreeMap<VpcName, Vec<Ipv6Net>>) -> BTreeMap<VpcName, Ipv6Net> {
    let hosts: Vec<Ipv6Addr> =
        cx.declared.internet_hosts.values().filter_map(|host| host.ipv6_address.value().copied()).collect();
    let open = |block: &Ipv6Net| {
        !stated.values().flatten().any(|other| overlap_v6(other, block))
            && !hosts.iter().any(|host| block.contains(host))
    };
    let asking: Vec<(&VpcName, &Place)> = cx
        .declared
        .vpcs
        .iter()
        .filter(|(_, vpc)| vpc.assign_generated_ipv6_cidr_block && !vpc.ipv6_cidr_blocks.given)
        .map(|(name, vpc)| (name, &vpc.at))
        .collect();
    let mut chosen: BTreeMap<VpcName, Ipv6Net> = BTreeMap::new();
    for (name, _) in &asking {
        let before = cx.previous.and_then(|topology| topology.vpcs.get(*name));
        let Some(block) = before.and_then(|vpc| vpc.ipv6_cidr_blocks.first()) else { continue };
        let generated = block.prefix_len() == GENERATED_LENGTH && GENERATED_V6.contains(block);
        if generated && open(block) && !chosen.values().any(|other| other == block) {
            chosen.insert((*name).clone(), *block);
        }
    }
    let kept: Vec<Ipv6Net> = chosen.values().copied().collect();
    let mut free = GENERATED_V6
        .subnets(GENERATED_LENGTH)
        .into_iter()
        .flatten()
        .filter(|block| open(block) && !kept.contains(block));
    for (name, at) in asking {
        if chosen.contains_key(name) {
            continue;
        }
        match free.next() {
            Some(block) => {
                chosen.insert(name.clone(), block);
            }
            None => cx.log.report(
                at,
                "InsufficientAddressCapacity",
                format!("no /56 is left in {GENERATED_V6}"),
                "give `ipv6_cidr_block` yourself",
            ),
        }
    }
    chosen
}
