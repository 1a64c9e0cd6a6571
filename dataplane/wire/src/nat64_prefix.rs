//! Which IPv6 address stands for an IPv4 one behind a NAT64, and the other way around?
//!
//! RFC 6052, section 2.2, for prefixes of 96 bits: the IPv4 address is the last 32. Whether an address of the prefix may be
//! used in a given place (the well-known prefix is not for private addresses, section 3.1) is the caller's to judge.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The well-known prefix `64:ff9b::/96` (RFC 6052, section 2.1).
pub const NAT64_PREFIX: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);

/// The bits of an address that are the IPv4 address.
const IPV4_BITS: u128 = 0xffff_ffff;

/// The IPv6 address that stands for `address` under `prefix`, of which the first 96 bits count (RFC 6052, section 2.2).
pub const fn nat64_address(prefix: Ipv6Addr, address: Ipv4Addr) -> Ipv6Addr {
    let [a, b, c, d, e, f, _, _] = prefix.segments();
    let [w, x, y, z] = address.octets();
    Ipv6Addr::new(a, b, c, d, e, f, u16::from_be_bytes([w, x]), u16::from_be_bytes([y, z]))
}

/// The IPv4 address that `address` stands for under `prefix`, of which the first 96 bits count (RFC 6052, section 2.2). `None`
/// for an address outside the prefix.
pub const fn nat64_embedded(prefix: Ipv6Addr, address: Ipv6Addr) -> Option<Ipv4Addr> {
    if (prefix.to_bits() ^ address.to_bits()) & !IPV4_BITS != 0 {
        return None;
    }
    let [.., w, x, y, z] = address.octets();
    Some(Ipv4Addr::new(w, x, y, z))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_last_32_bits_of_its_prefix() {
        // The examples of RFC 6052, section 2.4, whose prefixes have 96 bits.
        for (prefix, ipv4, ipv6) in [
            ("64:ff9b::", "192.0.2.33", "64:ff9b::192.0.2.33"),
            ("2001:db8:122:344::", "192.0.2.33", "2001:db8:122:344::192.0.2.33"),
        ] {
            let (prefix, ipv4): (Ipv6Addr, Ipv4Addr) = (prefix.parse().unwrap(), ipv4.parse().unwrap());
            let ipv6: Ipv6Addr = ipv6.parse().unwrap();
            assert_eq!(nat64_address(prefix, ipv4), ipv6);
            assert_eq!(nat64_embedded(prefix, ipv6), Some(ipv4));
        }
    }

    #[test]
    fn an_address_outside_the_prefix_stands_for_nothing() {
        for outside in ["64:ff9b:0:0:0:1::", "64:ff9b:1::c000:221", "2001:db8::1", "::ffff:192.0.2.33"] {
            assert_eq!(nat64_embedded(NAT64_PREFIX, outside.parse().unwrap()), None, "{outside}");
        }
    }

    #[test]
    fn bits_behind_the_prefix_do_not_count() {
        let untidy = nat64_address(NAT64_PREFIX, Ipv4Addr::BROADCAST);
        assert_eq!(
            nat64_address(untidy, Ipv4Addr::LOCALHOST),
            nat64_address(NAT64_PREFIX, Ipv4Addr::LOCALHOST)
        );
        assert_eq!(nat64_embedded(untidy, NAT64_PREFIX), Some(Ipv4Addr::UNSPECIFIED));
    }
}
