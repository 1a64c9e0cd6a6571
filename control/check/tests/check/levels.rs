//! Does every level judge as it says?

use std::net::IpAddr;
use std::path::PathBuf;

use vpclab_api::{Expected, Level, Outcome};
use vpclab_check::{Attempt, Because, Observation, Prober, TestCase, TestFile, VirtualProber};

use crate::{Network, case, one, quickstart, results, yaml};

/// Packets that always do the same.
struct Always(Outcome, Vec<Attempt>);

impl Prober for Always {
    fn level(&self) -> Level {
        Level::Live
    }

    fn probe(&mut self, attempt: &Attempt) -> Result<Observation, String> {
        self.1.push(attempt.clone());
        Ok(Observation { outcome: self.0, source_seen: None })
    }
}

#[test]
fn the_quickstart_tests_pass_at_explain_and_virtual() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../configs/quickstart.tests.json");
    let file = TestFile::from_path(&path).unwrap();
    let network = quickstart();
    let mut guests = VirtualProber::new(&network.topology);
    for prober in [None, Some(&mut guests as &mut dyn Prober)] {
        for result in results(&network, &file.tests().cloned().collect::<Vec<_>>(), prober) {
            assert!(result.passed, "{} at {:?}: {:#?}", result.name, result.level, result.failures);
        }
    }
}

#[test]
fn packets_that_contradict_explain_fail_the_test_whatever_it_expected() {
    let network = quickstart();
    for (expected, outcome, says) in [
        (Expected::Allowed, Outcome::Dropped, "explain says allowed, packets say silently dropped"),
        (Expected::Denied, Outcome::Dropped, "explain says allowed, packets say silently dropped"),
        (
            Expected::Allowed,
            Outcome::Refused,
            "explain says allowed, packets say refused by the peer (TCP reset)",
        ),
    ] {
        let test = case("web-1", "db-1:5432", expected);
        let result = one(&network, test, Some(&mut Always(outcome, Vec::new())));
        assert!(!result.passed && result.failures.iter().any(|f| f == says), "{:?}", result.failures);
    }
    let leak = one(
        &network,
        case("web-1", "db-1:22", Expected::Allowed),
        Some(&mut Always(Outcome::Allowed, vec![])),
    );
    assert_eq!(leak.failures, ["explain says denied, packets say allowed"]);
}

#[test]
fn a_test_that_could_not_run_has_failed() {
    let network = quickstart();
    for (from, to, says) in [
        ("web-1", "nobody:80", "it cannot be asked: nothing"),
        ("client", "db-1", "it could not run: a question about every protocol or port is no packet"),
        ("client", "db-1/tcp", "it could not run: a question about every protocol or port is no packet"),
        ("web-1", "db-1/50", "it could not run: guests do not speak protocol 50"),
        ("web-1", "198.51.100.99:443", "it could not run: no host with the address 198.51.100.99"),
        ("web-1", "169.254.169.254:80", "explain cannot tell: it depends on instance metadata (the packet"),
    ] {
        for expected in [Expected::Allowed, Expected::Denied] {
            let mut guests = VirtualProber::new(&network.topology);
            let result = one(&network, case(from, to, expected), Some(&mut guests));
            assert!(!result.passed, "{to}");
            assert!(result.failures.iter().any(|f| f.starts_with(says)), "{to}: {:?}", result.failures);
        }
    }
}

#[test]
fn the_internet_is_played_by_a_declared_host() {
    let network = quickstart();
    let mut packets = Always(Outcome::Allowed, Vec::new());
    let result = one(&network, case("internet", "web-1:443", Expected::Allowed), Some(&mut packets));
    assert!(result.passed, "{:?}", result.failures);
    assert_eq!(packets.1[0].source, "198.51.100.7".parse::<IpAddr>().unwrap());
    assert_eq!(packets.1[0].destination, "203.0.113.10".parse::<IpAddr>().unwrap());
    let nobody = public_host("[0.0.0.0/0]", "{}");
    let result = one(&nobody, case("internet", "a:80", Expected::Allowed), Some(&mut packets));
    assert!(
        result.failures.iter().any(|f| f.contains("declare one under `internet_hosts`")),
        "{:?}",
        result.failures
    );
    assert_eq!(result.outcome, None);
}

/// A public host `a` with port 80 open for `blocks`, and these hosts on the internet.
fn public_host(blocks: &str, hosts: &str) -> Network {
    yaml(&format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\n\
         subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24, route_table: r}}}}\n\
         route_tables: {{r: {{vpc: v, routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}}}\n\
         security_groups: {{g: {{vpc: v, ingress: [{{protocol: tcp, from_port: 80, to_port: 80, cidr_blocks: {blocks}}}]}}}}\n\
         instances: {{a: {{subnet: s, security_groups: [g], associate_public_ip_address: true}}}}\n\
         internet_hosts: {hosts}\n",
    ))
}

#[test]
fn a_rule_for_a_part_of_the_internet_fails_an_allowed_and_a_denied_test_at_every_level() {
    for blocks in ["[0.0.0.0/1]", "[128.0.0.0/1]", "[0.0.0.0/1, 128.0.0.0/2]"] {
        let network = public_host(blocks, "{office: {address: 198.51.100.7}}");
        for expected in [Expected::Allowed, Expected::Denied] {
            let mut guests = VirtualProber::new(&network.topology);
            let mut packets = Always(Outcome::Allowed, Vec::new());
            for prober in [None, Some(&mut guests as &mut dyn Prober), Some(&mut packets)] {
                let result = one(&network, case("internet", "a:80", expected), prober);
                assert!(!result.passed, "{blocks}");
                let [told] = result.failures.as_slice() else { panic!("{blocks}: {:?}", result.failures) };
                assert!(told.starts_with("only for some sources: it passes from "), "{blocks}: {told}");
                assert_eq!(result.outcome, Some(Outcome::Unknown));
            }
            assert!(packets.1.is_empty(), "packets of one host cannot speak for all");
        }
    }
    let whole = public_host("[0.0.0.0/1, 128.0.0.0/1]", "{office: {address: 198.51.100.7}}");
    let mut guests = VirtualProber::new(&whole.topology);
    let result = one(&whole, case("internet", "a:80", Expected::Allowed), Some(&mut guests));
    assert!(result.passed, "{:?}", result.failures);
}

#[test]
fn many_blocks_together_are_a_part_of_the_internet_and_a_few_are_somebody() {
    let blocks = |count: u8| {
        let blocks: Vec<String> = (0..count).map(|n| format!("20.{}.0.0/16", 2 * n)).collect();
        format!("[{}]", blocks.join(", "))
    };
    for (count, is_somebody) in [(15, true), (16, false), (100, false)] {
        let network = public_host(&blocks(count), "{office: {address: 198.51.100.7}}");
        let result = one(&network, case("internet", "a:80", Expected::Denied), None);
        assert_eq!(result.passed, is_somebody, "{count}: {:?}", result.failures);
        let assumed = &result.explanation.unwrap().assumed;
        let says = assumed.iter().any(|a| a.assumption.contains("it passes from 20.0.0.0"));
        assert_eq!(says, is_somebody, "{assumed:?}");
    }
}

#[test]
fn a_host_that_a_rule_names_does_not_play_the_internet() {
    let office = "{office: {address: 198.51.100.7}}";
    let other = "{office: {address: 198.51.100.7}, other: {address: 192.0.2.9}}";
    let denied = case("internet", "a:80", Expected::Denied);
    let alone = public_host("[198.51.100.7/32]", office);
    let mut guests = VirtualProber::new(&alone.topology);
    let result = one(&alone, denied.clone(), Some(&mut guests));
    assert_eq!(result.outcome, None);
    assert!(
        result.failures[0].contains("no declared host (office) fares as the internet does"),
        "{:?}",
        result.failures
    );
    assert!(one(&alone, denied.clone(), None).passed, "explain needs nobody to play it");
    let two = public_host("[198.51.100.7/32]", other);
    let mut guests = VirtualProber::new(&two.topology);
    assert!(one(&two, denied, Some(&mut guests)).passed);
    assert!(one(&two, case("office", "a:80", Expected::Allowed), Some(&mut guests)).passed);
}

#[test]
fn a_host_that_something_else_stops_does_not_play_the_internet() {
    let network = |hosts: &str| {
        yaml(&format!(
            "vpcs: {{v: {{cidr_block: 10.0.0.0/16}}}}\ninternet_gateways: {{igw: {{vpc: v}}}}\n\
             subnets: {{s: {{vpc: v, cidr_block: 10.0.0.0/24, route_table: r, network_acl: n}}}}\n\
             route_tables: {{r: {{vpc: v, routes: [{{cidr_block: 0.0.0.0/0, gateway: igw}}]}}}}\n\
             network_acls: {{n: {{vpc: v, ingress: [\n\
               {{rule_no: 90, action: allow, protocol: '-1', cidr_block: 198.51.100.0/24}},\n\
               {{rule_no: 100, action: deny, protocol: '-1', cidr_block: 0.0.0.0/0}}],\n\
               egress: [{{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}}]}}}}\n\
             security_groups: {{g: {{vpc: v, ingress: [{{protocol: tcp, from_port: 22, to_port: 22, cidr_blocks: [0.0.0.0/0]}}]}}}}\n\
             instances: {{a: {{subnet: s, security_groups: [g], associate_public_ip_address: true}}}}\n\
             internet_hosts: {hosts}\n",
        ))
    };
    let because = Because {
        code: Some("SUBNET_ACL_RESTRICTION".into()),
        rule: Some(vpclab_api::RuleReference::Number(100)),
        ..Because::default()
    };
    let denied = TestCase { because, ..case("internet", "a:80", Expected::Denied) };
    let alone = network("{office: {address: 198.51.100.7}}");
    let mut guests = VirtualProber::new(&alone.topology);
    let result = one(&alone, denied.clone(), Some(&mut guests));
    assert_eq!(
        (result.outcome, result.passed),
        (None, false),
        "rule 90 lets the office in: {:?}",
        result.failures
    );
    let two = network("{office: {address: 198.51.100.7}, other: {address: 192.0.2.9}}");
    let mut guests = VirtualProber::new(&two.topology);
    let result = one(&two, denied, Some(&mut guests));
    assert_eq!((result.outcome, result.passed), (Some(Outcome::Dropped), true), "{:?}", result.failures);
}

#[test]
fn where_some_of_the_internet_is_refused_and_the_rest_unknown_the_answer_is_no() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\ninternet_gateways: {igw: {vpc: v}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, route_table: r, network_acl: n}, t: {vpc: v, cidr_block: 10.0.1.0/24}}\n\
         route_tables: {r: {vpc: v, routes: [{cidr_block: 0.0.0.0/1, gateway: igw}, {cidr_block: 128.0.0.0/1, network_interface: m}]}}\n\
         network_acls: {n: {vpc: v, ingress: [{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}],\n\
           egress: [{rule_no: 90, action: deny, protocol: '-1', cidr_block: 0.0.0.0/1},\n\
                    {rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}]}}\n\
         network_interfaces: {m: {subnet: t, source_dest_check: false}}\n\
         instances: {a: {subnet: s, associate_public_ip_address: true},\n\
           middle: {network_interfaces: [{network_interface: m, device_index: 0}]}}\n",
    );
    assert!(one(&network, case("a", "internet:443", Expected::Denied), None).passed);
    let allowed = one(&network, case("a", "internet:443", Expected::Allowed), None);
    assert_eq!((allowed.passed, allowed.outcome), (false, Some(Outcome::Dropped)), "{:?}", allowed.failures);
}

#[test]
fn a_private_address_is_nobodys_on_the_internet_at_every_level() {
    let network = quickstart();
    for (from, to) in [("client", "10.0.1.10:443"), ("internet", "shop/10.0.1.10:443")] {
        let mut guests = VirtualProber::new(&network.topology);
        for prober in [None, Some(&mut guests as &mut dyn Prober)] {
            let result = one(&network, case(from, to, Expected::Allowed), prober);
            assert!(!result.passed, "{from} {to}");
            assert_eq!(result.outcome, Some(Outcome::Dropped), "{:?}", result.failures);
        }
        let mut guests = VirtualProber::new(&network.topology);
        let result = one(&network, case(from, to, Expected::Denied), Some(&mut guests));
        assert!(result.passed, "{:?}", result.failures);
    }
}

#[test]
fn a_guest_pings_the_router_of_its_subnet() {
    let network = quickstart();
    let mut guests = VirtualProber::new(&network.topology);
    for to in ["10.0.1.1/icmp", "fe80::ec2:0:1/icmp"] {
        let asked = network.explain("web-1", to).reachable;
        assert_eq!(asked, Some(true), "{to}");
        let result = one(&network, case("web-1", to, Expected::Allowed), Some(&mut guests));
        assert_eq!(
            (result.outcome, result.passed),
            (Some(Outcome::Allowed), true),
            "{to}: {:?}",
            result.failures
        );
    }
}

#[test]
fn packets_to_a_group_are_sent_and_dropped() {
    let network = quickstart();
    let mut guests = VirtualProber::new(&network.topology);
    for to in ["224.0.0.1:80/udp", "239.1.2.3/icmp", "[ff02::1234]:80/udp"] {
        let result = one(&network, case("web-1", to, Expected::Denied), Some(&mut guests));
        assert_eq!(
            (result.outcome, result.passed),
            (Some(Outcome::Dropped), true),
            "{to}: {:?}",
            result.failures
        );
    }
    let tcp = one(&network, case("web-1", "224.0.0.1:80/tcp", Expected::Denied), Some(&mut guests));
    assert_eq!(
        (tcp.outcome, tcp.failures),
        (
            None,
            vec![
                "it could not run: no connection is made to 224.0.0.1, which is no single host's address"
                    .to_owned()
            ]
        )
    );
}

#[test]
fn virtual_interfaces_of_one_instance_meet_on_the_network_and_not_inside_the_guest() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}, t: {vpc: v, cidr_block: 10.0.1.0/24}}\n\
         security_groups: {none: {vpc: v}, any: {vpc: v, ingress: [{protocol: tcp, from_port: 1, to_port: 99, cidr_blocks: [10.0.0.0/16]}]}}\n\
         network_interfaces: {p: {subnet: s, security_groups: [any]}, q: {subnet: t, security_groups: [none]}}\n\
         instances: {a: {network_interfaces: [{network_interface: p, device_index: 0}, {network_interface: q, device_index: 1}]}}\n",
    );
    for (from, to, expected) in [("p", "q:80", Expected::Denied), ("q", "p:80", Expected::Allowed)] {
        let mut guests = VirtualProber::new(&network.topology);
        let result = one(&network, case(from, to, expected), Some(&mut guests));
        assert!(result.passed, "{from} {to}: {:?}", result.failures);
    }
}

/// Packets bear witness to one source port only, so none are sent.
#[test]
fn what_passes_in_part_is_neither_allowed_nor_denied_at_any_level() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24}, t: {vpc: v, cidr_block: 10.0.1.0/24, network_acl: edge}}\n\
         network_acls: {edge: {vpc: v,\n\
           ingress: [{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}],\n\
           egress: [{rule_no: 100, action: allow, protocol: tcp, from_port: 32768, to_port: 60000, cidr_block: 10.0.0.0/24}]}}\n\
         security_groups: {any: {vpc: v, ingress: [{protocol: tcp, from_port: 443, to_port: 443, cidr_blocks: [10.0.0.0/16]}]}}\n\
         instances: {a: {subnet: s}, b: {subnet: t, security_groups: [any]}}\n",
    );
    for (to, says) in [
        ("b:443", "only some of it passes: tcp 443 from source port 32768-60000"),
        ("b/tcp", "only some of it passes: tcp 443 from source port 32768-60000"),
        ("b", "only some of it passes: tcp 443 from source port 32768-60000"),
    ] {
        for expected in [Expected::Allowed, Expected::Denied] {
            let mut packets = Always(Outcome::Dropped, Vec::new());
            for prober in [None, Some(&mut packets as &mut dyn Prober)] {
                let result = one(&network, case("a", to, expected), prober);
                assert_eq!((result.passed, result.outcome), (false, Some(Outcome::Unknown)), "{to}");
                assert!(result.failures[0].starts_with(says), "{to}: {:?}", result.failures);
            }
            assert!(packets.1.is_empty());
        }
    }
    let mut guests = VirtualProber::new(&network.topology);
    assert!(one(&network, case("a", "b:22", Expected::Denied), Some(&mut guests)).passed);
}

/// Some replies die at the ACL, the others behind the middlebox that has no way out for them.
#[test]
fn what_is_denied_in_part_here_and_in_the_rest_behind_a_middlebox_is_denied() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\ninternet_gateways: {igw: {vpc: v}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.0.0/24, route_table: r, network_acl: n}, t: {vpc: v, cidr_block: 10.0.1.0/24}}\n\
         route_tables: {r: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}, {cidr_block: 198.51.100.0/24, network_interface: m}]}}\n\
         network_acls: {n: {vpc: v, ingress: [{rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}],\n\
           egress: [{rule_no: 90, action: deny, protocol: tcp, from_port: 32768, to_port: 40000, cidr_block: 0.0.0.0/0},\n\
                    {rule_no: 100, action: allow, protocol: '-1', cidr_block: 0.0.0.0/0}]}}\n\
         security_groups: {g: {vpc: v, ingress: [{protocol: '-1', cidr_blocks: [0.0.0.0/0]}]}}\n\
         network_interfaces: {m: {subnet: t, source_dest_check: false, security_groups: [g]}}\n\
         instances: {a: {subnet: s, associate_public_ip_address: true, security_groups: [g]},\n\
           middle: {network_interfaces: [{network_interface: m, device_index: 0}]}}\n\
         internet_hosts: {office: {address: 198.51.100.7}}\n",
    );
    for (expected, passes) in [(Expected::Denied, true), (Expected::Allowed, false)] {
        let result = one(&network, case("office", "a:443", expected), None);
        assert_eq!(
            (result.passed, result.outcome),
            (passes, Some(Outcome::Dropped)),
            "{:?}",
            result.failures
        );
    }
}

#[test]
fn a_test_holds_in_every_family_that_both_ends_have() {
    let network = quickstart();
    for (from, to) in [("client", "app-1:443"), ("app-1", "internet:443"), ("internet", "app-1:443")] {
        // Closed over IPv4, for want of a public address, and open over IPv6.
        for (expected, says) in [
            (Expected::Denied, "over IPv6: expected denied, and it is allowed"),
            (Expected::Allowed, "over IPv4: expected allowed, and it is silently dropped"),
        ] {
            let mut guests = VirtualProber::new(&network.topology);
            for prober in [None, Some(&mut guests as &mut dyn Prober)] {
                let result = one(&network, case(from, to, expected), prober);
                assert_eq!((result.passed, result.failures), (false, vec![says.to_owned()]), "{from} {to}");
            }
        }
    }
}

#[test]
fn programs_of_an_instance_with_two_interfaces_send_by_the_one_on_the_destinations_subnet() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         subnets: {a: {vpc: v, cidr_block: 10.0.0.0/24}, b: {vpc: v, cidr_block: 10.0.1.0/24}, c: {vpc: v, cidr_block: 10.0.2.0/24}}\n\
         security_groups: {sa: {vpc: v}, sb: {vpc: v}, db: {vpc: v, ingress: [\n\
           {protocol: tcp, from_port: 5432, to_port: 5432, security_groups: [sa]},\n\
           {protocol: tcp, from_port: 5433, to_port: 5433, security_groups: [sb]}]}}\n\
         network_interfaces: {e0: {subnet: a, security_groups: [sa]}, e1: {subnet: b, security_groups: [sb]}}\n\
         instances: {fw: {network_interfaces: [{network_interface: e0, device_index: 0}, {network_interface: e1, device_index: 1}]},\n\
           near: {subnet: b, security_groups: [db]}, far: {subnet: c, security_groups: [db]}}\n",
    );
    for (from, to, expected) in [
        ("fw", "near:5433", Expected::Allowed),
        ("fw", "far:5432", Expected::Allowed),
        ("e0", "near:5432", Expected::Allowed),
    ] {
        let mut guests = VirtualProber::new(&network.topology);
        for prober in [None, Some(&mut guests as &mut dyn Prober)] {
            let result = one(&network, case(from, to, expected), prober);
            assert!(result.passed, "{from} {to}: {:?}", result.failures);
            let assumed = &result.explanation.unwrap().assumed;
            let says = assumed.iter().any(|a| a.resource == "fw" && a.assumption.contains("sends from e"));
            assert_eq!(says, from == "fw", "{assumed:?}");
        }
    }
    // Its own other interface is no neighbour.
    let itself = one(&network, case("fw", "e1:5432", Expected::Denied), None);
    assert_eq!(itself.explanation.unwrap().from.address.as_deref(), Some("10.0.0.4"));
}

#[test]
fn a_denied_test_may_say_by_what() {
    let network = quickstart();
    let denied = |because| TestCase { because, ..case("web-1", "db-1:22", Expected::Denied) };
    let right = Because {
        code: Some("SUBNET_ACL_RESTRICTION".into()),
        rule: Some(vpclab_api::RuleReference::Number(200)),
        ..Because::default()
    };
    assert!(one(&network, denied(right.clone()), None).passed);
    let wrong = Because { rule: Some(vpclab_api::RuleReference::Number(100)), ..right };
    let result = one(&network, denied(wrong), None);
    assert!(
        result.failures[0].starts_with("expected it denied by SUBNET_ACL_RESTRICTION rule 100"),
        "{:?}",
        result.failures
    );
}

#[test]
fn what_denies_a_part_only_is_no_reason_where_another_denies_it_all() {
    let network = crate::yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         subnets: {a: {vpc: v, cidr_block: 10.0.1.0/24}, b: {vpc: v, cidr_block: 10.0.2.0/24, network_acl: acl}}\n\
         network_acls: {acl: {vpc: v, ingress: [{rule_no: 9, protocol: '-1', cidr_block: 0.0.0.0/0, action: allow}], egress: [\n\
         {rule_no: 1, protocol: tcp, from_port: 32768, to_port: 32768, cidr_block: 0.0.0.0/0, action: deny},\n\
         {rule_no: 2, protocol: '-1', cidr_block: 0.0.0.0/0, action: allow}]}}\n\
         security_groups: {none: {vpc: v}}\n\
         instances: {one: {subnet: a}, two: {subnet: b, security_groups: [none]}}\n",
    );
    let test = |because| TestCase { because, ..case("one", "two:22", Expected::Denied) };
    let sliver = Because { rule: Some(vpclab_api::RuleReference::Number(1)), ..Because::default() };
    let result = one(&network, test(sliver), None);
    assert!(!result.passed, "{:?}", result.explanation.map(|told| told.blockers));
    let whole = Because { code: Some("SG_HAS_NO_RULES".into()), ..Because::default() };
    assert!(one(&network, test(whole), None).passed);
}

#[test]
fn a_test_stays_at_the_level_that_its_file_says() {
    let network = quickstart();
    let stays = TestCase { level: Some(Level::Explain), ..case("web-1", "db-1:5432", Expected::Allowed) };
    let mut packets = Always(Outcome::Dropped, Vec::new());
    let result = one(&network, stays, Some(&mut packets));
    assert!(result.passed && packets.1.is_empty(), "{:?}", result.failures);
    assert_eq!(result.level, Level::Explain);
    let told = vpclab_check::report::summary(&vpclab_check::summarise(Level::Live, vec![result]));
    assert!(told.contains("1 of them at level explain as the file says"), "{told}");
}

#[test]
fn a_source_that_is_seen_by_luck_is_seen_at_no_level() {
    let network = crate::yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         internet_gateways: {igw: {vpc: v}}\n\
         subnets: {a: {vpc: v, cidr_block: 10.0.1.0/24, route_table: out}, b: {vpc: v, cidr_block: 10.0.2.0/24, route_table: nat}}\n\
         route_tables: {out: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, gateway: igw}]}, nat: {vpc: v, routes: [{cidr_block: 0.0.0.0/0, nat_gateway: nat}]}}\n\
         eips: {one: {address: 203.0.113.10}, two: {address: 203.0.113.11}}\n\
         nat_gateways: {nat: {subnet: a, allocation_id: one, secondary_allocation_ids: [two]}}\n\
         instances: {web: {subnet: b}}\n\
         internet_hosts: {client: {address: 198.51.100.7}}\n",
    );
    for wanted in ["203.0.113.10", "203.0.113.11"] {
        let test = TestCase {
            source_seen: Some(wanted.parse().unwrap()),
            ..case("web", "client:443", Expected::Allowed)
        };
        let mut guests = VirtualProber::new(&network.topology);
        for prober in [None, Some(&mut guests as &mut dyn Prober)] {
            let result = one(&network, test.clone(), prober);
            assert!(
                result.failures.iter().any(|f| f.contains("at random")),
                "{wanted}: {:?}",
                result.failures
            );
        }
    }
}

#[test]
fn the_source_that_the_receiver_sees_is_checked_at_every_level() {
    let network = quickstart();
    for (wanted, passes) in [("203.0.113.10", true), ("10.0.1.10", false)] {
        let test = TestCase {
            source_seen: Some(wanted.parse().unwrap()),
            ..case("web-1", "client:443", Expected::Allowed)
        };
        assert_eq!(one(&network, test.clone(), None).passed, passes, "explain {wanted}");
        let mut guests = VirtualProber::new(&network.topology);
        let result = one(&network, test, Some(&mut guests));
        assert_eq!(result.passed, passes, "virtual {wanted}: {:?}", result.failures);
    }
}

/// A kernel gives a connected socket nothing that comes from another address than it asked.
#[test]
fn an_answer_from_another_address_than_was_asked_is_none_to_the_guest() {
    for (way_out, tos) in [
        ("nat_gateway: nat", &["i:53/udp", "i:80", "i/icmp"][..]),
        ("network_interface: relay", &["i:53/udp", "i:80", "i/icmp"]),
    ] {
        let network = crate::answers::two_addresses(way_out);
        let mut guests = VirtualProber::new(&network.topology);
        for to in tos {
            let because = Because { direction: Some("return".to_owned()), ..Because::default() };
            let test = TestCase { because, ..case("client", to, Expected::Denied) };
            let result = one(&network, test, Some(&mut guests));
            assert!(result.passed, "{way_out} {to}: {:?}", result.failures);
        }
    }
    let network = crate::answers::two_addresses("gateway: igw");
    let mut guests = VirtualProber::new(&network.topology);
    for to in ["i:53/udp", "i:80", "i/icmp"] {
        let result = one(&network, case("client", to, Expected::Allowed), Some(&mut guests));
        assert!(result.passed, "{to}: {:?}", result.failures);
    }
}

#[test]
fn what_a_guest_keeps_is_denied_by_it_at_every_level() {
    let network = yaml(
        "vpcs: {v: {cidr_block: 10.0.0.0/16}}\n\
         route_tables: {via: {vpc: v, routes: [{cidr_block: 10.0.2.0/24, network_interface: box}]}}\n\
         subnets: {s: {vpc: v, cidr_block: 10.0.1.0/24, route_table: via}, t: {vpc: v, cidr_block: 10.0.2.0/24}, u: {vpc: v, cidr_block: 10.0.3.0/24}}\n\
         security_groups: {open: {vpc: v, ingress: [{protocol: '-1', cidr_blocks: [10.0.0.0/16]}]}}\n\
         instances: {a: {subnet: s, security_groups: [open]}, b: {subnet: t, security_groups: [open]}, \
           box: {subnet: u, security_groups: [open], source_dest_check: false, forwards: none}}",
    );
    let code = Some("GUEST_DOES_NOT_FORWARD".to_owned());
    let test =
        TestCase { because: Because { code, ..Because::default() }, ..case("a", "b:443", Expected::Denied) };
    let mut guests = VirtualProber::new(&network.topology);
    for prober in [None, Some(&mut guests as &mut dyn Prober)] {
        let result = one(&network, test.clone(), prober);
        assert!(result.passed, "at {:?}: {:?}", result.level, result.failures);
    }
}
