//! Does a test provoke every reason for which packets die?
//!
//! Most reasons have their tests where their gateways have theirs. The others are here, in one table; and all tests are
//! searched for each.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use vpclab_engine::explain::{End, TrafficQuestion, ask};
use vpclab_engine::{DropReason, Outcome};
use vpclab_tests::frames;
use vpclab_tests::harness::{Fate, Net};
use vpclab_tests::packet::{Flags, Packet, Piece, ping, syn, tcp, udp};
use vpclab_wire::{MacAddr, Protocol, VNET_LEN};

use crate::nat_networks;
use crate::networks::{CLIENT, CLIENT_V6, DB, DB_V6, WEB, WEB_V6, document, everything, packet, with};
use crate::private_networks::{self, APP, APP_V6, DESK, DESK_V6};

/// Reasons that no packet of a test can die of, and why.
const EXCEPTIONS: [(&str, &str); 6] = [
    ("stale", "flow memory has one owner here: nothing changes between decision and commit"),
    ("steered-back", "explanations alone have it, as what is not modelled; tests ask for that"),
    (
        "private-source",
        "no internet host with such an address can be declared, and gateways translate before",
    ),
    ("shared-source", "no internet host with such an address can be declared, and gateways translate before"),
    ("nat-ipv6", "no route but that for 64:ff9b::/96 may lead IPv6 to a NAT gateway"),
    ("peering-inactive", "a route to a connection that is not active is a blackhole, which comes first"),
];

/// How a packet dies: the name of the reason, its code, and the packet.
type Case = (&'static str, &'static str, fn() -> Fate);

const CASES: [Case; 24] = [
    ("unknown-mac", "UNKNOWN_MAC", || to_nobody(WEB, CLIENT)),
    ("unknown-mac", "UNKNOWN_MAC", || to_nobody(WEB_V6, CLIENT_V6)),
    ("link-local", "LINK_LOCAL_NOT_ROUTED", || by_router("web", WEB, "169.254.1.1")),
    ("link-local", "LINK_LOCAL_NOT_ROUTED", || by_router("web", WEB_V6, "fe80::1234")),
    ("unanswered-resolution", "UNANSWERED_RESOLUTION", || {
        let mut net = with(|_| {});
        let ask = frames::arp_request(net.mac("web"), WEB.parse().unwrap(), "10.0.1.99".parse().unwrap());
        net.send_frame("web", &ask)
    }),
    ("unanswered-resolution", "UNANSWERED_RESOLUTION", || {
        let mut net = with(|_| {});
        let target = "2001:db8:1:1::99".parse().unwrap();
        net.send_frame("web", &frames::neighbor_solicitation(net.mac("web"), WEB_V6.parse().unwrap(), target))
    }),
    ("security-group", "SG_HAS_NO_RULES", || to_closed_group(WEB, DB)),
    ("security-group", "SG_HAS_NO_RULES", || to_closed_group(WEB_V6, DB_V6)),
    ("security-group", "ENI_SG_RULES_MISMATCH", || {
        let mut net = with(|d| {
            d["security_groups"]["open"]["ingress"] = json!([crate::networks::tcp_of(22, "0.0.0.0/0")]);
        });
        net.send("web", &packet(WEB, DB, syn(1, 443)))
    }),
    ("reserved-destination", "RESERVED_DESTINATION", || {
        from_the_customer(DESK, "169.254.169.5", "169.254.0.0/16")
    }),
    ("reserved-destination", "RESERVED_DESTINATION", || {
        from_the_customer(DESK_V6, "fd00:ec2::5", "fd00:ec2::/32")
    }),
    ("untranslatable", "UNTRANSLATABLE", || {
        // Pieces of a datagram without a checksum, which IPv6 requires (RFC 7915, section 4.5).
        let mut net = nat_networks::with(|_| {});
        let request = packet(nat_networks::APP_V6, "64:ff9b::c633:6407", udp(40_000, 53));
        let seen = net.send("app", &request).arrives_at("client");
        let answer = packet(CLIENT, &seen.src.to_string(), udp(53, seen.ports.0));
        let answer = Packet { piece: Piece::First(5), may_be_cut: true, ..answer };
        let mut frame = frames::frame(&answer, net.mac("client"), net.router_mac("client"), &[7; 40]);
        frame[VNET_LEN + 14 + 20 + 6..][..2].fill(0);
        net.send_frame("client", &frame)
    }),
    ("endpoint-protocol", "PROTOCOL_RESTRICTION", || by_interface_endpoint(false)),
    ("endpoint-protocol", "PROTOCOL_RESTRICTION", || by_interface_endpoint(true)),
    ("endpoint-protocol", "VPCE_GATEWAY_PROTOCOL_RESTRICTION", || {
        Net::new(endpoints()).send("web", &packet(WEB, S3_ADDRESS, udp(1, 53)))
    }),
    ("endpoint-source", "VPCE_GATEWAY_EGRESS_SOURCE_ADDRESS_RESTRICTION", || out_of_the_list(DB, S3_ADDRESS)),
    ("endpoint-source", "VPCE_GATEWAY_EGRESS_SOURCE_ADDRESS_RESTRICTION", || out_of_the_list(DB_V6, S3_V6)),
    ("ttl-expired", "TTL_EXPIRED", || {
        let request = Packet { ttl: 1, ..packet(APP, DESK, ping(1)) };
        private_networks::with(|_| {}).send("app", &request)
    }),
    ("ttl-expired", "TTL_EXPIRED", || {
        let mut net = private_networks::with(|d| private_networks::direct_connect(d, "dc"));
        net.send("app", &Packet { ttl: 1, ..packet(APP_V6, DESK_V6, ping(1)) })
    }),
    ("undeclared-customer-network", "NO_POSSIBLE_DESTINATION", || {
        let mut net = private_networks::with(|d| {
            d["customer_networks"] = json!({});
            d["customer_hosts"] = json!({});
            d["vpn_connections"]["vpn"]["bgp_routes"] = json!([{ "cidr_block": "192.168.0.0/16" }]);
        });
        net.send("app", &packet(APP, DESK, syn(1, 443)))
    }),
    ("no-such-customer-host", "NO_POSSIBLE_DESTINATION", || {
        private_networks::with(|_| {}).send("app", &packet(APP, "192.168.0.99", syn(1, 443)))
    }),
    ("no-such-customer-host", "NO_POSSIBLE_DESTINATION", || {
        let mut net = private_networks::with(|d| private_networks::direct_connect(d, "dc"));
        net.send("app", &packet(APP_V6, "fd12::99", syn(1, 443)))
    }),
    ("overlapping-fragment", "OVERLAPPING_FRAGMENT", || overlapping(WEB, DB)),
    ("overlapping-fragment", "OVERLAPPING_FRAGMENT", || overlapping(WEB_V6, DB_V6)),
];

const S3: &str = "com.amazonaws.us-east-1.s3";
const S3_ADDRESS: &str = "52.216.10.20";
const S3_V6: &str = "2600:1fa0:4000::5";
const QUEUE: &str = "com.amazonaws.us-east-1.queue";

fn to_nobody(src: &str, dst: &str) -> Fate {
    with(|_| {}).send_to("web", MacAddr([2, 0, 0, 0, 0, 0x99]), &packet(src, dst, syn(1, 443)), b"")
}

fn by_router(name: &str, src: &str, dst: &str) -> Fate {
    with(|_| {}).send_by_router(name, &packet(src, dst, syn(1, 443)))
}

fn to_closed_group(src: &str, dst: &str) -> Fate {
    let mut net = with(|d| {
        d["security_groups"]["closed"] = json!({ "vpc": "v", "ingress": [] });
        d["instances"]["db"]["security_groups"] = json!(["closed"]);
    });
    net.send("web", &packet(src, dst, syn(1, 443)))
}

/// The desk sends over a VPN connection to a transit gateway, which takes it into the VPC.
fn from_the_customer(src: &str, dst: &str, block: &str) -> Fate {
    let family = if block.contains(':') { "ipv6_cidr_block" } else { "cidr_block" };
    let mut net = private_networks::with(|d| {
        d["vpn_gateways"] = json!({});
        d["route_tables"]["t"] = json!({ "vpc": "v" });
        d["transit_gateways"] = json!({ "tgw": {} });
        d["transit_gateway_vpc_attachments"] = json!({ "att": { "transit_gateway": "tgw", "vpc": "v",
            "subnets": ["a"], "ipv6_support": "enable" } });
        d["transit_gateway_route_tables"]["tgw/default"] = json!({ "transit_gateway": "tgw", "routes": [
            { "destination_cidr_block": block, "attachment": "att" }] });
        d["vpn_connections"]["vpn"] = json!({ "transit_gateway": "tgw", "customer_gateway": "cgw" });
        d["customer_networks"]["office"]["routes"] = json!([{ family: block, "vpn_connection": "vpn" }]);
    });
    net.send("desk", &packet(src, dst, syn(1, 443)))
}

/// Both kinds of endpoints for both families.
fn endpoints() -> Value {
    let mut d = document();
    d["services"] = json!({
        S3: { "address": S3_ADDRESS, "ipv6_address": S3_V6 },
        QUEUE: { "address": "10.9.9.9", "ipv6_address": "2001:db8:5::5" } });
    d["vpc_endpoints"] = json!({
        "s3": { "vpc": "v", "service_name": S3, "route_tables": ["main", "public"],
            "ip_address_type": "dualstack" },
        "queue": { "vpc": "v", "vpc_endpoint_type": "Interface", "service_name": QUEUE, "subnets": ["private"],
            "security_groups": ["open"], "ip_address_type": "dualstack" } });
    d["security_groups"]["open"]["egress"] = json!([everything()]);
    d
}

fn endpoint_address(net: &Net, ipv6: bool) -> String {
    let eni = net.topology.find_interface("vpce/queue/private").unwrap().1;
    if ipv6 { eni.ipv6_addresses[0].to_string() } else { eni.private_ip.unwrap().to_string() }
}

fn by_interface_endpoint(ipv6: bool) -> Fate {
    let mut net = Net::new(endpoints());
    let to = endpoint_address(&net, ipv6);
    net.send("web", &packet(if ipv6 { WEB_V6 } else { WEB }, &to, ping(1)))
}

/// The service answers from an address that has left its prefix list meanwhile.
fn out_of_the_list(src: &str, dst: &str) -> Fate {
    let mut net = Net::new(endpoints());
    net.send("db", &packet(src, dst, syn(40_000, 443))).arrives_at(S3);
    net.change(|d| {
        d["services"][S3]["cidr_blocks"] = json!(["52.217.0.0/16"]);
        d["services"][S3]["ipv6_cidr_blocks"] = json!(["2600:1fa0:5000::/40"]);
    });
    net.send(S3, &packet(dst, src, tcp(443, 40_000, Flags::SynAck)))
}

/// The last piece of a datagram comes a second time.
fn overlapping(src: &str, dst: &str) -> Fate {
    let mut net = with(|_| {});
    let whole = packet(src, dst, udp(1, 53));
    let piece = |piece| Packet { piece, may_be_cut: true, ..whole.clone() };
    let router = net.router_mac("web");
    net.send_to("web", router, &piece(Piece::First(5)), &[7; 40]).arrives_at("db");
    net.send_to("web", router, &piece(Piece::Later(5)), &[7; 40]).arrives_at("db");
    net.send_to("web", router, &piece(Piece::Later(5)), &[7; 40])
}

#[test]
fn packets_die_in_silence_of_what_nothing_else_tests() {
    for (name, code, send) in CASES {
        let fate = send();
        let Outcome::Dropped(reason) = fate.outcome else { panic!("{name}: {:?}", fate.outcome) };
        assert_eq!((reason.name(), reason.code()), (name, code), "{reason:?}");
        assert!(fate.sent.is_empty(), "{name}: nobody hears of it");
    }
}

/// What is told of in other ways than by the fate of a packet.
const OTHERWISE: [&str; 3] = ["no-such-internet-host", "no-public-address-for-ingress", "endpoint-initiates"];

#[test]
fn what_reaches_an_address_of_the_internet_where_nobody_is_is_counted() {
    let mut net = with(|_| {});
    for (src, dst) in [(WEB, "198.51.100.99"), (WEB_V6, "2001:db8:ffff::99")] {
        assert_eq!(net.send("web", &packet(src, dst, syn(1, 443))).outcome, Outcome::LeftForInternet);
    }
    let key = (net.port("web"), OTHERWISE[0]);
    assert_eq!(net.engine().counters().dropped.get(&key), Some(&2));
}

#[test]
fn an_interface_without_a_public_address_is_none_that_the_internet_can_name() {
    let net = with(|_| {});
    let [client, db, web] = [
        End::Host(net.fabric().hosts.find("client").unwrap()),
        interface(&net, "db"),
        interface(&net, "web"),
    ];
    let traffic = TrafficQuestion::Ports { protocol: Protocol::TCP, port: Some(443), source_port: None };
    let told = ask(net.fabric(), client, db, Some(false), traffic).unwrap();
    let named: Vec<_> = told.blockers.iter().map(|blocker| blocker.reason.name()).collect();
    assert_eq!((told.reachable, named), (Some(false), vec![OTHERWISE[1]]));
    assert_eq!(ask(net.fabric(), client, web, Some(false), traffic).unwrap().reachable, Some(true));
    assert_eq!(
        ask(net.fabric(), client, db, Some(true), traffic).unwrap().reachable,
        Some(false),
        "no route"
    );
}

#[test]
fn an_endpoint_is_asked_about_and_opens_nothing() {
    let net = Net::new(endpoints());
    let traffic = TrafficQuestion::Ports { protocol: Protocol::TCP, port: Some(443), source_port: None };
    for ipv6 in [false, true] {
        let ends = (interface(&net, "vpce/queue/private"), interface(&net, "web"));
        let told = ask(net.fabric(), ends.0, ends.1, Some(ipv6), traffic).unwrap();
        let named: Vec<_> = told.blockers.iter().map(|blocker| blocker.reason.name()).collect();
        assert_eq!((told.reachable, named), (Some(false), vec![OTHERWISE[2]]));
    }
}

fn interface(net: &Net, name: &str) -> End {
    End::Interface(net.fabric().enis.find(name).unwrap(), None)
}

/// The Rust sources under a folder, without their comments.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("const EXCEPTIONS").next().unwrap_or_default();
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            lines.for_each(|line| all.extend([line, "\n"]));
        }
    }
    all
}

#[test]
fn every_reason_to_drop_a_packet_is_named_by_a_test() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = sources(&here.join("tests"));
    tests.push_str(&sources(&here.join("../control/check/tests")));
    // This file's table lies behind its exceptions, and its cases run.
    let cases = CASES.map(|(name, code, _)| (name, code));
    let (mut of_name, mut of_code) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
    for (name, code) in DropReason::NAMES {
        of_name.entry(*name).or_default().push(*code);
        of_code.entry(*code).or_default().push(*name);
    }
    let says = |word: &str| tests.contains(&format!("\"{word}\""));
    let is_provoked = |name: &'static str, code: &'static str| {
        // A name alone says which reason it is where it has one code, and a code alone where it has one name.
        let by_name = of_name[name].len() == 1 && says(name);
        let by_code = of_code[code].iter().all(|other| *other == name) && says(code);
        by_name || by_code || cases.contains(&(name, code)) || OTHERWISE.contains(&name)
    };
    let mut wrong = Vec::new();
    for (name, code) in DropReason::NAMES {
        match (is_provoked(name, code), EXCEPTIONS.iter().find(|(exception, _)| exception == name)) {
            (false, None) => wrong.push(format!("no test names {name} ({code})")),
            (true, Some(_)) => wrong.push(format!("{name} is an exception, and a test names it")),
            _ => {}
        }
    }
    for (name, why) in EXCEPTIONS {
        if !of_name.contains_key(name) || why.is_empty() {
            wrong.push(format!(
                "the exception {name} is none of the engine's reasons, or has no reason itself"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
