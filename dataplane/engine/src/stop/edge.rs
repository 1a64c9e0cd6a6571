//! Where does a gateway's own route table send what enters by it? (RT-35..RT-41)
//!
//! Asked after the gateway has translated the destination (PIPE-07). It leads straight to whoever has the destination, as
//! a gateway without a table does, or to a middlebox.

use std::net::IpAddr;

use vpclab_model::RouteState;

use crate::fabric::{Fabric, RouteTarget};
use crate::index::{EniIdx, RouteTableIdx};
use crate::packet::Draft;
use crate::plan::{Context, known};
use crate::reason::DropReason;
use crate::step::{Probe, Step};

/// The middlebox that a gateway hands the packet to; none if it goes straight to its destination.
pub(crate) fn divert(
    cx: &Context<'_>,
    table: RouteTableIdx,
    draft: &Draft,
    probe: &mut impl Probe,
) -> Result<Option<EniIdx>, DropReason> {
    known(cx.fabric.route_tables[table].unknown)?;
    let matched = cx.fabric.route_tables[table].lookup(draft.headers.dst);
    probe.step(|| Step::Route {
        route_table: table,
        matched: matched.map(|route| (route.destination, route.target)),
    });
    let route = matched.ok_or(DropReason::NoRoute { route_table: table })?;
    if route.state == RouteState::Blackhole {
        return Err(DropReason::Blackhole { route_table: table, destination: route.destination });
    }
    match route.target {
        RouteTarget::NetworkInterface(eni) => Ok(Some(eni)),
        // Validation lets nothing else stand in such a table (RT-35).
        _ => Ok(None),
    }
}

/// The middlebox that packets for `address` are handed to by the table, if they are.
pub(crate) fn middlebox(fabric: &Fabric, table: RouteTableIdx, address: IpAddr) -> Option<EniIdx> {
    match fabric.route_tables[table].lookup(address)?.target {
        RouteTarget::NetworkInterface(eni) => Some(eni),
        _ => None,
    }
}
