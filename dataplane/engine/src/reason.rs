//! Why did a packet die?
//!
//! A [`DropReason`] carries who decided and by which rule. The counter, the log line, the explanation and the test read
//! this one value, so they cannot tell different stories.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use vpclab_wire::{Malformed, Untranslatable};

use crate::fabric::Direction;
use crate::index::{
    AttachmentIdx, CustomerNetworkIdx, EgressOnlyIdx, EniIdx, HostIdx, InternetGatewayIdx, LinkIdx,
    NatGatewayIdx, NetworkAclIdx, NotModelledIdx, PeeringIdx, RouteTableIdx, SubnetIdx, TransitIdx,
    TransitTableIdx, VpcEndpointIdx, VpcIdx, VpnGatewayIdx,
};
use crate::plan::Egress;
use crate::step::NatSide;

/// Why a packet is discarded, silently unless said otherwise (PIPE-09).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DropReason {
    /// The frame could not be understood.
    #[error("malformed frame: {0}")]
    Malformed(Malformed),
    /// The source hardware address is not the sender's own.
    #[error("the source hardware address is not the interface's own")]
    SpoofedMac,
    /// No interface of the subnet has the destination hardware address.
    #[error("no interface of the subnet has the destination hardware address")]
    UnknownMac,
    /// Broadcast is not supported (L2-01).
    #[error("broadcast is not supported")]
    Broadcast,
    /// Multicast needs a transit gateway's multicast domain (L2-02).
    #[error("multicast is not supported in a VPC")]
    Multicast,
    /// A link-local address does not leave its link.
    #[error("a link-local address is not forwarded")]
    LinkLocal,
    /// An ARP or neighbour discovery message that asks for nothing the platform knows (L2-05, L2-06).
    #[error("nobody to answer for in this address resolution message")]
    UnansweredResolution,
    /// A service of the platform that this version does not model.
    #[error("{0} is not modelled")]
    ServiceNotModelled(Service),
    /// A resource that is stored and not modelled has a say in what becomes of the packet.
    #[error("what becomes of it here is not modelled")]
    NotModelled(NotModelledIdx),
    /// What came out of a gateway in a subnet, and would be sent back into it by a middlebox: AWS calls what then happens
    /// unpredictable (RT-55). Explanations alone have this reason; packets take the routes.
    #[error(
        "AWS does not say what becomes of what a middlebox sends back to the subnet of the gateway it came from"
    )]
    SteeredBack {
        /// The subnet.
        subnet: SubnetIdx,
    },
    /// The source/destination check refused a foreign address (L2-12, L2-13).
    #[error("source/destination check")]
    SourceDestCheck {
        /// The interface.
        eni: EniIdx,
        /// Outbound: the source is foreign. Inbound: the destination is.
        direction: Direction,
    },
    /// No rule of the interface's groups allows the packet (SG-01).
    #[error("no security group rule allows it")]
    SecurityGroup {
        /// The interface.
        eni: EniIdx,
        /// Whose rules: towards or away from the interface.
        direction: Direction,
        /// Whether the groups have any rule in that direction.
        has_rules: bool,
        /// Whether a rule refers to a group of whoever has the source: a middlebox has forwarded the packet, and
        /// references look at nothing that it forwards (SG-13).
        lost_reference: bool,
    },
    /// A network ACL denies the packet (NACL-01, NACL-02).
    #[error("network ACL denies it")]
    NetworkAcl {
        /// The ACL.
        network_acl: NetworkAclIdx,
        /// The subnet at whose edge it was asked.
        subnet: SubnetIdx,
        /// Into or out of the subnet.
        direction: Direction,
        /// The entry; none stands for the final `*`.
        rule: Option<u16>,
    },
    /// No route matches (RT-29).
    #[error("no route to the destination")]
    NoRoute {
        /// The table.
        route_table: RouteTableIdx,
    },
    /// The longest matching route is a blackhole (RT-26).
    #[error("the route is a blackhole")]
    Blackhole {
        /// The table.
        route_table: RouteTableIdx,
        /// The route's destination.
        destination: IpNet,
    },
    /// A destination that routes never serve, such as 169.254.168.0/22 (RT-13, RT-14).
    #[error("the destination is reserved and never routed")]
    ReservedDestination,
    /// The destination lies in the VPC and nobody has it.
    #[error("no interface of the VPC has the destination address")]
    NoSuchAddress {
        /// The VPC.
        vpc: VpcIdx,
        /// The address.
        address: IpAddr,
    },
    /// The interface is attached to no instance.
    #[error("the interface is not attached to an instance")]
    NotAttached {
        /// The interface.
        eni: EniIdx,
    },
    /// The instance of the interface is stopped.
    #[error("the instance is stopped")]
    InstanceStopped {
        /// The interface.
        eni: EniIdx,
    },
    /// The guest is handed a packet that is not its own and does not forward.
    #[error("the guest does not forward")]
    NotForwarded {
        /// The interface by which it got the packet.
        eni: EniIdx,
    },
    /// A gateway's route table leads to a middlebox that has no public address (RT-39).
    #[error("the middlebox has no public address")]
    MiddleboxNotPublic {
        /// The middlebox's interface.
        eni: EniIdx,
    },
    /// The subnet's packets from the internet go to a middlebox, so that it cannot send there past it (RT-40).
    #[error("the way in leads through a middlebox, so the direct way out is closed")]
    RedirectedSubnet {
        /// The gateway.
        gateway: InternetGatewayIdx,
        /// The subnet.
        subnet: SubnetIdx,
        /// The middlebox's interface.
        middlebox: EniIdx,
    },
    /// The sender has no public address (IGW-04), or sends from an IPv6 address that is none (IGW-10, IGW-14).
    #[error("the source has no public address")]
    NoPublicAddress {
        /// The gateway.
        gateway: InternetGatewayIdx,
        /// The interface that owns the source.
        eni: EniIdx,
        /// The source, if it is IPv6, which no gateway translates.
        ipv6: Option<Ipv6Addr>,
    },
    /// The source belongs to no interface of the VPC (IGW-10).
    #[error("the source belongs to no interface of the VPC")]
    SpoofedSource {
        /// The gateway.
        gateway: InternetGatewayIdx,
    },
    /// A private destination at the internet gateway (IGW-06).
    #[error("the internet gateway does not forward to RFC 1918 addresses")]
    PrivateDestination {
        /// The gateway.
        gateway: InternetGatewayIdx,
    },
    /// A destination in 100.64.0.0/10 at the internet gateway (IGW-07).
    #[error("the internet gateway does not forward to 100.64.0.0/10")]
    SharedDestination {
        /// The gateway.
        gateway: InternetGatewayIdx,
    },
    /// A destination that no host of the public internet can have, such as loopback or a unique local address.
    #[error("the internet has no route to {address}")]
    NonPublicDestination {
        /// The address.
        address: IpAddr,
    },
    /// TCP to port 25 of a public IPv4 address, which AWS blocks until asked (L2-24).
    #[error("AWS blocks outbound TCP to port 25")]
    OutboundSmtp,
    /// A private source from the internet (IGW-08).
    #[error("the internet gateway does not accept RFC 1918 sources")]
    PrivateSource,
    /// A source in 100.64.0.0/10 from the internet (IGW-08).
    #[error("the internet gateway does not accept sources in 100.64.0.0/10")]
    SharedSource,
    /// A host of the internet uses a source that is not its own.
    #[error("the source is not the internet host's own")]
    ForeignSource,
    /// A public address that stands for nobody (IGW-09).
    #[error("the public address belongs to no attached interface")]
    NoPublicMapping {
        /// The address.
        address: IpAddr,
    },
    /// The interface has no public address for the internet to reach it by (IGW-09).
    #[error("the interface has no public address")]
    NoPublicAddressForIngress {
        /// The interface.
        eni: EniIdx,
    },
    /// An answer would reach somebody other than who asked, or him by another address of his than he asked from.
    #[error("the answer reaches somebody else than who asked")]
    Misdelivered {
        /// Who gets it; none if a router takes it for its own.
        reached: Option<Egress>,
    },
    /// An answer reaches who asked, and comes from another address than was asked: no socket of his takes it.
    #[error("the answer comes from {from}, which is not the address that was asked")]
    AnsweredFromElsewhere {
        /// The source that it arrives with.
        from: IpAddr,
    },
    /// An IPv4 packet at an egress-only internet gateway, or one whose source is no public address (IGW-22).
    #[error("an egress-only internet gateway forwards public IPv6 only")]
    EgressOnlyIpv6 {
        /// The gateway.
        gateway: EgressOnlyIdx,
    },
    /// A packet from the internet that belongs to no flow opened from inside (IGW-22).
    #[error("it belongs to no flow that was opened from inside")]
    EgressOnlyUnsolicited {
        /// The gateway.
        gateway: EgressOnlyIdx,
    },
    /// A NAT gateway translates TCP, UDP and ICMP (NAT-03).
    #[error("a NAT gateway translates TCP, UDP and ICMP only")]
    NatProtocol {
        /// The gateway.
        gateway: NatGatewayIdx,
    },
    /// IPv6 at a NAT gateway, to a destination outside 64:ff9b::/96 (NAT-32).
    #[error("a NAT gateway translates IPv6 to 64:ff9b::/96 only")]
    NatIpv6 {
        /// The gateway.
        gateway: NatGatewayIdx,
    },
    /// A packet that has no counterpart in the other address family (RFC 7915).
    #[error("{0}")]
    Untranslatable(Untranslatable),
    /// A fragment of TCP or ICMP at a NAT gateway (NAT-09).
    #[error("a NAT gateway does not forward fragments of TCP or ICMP")]
    NatFragment {
        /// The gateway.
        gateway: NatGatewayIdx,
    },
    /// No flow of the gateway's (NAT-10, NAT-11, NAT-12).
    #[error("the NAT gateway has no such flow")]
    NatNoMapping {
        /// The gateway.
        gateway: NatGatewayIdx,
        /// Whose packet it is.
        side: NatSide,
    },
    /// A connection to the NAT gateway from a peer or over a private link (NAT-15, NAT-45).
    #[error("a connection through the NAT gateway must start inside its VPC")]
    NatForeignClient {
        /// The gateway.
        gateway: NatGatewayIdx,
    },
    /// All addresses of the gateway serve as many flows to the destination as they may (NAT-04).
    #[error("the NAT gateway has no port left for this destination")]
    NatPortAllocation {
        /// The gateway.
        gateway: NatGatewayIdx,
    },
    /// The gateway has failed (NAT-16).
    #[error("the NAT gateway has failed")]
    NatUnavailable {
        /// The gateway.
        gateway: NatGatewayIdx,
    },
    /// The endpoint is not available (EPI-17).
    #[error("the VPC endpoint is not available")]
    EndpointUnavailable {
        /// The endpoint.
        endpoint: VpcEndpointIdx,
    },
    /// A protocol that the endpoint does not forward (EPG-07, EPI-03, EPI-11).
    #[error("the VPC endpoint does not forward this protocol")]
    EndpointProtocol {
        /// The endpoint.
        endpoint: VpcEndpointIdx,
        /// Whether it is a gateway endpoint.
        by_route: bool,
    },
    /// A packet at a gateway endpoint that comes from outside its VPC (EPG-09).
    #[error("a gateway endpoint serves the interfaces of its VPC only")]
    EndpointForeignClient {
        /// The endpoint.
        endpoint: VpcEndpointIdx,
    },
    /// A source outside the prefix list of the endpoint's service (EPG-07).
    #[error("the source is not in the prefix list of the endpoint's service")]
    EndpointSource {
        /// The endpoint.
        endpoint: VpcEndpointIdx,
    },
    /// Nobody has this address of the service's ranges.
    #[error("the service has no host at {address}")]
    NoSuchServiceAddress {
        /// The endpoint.
        endpoint: VpcEndpointIdx,
        /// The address.
        address: IpAddr,
    },
    /// The endpoint knows no such flow, or has none any more (EPG-08).
    #[error("the VPC endpoint has no such flow")]
    EndpointNoFlow {
        /// The endpoint.
        endpoint: VpcEndpointIdx,
    },
    /// The target of the service has as many flows as it may (EPS-06).
    #[error("the VPC endpoint has no port left for this target")]
    EndpointPortAllocation {
        /// The endpoint.
        endpoint: VpcEndpointIdx,
    },
    /// An endpoint opens no connection (EPI-13).
    #[error("a VPC endpoint opens no connection into its own VPC")]
    EndpointInitiates {
        /// The endpoint.
        endpoint: VpcEndpointIdx,
    },
    /// A service opens no connection to its clients (EPI-04).
    #[error("a service opens no connection into its clients' VPCs")]
    EndpointUnsolicited {
        /// The service.
        host: HostIdx,
    },
    /// The connection is not active (PCX-11, PCX-22).
    #[error("the VPC peering connection is not active")]
    PeeringInactive {
        /// The connection.
        peering: PeeringIdx,
    },
    /// The destination lies outside the VPC at the other end (PCX-07..PCX-09).
    #[error("the destination lies outside the VPC at the other end of the peering connection")]
    PeeringForeignDestination {
        /// The connection.
        peering: PeeringIdx,
        /// The VPC at the other end.
        vpc: VpcIdx,
    },
    /// The packet came into the VPC by a transit gateway, and would only pass through (PCX-07, PCX-08).
    #[error("the packet came by a transit gateway, and a peering connection takes only what its VPC sends")]
    PeeringForeignSource {
        /// The connection.
        peering: PeeringIdx,
        /// The VPC that the packet would leave.
        vpc: VpcIdx,
    },
    /// No subnet of the VPC's attachment lies in the zone of the packet's (TGW-13).
    #[error("the transit gateway is not attached in this availability zone")]
    TransitZone {
        /// The attachment.
        attachment: AttachmentIdx,
        /// The subnet that the packet is in.
        subnet: SubnetIdx,
    },
    /// The attachment has no route table (TGW-02).
    #[error("the attachment is associated with no transit gateway route table")]
    TransitNotAssociated {
        /// The attachment.
        attachment: AttachmentIdx,
    },
    /// No route of the transit gateway's table matches (TGW-41).
    #[error("the transit gateway has no route to the destination")]
    TransitNoRoute {
        /// The table.
        table: TransitTableIdx,
    },
    /// The longest matching route of the transit gateway's table is a blackhole (TGW-08).
    #[error("the transit gateway's route is a blackhole")]
    TransitBlackhole {
        /// The table.
        table: TransitTableIdx,
        /// The route's destination.
        destination: IpNet,
    },
    /// Larger than an attachment allows (TGW-25).
    #[error("larger than the transit gateway's {mtu} bytes")]
    TransitMtuExceeded {
        /// The limit in bytes of IP packet.
        mtu: u16,
    },
    /// Time to live, or hop limit, ran out at the transit gateway (TGW-42).
    #[error("time to live exceeded at the transit gateway")]
    TransitTtlExpired {
        /// The gateway.
        gateway: TransitIdx,
    },
    /// A packet for an address of the transit gateway's own interfaces.
    #[error("a transit gateway's interface takes no packets for itself")]
    TransitInterface {
        /// The interface.
        eni: EniIdx,
    },
    /// Time to live, or hop limit, ran out at a gateway that is a hop (OQ-22).
    #[error("time to live exceeded")]
    TtlExpired,
    /// No internet host has the address.
    #[error("no internet host has the address")]
    NoSuchInternetHost,
    /// A source that belongs to no attached interface of the VPC, or a packet that only wants to pass through it (VGW-02).
    #[error("the virtual private gateway takes only what interfaces of its VPC send as their own")]
    VpnGatewayForeignSource {
        /// The gateway.
        gateway: VpnGatewayIdx,
    },
    /// A destination that belongs to no attached interface of the VPC (VGW-02, VGW-03).
    #[error("the virtual private gateway refuses a destination that belongs to no interface of its VPC")]
    VpnGatewayForeignDestination {
        /// The gateway.
        gateway: VpnGatewayIdx,
    },
    /// Nothing that the gateway has learnt leads to the destination (VGW-03).
    #[error("the virtual private gateway has learnt no route to the destination")]
    VpnGatewayNoRoute {
        /// The gateway.
        gateway: VpnGatewayIdx,
    },
    /// What came by a virtual interface would leave by one of the same Direct Connect gateway (DX-06).
    #[error("a Direct Connect gateway forwards nothing from one virtual interface to another")]
    DxGatewayHairpin {
        /// The gateway's attachment to a transit gateway.
        attachment: AttachmentIdx,
    },
    /// Nothing at AWS's end of the link leads to the destination (DX-06, DX-07).
    #[error("no gateway at the end of the private link announces the destination")]
    PrivateLinkNoRoute {
        /// The link.
        link: LinkIdx,
    },
    /// Both tunnels of the connection are down, or the virtual interface is.
    #[error("the private link is down")]
    PrivateLinkDown {
        /// The link.
        link: LinkIdx,
    },
    /// The topology declares no network at the customer's end of the link.
    #[error("no customer network is declared at the end of the private link")]
    UndeclaredCustomerNetwork {
        /// The link.
        link: LinkIdx,
    },
    /// The customer network knows no way to the destination.
    #[error("the customer network has no route to the destination")]
    CustomerNoRoute {
        /// The network.
        network: CustomerNetworkIdx,
    },
    /// No declared host of the customer network has the address.
    #[error("no host of the customer network has the address")]
    NoSuchCustomerHost {
        /// The network.
        network: CustomerNetworkIdx,
        /// The address.
        address: IpAddr,
    },
    /// Larger than the path allows and not to be fragmented (MTU-05).
    #[error("larger than the path's {mtu} bytes and not to be fragmented")]
    MtuExceeded {
        /// The path's limit in bytes of IP packet.
        mtu: u16,
    },
    /// A TCP packet in the middle of nothing, and the lab says drop (CT-19).
    #[error("it belongs to no tracked TCP connection and opens none")]
    MidStreamTcp {
        /// The interface.
        eni: EniIdx,
    },
    /// The instance tracks as many connections as it may (CT-15).
    #[error("the instance tracks as many connections as it may")]
    ConnectionLimit {
        /// The interface that saw the packet.
        eni: EniIdx,
    },
    /// The lab's flow memory is full.
    #[error("flow memory is full")]
    FlowMemoryFull,
    /// A later fragment whose first one has not been seen.
    #[error("a later fragment came before its first one")]
    FragmentWithoutFirst,
    /// Fragments overlap (RFC 5722, RFC 1858).
    #[error("fragments overlap")]
    OverlappingFragment,
    /// The packet went from place to place too often.
    #[error("forwarding loop")]
    ForwardingLoop,
    /// Flow memory changed between decision and commit, more often than is tried again.
    #[error("flow memory changed under the decision")]
    Stale,
}

/// What an answer depends on, and the engine does not model or the topology does not declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unmodelled {
    /// A service of the platform.
    Service(Service),
    /// A resource of the topology.
    Resource(NotModelledIdx),
    /// What AWS calls unpredictable: a middlebox sends what a gateway sent back into this subnet of the gateway (RT-55).
    SteeredBack(SubnetIdx),
    /// Who is at the customer's end of a link: the topology declares no network there.
    CustomerNetwork(LinkIdx),
    /// Whether the customer network has a host with this address: the topology declares none.
    CustomerHost(CustomerNetworkIdx, IpAddr),
    /// Whether the endpoint's service has a host with this address of its ranges: the topology declares none.
    ServiceAddress(VpcEndpointIdx, IpAddr),
}

impl DropReason {
    /// What is not modelled or not declared, where the packet dies for that: nobody can say that AWS would drop it.
    pub fn unmodelled(&self) -> Option<Unmodelled> {
        match *self {
            Self::ServiceNotModelled(service) => Some(Unmodelled::Service(service)),
            Self::NotModelled(resource) => Some(Unmodelled::Resource(resource)),
            Self::SteeredBack { subnet } => Some(Unmodelled::SteeredBack(subnet)),
            Self::UndeclaredCustomerNetwork { link } => Some(Unmodelled::CustomerNetwork(link)),
            Self::NoSuchCustomerHost { network, address } => Some(Unmodelled::CustomerHost(network, address)),
            Self::NoSuchServiceAddress { endpoint, address } => {
                Some(Unmodelled::ServiceAddress(endpoint, address))
            }
            _ => None,
        }
    }
}

/// A service of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// The Amazon DNS resolver.
    Resolver,
    /// DHCP.
    Dhcp,
    /// Instance metadata.
    Metadata,
    /// Amazon Time Sync.
    TimeSync,
    /// Another link-local service.
    OtherLinkLocal,
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Resolver => "the Amazon DNS resolver",
            Self::Dhcp => "DHCP",
            Self::Metadata => "instance metadata",
            Self::TimeSync => "Amazon Time Sync",
            Self::OtherLinkLocal => "this link-local service",
        })
    }
}

/// Gives each kind of reason, except what is malformed, its two names, and lists them.
macro_rules! names {
    ($($reason:pat => $name:literal, $code:literal;)*) => {
        impl DropReason {
            /// Every name with its code. The many ways of being malformed have the code `MALFORMED`.
            pub const NAMES: &[(&'static str, &'static str)] = &[$(($name, $code)),*];

            /// The name of the counter, in kebab case.
            pub fn name(&self) -> &'static str {
                match self {
                    Self::Malformed(malformed) => malformed.reason(),
                    $($reason => $name,)*
                }
            }

            /// The code that AWS Reachability Analyzer publishes for the situation (RA-C01..RA-C89), our own where it
            /// has none.
            pub fn code(&self) -> &'static str {
                match self {
                    Self::Malformed(_) => "MALFORMED",
                    $($reason => $code,)*
                }
            }
        }
    };
}

names! {
    Self::SpoofedMac => "spoofed-mac", "SPOOFED_MAC";
    Self::UnknownMac => "unknown-mac", "UNKNOWN_MAC";
    Self::Broadcast => "broadcast", "BROADCAST_NOT_SUPPORTED";
    Self::Multicast => "multicast", "MULTICAST_NOT_SUPPORTED";
    Self::LinkLocal => "link-local", "LINK_LOCAL_NOT_ROUTED";
    Self::UnansweredResolution => "unanswered-resolution", "UNANSWERED_RESOLUTION";
    Self::ServiceNotModelled(_) => "service-not-modelled", "NOT_MODELLED";
    Self::NotModelled(_) => "not-modelled", "NOT_MODELLED";
    Self::SteeredBack { .. } => "steered-back", "NOT_MODELLED";
    Self::SourceDestCheck { .. } => "source-dest-check", "ENI_SOURCE_DEST_CHECK_RESTRICTION";
    Self::SecurityGroup { lost_reference: true, .. } => "security-group", "SG_REFERENCES_NOT_PRESERVED";
    Self::SecurityGroup { has_rules: true, .. } => "security-group", "ENI_SG_RULES_MISMATCH";
    Self::SecurityGroup { has_rules: false, .. } => "security-group", "SG_HAS_NO_RULES";
    Self::NetworkAcl { .. } => "network-acl", "SUBNET_ACL_RESTRICTION";
    Self::NoRoute { .. } => "no-route", "NO_ROUTE_TO_DESTINATION";
    Self::Blackhole { .. } => "blackhole", "BAD_STATE_ROUTE";
    Self::ReservedDestination => "reserved-destination", "RESERVED_DESTINATION";
    Self::NoSuchAddress { .. } => "no-such-address", "NO_POSSIBLE_DESTINATION";
    Self::NotAttached { .. } => "not-attached", "BAD_STATE_ATTACHMENT";
    Self::InstanceStopped { .. } => "instance-stopped", "BAD_STATE";
    Self::NotForwarded { .. } => "not-forwarded", "GUEST_DOES_NOT_FORWARD";
    Self::MiddleboxNotPublic { .. } => "middlebox-not-public", "INGRESS_RTB_NO_PUBLIC_IP";
    Self::RedirectedSubnet { .. } => "redirected-subnet", "INGRESS_RTB_TRAFFIC_REDIRECTION";
    Self::NoPublicAddress { .. } => "no-public-address", "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS";
    Self::SpoofedSource { .. } => "spoofed-source", "GATEWAY_REJECTS_SPOOFED_TRAFFIC";
    Self::PrivateDestination { .. } => "private-destination", "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS";
    Self::SharedDestination { .. } => "shared-destination", "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS";
    Self::NonPublicDestination { .. } => "non-public-destination", "DESTINATION_NOT_PUBLIC";
    Self::OutboundSmtp => "outbound-smtp", "OUTBOUND_SMTP_BLOCKED";
    Self::PrivateSource => "private-source", "IGW_SOURCE_ADDRESS_NOT_IN_RFC1918_INGRESS";
    Self::SharedSource => "shared-source", "IGW_SOURCE_ADDRESS_NOT_IN_RFC6598_INGRESS";
    Self::ForeignSource => "foreign-source", "FOREIGN_SOURCE";
    Self::NoPublicMapping { .. } => "no-public-mapping", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS";
    Self::NoPublicAddressForIngress { .. } => "no-public-address-for-ingress", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS";
    Self::Misdelivered { .. } => "misdelivered", "MISDELIVERED";
    Self::AnsweredFromElsewhere { .. } => "answered-from-elsewhere", "ANSWERED_FROM_ELSEWHERE";
    Self::EgressOnlyIpv6 { .. } => "egress-only-ipv6", "EGRESS_ONLY_INTERNET_GATEWAY_IPV6_ONLY";
    Self::EgressOnlyUnsolicited { .. } => "egress-only-unsolicited", "EGRESS_ONLY_INTERNET_GATEWAY_INGRESS";
    Self::NatProtocol { .. } => "nat-protocol", "PROTOCOL_RESTRICTION";
    Self::NatIpv6 { .. } => "nat-ipv6", "PROTOCOL_RESTRICTION";
    Self::Untranslatable(_) => "untranslatable", "UNTRANSLATABLE";
    Self::NatFragment { .. } => "nat-fragment", "NGW_FRAGMENT_RESTRICTION";
    Self::NatNoMapping { .. } => "nat-no-mapping", "NGW_NO_MAPPING";
    Self::NatForeignClient { .. } => "nat-foreign-client", "NGW_REQUIRES_SOURCE_IN_VPC";
    Self::NatPortAllocation { .. } => "nat-port-allocation", "NGW_ERROR_PORT_ALLOCATION";
    Self::NatUnavailable { .. } => "nat-unavailable", "BAD_STATE";
    Self::EndpointUnavailable { .. } => "endpoint-unavailable", "BAD_STATE";
    Self::EndpointProtocol { by_route: true, .. } => "endpoint-protocol", "VPCE_GATEWAY_PROTOCOL_RESTRICTION";
    Self::EndpointProtocol { by_route: false, .. } => "endpoint-protocol", "PROTOCOL_RESTRICTION";
    Self::EndpointForeignClient { .. } => "endpoint-foreign-client", "VPCE_REQUIRES_SOURCE_IN_VPC";
    Self::EndpointSource { .. } => "endpoint-source", "VPCE_GATEWAY_EGRESS_SOURCE_ADDRESS_RESTRICTION";
    Self::NoSuchServiceAddress { .. } => "no-such-service-address", "NO_POSSIBLE_DESTINATION";
    Self::EndpointNoFlow { .. } => "endpoint-no-flow", "VPCE_NO_FLOW";
    Self::EndpointPortAllocation { .. } => "endpoint-port-allocation", "VPCE_PORT_ALLOCATION_ERROR";
    Self::EndpointInitiates { .. } => "endpoint-initiates", "VPCE_INTRA_VPC_TRAFFIC";
    Self::EndpointUnsolicited { .. } => "endpoint-unsolicited", "VPCE_INTRA_VPC_TRAFFIC";
    Self::PeeringInactive { .. } => "peering-inactive", "BAD_STATE";
    Self::PeeringForeignDestination { .. } => "peering-foreign-destination", "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR";
    Self::PeeringForeignSource { .. } => "peering-foreign-source", "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR";
    Self::TransitZone { .. } => "transit-gateway-zone", "TGW_ROUTE_AZ_RESTRICTION";
    Self::TransitNotAssociated { .. } => "transit-gateway-not-associated", "TGW_ATTACH_MISSING_TGW_RTB_ASSOCIATION";
    Self::TransitNoRoute { .. } => "packets-lost-no-route", "TGW_RTB_NO_ROUTE_TO_TGW_ATTACHMENT";
    Self::TransitBlackhole { .. } => "packets-lost-blackhole", "TGW_RTB_BAD_STATE_ROUTE";
    Self::TransitMtuExceeded { .. } => "packets-lost-mtu-exceeded", "MTU_EXCEEDED";
    Self::TransitTtlExpired { .. } => "packets-lost-ttl-expired", "TTL_EXPIRED";
    Self::TransitInterface { .. } => "transit-gateway-interface", "NO_POSSIBLE_DESTINATION";
    Self::TtlExpired => "ttl-expired", "TTL_EXPIRED";
    Self::NoSuchInternetHost => "no-such-internet-host", "NO_POSSIBLE_DESTINATION";
    Self::VpnGatewayForeignSource { .. } => "vpn-gateway-foreign-source", "VGW_PRIVATE_IP_ASSOCIATION_FOR_EGRESS";
    Self::VpnGatewayForeignDestination { .. } => "vpn-gateway-foreign-destination", "VGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS";
    Self::VpnGatewayNoRoute { .. } => "vpn-gateway-no-route", "NO_ROUTE_TO_DESTINATION";
    Self::DxGatewayHairpin { .. } => "dx-gateway-hairpin", "DXGW_NO_PATH_BETWEEN_VIRTUAL_INTERFACES";
    Self::PrivateLinkNoRoute { .. } => "private-link-no-route", "NO_ROUTE_TO_DESTINATION";
    Self::PrivateLinkDown { .. } => "private-link-down", "BAD_STATE";
    Self::UndeclaredCustomerNetwork { .. } => "undeclared-customer-network", "NO_POSSIBLE_DESTINATION";
    Self::CustomerNoRoute { .. } => "customer-no-route", "NO_ROUTE_TO_DESTINATION";
    Self::NoSuchCustomerHost { .. } => "no-such-customer-host", "NO_POSSIBLE_DESTINATION";
    Self::MtuExceeded { .. } => "mtu-exceeded", "MTU_EXCEEDED";
    Self::MidStreamTcp { .. } => "mid-stream-tcp", "MID_STREAM_TCP";
    Self::ConnectionLimit { .. } => "conntrack-allowance-exceeded", "CONNTRACK_ALLOWANCE_EXCEEDED";
    Self::FlowMemoryFull => "flow-memory-full", "FLOW_MEMORY_FULL";
    Self::FragmentWithoutFirst => "fragment-without-first", "FRAGMENT_WITHOUT_FIRST";
    Self::OverlappingFragment => "overlapping-fragment", "OVERLAPPING_FRAGMENT";
    Self::ForwardingLoop => "forwarding-loop", "FORWARDING_LOOP";
    Self::Stale => "stale", "STALE";
}
