//! How do transit gateways become part of a fabric?

use std::collections::{BTreeMap, HashMap};

use vpclab_model::{self as model, AttachmentName, AttachmentState, Topology};

use super::Compiler;
use crate::fabric::{
    AttachmentEnd, Prefixes, TransitAttachment, TransitGateway, TransitRoute, TransitTable, VpcAttachment,
};
use crate::index::{AttachmentIdx, Position, SubnetIdx, Table, TransitIdx, TransitTableIdx};

/// One side of an attachment: the gateway and the attachment's name.
type Side<'a> = (&'a model::TransitGatewayName, AttachmentName);

/// The sides of all attachments with their indices, known before any entry is built.
pub(super) struct Numbers<'a> {
    sides: BTreeMap<Side<'a>, AttachmentIdx>,
    /// The attachment by which a VPC reaches a gateway: the one that is available, if any is.
    by_vpc: HashMap<(&'a model::TransitGatewayName, &'a model::VpcName), AttachmentIdx>,
    by_attachment: HashMap<&'a model::TransitGatewayVpcAttachmentName, AttachmentIdx>,
    gateways: HashMap<&'a model::TransitGatewayName, TransitIdx>,
    tables: HashMap<&'a model::TransitGatewayRouteTableName, TransitTableIdx>,
}

/// The sides of VPN connections and of Direct Connect gateways.
fn private_sides(topology: &Topology) -> impl Iterator<Item = Side<'_>> {
    let vpns = topology.vpn_connections.iter().filter_map(|(name, vpn)| match &vpn.gateway {
        model::AwsEnd::TransitGateway(gateway) => Some((gateway, AttachmentName::Vpn(name.clone()))),
        model::AwsEnd::VpnGateway(_) => None,
    });
    let associations = topology.dx_gateway_associations.iter();
    let associations = associations.filter_map(|(name, association)| match &association.gateway {
        model::AwsEnd::TransitGateway(gateway) => Some((gateway, AttachmentName::DxGateway(name.clone()))),
        model::AwsEnd::VpnGateway(_) => None,
    });
    vpns.chain(associations)
}

impl<'a> Numbers<'a> {
    /// The attachment of this name as the gateway sees it.
    pub(super) fn side(
        &self,
        gateway: &model::TransitGatewayName,
        name: AttachmentName,
    ) -> Option<AttachmentIdx> {
        self.sides.get(&(gateway, name)).copied()
    }

    pub(super) fn of(topology: &'a Topology) -> Self {
        let vpcs = topology
            .transit_gateway_vpc_attachments
            .iter()
            .map(|(name, attachment)| (&attachment.transit_gateway, AttachmentName::Vpc(name.clone())));
        let peerings = topology.transit_gateway_peering_attachments.iter().flat_map(|(name, attachment)| {
            [&attachment.transit_gateway, &attachment.peer_transit_gateway]
                .map(|gateway| (gateway, AttachmentName::Peering(name.clone())))
        });
        let mut sides: BTreeMap<Side<'_>, AttachmentIdx> = vpcs
            .chain(peerings)
            .chain(private_sides(topology))
            .map(|side| (side, AttachmentIdx::from_position(0)))
            .collect();
        for (position, index) in sides.values_mut().enumerate() {
            *index = AttachmentIdx::from_position(position);
        }
        let mut by_vpc = HashMap::new();
        let mut by_attachment = HashMap::new();
        for (name, attachment) in &topology.transit_gateway_vpc_attachments {
            let side = (&attachment.transit_gateway, AttachmentName::Vpc(name.clone()));
            let Some(&index) = sides.get(&side) else { continue };
            by_attachment.insert(name, index);
            let entry = by_vpc.entry((&attachment.transit_gateway, &attachment.vpc)).or_insert(index);
            if attachment.state == AttachmentState::Available {
                *entry = index;
            }
        }
        let positions = |position| TransitTableIdx::from_position(position);
        Self {
            sides,
            by_vpc,
            by_attachment,
            gateways: topology
                .transit_gateways
                .keys()
                .enumerate()
                .map(|(position, name)| (name, TransitIdx::from_position(position)))
                .collect(),
            tables: topology
                .transit_gateway_route_tables
                .keys()
                .enumerate()
                .map(|(position, name)| (name, positions(position)))
                .collect(),
        }
    }

    /// The attachment by which `vpc` reaches `gateway`.
    #[allow(clippy::expect_used)]
    pub(super) fn of_vpc(&self, gateway: &model::TransitGatewayName, vpc: &model::VpcName) -> AttachmentIdx {
        *self
            .by_vpc
            .get(&(gateway, vpc))
            .expect("a validated route leads to a gateway the VPC is attached to")
    }

    /// The side of a VPC attachment.
    #[allow(clippy::expect_used)]
    pub(super) fn of_attachment(&self, name: &model::TransitGatewayVpcAttachmentName) -> AttachmentIdx {
        *self.by_attachment.get(name).expect("a validated topology has no dangling reference")
    }

    #[allow(clippy::expect_used)]
    fn gateway(&self, name: &model::TransitGatewayName) -> TransitIdx {
        *self.gateways.get(name).expect("a validated topology has no dangling reference")
    }
}

impl Compiler<'_> {
    pub(super) fn transit_gateways(&self) -> Table<TransitIdx, TransitGateway> {
        super::table(self.topology.transit_gateways.keys().map(|name| TransitGateway { name: name.clone() }))
    }

    pub(super) fn transit_attachments(&self) -> Table<AttachmentIdx, TransitAttachment> {
        super::table(self.transit.sides.keys().filter_map(|side| self.transit_attachment(side)))
    }

    pub(super) fn transit_tables(&self) -> Table<TransitTableIdx, TransitTable> {
        let tables = self.topology.transit_gateway_route_tables.iter();
        super::table(tables.map(|(name, table)| self.transit_table(name, table)))
    }

    /// Something for every side: the positions of the table are those of the sides.
    fn transit_attachment(&self, side: &Side<'_>) -> Option<TransitAttachment> {
        let (gateway, name) = side;
        let mut tables = self.topology.transit_gateway_route_tables.iter();
        let associated =
            tables.find(|(_, table)| table.transit_gateway == **gateway && table.associations.contains(name));
        let end = match name {
            AttachmentName::Vpc(name) => {
                let attachment = &self.topology.transit_gateway_vpc_attachments[name];
                let doors: Vec<(SubnetIdx, _)> = attachment
                    .subnets
                    .iter()
                    .map(|(subnet, eni)| (self.subnets.of(subnet), self.eni_index(eni)))
                    .collect();
                AttachmentEnd::Vpc(VpcAttachment {
                    vpc: self.vpcs.of(&attachment.vpc),
                    doors,
                    appliance_mode: attachment.appliance_mode_support,
                    knows_zones: associated.is_some_and(|(_, table)| !table.propagations.is_empty()),
                    refers_to_groups: attachment.security_group_referencing_support,
                })
            }
            AttachmentName::Vpn(vpn) => {
                let link = super::links::numbers(self.topology).remove(&model::LinkName::Vpn(vpn.clone()))?;
                AttachmentEnd::Vpn(link)
            }
            AttachmentName::DxGateway(association) => {
                AttachmentEnd::DxGateway(Box::new(super::links::learned(self.topology, association)))
            }
            AttachmentName::Peering(peering) => {
                let attachment = &self.topology.transit_gateway_peering_attachments[peering];
                let ends = [&attachment.transit_gateway, &attachment.peer_transit_gateway];
                let there = ends.into_iter().find(|end| end != gateway)?;
                AttachmentEnd::Peering(*self.transit.sides.get(&(there, name.clone()))?)
            }
        };
        Some(TransitAttachment {
            name: name.as_str().into(),
            gateway: self.transit.gateway(gateway),
            table: associated.and_then(|(name, _)| self.transit.tables.get(name)).copied(),
            end,
            unknown: self.unknown_attachment(gateway, name),
        })
    }

    fn transit_table(
        &self,
        name: &model::TransitGatewayRouteTableName,
        declared: &model::TransitGatewayRouteTable,
    ) -> TransitTable {
        let mut compiled = TransitTable {
            name: name.clone(),
            routes: Vec::with_capacity(declared.routes.len()),
            unknown: self.unknown_transit_table(name, declared),
            prefixes: Prefixes::new(
                declared.routes.iter().enumerate().map(|(position, route)| (route.destination, position)),
            ),
        };
        for route in &declared.routes {
            let works = route.state == model::TransitGatewayRouteState::Active;
            let sides = |names: &[model::AttachmentName]| {
                let side = |name: &model::AttachmentName| {
                    self.transit.sides.get(&(&declared.transit_gateway, name.clone())).copied()
                };
                names.iter().filter(|_| works).filter_map(side).collect()
            };
            compiled.routes.push(TransitRoute {
                destination: route.destination,
                attachments: sides(&route.attachments),
                equals: sides(&route.equals),
            });
        }
        compiled
    }
}
