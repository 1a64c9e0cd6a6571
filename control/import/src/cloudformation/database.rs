//! Where do databases and caches have their interfaces?
//!
//! In the subnets of a subnet group, which is a resource of its own.

use serde_json::Value;

use super::resource::{Interfaces, Resource};
use crate::properties::Given;
use crate::report::NoteKind;
use crate::services::Public;
use crate::val::{Missing, Unknown, Val};

/// A database: where its subnet group, its groups and its cluster stand.
#[derive(Debug)]
struct Database {
    of_type: &'static str,
    subnet_group: &'static str,
    /// The subnets of the subnet group.
    subnets: &'static str,
    groups: &'static [&'static str],
    /// The cluster, whose subnet group and groups it has.
    cluster: Option<&'static str>,
}

const fn database(
    of_type: &'static str,
    subnet_group: &'static str,
    subnets: &'static str,
    groups: &'static [&'static str],
) -> Database {
    Database { of_type, subnet_group, subnets, groups, cluster: None }
}

const DATABASES: &[Database] = &[
    Database {
        cluster: Some("DBClusterIdentifier"),
        ..database("AWS::RDS::DBInstance", "DBSubnetGroupName", "SubnetIds", &["VPCSecurityGroups"])
    },
    database("AWS::RDS::DBCluster", "DBSubnetGroupName", "SubnetIds", &["VpcSecurityGroupIds"]),
    database("AWS::RDS::DBProxy", "", "VpcSubnetIds", &["VpcSecurityGroupIds"]),
    Database {
        cluster: Some("DBClusterIdentifier"),
        ..database("AWS::DocDB::DBInstance", "", "SubnetIds", &[])
    },
    database("AWS::DocDB::DBCluster", "DBSubnetGroupName", "SubnetIds", &["VpcSecurityGroupIds"]),
    Database {
        cluster: Some("DBClusterIdentifier"),
        ..database("AWS::Neptune::DBInstance", "DBSubnetGroupName", "SubnetIds", &[])
    },
    database("AWS::Neptune::DBCluster", "DBSubnetGroupName", "SubnetIds", &["VpcSecurityGroupIds"]),
    database("AWS::ElastiCache::CacheCluster", "CacheSubnetGroupName", "SubnetIds", &["VpcSecurityGroupIds"]),
    database(
        "AWS::ElastiCache::ReplicationGroup",
        "CacheSubnetGroupName",
        "SubnetIds",
        &["SecurityGroupIds"],
    ),
    database("AWS::MemoryDB::Cluster", "SubnetGroupName", "SubnetIds", &["SecurityGroupIds"]),
    database("AWS::DAX::Cluster", "SubnetGroupName", "SubnetIds", &["SecurityGroupIds"]),
    database("AWS::Redshift::Cluster", "ClusterSubnetGroupName", "SubnetIds", &["VpcSecurityGroupIds"]),
    database("AWS::RedshiftServerless::Workgroup", "", "SubnetIds", &["SecurityGroupIds"]),
    database(
        "AWS::DMS::ReplicationInstance",
        "ReplicationSubnetGroupIdentifier",
        "SubnetIds",
        &["VpcSecurityGroupIds"],
    ),
];

/// Groups of EC2-Classic, which say who may come and are in no VPC.
const CLASSIC: &[&str] = &["DBSecurityGroups", "CacheSecurityGroupNames", "ClusterSecurityGroups"];

/// Whether the table has the type.
pub(super) fn is_database(of_type: &str) -> bool {
    DATABASES.iter().any(|database| database.of_type == of_type)
}

/// The interfaces of a database of the table.
pub(super) fn map(mut r: Resource<'_>) -> Result<(), String> {
    let Some(database) = DATABASES.iter().find(|database| database.of_type == r.mapping.of_type) else {
        return Err("its type is not known".to_owned());
    };
    let mut subnets = if database.subnet_group.is_empty() {
        match r.mapping.names_of(database.subnets, "subnets", 2) {
            Given::Known(subnets) => Some(subnets),
            Given::Absent => None,
            Given::Unknown(unknown) => return Err(format!("its subnets are not known: {}", unknown.why)),
        }
    } else {
        let group = r.mapping.properties.take(database.subnet_group).cloned();
        subnets_of_group(&mut r, group, database.subnets)?
    };
    let mut groups = None;
    for key in database.groups {
        match r.mapping.names_of(key, "security_groups", 1) {
            Given::Known(names) if !names.is_empty() => groups = Some(names),
            Given::Unknown(unknown) => r.mapping.matters(key, &unknown),
            _ => {}
        }
    }
    if let Some(key) = database.cluster
        && let Some(cluster) = r.mapping.properties.take(key).cloned()
    {
        match r.place_of(&cluster) {
            Some(place) => {
                let group = r.of(&place, "DBSubnetGroupName");
                subnets = subnets_of_group(&mut r, group, "SubnetIds")?.or(subnets);
                let named = r.of(&place, "VpcSecurityGroupIds");
                if let Given::Known(names) = r.mapping.names_in(named.as_ref(), "security_groups", 1) {
                    groups = groups.or(Some(names));
                }
            }
            None => return Err("its cluster is in no given template".to_owned()),
        }
    }
    let mut doubt = None;
    for key in CLASSIC {
        let named = r.mapping.properties.take(key);
        if named.is_some_and(|named| *named != Val::List(Vec::new())) {
            let why = format!("{key} are of EC2-Classic: who may come is not known");
            r.mapping.note(NoteKind::Unknown, why.clone());
            doubt = Some(why);
        }
    }
    if let Some(source) = source(&mut r) {
        let Some(place) = r.place_of(&source) else {
            return Err(
                "it is a replica of what is in no given template: where it is is not known".to_owned()
            );
        };
        if subnets.is_none() {
            let group = r.of(&place, database.subnet_group);
            subnets = subnets_of_group(&mut r, group, database.subnets)?;
        }
        if groups.is_none() {
            let why = "which groups a replica has that states none is not known";
            r.mapping.note(NoteKind::Unknown, why);
            doubt = Some(why.to_owned());
        }
    }
    let subnets = match subnets {
        Some(subnets) if !subnets.is_empty() => subnets,
        _ => r.default_subnets(),
    };
    let public = match r.mapping.properties.boolean("PubliclyAccessible") {
        Given::Known(public) => Some(public),
        Given::Absent => Some(is_public(&mut r, &subnets)),
        Given::Unknown(unknown) => {
            r.mapping.matters("PubliclyAccessible", &unknown);
            None
        }
    };
    r.tags();
    match r.mapping.properties.text("NetworkType") {
        Given::Known(family) if family.eq_ignore_ascii_case("ipv4") => {}
        Given::Absent => {}
        _ => r.mapping.note(NoteKind::Omitted, "its IPv6 addresses (NetworkType) are not in the topology"),
    }
    r.mapping.properties.silent(&["IpDiscovery"]);
    r.mapping.properties.silence_others();
    r.put_interfaces(&Interfaces { subnets, groups, public, ipv6: None, doubt });
    r.finish()
}

/// What a replica or a member is one of: it is where that is, unless it says otherwise.
fn source(r: &mut Resource<'_>) -> Option<Val> {
    let sources: &[&str] = match r.mapping.of_type.as_str() {
        "AWS::RDS::DBInstance" => &["SourceDBInstanceIdentifier", "SourceDBClusterIdentifier"],
        "AWS::ElastiCache::ReplicationGroup" => &["PrimaryClusterId"],
        "AWS::ElastiCache::CacheCluster" => &["ReplicationGroupId"],
        _ => &[],
    };
    sources.iter().find_map(|key| r.mapping.properties.take(key).cloned()).filter(|source| !source.is_empty())
}

/// Whether a database that does not say it has public addresses.
fn is_public(r: &mut Resource<'_>, subnets: &[String]) -> bool {
    let public = match r.of_aws().public {
        Public::Said { otherwise } => otherwise,
        Public::Never | Public::LikeInstances => false,
        Public::SaidOrByGateway => {
            let vpc = subnets.first().and_then(|subnet| r.vpc_of_subnet(subnet));
            // That of a default VPC is made with it.
            let is_default = subnets.first().is_some_and(|subnet| subnet.starts_with("default-"));
            is_default || vpc.is_some_and(|vpc| r.evaluator.has_internet_gateway(&vpc))
        }
    };
    if public {
        r.mapping.note(
            NoteKind::Approximated,
            "PubliclyAccessible is not written: AWS takes it as true for this service, in a VPC with an internet gateway",
        );
    }
    public
}

/// The subnets of a subnet group: stand-ins where it is in no template; nothing where none is named.
fn subnets_of_group(
    r: &mut Resource<'_>,
    group: Option<Val>,
    property: &str,
) -> Result<Option<Vec<String>>, String> {
    let group = match group {
        None | Some(Val::Null) => return Ok(None),
        Some(Val::Text(name)) if name.is_empty() || name == "default" => return Ok(None),
        Some(Val::Text(name)) => match group_called(r, &name) {
            Some(group) => group,
            None => Val::Unknown(Unknown {
                why: format!("no given template has the subnet group {name}"),
                missing: Some(Missing { name, remedy: None }),
            }),
        },
        Some(other) => other,
    };
    let listed = match r.place_of(&group) {
        Some(place) => r.of(&place, property),
        None => match group {
            Val::Unknown(unknown) => Some(Val::Unknown(unknown)),
            _ => return Err("its subnet group is not understood".to_owned()),
        },
    };
    match r.mapping.names_in(listed.as_ref(), "subnets", 2) {
        Given::Known(subnets) => Ok(Some(subnets)),
        Given::Absent => Ok(None),
        Given::Unknown(unknown) => Err(format!("its subnets are not known: {}", unknown.why)),
    }
}

/// The subnet group that states this name.
fn group_called(r: &Resource<'_>, name: &str) -> Option<Val> {
    for (position, stack) in r.evaluator.stacks().iter().enumerate() {
        for logical in stack.template.resources.keys() {
            let Some(of_type) = stack.type_of(logical).filter(|name| name.contains("SubnetGroup")) else {
                continue;
            };
            let written =
                stack.template.resources.get(logical).and_then(|resource| resource.get("Properties"));
            let Some(Value::Object(properties)) = written else { continue };
            for key in properties.keys().filter(|key| key.contains("Name") || key.contains("Identifier")) {
                let called = r.evaluator.property(position, logical, key).and_then(|value| value.text());
                // The service keeps them in lower case.
                if called.is_some_and(|called| called.eq_ignore_ascii_case(name)) {
                    let name = stack.name_of(logical);
                    return Some(Val::Name(crate::val::Named { of_type: of_type.to_owned(), name }));
                }
            }
        }
    }
    None
}
