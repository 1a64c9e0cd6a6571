//! Guests that forward, and what a change of topology does to who is there.

use serde_json::{Value, json};

use super::{WEB, at, ip, lab, lab_of, shop, topology};
use crate::{GuestRef, Lab, LabOptions, Ping, PingOutcome, TcpDial, TcpOutcome};

/// Traffic between subnets `a` and `b` goes by an appliance in subnet `c`, both ways.
fn with_middlebox() -> Value {
    let mut document = shop();
    document["subnets"]["c"] =
        json!({ "vpc": "shop", "cidr_block": "10.0.3.0/24", "route_table": "inspected" });
    document["route_tables"]["inspected"] = json!({ "vpc": "shop" });
    document["instances"]["box"] = json!({ "subnet": "c", "security_groups": ["open"],
        "private_ip": "10.0.3.5", "source_dest_check": false });
    document["route_tables"]["by-box"] = json!({ "vpc": "shop", "routes": [
        { "cidr_block": "10.0.2.0/24", "network_interface": "box" },
        { "cidr_block": "0.0.0.0/0", "gateway": "igw" } ] });
    document["route_tables"]["back-by-box"] = json!({ "vpc": "shop", "routes": [
        { "cidr_block": "10.0.1.0/24", "network_interface": "box" } ] });
    document["subnets"]["a"]["route_table"] = json!("by-box");
    document["subnets"]["b"]["route_table"] = json!("back-by-box");
    document
}

#[test]
fn a_middlebox_passes_traffic_on_only_if_it_forwards() {
    for offloads in [false, true] {
        let options = LabOptions { offloads, ..LabOptions::default() };
        let mut idle = with_middlebox();
        idle["instances"]["box"]["forwards"] = json!("none");
        let mut lab = Lab::new(&topology(idle), options);
        let dial = TcpDial::new(at("10.0.2.10:443")).with_payload(vec![1; 300_000]);
        let the_box = GuestRef::Instance("box");
        assert_eq!(lab.tcp(WEB, &dial).unwrap(), TcpOutcome::TimedOut { request_arrived: false });
        assert!(lab.guest_counters(the_box).unwrap().not_forwarded > 0);
        lab.replace(&topology(with_middlebox()));
        let outcome = lab.tcp(WEB, &dial).unwrap();
        assert!(outcome.is_success(), "{outcome:?}");
        assert!(lab.guest_counters(the_box).unwrap().forwarded > 10);
        assert_eq!(lab.total_guest_counters().wrong_checksums, 0);
        assert!(lab.ping(WEB, &Ping::new(ip("10.0.2.10"))).unwrap().is_success());
    }
}

#[test]
fn two_middleboxes_that_send_to_each_other_stop_at_the_last_hop() {
    let mut document = with_middlebox();
    document["instances"]["second"] = json!({ "subnet": "b", "security_groups": ["open"],
        "private_ip": "10.0.2.5", "source_dest_check": false });
    document["route_tables"]["inspected"]["routes"] =
        json!([{ "cidr_block": "10.0.2.0/24", "network_interface": "second" }]);
    document["route_tables"]["back-by-box"]["routes"] =
        json!([{ "cidr_block": "10.0.2.0/24", "network_interface": "box" }]);
    let mut lab = lab_of(document);
    let outcome = lab.ping(WEB, &Ping::new(ip("10.0.2.10"))).unwrap();
    assert_eq!(outcome, PingOutcome::TimedOut { request_arrived: false });
    assert_eq!(lab.total_guest_counters().expired, 1);
}

#[test]
fn a_nat_instance_sends_from_its_own_address_and_gives_answers_back() {
    let mut document = with_middlebox();
    document["instances"]["box"]["forwards"] = json!("nat");
    // Answers need no route of their own: they are for the box.
    document["subnets"]["b"]["route_table"] = json!("inspected");
    document["route_tables"].as_object_mut().unwrap().remove("back-by-box");
    for offloads in [false, true] {
        let mut lab = Lab::new(&topology(document.clone()), LabOptions { offloads, ..LabOptions::default() });
        let dial = TcpDial::new(at("10.0.2.10:443")).with_payload(vec![1; 300_000]);
        let outcome = lab.tcp(WEB, &dial).unwrap();
        assert!(outcome.is_success(), "{outcome:?}");
        assert!(lab.ping(WEB, &Ping::new(ip("10.0.2.10"))).unwrap().is_success());
        assert_eq!(lab.total_guest_counters().wrong_checksums, 0);
    }
}

#[test]
fn a_guest_with_two_interfaces_sends_on_by_the_one_it_declares() {
    let mut document = with_middlebox();
    document["subnets"]["d"] = json!({ "vpc": "shop", "cidr_block": "10.0.4.0/24" });
    document["network_interfaces"] = json!({ "second": { "subnet": "d", "security_groups": ["open"],
        "private_ip": "10.0.4.5", "source_dest_check": false,
        "attachment": { "instance": "box", "device_index": 1 } } });
    document["instances"]["box"]["forwards"] = json!("second");
    let mut lab = lab_of(document);
    assert!(lab.ping(WEB, &Ping::new(ip("10.0.2.10"))).unwrap().is_success());
    let counters = |lab: &Lab, name: &'static str| lab.guest_counters(GuestRef::Interface(name)).unwrap();
    assert_eq!(counters(&lab, "box").forwarded, 2);
}

#[test]
fn a_guest_takes_over_a_changed_address() {
    let mut lab = lab();
    assert!(lab.ping(WEB, &Ping::new(ip("10.0.1.11"))).unwrap().is_success());
    let mut document = shop();
    document["instances"]["app"]["secondary_private_ips"] = json!(["10.0.1.77"]);
    lab.replace(&topology(document));
    assert!(lab.ping(WEB, &Ping::new(ip("10.0.1.77"))).unwrap().is_success());
    let id = lab.fabric().instances.iter().find(|(_, i)| i.name.as_str() == "app").unwrap().1.name.id();
    assert!(lab.ping(GuestRef::Instance(&id), &Ping::new(ip("10.0.1.10"))).unwrap().is_success());
}
