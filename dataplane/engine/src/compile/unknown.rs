//! Of what is not all known, and where does a packet depend on it?
//!
//! A resource that says `not_modelled` is compiled like any other, with what is known of it. Here its mark goes to the
//! places where packets meet the rest: interfaces, subnets, filters, tables and targets of routes. Where two marks meet
//! one is told.

use std::collections::HashMap;

use vpclab_model::{
    self as model, AttachmentName, AwsEnd, TransitGatewayName, VirtualInterface, VirtualInterfaceEnd,
    VpnGatewayName,
};

use super::Compiler;
use crate::index::NotModelledIdx;

/// The gateways at the end of private links of which not all is known: any route may come by them.
#[derive(Default)]
pub(super) struct UnknownLinks<'a> {
    vpn_gateways: HashMap<&'a VpnGatewayName, NotModelledIdx>,
    transit_gateways: HashMap<&'a TransitGatewayName, NotModelledIdx>,
}

impl<'a> UnknownLinks<'a> {
    fn mark(&mut self, end: &'a AwsEnd, unknown: Option<NotModelledIdx>) {
        let Some(unknown) = unknown else { return };
        match end {
            AwsEnd::VpnGateway(gateway) => self.vpn_gateways.insert(gateway, unknown),
            AwsEnd::TransitGateway(gateway) => self.transit_gateways.insert(gateway, unknown),
        };
    }
}

impl<'a> Compiler<'a> {
    /// The gateways at the end of private links of which not all is known.
    pub(super) fn unknown_links(&self) -> UnknownLinks<'a> {
        let topology = self.topology;
        let mut found = UnknownLinks::default();
        for (name, connection) in &topology.vpn_connections {
            found.mark(&connection.gateway, self.not_modelled.unknown(name));
        }
        let behind = |end: &VirtualInterfaceEnd, gateway: &model::DxGatewayName| matches!(end, VirtualInterfaceEnd::DxGateway(other) if other == gateway);
        for (name, association) in &topology.dx_gateway_associations {
            let gateway = &association.dx_gateway;
            let here = |interface: &VirtualInterface| behind(&interface.end, gateway);
            let private = topology.dx_private_virtual_interfaces.iter().filter(|(_, one)| here(one));
            let transit = topology.dx_transit_virtual_interfaces.iter().filter(|(_, one)| here(one));
            let by_link = private
                .filter_map(|(name, _)| self.not_modelled.unknown(name))
                .chain(transit.filter_map(|(name, _)| self.not_modelled.unknown(name)))
                .next();
            let own = self.not_modelled.unknown(name).or_else(|| self.not_modelled.unknown(gateway));
            found.mark(&association.gateway, own.or(by_link));
        }
        for (name, interface) in &topology.dx_private_virtual_interfaces {
            if let (VirtualInterfaceEnd::VpnGateway(gateway), Some(unknown)) =
                (&interface.end, self.not_modelled.unknown(name))
            {
                found.vpn_gateways.insert(gateway, unknown);
            }
        }
        found
    }

    /// What of a VPC is not known for all that happens in it.
    fn unknown_vpc(&self, name: &model::VpcName) -> Option<NotModelledIdx> {
        self.not_modelled.unknown(name)
    }

    /// What of a subnet, or of the VPC around it, is not known.
    pub(super) fn unknown_subnet(&self, name: &model::SubnetName) -> Option<NotModelledIdx> {
        self.not_modelled.unknown(name).or_else(|| self.unknown_vpc(&self.topology.subnets[name].vpc))
    }

    /// What of an interface, of its instance or of its place is not known.
    pub(super) fn unknown_eni(
        &self,
        name: &model::NetworkInterfaceName,
        eni: &model::NetworkInterface,
    ) -> Option<NotModelledIdx> {
        let instance = eni.attachment.as_ref().map(|attachment| &attachment.instance);
        let own = instance.and_then(|instance| self.not_modelled.unknown(instance));
        let owner = || match &eni.interface_type {
            model::InterfaceType::NatGateway(gateway) => self.not_modelled.unknown(gateway),
            model::InterfaceType::VpcEndpoint(endpoint) => self.not_modelled.unknown(endpoint),
            _ => None,
        };
        own.or_else(|| self.not_modelled.unknown(name))
            .or_else(owner)
            .or_else(|| self.unknown_subnet(&eni.subnet))
    }

    /// What in a VPC is not known well enough to say that nobody has an address.
    pub(super) fn unknown_inside(&self, vpc: &model::VpcName) -> Option<NotModelledIdx> {
        let topology = self.topology;
        let subnets = topology.subnets.iter().filter(|(_, subnet)| subnet.vpc == *vpc);
        let mut in_subnets = subnets.filter_map(|(name, _)| self.not_modelled.unknown(name));
        let interfaces = topology.network_interfaces.iter();
        let here = interfaces.filter(|(_, eni)| topology.subnets[&eni.subnet].vpc == *vpc);
        let mut in_interfaces = here.filter_map(|(name, eni)| self.unknown_eni(name, eni));
        self.unknown_vpc(vpc).or_else(|| in_subnets.next()).or_else(|| in_interfaces.next())
    }

    /// A group of these, or a prefix list in their rules, of which not all is known.
    pub(super) fn unknown_groups<'b>(
        &self,
        groups: impl Iterator<Item = (&'b model::SecurityGroupName, &'b [model::SecurityGroupRule])>,
    ) -> Option<NotModelledIdx> {
        groups
            .filter_map(|(name, rules)| {
                let lists = rules.iter().filter_map(|rule| match &rule.peer {
                    model::Peer::PrefixList(list) => self.not_modelled.unknown(list),
                    _ => None,
                });
                self.not_modelled.unknown(name).or_else(|| lists.into_iter().next())
            })
            .next()
    }

    /// Why a route table may have other routes than it says.
    pub(super) fn unknown_table(
        &self,
        name: &model::RouteTableName,
        table: &model::RouteTable,
    ) -> Option<NotModelledIdx> {
        let mut lists = table.prefix_lists.iter().filter_map(|list| self.not_modelled.unknown(list));
        let of_vpc = |gateway: &&model::VpnGatewayName| {
            self.topology.vpn_gateways[*gateway].vpc.as_ref() == Some(&table.vpc)
        };
        let learned = self.unknown_links.vpn_gateways.iter().find(|(gateway, _)| of_vpc(gateway));
        let own = self.not_modelled.unknown(name).or_else(|| lists.next());
        own.or_else(|| learned.map(|(_, unknown)| *unknown))
    }

    /// What of the target of a route, but for interfaces and the local route, is not known.
    pub(super) fn unknown_target(
        &self,
        target: &model::RouteTarget,
        vpc: &model::VpcName,
    ) -> Option<NotModelledIdx> {
        match target {
            model::RouteTarget::Local
            | model::RouteTarget::NetworkInterface(_)
            | model::RouteTarget::NotModelled { .. } => None,
            model::RouteTarget::InternetGateway(gateway) => self.not_modelled.unknown(gateway),
            model::RouteTarget::EgressOnlyInternetGateway(gateway) => self.not_modelled.unknown(gateway),
            model::RouteTarget::NatGateway(gateway) => {
                let interface = &self.topology.nat_gateways[gateway].network_interface;
                self.unknown_eni(interface, &self.topology.network_interfaces[interface])
            }
            model::RouteTarget::VpnGateway(gateway) => self.unknown_vpn_gateway(gateway),
            model::RouteTarget::VpcPeeringConnection(peering) => {
                let ends = &self.topology.vpc_peering_connections[peering];
                let other = if ends.vpc == *vpc { &ends.peer_vpc } else { &ends.vpc };
                self.not_modelled.unknown(peering).or_else(|| self.unknown_vpc(other))
            }
            model::RouteTarget::VpcEndpoint(endpoint) => self.not_modelled.unknown(endpoint),
            model::RouteTarget::TransitGateway(gateway) => self.not_modelled.unknown(gateway),
        }
    }

    /// What of a virtual private gateway, or of a link that ends at it, is not known.
    pub(super) fn unknown_vpn_gateway(&self, name: &VpnGatewayName) -> Option<NotModelledIdx> {
        let by_link = || self.unknown_links.vpn_gateways.get(name).copied();
        self.not_modelled.unknown(name).or_else(by_link)
    }

    /// What of an attachment, of its gateway or of what is attached is not known.
    pub(super) fn unknown_attachment(
        &self,
        gateway: &TransitGatewayName,
        attachment: &AttachmentName,
    ) -> Option<NotModelledIdx> {
        let own = match attachment {
            AttachmentName::Vpc(name) => {
                let vpc = &self.topology.transit_gateway_vpc_attachments[name].vpc;
                self.not_modelled.unknown(name).or_else(|| self.unknown_vpc(vpc))
            }
            AttachmentName::Peering(name) => self.not_modelled.unknown(name),
            AttachmentName::Vpn(name) => self.not_modelled.unknown(name),
            AttachmentName::DxGateway(name) => {
                let dx_gateway = &self.topology.dx_gateway_associations[name].dx_gateway;
                let own = self.not_modelled.unknown(name).or_else(|| self.not_modelled.unknown(dx_gateway));
                own.or_else(|| self.unknown_links.transit_gateways.get(gateway).copied())
            }
        };
        own.or_else(|| self.not_modelled.unknown(gateway))
    }

    /// Why a transit gateway's table may have other routes than it says.
    pub(super) fn unknown_transit_table(
        &self,
        name: &model::TransitGatewayRouteTableName,
        table: &model::TransitGatewayRouteTable,
    ) -> Option<NotModelledIdx> {
        let propagates =
            |attachment: &AttachmentName| self.unknown_attachment(&table.transit_gateway, attachment);
        let own = self.not_modelled.unknown(name);
        own.or_else(|| table.propagations.iter().find_map(propagates))
    }
}
