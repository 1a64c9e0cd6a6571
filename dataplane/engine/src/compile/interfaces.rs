//! How do interfaces become a fabric's, with the rules of their groups?

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use vpclab_model as model;
use vpclab_wire::MacAddr;

use super::Compiler;
use super::gateways::VPC_ENDPOINTS;
use crate::fabric::{Both, Eni, Peer, Policy, PolicyRule, Role, Timeouts, eui64_link_local};
use crate::index::{PolicyIdx, Position, SecurityGroupIdx, Table};

impl Compiler<'_> {
    /// An interface.
    pub(super) fn eni(
        &self,
        name: &model::NetworkInterfaceName,
        eni: &model::NetworkInterface,
        policies: &mut Policies,
    ) -> Eni {
        let settings = &self.topology.settings;
        let tracking = &eni.connection_tracking;
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let mac = MacAddr(eni.mac_address);
        let mut groups: Vec<_> =
            eni.security_groups.iter().map(|group| self.security_groups.of(group)).collect();
        groups.sort_unstable();
        groups.dedup();
        let draining = match &eni.interface_type {
            model::InterfaceType::NatGateway(gateway) => self.draining_of(gateway),
            _ => &[],
        };
        Eni {
            name: name.clone(),
            attachment: eni.attachment.as_ref().map(|a| (self.instance_index(&a.instance), a.device_index)),
            running: eni.attachment.as_ref().is_none_or(|a| {
                self.topology.instances.get(&a.instance).is_none_or(|instance| instance.state.is_running())
            }),
            role: match &eni.interface_type {
                model::InterfaceType::Interface => Role::Guest,
                model::InterfaceType::NatGateway(gateway) => Role::NatGateway(self.nat_index(gateway)),
                model::InterfaceType::VpcEndpoint(endpoint) => match self
                    .vpc_endpoints
                    .find(endpoint.as_str())
                {
                    Some(index) => Role::Endpoint(index),
                    None => Role::NotModelled(self.not_modelled.of_name(VPC_ENDPOINTS, endpoint.as_str())),
                },
                model::InterfaceType::TransitGateway(attachment) => {
                    Role::TransitGateway(self.transit.of_attachment(attachment))
                }
                model::InterfaceType::NotModelled { kind, name } => {
                    Role::NotModelled(self.not_modelled.of_name(kind, name))
                }
            },
            subnet: self.subnets.of(&eni.subnet),
            vpc: self.vpcs.of(&self.topology.subnets[&eni.subnet].vpc),
            mac,
            addresses: eni
                .private_ips()
                .map(IpAddr::V4)
                .chain(eni.ipv6_addresses.iter().copied().map(IpAddr::V6))
                .chain(draining.iter().map(|lost| IpAddr::V4(lost.address)))
                .collect(),
            prefixes: eni.prefixes().map(Into::into).collect(),
            link_local: eui64_link_local(mac),
            public_addresses: eni
                .public_ips
                .iter()
                .map(|(&private, public)| (private, public.address))
                .chain(draining.iter().filter_map(|lost| Some((lost.address, lost.public?))))
                .collect(),
            policy: policies.intern(&groups, |groups| self.policy(groups)),
            security_groups: groups,
            source_dest_check: eni.source_dest_check,
            unknown: self.unknown_eni(name, eni),
            timeouts: Timeouts {
                tcp_opening: seconds(settings.tcp_opening_timeout),
                tcp_established: seconds(tracking.tcp_established_timeout),
                tcp_closing: seconds(settings.tcp_closing_timeout),
                udp: seconds(tracking.udp_timeout),
                udp_stream: seconds(tracking.udp_stream_timeout),
                icmp: seconds(settings.icmp_timeout),
                other: Duration::from_secs(600),
            },
        }
    }

    /// The union of the groups' rules, in the order of the groups and of their declarations.
    fn policy(&self, groups: &[SecurityGroupIdx]) -> Both<Policy> {
        let mut policy = Both::<Policy>::default();
        let asked = || groups.iter().filter_map(|group| self.declared_groups.get(group.position())).copied();
        policy.inbound.unknown = self.unknown_groups(asked().map(|(name, group)| (name, &*group.ingress)));
        policy.outbound.unknown = self.unknown_groups(asked().map(|(name, group)| (name, &*group.egress)));
        for (name, group) in asked() {
            let index = self.security_groups.of(name);
            let compile = |rule: &model::SecurityGroupRule| {
                let with = |peer| PolicyRule {
                    traffic: rule.traffic,
                    peer,
                    group: index,
                    declared_at: rule.declared_at,
                };
                self.peers(&rule.peer).into_iter().map(with).collect::<Vec<_>>()
            };
            policy.inbound.rules.extend(group.ingress.iter().flat_map(compile));
            policy.outbound.rules.extend(group.egress.iter().flat_map(compile));
        }
        policy
    }

    /// Whom a rule means: a prefix list stands for its entries as they are now (SG-25).
    fn peers(&self, peer: &model::Peer) -> Vec<Peer> {
        match peer {
            model::Peer::Cidr(cidr) => vec![Peer::Cidr((*cidr).into())],
            model::Peer::Group(group) => vec![Peer::Group(self.security_groups.of(group))],
            model::Peer::UnknownGroup(_) => vec![Peer::Nobody],
            model::Peer::PrefixList(list) => {
                let list = self.topology.managed_prefix_lists.get(list);
                let blocks = list.into_iter().flat_map(model::ManagedPrefixList::blocks);
                blocks.map(|block| Peer::Cidr(block.into())).collect()
            }
        }
    }
}

/// Policies by their set of groups: ten thousand interfaces in one group share one.
#[derive(Default)]
pub(super) struct Policies {
    pub(super) table: Table<PolicyIdx, Both<Policy>>,
    by_groups: HashMap<Vec<SecurityGroupIdx>, PolicyIdx>,
}

impl Policies {
    fn intern(
        &mut self,
        groups: &[SecurityGroupIdx],
        build: impl FnOnce(&[SecurityGroupIdx]) -> Both<Policy>,
    ) -> PolicyIdx {
        if let Some(&index) = self.by_groups.get(groups) {
            return index;
        }
        let index = self.table.push(build(groups));
        self.by_groups.insert(groups.to_vec(), index);
        index
    }
}
