//! What else can go wrong at a gateway: ports, chance, services that nobody declared?

use vpclab_api::ExplainRequest;
use vpclab_check::TestCase;

use crate::networks::{ENDPOINTS, NAT, PEERING, PRIVATE, ask, denials, transit};
use crate::{Network, case, one, request, results, yaml};

/// The false green of every NAT gateway: a network ACL around it that forgets part of the ports it lends.
#[test]
fn an_acl_that_lets_only_part_of_the_lent_ports_through_is_no_with_the_ports_that_die() {
    for (direction, open) in [("ingress", "egress"), ("egress", "ingress")] {
        let ports = if direction == "ingress" {
            "from_port: 32768, to_port: 60999"
        } else {
            "from_port: 443, to_port: 443"
        };
        let guarded = NAT.replace("pub: {vpc: v, cidr_block", "pub: {vpc: v, network_acl: edge, cidr_block")
            + &format!(
                "network_acls: {{edge: {{vpc: v, {open}: [{{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}}],\n\
                   {direction}: [{{rule_no: 90, action: allow, protocol: '-1', cidr_block: 10.0.0.0/16}},\n\
                     {{rule_no: 100, action: allow, protocol: tcp, {ports}, cidr_block: 0.0.0.0/0}}]}}}}\n"
            );
        let answer = ask(&guarded, "a", "h:443", Some(4));
        if direction == "egress" {
            assert_eq!(answer.reachable, Some(true), "{answer:#?}");
            continue;
        }
        assert_eq!(answer.reachable, Some(false));
        let [blocker] = answer.blockers.as_slice() else { panic!("{answer:#?}") };
        assert_eq!((blocker.code.as_str(), blocker.direction.as_str()), ("SUBNET_ACL_RESTRICTION", "return"));
        let lent: Vec<_> = blocker.partial.iter().map(|part| part.nat_ports.as_deref().unwrap()).collect();
        assert_eq!(lent, ["1024-32767", "61000-65535"]);
        let passing: Vec<_> = answer.not_denied.iter().map(|part| part.nat_ports.as_deref()).collect();
        assert_eq!(passing, [Some("32768-60999")]);
        let text = vpclab_check::render::explained(&vpclab_api::Explained::One(Box::new(answer)));
        assert!(text.contains("where a NAT gateway lends port 1024-32767"), "{text}");
    }
}

/// Two NAT gateways in a row, which AWS says nothing of (NAT-01, NAT-27).
#[test]
fn an_answer_by_a_nat_gateway_that_sends_to_another_says_so() {
    let chained = NAT
        .replace(
            "nat_gateways: {",
            "nat_gateways: {first: {subnet: mid, allocation: f, private_ip: 10.0.2.220}, ",
        )
        .replace("eips: {", "eips: {f: {public_ip: 203.0.113.8}, ")
        .replace(
            "  in: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, nat_gateway: nat}",
            "  mid: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, nat_gateway: nat}]}\n  \
               in: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, nat_gateway: first}",
        )
        .replace("subnets:\n", "subnets:\n  mid: {vpc: v, cidr_block: 10.0.2.0/24, route_table: mid}\n");
    let says_so = |network: &str| {
        let answer = ask(network, "a", "h:443", Some(4));
        assert_eq!(answer.reachable, Some(true), "{answer:#?}");
        let of_first = answer.assumed.into_iter().filter(|assumed| assumed.resource == "first");
        of_first.map(|assumed| assumed.assumption).collect::<Vec<_>>()
    };
    let [assumption] = says_so(&chained).try_into().unwrap();
    assert!(assumption.contains("leads to the NAT gateway nat"), "{assumption}");
    let direct = chained.replace(
        "mid: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, nat_gateway: nat}",
        "mid: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}",
    );
    assert_eq!(says_so(&direct), [""; 0]);
}

/// An attachment whose VPC has a subnet without the firewall's route: a flow from another zone takes any of the two.
fn network_with_two_doors(allowed: &str) -> Network {
    let document = transit(
        "[at-v, at-w]",
        "[{destination_cidr_block: 10.1.0.0/16, attachment: at-w}]",
    )
    .replace("subnets: [t], ", "subnets: [t1, t2], ")
    .replace(
        "  t: {vpc: w, availability_zone: us-east-1a,",
        &format!(
            "  t1: {{vpc: w, availability_zone: us-east-1c, cidr_block: 10.1.1.0/24, ipv6_cidr_block: 2001:db8:2:2::/64}}\n  \
             t2: {{vpc: w, availability_zone: us-east-1d, cidr_block: 10.1.2.0/24, ipv6_cidr_block: 2001:db8:2:3::/64, network_acl: {allowed}}}\n  \
             t: {{vpc: w, availability_zone: us-east-1c,"
        ),
    ) + "network_acls: {shut: {vpc: w}, open: {vpc: w, ingress: [{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}], egress: [{rule_no: 1, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}]}}\n";
    yaml(&document)
}

#[test]
fn what_depends_on_a_random_choice_of_gateways_is_never_a_plain_yes_or_no() {
    let four = ExplainRequest { family: Some(4), ..request("a", "b:443") };
    let answer = network_with_two_doors("open").ask(&four).unwrap();
    assert_eq!((answer.reachable, answer.by_choice), (Some(true), false), "{:#?}", denials(&answer));
    let network = network_with_two_doors("shut");
    let answer = network.ask(&four).unwrap();
    assert_eq!((answer.reachable, answer.by_choice), (Some(false), true), "{answer:#?}");
    assert!(answer.blockers.iter().all(|blocker| blocker.by_choice), "{answer:#?}");
    let text = vpclab_check::render::explained(&vpclab_api::Explained::One(Box::new(answer)));
    assert!(text.contains("partial") && text.contains("only on some of the ways"), "{text}");
    let tests = [vpclab_api::Expected::Allowed, vpclab_api::Expected::Denied]
        .map(|expected| TestCase { request: four.clone(), ..case("a", "h:443", expected) });
    for result in results(&network, &tests, None) {
        assert!(!result.passed, "{:?}", result.expected);
    }
}

#[test]
fn a_source_that_a_gateway_picks_at_random_is_told_with_the_others() {
    let two = NAT
        .replace(
            "private_ip: 10.0.0.220}",
            "private_ip: 10.0.0.220, secondary_allocations: [f], secondary_private_ips: [10.0.0.221]}",
        )
        .replace("eips: {", "eips: {f: {public_ip: 203.0.113.8}, ");
    let answer = ask(&two, "a", "h:443", Some(4));
    assert_eq!(answer.reachable, Some(true));
    let observed = answer.forward.observed.unwrap();
    let mut sources = vec![observed.source.address];
    sources.extend(observed.other_sources);
    sources.sort();
    assert_eq!(sources, ["203.0.113.8", "203.0.113.9"]);
    let network = yaml(&two);
    let source_seen = Some("203.0.113.9".parse().unwrap());
    let test = TestCase { source_seen, ..case("a", "h:443", vpclab_api::Expected::Allowed) };
    let result = one(&network, test, None);
    assert!(!result.passed && result.failures[0].contains("at random"), "{:?}", result.failures);
}

#[test]
fn the_internet_is_nobody_whom_a_gateway_knows() {
    // A black hole for half of the internet at the transit gateway, and a customer network of public addresses.
    let hole = "[{destination_cidr_block: 0.0.0.0/0, attachment: at-w}, {destination_cidr_block: 128.0.0.0/1, blackhole: true}]";
    let document = transit("[at-v, at-w]", hole)
        .replace("10.0.0.0/8, transit_gateway: hub}, {ipv6_cidr_block: '2001:db8::/32', transit_gateway: hub}]}\n  w/main", "0.0.0.0/0, transit_gateway: hub}]}\n  w/main")
        .replace("w/main: {routes: [", "w/main: {routes: [{cidr_block: 0.0.0.0/0, gateway: igw}, ")
        + "internet_gateways: {igw: {vpc: w}}\n";
    let answer = ask(&document, "a", "internet:443", Some(4));
    assert_eq!(answer.reachable, Some(false));
    let codes: Vec<_> = answer.blockers.iter().map(|blocker| blocker.code.as_str()).collect();
    assert_eq!(codes, ["GATEWAY_REJECTS_SPOOFED_TRAFFIC"]);
    let office = NAT.to_owned()
        + "vpn_gateways: {vgw: {vpc: v}}\ncustomer_gateways: {cgw: {bgp_asn: 65001, ip_address: 198.51.100.1}}\n\
           vpn_connections: {vpn: {vpn_gateway: vgw, customer_gateway: cgw}}\n\
           customer_networks: {office: {cidr_blocks: [192.0.2.0/24], customer_gateways: [cgw]}}\n\
           customer_hosts: {desk: {customer_network: office, address: 192.0.2.1}}\n";
    let answer = ask(&office, "a", "internet:443", Some(4));
    assert_eq!(answer.reachable, Some(true), "{:#?}", denials(&answer));
    let address = answer.to.address.unwrap();
    assert!(!address.starts_with("192.0.2."), "{address}");
}

#[test]
fn an_undeclared_service_behind_an_endpoint_is_unknown() {
    let undeclared = ENDPOINTS.replace(
        "  com.amazonaws.us-east-1.sqs: {address: 10.9.0.9, ipv6_address: '2600:1fa0:9000::9'}\n",
        "",
    );
    let network = yaml(&undeclared);
    let four = ExplainRequest { family: Some(4), ..request("a", "10.0.0.4:443") };
    let answer = network.ask(&four).unwrap();
    assert_eq!(answer.reachable, None, "{answer:#?}");
    for expected in [vpclab_api::Expected::Allowed, vpclab_api::Expected::Denied] {
        let test = TestCase { request: four.clone(), ..case("a", "10.0.0.4:443", expected) };
        assert!(!one(&network, test, None).passed, "{expected:?}");
    }
}

#[test]
fn ends_that_make_no_question_are_refused_in_words_that_are_true_of_them() {
    let network = yaml(&(PRIVATE.to_owned() + "internet_hosts: {h: {address: 198.51.100.7}}\n"));
    // A customer's host is not on the internet: that nothing leads there is an answer.
    for (from, to) in [
        ("h", "desk:443"),
        ("internet:198.51.100.9", "192.168.0.7:443"),
        ("desk", "h:443"),
        ("desk", "internet:443"),
    ] {
        let answer = network.explain(from, to);
        assert_eq!(answer.reachable, Some(false), "{from} → {to}: {answer:#?}");
        assert!(!answer.blockers.is_empty());
    }
    let error = network.refusal("h", "internet:443");
    assert!(error.error.message.contains("both on the internet"), "{}", error.error.message);
}

#[test]
fn of_prefix_lists_between_which_aws_chooses_at_random_each_is_asked() {
    let lists = PEERING.replace(
        "{cidr_block: 0.0.0.0/0, vpc_peering_connection: p}, ",
        "{destination_prefix_list: one, vpc_peering_connection: p}, {destination_prefix_list: two, network_interface: c}, ",
    ) + "  c: {subnet: t, source_dest_check: false}\n\
         managed_prefix_lists:\n\
         \x20 one: {address_family: IPv4, max_entries: 2, entries: [{cidr: 10.0.0.0/16}]}\n\
         \x20 two: {address_family: IPv4, max_entries: 2, entries: [{cidr: 10.0.0.0/16}]}\n";
    let lists = lists.replace("internet_hosts: {h: {address: 198.51.100.7}}\n", "");
    // By `one` it passes, by `two` an instance sends it back to the same table, and so on.
    let answer = ask(&lists, "b", "a:443", Some(4));
    assert_eq!((answer.reachable, answer.by_choice), (Some(false), true), "{answer:#?}");
    assert!(answer.blockers.iter().all(|blocker| blocker.by_choice), "{:?}", answer.blockers);
    // Both lead to the same connection: there is nothing to choose.
    let same = lists.replace(
        "destination_prefix_list: two, network_interface: c",
        "destination_prefix_list: two, vpc_peering_connection: p",
    );
    let answer = ask(&same, "b", "a:443", Some(4));
    assert_eq!((answer.reachable, answer.by_choice), (Some(true), false), "{:?}", answer.blockers);
}

#[test]
fn half_of_the_internet_that_another_list_may_lead_elsewhere_is_asked_too() {
    // Whichever list the choice falls on at first: one has all, the other the half in which the address does not lie that
    // usually stands for the internet, and leads it to an instance that keeps it.
    for (all, half) in [("one", "two"), ("two", "one")] {
        let document = format!(
            "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\n\
             internet_gateways: {{igw: {{vpc: v}}}}\n\
             managed_prefix_lists:\n\
             \x20 {all}: {{address_family: IPv4, max_entries: 2, entries: [{{cidr: 0.0.0.0/1}}, {{cidr: 128.0.0.0/1}}]}}\n\
             \x20 {half}: {{address_family: IPv4, max_entries: 2, entries: [{{cidr: 0.0.0.0/1}}]}}\n\
             route_tables: {{v/main: {{routes: [{{destination_prefix_list: {all}, gateway: igw}}, \
               {{destination_prefix_list: {half}, network_interface: c}}]}}}}\n\
             subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24}}}}\n\
             instances: {{a: {{subnet: s, associate_public_ip_address: true}}, \
               c: {{subnet: s, source_dest_check: false, forwards: none}}}}\n"
        );
        let answer = ask(&document, "a", "internet:443", Some(4));
        assert_eq!(answer.reachable, Some(false), "{all}: {answer:#?}");
    }
}

#[test]
fn a_virtual_private_gateway_is_read_as_sending_to_its_link_and_taking_from_it() {
    let answer = ask(PRIVATE, "a", "desk:443", None);
    let text = vpclab_check::render::explained(&vpclab_api::Explained::One(Box::new(answer)));
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("virtual private gateway")).collect();
    let [there, back] = lines.as_slice() else { panic!("{text}") };
    assert!(there.ends_with("to vpn") && back.ends_with("from vpn"), "{text}");
}

#[test]
fn a_services_name_where_private_dns_leads_to_an_endpoint_has_no_firm_answer() {
    let network = |options: &str| {
        yaml(&format!(
            "region: eu-central-1\n\
             vpcs: {{v: {{cidr_block: 10.0.0.0/16}}, w: {{cidr_block: 10.1.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: v}}, iw: {{vpc: w}}}}\n\
             subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24, route_table: r, availability_zone: eu-central-1a}}, t: {{vpc: v, cidr_block: 10.0.1.0/24, availability_zone: eu-central-1b}},\n\
             \x20 u: {{vpc: w, cidr_block: 10.1.0.0/24, route_table: q}}}}\n\
             route_tables: {{r: {{vpc: v, routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}, q: {{vpc: w, routes: [{{cidr_block: 0.0.0.0/0, gateway: iw}}]}}}}\n\
             security_groups: {{o: {{vpc: v, ingress: [{{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [10.0.0.0/16]}}]}}}}\n\
             instances: {{a: {{subnet: s, associate_public_ip_address: true}}, b: {{subnet: u, associate_public_ip_address: true}}}}\n\
             services: {{com.amazonaws.eu-central-1.ssm: {{address: 52.119.1.1}}}}\n\
             vpc_endpoints: {{ssm: {{vpc: v, vpc_endpoint_type: Interface, service_name: com.amazonaws.eu-central-1.ssm, subnets: [s, t], security_groups: [o]{options}}}}}\n"
        ))
    };
    let to = "com.amazonaws.eu-central-1.ssm:443";
    let private = network(", private_dns_enabled: true");
    let answer = private.explain("a", to);
    assert_eq!((answer.reachable, answer.blockers.len()), (None, 0), "{answer:#?}");
    let [on] = answer.unmodelled.as_slice() else { panic!("{:#?}", answer.unmodelled) };
    assert_eq!((on.resource.as_str(), on.kind.as_str()), ("ssm", "vpc_endpoint"));
    assert!(on.reason.ends_with("ask about vpce/ssm/s:443 or vpce/ssm/t:443"), "{}", on.reason);
    // As it says.
    for endpoint in ["vpce/ssm/s:443", "vpce/ssm/t:443"] {
        assert_eq!(private.explain("a", endpoint).reachable, Some(true), "{endpoint}");
    }
    // By its address, and from another VPC, the service itself is meant.
    for (from, to) in [("a", "52.119.1.1:443"), ("b", to)] {
        assert_eq!(private.explain(from, to).reachable, Some(true), "{from} {to}");
    }
    let only_inbound =
        ", private_dns_enabled: true, dns_options: {private_dns_only_for_inbound_resolver_endpoint: true}";
    for options in ["", only_inbound] {
        assert_eq!(network(options).explain("a", to).reachable, Some(true), "{options}");
    }
}

#[test]
fn where_a_gateway_endpoint_without_blocks_leads_is_not_known() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         route_tables: {own: {vpc: v}, other: {vpc: v}}\n\
         subnets: {a: {vpc: v, cidr_block: 10.0.1.0/24, route_table: own}, b: {vpc: v, cidr_block: 10.0.2.0/24, route_table: other}}\n\
         instances: {web: {subnet: a}, db: {subnet: b}}\n\
         internet_gateways: {igw: {vpc: v}}\n\
         eips: {spare: {public_ip: 52.216.7.7}}\n\
         internet_hosts: {client: {address: 52.216.9.9}}\n\
         vpc_endpoints: {s3: {vpc: v, vpc_endpoint_type: Gateway, service_name: com.amazonaws.us-east-1.s3, route_tables: [own]}}\n",
    );
    let reachable = |from: &str, to: &str| network.explain(from, to).reachable;
    let answer = network.explain("web", "52.216.1.1:443");
    assert_eq!((answer.reachable, answer.unmodelled[0].resource.as_str()), (None, "s3"), "{answer:#?}");
    // It is in the one table, its service has public addresses that nobody else has, and nobody is the internet.
    for (from, to) in [
        ("db", "52.216.1.1:443"),
        ("web", "10.9.0.1:443"),
        ("web", "52.216.7.7:443"),
        ("web", "client:443"),
        ("web", "internet:443"),
    ] {
        assert_eq!(reachable(from, to), Some(false), "{from} to {to}");
    }
}
