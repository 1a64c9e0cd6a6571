//! What other services put into subnets: load balancers, databases, containers, functions, caches, file systems.

use serde_json::{Map, Value, json};

use crate::estate::Estate;
use crate::mapping::Mapping;
use crate::properties::Given;
use crate::report::{Fate, NoteKind};
use crate::terraform::references::Resource;
use crate::terraform::scaling::{Places, put_each};
use crate::terraform::{Facts, begin, end, lost, part_of};
use crate::val::Val;

/// Where a type says its subnets and its security groups: attributes, perhaps of a block.
#[derive(Debug)]
struct Place {
    of_type: &'static str,
    block: &'static str,
    subnets: &'static str,
    groups: &'static str,
    /// The attribute that gives it public addresses.
    public: &'static str,
}

const fn place(
    of_type: &'static str,
    block: &'static str,
    subnets: &'static str,
    groups: &'static str,
    public: &'static str,
) -> Place {
    Place { of_type, block, subnets, groups, public }
}

const PLACES: &[Place] = &[
    place("aws_ecs_service", "network_configuration", "subnets", "security_groups", "assign_public_ip"),
    place("aws_lambda_function", "vpc_config", "subnet_ids", "security_group_ids", ""),
    place("aws_eks_cluster", "vpc_config", "subnet_ids", "security_group_ids", ""),
    place("aws_eks_node_group", "", "subnet_ids", "", ""),
    place("aws_eks_fargate_profile", "", "subnet_ids", "", ""),
    place("aws_opensearch_domain", "vpc_options", "subnet_ids", "security_group_ids", ""),
    place("aws_elasticsearch_domain", "vpc_options", "subnet_ids", "security_group_ids", ""),
    place("aws_msk_cluster", "broker_node_group_info", "client_subnets", "security_groups", ""),
    place("aws_msk_serverless_cluster", "vpc_config", "subnet_ids", "security_group_ids", ""),
    place("aws_mq_broker", "", "subnet_ids", "security_groups", "publicly_accessible"),
    place("aws_mwaa_environment", "network_configuration", "subnet_ids", "security_group_ids", ""),
    place("aws_codebuild_project", "vpc_config", "subnets", "security_group_ids", ""),
    place("aws_apprunner_vpc_connector", "", "subnets", "security_groups", ""),
    place("aws_batch_compute_environment", "compute_resources", "subnets", "security_group_ids", ""),
    place("aws_apigatewayv2_vpc_link", "", "subnet_ids", "security_group_ids", ""),
    place("aws_directory_service_directory", "vpc_settings", "subnet_ids", "", ""),
    place("aws_efs_mount_target", "", "subnet_id", "security_groups", ""),
    place("aws_fsx_lustre_file_system", "", "subnet_ids", "security_group_ids", ""),
    place("aws_fsx_windows_file_system", "", "subnet_ids", "security_group_ids", ""),
    place("aws_fsx_ontap_file_system", "", "subnet_ids", "security_group_ids", ""),
    place("aws_fsx_openzfs_file_system", "", "subnet_ids", "security_group_ids", ""),
    place("aws_elasticache_serverless_cache", "", "subnet_ids", "security_group_ids", ""),
    place("aws_sagemaker_notebook_instance", "", "subnet_id", "security_groups", ""),
    place("aws_sagemaker_domain", "", "subnet_ids", "", ""),
    place(
        "aws_glue_connection",
        "physical_connection_requirements",
        "subnet_id",
        "security_group_id_list",
        "",
    ),
    place("aws_transfer_server", "endpoint_details", "subnet_ids", "security_group_ids", ""),
    place("aws_cloud9_environment_ec2", "", "subnet_id", "", ""),
    place("aws_workspaces_directory", "", "subnet_ids", "", ""),
    place("aws_emr_cluster", "ec2_attributes", "subnet_id", "", ""),
    place("aws_redshiftserverless_workgroup", "", "subnet_ids", "security_group_ids", "publicly_accessible"),
    place("aws_db_proxy", "", "vpc_subnet_ids", "vpc_security_group_ids", ""),
    place("aws_cloudhsm_v2_cluster", "", "subnet_ids", "", ""),
    place("aws_ec2_instance_connect_endpoint", "", "subnet_id", "security_group_ids", ""),
];

/// Types that name a subnet group, with the attribute, and that of the security groups.
const GROUPED: &[Place] = &[
    place("aws_db_instance", "", "db_subnet_group_name", "vpc_security_group_ids", "publicly_accessible"),
    place("aws_rds_cluster", "", "db_subnet_group_name", "vpc_security_group_ids", ""),
    place("aws_docdb_cluster", "", "db_subnet_group_name", "vpc_security_group_ids", ""),
    place("aws_neptune_cluster", "", "neptune_subnet_group_name", "vpc_security_group_ids", ""),
    place(
        "aws_redshift_cluster",
        "",
        "cluster_subnet_group_name",
        "vpc_security_group_ids",
        "publicly_accessible",
    ),
    place("aws_elasticache_cluster", "", "subnet_group_name", "security_group_ids", ""),
    place("aws_elasticache_replication_group", "", "subnet_group_name", "security_group_ids", ""),
    place("aws_memorydb_cluster", "", "subnet_group_name", "security_group_ids", ""),
    place("aws_dax_cluster", "", "subnet_group_name", "security_group_ids", ""),
    place(
        "aws_dms_replication_instance",
        "",
        "replication_subnet_group_id",
        "vpc_security_group_ids",
        "publicly_accessible",
    ),
];

pub(super) fn is_service(of_type: &str) -> bool {
    PLACES.iter().chain(GROUPED).any(|place| place.of_type == of_type)
}

/// One end in each subnet.
pub(super) fn service(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silence();
    if let Some(place) = GROUPED.iter().find(|place| place.of_type == resource.of_type) {
        return grouped(mapping, resource, facts, place);
    }
    let Some(place) = PLACES.iter().find(|place| place.of_type == resource.of_type) else { return };
    let block = match place.block {
        "" => Some(Val::Map(resource.values.clone())),
        block => match resource.values.get(block) {
            Some(Val::List(blocks)) => blocks.first().cloned(),
            Some(unknown @ Val::Unknown(_)) => Some(unknown.clone()),
            _ => None,
        },
    };
    let block = match block {
        Some(Val::Unknown(unknown)) => {
            mapping.matters(place.block, &unknown);
            let nothing = Val::Unknown(unknown);
            let places = Places::of(&mut mapping, resource, place.subnets, &nothing);
            return put_each(mapping, resource, places);
        }
        Some(block) => block,
        None => return mapping.finish(Fate::NotNetwork),
    };
    let subnets = block.get(place.subnets).cloned().unwrap_or(Val::Null);
    if subnets.is_empty() {
        // Outside every VPC, or where its own network is used.
        return mapping.finish(Fate::NotNetwork);
    }
    groups(&mut mapping, place.groups, block.get(place.groups));
    let public = block.text_of(place.public).is_some_and(|word| word == "true");
    mapping.write("associate_public_ip_address", public);
    if resource.of_type == "aws_efs_mount_target" {
        mapping
            .attributes
            .extend(resource.text("ip_address").map(|address| ("private_ip".to_owned(), json!(address))));
    }
    let places = Places::of(&mut mapping, resource, place.subnets, &subnets);
    put_each(mapping, resource, places);
}

/// Security groups, of which AWS takes the VPC's default one where none is named.
fn groups(mapping: &mut Mapping<'_>, key: &str, value: Option<&Val>) {
    let by = mapping.by.clone();
    match value {
        _ if key.is_empty() => mapping.doubt("the service makes its security groups itself"),
        Some(Val::List(items)) if !items.is_empty() => {
            let names: Vec<String> = items.iter().filter_map(Val::text).collect();
            if let Some(unknown) = items.iter().find_map(Val::first_unknown) {
                mapping.doubt(format!("{key} is not all known: {}", unknown.why));
            }
            names.iter().for_each(|name| drop(mapping.estate.refer("security_groups", name, &by)));
            if !names.is_empty() {
                mapping.write("security_groups", names);
            }
        }
        Some(Val::Unknown(unknown)) => mapping.doubt(format!("{key} is not known: {}", unknown.why)),
        Some(Val::Name(named)) => mapping.write("security_groups", vec![named.name.clone()]),
        _ => {}
    }
}

fn grouped(mut mapping: Mapping<'_>, resource: &Resource, facts: &Facts<'_>, place: &Place) {
    groups(&mut mapping, place.groups, resource.values.get(place.groups));
    let public = resource.text(place.public).as_deref() == Some("true");
    mapping.write("associate_public_ip_address", public);
    let name = resource.values.get(place.subnets).filter(|name| !name.is_empty());
    let is_it = |group: &&Resource| {
        let named = |text: &str| {
            group.name == text
                || [group.text("name"), group.text("id"), group.text("replication_subnet_group_id")]
                    .iter()
                    .any(|own| own.as_deref() == Some(text))
        };
        group.of_type.ends_with("subnet_group") && name.and_then(Val::text).is_some_and(|text| named(&text))
    };
    let found = facts.all.resources.iter().find(is_it);
    let nothing = Val::unknown("the subnet group is in no source");
    let subnets = match (name, found) {
        (_, Some(group)) => group.values.get("subnet_ids").cloned().unwrap_or(Val::Null),
        (Some(unknown @ Val::Unknown(_)), None) => unknown.clone(),
        (Some(name), None) if name.text().as_deref() != Some("default") => nothing,
        _ => Val::Null,
    };
    let candidates = found.and_then(|group| group.candidates.get("subnet_ids")).cloned().unwrap_or_default();
    let places = Places::among(&mut mapping, resource, "subnet_ids", &subnets, &candidates);
    put_each(mapping, resource, places);
}

/// What is a part of a cluster: its interfaces are the cluster's.
pub(super) fn member(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silence();
    mapping.finish(Fate::NotNetwork);
}

pub(super) fn load_balancer(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let internal = mapping.properties.boolean("internal") == Given::Known(true);
    let subnets = mapping.properties.take("subnets").filter(|subnets| !subnets.is_empty());
    let mut mappings = Vec::new();
    if let Given::Known(blocks) = mapping.properties.maps("subnet_mapping") {
        for mut block in blocks {
            block.silent(&["allocation_id", "outpost_id", "ipv6_address", "source_nat_ipv6_prefix"]);
            let mut one = Map::new();
            if let Given::Known(subnet) = block.text("subnet_id") {
                let by = mapping.by.clone();
                one.insert("subnet".to_owned(), mapping.estate.refer("subnets", &subnet, &by));
            }
            if let Given::Known(address) = block.text("private_ipv4_address")
                && !address.is_empty()
            {
                one.insert("private_ipv4_address".to_owned(), json!(address));
            }
            if one.contains_key("subnet") {
                mappings.push(Value::Object(one));
            }
            mapping.properties.finish_inner(block);
        }
    }
    if mappings.is_empty() {
        let places = Places::of(&mut mapping, resource, "subnets", subnets.unwrap_or(&Val::Null));
        mapping.write("subnets", json!(places.names()));
    } else {
        mapping.write("subnet_mapping", mappings);
    }
    mapping.write("internal", internal);
    if let Given::Known(word) = mapping.properties.text("load_balancer_type")
        && !word.is_empty()
    {
        mapping.write("load_balancer_type", word);
    }
    let value = mapping.properties.take("security_groups");
    groups(&mut mapping, "security_groups", value);
    if let Given::Known(word) = mapping.properties.text("ip_address_type")
        && !word.is_empty()
    {
        mapping.write("ip_address_type", word);
    }
    mapping.properties.silence();
    end(mapping, "load_balancers", resource);
}

/// Classic load balancers cannot be declared: their interfaces are ends of which nothing more is known.
pub(super) fn classic(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silence();
    mapping.doubt("classic load balancers are not modelled");
    groups(&mut mapping, "security_groups", resource.values.get("security_groups"));
    mapping.write("associate_public_ip_address", resource.text("internal").as_deref() != Some("true"));
    let places = Places::read(&mut mapping, resource, "subnets");
    put_each(mapping, resource, places);
}

pub(super) fn listener(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.reference("load_balancer_arn", "load_balancer", "load_balancers");
    if let Given::Known(port) = mapping.properties.number("port") {
        mapping.write("port", port);
    }
    mapping.text("protocol", "protocol");
    mapping.properties.silence();
    if !mapping.attributes.contains_key("load_balancer") {
        return lost(mapping, "load_balancer_arn", "load_balancers", &["aws_lb", "aws_alb"], facts);
    }
    end(mapping, "listeners", resource);
}

pub(super) fn target_group(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    if let Given::Known(vpc) = mapping.name_of("vpc_id", "vpcs") {
        mapping.write("vpc", vpc);
    }
    if let Given::Known(port) = mapping.properties.number("port") {
        mapping.write("port", port);
    }
    for key in ["protocol", "target_type"] {
        if let Given::Known(word) = mapping.properties.text(key) {
            mapping.write(key, word);
        }
    }
    mapping.properties.silence();
    end(mapping, "target_groups", resource);
}

pub(super) fn target(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silence();
    let by = mapping.by.clone();
    let group = mapping.name_of("target_group_arn", "target_groups");
    match (group, mapping.properties.take("target_id")) {
        (Given::Known(group), Some(Val::Name(named))) => {
            let name = named.name.clone();
            let is_kept = matches!(
                named.of_type.as_str(),
                "aws_instance" | "aws_spot_instance_request" | "aws_lb" | "aws_alb"
            );
            if is_kept {
                mapping.estate.push("target_groups", &group, "targets", json!(name), &by);
            }
            part_of(mapping, "target_groups", &group);
        }
        (Given::Known(group), Some(Val::Text(target))) => {
            if target.parse::<std::net::IpAddr>().is_ok() {
                mapping.estate.push("target_groups", &group, "targets", json!(target), &by);
            }
            part_of(mapping, "target_groups", &group);
        }
        (Given::Known(group), _) => {
            mapping.note(NoteKind::Approximated, "which target it is is not known");
            part_of(mapping, "target_groups", &group);
        }
        _ => lost(
            mapping,
            "target_group_arn",
            "target_groups",
            &["aws_lb_target_group", "aws_alb_target_group"],
            facts,
        ),
    }
}

/// Resources of kinds that are stored and not modelled.
pub(super) fn stored(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let kind = match resource.of_type.as_str() {
        "aws_vpc_endpoint_service" => "vpc_endpoint_services",
        "aws_networkfirewall_firewall" => "network_firewalls",
        "aws_ec2_carrier_gateway" => "carrier_gateways",
        "aws_networkmanager_core_network" => "core_networks",
        "aws_ec2_transit_gateway_connect" => "transit_gateway_connects",
        "aws_ec2_transit_gateway_connect_peer" => "transit_gateway_connect_peers",
        "aws_ec2_transit_gateway_multicast_domain" => "transit_gateway_multicast_domains",
        "aws_ec2_transit_gateway_policy_table" => "transit_gateway_policy_tables",
        "aws_globalaccelerator_accelerator" => "global_accelerators",
        "aws_ec2_client_vpn_endpoint" => "client_vpn_endpoints",
        "aws_vpc_block_public_access_options" => "vpc_block_public_access_options",
        _ => "vpc_block_public_access_exclusions",
    };
    let mut mapping = begin(resource, facts, estate);
    if let Given::Known(vpc) = mapping.name_of("vpc_id", "vpcs")
        && !vpc.is_empty()
    {
        mapping.write("vpc", vpc);
    }
    if let Given::Known(blocks) = mapping.properties.maps("subnet_mapping") {
        let mut subnets = Vec::new();
        for mut block in blocks {
            block.silent(&["ip_address_type"]);
            match block.text("subnet_id") {
                Given::Known(subnet) => {
                    let by = mapping.by.clone();
                    subnets.push(mapping.estate.refer("subnets", &subnet, &by));
                }
                Given::Unknown(unknown) => mapping.matters("subnet_mapping", &unknown),
                Given::Absent => {}
            }
            mapping.properties.finish_inner(block);
        }
        if !subnets.is_empty() {
            mapping.write("subnets", subnets);
        }
    }
    if kind == "client_vpn_endpoints" {
        mapping.references("security_group_ids", "security_groups", "security_groups");
        if mapping.attributes.get("security_groups").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            mapping.attributes.remove("security_groups");
        }
    }
    for key in ["internet_gateway_block_mode", "internet_gateway_exclusion_mode"] {
        if let Given::Known(word) = mapping.properties.text(key) {
            mapping.write(key, word);
        }
    }
    mapping.properties.silence();
    end(mapping, kind, resource);
}

/// Whom a Client VPN endpoint lets in, and where to: it is stored, and its inside is not modelled.
pub(super) fn client_vpn_part(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silent(&[
        "access_group_id",
        "authorize_all_groups",
        "description",
        "destination_cidr_block",
        "origin",
        "target_network_cidr",
        "target_vpc_subnet_id",
        "type",
    ]);
    match mapping.name_of("client_vpn_endpoint_id", "client_vpn_endpoints") {
        Given::Known(endpoint) => {
            mapping.note(NoteKind::Unknown, format!("it says more about {endpoint}, which is not modelled"));
            part_of(mapping, "client_vpn_endpoints", &endpoint);
        }
        _ => lost(
            mapping,
            "client_vpn_endpoint_id",
            "client_vpn_endpoints",
            &["aws_ec2_client_vpn_endpoint"],
            facts,
        ),
    }
}

/// A subnet of a Client VPN endpoint.
pub(super) fn client_vpn_association(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    mapping.properties.silence();
    let by = mapping.by.clone();
    match (
        mapping.name_of("client_vpn_endpoint_id", "client_vpn_endpoints"),
        mapping.name_of("subnet_id", "subnets"),
    ) {
        (Given::Known(endpoint), Given::Known(subnet)) => {
            mapping.estate.push("client_vpn_endpoints", &endpoint, "subnets", json!(subnet), &by);
            part_of(mapping, "client_vpn_endpoints", &endpoint);
        }
        _ => lost(
            mapping,
            "client_vpn_endpoint_id",
            "client_vpn_endpoints",
            &["aws_ec2_client_vpn_endpoint"],
            facts,
        ),
    }
}
