//! Is every range of public addresses heard, whatever becomes of the others?

use vpclab_api::{Expected, Outcome, TestResult};
use vpclab_check::TestCase;

use crate::{Network, case, one, request, yaml};

/// A public web server with these rules, and more of the topology.
fn network(rules: &str, more: &str) -> Network {
    yaml(&format!(
        r#"
vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}
internet_gateways: {{igw: {{vpc: v}}}}
route_tables: {{v/main: {{routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}, {{cidr_block: 96.0.0.0/4, gateway: vgw}}]}}}}
vpn_gateways: {{vgw: {{vpc: v, not_modelled: another stack attaches it}}}}
subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}}}
security_groups: {{web: {{vpc: v, ingress: [{rules}]}}}}
instances: {{w: {{subnet: s, security_groups: [web], associate_public_ip_address: true, public_ip: 203.0.113.20}}}}
{more}
"#
    ))
}

fn rule(ports: &str, block: &str) -> String {
    format!("{{protocol: tcp, {ports}, cidr_blocks: [{block}]}}")
}

fn ssh(block: &str) -> String {
    rule("from_port: 22, to_port: 22", block)
}

fn asked(network: &Network, from: &str, to: &str, expected: Expected) -> TestResult {
    let test = match expected {
        Expected::Only => TestCase { request: request("*", to), ..case("*", to, expected) },
        _ => case(from, to, expected),
    };
    one(network, test, None)
}

fn is_unsure(network: &Network, from: &str, to: &str, expected: Expected, words: &str) {
    let told = asked(network, from, to, expected);
    assert!(!told.passed, "{from} -> {to} {expected:?}");
    assert_eq!(told.outcome, Some(Outcome::Unknown), "{from} -> {to} {expected:?}: {:?}", told.failures);
    assert!(told.failures.iter().any(|failure| failure.contains(words)), "{:?}", told.failures);
}

#[test]
fn a_part_that_passes_from_some_of_the_internet_is_not_lost_behind_those_who_pass_nothing() {
    let half = network(&ssh("0.0.0.0/2"), "");
    for to in ["w", "w/tcp"] {
        is_unsure(
            &half,
            "internet",
            to,
            Expected::Denied,
            "some of it passes from 1.0.0.0, and nothing from",
        );
        is_unsure(&half, "0.0.0.0/0", to, Expected::Denied, "some of it passes");
        is_unsure(&half, "", to, Expected::Only, "some of it passes");
    }
    // One port, whose replies only half of the clients get.
    let late = network(
        &ssh("0.0.0.0/2"),
        "network_acls: {v/default: {ingress: [{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}], \
         egress: [{rule_no: 1, action: allow, protocol: tcp, from_port: 49152, to_port: 65535, cidr_block: 0.0.0.0/0}]}}",
    );
    is_unsure(&late, "internet", "w:22", Expected::Denied, "some of it passes");
    // Somebody's small block is a part of the block that is asked about, and nobody of the internet.
    let office = network(&ssh("198.51.100.0/24"), "");
    assert!(asked(&office, "internet", "w", Expected::Denied).passed);
    is_unsure(&office, "198.51.0.0/16", "w", Expected::Denied, "some of it passes from 198.51.100.0");
    is_unsure(&office, "", "w", Expected::Only, "some of it passes from 198.51.100.0");
}

#[test]
fn what_is_unknown_of_some_of_the_internet_is_not_lost_behind_those_who_pass_nothing() {
    let large = network(&ssh("96.0.0.0/4"), "");
    let words = "it depends on vgw";
    for from in ["internet", "0.0.0.0/0", "96.0.0.0/3"] {
        is_unsure(&large, from, "w:22", Expected::Denied, words);
    }
    is_unsure(&large, "", "w:22", Expected::Only, words);
    let answer = large.explain("internet", "w:22");
    assert_eq!(answer.reachable, None);
    assert!(answer.blockers.is_empty(), "{:#?}", answer.blockers);
    let told = |told: &vpclab_api::Assumed| told.assumption.contains("it does not pass from 192.0.2.1");
    assert!(answer.assumed.iter().any(told), "{:#?}", answer.assumed);
    let passing = network(&ssh("0.0.0.0/0"), "").explain("internet", "w:22");
    assert_eq!(passing.reachable, None, "who is behind the gateway of another stack is not known");
}

#[test]
fn of_more_ranges_than_are_asked_the_rest_is_unknown() {
    let many = |port: &dyn Fn(usize) -> usize| {
        let of = |place: usize| {
            let port = format!("from_port: {0}, to_port: {0}", port(place));
            rule(&port, &format!("20.{}.{}.1/32", place / 256, place % 256))
        };
        network(&(0..600).map(of).collect::<Vec<_>>().join(", "), "")
    };
    // Each rule is about a port of its own: about port 22 there is only one that matters.
    let apart = many(&|place| if place == 599 { 22 } else { 100 + place });
    for (from, expected) in [("20.0.0.0/8", Expected::Denied), ("", Expected::Only)] {
        is_unsure(&apart, from, "w:22", expected, "it passes from 20.2.87.1");
        assert!(asked(&apart, from, "w:23", expected).passed);
    }
    // Replies may be sent to any of these ports.
    let alike = many(&|place| 2000 + place);
    let told = alike.pairs("20.0.0.0/8", "w:22").answers.remove(0);
    assert_eq!(told.reachable, None, "of some nothing was asked");
    assert!(told.unmodelled[0].reason.contains("601 ranges"), "{:#?}", told.unmodelled);
    let told = alike.explain("internet", "w:22");
    assert_eq!(told.reachable, Some(false), "those left out are somebody, and few");
    let left_out = |told: &vpclab_api::Assumed| told.assumption.starts_with("leaves out 90 ranges");
    assert!(told.assumed.iter().any(left_out), "{:#?}", told.assumed);
}

#[test]
fn a_part_over_ipv6_is_told_where_nothing_passes_over_ipv4() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8:1::/56'}}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: '2001:db8:1::/64', assign_ipv6_address_on_creation: true}}
security_groups:
  one: {vpc: v, ingress: [{protocol: tcp, from_port: 22, to_port: 22, ipv6_cidr_blocks: ['::/0']}]}
instances: {a: {subnet: s, security_groups: [one]}, b: {subnet: s, security_groups: [one]}}
"#,
    );
    let all = network.explain("a", "b");
    let over_ipv6 = all.over_ipv6.unwrap();
    assert_eq!((all.reachable, over_ipv6.reachable, over_ipv6.partial), (Some(false), Some(false), true));
    let ssh = network.explain("a", "b:22");
    let over_ipv6 = ssh.over_ipv6.unwrap();
    assert_eq!((ssh.reachable, over_ipv6.reachable, over_ipv6.partial), (Some(false), Some(true), false));
    assert_eq!(network.explain("a", "b:23").over_ipv6, None, "both say no");
    assert!(all.assumed[0].assumption.contains("over IPv6 only some of it passes"), "{:#?}", all.assumed);
}

#[test]
fn whom_the_internet_leaves_out_is_told_right_below_the_answer() {
    let told = network(&ssh("198.51.100.0/24"), "").explain("internet", "w:22");
    assert_eq!(told.reachable, Some(false));
    let text = vpclab_check::render::explained(&vpclab_api::Explained::One(Box::new(told)));
    let below = text.lines().nth(2).unwrap();
    assert!(
        below.contains("internet leaves out who is named by a rule or route: it passes from 198.51.100.0"),
        "{text}"
    );
}

#[test]
fn the_first_line_tells_of_both_families_and_a_row_of_its_own() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8:1::/56'}}
internet_gateways: {igw: {vpc: v}}
route_tables: {v/main: {routes: [{cidr_block: 0.0.0.0/0, gateway: igw}, {ipv6_cidr_block: '::/0', gateway: igw}]}}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: '2001:db8:1::/64', assign_ipv6_address_on_creation: true}}
security_groups:
  db: {vpc: v, ingress: [{protocol: tcp, from_port: 5432, to_port: 5432, ipv6_cidr_blocks: ['::/0']}]}
instances: {a: {subnet: s, security_groups: [db]}, b: {subnet: s, security_groups: [db], associate_public_ip_address: true}}
"#,
    );
    let explain = |to: &str| {
        let told =
            vpclab_check::explain(&network.fabric, &network.topology, &request("internet", to)).unwrap();
        vpclab_check::render::explained(&told).lines().next().unwrap().replace(|c: char| !c.is_ascii(), "")
    };
    let plain = |text: String| {
        let mut plain = String::new();
        let mut is_colour = false;
        for letter in text.chars() {
            match letter {
                '\u{1b}' => is_colour = true,
                'm' if is_colour => is_colour = false,
                _ if !is_colour => plain.push(letter),
                _ => {}
            }
        }
        plain
    };
    assert!(
        plain(explain("b:5432")).starts_with("no over IPv4, yes over IPv6  internet"),
        "{}",
        explain("b:5432")
    );
    let set = plain(explain("s:5432"));
    assert_eq!(set, "no over IPv4, yes over IPv6  0 of 2 pairs pass over IPv4, 2 over IPv6");
    assert!(plain(explain("b:23")).starts_with("no  internet"), "{}", explain("b:23"));
    // Whoever passes in one family alone says so, also where nobody else is asked about.
    let request =
        vpclab_api::AnalyseRequest { to: Some("a".to_owned()), ..vpclab_api::AnalyseRequest::default() };
    let told = vpclab_check::analyse(&network.fabric, &network.topology, &request).unwrap();
    assert_eq!(told.families, [4, 6]);
    let table = plain(vpclab_check::analyse::table(&told));
    assert!(table.contains("IPv6: tcp 5432"), "{table}");
}
