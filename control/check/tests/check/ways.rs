//! Are the ways that packets take compared with those expected, and both directions asked?

use vpclab_api::{Expected, TestResult};
use vpclab_check::{TestCase, VirtualProber, Way};

use crate::{Network, askable::told, case, one, yaml};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn by(from: &str, to: &str, forward: &[&str], back: &[&str], never: &[&str]) -> TestCase {
    let path = Way { forward: names(forward), back: names(back), never: names(never) };
    TestCase { path, ..case(from, to, Expected::Allowed) }
}

/// A private host behind a NAT gateway.
fn network() -> Network {
    yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
internet_gateways: {igw: {vpc: v}, spare: {}}
eips: {out: {public_ip: 203.0.113.9}}
nat_gateways: {nat: {subnet: pub, allocation: out}}
subnets:
  pub: {vpc: v, cidr_block: 10.0.0.0/24, route_table: public}
  priv: {vpc: v, cidr_block: 10.0.1.0/24, route_table: private}
route_tables:
  public: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}
  private: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, nat_gateway: nat}]}
security_groups:
  open: {vpc: v, ingress: [{protocol: tcp, from_port: 80, to_port: 80, cidr_blocks: [10.0.0.0/8]}]}
  shut: {vpc: v}
instances:
  host: {subnet: priv, security_groups: [open]}
  peer: {subnet: pub, security_groups: [open], associate_public_ip_address: true}
  mute: {subnet: pub, security_groups: [shut]}
internet_hosts: {client: {address: 198.51.100.7}}
"#,
    )
}

#[test]
fn a_way_is_passed_in_order_at_every_level() {
    let network = network();
    for (test, failure) in [
        (by("host", "client:443", &["nat", "igw"], &["igw", "nat"], &["spare"]), None),
        (
            by(
                "host",
                "client:443",
                &["host", "private", "nat_gateway:nat", "public", "igw", "client"],
                &[],
                &[],
            ),
            None,
        ),
        (by("host", "internet:443", &["nat", "internet"], &["igw", "nat"], &[]), None),
        (
            by("host", "client:443", &["igw", "nat"], &[], &[]),
            Some(
                "the way there was to pass igw, nat, and does not pass nat there: it passes host, priv/default",
            ),
        ),
        (
            by("host", "client:443", &[], &["spare"], &[]),
            Some("the way back was to pass spare, and does not pass spare there: it passes client"),
        ),
        (
            by("host", "client:443", &[], &[], &["nat"]),
            Some("the way back was not to pass nat: it passes client"),
        ),
        (by("peer", "client:443", &["internet_gateway:igw"], &[], &["nat"]), None),
    ] {
        let mut guests = VirtualProber::new(&network.topology);
        for result in [one(&network, test.clone(), None), one(&network, test.clone(), Some(&mut guests))] {
            let TestResult { failures, passed, .. } = &result;
            match failure {
                None => assert!(passed, "{test:?}: {failures:#?}"),
                Some(beginning) => {
                    let beginning = beginning.split(": it passes").next().unwrap();
                    assert!(
                        !passed && failures.iter().any(|told| told.starts_with(beginning)),
                        "{failures:#?}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_way_that_a_gateway_may_choose_has_to_be_right() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}}
route_tables: {v/main: {routes: [{cidr_block: 192.168.0.0/16, gateway: vgw}]}}
security_groups: {open: {vpc: v, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}}
instances: {a: {subnet: s, security_groups: [open]}}
vpn_gateways: {vgw: {vpc: v}}
customer_gateways: {cgw: {bgp_asn: 65001}}
vpn_connections:
  first: {vpn_gateway: vgw, customer_gateway: cgw, static_routes_only: true, routes: [192.168.0.0/16]}
  second: {vpn_gateway: vgw, customer_gateway: cgw, static_routes_only: true, routes: [192.168.0.0/16]}
customer_networks: {office: {cidr_blocks: [192.168.0.0/16], customer_gateways: [cgw]}}
customer_hosts: {desk: {customer_network: office, address: 192.168.0.9}}
"#,
    );
    let told = network.explain("a", "desk:80");
    assert_eq!(told.reachable, Some(true), "{:#?}", told.blockers);
    assert!(
        !told.other_ways.is_empty(),
        "AWS chooses one of two connections and does not say which (VGW-05)"
    );
    let right = one(&network, by("a", "desk:80", &["vgw", "desk"], &["office", "vgw", "a"], &[]), None);
    assert!(right.passed, "{:#?}", right.failures);
    for (name, other) in [("first", "second"), ("second", "first")] {
        let wrong = one(&network, by("a", "desk:80", &[name], &[], &[]), None);
        assert!(!wrong.passed, "it may pass {other}");
        let wrong = one(&network, by("a", "desk:80", &[], &[], &[name]), None);
        assert!(!wrong.passed, "it may pass {name}");
    }
}

#[test]
fn what_packets_cannot_pass_is_a_mistake() {
    let network = network();
    for (path, mistake) in [
        ("path: [nta]", "path: no resource is called `nta`; did you mean `nat`?"),
        (
            "return_path: [v]",
            "return_path: packets pass nothing that is called `v`; name an interface, an instance, a route table, a network \
             ACL or a gateway",
        ),
        ("not_path: ['nat_gateway:nta']", "not_path: no resource is called `nta`; did you mean `nat`?"),
    ] {
        let found = told(&network, &format!("- {{from: host, to: 'client:443', expect: allowed, {path}}}\n"));
        assert_eq!(found, [format!("tests[0].{mistake}")]);
    }
}

#[test]
fn both_directions_have_to_be_as_expected() {
    let network = network();
    let both =
        |from: &str, to: &str, expected| TestCase { both_directions: true, ..case(from, to, expected) };
    let allowed = one(&network, both("host", "peer:80", Expected::Allowed), None);
    assert!(allowed.passed, "{:#?}", allowed.failures);
    let mut guests = VirtualProber::new(&network.topology);
    let denied = one(&network, both("host", "peer:81/tcp", Expected::Denied), Some(&mut guests));
    assert!(denied.passed, "{:#?}", denied.failures);
    for expected in [Expected::Allowed, Expected::Denied] {
        // mute asks and is not answered for: the other way is open.
        let mixed = one(&network, both("mute", "host:80", expected), None);
        let way = if expected == Expected::Allowed { "host → mute: " } else { "mute → host: " };
        assert_eq!(mixed.failures.len(), 1, "{:?}", mixed.failures);
        assert!(!mixed.passed && mixed.failures[0].starts_with(way), "{:?}", mixed.failures);
    }
}
