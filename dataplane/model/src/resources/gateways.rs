//! Gateways between a VPC and elsewhere, and VPC peering connections.

use serde::Serialize;

use crate::name::{NetworkInterfaceName, SubnetName, VpcName};
use crate::resources::Labels;

/// An internet gateway (area IGW).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InternetGateway {
    /// The VPC it is attached to, at most one (IGW-03).
    pub vpc: Option<VpcName>,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
}

/// An egress-only internet gateway (area IGW).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EgressOnlyInternetGateway {
    /// The VPC it is attached to.
    pub vpc: VpcName,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
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
    /// For how many seconds flows of a secondary address go on once that is taken away, 1 to 4000 (NAT-21).
    pub max_drain_duration_seconds: u32,
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
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
    /// Labels, and whether all is known of it.
    #[serde(flatten)]
    pub labels: Labels,
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
