use serde_json::json;

use super::{ip, lab_of};
use crate::{GuestRef, Ping, PingOutcome};

#[test]
fn hosts_of_one_customer_network_talk_and_know_no_other_network() {
    let mut lab = lab_of(json!({
        "customer_networks": {
            "office": { "cidr_block": "192.168.0.0/16", "mtu": 9001 },
            "branch": { "cidr_block": "192.168.0.0/16" } },
        "customer_hosts": {
            "desk": { "customer_network": "office", "address": "192.168.0.1" },
            "printer": { "customer_network": "office", "address": "192.168.0.2" },
            "till": { "customer_network": "branch", "address": "192.168.0.3" } },
        "internet_hosts": { "client": { "address": "198.51.100.7" } }
    }));
    let desk = GuestRef::Host("desk");
    for size in [100, 8000] {
        let outcome = lab.ping(desk, &Ping { size, ..Ping::new(ip("192.168.0.2")) }).unwrap();
        assert!(matches!(outcome, PingOutcome::Replied { intact: true, .. }), "{outcome:?}");
    }
    for nobody in ["192.168.0.3", "198.51.100.7", "10.0.0.1"] {
        let outcome = lab.ping(desk, &Ping::new(ip(nobody))).unwrap();
        assert!(!matches!(outcome, PingOutcome::Replied { .. }), "{nobody}: {outcome:?}");
    }
}
