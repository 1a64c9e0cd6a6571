//! Is what is not modelled never a yes or a no?

use vpclab_api::{Expected, LegVerdict, Outcome};
use vpclab_check::{Prober, VirtualProber};

use crate::{Network, case, results, yaml};

/// A web server behind a load balancer, with Block Public Access on.
fn network() -> Network {
    yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         internet_gateways: {igw: {vpc: v}}\n\
         route_tables: {v/main: {routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}}\n\
         subnets: {a: {vpc: v, cidr_block: 10.0.1.0/24}, b: {vpc: v, cidr_block: 10.0.2.0/24}}\n\
         security_groups: {open: {vpc: v, ingress: [{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [0.0.0.0/0]}]}}\n\
         instances: {web: {subnet: a, security_groups: [open], associate_public_ip_address: true}, \
           db: {subnet: b, security_groups: [open]}}\n\
         load_balancers: {front: {subnets: [b], security_groups: [open], internal: true}}\n\
         listeners: {https: {load_balancer: front, port: 443, protocol: HTTPS}}\n\
         vpc_block_public_access_options: {bpa: {internet_gateway_block_mode: block-ingress}}\n\
         internet_hosts: {client: {address: 198.51.100.7}}",
    )
}

#[test]
fn a_way_through_it_is_null_and_says_what_it_depends_on() {
    let answer = network().explain("web", "client:443");
    assert_eq!((answer.reachable, answer.forward.verdict), (None, LegVerdict::NotModelled));
    assert!(answer.blockers.is_empty(), "{answer:#?}");
    let [on] = answer.unmodelled.as_slice() else { panic!("{answer:#?}") };
    assert_eq!((on.resource.as_str(), on.kind.as_str()), ("bpa", "vpc_block_public_access_option"));
    assert!(on.reason.contains("Block Public Access"), "{}", on.reason);
}

#[test]
fn the_internet_as_a_whole_is_as_unknown() {
    let answer = network().explain("internet", "web:443");
    assert_eq!(answer.reachable, None, "{answer:#?}");
    let answer = network().explain("internet", "web:80");
    assert_eq!(answer.reachable, Some(false), "the group denies it whatever the other says: {answer:#?}");
    assert_eq!(answer.forward.verdict, LegVerdict::Dropped);
}

#[test]
fn a_test_on_it_fails_whatever_it_expects_and_at_every_level() {
    let network = network();
    let tests = [
        case("web", "client:443", Expected::Allowed),
        case("web", "client:443", Expected::Denied),
        case("internet", "web:443", Expected::Denied),
    ];
    let mut guests = VirtualProber::new(&network.topology);
    for prober in [None, Some(&mut guests as &mut dyn Prober)] {
        for result in results(&network, &tests, prober) {
            assert!(!result.passed, "{} expecting {:?} at {:?}", result.name, result.expected, result.level);
            assert!(result.failures[0].contains("explain cannot tell"), "{:?}", result.failures);
        }
    }
}

#[test]
fn the_way_to_its_interface_passes_at_explain_and_cannot_be_tried_with_packets() {
    let network = network();
    let tests =
        [case("web", "elb/front/b:443", Expected::Allowed), case("elb/front/b", "db:443", Expected::Allowed)];
    for result in results(&network, &tests, None) {
        assert!(result.passed, "{:?}", result.failures);
        assert_eq!(result.outcome, Some(Outcome::Allowed));
    }
    let mut guests = VirtualProber::new(&network.topology);
    let prober: &mut dyn Prober = &mut guests;
    for result in results(&network, &tests, Some(prober)) {
        assert_eq!((result.passed, result.outcome), (false, None), "{:?}", result.failures);
        assert!(result.failures[0].contains("not modelled"), "{:?}", result.failures);
    }
}

#[test]
fn a_port_that_no_declared_listener_is_for_is_no_plain_yes() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\nsubnets: {a: {vpc: v, cidr_block: 10.0.1.0/24}}\n\
         instances: {i: {subnet: a}}\n\
         load_balancers: {n: {subnets: [a], load_balancer_type: network, internal: true}}\n",
    );
    let answer = network.explain("i", "elb/n/a:9999");
    assert_eq!(answer.reachable, None, "{answer:#?}");
    let [on] = answer.unmodelled.as_slice() else { panic!("{answer:#?}") };
    assert_eq!((on.resource.as_str(), on.kind.as_str()), ("n", "load_balancer"));
    assert!(on.reason.contains("declare its `listeners`"), "{}", on.reason);
}

#[test]
fn a_load_balancer_as_a_whole_is_each_of_its_interfaces() {
    let told = network().pairs("web", "front:443");
    let asked: Vec<&str> = told.answers.iter().map(|answer| answer.to.name.as_str()).collect();
    assert_eq!(asked, ["elb/front/b"]);
}

#[test]
fn whether_an_interface_is_attached_may_be_unknown() {
    let network = |nic: &str| {
        yaml(&format!(
            "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\n\
             route_tables: {{v/main: {{routes: [{{cidr_block: 192.0.2.0/24, network_interface: nic}}]}}}}\n\
             subnets: {{s: {{vpc: v, cidr_block: 10.0.1.0/24}}}}\n\
             network_interfaces: {{nic: {{subnet: s, source_dest_check: false{nic}}}}}\n\
             instances: {{web: {{subnet: s}}}}\n\
             internet_hosts: {{client: {{address: 192.0.2.7}}}}"
        ))
    };
    assert_eq!(network("").explain("web", "client:443").reachable, Some(false), "it is attached to nobody");
    let answer = network(", not_modelled: it is made elsewhere").explain("web", "client:443");
    assert_eq!(answer.reachable, None, "{answer:#?}");
    assert_eq!(answer.unmodelled[0].resource, "nic");
}

#[test]
fn what_denies_whoever_asks_denies_a_sender_of_whom_nothing_is_known() {
    let with = |rules: &str| {
        yaml(&format!(
            "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\n\
             subnets: {{a: {{vpc: v, cidr_block: 10.0.1.0/24}}, b: {{vpc: v, cidr_block: 10.0.2.0/24}}}}\n\
             security_groups: {{lb: {{vpc: v}}, app: {{vpc: v}}, db: {{vpc: v, ingress: [{rules}]}}}}\n\
             instances: {{db: {{subnet: b, security_groups: [db]}}, \
               classic: {{subnet: a, security_groups: [lb], not_modelled: a classic load balancer}}}}\n\
             load_balancers: {{n: {{subnets: [a], load_balancer_type: network, internal: true, security_groups: [lb]}}}}\n"
        ))
    };
    let sql = "protocol: tcp, from_port: 5432, to_port: 5432";
    for (rules, classic, network) in [
        (String::new(), Some(false), Some(false)),
        // Of which groups the one is a member is not known, nor for whom the other speaks.
        (format!("{{{sql}, security_groups: [app]}}"), None, None),
        (format!("{{{sql}, security_groups: [lb]}}"), None, None),
        // A client's address may be what a network load balancer sends under.
        (format!("{{{sql}, cidr_blocks: [198.51.100.0/24]}}"), Some(false), None),
        (format!("{{{sql}, cidr_blocks: [10.0.1.0/24]}}"), None, None),
        (
            "{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [0.0.0.0/0]}".to_owned(),
            Some(false),
            Some(false),
        ),
    ] {
        let told = with(&rules);
        for (from, expected) in [("classic", classic), ("elb/n/a", network)] {
            let answer = told.explain(from, "db:5432");
            assert_eq!(answer.reachable, expected, "{from}: {rules}");
            assert_eq!(answer.blockers.is_empty(), expected.is_none(), "{from}: {rules}");
        }
    }
}

/// A classic load balancer and a target in one subnet, with a network ACL whose outbound entry is this.
fn classic(outbound: &str) -> Network {
    yaml(&format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\n\
         network_acls: {{edge: {{vpc: v, ingress: [{{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}}], egress: [{outbound}]}}}}\n\
         subnets: {{a: {{vpc: v, cidr_block: 10.0.1.0/24, network_acl: edge}}}}\n\
         security_groups: {{lb: {{vpc: v, ingress: [{{protocol: tcp, from_port: 80, to_port: 80, cidr_blocks: [10.0.0.0/16]}}]}}, \
           app: {{vpc: v, ingress: [{{protocol: tcp, from_port: 8080, to_port: 8080, security_groups: [lb]}}]}}}}\n\
         instances: {{app: {{subnet: a, security_groups: [app]}}, client: {{subnet: a, security_groups: [app]}}}}\n\
         load_balancers: {{old: {{subnets: [a], load_balancer_type: classic, internal: true, security_groups: [lb]}}}}\n\
         listeners: {{http: {{load_balancer: old, port: 80, protocol: HTTP}}}}\n"
    ))
}

#[test]
fn a_classic_load_balancer_asks_the_acl_of_its_own_subnet_about_targets_there() {
    let everything = "{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}";
    let answer = classic(everything).explain("elb/old/a", "app:8080");
    assert_eq!(answer.reachable, Some(true), "{answer:#?}");
    // NACL-25
    let closed = classic(
        "{rule_no: 1, action: allow, protocol: tcp, from_port: 443, to_port: 443, cidr_block: 0.0.0.0/0}",
    );
    let answer = closed.explain("elb/old/a", "app:8080");
    assert_eq!(answer.reachable, Some(false), "{answer:#?}");
    assert_eq!(answer.blockers[0].code, "SUBNET_ACL_RESTRICTION");
    // Within the subnet nobody else is asked, and the answers of a load balancer are not what it sends to targets.
    let answer = closed.explain("client", "elb/old/a:80");
    assert_eq!(answer.reachable, Some(true), "{answer:#?}");
    assert_eq!(closed.explain("client", "elb/old/a:81").reachable, Some(false), "the group");
}

#[test]
fn who_may_ask_is_told_beside_a_classic_load_balancer() {
    let everything = "{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}";
    let network = classic(everything);
    let mut test = case("*", "app:8080", Expected::Only);
    test.only = vec!["old".to_owned()];
    for result in results(&network, &[test], None) {
        assert!(result.passed, "{:?}", result.failures);
    }
}
