//! Which part of the address space is this?
//!
//! The ranges AWS's rules name (area ADDR), and nothing about who uses them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

/// Refused as blocks of a VPC (ADDR-03).
pub(crate) const NOT_FOR_VPCS: [Ipv4Net; 4] =
    [v4(0, 0, 0, 0, 8), v4(127, 0, 0, 0, 8), v4(169, 254, 0, 0, 16), v4(224, 0, 0, 0, 4)];
/// The first range of RFC 1918.
pub(crate) const TEN: Ipv4Net = v4(10, 0, 0, 0, 8);
/// The second.
pub(crate) const ONE_SEVEN_TWO: Ipv4Net = v4(172, 16, 0, 0, 12);
/// The third.
pub(crate) const ONE_NINE_TWO: Ipv4Net = v4(192, 168, 0, 0, 16);
/// The range AWS treats like another private one (ADDR-09..ADDR-14).
pub(crate) const ONE_NINE_EIGHT: Ipv4Net = v4(198, 19, 0, 0, 16);
/// ADDR-10: a VPC here ...
pub(crate) const TEN_ZERO_15: Ipv4Net = v4(10, 0, 0, 0, 15);
/// ... gets no further block from here.
pub(crate) const TEN_ZERO_16: Ipv4Net = v4(10, 0, 0, 0, 16);
/// ADDR-11: not as a further block.
pub(crate) const DEFAULT_VPC: Ipv4Net = v4(172, 31, 0, 0, 16);
/// Addresses that do not leave their link (RFC 3927).
pub(crate) const LINK_LOCAL: Ipv4Net = v4(169, 254, 0, 0, 16);
/// No route may lead here or further inside (RT-13).
pub(crate) const LINK_LOCAL_SERVICES: Ipv4Net = v4(169, 254, 168, 0, 22);
/// The same for IPv6 (RT-14).
pub(crate) const LINK_LOCAL_SERVICES_V6: Ipv6Net = v6(0xfd00, 0x0ec2, 32);
/// The well-known prefix of NAT64 (RFC 6052, NAT-28).
pub(crate) const NAT64: Ipv6Net = v6(0x0064, 0xff9b, 96);
/// Where the IPv6 blocks come from that AWS would choose: the documentation prefix of RFC 3849.
pub(crate) const GENERATED_V6: Ipv6Net = v6(0x2001, 0x0db8, 32);
/// Global unicast (RFC 4291).
pub(crate) const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);
/// Unique local (RFC 4193).
pub(crate) const UNIQUE_LOCAL_V6: Ipv6Net = v6(0xfc00, 0, 7);
/// The first public address that is assigned without being asked for (RFC 5737); the pool goes up from here.
pub(crate) const FIRST_PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// The last one: the end of 203.0.0.0/8, sixteen million addresses on.
pub(crate) const LAST_PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 255, 255, 254);

/// What is not the public internet, and why. The ranges for documentation count as public here.
const NOT_PUBLIC: [(Ipv4Net, &str); 10] = [
    (v4(0, 0, 0, 0, 8), "means \"this network\" (RFC 1122)"),
    (TEN, "is private (RFC 1918)"),
    (v4(100, 64, 0, 0, 10), "is shared address space (RFC 6598)"),
    (v4(127, 0, 0, 0, 8), "is loopback"),
    (v4(169, 254, 0, 0, 16), "is link-local"),
    (ONE_SEVEN_TWO, "is private (RFC 1918)"),
    (ONE_NINE_TWO, "is private (RFC 1918)"),
    (v4(198, 18, 0, 0, 15), "is for benchmarks (RFC 2544)"),
    (v4(224, 0, 0, 0, 4), "is multicast"),
    (v4(240, 0, 0, 0, 4), "is reserved"),
];

/// Why no host of the public internet can have `address`, if so; to be read after the address, as in "is loopback".
///
/// The ranges for documentation (RFC 5737, RFC 3849) count as public, as examples use them. Of IPv6 only global unicast
/// is public (RFC 4291).
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => {
            NOT_PUBLIC.iter().find(|(range, _)| range.contains(&address)).map(|(_, why)| *why)
        }
        IpAddr::V6(address) if GLOBAL_V6.contains(&address) => None,
        IpAddr::V6(address) if UNIQUE_LOCAL_V6.contains(&address) => Some("is unique local (RFC 4193)"),
        IpAddr::V6(_) => Some("is not global unicast (RFC 4291)"),
    }
}

/// Blocks at whose first address, or at the one after whose last, public addresses begin or end: nowhere else does
/// [`not_public`] change its answer from none to some or back.
pub fn public_edges() -> impl Iterator<Item = IpNet> {
    NOT_PUBLIC.iter().map(|(range, _)| IpNet::V4(*range)).chain([IpNet::V6(GLOBAL_V6)])
}

/// An address that can stand for anybody on the internet, as the documentation ranges are nobody's (RFC 5737).
pub const ANYBODY_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The same for IPv6 (RFC 3849).
pub const ANYBODY_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0xffff, 0, 0, 0, 1);

/// The address after `address`; none after the last.
pub fn address_after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(address) => u128::from(address).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}

/// Whether two blocks share an address.
pub(crate) fn overlap_v4(a: &Ipv4Net, b: &Ipv4Net) -> bool {
    a.contains(b) || b.contains(a)
}

/// Whether two blocks share an address.
pub(crate) fn overlap_v6(a: &Ipv6Net, b: &Ipv6Net) -> bool {
    a.contains(b) || b.contains(a)
}

/// What a subnet keeps `address` for: the first four addresses and the last (ADDR-27, ADDR-28).
pub(crate) fn reserved_v4(block: &Ipv4Net, address: Ipv4Addr) -> Option<&'static str> {
    let offset = u32::from(address).wrapping_sub(u32::from(block.network()));
    match offset {
        0 => Some("the network"),
        1 => Some("the VPC router"),
        2 => Some("DNS"),
        3 => Some("future use"),
        _ if address == block.broadcast() => Some("broadcast"),
        _ => None,
    }
}

/// The same for IPv6 (ADDR-30).
pub(crate) fn reserved_v6(block: &Ipv6Net, address: Ipv6Addr) -> bool {
    let offset = u128::from(address).wrapping_sub(u128::from(block.network()));
    offset < 4 || address == block.broadcast()
}

/// Why no host at all can have `address`, if so; to be read after the address.
pub(crate) fn not_for_guests(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => NOT_FOR_VPCS
            .iter()
            .any(|range| range.contains(&address))
            .then_some("is loopback, link-local, multicast or this network")
            .or_else(|| (address.octets()[0] >= 240).then_some("is reserved")),
        IpAddr::V6(address) if GLOBAL_V6.contains(&address) || UNIQUE_LOCAL_V6.contains(&address) => None,
        IpAddr::V6(_) => Some("is neither global unicast nor unique local"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_24_keeps_five_addresses_to_itself() {
        // ADDR-27
        let block = v4(10, 0, 0, 0, 24);
        let usable = block.hosts().filter(|a| reserved_v4(&block, *a).is_none()).count();
        assert_eq!(usable, 251);
        let block = v4(10, 0, 0, 0, 28);
        assert_eq!(
            (0..16).filter(|n| reserved_v4(&block, Ipv4Addr::new(10, 0, 0, *n)).is_none()).count(),
            11
        );
    }

    #[test]
    fn a_64_keeps_the_first_four_and_the_last() {
        // ADDR-30
        let block: Ipv6Net = "2001:db8:1234:1a00::/64".parse().unwrap();
        for (address, reserved) in [
            ("2001:db8:1234:1a00::", true),
            ("2001:db8:1234:1a00::3", true),
            ("2001:db8:1234:1a00::4", false),
            ("2001:db8:1234:1a00:ffff:ffff:ffff:fffe", false),
            ("2001:db8:1234:1a00:ffff:ffff:ffff:ffff", true),
        ] {
            assert_eq!(reserved_v6(&block, address.parse().unwrap()), reserved, "{address}");
        }
    }

    #[test]
    fn documentation_ranges_count_as_public() {
        for (address, public) in [
            ("203.0.113.1", true),
            ("198.51.100.7", true),
            ("192.0.2.1", true),
            ("8.8.8.8", true),
            ("10.1.1.1", false),
            ("172.31.0.1", false),
            ("172.32.0.1", true),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("239.1.1.1", false),
            ("255.255.255.255", false),
            ("198.18.0.1", false),
            ("2001:db8::1", true),
            ("2600::1", true),
            ("fd00::1", false),
            ("::1", false),
            ("64:ff9b::a00:1", false),
            ("::ffff:10.0.0.1", false),
        ] {
            assert_eq!(not_public(address.parse().unwrap()).is_none(), public, "{address}");
        }
    }

    /// An edge forgotten would hide the range behind it.
    #[test]
    fn public_addresses_begin_and_end_where_the_edges_are() {
        let edges: Vec<IpNet> = public_edges().collect();
        let is_inside = |address: IpAddr| edges.iter().any(|edge| edge.contains(&address));
        for block in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                for (third, fourth) in
                    [(0, 0), (1, 1), (2, 1), (99, 255), (100, 1), (113, 1), (128, 0), (255, 255)]
                {
                    let address = IpAddr::from([block, second, third, fourth]);
                    assert_eq!(not_public(address).is_some(), is_inside(address), "{address}");
                }
            }
        }
        for first in 0..=u16::MAX {
            let address = IpAddr::from([first, 0, 0, 0, 0, 0, 0, 1]);
            assert_eq!(not_public(address).is_none(), is_inside(address), "{address}");
        }
    }
}
