//! Which link-local address does a hardware address make?

use std::net::Ipv6Addr;

use vpclab_wire::MacAddr;

/// The link-local address that a guest forms from its hardware address (RFC 4291 appendix A).
pub fn eui64_link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    let mut octets = [0u8; 16];
    octets[..2].copy_from_slice(&[0xfe, 0x80]);
    octets[8..].copy_from_slice(&[a ^ 0x02, b, c, 0xff, 0xfe, d, e, f]);
    Ipv6Addr::from(octets)
}

/// The hardware address that [`eui64_link_local`] makes `address` from; none if it makes it from no address.
pub fn mac_of_link_local(address: Ipv6Addr) -> Option<MacAddr> {
    let [.., a, b, c, _, _, d, e, f] = address.octets();
    let mac = MacAddr([a ^ 0x02, b, c, d, e, f]);
    (eui64_link_local(mac) == address).then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::ROUTER_LINK_LOCAL;

    #[test]
    fn a_link_local_address_and_its_hardware_address_lead_to_each_other() {
        let mac = MacAddr([0x02, 0x11, 0x22, 0x33, 0x44, 0x55]);
        let address: Ipv6Addr = "fe80::11:22ff:fe33:4455".parse().unwrap();
        assert_eq!(eui64_link_local(mac), address);
        assert_eq!(mac_of_link_local(address), Some(mac));
        assert_eq!(mac_of_link_local(ROUTER_LINK_LOCAL), None);
    }
}
