//! Does the packet fit onto the path ahead? (area MTU)
//!
//! Judged by segment, not by superframe, as a superframe is many packets.

use std::net::IpAddr;

use vpclab_wire::IcmpErrorKind;

use crate::index::SubnetIdx;
use crate::packet::{BornPacket, Draft};
use crate::reason::DropReason;

/// Who tells the sender that its packet did not fit (MTU-08).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Emitter {
    /// The router of the subnet that the packet was last in, if it was in one (MTU-06).
    Router,
    /// Nobody.
    Nobody,
    /// A gateway in a subnet, by its own address.
    Gateway(SubnetIdx, IpAddr),
}

/// Cuts or drops what is larger than `mtu` bytes of IP packet (MTU-05..MTU-07).
pub(crate) fn fit(draft: &mut Draft, mtu: u16, emitter: Emitter) -> Result<(), DropReason> {
    if draft.headers.largest_segment <= u32::from(mtu) {
        return Ok(());
    }
    if draft.headers.dont_fragment {
        let kind = if draft.headers.is_ipv6() {
            IcmpErrorKind::PacketTooBig { mtu: u32::from(mtu) }
        } else {
            IcmpErrorKind::FragmentationNeeded { mtu }
        };
        match emitter {
            Emitter::Router => {
                if let Some(router) = draft.router {
                    draft.bear(router, BornPacket::Icmp { kind, source: None });
                }
            }
            Emitter::Nobody => {}
            Emitter::Gateway(subnet, address) => {
                let source = (address.is_ipv6() == draft.headers.is_ipv6()).then_some(address);
                draft.bear(subnet, BornPacket::Icmp { kind, source });
            }
        }
        return Err(DropReason::MtuExceeded { mtu });
    }
    draft.fragment_to = Some(draft.fragment_to.map_or(mtu, |other| other.min(mtu)));
    Ok(())
}
