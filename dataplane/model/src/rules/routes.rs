//! Which routes does a table hold, and which of them decide? (area RT)
//!
//! A table's routes come from three sides: the local ones of its VPC (RT-01), those the document writes into it, and
//! those that gateways supply: a virtual private gateway propagates what it knows (RT-34), a gateway endpoint adds the
//! prefix list of its service. The first are made here, the second are read here, the third come in as [`Supplied`]. What
//! always holds: of the routes to one destination exactly one is not overridden, and the rest stay visible (RT-06).

mod constraints;
mod edge;
mod priority;
mod targets;

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::declared::DeclaredRouteTable;
use crate::log::Place;
use crate::name::{
    InstanceName, ManagedPrefixListName, NatGatewayName, NetworkInterfaceName, RouteTableName, SubnetName,
    TransitGatewayVpcAttachmentName, VpcEndpointName, VpcName, VpcPeeringConnectionName,
};
use crate::not_modelled::NETWORK_FIREWALLS;
use crate::register::Context;
use crate::resources::{
    Instance, ManagedPrefixList, NatGateway, NetworkInterface, NotModelledResources, Propagation, Route,
    RouteOrigin, RouteState, RouteTable, RouteTarget, Subnet, TransitGatewayVpcAttachment, Vpc, VpcEndpoint,
    VpcPeeringConnection,
};

use constraints::Destination;
use edge::Edge;

/// The code for a value that is not allowed.
const INVALID: &str = "InvalidParameterValue";

/// The key of VPC endpoints.
const VPC_ENDPOINTS: &str = <crate::name::kind::VpcEndpoint as crate::name::Kind>::PLURAL;

/// What routes can lead to, and what they are judged by.
#[derive(Clone, Copy)]
pub(super) struct Resources<'a> {
    pub(super) vpcs: &'a BTreeMap<VpcName, Vpc>,
    pub(super) subnets: &'a BTreeMap<SubnetName, Subnet>,
    pub(super) instances: &'a BTreeMap<InstanceName, Instance>,
    pub(super) interfaces: &'a BTreeMap<NetworkInterfaceName, NetworkInterface>,
    pub(super) nat_gateways: &'a BTreeMap<NatGatewayName, NatGateway>,
    pub(super) peerings: &'a BTreeMap<VpcPeeringConnectionName, VpcPeeringConnection>,
    pub(super) transit_attachments:
        &'a BTreeMap<TransitGatewayVpcAttachmentName, TransitGatewayVpcAttachment>,
    pub(super) prefix_lists: &'a BTreeMap<ManagedPrefixListName, ManagedPrefixList>,
    pub(super) endpoints: &'a BTreeMap<VpcEndpointName, VpcEndpoint>,
    pub(super) not_modelled: &'a NotModelledResources,
}

/// A route that a gateway puts into a table: nobody writes it there.
#[derive(Debug, Clone)]
pub(super) struct Supplied {
    /// The table.
    pub(super) table: RouteTableName,
    /// What it is for.
    pub(super) destination: SuppliedDestination,
    /// The gateway, and whether it can take packets.
    pub(super) target: (RouteTarget, RouteState),
}

/// What a supplied route is for.
#[allow(dead_code, reason = "the gateways that supply routes construct it")]
#[derive(Debug, Clone)]
pub(super) enum SuppliedDestination {
    /// A block that a virtual private gateway has learnt (RT-34). Give the best one of each origin.
    Propagated(IpNet, Propagation),
    /// The prefix list of a gateway endpoint's service.
    List(ManagedPrefixListName),
}

/// The VPC of one table, and everything else.
struct Surroundings<'a> {
    name: Option<&'a VpcName>,
    vpc: Option<&'a Vpc>,
    all: Resources<'a>,
}

/// A target, where it is written, and whether it can take packets.
type Target = (RouteTarget, Place, RouteState);

/// The route tables, with the main one of each VPC, all local routes, and what gateways supply.
pub(super) fn build(
    cx: &Context<'_>,
    all: &Resources<'_>,
    supplied: &[Supplied],
) -> BTreeMap<RouteTableName, RouteTable> {
    let mut tables = BTreeMap::new();
    let mut edges = edge::edges(cx);
    for (name, owner) in cx.registers.route_tables.iter() {
        let declared = cx.declared.route_tables.get(name);
        let around = Surroundings { name: owner, vpc: owner.and_then(|vpc| all.vpcs.get(vpc)), all: *all };
        let edge = edges.remove(name);
        let mut filling = Filling::of_local_routes(&around);
        if let Some(table) = declared {
            filling.add_written(cx, table, edge.as_ref(), &around);
        }
        for supplied in supplied.iter().filter(|supplied| supplied.table == *name) {
            filling.add_supplied(cx, supplied, &around);
        }
        let Filling { mut routes, prefix_lists, .. } = filling;
        let prefix_lists = prefix_lists.into_keys().collect();
        priority::settle(name, &mut routes, cx.declared.settings.local_routes_over_propagated);
        if let Some(owner) = owner {
            let main = cx.registers.main_tables.get(owner) == Some(name);
            let labels = declared.map(|table| table.labels.clone()).unwrap_or_default();
            let Edge { gateways, pools: public_ipv4_pools } = edge.unwrap_or_default();
            let vpc = owner.clone();
            let table = RouteTable { vpc, main, routes, prefix_lists, gateways, public_ipv4_pools, labels };
            tables.insert(name.clone(), table);
        }
    }
    tables
}

/// A table on its way to being full.
struct Filling {
    routes: Vec<Route>,
    /// Whether the target of each local route has been replaced (RT-12); they come first.
    replaced: Vec<bool>,
    /// The prefix lists it has routes for, with their targets.
    prefix_lists: BTreeMap<ManagedPrefixListName, RouteTarget>,
}

impl Filling {
    fn of_local_routes(around: &Surroundings<'_>) -> Self {
        // RT-01
        let local = |destination| Route {
            destination,
            target: RouteTarget::Local,
            origin: RouteOrigin::CreateRouteTable,
            state: RouteState::Active,
            prefix_list: None,
            overridden: false,
        };
        let routes: Vec<_> = around.vpc.iter().flat_map(|vpc| vpc.cidr_blocks()).map(local).collect();
        Self { replaced: vec![false; routes.len()], routes, prefix_lists: BTreeMap::new() }
    }

    fn add_written(
        &mut self,
        cx: &Context<'_>,
        declared: &DeclaredRouteTable,
        edge: Option<&Edge>,
        around: &Surroundings<'_>,
    ) {
        for written in &declared.routes {
            let destination = constraints::destination(cx, written, around.name);
            let target = targets::target(cx, written, around);
            let (Some((destination, at)), Some(target)) = (destination, target) else { continue };
            match (destination, edge) {
                (Destination::Block(block), Some(edge))
                    if !edge::allowed(cx, edge, block, &target.0, (&at, &target.1), around) => {}
                (Destination::List(_), Some(_)) => edge::refuse_list(cx, &at),
                (Destination::Block(block), _) => self.add_block(cx, block, &at, target, around),
                (Destination::List(list), None) => self.add_list(cx, list, &at, target, around),
            }
        }
    }

    fn add_block(
        &mut self,
        cx: &Context<'_>,
        destination: IpNet,
        at: &Place,
        (target, target_at, state): Target,
        around: &Surroundings<'_>,
    ) {
        if !constraints::allowed(cx, destination, &target, at, &target_at, around) {
            return;
        }
        let is_it = |route: &Route| route.destination == destination && route.prefix_list.is_none();
        match self.routes.iter().position(is_it) {
            Some(index) if self.replaced.get(index) == Some(&false) => {
                // RT-12: the local route stays, its target changes.
                self.replaced[index] = true;
                self.routes[index].target = target;
                self.routes[index].state = state;
            }
            // OQ-28: to say the same twice is no mistake.
            Some(index) if self.routes[index].target == target => {}
            Some(_) => already_exists(cx, at, &destination.to_string()),
            None => self.routes.push(Route {
                destination,
                target,
                origin: RouteOrigin::CreateRoute,
                state,
                prefix_list: None,
                overridden: false,
            }),
        }
    }

    /// A route for each entry of the list as it is now. What holds for a route holds for each of them.
    fn add_list(
        &mut self,
        cx: &Context<'_>,
        list: ManagedPrefixListName,
        at: &Place,
        (target, target_at, state): Target,
        around: &Surroundings<'_>,
    ) {
        if let RouteTarget::NotModelled { kind, .. } = &target
            && matches!(*kind, VPC_ENDPOINTS | NETWORK_FIREWALLS)
        {
            // RT-45
            let problem = "Cannot create or replace a prefix list route targeting a VPC Endpoint.";
            cx.log.report(&target_at, INVALID, problem, "write its blocks as routes of their own");
            return;
        }
        if target == RouteTarget::Local {
            // RT-44
            let problem = "a route for a prefix list cannot be local";
            cx.log.report(&target_at, INVALID, problem, "use local for a whole block of the VPC only");
            return;
        }
        let blocks = around.all.prefix_lists.get(&list).into_iter().flat_map(ManagedPrefixList::blocks);
        let allowed = |block: &IpNet| {
            constraints::not_for_services(cx, *block, at)
                && constraints::allowed(cx, *block, &target, at, &target_at, around)
        };
        // All of them are asked, so that every mistake is told.
        if blocks.filter(|block| !allowed(block)).count() > 0 {
            return;
        }
        match self.prefix_lists.get(&list) {
            Some(existing) if *existing != target => already_exists(cx, at, list.as_str()),
            _ => self.push_list(list, target, state, around),
        }
    }

    fn push_list(
        &mut self,
        list: ManagedPrefixListName,
        target: RouteTarget,
        state: RouteState,
        around: &Surroundings<'_>,
    ) {
        if self.prefix_lists.insert(list.clone(), target.clone()).is_some() {
            return;
        }
        let blocks = around.all.prefix_lists.get(&list).into_iter().flat_map(ManagedPrefixList::blocks);
        self.routes.extend(blocks.map(|destination| Route {
            destination,
            target: target.clone(),
            origin: RouteOrigin::CreateRoute,
            state,
            prefix_list: Some(list.clone()),
            overridden: false,
        }));
    }

    fn add_supplied(&mut self, cx: &Context<'_>, supplied: &Supplied, around: &Surroundings<'_>) {
        let (target, state) = supplied.target.clone();
        match &supplied.destination {
            SuppliedDestination::List(list) => {
                if let Some(existing) = self.prefix_lists.get(list)
                    && !matches!(existing, RouteTarget::VpcEndpoint(_))
                {
                    // EPG-01: only the association makes such a route.
                    let at = Place::resource(&supplied.table).attribute("routes");
                    already_exists(cx, &at, list.as_str());
                }
                self.push_list(list.clone(), target, state, around);
            }
            SuppliedDestination::Propagated(destination, from) => self.routes.push(Route {
                destination: *destination,
                target,
                origin: RouteOrigin::EnableVgwRoutePropagation(*from),
                state,
                prefix_list: None,
                overridden: false,
            }),
        }
    }
}

fn already_exists(cx: &Context<'_>, at: &Place, destination: &str) {
    let problem = format!("the table already has a route for {destination} with another target");
    cx.log.report(at, "RouteAlreadyExists", problem, "keep one of the two");
}
