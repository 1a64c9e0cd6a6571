//! Which addresses lie in a block?
//!
//! Blocks are compared with every packet, so they are kept as numbers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// A block of addresses, ready to be compared with many packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    net: IpNet,
    base: u128,
    mask: u128,
}

impl Block {
    /// The block as it is written.
    pub fn net(&self) -> IpNet {
        self.net
    }

    /// Whether `address` lies in it. Families never mix (PIPE-12).
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (address, self.net) {
            (IpAddr::V4(address), IpNet::V4(_)) => u128::from(u32::from(address)) & self.mask == self.base,
            (IpAddr::V6(address), IpNet::V6(_)) => u128::from(address) & self.mask == self.base,
            _ => false,
        }
    }
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.net.fmt(f)
    }
}

impl From<IpNet> for Block {
    fn from(net: IpNet) -> Self {
        let net = net.trunc();
        let (base, mask) = match net {
            IpNet::V4(net) => (u128::from(u32::from(net.network())), u128::from(u32::from(net.netmask()))),
            IpNet::V6(net) => (u128::from(net.network()), u128::from(net.netmask())),
        };
        Self { net, base, mask }
    }
}

/// The first address of the block that an address would be delegated in: a /28 or a /80 (L2-31).
pub(crate) fn first_of_delegated(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from(u32::from(address) & (u32::MAX << 4))),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) & (u128::MAX << 48))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_contain_addresses_of_their_own_family_only() {
        let everybody: Block = "0.0.0.0/0".parse::<IpNet>().unwrap().into();
        let private: Block = "10.0.0.0/8".parse::<IpNet>().unwrap().into();
        let six: Block = "2001:db8::/32".parse::<IpNet>().unwrap().into();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let cases = [
            (everybody, "255.255.255.255", true),
            (everybody, "::1", false),
            (private, "10.255.0.1", true),
            (private, "11.0.0.0", false),
            (private, "::a00:1", false),
            (six, "2001:db8:ffff::1", true),
            (six, "2001:db9::1", false),
        ];
        for (block, candidate, expected) in cases {
            assert_eq!(block.contains(address(candidate)), expected, "{candidate} in {block}");
        }
    }
}
