//! Whom can be asked about a subnet that nobody lives in?
//!
//! A visitor: an instance that the linter puts into every subnet, with a public address and a group that lets everything
//! pass, so that what becomes of its packets is the network's doing. Questions about routes and subnets are asked of
//! visitors, in a copy of the topology; those about filters of who really lives there, and of visitors where nobody does.
//! In the user's own networks, hosts are supposed in each range that rules and routes tell apart, as `explain` does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use vpclab_engine::explain::{End, TrafficQuestion};
use vpclab_engine::{EniIdx, Fabric};
use vpclab_model::{
    Attachment, ConnectionTracking, Forwards, Instance, InstanceName, InstanceState, InterfaceType, Labels,
    NetworkInterface, NetworkInterfaceName, Peer, PublicIp, SecurityGroup, SecurityGroupName,
    SecurityGroupRule, Subnet, SubnetName, Topology, Traffic, VpcName,
};

use crate::customers::{Asked, Customers};
use crate::question::{EndKind, NamedEnd, Question};

/// The visitors' interfaces, by subnet. A subnet without an IPv4 block and without a free IPv6 address has none.
pub(super) struct Visitors(BTreeMap<SubnetName, NetworkInterfaceName>);

/// Public addresses for visitors are taken from here downwards: the end of the pool that a topology takes its own from.
const LAST_PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 255, 255, 254);

impl Visitors {
    /// A copy of `topology` with a visitor in every subnet.
    pub(super) fn enter(topology: &Topology) -> (Topology, Self) {
        let mut visited = topology.clone();
        let mut entered = BTreeMap::new();
        let mut public = free_public_addresses(topology);
        let mut taken: BTreeMap<&SubnetName, BTreeSet<IpAddr>> = BTreeMap::new();
        let mut prefixes: BTreeMap<&SubnetName, Vec<IpNet>> = BTreeMap::new();
        for eni in topology.network_interfaces.values() {
            let addresses = eni.private_ips().map(IpAddr::V4);
            let addresses = addresses.chain(eni.ipv6_addresses.iter().copied().map(IpAddr::V6));
            taken.entry(&eni.subnet).or_default().extend(addresses);
            prefixes.entry(&eni.subnet).or_default().extend(eni.prefixes());
        }
        for (number, (name, subnet)) in topology.subnets.iter().enumerate() {
            let none = BTreeSet::new();
            let taken = taken.get(name).unwrap_or(&none);
            let prefixes = prefixes.get(name).map(Vec::as_slice).unwrap_or_default();
            let is_free = |address: &IpAddr| {
                !taken.contains(address) && !prefixes.iter().any(|block| block.contains(address))
            };
            let (ipv4, ipv6) = (free_ipv4(subnet, is_free), free_ipv6(subnet, is_free));
            if ipv4.is_none() && ipv6.is_none() {
                continue;
            }
            let group = group_of(&mut visited, &subnet.vpc);
            let public = ipv4.and_then(|private| Some((private, public.next()?)));
            let visitor = visitor(number, name, group, (ipv4, ipv6), public);
            let text = unused_name(&visited, name);
            let (eni, instance) = (NetworkInterfaceName::new(text.clone()), InstanceName::new(text));
            let attachment = Some(Attachment { instance: instance.clone(), device_index: 0 });
            visited.network_interfaces.insert(eni.clone(), NetworkInterface { attachment, ..visitor });
            let network_interfaces = BTreeMap::from([(0, eni.clone())]);
            let guest = Instance {
                network_interfaces,
                state: InstanceState::default(),
                forwards: Forwards::default(),
                labels: Labels::default(),
            };
            visited.instances.insert(instance, guest);
            entered.insert(name.clone(), eni);
        }
        (visited, Self(entered))
    }

    /// Puts into each customer network the hosts that `explain` supposes there.
    pub(super) fn suppose_customers(&self, visited: &mut Topology) {
        if visited.customer_networks.is_empty() {
            return;
        }
        let fabric = Fabric::compile(visited, None);
        let Some(customers) = Customers::of(visited, &fabric, &[]) else { return };
        // Whoever asks in a family shows who there is of it.
        let mut askers: BTreeMap<Vec<bool>, EniIdx> = BTreeMap::new();
        for eni in self.0.values().filter_map(|name| fabric.enis.find(name.as_str())) {
            askers
                .entry([false, true].map(|ipv6| super::asking::has(&fabric, eni, ipv6)).to_vec())
                .or_insert(eni);
        }
        let is_declared = |network: &NamedEnd| visited.customer_networks.contains_key(network.name.as_str());
        let (mut supposed, mut networks) = (BTreeMap::new(), BTreeMap::new());
        for from in customers.ends(true).into_iter().filter(is_declared) {
            for &eni in askers.values() {
                let to = NamedEnd::new("inside", EndKind::NetworkInterface, End::Interface(eni, None));
                let question = Question {
                    from: from.clone(),
                    to,
                    ipv6: None,
                    traffic: TrafficQuestion::All,
                    undeclared: None,
                    remedies: false,
                };
                let Asked { fabric, topology, questions, .. } = customers.asked(&fabric, &question);
                let network = topology.customer_networks.get_key_value(from.name.as_str());
                networks.extend(network.map(|(name, network)| (name.clone(), network.clone())));
                for question in questions {
                    let End::Host(host) = question.from.end else { continue };
                    let name = fabric.hosts[host].name.as_str();
                    let declared = topology.customer_hosts.get_key_value(name);
                    supposed.extend(declared.map(|(name, host)| (name.clone(), host.clone())));
                }
            }
        }
        // With the blocks that are supposed there.
        visited.customer_networks.extend(networks);
        for (name, host) in supposed {
            visited.customer_hosts.entry(name).or_insert(host);
        }
    }

    /// The visitor of a subnet.
    pub(super) fn of(&self, subnet: &SubnetName) -> Option<&NetworkInterfaceName> {
        self.0.get(subnet)
    }
}

/// The visitors' group of a VPC: everything from and to everybody.
fn group_of(visited: &mut Topology, vpc: &VpcName) -> SecurityGroupName {
    let mut text = format!("visitors of {vpc}");
    while visited.security_groups.get(text.as_str()).is_some_and(|group| group.group_name != VISITORS) {
        text.push('\'');
    }
    let name = SecurityGroupName::new(text);
    if !visited.security_groups.contains_key(&name) {
        let rule = |block: IpNet| SecurityGroupRule {
            traffic: Traffic::All,
            peer: Peer::Cidr(block),
            declared_at: 0,
            stale: false,
            description: None,
        };
        let rules: Vec<_> = [ANY_V4, ANY_V6].into_iter().map(rule).collect();
        let group = SecurityGroup {
            vpc: vpc.clone(),
            vpc_associations: Vec::new(),
            group_name: VISITORS.to_owned(),
            description: String::new(),
            ingress: rules.clone(),
            egress: rules,
            labels: Labels::default(),
        };
        visited.security_groups.insert(name.clone(), group);
    }
    name
}

/// The group's name in AWS: no declared one has it, as such names hold no line break.
const VISITORS: &str = "visitors\n";
/// Every IPv4 address.
pub(super) const ANY_V4: IpNet = IpNet::V4(ipnet::Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));
/// Every IPv6 address.
pub(super) const ANY_V6: IpNet = IpNet::V6(ipnet::Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0));

fn visitor(
    number: usize,
    subnet: &SubnetName,
    group: SecurityGroupName,
    (ipv4, ipv6): (Option<Ipv4Addr>, Option<Ipv6Addr>),
    public: Option<(Ipv4Addr, Ipv4Addr)>,
) -> NetworkInterface {
    let number = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    NetworkInterface {
        subnet: subnet.clone(),
        mac_address: [0x06, 0xfe, number[0], number[1], number[2], number[3]],
        private_ip: ipv4,
        secondary_private_ips: Vec::new(),
        ipv6_addresses: ipv6.into_iter().collect(),
        ipv4_prefixes: Vec::new(),
        ipv6_prefixes: Vec::new(),
        public_ips: public
            .into_iter()
            .map(|(private, address)| (private, PublicIp { address, eip: None }))
            .collect(),
        security_groups: vec![group],
        source_dest_check: true,
        attachment: None,
        connection_tracking: ConnectionTracking::default(),
        implied: true,
        interface_type: InterfaceType::Interface,
        labels: Labels::default(),
    }
}

/// Words for it that nobody else has for a name, as sentences tell who was asked.
fn unused_name(topology: &Topology, subnet: &SubnetName) -> String {
    let mut text = format!("a host in {subnet}");
    while topology.network_interfaces.contains_key(text.as_str())
        || topology.instances.contains_key(text.as_str())
    {
        text.push('\'');
    }
    text
}

/// The last free address. The first four and the last are the subnet's own (ADDR-27); where no other is left, the fourth
/// serves, which AWS keeps for later and nobody has.
fn free_ipv4(subnet: &Subnet, is_free: impl Fn(&IpAddr) -> bool) -> Option<Ipv4Addr> {
    let block = subnet.cidr_block?;
    let (first, last) = (u32::from(block.network()) + 4, u32::from(block.broadcast()) - 1);
    let free = (first..=last).rev().map(Ipv4Addr::from).find(|address| is_free(&IpAddr::V4(*address)));
    free.or(Some(Ipv4Addr::from(first - 1)))
}

/// The same (ADDR-30).
fn free_ipv6(subnet: &Subnet, is_free: impl Fn(&IpAddr) -> bool) -> Option<Ipv6Addr> {
    const TRIED: u128 = 1 << 12;
    let last = u128::from(subnet.ipv6_cidr_block?.broadcast());
    (1..TRIED).map(|below| Ipv6Addr::from(last - below)).find(|address| is_free(&IpAddr::V6(*address)))
}

fn free_public_addresses(topology: &Topology) -> impl Iterator<Item = Ipv4Addr> + use<> {
    let enis = topology.network_interfaces.values();
    let mut taken: BTreeSet<Ipv4Addr> =
        enis.flat_map(|eni| eni.public_ips.values().map(|public| public.address)).collect();
    taken.extend(topology.eips.values().map(|eip| eip.public_ip));
    taken.extend(topology.internet_hosts.values().filter_map(|host| host.address));
    taken.extend(topology.services.values().filter_map(|service| service.address));
    (0..=u32::from(LAST_PUBLIC)).rev().map(Ipv4Addr::from).filter(move |address| !taken.contains(address))
}
