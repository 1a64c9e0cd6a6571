//! Which attributes of Terraform refer to other resources, and to which?

/// Attributes with the ids of what AWS makes with a resource.
pub(super) const MADE_WITH: &[&str] = &[
    "default_security_group_id",
    "default_network_acl_id",
    "default_route_table_id",
    "main_route_table_id",
    "association_default_route_table_id",
    "propagation_default_route_table_id",
    "prefix_list_id",
    "cluster_security_group_id",
];

/// Whether an attribute of a type has the id of the resource itself.
pub(super) fn is_own(of_type: &str, attribute: &str) -> bool {
    matches!(attribute, "id" | "arn") || of_itself(of_type, attribute)
}

pub(super) fn of_itself(of_type: &str, attribute: &str) -> bool {
    match attribute {
        "allocation_id" => of_type == "aws_eip",
        "primary_network_interface_id" => of_type == "aws_instance",
        "transit_gateway_attachment_id" => {
            matches!(of_type, "aws_vpn_connection" | "aws_dx_gateway_association")
        }
        "name" => {
            of_type.ends_with("subnet_group")
                || matches!(of_type, "aws_launch_configuration" | "aws_eks_cluster")
        }
        "cluster_identifier" => of_type.ends_with("_cluster"),
        "identifier" => of_type == "aws_db_instance",
        _ => false,
    }
}

/// Whether an attribute refers to other resources.
pub(super) fn refers(key: &str) -> bool {
    let words = [
        "subnets",
        "security_groups",
        "instance",
        "network_interface",
        "propagating_vgws",
        "vpc_zone_identifier",
        "client_subnets",
        "db_subnet_group_name",
        "subnet_group_name",
        "cluster_subnet_group_name",
        "launch_configuration",
        "cache_subnet_group_name",
        "neptune_subnet_group_name",
        "source_security_group",
        "cluster_identifier",
        "cluster_name",
        "replicate_source_db",
    ];
    let endings = ["_id", "_ids", "_arn", "_arns"];
    let is_own =
        matches!(key, "owner_id" | "availability_zone_id" | "peer_owner_id" | "kms_key_id" | "account_id");
    !is_own && (words.contains(&key) || endings.iter().any(|ending| key.ends_with(ending)))
}

/// Whether an attribute is a list.
pub(super) fn is_list(key: &str) -> bool {
    ["_ids", "_arns", "subnets", "security_groups", "_vgws", "vpc_zone_identifier"]
        .iter()
        .any(|end| key.ends_with(end))
}

/// Whether a text is an id or an ARN of AWS's.
pub(super) fn is_id(text: &str) -> bool {
    let of_hex = |digits: &str| digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.starts_with("arn:aws")
        || text.rsplit_once('-').is_some_and(|(prefix, digits)| !prefix.is_empty() && of_hex(digits))
}

/// The types that an attribute can refer to.
pub(super) fn could_be(key: &str) -> Option<&'static [&'static str]> {
    Some(match key {
        "vpc_id" => &["aws_vpc"],
        "subnet_id" | "subnet_ids" | "subnets" | "vpc_zone_identifier" => &["aws_subnet"],
        "gateway_id" => &["aws_internet_gateway"],
        "nat_gateway_id" => &["aws_nat_gateway"],
        "route_table_id" | "route_table_ids" => &["aws_route_table", "awscc_ec2_route_table"],
        "security_group_id" | "security_groups" | "security_group_ids" | "vpc_security_group_ids" => {
            &["aws_security_group"]
        }
        "allocation_id" => &["aws_eip"],
        "transit_gateway_id" => &["aws_ec2_transit_gateway"],
        "transit_gateway_route_table_id" => &["aws_ec2_transit_gateway_route_table"],
        "network_acl_id" => &["aws_network_acl"],
        "dx_gateway_id" => &["aws_dx_gateway"],
        "customer_gateway_id" => &["aws_customer_gateway"],
        "vpn_gateway_id" => &["aws_vpn_gateway"],
        _ => return None,
    })
}

/// Words in the names of attributes of a service that say where its interfaces are, whom they let in and how they are
/// reached. One that is not read is told.
pub(super) const OF_INTERFACES: &[&str] = &[
    "subnet",
    "security_group",
    "vpc",
    "public",
    "network",
    "cidr",
    "interface",
    "ip_address",
    "ipv6",
    "private_ip",
];

/// Attributes with such a word that change no packet of the interfaces, or that AWS shows of them.
pub(super) const OF_INTERFACES_QUIET: &[&str] = &[
    "bootstrap_brokers_public_sasl_iam",
    "bootstrap_brokers_public_sasl_scram",
    "bootstrap_brokers_public_tls",
    "bootstrap_brokers_vpc_connectivity_sasl_iam",
    "bootstrap_brokers_vpc_connectivity_sasl_scram",
    "bootstrap_brokers_vpc_connectivity_tls",
    "cluster_public_key",
    "cluster_security_group_id",
    "database_vpc_endpoint_service",
    "endpoint_ip_address_range",
    "endpoint_ipv6_address_range",
    "endpoint_public_access",
    "enforce_security_group_inbound_rules_on_private_link_traffic",
    "enhanced_vpc_routing",
    "kubernetes_network_config",
    "network_interface_id",
    "network_interface_ids",
    "preferred_subnet_id",
    "public_access_cidrs",
    "public_project_alias",
    "replication_instance_private_ips",
    "replication_instance_public_ips",
    "security_group_id",
    "source_security_group",
    "source_security_group_id",
    "vpc_endpoint_id",
    "vpc_id",
    "webserver_vpc_endpoint_service",
    "workspace_security_group_id",
];
