//! Area NAT: what becomes of traffic when its addresses move, and where networks overlap?

use serde_json::{Value, json};
use vpclab_engine::Fabric;
use vpclab_tests::harness::{Net, mistakes};
use vpclab_tests::packet::{Body, Flags, Packet, ping, syn, tcp, udp};

use crate::nat_networks::{self, APP, APP_V6, CLIENT, CLIENT_NAT64, FAR, NAT, NAT_PUBLIC, told};
use crate::networks::{self, PEER, WEB, WEB_PUBLIC, everything, packet};

/// `web` and `peer` in a public subnet, with an elastic IP that `web` has at first.
fn with_eip() -> Net {
    networks::with(|d| {
        let web = d["instances"]["web"].as_object_mut().unwrap();
        web.remove("public_ip");
        web.remove("associate_public_ip_address");
        d["eips"] = json!({ "moves": { "public_ip": WEB_PUBLIC, "network_interface": "web" } });
    })
}

fn give_to(net: &mut Net, whom: &str) {
    net.change(|d| d["eips"]["moves"]["network_interface"] = json!(whom));
}

#[test]
fn an_elastic_ip_that_moves_takes_its_address_along_and_leaves_its_flows_behind() {
    let mut net = with_eip();
    let request = packet(CLIENT, WEB_PUBLIC, syn(50_000, 443));
    let onward = packet(CLIENT, WEB_PUBLIC, tcp(50_000, 443, Flags::Ack));
    let reply = packet(WEB, CLIENT, tcp(443, 50_000, Flags::SynAck));
    assert_eq!(net.send("client", &request).arrives_at("web").dst.to_string(), WEB);
    assert_eq!(net.send("web", &reply).arrives_at("client").src.to_string(), WEB_PUBLIC);
    give_to(&mut net, "peer");
    // The next packet of the flow is for somebody who knows nothing of it, and is translated for him.
    let seen = net.send("client", &onward).arrives_at("peer");
    assert_eq!(seen.dst.to_string(), PEER);
    // Who had the address has none any more, for what he had begun as for anything else.
    net.send("web", &packet(WEB, CLIENT, tcp(443, 50_000, Flags::Ack))).dies_of("no-public-address");
    net.send("web", &packet(WEB, CLIENT, ping(1))).dies_of("no-public-address");
    let seen = net.send("peer", &packet(PEER, CLIENT, udp(40_000, 53))).arrives_at("client");
    assert_eq!(seen.src.to_string(), WEB_PUBLIC);
    // It comes back in time, and the flow goes on: translation has no memory.
    give_to(&mut net, "web");
    net.send("client", &onward).arrives_at("web");
    assert_eq!(net.send("web", &reply).arrives_at("client").src.to_string(), WEB_PUBLIC);
    net.change(|d| {
        d["eips"]["moves"].as_object_mut().unwrap().remove("network_interface");
    });
    net.send("client", &onward).dies_of("no-public-mapping");
}

#[test]
fn a_strict_new_owner_refuses_the_flows_of_an_elastic_ip_that_moved() {
    let mut net = with_eip();
    net.change(|d| {
        d["security_groups"]["closed"] = json!({ "vpc": "v" });
        d["instances"]["peer"]["security_groups"] = json!(["closed"]);
    });
    // `web` asked, and the answer comes to an interface that never did.
    let seen = net.send("web", &packet(WEB, CLIENT, udp(40_000, 53))).arrives_at("client");
    let answer = packet(CLIENT, &seen.src.to_string(), udp(53, seen.ports.0));
    net.send("client", &answer).arrives_at("web");
    give_to(&mut net, "peer");
    net.send("client", &answer).dies_of("security-group");
    give_to(&mut net, "web");
    net.send("client", &answer).arrives_at("web");
}

/// The network of the NAT gateway's tests, with `far` across a transit gateway in place of the peering connection.
fn by_transit_gateway() -> Net {
    nat_networks::with(|d| {
        d.as_object_mut().unwrap().remove("vpc_peering_connections");
        d["transit_gateways"] = json!({ "hub": {} });
        d["transit_gateway_vpc_attachments"] = json!({
            "v": { "transit_gateway": "hub", "vpc": "v", "subnets": ["edge"] },
            "w": { "transit_gateway": "hub", "vpc": "w", "subnets": ["there"] },
        });
        d["route_tables"]["edge"]["routes"][1] =
            json!({ "cidr_block": "10.40.0.0/16", "transit_gateway": "hub" });
        d["route_tables"]["there"] =
            json!({ "vpc": "w", "routes": [{ "cidr_block": "10.0.0.0/16", "transit_gateway": "hub" }] });
        d["subnets"]["there"]["route_table"] = json!("there");
    })
}

#[test]
fn across_a_transit_gateway_the_private_address_of_a_public_nat_gateway_is_seen() {
    // proves: VEC-22, NAT-24
    let mut net = by_transit_gateway();
    for body in [syn(40_000, 443), udp(40_000, 53), ping(7)] {
        let seen = net.send("app", &packet(APP, FAR, body)).arrives_at("far");
        assert_eq!((seen.src.to_string(), seen.dst.to_string()), (NAT.to_owned(), FAR.to_owned()));
        assert!(net.converses("app", &packet(APP, FAR, body)));
        let seen = net.send("app", &packet(APP, CLIENT, body)).arrives_at("client");
        assert_eq!(seen.src.to_string(), NAT_PUBLIC);
    }
    // The answer needs its route back to the gateway's address, and nobody gets in unasked.
    net.send("far", &packet(FAR, NAT, syn(443, 40_000))).dies_of("nat-no-mapping");
    net.change(|d| d["route_tables"]["there"]["routes"] = json!([]));
    assert!(!net.converses("app", &packet(APP, FAR, syn(40_001, 443))));
}

/// Two VPCs with the same block, each with a block of its own too in which a private NAT gateway lies.
fn overlapping() -> Value {
    let mut document = json!({
        "transit_gateways": { "hub": { "default_route_table_association": "disable",
            "default_route_table_propagation": "disable" } },
        "transit_gateway_route_tables": { "all": { "transit_gateway": "hub", "associations": ["one", "two"], "routes": [
            { "destination_cidr_block": "100.64.1.0/24", "attachment": "one" },
            { "destination_cidr_block": "100.64.2.0/24", "attachment": "two" } ] } },
    });
    for (name, own, other) in [("one", "100.64.1", "100.64.2"), ("two", "100.64.2", "100.64.1")] {
        let (inside, routable) = (format!("{name}-inside"), format!("{name}-routable"));
        let there = format!("{other}.0/24");
        document["vpcs"][name] =
            json!({ "cidr_block": "10.0.0.0/16", "secondary_cidr_blocks": [format!("{own}.0/24")] });
        document["transit_gateway_vpc_attachments"][name] =
            json!({ "transit_gateway": "hub", "vpc": name, "subnets": [routable] });
        document["nat_gateways"][name] = json!({ "subnet": routable, "connectivity_type": "private",
            "private_ip": format!("{own}.9") });
        document["subnets"][&inside] =
            json!({ "vpc": name, "cidr_block": "10.0.1.0/24", "route_table": inside });
        document["subnets"][&routable] =
            json!({ "vpc": name, "cidr_block": format!("{own}.0/24"), "route_table": routable });
        document["route_tables"][&inside] =
            json!({ "vpc": name, "routes": [{ "cidr_block": there, "nat_gateway": name }] });
        document["route_tables"][&routable] =
            json!({ "vpc": name, "routes": [{ "cidr_block": there, "transit_gateway": "hub" }] });
        document["security_groups"][name] = json!({ "vpc": name, "ingress": [everything()] });
        document["instances"][format!("{name}-client")] =
            json!({ "subnet": inside, "private_ip": "10.0.1.10", "security_groups": [name] });
        document["instances"][format!("{name}-server")] =
            json!({ "subnet": routable, "private_ip": format!("{own}.20"), "security_groups": [name] });
    }
    document
}

#[test]
fn private_nat_gateways_join_networks_that_overlap_and_each_sees_the_routable_block_only() {
    // proves: NAT-26
    let mut net = Net::new(overlapping());
    for (client, server, address, seen_as) in [
        ("one-client", "two-server", "100.64.2.20", "100.64.1.9"),
        ("two-client", "one-server", "100.64.1.20", "100.64.2.9"),
    ] {
        for body in [syn(40_000, 443), udp(40_000, 53), ping(7)] {
            let request = packet("10.0.1.10", address, body);
            let seen = net.send(client, &request).arrives_at(server);
            assert_eq!(
                (seen.src.to_string(), seen.dst.to_string()),
                (seen_as.to_owned(), address.to_owned())
            );
            assert!(net.converses(client, &request), "{client} {request:?}");
        }
    }
    // Both clients have one address; each gets its own answers.
    let port = |net: &mut Net, client: &str, server: &str, address: &str| {
        let seen = net.send(client, &packet("10.0.1.10", address, syn(41_000, 443))).arrives_at(server);
        (seen.src, seen.dst, seen.ports.0)
    };
    let one = port(&mut net, "one-client", "two-server", "100.64.2.20");
    let two = port(&mut net, "two-client", "one-server", "100.64.1.20");
    for (server, (src, dst, port), client) in
        [("two-server", one, "one-client"), ("one-server", two, "two-client")]
    {
        let answer = Packet::of(dst, src, tcp(443, port, Flags::SynAck));
        assert_eq!(net.send(server, &answer).arrives_at(client).dst.to_string(), "10.0.1.10");
    }
    // The block that both have stays at home: an address in it is one's own VPC's.
    net.send("one-server", &packet("100.64.1.20", "10.0.1.10", ping(1))).arrives_at("one-client");
    // Without translation there is no way back.
    net.change(|d| {
        d["route_tables"]["one-inside"]["routes"] =
            json!([{ "cidr_block": "100.64.2.0/24", "transit_gateway": "hub" }]);
    });
    let direct = packet("10.0.1.10", "100.64.2.20", udp(40_001, 53));
    assert_eq!(net.send("one-client", &direct).arrives_at("two-server").src.to_string(), "10.0.1.10");
    let answer = packet("100.64.2.20", "10.0.1.10", udp(53, 40_001));
    net.send("two-server", &answer).arrives_at("two-client");
    assert!(!net.converses("one-client", &packet("10.0.1.10", "100.64.2.20", udp(40_002, 53))));
}

#[test]
fn an_added_address_takes_new_flows_and_leaves_old_ones_where_they_are() {
    let mut net = nat_networks::with(|_| {});
    let before: Vec<_> = (0..40)
        .map(|n| net.send("app", &packet(APP, CLIENT, syn(40_000 + n, 443))).arrives_at("client"))
        .collect();
    net.change(|d| {
        d["eips"]["second"] = json!({ "public_ip": "203.0.113.10" });
        d["nat_gateways"]["nat"]["secondary_private_ips"] = json!(["10.0.0.221"]);
        d["nat_gateways"]["nat"]["secondary_allocations"] = json!(["second"]);
    });
    for (n, old) in (0..40).zip(&before) {
        let seen =
            net.send("app", &packet(APP, CLIENT, tcp(40_000 + n, 443, Flags::Ack))).arrives_at("client");
        assert_eq!((seen.src, seen.ports), (old.src, old.ports));
    }
    let mut addresses: Vec<String> = (0..40)
        .map(|n| {
            net.send("app", &packet(APP, CLIENT, syn(50_000 + n, 443))).arrives_at("client").src.to_string()
        })
        .collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses, ["203.0.113.10", NAT_PUBLIC], "both share what is new");
}

/// The network with a second address for the gateway, whose flows go on for `seconds` where that is said, and a private
/// gateway `inside` with two addresses to the peer.
fn with_two_addresses(seconds: Option<u64>) -> Net {
    nat_networks::with(|d| {
        d["eips"]["second"] = json!({ "public_ip": SECOND_PUBLIC });
        d["nat_gateways"]["nat"]["secondary_private_ips"] = json!([SECOND]);
        d["nat_gateways"]["nat"]["secondary_allocations"] = json!(["second"]);
        d["nat_gateways"]["inside"] = json!({ "subnet": "edge", "connectivity_type": "private",
            "private_ip": "10.0.0.230", "secondary_private_ips": ["10.0.0.231"] });
        d["route_tables"]["inner"]["routes"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "cidr_block": "10.40.0.0/16", "nat_gateway": "inside" }));
        if let Some(seconds) = seconds {
            for nat in ["nat", "inside"] {
                d["nat_gateways"][nat]["max_drain_duration_seconds"] = json!(seconds);
            }
        }
    })
}

const SECOND: &str = "10.0.0.221";
const SECOND_PUBLIC: &str = "203.0.113.10";

fn take_second_addresses(d: &mut Value) {
    for nat in ["nat", "inside"] {
        let nat = d["nat_gateways"][nat].as_object_mut().unwrap();
        nat.remove("secondary_private_ips");
        nat.remove("secondary_allocations");
    }
}

/// A flow, as its client and as the other side sees it.
struct Flow {
    guest: &'static str,
    there: Packet,
    onward: Packet,
}

impl Flow {
    /// Opens flows of `app` until one has the second address, for each way through the gateways.
    fn open(net: &mut Net) -> Vec<Flow> {
        let mut flows = Vec::new();
        for (source, destination, guest, second) in [
            (APP, CLIENT, "client", SECOND_PUBLIC),
            (APP_V6, CLIENT_NAT64, "client", SECOND_PUBLIC),
            (APP, FAR, "far", "10.0.0.231"),
        ] {
            for (n, body) in [syn as fn(u16, u16) -> _, udp, |port, _| ping(port)].into_iter().enumerate() {
                let mut tries = (0..64).map(|turn| packet(source, destination, body(40_000 + turn, 443)));
                let found = tries.find_map(|request| {
                    let seen = net.send("app", &request).arrives_at(guest);
                    (seen.src.to_string() == second).then_some((request, seen))
                });
                let (request, seen) = found.expect("one of many flows has the second address");
                let there = match n {
                    0 => tcp(seen.ports.0, 443, Flags::Syn),
                    1 => udp(seen.ports.0, 443),
                    _ => ping(seen.ports.0),
                };
                let there = Packet::of(seen.src, seen.dst, there);
                let onward = match n {
                    0 => packet(source, destination, tcp(request_port(&request), 443, Flags::Ack)),
                    _ => request,
                };
                flows.push(Flow { guest, there, onward });
            }
        }
        flows
    }

    /// Whether it goes on, in both directions.
    fn goes_on(&self, net: &mut Net) -> bool {
        let out = net.send("app", &self.onward).delivered();
        let out = out.is_some_and(|(_, seen)| seen.src == self.there.src);
        let back = net.send(self.guest, &self.there.answer().unwrap()).delivered().is_some();
        assert_eq!(back, out, "{:?}", self.onward);
        back
    }
}

fn request_port(request: &Packet) -> u16 {
    match request.body {
        Body::Tcp { src, .. } => src,
        _ => 0,
    }
}

#[test]
fn a_lost_address_takes_no_new_flows_and_keeps_its_own_for_350_seconds() {
    // proves: NAT-21, NAT-42
    let mut net = with_two_addresses(None);
    let flows = Flow::open(&mut net);
    net.change(take_second_addresses);
    for turn in 0..64 {
        for (source, destination, guest, first) in [
            (APP, CLIENT, "client", NAT_PUBLIC),
            (APP_V6, CLIENT_NAT64, "client", NAT_PUBLIC),
            (APP, FAR, "far", "10.0.0.230"),
        ] {
            let request = packet(source, destination, syn(50_000 + turn, 443));
            assert_eq!(net.send("app", &request).arrives_at(guest).src.to_string(), first);
        }
    }
    // None is idle for long, and other changes come and go.
    for wait in [0, 150, 150, 49] {
        net.wait(wait);
        for flow in &flows {
            assert!(flow.goes_on(&mut net), "{:?}", flow.onward);
        }
        net.change(|d| d["vpcs"]["v"]["tags"] = json!({ "waited": wait.to_string() }));
    }
    net.wait(2);
    for flow in &flows {
        assert!(net.send(flow.guest, &flow.there.answer().unwrap()).delivered().is_none());
    }
    // The client hears of it, and opens its connection anew by the address that is left.
    assert_eq!(told(&net.send("app", &flows[0].onward), "app").tcp_flags, Some(4));
    assert!(net.converses("app", &packet(APP, CLIENT, syn(40_000, 443))));
    // What is taken has no room in memory either.
    (0..20).for_each(|_| net.sweep());
    let lost = |public: &str| public == SECOND_PUBLIC;
    let mut left = net.engine().flows().nat().iter();
    assert!(!left.any(|flow| flow.outside.pool.public.is_some_and(|public| lost(&public.to_string()))));
}

#[test]
fn how_long_a_lost_address_keeps_its_flows_is_between_1_and_4000_seconds() {
    // proves: NAT-21
    for seconds in [1, 40, 4000] {
        let mut net = with_two_addresses(Some(seconds));
        let flows = Flow::open(&mut net);
        net.change(take_second_addresses);
        for step in [300].repeat(usize::try_from(seconds / 300).unwrap()) {
            net.wait(step);
            assert!(flows.iter().all(|flow| flow.goes_on(&mut net)), "{seconds}");
        }
        net.wait(seconds % 300);
        assert!(flows.iter().all(|flow| flow.goes_on(&mut net)), "{seconds}");
        net.wait(1);
        assert!(!flows.iter().any(|flow| flow.goes_on(&mut net)), "{seconds}");
    }
    for seconds in [0, 4001] {
        let mut document = nat_networks::document();
        document["nat_gateways"]["nat"]["max_drain_duration_seconds"] = json!(seconds);
        let found = mistakes(&document);
        assert_eq!(found, ["nat_gateways.nat.max_drain_duration_seconds: InvalidParameterValue"]);
    }
}

#[test]
fn a_lost_address_is_nobodys_once_the_fabric_is_told_that_its_flows_are_over() {
    // proves: NAT-21
    let mut net = with_two_addresses(Some(40));
    net.change(take_second_addresses);
    let released = |net: &Net| {
        net.fabric().release(&net.topology, &net.engine().flows().drains().ended(net.timestamp()))
    };
    net.wait(40);
    assert!(net.fabric().is_draining() && released(&net).is_none(), "they may go on");
    net.wait(1);
    let after = released(&net).unwrap();
    let before = net.fabric();
    assert_eq!(after.generation, before.generation, "what is declared stays");
    let vpc = before.enis[before.enis.find("app").unwrap()].vpc;
    for address in [SECOND, "10.0.0.231"] {
        let owner = |fabric: &Fabric| fabric.interface_at(vpc, address.parse().unwrap());
        assert!(owner(before).is_some() && owner(&after).is_none(), "{address}");
    }
    for address in [SECOND_PUBLIC, NAT_PUBLIC] {
        let is_known = |fabric: &Fabric| fabric.public_mapping(address.parse().unwrap()).is_some();
        assert_eq!((is_known(before), is_known(&after)), (true, address == NAT_PUBLIC), "{address}");
    }
    // Whoever is left is the same: connections stay with him.
    assert!(before.enis.iter().all(|(index, _)| before.enis.slot(index) == after.enis.slot(index)));
    let drained = net.engine().flows().drains().ended(net.timestamp());
    assert!(!after.is_draining() && after.release(&net.topology, &drained).is_none());
    // One that is taken away after the other goes on.
    let mut net = with_two_addresses(Some(40));
    net.change(|d| {
        d["nat_gateways"]["inside"].as_object_mut().unwrap().remove("secondary_private_ips");
    });
    net.wait(30);
    net.change(take_second_addresses);
    net.wait(11);
    let after = released(&net).unwrap();
    let owner = |address: &str| after.interface_at(vpc, address.parse().unwrap());
    assert!(after.is_draining() && owner(SECOND).is_some() && owner("10.0.0.231").is_none());
}

#[test]
fn an_address_that_comes_back_or_goes_to_somebody_else_does_so_at_once() {
    // proves: NAT-42
    let public = |flows: &[Flow]| flows.len() - 3;
    // It comes back: nothing has happened.
    let mut net = with_two_addresses(Some(10));
    let flows = Flow::open(&mut net);
    let mut before = Value::Null;
    net.change(|d| {
        before = d.clone();
        take_second_addresses(d);
    });
    net.change(|d| *d = before);
    net.wait(100);
    assert!(flows.iter().all(|flow| flow.goes_on(&mut net)));
    // Its elastic IP, or its private address, is an instance's now.
    let changes: [fn(&mut Value); 2] = [
        |d| {
            d["instances"]["new"] =
                json!({ "subnet": "edge", "private_ip": "10.0.0.50", "security_groups": ["open"] });
            d["eips"]["second"]["network_interface"] = json!("new");
        },
        |d| {
            d["instances"]["new"] =
                json!({ "subnet": "edge", "private_ip": SECOND, "security_groups": ["open"] });
        },
    ];
    for change in changes {
        let mut net = with_two_addresses(None);
        let flows = Flow::open(&mut net);
        net.change(|d| {
            take_second_addresses(d);
            change(d);
        });
        let (lost, kept) = flows.split_at(public(&flows));
        for flow in lost {
            let back = net.send(flow.guest, &flow.there.answer().unwrap()).delivered();
            assert!(back.is_none_or(|(at, _)| at == "new"), "{:?}", flow.onward);
        }
        assert!(kept.iter().all(|flow| flow.goes_on(&mut net)), "the other gateway's are not touched");
    }
}

#[test]
fn a_gateway_whose_subnet_is_another_vpcs_now_has_none_of_the_flows() {
    // proves: NAT-41, NAT-47
    let mut net = nat_networks::with(|_| {});
    let lent = |net: &mut Net, source, destination, body| {
        net.send("app", &packet(source, destination, body)).arrives_at("client").ports.0
    };
    let tcp_port = lent(&mut net, APP, CLIENT, syn(40_000, 443));
    let udp_port = lent(&mut net, APP_V6, CLIENT_NAT64, udp(40_000, 53));
    let answers = [
        packet(CLIENT, NAT_PUBLIC, tcp(443, tcp_port, Flags::SynAck)),
        packet(CLIENT, NAT_PUBLIC, udp(53, udp_port)),
    ];
    for answer in &answers {
        net.send("client", answer).arrives_at("app");
    }
    // All names and addresses stay; a stranger has the client's in the new VPC.
    net.change(|d| {
        d["vpcs"]["x"] = json!({ "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8:1:100::/56" });
        d["internet_gateways"]["igw"]["vpc"] = json!("x");
        d["route_tables"]["edge"] =
            json!({ "vpc": "x", "routes": [{ "cidr_block": "0.0.0.0/0", "gateway": "igw" }] });
        d["subnets"]["edge"]["vpc"] = json!("x");
        d["route_tables"]["inner"]["routes"] = json!([]);
        d["subnets"]["foreign"] = json!({ "vpc": "x", "cidr_block": "10.0.1.0/24" });
        d["security_groups"]["foreign"] = json!({ "vpc": "x", "ingress": [everything()] });
        d["instances"]["stranger"] =
            json!({ "subnet": "foreign", "private_ip": APP, "security_groups": ["foreign"] });
    });
    for answer in &answers {
        net.send("client", answer).dies_of("nat-no-mapping");
    }
}

#[test]
fn a_gateway_that_has_failed_passes_nothing_in_either_direction() {
    // proves: NAT-16, NAT-17, RT-25
    let mut net = nat_networks::with(|_| {});
    let request = packet(APP, FAR, udp(40_000, 53));
    let seen = net.send("app", &request).arrives_at("far");
    let answer = packet(FAR, NAT, udp(53, seen.ports.0));
    net.send("far", &answer).arrives_at("app");
    // Its VPC has no internet gateway any more.
    net.change(|d| {
        d["internet_gateways"] = json!({});
        d["route_tables"]["edge"]["routes"].as_array_mut().unwrap().remove(0);
    });
    net.send("far", &answer).dies_of("nat-unavailable");
    net.send("app", &request).dies_of("blackhole");
    net.send("app", &packet(APP_V6, "64:ff9b::a28:2ec", udp(1, 2))).dies_of("blackhole");
}

#[test]
fn answers_follow_the_routes_again_once_the_way_they_came_by_is_gone() {
    // proves: NAT-33
    let mut net = nat_networks::with(|d| {
        d["transit_gateways"] = json!({ "hub": {} });
        d["transit_gateway_vpc_attachments"] = json!({
            "v": { "transit_gateway": "hub", "vpc": "v", "subnets": ["edge"] },
            "w": { "transit_gateway": "hub", "vpc": "w", "subnets": ["there"] },
        });
        d["route_tables"]["w/main"] =
            json!({ "routes": [{ "cidr_block": "10.0.0.0/16", "transit_gateway": "hub" }] });
    });
    let seen = net.send("app", &packet(APP, FAR, udp(40_000, 53))).arrives_at("far");
    let answer = packet(FAR, NAT, udp(53, seen.ports.0));
    // By the connection its TTL stays as it is; a transit gateway is a hop.
    let by_connection = net.send("far", &answer).arrives_at("app").ttl;
    for state in ["deleted", "expired"] {
        net.change(|d| {
            d["vpc_peering_connections"]["pcx"] = json!({ "vpc": "v", "peer_vpc": "w", "state": state });
        });
        assert_eq!(net.send("far", &answer).arrives_at("app").ttl, by_connection - 1, "{state}");
    }
}

#[test]
fn a_gateway_that_gets_another_elastic_ip_drops_the_flows_of_the_one_before() {
    // proves: NAT-47
    let mut net = nat_networks::with(|_| {});
    let ways = [(APP, CLIENT), (APP_V6, CLIENT_NAT64)];
    for (app, client) in ways {
        net.send("app", &packet(app, client, syn(40_000, 443))).arrives_at("client");
        net.send("app", &packet(app, client, tcp(40_000, 443, Flags::Ack))).arrives_at("client");
    }
    net.change(|d| d["eips"]["eip"]["public_ip"] = json!("203.0.113.77"));
    for (app, client) in ways {
        // As one that was forgotten (NAT-10).
        let fate = net.send("app", &packet(app, client, tcp(40_000, 443, Flags::Ack)));
        assert_eq!(nat_networks::told(&fate, "app").tcp_flags.unwrap() & 4, 4, "{app}: a reset");
        let seen = net.send("app", &packet(app, client, syn(40_001, 443))).arrives_at("client");
        assert_eq!(seen.src.to_string(), "203.0.113.77");
    }
}

#[test]
fn another_elastic_ip_for_a_secondary_address_drops_the_flows_of_that_address_alone() {
    // proves: NAT-47
    let mut net = nat_networks::with(|d| {
        d["eips"]["second"] = json!({ "public_ip": "203.0.113.50" });
        d["nat_gateways"]["nat"]["secondary_allocations"] = json!(["second"]);
    });
    let flow = |port: u16, body: fn(u16, u16) -> Body| packet(APP, CLIENT, body(40_000 + port, 443));
    let ack = |src, dst| tcp(src, dst, Flags::Ack);
    let by_second: Vec<bool> = (0..32)
        .map(|port| {
            let seen = net.send("app", &flow(port, syn)).arrives_at("client");
            seen.src.to_string() == "203.0.113.50"
        })
        .collect();
    assert!(by_second.contains(&true) && by_second.contains(&false), "{by_second:?}");
    net.change(|d| d["eips"]["second"]["public_ip"] = json!("203.0.113.77"));
    for (port, by_second) in (0..).zip(by_second) {
        let fate = net.send("app", &flow(port, ack));
        assert_eq!(fate.delivered().is_some_and(|(at, _)| at == "client"), !by_second, "{port}");
    }
}
