//! May a packet leave an interface, or enter one? (areas L2, PIPE, SG and CT)

use std::net::IpAddr;

use vpclab_model::{
    InstanceState, InterfaceType, MidStreamTcp, NetworkInterface, PeeringState, RouteTarget, SubnetName,
    Topology, VpcName,
};

use super::addresses::{has_address, is_endpoint, is_never_forwarded, is_router_of, owner};
use super::endpoint::is_dynamodb;
use super::filters::{Far, Subject, acl, is_meant, is_wide_open, rules, speaks_of};
use super::memory::{Flow, Passage, Remembered, remembered};
use super::peering::is_active;
use super::routes::route;
use super::transit::ahead;
use super::{From, Oracle, Place, Reason, Walk};
use crate::packet::{Body, Flags, Piece};

impl Oracle {
    /// PIPE-01, PIPE-03, PIPE-18.
    pub(super) fn leave<'a>(
        &self,
        walk: &mut Walk<'a>,
        name: &'a str,
        neighbor: Option<&'a str>,
    ) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let eni = &topology.network_interfaces[name];
        if eni.attachment.is_none() {
            return Err(Reason::NoDestination);
        }
        if !is_running(topology, eni) {
            return Err(Reason::NoDestination);
        }
        let subnet = &topology.subnets[&eni.subnet];
        let (src, dst) = (walk.packet.src, walk.packet.dst);
        if is_never_forwarded(topology, eni, dst) {
            return Err(Reason::NotForwarded);
        }
        let own_source = has_address(eni, src);
        if eni.source_dest_check && !own_source {
            return Err(Reason::SourceDestCheck);
        }
        if own_source {
            walk.sender = Some(name);
        }
        if neighbor.is_none() && is_router_of(subnet, dst) {
            // L2-09, SG-21, NACL-17
            let asks = matches!(walk.packet.body, Body::Echo { reply: false, .. });
            let whole = walk.packet.piece == Piece::Whole;
            return if asks && whole { Ok(None) } else { Err(Reason::NotForwarded) };
        }
        self.security_group(walk, name, true)?;
        match neighbor {
            Some(neighbor) => self.enter(walk, neighbor, &From::Neighbor),
            None => self.at_router(walk, &eni.subnet),
        }
    }

    /// PIPE-02, PIPE-08, PIPE-18.
    pub(super) fn enter<'a>(
        &self,
        walk: &mut Walk<'a>,
        name: &'a str,
        from: &From<'_>,
    ) -> Result<Option<Place>, Reason> {
        let topology = walk.topology;
        let eni = &topology.network_interfaces[name];
        let nat = match &eni.interface_type {
            InterfaceType::NatGateway(nat) => Some(nat),
            _ => None,
        };
        let endpoint = match &eni.interface_type {
            InterfaceType::VpcEndpoint(endpoint) => Some(endpoint),
            _ => None,
        };
        if eni.attachment.is_none() && nat.is_none() && endpoint.is_none() {
            return Err(Reason::NoDestination);
        }
        if !is_running(topology, eni) {
            return Err(Reason::NoDestination);
        }
        let meets_acl = match from {
            From::Neighbor => false,
            From::Subnet(name) if **name == eni.subnet => {
                topology.settings.network_acl_within_subnet_via_router
            }
            From::Transit(name) => **name != eni.subnet,
            From::Subnet(_) | From::Outside => true,
        };
        if meets_acl {
            let subnet = &topology.subnets[&eni.subnet];
            acl(&topology.network_acls[&subnet.network_acl], &walk.packet, false)?;
        }
        if let Some(nat) = nat {
            return self.through_nat(walk, nat.as_str(), false);
        }
        // EPI-15
        walk.auto_tracked |= endpoint.is_some();
        self.security_group(walk, name, false)?;
        if eni.source_dest_check && !has_address(eni, walk.packet.dst) {
            return Err(Reason::SourceDestCheck);
        }
        if let Some(endpoint) = endpoint {
            return self.by_interface_endpoint(walk, endpoint, name);
        }
        Ok(Some(Place::Interface(name.to_owned())))
    }

    /// The groups of an interface, and what they remember (SG-01, areas SG and CT).
    pub(super) fn security_group(
        &self,
        walk: &mut Walk<'_>,
        name: &str,
        outbound: bool,
    ) -> Result<(), Reason> {
        let topology = walk.topology;
        let eni = &topology.network_interfaces[name];
        let packet = &walk.packet;
        let (own, peer) = if outbound { (packet.src, packet.dst) } else { (packet.dst, packet.src) };
        let far = Far {
            address: peer,
            members: if outbound {
                known_vpcs(topology, &topology.subnets[&eni.subnet].vpc)
                    .into_iter()
                    .filter_map(|vpc| owner(topology, vpc, peer))
                    .map(|name| &topology.network_interfaces[name])
                    .collect()
            } else {
                walk.sender.map(|name| &topology.network_interfaces[name]).into_iter().collect()
            },
        };
        let allowed = |outbound: bool, subject: &Subject, far: &Far<'_>| {
            rules(topology, eni, outbound)
                .any(|rule| speaks_of(&rule.traffic, subject) && is_meant(topology, &rule.peer, far))
        };
        let subject = Subject::of(packet);
        let own_rules =
            || if allowed(outbound, &subject, &far) { Ok(()) } else { Err(Reason::SecurityGroup) };

        if let Body::Error { about, .. } = packet.body {
            // CT-17
            let flow = Flow::of_quoted(&about, !outbound);
            let is_for_its_sender = about.src == packet.dst;
            let related = is_for_its_sender
                && remembered(&self.passages, topology, name, &flow, walk.now)
                    .is_some_and(|conn| conn.tracked);
            return if related { Ok(()) } else { own_rules() };
        }
        let flow = Flow::of(packet, own, peer, outbound);
        // A later piece has no header of its own: where its datagram stands is the first one's to say.
        let flags = match packet.body {
            Body::Tcp { flags, .. } => Some(flags),
            _ => None,
        };
        let anew = |conn: &Remembered| conn.over && flags == Some(Flags::Syn);
        let opens =
            match remembered(&self.passages, topology, name, &flow, walk.now).filter(|conn| !anew(conn)) {
                // CT-01, CT-09
                Some(conn) if conn.tracked => {
                    if outbound {
                        // NAT-33: while the way still exists.
                        walk.back_by = conn.came_by.filter(|name| is_active(topology, name));
                    }
                    None
                }
                // CT-10: by the rules of the side that opened it, and by those of the other.
                Some(conn) => {
                    let (opening, response) = if conn.opened_outbound == outbound {
                        (subject, subject.turned())
                    } else {
                        (subject.turned(), subject)
                    };
                    let both = allowed(conn.opened_outbound, &opening, &far)
                        && allowed(!conn.opened_outbound, &response, &far);
                    if !both {
                        return Err(Reason::SecurityGroup);
                    }
                    None
                }
                None => {
                    own_rules()?;
                    // CT-03, CT-04
                    let auto_tracked = if outbound {
                        let subnet = &topology.network_interfaces[name].subnet;
                        goes_by_a_tracking_gateway(walk, subnet, packet.dst)
                    } else {
                        walk.auto_tracked
                    };
                    let wide_open = matches!(packet.body, Body::Tcp { .. } | Body::Udp { .. })
                        && !auto_tracked
                        && is_wide_open(topology, eni, outbound, &subject, peer);
                    let in_the_middle = flags.is_some_and(|flags| flags != Flags::Syn);
                    if in_the_middle && !wide_open && topology.settings.mid_stream_tcp == MidStreamTcp::Drop {
                        return Err(Reason::SecurityGroup);
                    }
                    if matches!(packet.body, Body::Echo { reply: true, .. }) || flags == Some(Flags::Rst) {
                        // An answer that nobody asked for, the end of what never was: they open nothing.
                        return Ok(());
                    }
                    Some(!wide_open)
                }
            };
        let came_by = walk.came_by.clone().filter(|_| !outbound && walk.auto_tracked);
        let flags = flags.filter(|_| !matches!(packet.piece, Piece::Later(_)));
        walk.passed.push(Passage {
            interface: name.to_owned(),
            flow,
            outbound,
            flags,
            at: walk.now,
            opens,
            came_by,
        });
        Ok(())
    }
}

/// Nothing passes the interfaces of a stopped instance.
fn is_running(topology: &Topology, eni: &NetworkInterface) -> bool {
    let instance = eni.attachment.as_ref().and_then(|at| topology.instances.get(&at.instance));
    instance.is_none_or(|instance| instance.state == InstanceState::Running)
}

/// CT-07, EPI-15, IGW-24: whether what goes to the packet's destination from this subnet passes a gateway whose flows are
/// tracked whatever the rules say, be it in another VPC.
fn goes_by_a_tracking_gateway(walk: &Walk<'_>, from: &SubnetName, destination: IpAddr) -> bool {
    let topology = walk.topology;
    let (mut from, mut doors) = (from, walk.doors[walk.doors_met..].iter());
    // As often as it comes out of a transit gateway into a VPC.
    for _ in 0..4 {
        let subnet = &topology.subnets[from];
        let found = route(topology, &topology.route_tables[&subnet.route_table].routes, destination);
        let Some(found) = found else { return false };
        let RouteTarget::TransitGateway(gateway) = &found.target else {
            return leads_to_tracking(topology, &subnet.vpc, &found.target, destination);
        };
        let Some(door) = ahead(topology, from, gateway, &walk.packet, doors.next().map(String::as_str))
        else {
            return false;
        };
        from = door;
    }
    false
}

fn leads_to_tracking(topology: &Topology, vpc: &VpcName, target: &RouteTarget, destination: IpAddr) -> bool {
    let is_endpoint = |vpc: &VpcName| {
        let owner = owner(topology, vpc, destination).map(|owner| &topology.network_interfaces[owner]);
        owner.is_some_and(is_endpoint)
    };
    match target {
        RouteTarget::NatGateway(_) | RouteTarget::EgressOnlyInternetGateway(_) => true,
        RouteTarget::VpcEndpoint(name) => is_dynamodb(topology, name),
        RouteTarget::Local => is_endpoint(vpc),
        RouteTarget::VpcPeeringConnection(name) => {
            let peering = &topology.vpc_peering_connections[name];
            let other = if peering.vpc == *vpc { &peering.peer_vpc } else { &peering.vpc };
            peering.state == PeeringState::Active && is_endpoint(other)
        }
        _ => false,
    }
}

/// SG-10, PCX-17: the VPC itself, and those of its region that an active peering connection leads to.
fn known_vpcs<'a>(topology: &'a Topology, vpc: &'a VpcName) -> Vec<&'a VpcName> {
    let mut known = vec![vpc];
    for peering in topology.vpc_peering_connections.values() {
        let other = if peering.vpc == *vpc {
            &peering.peer_vpc
        } else if peering.peer_vpc == *vpc {
            &peering.vpc
        } else {
            continue;
        };
        let same_region = topology.vpcs[vpc].home.region == topology.vpcs[other].home.region;
        if peering.state == PeeringState::Active && same_region {
            known.push(other);
        }
    }
    known
}
