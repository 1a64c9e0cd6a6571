//! What does a packet read?
//!
//! The [`Fabric`] is a topology compiled for packets: names are indices, lookups are tables, references are resolved.
//! It is immutable, and a packet sees exactly one. Everything a stop asks, it asks here.

mod links;
mod prefixes;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vpclab_model::{
    EgressOnlyInternetGatewayName, Home, HostName, InstanceName, InternetGatewayName, ManagedPrefixListName,
    NatGatewayName, NetworkAclName, NetworkInterfaceName, RouteOrigin, RouteState, RouteTableName,
    RuleAction, SecurityGroupName, Settings, SubnetName, Traffic, TransitGatewayName,
    TransitGatewayRouteTableName, VpcEndpointName, VpcName, VpcPeeringConnectionName,
};
use vpclab_wire::MacAddr;

use crate::index::{
    Arena, AttachmentIdx, CustomerNetworkIdx, EgressOnlyIdx, EniIdx, HostIdx, InstanceIdx,
    InternetGatewayIdx, LinkIdx, NatGatewayIdx, NetworkAclIdx, NotModelledIdx, PeeringIdx, PolicyIdx,
    RouteTableIdx, SecurityGroupIdx, SubnetIdx, Table, TransitIdx, TransitTableIdx, VpcEndpointIdx, VpcIdx,
    VpnGatewayIdx,
};

pub use links::{AwsEnd, CustomerNetwork, Link, LinkRoute, LinkTable, VpnGateway};
pub(crate) use prefixes::Prefixes;

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

/// A VPC.
#[derive(Debug)]
pub struct Vpc {
    /// Its name.
    pub name: VpcName,
    /// Where it lives and whose it is.
    pub home: Home,
    /// Its blocks, the primary one first.
    pub cidr_blocks: Vec<IpNet>,
    /// The VPCs of the region that active peering connections lead to, whose groups are known here (PCX-17).
    pub peers: Vec<VpcIdx>,
    /// Where the Amazon resolver is: base plus two of the primary block (ADDR-29).
    pub resolver: Ipv4Addr,
}

/// A subnet and its router.
#[derive(Debug)]
pub struct Subnet {
    /// Its name.
    pub name: SubnetName,
    /// The VPC around it.
    pub vpc: VpcIdx,
    /// Its zone.
    pub availability_zone: Box<str>,
    /// Its IPv4 block.
    pub ipv4: Option<Ipv4Net>,
    /// Its IPv6 block.
    pub ipv6: Option<Ipv6Net>,
    /// The table that routes what leaves it.
    pub route_table: RouteTableIdx,
    /// The ACL at its edge.
    pub network_acl: NetworkAclIdx,
    /// The router as this subnet sees it.
    pub router: Router,
}

/// The implicit router on one subnet.
#[derive(Debug, Clone, Copy)]
pub struct Router {
    /// Its hardware address.
    pub mac: MacAddr,
    /// Base plus one of the IPv4 block (ADDR-27).
    pub ipv4: Option<Ipv4Addr>,
    /// The EUI-64 link-local address of `mac` (ADDR-31).
    pub link_local: Ipv6Addr,
}

/// A route table.
#[derive(Debug)]
pub struct RouteTable {
    /// Its name.
    pub name: RouteTableName,
    /// Its routes.
    pub routes: Vec<Route>,
    pub(crate) prefixes: Prefixes,
}

/// A compiled route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Destinations.
    pub destination: IpNet,
    /// Where packets go.
    pub target: RouteTarget,
    /// Whether the target can take packets.
    pub state: RouteState,
    /// How the route came to be.
    pub origin: RouteOrigin,
    /// The prefix list it is an entry of.
    pub prefix_list: Option<ManagedPrefixListName>,
    /// Whether another route decides in its place (RT-06).
    pub overridden: bool,
}

/// A block of addresses, ready to be compared with many packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    net: IpNet,
    base: u128,
    mask: u128,
}

/// Where a compiled route sends packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteTarget {
    /// To whoever owns the destination in this VPC.
    Local,
    /// To the internet.
    InternetGateway(InternetGatewayIdx),
    /// To an interface.
    NetworkInterface(EniIdx),
    /// To the internet, for flows opened from inside.
    EgressOnly(EgressOnlyIdx),
    /// To a NAT gateway.
    NatGateway(NatGatewayIdx),
    /// To a virtual private gateway.
    VpnGateway(VpnGatewayIdx),
    /// To the VPC at the other end.
    Peering(PeeringIdx),
    /// To a service, by a gateway endpoint.
    Endpoint(VpcEndpointIdx),
    /// To what is not modelled.
    NotModelled(NotModelledIdx),
    /// To a transit gateway, by the VPC's attachment.
    TransitGateway(AttachmentIdx),
}

/// A network ACL: entries of each direction in order of evaluation.
#[derive(Debug)]
pub struct NetworkAcl {
    /// Its name.
    pub name: NetworkAclName,
    /// Its entries.
    pub entries: Both<Vec<NetworkAclEntry>>,
}

/// An entry of a network ACL.
#[derive(Debug, Clone)]
pub struct NetworkAclEntry {
    /// Its number.
    pub rule_number: u16,
    /// What it does.
    pub action: RuleAction,
    /// Protocol and ports.
    pub traffic: Traffic,
    /// The other end.
    pub cidr: Block,
}

/// A security group. Its rules live in the [`Policy`]s of its interfaces.
#[derive(Debug)]
pub struct SecurityGroup {
    /// Its name.
    pub name: SecurityGroupName,
    /// How many rules it has in each direction.
    pub rule_counts: Both<usize>,
}

/// The rules that guard an interface in one direction: the union of its groups' (SG-01).
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The rules.
    pub rules: Vec<PolicyRule>,
}

/// One rule of a policy.
#[derive(Debug, Clone)]
pub struct PolicyRule {
    /// Protocol and ports.
    pub traffic: Traffic,
    /// The other end.
    pub peer: Peer,
    /// The group it comes from.
    pub group: SecurityGroupIdx,
    /// Its place in the group's declared list of this direction.
    pub declared_at: usize,
}

/// The other end of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Addresses.
    Cidr(Block),
    /// Members of a group, known by their interface (SG-08).
    Group(SecurityGroupIdx),
    /// Nobody: members of a group that is not known (SG-24).
    Nobody,
}

/// An internet gateway.
#[derive(Debug)]
pub struct InternetGateway {
    /// Its name.
    pub name: InternetGatewayName,
    /// The VPC it is attached to.
    pub vpc: Option<VpcIdx>,
    /// The table that routes what enters by it (RT-35); none leads straight to destinations.
    pub route_table: Option<RouteTableIdx>,
    /// Public blocks that the table has routes for (RT-51).
    pub pools: Vec<Ipv4Net>,
}

/// An egress-only internet gateway.
#[derive(Debug)]
pub struct EgressOnlyInternetGateway {
    /// Its name.
    pub name: EgressOnlyInternetGatewayName,
    /// The VPC it is attached to.
    pub vpc: VpcIdx,
}

/// A NAT gateway.
#[derive(Debug)]
pub struct NatGateway {
    /// Its name.
    pub name: NatGatewayName,
    /// The subnet it lies in.
    pub subnet: SubnetIdx,
    /// Its interface.
    pub eni: EniIdx,
    /// Its private addresses, the primary one first; none of one that has failed.
    pub addresses: Vec<Ipv4Addr>,
}

/// A VPC peering connection.
#[derive(Debug)]
pub struct Peering {
    /// Its name.
    pub name: VpcPeeringConnectionName,
    /// The VPCs it joins.
    pub ends: [VpcIdx; 2],
    /// Whether it carries packets.
    pub active: bool,
    /// The largest IP packet it takes, in bytes, where that is less than inside a VPC (MTU-02, PCX-18).
    pub mtu: Option<u16>,
}

/// A VPC endpoint.
#[derive(Debug)]
pub struct VpcEndpoint {
    /// Its name.
    pub name: VpcEndpointName,
    /// Its VPC.
    pub vpc: VpcIdx,
    /// Whether it carries packets (EPI-17).
    pub available: bool,
    /// The service that it leads to.
    pub service: HostIdx,
    /// How it does so.
    pub kind: EndpointKind,
}

/// How an endpoint leads to its service.
#[derive(Debug)]
pub enum EndpointKind {
    /// By routes.
    Gateway {
        /// The ranges of its service.
        blocks: Vec<IpNet>,
        /// Whether flows through it are tracked whatever rules say, and count twice (CT-07, CT-08).
        dynamodb: bool,
    },
    /// By interfaces.
    Interface {
        /// Whether its service takes TCP.
        tcp: bool,
        /// Whether it takes UDP.
        udp: bool,
        /// Whom the service sees (EPS-01).
        nodes: (Ipv4Addr, Ipv6Addr),
    },
}

/// A transit gateway.
#[derive(Debug)]
pub struct TransitGateway {
    /// Its name.
    pub name: TransitGatewayName,
}

/// What is attached to a transit gateway, as the gateway sees it.
#[derive(Debug)]
pub struct TransitAttachment {
    /// Its name, which no other attachment has but the other side of the same one.
    pub name: Box<str>,
    /// The gateway.
    pub gateway: TransitIdx,
    /// The table that its packets are looked up in (TGW-04).
    pub table: Option<TransitTableIdx>,
    /// What is attached.
    pub end: AttachmentEnd,
}

/// What an attachment leads to.
#[derive(Debug)]
pub enum AttachmentEnd {
    /// A VPC.
    Vpc(VpcAttachment),
    /// Another transit gateway: the same attachment as that one sees it.
    Peering(AttachmentIdx),
    /// A VPN connection.
    Vpn(LinkIdx),
    /// A Direct Connect gateway, with what is behind its virtual interfaces.
    DxGateway(Box<LinkTable>),
}

/// A VPC at a transit gateway.
#[derive(Debug)]
pub struct VpcAttachment {
    /// The VPC.
    pub vpc: VpcIdx,
    /// The attachment's interfaces with their subnets, one in each zone that it serves (TGW-12).
    pub doors: Vec<(SubnetIdx, EniIdx)>,
    /// Whether both directions of a flow use the same interface (TGW-22).
    pub appliance_mode: bool,
    /// Whether zones have a say in which interface that is: only while something propagates to the attachment's table
    /// (TGW-52, TGW-54).
    pub knows_zones: bool,
    /// Whether references to groups of other VPCs work across it (SG-11).
    pub refers_to_groups: bool,
}

/// A route table of a transit gateway.
#[derive(Debug)]
pub struct TransitTable {
    /// Its name.
    pub name: TransitGatewayRouteTableName,
    /// Its routes.
    pub routes: Vec<TransitRoute>,
    pub(crate) prefixes: Prefixes,
}

/// A compiled route of a transit gateway.
#[derive(Debug, Clone)]
pub struct TransitRoute {
    /// Destinations.
    pub destination: IpNet,
    /// Where packets go: one attachment, or several that share the flows (TGW-19); none in a blackhole (TGW-08).
    pub attachments: Vec<AttachmentIdx>,
}

/// A resource that is stored and not modelled.
#[derive(Debug)]
pub struct NotModelled {
    /// The key of its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: Box<str>,
    /// What is not modelled, in a sentence.
    pub reason: &'static str,
    /// Whether it takes TCP and UDP at its interfaces, so that the way to one of them is a question of its own.
    pub takes: bool,
    /// Whether it sends from its interfaces, so that the way from one of them is a question of its own.
    pub sends: bool,
}

/// Whose an interface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A guest's.
    Guest,
    /// A NAT gateway's.
    NatGateway(NatGatewayIdx),
    /// A VPC endpoint's.
    Endpoint(VpcEndpointIdx),
    /// A transit gateway's, for an attachment.
    TransitGateway(AttachmentIdx),
    /// That of a resource which is not modelled.
    NotModelled(NotModelledIdx),
}

/// An instance.
#[derive(Debug)]
pub struct Instance {
    /// Its name.
    pub name: InstanceName,
    /// Its interfaces by device index.
    pub interfaces: Vec<(u8, EniIdx)>,
    /// What its guest does with packets for others.
    pub forwards: Forwards,
}

/// What a guest does with packets that are not addressed to it, where an interface of its takes them (L2-12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwards {
    /// It sends them on by the interface they came in.
    SameInterface,
    /// It sends them on by this interface.
    Interface(EniIdx),
    /// It sends them on by the interface they came in, from that interface's own address.
    Nat,
    /// It drops them.
    None,
}

/// An elastic network interface.
#[derive(Debug)]
pub struct Eni {
    /// Its name.
    pub name: NetworkInterfaceName,
    /// Where it is plugged in.
    pub attachment: Option<(InstanceIdx, u8)>,
    /// Whether its instance takes and sends packets, if it has one.
    pub running: bool,
    /// Whose it is.
    pub role: Role,
    /// Its subnet.
    pub subnet: SubnetIdx,
    /// Its VPC.
    pub vpc: VpcIdx,
    /// Its hardware address.
    pub mac: MacAddr,
    /// The addresses that are its own: private IPv4 (primary first), then IPv6.
    pub addresses: Vec<IpAddr>,
    /// The EUI-64 link-local address of its hardware address.
    pub link_local: Ipv6Addr,
    /// Public addresses, as (private, public).
    pub public_addresses: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Its groups.
    pub security_groups: Vec<SecurityGroupIdx>,
    /// The rules of its groups.
    pub policy: PolicyIdx,
    /// Whether foreign addresses are refused.
    pub source_dest_check: bool,
    /// Idle times.
    pub timeouts: Timeouts,
}

/// How long an interface remembers idle connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP before it is established (CT-22).
    pub tcp_opening: Duration,
    /// Established TCP (CT-11).
    pub tcp_established: Duration,
    /// TCP after FIN both ways, or RST (CT-22).
    pub tcp_closing: Duration,
    /// UDP one way, or one request and response (CT-12).
    pub udp: Duration,
    /// UDP after more (CT-13).
    pub udp_stream: Duration,
    /// ICMP (OQ-14).
    pub icmp: Duration,
    /// Any other protocol: 600 seconds (CT-02).
    pub other: Duration,
}

/// A host outside every VPC. It has one neighbour, which takes whatever it sends.
#[derive(Debug)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// Where it is.
    pub side: Side,
    /// Its hardware address.
    pub mac: MacAddr,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The EUI-64 link-local address of its hardware address.
    pub link_local: Ipv6Addr,
    /// The largest IP packet on its link, in bytes.
    pub mtu: u16,
}

/// Where a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// On the internet, with public addresses.
    Internet,
    /// In a customer network, with addresses of that network.
    Customer(CustomerNetworkIdx),
    /// Behind VPC endpoints, and on the internet where its address is public.
    Service,
}

/// Whom a public address stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicMapping {
    /// The interface.
    pub eni: EniIdx,
    /// Its private address; for IPv6 the public address itself (IGW-14).
    pub private: IpAddr,
    /// The gateway that translates.
    pub gateway: InternetGatewayIdx,
}

impl Peering {
    /// The VPC at the other end, as `end` sees it, while the connection carries packets.
    pub fn other_end(&self, end: VpcIdx) -> Option<VpcIdx> {
        let [a, b] = self.ends;
        match end {
            _ if !self.active => None,
            end if end == a => Some(b),
            end if end == b => Some(a),
            _ => None,
        }
    }
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
        self.addresses.get(&(vpc, address)).copied()
    }

    /// The interface with hardware address `mac` on `subnet`.
    pub fn interface_with_mac(&self, subnet: SubnetIdx, mac: MacAddr) -> Option<EniIdx> {
        self.macs.get(&(subnet, mac)).copied()
    }

    /// Whom the internet reaches at `address`.
    pub fn public_mapping(&self, address: IpAddr) -> Option<PublicMapping> {
        self.public_addresses.get(&address).copied()
    }

    /// The interface that has a public IPv6 address, whatever gateways its VPC has.
    pub fn owner_of_ipv6(&self, address: IpAddr) -> Option<EniIdx> {
        self.owners_of_ipv6.get(&address).copied()
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

impl Block {
    /// The block as it is written.
    pub fn net(&self) -> IpNet {
        self.net
    }

    /// Whether `address` lies in it. Families never mix (PIPE-12).
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (address, self.net) {
            (IpAddr::V4(address), IpNet::V4(_)) => u128::from(u32::from(address)) & self.mask == self.base,
            (IpAddr::V6(address), IpNet::V6(_)) => u128::from(address) & self.mask == self.base,
            _ => false,
        }
    }
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.net.fmt(f)
    }
}

impl From<IpNet> for Block {
    fn from(net: IpNet) -> Self {
        let net = net.trunc();
        let (base, mask) = match net {
            IpNet::V4(net) => (u128::from(u32::from(net.network())), u128::from(u32::from(net.netmask()))),
            IpNet::V6(net) => (u128::from(net.network()), u128::from(net.netmask())),
        };
        Self { net, base, mask }
    }
}

impl Vpc {
    /// Whether `address` lies in one of the VPC's blocks.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.cidr_blocks.iter().any(|block| block.contains(&address))
    }
}

impl Subnet {
    /// Whether `address` lies in the subnet's block of its family.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.ipv4.is_some_and(|block| block.contains(&address)),
            IpAddr::V6(address) => self.ipv6.is_some_and(|block| block.contains(&address)),
        }
    }

    /// The broadcast address of the IPv4 block, which AWS does not support (ADDR-27, L2-01).
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        self.ipv4.map(|block| block.broadcast())
    }
}

impl Router {
    /// Whether the router answers on `address`.
    pub fn owns(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.ipv4 == Some(address),
            IpAddr::V6(address) => address == self.link_local || address == ROUTER_LINK_LOCAL,
        }
    }
}

impl TransitTable {
    /// The longest matching route (TGW-05).
    pub fn lookup(&self, destination: IpAddr) -> Option<&TransitRoute> {
        self.routes.get(self.prefixes.lookup(destination)?)
    }
}

impl RouteTable {
    /// The longest matching route (RT-05).
    pub fn lookup(&self, destination: IpAddr) -> Option<&Route> {
        self.routes.get(self.prefixes.lookup(destination)?)
    }
}

impl Eni {
    /// Whether `address` is one of the interface's own (L2-12, L2-13).
    pub fn owns(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
    }

    /// The public address that stands for `private`.
    pub fn public_address_of(&self, private: Ipv4Addr) -> Option<Ipv4Addr> {
        self.public_addresses.iter().find(|(own, _)| *own == private).map(|(_, public)| *public)
    }

    /// The primary address of the family of `like`.
    pub fn primary_address(&self, ipv6: bool) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| address.is_ipv6() == ipv6)
    }
}

/// The link-local address that a guest forms from its hardware address (RFC 4291 appendix A).
pub fn eui64_link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    let mut octets = [0u8; 16];
    octets[..2].copy_from_slice(&[0xfe, 0x80]);
    octets[8..].copy_from_slice(&[a ^ 0x02, b, c, 0xff, 0xfe, d, e, f]);
    Ipv6Addr::from(octets)
}

/// The hardware address that [`eui64_link_local`] makes `address` from; none if it makes it from no address.
pub fn mac_of_link_local(address: Ipv6Addr) -> Option<MacAddr> {
    let [.., a, b, c, _, _, d, e, f] = address.octets();
    let mac = MacAddr([a ^ 0x02, b, c, d, e, f]);
    (eui64_link_local(mac) == address).then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_local_address_and_its_hardware_address_lead_to_each_other() {
        let mac = MacAddr([0x02, 0x11, 0x22, 0x33, 0x44, 0x55]);
        let address: Ipv6Addr = "fe80::11:22ff:fe33:4455".parse().unwrap();
        assert_eq!(eui64_link_local(mac), address);
        assert_eq!(mac_of_link_local(address), Some(mac));
        assert_eq!(mac_of_link_local(ROUTER_LINK_LOCAL), None);
    }

    #[test]
    fn blocks_contain_addresses_of_their_own_family_only() {
        let everybody: Block = "0.0.0.0/0".parse::<IpNet>().unwrap().into();
        let private: Block = "10.0.0.0/8".parse::<IpNet>().unwrap().into();
        let six: Block = "2001:db8::/32".parse::<IpNet>().unwrap().into();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let cases = [
            (everybody, "255.255.255.255", true),
            (everybody, "::1", false),
            (private, "10.255.0.1", true),
            (private, "11.0.0.0", false),
            (private, "::a00:1", false),
            (six, "2001:db8:ffff::1", true),
            (six, "2001:db9::1", false),
        ];
        for (block, candidate, expected) in cases {
            assert_eq!(block.contains(address(candidate)), expected, "{candidate} in {block}");
        }
    }
}
