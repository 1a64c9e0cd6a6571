//! Which attributes of Terraform's change no packet?
//!
//! People paste what they have. These are taken as they are written, stay in the document and do nothing.

use crate::name::{Kind, kind};

/// The attributes by the key of their kind.
const STORED: &[(&str, &[&str])] = &[
    (
        kind::Vpc::PLURAL,
        &[
            "enable_dns_support",
            "enable_dns_hostnames",
            "enable_network_address_usage_metrics",
            "instance_tenancy",
        ],
    ),
    (
        kind::Subnet::PLURAL,
        &[
            "enable_dns64",
            "private_dns_hostname_type_on_launch",
            "enable_resource_name_dns_a_record_on_launch",
            "enable_resource_name_dns_aaaa_record_on_launch",
        ],
    ),
    (kind::VpcPeeringConnection::PLURAL, &["accepter", "requester"]),
    (kind::TransitGateway::PLURAL, &["description"]),
    (kind::ManagedPrefixList::PLURAL, &["name", "description"]),
    (kind::SecurityGroup::PLURAL, &["name_prefix", "revoke_rules_on_delete"]),
    (kind::NetworkInterface::PLURAL, &["description"]),
    (
        kind::Instance::PLURAL,
        &[
            "ami",
            "instance_type",
            "key_name",
            "user_data",
            "user_data_base64",
            "user_data_replace_on_change",
            "iam_instance_profile",
            "tenancy",
            "monitoring",
            "ebs_optimized",
            "disable_api_termination",
            "metadata_options",
            "root_block_device",
            "ebs_block_device",
        ],
    ),
    (kind::Eip::PLURAL, &["domain", "vpc"]),
    (
        kind::VpnConnection::PLURAL,
        &[
            "tunnel1_preshared_key",
            "tunnel2_preshared_key",
            "tunnel1_ike_versions",
            "tunnel2_ike_versions",
            "tunnel1_startup_action",
            "tunnel2_startup_action",
        ],
    ),
    (kind::DxPrivateVirtualInterface::PLURAL, VIRTUAL_INTERFACE),
    (kind::DxTransitVirtualInterface::PLURAL, VIRTUAL_INTERFACE),
];

const VIRTUAL_INTERFACE: &[&str] = &[
    "name",
    "connection_id",
    "vlan",
    "address_family",
    "amazon_address",
    "customer_address",
    "bgp_auth_key",
];

/// What a resource of kind `K` may say to no effect.
pub(super) fn of<K: Kind>() -> &'static [&'static str] {
    STORED.iter().find(|(plural, _)| *plural == K::PLURAL).map_or(&[], |(_, attributes)| attributes)
}
