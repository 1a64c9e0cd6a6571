//! Does the packet fit over the private link? (areas VPN and DX)
//!
//! A VPN connection or a virtual interface of Direct Connect, between a gateway of AWS and a customer network. Nothing is
//! encrypted; what is left of a tunnel is the room in it. Of a packet that is too large nobody hears (VPN-06, MTU-08).

use crate::fabric::{AwsEnd, Direction};
use crate::index::LinkIdx;
use crate::packet::Draft;
use crate::plan::{Context, Location};
use crate::reason::DropReason;
use crate::step::{Probe, Step};
use crate::stop::mtu;

/// A packet crosses the link: outbound is towards the customer.
pub(crate) fn cross(
    cx: &Context<'_>,
    index: LinkIdx,
    direction: Direction,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let link = &cx.fabric.links[index];
    probe.step(|| Step::PrivateLink { link: index, direction });
    if !link.up {
        return Err(DropReason::PrivateLinkDown { link: index });
    }
    if let Some(mtu) = link.clamps_to {
        draft.clamp_segment_size(mtu);
    }
    mtu::fit(draft, link.mtu, mtu::Emitter::Nobody)?;
    match direction {
        Direction::Outbound => {
            let network = link.network.ok_or(DropReason::UndeclaredCustomerNetwork { link: index })?;
            draft.router = None;
            Ok(Location::CustomerNetwork(network))
        }
        Direction::Inbound => match link.end_for(draft.headers.dst) {
            Some(AwsEnd::VpnGateway(gateway)) => Ok(Location::OutOfLink(gateway, index)),
            Some(AwsEnd::Transit(attachment)) => {
                draft.link = Some(index);
                Ok(Location::Transit(attachment, None))
            }
            None => Err(DropReason::PrivateLinkNoRoute { link: index }),
        },
    }
}
