//! Area CT: what does an interface remember?

use serde_json::{Value, json};
use vpclab_tests::harness::Net;
use vpclab_tests::packet::{Body, ErrorKind, Flags, Packet, ping, syn, tcp, udp};

use crate::networks::{
    CLIENT, DB, DB_V6, WEB, WEB_PUBLIC, WEB_V6, accepted, all_of, everything, packet, refused, tcp_of,
    web_with_rules, with,
};

/// The network where only `web`'s outbound rules let it speak, to its own VPC, so that everything is tracked.
fn tracked() -> Net {
    web_with_rules(json!([]), json!([all_of("10.0.0.0/16"), all_of("2001:db8::/32")]))
}

/// The network where `web`'s flows are tracked, with these settings.
fn with_settings(settings: Value) -> Net {
    let mut net = tracked();
    net.change(|d| d["settings"] = settings);
    net
}

/// Whether `db`'s packet on an existing flow reaches `web`, which has no inbound rules.
fn answer_passes(net: &mut Net, request: &Packet) -> bool {
    net.send("db", &request.answer().unwrap()).delivered().is_some()
}

/// Opens a TCP connection from `web` to `db` up to the established state.
fn establish(net: &mut Net) -> Packet {
    assert!(net.converses("web", &packet(WEB, DB, syn(40_000, 443))));
    let data = packet(WEB, DB, tcp(40_000, 443, Flags::Ack));
    net.send("web", &data).arrives_at("db");
    data
}

#[test]
fn an_answer_passes_whatever_the_rules_of_its_direction() {
    // proves: CT-01
    let mut net = tracked();
    assert!(net.converses("web", &packet(WEB, DB, syn(40_000, 443))));
    net.send("db", &packet(DB, WEB, syn(443, 40_001))).dies_of("security-group");
    let mut net = web_with_rules(json!([tcp_of(443, "10.0.2.0/24")]), json!([]));
    assert!(net.converses("db", &packet(DB, WEB, syn(40_000, 443))));
    net.send("web", &packet(WEB, DB, syn(443, 40_001))).dies_of("security-group");
}

#[test]
fn flows_are_told_apart_by_ports_identifier_or_protocol() {
    // proves: CT-02
    let mut net = tracked();
    net.send("web", &packet(WEB, DB, udp(1000, 53))).arrives_at("db");
    assert!(answer_passes(&mut net, &packet(WEB, DB, udp(1000, 53))));
    assert!(!answer_passes(&mut net, &packet(WEB, DB, udp(1001, 53))));
    net.send("web", &packet(WEB, DB, ping(7))).arrives_at("db");
    assert!(answer_passes(&mut net, &packet(WEB, DB, ping(7))));
    assert!(!answer_passes(&mut net, &packet(WEB, DB, ping(8))));
    // Anything else: addresses and protocol, for 600 s.
    net.send("web", &packet(WEB, DB, Body::Other(47))).arrives_at("db");
    net.wait(599);
    assert!(answer_passes(&mut net, &packet(WEB, DB, Body::Other(47))));
    assert!(!answer_passes(&mut net, &packet(WEB, DB, Body::Other(50))));
    net.wait(601);
    assert!(!answer_passes(&mut net, &packet(WEB, DB, Body::Other(47))));
}

/// Whether `web`, with these rules, goes on answering `db`'s flow to `port` once its inbound rules are gone.
fn survives(ingress: Value, egress: Value, request: &Packet) -> bool {
    let mut net = web_with_rules(ingress, egress);
    assert!(net.converses("db", request), "the flow opens");
    net.change(|d| d["security_groups"]["web"]["ingress"] = json!([]));
    net.send("db", request).delivered().is_some()
}

#[test]
fn a_flow_is_untracked_if_everybody_may_open_it_and_be_answered() {
    // proves: CT-03, CT-10
    let all = json!([everything()]);
    for body in [syn(40_000, 80), udp(40_000, 80)] {
        let request = packet(DB, WEB, body);
        let protocol = if matches!(body, Body::Tcp { .. }) { "tcp" } else { "udp" };
        let rule = |from: u16, to: u16, block: &str| json!([{ "protocol": protocol, "from_port": from, "to_port": to, "cidr_blocks": [block] }]);
        assert!(!survives(rule(80, 80, "0.0.0.0/0"), all.clone(), &request));
        assert!(!survives(rule(80, 80, "0.0.0.0/0"), rule(0, 65_535, "0.0.0.0/0"), &request));
        // Not everybody may open it; not everybody, or not on every port, may be answered.
        assert!(survives(rule(80, 80, "10.0.0.0/8"), all.clone(), &request));
        assert!(survives(rule(80, 80, "0.0.0.0/0"), rule(0, 65_535, "10.0.0.0/8"), &request));
        assert!(survives(rule(80, 80, "0.0.0.0/0"), rule(1, 65_535, "0.0.0.0/0"), &request));
        assert!(survives(rule(80, 80, "0.0.0.0/0"), rule(0, 65_534, "0.0.0.0/0"), &request));
        assert!(survives(rule(80, 80, "0.0.0.0/0"), json!([]), &request));
        // It makes no difference that others are allowed by a rule of their own.
        let both = [rule(80, 80, "10.0.0.0/8")[0].clone(), rule(80, 80, "0.0.0.0/0")[0].clone()];
        assert!(!survives(json!(both), all.clone(), &request));
    }
}

#[test]
fn what_ends_a_connection_begins_none() {
    // CT-19 is about packets that a connection may go on with.
    for (db, web, block) in [(DB, WEB, "10.0.2.0/24"), (DB_V6, WEB_V6, "2001:db8:1:2::/64")] {
        let mut net = web_with_rules(json!([all_of(block)]), json!([]));
        net.send("db", &packet(db, web, tcp(40_000, 443, Flags::Rst))).arrives_at("web");
        net.send("web", &packet(web, db, tcp(443, 40_000, Flags::Ack))).dies_of("security-group");
        net.send("db", &packet(db, web, tcp(40_000, 443, Flags::Ack))).arrives_at("web");
        net.send("web", &packet(web, db, tcp(443, 40_000, Flags::Ack))).arrives_at("db");
    }
}

#[test]
fn icmp_is_always_tracked() {
    // proves: CT-04
    assert!(survives(json!([everything()]), json!([everything()]), &packet(DB, WEB, ping(1))));
    assert!(survives(json!([everything()]), json!([everything()]), &packet(DB_V6, WEB_V6, ping(1))));
}

/// The rules of the example in the guide, with `db`'s address for the one host.
fn example() -> Value {
    json!([
        tcp_of(22, "10.0.2.10/32"),
        tcp_of(80, "0.0.0.0/0"),
        { "protocol": "tcp", "from_port": 80, "to_port": 80, "ipv6_cidr_blocks": ["::/0"] },
        { "protocol": "icmp", "from_port": -1, "to_port": -1, "cidr_blocks": ["0.0.0.0/0"] },
    ])
}

#[test]
fn the_example_of_the_guide_tracks_ssh_and_ping_and_not_http() {
    // proves: CT-05, CT-06
    // VEC-07
    let out = json!([everything()]);
    assert!(survives(example(), out.clone(), &packet(DB, WEB, syn(1, 22))));
    assert!(!survives(example(), out.clone(), &packet(DB, WEB, syn(1, 80))));
    assert!(!survives(example(), out.clone(), &packet(DB_V6, WEB_V6, syn(1, 80))));
    assert!(survives(example(), out, &packet(DB, WEB, ping(1))));
    // Without the outbound rule for IPv4, port 80 is tracked there, and over IPv6 it is not; and the other way round.
    let out = json!([all_of("::/0")]);
    assert!(survives(example(), out.clone(), &packet(DB, WEB, syn(1, 80))));
    assert!(!survives(example(), out, &packet(DB_V6, WEB_V6, syn(1, 80))));
    let out = json!([all_of("0.0.0.0/0")]);
    assert!(!survives(example(), out.clone(), &packet(DB, WEB, syn(1, 80))));
    assert!(survives(example(), out, &packet(DB_V6, WEB_V6, syn(1, 80))));
}

#[test]
fn a_tracked_flow_outlives_its_rule_and_new_ones_do_not_open() {
    // proves: CT-09
    let mut net = tracked();
    let data = establish(&mut net);
    net.change(|d| d["security_groups"]["web"]["egress"] = json!([]));
    net.send("web", &data).arrives_at("db");
    assert!(answer_passes(&mut net, &data));
    net.send("web", &packet(WEB, DB, syn(40_001, 443))).dies_of("security-group");
}

#[test]
fn an_untracked_flow_is_cut_in_both_directions() {
    // proves: CT-10
    let mut net = web_with_rules(json!([tcp_of(80, "0.0.0.0/0")]), json!([everything()]));
    let request = packet(CLIENT, WEB_PUBLIC, syn(50_000, 80));
    assert!(net.converses("client", &request));
    net.change(|d| d["security_groups"]["web"]["ingress"] = json!([tcp_of(80, "10.0.0.0/8")]));
    net.send("client", &packet(CLIENT, WEB_PUBLIC, tcp(50_000, 80, Flags::Ack))).dies_of("security-group");
    net.send("web", &packet(WEB, CLIENT, tcp(80, 50_000, Flags::Ack))).dies_of("security-group");
}

#[test]
fn established_tcp_is_remembered_for_five_days_or_as_specified() {
    // proves: CT-11, CT-24
    for (specified, seconds) in [(None, 432_000), (Some(350), 350), (Some(60), 60)] {
        let build = || {
            let mut net = tracked();
            if let Some(specified) = specified {
                net.change(|d| {
                    d["instances"]["web"]["connection_tracking"] =
                        json!({ "tcp_established_timeout": specified });
                });
            }
            net
        };
        let mut net = build();
        let data = establish(&mut net);
        net.wait(seconds - 1);
        // A packet in time keeps it alive.
        assert!(answer_passes(&mut net, &data), "{seconds}");
        net.wait(seconds - 1);
        assert!(answer_passes(&mut net, &data), "{seconds}");
        net.wait(seconds + 1);
        assert!(!answer_passes(&mut net, &data), "{seconds}");
    }
}

#[test]
fn one_datagram_or_exchange_is_remembered_for_half_a_minute() {
    // proves: CT-12, CT-13
    let request = packet(WEB, DB, udp(40_000, 53));
    let exchanges = |specification: Value, rounds: usize, idle: u64| {
        let mut net = tracked();
        net.change(|d| d["instances"]["web"]["connection_tracking"] = specification);
        net.send("web", &request).arrives_at("db");
        for round in 0..rounds {
            assert!(answer_passes(&mut net, &request));
            if round + 1 < rounds {
                net.send("web", &request).arrives_at("db");
            }
        }
        net.wait(idle);
        answer_passes(&mut net, &request)
    };
    for (rounds, seconds) in [(0, 30), (1, 30), (2, 180), (3, 180)] {
        assert!(exchanges(json!({}), rounds, seconds - 1), "{rounds} rounds");
        assert!(!exchanges(json!({}), rounds, seconds + 1), "{rounds} rounds");
    }
    let specified = json!({ "udp_timeout": 45, "udp_stream_timeout": 90 });
    assert!(exchanges(specified.clone(), 1, 44) && !exchanges(specified.clone(), 1, 46));
    assert!(exchanges(specified.clone(), 2, 89) && !exchanges(specified, 2, 91));
}

#[test]
fn timeouts_are_set_per_interface_within_limits() {
    // proves: CT-14
    for (name, lowest, highest) in
        [("tcp_established_timeout", 60, 432_000), ("udp_timeout", 30, 60), ("udp_stream_timeout", 60, 180)]
    {
        let set = |seconds: u32| {
            move |d: &mut Value| d["instances"]["db"]["connection_tracking"] = json!({ name: seconds })
        };
        accepted(set(lowest));
        accepted(set(highest));
        for seconds in [lowest - 1, highest + 1] {
            refused(
                &format!("instances.db.connection_tracking.{name}"),
                "InvalidParameterValue",
                set(seconds),
            );
        }
    }
}

#[test]
fn an_instance_at_its_allowance_opens_nothing_more() {
    // proves: CT-15
    let mut net = with_settings(json!({ "connection_limit_per_instance": 2 }));
    net.change(|d| {
        d["network_interfaces"] = json!({ "second": { "subnet": "public", "private_ip": "10.0.1.40",
            "security_groups": ["web"], "attachment": { "instance": "web", "device_index": 1 } } });
        d["instances"]["web"].as_object_mut().unwrap().remove("associate_public_ip_address");
        d["instances"]["web"].as_object_mut().unwrap().remove("public_ip");
    });
    let first = packet(WEB, DB, syn(1, 443));
    assert!(net.converses("web", &first));
    net.send("second", &packet("10.0.1.40", DB, syn(2, 443))).arrives_at("db");
    for (from, src) in [("web", WEB), ("second", "10.0.1.40")] {
        net.send(from, &packet(src, DB, syn(3, 443))).dies_of("conntrack-allowance-exceeded");
    }
    // What is remembered goes on, and another instance has an allowance of its own.
    net.send("web", &packet(WEB, DB, tcp(1, 443, Flags::Ack))).arrives_at("db");
    let dropped =
        net.engine().counters().dropped.iter().filter(|((_, why), _)| *why == "conntrack-allowance-exceeded");
    assert_eq!(dropped.map(|(_, count)| count).sum::<u64>(), 2);
}

#[test]
fn what_has_expired_or_gone_counts_against_nobody() {
    // proves: CT-15
    let mut net = with_settings(json!({ "connection_limit_per_instance": 2 }));
    for port in [1, 2] {
        net.send("web", &packet(WEB, DB, syn(port, 443))).arrives_at("db");
    }
    net.send("web", &packet(WEB, DB, syn(3, 443))).dies_of("conntrack-allowance-exceeded");
    net.wait(61);
    for port in [3, 4] {
        net.send("web", &packet(WEB, DB, syn(port, 443))).arrives_at("db");
    }
    net.send("web", &packet(WEB, DB, syn(5, 443))).dies_of("conntrack-allowance-exceeded");
    // What opens in the place of what has ended needs no room of its own.
    net.send("web", &packet(WEB, DB, tcp(3, 443, Flags::Rst))).arrives_at("db");
    net.send("web", &packet(WEB, DB, syn(3, 443))).arrives_at("db");
    // A new instance under another name does not inherit the count, wherever it is in the order of names.
    net.change(|d| {
        let mut web = d["instances"].as_object_mut().unwrap().remove("web").unwrap();
        web["private_ip"] = json!(WEB);
        d["instances"]["a-successor"] = web;
    });
    net.send("a-successor", &packet(WEB, DB, syn(5, 443))).arrives_at("db");
}

#[test]
fn an_interface_that_moves_to_another_subnet_remembers_nothing() {
    // proves: CT-09
    let mut net = tracked();
    let data = establish(&mut net);
    assert!(answer_passes(&mut net, &data));
    // The same name and address in a subnet of another VPC with the same block.
    net.change(|d| {
        d["vpcs"]["w"] = json!({ "cidr_block": "10.0.0.0/16" });
        d["subnets"]["elsewhere"] = json!({ "vpc": "w", "cidr_block": "10.0.1.0/24" });
        d["subnets"]["beside"] = json!({ "vpc": "w", "cidr_block": "10.0.2.0/24" });
        d["security_groups"]["shut"] = json!({ "vpc": "w", "ingress": [], "egress": [everything()] });
        d["security_groups"]["wide"] =
            json!({ "vpc": "w", "ingress": [everything()], "egress": [everything()] });
        d["instances"]["web"] =
            json!({ "subnet": "elsewhere", "private_ip": WEB, "security_groups": ["shut"] });
        d["instances"]["db"] = json!({ "subnet": "beside", "private_ip": DB, "security_groups": ["wide"] });
    });
    net.send("db", &data.answer().unwrap()).dies_of("security-group");
    net.change(|d| d["security_groups"]["shut"]["ingress"] = json!([everything()]));
    net.send("db", &data.answer().unwrap()).arrives_at("web");
}

#[test]
fn an_icmp_error_about_a_tracked_flow_comes_in() {
    // proves: CT-17
    // The same inside the VPC and from the internet, where the quoted addresses are translated.
    for (from, to, public) in [("db", DB, WEB), ("client", CLIENT, WEB_PUBLIC)] {
        let mut net = web_with_rules(json!([]), json!([tcp_of(443, "0.0.0.0/0")]));
        net.send("web", &packet(WEB, to, syn(40_000, 443))).arrives_at(from);
        let error = |port: u16| packet(public, to, syn(port, 443)).error(ErrorKind::TooBig).unwrap();
        net.send(from, &error(40_000)).arrives_at("web");
        // About a flow that never was: the rules decide.
        net.send(from, &error(40_001)).dies_of("security-group");
        net.change(|d| {
            d["security_groups"]["web"]["ingress"] =
                json!([{ "protocol": "icmp", "from_port": 3, "to_port": 4, "cidr_blocks": ["0.0.0.0/0"] }]);
        });
        net.send(from, &error(40_001)).arrives_at("web");
    }
    // About a tracked flow of `web`'s, but sent to somebody else who has one like it, or quoting what was never sent.
    let mut net = web_with_rules(json!([]), json!([tcp_of(443, "0.0.0.0/0")]));
    net.send("web", &packet(WEB, DB, syn(40_000, 443))).arrives_at("db");
    let mut misquoted = packet(WEB, DB, syn(40_000, 443)).error(ErrorKind::TooBig).unwrap();
    if let Body::Error { about, .. } = &mut misquoted.body {
        std::mem::swap(&mut about.src, &mut about.dst);
    }
    net.send("db", &misquoted).dies_of("security-group");
    // To one address of the interface, about a flow of another of its addresses.
    let mut net = web_with_rules(json!([]), json!([tcp_of(443, "0.0.0.0/0")]));
    net.change(|d| d["instances"]["web"]["secondary_private_ips"] = json!(["10.0.1.77"]));
    let request = packet("10.0.1.77", DB, syn(40_000, 443));
    net.send("web", &request).arrives_at("db");
    let error = request.error(ErrorKind::TooBig).unwrap();
    net.send("db", &error).arrives_at("web");
    let astray = Packet { dst: WEB.parse().unwrap(), ..error };
    net.send("db", &astray).dies_of("security-group");
    // About an untracked flow: lost without a rule for ICMP.
    let mut net = web_with_rules(json!([tcp_of(80, "0.0.0.0/0")]), json!([everything()]));
    let request = packet(DB, WEB, syn(40_000, 80));
    assert!(net.converses("db", &request));
    net.send("db", &request.answer().unwrap().error(ErrorKind::TooBig).unwrap()).dies_of("security-group");
}

#[test]
fn tcp_in_the_middle_of_nothing_is_picked_up_or_dropped() {
    // proves: CT-19, CT-22
    let data = packet(WEB, DB, tcp(40_000, 443, Flags::Ack));
    let mut net = tracked();
    // Its own direction's rules decide; a late answer has none.
    assert!(!answer_passes(&mut net, &data));
    net.send("web", &data).arrives_at("db");
    assert!(answer_passes(&mut net, &data), "and it is remembered from then on");
    let mut net = with_settings(json!({ "mid_stream_tcp": "drop" }));
    net.send("web", &data).dies_of("mid-stream-tcp");
    establish(&mut net);
    net.send("web", &data).arrives_at("db");
    // What is not tracked has no middle: rules decide about each packet.
    let mut net = web_with_rules(json!([everything()]), json!([everything()]));
    net.change(|d| d["settings"] = json!({ "mid_stream_tcp": "drop" }));
    net.send("web", &data).arrives_at("db");
    // The timeouts that are not published are settings.
    let settings = json!({ "tcp_opening_timeout": 7, "tcp_closing_timeout": 9, "icmp_timeout": 11 });
    for (seconds, passes) in [(6, true), (8, false)] {
        let mut net = with_settings(settings.clone());
        net.send("web", &packet(WEB, DB, syn(1, 2))).arrives_at("db");
        net.wait(seconds);
        assert_eq!(answer_passes(&mut net, &packet(WEB, DB, syn(1, 2))), passes, "opening, {seconds} s");
        let mut net = with_settings(settings.clone());
        let data = establish(&mut net);
        net.send("web", &packet(WEB, DB, tcp(40_000, 443, Flags::Rst))).arrives_at("db");
        net.wait(seconds + 2);
        assert_eq!(answer_passes(&mut net, &data), passes, "closing, {seconds} s");
        let mut net = with_settings(settings.clone());
        net.send("web", &packet(WEB, DB, ping(1))).arrives_at("db");
        net.wait(seconds + 4);
        assert_eq!(answer_passes(&mut net, &packet(WEB, DB, ping(1))), passes, "ICMP, {seconds} s");
    }
}

#[test]
fn with_one_port_open_to_everybody_what_the_instance_opens_itself_is_tracked() {
    // proves: CT-25
    // VEC-21
    let mut net = web_with_rules(json!([tcp_of(443, "0.0.0.0/0")]), json!([all_of("0.0.0.0/0")]));
    let (inbound, outbound) =
        (packet(CLIENT, WEB_PUBLIC, syn(50_000, 443)), packet(WEB, CLIENT, syn(40_000, 5432)));
    assert!(net.converses("client", &inbound) && net.converses("web", &outbound));
    net.change(|d| d["security_groups"]["web"] = json!({ "vpc": "v", "ingress": [], "egress": [] }));
    net.send("client", &packet(CLIENT, WEB_PUBLIC, tcp(50_000, 443, Flags::Ack))).dies_of("security-group");
    net.send("web", &packet(WEB, CLIENT, tcp(40_000, 5432, Flags::Ack))).arrives_at("client");
    net.send("client", &packet(CLIENT, WEB_PUBLIC, tcp(5432, 40_000, Flags::Ack))).arrives_at("web");
    assert_eq!(with(|_| {}).engine().flows().len(), 0);
}
