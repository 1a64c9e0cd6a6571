//! What outlives a change of the topology?
//!
//! Whoever keeps its name keeps its slot, and what flow memory says about it holds; unless it has become another one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vpclab_model as model;

use super::Compiler;
use super::gateways::modelled_endpoints;
use crate::fabric::{Draining, EndpointKind, Fabric, Peering, VpcEndpoint};
use crate::flow::nat::Drained;
use crate::index::SubnetIdx;

impl<'a> Compiler<'a> {
    /// An interface that has moved to another subnet is another one: nothing that it remembers holds there.
    pub(super) fn renew_moved(&mut self, previous: &Fabric) {
        for (name, eni) in &self.topology.network_interfaces {
            let index = self.eni_index(name);
            let before = previous.enis.get(index).filter(|before| before.name == *name);
            if before.is_some_and(|before| self.is_elsewhere(&eni.subnet, previous, before.subnet)) {
                self.enis.renew(index);
            }
        }
        self.renew_gateways(previous);
    }

    /// Whether a subnet is not the one that it was, or lies in another VPC under its old name.
    fn is_elsewhere(&self, subnet: &model::SubnetName, previous: &Fabric, before: SubnetIdx) -> bool {
        let before = &previous.subnets[before];
        before.name != *subnet || previous.vpcs[before.vpc].name != self.topology.subnets[subnet].vpc
    }

    /// The secondary addresses that NAT gateways have lost, for the flows that they still have (NAT-21, NAT-42). Whoever is
    /// given such an address, private or public, has it at once, and the flows end.
    pub(super) fn draining(&self, previous: &Fabric) -> BTreeMap<&'a model::NatGatewayName, Vec<Draining>> {
        let mut all = BTreeMap::new();
        for (name, nat) in &self.topology.nat_gateways {
            let index = self.nat_index(name);
            let is_same = previous.nat_gateways.slot(index) == self.nat_gateways.slot(index);
            let before = previous.nat_gateways.get(index).filter(|_| is_same);
            let Some(before) = before.filter(|_| nat.state == model::NatGatewayState::Available) else {
                continue;
            };
            let old = &previous.enis[before.eni];
            let lasts = Duration::from_secs(nat.max_drain_duration_seconds.into());
            let had = before.addresses.iter().map(|&address| Draining {
                address,
                public: old.public_address_of(address),
                lasts,
            });
            let gateway = previous.nat_gateways.slot(index);
            let drains =
                |lost: &Draining| !self.drained.contains(&Drained { gateway, address: lost.address });
            // Of most gateways nothing is lost: nobody else is asked for what they still have.
            let eni = &self.topology.network_interfaces[&nat.network_interface];
            let lost = had.filter(|had| eni.private_ips().all(|address| address != had.address));
            let lost = lost.chain(before.draining.iter().copied().filter(drains));
            all.insert(name, lost.filter(|lost| self.is_free(&nat.subnet, lost)).collect());
        }
        all
    }

    /// The addresses that a NAT gateway has lost.
    pub(super) fn draining_of(&self, name: &model::NatGatewayName) -> &[Draining] {
        self.draining.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether nobody has the addresses, and the private one is still in `subnet`.
    fn is_free(&self, subnet: &model::SubnetName, lost: &Draining) -> bool {
        let subnet = &self.topology.subnets[subnet];
        let is_inside = subnet.cidr_block.is_some_and(|block| block.contains(&lost.address));
        let is_public = |address: Option<Ipv4Addr>| address.is_some() && address == lost.public;
        let has_either = |eni: &model::NetworkInterface| {
            let is_here = self.topology.subnets[&eni.subnet].vpc == subnet.vpc;
            let mut blocks = eni.prefixes();
            is_here
                && (eni.private_ips().any(|address| address == lost.address)
                    || blocks.any(|block| block.contains(&IpAddr::V4(lost.address))))
                || eni.public_ips.values().any(|public| is_public(Some(public.address)))
        };
        let hosts = self.topology.internet_hosts.values().map(|host| host.address);
        let mut hosts = hosts.chain(self.topology.services.values().map(|service| service.address));
        is_inside && !self.topology.network_interfaces.values().any(has_either) && !hosts.any(is_public)
    }

    /// A NAT gateway in another subnet or VPC, with another primary address or with another elastic IP for it is another one,
    /// which AWS makes anew and which has none of the flows (NAT-41, NAT-47); so is a connection between other VPCs, and
    /// an endpoint of another kind, of another VPC or to another service.
    fn renew_gateways(&mut self, previous: &Fabric) {
        for (name, nat) in &self.topology.nat_gateways {
            let index = self.nat_index(name);
            let Some(before) = previous.nat_gateways.get(index).filter(|before| before.name == *name) else {
                continue;
            };
            let eni = &self.topology.network_interfaces[&nat.network_interface];
            let old = &previous.enis[before.eni];
            let primary = |address: Option<Ipv4Addr>| address.map(IpAddr::V4);
            let same_address = old.addresses.first().copied() == primary(eni.private_ip);
            let public_of = |address: &Ipv4Addr| eni.public_ips.get(address).map(|public| public.address);
            let same_public = eni.private_ip.as_ref().and_then(public_of)
                == eni.private_ip.and_then(|address| old.public_address_of(address));
            if self.is_elsewhere(&nat.subnet, previous, before.subnet) || !same_address || !same_public {
                self.nat_gateways.renew(index);
            }
        }
        for (name, declared) in modelled_endpoints(self.topology) {
            let Some(index) = self.vpc_endpoints.find(name.as_str()) else { continue };
            let same = |before: &VpcEndpoint| {
                let is_gateway = matches!(before.kind, EndpointKind::Gateway { .. });
                previous.vpcs[before.vpc].name == declared.vpc
                    && is_gateway == (declared.vpc_endpoint_type == model::VpcEndpointType::Gateway)
                    && declared.service.as_ref().map(model::ServiceName::as_str)
                        == Some(previous.hosts[before.service].name.as_str())
            };
            let before = previous.vpc_endpoints.get(index).filter(|before| before.name == *name);
            if before.is_some_and(|before| !same(before)) {
                self.vpc_endpoints.renew(index);
            }
        }
        for (name, peering) in &self.topology.vpc_peering_connections {
            let index = self.peering_index(name);
            let ends = |before: &Peering| before.ends.map(|end| previous.vpcs[end].name.clone());
            let before = previous.peerings.get(index).filter(|before| before.name == *name);
            if before.is_some_and(|before| ends(before) != [peering.vpc.clone(), peering.peer_vpc.clone()]) {
                self.peerings.renew(index);
            }
        }
    }
}
