//! What does AWS's documentation leave open or to the account, and what do we choose?
//!
//! Each setting answers one open question of the behaviour register, with the default it recommends, or says what AWS
//! has granted the account. A lab that must hold under either answer can be run with both.

use serde::Serialize;

/// The choices of one lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// What becomes of a TCP packet that opens nothing and belongs to no remembered connection (CT-19, OQ-31).
    pub mid_stream_tcp: MidStreamTcp,
    /// How long a TCP connection is remembered before it is established, in seconds (CT-22, OQ-14).
    pub tcp_opening_timeout: u32,
    /// How long a TCP connection is remembered after FIN or RST, in seconds (CT-22, OQ-14).
    pub tcp_closing_timeout: u32,
    /// How long an ICMP exchange is remembered, in seconds (OQ-14).
    pub icmp_timeout: u32,
    /// Whether network ACLs are asked about a packet that is sent to the router although its destination lies in the
    /// sender's own subnet (PIPE-16, OQ-16).
    pub network_acl_within_subnet_via_router: bool,
    /// Whether a transit gateway tells the sender of a packet that is too large, when it came in by a VPC attachment
    /// (TGW-26, OQ-06).
    pub transit_gateway_path_mtu_discovery: bool,
    /// Connections remembered at most for the interfaces of one instance, together (CT-15). AWS publishes no figure.
    pub connection_limit_per_instance: u32,
    /// Whether routes to an interface of a stopped instance are black holes (OQ-27).
    pub stopped_instance_blackhole: bool,
    /// Whether a local route decides for the destinations inside it that a virtual private gateway propagates, although
    /// those are more specific (RT-08, OQ-13).
    pub local_routes_over_propagated: bool,
    /// The largest packet that a gateway endpoint forwards, in bytes: AWS gives 8500 for "a VPC endpoint" without naming
    /// kinds (EPG-17).
    pub gateway_endpoint_mtu: u16,
    /// Which rules of a network ACL count together towards their quota, in each direction (NACL-16, OQ-02).
    pub network_acl_quota_counts: NetworkAclQuota,
    /// The largest IP packet that a peering connection between regions takes, in bytes (PCX-18, OQ-07).
    pub inter_region_peering_mtu: u16,
    /// What becomes of TCP to port 25 of public IPv4 addresses (L2-24). AWS lifts the block on request.
    pub outbound_smtp: OutboundSmtp,
}

/// Which rules of a network ACL count together towards their quota, in each direction (NACL-16, OQ-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkAclQuota {
    /// The user's rules of each family.
    EachFamily,
    /// The same with the final `*`, which each family has.
    EachFamilyAndDefaultRule,
    /// The user's rules of both families.
    BothFamilies,
}

/// What becomes of TCP to port 25 of public IPv4 addresses (L2-24).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboundSmtp {
    /// It is dropped on its way out, whatever rules say.
    Blocked,
    /// It is traffic like any other.
    Allowed,
}

/// What becomes of a TCP packet in the middle of a connection that is not remembered (CT-19, OQ-31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MidStreamTcp {
    /// The rules of its direction decide, and it is remembered from then on.
    Track,
    /// It is dropped.
    Drop,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mid_stream_tcp: MidStreamTcp::Track,
            tcp_opening_timeout: 60,
            tcp_closing_timeout: 60,
            icmp_timeout: 30,
            network_acl_within_subnet_via_router: false,
            transit_gateway_path_mtu_discovery: true,
            connection_limit_per_instance: 1_000_000,
            stopped_instance_blackhole: true,
            local_routes_over_propagated: true,
            gateway_endpoint_mtu: 8500,
            network_acl_quota_counts: NetworkAclQuota::EachFamily,
            inter_region_peering_mtu: 8500,
            outbound_smtp: OutboundSmtp::Blocked,
        }
    }
}
