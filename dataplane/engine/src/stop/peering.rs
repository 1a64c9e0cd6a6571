//! Does the packet cross a VPC peering connection? (area PCX)
//!
//! It leads to the interfaces of the VPC at the other end and nowhere else: no transit, no gateway of the other VPC
//! (PCX-07, PCX-08), nor for what has come by a transit gateway. The other VPC's route tables play no part (PIPE-05).

use crate::index::{PeeringIdx, VpcIdx};
use crate::packet::{Draft, Path};
use crate::plan::{Arrival, Context, Location, known};
use crate::reason::DropReason;
use crate::step::{Probe, Step};
use crate::stop::mtu;

/// A packet of `from` is handed to the connection.
pub(crate) fn cross(
    cx: &Context<'_>,
    index: PeeringIdx,
    from: VpcIdx,
    draft: &mut Draft,
    probe: &mut impl Probe,
) -> Result<Location, DropReason> {
    let peering = &cx.fabric.peerings[index];
    let Some(to) = peering.other_end(from) else {
        return Err(DropReason::PeeringInactive { peering: index });
    };
    let destination = draft.headers.dst;
    probe.step(|| Step::Peering { peering: index, to });
    let there = &cx.fabric.vpcs[to];
    if !there.contains(destination) {
        // PCX-09
        return Err(DropReason::PeeringForeignDestination { peering: index, vpc: to });
    }
    if matches!(draft.path, Path::Transit(_)) {
        // PCX-07, PCX-08: what a NAT gateway or an instance passes on is the VPC's own.
        return Err(DropReason::PeeringForeignSource { peering: index, vpc: from });
    }
    if let Some(mtu) = peering.mtu {
        // MTU-05, MTU-08: the VPC's router says so.
        mtu::fit(draft, mtu, mtu::Emitter::Router)?;
    }
    draft.path = Path::Peering(index);
    let Some(eni) = cx.fabric.interface_at(to, destination) else {
        known(there.unknown)?;
        return Err(DropReason::NoSuchAddress { vpc: to, address: destination });
    };
    Ok(Location::Interface(eni, Arrival::Outside))
}
