//! What are the interfaces of a service like, where its resource does not say?
//!
//! One line for each service, with its types in templates, plans and dumps: whether its interfaces have public addresses, in
//! which of its subnets they are, and whether AWS gives them groups that nobody names. The readers know where a resource
//! says what.

/// What AWS does with the interfaces of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Service {
    /// Its types, in the words of each reader.
    types: &'static [&'static str],
    pub public: Public,
    /// Whether it is in some of its subnets only, and nobody knows in which.
    pub in_some: bool,
    /// Why not all that filters its interfaces is known.
    pub doubt: Option<&'static str>,
    /// What else is otherwise on AWS.
    pub note: Option<&'static str>,
}

/// Whether interfaces of a service have public addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Public {
    /// They never have.
    Never,
    /// Those of instances have where their subnet says so.
    LikeInstances,
    /// They have where the resource says so, and this holds where it says nothing.
    Said { otherwise: bool },
    /// The same; where nothing is said they have if their VPC has an internet gateway (RDS API, `PubliclyAccessible`).
    SaidOrByGateway,
}

pub(crate) const OWN_GROUP: &str = "the service makes a security group of its own for it";
const EMR: &str = "EMR makes the rules of its groups itself";
const FUNCTION: &str =
    "nobody can open a connection to a function: answers about its interfaces are about their filters";

const PLAIN: Service = Service { types: &[], public: Public::Never, in_some: false, doubt: None, note: None };

const fn public(types: &'static [&'static str], public: Public, in_some: bool) -> Service {
    Service { types, public, in_some, ..PLAIN }
}

const fn doubtful(types: &'static [&'static str], public: Public, doubt: &'static str) -> Service {
    Service { types, public, doubt: Some(doubt), ..PLAIN }
}

const SAID: Public = Public::Said { otherwise: false };

const SERVICES: &[Service] = &[
    Service {
        types: &[
            "AWS::Lambda::Function",
            "AWS::Serverless::Function",
            "aws_lambda_function",
            "lambda-function",
        ],
        note: Some(FUNCTION),
        ..PLAIN
    },
    public(&["AWS::AutoScaling::AutoScalingGroup", "aws_autoscaling_group"], Public::LikeInstances, true),
    public(&["AWS::EKS::Nodegroup", "aws_eks_node_group"], Public::LikeInstances, true),
    public(&["AWS::EKS::FargateProfile", "aws_eks_fargate_profile"], Public::Never, true),
    public(&["AWS::Batch::ComputeEnvironment", "aws_batch_compute_environment"], Public::LikeInstances, true),
    public(
        &["AWS::ImageBuilder::InfrastructureConfiguration", "aws_imagebuilder_infrastructure_configuration"],
        Public::LikeInstances,
        false,
    ),
    public(&["AWS::ECS::Service", "AWS::ECS::TaskSet", "aws_ecs_service", "aws_ecs_task_set"], SAID, true),
    public(&["AWS::AppStream::Fleet", "AWS::AppStream::ImageBuilder", "aws_appstream_fleet"], SAID, true),
    public(&["AWS::MSK::Cluster", "aws_msk_cluster"], SAID, false),
    public(&["AWS::AmazonMQ::Broker", "aws_mq_broker"], SAID, false),
    public(&["AWS::Transfer::Server", "aws_transfer_server"], Public::Never, false),
    public(
        &["AWS::DMS::ReplicationInstance", "aws_dms_replication_instance"],
        Public::Said { otherwise: true },
        true,
    ),
    // Terraform's provider states a default of its own, false.
    public(&["AWS::RDS::DBInstance"], Public::SaidOrByGateway, true),
    public(&["aws_db_instance", "aws_rds_cluster_instance"], SAID, true),
    public(&["AWS::RDS::DBCluster", "aws_rds_cluster"], SAID, true),
    public(&["AWS::DocDB::DBInstance", "aws_docdb_cluster_instance"], Public::Never, true),
    public(&["AWS::Neptune::DBInstance", "aws_neptune_cluster_instance"], SAID, true),
    public(&["AWS::ElastiCache::CacheCluster", "aws_elasticache_cluster"], Public::Never, true),
    public(&["AWS::ElastiCache::ReplicationGroup", "aws_elasticache_replication_group"], Public::Never, true),
    public(&["AWS::MemoryDB::Cluster", "aws_memorydb_cluster"], Public::Never, true),
    public(&["AWS::DAX::Cluster", "aws_dax_cluster"], Public::Never, true),
    public(&["AWS::Redshift::Cluster", "aws_redshift_cluster"], SAID, true),
    public(&["AWS::RedshiftServerless::Workgroup", "aws_redshiftserverless_workgroup"], SAID, false),
    doubtful(
        &[
            "AWS::DirectoryService::MicrosoftAD",
            "AWS::DirectoryService::SimpleAD",
            "aws_directory_service_directory",
        ],
        Public::Never,
        OWN_GROUP,
    ),
    doubtful(
        &["AWS::Cloud9::EnvironmentEC2", "aws_cloud9_environment_ec2"],
        Public::LikeInstances,
        OWN_GROUP,
    ),
    doubtful(
        &["AWS::CloudHSM::Cluster", "AWS::CloudHSMV2::Cluster", "aws_cloudhsm_v2_cluster"],
        Public::Never,
        OWN_GROUP,
    ),
    Service {
        in_some: true,
        ..doubtful(&["AWS::EMR::Cluster", "aws_emr_cluster"], Public::LikeInstances, EMR)
    },
    doubtful(&["AWS::EMR::Studio", "aws_emr_studio"], Public::Never, EMR),
];

/// Types whose interfaces have IPv4 addresses only, unless they ask for both families: whatever their subnets assign (RDS
/// API, `NetworkType`; Lambda API, `Ipv6AllowedForDualStack`; EFS API, `IpAddressType`; and so on).
const IPV4_UNLESS_SAID: &[&str] = &[
    "AWS::AmazonMQ::Broker",
    "AWS::DAX::Cluster",
    "AWS::DMS::ReplicationInstance",
    "AWS::DocDB::DBCluster",
    "AWS::DocDB::DBInstance",
    "AWS::EFS::MountTarget",
    "AWS::EKS::Cluster",
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::ServerlessCache",
    "AWS::Elasticsearch::Domain",
    "AWS::FSx::FileSystem",
    "AWS::Lambda::Function",
    "AWS::MemoryDB::Cluster",
    "AWS::MSK::Cluster",
    "AWS::MSK::ServerlessCluster",
    "AWS::Neptune::DBCluster",
    "AWS::Neptune::DBInstance",
    "AWS::OpenSearchService::Domain",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBProxy",
    "AWS::Redshift::Cluster",
    "AWS::RedshiftServerless::Workgroup",
    "AWS::Serverless::Function",
    "AWS::Transfer::Server",
    "aws_db_instance",
    "aws_db_proxy",
    "aws_dax_cluster",
    "aws_dms_replication_instance",
    "aws_docdb_cluster",
    "aws_docdb_cluster_instance",
    "aws_efs_mount_target",
    "aws_eks_cluster",
    "aws_elasticache_cluster",
    "aws_elasticache_replication_group",
    "aws_elasticache_serverless_cache",
    "aws_elasticsearch_domain",
    "aws_fsx_lustre_file_system",
    "aws_fsx_ontap_file_system",
    "aws_fsx_openzfs_file_system",
    "aws_fsx_windows_file_system",
    "aws_lambda_function",
    "aws_memorydb_cluster",
    "aws_mq_broker",
    "aws_msk_cluster",
    "aws_msk_serverless_cluster",
    "aws_neptune_cluster",
    "aws_neptune_cluster_instance",
    "aws_opensearch_domain",
    "aws_rds_cluster",
    "aws_rds_cluster_instance",
    "aws_redshift_cluster",
    "aws_redshiftserverless_workgroup",
    "aws_transfer_server",
    "cache-cluster",
    "db-instance",
    "lambda-function",
    "mount-target",
    "search-domain",
];

/// Whether interfaces of a type have IPv6 addresses only where it asks for them.
pub(crate) fn has_ipv4_unless_said(of_type: &str) -> bool {
    IPV4_UNLESS_SAID.contains(&of_type)
}

/// Whether a word asks for IPv6 addresses: `DUAL`, `dualstack`, `DUAL_STACK`, `ipv6`, or a flag that is set.
pub(crate) fn asks_for_ipv6(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word.contains("dual") || word.contains("ipv6") || word == "true"
}

/// The service of a type; one that is like most where the table has none.
pub(crate) fn of(of_type: &str) -> Service {
    SERVICES.iter().find(|service| service.types.contains(&of_type)).copied().unwrap_or(PLAIN)
}

/// Whether subnets are those of a default VPC that is made here.
pub(crate) fn is_default(subnets: &[String]) -> bool {
    subnets.iter().any(|subnet| subnet.starts_with("default-"))
}
