//! Area NACL: which network ACLs does a packet meet on its way by a transit gateway?

use serde_json::{Value, json};
use vpclab_engine::{Recorder, Step, trace};
use vpclab_tests::frames;
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Packet, syn};

use crate::networks::entry;
use crate::transit_networks::{v4, v6, with_hub};

/// What network ACLs a packet meets, in order, as in `a-one out`.
fn met(net: &Net, from: &str, packet: &Packet) -> Vec<String> {
    let frame = frames::frame(packet, net.mac(from), net.router_mac(from), b"");
    let mut recorder = Recorder::default();
    trace(net.fabric(), net.engine().flows(), net.timestamp(), net.port(from), &frame, &mut recorder);
    let acl = |step: &Step| match step {
        Step::NetworkAcl { subnet, direction, .. } => {
            let way = if *direction == vpclab_engine::Direction::Inbound { "in" } else { "out" };
            Some(format!("{} {way}", net.fabric().subnets[*subnet].name))
        }
        _ => None,
    };
    recorder.steps.iter().filter_map(acl).collect()
}

fn request() -> Packet {
    Packet::new(&v4("a-one"), &v4("b-one"), syn(40_000, 443))
}

fn request_v6() -> Packet {
    Packet::new(&v6("a-one"), &v6("b-one"), syn(40_000, 443))
}

/// An ACL of a VPC with these rules, IPv4 only: everything else is denied.
fn acl(vpc: &str, ingress: Value, egress: Value) -> Value {
    json!({ "vpc": vpc, "ingress": ingress, "egress": egress })
}

#[test]
fn in_a_subnet_of_their_own_attachments_have_their_acl_asked_once_each_way() {
    // proves: NACL-23
    let net = with_hub(|_| {});
    let way = ["a-one out", "a-door-one in", "b-door-one out", "b-one in"];
    assert_eq!(met(&net, "a-one", &request()), way);
    assert_eq!(met(&net, "a-one", &request_v6()), way);
    let back = ["b-one out", "b-door-one in", "a-door-one out", "a-one in"];
    assert_eq!(met(&net, "b-one", &request().answer().unwrap()), back);
    // To the gateway by source inwards, out of it by destination outwards; nothing else counts.
    let everybody = || json!([entry(100, "allow", "0.0.0.0/0")]);
    let at = |subnet: &'static str, ingress: Value, egress: Value| {
        with_hub(move |d| {
            d["network_acls"]["acl"] = acl(&subnet[..1], ingress, egress);
            d["subnets"][subnet]["network_acl"] = json!("acl");
        })
    };
    let (source, destination) = ("10.1.1.10/32", "10.2.1.10/32");
    let only = |block: &str| json!([entry(100, "allow", block)]);
    for (subnet, ingress, egress) in [
        ("a-one", json!([]), only(destination)),
        ("a-door-one", only(source), json!([])),
        ("b-door-one", json!([]), only(destination)),
        ("b-one", only(source), json!([])),
    ] {
        at(subnet, ingress.clone(), egress.clone()).send("a-one", &request()).arrives_at("b-one");
        at(subnet, ingress, egress).send("a-one", &request_v6()).dies_of("network-acl");
    }
    for (subnet, ingress, egress) in [
        ("a-one", everybody(), only(source)),
        ("a-door-one", only(destination), everybody()),
        ("b-door-one", everybody(), only(source)),
        ("b-one", only(destination), everybody()),
    ] {
        at(subnet, ingress, egress).send("a-one", &request()).dies_of("network-acl");
    }
}

#[test]
fn in_the_attachments_own_subnet_the_acl_is_asked_twice_outwards_and_never_inwards() {
    // proves: NACL-22
    let shared = |d: &mut Value| {
        for vpc in ["a", "b"] {
            d["transit_gateway_vpc_attachments"][vpc]["subnets"] = json!([format!("{vpc}-one")]);
        }
    };
    for within in [false, true] {
        let net = with_hub(|d| {
            shared(d);
            d["settings"] = json!({ "network_acl_within_subnet_via_router": within });
        });
        assert_eq!(met(&net, "a-one", &request()), ["a-one out", "a-one in"]);
        assert_eq!(met(&net, "a-one", &request_v6()), ["a-one out", "a-one in"]);
        assert_eq!(met(&net, "b-one", &request().answer().unwrap()), ["b-one out", "b-one in"]);
    }
    let at = |subnet: &'static str, ingress: Value, egress: Value| {
        with_hub(move |d| {
            shared(d);
            d["network_acls"]["acl"] = acl(&subnet[..1], ingress, egress);
            d["subnets"][subnet]["network_acl"] = json!("acl");
        })
    };
    let (source, destination) = ("10.1.1.10/32", "10.2.1.10/32");
    let only = |block: &str| json!([entry(100, "allow", block)]);
    at("a-one", only(source), only(destination)).send("a-one", &request()).arrives_at("b-one");
    at("a-one", only(destination), only(destination)).send("a-one", &request()).dies_of("network-acl");
    at("a-one", only(source), only(source)).send("a-one", &request()).dies_of("network-acl");
    // From the gateway to an instance there neither direction has a say.
    at("b-one", json!([]), json!([])).send("a-one", &request()).arrives_at("b-one");
    at("b-one", json!([]), json!([])).send("b-one", &request().answer().unwrap()).dies_of("network-acl");
    // An instance in another subnet of the zone is met as from any other subnet.
    let net = with_hub(|d| {
        d["transit_gateway_vpc_attachments"]["b"]["subnets"] = json!(["b-door-one", "b-two"]);
    });
    let to_two = Packet::new(&v4("a-one"), &v4("b-two"), syn(1, 2));
    assert_eq!(met(&net, "a-one", &to_two), ["a-one out", "a-door-one in", "b-door-one out", "b-two in"]);
}

#[test]
fn an_appliance_in_the_attachments_own_subnet_is_met_without_an_acl() {
    // proves: NACL-22, NACL-23
    let steered = |d: &mut Value, appliance: &str| {
        d["route_tables"]["steer"] = json!({ "vpc": "b", "routes": [
            { "cidr_block": "10.2.2.0/24", "network_interface": appliance },
            { "ipv6_cidr_block": "2001:db8:2:2::/64", "network_interface": appliance } ] });
        d["transit_gateway_vpc_attachments"]["b"]["subnets"] = json!(["b-one"]);
        d["subnets"]["b-one"]["route_table"] = json!("steer");
        d["instances"][appliance]["source_dest_check"] = json!(false);
    };
    let ways = [
        Packet::new(&v4("a-one"), &v4("b-two"), syn(1, 2)),
        Packet::new(&v6("a-one"), &v6("b-two"), syn(1, 2)),
    ];
    let here = with_hub(|d| steered(d, "b-one"));
    let elsewhere = with_hub(|d| {
        d["subnets"]["b-box"] = json!({ "vpc": "b", "cidr_block": "10.2.9.0/24",
            "ipv6_cidr_block": "2001:db8:2:9::/64" });
        d["instances"]["b-box"] = json!({ "subnet": "b-box", "private_ip": "10.2.9.10",
            "ipv6_addresses": ["2001:db8:2:9::10"], "security_groups": ["b-open"] });
        steered(d, "b-box");
    });
    for packet in &ways {
        assert_eq!(met(&here, "a-one", packet), ["a-one out", "a-door-one in"]);
        let way = ["a-one out", "a-door-one in", "b-one out", "b-box in"];
        assert_eq!(met(&elsewhere, "a-one", packet), way);
    }
}
