//! Which IPv6 block has a VPC of which AWS chooses it?
//!
//! A /56 of the documentation's prefix that no source states and no other VPC has, in the order in which they are asked
//! for. One pool serves all sources, so that two of them never choose the same.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

/// What is taken of the documentation's prefix.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ipv6Pool {
    taken: Vec<Ipv6Net>,
}

impl Ipv6Pool {
    /// Notes every block and address of the prefix that stands in a text.
    pub(crate) fn note(&mut self, text: &str) {
        let words = text.split(|c: char| !(c.is_ascii_hexdigit() || matches!(c, ':' | '/')));
        let ours =
            words.filter(|word| word.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("2001:")));
        for word in ours {
            let block = word.parse::<Ipv6Net>().or_else(|_| word.parse::<Ipv6Addr>().map(Ipv6Net::from));
            // Of a prefix as a whole, as rules name it, nothing is taken.
            if let Ok(block) = block
                && block.prefix_len() >= 40
            {
                self.taken.push(block.trunc());
            }
        }
    }

    /// The next free block.
    pub(crate) fn choose(&mut self) -> Ipv6Net {
        let of = |number: u16| Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0), 56);
        let is_free =
            |block: &Ipv6Net| !self.taken.iter().any(|other| other.contains(block) || block.contains(other));
        // The third group counts VPCs; there are not as many as it could.
        let block = (1..=u16::MAX).map(of).find(is_free).unwrap_or(of(u16::MAX));
        self.taken.push(block);
        block
    }
}
