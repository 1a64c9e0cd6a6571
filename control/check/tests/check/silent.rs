//! Does a denial prove that the network denies?

use vpclab_api::{Expected, Outcome, TestResult};
use vpclab_check::{Because, Prober, TestCase, VirtualProber};

use crate::{Network, askable::told, case, one, yaml};

/// A server that is stopped, another that runs, and an interface of nobody's; the group lets `rules` in.
fn network(rules: &str) -> Network {
    yaml(&format!(
        r#"
vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}
internet_gateways: {{igw: {{vpc: v}}}}
route_tables: {{v/main: {{routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}}}
subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}}}
security_groups: {{g: {{vpc: v, ingress: [{rules}]}}}}
network_interfaces: {{loose: {{subnet: s, security_groups: [g]}}}}
eips: {{e: {{network_interface: loose, public_ip: 203.0.113.77}}}}
instances:
  web: {{subnet: s, security_groups: [g], associate_public_ip_address: true, state: stopped}}
  runs: {{subnet: s, security_groups: [g], associate_public_ip_address: true}}
internet_hosts: {{client: {{address: 198.51.100.7}}}}
"#
    ))
}

const SSH: &str = "{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [0.0.0.0/0]}";

/// What a test comes to at the levels explain and virtual.
fn both(network: &Network, test: &TestCase) -> [TestResult; 2] {
    let mut guests = VirtualProber::new(&network.topology);
    let sent = one(network, test.clone(), Some(&mut guests as &mut dyn Prober));
    [one(network, test.clone(), None), sent]
}

fn because(code: &str) -> Because {
    Because { code: Some(code.to_owned()), ..Because::default() }
}

/// Stopping gives the public address back (L2-20), so that the internet gateway denies first.
#[test]
fn what_only_a_stopped_instance_denies_is_no_denial_whatever_is_met_first() {
    let open = network(SSH);
    for (from, to) in [("internet", "web:22"), ("client", "web:22"), ("runs", "web:22"), ("web", "runs:22")] {
        let test = case(from, to, Expected::Denied);
        for result in both(&open, &test) {
            assert!(!result.passed, "{from} {to} at {:?}", result.level);
            assert!(
                result.failures[0].starts_with(
                    "it is denied by nothing but that the instance of web is stopped, which says nothing of the network"
                ),
                "{:?}",
                result.failures
            );
        }
        let meant = TestCase { because: because("BAD_STATE"), ..test };
        for result in both(&open, &meant) {
            assert!(result.passed, "{from} {to} at {:?}: {:?}", result.level, result.failures);
        }
    }
    // If it ran its group would deny it, and that is what is told.
    let closed = network("");
    for (from, to) in [("internet", "web:22"), ("client", "web:22"), ("runs", "web:22"), ("web", "runs:22")] {
        for result in both(&closed, &case(from, to, Expected::Denied)) {
            assert!(result.passed, "{from} {to} at {:?}: {:?}", result.level, result.failures);
            let blockers = result.explanation.unwrap().blockers;
            assert!(blockers.iter().any(|blocker| blocker.code == "SG_HAS_NO_RULES"), "{blockers:#?}");
        }
    }
}

#[test]
fn an_address_that_nobody_has_is_denied_by_nothing() {
    let open = network(SSH);
    for (from, to, code) in [
        ("runs", "10.0.0.99:22", "NO_POSSIBLE_DESTINATION"),
        ("internet", "203.0.113.99:22", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"),
        ("runs", "loose:22", "BAD_STATE_ATTACHMENT"),
        ("client", "loose:22", "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"),
    ] {
        let test = case(from, to, Expected::Denied);
        for result in both(&open, &test) {
            assert_eq!((result.passed, result.outcome), (false, Some(Outcome::Dropped)), "{from} {to}");
            let says = result.failures[0].contains("which says nothing of the network");
            assert!(says && result.failures[0].contains(code), "{from} {to}: {:?}", result.failures);
        }
        let meant = TestCase { because: because(code), ..test };
        for result in both(&open, &meant) {
            assert!(result.passed, "{from} {to} at {:?}: {:?}", result.level, result.failures);
        }
    }
    // A rule on the way there is something.
    let result = one(&network(""), case("web", "10.77.0.1:22", Expected::Denied), None);
    assert!(result.failures.iter().all(|failure| !failure.contains("nobody has the address")));
}

/// The request of a protocol without a handshake does its work when it arrives.
#[test]
fn what_arrives_without_a_reply_is_denied_only_where_that_is_said() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}, t: {vpc: v, cidr_block: 10.0.1.0/24, network_acl: oneway}}
network_acls:
  oneway:
    vpc: v
    ingress: [{rule_no: 100, action: allow, protocol: "-1", cidr_block: 0.0.0.0/0}]
    egress: [{rule_no: 100, action: allow, protocol: tcp, from_port: 0, to_port: 1023, cidr_block: 192.168.0.0/16}]
security_groups: {g: {vpc: v, ingress: [{protocol: "-1", cidr_blocks: [10.0.0.0/8]}]}}
instances: {a: {subnet: s}, b: {subnet: t, security_groups: [g]}}
"#,
    );
    for (to, is_denied) in [("b:514/udp", false), ("b/icmp", false), ("b:22", true)] {
        let test = case("a", to, Expected::Denied);
        for result in both(&network, &test) {
            assert_eq!(result.passed, is_denied, "{to}: {:?}", result.failures);
            let says = |failure: &String| failure.starts_with("it arrives; only the reply is denied: ");
            assert!(result.failures.iter().all(says), "{:?}", result.failures);
        }
        for meant in [
            because("SUBNET_ACL_RESTRICTION"),
            Because { direction: Some("return".to_owned()), ..Because::default() },
        ] {
            let result = one(&network, TestCase { because: meant, ..test.clone() }, None);
            assert!(result.passed, "{to}: {:?}", result.failures);
        }
    }
}

#[test]
fn who_is_denied_is_so_by_each_of_his_interfaces_and_addresses() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}, t: {vpc: v, cidr_block: 10.0.1.0/24}}
security_groups:
  tight: {vpc: v, egress: []}
  wide: {vpc: v}
  db: {vpc: v, ingress: [{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [10.0.0.9/32]},
    {protocol: tcp, from_port: 5432, to_port: 5432, security_groups: [wide]}]}
network_interfaces: {e0: {subnet: s, security_groups: [tight]}, e1: {subnet: t, security_groups: [wide]}}
instances:
  two: {network_interfaces: [{network_interface: e0, device_index: 0}, {network_interface: e1, device_index: 1}]}
  many: {subnet: s, private_ip: 10.0.0.8, secondary_private_ips: [10.0.0.9]}
  db: {subnet: s, security_groups: [db]}
"#,
    );
    for (from, to, says) in [
        ("two", "db:5432", "e1 → db: expected denied, and it is allowed"),
        ("many", "db:22", "many/10.0.0.9 → db: expected denied, and it is allowed"),
    ] {
        for result in both(&network, &case(from, to, Expected::Denied)) {
            assert_eq!(result.failures, [says], "{:?}", result.level);
        }
    }
    for (from, to) in [("two", "db:22"), ("many", "db:5432"), ("e0", "db:5432")] {
        for result in both(&network, &case(from, to, Expected::Denied)) {
            assert!(result.passed, "{from} {to}: {:?}", result.failures);
        }
    }
}

#[test]
fn a_way_names_what_steps_of_a_walk_can_name() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
internet_gateways: {igw: {vpc: v}}
subnets: {p: {vpc: v, cidr_block: 10.0.0.0/24, route_table: p}, s: {vpc: v, cidr_block: 10.0.1.0/24, route_table: s}}
route_tables:
  p: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}
  s: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, nat_gateway: nat}]}
eips: {e: {public_ip: 203.0.113.50}}
nat_gateways: {nat: {subnet: p, allocation: e}}
instances: {app: {subnet: s}}
internet_hosts: {client: {address: 198.51.100.7}}
"#,
    );
    for (name, remedy) in [
        ("vpc_endpoint:nat", Some("`nat` is no vpc endpoint; write `nat_gateway:nat`, or `nat`")),
        ("internet_gateway:nat", Some("`nat` is no internet gateway; write `nat_gateway:nat`, or `nat`")),
        (
            "nat/nat",
            Some(
                "packets pass nothing that is called `nat/nat`; it is told of by the NAT gateway that it belongs to: write `nat`",
            ),
        ),
        ("nat", None),
        ("nat_gateway:nat", None),
        ("guest:app", None),
        ("internet", None),
    ] {
        let found = told(
            &network,
            &format!("- {{from: app, to: 'client:443', expect: allowed, not_path: ['{name}']}}\n"),
        );
        let wanted: Vec<String> =
            remedy.into_iter().map(|remedy| format!("tests[0].not_path: {remedy}")).collect();
        assert_eq!(
            found.iter().filter(|line| !line.is_empty()).cloned().collect::<Vec<_>>(),
            wanted,
            "{name}"
        );
    }
}

/// What becomes of the requests of a part of the internet is not hidden by another part's.
#[test]
fn what_arrives_from_a_part_of_the_internet_is_not_denied() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
internet_gateways: {igw: {vpc: v}}
route_tables: {v/main: {routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}}
subnets: {t: {vpc: v, cidr_block: 10.0.1.0/24, network_acl: oneway}}
network_acls:
  oneway:
    vpc: v
    ingress: [{rule_no: 100, action: allow, protocol: "-1", cidr_block: 128.0.0.0/1}]
    egress: [{rule_no: 100, action: allow, protocol: tcp, from_port: 0, to_port: 65535, cidr_block: 0.0.0.0/0}]
security_groups: {g: {vpc: v, ingress: [{protocol: "-1", cidr_blocks: [0.0.0.0/0]}]}}
instances: {b: {subnet: t, security_groups: [g], associate_public_ip_address: true}}
"#,
    );
    let result = one(&network, case("internet", "b:514/udp", Expected::Denied), None);
    assert!(!result.passed, "{result:#?}");
    assert!(result.failures[0].contains("it arrives; only the reply is denied"), "{:?}", result.failures);
}
