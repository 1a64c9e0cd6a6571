//! What do other services put into subnets: containers, functions, brokers, file systems?

use serde_json::{Value, json};

use crate::estate::Estate;
use crate::mapping::Mapping;
use crate::properties::Given;
use crate::report::{Fate, NoteKind};
use crate::services::Public;
use crate::terraform::references::Resource;
use crate::terraform::scaling::{Places, from_template, of_block, put_each};
use crate::terraform::words::{OF_INTERFACES, OF_INTERFACES_QUIET};
use crate::terraform::{Facts, begin, end, families, lost, part_of, rest};
use crate::val::Val;

/// Where a type says its subnets and its security groups: attributes, perhaps of a block.
#[derive(Debug)]
pub(super) struct Place {
    pub of_type: &'static str,
    /// The blocks that lead there, with dots between them.
    pub block: &'static str,
    pub subnets: &'static str,
    pub groups: &'static str,
    /// The attribute that gives it public addresses.
    pub public: &'static str,
}

pub(super) const fn place(
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
    place("aws_emr_cluster", "ec2_attributes", "subnet_ids", "", ""),
    place("aws_emr_studio", "", "subnet_ids", "engine_security_group_id", ""),
    place("aws_emrserverless_application", "network_configuration", "subnet_ids", "security_group_ids", ""),
    place("aws_synthetics_canary", "vpc_config", "subnet_ids", "security_group_ids", ""),
    place("aws_sagemaker_model", "vpc_config", "subnets", "security_group_ids", ""),
    place("aws_quicksight_vpc_connection", "", "subnet_ids", "security_group_ids", ""),
    place("aws_imagebuilder_infrastructure_configuration", "", "subnet_id", "security_group_ids", ""),
    place(FIREHOSE, "opensearch_configuration.vpc_config", "subnet_ids", "security_group_ids", ""),
    place(FIREHOSE, "opensearchserverless_configuration.vpc_config", "subnet_ids", "security_group_ids", ""),
    place(FIREHOSE, "elasticsearch_configuration.vpc_config", "subnet_ids", "security_group_ids", ""),
    place("aws_prometheus_scraper", "source.eks", "subnet_ids", "security_group_ids", ""),
    place(
        "aws_kinesisanalyticsv2_application",
        "application_configuration.vpc_configuration",
        "subnet_ids",
        "security_group_ids",
        "",
    ),
    place("aws_codebuild_fleet", "vpc_config", "subnets", "security_group_ids", ""),
    place("aws_ecs_task_set", "network_configuration", "subnets", "security_groups", "assign_public_ip"),
    place("aws_opensearchserverless_vpc_endpoint", "", "subnet_ids", "security_group_ids", ""),
    place("aws_vpclattice_resource_gateway", "", "subnet_ids", "security_group_ids", ""),
    place(APPSTREAM[0], "vpc_config", "subnet_ids", "security_group_ids", ""),
    place(APPSTREAM[1], "vpc_config", "subnet_ids", "security_group_ids", ""),
    place("aws_redshiftserverless_workgroup", "", "subnet_ids", "security_group_ids", "publicly_accessible"),
    place("aws_db_proxy", "", "vpc_subnet_ids", "vpc_security_group_ids", ""),
    place("aws_cloudhsm_v2_cluster", "", "subnet_ids", "", ""),
    place("aws_ec2_instance_connect_endpoint", "", "subnet_id", "security_group_ids", ""),
];

const FIREHOSE: &str = "aws_kinesis_firehose_delivery_stream";

/// These say beside their block whether they have public addresses.
const APPSTREAM: [&str; 2] = ["aws_appstream_fleet", "aws_appstream_image_builder"];

/// What stands in the first of each of the blocks on a path, or the first of them that is not known.
fn inside_of(values: &Val, path: &str) -> Option<Val> {
    if path.is_empty() {
        return Some(values.clone());
    }
    let mut at = values.clone();
    for key in path.split('.') {
        at = match at.get(key) {
            Some(Val::List(blocks)) => blocks.first().cloned()?,
            Some(unknown @ Val::Unknown(_)) => unknown.clone(),
            _ => return None,
        };
        if matches!(at, Val::Unknown(_)) {
            break;
        }
    }
    Some(at)
}

/// The place of a type that a resource uses: of those that are written, else the first.
fn place_of(resource: &Resource, values: &Val) -> Option<&'static Place> {
    let of_type = || PLACES.iter().filter(|place| place.of_type == resource.of_type);
    let is_used = |place: &&Place| match inside_of(values, place.block) {
        Some(Val::Unknown(_)) => true,
        Some(block) => block.get(place.subnets).is_some_and(|subnets| !subnets.is_empty()),
        None => false,
    };
    of_type().find(is_used).or_else(|| of_type().next())
}

pub(super) fn is_service(of_type: &str) -> bool {
    PLACES.iter().any(|place| place.of_type == of_type)
}

/// One end in each subnet.
pub(super) fn service(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let values = Val::Map(resource.values.clone());
    let Some(place) = place_of(resource, &values) else { return };
    let first = place.block.split('.').next().unwrap_or_default();
    rest(&mut mapping, &[first, place.subnets, place.groups, place.public]);
    if resource.of_type == "aws_efs_mount_target" {
        mapping.properties.silent(&["ip_address"]);
    }
    let block = inside_of(&values, place.block);
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
    let is_by_default = IN_DEFAULT_VPC.contains(&place.of_type)
        && !(resource.text("engine_type").is_some_and(|engine| engine.eq_ignore_ascii_case("RabbitMQ"))
            && resource.text(place.public).as_deref() == Some("true"));
    if subnets.is_empty() && !is_by_default {
        // Outside every VPC, or where its own network is used.
        return mapping.finish(Fate::NotNetwork);
    }
    if !place.block.is_empty() {
        inside(&mut mapping, place, &block);
        let network = block.items_of("connectivity_info").first().and_then(|one| one.get("network_type"));
        for (key, value) in [
            ("ipv6_allowed_for_dual_stack", block.get("ipv6_allowed_for_dual_stack")),
            ("network_type", network),
        ] {
            families(&mut mapping, key, value);
        }
    }
    groups(&mut mapping, place.groups, block.get(place.groups));
    let of_aws = crate::services::of(place.of_type);
    match place.of_type {
        "aws_batch_compute_environment" => batch(&mut mapping, &block, facts),
        "aws_msk_cluster" => broker(&mut mapping, &block),
        // Machines, which have public addresses where their subnets say so.
        _ if of_aws.public == Public::LikeInstances => {}
        of_type if APPSTREAM.contains(&of_type) => {
            let key = "enable_default_internet_access";
            public(&mut mapping, key, resource.values.get(key));
        }
        _ => public(&mut mapping, place.public, block.get(place.public)),
    }
    if let Some(note) = of_aws.note {
        mapping.note(NoteKind::Approximated, note);
    }
    if resource.of_type == "aws_efs_mount_target" {
        mapping
            .attributes
            .extend(resource.text("ip_address").map(|address| ("private_ip".to_owned(), json!(address))));
    }
    let places = Places::of(&mut mapping, resource, place.subnets, &subnets);
    if resource.of_type == "aws_transfer_server" {
        elastic(&mut mapping, resource, block.get("address_allocation_ids"), places.names().len());
    }
    put_each(mapping, resource, places);
}

/// Tells what the block of a service says of its interfaces that is not read.
fn inside(mapping: &mut Mapping<'_>, place: &Place, block: &Val) {
    const READ: &[&str] = &[
        "connectivity_info",
        "launch_template",
        "address_allocation_ids",
        "type",
        "ipv6_allowed_for_dual_stack",
    ];
    let Val::Map(map) = block else { return };
    let is_read = |key: &str| {
        [place.subnets, place.groups, place.public].contains(&key)
            || READ.contains(&key)
            || OF_INTERFACES_QUIET.contains(&key)
    };
    for (key, value) in map {
        let tells = OF_INTERFACES.iter().any(|word| key.contains(word))
            && !(place.groups.is_empty() && key.contains("security_group"));
        if tells && !is_read(key) && !value.is_empty() && *value != Val::Bool(false) {
            mapping.note(NoteKind::Omitted, format!("{}.{key} is not understood", place.block));
        }
    }
}

/// What is in the default VPC where no subnets are written.
const IN_DEFAULT_VPC: &[&str] = &["aws_mq_broker", "aws_redshiftserverless_workgroup"];

/// An endpoint of the resolver: an interface for each of its addresses.
pub(super) fn resolver_endpoint(resource: &Resource, facts: &Facts<'_>, estate: &mut Estate) {
    let mut mapping = begin(resource, facts, estate);
    let addresses = mapping.properties.maps("ip_address");
    rest(&mut mapping, &["security_group_ids", "host_vpc_id"]);
    groups(&mut mapping, "security_group_ids", resource.values.get("security_group_ids"));
    mapping.write("associate_public_ip_address", false);
    let blocks = match addresses {
        Given::Known(blocks) => blocks,
        Given::Unknown(unknown) => {
            mapping.matters("ip_address", &unknown);
            let places = Places::of(&mut mapping, resource, "subnet_ids", &Val::Unknown(unknown));
            return put_each(mapping, resource, places);
        }
        Given::Absent => Vec::new(),
    };
    let attributes = std::mem::take(&mut mapping.attributes);
    for (position, mut block) in blocks.into_iter().enumerate() {
        block.silent(&["ip_id", "ipv6"]);
        let by = mapping.by.clone();
        let mut one = attributes.clone();
        match block.text("subnet_id") {
            Given::Known(subnet) => {
                one.insert("subnet".to_owned(), mapping.estate.refer("subnets", &subnet, &by));
            }
            Given::Unknown(unknown) => {
                let name = super::stand_in(&mut mapping, resource, "subnet_id", "subnets", &unknown.why);
                one.insert("subnet".to_owned(), json!(name));
            }
            Given::Absent => continue,
        }
        if let Given::Known(ip) = block.text("ip")
            && !ip.is_empty()
        {
            one.insert("private_ip".to_owned(), json!(ip));
        }
        mapping.properties.finish_inner(block);
        mapping.put_as("instances", &format!("{}[{position}]", resource.name), one);
    }
    mapping.finish(Fate::Understood);
}

/// Whether it has public addresses, which it has not where nothing says so.
pub(super) fn public(mapping: &mut Mapping<'_>, key: &str, value: Option<&Val>) {
    if let Some(Val::Unknown(unknown)) = value {
        return mapping.doubt(format!("{key} is not known: {}", unknown.why));
    }
    let is_public = value.and_then(Val::text).is_some_and(|word| word == "true");
    mapping.write("associate_public_ip_address", is_public);
}

/// What a compute environment of Batch starts: instances, or tasks of which each says whether it is public.
fn batch(mapping: &mut Mapping<'_>, block: &Val, facts: &Facts<'_>) {
    match block.get("type") {
        Some(Val::Unknown(unknown)) => mapping.doubt(format!("what it starts is not known: {}", unknown.why)),
        Some(word) if word.text().is_some_and(|word| word.starts_with("FARGATE")) => {
            mapping.doubt("whether its tasks have public addresses is up to their definitions");
        }
        _ => {}
    }
    match block.get("launch_template") {
        Some(Val::Unknown(unknown)) => mapping.doubt(unknown.why.clone()),
        Some(Val::List(all)) if !all.is_empty() => match all.first().and_then(|one| of_block(one, facts)) {
            Some(template) => from_template(mapping, &template),
            None => mapping.doubt("its launch template is in no source: neither is what it says"),
        },
        _ => {}
    }
}

/// Whether the brokers of a cluster of MSK have public addresses.
fn broker(mapping: &mut Mapping<'_>, block: &Val) {
    let information = block.items_of("connectivity_info").first();
    let access = information.and_then(|one| one.items_of("public_access").first());
    let unknown = [block.get("connectivity_info"), information.and_then(|one| one.get("public_access"))];
    let unknown = unknown.into_iter().flatten().chain(access).find_map(Val::first_unknown);
    // What AWS fills in by itself is no public access.
    let word = access.and_then(|one| one.text_of("type"));
    match (word, unknown) {
        (Some(word), _) => mapping.write("associate_public_ip_address", word != "DISABLED"),
        (None, Some(unknown)) => mapping.doubt(format!("public_access is not known: {}", unknown.why)),
        (None, None) => mapping.write("associate_public_ip_address", false),
    }
}

/// Elastic addresses, one for the interface in each subnet.
fn elastic(mapping: &mut Mapping<'_>, resource: &Resource, addresses: Option<&Val>, count: usize) {
    let addresses = match addresses {
        None | Some(Val::Null) => return,
        Some(Val::List(all)) if all.is_empty() => return,
        Some(other) => other,
    };
    let names: Vec<String> = addresses.items().iter().filter_map(Val::text).collect();
    if names.len() != count {
        return mapping.doubt("address_allocation_ids are not all known");
    }
    let by = mapping.by.clone();
    for (position, name) in names.iter().enumerate() {
        let end = format!("{}[{position}]", resource.name);
        let holder = mapping.estate.refer("instances", &end, &by);
        mapping.estate.set("eips", name, "instance", holder, &by);
    }
}

/// Security groups, of which AWS takes the VPC's default one where none is named.
pub(super) fn groups(mapping: &mut Mapping<'_>, key: &str, value: Option<&Val>) {
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
        _ => of_no_endpoint(mapping, facts),
    }
}

/// A part of a Client VPN endpoint that is not known may be one of each.
fn of_no_endpoint(mapping: Mapping<'_>, facts: &Facts<'_>) {
    let types = &["aws_ec2_client_vpn_endpoint"];
    lost(mapping, "client_vpn_endpoint_id", "client_vpn_endpoints", types, facts);
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
        _ => of_no_endpoint(mapping, facts),
    }
}
