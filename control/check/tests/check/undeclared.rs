//! Is what a topology does not declare never a yes or a no?

use vpclab_api::{Expected, Explanation, LegVerdict};
use vpclab_check::{Prober, VirtualProber};

use crate::{Network, case, results, yaml};

/// A host with a way to the internet and to S3, which is declared where a test says so.
const S3: &str = "\
vpcs: {v: {cidr_block: 10.0.0.0/16}}
internet_gateways: {igw: {vpc: v}}
route_tables: {v/main: {routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}, private: {vpc: v}}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}, t: {vpc: v, cidr_block: 10.0.1.0/24, route_table: private}}
security_groups:
  open: {vpc: v, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}
  strict: {vpc: v, egress: [{protocol: tcp, from_port: 443, to_port: 443, prefix_lists: [com.amazonaws.us-east-1.s3]}]}
instances:
  a: {subnet: s, associate_public_ip_address: true, security_groups: [open]}
  b: {subnet: t, security_groups: [strict]}
internet_hosts: {h: {address: 198.51.100.7}}
vpc_endpoints: {gate: {vpc: v, service_name: com.amazonaws.us-east-1.s3, route_tables: [TABLES]}}
";

/// An office behind a virtual private gateway, with one host of many; behind another connection nobody is declared.
const PRIVATE: &str = "\
vpcs: {v: {cidr_block: 10.0.0.0/16}}
vpn_gateways: {vgw: {vpc: v}}
route_tables: {v/main: {propagating_vgws: [vgw]}}
subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}}
security_groups: {v: {vpc: v, ingress: [{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [0.0.0.0/0]}], egress: [EGRESS]}}
instances: {a: {subnet: s, private_ip: 10.0.0.10, security_groups: [v]}}
customer_gateways: {cgw: {bgp_asn: 65001}, elsewhere: {bgp_asn: 65002}}
vpn_connections:
  vpn: {vpn_gateway: vgw, customer_gateway: cgw, static_routes_only: true, routes: [192.168.0.0/16]}
  other: {vpn_gateway: vgw, customer_gateway: elsewhere, static_routes_only: true, routes: [172.16.0.0/12]}
customer_networks: {office: {cidr_blocks: [192.168.0.0/16], customer_gateways: [cgw], routes: [{cidr_block: 10.0.0.0/16, vpn_connection: vpn}]}}
customer_hosts: {desk: {customer_network: office, address: 192.168.0.7}}
";

const ALL: &str = "{protocol: '-1', cidr_blocks: [0.0.0.0/0]}";

fn s3(tables: &str) -> Network {
    yaml(&S3.replace("TABLES", tables))
}

/// What an answer depends on, as resource and kind.
fn depends_on(answer: &Explanation) -> Vec<(&str, &str)> {
    answer.unmodelled.iter().map(|on| (on.resource.as_str(), on.kind.as_str())).collect()
}

fn assumes(answer: &Explanation, resource: &str, assumption: &str) -> bool {
    answer.assumed.iter().any(|a| a.resource == resource && a.assumption.contains(assumption))
}

#[test]
fn who_asks_about_a_service_that_is_not_declared_is_told_so_by_its_name_and_by_that_of_its_endpoint() {
    let network = s3("v/main, private");
    for (from, to) in [
        ("a", "com.amazonaws.us-east-1.s3:443"),
        ("a", "gate:443"),
        ("b", "com.amazonaws.us-east-1.s3"),
        ("com.amazonaws.us-east-1.s3", "a:443"),
    ] {
        let answer = network.explain(from, to);
        assert_eq!(
            (answer.reachable, answer.forward.verdict),
            (None, LegVerdict::NotModelled),
            "{from} {to}"
        );
        assert_eq!(depends_on(&answer), [("gate", "vpc_endpoint")], "{from} {to}");
        assert!(answer.unmodelled[0].reason.contains("declare it under `services`"));
    }
    let error = network.refusal("a", "com.amazonaws.us-east-1.dynamodb:443");
    assert_eq!(error.error.code, "InvalidInstanceID.NotFound", "no endpoint leads there");
    let interface = S3.replace("route_tables: [TABLES]", "vpc_endpoint_type: Interface, subnets: [s]");
    let interface =
        interface.replace("prefix_lists: [com.amazonaws.us-east-1.s3]", "cidr_blocks: [0.0.0.0/0]");
    let answer = yaml(&interface).explain("a", "com.amazonaws.us-east-1.s3:443");
    assert_eq!((answer.reachable, depends_on(&answer)), (None, vec![("gate", "vpc_endpoint")]));
}

#[test]
fn a_test_about_such_a_service_fails_whatever_it_expects_and_at_every_level() {
    let network = s3("v/main");
    let to = "com.amazonaws.us-east-1.s3:443";
    let tests = [case("a", to, Expected::Allowed), case("b", to, Expected::Denied)];
    let mut guests = VirtualProber::new(&network.topology);
    for prober in [None, Some(&mut guests as &mut dyn Prober)] {
        for result in results(&network, &tests, prober) {
            assert!(!result.passed, "{} at {:?}", result.name, result.level);
            assert!(result.failures[0].contains("explain cannot tell"), "{:?}", result.failures);
        }
    }
}

#[test]
fn an_answer_about_a_stranger_says_that_he_is_taken_to_be_no_part_of_a_service_nobody_declared() {
    const LIST: &str = "com.amazonaws.us-east-1.s3";
    let says = |network: &Network, from: &str, to: &str| {
        let answer = network.explain(from, to);
        (answer.reachable, assumes(&answer, LIST, "none of its addresses"))
    };
    let network = s3("v/main, private");
    assert_eq!(says(&network, "a", "internet:443"), (Some(true), true));
    assert_eq!(says(&network, "a", "52.216.10.20:443"), (Some(true), true));
    assert_eq!(says(&network, "internet", "a:443"), (Some(true), true), "the answers go by the same table");
    assert_eq!(says(&network, "b", "52.216.10.20:443"), (Some(false), true));
    assert_eq!(says(&network, "a", "h:443"), (Some(true), false), "who is declared is known");
    assert!(!says(&network, "a", "10.0.1.77:443").1, "what is inside is known");
    let elsewhere = s3("private");
    assert_eq!(says(&elsewhere, "a", "internet:443"), (Some(true), false), "not in a's table");
    let by_group = s3("v/main");
    assert_eq!(says(&by_group, "b", "52.216.10.20:443"), (Some(false), true), "b's group names the list");
    let declared =
        "\nservices: {com.amazonaws.us-east-1.s3: {address: 52.216.10.20, cidr_blocks: [52.216.0.0/15]}}\n";
    let known = yaml(&(S3.replace("TABLES", "v/main, private") + declared));
    assert_eq!(says(&known, "a", "internet:443"), (Some(true), false));
    assert_eq!(known.explain("b", "com.amazonaws.us-east-1.s3:443").reachable, Some(true));
}

#[test]
fn an_address_of_a_services_ranges_that_no_host_is_declared_at_is_unknown() {
    let declared =
        "\nservices: {com.amazonaws.us-east-1.s3: {address: 52.216.10.20, cidr_blocks: [52.216.0.0/15]}}\n";
    let network = yaml(&(S3.replace("TABLES", "v/main, private") + declared));
    let answer = network.explain("a", "52.217.1.1:443");
    assert_eq!(answer.reachable, None, "{answer:#?}");
    assert_eq!(depends_on(&answer), [("com.amazonaws.us-east-1.s3", "service")]);
    // What denies it before does so whoever is there.
    assert_eq!(network.explain("b", "52.217.1.1:80").reachable, Some(false));
}

#[test]
fn an_address_of_a_customer_network_that_no_host_is_declared_at_is_unknown() {
    let network = yaml(&PRIVATE.replace("EGRESS", ALL));
    assert_eq!(network.explain("a", "desk:443").reachable, Some(true));
    let answer = network.explain("a", "192.168.9.9:443");
    assert_eq!((answer.reachable, answer.forward.verdict), (None, LegVerdict::NotModelled), "{answer:#?}");
    assert_eq!(depends_on(&answer), [("office", "customer_network")]);
    assert!(answer.unmodelled[0].reason.contains("192.168.9.9"), "{}", answer.unmodelled[0].reason);
}

#[test]
fn who_is_behind_a_link_without_a_declared_network_is_unknown() {
    let network = yaml(&PRIVATE.replace("EGRESS", ALL));
    let answer = network.explain("a", "172.16.0.1:443");
    assert_eq!(answer.reachable, None, "{answer:#?}");
    assert_eq!(depends_on(&answer), [("other", "vpn_connection")]);
    // A group that lets nothing out says no, whoever may be there.
    let closed = yaml(
        &PRIVATE.replace("EGRESS", "{protocol: tcp, from_port: 80, to_port: 80, cidr_blocks: [0.0.0.0/0]}"),
    );
    assert_eq!(closed.explain("a", "172.16.0.1:443").reachable, Some(false));
    assert_eq!(closed.explain("a", "192.168.9.9:443").reachable, Some(false));
}

#[test]
fn a_customer_reaches_the_internet_as_a_host_of_a_vpc_does_whoever_is_declared_there() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         internet_gateways: {igw: {vpc: v}}\n\
         eips: {e: {public_ip: 203.0.113.9}}\n\
         nat_gateways: {nat: {subnet: s, allocation: e}}\n\
         transit_gateways: {hub: {}}\n\
         transit_gateway_vpc_attachments: {v: {transit_gateway: hub, vpc: v, subnets: [t]}}\n\
         transit_gateway_route_tables: {hub/default: {routes: [{destination_cidr_block: 0.0.0.0/0, attachment: v}]}}\n\
         route_tables: {v/main: {routes: [{cidr_block: 0.0.0.0/0, gateway: igw}, {cidr_block: 192.168.0.0/16, transit_gateway: hub}]}, \
           in: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, nat_gateway: nat}]}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}, t: {vpc: v, cidr_block: 10.0.1.0/24, route_table: in}}\n\
         customer_gateways: {cgw: {bgp_asn: 65001}}\n\
         vpn_connections: {vpn: {transit_gateway: hub, customer_gateway: cgw, bgp_routes: [{cidr_block: 192.168.0.0/16}]}}\n\
         customer_networks: {office: {cidr_blocks: [192.168.0.0/16], customer_gateways: [cgw]}}\n\
         customer_hosts: {desk: {customer_network: office, address: 192.168.0.7}}\n\
         internet_hosts: {h: {address: 198.51.100.7}}",
    );
    for to in ["h:443", "8.8.8.8:443", "internet:443"] {
        let answer = network.explain("desk", to);
        assert_eq!(answer.reachable, Some(true), "{to}: {:#?}", answer.blockers);
    }
    assert!(assumes(&network.explain("desk", "8.8.8.8:443"), "8.8.8.8", "though none is declared"));
}

#[test]
fn of_a_service_whose_list_alone_is_declared_the_way_is_known_and_not_the_end() {
    let list = "\nmanaged_prefix_lists: {com.amazonaws.us-east-1.s3: {address_family: IPv4, entries: [{cidr: 52.216.0.0/15}]}}\n";
    let network = yaml(&(S3.replace("TABLES", "v/main, private") + list));
    let answer = network.explain("b", "52.216.10.20:443");
    assert_eq!(
        (answer.reachable, depends_on(&answer)),
        (None, vec![("gate", "vpc_endpoint")]),
        "{answer:#?}"
    );
    assert_eq!(
        network.explain("b", "52.216.10.20:80").reachable,
        Some(false),
        "b's group names port 443 alone"
    );
    assert_eq!(
        network.explain("a", "52.218.0.1:443").reachable,
        Some(true),
        "outside the list there is the internet"
    );
}
