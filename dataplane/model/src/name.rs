//! What is a resource called?
//!
//! A [`Name`] is the word the user chose, tagged at compile time with the kind of resource it belongs to, so that a
//! subnet's name cannot be used to look up a route table. Every name also has an AWS-style id, derived from kind and
//! name alone: the same document always gives the same ids.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A kind of resource: how it is spelled in documents, in sentences and in ids.
pub trait Kind {
    /// The plural key in a topology document and in the API's paths, such as `route_tables`.
    const PLURAL: &'static str;
    /// The noun used in sentences, such as `route table`.
    const NOUN: &'static str;
    /// The prefix of ids of this kind, such as `rtb` (ERR-43).
    const ID_PREFIX: &'static str;
}

/// Declares the kinds: an uninhabited marker type for each, the alias of its name, and the list of their keys.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $alias:ident, $plural:literal, $noun:literal, $prefix:literal;)*) => {
        /// Marker types, one for each kind of resource.
        pub mod kind {
            $($(#[$doc])* #[derive(Debug)] pub enum $kind {})*
        }
        /// The keys of all kinds, in the order of [`crate::Topology`]'s fields: that in which they are told.
        pub const KINDS: &[&str] = &[$($plural),*];
        $(
            impl Kind for kind::$kind {
                const PLURAL: &'static str = $plural;
                const NOUN: &'static str = $noun;
                const ID_PREFIX: &'static str = $prefix;
            }
            $(#[$doc])*
            pub type $alias = Name<kind::$kind>;
        )*
    };
}

kinds! {
    /// A virtual private cloud.
    Vpc, VpcName, "vpcs", "VPC", "vpc";
    /// A subnet.
    Subnet, SubnetName, "subnets", "subnet", "subnet";
    /// A route table.
    RouteTable, RouteTableName, "route_tables", "route table", "rtb";
    /// An internet gateway.
    InternetGateway, InternetGatewayName, "internet_gateways", "internet gateway", "igw";
    /// An egress-only internet gateway.
    EgressOnlyInternetGateway, EgressOnlyInternetGatewayName, "egress_only_internet_gateways",
        "egress-only internet gateway", "eigw";
    /// A NAT gateway.
    NatGateway, NatGatewayName, "nat_gateways", "NAT gateway", "nat";
    /// A VPC peering connection.
    VpcPeeringConnection, VpcPeeringConnectionName, "vpc_peering_connections", "VPC peering connection", "pcx";
    /// A transit gateway.
    TransitGateway, TransitGatewayName, "transit_gateways", "transit gateway", "tgw";
    /// A VPC attached to a transit gateway.
    TransitGatewayVpcAttachment, TransitGatewayVpcAttachmentName, "transit_gateway_vpc_attachments",
        "transit gateway VPC attachment", "tgw-attach";
    /// Two transit gateways joined.
    TransitGatewayPeeringAttachment, TransitGatewayPeeringAttachmentName,
        "transit_gateway_peering_attachments", "transit gateway peering attachment", "tgw-attach";
    /// A route table of a transit gateway.
    TransitGatewayRouteTable, TransitGatewayRouteTableName, "transit_gateway_route_tables",
        "transit gateway route table", "tgw-rtb";
    /// A managed prefix list.
    ManagedPrefixList, ManagedPrefixListName, "managed_prefix_lists", "managed prefix list", "pl";
    /// A network ACL.
    NetworkAcl, NetworkAclName, "network_acls", "network ACL", "acl";
    /// A security group.
    SecurityGroup, SecurityGroupName, "security_groups", "security group", "sg";
    /// An elastic network interface.
    NetworkInterface, NetworkInterfaceName, "network_interfaces", "network interface", "eni";
    /// An instance.
    Instance, InstanceName, "instances", "instance", "i";
    /// An elastic IP address.
    Eip, EipName, "eips", "elastic IP address", "eipalloc";
    /// A host outside AWS with public addresses.
    InternetHost, InternetHostName, "internet_hosts", "internet host", "host";
    /// A VPC endpoint.
    VpcEndpoint, VpcEndpointName, "vpc_endpoints", "VPC endpoint", "vpce";
    /// A service that VPC endpoints lead to.
    Service, ServiceName, "services", "service", "svc";
    /// A virtual private gateway.
    VpnGateway, VpnGatewayName, "vpn_gateways", "virtual private gateway", "vgw";
    /// A customer gateway: the user's end of VPN connections.
    CustomerGateway, CustomerGatewayName, "customer_gateways", "customer gateway", "cgw";
    /// A VPN connection.
    VpnConnection, VpnConnectionName, "vpn_connections", "VPN connection", "vpn";
    /// A Direct Connect gateway.
    DxGateway, DxGatewayName, "dx_gateways", "Direct Connect gateway", "dxgw";
    /// A gateway of AWS at a Direct Connect gateway.
    DxGatewayAssociation, DxGatewayAssociationName, "dx_gateway_associations", "Direct Connect gateway association", "dxassoc";
    /// A private virtual interface of Direct Connect.
    DxPrivateVirtualInterface, DxPrivateVirtualInterfaceName, "dx_private_virtual_interfaces", "private virtual interface", "dxvif";
    /// A transit virtual interface of Direct Connect.
    DxTransitVirtualInterface, DxTransitVirtualInterfaceName, "dx_transit_virtual_interfaces", "transit virtual interface", "dxtvif";
    /// A network of the user's own, at the other end of private links.
    CustomerNetwork, CustomerNetworkName, "customer_networks", "customer network", "cnet";
    /// A host in a customer network.
    CustomerHost, CustomerHostName, "customer_hosts", "customer host", "chost";
}

/// The name of a resource of kind `K`, unique within its kind.
pub struct Name<K> {
    text: Arc<str>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Name<K> {
    /// The name `text`.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), kind: PhantomData }
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<K: Kind> Name<K> {
    /// The id AWS would show for this resource: prefix and 17 lower-case hexadecimal digits (ERR-43).
    pub fn id(&self) -> String {
        format!("{}-{:017x}", K::ID_PREFIX, self.fingerprint() & ((1 << 68) - 1))
    }

    /// 128 bits that depend on kind and name only (FNV-1a), the source of ids and of hardware addresses.
    pub fn fingerprint(&self) -> u128 {
        fingerprint(K::ID_PREFIX, &self.text)
    }
}

/// 128 bits that depend on the prefix of a kind's ids and a name only (FNV-1a).
pub(crate) fn fingerprint(prefix: &str, name: &str) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    prefix
        .bytes()
        .chain([0])
        .chain(name.bytes())
        .fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

/// The name of a host outside every VPC, with its kind. No two hosts have the same name, whatever their kinds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostName {
    /// A host of the internet.
    Internet(InternetHostName),
    /// A host in a customer network.
    Customer(CustomerHostName),
    /// A service that VPC endpoints lead to.
    Service(ServiceName),
}

impl HostName {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Internet(name) => name.as_str(),
            Self::Customer(name) => name.as_str(),
            Self::Service(name) => name.as_str(),
        }
    }

    /// The id of [`Name::id`].
    pub fn id(&self) -> String {
        match self {
            Self::Internet(name) => name.id(),
            Self::Customer(name) => name.id(),
            Self::Service(name) => name.id(),
        }
    }

    /// The fingerprint of [`Name::fingerprint`].
    pub fn fingerprint(&self) -> u128 {
        match self {
            Self::Internet(name) => name.fingerprint(),
            Self::Customer(name) => name.fingerprint(),
            Self::Service(name) => name.fingerprint(),
        }
    }

    /// The noun used in sentences.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Internet(_) => kind::InternetHost::NOUN,
            Self::Customer(_) => kind::CustomerHost::NOUN,
            Self::Service(_) => kind::Service::NOUN,
        }
    }

    /// The kind as answers name it: `internet_host`, `customer_host`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Internet(_) => "internet_host",
            Self::Customer(_) => "customer_host",
            Self::Service(_) => "service",
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// Written by hand, as derives would ask the marker types to implement the traits too.

impl<K> Clone for Name<K> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), kind: PhantomData }
    }
}

impl<K> PartialEq for Name<K> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<K> Eq for Name<K> {}

impl<K> PartialOrd for Name<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Name<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl<K> Hash for Name<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl<K> std::borrow::Borrow<str> for Name<K> {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl<K> fmt::Debug for Name<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl<K> fmt::Display for Name<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl<K> Serialize for Name<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_prefix_of_their_kind_and_17_hex_digits() {
        let id = VpcName::new("shop").id();
        assert_eq!(id.len(), "vpc-".len() + 17);
        assert!(
            id.starts_with("vpc-") && id[4..].chars().all(|c| c.is_ascii_hexdigit() && !c.is_uppercase())
        );
    }

    #[test]
    fn the_same_word_gives_different_ids_in_different_kinds() {
        assert_ne!(VpcName::new("shop").fingerprint(), SubnetName::new("shop").fingerprint());
    }
}
