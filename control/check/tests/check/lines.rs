//! Is the line that is told the one where it stands?

use vpclab_api::{ExplainRequest, Explained};
use vpclab_check::Lines;
use vpclab_model::{Document, Syntax};

use crate::{Network, request};

const YAML: &str = r#"vpcs:
  v: { cidr_block: 10.0.0.0/16 }
subnets:
  a: { vpc: v, cidr_block: 10.0.1.0/24 }
  b:
    vpc: v
    cidr_block: 10.0.2.0/24
    network_acl: acl
route_tables:
  v/main:
    routes:
      - { cidr_block: 192.0.2.0/24, instance: off }
      - cidr_block: 198.51.100.7/24
        instance: off
network_acls:
  acl:
    vpc: v
    ingress:
      - { rule_no: 200, action: allow, protocol: "-1", cidr_block: 0.0.0.0/0 }
      - rule_no: 100
        action: deny
        protocol: tcp
        from_port: 22
        to_port: 22
        cidr_block: 0.0.0.0/0
security_groups:
  g:
    vpc: v
    ingress: []
instances:
  web: { subnet: a, security_groups: [g] }
  db: { subnet: b, security_groups: [g] }
  off: { subnet: a, security_groups: [g], state: stopped }
"#;

fn lines(text: &str, syntax: Syntax, request: &ExplainRequest) -> Vec<(String, Option<usize>)> {
    let document = Document::parse(text, syntax).unwrap();
    let network = Network::new(&document);
    let mut told = vpclab_check::explain(&network.fabric, &network.topology, request).unwrap();
    Lines::of(text, document.as_value()).annotate(&mut told);
    let Explained::One(told) = told else { panic!("one pair of ends has one answer") };
    told.blockers.iter().map(|blocker| (blocker.code.clone(), blocker.line)).collect()
}

#[test]
fn rules_routes_groups_and_what_aws_makes_are_found() {
    let told = |to: &str| lines(YAML, Syntax::Yaml, &request("web", to));
    let has = |told: &[(String, Option<usize>)], code: &str, line: usize| {
        assert!(told.contains(&(code.to_owned(), Some(line))), "{code} on line {line}: {told:?}");
    };
    let to_db = told("db:22");
    has(&to_db, "SUBNET_ACL_RESTRICTION", 20);
    has(&to_db, "SG_HAS_NO_RULES", 27);
    // The final rule, which nobody writes, is the ACL's.
    has(&to_db, "SUBNET_ACL_RESTRICTION", 16);
    has(&told("198.51.100.9:80"), "BAD_STATE_ROUTE", 13);
    has(&told("203.0.113.9:80"), "NO_ROUTE_TO_DESTINATION", 10);
}

#[test]
fn of_several_that_have_one_name_the_one_that_denies_is_found() {
    let yaml = r#"vpcs: { v: { cidr_block: 10.0.0.0/16 } }
subnets:
  a: { vpc: v, cidr_block: 10.0.1.0/24 }
  same: { vpc: v, cidr_block: 10.0.2.0/24, network_acl: same, route_table: same }
route_tables:
  same: { vpc: v }
network_acls:
  same: { vpc: v }
security_groups:
  g: { vpc: v, ingress: [{ protocol: "-1", cidr_blocks: [0.0.0.0/0] }] }
instances:
  web: { subnet: a, security_groups: [g] }
  db: { subnet: same, security_groups: [g] }
"#;
    let told = |from: &str, to: &str| lines(yaml, Syntax::Yaml, &request(from, to));
    assert_eq!(told("web", "db:22")[0], ("SUBNET_ACL_RESTRICTION".to_owned(), Some(8)));
    let out = told("db", "203.0.113.9:80");
    assert!(out.contains(&("NO_ROUTE_TO_DESTINATION".to_owned(), Some(6))), "{out:?}");
}

#[test]
fn json_has_the_same_lines_as_it_is_written() {
    let document = Document::parse(YAML, Syntax::Yaml).unwrap();
    let json = serde_json::to_string_pretty(document.as_value()).unwrap();
    let told = lines(&json, Syntax::Json, &request("web", "db:22"));
    let number = |text: &str| json.lines().position(|line| line.contains(text)).unwrap() + 1;
    // The item begins on the line before its first key.
    assert!(
        told.contains(&("SUBNET_ACL_RESTRICTION".to_owned(), Some(number("\"rule_no\": 100") - 1))),
        "{told:?}"
    );
    assert!(told.contains(&("SG_HAS_NO_RULES".to_owned(), Some(number("\"g\": {")))), "{told:?}");
}

#[test]
fn a_text_that_is_something_else_tells_nothing() {
    let document = Document::parse(YAML, Syntax::Yaml).unwrap();
    let network = Network::new(&document);
    for text in ["", "a: [", "x: y"] {
        let mut told =
            vpclab_check::explain(&network.fabric, &network.topology, &request("web", "db:22")).unwrap();
        Lines::of(text, document.as_value()).annotate(&mut told);
        let Explained::One(told) = told else { panic!("one pair of ends has one answer") };
        assert!(told.blockers.iter().all(|blocker| blocker.line.is_none()));
    }
}
