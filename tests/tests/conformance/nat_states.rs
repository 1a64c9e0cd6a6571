//! Area NAT: which states does a NAT gateway go through, and what does that do to its routes and flows?

use serde_json::{Value, json};
use vpclab_model::NatGatewayState;
use vpclab_tests::harness::{Net, mistakes};
use vpclab_tests::packet::{Flags, Packet, syn, tcp};

use crate::nat_networks::{APP, APP_V6, CLIENT, CLIENT_NAT64, NAT_PUBLIC, document, told, with};
use crate::networks::packet;

/// The code by which a gateway has failed; `available` if it has not.
fn state(net: &Net, name: &str) -> String {
    match &net.topology.nat_gateways[name].state {
        NatGatewayState::Failed { failure_code, failure_message } => {
            assert!(!failure_message.is_empty());
            failure_code.clone()
        }
        NatGatewayState::Available => "available".to_owned(),
    }
}

fn requests() -> [Packet; 2] {
    [packet(APP, CLIENT, syn(40_000, 443)), packet(APP_V6, CLIENT_NAT64, syn(40_000, 443))]
}

#[test]
fn a_gateway_is_available_or_has_failed_and_then_its_routes_are_black_holes() {
    // proves: NAT-16
    let mut net = with(|_| {});
    for _ in 0..2 {
        assert_eq!(state(&net, "nat"), "available");
        for request in requests() {
            assert!(net.converses("app", &request));
        }
        // It fails, and is seen as failed.
        net.change(|d| {
            d["internet_gateways"]["igw"] = json!({});
            d["route_tables"]["edge"]["routes"] = json!([]);
        });
        assert_eq!(state(&net, "nat"), "Gateway.NotAttached");
        for request in requests() {
            net.send("app", &request).dies_of("blackhole");
        }
        net.change(|d| {
            d["internet_gateways"]["igw"] = json!({ "vpc": "v" });
            d["route_tables"]["edge"]["routes"] = json!([{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }]);
        });
    }
    // One that is deleted is not there any more.
    net.change(|d| {
        d["nat_gateways"] = json!({});
        d["route_tables"]["inner"]["routes"] = json!([]);
    });
    assert!(net.topology.nat_gateways.is_empty());
    for request in requests() {
        net.send("app", &request).dies_of("no-route");
    }
}

#[test]
fn what_cannot_be_made_says_why_by_the_documented_codes() {
    // proves: NAT-17
    let net = with(|d| d["internet_gateways"]["igw"] = json!({}));
    assert_eq!(state(&net, "nat"), "Gateway.NotAttached");
    let net = with(|d| {
        d["nat_gateways"]["other"] = json!({ "subnet": "edge", "allocation": "eip" });
    });
    assert_eq!(
        (state(&net, "nat"), state(&net, "other")),
        ("available".into(), "Resource.AlreadyAssociated".into())
    );
    // An elastic IP that an instance has is as good as another gateway's.
    let net = with(|d| d["eips"]["eip"]["network_interface"] = json!("app"));
    assert_eq!(state(&net, "nat"), "Resource.AlreadyAssociated");
    let net = with(|d| {
        d["subnets"]["tiny"] = json!({ "vpc": "v", "cidr_block": "10.0.9.0/28" });
        d["eips"]["more"] = json!({});
        for n in 0..11 {
            d["network_interfaces"][format!("i{n}")] = json!({ "subnet": "tiny" });
        }
        d["nat_gateways"]["other"] = json!({ "subnet": "tiny", "allocation": "more" });
    });
    assert_eq!(state(&net, "other"), "InsufficientFreeAddressesInSubnet");
    // A document that names what it does not declare is wrong as a whole, by the code that the gateway would have.
    for (attribute, code) in
        [("allocation", "InvalidAllocationID.NotFound"), ("subnet", "InvalidSubnetID.NotFound")]
    {
        let mut wrong = document();
        wrong["nat_gateways"]["nat"][attribute] = json!("nobody");
        let found = mistakes(&wrong);
        assert!(found.contains(&format!("nat_gateways.nat.{attribute}: {code}")), "{found:?}");
    }
}

#[test]
fn deleting_it_leaves_the_elastic_ip_and_takes_the_flows() {
    // proves: NAT-18, NAT-41, NAT-47
    let established = |net: &mut Net| {
        let port = net.send("app", &packet(APP, CLIENT, syn(40_000, 443))).arrives_at("client").ports.0;
        net.send("client", &packet(CLIENT, NAT_PUBLIC, tcp(443, port, Flags::SynAck))).arrives_at("app");
        (
            packet(APP, CLIENT, tcp(40_000, 443, Flags::Ack)),
            packet(CLIENT, NAT_PUBLIC, tcp(443, port, Flags::Ack)),
        )
    };
    let mut net = with(|_| {});
    let (out, back) = established(&mut net);
    let (gateway, routes) =
        (document()["nat_gateways"]["nat"].clone(), document()["route_tables"]["inner"].clone());
    net.change(|d| {
        d["nat_gateways"] = json!({});
        d["route_tables"]["inner"]["routes"] = json!([]);
    });
    assert!(net.topology.eips["eip"].association.is_none());
    net.send("app", &out).dies_of("no-route");
    net.send("client", &back).dies_of("no-public-mapping");
    // One made anew is another.
    net.change(|d| {
        d["nat_gateways"]["nat"] = gateway;
        d["route_tables"]["inner"] = routes;
    });
    net.send("client", &back).dies_of("nat-no-mapping");
    assert_eq!(told(&net.send("app", &out), "app").tcp_flags, Some(4));
    // So is one with another elastic IP, another primary address or another subnet, whatever its name.
    let changes: [fn(&mut Value); 3] = [
        |d| d["eips"]["eip"]["public_ip"] = json!("203.0.113.77"),
        |d| d["nat_gateways"]["nat"]["private_ip"] = json!("10.0.0.221"),
        |d| {
            d["nat_gateways"]["nat"]["subnet"] = json!("inner");
            d["nat_gateways"]["nat"]["private_ip"] = json!("10.0.1.220");
        },
    ];
    for change in changes {
        let mut net = with(|_| {});
        let (out, back) = established(&mut net);
        net.send("app", &out).arrives_at("client");
        net.change(change);
        assert!(net.send("client", &back).delivered().is_none());
        let fate = net.send("app", &out);
        assert!(fate.delivered().is_none());
    }
}
