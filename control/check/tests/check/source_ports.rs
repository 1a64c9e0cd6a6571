//! Is who is to be denied denied from every port that he may send from?

use serde_json::{Value, json};
use vpclab_api::Expected;
use vpclab_check::TestCase;

use crate::{Network, case, one};

/// A server whose subnet lets replies out to `to` only; its group lets everybody in.
fn document(protocol: &str, from: u16, to: u16) -> Value {
    let port = |protocol: &str, from: u16, to: u16| json!({ "protocol": protocol, "from_port": from, "to_port": to });
    let with = |mut rule: Value, more: Value| {
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    let entry = |rule, number: u16| {
        let more = json!({ "rule_no": number, "action": "allow", "cidr_block": "0.0.0.0/0" });
        json!([with(rule, more)])
    };
    json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
        "internet_gateways": { "igw": { "vpc": "v" } },
        "route_tables": { "v/main": { "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }] } },
        "subnets": {
            "s": { "vpc": "v", "cidr_block": "10.0.1.0/24", "network_acl": "acl" },
            "c": { "vpc": "v", "cidr_block": "10.0.2.0/24" } },
        "network_acls": { "acl": { "vpc": "v",
            "ingress": entry(port(protocol, 22, 22), 100), "egress": entry(port(protocol, from, to), 100) } },
        "security_groups": { "any": { "vpc": "v", "ingress": [{ "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] }] } },
        "instances": {
            "web": { "subnet": "s", "security_groups": ["any"], "associate_public_ip_address": true },
            "app": { "subnet": "c" } },
        "internet_hosts": { "client": { "address": "198.51.100.7" } } })
}

fn network(document: &Value) -> Network {
    Network::new(&vpclab_model::Document::from(document.clone()))
}

#[test]
fn who_gets_in_from_a_port_that_linux_does_not_choose_is_not_denied() {
    for (from, to, port) in
        [(61_000, 65_535, 61_000), (49_152, 65_535, 61_000), (1024, 32_767, 1024), (500, 600, 500)]
    {
        let network = network(&document("tcp", from, to));
        for asker in ["client", "internet", "app"] {
            let result = one(&network, case(asker, "web:22", Expected::Denied), None);
            assert!(!result.passed, "{asker} {from}-{to}: {result:#?}");
            let says = result.failures.join("; ");
            if from != 49_152 {
                assert!(says.contains(&format!("from port {port}")), "{asker} {from}-{to}: {says}");
            }
        }
        let told = network.explain("client", "web:22");
        let assumed: Vec<_> = told.assumed.iter().map(|told| told.assumption.as_str()).collect();
        let is_told = assumed.iter().any(|told| told.contains(&format!("such as {port}")));
        assert!(is_told || from == 49_152, "{assumed:?}");
    }
}

#[test]
fn who_is_denied_from_every_port_is_denied() {
    // Nothing but another protocol's replies gets out.
    let mut closed = document("udp", 1, 65_535);
    closed["network_acls"]["acl"]["ingress"][0]["protocol"] = json!("tcp");
    let network = network(&closed);
    let result = one(&network, case("client", "web:22", Expected::Denied), None);
    assert!(result.passed, "{result:#?}");
    let told = network.explain("client", "web:22");
    assert!(told.assumed.iter().all(|told| !told.assumption.contains("other source ports")), "{told:#?}");
}

#[test]
fn a_source_port_that_is_given_is_the_one_that_is_asked() {
    let network = network(&document("tcp", 61_000, 65_535));
    let mut given = case("client", "web:22", Expected::Denied);
    given.request.source_port = Some(40_000);
    assert!(one(&network, given, None).passed);
    let only = TestCase { only: Vec::new(), ..case("", "web:22", Expected::Only) };
    assert!(!one(&network, only, None).passed);
}
