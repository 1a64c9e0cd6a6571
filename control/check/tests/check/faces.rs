//! Is somebody asked at every address of his?

use vpclab_api::{AnalyseRequest, Analysis, Expected, Explained, Outcome};
use vpclab_check::{TestCase, VirtualProber};

use crate::{Network, case, one, request, yaml};

/// A web server with two addresses and its stranger in another subnet; what is beside them.
fn network(web: &str, more: &str) -> Network {
    yaml(&format!(
        r#"
vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}
internet_gateways: {{igw: {{vpc: v}}}}
route_tables: {{v/main: {{routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}}}
subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}, t: {{vpc: v, cidr_block: 10.0.1.0/24, network_acl: n}}}}
security_groups: {{web: {{vpc: v, ingress: [{{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [0.0.0.0/0]}}]}}}}
instances:
  w: {{subnet: s, security_groups: [web], private_ip: 10.0.0.10, secondary_private_ips: [10.0.0.11]{web}}}
  x: {{subnet: t}}
internet_hosts: {{client: {{address: 198.51.100.7}}}}
{more}
"#
    ))
}

/// An ACL around the stranger that keeps him from the first address alone.
const NOT_THE_FIRST: &str = "network_acls: {n: {vpc: v, \
    ingress: [{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}], \
    egress: [{rule_no: 1, action: deny, protocol: '-1', cidr_block: 10.0.0.10/32}, \
             {rule_no: 2, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}]}}";
const OPEN: &str = "network_acls: {n: {vpc: v, \
    ingress: [{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}], \
    egress: [{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}]}}";
const SECOND_IS_PUBLIC: &str =
    "eips: {e: {public_ip: 203.0.113.9, network_interface: w, associate_with_private_ip: 10.0.0.11}}\n";

fn only(to: &str) -> TestCase {
    TestCase { request: request("*", to), ..case("*", to, Expected::Only) }
}

/// What a test fails by, at the levels explain and virtual alike.
fn failures(network: &Network, test: TestCase) -> Vec<String> {
    let explained = one(network, test.clone(), None);
    let mut guests = VirtualProber::new(&network.topology);
    let sent = one(network, test, Some(&mut guests));
    assert_eq!(explained.failures, sent.failures);
    explained.failures
}

#[test]
fn addresses_that_fare_alike_are_one_answer_and_others_are_told_apart() {
    let alike = network("", OPEN).explain("x", "w:22");
    assert_eq!((alike.reachable, alike.to.name.as_str()), (Some(true), "w"));
    assert_eq!(alike.to.address.as_deref(), Some("10.0.0.10"));
    let apart = network("", NOT_THE_FIRST);
    let told = apart.pairs("x", "w:22");
    let each: Vec<_> = told.answers.iter().map(|one| (one.to.name.as_str(), one.reachable)).collect();
    assert_eq!(each, [("w/10.0.0.10", Some(false)), ("w/10.0.0.11", Some(true))]);
    assert_eq!(told.reachable, Some(false));
    assert_eq!(apart.explain("x", "w/10.0.0.11:22").reachable, Some(true), "what is told can be asked");
    assert_eq!(
        failures(&apart, case("x", "w:22", Expected::Denied)),
        ["at w/10.0.0.11: expected denied, and it is allowed"]
    );
    assert_eq!(
        failures(&apart, case("x", "w:22", Expected::Allowed)),
        ["at w/10.0.0.10: expected allowed, and it is silently dropped"]
    );
    assert_eq!(
        failures(&apart, case("x", "10.0.0.0/24", Expected::Denied).to_port(22)),
        ["x → w/10.0.0.11: expected denied, and it is allowed"]
    );
    assert!(failures(&apart, only("w:22")).iter().any(|failure| failure.contains("at w/10.0.0.11")));
}

trait OfPort {
    fn to_port(self, port: u16) -> Self;
}

impl OfPort for TestCase {
    fn to_port(mut self, port: u16) -> Self {
        self.request.port = Some(port);
        self
    }
}

#[test]
fn the_internet_reaches_whichever_address_has_a_public_one() {
    let network = network("", &format!("{SECOND_IS_PUBLIC}{OPEN}"));
    for from in ["internet", "client"] {
        let told = network.explain(from, "w:22");
        assert_eq!((told.reachable, told.to.address.as_deref()), (Some(true), Some("203.0.113.9")), "{from}");
        assert_eq!(told.to.name, "w");
        assert_eq!(
            failures(&network, case(from, "w:22", Expected::Denied)),
            ["expected denied, and it is allowed"]
        );
    }
    assert!(failures(&network, only("w:22")).iter().any(|failure| failure.starts_with("internet → w")));
    assert_eq!(network.explain("internet", "10.0.0.11:22").reachable, Some(false), "that address is private");
}

#[test]
fn a_public_block_holds_whom_its_addresses_stand_for() {
    let network = network("", &format!("{SECOND_IS_PUBLIC}{OPEN}"));
    for from in ["x", "internet", "client"] {
        let told = network.pairs(from, "203.0.113.0/24");
        let at = told.answers.iter().find(|one| one.to.name == "w/203.0.113.9").unwrap();
        assert_eq!(at.to.address.as_deref(), Some("203.0.113.9"), "{from}");
        // Two hosts outside are none of the network's business.
        assert_eq!(told.answers.len(), if from == "x" { 2 } else { 1 }, "{from}");
    }
    let test = case("internet", "203.0.113.0/24", Expected::Denied).to_port(22);
    assert_eq!(failures(&network, test), ["internet → w/203.0.113.9: expected denied, and it is allowed"]);
    let error = network.ask(&request("internet", "198.51.100.0/24")).unwrap_err().error;
    assert!(error.message.contains("are both on the internet"), "{}", error.message);
}

#[test]
fn a_stranger_inside_is_asked_at_the_public_address_too() {
    let with = |rules: &str| {
        yaml(&format!(
            r#"
vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}
internet_gateways: {{igw: {{vpc: v}}}}
eips: {{n: {{public_ip: 203.0.113.9}}, e: {{public_ip: 203.0.113.30, instance: w}}}}
nat_gateways: {{nat: {{subnet: pub, allocation: n}}}}
route_tables:
  out: {{vpc: v, routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}
  by-nat: {{vpc: v, routes: [{{cidr_block: 0.0.0.0/0, nat_gateway: nat}}]}}
subnets:
  pub: {{vpc: v, cidr_block: 10.0.0.0/24, route_table: out}}
  priv: {{vpc: v, cidr_block: 10.0.1.0/24, route_table: by-nat}}
security_groups: {{web: {{vpc: v, ingress: [{{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [{rules}]}}]}}}}
instances: {{w: {{subnet: pub, security_groups: [web]}}, x: {{subnet: priv}}}}
"#
        ))
    };
    assert_eq!(
        failures(&with("203.0.113.9/32"), only("w:22")),
        ["x → w/203.0.113.30: expected denied, and it is allowed"]
    );
    assert_eq!(failures(&with("10.9.9.9/32"), only("w:22")), [""; 0]);
}

#[test]
fn everybody_is_asked_about_a_public_address_too() {
    let network = network("", &format!("{SECOND_IS_PUBLIC}{OPEN}"));
    for to in ["203.0.113.9:22", "w/203.0.113.9:22"] {
        let told = failures(&network, only(to));
        for who in ["client", "internet"] {
            let told = told.iter().filter(|failure| failure.starts_with(&format!("{who} → "))).count();
            assert_eq!(told, 1, "{who} to {to}");
        }
    }
}

#[test]
fn who_may_by_one_address_may_not_by_another() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}}
security_groups: {db: {vpc: v, ingress: [{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [10.0.0.0/24]}]}}
instances:
  w: {subnet: s, security_groups: [db]}
  x: {subnet: s, private_ip: 10.0.0.20, secondary_private_ips: [10.0.0.21]}
"#,
    );
    let with =
        |who: &[&str]| TestCase { only: who.iter().map(|one| (*one).to_owned()).collect(), ..only("w:22") };
    assert_eq!(failures(&network, with(&["x"])), [""; 0]);
    assert_eq!(
        failures(&network, with(&["10.0.0.20"])),
        ["x/10.0.0.21 → w: expected denied, and it is allowed"]
    );
    assert_eq!(failures(&network, with(&["x/10.0.0.21"])), ["x → w: expected denied, and it is allowed"]);
    assert_eq!(failures(&network, with(&["10.0.0.20", "10.0.0.21"])), [""; 0]);
    let told = network.explain("x", "w:22").assumed;
    assert!(told.iter().any(|told| told.assumption.starts_with("it sends under 10.0.0.20")), "{told:#?}");
}

#[test]
fn whoever_sends_in_the_matrix_is_asked_where_only_some_may() {
    let with = |groups: &str| {
        yaml(&format!(
            r#"
vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}
subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}, t: {{vpc: v, cidr_block: 10.0.1.0/24, availability_zone: us-east-1b}}}}
security_groups:
  alb: {{vpc: v}}
  db: {{vpc: v, ingress: [{{protocol: tcp, from_port: 5432, to_port: 5432, security_groups: [{groups}]}}]}}
load_balancers: {{front: {{load_balancer_type: application, internal: true, subnets: [s, t], security_groups: [alb]}}}}
instances: {{w: {{subnet: s, security_groups: [db]}}}}
"#
        ))
    };
    let open = one(&with("alb"), only("w:5432"), None);
    assert!(!open.passed);
    assert!(
        open.failures.iter().any(|failure| failure.starts_with("elb/front/s → w")),
        "{:?}",
        open.failures
    );
}

#[test]
fn a_family_that_no_pair_has_is_no_question() {
    let network = network("", OPEN);
    for to in ["w:22", "s:22"] {
        let mut test = case("x", to, Expected::Denied);
        test.request.family = Some(6);
        let told = one(&network, test.clone(), None);
        assert_eq!((told.passed, told.outcome), (false, None), "{to}: {:?}", told.failures);
        assert!(told.failures[0].contains("x and w have no IPv6 address"), "{to}: {:?}", told.failures);
        let error = vpclab_check::explain(&network.fabric, &network.topology, &test.request).unwrap_err();
        assert_eq!(error.error.code, "InvalidParameterCombination");
    }
    // Members without it are passed over where others have it.
    let mixed = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8:1::/56'}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, ipv6_cidr_block: '2001:db8:1::/64'}}\n\
         instances: {a: {subnet: s, ipv6_address_count: 1}, b: {subnet: s, ipv6_address_count: 1}, c: {subnet: s}}\n",
    );
    let mut test = case("a", "s:22", Expected::Allowed);
    test.request.family = Some(6);
    let told = one(&mixed, test.clone(), None);
    assert_eq!((told.passed, told.outcome), (false, Some(Outcome::Dropped)), "{:?}", told.failures);
    assert_eq!(told.failures, ["a → c: expected allowed, and it is silently dropped"]);
    let told = vpclab_check::explain(&mixed.fabric, &mixed.topology, &test.request).unwrap();
    assert!(matches!(told, Explained::Many(told) if told.reachable == Some(false)));
}

fn matrix(network: &Network, from: Option<&str>, to: Option<&str>) -> Analysis {
    let (from, to) = (from.map(str::to_owned), to.map(str::to_owned));
    let request = AnalyseRequest { from, to, ..AnalyseRequest::default() };
    vpclab_check::analyse(&network.fabric, &network.topology, &request).unwrap()
}

#[test]
fn the_matrix_tells_addresses_apart_where_they_fare_differently() {
    let rows = |network: &Network| -> Vec<(Vec<String>, Vec<String>)> {
        let told = matrix(network, None, Some("w"));
        told.reach.into_iter().map(|row| (row.from, row.to)).collect()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(rows(&network("", OPEN)), [(names(&["x"]), names(&["w"]))]);
    assert_eq!(rows(&network("", NOT_THE_FIRST)), [(names(&["x"]), names(&["w/10.0.0.11"]))]);
    // The internet reaches what is public, and who is inside each alike: one end.
    let public = network("", &format!("{SECOND_IS_PUBLIC}{OPEN}"));
    assert_eq!(rows(&public), [(names(&["x", "client", "internet"]), names(&["w"]))]);
    let by_change = |old: &Network, new: &Network| vpclab_check::diff(&old.topology, &new.topology).pairs;
    // One of them passed before.
    assert_eq!(by_change(&network("", NOT_THE_FIRST), &network("", OPEN)).gained, 1);
    let closed = NOT_THE_FIRST.replace("10.0.0.10/32", "10.0.0.0/24");
    assert_eq!(by_change(&network("", &closed), &network("", NOT_THE_FIRST)).gained, 1);
}

#[test]
fn who_is_asked_about_himself_alone_is_no_question() {
    let network = network("", OPEN);
    for (end, words) in [("w", "are nobody else"), ("internet", "are both on the internet")] {
        let end = Some(end.to_owned());
        let request = AnalyseRequest { from: end.clone(), to: end, ..AnalyseRequest::default() };
        let error = vpclab_check::analyse(&network.fabric, &network.topology, &request).unwrap_err();
        assert!(error.error.message.contains(words), "{}", error.error.message);
    }
    let told = matrix(&network, Some("x"), None);
    assert!(told.reach.iter().all(|row| !row.to.contains(&"x".to_owned())), "{:#?}", told.reach);
}
