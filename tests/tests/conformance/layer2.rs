//! Area L2: frames, address resolution, and what an interface is.

use serde_json::json;
use vpclab_engine::Outcome;
use vpclab_tests::frames;
use vpclab_tests::packet::{Flags, Packet, Piece, ping, syn, tcp, udp};
use vpclab_wire::MacAddr;

use crate::networks::{
    CLIENT, CLIENT_V6, DB, DB_V6, PEER, PEER_V6, WEB, WEB_PUBLIC, WEB_V6, accepted, document, packet,
    refused, with,
};

#[test]
fn nobody_receives_a_broadcast() {
    // proves: L2-01
    let mut net = with(|_| {});
    for destination in ["10.0.1.255", "255.255.255.255"] {
        let datagram = packet(WEB, destination, udp(1, 2));
        net.send_to("web", MacAddr::BROADCAST, &datagram, b"").dies_of("broadcast");
        net.send_by_router("web", &datagram).dies_of("broadcast");
    }
    net.send_to("web", MacAddr::BROADCAST, &packet(WEB, PEER, udp(1, 2)), b"").dies_of("broadcast");
    net.send("web", &packet(WEB, PEER, udp(1, 2))).arrives_at("peer");
}

#[test]
fn nobody_receives_a_multicast() {
    // proves: L2-02
    let mut net = with(|_| {});
    let group = MacAddr([0x01, 0, 0x5e, 1, 2, 3]);
    net.send_to("web", group, &packet(WEB, "239.1.2.3", udp(1, 2)), b"").dies_of("multicast");
    let group = MacAddr([0x33, 0x33, 0, 0, 0, 5]);
    net.send_to("web", group, &packet(WEB_V6, "ff05::5", udp(1, 2)), b"").dies_of("multicast");
}

#[test]
fn address_resolution_is_answered_by_the_platform() {
    // proves: L2-03, L2-04, L2-05
    let mut net = with(|_| {});
    let router = net.router_mac("web");
    let cases = [
        (PEER, Some(net.mac("peer"))),
        ("10.0.1.1", Some(router)),
        ("10.0.1.99", None),
        // What the platform serves on the link is behind the router too.
        ("10.0.1.2", Some(router)),
        ("169.254.169.254", Some(router)),
        ("10.0.1.3", None),
        // Of another subnet.
        (DB, None),
        ("10.0.2.1", None),
        // A guest that probes whether its own address is taken must not hear of itself.
        (WEB, None),
    ];
    for (target, expected) in cases {
        let ask = frames::arp_request(net.mac("web"), WEB.parse().unwrap(), target.parse().unwrap());
        let fate = net.send_frame("web", &ask);
        let answers: Vec<_> =
            fate.sent.iter().map(|(to, frame)| (to.as_str(), frames::arp_answer(frame))).collect();
        match expected {
            Some(mac) => assert_eq!(answers, [("web", Some((target.parse().unwrap(), mac)))], "{target}"),
            None => assert_eq!(answers, [], "{target}"),
        }
    }
}

#[test]
fn what_a_guest_claims_by_arp_changes_nothing() {
    // proves: L2-06
    let mut net = with(|_| {});
    let (web, peer) = (net.mac("web"), net.mac("peer"));
    let claims = [
        frames::arp_reply(web, peer, "10.0.1.1".parse().unwrap(), (peer, PEER.parse().unwrap())),
        frames::arp_reply(
            web,
            MacAddr::BROADCAST,
            PEER.parse().unwrap(),
            (MacAddr::BROADCAST, PEER.parse().unwrap()),
        ),
        frames::arp_request(web, PEER.parse().unwrap(), PEER.parse().unwrap()),
    ];
    for claim in claims {
        assert!(net.send_frame("web", &claim).sent.iter().all(|(to, _)| to == "web"), "nobody else hears it");
    }
    net.send("db", &packet(DB, PEER, syn(1, 2))).arrives_at("peer");
}

#[test]
fn only_ip_and_arp_pass() {
    // proves: L2-07
    let mut net = with(|_| {});
    for ether_type in [0x88cc, 0x8847, 0x8100, 0x88a8, 0x0027, 0x9000] {
        let fate =
            net.send_frame("web", &frames::other_ethertype(net.mac("web"), net.mac("peer"), ether_type));
        assert!(matches!(fate.outcome, Outcome::Dropped(_)) && fate.sent.is_empty(), "{ether_type:04x}");
    }
}

#[test]
fn the_own_subnets_router_answers_ping() {
    // proves: L2-09, SG-21, NACL-17
    let mut net = with(|d| {
        // Neither filter is asked.
        d["security_groups"]["open"] = json!({ "vpc": "v", "egress": [] });
        d["network_acls"] = json!({ "acl": { "vpc": "v" } });
        d["subnets"]["public"]["network_acl"] = json!("acl");
    });
    let fate = net.send("web", &packet(WEB, "10.0.1.1", ping(7)));
    assert_eq!(fate.outcome, Outcome::Answered);
    let reply = frames::read(&fate.sent[0].1).unwrap();
    assert_eq!((reply.src.to_string(), reply.icmp, reply.ports.0), ("10.0.1.1".into(), Some((0, 0)), 7));
    let fate = with(|_| {}).send("web", &packet(WEB, "10.0.2.1", ping(7)));
    assert!(matches!(fate.outcome, Outcome::Dropped(_)));
    // In IPv6 by its link-local address, to either address of who asks.
    let subnet = net.fabric().enis[net.fabric().enis.find("web").unwrap()].subnet;
    let router = net.fabric().subnets[subnet].router.link_local.to_string();
    let own = net.fabric().enis[net.fabric().enis.find("web").unwrap()].link_local.to_string();
    for source in [WEB_V6, own.as_str()] {
        let fate = net.send_by_router("web", &packet(source, &router, ping(7)));
        assert_eq!(fate.outcome, Outcome::Answered, "{source}");
        let reply = frames::read(&fate.sent[0].1).unwrap();
        assert_eq!((reply.src.to_string(), reply.icmp), (router.clone(), Some((129, 0))));
        assert_eq!(reply.dst.to_string(), source);
    }
    // It puts no pieces together, and answers nothing but echo requests.
    let piece = Packet { piece: Piece::First(3), may_be_cut: true, ..packet(WEB, "10.0.1.1", ping(7)) };
    net.send_to("web", net.router_mac("web"), &piece, &[7; 40]).dies_of("no-such-address");
    net.send("web", &packet(WEB, "10.0.1.1", udp(1, 2))).dies_of("no-such-address");
    net.send_by_router("web", &packet(WEB_V6, &router, udp(1, 2))).dies_of("no-such-address");
}

#[test]
fn link_local_addresses_are_known_on_the_link_only() {
    // proves: L2-29
    // RFC 4291 2.5.6, RFC 3927 2.7: no router forwards them.
    let mut net = with(|d| d["instances"]["web"]["source_dest_check"] = json!(false));
    let own = net.fabric().enis[net.fabric().enis.find("web").unwrap()].link_local.to_string();
    for (source, destination) in
        [(own.as_str(), DB_V6), (WEB_V6, "fe80::77"), ("169.254.1.1", DB), (WEB, "169.254.1.1")]
    {
        net.send_by_router("web", &packet(source, destination, udp(1, 2))).dies_of("link-local");
    }
}

#[test]
fn what_asks_for_an_address_is_the_platforms_in_both_families() {
    // proves: L2-29
    // ADDR-27 ff.: a declared address needs no DHCP, and no guest hears of such a request.
    let mut net = with(|_| {});
    let own = net.fabric().enis[net.fabric().enis.find("web").unwrap()].link_local.to_string();
    let solicit = packet(&own, "ff02::1:2", udp(546, 547));
    let multicast = MacAddr([0x33, 0x33, 0, 1, 0, 2]);
    net.send_to("web", multicast, &solicit, b"").dies_of("service-not-modelled");
    let discover = packet(WEB, "255.255.255.255", udp(68, 67));
    net.send_to("web", MacAddr::BROADCAST, &discover, b"").dies_of("service-not-modelled");
    for (source, service) in [(WEB, "169.254.171.9"), (WEB_V6, "fd00:ec2::9"), (WEB_V6, "fd00:ec2::254")] {
        net.send("web", &packet(source, service, udp(1, 2))).dies_of("service-not-modelled");
    }
}

#[test]
fn vpcs_with_one_address_space_do_not_mix() {
    // proves: L2-10
    let mut net = with(|d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.0.0.0/16" });
        d["security_groups"]["w-open"] = json!({ "vpc": "w", "ingress": [crate::networks::everything()] });
        d["subnets"]["w1"] = json!({ "vpc": "w", "cidr_block": "10.0.1.0/24" });
        d["subnets"]["w2"] = json!({ "vpc": "w", "cidr_block": "10.0.2.0/24" });
        d["instances"]["w-web"] = json!({ "subnet": "w1", "private_ip": WEB, "security_groups": ["w-open"] });
        d["instances"]["w-db"] = json!({ "subnet": "w2", "private_ip": DB, "security_groups": ["w-open"] });
    });
    let request = packet(WEB, DB, syn(40_000, 443));
    net.send("web", &request).arrives_at("db");
    net.send("w-web", &request).arrives_at("w-db");
    net.send("w-web", &packet(WEB, PEER, syn(1, 2))).dies_of("no-such-address");
    assert_eq!(net.engine().flows().len(), 4, "four interfaces remember a flow each");
}

#[test]
fn a_guest_cannot_speak_as_another() {
    // proves: L2-11
    let mut net = with(|d| d["instances"]["web"]["source_dest_check"] = json!(false));
    let request = packet(WEB, DB, syn(1, 2));
    let forged = frames::frame(&request, net.mac("peer"), net.router_mac("web"), b"");
    net.send_frame("web", &forged).dies_of("spoofed-mac");
}

#[test]
fn the_check_refuses_foreign_destinations_on_arrival() {
    // proves: L2-12
    let foreign = packet(WEB, "192.0.2.1", syn(1, 2));
    let routed = |check: bool| {
        with(|d| {
            d["route_tables"]["public"]["routes"] =
                json!([{ "cidr_block": "192.0.2.0/24", "network_interface": "db" }]);
            d["instances"]["db"]["source_dest_check"] = json!(check);
        })
    };
    routed(true).send("web", &foreign).dies_of("source-dest-check");
    routed(false).send("web", &foreign).arrives_at("db");
}

#[test]
fn the_check_refuses_foreign_sources_on_departure() {
    // proves: L2-13, L2-14
    let foreign = packet("192.0.2.1", DB, syn(1, 2));
    with(|_| {}).send("web", &foreign).dies_of("source-dest-check");
    let mut net = with(|d| d["instances"]["web"]["source_dest_check"] = json!(false));
    let seen = net.send("web", &foreign).arrives_at("db");
    assert_eq!(seen.src.to_string(), "192.0.2.1");
    // A secondary address is the interface's own.
    let mut net = with(|d| d["instances"]["web"]["secondary_private_ips"] = json!(["10.0.1.20"]));
    net.send("web", &packet("10.0.1.20", DB, syn(1, 2))).arrives_at("db");
    net.send("db", &packet(DB, "10.0.1.20", syn(3, 4))).arrives_at("web");
}

#[test]
fn an_interface_has_one_to_five_groups_and_one_eip_an_address() {
    // proves: L2-15, SG-16, L2-23
    let groups = |count: usize| {
        move |d: &mut serde_json::Value| {
            let names: Vec<String> = (0..count).map(|n| format!("g{n}")).collect();
            for name in &names {
                d["security_groups"][name] = json!({ "vpc": "v" });
            }
            d["instances"]["web"]["security_groups"] = json!(names);
        }
    };
    accepted(groups(5));
    let too_many = ("instances.web.security_groups", "SecurityGroupsPerInterfaceLimitExceeded");
    refused(too_many.0, too_many.1, |d| {
        groups(6)(d);
        d["quotas"] = json!("aws-default");
    });
    // Accounts that ask get sixteen, and nobody gets more.
    accepted(groups(16));
    refused(too_many.0, too_many.1, groups(17));
    accepted(|d| {
        d["instances"]["db"]["secondary_private_ips"] = json!(["10.0.2.20"]);
        d["eips"] = json!({ "a": { "network_interface": "db" },
            "b": { "network_interface": "db", "associate_with_private_ip": "10.0.2.20" } });
    });
    refused("eips.b", "Resource.AlreadyAssociated", |d| {
        d["eips"] = json!({ "a": { "network_interface": "db" }, "b": { "network_interface": "db" } });
    });
}

#[test]
fn an_interface_stays_in_its_zone_not_in_its_instances_subnet() {
    // proves: L2-17
    let second = |zone: &'static str| {
        move |d: &mut serde_json::Value| {
            d["vpcs"]["w"] = json!({ "cidr_block": "10.5.0.0/16" });
            d["subnets"]["other"] =
                json!({ "vpc": "w", "cidr_block": "10.5.1.0/24", "availability_zone": zone });
            d["network_interfaces"] = json!({ "second": { "subnet": "other", "attachment": { "instance": "db", "device_index": 1 } } });
        }
    };
    accepted(second("us-east-1a"));
    refused("instances.db.network_interfaces", "InvalidParameterCombination", second("us-east-1b"));
}

#[test]
fn an_address_belongs_to_one_interface() {
    // proves: L2-18
    refused("instances.web.private_ip", "InvalidIPAddress.InUse", |d| {
        d["instances"]["web"]["private_ip"] = json!(PEER);
    });
    // Given to another, it is the other's at once.
    let mut net = with(|d| d["instances"]["peer"]["secondary_private_ips"] = json!(["10.0.1.30"]));
    net.send("db", &packet(DB, "10.0.1.30", syn(1, 2))).arrives_at("peer");
    net.change(|d| {
        d["instances"]["peer"]["secondary_private_ips"] = json!([]);
        d["instances"]["web"]["secondary_private_ips"] = json!(["10.0.1.30"]);
    });
    net.send("db", &packet(DB, "10.0.1.30", syn(1, 2))).arrives_at("web");
}

#[test]
fn an_eip_takes_the_place_of_the_automatic_address() {
    // proves: L2-21
    let mut document = document();
    document["instances"]["web"].as_object_mut().unwrap().remove("public_ip");
    document["eips"] = json!({ "a": { "network_interface": "web", "public_ip": "203.0.113.77" } });
    let declared = vpclab_tests::harness::topology(&document, None).unwrap();
    let publics: Vec<_> =
        declared.network_interfaces["web"].public_ips.values().map(|p| p.address.to_string()).collect();
    assert_eq!(publics, ["203.0.113.77"]);
    document["eips"] = json!({});
    let declared = vpclab_tests::harness::topology(&document, Some(&declared)).unwrap();
    let public = declared.network_interfaces["web"].public_ips.values().next().unwrap();
    assert!(public.eip.is_none() && public.address.to_string() != "203.0.113.77");
}

#[test]
fn an_instance_that_stops_gives_its_automatic_address_back_and_keeps_the_others() {
    // proves: L2-20
    let mut net =
        with(|d| d["eips"] = json!({ "e": { "network_interface": "db", "public_ip": "203.0.113.99" } }));
    let own = |net: &vpclab_tests::harness::Net, name: &str| {
        let eni = net.topology.network_interfaces[name].clone();
        (eni.private_ip, eni.ipv6_addresses, eni.public_ips.values().map(|p| p.address).collect::<Vec<_>>())
    };
    let before = (own(&net, "web"), own(&net, "db"));
    assert_eq!((before.0.2.len(), before.1.2.len()), (1, 1));
    net.change(|d| {
        d["instances"]["web"]["state"] = json!("stopped");
        d["instances"]["db"]["state"] = json!("stopped");
    });
    let (web, db) = (own(&net, "web"), own(&net, "db"));
    assert_eq!((web.0, &web.1), (before.0.0, &before.0.1), "private addresses stay");
    assert!(web.2.is_empty(), "{web:?}");
    assert_eq!(db, before.1, "an elastic IP address stays");
    // Somebody else may have it meanwhile.
    let address = before.0.2[0].to_string();
    net.change(|d| d["instances"]["peer"]["public_ip"] = json!(address));
    net.change(|d| {
        d["instances"]["web"].as_object_mut().unwrap().remove("public_ip");
        d["instances"]["web"]["associate_public_ip_address"] = json!(true);
        d["instances"]["web"]["state"] = json!("running");
    });
    let web = own(&net, "web").2;
    assert!(web.len() == 1 && web[0].to_string() != address, "a new one: {web:?}");
}

#[test]
fn an_instance_with_two_interfaces_gets_no_automatic_address() {
    // proves: L2-22
    let second = |d: &mut serde_json::Value| {
        d["network_interfaces"] = json!({ "second": { "subnet": "public", "attachment": { "instance": "db", "device_index": 1 } } });
        d["subnets"]["private"]["map_public_ip_on_launch"] = json!(true);
    };
    assert!(with(second).topology.network_interfaces["db"].public_ips.is_empty());
    let alone = with(|d| d["subnets"]["private"]["map_public_ip_on_launch"] = json!(true));
    assert_eq!(alone.topology.network_interfaces["db"].public_ips.len(), 1);
    // Launched with both, it cannot have one; attached later, the second takes none away.
    let launched = |d: &mut serde_json::Value| {
        d["network_interfaces"] = json!({ "second": { "subnet": "public" } });
        d["instances"]["db"]["network_interfaces"] =
            json!([{ "network_interface": "second", "device_index": 1 }]);
    };
    let later = with(|d| {
        second(d);
        d["instances"]["db"]["associate_public_ip_address"] = json!(true);
    });
    assert_eq!(later.topology.network_interfaces["db"].public_ips.len(), 1);
    refused("instances.db.associate_public_ip_address", "InvalidParameterCombination", |d| {
        launched(d);
        d["instances"]["db"]["associate_public_ip_address"] = json!(true);
    });
    refused("instances.db.public_ip", "InvalidParameterCombination", |d| {
        launched(d);
        d["instances"]["db"]["public_ip"] = json!("203.0.113.70");
    });
}

#[test]
fn interfaces_of_one_instance_may_lie_in_several_vpcs_of_one_account() {
    // proves: L2-17
    let second = |owner: &'static str| {
        move |d: &mut serde_json::Value| {
            d["vpcs"]["w"] = json!({ "cidr_block": "10.5.0.0/16", "owner": owner });
            d["subnets"]["w1"] = json!({ "vpc": "w", "cidr_block": "10.5.1.0/24" });
            d["network_interfaces"] = json!({ "second": { "subnet": "w1", "attachment": { "instance": "db", "device_index": 1 } } });
        }
    };
    accepted(second("123456789012"));
    refused("instances.db.network_interfaces", "InvalidNetworkInterfaceID.NotFound", second("210987654321"));
}

#[test]
fn hardware_addresses_are_local_and_unicast() {
    // proves: L2-28
    let net = with(|_| {});
    let macs: std::collections::BTreeSet<_> =
        net.topology.network_interfaces.values().map(|eni| eni.mac_address).collect();
    assert_eq!(macs.len(), net.topology.network_interfaces.len(), "each has its own");
    for mac in macs.into_iter().chain([net.router_mac("web").0]) {
        assert_eq!(mac[0] & 0b11, 0b10, "{mac:02x?}");
    }
}

#[test]
fn neighbour_discovery_mirrors_arp() {
    // proves: L2-29
    let mut net = with(|_| {});
    let web = net.mac("web");
    for (target, answered) in
        [(PEER_V6, true), ("2001:db8:1:1::99", false), (WEB_V6, false), ("2001:db8:1:2::10", false)]
    {
        let fate = net.send_frame(
            "web",
            &frames::neighbor_solicitation(web, WEB_V6.parse().unwrap(), target.parse().unwrap()),
        );
        assert_eq!(fate.sent.len(), usize::from(answered), "{target}");
        if answered {
            let frame = frames::read(&fate.sent[0].1).unwrap();
            assert_eq!((frame.icmp, frame.src_mac), (Some((136, 0)), net.mac("peer")));
        }
    }
    // Who asks before it has an address is answered to all (RFC 4862 5.4).
    let asked = frames::neighbor_solicitation(web, "::".parse().unwrap(), PEER_V6.parse().unwrap());
    let answer = frames::read(&net.send_frame("web", &asked).sent[0].1).unwrap();
    assert_eq!((answer.icmp, answer.dst.to_string()), (Some((136, 0)), "ff02::1".to_owned()));
    assert_eq!(answer.dst_mac, MacAddr([0x33, 0x33, 0, 0, 0, 1]));
    let fate = net.send_frame("web", &frames::router_solicitation(web, "fe80::1".parse().unwrap()));
    let advertisement = frames::read(&fate.sent[0].1).unwrap();
    assert_eq!(advertisement.icmp, Some((134, 0)));
    const MANAGED: u8 = 0x80;
    let ethernet = &fate.sent[0].1[vpclab_wire::VNET_LEN..];
    assert_ne!(ethernet[14 + 40 + 5] & MANAGED, 0, "addresses come from DHCPv6");
    assert!(u16::from_be_bytes([ethernet[60], ethernet[61]]) > 0, "the sender is a default router");
}

#[test]
fn interfaces_of_one_instance_each_see_half_of_an_asymmetric_connection() {
    // proves: CT-18
    let mut net = with(|d| {
        d["network_interfaces"] = json!({ "second": { "subnet": "private", "private_ip": "10.0.2.40",
            "source_dest_check": false, "security_groups": ["wall"], "attachment": { "instance": "peer", "device_index": 1 } } });
        d["security_groups"]["wall"] = json!({ "vpc": "v", "egress": [] });
    });
    net.send("db", &packet(DB, PEER, syn(40_000, 80))).arrives_at("peer");
    // Out by the other interface: that one remembers nothing, and has no rule of its own.
    let answer = packet(PEER, DB, tcp(80, 40_000, Flags::SynAck));
    net.send("second", &answer).dies_of("security-group");
    net.send("peer", &answer).arrives_at("db");
}

#[test]
fn guests_meet_the_internet_under_their_public_address_only() {
    // proves: IGW-01, IGW-02
    let mut net = with(|_| {});
    let seen = net.send("web", &packet(WEB, CLIENT, syn(40_000, 443))).arrives_at("client");
    assert_eq!((seen.src.to_string(), seen.ports), (WEB_PUBLIC.into(), (40_000, 443)));
    let seen = net.send("client", &packet(CLIENT, WEB_PUBLIC, syn(50_000, 80))).arrives_at("web");
    assert_eq!((seen.dst.to_string(), seen.ports), (WEB.into(), (50_000, 80)));
}

#[test]
fn a_routers_hardware_address_is_never_an_interfaces() {
    let router = with(|_| {}).router_mac("web");
    let net = with(|d| d["instances"]["peer"]["mac_address"] = json!(router.to_string()));
    assert_eq!(net.mac("peer"), router);
    assert_ne!(net.router_mac("web"), router);
}

#[test]
fn a_detached_interface_sends_nothing() {
    let mut net = with(|_| {});
    net.change(|d| {
        let interface = json!({ "spare": { "subnet": "public", "private_ip": "10.0.1.50", "security_groups": ["open"] } });
        d["network_interfaces"] = interface;
    });
    net.send("spare", &packet("10.0.1.50", DB, syn(1, 2))).dies_of("not-attached");
    net.change(|d| {
        d["network_interfaces"]["spare"]["attachment"] = json!({ "instance": "db", "device_index": 1 });
    });
    net.send("spare", &packet("10.0.1.50", DB, syn(1, 2))).arrives_at("db");
}

#[test]
fn an_interface_of_a_service_is_not_the_users_to_change() {
    // proves: L2-19
    let nat = |d: &mut serde_json::Value| {
        d["nat_gateways"] = json!({ "n": { "subnet": "public", "connectivity_type": "private" } });
    };
    accepted(nat);
    let id = vpclab_model::NetworkInterfaceName::new("nat/n").id();
    for reference in ["nat/n", &id] {
        refused("instances.db.network_interfaces[0].network_interface", "OperationNotPermitted", |d| {
            nat(d);
            d["instances"]["db"]["network_interfaces"] =
                json!([{ "network_interface": reference, "device_index": 1 }]);
        });
        refused("eips.e.network_interface", "OperationNotPermitted", |d| {
            nat(d);
            d["eips"] = json!({ "e": { "network_interface": reference } });
        });
    }
}

#[test]
fn every_address_of_a_delegated_prefix_is_the_interfaces_own() {
    // proves: L2-31
    let mut net = with(|d| {
        d["instances"]["web"]["ipv4_prefixes"] = json!(["10.0.1.64/28"]);
        d["instances"]["web"]["ipv6_prefixes"] = json!(["2001:db8:1:1:5::/80"]);
    });
    for (own, db, peer, mine) in [
        ("10.0.1.64", DB, PEER, true),
        ("10.0.1.79", DB, PEER, true),
        ("10.0.1.63", DB, PEER, false),
        ("10.0.1.80", DB, PEER, false),
        ("2001:db8:1:1:5::", DB_V6, PEER_V6, true),
        ("2001:db8:1:1:5:ffff:ffff:ffff", DB_V6, PEER_V6, true),
        ("2001:db8:1:1:4:ffff:ffff:ffff", DB_V6, PEER_V6, false),
        ("2001:db8:1:1:6::", DB_V6, PEER_V6, false),
    ] {
        for (far, name) in [(db, "db"), (peer, "peer")] {
            let (out, back) = (packet(own, far, syn(1, 2)), packet(far, own, syn(3, 4)));
            if mine {
                assert!(net.converses("web", &out) && net.converses(name, &back), "{own} {name}");
            } else {
                net.send("web", &out).dies_of("source-dest-check");
                assert!(net.send_by_router(name, &back).delivered().is_none(), "{own} {name}");
            }
        }
    }
    // Neighbours resolve it, and the internet reaches it over IPv6 as any address of the interface.
    let ask = frames::arp_request(net.mac("peer"), PEER.parse().unwrap(), "10.0.1.70".parse().unwrap());
    let answers = net.send_frame("peer", &ask).sent;
    assert_eq!(frames::arp_answer(&answers[0].1), Some(("10.0.1.70".parse().unwrap(), net.mac("web"))));
    assert!(net.converses("client", &packet(CLIENT_V6, "2001:db8:1:1:5::9", syn(1, 2))));
    assert!(net.converses("web", &packet("2001:db8:1:1:5::9", CLIENT_V6, syn(1, 2))));
    net.send("client", &packet(CLIENT_V6, "2001:db8:1:1:6::9", syn(1, 2))).dies_of("no-public-mapping");
    // Of an interface that is attached to nothing nobody outside knows (IGW-09).
    net.change(|d| {
        d["network_interfaces"]["loose"] =
            json!({ "subnet": "public", "ipv6_prefixes": ["2001:db8:1:1:9::/80"] });
    });
    net.send("client", &packet(CLIENT_V6, "2001:db8:1:1:9::9", syn(1, 2))).dies_of("no-public-mapping");
    // Another VPC's is another's.
    net.change(|d| d["instances"]["web"]["ipv4_prefixes"] = json!([]));
    net.send("db", &packet(DB, "10.0.1.64", syn(1, 2))).dies_of("no-such-address");
}

#[test]
fn a_delegated_prefix_is_a_free_block_of_the_subnet() {
    // proves: L2-31
    let prefix = |key: &'static str, block: &'static str| {
        move |d: &mut serde_json::Value| d["instances"]["web"][key] = json!([block])
    };
    for (key, block, code) in [
        ("ipv4_prefixes", "10.0.1.64/27", "InvalidParameterValue"),
        ("ipv4_prefixes", "10.0.2.64/28", "InvalidParameterValue"),
        ("ipv4_prefixes", "10.0.1.0/28", "InvalidParameterValue"),
        ("ipv4_prefixes", "10.0.1.240/28", "InvalidParameterValue"),
        ("ipv6_prefixes", "2001:db8:1:1:5::/96", "InvalidParameterValue"),
        ("ipv6_prefixes", "2001:db8:1:2:5::/80", "InvalidParameterValue"),
        ("ipv6_prefixes", "2001:db8:1:1::/80", "InvalidParameterValue"),
    ] {
        refused(&format!("instances.web.{key}[0]"), code, prefix(key, block));
    }
    // Whoever comes second in the order of names is told.
    refused("instances.web.private_ip", "InvalidIPAddress.InUse", |d| {
        d["instances"]["peer"]["ipv4_prefixes"] = json!(["10.0.1.32/28"]);
        d["instances"]["web"]["private_ip"] = json!("10.0.1.40");
    });
    refused("instances.web.ipv4_prefixes[0]", "InvalidIPAddress.InUse", |d| {
        d["instances"]["peer"]["private_ip"] = json!("10.0.1.40");
        d["instances"]["web"]["ipv4_prefixes"] = json!(["10.0.1.32/28"]);
    });
    refused("instances.web.ipv4_prefixes[0]", "InvalidIPAddress.InUse", |d| {
        d["instances"]["peer"]["ipv4_prefixes"] = json!(["10.0.1.32/28"]);
        d["instances"]["web"]["ipv4_prefixes"] = json!(["10.0.1.32/28"]);
    });
    refused("instances.web.ipv6_prefixes[0]", "InvalidIPAddress.InUse", |d| {
        d["instances"]["peer"]["ipv6_prefixes"] = json!(["2001:db8:1:1:5::/80"]);
        d["instances"]["web"]["ipv6_prefixes"] = json!(["2001:db8:1:1:5::/80"]);
    });
    refused("instances.web.ipv6_prefixes[0]", "InvalidIPAddress.InUse", |d| {
        d["instances"]["peer"]["ipv6_addresses"] = json!(["2001:db8:1:1:5::7"]);
        d["instances"]["web"]["ipv6_prefixes"] = json!(["2001:db8:1:1:5::/80"]);
    });
    // What AWS chooses lies in no block.
    let net = with(|d| {
        d["subnets"]["small"] = json!({ "vpc": "v", "cidr_block": "10.0.8.0/26" });
        d["instances"]["a"] = json!({ "subnet": "small", "private_ip": "10.0.8.4",
            "secondary_private_ips": (5..16).map(|n| format!("10.0.8.{n}")).collect::<Vec<_>>(),
            "ipv4_prefixes": ["10.0.8.16/28"] });
        d["instances"]["b"] = json!({ "subnet": "small" });
    });
    let chosen = net.topology.network_interfaces["b"].private_ip.unwrap();
    assert_eq!(chosen.to_string(), "10.0.8.32");
}

#[test]
fn nobody_sends_frames_in_the_name_of_anothers_hardware() {
    // proves: L2-11
    let mut net = with(|_| {});
    let ways = [
        ("web", WEB, CLIENT),
        ("web", WEB_V6, CLIENT_V6),
        ("client", CLIENT, WEB_PUBLIC),
        ("client", CLIENT_V6, WEB_V6),
    ];
    for (from, source, destination) in ways {
        let packet = packet(source, destination, udp(1, 2));
        let router = net.next_hop(from, packet.dst);
        let other = net.mac("peer");
        net.send_frame(from, &frames::frame(&packet, other, router, b"")).dies_of("spoofed-mac");
        let own = net.mac(from);
        assert!(net.send_frame(from, &frames::frame(&packet, own, router, b"")).delivered().is_some());
    }
}
