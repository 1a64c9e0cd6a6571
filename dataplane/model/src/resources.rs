//! What does a topology hold once it is known to be right?
//!
//! These are the declared resources with every default of AWS made explicit: main route tables, default network ACLs
//! and security groups, local routes, assigned addresses. References are names that are known to resolve. Values of
//! these types come out of validation only, so that whoever holds a [`Topology`] never asks "what if it is not there?".

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;

use crate::name::{
    EgressOnlyInternetGatewayName, EipName, InstanceName, InternetGatewayName, InternetHostName,
    NatGatewayName, NetworkAclName, NetworkInterfaceName, RouteTableName, SecurityGroupName, SubnetName,
    VpcName, VpcPeeringConnectionName,
};
use crate::settings::Settings;
use crate::traffic::Traffic;

/// Free-form labels.
pub type Tags = BTreeMap<String, String>;

/// Everything the user declared, validated, with AWS's defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Topology {
    /// The AWS region, such as `us-east-1`.
    pub region: String,
    /// Choices the documentation of AWS leaves open.
    pub settings: Settings,
    /// Virtual private clouds.
    pub vpcs: BTreeMap<VpcName, Vpc>,
    /// Subnets.
    pub subnets: BTreeMap<SubnetName, Subnet>,
    /// Route tables, main ones included.
    pub route_tables: BTreeMap<RouteTableName, RouteTable>,
    /// Internet gateways.
    pub internet_gateways: BTreeMap<InternetGatewayName, InternetGateway>,
    /// Egress-only internet gateways.
    pub egress_only_internet_gateways: BTreeMap<EgressOnlyInternetGatewayName, EgressOnlyInternetGateway>,
    /// NAT gateways.
    pub nat_gateways: BTreeMap<NatGatewayName, NatGateway>,
    /// VPC peering connections.
    pub vpc_peering_connections: BTreeMap<VpcPeeringConnectionName, VpcPeeringConnection>,
    /// Network ACLs, default ones included.
    pub network_acls: BTreeMap<NetworkAclName, NetworkAcl>,
    /// Security groups, default ones included.
    pub security_groups: BTreeMap<SecurityGroupName, SecurityGroup>,
    /// Elastic network interfaces; the ones an instance implies carry the instance's name.
    pub network_interfaces: BTreeMap<NetworkInterfaceName, NetworkInterface>,
    /// Instances.
    pub instances: BTreeMap<InstanceName, Instance>,
    /// Elastic IP addresses.
    pub eips: BTreeMap<EipName, Eip>,
    /// Hosts outside AWS.
    pub internet_hosts: BTreeMap<InternetHostName, InternetHost>,
}

/// A virtual private cloud (area ADDR).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vpc {
    /// The primary IPv4 block, /16 to /28 (ADDR-01).
    pub cidr_block: Ipv4Net,
    /// Further IPv4 blocks (ADDR-07..ADDR-14).
    pub secondary_cidr_blocks: Vec<Ipv4Net>,
    /// IPv6 blocks, /44 to /60 in steps of four (ADDR-20).
    pub ipv6_cidr_blocks: Vec<Ipv6Net>,
    /// The table of every subnet without an association of its own (RT-02).
    pub main_route_table: RouteTableName,
    /// The network ACL of every subnet without one of its own (NACL-05).
    pub default_network_acl: NetworkAclName,
    /// The group of every interface without one of its own (SG-06).
    pub default_security_group: SecurityGroupName,
    /// Labels.
    pub tags: Tags,
}

impl Vpc {
    /// All IPv4 blocks, the primary one first.
    pub fn ipv4_blocks(&self) -> impl Iterator<Item = Ipv4Net> + '_ {
        std::iter::once(self.cidr_block).chain(self.secondary_cidr_blocks.iter().copied())
    }

    /// All IPv4 and IPv6 blocks, the primary one first.
    pub fn cidr_blocks(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.ipv4_blocks().map(IpNet::V4).chain(self.ipv6_cidr_blocks.iter().copied().map(IpNet::V6))
    }
}

/// A subnet (areas ADDR and RT).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subnet {
    /// The VPC it lies in.
    pub vpc: VpcName,
    /// The one availability zone it lives in (ADDR-26).
    pub availability_zone: String,
    /// The IPv4 block; absent in an IPv6-only subnet (ADDR-32).
    pub cidr_block: Option<Ipv4Net>,
    /// The IPv6 block.
    pub ipv6_cidr_block: Option<Ipv6Net>,
    /// Whether an instance launched here gets a public IPv4 address unasked (ADDR-36).
    pub map_public_ip_on_launch: bool,
    /// Whether an interface made here gets an IPv6 address unasked.
    pub assign_ipv6_address_on_creation: bool,
    /// The route table in force: the associated one, else the VPC's main table (RT-02).
    pub route_table: RouteTableName,
    /// The network ACL in force: the associated one, else the VPC's default (NACL-05).
    pub network_acl: NetworkAclName,
    /// Labels.
    pub tags: Tags,
}

impl Subnet {
    /// The blocks of both families.
    pub fn cidr_blocks(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.cidr_block.map(IpNet::V4).into_iter().chain(self.ipv6_cidr_block.map(IpNet::V6))
    }
}

/// A route table with its local routes (area RT).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteTable {
    /// The VPC it belongs to.
    pub vpc: VpcName,
    /// Whether it is the VPC's main table.
    pub main: bool,
    /// Its routes, local ones first (RT-01), destinations unique.
    pub routes: Vec<Route>,
    /// Labels.
    pub tags: Tags,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Destinations, host bits zero.
    pub destination: IpNet,
    /// Where matching packets go.
    pub target: RouteTarget,
    /// How the route came to be (RT-27).
    pub origin: RouteOrigin,
    /// Whether the target can take packets (RT-25).
    pub state: RouteState,
}

/// Where a route sends a packet (RT-30).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTarget {
    /// To the interface that owns the destination, inside the VPC.
    Local,
    /// To the internet.
    InternetGateway(InternetGatewayName),
    /// To an interface, whose guest is expected to forward (PIPE-08).
    NetworkInterface(NetworkInterfaceName),
    /// To the internet, IPv6 only, for what is opened from inside (RT-31).
    EgressOnlyInternetGateway(EgressOnlyInternetGatewayName),
    /// To a NAT gateway (RT-32).
    NatGateway(NatGatewayName),
    /// To the VPC at the other end.
    VpcPeeringConnection(VpcPeeringConnectionName),
}

/// How a route came to be (RT-27).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteOrigin {
    /// Made with the table.
    CreateRouteTable,
    /// Declared by the user.
    CreateRoute,
}

/// Whether a route's target can take packets (RT-25).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteState {
    /// In use.
    Active,
    /// The target is gone or unusable; matching packets die here (RT-26, OQ-18).
    Blackhole,
}

/// An internet gateway (area IGW).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InternetGateway {
    /// The VPC it is attached to, at most one (IGW-03).
    pub vpc: Option<VpcName>,
    /// Labels.
    pub tags: Tags,
}

/// An egress-only internet gateway (area IGW).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EgressOnlyInternetGateway {
    /// The VPC it is attached to.
    pub vpc: VpcName,
    /// Labels.
    pub tags: Tags,
}

/// A NAT gateway (area NAT). Its addresses are those of its interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NatGateway {
    /// The subnet it lies in.
    pub subnet: SubnetName,
    /// Whether it has elastic IPs (NAT-01, NAT-02).
    pub connectivity_type: ConnectivityType,
    /// Its interface, which is its own (NAT-07).
    pub network_interface: NetworkInterfaceName,
    /// Whether it works (NAT-16).
    pub state: NatGatewayState,
    /// Labels.
    pub tags: Tags,
}

/// Whether a NAT gateway leads to the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectivityType {
    /// It has an elastic IP for each of its private addresses.
    Public,
    /// It has private addresses only (NAT-02).
    Private,
}

/// Whether a NAT gateway works (NAT-16, NAT-17). Pending and deleting ones are transient in AWS and absent here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NatGatewayState {
    /// It works.
    Available,
    /// It could not be made, which AWS does not report as an error of the call (NAT-17, ERR-36).
    Failed {
        /// AWS's code for the failure.
        failure_code: String,
        /// What happened.
        failure_message: String,
    },
}

/// A VPC peering connection (area PCX).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VpcPeeringConnection {
    /// The VPC that asked for it.
    pub vpc: VpcName,
    /// The VPC that accepts it.
    pub peer_vpc: VpcName,
    /// How far it has come (PCX-02).
    pub state: PeeringState,
    /// Labels.
    pub tags: Tags,
}

/// How far a VPC peering connection has come (PCX-02). States that AWS passes through within seconds are absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeeringState {
    /// It carries packets.
    Active,
    /// The other side has not accepted it (PCX-11).
    PendingAcceptance,
    /// The blocks of the two VPCs overlap (PCX-01).
    Failed,
    /// The other side has refused it.
    Rejected,
    /// Nobody acted on it for seven days (PCX-03).
    Expired,
    /// One side has deleted it (PCX-22).
    Deleted,
}

/// A network ACL (area NACL).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkAcl {
    /// The VPC it belongs to.
    pub vpc: VpcName,
    /// Whether it is the VPC's default ACL.
    pub default: bool,
    /// Inbound entries in ascending order of rule number; the final `*` deny is implied (NACL-02).
    pub ingress: Vec<NetworkAclEntry>,
    /// Outbound entries, likewise.
    pub egress: Vec<NetworkAclEntry>,
    /// Labels.
    pub tags: Tags,
}

/// One entry of a network ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkAclEntry {
    /// Its place in the order, 1 to 32766 (NACL-01).
    pub rule_number: u16,
    /// What happens to a matching packet.
    pub action: RuleAction,
    /// Protocol and ports; ports are the packet's destination ports (NACL-11).
    pub traffic: Traffic,
    /// The other end: the source of inbound, the destination of outbound packets (NACL-14).
    pub cidr: IpNet,
}

/// Allow or deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAction {
    /// Let it pass.
    Allow,
    /// Discard it silently (PIPE-09).
    Deny,
}

/// A security group (area SG).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecurityGroup {
    /// The VPC it belongs to.
    pub vpc: VpcName,
    /// The group's name as AWS shows it.
    pub group_name: String,
    /// What it is for.
    pub description: String,
    /// Inbound rules; their order means nothing (SG-01).
    pub ingress: Vec<SecurityGroupRule>,
    /// Outbound rules.
    pub egress: Vec<SecurityGroupRule>,
    /// Labels.
    pub tags: Tags,
}

/// One rule of a security group: allows only (SG-01). A declared rule with several peers is several of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecurityGroupRule {
    /// Protocol and ports; ports are the packet's destination ports.
    pub traffic: Traffic,
    /// The other end.
    pub peer: Peer,
    /// The position in the declared list that this rule comes from, counted from 0.
    pub declared_at: usize,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The other end of a security group rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// Addresses.
    Cidr(IpNet),
    /// The private addresses of the group's interfaces (SG-08).
    Group(SecurityGroupName),
}

/// An elastic network interface (area L2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkInterface {
    /// The subnet it lies in, for life (L2-17).
    pub subnet: SubnetName,
    /// The hardware address: locally administered, unicast (L2-28).
    #[serde(serialize_with = "serialize_mac")]
    pub mac_address: [u8; 6],
    /// The primary private IPv4 address (L2-15); absent in an IPv6-only subnet.
    pub private_ip: Option<Ipv4Addr>,
    /// Secondary private IPv4 addresses.
    pub secondary_private_ips: Vec<Ipv4Addr>,
    /// IPv6 addresses.
    pub ipv6_addresses: Vec<Ipv6Addr>,
    /// Public IPv4 addresses by the private address they stand for (IGW-16).
    pub public_ips: BTreeMap<Ipv4Addr, PublicIp>,
    /// One to five groups (L2-15).
    pub security_groups: Vec<SecurityGroupName>,
    /// Whether foreign addresses are refused in both directions (L2-12, L2-13).
    pub source_dest_check: bool,
    /// The instance it is attached to.
    pub attachment: Option<Attachment>,
    /// How long idle connections are remembered.
    pub connection_tracking: ConnectionTracking,
    /// Whether an instance implies it, so that it shares the instance's name.
    pub implied: bool,
    /// Whose it is.
    pub interface_type: InterfaceType,
    /// Labels.
    pub tags: Tags,
}

impl NetworkInterface {
    /// All private IPv4 addresses, the primary one first.
    pub fn private_ips(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.private_ip.into_iter().chain(self.secondary_private_ips.iter().copied())
    }
}

/// Whose an interface is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InterfaceType {
    /// A guest's.
    Interface,
    /// A NAT gateway's.
    NatGateway(NatGatewayName),
}

/// A public IPv4 address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicIp {
    /// The address as the internet sees it.
    pub address: Ipv4Addr,
    /// The elastic IP it is; none for one assigned automatically.
    pub eip: Option<EipName>,
}

/// Where an interface is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// The instance.
    pub instance: InstanceName,
    /// The slot; 0 is the primary interface.
    pub device_index: u8,
}

/// How long idle connections are remembered, in seconds (CT-11..CT-14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ConnectionTracking {
    /// An established TCP connection: 60 to 432,000.
    pub tcp_established_timeout: u32,
    /// UDP after more than one request and response: 60 to 180.
    pub udp_stream_timeout: u32,
    /// UDP one way, or a single request and response: 30 to 60.
    pub udp_timeout: u32,
}

impl Default for ConnectionTracking {
    fn default() -> Self {
        Self { tcp_established_timeout: 432_000, udp_stream_timeout: 180, udp_timeout: 30 }
    }
}

/// An instance: a guest with one interface or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// Its interfaces by device index; index 0 is the primary one.
    pub network_interfaces: BTreeMap<u8, NetworkInterfaceName>,
    /// Labels.
    pub tags: Tags,
}

/// An elastic IP address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Eip {
    /// The address.
    pub public_ip: Ipv4Addr,
    /// The interface and private address it stands for.
    pub association: Option<EipAssociation>,
    /// Labels.
    pub tags: Tags,
}

/// What an elastic IP stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EipAssociation {
    /// The interface.
    pub network_interface: NetworkInterfaceName,
    /// Its private address.
    pub private_ip: Ipv4Addr,
}

/// A host outside AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InternetHost {
    /// Its public IPv4 address.
    pub address: Option<Ipv4Addr>,
    /// Its public IPv6 address.
    pub ipv6_address: Option<Ipv6Addr>,
    /// Labels.
    pub tags: Tags,
}

fn serialize_mac<S: serde::Serializer>(mac: &[u8; 6], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!(
        "{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
        mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]
    ))
}
