//! Does what an explanation proposes take its blocker away?

use serde_json::{Value, json};
use vpclab_check::remedies;

use crate::{Network, request};

/// A network where little passes.
fn document() -> Value {
    json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1::/56" },
                  "w": { "cidr_block": "10.1.0.0/16" } },
        "internet_gateways": { "igw": { "vpc": "v" } },
        "vpc_peering_connections": { "pcx": { "vpc": "v", "peer_vpc": "w" } },
        "internet_hosts": { "out": { "address": "198.51.100.7", "ipv6_address": "2001:db8:ffff::7" } },
        "subnets": {
            "a": { "vpc": "v", "cidr_block": "10.0.1.0/24", "ipv6_cidr_block": "2001:db8:1:1::/64", "route_table": "t" },
            "b": { "vpc": "v", "cidr_block": "10.0.2.0/24", "ipv6_cidr_block": "2001:db8:1:2::/64", "network_acl": "acl" },
            "far": { "vpc": "w", "cidr_block": "10.1.1.0/24" } },
        "route_tables": { "t": { "vpc": "v", "routes": [] }, "v/main": { "routes": [] },
            "w/main": { "routes": [] } },
        "network_acls": { "acl": { "vpc": "v", "ingress": [
            { "rule_no": 50, "action": "deny", "protocol": "-1", "cidr_block": "10.0.0.0/8" } ], "egress": [] } },
        "security_groups": {
            "front": { "vpc": "v", "ingress": [], "egress": [] },
            "back": { "vpc": "v", "ingress": [] },
            "there": { "vpc": "w", "ingress": [] } },
        "instances": {
            "web": { "subnet": "a", "security_groups": ["front"], "ipv6_addresses": ["2001:db8:1:1::10"] },
            "db": { "subnet": "b", "security_groups": ["back"], "ipv6_addresses": ["2001:db8:1:2::10"] },
            "off": { "subnet": "a", "security_groups": ["back"], "state": "stopped" },
            "host": { "subnet": "far", "security_groups": ["there"] } } })
}

#[test]
fn one_change_after_the_other_makes_it_work() {
    for (from, to, family) in [
        ("web", "db:5432", 4),
        ("web", "db:5432", 6),
        ("web", "db/icmp", 4),
        ("web", "db/icmp", 6),
        ("web", "db:53/udp", 4),
        ("web", "db", 4),
        ("web", "db/50", 4),
        ("web", "out:443", 4),
        ("web", "out:443", 6),
        ("out", "web:443", 4),
        ("db", "web:80", 4),
        ("web", "off:80", 4),
        ("web", "host:22", 4),
        ("host", "web:22", 4),
    ] {
        let mut document = document();
        let mut done = Vec::new();
        loop {
            let network = Network::new(&vpclab_model::Document::from(document.clone()));
            let request = vpclab_api::ExplainRequest { family: Some(family), ..request(from, to) };
            let told = network.ask(&request).unwrap();
            if told.reachable == Some(true) {
                break;
            }
            let changes = remedies(&network.fabric, &network.topology, &request).unwrap();
            let texts: Vec<String> = told.blockers.iter().filter_map(|b| b.remedy.clone()).collect();
            assert_eq!(changes.iter().map(ToString::to_string).collect::<Vec<_>>(), texts);
            let change = changes.first().unwrap_or_else(|| panic!("{from} to {to}: nothing helps: {told:?}"));
            let denied = |told: &vpclab_api::Explanation| -> Vec<(String, String, Option<String>)> {
                let all = told.blockers.iter();
                all.map(|b| (b.code.clone(), b.direction.clone(), b.resource.clone())).collect()
            };
            let before = denied(&told);
            change.apply(&mut document);
            let changed = Network::new(&vpclab_model::Document::from(document.clone()));
            let after = denied(&changed.ask(&request).unwrap());
            assert!(after != before, "{from} to {to}: `{change}` changes nothing: {after:?}");
            done.push(change.to_string());
            assert!(done.len() < 12, "{from} to {to}: {done:#?}");
        }
        assert!(!done.is_empty(), "{from} to {to} works already");
    }
}

#[test]
fn the_change_is_the_narrowest_and_is_said_in_the_words_of_rules() {
    let network = Network::new(&vpclab_model::Document::from(document()));
    let says = |from: &str, to: &str| -> Vec<String> {
        network.explain(from, to).blockers.into_iter().filter_map(|blocker| blocker.remedy).collect()
    };
    let web_to_db = says("web", "db:5432");
    for sentence in [
        "add to security group front an egress rule: tcp 5432 to 10.0.2.4/32, or to the security group back",
        "add to security group back an ingress rule: tcp 5432 from 10.0.1.5/32, or from the security group front",
        "add to network ACL acl an ingress rule with a number below 50, such as 49: allow tcp 5432 from 10.0.1.5/32",
        "add to network ACL acl an egress rule with a number, such as 100: allow tcp 32768-60999 to 10.0.1.5/32",
    ] {
        assert!(web_to_db.iter().any(|said| said == sentence), "{sentence}: {web_to_db:#?}");
    }
    let text = vpclab_check::render::explained(&vpclab_api::Explained::One(Box::new(
        network.explain("web", "db:5432"),
    )));
    assert!(text.contains("→  add to security group front"), "{text}");
}

#[test]
fn behind_a_nat_gateway_nothing_is_said_of_filters() {
    let mut document = document();
    document["eips"] = json!({ "e": {} });
    document["subnets"]["n"] =
        json!({ "vpc": "v", "cidr_block": "10.0.3.0/24", "route_table": "out", "network_acl": "acl" });
    document["route_tables"]["out"] =
        json!({ "vpc": "v", "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }] });
    document["nat_gateways"] = json!({ "nat": { "subnet": "n", "allocation": "e" } });
    document["route_tables"]["t"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "nat_gateway": "nat" }]);
    let network = Network::new(&vpclab_model::Document::from(document));
    let told = network.explain("web", "out:443");
    assert_eq!(told.reachable, Some(false));
    assert!(
        told.blockers.iter().any(|b| b.code == "SUBNET_ACL_RESTRICTION" && b.remedy.is_none()),
        "{told:#?}"
    );
}
