//! In which files and folders is a dump found?

use serde_json::{Value, json};
use vpclab_import::Fate;

use crate::fixture::{Files, dump, fate, notes, resource, together};

/// A dump's lists, each in a file.
fn split(folder: &str) -> Vec<(String, Value)> {
    let all = together(json!({}));
    all.as_object()
        .unwrap()
        .iter()
        .map(|(key, list)| (format!("{folder}{key}.json"), json!({ key: list })))
        .collect()
}

fn files(all: &[(String, Value)]) -> Files {
    Files::new(&all.iter().map(|(name, value)| (name.as_str(), value.clone())).collect::<Vec<_>>())
}

#[test]
fn a_dump_is_the_same_in_one_file_in_many_and_under_other_keys() {
    let expected = dump(json!({})).imported().document;
    let lower: Value = together(json!({}))
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, list)| {
            let mut snake = String::new();
            key.chars().for_each(|c| {
                if c.is_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.extend(c.to_lowercase());
            });
            (snake, list.clone())
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    let called: Vec<(String, Value)> = split("ec2-describe-");
    let bare: Vec<(String, Value)> = split("")
        .into_iter()
        .map(|(name, value)| {
            (name.to_lowercase(), value.as_object().unwrap().values().next().unwrap().clone())
        })
        .collect();
    for (files, what) in [
        (files(&split("")), "a file for each"),
        (files(&split("us-west-2/aws/")), "in folders"),
        (files(&called), "as the calls are named"),
        (files(&bare), "the lists alone"),
        (Files::new(&[("all.json", lower)]), "words in lower case"),
        (Files::new(&[("all.json", json!({ "describe-everything": together(json!({})) }))]), "one deeper"),
    ] {
        // The zones of its subnets say where a VPC is, whatever the folder is called.
        assert_eq!(files.imported().document, expected, "{what}");
    }
}

#[test]
fn folders_say_region_and_account() {
    let vpc = |id: &str, block: &str| json!({ "Vpcs": [{ "VpcId": id, "CidrBlock": block }] });
    let imported = Files::new(&[
        ("accounts/111/us-west-1/Vpcs.json", vpc("vpc-1", "10.0.0.0/16")),
        ("210987654321/eu-west-1/Vpcs.json", vpc("vpc-2", "10.1.0.0/16")),
        ("more.json", json!({ "ap-south-1": { "Vpcs": { "Vpcs": [{ "VpcId": "vpc-3", "CidrBlock": "10.2.0.0/16", "OwnerId": "999999999999" }] } } })),
    ])
    .imported();
    for (vpc, region, owner) in [
        ("vpc-1", "us-west-1", "000000000111"),
        ("vpc-2", "eu-west-1", "210987654321"),
        ("vpc-3", "ap-south-1", "999999999999"),
    ] {
        let found = resource(&imported, "vpcs", vpc);
        assert_eq!((&found["region"], &found["owner"]), (&json!(region), &json!(owner)), "{vpc}");
    }
}

#[test]
fn what_two_accounts_show_is_one() {
    let imported = Files::new(&[
        ("111122223333/eu-west-1/all.json", together(json!({}))),
        ("444455556666/eu-west-1/all.json", together(json!({}))),
    ])
    .imported();
    assert_eq!(imported.document["vpcs"].as_object().unwrap().len(), 1);
    assert_eq!(resource(&imported, "vpcs", "vpc-1")["owner"], "111122223333");
}

#[test]
fn what_no_one_listed_is_not_known() {
    let mut all = together(json!({}));
    for key in ["RouteTables", "NetworkAcls"] {
        all.as_object_mut().unwrap().remove(key);
    }
    let imported = Files::new(&[("all.json", all)]).imported();
    assert!(
        resource(&imported, "route_tables", "vpc-1/main")["not_modelled"]
            .as_str()
            .unwrap()
            .contains("describe-route-tables")
    );
    assert!(
        resource(&imported, "network_acls", "vpc-1/default")["not_modelled"]
            .as_str()
            .unwrap()
            .contains("describe-network-acls")
    );
}

#[test]
fn what_is_no_network_and_what_nobody_knows_are_told_apart() {
    let imported = dump(json!({
        "KeyPairs": [{ "KeyName": "k", "KeyPairId": "key-1" }], "DhcpOptions": [{ "DhcpOptionsId": "dopt-1" }],
        "Widgets": [{ "WidgetId": "w-1" }, { "WidgetId": "w-2" }], "NextToken": "x", "Nothing": [],
        "ClientVpnEndpoints": [{ "ClientVpnEndpointId": "cvpn-1" }],
    }))
    .imported();
    assert_eq!(fate(&imported, "key-1"), Fate::NotNetwork);
    assert_eq!(fate(&imported, "dopt-1"), Fate::NotNetwork);
    assert_eq!(fate(&imported, "cvpn-1"), Fate::LeftOut);
    assert_eq!(fate(&imported, "dump.json#Widgets"), Fate::LeftOut);
    assert!(notes(&imported, "dump.json#Widgets").contains("2 of `Widgets`"));
}

#[test]
fn tags_may_be_listed_apart() {
    let imported = dump(json!({ "Tags": [{ "ResourceId": "subnet-a", "ResourceType": "subnet", "Key": "Name", "Value": "left" }] })).imported();
    assert_eq!(resource(&imported, "subnets", "subnet-a")["tags"], json!({ "Name": "left" }));
    assert_eq!(resource(&imported, "vpcs", "vpc-1")["tags"], json!({ "Name": "shop" }));
}

#[test]
fn what_holds_nothing_of_aws_is_refused() {
    let error = Files::new(&[("a.json", json!({ "hello": [1, 2] }))]).run(false).unwrap_err().to_string();
    assert!(error.contains("nothing in it that `aws ec2 describe-*` prints"), "{error}");
}
