//! Does a packet cross a VPC peering connection? (area PCX)

use vpclab_model::{PeeringState, Topology, VpcName};

use super::addresses::owner;
use super::{From, Gateway, Oracle, Place, Reason, Walk};

impl Oracle {
    /// PCX-07, PCX-09, PIPE-05: to whoever has the address in the VPC at the other end, and nowhere else.
    pub(super) fn cross_peering(
        &self,
        walk: &mut Walk<'_>,
        name: &str,
        from: &VpcName,
    ) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let peering = &topology.vpc_peering_connections[name];
        let to = if peering.vpc == *from { &peering.peer_vpc } else { &peering.vpc };
        // PCX-08: nor what a transit gateway has brought.
        if walk.by_transit
            || !is_active(topology, name)
            || !topology.vpcs[to].cidr_blocks().any(|b| b.contains(&walk.packet.dst))
        {
            return Err(Reason::Gateway);
        }
        if topology.vpcs[from].home.region != topology.vpcs[to].home.region {
            // PCX-18, MTU-05
            walk.fit(topology.settings.inter_region_peering_mtu.into(), None)?;
        }
        walk.came_by = Some(name.to_owned());
        walk.crossed.note(Gateway::Peering);
        let owner = owner(topology, to, walk.packet.dst).ok_or(Reason::NoDestination)?;
        self.enter(walk, owner.as_str(), &From::Outside)
    }
}

/// PCX-11, PCX-22.
pub(super) fn is_active(topology: &Topology, name: &str) -> bool {
    topology.vpc_peering_connections.get(name).is_some_and(|peering| peering.state == PeeringState::Active)
}
