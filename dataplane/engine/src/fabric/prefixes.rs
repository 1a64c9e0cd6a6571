//! Which prefix is the longest that matches?
//!
//! Most tables hold a handful of prefixes, and going through them is several times faster than a trie; a table with
//! many has one.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use super::Block;

/// Up to how many prefixes are gone through one by one.
const FEW: usize = 12;

/// Positions in a list of routes by destination.
#[derive(Debug)]
pub(crate) enum Prefixes {
    /// A handful, the longest first.
    Few(Vec<(Block, u32)>),
    /// More.
    Many(Box<Tries>),
}

/// A trie a family.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    ipv4: PrefixMap<Ipv4Net, u32>,
    ipv6: PrefixMap<Ipv6Net, u32>,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Prefixes {
    /// The positions of these destinations; each is there once.
    pub(crate) fn new(entries: impl IntoIterator<Item = (IpNet, usize)>) -> Self {
        let position = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
        let mut entries: Vec<(IpNet, u32)> =
            entries.into_iter().map(|(net, place)| (net, position(place))).collect();
        if entries.len() <= FEW {
            entries.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix_len()));
            return Self::Few(entries.into_iter().map(|(net, place)| (Block::from(net), place)).collect());
        }
        let mut tries = Box::<Tries>::default();
        for (net, place) in entries {
            match net {
                IpNet::V4(net) => tries.ipv4.insert(net, place),
                IpNet::V6(net) => tries.ipv6.insert(net, place),
            };
        }
        Self::Many(tries)
    }

    /// The position of the longest prefix that `address` lies in.
    #[inline]
    pub(crate) fn lookup(&self, address: IpAddr) -> Option<usize> {
        let position = match (self, address) {
            (Self::Few(entries), _) => {
                entries.iter().find(|(block, _)| block.contains(address)).map(|(_, place)| *place)
            }
            (Self::Many(tries), IpAddr::V4(address)) => {
                tries.ipv4.get_lpm(&Ipv4Net::from(address)).map(|(_, place)| *place)
            }
            (Self::Many(tries), IpAddr::V6(address)) => {
                tries.ipv6.get_lpm(&Ipv6Net::from(address)).map(|(_, place)| *place)
            }
        };
        position.and_then(|position| usize::try_from(position).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_match_wins_in_a_short_table_as_in_a_long_one() {
        let written =
            ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.1.0/24", "10.0.1.7/32", "::/0", "2001:db8::/32"];
        let few: Vec<(IpNet, usize)> =
            written.iter().enumerate().map(|(place, net)| (net.parse().unwrap(), place)).collect();
        let filler = (0..30).map(|n| (format!("172.16.{n}.0/24").parse().unwrap(), 100 + n));
        let many: Vec<(IpNet, usize)> = few.iter().copied().chain(filler).collect();
        let tables = [Prefixes::new(few), Prefixes::new(many)];
        assert!(matches!(tables, [Prefixes::Few(_), Prefixes::Many(_)]));
        let cases = [
            ("10.0.1.7", Some(4)),
            ("10.0.1.8", Some(3)),
            ("10.0.2.1", Some(2)),
            ("10.9.0.1", Some(1)),
            ("8.8.8.8", Some(0)),
            ("2001:db8::1", Some(6)),
            ("2600::1", Some(5)),
        ];
        for table in &tables {
            for (address, expected) in cases {
                assert_eq!(table.lookup(address.parse().unwrap()), expected, "{address}");
            }
        }
        assert_eq!(Prefixes::default().lookup("10.0.0.1".parse().unwrap()), None);
    }
}
