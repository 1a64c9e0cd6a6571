//! Area TGW: by which zone does a packet enter and leave a transit gateway?

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vpclab_api::{ExplainRequest, Explained};
use vpclab_engine::{Recorder, Step, trace};
use vpclab_tests::frames;
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Body, ErrorKind, Flags, Packet, ping, syn, tcp, udp};

use crate::networks::everything;
use crate::transit_networks::{v4, v6, with_hub};

/// The subnets by whose interfaces a packet would come out of transit gateways.
fn doors(net: &Net, from: &str, packet: &Packet) -> Vec<String> {
    let frame = frames::frame(packet, net.mac(from), net.router_mac(from), b"");
    let mut recorder = Recorder::default();
    trace(net.fabric(), net.engine().flows(), net.timestamp(), net.port(from), &frame, &mut recorder);
    let door = |step: &Step| match step {
        Step::TransitGateway { subnet: Some(subnet), .. } => {
            Some(net.fabric().subnets[*subnet].name.as_str().to_owned())
        }
        _ => None,
    };
    recorder.steps.iter().filter_map(door).collect()
}

/// The request of a flow, told from others by its port.
fn request(from: &str, to: &str, port: u16) -> Packet {
    Packet::new(&v4(from), &v4(to), syn(port, 443))
}

/// The three VPCs, of which `c` inspects what goes between the others and out: what comes from a and b goes into c, whose
/// attachment has a table of its own.
fn inspected(change: impl FnOnce(&mut Value)) -> Net {
    with_hub(|d| {
        d["transit_gateway_vpc_attachments"]["c"]["appliance_mode_support"] = json!("enable");
        d["transit_gateway_route_tables"] = json!({
            "spokes": { "transit_gateway": "hub", "associations": ["a", "b"], "routes": [
                { "destination_cidr_block": "0.0.0.0/0", "attachment": "c" },
                { "destination_cidr_block": "::/0", "attachment": "c" },
            ] },
            "inspection": { "transit_gateway": "hub", "associations": ["c"], "propagations": ["a", "b"] },
        });
        for (zone, appliance) in [("one", "c-one"), ("two", "c-two")] {
            let table = format!("c-door-{zone}");
            d["subnets"][&table]["route_table"] = json!(table);
            d["route_tables"][table] = json!({ "vpc": "c", "routes": [
                { "cidr_block": "0.0.0.0/0", "network_interface": appliance },
                { "ipv6_cidr_block": "::/0", "network_interface": appliance },
            ] });
            d["instances"][appliance]["source_dest_check"] = json!(false);
        }
        for vpc in ["a", "b"] {
            d["route_tables"][vpc]["routes"] = json!([
                { "cidr_block": "0.0.0.0/0", "transit_gateway": "hub" },
                { "ipv6_cidr_block": "::/0", "transit_gateway": "hub" },
            ]);
        }
        change(d);
    })
}

#[test]
fn a_zone_without_a_subnet_of_the_attachment_does_not_reach_the_gateway() {
    // proves: TGW-13, RT-49
    let mut net = with_hub(|d| {
        d["transit_gateway_vpc_attachments"]["a"]["subnets"] = json!(["a-door-one"]);
    });
    net.send("a-two", &request("a-two", "b-two", 1)).dies_of("transit-gateway-zone");
    let packet = Packet::new(&v6("a-two"), &v6("b-two"), syn(1, 2));
    net.send("a-two", &packet).dies_of("transit-gateway-zone");
    net.send("a-one", &request("a-one", "b-one", 1)).arrives_at("b-one");
    // Inwards there is a way to every zone (TGW-24); the answer has none back.
    net.send("b-one", &request("b-one", "a-two", 1)).arrives_at("a-two");
    assert!(!net.converses("b-one", &request("b-one", "a-two", 2)));
}

#[test]
fn an_attachment_serves_every_subnet_of_its_zone() {
    // proves: TGW-14
    let mut net = with_hub(|d| {
        d["subnets"]["a-more"] = json!({ "vpc": "a", "cidr_block": "10.1.3.0/24",
            "availability_zone": "us-east-1a", "route_table": "a" });
        d["instances"]["a-more"] =
            json!({ "subnet": "a-more", "private_ip": "10.1.3.10", "security_groups": ["a-open"] });
    });
    // Neither lies in the attachment's own subnet.
    for (from, source) in [("a-one", v4("a-one")), ("a-more", "10.1.3.10".to_owned())] {
        assert!(net.converses(from, &Packet::new(&source, &v4("b-one"), syn(9, 10))), "{from}");
    }
    // Without a route there is no way, as anywhere.
    net.change(|d| d["subnets"]["a-more"]["route_table"] = json!("a/main"));
    net.send("a-more", &Packet::new("10.1.3.10", &v4("b-one"), syn(9, 10))).dies_of("no-route");
}

#[test]
fn what_comes_out_is_routed_by_the_table_of_the_attachments_subnet() {
    // proves: TGW-15, PIPE-06
    let mut net = with_hub(|d| {
        d["route_tables"]["steer"] = json!({ "vpc": "b", "routes": [
            { "cidr_block": "10.2.1.0/24", "network_interface": "b-two" },
            { "ipv6_cidr_block": "2001:db8:2:1::/64", "network_interface": "b-two" },
        ] });
        d["subnets"]["b-door-one"]["route_table"] = json!("steer");
        d["instances"]["b-two"]["source_dest_check"] = json!(false);
    });
    net.send("a-one", &request("a-one", "b-one", 1)).arrives_at("b-two");
    net.send("a-one", &Packet::new(&v6("a-one"), &v6("b-one"), syn(1, 2))).arrives_at("b-two");
    // By the other zone's interface there is another table.
    net.send("a-two", &request("a-two", "b-one", 1)).arrives_at("b-one");
    // Three lookups: of the sender's subnet, of the gateway for its attachment, of the attachment's subnet.
    let packet = request("a-one", "b-one", 2);
    let frame = frames::frame(&packet, net.mac("a-one"), net.router_mac("a-one"), b"");
    let mut recorder = Recorder::default();
    trace(net.fabric(), net.engine().flows(), net.timestamp(), net.port("a-one"), &frame, &mut recorder);
    let table = |step: &Step| match step {
        Step::Route { route_table, .. } => Some(net.fabric().route_tables[*route_table].name.to_string()),
        Step::TransitRoute { table, .. } => Some(net.fabric().transit_tables[*table].name.to_string()),
        _ => None,
    };
    let tables: Vec<_> = recorder.steps.iter().filter_map(table).collect();
    assert_eq!(tables, ["a", "hub/default", "steer"]);
}

#[test]
fn traffic_keeps_to_its_zone_where_it_can() {
    // proves: TGW-20
    let net = with_hub(|_| {});
    for port in 1..20 {
        assert_eq!(doors(&net, "a-one", &request("a-one", "b-two", port)), ["b-door-one"]);
        assert_eq!(doors(&net, "a-two", &request("a-two", "b-one", port)), ["b-door-two"]);
        let packet = Packet::new(&v6("a-two"), &v6("b-one"), syn(port, 2));
        assert_eq!(doors(&net, "a-two", &packet), ["b-door-two"]);
    }
}

#[test]
fn without_an_interface_in_the_zone_some_other_is_taken() {
    // proves: TGW-24
    let net = with_hub(|d| {
        d["subnets"]["a-three"] = json!({ "vpc": "a", "cidr_block": "10.1.3.0/24",
            "availability_zone": "us-east-1c", "route_table": "a",
            "ipv6_cidr_block": "2001:db8:1:3::/64" });
        d["instances"]["a-three"] =
            json!({ "subnet": "a-three", "private_ip": "10.1.3.10", "security_groups": ["a-open"] });
        d["transit_gateway_vpc_attachments"]["a"]["subnets"] = json!(["a-door-one", "a-door-two", "a-three"]);
    });
    let taken: BTreeSet<_> = (1..60)
        .flat_map(|port| doors(&net, "a-three", &Packet::new("10.1.3.10", &v4("b-one"), syn(port, 2))))
        .collect();
    // Any of the attachment's, and always the same for the same flow.
    assert_eq!(taken, BTreeSet::from(["b-door-one".to_owned(), "b-door-two".to_owned()]));
    let packet = Packet::new("10.1.3.10", &v4("b-one"), syn(1, 2));
    assert_eq!(doors(&net, "a-three", &packet), doors(&net, "a-three", &packet));
}

#[test]
fn without_appliance_mode_the_two_directions_meet_different_appliances() {
    // proves: TGW-21
    let mut net = inspected(|d| {
        d["transit_gateway_vpc_attachments"]["c"]["appliance_mode_support"] = json!("disable");
        d["settings"] = json!({ "mid_stream_tcp": "drop" });
        d["security_groups"]["c-open"]["ingress"] =
            json!([{ "protocol": "-1", "cidr_blocks": ["10.1.0.0/16"] }]);
    });
    // The request goes by the client's zone, the answer by the server's.
    let request = request("a-one", "b-two", 40_000);
    net.send("a-one", &request).arrives_at("c-one");
    net.send("c-one", &request).arrives_at("b-two");
    let answer = request.answer().unwrap();
    assert_eq!(doors(&net, "b-two", &answer), ["c-door-two"]);
    // The other appliance knows nothing of the flow.
    net.send("b-two", &answer).dies_of("mid-stream-tcp");
}

#[test]
fn what_is_said_of_different_appliances_is_true_of_stateless_ones_only() {
    // proves: TGW-21
    let told = |appliance_mode: &str, from: &str, to: &str, family: u8| {
        let net = inspected(|d| {
            d["transit_gateway_vpc_attachments"]["c"]["appliance_mode_support"] = json!(appliance_mode);
        });
        let (from, to, family) = (from.to_owned(), to.to_owned(), Some(family));
        let request = ExplainRequest { from, to, family, ..ExplainRequest::default() };
        let Explained::One(answer) = vpclab_check::explain(net.fabric(), &net.topology, &request).unwrap()
        else {
            panic!("{request:?} is one question");
        };
        assert_eq!(answer.reachable, Some(true), "{request:?}");
        let stateless = answer.assumed.into_iter().find(|told| told.assumption.contains("stateful"));
        stateless.map(|told| (told.resource, told.assumption))
    };
    let expected = (
        "c-two".to_owned(),
        "it keeps no state: the request passes c-one and the reply c-two: a stateful appliance would drop it"
            .to_owned(),
    );
    for family in [4, 6] {
        assert_eq!(told("disable", "a-one", "b-two:443", family), Some(expected.clone()));
        assert_eq!(told("disable", "a-one", "b-one:443", family), None, "one zone");
        assert_eq!(told("enable", "a-one", "b-two:443", family), None);
    }
}

#[test]
fn in_appliance_mode_both_directions_of_a_flow_use_the_same_zone() {
    // proves: TGW-22, TGW-52, VEC-23
    let net = inspected(|_| {});
    let both_ways = |net: &Net, from: &str, to: &str, port: u16| {
        let request = request(from, to, port);
        let there = doors(net, from, &request);
        let back = doors(net, to, &request.answer().unwrap());
        assert_eq!(there, back, "{from} {to} {port}");
        there
    };
    let mut mixed = BTreeSet::new();
    for port in 1..60 {
        // Source and destination in one zone: that one.
        assert_eq!(both_ways(&net, "a-one", "b-one", port), ["c-door-one"]);
        assert_eq!(both_ways(&net, "a-two", "b-two", port), ["c-door-two"]);
        mixed.extend(both_ways(&net, "a-one", "b-two", port));
        // To the internet: the zone of the source.
        let out = |from: &str| Packet::new(&v4(from), "198.51.100.7", syn(port, 443));
        assert_eq!(doors(&net, "a-one", &out("a-one")), ["c-door-one"]);
        assert_eq!(doors(&net, "a-two", &out("a-two")), ["c-door-two"]);
        // In IPv6 the same.
        let packet = Packet::new(&v6("b-two"), &v6("a-two"), syn(port, 443));
        assert_eq!(doors(&net, "b-two", &packet), ["c-door-two"]);
    }
    // In different zones: now one, now the other.
    assert_eq!(mixed, BTreeSet::from(["c-door-one".to_owned(), "c-door-two".to_owned()]));
}

/// Appliances that know only the flows they saw begin.
fn stateful(d: &mut Value) {
    d["settings"] = json!({ "mid_stream_tcp": "drop" });
    d["security_groups"]["c-open"]["ingress"] = json!([{ "protocol": "-1",
        "cidr_blocks": ["10.1.0.0/16", "192.168.0.0/16"], "ipv6_cidr_blocks": ["2001:db8:1::/56", "fd12::/48"] }]);
}

/// One flow there and back, from the first packet to the last, by an appliance on the way: which one it was.
fn inspected_flow(net: &mut Net, (from, to): (&str, &str), request: &Packet) -> String {
    let (appliance, _) = net.send(from, request).delivered().unwrap();
    net.send(&appliance, request).arrives_at(to);
    let answer = request.answer().unwrap();
    let ack = Packet::of(request.src, request.dst, tcp(ports(request).0, ports(request).1, Flags::Ack));
    for (sender, receiver, packet, pause) in
        [(to, from, &answer, 20), (from, to, &ack, 3000), (to, from, &answer, 3000)]
    {
        net.send(sender, packet).arrives_at(&appliance);
        net.send(&appliance, packet).arrives_at(receiver);
        // For the life of the flow, whatever comes and goes beside it.
        net.wait(pause);
        net.change(|d| {
            let count = d["instances"].as_object().unwrap().len();
            d["instances"][format!("a-more-{count}")] =
                json!({ "subnet": "a-one", "security_groups": ["a-open"] });
        });
    }
    appliance
}

fn ports(packet: &Packet) -> (u16, u16) {
    match packet.body {
        Body::Tcp { src, dst, .. } => (src, dst),
        _ => panic!("no TCP"),
    }
}

#[test]
fn a_stateful_appliance_sees_both_directions_in_appliance_mode() {
    // proves: TGW-22
    let mut net = inspected(stateful);
    let mut by = BTreeSet::new();
    for port in 40_000..40_006 {
        by.insert(inspected_flow(&mut net, ("a-one", "b-two"), &request("a-one", "b-two", port)));
        let request = Packet::new(&v6("a-one"), &v6("b-two"), syn(port, 443));
        by.insert(inspected_flow(&mut net, ("a-one", "b-two"), &request));
    }
    assert_eq!(by.len(), 2, "flows between zones share the appliances");
}

#[test]
fn it_does_so_for_flows_that_enter_by_a_vpn_connection_or_from_another_region() {
    // proves: TGW-22
    let by_vpn = |d: &mut Value| {
        d["customer_gateways"] = json!({ "cgw": { "bgp_asn": 65001, "ip_address": "198.51.100.1" } });
        d["vpn_connections"] = json!({ "vpn": { "transit_gateway": "hub", "customer_gateway": "cgw" } });
        d["customer_networks"] = json!({ "office": { "cidr_blocks": ["192.168.0.0/16"],
            "ipv6_cidr_blocks": ["fd12::/48"], "customer_gateways": ["cgw"] } });
        d["customer_hosts"] = json!({ "desk": { "customer_network": "office", "address": "192.168.0.7",
            "ipv6_address": "fd12::7" } });
        d["transit_gateway_route_tables"]["spokes"]["associations"] = json!(["a", "b", "vpn"]);
        d["transit_gateway_route_tables"]["inspection"]["propagations"] = json!(["a", "b", "vpn"]);
    };
    let from_another_region = |d: &mut Value| {
        d["transit_gateways"]["far"] = json!({ "region": "eu-west-1", "amazon_side_asn": 64513 });
        d["vpcs"]["d"] =
            json!({ "cidr_block": "192.168.0.0/16", "ipv6_cidr_block": "fd12::/56", "region": "eu-west-1" });
        d["route_tables"]["d"] = json!({ "vpc": "d", "routes": [
            { "cidr_block": "10.0.0.0/8", "transit_gateway": "far" },
            { "ipv6_cidr_block": "2001:db8::/32", "transit_gateway": "far" }] });
        d["subnets"]["d"] = json!({ "vpc": "d", "cidr_block": "192.168.0.0/24", "ipv6_cidr_block": "fd12::/64",
            "availability_zone": "eu-west-1a", "route_table": "d" });
        d["security_groups"]["d"] = json!({ "vpc": "d", "ingress": [everything()] });
        d["instances"]["desk"] = json!({ "subnet": "d", "private_ip": "192.168.0.7",
            "ipv6_addresses": ["fd12::7"], "security_groups": ["d"] });
        d["transit_gateway_vpc_attachments"]["d"] = json!({ "transit_gateway": "far", "vpc": "d",
            "subnets": ["d"], "ipv6_support": true });
        d["transit_gateway_peering_attachments"] = json!({ "regions": { "transit_gateway": "hub",
            "peer_transit_gateway": "far", "state": "available" } });
        let to = |blocks: [&str; 2]| {
            json!(blocks.map(|block| json!({ "destination_cidr_block": block, "attachment": "regions" })))
        };
        d["transit_gateway_route_tables"]["spokes"]["associations"] = json!(["a", "b", "regions"]);
        d["transit_gateway_route_tables"]["inspection"]["routes"] = to(["192.168.0.0/16", "fd12::/48"]);
        d["transit_gateway_route_tables"]["far/default"] = json!({ "transit_gateway": "far",
            "routes": to(["10.0.0.0/8", "2001:db8::/32"]) });
    };
    let ways: [&dyn Fn(&mut Value); 2] = [&by_vpn, &from_another_region];
    for way in ways {
        let mut net = inspected(|d| {
            stateful(d);
            d["route_tables"]["c"]["routes"] = json!([
                { "cidr_block": "0.0.0.0/0", "transit_gateway": "hub" },
                { "ipv6_cidr_block": "::/0", "transit_gateway": "hub" }]);
            way(d);
        });
        for (host, to) in [("192.168.0.7", v4("b-two")), ("fd12::7", v6("b-two"))] {
            for port in 40_000..40_004 {
                let request = Packet::new(host, &to, syn(port, 443));
                // Only one end has a zone that the gateway knows: that one.
                assert_eq!(inspected_flow(&mut net, ("desk", "b-two"), &request), "c-two");
            }
        }
    }
}

#[test]
fn in_appliance_mode_without_propagation_every_flow_is_placed_by_hash() {
    // proves: TGW-54, VEC-23
    let net = inspected(|d| {
        d["transit_gateway_route_tables"]["inspection"] = json!({ "transit_gateway": "hub", "associations": ["c"],
            "routes": [
                { "destination_cidr_block": "10.1.0.0/16", "attachment": "a" },
                { "destination_cidr_block": "10.2.0.0/16", "attachment": "b" },
            ] });
    });
    let mut same_zone = BTreeSet::new();
    for port in 1..60 {
        let request = request("a-one", "b-one", port);
        let there = doors(&net, "a-one", &request);
        assert_eq!(there, doors(&net, "b-one", &request.answer().unwrap()));
        same_zone.extend(there);
    }
    assert_eq!(same_zone, BTreeSet::from(["c-door-one".to_owned(), "c-door-two".to_owned()]));
}

/// A second transit gateway, which joins the VPCs as the first one does.
fn second(d: &mut Value) {
    d["transit_gateways"]["second"] = json!({});
    for (name, mode) in [("a", "disable"), ("b", "disable"), ("c", "enable")] {
        d["transit_gateway_vpc_attachments"][format!("{name}-second")] = json!({ "transit_gateway": "second",
            "vpc": name, "subnets": [format!("{name}-door-one"), format!("{name}-door-two")],
            "ipv6_support": true, "appliance_mode_support": mode });
    }
    d["transit_gateway_route_tables"]["spokes-second"] = json!({ "transit_gateway": "second",
        "associations": ["a-second", "b-second"], "routes": [
            { "destination_cidr_block": "0.0.0.0/0", "attachment": "c-second" },
            { "destination_cidr_block": "::/0", "attachment": "c-second" }] });
    d["transit_gateway_route_tables"]["inspection-second"] = json!({ "transit_gateway": "second",
        "associations": ["c-second"], "propagations": ["a-second", "b-second"] });
    // There by the first, back by the second.
    d["route_tables"]["b"]["routes"] = json!([
        { "cidr_block": "0.0.0.0/0", "transit_gateway": "second" },
        { "ipv6_cidr_block": "::/0", "transit_gateway": "second" }]);
}

#[test]
fn by_two_gateways_the_directions_of_a_flow_may_meet_different_appliances_and_die_there() {
    // proves: TGW-53, TGW-22
    let mut net = inspected(|d| {
        stateful(d);
        second(d);
    });
    let (mut kept, mut parted) = (0, 0);
    for port in 40_000..40_030 {
        for (from, to) in [(v4("a-one"), v4("b-two")), (v6("a-one"), v6("b-two"))] {
            let request = Packet::new(&from, &to, syn(port, 443));
            let (appliance, _) = net.send("a-one", &request).delivered().unwrap();
            net.send(&appliance, &request).arrives_at("b-two");
            let answer = request.answer().unwrap();
            let door = doors(&net, "b-two", &answer);
            if door == [format!("c-door-{}", appliance.split_once('-').unwrap().1)] {
                kept += 1;
                net.send("b-two", &answer).arrives_at(&appliance);
            } else {
                parted += 1;
                net.send("b-two", &answer).dies_of("mid-stream-tcp");
            }
        }
    }
    assert!(kept > 5 && parted > 5, "{kept} {parted}");
}

#[test]
fn what_came_into_the_appliance_vpc_by_the_internet_comes_back_to_another_appliance() {
    // proves: TGW-53
    let mut net = inspected(|d| {
        stateful(d);
        d["internet_gateways"] = json!({ "igw": { "vpc": "c" } });
        let everywhere = json!([{ "cidr_block": "0.0.0.0/0", "gateway": "igw" },
            { "cidr_block": "10.0.0.0/8", "transit_gateway": "hub" },
            { "ipv6_cidr_block": "2001:db8::/32", "transit_gateway": "hub" }]);
        d["route_tables"]["c"]["routes"] = everywhere;
        d["eips"] = json!({ "front": { "network_interface": "c-one" } });
        d["security_groups"]["c-open"]["ingress"] =
            json!([{ "protocol": "-1", "cidr_blocks": ["10.1.0.0/16", "198.51.100.7/32"] }]);
    });
    let public = net.topology.eips["front"].public_ip.to_string();
    net.send("client", &Packet::new("198.51.100.7", &public, syn(40_000, 443))).arrives_at("c-one");
    // The appliance hands it to a server in the other zone, in the client's name.
    let request = Packet::new("198.51.100.7", &v4("a-two"), syn(40_000, 443));
    net.send("c-one", &request).arrives_at("a-two");
    // The answer goes by the zone of the server: the client has none.
    let answer = request.answer().unwrap();
    assert_eq!(doors(&net, "a-two", &answer), ["c-door-two"]);
    net.send("a-two", &answer).dies_of("mid-stream-tcp");
    // In its own zone it would have been found.
    let request = Packet::new("198.51.100.7", &v4("a-one"), syn(40_001, 443));
    net.send("c-one", &request).arrives_at("a-one");
    net.send("a-one", &request.answer().unwrap()).arrives_at("c-one");
}

#[test]
fn an_icmp_error_comes_by_the_appliance_of_the_flow_that_it_is_about() {
    // proves: TGW-22
    let net = inspected(|_| {});
    for port in 1..40 {
        for body in [syn(port, 443), udp(port, 53), ping(port)] {
            for (source, destination) in [(v4("a-one"), v4("b-two")), (v6("a-one"), v6("b-two"))] {
                let request = Packet::new(&source, &destination, body);
                let error = request.error(ErrorKind::PortUnreachable).unwrap();
                assert_eq!(doors(&net, "b-two", &error), doors(&net, "a-one", &request), "{request:?}");
            }
        }
    }
}

#[test]
fn a_vpc_uses_its_attachment_that_is_there_and_none_of_before() {
    // proves: TGW-34, RT-25
    for gone in ["a-gone", "z-gone"] {
        let mut net = with_hub(|d| {
            d["transit_gateway_vpc_attachments"][gone] = json!({ "transit_gateway": "hub", "vpc": "a",
                "subnets": ["a-door-one", "a-door-two"], "state": "deleted" });
            let own = d["transit_gateway_vpc_attachments"]["a"].take();
            d["transit_gateway_vpc_attachments"].as_object_mut().unwrap().remove("a");
            d["transit_gateway_vpc_attachments"]["m"] = own;
        });
        assert!(net.converses("a-one", &request("a-one", "b-one", 1)), "{gone}");
        assert!(net.converses("b-two", &Packet::new(&v6("b-two"), &v6("a-two"), syn(1, 2))), "{gone}");
    }
}
