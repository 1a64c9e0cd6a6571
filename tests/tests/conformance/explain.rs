//! Explanations of questions about many packets at once: exact, or plainly unknown.

use serde_json::{Value, json};
use vpclab_engine::explain::{Class, End, Explanation, TrafficQuestion, ask};
use vpclab_tests::harness::Net;
use vpclab_wire::Protocol;

use crate::networks::{acl_on, everything, tcp_of, web_with_rules};

/// Asks from `db` to `web` about every TCP port.
fn every_port(net: &Net) -> Explanation {
    let end = |name: &str| End::Interface(net.fabric().enis.find(name).unwrap(), None);
    let traffic = TrafficQuestion::Ports { protocol: Protocol::TCP, port: None, source_port: None };
    ask(net.fabric(), end("db"), end("web"), None, traffic).unwrap()
}

/// Which destination ports a partial blocker denies.
fn denied(explanation: &Explanation) -> Vec<(u16, u16)> {
    let [blocker] = explanation.blockers.as_slice() else { panic!("{:?}", explanation.blockers) };
    let classes = blocker.partial.as_ref().expect("some ports pass");
    let range = |class: &Class| match class {
        Class::Ports { ports, .. } => (ports.from, ports.to),
        other => panic!("{other:?}"),
    };
    classes.iter().map(range).collect()
}

#[test]
fn a_thousand_single_ports_leave_exactly_the_gaps_between_them() {
    let rules: Vec<Value> = (1..=1000).map(|n| tcp_of(n * 2, "0.0.0.0/0")).collect();
    let net = web_with_rules(json!(rules), json!([everything()]));
    let explanation = every_port(&net);
    assert_eq!(explanation.reachable, Some(false));
    assert!(!explanation.inexhaustive);
    let gaps: Vec<(u16, u16)> = std::iter::once((0, 1))
        .chain((1..1000).map(|n| (n * 2 + 1, n * 2 + 1)))
        .chain([(2001, 65_535)])
        .collect();
    assert_eq!(denied(&explanation), gaps);
}

#[test]
fn a_hole_in_what_answers_may_use_is_found() {
    let entry = |number: u16, action: &str, from: u16, to: u16| json!({ "rule_no": number, "action": action, "protocol": "tcp", "from_port": from, "to_port": to, "cidr_block": "0.0.0.0/0" });
    let net = acl_on(
        "public",
        json!([entry(100, "allow", 0, 65_535)]),
        json!([entry(90, "deny", 50_000, 50_000), entry(100, "allow", 1024, 65_535)]),
    );
    let explanation = every_port(&net);
    assert_eq!(explanation.reachable, Some(false), "an answer to port 50000 is lost");
    let [blocker] = explanation.blockers.as_slice() else { panic!("{:?}", explanation.blockers) };
    assert!(blocker.on_return);
    let [Class::Ports { source_ports, ports, .. }] = blocker.partial.as_deref().unwrap() else { panic!() };
    assert_eq!((source_ports.from, source_ports.to), (50_000, 50_000));
    assert_eq!((ports.from, ports.to), (0, 65_535));
}

#[test]
fn more_classes_than_are_walked_make_the_answer_unknown_and_never_yes() {
    // Every port is allowed both ways, one by one: 3000 destination ports times 300 source ports.
    let one_by_one = |from: u16, count: u16| -> Vec<Value> {
        (0..count).map(|n| tcp_of(from + n * 2, "0.0.0.0/0")).chain([everything()]).collect()
    };
    let mut net = web_with_rules(json!(one_by_one(1, 1500)), json!([everything()]));
    assert_eq!(every_port(&net).reachable, Some(true));
    net.change(|d| {
        let entries = |from: u16, count: u16| -> Vec<Value> {
            let single = (0..count).map(|n| json!({ "rule_no": n + 1, "action": "allow", "protocol": "tcp",
                "from_port": from + n * 2, "to_port": from + n * 2, "cidr_block": "0.0.0.0/0" }));
            single.chain([json!({ "rule_no": 9000, "action": "allow", "protocol": "-1", "cidr_block": "0.0.0.0/0" })]).collect()
        };
        d["network_acls"] = json!({ "acl": { "vpc": "v", "ingress": entries(1, 1), "egress": entries(33_000, 150) } });
        d["subnets"]["public"]["network_acl"] = json!("acl");
    });
    let explanation = every_port(&net);
    assert_eq!(explanation.reachable, None);
    assert!(explanation.inexhaustive && explanation.blockers.is_empty());
}
