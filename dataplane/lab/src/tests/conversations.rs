//! Single conversations, and what both ends see of them.

use std::time::Duration;

use serde_json::json;
use vpclab_engine::DropReason;

use super::{APP, CLIENT, DB, WEB, at, both_modes, ip, lab, lab_of, shop};
use crate::{
    Ends, GuestRef, IcmpError, LabError, Ping, PingOutcome, TcpDial, TcpOutcome, UdpDial, UdpOutcome,
};

#[test]
fn an_answer_from_a_stranger_is_none() {
    // Out of db's subnet all goes by a guest that sends on from its own public address.
    let mut document = shop();
    document["instances"]["db"]["public_ip"] = json!("203.0.113.12");
    document["instances"]["app"]["source_dest_check"] = json!(false);
    document["instances"]["app"]["forwards"] = json!("nat");
    document["route_tables"]["relayed"] =
        json!({ "vpc": "shop", "routes": [{ "cidr_block": "0.0.0.0/0", "network_interface": "app" }] });
    document["subnets"]["b"]["route_table"] = json!("relayed");
    let mut lab = lab_of(document);
    let outcome = lab.udp(CLIENT, &UdpDial::new(at("203.0.113.12:53"), "x")).unwrap();
    assert_eq!(outcome, UdpOutcome::TimedOut { request_arrived: true });
    let outcome = lab.ping(CLIENT, &Ping::new(ip("203.0.113.12"))).unwrap();
    assert_eq!(outcome, PingOutcome::TimedOut { request_arrived: true });
    // Who asks the guest itself gets its own answer.
    assert!(lab.udp(CLIENT, &UdpDial::new(at("203.0.113.11:53"), "x")).unwrap().is_success());
    assert!(lab.ping(CLIENT, &Ping::new(ip("203.0.113.11"))).unwrap().is_success());
}

#[test]
fn everybody_talks_to_everybody_by_every_protocol() {
    let cases = [
        ("same subnet", WEB, "10.0.1.11", "10.0.1.10", "10.0.1.10", "10.0.1.11"),
        (
            "same subnet, IPv6",
            WEB,
            "2001:db8:1:1::11",
            "2001:db8:1:1::10",
            "2001:db8:1:1::10",
            "2001:db8:1:1::11",
        ),
        ("across subnets", WEB, "10.0.2.10", "10.0.1.10", "10.0.1.10", "10.0.2.10"),
        (
            "across subnets, IPv6",
            DB,
            "2001:db8:1:1::11",
            "2001:db8:1:2::10",
            "2001:db8:1:2::10",
            "2001:db8:1:1::11",
        ),
        ("to the internet (IGW-02)", WEB, "198.51.100.7", "10.0.1.10", "203.0.113.10", "198.51.100.7"),
        (
            "to the internet, IPv6",
            WEB,
            "2001:db8:ffff::7",
            "2001:db8:1:1::10",
            "2001:db8:1:1::10",
            "2001:db8:ffff::7",
        ),
        ("from the internet (IGW-02)", CLIENT, "203.0.113.11", "198.51.100.7", "198.51.100.7", "10.0.1.11"),
        (
            "from the internet, IPv6",
            CLIENT,
            "2001:db8:1:2::10",
            "2001:db8:ffff::7",
            "2001:db8:ffff::7",
            "2001:db8:1:2::10",
        ),
        ("between hosts", CLIENT, "198.51.100.6", "198.51.100.7", "198.51.100.7", "198.51.100.6"),
        ("hairpin by public address (IGW-15)", WEB, "203.0.113.11", "10.0.1.10", "203.0.113.10", "10.0.1.11"),
        ("hairpin to oneself", WEB, "203.0.113.10", "10.0.1.10", "203.0.113.10", "10.0.1.10"),
    ];
    for mut lab in both_modes() {
        for (what, from, to, local, seen_as, server_local) in cases {
            let destination = std::net::SocketAddr::new(ip(to), 443);
            let expected = |outcome: Option<(Ends, Ends)>| {
                let (client, server) = outcome.unwrap_or_else(|| panic!("{what}: nothing came back"));
                assert_eq!((client.local.ip(), client.peer), (ip(local), destination), "{what}");
                assert_eq!(server.local, std::net::SocketAddr::new(ip(server_local), 443), "{what}");
                assert_eq!(
                    server.peer,
                    std::net::SocketAddr::new(ip(seen_as), client.local.port()),
                    "{what}"
                );
            };
            match lab.tcp(from, &TcpDial::new(destination).with_payload("hello")).unwrap() {
                TcpOutcome::Connected { client, server, echoed: true } => expected(Some((client, server))),
                other => panic!("{what}: tcp: {other:?}"),
            }
            match lab.udp(from, &UdpDial::new(destination, "hello")).unwrap() {
                UdpOutcome::Answered { client, server, echoed: true } => expected(Some((client, server))),
                other => panic!("{what}: udp: {other:?}"),
            }
            match lab.ping(from, &Ping::new(ip(to))).unwrap() {
                PingOutcome::Replied { from, local: asker, server, intact: true, .. } => {
                    assert_eq!((from, asker.ip()), (ip(to), ip(local)), "{what}");
                    let server = server.unwrap_or_else(|| panic!("{what}: no guest saw the ping"));
                    assert_eq!(
                        (server.local.ip(), server.peer.ip()),
                        (ip(server_local), ip(seen_as)),
                        "{what}"
                    );
                }
                other => panic!("{what}: ping: {other:?}"),
            }
        }
        assert_eq!(lab.total_guest_counters().wrong_checksums, 0);
        assert_eq!(lab.total_guest_counters().malformed, 0);
        assert_eq!(lab.total_guest_counters().oversized, 0);
    }
}

#[test]
fn the_first_ping_waits_for_the_neighbour_and_is_answered() {
    let mut lab = lab();
    let outcome = lab.ping(WEB, &Ping::new(ip("10.0.1.11"))).unwrap();
    let PingOutcome::Replied { round_trip, .. } = outcome else { panic!("{outcome:?}") };
    assert!(round_trip < Duration::from_millis(10), "{round_trip:?}");
}

#[test]
fn a_router_answers_pings_but_no_guest_sees_them() {
    for router in ["10.0.1.1", "fe80::ec2:0:1"] {
        let outcome = lab().ping(WEB, &Ping::new(ip(router))).unwrap();
        assert!(
            matches!(outcome, PingOutcome::Replied { server: None, intact: true, .. }),
            "{router}: {outcome:?}"
        );
    }
}

#[test]
fn a_security_group_denies_in_silence() {
    let mut document = shop();
    document["security_groups"]["closed"] = json!({ "vpc": "shop" });
    document["instances"]["db"]["security_groups"] = json!(["closed"]);
    let mut lab = lab_of(document);
    let before = lab.now();
    let outcome = lab.tcp(WEB, &TcpDial::new(at("10.0.2.10:5432"))).unwrap();
    assert_eq!(outcome, TcpOutcome::TimedOut { request_arrived: false });
    assert_eq!(lab.now().since(before), Duration::from_secs(10));
    let outcome = lab.udp(WEB, &UdpDial::new(at("10.0.2.10:53"), "?")).unwrap();
    assert_eq!(outcome, UdpOutcome::TimedOut { request_arrived: false });
    let outcome = lab.ping(WEB, &Ping::new(ip("10.0.2.10"))).unwrap();
    assert_eq!(outcome, PingOutcome::TimedOut { request_arrived: false });
    assert!(lab.tcp(DB, &TcpDial::new(at("10.0.1.10:443"))).unwrap().is_success());
}

#[test]
fn without_ephemeral_ports_the_request_arrives_and_the_reply_does_not() {
    let mut document = shop();
    document["network_acls"] = json!({ "tight": { "vpc": "shop", "subnets": [],
        "ingress": [{ "rule_no": 100, "action": "allow", "protocol": "-1", "cidr_block": "0.0.0.0/0" }],
        "egress": [{ "rule_no": 100, "action": "allow", "protocol": "tcp", "from_port": 443, "to_port": 443,
                     "cidr_block": "0.0.0.0/0" }] } });
    document["subnets"]["b"]["network_acl"] = json!("tight");
    let mut lab = lab_of(document);
    let tcp = lab.tcp(WEB, &TcpDial::new(at("10.0.2.10:443"))).unwrap();
    assert_eq!(tcp, TcpOutcome::TimedOut { request_arrived: true });
    let udp = lab.udp(WEB, &UdpDial::new(at("10.0.2.10:53"), "?")).unwrap();
    assert_eq!(udp, UdpOutcome::TimedOut { request_arrived: true });
    let ping = lab.ping(WEB, &Ping::new(ip("10.0.2.10"))).unwrap();
    assert_eq!(ping, PingOutcome::TimedOut { request_arrived: true });
}

#[test]
fn where_nobody_listens_the_guest_itself_refuses() {
    for mut lab in both_modes() {
        for (from, to) in [(WEB, "10.0.2.10:81"), (CLIENT, "203.0.113.10:81"), (WEB, "[2001:db8:1:2::10]:81")]
        {
            let outcome = lab.tcp(from, &TcpDial { listen: false, ..TcpDial::new(at(to)) }).unwrap();
            assert_eq!(outcome, TcpOutcome::Refused { by: at(to), by_guest: true });
        }
        let outcome =
            lab.udp(WEB, &UdpDial { listen: false, ..UdpDial::new(at("10.0.2.10:81"), "?") }).unwrap();
        let error = IcmpError { from: ip("10.0.2.10"), icmp_type: 3, code: 3 };
        assert_eq!(outcome, UdpOutcome::Unreachable(error));
    }
}

#[test]
fn source_address_and_port_are_the_callers_choice() {
    let mut document = shop();
    document["instances"]["web"]["secondary_private_ips"] = json!(["10.0.1.100"]);
    let mut lab = lab_of(document);
    let dial = TcpDial {
        source: Some(ip("10.0.1.100")),
        source_port: Some(1234),
        ..TcpDial::new(at("10.0.2.10:443"))
    };
    let outcome = lab.tcp(WEB, &dial).unwrap();
    let TcpOutcome::Connected { server, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(server.peer, at("10.0.1.100:1234"));
    let ping = Ping { source: Some(ip("10.0.1.100")), ..Ping::new(ip("10.0.2.10")) };
    let outcome = lab.ping(WEB, &ping).unwrap();
    let PingOutcome::Replied { server: Some(server), .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(server.peer.ip(), ip("10.0.1.100"));
    let foreign = TcpDial { source: Some(ip("10.0.1.200")), ..dial };
    assert_eq!(lab.tcp(WEB, &foreign).unwrap(), TcpOutcome::NoAddress);
    let other_family = TcpDial::new(at("[2001:db8:1:1::10]:443"));
    assert_eq!(lab.tcp(GuestRef::Host("other"), &other_family).unwrap(), TcpOutcome::NoAddress);
}

#[test]
fn an_instance_answers_by_the_interface_that_has_the_address() {
    let mut document = shop();
    document["network_interfaces"] = json!({ "db-eth1": {
        "subnet": "a", "private_ip": "10.0.1.50", "security_groups": ["open"],
        "attachment": { "instance": "db", "device_index": 1 } } });
    let mut lab = lab_of(document);
    for to in ["10.0.1.50:443", "10.0.2.10:443"] {
        let outcome = lab.tcp(WEB, &TcpDial::new(at(to)).with_payload("hi")).unwrap();
        assert!(outcome.is_success(), "{to}: {outcome:?}");
    }
    let dial = TcpDial { source: Some(ip("10.0.1.50")), ..TcpDial::new(at("10.0.1.10:443")) };
    for from in [DB, GuestRef::Interface("db-eth1")] {
        let outcome = lab.tcp(from, &dial).unwrap();
        assert!(outcome.is_success(), "{outcome:?}");
    }
}

#[test]
fn an_interface_with_more_addresses_than_smoltcp_keeps_answers_on_all() {
    let more: Vec<String> = (100..120).map(|last| format!("10.0.1.{last}")).collect();
    let mut document = shop();
    document["instances"]["web"]["secondary_private_ips"] = json!(more);
    let mut lab = lab_of(document);
    for last in [100, 119] {
        let to = at(&format!("10.0.1.{last}:443"));
        assert!(lab.tcp(DB, &TcpDial::new(to)).unwrap().is_success(), "{to}");
        let dial = TcpDial { source: Some(to.ip()), ..TcpDial::new(at("10.0.2.10:443")) };
        assert!(lab.tcp(WEB, &dial).unwrap().is_success(), "{to}");
    }
}

#[test]
fn link_local_neighbours_are_out_of_reach_as_the_engine_has_it() {
    let mut lab = lab();
    let web = lab.fabric().enis.iter().find(|(_, eni)| eni.name.as_str() == "web").unwrap().1.link_local;
    let outcome = lab.ping(APP, &Ping::new(web.into())).unwrap();
    assert_eq!(outcome, PingOutcome::TimedOut { request_arrived: false });
    let reason = DropReason::LinkLocal.name();
    assert!(lab.engine().counters().dropped.iter().any(|((_, name), _)| *name == reason));
}

#[test]
fn every_conversation_has_a_source_port_of_its_own() {
    let mut lab = lab();
    let mut ports = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let outcome = lab.udp(WEB, &UdpDial::new(at("10.0.2.10:53"), "?")).unwrap();
        let UdpOutcome::Answered { client, .. } = outcome else { panic!("{outcome:?}") };
        assert!((32_768..=60_999).contains(&client.local.port()));
        ports.insert(client.local.port());
    }
    assert_eq!(ports.len(), 100);
}

#[test]
fn who_is_not_there_cannot_be_asked() {
    let mut lab = lab();
    let error = lab.tcp(GuestRef::Instance("nobody"), &TcpDial::new(at("10.0.1.10:1"))).unwrap_err();
    assert_eq!(error, LabError::NoSuchGuest { kind: "instance", name: "nobody".into() });
    assert_eq!(error.to_string(), "there is no instance \"nobody\" in the lab");
    let nowhere = lab.tcp(WEB, &TcpDial::new(at("10.0.2.99:1"))).unwrap();
    assert_eq!(nowhere, TcpOutcome::TimedOut { request_arrived: false });
    for unusable in ["0.0.0.0:1", "224.0.0.1:1", "10.0.2.10:0"] {
        assert_eq!(lab.tcp(WEB, &TcpDial::new(at(unusable))).unwrap(), TcpOutcome::NoAddress, "{unusable}");
    }
}
