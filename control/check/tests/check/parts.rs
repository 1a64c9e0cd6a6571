//! Is nobody's part, way or reason lost behind another's, where one name stands for many hosts?

use vpclab_api::{AnalyseRequest, Expected, Explained, Outcome};
use vpclab_check::{Because, TestCase, VirtualProber, Way};

use crate::{Network, case, one, request, yaml};

/// An instance of the internet, whose group lets in by `rules`, behind a network ACL with `entries` before its last one.
fn web(rules: &str, entries: &str) -> Network {
    yaml(&format!(
        r#"
vpcs: {{v: {{cidr_block: 10.0.0.0/16}}, lab: {{cidr_block: 11.0.0.0/16}}}}
internet_gateways: {{igw: {{vpc: v}}}}
route_tables: {{v/main: {{routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}}}
network_acls:
  n:
    vpc: v
    ingress: [{entries}{{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}}]
    egress: [{{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}}]
subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24, network_acl: n}}}}
security_groups: {{g: {{vpc: v, ingress: [{rules}]}}}}
instances: {{web: {{subnet: s, security_groups: [g], associate_public_ip_address: true}}}}
"#
    ))
}

fn tcp(port: u16, block: &str) -> String {
    format!("{{protocol: tcp, from_port: {port}, to_port: {port}, cidr_blocks: [{block}]}},")
}

fn because(code: &str) -> Because {
    Because { code: Some(code.to_owned()), ..Because::default() }
}

#[test]
fn a_large_part_of_the_internet_that_has_another_port_is_told_of() {
    for rules in
        [tcp(22, "0.0.0.0/1") + &tcp(80, "128.0.0.0/1"), tcp(80, "0.0.0.0/0") + &tcp(22, "8.0.0.0/7")]
    {
        let told = web(&rules, "").explain("internet", "web");
        let first = &told.blockers[0];
        assert_eq!(first.code, "ONLY_SOME_ADDRESSES", "{:#?}", told.blockers);
        assert!(first.message.contains("tcp 22") && first.message.contains("tcp 80"), "{}", first.message);
        assert!(told.not_denied.is_empty(), "what passes for one of them passes not for all");
    }
    let small = web(&(tcp(80, "0.0.0.0/0") + &tcp(22, "8.8.8.0/24")), "").explain("internet", "web");
    assert_eq!(small.not_denied.len(), 1, "somebody who is named is nobody's part");
    let told = small.assumed.iter().find(|told| told.assumption.starts_with("leaves out")).unwrap();
    assert!(told.assumption.contains("only tcp 22, tcp 80 passes from 8.8.8.0"), "{}", told.assumption);
}

#[test]
fn a_reason_is_one_only_where_it_denies_every_part_of_the_internet() {
    let deny = "{rule_no: 80, action: deny, protocol: '-1', cidr_block: 128.0.0.0/1}, ";
    let network = web(&tcp(443, "128.0.0.0/1"), deny);
    let told = network.explain("internet", "web:443");
    let [other] = told.other_blockers.as_slice() else { panic!("{told:#?}") };
    let codes = |all: &[vpclab_api::Blocker]| all.iter().map(|b| b.code.clone()).collect::<Vec<_>>();
    let mut both = [codes(&told.blockers), codes(&other.blockers)];
    both.sort();
    assert_eq!(both, [["ENI_SG_RULES_MISMATCH"], ["SUBNET_ACL_RESTRICTION"]]);
    for code in ["ENI_SG_RULES_MISMATCH", "SUBNET_ACL_RESTRICTION"] {
        let test = TestCase { because: because(code), ..case("internet", "web:443", Expected::Denied) };
        assert!(!one(&network, test, None).passed, "{code} denies a half");
    }
    let closed = web(&tcp(443, "10.0.0.0/8"), deny);
    let test = case("internet", "web:443", Expected::Denied);
    let test = TestCase { because: because("ENI_SG_RULES_MISMATCH"), ..test };
    let told = one(&closed, test, None);
    assert!(told.passed, "it denies everybody: {:?}", told.failures);
}

#[test]
fn an_address_of_another_vpc_is_somebodys_on_the_internet() {
    let network = web(&tcp(22, "11.0.0.0/16"), "");
    for from in ["11.0.0.0/8", "0.0.0.0/0"] {
        let told = network.pairs(from, "web:22");
        assert!(told.answers[0].blockers[0].code == "ONLY_SOME_ADDRESSES", "{from}: {told:#?}");
    }
    let only = TestCase { request: request("*", "web:22"), ..case("*", "web:22", Expected::Only) };
    assert!(!one(&network, only, None).passed, "who has an address of the block asks");
}

/// An instance whose halves of the internet lie behind two NAT gateways.
const HALVES: &str = r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
internet_gateways: {igw: {vpc: v}}
subnets: {pub: {vpc: v, cidr_block: 10.0.1.0/24, route_table: pub}, mix: {vpc: v, cidr_block: 10.0.2.0/24, route_table: mix}}
eips: {one: {public_ip: 203.0.113.1}, two: {public_ip: 203.0.113.2}}
nat_gateways: {nat: {subnet: pub, allocation: one}, nat2: {subnet: pub, allocation: two}}
route_tables:
  pub: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}
  mix: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, nat_gateway: nat}, {cidr_block: 128.0.0.0/1, nat_gateway: nat2}]}
instances: {a: {subnet: mix}}
"#;

#[test]
fn every_way_to_the_internet_has_to_be_right() {
    let network = yaml(HALVES);
    let by = |path: &[&str], never: &[&str]| {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        let path = Way { forward: names(path), never: names(never), ..Way::default() };
        one(&network, TestCase { path, ..case("a", "internet:443", Expected::Allowed) }, None)
    };
    assert!(by(&["igw"], &[]).passed);
    for (path, never) in [(&["nat"][..], &[][..]), (&["nat2"], &[]), (&[], &["nat"]), (&[], &["nat2"])] {
        assert!(!by(path, never).passed, "{path:?} {never:?}");
    }
    for source in ["203.0.113.1", "203.0.113.2"] {
        let source_seen = Some(source.parse().unwrap());
        let test = TestCase { source_seen, ..case("a", "internet:443", Expected::Allowed) };
        assert!(!one(&network, test, None).passed, "half of them see another one than {source}");
    }
}

#[test]
fn whom_a_gateway_leads_to_in_part_is_neither_allowed_nor_denied() {
    let halves = yaml(HALVES);
    let equal = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
subnets: {s: {vpc: v, cidr_block: 10.0.1.0/24}}
transit_gateways: {hub: {}}
transit_gateway_vpc_attachments: {tv: {transit_gateway: hub, vpc: v, subnets: [s]}}
route_tables: {v/main: {routes: [{cidr_block: 192.168.0.0/16, transit_gateway: hub}]}}
instances: {a: {subnet: s}}
customer_gateways: {cgw: {bgp_asn: 65001}}
vpn_connections: {vpn1: {transit_gateway: hub, customer_gateway: cgw}, vpn2: {transit_gateway: hub, customer_gateway: cgw}}
customer_networks: {office: {cidr_blocks: [192.168.0.0/16], customer_gateways: [cgw]}}
customer_hosts: {desk: {customer_network: office, address: 192.168.0.7}}
"#,
    );
    for (network, gateways) in [(&halves, ["nat", "nat2"]), (&equal, ["vpn1", "vpn2"])] {
        for gateway in gateways {
            for expected in [Expected::Allowed, Expected::Denied] {
                let told = one(network, case("a", &format!("{gateway}:443"), expected), None);
                assert!(!told.passed, "{gateway} {expected:?}");
                assert_eq!(told.outcome, Some(Outcome::Unknown), "{:?}", told.failures);
            }
        }
    }
    assert!(one(&halves, case("a", "igw:443", Expected::Allowed), None).passed, "both ways pass it");
}

#[test]
fn addresses_that_are_reached_by_other_ways_are_answered_apart() {
    let network = yaml(
        r#"
vpcs: {a: {cidr_block: 10.1.0.0/16}, b: {cidr_block: 10.2.0.0/16}}
subnets: {a1: {vpc: a, cidr_block: 10.1.1.0/24}, b1: {vpc: b, cidr_block: 10.2.1.0/24}}
transit_gateways: {hub: {}}
transit_gateway_vpc_attachments:
  ta: {transit_gateway: hub, vpc: a, subnets: [a1]}
  tb: {transit_gateway: hub, vpc: b, subnets: [b1]}
vpc_peering_connections: {pcx: {vpc: a, peer_vpc: b, auto_accept: true}}
route_tables:
  a/main: {routes: [{cidr_block: 10.2.0.0/16, transit_gateway: hub}, {cidr_block: 10.2.1.20/32, vpc_peering_connection: pcx}]}
  b/main: {routes: [{cidr_block: 10.1.0.0/16, transit_gateway: hub}]}
security_groups:
  a/default: {ingress: [{protocol: '-1', cidr_blocks: [10.0.0.0/8]}]}
  b/default: {ingress: [{protocol: '-1', cidr_blocks: [10.0.0.0/8]}]}
instances: {ia: {subnet: a1}, ib: {subnet: b1, private_ips: [10.2.1.10, 10.2.1.20]}}
"#,
    );
    let never = Way { never: vec!["pcx".to_owned()], ..Way::default() };
    let told = one(&network, TestCase { path: never, ..case("ia", "ib:80", Expected::Allowed) }, None);
    assert!(told.failures[0].starts_with("at ib/10.2.1.20: the way there"), "{:?}", told.failures);
    assert_eq!(network.pairs("ia", "ib:80").answers.len(), 2);
}

/// A load balancer before a target whose network ACL lets the ports `from`-`to` out.
fn balanced(from: u16, to: u16) -> Network {
    yaml(&format!(
        r#"
vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}
network_acls:
  tight:
    vpc: v
    ingress: [{{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}}]
    egress: [{{rule_no: 100, action: allow, protocol: tcp, from_port: {from}, to_port: {to}, cidr_block: 0.0.0.0/0}}]
subnets: {{pub: {{vpc: v, cidr_block: 10.0.1.0/24}}, app: {{vpc: v, cidr_block: 10.0.2.0/24, network_acl: tight}}}}
security_groups:
  alb: {{vpc: v}}
  app: {{vpc: v, ingress: [{{protocol: tcp, from_port: 8080, to_port: 8080, security_groups: [alb]}}]}}
load_balancers: {{front: {{subnets: [pub], load_balancer_type: application, security_groups: [alb]}}}}
instances: {{app: {{subnet: app, security_groups: [app]}}, x: {{subnet: pub, security_groups: [alb]}}}}
"#
    ))
}

#[test]
fn a_load_balancer_sends_from_more_ports_than_linux_does() {
    let ask = |network: &Network, from: &str| match vpclab_check::explain(
        &network.fabric,
        &network.topology,
        &request(from, "app:8080"),
    ) {
        Ok(Explained::One(one)) => *one,
        Ok(Explained::Many(mut many)) => many.answers.remove(0),
        Err(error) => panic!("{error}"),
    };
    let tight = balanced(32_768, 60_999);
    assert_eq!(ask(&tight, "x").reachable, Some(true));
    let told = ask(&tight, "front");
    assert_eq!((told.reachable, told.from.port.as_deref()), (Some(false), Some("1024-65535")), "{told:#?}");
    assert!(!told.not_denied.is_empty(), "some of its ports are let out");
    assert!(told.assumed.iter().any(|told| told.assumption.contains("1024-65535")), "{:?}", told.assumed);
    assert_eq!(ask(&balanced(1024, 65_535), "front").reachable, Some(true));
    // What passes from some ports alone passes by chance.
    let row = |network: &Network| {
        let told = AnalyseRequest { to: Some("app".to_owned()), ..AnalyseRequest::default() };
        let told = vpclab_check::analyse(&network.fabric, &network.topology, &told).unwrap();
        let row =
            told.reach.into_iter().find(|row| row.from.iter().any(|name| name.contains("front"))).unwrap();
        (row.passes.len(), row.sometimes.len())
    };
    assert_eq!(row(&tight), (0, 1));
    assert_eq!(row(&balanced(1024, 65_535)), (1, 0));
}

#[test]
fn an_address_of_a_pool_is_that_of_the_instance_that_gets_its_packets() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
internet_gateways: {igw: {vpc: v}}
subnets: {s: {vpc: v, cidr_block: 10.0.1.0/24, route_table: pub}}
route_tables:
  pub: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}
  edge: {vpc: v, gateways: [igw], public_ipv4_pools: [198.51.100.0/24], routes: [{cidr_block: 198.51.100.0/24, network_interface: fw}]}
security_groups: {open: {vpc: v, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}}
instances: {fw: {subnet: s, security_groups: [open], source_dest_check: false}}
internet_hosts: {client: {address: 192.0.2.77}}
"#,
    );
    for to in ["198.51.100.5:22", "fw:22"] {
        for from in ["internet", "client"] {
            let told = network.explain(from, to);
            assert_eq!(told.reachable, Some(true), "{from} {to}: {:?}", told.blockers);
        }
    }
    let mut guests = VirtualProber::new(&network.topology);
    let told = one(&network, case("client", "198.51.100.5:22", Expected::Allowed), Some(&mut guests));
    assert!(told.passed, "{:?}", told.failures);
}

#[test]
fn an_echo_reply_of_another_with_the_same_address_is_none_of_the_one_meant() {
    let network = yaml(
        r#"
vpcs: {b: {cidr_block: 172.16.0.0/16}, a: {cidr_block: 10.0.0.0/16}, c: {cidr_block: 10.0.0.0/16}}
subnets: {sb: {vpc: b, cidr_block: 172.16.1.0/24}, sa: {vpc: a, cidr_block: 10.0.1.0/24}, sc: {vpc: c, cidr_block: 10.0.1.0/24}}
vpc_peering_connections: {cb: {vpc: c, peer_vpc: b, auto_accept: true}}
route_tables:
  b/main: {routes: [{cidr_block: 10.0.0.0/16, vpc_peering_connection: cb}]}
  c/main: {routes: [{cidr_block: 172.16.0.0/16, vpc_peering_connection: cb}]}
security_groups: {c/default: {ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}}
instances: {ia: {subnet: sa, private_ip: 10.0.1.70}, ic: {subnet: sc, private_ip: 10.0.1.70}, ib: {subnet: sb}}
"#,
    );
    for (to, expected) in [("ia/icmp", Expected::Denied), ("ic/icmp", Expected::Allowed)] {
        let mut guests = VirtualProber::new(&network.topology);
        let told = one(&network, case("ib", to, expected), Some(&mut guests));
        assert!(told.passed, "{to}: {:?}", told.failures);
    }
}

#[test]
fn a_guest_sends_and_answers_by_an_address_of_a_delegated_prefix() {
    let network = yaml(
        r#"
vpcs: {v: {cidr_block: 10.0.0.0/16}}
subnets: {s: {vpc: v, cidr_block: 10.0.2.0/24}}
security_groups: {open: {vpc: v, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}}
instances: {web: {subnet: s, security_groups: [open]}, k8s: {subnet: s, private_ip: 10.0.2.10, ipv4_prefixes: [10.0.2.32/28], security_groups: [open]}}
"#,
    );
    for (from, to) in [("web", "10.0.2.44:80"), ("web", "10.0.2.45/icmp"), ("10.0.2.40", "web:443")] {
        assert!(one(&network, case(from, to, Expected::Allowed), None).passed, "{from} {to}");
        let mut guests = VirtualProber::new(&network.topology);
        let told = one(&network, case(from, to, Expected::Allowed), Some(&mut guests));
        assert!(told.passed, "{from} {to}: {:?}", told.failures);
    }
}
