//! What is said of guests that send on what is not theirs, and what do packets prove behind them?

use std::collections::BTreeSet;

use vpclab_api::{Expected, Explanation, Level, Outcome};
use vpclab_check::{Attempt, Observation, Prober, VirtualProber, report, summarise};

use crate::{Network, case, one, yaml};

/// Two hosts whose subnets' tables send what is for the other by these interfaces, over IPv4 and IPv6.
fn inspected(there: [&str; 2], back: [&str; 2]) -> Network {
    let routes = |other: u8, [v4, v6]: [&str; 2]| {
        let mut routes = Vec::new();
        if !v4.is_empty() {
            routes.push(format!("{{cidr_block: 10.0.{other}.0/24, network_interface: {v4}}}"));
        }
        if !v6.is_empty() {
            routes.push(format!("{{ipv6_cidr_block: '2001:db8:0:{other}::/64', network_interface: {v6}}}"));
        }
        routes.join(", ")
    };
    yaml(&format!(
        "vpcs: {{v: {{cidr_block: 10.0.0.0/16, ipv6_cidr_block: '2001:db8::/56'}}}}\n\
         subnets:\n\
         \x20 a: {{vpc: v, cidr_block: 10.0.1.0/24, ipv6_cidr_block: '2001:db8:0:1::/64', route_table: a}}\n\
         \x20 b: {{vpc: v, cidr_block: 10.0.2.0/24, ipv6_cidr_block: '2001:db8:0:2::/64', route_table: b}}\n\
         \x20 f: {{vpc: v, cidr_block: 10.0.3.0/24, ipv6_cidr_block: '2001:db8:0:3::/64'}}\n\
         route_tables: {{a: {{vpc: v, routes: [{}]}}, b: {{vpc: v, routes: [{}]}}}}\n\
         security_groups: {{any: {{vpc: v, ingress: [{{protocol: '-1', cidr_blocks: [0.0.0.0/0], ipv6_cidr_blocks: ['::/0']}}]}}}}\n\
         network_interfaces:\n\
         \x20 left: {{subnet: f, security_groups: [any], source_dest_check: false, ipv6_addresses: ['2001:db8:0:3::a']}}\n\
         \x20 right: {{subnet: f, security_groups: [any], source_dest_check: false, ipv6_addresses: ['2001:db8:0:3::b']}}\n\
         instances:\n\
         \x20 ia: {{subnet: a, security_groups: [any], ipv6_addresses: ['2001:db8:0:1::10']}}\n\
         \x20 ib: {{subnet: b, security_groups: [any], ipv6_addresses: ['2001:db8:0:2::10']}}\n\
         \x20 fw-1: {{subnet: f, security_groups: [any], source_dest_check: false, ipv6_addresses: ['2001:db8:0:3::11']}}\n\
         \x20 fw-2: {{subnet: f, security_groups: [any], source_dest_check: false, ipv6_addresses: ['2001:db8:0:3::12']}}\n\
         \x20 armed: {{network_interfaces: [{{network_interface: left, device_index: 0}}, {{network_interface: right, device_index: 1}}]}}\n",
        routes(2, there),
        routes(1, back),
    ))
}

/// Who is assumed to keep no state, and why.
fn stateless(answer: &Explanation) -> Vec<String> {
    let told = answer.assumed.iter().filter(|assumed| assumed.assumption.contains("a stateful appliance"));
    told.map(|assumed| format!("{}: {}", assumed.resource, assumed.assumption)).collect()
}

#[test]
fn an_appliance_that_sees_one_direction_only_is_assumed_to_keep_no_state() {
    for (there, back, told) in [
        ("fw-1", "fw-1", None),
        ("", "", None),
        ("left", "left", None),
        // Two interfaces of one instance are one appliance.
        ("left", "right", None),
        ("fw-1", "fw-2", Some("fw-2: it keeps no state: the request passes fw-1 and the reply fw-2")),
        ("fw-1", "", Some("fw-1: it keeps no state: the request passes fw-1 and the reply does not")),
        ("", "fw-2", Some("fw-2: it keeps no state: the reply passes fw-2 and the request does not")),
        ("fw-1", "right", Some("armed: it keeps no state: the request passes fw-1 and the reply armed")),
    ] {
        let answer = inspected([there, ""], [back, ""]).explain("ia", "ib:80");
        assert_eq!(answer.reachable, Some(true), "{there} {back}: {:#?}", answer.blockers);
        let expected: Vec<String> =
            told.iter().map(|told| format!("{told}: a stateful appliance would drop it")).collect();
        assert_eq!(stateless(&answer), expected, "{there} {back}");
    }
}

#[test]
fn an_appliance_that_only_one_family_passes_is_told_beside_that_of_the_other() {
    let network = inspected(["fw-1", "fw-2"], ["fw-1", "fw-2"]);
    let result = one(&network, case("ia", "ib:80", Expected::Allowed), None);
    let text = report::assumed(&summarise(Level::Explain, vec![result]));
    for appliance in ["fw-1: it sends on what is not", "fw-2: over IPv6: it sends on what is not"] {
        assert!(text.contains(appliance), "{appliance}: {text}");
    }
}

#[test]
fn the_last_lines_of_tests_say_what_was_assumed_of_middleboxes() {
    let network = inspected(["fw-1", "fw-1"], ["fw-1", "fw-2"]);
    let mut guests = VirtualProber::new(&network.topology);
    for prober in [None, Some(&mut guests as &mut dyn Prober)] {
        let level = if prober.is_some() { Level::Virtual } else { Level::Explain };
        let result = one(&network, case("ia", "ib:80", Expected::Allowed), prober);
        assert!(result.passed, "{:?}", result.failures);
        let report = summarise(level, vec![result]);
        for (format, text) in [
            ("people", report::assumed(&report)),
            ("TAP", report::tap(&report)),
            ("JUnit", report::junit(&report)),
        ] {
            assert!(text.contains("it sends on what is not addressed to it"), "{format}: {text}");
            // IPv4 passes one appliance; the test is about IPv6 as well.
            let told = "fw-2: over IPv6: it keeps no state: the request passes fw-1 and the reply fw-2";
            assert!(text.contains(told), "{format}: {text}");
            assert!(!text.contains("it listens on"), "{format}: {text}");
        }
    }
}

/// Remembers what it was to send.
struct Listening(Vec<Attempt>);

impl Prober for Listening {
    fn level(&self) -> Level {
        Level::Live
    }

    fn probe(&mut self, attempt: &Attempt) -> Result<Observation, String> {
        self.0.push(attempt.clone());
        Ok(Observation { outcome: Outcome::Allowed, source_seen: None })
    }
}

#[test]
fn packets_are_counted_at_every_interface_that_sends_them_on_in_either_direction() {
    for (there, back, through) in [
        ("", "", &[][..]),
        ("fw-1", "fw-2", &["fw-1", "fw-2"]),
        ("left", "", &["left"]),
        ("", "right", &["right"]),
    ] {
        let network = inspected([there, there], [back, back]);
        let mut packets = Listening(Vec::new());
        one(&network, case("ia", "ib:80", Expected::Allowed), Some(&mut packets));
        assert_eq!(packets.0.len(), 2, "one of each family");
        for attempt in packets.0 {
            let expected: BTreeSet<String> = through.iter().map(ToString::to_string).collect();
            assert_eq!(attempt.through, expected, "{there} {back}");
        }
    }
}
