//! Area NAT: which gateways work, and what do those that do not leave to others?

use serde_json::{Value, json};
use vpclab_model::NatGatewayState;
use vpclab_tests::harness::{Net, mistakes};
use vpclab_tests::packet::udp;

use crate::nat_networks::{APP, APP_V6, CLIENT, CLIENT_NAT64, document, with};
use crate::networks::packet;

/// Why a gateway has failed; nothing for one that works.
fn failure(net: &Net, name: &str) -> String {
    match &net.topology.find_nat_gateway(name).unwrap().1.state {
        NatGatewayState::Failed { failure_code, .. } => failure_code.clone(),
        NatGatewayState::Available => String::new(),
    }
}

#[test]
fn the_internet_gateway_of_another_vpc_is_of_no_use_to_a_public_one() {
    // proves: NAT-17, NAT-01
    let mut net = with(|d| {
        d["internet_gateways"]["igw"]["vpc"] = json!("w");
        d["route_tables"]["edge"]["routes"].as_array_mut().unwrap().remove(0);
    });
    assert_eq!(failure(&net, "nat"), "Gateway.NotAttached");
    for (source, destination) in [(APP, CLIENT), (APP_V6, CLIENT_NAT64)] {
        net.send("app", &packet(source, destination, udp(1, 2))).dies_of("blackhole");
    }
}

#[test]
fn one_that_fails_takes_no_elastic_ip_from_others() {
    // proves: NAT-17
    let net = with(|d| {
        d["instances"]["edge"] =
            json!({ "subnet": "edge", "private_ip": "10.0.0.5", "security_groups": ["open"] });
        d["eips"]["taken"] = json!({ "instance": "edge" });
        d["eips"]["free"] = json!({});
        d["nat_gateways"]["a"] =
            json!({ "subnet": "edge", "allocation": "free", "secondary_allocations": ["taken"] });
        d["nat_gateways"]["b"] = json!({ "subnet": "edge", "allocation": "free" });
    });
    assert_eq!(failure(&net, "a"), "Resource.AlreadyAssociated");
    assert_eq!(failure(&net, "b"), "");
    assert_eq!(failure(&net, "nat"), "");
}

#[test]
fn a_gateway_has_eight_addresses_at_most() {
    // proves: NAT-05
    let found = |count: usize| {
        let mut d: Value = document();
        let secondary: Vec<_> = (0..count).map(|n| format!("10.0.0.{}", 100 + n)).collect();
        d["nat_gateways"]["own"] = json!({ "subnet": "edge", "connectivity_type": "private",
            "private_ip": "10.0.0.50", "secondary_private_ips": secondary });
        mistakes(&d)
    };
    assert_eq!(found(7), [""; 0]);
    assert_eq!(found(8), ["nat_gateways.own: InvalidParameterValue"]);
}

#[test]
fn elastic_ips_are_of_public_gateways_and_of_their_own_region_and_account() {
    // proves: NAT-01, NAT-02
    let found = |change: &dyn Fn(&mut Value)| {
        let mut d = document();
        change(&mut d);
        mistakes(&d)
    };
    let private = |d: &mut Value| {
        d["eips"]["more"] = json!({});
        d["nat_gateways"]["own"] = json!({ "subnet": "edge", "connectivity_type": "private" });
    };
    for (key, value) in [("allocation", json!("more")), ("secondary_allocations", json!(["more"]))] {
        let place = format!("nat_gateways.own.{key}");
        let mistake = found(&|d| {
            private(d);
            d["nat_gateways"]["own"][key] = value.clone();
        });
        assert_eq!(mistake, [format!("{place}: InvalidParameterCombination")]);
    }
    for (key, value) in [("region", "eu-west-1"), ("owner", "210987654321")] {
        let mistake = found(&|d| d["eips"]["eip"][key] = json!(value));
        assert_eq!(mistake, ["nat_gateways.nat.allocation: InvalidAllocationID.NotFound"], "{key}");
    }
}
