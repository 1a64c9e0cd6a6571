//! What do the tests of dumps share?

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use vpclab_import::{Fate, ImportError, Imported, Options, ReportedResource, Source, import};

/// Files in a folder.
#[derive(Debug)]
pub(crate) struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    pub(crate) fn new(files: &[(&str, Value)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in files {
            let path = folder.path().join("dump").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, value.to_string()).unwrap();
        }
        Self { folder }
    }

    fn source(&self) -> Source {
        let path = self.folder.path().join("dump");
        let mut inside = std::fs::read_dir(&path).unwrap();
        let only = inside.next().unwrap().unwrap().path();
        // One file is given by itself.
        let path = if inside.next().is_none() && only.is_file() { only } else { path };
        path.to_str().unwrap().parse().unwrap()
    }

    pub(crate) fn run(&self, stand_ins: bool) -> Result<Imported, ImportError> {
        import(&[self.source()], &Options { stand_ins, ..Options::default() })
    }

    /// What is imported; each resource is reported once.
    #[track_caller]
    pub(crate) fn imported(&self) -> Imported {
        let imported = self.run(false).unwrap_or_else(|error| panic!("{error}"));
        let mut seen = BTreeSet::new();
        for resource in &imported.report.resources {
            assert!(seen.insert((&resource.of_type, &resource.address)), "{} twice", resource.address);
        }
        assert_eq!(self.run(false).unwrap().document.to_string(), imported.document.to_string());
        imported
    }
}

/// A dump in one file: a VPC with two subnets, a main route table, a default network ACL and a group, and what is added.
/// Lists of the same key are joined.
pub(crate) fn dump(more: Value) -> Files {
    Files::new(&[("dump.json", together(more))])
}

pub(crate) fn together(more: Value) -> Value {
    let mut all = base();
    for (key, list) in more.as_object().unwrap() {
        match (all.get_mut(key), list) {
            (Some(Value::Array(held)), Value::Array(list)) => {
                // What has the id of one that is there stands for it.
                for item in list {
                    let id = |item: &Value| {
                        item.as_object()
                            .unwrap()
                            .iter()
                            .find(|(key, _)| ID.contains(&key.as_str()))
                            .map(|(_, id)| id.clone())
                    };
                    held.retain(|other| id(other) != id(item));
                    held.push(item.clone());
                }
            }
            _ => drop(all.insert(key.clone(), list.clone())),
        }
    }
    Value::Object(all)
}

const ID: [&str; 5] = ["GroupId", "NetworkAclId", "RouteTableId", "SubnetId", "VpcId"];

fn base() -> Map<String, Value> {
    let base = json!({
        "Vpcs": [{ "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "OwnerId": "111122223333", "State": "available",
            "CidrBlockAssociationSet": [{ "CidrBlock": "10.0.0.0/16", "CidrBlockState": { "State": "associated" } }],
            "Tags": [{ "Key": "Name", "Value": "shop" }] }],
        "Subnets": [
            { "SubnetId": "subnet-a", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "eu-west-1a", "State": "available" },
            { "SubnetId": "subnet-b", "VpcId": "vpc-1", "CidrBlock": "10.0.2.0/24", "AvailabilityZone": "eu-west-1b", "State": "available" }],
        "RouteTables": [{ "RouteTableId": "rtb-main", "VpcId": "vpc-1", "Associations": [{ "Main": true, "RouteTableId": "rtb-main" }],
            "Routes": [{ "DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active" }] }],
        "NetworkAcls": [{ "NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": true,
            "Associations": [{ "SubnetId": "subnet-a" }, { "SubnetId": "subnet-b" }],
            "Entries": [
                { "RuleNumber": 100, "Egress": false, "Protocol": "-1", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0" },
                { "RuleNumber": 32767, "Egress": false, "Protocol": "-1", "RuleAction": "deny", "CidrBlock": "0.0.0.0/0" },
                { "RuleNumber": 100, "Egress": true, "Protocol": "-1", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0" },
                { "RuleNumber": 32767, "Egress": true, "Protocol": "-1", "RuleAction": "deny", "CidrBlock": "0.0.0.0/0" }] }],
        "SecurityGroups": [{ "GroupId": "sg-1", "GroupName": "web", "VpcId": "vpc-1", "IpPermissions": [], "IpPermissionsEgress": [] }],
    });
    base.as_object().unwrap().clone()
}

#[track_caller]
pub(crate) fn resource<'a>(imported: &'a Imported, kind: &str, name: &str) -> &'a Value {
    let found = imported.document.get(kind).and_then(|all| all.get(name));
    found.unwrap_or_else(|| panic!("no {kind}.{name} in {:#}", imported.document))
}

#[track_caller]
pub(crate) fn reported<'a>(imported: &'a Imported, address: &str) -> &'a ReportedResource {
    let found = imported.report.resources.iter().find(|resource| resource.address == address);
    found.unwrap_or_else(|| panic!("{address} is not reported"))
}

#[track_caller]
pub(crate) fn fate(imported: &Imported, address: &str) -> Fate {
    reported(imported, address).fate
}

#[track_caller]
pub(crate) fn notes(imported: &Imported, address: &str) -> String {
    let notes = &reported(imported, address).notes;
    notes.iter().map(|note| note.text.clone()).collect::<Vec<_>>().join("\n")
}
