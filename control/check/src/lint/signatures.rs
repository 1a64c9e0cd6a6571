//! Who stands for many?
//!
//! Interfaces that no rule and no route can tell apart fare alike, so one of each kind is asked: same VPC, tables, zone and
//! groups, addresses in the same blocks of all those that are named anywhere, and all known of both or of neither. Of each
//! kind two are kept, in different subnets where there are any, as a kind may have something to say to itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use vpclab_engine::{CustomerNetworkIdx, Eni, EniIdx, Fabric, HostIdx, Role, Side};
use vpclab_model::{
    NetworkAclName, NetworkInterface, NetworkInterfaceName, Peer, RouteTableName, SecurityGroupName,
    SubnetName, Topology, VpcName,
};

use crate::addresses;

/// One who can be asked.
#[derive(Debug, Clone)]
pub(super) struct Host {
    /// His interface.
    pub(super) eni: EniIdx,
    /// The name of the instance, or of the interface.
    pub(super) name: String,
    /// Where he is.
    pub(super) subnet: SubnetName,
    /// The VPC around it.
    pub(super) vpc: VpcName,
}

/// Those who fare alike: one, or two in different subnets.
pub(super) type Kin = Vec<Host>;

/// What tells hosts apart.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Signature {
    vpc: VpcName,
    route_table: RouteTableName,
    network_acl: Option<NetworkAclName>,
    zone: String,
    groups: Vec<SecurityGroupName>,
    checks: bool,
    /// Whether not all is known of the interface, or of its subnet: of such there may be no answer.
    is_unknown: bool,
    /// Of each address, the first one of a family first.
    addresses: Vec<Address>,
}

/// What is told of an address: its family, the blocks that hold it, and those that hold the public one that stands for it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Address {
    ipv6: bool,
    blocks: Vec<usize>,
    public: Option<Vec<usize>>,
}

/// The kinds of those for whom `is_meant` holds, in the order of names. `by_filters` tells apart whom filters do.
pub(super) fn kinds(
    topology: &Topology,
    fabric: &Fabric,
    by_filters: bool,
    is_meant: impl Fn(&NetworkInterfaceName, &NetworkInterface) -> bool,
) -> Vec<Kin> {
    let blocks = named_blocks(topology, by_filters);
    let mut kinds: BTreeMap<Signature, Kin> = BTreeMap::new();
    for (name, eni) in topology.network_interfaces.iter().filter(|(name, eni)| is_meant(name, eni)) {
        let Some(index) = fabric.enis.find(name.as_str()) else { continue };
        let compiled = &fabric.enis[index];
        let (Some(subnet), Role::Guest, Some((instance, _)), true) =
            (topology.subnets.get(&eni.subnet), compiled.role, compiled.attachment, compiled.running)
        else {
            continue;
        };
        let mut groups = eni.security_groups.clone();
        groups.sort();
        let signature = Signature {
            vpc: subnet.vpc.clone(),
            route_table: subnet.route_table.clone(),
            network_acl: by_filters.then(|| subnet.network_acl.clone()),
            zone: subnet.availability_zone.clone(),
            groups: if by_filters { groups } else { Vec::new() },
            checks: eni.source_dest_check,
            is_unknown: compiled.unknown.is_some() || fabric.subnets[compiled.subnet].unknown.is_some(),
            addresses: compiled.addresses.iter().map(|address| blocks.of(compiled, *address)).collect(),
        };
        let kin = kinds.entry(signature).or_default();
        let is_new = kin.is_empty() || kin.len() == 1 && kin.iter().all(|host| host.subnet != eni.subnet);
        if is_new {
            let is_alone = fabric.instances[instance].interfaces.len() == 1;
            let shown = if is_alone { fabric.instances[instance].name.to_string() } else { name.to_string() };
            kin.push(Host { eni: index, name: shown, subnet: eni.subnet.clone(), vpc: subnet.vpc.clone() });
        }
    }
    kinds.into_values().collect()
}

/// Blocks by the length of their prefix, so that an address is looked up and not compared with each.
struct Blocks(BTreeMap<(bool, u8), BTreeMap<IpAddr, usize>>);

impl Blocks {
    fn names(&self, block: IpNet) -> bool {
        let of_length = self.0.get(&(block.addr().is_ipv6(), block.prefix_len()));
        of_length.is_some_and(|all| all.contains_key(&block.network()))
    }

    fn of(&self, eni: &Eni, address: IpAddr) -> Address {
        let public = match address {
            IpAddr::V4(address) => eni.public_address_of(address).map(IpAddr::V4),
            IpAddr::V6(_) => None,
        };
        let public = public.map(|public| self.around(public));
        Address { ipv6: address.is_ipv6(), blocks: self.around(address), public }
    }

    /// The blocks that hold an address.
    fn around(&self, address: IpAddr) -> Vec<usize> {
        let of_family = self.0.iter().filter(|((ipv6, _), _)| *ipv6 == address.is_ipv6());
        let holding = of_family.filter_map(|((_, length), all)| {
            let network = IpNet::new(address, *length).ok()?.network();
            all.get(&network).copied()
        });
        holding.collect()
    }
}

/// One host of each range of a customer network that tables and rules tell apart, declared ones first.
pub(super) fn customers(topology: &Topology, fabric: &Fabric) -> Vec<HostIdx> {
    let by_rules = named_blocks(topology, true);
    // Hosts name themselves there, which tells nothing.
    let mut named = addresses::named_blocks(fabric);
    named.retain(|block| block.prefix_len() < block.max_prefix_len() || by_rules.names(*block));
    let around = |address: IpAddr| -> Vec<IpNet> {
        named.iter().filter(|block| block.contains(&address)).copied().collect()
    };
    let network_of = |host: HostIdx| match fabric.hosts[host].side {
        Side::Customer(network) => Some((host, network)),
        Side::Internet | Side::Service => None,
    };
    let mut hosts: Vec<_> = fabric.hosts.iter().filter_map(|(host, _)| network_of(host)).collect();
    hosts.sort_by_key(|(host, _)| addresses::is_supposed(fabric, *host));
    let mut seen: BTreeSet<(CustomerNetworkIdx, Vec<IpNet>)> = BTreeSet::new();
    hosts.retain(|(host, network)| {
        let ranges = fabric.hosts[*host].addresses.iter().map(|address| (*network, around(*address)));
        let ranges: BTreeSet<_> = ranges.collect();
        let is_new = !ranges.is_subset(&seen);
        seen.extend(ranges);
        is_new
    });
    hosts.into_iter().map(|(host, _)| host).collect()
}

/// Every block that a rule or a route names.
fn named_blocks(topology: &Topology, by_filters: bool) -> Blocks {
    let mut named: BTreeSet<IpNet> = BTreeSet::new();
    for table in topology.route_tables.values() {
        named.extend(table.routes.iter().map(|route| route.destination));
    }
    for table in topology.transit_gateway_route_tables.values() {
        named.extend(table.routes.iter().map(|route| route.destination));
    }
    for network in topology.customer_networks.values() {
        named.extend(network.routes.iter().map(|route| route.destination));
    }
    if by_filters {
        for acl in topology.network_acls.values() {
            named.extend(acl.ingress.iter().chain(&acl.egress).map(|entry| entry.cidr));
        }
        for rule in
            topology.security_groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress))
        {
            if let Peer::Cidr(block) = &rule.peer {
                named.insert(*block);
            }
        }
        named.extend(topology.managed_prefix_lists.values().flat_map(|list| list.blocks()));
    }
    let mut blocks: BTreeMap<(bool, u8), BTreeMap<IpAddr, usize>> = BTreeMap::new();
    for (number, block) in named.into_iter().enumerate() {
        let length = (block.addr().is_ipv6(), block.prefix_len());
        blocks.entry(length).or_default().insert(block.network(), number);
    }
    Blocks(blocks)
}
