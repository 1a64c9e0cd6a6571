//! Is everybody asked where only some may?

use vpclab_api::{Expected, Outcome};
use vpclab_check::{Admitted, TestCase, VirtualProber};

use crate::{Network, askable::told, case, one, request, yaml};

fn only(to: &str, only: &[&str]) -> TestCase {
    let only = only.iter().map(|name| (*name).to_owned()).collect();
    TestCase { only, request: request("*", to), ..case("*", to, Expected::Only) }
}

/// A public database that its group's rules open to `peers`; two applications and a stranger.
fn network(rules: &str) -> Network {
    yaml(&format!(
        r#"
vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}
internet_gateways: {{igw: {{vpc: v}}}}
route_tables: {{v/main: {{routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}}}
subnets:
  apps: {{vpc: v, cidr_block: 10.0.0.0/24}}
  rest: {{vpc: v, cidr_block: 10.0.1.0/24}}
security_groups:
  app: {{vpc: v}}
  other: {{vpc: v}}
  db: {{vpc: v, ingress: [{rules}]}}
instances:
  app-1: {{subnet: apps, security_groups: [app]}}
  app-2: {{subnet: apps, security_groups: [app]}}
  odd: {{subnet: rest, security_groups: [other]}}
  db: {{subnet: rest, security_groups: [db], associate_public_ip_address: true, public_ip: 203.0.113.20}}
internet_hosts: {{client: {{address: 198.51.100.7}}}}
"#
    ))
}

const FROM_APPS: &str = "{protocol: tcp, from_port: 5432, to_port: 5432, security_groups: [app]}";

fn failures(network: &Network, test: TestCase) -> Vec<String> {
    let mut guests = VirtualProber::new(&network.topology);
    let explained = one(network, test.clone(), None);
    let sent = one(network, test, Some(&mut guests));
    assert_eq!(
        explained.failures.len(),
        sent.failures.len(),
        "{:?}\n{:?}",
        explained.failures,
        sent.failures
    );
    assert_eq!(explained.passed, explained.failures.is_empty());
    assert_eq!(sent.expected, Expected::Only);
    explained.failures
}

#[test]
fn those_who_may_are_allowed_and_everybody_else_is_denied() {
    let network = network(FROM_APPS);
    for who in [&["app"][..], &["apps"], &["10.0.0.0/24"], &["app-1", "app-2"]] {
        assert_eq!(failures(&network, only("db:5432", who)), [""; 0], "{who:?}");
    }
    assert_eq!(failures(&network, only("db:22", &[])), [""; 0], "nobody may");
    assert_eq!(
        failures(&network, only("db:5432", &["app-1"])),
        ["app-2 → db: expected denied, and it is allowed"]
    );
    assert_eq!(
        failures(&network, only("db:5432", &["app", "odd"])),
        ["odd → db: expected allowed, and it is silently dropped"]
    );
    let both = failures(&network, only("db:5432", &["odd"]));
    assert_eq!(both.len(), 3, "{both:?}");
}

#[test]
fn of_the_internet_every_range_that_a_rule_names_counts() {
    let apps = |more: &str| {
        format!("{FROM_APPS}, {{protocol: tcp, from_port: 5432, to_port: 5432, cidr_blocks: [{more}]}}")
    };
    // Somebody who is not declared, and whom a plain question about the internet would leave aside.
    let office = network(&apps("192.0.2.128/29"));
    let denied = one(&office, case("internet", "db:5432", Expected::Denied), None);
    assert!(denied.passed, "{:?}", denied.failures);
    let told = failures(&office, only("db:5432", &["app"]));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0]
            .starts_with("internet → db: only for some sources: it passes from 192.0.2.128, and not from "),
        "{told:?}"
    );
    assert_eq!(failures(&office, only("db:5432", &["app", "192.0.2.128/29"]))[..], [""; 0]);
    let too_wide = network(&apps("192.0.2.0/24"));
    assert!(!failures(&too_wide, only("db:5432", &["app", "192.0.2.128/29"])).is_empty());
    // A declared host.
    let client = network(&apps("198.51.100.7/32"));
    let told = failures(&client, only("db:5432", &["app"]));
    assert_eq!(told.len(), 2, "the host, and its address: {told:?}");
    assert_eq!(failures(&client, only("db:5432", &["app", "client"])), [""; 0]);
}

#[test]
fn who_names_the_internet_names_its_hosts_too() {
    let network = network(&format!(
        "{FROM_APPS}, {{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [0.0.0.0/0]}}"
    ));
    let web = only("db:443", &["internet", "*"]);
    assert_eq!(failures(&network, web), [""; 0]);
    assert_eq!(
        failures(&network, only("db:443", &["internet", "app"])),
        ["odd → db: expected denied, and it is allowed"]
    );
}

#[test]
fn what_is_unknown_of_anybody_fails_it() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\nsubnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}}\n\
         security_groups: {db: {vpc: v, not_modelled: it is made elsewhere, ingress: []}}\n\
         instances: {a: {subnet: s}, db: {subnet: s, security_groups: [db]}}\n",
    );
    let result = one(&network, only("db:5432", &[]), None);
    assert!(!result.passed);
    assert_eq!(result.outcome, Some(Outcome::Unknown));
    assert!(result.failures[0].starts_with("a → db: explain cannot tell"), "{:?}", result.failures);
}

#[test]
fn an_interface_of_an_instance_is_not_the_instance() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}, t: {vpc: v, cidr_block: 10.0.1.0/24}}
security_groups:
  app: {vpc: v}
  db: {vpc: v, ingress: [{protocol: tcp, from_port: 5432, to_port: 5432, security_groups: [app]}]}
network_interfaces:
  front: {subnet: s, security_groups: [app]}
  back: {subnet: t, security_groups: [app]}
instances:
  box: {network_interfaces: [{network_interface: front, device_index: 0}, {network_interface: back, device_index: 1}]}
  db: {subnet: t, security_groups: [db]}
"#,
    );
    assert_eq!(failures(&network, only("db:5432", &["box"])), [""; 0]);
    let one_of_two = failures(&network, only("db:5432", &["front"]));
    assert_eq!(one_of_two, ["back → db: expected denied, and it is allowed"]);
}

#[test]
fn the_rest_of_the_internet_is_asked_of_explain_alone_and_that_is_said() {
    let network = network(FROM_APPS);
    let mut guests = VirtualProber::new(&network.topology);
    let result = one(&network, only("db:5432", &["app"]), Some(&mut guests));
    let assumed = &result.explanation.unwrap().assumed;
    assert!(
        assumed
            .iter()
            .any(|told| told.resource == "internet" && told.assumption.ends_with("explain alone was asked")),
        "{assumed:#?}"
    );
}

#[test]
fn what_is_named_is_let_in_and_nothing_else() {
    let with = |more: &str| {
        network(&format!(
            "{FROM_APPS}, {{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [0.0.0.0/0]}}{more}"
        ))
    };
    let test = |from: &str, only_ports: &[Admitted]| TestCase {
        only_ports: Some(only_ports.to_vec()),
        ..case(from, "db", Expected::Only)
    };
    let https = [Admitted::Tcp(443)];
    for (from, ports) in
        [("internet", &https[..]), ("odd", &https), ("app", &[Admitted::Tcp(443), Admitted::Tcp(5432)])]
    {
        assert_eq!(failures(&with(""), test(from, ports)), [""; 0], "{from}");
    }
    assert_eq!(failures(&with(""), test("internet", &[])), ["internet → db: more passes: tcp 443 over IPv4"]);
    assert_eq!(
        failures(
            &with(", {protocol: tcp, from_port: 3389, to_port: 3389, cidr_blocks: [0.0.0.0/0]}"),
            test("internet", &https)
        ),
        ["internet → db: more passes: tcp 3389 over IPv4"]
    );
    let office = with(", {protocol: udp, from_port: 53, to_port: 53, cidr_blocks: [192.0.2.128/29]}");
    assert_eq!(
        failures(&office, test("internet", &https)),
        ["internet → db: more passes with 192.0.2.128/29: udp 53 over IPv4"]
    );
    let nothing = failures(&with(""), test("internet", &[Admitted::Tcp(443), Admitted::Udp(53)]));
    assert_eq!(nothing, ["internet → db: expected allowed, and it is silently dropped"]);
    let found = told(&with(""), "- {from: internet, to: 'db:443', only_ports: [443]}\n");
    assert_eq!(
        found,
        [
            "tests[0].to: `db:443` names a port or protocol; name the end alone, and all that is let in under `only_ports`"
        ]
    );
    assert_eq!(told(&with(""), "- {from: internet, to: db, only_ports: [443, '53/udp', icmp]}\n"), [""; 0]);
}

#[test]
fn a_name_that_nobody_has_is_a_mistake_at_its_place() {
    let network = network(FROM_APPS);
    let found = told(&network, "- {to: 'db:5432', only: [app, ap-1]}\n");
    assert_eq!(
        found,
        ["tests[0].only[1]: nothing that can be asked about is called `ap-1`; did you mean `app-1`?"]
    );
    assert_eq!(told(&network, "- {to: 'db:5432', only: []}\n"), [""; 0]);
    let found = told(&network, "- {to: 'dbb:5432', only: [app]}\n");
    assert_eq!(found, ["tests[0].to: nothing that can be asked about is called `dbb`; did you mean `db`?"]);
}

#[test]
fn a_public_block_may_be_the_only_one_that_may() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         internet_gateways: {igw: {vpc: v}}\n\
         route_tables: {v/main: {routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}}\n\
         security_groups: {office: {vpc: v, ingress: [{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [198.51.100.0/24]}]}}\n\
         instances: {web: {subnet: s, security_groups: [office], associate_public_ip_address: true}}\n",
    );
    assert_eq!(told(&network, "- {to: 'web:22', only: [198.51.100.0/24]}\n"), [""; 0]);
    assert!(one(&network, only("web:22", &["198.51.100.0/24"]), None).passed);
    assert!(!one(&network, only("web:22", &["198.51.100.0/25"]), None).passed);
}
