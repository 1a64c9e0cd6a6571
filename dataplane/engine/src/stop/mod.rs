//! Where can a packet be on its walk? One module for each place.

pub(crate) mod customer;
pub(crate) mod edge;
pub(crate) mod egress_only;
pub(crate) mod endpoint;
pub(crate) mod interface;
pub(crate) mod internet;
pub(crate) mod mtu;
pub(crate) mod nat;
pub(crate) mod network_acl;
pub(crate) mod peering;
pub(crate) mod private_link;
pub(crate) mod security_group;
pub(crate) mod subnet;
pub(crate) mod transit;
pub(crate) mod vpn_gateway;
