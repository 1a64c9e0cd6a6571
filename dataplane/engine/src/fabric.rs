//! What does a packet read?
//!
//! The [`Fabric`] is a topology compiled for packets: names are indices, lookups are tables, references are resolved.
//! It is immutable, and a packet sees exactly one. Everything a stop asks, it asks here.

mod block;
mod ends;
mod filters;
mod gateways;
mod link_local;
mod links;
mod network;
mod prefixes;
mod transit;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vpclab_model::Settings;
use vpclab_wire::MacAddr;

use crate::index::{
    Arena, AttachmentIdx, CustomerNetworkIdx, EgressOnlyIdx, EniIdx, HostIdx, InstanceIdx,
    InternetGatewayIdx, LinkIdx, NatGatewayIdx, NetworkAclIdx, NotModelledIdx, PeeringIdx, PolicyIdx,
    RouteTableIdx, SecurityGroupIdx, SubnetIdx, Table, TransitIdx, TransitTableIdx, VpcEndpointIdx, VpcIdx,
    VpnGatewayIdx,
};

pub use block::Block;
pub(crate) use block::first_of_delegated;
pub use ends::{Eni, Forwards, Host, Instance, Role, Side, Timeouts};
pub use filters::{NetworkAcl, NetworkAclEntry, Peer, Policy, PolicyRule, SecurityGroup};
pub use gateways::{
    Draining, EgressOnlyInternetGateway, EndpointKind, InternetGateway, Listener, NatGateway, NotModelled,
    Peering, PublicMapping, Takes, VpcEndpoint,
};
pub use link_local::{eui64_link_local, mac_of_link_local};
pub use links::{AwsEnd, CustomerNetwork, Link, LinkRoute, LinkTable, VpnGateway};
pub use network::{Route, RouteTable, RouteTarget, Router, Subnet, Vpc};
pub(crate) use prefixes::Prefixes;
pub use transit::{
    AttachmentEnd, TransitAttachment, TransitGateway, TransitRoute, TransitTable, VpcAttachment,
};

/// A hash map keyed with a secret of this process, as packets choose the keys.
pub type KeyedMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The hardware address that internet hosts see as their gateway.
pub const INTERNET_MAC: MacAddr = MacAddr([0x02, 0xff, 0xff, 0xff, 0xff, 0x01]);

/// The link-local address that every subnet's router answers on beside its EUI-64 one (ADDR-31).
pub const ROUTER_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xec2, 0, 1);

/// A direction as an interface or a subnet sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Towards the guest, or into the subnet.
    Inbound,
    /// Away from the guest, or out of the subnet.
    Outbound,
}

impl Direction {
    /// The other one.
    pub fn reversed(self) -> Self {
        match self {
            Self::Inbound => Self::Outbound,
            Self::Outbound => Self::Inbound,
        }
    }
}

/// One value for each direction.
#[derive(Debug, Clone, Default)]
pub struct Both<T> {
    /// For packets towards the guest or into the subnet.
    pub inbound: T,
    /// For packets away from it.
    pub outbound: T,
}

impl<T> Both<T> {
    /// The value for `direction`.
    pub fn of(&self, direction: Direction) -> &T {
        match direction {
            Direction::Inbound => &self.inbound,
            Direction::Outbound => &self.outbound,
        }
    }
}

/// A compiled topology. Made by [`Fabric::compile`].
#[derive(Debug)]
pub struct Fabric {
    /// Counts the configurations of one lab, from 1.
    pub generation: u64,
    /// The lab's choices.
    pub settings: Settings,
    /// VPCs.
    pub vpcs: Table<VpcIdx, Vpc>,
    /// Subnets.
    pub subnets: Table<SubnetIdx, Subnet>,
    /// Route tables.
    pub route_tables: Table<RouteTableIdx, RouteTable>,
    /// Network ACLs.
    pub network_acls: Table<NetworkAclIdx, NetworkAcl>,
    /// Security groups.
    pub security_groups: Table<SecurityGroupIdx, SecurityGroup>,
    /// Rule sets of interfaces; equal sets of groups share one.
    pub policies: Table<PolicyIdx, Both<Policy>>,
    /// Internet gateways.
    pub internet_gateways: Table<InternetGatewayIdx, InternetGateway>,
    /// Egress-only internet gateways.
    pub egress_only: Table<EgressOnlyIdx, EgressOnlyInternetGateway>,
    /// NAT gateways.
    pub nat_gateways: Arena<NatGatewayIdx, NatGateway>,
    /// VPC peering connections.
    pub peerings: Arena<PeeringIdx, Peering>,
    /// VPC endpoints whose services are declared.
    pub vpc_endpoints: Arena<VpcEndpointIdx, VpcEndpoint>,
    /// Whether some of them make interfaces count flows twice (CT-08).
    pub counts_double: bool,
    /// Transit gateways.
    pub transit_gateways: Table<TransitIdx, TransitGateway>,
    /// What is attached to them; a peering attachment is there twice, once for each gateway.
    pub transit_attachments: Table<AttachmentIdx, TransitAttachment>,
    /// Their route tables.
    pub transit_tables: Table<TransitTableIdx, TransitTable>,
    /// Resources that are stored and not modelled.
    pub not_modelled: Table<NotModelledIdx, NotModelled>,
    /// What may close VPCs to the internet, where the topology has such a thing (BPA-01).
    pub block_public_access: Option<NotModelledIdx>,
    /// What may forward multicast, where the topology has such a thing.
    pub multicast: Option<NotModelledIdx>,
    /// Instances.
    pub instances: Arena<InstanceIdx, Instance>,
    /// Interfaces.
    pub enis: Arena<EniIdx, Eni>,
    /// Virtual private gateways.
    pub vpn_gateways: Table<VpnGatewayIdx, VpnGateway>,
    /// VPN connections and virtual interfaces.
    pub links: Table<LinkIdx, Link>,
    /// Customer networks.
    pub customer_networks: Table<CustomerNetworkIdx, CustomerNetwork>,
    /// Hosts outside every VPC.
    pub hosts: Arena<HostIdx, Host>,
    pub(crate) addresses: KeyedMap<(VpcIdx, IpAddr), EniIdx>,
    /// Who has a delegated block, by its first address: looked up, as a /80 cannot be listed (L2-31).
    pub(crate) delegated: KeyedMap<(VpcIdx, IpAddr), EniIdx>,
    /// Who has a delegated block of public IPv6 addresses, and the internet gateway of its VPC.
    pub(crate) delegated_public: KeyedMap<IpAddr, (EniIdx, Option<InternetGatewayIdx>)>,
    pub(crate) macs: KeyedMap<(SubnetIdx, MacAddr), EniIdx>,
    pub(crate) public_addresses: KeyedMap<IpAddr, PublicMapping>,
    pub(crate) owners_of_ipv6: KeyedMap<IpAddr, EniIdx>,
    pub(crate) hosts_by_address: KeyedMap<IpAddr, HostIdx>,
    pub(crate) customer_hosts: KeyedMap<(CustomerNetworkIdx, IpAddr), HostIdx>,
    /// Public IPv4 addresses of the topology, whether or not they stand for anybody.
    pub(crate) elastic_addresses: HashSet<Ipv4Addr, foldhash::fast::RandomState>,
    /// What documented random choices depend on (PIPE-15): the same in every generation.
    pub(crate) seed: foldhash::fast::FixedState,
}

impl Fabric {
    /// A number that stands for a documented random choice about `subject` (PIPE-15): always the same for the same.
    pub fn choice(&self, subject: &impl std::hash::Hash) -> u64 {
        use std::hash::BuildHasher;
        self.seed.hash_one(subject)
    }

    /// How long a NAT gateway remembers a TCP connection that has ended. Not published; the lab's choice for ended
    /// connections (CT-22).
    pub fn nat_closing_timeout(&self) -> Duration {
        Duration::from_secs(self.settings.tcp_closing_timeout.into())
    }

    /// The interface that owns `address` in `vpc`. The key is the pair: address spaces overlap (L2-10).
    pub fn interface_at(&self, vpc: VpcIdx, address: IpAddr) -> Option<EniIdx> {
        let by_address = self.addresses.get(&(vpc, address));
        let by_block = || match self.delegated.is_empty() {
            true => None,
            false => self.delegated.get(&(vpc, first_of_delegated(address))),
        };
        by_address.or_else(by_block).copied()
    }

    /// The interface with hardware address `mac` on `subnet`.
    pub fn interface_with_mac(&self, subnet: SubnetIdx, mac: MacAddr) -> Option<EniIdx> {
        self.macs.get(&(subnet, mac)).copied()
    }

    /// Whom the internet reaches at `address`.
    pub fn public_mapping(&self, address: IpAddr) -> Option<PublicMapping> {
        let by_block = || {
            let (eni, gateway) = self.public_block(address)?;
            Some(PublicMapping { eni, private: address, gateway: gateway? })
        };
        self.public_addresses.get(&address).copied().or_else(by_block)
    }

    /// The interface that has a public IPv6 address, whatever gateways its VPC has.
    pub fn owner_of_ipv6(&self, address: IpAddr) -> Option<EniIdx> {
        self.owners_of_ipv6.get(&address).copied().or_else(|| Some(self.public_block(address)?.0))
    }

    fn public_block(&self, address: IpAddr) -> Option<(EniIdx, Option<InternetGatewayIdx>)> {
        if self.delegated_public.is_empty() {
            return None;
        }
        self.delegated_public.get(&first_of_delegated(address)).copied()
    }

    /// The internet gateway that takes packets for `address` because a pool has it (RT-51).
    pub fn pool_gateway(&self, address: IpAddr) -> Option<InternetGatewayIdx> {
        let IpAddr::V4(address) = address else { return None };
        let has = |gateway: &InternetGateway| gateway.pools.iter().any(|pool| pool.contains(&address));
        self.internet_gateways.iter().find(|(_, gateway)| has(gateway)).map(|(index, _)| index)
    }

    /// What the guest behind `eni` does with a packet for `destination`, which the interface takes although it is not its
    /// own; none for what is addressed to the guest, as a pool's addresses are that are routed to it (RT-51).
    pub fn forwards(&self, eni: EniIdx, destination: IpAddr) -> Option<Forwards> {
        let interface = self.enis.get(eni)?;
        let (instance, _) = interface.attachment?;
        let is_foreign = !interface.owns(destination)
            && destination != IpAddr::V6(interface.link_local)
            && self.pool_gateway(destination).is_none();
        is_foreign.then_some(self.instances[instance].forwards)
    }

    /// Whether a public address is one of the topology's own, even if it stands for nobody now: an elastic IP, an
    /// interface's public address, an IPv6 address inside a VPC.
    pub fn belongs_to_aws(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.elastic_addresses.contains(&v4) || self.pool_gateway(address).is_some(),
            IpAddr::V6(_) => self.vpcs.iter().any(|(_, vpc)| vpc.contains(address)),
        }
    }

    /// The host that has `address` in a customer network. The key is the pair: address spaces overlap.
    pub fn customer_host_at(&self, network: CustomerNetworkIdx, address: IpAddr) -> Option<HostIdx> {
        self.customer_hosts.get(&(network, address)).copied()
    }

    /// The internet host that has `address`.
    pub fn host_at(&self, address: IpAddr) -> Option<HostIdx> {
        self.hosts_by_address.get(&address).copied()
    }

    /// The host that an address means: the one of the internet that has it, else the only one of all customer networks.
    pub fn only_host_at(&self, address: IpAddr) -> Option<HostIdx> {
        let of_customers = || {
            let owns =
                |host: &Host| matches!(host.side, Side::Customer(_)) && host.addresses.contains(&address);
            let mut owners = self.hosts.iter().filter(|(_, host)| owns(host)).map(|(index, _)| index);
            let first = owners.next()?;
            owners.next().is_none().then_some(first)
        };
        self.host_at(address).or_else(of_customers)
    }

    /// Whether a host is on the internet, and sees of VPCs what is public: internet hosts, and services with public
    /// addresses.
    pub fn is_on_internet(&self, host: HostIdx) -> bool {
        let host = &self.hosts[host];
        match host.side {
            Side::Internet => true,
            Side::Customer(_) => false,
            Side::Service => {
                host.addresses.iter().any(|address| vpclab_model::not_public(*address).is_none())
            }
        }
    }

    /// The rules that guard `eni` in `direction`.
    pub fn policy(&self, eni: EniIdx, direction: Direction) -> &Policy {
        self.policies[self.enis[eni].policy].of(direction)
    }

    /// The router on the subnet of `eni`.
    pub fn router_of(&self, eni: EniIdx) -> &Router {
        &self.subnets[self.enis[eni].subnet].router
    }
}
