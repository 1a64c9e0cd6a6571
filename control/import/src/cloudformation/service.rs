//! Which services put interfaces into subnets, and where do they say so?
//!
//! One line for each: where the subnets and the groups stand. Whatever the desired count, there is one interface in each
//! subnet.

use serde_json::{Map, Value, json};

use super::resource::{Interfaces, Resource};
use crate::eks;
use crate::properties::Given;
use crate::report::{Fate, NoteKind};
use crate::services::{self, Public};
use crate::val::Val;

/// A service whose resource names its subnets.
#[derive(Debug)]
struct Service {
    of_type: &'static str,
    subnets: &'static [&'static str],
    groups: &'static [&'static str],
    /// Where it is said that there is a public address, and in which word.
    public: Option<(&'static [&'static str], &'static str)>,
}

const fn service(
    of_type: &'static str,
    subnets: &'static [&'static str],
    groups: &'static [&'static str],
) -> Service {
    Service { of_type, subnets, groups, public: None }
}

/// What speaks of networks and changes nothing here: the VPC of the subnets, addresses that names stand for, and health
/// checks' grace.
const SILENT: &[&str] = &["VpcId", "IdentityProviderDetails", "AppNetworkAccessType", "DirectInternetAccess"];

const SERVICES: &[Service] = &[
    service("AWS::Lambda::Function", &["VpcConfig", "SubnetIds"], &["VpcConfig", "SecurityGroupIds"]),
    service("AWS::Serverless::Function", &["VpcConfig", "SubnetIds"], &["VpcConfig", "SecurityGroupIds"]),
    Service {
        public: Some((&["NetworkConfiguration", "AwsvpcConfiguration", "AssignPublicIp"], "ENABLED")),
        ..service(
            "AWS::ECS::Service",
            &["NetworkConfiguration", "AwsvpcConfiguration", "Subnets"],
            &["NetworkConfiguration", "AwsvpcConfiguration", "SecurityGroups"],
        )
    },
    Service {
        public: Some((&["NetworkConfiguration", "AwsvpcConfiguration", "AssignPublicIp"], "ENABLED")),
        ..service(
            "AWS::ECS::TaskSet",
            &["NetworkConfiguration", "AwsvpcConfiguration", "Subnets"],
            &["NetworkConfiguration", "AwsvpcConfiguration", "SecurityGroups"],
        )
    },
    service(
        "AWS::OpenSearchService::Domain",
        &["VPCOptions", "SubnetIds"],
        &["VPCOptions", "SecurityGroupIds"],
    ),
    service("AWS::Elasticsearch::Domain", &["VPCOptions", "SubnetIds"], &["VPCOptions", "SecurityGroupIds"]),
    Service {
        public: Some((
            &["BrokerNodeGroupInfo", "ConnectivityInfo", "PublicAccess", "Type"],
            "SERVICE_PROVIDED_EIPS",
        )),
        ..service(
            "AWS::MSK::Cluster",
            &["BrokerNodeGroupInfo", "ClientSubnets"],
            &["BrokerNodeGroupInfo", "SecurityGroups"],
        )
    },
    service("AWS::MSK::ServerlessCluster", &["VpcConfigs", "SubnetIds"], &["VpcConfigs", "SecurityGroups"]),
    service("AWS::CodeBuild::Project", &["VpcConfig", "Subnets"], &["VpcConfig", "SecurityGroupIds"]),
    service("AWS::CodeBuild::Fleet", &["FleetVpcConfig", "Subnets"], &["FleetVpcConfig", "SecurityGroupIds"]),
    service(
        "AWS::Batch::ComputeEnvironment",
        &["ComputeResources", "Subnets"],
        &["ComputeResources", "SecurityGroupIds"],
    ),
    service("AWS::ElastiCache::ServerlessCache", &["SubnetIds"], &["SecurityGroupIds"]),
    service(
        "AWS::Glue::Connection",
        &["ConnectionInput", "PhysicalConnectionRequirements", "SubnetId"],
        &["ConnectionInput", "PhysicalConnectionRequirements", "SecurityGroupIdList"],
    ),
    Service {
        public: Some((&["PubliclyAccessible"], "true")),
        ..service("AWS::AmazonMQ::Broker", &["SubnetIds"], &["SecurityGroups"])
    },
    service("AWS::FSx::FileSystem", &["SubnetIds"], &["SecurityGroupIds"]),
    service("AWS::SageMaker::NotebookInstance", &["SubnetId"], &["SecurityGroupIds"]),
    service("AWS::SageMaker::Model", &["VpcConfig", "Subnets"], &["VpcConfig", "SecurityGroupIds"]),
    service("AWS::SageMaker::Domain", &["SubnetIds"], &["DefaultUserSettings", "SecurityGroups"]),
    service(
        "AWS::MWAA::Environment",
        &["NetworkConfiguration", "SubnetIds"],
        &["NetworkConfiguration", "SecurityGroupIds"],
    ),
    service("AWS::AppRunner::VpcConnector", &["Subnets"], &["SecurityGroups"]),
    service("AWS::Synthetics::Canary", &["VPCConfig", "SubnetIds"], &["VPCConfig", "SecurityGroupIds"]),
    Service {
        public: Some((&["EnableDefaultInternetAccess"], "true")),
        ..service("AWS::AppStream::Fleet", &["VpcConfig", "SubnetIds"], &["VpcConfig", "SecurityGroupIds"])
    },
    Service {
        public: Some((&["EnableDefaultInternetAccess"], "true")),
        ..service(
            "AWS::AppStream::ImageBuilder",
            &["VpcConfig", "SubnetIds"],
            &["VpcConfig", "SecurityGroupIds"],
        )
    },
    service("AWS::ApiGatewayV2::VpcLink", &["SubnetIds"], &["SecurityGroupIds"]),
    service(
        "AWS::Transfer::Server",
        &["EndpointDetails", "SubnetIds"],
        &["EndpointDetails", "SecurityGroupIds"],
    ),
    service("AWS::NeptuneGraph::PrivateGraphEndpoint", &["SubnetIds"], &["SecurityGroupIds"]),
    service("AWS::EC2::InstanceConnectEndpoint", &["SubnetId"], &["SecurityGroupIds"]),
    service("AWS::ImageBuilder::InfrastructureConfiguration", &["SubnetId"], &["SecurityGroupIds"]),
    service("AWS::VpcLattice::ResourceGateway", &["SubnetIds"], &["SecurityGroupIds"]),
    service(
        "AWS::KinesisFirehose::DeliveryStream",
        &["AmazonopensearchserviceDestinationConfiguration", "VpcConfiguration", "SubnetIds"],
        &["AmazonopensearchserviceDestinationConfiguration", "VpcConfiguration", "SecurityGroupIds"],
    ),
    service(
        "AWS::KinesisFirehose::DeliveryStream",
        &["ElasticsearchDestinationConfiguration", "VpcConfiguration", "SubnetIds"],
        &["ElasticsearchDestinationConfiguration", "VpcConfiguration", "SecurityGroupIds"],
    ),
    service(
        "AWS::KinesisFirehose::DeliveryStream",
        &["AmazonOpenSearchServerlessDestinationConfiguration", "VpcConfiguration", "SubnetIds"],
        &["AmazonOpenSearchServerlessDestinationConfiguration", "VpcConfiguration", "SecurityGroupIds"],
    ),
    service(
        "AWS::KinesisAnalyticsV2::Application",
        &["ApplicationConfiguration", "VpcConfigurations", "SubnetIds"],
        &["ApplicationConfiguration", "VpcConfigurations", "SecurityGroupIds"],
    ),
    service(
        "AWS::APS::Scraper",
        &["Source", "EksConfiguration", "SubnetIds"],
        &["Source", "EksConfiguration", "SecurityGroupIds"],
    ),
    service("AWS::DirectoryService::MicrosoftAD", &["VpcSettings", "SubnetIds"], &["-"]),
    service("AWS::DirectoryService::SimpleAD", &["VpcSettings", "SubnetIds"], &["-"]),
    service("AWS::Cloud9::EnvironmentEC2", &["SubnetId"], &["-"]),
    service("AWS::CloudHSM::Cluster", &["SubnetIds"], &["-"]),
    service("AWS::CloudHSMV2::Cluster", &["SubnetIds"], &["-"]),
    service(
        "AWS::EMR::Cluster",
        &["Instances", "Ec2SubnetId"],
        &["Instances", "EmrManagedMasterSecurityGroup"],
    ),
    service(
        "AWS::EMR::Cluster",
        &["Instances", "Ec2SubnetIds"],
        &["Instances", "EmrManagedMasterSecurityGroup"],
    ),
    service("AWS::EMR::Studio", &["SubnetIds"], &["EngineSecurityGroupId"]),
    service(
        "AWS::EMRServerless::Application",
        &["NetworkConfiguration", "SubnetIds"],
        &["NetworkConfiguration", "SecurityGroupIds"],
    ),
    service("AWS::DataSync::LocationEFS", &["-"], &["Ec2Config", "SecurityGroupArns"]),
    service(
        "AWS::MediaConnect::Flow",
        &["VpcInterfaces", "SubnetId"],
        &["VpcInterfaces", "SecurityGroupIds"],
    ),
    service("AWS::MediaLive::Input", &["Vpc", "SubnetIds"], &["Vpc", "SecurityGroupIds"]),
    service("AWS::QuickSight::VPCConnection", &["SubnetIds"], &["SecurityGroupIds"]),
];

/// Whether the table has the type.
pub(super) fn is_service(of_type: &str) -> bool {
    SERVICES.iter().any(|service| service.of_type == of_type)
}

/// The interfaces of a service of the table; without subnets it changes no packet.
pub(super) fn map(mut r: Resource<'_>) -> Result<(), String> {
    // Some say in one of several places where they are.
    let of_type = r.mapping.of_type.clone();
    let mut places = SERVICES.iter().filter(|service| service.of_type == of_type);
    let is_said = |service: &&Service| r.value_at(service.subnets).is_some_and(|value| !value.is_empty());
    let Some(service) = places.clone().find(is_said).or_else(|| places.next()) else {
        return Err("its type is not known".to_owned());
    };
    let subnets = match r.names_at(service.subnets, "subnets", 2) {
        Given::Known(subnets) => subnets,
        Given::Absent => Vec::new(),
        Given::Unknown(unknown) => return Err(format!("its subnets are not known: {}", unknown.why)),
    };
    if subnets.is_empty() {
        r.mapping.properties.silence();
        return r.finish_as(Fate::NotNetwork);
    }
    let groups = match r.names_at(service.groups, "security_groups", 1) {
        Given::Known(groups) => Some(groups),
        Given::Absent => None,
        Given::Unknown(unknown) => {
            r.mapping.matters("its groups", &unknown);
            None
        }
    };
    let public = public(&mut r, service);
    let doubt = r.of_aws().doubt.map(str::to_owned);
    if let Some(doubt) = &doubt {
        r.mapping.note(NoteKind::Unknown, doubt.clone());
    }
    let ipv6 = ipv6(&mut r);
    let mut interfaces = Interfaces { subnets, groups, public, ipv6, doubt };
    if r.mapping.of_type == "AWS::Batch::ComputeEnvironment" {
        of_template(&mut r, &mut interfaces);
    }
    if let Given::Known(addresses) = r.names_at(&["EndpointDetails", "AddressAllocationIds"], "eips", 1) {
        // One for each subnet, in their order.
        let name = r.mapping.name.clone();
        for (position, address) in addresses.iter().enumerate().take(interfaces.subnets.len()) {
            let holder = json!(format!("{name}[{position}]"));
            r.mapping.estate.set("eips", address, "instance", holder, &r.mapping.by);
        }
    }
    r.tags();
    r.mapping.properties.silent(SILENT);
    r.mapping.properties.silence_others();
    r.put_interfaces(&interfaces);
    further(&mut r, service, interfaces)?;
    r.finish()
}

/// The interfaces of the further items of a list, each of which names its own subnets and groups.
fn further(r: &mut Resource<'_>, service: &Service, first: Interfaces) -> Result<(), String> {
    let (name, mut position) = (r.mapping.name.clone(), first.subnets.len());
    let Some((inside, around)) = service.subnets.split_last() else { return Ok(()) };
    let Some(Val::List(items)) = r.value_at(around) else { return Ok(()) };
    for item in items.iter().skip(1) {
        let known = |given: Given<Vec<String>>| match given {
            Given::Known(names) => Ok(Some(names)),
            Given::Absent => Ok(None),
            Given::Unknown(unknown) => Err(unknown),
        };
        let subnets = known(r.mapping.names_in(item.get(inside), "subnets", 2))
            .map_err(|unknown| format!("its subnets are not known: {}", unknown.why))?;
        let key = service.groups.last().copied().unwrap_or_default();
        let groups = known(r.mapping.names_in(item.get(key), "security_groups", 1));
        let groups = groups.unwrap_or_else(|unknown| {
            r.mapping.matters("its groups", &unknown);
            None
        });
        let (public, ipv6, doubt) = (first.public, first.ipv6, first.doubt.clone());
        let interfaces = Interfaces { subnets: Vec::new(), groups, public, ipv6, doubt };
        for subnet in subnets.into_iter().flatten() {
            r.put_interface(&format!("{name}[{position}]"), &subnet, &interfaces);
            position += 1;
        }
    }
    Ok(())
}

/// Whether the interfaces have public addresses: what the resource says, else what AWS does.
fn public(r: &mut Resource<'_>, service: &Service) -> Option<bool> {
    let said = service.public.and_then(|(path, word)| {
        let mut found = path.first().and_then(|first| r.mapping.properties.take(first));
        for key in path.iter().skip(1) {
            found = match found {
                Some(Val::Map(map)) => map.get(*key),
                unknown @ Some(Val::Unknown(_)) => unknown,
                _ => None,
            };
        }
        if let Some(Val::Unknown(unknown)) = found {
            let unknown = unknown.clone();
            r.mapping.matters(path.last().copied().unwrap_or_default(), &unknown);
        }
        found.and_then(Val::text).map(|text| text == word)
    });
    match (said, r.of_aws().public) {
        (Some(said), _) => Some(said),
        (None, Public::LikeInstances) => None,
        (None, Public::Said { otherwise }) => Some(otherwise),
        (None, Public::Never | Public::SaidOrByGateway) => Some(false),
    }
}

/// Instances that Batch launches of a template have its groups, where the environment names none.
fn of_template(r: &mut Resource<'_>, interfaces: &mut Interfaces) {
    let Some(Val::Map(resources)) = r.mapping.properties.take("ComputeResources") else { return };
    let Some(Val::Map(specification)) = resources.get("LaunchTemplate") else { return };
    let data = super::host::template_or_doubt(r, specification);
    let launched = super::host::launched(r, &data);
    let named = interfaces.groups.take().filter(|groups| !groups.is_empty());
    interfaces.groups = named.or(launched.groups);
    interfaces.public = interfaces.public.or(launched.public);
    interfaces.ipv6 = launched.ipv6;
}

/// A mount target of a file system: one interface.
pub(super) fn mount_target(mut r: Resource<'_>) -> Result<(), String> {
    let m = &mut r.mapping;
    m.properties.silent(&["FileSystemId", "Ipv6Address"]);
    m.reference("SubnetId", "subnet", "subnets");
    m.references("SecurityGroups", "security_groups", "security_groups");
    m.assignable("IpAddress", "private_ip");
    m.write("associate_public_ip_address", false);
    if let Some(count) = ipv6(&mut r) {
        r.mapping.write("ipv6_address_count", count);
    }
    r.mapping.put("instances");
    r.finish()
}

/// How many IPv6 addresses each interface has, of a service that has none unless it asks for them.
fn ipv6(r: &mut Resource<'_>) -> Option<i64> {
    if !services::has_ipv4_unless_said(&r.mapping.of_type) {
        return None;
    }
    let places: [&[&str]; 5] = [
        &["VpcConfig", "Ipv6AllowedForDualStack"],
        &["IpAddressType"],
        &["IPAddressType"],
        &["NetworkType"],
        &["BrokerNodeGroupInfo", "ConnectivityInfo", "NetworkType"],
    ];
    let said = places.into_iter().find_map(|path| r.value_at(path))?;
    r.mapping.properties.silent(&["IpAddressType", "IPAddressType", "NetworkType"]);
    if let Val::Unknown(unknown) = said {
        r.mapping.matters("which addresses it has", unknown);
        return None;
    }
    said.text().filter(|word| services::asks_for_ipv6(word)).map(|_| 1)
}

/// An endpoint of the resolver: an interface for each of its addresses.
pub(super) fn resolver_endpoint(mut r: Resource<'_>) -> Result<(), String> {
    let name = r.mapping.name.clone();
    let groups = match r.mapping.names_of("SecurityGroupIds", "security_groups", 1) {
        Given::Known(groups) => groups,
        Given::Absent => Vec::new(),
        Given::Unknown(unknown) => {
            r.mapping.matters("SecurityGroupIds", &unknown);
            Vec::new()
        }
    };
    let Given::Known(addresses) = r.mapping.properties.maps("IpAddresses") else {
        return Err("its addresses are not known".to_owned());
    };
    r.tags();
    r.mapping.properties.silence_others();
    for (position, mut address) in addresses.into_iter().enumerate() {
        let subnet = r.mapping.referred_in(&mut address, "SubnetId", "subnets", None);
        let Given::Known(subnet) = subnet else {
            r.mapping.note(NoteKind::Omitted, "one of its addresses is in a subnet that is not known");
            continue;
        };
        let mut attributes = Map::new();
        attributes.insert("subnet".to_owned(), json!(subnet));
        attributes.insert("associate_public_ip_address".to_owned(), Value::Bool(false));
        if !groups.is_empty() {
            attributes.insert("security_groups".to_owned(), json!(groups));
        }
        if let Given::Known(ip) = address.text("Ip") {
            attributes.insert("private_ip".to_owned(), json!(ip));
        }
        r.mapping.put_as("instances", &format!("{name}[{position}]"), attributes);
    }
    r.finish()
}

/// A cluster of EKS: its interfaces have a group of its own next to those that are named, which its nodes share.
pub(super) fn eks_cluster(mut r: Resource<'_>) -> Result<(), String> {
    let subnets = match r.names_at(&["ResourcesVpcConfig", "SubnetIds"], "subnets", 2) {
        Given::Known(subnets) => subnets,
        Given::Absent => return Err("it names no subnets".to_owned()),
        Given::Unknown(unknown) => return Err(format!("its subnets are not known: {}", unknown.why)),
    };
    let own = eks::group_of(&r.mapping.name);
    let mut groups = vec![own.clone()];
    match r.names_at(&["ResourcesVpcConfig", "SecurityGroupIds"], "security_groups", 1) {
        Given::Known(named) => groups.extend(named),
        Given::Absent => {}
        Given::Unknown(unknown) => r.mapping.matters("SecurityGroupIds", &unknown),
    }
    let vpc = subnets.first().and_then(|subnet| r.vpc_of_subnet(subnet));
    r.mapping.put_as("security_groups", &own, eks::group(vpc));
    r.mapping.note(NoteKind::Approximated, eks::NOTE);
    r.mapping.properties.silent(&["KubernetesNetworkConfig", "RemoteNetworkConfig"]);
    r.mapping.properties.silence_others();
    r.put_interfaces(&Interfaces {
        subnets,
        groups: Some(groups),
        public: Some(false),
        ipv6: None,
        doubt: None,
    });
    r.finish()
}

/// Nodes of a cluster of EKS, and its Fargate pods: in the cluster's group unless their launch template says otherwise.
pub(super) fn eks_nodes(mut r: Resource<'_>) -> Result<(), String> {
    let subnets = match r.mapping.names_of("Subnets", "subnets", 2) {
        Given::Known(subnets) if !subnets.is_empty() => subnets,
        Given::Unknown(unknown) => return Err(format!("its subnets are not known: {}", unknown.why)),
        _ => return Err("it names no subnets".to_owned()),
    };
    let data = match r.mapping.properties.take("LaunchTemplate") {
        Some(Val::Map(specification)) => super::host::template_or_doubt(&mut r, specification),
        _ => std::collections::BTreeMap::new(),
    };
    let super::host::Launched { groups, public, ipv6 } = super::host::launched(&mut r, &data);
    let public = if r.of_aws().public == Public::Never { Some(false) } else { public };
    let mut doubt = None;
    let groups = groups.or_else(|| match r.mapping.properties.take("ClusterName") {
        Some(Val::Name(named)) if named.of_type == "AWS::EKS::Cluster" => {
            Some(vec![eks::group_of(&named.name)])
        }
        Some(Val::Text(name)) => cluster_called(&r, name).map(|cluster| vec![eks::group_of(&cluster)]),
        _ => None,
    });
    let groups = groups.inspect(|groups| {
        for group in groups {
            r.mapping.estate.refer("security_groups", group, &r.mapping.by);
        }
    });
    if groups.is_none() {
        let why = "the group of its cluster is not known";
        r.mapping.note(NoteKind::Unknown, why);
        doubt = Some(why.to_owned());
    }
    if r.mapping.properties.take("RemoteAccess").is_some_and(|value| !value.is_null()) {
        let why = "RemoteAccess adds a security group that EKS makes";
        r.mapping.note(NoteKind::Unknown, why);
        doubt = Some(why.to_owned());
    }
    r.tags();
    r.mapping.properties.silence_others();
    r.put_interfaces(&Interfaces { subnets, groups, public, ipv6, doubt });
    r.finish()
}

/// The cluster whose `Name` is this.
fn cluster_called(r: &Resource<'_>, name: &str) -> Option<String> {
    r.evaluator.stacks().iter().enumerate().find_map(|(position, stack)| {
        let mut logicals = stack.template.resources.keys();
        let logical = logicals.find(|logical| {
            stack.type_of(logical) == Some("AWS::EKS::Cluster")
                && r.evaluator.property(position, logical, "Name").and_then(|name| name.text()).as_deref()
                    == Some(name)
        })?;
        Some(stack.name_of(logical))
    })
}
