//! Where do services put their interfaces?

use serde_json::json;
use vpclab_import::Fate;

use crate::fixture::{Templates, fate, notes, resource, with_vpc};

#[test]
fn each_service_has_an_interface_in_each_of_its_subnets_with_its_groups() {
    let both = "[!Ref Subnet, !Ref Other]";
    let group = "[!Ref Group]";
    for (of_type, properties) in [
        ("AWS::Lambda::Function", format!("VpcConfig: {{ SubnetIds: {both}, SecurityGroupIds: {group} }}")),
        (
            "AWS::Serverless::Function",
            format!("VpcConfig: {{ SubnetIds: {both}, SecurityGroupIds: {group} }}"),
        ),
        (
            "AWS::ECS::Service",
            format!(
                "NetworkConfiguration: {{ AwsvpcConfiguration: {{ Subnets: {both}, SecurityGroups: {group} }} }}"
            ),
        ),
        (
            "AWS::OpenSearchService::Domain",
            format!("VPCOptions: {{ SubnetIds: {both}, SecurityGroupIds: {group} }}"),
        ),
        (
            "AWS::Elasticsearch::Domain",
            format!("VPCOptions: {{ SubnetIds: {both}, SecurityGroupIds: {group} }}"),
        ),
        (
            "AWS::MSK::Cluster",
            format!("BrokerNodeGroupInfo: {{ ClientSubnets: {both}, SecurityGroups: {group} }}"),
        ),
        (
            "AWS::CodeBuild::Project",
            format!("VpcConfig: {{ VpcId: !Ref Vpc, Subnets: {both}, SecurityGroupIds: {group} }}"),
        ),
        ("AWS::ElastiCache::ServerlessCache", format!("SubnetIds: {both}, SecurityGroupIds: {group}")),
        ("AWS::RDS::DBProxy", format!("VpcSubnetIds: {both}, VpcSecurityGroupIds: {group}")),
        ("AWS::RDS::DBInstance", format!("DBSubnetGroupName: !Ref Rds, VPCSecurityGroups: {group}")),
        ("AWS::RDS::DBInstance", "DBClusterIdentifier: !Ref Cluster".to_owned()),
        ("AWS::RDS::DBCluster", format!("DBSubnetGroupName: NAMED, VpcSecurityGroupIds: {group}")),
        ("AWS::DocDB::DBCluster", format!("DBSubnetGroupName: !Ref Rds, VpcSecurityGroupIds: {group}")),
        ("AWS::DocDB::DBInstance", "DBClusterIdentifier: !Ref Cluster".to_owned()),
        ("AWS::Neptune::DBCluster", format!("DBSubnetGroupName: !Ref Rds, VpcSecurityGroupIds: {group}")),
        (
            "AWS::ElastiCache::CacheCluster",
            format!("CacheSubnetGroupName: !Ref Rds, VpcSecurityGroupIds: {group}"),
        ),
        (
            "AWS::ElastiCache::ReplicationGroup",
            format!("CacheSubnetGroupName: !Ref Rds, SecurityGroupIds: {group}"),
        ),
        ("AWS::Redshift::Cluster", format!("ClusterSubnetGroupName: !Ref Rds, VpcSecurityGroupIds: {group}")),
        (
            "AWS::DMS::ReplicationInstance",
            format!("ReplicationSubnetGroupIdentifier: !Ref Rds, VpcSecurityGroupIds: {group}"),
        ),
    ] {
        let template = with_vpc(&format!("
  Rds: {{ Type: AWS::RDS::DBSubnetGroup, Properties: {{ DBSubnetGroupName: named, SubnetIds: {both} }} }}
  Cluster: {{ Type: AWS::RDS::DBCluster, Properties: {{ DBSubnetGroupName: !Ref Rds, VpcSecurityGroupIds: {group} }} }}
  Tested: {{ Type: {of_type}, Properties: {{ {properties} }} }}
"));
        let imported = Templates::one(&template).imported();
        for (name, subnet) in [("Tested[0]", "Subnet"), ("Tested[1]", "Other")] {
            let public = of_type == "AWS::DMS::ReplicationInstance";
            let expected = json!({ "subnet": subnet, "security_groups": ["Group"], "associate_public_ip_address": public });
            assert_eq!(*resource(&imported, "instances", name), expected, "{of_type} {properties}");
        }
        assert!(matches!(fate(&imported, "Tested"), Fate::Understood | Fate::Approximated), "{of_type}");
    }
}

#[test]
fn a_service_without_subnets_changes_no_packet() {
    let template = with_vpc(
        "
  Function: { Type: AWS::Lambda::Function, Properties: { Runtime: python3.12, VpcConfig: !Ref AWS::NoValue } }
  Service: { Type: AWS::ECS::Service, Properties: { LaunchType: EC2 } }
",
    );
    let imported = Templates::one(&template).imported();
    for name in ["Function", "Service"] {
        assert_eq!(fate(&imported, name), Fate::NotNetwork, "{name}");
    }
}

#[test]
fn services_with_groups_of_their_own_are_marked() {
    let template = with_vpc("
  Directory: { Type: AWS::DirectoryService::MicrosoftAD, Properties: { VpcSettings: { VpcId: !Ref Vpc, SubnetIds: [!Ref Subnet, !Ref Other] } } }
  Cluster: { Type: AWS::EMR::Cluster, Properties: { Instances: { Ec2SubnetId: !Ref Subnet } } }
");
    let imported = Templates::one(&template).imported();
    for name in ["Directory", "Cluster"] {
        assert!(
            resource(&imported, "instances", &format!("{name}[0]"))["not_modelled"].is_string(),
            "{name}"
        );
        assert_eq!(fate(&imported, name), Fate::NotModelled, "{name}");
    }
}

#[test]
fn a_classic_load_balancer_is_one_with_its_listeners() {
    let template = with_vpc(
        "
  Classic:
    Type: AWS::ElasticLoadBalancing::LoadBalancer
    Properties:
      Subnets: [!Ref Subnet]
      SecurityGroups: [!Ref Group]
      Scheme: internal
      Listeners:
        - { LoadBalancerPort: '443', InstancePort: '80', Protocol: ssl }
        - { LoadBalancerPort: 80, InstancePort: 80, Protocol: HTTP }
",
    );
    let imported = Templates::one(&template).imported();
    assert_eq!(
        *resource(&imported, "load_balancers", "Classic"),
        json!({ "load_balancer_type": "classic", "subnets": ["Subnet"], "security_groups": ["Group"], "internal": true })
    );
    assert_eq!(
        *resource(&imported, "listeners", "Classic-443"),
        json!({ "load_balancer": "Classic", "port": 443, "protocol": "ssl" })
    );
    assert_eq!(resource(&imported, "listeners", "Classic-80")["port"], 80);
    assert_eq!(fate(&imported, "Classic"), Fate::Understood);
}

/// In a default VPC one without groups gets a group of its own; a rule that names the group of one has it from there.
#[test]
fn the_groups_of_a_classic_load_balancer_that_nobody_names_are_not_known() {
    let template = with_vpc(
        "
  Front: { Type: AWS::ElasticLoadBalancing::LoadBalancer, Properties: { AvailabilityZones: [us-east-1a], Listeners: [{ LoadBalancerPort: '80', InstancePort: '80', Protocol: HTTP }] } }
  Inside: { Type: AWS::ElasticLoadBalancing::LoadBalancer, Properties: { Subnets: [!Ref Subnet], Listeners: [{ LoadBalancerPort: '80', InstancePort: '80', Protocol: HTTP }] } }
  Behind: { Type: AWS::EC2::SecurityGroup, Properties: { GroupDescription: b, SecurityGroupIngress: [{ IpProtocol: tcp, FromPort: 80, ToPort: 80, SourceSecurityGroupName: !GetAtt Front.SourceSecurityGroup.GroupName, SourceSecurityGroupOwnerId: !GetAtt Front.SourceSecurityGroup.OwnerAlias }] } }
",
    );
    let imported = Templates::one(&template).imported();
    let is_doubted = |kind: &str, name: &str| resource(&imported, kind, name)["not_modelled"].is_string();
    assert!(is_doubted("load_balancers", "Front"));
    assert!(!is_doubted("load_balancers", "Inside"), "the VPC's default group");
    assert!(is_doubted("security_groups", "Behind"));
}

#[test]
fn every_place_where_a_service_says_where_it_is_is_read() {
    let template = with_vpc("
  Few: { Type: AWS::EC2::SecurityGroup, Properties: { VpcId: !Ref Vpc, GroupDescription: f } }
  Msk: { Type: AWS::MSK::ServerlessCluster, Properties: { VpcConfigs: [{ SubnetIds: [!Ref Subnet], SecurityGroups: [!Ref Group] }, { SubnetIds: [!Ref Other], SecurityGroups: [!Ref Few] }] } }
  Emr: { Type: AWS::EMR::Cluster, Properties: { Instances: { Ec2SubnetIds: [!Ref Subnet, !Ref Other], EmrManagedMasterSecurityGroup: !Ref Group } } }
  Hose: { Type: AWS::KinesisFirehose::DeliveryStream, Properties: { ElasticsearchDestinationConfiguration: { VpcConfiguration: { SubnetIds: [!Ref Subnet], SecurityGroupIds: [!Ref Group] } } } }
  Flink: { Type: AWS::KinesisAnalyticsV2::Application, Properties: { ApplicationConfiguration: { VpcConfigurations: [{ SubnetIds: [!Ref Subnet], SecurityGroupIds: [!Ref Group] }] } } }
  Scraper: { Type: AWS::APS::Scraper, Properties: { Source: { EksConfiguration: { SubnetIds: [!Ref Subnet], SecurityGroupIds: [!Ref Group] } } } }
");
    let imported = Templates::one(&template).imported();
    for (name, subnet, group) in [
        ("Msk[0]", "Subnet", "Group"),
        ("Msk[1]", "Other", "Few"),
        ("Emr[1]", "Other", "Group"),
        ("Hose[0]", "Subnet", "Group"),
        ("Flink[0]", "Subnet", "Group"),
        ("Scraper[0]", "Subnet", "Group"),
    ] {
        let end = resource(&imported, "instances", name);
        assert_eq!((&end["subnet"], &end["security_groups"]), (&json!(subnet), &json!([group])), "{name}");
    }
}

#[test]
fn services_have_ipv6_addresses_only_where_they_ask_for_them() {
    let template = with_vpc(
        "
  Block: { Type: AWS::EC2::VPCCidrBlock, Properties: { VpcId: !Ref Vpc, AmazonProvidedIpv6CidrBlock: true } }
  Both:
    Type: AWS::EC2::Subnet
    Properties: { VpcId: !Ref Vpc, CidrBlock: 10.0.3.0/24, AssignIpv6AddressOnCreation: true, Ipv6CidrBlock: !Select [0, !Cidr [!Select [0, !GetAtt Vpc.Ipv6CidrBlocks], 4, 64]] }
  Few: { Type: AWS::RDS::DBSubnetGroup, Properties: { SubnetIds: [!Ref Both] } }
  Database: { Type: AWS::RDS::DBInstance, Properties: { DBSubnetGroupName: !Ref Few } }
  Plain: { Type: AWS::Lambda::Function, Properties: { VpcConfig: { SubnetIds: [!Ref Both], SecurityGroupIds: [!Ref Group] } } }
  Dual: { Type: AWS::Lambda::Function, Properties: { VpcConfig: { SubnetIds: [!Ref Both], SecurityGroupIds: [!Ref Group], Ipv6AllowedForDualStack: true } } }
  Mount: { Type: AWS::EFS::MountTarget, Properties: { SubnetId: !Ref Both, SecurityGroups: [!Ref Group] } }
  MountDual: { Type: AWS::EFS::MountTarget, Properties: { SubnetId: !Ref Both, SecurityGroups: [!Ref Group], IpAddressType: DUAL_STACK } }
  Machine: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref Both } }
",
    );
    let imported = Templates::one(&template).imported();
    let said = |name: &str| {
        let end = resource(&imported, "instances", name);
        (end.get("ipv6_addresses").cloned(), end.get("ipv6_address_count").cloned())
    };
    for name in ["Database[0]", "Plain[0]", "Mount"] {
        assert_eq!(said(name), (Some(json!([])), None), "{name}");
    }
    for name in ["Dual[0]", "MountDual"] {
        assert_eq!(said(name), (None, Some(json!(1))), "{name}");
    }
    assert_eq!(said("Machine"), (None, None), "its subnet says it");
}

#[test]
fn a_cluster_of_eks_has_a_group_that_its_nodes_share() {
    let template = with_vpc("
  Cluster: { Type: AWS::EKS::Cluster, Properties: { Name: c, ResourcesVpcConfig: { SubnetIds: [!Ref Subnet, !Ref Other], SecurityGroupIds: [!Ref Group] } } }
  Nodes: { Type: AWS::EKS::Nodegroup, Properties: { ClusterName: !Ref Cluster, Subnets: [!Ref Subnet] } }
  ByName: { Type: AWS::EKS::Nodegroup, Properties: { ClusterName: c, Subnets: [!Ref Subnet] } }
  Pods: { Type: AWS::EKS::FargateProfile, Properties: { ClusterName: !Ref Cluster, Subnets: [!Ref Other] } }
  Rule: { Type: AWS::EC2::SecurityGroupIngress, Properties: { GroupId: !GetAtt Cluster.ClusterSecurityGroupId, IpProtocol: tcp, FromPort: 443, ToPort: 443, SourceSecurityGroupId: !Ref Group } }
");
    let imported = Templates::one(&template).imported();
    let group = resource(&imported, "security_groups", "Cluster-cluster");
    assert_eq!(group["vpc"], "Vpc");
    assert_eq!(group["ingress"].as_array().unwrap().len(), 2);
    assert_eq!(
        resource(&imported, "instances", "Cluster[1]")["security_groups"],
        json!(["Cluster-cluster", "Group"])
    );
    for name in ["Nodes[0]", "ByName[0]", "Pods[0]"] {
        assert_eq!(
            resource(&imported, "instances", name)["security_groups"],
            json!(["Cluster-cluster"]),
            "{name}"
        );
    }
}

#[test]
fn load_balancers_come_out() {
    let template = with_vpc("
  Front: { Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: { Subnets: [!Ref Subnet, !Ref Other], SecurityGroups: [!Ref Group], Scheme: internal, Name: n } }
  Net: { Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: { Type: network, Scheme: internal, SubnetMappings: [{ SubnetId: !Ref Subnet, PrivateIPv4Address: 10.0.1.9 }] } }
  Web: { Type: AWS::ElasticLoadBalancingV2::Listener, Properties: { LoadBalancerArn: !Ref Front, Port: 80, Protocol: HTTP, DefaultActions: [] } }
  Targets: { Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: { VpcId: !Ref Vpc, Port: 8080, Protocol: HTTP, Targets: [{ Id: !Ref Machine, Port: 80 }], HealthCheckPath: / } }
  Machine: { Type: AWS::EC2::Instance, Properties: { SubnetId: !Ref Subnet } }
  Rule: { Type: AWS::ElasticLoadBalancingV2::ListenerRule, Properties: { ListenerArn: !Ref Web } }
");
    let imported = Templates::one(&template).imported();
    assert_eq!(
        *resource(&imported, "load_balancers", "Front"),
        json!({ "subnets": ["Subnet", "Other"], "security_groups": ["Group"], "internal": true })
    );
    let net = resource(&imported, "load_balancers", "Net");
    assert_eq!((&net["load_balancer_type"], &net["subnets"]), (&json!("network"), &json!(["Subnet"])));
    assert_eq!(
        *resource(&imported, "listeners", "Web"),
        json!({ "load_balancer": "Front", "port": 80, "protocol": "HTTP" })
    );
    assert_eq!(resource(&imported, "target_groups", "Targets")["targets"], json!(["Machine"]));
    assert_eq!(fate(&imported, "Rule"), Fate::NotNetwork);
}

#[test]
fn mount_targets_and_resolver_endpoints_come_out() {
    let template = with_vpc("
  Files: { Type: AWS::EFS::FileSystem }
  Mount: { Type: AWS::EFS::MountTarget, Properties: { FileSystemId: !Ref Files, SubnetId: !Ref Subnet, SecurityGroups: [!Ref Group], IpAddress: 10.0.1.40 } }
  Names: { Type: AWS::Route53Resolver::ResolverEndpoint, Properties: { Direction: INBOUND, SecurityGroupIds: [!Ref Group], IpAddresses: [{ SubnetId: !Ref Subnet, Ip: 10.0.1.53 }, { SubnetId: !Ref Other }] } }
");
    let imported = Templates::one(&template).imported();
    let mount = resource(&imported, "instances", "Mount");
    assert_eq!((&mount["subnet"], &mount["private_ip"]), (&json!("Subnet"), &json!("10.0.1.40")));
    assert_eq!(resource(&imported, "instances", "Names[0]")["private_ip"], "10.0.1.53");
    assert_eq!(resource(&imported, "instances", "Names[1]")["subnet"], "Other");
}

#[test]
fn groups_of_ec2_classic_leave_unknown_who_may_come() {
    let template = with_vpc(
        "
  Database: { Type: AWS::RDS::DBInstance, Properties: { DBSecurityGroups: [!Ref Old] } }
  Old: { Type: AWS::RDS::DBSecurityGroup, Properties: { DBSecurityGroupIngress: { CIDRIP: 0.0.0.0/0 } } }
",
    );
    let imported = Templates::one(&template).imported();
    assert_eq!(resource(&imported, "instances", "Database[0]")["subnet"], "default-us-east-1-a");
    assert_eq!(fate(&imported, "Database"), Fate::NotModelled);
    assert_eq!(notes(&imported, "Old"), "groups of EC2-Classic are in no VPC");
}

/// Whether the first interface of `Tested` has a public address, in a VPC with an internet gateway.
fn is_public(of_type: &str, properties: &str) -> serde_json::Value {
    let template = with_vpc(&format!(
        "
  Igw: {{ Type: AWS::EC2::InternetGateway }}
  Attached: {{ Type: AWS::EC2::VPCGatewayAttachment, Properties: {{ VpcId: !Ref Vpc, InternetGatewayId: !Ref Igw }} }}
  Few: {{ Type: AWS::RDS::DBSubnetGroup, Properties: {{ SubnetIds: [!Ref Subnet] }} }}
  Tested: {{ Type: {of_type}, Properties: {{ {properties} }} }}
"
    ));
    let imported = Templates::one(&template).imported();
    resource(&imported, "instances", "Tested[0]")["associate_public_ip_address"].clone()
}

#[test]
fn services_have_public_addresses_where_they_say_so_or_aws_does() {
    let brokers = "BrokerNodeGroupInfo: { ClientSubnets: [!Ref Subnet]";
    for (of_type, properties, expected) in [
        ("AWS::AmazonMQ::Broker", "SubnetIds: [!Ref Subnet], PubliclyAccessible: true", true),
        ("AWS::AmazonMQ::Broker", "SubnetIds: [!Ref Subnet]", false),
        ("AWS::DMS::ReplicationInstance", "ReplicationSubnetGroupIdentifier: !Ref Few", true),
        (
            "AWS::DMS::ReplicationInstance",
            "ReplicationSubnetGroupIdentifier: !Ref Few, PubliclyAccessible: false",
            false,
        ),
        (
            "AWS::MSK::Cluster",
            &format!("{brokers}, ConnectivityInfo: {{ PublicAccess: {{ Type: SERVICE_PROVIDED_EIPS }} }} }}"),
            true,
        ),
        (
            "AWS::MSK::Cluster",
            &format!("{brokers}, ConnectivityInfo: {{ PublicAccess: {{ Type: DISABLED }} }} }}"),
            false,
        ),
        ("AWS::MSK::Cluster", &format!("{brokers} }}"), false),
        ("AWS::RDS::DBInstance", "Engine: postgres", true),
        ("AWS::RDS::DBInstance", "Engine: postgres, PubliclyAccessible: false", false),
        ("AWS::RDS::DBInstance", "Engine: postgres, DBSubnetGroupName: !Ref Few", true),
        ("AWS::RDS::DBCluster", "Engine: aurora-mysql, DBSubnetGroupName: !Ref Few", false),
        ("AWS::Redshift::Cluster", "ClusterSubnetGroupName: !Ref Few", false),
        (
            "AWS::AppStream::Fleet",
            "VpcConfig: { SubnetIds: [!Ref Subnet] }, EnableDefaultInternetAccess: true",
            true,
        ),
    ] {
        assert_eq!(is_public(of_type, properties), expected, "{of_type} {properties}");
    }
}

#[test]
fn elastic_addresses_of_a_transfer_server_are_its_interfaces() {
    let template = with_vpc("
  Igw: { Type: AWS::EC2::InternetGateway }
  Attached: { Type: AWS::EC2::VPCGatewayAttachment, Properties: { VpcId: !Ref Vpc, InternetGatewayId: !Ref Igw } }
  One: { Type: AWS::EC2::EIP }
  Two: { Type: AWS::EC2::EIP }
  Server: { Type: AWS::Transfer::Server, Properties: { EndpointDetails: { SubnetIds: [!Ref Subnet, !Ref Other], AddressAllocationIds: [!GetAtt Two.AllocationId, !GetAtt One.AllocationId] } } }
");
    let imported = Templates::one(&template).imported();
    assert_eq!(resource(&imported, "eips", "Two")["instance"], "Server[0]");
    assert_eq!(resource(&imported, "eips", "One")["instance"], "Server[1]");
}

#[test]
fn a_batch_environment_has_the_groups_of_its_launch_template() {
    let environment = |template: &str, own: &str| {
        let text = with_vpc(&format!(
            "
  Template: {{ Type: AWS::EC2::LaunchTemplate, Properties: {{ LaunchTemplateData: {{ SecurityGroupIds: [!Ref Group] }} }} }}
  Own: {{ Type: AWS::EC2::SecurityGroup, Properties: {{ VpcId: !Ref Vpc, GroupDescription: o }} }}
  Tested: {{ Type: AWS::Batch::ComputeEnvironment, Properties: {{ ComputeResources: {{ Subnets: [!Ref Subnet], LaunchTemplate: {{ LaunchTemplateId: {template} }} {own} }} }} }}
"
        ));
        let imported = Templates::one(&text).imported();
        resource(&imported, "instances", "Tested[0]").clone()
    };
    assert_eq!(environment("!Ref Template", "")["security_groups"], json!(["Group"]));
    assert_eq!(
        environment("!Ref Template", ", SecurityGroupIds: [!Ref Own]")["security_groups"],
        json!(["Own"])
    );
    assert!(environment("lt-1", "")["not_modelled"].is_string());
}

#[test]
fn a_replica_is_where_its_source_is() {
    let template = with_vpc("
  Rds: { Type: AWS::RDS::DBSubnetGroup, Properties: { SubnetIds: [!Ref Subnet, !Ref Other] } }
  Source: { Type: AWS::RDS::DBInstance, Properties: { DBSubnetGroupName: !Ref Rds, VPCSecurityGroups: [!Ref Group], PubliclyAccessible: false } }
  Replica: { Type: AWS::RDS::DBInstance, Properties: { SourceDBInstanceIdentifier: !Ref Source, PubliclyAccessible: false } }
  Grouped: { Type: AWS::RDS::DBInstance, Properties: { SourceDBInstanceIdentifier: !Ref Source, VPCSecurityGroups: [!Ref Group] } }
  Far: { Type: AWS::RDS::DBInstance, Properties: { SourceDBInstanceIdentifier: 'arn:aws:rds:eu-west-1:123456789012:db:x' } }
  Cache: { Type: AWS::ElastiCache::ReplicationGroup, Properties: { ReplicationGroupId: own, CacheSubnetGroupName: !Ref Rds, SecurityGroupIds: [!Ref Group] } }
  Member: { Type: AWS::ElastiCache::CacheCluster, Properties: { ReplicationGroupId: !Ref Cache, VpcSecurityGroupIds: [!Ref Group] } }
");
    let imported = Templates::one(&template).imported();
    for name in ["Replica", "Grouped", "Member"] {
        let second = resource(&imported, "instances", &format!("{name}[1]"));
        assert_eq!(second["subnet"], "Other", "{name}");
        assert_eq!(second.get("not_modelled").is_some(), name == "Replica", "{name}");
    }
    assert_eq!(fate(&imported, "Far"), Fate::LeftOut);
}

#[test]
fn what_is_in_some_of_its_subnets_says_that_it_stands_in_all() {
    let template = with_vpc("
  Rds: { Type: AWS::RDS::DBSubnetGroup, Properties: { SubnetIds: [!Ref Subnet, !Ref Other] } }
  Database: { Type: AWS::RDS::DBInstance, Properties: { DBSubnetGroupName: !Ref Rds, MultiAZ: false } }
  Launch: { Type: AWS::AutoScaling::LaunchConfiguration, Properties: { SecurityGroups: [!Ref Group] } }
  Asg: { Type: AWS::AutoScaling::AutoScalingGroup, Properties: { DesiredCapacity: 1, VPCZoneIdentifier: [!Ref Subnet, !Ref Other], LaunchConfigurationName: !Ref Launch } }
  Alone: { Type: AWS::AutoScaling::AutoScalingGroup, Properties: { VPCZoneIdentifier: [!Ref Subnet], LaunchConfigurationName: !Ref Launch } }
  Function: { Type: AWS::Lambda::Function, Properties: { VpcConfig: { SubnetIds: [!Ref Subnet], SecurityGroupIds: [!Ref Group] } } }
");
    let imported = Templates::one(&template).imported();
    for name in ["Database", "Asg"] {
        assert!(notes(&imported, name).contains("it stands in every subnet that it may be in"), "{name}");
    }
    assert_eq!(fate(&imported, "Alone"), Fate::Understood);
    assert!(notes(&imported, "Function").contains("nobody can open a connection to a function"));
}

#[test]
fn groups_that_are_not_known_leave_an_end_unknown() {
    let groups = "!If [Unknown, [!Ref Group], []]";
    let template = format!(
        "Conditions: {{ Unknown: !Equals ['{{{{resolve:ssm:x}}}}', y] }}\n{}",
        with_vpc(&format!("
  Names: {{ Type: AWS::Route53Resolver::ResolverEndpoint, Properties: {{ SecurityGroupIds: {groups}, IpAddresses: [{{ SubnetId: !Ref Subnet }}] }} }}
  Template: {{ Type: AWS::EC2::LaunchTemplate, Properties: {{ LaunchTemplateData: {{ NetworkInterfaces: !If [Unknown, [{{ DeviceIndex: 0, Groups: [!Ref Group] }}], !Ref AWS::NoValue] }} }} }}
  Asg: {{ Type: AWS::AutoScaling::AutoScalingGroup, Properties: {{ VPCZoneIdentifier: [!Ref Subnet], LaunchTemplate: {{ LaunchTemplateId: !Ref Template }} }} }}
"))
    );
    let imported = Templates::one(&template).stand_ins().imported();
    assert!(resource(&imported, "instances", "Asg[0]")["not_modelled"].is_string());
    // A list without a value is a group of its own, of which nothing is known.
    let names = resource(&imported, "instances", "Names[0]");
    let group = names["security_groups"][0].as_str().unwrap();
    assert!(resource(&imported, "security_groups", group)["not_modelled"].is_string());
}
