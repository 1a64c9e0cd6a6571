//! Connections that outlive calls, configurations and days.

use std::time::Duration;

use serde_json::{Value, json};

use super::{CLIENT, DB, WEB, at, both_modes, lab, lab_of, shop, topology};
use crate::{ConnectError, GuestRef, LabError, Side, TcpDial, TcpOutcome};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The shop with a database that only `web` may reach, by a rule that makes flows tracked.
fn guarded() -> Value {
    let mut document = shop();
    document["security_groups"]["db"] = json!({ "vpc": "shop", "ingress": [
        { "protocol": "tcp", "from_port": 5432, "to_port": 5432, "cidr_blocks": ["10.0.1.0/24"] } ] });
    document["instances"]["db"]["security_groups"] = json!(["db"]);
    document
}

fn without_rules(mut document: Value, group: &str) -> Value {
    document["security_groups"][group]["ingress"] = json!([]);
    document
}

fn pattern(len: usize) -> Vec<u8> {
    (0u32..).flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_be_bytes()).take(len).collect()
}

#[test]
fn a_megabyte_goes_each_way_intact() {
    for mut lab in both_modes() {
        for (from, to) in [
            (WEB, "10.0.2.10:5432"),
            (WEB, "[2001:db8:1:2::10]:5432"),
            (WEB, "198.51.100.7:443"),
            (CLIENT, "203.0.113.10:443"),
            (CLIENT, "[2001:db8:1:1::10]:443"),
        ] {
            let dial = TcpDial::new(at(to)).with_payload(pattern(1_000_000));
            let outcome = lab.tcp(from, &dial).unwrap();
            assert!(outcome.is_success(), "{to}: {outcome:?}");
        }
        assert_eq!(lab.total_guest_counters().wrong_checksums, 0);
    }
}

#[test]
fn a_tracked_flow_outlives_its_rule_and_five_idle_days_end_it() {
    let mut lab = lab_of(guarded());
    let id = lab.connect(WEB, &TcpDial::new(at("10.0.2.10:5432"))).unwrap();
    assert!(lab.send(id, Side::Client, b"one").unwrap());
    lab.replace(&topology(without_rules(guarded(), "db")));
    let fresh = lab.tcp(WEB, &TcpDial::new(at("10.0.2.10:5432"))).unwrap();
    assert_eq!(fresh, TcpOutcome::TimedOut { request_arrived: false });
    assert!(lab.send(id, Side::Server, b"still tracked (CT-09)").unwrap());
    assert!(lab.advance(DAY * 5 - Duration::from_secs(60)));
    assert!(lab.send(id, Side::Client, b"still remembered (CT-11)").unwrap());
    assert!(lab.advance(DAY * 5 + Duration::from_secs(60)));
    assert!(!lab.send(id, Side::Client, b"forgotten").unwrap());
    // Ten days cost no more than what was said in them.
    assert!(lab.link_counters().carried < 200, "{:?}", lab.link_counters());
}

#[test]
fn removing_the_rule_cuts_an_untracked_flow() {
    let mut lab = lab();
    let id = lab.connect(WEB, &TcpDial::new(at("10.0.2.10:5432"))).unwrap();
    assert!(lab.send(id, Side::Client, b"one").unwrap());
    lab.replace(&topology(without_rules(shop(), "open")));
    assert!(!lab.send(id, Side::Client, b"two").unwrap());
    lab.replace(&topology(shop()));
    lab.advance(Duration::from_secs(60));
    assert!(lab.delivered(id, Side::Client).unwrap(), "TCP repeats what was lost");
    assert!(lab.close(id).unwrap());
    assert_eq!(lab.send(id, Side::Client, b"three"), Err(LabError::NoSuchConnection));
}

#[test]
fn a_transfer_survives_a_change_of_configuration() {
    for mut lab in both_modes() {
        let id = lab.connect(WEB, &TcpDial::new(at("10.0.2.10:5432"))).unwrap();
        lab.queue(id, Side::Client, &pattern(1_000_000)).unwrap();
        lab.advance(Duration::from_micros(300));
        assert!(!lab.delivered(id, Side::Client).unwrap(), "the change comes in the middle");
        let mut document = shop();
        document["instances"]["aaa"] = json!({ "subnet": "a", "security_groups": ["open"] });
        document["instances"].as_object_mut().unwrap().remove("app");
        let generation = lab.fabric().generation;
        lab.replace(&topology(document));
        assert_eq!(lab.fabric().generation, generation + 1);
        assert!(lab.send(id, Side::Client, b"the end").unwrap());
        assert!(lab.tcp(GuestRef::Instance("aaa"), &TcpDial::new(at("10.0.2.10:80"))).unwrap().is_success());
        assert!(lab.tcp(GuestRef::Instance("app"), &TcpDial::new(at("10.0.2.10:80"))).is_err());
        assert!(lab.close(id).unwrap());
    }
}

#[test]
fn a_guest_that_is_gone_takes_its_connections_along() {
    let mut lab = lab();
    let id = lab.connect(WEB, &TcpDial::new(at("10.0.2.10:5432"))).unwrap();
    let mut document = shop();
    document["instances"].as_object_mut().unwrap().remove("db");
    lab.replace(&topology(document));
    assert!(!lab.is_open(id));
    assert!(!lab.send(id, Side::Client, b"anybody?").unwrap());
    lab.replace(&topology(shop()));
    assert!(!lab.is_open(id), "the database that comes back is another one");
    lab.close(id).unwrap();
    assert!(lab.tcp(WEB, &TcpDial::new(at("10.0.2.10:5432"))).unwrap().is_success());
}

#[test]
fn connections_stand_side_by_side() {
    let mut lab = lab();
    let dial = TcpDial::new(at("10.0.2.10:5432"));
    let first = lab.connect(WEB, &dial).unwrap();
    let second = lab.connect(WEB, &dial).unwrap();
    let own = lab.connect(DB, &TcpDial::new(at("203.0.113.10:80")));
    assert_eq!(own, Err(ConnectError::from(TcpOutcome::TimedOut { request_arrived: false })));
    assert_ne!(lab.connection_ends(first), lab.connection_ends(second));
    assert!(lab.send(first, Side::Client, b"a").unwrap() && lab.send(second, Side::Server, b"b").unwrap());
    assert!(lab.close(first).unwrap() && lab.is_open(second) && lab.close(second).unwrap());
}
