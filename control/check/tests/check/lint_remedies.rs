//! Is a finding gone, and nothing worse there, once its remedy is made?

use serde_json::{Value, json};
use vpclab_api::{Finding, Severity};
use vpclab_model::{Document, Syntax};

use crate::lint::report;
use crate::lint_ways::{V4_THERE, office, peers, replies, web};

fn findings(document: &Value) -> Vec<Finding> {
    report(&Document::from(document.clone())).unwrap().findings
}

/// What follows `before` in a text, up to `after`.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(&rest[..rest.find(after).unwrap_or(rest.len())])
}

/// Makes the remedy of a finding in a document, where it is a change that a program understands.
fn make(document: &mut Value, finding: &Finding) -> Option<()> {
    let remedy = finding.remedy.as_str();
    let (kind, name) = (finding.resource.kind.as_str(), finding.resource.name.as_str());
    if let Some(allow) = remedy.strip_prefix("allow ") {
        let words: Vec<&str> = allow.split(' ').collect();
        let (protocol, ports, block) = (words[0], words[1], words[3]);
        let (from, to) = ports.split_once('-')?;
        let way = between(remedy, "in `", "`")?;
        let before: Option<u16> = between(remedy, "before rule ", " ").map(|number| number.parse().unwrap());
        let list = document["network_acls"][name][way].as_array_mut()?;
        let taken = |number: u16| list.iter().any(|entry| entry["rule_no"] == json!(number));
        let number = match before {
            Some(before) => (1..before).rev().find(|number| !taken(*number)),
            None => (1..32_766).find(|number| !taken(*number)),
        };
        let key = if block.contains(':') { "ipv6_cidr_block" } else { "cidr_block" };
        let ports: [u16; 2] = [from.parse().unwrap(), to.parse().unwrap()];
        list.push(json!({ "rule_no": number.unwrap(), "action": "allow", "protocol": protocol,
                          "from_port": ports[0], "to_port": ports[1], key: block }));
        return Some(());
    }
    if remedy.starts_with("take the public address away") {
        let of = between(&finding.reason, "sends to ", " arrives")?;
        document["instances"][of]["associate_public_ip_address"] = json!(false);
        return Some(());
    }
    if let Some(vpc) = between(remedy, "a route back to VPC ", ",").filter(|_| kind == "route_tables") {
        let block = document["vpcs"][vpc]["cidr_block"].clone();
        let (key, target) =
            match document["vpc_peering_connections"].as_object().and_then(|all| all.keys().next()) {
                Some(peering) => ("vpc_peering_connection", peering.clone()),
                None => ("transit_gateway", document["transit_gateways"].as_object()?.keys().next()?.clone()),
            };
        let routes = document["route_tables"][name]["routes"].as_array_mut()?;
        routes.push(json!({ "cidr_block": block, key: target }));
        return Some(());
    }
    if remedy.split(", ").any(|one| one == "take it out" || one == "or take it out") {
        let Some(rule) = &finding.rule else {
            return document[kind].as_object_mut()?.remove(name).map(drop);
        };
        let (way, number) = rule.split_once(' ')?;
        let list = document[kind][name][way].as_array_mut()?;
        let number: u16 = number.parse().unwrap();
        list.retain(|entry| entry["rule_no"] != json!(number));
        return Some(());
    }
    None
}

/// A private subnet with NAT and one without a way out, both with databases that have public addresses.
const DATABASES: &str = "\
vpcs: {v: {cidr_block: 10.0.0.0/16}}
internet_gateways: {igw: {vpc: v}}
eips: {e: {public_ip: 203.0.113.9}, left: {}}
nat_gateways: {nat: {subnet: public, allocation: e}}
route_tables:
  out: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}
  nat: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, nat_gateway: nat}]}
  none: {vpc: v, routes: []}
subnets:
  public: {vpc: v, cidr_block: 10.0.0.0/24, route_table: out}
  private-a: {vpc: v, cidr_block: 10.0.1.0/24, route_table: nat}
  private-b: {vpc: v, cidr_block: 10.0.2.0/24, route_table: none}
instances:
  db-a: {subnet: private-a, associate_public_ip_address: true}
  db-b: {subnet: private-b, associate_public_ip_address: true}
";

#[test]
fn a_remedy_takes_its_finding_away_and_brings_nothing_worse() {
    let anybody = "0.0.0.0/0";
    let tcp = |number: u16, from: u16, to: u16, block: &str| {
        format!(
            "{{rule_no: {number}, action: allow, protocol: tcp, from_port: {from}, to_port: {to}, cidr_block: {block}}}"
        )
    };
    let all = "{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}";
    let half_out = [tcp(1, 443, 443, anybody), tcp(2, 1024, 65535, "128.0.0.0/1")].join(", ");
    let shadowed = [all.to_owned(), tcp(2, 443, 443, anybody)].join(", ");
    let denied = format!(
        "{}, {}",
        tcp(5, 1024, 65535, "128.0.0.0/1").replace("allow", "deny"),
        all.replace("rule_no: 1", "rule_no: 9")
    );
    let mut made: Vec<String> = Vec::new();
    for (network, least) in [
        (DATABASES.to_owned(), 3),
        (peers(V4_THERE, ""), 1),
        (replies(""), 2),
        (web(anybody, all, &tcp(1, 32768, 60999, anybody)), 1),
        (web(anybody, all, &half_out), 1),
        (web(anybody, &shadowed, all), 1),
        (web(anybody, all, &denied), 1),
        (office("192.168.1.0/24", ""), 1),
    ] {
        let mut document = Document::parse(&network, Syntax::Yaml).unwrap().into_value();
        let mut count = 0;
        loop {
            let before = findings(&document);
            let mut changed = None;
            for finding in &before {
                let mut copy = document.clone();
                if make(&mut copy, finding).is_none() {
                    continue;
                }
                let after = findings(&copy);
                assert!(!after.contains(finding), "{}: {finding:#?}", finding.remedy);
                // Of another pair there may be the same to tell, and a rule that denied it may have no more to say.
                let is_same = |one: &Finding| {
                    (&one.resource, &one.rule) == (&finding.resource, &finding.rule)
                        && (one.id == finding.id || one.id == "shadowed-rule")
                };
                let is_new =
                    |one: &&Finding| one.severity != Severity::Note && !before.contains(one) && !is_same(one);
                let new: Vec<&Finding> = after.iter().filter(is_new).collect();
                assert!(new.is_empty(), "{}: {new:#?}", finding.remedy);
                changed.get_or_insert((copy, finding.remedy.clone()));
            }
            let Some((next, remedy)) = changed else { break };
            document = next;
            made.push(remedy);
            count += 1;
            assert!(count < 20, "{made:#?}");
        }
        assert!(count >= least, "{network}: {made:#?} {:#?}", findings(&document));
    }
}
