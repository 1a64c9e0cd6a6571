//! Who of the internet is asked?
//!
//! One host of each part that rules, entries and routes on the way tell from others, so that what only half of the internet
//! may do is found as well. What always holds: a part has public addresses only, and parts have none in common.

use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_engine::explain::{End, Explanation, TrafficQuestion, ask};
use vpclab_model::{address_after, not_public, public_edges};
use vpclab_wire::Protocol;

use super::Lint;
use super::asking;
use super::visitors::{ANY_V4, ANY_V6};
use crate::internet::{self, Part};
use crate::met::Met;
use crate::question::{EndKind, NamedEnd, Question};

/// Blocks that hold this part of all public addresses are the world.
const WORLD: u128 = 16;

/// Which way packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the internet.
    In,
    /// To the internet.
    Out,
}

/// How each part of the internet fares towards `inside`, or is reached from there, by `traffic` of one host of it: of those
/// that are told apart for packets of `cut`.
pub(super) fn parts(
    cx: &Lint<'_>,
    (inside, way): (End, Way),
    ipv6: bool,
    cut: TrafficQuestion,
    traffic: TrafficQuestion,
) -> Vec<Part<(IpAddr, Explanation)>> {
    let inside = NamedEnd::new("inside", EndKind::NetworkInterface, inside);
    let outside = NamedEnd::new("internet", EndKind::Internet, End::Internet);
    let (from, to) = match way {
        Way::In => (outside, inside),
        Way::Out => (inside, outside),
    };
    let question = Question { from, to, ipv6: Some(ipv6), traffic: cut, undeclared: None, remedies: false };
    internet::parts(cx.fabric, cx.topology, &question, ipv6, |question| {
        let ((End::Address(address), _) | (_, End::Address(address))) = (question.from.end, question.to.end)
        else {
            return None;
        };
        let told = ask(cx.fabric, question.from.end, question.to.end, Some(ipv6), traffic).ok()?;
        let met = Met::of(&told);
        Some(((address, told), met))
    })
}

/// The internet as ends: whom nothing names, and one host of each part of it that fares differently.
pub(super) fn everybody(cx: &Lint<'_>, inside: End, way: Way, ipv6: bool) -> Vec<End> {
    let traffic = asking::some_client(Protocol::TCP, asking::SOME_SERVER);
    let mut all = vec![asking::internet(cx.fabric, ipv6)];
    for part in parts(cx, (inside, way), ipv6, traffic, traffic) {
        let is_meant = part.is_named() && is_part(&part.blocks);
        if let Some((address, _)) = part.told.filter(|_| is_meant) {
            all.push(End::Address(address));
        }
    }
    all
}

/// The first public address of a block.
pub(super) fn first_public(block: IpNet) -> Option<IpAddr> {
    let after = |edge: IpNet| {
        if edge.addr().is_ipv6() { Some(edge.network()) } else { address_after(edge.broadcast()) }
    };
    let begins = public_edges().filter_map(after).chain([block.network()]);
    begins.filter(|address| block.contains(address) && not_public(*address).is_none()).min()
}

/// Whether some of the packets surely arrive and are answered; none where that is not known.
pub(super) fn passes(told: &Explanation) -> Option<bool> {
    match told.reachable {
        Some(false) if told.not_denied.is_empty() => Some(false),
        // Others of them pass.
        Some(false) => (told.unmodelled.is_empty() && !told.inexhaustive).then_some(true),
        reachable => reachable,
    }
}

/// Whether these blocks of one family are everybody, or much of everybody.
pub(super) fn is_world(blocks: &[IpNet]) -> bool {
    let all = blocks.first().map_or(0, |block| public_size(&[any(block.addr().is_ipv6())]));
    all > 0 && public_size(blocks).saturating_mul(WORLD) >= all
}

/// Whether these blocks of one family hold every public address.
pub(super) fn is_everybody(blocks: &[IpNet]) -> bool {
    blocks.first().is_some_and(|block| public_size(blocks) == public_size(&[any(block.addr().is_ipv6())]))
}

/// Whether these blocks of one family are a part of the internet rather than somebody.
pub(super) fn is_part(blocks: &[IpNet]) -> bool {
    let is_ipv6 = blocks.first().is_some_and(|block| block.addr().is_ipv6());
    public_size(blocks) >= internet::part_size(is_ipv6)
}

/// How many public addresses these blocks hold.
pub(super) fn public_size(blocks: &[IpNet]) -> u128 {
    let edges: Vec<IpNet> = public_edges().collect();
    let of_block = |block: IpNet| {
        let cut: u128 = edges.iter().filter_map(|edge| common(block, *edge)).map(size).sum();
        // The edges of IPv4 are those of what is not public, that of IPv6 holds what is.
        if block.addr().is_ipv6() { cut } else { size(block).saturating_sub(cut) }
    };
    IpNet::aggregate(&blocks.to_vec()).into_iter().map(of_block).sum()
}

/// What each two blocks of two lists have in common.
pub(super) fn common_blocks(some: &[IpNet], others: &[IpNet]) -> Vec<IpNet> {
    some.iter().flat_map(|one| others.iter().filter_map(|other| common(*one, *other))).collect()
}

fn common(a: IpNet, b: IpNet) -> Option<IpNet> {
    if a.contains(&b) { Some(b) } else { b.contains(&a).then_some(a) }
}

fn size(block: IpNet) -> u128 {
    let bits = u32::from(block.max_prefix_len() - block.prefix_len());
    1_u128.checked_shl(bits).unwrap_or(u128::MAX)
}

fn any(ipv6: bool) -> IpNet {
    if ipv6 { ANY_V6 } else { ANY_V4 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str) -> Vec<IpNet> {
        text.split_whitespace().map(|block| block.parse().unwrap()).collect()
    }

    #[test]
    fn the_world_is_a_sixteenth_of_all_public_addresses_however_it_is_cut() {
        let fifths: Vec<IpNet> = (0..28).map(|n| format!("{}.0.0.0/5", n * 8).parse().unwrap()).collect();
        assert!(is_everybody(&fifths) && is_world(&fifths));
        let first = |block: &str| first_public(block.parse().unwrap()).map(|address| address.to_string());
        for (block, expected) in [
            ("0.0.0.0/1", "1.0.0.0"),
            ("8.0.0.0/8", "8.0.0.0"),
            ("10.0.0.0/7", "11.0.0.0"),
            ("::/0", "2000::"),
        ] {
            assert_eq!(first(block).as_deref(), Some(expected), "{block}");
        }
        assert!(first("10.0.0.0/8").is_none() && first("fd00::/8").is_none());
        for (text, world, part) in [
            ("0.0.0.0/0", true, true),
            ("0.0.0.0/1", true, true),
            ("112.0.0.0/4", true, true),
            ("112.0.0.0/5", false, true),
            ("112.0.0.0/5 120.0.0.0/5", true, true),
            // Of these nobody on the internet has an address.
            ("224.0.0.0/4", false, false),
            ("240.0.0.0/4", false, false),
            ("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16", false, false),
            ("::/0", true, true),
            ("2000::/3", true, true),
            ("2000::/7", true, true),
            ("2000::/8", false, true),
            ("fc00::/7", false, false),
            ("8.0.0.0/12", false, true),
            ("8.0.0.0/13", false, false),
            // What is named twice counts once.
            ("8.0.0.0/13 8.0.0.0/13", false, false),
        ] {
            assert_eq!((is_world(&blocks(text)), is_part(&blocks(text))), (world, part), "{text}");
        }
    }
}
