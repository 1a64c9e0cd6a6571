//! What does AWS have that this version stores and does not model?
//!
//! A resource of such a kind is valid in a document, listed like any other, and puts its interfaces into subnets, so that
//! filters, addresses and references hold. What it does to packets is unknown: no answer that depends on it is a yes or
//! a no. One line in [`NOT_MODELLED`] is all that such a kind needs.

use crate::name::fingerprint;

/// A kind of resource that is stored and not modelled.
#[derive(Debug, PartialEq, Eq)]
pub struct NotModelledKind {
    /// The plural key in a topology document and in the API's paths.
    pub plural: &'static str,
    /// The noun used in sentences.
    pub noun: &'static str,
    /// The prefix of ids, and of the names of the interfaces that it puts into subnets.
    pub id_prefix: &'static str,
    /// AWS's code for a reference that does not resolve.
    pub not_found: &'static str,
    /// What is not modelled, in a sentence.
    pub reason: &'static str,
    /// The interfaces that it puts into its subnets.
    pub puts: Puts,
}

/// Which interfaces a resource puts into its subnets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Puts {
    /// None.
    Nothing,
    /// One into each subnet, with its security groups, or the VPC's default one.
    WithGroups,
    /// One into each subnet. Application and classic load balancers have groups by default, network ones only where some
    /// are named (LB-09), gateway ones none.
    ByLoadBalancerType,
    /// One into each subnet, which no group filters (GWLB-17).
    WithoutGroups,
}

impl NotModelledKind {
    /// The kind with this key.
    pub fn of(plural: &str) -> Option<&'static Self> {
        NOT_MODELLED.iter().find(|kind| kind.plural == plural)
    }

    /// The id of the resource `name`: prefix and 17 lower-case hexadecimal digits, as those of other kinds.
    pub fn id(&self, name: &str) -> String {
        format!("{}-{:017x}", self.id_prefix, fingerprint(self.id_prefix, name) & ((1 << 68) - 1))
    }
}

const fn kind(
    plural: &'static str,
    noun: &'static str,
    id_prefix: &'static str,
    not_found: &'static str,
    puts: Puts,
    reason: &'static str,
) -> NotModelledKind {
    NotModelledKind { plural, noun, id_prefix, not_found, reason, puts }
}

/// The key of the resources that may close a VPC to the internet (BPA-01).
pub const BLOCK_PUBLIC_ACCESS: &str = "vpc_block_public_access_options";
/// The key of the resources that make multicast possible.
pub const MULTICAST_DOMAINS: &str = "transit_gateway_multicast_domains";
/// The key of load balancers.
pub const LOAD_BALANCERS: &str = "load_balancers";
/// The key of load balancers' listeners.
pub const LISTENERS: &str = "listeners";
/// The key of Client VPN endpoints.
pub const CLIENT_VPN_ENDPOINTS: &str = "client_vpn_endpoints";
/// The key of firewalls, whose endpoints routes can lead to.
pub const NETWORK_FIREWALLS: &str = "network_firewalls";

/// Every such kind.
pub const NOT_MODELLED: &[NotModelledKind] = &[
    kind(
        LOAD_BALANCERS,
        "load balancer",
        "elb",
        "LoadBalancerNotFound",
        Puts::ByLoadBalancerType,
        "what a load balancer accepts, which target it chooses and how it asks it is not modelled; ask about the way to \
         one of its interfaces, and about the way from it to a target",
    ),
    kind(
        LISTENERS,
        "listener",
        "lsn",
        "ListenerNotFound",
        Puts::Nothing,
        "what a load balancer's listener does is not modelled",
    ),
    kind(
        "target_groups",
        "target group",
        "tg",
        "TargetGroupNotFound",
        Puts::Nothing,
        "which target of a group is chosen is not modelled",
    ),
    kind(
        "vpc_endpoint_services",
        "endpoint service",
        "vpce-svc",
        "InvalidVpcEndpointServiceId.NotFound",
        Puts::Nothing,
        "the load balancers behind an endpoint service are not modelled",
    ),
    kind(
        CLIENT_VPN_ENDPOINTS,
        "Client VPN endpoint",
        "cvpn-endpoint",
        "InvalidClientVpnEndpointId.NotFound",
        Puts::WithGroups,
        "who a Client VPN endpoint lets in, and to where, is not modelled",
    ),
    kind(
        BLOCK_PUBLIC_ACCESS,
        "Block Public Access option",
        "vpc-bpa",
        "InvalidParameterValue",
        Puts::Nothing,
        "what Block Public Access leaves of the traffic through internet gateways is not modelled",
    ),
    kind(
        "vpc_block_public_access_exclusions",
        "Block Public Access exclusion",
        "vpcbpa-exclude",
        "InvalidParameterValue",
        Puts::Nothing,
        "what Block Public Access excludes is not modelled",
    ),
    kind(
        NETWORK_FIREWALLS,
        "network firewall",
        "firewall",
        "ResourceNotFoundException",
        Puts::WithoutGroups,
        "what a network firewall lets pass is not modelled",
    ),
    kind(
        "carrier_gateways",
        "carrier gateway",
        "cagw",
        "InvalidCarrierGatewayID.NotFound",
        Puts::Nothing,
        "carrier networks are not modelled",
    ),
    kind(
        "core_networks",
        "core network",
        "core-network",
        "InvalidCoreNetworkArn.NotFound",
        Puts::Nothing,
        "Cloud WAN is not modelled",
    ),
    kind(
        "local_gateways",
        "local gateway",
        "lgw",
        "InvalidLocalGatewayID.NotFound",
        Puts::Nothing,
        "the networks behind an Outpost's local gateway are not modelled",
    ),
    kind(
        "odb_networks",
        "ODB network",
        "odbnet",
        "InvalidOdbNetworkId.NotFound",
        Puts::Nothing,
        "the databases behind an ODB network are not modelled",
    ),
    kind(
        "transit_gateway_connects",
        "transit gateway Connect attachment",
        "tgw-attach",
        "InvalidTransitGatewayAttachmentID.NotFound",
        Puts::Nothing,
        "what lies behind a Connect attachment is not modelled",
    ),
    kind(
        "transit_gateway_connect_peers",
        "transit gateway Connect peer",
        "tgw-connect-peer",
        "InvalidTransitGatewayConnectPeerID.NotFound",
        Puts::Nothing,
        "what lies behind a Connect peer is not modelled",
    ),
    kind(
        MULTICAST_DOMAINS,
        "transit gateway multicast domain",
        "tgw-mcast-domain",
        "InvalidTransitGatewayMulticastDomainId.NotFound",
        Puts::Nothing,
        "who gets a multicast packet is not modelled",
    ),
    kind(
        "transit_gateway_policy_tables",
        "transit gateway policy table",
        "tgw-ptb",
        "InvalidTransitGatewayPolicyTableId.NotFound",
        Puts::Nothing,
        "policy tables of transit gateways are not modelled",
    ),
    kind(
        "global_accelerators",
        "accelerator",
        "accelerator",
        "AcceleratorNotFoundException",
        Puts::Nothing,
        "what comes in by an accelerator is not modelled",
    ),
];
