//! Area ADDR: which blocks and addresses can there be?

use serde_json::{Value, json};
use vpclab_tests::harness::{mistakes, topology};
use vpclab_tests::packet::{ping, syn};

use crate::networks::{DB, PEER, WEB, accepted, document, packet, refused, with};

const BAD_VPC: &str = "InvalidVpc.Range";
const BAD_SUBNET: &str = "InvalidSubnet.Range";

/// What is wrong with a VPC that has these blocks, the primary one first.
fn blocks(all: &[&str]) -> Vec<String> {
    mistakes(&json!({ "vpcs": { "v": { "cidr_block": all[0], "secondary_cidr_blocks": all[1..] } } }))
}

#[track_caller]
fn possible(all: &[&str]) {
    assert_eq!(blocks(all), [""; 0], "{all:?}");
}

#[track_caller]
fn impossible(all: &[&str]) {
    let found = blocks(all);
    let right = found.len() == 1 && found[0].ends_with(BAD_VPC);
    assert!(right, "{all:?}: {found:?}");
}

/// What is wrong with a VPC 10.0.0.0/16 with these subnets.
fn subnets(subnets: Value) -> Vec<String> {
    mistakes(&json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8::/56" } }, "subnets": subnets,
    }))
}

#[test]
fn a_vpc_is_a_16_to_a_28() {
    // proves: ADDR-01
    for block in ["10.0.0.0/16", "10.0.0.0/28"] {
        possible(&[block]);
    }
    for block in ["10.0.0.0/15", "10.0.0.0/29"] {
        impossible(&[block]);
    }
}

#[test]
fn host_bits_of_a_vpc_block_are_zeroed() {
    // proves: ADDR-02
    let declared = topology(&json!({ "vpcs": { "v": { "cidr_block": "100.68.0.18/18" } } }), None).unwrap();
    assert_eq!(declared.vpcs["v"].cidr_block.to_string(), "100.68.0.0/18");
}

#[test]
fn some_ranges_are_no_place_for_a_vpc() {
    // proves: ADDR-03
    for block in ["0.1.0.0/16", "127.0.0.0/16", "169.254.0.0/16", "224.0.0.0/16", "239.255.0.0/16"] {
        impossible(&[block]);
    }
    possible(&["169.253.0.0/16"]);
    possible(&["126.0.0.0/16"]);
}

#[test]
fn public_space_inside_a_vpc_is_private_to_it() {
    // proves: ADDR-04, ADDR-05
    possible(&["172.17.0.0/16"]);
    possible(&["100.64.0.0/16"]);
    // The client of the internet has an address inside the VPC's block: the VPC's own routes win, and nobody outside
    // reaches the inside.
    let mut net = with(|d| {
        d["vpcs"]["v"]["secondary_cidr_blocks"] = json!(["198.51.0.0/16"]);
        d["internet_hosts"]["client"] = json!({ "address": "192.0.2.7" });
        d["subnets"]["odd"] = json!({ "vpc": "v", "cidr_block": "198.51.100.0/24" });
        d["instances"]["odd"] =
            json!({ "subnet": "odd", "private_ip": "198.51.100.10", "security_groups": ["open"] });
    });
    net.send("web", &packet(WEB, "198.51.100.10", syn(1, 2))).arrives_at("odd");
    net.send("client", &packet("192.0.2.7", "198.51.100.10", syn(1, 2))).dies_of("no-public-mapping");
}

#[test]
fn blocks_of_one_vpc_do_not_overlap() {
    // proves: ADDR-07
    impossible(&["10.0.0.0/24", "10.0.0.128/25"]);
    impossible(&["10.2.0.0/24", "10.3.0.0/24", "10.3.0.0/25"]);
    possible(&["10.2.0.0/24", "10.2.1.0/24"]);
}

#[test]
fn private_ranges_do_not_mix() {
    // proves: ADDR-09, ADDR-10, ADDR-11, ADDR-12, ADDR-13, ADDR-14
    let cases: &[(&str, &[&str], &[&str])] = &[
        (
            "10.2.0.0/16",
            &["10.3.0.0/16", "10.0.0.0/16", "100.64.0.0/16", "8.8.0.0/16"],
            &["172.16.0.0/16", "192.168.0.0/16", "198.19.0.0/16"],
        ),
        // ADDR-10
        ("10.1.0.0/16", &["10.2.0.0/16"], &["10.0.0.0/24", "10.0.255.0/24"]),
        (
            "172.16.0.0/16",
            &["172.20.0.0/16", "100.64.0.0/16"],
            &["10.2.0.0/16", "192.168.0.0/16", "172.31.0.0/24", "198.19.0.0/16"],
        ),
        (
            "192.168.0.0/24",
            &["192.168.1.0/24", "8.8.0.0/16"],
            &["10.2.0.0/16", "172.16.0.0/16", "198.19.0.0/16"],
        ),
        (
            "198.19.0.0/24",
            &["198.19.1.0/24", "100.64.0.0/16"],
            &["10.2.0.0/16", "172.16.0.0/16", "192.168.0.0/16"],
        ),
        (
            "100.64.0.0/16",
            &["100.65.0.0/16", "8.8.0.0/16"],
            &["10.2.0.0/16", "172.16.0.0/16", "192.168.0.0/16", "198.19.0.0/16"],
        ),
        ("8.8.0.0/16", &["9.9.0.0/16", "100.64.0.0/16"], &["10.2.0.0/16", "198.19.0.0/16"]),
    ];
    for (primary, fine, refused) in cases {
        for block in *fine {
            possible(&[primary, block]);
        }
        for block in *refused {
            impossible(&[primary, block]);
        }
    }
}

#[test]
fn every_block_has_a_local_route_in_every_table() {
    // proves: ADDR-15, RT-01
    let mut document = document();
    document["vpcs"]["v"]["secondary_cidr_blocks"] = json!(["100.64.0.0/16"]);
    let declared = topology(&document, None).unwrap();
    assert_eq!(declared.route_tables.len(), 2, "the main one and a custom one");
    for table in declared.route_tables.values() {
        let local: Vec<_> = table
            .routes
            .iter()
            .filter(|route| route.target == vpclab_model::RouteTarget::Local)
            .map(|route| route.destination.to_string())
            .collect();
        assert_eq!(local, ["10.0.0.0/16", "100.64.0.0/16", "2001:db8:1::/56"]);
    }
    // It goes with the block.
    document["vpcs"]["v"]["secondary_cidr_blocks"] = json!([]);
    let declared = topology(&document, Some(&declared)).unwrap();
    let left = declared.route_tables.values().flat_map(|table| &table.routes);
    assert!(left.clone().count() > 0);
    assert!(left.into_iter().all(|route| route.destination.to_string() != "100.64.0.0/16"));
}

#[test]
fn ipv6_blocks_come_in_steps_of_four() {
    // proves: ADDR-20, ADDR-21
    for length in 40..=64 {
        let found = mistakes(&json!({ "vpcs": { "v": { "cidr_block": "10.0.0.0/16",
            "ipv6_cidr_block": format!("2001:db8::/{length}") } } }));
        let fine = matches!(length, 44 | 48 | 52 | 56 | 60);
        assert_eq!(found.is_empty(), fine, "a VPC's /{length}: {found:?}");
    }
    for length in 40..=68 {
        let found = mistakes(&json!({
            "vpcs": { "v": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8::/44" } },
            "subnets": { "s": { "vpc": "v", "cidr_block": "10.0.0.0/24",
                "ipv6_cidr_block": format!("2001:db8::/{length}") } },
        }));
        let fine = (44..=64).contains(&length) && length % 4 == 0;
        assert_eq!(found.is_empty(), fine, "a subnet's /{length}: {found:?}");
    }
    let generated =
        json!({ "vpcs": { "v": { "cidr_block": "10.0.0.0/16", "assign_generated_ipv6_cidr_block": true } } });
    assert_eq!(topology(&generated, None).unwrap().vpcs["v"].ipv6_cidr_blocks[0].prefix_len(), 56);
}

#[test]
fn rules_for_ipv6_stay_when_the_block_goes() {
    // proves: ADDR-23
    let mut document = json!({
        "vpcs": { "v": { "cidr_block": "10.0.0.0/16", "ipv6_cidr_block": "2001:db8::/56" } },
        "security_groups": { "g": { "vpc": "v", "ingress": [{ "protocol": "-1", "ipv6_cidr_blocks": ["::/0"] }] } },
        "network_acls": { "a": { "vpc": "v", "ingress": [
            { "rule_no": 1, "action": "allow", "protocol": "-1", "ipv6_cidr_block": "::/0" }] } },
        "internet_gateways": { "i": { "vpc": "v" } },
        "route_tables": { "t": { "vpc": "v", "routes": [{ "ipv6_cidr_block": "::/0", "gateway": "i" }] } },
    });
    let before = topology(&document, None).unwrap();
    document["vpcs"]["v"] = json!({ "cidr_block": "10.0.0.0/16" });
    let after = topology(&document, Some(&before)).unwrap();
    assert_eq!(after.security_groups["g"].ingress, before.security_groups["g"].ingress);
    assert_eq!(after.network_acls["a"], before.network_acls["a"]);
    assert!(after.route_tables["t"].routes.iter().any(|route| route.destination.to_string() == "::/0"));
}

#[test]
fn a_subnet_lies_inside_one_block() {
    // proves: ADDR-24
    for (block, fine) in [
        ("10.0.0.0/16", true),
        ("10.0.0.0/28", true),
        ("10.0.0.0/29", false),
        ("10.1.0.0/24", false),
        ("10.0.0.0/15", false),
    ] {
        let found = subnets(json!({ "s": { "vpc": "v", "cidr_block": block } }));
        let expected = if fine { vec![] } else { vec![format!("subnets.s.cidr_block: {BAD_SUBNET}")] };
        assert_eq!(found, expected, "{block}");
    }
}

#[test]
fn subnets_do_not_overlap() {
    // proves: ADDR-25
    let found = subnets(json!({
        "a": { "vpc": "v", "cidr_block": "10.0.0.0/24" }, "b": { "vpc": "v", "cidr_block": "10.0.0.128/25" },
        "c": { "vpc": "v", "cidr_block": "10.0.1.0/24" },
    }));
    assert_eq!(found, ["subnets.b.cidr_block: InvalidSubnet.Conflict"]);
}

#[test]
fn a_subnet_lives_in_one_zone_of_the_region() {
    // proves: ADDR-26
    accepted(|d| d["subnets"]["private"]["availability_zone"] = json!("us-east-1b"));
    refused("subnets.private.availability_zone", "InvalidParameterValue", |d| {
        d["subnets"]["private"]["availability_zone"] = json!("eu-west-1a");
    });
    refused("subnets.private.availability_zone", "InvalidParameterValue", |d| {
        d["subnets"]["private"]["availability_zone"] = json!(["us-east-1a", "us-east-1b"]);
    });
}

#[test]
fn five_addresses_of_a_subnet_are_reserved() {
    // proves: ADDR-27, ADDR-28
    for (address, free) in [
        (".0", false),
        (".1", false),
        (".2", false),
        (".3", false),
        (".4", true),
        (".254", true),
        (".255", false),
    ] {
        let place = json!(format!("10.0.2{address}"));
        if free {
            accepted(|d| d["instances"]["db"]["private_ip"] = place);
        } else {
            refused("instances.db.private_ip", "InvalidParameterValue", |d| {
                d["instances"]["db"]["private_ip"] = place;
            });
        }
    }
}

#[test]
fn a_28_has_room_for_eleven() {
    // proves: ADDR-27
    // VEC-20
    let with = |count: usize| {
        let interfaces: serde_json::Map<_, _> =
            (0..count).map(|n| (format!("eni-{n:02}"), json!({ "subnet": "s" }))).collect();
        json!({
            "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
            "subnets": { "s": { "vpc": "v", "cidr_block": "10.0.0.0/28" } }, "network_interfaces": interfaces,
        })
    };
    let declared = topology(&with(11), None).unwrap();
    let addresses: Vec<_> =
        declared.network_interfaces.values().map(|eni| eni.private_ip.unwrap().octets()[3]).collect();
    assert_eq!(addresses, (4..=14).collect::<Vec<_>>());
    let found = mistakes(&with(12));
    assert!(found.len() == 1 && found[0].ends_with("InsufficientFreeAddressesInSubnet"), "{found:?}");
}

#[test]
fn the_resolver_is_at_the_primary_block_plus_two() {
    // proves: ADDR-29
    let mut net = with(|d| {
        d["vpcs"]["v"]["secondary_cidr_blocks"] = json!(["100.64.0.0/16"]);
    });
    net.send("web", &packet(WEB, "10.0.0.2", ping(1))).dies_of("service-not-modelled");
    net.send("web", &packet(WEB, "100.64.0.2", ping(1))).dies_of("no-such-address");
}

#[test]
fn five_ipv6_addresses_of_a_subnet_are_reserved() {
    // proves: ADDR-30
    for (address, free) in [
        ("", false),
        ("1", false),
        ("2", false),
        ("3", false),
        ("4", true),
        ("ffff:ffff:ffff:fffe", true),
        ("ffff:ffff:ffff:ffff", false),
    ] {
        let address = if address.contains(':') {
            format!("2001:db8:1:2:{address}")
        } else {
            format!("2001:db8:1:2::{address}")
        };
        if free {
            accepted(|d| d["instances"]["db"]["ipv6_addresses"] = json!([address]));
        } else {
            refused("instances.db.ipv6_addresses[0]", "InvalidParameterValue", |d| {
                d["instances"]["db"]["ipv6_addresses"] = json!([address]);
            });
        }
    }
}

#[test]
fn the_router_has_two_link_local_addresses() {
    // proves: ADDR-31
    let mut net = with(|_| {});
    let mac = net.router_mac("web").0;
    let eui64 = std::net::Ipv6Addr::from([
        0xfe,
        0x80,
        0,
        0,
        0,
        0,
        0,
        0,
        mac[0] ^ 2,
        mac[1],
        mac[2],
        0xff,
        0xfe,
        mac[3],
        mac[4],
        mac[5],
    ]);
    let own = "fe80::1".parse().unwrap();
    for (address, answered) in [
        (eui64, true),
        ("fe80:ec2::1".parse().unwrap(), false),
        ("fe80::ec2:0:1".parse().unwrap(), true),
        ("fe80::77".parse().unwrap(), false),
    ] {
        let ask = vpclab_tests::frames::neighbor_solicitation(net.mac("web"), own, address);
        let fate = net.send_frame("web", &ask);
        assert_eq!(!fate.sent.is_empty(), answered, "{address}");
    }
}

#[test]
fn a_subnet_is_of_one_of_three_kinds() {
    // proves: ADDR-32
    let (v4, v6) = (json!("10.0.3.0/24"), json!("2001:db8:1:3::/64"));
    accepted(|d| d["subnets"]["x"] = json!({ "vpc": "v", "cidr_block": v4 }));
    accepted(|d| d["subnets"]["x"] = json!({ "vpc": "v", "cidr_block": v4, "ipv6_cidr_block": v6 }));
    accepted(|d| d["subnets"]["x"] = json!({ "vpc": "v", "ipv6_native": true, "ipv6_cidr_block": v6 }));
    refused("subnets.x.cidr_block", "MissingParameter", |d| {
        d["subnets"]["x"] = json!({ "vpc": "v", "ipv6_cidr_block": v6 });
    });
    let mut net = with(|d| {
        d["subnets"]["x"] = json!({ "vpc": "v", "ipv6_native": true, "ipv6_cidr_block": v6 });
        d["instances"]["x"] =
            json!({ "subnet": "x", "security_groups": ["open"], "ipv6_addresses": ["2001:db8:1:3::10"] });
    });
    assert_eq!(net.topology.network_interfaces["x"].private_ip, None);
    net.send("web", &packet(crate::networks::WEB_V6, "2001:db8:1:3::10", syn(1, 2))).arrives_at("x");
}

#[test]
fn a_new_vpc_has_defaults_and_no_gateway() {
    // proves: ADDR-36, RT-27, NACL-05, SG-03, SG-06
    let declared = topology(
        &json!({ "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
            "subnets": { "s": { "vpc": "v", "cidr_block": "10.0.0.0/24" } },
            "instances": { "i": { "subnet": "s" } } }),
        None,
    )
    .unwrap();
    let main = &declared.route_tables[&declared.vpcs["v"].main_route_table];
    assert!(main.main && main.routes.len() == 1);
    assert_eq!(main.routes[0].origin, vpclab_model::RouteOrigin::CreateRouteTable);
    assert!(declared.internet_gateways.is_empty());
    assert_eq!(declared.subnets["s"].network_acl, declared.vpcs["v"].default_network_acl);
    assert!(!declared.subnets["s"].map_public_ip_on_launch);
    let eni = &declared.network_interfaces["i"];
    assert!(eni.public_ips.is_empty());
    assert_eq!(eni.security_groups, [declared.vpcs["v"].default_security_group.clone()]);
    let group = &declared.security_groups[&declared.vpcs["v"].default_security_group];
    assert_eq!(group.ingress.len(), 1);
    assert_eq!(
        group.ingress[0].peer,
        vpclab_model::Peer::Group(declared.vpcs["v"].default_security_group.clone())
    );
    assert_eq!(group.egress[0].peer, vpclab_model::Peer::Cidr("0.0.0.0/0".parse().unwrap()));
}

#[test]
fn a_subnet_that_maps_public_addresses_gives_one_to_each_instance() {
    // proves: ADDR-35
    let build = |map: bool| {
        json!({ "vpcs": { "v": { "cidr_block": "10.0.0.0/16" } },
            "subnets": { "s": { "vpc": "v", "cidr_block": "10.0.0.0/24", "map_public_ip_on_launch": map } },
            "instances": { "i": { "subnet": "s" } } })
    };
    assert_eq!(topology(&build(true), None).unwrap().network_interfaces["i"].public_ips.len(), 1);
    assert_eq!(topology(&build(false), None).unwrap().network_interfaces["i"].public_ips.len(), 0);
}

#[test]
fn what_is_in_use_cannot_go() {
    // proves: ADDR-39
    refused("instances.db.subnet", "InvalidSubnetID.NotFound", |d| {
        d["subnets"].as_object_mut().unwrap().remove("private");
    });
    accepted(|d| {
        d["instances"].as_object_mut().unwrap().remove("db");
        d["subnets"].as_object_mut().unwrap().remove("private");
    });
}

#[test]
fn any_subnet_reaches_any_other_in_one_hop() {
    // proves: ADDR-40, L2-08, IGW-26
    let mut net = with(|d| d["subnets"]["third"] = json!({ "vpc": "v", "cidr_block": "10.0.3.0/24" }));
    net.change(|d| {
        d["instances"]["third"] =
            json!({ "subnet": "third", "private_ip": "10.0.3.10", "security_groups": ["open"] });
    });
    let all = [("web", WEB), ("db", DB), ("third", "10.0.3.10"), ("peer", PEER)];
    for (from, src) in all {
        for (to, dst) in all.into_iter().filter(|(to, _)| *to != from) {
            let seen = net.send(from, &packet(src, dst, ping(1))).arrives_at(to);
            assert_eq!(seen.ttl, vpclab_tests::frames::TTL, "OQ-22: the router takes nothing off");
        }
    }
    let seen = net.send("web", &packet(WEB, crate::networks::CLIENT, ping(1))).arrives_at("client");
    assert_eq!(seen.ttl, vpclab_tests::frames::TTL);
}

#[test]
fn a_vpc_takes_no_block_that_a_connection_stands_against() {
    // proves: ADDR-17, ADDR-18
    let peers = |state: &str| {
        let mut d = crate::peer_groups::peers();
        d["vpc_peering_connections"]["p"]["state"] = json!(state);
        d
    };
    let add = |before: &Value, vpc: &str, block: &str| {
        let mut after = before.clone();
        after["vpcs"][vpc]["secondary_cidr_blocks"] = json!([block]);
        let previous = topology(before, None).unwrap();
        match topology(&after, Some(&previous)) {
            Ok(next) => format!("{:?}", next.vpc_peering_connections["p"].state),
            Err(mistakes) => {
                let [mistake] = mistakes.0.as_slice() else { panic!("{mistakes}") };
                format!("{}: {}", mistake.resource, mistake.code)
            }
        }
    };
    // v has 10.0.0.0/16 and has asked; w has 10.1.0.0/16.
    let active = peers("active");
    assert_eq!(add(&active, "v", "10.2.0.0/16"), "Active");
    assert_eq!(add(&active, "w", "10.2.0.0/16"), "Active");
    assert_eq!(add(&active, "v", "10.1.128.0/17"), "vpcs.v: InvalidVpc.Range");
    let waiting = peers("pending-acceptance");
    assert_eq!(add(&waiting, "v", "10.2.0.0/16"), "vpcs.v: OperationNotPermitted");
    assert_eq!(add(&waiting, "w", "10.2.0.0/16"), "PendingAcceptance");
    // The one that is asked may add a block all the same; accepting then fails, and that is no error.
    let mut asked = waiting.clone();
    asked["vpcs"]["v"]["secondary_cidr_blocks"] = json!(["10.5.0.0/16"]);
    let mut accepted = asked.clone();
    accepted["vpcs"]["w"]["secondary_cidr_blocks"] = json!(["10.5.7.0/24"]);
    accepted["vpc_peering_connections"]["p"]["state"] = json!("active");
    let previous = topology(&asked, None).unwrap();
    let next = topology(&accepted, Some(&previous)).unwrap();
    assert_eq!(format!("{:?}", next.vpc_peering_connections["p"].state), "Failed");
}

#[test]
fn a_block_is_not_added_over_a_route_that_is_as_specific_or_more() {
    // proves: ADDR-08
    for (block, is_allowed) in [("10.7.0.0/25", true), ("10.7.0.0/24", false), ("10.7.0.0/23", false)] {
        let mut after = document();
        after["vpcs"]["v"]["secondary_cidr_blocks"] = json!([block]);
        let routes = after["route_tables"]["public"]["routes"].as_array_mut().unwrap();
        routes.push(json!({ "cidr_block": "10.7.0.0/24", "gateway": "igw" }));
        let found = mistakes(&after);
        assert_eq!(found.is_empty(), is_allowed, "{block}: {found:?}");
        assert!(
            is_allowed || found.iter().all(|mistake| mistake.contains("route_tables.public")),
            "{found:?}"
        );
    }
}
