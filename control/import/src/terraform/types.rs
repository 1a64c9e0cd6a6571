//! What does each type of Terraform's AWS provider mean to packets?

use crate::estate::Estate;
use crate::terraform::references::Resource;
use crate::terraform::{
    Facts, clusters, data, databases, filters, gateways, hosts, links, load_balancers, network, prefix_lists,
    routes, scaling, services, transit,
};

/// How a resource of a type becomes part of the topology.
pub(super) type Map = fn(&Resource, &Facts<'_>, &mut Estate);

/// What a type means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    /// It is in the topology.
    Mapped(Map),
    /// It changes no packet.
    NotNetwork,
    /// It may, and is not in the topology.
    LeftOut(&'static str),
}

/// What a type, or a data source of it, means.
pub(super) fn meaning(of_type: &str, is_data: bool) -> Meaning {
    if let Some(rest) = of_type.strip_prefix("awscc_").filter(|_| !is_data) {
        return match of_type {
            "awscc_ec2_route_table" => Meaning::Mapped(routes::aws_route_table),
            "awscc_ec2_subnet_route_table_association" => Meaning::Mapped(routes::route_table_association),
            _ if AWSCC.iter().any(|service| rest.starts_with(service)) => {
                Meaning::LeftOut("this type of the provider awscc is not understood")
            }
            _ => Meaning::NotNetwork,
        };
    }
    if !of_type.starts_with("aws_") {
        return Meaning::NotNetwork;
    }
    if is_data {
        return Meaning::Mapped(data::data);
    }
    if let Some(map) = mapped(of_type) {
        return Meaning::Mapped(map);
    }
    if databases::is_database(of_type) {
        return Meaning::Mapped(databases::database);
    }
    if services::is_service(of_type) {
        return Meaning::Mapped(services::service);
    }
    let ends_quiet =
        ["_snapshot", "_snapshot_copy", "_parameter_group"].iter().any(|end| of_type.ends_with(end));
    if ends_quiet || NOT_NETWORK.contains(&of_type) || QUIET.iter().any(|prefix| of_type.starts_with(prefix))
    {
        return Meaning::NotNetwork;
    }
    match of_type {
        "aws_globalaccelerator_endpoint_group" => {
            Meaning::LeftOut("what an accelerator leads to is not modelled")
        }
        _ => Meaning::LeftOut("this type is not understood"),
    }
}

fn mapped(of_type: &str) -> Option<Map> {
    Some(match of_type {
        "aws_vpc" => network::aws_vpc,
        "aws_default_vpc" => network::aws_default_vpc,
        "aws_default_subnet" => network::aws_default_subnet,
        "aws_vpc_ipv4_cidr_block_association" | "aws_vpc_ipv6_cidr_block_association" => {
            network::cidr_association
        }
        "aws_subnet" => network::aws_subnet,
        "aws_route_table" | "aws_default_route_table" => routes::aws_route_table,
        "aws_route" => routes::aws_route,
        "aws_route_table_association" | "aws_main_route_table_association" => routes::route_table_association,
        "aws_internet_gateway" | "aws_egress_only_internet_gateway" => network::internet_gateway,
        "aws_internet_gateway_attachment" => network::internet_gateway_attachment,
        "aws_ec2_managed_prefix_list" => prefix_lists::managed_prefix_list,
        "aws_ec2_managed_prefix_list_entry" => prefix_lists::managed_prefix_list_entry,
        "aws_network_acl" | "aws_default_network_acl" => filters::network_acl,
        "aws_network_acl_rule" => filters::network_acl_rule,
        "aws_network_acl_association" => filters::network_acl_association,
        "aws_security_group" | "aws_default_security_group" => filters::security_group,
        "aws_security_group_rule"
        | "aws_vpc_security_group_ingress_rule"
        | "aws_vpc_security_group_egress_rule" => filters::security_group_rule,
        "aws_vpc_security_group_rules_exclusive" => filters::rules_exclusive,
        "aws_route53_resolver_endpoint" => services::resolver_endpoint,
        "aws_vpc_security_group_vpc_association" => filters::group_association,
        "aws_network_interface_sg_attachment" => filters::interface_group,
        "aws_nat_gateway" => gateways::nat_gateway,
        "aws_vpc_peering_connection" => gateways::peering,
        "aws_vpc_peering_connection_accepter" => gateways::peering_accepter,
        "aws_vpc_endpoint" => gateways::endpoint,
        "aws_vpc_endpoint_route_table_association"
        | "aws_vpc_endpoint_subnet_association"
        | "aws_vpc_endpoint_security_group_association" => gateways::endpoint_association,
        "aws_network_interface" => hosts::network_interface,
        "aws_network_interface_attachment" => hosts::interface_attachment,
        "aws_instance" | "aws_spot_instance_request" => hosts::instance,
        "aws_ec2_instance_state" => hosts::instance_state,
        "aws_launch_template" | "aws_launch_configuration" => scaling::launch_template,
        "aws_autoscaling_group" => scaling::auto_scaling_group,
        "aws_eip" => hosts::eip,
        "aws_eip_association" => hosts::eip_association,
        "aws_vpn_gateway" => links::vpn_gateway,
        "aws_vpn_gateway_attachment" => links::vpn_gateway_attachment,
        "aws_vpn_gateway_route_propagation" => links::route_propagation,
        "aws_customer_gateway" => links::customer_gateway,
        "aws_vpn_connection" => links::vpn_connection,
        "aws_vpn_connection_route" => links::vpn_connection_route,
        "aws_dx_gateway" => links::dx_gateway,
        "aws_dx_gateway_association" => links::dx_gateway_association,
        "aws_dx_private_virtual_interface" | "aws_dx_transit_virtual_interface" => links::virtual_interface,
        "aws_ec2_transit_gateway" => transit::transit_gateway,
        "aws_ec2_transit_gateway_vpc_attachment" => transit::vpc_attachment,
        "aws_ec2_transit_gateway_peering_attachment" => transit::peering_attachment,
        "aws_ec2_transit_gateway_vpc_attachment_accepter"
        | "aws_ec2_transit_gateway_peering_attachment_accepter" => transit::accepter,
        "aws_ec2_transit_gateway_route_table" => transit::route_table,
        "aws_ec2_transit_gateway_route" | "aws_ec2_transit_gateway_prefix_list_reference" => transit::route,
        "aws_ec2_transit_gateway_route_table_association"
        | "aws_ec2_transit_gateway_route_table_propagation" => transit::member,
        "aws_ec2_transit_gateway_default_route_table_association"
        | "aws_ec2_transit_gateway_default_route_table_propagation" => transit::default_table,
        "aws_eks_cluster" => clusters::eks_cluster,
        "aws_eks_node_group" | "aws_eks_fargate_profile" => clusters::eks_nodes,
        "aws_lb" | "aws_alb" => load_balancers::load_balancer,
        "aws_elb" => load_balancers::classic,
        "aws_lb_listener" | "aws_alb_listener" => load_balancers::listener,
        "aws_lb_target_group" | "aws_alb_target_group" => load_balancers::target_group,
        "aws_lb_target_group_attachment" | "aws_alb_target_group_attachment" => load_balancers::target,
        "aws_rds_cluster_instance" | "aws_docdb_cluster_instance" | "aws_neptune_cluster_instance" => {
            databases::member
        }
        "aws_vpc_endpoint_service"
        | "aws_networkfirewall_firewall"
        | "aws_ec2_carrier_gateway"
        | "aws_networkmanager_core_network"
        | "aws_ec2_transit_gateway_connect"
        | "aws_ec2_transit_gateway_connect_peer"
        | "aws_ec2_transit_gateway_multicast_domain"
        | "aws_ec2_transit_gateway_policy_table"
        | "aws_globalaccelerator_accelerator"
        | "aws_ec2_client_vpn_endpoint"
        | "aws_vpc_block_public_access_options"
        | "aws_vpc_block_public_access_exclusion" => services::stored,
        "aws_ec2_client_vpn_authorization_rule" | "aws_ec2_client_vpn_route" => services::client_vpn_part,
        "aws_ec2_client_vpn_network_association" => services::client_vpn_association,
        _ => return None,
    })
}

/// The services whose types of the provider awscc may change packets.
const AWSCC: &[&str] = &[
    "amazonmq_",
    "apprunner_vpc",
    "autoscaling_auto",
    "autoscaling_launch",
    "batch_compute",
    "dax_",
    "directconnect_",
    "docdb",
    "ec2_",
    "ecs_service",
    "efs_mount",
    "eks_",
    "elastic",
    "emr",
    "fsx_",
    "globalaccelerator_",
    "lambda_function",
    "memorydb_",
    "msk_",
    "mwaa_",
    "neptune_",
    "networkfirewall_",
    "networkmanager_",
    "opensearchservice_",
    "rds_",
    "redshift",
    "route53resolver_",
    "transfer_server",
    "vpclattice_",
];

/// Types that change no packet.
const NOT_NETWORK: &[&str] = &[
    "aws_alb_listener_rule",
    "aws_ami",
    "aws_ami_copy",
    "aws_ami_from_instance",
    "aws_ami_launch_permission",
    "aws_arn",
    "aws_autoscaling_attachment",
    "aws_autoscaling_group_tag",
    "aws_autoscaling_lifecycle_hook",
    "aws_autoscaling_notification",
    "aws_autoscaling_policy",
    "aws_autoscaling_schedule",
    "aws_alb_listener_certificate",
    "aws_cloud9_environment_membership",
    "aws_codebuild_source_credential",
    "aws_codebuild_webhook",
    "aws_codebuild_report_group",
    "aws_db_cluster_snapshot",
    "aws_db_event_subscription",
    "aws_db_instance_automated_backups_replication",
    "aws_db_instance_role_association",
    "aws_db_option_group",
    "aws_db_parameter_group",
    "aws_db_proxy_default_target_group",
    "aws_db_proxy_target",
    "aws_db_snapshot",
    "aws_db_subnet_group",
    "aws_dax_parameter_group",
    "aws_dax_subnet_group",
    "aws_dms_endpoint",
    "aws_dms_replication_subnet_group",
    "aws_dms_replication_task",
    "aws_docdb_cluster_parameter_group",
    "aws_docdb_subnet_group",
    "aws_dx_bgp_peer",
    "aws_dx_connection",
    "aws_dx_lag",
    "aws_dx_connection_association",
    "aws_dx_gateway_association_proposal",
    "aws_dx_public_virtual_interface",
    "aws_ec2_availability_zone_group",
    "aws_ec2_capacity_reservation",
    "aws_ec2_host",
    "aws_ec2_image_block_public_access",
    "aws_ec2_instance_metadata_defaults",
    "aws_ec2_network_insights_analysis",
    "aws_ec2_network_insights_path",
    "aws_ec2_serial_console_access",
    "aws_ec2_subnet_cidr_reservation",
    "aws_ec2_tag",
    "aws_ecs_account_setting_default",
    "aws_ecs_capacity_provider",
    "aws_ecs_cluster",
    "aws_ecs_cluster_capacity_providers",
    "aws_ecs_tag",
    "aws_ecs_task_definition",
    "aws_efs_access_point",
    "aws_efs_backup_policy",
    "aws_efs_file_system",
    "aws_efs_file_system_policy",
    "aws_efs_replication_configuration",
    "aws_eip_domain_name",
    "aws_eks_access_entry",
    "aws_eks_access_policy_association",
    "aws_eks_addon",
    "aws_eks_identity_provider_config",
    "aws_eks_pod_identity_association",
    "aws_elasticache_global_replication_group",
    "aws_elasticache_parameter_group",
    "aws_elasticache_subnet_group",
    "aws_elasticache_user",
    "aws_elasticache_user_group",
    "aws_elasticache_user_group_association",
    "aws_elasticsearch_domain_policy",
    "aws_elb_attachment",
    "aws_emr_security_configuration",
    "aws_flow_log",
    "aws_glue_catalog_database",
    "aws_glue_catalog_table",
    "aws_glue_crawler",
    "aws_glue_job",
    "aws_glue_trigger",
    "aws_key_pair",
    "aws_lb_cookie_stickiness_policy",
    "aws_lb_listener_certificate",
    "aws_lb_listener_rule",
    "aws_lb_ssl_negotiation_policy",
    "aws_lb_trust_store",
    "aws_load_balancer_policy",
    "aws_load_balancer_listener_policy",
    "aws_lambda_alias",
    "aws_lambda_code_signing_config",
    "aws_lambda_event_source_mapping",
    "aws_lambda_function_event_invoke_config",
    "aws_lambda_function_url",
    "aws_lambda_invocation",
    "aws_lambda_layer_version",
    "aws_lambda_layer_version_permission",
    "aws_lambda_permission",
    "aws_lambda_provisioned_concurrency_config",
    "aws_main_vpc_dhcp_options",
    "aws_memorydb_acl",
    "aws_memorydb_parameter_group",
    "aws_memorydb_subnet_group",
    "aws_memorydb_user",
    "aws_mq_configuration",
    "aws_msk_configuration",
    "aws_msk_scram_secret_association",
    "aws_neptune_cluster_parameter_group",
    "aws_neptune_parameter_group",
    "aws_neptune_subnet_group",
    "aws_network_interface_permission",
    "aws_opensearch_domain_policy",
    "aws_opensearch_domain_saml_options",
    "aws_placement_group",
    "aws_proxy_protocol_policy",
    "aws_rds_cluster_parameter_group",
    "aws_rds_cluster_role_association",
    "aws_rds_global_cluster",
    "aws_rds_cluster_activity_stream",
    "aws_redshift_parameter_group",
    "aws_redshift_subnet_group",
    "aws_redshift_logging",
    "aws_redshift_snapshot_copy_grant",
    "aws_redshiftserverless_namespace",
    "aws_sagemaker_notebook_instance_lifecycle_configuration",
    "aws_snapshot_create_volume_permission",
    "aws_spot_datafeed_subscription",
    "aws_transfer_ssh_key",
    "aws_transfer_user",
    "aws_transfer_access",
    "aws_volume_attachment",
    "aws_vpc_dhcp_options",
    "aws_default_vpc_dhcp_options",
    "aws_vpc_dhcp_options_association",
    "aws_vpc_endpoint_connection_notification",
    "aws_vpc_endpoint_policy",
    "aws_vpc_endpoint_private_dns",
    "aws_vpc_endpoint_service_allowed_principal",
    "aws_vpc_endpoint_service_private_dns_verification",
    "aws_vpc_endpoint_connection_accepter",
    "aws_vpc_network_performance_metric_subscription",
    "aws_vpc_peering_connection_options",
    "aws_ec2_transit_gateway_policy_table_association",
    "aws_networkmanager_global_network",
    "aws_networkmanager_transit_gateway_registration",
    "aws_networkmanager_transit_gateway_peering",
    "aws_ec2_local_gateway_route",
    "aws_ec2_transit_gateway_multicast_domain_association",
    "aws_ec2_transit_gateway_multicast_group_member",
    "aws_ec2_transit_gateway_multicast_group_source",
    "aws_globalaccelerator_listener",
    "aws_networkfirewall_firewall_policy",
    "aws_networkfirewall_logging_configuration",
    "aws_networkfirewall_rule_group",
    "aws_networkfirewall_resource_policy",
    "aws_networkfirewall_tls_inspection_configuration",
    "aws_apprunner_service",
    "aws_apprunner_auto_scaling_configuration_version",
    "aws_batch_job_definition",
    "aws_batch_job_queue",
    "aws_batch_scheduling_policy",
];

/// What the names of types begin with of which none changes a packet.
const QUIET: &[&str] = &[
    "aws_accessanalyzer_",
    "aws_account_",
    "aws_acm_",
    "aws_acmpca_",
    "aws_amplify_",
    "aws_api_gateway_",
    "aws_apigatewayv2_",
    "aws_appautoscaling_",
    "aws_appconfig_",
    "aws_appmesh_",
    "aws_appsync_",
    "aws_athena_",
    "aws_backup_",
    "aws_bedrock",
    "aws_budgets_",
    "aws_ce_",
    "aws_chatbot_",
    "aws_cloudcontrolapi_",
    "aws_cloudfront_",
    "aws_cloudtrail",
    "aws_cloudwatch_",
    "aws_codeartifact_",
    "aws_codecommit_",
    "aws_codedeploy_",
    "aws_codepipeline",
    "aws_codestar",
    "aws_cognito_",
    "aws_config_",
    "aws_controltower_",
    "aws_cur_",
    "aws_datapipeline_",
    "aws_dlm_",
    "aws_dynamodb_",
    "aws_ebs_",
    "aws_ecr_",
    "aws_ecrpublic_",
    "aws_elastic_beanstalk_application",
    "aws_elastictranscoder_",
    "aws_guardduty_",
    "aws_iam_",
    "aws_identitystore_",
    "aws_imagebuilder_",
    "aws_inspector",
    "aws_iot_",
    "aws_keyspaces_",
    "aws_kinesis_",
    "aws_kinesisanalyticsv2_",
    "aws_kms_",
    "aws_lakeformation_",
    "aws_licensemanager_",
    "aws_location_",
    "aws_macie",
    "aws_media_",
    "aws_oam_",
    "aws_organizations_",
    "aws_pinpoint_",
    "aws_pipes_",
    "aws_prometheus_",
    "aws_quicksight_",
    "aws_ram_",
    "aws_resourcegroups_",
    "aws_rolesanywhere_",
    "aws_route53_delegation_set",
    "aws_route53_health_check",
    "aws_route53_hosted_zone_dnssec",
    "aws_route53_key_signing_key",
    "aws_route53_query_log",
    "aws_route53_record",
    "aws_route53_traffic_policy",
    "aws_route53_vpc_association_authorization",
    "aws_route53_zone",
    "aws_route53_resolver_config",
    "aws_route53_resolver_dnssec",
    "aws_route53_resolver_query_log",
    "aws_route53_resolver_rule",
    "aws_route53_resolver_firewall",
    "aws_route53domains_",
    "aws_rum_",
    "aws_s3_",
    "aws_s3control_",
    "aws_s3tables_",
    "aws_scheduler_",
    "aws_schemas_",
    "aws_secretsmanager_",
    "aws_securityhub_",
    "aws_securitylake_",
    "aws_service_discovery_",
    "aws_servicecatalog_",
    "aws_servicequotas_",
    "aws_ses_",
    "aws_sesv2_",
    "aws_sfn_",
    "aws_shield_",
    "aws_signer_",
    "aws_sns_",
    "aws_sqs_",
    "aws_ssm_",
    "aws_ssmcontacts_",
    "aws_ssmincidents_",
    "aws_ssoadmin_",
    "aws_swf_",
    "aws_synthetics_",
    "aws_timestreamwrite_",
    "aws_vpc_ipam",
    "aws_waf_",
    "aws_wafregional_",
    "aws_wafv2_",
    "aws_xray_",
    "aws_serverlessapplicationrepository_",
    "aws_sagemaker_model",
    "aws_sagemaker_endpoint",
    "aws_sagemaker_image",
];
